"""Sources: warehouses and stores that have goods, where they stand, and when they can send.

Distances are great circles on a sphere of the Earth's mean radius, 6,371,008.8 m (IUGG). They choose a source and
never a price, so the error of the sphere, half a percent at most, does no harm.
"""

from __future__ import annotations

import enum
import math
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from ordercore.calendar import Weekday, zone_of
from ordercore.errors import InvalidInput, InvalidPolicy
from ordercore.fulfillment.carriage import Trait, check_kinds
from ordercore.pricing.regime import is_country
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.fulfillment.carriage import Service
    from ordercore.fulfillment.item import Item
    from ordercore.party import Destination

__all__ = ["Place", "Source", "SourceKind", "great_circle"]

HANDLING_MAX = 60
"""Most days that a source may take to pack."""
_WEEK = tuple(Weekday)
_RADIUS_M = 6_371_008.8


class SourceKind(enum.Enum):
    """What stands there."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    WAREHOUSE = "warehouse"
    STORE = "store"


@value
class Place:
    """A point on the Earth in millionths of a degree; north and east are above zero."""

    latitude: int
    longitude: int

    def check(self, path: str = "place") -> None:
        """Raise `InvalidPolicy` for a point that is not on the Earth."""
        for name, number, limit in (
            ("latitude", self.latitude, 90_000_000),
            ("longitude", self.longitude, 180_000_000),
        ):
            if type(number) is not int or abs(number) > limit:
                reason = f"it is in millionths of a degree, at most {limit} from zero"
                raise InvalidPolicy(reason, path=f"{path}.{name}")


def great_circle(one: Place, other: Place) -> int:
    """The distance over the ground in meters, by the haversine formula.

    >>> great_circle(Place(52_520_000, 13_405_000), Place(48_137_000, 11_575_000))  # Berlin, Munich
    504339
    """
    scale = math.pi / 180_000_000
    high, low = one.latitude * scale, other.latitude * scale
    across = (other.longitude - one.longitude) * scale
    bow = math.sin((low - high) / 2) ** 2
    bow += math.cos(high) * math.cos(low) * math.sin(across / 2) ** 2
    return round(2 * _RADIUS_M * math.asin(math.sqrt(min(bow, 1))))


@value
class Source:
    """A warehouse or a store.

    ``area`` is what carriers call the place it sends from (`Zone.origins`). ``services`` are ids of those that collect
    there, empty for all. ``countries`` are those it may ship to, empty for all; ``refuses`` are traits of items that
    it does not send. ``capacity`` is how many units it can still send on the day, ``None`` for any number.
    What is ordered until ``cutoff`` on one of its ``days``, by the clock of ``zone``, is begun that day and takes
    ``handling_days`` further working days.
    """

    id: str
    country: str = ""
    kind: SourceKind = SourceKind.WAREHOUSE
    area: str = ""
    place: Place | None = None
    services: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    refuses: tuple[Trait, ...] = ()
    capacity: int | None = None
    zone: str = "UTC"
    cutoff: time = time(16)
    days: tuple[Weekday, ...] = _WEEK[:5]
    handling_days: int = 0

    def check(self, path: str = "source") -> None:
        """Raise `InvalidPolicy` or `InvalidInput` for what cannot be reckoned with, with its path."""
        if not self.id or type(self.id) is not str:
            raise InvalidPolicy("a source needs an id", path=f"{path}.id")
        check_kinds(self.services, str, f"{path}.services")
        check_kinds(self.countries, str, f"{path}.countries")
        check_kinds(self.refuses, Trait, f"{path}.refuses")
        if self.country and not is_country(self.country):
            raise InvalidPolicy("it is an ISO 3166-1 alpha-2 code", path=f"{path}.country")
        for number, country in enumerate(self.countries):
            if not is_country(country):
                reason = f"{country!r} is no country code"
                raise InvalidPolicy(reason, path=f"{path}.countries[{number}]")
        if self.place is not None:
            check_kinds((self.place,), Place, f"{path}.place")
            self.place.check(f"{path}.place")
        if self.capacity is not None and (type(self.capacity) is not int or self.capacity < 0):
            raise InvalidPolicy("capacity is a number of units", path=f"{path}.capacity")
        zone_of(self.zone, f"{path}.zone")
        if type(self.cutoff) is not time or self.cutoff.tzinfo is not None:
            raise InvalidPolicy("a cut-off is a time of the day", path=f"{path}.cutoff")
        if not self.days or any([type(day) is not Weekday for day in self.days]):
            raise InvalidPolicy("a source works on at least one day", path=f"{path}.days")
        if type(self.handling_days) is not int or not 0 <= self.handling_days <= HANDLING_MAX:
            reason = f"it is a number of days up to {HANDLING_MAX}"
            raise InvalidPolicy(reason, path=f"{path}.handling_days")

    def why_not(self, to: Destination, items: tuple[Item, ...] = ()) -> str:
        """Why it may not send these items there, as a fragment; empty where it may."""
        if self.countries and to.country not in self.countries:
            return f"does not ship to {to.country or 'an unknown country'}"
        for trait in self.refuses:
            for item in items:
                if trait.of(item):
                    return f"sends no goods with {trait}"
        return ""

    def wait_days(self, now: datetime, service: Service | None = None) -> int:
        """Calendar days, by its own clock, from ``now`` until goods leave: cut-off, days off, handling.

        The earlier of its own cut-off and the service's counts. Raises `InvalidInput` for a time without a zone.
        """
        if not isinstance(now, datetime) or now.tzinfo is None:
            raise InvalidInput("a time needs a zone: datetime(..., tzinfo=UTC)", path="now")
        cutoff = self.cutoff
        if service is not None and service.cutoff is not None:
            cutoff = min(cutoff, service.cutoff)
        try:
            here = now.astimezone(UTC if self.zone == "UTC" else zone_of(self.zone))
        except OverflowError:
            raise InvalidInput("the moment is beyond the calendar", path="now") from None
        weekday = here.weekday()
        working = frozenset([_WEEK.index(day) for day in self.days])
        # the day it is begun, then as many working days as handling takes
        left = self.handling_days + 1
        waited = 0
        if here.timetz().replace(tzinfo=None) > cutoff:
            waited = 1
        while True:  # ends: each week has a working day, and handling is bounded
            if (weekday + waited) % 7 in working:
                left -= 1
                if not left:
                    return waited
            waited += 1

    def ships_on(self, now: datetime, service: Service | None = None) -> str:
        """The day on which goods ordered ``now`` leave, by its own clock, in ISO 8601."""
        waited = timedelta(days=self.wait_days(now, service))
        return (now.astimezone(zone_of(self.zone)) + waited).date().isoformat()
