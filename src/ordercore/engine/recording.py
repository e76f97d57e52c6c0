"""Recording what channels said of attempts, and what has to be so before it may count.

An order is paid only when its goods and its codes are its own for good: they are made final before the answer is
written, and where they are gone the payment is turned back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.flow import Step, call
from ordercore.engine.promises import deposit_counted, handed_over, prolong, regain, takes_quota
from ordercore.engine.shop import AMENDED, COUPONS, having, owing, record, situation
from ordercore.errors import CouponUnavailable, GatewayTimeout, OutOfStock
from ordercore.order import AnswerAttempts, ConfirmPayment, Moved, decide
from ordercore.order.rules.instalment import PAY_DEPOSIT
from ordercore.order.rules.late import REVIVE
from ordercore.tender import (
    AttemptState,
    Failure,
    LateMoney,
    Outcome,
    OutcomeStatus,
    TenderKind,
)
from ordercore.tender.attempt import HELD
from ordercore.tender.events import AttemptAnswered

if TYPE_CHECKING:
    from ordercore.change import Change, Receipt
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Command, Decision, Order, OrderContent
    from ordercore.party import Actor
    from ordercore.ports import PaymentGateway

__all__ = ["answered", "takes_parts"]

_S = AttemptState
_new = tuple.__new__  # makes a step at the speed of C: for the steps of each order
_CHANNEL = TenderKind.CHANNEL  # a look-up through an Enum class costs more than the comparison
_MONEY = frozenset({OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED})


def answered(
    shop: Shop,
    order: Order,
    answers: tuple[tuple[str, Outcome], ...],
    by: Actor,
    *,
    told: bool = False,
    confirmed: bool = False,
    receipt: Receipt | None = None,
    parcel: str = "",
) -> Flow[Change]:
    """Record answers. When they make the order paid, its goods and its codes are first made final.

    Those that are gone by then (the promise lapsed and somebody else took them) turn the payment back.
    ``confirmed``: the one answer is staff's, of what came for ``parcel`` where one is named.
    ``receipt`` is written with what the answers change.
    """
    if any([attempt.released for attempt in order.payments.attempts]):
        answers = tuple([(name, _all_taken(shop, order, name, told_)) for name, told_ in answers])
    doubted = _doubted(shop, order, answers) if told else ()
    if doubted:
        answers = yield from _asked_again(shop, order, answers, doubted)
    again: OrderContent | None = None
    if order.handling.released and shop.policies.payments.late is LateMoney.REVIVE:
        from ordercore.engine.reviving import regained  # loaded when money comes late

        again = yield from regained(shop, order, answers, by)
    last = order

    def settle(before: Order, decision: Decision) -> Flow[Decision]:
        nonlocal last
        last = before
        if before is not order and _undone_since(shop, order, before, answers):
            raise GatewayTimeout("its money went back while it was asked about", path=before.id)
        paid = _paid(before, decision)
        if not (paid or _goes_on(decision)) or _revives(decision):
            return decision  # a revived order's promises are made final after the write
        try:
            yield from _made_final(shop, before, paid=paid)
        except (OutOfStock, CouponUnavailable):
            lost = AnswerAttempts(answers, goods_lost=True, told=told)
            return decide(before, lost, situation(shop, before, by))
        return decision

    def complete(made: Change) -> Change:
        if again is not None and _revives(made):
            made = owing(owing(made, AMENDED), COUPONS)
        return having(made, receipt)

    command: Command = AnswerAttempts(answers, told=told, regained=again)
    if confirmed:
        ((name, outcome),) = answers
        command = ConfirmPayment(name, outcome, again, parcel)
    made = yield from record(shop, order, command, by, settle, complete=complete)
    if again is not None and not _revives(made) and not _promised_to(made.order, again):
        from ordercore.engine.reviving import given_up

        yield from given_up(shop, again)
    _count(shop, last, made)
    return made


def _doubted(shop: Shop, order: Order, answers: tuple[tuple[str, Outcome], ...]) -> tuple[str, ...]:
    """Attempts that were undone, whose money is said to be there and would be kept: an old letter says the same."""
    if shop.policies.payments.late is LateMoney.RETURN or not order.handling.released:
        return ()
    return tuple(
        [
            name
            for name, outcome in answers
            if outcome.status in _MONEY and order.payments.attempt(name).state is _S.RETURNED
        ]
    )


def _asked_again(
    shop: Shop,
    order: Order,
    answers: tuple[tuple[str, Outcome], ...],
    doubted: tuple[str, ...],
) -> Flow[tuple[tuple[str, Outcome], ...]]:
    """The answers, those in doubt as the channel itself gives them now; raises `GatewayError` where it does not."""
    from ordercore.engine.discharging import looked_up

    found = []
    for name, outcome in answers:
        sure = outcome
        if name in doubted:
            sure = yield from looked_up(shop, order, order.payments.attempt(name))
            if sure.status is OutcomeStatus.UNKNOWN:
                raise GatewayTimeout("it cannot say whether the money came again", path=name)
        found.append((name, sure))
    return tuple(found)


def _undone_since(
    shop: Shop, asked: Order, now: Order, answers: tuple[tuple[str, Outcome], ...]
) -> bool:
    """Whether another flow has undone an attempt after its channel told of its money: that news is old."""
    states = {attempt.id: attempt.state for attempt in asked.payments.attempts}
    return any([states.get(name) is not _S.RETURNED for name in _doubted(shop, now, answers)])


def _made_final(shop: Shop, before: Order, *, paid: bool) -> Flow[None]:
    """Make final what was promised to an order that is about to be paid; raises where it is gone.

    The goods of one whose deposit alone is paid are promised through the window of its balance, or counted on
    its quota.
    """
    stock, book = shop.stock, shop.coupons
    if stock is not None and before.handling.lineage is not None:
        yield from handed_over(stock, before)
    if stock is not None and before.content.reservation and not paid:
        if takes_quota(shop, before.content.cart):
            yield from deposit_counted(shop, stock, before)
        elif before.presale is not None:
            yield from prolong(shop, stock, before, before.presale.balance_until)
    elif stock is not None and before.content.reservation:
        try:
            for name, goods in before.reservations():
                if goods:
                    yield _new(Step, (stock.deduct, (name,), None))
        except OutOfStock:
            yield from regain(shop, stock, before)
    if book is not None:
        # Who closed the order before this has released the codes, and such a holding cannot
        # be used any more; who closes it after this gives the use back.
        for name, needed in before.holdings():
            if needed:
                yield from call(book.use, name)


def _revives(found: Change | Decision) -> bool:
    return any([type(event) is Moved and event.via == REVIVE for event in found.events])


def _promised_to(order: Order, again: OrderContent) -> bool:
    """Whether another flow was quicker and revived the order: then the promises, of the same names, are its own."""
    content = order.content
    return (content.reservation, content.coupon_holding) == (
        again.reservation, again.coupon_holding,
    )  # fmt: skip


_BEFORE_THE_END = frozenset({_S.OPEN, _S.WAITING, _S.CLOSING})


def _count(shop: Shop, before: Order, made: Change) -> None:
    """Count attempts that came to their end for the rates of their channels."""
    under_way = {
        a.id: a.gateway
        for a in before.payments.attempts
        if a.kind is _CHANNEL and a.state in _BEFORE_THE_END
    }
    if not under_way:
        return
    for event in made.events:
        if type(event) is not AttemptAnswered or event.attempt not in under_way:
            continue
        held = event.state in HELD
        if (held or event.state is _S.DECLINED) and event.failure is not Failure.NOT_SENT:
            shop.traffic.ended(under_way[event.attempt], made.at, held=held)


def _goes_on(decision: Decision) -> bool:
    """Whether these answers are all of a deposit, so that goods and codes are kept until the balance is due."""
    return any([type(event) is Moved and event.via == PAY_DEPOSIT for event in decision.events])


def _paid(before: Order, decision: Decision) -> bool:
    """Whether these answers make the order paid: it moves, or its state takes payments without a move."""
    if any([type(event) is Moved and event.via == "pay" for event in decision.events]):
        return True
    after = decision.order
    if not after.payments.keeps() or after.due or after.closing is not None:
        return False
    was, now = before.payments.captured, after.payments.captured
    return now > was and not after.handling.released and after.state == before.state


def takes_parts(gateway: PaymentGateway) -> bool:
    """Whether a gateway takes less than what it holds."""
    can = gateway.capabilities
    return can.partial_capture or can.multi_capture


def _all_taken(shop: Shop, order: Order, name: str, outcome: Outcome) -> Outcome:
    """The outcome, with the amount where a channel that takes all or nothing has taken what was let go since."""
    if outcome.status is not OutcomeStatus.CAPTURED or outcome.amount is not None:
        return outcome
    attempt = order.payments.attempt(name)
    if not attempt.released or takes_parts(shop.gateway(attempt.gateway)):
        return outcome
    whole = (attempt.authorized or attempt.amount) + attempt.rounding
    return Outcome(
        outcome.status, outcome.reference, outcome.at, outcome.reason, outcome.action,
        outcome.failure, whole, outcome.expires_at,
    )  # fmt: skip
