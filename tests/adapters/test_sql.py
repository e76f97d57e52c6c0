from __future__ import annotations

import gzip
import json
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.dialects import postgresql
from tests.stored import story

from ordercore.adapters.sql import SqlStore, upgrade
from ordercore.adapters.sql.coupons import SqlCouponBook
from ordercore.adapters.sql.schema import Statements, Tables
from ordercore.adapters.sql.searching import FindShape, NumberMatch
from ordercore.change import Change, Receipt
from ordercore.clock import SettableClock
from ordercore.errors import (
    CorruptDocument,
    CouponUnavailable,
    InvalidInput,
    KeyReused,
    NewerDocument,
    Stale,
    StoreError,
    UnreadableData,
)
from ordercore.event import Event
from ordercore.ledger import AccountKind, Entry
from ordercore.order import Accept, Moved, Order, Remind, standing
from ordercore.order.events import Amended, ItemMarked, Tagged
from ordercore.order.evolve import evolve
from ordercore.party import Attribution, Party
from ordercore.ports import CouponBook, OrderQuery
from ordercore.pricing import Coupon, CouponStatus
from ordercore.testing import START
from ordercore.testing.contracts.coupons import CouponBookContract
from ordercore.timeout import TimerKey, TimerKind

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
FAR = story.START + 1_000 * DAY
LEASE = timedelta(seconds=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database file is."""
    return tmp_path / "orders.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    """A store on a new file."""
    with SqlStore(f"sqlite:///{path}") as opened:
        yield opened


def rows(path: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Look into the file, or write into it, past the store."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql, parameters).fetchall()


def counts(path: Path, prefix: str = "ordercore_") -> dict[str, int]:
    """Rows by table."""
    tables = ("orders", "events", "timers", "entries", "receipts")
    return {name: rows(path, f"SELECT COUNT(*) FROM {prefix}{name}")[0][0] for name in tables}


def forget(store: SqlStore) -> None:
    """Make the store read what the database holds."""
    store._recent._contents.clear()
    store._recent._orders.clear()


# Changes.


def test_a_whole_story_is_kept(store: SqlStore) -> None:
    """Orders, their journal and their timers come back from the file as they were committed."""
    told = story.everything()
    for change in told:
        store.commit([change])
    forget(store)
    last = {change.order.id: change.order for change in told}
    assert {name: store.load(name) for name in last} == last
    for name in last:
        recorded = tuple(r for change in told if change.order.id == name for r in change.recorded())
        assert store.journal(name) == recorded
    assert store.load("ord_0") is None
    assert store.journal("ord_0") == ()


def test_one_commit_of_a_whole_story_is_the_same(tmp_path: Path) -> None:
    """Many changes of the same orders in one commit leave the same rows as one by one."""
    together, apart = tmp_path / "together.db", tmp_path / "apart.db"
    with SqlStore(f"sqlite:///{together}") as one, SqlStore(f"sqlite:///{apart}") as many:
        one.commit(story.everything())
        for change in story.everything():
            many.commit([change])
    for table in ("orders", "events", "timers", "entries", "receipts"):
        columns = "order_id, sequence, name, doc" if table == "events" else "*"
        sql = f"SELECT {columns} FROM ordercore_{table} ORDER BY 1, 2, 3"
        assert rows(together, sql) == rows(apart, sql)


def test_a_closed_file_opens_again(path: Path) -> None:
    """What was committed is there for the next process, numbers included."""
    placed = story.placed()
    with SqlStore(f"sqlite:///{path}") as first:
        first.commit([placed])
        number = first.next_number("a")
    with SqlStore(f"sqlite:///{path}", create=False) as second:
        assert second.load("ord_1") == placed.order
        assert second.next_number("a") > number


def test_in_memory_url_lives_as_long_as_the_store() -> None:
    """``sqlite://`` keeps orders for every thread of the store, and shares nothing with another one."""
    with SqlStore("sqlite://") as store, SqlStore("sqlite://") as other:
        store.commit([story.placed()])
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(store.load("ord_1")))
        thread.start()
        thread.join()
        assert seen == [story.placed().order]
        assert other.load("ord_1") is None


def test_an_empty_commit_does_nothing(store: SqlStore, path: Path) -> None:
    """No changes, no transaction."""
    store.commit([])
    assert set(counts(path).values()) == {0}


def test_a_stale_version_is_refused(store: SqlStore) -> None:
    """A change that was decided upon an older version is refused with both versions."""
    placed = story.placed()
    store.commit([placed])
    first, second = story.paying(placed.order), story.changed(placed.order, Remind())
    store.commit([first])
    with pytest.raises(Stale) as caught:
        store.commit([second])
    assert caught.value.data == {"order": "ord_1", "expected": 1, "found": 2}
    with pytest.raises(Stale) as caught:
        store.commit([placed])
    assert caught.value.data == {"order": "ord_1", "expected": 0, "found": 2}
    unknown = story.paying(story.placed("ord_9").order)
    with pytest.raises(Stale) as caught:
        store.commit([unknown])
    assert caught.value.data == {"order": "ord_9", "expected": 1, "found": 0}
    assert store.load("ord_1") == first.order


def test_a_refused_commit_leaves_nothing(store: SqlStore, path: Path) -> None:
    """One stale change in a commit undoes all the others: orders, events, timers, entries, receipts."""
    store.commit([story.placed("ord_5")])
    before = counts(path)
    told = story.story()
    with pytest.raises(Stale) as caught:
        store.commit([*told, story.placed("ord_5", key="k")])
    assert caught.value.data["order"] == "ord_5"
    assert counts(path) == before
    with pytest.raises(Stale):
        store.commit([told[0], told[2]])
    assert counts(path) == before


def test_a_used_key_is_refused(store: SqlStore, path: Path) -> None:
    """A receipt's key is taken once, in one commit and across commits; nothing else is written then."""
    store.commit([story.placed("ord_1", key="k")])
    before = counts(path)
    with pytest.raises(KeyReused) as caught:
        store.commit([story.placed("ord_2", key="k")])
    assert caught.value.data == {"key": "k"}
    twice = [story.placed("ord_3", key="new"), story.placed("ord_4", key="new")]
    with pytest.raises(KeyReused):
        store.commit(twice)
    assert counts(path) == before
    elsewhere = story.placed("ord_2", key="k", shop="other")
    store.commit([elsewhere])
    assert store.open("", "other", "k").receipt == elsewhere.receipt


def test_entries_out_of_balance_are_refused(store: SqlStore, path: Path) -> None:
    """A change whose entries do not add up to zero never reaches the books (L9)."""
    placed = story.placed()
    wrong = Change(
        placed.order, placed.events, placed.at, placed.by, placed.command,
        entries=(Entry(AccountKind.ADVANCES, "", 1),),
    )  # fmt: skip
    with pytest.raises(InvalidInput) as caught:
        store.commit([wrong])
    assert caught.value.path == "entries"
    assert set(counts(path).values()) == {0}


def test_a_change_without_events_moves_timers_alone(store: SqlStore) -> None:
    """A change that only clears a timer keeps the version, and is refused when that is stale."""
    placed = story.placed()
    store.commit([placed])
    keys = tuple(timer.key for timer in placed.timers_set)
    quiet = Change(placed.order, (), FAR, story.SHOPPER, "Tidy", timers_cleared=keys)
    store.commit([quiet])
    assert store.claim_timers(FAR, 10, LEASE) == ()
    assert store.load("ord_1") == placed.order
    store.commit([story.paying(placed.order)])
    with pytest.raises(Stale):
        store.commit([quiet])


@pytest.mark.parametrize("url", ["file", "memory"])
def test_two_threads_racing_on_one_version(url: str, path: Path) -> None:
    """Of two changes of the same version one is written and one is stale, however close they come."""
    with SqlStore("sqlite://" if url == "memory" else f"sqlite:///{path}") as store:
        order = story.placed().order
        store.commit([story.placed()])
        outcomes: list[str] = []
        start = threading.Barrier(2)

        def race(change: Change) -> None:
            start.wait()
            try:
                store.commit([change])
                outcomes.append("written")
            except Stale:
                outcomes.append("stale")

        for _ in range(20):
            change = story.changed(order, Remind())
            threads = [threading.Thread(target=race, args=(change,)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            order = change.order
        assert sorted(outcomes) == ["stale"] * 20 + ["written"] * 20
        assert store.load("ord_1") == order
        assert [recorded.sequence for recorded in store.journal("ord_1")] == list(range(1, 22))


def test_two_stores_on_one_file_take_turns(path: Path) -> None:
    """Writers of two processes wait for each other instead of failing."""
    with SqlStore(f"sqlite:///{path}") as one, SqlStore(f"sqlite:///{path}") as two:
        failed: list[BaseException] = []

        def place(store: SqlStore, first: int) -> None:
            try:
                for i in range(first, first + 15):
                    store.commit([story.placed(f"ord_{i}", lines=1)])
            except BaseException as error:  # noqa: BLE001 - it must reach the test's own thread
                failed.append(error)

        threads = [threading.Thread(target=place, args=(s, n)) for s, n in ((one, 0), (two, 100))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert counts(path)["orders"] == 30


def test_what_the_database_refuses_is_a_store_error(path: Path) -> None:
    """Missing tables and a missing folder are errors of the store; a text that is no Unicode is the caller's."""
    with SqlStore(f"sqlite:///{path}", create=False) as bare:
        with pytest.raises(StoreError):
            bare.commit([story.placed()])
        with pytest.raises(StoreError):
            bare.load("ord_1")
    with pytest.raises(StoreError):
        SqlStore(f"sqlite:///{path.parent}/nowhere/orders.db")
    with SqlStore("sqlite://") as store, pytest.raises(InvalidInput):
        store.commit([story.placed(customer=Party("\ud800"))])  # no retry would help


def test_a_failed_statement_leaves_nothing(store: SqlStore, path: Path) -> None:
    """When the last table fails, nothing of the change is there, and the store goes on."""
    rows(path, "ALTER TABLE ordercore_receipts RENAME TO hidden")
    with pytest.raises(StoreError):
        store.commit([story.placed(key="k")])
    rows(path, "ALTER TABLE hidden RENAME TO ordercore_receipts")
    assert set(counts(path).values()) == {0}
    store.commit([story.placed(key="k")])
    assert counts(path)["receipts"] == 1


def test_a_closed_store_refuses(path: Path) -> None:
    """After ``close`` nothing is read or written, and closing again is harmless."""
    store = SqlStore(f"sqlite:///{path}")
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.load("ord_1")
    with pytest.raises(StoreError):
        store.commit([story.placed()])


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"url": "mysql://host/base"}, "url"),
        ({"url": "postgresql+psycopg2://host/base"}, "url"),
        ({"url": "sqlite://", "connections": 0}, "connections"),
        ({"url": "no url at all"}, "url"),
        ({"url": "sqlite://", "prefix": "a-b"}, "prefix"),
        ({"url": "sqlite://", "prefix": 'x"; DROP'}, "prefix"),
        ({"url": "sqlite://", "synchronous": "OFF"}, "synchronous"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], path: str) -> None:
    """A URL of another database, a prefix that is no name and an unknown mode are refused."""
    with pytest.raises(InvalidInput) as caught:
        SqlStore(**arguments)
    assert caught.value.path == path


def test_own_connections_follow_the_recipe(path: Path) -> None:
    """Write-ahead log, five seconds of patience, foreign keys, and a full flush unless told otherwise."""
    for mode, number in (("FULL", 2), ("NORMAL", 1)):
        with SqlStore(f"sqlite:///{path}", synchronous=mode) as store:  # type: ignore[arg-type]
            asked = ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
            found = [store._read(f"PRAGMA {name}")[0][0] for name in asked]
            assert found == ["wal", 5_000, 1, number]


# The statement budget.


def statements(store: SqlStore, change: Change) -> list[str]:
    """The statements of one commit; rows of one ``executemany`` count once."""
    cursor = store._link.take(writing=False)
    seen: list[str] = []
    cursor.connection.set_trace_callback(seen.append)
    store._link.give(cursor, writing=False)
    store.commit([change])
    cursor.connection.set_trace_callback(None)
    heads = [" ".join(sql.split()[:3]) for sql in seen]
    return [head for i, head in enumerate(heads) if i == 0 or heads[i - 1] != head]


def test_the_statement_budget_of_placing(store: SqlStore) -> None:
    """Placing takes seven statements: order, event, items, timers and receipt, in a transaction."""
    found = statements(store, story.placed(key="k"))
    assert found == [
        "BEGIN IMMEDIATE", "INSERT INTO ordercore_orders", "INSERT INTO ordercore_events",
        "INSERT INTO ordercore_items", "INSERT INTO ordercore_timers",
        "INSERT INTO ordercore_receipts", "COMMIT",
    ]  # fmt: skip


def test_the_statement_budget_of_transitions(store: SqlStore) -> None:
    """No transition takes more than five statements between begin and commit."""
    told = story.story()
    store.commit([told[0]])
    for change in told[1:]:
        assert len(statements(store, change)) <= 5 + 2


def test_loading_is_one_statement(store: SqlStore) -> None:
    """An order with its content, and the receipt beside it, are one look."""
    store.commit([story.placed(key="k")])
    cursor = store._link.take(writing=False)
    seen: list[str] = []
    cursor.connection.set_trace_callback(seen.append)
    store._link.give(cursor, writing=False)
    store.load("ord_1")
    store.open("ord_1", "main", "k")
    assert len(seen) == 2


# Receipts.


def test_open_gives_the_order_and_the_receipt(store: SqlStore) -> None:
    """Each of the two is there or not on its own."""
    placed = story.placed(key="k")
    store.commit([placed])
    receipt = Receipt("main", "k", "Place", "d1", "ord_1")
    for name, order in (("ord_1", placed.order), ("", None), ("ord_2", None)):
        for shop, key, found in (("main", "k", receipt), ("main", "", None), ("x", "k", None)):
            opened = store.open(name, shop, key)
            assert (opened.order, opened.receipt) == (order, found)


# Finding.


@pytest.fixture
def shelf(store: SqlStore) -> SqlStore:
    """Orders of two customers and shops, a minute apart, with numbers that end alike."""
    numbers = ["ORD-0000000123", "ORD-0000000023", "ORD-0000001023", "HB20260520-000023", "ORD-X"]
    for i, number in enumerate(numbers):
        store.commit([
            story.placed(
                f"ord_{i}", number, 1, story.START + i * MINUTE,
                customer=Party(f"cus_{i % 2}"), shop="main" if i < 3 else "other",
            )
        ])  # fmt: skip
    return store


def found(store: SqlStore, **query: Any) -> list[str]:
    """The ids of what a query finds."""
    return [order.id for order in store.find(OrderQuery(**query))]


@pytest.mark.parametrize(
    ("number", "ids"),
    [
        ("23", ["ord_3", "ord_1", "ord_2", "ord_0"]),
        ("023", ["ord_3", "ord_1", "ord_2"]),
        ("0000023", ["ord_3", "ord_1"]),
        ("123", ["ord_0"]),
        ("1023", ["ord_2"]),
        ("ORD-0000000023", ["ord_1"]),
        ("ORD-X", ["ord_4"]),
        ("ORD", []),
        ("%", []),
        ("9", []),
        ("0", []),
    ],
)
def test_a_number_is_found_by_its_tail(number: str, ids: list[str], shelf: SqlStore) -> None:
    """An exact number or tail comes first, newest first, then longer numbers that end in it."""
    assert found(shelf, number=number) == ids


def test_orders_are_found_by_what_is_asked(shelf: SqlStore) -> None:
    """Customer, shop, states and times narrow the search; newest come first."""
    assert found(shelf) == ["ord_4", "ord_3", "ord_2", "ord_1", "ord_0"]
    assert found(shelf, limit=2) == ["ord_4", "ord_3"]
    assert found(shelf, customer="cus_1") == ["ord_3", "ord_1"]
    assert found(shelf, shop="other", customer="cus_0") == ["ord_4"]
    assert found(shelf, states=("paid", "closed")) == []
    assert found(shelf, states=("pending_payment", "paid"), number="123") == ["ord_0"]
    later = story.START + MINUTE
    assert found(shelf, placed_from=later, placed_before=later + 2 * MINUTE) == ["ord_2", "ord_1"]


def test_orders_of_the_same_moment_have_an_order(store: SqlStore) -> None:
    """Orders placed at the same moment are told apart by their id, so pages do not flicker."""
    names = ["ord_b", "ord_c", "ord_a"]
    store.commit([story.placed(name, f"N-{name}", 1) for name in names])
    assert found(store) == sorted(names, reverse=True)


@pytest.mark.parametrize("limit", [0, -1, 501, True])
def test_the_answer_is_bounded(limit: int, store: SqlStore) -> None:
    """One to five hundred orders at a time."""
    with pytest.raises(InvalidInput):
        store.find(OrderQuery(limit=limit))


def test_a_number_is_looked_up_in_an_index(shelf: SqlStore, path: Path) -> None:
    """The search by number and the claim of timers use an index, not the whole table."""
    sql, names = shelf._sql.find(FindShape(number=NumberMatch.TAIL))
    values = {"low": "32", "high": "33", "zeros": 3, "length": 2, "typed": "32", "most": 5}
    plan = rows(path, f"EXPLAIN QUERY PLAN {sql}", *[values[name] for name in names])
    assert any("ordercore_orders_by_number" in step[3] for step in plan)
    plan = rows(path, f"EXPLAIN QUERY PLAN {shelf._sql.claim}", 0, 0, 0, 5)
    assert any("ordercore_timers_by_due" in step[3] for step in plan)
    plan = rows(path, f"EXPLAIN QUERY PLAN {shelf._sql.outbox}", 5)
    assert any("ordercore_events_to_relay" in step[3] for step in plan)


# Timers.


def kinds(timers: Any) -> list[str]:
    """The kinds of timers, in order."""
    return [timer.key.kind.value for timer in timers]


def test_timers_are_claimed_oldest_first(store: SqlStore) -> None:
    """Only what is due is claimed, the oldest first, up to the limit."""
    placed = story.placed()
    store.commit([placed])
    close = story.START + 30 * MINUTE
    assert store.claim_timers(story.START, 10, LEASE) == ()
    assert kinds(store.claim_timers(close - 5 * MINUTE, 10, LEASE)) == ["remind_payment"]
    assert kinds(store.claim_timers(FAR, 1, LEASE)) == ["remind_payment"]
    assert kinds(store.claim_timers(FAR, 10, LEASE)) == ["close_unpaid"]


def test_a_claimed_timer_is_leased(store: SqlStore) -> None:
    """Until the lease ends nobody else gets it; then it is given again, and the tries count up."""
    store.commit([story.placed()])
    first = store.claim_timers(FAR, 10, LEASE)
    assert [timer.tries for timer in first] == [1, 1]
    assert store.claim_timers(FAR + LEASE / 2, 10, LEASE) == ()
    again = store.claim_timers(FAR + LEASE, 10, LEASE)
    assert [timer.tries for timer in again] == [2, 2]
    assert [timer.key for timer in again] == [timer.key for timer in first]


def test_settled_timers_are_gone_or_later(store: SqlStore) -> None:
    """A settled timer is dropped, or due later with its lease ended and its tries kept."""
    store.commit([story.placed()])
    remind, close = store.claim_timers(FAR, 10, LEASE)
    store.settle_timers([(remind, None), (close, FAR + DAY)])
    assert store.claim_timers(FAR + LEASE * 2, 10, LEASE) == ()
    (later,) = store.claim_timers(FAR + DAY, 10, LEASE)
    assert (later.key, later.due, later.tries) == (close.key, FAR + DAY, 2)
    store.settle_timers([])


def test_a_timer_set_anew_is_not_settled(store: SqlStore) -> None:
    """What a change has set or cleared since the claim stays as the change left it."""
    placed = story.placed()
    store.commit([placed])
    remind, close = store.claim_timers(FAR, 10, LEASE)
    quiet = story.changed(placed.order, Remind())
    moved = Change(
        quiet.order, quiet.events, quiet.at, quiet.by, quiet.command,
        timers_set=(story.placed(at=story.START + DAY).timers_set[0],),
        timers_cleared=(remind.key,),
    )  # fmt: skip
    assert moved.timers_set[0].key == close.key
    store.commit([moved])
    store.settle_timers([(remind, FAR + DAY), (close, None)])
    (kept,) = store.claim_timers(FAR, 10, LEASE)
    assert (kept.key, kept.tries) == (close.key, 1)


def test_paying_clears_the_timers_of_the_unpaid(store: SqlStore) -> None:
    """Once paid, neither the reminder nor the deadline nor the attempts' watch is left."""
    placed = story.placed()
    paying = story.paying(placed.order)
    paid = story.answered(paying.order)
    for change in (placed, paying, paid):
        store.commit([change])
    assert paid.order.state == "paid"
    assert store.claim_timers(FAR, 100, LEASE) == ()


def test_workers_never_share_a_timer(store: SqlStore) -> None:
    """Threads that claim at the same time get different timers, and together all of them."""
    store.commit([story.placed(f"ord_{i}", f"N-{i}", 1) for i in range(40)])
    claimed: list[Any] = []

    def work() -> None:
        while batch := store.claim_timers(FAR, 7, LEASE):
            claimed.extend((timer.order_id, timer.key) for timer in batch)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 80


@pytest.mark.parametrize("limit", [0, -5, 10_001])
def test_batches_are_bounded(limit: int, store: SqlStore) -> None:
    """Timers and events are asked for in batches of one to ten thousand."""
    with pytest.raises(InvalidInput):
        store.claim_timers(FAR, limit, LEASE)
    with pytest.raises(InvalidInput):
        store.outbox(limit)


# The outbox, numbers, the books.


def test_events_are_relayed_once_and_in_order(store: SqlStore) -> None:
    """What is not acknowledged is told again, in the order of the commits."""
    told = story.story()
    for change in told:
        store.commit([change])
    recorded = [r for change in told for r in change.recorded()]
    items = store.outbox(10)
    assert [item.recorded for item in items] == recorded[:10]
    assert store.outbox(10) == items
    store.acknowledge([item.position for item in items if item is not items[3]])
    again = store.outbox(1_000)
    assert [item.recorded for item in again] == [recorded[3], *recorded[10:]]
    store.acknowledge([item.position for item in again])
    store.acknowledge([])
    assert store.outbox(10) == ()
    assert len(store.journal("ord_1")) == len(recorded)


def test_numbers_grow_and_never_repeat(path: Path) -> None:
    """Numbers of a sequence begin at 1; a restart skips some, two stores never give the same."""
    with SqlStore(f"sqlite:///{path}") as one, SqlStore(f"sqlite:///{path}") as two:
        assert [one.next_number("a") for _ in range(120)] == list(range(1, 121))
        assert one.next_number("b") == 1
        given = [store.next_number("a") for _ in range(60) for store in (one, two)]
        assert len(set(given)) == 120
        assert min(given) == 121
    with SqlStore(f"sqlite:///{path}") as later:
        assert later.next_number("a") > max(given)


def test_threads_get_different_numbers(store: SqlStore) -> None:
    """One store gives each number to one thread."""
    given: list[int] = []

    def take() -> None:
        given.extend(store.next_number("a") for _ in range(100))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 301))


def test_the_books_balance(store: SqlStore) -> None:
    """The trial balance adds up to zero, over all orders and over each (L9)."""
    told = story.everything()
    store.commit(told)
    whole = store.trial_balance()
    assert sum(balance.amount for balance in whole) == 0
    by_order = [store.trial_balance(name) for name in ("ord_1", "ord_2", "ord_3")]
    assert [sum(balance.amount for balance in one) for one in by_order] == [0, 0, 0]
    names = [(b.account.value, b.detail, b.currency) for b in whole]
    assert names == sorted(set(names))
    entries = [entry for change in told for entry in change.entries]
    clearing = sum(e.amount for e in entries if e.account is AccountKind.CLEARING)
    assert {b.account: b.amount for b in whole}[AccountKind.CLEARING] == clearing
    assert store.trial_balance("ord_9") == ()


def test_the_books_can_be_read_past_the_store(store: SqlStore, path: Path) -> None:
    """An auditor reads accounts, currency and signed minor units with SQL alone."""
    store.commit(story.canceled_story())
    total = story.canceled_story()[-1].order.total
    assert rows(
        path,
        "SELECT account_kind, account_detail, currency, SUM(amount) FROM ordercore_entries "
        "GROUP BY 1, 2, 3 ORDER BY 1",
    ) == [
        ("advances", "", "CNY", 0),
        ("clearing", "wechat", "CNY", total),
        ("refunds_in_transit", "", "CNY", -total),
    ]


# What is searched for beside the documents.


def told(order: Order, *events: Event) -> Change:
    """A change that tells these events."""
    before, at = order, order.entered_at + MINUTE
    for event in events:
        order = evolve(order, event, at)
    assert order.version == before.version + len(events)
    return Change(order, events, at, story.CLERK, "Told")


def test_an_order_is_read_with_what_was_agreed_last(store: SqlStore, path: Path) -> None:
    """After an amendment the content is that of its event, however the order is read."""
    placed = story.placed(attribution=Attribution("a", "b", "c"))
    store.commit([placed])
    content = story.content(lines=2, attribution=Attribution("x", "y", "z"))
    amended = told(placed.order, Amended(content, ("lines",), placed.order.total))
    noted = story.changed(amended.order, Remind())
    assert "agreed, site, channel, campaign" in STANDS
    sql = f"SELECT {STANDS} FROM ordercore_orders"
    assert rows(path, sql) == [(1, "a", "b", "c", "unpaid", "not_shipped")]
    store.commit([amended, noted])
    assert rows(path, sql) == [(2, "x", "y", "z", "unpaid", "not_shipped")]
    for _ in range(2):
        assert store.load("ord_1") == store.open("ord_1", "", "").order == noted.order
        assert store.find(OrderQuery()) == (noted.order,)
        forget(store)
    assert rows(path, "SELECT line, place, sku, status FROM ordercore_items ORDER BY 2") == [
        (line.id, place, line.sku, "") for place, line in enumerate(content.lines)
    ]


STANDS = "agreed, site, channel, campaign, payment, delivery"


def test_the_standings_of_an_order_are_columns(store: SqlStore, path: Path) -> None:
    """After each change of a whole story the columns say what the order stands at."""
    for change in story.everything():
        store.commit([change])
        found = standing(change.order)
        assert rows(
            path, "SELECT payment, delivery FROM ordercore_orders WHERE id = ?", change.order.id
        ) == [(found.payment.value, found.delivery.value)]


@pytest.mark.parametrize("together", [True, False])
def test_tags_and_the_status_of_items_are_rows(together: bool, store: SqlStore, path: Path) -> None:
    """They follow the order, change by change or several in one commit."""
    changes = [story.placed(), story.placed("ord_2", "N-2", 1)]
    first = changes[0].order
    for event in (
        Tagged(("gift", "vip")), ItemMarked("2", "purchased"), Tagged(("fragile",), ("vip",)),
        ItemMarked("1", "awaiting"),
    ):  # fmt: skip
        changes.append(told(first, event))
        first = changes[-1].order
    for batch in [changes] if together else [[change] for change in changes]:
        store.commit(batch)
    assert rows(path, "SELECT * FROM ordercore_tags ORDER BY 1, 2") == [
        ("ord_1", "fragile"), ("ord_1", "gift")
    ]  # fmt: skip
    marked = rows(path, "SELECT line, status FROM ordercore_items WHERE status <> '' ORDER BY 1")
    assert marked == [("1", "awaiting"), ("2", "purchased")]
    assert rows(path, "SELECT COUNT(*) FROM ordercore_items") == [(6,)]


# In the host's transaction.


def test_joined_it_commits_with_the_host(path: Path) -> None:
    """On the host's connection nothing is durable before the host commits, and all is after."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE baskets (name TEXT)"))
        SqlStore.on(connection).create()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO baskets VALUES ('b')"))
        store = SqlStore.on(connection)
        assert store.joined
        store.commit([story.placed(key="k")])
        assert store.load("ord_1") == story.placed().order
        assert rows(path, "SELECT COUNT(*) FROM ordercore_orders") == [(0,)]
    assert counts(path)["orders"] == 1
    assert rows(path, "SELECT * FROM baskets") == [("b",)]
    with SqlStore(f"sqlite:///{path}") as own:
        assert not own.joined
        assert own.load("ord_1") == story.placed().order
    engine.dispose()


@pytest.mark.parametrize("written_before", [True, False])
def test_joined_it_rolls_back_with_the_host(written_before: bool, path: Path) -> None:
    """When the host rolls back, the order is gone as well, whoever wrote first."""
    with SqlStore(f"sqlite:///{path}"):
        pass
    rows(path, "CREATE TABLE baskets (name TEXT)")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        transaction = connection.begin()
        store = SqlStore.on(connection)
        if written_before:
            connection.execute(text("INSERT INTO baskets VALUES ('b')"))
        store.commit([story.placed(key="k")])
        assert store.next_number("a") == 1
        connection.execute(text("INSERT INTO baskets VALUES ('c')"))
        transaction.rollback()
    assert set(counts(path).values()) == {0}
    assert rows(path, "SELECT * FROM baskets") == []
    assert rows(path, "SELECT * FROM ordercore_sequences") == []
    engine.dispose()


def test_joined_a_refusal_leaves_the_host_its_own(path: Path) -> None:
    """A stale change undoes itself alone: what the host wrote before it stays and is committed."""
    with SqlStore(f"sqlite:///{path}") as own:
        own.commit([story.placed()])
    rows(path, "CREATE TABLE baskets (name TEXT)")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO baskets VALUES ('b')"))
        store = SqlStore.on(connection)
        with pytest.raises(Stale):
            store.commit([story.placed("ord_2"), story.placed("ord_1")])
        store.commit([story.placed("ord_3")])
    assert rows(path, "SELECT id FROM ordercore_orders ORDER BY id") == [("ord_1",), ("ord_3",)]
    assert rows(path, "SELECT * FROM baskets") == [("b",)]
    engine.dispose()


def test_joined_it_needs_an_open_transaction(path: Path) -> None:
    """Without the host's transaction a joined store would commit by itself: it refuses."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        with pytest.raises(InvalidInput) as caught:
            SqlStore.on(connection)
        assert caught.value.path == "connection"
        with connection.begin():
            store = SqlStore.on(connection)
            store.create()
        with pytest.raises(InvalidInput):
            store.commit([story.placed()])
    engine.dispose()


def test_joined_numbers_are_taken_one_by_one(path: Path) -> None:
    """In the host's transaction a number is taken with the order, and none is skipped."""
    engine = create_engine(f"sqlite:///{path}")
    for expected in (1, 2):
        with engine.begin() as connection:
            store = SqlStore.on(connection)
            store.create()
            assert store.next_number("a") == expected
    engine.dispose()


# Tables.


def test_prefixes_keep_shops_apart(path: Path) -> None:
    """Two prefixes in one file are two stores."""
    with (
        SqlStore(f"sqlite:///{path}", prefix="a_") as a,
        SqlStore(f"sqlite:///{path}", prefix="b_") as b,
    ):
        a.commit([story.placed(key="k")])
        assert b.load("ord_1") is None
        b.commit([story.placed(key="k")])
    assert counts(path, "a_") == counts(path, "b_")
    names = {name for (name,) in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {name for name in names if not name.startswith(("a_", "b_", "sqlite_"))} == set()


def test_tables_of_a_later_version_are_refused(path: Path) -> None:
    """A store of an older version leaves tables of a newer one alone, however it is opened."""
    with SqlStore(f"sqlite:///{path}"):
        pass
    rows(path, "UPDATE ordercore_meta SET value = 3 WHERE name = 'schema'")
    for create in (True, False):
        with pytest.raises(NewerDocument) as caught:
            SqlStore(f"sqlite:///{path}", create=create)
        assert caught.value.data == {"found": 3, "known": 2}
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection, pytest.raises(NewerDocument):
        SqlStore.on(connection)
    engine.dispose()


def test_the_tables_are_held() -> None:
    """Tables and columns are part of the stored format: a change here needs a new schema number."""
    tables = Tables("").metadata.tables
    assert {name: ",".join(table.columns.keys()) for name, table in tables.items()} == {
        "meta": "name,value",
        "orders": "id,number,number_reversed,shop,customer,state,version,placed_at,doc,agreed,"
        "payment,delivery,site,channel,campaign",
        "events": "position,order_id,sequence,name,schema,at,by_kind,by_id,command,doc,relayed",
        "timers": "order_id,kind,subject,due,visit,tries,leased_until",
        "entries": "order_id,sequence,line,account_kind,account_detail,currency,amount,at",
        "receipts": "shop,key,command,digest,order_id",
        "sequences": "name,next",
        "tags": "order_id,tag",
        "items": "order_id,line,place,sku,status",
        "parked": "order_id,kind,subject,due,visit,tries,error,at",
    }


def test_the_statements_can_be_said_in_postgresql() -> None:
    """The same statements compile for PostgreSQL, with a lock that skips what others hold."""
    said = Statements(Tables("ordercore_"), postgresql.dialect(paramstyle="format"))
    assert "FOR UPDATE SKIP LOCKED" in said.claim
    assert "ON CONFLICT (name) DO UPDATE" in said.take_numbers
    assert "BIGSERIAL" in " ".join(said.create_rest)
    assert said.find(FindShape(number=NumberMatch.TAIL, states=2))[1][-1] == "most"


# Tables of the version before.


@pytest.fixture
def former(path: Path) -> Path:
    """A file with tables of schema 1, as the library wrote it then: three orders, coupons, some events relayed."""
    path.write_bytes(gzip.decompress((Path(story.__file__).parent / "schema1.db.gz").read_bytes()))
    return path


def looks(path: Path) -> dict[str, set[Any]]:
    """The columns of each table, and of each index."""
    names = rows(path, "SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL")
    return {
        name: set(rows(path, f"PRAGMA {kind}_{'x' if kind == 'index' else ''}info({name})"))
        for kind, name in names
    }


@pytest.mark.parametrize("batch", [1, 500])
def test_tables_of_schema_1_are_brought_up(
    batch: int, former: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders, journal, books and timers stay, new columns and tables are filled, and nothing differs from new ones."""
    monkeypatch.setattr(upgrade, "BATCH", batch)
    before = counts(former)
    with SqlStore(f"sqlite:///{former}") as store:
        assert counts(former) == before
        orders = [store.load(name) for name in ("ord_1", "ord_2", "ord_3")]
        for order in orders:
            assert order is not None
            stands = standing(order)
            assert rows(
                former, f"SELECT {STANDS} FROM ordercore_orders WHERE id = ?", order.id
            ) == [(1, "", "", "", stands.payment.value, stands.delivery.value)]
            assert len(store.journal(order.id)) == order.version
            sql = "SELECT line, sku FROM ordercore_items WHERE order_id = ? ORDER BY place"
            assert rows(former, sql, order.id) == [(line.id, line.sku) for line in order.lines]
        assert [order.id for order in store.find(OrderQuery(number="2"))] == ["ord_2"]
        assert sum(balance.amount for balance in store.trial_balance()) == 0
        assert len(store.claim_timers(FAR, 100, LEASE)) == before["timers"]
        assert store.next_number("ORD-") > 1
        store.commit([story.placed("ord_9", "N-9")])
        book = SqlCouponBook(store, SettableClock(START))
        assert book.find(("TEA",), "")[0].status is CouponStatus.FREE
    with SqlStore(f"sqlite:///{tmp_path / 'new.db'}") as new:
        SqlCouponBook(new, SettableClock(START))
    assert looks(former) == looks(tmp_path / "new.db")
    with SqlStore(f"sqlite:///{former}", create=False) as again:
        assert again.load("ord_9") == story.placed("ord_9", "N-9").order


def test_tables_of_schema_1_wait_for_who_may_make_tables(former: Path) -> None:
    """Without leave to make tables a store refuses them, and the file stays as it is."""
    held = former.read_bytes()
    with pytest.raises(StoreError) as caught:
        SqlStore(f"sqlite:///{former}", create=False)
    assert caught.value.data == {"found": 1, "known": 2}
    assert rows(former, "SELECT value FROM ordercore_meta WHERE name = 'schema'") == [(1,)]
    assert len(former.read_bytes()) == len(held)


def test_tables_of_schema_1_are_brought_up_in_the_hosts_transaction(former: Path) -> None:
    """They are the host's to keep or to roll back: half of them is never there."""
    engine = create_engine(f"sqlite:///{former}")
    for kept in (False, True):
        with engine.connect() as connection, connection.begin() as transaction:
            store = SqlStore.on(connection)
            store.create()
            assert store.load("ord_1") is not None
            if not kept:
                transaction.rollback()
        schema = rows(former, "SELECT value FROM ordercore_meta WHERE name = 'schema'")
        assert schema == [(2 if kept else 1,)]
    engine.dispose()


def test_an_unreadable_order_does_not_keep_the_others_from_an_upgrade(former: Path) -> None:
    """It is brought up with empty columns, and whoever loads it is told."""
    rows(former, "UPDATE ordercore_orders SET doc = 'x' WHERE id = 'ord_1'")
    with SqlStore(f"sqlite:///{former}") as store:
        assert store.load("ord_2") is not None
        with pytest.raises(CorruptDocument):
            store.load("ord_1")
    sql = "SELECT id FROM ordercore_orders WHERE payment = ''"
    assert rows(former, sql) == [("ord_1",)]


# What is broken in the file.


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ("UPDATE ordercore_orders SET doc = substr(doc, 1, 20)", "orders[ord_1].doc"),
        ("UPDATE ordercore_orders SET doc = '{\"schema\":1}'", "orders[ord_1].doc.version"),
        ("UPDATE ordercore_orders SET doc = x'ff'", "orders[ord_1].doc"),
        ("UPDATE ordercore_events SET doc = '{}'", "events[ord_1/1].doc.content"),
        ("UPDATE ordercore_events SET name = 'order.lost'", "events[ord_1/1].doc.name"),
        ("UPDATE ordercore_events SET name = 'order.moved'", "events[ord_1/1].doc.via"),
    ],
)
def test_a_corrupt_row_is_named(damage: str, where: str, store: SqlStore, path: Path) -> None:
    """A document that cannot be read is refused with the row and the place in it."""
    store.commit([story.placed()])
    rows(path, damage)
    for look in (lambda: store.load("ord_1"), lambda: store.find(OrderQuery())):
        with pytest.raises(CorruptDocument) as caught:
            look()
        assert caught.value.path == where


def test_an_event_without_content_is_no_agreement(store: SqlStore, path: Path) -> None:
    """An order whose row names an event that holds no content is corrupt."""
    store.commit([story.placed()])
    moved = '{"via":"a","source":"b","to":"c"}'
    rows(path, "UPDATE ordercore_events SET name = ?, doc = ?", Moved.name, moved)
    with pytest.raises(CorruptDocument) as caught:
        store.load("ord_1")
    assert caught.value.path == "events[ord_1/1].name"
    assert Moved.name in caught.value.reason


def test_a_document_of_a_later_version_is_told(store: SqlStore, path: Path) -> None:
    """Rows that a newer library wrote are refused as such, in the order and in the journal."""
    store.commit([story.placed()])
    rows(path, "UPDATE ordercore_events SET schema = 9")
    for look in (lambda: store.load("ord_1"), lambda: store.journal("ord_1")):
        with pytest.raises(NewerDocument) as caught:
            look()
        assert caught.value.path == "events[ord_1/1].doc.schema"


@pytest.mark.parametrize(
    ("damage", "look", "where"),
    [
        ("events SET by_kind = 'ghost'", "journal", "events[ord_3/1].by_kind"),
        ("events SET at = 'noon'", "journal", "events[ord_3/1].at"),
        ("events SET name = 'x' WHERE sequence = 2", "outbox", "events[ord_3/2].doc.name"),
        ("entries SET account_kind = 'pocket'", "balance", "entries.account_kind"),
    ],
)
def test_a_corrupt_column_is_named(
    damage: str, look: str, where: str, store: SqlStore, path: Path
) -> None:
    """Columns beside the documents are checked as well when they are read."""
    told = story.canceled_story()
    store.commit(told)
    rows(path, f"UPDATE ordercore_{damage}")
    looks = {
        "journal": lambda: store.journal("ord_3"),
        "outbox": lambda: store.outbox(10),
        "balance": store.trial_balance,
    }
    with pytest.raises(UnreadableData) as caught:
        looks[look]()
    assert caught.value.path == where


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ("kind = 'dance'", "timers[ord_3].kind"),
        ("due = -9000000000000000000", "timers[ord_3].due"),
        ("visit = 'never'", "timers[ord_3].visit"),
    ],
)
def test_a_timer_that_cannot_be_read_is_set_aside(
    damage: str, where: str, store: SqlStore, path: Path
) -> None:
    """Claiming tells the others and parks it with its error; called back unmended, it is parked again."""
    store.commit([story.placed("ord_3"), story.placed("ord_4", "N-4")])
    rows(path, f"UPDATE ordercore_timers SET {damage} WHERE order_id = 'ord_3' AND kind LIKE 'c%'")
    found = store.claim_timers(FAR, 10, LEASE)
    assert sorted((timer.order_id, timer.key.kind.value) for timer in found) == [
        ("ord_3", "remind_payment"), ("ord_4", "close_unpaid"), ("ord_4", "remind_payment"),
    ]  # fmt: skip
    (aside,) = store.parked(10)
    assert (aside.order_id, aside.at) == ("ord_3", FAR)
    assert where in aside.error
    assert store.backlog(FAR).parked == 1
    store.unpark([aside], FAR)
    mended = damage.startswith("due")  # it has a new one
    again = store.claim_timers(FAR, 10, LEASE)
    assert [timer.key.kind.value for timer in again] == ["close_unpaid"] * mended
    assert len(store.parked(10)) == (not mended)


def test_what_is_remembered_is_what_the_file_holds(store: SqlStore, path: Path) -> None:
    """An order read a moment ago is read anew as soon as its row says something else."""
    told = story.canceled_story()
    store.commit(told[:1])
    assert store.load("ord_3") is told[0].order
    with SqlStore(f"sqlite:///{path}") as other:
        other.commit(told[1:])
    assert store.load("ord_3") == told[-1].order
    (doc,) = rows(path, "SELECT doc FROM ordercore_events WHERE sequence = 1")[0]
    changed = json.loads(doc)
    changed["content"]["customer"]["name"] = "Erased"
    rows(path, "UPDATE ordercore_events SET doc = ? WHERE sequence = 1", json.dumps(changed))
    again = store.load("ord_3")
    assert again is not None
    assert again.content.customer.name == "Erased"
    assert again.payments == told[-1].order.payments


def test_no_more_orders_are_remembered_than_the_bound(store: SqlStore) -> None:
    """However many orders pass through, the store's memory stays small."""
    store.commit([story.placed(f"ord_{i}", f"N-{i}", 1) for i in range(600)])
    assert len(store._recent._orders) <= 256
    assert len(store._recent._contents) <= 256
    assert store.load("ord_0") == story.placed("ord_0", "N-0", 1).order


def test_a_transition_of_a_loaded_order_commits(store: SqlStore) -> None:
    """An order read back from its rows goes on as the one that was written."""
    told = story.story()
    paid = next(i for i, change in enumerate(told) if change.order.state == "paid")
    store.commit(told[: paid + 1])
    forget(store)
    order = store.load("ord_1")
    assert order is not None
    accepted = story.changed(order, Accept(), by=story.CLERK)
    store.commit([accepted])
    assert store.load("ord_1") == accepted.order
    assert TimerKey(TimerKind.CLOSE_UNPAID) not in [
        t.key for t in store.claim_timers(FAR, 9, LEASE)
    ]


# Coupons.


def issued(book: SqlCouponBook) -> SqlCouponBook:
    """A book with the codes of the contract."""
    for code in ("ONCE-1", "ONCE-2"):
        book.issue(code, "once")
    book.issue("OPEN", "open", single_use=False)
    for code in ("TWICE-A", "TWICE-B"):
        book.issue(code, "twice", single_use=False, total_limit=2)
    book.issue("EACH", "each", single_use=False, per_customer=1)
    book.issue("ADA", "gift", holder="ada")
    return book


class TestSqliteMemoryCouponBook(CouponBookContract):
    """The coupon book on SQLite in memory."""

    url = "sqlite://"

    def make_book(self) -> CouponBook:
        """On the connections of a store."""
        self.clock = SettableClock(START)
        self.store = SqlStore(self.url)
        return issued(SqlCouponBook(self.store, self.clock))

    def close_book(self, book: CouponBook) -> None:
        """Close the store."""
        self.store.close()

    def advance(self, by: timedelta) -> None:
        """Let the clock go on."""
        self.clock.advance(by)


class TestSqliteFileCouponBook(TestSqliteMemoryCouponBook):
    """The coupon book on an SQLite file."""

    @pytest.fixture(autouse=True)
    def _file(self, path: Path, _one_loop_a_test: None) -> None:
        self.url = f"sqlite:///{path}"

    @pytest.fixture(autouse=True)
    def _one_book_a_test(self, _file: None, _one_loop_a_test: None) -> Iterator[None]:
        self.book = self.ask(self.make_book())
        yield
        self.ask(self.close_book(self.book))


def test_of_two_processes_one_holds_a_code(path: Path) -> None:
    """Two books on one file, each with connections of its own, do not give a code twice."""
    clock = SettableClock(START)
    with SqlStore(f"sqlite:///{path}") as here, SqlStore(f"sqlite:///{path}") as there:
        books = [SqlCouponBook(store, clock) for store in (here, there)]
        books[0].issue("A", "p")

        def one(number: int) -> bool:
            try:
                books[number % 2].hold(f"h-{number}", ("A",), "c", START + DAY)
            except CouponUnavailable:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(one, range(64))) == 1


def test_codes_survive_their_process(path: Path) -> None:
    """What was issued, held and used is there for the next process."""
    clock = SettableClock(START)
    with SqlStore(f"sqlite:///{path}") as store:
        book = SqlCouponBook(store, clock)
        book.issue("A", "p", valid_from=START, valid_until=START + DAY, per_customer=2)
        book.hold("h", ("A",), "c", START + MINUTE)
        book.use("h")
    with SqlStore(f"sqlite:///{path}", create=False) as store:
        found = SqlCouponBook(store, SettableClock(START + DAY)).find(("A",), "c")
    assert found == (
        Coupon("A", "p", CouponStatus.USED, valid_from=START, valid_until=START + DAY,
               used_in_all=1, used_by_customer=1),
    )  # fmt: skip


def test_a_withdrawn_code_in_the_table_is_void_but_stays_with_its_order(store: SqlStore) -> None:
    """A hold on it is made final, a new or a lapsed one is refused."""
    clock = SettableClock(START)
    book = SqlCouponBook(store, clock)
    for code in ("A", "B"):
        book.issue(code, "p")
        book.hold(f"h-{code}", (code,), "c", START + MINUTE)
        book.void(code)
    assert [c.status for c in book.find(("A", "B"), "c")] == [CouponStatus.VOID] * 2
    book.use("h-A")
    clock.advance(MINUTE)
    with pytest.raises(CouponUnavailable):
        book.use("h-B")
    with pytest.raises(InvalidInput):
        book.void("C")


def test_a_code_in_the_table_is_issued_once_with_one_set_of_terms(store: SqlStore) -> None:
    """The same again is the same; other terms, an empty code and a limit of nothing are refused."""
    book = SqlCouponBook(store, SettableClock(START))
    for _ in range(2):
        book.issue("A", "p", total_limit=3)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("A", {}), ("", {}), ("B", {"total_limit": 0}), ("B", {"per_customer": -1}),
        ("B", {"valid_from": START.replace(tzinfo=None)}),
    ]  # fmt: skip
    for code, terms in wrong:
        with pytest.raises(InvalidInput):
            book.issue(code, "p", **terms)
    assert book.find(("B",), "") == ()
    with pytest.raises(InvalidInput):
        book.find([str(number) for number in range(101)], "")


def test_a_book_in_the_hosts_transaction_writes_there(path: Path, store: SqlStore) -> None:
    """On a joined store a hold is the host's: rolled back with it, committed with it."""
    clock = SettableClock(START)
    book = SqlCouponBook(store, clock)
    book.issue("A", "p")
    assert not book.joins
    host = create_engine(f"sqlite:///{path}")
    for kept in (False, True):
        with host.connect() as connection, connection.begin() as transaction:
            joined = SqlCouponBook(SqlStore.on(connection), clock)
            assert joined.joins
            joined.hold("h", ("A",), "c", START + DAY)
            if not kept:
                transaction.rollback()
        status = book.find(("A",), "c")[0].status
        assert status is (CouponStatus.HELD if kept else CouponStatus.FREE)
    host.dispose()


def test_tables_of_coupons_are_made_in_the_hosts_transaction_on_demand(tmp_path: Path) -> None:
    """Inside the host's transaction nothing is made unasked; `create` makes the tables there."""
    host = create_engine(f"sqlite:///{tmp_path / 'host.db'}")
    with host.begin() as connection:
        store = SqlStore.on(connection, prefix="shop_")
        store.create()
        book = SqlCouponBook(store, SettableClock(START), prefix="shop_")
        with pytest.raises(StoreError):
            book.find(("A",), "c")
        book.create()
        book.issue("A", "p")
        assert book.find(("A",), "c")[0].status is CouponStatus.FREE
    host.dispose()


def test_coupon_tables_of_a_later_version_are_told(store: SqlStore, path: Path) -> None:
    """A book does not touch tables that a newer library made."""
    SqlCouponBook(store, SettableClock(START))
    rows(path, "UPDATE ordercore_meta SET value = 9 WHERE name = 'coupons_schema'")
    with pytest.raises(NewerDocument):
        SqlCouponBook(store, SettableClock(START))
