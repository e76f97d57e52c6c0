"""Chargebacks over money that came to other orders: who bears them, once, and whenever the letter comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.combining import Merging, cart
from tests.engine.test_charged_back_books import Bank, take_back
from tests.engine.test_reconciling import DAY, K, row
from tests.engine.world import STAFF

from ordercore import Actor, ActorKind, InvalidInput, Manifest, NotAllowed
from ordercore.engine.shop import situation
from ordercore.order import NoteChargeback, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore import Order
    from ordercore.ledger import StatementRow


def units(count: int) -> Manifest:
    """So many units of the only line."""
    return Manifest.of({"1": count})


def shop() -> Merging:
    """A shop whose channel tells of chargebacks."""
    return Merging("standard", channel=Bank)


def bought(world: Merging) -> Order:
    """A paid order of four units at 10.00."""
    return world.place(cart("SKU-1", "10.00", units=4), "pay")


def split(world: Merging, order: Order, *counts: int) -> tuple[Order, ...]:
    """Its parts, of so many units each."""
    parts = [units(count) for count in counts]
    return world.engine.split(order.id, parts, key="split", by=STAFF).children


def borne(world: Merging, *orders: Order) -> list[int]:
    """What was charged back over each of them."""
    return [sum([a.charged_back for a in world.get(one).payments.attempts]) for one in orders]


def meanwhile(world: Merging, does: Callable[[], object]) -> None:
    """Let something happen between the next reading of an order and what is written because of it."""
    store: Any = world.store
    real = store.open
    done: list[bool] = []

    def opened(*args: Any) -> Any:
        found = real(*args)
        if not done:
            done.append(True)
            does()
        return found

    store.open = opened


def test_l8_a_chargeback_is_borne_first_by_what_was_not_refunded() -> None:
    """What went back to the payer before is not taken from one part so that another may refund it again."""
    world = shop()
    one, other = split(world, bought(world), 1, 3)
    world.give_back(one)
    take_back(world, "ord_1/1", 3_000)
    assert borne(world, one, other) == [0, 3_000]
    with pytest.raises(NotAllowed, match="went back through the payer's bank"):
        world.give_back(other)
    assert world.taken() == {}
    world.check()


def test_what_a_chargeback_takes_beyond_is_owed_by_the_customer() -> None:
    """A part that was refunded bears what the others cannot, and it is receivable."""
    world = shop()
    one, other = split(world, bought(world), 1, 3)
    world.give_back(one)
    take_back(world, "ord_1/1", 3_500)
    assert borne(world, one, other) == [500, 3_000]
    assert world.books()["receivable"] == 500
    world.check()


def test_a_chargeback_of_the_whole_payment_is_noted_though_some_was_refunded_before_the_split() -> (
    None
):
    """What the order refunded before it was split is receivable there, as without the split."""
    world = shop()
    order = bought(world)
    world.give_back(order, "1")
    parts = split(world, order, 1, 2)
    take_back(world, "ord_1/1", 4_000)
    assert borne(world, order, *parts) == [1_000, 1_000, 2_000]
    assert world.books() == {
        "advances": -3_000,
        "chargebacks:wechat": 3_000,
        "clearing:wechat": -1_000,
        "receivable": 1_000,
    }
    world.check()


def test_a_chargeback_of_the_whole_payment_is_noted_though_some_was_refunded_before_the_merge() -> (
    None
):
    """The same of an order that another one took over."""
    world = shop()
    basic = world.place(cart("SKU-1", "80.00"), "pay")
    added = world.place(cart("SKU-2", "60.00", units=2), "pay")
    world.give_back(added, "1")
    world.combine(basic, world.get(added))
    take_back(world, f"{added.id}/1", 12_000)
    assert borne(world, basic, added) == [6_000, 6_000]
    assert world.books()["receivable"] == 6_000
    world.check()


def test_more_than_was_ever_taken_is_not_charged_back() -> None:
    """Holders and what was refunded together are the bound (L8)."""
    world = shop()
    order = bought(world)
    world.give_back(order, "1")
    parts = split(world, order, 1, 2)
    with pytest.raises(InvalidInput, match="at most 4000"):
        take_back(world, "ord_1/1", 4_001)
    assert borne(world, order, *parts) == [0, 0, 0]


@given(
    before=st.integers(0, 1),
    after=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    amounts=st.lists(st.integers(1, 5_500), min_size=1, max_size=3),
)
def test_l8_a_split_changes_nothing_in_what_chargebacks_are(
    before: int, after: tuple[int, int], amounts: list[int]
) -> None:
    """Books, bounds and what may still be refunded are those of an order that was not split."""
    told = []
    for parted in (True, False):
        world = shop()
        order = world.place(cart("SKU-1", "10.00", units=5), "pay")
        if before:
            world.engine.refund(order.id, units(before), reason="r", key="b", by=STAFF)
        holders = [order, order]
        if parted:
            holders = [*split(world, order, 2, 3 - before)]
        for one, count in zip(holders, after, strict=True):
            if count:
                world.engine.refund(one.id, units(count), reason="r", key=world.key(), by=STAFF)
        noted = []
        for name, amount in enumerate(amounts):
            try:
                take_back(world, "ord_1/1", amount, f"e{name}")
            except InvalidInput:
                world.channel.gone.pop(f"e{name}")  # type: ignore[attr-defined]
            else:
                noted.append(amount)
        alive = [world.get(one) for one in dict.fromkeys(holders)]
        left = sum([one.payments.captured - one.payments.refunded for one in alive])
        taken_back = sum([one.payments.taken_back for one in alive])
        told.append((noted, world.books(), left, taken_back))
        world.check()
    assert told[0] == told[1]


def test_an_order_that_was_split_takes_no_chargeback_for_itself() -> None:
    """Its money is with its parts: who would note it there is told so."""
    world = shop()
    order = bought(world)
    split(world, order, 2, 2)
    where = situation(world.engine.shop, world.get(order), Actor(ActorKind.CHANNEL, "wechat"))
    with pytest.raises(NotAllowed, match="its goods and its money are with ord_"):
        decide(world.get(order), NoteChargeback("ord_1/1", 1_000), where)


def test_l12_a_chargeback_read_before_a_split_is_borne_by_the_parts() -> None:
    """The order that was read is gone when the letter is to be noted."""
    world = shop()
    order = bought(world)
    meanwhile(world, lambda: split(world, order, 2, 2))
    take_back(world, "ord_1/1", 4_000)
    lineage = world.get(order).handling.lineage
    assert lineage is not None
    parts = [world.engine.get(name) for name in lineage.children]
    assert borne(world, order, *parts) == [0, 2_000, 2_000]
    assert world.books() == {"advances": -4_000, "chargebacks:wechat": 4_000}
    take_back(world, "ord_1/1", 4_000)  # the same letter again
    assert borne(world, order, *parts) == [0, 2_000, 2_000]
    world.check()


def test_l12_a_chargeback_read_before_a_merge_is_borne_by_the_one_order() -> None:
    """The order that was read has been taken in when the letter is to be noted."""
    world = shop()
    basic = world.place(cart("SKU-1", "80.00"), "pay")
    added = world.place(cart("SKU-2", "60.00"), "pay")
    meanwhile(world, lambda: world.combine(basic, added))
    take_back(world, f"{added.id}/1", 6_000)
    assert borne(world, basic, added) == [6_000, 0]
    world.check()


def test_l12_a_chargeback_read_while_an_order_was_split_is_borne_once_it_is_whole_again() -> None:
    """The parts that were to bear it are one order again when it is to be noted."""
    world = shop()
    order = bought(world)
    parts = split(world, order, 2, 2)
    meanwhile(world, lambda: world.engine.rejoin(order.id, key="r", by=STAFF))
    take_back(world, "ord_1/1", 4_000)
    assert borne(world, order, *parts) == [4_000, 0, 0]
    assert world.books() == {"advances": -4_000, "chargebacks:wechat": 4_000}


def told(
    world: Merging, order: Order, amount: int, *, name: str = "e1"
) -> tuple[StatementRow, ...]:
    """A statement with the payment and a chargeback of it."""
    (attempt,) = world.get(order).payments.attempts
    return (
        row(K.PAYMENT, attempt.reference, attempt.id, attempt.captured),
        row(K.CHARGEBACK, name, attempt.id, amount),
    )


def test_l12_a_statement_read_before_a_split_charges_the_parts() -> None:
    """What a statement proves is borne as what a letter says."""
    world = shop()
    order = bought(world)
    report = world.engine.reconcile("wechat", told(world, order, 1_000), DAY)
    store: Any = world.store
    real = store.journal

    def journal(name: str) -> Any:
        found = real(name)
        if not world.get(order).handling.gone:
            split(world, order, 2, 2)
        return found

    store.journal = journal
    done = world.engine.patch("wechat", report, by=STAFF)
    assert [one.theirs.amount for one in done.booked if one.theirs] == [1_000]
    assert borne(world, order) == [0]
    assert world.books()["chargebacks:wechat"] == 1_000
    again = world.engine.patch("wechat", report, by=STAFF)
    assert again.booked == ()
    assert world.books()["chargebacks:wechat"] == 1_000


@pytest.mark.parametrize("name", ["e1", ""])
def test_l13_a_chargeback_that_was_noted_with_the_parts_is_not_patched_again(name: str) -> None:
    """A letter came after the statement was compared: the books of all parts are asked."""
    world = shop()
    order = bought(world)
    split(world, order, 2, 2)
    report = world.engine.reconcile("wechat", told(world, order, 1_000, name=name), DAY)
    take_back(world, "ord_1/1", 1_000, name)
    done = world.engine.patch("wechat", report, by=STAFF)
    assert done.booked == ()
    assert world.books()["chargebacks:wechat"] == 1_000
    world.check()
