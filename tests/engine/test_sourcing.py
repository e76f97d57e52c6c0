"""Sourcing: routes for placed orders, promises that move with them, and sources that reject."""

from __future__ import annotations

from typing import Any

import pytest
from tests.engine.world import SHOPPER, STAFF, THREE, World

from ordercore import Cart, CartLine, Manifest, Money, NotAllowed, OutOfStock, Party, ShippingCharge
from ordercore.adapters.memory import MemoryStock
from ordercore.engine.sourcing import Network
from ordercore.errors import InvalidInput
from ordercore.fulfillment import ParcelState
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


def test_a_plan_that_is_refused_moves_the_promise_back() -> None:
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
