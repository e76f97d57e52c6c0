"""Keepers of stock that are wrong in one thing each: the contract finds every one of them."""

# ruff: noqa: D102 - what an override is to do stands on the port

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from tests.testing.test_contracts import broken_promises

from ordercore.adapters.memory import MemoryStock
from ordercore.clock import SettableClock
from ordercore.errors import OutOfStock
from ordercore.fulfillment.stock import by_place
from ordercore.testing import START, SourcedStockContract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from ordercore.ports import SourcedStock


class Case(SourcedStockContract):
    """The contract, for a keeper in memory."""

    keeper: type[MemoryStock] = MemoryStock

    def make_sourced(self, levels: Mapping[str, Mapping[str, int]]) -> SourcedStock:
        """One that may be wrong."""
        self.clock = SettableClock(START)
        return self.keeper(self.clock, sources=levels)

    def advance(self, by: timedelta) -> None:
        """Let the clock go on."""
        self.clock.advance(by)


class ReadFirst(MemoryStock):
    """Looks first and writes then, and somebody else comes between."""

    def __init__(self, clock: Any, **levels: Any) -> None:
        super().__init__(clock, **levels)
        self._lock: Any = nullcontext()

    def _picked(self, wanted: Any) -> Any:
        found = super()._picked(wanted)
        time.sleep(0.02)
        return found


class Forgetful(MemoryStock):
    """Remembers what it handed over no longer than the name lives."""

    def transfer(self, reservation: str, parts: Any) -> None:
        self._handed = {(r, name) for r, name in self._handed if name in self._reserved}
        super().transfer(reservation, parts)


class OneByOne(MemoryStock):
    """Hands each part over on its own, so that the first stays handed over when the second is refused."""

    def transfer(self, reservation: str, parts: Any) -> None:
        for part in parts:
            super().transfer(reservation, [part])


class Copying(MemoryStock):
    """Gives to the new names and takes nothing from the old one."""

    def transfer(self, reservation: str, parts: Any) -> None:
        before = self._reserved.get(reservation)
        places = None if before is None else dict(before.places)
        super().transfer(reservation, parts)
        if before is not None and places is not None:
            before.places = places
            self._reserved[reservation] = before


class Softening(MemoryStock):
    """Lets the goods of a paid order lapse once they are handed over."""

    def transfer(self, reservation: str, parts: Any) -> None:
        super().transfer(reservation, parts)
        for name, _ in parts:
            held = self._reserved.get(name)
            if held is not None:
                held.deducted = False
                self._keep(name, held)


class Hardening(MemoryStock):
    """Makes final what it hands over, so that it never lapses."""

    def transfer(self, reservation: str, parts: Any) -> None:
        super().transfer(reservation, parts)
        for name, _ in parts:
            if name in self._reserved:
                self._reserved[name].deducted = True


class HalfMoved(MemoryStock):
    """Frees the old places before it knows that the new ones have the units."""

    def place(self, reservation: str, goods: Any) -> None:
        held = self._held(reservation)
        self._free(held.places)
        held.places = {}
        for (source, sku), units in by_place(goods).items():
            if self._shelf(source).get(sku, 0) < units:
                raise OutOfStock("short", sku=sku)
            self._take({(source, sku): units})
            held.places[source, sku] = units


class Sticky(MemoryStock):
    """Takes units at the new place, and never frees those at the old one."""

    def place(self, reservation: str, goods: Any) -> None:
        before = dict(self._held(reservation).places)
        super().place(reservation, goods)
        if self._held(reservation).places != before:
            self._take(before)


class Blind(MemoryStock):
    """Writes down any place that it is told, whether the units are there or not."""

    def place(self, reservation: str, goods: Any) -> None:
        self._held(reservation).places = by_place(goods)


WRONG: dict[type[MemoryStock], set[str]] = {
    ReadFirst: {"test_of_many_buyers_at_once_as_many_are_promised_as_there_are"},
    Forgetful: {
        "test_a_hand_over_is_once_also_after_the_name_was_released",
        "test_a_hand_over_of_everything_is_once_too",
    },
    OneByOne: {"test_a_hand_over_of_more_than_is_held_is_refused"},
    Copying: {
        "test_l16_the_parts_of_a_hand_over_add_up",
        "test_of_hand_overs_at_once_no_unit_goes_twice",
    },
    Softening: {"test_what_was_final_is_final_after_a_hand_over"},
    Hardening: {"test_what_was_handed_over_lapses_when_the_whole_would_have"},
    HalfMoved: {"test_a_move_that_is_not_possible_leaves_all_as_it_was"},
    Sticky: {"test_a_reservation_moves_to_other_sources"},
    Blind: {
        "test_a_move_that_is_not_possible_leaves_all_as_it_was",
        "test_of_moves_at_once_no_more_stand_at_a_source_than_it_has",
    },
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_keeper_is_caught(wrong: type[MemoryStock]) -> None:
    """Each planted fault fails the tests of the promise that it breaks."""

    class Wrong(Case):
        keeper = wrong

    assert set(broken_promises(Wrong())) >= WRONG[wrong]


def test_a_right_keeper_is_not_caught() -> None:
    """The way in which the planted faults are run finds nothing where there is none."""
    assert broken_promises(Case()) == []
