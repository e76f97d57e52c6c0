"""Sourcing: from where an order is sent. A route is worked out on what is promised to the order and what is free
beside it; taking it plans its parcels, and then lets the promise stand at their sources.

A source that rejects is routed around by the same way: what is picked, booked or gone stays where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.change import Receipt, change
from ordercore.engine.flow import call
from ordercore.engine.placing import checked_key
from ordercore.engine.promises import handed_over, release
from ordercore.engine.shelves import PLACED, held_rows, pinned, units_by_sku, unplaced
from ordercore.engine.shop import (
    RETRIES_MAX,
    checked_texts,
    decided,
    digest,
    load,
    owing,
    repeated,
    situation,
    told,
)
from ordercore.errors import InvalidInput, InvalidPolicy, NotAllowed, Refused, Stale
from ordercore.fulfillment.carriage import Service
from ordercore.fulfillment.item import items_of
from ordercore.fulfillment.parcel import ParcelGroup
from ordercore.fulfillment.routing import (
    BorderCost,
    Refusal,
    Route,
    RouteWeights,
    RoutingProblem,
    reroute,
)
from ordercore.fulfillment.routing.problem import check_network
from ordercore.fulfillment.source import Place, Source
from ordercore.fulfillment.stock import SourceStock
from ordercore.goods import Manifest, Quantity
from ordercore.order.parcels import PlanParcels
from ordercore.ports import SourcedStock
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.fulfillment.item import Item
    from ordercore.order import Order
    from ordercore.party import Actor

__all__ = ["Network", "Routed", "route_order", "take_route"]


@value
class Network:
    """From where and with whom a shop sends: its sources, its carriers' services, and what counts how much.

    ``place`` is where the customer is, as far as distance counts; ``distances`` are meters from a source by the
    shop's own table. ``border`` tells duty and tax of a parcel, ``None`` where nothing crosses one.
    ``steps_max`` bounds the search.
    """

    sources: tuple[Source, ...]
    services: tuple[Service, ...]
    weights: RouteWeights = RouteWeights()
    place: Place | None = None
    distances: tuple[tuple[str, int], ...] = ()
    border: BorderCost | None = None
    steps_max: int = 40_000

    def check(self, path: str = "network") -> None:
        """Raise `InvalidPolicy` or `InvalidInput` for what cannot be reckoned with, with its path."""
        check_network(
            self.sources, self.services, self.weights, self.place, self.distances, self.steps_max,
            f"{path}.",
        )  # fmt: skip
        border: object = self.border
        for name in ("cost", "at_least") if border is not None else ():
            if not callable(getattr(border, name, None)):
                reason = f"a border tells its {name}: it is a BorderCost"
                raise InvalidInput(reason, path=f"{path}.border")


@value
class Routed:
    """An order with the parcels of a route planned, and its goods at their sources.

    ``route`` is ``None`` where the key was repeated: the parcels are the order's. ``unplaced`` are units that a parcel
    is to be sent with and that stand elsewhere, because its source had no more of them: route again.
    """

    order: Order
    route: Route | None
    unplaced: tuple[SourceStock, ...] = ()


_Rows = dict[tuple[str, str], int]
"""Units by (source, sku)."""


def _keeper(shop: Shop) -> SourcedStock:
    stock = shop.stock
    if not isinstance(stock, SourcedStock):
        reason = "the stock keeper does not know where its goods are: it is no SourcedStock"
        raise NotAllowed(reason, path="stock")
    return stock


def _checked(network: Network, rejected: Sequence[str]) -> frozenset[str]:
    """The sources that rejected the order; raises `InvalidInput` or `InvalidPolicy` for what is none, or no network."""
    if type(network) is not Network:
        raise InvalidInput("a Network is wanted", path="network")
    network.check()
    if not isinstance(rejected, list | tuple | set | frozenset):
        raise InvalidInput("rejected sources are a list of their ids", path="rejected")
    for name in rejected:
        if not isinstance(name, str):
            reason = f"a source is named by its id, not {type(name).__name__}"
            raise InvalidInput(reason, path="rejected")
    return frozenset(rejected)


def _to_plan(order: Order) -> tuple[Item, ...]:
    """What is still to be carried and stands in no parcel that is picked or booked."""
    left = order.shippable()
    for parcel in order.delivery.parcels:
        if parcel.fixed:
            left = left - parcel.goods
    items = items_of(order.lines, left)
    if not items:
        reason = "nothing is left to route: all of it has left, or is picked or booked"
        raise NotAllowed(reason, order=order.id, state=order.state)
    return items


def _short(order: Order) -> frozenset[tuple[str, str]]:
    """Where the shelf was empty though the books said otherwise: (source, sku)."""
    return frozenset(
        [
            (parcel.source, sku)
            for parcel in order.delivery.parcels
            if parcel.source and parcel.short
            for sku in units_by_sku(order, parcel.short)
        ]
    )


def _movable(held: _Rows, sku: str, units: int, pinned: _Rows) -> dict[str, int]:
    """Units that are promised to the order and may go from where they stand, by source."""
    found: dict[str, int] = {}
    for (source, its), count in held.items():
        part = min(units, count - pinned.get((source, sku), 0)) if its == sku else 0
        if part > 0:
            units -= part
            found[source] = part
    if units:
        reason = f"{units} units of {sku!r} are not promised to the order"
        raise NotAllowed(reason, path="reservation", sku=sku, units=units)
    return found


def _drawn(shop: Shop, order: Order, network: Network, rejected: frozenset[str]) -> Flow[Route]:
    """The best route; nothing is written or moved."""
    items = _to_plan(order)
    keeper = _keeper(shop)
    units: dict[str, int] = {}
    for item in items:
        units[item.sku] = units.get(item.sku, 0) + item.quantity
    stock: _Rows = {}
    for row in (yield from call(keeper.available, tuple(units))):
        stock[row.source, row.sku] = stock.get((row.source, row.sku), 0) + row.units
    yield from handed_over(keeper, order)
    held: _Rows = {}
    for rows in (yield from held_rows(keeper, order)).values():
        for place, count in rows.items():
            held[place] = held.get(place, 0) + count
    stays = pinned(order)
    for sku, count in units.items():
        # what is promised to this very order may go from where it stands
        for source, part in _movable(held, sku, count, stays).items():
            stock[source, sku] = stock.get((source, sku), 0) + part
    known = {source.id for source in network.sources}
    short = _short(order)
    for place in short:
        stock.pop(place, None)  # it was looked for there, and not found
    for i, service in enumerate(network.services):
        if service.currency != order.currency:
            reason = f"it is priced in {service.currency}, and the order in {order.currency}"
            raise InvalidPolicy(reason, path=f"network.services[{i}].currency")
    problem = RoutingProblem(
        items, order.content.address.destination(), network.sources,
        tuple([SourceStock(s, sku, n) for (s, sku), n in stock.items() if s in known and n]),
        network.services, network.weights, network.place, network.distances, shop.clock.now(),
        network.steps_max,
    )  # fmt: skip
    try:
        best = reroute(problem, rejected, (), network.border)
    except Refused as error:
        words = _short_words(short)
        if words:
            error.reason = f"{error.reason}; a pick came short of {words}"
        raise
    return _with_shortage(best, short) if short else best


def _short_words(short: Iterable[tuple[str, str]]) -> str:
    return ", ".join([f"{sku!r} at {source}" for source, sku in sorted(short)])


def _with_shortage(found: Route, short: frozenset[tuple[str, str]]) -> Route:
    """Sources that serve nothing with what they came short of: by the keeper's books they may have it."""
    told = []
    for row in found.refusals:
        skus = sorted([sku for source, sku in short if source == row.source])
        names = ", ".join([repr(sku) for sku in skus])
        told.append(
            Refusal(row.source, f"{row.why}; a pick came short of {names}") if names else row
        )
    return Route(
        found.parcels, found.parts, found.currency, found.proven, found.gap_ppm, found.at_least,
        found.runner_up, tuple(told), found.steps,
    )  # fmt: skip


def route_order(
    shop: Shop, order_id: str, network: Network, rejected: Sequence[str] = ()
) -> Flow[Route]:
    """The best route for what is still to be planned; nothing is written or moved."""
    without = _checked(network, rejected)
    order = yield from load(shop, order_id)
    return (yield from _drawn(shop, order, network, without))


def groups_of(found: Route, services: Sequence[Service] = ()) -> tuple[ParcelGroup, ...]:
    """The parcels of a route, as they are planned; with the carrier of each service, where ``services`` tell it."""
    carriers = {service.id: service.carrier for service in services}
    return tuple(
        [
            ParcelGroup(
                Manifest(tuple([(line, Quantity(count)) for line, count in parcel.goods])),
                parcel.source, service=parcel.service, carrier=carriers.get(parcel.service, ""),
                reasons=tuple([reason.text for reason in parcel.reasons]),
                estimate=parcel.freight.amount,
            )
            for parcel in found.parcels
        ]
    )  # fmt: skip


def _asked(network: Network, rejected: frozenset[str]) -> str:
    """What a key stands for: with whom, without whom, and what counts. Not what may be another figure at a repeat:
    capacity, distances, stock, and the route that follows from them."""
    sources = sorted([source.id for source in network.sources])
    services = sorted([service.id for service in network.services])
    return repr((sources, services, sorted(rejected), network.weights))


def take_route(
    shop: Shop, order_id: str, network: Network, rejected: Sequence[str], key: str, by: Actor
) -> Flow[Routed]:
    """Plan the parcels of an order by its best route, and let its goods stand at their sources.

    The plan is written first, with the duty to move the goods. So a plan that is refused or comes too late moves
    nothing, and of two at once the goods follow the later. A repeated key answers with the order as it is.
    """
    shop.outside()
    without = _checked(network, rejected)
    keeper = _keeper(shop)
    order = yield from load(shop, order_id)
    content = digest(order_id, "route", _asked(network, without))
    receipt = Receipt(order.shop, checked_key(key), "PlanParcels", content, order_id)
    earlier = yield from repeated(shop, receipt, by)
    tries = 0
    while earlier is None:
        try:
            found = yield from _drawn(shop, order, network, without)
            made = yield from _decided(shop, order, groups_of(found, network.services), receipt, by)
            yield from call(shop.store.commit, (made,))
        except Stale:
            tries += 1
            if tries > RETRIES_MAX:
                raise
            order = yield from load(shop, order_id)
        except (Refused, InvalidInput):
            earlier = yield from repeated(shop, receipt, by)
            if earlier is None:
                raise
        else:
            if shop.hooks:
                yield from told(shop, made)
            yield from release(shop, made)
            return Routed(made.order, found, (yield from unplaced(keeper, made.order)))
    return Routed(earlier, None, (yield from unplaced(keeper, earlier)))


def _decided(
    shop: Shop, order: Order, groups: tuple[ParcelGroup, ...], receipt: Receipt, by: Actor
) -> Flow[Change]:
    """The plan of a route, with the duty to let the goods stand where it sends from."""
    command = checked_texts(PlanParcels(f"{order.id}/p-{receipt.key}", groups))
    where = situation(shop, order, by)
    decision = yield from decided(shop, order, command, where)
    made = change(
        order, decision, where.at, by, receipt.command, shop.policies.timeouts, where.lifecycle,
        receipt,
    )  # fmt: skip
    return owing(made, PLACED)
