"""Merging orders: by which states and conditions, what it costs then, and what becomes of money and goods."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.combining import (
    AGENT,
    FREE_FROM_120,
    ONE_CODE,
    Merging,
    cart,
    status,
)
from tests.engine.world import (
    BALANCE,
    CARD,
    CHANNEL,
    POINTS,
    SHOPPER,
    STAFF,
    THREE,
    StubbornGateway,
    after,
    world_policies,
)

from ordercore import (
    Actor,
    Address,
    AsyncOrderEngine,
    Cart,
    CartLine,
    InvalidInput,
    KeyReused,
    Manifest,
    Money,
    NotAllowed,
    OrdercoreError,
    OrderQuery,
    Party,
    Percent,
    Policies,
    PriceChanged,
    PricingPolicy,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
)
from ordercore.adapters.memory import MemoryCouponBook
from ordercore.adapters.sql import SqlStore
from ordercore.engine.merging import candidates
from ordercore.errors import CouponUnavailable
from ordercore.money import Rounding, exponent
from ordercore.order import Moved
from ordercore.order.events import Overruled
from ordercore.order.handling import Lineage
from ordercore.order.merge import MergePolicy, MergeRule
from ordercore.pricing import (
    BorderPolicy,
    Conditions,
    Customs,
    ExchangePolicy,
    Layer,
    OrderAmount,
    OrderKind,
    OrderPercent,
    Promotion,
    RegimeId,
    Registration,
    Tariff,
)
from ordercore.pricing.duty import DutyRate
from ordercore.pricing.exchange import make_rate
from ordercore.testing import laws
from ordercore.testing.figures import figures_add_up
from ordercore.testing.strategies import carts, currencies, layers, tax_policies

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from ordercore import Order
    from ordercore.pricing import ExchangeRate, RatePurpose

ABROAD = Address("Ada", country="DE")
HOME = Address(country="GB")
FROM_120 = Conditions(at_least=Money("120.00", "CNY"))
OVER_THE_BORDER = Policies(
    pricing=PricingPolicy(
        TaxPolicy((TaxRate(Percent.of("19"), country="DE"),), prices_include_tax=False),
        border=BorderPolicy(
            "CN",
            (Registration(RegimeId.EU_IOSS, "IM3720000224"),),
            tariff=Tariff((DutyRate("61", Percent.of("12"), "EU", date(2026, 1, 1), "a tariff"),)),
        ),
    )
)
"""Clothing from China: up to 150.00 EUR a consignment the shop charges the tax, above it duty is due."""

# --- The tables ----------------------------------------------------------------------------------

AGENT_TABLE = {
    "awaiting_payment": "Y Y Y Y Y S -",
    "awaiting_additional_payment": "S Y Y Y Y S -",
    "processing": "- S Y Y Y S -",
    "additional_order": "- S Y Y Y S -",
    "processing_at_warehouse": "- - Y Y Y S -",
    "ready_for_packing": "- - S S S Y -",
    "ready_to_ship": "- - - - - - -",
}
"""The added order's states, each with the basic order's in the same sequence."""
STANDARD_TABLE = {
    "pending_payment": "Y Y Y",
    "paid": "- Y Y",
    "awaiting_shipment": "- Y Y",
}


def cells(table: dict[str, str]) -> list[tuple[str, str, str]]:
    """Every cell: the added order's state, the basic order's, what the table says."""
    return [
        (added, basic, code)
        for added, row in table.items()
        for basic, code in zip(table, row.split(), strict=True)
    ]


def in_words(cell: tuple[str, str, str]) -> str:
    """The name of a cell."""
    return "{} to {}: {}".format(*cell)


def merged_by_table(
    world: Merging, cell: tuple[str, str, str], order_of: list[str], first: int
) -> None:
    """Whoever may merge orders in these states does, whoever may not is refused with the reason."""
    added_state, basic_state, code = cell
    basic, added = world.pair(basic_state, added_state)
    within = {added_state, basic_state} <= set(order_of[:first])
    if code != "Y" or not within:
        for reason in ("", "I should like it"):
            refusal = world.refused(basic, added, by=SHOPPER, overrule=reason)
            assert "status" in refusal.data["rules"]  # type: ignore[operator]
    if code == "-":
        for reason in ("", "the customer asks"):
            refusal = world.refused(basic, added, overrule=reason)
            assert refusal.data["rules"] == ("status",)
            assert refusal.data["overrule"] is False
            assert f"{added_state!r} is not put to one in state {basic_state!r}" in refusal.reason
        return
    due = basic.due + added.due
    if code == "S":
        refusal = world.refused(basic, added)
        assert (refusal.data["rules"], refusal.data["overrule"]) == (("status",), True)
        assert "by staff" in refusal.reason
        done = world.combine(basic, added, overrule="the customer asks")
    else:
        done = world.combine(basic, added, by=SHOPPER if within else STAFF)
    for order in (basic, added):
        told = [t.event for t in world.store.journal(order.id)]
        reasons = [(e.rule, e.reason) for e in told if isinstance(e, Overruled)]
        assert reasons == ([("merge_status", "the customer asks")] if code == "S" else [])
    stage = min(basic_state, added_state, key=order_of.index)
    assert done.order.state == (order_of[0] if due else stage)
    assert (done.due, done.order.due, done.owed) == (due, due, 0)
    assert (world.get(added).state, world.get(added).due) == ("merged", 0)
    world.check()


@pytest.mark.parametrize("cell", cells(AGENT_TABLE), ids=in_words)
def test_the_agents_table_says_who_may_merge_which_states(cell: tuple[str, str, str]) -> None:
    """Staff merge what it allows, for a reason what it leaves to them; customers while the goods are bought."""
    merged_by_table(Merging(), cell, list(AGENT_TABLE), 4)


@pytest.mark.parametrize("cell", cells(STANDARD_TABLE), ids=in_words)
def test_the_standard_table_says_who_may_merge_which_states(cell: tuple[str, str, str]) -> None:
    """Until goods leave, and no paid order goes to one that is not paid."""
    merged_by_table(Merging("standard"), cell, list(STANDARD_TABLE), 2)


@pytest.mark.parametrize(
    "state", ["awaiting_confirmation_of_packing", "shipped", "completed", "canceled"]
)
@pytest.mark.parametrize("other", ["awaiting_payment", "processing"])
def test_four_states_are_never_merged(state: str, other: str) -> None:
    """Neither as the basic order nor as the added one, whoever asks for whatever reason."""
    world = Merging()
    found, mine = world.pair(state, other)
    for basic, added in ((found, mine), (mine, found)):
        for by, reason in ((STAFF, ""), (STAFF, "the customer asks"), (SHOPPER, "")):
            refusal = world.refused(basic, added, by=by, overrule=reason)
            assert "status" in refusal.data["rules"]  # type: ignore[operator]
            assert refusal.data["overrule"] is False
    world.check()


def test_a_reason_that_overrules_nothing_is_not_told() -> None:
    """Where the table allows it anyway, the journal names no rule that was set aside."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    world.combine(basic, added, overrule="to be sure")
    for order in (basic, added):
        assert not [t for t in world.store.journal(order.id) if isinstance(t.event, Overruled)]


# --- Conditions ----------------------------------------------------------------------------------


def rules(refusal: NotAllowed) -> set[str]:
    """The conditions that a refusal names."""
    found: Any = refusal.data["rules"]
    return set(found)


def test_a_refusal_tells_every_reason_at_once() -> None:
    """By name for the program and in words for people; nothing is half done."""
    world = Merging()
    basic = world.place(cart("SKU-1", "80.00"), "pay")
    added = world.place(cart("SKU-2", "60.00", shop="outlet", address=ABROAD), "pay")
    world.engine.pause(basic.id, "ticket", key="t", by=STAFF)
    refusal = world.refused(basic, added)
    assert rules(refusal) == {"shop", "address", "ticket"}
    for words in ("different shops", "different consignees", f"{basic.number} has an open ticket"):
        assert words in refusal.reason
    assert (refusal.data["order"], refusal.data["added"]) == (basic.id, added.id)
    world.engine.resume(basic.id, "ticket", key="r", by=STAFF)
    assert rules(world.refused(basic, added)) == {"shop", "address"}


def test_an_open_payment_stands_in_the_way() -> None:
    """Whoever has it, the basic order or the added one, until it has its end."""
    world = Merging(asks_payer=True)
    first = world.place(cart("SKU-1", "80.00"))
    second = world.place(cart("SKU-2", "60.00"))
    waits = world.pay(first, CHANNEL).order
    assert rules(world.refused(first, second)) == {"attempt_unresolved"}
    assert rules(world.refused(second, first)) == {"attempt_unresolved"}
    world.channel.pay(waits.payments.attempts[-1].id)
    world.engine.pull(first.id)
    assert world.combine(first, second).due == 60_00
    world.check()


def test_a_refund_on_its_way_stands_in_the_way() -> None:
    """Until it arrives; then only what was not refunded is priced."""
    world = Merging(refunds_arrive=False)
    first = world.place(cart("SKU-1", "40.00", units=2), "pay")
    second = world.place(cart("SKU-2", "60.00"), "pay")
    world.give_back(first, "1")
    assert rules(world.refused(first, second)) == {"refund_in_flight"}
    assert rules(world.refused(second, first)) == {"refund_in_flight"}
    (refund,) = world.get(first).payments.refunds
    world.engine.notify("wechat", {}, world.channel.arrive(f"{refund.id}#0"))
    done = world.combine(first, second)
    assert (done.was, done.total, done.due, done.owed) == (100_00, 100_00, 0, 0)
    assert [(line.sku, line.quantity) for line in done.order.lines] == [("SKU-1", 1), ("SKU-2", 1)]
    world.check()


def test_parts_of_one_order_are_rejoined_not_merged() -> None:
    """Nor is a part merged with another order: its price is that of the whole."""
    world = Merging()
    whole = world.place(cart("SKU-1", "80.00", units=2), "pay")
    other = world.place(cart("SKU-2", "60.00"), "pay")
    half = Manifest.of({"1": 1})
    one, two = world.engine.split(whole.id, (half, half), key="s", by=STAFF).children
    assert rules(world.refused(one, two)) == {"distinct", "priced_from"}
    assert rules(world.refused(one, other)) == rules(world.refused(other, one)) == {"priced_from"}
    assert rules(world.refused(other, other)) == {"distinct"}


def test_orders_of_others_are_nobodys_business() -> None:
    """A customer merges neither foreign orders nor its own with them; staff do not either."""
    world = Merging()
    mine = world.place(cart("SKU-1", "80.00"))
    theirs = world.engine.place(
        world.engine.quote(cart("SKU-2", "60.00", customer=Party("c2"))), key="theirs",
        by=Actor.customer("c2"), lifecycle=AGENT,
    )  # fmt: skip
    assert rules(world.refused(mine, theirs)) == {"customer"}
    also = world.place(cart("SKU-3", "60.00"))
    for basic, added in ((mine, also), (mine, theirs)):
        world.refused(basic, added, by=Actor.customer("c2"))


def test_a_shop_decides_for_how_long_goods_wait() -> None:
    """Orders placed further apart are not merged, unless the shop waives it."""
    policies = attrs.evolve(world_policies(), merging=MergePolicy(window=timedelta(hours=48)))
    world = Merging(policies=policies)
    basic = world.place(cart("SKU-1", "80.00"), "pay")
    world.clock.advance(timedelta(hours=48))
    near = world.place(cart("SKU-2", "60.00"), "pay")
    world.clock.advance(timedelta(seconds=1))
    far = world.place(cart("SKU-3", "60.00"), "pay")
    assert rules(world.refused(basic, far)) == {"window"}
    assert world.combine(basic, near).due == 0
    waived = attrs.evolve(policies.merging, waived=(MergeRule.WINDOW,))
    world.engine = world.another(attrs.evolve(policies, merging=waived))
    assert world.combine(basic, far).due == 0
    world.check()


# --- What it costs -------------------------------------------------------------------------------


def pair_of_parcels(world: Merging, *, both: bool) -> tuple[Order, Order]:
    """80.00 and 60.00 with 10.00 of freight each; the first paid and taken up, the second if ``both``."""
    one = world.place(cart("SKU-1", "80.00", "10.00"), "pay", "receive_at_warehouse")
    two = world.place(cart("SKU-2", "60.00", "10.00"), *(["pay"] if both else []))
    return one, two


def test_one_parcel_saves_the_freight_of_two_and_asks_for_the_rest() -> None:
    """80.00 + 10.00 paid and 60.00 + 10.00 unpaid are 140.00 without freight: 50.00 is due, 20.00 is saved."""
    world = Merging(policies=FREE_FROM_120)
    basic, added = pair_of_parcels(world, both=False)
    shown = world.engine.preview_combine(basic.id, added.id, by=STAFF)
    assert world.get(basic) == basic
    for told in (shown, world.combine(basic, added, shown=shown)):
        assert (told.was, told.total, told.saved, told.freight_saved) == (
            160_00,
            140_00,
            20_00,
            20_00,
        )
        assert (told.due, told.owed, told.order.state) == (50_00, 0, "awaiting_payment")
        assert told.quote is not None
        assert told.quote.total == told.total
    world.check()
    paid = world.pay(basic, CHANNEL).order
    assert (paid.state, paid.due, world.taken()) == ("processing", 0, {"wechat": 140_00})
    world.check()


def test_two_paid_orders_get_the_freight_back_and_stand_at_the_earlier_stage() -> None:
    """20.00 is owed back and goes to both payments; the order from the warehouse is bought for again."""
    world = Merging(policies=FREE_FROM_120)
    basic, added = pair_of_parcels(world, both=True)
    done = world.combine(basic, added)
    assert (done.total, done.saved, done.due, done.owed) == (140_00, 20_00, 0, 20_00)
    assert (done.order.state, done.order.owed, world.taken()) == (
        "processing",
        0,
        {"wechat": 140_00},
    )
    (refund,) = done.order.payments.refunds
    assert [(leg.attempt, leg.amount, leg.arrived) for leg in refund.legs] == [
        ("ord_1/1", 11_25, True), ("ord_2/1", 8_75, True),
    ]  # fmt: skip
    world.check()


def test_the_basic_order_awaits_payment_and_goes_on_in_the_same_change() -> None:
    """Where nothing is due, both moves stand in one change, after the goods and the money."""
    world = Merging()
    basic, added = world.pair("processing_at_warehouse", "processing")
    world.combine(basic, added, key="merge")
    told = world.store.journal(basic.id)[basic.version :]
    assert [type(t.event).__name__ for t in told] == [
        "MoneyBroughtIn", "Combined", "Reallotted", "Moved", "Moved",
    ]  # fmt: skip
    moves = [t.event for t in told if isinstance(t.event, Moved)]
    assert [(move.via, move.source, move.to) for move in moves] == [
        ("merge", "processing_at_warehouse", "awaiting_payment"),
        ("merge", "awaiting_payment", "processing"),
    ]
    theirs = [t.event for t in world.store.journal(added.id)[added.version :]]
    assert [type(event).__name__ for event in theirs] == ["MergedInto", "MoneyTakenOut", "Moved"]
    assert world.get(basic).content.pay_by == basic.content.pay_by


def test_an_order_with_something_due_awaits_payment_with_a_fresh_deadline() -> None:
    """However far the basic order was."""
    world = Merging()
    basic = world.place(cart("SKU-1", "80.00"), "pay", "receive_at_warehouse")
    added = world.place(cart("SKU-2", "60.00"))
    world.clock.set(after(25))
    now = world.combine(basic, added).order
    assert (now.state, now.due, now.content.pay_by) == ("awaiting_payment", 60_00, after(55))
    moves = [t.event for t in world.store.journal(basic.id) if isinstance(t.event, Moved)]
    assert (moves[-1].via, moves[-1].source) == ("merge", "processing_at_warehouse")
    for minute in (31, 54):
        world.at(minute)
        assert world.get(basic).state == "awaiting_payment"
    assert world.pay(basic, CHANNEL).order.state == "processing"
    world.check()


def test_when_time_is_up_only_the_unpaid_part_goes() -> None:
    """The paid order stands where it stood, the other is called off by its own deadline."""
    world = Merging(policies=FREE_FROM_120)
    basic, added = pair_of_parcels(world, both=False)
    world.combine(basic, added)
    for minute in (31, 32, 33):
        world.at(minute)
    first, second = world.get(basic), world.get(added)
    assert (first.state, first.due, first.total) == ("processing_at_warehouse", 0, 90_00)
    assert (second.state, second.total) == ("canceled", 70_00)
    assert world.taken() == {"wechat": 90_00}
    world.check()


def test_when_time_is_up_every_unpaid_part_goes() -> None:
    """Of a paid order that took two unpaid ones in, one after the other."""
    world = Merging()
    basic, added = world.pair("processing_at_warehouse", "awaiting_payment")
    third = world.place(cart("SKU-3", "30.00"))
    world.combine(basic, added)
    world.clock.set(after(10))
    assert world.combine(basic, third).order.content.pay_by == after(40)
    for minute in (41, 42, 43, 44):
        world.at(minute)
    states = [world.get(order).state for order in (basic, added, third)]
    assert states == ["processing_at_warehouse", "canceled", "canceled"]
    assert world.taken() == {"wechat": 80_00}
    assert world.engine.parked() == ()
    world.check()


def test_when_time_is_up_a_code_that_somebody_else_has_keeps_nobody_together() -> None:
    """The paid order stands at the price that was agreed, and the code stays with who has it."""
    world = Merging(policies=ONE_CODE, coupons=True)
    basic = world.place(cart("SKU-1", "80.00", "20.00", codes=("B",)), "pay")
    added = world.place(cart("SKU-2", "60.00", "20.00", codes=("A",)))
    (kept,) = world.combine(basic, added).order.content.coupons
    (left,) = {"A", "B"} - {kept}
    other = world.place(cart("SKU-3", "60.00", codes=(left,)), "pay")
    for minute in (31, 32, 33):
        world.at(minute)
    assert [world.get(order).state for order in (basic, added)] == ["processing", "canceled"]
    assert status(world.coupons, left) == "used"
    assert world.get(other).content.coupons == (left,)
    world.check()


def test_when_time_is_up_an_order_that_was_changed_since_goes_as_one() -> None:
    """What was added after the merge belongs to neither order: all of it is called off, and the money goes back."""
    world = Merging()
    basic, added = world.pair("processing", "awaiting_payment")
    world.combine(basic, added)
    world.step(basic, "add")
    for minute in (31, 32, 33):
        world.at(minute)
    assert [world.get(order).state for order in (basic, added)] == ["canceled", "merged"]
    assert world.taken() == {}
    assert world.engine.parked() == ()
    world.check()


def test_two_unpaid_orders_are_one_unpaid_order_whose_time_is_up_as_one() -> None:
    """Goods of both are free again."""
    world = Merging()
    basic, added = world.pair("awaiting_payment", "awaiting_payment")
    world.combine(basic, added, by=SHOPPER)
    for minute in (31, 32):
        world.at(minute)
    assert (world.get(basic).state, world.get(added).state) == ("canceled", "merged")
    assert world.free() == [5, 5, 5]
    world.check()


def test_a_price_that_moved_since_the_preview_is_refused() -> None:
    """Who agreed to one price is not charged another."""
    world = Merging(policies=FREE_FROM_120)
    basic, added = pair_of_parcels(world, both=False)
    shown = world.engine.preview_combine(basic.id, added.id, by=STAFF)
    world.engine = world.another(world_policies())
    before = world.snapshot()
    with pytest.raises(PriceChanged) as caught:
        world.combine(basic, added, shown=shown)
    assert (caught.value.data["old"], caught.value.data["new"]) == (140_00, 150_00)
    assert world.snapshot() == before


def test_the_host_says_what_the_one_parcel_costs() -> None:
    """By default the dearer of both freights is charged once."""
    world = Merging()
    basic = world.place(cart("SKU-1", "80.00", "10.00"), "pay")
    added = world.place(cart("SKU-2", "60.00", "12.00"), "pay")
    told = world.engine.preview_combine(basic.id, added.id, by=STAFF)
    assert (told.total, told.freight_saved, told.owed) == (152_00, 10_00, 10_00)
    freight = ShippingCharge(Money("15.00", "CNY"))
    done = world.combine(basic, added, shipping=freight)
    assert (done.total, done.freight_saved, done.owed) == (155_00, 7_00, 7_00)
    world.check()


def test_a_dearer_price_is_never_asked() -> None:
    """Where the new price would be above both, both stand side by side as they were."""
    world = Merging()
    basic = world.place(cart("SKU-1", "80.00", "10.00"), "pay")
    added = world.place(cart("SKU-2", "60.00", "12.00"), "pay")
    done = world.combine(basic, added, shipping=ShippingCharge(Money("30.00", "CNY")))
    assert (done.total, done.saved, done.due, done.owed, done.quote) == (162_00, 0, 0, 0, None)
    assert [c.amount for c in done.order.content.charges] == [10_00, 12_00]
    world.check()


def test_a_dearer_price_is_refused_where_part_was_refunded() -> None:
    """Prices of what is left cannot stand as they were when they were those of more."""
    world = Merging()
    basic = world.place(cart("SKU-1", "40.00", "10.00", units=2), "pay")
    added = world.place(cart("SKU-2", "60.00", "12.00"), "pay")
    world.give_back(basic, "1")
    freight = ShippingCharge(Money("30.00", "CNY"))
    assert "part of them was refunded" in world.refused(basic, added, shipping=freight).reason
    assert world.combine(basic, added).total == 112_00
    world.check()


@pytest.mark.parametrize("lifecycle", [AGENT, "standard"])
def test_an_order_that_costs_nothing_any_more_goes_on(lifecycle: str) -> None:
    """Two unpaid orders which together are free await no payment."""
    gift = Promotion("gift", OrderPercent(Percent.of("100")), when=FROM_120)
    layer = Layer("gifts", (gift,))
    world = Merging(lifecycle, policies=Policies(pricing=PricingPolicy(layers=(layer,))))
    basic, added = world.place(cart("SKU-1", "80.00")), world.place(cart("SKU-2", "60.00"))
    done = world.combine(basic, added)
    assert (done.total, done.due, done.owed) == (0, 0, 0)
    assert done.order.state == {AGENT: "processing", "standard": "paid"}[lifecycle]
    for minute in (31, 32):
        world.at(minute)
    assert world.get(basic).state == done.order.state
    world.check()


def test_money_that_came_along_may_pay_for_all() -> None:
    """An unpaid order takes one in whose difference is open, and together they cost what was paid."""
    gift = Promotion("gift", OrderAmount(Money("70.00", "CNY")), when=FROM_120)
    layer = Layer("gifts", (gift,))
    world = Merging(policies=Policies(pricing=PricingPolicy(layers=(layer,))))
    basic, added = world.pair("awaiting_payment", "awaiting_additional_payment")
    assert (basic.due, added.due, added.payments.captured) == (80_00, 10_00, 60_00)
    done = world.combine(basic, added, overrule="a present")
    assert (done.total, done.due, done.owed) == (80_00, 20_00, 0)
    world.unmerge(basic)
    world.step(basic, "add")
    done = world.combine(basic, added, overrule="a present")
    assert (done.total, done.due) == (90_00, 30_00)
    world.unmerge(basic)
    larger = attrs.evolve(gift, benefit=OrderAmount(Money("100.00", "CNY")))
    layer = Layer("gifts", (larger,))
    world.engine = world.another(Policies(pricing=PricingPolicy(layers=(layer,))))
    done = world.combine(basic, added, overrule="a present")
    assert (done.total, done.due, done.owed, done.order.state) == (60_00, 0, 0, "processing")
    world.check()


def test_goods_that_cross_a_border_are_never_declared_as_two_to_save_duty() -> None:
    """One parcel above the duty-free value is dearer than two below it: that is refused, not hidden."""
    world = Merging(policies=OVER_THE_BORDER)
    shirts = [
        Cart(
            "EUR",
            (CartLine(sku, 1, Money("100.00", "EUR"), customs=Customs("610910", "CN", "Shirts")),),
            customer=Party("c1"),
            address=ABROAD,
        )
        for sku in ("SKU-1", "SKU-2")
    ]
    basic, added = [world.place(shirt) for shirt in shirts]
    assert basic.total + added.total == 238_00
    assert "at the border" in world.refused(basic, added).reason


class Rates:
    """A bank with one rate for every pair."""

    def rate(self, base: str, quote: str, at: datetime, purpose: RatePurpose) -> ExchangeRate:
        """Seven for three, of that day."""
        top, bottom = 7 * 10 ** exponent(base), 3 * 10 ** exponent(quote)
        return make_rate(base, quote, top, bottom, purpose, at, at.date(), "a bank")


@st.composite
def baskets(draw: st.DrawFn) -> tuple[Policies, tuple[Cart, Cart]]:
    """A shop with whatever promotions, coupons, taxes and currencies, and two carts of one customer."""
    currency = draw(currencies())
    pricing = PricingPolicy(
        draw(tax_policies()),
        draw(st.sampled_from(Rounding)),
        layers=draw(layers(currency, host_rules=False)),
        exchange=ExchangePolicy(
            draw(st.sampled_from(["", "USD"])), draw(st.sampled_from(["", "EUR"]))
        ),
    )
    codes = [p.id for layer in pricing.layers for p in layer.promotions if p.coupon is not None]
    found = []
    for _ in range(2):
        mine = tuple(code for code in codes if draw(st.booleans()))
        one = draw(carts(currency))
        found.append(
            attrs.evolve(
                one, kind=OrderKind.REGULAR, shop="", customer=Party("c1"), address=HOME, codes=mine
            )
        )
    waived = (MergeRule.TAX_REGIME, MergeRule.PROVIDER)
    return Policies(pricing=pricing, merging=MergePolicy(waived=waived)), (found[0], found[1])


@given(baskets(), st.integers(0, 2))
def test_l17_the_one_order_is_never_dearer_than_the_parts(
    shop: tuple[Policies, tuple[Cart, Cart]], paid: int
) -> None:
    """Whatever promotions, coupons and taxes do to both together; what was paid counts, and it can be undone."""
    policies, bought = shop
    world = Merging("standard", policies=policies)
    world.coupons = MemoryCouponBook(world.clock)
    for layer in policies.pricing.layers:
        for promotion in layer.promotions:
            if promotion.coupon is not None:
                world.coupons.issue(promotion.id, promotion.id, single_use=False)
    world.engine = world.another(stock=None, rates=Rates())
    orders = [world.place(one) for one in bought]
    orders = [world.step(o, "pay") if i < paid and o.due else o for i, o in enumerate(orders)]
    basic, added = sorted(orders, key=lambda order: bool(order.due))
    done = world.combine(basic, added)
    content = done.order.content
    assert done.was == basic.total + added.total
    assert content.total == done.total <= done.was
    assert done.saved == done.was - done.total
    got = sum(order.payments.captured for order in orders)
    assert (done.due, done.owed) == (max(0, done.total - got), max(0, got - done.total))
    assert (done.quote is None) <= (done.saved == 0)
    figures_add_up(content)
    units = [sum(line.quantity for line in order.lines) for order in (*orders, done.order)]
    assert units[0] + units[1] == units[2]
    for found in (content.settlement, content.ledger):
        if found is not None:
            laws.conversion_adds_up(found, content.total)
    world.check(stocked=False)
    if not done.owed:
        assert all(alike(*both) for both in zip(world.unmerge(basic), (basic, added), strict=True))
        world.check(stocked=False)


# --- Money, goods and codes ----------------------------------------------------------------------


def test_nothing_is_released_by_a_merge_and_nothing_is_held_twice() -> None:
    """Goods and money of both orders belong to the basic order from then on."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    held, taken, balance = world.held(), world.taken(), world.books()
    now = world.combine(basic, added).order
    assert (world.held(), world.taken(), world.books()) == (held, taken, balance)
    assert dict(now.stock_kept()) == {"SKU-1": 1, "SKU-2": 1}
    assert [name for name, _ in now.reservations()] == [
        basic.content.reservation, added.content.reservation,
    ]  # fmt: skip
    gone = world.get(added)
    assert (gone.reservations(), gone.due, gone.owed, gone.refundable().total()) == ((), 0, 0, 0)
    world.check()


def test_goods_that_were_merged_while_unpaid_are_final_once_it_is_paid() -> None:
    """Both promises are kept for the new deadline and made final by the payment."""
    world = Merging()
    basic, added = world.pair("awaiting_payment", "awaiting_payment")
    world.combine(basic, added)
    world.pay(basic, CHANNEL)
    world.clock.advance(timedelta(days=30))
    world.engine.sweep()
    assert world.held() == {"SKU-1": 1, "SKU-2": 1}
    assert world.free() == [4, 4, 5]
    world.check()


@pytest.mark.parametrize("line", ["1", "2"])
def test_a_refund_after_a_merge_goes_to_the_payments_that_paid(line: str) -> None:
    """Each tender gets back what it paid, whichever order it came with: points, balance, channel."""
    world = Merging()
    basic = world.pay(world.place(cart("SKU-1", "80.00")), THREE).order
    added = world.place(cart("SKU-2", "60.00"), "pay")
    world.combine(basic, added)
    assert world.accounts()[:2] == (POINTS - 1234, BALANCE - 5000)
    world.give_back(basic, line)
    world.check()
    last = world.give_back(basic)
    assert world.accounts() == (POINTS, BALANCE, CARD)
    assert (world.taken(), world.books()) == ({}, {})
    back: dict[str, int] = {}
    for refund in last.payments.refunds:
        for leg in refund.legs:
            back[leg.attempt] = back.get(leg.attempt, 0) + leg.amount
    assert back == {
        **{attempt.id: attempt.captured for attempt in basic.payments.attempts},
        **{attempt.id: attempt.captured for attempt in added.payments.attempts},
    }
    world.check()


def test_l22_a_merged_order_that_is_canceled_gives_everything_back() -> None:
    """Goods, money, points and coupon codes of both orders."""
    world = Merging(coupons=True)
    basic = world.pay(world.place(cart("SKU-1", "80.00", codes=("A",))), THREE).order
    added = world.place(cart("SKU-2", "60.00", codes=("B",)), "pay")
    assert (basic.total, added.total) == (75_00, 55_00)
    assert [status(world.coupons, code) for code in "AB"] == ["used", "used"]
    merged = world.combine(basic, added).order
    assert (merged.total, merged.content.coupons) == (130_00, ("A", "B"))
    assert [status(world.coupons, code) for code in "AB"] == ["used", "used"]
    world.check()
    over = world.step(basic, "cancel")
    assert (over.state, over.owed) == ("canceled", 0)
    assert [status(world.coupons, code) for code in "AB"] == ["free", "free"]
    assert (world.taken(), world.books()) == ({}, {})
    assert world.accounts() == (POINTS, BALANCE, CARD)
    assert world.free() == [5, 5, 5]
    world.check()


def test_a_code_that_does_nothing_for_the_one_order_is_free_again() -> None:
    """Of two codes only one counts in an order: the other comes back with what its discount is worth less."""
    world = Merging(policies=ONE_CODE, coupons=True)
    basic = world.place(cart("SKU-1", "80.00", "20.00", codes=("A",)), "pay")
    added = world.place(cart("SKU-2", "60.00", "20.00", codes=("B",)), "pay")
    assert (basic.total, added.total) == (95_00, 75_00)
    done = world.combine(basic, added)
    assert (done.total, done.owed) == (155_00, 15_00)
    (counts,) = done.order.content.coupons
    for code in "AB":
        assert status(world.coupons, code) == ("used" if code == counts else "free")
    world.check()


def test_a_code_that_the_merge_gave_back_is_held_again_when_it_is_undone() -> None:
    """Or the merge cannot be undone, as somebody else has the code: no price counts on a code that is not held."""
    world = Merging(policies=ONE_CODE, coupons=True)
    basic = world.place(cart("SKU-1", "80.00", "20.00", codes=("A",)))
    added = world.place(cart("SKU-2", "60.00", "20.00", codes=("B",)))
    merged = world.combine(basic, added).order
    (left,) = {"A", "B"} - set(merged.content.coupons)
    assert status(world.coupons, left) == "free"
    other = world.place(cart("SKU-3", "60.00", codes=(left,)))
    before = world.snapshot()
    with pytest.raises(CouponUnavailable):
        world.unmerge(basic)
    assert world.snapshot() == before
    world.step(other, "cancel")
    world.unmerge(basic)
    assert [status(world.coupons, code) for code in "AB"] == ["held", "held"]
    for order in (basic, added):
        world.pay(order, CHANNEL)
    assert [status(world.coupons, code) for code in "AB"] == ["used", "used"]
    world.check()


# --- Undoing -------------------------------------------------------------------------------------


def alike(one: Order, other: Order) -> bool:
    """Whether two states of an order are the same but for their versions and their history."""
    return (
        one.content == other.content
        and one.state == other.state
        and one.payments == other.payments
        and one.delivery == other.delivery
        and one.handling == other.handling
        and (one.due, one.owed) == (other.due, other.owed)
        and one.reservations() == other.reservations()
    )


@pytest.mark.parametrize(
    "states",
    [
        ("awaiting_payment", "awaiting_payment"),
        ("processing", "awaiting_payment"),
        ("processing_at_warehouse", "processing"),
        ("ready_for_packing", "ready_for_packing"),
        ("awaiting_additional_payment", "awaiting_additional_payment"),
    ],
    ids=" and ".join,
)
def test_l17_unmerge_is_the_inverse(states: tuple[str, str]) -> None:
    """Each order has its goods, its money, its price and its place again, and may be merged once more."""
    world = Merging()
    basic, added = world.pair(*states)
    held, books = world.held(), world.books()
    for _ in range(2):
        world.combine(basic, added)
        first, second = world.unmerge(basic)
        assert alike(first, basic)
        assert alike(second, added)
        assert (world.held(), world.books()) == (held, books)
        assert first.handling.lineage is second.handling.lineage is None
        world.check()
    for order in (first, second):
        if order.due:
            world.pay(order, CHANNEL)
    world.step(added, "cancel") if added.state != "ready_for_packing" else world.give_back(added)
    world.check()


def test_l17_what_was_refunded_before_a_merge_stays_refunded_when_it_is_undone() -> None:
    """The matrix is drawn as far as it was, units that will not leave stay, and nothing is due for them."""
    world = Merging()
    basic = world.pay(world.place(cart("SKU-1", "40.00", units=2)), THREE).order
    basic = world.give_back(basic, "1")
    added = world.give_back(world.place(cart("SKU-2", "30.00", units=2), "pay"), "1")
    assert (basic.due, basic.payments.refunded, added.payments.refunded) == (0, 40_00, 30_00)
    assert world.combine(basic, added).total == 70_00
    world.check()
    first, second = world.unmerge(basic)
    assert alike(first, basic)
    assert alike(second, added)
    world.check()
    for order in (basic, added):
        assert world.give_back(order).state == "canceled"
    assert (world.taken(), world.accounts()) == ({}, (POINTS, BALANCE, CARD))
    world.check()


def test_statuses_of_lines_come_along() -> None:
    """What the buyers know of the goods is known of them in the one order too."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    world.engine.mark_item(basic.id, "1", "purchased", key="one", by=STAFF)
    world.engine.mark_item(added.id, "1", "at_warehouse", key="two", by=STAFF)
    now = world.combine(basic, added).order
    assert dict(now.handling.items) == {"1": "purchased", "2": "at_warehouse"}
    first, second = world.unmerge(basic)
    assert dict(first.handling.items) == {"1": "purchased"}
    assert dict(second.handling.items) == {"1": "at_warehouse"}
    world.check()


def test_after_money_moved_a_merge_is_not_undone() -> None:
    """The difference was paid, or money went back: the one order is split instead."""
    world = Merging(policies=FREE_FROM_120)
    basic, added = pair_of_parcels(world, both=False)
    world.combine(basic, added)
    world.pay(basic, CHANNEL)
    before = world.snapshot()
    with pytest.raises(NotAllowed, match="money has moved"):
        world.unmerge(basic)
    assert world.snapshot() == before
    again = Merging(policies=FREE_FROM_120)
    basic, added = pair_of_parcels(again, both=True)
    again.combine(basic, added)
    with pytest.raises(NotAllowed, match="money has moved"):
        again.unmerge(basic)


def declined_in_between(world: Merging, tenders: tuple[Any, ...] = CHANNEL) -> Order:
    """An order of two units at 80.00 that took an unpaid one in, whose payment failed before they went apart."""
    basic = world.place(cart("SKU-1", "80.00", units=2))
    basic = world.pay(basic, tenders).order
    added = world.place(cart("SKU-2", "60.00"))
    world.combine(basic, added)
    world.channel.decline("")
    world.pay(world.get(basic), CHANNEL)
    world.channel.mend("")
    return basic


@pytest.mark.parametrize("by_clock", [False, True])
@pytest.mark.parametrize("tenders", [CHANNEL, THREE])
def test_l17_a_payment_that_failed_while_merged_leaves_the_money_of_before(
    tenders: tuple[Any, ...], *, by_clock: bool
) -> None:
    """What was paid before the merge can be refunded as if there had been none, by its rows (L25)."""
    world = Merging("standard")
    basic = declined_in_between(world, tenders)
    if by_clock:
        for minutes in (31, 35):
            world.at(minutes)
    else:
        world.unmerge(world.get(basic))
    order = world.get(basic)
    assert (order.state, order.due, order.payments.keeps()) == ("paid", 0, True)
    world.check()
    alone = Merging("standard")
    same = alone.place(cart("SKU-1", "80.00", units=2))
    alone.pay(same, tenders)
    for lines in (("1",), ()):
        legs = [
            [(leg.attempt, leg.amount, leg.points) for leg in one.payments.refunds[-1].legs]
            for one in (world.give_back(order, *lines), alone.give_back(same, *lines))
        ]
        assert legs[0] == legs[1]
    assert (world.get(basic).state, world.taken(), world.books()) == ("refunded", {}, {})
    world.check()


def test_l7_no_attempt_is_called_as_one_before_it_whatever_was_merged() -> None:
    """A gateway knows a charge by the attempt's name for good, also when orders have gone apart again."""
    world = Merging()
    basic = world.place(cart("SKU-1", "50.00"), "pay", "add")
    added = world.place(cart("SKU-2", "20.00"), "pay", "add")
    world.combine(basic, added)
    world.channel.decline("")
    world.pay(world.get(basic), CHANNEL)
    world.channel.mend("")
    order = world.pay(world.unmerge(world.get(basic))[0], CHANNEL).order
    assert [attempt.id for attempt in order.payments.attempts] == [
        f"{order.id}/{number}" for number in (1, 2, 3)
    ]
    assert (order.state, order.due) == ("additional_order", 0)
    assert world.taken() == {"wechat": 8_000}
    world.check()


def test_what_is_not_merged_is_not_unmerged() -> None:
    """Nor one that left, nor one whose goods were changed since; customers do not undo a merge."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    for order in (basic, added):
        with pytest.raises(NotAllowed, match="no order was put to this one"):
            world.unmerge(order)
    world.combine(basic, added)
    with pytest.raises(NotAllowed):
        world.engine.unmerge(basic.id, key="mine", by=SHOPPER)
    with pytest.raises(NotAllowed):
        world.unmerge(added)
    world.step(basic, "add")
    with pytest.raises(NotAllowed, match="was changed since"):
        world.unmerge(basic)
    shipped = Merging("standard")
    one, two = shipped.pair("awaiting_shipment", "awaiting_shipment")
    shipped.combine(one, two)
    shipped.engine.ship(one.id, Manifest.of({"1": 1}), key="s")
    with pytest.raises(NotAllowed, match="has left"):
        shipped.unmerge(one)
    shipped.check()


def test_l17_three_orders_become_one_and_part_again_in_reverse() -> None:
    """Whoever came last goes first; each has its own money again."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    third = world.place(cart("SKU-3", "30.00"), "pay")
    books = world.books()
    world.combine(basic, added)
    middle = world.get(basic)
    done = world.combine(basic, third)
    assert (done.total, len(done.order.payments.attempts)) == (170_00, 3)
    assert [line.sku for line in done.order.lines] == ["SKU-1", "SKU-2", "SKU-3"]
    world.check()
    first, last = world.unmerge(basic)
    assert alike(first, middle)
    assert alike(last, third)
    first, last = world.unmerge(basic)
    assert alike(first, basic)
    assert alike(last, added)
    assert world.books() == books
    world.check()


def test_an_order_that_took_one_in_may_itself_be_taken_in() -> None:
    """Its number and the numbers of both find the last one; it parts again as it came."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    third = world.place(cart("SKU-3", "30.00"), "pay")
    world.combine(added, third)
    middle = world.get(added)
    world.combine(basic, added)
    world.check()
    assert [found_by(world, order.number) for order in (basic, added, third)] == [[basic.id]] * 3
    _, again = world.unmerge(basic)
    assert alike(again, middle)
    _, last = world.unmerge(added)
    assert alike(last, third)
    world.check()


def test_a_merged_order_is_split_and_its_parts_find_the_payments() -> None:
    """Goods of one order go with money of both."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    world.combine(basic, added)
    parts = (Manifest.of({"1": 1}), Manifest.of({"2": 1}))
    one, two = world.engine.split(basic.id, parts, key="s", by=STAFF).children
    assert (one.total, two.total) == (80_00, 60_00)
    assert world.give_back(one).state == "canceled"
    assert world.give_back(two).state == "canceled"
    assert (world.taken(), world.books()) == ({}, {})


# --- Finding -------------------------------------------------------------------------------------


def found_by(world: Merging, number: str, **more: Any) -> list[str]:
    """The orders that a number finds, page by page as at once."""
    query = OrderQuery(number=number, **more)
    found = [order.id for order in world.engine.find(query)]
    assert [order.id for order in world.engine.search(query).orders] == found
    return found


def test_the_number_of_the_added_order_finds_the_basic_order() -> None:
    """Whole or by its last digits; who asks for merged orders sees the one that was merged."""
    world = Merging()
    basic, added = world.pair("processing", "awaiting_payment")
    assert found_by(world, added.number) == [added.id]
    world.combine(basic, added)
    assert found_by(world, added.number) == [basic.id]
    assert found_by(world, "2") == [basic.id]
    assert found_by(world, basic.number) == [basic.id]
    assert found_by(world, added.number, states=("merged",)) == [added.id]
    assert found_by(world, added.number, shop="outlet") == []
    world.unmerge(basic)
    assert found_by(world, added.number) == [added.id]


def test_the_order_that_took_one_in_is_found_once_among_others() -> None:
    """Without a number, or by digits that both end in, each order stands for itself and none twice."""
    world = Merging()
    orders = [world.place(cart("SKU-1", "1.00"), "pay") for _ in range(5)]
    orders += [world.place(cart("SKU-2", "1.00"), "pay") for _ in range(5)]
    orders += [world.place(cart("SKU-3", "1.00")) for _ in range(2)]
    world.combine(orders[0], orders[10])  # 11 into 1
    assert found_by(world, "1") == ["ord_1", "ord_11"]
    assert found_by(world, orders[10].number) == ["ord_1"]
    assert len(found_by(world, "")) == 12


# --- Once, and no more than once -----------------------------------------------------------------


def test_l13_a_merge_under_one_key_happens_once() -> None:
    """The answer to the same key is the order as it stands; with other content the key is refused."""
    world = Merging(policies=FREE_FROM_120)
    basic, added = pair_of_parcels(world, both=True)
    first = world.combine(basic, added, key="m")
    before = world.snapshot()
    world.engine = world.another()
    again = world.combine(basic, added, key="m")
    assert (again.order, again.total, again.added) == (first.order, first.total, added.id)
    with pytest.raises(KeyReused):
        world.combine(basic, added, key="m", overrule="because")
    assert world.snapshot() == before


def test_l13_an_unmerge_under_one_key_happens_once() -> None:
    """The same two orders are the answer, also when they were merged again since."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    world.combine(basic, added)
    both = world.engine.unmerge(basic.id, key="u", by=STAFF)
    assert world.engine.unmerge(basic.id, key="u", by=STAFF) == both
    world.combine(basic, added)
    first, second = world.engine.unmerge(basic.id, key="u", by=STAFF)
    assert (first.state, second.state) == ("processing", "merged")
    world.check()


def test_l12_an_order_is_put_to_one_other_alone() -> None:
    """Two workers put it to two orders: one wins, the other is told where its goods are, and changed nothing."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    third = world.place(cart("SKU-3", "30.00"), "pay")
    store = Overtaken(world.store)
    late = world.another(store=store)
    store.first = lambda: world.combine(basic, added)
    with pytest.raises(NotAllowed, match=basic.id) as caught:
        late.combine(third.id, added.id, key="late", by=STAFF)
    assert caught.value.data["order"] == added.id
    assert world.get(third) == third
    assert world.get(added).handling.lineage == Lineage(into=basic.id)
    world.check()


def test_l12_a_payment_that_began_meanwhile_is_not_lost() -> None:
    """A worker merges while the shopper pays: all is decided anew, and the money that came is counted."""
    world = Merging()
    basic, added = world.pair("processing", "awaiting_payment")
    store = Overtaken(world.store)
    late = world.another(store=store)
    store.first = lambda: world.pay(added, CHANNEL)
    done = late.combine(basic.id, added.id, key="late", by=STAFF)
    assert (done.due, done.order.state, world.taken()) == (0, "processing", {"wechat": 140_00})
    world.check()


class Overtaken:
    """A store whose next commit comes just after somebody else's."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.first: Callable[[], object] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, changes: Any) -> None:
        """Let the other one go first, once."""
        first, self.first = self.first, None
        if first is not None:
            first()
        self._store.commit(changes)


def test_a_merged_order_takes_no_command() -> None:
    """It says where its goods and its money are."""
    world = Merging()
    basic, added = world.pair("processing", "processing")
    world.combine(basic, added)
    commands = [
        lambda: world.pay(added, CHANNEL),
        lambda: world.give_back(added),
        *[lambda step=step: world.step(added, step) for step in ("add", "cancel", "close", "ship")],
        lambda: world.combine(added, basic),
        lambda: world.combine(basic, added),
        lambda: world.engine.split(added.id, [Manifest.of({"1": 1})], key="s", by=STAFF),
    ]
    before = world.snapshot()
    for command in commands:
        with pytest.raises(OrdercoreError, match=f"are with {basic.id}|is over"):
            command()
    assert world.snapshot() == before


def paid_twice(world: Merging, order: Order) -> str:
    """A payment of the order by its second code; the name of the first attempt, which was given up."""
    first = world.pay(order, CHANNEL).order.payments.attempts[-1].id
    second = world.pay(order, CHANNEL).order.payments.attempts[-1].id
    world.engine.notify("wechat", {}, world.channel.pay(second))
    return first


@pytest.mark.parametrize("whose", ["basic", "added"])
def test_l21_late_money_for_a_merged_order_is_not_stranded(whose: str) -> None:
    """An old code of either order is scanned after the merge: the money goes back, and the books say so."""
    world = Merging(channel=StubbornGateway, asks_payer=True)
    basic, added = world.place(cart("SKU-1", "80.00")), world.place(cart("SKU-2", "60.00"))
    codes = {"basic": paid_twice(world, basic), "added": paid_twice(world, added)}
    assert world.combine(basic, added).due == 0
    world.engine.notify("wechat", {}, world.channel.pay(codes[whose]))
    for minutes in (1, 10, 100, 1_000):
        world.at(minutes)
    assert world.taken() == {"wechat": 140_00}
    assert world.get(basic).state == "processing"
    laws.trial_balance_is_zero(world.engine.trial_balance())
    assert world.books() == {"clearing:wechat": 140_00, "advances": -140_00}
    assert world.give_back(basic).state == "canceled"
    assert (world.taken(), world.books()) == ({}, {})


def test_the_asynchronous_engine_merges_alike() -> None:
    """The same verbs with the same answers."""
    world = Merging(policies=FREE_FROM_120)
    basic, added = pair_of_parcels(world, both=False)
    engine = AsyncOrderEngine(
        world.store, world.gateways, world.stock, FREE_FROM_120, clock=world.clock,
        lifecycles=[AGENT],
    )  # fmt: skip

    async def merge() -> None:
        shown = await engine.preview_combine(basic.id, added.id, by=STAFF)
        done = await engine.combine(basic.id, added.id, shown=shown, key="m", by=STAFF)
        assert (done.total, done.due) == (shown.total, 50_00)
        found = await engine.search(OrderQuery(number=added.number))
        assert [order.id for order in found.orders] == [basic.id]
        first, second = await engine.unmerge(basic.id, key="u", by=STAFF)
        assert alike(first, basic)
        assert alike(second, added)
        (pair,) = await engine.merge_candidates(by=STAFF)
        assert (pair.basic, pair.added) == (first, second)

    asyncio.run(merge())
    world.check()


# --- Stores --------------------------------------------------------------------------------------


def test_l23_merged_orders_are_read_from_sqlite_as_they_were_written(tmp_path: Path) -> None:
    """Lineage, money that came along and both histories; a search there leads to the basic order too."""
    with SqlStore(f"sqlite:///{tmp_path}/shop.db") as store:
        world = Merging(store=store)
        basic = world.pay(world.place(cart("SKU-1", "80.00")), THREE).order
        added = world.place(cart("SKU-2", "60.00"), "pay")
        world.combine(basic, added)
        assert [o.id for o in world.engine.find(OrderQuery(number=added.number))] == [basic.id]
        found = world.engine.search(OrderQuery(number=added.number, limit=1))
        assert [o.id for o in found.orders] == [basic.id]
        with SqlStore(f"sqlite:///{tmp_path}/shop.db") as again:
            for order in (basic, added):
                told = again.journal(order.id)
                assert again.load(order.id) == store.load(order.id)
                found_there = again.load(order.id)
                assert found_there is not None
                laws.replay_gives(found_there, [(t.event, t.at) for t in told])
        laws.trial_balance_is_zero(world.engine.trial_balance())
        first, second = world.unmerge(basic)
        assert (first.total, second.total) == (80_00, 60_00)
        world.combine(basic, added)
        world.give_back(basic)
        assert (world.taken(), world.books()) == ({}, {})


# --- Candidates ----------------------------------------------------------------------------------


def test_candidates_are_the_pairs_that_may_be_merged_now() -> None:
    """The earlier placed one is the basic order, but where only the other way round is allowed."""
    world = Merging()
    unpaid = world.place(cart("SKU-1", "80.00"))
    world.clock.advance(timedelta(minutes=1))
    paid = world.place(cart("SKU-2", "60.00"), "pay")
    world.clock.advance(timedelta(minutes=1))
    abroad = world.place(cart("SKU-3", "60.00", address=ABROAD), "pay")
    (found,) = world.engine.merge_candidates()
    assert (found.basic.id, found.added.id, found.refusals) == (paid.id, unpaid.id, ())
    pairs = world.engine.merge_candidates(refused=True)
    assert [(one.basic.id, one.added.id, bool(one.refusals)) for one in pairs] == [
        (paid.id, unpaid.id, False),
        (unpaid.id, abroad.id, True),
        (paid.id, abroad.id, True),
    ]
    assert {told.rule for told in pairs[2].refusals} == {MergeRule.ADDRESS}
    world.combine(found.basic, found.added)
    assert world.engine.merge_candidates() == ()


def test_candidates_of_a_customer_are_those_it_may_merge_itself() -> None:
    """From the warehouse on only staff merge."""
    world = Merging()
    world.pair("processing_at_warehouse", "processing")
    assert len(world.engine.merge_candidates(by=STAFF)) == 1
    assert world.engine.merge_candidates(by=SHOPPER) == ()
    assert world.engine.merge_candidates(OrderQuery(customer="c2")) == ()


def test_candidates_of_a_batch_of_500_are_found_quickly() -> None:
    """All pairs of each customer, and none across customers, shops or currencies."""
    world = Merging()
    world.engine = world.another(stock=None)
    priced = {
        f"c{k}": world.engine.quote(cart("X", "1.00", customer=Party(f"c{k}"))) for k in range(50)
    }
    for i in range(500):
        world.engine.place(priced[f"c{i % 50}"], key=f"k{i}", by=STAFF, lifecycle=AGENT)
    found = world.engine.merge_candidates()
    assert len(found) == 50 * 45
    assert all(one.basic.content.customer == one.added.content.customer for one in found)
    with pytest.raises(InvalidInput):
        candidates([found[0].basic] * 501, world.engine.shop, STAFF)


def test_l13_a_repeated_merge_tells_what_the_first_one_told() -> None:
    """The same key again answers with what was saved and given back then, not with nothing."""
    world = Merging("standard", policies=FREE_FROM_120)
    basic = world.place(cart("SKU-1", "80.00", "10.00"), "pay")
    added = world.place(cart("SKU-2", "60.00", "10.00"), "pay")
    first = world.engine.combine(basic.id, added.id, key="m", by=STAFF)
    again = world.engine.combine(basic.id, added.id, key="m", by=STAFF)
    figures = ("was", "total", "saved", "freight_saved", "due", "owed")
    assert [getattr(first, name) for name in figures] == [getattr(again, name) for name in figures]
    assert (again.was, again.saved, again.owed) == (16_000, 2_000, 2_000)
