"""What a gateway answered: whether it can be kept, and what no answer is."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from ordercore.errors import OtherSideFailed, PortFailed
from ordercore.tender import (
    AttemptState,
    Failure,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundStatus,
)

if TYPE_CHECKING:
    from ordercore.ports import CreditGateway, PaymentGateway
    from ordercore.tender import Attempt

__all__ = [
    "REFUND_UNKNOWN",
    "UNKNOWN",
    "malformed",
    "readable",
    "sound",
    "sound_refund",
    "told_well",
    "unanswered",
]

UNKNOWN = Outcome(OutcomeStatus.UNKNOWN)
REFUND_UNKNOWN = RefundOutcome(RefundStatus.UNKNOWN)
_LOG = logging.getLogger("ordercore.engine")
_MONEY = frozenset({OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED})


def unanswered(error: OtherSideFailed) -> Outcome:
    """No answer, or none that can be read: unknown, and told to whoever reads the log."""
    if isinstance(error, PortFailed):
        _LOG.error("%s", error, exc_info=error)
    return UNKNOWN


def _timed(at: object) -> bool:
    return isinstance(at, datetime) and at.tzinfo is not None


def readable(outcome: Outcome | RefundOutcome, kind: type, status: type) -> bool:
    """Whether an answer has the types that can be kept: a port may be written without a type checker."""
    return (
        type(outcome) is kind
        and type(outcome.status) is status
        and type(outcome.reference) is type(outcome.reason) is str
        and (outcome.at is None or _timed(outcome.at))
    )


def malformed(outcome: object, gateway: PaymentGateway | CreditGateway) -> PortFailed:
    """What to tell of an answer that cannot be kept."""
    name = type(gateway).__name__
    return PortFailed(f"{name} gave a malformed outcome: {outcome!r}", port=name)


def sound(outcome: Outcome, gateway: PaymentGateway, attempt: Attempt) -> Outcome:
    """The outcome of a charge, if it is one that can be kept; a malformed one is no answer."""
    if told_well(outcome, attempt):
        return outcome
    return unanswered(malformed(outcome, gateway))


def told_well(outcome: Outcome, attempt: Attempt) -> bool:
    """Whether what is told of a charge can be kept, and can be true of this attempt.

    More than was asked is never held, nor taken of what is held; a payer who transfers more has paid more. Points
    are moved as they were asked, or not at all.
    """
    if not readable(outcome, Outcome, OutcomeStatus):
        return False
    action, failure, amount = outcome.action, outcome.failure, outcome.amount
    if not (
        (action is None or type(action) is PaymentAction)
        and (failure is None or type(failure) is Failure)
        and (outcome.expires_at is None or _timed(outcome.expires_at))
    ):
        return False
    if amount is None or outcome.status not in _MONEY:
        return amount is None or type(amount) is int
    if type(amount) is not int or amount <= 0:
        return False
    asked = attempt.amount + attempt.rounding
    if attempt.points and amount != asked:
        return False
    if outcome.status is OutcomeStatus.AUTHORIZED:
        return amount <= asked
    if attempt.state is AttemptState.AUTHORIZED or attempt.state is AttemptState.CAPTURING:
        return amount <= (attempt.authorized or attempt.amount) + attempt.rounding
    return True


def sound_refund(outcome: RefundOutcome, gateway: PaymentGateway | CreditGateway) -> RefundOutcome:
    """The outcome of a refund or credit, if it is one that can be kept; a malformed one is no answer."""
    if readable(outcome, RefundOutcome, RefundStatus):
        return outcome
    unanswered(malformed(outcome, gateway))
    return REFUND_UNKNOWN
