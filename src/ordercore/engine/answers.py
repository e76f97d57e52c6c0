"""What a gateway answered: whether it can be kept, and what no answer is."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ordercore.clock import utc
from ordercore.errors import InvalidInput, OrdercoreError, OtherSideFailed, PortFailed
from ordercore.money import MINOR_MAX
from ordercore.tender import (
    ActionKind,
    AttemptState,
    ChannelReply,
    Chargeback,
    Failure,
    Notification,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.ports import CreditGateway, PaymentGateway
    from ordercore.tender import Attempt

__all__ = [
    "REFUND_UNKNOWN",
    "UNKNOWN",
    "chargeback_told_well",
    "malformed",
    "parsed",
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
_NO_ROOM, _ROOM = timedelta(0), timedelta(days=3653)
"""Ten years: what is counted from a success, or back from an end, stays within the calendar."""


def unanswered(error: OtherSideFailed) -> Outcome:
    """No answer, or none that can be read: unknown, and told to whoever reads the log."""
    if isinstance(error, PortFailed):
        _LOG.error("%s", error, exc_info=error)
    return UNKNOWN


def _timed(at: object, room: timedelta = _NO_ROOM) -> bool:
    """Whether a time is none, or one that can be read back: it must be within the calendar in UTC, too."""
    if at is None:
        return True
    if not isinstance(at, datetime):
        return False
    try:
        if at.utcoffset() is None:
            return False
        utc(at) + room
    except (ArithmeticError, TypeError, ValueError, InvalidInput):
        return False
    return True


def _text(found: object) -> bool:
    """Whether it is a text of whole characters: a store takes no other."""
    if type(found) is not str:
        return False
    try:
        found.encode()
    except UnicodeEncodeError:
        return False
    return True


def _action(action: object) -> bool:
    """Whether it is what a payer can be asked; none is."""
    return action is None or (
        type(action) is PaymentAction
        and type(action.kind) is ActionKind
        and _text(action.content)
        and _text(action.gateway)
        and _timed(action.expires_at)
    )


def readable(outcome: Outcome | RefundOutcome, kind: type, status: type) -> bool:
    """Whether an answer has the types that can be kept: a port may be written without a type checker."""
    return (
        type(outcome) is kind
        and type(outcome.status) is status
        and _text(outcome.reference)
        and _text(outcome.reason)
        and _timed(outcome.at, _ROOM)
    )


def chargeback_told_well(told: Chargeback) -> bool:
    """Whether what is told of a chargeback can be kept: amounts are whole and above zero, a fee not below."""
    return (
        type(told.amount) is type(told.fee) is int
        and 0 < told.amount <= MINOR_MAX
        and 0 <= told.fee <= MINOR_MAX
        and _text(told.reference)
        and _text(told.reason)
        and _timed(told.at)
    )


def parsed(gateway: PaymentGateway, headers: Mapping[str, str], body: bytes) -> Notification:
    """A channel's notification as its adapter reads it; raises `PortFailed` where the adapter itself is at fault."""
    name = f"{type(gateway).__name__}.parse"
    try:
        told = gateway.parse(headers, body)
    except OrdercoreError:
        raise
    except Exception as error:
        what = type(error).__name__
        raise PortFailed(f"{name} raised {what}: {error}", port=name, error=what) from error
    if not _notification(told):
        raise PortFailed(f"{name} gave no notification: {told!r}", port=name)
    return told


def _notification(told: Notification) -> bool:
    """Whether it has the types of a notification; what it says is looked at later."""
    return (
        type(told) is Notification
        and _text(told.event_id)
        and _text(told.key)
        and isinstance(told.outcome, Outcome | RefundOutcome | Chargeback)
        and type(told.reply) is ChannelReply
        and (told.amount is None or type(told.amount) is int)
        and _text(told.currency)
        and (told.sent_at is None or isinstance(told.sent_at, datetime))
        and type(told.irrelevant) is bool
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
        _action(action)
        and (failure is None or type(failure) is Failure)
        and _timed(outcome.expires_at, -_ROOM)
    ):
        return False
    if amount is None or outcome.status not in _MONEY:
        return amount is None or type(amount) is int
    if type(amount) is not int or not 0 < amount <= MINOR_MAX:
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
