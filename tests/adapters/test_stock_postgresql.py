"""Stock on PostgreSQL: the whole contract, plain and with buckets, and buyers in several processes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import ClassVar

import pytest
from benchmarks.stock import race, wrong
from sqlalchemy import create_engine
from tests.adapters.postgres import Server
from tests.adapters.test_stock import ROUNDS, SqlStocked

from ordercore.adapters.sql import SqlStock, SqlStore
from ordercore.clock import SettableClock
from ordercore.errors import OutOfStock
from ordercore.testing import START


class TestPostgresStock(SqlStocked):
    """On a server."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, postgres: Server) -> None:
        cls.server = postgres

    server: Server

    def url(self) -> str:
        """A schema of its own."""
        return self.server.url()


class TestHotPostgresStock(TestPostgresStock):
    """On a server, each article in more rows than it has units."""

    hot: ClassVar[Mapping[str, int]] = {"A": 8, "B": 2}


@pytest.mark.parametrize("buckets", [1, 16])
def test_l19_of_200_buyers_in_several_processes_100_get_one_of_100(
    buckets: int, postgres: Server
) -> None:
    """In each round all is sold and nothing more, from one row and from sixteen."""
    found = race(postgres.url(), ROUNDS, buckets)
    assert (len(found), wrong(found)) == (ROUNDS, [])


def test_two_that_move_towards_each_other_both_come_through(postgres: Server) -> None:
    """Moves between two sources in both directions wait for each other, and never in a circle."""
    with SqlStore(postgres.url(), connections=20) as store:
        stock = SqlStock(store, SettableClock(START), sources=("north", "south"))
        for source in ("north", "south"):
            stock.receive("A", 40, source)
            stock.receive("B", 40, source)
        for number in range(20):
            stock.reserve(f"r-{number}", [("A", 1), ("B", 1)], START + timedelta(hours=1))

        def move(number: int) -> None:
            for turn in range(4):
                here, there = ("north", "south") if (number + turn) % 2 else ("south", "north")
                stock.place(f"r-{number}", [(here, "A", 1), (there, "B", 1)])

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(move, range(20)))
        found = {(s.source, s.sku): s.units for s in stock.available(["A", "B"])}
        assert found == {
            ("north", "A"): 30, ("south", "A"): 30, ("north", "B"): 30, ("south", "B"): 30,
        }  # fmt: skip


@pytest.mark.parametrize("commits", [True, False])
def test_joined_it_goes_with_the_hosts_transaction(postgres: Server, *, commits: bool) -> None:
    """A promise made inside the host's transaction is there if that commits; a refusal leaves it as it was."""
    url = postgres.url()
    with SqlStore(url) as own:
        SqlStock(own, SettableClock(START)).receive("A", 5)
    host = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with suppress(ZeroDivisionError), host.begin() as connection:
        stock = SqlStock(SqlStore.on(connection), SettableClock(START))
        stock.reserve("r-1", [("A", 2)], START + timedelta(hours=1))
        with pytest.raises(OutOfStock):
            stock.reserve("r-2", [("A", 9)], START + timedelta(hours=1))
        assert (stock.joins, stock.free("A")) == (True, 3)
        if not commits:
            raise ZeroDivisionError
    host.dispose()
    with SqlStore(url) as own:
        left = SqlStock(own, SettableClock(START))
        assert (left.free("A"), left.held("A")) == ((3, 2) if commits else (5, 0))
