"""Law L10: any permutation of the same notifications, some of them sent twice, ends in one standing."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from tests.engine.test_payment_machine import STAFF, Bench

from ordercore import Manifest
from ordercore.errors import InvalidInput, NotFound
from ordercore.tender import LateMoney

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ordercore import Order
    from ordercore.testing import Letter

DEEP = settings().max_examples >= 1_000
SIX = 6
SAMPLE = 60
"""Permutations tried of each story where not all are."""


def two_codes() -> tuple[Bench, Order, int]:
    """A code that was given up and paid all the same, and a second one whose first try was declined."""
    bench = Bench(payable_for_ever=True)
    order = bench.paid_by(bench.placed(), "wallet")
    order = bench.paid_by(order, "wallet")
    first, second = [attempt.id for attempt in order.payments.attempts]
    bench.pay(first)
    bench.turn_down(second)
    bench.pay(second)
    return bench, order, 0


def late_code() -> tuple[Bench, Order, int]:
    """A code of an order that closed is declined, then paid: the money is held until somebody decides."""
    bench = Bench(payable_for_ever=True, late=LateMoney.HOLD)
    order = bench.paid_by(bench.placed(), ("balance", 100), "wallet")
    order = bench.paid_by(order, "wallet")
    bench.at(60)
    name = order.payments.attempts[-1].id
    bench.turn_down(name)
    bench.pay(name)
    return bench, order, 0


def two_refunds() -> tuple[Bench, Order, int]:
    """Two refunds that arrive, one that bounces; the channel tells of each twice."""
    bench = Bench(spaced=True)
    order = bench.paid_by(bench.placed(), "wallet")
    bench.pay(order.payments.attempts[0].id)
    bench.post()
    first = len(bench.letters())
    for line, arrives in (("1", True), ("2", False), ("3", True)):
        goods = Manifest.of({line: 1})
        bench.engine.refund(order.id, goods, reason="x", key=line, by=STAFF)
        bench.at(2)
        for key in bench.under_way():
            bench.land(key, arrives=arrives)
    return bench, order, first


def a_dispute() -> tuple[Bench, Order, int]:
    """A code is paid; before the channel has told of it the payer's bank takes it back in two parts."""
    bench = Bench()
    order = bench.paid_by(bench.placed(), "wallet")
    name = order.payments.attempts[0].id
    bench.turn_down(name)
    order = bench.paid_by(bench.now(order), "wallet")
    name = order.payments.attempts[-1].id
    bench.pay(name)
    bench.charge_back(name, 5_000, 0)
    bench.charge_back(name, 7_000, 150)
    return bench, order, 0


STORIES: dict[str, Callable[[], tuple[Bench, Order, int]]] = {
    story.__name__: story for story in (two_codes, late_code, two_refunds, a_dispute)
}


def deliver(bench: Bench, letters: list[Letter]) -> None:
    """Letters arrive in this order; what was refused is sent again until it is heard."""
    for _ in range(4):
        unheard = []
        for letter in letters:
            anew = bench.sign_anew(letter)
            try:
                bench.engine.notify(anew.gateway, anew.headers, anew.body)
            except (InvalidInput, NotFound):
                unheard.append(letter)
        letters = unheard
        if not letters:
            return
    pytest.fail(f"never heard: {letters}")


def told(story: str, order_of: tuple[int, ...], twice: int) -> dict[str, Any]:
    """Where a story ends when its letters come in this order, those in the mask ``twice`` once more at the end."""
    bench, order, first = STORIES[story]()
    letters = tuple(bench.letters())[first:][:SIX]
    chosen = [letters[i] for i in order_of if i < len(letters)]
    chosen += [letters[i] for i in order_of if i < len(letters) and twice >> i & 1]
    deliver(bench, chosen)
    deliver(bench, list(bench.letters()))
    bench.at(3)
    bench.holds(order)
    bench.agrees(order)
    now = bench.now(order)
    legs = [leg for refund in now.payments.refunds for leg in refund.legs]
    return {
        "state": now.state,
        "attempts": [
            (a.state, a.captured - a.returned, a.charged_back) for a in now.payments.attempts
        ],
        "refunds": [(leg.attempt, leg.amount, leg.status) for leg in legs],
        "books": sorted(
            (b.account.value, b.detail, b.amount) for b in bench.engine.trial_balance() if b.amount
        ),
        "taken": {key: charge.taken for key, charge in bench.charges().items()},
    }


def orders(story: str, part: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Every permutation, with the masks of this part, where the effort is deep; else a sample."""
    everything = list(permutations(range(SIX)))
    if DEEP:
        masks = range(1 << SIX) if story == "two_codes" else (0, 1, 6, 21, 42, 63)
        for mask in masks[part::PARTS]:
            for one in everything:
                yield one, mask
    else:
        luck = Random(f"{story} {part}")
        for _ in range(SAMPLE // PARTS):
            yield luck.choice(everything), luck.randrange(1 << SIX)


PARTS = 16 if DEEP else 2


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("story", STORIES)
def test_l10_notifications_in_any_order_end_in_one_standing(story: str, part: int) -> None:
    """In the order in which they were written, or in any other, with any of them twice: the end is the same."""
    due = told(story, tuple(range(SIX)), 0)
    tried = 0
    for order_of, twice in orders(story, part):
        assert told(story, order_of, twice) == due, (order_of, bin(twice))
        tried += 1
    assert tried or DEEP  # a part of few masks may have none


@pytest.mark.parametrize("story", STORIES)
def test_the_stories_have_letters(story: str) -> None:
    """Each story is told by several letters, so that their order can matter."""
    bench, _, first = STORIES[story]()
    assert len(bench.letters()[first:]) >= 4
