"""A shop on a desk: an engine over memory that shows what would become of orders, and forgets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ordercore.adapters.memory import MemoryGateway, MemoryStore
from ordercore.clock import SettableClock
from ordercore.engine import OrderEngine
from ordercore.identity import CountedIds
from ordercore.order import HandlingPolicy
from ordercore.order.handling import Rule
from ordercore.party import SYSTEM, Actor
from ordercore.policy import Policies
from ordercore.tender.tenders import Channel

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from ordercore.order import Order
    from ordercore.pricing import Quote

__all__ = ["CLERK", "TILL", "desk", "standing"]

CLERK = Actor.staff("desk")
"""Who acts at the desk."""
TILL = "till"
"""The gateway that takes whatever is said to be paid."""


def desk(policies: Policies, at: datetime, lifecycle: str = "standard") -> OrderEngine:
    """An engine that starts at a moment; its staff may move orders to any state."""
    clock = SettableClock(at)
    handling: Any = HandlingPolicy
    fields = {f.name: getattr(policies.handling, f.name) for f in attrs.fields(handling)}
    rooms: Any = Policies
    rest = {field.name: getattr(policies, field.name) for field in attrs.fields(rooms)}
    fields["overrules"] = tuple(dict.fromkeys((*policies.handling.overrules, Rule.STATE)))
    own = () if lifecycle == "standard" else (lifecycle,)
    return OrderEngine(
        MemoryStore(), {TILL: MemoryGateway(TILL, clock)},
        policies=Policies(**{**rest, "handling": HandlingPolicy(**fields)}),
        clock=clock, ids=CountedIds(), lifecycles=own,
    )  # fmt: skip


def standing(
    engine: OrderEngine, quote: Quote, key: str, *, paid: bool, state: str, lifecycle: str
) -> Order:
    """An order as it is said to stand: placed, paid if it is, and in its state."""
    order = engine.place(quote, key=key, by=SYSTEM, lifecycle=lifecycle)
    if paid and order.due:
        order = engine.pay(order.id, (Channel(TILL),), key=f"{key}-paid", by=CLERK).order
    if state and order.state != state:
        order = engine.override(
            order.id, state, reason="as it stands", key=f"{key}-state", by=CLERK
        )
    return order
