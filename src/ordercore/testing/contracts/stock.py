"""What a stock keeper promises."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ordercore.errors import OutOfStock
from ordercore.testing.contracts.asking import Contract
from ordercore.testing.story import START

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ordercore.ports import Answer, StockKeeper

__all__ = ["StockKeeperContract"]

_MINUTE = timedelta(minutes=1)


class StockKeeperContract(Contract):
    """What a `StockKeeper` promises. Give `make_stock` and, for lapses, `advance`."""

    def make_stock(self, levels: Mapping[str, int]) -> Answer[StockKeeper]:
        """A new keeper that has these units; its time is noon (`ordercore.testing.START`)."""
        raise NotImplementedError

    def advance(self, by: timedelta) -> None:
        """Let the keeper's time go on."""
        raise NotImplementedError

    def close_stock(self, stock: StockKeeper) -> Answer[None]:
        """Let go of what the keeper holds open."""

    stock: StockKeeper
    _probes: int

    @pytest.fixture(autouse=True)
    def _one_stock_a_test(self, _one_loop_a_test: None) -> Iterator[None]:
        self.stock = self.ask(self.make_stock({"A": 3, "B": 1}))
        self._probes = 0
        yield
        self.ask(self.close_stock(self.stock))

    def reserve(self, name: str, *goods: tuple[str, int], minutes: int = 60) -> None:
        """Reserve until so long after noon."""
        self.ask(self.stock.reserve(name, goods, START + minutes * _MINUTE))

    def free(self, sku: str) -> int:
        """How many units may be promised, by trying."""
        units = 0
        for wanted in range(1, 10):
            self._probes += 1
            name = f"probe-{self._probes}"
            try:
                self.reserve(name, (sku, wanted), minutes=10_000)
            except OutOfStock:
                break
            self.ask(self.stock.release(name))
            units = wanted
        return units

    def test_no_more_is_promised_than_there_is(self) -> None:
        """L19: of three units two are promised, and of the next two none."""
        self.reserve("r-1", ("A", 2))
        with pytest.raises(OutOfStock) as caught:
            self.reserve("r-2", ("A", 2))
        assert caught.value.data["sku"] == "A"
        assert self.free("A") == 1

    def test_a_reservation_is_all_or_nothing(self) -> None:
        """Where one article is short, the others are not promised either."""
        with pytest.raises(OutOfStock):
            self.reserve("r-1", ("A", 1), ("B", 2))
        assert (self.free("A"), self.free("B")) == (3, 1)

    def test_an_article_named_twice_counts_twice(self) -> None:
        """Two lines of one article need the units of both."""
        with pytest.raises(OutOfStock):
            self.reserve("r-1", ("A", 2), ("A", 2))
        self.reserve("r-1", ("A", 2), ("A", 1))
        assert self.free("A") == 0

    def test_an_unknown_article_is_out_of_stock(self) -> None:
        """Nothing is promised of what the keeper does not have."""
        with pytest.raises(OutOfStock):
            self.reserve("r-1", ("no such thing", 1))

    def test_the_same_id_is_the_same_reservation(self) -> None:
        """A retry promises nothing more."""
        self.reserve("r-1", ("A", 2))
        self.reserve("r-1", ("A", 2))
        assert self.free("A") == 1

    def test_a_promise_lapses(self) -> None:
        """At its time the goods are free again, and the promise can no longer be made final."""
        self.reserve("r-1", ("A", 3), minutes=60)
        self.advance(59 * _MINUTE)
        assert self.free("A") == 0
        self.advance(2 * _MINUTE)
        assert self.free("A") == 3
        with pytest.raises(OutOfStock):
            self.ask(self.stock.deduct("r-1"))

    def test_a_promise_can_be_made_longer(self) -> None:
        """Asked again with a later moment, the same goods stay away until then; an earlier one shortens nothing."""
        self.reserve("r-1", ("A", 3), minutes=60)
        self.reserve("r-1", ("A", 3), minutes=180)
        self.reserve("r-1", ("A", 3), minutes=60)
        self.advance(120 * _MINUTE)
        assert self.free("A") == 0
        self.advance(61 * _MINUTE)
        assert self.free("A") == 3

    def test_a_deducted_promise_does_not_lapse(self) -> None:
        """Made final in time, the goods stay away for good; twice is once."""
        self.reserve("r-1", ("A", 2), minutes=60)
        self.ask(self.stock.deduct("r-1"))
        self.ask(self.stock.deduct("r-1"))
        self.advance(600 * _MINUTE)
        assert self.free("A") == 1

    def test_a_reservation_never_made_cannot_be_deducted(self) -> None:
        """There is nothing to make final."""
        with pytest.raises(OutOfStock):
            self.ask(self.stock.deduct("r-9"))

    def test_a_release_frees_all_once(self) -> None:
        """Released goods are free again, before and after they were made final; twice is once."""
        for name, final in (("r-1", False), ("r-2", True)):
            self.reserve(name, ("A", 2), ("B", 1))
            if final:
                self.ask(self.stock.deduct(name))
            for _ in range(2):
                self.ask(self.stock.release(name))
                assert (self.free("A"), self.free("B")) == (3, 1)

    def test_a_release_may_keep_a_part(self) -> None:
        """What is named is kept, the rest is free; asked again with less, more comes free."""
        self.reserve("r-1", ("A", 3), ("B", 1))
        self.ask(self.stock.deduct("r-1"))
        steps: tuple[tuple[Sequence[tuple[str, int]], int], ...] = (
            ([("A", 2)], 1),
            ([("A", 2)], 1),
            ([("A", 1)], 2),
            ([], 3),
        )
        for keep, free in steps:
            self.ask(self.stock.release("r-1", keep))
            assert (self.free("A"), self.free("B")) == (free, 1)

    def test_a_release_of_nothing_is_nothing(self) -> None:
        """Releasing what was never reserved changes nothing."""
        self.ask(self.stock.release("r-9"))
        assert (self.free("A"), self.free("B")) == (3, 1)

    def test_it_says_whether_it_joins_the_store(self) -> None:
        """A keeper says whether it writes in the store's own transaction."""
        assert isinstance(self.stock.joins, bool)
