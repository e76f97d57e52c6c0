"""Notifications: twice, late, out of order, forged, or about what is no more."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import (
    CHANNEL,
    SHOPPER,
    STAFF,
    THREE,
    StubbornGateway,
    TalkingGateway,
    World,
)

from ordercore import Actor, ActorKind, NotAllowed, NotFound, standing
from ordercore.errors import NotificationRefused, OrderNotFound
from ordercore.order.standing import PaymentStanding
from ordercore.tender import AttemptState, ChargeRequest, OutcomeStatus, settled


def talking(offers: tuple[Any, ...] = CHANNEL) -> tuple[World, str]:
    """An order that waits for its payer, and the key of the attempt that waits."""
    world = World(channel=TalkingGateway, asks_payer=True)
    order = world.pay(world.placed(), offers).order
    return world, order.payments.attempts[-1].id


def tell(world: World, key: str, status: str, **fields: Any) -> None:
    """Let the channel say something, and keep its own record of it where money has moved."""
    if status == "captured":
        world.channel.pay(key)
    world.engine.notify("wechat", {}, world.channel.says(key, status, **fields))


def test_a_waiting_payment_is_paid_by_its_notification() -> None:
    """The channel tells; the reply is what it wants to hear; the order is paid."""
    world = World(asks_payer=True)
    order = world.pay(world.placed()).order
    reply = world.engine.notify("wechat", {}, world.channel.pay(f"{order.id}/3"))
    assert (reply.status, reply.body) == (200, b"")
    assert world.get(order).state == "paid"
    assert str(world.engine.journal(order.id)[-1].by) == "channel:wechat"
    world.check()


def test_l10_the_same_notification_twice_is_once() -> None:
    """A channel that repeats itself hears the same reply, and nothing happens."""
    world = World(asks_payer=True)
    order = world.pay(world.placed()).order
    body = world.channel.pay(f"{order.id}/3")
    first = world.engine.notify("wechat", {}, body)
    before = world.snapshot()
    assert world.engine.notify("wechat", {}, body) == first
    assert world.snapshot() == before


NEWS = ("waiting", "authorized", "captured", "declined")


@pytest.mark.parametrize(
    "news", [c for n in (2, 3, 4) for c in permutations(NEWS, n) if "captured" in c]
)
def test_l10_any_order_of_the_news_of_one_attempt_ends_in_one_standing(
    news: tuple[str, ...],
) -> None:
    """Whatever else was said, before or after: once the money is taken the order is paid."""
    world, key = talking()
    for status in news:
        tell(world, key, status)
    order = world.orders()[0]
    assert (order.state, standing(order).payment) == ("paid", PaymentStanding.PAID)
    world.check()


@given(st.permutations(NEWS * 2))
def test_l10_permutations_and_duplicates_end_in_one_standing(news: list[str]) -> None:
    """Any shuffle of the same notifications, each sent twice, leaves the same order."""
    world, key = talking()
    for status in news:
        tell(world, key, status)
    order = world.orders()[0]
    attempt = order.payments.attempt(key)
    assert (order.state, attempt.state) == ("paid", AttemptState.CAPTURED)
    assert world.books() == {"clearing:wechat": 26997, "advances": -26997}


@pytest.mark.parametrize("news", list(product(("waiting", "declined"), repeat=3)))
def test_l10_news_without_money_leave_the_order_unpaid(news: tuple[str, ...]) -> None:
    """A decline that is followed by an old *waiting* stays a decline."""
    world, key = talking()
    for status in news:
        tell(world, key, status)
    order = world.orders()[0]
    assert order.state == "pending_payment"
    expected = AttemptState.DECLINED if "declined" in news else AttemptState.WAITING
    assert order.payments.attempt(key).state is expected


def test_a_payer_who_tries_again_in_the_wallet_pays_after_a_decline() -> None:
    """A decline is not the last word on the only tender of a payment: its money still counts."""
    world, key = talking()
    tell(world, key, "declined")
    assert standing(world.orders()[0]).payment is PaymentStanding.UNPAID
    tell(world, key, "captured")
    assert world.orders()[0].state == "paid"
    world.check()


def test_l21_money_after_a_decline_that_undid_the_others_is_returned() -> None:
    """Points and balance went back when the channel declined: what it takes later goes back too."""
    world, key = talking(THREE)
    tell(world, key, "declined")
    tell(world, key, "captured")
    order = world.orders()[0]
    assert order.state == "pending_payment"
    assert {a.state for a in order.payments.attempts} == {AttemptState.RETURNED}
    assert world.accounts() == (5000, 10_000, 8000)
    world.check()


def closed_with_a_code(stubborn: bool = True) -> tuple[World, Any, str]:
    """An order that was closed while a code was out."""
    world = World(channel=StubbornGateway if stubborn else TalkingGateway, asks_payer=True)
    order = world.pay(world.placed(), THREE).order
    world.at(30)
    order = world.get(order)
    assert order.state == "closed"
    return world, order, f"{order.id}/3"


def test_l21_money_that_comes_for_a_closed_order_is_returned() -> None:
    """The code was voided and is paid all the same: the order stays closed, the money goes back."""
    world, order, key = closed_with_a_code()
    world.engine.notify("wechat", {}, world.channel.pay(key))
    now = world.get(order)
    assert (now.state, now.payments.attempt(key).state) == ("closed", AttemptState.RETURNED)
    assert now.payments.attempt(key).captured == now.payments.attempt(key).returned == 20763
    assert world.channel.taken == 0
    assert world.books() == {}
    world.check()


def test_l21_late_money_is_booked_before_it_is_returned() -> None:
    """While it is on its way back the books say that the channel has it."""
    from ordercore.testing.simulation import Simulation

    world, order, key = closed_with_a_code()
    body = world.channel.pay(key)
    walk = Simulation(world.engine).notify("wechat", {}, body)
    while walk.step is not None and walk.step.name != "StubbornGateway.void":
        walk.go()
    assert world.books() == {"clearing:wechat": 20763, "advances": -20763}
    walk.finish()
    assert world.books() == {}
    assert world.get(order).state == "closed"


def test_l21_late_money_is_returned_as_often_as_it_comes() -> None:
    """A payer who pays an old code again gets the money back again."""
    world, order, key = closed_with_a_code()
    for _ in range(3):
        world.engine.notify("wechat", {}, world.channel.pay(key))
        assert world.channel.taken == 0
    world.check()
    assert world.get(order).state == "closed"


@given(st.lists(st.sampled_from(["waiting", "captured", "declined", "voided"]), max_size=8))
def test_l10_stale_news_of_a_closed_order_move_no_money(news: list[str]) -> None:
    """Old notifications that straggle in after the close end where they began."""
    world, order, key = closed_with_a_code(stubborn=False)
    for status in news:
        world.engine.notify("wechat", {}, world.channel.says(key, status))
    now = world.get(order)
    assert (now.state, now.payments.attempt(key).state) == ("closed", AttemptState.RETURNED)
    assert world.books() == {}
    world.check()


def test_l22_money_found_while_a_canceled_order_closes_is_returned() -> None:
    """The shopper cancels, and the code turns out to be paid: canceled is canceled."""
    world = World(asks_payer=True)
    order = world.pay(world.placed(), THREE).order
    world.channel.pay(f"{order.id}/3")
    now = world.engine.cancel(order.id, reason="changed my mind", key="c", by=SHOPPER)
    assert now.state == "closed"
    assert now.reason == "changed my mind"
    assert world.accounts() == (5000, 10_000, 8000)
    world.check()


# --- What is refused ----------------------------------------------------------------------------


def test_l12_a_forged_notification_changes_nothing() -> None:
    """A signature that is wrong is refused before anything is looked at."""
    world, key = talking()
    with world.refused(NotificationRefused) as caught:
        world.engine.notify("wechat", {}, world.channel.says(key, "captured", forged=True))
    assert caught.value.http_status == 400


@pytest.mark.parametrize(
    ("fields", "path"),
    [({"amount": 1}, "amount"), ({"currency": "EUR"}, "currency")],
)
def test_l12_a_notification_of_other_money_changes_nothing(fields: Any, path: str) -> None:
    """An amount or a currency that is not the attempt's is not this attempt's payment."""
    world, key = talking()
    with world.refused(NotificationRefused) as caught:
        world.engine.notify("wechat", {}, world.channel.says(key, "captured", **fields))
    assert caught.value.path == path


def test_l12_a_notification_of_the_right_money_is_taken() -> None:
    """Amount and currency are compared, and fit."""
    world, key = talking()
    tell(world, key, "captured", amount=26997, currency="CNY")
    assert world.orders()[0].state == "paid"


def test_l12_a_channel_cannot_speak_of_anothers_attempt() -> None:
    """What one channel says about a tender of another one is refused."""
    world = World(channel=TalkingGateway, asks_payer=True)
    order = world.pay(world.placed(), THREE).order
    with world.refused(NotificationRefused):
        world.engine.notify("wechat", {}, world.channel.says(f"{order.id}/1", "captured"))


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("nobody/1", OrderNotFound),
        ("{order}/9", NotFound),
        ("{order}", NotFound),
        ("", OrderNotFound),
    ],
)
def test_l24_a_notification_of_nothing_known_is_not_found(key: str, error: Any) -> None:
    """An unknown order and an unknown attempt are errors of the tree."""
    world, attempt = talking()
    named = key.format(order=attempt.partition("/")[0])
    with world.refused(error):
        world.engine.notify("wechat", {}, world.channel.says(named, "captured"))


def test_l24_an_unknown_channel_is_refused_with_the_known_ones() -> None:
    """A notification for a gateway that the shop does not have is not found."""
    world = World()
    with world.refused(NotFound) as caught:
        world.engine.notify("stripe", {}, b"")
    assert caught.value.path == "gateway"
    assert caught.value.data["known"] == ("balance", "points", "stored_value", "wechat")


# --- Refunds ------------------------------------------------------------------------------------


def refunding() -> tuple[World, Any, str]:
    """A refund that the channel has accepted, and the key of its leg there."""
    world = World(refunds_arrive=False)
    order = world.paid()
    result = world.engine.refund(order.id, reason="broken", key="r", by=STAFF)
    return world, result.order, f"{result.refund.id}#2"


def test_a_refund_arrives_by_notification() -> None:
    """Accepted is not arrived: the order is *refunding* until the channel says so."""
    world, order, key = refunding()
    assert (order.state, standing(order).payment) == ("refunding", PaymentStanding.REFUNDING)
    assert world.books() == {"clearing:wechat": 20763, "refunds_in_transit": -20763}
    world.engine.notify("wechat", {}, world.channel.arrive(key))
    now = world.get(order)
    assert (now.state, standing(now).payment) == ("refunded", PaymentStanding.REFUNDED)
    assert world.books() == {}
    world.check()


def test_l10_a_refund_that_arrived_twice_arrived_once() -> None:
    """The second notification about an arrival does nothing."""
    world, _, key = refunding()
    body = world.channel.arrive(key)
    world.engine.notify("wechat", {}, body)
    before = world.snapshot()
    world.engine.notify("wechat", {}, body)
    assert world.snapshot() == before


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda key: key.replace("#2", "#9"), NotFound),
        (lambda key: key.replace("#2", "#x"), NotFound),
        (lambda key: key.replace("#2", "#-1"), NotFound),
        (lambda key: key.replace("#2", ""), NotFound),
        (lambda key: key.replace("#2", "#0"), NotificationRefused),
        (lambda key: key.replace("/r", "/x"), NotFound),
    ],
    ids=["no leg", "no number", "negative", "no mark", "another gateway's", "no refund"],
)
def test_l24_a_notification_of_no_leg_of_a_refund_is_refused(change: Any, error: Any) -> None:
    """A key that names no leg, or another gateway's, is an error of the tree, not a traceback."""
    world, _, key = refunding()
    world.channel._refunds[change(key)] = world.channel._refunds[key]
    with world.refused(error):
        world.engine.notify("wechat", {}, f"wechat:{change(key)}".encode())


def test_the_memory_channel_takes_orders_of_payment_only_from_payers() -> None:
    """A code that was voided is not payable at a channel that keeps keys dead."""
    world = World(asks_payer=True)
    order = world.pay(world.placed(), CHANNEL).order
    world.at(30)
    world.channel.pay(f"{order.id}/1")
    assert world.channel.taken == 0
    request = ChargeRequest(f"{order.id}/1", order.id, 26997, "CNY")
    assert world.channel.lookup(request).status.value == "voided"


def test_l12_a_channel_has_no_say_in_other_commands() -> None:
    """The actor of a notification may neither cancel nor refund."""
    world, key = talking()
    tell(world, key, "captured")
    told = world.engine.journal(world.orders()[0].id)[-1]
    assert told.by == Actor(ActorKind.CHANNEL, "wechat")
    with world.refused(NotAllowed):
        world.engine.cancel(told.order_id, reason="no", key="c", by=told.by)
    with world.refused(NotAllowed):
        world.engine.refund(told.order_id, reason="no", key="r", by=told.by)


@pytest.mark.parametrize("state", ["capturing", "closing", "returning"])
def test_l10_an_old_decline_does_not_end_what_was_asked_for(state: str) -> None:
    """*Declined* of the payer's first try comes late: our own capture, close or undo is still to be answered."""
    now = AttemptState(state)
    assert settled(now, OutcomeStatus.DECLINED, told=True) is None
    assert settled(now, OutcomeStatus.DECLINED) is not None
    if now is AttemptState.RETURNING:
        assert settled(now, OutcomeStatus.DECLINED, taken=True) is None
        assert settled(now, OutcomeStatus.VOIDED, taken=True) is AttemptState.RETURNED
