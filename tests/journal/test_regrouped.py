"""The journal of orders that were split, made whole, combined and taken apart again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.engine.world import SHOPPER, STAFF, World, order_a, tenders
from tests.journal.histories import STANDARD, split_off

from ordercore import (
    Cart,
    CartLine,
    Manifest,
    Money,
    Party,
    Policies,
    PricingPolicy,
    ShippingCharge,
)
from ordercore.fulfillment import (
    ParcelState,
    ParcelTracked,
    TrackPoint,
    Waybill,
    WaybillAnswered,
    WaybillState,
)
from ordercore.fulfillment.pickup import CodeRefused, Collected, HandedOver
from ordercore.journal import StepStanding, journal_of, progress, svg, text
from ordercore.journal.timeline import _mark
from ordercore.ledger import check_balanced
from ordercore.lifecycle import VisibleStep
from ordercore.order import SplitPart
from ordercore.pricing import Conditions, Layer, Promotion, ShippingOff
from ordercore.tender.events import MoneyBroughtIn, MoneyTakenOut
from ordercore.testing import START

if TYPE_CHECKING:
    from ordercore import Order
    from ordercore.event import Event
    from ordercore.journal import Journal

FREE = Promotion("free120", ShippingOff(), when=Conditions(at_least=Money("120", "CNY")))
FREE_FROM_120 = Policies(pricing=PricingPolicy(layers=(Layer("freight", (FREE,)),)))
CARD = (tenders.Channel("wechat"),)


def paid_a(world: World) -> Order:
    """Order A, paid over a channel: 269.97, without freight."""
    order = world.engine.place(world.engine.quote(order_a()), key="place", by=SHOPPER)
    return world.engine.pay(order.id, CARD, key="pay", by=SHOPPER).order


def bought(world: World, sku: str, price: str, freight: str = "10.00", *, paid: bool) -> Order:
    """An order for one thing, with its freight."""
    shipping = ShippingCharge(Money(freight, "CNY")) if freight else None
    lines = (CartLine(sku, 1, Money(price, "CNY")),)
    cart = Cart("CNY", lines, shipping=shipping, customer=Party("c1"))
    order = world.engine.place(world.engine.quote(cart), key=sku, by=SHOPPER)
    if not paid:
        return order
    return world.engine.pay(order.id, CARD, key=f"pay-{sku}", by=SHOPPER).order


def split_a(world: World) -> tuple[Order, tuple[Order, ...]]:
    """Order A in two parts, the first by a rule."""
    parts = (
        SplitPart("north", Manifest.of({"1": 1}), ("presale", "value")),
        SplitPart("rest", Manifest.of({"2": 1, "3": 1})),
    )
    made = world.engine.split(paid_a(world).id, parts, key="split", by=STAFF)
    return made.order, made.children


def journal(world: World, order: Order) -> Journal:
    """The journal that the store has of an order, which gives the order that it has (L15) and balances (L9)."""
    found = world.engine.journal(order.id)
    assert found.order == world.get(order)
    for entry in found:
        check_balanced(entry.booked)
    return found


def said(found: Journal) -> list[str]:
    """The sentences of a journal by their names."""
    return [sentence.name for entry in found for sentence in entry.told]


def test_a_split_order_tells_its_parts() -> None:
    """Number, goods, total and reasons of each part; the money goes along, and nothing is said to be given up."""
    world = World()
    order, children = split_a(world)
    told = text(journal(world, order))
    first, rest = (child.number for child in children)
    assert told.startswith(f"Order {order.number}: Split\n")
    for sentence in (
        f"Split into 2 orders: {first}, {rest}. {first}: 1 × SKU-1, CN¥89.99 (presale, value).",
        f"{rest}: 1 × SKU-2, 1 × SKU-3, CN¥179.98.",
        "Goes along: CN¥269.97 (wechat).",
        "“Split” moved the order from “Paid” to “Split”.\n",
        "Why: split into 2",
    ):
        assert sentence in told
    assert "Nothing is held for it any more" not in told


def test_a_child_tells_whence_it_comes() -> None:
    """A part names the order it was split off and why, and stands where that stood, paid."""
    world = World()
    order, (first, rest) = split_a(world)
    found = journal(world, first)
    assert (
        f"It began as a part of the order {order.id}: CN¥89.99, CN¥89.99 paid before. "
        "Why it is one: presale, value."
    ) in text(found)
    assert said(journal(world, rest)) == ["split_off"]
    (begun,) = found
    assert (begun.before, begun.after.state, begun.after.due) == (None, "paid", 0)
    assert begun.command == "SplitOrder"
    assert [entry.amount for entry in begun.booked] == [8_999, -8_999]


def test_what_a_split_books_adds_up_to_nothing() -> None:
    """What the journal of the whole tells that left is what the journals of the parts tell that came (L16)."""
    world = World()
    order, children = split_a(world)
    gone = [
        one
        for entry in journal(world, order)
        if entry.command == "SplitOrder"
        for one in entry.booked
    ]
    came = [one for child in children for one in journal(world, child)[0].booked]
    for side in {(one.account, one.detail) for one in gone}:
        amounts = [e.amount for e in (*gone, *came) if (e.account, e.detail) == side]
        assert sum(amounts) == 0


def test_parts_that_are_one_again_are_told_on_both_sides() -> None:
    """The whole lives again with its own money, and each part tells which order it is part of."""
    world = World()
    order, children = split_a(world)
    whole = world.engine.rejoin(order.id, key="rejoin", by=STAFF)
    found = journal(world, whole)
    assert "Its 2 parts are one order again: CN¥269.97." in text(found)
    assert found[-1].after.state == "paid"
    for child in children:
        told = text(journal(world, child))
        assert f"It is part of {order.number} from now on, with its goods and its money." in told
        assert "“Rejoin” moved the order from “Paid” to “Merged”.\n" in told


def test_a_combined_order_tells_what_it_took_in() -> None:
    """80.00 + 10.00 paid and 60.00 + 10.00 unpaid, free freight from 120: 140.00, of which 50.00 is due."""
    world = World(policies=FREE_FROM_120)
    basic = bought(world, "SKU-1", "80.00", paid=True)
    added = bought(world, "SKU-2", "60.00", paid=False)
    made = world.engine.combine(basic.id, added.id, key="merge", by=STAFF)
    assert (made.total, made.due) == (14_000, 5_000)
    told = text(journal(world, made.order))
    assert f"Took in {added.number}: CN¥140.00, of which CN¥50.00 is due." in told
    assert "Total: CN¥90.00 → CN¥140.00, Due: CN¥0.00 → CN¥50.00" in told
    theirs = text(journal(world, added))
    assert theirs.startswith(f"Order {added.number}: Merged\n")
    assert f"It is part of {basic.number} from now on, with its goods and its money." in theirs


def test_money_that_comes_along_is_told_where_it_comes_and_where_it_goes() -> None:
    """When both were paid, each journal tells the same amount, and what is above the new price goes back."""
    world = World(policies=FREE_FROM_120)
    basic = bought(world, "SKU-1", "80.00", paid=True)
    added = bought(world, "SKU-2", "60.00", paid=True)
    made = world.engine.combine(basic.id, added.id, key="merge", by=STAFF)
    told = text(journal(world, made.order))
    assert "Came along, paid before: CN¥70.00 (wechat)." in told
    assert "Goes along: CN¥70.00 (wechat)." in text(journal(world, added))
    assert f"Took in {added.number}: CN¥140.00, and nothing is due." in told


def test_an_order_that_is_apart_again_is_told_on_both_sides() -> None:
    """Of two paid orders that were merged and unmerged, each journal tells that its money is its own again."""
    world = World()
    basic = bought(world, "SKU-1", "80.00", "", paid=True)
    added = bought(world, "SKU-2", "60.00", "", paid=True)
    world.engine.combine(basic.id, added.id, key="merge", by=STAFF)
    ours, theirs = world.engine.unmerge(basic.id, key="unmerge", by=STAFF)
    found = journal(world, ours)
    assert f"{added.number} is apart again: CN¥80.00 instead of CN¥140.00." in text(found)
    assert said(found).index("taken_out") < said(found).index("unmerged")
    assert found[-1].after.paid == 8_000
    back = journal(world, theirs)
    assert f"It is apart again from {basic.id}, and has its own goods and money back." in text(back)
    assert back[-1].after.paid == 6_000


def test_the_journal_of_a_split_speaks_chinese() -> None:
    """Sentences, states and events of regrouping are in the catalog."""
    world = World()
    order, (first, _) = split_a(world)
    told = text(journal(world, order), "zh_CN")
    for words in ("已拆分为 2 个订单：", "“拆分”使订单由“已付款”变为“已拆分”。"):
        assert words in told
    assert "由订单" in text(journal(world, first), "zh_CN")


def test_the_picture_of_a_split_order_shows_its_end() -> None:
    """The last block is the state where split orders end, in the color that every lifecycle gives it."""
    world = World()
    order, (first, _) = split_a(world)
    picture = svg(journal(world, order))
    assert ">Split<" in picture
    assert f'fill="{STANDARD.state("split").color}"' in picture
    assert ">Paid<" in svg(journal(world, first))


def test_a_part_goes_on_in_the_step_of_the_whole() -> None:
    """What the whole went through counts as done, the time before the split as spent aside."""
    (begun,) = split_off()
    now = begun.at + timedelta(hours=1)
    found = progress(journal_of((begun,)).order, (begun,), STANDARD, {}, now)
    standings = {one.step: one.standing for one in found.steps}
    assert standings[VisibleStep.PAY] is StepStanding.DONE
    assert standings[VisibleStep.PICK] is StepStanding.CURRENT
    assert standings[VisibleStep.SHIP] is StepStanding.AHEAD
    assert found.of(VisibleStep.PICK).spent + found.aside == now - found.since


def test_an_order_that_was_split_is_over_for_its_own_steps() -> None:
    """The step in which it went apart is broken off; made whole again, it goes on in it."""
    world = World()
    order, _ = split_a(world)
    apart = world.engine.progress(order.id)
    assert (apart.current, apart.of(VisibleStep.PICK).standing) == (None, StepStanding.SKIPPED)
    world.engine.rejoin(order.id, key="rejoin", by=STAFF)
    assert world.engine.progress(order.id).current is VisibleStep.PICK


_OUT = TrackPoint(START, ParcelState.OUT_FOR_DELIVERY)


@pytest.mark.parametrize(
    ("event", "color", "filled"),
    [
        (MoneyBroughtIn("o-2", ()), "#2f855a", True),
        (MoneyTakenOut(("o-2",), ()), "#c05621", True),
        (ParcelTracked("p", (_OUT,)), "#2b6cb0", False),
        (ParcelTracked("p", (_OUT, TrackPoint(START, ParcelState.DELIVERED))), "#2b6cb0", True),
        (ParcelTracked("p", (_OUT, TrackPoint(START, ParcelState.LOST))), "#c53030", True),
        (WaybillAnswered("p", Waybill("w", "SF", state=WaybillState.REFUSED)), "#c53030", False),
        (WaybillAnswered("p", Waybill("w", "SF", state=WaybillState.BOOKED)), "#64748b", False),
        (CodeRefused("c", "north"), "#c53030", False),
        (Collected("c", HandedOver("h", Manifest(), ()), "north", 1, last=True), "#2b6cb0", True),
    ],
)
def test_a_mark_says_whether_something_moved(event: Event, color: str, *, filled: bool) -> None:
    """A filled mark is money or goods that moved, or trouble; one that is not, a word about them."""
    assert _mark(event) == (color, filled)
