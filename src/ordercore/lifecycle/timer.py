"""Rules of time that a lifecycle carries: what happens after how long, in which states."""

from __future__ import annotations

import enum
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.calendar import WorkingHours

__all__ = [
    "DEADLINES",
    "DEFAULT_SENDS",
    "MICROSECONDS",
    "PART",
    "UNITS",
    "Since",
    "TimerAction",
    "TimerRule",
    "duration",
    "spoken",
    "timing",
]


class TimerAction(enum.Enum):
    """What is done when the time of a rule is up."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    CLOSE = "close"
    REMIND = "remind"
    CONFIRM = "confirm"
    ESCALATE = "escalate"
    ALERT = "alert"
    FORFEIT = "forfeit"
    OPEN = "open"
    """The order goes on by itself: the window of its next part opens."""


class Since(enum.Enum):
    """The moment that ``after`` counts from."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ENTERED = "entered"
    """The order came into the state."""
    PLACED = "placed"
    PAY_BY = "pay_by"
    """The deadline of payment."""
    SHIPPED = "shipped"
    """The last shipment left."""
    DELIVERED = "delivered"
    """Carriers have told of the last parcel that it was delivered; the order is not received by that alone."""
    RECEIVED = "received"
    """The goods arrived."""
    BALANCE_FROM = "balance_from"
    """The window for the balance of a presale opens."""
    BALANCE_UNTIL = "balance_until"
    """It ends."""


DEADLINES: Final = frozenset({Since.PAY_BY, Since.BALANCE_FROM, Since.BALANCE_UNTIL})
"""Moments that are known before they come: ``after`` may be a lead, or nothing."""

DEFAULT_SENDS: Final[Mapping[TimerAction, str]] = {
    TimerAction.CLOSE: "close",
    TimerAction.CONFIRM: "receive",
    TimerAction.FORFEIT: "forfeit",
    TimerAction.OPEN: "open_balance",
}
"""The event that an action fires unless the rule names another; the other actions fire none."""


@value
class TimerRule:
    """A clock of a lifecycle. ``name`` is unique there; it runs while the order is in one of ``states``.

    ``after`` counts from ``since`` and may be negative (a lead) only before one of the `DEADLINES`;
    ``None`` takes the figure of the shop's policy: the deadline itself for CLOSE, the window's
    reminder for REMIND, ``confirm_after`` for CONFIRM. ``at`` is a moment instead of a span.
    It runs only while all ``facts`` hold, and stands still while a pause of one of the names in
    ``paused_by`` lasts (``"*"`` is any). With ``hours``, ``after`` is working time.
    ``sends`` is the event that CLOSE, CONFIRM, FORFEIT and OPEN fire; empty for their usual one.
    ``extension``: the buyer may put it off once by this much.
    """

    name: str
    does: TimerAction
    states: tuple[str, ...]
    since: Since = Since.ENTERED
    after: timedelta | None = None
    at: datetime | None = None
    facts: tuple[str, ...] = ()
    paused_by: tuple[str, ...] = ()
    hours: WorkingHours | None = None
    sends: str = ""
    extension: timedelta | None = None

    @property
    def closes_unpaid(self) -> bool:
        """Whether it closes an order that is not paid by its deadline."""
        return self.does is TimerAction.CLOSE and self.since is Since.PAY_BY

    @property
    def event(self) -> str:
        """The event that it fires when its time is up; empty for one that only tells somebody."""
        return self.sends or DEFAULT_SENDS.get(self.does, "")


LONGEST: Final = timedelta(days=3_660)
"""Ten years: no date that an order meets can overflow."""

# The largest first; a policy document speaks of time in the same words.
MICROSECONDS: Final[Mapping[str, int]] = {
    "day": 86_400_000_000,
    "h": 3_600_000_000,
    "min": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
UNITS: Final[Mapping[str, int]] = {
    **MICROSECONDS,
    **dict.fromkeys(("d", "days"), MICROSECONDS["day"]),
    **dict.fromkeys(("hour", "hours"), MICROSECONDS["h"]),
    **dict.fromkeys(("minute", "minutes"), MICROSECONDS["min"]),
    **dict.fromkeys(("sec", "second", "seconds"), MICROSECONDS["s"]),
    **dict.fromkeys(("week", "weeks"), 7 * MICROSECONDS["day"]),
}
PART = re.compile(r"([0-9]{1,15}) ?([A-Za-z]{1,12})(?: |$)")


def duration(text: str) -> timedelta | None:
    """Read ``"30 min"``, ``"1 h 30 min"``, ``"-5 min"``; ``None`` for what is no duration, or beyond `LONGEST`."""
    words = " ".join(text.split()) if len(text) <= 100 else ""
    sign = -1 if words.startswith("-") else 1
    words = words.removeprefix("-").lstrip()
    parts = PART.findall(words)
    if not parts or PART.sub("", words) or any(unit not in UNITS for _, unit in parts):
        return None
    micros = sum(int(number) * UNITS[unit] for number, unit in parts)
    if micros > LONGEST // timedelta(microseconds=1):
        return None
    return sign * timedelta(microseconds=micros)


def spoken(span: timedelta) -> str:
    """A duration in whole units, the largest first: ``"1 day 12 h"``; `duration` reads it back."""
    sign = "-" if span < timedelta(0) else ""
    micros = abs(span) // timedelta(microseconds=1)
    parts = []
    for unit, size in MICROSECONDS.items():
        count, micros = divmod(micros, size)
        if count:
            parts.append(f"{count} {unit}{'s' * (unit == 'day' and count != 1)}")
    return sign + (" ".join(parts) or "0 s")


_FIGURES: Final[Mapping[TimerAction, str]] = {
    TimerAction.CLOSE: "at the deadline of payment",
    TimerAction.REMIND: "before the deadline of payment",
    TimerAction.CONFIRM: "after the usual time",
}
_STARTS: Final[Mapping[Since, str]] = {
    Since.PLACED: " after placing",
    Since.PAY_BY: " after the deadline of payment",
    Since.SHIPPED: " after shipping",
    Since.DELIVERED: " after delivery",
    Since.RECEIVED: " after arrival",
    Since.BALANCE_FROM: " after the balance opens",
    Since.BALANCE_UNTIL: " after the time for the balance",
}
_BEFORE: Final[Mapping[Since, str]] = {
    Since.PAY_BY: "the deadline of payment",
    Since.BALANCE_FROM: "the balance opens",
    Since.BALANCE_UNTIL: "the time for the balance ends",
}


def timing(rule: TimerRule) -> str:
    """When a timer comes due, in words: ``"after 7 days"``, ``"7 days after shipping"``."""
    if rule.at is not None:
        return f"at {rule.at.isoformat(' ', 'minutes')}"
    if rule.after is None:
        return _FIGURES.get(rule.does, "at its time")
    moment = _BEFORE.get(rule.since)
    if not rule.after and moment is not None:
        return f"at {moment}" if rule.since is Since.PAY_BY else f"when {moment}"
    span = spoken(abs(rule.after)) + (" of working time" if rule.hours is not None else "")
    if rule.after < timedelta(0):
        return f"{span} before {moment}"
    start = _STARTS.get(rule.since)
    return f"after {span}" if start is None else span + start
