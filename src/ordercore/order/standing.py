"""Where an order stands, derived from its facts and never stored."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from ordercore.tender import AttemptState
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.order.order import Order

__all__ = ["DeliveryStanding", "PaymentStanding", "Standing", "standing"]


class PaymentStanding(enum.Enum):
    """How far the money is."""

    UNPAID = "unpaid"
    PENDING = "pending"
    """An attempt is open or waits for the payer."""
    CLOSING = "closing"
    """The order is to close and a channel has not yet said its last word."""
    RETURNING = "returning"
    """A payment is being undone."""
    PAID = "paid"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


class DeliveryStanding(enum.Enum):
    """How far the goods are."""

    NOT_SHIPPED = "not_shipped"
    PARTLY_SHIPPED = "partly_shipped"
    SHIPPED = "shipped"
    RECEIVED = "received"


@value
class Standing:
    """Figures in minor units. ``due`` is what must still be paid, ``refundable`` what may still go back."""

    payment: PaymentStanding
    delivery: DeliveryStanding
    due: int
    paid: int
    refunded: int
    refundable: int


def _payment(order: Order) -> PaymentStanding:
    payments = order.payments
    states = {attempt.state for attempt in payments.attempts}
    if order.closing is not None:
        return PaymentStanding.CLOSING
    if payments.refunded:
        arrived = all(refund.arrived for refund in payments.refunds)
        if not arrived:
            return PaymentStanding.REFUNDING
        whole = payments.refunded == order.content.total
        return PaymentStanding.REFUNDED if whole else PaymentStanding.PARTLY_REFUNDED
    if AttemptState.RETURNING in states:
        return PaymentStanding.RETURNING
    if payments.captured == order.content.total:
        return PaymentStanding.PAID
    return PaymentStanding.PENDING if payments.in_flight else PaymentStanding.UNPAID


def _delivery(order: Order) -> DeliveryStanding:
    if order.delivery.received_at is not None:
        return DeliveryStanding.RECEIVED
    if not order.delivery.shipments:
        return DeliveryStanding.NOT_SHIPPED
    return DeliveryStanding.PARTLY_SHIPPED if order.shippable() else DeliveryStanding.SHIPPED


def standing(order: Order) -> Standing:
    """Where ``order`` stands."""
    payments = order.payments
    paid = payments.captured
    due = 0 if order.state == "closed" else max(0, order.content.total - payments.held)
    return Standing(
        _payment(order), _delivery(order), due, paid, payments.refunded, paid - payments.refunded
    )
