"""Promises of goods and codes: what an order keeps is made final, what it needs no more is given back.

Whatever is owed here stands as a timer of the change that owes it, so that a crash loses nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ordercore.engine.flow import call
from ordercore.engine.shop import AMENDED, COUPONS, load
from ordercore.errors import CouponUnavailable, OutOfStock
from ordercore.tender import AttemptState
from ordercore.timeout import TimerKind

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.ports import CouponBook, StockKeeper
    from ordercore.timeout import TimerKey

__all__ = ["prolong", "regain", "release", "settle_promises"]

_LOG = logging.getLogger("ordercore.engine")
_PROMISES = frozenset({TimerKind.RELEASE_STOCK, TimerKind.SETTLE_COUPONS})
_S = AttemptState


def release(shop: Shop, made: Change) -> Flow[None]:
    """Settle the goods and codes that a change owes, and drop the timer that would do it otherwise."""
    for timer in made.timers_set:
        if timer.key.kind in _PROMISES:
            yield from settle_promises(shop, made.order, timer.key)
            yield from call(shop.store.settle_timers, ((timer, None),))


def settle_promises(shop: Shop, order: Order, owed: TimerKey) -> Flow[None]:
    """Give back the goods that an order keeps no more; make its codes final, or give them back."""
    if owed == COUPONS:
        if shop.coupons is not None:
            yield from _settle_codes(shop.coupons, order)
    elif shop.stock is not None:
        for name, keep in order.reservations():
            yield from call(shop.stock.release, name, keep)
        # without a deadline, goods are final at once; money that only goes back is no payment under way
        waits = order.due and order.content.pay_by is not None
        under_way = any([a.live and a.state is not _S.RETURNING for a in order.payments.attempts])
        open_ = waits or under_way or order.handling.released
        if owed == AMENDED and not open_:
            for name, keep in order.reservations():
                if keep:
                    yield from _final(shop, shop.stock, order, name)


def _final(shop: Shop, stock: StockKeeper, order: Order, name: str) -> Flow[None]:
    """Make a promise to an order that is paid final, though it may have lapsed meanwhile."""
    try:
        try:
            yield from call(stock.deduct, name)
        except OutOfStock:
            yield from regain(shop, stock, order)
    except OutOfStock as error:
        # paid and no longer there: nobody else can mend it, so somebody must look
        _LOG.error("order %s: its goods are gone: %s", order.id, error)


def _settle_codes(book: CouponBook, order: Order) -> Flow[None]:
    kept = order.coupons_kept()
    for name, needed in order.holdings():
        if not (kept and needed):
            yield from call(book.release, name)
            continue
        if order.due and order.content.pay_by is not None:
            continue  # held until it is paid
        try:
            yield from call(book.use, name)
        except CouponUnavailable as error:
            # given back meanwhile, with an order that closed; or lapsed, as nobody swept for so long
            _LOG.warning("order %s: %s", order.id, error)


def regain(shop: Shop, stock: StockKeeper, before: Order) -> Flow[None]:
    """Promise goods anew whose promise has lapsed, and make that final; raises `OutOfStock`."""
    if (yield from _promised(shop, stock, before, shop.clock.now())):
        for name, goods in before.reservations():
            if goods:
                yield from call(stock.deduct, name)


def prolong(shop: Shop, stock: StockKeeper, before: Order, until: datetime) -> Flow[None]:
    """Promise the goods of an order for longer, until a moment and the time to resolve its last payment; raises
    `OutOfStock` for a promise that lapsed and was taken."""
    yield from _promised(shop, stock, before, max(until, shop.clock.now()))


def _promised(shop: Shop, stock: StockKeeper, before: Order, until: datetime) -> Flow[bool]:
    """Promise all goods of an order, anew or for longer; whether it stands as it did."""
    held = [(name, goods) for name, goods in before.reservations() if goods]
    until += shop.policies.stock.reserve_slack
    for name, goods in held:
        yield from call(stock.reserve, name, goods, until)
    # Only now look again: whoever closes the order after this look also frees these goods,
    # and who closed it before has freed them already, so nobody else would.
    now = yield from load(shop, before.id)
    if now.version != before.version:
        keeps = dict(now.reservations())
        for name, _ in held:
            yield from call(stock.release, name, keeps.get(name, ()))
        return False  # the commit is refused as stale
    return True
