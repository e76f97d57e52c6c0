"""Compensating: money for the customer that is no refund, so it is not bounded by what was paid.

It has an account and an approval of its own, and is written down before any gateway is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, KeyReused
from ordercore.money import checked_minor
from ordercore.order.commands import AnswerCompensation, Compensate
from ordercore.order.rules.marking import TEXT_MAX, named
from ordercore.tender import RefundStatus
from ordercore.tender.events import CompensationAnswered, CompensationGranted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.rules.deciding import Deciding, Guard, Rule
    from ordercore.tender import Compensation

__all__ = ["COMPENSATIONS_MAX", "GUARDS", "RULES"]

COMPENSATIONS_MAX = 100
"""Most compensations of one order."""
_DONE = frozenset({RefundStatus.ARRIVED, RefundStatus.FAILED})


def compensate(deciding: Deciding, command: Compensate) -> None:
    """Grant it: above nothing, under a name of its own, approved by who grants it.

    It takes the place of one of the same amount that was granted to a guest and names no account.
    """
    given, order = command.compensation, deciding.order
    if type(given.amount) is not int or given.amount <= 0:
        raise InvalidInput("a compensation is above nothing", path="amount", amount=given.amount)
    checked_minor(given.amount, "amount")
    named(given.reason, "reason", TEXT_MAX)
    if given.approved_by != str(deciding.situation.by):
        reason = "who grants a compensation is who approves it"
        raise InvalidInput(reason, path="approved_by", by=str(deciding.situation.by))
    if given.status is not None:
        raise InvalidInput("nobody has answered it yet", path="status")
    known = order.payments.compensations
    if any([one.id == given.id for one in known]):
        reason = f"the order has a compensation {given.id!r} already"
        raise KeyReused(reason, path="id", compensation=given.id)
    if len(known) >= COMPENSATIONS_MAX:
        reason = f"an order has at most {COMPENSATIONS_MAX} compensations"
        raise InvalidInput(reason, path="compensation")
    nameless = _nameless(known, given)
    if nameless:
        deciding.apply(
            CompensationAnswered(nameless, RefundStatus.FAILED, "", deciding.situation.at)
        )
    deciding.apply(CompensationGranted(given))


def _nameless(known: tuple[Compensation, ...], given: Compensation) -> str:
    """The grant to a guest that waits for an account and that this one, with an account, stands for; or nothing."""
    for one in known:
        same = (one.amount, one.gateway) == (given.amount, given.gateway)
        if same and given.account and not one.account and one.status is None:
            return one.id
    return ""


def answer_compensation(deciding: Deciding, command: AnswerCompensation) -> None:
    """Take an answer in; never backwards: what arrived stays arrived, what failed moved nothing."""
    given = deciding.order.payments.compensation(command.compensation)
    outcome = command.outcome
    if given.status in _DONE or outcome.status in {given.status, RefundStatus.UNKNOWN}:
        return
    deciding.apply(CompensationAnswered(given.id, outcome.status, outcome.reference, outcome.at))


RULES: Mapping[type[Any], Rule] = {
    Compensate: compensate,
    AnswerCompensation: answer_compensation,
}
GUARDS: Mapping[type[Any], Guard] = {}
