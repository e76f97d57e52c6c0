"""Order numbers: in the host's format, and none given twice, whoever places at the same time."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import pytest
from tests.engine.world import SHOPPER, order_a

from ordercore import OrderEngine, Policies, SettableClock
from ordercore.adapters.memory import MemoryStore
from ordercore.adapters.sql import SqlStore
from ordercore.identity import NumberTemplate, SystemIds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.adapters.postgres import Server

    from ordercore.ports import OrderStore

EVENING = datetime(2026, 5, 19, 16, 30, tzinfo=UTC)
"""In Shanghai the twentieth has begun."""
EACH, THREADS = 40, 4
KEYS = SystemIds()


def numbers(
    store: OrderStore,
    template: NumberTemplate,
    orders: int,
    *,
    shop: str = "",
    at: datetime = EVENING,
) -> list[str]:
    """The numbers of so many orders, placed one after the other by an engine of its own."""
    engine = OrderEngine(store, policies=Policies(numbers=template), clock=SettableClock(at))
    quote = engine.quote(order_a(shop=shop))
    keys = [KEYS.new("k") for _ in range(orders)]
    return [engine.place(quote, key=key, by=SHOPPER).number for key in keys]


@pytest.mark.parametrize(
    ("template", "shop", "expected"),
    [
        (NumberTemplate(), "", "ORD-0000000001"),
        (NumberTemplate("HB{date}-{seq:06}"), "", "HB20260519-000001"),
        (NumberTemplate("HB{date}-{seq:06}", "Asia/Shanghai"), "", "HB20260520-000001"),
        (NumberTemplate("{shop}-{seq:04}"), "north", "north-0001"),
    ],
)
def test_an_order_has_a_number_in_the_format_of_the_host(
    template: NumberTemplate, shop: str, expected: str
) -> None:
    """The policy's template, filled with the day in its zone, the shop and the count."""
    assert numbers(MemoryStore(), template, 1, shop=shop) == [expected]


def test_each_day_and_each_shop_counts_for_itself() -> None:
    """A template with a date begins anew each day, one with a shop counts for each shop, one with neither goes on."""
    store, later = MemoryStore(), EVENING.replace(day=21)
    daily, own, whole = (NumberTemplate(t) for t in ("{date}-{seq}", "{shop}-{seq}", "A{seq}"))
    assert numbers(store, daily, 2) == ["20260519-1", "20260519-2"]
    assert numbers(store, daily, 1, at=later) == ["20260521-1"]
    assert numbers(store, own, 2, shop="north") == ["north-1", "north-2"]
    assert numbers(store, own, 1, shop="south") == ["south-1"]
    assert numbers(store, whole, 1, shop="north") == ["A1"]
    assert numbers(store, whole, 1, shop="south", at=later) == ["A2"]


def placed_together(opened: Callable[[], OrderStore]) -> list[str]:
    """Numbers of orders that several threads place at once, every thread by a store that it gets."""
    template = NumberTemplate("HB{date}-{seq:06}")
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda _: numbers(opened(), template, EACH), range(THREADS))
        return [number for some in found for number in some]


def distinct(given: list[str]) -> None:
    """None is there twice, and each is as the template says."""
    assert len(given) == len(set(given)) == EACH * THREADS
    assert {len(number) for number in given} == {len("HB20260519-000001")}


def test_threads_on_one_store_get_different_numbers() -> None:
    """In memory every number is given once, and none is skipped."""
    store = MemoryStore()
    given = placed_together(lambda: store)
    distinct(given)
    assert max(given) == f"HB20260519-{EACH * THREADS:06}"


def test_stores_on_one_file_get_different_numbers(tmp_path: Path) -> None:
    """Two stores on one file, each with several threads, as two processes of a shop have them."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with SqlStore(url) as one, SqlStore(url) as two:
        stores = count()
        distinct(placed_together(lambda: one if next(stores) % 2 else two))


PROCESS = """
import sys
from ordercore.adapters.sql import SqlStore
with SqlStore(sys.argv[1], create=False) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        print(store.next_number("a"))
"""


def test_processes_on_one_file_get_different_numbers(tmp_path: Path) -> None:
    """Two processes that begin at the same moment are given different numbers; some may be skipped."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    SqlStore(url).close()
    command = [sys.executable, "-c", PROCESS, url, "200"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    try:
        for process in both:
            assert process.stdout.readline() == "ready\n"
        given: list[int] = []
        for process in both:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in both:
            out, _ = process.communicate(timeout=60)
            given += [int(line) for line in out.split()]
    finally:
        for process in both:
            process.kill()
            process.wait()
    assert len(given) == len(set(given)) == 400
    assert min(given) == 1


def test_threads_on_a_server_get_different_numbers(postgres: Server) -> None:
    """Two stores on one database server, each with several threads."""
    url = postgres.url()
    with SqlStore(url) as one, SqlStore(url) as two:
        stores = count()
        distinct(placed_together(lambda: one if next(stores) % 2 else two))


def test_a_number_is_skipped_rather_than_given_again(tmp_path: Path) -> None:
    """What a process had taken and not used is not given to the next one: a gap, and never a repeat."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with SqlStore(url) as first:
        before = numbers(first, NumberTemplate("A-{seq}"), 2)
    with SqlStore(url) as second:
        later = numbers(second, NumberTemplate("A-{seq}"), 1)
    assert before == ["A-1", "A-2"]
    assert int(later[0].removeprefix("A-")) > 2
