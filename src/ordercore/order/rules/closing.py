"""Closing: ending an order that will not be fulfilled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import NotAllowed
from ordercore.fulfillment import Withdrawn
from ordercore.goods import Manifest, Quantity
from ordercore.order.commands import Cancel, Close, Seal
from ordercore.order.events import ClosingAsked
from ordercore.order.facts import has_payment
from ordercore.order.handling import Rule as HandlingRule
from ordercore.order.rules import instalment
from ordercore.order.rules.aftercare import give_back, matrix_holds
from ordercore.order.rules.amending import overruled
from ordercore.order.rules.deciding import Refusal, unlisted
from ordercore.order.rules.paying import close_unpaid, give_all_back, gives_back, paid_in_time
from ordercore.party import ActorKind
from ordercore.tender import refundable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation

__all__ = ["GUARDS", "RULES", "end"]

CANCEL = "cancel"
CLOSE = "close"
"""The event that closes: by time-out where it does not seal, for good where it does."""


def may_cancel(order: Order, situation: Situation) -> Refusal | None:
    """An order is canceled while its state lists ``cancel`` and nothing has left."""
    refusal = unlisted(CANCEL, "cannot be canceled", order, situation)
    if refusal is not None:
        return refusal
    if order.delivery.shipments:
        return Refusal("part of the order has left: refund the rest instead")
    if order.delivery.taken():
        return Refusal("a carrier has part of the order already: dispatch that, or refund the rest")
    return paid_in_time(order, situation, CANCEL)


def may_close(order: Order, situation: Situation) -> Refusal | None:
    """An unpaid order is closed while its state lists an event for it."""
    return unlisted(CLOSE, "is not to be closed", order, situation)


def cancel(deciding: Deciding, command: Cancel) -> None:
    """End the order: an unpaid one closes, a paid one gives everything back and closes.

    By another event than ``cancel`` it is the clock that ends it.
    """
    order = deciding.order
    refusal = paid_in_time(order, deciding.situation, command.via)
    if refusal is not None:
        raise NotAllowed(refusal.reason, order=order.id, state=order.state)
    if command.via == CANCEL and deciding.situation.speaker is ActorKind.STAFF:
        instalment.double(deciding, command.reason)
    end(deciding, command.via, command.reason, command.refund_id)


def end(deciding: Deciding, via: str, reason: str, refund_id: str) -> None:
    """End the order by a lifecycle event. Attempts under way first have their last word; what was paid goes back."""
    order = deciding.order
    payments = order.payments
    if order.closing is not None or not (payments.keeps() or not order.content.total):
        close_unpaid(deciding, via, reason)
        return
    if payments.in_flight and not _settled_round(order):
        close_unpaid(deciding, via, reason)
        return
    if gives_back(order, deciding.situation, via):
        _give_everything(deciding, reason, refund_id)
    if deciding.order.shippable():
        deciding.apply(Withdrawn(deciding.order.shippable()))
    if deciding.order.payments.in_flight and not _open(deciding, via):
        deciding.apply(ClosingAsked(via, reason))  # what was only held is let go first
        return
    deciding.move(via, reason)


def _open(deciding: Deciding, via: str) -> bool:
    """Whether the lifecycle lets the order go this way as it stands."""
    order = deciding.order
    try:
        deciding.situation.lifecycle.fire(order.state, via, order)
    except NotAllowed:
        return False
    return True


def _settled_round(order: Order) -> bool:
    """Whether the payment in force is at its end, whatever former ones still wait for."""
    return all([not attempt.live for attempt in order.payments.current()])


def _give_everything(deciding: Deciding, reason: str, refund_id: str) -> None:
    """Ask all back: by the matrix where it holds, else whatever each tender holds."""
    order = deciding.order
    content = order.content
    if order.due or order.payments.taken_back or not matrix_holds(order):
        give_all_back(deciding, refund_id, reason)
        return
    units, charges = refundable(content.lines, content.charges, order.payments)
    goods = Manifest(tuple((line, Quantity(n)) for line, n in units.items()))
    if has_payment(order) and (goods or charges):
        give_back(deciding, refund_id, goods, tuple(charges), reason)


def close(deciding: Deciding, command: Close) -> None:
    """End an unpaid order because its time is up."""
    close_unpaid(deciding, command.via, command.reason, timed_out=True)


def may_seal(order: Order, situation: Situation) -> Refusal | None:
    """An order is closed for good while its state lists ``close`` and no attempt is open."""
    if CLOSE not in situation.lifecycle.sealing:
        return Refusal("the lifecycle closes no order for good")
    refusal = unlisted(CLOSE, "cannot be closed", order, situation)
    if refusal is not None:
        return refusal
    if order.payments.in_flight:
        return Refusal("a payment is under way: wait for its end")
    return None


def owing(order: Order, _situation: Situation) -> Refusal | None:
    """No order is closed for good while money is owed either way."""
    if order.due:
        return Refusal(f"{order.due} is still to be paid")
    held = sum([a.to_capture for a in order.payments.attempts if a.firm])
    if held:
        return Refusal(f"{held} is held and was not taken: capture it, confirm it, or give it back")
    return Refusal(f"{order.owed} is owed back") if order.owed else None


def may_ask_seal(order: Order, situation: Situation) -> Refusal | None:
    """Both of them, for who asks what may be done."""
    return may_seal(order, situation) or owing(order, situation)


def seal(deciding: Deciding, command: Seal) -> None:
    """Close the order for good; not while money is owed either way."""
    refusal = owing(deciding.order, deciding.situation)
    if refusal is not None:
        overruled(deciding, HandlingRule.CLOSE_OWING, refusal, command.overrule)
    deciding.move(CLOSE, command.reason)


RULES: Mapping[type[Any], Rule] = {Cancel: cancel, Close: close, Seal: seal}
GUARDS: Mapping[type[Any], Guard] = {Cancel: may_cancel, Close: may_close, Seal: may_seal}
