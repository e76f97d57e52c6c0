"""Hypothesis strategies for the values of the trade: money, carts, policies, quotes, payments, orders.

For prices there are two sets. The plain one (`carts`, `pricing_policies`) is what any shop has, and any of its
carts can be priced by any of its policies. The full one (`full_carts`, `full_policies`, `pricing_facts`) has
everything that pricing knows. `quotes` draws from both.

All of them are built through the library's own doors (`quote`, `plan`, `place`, `decide`),
so whatever they give could have happened. Figures lean to the places where rounding hurts:
small amounts, amounts that do not come out even, no decimals and three.
Amounts are minor units unless a strategy says `Money`.
"""

from __future__ import annotations

from ordercore.testing.strategies.full import (
    border_policies,
    exchange_rates,
    full_carts,
    full_policies,
    pricing_facts,
    quotes,
    tax_policies,
)
from ordercore.testing.strategies.orders import (
    Offered,
    manifests_of,
    offers,
    orders,
    stories,
    tender_plans,
    tender_policies,
)
from ordercore.testing.strategies.plain import (
    amounts,
    carts,
    currencies,
    discounts,
    moneys,
    percents,
    pricing_policies,
)
from ordercore.testing.strategies.promotions import coupons, layers, promotions
from ordercore.testing.strategies.regrouping import charge_splits, settled_orders, split_parts

__all__ = [
    "Offered",
    "amounts",
    "border_policies",
    "carts",
    "charge_splits",
    "coupons",
    "currencies",
    "discounts",
    "exchange_rates",
    "full_carts",
    "full_policies",
    "layers",
    "manifests_of",
    "moneys",
    "offers",
    "orders",
    "percents",
    "pricing_facts",
    "pricing_policies",
    "promotions",
    "quotes",
    "settled_orders",
    "split_parts",
    "stories",
    "tax_policies",
    "tender_plans",
    "tender_policies",
]
