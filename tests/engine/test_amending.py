"""Amending: what was agreed changes, and the money follows from totals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.engine.changing import ALL, CENT, Shop, paid, status, two_lines
from tests.engine.world import (
    CHANNEL,
    SHOPPER,
    STAFF,
    STOCK,
    World,
    after,
)

from ordercore import (
    Actor,
    ActorKind,
    Address,
    Cart,
    CartLine,
    KeyReused,
    Manifest,
    Money,
    NotAllowed,
    OutOfStock,
    Party,
    Percent,
    Policies,
    PriceChanged,
    PricingPolicy,
    ShippingCharge,
    TaxPolicy,
    tenders,
)
from ordercore.adapters.memory import MemoryCouponBook
from ordercore.engine.amending import amend
from ordercore.errors import InvalidCart, InvalidInput, InvalidManifest
from ordercore.order import (
    AddLine,
    Amended,
    ChangeAddress,
    ChangeCodes,
    ChangeQuantity,
    ChangeShipping,
    HandlingPolicy,
    Overruled,
    RemoveLine,
    Rule,
    standing,
)
from ordercore.order.standing import PaymentStanding
from ordercore.pricing import CouponTerms, Layer, OrderAmount, Promotion, TaxRate
from ordercore.tender.events import Reallotted
from ordercore.testing import Simulation

# --- What may be changed -------------------------------------------------------------------------

CHANGES: dict[str, tuple[Any, int]] = {
    "add a line": (AddLine(CartLine("SKU-3", 1, Money("30.00", "CNY"))), 33000),
    "remove a line": (RemoveLine("1"), 20000),
    "more units": (ChangeQuantity("1", 3), 50000),
    "fewer units": (ChangeQuantity("2", 1), 20000),
    "shipping": (ChangeShipping(ShippingCharge(Money("12.00", "CNY"), name="express")), 31200),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_unpaid_order_is_changed_and_paid_at_the_new_price(change: str) -> None:
    """Its total is that of the changed cart, what is due is the total, and paying it leaves nothing due."""
    wanted, total = CHANGES[change]
    shop = Shop()
    made = shop.amend(wanted)
    assert (made.was, made.total, made.due, made.owed) == (30000, total, total, 0)
    assert made.order.state == "pending_payment"
    shop.check()
    assert shop.pay(*ALL).state == "paid"
    assert shop.now().due == 0
    assert shop.lasting() == shop.held()
    shop.check()


@pytest.mark.parametrize("change", CHANGES)
def test_a_paid_order_is_changed_by_the_difference_alone(change: str) -> None:
    """What is above the new price goes back, what is missing is due; the rest of the money stays."""
    wanted, total = CHANGES[change]
    shop = paid(*ALL)
    made = shop.amend(wanted)
    assert (made.was, made.total) == (30000, total)
    assert (made.due, made.owed) == (max(0, total - 30000), max(0, 30000 - total))
    assert made.order.state == "paid"
    assert standing(made.order).payment is (
        PaymentStanding.PARTLY_PAID if made.due else PaymentStanding.PAID
    )
    shop.check()
    if made.due:
        shop.pay(tenders.Channel("wechat"))
        assert shop.taken()["wechat"] == 30000 - 1234 - 5000 + made.due
    assert (shop.now().due, shop.now().owed) == (0, 0)
    assert shop.lasting() == shop.held()
    shop.check()


def test_an_address_takes_its_tax_along() -> None:
    """Sent to a country with another rate, the order is taxed at that rate, and the total follows."""
    rates = (TaxRate(Percent.of("13"), country="CN"), TaxRate(Percent.of("20"), country="GB"))
    taxed = Policies(pricing=PricingPolicy(TaxPolicy(rates, False)))
    shop = paid(cart=two_lines(address=Address(country="CN")), policies=taxed)
    assert (shop.order.content.tax, shop.order.total) == (3900, 33900)
    made = shop.amend(ChangeAddress(Address(country="GB")))
    assert (made.order.content.tax, made.total, made.due) == (6000, 36000, 2100)
    assert {"address", "taxes", "lines", "total"} <= set(made.changed)
    assert made.order.content.address.country == "GB"
    shop.check()


def test_a_line_without_a_name_gets_one_that_the_order_never_had() -> None:
    """A removed line's number does not come back on other goods in the same change."""
    shop = paid()
    made = shop.amend(
        RemoveLine("1"), AddLine(CartLine("SKU-3", 1, CENT)), AddLine(CartLine("SKU-1", 1, CENT))
    )
    assert [(x.id, x.sku) for x in made.order.lines] == [
        ("2", "SKU-2"), ("3", "SKU-3"), ("4", "SKU-1"),
    ]  # fmt: skip
    shop.check()


def test_several_changes_are_one() -> None:
    """They are taken in their order and priced once."""
    shop = paid()
    made = shop.amend(
        AddLine(CartLine("SKU-3", 1, CENT, id="new")), ChangeQuantity("new", 2), RemoveLine("2")
    )
    assert [(line.id, line.quantity) for line in made.order.lines] == [("1", 1), ("new", 2)]
    assert (made.due, made.owed) == (0, 0)
    assert [type(t.event) for t in shop.engine.journal(shop.id)][-2:] == [Amended, Reallotted]
    shop.check()


# --- The difference comes from totals ------------------------------------------------------------


@pytest.mark.parametrize("offers", [CHANNEL, ALL], ids=["channel", "points, balance, channel"])
def test_one_more_and_one_less_after_payment_owes_nothing_and_calls_nobody(offers: Any) -> None:
    """+1 then -1 after payment ends with 0.00 owed and 0.00 due, and no gateway hears of it."""
    shop = paid(*offers)
    calls, books = shop.calls(), shop.world.books()
    more = shop.amend(ChangeQuantity("1", 2))
    assert (more.due, more.owed) == (10000, 0)
    less = shop.amend(ChangeQuantity("1", 1))
    assert (less.due, less.owed) == (0, 0)
    assert (shop.calls(), shop.world.books()) == (calls, books)
    assert shop.now().total == 30000
    assert shop.sweep(120).state == "paid"
    assert shop.calls() == calls
    assert shop.lasting() == {"SKU-1": 1, "SKU-2": 2}
    shop.check()


def test_a_difference_is_paid_with_other_tenders_and_units_go_back_exactly_over_all() -> None:
    """Points and balance at first, the channel and a gift card for the rest; every unit refunded by
    itself, in any order, all of it is back where it came from."""
    shop = paid(tenders.Points(1234, "c1"), tenders.Balance(account="c1"), *CHANNEL)
    first = shop.taken()
    shop.amend(ChangeQuantity("1", 3))
    second = shop.pay(tenders.StoredValue("GC-9", Money("70.00", "CNY")), *CHANNEL)
    assert (second.state, second.due, second.total) == ("paid", 0, 50000)
    assert shop.taken() == {**first, "stored_value": 7000, "wechat": first["wechat"] + 13000}
    shop.check()
    for line in ("2", "1", "1", "2", "1"):
        back = shop.engine.refund(
            shop.id, Manifest.of({line: 1}), reason="x", key=shop.world.key(), by=STAFF
        )
        assert back.refund.amount == 10000
        shop.check()
    assert shop.taken() == {}
    assert shop.sweep().state == "refunded"


def test_points_go_back_in_whole_points() -> None:
    """Of 300.00 paid with 100 points worth 1.00 each and a card, 100.00 go back: points in whole ones."""
    from ordercore.tender import PointsRate, TenderPolicy, TenderRule

    coarse = TenderPolicy((TenderRule("points", PointsRate(1, 100)),))
    shop = paid(tenders.Points(100, "c1"), *CHANNEL, policies=Policies(tenders=coarse))
    made = shop.amend(RemoveLine("1"))
    assert made.owed == 10000
    legs = made.order.payments.refunds[0].legs
    assert [(leg.amount, leg.points) for leg in legs] == [(3300, 33), (6700, 0)]
    assert shop.now().owed == 0
    assert shop.world.points.balance("c1") == 5000 - 67
    shop.check()


def test_what_is_due_may_be_paid_or_amended_away_but_goods_wait() -> None:
    """Nothing leaves while something is due; a change back lets it go without a payment."""
    shop = paid()
    shop.amend(ChangeQuantity("2", 3))
    with pytest.raises(NotAllowed):
        shop.engine.accept(shop.id, key="a", by=STAFF)
    with pytest.raises(NotAllowed, match="due"):
        shop.engine.refund(shop.id, Manifest.of({"1": 1}), reason="x", key="r", by=STAFF)
    shop.amend(ChangeQuantity("2", 2))
    assert shop.engine.accept(shop.id, key="a", by=STAFF).state == "awaiting_shipment"
    assert shop.engine.ship(shop.id, key="s", by=STAFF).state == "shipped"
    shop.check()


def test_an_amended_order_is_earned_and_returned_like_any_other() -> None:
    """Revenue is that of the amended goods, and a return takes back just that."""
    shop = paid(*ALL)
    shop.amend(ChangeQuantity("1", 2))
    shop.pay()
    for verb in ("accept", "ship", "deliver", "complete"):
        getattr(shop.engine, verb)(shop.id, key=verb, by=STAFF)
    books = shop.world.books()
    assert books["revenue"] + books["tax_payable:13"] == -40000
    assert "advances" not in books
    shop.engine.refund(shop.id, reason="returned", key="r", by=STAFF)
    assert shop.world.books() == {}
    assert shop.sweep().state == "refunded"


def test_units_refunded_before_an_amendment_are_no_longer_in_the_order() -> None:
    """Two of three units of a line went back; the change is of the one that is left, and its stock is asked anew."""
    cart = Cart(
        "CNY", (CartLine("SKU-1", 3, CENT), CartLine("SKU-2", 1, CENT)), customer=Party("c1")
    )
    shop = paid(cart=cart)
    shop.engine.refund(shop.id, Manifest.of({"1": 2}), reason="x", key="r", by=STAFF)
    assert shop.held() == {"SKU-1": 1, "SKU-2": 1}
    made = shop.amend(ChangeQuantity("1", 2))
    assert (made.was, made.total, made.due, made.owed) == (40000, 30000, 10000, 0)
    shop.check()
    assert shop.pay().due == 0
    assert shop.lasting() == {"SKU-1": 2, "SKU-2": 1}
    shop.check()


def test_a_part_paid_order_that_is_canceled_gives_all_back() -> None:
    """While a difference is due, canceling returns what was paid, over every tender."""
    shop = paid(*ALL)
    shop.amend(ChangeQuantity("1", 2))
    assert shop.cancel().state == "closed"
    assert shop.taken() == {}
    assert shop.held() == {}
    shop.check()
    assert shop.world.books() == {}


# --- Goods and codes -----------------------------------------------------------------------------


def test_l12_what_is_out_of_stock_changes_nothing() -> None:
    """A unit more than there is: refused with what is free, paid or not."""
    for shop in (Shop(), paid()):
        with shop.world.refused(OutOfStock) as caught:
            shop.amend(ChangeQuantity("1", STOCK + 1))
        assert caught.value.data["sku"] == "SKU-1"
        shop.check()


def test_l22_goods_that_the_order_needs_no_more_are_free_at_once() -> None:
    """Fewer units, or a line less, and the next shopper may have them."""
    for shop in (Shop(), paid()):
        shop.amend(ChangeQuantity("2", 1), ChangeQuantity("1", 4))
        assert shop.held() == {"SKU-1": 4, "SKU-2": 1}
        shop.amend(RemoveLine("1"))
        assert shop.held() == {"SKU-2": 1}
        assert shop.stock.free("SKU-1") == STOCK
        shop.check()


def test_l22_goods_added_to_a_paid_order_lapse_with_the_difference_unpaid_but_no_others() -> None:
    """What was paid stays, whatever becomes of the unit that was not; changed back, nothing is missing."""
    shop = paid()
    shop.amend(ChangeQuantity("1", 2))
    shop.world.clock.advance(timedelta(days=2))
    shop.stock.free("SKU-1")
    assert shop.held() == {"SKU-1": 1, "SKU-2": 2}
    shop.amend(ChangeQuantity("1", 1))
    assert shop.lasting() == {"SKU-1": 1, "SKU-2": 2}
    shop.check()


def test_goods_whose_promise_lapsed_are_promised_again_by_the_payment() -> None:
    """A difference paid days later takes the unit anew, if there is one; else the money goes back."""
    for left in (True, False):
        shop = paid()
        shop.amend(ChangeQuantity("1", 2))
        shop.world.clock.advance(timedelta(days=2))
        if not left:
            shop.stock.reserve("somebody else", [("SKU-1", STOCK - 1)], after(10_000))
        order = shop.pay()
        assert order.due == (0 if left else 10000)
        assert sum(shop.taken().values()) == 30000 + (10000 if left else 0)
        if left:
            assert shop.lasting() == {"SKU-1": 2, "SKU-2": 2}
            shop.check()


def test_a_line_exchanged_for_a_cheaper_one_is_final_at_once() -> None:
    """Added while a difference was due, and paid for by what another line gave up: it does not lapse."""
    shop = paid()
    shop.amend(AddLine(CartLine("SKU-3", 1, Money("60.00", "CNY"), id="c")))
    shop.amend(RemoveLine("1"))
    assert shop.now().due == 0
    assert shop.sweep(60 * 48).owed == 0
    assert shop.lasting() == {"SKU-2": 2, "SKU-3": 1}
    shop.check()


def test_an_unpaid_order_that_comes_to_nothing_is_paid_and_keeps_its_goods() -> None:
    """Amended down to a gift, it needs no payment, and its goods stay when the time to pay is over."""
    gift = CartLine("SKU-3", 1, Money("0.00", "CNY"), id="g")
    shop = Shop(cart=Cart("CNY", (CartLine("SKU-1", 1, CENT), gift), customer=Party("c1")))
    made = shop.amend(RemoveLine("1"))
    assert (made.order.state, made.total) == ("paid", 0)
    shop.sweep(60 * 48)
    assert shop.lasting() == {"SKU-3": 1}
    shop.check()


def coded(*codes: str) -> tuple[Shop, MemoryCouponBook]:
    """An order under some codes, each 10.00 off."""
    offs = tuple(
        Promotion(name, OrderAmount(Money("10.00", "CNY")), coupon=CouponTerms())
        for name in ("one", "two")
    )
    layers = tuple(Layer(off.id, (off,)) for off in offs)
    policies = Policies(pricing=PricingPolicy(layers=layers))
    clock = World().clock
    book = MemoryCouponBook(clock)
    for off in offs:
        book.issue(off.id.upper(), off.id)
    shop = Shop(cart=two_lines(codes=codes), policies=policies, coupons=book)
    return shop, book


def test_codes_come_and_go_with_the_amendments() -> None:
    """Added it is held, paid it is used, dropped it is free, and it may come back."""
    shop, book = coded("ONE")
    assert shop.order.total == 29000
    made = shop.amend(ChangeCodes(("ONE", "TWO")))
    assert (made.total, status(book, "TWO")) == (28000, "held")
    shop.pay()
    assert (status(book, "ONE"), status(book, "TWO")) == ("used", "used")
    made = shop.amend(ChangeCodes(("ONE",)))
    assert (made.due, status(book, "ONE"), status(book, "TWO")) == (1000, "used", "free")
    made = shop.amend(ChangeCodes(("ONE", "TWO")))
    assert (made.due, made.owed) == (0, 0)
    assert (status(book, "ONE"), status(book, "TWO")) == ("used", "used")
    shop.check()
    shop.cancel()
    assert (status(book, "ONE"), status(book, "TWO")) == ("free", "free")


def test_a_code_dropped_and_taken_again_before_payment_is_used_by_the_payment() -> None:
    """Its second hold counts, not the first, which was released."""
    for codes in (("ONE",), ("ONE", "TWO")):
        shop, book = coded(*codes)
        shop.amend(ChangeCodes(()))
        assert status(book, "ONE") == "free"
        shop.amend(ChangeCodes(codes))
        shop.amend(ChangeCodes(()))
        shop.amend(ChangeCodes(codes))
        assert shop.pay().state == "paid"
        assert {status(book, code) for code in codes} == {"used"}
        shop.check()


def test_l12_a_code_that_another_order_holds_is_refused() -> None:
    """It takes nothing off, so the amended order costs what it did."""
    shop, book = coded()
    book.hold("another order", ["TWO"], "c2", after(60))
    made = shop.amend(ChangeCodes(("TWO",)))
    assert made.total == 30000
    assert made.quote is not None
    assert [refused.code for refused in made.quote.refused] == ["TWO"]
    assert made.order.content.coupons == ()


# --- Together ------------------------------------------------------------------------------------


def test_two_amendments_that_meet_are_both_in_the_order() -> None:
    """At whatever step the other comes between, both changes stand, and just their goods are held."""
    for at in range(50):
        shop = paid()
        simulation = Simulation(shop.engine)
        walk = simulation.walk(
            amend(shop.engine.shop, shop.id, [ChangeQuantity("1", 3)], "one", SHOPPER)
        ).go(at)
        if walk.ended:
            break
        shop.amend(ChangeQuantity("2", 4), ChangeQuantity("1", 2), key="two")
        walk.finish()
        assert {line.id: line.quantity for line in shop.now().lines}["2"] == 4
        shop.check()
        shop.pay()
        assert shop.lasting() == shop.held()
        shop.check()
    else:
        pytest.fail("the flow does not end")


def test_l13_one_amendment_sent_twice_at_the_same_time_is_one() -> None:
    """At whatever step the repeat comes between, the unit is added once and held once."""
    change = AddLine(CartLine("SKU-3", 1, CENT))
    for at in range(50):
        shop = paid()
        walk = (
            Simulation(shop.engine)
            .walk(amend(shop.engine.shop, shop.id, [change], "k", SHOPPER))
            .go(at)
        )
        if walk.ended:
            break
        shop.amend(change, key="k")
        assert walk.finish().total == 40000
        assert len(shop.now().lines) == 3
        shop.check()
    else:
        pytest.fail("the flow does not end")


def test_a_cancellation_that_meets_an_amendment_leaves_nothing_held() -> None:
    """At whatever step it comes between, the order ends closed, with its money back and its goods free."""
    for at in range(50):
        shop = paid()
        walk = (
            Simulation(shop.engine)
            .walk(amend(shop.engine.shop, shop.id, [ChangeQuantity("1", 3)], "one", SHOPPER))
            .go(at)
        )
        if walk.ended:
            break
        shop.cancel()
        walk.go(100)
        if walk.error is not None:
            assert walk.error.code == NotAllowed.code
            assert "is over" in walk.error.reason
        shop.world.clock.advance(timedelta(days=2))
        assert shop.sweep().state == "closed"
        shop.stock.free("SKU-1")
        assert shop.taken() == {}
        shop.check()
    else:
        pytest.fail("the flow does not end")


# --- Preview, keys, and what is refused ----------------------------------------------------------


@pytest.mark.parametrize("change", CHANGES)
def test_a_preview_is_what_the_amendment_does(change: str) -> None:
    """The same figures and parts, and nothing is written, promised or paid."""
    wanted, _ = CHANGES[change]
    shop = paid(*ALL)
    before = shop.world.snapshot()
    shown = shop.engine.preview_amendment(shop.id, [wanted], by=SHOPPER)
    assert shop.world.snapshot() == before
    made = shop.amend(wanted, shown=shown)
    assert made.quote == shown.quote
    for name in ("changed", "was", "total", "due", "owed"):
        assert getattr(made, name) == getattr(shown, name)


def test_l12_another_price_than_was_shown_is_refused() -> None:
    """The preview's total no longer holds: `PriceChanged` with both figures, and nothing changes."""
    shop = paid()
    shown = shop.engine.preview_amendment(shop.id, [ChangeQuantity("1", 2)], by=SHOPPER)
    with shop.world.refused(PriceChanged) as caught:
        shop.amend(ChangeQuantity("1", 3), shown=shown)
    assert (caught.value.data["old"], caught.value.data["new"]) == (40000, 50000)


def test_l13_an_amendment_twice_under_one_key_is_one() -> None:
    """The second call answers with the order as it is; other changes under the key are refused."""
    shop = paid()
    add = AddLine(CartLine("SKU-3", 1, CENT))
    first = shop.amend(add, key="k")
    before = shop.world.snapshot()
    again = shop.amend(add, key="k")
    assert again.order == first.order
    assert shop.world.snapshot() == before
    with shop.world.refused(KeyReused):
        shop.amend(RemoveLine("1"), key="k")


@pytest.mark.parametrize(
    ("changes", "error", "path"),
    [
        ([], InvalidInput, "changes"),
        ([RemoveLine("1"), RemoveLine("2")], InvalidCart, "changes"),
        ([RemoveLine("9")], InvalidManifest, "changes[0].line"),
        ([ChangeQuantity("1", 2), ChangeQuantity("9", 2)], InvalidManifest, "changes[1].line"),
        ([AddLine(CartLine("SKU-3", 1, CENT, id="1"))], InvalidCart, "changes[0].line.id"),
        (["more"], InvalidInput, "changes[0]"),
        ("more", InvalidInput, "changes"),
        ([ChangeQuantity("1", 0)], InvalidInput, ""),
        ([ChangeQuantity("1", True)], InvalidInput, ""),
        ([AddLine(CartLine("SKU-3", 1, Money("1.00", "EUR")))], InvalidInput, ""),
        ([AddLine("tea")], InvalidInput, ""),
        ([ChangeAddress("home")], InvalidInput, ""),
        ([ChangeShipping("express")], InvalidInput, ""),
        ([ChangeCodes(5)], InvalidInput, ""),
        ([RemoveLine("1")] * 101, InvalidInput, "changes"),
    ],
)  # fmt: skip
def test_l12_what_is_no_change_changes_nothing(changes: Any, error: Any, path: str) -> None:
    """Bad input is named with its place, by the preview as by the real thing."""
    shop = paid()
    before = shop.world.snapshot()
    for act in (
        lambda: shop.engine.amend(shop.id, changes, key="k", by=SHOPPER),
        lambda: shop.engine.preview_amendment(shop.id, changes, by=SHOPPER),
    ):
        with pytest.raises(error) as caught:
            act()
        assert caught.value.reason
        assert caught.value.path == path or not path
        assert shop.world.snapshot() == before


def test_l12_who_may_not_amend_changes_nothing() -> None:
    """Another customer, and anybody once goods have left or the order is over."""
    shop = paid()
    with shop.world.refused(NotAllowed):
        shop.amend(RemoveLine("1"), by=Actor.customer("c2"))
    with shop.world.refused(NotAllowed):
        shop.amend(RemoveLine("1"), by=Actor(ActorKind.CHANNEL, "wechat"))
    shop.engine.accept(shop.id, key="a", by=STAFF)
    shop.engine.ship(shop.id, Manifest.of({"1": 1}), key="s", by=STAFF)
    with shop.world.refused(NotAllowed):
        shop.amend(RemoveLine("2"), by=STAFF)
    over = Shop()
    over.cancel()
    with over.world.refused(NotAllowed):
        over.amend(RemoveLine("1"))


def test_a_state_that_lists_no_amending_is_overruled_with_a_reason_alone() -> None:
    """A flash sale is changed by nobody, but by staff where the policy lets them, with a reason."""
    change = RemoveLine("1")
    closed = Shop(lifecycle="flash_sale")
    with closed.world.refused(NotAllowed):
        closed.amend(change, by=STAFF, overrule="the customer called")
    ruling = Policies(handling=HandlingPolicy(overrules=(Rule.AMEND_STATE,)))
    shop = Shop(lifecycle="flash_sale", policies=ruling)
    for by, overrule in ((STAFF, ""), (SHOPPER, "I want it")):
        with shop.world.refused(NotAllowed):
            shop.amend(change, by=by, overrule=overrule)
    made = shop.amend(change, by=STAFF, overrule="the customer called")
    assert made.total == 20000
    said = [t.event for t in shop.engine.journal(shop.id) if isinstance(t.event, Overruled)]
    assert said == [Overruled("amend_state", "the customer called")]


def test_a_payment_that_waits_is_given_up_for_an_amendment() -> None:
    """The code shown before is dead; the next payment is for the new price."""
    shop = Shop(asks_payer=True)
    shop.pay()
    assert shop.now().payments.in_flight
    made = shop.amend(RemoveLine("1"))
    assert (made.due, made.order.payments.in_flight) == (20000, False)
    shop.pay()
    shop.engine.notify("wechat", {}, shop.world.channel.pay(f"{shop.id}/2"))
    assert (shop.now().state, shop.taken()) == ("paid", {"wechat": 20000})
    shop.check()


def test_a_payment_that_turns_out_to_be_made_stands_against_the_amended_price() -> None:
    """Asked before it is given up, the channel says that it is paid: the difference goes back."""
    shop = Shop(asks_payer=True)
    shop.pay()
    shop.world.channel.pay(f"{shop.id}/1")
    made = shop.amend(RemoveLine("1"))
    assert (made.order.state, made.due, made.owed) == ("paid", 0, 10000)
    assert shop.taken() == {"wechat": 20000}
    shop.check()


def test_l12_a_refused_amendment_leaves_a_payment_that_waits_alone() -> None:
    """Bad changes, or nobody's to make: the payer's code is still good."""
    for lifecycle, changes in (("standard", [RemoveLine("9")]), ("flash_sale", [RemoveLine("1")])):
        shop = Shop(lifecycle=lifecycle, asks_payer=True)
        shop.pay()
        with shop.world.refused(InvalidManifest if lifecycle == "standard" else NotAllowed):
            shop.amend(*changes)
