"""What can happen to an order's payments, and what each event makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from ordercore.errors import CorruptDocument
from ordercore.event import Event, event
from ordercore.tender.attempt import (
    Attempt,
    AttemptState,
    Compensation,
    MerchantShare,
    Payments,
    Refund,
    RefundLeg,
)
from ordercore.tender.channel import Failure, PaymentAction, RefundStatus
from ordercore.tender.plan import TenderPlan
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

from datetime import datetime

__all__ = [
    "FOLDS",
    "AttemptAnswered",
    "AuthorizationEnding",
    "CaptureAsked",
    "ChargedBack",
    "CompensationAnswered",
    "CompensationGranted",
    "FeeCharged",
    "Forfeited",
    "FundsShared",
    "MatrixResolved",
    "MoneyBroughtIn",
    "MoneyHeld",
    "MoneyTakenOut",
    "PaymentStarted",
    "Reallotted",
    "RefundAnswered",
    "RefundRequested",
    "RefundRerouted",
    "RefundSent",
    "Remitted",
    "Rerouted",
    "TakenOut",
    "UndoAsked",
    "answers_folded",
    "undrawn",
]


@event("payment.started")
class PaymentStarted(Event):
    """The shopper pays: the plan is frozen and every attempt is written down before any gateway is called."""

    plan: TenderPlan
    attempts: tuple[Attempt, ...]
    carried: tuple[str, ...] = ()
    """Attempts of earlier payments whose money counts: the first tenders of the plan, in its order."""


@event("payment.reallotted")
class Reallotted(Event):
    """What was paid stands for other goods than before: the matrix of what the tenders hold over the new rows."""

    plan: TenderPlan
    carried: tuple[str, ...]


@event("payment.brought_in")
class MoneyBroughtIn(Event):
    """Money that another order's attempts hold belongs to this one from now on; they keep their names."""

    source: str
    attempts: tuple[Attempt, ...]


@value
class TakenOut:
    """Money of one attempt that left, in minor units: ``amount`` of the order's price, and ``rounding`` of cash."""

    attempt: str
    amount: int
    rounding: int = 0


@event("payment.taken_out")
class MoneyTakenOut(Event):
    """Money that this order's attempts hold belongs to other orders from now on."""

    to: tuple[str, ...]
    money: tuple[TakenOut, ...]


@event("payment.answered")
class AttemptAnswered(Event):
    """A gateway spoke about an attempt; ``at`` is the channel's own time.

    ``amount`` is what was taken in all, or what is held, in minor units; ``None`` is what was asked.
    ``gateway`` stands here so that money that moved can be read from the event alone.
    """

    attempt: str
    state: AttemptState
    reference: str = ""
    at: datetime | None = None
    reason: str = ""
    action: PaymentAction | None = attrs.field(default=None)
    amount: int | None = None
    gateway: str = ""
    expires_at: datetime | None = None
    failure: Failure | None = None
    moved: int = 0
    """What moved by this very event: above zero to the shop, below back to the payer."""
    currency: str = ""


@event("payment.rerouted")
class Rerouted(Event):
    """Another gateway takes an attempt over that its own could not take: written down before it is called."""

    instead_of: str
    attempt: Attempt


@event("payment.capture_asked")
class CaptureAsked(Event):
    """The shop takes what was authorized: written down before the gateway is called.

    ``amounts`` are what is taken now, one for each attempt, in minor units; empty for all that is left.
    """

    attempts: tuple[str, ...]
    amounts: tuple[int, ...] = ()


@event("payment.undo_asked")
class UndoAsked(Event):
    """An attempt is to be undone: from now on its money is neither held nor free."""

    attempts: tuple[str, ...]
    reason: str = ""


@event("refund.requested")
class RefundRequested(Event):
    """Money is to go back: lines, quantities and legs are fixed before any gateway is called."""

    refund: Refund


@event("payment.resolved")
class MatrixResolved(Event):
    """A refund went over other tenders than the rows' own: what rows and tenders still hold was matched anew.

    ``matrix`` takes the place of the plan's: its sums of rows and tenders are the same (law L25).
    """

    matrix: tuple[tuple[int, ...], ...]


@event("payment.charged_back")
class ChargedBack(Event):
    """The payer's bank took money back over an attempt; ``fee`` is what the channel charges for it."""

    attempt: str
    amount: int
    fee: int = 0
    reference: str = ""
    at: datetime | None = None
    gateway: str = ""
    currency: str = ""


@event("payment.fee_charged")
class FeeCharged(Event):
    """What a channel keeps for itself of what it took for us, in minor units; below zero when it gives it back."""

    gateway: str
    amount: int
    subject: str = ""
    reference: str = ""
    currency: str = ""


@event("payment.remitted")
class Remitted(Event):
    """What a channel or a courier held for us was paid out: to the bank, less what it kept as ``fee``."""

    attempt: str
    amount: int
    fee: int = 0
    reference: str = ""
    at: datetime | None = None
    gateway: str = ""
    currency: str = ""


@event("payment.funds_shared")
class FundsShared(Event):
    """Whose money the sale is, by line: settled when it is earned, taken back in part by ``refund``."""

    shares: tuple[MerchantShare, ...]
    refund: str = ""


@event("payment.held_late")
class MoneyHeld(Event):
    """Money came for an order that was closed, and is kept until somebody decides (law L21)."""

    attempt: str
    amount: int


@event("payment.authorization_ending")
class AuthorizationEnding(Event):
    """An authorization ends soon and its money was not taken; somebody must look."""

    attempt: str
    expires_at: datetime


@event("payment.forfeited")
class Forfeited(Event):
    """The shop keeps a deposit, as far as the law lets it; ``tax`` is what of it is owed to the state.

    The rest goes back by a refund of its own.
    """

    amount: int
    tax: int = 0
    tax_ppm: int = 0
    reason: str = ""


@event("refund.answered")
class RefundAnswered(Event):
    """A gateway spoke about one leg of a refund. ``amount`` and ``gateway`` tell the money that arrived, ``key``
    under which name the gateway knows it: of legs that went out as one, the first tells all of it. An amount
    below zero had arrived, and came back.
    """

    refund: str
    leg: int
    status: RefundStatus
    reference: str = ""
    at: datetime | None = None
    reason: str = ""
    amount: int = 0
    gateway: str = ""
    currency: str = ""
    key: str = ""


@event("refund.sent")
class RefundSent(Event):
    """Legs are asked of their channel: written down before the call. Several go out as one, under the first
    one's key and with the sum of their amounts."""

    legs: tuple[tuple[str, int], ...]
    at: datetime


@event("refund.rerouted")
class RefundRerouted(Event):
    """A leg that cannot go back by its own way goes by another, to which the customer agreed."""

    refund: str
    leg: int
    gateway: str
    account: str = attrs.field(repr=False)
    consent: str
    reason: str = ""


@event("compensation.granted")
class CompensationGranted(Event):
    """The shop gives money that is no refund; written down before any gateway is called."""

    compensation: Compensation


@event("compensation.answered")
class CompensationAnswered(Event):
    """A gateway spoke about a compensation."""

    compensation: str
    status: RefundStatus
    reference: str = ""
    at: datetime | None = None


def _joined(payments: Payments, fresh: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """The attempts with others; raises `CorruptDocument` for a name that stands for one already (law L7 once)."""
    known = {attempt.id for attempt in payments.attempts} if payments.attempts else set()
    for attempt in fresh if known else ():
        if attempt.id in known:
            reason = f"the name {attempt.id!r} stands for another attempt"
            raise CorruptDocument(reason, path="attempts")
    return payments.attempts + fresh


def _started(payments: Payments, event: PaymentStarted) -> Payments:
    return Payments(
        payments.round + 1, event.plan, _joined(payments, event.attempts), payments.refunds,
        undrawn(event.plan), event.carried, payments.settled, payments.compensations,
        payments.forfeited, payments.shares,
    )  # fmt: skip


def undrawn(plan: TenderPlan) -> tuple[tuple[int, ...], ...]:
    """A matrix of which nothing has been drawn."""
    return tuple([(0,) * len(plan.tenders)] * len(plan.rows))


def _reallotted(payments: Payments, event: Reallotted) -> Payments:
    return Payments(
        payments.round, event.plan, payments.attempts, payments.refunds,
        undrawn(event.plan), event.carried, payments.settled, payments.compensations,
        payments.forfeited, payments.shares,
    )  # fmt: skip


def answers_folded(payments: Payments, answers: tuple[AttemptAnswered, ...]) -> Payments:
    """The payments after answers about attempts, in order."""
    attempts = list(payments.attempts)
    places = {attempt.id: i for i, attempt in enumerate(attempts)}
    for told in answers:
        place = places.get(told.attempt)
        if place is not None:
            attempts[place] = attempts[place].moved(
                told.state, told.reference, told.at, told.reason, told.action, told.amount,
                told.expires_at, told.failure,
            )  # fmt: skip
    return payments.having(tuple(attempts))


def _rerouted(payments: Payments, event: Rerouted) -> Payments:
    return payments.having(_joined(payments, (event.attempt,)))


def _capture_asked(payments: Payments, event: CaptureAsked) -> Payments:
    parts = dict(zip(event.attempts, event.amounts, strict=True)) if event.amounts else {}
    return payments.having(
        tuple(
            [
                a.moved(AttemptState.CAPTURING, asked=parts.get(a.id, 0))
                if a.id in event.attempts
                else a
                for a in payments.attempts
            ]
        )
    )


def _undo_asked(payments: Payments, event: UndoAsked) -> Payments:
    names = event.attempts
    return payments.having(
        tuple([a.moved(AttemptState.RETURNING) if a.id in names else a for a in payments.attempts])
    )


def _charged_back(payments: Payments, event: ChargedBack) -> Payments:
    return payments.having(
        tuple(
            [
                a.letting_go(0, event.amount) if a.id == event.attempt else a
                for a in payments.attempts
            ]
        )
    )


def _refund_requested(payments: Payments, event: RefundRequested) -> Payments:
    refund = event.refund
    plan = payments.plan
    drawn = list(payments.drawn)
    if plan is not None:
        places = {name: i for i, (name, _) in enumerate(plan.rows)}
        for row in refund.rows:
            if not row.cells:
                continue  # all goes back at once, whatever tender paid which row
            at = places[row.row]
            drawn[at] = tuple([a + b for a, b in zip(drawn[at], row.cells, strict=True)])
    attempts = payments.attempts
    released = {leg.attempt: leg.amount for leg in refund.legs if leg.released}
    if released:
        attempts = tuple(
            [a.letting_go(released[a.id]) if a.id in released else a for a in attempts]
        )
    return payments.having(attempts, (*payments.refunds, refund), tuple(drawn))


def _legs_changed(
    payments: Payments,
    refund: str,
    leg: int,
    change: Callable[[RefundLeg], RefundLeg],
    consent: str = "",
) -> Payments:
    refunds = []
    for found in payments.refunds:
        if found.id == refund:
            legs = list(found.legs)
            legs[leg] = change(legs[leg])
            found = Refund(  # noqa: PLW2901 - the changed one takes its place
                found.id, found.rows, tuple(legs), found.amount, found.reason, found.recognized,
                found.split, consent or found.consent, found.surplus, found.at, found.whole,
            )  # fmt: skip
        refunds.append(found)
    return payments.having(refunds=tuple(refunds))


def _refund_answered(payments: Payments, event: RefundAnswered) -> Payments:
    return _legs_changed(
        payments, event.refund, event.leg,
        lambda leg: RefundLeg(
            leg.attempt, leg.amount, leg.points, event.status,
            event.reference or leg.reference, event.at or leg.at, event.reason, leg.released,
            leg.gateway, leg.account, leg.rounding, leg.sent_as, leg.sent_at,
            leg.tries,
        ),
    )  # fmt: skip


def _refund_sent(payments: Payments, event: RefundSent) -> Payments:
    (first, place), *_ = event.legs
    leg = payments.refund(first).leg(place)
    under = leg.key(first, place) if len(event.legs) > 1 or leg.tries else ""
    for name, leg_place in event.legs:
        payments = _legs_changed(
            payments, name, leg_place,
            lambda leg: RefundLeg(
                leg.attempt, leg.amount, leg.points, leg.status, leg.reference, leg.at, leg.reason,
                leg.released, leg.gateway, leg.account, leg.rounding, under or leg.sent_as,
                event.at, leg.tries,
            ),
        )  # fmt: skip
    return payments


def _refund_rerouted(payments: Payments, event: RefundRerouted) -> Payments:
    return _legs_changed(
        payments, event.refund, event.leg,
        lambda leg: RefundLeg(
            leg.attempt, leg.amount, leg.points, None, "", None, "", leg.released, event.gateway,
            event.account or leg.account, leg.rounding, "", leg.sent_at, leg.tries + 1,
        ),
        event.consent,
    )  # fmt: skip


def _compensated(payments: Payments, compensations: tuple[Compensation, ...]) -> Payments:
    return Payments(
        payments.round, payments.plan, payments.attempts, payments.refunds, payments.drawn,
        payments.carried, payments.settled, compensations, payments.forfeited, payments.shares,
    )  # fmt: skip


def _compensation_answered(payments: Payments, event: CompensationAnswered) -> Payments:
    return _compensated(
        payments,
        tuple(
            [
                Compensation(
                    c.id, c.amount, c.gateway, c.account, c.reason, c.approved_by, c.points,
                    event.status, event.reference or c.reference, event.at or c.at,
                )
                if c.id == event.compensation
                else c
                for c in payments.compensations
            ]
        ),
    )  # fmt: skip


def _forfeited(payments: Payments, event: Forfeited) -> Payments:
    return Payments(
        payments.round, payments.plan, payments.attempts, payments.refunds, payments.drawn,
        payments.carried, payments.settled, payments.compensations,
        payments.forfeited + event.amount, payments.shares,
    )  # fmt: skip


def _funds_shared(payments: Payments, event: FundsShared) -> Payments:
    if event.refund:
        return payments
    return Payments(
        payments.round, payments.plan, payments.attempts, payments.refunds, payments.drawn,
        payments.carried, payments.settled, payments.compensations, payments.forfeited,
        event.shares,
    )  # fmt: skip


def _as_it_was(payments: Payments, _event: Event) -> Payments:
    """An event that tells, and changes nothing of what is paid."""
    return payments


FOLDS: Mapping[type[Event], Callable[[Payments, Any], Payments]] = {
    PaymentStarted: _started,
    Reallotted: _reallotted,
    MoneyBroughtIn: lambda payments, event: payments.having(
        attempts=_joined(payments, event.attempts)
    ),
    MoneyTakenOut: _as_it_was,
    AttemptAnswered: lambda payments, event: answers_folded(payments, (event,)),
    Rerouted: _rerouted,
    CaptureAsked: _capture_asked,
    UndoAsked: _undo_asked,
    MatrixResolved: lambda payments, event: payments.having(
        plan=None if payments.plan is None else payments.plan.resolved(event.matrix)
    ),
    ChargedBack: _charged_back,
    FeeCharged: _as_it_was,
    Remitted: _as_it_was,
    FundsShared: _funds_shared,
    MoneyHeld: _as_it_was,
    AuthorizationEnding: _as_it_was,
    Forfeited: _forfeited,
    RefundRequested: _refund_requested,
    RefundSent: _refund_sent,
    RefundAnswered: _refund_answered,
    RefundRerouted: _refund_rerouted,
    CompensationGranted: lambda payments, event: _compensated(
        payments, (*payments.compensations, event.compensation)
    ),
    CompensationAnswered: _compensation_answered,
}
