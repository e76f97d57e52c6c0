"""The clocks of a shop as its policy, and what a timer is."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from ordercore.calendar import WorkingHours
from ordercore.errors import InvalidInput, InvalidPolicy
from ordercore.lifecycle.timer import DEADLINES, TimerAction, TimerRule
from ordercore.lifecycle.visible import VisibleStep
from ordercore.pricing import OrderKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "STEP",
    "KindTimer",
    "PaymentWindow",
    "TimeoutPolicy",
    "Timer",
    "TimerKey",
    "TimerKind",
]

TIMERS_MAX = 100
"""Most timers of a policy."""
STEP = "step:"
"""Begins the subject of the timer that watches a visible step."""

_ZERO = timedelta(0)


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
    AUTHORIZATION = "authorization"
    """An authorization ends soon, or has ended: ask its channel, then take the money or tell somebody."""
    RELEASE_STOCK = "release_stock"
    SETTLE_COUPONS = "settle_coupons"
    """Make the codes of an order final, or give them back."""
    CONFIRM_RECEIPT = "confirm_receipt"
    ALERT = "alert"
    """Tell that something takes longer than it should."""
    ESCALATE = "escalate"
    """Ask somebody above to look."""
    FORFEIT = "forfeit"
    """End the order because the time for its next part is up."""
    OPEN = "open"
    """Let the order go on by itself: the window of its next part opens."""
    RESOLVE_COMPENSATION = "resolve_compensation"
    """Ask, or ask again, for one compensation."""
    RESOLVE_WAYBILL = "resolve_waybill"
    """Ask, or ask again, for the waybill of one parcel, or for its cancellation."""


class TimerKey(NamedTuple):
    """A timer of an order is named by its kind and subject; setting it again moves it.

    The subject is an attempt, a leg of a refund, a compensation, a parcel, a visible step (``step:pay``), or the name of the rule;
    empty for a rule that is named as what it does.
    """

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


# What a shop settles --------------------------------------------------------------------------


@value
class PaymentWindow:
    """How long an order of one kind may stay unpaid, and how long before its end to remind.

    A reminder needs a window of at least twice its lead; a shorter one has none.
    """

    pay_within: timedelta = timedelta(minutes=30)
    remind_before: timedelta = timedelta(minutes=5)

    def reminder(self) -> timedelta | None:
        """How long after placing to remind, ``None`` for never."""
        if self.remind_before <= _ZERO or self.pay_within < 2 * self.remind_before:
            return None
        return self.pay_within - self.remind_before


@value
class KindTimer:
    """A rule of the shop for some order kinds, all where none is named, in one lifecycle or in all.

    It takes the place of the lifecycle's rule of the same name; without states of its own it runs in that
    rule's states. States that a lifecycle does not have are passed over there.
    """

    rule: TimerRule
    kinds: tuple[OrderKind, ...] = ()
    lifecycle: str = ""

    def applies(self, lifecycle: str, kind: OrderKind) -> bool:
        """Whether it is meant for orders of this kind in this lifecycle."""
        return self.lifecycle in {"", lifecycle} and (not self.kinds or kind in self.kinds)


def _windows() -> Mapping[OrderKind, PaymentWindow]:
    return {OrderKind.FLASH_SALE: PaymentWindow(timedelta(minutes=5))}


class _Plans(dict[tuple[int, OrderKind], Any]):
    """What was put together once. A copy of the policy puts it together for itself."""

    def __reduce__(self) -> tuple[type[_Plans], tuple[()]]:
        return _Plans, ()


@value
class TimeoutPolicy:
    """The clocks of a shop.

    ``resolve_after`` is how long an open attempt may wait for its answer before the gateway is asked;
    ``backoff`` are the pauses between further tries, the last one repeated.
    ``refund_late_after`` is when a refund that has not arrived alerts (three business days, as calendar days).
    ``capture_before`` an authorization ends that holds money on purpose, the money is taken if its goods have
    left; else somebody is told.
    ``timers`` are rules beside those of the lifecycles, or instead of them; where two share a name,
    the later one counts. ``targets`` say how long a visible step should take: an order that stays longer
    alerts. With ``working``, targets are working time.
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
    capture_before: timedelta = timedelta(hours=24)
    timers: tuple[KindTimer, ...] = ()
    targets: Mapping[VisibleStep, timedelta] = attrs.field(factory=dict, hash=False)
    working: WorkingHours | None = None
    plans: _Plans = attrs.field(factory=_Plans, init=False, eq=False, repr=False)

    def of(self, kind: OrderKind) -> PaymentWindow:
        """The payment window of one order kind."""
        return self.windows.get(kind, self.window)

    def again(self, tries: int) -> timedelta:
        """The pause after the ``tries``-th try, from 1."""
        return self.backoff[min(max(tries, 1), len(self.backoff)) - 1]

    def check(self, path: str = "timeouts") -> None:
        """Raise `InvalidPolicy` for a window or a pause that is not positive, and for a rule that cannot be.

        Names of states, facts and events are checked by `ordercore.timeout.check_rules`, which knows the charts.
        """
        for name, window in [("window", self.window)] + [
            (f"windows.{kind.value}", window) for kind, window in self.windows.items()
        ]:
            if window.pay_within <= _ZERO:
                raise InvalidPolicy(
                    "a payment window is positive", path=f"{path}.{name}.pay_within"
                )
            if window.remind_before < _ZERO:
                raise InvalidPolicy("a lead is not negative", path=f"{path}.{name}.remind_before")
        if not self.backoff or min(self.backoff) <= _ZERO or self.resolve_after <= _ZERO:
            raise InvalidPolicy(
                "pauses are positive, and there is at least one", path=f"{path}.backoff"
            )
        if self.confirm_after <= _ZERO:
            raise InvalidPolicy("it is positive", path=f"{path}.confirm_after")
        if self.capture_before < _ZERO:
            raise InvalidPolicy("a lead is not negative", path=f"{path}.capture_before")
        if len(self.timers) > TIMERS_MAX:
            raise InvalidPolicy(f"a policy has at most {TIMERS_MAX} timers", path=f"{path}.timers")
        for place, timer in enumerate(self.timers):
            _check_rule(timer.rule, f"{path}.timers[{place}].rule")
        for step, target in self.targets.items():
            if target <= _ZERO:
                raise InvalidPolicy("a target is positive", path=f"{path}.targets.{step.value}")
            _check_hours(self.working, target, f"{path}.working")


_FIGURED = frozenset({TimerAction.CLOSE, TimerAction.REMIND, TimerAction.CONFIRM})


def _check_hours(hours: WorkingHours | None, span: timedelta, path: str) -> None:
    if hours is not None:
        try:
            hours.check(path, span)
        except InvalidInput as error:
            raise InvalidPolicy(error.reason, path=error.path) from None


def _check_rule(rule: TimerRule, path: str) -> None:
    """What is wrong with a rule by itself."""
    if not rule.name or rule.name.startswith(STEP):
        reason = f"a timer has a name, and none that begins with {STEP!r}"
        raise InvalidPolicy(reason, path=f"{path}.name")
    if rule.at is not None and (rule.after is not None or rule.hours is not None):
        reason = "a timer counts from something, or has a moment: not both"
        raise InvalidPolicy(reason, path=f"{path}.at")
    if rule.after is None and rule.at is None and rule.does not in _FIGURED:
        reason = f"how long until it does {rule.does.value!r}: the policy has no figure of its own"
        raise InvalidPolicy(reason, path=f"{path}.after")
    if rule.after is not None and rule.after < _ZERO and rule.since not in DEADLINES:
        known = ", ".join(sorted([since.value for since in DEADLINES]))
        reason = f"only what counts from a deadline may come before it: {known}"
        raise InvalidPolicy(reason, path=f"{path}.after")
    if rule.extension is not None:
        reason = "an extension stands in the lifecycle's rule, and stays when this one replaces it"
        raise InvalidPolicy(reason, path=f"{path}.extension")
    _check_hours(rule.hours, abs(rule.after or _ZERO), f"{path}.hours")
