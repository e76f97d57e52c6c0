"""The time, as a port: the only module that reads a clock.

All times in the library are aware datetimes in UTC. Zones matter where a rule of the trade
speaks of days; there the zone is named.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from ordercore.errors import InvalidInput

__all__ = ["UTC", "Clock", "SettableClock", "SystemClock", "utc"]


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The machine's idea of now, in UTC."""
        return datetime.now(UTC)


class SettableClock:
    """A clock that stands still until it is set or advanced: for simulations, replays, tests."""

    def __init__(self, start: datetime) -> None:
        self._now = utc(start, "start")

    def now(self) -> datetime:
        """The moment it was last set to."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Go to ``moment``, forward or back."""
        self._now = utc(moment, "moment")

    def advance(self, by: timedelta) -> datetime:
        """Go forward and return the new moment."""
        self._now += by
        return self._now


def utc(moment: datetime, path: str = "") -> datetime:
    """``moment`` in UTC; a naive datetime is refused, because it names no moment."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidInput("a time needs a zone: datetime(..., tzinfo=UTC)", path=path)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("the time is beyond the calendar", path=path) from None
