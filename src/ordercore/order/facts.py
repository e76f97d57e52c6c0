"""What is true of an order: the facts that guards of a chart may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.tender import AttemptState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.order.order import Order

__all__ = ["FACTS"]


def paid_in_full(order: Order) -> bool:
    """All that is due was taken, by the plan in force."""
    payments = order.payments
    now = payments.round
    captured = 0
    for attempt in payments.attempts:
        if attempt.round == now and attempt.state is AttemptState.CAPTURED:
            captured += attempt.amount
    return captured == order.content.total


def money_in_flight(order: Order) -> bool:
    """Money may yet arrive, or is held and not given back: nothing may be closed over it."""
    payments = order.payments
    return payments.in_flight or payments.captured > payments.refunded


def all_shipped(order: Order) -> bool:
    """Each line has left in full, what was refunded before aside, and something has left."""
    gone = order.delivery.gone()
    return bool(order.delivery.shipments) and all(
        [gone.get(line.id, 0) >= line.quantity for line in order.content.lines]
    )


def everything_refunding(order: Order) -> bool:
    """Refunds asked, accepted or arrived add up to all that was paid."""
    return order.payments.refunded == order.content.total


def everything_refunded(order: Order) -> bool:
    """Refunds that arrived add up to all that was paid."""
    payments = order.payments
    return payments.refunded == order.content.total and all(
        [refund.arrived for refund in payments.refunds]
    )


def nothing_shipped(order: Order) -> bool:
    """Nothing has left yet."""
    return not order.delivery.shipments


FACTS: Mapping[str, Callable[[Order], bool]] = {
    "paid_in_full": paid_in_full,
    "money_in_flight": money_in_flight,
    "all_shipped": all_shipped,
    "everything_refunding": everything_refunding,
    "everything_refunded": everything_refunded,
    "nothing_shipped": nothing_shipped,
}
"""The published facts, by the names that charts use."""
