"""Reading: what happened to an order, and how far it has come. Nothing is written, and nothing is called out for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.flow import call
from ordercore.errors import CorruptDocument, OrderNotFound, UnknownLifecycle
from ordercore.order.events import Adopted, Placed, SplitOff

if TYPE_CHECKING:
    from ordercore.change import Recorded
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.journal import Journal, Progress
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order

__all__ = ["read_journal", "read_progress"]


def read_journal(shop: Shop, order_id: str) -> Flow[Journal]:
    """All that happened to one order; raises `OrderNotFound`.

    A lifecycle that the shop no longer has is no hindrance: its states are then told by their ids.
    """
    from ordercore.journal import journal_of  # the room is loaded when somebody reads

    recorded = yield from _recorded(shop, order_id)
    try:
        lifecycle = _lifecycle(shop, recorded)
    except UnknownLifecycle:
        lifecycle = None
    return journal_of(recorded, lifecycle)


def read_progress(shop: Shop, order_id: str) -> Flow[Progress]:
    """The six visible steps of one order, with the targets of the policy.

    Raises `OrderNotFound`, and `UnknownLifecycle` where the shop no longer has the order's lifecycle.
    """
    from ordercore.journal import journal_of, progress

    recorded = yield from _recorded(shop, order_id)
    timeouts = shop.policies.timeouts
    order = journal_of(recorded).order
    return progress(
        order, recorded, _lifecycle(shop, recorded), timeouts.targets, shop.clock.now(),
        timeouts.working,
    )  # fmt: skip


def _recorded(shop: Shop, order_id: str) -> Flow[tuple[Recorded, ...]]:
    recorded = yield from call(shop.store.journal, order_id)
    if not recorded:
        raise OrderNotFound(f"no order {order_id!r}", path="order_id", order=order_id)
    return recorded


def _lifecycle(shop: Shop, recorded: tuple[Recorded, ...]) -> Lifecycle[Order]:
    """The lifecycle that the order began on, and keeps."""
    first = recorded[0].event
    if not isinstance(first, Placed | Adopted | SplitOff):
        reason = "an order begins with order.placed, order.adopted or order.split_off"
        raise CorruptDocument(reason, path="events")
    content = first.content
    return shop.lifecycles.get(content.lifecycle, content.lifecycle_version)
