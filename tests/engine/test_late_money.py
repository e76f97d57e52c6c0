"""Money that comes for an order which has ended: it goes back, revives the order, or is kept until somebody decides."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.channels import SOFT, Channels
from tests.engine.test_coupons import LAYERS, CouponWorld
from tests.engine.world import (
    CHANNEL,
    SHOPPER,
    STAFF,
    STOCK,
    THREE,
    StubbornGateway,
    World,
    after,
    world_policies,
)

from ordercore import Manifest, Policies, tenders
from ordercore.lifecycle.charts import document
from ordercore.lifecycle.document import load_lifecycle
from ordercore.money import money
from ordercore.order import FACTS
from ordercore.pricing import (
    CouponStatus,
    CouponTerms,
    Layer,
    OrderAmount,
    PricingPolicy,
    Promotion,
)
from ordercore.tender import LateMoney, Outcome, OutcomeStatus, PaymentPolicy
from ordercore.tender.events import MoneyHeld
from ordercore.testing.simulation import Fault, Simulation

ENDED = ("return", "revive", "hold")


def late(how: str = "revive") -> Policies:
    """The policies of a world with this word about late money."""
    base = world_policies()
    payments = PaymentPolicy(late=LateMoney(how))
    return Policies(pricing=base.pricing, tenders=base.tenders, payments=payments)


def closed(how: str = "revive", offers: Any = CHANNEL, **options: Any) -> tuple[World, Any, str]:
    """An order that time has closed while a code was out that can still be paid."""
    world = World(channel=StubbornGateway, asks_payer=True, policies=late(how), **options)
    order = world.pay(world.placed(), offers).order
    key = order.payments.attempts[-1].id
    world.at(30)
    order = world.get(order)
    assert order.state == "closed"
    return world, order, key


def pays(world: World, key: str) -> None:
    """The payer pays the code after all, and the channel tells so."""
    world.engine.notify("wechat", {}, world.channel.pay(key))


def check(world: World, *, held: int = 0) -> None:
    """What holds of every world, but that so much may be kept for a decision (law L21)."""
    if not held:
        world.check()
        return
    world.check(settled=False)
    books = world.books()
    for name, gateway in world.gateways.items():
        side = f"clearing:{name}"
        assert gateway.held == 0
        assert name not in {"wechat", "a", "b", "c"} or gateway.taken == books.get(side, 0)
    kept = sum(o.owed for o in world.orders() if o.handling.released)
    assert kept == held, f"L21: {kept} is owed, {held} was kept"


# --- Return -------------------------------------------------------------------------------------


def test_l21_by_default_late_money_goes_back() -> None:
    """Nothing is decided by silence: an order that was closed stays closed."""
    world, order, key = closed("return")
    pays(world, key)
    assert (world.get(order).state, world.channel.taken, world.free()) == ("closed", 0, [STOCK] * 3)
    world.check()


# --- Revive -------------------------------------------------------------------------------------


def test_l21_late_money_revives_an_order_whose_goods_are_still_there() -> None:
    """It is paid in the same decision, its goods are final under another name, and no deadline is left."""
    world, order, key = closed()
    pays(world, key)
    now = world.get(order)
    assert (now.state, now.due, now.owed) == ("paid", 0, 0)
    assert now.content.reservation != order.content.reservation
    assert world.stock.reserved(now.content.reservation) == {f"SKU-{i}": 1 for i in (1, 2, 3)}
    assert world.stock._reserved[now.content.reservation].deducted
    assert world.stock.reserved(order.content.reservation) == {}
    events = [e.event.name for e in world.engine.journal(order.id)][-4:]
    assert events == ["payment.answered", "order.recovered", "order.moved", "order.moved"]
    world.at(24 * 60)
    assert world.get(order).state == "paid"
    world.check()


def test_a_revived_order_goes_on_like_any_other() -> None:
    """It ships, is refunded by its rows, and the books end at zero."""
    world, order, key = closed()
    pays(world, key)
    world.refund(order, "1")
    world.engine.accept(order.id, key="a")
    world.engine.ship(order.id, key="s")
    world.refund(order)
    assert (world.get(order).state, world.channel.taken, world.books()) == ("refunded", 0, {})


def test_l21_goods_that_somebody_else_took_send_the_money_back() -> None:
    """What cannot be had again is not sold twice: the order stays closed."""
    world, order, key = closed()
    world.stock._stock["SKU-2"] = 0
    pays(world, key)
    assert (world.get(order).state, world.channel.taken) == ("closed", 0)
    assert world.free() == [STOCK, 0, STOCK]
    world.check()


def test_l21_an_order_that_its_customer_canceled_is_not_revived() -> None:
    """Who called it off does not get it after all."""
    world = World(channel=StubbornGateway, asks_payer=True, policies=late())
    order = world.pay(world.placed(), CHANNEL).order
    world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    assert world.get(order).state == "closed"
    pays(world, f"{order.id}/1")
    assert (world.get(order).state, world.channel.taken) == ("closed", 0)
    world.check()


@pytest.mark.parametrize("who", [SHOPPER, STAFF])
def test_l21_an_order_that_somebody_canceled_with_nothing_under_way_is_not_revived(
    who: Any,
) -> None:
    """It ended at once, by a person's word: a code that was declined before and is paid now goes back."""
    world = World(channel=StubbornGateway, asks_payer=True, policies=late())
    order = world.pay(world.placed(), CHANNEL).order
    key = f"{order.id}/1"
    world.channel._charges[key].outcome = Outcome(OutcomeStatus.DECLINED, "no funds")
    world.engine.notify("wechat", {}, world.channel.notification(key))
    assert world.engine.cancel(order.id, reason="no", key="c", by=who).state == "closed"
    world.channel._charges[key].outcome = Outcome(OutcomeStatus.WAITING)
    pays(world, key)
    assert (world.get(order).state, world.channel.taken) == ("closed", 0)
    world.check()


def test_l21_a_cancellation_while_it_closes_by_time_counts() -> None:
    """The shopper's word came before the end: the clock did not end it."""

    class Slow(StubbornGateway):
        slow = True

        def close(self, request: Any) -> Any:
            return Outcome(OutcomeStatus.TOO_EARLY) if self.slow else super().close(request)

    world = World(channel=Slow, asks_payer=True, policies=late())
    order = world.pay(world.placed(), CHANNEL).order
    world.at(30)
    assert world.get(order).closing is not None
    world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    world.channel.slow = False
    Simulation(world.engine).recover(world.clock)
    assert world.get(order).state == "closed"
    pays(world, f"{order.id}/1")
    assert (world.get(order).state, world.channel.taken) == ("closed", 0)
    world.check()


def test_l21_a_part_of_the_price_revives_nothing() -> None:
    """Points and balance went back when the order ended: the channel's part alone does not pay it."""
    world, order, key = closed(offers=THREE)
    pays(world, key)
    assert (world.get(order).state, world.channel.taken) == ("closed", 0)
    assert world.accounts() == (5000, 10_000, 8000)
    world.check()


def test_l21_of_two_codes_that_are_paid_late_one_revives_and_one_goes_back() -> None:
    """Two codes were out one after the other; whichever is paid first pays the order."""
    for first, second in ((1, 2), (2, 1)):
        world = World(channel=StubbornGateway, asks_payer=True, policies=late())
        order = world.pay(world.placed(), CHANNEL).order
        order = world.pay(order, CHANNEL).order
        world.at(30)
        pays(world, f"{order.id}/{first}")
        now = world.get(order)
        assert (now.state, world.channel.taken) == ("paid", 26997)
        pays(world, f"{order.id}/{second}")
        now = world.get(order)
        assert (now.state, world.channel.taken) == ("paid", 26997)
        world.check()
        world.refund(now, "2")
        world.refund(now)
        assert world.channel.taken == 0
        assert world.books() == {}


def test_l21_the_money_of_a_channel_that_was_given_up_revives_too() -> None:
    """The first channel failed softly, the second one's code was never paid: whoever pays late, pays."""
    world = Channels(late=LateMoney.REVIVE, each={n: {"asks_payer": True} for n in "ab"})
    order = world.card().order
    charge = world.a._charges[f"{order.id}/1"]
    charge.outcome = SOFT
    world.engine.notify("a", {}, world.a.notification(f"{order.id}/1"))
    world.at(30)
    assert world.get(order).state == "closed"
    charge.outcome = Outcome(OutcomeStatus.WAITING)
    world.engine.notify("a", {}, world.a.pay(f"{order.id}/1"))
    assert (world.get(order).state, world.moved()) == ("paid", {"a": 26997})
    world.check()


def couponed(*codes: str) -> tuple[CouponWorld, Any]:
    """An order with codes that may be used once, closed while its payment code was out."""
    world = CouponWorld(channel=StubbornGateway, asks_payer=True)
    five = Promotion("five", OrderAmount(money("5.00", "CNY")), coupon=CouponTerms())
    pricing = PricingPolicy(layers=(*LAYERS, Layer("more", (five,))))
    world.book.issue("FIVE", "five")
    policies = Policies(pricing=pricing, payments=PaymentPolicy(late=LateMoney.REVIVE))
    world.engine = world.another(policies, coupons=world.book)
    order = world.bought(*codes)
    assert set(order.content.coupons) == set(codes)
    world.pay(order, CHANNEL)
    world.at(30)
    assert world.get(order).state == "closed"
    return world, world.get(order)


def test_l22_a_revived_order_uses_its_codes_under_new_names() -> None:
    """Codes that went back when it was closed are its own again, each by itself."""
    world, order = couponed("ONE", "FIVE")
    assert (world.status("ONE"), world.status("FIVE")) == (CouponStatus.FREE, CouponStatus.FREE)
    pays(world, f"{order.id}/1")
    now = world.get(order)
    assert now.state == "paid"
    assert (world.status("ONE"), world.status("FIVE")) == (CouponStatus.USED, CouponStatus.USED)
    names = {name for name, _ in now.holdings()}
    assert names.isdisjoint({name for name, _ in order.holdings()})
    world.check()


def test_l21_a_code_that_somebody_else_took_sends_the_money_back() -> None:
    """Its price cannot be had any more: the goods that were promised for it are free again."""
    world, order = couponed("ONE")
    world.book.hold("other", ("ONE",), "c2", after(24 * 60))
    pays(world, f"{order.id}/1")
    assert (world.get(order).state, world.channel.taken) == ("closed", 0)
    assert world.free() == [STOCK] * 3
    world.check()


def test_l20_a_revived_order_is_reminded_and_closed_by_nobody() -> None:
    """The clocks of the state that it passed through are gone with it."""
    world, order, key = closed()
    pays(world, key)
    left = [t.key.kind.value for t in world.store._timers.values() if t.order_id == order.id]
    assert left == []


def test_an_overpaid_code_revives_and_the_surplus_goes_back() -> None:
    """A transfer of more than was asked pays the order; what is above goes back at once."""
    world, order, key = closed()
    charge = world.channel._charges[key]
    charge.outcome = Outcome(OutcomeStatus.WAITING)
    body = super(StubbornGateway, world.channel).pay(key, None, 30_000)
    world.engine.notify("wechat", {}, body)
    now = world.get(order)
    assert (now.state, now.owed, now.payments.refunded) == ("paid", 0, 3003)
    assert world.channel.taken == 26997
    world.check(settled=False)


def test_a_host_whose_chart_lists_no_revival_gets_its_money_returned() -> None:
    """Without the event the policy has no way: the money goes back, as by default."""
    text = json.loads(json.dumps(dict(document("standard"))))
    text["lifecycle"] = "mine"
    text["states"]["closed"]["transitions"] = [
        t for t in text["states"]["closed"]["transitions"] if t["event"] != "revive"
    ]
    del text["events"]["revive"]
    world = World(channel=StubbornGateway, asks_payer=True, policies=late())
    world.engine = world.another(lifecycles=[load_lifecycle(text, FACTS)])
    order = world.engine.place(world.quote(), key="p", by=SHOPPER, lifecycle="mine")
    world.pay(order, CHANNEL)
    world.at(30)
    pays(world, f"{order.id}/1")
    assert (world.get(order).state, world.channel.taken) == ("closed", 0)
    world.check()


def test_a_host_whose_guards_refuse_the_revival_gets_its_money_returned() -> None:
    """What the chart does not let happen is not half done."""
    text = json.loads(json.dumps(dict(document("standard"))))
    text["lifecycle"] = "mine"
    for move in text["states"]["closed"]["transitions"]:
        if move["event"] == "revive":
            move["cond"] = "valid"
    world = World(channel=StubbornGateway, asks_payer=True, policies=late())
    world.engine = world.another(lifecycles=[load_lifecycle(text, FACTS)])
    order = world.engine.place(world.quote(), key="p", by=SHOPPER, lifecycle="mine")
    world.pay(order, CHANNEL)
    world.at(30)
    pays(world, f"{order.id}/1")
    assert (world.get(order).state, world.channel.taken) == ("closed", 0)
    world.check()


@pytest.mark.parametrize("chart", ["flash_sale", "pickup", "virtual_goods", "purchasing_agent"])
def test_other_lifecycles_that_wait_for_a_payment_live_again(chart: str) -> None:
    """Each ends by time and comes to where its payment would have brought it."""
    world = World(channel=StubbornGateway, asks_payer=True, policies=late())
    world.engine = world.another(lifecycles=[chart])
    order = world.engine.place(world.quote(), key="p", by=SHOPPER, lifecycle=chart)
    world.pay(order, CHANNEL)
    Simulation(world.engine).recover(world.clock)
    assert world.get(order).handling.released
    pays(world, f"{order.id}/1")
    now = world.get(order)
    assert now.state == {"purchasing_agent": "processing"}.get(chart, "paid")
    assert (now.handling.released, now.due, world.channel.taken) == (False, 0, 26997)
    world.check()


# --- Hold ---------------------------------------------------------------------------------------


def test_l21_money_is_held_until_staff_give_it_back() -> None:
    """The order stays closed, owes what came, and says so; staff refund it."""
    world, order, key = closed("hold")
    pays(world, key)
    now = world.get(order)
    assert (now.state, now.owed, now.due) == ("closed", 26997, 0)
    assert [e.event for e in world.engine.journal(order.id) if isinstance(e.event, MoneyHeld)] == [
        MoneyHeld(key, 26997)
    ]
    check(world, held=26997)
    world.engine.refund(order.id, reason="late", key="r", by=STAFF)
    assert (world.get(order).state, world.get(order).owed, world.channel.taken) == ("closed", 0, 0)
    world.check()


def test_l21_a_part_of_the_price_is_held_too() -> None:
    """What came is owed, whatever the order cost."""
    world, order, key = closed("hold", offers=THREE)
    pays(world, key)
    assert world.get(order).owed == 20763
    check(world, held=20763)
    world.engine.refund(order.id, reason="late", key="r", by=STAFF)
    assert (world.get(order).owed, world.channel.taken) == (0, 0)
    world.check()


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_l21_a_second_payment_of_a_held_order_goes_back(first: int, second: int) -> None:
    """One is kept for the decision, the other returned without staff."""
    world = World(channel=StubbornGateway, asks_payer=True, policies=late("hold"))
    order = world.pay(world.placed(), CHANNEL).order
    order = world.pay(order, CHANNEL).order
    world.at(30)
    pays(world, f"{order.id}/{first}")
    pays(world, f"{order.id}/{second}")
    assert world.get(order).owed == 26997
    check(world, held=26997)
    world.engine.refund(order.id, Manifest.of({"2": 1}), reason="part", key="r1", by=STAFF)
    world.engine.refund(order.id, reason="rest", key="r2", by=STAFF)
    assert (world.get(order).owed, world.channel.taken, world.books()) == (0, 0, {})


def test_l21_parts_that_together_are_more_than_the_price_are_not_both_held() -> None:
    """The channel's part of two payments came: the second is above what the order costs, and goes back."""
    world = World(channel=StubbornGateway, asks_payer=True, policies=late("hold"))
    order = world.pay(world.placed(), THREE).order
    order = world.pay(order, THREE).order
    world.at(30)
    for code in (3, 6):
        pays(world, f"{order.id}/{code}")
        assert world.get(order).owed == 20763
    check(world, held=20763)


def test_l21_held_money_pays_an_order_that_is_recovered() -> None:
    """It lives again at its price, and nothing is due."""
    world = World(channel=StubbornGateway, asks_payer=True, policies=late("hold"))
    world.engine = world.another(lifecycles=["purchasing_agent"])
    order = world.engine.place(world.quote(), key="p", by=SHOPPER, lifecycle="purchasing_agent")
    world.pay(order, CHANNEL)
    world.at(24 * 60 * 8)
    assert world.get(order).state == "canceled"
    pays(world, f"{order.id}/1")
    assert world.get(order).owed == 26997
    now = world.engine.recover(order.id, key="v", by=STAFF)
    assert (now.state, now.due, now.owed) == ("processing", 0, 0)
    world.check()


def test_l22_a_promise_of_money_is_never_held_by_an_order_that_ended() -> None:
    """What is only authorized is given up, also where money would be kept."""
    for how in ("hold", "revive"):
        world = Channels(late=LateMoney(how), each={"a": {"asks_payer": True}})
        order = world.card().order
        world.at(30)
        key = f"{order.id}/1"
        charge = world.a._charges[key]
        charge.outcome = Outcome(OutcomeStatus.AUTHORIZED, "late")
        charge.held, charge.open = 26997, True
        world.engine.notify("a", {}, world.a.notification(key))
        assert world.get(order).state == "closed"
        assert (world.a.held, world.a.taken) == (0, 0)
        world.check()


def test_money_is_not_held_where_nobody_could_give_it_back() -> None:
    """A chart whose end takes no refund sends late money back, whatever the policy says."""
    text = json.loads(json.dumps(dict(document("standard"))))
    text["lifecycle"] = "mine"
    text["states"]["closed"].update(final=True, transitions=[])
    del text["events"]["revive"]
    world = World(channel=StubbornGateway, asks_payer=True, policies=late("hold"))
    world.engine = world.another(lifecycles=[load_lifecycle(text, FACTS)])
    order = world.engine.place(world.quote(), key="p", by=SHOPPER, lifecycle="mine")
    world.pay(order, CHANNEL)
    world.at(30)
    pays(world, f"{order.id}/1")
    assert (world.get(order).owed, world.channel.taken) == (0, 0)
    world.check()


# --- Faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ENDED)
@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.value)
def test_l21_a_fault_at_any_step_of_late_money_is_recovered(fault: Fault, how: str) -> None:
    """Whatever dies while late money is taken in, the channel repeats itself, and it comes out as the policy says."""
    tried = 0
    for step in range(1, 60):
        world, order, key = closed(how)
        body = world.channel.pay(key)
        simulation = Simulation(world.engine)
        walk = simulation.notify("wechat", {}, body).go(step - 1)
        if walk.ended:
            break
        owner = getattr(walk.step.fn, "__self__", None)
        if fault in {Fault.NO_ANSWER, Fault.LOST_ANSWER} and owner is not world.channel:
            continue
        assert walk.strike(step, fault)
        tried = step
        world.engine.notify("wechat", {}, body)
        simulation.recover(world.clock)
        now = world.get(order)
        wanted = {"return": ("closed", 0), "revive": ("paid", 0), "hold": ("closed", 26997)}[how]
        assert (now.state, now.owed) == wanted, f"step {step}"
        check(world, held=now.owed)
    assert tried or fault in {Fault.NO_ANSWER, Fault.LOST_ANSWER}


@pytest.mark.parametrize("how", ENDED)
def test_l21_late_money_that_two_workers_hear_of_is_taken_in_once(how: str) -> None:
    """Stopped at any step while another takes the same news in, or a second code's, and both go on or die."""
    for codes in (1, 2):
        for step in range(60):
            for steps, then in ((2, 0), (4, 99), (99, 0), (99, 99)):
                world = World(channel=StubbornGateway, asks_payer=True, policies=late(how))
                order = world.pay(world.placed(), CHANNEL).order
                order = world.pay(order, CHANNEL).order
                world.at(30)
                bodies = [world.channel.pay(f"{order.id}/{i + 1}") for i in range(codes)]
                simulation = Simulation(world.engine)
                one = simulation.notify("wechat", {}, bodies[0]).go(step)
                if one.ended and steps == 2:
                    break
                other = simulation.notify("wechat", {}, bodies[-1]).go(steps)
                for walk in (one.go(then), other.go(then)):
                    if not walk.ended:
                        walk.crash()
                for body in bodies:
                    world.engine.notify("wechat", {}, body)
                simulation.recover(world.clock)
                now = world.get(order)
                wanted = {"return": ("closed", 0), "revive": ("paid", 0), "hold": ("closed", 26997)}
                assert (now.state, now.owed) == wanted[how], (codes, step, steps, then)
                check(world, held=now.owed)
            else:
                continue
            break


@given(st.data())
def test_l21_any_late_money_of_any_policy_is_kept_or_returned(data: st.DataObject) -> None:
    """Codes of several payments, paid or not, told or not, in any order, with goods gone or there."""
    how = data.draw(st.sampled_from(ENDED), "policy")
    world = World(channel=StubbornGateway, asks_payer=True, policies=late(how))
    order = world.placed()
    offers = st.sampled_from([CHANNEL, THREE, (tenders.Points(1234, "c1"), *CHANNEL)])
    for _ in range(data.draw(st.integers(1, 3), "codes")):
        world.pay(order, data.draw(offers))
    if data.draw(st.booleans(), "canceled"):
        world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    world.at(30)
    if data.draw(st.booleans(), "sold out"):
        world.stock._stock["SKU-1"] = 0
    codes = [a.id for a in order.payments.attempts] or [
        a.id for a in world.get(order).payments.attempts if a.gateway == "wechat"
    ]
    for key in data.draw(st.lists(st.sampled_from(codes), max_size=5)):
        world.engine.notify("wechat", {}, world.channel.pay(key))
        world.clock.advance(timedelta(minutes=data.draw(st.integers(0, 3))))
    Simulation(world.engine).recover(world.clock)
    now = world.get(order)
    assert how == "hold" or not now.owed
    check(world, held=now.owed)
    if now.owed:
        world.engine.refund(order.id, reason="late", key="r", by=STAFF)
        world.check()
        assert world.get(order).owed == 0
