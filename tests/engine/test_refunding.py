"""Refunding and canceling: what goes back, over which tender, and what happens to the goods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import BALANCE, FOUR, POINTS, SHOPPER, STAFF, THREE, World

from ordercore import (
    Actor,
    Cart,
    CartLine,
    KeyReused,
    Manifest,
    Money,
    NotAllowed,
    Party,
    ShippingCharge,
    standing,
    tenders,
)
from ordercore.errors import InvalidManifest, InvalidQuantity
from ordercore.order.standing import PaymentStanding
from ordercore.tender import RefundStatus


def legs(result: Any) -> list[tuple[int, int]]:
    """What goes back over each tender: minor units, and points."""
    return [(leg.amount, leg.points) for leg in result.refund.legs]


def back(world: World) -> tuple[int, int, int]:
    """What the shopper still lacks of points and balance, and what the channel holds."""
    return (
        POINTS - world.points.balance("c1"),
        BALANCE - world.balance.balance("c1"),
        world.channel.taken,
    )


# --- Case 3 -------------------------------------------------------------------------------------


def test_case_3_one_line_goes_back_over_the_tenders_that_paid_it() -> None:
    """Line 2, refunded after shipping: 89.99 = 411 points + 16.67 + 69.21."""
    world = World()
    order = world.shipped()
    result = world.engine.refund(
        order.id, Manifest.of({"2": 1}), reason="broken", key="r", by=STAFF
    )
    assert legs(result) == [(411, 411), (1667, 0), (6921, 0)]
    assert result.refund.amount == 8999
    assert result.order.state == "shipped"
    assert standing(result.order).payment is PaymentStanding.PARTLY_REFUNDED
    assert back(world) == (1234 - 411, 5000 - 1667, 20763 - 6921)
    world.check()


@pytest.mark.parametrize("lines", list(permutations("123")), ids="".join)
@pytest.mark.parametrize("stage", ["paid", "shipped", "completed"])
def test_case_3_three_refunds_in_any_order_give_back_exactly_all(
    stage: str, lines: tuple[str, ...]
) -> None:
    """1,234 points, 50.00 and 207.63, whatever the order; a fourth is refused and changes nothing."""
    world = World()
    order = getattr(world, stage)()
    amounts = [
        world.engine.refund(
            order.id, Manifest.of({line: 1}), reason="broken", key=f"r{line}", by=STAFF
        ).refund.amount
        for line in lines
    ]
    assert amounts == [8999, 8999, 8999]
    assert back(world) == (0, 0, 0)
    now = world.get(order)
    assert now.state == "refunded"
    assert world.books() == {}
    for line in lines:
        with world.refused(NotAllowed):
            world.engine.refund(
                order.id, Manifest.of({line: 1}), reason="broken", key="fourth", by=STAFF
            )
    assert world.get(order).version == now.version
    world.check()


@given(
    st.lists(
        st.sampled_from([{"1": 1}, {"1": 2}, {"2": 1}, {"2": 3}, {"1": 1, "2": 2}, {}]), max_size=8
    )
)
def test_l8_no_sequence_of_refunds_gives_back_more_than_was_paid(
    asked: list[dict[str, int]],
) -> None:
    """Any refunds, refused or not: each tender gives back at most what it took, and the books agree."""
    world = World()
    lines = (
        CartLine("SKU-1", 3, Money("33.33", "CNY")),
        CartLine("SKU-2", 4, Money("7.77", "CNY")),
    )
    cart = Cart("CNY", lines, shipping=ShippingCharge(Money("5.00", "CNY")), customer=Party("c1"))
    order = world.engine.place(world.engine.quote(cart), key="k", by=SHOPPER)
    world.pay(order, FOUR)
    for i, goods in enumerate(asked):
        before = world.snapshot()
        try:
            world.engine.refund(
                order.id, Manifest.of(goods), reason="broken", key=f"r{i}", by=STAFF
            )
        except (NotAllowed, InvalidManifest):
            assert world.snapshot() == before
        world.check()
    now = world.get(order)
    assert world.channel.taken >= 0
    if now.state == "refunded":
        assert world.books() == {}
        assert world.free() == [5, 5, 5]


def test_l8_refunds_at_the_same_time_give_back_once() -> None:
    """Of many workers that refund the same line at once, one does."""
    world = World()
    order = world.paid()

    def one(number: int) -> bool:
        try:
            world.engine.refund(
                order.id, Manifest.of({"2": 1}), reason="broken", key=f"r{number}", by=STAFF
            )
        except InvalidManifest:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(12))) == 1
    world.check()


# --- Before shipping ----------------------------------------------------------------------------


def test_goods_refunded_before_shipping_stay_and_the_rest_ships() -> None:
    """The withdrawn line's stock is free again; shipping all that is left moves the order on."""
    world = World()
    order = world.paid()
    world.refund(order, "2")
    assert world.free() == [4, 5, 4]
    world.engine.accept(order.id, key="a")
    assert world.engine.get(order.id).shippable() == Manifest.of({"1": 1, "3": 1})
    shipped = world.engine.ship(order.id, key="s")
    assert shipped.state == "shipped"
    assert shipped.delivery.shipped() == Manifest.of({"1": 1, "3": 1})
    world.engine.deliver(order.id, key="d")
    world.engine.complete(order.id, key="c")
    assert world.books()["revenue"] == -2 * (8999 - 1035)
    world.check()


def test_refunding_everything_before_shipping_ends_the_order_and_frees_its_stock() -> None:
    """All the money goes back, all the goods stay: *refunded*, without the order being canceled."""
    world = World()
    order = world.refund(world.paid())
    assert order.state == "refunded"
    assert world.free() == [5, 5, 5]
    assert world.books() == {}
    assert world.store.timers() == ()
    world.check()


def test_refunding_the_rest_of_a_half_sent_order_ends_its_shipping() -> None:
    """When what has not left is refunded, all that will leave has left: the order is shipped."""
    world = World()
    order = world.paid()
    world.engine.accept(order.id, key="a")
    world.engine.ship(order.id, Manifest.of({"1": 1, "2": 1}), key="s")
    now = world.refund(order, "3")
    assert now.state == "shipped"
    assert world.free() == [4, 4, 5]
    world.check()


def test_goods_refunded_after_shipping_are_not_free_again() -> None:
    """A refund of goods that have left gives back money, not stock."""
    world = World()
    world.refund(world.shipped(), "2")
    assert world.free() == [4, 4, 4]
    world.check()


def test_shipping_goes_back_with_the_last_goods_of_an_order_that_never_left() -> None:
    """The charge is refunded when nothing is left to send, and not before."""
    world = World()
    cart = Cart(
        "CNY", (CartLine("SKU-1", 2, Money("10.00", "CNY")),),
        shipping=ShippingCharge(Money("5.00", "CNY")), customer=Party("c1"),
    )  # fmt: skip
    order = world.engine.place(world.engine.quote(cart), key="k", by=SHOPPER)
    world.pay(order, (tenders.Channel("wechat"),))
    one = Manifest.of({"1": 1})
    first = world.engine.refund(order.id, one, reason="no", key="r1", by=STAFF)
    second = world.engine.refund(order.id, one, reason="no", key="r2", by=STAFF)
    assert [first.refund.amount, second.refund.amount] == [1000, 1500]
    assert second.order.state == "refunded"
    world.check()


def test_a_charge_is_refunded_when_it_is_named() -> None:
    """Freight alone may go back: a late parcel, a goodwill."""
    world = World()
    cart = Cart(
        "CNY", (CartLine("SKU-1", 1, Money("10.00", "CNY")),),
        shipping=ShippingCharge(Money("5.00", "CNY")), customer=Party("c1"),
    )  # fmt: skip
    order = world.engine.place(world.engine.quote(cart), key="k", by=SHOPPER)
    world.pay(order, (tenders.Channel("wechat"),))
    result = world.engine.refund(order.id, reason="late", charges=("shipping",), key="r", by=STAFF)
    assert (result.refund.amount, result.order.state) == (500, "paid")
    with world.refused(InvalidManifest):
        world.engine.refund(order.id, reason="late", charges=("shipping",), key="r2", by=STAFF)
    world.check()


# --- Canceling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [False, True])
def test_l22_canceling_a_paid_order_gives_everything_back(accepted: bool) -> None:
    """It ends closed with its reason; money, points and goods are back, and no timer is left."""
    world = World()
    order = world.paid(FOUR)
    if accepted:
        world.engine.accept(order.id, key="a")
    now = world.engine.cancel(order.id, reason="changed my mind", key="c", by=SHOPPER)
    assert (now.state, now.reason) == ("closed", "changed my mind")
    assert standing(now).payment is PaymentStanding.REFUNDED
    assert world.accounts() == (5000, 10_000, 8000)
    assert world.free() == [5, 5, 5]
    assert world.books() == {}
    assert world.store.timers() == ()
    world.check()


def test_l22_canceling_after_a_partial_refund_gives_back_the_rest() -> None:
    """What was refunded before is not refunded again."""
    world = World()
    order = world.paid()
    world.refund(order, "2")
    world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    assert back(world) == (0, 0, 0)
    assert world.free() == [5, 5, 5]
    world.check()


def test_l22_canceling_an_unpaid_order_frees_its_goods() -> None:
    """Nothing was paid: it closes at once."""
    world = World()
    order = world.engine.cancel(world.placed().id, reason="no", key="c", by=SHOPPER)
    assert order.state == "closed"
    assert world.free() == [5, 5, 5]
    assert world.store.timers() == ()
    world.check()


def test_l22_canceling_closes_a_waiting_code_first() -> None:
    """The code is closed at the channel, then points and balance come back, then the order closes."""
    world = World(asks_payer=True)
    order = world.pay(world.placed()).order
    now = world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    assert now.state == "closed"
    assert world.accounts() == (5000, 10_000, 8000)
    world.check()


def test_l12_what_has_left_is_not_canceled() -> None:
    """An order that is shipped, or in part, is refunded instead; the refusal says so."""
    world = World()
    order = world.paid()
    world.engine.accept(order.id, key="a")
    world.engine.ship(order.id, Manifest.of({"1": 1}), key="s")
    with world.refused(NotAllowed) as caught:
        world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    assert "refund the rest" in caught.value.reason


# --- The key, and who may -----------------------------------------------------------------------


@pytest.mark.parametrize("goods", [{}, {"2": 1}], ids=["all", "one line"])
def test_l13_refunding_twice_under_one_key_refunds_once(goods: dict[str, int]) -> None:
    """The second call answers with the same refund, also when nothing is left to refund."""
    world = World()
    order = world.paid()
    manifest = Manifest.of(goods) if goods else None
    first = world.engine.refund(order.id, manifest, reason="no", key="r", by=STAFF)
    before = world.snapshot()
    assert world.engine.refund(order.id, manifest, reason="no", key="r", by=STAFF) == first
    assert world.snapshot() == before


@pytest.mark.parametrize("paid", [True, False])
def test_l13_canceling_twice_under_one_key_cancels_once(paid: bool) -> None:
    """The second call answers with the closed order."""
    world = World()
    order = world.paid() if paid else world.placed()
    first = world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    before = world.snapshot()
    assert world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER) == first
    assert world.snapshot() == before
    with world.refused(NotAllowed):
        world.engine.cancel(order.id, reason="no", key="another", by=SHOPPER)


@pytest.mark.parametrize("later", [False, True], ids=["at once", "after all was refunded"])
@pytest.mark.parametrize(
    "other",
    [
        {"goods": {"3": 1}},
        {"goods": {"2": 1, "3": 1}},
        {"reason": "other"},
        {"charges": ()},
    ],
    ids=str,
)
def test_l13_a_refunds_key_with_other_content_is_refused(
    other: dict[str, Any], later: bool
) -> None:
    """Other goods, another reason or other charges need another key."""
    world = World()
    order = world.paid()
    fields: dict[str, Any] = {"goods": {"2": 1}, "reason": "no", "charges": None}

    def refund(fields: dict[str, Any]) -> None:
        world.engine.refund(
            order.id, Manifest.of(fields["goods"]), reason=fields["reason"],
            charges=fields["charges"], key="r", by=STAFF,
        )  # fmt: skip

    refund(fields)
    if later:
        world.refund(order)
    with world.refused(KeyReused):
        refund(fields | other)


def test_l13_threads_that_refund_under_one_key_refund_once() -> None:
    """However many workers send the same key at once, money goes back once."""
    world = World()
    order = world.paid()

    def one(_: int) -> str:
        return world.engine.refund(order.id, reason="no", key="r", by=STAFF).refund.id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(one, range(12)))) == 1
    world.check()


@pytest.mark.parametrize("by", [SHOPPER, Actor.customer("c2")], ids=["owner", "stranger"])
def test_l12_a_shopper_does_not_refund(by: Actor) -> None:
    """Money goes back by the staff's word, or the system's."""
    world = World()
    order = world.paid()
    with world.refused(NotAllowed):
        world.engine.refund(order.id, reason="no", key="r", by=by)


def test_l12_a_stranger_does_not_cancel() -> None:
    """An order belongs to its customer."""
    world = World()
    order = world.paid()
    with world.refused(NotAllowed):
        world.engine.cancel(order.id, reason="no", key="c", by=Actor.customer("c2"))


@pytest.mark.parametrize("stage", ["placed", "closed"])
def test_l12_what_was_not_paid_is_not_refunded(stage: str) -> None:
    """An order that waits or was closed has nothing to give back."""
    world = World()
    order = world.placed()
    if stage == "closed":
        world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    with world.refused(NotAllowed):
        world.engine.refund(order.id, reason="no", key="r", by=STAFF)


@pytest.mark.parametrize(
    ("goods", "charges", "path"),
    [
        ({"9": 1}, None, "[9]"),
        ({"1": 2}, None, "[1]"),
        ({"1": 1}, ("freight",), "[freight]"),
        ({}, (), "manifest"),
    ],
    ids=["no such line", "more than bought", "no such charge", "nothing"],
)
def test_l12_a_refund_of_what_is_not_there_changes_nothing(
    goods: dict[str, int], charges: Any, path: str
) -> None:
    """Lines, units and charges that the order does not have are refused with their path."""
    world = World()
    order = world.paid()
    with world.refused(InvalidManifest) as caught:
        world.engine.refund(
            order.id, Manifest.of(goods), reason="no", charges=charges, key="r", by=STAFF
        )
    assert caught.value.path == path


@pytest.mark.parametrize("units", [0, -1])
def test_l24_a_manifest_has_no_zero_and_no_negative_units(units: int) -> None:
    """Such a manifest cannot be made."""
    with pytest.raises(InvalidQuantity):
        Manifest.of({"1": units})


# --- Arrival ------------------------------------------------------------------------------------


def test_l9_a_refund_on_its_way_stands_in_transit() -> None:
    """Asked and accepted, not arrived: the channel still holds it, and the books say so."""
    world = World(refunds_arrive=False)
    order = world.refund(world.completed(), "2")
    assert standing(order).payment is PaymentStanding.REFUNDING
    statuses = [leg.status for leg in order.payments.refunds[0].legs]
    assert statuses == [RefundStatus.ARRIVED, RefundStatus.ARRIVED, RefundStatus.ACCEPTED]
    assert world.books()["refunds_in_transit"] == -6921
    assert world.books()["clearing:wechat"] == world.channel.taken == 20763
    world.check()
    world.channel.arrive(f"{order.payments.refunds[0].id}#2")
    order = world.engine.pull(order.id)
    assert standing(order).payment is PaymentStanding.PARTLY_REFUNDED
    assert world.books()["clearing:wechat"] == world.channel.taken == 20763 - 6921
    world.check()


def test_a_refund_that_never_arrives_is_polled_and_then_alerts_once() -> None:
    """It stays *refunding*; after the policy's five days an event says that somebody must look."""
    world = World(refunds_arrive=False)
    order = world.refund(world.paid())
    start = world.clock.now()
    for hour in range(1, 24 * 12):
        world.clock.set(start + timedelta(hours=hour))
        world.engine.sweep()
    told = world.engine.journal(order.id)
    late = [(t.at - start, t.by.kind.value) for t in told if t.event.name == "order.refund_delayed"]
    assert late == [(timedelta(days=5), "system")]
    assert world.get(order).state == "refunding"
    world.channel.arrive(f"{order.payments.refunds[0].id}#2")
    world.clock.advance(timedelta(hours=13))
    world.engine.sweep()
    assert world.get(order).state == "refunded"
    assert world.store.timers() == ()
    world.check()


def test_a_refund_that_arrives_in_time_does_not_alert() -> None:
    """Arrival clears both the poll and the alert."""
    world = World(refunds_arrive=False)
    order = world.refund(world.paid())
    world.channel.arrive(f"{order.payments.refunds[0].id}#2")
    world.clock.advance(timedelta(hours=13))
    world.engine.sweep()
    assert world.get(order).state == "refunded"
    assert world.store.timers() == ()


def test_each_tender_of_order_a_is_a_leg_of_its_refund() -> None:
    """Three tenders, three legs, each by its own gateway."""
    world = World()
    order = world.refund(world.paid(THREE))
    refund = order.payments.refunds[0]
    assert [leg.amount for leg in refund.legs] == [1234, 5000, 20763]
    gateways = [order.payments.attempt(leg.attempt).gateway for leg in refund.legs]
    assert gateways == ["points", "balance", "wechat"]


def test_l8_a_charge_named_twice_is_refunded_once() -> None:
    """Naming a charge again is refused: no cell of the matrix gives more than it holds."""
    world = World()
    order = world.paid()
    with world.refused(InvalidManifest) as caught:
        world.engine.refund(
            order.id, charges=("shipping", "shipping"), reason="no", key="r", by=STAFF
        )
    assert caught.value.path == "[shipping]"


@pytest.mark.parametrize("verb", ["ship", "refund"])
def test_an_empty_manifest_is_nothing_and_not_everything(verb: str) -> None:
    """A form with nothing ticked neither ships nor refunds the whole order."""
    world = World()
    order = world.paid()
    world.engine.accept(order.id, key="a")
    fields = {"reason": "no", "by": STAFF} if verb == "refund" else {}
    with world.refused(InvalidManifest):
        getattr(world.engine, verb)(order.id, Manifest.of({}), key="x", **fields)
