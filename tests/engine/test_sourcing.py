"""Sourcing: routes for placed orders, promises that move with them, and sources that reject."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import CHANNEL, SHOPPER, STAFF, THREE, World

from ordercore import (
    Cart,
    CartLine,
    KeyReused,
    Manifest,
    Money,
    NotAllowed,
    Order,
    OrdercoreError,
    OutOfStock,
    Party,
    ShippingCharge,
)
from ordercore.adapters.memory import MemoryStock
from ordercore.engine.flow import Flow, Step
from ordercore.engine.shelves import PLACED
from ordercore.engine.sourcing import Network, Routed, take_route
from ordercore.errors import InvalidInput, InvalidPolicy, StoreError
from ordercore.fulfillment import ParcelGroup, ParcelState, ReserveAt, StockPolicy
from ordercore.fulfillment.carriage import Rate, Service, WeightStep, Zone
from ordercore.fulfillment.routing import RouteWeights
from ordercore.fulfillment.source import Source
from ordercore.order import ChangeQuantity

POST = Service(
    "post", (Rate(Zone("all"), (WeightStep(1_000, 500), WeightStep(20_000, 900))),), "CNY"
)
NETWORK = Network(
    (Source("north"), Source("south"), Source("east")), (POST,), RouteWeights(parcel=1)
)


def sourced(stock: dict[str, dict[str, int]]) -> World:
    """A shop whose goods stand at several sources."""
    world = World()
    world.stock = MemoryStock(world.clock, sources=stock)
    world.engine = world.another(stock=world.stock)
    return world


def everywhere(*sources: str) -> dict[str, dict[str, int]]:
    """Five of each article at each source."""
    return {name: {f"SKU-{i}": 5 for i in (1, 2, 3)} for name in sources}


def placed_at(world: World, order: Any) -> set[tuple[str, str, int]]:
    """Where the goods of an order stand."""
    now = world.engine.get(order.id)
    return {row for name, _ in now.reservations() for row in world.stock.placed(name)}


def test_the_promise_stands_where_the_route_sends_from() -> None:
    """A route over one source moves every unit of the reservation there, and plans one parcel with its reasons."""
    world = sourced({"north": {"SKU-1": 5}, "south": everywhere("south")["south"]})
    order = world.paid()
    assert ("north", "SKU-1", 1) in placed_at(world, order)
    found = world.engine.route_parcels(order.id, NETWORK, key="r")
    assert [(p.source, p.goods.total()) for p in found.route.parcels] == [("south", 3)]
    assert placed_at(world, order) == {("south", f"SKU-{i}", 1) for i in (1, 2, 3)}
    (parcel,) = found.order.delivery.parcels
    assert (parcel.source, parcel.service, parcel.estimate) == ("south", "post", 500)
    assert parcel.reasons
    assert world.stock.free("SKU-1") == 9


def test_the_promise_follows_a_plan_by_hand() -> None:
    """A parcel that people plan from a source takes its units from there, as far as it has them."""
    world = sourced({"north": everywhere("north")["north"], "south": {"SKU-1": 5, "SKU-2": 0}})
    order = world.paid()
    groups = [
        ParcelGroup(Manifest.of({"1": 1, "2": 1}), "south"),
        ParcelGroup(Manifest.of({"3": 1})),
    ]
    world.engine.plan_parcels(order.id, groups, key="p")
    there = {("south", "SKU-1", 1), ("north", "SKU-2", 1), ("north", "SKU-3", 1)}
    assert placed_at(world, order) == there
    world.engine.plan_parcels(order.id, groups, key="p")
    assert placed_at(world, order) == there
    assert world.store.backlog(world.clock.now()).due == 0


def test_in_the_hosts_transaction_the_promise_follows_a_plan_at_the_next_sweep() -> None:
    """A keeper is somebody else's: nothing of it moves before the plan is committed."""
    world = sourced(everywhere("north", "south"))
    order = world.paid()
    world.store.joined = True
    world.engine.plan_parcels(order.id, [ParcelGroup(Manifest.of({"1": 1}), "south")], key="p")
    assert {place for place, _, _ in placed_at(world, order)} == {"north"}
    world.store.joined = False
    world.engine.sweep()
    assert ("south", "SKU-1", 1) in placed_at(world, order)


PLANNED = [ParcelGroup(Manifest.of({"1": 1}), "south")]


@pytest.mark.parametrize("way", ["promised at payment", "lapsed"])
def test_a_promise_that_comes_after_the_plan_follows_it_too(way: str) -> None:
    """Goods that are promised when the order is paid, or anew, stand where the parcels are to leave."""
    world = sourced(everywhere("north", "south"))
    if way != "lapsed":
        policies = attrs.evolve(
            world.engine.shop.policies, stock=StockPolicy(reserve=ReserveAt.PAYMENT)
        )
        world.engine = world.another(stock=world.stock, policies=policies)
    order = world.placed()
    world.engine.plan_parcels(order.id, PLANNED, key="p")
    for name, _ in order.reservations() if way == "lapsed" else ():
        world.stock.release(name)
    assert placed_at(world, order) == set()
    world.pay(order)
    assert ("south", "SKU-1", 1) in placed_at(world, order)


def test_a_preview_moves_nothing() -> None:
    """`route` tells the best way; promises and parcels stay as they are."""
    world = sourced(everywhere("north", "south"))
    order = world.paid()
    before = placed_at(world, order)
    assert world.engine.route(order.id, NETWORK).proven
    assert placed_at(world, order) == before
    assert not world.engine.get(order.id).delivery.parcels


def test_a_source_that_rejects_is_routed_around() -> None:
    """After a rejection the promise moves along, and the parcels are planned from another source."""
    world = sourced(everywhere("north", "south"))
    order = world.paid()
    first = world.engine.route_parcels(order.id, NETWORK, key="r")
    (source,) = {p.source for p in first.route.parcels}
    again = world.engine.route_parcels(order.id, NETWORK, rejected=(source,), key="r2")
    (other,) = {p.source for p in again.route.parcels}
    assert other != source
    assert {place for place, _, _ in placed_at(world, order)} == {other}
    assert [p.source for p in again.order.delivery.parcels if p.in_work] == [other]


def test_nothing_moves_where_no_other_source_has_the_goods() -> None:
    """A rejection that cannot be routed around is refused with what there is, and all stays as it was (law L12)."""
    world = sourced(everywhere("north"))
    order = world.paid()
    first = world.engine.route_parcels(order.id, NETWORK, key="r").order
    before = placed_at(world, order)
    with pytest.raises(OutOfStock):
        world.engine.route_parcels(order.id, NETWORK, rejected=("north",), key="r2")
    assert world.engine.get(order.id) == first
    assert placed_at(world, order) == before


def test_what_is_picked_stays_where_it_is() -> None:
    """Routing again leaves a picked parcel and its promise alone, and routes the rest."""
    world = sourced(
        {"north": {"SKU-1": 5, "SKU-2": 5}, "south": {"SKU-3": 5}, "east": {"SKU-3": 5}}
    )
    order = world.paid()
    routed = world.engine.route_parcels(order.id, NETWORK, key="r").order
    north = next(p for p in routed.delivery.parcels if p.source == "north")
    third = next(p for p in routed.delivery.parcels if p.source != "north")
    world.engine.pick(order.id, north.id, key="pick")
    again = world.engine.route_parcels(order.id, NETWORK, rejected=(third.source,), key="r2").order
    live = {p.source: p.state for p in again.delivery.parcels if p.in_work}
    assert live == {
        "north": ParcelState.PICKED,
        next(iter({"south", "east"} - {third.source})): ParcelState.PLANNED,
    }
    assert ("north", "SKU-1", 1) in placed_at(world, order)


def test_an_amended_order_is_routed_again() -> None:
    """Units that an amendment added are routed with the rest, over every reservation of the order."""
    world = sourced(everywhere("north", "south"))
    order = world.placed()
    world.engine.amend(order.id, [ChangeQuantity("1", 3)], key="a", by=SHOPPER)
    world.pay(world.engine.get(order.id), (THREE[2],))
    found = world.engine.route_parcels(order.id, NETWORK, key="r").order
    (parcel,) = found.delivery.parcels
    assert parcel.goods == Manifest.of({"1": 3, "2": 1, "3": 1})
    assert sum(units for _, _, units in placed_at(world, order)) == 5
    assert {place for place, _, _ in placed_at(world, order)} == {parcel.source}


def test_a_merged_order_is_routed_as_one() -> None:
    """Goods of both orders are promised under two names, and go from one source."""
    world = sourced(everywhere("north", "south"))

    def cart(sku: str) -> Cart:
        freight = ShippingCharge(Money("10.00", "CNY"))
        line = CartLine(sku, 1, Money("60.00", "CNY"))
        return Cart("CNY", (line,), shipping=freight, customer=Party("c1"))

    one, other = [
        world.engine.place(world.engine.quote(cart(f"SKU-{i}")), key=f"k{i}", by=SHOPPER)
        for i in (1, 2)
    ]
    world.engine.combine(one.id, other.id, key="m", by=STAFF)
    paid = world.pay(world.engine.get(one.id), (THREE[2],)).order
    found = world.engine.route_parcels(paid.id, NETWORK, key="r")
    assert [p.goods.total() for p in found.route.parcels] == [2]
    assert len(placed_at(world, paid)) == 2


def test_the_same_key_plans_once() -> None:
    """A repeated key moves and plans nothing a second time (law L13)."""
    world = sourced(everywhere("north", "south"))
    order = world.paid()
    first = world.engine.route_parcels(order.id, NETWORK, key="r").order
    assert world.engine.route_parcels(order.id, NETWORK, key="r").order == first


def test_a_plan_that_is_refused_moves_no_promise() -> None:
    """Whoever may not plan parcels moves no goods either (law L12)."""
    world = sourced({"north": {"SKU-1": 5}, "south": everywhere("south")["south"]})
    order = world.paid()
    before = placed_at(world, order)
    with pytest.raises(NotAllowed):
        world.engine.route_parcels(order.id, NETWORK, key="r", by=SHOPPER)
    assert placed_at(world, order) == before


def test_a_keeper_without_sources_cannot_be_routed() -> None:
    """A stock keeper that does not know where its goods are is refused with the reason."""
    world = World(stocked=False)
    order = world.paid()
    with pytest.raises(NotAllowed, match="SourcedStock"):
        world.engine.route(order.id, NETWORK)
    with pytest.raises(InvalidInput, match="Network"):
        world.engine.route(order.id, "north")  # type: ignore[arg-type]


def test_an_order_that_has_left_has_nothing_to_route() -> None:
    """Once all of it has left there is nothing to route."""
    world = sourced(everywhere("north"))
    order = world.shipped()
    with pytest.raises(NotAllowed, match="nothing is left to route"):
        world.engine.route(order.id, NETWORK)


# --- Many hands -----------------------------------------------------------------------------------


def bought(world: World, units: int, key: str, *, sku: str = "SKU-1") -> Order:
    """An order of one article, paid and accepted."""
    cart = Cart("CNY", (CartLine(sku, units, Money("10.00", "CNY")),), customer=Party("c1"))
    order = world.engine.place(world.engine.quote(cart), key=key, by=SHOPPER)
    world.engine.pay(order.id, CHANNEL, key=f"{key}-p", by=SHOPPER)
    return world.engine.accept(order.id, key=f"{key}-a")


def sources_of(world: World, order: Order) -> set[str]:
    """From where the parcels in work are sent."""
    return {p.source for p in world.get(order).delivery.parcels if p.in_work}


def at_rest(world: World, order: Order) -> bool:
    """Whether each unit of the order's parcels is promised where it is sent from."""
    now, wanted = world.get(order), dict[tuple[str, str], int]()
    skus = {line.id: line.sku for line in now.lines}
    for parcel in now.delivery.parcels:
        for line, count in parcel.goods:
            key = (parcel.source, skus[line])
            wanted[key] = wanted.get(key, 0) + count
    held = {(source, sku): units for source, sku, units in placed_at(world, order)}
    return all(held.get(place, 0) >= units for place, units in wanted.items())


def until(flow: Flow[Routed], name: str) -> Step:
    """Drive a flow until before its step of this name."""
    step = next(flow)
    while step.name != name:
        step = flow.send(step.fn(*step.args, **(step.kw or {})))
    return step


def rest(flow: Flow[Routed], step: Step) -> Routed:
    """Drive a flow to its end."""
    try:
        while True:
            try:
                answer = step.fn(*step.args, **(step.kw or {}))
            except OrdercoreError as error:
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as end:
        result: Routed = end.value
        return result


def test_goods_follow_the_later_of_two_plans() -> None:
    """Two workers route at once: parcels and promise end at the same source (law L19)."""
    for stop in ("MemoryStore.commit", "MemoryStock.place"):
        world = sourced(everywhere("north", "south"))
        order = world.paid()
        world.engine.route_parcels(order.id, NETWORK, rejected=("north", "south")[:1], key="0")
        slow = take_route(world.engine.shop, order.id, NETWORK, ("south",), "a", STAFF)
        step = until(slow, stop)
        world.engine.route_parcels(order.id, NETWORK, rejected=("north", "east"), key="b")
        rest(slow, step)
        assert len(sources_of(world, order)) == 1
        assert at_rest(world, order)


def test_a_plan_that_comes_after_the_pick_moves_nothing() -> None:
    """Goods that are picked while a route is worked out stay promised where they were picked."""
    world = sourced(everywhere("north", "south"))
    order = world.paid()
    first = world.engine.route_parcels(order.id, NETWORK, rejected=("south",), key="0").order
    slow = take_route(world.engine.shop, order.id, NETWORK, ("north",), "a", STAFF)
    step = until(slow, "MemoryStore.commit")
    world.engine.pick(order.id, first.delivery.parcels[0].id, key="pick")
    with pytest.raises(NotAllowed, match="nothing is left to route"):
        rest(slow, step)
    assert {place for place, _, _ in placed_at(world, order)} == {"north"}


def test_a_refused_call_never_lends_goods_to_another_order() -> None:
    """Whoever may not plan frees nothing on the way, so no other order takes it (law L12)."""
    world = sourced({name: {f"SKU-{i}": 1 for i in (1, 2, 3)} for name in ("north", "south")})
    order = world.paid()
    world.engine.route_parcels(order.id, NETWORK, rejected=("south",), key="0")
    before = placed_at(world, order)
    asks = take_route(world.engine.shop, order.id, NETWORK, ("north",), "a", SHOPPER)
    with pytest.raises(NotAllowed):
        until(asks, "MemoryStock.place")
    world.paid(CHANNEL)
    assert placed_at(world, order) == before


@pytest.mark.parametrize("lost", ["the answer", "the process"])
def test_a_plan_whose_answer_is_lost_is_followed_by_its_goods(lost: str) -> None:
    """The plan is written and nobody knows: the sweep lets the goods stand where the parcels are sent from."""
    world = sourced(everywhere("north", "south"))
    order = world.paid()
    world.engine.route_parcels(order.id, NETWORK, rejected=("south",), key="0")
    slow = take_route(world.engine.shop, order.id, NETWORK, ("north",), "a", STAFF)
    step = until(slow, "MemoryStore.commit")
    step.fn(*step.args)
    if lost == "the answer":
        with pytest.raises(StoreError):
            slow.throw(StoreError("the connection is lost"))
    assert sources_of(world, order) == {"south"}
    assert not at_rest(world, order)
    assert (order.id, PLACED) in {(t.order_id, t.key) for t in world.store._timers.values()}
    world.at(1)
    assert placed_at(world, order) == {("south", f"SKU-{i}", 1) for i in (1, 2, 3)}
    again = world.engine.route_parcels(order.id, NETWORK, rejected=("north",), key="a")
    assert (again.route, again.unplaced) == (None, ())


def test_what_a_source_lost_meanwhile_is_told_and_routed_again() -> None:
    """Units that another order took between plan and move are named; the next route sends them from elsewhere."""
    world = sourced({"north": {"SKU-1": 1}, "south": {"SKU-1": 1}, "east": {"SKU-1": 1}})
    order = bought(world, 1, "k")
    slow = take_route(world.engine.shop, order.id, NETWORK, ("north", "east"), "a", STAFF)
    step = until(slow, "MemoryStore.commit")
    other = bought(world, 1, "other")
    (name, _) = other.reservations()[0]
    world.stock.place(name, [("south", "SKU-1", 1)])
    routed = rest(slow, step)
    assert [(row.source, row.sku, row.units) for row in routed.unplaced] == [("south", "SKU-1", 1)]
    assert sources_of(world, order) == {"south"}
    after = world.engine.route_parcels(order.id, NETWORK, rejected=("south",), key="b")
    assert not after.unplaced
    assert at_rest(world, order)


# --- The same key ---------------------------------------------------------------------------------


def test_the_same_key_plans_once_whatever_the_stock_is_by_then() -> None:
    """L13: a repeat answers with the order, also when goods came in, or were picked, since."""
    world = sourced({"north": {"SKU-1": 5}, "south": {"SKU-2": 5, "SKU-3": 5}})
    order = world.paid()
    first = world.engine.route_parcels(order.id, NETWORK, key="r").order
    world.stock.receive("SKU-1", 5, "south")
    assert world.engine.route_parcels(order.id, NETWORK, key="r").order == first
    for parcel in first.delivery.parcels:
        picked = world.engine.pick(order.id, parcel.id, key=f"pick-{parcel.id}")
    assert world.engine.route_parcels(order.id, NETWORK, key="r").order == picked


def test_a_key_of_a_route_stands_for_no_other_route() -> None:
    """L13: the same key with other rejected sources, or other weights, is refused."""
    world = sourced(everywhere("north", "south"))
    order = world.paid()
    world.engine.route_parcels(order.id, NETWORK, key="r")
    dearer = attrs.evolve(NETWORK, weights=RouteWeights(day=9))
    for network, rejected in ((NETWORK, ("north",)), (dearer, ())):
        with pytest.raises(KeyReused):
            world.engine.route_parcels(order.id, network, rejected=rejected, key="r")


# --- What is not carried, not there, or given back ------------------------------------------------


def test_an_order_with_a_digital_line_is_routed() -> None:
    """What is never carried stands in no parcel, and its promise stays where it is."""
    world = sourced({"north": {"SKU-1": 5, "SKU-2": 5}, "south": {"SKU-1": 5}})
    lines = (
        CartLine("SKU-1", 1, Money("10.00", "CNY")),
        CartLine("SKU-2", 1, Money("10.00", "CNY"), attributes={"digital": "yes"}),
    )
    cart = Cart("CNY", lines, customer=Party("c1"))
    order = world.engine.place(world.engine.quote(cart), key="k", by=SHOPPER)
    world.engine.pay(order.id, CHANNEL, key="p", by=SHOPPER)
    found = world.engine.route_parcels(order.id, NETWORK, rejected=("north",), key="r").order
    assert [p.goods.as_dict() for p in found.delivery.parcels] == [{"1": 1}]
    assert placed_at(world, order) == {("south", "SKU-1", 1), ("north", "SKU-2", 1)}


def test_a_source_that_came_short_is_not_asked_again() -> None:
    """What was not on the shelf is routed from elsewhere, though the books still have it there."""
    world = sourced({"north": {"SKU-1": 2}, "south": {"SKU-1": 2}})
    order = bought(world, 2, "k")
    (parcel,) = world.engine.route_parcels(order.id, NETWORK, key="r").order.delivery.parcels
    world.engine.pick(order.id, parcel.id, Manifest.of({"1": 1}), key="pick")
    world.engine.route_parcels(order.id, NETWORK, key="r2")
    (other,) = {"north", "south"} - {parcel.source}
    assert sources_of(world, order) == {parcel.source, other}
    assert at_rest(world, order)
    assert world.engine.route(order.id, NETWORK).refusals[0].why == (
        "has none of the goods; a pick came short of 'SKU-1'"
    )
    with pytest.raises(OutOfStock, match=f"a pick came short of 'SKU-1' at {parcel.source}"):
        world.engine.route(order.id, NETWORK, rejected=(other,))


@pytest.mark.parametrize("way", ["refund", "amend"])
@pytest.mark.parametrize("picked", ["north", "south"])
def test_l19_what_is_given_back_is_what_no_parcel_holds(way: str, picked: str) -> None:
    """L19 by source: a unit that a parcel was picked with is promised to nobody else there."""
    world = sourced({"north": {"SKU-1": 1}, "south": {"SKU-1": 1}})
    order = bought(world, 2, "k")
    parcels = world.engine.route_parcels(order.id, NETWORK, key="r").order.delivery.parcels
    (parcel,) = [p for p in parcels if p.source == picked]
    world.engine.pick(order.id, parcel.id, key="pick")
    if way == "refund":
        goods = Manifest.of({"1": 1})
        world.engine.refund(order.id, goods, reason="x", key="b", by=STAFF)
    else:
        world.engine.amend(order.id, [ChangeQuantity("1", 1)], key="b", by=STAFF)
    assert placed_at(world, order) == {(picked, "SKU-1", 1)}
    other = bought(world, 1, "k2")
    assert {place for place, _, _ in placed_at(world, other)} == {"north", "south"} - {picked}


@given(st.data())
def test_l19_no_source_gives_more_than_it_has(data: st.DataObject) -> None:
    """L19 by source: after routes, picks, refunds and more orders, what is free, and what parcels take, is what stood
    there, and each picked unit is promised where it was picked."""
    levels = {name: {"SKU-1": data.draw(st.integers(1, 2))} for name in ("north", "south", "east")}
    world = sourced({name: dict(units) for name, units in levels.items()})
    orders: list[Order] = []
    for number in range(data.draw(st.integers(3, 6))):
        step = data.draw(st.sampled_from(["buy", "pick", "refund", "route"]))
        try:
            if step == "buy" or not orders:
                orders.append(bought(world, data.draw(st.integers(2, 4)), f"k{number}"))
                world.engine.route_parcels(orders[-1].id, NETWORK, key=f"r{number}")
                continue
            order = world.get(data.draw(st.sampled_from(orders)))
            if step == "route":
                away = data.draw(st.sampled_from([(), ("north",), ("south",)]))
                world.engine.route_parcels(order.id, NETWORK, rejected=away, key=f"r{number}")
            elif step == "refund":
                goods = Manifest.of({"1": 1})
                world.engine.refund(order.id, goods, reason="x", key=f"b{number}", by=STAFF)
            elif order.delivery.parcels:
                parcel = data.draw(st.sampled_from(order.delivery.parcels))
                world.engine.pick(order.id, parcel.id, key=f"p{number}")
        except (NotAllowed, OutOfStock, InvalidInput):
            continue
    held: dict[str, int] = {}
    for order in orders:
        assert at_rest(world, order)
        for source, _, units in placed_at(world, order):
            held[source] = held.get(source, 0) + units
    free = {row.source: row.units for row in world.stock.available(["SKU-1"])}
    for name, units in levels.items():
        assert free.get(name, 0) + held.get(name, 0) == units["SKU-1"]


# --- Bad input ------------------------------------------------------------------------------------

_NORTH = NETWORK.sources[0]


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("network.sources", {"sources": "x"}),
        ("network.sources", {"sources": None}),
        ("network.sources[0]", {"sources": (1,)}),
        ("network.sources[0].refuses[0]", {"sources": (attrs.evolve(_NORTH, refuses=("battery",)),)}),
        ("network.sources[0].place[0]", {"sources": (attrs.evolve(_NORTH, place=5),)}),
        ("network.sources[0].services", {"sources": (attrs.evolve(_NORTH, services=None),)}),
        ("network.services", {"services": None}),
        ("network.services[0]", {"services": (1,)}),
        ("network.services[0].rates", {"services": (attrs.evolve(POST, rates=None),)}),
        ("network.services[0].rates[0]", {"services": (attrs.evolve(POST, rates=(1,)),)}),
        ("network.weights", {"weights": 5}),
        ("network.place", {"place": 5}),
        ("network.distances[0]", {"distances": (5,)}),
        ("network.distances[0]", {"distances": (([], 1),)}),
        ("network.steps_max", {"steps_max": "x"}),
        ("network.border", {"border": 5}),
    ],
)  # fmt: skip
def test_a_network_of_wrong_types_is_refused_with_its_path(path: str, changed: Any) -> None:
    """L24: what is no network is named by its place in it, before anything is read."""
    world = sourced(everywhere("north"))
    with pytest.raises((InvalidInput, InvalidPolicy)) as caught:
        world.engine.route("nobody", attrs.evolve(NETWORK, **changed))
    assert (caught.value.path or "").startswith(path)


@pytest.mark.parametrize("rejected", [None, "north", 5, [[1]], [None], {"north": 1}])
def test_rejected_sources_are_a_list_of_ids(rejected: Any) -> None:
    """L24: anything else is refused."""
    world = sourced(everywhere("north"))
    order = world.paid()
    with pytest.raises(InvalidInput) as caught:
        world.engine.route(order.id, NETWORK, rejected=rejected)
    assert caught.value.path == "rejected"


def test_a_routed_parcel_knows_its_carrier() -> None:
    """The carrier of the service is planned with the parcel, so a waybill needs no further word."""
    world = sourced(everywhere("north"))
    post = Service("post", POST.rates, "CNY", carrier="china-post")
    network = Network((Source("north"),), (post,))
    (parcel,) = world.engine.route_parcels(world.paid().id, network, key="r").order.delivery.parcels
    assert (parcel.service, parcel.carrier) == ("post", "china-post")


def test_services_in_another_currency_are_refused() -> None:
    """Freight in euros is no estimate for an order in yuan."""
    world = sourced(everywhere("north"))
    network = Network((Source("north"),), (Service("post", POST.rates, "EUR"),))
    with pytest.raises(InvalidPolicy, match="priced in EUR"):
        world.engine.route(world.paid().id, network)
