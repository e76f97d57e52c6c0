"""Tender: how an order is paid, and how money goes back."""

from ordercore.tender import tenders
from ordercore.tender.attempt import (
    Attempt,
    AttemptState,
    Payments,
    Refund,
    RefundLeg,
    RefundRow,
    settled,
)
from ordercore.tender.carrying import carried_tenders, reallotment
from ordercore.tender.channel import (
    ActionKind,
    Capabilities,
    ChannelReply,
    ChargeRequest,
    Notification,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
)
from ordercore.tender.plan import (
    CapBase,
    PlannedTender,
    PointsRate,
    TenderPlan,
    TenderPolicy,
    TenderRule,
    plan,
)
from ordercore.tender.refund import refund, refundable, refunded_units
from ordercore.tender.tenders import Tender, TenderKind

__all__ = [
    "ActionKind",
    "Attempt",
    "AttemptState",
    "CapBase",
    "Capabilities",
    "ChannelReply",
    "ChargeRequest",
    "Notification",
    "Outcome",
    "OutcomeStatus",
    "PaymentAction",
    "Payments",
    "PlannedTender",
    "PointsRate",
    "Refund",
    "RefundLeg",
    "RefundOutcome",
    "RefundRequest",
    "RefundRow",
    "RefundStatus",
    "Tender",
    "TenderKind",
    "TenderPlan",
    "TenderPolicy",
    "TenderRule",
    "carried_tenders",
    "plan",
    "reallotment",
    "refund",
    "refundable",
    "refunded_units",
    "settled",
    "tenders",
]
