"""ordercore: an order engine that a shop imports.

The shop window: what a host needs every day stands here by name.
Adapters live in `ordercore.adapters`, the testing kit in `ordercore.testing`;
importing this module loads neither, nor any extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore import money as _money
from ordercore import tender as _tender
from ordercore.clock import Clock, SettableClock, SystemClock
from ordercore.engine import AsyncOrderEngine, OrderEngine, PaymentResult, RefundResult, Sweep
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
from ordercore.money import CashRounding, Percent, Rounding
from ordercore.order import CommandKind, Order, Permission, Standing, standing
from ordercore.party import SYSTEM, Actor, ActorKind, Address, Destination, Party
from ordercore.policy import Policies
from ordercore.ports import (
    CouponBook,
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
    from ordercore.money import Money

tenders = _tender.tenders

__version__ = "0.1.0"

__all__ = [
    # the engine
    "AsyncOrderEngine",
    "OrderEngine",
    "Policies",
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
    "Manifest",
    "NumberTemplate",
    "Order",
    "OrderQuery",
    "Permission",
    "Standing",
    "Sweep",
    "standing",
    # ports
    "Clock",
    "CountedIds",
    "CouponBook",
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
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
