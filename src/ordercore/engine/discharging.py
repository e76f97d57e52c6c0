"""Discharging: making the calls that an order owes to the outside, and recording the answers.

What is owed is read off the order alone: attempts that are open, capturing, closing or returning,
legs of refunds without an answer. So a crash at any point loses nothing; the next discharge,
by a timer if by nobody else, goes on where this one stopped. A gateway that does not answer leaves
its attempt as it is: *unknown* is asked again under the same key, never guessed.

Two guesses are made all the same, where waiting longer would help nobody, and both are safe:
a tender after a declined one is not sent, and says so, but only by the payment that just wrote it down
(anybody else may be looking at one that was sent, and whose sender died: that one is undone);
and a key to be undone that its gateway has never heard of is given up after the last pause.
Money that arrives for either after all is sent back (law L21).
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from ordercore.engine.flow import call
from ordercore.engine.shop import AMENDED, COUPONS, load, record, situation
from ordercore.errors import (
    CouponUnavailable,
    GatewayError,
    GatewayTimeout,
    OtherSideFailed,
    OutOfStock,
    PortFailed,
)
from ordercore.order import AnswerAttempts, AnswerRefund, Moved, decide
from ordercore.order.rules.paying import deadline
from ordercore.tender import (
    AttemptState,
    ChargeRequest,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
)
from ordercore.timeout import TimerKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Decision, Order
    from ordercore.party import Actor
    from ordercore.ports import Answer, CouponBook, PaymentGateway, StockKeeper
    from ordercore.tender import Attempt, Refund
    from ordercore.timeout import TimerKey

__all__ = ["discharge", "order_of_key", "pull", "release", "settle_promises"]

ROUNDS_MAX = 12
"""Most rounds of calls and records in one discharge; what is left goes on by its timer."""

_S = AttemptState
_UNKNOWN = Outcome(OutcomeStatus.UNKNOWN)
_UNSENT = Outcome(OutcomeStatus.DECLINED, reason="not sent: another tender failed first")
_REFUND_UNKNOWN = RefundOutcome(RefundStatus.UNKNOWN)
_LOG = logging.getLogger("ordercore.engine")
_UNHEARD = Outcome(OutcomeStatus.VOIDED, reason="the gateway has never heard of it")
_UNDECIDED = frozenset({OutcomeStatus.WAITING, OutcomeStatus.UNKNOWN})
_PROMISES = frozenset({TimerKind.RELEASE_STOCK, TimerKind.SETTLE_COUPONS})
_OWED = frozenset({_S.OPEN, _S.CAPTURING, _S.CLOSING, _S.RETURNING})


def order_of_key(key: str) -> str:
    """The order that an attempt's or a refund leg's key belongs to."""
    return key.partition("/")[0]


def pay_until(shop: Shop, order: Order) -> datetime | None:
    """Until when channels may take money for an order: a difference that an amendment left has no deadline."""
    content = order.content
    return deadline(order, shop.lifecycles.get(content.lifecycle, content.lifecycle_version))


def charge_request(order: Order, attempt: Attempt, pay_by: datetime | None) -> ChargeRequest:
    """The attempt as its gateway is asked about it; ``pay_by`` is that of `pay_until`."""
    content = order.content
    return ChargeRequest(
        attempt.id, content.id, attempt.amount, content.currency, attempt.account,
        attempt.points, pay_by, attempt.reference, content.customer.id,
    )  # fmt: skip


def _unanswered(error: OtherSideFailed) -> Outcome:
    """No answer, or none that can be read: unknown, and told to whoever reads the log."""
    if isinstance(error, PortFailed):
        _LOG.error("%s", error, exc_info=error)
    return _UNKNOWN


def _timed(at: object) -> bool:
    return at is None or (isinstance(at, datetime) and at.tzinfo is not None)


def _readable(outcome: Outcome | RefundOutcome, kind: type, status: type) -> bool:
    """Whether an answer has the types that can be kept: a port may be written without a type checker."""
    return (
        type(outcome) is kind
        and type(outcome.status) is status
        and type(outcome.reference) is type(outcome.reason) is str
        and _timed(outcome.at)
    )


def _malformed(outcome: object, gateway: PaymentGateway) -> PortFailed:
    name = type(gateway).__name__
    return PortFailed(f"{name} gave a malformed outcome: {outcome!r}", port=name)


def _sound(outcome: Outcome, gateway: PaymentGateway) -> Outcome:
    """The outcome, if it is one that can be kept; a malformed one is no answer."""
    if _readable(outcome, Outcome, OutcomeStatus):
        return outcome
    return _unanswered(_malformed(outcome, gateway))


def _sound_refund(outcome: RefundOutcome, gateway: PaymentGateway) -> RefundOutcome:
    """The same for refunds."""
    if _readable(outcome, RefundOutcome, RefundStatus):
        return outcome
    _unanswered(_malformed(outcome, gateway))
    return _REFUND_UNKNOWN


def _owed(
    gateway: PaymentGateway, state: AttemptState
) -> Callable[[ChargeRequest], Answer[Outcome]]:
    """The call that an attempt's state owes."""
    if state is _S.OPEN:
        return gateway.authorize
    if state is _S.CAPTURING:
        return gateway.capture
    if state is _S.RETURNING:
        return gateway.void
    return gateway.close if gateway.capabilities.closes else gateway.lookup


def _answers(
    shop: Shop,
    order: Order,
    asked: set[tuple[str, AttemptState]],
    *,
    first: datetime | None,
    last: bool,
) -> Flow[list[tuple[str, Outcome]]]:
    """Ask every gateway that is owed a call, in the plan's order.

    After a decline no further tender of the payment is sent.
    """
    answers: list[tuple[str, Outcome]] = []
    pay_by = pay_until(shop, order)
    failed = False
    for attempt in order.payments.attempts:
        state = attempt.state
        if state not in _OWED or (attempt.id, state) in asked:
            continue
        if failed and state is _S.OPEN:
            if first is not None and shop.clock.now() < first:
                answers.append((attempt.id, _UNSENT))
            continue  # else the decision undoes it
        asked.add((attempt.id, state))
        gateway = shop.gateway(attempt.gateway)
        port, request = _owed(gateway, state), charge_request(order, attempt, pay_by)
        try:
            outcome = _sound((yield from call(port, request)), gateway)
            if (
                state is _S.CLOSING
                and outcome.status in _UNDECIDED
                and not gateway.capabilities.closes
            ):
                outcome = _sound((yield from call(gateway.void, request)), gateway)
        except (GatewayTimeout, PortFailed) as error:
            outcome = _unanswered(error)
        except GatewayError as error:
            # Nothing was moved by this call: the first one for a charge has failed. An earlier call
            # under the same key may have moved money, so a later one is asked again.
            outcome = _UNKNOWN
            if state is _S.OPEN and first is not None:
                outcome = Outcome(OutcomeStatus.DECLINED, reason=error.reason)
        if outcome.status is not OutcomeStatus.UNKNOWN:
            answers.append((attempt.id, outcome))
        elif last and outcome is not _UNKNOWN and _unheard(attempt):
            answers.append((attempt.id, _UNHEARD))
        if state is _S.OPEN and outcome.status is OutcomeStatus.DECLINED:
            failed = True
    return answers


def _unheard(attempt: Attempt) -> bool:
    """Whether no gateway ever said a word about an attempt that is to end."""
    ending = attempt.state is _S.RETURNING or attempt.state is _S.CLOSING
    return ending and not attempt.reference and attempt.at is None and not attempt.captured


def refund_request(order: Order, refund: Refund, leg: int) -> RefundRequest:
    """A refund leg as its gateway is asked about it."""
    part = refund.legs[leg]
    attempt = order.payments.attempt(part.attempt)
    return RefundRequest(
        f"{refund.id}#{leg}", attempt.id, attempt.reference, part.amount, order.content.currency,
        part.points, refund.reason,
    )  # fmt: skip


def _ask_refund(shop: Shop, order: Order, refund: Refund, leg: int) -> Flow[RefundOutcome]:
    part = refund.legs[leg]
    gateway = shop.gateway(order.payments.attempt(part.attempt).gateway)
    request = refund_request(order, refund, leg)
    try:
        if part.status is RefundStatus.ACCEPTED:
            outcome = yield from call(gateway.lookup_refund, request)
        else:
            outcome = yield from call(gateway.refund, request)
    except PortFailed as error:
        _unanswered(error)
        return _REFUND_UNKNOWN
    except GatewayError:
        return _REFUND_UNKNOWN
    return _sound_refund(outcome, gateway)


def _refunds(shop: Shop, order: Order, by: Actor, *, accepted: bool, only: str) -> Flow[Order]:
    """Ask for every leg that has no answer yet; with ``accepted``, also for those under way."""
    for refund in order.payments.refunds:
        answers: list[tuple[int, RefundOutcome]] = []
        for place, leg in enumerate(refund.legs):
            open_ = leg.status is None or leg.status is RefundStatus.UNKNOWN
            if not (open_ or (accepted and leg.status is RefundStatus.ACCEPTED)):
                continue
            if only and only != f"{refund.id}#{place}":
                continue
            outcome = yield from _ask_refund(shop, order, refund, place)
            if outcome.status is not RefundStatus.UNKNOWN:
                answers.append((place, outcome))
        if answers:
            made = yield from record(shop, order, AnswerRefund(refund.id, tuple(answers)), by)
            order = made.order
    return order


def answered(
    shop: Shop,
    order: Order,
    answers: tuple[tuple[str, Outcome], ...],
    by: Actor,
    *,
    told: bool = False,
) -> Flow[Change]:
    """Record answers. When they make the order paid, its goods and its codes are first made final.

    Those that are gone by then (the promise lapsed and somebody else took them) turn the payment back.
    """

    def settle(before: Order, decision: Decision) -> Flow[Decision]:
        if not _paid(before, decision):
            return decision
        stock, book, content = shop.stock, shop.coupons, before.content
        try:
            if stock is not None and content.reservation:
                try:
                    for name, goods in before.reservations():
                        if goods:
                            yield from call(stock.deduct, name)
                except OutOfStock:
                    yield from _regain(shop, stock, before)
            if book is not None:
                # Who closed the order before this has released the codes, and such a holding cannot
                # be used any more; who closes it after this gives the use back.
                for name, needed in before.holdings():
                    if needed:
                        yield from call(book.use, name)
        except (OutOfStock, CouponUnavailable):
            lost = AnswerAttempts(answers, goods_lost=True, told=told)
            return decide(before, lost, situation(shop, before, by))
        return decision

    return (yield from record(shop, order, AnswerAttempts(answers, told=told), by, settle))


def _regain(shop: Shop, stock: StockKeeper, before: Order) -> Flow[None]:
    """Promise goods anew whose promise has lapsed, and make that final; raises `OutOfStock`."""
    held = [(name, goods) for name, goods in before.reservations() if goods]
    until = shop.clock.now() + shop.policies.stock.reserve_slack
    for name, goods in held:
        yield from call(stock.reserve, name, goods, until)
    # Only now look again: whoever closes the order after this look also frees these goods,
    # and who closed it before has freed them already, so nobody else would.
    now = yield from load(shop, before.id)
    if now.version != before.version:
        keeps = dict(now.reservations())
        for name, _ in held:
            yield from call(stock.release, name, keeps.get(name, ()))
        return  # the commit is refused as stale
    for name, _ in held:
        yield from call(stock.deduct, name)


def _paid(before: Order, decision: Decision) -> bool:
    """Whether these answers make the order paid: it moves, or its state takes payments without a move."""
    if any([type(event) is Moved and event.via == "pay" for event in decision.events]):
        return True
    after = decision.order
    if not after.payments.keeps() or after.due or after.closing is not None:
        return False
    was, now = before.payments.captured, after.payments.captured
    return now > was and not after.handling.released and after.state == before.state


def discharge(
    shop: Shop,
    order: Order,
    by: Actor,
    *,
    made: Change | None = None,
    accepted: bool = False,
    first: datetime | None = None,
    last: bool = False,
    leg: str = "",
) -> Flow[Order]:
    """Make all calls that ``order`` owes, until nothing is owed that was not already asked.

    ``accepted``: ask for refunds under way too; with ``leg``, for that one alone.
    ``first``: the attempts were written down by this very payment, and nobody else looks at them
    before this moment. ``last``: all pauses between tries are over.
    """
    asked: set[tuple[str, AttemptState]] = set()
    if made is not None and made.timers_set:
        yield from release(shop, made)
    for _ in range(ROUNDS_MAX):
        if not any([attempt.state in _OWED for attempt in order.payments.attempts]):
            break
        answers = yield from _answers(shop, order, asked, first=first, last=last)
        if not answers:
            break
        recorded = yield from answered(shop, order, tuple(answers), by)
        order = recorded.order
        if recorded.timers_set:
            yield from release(shop, recorded)
    if order.payments.refunds:
        order = yield from _refunds(shop, order, by, accepted=accepted, only=leg)
    return order


def pull(shop: Shop, order: Order, by: Actor) -> Flow[Order]:
    """Ask the gateways what became of attempts that wait, and record it."""
    answers: list[tuple[str, Outcome]] = []
    pay_by = pay_until(shop, order)
    for attempt in order.payments.attempts:
        if attempt.state is not _S.WAITING:
            continue
        gateway = shop.gateway(attempt.gateway)
        try:
            outcome = yield from call(gateway.lookup, charge_request(order, attempt, pay_by))
        except PortFailed as error:
            _unanswered(error)
            continue
        except GatewayError:
            continue
        answers.append((attempt.id, _sound(outcome, gateway)))
    if not answers:
        return order
    made = yield from answered(shop, order, tuple(answers), by)
    return made.order


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
        waits = (
            order.due and order.content.pay_by is not None
        )  # without a deadline, goods are final at once
        open_ = waits or order.payments.in_flight or order.handling.released
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
            yield from _regain(shop, stock, order)
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
