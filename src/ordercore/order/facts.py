"""What is true of an order: the facts that guards of a chart may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.fulfillment import TROUBLED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.order.order import Order

__all__ = ["FACTS"]


def paid_in_full(order: Order) -> bool:
    """All that is due was taken: by the payment in force, and by former ones whose money counts."""
    payments = order.payments
    captured = 0
    if payments.carried or payments.settled:
        captured = payments.captured - payments.refunded
        return captured >= order.content.total - payments.refunded_now
    now = payments.round
    names = []
    for attempt in payments.attempts:
        if attempt.round == now:
            captured += attempt.counted
            names.append(attempt.id)
    for refund in payments.refunds:
        if refund.surplus:  # it was paid above what was asked, and pays nothing
            captured -= sum([leg.amount for leg in refund.legs if leg.attempt in names])
    return captured >= order.content.total


def nothing_due(order: Order) -> bool:
    """The money in our hands or promised to us covers what the order costs."""
    return not order.due


def deposit_taken(order: Order) -> bool:
    """The deposit of an order in two parts was taken, and not asked back."""
    if order.presale is None:
        return False
    payments = order.payments
    return payments.captured - payments.refunded >= order.deposit


def has_payment(order: Order) -> bool:
    """Something was paid and not asked back."""
    return order.payments.captured > order.payments.refunded


def valid(order: Order) -> bool:
    """It was looked over and found valid."""
    review = order.handling.review
    return review is not None and review.valid


def all_items_marked(order: Order) -> bool:
    """Each line has a status of its own."""
    marked = {line for line, _ in order.handling.items}
    return all(line.id in marked for line in order.content.lines)


def money_in_flight(order: Order) -> bool:
    """Money may yet arrive, or is held and not given back: nothing may be closed over it."""
    payments = order.payments
    held = payments.captured - payments.refunded
    return payments.in_flight or held > payments.taken_back


def all_shipped(order: Order) -> bool:
    """Each line has left in full, what was refunded before aside, and something has left."""
    gone = order.delivery.gone()
    return bool(order.delivery.shipments) and all(
        [gone.get(line.id, 0) >= line.quantity for line in order.content.lines]
    )


def everything_refunding(order: Order) -> bool:
    """Refunds asked, accepted or arrived add up to all that was paid."""
    return order.all_asked_back() or not order.content.total


def everything_refunded(order: Order) -> bool:
    """Refunds that arrived add up to all that was paid."""
    return everything_refunding(order) and all(
        [refund.arrived for refund in order.payments.refunds]
    )


def nothing_shipped(order: Order) -> bool:
    """Nothing has left yet."""
    return not order.delivery.shipments


def all_delivered(order: Order) -> bool:
    """Something has left, nothing is left to leave, and all of it is known to have arrived."""
    return order.delivery.arrived_at() is not None and not order.shippable()


def no_parcel_in_trouble(order: Order) -> bool:
    """No parcel is hindered, refused, returned or lost."""
    return not any([parcel.state in TROUBLED for parcel in order.delivery.parcels])


FACTS: Mapping[str, Callable[[Order], bool]] = {
    "paid_in_full": paid_in_full,
    "money_in_flight": money_in_flight,
    "all_shipped": all_shipped,
    "everything_refunding": everything_refunding,
    "everything_refunded": everything_refunded,
    "nothing_shipped": nothing_shipped,
    "all_delivered": all_delivered,
    "no_parcel_in_trouble": no_parcel_in_trouble,
    "nothing_due": nothing_due,
    "has_payment": has_payment,
    "deposit_taken": deposit_taken,
    "valid": valid,
    "all_items_marked": all_items_marked,
}
"""The published facts, by the names that charts use."""
