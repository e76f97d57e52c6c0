"""What is to be routed: goods, places that have them, carriers, and what counts how much."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from ordercore.errors import InvalidInput, InvalidManifest, InvalidPolicy
from ordercore.fulfillment.carriage import Service, check_kinds
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.source import Place, Source
from ordercore.fulfillment.stock import SourceStock
from ordercore.goods import quantity
from ordercore.party import Destination
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "LINES_MAX",
    "SERVICES_MAX",
    "SOURCES_MAX",
    "STEPS_MAX",
    "STEPS_USUAL",
    "UNITS_MAX",
    "BorderCost",
    "RouteWeights",
    "RoutingProblem",
    "check_network",
]

LINES_MAX = 200
"""Most lines that are routed at once."""
SOURCES_MAX = 64
"""Most sources."""
SERVICES_MAX = 64
"""Most services."""
UNITS_MAX = 10_000
"""Most units of all lines together."""
STEPS_MAX = 1_000_000
"""Most steps that a search may be allowed."""
STEPS_USUAL = 40_000
"""Steps that a search takes at most unless more are allowed; ten take about 50 microseconds."""
WEIGHT_MAX = 10**6
METERS_MAX = 30_000_000


class BorderCost(Protocol):
    """Duty and import tax of a parcel, in minor units of the currency of the freight.

    Both functions are pure: the same arguments give the same answer, however often they are asked.
    The answers are not negative.
    """

    def cost(self, source: Source, items: tuple[Item, ...], freight: int) -> int:
        """What a parcel from this source with these items and this freight owes at the border."""
        ...

    def at_least(self, items: tuple[Item, ...]) -> int:
        """What these items owe at least, however they are parted over parcels and sources.

        0 is always right; the nearer to the truth, the faster the search. Too much would make it miss the best.
        """
        ...


@value
class RouteWeights:
    """What counts how much: whole points for each minor unit of freight, of duty and tax, for each parcel,
    for each day until the last parcel arrives, for each kilometer of each parcel, and for each percent of a service's
    parcels that is not signed for (``Service.signed_ppm``), by parcel. Parts of a kilometer and of a percent count in
    proportion, the points rounded down. The route with the fewest points is the best.

    With the defaults points are minor units, and of two equally dear routes the one with fewer parcels is not
    preferred; ``parcel=1`` says so.
    """

    freight: int = 1
    border: int = 1
    parcel: int = 0
    day: int = 0
    kilometer: int = 0
    unsigned: int = 0

    def check(self, path: str = "weights") -> None:
        """Raise `InvalidPolicy` for a weight that is no whole number from 0 to a million."""
        for name in ("freight", "border", "parcel", "day", "kilometer", "unsigned"):
            weight = getattr(self, name)
            if type(weight) is not int or not 0 <= weight <= WEIGHT_MAX:
                reason = f"a weight is a whole number from 0 to {WEIGHT_MAX}"
                raise InvalidPolicy(reason, path=f"{path}.{name}")


@value
class RoutingProblem:
    """All that a route depends on.

    Units of one SKU are taken from the lines in their order. ``stock`` tells the units that may be promised at each
    source. ``place`` is where the goods go, ``distances`` the meters from a source by a table of the host's, which
    stands before the great circle. ``now`` is for cut-offs and handling; without it goods leave on the day itself.
    ``steps_max`` bounds the search, in steps of it and never by the clock.
    """

    items: tuple[Item, ...]
    to: Destination
    sources: tuple[Source, ...]
    stock: tuple[SourceStock, ...]
    services: tuple[Service, ...]
    weights: RouteWeights = RouteWeights()
    place: Place | None = None
    distances: tuple[tuple[str, int], ...] = ()
    now: datetime | None = None
    steps_max: int = STEPS_USUAL

    def check(self) -> None:
        """Raise `InvalidManifest`, `InvalidPolicy` or `InvalidInput` with the path of what is wrong."""
        _check_items(self.items)
        if not isinstance(self.to, Destination):
            raise InvalidInput("a Destination is wanted", path="to")
        check_network(
            self.sources, self.services, self.weights, self.place, self.distances, self.steps_max
        )
        check_kinds(self.stock, SourceStock, "stock")
        for number, row in enumerate(self.stock):
            if type(row.units) is not int or row.units < 0:
                raise InvalidInput("units are 0 or more", path=f"stock[{number}].units")


def check_network(
    sources: tuple[Source, ...],
    services: tuple[Service, ...],
    weights: RouteWeights,
    place: Place | None,
    distances: tuple[tuple[str, int], ...],
    steps_max: int,
    path: str = "",
) -> None:
    """Raise `InvalidPolicy` or `InvalidInput` for sources and services that cannot be reckoned with, with the path."""
    _check_count(sources, SOURCES_MAX, Source, f"{path}sources")
    _check_count(services, SERVICES_MAX, Service, f"{path}services")
    for number, source in enumerate(sources):
        source.check(f"{path}sources[{number}]")
    for number, service in enumerate(services):
        service.check(f"{path}services[{number}]")
        if service.currency != services[0].currency:
            reason = "all services are priced in one currency"
            raise InvalidPolicy(reason, path=f"{path}services[{number}].currency")
    known = _unique([source.id for source in sources], f"{path}sources")
    offered = _unique([service.id for service in services], f"{path}services")
    for number, source in enumerate(sources):
        for name in source.services:
            if name not in offered:
                reason = f"there is no service {name!r}"
                raise InvalidPolicy(reason, path=f"{path}sources[{number}].services")
    _check_distances(distances, known, f"{path}distances")
    check_kinds((weights,), RouteWeights, f"{path}weights")
    weights.check(f"{path}weights")
    if place is not None:
        check_kinds((place,), Place, f"{path}place")
        place.check(f"{path}place")
    if type(steps_max) is not int or not 0 < steps_max <= STEPS_MAX:
        raise InvalidInput(f"it is from 1 to {STEPS_MAX}", path=f"{path}steps_max")


def _check_distances(
    distances: tuple[tuple[str, int], ...], known: frozenset[str], path: str
) -> None:
    check_kinds(distances, tuple, path)
    for number, pair in enumerate(distances):
        name, meters = pair if len(pair) == 2 else ("", None)
        known_name = isinstance(name, str) and name in known
        if not known_name or type(meters) is not int or not 0 <= meters <= METERS_MAX:
            reason = "a distance is in meters, from a source that there is"
            raise InvalidInput(reason, path=f"{path}[{number}]")


def _check_count(found: Sequence[object], most: int, kind: type, path: str) -> None:
    check_kinds(found, kind, path)
    if not 0 < len(found) <= most:
        raise InvalidPolicy(f"1 to {most} of them are needed", path=path)


def _unique(names: Sequence[str], path: str) -> frozenset[str]:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            raise InvalidPolicy(f"{name!r} stands twice", path=f"{path}[{number}].id")
        seen.add(name)
    return frozenset(seen)


def _check_items(items: tuple[Item, ...]) -> None:
    if not 0 < len(items) <= LINES_MAX:
        raise InvalidManifest(f"1 to {LINES_MAX} lines are routed at once", path="items")
    lines: set[str] = set()
    sizes: dict[str, tuple[int, int]] = {}
    for number, item in enumerate(items):
        where = f"items[{number}]"
        quantity(item.quantity, f"{where}.quantity")
        if item.line in lines:
            raise InvalidManifest(f"line {item.line!r} stands twice", path=f"{where}.line")
        lines.add(item.line)
        for name in ("weight_grams", "volume_cm3"):
            size = getattr(item, name)
            if type(size) is not int or not 0 <= size <= 10**8:
                raise InvalidManifest("it is a whole number, 0 or more", path=f"{where}.{name}")
        size = (item.weight_grams, item.volume_cm3)
        if sizes.setdefault(item.sku, size) != size:
            reason = f"units of {item.sku!r} differ in weight or volume"
            raise InvalidManifest(reason, path=where, sku=item.sku)
    if sum([item.quantity for item in items]) > UNITS_MAX:
        raise InvalidManifest(f"at most {UNITS_MAX} units are routed at once", path="items")
