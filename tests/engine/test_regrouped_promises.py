"""Promises and deadlines of orders that went apart and became one: what a keeper that fails, a clock that runs out,
and a part that is held make of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.combining import AGENT, Merging, cart
from tests.engine.world import CHANNEL, STAFF, after

from ordercore import CartLine, Manifest, Money, NotAllowed, tenders
from ordercore.adapters.memory import MemoryStock
from ordercore.errors import OrdercoreError
from ordercore.order import AddLine
from ordercore.order.split import SplitPart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore import Order

TWO = (Manifest.of({"1": 1}), Manifest.of({"1": 1}))


@contextmanager
def away(world: Merging, *calls: str) -> Iterator[None]:
    """A keeper that does not answer these calls."""

    def fails(*_args: Any, **_kw: Any) -> None:
        raise ConnectionError

    with pytest.MonkeyPatch.context() as patch:
        for call in calls:
            patch.setattr(world.stock, call, fails)
        yield


def settle(world: Merging) -> None:
    """Let every timer of the next days be served."""
    for minutes in (5, 60, 600, 60 * 24 * 10):
        world.clock.set(after(minutes))
        world.engine.sweep()


def apart_failing(world: Merging, order: Order) -> None:
    """The write is there, whatever the keeper says after it."""
    with pytest.raises(OrdercoreError):
        world.engine.split(order.id, TWO, key="s", by=STAFF)


@pytest.fixture
def world() -> Merging:
    """A shop with five of each article."""
    return Merging("standard")


def promised_elsewhere(world: Merging) -> int:
    """Units of SKU-1 that are not free."""
    free = world.stock.free("SKU-1")
    assert free is not None
    return 5 - free


def test_l22_a_whole_again_frees_what_was_never_handed_over(world: Merging) -> None:
    """Split and rejoined while the keeper was away, then canceled: nothing stays held, whoever comes later."""
    order = world.place(cart("SKU-1", "10.00", units=2), "pay")
    with away(world, "transfer"):
        apart_failing(world, order)
        with pytest.raises(OrdercoreError):
            world.engine.rejoin(order.id, key="r", by=STAFF)
    world.engine.cancel(order.id, reason="changed my mind", key="c", by=STAFF)
    settle(world)
    assert promised_elsewhere(world) == 0


def test_l22_a_whole_that_is_paid_after_all_holds_its_goods_once(world: Merging) -> None:
    """Two units, split and rejoined unpaid while the keeper was away, then paid: two are held, not four."""
    order = world.place(cart("SKU-1", "10.00", units=2))
    with away(world, "transfer"):
        apart_failing(world, order)
        with pytest.raises(OrdercoreError):
            world.engine.rejoin(order.id, key="r", by=STAFF)
    world.pay(world.get(order), CHANNEL)
    settle(world)
    assert world.get(order).state == "paid"
    assert promised_elsewhere(world) == 2


def test_a_part_is_split_before_its_goods_came(world: Merging) -> None:
    """A split of a part whose goods were not handed over yet: each ends with its own units, and frees them."""
    order = world.place(cart("SKU-1", "10.00", units=3), "pay")
    with away(world, "transfer"), pytest.raises(OrdercoreError):
        world.engine.split(
            order.id, [Manifest.of({"1": 2}), Manifest.of({"1": 1})], key="s", by=STAFF
        )
    lineage = world.get(order).handling.lineage
    assert lineage is not None
    first, second = lineage.children
    again = world.engine.split(first, TWO, key="s2", by=STAFF)
    assert promised_elsewhere(world) == 3
    for name in (*[child.id for child in again.children], second):
        world.engine.cancel(name, reason="x", key=f"c-{name}", by=STAFF)
    settle(world)
    assert promised_elsewhere(world) == 0


def test_l22_what_a_refund_freed_is_given_back_though_the_order_is_split(world: Merging) -> None:
    """A release that the keeper missed is made before the parts take what is left."""
    order = world.place(cart("SKU-1", "10.00", units=4), "pay")
    with away(world, "release"), pytest.raises(OrdercoreError):
        world.engine.refund(order.id, Manifest.of({"1": 1}), reason="x", key="r", by=STAFF)
    parts = [Manifest.of({"1": 1}), Manifest.of({"1": 2})]
    world.engine.split(order.id, parts, key="s", by=STAFF)
    settle(world)
    assert promised_elsewhere(world) == 3


def test_l19_a_merge_counts_on_no_promise_that_a_refund_emptied(world: Merging) -> None:
    """An added reservation whose goods were refunded promises nothing: the other order's units are all held."""
    basic = world.place(cart("SKU-1", "80.00"))
    line = CartLine("SKU-3", 1, Money("10.00", "CNY"))
    world.engine.amend(basic.id, [AddLine(line)], key="am", by=STAFF)
    world.pay(world.get(basic), CHANNEL)
    world.give_back(world.get(basic), "2")
    added = world.place(cart("SKU-3", "60.00", units=2))
    world.combine(world.get(basic), added)
    held = world.stock.free("SKU-3")
    assert held == 3
    world.pay(world.get(basic), CHANNEL)
    settle(world)
    assert world.stock.free("SKU-3") == 3


def test_a_part_stands_at_its_warehouse_where_there_are_units(world: Merging) -> None:
    """Parts that name a warehouse are promised there."""
    world.stock = MemoryStock(world.clock, sources={"A": {"SKU-1": 2}, "B": {"SKU-1": 2}})
    world.engine = world.another()
    order = world.place(cart("SKU-1", "10.00", units=2), "pay")
    found = world.engine.split(
        order.id,
        [SplitPart(name.lower(), TWO[0], ("warehouse",), name) for name in ("B", "A")],
        key="s",
        by=STAFF,
    )
    at = {
        child.handling.lineage.part: world.stock.placed(child.content.reservation)
        for child in found.children
        if child.handling.lineage is not None
    }
    assert at == {"b": (("B", "SKU-1", 1),), "a": (("A", "SKU-1", 1),)}


# --- Deadlines ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lifecycle", ["standard", AGENT])
def test_a_code_that_nobody_pays_takes_only_the_added_order(lifecycle: str) -> None:
    """When the time for the difference is over while a code waits for its payer, the paid order stays."""
    world = Merging(lifecycle, asks_payer=True)
    basic = world.place(cart("SKU-1", "80.00"))
    world.pay(basic, (tenders.Balance(Money("80.00", "CNY"), "c1"),))
    paid = world.get(basic).state
    added = world.place(cart("SKU-2", "60.00"))
    world.combine(world.get(basic), added)
    world.pay(world.get(basic), CHANNEL)
    settle(world)
    assert world.get(basic).state == paid
    assert world.get(basic).due == 0
    assert world.get(added).handling.released
    assert (world.stock.free("SKU-1"), world.stock.free("SKU-2")) == (4, 5)


def test_what_cannot_be_taken_apart_is_not_left_waiting(world: Merging) -> None:
    """Where only the last order can be taken out and something is still due, the rest ends too."""
    basic = world.place(cart("SKU-1", "80.00"), "pay")
    world.combine(world.get(basic), world.place(cart("SKU-2", "10.00")))
    line = CartLine("SKU-3", 1, Money("5.00", "CNY"))
    world.engine.amend(basic.id, [AddLine(line)], key="am", by=STAFF)
    last = world.place(cart("SKU-2", "10.00"))
    world.combine(world.get(basic), last)
    settle(world)
    assert world.get(last).state == "closed"
    assert world.get(basic).state != "pending_payment"
    assert [world.stock.free(f"SKU-{i}") for i in (1, 2, 3)] == [5, 5, 5]


# --- What is held, noted and marked -------------------------------------------------------------


def test_a_part_that_is_held_keeps_the_whole_apart(world: Merging) -> None:
    """While a part waits for a word about its risk, its order is not rejoined."""
    order = world.place(cart("SKU-1", "10.00", units=2), "pay")
    parts = world.engine.split(order.id, TWO, key="s", by=STAFF).children
    world.engine.pause(parts[0].id, "risk", key="p")
    with pytest.raises(NotAllowed, match="held: risk"):
        world.engine.rejoin(order.id, key="r", by=STAFF)
    world.engine.resume(parts[0].id, "risk", key="p2")
    assert world.engine.rejoin(order.id, key="r2", by=STAFF).state == "paid"


def test_what_was_noted_on_parts_is_noted_on_the_whole(world: Merging) -> None:
    """Notes, tags and ended pauses of the parts are the whole's; a pause that ended on them does not last on it."""
    order = world.place(cart("SKU-1", "10.00", units=2), "pay")
    world.engine.pause(order.id, "ticket", key="p")
    world.engine.note(order.id, "before", key="n", by=STAFF)
    first, second = world.engine.split(order.id, TWO, key="s", by=STAFF).children
    for part in (first, second):
        world.engine.resume(part.id, "ticket", key=f"r-{part.id}")
    world.engine.note(first.id, "inside", key="n2", by=STAFF)
    world.engine.tag(second.id, add=("fragile",), key="t", by=STAFF)
    whole = world.engine.rejoin(order.id, key="j", by=STAFF)
    assert [note.text for note in whole.handling.notes] == ["before", "inside"]
    assert whole.handling.tags == ("fragile",)
    assert not whole.handling.paused(("*",))
