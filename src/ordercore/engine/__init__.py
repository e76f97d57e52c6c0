"""The engine: use cases over ports."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ordercore.engine.amending import Amendment
from ordercore.engine.asynchronous import AsyncOrderEngine
from ordercore.engine.compensating import CompensationResult
from ordercore.engine.engine import OrderEngine
from ordercore.engine.flow import Flow, Step, arun, call, run, run_batch
from ordercore.engine.paying import PaymentResult, RefundResult
from ordercore.engine.shop import Shop
from ordercore.engine.sweeping import Sweep
from ordercore.engine.traffic import Breaker, ChannelTraffic

if TYPE_CHECKING:
    from ordercore.engine.collecting import Collection, IssuedCode
    from ordercore.engine.dispatching import Booking, Redirected, Shipping
    from ordercore.engine.merging import Candidate, Combination
    from ordercore.engine.regrouping import SplitResult
    from ordercore.engine.sourcing import Network, Routed

__all__ = [
    "Amendment",
    "AsyncOrderEngine",
    "Booking",
    "Breaker",
    "Candidate",
    "ChannelTraffic",
    "Collection",
    "Combination",
    "CompensationResult",
    "Flow",
    "IssuedCode",
    "Network",
    "OrderEngine",
    "PaymentResult",
    "Redirected",
    "RefundResult",
    "Routed",
    "Shipping",
    "Shop",
    "SplitResult",
    "Step",
    "Sweep",
    "arun",
    "call",
    "run",
    "run_batch",
]

# the flows of rare verbs are loaded when somebody calls one, or names what it gives
_LATER = {
    "Booking": "dispatching",
    "Candidate": "merging",
    "Collection": "collecting",
    "Combination": "merging",
    "IssuedCode": "collecting",
    "Network": "sourcing",
    "Redirected": "dispatching",
    "Routed": "sourcing",
    "Shipping": "dispatching",
    "SplitResult": "regrouping",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"ordercore.engine.{_LATER[name]}"), name)
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
