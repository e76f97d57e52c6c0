"""Pricing: from a cart to a quote whose every figure reconciles."""

from ordercore.pricing.cart import (
    AmountOff,
    Cart,
    CartLine,
    Discount,
    OrderKind,
    PercentOff,
    ShippingCharge,
)
from ordercore.pricing.explain import Explanation, explain
from ordercore.pricing.quote import (
    SHIPPING,
    AppliedDiscount,
    PricingPolicy,
    Quote,
    QuoteCharge,
    QuoteLine,
    TaxTotal,
    UnitShare,
    quote,
)
from ordercore.pricing.tax import RoundingScope, TaxPolicy, TaxRate

__all__ = [
    "SHIPPING",
    "AmountOff",
    "AppliedDiscount",
    "Cart",
    "CartLine",
    "Discount",
    "Explanation",
    "OrderKind",
    "PercentOff",
    "PricingPolicy",
    "Quote",
    "QuoteCharge",
    "QuoteLine",
    "RoundingScope",
    "ShippingCharge",
    "TaxPolicy",
    "TaxRate",
    "TaxTotal",
    "UnitShare",
    "explain",
    "quote",
]
