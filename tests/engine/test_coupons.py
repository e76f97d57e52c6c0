"""Coupon codes through an order's life: held when it is placed, used when it is paid, given back when it ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from tests.engine.world import CHANNEL, FOUR, NOON, SHOPPER, STAFF, World, after, order_a

from ordercore import Actor, Cart, Order, OrderEngine, Party, Percent, Policies, SettableClock
from ordercore.adapters.memory import MemoryCouponBook
from ordercore.adapters.sql import SqlStore
from ordercore.adapters.sql.coupons import SqlCouponBook
from ordercore.errors import CouponUnavailable, InsideTransaction, KeyReused, OutOfStock, StoreError
from ordercore.money import money
from ordercore.pricing import (
    CouponStatus,
    CouponTerms,
    Layer,
    OrderAmount,
    OrderPercent,
    PricingPolicy,
    Promotion,
    Quote,
    RefusalReason,
)
from ordercore.testing.simulation import Fault, Simulation, Walk

FREE, HELD, USED = CouponStatus.FREE, CouponStatus.HELD, CouponStatus.USED

LAYERS = (
    Layer(
        "coupons",
        (
            Promotion("ten", OrderAmount(money("10.00", "CNY")), coupon=CouponTerms()),
            Promotion("all", OrderPercent(Percent.of("100")), coupon=CouponTerms()),
        ),
    ),
)
POLICIES = Policies(pricing=PricingPolicy(layers=LAYERS))


def issued(book: Any) -> Any:
    """Two codes that take off 10.00, and one that takes off everything, each for one use."""
    for code in ("ONE", "TWO"):
        book.issue(code, "ten")
    book.issue("ALL", "all")
    return book


def cart(*codes: str, customer: str = "c1") -> Cart:
    """Three lines of 99.99, with codes."""
    return Cart("CNY", order_a().lines, customer=Party(customer), codes=codes)


class CouponWorld(World):
    """A shop in memory that takes coupon codes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(policies=POLICIES, **options)
        self.book = issued(MemoryCouponBook(self.clock))
        self.engine = self.another(coupons=self.book)

    def quoted(self, *codes: str, customer: str = "c1") -> Quote:
        """The cart with codes, priced."""
        return self.engine.quote(cart(*codes, customer=customer))

    def bought(self, *codes: str) -> Order:
        """The cart with codes, placed."""
        return self.engine.place(self.quoted(*codes), key=self.key(), by=SHOPPER)

    def status(self, code: str) -> CouponStatus:
        """What became of a code."""
        found: CouponStatus = self.book.find((code,), "c1")[0].status
        return found

    def check_codes(self) -> None:
        """L22: an order that ended unpaid or came back whole holds no code, a paid one has used its own."""
        self.check()
        standing = {
            name: takes[0].used
            for name, takes in self.book._holdings.items()
            if takes and takes[0].counts(self.clock.now())
        }
        kept = {
            order.content.coupon_holding: True
            for order in self.orders()
            if order.state not in {"closed", "refunding", "refunded"}
        }
        assert standing == kept


# --- Placing ------------------------------------------------------------------------------------


def test_a_placed_order_holds_the_codes_that_its_price_counts_on() -> None:
    """They stand on the order, and are held for as long as its goods; a code that did nothing is not."""
    world = CouponWorld()
    quote = world.quoted("ONE", "unknown")
    assert [(off.code, off.amount) for off in quote.discounts] == [("ONE", 1000)]
    assert [(code.code, code.reason) for code in quote.refused] == [
        ("unknown", RefusalReason.UNKNOWN)
    ]
    order = world.engine.place(quote, key="k", by=SHOPPER)
    assert order.total == 28997
    assert order.content.coupons == ("ONE",)
    assert (world.status("ONE"), world.status("TWO")) == (HELD, FREE)
    (take,) = world.book._holdings[order.content.coupon_holding]
    assert (take.code, take.customer) == ("ONE", "c1")
    assert take.until == after(30) + world.policies.stock.reserve_slack
    assert world.engine.place(quote, key="k", by=SHOPPER) == order


def test_an_order_without_a_code_holds_none() -> None:
    """The book is not asked for anything."""
    world = CouponWorld()
    order = world.bought()
    assert (order.content.coupons, order.content.coupon_holding) == ((), "")
    assert world.book._holdings == {}


def test_of_two_shoppers_with_one_code_one_gets_it() -> None:
    """The other was shown the price, is refused, and nothing was promised to him."""
    world = CouponWorld()
    mine, yours = world.quoted("ONE"), world.quoted("ONE", customer="c2")
    world.engine.place(mine, key="k1", by=SHOPPER)
    with world.refused(CouponUnavailable) as caught:
        world.engine.place(yours, key="k2", by=Actor.customer("c2"))
    assert caught.value.data["coupon"] == "ONE"
    assert world.free() == [4, 4, 4]
    assert len(world.orders()) == 1


def test_of_many_shoppers_at_once_one_is_placed_with_a_code() -> None:
    """Whether they come in threads or in a batch."""
    world = CouponWorld()
    quote = world.quoted("ONE")

    def one(number: int) -> bool:
        try:
            world.engine.place(quote, key=f"k{number}", by=SHOPPER)
        except (CouponUnavailable, OutOfStock):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(16))) == 1
    batch = [(world.quoted("TWO"), f"b{number}", SHOPPER) for number in range(3)]
    placed = world.engine.place_many(batch)
    assert [type(made).__name__ for made in placed].count("Order") == 1


def test_l13_a_key_with_another_code_is_refused() -> None:
    """Two codes of one promotion cost the same, but they are not the same purchase."""
    world = CouponWorld()
    world.engine.place(world.quoted("ONE"), key="k", by=SHOPPER)
    other = world.quoted("TWO")
    with world.refused(KeyReused):
        world.engine.place(other, key="k", by=SHOPPER)
    assert world.status("TWO") is FREE


# --- The ways of an order -----------------------------------------------------------------------


def test_a_paid_order_has_used_its_code() -> None:
    """Its use stays, however long it takes, also when the goods come back after they were sent."""
    world = CouponWorld()
    order = world.pay(world.bought("ONE"), CHANNEL).order
    assert (order.state, world.status("ONE")) == ("paid", USED)
    world.engine.accept(order.id, key="a")
    world.engine.ship(order.id, key="s")
    assert world.at(60 * 24 * 30).failed == ()
    world.refund(order)
    assert (world.get(order).state, world.status("ONE")) == ("refunded", USED)


def test_l22_an_order_that_is_not_paid_in_time_frees_its_code() -> None:
    """Somebody else may use it at once."""
    world = CouponWorld()
    order = world.bought("ONE")
    world.at(30)
    assert (world.get(order).state, world.status("ONE")) == ("closed", FREE)
    world.engine.place(world.quoted("ONE", customer="c2"), key="k2", by=Actor.customer("c2"))
    assert world.status("ONE") is HELD


@pytest.mark.parametrize("paid", [False, True])
def test_l22_a_canceled_order_frees_its_code(paid: bool) -> None:
    """Before payment and after it, as long as nothing was sent."""
    world = CouponWorld()
    order = world.bought("ONE", "TWO")
    if paid:
        order = world.pay(order, CHANNEL).order
    world.engine.cancel(order.id, reason="changed my mind", key="c", by=SHOPPER)
    assert (world.status("ONE"), world.status("TWO")) == (FREE, FREE)
    assert all(timer.key.subject != "coupons" for timer in world.store.timers())


@pytest.mark.parametrize("steps", [[()], [("1",), ("2", "3")]], ids=["at once", "in two steps"])
def test_a_refund_of_all_before_shipping_frees_the_code(steps: list[tuple[str, ...]]) -> None:
    """When everything has been refunded the code comes back, and it comes back once."""
    world = CouponWorld()
    order = world.pay(world.bought("ONE"), CHANNEL).order
    for number, lines in enumerate(steps):
        assert world.status("ONE") is USED, number
        order = world.refund(order, *lines)
    assert (world.get(order).state, world.status("ONE")) == ("refunded", FREE)
    world.engine.place(world.quoted("ONE"), key="again", by=SHOPPER)
    world.at(60)
    assert len([o for o in world.orders() if o.content.coupons]) == 2


def test_a_partial_refund_keeps_the_code_used() -> None:
    """The share of the code that was on the goods is lost."""
    world = CouponWorld()
    order = world.pay(world.bought("ONE"), CHANNEL).order
    world.refund(order, "1")
    assert (world.get(order).state, world.status("ONE")) == ("paid", USED)


def test_an_order_with_nothing_to_pay_uses_its_code_at_once() -> None:
    """And gives it back when it is canceled before it was sent."""
    world = CouponWorld()
    order = world.bought("ALL")
    assert (order.total, order.state, world.status("ALL")) == (0, "paid", USED)
    assert world.store.timers() == ()
    world.engine.cancel(order.id, reason="changed my mind", key="c", by=SHOPPER)
    assert world.status("ALL") is FREE


# --- Late payments ------------------------------------------------------------------------------


def late(world: CouponWorld) -> tuple[Order, bytes]:
    """An order whose payer pays two days later, while nobody swept; and the channel's notification."""
    order = world.bought("ONE")
    world.pay(order, CHANNEL)
    world.clock.advance(timedelta(days=2))
    return order, world.channel.pay(f"{order.id}/1")


def test_a_late_payment_uses_a_code_that_is_still_free() -> None:
    """The hold has lapsed, but nobody wanted the code."""
    world = CouponWorld(asks_payer=True)
    order, told = late(world)
    assert world.status("ONE") is FREE
    world.engine.notify("wechat", {}, told)
    assert (world.get(order).state, world.status("ONE")) == ("paid", USED)


def test_l21_a_late_payment_whose_code_was_taken_goes_back() -> None:
    """Somebody else has the code by then: the money returns, the goods are free, the code stays theirs."""
    world = CouponWorld(asks_payer=True)
    order, told = late(world)
    other = world.engine.place(
        world.quoted("ONE", customer="c2"), key="k2", by=Actor.customer("c2")
    )
    world.engine.notify("wechat", {}, told)
    assert world.get(order).state == "closed"
    assert world.channel.taken == 0
    assert world.stock.reserved(order.content.reservation) == {}
    (take,) = world.book._holdings[other.content.coupon_holding]
    assert take.code == "ONE"


# --- Crashes and races --------------------------------------------------------------------------


def begin_place(world: CouponWorld, simulation: Simulation) -> Walk[Any]:
    """Place with a code."""
    return simulation.place(world.quoted("ONE"), key="k", by=SHOPPER)


def begin_free(world: CouponWorld, simulation: Simulation) -> Walk[Any]:
    """Place an order with nothing to pay."""
    return simulation.place(world.quoted("ALL"), key="k", by=SHOPPER)


def begin_pay(world: CouponWorld, simulation: Simulation) -> Walk[Any]:
    """Pay with four tenders."""
    return simulation.pay(world.bought("ONE").id, FOUR, key="p", by=SHOPPER)


def begin_close(world: CouponWorld, simulation: Simulation) -> Walk[Any]:
    """Sweep at the deadline."""
    world.bought("ONE")
    world.clock.advance(timedelta(minutes=30))
    return simulation.sweep()


def begin_cancel(world: CouponWorld, simulation: Simulation) -> Walk[Any]:
    """Cancel an order that is paid."""
    order = world.pay(world.bought("ONE"), FOUR).order
    return simulation.cancel(order.id, reason="changed my mind", key="c", by=SHOPPER)


def begin_refund(world: CouponWorld, simulation: Simulation) -> Walk[Any]:
    """Refund everything before it is sent."""
    order = world.pay(world.bought("ONE"), FOUR).order
    return simulation.refund(order.id, reason="broken", key="r", by=STAFF)


FLOWS: dict[str, Callable[[CouponWorld, Simulation], Walk[Any]]] = {
    "place": begin_place,
    "place for nothing": begin_free,
    "pay": begin_pay,
    "sweep at the deadline": begin_close,
    "cancel": begin_cancel,
    "refund": begin_refund,
}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER], ids=lambda f: f.value)
def test_l22_a_crash_at_any_step_strands_no_code(flow: str, fault: Fault) -> None:
    """Wherever the process dies, sweeps leave each code with the order that paid with it, or free."""
    tried = 0
    for at in range(1, 100):
        world = CouponWorld(stocked=flow != "place for nothing")
        simulation = Simulation(world.engine)
        if not FLOWS[flow](world, simulation).strike(at, fault):
            break
        tried = at
        assert simulation.recover(world.clock) == (), f"step {at}"
        world.check_codes()
    assert tried > 3


@pytest.mark.parametrize("how", ["deadline", "cancel"])
def test_l22_a_payment_that_meets_the_end_of_its_order_strands_no_code(how: str) -> None:
    """At whichever step of a payment the order ends, its code is used by a paid order, or free."""
    ended = set()
    for at in range(1, 100):
        world = CouponWorld()
        simulation = Simulation(world.engine)
        walk = begin_pay(world, simulation).go(at)
        if walk.ended:
            break
        if how == "deadline":
            world.at(30)
        else:
            world.engine.cancel("ord_1", reason="changed my mind", key="c", by=SHOPPER)
        walk.go(100)  # it may be refused by now
        simulation.recover(world.clock)
        world.check_codes()
        ended.add(world.orders()[0].state)
    assert ended == ({"paid", "closed"} if how == "deadline" else {"closed"})
    assert at > 5


def test_a_write_that_fails_leaves_a_hold_that_lapses() -> None:
    """An order that could not be written keeps its code only for as long as a hold lasts."""
    world = CouponWorld(stocked=False)
    walk = begin_free(world, Simulation(world.engine))
    while getattr(walk.step[0], "__name__", "") != "commit":  # type: ignore[index]
        walk.go()
    walk.fail(StoreError("the disk is full"))
    assert isinstance(walk.error, StoreError)
    assert (world.status("ALL"), world.orders()) == (HELD, ())
    world.clock.advance(timedelta(days=2))
    assert world.status("ALL") is FREE


# --- The host's transaction ---------------------------------------------------------------------


def test_a_book_outside_the_hosts_transaction_is_refused_there(tmp_path: Path) -> None:
    """Its hold would stay when the host rolls back; a cart without codes does not mind."""
    host = create_engine(f"sqlite:///{tmp_path / 'host.db'}")
    clock = SettableClock(NOON)
    with host.begin() as connection:
        store = SqlStore.on(connection)
        store.create()
        outside = OrderEngine(
            store, policies=POLICIES, clock=clock, coupons=issued(MemoryCouponBook(clock))
        )
        quote = outside.quote(cart("ONE"))
        with pytest.raises(InsideTransaction):
            outside.place(quote, key="k", by=SHOPPER)
        assert outside.place(outside.quote(cart()), key="k", by=SHOPPER).state == "pending_payment"
    host.dispose()


def test_l14_a_hold_is_rolled_back_and_committed_with_the_hosts_transaction(tmp_path: Path) -> None:
    """Order and hold are there together, or neither."""
    url = f"sqlite:///{tmp_path / 'host.db'}"
    host, clock = create_engine(url), SettableClock(NOON)
    with SqlStore(url) as store:
        book = issued(SqlCouponBook(store, clock))
        for kept in (False, True):
            with host.connect() as connection, connection.begin() as transaction:
                inside = SqlStore.on(connection)
                engine = OrderEngine(
                    inside, policies=POLICIES, clock=clock, coupons=SqlCouponBook(inside, clock)
                )
                engine.place(engine.quote(cart("ONE")), key="k", by=SHOPPER)
                if not kept:
                    transaction.rollback()
            assert book.find(("ONE",), "c1")[0].status is (HELD if kept else FREE)
            assert len(OrderEngine(store, policies=POLICIES).find()) == int(kept)
    host.dispose()
