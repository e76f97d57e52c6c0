"""What a host tests its own rules and adapters with."""

from __future__ import annotations

import pytest

# A host that meets a broken promise sees the values, as in its own tests.
pytest.register_assert_rewrite("ordercore.testing.contracts")

from ordercore.testing import laws
from ordercore.testing.contracts import (
    OrderStoreContract,
    PaymentGatewayContract,
    StockKeeperContract,
)
from ordercore.testing.doubles import (
    Call,
    CollectingPublisher,
    PortFault,
    FaultyGateway,
    FaultyStock,
)
from ordercore.testing.story import START, Story, order_a, order_content, standard_lifecycle
from ordercore.testing.strategies import (
    Offered,
    amounts,
    carts,
    currencies,
    discounts,
    manifests_of,
    moneys,
    offers,
    orders,
    percents,
    pricing_policies,
    quotes,
    stories,
    tender_plans,
    tender_policies,
)

__all__ = [
    # one order's life, told by a test
    "START",
    "Story",
    "order_a",
    "order_content",
    "standard_lifecycle",
    # strategies: money
    "amounts",
    "currencies",
    "moneys",
    "percents",
    # strategies: prices
    "carts",
    "discounts",
    "pricing_policies",
    "quotes",
    # strategies: payments
    "Offered",
    "offers",
    "tender_plans",
    "tender_policies",
    # strategies: orders
    "manifests_of",
    "orders",
    "stories",
    # the ports' promises, as tests to subclass
    "OrderStoreContract",
    "PaymentGatewayContract",
    "StockKeeperContract",
    # adapters with a bad day
    "Call",
    "CollectingPublisher",
    "PortFault",
    "FaultyGateway",
    "FaultyStock",
    # the laws, as functions
    "laws",
]
