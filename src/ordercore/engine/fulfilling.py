"""Fulfilling: accept, ship, deliver, complete. None of them calls out, so all may join the host's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.change import Receipt
from ordercore.engine.placing import checked_key
from ordercore.engine.shop import digest, load, once

if TYPE_CHECKING:
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Command, Order
    from ordercore.party import Actor

__all__ = ["advance"]


def advance(
    shop: Shop, order_id: str, command: Command, content: str, key: str, by: Actor
) -> Flow[Order]:
    """Decide and commit one command under its key; ``content`` is what its digest is made of."""
    order = yield from load(shop, order_id)
    receipt = Receipt(
        order.shop, checked_key(key), type(command).__name__, digest(order_id, content), order_id
    )
    after, _ = yield from once(shop, order, receipt, by, lambda _now: command)
    return after
