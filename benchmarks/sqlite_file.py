"""Placing and paying on a SQLite file, against raw ``sqlite3`` that writes the same rows.

Raw is what a first run of the store wrote: each INSERT, UPDATE and DELETE with its parameters,
commit by commit, recorded on the driver's cursor. It is replayed on a file with the same tables,
indexes and pragmas in the same transactions. Raw reads nothing, decides nothing and writes no JSON:
its texts are ready.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Engine, event

from benchmarks import growth, shop
from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import take_turns
from ordercore import Order, OrderEngine, PaymentResult, Quote
from ordercore.adapters.sql import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.rounds import Case

AT_LEAST = 55.0
ORDERS = 50
"""Orders of one round, and of one group."""

__all__ = ["Commit", "Statement", "measure", "record", "replay", "stored"]


class Statement(NamedTuple):
    """A statement as it was sent, with the rows it was sent with."""

    sql: str
    rows: list[tuple[Any, ...]]
    many: bool


Commit = list[Statement]
Buy = Callable[[OrderEngine, Quote, str], None]
"""Buys one round's orders; the text keeps the keys of rounds apart."""


def one_by_one(engine: OrderEngine, quote: Quote, mark: str) -> None:
    """Place and pay, order by order: each verb commits for itself."""
    for i in range(ORDERS):
        order = engine.place(quote, key=f"q{mark}-{i}", by=shop.BY)
        engine.pay(order.id, shop.OFFERS, key=f"p{mark}-{i}", by=shop.BY)


def grouped(engine: OrderEngine, quote: Quote, mark: str) -> None:
    """Place and pay in batches, whose changes share commits."""
    placed = engine.place_many([(quote, f"q{mark}-{i}", shop.BY) for i in range(ORDERS)])
    names = [order.id for order in placed if isinstance(order, Order)]
    paid = engine.pay_many(
        [(name, shop.OFFERS, f"p{mark}-{i}", shop.BY) for i, name in enumerate(names)]
    )
    assert all(isinstance(result, PaymentResult) and result.paid for result in paid)
    assert len(paid) == ORDERS


def record(buy: Buy, rounds: int) -> list[list[Commit]]:
    """What the store writes in ``rounds`` rounds, by round and commit."""
    tape: list[Statement] = []

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = ()) -> Cursor:
            tape.append(Statement(sql, [tuple(parameters)], many=False))
            super().execute(sql, parameters)
            return self

        def executemany(self, sql: str, rows: Any) -> Cursor:
            tape.append(Statement(sql, [tuple(row) for row in rows], many=True))
            super().executemany(sql, rows)
            return self

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

    def connect(_dialect: Any, _record: Any, _args: Any, keywords: dict[str, Any]) -> None:
        keywords["factory"] = Connection

    event.listen(Engine, "do_connect", connect)
    try:
        store = SqlStore("sqlite://")
    finally:
        event.remove(Engine, "do_connect", connect)
    engine = shop.build(store)
    quote = engine.quote(shop.cart())
    found = []
    for number in range(rounds):
        tape.clear()
        buy(engine, quote, f"{number}")
        found.append(list(_commits(tape)))
    store.close()
    return found


def _commits(tape: Sequence[Statement]) -> Iterator[Commit]:
    """The writes between each BEGIN and its COMMIT."""
    commit: Commit = []
    for statement in tape:
        verb = statement.sql.split(None, 1)[0].upper()
        if verb == "COMMIT":
            yield commit
            commit = []
        elif verb in {"INSERT", "UPDATE", "DELETE"}:
            commit.append(statement)
        elif verb not in {"BEGIN", "SELECT"}:
            raise ValueError(statement.sql)
    if commit:
        raise ValueError(commit[0].sql)


def replay(cursor: sqlite3.Cursor, commits: Sequence[Commit]) -> None:
    """Write recorded commits."""
    execute, executemany = cursor.execute, cursor.executemany
    for commit in commits:
        execute("BEGIN IMMEDIATE")
        for sql, rows, many in commit:
            if many:
                executemany(sql, rows)
            else:
                execute(sql, rows[0])
        execute("COMMIT")


def open_raw(path: Path, synchronous: str) -> sqlite3.Connection:
    """A file with the store's tables and pragmas, without the store."""
    SqlStore(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        "journal_mode = WAL", "busy_timeout = 5000", "foreign_keys = ON",
        f"synchronous = {synchronous}",
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    return connection


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for the files, on the disk that ``BENCH_DIR`` names."""
    return tempfile.TemporaryDirectory(prefix="ordercore-bench-", dir=os.environ.get("BENCH_DIR"))


def _store_case(store: SqlStore, buy: Buy) -> Case:
    engine = shop.build(store)

    def run(number: int) -> float:
        quote = engine.quote(shop.cart())
        start = perf_counter()
        buy(engine, quote, f"{number}")
        return (perf_counter() - start) / ORDERS

    return run


def _raw_case(cursor: sqlite3.Cursor, rounds: list[list[Commit]]) -> Case:
    def run(number: int) -> float:
        start = perf_counter()
        replay(cursor, rounds[number])
        return (perf_counter() - start) / ORDERS

    return run


def measure(*, quick: bool) -> Report:
    """Place and pay: durable or nearly so, each verb alone and fifty together."""
    rounds = 5 if quick else 15
    ways = {"each alone": one_by_one, "by 50": grouped}
    tapes = {name: record(buy, rounds + 1) for name, buy in ways.items()}
    cases: dict[str, Case] = {}
    with scratch() as folder:
        opened: list[Any] = []
        for synchronous in ("FULL", "NORMAL"):
            for i, (way, buy) in enumerate(ways.items()):
                name = f"{synchronous}, {way}"
                path = Path(folder) / f"{synchronous}{i}.db"
                store = SqlStore(f"sqlite:///{path}", synchronous=synchronous)
                raw = open_raw(path.with_suffix(".raw.db"), synchronous)
                opened += [store, raw]
                cases[name] = _store_case(store, buy)
                cases[f"raw {name}"] = _raw_case(raw.cursor(), tapes[way])
        found = take_turns(cases, rounds)
        for each in opened:
            each.close()
    bars = []
    for name in [case for case in cases if not case.startswith("raw ")]:
        us, raw_us = found.us(name), found.us(f"raw {name}")
        ours, base = (f"{x:.0f} us, {1e6 / x:,.0f} orders/s" for x in (us, raw_us))
        share = found.ratio(f"raw {name}", name) * 100
        title = f"SQLite file, place + pay, {name}: share of raw sqlite3"
        bars.append(Bar(title, Side.AT_LEAST, AT_LEAST, share, " %", ours, base))
    return Report(bars, [_written(tapes)])


def _written(tapes: dict[str, list[list[Commit]]]) -> Table:
    """What an order comes to in commits, statements and rows."""
    rows = []
    for way, rounds in tapes.items():
        commits = rounds[1]
        statements = [statement for commit in commits for statement in commit]
        written = sum(len(statement.rows) for statement in statements)
        text = sum(
            len(cell)
            for statement in statements
            for row in statement.rows
            for cell in row
            if isinstance(cell, str)
        )
        counts = (len(commits), len(statements), written, text)
        rows.append((way, *[count / ORDERS for count in counts]))
    heads = ("place + pay", "commits", "statements", "rows", "characters")
    return Table("Written on SQLite, an order", heads, rows)


def stored(*, quick: bool) -> Report:
    """Place and pay by the orders that the file already holds."""
    most = 2_000 if quick else 10_000
    cases: dict[str, Case] = {}
    with scratch() as folder:
        stores = []
        for count in (0, most):
            store = SqlStore(f"sqlite:///{Path(folder) / f'{count}.db'}", synchronous="NORMAL")
            stores.append(store)
            growth.fill(shop.build(store), count)
            cases[f"{count}"] = _store_case(store, one_by_one)
        found = take_turns(cases, 7 if quick else 15)
        for store in stores:
            store.close()
    ours, base = (f"{found.us(f'{count}'):.0f} us" for count in (most, 0))
    name = f"SQLite file, place + pay: {most:,} orders stored / none"
    bar = Bar(name, Side.AT_MOST, growth.FLAT, found.ratio(f"{most}", "0"), " x", ours, base)
    return Report([bar])
