"""ordercore: an order engine that a shop imports.

The shop window: what a host needs every day stands here by name.
Adapters live in `ordercore.adapters`, the testing kit in `ordercore.testing`;
importing this module loads neither, nor any extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore import lifecycle as _lifecycle
from ordercore import money as _money
from ordercore import tender as _tender
from ordercore.calendar import WorkingHours
from ordercore.clock import Clock, SettableClock, SystemClock
from ordercore.engine import (
    Amendment,
    AsyncOrderEngine,
    OrderEngine,
    PaymentResult,
    RefundResult,
    Sweep,
)
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
from ordercore.goods import Manifest
from ordercore.identity import CountedIds, IdSource, NumberTemplate, SystemIds
from ordercore.lifecycle import Lifecycle, TimerAction, TimerRule, VisibleStep
from ordercore.money import CashRounding, Percent, Rounding
from ordercore.order import (
    AddLine,
    CartChange,
    ChangeAddress,
    ChangeCodes,
    ChangeQuantity,
    ChangeShipping,
    CommandKind,
    HandlingPolicy,
    Order,
    Permission,
    RemoveLine,
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
    CouponBook,
    Hook,
    ItemPage,
    OrderPage,
    OrderQuery,
    OrderStore,
    PaymentGateway,
    Publisher,
    QuotaSource,
    RateSource,
    StockKeeper,
    TaxSource,
    VatIds,
)
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    Explanation,
    Fee,
    Funder,
    Layer,
    OrderKind,
    PercentOff,
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
from ordercore.tender import PaymentAction, PointsRate, TenderPlan, TenderPolicy, TenderRule

if TYPE_CHECKING:
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
    "PaymentAction",
    "PaymentResult",
    "PointsRate",
    "RefundResult",
    "TenderPlan",
    "TenderPolicy",
    "TenderRule",
    "tenders",
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
    # how it moves, and by which clocks
    "Lifecycle",
    "TimerAction",
    "TimerRule",
    "VisibleStep",
    "WorkingHours",
    "load_lifecycle",
    # ports
    "Clock",
    "CountedIds",
    "CouponBook",
    "Hook",
    "IdSource",
    "OrderStore",
    "PaymentGateway",
    "Publisher",
    "QuotaSource",
    "RateSource",
    "SettableClock",
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


def __getattr__(name: str) -> Any:
    if name == "Money":
        return _money.Money  # py-moneyed is loaded when first asked for
    if name == "load_lifecycle":
        return _lifecycle.load_lifecycle  # and so is python-statemachine
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
