"""The engine: use cases over ports."""

from ordercore.engine.amending import Amendment
from ordercore.engine.asynchronous import AsyncOrderEngine
from ordercore.engine.compensating import CompensationResult
from ordercore.engine.engine import OrderEngine
from ordercore.engine.flow import Flow, Step, arun, call, run, run_batch
from ordercore.engine.paying import PaymentResult, RefundResult
from ordercore.engine.shop import Shop
from ordercore.engine.sweeping import Sweep
from ordercore.engine.traffic import Breaker, ChannelTraffic

__all__ = [
    "Amendment",
    "AsyncOrderEngine",
    "Breaker",
    "ChannelTraffic",
    "CompensationResult",
    "Flow",
    "OrderEngine",
    "PaymentResult",
    "RefundResult",
    "Shop",
    "Step",
    "Sweep",
    "arun",
    "call",
    "run",
    "run_batch",
]
