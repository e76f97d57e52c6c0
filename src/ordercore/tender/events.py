"""What can happen to an order's payments, and what each event makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from ordercore.event import Event, event
from ordercore.tender.attempt import (
    Attempt,
    AttemptState,
    Payments,
    Refund,
    RefundLeg,
)
from ordercore.tender.channel import PaymentAction, RefundStatus
from ordercore.tender.plan import TenderPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

from datetime import datetime

__all__ = [
    "FOLDS",
    "AttemptAnswered",
    "CaptureAsked",
    "PaymentStarted",
    "Reallotted",
    "RefundAnswered",
    "RefundRequested",
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


@event("payment.answered")
class AttemptAnswered(Event):
    """A gateway spoke about an attempt; ``at`` is the channel's own time."""

    attempt: str
    state: AttemptState
    reference: str = ""
    at: datetime | None = None
    reason: str = ""
    action: PaymentAction | None = attrs.field(default=None)


@event("payment.capture_asked")
class CaptureAsked(Event):
    """The shop takes what was authorized: written down before the gateway is called."""

    attempts: tuple[str, ...]


@event("payment.undo_asked")
class UndoAsked(Event):
    """An attempt is to be undone: from now on its money is neither held nor free."""

    attempts: tuple[str, ...]
    reason: str = ""


@event("refund.requested")
class RefundRequested(Event):
    """Money is to go back: lines, quantities and legs are fixed before any gateway is called."""

    refund: Refund


@event("refund.answered")
class RefundAnswered(Event):
    """A gateway spoke about one leg of a refund."""

    refund: str
    leg: int
    status: RefundStatus
    reference: str = ""
    at: datetime | None = None
    reason: str = ""


def _with(payments: Payments, attempts: tuple[Attempt, ...]) -> Payments:
    return Payments(
        payments.round, payments.plan, attempts, payments.refunds, payments.drawn,
        payments.carried, payments.settled,
    )  # fmt: skip


def _started(payments: Payments, event: PaymentStarted) -> Payments:
    return Payments(
        payments.round + 1, event.plan, payments.attempts + event.attempts, payments.refunds,
        undrawn(event.plan), event.carried, payments.settled,
    )  # fmt: skip


def undrawn(plan: TenderPlan) -> tuple[tuple[int, ...], ...]:
    """A matrix of which nothing has been drawn."""
    return tuple([(0,) * len(plan.tenders)] * len(plan.rows))


def _reallotted(payments: Payments, event: Reallotted) -> Payments:
    return Payments(
        payments.round, event.plan, payments.attempts, payments.refunds,
        undrawn(event.plan), event.carried, payments.settled,
    )  # fmt: skip


def answers_folded(payments: Payments, answers: tuple[AttemptAnswered, ...]) -> Payments:
    """The payments after answers about attempts, in order."""
    attempts = list(payments.attempts)
    places = {attempt.id: i for i, attempt in enumerate(attempts)}
    for told in answers:
        place = places.get(told.attempt)
        if place is not None:
            attempts[place] = attempts[place].moved(
                told.state, told.reference, told.at, told.reason, told.action
            )
    return _with(payments, tuple(attempts))


def _asked(payments: Payments, names: tuple[str, ...], state: AttemptState) -> Payments:
    return _with(
        payments, tuple([a.moved(state) if a.id in names else a for a in payments.attempts])
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
    return Payments(
        payments.round, plan, payments.attempts, (*payments.refunds, refund), tuple(drawn),
        payments.carried, payments.settled,
    )  # fmt: skip


def _refund_answered(payments: Payments, event: RefundAnswered) -> Payments:
    refunds = []
    for refund in payments.refunds:
        if refund.id == event.refund:
            legs = list(refund.legs)
            leg = legs[event.leg]
            legs[event.leg] = RefundLeg(
                leg.attempt, leg.amount, leg.points, event.status,
                event.reference or leg.reference, event.at or leg.at, event.reason,
            )  # fmt: skip
            refund = Refund(  # noqa: PLW2901 - the changed one takes its place
                refund.id, refund.rows, tuple(legs), refund.amount, refund.reason, refund.recognized
            )
        refunds.append(refund)
    return Payments(
        payments.round, payments.plan, payments.attempts, tuple(refunds), payments.drawn,
        payments.carried, payments.settled,
    )  # fmt: skip


FOLDS: Mapping[type[Event], Callable[[Payments, Any], Payments]] = {
    PaymentStarted: _started,
    Reallotted: _reallotted,
    AttemptAnswered: lambda payments, event: answers_folded(payments, (event,)),
    CaptureAsked: lambda payments, event: _asked(payments, event.attempts, AttemptState.CAPTURING),
    UndoAsked: lambda payments, event: _asked(payments, event.attempts, AttemptState.RETURNING),
    RefundRequested: _refund_requested,
    RefundAnswered: _refund_answered,
}
