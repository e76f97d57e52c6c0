"""Refunds on their way: what channels allow, what goes as one, and what becomes of a part that cannot go back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import SHOPPER, STAFF, THREE, World

from ordercore import (
    Actor,
    ActorKind,
    Cart,
    CartLine,
    Manifest,
    Money,
    NotAllowed,
    NotFound,
    Order,
    Party,
    Percent,
    Policies,
    PricingPolicy,
    TaxPolicy,
    tenders,
)
from ordercore.adapters.memory import MemoryGateway
from ordercore.adapters.memory.gateway import Captures
from ordercore.engine.flow import run
from ordercore.engine.shop import record
from ordercore.errors import GatewayError, InvalidInput, InvalidManifest
from ordercore.order import NoteChargeback
from ordercore.tender import (
    Capabilities,
    CaptureMoment,
    ChannelPolicy,
    ChannelRule,
    PaymentPolicy,
    RefundRequest,
    RefundSplit,
    RefundStatus,
    StrandedRefund,
)
from ordercore.testing import laws
from ordercore.testing.simulation import STEPS_MAX, Fault, Simulation, Walk

WECHAT = Capabilities(
    refunds_max=50, refund_spacing=timedelta(seconds=60), refund_window=timedelta(days=365)
)
"""WeChat Pay's bounds: 50 refunds of a payment, a minute apart, within a year."""
S = RefundSplit
CHANNEL = Actor(ActorKind.CHANNEL, "wechat")


class WatchedGateway(MemoryGateway):
    """A channel that notes every refund it is asked for, and those that it refuses to look at."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.asked: list[tuple[str, int]] = []
        self.too_fast: list[str] = []

    def refund(self, request: RefundRequest) -> Any:
        """Note it, and do it."""
        if request.key not in [key for key, _ in self.asked]:
            self.asked.append((request.key, request.amount))
        try:
            return super().refund(request)
        except GatewayError:
            self.too_fast.append(request.key)
            raise


def policies(stranded: StrandedRefund = StrandedRefund.ALERT, **payments: Any) -> Policies:
    """Tax of 13 % within the price; what becomes of a refund that is stranded."""
    return Policies(
        pricing=PricingPolicy(tax=TaxPolicy(default=Percent.of("13"))),
        payments=PaymentPolicy(stranded=stranded, **payments),
    )


def shop(capabilities: Capabilities = WECHAT, **options: Any) -> World:
    """A shop whose channel has bounds."""
    options = {"channel": WatchedGateway, "stocked": False, **options}
    return World(capabilities=capabilities, **options)  # type: ignore[arg-type]


def many(world: World, units: int = 60, account: str = "") -> Order:
    """An order of many units of 1.00, paid over the channel."""
    lines = (CartLine("SKU-1", units, Money("1.00", "CNY")),)
    cart = Cart("CNY", lines, customer=Party("c1"))
    order = world.engine.place(world.engine.quote(cart), key=world.key(), by=SHOPPER)
    world.pay(order, (tenders.Channel("wechat", account=account),))
    return world.get(order)


def back(world: World, order: Order, units: int = 1, **how: Any) -> Any:
    """Refund units of the first line."""
    goods = Manifest.of({"1": units})
    fields = {"reason": "broken", "key": world.key(), "by": STAFF, **how}
    return world.engine.refund(order.id, goods, **fields)


def later(world: World, **span: float) -> None:
    """Let time pass and sweep until nothing more is due."""
    world.clock.advance(timedelta(**span))
    for _ in range(10):
        done = world.engine.sweep()
        assert done.failed == ()
        if not done.served and not done.moved:
            break


def statuses(world: World, order: Order) -> list[str]:
    """Where each leg of the order's refunds stands."""
    refunds = world.get(order).payments.refunds
    return [leg.status.value if leg.status else "-" for r in refunds for leg in r.legs]


def events(world: World, order: Order, name: str) -> list[Any]:
    """The order's events of one name."""
    return [told.event for told in world.engine.journal(order.id) if told.event.name == name]


# --- Case 1 -------------------------------------------------------------------------------------


def test_case_1_declared_refunds_of_order_a() -> None:
    """Line 2: 1,234 points, 50.00 and 27.65; lines 1 and 3: 89.99 each over WeChat, which gives 207.63 in all."""
    world = World()
    order = world.paid(THREE)
    found = []
    for line in ("2", "1", "3"):
        result = world.engine.refund(
            order.id, Manifest.of({line: 1}), reason="broken", split=S.DECLARED,
            key=f"r{line}", by=STAFF,
        )  # fmt: skip
        found.append([(leg.amount, leg.points) for leg in result.refund.legs])
        world.check()
    assert found == [[(1234, 1234), (5000, 0), (2765, 0)], [(8999, 0)], [(8999, 0)]]
    assert world.accounts()[:2] == (5000, 10_000)
    assert world.channel.taken == 0
    assert world.get(order).state == "refunded"
    assert world.books() == {}
    assert len(events(world, order, "payment.resolved")) == 1


@given(st.permutations("123"), st.lists(st.sampled_from(S), min_size=3, max_size=3))
def test_l8_l9_and_l25_any_splits_in_any_order_give_all_back(
    lines: list[str], splits: list[RefundSplit]
) -> None:
    """The books balance at each step, and at the end every tender has given back what it took."""
    world = World()
    order = world.paid(THREE)
    for line, split in zip(lines, splits, strict=True):
        consent = "by telephone" if split is S.TO_BALANCE else ""
        result = world.engine.refund(
            order.id, Manifest.of({line: 1}), reason="broken", split=split, consent=consent,
            key=line, by=STAFF,
        )  # fmt: skip
        assert result.refund.amount == 8999
        world.check()
    now = world.get(order)
    assert now.state == "refunded"
    assert [now.payments.left(attempt) for attempt in now.payments.attempts] == [0, 0, 0]
    assert world.points.balance("c1") == 5000
    credited = world.balance.balance("c1") - 10_000
    assert credited == world.channel.taken


@given(
    st.lists(
        st.tuples(st.sampled_from([{"1": 1}, {"2": 2}, {"1": 1, "2": 1}]), st.sampled_from(S)),
        max_size=6,
    ),
    st.lists(st.sampled_from([10, 61, 200]), min_size=6, max_size=6),
)
def test_l8_and_l9_hold_over_a_channel_with_a_spacing(
    asked: list[tuple[dict[str, int], RefundSplit]], pauses: list[int]
) -> None:
    """Whatever waits and goes as one, the channel is never asked too soon, and gives back what was asked."""
    world = shop()
    lines = (
        CartLine("SKU-1", 3, Money("33.33", "CNY")),
        CartLine("SKU-2", 4, Money("7.77", "CNY")),
    )
    cart = Cart("CNY", lines, customer=Party("c1"))
    order = world.engine.place(world.engine.quote(cart), key="k", by=SHOPPER)
    world.pay(order, THREE)
    for (goods, split), pause in zip(asked, pauses, strict=False):
        with suppress(NotAllowed, InvalidManifest):
            world.engine.refund(
                order.id, Manifest.of(goods), reason="no", split=split, consent="yes",
                key=world.key(), by=STAFF,
            )  # fmt: skip
        later(world, seconds=pause)
        world.check()
    later(world, seconds=120)
    assert world.channel.too_fast == []
    assert set(statuses(world, order)) <= {"arrived"}
    world.check()


# --- What channels allow ------------------------------------------------------------------------


def test_wechat_60_seconds_apart_what_waits_goes_as_one() -> None:
    """The first goes at once; what is asked within the minute goes together when it is over."""
    world = shop()
    order = many(world)
    first = back(world, order)
    assert [leg.status for leg in first.refund.legs] == [RefundStatus.ARRIVED]
    world.clock.advance(timedelta(seconds=10))
    second, third = back(world, order, 2), back(world, order, 3)
    assert [leg.status for leg in (*second.refund.legs, *third.refund.legs)] == [None, None]
    assert [amount for _, amount in world.channel.asked] == [100]
    later(world, seconds=49)
    assert [amount for _, amount in world.channel.asked] == [100]
    later(world, seconds=1)
    assert world.channel.asked[1:] == [(f"{second.refund.id}#0", 500)]
    assert statuses(world, order) == ["arrived"] * 3
    sent = events(world, order, "refund.sent")
    assert [len(event.legs) for event in sent] == [1, 2]
    moved = [e.amount for e in events(world, order, "refund.answered")]
    assert moved == [100, 500, 0]
    assert world.channel.too_fast == []
    world.check()


def test_wechat_50_refunds_the_51st_is_answered_without_a_call() -> None:
    """The last call takes all that waits; what comes after it is failed, and somebody is told."""
    world = shop()
    order = many(world)
    for _ in range(49):
        back(world, order)
        world.clock.advance(timedelta(seconds=61))
    back(world, order)
    world.clock.advance(timedelta(seconds=61))
    late = back(world, order)
    assert [leg.status for leg in late.refund.legs] == [RefundStatus.FAILED]
    assert "at most 50 times" in late.refund.legs[0].reason
    assert len(world.channel.asked) == 50
    assert [e.refund for e in events(world, order, "order.refund_delayed")] == [late.refund.id]
    assert world.channel.too_fast == []
    world.check()


def test_wechat_50_refunds_what_waits_for_the_last_call_goes_with_it() -> None:
    """Three refunds within the minute after the 49th are its 50th."""
    world = shop()
    order = many(world)
    for _ in range(48):
        back(world, order)
        world.clock.advance(timedelta(seconds=61))
    for _ in range(4):
        back(world, order)
    later(world, seconds=61)
    assert [amount for _, amount in world.channel.asked[48:]] == [100, 300]
    assert statuses(world, order) == ["arrived"] * 52
    world.check()


@pytest.mark.parametrize("spacing", [0, 60])
def test_wechat_365_days_a_later_refund_is_answered_without_a_call(spacing: int) -> None:
    """On the last day it goes; after it, it is failed with the reason."""
    bounds = Capabilities(
        refund_spacing=timedelta(seconds=spacing), refund_window=timedelta(days=365)
    )
    world = shop(bounds)
    order = many(world)
    world.clock.advance(timedelta(days=365))
    assert back(world, order).refund.legs[0].status is RefundStatus.ARRIVED
    world.clock.advance(timedelta(seconds=61))
    late = back(world, order)
    assert late.refund.legs[0].status is RefundStatus.FAILED
    assert "within 365 days" in late.refund.legs[0].reason
    assert len(world.channel.asked) == 1
    world.check()


def test_a_channel_without_a_spacing_keeps_its_number_too() -> None:
    """Of three refunds over a channel that takes two, the third is not sent, and stays so when others are tried."""
    world = shop(Capabilities(refunds_max=2))
    order = many(world)
    made = [back(world, order).refund.legs[0].status for _ in range(3)]
    assert made == [RefundStatus.ARRIVED, RefundStatus.ARRIVED, RefundStatus.FAILED]
    assert len(world.channel.asked) == 2


@pytest.mark.parametrize(("spacing", "commits"), [(0, 2), (60, 3)])
def test_a_spacing_costs_one_commit(spacing: int, commits: int) -> None:
    """Asked and answered; where there is a spacing, that it is sent is written down before."""
    world = shop(Capabilities(refund_spacing=timedelta(seconds=spacing)))
    order = many(world)
    before = len(world.engine.journal(order.id))
    back(world, order)
    told = world.engine.journal(order.id)[before:]
    names = [entry.event.name for entry in told if entry.event.name != "stock.withdrawn"]
    commands = list(dict.fromkeys(entry.command for entry in told))
    assert len(commands) == commits, names


def test_a_lost_answer_is_asked_again_under_the_same_key_with_the_same_amount() -> None:
    """What was sent as one stays as it was sent, though more is asked back meanwhile."""
    world = shop()
    order = many(world)
    back(world, order)
    back(world, order, 2)
    back(world, order, 3)
    world.clock.advance(timedelta(seconds=60))
    simulation = Simulation(world.engine)
    walk = simulation.sweep()
    while "refund" not in walk.step.name:
        walk.go()
    walk.go()
    walk.crash()
    assert [amount for _, amount in world.channel.asked] == [100, 500]
    assert statuses(world, order) == ["arrived", "-", "-"]
    back(world, order, 4)
    later(world, seconds=130)
    assert [amount for _, amount in world.channel.asked] == [100, 500, 400]
    assert statuses(world, order) == ["arrived"] * 4
    assert world.channel.taken == 6000 - 1000
    world.check()


def test_a_notification_about_several_legs_answers_all_of_them() -> None:
    """The channel knows one refund; every leg that went with it has arrived."""
    world = shop(refunds_arrive=False)
    order = many(world)
    first = back(world, order)
    back(world, order, 2)
    back(world, order, 3)
    later(world, seconds=60)
    assert statuses(world, order) == ["accepted"] * 3
    _, key = [key for key, _ in world.channel.asked]
    world.engine.notify("wechat", {}, world.channel.arrive(key))
    assert statuses(world, order) == ["accepted", "arrived", "arrived"]
    assert world.books()["refunds_in_transit"] == -100
    world.engine.notify("wechat", {}, world.channel.arrive(f"{first.refund.id}#0"))
    world.check()


# --- What cannot go back by its way -------------------------------------------------------------


def test_an_expired_card_is_paid_to_the_balance_with_consent() -> None:
    """By policy and with the customer's word the balance gets what the card cannot take, once."""
    world = shop(policies=policies(StrandedRefund.TO_BALANCE))
    order = many(world, account="card-1")
    world.channel.fail_refunds("card-1")
    result = back(world, order, 5, consent="agreed on the telephone")
    leg = result.refund.legs[0]
    assert (leg.status, leg.gateway, leg.account, leg.tries) == (
        RefundStatus.ARRIVED, "balance", "c1", 1,
    )  # fmt: skip
    assert world.balance.balance("c1") == 10_000 + 500
    assert world.channel.taken == 6000
    assert world.books()["stored_value_liability:balance"] == -500
    rerouted = events(world, order, "refund.rerouted")
    assert [(e.gateway, e.consent) for e in rerouted] == [("balance", "agreed on the telephone")]
    assert events(world, order, "order.refund_delayed") == []
    world.check()


@pytest.mark.parametrize(
    ("stranded", "consent"),
    [(StrandedRefund.ALERT, "yes"), (StrandedRefund.TO_BALANCE, "")],
    ids=["the policy says no", "the customer was not asked"],
)
def test_an_expired_card_alerts_without_policy_or_consent(
    stranded: StrandedRefund, consent: str
) -> None:
    """It is failed, counts as asked back all the same, and somebody is told at once."""
    world = shop(policies=policies(stranded))
    order = many(world, account="card-1")
    world.channel.fail_refunds("card-1")
    result = back(world, order, 5, consent=consent)
    assert result.refund.legs[0].status is RefundStatus.FAILED
    assert result.refund.legs[0].reason == "the card has expired"
    assert len(events(world, order, "order.refund_delayed")) == 1
    now = world.get(order)
    assert now.payments.refunded == 500
    assert world.books()["refunds_in_transit"] == -500
    assert now.refundable() == Manifest.of({"1": 55})
    world.check()


def test_staff_lets_a_failed_part_go_by_another_way() -> None:
    """With the customer's word, once under a key; the same way again where nobody names another."""
    world = shop()
    order = many(world, account="card-1")
    world.channel.fail_refunds("card-1")
    name = back(world, order, 5).refund.id
    how: dict[str, Any] = {"reason": "the card is gone", "by": STAFF}
    with world.refused(NotAllowed) as caught:
        world.engine.reroute_refund(order.id, name, 0, key="a", **how)
    assert "consent" in caught.value.reason
    with world.refused(NotAllowed):
        world.engine.reroute_refund(order.id, name, 0, to="wechat", consent="yes", key="a", **how)
    with world.refused(NotFound):
        world.engine.reroute_refund(order.id, name, 0, to="purse", consent="yes", key="a", **how)
    with world.refused(NotAllowed):
        world.engine.reroute_refund(
            order.id, name, 0, consent="yes", key="a", reason="no", by=SHOPPER
        )
    again = world.engine.reroute_refund(order.id, name, 0, to="", key="b", **how)
    assert again.refund.legs[0].status is None  # a minute after the first try
    later(world, seconds=60)
    assert [key for key, _ in world.channel.asked] == [f"{name}#0", f"{name}#0x1"]
    assert statuses(world, order) == ["failed"]
    for _ in range(2):
        done = world.engine.reroute_refund(
            order.id, name, 0, consent="in the shop", account="c9", key="c", **how
        )
    leg = done.refund.legs[0]
    assert (leg.status, leg.gateway, leg.account) == (RefundStatus.ARRIVED, "balance", "c9")
    assert done.refund.consent == "in the shop"
    assert world.balance.balance("c9") == 500
    with world.refused(NotAllowed) as caught:
        world.engine.reroute_refund(order.id, name, 0, consent="yes", key="d", **how)
    laws.trial_balance_is_zero(world.engine.trial_balance())


def test_a_card_that_is_mended_is_tried_again() -> None:
    """The second try has a key of its own, and respects the spacing as any other."""
    world = shop()
    order = many(world, account="card-1")
    world.channel.fail_refunds("card-1")
    name = back(world, order, 5).refund.id
    world.channel.mend("card-1")
    back(world, order, 1)
    world.engine.reroute_refund(order.id, name, 0, to="", reason="a new card", key="b", by=STAFF)
    assert statuses(world, order) == ["-", "-"]
    later(world, seconds=60)
    assert statuses(world, order) == ["arrived", "arrived"]
    assert world.channel.asked[1:] == [(f"{name}#0x1", 600)]
    assert world.channel.taken == 6000 - 600
    assert world.channel.too_fast == []
    world.check()


def test_legs_that_failed_as_one_go_on_by_themselves() -> None:
    """Each has a key of its own on its next way."""
    world = shop(policies=policies(StrandedRefund.TO_BALANCE))
    order = many(world, account="card-1")
    back(world, order, 1, consent="yes")
    back(world, order, 2, consent="yes")
    back(world, order, 3)
    world.channel.fail_refunds("card-1")
    later(world, seconds=60)
    assert statuses(world, order) == ["arrived", "arrived", "failed"]
    assert world.balance.balance("c1") == 10_200
    assert len(events(world, order, "order.refund_delayed")) == 1
    world.check()


def test_late_news_of_a_way_that_failed_changes_nothing() -> None:
    """The channel tells once more that the card has expired, when the balance has been paid."""
    world = shop(policies=policies(StrandedRefund.TO_BALANCE), refunds_arrive=False)
    order = many(world)
    key = f"{back(world, order, 5, consent='yes').refund.id}#0"
    assert statuses(world, order) == ["accepted"]
    told = world.channel.bounce(key)
    world.engine.notify("wechat", {}, told)
    assert statuses(world, order) == ["arrived"]
    before = world.get(order)
    world.engine.notify("wechat", {}, told)
    assert world.get(order) == before
    assert world.balance.balance("c1") == 10_500
    world.check()


def test_a_refund_to_balance_needs_consent_and_an_account() -> None:
    """Without the customer's word it is refused and nothing changes; with it the account is credited once."""
    world = World()
    order = world.paid(THREE)
    one = Manifest.of({"2": 1})
    how: dict[str, Any] = {"reason": "no", "split": S.TO_BALANCE, "by": STAFF}
    with world.refused(NotAllowed) as caught:
        world.engine.refund(order.id, one, key="r", **how)
    assert "consent" in caught.value.reason
    with world.refused(InvalidInput):
        world.engine.refund(order.id, one, key="r", reason="no", split="x", by=STAFF)  # type: ignore[arg-type]
    done = world.engine.refund(order.id, one, key="r", consent="yes", **how)
    again = world.engine.refund(order.id, one, key="r", consent="yes", **how)
    assert again == done
    assert [(leg.amount, leg.gateway) for leg in done.refund.legs] == [
        (411, ""), (1667, ""), (6921, "balance"),
    ]  # fmt: skip
    assert world.accounts()[:2] == (5000 - 1234 + 411, 10_000 - 5000 + 1667 + 6921)
    assert world.channel.taken == 20763
    world.check()
    other = world.engine.refund(
        order.id, Manifest.of({"1": 1}), key="r2", consent="yes", to="c7", **how
    )
    assert world.balance.balance("c7") == other.refund.legs[2].amount + other.refund.legs[1].amount


def test_a_shop_without_accounts_refunds_to_none() -> None:
    """Where the policy's balance gateway puts no money on accounts, a refund to balance is refused."""
    world = World(policies=policies(balance="wechat"))
    order = world.paid((tenders.Channel("wechat"),))
    with world.refused(NotAllowed) as caught:
        world.engine.refund(
            order.id, reason="no", split=S.TO_BALANCE, consent="yes", key="r", by=STAFF
        )
    assert "accounts" in caught.value.reason


def test_a_credit_that_cannot_be_made_alerts_and_goes_no_further() -> None:
    """The balance itself is closed: no third way is tried by itself."""
    world = shop(policies=policies(StrandedRefund.TO_BALANCE))
    order = many(world, account="card-1")
    world.channel.fail_refunds("card-1")
    world.balance.fail_refunds("c1", "the account is closed")
    leg = back(world, order, 5, consent="yes").refund.legs[0]
    assert (leg.status, leg.reason) == (RefundStatus.FAILED, "the account is closed")
    assert len(events(world, order, "order.refund_delayed")) == 1


def test_a_rerouted_leg_that_does_not_arrive_alerts_by_policy() -> None:
    """The alert of the refund stands on its new way: five days after it was asked."""
    world = shop(policies=policies(StrandedRefund.TO_BALANCE))
    order = many(world, account="card-1")
    world.channel.fail_refunds("card-1")

    def silent(_request: Any) -> Any:
        raise GatewayError("not today")

    world.balance.credit = silent  # type: ignore[method-assign]
    start = world.clock.now()
    back(world, order, 5, consent="yes")
    assert statuses(world, order) == ["-"]
    for _ in range(24 * 6):
        later(world, hours=1)
    told = [
        t.at - start
        for t in world.engine.journal(order.id)
        if t.event.name == "order.refund_delayed"
    ]
    assert told == [timedelta(days=5)]


# --- Chargebacks --------------------------------------------------------------------------------


def charge_back(world: World, order: Order, amount: int, attempt: int = 1) -> None:
    """The payer's bank takes money back over an attempt."""
    command = NoteChargeback(f"{order.id}/{attempt}", amount)
    run(record(world.engine.shop, world.get(order), command, CHANNEL))


def test_l8_a_chargeback_meets_a_refund_that_waits() -> None:
    """The bank took all of it while the refund waited: the channel is not asked, and nothing is paid twice."""
    world = shop(policies=policies(StrandedRefund.TO_BALANCE))
    order = many(world)
    back(world, order, 1)
    waits = back(world, order, 5, consent="yes")
    charge_back(world, order, 5600)
    later(world, seconds=61)
    assert [amount for _, amount in world.channel.asked] == [100]
    leg = world.get(order).payments.refund(waits.refund.id).legs[0]
    assert (leg.status, leg.gateway) == (RefundStatus.FAILED, "")
    assert "bank" in leg.reason
    assert world.balance.balance("c1") == 10_000
    assert len(events(world, order, "order.refund_delayed")) == 1


def test_l8_a_chargeback_meets_a_refund_whose_answer_was_lost() -> None:
    """The channel is asked what it knows of it, and never to pay."""
    for made in (True, False):
        world = shop(Capabilities())
        order = many(world)
        simulation = Simulation(world.engine)
        walk = simulation.refund(order.id, Manifest.of({"1": 5}), reason="no", key="r", by=STAFF)
        while walk.step is not None and "Gateway.refund" not in walk.step.name:
            walk.go()
        error = GatewayError("no answer")
        (walk.lose if made else walk.fail)(error)
        walk.finish()
        charge_back(world, order, 5700)
        later(world, seconds=61)
        assert statuses(world, order) == ["arrived" if made else "failed"]
        assert world.channel.taken == 6000 - (500 if made else 0)


def test_l8_after_a_chargeback_a_refund_gives_what_is_left() -> None:
    """A part is refused with what is left; everything means everything that the bank left."""
    world = World()
    order = world.paid(THREE)
    charge_back(world, order, 20_000, attempt=3)
    with world.refused(NotAllowed) as caught:
        world.refund(order, "2")
    assert caught.value.data["left"] == 763
    now = world.refund(order)
    assert [leg.amount for leg in now.payments.refunds[0].legs] == [1234, 5000, 763]
    assert now.state == "refunded"
    assert world.channel.taken == 20_000
    with world.refused(NotAllowed):
        world.refund(order)


def test_l21_an_order_that_the_bank_took_back_is_canceled_and_owes_nothing() -> None:
    """There is nothing to give back: it ends closed, without a refund."""
    world = shop()
    order = many(world)
    charge_back(world, order, 6000)
    with world.refused(NotAllowed) as caught:
        back(world, order)
    assert "bank" in caught.value.reason
    now = world.engine.cancel(order.id, reason="no", key="c", by=STAFF)
    assert (now.state, now.owed, now.payments.refunds) == ("closed", 0, ())


# --- Money that was only held, and what staff says ----------------------------------------------


def held(world: World, *rows: str) -> Order:
    """Order A, whose money over the channel is held until somebody takes it."""
    order = world.paid(THREE)
    assert [a.state.value for a in order.payments.attempts] == [
        "captured",
        "captured",
        "authorized",
    ]
    for row in rows:
        order = world.refund(order, row)
    return order


def by_hand(**options: Any) -> World:
    """A shop that takes money over its channel by hand, in several parts."""
    rule = ChannelRule("wechat", capture=CaptureMoment.BY_HAND)
    rules = attrs.evolve(policies(), channels=ChannelPolicy((rule,)))
    return World(policies=rules, authorizes_first=True, captures=Captures.SEVERAL, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("split", [S.BY_ROW, S.REVERSE, S.DECLARED, S.PRO_RATA])
def test_l8_money_that_was_only_held_is_let_go_and_no_channel_is_asked(split: RefundSplit) -> None:
    """Over any split: the held part has arrived at once, the capture that comes later takes so much less."""
    world = by_hand(channel=WatchedGateway)
    order = held(world)
    result = world.engine.refund(
        order.id, Manifest.of({"2": 1}), reason="no", split=split, key="r", by=STAFF
    )
    freed = sum(leg.amount for leg in result.refund.legs if leg.released)
    assert {leg.status for leg in result.refund.legs} == {RefundStatus.ARRIVED}
    assert world.channel.asked == []
    attempt = result.order.payments.attempts[2]
    assert (attempt.released, attempt.to_capture) == (freed, 20763 - freed)
    world.engine.capture(order.id, key="c", by=STAFF)
    assert world.channel.taken == 20763 - freed
    world.check(settled=False)


def test_of_money_partly_taken_the_held_part_goes_first() -> None:
    """Two legs over one attempt: what was only held is let go, the rest goes back over the channel."""
    world = by_hand(channel=WatchedGateway)
    order = held(world)
    world.engine.capture(order.id, Money("150.00", "CNY"), key="c", by=STAFF)
    result = world.engine.refund(
        order.id, Manifest.of({"2": 1}), reason="no", split=S.REVERSE, key="r", by=STAFF
    )
    assert [(leg.amount, leg.released) for leg in result.refund.legs] == [
        (5763, True),
        (3236, False),
    ]
    assert [amount for _, amount in world.channel.asked] == [3236]
    assert world.channel.taken == 15_000 - 3236
    assert world.channel.held == 0
    world.check(settled=False)


def test_l22_a_hold_of_which_all_was_asked_back_is_undone() -> None:
    """The order is refunded with nothing taken over the channel, and the channel holds nothing."""
    world = by_hand()
    order = world.refund(held(world, "1"))
    assert order.state == "refunded"
    assert order.payments.attempts[2].state.value == "returned"
    assert (world.channel.taken, world.channel.held) == (0, 0)
    assert world.accounts()[:2] == (5000, 10_000)
    assert world.books() == {}


def test_cash_goes_back_in_coins_and_its_rounding_is_booked() -> None:
    """12.37 in francs is paid as 12.35, and goes back as 6.20 and 6.15; the books end at zero."""
    world = World(stocked=False)
    world.gateways["cash"] = MemoryGateway("cash", world.clock)
    world.engine = world.another()
    lines = tuple(
        CartLine(f"SKU-{i}", 1, Money(price, "CHF")) for i, price in ((1, "6.18"), (2, "6.19"))
    )
    cart = Cart("CHF", lines, customer=Party("c1"))
    order = world.engine.place(world.engine.quote(cart), key="k", by=SHOPPER)
    world.pay(order, (tenders.Cash(),))
    assert world.gateways["cash"].taken == 1235
    first = world.refund(order, "1")
    assert (first.payments.refunds[0].legs[0].paid, world.gateways["cash"].taken) == (620, 615)
    assert world.books()["rounding"] == 4  # 0.02 when it was paid, 0.02 now
    world.check(settled=False)
    last = world.refund(order, "2")
    assert last.state == "refunded"
    assert world.gateways["cash"].taken == 0
    assert world.books() == {}


def test_staff_confirms_a_refund_that_no_channel_tells_of() -> None:
    """It has arrived by their word, once; a gateway that speaks for itself is not spoken for."""
    world = shop(Capabilities(confirmed_by_staff=True), refunds_arrive=False)
    order = many(world)
    name = back(world, order, 5).refund.id
    assert statuses(world, order) == ["accepted"]
    done = world.engine.confirm_refund(order.id, name, 0, key="f", by=STAFF)
    assert done.refund.arrived
    with world.refused(NotAllowed):
        world.engine.confirm_refund(order.id, name, 0, key="g", by=STAFF)


# --- Faults and workers -------------------------------------------------------------------------


Start = Callable[[World, Simulation], Walk[Any]]


def begin_wait(world: World, simulation: Simulation) -> Walk[Any]:
    """A second refund within the minute."""
    order = many(world)
    back(world, order, 1)
    return simulation.refund(order.id, Manifest.of({"1": 2}), reason="no", key="k", by=STAFF)


def begin_merged(world: World, simulation: Simulation) -> Walk[Any]:
    """The sweep that sends three as one."""
    order = many(world)
    back(world, order, 1)
    for units in (2, 3, 4):
        back(world, order, units)
    world.clock.advance(timedelta(seconds=60))
    return simulation.sweep()


def begin_rerouted(world: World, simulation: Simulation) -> Walk[Any]:
    """A refund to a card that has expired, with consent."""
    order = many(world, account="card-1")
    world.channel.fail_refunds("card-1")
    return simulation.refund(
        order.id, Manifest.of({"1": 5}), reason="no", consent="yes", key="k", by=STAFF
    )


def begin_merged_and_rerouted(world: World, simulation: Simulation) -> Walk[Any]:
    """The sweep that sends two as one to a card that has expired meanwhile."""
    order = many(world, account="card-1")
    back(world, order, 1)
    for units in (2, 3):
        back(world, order, units, consent="yes")
    world.channel.fail_refunds("card-1")
    world.clock.advance(timedelta(seconds=60))
    return simulation.sweep()


def begin_by_staff(world: World, simulation: Simulation) -> Walk[Any]:
    """Staff sends a failed part to the balance."""
    order = many(world, account="card-1")
    world.channel.fail_refunds("card-1")
    name = back(world, order, 5).refund.id
    return simulation.reroute_refund(
        order.id, name, 0, consent="yes", reason="gone", key="k", by=STAFF
    )


def begin_to_balance(world: World, simulation: Simulation) -> Walk[Any]:
    """A refund to balance."""
    order = many(world)
    return simulation.refund(
        order.id, Manifest.of({"1": 5}), reason="no", split=S.TO_BALANCE, consent="yes", key="k",
        by=STAFF,
    )  # fmt: skip


FLOWS: dict[str, Start] = {
    "a second within the minute": begin_wait,
    "three as one": begin_merged,
    "to the balance by policy": begin_rerouted,
    "as one, then to the balance": begin_merged_and_rerouted,
    "to the balance by staff": begin_by_staff,
    "a refund to balance": begin_to_balance,
}


def owed_and_paid(world: World) -> tuple[int, int]:
    """What refunds asked, and what the payer has got of it: from the channel and on the balance."""
    (order,) = world.orders()
    paid = order.total - world.channel.taken
    return order.payments.refunded, paid + world.balance.balance("c1") - 10_000


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_l8_a_fault_at_any_step_of_a_refund_loses_nothing_and_pays_nothing_twice(
    flow: str, fault: Fault
) -> None:
    """Wherever the process dies or an answer is lost, sweeps bring every refund to its payer, once."""
    for at in range(1, 60):
        world = shop(policies=policies(StrandedRefund.TO_BALANCE))
        simulation = Simulation(world.engine)
        walk = FLOWS[flow](world, simulation).go(at - 1)
        if walk.ended:
            break
        owner = getattr(walk.step.fn, "__self__", None) if walk.step else None
        if fault in {Fault.NO_ANSWER, Fault.LOST_ANSWER} and owner not in world.gateways.values():
            continue
        walk.strike(at, fault)
        assert simulation.recover(world.clock) == (), f"step {at}"
        (order,) = world.orders()
        if set(statuses(world, order)) == {"failed"}:  # staff's word was never written down
            assert flow == "to the balance by staff"
            assert owed_and_paid(world) == (500, 0)
            continue
        owed, paid = owed_and_paid(world)
        assert owed == paid, f"step {at}"
        assert set(statuses(world, order)) <= {"arrived"}, f"step {at}"
        assert world.channel.too_fast == [], f"step {at}"
        world.check()
    else:
        pytest.fail("the flow does not end")


def refund_units(units: int, key: str) -> Start:
    """A worker that refunds some units of the only order."""

    def start(world: World, simulation: Simulation) -> Walk[Any]:
        (order,) = world.orders()
        goods = Manifest.of({"1": units})
        return simulation.refund(order.id, goods, reason="no", key=key, by=STAFF)

    return start


def sweep_on(_world: World, simulation: Simulation) -> Walk[Any]:
    """A worker that sweeps."""
    return simulation.sweep()


@pytest.mark.parametrize(
    "pair",
    [(refund_units(40, "a"), refund_units(40, "b")), (refund_units(2, "a"), sweep_on),
     (sweep_on, sweep_on)],
    ids=["two refunds", "a refund and a sweep", "two sweeps"],
)  # fmt: skip
def test_l8_two_workers_never_give_back_more_than_was_paid(pair: tuple[Start, Start]) -> None:
    """Stopped before each step while another runs in part or in full: once, in time, and never too much."""
    for at in range(1, 40):
        ended = False
        for steps in (1, 2, 3, 5, 8, STEPS_MAX):
            world = shop()
            order = many(world)
            back(world, order, 1)
            for units in (2, 3):
                back(world, order, units)
            world.clock.advance(timedelta(seconds=60))
            simulation = Simulation(world.engine)
            first = pair[0](world, simulation).go(at)
            ended = first.ended
            second = pair[1](world, simulation).go(steps)
            for walk in (first, second):
                walk.go(STEPS_MAX)
                if walk.error is not None:
                    assert isinstance(walk.error, NotAllowed | InvalidManifest)
            assert simulation.recover(world.clock) == ()
            owed, paid = owed_and_paid(world)
            assert owed == paid <= 6000
            assert world.channel.too_fast == []
            assert set(statuses(world, order)) <= {"arrived"}
            world.check()
        if ended:
            break
    else:
        pytest.fail("the flow does not end")


# --- Points ------------------------------------------------------------------------------------


def failed_points(world: World) -> tuple[Order, str]:
    """Order A, of which a line is refunded: 412 points cannot go back to their account."""
    order = world.paid(THREE)
    world.points.fail_refunds("c1", "the account is closed")
    done = back(world, order)
    assert [(leg.points, leg.status) for leg in done.refund.legs[:1]] == [
        (412, RefundStatus.FAILED)
    ]
    return order, done.refund.id


def test_points_that_cannot_go_back_go_to_another_account_of_points() -> None:
    """412 points stay points: the books hold them where the gateway does."""
    world = World()
    order, name = failed_points(world)
    how: dict[str, Any] = {"consent": "yes", "reason": "closed", "by": STAFF}
    done = world.engine.reroute_refund(order.id, name, 0, to="points", account="c7", key="k", **how)
    assert done.refund.arrived
    assert world.points.balance("c7") == 412
    assert world.books()["points_liability:points"] == world.points.taken == 1234 - 412
    assert "stored_value_liability:points" not in world.books()


def test_points_become_money_when_staff_sends_them_to_the_balance() -> None:
    """412 points are 4.12 on the balance: points are redeemed for good, and the balance is owed more."""
    world = World()
    order, name = failed_points(world)
    how: dict[str, Any] = {"consent": "yes", "reason": "closed", "by": STAFF}
    before = world.balance.balance("c1")
    done = world.engine.reroute_refund(order.id, name, 0, key="k", **how)
    assert done.refund.arrived
    assert world.balance.balance("c1") == before + 412
    assert world.points.taken == 1234
    (request, _) = world.balance._credits[f"{name}#0x1"]
    assert (request.amount, request.points) == (412, 0)
    world.check()


def test_l12_money_does_not_become_points() -> None:
    """A part that a channel took cannot go to an account of points: it is refused, and may go elsewhere."""
    world = shop()
    order = many(world, account="card-1")
    world.channel.fail_refunds("card-1")
    name = back(world, order, 5).refund.id
    how: dict[str, Any] = {"consent": "yes", "reason": "gone", "by": STAFF}
    with world.refused(NotAllowed) as caught:
        world.engine.reroute_refund(order.id, name, 0, to="points", key="k", **how)
    assert "points" in caught.value.reason
    assert world.engine.reroute_refund(order.id, name, 0, key="k2", **how).refund.arrived
    world.check()
