"""Sweeping: serving timers that are due, and relaying committed events.

Any number of workers may sweep. A timer is leased to one of them, but the lease only saves work:
what keeps a timer from acting twice is the order's version and the visit in which it was set (law L20).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ordercore.engine.discharging import discharge, pull, settle_promises
from ordercore.engine.flow import call
from ordercore.engine.shop import checked_limit, load, record
from ordercore.errors import NotAllowed, OrdercoreError
from ordercore.order import Close, Deliver, NoteRefundDelay, Remind
from ordercore.party import SYSTEM
from ordercore.timeout import Timer, TimerKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.ports import Publisher

__all__ = ["Sweep", "relay", "sweep"]

LEASE = timedelta(minutes=2)
"""How long one worker has a timer for itself."""
LIMIT_MAX = 10_000
"""Most timers or events of one call."""


@value
class Sweep:
    """What one sweep did: timers served, moved to later, and failed with (order, code) pairs."""

    served: int
    moved: int
    failed: tuple[tuple[str, str], ...]


def _stale(timer: Timer, order: Order) -> bool:
    return timer.visit != order.visit


def _last(shop: Shop, timer: Timer) -> bool:
    return timer.tries > len(shop.policies.timeouts.backoff)


def _close(shop: Shop, timer: Timer, order: Order) -> Flow[bool]:
    if _stale(timer, order):
        return True
    made = yield from record(shop, order, Close("not paid in time"), SYSTEM)
    order = yield from discharge(shop, made.order, SYSTEM, made=made, last=_last(shop, timer))
    return order.visit != timer.visit


def _remind(shop: Shop, timer: Timer, order: Order) -> Flow[bool]:
    if not _stale(timer, order):
        yield from record(shop, order, Remind(), SYSTEM, clear=timer.key)
    return True


def _confirm(shop: Shop, timer: Timer, order: Order) -> Flow[bool]:
    if not _stale(timer, order):
        yield from record(shop, order, Deliver(by_timer=True), SYSTEM, clear=timer.key)
    return True


def _resolve(shop: Shop, timer: Timer, order: Order) -> Flow[bool]:
    if not order.payments.in_flight:
        return True
    order = yield from pull(shop, order, SYSTEM)
    order = yield from discharge(shop, order, SYSTEM, last=_last(shop, timer))
    return not order.payments.in_flight


def _resolve_refund(shop: Shop, timer: Timer, order: Order) -> Flow[bool]:
    order = yield from discharge(shop, order, SYSTEM, accepted=True, leg=timer.key.subject)
    name, _, leg = timer.key.subject.rpartition("#")
    return order.payments.refund(name).legs[int(leg)].arrived


def _refund_late(shop: Shop, timer: Timer, order: Order) -> Flow[bool]:
    name, _, leg = timer.key.subject.rpartition("#")
    yield from record(shop, order, NoteRefundDelay(name, int(leg)), SYSTEM, clear=timer.key)
    return True


def _release(shop: Shop, timer: Timer, order: Order) -> Flow[bool]:
    yield from settle_promises(shop, order, timer.key)
    return True


_SERVE: dict[TimerKind, Callable[[Shop, Timer, Order], Flow[bool]]] = {
    TimerKind.CLOSE_UNPAID: _close,
    TimerKind.REMIND_PAYMENT: _remind,
    TimerKind.CONFIRM_RECEIPT: _confirm,
    TimerKind.RESOLVE_PAYMENT: _resolve,
    TimerKind.RESOLVE_REFUND: _resolve_refund,
    TimerKind.REFUND_LATE: _refund_late,
    TimerKind.RELEASE_STOCK: _release,
    TimerKind.SETTLE_COUPONS: _release,
}


def serve(shop: Shop, timer: Timer) -> Flow[bool]:
    """Serve one timer; whether it is done for good. A refusal means that it came too late to matter."""
    order = yield from load(shop, timer.order_id)
    try:
        done = yield from _SERVE[timer.key.kind](shop, timer, order)
    except NotAllowed:
        return True
    return done


def sweep(shop: Shop, limit: int) -> Flow[Sweep]:
    """Serve due timers, oldest first. One that fails waits longer each time and stops nobody else."""
    shop.outside()
    checked_limit(limit, LIMIT_MAX, "timers")
    now = shop.clock.now()
    claimed = yield from call(shop.store.claim_timers, now, limit, LEASE)
    settled: list[tuple[Timer, datetime | None]] = []
    failed: list[tuple[str, str]] = []
    moved = 0
    for timer in claimed:
        try:
            done = yield from serve(shop, timer)
        except OrdercoreError as error:
            done = False
            failed.append((timer.order_id, error.code))
        due = None if done else now + shop.policies.timeouts.again(timer.tries)
        moved += not done
        settled.append((timer, due))
    if settled:
        yield from call(shop.store.settle_timers, settled)
    return Sweep(len(settled) - moved, moved, tuple(failed))


def relay(shop: Shop, publisher: Publisher, limit: int) -> Flow[int]:
    """Hand committed events to the publisher, in order for each order, at least once; how many."""
    shop.outside()
    checked_limit(limit, LIMIT_MAX, "events")
    items = yield from call(shop.store.outbox, limit)
    if items:
        yield from call(publisher.publish, [item.recorded for item in items])
        yield from call(shop.store.acknowledge, [item.position for item in items])
    return len(items)
