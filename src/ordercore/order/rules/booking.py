"""Booking: what channels did with our money by themselves: chargebacks, fees, payouts.

These are facts: nobody is asked whether they shall be so. They move no lifecycle state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, NotAllowed
from ordercore.money import checked_minor
from ordercore.order.commands import NoteChargeback, NoteFee, NoteRemittance
from ordercore.tender.events import ChargedBack, FeeCharged, Remitted
from ordercore.tender.parting import rounding_left

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule
    from ordercore.tender import Attempt

__all__ = ["GUARDS", "RULES", "chargeable", "unrefunded"]


def chargeable(order: Order, attempt: Attempt) -> int:
    """What may still be charged back of an attempt over this order, in minor units.

    Of an order whose money is with others that is what never went there: what it had refunded itself.
    """
    most = attempt.captured - attempt.returned - attempt.charged_back
    if order.handling.gone and attempt.firm:
        most -= order.payments.left(attempt) + rounding_left(order.payments, attempt)
    return max(0, most)


def unrefunded(order: Order, attempt: Attempt) -> int:
    """The same, of what the payer was not given back by refunds."""
    if order.handling.gone:
        return 0
    left = order.payments.left(attempt) - attempt.charged_back
    return min(max(0, left), chargeable(order, attempt))


def _whole(amount: object, path: str) -> None:
    """A host's own adapter may be written without a type checker, and half a cent is in no book."""
    if type(amount) is not int:
        reason = f"whole minor units, not a {type(amount).__name__}"
        raise InvalidInput(reason, path=path)
    checked_minor(amount, path)


def _bounded(attempt: Attempt, amount: int, most: int, what: str) -> None:
    _whole(amount, "amount")
    if not 0 < amount <= most:
        reason = f"{what} of {amount}, and at most {most} can be over attempt {attempt.id!r}"
        raise InvalidInput(reason, path="amount", amount=amount, most=most)


def charge_back(deciding: Deciding, command: NoteChargeback) -> None:
    """The payer's bank took money back; what had been refunded before is owed by the customer."""
    order = deciding.order
    attempt = order.payments.attempt(command.attempt)
    lineage = order.handling.lineage
    if lineage is not None and lineage.gone and not command.shared:
        names = ", ".join(lineage.successors)
        reason = f"its goods and its money are with {names}"
        raise NotAllowed(reason, order=order.id, state=order.state)
    _bounded(attempt, command.amount, chargeable(order, attempt), "a chargeback")
    _whole(command.fee, "fee")
    if command.fee < 0:
        raise InvalidInput("a fee is not negative", path="fee", fee=command.fee)
    event = ChargedBack(
        attempt.id, command.amount, command.fee, command.reference, command.at, attempt.gateway,
        deciding.order.currency,
    )  # fmt: skip
    deciding.apply(event)


def fee(deciding: Deciding, command: NoteFee) -> None:
    """A channel kept something for itself, or gave it back."""
    _whole(command.amount, "amount")
    if command.amount:
        event = FeeCharged(
            command.gateway, command.amount, command.subject, command.reference,
            deciding.order.currency,
        )  # fmt: skip
        deciding.apply(event)


def remittance(deciding: Deciding, command: NoteRemittance) -> None:
    """What was held for us came to our bank."""
    attempt = deciding.order.payments.attempt(command.attempt)
    _bounded(attempt, command.amount, attempt.captured - attempt.returned, "a payout")
    _whole(command.fee, "fee")
    if not 0 <= command.fee <= command.amount:
        raise InvalidInput("a fee is part of what was held", path="fee", fee=command.fee)
    event = Remitted(
        attempt.id, command.amount, command.fee, command.reference, command.at, attempt.gateway,
        deciding.order.currency,
    )  # fmt: skip
    deciding.apply(event)


RULES: Mapping[type[Any], Rule] = {
    NoteChargeback: charge_back,
    NoteFee: fee,
    NoteRemittance: remittance,
}
GUARDS: Mapping[type[Any], Guard] = {}
