"""Stock in memory and in SQLite: the whole contract, and what only one of them can get wrong."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from benchmarks.stock import race, wrong
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from ordercore.adapters.memory import MemoryStock
from ordercore.adapters.sql import SqlStock, SqlStore
from ordercore.clock import SettableClock
from ordercore.codec import micros
from ordercore.errors import InvalidInput, NewerDocument, OutOfStock, StoreError
from ordercore.testing import START, SourcedStockContract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ordercore.ports import SourcedStock, StockKeeper


class Stocked(SourcedStockContract):
    """What all keepers here have in common."""

    def advance(self, by: timedelta) -> None:
        """Let the clock go on."""
        self.clock.advance(by)

    clock: SettableClock

    def test_l24_malformed_goods_are_refused_and_promise_nothing(self) -> None:
        """What is no list of units, a time without a zone, a part without goods: never a fault from below."""
        self.open_sources()
        self.reserve("r-1", ("A", 2))
        stood, left = self.placed("r-1"), self.left()
        naive = START.replace(tzinfo=None)
        wrong: tuple[tuple[str, tuple[Any, ...]], ...] = (
            ("reserve", ("r-2", None, HOUR)),
            ("reserve", ("r-2", [("A",)], HOUR)),
            ("reserve", ("r-2", [("A", 1)], naive)),
            ("reserve", ("r-2", [([], 1)], HOUR)),
            ("release", ("r-1", [("A", 1, 1)])),
            ("transfer", ("r-1", None)),
            ("transfer", ("r-1", [("r-2", None)])),
            ("transfer", ("r-1", [5])),
            ("place", ("r-1", [("north", 1)])),
            ("place", ("r-1", None)),
            ("keep_at", ("r-1", [("north", "A", "2")])),
            ("keep_at", ("r-1", 5)),
        )
        for verb, args in wrong:
            with pytest.raises(InvalidInput):
                self.ask(getattr(self.sourced, verb)(*args))
            assert (self.placed("r-1"), self.left()) == (stood, left), (verb, args)


class TestMemoryStock(Stocked):
    """The stock in memory."""

    def make_sourced(self, levels: Mapping[str, Mapping[str, int]]) -> SourcedStock:
        """With these sources."""
        self.clock = SettableClock(START)
        return MemoryStock(self.clock, sources=levels)


class SqlStocked(Stocked):
    """What the keepers in a database have in common."""

    hot: ClassVar[Mapping[str, int]] = {}

    def url(self) -> str:
        """Where the tables are."""
        return "sqlite://"

    def make_sourced(self, levels: Mapping[str, Mapping[str, int]]) -> SourcedStock:
        """On the connections of a store."""
        self.clock = SettableClock(START)
        store = SqlStore(self.url(), synchronous="NORMAL", connections=20)
        stock = SqlStock(store, self.clock, sources=tuple(levels), hot=self.hot)
        for source, units in levels.items():
            for sku, number in units.items():
                stock.receive(sku, number, source)
        return stock

    def close_stock(self, stock: StockKeeper) -> None:
        """Close the store."""
        assert isinstance(stock, SqlStock)
        stock._store.close()


class TestSqliteMemoryStock(SqlStocked):
    """On SQLite in memory."""


class TestHotSqliteStock(SqlStocked):
    """On SQLite in memory, each article in more rows than it has units."""

    hot: ClassVar[Mapping[str, int]] = {"A": 8, "B": 2}


class TestSqliteFileStock(SqlStocked):
    """On an SQLite file."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path, _one_loop_a_test: None) -> None:
        self.folder = tmp_path
        self.count = 0

    @pytest.fixture(autouse=True)
    def _one_stock_a_test(self, _file: None, _one_loop_a_test: None) -> Iterator[None]:
        self.stock = self.ask(self.make_stock({"A": 3, "B": 1}))
        self._probes = 0
        yield
        self.ask(self.close_stock(self.stock))

    def url(self) -> str:
        """A new file."""
        self.count += 1
        return f"sqlite:///{self.folder}/stock{self.count}.db"


HOUR = START + timedelta(hours=1)

# Memory and database, step by step.

SKUS, SOURCES, NAMES = ("A", "B"), ("north", "south"), ("r1", "r2", "r3", "r4")
names, units = st.sampled_from(NAMES), st.integers(0, 4)
goods = st.lists(st.tuples(st.sampled_from(SKUS), units), max_size=3)
stands = st.lists(st.tuples(st.sampled_from(SOURCES), st.sampled_from(SKUS), units), max_size=4)
parts = st.lists(st.tuples(names, goods), max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("reserve"), names, goods, st.integers(1, 9)),
    st.tuples(st.just("deduct"), names),
    st.tuples(st.just("release"), names, goods),
    st.tuples(st.just("transfer"), names, parts),
    st.tuples(st.just("place"), names, stands),
    st.tuples(st.just("keep_at"), names, stands),
    st.tuples(st.just("wait"), st.integers(1, 4)),
)


def answer(stock: MemoryStock | SqlStock, step: tuple[Any, ...]) -> str:
    """What a keeper says to a step: nothing, or the name of its refusal."""
    verb, *rest = step
    if verb == "reserve":
        rest[-1] = START + timedelta(minutes=rest[-1])
    try:
        getattr(stock, verb)(*rest)
    except (OutOfStock, InvalidInput) as error:
        return type(error).__name__
    return ""


@given(st.lists(STEPS, max_size=25))
def test_l19_memory_and_database_agree_and_conserve_every_unit(steps: list[Any]) -> None:
    """The same steps have the same answers and leave the same goods at the same places; no unit comes or goes."""
    clock = SettableClock(START)
    levels = {"north": {"A": 3, "B": 2}, "south": {"A": 2, "B": 4}}
    with SqlStore("sqlite://") as store:
        base = SqlStock(store, clock, sources=SOURCES)
        memory = MemoryStock(clock, sources=levels)
        for source, its in levels.items():
            for sku, number in its.items():
                base.receive(sku, number, source)
        for step in steps:
            if step[0] == "wait":
                clock.advance(timedelta(minutes=step[1]))
            else:
                assert answer(base, step) == answer(memory, step), step
            free = base.available(SKUS)
            assert free == memory.available(SKUS)
            placed = [base.placed(name) for name in NAMES]
            assert placed == [memory.placed(name) for name in NAMES]
            for source, its in levels.items():
                for sku, number in its.items():
                    left = [s.units for s in free if (s.source, s.sku) == (source, sku)]
                    held = [n for one in placed for at, of, n in one if (at, of) == (source, sku)]
                    assert sum(left) + sum(held) == number


# In memory.


def test_a_stock_in_memory_gets_its_sources_as_goods_come_in() -> None:
    """What was there stands at the source without a name; a new source is taken from last."""
    stock = MemoryStock(SettableClock(START), {"A": 1})
    stock.receive("A", 2, "south")
    assert [(s.source, s.units) for s in stock.available(["A"])] == [("", 1), ("south", 2)]
    assert stock.free("A") == 3
    stock.reserve("r-1", [("A", 3)], HOUR)
    assert stock.placed("r-1") == (("", "A", 1), ("south", "A", 2))
    stock.release("r-1", [("A", 1)])
    stock.receive("B", 4)
    assert [s.units for s in stock.available(["A", "B"])] == [2, 4]


def test_an_endless_stock_in_memory_names_no_sources_and_stands_anywhere() -> None:
    """It promises whatever is asked, and keeps where it is told to stand."""
    stock = MemoryStock(SettableClock(START))
    stock.receive("A", 1)
    stock.reserve("r-1", [("A", 10**9)], START)
    stock.place("r-1", [("north", "A", 10**9)])
    stock.transfer("r-1", [("c-1", [("A", 5)])])
    assert (stock.free("A"), stock.available(["A"])) == (None, ())
    assert stock.placed("c-1") == (("north", "A", 5),)


def test_units_stand_in_the_stock_or_at_its_sources() -> None:
    """Both at once could not be told apart."""
    with pytest.raises(InvalidInput):
        MemoryStock(SettableClock(START), {"A": 1}, sources={"north": {"A": 1}})


# The database.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "stock.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    """A store on a file."""
    with SqlStore(f"sqlite:///{path}", synchronous="NORMAL") as opened:
        yield opened


def test_promises_survive_their_process(store: SqlStore, path: Path) -> None:
    """What was received, promised, made final and handed over is there for the next process."""
    stock = SqlStock(store, SettableClock(START))
    stock.receive("A", 5)
    stock.reserve("r-1", [("A", 2)], HOUR)
    stock.deduct("r-1")
    stock.transfer("r-1", [("c-1", [("A", 1)])])
    stock.release("c-1")
    with SqlStore(f"sqlite:///{path}", create=False) as again:
        other = SqlStock(again, SettableClock(HOUR))
        other.transfer("r-1", [("c-1", [("A", 1)])])
        assert (other.free("A"), other.reserved("r-1"), other.held("A")) == (4, {"A": 1}, 1)


def test_goods_are_written_off_where_they_are_free(store: SqlStore) -> None:
    """What is promised cannot be written off; what is written off cannot be promised."""
    stock = SqlStock(store, SettableClock(START), hot={"A": 3})
    stock.receive("A", 5, "north")
    stock.receive("A", 1, "south")
    stock.reserve("r-1", [("A", 2)], HOUR)
    for units, source in ((4, "north"), (2, "south"), (1, "west")):
        with pytest.raises(OutOfStock) as caught:
            stock.write_off("A", units, source)
        assert caught.value.data["sku"] == "A"
    stock.write_off("A", 3, "north")
    assert [(s.source, s.units) for s in stock.available(["A"])] == [("south", 1)]
    stock.write_off("A", 0, "west")
    with pytest.raises(InvalidInput):
        stock.write_off("A", -1, "south")
    with pytest.raises(InvalidInput):
        stock.receive("A", -1, "south")


def test_a_write_off_finds_what_lapsed(store: SqlStore) -> None:
    """Units of a promise whose time is over are free."""
    clock = SettableClock(START)
    stock = SqlStock(store, clock)
    stock.receive("A", 5)
    stock.reserve("r-1", [("A", 5)], HOUR)
    clock.set(HOUR)
    stock.write_off("A", 5)
    assert (stock.free("A"), stock.held("A")) == (0, 0)


@pytest.mark.parametrize("number", [0, -1, 1_001, 1.0])
def test_buckets_are_bounded(number: Any, store: SqlStore) -> None:
    """An article stands in at least one row, and in no more than a bound."""
    with pytest.raises(InvalidInput) as caught:
        SqlStock(store, SettableClock(START), hot={"A": number})
    assert caught.value.path == "hot.A"


def test_buckets_sell_to_the_last_unit_and_to_who_wants_many(store: SqlStore) -> None:
    """L19: 100 units in 16 rows are 100 units, for a buyer of 50 as for buyers of one."""
    stock = SqlStock(store, SettableClock(START), hot={"A": 16})
    stock.receive("A", 100)
    stock.reserve("many", [("A", 50)], HOUR)
    for number in range(50):
        stock.reserve(f"r-{number}", [("A", 1)], HOUR)
    assert (stock.free("A"), stock.held("A")) == (0, 100)
    with pytest.raises(OutOfStock):
        stock.reserve("late", [("A", 1)], HOUR)
    stock.release("many")
    assert stock.free("A") == 50


def test_keepers_that_declare_other_buckets_share_one_stock(store: SqlStore) -> None:
    """How many rows an article has is no promise: a keeper that declares none sells all of them."""
    hot = SqlStock(store, SettableClock(START), hot={"A": 16})
    plain = SqlStock(store, SettableClock(START))
    hot.receive("A", 20)
    plain.reserve("r-1", [("A", 20)], HOUR)
    assert hot.free("A") == 0
    plain.release("r-1")
    hot.reserve("r-2", [("A", 20)], HOUR)
    assert plain.free("A") == 0


def test_a_sweep_clears_away_what_lapsed_so_many_at_a_time(store: SqlStore) -> None:
    """Each call tells how many there were; what is final or lasts longer stays."""
    clock = SettableClock(START)
    stock = SqlStock(store, clock)
    stock.receive("A", 10)
    for number in range(5):
        stock.reserve(f"r-{number}", [("A", 1)], HOUR)
    stock.deduct("r-0")
    stock.reserve("r-1", [("A", 1)], HOUR + timedelta(hours=1))
    assert stock.lapse() == 0
    clock.set(HOUR)
    assert [stock.lapse(2), stock.lapse(2), stock.lapse(2)] == [2, 1, 0]
    assert (stock.free("A"), stock.held("A")) == (8, 2)
    with pytest.raises(InvalidInput):
        stock.lapse(0)


def test_a_promise_made_longer_while_a_sweep_runs_stays(store: SqlStore) -> None:
    """What was over when the sweep looked, and is not when it writes, is left alone."""
    clock = SettableClock(START)
    stock = SqlStock(store, clock)
    stock.receive("A", 5)
    for name in ("r-1", "r-2", "r-3"):
        stock.reserve(name, [("A", 1)], HOUR)
    stock.reserve("r-1", [("A", 1)], HOUR + timedelta(hours=1))
    stock.deduct("r-2")
    store._write(stock._lapse, (("gone", "r-1", "r-2", "r-3"), micros(HOUR)))
    assert [stock.reserved(name) for name in ("r-1", "r-2", "r-3")] == [{"A": 1}, {"A": 1}, {}]
    assert (stock.free("A"), stock.held("A")) == (3, 2)


def test_more_promises_than_a_batch_lapse_for_one_buyer(store: SqlStore) -> None:
    """An article is out of stock only after all that has lapsed was looked through, oldest first."""
    clock = SettableClock(START)
    stock = SqlStock(store, clock)
    stock.receive("A", 1)
    stock.receive("B", 250)
    for number in range(250):
        stock.reserve(f"b-{number}", [("B", 1)], START + timedelta(minutes=1))
    stock.reserve("a-1", [("A", 1)], START + timedelta(minutes=2))
    clock.set(HOUR)
    stock.reserve("a-2", [("A", 1)], HOUR + timedelta(hours=1))
    assert (stock.reserved("a-2"), stock.free("B")) == ({"A": 1}, 250)


def test_hand_overs_are_remembered_until_they_are_forgotten(store: SqlStore) -> None:
    """What is dropped is what was handed over before a moment."""
    clock = SettableClock(START)
    stock = SqlStock(store, clock)
    stock.receive("A", 5)
    stock.reserve("r-1", [("A", 5)], HOUR)
    stock.transfer("r-1", [("c-1", [("A", 1)]), ("c-2", [("A", 1)])])
    assert stock.forget(START) == 0
    clock.advance(timedelta(minutes=1))
    stock.transfer("r-1", [("c-3", [("A", 1)])])
    assert stock.forget(clock.now()) == 2
    stock.transfer("r-1", [("c-3", [("A", 1)])])
    assert stock.reserved("r-1") == {"A": 2}


@pytest.mark.parametrize("commits", [True, False])
def test_joined_it_goes_with_the_hosts_transaction(path: Path, *, commits: bool) -> None:
    """A promise made inside the host's transaction is there if that commits, and never was if not."""
    with SqlStore(f"sqlite:///{path}") as own:
        SqlStock(own, SettableClock(START)).receive("A", 5)
    host = create_engine(f"sqlite:///{path}")
    try:
        with suppress(ZeroDivisionError), host.begin() as connection:
            stock = SqlStock(SqlStore.on(connection), SettableClock(START))
            assert stock.joins
            stock.reserve("r-1", [("A", 2)], HOUR)
            with pytest.raises(OutOfStock):
                stock.reserve("r-2", [("A", 9)], HOUR)
            assert stock.free("A") == 3
            if not commits:
                raise ZeroDivisionError
    finally:
        host.dispose()
    with SqlStore(f"sqlite:///{path}") as own:
        left = SqlStock(own, SettableClock(START))
        assert not left.joins
        assert (left.free("A"), left.held("A")) == ((3, 2) if commits else (5, 0))


def test_joined_it_makes_its_tables_when_asked(path: Path) -> None:
    """Inside the host's transaction nothing is made by itself; `create` makes what is missing, and twice is once."""
    host = create_engine(f"sqlite:///{path}")
    with host.begin() as connection:
        base = SqlStore.on(connection)
        base.create()
        stock = SqlStock(base, SettableClock(START))
        with pytest.raises(StoreError):
            stock.receive("A", 1)
        stock.create()
        stock.create()
        stock.receive("A", 1)
        assert stock.free("A") == 1
    host.dispose()


def test_tables_of_a_later_version_are_refused(store: SqlStore, path: Path) -> None:
    """A keeper does not write into tables that it does not know."""
    SqlStock(store, SettableClock(START))
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE ordercore_meta SET value = 99 WHERE name = 'stock_schema'")
        file.commit()
    with pytest.raises(NewerDocument) as caught:
        SqlStock(store, SettableClock(START))
    assert caught.value.data["found"] == 99


def test_the_statement_budget_of_a_promise(store: SqlStore) -> None:
    """Of one article: the reservation, its line, the stock last, as everybody waits for that; final: one."""
    stock = SqlStock(store, SettableClock(START))
    stock.receive("A", 5)
    link: Any = store._link
    seen: list[str] = []
    link._free[-1].connection.set_trace_callback(seen.append)
    stock.reserve("r-1", [("A", 1)], HOUR)
    assert [text.split()[0] for text in seen] == ["BEGIN", "INSERT", "INSERT", "UPDATE", "COMMIT"]
    seen.clear()
    stock.deduct("r-1")
    assert [text.split()[0] for text in seen] == ["BEGIN", "UPDATE", "COMMIT"]


def test_the_database_itself_refuses_less_than_nothing(store: SqlStore, path: Path) -> None:
    """L19: even past the keeper, no row of the stock goes below zero."""
    SqlStock(store, SettableClock(START)).receive("A", 1)
    with closing(sqlite3.connect(path)) as file, pytest.raises(sqlite3.IntegrityError):
        file.execute("UPDATE ordercore_stock SET free = free - 2")


ROUNDS = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 3


def test_l19_of_200_buyers_in_several_processes_100_get_one_of_100(path: Path) -> None:
    """In each round all is sold and nothing more, on a file that four processes write."""
    found = race(f"sqlite:///{path}", ROUNDS)
    assert (len(found), wrong(found)) == (ROUNDS, [])
