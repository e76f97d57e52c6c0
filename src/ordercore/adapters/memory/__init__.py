"""All ports in memory: for tests, examples and a first try. Nothing survives the process.

Values are frozen, so the store hands out what it was given, and keeps no copies.
Every class here may be used from several threads.
"""

from __future__ import annotations

from ordercore.adapters.memory.carrier import CarrierFault, MemoryCarrier
from ordercore.adapters.memory.coupons import MemoryCouponBook
from ordercore.adapters.memory.gateway import AccountGateway, Captures, MemoryGateway
from ordercore.adapters.memory.stock import MemoryStock
from ordercore.adapters.memory.store import MemoryStore
from ordercore.searching import numeric_tail

__all__ = [
    "AccountGateway",
    "Captures",
    "CarrierFault",
    "MemoryCarrier",
    "MemoryCouponBook",
    "MemoryGateway",
    "MemoryStock",
    "MemoryStore",
    "numeric_tail",
]
