"""Sweeping: serving timers that are due, and relaying committed events.

Any number of workers may sweep. A timer is leased to one of them, but the lease only saves work:
what keeps a timer from acting twice is the order's version and the visit in which it was set (law L20).

A timer is a hint. Whoever serves it looks at the order again: a rule acts only if it still runs, is not
paused, and its time is up by now, whatever the timer said. A command that meets an order which somebody
changed meanwhile is decided anew, and given up if the timer does not stand any more.

A timer that cannot be served is *parked*: set aside with its error, out of every sweep, until somebody
looks. One whose order cannot be read, or that meets a bug, is parked at once; another only after many
tries, since the other side may come back. It stops nobody else.

Clocks of workers differ. On the machine's own clock a sweep takes nothing that is not due by the store's
clock too, so a worker that is ahead closes no order before its deadline; one that is behind is only late.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from ordercore.change import Recorded
from ordercore.clock import SystemClock
from ordercore.engine.capturing import serve_authorization
from ordercore.engine.compensating import COMPENSATED, credit_owed
from ordercore.engine.discharging import discharge, look_again, pull
from ordercore.engine.flow import Step, call
from ordercore.engine.promises import settle_promises
from ordercore.engine.refunding import refund_stands
from ordercore.engine.shop import checked_limit, load, record, situation
from ordercore.errors import (
    InvalidLifecycle,
    NewerDocument,
    NotAllowed,
    OrdercoreError,
    OrderNotFound,
    PortFailed,
    UnknownLifecycle,
    UnreadableData,
    Vetoed,
)
from ordercore.fulfillment.pickup import CodeIssued, without_seal
from ordercore.lifecycle import TimerRule, VisibleStep
from ordercore.order import (
    Advance,
    Cancel,
    Close,
    Decision,
    Deliver,
    Escalate,
    Forfeit,
    Moved,
    NoteOverrun,
    NoteRefundDelay,
    Placed,
    Remind,
    UndoPayment,
)
from ordercore.order.events import Adopted, SplitOff
from ordercore.order.facts import has_payment
from ordercore.order.rules.paying import may_undo
from ordercore.order.rules.regrouping import may_unmerge
from ordercore.party import SYSTEM
from ordercore.ports import ParkedTimer
from ordercore.timeout import STEP, Timer, TimerKind, due, rule_of, span_until
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Command, Order
    from ordercore.ports import Publisher

__all__ = ["Sweep", "parked", "relay", "sweep", "unpark"]

T = TypeVar("T")

LEASE = timedelta(minutes=2)
"""How long one worker has a timer for itself."""
LIMIT_MAX = 10_000
"""Most timers or events of one call."""
PARK_AFTER = 10
"""Tries after which a timer that still fails is parked, unless the policy's pauses are more."""
CANCEL = "cancel"
SERVING = "sweep"
"""What a bug is told under, in the place of a port."""
_ERROR_MAX = 500
_LOG = logging.getLogger("ordercore.engine")

Served = bool | datetime
"""Whether a timer is done with; or when it comes due after all."""


@value
class Sweep:
    """What one sweep did.

    ``served`` timers are done with, ``moved`` ones come due again. ``failed`` are (order, code) pairs of those
    that failed; ``parked`` are those among them that were set aside.
    """

    served: int
    moved: int
    failed: tuple[tuple[str, str], ...]
    parked: tuple[ParkedTimer, ...] = ()


class _Serving:
    """One timer while it is served: by whom, by which rule, at which moment."""

    __slots__ = ("lifecycle", "now", "rule", "shop", "timer")

    def __init__(self, shop: Shop, timer: Timer, order: Order, now: datetime) -> None:
        content = order.content
        lifecycle = shop.lifecycles.get(content.lifecycle, content.lifecycle_version)
        lifecycle.state(order.state)  # raises for a state that the chart does not have
        timeouts = shop.policies.timeouts
        self.shop = shop
        self.timer = timer
        self.now = now
        self.lifecycle: Lifecycle[Order] = lifecycle
        self.rule: TimerRule | None = rule_of(timeouts, lifecycle, content.kind, timer.key)

    @property
    def last(self) -> bool:
        """Whether all pauses between tries are used up."""
        return self.timer.tries > len(self.shop.policies.timeouts.backoff)

    def verdict(self, order: Order) -> Served | None:
        """``None`` where the rule's time is up for the order as it stands; otherwise what to do with the timer."""
        timer, rule = self.timer, self.rule
        if timer.visit != order.visit or rule is None:
            return True
        moment = due(order, timer.key, self.shop.policies.timeouts, self.lifecycle)
        if moment is None:
            return True  # what stopped it has cleared it, and what sets it going sets it anew
        if moment > self.now:
            return moment
        # it was due before the pause, and nobody came: what moves the order waits all the same
        return False if rule.event and order.handling.paused(rule.paused_by) else None

    def act(self, order: Order, command: Command, *, clear: bool = True) -> Flow[Change]:
        """Send the rule's command; on an order that was changed meanwhile only if the timer still stands.

        Raises `NotAllowed` where it came too late.
        """

        def settle(now: Order, decision: Decision) -> Flow[Decision]:
            yield from ()
            closing = now.closing is not None and now.visit == self.timer.visit
            if not closing and self.verdict(now) is not None:
                raise NotAllowed("the timer came too late", order=now.id, state=now.state)
            return decision

        key = self.timer.key if clear else None
        return (yield from record(self.shop, order, command, SYSTEM, settle, clear=key))


# What each kind does ---------------------------------------------------------------------------


def _close(serving: _Serving, order: Order) -> Flow[Served]:
    """An unpaid order closes, a paid one is canceled and its money goes back; both by the rule's event."""
    timer, rule = serving.timer, serving.rule
    command: Command
    if timer.visit != order.visit:
        return True
    if order.closing is not None:
        command = Close(order.closing.reason, via=order.closing.via)
    else:
        verdict = serving.verdict(order)
        if verdict is None and rule is not None and rule.event == CANCEL:
            # who cancels gives back what a channel took before it closed; what came in time is to stay
            order = yield from pull(serving.shop, order, SYSTEM)
            verdict = serving.verdict(order)
        if verdict is not None or rule is None:
            return True if verdict is None else verdict
        apart = yield from _taken_apart(serving, order)
        if apart is not None:
            return apart
        if has_payment(order) and not order.payments.in_flight:
            reason = f"its time was up ({rule.name})"
            command = Cancel(reason, f"{order.id}/r{len(order.payments.refunds) + 1}", rule.event)
        else:
            command = Close("not paid in time", via=rule.event)
    made = yield from serving.act(order, command, clear=False)
    order = yield from discharge(serving.shop, made.order, SYSTEM, made=made, last=serving.last)
    return order.visit != timer.visit


def _taken_apart(serving: _Serving, order: Order) -> Flow[Served | None]:
    """Of an order that took another one in only the part that nobody paid goes, once its time is up; the order that
    it was stands alone again, and closes by its own deadline. ``None`` where nothing can be taken apart."""
    lineage = order.handling.lineage
    if lineage is None or not lineage.merged or not has_payment(order):
        return None
    shop, parted = serving.shop, False
    if (
        order.payments.in_flight
    ):  # a code that nobody paid in time must not take what is paid with it
        if may_undo(order, situation(shop, order, SYSTEM)) is not None:
            return None
        ended = yield from record(shop, order, UndoPayment("its time was up"), SYSTEM)
        order = yield from discharge(shop, ended.order, SYSTEM, made=ended)
        if order.payments.in_flight:
            tries = serving.timer.tries
            return serving.now + shop.policies.timeouts.again(max(1, tries))
    from ordercore.engine.merging import unmerge  # loaded when there is one

    for merged in reversed(lineage.merged):
        if not order.due or may_unmerge(order, situation(shop, order, SYSTEM)) is not None:
            break
        key = f"timer:unmerge:{order.id}:{order.visit}:{merged.order}"
        try:
            order, _ = yield from unmerge(shop, order.id, key, SYSTEM)
        except NotAllowed:  # what is agreed was changed since: all of it goes
            break
        parted = True
    if not parted:
        return None if order.due else True
    return serving.now if order.due else True  # of what is left, the next sweep asks again


def _telling(make: Callable[[TimerRule], Command]) -> Callable[[_Serving, Order], Flow[Served]]:
    """Serve by one command that the rule makes."""

    def serve_rule(serving: _Serving, order: Order) -> Flow[Served]:
        verdict = serving.verdict(order)
        if verdict is None and serving.rule is not None:
            yield from serving.act(order, make(serving.rule))
            return True
        return True if verdict is None else verdict

    return serve_rule


def _forfeit(serving: _Serving, order: Order) -> Flow[Served]:
    """The order ends by the rule's event, once no payment may still arrive."""
    verdict = serving.verdict(order)
    rule = serving.rule
    if verdict is not None or rule is None:
        return True if verdict is None else verdict
    shop = serving.shop
    if order.payments.in_flight and order.presale is None:
        chart = shop.lifecycles.get(order.content.lifecycle, order.content.lifecycle_version)
        if "pay" in chart.table[order.state]:  # a code that nobody pays must not hold the order
            ended = yield from record(shop, order, UndoPayment("its time was up"), SYSTEM)
            yield from discharge(shop, ended.order, SYSTEM, made=ended)
        return False
    made = yield from serving.act(order, Forfeit(rule.event, f"its time was up ({rule.name})"))
    yield from discharge(serving.shop, made.order, SYSTEM, made=made)
    return True


_overrun = _telling(lambda rule: NoteOverrun(rule.name, rule.after or timedelta(0)))


def _alert(serving: _Serving, order: Order) -> Flow[Served]:
    """Tell that a rule's time is up, or that an order is too long in a visible step."""
    subject = serving.timer.key.subject
    if not subject.startswith(STEP):
        return (yield from _overrun(serving, order))
    policy = serving.shop.policies.timeouts
    steps = {step.value: step for step in policy.targets}
    step = steps.get(subject.removeprefix(STEP))
    if step is None or serving.lifecycle.steps.get(order.state) is not step:
        return True
    entered = order.entered_at
    if serving.timer.visit != order.visit:  # it moved within the step
        history = yield from call(serving.shop.store.journal, order.id)
        entered = _step_entered(history, serving.lifecycle, step)
    target = policy.targets[step]
    if span_until(entered, target, policy.working) > serving.now:
        return True  # it left the step and came back: its new timer watches it

    def settle(now: Order, decision: Decision) -> Flow[Decision]:
        yield from ()
        if serving.lifecycle.steps.get(now.state) is not step:
            raise NotAllowed("the timer came too late", order=now.id, state=now.state)
        return decision

    command = NoteOverrun(step.value, target)
    yield from record(serving.shop, order, command, SYSTEM, settle, clear=serving.timer.key)
    return True


def _step_entered(
    history: Sequence[Recorded], lifecycle: Lifecycle[Order], step: VisibleStep
) -> datetime:
    """When the order came into the visible step in which it is."""
    entered = history[0].at
    inside = False
    for recorded in history:
        event = recorded.event
        if isinstance(event, Placed | Adopted | SplitOff):
            state, at = event.state, recorded.at
            if isinstance(event, Adopted | SplitOff):
                at = event.entered_at
        elif isinstance(event, Moved):
            state, at = event.to, recorded.at
        else:
            continue
        now_inside = lifecycle.steps.get(state) is step
        if now_inside and not inside:
            entered = at
        inside = now_inside
    return entered


def _resolve(serving: _Serving, order: Order) -> Flow[Served]:
    subject = serving.timer.key.subject
    if subject:  # a channel that was given up for another
        return (yield from look_again(serving.shop, order, subject, SYSTEM))
    if not order.payments.in_flight:
        return True
    order = yield from pull(serving.shop, order, SYSTEM)
    order = yield from discharge(serving.shop, order, SYSTEM, resends=True, last=serving.last)
    return not order.payments.in_flight


def _resolve_refund(serving: _Serving, order: Order) -> Flow[Served]:
    subject = serving.timer.key.subject
    order = yield from discharge(serving.shop, order, SYSTEM, accepted=True, leg=subject)
    name, _, leg = subject.rpartition("#")
    return refund_stands(serving.shop, order, name, int(leg))


def _authorization(serving: _Serving, order: Order) -> Flow[Served]:
    return (yield from serve_authorization(serving.shop, order, serving.timer, serving.now))


def _refund_late(serving: _Serving, order: Order) -> Flow[Served]:
    key = serving.timer.key
    name, _, leg = key.subject.rpartition("#")
    yield from record(serving.shop, order, NoteRefundDelay(name, int(leg)), SYSTEM, clear=key)
    return True


def _resolve_compensation(serving: _Serving, order: Order) -> Flow[Served]:
    name = serving.timer.key.subject
    order = yield from credit_owed(serving.shop, order, SYSTEM, only=name)
    return order.payments.compensation(name).status in COMPENSATED


def _resolve_waybill(serving: _Serving, order: Order) -> Flow[Served]:
    from ordercore.engine.dispatching import settled  # loaded when a carrier owes an answer

    name = serving.timer.key.subject
    parcel = order.delivery.parcel(name)
    if parcel is None or not parcel.owing:
        return True
    shop = serving.shop
    last = serving.last
    order = yield from settled(shop, shop.carriers, order, name, fresh=False, last=last)
    parcel = order.delivery.parcel(name)
    return parcel is None or not parcel.owing


def _release(serving: _Serving, order: Order) -> Flow[Served]:
    yield from settle_promises(serving.shop, order, serving.timer.key)
    return True


_SERVE: dict[TimerKind, Callable[[_Serving, Order], Flow[Served]]] = {
    TimerKind.CLOSE_UNPAID: _close,
    TimerKind.REMIND_PAYMENT: _telling(lambda _rule: Remind()),
    TimerKind.CONFIRM_RECEIPT: _telling(lambda rule: Deliver(by_timer=True, via=rule.event)),
    TimerKind.ESCALATE: _telling(lambda rule: Escalate(rule.name)),
    TimerKind.ALERT: _alert,
    TimerKind.FORFEIT: _forfeit,
    TimerKind.OPEN: _telling(lambda rule: Advance(rule.event, by_timer=True)),
    TimerKind.RESOLVE_COMPENSATION: _resolve_compensation,
    TimerKind.RESOLVE_PAYMENT: _resolve,
    TimerKind.RESOLVE_WAYBILL: _resolve_waybill,
    TimerKind.RESOLVE_REFUND: _resolve_refund,
    TimerKind.REFUND_LATE: _refund_late,
    TimerKind.AUTHORIZATION: _authorization,
    TimerKind.RELEASE_STOCK: _release,
    TimerKind.SETTLE_COUPONS: _release,
}


def serve(shop: Shop, timer: Timer, now: datetime) -> Flow[Served]:
    """Serve one timer. A refusal means that it came too late to matter; one that a hook vetoes comes due again."""
    order = yield from load(shop, timer.order_id)
    try:
        return (yield from _SERVE[timer.key.kind](_Serving(shop, timer, order, now), order))
    except Vetoed:
        return False
    except NotAllowed:
        return True


# Sweeps ------------------------------------------------------------------------------------


def _alone(flow: Flow[T]) -> Flow[T]:
    """Drive a flow so that a bug in it, or in a fact or a hook of the host, is an error of the library's tree.

    Errors of ports go to the flow first, as they do without this.
    """
    answer: object = None
    error: OrdercoreError | None = None
    while True:
        try:
            step: Step = flow.send(answer) if error is None else flow.throw(error)
        except StopIteration as end:
            result: T = end.value
            return result
        except OrdercoreError:
            raise
        except Exception as bug:
            what = type(bug).__name__
            raise PortFailed(f"{what}: {bug}", port=SERVING, error=what) from bug
        error = None
        try:
            answer = yield step
        except OrdercoreError as failed:
            answer, error = None, failed


def _hopeless(error: OrdercoreError) -> bool:
    """Whether trying again by itself changes nothing: a bug, or what cannot be read.

    A lifecycle that this worker does not know, or a document of a later version, may be served by another.
    """
    if isinstance(error, PortFailed):
        return error.data.get("port") == SERVING
    if isinstance(error, UnknownLifecycle | NewerDocument):
        return False
    return isinstance(error, UnreadableData | OrderNotFound | InvalidLifecycle)


def _aside(timer: Timer, error: OrdercoreError, now: datetime) -> ParkedTimer:
    told = f"{error.code}: {error}"[:_ERROR_MAX]
    kind, subject = timer.key
    return ParkedTimer(
        timer.order_id, kind.value, subject, timer.due, timer.visit, timer.tries, told, now
    )


def _time(shop: Shop) -> Flow[datetime]:
    """Now: by the store's clock where the machine's own is ahead of it. A clock that the host gave is its word."""
    now = shop.clock.now()
    if isinstance(shop.clock, SystemClock):
        now = min(now, (yield from call(shop.store.now)))
    return now


def sweep(shop: Shop, limit: int) -> Flow[Sweep]:
    """Serve due timers, oldest first. One that fails waits longer each time, then is parked; it stops nobody else."""
    shop.outside()
    checked_limit(limit, LIMIT_MAX, "timers")
    now = yield from _time(shop)
    timeouts = shop.policies.timeouts
    claimed = yield from call(shop.store.claim_timers, now, limit, LEASE)
    settled: list[tuple[Timer, datetime | None]] = []
    failed: list[tuple[str, str]] = []
    aside: list[ParkedTimer] = []
    moved = 0
    for timer in claimed:
        done: Served
        try:
            done = yield from _alone(serve(shop, timer, now))
        except OrdercoreError as error:
            failed.append((timer.order_id, error.code))
            if _hopeless(error) or timer.tries > max(PARK_AFTER, len(timeouts.backoff)):
                _LOG.error("parked %s of order %s", timer.key, timer.order_id, exc_info=error)
                aside.append(_aside(timer, error, now))
                continue
            done = False
        again = now + timeouts.again(timer.tries) if done is False else None
        at = done if isinstance(done, datetime) else again
        moved += at is not None
        settled.append((timer, at))
    if aside:
        yield from call(shop.store.park_timers, aside)
    if settled:
        yield from call(shop.store.settle_timers, settled)
    return Sweep(len(settled) - moved, moved, tuple(failed), tuple(aside))


def parked(shop: Shop, limit: int) -> Flow[tuple[ParkedTimer, ...]]:
    """Timers that were set aside, oldest first."""
    checked_limit(limit, LIMIT_MAX, "timers")
    return (yield from call(shop.store.parked, limit))


def unpark(shop: Shop, aside: Sequence[ParkedTimer]) -> Flow[None]:
    """Let parked timers come due now, as if they had never been tried."""
    if aside:
        checked_limit(len(aside), LIMIT_MAX, "timers")
        yield from call(shop.store.unpark, tuple(aside), (yield from _time(shop)))


def _outward(recorded: Recorded) -> Recorded:
    """The event as others hear it."""
    event = recorded.event
    if type(event) is not CodeIssued:
        return recorded
    return Recorded(
        recorded.order_id, recorded.sequence, recorded.at, recorded.by, recorded.command,
        without_seal(event),
    )  # fmt: skip


def relay(shop: Shop, publisher: Publisher, limit: int) -> Flow[int]:
    """Hand committed events to the publisher, in order for each order, at least once; how many.

    What a code could be tried against stays in the store.
    """
    shop.outside()
    checked_limit(limit, LIMIT_MAX, "events")
    items = yield from call(shop.store.outbox, limit)
    if items:
        yield from call(publisher.publish, [_outward(item.recorded) for item in items])
        yield from call(shop.store.acknowledge, [item.position for item in items])
    return len(items)
