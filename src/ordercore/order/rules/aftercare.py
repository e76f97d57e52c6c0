"""Aftercare: refunds of units and charges, and their way to arrival.

A partial refund does not move the order. A full one leads through *refunding* to *refunded*.
Units that had not left are withdrawn: they will not ship, and their stock is free again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidManifest, KeyReused, NotAllowed
from ordercore.fulfillment import Withdrawn
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.order.commands import AnswerRefund, NoteRefundDelay, RefundOrder
from ordercore.order.events import RefundDelayed
from ordercore.order.facts import everything_refunded
from ordercore.order.rules.deciding import Refusal, unlisted
from ordercore.order.rules.paying import give_all_back, planned_today
from ordercore.tender import RefundStatus, refund, refundable
from ordercore.tender.attempt import REFUNDS_MAX
from ordercore.tender.events import RefundAnswered, RefundRequested

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation

__all__ = ["GUARDS", "RULES", "give_back", "matrix_holds"]

_OPEN = frozenset({None, RefundStatus.UNKNOWN})


def may_refund(order: Order, situation: Situation) -> Refusal | None:
    """Money goes back while the state lists ``refund`` and some is left to go back."""
    refusal = unlisted("refund", "has nothing to refund", order, situation)
    if refusal is not None:
        return refusal
    if order.payments.captured <= order.payments.refunded:
        return Refusal("all that was paid has been refunded")
    if any([attempt.live for attempt in order.payments.current()]):
        return Refusal("a payment is under way: wait for its end")
    if order.due:
        return Refusal(
            "something is due since the order was changed: collect it, change it back, or cancel"
        )
    return None


def _charges_with(order: Order, goods: Manifest) -> tuple[LineId, ...]:
    """Charges go back with the last goods, if nothing ever left."""
    units, charges = refundable(order.content.lines, order.content.charges, order.payments)
    rest = sum(units.values()) - goods.total()
    return charges if rest <= 0 and not order.delivery.shipments else ()


def give_back(
    deciding: Deciding, name: str, goods: Manifest, charges: tuple[str, ...] | None, reason: str
) -> None:
    """Ask a refund: money by the frozen matrix, goods that had not left withdrawn."""
    order = deciding.order
    content = order.content
    if len(order.payments.refunds) >= REFUNDS_MAX:
        raise InvalidManifest(f"an order has at most {REFUNDS_MAX} refunds", path="manifest")
    if any(refund.id == name for refund in order.payments.refunds):
        reason_ = f"the order has a refund {name!r} already"
        raise KeyReused(reason_, path="id", refund=name)
    wanted = _charges_with(order, goods) if charges is None else charges
    asked = refund(
        name, content.lines, content.charges, order.payments, goods, wanted, reason,
        recognized=order.recognized,
    )  # fmt: skip
    gone = order.delivery.gone()
    quantities = {line.id: line.quantity for line in content.lines}
    stays: list[tuple[LineId, Quantity]] = []
    for line_id, units in goods:
        back = min(units, quantities.get(line_id, 0) - gone.get(line_id, 0))
        if back > 0:  # goods at hand stay; only what has left must come back
            stays.append((line_id, Quantity(back)))
    deciding.apply(RefundRequested(asked))
    if stays:
        deciding.apply(Withdrawn(Manifest(tuple(stays))))


def refund_order(deciding: Deciding, command: RefundOrder) -> None:
    """Refund what the command names; everything left where it names nothing."""
    order = deciding.order
    goods = Manifest() if command.goods is None else command.goods
    charges = command.charges
    if not matrix_holds(order):
        if command.goods is not None or charges is not None:
            reason = "what was paid is not what its goods cost today: give all of it back instead"
            raise NotAllowed(reason, order=order.id, state=order.state)
        give_all_back(deciding, command.id, command.reason)
        _after_refund(deciding, command.reason)
        return
    if command.goods is None and charges is None:
        units, left = refundable(order.content.lines, order.content.charges, order.payments)
        goods = Manifest(tuple((line, Quantity(n)) for line, n in units.items()))
        charges = tuple(left)
    give_back(deciding, command.id, goods, charges, command.reason)
    _after_refund(deciding, command.reason)


def matrix_holds(order: Order) -> bool:
    """Whether what was paid is allotted to the goods of today: then units have their exact share of it."""
    payments = order.payments
    if payments.captured - payments.refunded + payments.refunded_now != order.content.total:
        return False
    return planned_today(order) or not payments.captured


def _after_refund(deciding: Deciding, reason: str) -> None:
    """What follows for the order: all back leads to *refunding*, the rest of the goods stays."""
    after = deciding.order
    if after.all_asked_back():
        rest = after.shippable()
        if rest:  # what cost nothing: with all money back, nothing more leaves
            deciding.apply(Withdrawn(rest))
        deciding.move("refund", reason)
    elif deciding.lists("ship") and after.delivery.shipments and not after.shippable():
        deciding.move("ship")  # the rest was refunded: all that will leave has left


def answer_refund(deciding: Deciding, command: AnswerRefund) -> None:
    """Take answers about legs in; never backwards: what arrived stays arrived."""
    for place, outcome in command.answers:
        leg = deciding.order.payments.refund(command.refund).leg(place)
        status = outcome.status
        if status is RefundStatus.ACCEPTED and leg.status not in _OPEN:
            continue  # older news than what is known
        if leg.status is RefundStatus.ARRIVED or leg.status is status:
            continue
        if status is RefundStatus.UNKNOWN and leg.status is not None:
            continue
        deciding.apply(
            RefundAnswered(
                command.refund, place, status, outcome.reference, outcome.at, outcome.reason
            )
        )
    if deciding.lists("refunded") and everything_refunded(deciding.order):
        deciding.move("refunded")


def note_delay(deciding: Deciding, command: NoteRefundDelay) -> None:
    """A leg is late: somebody must look."""
    leg = deciding.order.payments.refund(command.refund).leg(command.leg)
    if not leg.arrived:
        deciding.apply(RefundDelayed(command.refund, command.leg))


RULES: Mapping[type[Any], Rule] = {
    RefundOrder: refund_order,
    AnswerRefund: answer_refund,
    NoteRefundDelay: note_delay,
}
GUARDS: Mapping[type[Any], Guard] = {RefundOrder: may_refund}
