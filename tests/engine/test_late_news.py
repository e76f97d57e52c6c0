"""News that comes when an order has gone on: late money, clocks, closing orders, money of canceled ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.engine.changing import CENT, UNREFUNDED, Shop, paid, two_lines
from tests.engine.world import (
    SHOPPER,
    STAFF,
    FiveMinuteGateway,
    TalkingGateway,
    World,
    after,
    world_policies,
)

from ordercore import Actor, Cart, CartLine, Manifest, Money, NotAllowed, Party, Policies, tenders
from ordercore.lifecycle.charts import built_in, document
from ordercore.lifecycle.document import load_lifecycle
from ordercore.order import (
    FACTS,
    AddLine,
    ChangeQuantity,
    CommandKind,
    HandlingPolicy,
    RemoveLine,
    Rule,
)
from ordercore.party import SYSTEM
from ordercore.tender import Outcome, OutcomeStatus

if TYPE_CHECKING:
    from typing import Any

    from ordercore import SettableClock

BAD = tenders.Channel("wechat", account="bad")
FIRST_PRESALE = built_in("presale", FACTS, 1)
"""The lifecycle whose host takes the deposit and sends its events."""
FREE = Cart("CNY", (CartLine("SKU-1", 1, Money("0.00", "CNY")),), customer=Party("c1"))


def two(units: int) -> ChangeQuantity:
    """So many units of the first line."""
    return ChangeQuantity("1", units)


class Unhurried(FiveMinuteGateway):
    """The channel that closes nothing in its first minutes, and asks the payer."""

    def __init__(self, name: str, clock: SettableClock) -> None:
        super().__init__(name, clock, asks_payer=True)


def declining(**options: Any) -> Shop:
    """A shop whose channel declines one account."""
    shop = Shop(channel=TalkingGateway, **options)
    shop.world.channel.decline("bad")
    return shop


def paid_late(shop: Shop, status: str = "captured") -> None:
    """The payer tried again in the wallet: the last attempt, declined before, is charged after all."""
    key = shop.now().payments.attempts[-1].id
    charge = shop.world.channel._charges[key]
    charge.outcome = Outcome(OutcomeStatus(status), "again")
    charge.captured = charge.amount if status == "captured" else 0
    shop.engine.notify("wechat", {}, shop.world.channel.says(key, status))


def own_chart(change: Any, name: str = "standard") -> Shop:
    """An order under a built-in chart that the host changed."""
    text = json.loads(json.dumps(dict(document(name))))
    text["lifecycle"] = "mine"
    change(text)
    shop = Shop.__new__(Shop)
    shop.world = World(policies=world_policies())
    shop.stock = shop.world.stock
    shop.engine = shop.world.engine = shop.world.another(lifecycles=[load_lifecycle(text, FACTS)])
    quote = shop.engine.quote(two_lines())
    shop.order = shop.engine.place(quote, key="place", by=SHOPPER, lifecycle="mine")
    shop.id = shop.order.id
    return shop


# --- Late money (law L21) --------------------------------------------------------------------


def test_l21_late_money_for_a_difference_that_is_gone_is_sent_back() -> None:
    """Money for an addition that was taken off again goes back; the order keeps what it costs."""
    shop = paid(channel=TalkingGateway)
    shop.world.channel.decline("bad")
    shop.amend(two(2))
    shop.pay(BAD)
    shop.amend(two(1))
    paid_late(shop)
    order = shop.sweep()
    assert (order.state, order.due, order.owed, shop.taken()) == ("paid", 0, 0, {"wechat": 30_000})
    shop.engine.refund(shop.id, Manifest.of({"1": 1}), reason="back", key="r", by=STAFF)
    assert shop.taken() == {"wechat": 20_000}
    shop.check()


def test_l21_late_money_for_other_rows_of_the_same_total_is_sent_back() -> None:
    """A plan is for its rows: money of a payment for other goods does not pay those of today."""
    shop = declining()
    shop.pay(BAD)
    shop.amend(RemoveLine("1"), AddLine(CartLine("SKU-3", 1, CENT, id="x")))
    paid_late(shop)
    assert (shop.sweep().due, shop.taken()) == (30_000, {})
    shop.pay()
    assert shop.cancel().state == "closed"
    assert shop.taken() == {}
    shop.check()


def test_l21_late_money_above_the_amended_total_is_sent_back() -> None:
    """An order that costs less by now is paid anew, at its price."""
    shop = declining()
    shop.pay(BAD)
    shop.amend(RemoveLine("1"))
    paid_late(shop)
    shop.sweep()
    assert shop.pay().state == "paid"
    assert shop.taken() == {"wechat": 20_000}
    shop.check()


def test_l21_late_money_of_a_recovered_order_is_sent_back() -> None:
    """Money for the price before the recovery does not pay the price of today."""
    shop = declining(lifecycle="purchasing_agent")
    shop.pay(BAD)
    shop.cancel()
    prices = dict.fromkeys(("SKU-1", "SKU-2"), Money("50.00", "CNY"))
    shop.engine.recover(shop.id, prices=prices, key="v", by=STAFF)
    paid_late(shop)
    assert (shop.sweep().due, shop.taken()) == (15_000, {})


def test_l21_a_late_promise_for_another_difference_is_undone() -> None:
    """An authorization of less than what is due by now is given up, and the order can be paid."""
    shop = paid(channel=TalkingGateway)
    shop.world.channel.decline("bad")
    shop.amend(two(2))
    shop.pay(BAD)
    shop.amend(two(3))
    paid_late(shop, "authorized")
    shop.sweep()
    shop.pay()
    assert (shop.now().due, shop.taken()) == (0, {"wechat": 50_000})
    shop.check()


def test_late_money_that_is_just_what_is_due_still_pays() -> None:
    """A wallet's second try pays the plan in force."""
    shop = declining()
    shop.pay(BAD)
    paid_late(shop)
    assert shop.sweep().state == "paid"
    shop.check()


# --- Orders that are about to end -------------------------------------------------------------


def closing(*events: str) -> Shop:
    """An order under review_first that was canceled while its payer was asked."""
    shop = Shop(lifecycle="review_first", channel=Unhurried)
    shop.engine.review(shop.id, valid=True, key="v", by=STAFF)
    for event in events:
        shop.engine.advance(shop.id, event, key=event, by=STAFF)
    shop.pay()
    assert shop.cancel().closing is not None
    return shop


def test_nothing_leaves_while_the_order_is_closing() -> None:
    """A shipment of an order that waits for its end is refused, and its goods are free in the end."""
    shop = closing("allocate")
    with pytest.raises(NotAllowed, match="closing"):
        shop.engine.ship(shop.id, Manifest.of({"2": 1}), key="s", by=STAFF)
    assert (shop.sweep(60).state, shop.held()) == ("canceled", {})


def test_no_event_moves_an_order_that_is_closing() -> None:
    """An event sent by name would forget that the order is to end; `allowed_events` says so too."""
    shop = closing()
    (told,) = [p for p in shop.engine.allowed_events(shop.now(), STAFF) if p.event == "allocate"]
    assert (told.possible, told.reason) == (False, "the order is closing")
    with pytest.raises(NotAllowed, match="closing"):
        shop.engine.advance(shop.id, "allocate", key="a", by=STAFF)
    assert shop.sweep(60).state == "canceled"


def test_a_partly_shipped_order_that_ends_gives_back_what_did_not_leave() -> None:
    """Time ends an unpaid order of which a part has left: the rest is free again."""

    def timed(text: dict[str, Any]) -> None:
        rule = {"does": "close", "states": ["allocated"], "after": "1 day", "sends": "cancel"}
        text["timers"].append({"name": "close", **rule})

    shop = own_chart(timed, "review_first")
    shop.engine.review(shop.id, valid=True, key="v", by=STAFF)
    shop.engine.advance(shop.id, "allocate", key="a", by=STAFF)
    shop.engine.ship(shop.id, Manifest.of({"2": 1}), key="s", by=STAFF)
    order = shop.sweep(60 * 25)
    assert (order.state, dict(order.stock_kept())) == ("canceled", {"SKU-2": 1})
    assert shop.held() == {"SKU-2": 1}


# --- Parts of a price -------------------------------------------------------------------------


def test_no_event_takes_an_order_away_from_money_on_its_way() -> None:
    """Where the next state takes no money, an attempt under way first has its last word."""
    shop = Shop(lifecycle=FIRST_PRESALE, asks_payer=True)
    shop.pay()
    with pytest.raises(NotAllowed, match="under way"):
        shop.engine.advance(shop.id, "pay_deposit", key="d", by=STAFF)
    (told,) = [p for p in shop.engine.allowed_events(shop.now(), STAFF) if p.event == "pay_deposit"]
    assert not told.possible
    assert shop.cancel().state == "closed"
    assert (shop.taken(), shop.held()) == ({}, {})


def test_the_goods_of_a_presale_last_and_its_balance_can_be_paid_days_later() -> None:
    """A part of the price that comes later has no deadline of the first one, and keeps the goods."""
    shop = Shop(lifecycle=FIRST_PRESALE)
    shop.engine.advance(shop.id, "pay_deposit", key="d", by=STAFF)
    shop.sweep(60 * 24 * 3)
    assert shop.lasting() == {"SKU-1": 1, "SKU-2": 2}
    shop.engine.advance(shop.id, "open_balance", key="o", by=STAFF)
    assert shop.pay().state == "paid"


def test_a_presale_without_its_deposit_closes_in_time() -> None:
    """Nobody holds goods for long by placing alone."""
    shop = Shop(lifecycle=FIRST_PRESALE)
    assert (shop.sweep(31).state, shop.held()) == ("closed", {})


# --- Deadlines --------------------------------------------------------------------------------


def test_an_addition_to_a_free_order_can_be_paid_after_its_first_deadline() -> None:
    """What is due on an order that was settled is a difference, whatever it cost before."""
    shop = Shop(cart=FREE)
    shop.sweep(60)
    shop.amend(AddLine(CartLine("SKU-2", 1, CENT)))
    assert (shop.pay().due, shop.taken()) == (0, {"wechat": 10_000})


def test_an_addition_to_a_free_order_is_asked_for() -> None:
    """A lifecycle with a state for differences leads there also from an order that cost nothing."""
    shop = Shop(cart=FREE, lifecycle="purchasing_agent")
    shop.amend(AddLine(CartLine("SKU-2", 1, CENT)))
    assert shop.now().state == "awaiting_additional_payment"
    assert shop.pay().state == "additional_order"
    shop.check()


def test_a_recovered_order_has_its_new_deadline() -> None:
    """Money that went back before pays nothing: the time to pay ends for it as for any other."""
    shop = paid(lifecycle="purchasing_agent")
    shop.cancel()
    shop.recover()
    shop.world.clock.set(after(120))
    with pytest.raises(NotAllowed, match="time to pay"):
        shop.pay()


def test_more_time_for_the_deadline_is_more_time_to_pay() -> None:
    """Who was given an extension may use it; then the timer closes the order."""

    def longer(text: dict[str, Any]) -> None:
        text["timers"][0].update(extension="30 min")

    shop, idle = own_chart(longer), own_chart(longer)
    for one in (shop, idle):
        one.engine.extend(one.id, "close", key="e", by=SHOPPER)
        assert one.sweep(45).state == "pending_payment"
    assert shop.pay().state == "paid"
    assert idle.sweep(61).state == "closed"


def test_the_deadline_closes_no_order_that_is_paid() -> None:
    """An order that was moved back by hand keeps its goods and its money."""
    shop = paid(policies=Policies(handling=HandlingPolicy(overrules=(Rule.STATE,))))
    shop.world.clock.set(after(60))
    shop.engine.override(shop.id, "pending_payment", reason="by mistake", key="o", by=STAFF)
    order = shop.sweep(61)
    assert (order.state, order.due, shop.taken()) == ("pending_payment", 0, {"wechat": 30_000})
    assert shop.cancel().state == "closed"
    assert shop.taken() == {}


# --- Who acts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [SHOPPER, Actor.customer("c2")])
def test_a_customer_stops_no_clock(who: Actor) -> None:
    """A pause is the shop's: who buys neither begins nor ends one."""
    shop = Shop()
    with pytest.raises(NotAllowed):
        shop.engine.pause(shop.id, "no hurry", key="p", by=who)
    shop.engine.pause(shop.id, "risk", key="q", by=STAFF)
    with pytest.raises(NotAllowed):
        shop.engine.resume(shop.id, "risk", key="t", by=who)
    shop.engine.resume(shop.id, "risk", key="u", by=SYSTEM)


def test_a_timer_is_not_held_to_the_senders_of_the_chart() -> None:
    """Only the customer confirms the receipt here, and time does it where nobody says anything."""
    shop = own_chart(lambda text: text["events"]["receive"].update(by=["customer"]))
    shop.pay()
    shop.engine.accept(shop.id, key="a", by=STAFF)
    shop.engine.ship(shop.id, key="s", by=STAFF)
    with pytest.raises(NotAllowed):
        shop.engine.deliver(shop.id, key="d", by=STAFF)
    assert shop.sweep(60 * 24 * 30).state == "received"


def test_l12_an_order_whose_payment_waits_may_be_amended_and_says_so() -> None:
    """A payment that only waits for its payer gives way, so `allowed` does not speak against it."""
    shop = Shop(asks_payer=True)
    shop.pay()
    told = {p.command: p for p in shop.engine.allowed(shop.now(), SHOPPER)}
    assert told[CommandKind.AMEND].possible
    assert shop.amend(two(2)).total == 40_000


# --- Money of canceled orders ------------------------------------------------------------------


def test_money_of_a_canceled_order_can_be_refunded_by_staff() -> None:
    """Where the policy keeps it, it stands as owed until staff give it back."""
    shop = paid(policies=UNREFUNDED)
    assert (shop.cancel().owed, shop.taken()) == (30_000, {"wechat": 30_000})
    shop.engine.refund(shop.id, Manifest.of({"1": 1}), reason="part", key="p", by=STAFF)
    shop.engine.refund(shop.id, reason="the rest", key="r", by=STAFF)
    assert (shop.now().state, shop.now().owed, shop.taken()) == ("closed", 0, {})
    shop.check()


def test_money_goes_back_at_once_where_it_could_not_later() -> None:
    """A chart whose end takes no refund leaves no money behind, whatever the policy says."""

    def final(text: dict[str, Any]) -> None:
        text["states"]["closed"].update(final=True, transitions=[])
        del text["events"]["revive"]

    shop = own_chart(final)
    shop.engine = shop.world.another(
        policies=UNREFUNDED, lifecycles=list(shop.engine.shop.lifecycles)[2:]
    )
    shop.pay()
    assert shop.cancel().state == "closed"
    assert shop.taken() == {}


def test_a_code_that_nobody_pays_does_not_keep_a_balance_from_being_forfeited() -> None:
    """The window of the balance ends: the code is given up at its channel first, then the order ends."""
    shop = Shop(lifecycle=FIRST_PRESALE, asks_payer=True)
    shop.engine.advance(shop.id, "pay_deposit", key="d", by=STAFF)
    shop.engine.advance(shop.id, "open_balance", key="o", by=STAFF)
    shop.pay()
    for days in (8, 15, 31, 62):
        shop.sweep(60 * 24 * days)

    assert shop.now().state == "forfeited"
    assert not shop.now().payments.in_flight
