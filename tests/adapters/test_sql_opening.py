"""Opening a SQL store: what it makes, what it leaves alone, and what it refuses before it is written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.adapters.postgres import Server
from tests.stored import story

from ordercore import Actor, Cart, CartLine, Money, OrderEngine
from ordercore.adapters.sql import SqlCouponBook, SqlStore
from ordercore.clock import SettableClock
from ordercore.errors import InvalidInput, StoreError
from ordercore.order import Tag
from ordercore.party import Party
from ordercore.ports import OrderQuery
from ordercore.testing import START

BAD = ("a\0b", "a\ud800")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file of orders may be."""
    return tmp_path / "orders.db"


def tables(path: Path) -> set[str]:
    """The tables of a file."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    return {name for (name,) in found}


def test_opening_waits_for_no_writer(postgres: Server) -> None:
    """While a transaction writes, another store and book open at once, for their tables are there already."""
    url = postgres.url()
    with SqlStore(url) as store:
        SqlCouponBook(store, SettableClock(START))
        store.commit([story.placed()])
        with postgres.psycopg.connect(url) as host:
            host.execute("UPDATE ordercore_orders SET state = state")
            host.execute("UPDATE ordercore_timers SET tries = tries")
            host.execute("UPDATE ordercore_coupon_takes SET state = state")
            host.execute("UPDATE ordercore_coupons SET void = void")
            with SqlStore(url) as second:
                SqlCouponBook(second, SettableClock(START))
                second.commit([story.placed("ord_2", "N-2")])
            host.rollback()
        assert len(store.find(OrderQuery())) == 2


def test_opening_needs_no_right_to_make_tables_that_are_there(postgres: Server) -> None:
    """A role that may only read and write rows opens a store and a book as any other."""
    url = postgres.url()
    with SqlStore(url) as store:
        SqlCouponBook(store, SettableClock(START))
    schema = url.rpartition("%3D")[2]
    role = f"w_{schema}"
    postgres.run(f"CREATE ROLE {role} LOGIN")
    postgres.run(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    postgres.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}")
    postgres.run(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}")
    with SqlStore(url.replace("://postgres:@", f"://{role}:@")) as worker:
        assert worker._read("SELECT current_user") == [(role,)]
        assert SqlCouponBook(worker, SettableClock(START)).find(("A",), "ada") == ()
        worker.commit([story.placed()])
        assert worker.load("ord_1") is not None


def test_looking_leaves_a_file_as_it_is(path: Path) -> None:
    """A store that makes no tables changes no byte of a file that others keep, also where it finds none of its own."""
    host = sqlite3.connect(path)
    host.execute("CREATE TABLE baskets (name TEXT)")
    host.commit()
    host.close()
    before = path.read_bytes()
    with SqlStore(f"sqlite:///{path}", create=False) as store:
        assert not store.exists()
        with pytest.raises(StoreError):
            store.find(OrderQuery())
    assert path.read_bytes() == before


def test_a_store_that_makes_its_tables_keeps_a_write_ahead_log(path: Path) -> None:
    """Whoever calls `create`, at once or later, sets the journal of the file."""
    with SqlStore(f"sqlite:///{path}", create=False) as store:
        store.create()
        assert store.exists()
        assert store._read("PRAGMA journal_mode") == [("wal",)]
    with SqlStore(f"sqlite:///{path}", create=False) as again:
        assert again._read("PRAGMA journal_mode") == [("wal",)]


def test_a_server_is_asked_whether_the_tables_are_there(postgres: Server) -> None:
    """They are, or they are not; a server that does not answer is an error and not an empty store."""
    url = postgres.url()
    with SqlStore(url, create=False) as bare:
        assert not bare.exists()
    with SqlStore(url) as store:
        assert store.exists()
    gone = "postgresql://nobody@/none?host=/nowhere"
    with SqlStore(gone, create=False) as lost, pytest.raises(StoreError):
        lost.exists()


def test_a_book_makes_no_tables_where_its_store_does_not(path: Path) -> None:
    """On a store with ``create=False`` the book looks; asked to, it makes them."""
    SqlStore(f"sqlite:///{path}").close()
    before = tables(path)
    with SqlStore(f"sqlite:///{path}", create=False) as store:
        book = SqlCouponBook(store, SettableClock(START))
        assert tables(path) == before
        with pytest.raises(StoreError):
            book.issue("A", "p")
        book.create()
        book.issue("A", "p")
    assert tables(path) == before | {"ordercore_coupons", "ordercore_coupon_takes"}


@pytest.mark.parametrize("bad", BAD)
def test_a_text_that_no_database_keeps_is_named(bad: str, postgres: Server) -> None:
    """A NUL or half a surrogate in a customer, key, sku or tag is the caller's to mend, and nothing is written."""
    placed = story.placed("ord_2", "N-2")
    with SqlStore(postgres.url()) as store:
        store.commit([placed])
        for name, change in (
            ("customer", story.placed(customer=Party(bad))),
            ("key", story.placed(key=bad)),
            ("tag", story.changed(placed.order, Tag((bad,)))),
        ):
            with pytest.raises(InvalidInput, match=r"NUL|surrogates") as caught:
                store.commit([change])
            assert caught.value.path == name
        engine = OrderEngine(store, clock=SettableClock(START))
        cart = Cart("EUR", (CartLine(bad, 1, Money("1.00", "EUR")),))
        with pytest.raises(InvalidInput) as caught:
            engine.place(engine.quote(cart), key="k", by=Actor.customer("ada"))
        assert caught.value.path == "sku"
        with pytest.raises(InvalidInput) as caught:
            store.open("", "", bad)
        assert caught.value.path == "key"
        with pytest.raises(InvalidInput):
            store.next_number(bad)
        assert store.find(OrderQuery()) == (placed.order,)
        store.commit([story.placed()])
