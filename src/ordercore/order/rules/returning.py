"""Returning: how legs of refunds get on their way: what is sent, what goes by another way, what staff confirms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, NotAllowed
from ordercore.order.commands import AnswerRefund, ConfirmRefund, RerouteRefund, SendRefunds
from ordercore.order.rules.aftercare import answer_refund
from ordercore.order.rules.deciding import Refusal
from ordercore.tender import RefundStatus
from ordercore.tender.events import RefundRerouted, RefundSent
from ordercore.tender.refund import check_reroute
from ordercore.tender.sending import OPEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation

__all__ = ["GUARDS", "RULES"]

_LAST = frozenset({RefundStatus.ARRIVED, RefundStatus.FAILED})


def send(deciding: Deciding, command: SendRefunds) -> None:
    """Write down that legs are asked of their channels: those over one attempt as one.

    Raises `NotAllowed` where one of them was sent meanwhile.
    """
    order = deciding.order
    groups: dict[str, list[tuple[str, int]]] = {}
    for name, place in command.legs:
        leg = order.payments.refund(name).leg(place)
        if leg.status not in OPEN or leg.sent or leg.gateway or leg.released:
            reason = f"leg {place} of refund {name!r} is under way already"
            raise NotAllowed(reason, order=order.id, state=order.state, refund=name, leg=place)
        groups.setdefault(leg.attempt, []).append((name, place))
    for legs in groups.values():
        deciding.apply(RefundSent(tuple(legs), deciding.situation.at))


def may_reroute(order: Order, _situation: Situation) -> Refusal | None:
    """Another way is for what failed: nothing was moved by it, and nothing will be."""
    for refund in order.payments.refunds:
        for leg in refund.legs:
            if leg.status is RefundStatus.FAILED:
                return None
    return Refusal("no part of a refund has failed")


def reroute(deciding: Deciding, command: RerouteRefund) -> None:
    """Let a leg that failed go to an account of the customer's, or by its own way again.

    Raises `NotAllowed` for a leg that has not failed, without the customer's consent, and for money that the
    payer's bank took back.
    """
    order = deciding.order
    refund = order.payments.refund(command.refund)
    leg = refund.leg(command.leg)
    where: dict[str, Any] = {
        "order": order.id, "state": order.state, "refund": refund.id, "leg": command.leg,
    }  # fmt: skip
    if leg.status is not RefundStatus.FAILED:
        said = "not answered" if leg.status is None else leg.status.value
        raise NotAllowed(f"only what failed goes by another way: this leg is {said}", **where)
    consent = command.consent or refund.consent
    account = command.account or leg.account or order.content.customer.id
    if command.gateway and not consent:
        reason = "another way than the original needs the customer's recorded consent"
        raise NotAllowed(reason, path="consent", **where)
    if command.gateway and not account:
        raise NotAllowed("the order has no customer: name the account", path="account", **where)
    check_reroute(order.payments, leg, order.currency)
    deciding.apply(
        RefundRerouted(
            refund.id, command.leg, command.gateway, account if command.gateway else "",
            consent, command.reason,
        )
    )  # fmt: skip


def confirm(deciding: Deciding, command: ConfirmRefund) -> None:
    """Take in what somebody of the shop says of a leg: it has arrived, or it will not.

    Raises `NotAllowed` for one that has arrived already.
    """
    order = deciding.order
    leg = order.payments.refund(command.refund).leg(command.leg)
    status = command.outcome.status
    if status not in _LAST:
        reason = "somebody says that it has arrived, or that it has failed"
        raise InvalidInput(reason, path="outcome", status=status.value)
    if leg.arrived:
        reason = "this part of the refund has arrived already"
        raise NotAllowed(
            reason, order=order.id, state=order.state, refund=command.refund, leg=command.leg
        )
    answer_refund(deciding, AnswerRefund(command.refund, ((command.leg, command.outcome),)))


RULES: Mapping[type[Any], Rule] = {
    SendRefunds: send,
    RerouteRefund: reroute,
    ConfirmRefund: confirm,
}
GUARDS: Mapping[type[Any], Guard] = {RerouteRefund: may_reroute}
