"""Recovering a canceled order; and what is left of amendments and recoveries when a process dies."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.changing import ALL, CENT, TWO, UNREFUNDED, Shop, status
from tests.engine.world import (
    CHANNEL,
    NOON,
    SHOPPER,
    STAFF,
    STOCK,
    World,
    after,
)

from ordercore import (
    Cart,
    CartLine,
    KeyReused,
    Manifest,
    Money,
    NotAllowed,
    OutOfStock,
    Party,
    Policies,
    PricingPolicy,
    tenders,
)
from ordercore.adapters.memory import MemoryCouponBook
from ordercore.engine.amending import amend, recover
from ordercore.order import (
    AddLine,
    ChangeQuantity,
    HandlingPolicy,
    Overruled,
    Recovered,
    RemoveLine,
    Rule,
)
from ordercore.pricing import CouponTerms, Layer, OrderAmount, Promotion
from ordercore.testing import Fault, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore.testing import Walk

# --- Recovering ----------------------------------------------------------------------------------


def canceled(*, refunds: bool = True, overrules: tuple[Rule, ...] = (), **options: Any) -> Shop:
    """Two pieces at 100.00, paid to a purchasing agent and canceled."""
    handling = HandlingPolicy(refund_canceled=refunds, overrules=overrules)
    shop = Shop(
        lifecycle="purchasing_agent", cart=TWO, policies=Policies(handling=handling), **options
    )
    shop.pay()
    assert shop.now().state == "processing"
    assert shop.cancel().state == "canceled"
    assert shop.held() == {}
    return shop


def test_case_2_recovered_after_its_refund_all_of_the_new_price_is_due() -> None:
    """2 x 100.00 paid, canceled, refunded, recovered at 112.00 a piece: 224.00 due."""
    shop = canceled()
    assert shop.taken() == {}
    order = shop.recover("112.00")
    assert (order.state, order.total, order.due, order.owed) == (
        "awaiting_payment",
        22400,
        22400,
        0,
    )
    assert order.number == shop.order.number
    assert order.content.pay_by == NOON + timedelta(minutes=30)
    assert shop.held() == {"SKU-1": 2}
    shop.check()
    assert shop.pay().state == "processing"
    assert shop.lasting() == {"SKU-1": 2}
    shop.check()


def test_case_2_recovered_before_its_refund_the_difference_is_due() -> None:
    """The money had not gone back: 24.00 due, and the payment of it makes the order whole."""
    shop = canceled(refunds=False)
    assert (shop.now().owed, shop.taken()) == (20000, {"wechat": 20000})
    order = shop.recover("112.00")
    assert (order.state, order.total, order.due) == ("awaiting_payment", 22400, 2400)
    shop.check()
    order = shop.pay(tenders.Balance(account="c1"))
    assert (order.state, order.due) == ("processing", 0)
    assert shop.taken() == {"balance": 2400, "wechat": 20000}
    shop.check()
    shop.cancel()
    assert (shop.now().owed, shop.now().due) == (22400, 0)


def test_money_left_on_a_part_paid_order_that_was_canceled_goes_back_as_a_whole() -> None:
    """Its goods are no measure of what was paid, so units of them cannot be named."""
    shop = Shop(lifecycle="purchasing_agent", cart=TWO, policies=UNREFUNDED)
    shop.pay(*ALL)
    shop.amend(ChangeQuantity("1", 3), AddLine(CartLine("SKU-2", 1, CENT)))
    shop.cancel()
    assert (shop.now().due, shop.now().owed) == (0, 20000)
    with shop.world.refused(NotAllowed):
        shop.engine.refund(shop.id, Manifest.of({"1": 1}), reason="x", key="r", by=STAFF)
    with shop.world.refused(NotAllowed):
        shop.engine.refund(shop.id, reason="x", charges=("shipping",), key="r", by=STAFF)
    shop.engine.refund(shop.id, reason="x", key="r", by=STAFF)
    assert (shop.now().owed, shop.taken()) == (0, {})
    shop.check()
    assert shop.world.books() == {}


def test_case_2_without_the_goods_it_stays_canceled() -> None:
    """Somebody else took them: refused, still canceled, and nothing is held or called."""
    shop = canceled()
    shop.stock.reserve("somebody else", [("SKU-1", STOCK - 1)], after(10_000))
    with shop.world.refused(OutOfStock):
        shop.recover("112.00")
    assert shop.now().state == "canceled"


@pytest.mark.parametrize("price", ["100.00", "80.00"])
def test_recovered_at_the_price_that_was_paid_or_below_it_goes_straight_on(price: str) -> None:
    """Money that was not given back pays it; what is above goes back, and its goods are final."""
    shop = canceled(refunds=False)
    order = shop.recover(price)
    assert (order.state, order.due) == ("processing", 0)
    assert shop.now().owed == 0
    assert sum(shop.taken().values()) == order.total
    shop.sweep(60 * 48)
    assert shop.lasting() == {"SKU-1": 2}
    shop.check()
    shop.engine.refund(shop.id, Manifest.of({"1": 1}), reason="x", key="r", by=STAFF)
    shop.check()


def test_an_unpaid_order_that_was_canceled_lives_again() -> None:
    """Its deadline passed; recovered, it has a new one, and lapses by that again."""
    shop = Shop(lifecycle="purchasing_agent", cart=TWO)
    assert shop.sweep(31).state == "canceled"
    assert shop.recover().due == 20000
    assert shop.sweep(60).state == "awaiting_payment"
    assert shop.sweep(62).state == "canceled"
    assert shop.held() == {}
    shop.check()
    order = shop.recover()
    assert order.visit == 4
    shop.check()


def test_after_thirty_days_recovery_is_refused_but_for_staff_with_a_reason() -> None:
    """The policy lists the rule; who, which and why stand in the journal."""
    for overrules in ((), (Rule.RECOVER_WINDOW,)):
        shop = canceled(overrules=overrules)
        shop.world.clock.advance(timedelta(days=30))
        shop.world.clock.advance(timedelta(seconds=1))
        with shop.world.refused(NotAllowed) as caught:
            shop.recover("112.00")
        assert "30 days" in caught.value.reason
        assert caught.value.data["rule"] == "recover_window"
        if not overrules:
            with shop.world.refused(NotAllowed):
                shop.recover("112.00", overrule="a regular")
            continue
        shop.recover("112.00", overrule="a regular")
        told = [t for t in shop.engine.journal(shop.id) if isinstance(t.event, Overruled)]
        assert [(t.by, t.event) for t in told] == [
            (STAFF, Overruled("recover_window", "a regular"))
        ]


def test_at_thirty_days_sharp_recovery_passes() -> None:
    """The window is inclusive."""
    shop = canceled()
    shop.world.clock.advance(timedelta(days=30))
    assert shop.recover("112.00").state == "awaiting_payment"


def test_l12_what_is_not_canceled_is_not_recovered() -> None:
    """Any other state refuses, and so does a lifecycle without recovery."""
    live = Shop(lifecycle="purchasing_agent", cart=TWO)
    closed = Shop()
    closed.cancel()
    for shop in (live, closed):
        with shop.world.refused(NotAllowed):
            shop.recover()
    shop = canceled()
    with shop.world.refused(NotAllowed):
        shop.recover(by=SHOPPER)


def test_l13_a_recovery_twice_under_one_key_is_one() -> None:
    """The same key answers with the order, also after it moved on; other prices under it are refused."""
    shop = canceled()
    first = shop.recover("112.00", key="k")
    before = shop.world.snapshot()
    assert shop.recover("112.00", key="k") == first
    assert shop.world.snapshot() == before
    with shop.world.refused(KeyReused):
        shop.recover("113.00", key="k")
    recovered = [t.event for t in shop.engine.journal(shop.id) if isinstance(t.event, Recovered)]
    assert [event.was for event in recovered] == [20000]


def test_codes_of_a_canceled_order_are_asked_again() -> None:
    """Free since it was canceled, its code is held anew; taken by another, the order costs what it costs."""
    for taken in (False, True):
        offs = Promotion("one", OrderAmount(Money("10.00", "CNY")), coupon=CouponTerms())
        policies = Policies(pricing=PricingPolicy(layers=(Layer("one", (offs,)),)))
        book = MemoryCouponBook(World().clock)
        book.issue("ONE", "one")
        cart = Cart("CNY", TWO.lines, customer=Party("c1"), codes=("ONE",))
        shop = Shop(lifecycle="purchasing_agent", cart=cart, policies=policies, coupons=book)
        shop.pay()
        shop.cancel()
        assert status(book, "ONE") == "free"
        if taken:
            book.hold("another order", ["ONE"], "c2", after(60))
        order = shop.recover()
        assert order.due == (20000 if taken else 19000)
        assert shop.pay().state == "processing"
        assert status(book, "ONE") == ("held" if taken else "used")
        shop.check()


# --- Crashes -------------------------------------------------------------------------------------


def begin_more(shop: Shop, simulation: Simulation) -> Walk[Any]:
    """A unit more of a paid order."""
    shop.pay(*ALL)
    return simulation.walk(amend(shop.engine.shop, shop.id, [ChangeQuantity("1", 2)], "k", SHOPPER))


def begin_less(shop: Shop, simulation: Simulation) -> Walk[Any]:
    """A unit less of a paid order."""
    shop.pay(*ALL)
    return simulation.walk(amend(shop.engine.shop, shop.id, [ChangeQuantity("2", 1)], "k", SHOPPER))


def begin_swap(shop: Shop, simulation: Simulation) -> Walk[Any]:
    """Another article at the same price, for a paid order."""
    shop.pay(*ALL)
    swap = [RemoveLine("1"), AddLine(CartLine("SKU-3", 1, CENT))]
    return simulation.walk(amend(shop.engine.shop, shop.id, swap, "k", SHOPPER))


def begin_unpaid(shop: Shop, simulation: Simulation) -> Walk[Any]:
    """Another article beside, before payment."""
    add = [AddLine(CartLine("SKU-3", 1, CENT)), ChangeQuantity("2", 1)]
    return simulation.walk(amend(shop.engine.shop, shop.id, add, "k", SHOPPER))


def begin_rest(shop: Shop, simulation: Simulation) -> Walk[Any]:
    """The difference is paid."""
    shop.pay(*ALL)
    shop.amend(ChangeQuantity("1", 3))
    card = tenders.StoredValue("GC-9", Money("70.00", "CNY"))
    return simulation.pay(shop.id, (card, *CHANNEL), key="k", by=SHOPPER)


def begin_recover(shop: Shop, simulation: Simulation) -> Walk[Any]:
    """A canceled order lives again, for less than was paid."""
    shop.pay(*ALL)
    shop.cancel()
    prices = {"SKU-1": Money("80.00", "CNY")}
    return simulation.walk(recover(shop.engine.shop, shop.id, prices, "k", STAFF))


CRASHING: dict[str, Callable[[Shop, Simulation], Walk[Any]]] = {
    "a unit more": begin_more,
    "a unit less": begin_less,
    "another article": begin_swap,
    "unpaid": begin_unpaid,
    "pay the rest": begin_rest,
    "recover": begin_recover,
}


def crashing(name: str) -> Shop:
    """A fresh shop for one of them."""
    if name == "recover":
        return Shop(lifecycle="purchasing_agent", policies=UNREFUNDED)
    return Shop()


@pytest.mark.parametrize("flow", CRASHING)
@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.value)
def test_l7_a_fault_at_any_step_of_an_amendment_strands_nothing(flow: str, fault: Fault) -> None:
    """Wherever the process dies or an answer is lost: no money and no goods but those of the order, and
    the same key finishes what was begun."""
    for at in range(1, 100):
        shop = crashing(flow)
        simulation = Simulation(shop.engine)
        walk = CRASHING[flow](shop, simulation)
        walk.go(at - 1)
        if walk.ended:
            assert walk.error is None
            break
        owner = getattr(walk.step.fn, "__self__", None) if walk.step else None
        crash = fault in {Fault.CRASH_BEFORE, Fault.CRASH_AFTER}
        if not crash and owner not in shop.world.gateways.values():
            continue
        walk.strike(at, fault)
        shop.world.clock.advance(timedelta(minutes=2))
        for _ in range(30):
            shop.sweep()
            shop.world.clock.advance(timedelta(minutes=1))
        shop.world.clock.advance(timedelta(days=1))
        shop.sweep()
        shop.stock.free("SKU-1")
        if shop.now().due:  # what is not paid for need not be held
            net = sum(shop.taken().values())
            assert net == shop.now().payments.captured - shop.now().payments.refunded
            assert not shop.now().payments.in_flight
        else:
            shop.check()
            held = {} if shop.now().handling.released else dict(shop.now().stock_kept())
            assert shop.lasting() == held, f"step {at}"
    else:
        pytest.fail("the flow does not end")
