"""Fulfilling: accept, ship, deliver, complete. None of them needs to call out, so all may join the host's transaction.

Money that is taken when goods move is asked for at once where the store commits for itself, else by its timer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.change import Receipt
from ordercore.engine.discharging import discharge
from ordercore.engine.placing import checked_key
from ordercore.engine.shop import checked_goods, digest, load, once
from ordercore.order import Ship
from ordercore.tender.events import CaptureAsked

if TYPE_CHECKING:
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.goods import Manifest
    from ordercore.order import Command, Order
    from ordercore.party import Actor

__all__ = ["advance", "ship_goods"]


def advance(
    shop: Shop, order_id: str, command: Command, content: str, key: str, by: Actor
) -> Flow[Order]:
    """Decide and commit one command under its key; ``content`` is what its digest is made of."""
    order = yield from load(shop, order_id)
    receipt = Receipt(
        order.shop, checked_key(key), type(command).__name__, digest(order_id, content), order_id
    )
    after, made = yield from once(shop, order, receipt, by, lambda _now: command)
    takes = made is not None and any([type(event) is CaptureAsked for event in made.events])
    if takes and not shop.store.joined:
        after = yield from discharge(shop, after, by, made=made)
    return after


def ship_goods(
    shop: Shop,
    order_id: str,
    goods: Manifest | None,
    carrier: str,
    tracking: str,
    key: str,
    by: Actor,
) -> Flow[Order]:
    """Ship under a name that follows from the key."""
    goods = None if goods is None else checked_goods(goods)
    command = Ship(f"{order_id}/s-{key}", goods, carrier, tracking)
    content = f"{'-' if goods is None else goods.items!r}|{carrier}|{tracking}"
    return advance(shop, order_id, command, content, key, by)
