"""Searching page by page: orders, or single lines of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ordercore.clock import utc
from ordercore.engine.flow import call
from ordercore.engine.shop import checked_limit
from ordercore.ports import ItemPage, OrderPage, OrderQuery
from ordercore.searching import FIND_MAX, Target, checked_search, cursor_behind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.ports import Answer

__all__ = ["find_orders", "search", "search_items"]

T = TypeVar("T")


def search(shop: Shop, query: OrderQuery) -> Flow[OrderPage]:
    """One page of orders, the newest first; an exact number comes before longer ones that end in it.

    Raises `InvalidInput` with the path of what is wrong in the query, its cursor included.
    """
    checked_search(query, Target.ORDERS)
    found, following = yield from _page(
        shop.store.find, query, lambda order: cursor_behind(query, order)
    )
    return OrderPage(found, following)


def search_items(shop: Shop, query: OrderQuery) -> Flow[ItemPage]:
    """One page of lines, in the order of their orders.

    With ``sku`` or ``item_status`` only lines of which both hold. Raises as `search`.
    """
    checked_search(query, Target.ITEMS)
    found, following = yield from _page(
        shop.store.find_items, query, lambda item: cursor_behind(query, item.order, item.line.id)
    )
    return ItemPage(found, following)


def _page(
    find: Callable[[OrderQuery], Answer[tuple[T, ...]]],
    query: OrderQuery,
    cursor: Callable[[T], str],
) -> Flow[tuple[tuple[T, ...], str]]:
    """As many rows as were asked for, and the cursor if there are more: one more is asked for, to know.

    A page as large as a store's answer may be takes a second look.
    """
    limit = query.limit
    found = yield from call(find, _with(query, min(limit + 1, FIND_MAX), query.after))
    page = found[:limit]
    if len(found) < limit:
        return page, ""
    behind = cursor(page[-1])
    if limit == FIND_MAX:
        found = page + (yield from call(find, _with(query, 1, behind)))
    return page, behind if len(found) > limit else ""


def _with(query: OrderQuery, limit: int, after: str) -> OrderQuery:
    return OrderQuery(
        query.number, query.customer, query.shop, query.states, query.placed_from,
        query.placed_before, limit, query.payment, query.delivery, query.tags, query.attribution,
        query.sku, query.item_status, after,
    )  # fmt: skip


def find_orders(shop: Shop, query: OrderQuery) -> Flow[tuple[Order, ...]]:
    """Orders by a checked query."""
    checked_limit(query.limit, FIND_MAX, "orders")
    for name in ("placed_from", "placed_before"):
        moment = getattr(query, name)
        if moment is not None:
            utc(moment, f"query.{name}")
    return (yield from call(shop.store.find, query))
