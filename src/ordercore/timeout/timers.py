"""Which timers a change sets and clears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.fulfillment import ParcelTracked, Received, Shipped, Withdrawn
from ordercore.fulfillment.parcel import WaybillAnswered, WaybillAsked, WaybillCanceling
from ordercore.order import Moved, Placed
from ordercore.order.events import (
    Adopted,
    Amended,
    ClosingAsked,
    Combined,
    Extended,
    Paused,
    Recovered,
    Rejoined,
    Restored,
    Resumed,
    SplitOff,
    Unmerged,
)
from ordercore.tender import AttemptState, RefundStatus
from ordercore.tender.events import (
    AttemptAnswered,
    CaptureAsked,
    CompensationAnswered,
    CompensationGranted,
    PaymentStarted,
    RefundAnswered,
    RefundRequested,
    RefundRerouted,
    RefundSent,
    Rerouted,
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
    from ordercore.tender import Attempt, Refund
    from ordercore.timeout.policy import TimeoutPolicy
    from ordercore.timeout.reckoning import Clock, Plan

__all__ = ["HANDOVER", "RESOLVE", "authorization_key", "compensation_key", "refund_key", "timers"]

_OWED = frozenset(
    {AttemptState.OPEN, AttemptState.CAPTURING, AttemptState.CLOSING, AttemptState.RETURNING}
)
_WAITING = AttemptState.WAITING  # a look-up through an Enum class costs more than the comparison
CLOSE = TimerKey(TimerKind.CLOSE_UNPAID)
"""The deadline of payment; also asks again for an order that is closing."""
RESOLVE = TimerKey(TimerKind.RESOLVE_PAYMENT)
"""One timer watches all attempts of an order: whoever serves it looks at each of them."""
_RELEASE = TimerKey(TimerKind.RELEASE_STOCK)
HANDOVER = TimerKey(TimerKind.RELEASE_STOCK, "handover")
"""Goods that another order's reservation holds are to be held under this order's own name."""


def refund_key(refund: str, leg: int, kind: TimerKind = TimerKind.RESOLVE_REFUND) -> TimerKey:
    """The timer that watches a leg of a refund."""
    return TimerKey(kind, f"{refund}#{leg}")


def authorization_key(attempt: str) -> TimerKey:
    """The timer that watches an authorization."""
    return TimerKey(TimerKind.AUTHORIZATION, attempt)


def compensation_key(compensation: str) -> TimerKey:
    """The timer that watches a compensation."""
    return TimerKey(TimerKind.RESOLVE_COMPENSATION, compensation)


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


def _begun(
    found: _Found, event: Placed | Adopted | SplitOff, order: Order, plan: Plan, _at: datetime
) -> None:
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
    if event.releases and order.content.reservation and not order.handling.gone:
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
        if attempt.state is _WAITING:
            found[RESOLVE] = at + policy.again(len(policy.backoff))


def _answered(
    found: _Found, event: AttemptAnswered, order: Order, plan: Plan, at: datetime
) -> None:
    if RESOLVE not in found:
        _watched(found, event, order, plan, at)
    for attempt in order.payments.attempts:
        if attempt.expires_at is not None and attempt.id == event.attempt:
            _authorization(found, attempt, plan, at)


def _asked(
    found: _Found, event: CaptureAsked | UndoAsked, order: Order, plan: Plan, at: datetime
) -> None:
    _watched(found, event, order, plan, at)
    for name in event.attempts:
        _authorization(found, order.payments.attempt(name), plan, at)


def _authorization(found: _Found, attempt: Attempt, plan: Plan, at: datetime) -> None:
    """Watch money that is held on purpose: before its authorization ends, and when it ends."""
    ends = attempt.expires_at
    if ends is None or not attempt.deferred:
        return
    key = authorization_key(attempt.id)
    if attempt.state is AttemptState.AUTHORIZED:
        found[key] = max(at, ends - plan.policy.capture_before)
    else:
        found[key] = None


def _rerouted(found: _Found, event: Rerouted, _order: Order, plan: Plan, at: datetime) -> None:
    """Ask the channel that was given up once more, later: it may have taken the money after all."""
    found[TimerKey(TimerKind.RESOLVE_PAYMENT, event.instead_of)] = at + plan.policy.resolve_after


def _split_off(found: _Found, event: SplitOff, order: Order, plan: Plan, at: datetime) -> None:
    """A part begins where the whole order stood; its goods are still held under the whole order's name."""
    _begun(found, event, order, plan, at)
    lineage = order.handling.lineage
    if lineage is not None and lineage.handovers:
        found[HANDOVER] = at


def _rejoined(found: _Found, event: Rejoined, _order: Order, _plan: Plan, at: datetime) -> None:
    """Goods may still be held under the name of the whole, or of a part."""
    handling = event.handling
    if handling is not None and handling.lineage is not None and handling.lineage.handovers:
        found[HANDOVER] = at


def _adopted(found: _Found, event: Adopted, order: Order, plan: Plan, at: datetime) -> None:
    """Watch what was under way when the order was taken over."""
    _begun(found, event, order, plan, at)
    if any([attempt.live for attempt in order.payments.attempts]):
        _watched(found, event, order, plan, at)
    for refund in order.payments.refunds:
        _legs(found, refund, plan.policy, at)
    for given in order.payments.compensations:
        if given.status is not RefundStatus.ARRIVED and given.status is not RefundStatus.FAILED:
            found[compensation_key(given.id)] = at + plan.policy.resolve_after


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


def _refund_sent(found: _Found, event: RefundSent, _order: Order, plan: Plan, at: datetime) -> None:
    for name, leg in event.legs:
        found[refund_key(name, leg)] = at + plan.policy.resolve_after


def _refund_rerouted(
    found: _Found, event: RefundRerouted, order: Order, plan: Plan, at: datetime
) -> None:
    """Watch the leg on its new way. Its alert stays where it was, unless that moment has passed."""
    policy = plan.policy
    found[refund_key(event.refund, event.leg)] = at + policy.resolve_after
    asked = order.payments.refund(event.refund).at
    late = at if asked is None else asked + policy.refund_late_after
    if late <= at:
        late = at + policy.refund_late_after
    found[refund_key(event.refund, event.leg, TimerKind.REFUND_LATE)] = late


def _granted(
    found: _Found, event: CompensationGranted, _order: Order, plan: Plan, at: datetime
) -> None:
    found[compensation_key(event.compensation.id)] = at + plan.policy.resolve_after


def _compensation_answered(
    found: _Found, event: CompensationAnswered, _order: Order, plan: Plan, at: datetime
) -> None:
    policy = plan.policy
    done = event.status is RefundStatus.ARRIVED or event.status is RefundStatus.FAILED
    key = compensation_key(event.compensation)
    found[key] = None if done else at + policy.again(len(policy.backoff))


def _waybill_owed(
    found: _Found, event: WaybillAsked | WaybillCanceling, _order: Order, plan: Plan, at: datetime
) -> None:
    """Ask the carrier again where no answer came."""
    found[TimerKey(TimerKind.RESOLVE_WAYBILL, event.parcel)] = at + plan.policy.resolve_after


def _waybill_answered(
    found: _Found, event: WaybillAnswered, order: Order, _plan: Plan, _at: datetime
) -> None:
    """Ask no more once no waybill of the parcel waits for a word."""
    parcel = order.delivery.parcel(event.parcel)
    if not event.waybill.owed and (parcel is None or not parcel.owing):
        found[TimerKey(TimerKind.RESOLVE_WAYBILL, event.parcel)] = None


def _withdrawn(found: _Found, _event: Withdrawn, order: Order, _plan: Plan, at: datetime) -> None:
    if order.content.reservation:
        found[_RELEASE] = at


_TIMED: Mapping[type[Event], Callable[[_Found, Any, Order, Plan, datetime], None]] = {
    Placed: _begun,
    Adopted: _adopted,
    SplitOff: _split_off,
    Rejoined: _rejoined,
    ClosingAsked: _closing,
    PaymentStarted: _watched,
    AttemptAnswered: _answered,
    CaptureAsked: _asked,
    Rerouted: _rerouted,
    UndoAsked: _asked,
    RefundRequested: _refund,
    RefundAnswered: _refund_answered,
    RefundSent: _refund_sent,
    RefundRerouted: _refund_rerouted,
    CompensationGranted: _granted,
    CompensationAnswered: _compensation_answered,
    Withdrawn: _withdrawn,
    WaybillAsked: _waybill_owed,
    WaybillCanceling: _waybill_owed,
    WaybillAnswered: _waybill_answered,
}
_MARKED = frozenset(
    {
        Combined,
        Rejoined,
        Restored,
        Unmerged,
        Amended,
        Recovered,
        Shipped,
        Received,
        ParcelTracked,
        WaybillAnswered,
        Paused,
        Resumed,
        Extended,
    }
)
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
    if moved and before is not None and before.closing is not None:
        found.setdefault(CLOSE, None)  # it was closing in a state without a deadline
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
