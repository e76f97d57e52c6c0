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
    PARTLY_PAID = "partly_paid"
    """Something was paid, and an amendment left more to pay."""
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
    """Figures in minor units. ``due`` is what must still be paid, ``refundable`` what may still go back,
    ``owed`` what was paid above the price, as after a cancellation whose money has not gone back."""

    payment: PaymentStanding
    delivery: DeliveryStanding
    due: int
    paid: int
    refunded: int
    refundable: int
    owed: int = 0


def _payment(order: Order) -> PaymentStanding:
    payments = order.payments
    states = {attempt.state for attempt in payments.attempts}
    if order.closing is not None:
        return PaymentStanding.CLOSING
    if payments.refunded_now:
        arrived = all(refund.arrived for refund in payments.refunds)
        if not arrived:
            return PaymentStanding.REFUNDING
        whole = order.all_asked_back()
        return PaymentStanding.REFUNDED if whole else PaymentStanding.PARTLY_REFUNDED
    if AttemptState.RETURNING in states:
        return PaymentStanding.RETURNING
    net = payments.captured - payments.refunded
    if net >= order.content.total:
        return PaymentStanding.PAID
    if payments.in_flight:
        return PaymentStanding.PENDING
    return PaymentStanding.PARTLY_PAID if net else PaymentStanding.UNPAID


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
    return Standing(
        _payment(order), _delivery(order), order.due, paid, payments.refunded,
        paid - payments.refunded, order.owed,
    )  # fmt: skip
