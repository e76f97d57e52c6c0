"""The order: what was agreed, what happened to it, what may be asked of it."""

from ordercore.order.commands import (
    Accept,
    AnswerAttempts,
    AnswerRefund,
    Cancel,
    Close,
    Command,
    CommandKind,
    Complete,
    Deliver,
    NoteRefundDelay,
    Pay,
    RefundOrder,
    Remind,
    Ship,
    UndoPayment,
)
from ordercore.order.decide import Decision, Permission, allowed, decide, place
from ordercore.order.events import (
    EVENTS,
    ClosingAsked,
    FundedShare,
    Moved,
    OrderEvent,
    Placed,
    RefundDelayed,
    Reminded,
    RevenueRecognized,
)
from ordercore.order.evolve import evolve, fold, replay
from ordercore.order.facts import FACTS
from ordercore.order.order import Closing, Order, OrderContent
from ordercore.order.posting import posting
from ordercore.order.rules.deciding import Situation
from ordercore.order.standing import DeliveryStanding, PaymentStanding, Standing, standing

__all__ = [
    "EVENTS",
    "FACTS",
    "Accept",
    "AnswerAttempts",
    "AnswerRefund",
    "Cancel",
    "Close",
    "Closing",
    "ClosingAsked",
    "FundedShare",
    "Command",
    "CommandKind",
    "Complete",
    "Decision",
    "Deliver",
    "DeliveryStanding",
    "Moved",
    "NoteRefundDelay",
    "Order",
    "OrderContent",
    "OrderEvent",
    "Pay",
    "PaymentStanding",
    "Permission",
    "Placed",
    "RefundDelayed",
    "RefundOrder",
    "Remind",
    "Reminded",
    "RevenueRecognized",
    "Ship",
    "Situation",
    "Standing",
    "UndoPayment",
    "allowed",
    "decide",
    "evolve",
    "fold",
    "place",
    "posting",
    "replay",
    "standing",
]
