"""Refunds that come back: the channel said that the payer has the money, and the payer's bank returned it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import attrs
from tests.engine.test_news import Telling, tell
from tests.engine.world import CHANNEL, STAFF, World, world_policies

from ordercore import standing
from ordercore.order.posting import posting
from ordercore.order.standing import PaymentStanding
from ordercore.tender import RefundStatus, StrandedRefund
from ordercore.tender.events import RefundAnswered

PAID = 26997


def shop(stranded: StrandedRefund = StrandedRefund.ALERT) -> World:
    """A shop whose channel accepts refunds and tells later what became of them."""
    policies = world_policies()
    payments = attrs.evolve(policies.payments, stranded=stranded)
    policies = attrs.evolve(policies, payments=payments)
    return World(channel=Telling, refunds_arrive=False, policies=policies)


def refunded(world: World, **how: Any) -> tuple[Any, str]:
    """An order of which all was asked back, and the key of the refund's leg."""
    order = world.paid(CHANNEL)
    made = world.engine.refund(order.id, reason="broken", key="r", by=STAFF, **how)
    return made.order, f"{made.refund.id}#0"


def leg_of(world: World) -> Any:
    """The leg as it stands."""
    return world.orders()[0].payments.refunds[0].legs[0]


def alerts(world: World) -> int:
    """How often somebody was told to look."""
    told = world.engine.journal(world.orders()[0].id)
    return len([e for e in told if e.event.name == "order.refund_delayed"])


def test_a_refund_that_bounces_after_it_arrived_is_open_again() -> None:
    """The books owe it once more, the standing says so, and somebody is told."""
    world = shop()
    order, key = refunded(world)
    tell(world, key, "arrived")
    assert (world.get(order).state, world.books()) == ("refunded", {})
    tell(world, key, "failed")
    assert leg_of(world).status is RefundStatus.FAILED
    assert world.books() == {"clearing:wechat": PAID, "refunds_in_transit": -PAID}
    assert standing(world.get(order)).payment is not PaymentStanding.REFUNDED
    assert alerts(world) == 1
    told = [e.event for e in world.engine.journal(order.id) if isinstance(e.event, RefundAnswered)]
    assert [e.amount for e in told if e.status is not RefundStatus.ACCEPTED] == [PAID, -PAID]


def test_l10_every_permutation_of_the_news_of_a_refund_that_bounced_ends_in_one_standing() -> None:
    """*Failed* under a key is for good, whatever else is told of that key, before it or after it."""
    for news in set(
        permutations(("accepted", "unknown", "arrived", "arrived", "failed", "failed"))
    ):
        world = shop()
        _, key = refunded(world)
        for i, status in enumerate(news):
            tell(world, key, status, id=f"e-{i}")
        assert leg_of(world).status is RefundStatus.FAILED, news
        assert world.books() == {"clearing:wechat": PAID, "refunds_in_transit": -PAID}, news
        assert alerts(world) == 1, news


def test_a_bounced_refund_goes_to_the_balance_where_policy_and_customer_say_so() -> None:
    """As one that failed at once: the customer has the money in the same moment."""
    world = shop(StrandedRefund.TO_BALANCE)
    before = world.balance.balance("c1")
    order, key = refunded(world, consent="by mail")
    tell(world, key, "arrived")
    tell(world, key, "failed")
    assert world.balance.balance("c1") == before + PAID
    assert (leg_of(world).status, leg_of(world).gateway) == (RefundStatus.ARRIVED, "balance")
    assert standing(world.get(order)).payment is PaymentStanding.REFUNDED
    books = {"clearing:wechat": PAID, "stored_value_liability:balance": -PAID}
    assert world.books() == books


def test_a_bounced_refund_may_be_asked_again_and_old_news_does_not_reach_the_new_way() -> None:
    """Staff sends it again under a key of its own; what is told of the first key changes nothing."""
    world = shop()
    order, key = refunded(world)
    tell(world, key, "arrived")
    tell(world, key, "failed")
    name = order.payments.refunds[0].id
    world.channel._refunds.clear()  # the money is back at the channel
    world.channel._charges[f"{order.id}/1"].refunded = 0
    world.engine.reroute_refund(
        order.id, name, 0, to="", reason="a new card", key="again", by=STAFF
    )
    for i, status in enumerate(("failed", "arrived", "failed")):
        tell(world, key, status, id=f"late-{i}")
    assert leg_of(world).status is RefundStatus.ACCEPTED
    tell(world, f"{key}x1", "arrived")
    assert (leg_of(world).status, world.books()) == (RefundStatus.ARRIVED, {})


def test_l9_an_arrival_and_its_bounce_in_one_change_leave_the_books_as_they_were() -> None:
    """Both are posted, the second from what the first made of the order."""
    world = shop()
    order, _ = refunded(world)
    name = order.payments.refunds[0].id
    told = [RefundAnswered(name, 0, s) for s in (RefundStatus.ARRIVED, RefundStatus.FAILED)]
    sums: dict[str, int] = {}
    for entry in posting(order, tuple(told)):
        sums[entry.account.value] = sums.get(entry.account.value, 0) + entry.amount
    assert set(sums.values()) == {0}
    assert sums
