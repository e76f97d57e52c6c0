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
    """Something was paid, and less than the order costs: a deposit, a transfer that fell short, an amendment."""
    PAID = "paid"
    """What it costs was taken, or is held to be taken later as agreed."""
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
    ``owed`` what was paid above the price, as after a cancellation whose money has not gone back.

    ``paid`` is what counts as paid: taken and not undone, or held to be taken later as agreed (`Payments.received`
    is what was really taken). ``refunded`` was asked back, arrived or not, what is only held and let go included.
    Neither knows what was granted beside refunds. What is kept of a deposit, and what payers' banks took back,
    stays paid and is not refundable.
    """

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
    paid, refunded = payments.captured, payments.refunded
    stays = payments.forfeited + payments.taken_back
    return Standing(
        _payment(order), _delivery(order), order.due, paid, refunded,
        max(0, paid - refunded - stays), order.owed,
    )  # fmt: skip
