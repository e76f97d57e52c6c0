"""Batches: many flows abreast, their commits together, and each on its own when it fails."""

from __future__ import annotations

from typing import Any

import pytest
from tests.engine.world import CHANNEL, FOUR, SHOPPER, World

from ordercore import KeyReused, NotAllowed, OrdercoreError, OutOfStock, PaymentResult, tenders
from ordercore.adapters.memory import MemoryStock, MemoryStore
from ordercore.engine import Flow, call, run_batch
from ordercore.errors import GatewayTimeout, OrderNotFound, Stale, StoreError


class Counting(MemoryStore):
    """A store that counts its commits and the changes in each; it may fail when several come at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.together: OrdercoreError | None = None

    def commit(self, changes: Any) -> None:
        """Count, then write."""
        self.sizes.append(len(changes))
        if len(changes) > 1 and self.together is not None:
            raise self.together
        super().commit(changes)


def batch(count: int, **options: Any) -> tuple[World, Any, list[Any]]:
    """A world with stock for many, and so many orders placed together."""
    world = World(store=Counting(), **options)
    world.stock = MemoryStock(world.clock, {f"SKU-{i}": 1_000 for i in (1, 2, 3)})
    engine = world.engine = world.another()
    orders = [(world.quote(), f"k{i}", SHOPPER) for i in range(count)]
    return world, engine, engine.place_many(orders)


def pays(orders: list[Any], offers: Any = CHANNEL) -> list[Any]:
    """A payment for each order."""
    return [(order.id, offers, f"p{i}", SHOPPER) for i, order in enumerate(orders)]


def test_orders_placed_together_share_commits_of_fifty() -> None:
    """A hundred and twenty orders take three commits, not a hundred and twenty."""
    world, _, orders = batch(120)
    assert world.store.sizes == [50, 50, 20]  # type: ignore[attr-defined]
    assert len({order.id for order in orders}) == 120
    assert {order.state for order in orders} == {"pending_payment"}
    assert world.free()[0] == 880


def test_payments_made_together_share_both_their_commits() -> None:
    """The intents of fifty payments are one write, and their outcomes another."""
    world, engine, orders = batch(50)
    world.store.sizes.clear()  # type: ignore[attr-defined]
    results = engine.pay_many(pays(orders))
    assert all(isinstance(r, PaymentResult) and r.paid for r in results)
    assert world.store.sizes == [50, 50]  # type: ignore[attr-defined]
    world.check()


@pytest.mark.parametrize(
    "options", [{}, {"authorizes_first": True}, {"asks_payer": True}], ids=["once", "first", "asks"]
)
def test_a_batch_gives_what_single_runs_give(options: dict[str, Any]) -> None:
    """The same orders, payments, books, journals and timers, whether made abreast or one by one."""
    few = (tenders.Points(100, "c1"), tenders.Channel("wechat"))
    world, engine, orders = batch(4, **options)
    results = engine.pay_many(pays(orders, few))
    alone = World(store=Counting(), **options)
    alone.stock = MemoryStock(alone.clock, {f"SKU-{i}": 1_000 for i in (1, 2, 3)})
    one = alone.engine = alone.another()
    singles = [one.place(alone.quote(), key=f"k{i}", by=SHOPPER) for i in range(4)]
    assert orders == singles
    paid = [one.pay(o, offers, key=key, by=by) for o, offers, key, by in pays(singles, few)]
    # the channel counts its references in the order in which it is asked
    assert [(r.order.state, r.paid, r.declined) for r in results] == [
        (r.order.state, r.paid, r.declined) for r in paid
    ]
    for order in orders:
        names = [[t.event.name for t in e.journal(order.id)] for e in (engine, one)]
        assert names[0] == names[1]
    assert engine.trial_balance() == one.trial_balance()
    assert set(world.store.timers()) == set(alone.store.timers())
    world.check(settled=not options.get("asks_payer"))


def test_one_failing_lane_fails_alone() -> None:
    """An unknown order, tenders that do not reach, a key in use: the rest is paid."""
    world, engine, orders = batch(4)
    payments = pays(orders)
    payments[1] = ("nobody", CHANNEL, "p1", SHOPPER)
    payments[2] = (orders[2].id, (), "p2", SHOPPER)
    payments[3] = (orders[3].id, CHANNEL, "k0", SHOPPER)
    results = engine.pay_many(payments)
    assert results[0].paid
    assert [type(r).__name__ for r in results[1:]] == [
        "OrderNotFound", "InvalidTenders", "KeyReused",
    ]  # fmt: skip
    assert isinstance(results[1], OrderNotFound)
    assert [world.get(order).state for order in orders] == ["paid"] + ["pending_payment"] * 3
    world.check()


def test_goods_run_out_within_a_batch() -> None:
    """Five of seven get the last goods, the others are told so."""
    world = World(store=Counting())
    results = world.engine.place_many([(world.quote(), f"k{i}", SHOPPER) for i in range(7)])
    assert [isinstance(r, OutOfStock) for r in results] == [False] * 5 + [True] * 2
    assert len(world.orders()) == 5


def test_l13_one_key_twice_in_a_batch_is_one_order() -> None:
    """Two lanes with the same key answer with the same order."""
    world = World(store=Counting())
    quote = world.quote()
    one, other = world.engine.place_many([(quote, "k", SHOPPER), (quote, "k", SHOPPER)])
    assert one == other
    assert world.free() == [4, 4, 4]


def test_l13_one_payment_twice_in_a_batch_pays_once() -> None:
    """Two lanes with the same key pay once, and both say so in the end."""
    world, engine, orders = batch(1)
    lane = (orders[0].id, FOUR, "p", SHOPPER)
    engine.pay_many([lane, lane])
    assert len(world.get(orders[0]).payments.attempts) == 4
    assert engine.pay(orders[0].id, FOUR, key="p", by=SHOPPER).paid
    world.check()


def test_l7_two_payments_of_one_order_in_a_batch_pay_once() -> None:
    """Two lanes with two keys: one pays, the other is refused."""
    world, engine, orders = batch(1)
    results = engine.pay_many([(orders[0].id, FOUR, f"p{i}", SHOPPER) for i in range(2)])
    assert sorted(type(r).__name__ for r in results) == ["NotAllowed", "PaymentResult"]
    assert isinstance(results[1], NotAllowed)
    world.check()


@pytest.mark.parametrize(
    "error", [Stale("somebody was quicker"), StoreError("too large"), KeyReused("taken")], ids=repr
)
def test_a_common_commit_that_is_refused_is_made_one_by_one(error: OrdercoreError) -> None:
    """What cannot be written together is written alone; nobody else suffers."""
    world, engine, orders = batch(3)
    world.store.together = error  # type: ignore[attr-defined]
    world.store.sizes.clear()  # type: ignore[attr-defined]
    results = engine.pay_many(pays(orders))
    assert all(result.paid for result in results)
    assert world.store.sizes == [3, 1, 1, 1] * 2  # type: ignore[attr-defined]
    world.check()


def test_lanes_of_different_length_do_not_wait_for_each_other() -> None:
    """A payment that is declined takes more steps than one that is not; each ends by itself."""
    world, engine, orders = batch(3)
    world.channel.decline("bad")
    payments = pays(orders)
    payments[1] = (
        orders[1].id, (tenders.Points(100, "c1"), tenders.Channel("wechat", account="bad")),
        "p1", SHOPPER,
    )  # fmt: skip
    results = engine.pay_many(payments)
    assert [result.paid for result in results] == [True, False, True]
    assert world.accounts()[0] == 5000
    world.check()


def test_an_error_in_a_batch_names_the_use_case_and_the_step() -> None:
    """The note is the same as in a single run."""

    def flow() -> Flow[int]:
        def port() -> int:
            raise GatewayTimeout("no answer")

        yield from call(len, "x")
        return (yield from call(port))

    (error,) = run_batch([flow()], MemoryStore(), "pay_many")
    assert isinstance(error, GatewayTimeout)
    assert error.__notes__[0].startswith("in pay_many, step 2: ")


def test_an_empty_batch_gives_nothing() -> None:
    """No flow, no commit."""
    world = World(store=Counting())
    assert world.engine.place_many([]) == world.engine.pay_many([]) == []
    assert world.store.sizes == []  # type: ignore[attr-defined]
