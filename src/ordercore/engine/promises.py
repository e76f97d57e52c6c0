"""Promises of goods and codes: what an order keeps is made final, what it needs no more is given back.

Whatever is owed here stands as a timer of the change that owes it, so that a crash loses nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ordercore.engine.flow import call
from ordercore.engine.shelves import PLACED, freed, placed_by_plan
from ordercore.engine.shop import AMENDED, COUPONS, load
from ordercore.errors import CouponUnavailable, InvalidInput, OutOfStock
from ordercore.fulfillment import DeductAt, PresaleStock, ReserveAt, StockTier, tier_sku
from ordercore.fulfillment.stock import quota_name
from ordercore.ports import SourcedStock
from ordercore.tender import AttemptState
from ordercore.timeout import TimerKind
from ordercore.timeout.timers import HANDOVER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.ports import CouponBook, StockKeeper
    from ordercore.pricing import Cart
    from ordercore.timeout import TimerKey

__all__ = [
    "deposit_counted",
    "final_at_once",
    "handed_over",
    "promised_first",
    "prolong",
    "regain",
    "release",
    "settle_promises",
    "takes_quota",
]

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
            yield from _settle_codes(shop, shop.coupons, order)
    elif shop.stock is not None:
        yield from handed_over(shop.stock, order)
        if owed == PLACED:
            yield from placed_by_plan(shop, order.id)
            return
        if owed == HANDOVER:
            yield from _placed_apart(shop.stock, order)
        yield from freed(shop.stock, order)
        if order.presale is not None and order.content.reservation:
            quota = quota_name(order.content.reservation)
            yield from call(shop.stock.release, quota, _quota(order.stock_kept()))
        # without a deadline, goods are final at once; money that only goes back is no payment under way
        waits = order.due and order.content.pay_by is not None
        under_way = any([a.live and a.state is not _S.RETURNING for a in order.payments.attempts])
        open_ = order.handling.released or (
            (waits or under_way) and not final_at_once(shop, order.content.cart)
        )
        if owed == AMENDED and not open_:
            for name, keep in order.reservations():
                if keep:
                    yield from _final(shop, shop.stock, order, name)


def handed_over(stock: StockKeeper, order: Order) -> Flow[None]:
    """Let goods that came with an order from another one's reservation be held under its own name; twice is once."""
    lineage = order.handling.lineage
    for one in () if lineage is None else lineage.handovers:
        moves = [(one.source, one.target, one.goods)]
        if order.presale is not None:
            moves.append((quota_name(one.source), quota_name(one.target), _quota(one.goods)))
        for source, target, goods in moves:
            try:
                yield from call(stock.transfer, source, ((target, goods),))
            except OutOfStock as error:
                # it has lapsed, or is not promised yet: whoever makes it final promises it anew
                _LOG.info("order %s: nothing to hand over: %s", order.id, error)


def _placed_apart(stock: StockKeeper, order: Order) -> Flow[None]:
    """Let goods that came with a part stand at its warehouse, as far as there are such units; else they stay where
    they are, until the part is routed."""
    lineage = order.handling.lineage
    if lineage is None or order.handling.gone or not isinstance(stock, SourcedStock):
        return
    kept = dict(order.reservations())
    for one in lineage.handovers:
        if one.at and one.target in kept:
            rows = tuple([(one.at, sku, units) for sku, units in kept[one.target]])
            try:
                yield from call(stock.place, one.target, rows)
            except (OutOfStock, InvalidInput) as error:
                _LOG.info("order %s: not at %s: %s", order.id, one.at, error)


def _quota(goods: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """The same goods as units of their presale quota."""
    return tuple([(tier_sku(sku, StockTier.PRESALE), units) for sku, units in goods])


def takes_quota(shop: Shop, cart: Cart | None) -> bool:
    """Whether an order counts on a presale quota until it is paid in full."""
    quota = shop.policies.stock.presale is PresaleStock.QUOTA
    return quota and cart is not None and cart.presale is not None


def final_at_once(shop: Shop, cart: Cart | None) -> bool:
    """Whether goods are final when the order is placed, though it is not paid yet."""
    return shop.policies.stock.deduct is DeductAt.ORDER and not takes_quota(shop, cart)


def promised_first(
    shop: Shop, cart: Cart, reservation: str, goods: tuple[tuple[str, int], ...], *, prepaid: bool
) -> tuple[str, tuple[tuple[str, int], ...]]:
    """What is promised while an order waits for its payment, and under which name; nothing where it is paid first."""
    if takes_quota(shop, cart):
        return quota_name(reservation), _quota(goods)
    if prepaid and shop.policies.stock.reserves(cart.kind) is ReserveAt.PAYMENT:
        return reservation, ()
    return reservation, goods


def deposit_counted(shop: Shop, stock: StockKeeper, before: Order) -> Flow[None]:
    """Make the units of its quota final for an order whose deposit is about to be paid; raises `OutOfStock`."""
    name = quota_name(before.content.reservation)
    try:
        yield from call(stock.deduct, name)
    except OutOfStock:
        until = shop.clock.now() + shop.policies.stock.reserve_slack
        yield from call(stock.reserve, name, _quota(before.stock_kept()), until)
        now = yield from load(shop, before.id)
        if now.version != before.version:  # as below: nobody else would free them
            yield from call(stock.release, name, _quota(now.stock_kept()))
            return  # the commit is refused as stale
        yield from call(stock.deduct, name)


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


FAMILY_MAX = 1_000
"""Most orders that are looked at for a code that they share."""


def _paid(order: Order) -> bool:
    """Whether an order's codes are used, not only held: it waits for no payment."""
    return not order.due or order.content.pay_by is None


def _family_keeps(shop: Shop, order: Order) -> Flow[tuple[bool, bool]]:
    """Whether any part of the order that this one is a part of still keeps its codes, and whether one that does
    is paid."""
    lineage = order.handling.lineage
    if order.coupons_kept() and _paid(order):
        return True, True
    if lineage is None or not lineage.parent:
        return order.coupons_kept(), False
    kept = False
    root = order
    for _ in range(FAMILY_MAX):
        above = root.handling.lineage
        if above is None or not above.parent:
            break
        root = yield from load(shop, above.parent)
    waiting, seen = [root], 0
    while waiting and seen < FAMILY_MAX:
        seen += 1
        one = waiting.pop()
        below = one.handling.lineage
        for name in (
            ()
            if below is None
            else below.children
            or ((below.into,) if below.into and below.into != below.parent else ())
        ):
            waiting.append((yield from load(shop, name)))  # noqa: PERF401 - no comprehension yields
        if not one.handling.gone and one.coupons_kept():
            kept = True
            if _paid(one):
                return True, True
    return kept, False


def _settle_codes(shop: Shop, book: CouponBook, order: Order) -> Flow[None]:
    kept, paid = yield from _family_keeps(shop, order)
    for name, needed in order.holdings():
        if not (kept and needed):
            yield from call(book.release, name)
            continue
        if not paid:
            continue  # held until one that counts on it is paid
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
    yield from handed_over(stock, before)
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
    if now.delivery.parcels:  # they were planned while nothing was promised
        yield from placed_by_plan(shop, now.id)
    return True
