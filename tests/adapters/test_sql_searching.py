"""Searches as statements: which index they walk, how many there are, what a broken row is told as."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql
from tests.stored import story

from ordercore.adapters.sql import SqlStore
from ordercore.adapters.sql.schema import Statements, Tables
from ordercore.adapters.sql.searching import asked
from ordercore.errors import CorruptDocument
from ordercore.order import DeliveryStanding, PaymentStanding
from ordercore.party import Attribution
from ordercore.ports import OrderQuery
from ordercore.searching import Target, cursor_behind

EVERYTHING: dict[str, Any] = {
    "number": "23",
    "customer": "cus_1",
    "shop": "main",
    "states": ("paid", "closed"),
    "placed_from": story.START,
    "placed_before": story.START + timedelta(days=1),
    "payment": PaymentStanding.PAID,
    "delivery": DeliveryStanding.SHIPPED,
    "tags": ("vip", "fraud?"),
    "attribution": Attribution("eu", "app", "spring"),
    "sku": "TEA",
    "item_status": "packed",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database file is."""
    return tmp_path / "orders.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    """A store on a new file, with one order."""
    with SqlStore(f"sqlite:///{path}") as opened:
        opened.commit([story.placed("ord_1", "ORD-0000000023")])
        yield opened


def plan(store: SqlStore, path: Path, query: OrderQuery, target: Target = Target.ORDERS) -> str:
    """How SQLite finds the keys of a page, step by step, up to where it reads the orders of these keys."""
    shape, values = asked(query, target)
    text, names = store._sql.find(shape)
    with closing(sqlite3.connect(path)) as connection:
        steps = connection.execute(f"EXPLAIN QUERY PLAN {text}", [values[name] for name in names])
        told = [step[3] for step in steps]
    return " | ".join(told[: told.index("SCAN found")])


def behind(store: SqlStore, **fields: Any) -> OrderQuery:
    """The same search, on its second page."""
    (order,) = store.find(OrderQuery())
    return OrderQuery(**fields, after=cursor_behind(OrderQuery(**fields), order))


@pytest.mark.parametrize(
    ("fields", "index"),
    [
        ({}, "orders_by_time"),
        ({"shop": "main"}, "orders_by_time"),
        ({"attribution": Attribution("eu")}, "orders_by_time"),
        ({"placed_before": story.START}, "orders_by_time"),
        ({"states": ("paid",)}, "orders_by_state"),
        ({"customer": "cus_1"}, "orders_by_customer"),
    ],
    ids=repr,
)
def test_the_newest_are_read_off_an_index(
    fields: dict[str, Any], index: str, store: SqlStore, path: Path
) -> None:
    """A page is the end of an index, which stands in the order of the answer: nothing is sorted or counted off."""
    for query in (OrderQuery(**fields), behind(store, **fields)):
        steps = plan(store, path, query)
        assert f"ordercore_{index}" in steps
        assert "TEMP B-TREE" not in steps
    assert "placed_at" in plan(store, path, behind(store, **fields))  # where the page begins


@pytest.mark.parametrize(
    ("fields", "index"),
    [
        ({"number": "23"}, "orders_by_number"),
        ({"number": "ORD-23"}, "orders_by_number"),
        ({"tags": ("vip",)}, "tags_by_tag"),
        ({"sku": "TEA"}, "items_by_sku"),
        ({"item_status": "packed"}, "items_by_status"),
    ],
    ids=repr,
)
def test_what_is_rare_is_looked_up_in_an_index(
    fields: dict[str, Any], index: str, store: SqlStore, path: Path
) -> None:
    """Numbers, tags, articles and statuses have an index each, for orders and for items."""
    for target in Target:
        assert f"ordercore_{index}" in plan(store, path, OrderQuery(**fields), target)


def test_searches_of_one_shape_are_one_statement() -> None:
    """Other words make no other statement; one condition more does."""
    first = asked(OrderQuery(customer="a", tags=("x",), limit=3), Target.ORDERS)[0]
    assert asked(OrderQuery(customer="b", tags=("y",)), Target.ORDERS)[0] == first
    assert asked(OrderQuery(customer="b", tags=("y", "z")), Target.ORDERS)[0] != first
    assert asked(OrderQuery(customer="a", tags=("x",)), Target.ITEMS)[0] != first


@pytest.mark.parametrize("target", Target)
def test_a_search_by_everything_can_be_asked(target: Target, store: SqlStore) -> None:
    """All conditions at once are a statement, on the first page and on a later one, in both dialects."""
    (order,) = store.find(OrderQuery())
    query = OrderQuery(**EVERYTHING)
    line = None if target is Target.ORDERS else "1"
    later = OrderQuery(**EVERYTHING, after=cursor_behind(query, order, line))
    said = Statements(Tables("ordercore_"), postgresql.dialect(paramstyle="format"))
    for each in (query, later):
        shape, values = asked(each, target)
        text, names = said.find(shape)
        assert set(names) <= set(values)
        assert text.count("%s") == len(names)
        find = store.find if target is Target.ORDERS else store.find_items
        assert find(each) == ()


def test_an_item_without_its_line_is_told(store: SqlStore, path: Path) -> None:
    """A row of items whose line the order does not have is named."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE ordercore_items SET line = 'lost' WHERE place = 0")
    with pytest.raises(CorruptDocument) as caught:
        store.find_items(OrderQuery())
    assert caught.value.path == "items[ord_1].line"


def test_an_order_that_cannot_be_read_is_told(store: SqlStore, path: Path) -> None:
    """A page with a broken document names the order, for orders as for items."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE ordercore_orders SET doc = '{}'")
    for find in (store.find, store.find_items):
        with pytest.raises(CorruptDocument) as caught:
            find(OrderQuery())
        assert caught.value.path.startswith("orders[ord_1].doc")
