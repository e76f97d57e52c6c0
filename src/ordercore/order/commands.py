"""What may be asked of an order, and by whom.

A command is a wish; `ordercore.order.decide` answers with events or a refusal.
`CommandKind` names those that people send; the others come from gateways and timers.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from ordercore.value import value

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.goods import Manifest
    from ordercore.tender import Outcome, RefundOutcome, TenderPlan

__all__ = [
    "Accept",
    "AnswerAttempts",
    "AnswerRefund",
    "Cancel",
    "Close",
    "Command",
    "CommandKind",
    "Complete",
    "Deliver",
    "NoteRefundDelay",
    "Pay",
    "RefundOrder",
    "Remind",
    "Ship",
    "UndoPayment",
]


class CommandKind(enum.Enum):
    """The commands that a person or the shop's own process may send."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    PAY = "pay"
    ACCEPT = "accept"
    SHIP = "ship"
    DELIVER = "deliver"
    COMPLETE = "complete"
    CANCEL = "cancel"
    REFUND = "refund"


@value
class Pay:
    """Pay by this plan; every attempt is written down first."""

    plan: TenderPlan


@value
class Accept:
    """Take a paid order up for shipment."""


@value
class Ship:
    """Goods leave; without ``goods``, all that is left to ship."""

    id: str
    goods: Manifest | None = None
    carrier: str = ""
    tracking: str = ""


@value
class Deliver:
    """The goods arrived, by the carrier's word or the shopper's; or nobody said so and time is up."""

    at: datetime | None = None
    by_timer: bool = False


@value
class Complete:
    """The customer keeps the goods: the sale is earned."""


@value
class Cancel:
    """End the order before it ships; what was paid goes back."""

    reason: str
    refund_id: str = ""


@value
class Close:
    """End an unpaid order because its time is up."""

    reason: str


@value
class RefundOrder:
    """Give back units of lines and whole charges.

    Without either, everything that is left. Without ``charges``, those that go with the last goods
    of an order of which nothing has left.
    """

    id: str
    goods: Manifest | None
    reason: str
    charges: tuple[str, ...] | None = None


@value
class AnswerAttempts:
    """Gateways spoke about attempts: (attempt, outcome) pairs.

    ``told``: they did so by a notification, which may be old. ``goods_lost``: the stock keeper no longer holds the goods, or the book the coupons, so money that came is sent back.
    """

    answers: tuple[tuple[str, Outcome], ...]
    goods_lost: bool = False
    told: bool = False


@value
class AnswerRefund:
    """Gateways spoke about legs of a refund: (leg, outcome) pairs."""

    refund: str
    answers: tuple[tuple[int, RefundOutcome], ...]


@value
class UndoPayment:
    """Give up the payment under way: everything held or open is to be undone.

    ``round`` is the payment that is meant, ``None`` whichever it is; another one is left alone.
    """

    reason: str
    round: int | None = None


@value
class Remind:
    """It is time to remind the shopper to pay."""


@value
class NoteRefundDelay:
    """A leg of a refund has not arrived when it should have."""

    refund: str
    leg: int


Command = (
    Pay
    | Accept
    | Ship
    | Deliver
    | Complete
    | Cancel
    | Close
    | RefundOrder
    | AnswerAttempts
    | AnswerRefund
    | UndoPayment
    | Remind
    | NoteRefundDelay
)
"""Everything that may be asked of an order."""
