"""The journal of parcels on their way, and of goods that are collected."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

import pytest
from tests.stored import carried

from ordercore.fulfillment.delivery import FOLDS
from ordercore.journal import journal_of, svg, text, what
from ordercore.ledger import check_balanced

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore.change import Change
    from ordercore.journal import Journal

STORIES = (carried.parcels_story, carried.courier_story, carried.counter_story)


def journal(told: Callable[[], list[Change]]) -> Journal:
    """The journal of a story, which gives the order that was decided (L15)."""
    changes = told()
    found = journal_of([one for change in changes for one in change.recorded()])
    assert found.order == changes[-1].order
    return found


def test_a_parcel_is_told_from_its_plan_to_its_end() -> None:
    """Plan, short pick, weight, waybill with its cost, another address, and what the carrier told."""
    told = text(journal(carried.parcels_story))
    for sentence in (
        "Planned as parcels: 3. Parcel p.1: 3 ×",
        "Not found, and to be planned again: 1 ×",
        "Parcel p.1 is packed and weighs 2350 g.",
        "SF: waybill SF0001 of parcel p.1. Its carriage costs CN¥12.00.",
        "Parcel p.2 goes with others under the waybill SEA-7.",
        "Parcel p.1 goes to another address.\n   Why: the customer moved",
        "Parcel p.1: lost, 2026-05-24 03:30:00.",
        "Parcel p.2 is left with: 2 × Article 2.",
    ):
        assert sentence in told


def test_what_couriers_collect_adds_up_to_the_order() -> None:
    """The sentence names each parcel's amount: 257.08 and 63.89 of 320.97."""
    told = text(journal(carried.courier_story))
    assert (
        "collected with parcel p.1: CN¥257.08. To be collected with parcel p.2: CN¥63.89." in told
    )
    assert "Total: CN¥320.97" in told


def test_a_code_is_told_without_what_it_says() -> None:
    """Given, tried wrongly, locked, good for some goods and for the rest; of code and proxy nothing is told."""
    found = journal(carried.counter_story)
    told = text(found)
    for sentence in (
        "A pickup code was given for north, good until 2026-05-27 09:33:00.",
        "A wrong pickup code was tried at north. None is taken there until 2026-05-20 09:51:00.",
        'Handed over at north: 1 × 紅茶 "Spécial" \\ 250 g, worth CN¥82.49.',
        "Somebody else came for it, as the customer agreed.",
    ):
        assert sentence in told
    for secret in ("0b0b", "a1a1", "Ann", "4711"):
        assert secret not in told
        assert secret not in repr(found)


@pytest.mark.parametrize("story", STORIES)
def test_parcels_and_codes_move_no_money(story: Callable[[], list[Change]]) -> None:
    """What happens to goods books nothing by itself; what is booked beside it balances (L9)."""
    for entry in journal(story):
        check_balanced(entry.booked)
        if type(entry.event) in FOLDS:
            assert entry.booked == ()


@pytest.mark.parametrize("story", STORIES)
def test_parcels_and_codes_stand_in_the_lane_of_goods(story: Callable[[], list[Change]]) -> None:
    """The sentence of each event of goods is in the picture, right of the money."""
    found = journal(story)
    picture = svg(found)
    column = {words: int(x) for x, words in re.findall(r'<text x="(\d+)"[^>]*>([^<]*)<', picture)}
    for entry in found:
        if type(entry.event) in FOLDS:
            start = escape(what(found, entry)[:20])
            assert {x for words, x in column.items() if words.startswith(start)} == {838}
