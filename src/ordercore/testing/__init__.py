"""What a host tests its own rules and adapters with."""

from __future__ import annotations

from ordercore.testing import laws
from ordercore.testing.bench import (
    ChargeSeen,
    Letter,
    PaymentBench,
    PaymentSetting,
    RefundSeen,
)
from ordercore.testing.contracts import (
    CarrierContract,
    ConfirmedGatewayContract,
    CouponBookContract,
    CreditGatewayContract,
    OrderStoreContract,
    PaymentGatewayContract,
    SourcedStockContract,
    StockKeeperContract,
)
from ordercore.testing.doubles import (
    Call,
    CollectingPublisher,
    FaultyGateway,
    FaultyStock,
    PortFault,
)
from ordercore.testing.drawing import payment_settings
from ordercore.testing.machine import PaymentMachine
from ordercore.testing.memory import MemoryBench
from ordercore.testing.regrouping_machine import RegroupingMachine
from ordercore.testing.simulation import Fault, Simulation, Walk
from ordercore.testing.story import START, Story, order_a, order_content, standard_lifecycle
from ordercore.testing.strategies import (
    Offered,
    amounts,
    border_policies,
    carts,
    charge_splits,
    coupons,
    currencies,
    discounts,
    exchange_rates,
    full_carts,
    full_policies,
    layers,
    manifests_of,
    moneys,
    offers,
    orders,
    percents,
    pricing_facts,
    pricing_policies,
    promotions,
    quotes,
    settled_orders,
    split_parts,
    stories,
    tax_policies,
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
    # money to draw
    "amounts",
    "currencies",
    "moneys",
    "percents",
    # prices to draw: what any shop has
    "carts",
    "discounts",
    "pricing_policies",
    "quotes",
    # prices to draw: whatever there is
    "border_policies",
    "coupons",
    "exchange_rates",
    "full_carts",
    "full_policies",
    "layers",
    "pricing_facts",
    "promotions",
    "tax_policies",
    # payments to draw
    "Offered",
    "offers",
    "tender_plans",
    "tender_policies",
    # orders to draw
    "manifests_of",
    "orders",
    "stories",
    # orders to split
    "charge_splits",
    "settled_orders",
    "split_parts",
    # the ports' promises, as tests to subclass
    "CarrierContract",
    "ConfirmedGatewayContract",
    "CouponBookContract",
    "CreditGatewayContract",
    "OrderStoreContract",
    "PaymentGatewayContract",
    "SourcedStockContract",
    "StockKeeperContract",
    # adapters with a bad day
    "Call",
    "CollectingPublisher",
    "PortFault",
    "FaultyGateway",
    "FaultyStock",
    # races and crashes, step by step
    "Fault",
    "Simulation",
    "Walk",
    # everything at once: a machine that pays, and what it runs over
    "ChargeSeen",
    "Letter",
    "MemoryBench",
    "PaymentBench",
    "PaymentMachine",
    "PaymentSetting",
    "RefundSeen",
    "RegroupingMachine",
    "payment_settings",
    # the laws, as functions
    "laws",
]
