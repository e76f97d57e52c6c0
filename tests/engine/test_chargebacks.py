"""What payers' banks take back: it is given back to nobody a second time, whenever the letter comes."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.engine.test_presale import ENDS, OPENS, Shop, deposit
from tests.engine.world import CHANNEL, SHOPPER, STAFF, World

from ordercore import Manifest, Money, tenders
from ordercore.adapters.memory import MemoryGateway
from ordercore.errors import InvalidInput, NotAllowed, OrdercoreError
from ordercore.order import evolve
from ordercore.tender import AttemptState, Capabilities, Chargeback, Notification, RefundStatus
from ordercore.tender.events import RefundRequested, RefundRerouted
from ordercore.testing import laws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore import Order


class Disputed(MemoryGateway):
    """A channel that also tells of chargebacks."""

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Read what `charged_back` wrote, or what a channel says."""
        if not body.startswith(b"back:"):
            return super().parse(headers, body)
        _, key, amount = body.decode().split(":")
        said = Chargeback(int(amount), 0, f"dispute-{key}", self._clock.now())
        return Notification(f"back-{key}-{amount}", key, said)


def charged_back(world: World, key: str, amount: int) -> None:
    """The payer's bank takes so much of an attempt back."""
    world.engine.notify("wechat", {}, f"back:{key}:{amount}".encode())


def split_payment(world: World) -> Order:
    """Order A, of which 100.00 was taken over a channel while another waits for its payer."""
    world.gateways["qr"] = MemoryGateway("qr", world.clock, asks_payer=True)
    world.engine = world.another()
    order = world.placed()
    world.pay(order, (tenders.Channel("wechat", Money("100.00", "CNY")), tenders.Channel("qr")))
    return order


@pytest.mark.parametrize("amount", [10_000, 4_000])
@pytest.mark.parametrize("end", ["cancel", "another", "time"])
def test_a_charged_back_attempt_of_a_failed_payment_is_not_paid_twice(
    end: str, amount: int
) -> None:
    """Whatever ends the payment: only what the payer's bank left goes back, as a refund, never by a void."""
    world = World(channel=Disputed)
    order = split_payment(world)
    charged_back(world, f"{order.id}/1", amount)
    if end == "cancel":
        world.engine.cancel(order.id, reason="changed my mind", key=world.key(), by=SHOPPER)
    elif end == "another":
        world.pay(order, (tenders.Channel("qr"),))
    else:
        world.clock.advance(timedelta(days=1))
        world.engine.sweep()
    now = world.get(order)
    assert now.payments.attempts[0].state is AttemptState.CAPTURED
    assert not now.payments.attempts[0].returned
    back = sum(leg.amount for part in now.payments.refunds for leg in part.legs if leg.arrived)
    assert back == 10_000 - amount
    assert world.channel.taken == amount
    if end != "another":
        assert not now.payments.in_flight
        assert now.state == "closed"
        assert now.owed == 0


def test_of_a_deposit_charged_back_in_part_what_is_kept_is_not_refunded_too() -> None:
    """Of 120.00 the bank took 60.00; the other 60.00 are forfeited, so nothing goes back."""
    shop = Shop(deposit("120.00"), channel=Disputed)
    shop.pay()
    charged_back(shop.world, f"{shop.id}/1", 6_000)
    shop.at(OPENS)
    shop.at(ENDS)
    payments = shop.now.payments
    assert shop.now.state == "forfeited"
    assert payments.forfeited == 6_000
    assert payments.refunds == ()
    assert shop.world.channel.taken == 12_000  # the bank has 60.00 of them, the shop the rest


def stranded(world: World) -> tuple[Order, str]:
    """Order A with one refund of 89.99 that arrived and one that the payer's bank forestalled."""
    world.channel = Disputed(
        "wechat", world.clock, capabilities=Capabilities(refund_spacing=timedelta(minutes=1))
    )
    world.gateways["wechat"] = world.channel
    world.engine = world.another()
    order = world.paid(CHANNEL)
    world.refund(order, "1")
    world.engine.refund(
        order.id, Manifest.of({"2": 1}), reason="broken", consent="agreed by phone",
        key=world.key(), by=STAFF,
    )  # fmt: skip
    charged_back(world, f"{order.id}/1", 26_997 - 8_999)
    now = world.get(order)
    return now, now.payments.refunds[1].id


@pytest.mark.parametrize("to", ["balance", ""])
def test_what_the_payers_bank_took_goes_back_by_no_other_way(to: str) -> None:
    """A leg that failed since the bank has the money is not rerouted: the payer has it already."""
    world = World(channel=Disputed)
    order, refund = stranded(world)
    assert order.payments.refund(refund).legs[0].status is RefundStatus.FAILED
    with pytest.raises(NotAllowed, match="went back through the payer's bank"):
        world.engine.reroute_refund(
            order.id, refund, 0, to=to, reason="again", key=world.key(), by=STAFF
        )
    now = world.get(order)
    assert now.payments.refund(refund).legs[0].status is RefundStatus.FAILED
    assert world.balance.credited == 0
    laws.refunds_bounded(now.payments)


def test_a_leg_that_failed_for_another_cause_still_goes_another_way() -> None:
    """The bank took 100.00 of 269.97, and 89.99 of the rest are to go back: they may go to the balance."""
    world = World(channel=Disputed)
    order = world.paid(CHANNEL)
    world.channel.fail_refunds("")
    world.refund(order, "1")
    charged_back(world, f"{order.id}/1", 10_000)
    now = world.get(order)
    part = now.payments.refunds[0]
    assert part.legs[0].status is RefundStatus.FAILED
    world.engine.reroute_refund(
        order.id, part.id, 0, to="balance", consent="agreed", reason="card expired",
        key=world.key(), by=STAFF,
    )  # fmt: skip
    assert world.balance.credited == 8_999
    laws.refunds_bounded(world.get(order).payments)


def test_l10_a_chargeback_told_before_the_payment_is_not_lost() -> None:
    """Both letters, in either order, lead to the same order and the same books."""
    found: list[Any] = []
    for letters in permutations(["paid", "back"]):
        world = World(channel=Disputed, asks_payer=True)
        order = world.placed()
        world.pay(order, CHANNEL)
        key = f"{order.id}/1"
        paid = world.channel.pay(key)
        for letter in letters:
            if letter == "paid":
                world.engine.notify("wechat", {}, paid)
            else:
                charged_back(world, key, 26_997)
        now = world.get(order)
        found.append((now.state, now.payments.attempts[0].charged_back, world.books()))
    assert found[0] == found[1]
    assert found[0][:2] == ("paid", 26_997)


def test_a_chargeback_above_what_was_paid_is_refused_and_the_payment_it_told_of_stands() -> None:
    """The channel, asked for the payment, tells that it came; more than that cannot be taken back."""
    world = World(channel=Disputed, asks_payer=True)
    order = world.placed()
    world.pay(order, CHANNEL)
    world.channel.pay(f"{order.id}/1")
    with pytest.raises(InvalidInput, match="at most 26997"):
        charged_back(world, f"{order.id}/1", 26_998)
    now = world.get(order)
    assert (now.state, now.payments.attempts[0].charged_back) == ("paid", 0)


def spares_the_bank(world: World, order: Order) -> None:
    """Hold against each event by which money was asked back what its attempts then still held."""
    told: Order | None = None
    for news in world.engine.journal(order.id):
        event = news.event
        told = evolve(told, event, news.at)
        if isinstance(event, RefundRequested):
            names = {leg.attempt for leg in event.refund.legs}
        elif isinstance(event, RefundRerouted):
            names = {told.payments.refund(event.refund).leg(event.leg).attempt}
        else:
            continue
        legs = [leg for refund in told.payments.refunds for leg in refund.legs]
        for name in names:
            attempt = told.payments.attempt(name)
            claimed = [
                leg.paid
                for leg in legs
                if leg.attempt == name and leg.status is not RefundStatus.FAILED
            ]
            held = attempt.captured - attempt.returned - attempt.charged_back
            assert sum(claimed) <= held


@given(
    steps=st.lists(
        st.sampled_from(["back", "refund 1", "refund 2", "fail", "mend", "reroute", "wait", "end"]),
        max_size=8,
    ),
    amount=st.sampled_from([1, 8_999, 10_000, 17_998, 26_997]),
)
@example(steps=["back", "reroute"], amount=26_997)
@example(steps=["mend", "back", "refund 1", "wait", "reroute", "end"], amount=10_000)
def test_l8_no_refund_asks_for_what_the_payers_bank_took(steps: list[str], amount: int) -> None:
    """Refunds, failures, other ways and chargebacks in any order: each asks only for what is still held."""
    world = World(channel=Disputed)
    order = world.paid(CHANNEL)
    world.channel.fail_refunds("")
    world.refund(order, "3")
    for step in steps:
        try:
            if step == "back":
                charged_back(world, f"{order.id}/1", amount)
            elif step.startswith("refund"):
                world.refund(order, step[-1])
            elif step == "fail":
                world.channel.fail_refunds("")
            elif step == "mend":
                world.channel.mend("")
            elif step == "wait":
                world.clock.advance(timedelta(hours=1))
                world.engine.sweep()
            elif step == "end":
                world.engine.cancel(order.id, reason="sold out", key=world.key(), by=STAFF)
            else:
                for part in world.get(order).payments.refunds:
                    world.engine.reroute_refund(
                        order.id, part.id, 0, to="balance", consent="agreed", reason="again",
                        key=world.key(), by=STAFF,
                    )  # fmt: skip
        except OrdercoreError:
            continue
    spares_the_bank(world, order)
    world.check(settled=False)
