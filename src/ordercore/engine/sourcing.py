"""Sourcing: from where an order is sent. A route is worked out on what is promised to the order and what is free
beside it; taking it moves the promise to its sources, in one step at the keeper, and plans its parcels.

A source that rejects is routed around by the same way: what is picked, booked or gone stays where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.dispatching import plan
from ordercore.engine.flow import call
from ordercore.engine.placing import checked_key
from ordercore.engine.promises import handed_over
from ordercore.engine.shop import load
from ordercore.errors import InvalidInput, NotAllowed, OrdercoreError
from ordercore.fulfillment.carriage import Service
from ordercore.fulfillment.item import items_of
from ordercore.fulfillment.parcel import ParcelGroup
from ordercore.fulfillment.routing import BorderCost, Route, RouteWeights, RoutingProblem, reroute
from ordercore.fulfillment.source import Place, Source
from ordercore.fulfillment.stock import SourceStock
from ordercore.goods import Manifest, Quantity
from ordercore.ports import SourcedStock
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
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


@value
class Routed:
    """An order whose goods stand at the sources of a route, with its parcels planned."""

    order: Order
    route: Route


_Rows = dict[tuple[str, str], int]
"""Units by (source, sku)."""


def _keeper(shop: Shop) -> SourcedStock:
    stock = shop.stock
    if not isinstance(stock, SourcedStock):
        reason = "the stock keeper does not know where its goods are: it is no SourcedStock"
        raise NotAllowed(reason, path="stock")
    return stock


def _to_plan(order: Order) -> Manifest:
    """Units that are still to leave and stand in no parcel that is picked or booked."""
    left = order.shippable()
    for parcel in order.delivery.parcels:
        if parcel.fixed:
            left = left - parcel.goods
    if not left:
        reason = "nothing is left to route: all of it has left, or is picked or booked"
        raise NotAllowed(reason, order=order.id, state=order.state)
    return left


def _by_sku(order: Order, goods: Manifest) -> dict[str, int]:
    skus = {line.id: line.sku for line in order.lines}
    units: dict[str, int] = {}
    for line, count in goods:
        units[skus[line]] = units.get(skus[line], 0) + count
    return units


def _pinned(order: Order) -> _Rows:
    """Units that stay where they are: of parcels that are picked, booked or gone."""
    found: _Rows = {}
    for parcel in order.delivery.parcels:
        if parcel.source and (parcel.fixed or parcel.gone):
            for sku, units in _by_sku(order, parcel.goods).items():
                key = (parcel.source, sku)
                found[key] = found.get(key, 0) + units
    return found


class _Held:
    """Where the goods of an order stand, by reservation."""

    __slots__ = ("placed",)

    def __init__(self) -> None:
        self.placed: dict[str, list[tuple[str, str, int]]] = {}

    def take(self, sku: str, units: int, pinned: _Rows) -> list[tuple[str, str, int]]:
        """Take units that may move out of the reservations: (reservation, source, units) of each."""
        taken = []
        spare = dict(pinned)
        for name, rows in self.placed.items():
            for i, (source, held, count) in enumerate(rows):
                if held != sku or not units:
                    continue
                stays = min(count, spare.get((source, sku), 0))
                spare[source, sku] = spare.get((source, sku), 0) - stays
                part = min(units, count - stays)
                if part:
                    units -= part
                    rows[i] = (source, sku, count - part)
                    taken.append((name, source, part))
        if units:
            reason = f"{units} units of {sku!r} are not promised to the order"
            raise NotAllowed(reason, path="reservation", sku=sku, units=units)
        return taken


def _held(shop: Shop, order: Order) -> Flow[_Held]:
    keeper = _keeper(shop)
    yield from handed_over(keeper, order)
    found = _Held()
    for name, goods in order.reservations():
        if goods:
            found.placed[name] = list((yield from call(keeper.placed, name)))
    return found


def _drawn(
    shop: Shop, order: Order, network: Network, rejected: Sequence[str]
) -> Flow[tuple[Route, dict[str, list[tuple[str, str, int]]]]]:
    """The route, and where each reservation stands once it is taken."""
    if type(network) is not Network:
        raise InvalidInput("a Network is wanted", path="network")
    goods = _to_plan(order)
    keeper = _keeper(shop)
    units = _by_sku(order, goods)
    free = yield from call(keeper.available, tuple(units))
    stock: _Rows = {}
    for row in free:
        stock[row.source, row.sku] = stock.get((row.source, row.sku), 0) + row.units
    held = yield from _held(shop, order)
    pinned = _pinned(order)
    taken = {sku: held.take(sku, count, pinned) for sku, count in units.items()}
    for (
        sku,
        parts,
    ) in taken.items():  # what is promised to this very order may go from where it stands
        for _, source, count in parts:
            stock[source, sku] = stock.get((source, sku), 0) + count
    known = {source.id for source in network.sources}
    problem = RoutingProblem(
        items_of(order.lines, goods), order.content.address.destination(), network.sources,
        tuple([SourceStock(s, sku, n) for (s, sku), n in stock.items() if s in known and n]),
        network.services, network.weights, network.place, network.distances, shop.clock.now(),
        network.steps_max,
    )  # fmt: skip
    found = reroute(problem, frozenset(rejected), (), network.border)
    return found, _placed_anew(order, found, held, taken)


def _placed_anew(
    order: Order, found: Route, held: _Held, taken: dict[str, list[tuple[str, str, int]]]
) -> dict[str, list[tuple[str, str, int]]]:
    """Where each reservation stands by the route: each gives as many units of an article as were taken from it."""
    owed: dict[str, dict[str, int]] = {}
    for parcel in found.parcels:
        for sku, units in _by_sku(order, parcel.goods).items():
            at = owed.setdefault(sku, {})
            at[parcel.source] = at.get(parcel.source, 0) + units
    for sku, parts in taken.items():
        rows = owed.get(sku, {})
        for name, _, count in parts:
            left = count
            for source, units in rows.items():
                part = min(left, units)
                if part:
                    rows[source] = units - part
                    left -= part
                    held.placed[name].append((source, sku, part))
    return {
        name: [(s, k, n) for (s, k), n in _summed(rows).items() if n]
        for name, rows in held.placed.items()
    }


def _summed(rows: Sequence[tuple[str, str, int]]) -> _Rows:
    sums: _Rows = {}
    for source, sku, units in rows:
        sums[source, sku] = sums.get((source, sku), 0) + units
    return sums


def route_order(
    shop: Shop, order_id: str, network: Network, rejected: Sequence[str] = ()
) -> Flow[Route]:
    """The best route for what is still to be planned; nothing is written or moved."""
    order = yield from load(shop, order_id)
    found, _ = yield from _drawn(shop, order, network, rejected)
    return found


def groups_of(found: Route) -> tuple[ParcelGroup, ...]:
    """The parcels of a route, as they are planned."""
    return tuple(
        [
            ParcelGroup(
                Manifest(tuple([(line, Quantity(count)) for line, count in parcel.goods])),
                parcel.source, service=parcel.service,
                reasons=tuple([reason.text for reason in parcel.reasons]),
                estimate=parcel.freight.amount,
            )
            for parcel in found.parcels
        ]
    )  # fmt: skip


def take_route(
    shop: Shop, order_id: str, network: Network, rejected: Sequence[str], key: str, by: Actor
) -> Flow[Routed]:
    """Let the goods of an order stand at the sources of its best route, and plan its parcels.

    Each reservation moves at once or not at all. Where the plan is refused after that, it moves back.
    """
    shop.outside()
    checked_key(key)
    keeper = _keeper(shop)
    order = yield from load(shop, order_id)
    before = yield from _held(shop, order)
    former = {name: tuple(rows) for name, rows in before.placed.items()}
    found, placed = yield from _drawn(shop, order, network, rejected)
    moved: list[str] = []
    try:
        for name, rows in placed.items():
            yield from call(keeper.place, name, tuple(rows))
            moved.append(name)
        after = yield from plan(shop, order_id, groups_of(found), key, by)
    except OrdercoreError:
        for name in reversed(moved):
            yield from call(keeper.place, name, former[name])
        raise
    return Routed(after, found)
