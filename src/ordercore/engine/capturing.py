"""Capturing: taking held money by hand, and recording what staff says of money that no channel tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.change import Receipt
from ordercore.clock import utc
from ordercore.engine.discharging import ANY_NEWS, discharge, pull
from ordercore.engine.paying import PaymentResult, RefundResult
from ordercore.engine.placing import checked_key
from ordercore.engine.recording import answered
from ordercore.engine.shop import (
    checked_texts,
    digest,
    load,
    once,
    record,
    repeated,
    situation,
)
from ordercore.errors import InvalidInput, NotAllowed, Refused
from ordercore.money import to_minor
from ordercore.order import (
    CaptureMoney,
    ConfirmPayment,
    ConfirmRefund,
    NoteAuthorizationEnding,
    Order,
    decide,
)
from ordercore.order.rules.capturing import held
from ordercore.party import SYSTEM
from ordercore.tender import AttemptState, Outcome, OutcomeStatus, RefundOutcome, RefundStatus

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.money import Money
    from ordercore.party import Actor
    from ordercore.timeout import Timer

__all__ = ["capture", "confirm_payment", "confirm_refund", "serve_authorization"]

_S = AttemptState
TEXT_MAX = 200
"""Longest reference that staff gives, in characters."""


def _result(order: Order) -> PaymentResult:
    return PaymentResult(order, order.payments.action(), ())


def _minor(amount: Money | None, order: Order) -> int | None:
    """Minor units of an amount above nothing; raises `InvalidMoney` and its kin, also for another currency."""
    if amount is None:
        return None
    minor = to_minor(amount, order.currency, "amount")
    if minor <= 0:
        raise InvalidInput("an amount is above nothing", path="amount")
    return minor


# By hand --------------------------------------------------------------------------------------


def capture(
    shop: Shop, order_id: str, amount: Money | None, attempt: str, key: str, by: Actor
) -> Flow[PaymentResult]:
    """Take held money: of one attempt or of all, an amount or all that is held."""
    shop.outside()
    order = yield from load(shop, order_id)
    minor = _minor(amount, order)
    content = digest(order_id, "" if minor is None else str(minor), attempt)
    receipt = Receipt(order.shop, checked_key(key), "CaptureMoney", content, order_id)

    def make(now: Order) -> CaptureMoney:
        _able(shop, now, attempt, minor)
        return CaptureMoney(attempt, minor)

    order, made = yield from once(shop, order, receipt, by, make)
    if made is not None:
        order = yield from discharge(shop, order, by, made=made)
    return _result(order)


def _able(shop: Shop, order: Order, name: str, minor: int | None) -> None:
    """Refuse what a channel cannot do, before it is written down: a part, where it takes all or nothing."""
    left = minor
    for attempt in held(order):
        if name not in {"", attempt.id}:
            continue
        can = shop.gateway(attempt.gateway).capabilities
        if can.confirmed_by_staff:
            reason = "nobody can be asked for this money: confirm it when it has come"
            raise NotAllowed(reason, order=order.id, state=order.state, attempt=attempt.id)
        if left is None:
            continue
        part = min(left, attempt.to_capture)
        left -= part
        if 0 < part < attempt.to_capture and not (can.partial_capture or can.multi_capture):
            reason = (
                f"{attempt.gateway!r} takes all that it holds, {attempt.to_capture}, or nothing"
            )
            raise InvalidInput(reason, path="amount", held=attempt.to_capture, asked=part)


# What staff says ------------------------------------------------------------------------------


def confirm_payment(
    shop: Shop,
    order_id: str,
    attempt: str,
    amount: Money | None,
    paid: bool,  # noqa: FBT001 - the verdict itself
    reference: str,
    at: datetime | None,
    key: str,
    by: Actor,
    parcel: str = "",
) -> Flow[PaymentResult]:
    """Record that money came, and how much, or that none will; only where nobody outside tells."""
    shop.outside()
    order = yield from load(shop, order_id)
    if type(paid) is not bool:
        raise InvalidInput("it was paid or not: True or False", path="paid")
    if not isinstance(parcel, str):
        raise InvalidInput("a parcel is named by its id", path="parcel")
    if not isinstance(reference, str) or len(reference) > TEXT_MAX:
        raise InvalidInput(f"a reference is a text of at most {TEXT_MAX}", path="reference")
    minor = _minor(amount, order)
    if minor is not None and not paid:
        raise InvalidInput("what was not paid has no amount", path="amount")
    moment = None if at is None else utc(at, "at")
    text = digest(
        order_id, attempt, "" if minor is None else str(minor), str(paid), reference,
        "" if moment is None else moment.isoformat(), *([parcel] if parcel else []),
    )  # fmt: skip
    receipt = Receipt(order.shop, checked_key(key), "ConfirmPayment", text, order_id)
    earlier = yield from repeated(shop, receipt, by)
    if earlier is not None:
        return _result(earlier)
    try:
        outcome = _said(shop, order, attempt, minor, moment, reference, paid=paid)
        command = checked_texts(ConfirmPayment(attempt, outcome, None, parcel))
        # what may not be said is refused before anything is promised anew for it
        decide(order, command, situation(shop, order, by))
        _by_staff(shop, order, order.payments.attempt(attempt).gateway)
        made = yield from answered(
            shop, order, ((attempt, outcome),), by, confirmed=True, receipt=receipt, parcel=parcel
        )
    except Refused:
        earlier = yield from repeated(shop, receipt, by)
        if earlier is None:
            raise
        return _result(earlier)
    return _result((yield from discharge(shop, made.order, by, made=made)))


def _by_staff(shop: Shop, order: Order, gateway: str) -> None:
    """Refuse to take staff's word where a channel has its own."""
    if not shop.gateway(gateway).capabilities.confirmed_by_staff:
        reason = f"{gateway!r} tells by itself what became of its money: pull the order"
        raise NotAllowed(reason, order=order.id, state=order.state, gateway=gateway)


def _said(
    shop: Shop,
    order: Order,
    attempt: str,
    minor: int | None,
    at: datetime | None,
    reference: str,
    *,
    paid: bool,
) -> Outcome:
    """What staff said, in a channel's words. That an undo is done is said as that nothing is held any more."""
    moment = shop.clock.now() if at is None else at
    if paid:
        return Outcome(OutcomeStatus.CAPTURED, reference, moment, amount=minor)
    waits = [a.id for a in order.payments.attempts if a.state in {_S.WAITING, _S.OPEN}]
    if attempt in waits:
        return Outcome(OutcomeStatus.DECLINED, reference, moment, "it was not paid")
    return Outcome(OutcomeStatus.VOIDED, reference, moment, "nothing is held")


def confirm_refund(
    shop: Shop,
    order_id: str,
    refund: str,
    leg: int,
    reference: str,
    key: str,
    by: Actor,
    paid: bool = True,  # noqa: FBT001, FBT002 - the verdict itself
) -> Flow[RefundResult]:
    """Record that a leg of a refund has arrived, or that it never will; only where nobody outside tells."""
    shop.outside()
    order = yield from load(shop, order_id)
    if type(leg) is not int:
        raise InvalidInput("a leg is named by its place, from 0", path="leg")
    if type(paid) is not bool:
        raise InvalidInput("it was paid or not: True or False", path="paid")
    part = order.payments.refund(refund).leg(leg)
    _by_staff(shop, order, part.gateway or order.payments.attempt(part.attempt).gateway)
    said = (order_id, refund, str(leg), reference)
    text = digest(*said) if paid else digest(*said, str(paid))
    receipt = Receipt(order.shop, checked_key(key), "ConfirmRefund", text, order_id)
    told = RefundOutcome(RefundStatus.ARRIVED, reference, shop.clock.now())
    if not paid:
        told = RefundOutcome(RefundStatus.FAILED, reference, shop.clock.now(), "it was not paid")
    order, made = yield from once(
        shop, order, receipt, by, lambda _now: ConfirmRefund(refund, leg, told)
    )
    if made is not None:
        order = yield from discharge(shop, order, by, made=made)
    return RefundResult(order, order.payments.refund(refund))


# Authorizations that end ----------------------------------------------------------------------


def serve_authorization(
    shop: Shop, order: Order, timer: Timer, now: datetime
) -> Flow[bool | datetime]:
    """Look after an authorization before it ends: its channel is asked first, then it is taken or told.

    Once its time is over the channel is asked what became of it. Returns whether its timer is done with, or when
    it comes due again.
    """
    order = yield from pull(shop, order, SYSTEM, ANY_NEWS)
    name, timeouts = timer.key.subject, shop.policies.timeouts
    attempt = order.payments.attempt(name)
    ends = attempt.expires_at
    if ends is None or attempt.state is not _S.AUTHORIZED or not attempt.deferred:
        return True
    if timer.due < ends or (timer.tries <= 1 and not timeouts.capture_before):
        made = yield from record(shop, order, NoteAuthorizationEnding(name), SYSTEM)
        order = yield from discharge(shop, made.order, SYSTEM, made=made)
        if order.payments.attempt(name).state is not _S.AUTHORIZED:
            return True
    if now < ends:
        return ends
    return timer.tries > len(timeouts.backoff)
