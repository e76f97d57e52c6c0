"""The order's own events, and the closed union of all that can happen to it."""

from __future__ import annotations

from datetime import datetime

from ordercore.event import Event, event
from ordercore.fulfillment import Received, Shipped, Withdrawn
from ordercore.order.order import OrderContent
from ordercore.pricing import Funder, TaxTotal
from ordercore.tender.events import (
    AttemptAnswered,
    CaptureAsked,
    PaymentStarted,
    RefundAnswered,
    RefundRequested,
    UndoAsked,
)
from ordercore.value import value

__all__ = [
    "EVENTS",
    "ClosingAsked",
    "FundedShare",
    "Moved",
    "OrderEvent",
    "Placed",
    "RefundDelayed",
    "Reminded",
    "RevenueRecognized",
]


@event("order.placed")
class Placed(Event):
    """The order exists: what was agreed, and the state it starts in."""

    content: OrderContent
    state: str


@event("order.moved")
class Moved(Event):
    """The lifecycle moved: by which event, from where to where, and why."""

    via: str
    source: str
    to: str
    reason: str = ""


@event("order.closing_asked")
class ClosingAsked(Event):
    """The order is to close; the attempts that wait are first closed at their channels."""

    via: str
    reason: str
    attempts: tuple[str, ...] = ()


@event("order.reminded")
class Reminded(Event):
    """The shopper is to be reminded that the order must be paid by ``pay_by``."""

    pay_by: datetime | None


@value
class FundedShare:
    """What a third party bears of the discounts on what is sold, in minor units."""

    funder: Funder
    amount: int


@event("order.revenue_recognized")
class RevenueRecognized(Event):
    """The sale is earned: goods and fees by tax rate, and shipping by tax rate.

    The nets are what the customer paid; a net that bears several components of tax is told with the
    first of them. ``funded`` is earned beside it from third parties: for goods and fees,
    and ``charges_funded`` for shipping. ``duties`` were collected for the state of the destination and are not earned at all.
    """

    goods: tuple[TaxTotal, ...]
    charges: tuple[TaxTotal, ...]
    funded: tuple[FundedShare, ...] = ()
    duties: int = 0
    charges_funded: tuple[FundedShare, ...] = ()


@event("order.refund_delayed")
class RefundDelayed(Event):
    """A leg of a refund has not arrived when it should have; somebody must look."""

    refund: str
    leg: int


OrderEvent = (
    Placed
    | Moved
    | ClosingAsked
    | Reminded
    | RevenueRecognized
    | RefundDelayed
    | PaymentStarted
    | AttemptAnswered
    | CaptureAsked
    | UndoAsked
    | RefundRequested
    | RefundAnswered
    | Shipped
    | Withdrawn
    | Received
)
"""Everything that can happen to an order."""

EVENTS: dict[str, type[Event]] = {
    cls.name: cls
    for cls in (
        Placed,
        Moved,
        ClosingAsked,
        Reminded,
        RevenueRecognized,
        RefundDelayed,
        PaymentStarted,
        AttemptAnswered,
        CaptureAsked,
        UndoAsked,
        RefundRequested,
        RefundAnswered,
        Shipped,
        Withdrawn,
        Received,
    )
}
"""Every event class by its stored name; a test holds it equal to the union."""
