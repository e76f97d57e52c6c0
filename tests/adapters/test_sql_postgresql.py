"""The SQL store on PostgreSQL: the whole contract, and what only a server can get wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from tests.adapters.postgres import Server
from tests.adapters.test_sql import issued
from tests.stored import story

from ordercore.adapters.sql import SqlCouponBook, SqlStore
from ordercore.change import Change
from ordercore.clock import SettableClock
from ordercore.errors import (
    CouponUnavailable,
    InvalidInput,
    KeyReused,
    NewerDocument,
    OrdercoreError,
    Stale,
    StoreError,
)
from ordercore.order import Remind, standing
from ordercore.party import Party
from ordercore.ports import CouponBook, OrderQuery, OrderStore
from ordercore.testing import START
from ordercore.testing.contracts.coupons import CouponBookContract
from ordercore.testing.contracts.store import OrderStoreContract

DAY = timedelta(days=1)
FAR = story.START + 1_000 * DAY
LEASE = timedelta(seconds=30)


class TestPostgresStore(OrderStoreContract):
    """The whole contract of stores, on a server."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, postgres: Server) -> None:
        cls.server = postgres

    server: Server

    def make_store(self) -> OrderStore:
        """On a schema of its own."""
        self.url = self.server.url()
        self.opened = [SqlStore(self.url)]
        return self.opened[0]

    def reopen(self, store: OrderStore) -> OrderStore:
        """Another store on the same schema."""
        self.opened.append(SqlStore(self.url, create=False))
        return self.opened[-1]

    def close_store(self, store: OrderStore) -> None:
        """Close its connections, and those of the stores beside it."""
        for each in self.opened:
            each.close()


class TestPostgresCouponBook(CouponBookContract):
    """The coupon book, on a server."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, postgres: Server) -> None:
        cls.server = postgres

    server: Server

    def make_book(self) -> CouponBook:
        """On the connections of a store."""
        self.clock = SettableClock(START)
        self.store = SqlStore(self.server.url(), connections=20)
        return issued(SqlCouponBook(self.store, self.clock))

    def close_book(self, book: CouponBook) -> None:
        """Close the store."""
        self.store.close()

    def advance(self, by: timedelta) -> None:
        """Let the clock go on."""
        self.clock.advance(by)


@pytest.fixture
def url(postgres: Server) -> str:
    """A new schema."""
    return postgres.url()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """A store on a new schema."""
    with SqlStore(url) as opened:
        yield opened


@pytest.fixture
def host(url: str) -> Iterator[Engine]:
    """The host's own engine on the same schema."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run each in a thread of its own, all begun together; answers, or the errors of the library."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return work()
        except OrdercoreError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def race(*sides: tuple[SqlStore, list[Change]]) -> list[str]:
    """Commit to each store at the same moment: what came of it, sorted."""
    found = at_once(*[lambda s=s, c=c: s.commit(c) for s, c in sides])
    return sorted(["written" if answer is None else type(answer).__name__ for answer in found])


# Connections.


def test_a_store_is_opened_by_either_spelling(url: str) -> None:
    """``postgresql://`` and ``postgresql+psycopg://`` are the same database."""
    with SqlStore(url) as store:
        store.commit([story.placed()])
    with SqlStore(url.replace("postgresql:", "postgresql+psycopg:"), create=False) as store:
        assert store.load("ord_1") == story.placed().order


def test_the_password_is_told_nowhere(url: str) -> None:
    """Neither a store's text nor an error has it, wherever it stands in the URL."""
    secret = "s3cr-et"
    with SqlStore(url.replace("postgres:@", f"postgres:{secret}@")) as store:
        assert secret not in f"{store!r} {store}"
    for wrong in (
        url.replace("postgres:@/postgres", f"postgres:{secret}@/{secret}"),
        f"{url.replace('postgres:@/postgres', 'postgres@/nowhere')}&password={secret}",
        f"postgresql://postgres:{secret}@/base?host=/nowhere&nonsense={secret}",
        f"postgresql://postgres:{secret}@[host/base",
        f"mysql://root:{secret}@host/base",
    ):
        with pytest.raises((StoreError, InvalidInput)) as caught:
            SqlStore(wrong)
        assert secret not in f"{caught.value} {caught.value.data} {caught.value!r}"


def test_own_connections_wait_a_bounded_time_and_commit_for_good(url: str) -> None:
    """A lock is waited for five seconds; commits are durable unless told otherwise, also where the server is lax."""
    lax = f"{url}%20-csynchronous_commit%3Doff"
    strict = f"{url}%20-csynchronous_commit%3Dremote_apply"
    for given, mode, found in (
        (lax, "FULL", "on"), (strict, "FULL", "remote_apply"), (url, "NORMAL", "off"),
    ):  # fmt: skip
        with SqlStore(given, synchronous=mode) as store:  # type: ignore[arg-type]
            assert store._read("SHOW synchronous_commit") == [(found,)]
            assert store._read("SHOW lock_timeout") == [("5s",)]


def test_threads_share_no_more_connections_than_allowed(postgres: Server, url: str) -> None:
    """Many threads on two connections all get their turn, and the server sees two."""
    named = f"{url}&application_name=bounded"
    with SqlStore(named, connections=2) as store:
        store.commit([story.placed()])
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: store.load("ord_1"), range(40)))
        assert found == [story.placed().order] * 40
        sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'bounded'"
        assert 1 <= postgres.run(sql)[0][0] <= 2


def test_a_lost_connection_is_replaced(postgres: Server, url: str) -> None:
    """When the server has closed every connection, the next look and the next change open new ones."""
    named = f"{url}&application_name=lost"
    kill = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name = 'lost'"
    )
    with SqlStore(named) as store:
        at_once(*[lambda: store.load("ord_1")] * 4)
        placed = story.placed()
        assert postgres.run(kill)
        store.commit([placed])
        assert postgres.run(kill)
        assert store.load("ord_1") == placed.order
        assert postgres.run(kill)
        assert len(store.claim_timers(FAR, 10, LEASE)) == 2


def test_a_connection_lost_in_a_commit_leaves_it_open_what_became_of_it(
    postgres: Server, store: SqlStore, url: str
) -> None:
    """The store does not say that nothing was written, and does not write twice: the caller asks again."""
    postgres.run(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        url=url,
    )
    postgres.run(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON ordercore_orders "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()",
        url=url,
    )
    with pytest.raises(StoreError, match="not known"):
        store.commit([story.placed(key="k")])
    postgres.run("DROP TRIGGER late ON ordercore_orders", url=url)
    assert store.open("ord_1", "main", "k").receipt is None
    store.commit([story.placed(key="k")])


def test_what_the_server_refuses_is_a_store_error(url: str) -> None:
    """Missing tables, a closed store, and signs that are no text for it; then nothing was written."""
    with SqlStore(url, create=False) as bare:
        with pytest.raises(StoreError):
            bare.load("ord_1")
        with pytest.raises(StoreError):
            bare.commit([story.placed()])
    with SqlStore(url) as store:
        for name in ("\ud800", "a\0b"):
            with pytest.raises(InvalidInput):
                store.commit([story.placed(customer=Party(name))])
        assert store.find(OrderQuery()) == ()
    with pytest.raises(StoreError):
        store.load("ord_1")


# Writers side by side.


def test_of_two_changes_on_one_version_one_is_stale(store: SqlStore, url: str) -> None:
    """However close two processes come, one change of a version is written; so it is with placing."""
    with SqlStore(url) as other:
        change = story.placed()
        for _ in range(15):
            found = race((store, [change]), (other, [change]))
            assert found == ["Stale", "written"]
            change = story.changed(change.order, Remind())
    assert [told.sequence for told in store.journal("ord_1")] == list(range(1, 16))


def test_of_two_orders_with_one_key_one_is_refused(store: SqlStore, url: str) -> None:
    """A key that two processes use at the same time stands for one order."""
    with SqlStore(url) as other:
        for i in range(10):
            orders = [
                story.placed(f"ord_{i}{side}", f"N-{i}{side}", 1, key=f"k{i}") for side in "ab"
            ]
            found = race((store, [orders[0]]), (other, [orders[1]]))
            assert found == ["KeyReused", "written"]
    assert len(store.find(OrderQuery())) == 10


def test_batches_that_name_orders_the_other_way_round_do_not_block_each_other(
    store: SqlStore, url: str
) -> None:
    """One is written and the other is stale: nobody is told of a deadlock."""
    names = [f"ord_{i:02}" for i in range(20)]
    batch = [story.placed(name, f"N-{name}", 1) for name in names]
    store.commit(batch)
    with SqlStore(url) as other:
        for _ in range(5):
            batch = [story.changed(change.order, Remind()) for change in batch]
            assert race((store, batch), (other, batch[::-1])) == ["Stale", "written"]


def test_a_change_that_lost_a_deadlock_is_tried_again(postgres: Server, url: str) -> None:
    """The host's transaction holds what the store wants and wants what it holds: the store gives way, and comes again."""
    placed = [story.placed("ord_1"), story.placed("ord_2", "N-2")]
    touch = "UPDATE ordercore_orders SET shop = shop WHERE id = %s"
    waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
    with SqlStore(url) as store:
        store.commit(placed)
        with postgres.psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool:
            # the store looks after a second, and so finds out first
            other.execute("SET deadlock_timeout = '60s'")
            other.execute(touch, ("ord_2",))
            changes = [story.changed(change.order, Remind()) for change in placed]
            writing = pool.submit(store.commit, changes)
            while not postgres.run(waits)[0][0]:
                assert not writing.done()
            other.execute(touch, ("ord_1",))
            other.commit()
            writing.result(timeout=30)
        assert [store.load(name) for name in ("ord_1", "ord_2")] == [c.order for c in changes]


def test_threads_and_stores_get_different_numbers(store: SqlStore, url: str) -> None:
    """A number of a sequence is given once, whoever asks at the same time."""
    with SqlStore(url) as other:
        works = [lambda s=s: [s.next_number("a") for _ in range(120)] for s in (store, other)] * 2
        given = [number for numbers in at_once(*works) for number in numbers]
    assert len(set(given)) == len(given) == 480
    assert min(given) == 1


def test_tables_are_made_once_by_whoever_comes_first(url: str) -> None:
    """Processes that open a new database together do not trip over each other."""
    found = at_once(*[lambda: SqlStore(url)] * 4)
    assert [store for store in found if not isinstance(store, SqlStore)] == []
    at_once(*[lambda s=s: SqlCouponBook(s, SettableClock(START)) for s in found])
    found[0].commit([story.placed()])
    for store in found:
        assert store.load("ord_1") == story.placed().order
        store.close()


def test_of_two_processes_one_holds_a_code(store: SqlStore, url: str) -> None:
    """Two books on one database, with connections of their own, do not give a code or the last use twice."""
    clock = SettableClock(START)
    with SqlStore(url) as other:
        books = [SqlCouponBook(each, clock) for each in (store, other)]
        books[0].issue("A", "p")
        for name in ("B", "C"):
            books[0].issue(name, "q", single_use=False, total_limit=3)

        def hold(number: int) -> list[bool]:
            book, taken = books[number % 2], []
            for code in ("A", "BC"[number // 2 % 2]):
                try:
                    book.hold(f"h-{number}-{code}", (code,), "c", START + DAY)
                    taken.append(True)
                except CouponUnavailable:
                    taken.append(False)
            return taken

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(hold, range(32)))
    assert [sum(column) for column in zip(*found, strict=True)] == [1, 3]


@pytest.mark.parametrize("code", ["ONCE", "LAST"])
def test_who_asks_for_a_code_waits_for_who_is_taking_it(
    code: str, postgres: Server, store: SqlStore, host: Engine
) -> None:
    """While a transaction that holds a code is open nobody else sees it as free, nor the last use of its promotion."""
    clock = SettableClock(START)
    book = SqlCouponBook(store, clock)
    book.issue("ONCE", "p")
    book.issue("FIRST", "q", single_use=False, total_limit=1)
    book.issue("LAST", "q", single_use=False, total_limit=1)
    waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
    with ThreadPoolExecutor(1) as pool:
        with host.begin() as connection:
            mine = SqlCouponBook(SqlStore.on(connection), clock)
            mine.hold("h-1", ("FIRST" if code == "LAST" else code,), "c", START + DAY)
            theirs = pool.submit(book.hold, "h-2", (code,), "d", START + DAY)
            while not postgres.run(waits)[0][0]:
                assert not theirs.done()
        with pytest.raises(CouponUnavailable):
            theirs.result(timeout=30)


# The outbox.


def relayed(store: SqlStore, limit: int = 1_000) -> list[tuple[str, int]]:
    """What waits, by order and number; acknowledged at once."""
    items = store.outbox(limit)
    store.acknowledge([item.position for item in items])
    return [(item.recorded.order_id, item.recorded.sequence) for item in items]


def test_a_commit_that_becomes_visible_late_is_relayed(store: SqlStore, host: Engine) -> None:
    """Events that got their positions first and were committed last are neither lost nor told early."""
    with host.begin() as connection:
        SqlStore.on(connection).commit([story.placed("ord_1")])
        store.commit([story.placed("ord_2", "N-2")])
        assert relayed(store) == [("ord_2", 1)]
    assert relayed(store) == [("ord_1", 1)]
    assert relayed(store) == []


def test_events_of_an_order_are_relayed_in_order_while_many_write(
    store: SqlStore, url: str
) -> None:
    """Each event reaches the relay once, after those before it of its order, whatever is committed meanwhile."""
    told: list[tuple[str, int]] = []
    written = threading.Event()

    def write(target: SqlStore, name: str) -> None:
        change = story.placed(name, f"N-{name}", 1)
        target.commit([change])
        for _ in range(25):
            change = story.changed(change.order, Remind())
            target.commit([change])

    def relay() -> None:
        while not written.is_set():
            told.extend(relayed(store, 7))

    with SqlStore(url) as other, ThreadPoolExecutor(5) as pool:
        relaying = pool.submit(relay)
        try:
            writing = [pool.submit(write, (store, other)[i % 2], f"ord_{i}") for i in range(4)]
            for done in writing:
                done.result(timeout=60)
        finally:
            written.set()
        relaying.result(timeout=60)
    told += relayed(store)
    for i in range(4):
        assert [number for name, number in told if name == f"ord_{i}"] == list(range(1, 27))


# In the host's transaction.


def test_joined_it_commits_or_rolls_back_with_the_host(store: SqlStore, host: Engine) -> None:
    """What the host and the store write in one transaction is there together, or not at all."""
    with host.begin() as connection:
        connection.execute(text("CREATE TABLE baskets (name TEXT)"))
    for kept in (False, True):
        with host.connect() as connection:
            transaction = connection.begin()
            joined = SqlStore.on(connection)
            assert joined.joined
            assert joined.next_number("a") == 1
            joined.commit([story.placed(key="k")])
            connection.execute(text("INSERT INTO baskets VALUES ('b')"))
            assert joined.load("ord_1") == story.placed().order
            assert store.load("ord_1") is None
            if kept:
                transaction.commit()
            else:
                transaction.rollback()
        assert (store.load("ord_1") is not None) is kept
        assert store._read("SELECT COUNT(*) FROM baskets") == [(int(kept),)]


def test_joined_a_refusal_leaves_the_host_its_own(store: SqlStore, host: Engine) -> None:
    """A stale change, a key that is taken, a sign that cannot be stored: the host's transaction goes on."""
    store.commit([story.placed(key="k")])
    with host.begin() as connection:
        connection.execute(text("CREATE TABLE baskets (name TEXT)"))
        joined = SqlStore.on(connection)
        with pytest.raises(Stale):
            joined.commit([story.placed("ord_2", "N-2"), story.placed()])
        with pytest.raises(KeyReused):
            joined.commit([story.placed("ord_3", "N-3", key="k")])
        with pytest.raises(InvalidInput):
            joined.commit([story.placed("ord_4", "N-4", customer=Party("a\0b"))])
        joined.commit([story.placed("ord_5", "N-5")])
    assert sorted(order.id for order in store.find(OrderQuery())) == ["ord_1", "ord_5"]
    assert store._read("SELECT COUNT(*) FROM baskets") == [(0,)]


def test_joined_it_makes_its_tables_on_demand(url: str, host: Engine) -> None:
    """Without tables the host's transaction goes on, and `create` makes them in it, those of coupons too."""
    with host.begin() as connection:
        joined = SqlStore.on(connection)
        book = SqlCouponBook(joined, SettableClock(START))
        connection.execute(text("SELECT 1"))
        joined.create()
        book.create()
        book.issue("A", "p")
        joined.commit([story.placed()])
        assert book.find(("A",), "c")[0].code == "A"
    with SqlStore(url, create=False) as store:
        assert store.load("ord_1") == story.placed().order


def test_joined_it_needs_a_transaction_that_is_open(host: Engine, store: SqlStore) -> None:
    """Without one, or where each statement commits by itself, it refuses."""
    with host.connect() as connection:
        with pytest.raises(InvalidInput):
            SqlStore.on(connection)
        connection.rollback()
        with connection.begin():
            joined = SqlStore.on(connection)
        with pytest.raises(InvalidInput):
            joined.load("ord_1")
    alone = host.execution_options(isolation_level="AUTOCOMMIT")
    with alone.connect() as connection, connection.begin(), pytest.raises(InvalidInput):
        SqlStore.on(connection)


# Tables.


def test_tables_of_schema_1_are_brought_up(postgres: Server, store: SqlStore, url: str) -> None:
    """Columns and tables that were not there yet are made and filled; later ones are refused."""
    told = story.everything()
    store.commit(told)
    for table in ("tags", "items", "parked"):
        postgres.run(f"DROP TABLE ordercore_{table}", url=url)
    for column in ("agreed", "payment", "delivery", "site", "channel", "campaign"):
        postgres.run(f"ALTER TABLE ordercore_orders DROP COLUMN {column}", url=url)
    postgres.run("UPDATE ordercore_meta SET value = 1", url=url)
    with pytest.raises(StoreError):
        SqlStore(url, create=False)
    with SqlStore(url) as upgraded:
        for order in {change.order.id: change.order for change in told}.values():
            assert upgraded.load(order.id) == order
            sql = "SELECT payment, delivery FROM ordercore_orders WHERE id = %s"
            found = standing(order)
            stands = [(found.payment.value, found.delivery.value)]
            assert upgraded._read(sql, (order.id,)) == stands
        assert upgraded._read("SELECT COUNT(*) FROM ordercore_items") == [(8,)]
    postgres.run("UPDATE ordercore_meta SET value = 9", url=url)
    for create in (True, False):
        with pytest.raises(NewerDocument):
            SqlStore(url, create=create)


def test_names_are_compared_sign_by_sign(postgres: Server, store: SqlStore, url: str) -> None:
    """The server's own idea of what comes after what does not reach the columns that are compared."""
    free = postgres.run(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema AND data_type IN ('character varying', 'text') "
        "AND collation_name IS DISTINCT FROM 'C' ORDER BY 1, 2",
        url=url,
    )
    assert free == [
        ("ordercore_events", "command"), ("ordercore_events", "doc"), ("ordercore_orders", "doc"),
        ("ordercore_parked", "error"), ("ordercore_receipts", "command"),
        ("ordercore_receipts", "digest"),
    ]  # fmt: skip


def test_a_timer_of_an_unknown_kind_is_set_aside(
    postgres: Server, store: SqlStore, url: str
) -> None:
    """The others are claimed, and it is listed with what is wrong."""
    store.commit([story.placed()])
    postgres.run("UPDATE ordercore_timers SET kind = 'dance' WHERE kind LIKE 'close%'", url=url)
    claimed = store.claim_timers(FAR, 10, LEASE)
    assert [timer.key.kind.value for timer in claimed] == ["remind_payment"]
    assert [(aside.kind, aside.tries) for aside in store.parked(10)] == [("dance", 1)]


def test_sums_are_whole_numbers(store: SqlStore) -> None:
    """The server adds up in decimals; what the store tells are minor units, as everywhere."""
    store.commit(story.everything())
    assert {type(balance.amount) for balance in store.trial_balance()} == {int}
