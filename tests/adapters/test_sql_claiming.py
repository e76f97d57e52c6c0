"""Timers among many workers, and among many timers, on each database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.adapters.postgres import Server
from tests.stored import story

from ordercore.adapters.sql import SqlStore
from ordercore.codec import micros

FAR = story.START + timedelta(days=1_000)
LEASE = timedelta(seconds=30)
WORKER = """
import sys
from datetime import datetime, timedelta
from ordercore.adapters.sql import SqlStore

with SqlStore(sys.argv[1], create=False) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    while batch := store.claim_timers(datetime.fromisoformat(sys.argv[2]), 3, timedelta(hours=1)):
        for timer in batch:
            print(timer.order_id, timer.key.kind.value, timer.tries)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'orders.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.url()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """A store on it."""
    with SqlStore(url) as opened:
        yield opened


def fill(store: SqlStore, stored: int, due: int) -> None:
    """So many timers of as many orders, the oldest of them due."""
    at = micros(FAR)
    rows = [
        (f"ord_{i:08}", "close_unpaid", "", at + (i if i >= due else i - due), 0, 0)
        for i in range(stored)
    ]
    store._write(lambda cursor, _: cursor.executemany(store._sql.set_timer, rows), None)


def test_processes_never_share_a_timer(store: SqlStore, url: str) -> None:
    """Two processes that claim at the same time get different timers, and together all of them."""
    fill(store, 300, 300)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, url, FAR.isoformat()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [worker.communicate(timeout=60)[0].splitlines() for worker in workers]
    claimed = [line for lines in told for line in lines]
    assert sorted(claimed) == [f"ord_{i:08} close_unpaid 1" for i in range(300)]


def test_threads_of_two_stores_never_share_a_timer(store: SqlStore, url: str) -> None:
    """Workers get different timers; what each settles is settled for all."""
    fill(store, 400, 400)
    with SqlStore(url, create=False) as other:

        def work(number: int) -> list[str]:
            mine, found = (store, other)[number % 2], []
            while batch := mine.claim_timers(FAR, 7, LEASE):
                found += [timer.order_id for timer in batch]
                mine.settle_timers([(timer, None) for timer in batch])
            return found

        with ThreadPoolExecutor(4) as pool:
            claimed = [name for found in pool.map(work, range(4)) for name in found]
    assert sorted(claimed) == [f"ord_{i:08}" for i in range(400)]
    assert store.backlog(FAR).due == 0


def test_the_oldest_are_claimed_first_whatever_is_stored(store: SqlStore) -> None:
    """Batches follow each other by due time, each sorted, none with more than was asked for."""
    fill(store, 3_000, 1_000)
    found = [timer for _ in range(7) for timer in store.claim_timers(FAR, 150, LEASE)]
    assert [timer.order_id for timer in found] == [f"ord_{i:08}" for i in range(1_000)]


@pytest.mark.parametrize("analyzed", [False, True])
def test_claiming_has_one_plan_at_any_size(
    analyzed: bool, store: SqlStore, url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """With half of the timers due or one in a hundred, with statistics or without, the index is walked in order."""
    other = f"sqlite:///{tmp_path / 'large.db'}"
    if url.startswith("postgresql"):
        other = request.getfixturevalue("postgres").url()
    with SqlStore(other) as large:
        fill(store, 400, 200)
        fill(large, 20_000, 200)
        plans = [claiming(each, analyzed=analyzed) for each in (store, large)]
    assert plans[0] == plans[1]
    assert "ordercore_timers_by_due" in plans[0]
    assert "Sort" not in plans[0]
    assert "TEMP B-TREE" not in plans[0]


def claiming(store: SqlStore, *, analyzed: bool) -> str:
    """The plan of claiming two hundred timers."""
    link, sql, at = store._link, store._sql, micros(FAR)
    cursor = link.take(writing=True)
    try:
        if analyzed:
            cursor.execute("ANALYZE")
        cursor.execute(link.begin)
        if link.plain_plan:
            cursor.execute(link.plain_plan)
        explain = "EXPLAIN (COSTS OFF)" if link.crowded else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {sql.claim}", (at, at, at, 200))
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
        cursor.execute("ROLLBACK")
    finally:
        link.give(cursor, writing=True)
    return plan
