"""ordercore: an order engine that a shop imports.

The shop window: what a host needs every day stands here by name.
Adapters live in `ordercore.adapters`, the testing kit in `ordercore.testing`;
importing this module loads neither, nor any extra.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from ordercore import lifecycle as _lifecycle
from ordercore import money as _money
from ordercore import tender as _tender
from ordercore.calendar import WorkingHours
from ordercore.clock import Clock, SettableClock, SystemClock
from ordercore.engine import (
    Amendment,
    AsyncOrderEngine,
    CompensationResult,
    OrderEngine,
    PaymentResult,
    RefundResult,
    Sweep,
)
from ordercore.engine.traffic import ChannelTraffic
from ordercore.errors import (
    InvalidInput,
    KeyReused,
    NotAllowed,
    NotFound,
    OrdercoreError,
    OtherSideFailed,
    OutOfStock,
    PriceChanged,
    Refused,
    Stale,
    UnreadableData,
)
from ordercore.fulfillment import (
    KeepApart,
    KeepTogether,
    KeepWhole,
    Parcel,
    ParcelGroup,
    ParcelKind,
    ParcelState,
    PickupPolicy,
    Proxy,
    SplitBy,
    SplitPolicy,
    StockPolicy,
    TrackPoint,
    Waybill,
)
from ordercore.goods import Manifest
from ordercore.identity import CountedIds, IdSource, NumberTemplate, SystemIds
from ordercore.ledger import (
    AccountKind,
    CommissionRule,
    Difference,
    MovementKind,
    ReconciliationClass,
    ReconciliationReport,
    SettlementPolicy,
    StatementPeriod,
    StatementRow,
)
from ordercore.lifecycle import Lifecycle, TimerAction, TimerRule, VisibleStep
from ordercore.money import CashRounding, Percent, Rounding
from ordercore.order import (
    AddLine,
    CartChange,
    ChangeAddress,
    ChangeCodes,
    ChangeQuantity,
    ChangeShipping,
    ChargeShare,
    ChargeSplit,
    CommandKind,
    HandlingPolicy,
    MergeMatrix,
    MergePolicy,
    MergeRefusal,
    Order,
    Permission,
    Portion,
    RemoveLine,
    SplitPart,
    Standing,
    standing,
)
from ordercore.party import (
    SYSTEM,
    Actor,
    ActorKind,
    Address,
    Attribution,
    Destination,
    Party,
)
from ordercore.policy import Policies, Preset
from ordercore.ports import (
    Carrier,
    CouponBook,
    CreditGateway,
    Hook,
    ItemPage,
    LedgerPage,
    LedgerQuery,
    OrderPage,
    OrderQuery,
    OrderStore,
    PaymentGateway,
    Publisher,
    QuotaSource,
    RateSource,
    SourcedStock,
    StockKeeper,
    TaxSource,
    VatIds,
)
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    DepositKind,
    Explanation,
    Fee,
    Funder,
    Layer,
    OrderKind,
    PercentOff,
    Presale,
    PricingFacts,
    PricingPolicy,
    Promotion,
    Quote,
    RoundingScope,
    ShippingCharge,
    Shopper,
    TaxPolicy,
    TaxRate,
    explain,
)
from ordercore.tender import (
    CapBase,
    CaptureMoment,
    ChannelChoice,
    ChannelPolicy,
    ChannelRule,
    CreditRequest,
    Failure,
    LateMoney,
    Overpaid,
    PaymentAction,
    PaymentPolicy,
    PaymentPreview,
    PointsRate,
    RefundSplit,
    StrandedRefund,
    TenderEffect,
    TenderLimit,
    TenderPlan,
    TenderPolicy,
    TenderReason,
    TenderRule,
)

if TYPE_CHECKING:
    from ordercore.engine import (
        Booking,
        Candidate,
        Collection,
        Combination,
        IssuedCode,
        Network,
        Redirected,
        Routed,
        Shipping,
        SplitResult,
    )
    from ordercore.engine.reconciling import DayClose, DayRow, Patched
    from ordercore.fulfillment import Placement, SplitProposal
    from ordercore.ledger import StatementFormat, read_csv, read_json
    from ordercore.lifecycle import load_lifecycle
    from ordercore.money import Money

tenders = _tender.tenders

__version__ = "0.1.0"

__all__ = [
    # the engine
    "AsyncOrderEngine",
    "OrderEngine",
    "Policies",
    "Preset",
    # money
    "CashRounding",
    "Money",
    "Percent",
    "Rounding",
    # what is bought, and its price
    "AmountOff",
    "Cart",
    "CartLine",
    "Explanation",
    "Fee",
    "Funder",
    "Layer",
    "OrderKind",
    "PercentOff",
    "PricingFacts",
    "PricingPolicy",
    "Promotion",
    "Quote",
    "RoundingScope",
    "ShippingCharge",
    "Shopper",
    "TaxPolicy",
    "TaxRate",
    "explain",
    # who and where
    "SYSTEM",
    "Actor",
    "ActorKind",
    "Address",
    "Attribution",
    "Destination",
    "Party",
    # how it is paid
    "CapBase",
    "PaymentAction",
    "PaymentPreview",
    "PaymentResult",
    "PointsRate",
    "TenderEffect",
    "TenderLimit",
    "TenderPlan",
    "TenderPolicy",
    "TenderReason",
    "TenderRule",
    "tenders",
    # over which channel, and when
    "CaptureMoment",
    "ChannelChoice",
    "ChannelPolicy",
    "ChannelRule",
    "ChannelTraffic",
    "DepositKind",
    "Failure",
    "Presale",
    # what becomes of money
    "CompensationResult",
    "LateMoney",
    "Overpaid",
    "PaymentPolicy",
    "RefundResult",
    "RefundSplit",
    "StrandedRefund",
    # the books
    "AccountKind",
    "CommissionRule",
    "DayClose",
    "DayRow",
    "Difference",
    "LedgerPage",
    "LedgerQuery",
    "MovementKind",
    "Patched",
    "ReconciliationClass",
    "ReconciliationReport",
    "SettlementPolicy",
    "StatementFormat",
    "StatementPeriod",
    "StatementRow",
    "read_csv",
    "read_json",
    # the order
    "CommandKind",
    "HandlingPolicy",
    "ItemPage",
    "Manifest",
    "NumberTemplate",
    "Order",
    "OrderPage",
    "OrderQuery",
    "Permission",
    "Standing",
    "Sweep",
    "standing",
    # how it is changed
    "AddLine",
    "Amendment",
    "CartChange",
    "ChangeAddress",
    "ChangeCodes",
    "ChangeQuantity",
    "ChangeShipping",
    "RemoveLine",
    # how it goes apart, and how orders become one
    "Candidate",
    "ChargeShare",
    "ChargeSplit",
    "Combination",
    "KeepApart",
    "KeepTogether",
    "KeepWhole",
    "MergeMatrix",
    "MergePolicy",
    "MergeRefusal",
    "Placement",
    "Portion",
    "SplitBy",
    "SplitPart",
    "SplitPolicy",
    "SplitProposal",
    "SplitResult",
    # how it gets to the customer
    "Booking",
    "Collection",
    "IssuedCode",
    "Network",
    "Parcel",
    "ParcelGroup",
    "ParcelKind",
    "ParcelState",
    "PickupPolicy",
    "Proxy",
    "Redirected",
    "Routed",
    "Shipping",
    "StockPolicy",
    "TrackPoint",
    "Waybill",
    # how it moves, and by which clocks
    "Lifecycle",
    "TimerAction",
    "TimerRule",
    "VisibleStep",
    "WorkingHours",
    "load_lifecycle",
    # ports
    "Carrier",
    "Clock",
    "CountedIds",
    "CouponBook",
    "CreditGateway",
    "CreditRequest",
    "Hook",
    "IdSource",
    "OrderStore",
    "PaymentGateway",
    "Publisher",
    "QuotaSource",
    "RateSource",
    "SettableClock",
    "SourcedStock",
    "StockKeeper",
    "SystemClock",
    "SystemIds",
    "TaxSource",
    "VatIds",
    # errors that a host catches
    "InvalidInput",
    "KeyReused",
    "NotAllowed",
    "NotFound",
    "OrdercoreError",
    "OtherSideFailed",
    "OutOfStock",
    "PriceChanged",
    "Refused",
    "Stale",
    "UnreadableData",
]


_BOOKS = ("DayClose", "DayRow", "Patched")
_STATEMENTS = ("StatementFormat", "read_csv", "read_json")
_ANSWERS = (
    "Booking", "Candidate", "Collection", "Combination", "IssuedCode", "Network", "Redirected",
    "Routed", "Shipping", "SplitResult",
)  # fmt: skip
_GROUPS = ("Placement", "SplitProposal")


def __getattr__(name: str) -> Any:
    if name in _BOOKS:  # reconciling is loaded when somebody reconciles, or names what it gives
        return getattr(_import_module("ordercore.engine.reconciling"), name)
    if name in _STATEMENTS:
        return getattr(_import_module("ordercore.ledger.statement"), name)
    if name in _ANSWERS:  # verbs that few call: their flows are loaded with the first call
        return getattr(_import_module("ordercore.engine"), name)
    if name in _GROUPS:
        return getattr(_import_module("ordercore.fulfillment"), name)
    if name == "Money":
        return _money.Money  # py-moneyed is loaded when first asked for
    if name == "load_lifecycle":
        return _lifecycle.load_lifecycle  # and so is python-statemachine
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
