"""What regrouping asks of who asks, and what it leaves of discounts, codes, coins, points and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.combining import Merging, cart
from tests.engine.test_coupons import HELD, USED, CouponWorld
from tests.engine.world import CHANNEL, SHOPPER, STAFF, World

from ordercore import Actor, Cart, CartLine, Manifest, Money, NotAllowed, Party, Percent, tenders
from ordercore.adapters.memory import MemoryGateway
from ordercore.errors import InvalidInput
from ordercore.order import AddLine
from ordercore.order.split import SplitPart
from ordercore.ports import OrderQuery
from ordercore.pricing import AmountOff, PercentOff

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore import Order
    from ordercore.pricing.cart import Discount

MALLORY = Actor.customer("mallory")
TWO = (Manifest.of({"1": 1}), Manifest.of({"1": 1}))


def yuan(text: str) -> Money:
    """So much money."""
    return Money(text, "CNY")


# Discounts of units that went back ---------------------------------------------------------------

OFFS: dict[str, tuple[tuple[Discount, ...], tuple[Discount, ...]]] = {
    "amount": ((AmountOff(yuan("30.00")),), ()),
    "capped": ((PercentOff(Percent.of("50"), cap=yuan("30.00")),), ()),
    "line": ((), (AmountOff(yuan("30.00")),)),
    "line capped": ((), (PercentOff(Percent.of("50"), cap=yuan("30.00")),)),
    "both": ((AmountOff(yuan("15.00")),), (AmountOff(yuan("15.00")),)),
}
"""Discounts that a cart and its line bring; each comes to 30.00 off three units."""


def refunded_twice(
    world: Merging, offs: tuple[tuple[Discount, ...], tuple[Discount, ...]]
) -> Order:
    """Three units at 99.99, of which the customer keeps one, at 89.99."""
    line = CartLine("SKU-1", 3, yuan("99.99"), discounts=offs[1])
    order = world.place(Cart("CNY", (line,), offs[0], customer=Party("c1")), "pay")
    world.give_back(order, "1")
    world.give_back(order, "1")
    order = world.get(order)
    assert order.content.total - order.payments.refunded == 89_99
    return order


@pytest.mark.parametrize("offs", list(OFFS))
def test_a_discount_of_units_that_went_back_is_not_given_again_by_a_merge(offs: str) -> None:
    """Each unit takes its share of a discount along: what is kept costs what it did."""
    world = Merging("standard")
    basic = refunded_twice(world, OFFS[offs])
    done = world.combine(basic, world.place(cart("SKU-2", "60.00"), "pay"))
    assert (done.was, done.total, done.saved, done.owed) == (149_99, 149_99, 0, 0)
    assert world.taken() == {"wechat": 149_99}
    world.check()


@pytest.mark.parametrize("offs", list(OFFS))
def test_a_discount_of_units_that_went_back_is_not_given_again_by_an_amendment(offs: str) -> None:
    """A line that is added is paid in full, as nothing of the discount was for it."""
    world = Merging("standard")
    order = refunded_twice(world, OFFS[offs])
    add = AddLine(CartLine("SKU-2", 1, yuan("60.00")))
    done = world.engine.amend(order.id, [add], key="a", by=STAFF)
    assert (done.total, done.due, done.owed) == (149_99, 60_00, 0)


@given(
    units=st.integers(2, 5), other=st.integers(1, 4), price=st.integers(1, 9_999),
    off=st.integers(0, 20_000), by_line=st.integers(0, 500), back=st.data(),
)  # fmt: skip
def test_l17_what_is_kept_costs_the_same_in_a_merge(
    units: int, other: int, price: int, off: int, by_line: int, back: Any
) -> None:
    """Whatever went back before, the one order costs what the two did, to the cent."""
    money = yuan(f"{price / 100:.2f}")
    lines = (
        CartLine("SKU-1", units, money, discounts=(AmountOff(yuan(f"{by_line / 100:.2f}")),)),
        CartLine("SKU-2", other, yuan("7.77")),
    )
    world = Merging("standard")
    basic = world.place(
        Cart("CNY", lines, (AmountOff(yuan(f"{off / 100:.2f}")),), customer=Party("c1"))
    )
    if basic.due:
        basic = world.pay(basic, CHANNEL).order
    gone = Manifest.of({"1": back.draw(st.integers(1, units - 1))})
    if basic.content.total:
        try:
            world.engine.refund(basic.id, gone, reason="r", key="r", by=STAFF)
        except NotAllowed:
            return
    added = world.place(cart("SKU-3", "5.00"), "pay")
    before = world.get(basic)
    kept = before.content.total - before.payments.refunded
    shown = world.engine.preview_combine(basic.id, added.id, by=STAFF)
    assert shown.total == kept + 5_00


# Who may see what --------------------------------------------------------------------------------

FOREIGN: dict[str, Callable[[Merging, Order, Order], Any]] = {
    "preview_combine": lambda w, mine, theirs: w.engine.preview_combine(
        mine.id, theirs.id, by=MALLORY
    ),
    "combine": lambda w, mine, theirs: w.engine.combine(mine.id, theirs.id, key="x", by=MALLORY),
    "combine into": lambda w, mine, theirs: w.engine.combine(
        theirs.id, mine.id, key="x", by=MALLORY
    ),
    "preview_split": lambda w, _, theirs: w.engine.preview_split(theirs.id, TWO, by=MALLORY),
    "propose_split": lambda w, _, theirs: w.engine.propose_split(theirs.id, by=MALLORY),
    "split": lambda w, _, theirs: w.engine.split(theirs.id, TWO, key="x", by=MALLORY),
    "rejoin": lambda w, _, theirs: w.engine.rejoin(theirs.id, key="x", by=MALLORY),
    "unmerge": lambda w, _, theirs: w.engine.unmerge(theirs.id, key="x", by=MALLORY),
}
"""What one might ask of another customer's order."""


def of_two(world: Merging) -> tuple[Order, Order]:
    """An order of mallory, and two of another customer of which the first is held for its risk."""
    theirs = world.place(cart("SKU-1", "10.00", units=2), "pay")
    world.place(cart("SKU-2", "20.00"), "pay")
    priced = world.engine.quote(cart("SKU-3", "1.00", customer=Party("mallory")))
    return world.engine.place(priced, key="mine", by=MALLORY), theirs


@pytest.mark.parametrize("verb", list(FOREIGN))
def test_a_customer_learns_nothing_of_another_ones_order(verb: str) -> None:
    """The refusal says whose it is not; neither its state nor why it might not be merged."""
    world = Merging("standard")
    mine, theirs = of_two(world)
    world.engine.pause(theirs.id, "risk", key="p", by=STAFF)
    with pytest.raises(NotAllowed) as caught:
        FOREIGN[verb](world, mine, theirs)
    assert caught.value.reason == "the order belongs to another customer"
    assert caught.value.data == {"order": theirs.id}


def test_a_customer_learns_not_what_another_ones_order_became() -> None:
    """Of an order that was split a stranger does not hear the names of its parts."""
    world = Merging("standard")
    _, theirs = of_two(world)
    world.engine.split(theirs.id, TWO, key="s", by=STAFF)
    with pytest.raises(NotAllowed) as caught:
        world.engine.cancel(theirs.id, reason="mine?", key="c", by=MALLORY)
    assert caught.value.reason == "the order belongs to another customer"


def test_a_customer_is_shown_its_own_candidates_alone() -> None:
    """Also where it asks for all orders, and for those that may not be merged."""
    world = Merging("standard")
    of_two(world)
    for query in (None, OrderQuery(), OrderQuery(customer="c1")):
        assert world.engine.merge_candidates(query, by=MALLORY, refused=True) == ()
    assert len(world.engine.merge_candidates(by=STAFF)) == 1
    assert len(world.engine.merge_candidates(by=SHOPPER, refused=True)) == 1


# Bad input (L24) ---------------------------------------------------------------------------------


@pytest.mark.parametrize("charges", ["x", 5, 0, ""])
def test_l24_what_is_no_rule_for_charges_is_refused(charges: Any) -> None:
    """It has a name in the error, and nothing is written."""
    world = Merging("standard")
    order = world.place(cart("SKU-1", "10.00", "5.00", units=2), "pay")
    for ask in (
        lambda: world.engine.preview_split(order.id, TWO, charges=charges, by=STAFF),
        lambda: world.engine.split(order.id, TWO, charges=charges, key="s", by=STAFF),
    ):
        with pytest.raises(InvalidInput) as caught:
            ask()
        assert caught.value.path == "charges"
    assert world.get(order) == order


@pytest.mark.parametrize("overrule", [5, None, "x" * 5_000])
def test_l24_a_reason_to_overrule_is_text(overrule: Any) -> None:
    """It is looked at also where nothing has to be overruled."""
    world = Merging("standard")
    basic, added = (world.place(cart(sku, "80.00"), "pay") for sku in ("SKU-1", "SKU-2"))
    for ask in (
        lambda: world.engine.preview_combine(basic.id, added.id, by=STAFF, overrule=overrule),
        lambda: world.engine.combine(basic.id, added.id, key="m", by=STAFF, overrule=overrule),
    ):
        with pytest.raises(InvalidInput) as caught:
            ask()
        assert caught.value.path == "overrule"


# Coins, points, codes, numbers -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "coins"),
    [
        (("6.18", "6.17"), [620, 615]),
        (("4.12", "4.12", "4.13"), [410, 410, 415]),
        (("0.02", "0.02", "6.19"), [5, 0, 620]),
    ],
)
def test_cash_of_parts_is_paid_back_in_coins(prices: tuple[str, ...], coins: list[int]) -> None:
    """What was handed over is shared in coins, so that all of it goes back and the till is even."""
    world = World(stocked=False)
    till = world.gateways["cash"] = MemoryGateway("cash", world.clock)
    world.engine = world.another()
    lines = tuple([CartLine(f"SKU-{i}", 1, Money(p, "CHF")) for i, p in enumerate(prices)])
    quote = world.engine.quote(Cart("CHF", lines, customer=Party("c1")))
    order = world.engine.place(quote, key="k", by=SHOPPER)
    world.pay(order, (tenders.Cash(),))
    parts = [Manifest.of({str(i + 1): 1}) for i in range(len(prices))]
    children = world.engine.split(order.id, parts, key="s", by=STAFF).children
    paid = []
    for child in children:
        done = world.engine.refund(child.id, reason="x", key=world.key(), by=STAFF)
        assert done.refund is not None
        paid.append(sum([leg.paid for leg in done.refund.legs]))
    assert paid == coins
    assert till.taken == 0
    assert world.books() == {}


def test_l22_a_code_is_not_used_while_nobody_paid() -> None:
    """A part that is canceled unpaid leaves the code held for its siblings; who pays uses it."""
    world = CouponWorld()
    order = world.bought("ONE")
    parts = [Manifest.of({name: 1}) for name in ("1", "2", "3")]
    first, second, third = world.engine.split(order.id, parts, key="s", by=STAFF).children
    world.engine.cancel(first.id, reason="x", key="c", by=SHOPPER)
    assert world.status("ONE") is HELD
    world.pay(second, CHANNEL)
    assert world.status("ONE") is USED
    world.engine.cancel(third.id, reason="x", key="d", by=SHOPPER)
    assert world.status("ONE") is USED


def test_no_two_orders_have_one_number() -> None:
    """An order that is split again counts its parts on; a part of a part counts for itself."""
    world = Merging("standard")
    order = world.place(cart("SKU-1", "10.00", units=3), "pay")
    parts = (Manifest.of({"1": 1}), SplitPart("rest", Manifest.of({"1": 2})))
    for _ in range(2):
        world.engine.split(order.id, [parts[0], Manifest.of({"1": 2})], key=world.key(), by=STAFF)
        world.engine.rejoin(order.id, key=world.key(), by=STAFF)
    _, rest = world.engine.split(order.id, [SplitPart("one", TWO[0]), parts[1]], key="l", by=STAFF).children  # fmt: skip
    world.engine.split(rest.id, TWO, key="again", by=STAFF)
    ends = [one.number.removeprefix(order.number) for one in world.orders()]
    assert sorted(ends) == ["", "-1", "-2", "-3", "-4", "-5", "-6", "-6-1", "-6-2"]
    lineage = world.get(order).handling.lineage
    assert lineage is not None
    assert lineage.parts == 6
