"""Orders read or written a moment ago.

A use case follows the next: an order is placed, then loaded to be paid. What was agreed and what
it stands at are compared with what the database holds, text by text; equal texts are
the same value, so nothing that is kept here can be out of date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.adapters.sql.rows import content_of, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordercore.adapters.sql.rows import Row, Written
    from ordercore.order import Order, OrderContent

__all__ = ["Recent"]

KEPT_MAX = 256
"""Most orders that are kept; when they are too many, all are forgotten."""


class Recent:
    """What was agreed, by order, and the orders themselves. Threads may share it."""

    __slots__ = ("_contents", "_orders")

    def __init__(self) -> None:
        self._contents: dict[str, tuple[Row, OrderContent]] = {}
        self._orders: dict[str, tuple[str, Order]] = {}

    def order(self, row: Row) -> Order:
        """The order of a row: its id, the event that holds its content (name, schema, document), its document."""
        name, doc, agreed = row[0], row[4], row[1:4]
        known = self._contents.get(name)
        if known is not None and known[0] == agreed:
            content = known[1]
        else:
            content = content_of(row)
            self._keep_content(name, agreed, content)
        held = self._orders.get(name)
        if held is not None and held[0] == doc and held[1].content is content:
            return held[1]
        order = state_of(content, row)
        self._keep_order(name, doc, order)
        return order

    def written(self, all_written: Iterable[Written]) -> None:
        """Keep what was just written."""
        for order, doc, agreed in all_written:
            name = order.content.id
            if agreed is not None:
                self._keep_content(name, agreed, order.content)
            self._keep_order(name, doc, order)

    def _keep_content(self, name: str, agreed: Row, content: OrderContent) -> None:
        if len(self._contents) >= KEPT_MAX:
            self._contents.clear()
        self._contents[name] = (agreed, content)

    def _keep_order(self, name: str, doc: str, order: Order) -> None:
        if len(self._orders) >= KEPT_MAX:
            self._orders.clear()
        self._orders[name] = (doc, order)
