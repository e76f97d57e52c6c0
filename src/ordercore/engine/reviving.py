"""Reviving: money has come for an order that time has ended; its goods and codes are promised anew, if they can be.

They are promised first, under new names, since what was released stays released. They lapse by themselves if nothing
comes of it, and are made final after the write, by timers of the same change if nobody comes to it sooner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from ordercore.engine.flow import call
from ordercore.engine.placing import hold_codes
from ordercore.engine.shelves import freed
from ordercore.engine.shop import digest, situation
from ordercore.errors import CouponUnavailable, OutOfStock
from ordercore.order import AddedHolding, AnswerAttempts, Moved, OrderContent, decide
from ordercore.order.events import ClosingAsked
from ordercore.order.rules.late import REVIVE
from ordercore.party import ActorKind
from ordercore.tender import AttemptState, OutcomeStatus

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from ordercore.change import Recorded
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.party import Actor
    from ordercore.tender import Outcome

__all__ = ["given_up", "regained"]

_GIVEN_UP = frozenset({AttemptState.DECLINED, AttemptState.RETURNED})
_MONEY = frozenset({OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED})


def regained(
    shop: Shop, order: Order, answers: Sequence[tuple[str, Outcome]], by: Actor
) -> Flow[OrderContent | None]:
    """What the order agrees to with its goods and codes promised anew; ``None`` where it is to stay ended.

    Only time may have ended it, while it waited for its payment: who canceled it did not want it any more.
    """
    late = [
        name
        for name, outcome in answers
        if outcome.status in _MONEY and order.payments.attempt(name).state in _GIVEN_UP
    ]
    if not late:
        return None
    again = _named_anew(order)
    where = situation(shop, order, by)
    decision = decide(order, AnswerAttempts(tuple(answers), regained=again), where)
    if not any([type(event) is Moved and event.via == REVIVE for event in decision.events]):
        return None
    history = yield from call(shop.store.journal, order.id)
    if not _ended_by_time(history, where.lifecycle.table):
        return None
    yield from _free_former(shop, order)
    if not (yield from _promised(shop, again)):
        return None
    return again


def _named_anew(order: Order) -> OrderContent:
    """The content with new names for what is promised to it."""
    old = order.content
    name = digest(order.id, REVIVE, str(order.version))
    codes = [AddedHolding(f"cpn_{digest(name, code)}", (code,)) for code in old.coupons]
    if not old.coupon_holding:
        codes = []
    changed: dict[str, Any] = {
        "reservation": f"res_{name}" if old.reservation else "",
        "coupon_holding": codes[0].name if codes else "",
        "added": (),
        "added_codes": tuple(codes[1:]),
    }
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cast("Any", OrderContent))
    return OrderContent(
        **{field.name: changed.get(field.name, getattr(old, field.name)) for field in fields}
    )


def _ended_by_time(history: Sequence[Recorded], table: Mapping[str, Container[str]]) -> bool:
    """Whether the clock ended the order, while it waited for its payment."""
    for at in range(len(history) - 1, -1, -1):
        ended = history[at].event
        if not isinstance(ended, Moved):
            continue
        if not ended.releases or "pay" not in table.get(ended.source, ()):
            return False
        for past in reversed(history[:at]):
            if isinstance(past.event, Moved):
                break
            if isinstance(past.event, ClosingAsked):
                return past.event.timed_out
        return history[at].by.kind is ActorKind.SYSTEM
    return False


def _free_former(shop: Shop, order: Order) -> Flow[None]:
    """Free what the order may still hold, because nobody came to it: its names are not known after this."""
    if shop.stock is not None:
        yield from freed(shop.stock, order)
    if shop.coupons is not None:
        for name, _ in order.holdings():
            yield from call(shop.coupons.release, name)


def _holdings(content: OrderContent) -> tuple[AddedHolding, ...]:
    """Each code with the name that it is held under."""
    if not content.coupon_holding:
        return ()
    names = (content.coupon_holding, *[one.name for one in content.added_codes])
    return tuple(
        [AddedHolding(name, (code,)) for name, code in zip(names, content.coupons, strict=True)]
    )


def _promised(shop: Shop, again: OrderContent) -> Flow[bool]:
    """Promise goods, then codes, for as long as it takes to write the order; whether both could be had."""
    until = shop.clock.now() + shop.policies.stock.reserve_slack
    goods: dict[str, int] = {}
    for line in again.lines:
        goods[line.sku] = goods.get(line.sku, 0) + line.quantity
    if again.reservation:
        if shop.stock is None:
            return False
        try:
            yield from call(shop.stock.reserve, again.reservation, tuple(goods.items()), until)
        except OutOfStock:
            return False
    codes = _holdings(again)
    if not codes:
        return True
    if shop.coupons is not None:
        try:
            yield from hold_codes(shop.coupons, codes, again.customer.id, until)
        except CouponUnavailable:
            pass
        else:
            return True
    yield from given_up(shop, again)
    return False


def given_up(shop: Shop, again: OrderContent) -> Flow[None]:
    """Let go of what was promised to an order that did not come to live again."""
    if shop.stock is not None and again.reservation:
        yield from call(shop.stock.release, again.reservation)
    if shop.coupons is not None:
        for one in _holdings(again):
            yield from call(shop.coupons.release, one.name)
