"""The promises of the ports, as tests that a host runs against its own adapters.

Subclass a contract in a test module of yours, say how to make the adapter, and pytest does the rest::

    class TestOurStore(OrderStoreContract):
        def make_store(self):
            return OurStore(connect())

An adapter may be plain or asynchronous: whatever it answers is awaited where it has to be, on one
event loop a test. What an adapter cannot do is steered by what it declares, never skipped.
"""

from __future__ import annotations

from ordercore.testing.contracts.asking import Contract
from ordercore.testing.contracts.carrier import CarrierContract
from ordercore.testing.contracts.coupons import CouponBookContract
from ordercore.testing.contracts.credits import ConfirmedGatewayContract, CreditGatewayContract
from ordercore.testing.contracts.gateway import PaymentGatewayContract
from ordercore.testing.contracts.stock import SourcedStockContract, StockKeeperContract
from ordercore.testing.contracts.store import OrderStoreContract

__all__ = [
    "CarrierContract",
    "ConfirmedGatewayContract",
    "Contract",
    "CouponBookContract",
    "CreditGatewayContract",
    "OrderStoreContract",
    "PaymentGatewayContract",
    "SourcedStockContract",
    "StockKeeperContract",
]
