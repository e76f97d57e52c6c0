"""Finding orders and items among values: the plainest way, which every other store is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.order import standing
from ordercore.ports import FoundItem
from ordercore.searching import Target, checked_search, number_rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ordercore.order import Order
    from ordercore.ports import OrderQuery
    from ordercore.pricing import QuoteLine
    from ordercore.searching import Place

    Key = tuple[int, datetime, str]

__all__ = ["find_items", "find_orders"]


def find_orders(orders: Iterable[Order], query: OrderQuery) -> tuple[Order, ...]:
    """The orders that a search asks for, in its order."""
    after = checked_search(query, Target.ORDERS)
    found = [row for row in _ranked(orders, query) if after is None or row[0] < _key(after)]
    return tuple([order for _, order in found[: query.limit]])


def find_items(orders: Iterable[Order], query: OrderQuery) -> tuple[FoundItem, ...]:
    """The items that a search asks for, in its order."""
    after = checked_search(query, Target.ITEMS)
    found = []
    for key, order in _ranked(orders, query):
        if after is not None and key > _key(after):
            continue
        for line, status in _lines(order, query):
            behind = after is None or key < _key(after) or _short(line.id) > _short(after.line)
            if behind:
                found.append(FoundItem(order, line, status))
        if len(found) >= query.limit:
            break
    return tuple(found[: query.limit])


def _key(place: Place) -> Key:
    """What answers are sorted by, falling."""
    return (-place.rank, place.placed_at, place.order)


def _short(line: str) -> tuple[int, str]:
    """What the items of an order are sorted by, so that line 10 comes after line 2."""
    return (len(line), line)


def _ranked(orders: Iterable[Order], query: OrderQuery) -> list[tuple[Key, Order]]:
    found = []
    for order in orders:
        content = order.content
        rank = number_rank(content.number, query.number)
        if rank is not None and _fits(order, query):
            found.append(((-rank, content.placed_at, content.id), order))
    found.sort(key=lambda row: row[0], reverse=True)
    return found


def _fits(order: Order, query: OrderQuery) -> bool:
    content, wanted = order.content, query.attribution
    came = content.attribution
    if (
        (query.customer and content.customer.id != query.customer)
        or (query.shop and content.shop != query.shop)
        or (query.states and order.state not in query.states)
        or (query.placed_from is not None and content.placed_at < query.placed_from)
        or (query.placed_before is not None and content.placed_at >= query.placed_before)
        or (wanted.site and came.site != wanted.site)
        or (wanted.channel and came.channel != wanted.channel)
        or (wanted.campaign and came.campaign != wanted.campaign)
        or any([tag not in order.handling.tags for tag in query.tags])
    ):
        return False
    if query.payment is not None or query.delivery is not None:
        stands = standing(order)
        if query.payment not in {None, stands.payment}:
            return False
        if query.delivery not in {None, stands.delivery}:
            return False
    if query.sku or query.item_status:
        return any(True for _ in _lines(order, query))
    return True


def _lines(order: Order, query: OrderQuery) -> Iterator[tuple[QuoteLine, str]]:
    """The lines that a search asks for, each with its status."""
    marked = dict(order.handling.items)
    for line in sorted(order.content.lines, key=lambda line: _short(line.id)):
        status = marked.get(line.id, "")
        if query.sku in {"", line.sku} and query.item_status in {"", status}:
            yield line, status
