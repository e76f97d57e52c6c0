"""Buyers in several processes after the last units: is exactly what there is sold, and how fast.

``python -m benchmarks.stock [--url URL] [--rounds N] [--buckets N]`` takes another database, by default an SQLite
file of its own. In each round so many buyers come at once for half as many units of an article. Then the
rows of the database are counted: a promise for each unit, and nothing free.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from ordercore.adapters.sql import SqlStock, SqlStore
from ordercore.clock import SettableClock
from ordercore.errors import OutOfStock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

BUYERS, UNITS, PROCESSES = 200, 100, 4
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
PATIENCE = 110
"""Seconds that a process waits for the others before it gives up."""

__all__ = ["Round", "race", "wrong"]


class Round(NamedTuple):
    """What came of one round."""

    sold: int
    """Buyers who were promised their unit."""
    free: int
    """Units that the database says are free."""
    held: int
    """Units that the reservations in the database hold."""
    seconds: float


def _sku(number: int) -> str:
    return f"LAMP-{number}"


@contextmanager
def _opened(url: str, rounds: int, buckets: int) -> Iterator[SqlStock]:
    with SqlStore(url, connections=10, synchronous="NORMAL") as store:
        hot = {_sku(number): buckets for number in range(rounds)}
        yield SqlStock(store, SettableClock(NOON), hot=hot)


def _buy(
    url: str, rounds: int, buckets: int, me: int, start: Barrier, answers: Queue[tuple[int, float]]
) -> None:
    """One process: its share of the buyers, each a thread, in every round."""
    share = BUYERS // PROCESSES
    until = NOON + timedelta(hours=1)

    def buys(stock: SqlStock, sku: str, buyer: int) -> bool:
        try:
            stock.reserve(f"{sku}-{me}-{buyer}", [(sku, 1)], until)
        except OutOfStock:
            return False
        return True

    with _opened(url, rounds, buckets) as stock, ThreadPoolExecutor(share) as pool:
        for number in range(rounds):
            sku = _sku(number)
            start.wait(PATIENCE)
            began = perf_counter()
            sold = sum(pool.map(lambda buyer, sku=sku: buys(stock, sku, buyer), range(share)))
            answers.put((sold, perf_counter() - began))
            start.wait(PATIENCE)


def _context() -> SpawnContext | ForkServerContext:
    """Processes that do not share our connections; where it can be, the library is imported once for all."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "ordercore.adapters.sql"])
    return context


def race(url: str, rounds: int, buckets: int = 1) -> list[Round]:
    """Let the buyers come, so many times."""
    context = _context()
    start = context.Barrier(PROCESSES + 1)
    answers: Queue[tuple[int, float]] = context.Queue()
    buyers = [
        context.Process(target=_buy, args=(url, rounds, buckets, me, start, answers), daemon=True)
        for me in range(PROCESSES)
    ]
    found = []
    with _opened(url, rounds, buckets) as stock:
        for number in range(rounds):
            stock.receive(_sku(number), UNITS)
        for process in buyers:
            process.start()
        for number in range(rounds):
            start.wait(PATIENCE)
            start.wait(PATIENCE)
            told = [answers.get(timeout=PATIENCE) for _ in buyers]
            sku = _sku(number)
            sold = sum([sold for sold, _ in told])
            spent = max([spent for _, spent in told])
            found.append(Round(sold, stock.free(sku), stock.held(sku), spent))
    for process in buyers:
        process.join(PATIENCE)
    return found


def wrong(found: Sequence[Round]) -> list[Round]:
    """The rounds in which not exactly all was sold."""
    return [one for one in found if (one.sold, one.free, one.held) != (UNITS, 0, UNITS)]


def main(arguments: list[str] | None = None) -> int:
    """Race, and say what was seen; 1 where a round sold more or less than there was."""
    parser = argparse.ArgumentParser("python -m benchmarks.stock", description=__doc__)
    parser.add_argument("--url", help="a database; its stock of LAMP-... is used up")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument(
        "--buckets", type=int, default=1, help="rows that the article is spread over"
    )
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"sqlite:///{folder}/stock.db"
        found = race(url, asked.rounds, asked.buckets)
    bad = wrong(found)
    spent = median([one.seconds for one in found])
    print(
        f"{len(found)} rounds of {BUYERS} buyers in {PROCESSES} processes after {UNITS} units, "
        f"{asked.buckets} buckets: {len(found) - len(bad)} sold all and no more; "
        f"median {spent * 1000:.0f} ms a round, {BUYERS / spent:.0f} buyers a second"
    )
    for one in bad[:10]:
        print(f"  {one}")
    return int(bool(bad))


if __name__ == "__main__":
    raise SystemExit(main())
