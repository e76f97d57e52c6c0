"""What a stock keeper promises."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from ordercore.errors import InvalidInput, OutOfStock
from ordercore.testing.contracts.asking import Contract
from ordercore.testing.story import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ordercore.ports import Answer, SourcedStock, StockKeeper

__all__ = ["SourcedStockContract", "StockKeeperContract"]

RACERS = 64
"""Buyers that come at once."""

_MINUTE = timedelta(minutes=1)
_PATIENCE = 60.0
"""Seconds that the first of them waits for the last to be ready."""


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

    def transfer(self, name: str, **parts: Sequence[tuple[str, int]]) -> None:
        """Hand parts of a reservation over."""
        self.ask(self.stock.transfer(name, tuple(parts.items())))

    def holds(self, name: str, *goods: tuple[str, int]) -> bool:
        """Whether a reservation holds these units, by handing them to another name and back."""
        self._probes += 1
        probe = f"holder-{self._probes}"
        try:
            self.ask(self.stock.transfer(name, [(probe, goods)]))
        except OutOfStock:
            return False
        self.ask(self.stock.transfer(probe, [(name, goods)]))
        return True

    def race(self, ask: Callable[[int], Answer[None]]) -> int:
        """Let `RACERS` ask at once; how many are not refused."""
        start = Barrier(RACERS)

        async def asked(number: int) -> bool:
            try:
                answer = ask(number)
                if inspect.isawaitable(answer):
                    await answer
            except OutOfStock:
                return False
            return True

        async def all_asked() -> int:
            return sum(await asyncio.gather(*[asked(number) for number in range(RACERS)]))

        async def lined_up(number: int) -> bool:
            start.wait(_PATIENCE)
            return await asked(number)

        def one(number: int) -> bool:
            return asyncio.run(lined_up(number))

        first = self.stock.release("nobody's")
        waits = inspect.isawaitable(first)
        self.ask(first)
        if waits:
            together: Answer[int] = all_asked()
            return self.ask(together)
        with ThreadPoolExecutor(RACERS) as pool:
            return sum(pool.map(one, range(RACERS)))

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

    def test_of_many_buyers_at_once_as_many_are_promised_as_there_are(self) -> None:
        """L19: all that there is is sold, and nothing more, however many come together."""
        until = START + 60 * _MINUTE
        assert self.race(lambda n: self.stock.reserve(f"r-{n}", [("A", 1)], until)) == 3
        assert self.free("A") == 0

    def test_buyers_of_the_same_articles_in_any_order_do_not_lock_each_other_out(self) -> None:
        """Half of them name A first, the others B: one of them gets the last B, and an A with it."""
        until = START + 60 * _MINUTE
        carts = ([("A", 1), ("B", 1)], [("B", 1), ("A", 1)])
        assert self.race(lambda n: self.stock.reserve(f"r-{n}", carts[n % 2], until)) == 1
        assert (self.free("A"), self.free("B")) == (2, 0)

    def test_what_lapsed_is_sold_again_once_to_many_who_come_together(self) -> None:
        """Buyers that meet a lapsed promise at the same moment share its goods, and find no more than that."""
        self.reserve("r-old", ("A", 3), minutes=60)
        self.advance(61 * _MINUTE)
        until = START + 600 * _MINUTE
        assert self.race(lambda n: self.stock.reserve(f"r-{n}", [("A", 1)], until)) == 3

    def test_units_are_whole_numbers_and_never_negative(self) -> None:
        """A promise of less than nothing would add to the stock: it is refused."""
        for wrong in (-1, 1.5):
            with pytest.raises(InvalidInput):
                self.reserve("r-1", ("A", wrong))  # type: ignore[arg-type]
        assert self.free("A") == 3

    # Hand-overs.

    def test_parts_of_a_reservation_are_handed_over(self) -> None:
        """Each name holds its part and can be released alone; the rest stays, and nothing is free meanwhile."""
        self.reserve("r-1", ("A", 3), ("B", 1))
        self.transfer("r-1", c1=[("A", 1)], c2=[("A", 1), ("B", 1)])
        assert (self.free("A"), self.free("B")) == (0, 0)
        self.ask(self.stock.release("c2"))
        assert (self.free("A"), self.free("B")) == (1, 1)
        self.ask(self.stock.release("r-1"))
        assert self.free("A") == 2
        self.ask(self.stock.release("c1"))
        assert self.free("A") == 3

    def test_l16_the_parts_of_a_hand_over_add_up(self) -> None:
        """All is handed over, to the unit, and each name has what it was given and no more."""
        self.reserve("r-1", ("A", 3), ("B", 1))
        self.transfer("r-1", c1=[("A", 2)], c2=[("A", 1), ("B", 1)])
        assert self.holds("c1", ("A", 2))
        assert not self.holds("c1", ("A", 3))
        assert self.holds("c2", ("A", 1), ("B", 1))
        assert not self.holds("r-1", ("A", 1))

    def test_the_same_hand_over_twice_is_once(self) -> None:
        """A retry hands nothing over again."""
        self.reserve("r-1", ("A", 3))
        for _ in range(2):
            self.transfer("r-1", c1=[("A", 1)])
        self.ask(self.stock.release("c1"))
        assert self.free("A") == 1
        assert self.holds("r-1", ("A", 2))

    def test_a_hand_over_is_once_also_after_the_name_was_released(self) -> None:
        """A retry that comes late takes nothing more out of the reservation, and fills no name that is over."""
        self.reserve("r-1", ("A", 3))
        self.transfer("r-1", c1=[("A", 1)])
        self.ask(self.stock.release("c1"))
        self.transfer("r-1", c1=[("A", 1)])
        assert self.free("A") == 1
        assert self.holds("r-1", ("A", 2))

    def test_a_hand_over_of_everything_is_once_too(self) -> None:
        """Where nothing is left of the reservation, a retry is still no refusal."""
        self.reserve("r-1", ("A", 3))
        self.transfer("r-1", c1=[("A", 1)], c2=[("A", 2)])
        self.transfer("r-1", c1=[("A", 1)], c2=[("A", 2)])
        self.ask(self.stock.release("c1"))
        self.ask(self.stock.release("c2"))
        self.transfer("r-1", c1=[("A", 1)], c2=[("A", 2)])
        assert self.free("A") == 3

    def test_a_name_that_handed_everything_over_holds_nothing_and_can_be_used_again(self) -> None:
        """It cannot be made final any more, and a new promise under it is a promise."""
        self.reserve("r-1", ("A", 2))
        self.transfer("r-1", c1=[("A", 2)])
        with pytest.raises(OutOfStock):
            self.ask(self.stock.deduct("r-1"))
        self.reserve("r-1", ("A", 1))
        assert self.free("A") == 0

    def test_a_hand_over_of_more_than_is_held_is_refused(self) -> None:
        """All parts together must be there, else none is handed over."""
        self.reserve("r-1", ("A", 2))
        with pytest.raises(OutOfStock):
            self.transfer("r-1", c1=[("A", 1)], c2=[("A", 2)])
        with pytest.raises(OutOfStock):
            self.transfer("r-1", c1=[("A", 1)], c2=[("B", 1)])
        with pytest.raises(OutOfStock):
            self.ask(self.stock.deduct("c1"))
        assert self.holds("r-1", ("A", 2))
        assert self.free("A") == 1

    def test_a_hand_over_of_what_lapsed_is_refused(self) -> None:
        """Neither what was never reserved nor what has lapsed is handed over."""
        self.reserve("r-1", ("A", 2), minutes=60)
        self.advance(61 * _MINUTE)
        for name in ("r-1", "r-9"):
            with pytest.raises(OutOfStock):
                self.transfer(name, c1=[("A", 1)])
        assert self.free("A") == 3

    def test_what_was_handed_over_lapses_when_the_whole_would_have(self) -> None:
        """The moment goes along, and each name can be promised for longer on its own."""
        self.reserve("r-1", ("A", 3), minutes=60)
        self.transfer("r-1", c1=[("A", 1)], c2=[("A", 1)])
        self.reserve("c2", ("A", 1), minutes=180)
        self.advance(59 * _MINUTE)
        assert self.free("A") == 0
        self.advance(2 * _MINUTE)
        assert self.free("A") == 2
        with pytest.raises(OutOfStock):
            self.ask(self.stock.deduct("c1"))
        self.ask(self.stock.deduct("c2"))

    def test_what_was_final_is_final_after_a_hand_over(self) -> None:
        """Goods of a paid order do not lapse because it was split."""
        self.reserve("r-1", ("A", 2), minutes=60)
        self.ask(self.stock.deduct("r-1"))
        self.transfer("r-1", c1=[("A", 1)])
        self.advance(600 * _MINUTE)
        assert self.free("A") == 1
        self.ask(self.stock.deduct("c1"))

    def test_several_reservations_are_handed_to_one_name(self) -> None:
        """What was split comes together again: final if either was, until the later of the two moments."""
        self.reserve("r-1", ("A", 1), minutes=60)
        self.reserve("r-2", ("A", 1), ("B", 1), minutes=120)
        for name in ("r-1", "r-2"):
            self.transfer(name, both=[("A", 1)])
        self.advance(90 * _MINUTE)
        assert self.free("A") == 1
        self.transfer("r-2", both2=[("B", 1)])
        self.ask(self.stock.deduct("both"))
        self.advance(600 * _MINUTE)
        assert (self.free("A"), self.free("B")) == (1, 1)
        self.ask(self.stock.release("both"))
        assert self.free("A") == 3

    def test_a_name_that_is_final_stays_final_whatever_is_handed_to_it(self) -> None:
        """Goods of a paid order do not lapse because unpaid ones came to them, before or after."""
        for number, name in enumerate(("r-1", "r-2", "r-3")):
            self.reserve(name, ("A", 1), minutes=60 + number)
        self.ask(self.stock.deduct("r-2"))
        for name in ("r-1", "r-2", "r-3"):
            self.transfer(name, both=[("A", 1)])
        self.advance(600 * _MINUTE)
        assert self.free("A") == 0
        self.ask(self.stock.deduct("both"))

    def test_nothing_is_handed_to_itself_or_to_a_name_twice(self) -> None:
        """Such a request makes no sense, and changes nothing."""
        self.reserve("r-1", ("A", 2))
        for names in (("r-1",), ("c1", "c1")):
            with pytest.raises(InvalidInput):
                self.ask(self.stock.transfer("r-1", [(name, [("A", 1)]) for name in names]))
        assert self.holds("r-1", ("A", 2))

    def test_of_hand_overs_at_once_no_unit_goes_twice(self) -> None:
        """L19: three units are handed to three names, however many ask for one."""
        self.reserve("r-1", ("A", 3))
        assert self.race(lambda n: self.stock.transfer("r-1", [(f"c{n}", [("A", 1)])])) == 3
        assert self.free("A") == 0

    def test_it_says_whether_it_joins_the_store(self) -> None:
        """A keeper says whether it writes in the store's own transaction."""
        assert isinstance(self.stock.joins, bool)


class SourcedStockContract(StockKeeperContract):
    """What a `SourcedStock` promises beyond that. Give `make_sourced` in place of `make_stock`."""

    def make_sourced(self, levels: Mapping[str, Mapping[str, int]]) -> Answer[SourcedStock]:
        """A new keeper that has these units by source and article, sources in its order; its time is noon."""
        raise NotImplementedError

    def make_stock(self, levels: Mapping[str, int]) -> Answer[StockKeeper]:
        """All of them at one source."""
        return self.make_sourced({"north": levels})

    sourced: SourcedStock

    def open_sources(self) -> None:
        """Go over to a keeper with two units of A and one of B in the north, three of A in the south."""
        self.ask(self.close_stock(self.stock))
        levels = {"north": {"A": 2, "B": 1}, "south": {"A": 3}}
        self.stock = self.sourced = self.ask(self.make_sourced(levels))

    def left(self) -> dict[tuple[str, str], int]:
        """What is free, by source and article."""
        found = self.ask(self.sourced.available(["A", "B"]))
        return {(stock.source, stock.sku): stock.units for stock in found}

    def place(self, name: str, *goods: tuple[str, str, int]) -> None:
        """Let a reservation stand there."""
        self.ask(self.sourced.place(name, goods))

    def placed(self, name: str) -> list[tuple[str, str, int]]:
        """Where it stands."""
        return sorted(self.ask(self.sourced.placed(name)))

    def test_it_tells_what_is_free_at_which_source(self) -> None:
        """Each source that has an article is named with its units, once, and no other."""
        self.open_sources()
        assert self.left() == {("north", "A"): 2, ("north", "B"): 1, ("south", "A"): 3}
        found = self.ask(self.sourced.available(["B", "no such thing", "B"]))
        assert [(one.source, one.sku, one.units) for one in found] == [("north", "B", 1)]
        assert self.ask(self.sourced.available([])) == ()

    def test_goods_are_taken_where_all_of_them_stand_or_from_several_sources(self) -> None:
        """L19: three units stand at one source and come from there; five need both; six are not there."""
        self.open_sources()
        with pytest.raises(OutOfStock):
            self.reserve("r-0", ("A", 6))
        self.reserve("r-1", ("A", 3))
        assert self.placed("r-1") == [("south", "A", 3)]
        self.ask(self.stock.release("r-1"))
        self.reserve("r-2", ("A", 5))
        assert self.placed("r-2") == [("north", "A", 2), ("south", "A", 3)]
        assert self.left() == {("north", "B"): 1}

    def test_a_reservation_moves_to_other_sources(self) -> None:
        """Its units are free again where they stood, and promised where they stand; twice is once."""
        self.open_sources()
        self.reserve("r-1", ("A", 2))
        for _ in range(2):
            self.place("r-1", ("south", "A", 2))
            assert self.placed("r-1") == [("south", "A", 2)]
            assert self.left() == {("north", "A"): 2, ("north", "B"): 1, ("south", "A"): 1}
        self.place("r-1", ("north", "A", 1), ("south", "A", 1))
        assert self.placed("r-1") == [("north", "A", 1), ("south", "A", 1)]
        self.ask(self.stock.release("r-1"))
        assert self.left() == {("north", "A"): 2, ("north", "B"): 1, ("south", "A"): 3}

    def test_a_move_that_is_not_possible_leaves_all_as_it_was(self) -> None:
        """Where one source is short, no unit moves; the same where more is asked than is held, or less."""
        self.open_sources()
        self.reserve("r-1", ("A", 2), ("B", 1))
        stood, left = self.placed("r-1"), self.left()
        wrong: tuple[tuple[type[Exception], tuple[tuple[str, str, int], ...]], ...] = (
            (OutOfStock, (("south", "A", 2), ("south", "B", 1))),
            (OutOfStock, (("nowhere", "A", 2), ("north", "B", 1))),
            (OutOfStock, (("south", "A", 3), ("north", "B", 1))),
            (InvalidInput, (("south", "A", 1), ("north", "B", 1))),
            (InvalidInput, (("south", "A", 2),)),
        )
        for error, goods in wrong:
            with pytest.raises(error):
                self.place("r-1", *goods)
            assert (self.placed("r-1"), self.left()) == (stood, left)

    def test_what_has_lapsed_does_not_move(self) -> None:
        """Neither what was never reserved nor what has lapsed stands anywhere."""
        self.open_sources()
        self.reserve("r-1", ("A", 2), minutes=60)
        self.advance(61 * _MINUTE)
        for name in ("r-1", "r-9"):
            with pytest.raises(OutOfStock):
                self.place(name, ("south", "A", 2))
            assert self.placed(name) == []
        assert self.left()["north", "A"] == 2

    def test_a_source_whose_units_lapsed_takes_a_reservation_in(self) -> None:
        """What a lapsed promise held at a source is there for the next."""
        self.open_sources()
        self.reserve("r-old", ("A", 3), minutes=60)
        self.place("r-old", ("south", "A", 3))
        self.reserve("r-1", ("A", 2), minutes=600)
        self.advance(61 * _MINUTE)
        self.place("r-1", ("south", "A", 2))
        assert self.placed("r-1") == [("south", "A", 2)]

    def test_a_move_changes_nothing_but_the_place(self) -> None:
        """What was final stays final; what was not lapses when it would have."""
        self.open_sources()
        for name in ("r-1", "r-2"):
            self.reserve(name, ("A", 1), minutes=60)
        self.ask(self.stock.deduct("r-1"))
        self.place("r-1", ("south", "A", 1))
        self.place("r-2", ("south", "A", 1))
        self.advance(61 * _MINUTE)
        assert self.left() == {("north", "A"): 2, ("north", "B"): 1, ("south", "A"): 2}
        self.ask(self.stock.deduct("r-1"))

    def test_what_is_handed_over_stands_where_it_stood(self) -> None:
        """A part of a reservation keeps its shelf, and each part moves on its own afterwards."""
        self.open_sources()
        self.reserve("r-1", ("A", 5))
        self.transfer("r-1", c1=[("A", 2)], c2=[("A", 3)])
        stood = sorted([*self.placed("c1"), *self.placed("c2")])
        assert sum([units for _, _, units in stood]) == 5
        assert self.left() == {("north", "B"): 1}
        self.ask(self.stock.release("c2"))
        self.place("c1", ("north", "A", 2))
        assert self.left() == {("north", "B"): 1, ("south", "A"): 3}

    def test_a_release_in_part_frees_units_where_they_stood(self) -> None:
        """No unit appears at a source that it did not come from."""
        self.open_sources()
        self.reserve("r-1", ("A", 5))
        self.ask(self.stock.release("r-1", [("A", 4)]))
        assert sum([units for _, _, units in self.placed("r-1")]) == 4
        (one,) = [place for place in self.left() if place[1] == "A"]
        assert self.left()[one] == 1

    def test_what_is_kept_at_a_source_stays_there_and_the_rest_is_free(self) -> None:
        """L19: units that are kept by source are those that stay; twice is once, and what was final stays final."""
        self.open_sources()
        self.reserve("r-1", ("A", 5), ("B", 1), minutes=60)
        self.ask(self.stock.deduct("r-1"))
        for _ in range(2):
            self.ask(self.sourced.keep_at("r-1", [("south", "A", 2)]))
            assert self.placed("r-1") == [("south", "A", 2)]
            assert self.left() == {("north", "A"): 2, ("north", "B"): 1, ("south", "A"): 1}
        self.advance(61 * _MINUTE)
        assert self.placed("r-1") == [("south", "A", 2)]
        self.ask(self.sourced.keep_at("r-1", []))
        assert self.left() == {("north", "A"): 2, ("north", "B"): 1, ("south", "A"): 3}

    def test_what_does_not_stand_there_is_not_kept_there(self) -> None:
        """Nothing is freed where a reservation does not hold what it is to keep, or has lapsed."""
        self.open_sources()
        self.reserve("r-1", ("A", 3), minutes=60)
        wrong = (("north", "A", 1), ("south", "A", 4), ("south", "B", 1), ("nowhere", "A", 1))
        for row in wrong:
            with pytest.raises(OutOfStock):
                self.ask(self.sourced.keep_at("r-1", [("south", "A", 1), row]))
            assert self.placed("r-1") == [("south", "A", 3)]
        self.advance(61 * _MINUTE)
        with pytest.raises(OutOfStock):
            self.ask(self.sourced.keep_at("r-1", [("south", "A", 1)]))
        assert self.left()["south", "A"] == 3

    def test_of_moves_at_once_no_more_stand_at_a_source_than_it_has(self) -> None:
        """L19: a source with three units takes in one of several reservations of two."""
        self.open_sources()
        self.ask(self.close_stock(self.stock))
        levels = {"north": {"A": 2 * RACERS}, "south": {"A": 3}}
        self.stock = self.sourced = self.ask(self.make_sourced(levels))
        for number in range(RACERS):
            self.reserve(f"r-{number}", ("A", 2))
            self.place(f"r-{number}", ("north", "A", 2))
        assert self.race(lambda n: self.sourced.place(f"r-{n}", [("south", "A", 2)])) == 1
        assert self.left() == {("north", "A"): 2, ("south", "A"): 1}
