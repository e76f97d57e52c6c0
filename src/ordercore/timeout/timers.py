"""Which timers a change sets and clears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.fulfillment import Received, Shipped, Withdrawn
from ordercore.order import Moved, Placed
from ordercore.order.events import (
    Adopted,
    Amended,
    ClosingAsked,
    Extended,
    Paused,
    Recovered,
    Resumed,
)
from ordercore.tender import AttemptState, RefundStatus
from ordercore.tender.events import (
    AttemptAnswered,
    CaptureAsked,
    PaymentStarted,
    RefundAnswered,
    RefundRequested,
    UndoAsked,
)
from ordercore.timeout.policy import Timer, TimerKey, TimerKind
from ordercore.timeout.reckoning import plan_of, span_until, step_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ordercore.event import Event
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order
    from ordercore.tender import Refund
    from ordercore.timeout.policy import TimeoutPolicy
    from ordercore.timeout.reckoning import Clock, Plan

__all__ = ["RESOLVE", "refund_key", "timers"]

_OWED = frozenset(
    {AttemptState.OPEN, AttemptState.CAPTURING, AttemptState.CLOSING, AttemptState.RETURNING}
)
CLOSE = TimerKey(TimerKind.CLOSE_UNPAID)
"""The deadline of payment; also asks again for an order that is closing."""
RESOLVE = TimerKey(TimerKind.RESOLVE_PAYMENT)
"""One timer watches all attempts of an order: whoever serves it looks at each of them."""
_RELEASE = TimerKey(TimerKind.RELEASE_STOCK)


def refund_key(refund: str, leg: int, kind: TimerKind = TimerKind.RESOLVE_REFUND) -> TimerKey:
    """The timer that watches a leg of a refund."""
    return TimerKey(kind, f"{refund}#{leg}")


# Timers found by one change, by key; `None` clears. The last word on a key counts.
_Found = dict[TimerKey, "datetime | None"]


# Timers of rules -----------------------------------------------------------------------------


def _start(found: _Found, order: Order, clocks: tuple[Clock, ...]) -> None:
    """Start the clocks of a state."""
    handling = order.handling
    still = not handling.pauses and not handling.extended
    for clock in clocks:
        moment: datetime | None
        if still and clock.plain:  # `Clock.due` without its call
            start = clock.start(order)
            moment = None if start is None else start + clock.after
        else:
            moment = clock.due(order)
        if moment is not None:
            found[clock.key] = moment


def _begun(found: _Found, event: Placed | Adopted, order: Order, plan: Plan, _at: datetime) -> None:
    """An order begins: placed, or adopted in mid-life."""
    clocks = plan.running.get(event.state)
    if clocks is not None:
        _start(found, order, clocks)
    if plan.steps:
        _watch_step(found, plan, event.state, order.entered_at)


def _moved(found: _Found, event: Moved, order: Order, plan: Plan, at: datetime) -> None:
    """Stop the clocks of the state that was left, start those of the next."""
    if found and found.get(CLOSE):
        found[CLOSE] = None  # of an order that was closing in a state without a deadline
    keys = plan.leaving.get(event.source)
    if keys is not None:
        for key in keys:
            found[key] = None
    clocks = plan.running.get(event.to)
    if clocks is not None:
        _start(found, order, clocks)
        if keys is not None:
            _told(found, clocks, keys, at)
    if plan.steps:
        _step(found, event, plan, at)
    if event.releases and order.content.reservation:
        found[_RELEASE] = at


def _told(
    found: _Found, clocks: tuple[Clock, ...], keys: tuple[TimerKey, ...], at: datetime
) -> None:
    """What a rule of both states has told in the former one is not told again."""
    for clock in clocks:
        moment = found.get(clock.key)
        if moment is not None and moment < at and clock.key in keys and not clock.moves:
            found[clock.key] = None


def _step(found: _Found, event: Moved, plan: Plan, at: datetime) -> None:
    """Watch the visible step that was entered; within one step the clock runs on."""
    left, entered = plan.steps.get(event.source), plan.steps.get(event.to)
    if left is not entered:
        if left is not None:
            found[step_key(left)] = None
        _watch_step(found, plan, event.to, at)


def _watch_step(found: _Found, plan: Plan, state: str, since: datetime) -> None:
    step = plan.steps.get(state)
    if step is not None:
        policy = plan.policy
        found[step_key(step)] = span_until(since, policy.targets[step], policy.working)


def _closing(found: _Found, _event: ClosingAsked, _order: Order, plan: Plan, at: datetime) -> None:
    found[CLOSE] = at + plan.policy.again(1)


def _again(found: _Found, order: Order, before: Order | None, plan: Plan, at: datetime) -> None:
    """Within one visit: set what now comes due at another moment than before, clear what stands still.

    Without the order before, a rule that only tells somebody is not set to a moment that has passed:
    it was told then.
    """
    for clock in plan.running.get(order.state, ()):
        if clock.key == CLOSE and order.closing is not None:
            continue  # it asks whether the order can close by now
        moment = clock.due(order)
        if before is not None:
            if moment == clock.due(before):
                continue
        elif moment is not None and moment < at and not clock.moves:
            continue
        found[clock.key] = moment


# Timers of the engine ------------------------------------------------------------------------


def _watched(found: _Found, _event: Event, order: Order, plan: Plan, at: datetime) -> None:
    """Watch the attempts as long as one owes a call, and now and then while one waits for its payer."""
    if RESOLVE in found:
        return
    policy = plan.policy
    found[RESOLVE] = None
    for attempt in order.payments.attempts:
        if attempt.state in _OWED:
            found[RESOLVE] = at + policy.resolve_after
            return
        if attempt.state is AttemptState.WAITING:
            found[RESOLVE] = at + policy.again(len(policy.backoff))


def _adopted(found: _Found, event: Adopted, order: Order, plan: Plan, at: datetime) -> None:
    """Watch what was under way when the order was taken over."""
    _begun(found, event, order, plan, at)
    if any([attempt.live for attempt in order.payments.attempts]):
        _watched(found, event, order, plan, at)
    for refund in order.payments.refunds:
        _legs(found, refund, plan.policy, at)


def _legs(found: _Found, refund: Refund, policy: TimeoutPolicy, at: datetime) -> None:
    for i, leg in enumerate(refund.legs):
        if leg.arrived:
            continue
        if leg.status is not RefundStatus.FAILED:
            found[refund_key(refund.id, i)] = at + policy.resolve_after
        late = refund_key(refund.id, i, TimerKind.REFUND_LATE)
        found[late] = at + policy.refund_late_after


def _refund(found: _Found, event: RefundRequested, _order: Order, plan: Plan, at: datetime) -> None:
    _legs(found, event.refund, plan.policy, at)


def _refund_answered(
    found: _Found, event: RefundAnswered, _order: Order, plan: Plan, at: datetime
) -> None:
    policy = plan.policy
    key = refund_key(event.refund, event.leg)
    if event.status is RefundStatus.ARRIVED:
        found[key] = None
        found[refund_key(event.refund, event.leg, TimerKind.REFUND_LATE)] = None
    elif event.status is RefundStatus.FAILED:
        found[key] = None  # the late alert stays: somebody must look
    else:
        found[key] = at + policy.again(len(policy.backoff))


def _withdrawn(found: _Found, _event: Withdrawn, order: Order, _plan: Plan, at: datetime) -> None:
    if order.content.reservation:
        found[_RELEASE] = at


_TIMED: Mapping[type[Event], Callable[[_Found, Any, Order, Plan, datetime], None]] = {
    Placed: _begun,
    Adopted: _adopted,
    ClosingAsked: _closing,
    PaymentStarted: _watched,
    AttemptAnswered: _watched,
    CaptureAsked: _watched,
    UndoAsked: _watched,
    RefundRequested: _refund,
    RefundAnswered: _refund_answered,
    Withdrawn: _withdrawn,
}
_MARKED = frozenset({Amended, Recovered, Shipped, Received, Paused, Resumed, Extended})
"""Events after which a clock of the same visit may come due at another moment."""


def timers(
    order: Order,
    events: tuple[Event, ...],
    policy: TimeoutPolicy,
    at: datetime,
    lifecycle: Lifecycle[Order],
    before: Order | None = None,
) -> tuple[tuple[Timer, ...], tuple[TimerKey, ...]]:
    """Timers that ``events`` set and clear; ``order`` is the order after them, ``before`` the one before."""
    found: _Found = {}
    content = order.content
    try:
        plan = policy.plans[id(lifecycle), content.kind]
    except KeyError:
        plan = plan_of(policy, lifecycle, content.kind)
    moved = marked = False
    for event in events:
        kind = type(event)
        if kind is Moved:
            moved = True
            _moved(found, event, order, plan, at)  # type: ignore[arg-type]
            continue
        timed = _TIMED.get(kind)
        if timed is not None:
            timed(found, event, order, plan, at)
        if kind in _MARKED:
            marked = True
    if not moved and (marked or order.state in plan.gated) and order.version > len(events):
        _again(found, order, before, plan, at)
    if not found:
        return (), ()
    name, visit = content.id, order.visit
    to_set, cleared = [], []
    for key, due in found.items():
        if due is None:
            cleared.append(key)
        else:
            to_set.append(Timer(name, key, due, visit))
    return tuple(to_set), tuple(cleared)
