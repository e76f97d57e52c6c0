"""What is due when: timers as a pure function of an order's events and the policy.

A timer is a hint, never a command: when it comes due, the order is looked at again,
and a timer set in an earlier visit of a state does nothing (law L20).
What is owed to the outside (an undo, a refund, stock to give back) is a timer too,
set in the same change as the fact that owes it, so a crash cannot lose it.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from ordercore.errors import InvalidPolicy
from ordercore.fulfillment import Withdrawn
from ordercore.order import Moved, Order, Placed
from ordercore.order.events import ClosingAsked
from ordercore.pricing import OrderKind
from ordercore.tender import AttemptState, RefundStatus
from ordercore.tender.events import (
    AttemptAnswered,
    CaptureAsked,
    PaymentStarted,
    RefundAnswered,
    RefundRequested,
    UndoAsked,
)
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.event import Event

__all__ = ["PaymentWindow", "TimeoutPolicy", "Timer", "TimerKey", "TimerKind", "timers"]


class TimerKind(enum.Enum):
    """What is to be done when a timer comes due."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    REMIND_PAYMENT = "remind_payment"
    CLOSE_UNPAID = "close_unpaid"
    RESOLVE_PAYMENT = "resolve_payment"
    """Ask the gateways about attempts whose outcome is open, or finish undos and captures."""
    RESOLVE_REFUND = "resolve_refund"
    """Ask, or ask again, for one leg of a refund."""
    REFUND_LATE = "refund_late"
    RELEASE_STOCK = "release_stock"
    SETTLE_COUPONS = "settle_coupons"
    """Make the codes of an order final, or give them back."""
    CONFIRM_RECEIPT = "confirm_receipt"


class TimerKey(NamedTuple):
    """A timer of an order is named by its kind and subject (a leg of a refund); setting it again moves it."""

    kind: TimerKind
    subject: str = ""


@value
class Timer:
    """Something due. ``visit`` is the order's visit that set it; ``tries`` counts how often it was claimed."""

    order_id: str
    key: TimerKey
    due: datetime
    visit: int
    tries: int = 0


@value
class PaymentWindow:
    """How long an order of one kind may stay unpaid, and how long before its end to remind.

    A reminder needs a window of at least twice its lead; a shorter one has none.
    """

    pay_within: timedelta = timedelta(minutes=30)
    remind_before: timedelta = timedelta(minutes=5)

    def reminder(self) -> timedelta | None:
        """How long after placing to remind, ``None`` for never."""
        if self.remind_before <= timedelta(0) or self.pay_within < 2 * self.remind_before:
            return None
        return self.pay_within - self.remind_before


def _windows() -> Mapping[OrderKind, PaymentWindow]:
    return {OrderKind.FLASH_SALE: PaymentWindow(timedelta(minutes=5))}


@value
class TimeoutPolicy:
    """The clocks of a shop.

    ``resolve_after`` is how long an open attempt may wait for its answer before the gateway is asked;
    ``backoff`` are the pauses between further tries, the last one repeated.
    ``refund_late_after`` is when a refund that has not arrived alerts (three business days, as calendar days).
    """

    window: PaymentWindow = PaymentWindow()
    windows: Mapping[OrderKind, PaymentWindow] = attrs.field(factory=_windows, hash=False)
    confirm_after: timedelta = timedelta(days=7)
    resolve_after: timedelta = timedelta(seconds=60)
    backoff: tuple[timedelta, ...] = (
        timedelta(minutes=1),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(hours=12),
    )
    refund_late_after: timedelta = timedelta(days=5)

    def of(self, kind: OrderKind) -> PaymentWindow:
        """The payment window of one order kind."""
        return self.windows.get(kind, self.window)

    def again(self, tries: int) -> timedelta:
        """The pause after the ``tries``-th try, from 1."""
        return self.backoff[min(max(tries, 1), len(self.backoff)) - 1]

    def check(self, path: str = "timeouts") -> None:
        """Raise `InvalidPolicy` for a window or a pause that is not positive."""
        zero = timedelta(0)
        for name, window in [("window", self.window)] + [
            (f"windows.{kind.value}", window) for kind, window in self.windows.items()
        ]:
            if window.pay_within <= zero:
                raise InvalidPolicy(
                    "a payment window is positive", path=f"{path}.{name}.pay_within"
                )
            if window.remind_before < zero:
                raise InvalidPolicy("a lead is not negative", path=f"{path}.{name}.remind_before")
        if not self.backoff or min(self.backoff) <= zero or self.resolve_after <= zero:
            raise InvalidPolicy(
                "pauses are positive, and there is at least one", path=f"{path}.backoff"
            )
        if self.confirm_after <= zero:
            raise InvalidPolicy("it is positive", path=f"{path}.confirm_after")


_OWED = frozenset(
    {AttemptState.OPEN, AttemptState.CAPTURING, AttemptState.CLOSING, AttemptState.RETURNING}
)
_REMIND = TimerKey(TimerKind.REMIND_PAYMENT)
_CLOSE = TimerKey(TimerKind.CLOSE_UNPAID)
_CONFIRM = TimerKey(TimerKind.CONFIRM_RECEIPT)
_RELEASE = TimerKey(TimerKind.RELEASE_STOCK)
RESOLVE = TimerKey(TimerKind.RESOLVE_PAYMENT)
"""One timer watches all attempts of an order: whoever serves it looks at each of them."""


def refund_key(refund: str, leg: int, kind: TimerKind = TimerKind.RESOLVE_REFUND) -> TimerKey:
    """The timer that watches a leg of a refund."""
    return TimerKey(kind, f"{refund}#{leg}")


# Timers found by one change, by key; `None` clears. The last word on a key counts.
_Found = dict[TimerKey, "datetime | None"]


def _placed(
    found: _Found, event: Placed, _order: Order, policy: TimeoutPolicy, _at: datetime
) -> None:
    content = event.content
    if content.pay_by is None:
        return
    found[_CLOSE] = content.pay_by
    lead = policy.of(content.kind).reminder()
    if lead is not None:
        found[_REMIND] = content.placed_at + lead


def _moved(found: _Found, event: Moved, order: Order, policy: TimeoutPolicy, at: datetime) -> None:
    if event.via == "pay" or event.to == "closed":
        found[_CLOSE] = None
        found[_REMIND] = None
    if event.to == "closed" and order.content.reservation:
        found[_RELEASE] = at
    if event.via == "ship":
        found[_CONFIRM] = at + policy.confirm_after
    elif event.source == "shipped":
        found[_CONFIRM] = None


def _closing(
    found: _Found, _event: ClosingAsked, _order: Order, policy: TimeoutPolicy, at: datetime
) -> None:
    found[_CLOSE] = at + policy.again(1)


def _watched(
    found: _Found, _event: Event, order: Order, policy: TimeoutPolicy, at: datetime
) -> None:
    """Watch the attempts as long as one owes a call, and now and then while one waits for its payer."""
    if RESOLVE in found:
        return
    found[RESOLVE] = None
    for attempt in order.payments.attempts:
        if attempt.state in _OWED:
            found[RESOLVE] = at + policy.resolve_after
            return
        if attempt.state is AttemptState.WAITING:
            found[RESOLVE] = at + policy.again(len(policy.backoff))


def _refund(
    found: _Found, event: RefundRequested, _order: Order, policy: TimeoutPolicy, at: datetime
) -> None:
    refund = event.refund
    for i in range(len(refund.legs)):
        found[refund_key(refund.id, i)] = at + policy.resolve_after
        late = refund_key(refund.id, i, TimerKind.REFUND_LATE)
        found[late] = at + policy.refund_late_after


def _refund_answered(
    found: _Found, event: RefundAnswered, _order: Order, policy: TimeoutPolicy, at: datetime
) -> None:
    key = refund_key(event.refund, event.leg)
    if event.status is RefundStatus.ARRIVED:
        found[key] = None
        found[refund_key(event.refund, event.leg, TimerKind.REFUND_LATE)] = None
    elif event.status is RefundStatus.FAILED:
        found[key] = None  # the late alert stays: somebody must look
    else:
        found[key] = at + policy.again(len(policy.backoff))


def _withdrawn(
    found: _Found, _event: Withdrawn, order: Order, _policy: TimeoutPolicy, at: datetime
) -> None:
    if order.content.reservation:
        found[_RELEASE] = at


_TIMED: Mapping[type[Event], Callable[[_Found, Any, Order, TimeoutPolicy, datetime], None]] = {
    Placed: _placed,
    Moved: _moved,
    ClosingAsked: _closing,
    PaymentStarted: _watched,
    AttemptAnswered: _watched,
    CaptureAsked: _watched,
    UndoAsked: _watched,
    RefundRequested: _refund,
    RefundAnswered: _refund_answered,
    Withdrawn: _withdrawn,
}


def timers(
    order: Order, events: tuple[Event, ...], policy: TimeoutPolicy, at: datetime
) -> tuple[tuple[Timer, ...], tuple[TimerKey, ...]]:
    """Timers that ``events`` set and clear; ``order`` is the order after them."""
    found: _Found = {}
    for event in events:
        timed = _TIMED.get(type(event))
        if timed is not None:
            timed(found, event, order, policy, at)
    if not found:
        return (), ()
    name, visit = order.content.id, order.visit
    to_set, cleared = [], []
    for key, due in found.items():
        if due is None:
            cleared.append(key)
        else:
            to_set.append(Timer(name, key, due, visit))
    return tuple(to_set), tuple(cleared)
