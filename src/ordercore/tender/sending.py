"""When a refund may be asked of its channel, and what goes out as one.

Channels bound how often, how soon after each other and how long after a payment they refund. What may be done
now follows from the order and from what the gateway declares (`Capabilities`); it is worked out before any call.

A leg's key is fixed when the refund is asked, so asking again is asking the same. That alone makes a lost answer
and a crash harmless where a channel has no spacing: each leg goes out by itself as soon as it is asked, and
nothing about its call depends on when that is. So nothing more is written down for it, and whoever finds it open
takes it for sent. Only where there is a spacing do legs wait and go out together; then what went out, under which
key and when, is written down before the call (`RefundSent`), and a leg without that was not sent. The same goes
for a leg that is tried again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ordercore.tender.channel import RefundStatus
from ordercore.value import value

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.tender.attempt import Attempt, Payments, Refund, RefundLeg
    from ordercore.tender.channel import Capabilities

__all__ = ["OPEN", "LegName", "Sending", "as_one", "sending"]

LegName = tuple[str, int]
"""A leg by its refund and its place there."""

OPEN = frozenset({None, RefundStatus.UNKNOWN})
"""A leg that has no answer yet."""


@value
class Sending:
    """What to do now about the legs that go back over one attempt.

    ``go`` are sent as one, written down first. ``wait`` may be sent from ``until`` on. ``stranded`` cannot go by
    this way any more, each with the reason; nothing was sent for them. ``doubtful`` are the same, but may have
    been sent before the payer's bank took their money back, so the channel is asked what it knows.
    """

    go: tuple[LegName, ...] = ()
    wait: tuple[LegName, ...] = ()
    until: datetime | None = None
    stranded: tuple[tuple[LegName, str], ...] = ()
    doubtful: tuple[tuple[LegName, str], ...] = ()


def as_one(payments: Payments, refund: str, place: int) -> tuple[LegName, ...]:
    """The legs that went out together with this one, in their order; itself alone where it went by itself."""
    under = payments.refund(refund).leg(place).sent_as
    if not under:
        return ((refund, place),)
    return tuple(
        [
            (found.id, i)
            for found in payments.refunds
            for i, leg in enumerate(found.legs)
            if leg.sent_as == under
        ]
    )


class _Part:
    """A leg that goes back, or went, over one attempt."""

    __slots__ = ("leg", "name", "refund", "sent", "unsent")

    def __init__(self, refund: Refund, place: int, leg: RefundLeg, *, spaced: bool) -> None:
        self.refund = refund
        self.name: LegName = (refund.id, place)
        self.leg = leg
        fresh = refund.at is not None or leg.tries > 0
        waits = leg.status in OPEN and not leg.gateway and not leg.sent
        self.unsent = waits and fresh and (spaced or leg.tries > 0)
        """It certainly was not sent."""
        self.sent = not leg.gateway and not self.unsent
        """It was, or may have been."""


def sending(
    payments: Payments, attempt: Attempt, capabilities: Capabilities, now: datetime
) -> Sending:
    """What to do now about the legs of one attempt that were not sent, or may not be sent again."""
    spaced = capabilities.refund_spacing > timedelta(0)
    parts = [
        _Part(refund, place, leg, spaced=spaced)
        for refund in payments.refunds
        for place, leg in enumerate(refund.legs)
        if leg.attempt == attempt.id and not leg.released and leg.paid
    ]
    stranded, doubtful = _charged_back(parts, attempt)
    barred = {name for name, _ in stranded}
    if not spaced:
        stranded += _barred_at_once(parts, attempt, capabilities, barred)
        barred = {name for name, _ in stranded}
    waiting = [part for part in parts if part.unsent and part.name not in barred]
    if not waiting:
        return Sending(stranded=tuple(stranded), doubtful=tuple(doubtful))
    why = _too_many(parts, capabilities) or _too_late(attempt, capabilities, now)
    if why:
        stranded += [(part.name, why) for part in waiting]
        return Sending(stranded=tuple(stranded), doubtful=tuple(doubtful))
    names = tuple([part.name for part in waiting])
    last = max([part.leg.sent_at for part in parts if part.leg.sent_at is not None], default=None)
    until = None if last is None else last + capabilities.refund_spacing
    if until is not None and now < until:
        return Sending((), names, until, tuple(stranded), tuple(doubtful))
    return Sending(names, (), None, tuple(stranded), tuple(doubtful))


def _charged_back(
    parts: list[_Part], attempt: Attempt
) -> tuple[list[tuple[LegName, str]], list[tuple[LegName, str]]]:
    """Legs for which too little is left since the payer's bank took money back: those that were not sent, and
    those that may have been. The first ones asked come first."""
    if not attempt.charged_back:
        return [], []
    stranded: list[tuple[LegName, str]] = []
    doubtful: list[tuple[LegName, str]] = []
    left = attempt.captured - attempt.returned - attempt.charged_back
    left -= sum(
        [
            part.leg.paid
            for part in parts
            if part.leg.status is not RefundStatus.FAILED
            and (part.leg.gateway or part.leg.status not in OPEN)
        ]
    )
    for part in parts:
        if part.leg.gateway or part.leg.status not in OPEN:
            continue
        if part.leg.paid <= left:
            left -= part.leg.paid
            continue
        found = stranded if part.unsent else doubtful
        found.append((part.name, "the payer's bank took the money back"))
    return stranded, doubtful


def _barred_at_once(
    parts: list[_Part], attempt: Attempt, capabilities: Capabilities, barred: set[LegName]
) -> list[tuple[LegName, str]]:
    """Legs that no call was ever made for, though their channel has no spacing: they were asked beyond its bounds.

    A leg's place among those of its attempt never changes, and it is counted whatever became of the others.
    """
    ends = None if attempt.at is None else attempt.at + capabilities.refund_window
    found = []
    for place, part in enumerate(parts):
        leg, at = part.leg, part.refund.at
        if leg.tries or leg.gateway or leg.status not in OPEN or at is None or part.name in barred:
            continue
        if place >= capabilities.refunds_max:
            found.append((part.name, _most(capabilities)))
        elif ends is not None and at > ends:
            found.append((part.name, _window(capabilities)))
    return found


def _most(capabilities: Capabilities) -> str:
    return f"the channel refunds one payment at most {capabilities.refunds_max} times"


def _window(capabilities: Capabilities) -> str:
    return f"the channel refunds within {capabilities.refund_window.days} days of the payment"


def _too_many(parts: list[_Part], capabilities: Capabilities) -> str:
    """Why no further refund of the attempt is possible by their number; empty where it is.

    A way that failed counts as a call, also where it was answered without one.
    """
    calls = sum([part.leg.tries for part in parts])
    calls += len({part.leg.key(*part.name) for part in parts if part.sent})
    return _most(capabilities) if calls >= capabilities.refunds_max else ""


def _too_late(attempt: Attempt, capabilities: Capabilities, now: datetime) -> str:
    if attempt.at is None or now <= attempt.at + capabilities.refund_window:
        return ""
    return _window(capabilities)
