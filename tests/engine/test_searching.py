"""Pages of orders and of items, as a backend shows them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.world import CHANNEL, NOON, SHOPPER, STAFF, World, after

from ordercore import InvalidInput, Manifest, OrderEngine, OrderQuery
from ordercore.adapters.memory import MemoryStore
from ordercore.engine.flow import run
from ordercore.engine.searching import search, search_items
from ordercore.pricing import PricingPolicy, quote
from ordercore.searching import FIND_MAX
from ordercore.testing import Story, order_a, order_content

if TYPE_CHECKING:
    from ordercore import Order
    from ordercore.engine import Shop
    from ordercore.ports import FoundItem, ItemPage, OrderPage


def page(shop: Shop, **query: Any) -> OrderPage:
    """A page of orders."""
    return run(search(shop, OrderQuery(**query)), "search")


def items(shop: Shop, **query: Any) -> ItemPage:
    """A page of items."""
    return run(search_items(shop, OrderQuery(**query)), "search_items")


def busy(orders: int) -> World:
    """A shop that has sold so many orders, one a second."""
    world = World(stocked=False)
    priced = world.quote()
    for i in range(orders):
        world.clock.set(NOON + timedelta(seconds=i))
        world.engine.place(priced, key=f"k{i}", by=SHOPPER)
    return world


def tails(orders: tuple[Order, ...]) -> list[str]:
    """The last digits of their numbers."""
    return [order.number.rpartition("-")[2].lstrip("0") for order in orders]


@pytest.mark.parametrize(("limit", "sizes"), [(3, [3, 3, 1]), (7, [7]), (8, [7]), (6, [6, 1])])
def test_a_walk_over_pages_ends_with_the_last_row(limit: int, sizes: list[int]) -> None:
    """Only a page that another one follows has a cursor, also where the last page is full."""
    world = busy(7)
    found, met, cursor = [], [], ""
    while True:
        shown = page(world.engine.shop, limit=limit, after=cursor)
        found.append(len(shown.orders))
        met += tails(shown.orders)
        cursor = shown.next
        if not cursor:
            break
    assert found == sizes
    assert met == ["7", "6", "5", "4", "3", "2", "1"]


def test_an_exact_number_stands_on_the_first_page() -> None:
    """`3` finds number 3 first, although 13 and 23 were placed later; the pages go on from there."""
    world = busy(23)
    first = page(world.engine.shop, number="3", limit=2)
    assert tails(first.orders) == ["3", "23"]
    second = page(world.engine.shop, number="3", limit=2, after=first.next)
    assert (tails(second.orders), second.next) == (["13"], "")


def test_what_is_placed_meanwhile_moves_nothing() -> None:
    """A new order stands before the first page and is met by the next walk."""
    world = busy(4)
    first = page(world.engine.shop, limit=2)
    world.clock.set(after(1))
    world.engine.place(world.quote(), key="new", by=SHOPPER)
    second = page(world.engine.shop, limit=2, after=first.next)
    assert (tails(first.orders), tails(second.orders)) == (["4", "3"], ["2", "1"])
    assert tails(page(world.engine.shop, limit=2).orders) == ["5", "4"]


def test_items_have_pages_too() -> None:
    """Pages of lines may end within an order, and the next one goes on with its next line."""
    world = busy(2)
    found: list[FoundItem] = []
    cursor = ""
    for size in (2, 2, 2):
        shown = items(world.engine.shop, limit=2, after=cursor)
        assert len(shown.items) == size
        found += shown.items
        cursor = shown.next
    assert cursor == ""
    assert [item.line.id for item in found] == ["1", "2", "3", "1", "2", "3"]
    assert tails(tuple(item.order for item in found)) == ["2", "2", "2", "1", "1", "1"]
    only = items(world.engine.shop, sku="SKU-2").items
    assert [(item.line.sku, item.status) for item in only] == [("SKU-2", ""), ("SKU-2", "")]


def test_the_largest_page_knows_whether_another_follows() -> None:
    """Where a page is as large as any answer of the store, the store is asked once more."""
    store = MemoryStore()
    priced = quote(order_a(), PricingPolicy(), NOON)
    for i in range(FIND_MAX):
        story = Story(order_content(priced, id=f"o-{i:04}", number=f"N-{i}", at=NOON))
        store.commit(story.changes)
    shop = OrderEngine(store).shop
    assert page(shop, limit=FIND_MAX).next == ""
    story = Story(order_content(priced, id="o-9999", number="N-X", at=NOON))
    store.commit(story.changes)
    first = page(shop, limit=FIND_MAX)
    rest = page(shop, limit=FIND_MAX, after=first.next)
    assert (len(first.orders), [order.id for order in rest.orders]) == (FIND_MAX, ["o-0000"])


def test_a_search_is_refused_by_its_path() -> None:
    """What is wrong with a search is told before the store is asked."""
    world = World()
    for ask in (page, items):
        with pytest.raises(InvalidInput) as caught:
            ask(world.engine.shop, after="not a cursor")
        assert caught.value.path == "after"
        with pytest.raises(InvalidInput) as caught:
            ask(world.engine.shop, limit=FIND_MAX + 1)
        assert caught.value.path == "limit"


def test_a_page_shows_orders_as_they_now_are() -> None:
    """An order that was paid is found by its new state, with the very order that get gives."""
    world = World()
    order = world.paid(CHANNEL)
    assert page(world.engine.shop, states=("paid",)).orders == (world.get(order),)
    assert page(world.engine.shop, states=("pending_payment",)).orders == ()


def test_lines_of_a_split_order_are_found_with_its_parts() -> None:
    """Each line is found once, with the order that has it; the order that was split is found by its state."""
    world = World()
    order = world.paid()
    parts = [Manifest.of({"1": 1}), Manifest.of({"2": 1, "3": 1})]
    children = world.engine.split(order.id, parts, key="s", by=STAFF).children
    found = world.engine.search_items(OrderQuery(sku="SKU-1")).items
    assert [item.order.id for item in found] == [children[0].id]
    whole = world.engine.search_items(OrderQuery(sku="SKU-1", states=("split",))).items
    assert [item.order.id for item in whole] == [order.id]
