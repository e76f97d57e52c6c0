"""Working hours in a zone: when a span of working time ends, and how much of it has passed.

A zone's clock is set forward and back. Two rules settle what a time of the day then means,
and a working day has its real length, an hour more or less on such a day:

- a time that the clock skips (the *gap*) is the first moment after the gap;
- a time that the clock shows twice (the *fold*) is the first of the two.

Zones are names of the IANA time zone database, read by ``zoneinfo`` (PEP 615; the gap and the fold
are those of PEP 495). ``UTC`` needs no database.
"""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DAYS_MAX",
    "HOLIDAYS_MAX",
    "Weekday",
    "WorkingHours",
    "add_working",
    "local_moment",
    "working_time",
    "zone_of",
]

DAYS_MAX = 7_320
"""Most days that one reckoning looks at one by one: twenty years."""
HOLIDAYS_MAX = 1_000
"""Most holidays of one calendar."""

_STEPS_MAX = 2 * 20
"""Steps of a clock within `DAYS_MAX` days."""

_ZERO = timedelta(0)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_MIDNIGHT = time(0)


class Weekday(enum.Enum):
    """A day of the week."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_WEEK = tuple(Weekday)


@value
class WorkingHours:
    """When a shop's people work: on which days of the week, from when to when by the clock of ``zone``.

    A day ends before the next one begins: ``closes`` is after ``opens``, or midnight for the end of the day.
    ``holidays`` are days without work.
    """

    zone: str = "UTC"
    days: tuple[Weekday, ...] = _WEEK[:5]
    opens: time = time(9)
    closes: time = time(18)
    holidays: tuple[date, ...] = ()

    def check(self, path: str = "hours", span: timedelta = _ZERO) -> None:
        """Raise `InvalidInput` for a calendar without work, or in which ``span`` could take beyond `DAYS_MAX` days."""
        zone_of(self.zone, f"{path}.zone")
        _check_days(self, path)
        _check_day(self, path)
        # a clock is set forward once or twice a year: as many working days may be lost
        needed = -(-abs(span) // _length(self)) + _STEPS_MAX
        weeks = -(-needed // len(self.days)) + len(self.holidays) + 2
        if span and weeks * 7 > DAYS_MAX:
            reason = f"these hours are too few for {span}: it could take beyond twenty years"
            raise InvalidInput(reason, path=path)


def _length(hours: WorkingHours) -> timedelta:
    """A working day by the clock on the wall."""
    opens = timedelta(
        hours=hours.opens.hour, minutes=hours.opens.minute, seconds=hours.opens.second
    )
    closes = timedelta(
        hours=hours.closes.hour, minutes=hours.closes.minute, seconds=hours.closes.second
    )
    return (closes or _DAY) - opens


def _check_days(hours: WorkingHours, path: str) -> None:
    days = hours.days
    if type(days) is not tuple or not days or any([type(day) is not Weekday for day in days]):
        raise InvalidInput("working days are a tuple of Weekday, at least one", path=f"{path}.days")
    if len(set(days)) != len(days):
        raise InvalidInput("a working day is named once", path=f"{path}.days")
    if type(hours.holidays) is not tuple or len(hours.holidays) > HOLIDAYS_MAX:
        reason = f"holidays are a tuple of at most {HOLIDAYS_MAX} days"
        raise InvalidInput(reason, path=f"{path}.holidays")
    for place, day in enumerate(hours.holidays):
        if type(day) is not date:
            raise InvalidInput("a holiday is a date", path=f"{path}.holidays[{place}]")


def _check_day(hours: WorkingHours, path: str) -> None:
    for name in ("opens", "closes"):
        found = getattr(hours, name)
        if type(found) is not time or found.tzinfo is not None or found.microsecond:
            reason = "a time of the day is a time in whole seconds, without a zone"
            raise InvalidInput(reason, path=f"{path}.{name}")
    if hours.closes != _MIDNIGHT and hours.closes <= hours.opens:
        reason = "a working day closes after it opens; 00:00 is its end"
        raise InvalidInput(reason, path=f"{path}.closes")


@lru_cache(maxsize=256)
def _known_zone(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo  # a shop of UTC needs no database of zones

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def zone_of(name: str, path: str = "zone") -> tzinfo:
    """The zone of this name; raises `InvalidInput`, which says so where the machine has no database of zones."""
    if name == "UTC":
        return UTC
    zone = _known_zone(name) if type(name) is str else None
    if zone is not None:
        return zone
    if _known_zone("Europe/Paris") is None:
        reason = "this machine has no database of time zones: install the package tzdata"
    else:
        reason = "a zone is a name of the IANA time zone database: 'Europe/Berlin'"
    raise InvalidInput(reason, path=path, zone=str(name)[:40])


def local_moment(day: date, at: time, zone: str) -> datetime:
    """The moment, in UTC, at which the clocks of ``zone`` show ``at`` on ``day``.

    A time in a gap is the first moment after it; a time in a fold is the first of the two.
    """
    try:
        return _moment(day, at, zone_of(zone))
    except OverflowError:
        raise InvalidInput("the day is beyond the calendar", path="day") from None


def _moment(day: date, at: time, zone: tzinfo) -> datetime:
    wall = datetime.combine(day, at.replace(tzinfo=None, fold=0))
    # PEP 495: in a gap, fold=0 reckons by the offset before it and fold=1 by the one after it,
    # so the two moments lie after and before the step of the clock; in a fold, fold=0 is the first
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    low = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _step(low, first, zone)


def _step(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The moment between two at which the clock of ``zone`` is set; clocks are set on a whole second."""
    after = high.astimezone(zone).utcoffset()
    low, high = low.replace(microsecond=0), high.replace(microsecond=0)
    seconds = (high - low) // _SECOND
    start = 0
    while start < seconds:  # halves: a day's worth of seconds takes seventeen
        middle = (start + seconds) // 2
        if (low + middle * _SECOND).astimezone(zone).utcoffset() == after:
            seconds = middle
        else:
            start = middle + 1
    return low + seconds * _SECOND


def _shifts(
    start: datetime, hours: WorkingHours, step: int, days: int = DAYS_MAX
) -> Iterator[tuple[datetime, datetime]]:
    """The working days among ``days`` from that of ``start`` on, forward or back, as (from, until) in UTC."""
    zone = zone_of(hours.zone)
    free = frozenset(hours.holidays)
    working = frozenset([_WEEK.index(day) for day in hours.days])
    first = start.astimezone(zone).date()
    ends_next_day = hours.closes == _MIDNIGHT
    for number in range(days):
        day = first + number * step * _DAY
        if day.weekday() in working and day not in free:
            opens = _moment(day, hours.opens, zone)
            closes = _moment(day + _DAY if ends_next_day else day, hours.closes, zone)
            yield opens, closes


def _utc(moment: datetime, path: str) -> datetime:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidInput("a time needs a zone: datetime(..., tzinfo=UTC)", path=path)
    return moment.astimezone(UTC)


def add_working(start: datetime, duration: timedelta, hours: WorkingHours) -> datetime:
    """The first moment by which ``duration`` of working time has passed since ``start``, in UTC.

    A negative duration goes back: the last moment from which so much working time leads to ``start``.
    Nothing to wait for is ``start`` itself. Raises `InvalidInput` where `DAYS_MAX` days do not suffice.
    """
    start = _utc(start, "start")
    left = abs(duration)
    if not left:
        return start
    try:
        if duration > _ZERO:
            for opens, closes in _shifts(start, hours, 1):
                begin = max(opens, start)
                if begin < closes:
                    if left <= closes - begin:
                        return begin + left
                    left -= closes - begin
        else:
            for opens, closes in _shifts(start, hours, -1):
                end = min(closes, start)
                if opens < end:
                    if left <= end - opens:
                        return end - left
                    left -= end - opens
    except OverflowError:
        raise InvalidInput("it ends beyond the calendar", path="duration") from None
    reason = f"the working hours of {DAYS_MAX} days do not suffice"
    raise InvalidInput(reason, path="duration")


def working_time(start: datetime, end: datetime, hours: WorkingHours) -> timedelta:
    """How much working time lies between two moments; negative where ``end`` comes first.

    Beyond `DAYS_MAX` days whole weeks are counted, and only those with a holiday or a step of the clock
    day by day; two steps that undo each other within one week are not seen then.
    Raises `InvalidInput` for a moment at the very edge of the calendar.
    """
    start, end = _utc(start, "start"), _utc(end, "end")
    if end < start:
        return -working_time(end, start, hours)
    if start == end:
        return _ZERO
    zone = zone_of(hours.zone)
    first, last = _local_day(start, zone, "start"), _local_day(end, zone, "end")
    try:
        if (last - first).days < DAYS_MAX:
            return _counted(start, end, hours)
        weeks, day = [first + _DAY], first + _DAY
        while (last - day).days >= 7:  # ends: a week nearer at each turn
            day += 7 * _DAY
            weeks.append(day)
        days = _counted(start, _moment(weeks[0], _MIDNIGHT, zone), hours)
        return (
            days + _weeks(weeks, hours, zone) + _counted(_moment(day, _MIDNIGHT, zone), end, hours)
        )
    except OverflowError:
        raise InvalidInput("it ends beyond the calendar", path="end") from None


def _local_day(moment: datetime, zone: tzinfo, path: str) -> date:
    try:
        return moment.astimezone(zone).date()
    except OverflowError:
        raise InvalidInput("it is beyond the calendar", path=path) from None


def _counted(start: datetime, end: datetime, hours: WorkingHours) -> timedelta:
    """Working time day by day."""
    zone, found = zone_of(hours.zone), _ZERO
    days = (end.astimezone(zone).date() - start.astimezone(zone).date()).days + 1
    for opens, closes in _shifts(start, hours, 1, days):
        if opens >= end:
            break
        found += max(min(closes, end) - max(opens, start), _ZERO)
    return found


def _weeks(days: list[date], hours: WorkingHours, zone: tzinfo) -> timedelta:
    """Working time of the whole weeks between these days, each seven after the one before."""
    usual, found = len(hours.days) * _length(hours), _ZERO
    first = days[0]
    special = {(day - first).days // 7 for day in hours.holidays}
    begin = _moment(first, _MIDNIGHT, zone)
    for number, day in enumerate(days[1:]):
        end = _moment(day, _MIDNIGHT, zone)
        plain = end - begin == 7 * _DAY and number not in special
        found += usual if plain else _counted(begin, end, hours)
        begin = end
    return found
