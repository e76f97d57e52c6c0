"""Searching page by page: orders, or single lines of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ordercore.clock import utc
from ordercore.engine.flow import call
from ordercore.engine.shop import checked_limit, load
from ordercore.ports import ItemPage, OrderPage, OrderQuery
from ordercore.searching import FIND_MAX, Target, checked_search, cursor_behind, number_rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.ports import Answer

__all__ = ["find_orders", "search", "search_items"]

T = TypeVar("T")

MERGES_MAX = 100
"""Most orders that are followed from a number to the order that has its goods."""


def search(shop: Shop, query: OrderQuery) -> Flow[OrderPage]:
    """One page of orders, the newest first; an exact number comes before longer ones that end in it.

    The number of an order that was merged finds the order that took it over, but where states are asked for.
    Raises `InvalidInput` with the path of what is wrong in the query, its cursor included.
    """
    checked_search(query, Target.ORDERS)
    found, following = yield from _page(
        shop.store.find, query, lambda order: cursor_behind(query, order)
    )
    return OrderPage((yield from _led(shop, query, found)), following)


def search_items(shop: Shop, query: OrderQuery) -> Flow[ItemPage]:
    """One page of lines, in the order of their orders.

    With ``sku`` or ``item_status`` only lines of which both hold. Raises as `search`.
    Lines of an order that was split or merged are found with the order that has them, unless states are asked
    for; so a page may hold fewer than its limit and still have another one behind it.
    """
    checked_search(query, Target.ITEMS)
    found, following = yield from _page(
        shop.store.find_items, query, lambda item: cursor_behind(query, item.order, item.line.id)
    )
    if not query.states:
        found = tuple([item for item in found if not item.order.handling.gone])
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
    found = yield from call(shop.store.find, query)
    return (yield from _led(shop, query, found))


def _led(shop: Shop, query: OrderQuery, found: tuple[Order, ...]) -> Flow[tuple[Order, ...]]:
    """In the place of an order of that very number which another one took over, the order that has its goods.

    Who looks a number up wants the goods; the merged order itself is found by its state, and read by its id.
    """
    if not query.number or query.states:
        return found
    led: dict[str, Order] = {}
    for one in found:
        order = one
        exact = number_rank(one.number, query.number) == 0
        for _ in range(MERGES_MAX if exact else 0):
            lineage = order.handling.lineage
            if lineage is None or not lineage.into:
                break
            order = yield from load(shop, lineage.into)
        led.setdefault(order.id, order)
    return tuple(led.values())
