"""Traffic: how much goes to each channel, whether it answers, and how often it takes the money.

One `Traffic` belongs to one engine and lives in memory: it spares a channel that is down, and tells the choice
of a channel how the others fare. Nothing depends on it but speed. A call that takes money for the first time asks
it before it is made; a call that ends something (a capture, a void, a refund, a question) is never held back.

The breaker of a channel, after Nygard, *Release It!* (2007), chapter 5: closed while it answers; open after so many
calls in a row without an answer; after a pause one call is let through, and what becomes of it closes the breaker
or opens it for another pause.
"""

from __future__ import annotations

import enum
import threading
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ordercore.tender import ChannelPolicy

__all__ = ["Breaker", "ChannelTraffic", "Traffic"]

_MINUTE = 60
RECENT = 200
"""Most results that a rate of success is counted from."""
RECENT_FOR = timedelta(hours=1)
"""How old the oldest of them may be."""


class Breaker(enum.Enum):
    """Whether a channel is called at all."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    CLOSED = "closed"
    """It answers."""
    OPEN = "open"
    """It did not answer several times in a row, and is left alone."""
    HALF_OPEN = "half_open"
    """The pause is over: one call is let through, or is under way."""


@value
class ChannelTraffic:
    """How a channel fares, as this engine has seen it.

    ``calls`` are those of the last minute that were to take money, ``per_minute`` their bound, 0 for none.
    Of ``tries`` recent attempts ``successes`` ended with the money held or taken. ``silent`` calls in a row had
    no answer; ``open_until`` is when the next one is let through.
    """

    gateway: str
    calls: int
    per_minute: int
    tries: int
    successes: int
    silent: int
    breaker: Breaker
    open_until: datetime | None = None


class _Lane:
    """What is known of one channel."""

    __slots__ = ("calls", "open_until", "recent", "silent", "trial")

    def __init__(self) -> None:
        self.calls: deque[list[int]] = deque()  # (second, calls in it)
        self.recent: deque[tuple[datetime, bool]] = deque(maxlen=RECENT)
        self.silent = 0
        self.open_until: datetime | None = None
        self.trial: datetime | None = None

    def within(self, now: datetime) -> int:
        """Calls of the last minute; those that a clock set back has put into the future are forgotten."""
        calls, second = self.calls, int(now.timestamp())
        while calls and calls[0][0] < second - _MINUTE:
            calls.popleft()
        while calls and calls[-1][0] > second:
            calls.pop()
        return sum([count for _, count in calls])

    def count(self, now: datetime) -> None:
        """One more call."""
        second = int(now.timestamp())
        if self.calls and self.calls[-1][0] == second:
            self.calls[-1][1] += 1
        else:
            self.calls.append([second, 1])
            if len(self.calls) > _MINUTE + 2:
                self.within(now)

    def results(self, now: datetime) -> tuple[int, int]:
        """Recent tries, and how many of them took the money."""
        oldest = now - RECENT_FOR
        recent = [held for at, held in self.recent if oldest <= at <= now]
        return len(recent), sum(recent)

    def breaker(self, pause: timedelta, now: datetime) -> Breaker:
        """Where its breaker stands. A pause that would last longer than it was meant to is over."""
        until = self.open_until
        if until is None:
            return Breaker.CLOSED
        if now < until <= now + pause:
            return Breaker.OPEN
        return Breaker.HALF_OPEN


class Traffic:
    """What one engine knows of its channels. Safe from many threads; bounded by the number of channels."""

    __slots__ = ("_lanes", "_lock")

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()

    def admit(self, gateway: str, policy: ChannelPolicy, now: datetime) -> str:
        """Let a call through that is to take money, and count it; else why it is held back."""
        limit = _limit(gateway, policy) if policy.rules else 0
        with self._lock:
            lane = self._lane(gateway)
            if not limit and lane.open_until is None:
                lane.count(now)
                return ""
            pause = policy.breaker_pause
            if lane.open_until is not None:
                state = lane.breaker(pause, now)
                tried = lane.trial is not None and lane.trial <= now < lane.trial + pause
                if state is Breaker.OPEN or tried:
                    return "the channel does not answer"
            calls = lane.within(now)
            if limit and calls >= limit:
                return f"the channel takes {limit} calls a minute"
            if lane.open_until is not None:
                lane.trial = now  # one that is never heard of again gives way after a pause
            lane.count(now)
        return ""

    def answered(self, gateway: str) -> None:
        """The channel answered, whatever it said."""
        with self._lock:
            lane = self._lane(gateway)
            if lane.silent or lane.open_until is not None:
                lane.silent, lane.open_until, lane.trial = 0, None, None

    def silent(self, gateway: str, policy: ChannelPolicy, now: datetime) -> None:
        """The channel did not answer, or could not be reached."""
        with self._lock:
            lane = self._lane(gateway)
            lane.silent += 1
            most = policy.breaker_failures
            if most and lane.silent >= most:
                lane.open_until, lane.trial = now + policy.breaker_pause, None

    def ended(self, gateway: str, now: datetime, *, held: bool) -> None:
        """An attempt over this channel came to its end: with its money ``held``, or without."""
        with self._lock:
            self._lane(gateway).recent.append((now, held))

    def results(self, gateways: Iterable[str], now: datetime) -> Mapping[str, tuple[int, int]]:
        """Recent tries of those channels that had any, and how many of them took the money."""
        found: dict[str, tuple[int, int]] = {}
        with self._lock:
            for name in gateways:
                lane = self._lanes.get(name)
                if lane is not None and lane.recent:
                    tries, held = lane.results(now)
                    if tries:
                        found[name] = (tries, held)
        return found

    def show(
        self, gateways: Iterable[str], policy: ChannelPolicy, now: datetime
    ) -> tuple[ChannelTraffic, ...]:
        """How each of these channels fares."""
        shown = []
        with self._lock:
            for name in gateways:
                lane = self._lanes.get(name) or _Lane()
                state = lane.breaker(policy.breaker_pause, now)
                until = lane.open_until if state is Breaker.OPEN else None
                tries, held = lane.results(now)
                shown.append(
                    ChannelTraffic(
                        name, lane.within(now), _limit(name, policy), tries, held, lane.silent,
                        state, until,
                    )
                )  # fmt: skip
        return tuple(shown)

    def _lane(self, gateway: str) -> _Lane:
        lane = self._lanes.get(gateway)
        if lane is None:
            lane = self._lanes[gateway] = _Lane()
        return lane


def _limit(gateway: str, policy: ChannelPolicy) -> int:
    """The tightest bound that a rule puts on a channel; 0 for none."""
    limits = [r.per_minute for r in policy.rules if r.gateway == gateway and r.per_minute > 0]
    return min(limits, default=0)
