"""Sweeping: deadlines, reminders, answers that are owed; and the outbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from tests.engine.world import (
    CHANNEL,
    FOUR,
    NOON,
    PLAIN,
    SHOPPER,
    STAFF,
    THREE,
    FiveMinuteGateway,
    StubbornGateway,
    World,
    after,
    order_a,
)

from ordercore import (
    InvalidInput,
    Money,
    NotAllowed,
    OrderEngine,
    OrderKind,
    SettableClock,
    standing,
    tenders,
)
from ordercore.adapters.memory import MemoryGateway, MemoryStore
from ordercore.clock import SystemClock
from ordercore.engine.flow import run
from ordercore.engine.sweeping import PARK_AFTER, parked, unpark
from ordercore.errors import (
    CorruptDocument,
    GatewayError,
    GatewayTimeout,
    NewerDocument,
    OrderNotFound,
    StoreError,
    UnknownLifecycle,
)
from ordercore.goods import Manifest
from ordercore.lifecycle import Lifecycles, Since, TimerAction, TimerRule, VisibleStep
from ordercore.lifecycle.charts import built_in
from ordercore.order import FACTS, Order
from ordercore.order.events import Escalated, Overran
from ordercore.order.standing import PaymentStanding
from ordercore.pricing import Presale
from ordercore.tender import AttemptState, Capabilities, ChargeRequest, Outcome, OutcomeStatus
from ordercore.testing.simulation import Simulation, Walk
from ordercore.timeout import KindTimer, TimeoutPolicy, Timer, TimerKey, TimerKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.change import Change
    from ordercore.timeout import Timer


def names(world: World, order: Any) -> list[str]:
    """The names of an order's events."""
    return [told.event.name for told in world.engine.journal(order.id)]


# --- Case 6 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("asks_payer", [True, False], ids=["a code is out", "nobody paid"])
def test_case_6_an_unpaid_order_is_reminded_and_closed(asks_payer: bool) -> None:
    """Placed 12:00:00: reminder 12:25:00, closed 12:30:00 with 1,234 points and 50.00 back."""
    world = World(asks_payer=True)
    order = world.placed()
    if asks_payer:
        world.pay(order)
        assert world.accounts()[:2] == (3766, 5000)
    world.at(24, 59.999)
    assert "order.reminded" not in names(world, order)
    world.at(25)
    assert names(world, order)[-1] == "order.reminded"
    assert world.engine.journal(order.id)[-1].event.pay_by == after(30)  # type: ignore[attr-defined]
    world.at(29, 59.999)
    assert world.get(order).state == "pending_payment"
    world.at(30)
    now = world.get(order)
    assert (now.state, now.reason) == ("closed", "not paid in time")
    assert now.entered_at == after(30)
    assert world.accounts() == (5000, 10_000, 8000)
    assert world.free() == [5, 5, 5]
    assert world.store.timers() == ()
    assert names(world, order).count("order.reminded") == 1
    world.check()


@pytest.mark.parametrize("swept", [True, False], ids=["swept at 12:30:00", "told first"])
def test_case_6_paid_in_time_and_told_late_is_paid(swept: bool) -> None:
    """Paid at the channel 12:29:58, told 12:30:05: the channel's own time counts."""
    world = World(asks_payer=True)
    order = world.pay(world.placed()).order
    world.clock.set(after(29, 58))
    body = world.channel.pay(f"{order.id}/3")
    if swept:
        world.at(30)
        assert world.get(order).state == "paid"
    world.clock.set(after(30, 5))
    world.engine.notify("wechat", {}, body)
    world.engine.sweep()
    now = world.get(order)
    assert now.state == "paid"
    assert now.payments.attempts[-1].at == after(29, 58)
    assert world.accounts()[:2] == (3766, 5000)
    assert [t.key.kind for t in world.store.timers()] == []
    world.check()


@pytest.mark.parametrize("declined", [False, True], ids=["never begun", "declined"])
def test_case_6_a_flash_sale_without_an_open_attempt_closes_at_its_deadline(declined: bool) -> None:
    """A window of five minutes has no reminder; at 12:05:00 it closes."""
    world = World()
    order = world.placed(OrderKind.FLASH_SALE)
    if declined:
        world.cards.decline("GC-9")
        world.pay(order, FOUR)
    kinds = {t.key.kind for t in world.store.timers()}
    assert kinds == {TimerKind.CLOSE_UNPAID}
    world.at(4, 59)
    assert world.get(order).state == "pending_payment"
    world.at(5)
    assert world.get(order).state == "closed"
    assert "order.reminded" not in names(world, order)
    assert world.free() == [5, 5, 5]
    world.check()


def test_case_6_a_flash_sale_with_an_open_code_is_closing_until_the_channel_closed_it() -> None:
    """The channel refuses to close in the first five minutes: until it has, goods and points are held."""
    world = World(channel=FiveMinuteGateway, asks_payer=True)
    order = world.pay(world.placed(OrderKind.FLASH_SALE)).order
    world.at(5)
    now = world.get(order)
    assert (now.state, standing(now).payment) == ("pending_payment", PaymentStanding.CLOSING)
    assert world.accounts()[:2] == (3766, 5000)
    assert world.free() == [4, 4, 4]
    with world.refused(NotAllowed):
        world.pay(order)
    world.at(5, 30)
    assert standing(world.get(order)).payment is PaymentStanding.CLOSING
    world.at(6)
    now = world.get(order)
    assert (now.state, now.entered_at) == ("closed", after(6))
    assert world.channel.asked_to_close == [after(5), after(6)]
    assert world.accounts() == (5000, 10_000, 8000)
    assert world.free() == [5, 5, 5]
    assert "order.reminded" not in names(world, order)
    world.check()


def test_case_6_a_code_that_is_paid_while_it_cannot_be_closed_pays_the_order() -> None:
    """Between the deadline and the close the payer is quicker: paid is paid."""
    world = World(channel=FiveMinuteGateway, asks_payer=True)
    order = world.pay(world.placed(OrderKind.FLASH_SALE)).order
    world.at(5)
    world.clock.set(after(5, 20))
    world.engine.notify("wechat", {}, world.channel.pay(f"{order.id}/3"))
    assert world.get(order).state == "paid"
    world.at(6)
    assert world.get(order).state == "paid"
    assert world.store.timers() == ()
    world.check()


# --- Deadlines and money ------------------------------------------------------------------------


def test_money_authorized_in_time_is_captured_and_not_undone_at_the_deadline() -> None:
    """All tenders are held and the capture is under way when the sweeper comes: the order is paid."""
    world = World(authorizes_first=True)
    order = world.placed()
    world.clock.set(after(29, 59))
    simulation = Simulation(world.engine)
    walk = simulation.pay(order.id, FOUR, key="p", by=SHOPPER)
    while walk.step is not None and walk.step.name != "MemoryGateway.capture":
        walk.go()
    world.at(30)
    walk.finish()
    simulation.recover(world.clock)
    assert world.get(order).state == "paid"
    world.check()


def test_a_capture_that_fails_after_the_deadline_closes_the_order() -> None:
    """The order waits for the capture's answer, however late, and then ends by it."""

    class Refusing(MemoryGateway):
        down = True

        def capture(self, request: ChargeRequest) -> Outcome:
            if self.down:
                raise GatewayTimeout("no answer")
            charge = self._charges[request.key]
            charge.outcome, charge.open = Outcome(OutcomeStatus.DECLINED), False
            return charge.outcome

    world = World(channel=Refusing, authorizes_first=True)
    order = world.pay(world.placed(), FOUR).order
    world.at(30)
    assert standing(world.get(order)).payment is PaymentStanding.CLOSING
    world.at(31)
    assert world.get(order).state == "pending_payment"
    world.channel.down = False
    Simulation(world.engine).recover(world.clock)
    assert world.get(order).state == "closed"
    world.check()


def test_canceling_an_order_that_closes_at_its_deadline_still_cancels_it() -> None:
    """The shopper's word counts more than the clock's: money that comes now goes back."""
    world = World(channel=FiveMinuteGateway, asks_payer=True)
    order = world.pay(world.placed(OrderKind.FLASH_SALE)).order
    world.at(5)
    world.engine.cancel(order.id, reason="too slow", key="c", by=SHOPPER)
    world.engine.notify("wechat", {}, world.channel.pay(f"{order.id}/3"))
    now = world.get(order)
    assert (now.state, now.reason) == ("closed", "too slow")
    assert world.accounts() == (5000, 10_000, 8000)
    world.check()


def test_a_channel_that_is_down_at_the_deadline_keeps_the_order_open() -> None:
    """No answer is no answer: the order waits *closing*, with its goods, until the channel speaks."""

    class Down(MemoryGateway):
        down = False

        def close(self, request: ChargeRequest) -> Outcome:
            if self.down:
                raise GatewayTimeout("no answer")
            return super().close(request)

    world = World(channel=Down, asks_payer=True)
    order = world.pay(world.placed()).order
    world.channel.down = True
    for minute in (30, 31, 36, 60):
        world.at(minute)
        assert standing(world.get(order)).payment is PaymentStanding.CLOSING
        assert world.free() == [4, 4, 4]
    world.channel.down = False
    Simulation(world.engine).recover(world.clock)
    assert world.get(order).state == "closed"
    world.check()


def test_a_reminder_after_the_deadline_is_not_sent() -> None:
    """Sweepers were down from 12:20 to 12:40: nobody is told to pay by 12:30."""
    world = World()
    order = world.placed()
    world.at(40)
    assert world.get(order).state == "closed"
    assert "order.reminded" not in names(world, order)


def test_an_open_attempt_is_resolved_after_a_minute() -> None:
    """A payment that got no answer is asked about under the same key, and goes through once."""
    world = World()
    order = world.placed()
    walk = Simulation(world.engine).pay(order.id, FOUR, key="p", by=SHOPPER).go(4)
    walk.lose(GatewayTimeout("no answer"))
    walk.crash()
    world.at(0, 59)
    assert world.get(order).state == "pending_payment"
    world.at(1)
    assert world.get(order).state == "paid"
    world.check()


def test_a_gateway_that_stays_silent_is_asked_ever_more_rarely() -> None:
    """The pauses grow by the policy; the attempt stays open and is never guessed."""

    class Silent(MemoryGateway):
        def authorize(self, request: ChargeRequest) -> Outcome:
            raise GatewayTimeout(request.key)

    world = World(channel=Silent)
    order = world.pay(world.placed(), CHANNEL).order
    asked = [minute for minute in range(30) if world.at(minute).moved]
    assert asked == [1, 2, 7]
    assert world.get(order).payments.attempts[0].state is AttemptState.OPEN


def test_an_undo_that_its_gateway_never_heard_of_is_given_up_after_the_last_pause() -> None:
    """A key that was never sent and cannot be killed does not hold the order open for ever."""
    world = World(channel=StubbornGateway)
    order = world.placed()
    walk = Simulation(world.engine).pay(order.id, FOUR, key="p", by=SHOPPER)
    while walk.step is not None and walk.step.name != "StubbornGateway.authorize":
        walk.go()
    walk.crash()
    world.cards.decline("GC-9")
    world.at(1)  # the card had answered before; the channel is asked now and says yes
    assert world.get(order).state == "paid"

    world = World(channel=StubbornGateway)
    order = world.placed()
    world.points.decline("c1")
    walk = Simulation(world.engine).pay(order.id, FOUR, key="p", by=SHOPPER)
    while walk.step is not None and walk.step.name != "AccountGateway.authorize":
        walk.go()
    walk.crash()
    world.at(1)
    assert world.get(order).payments.attempts[3].state is AttemptState.RETURNING
    world.at(30)
    assert standing(world.get(order)).payment is PaymentStanding.CLOSING
    Simulation(world.engine).recover(world.clock)
    assert world.get(order).state == "closed"
    world.check()


# --- Goods --------------------------------------------------------------------------------------


def test_goods_lost_before_the_payment_are_found_again_if_there_are_any() -> None:
    """The promise has lapsed, but the shelf is not empty: the order is paid."""
    world = World(asks_payer=True)
    order = world.pay(world.placed()).order
    world.stock.release(order.content.reservation)
    world.engine.notify("wechat", {}, world.channel.pay(f"{order.id}/3"))
    assert world.get(order).state == "paid"
    assert world.free() == [4, 4, 4]
    world.check()


def test_goods_lost_before_the_payment_close_the_order_and_return_the_money() -> None:
    """Somebody else has them: the order ends closed, and every tender has its money back."""
    world = World(asks_payer=True)
    order = world.pay(world.placed()).order
    world.stock.release(order.content.reservation)
    world.stock.reserve("somebody", [("SKU-2", 5)], after(10_000))
    world.engine.notify("wechat", {}, world.channel.pay(f"{order.id}/3"))
    now = world.get(order)
    assert (now.state, now.reason) == ("closed", "the goods are no longer there")
    assert world.accounts() == (5000, 10_000, 8000)
    assert world.channel.taken == 0
    assert world.free() == [5, 0, 5]
    world.stock.release("somebody")
    world.check()


def test_l22_a_release_that_failed_is_done_by_the_sweeper() -> None:
    """The keeper was down when the order closed: its timer gives the goods back later."""
    world = World()
    order = world.placed()
    walk = Simulation(world.engine).cancel(order.id, reason="no", key="c", by=SHOPPER)
    while walk.step is not None and walk.step.name != "MemoryStock.release":
        walk.go()
    walk.fail(StoreError("the warehouse is down"))
    assert world.get(order).state == "closed"
    assert world.free() == [4, 4, 4]
    world.engine.sweep()
    assert world.free() == [5, 5, 5]
    assert world.store.timers() == ()
    world.check()


# --- After shipping -----------------------------------------------------------------------------


def test_what_nobody_confirms_is_received_after_seven_days() -> None:
    """Seven days after shipping the order counts as received, and the journal says by whom."""
    world = World()
    order = world.shipped()
    world.clock.set(after() + timedelta(days=7) - timedelta(seconds=1))
    world.engine.sweep()
    assert world.get(order).state == "shipped"
    world.clock.advance(timedelta(seconds=1))
    world.engine.sweep()
    now = world.get(order)
    assert now.state == "received"
    told = world.engine.journal(order.id)[-2]
    assert (told.event.name, told.by.kind.value) == ("delivery.received", "system")
    assert told.event.confirmed_by_timer  # type: ignore[attr-defined]
    assert world.store.timers() == ()


@pytest.mark.parametrize("way", ["deliver", "refund"])
def test_what_was_delivered_or_refunded_is_not_confirmed_by_time(way: str) -> None:
    """Leaving the shipped state clears its timer."""
    world = World()
    order = world.shipped()
    if way == "deliver":
        world.engine.deliver(order.id, key="d")
    else:
        world.refund(order)
    assert world.store.timers() == ()
    world.clock.advance(timedelta(days=8))
    state = world.get(order).state
    assert world.engine.sweep().served == 0
    assert world.get(order).state == state


# --- L20 ----------------------------------------------------------------------------------------


def test_l20_a_timer_of_an_earlier_visit_does_nothing() -> None:
    """Every kind of timer, put back after the order moved on: no event, no money, no stock."""
    world = World()
    old: list[Timer] = []
    commit = world.store.commit

    def remembered(changes: Sequence[Change]) -> None:
        old.extend(timer for made in changes for timer in made.timers_set)
        commit(changes)

    world.store.commit = remembered  # type: ignore[method-assign]
    order = world.shipped()
    before = world.snapshot()
    assert {t.key.kind for t in old} >= {TimerKind.CLOSE_UNPAID, TimerKind.REMIND_PAYMENT}
    world.clock.advance(timedelta(days=6))
    for timer in old:
        if timer.key.kind is not TimerKind.CONFIRM_RECEIPT:
            world.store._timers[order.id, timer.key] = timer
    sweep = world.engine.sweep()
    assert sweep.failed == ()
    assert world.snapshot() == before


def test_l20_a_stale_confirmation_does_not_move_a_received_order() -> None:
    """The timer of the shipped state comes late: the order was received meanwhile."""
    world = World()
    order = world.shipped()
    timer = world.store.timers()[0]
    world.engine.deliver(order.id, key="d")
    world.store._timers[order.id, timer.key] = timer
    before = world.engine.journal(order.id)
    world.clock.advance(timedelta(days=8))
    world.engine.sweep()
    assert world.engine.journal(order.id) == before


def test_l20_two_sweepers_at_once_act_once() -> None:
    """While one has a timer the other does not get it, and what one did the other does not repeat."""
    for _ in range(5):
        world = World(asks_payer=True)
        orders = [world.pay(world.placed(), CHANNEL).order for _ in range(5)]
        world.clock.set(after(30))
        engines = [world.another() for _ in range(6)]
        with ThreadPoolExecutor(6) as pool:
            sweeps = list(pool.map(lambda engine: engine.sweep(), engines))
        assert [failed for sweep in sweeps for failed in sweep.failed] == []
        for order in orders:
            assert world.get(order).state == "closed"
            assert names(world, order).count("order.moved") == 1
        assert world.free() == [5, 5, 5]
        world.check()


def test_l20_a_sweeper_that_died_is_followed_by_another_after_its_lease() -> None:
    """A claimed timer is given again when the lease is over, and counted."""
    world = World()
    order = world.placed()
    world.clock.set(after(30))
    Simulation(world.engine).sweep().go(1).crash()
    assert world.engine.sweep().served == 0
    world.at(32)
    assert world.get(order).state == "closed"


def test_a_sweep_serves_as_many_timers_as_it_is_asked() -> None:
    """The oldest first; the rest is left for the next sweep."""
    world = World()
    for minute in range(4):
        world.clock.set(after(minute))
        world.placed()
    world.clock.set(after(27))
    assert world.engine.sweep(limit=2).served == 2
    reminded = [order.id for order in world.orders() if "order.reminded" in names(world, order)]
    assert sorted(reminded) == ["ord_1", "ord_2"]
    assert world.engine.sweep(limit=2).served == 1


def test_a_timer_that_fails_stops_nobody_else() -> None:
    """One order's gateway is gone: its timer moves on, and the others are served."""
    world = World(asks_payer=True)
    broken = world.pay(world.placed(), CHANNEL).order
    fine = world.placed()
    del world.gateways["wechat"]
    engine = world.another()
    world.clock.set(after(30))
    sweep = engine.sweep()
    assert sweep.failed == ((broken.id, "not_found"),)
    assert world.get(fine).state == "closed"
    assert world.get(broken).state == "pending_payment"
    due = [t.due for t in world.store.timers() if t.key.kind is TimerKind.CLOSE_UNPAID]
    assert due == [after(31)]


@pytest.mark.parametrize("limit", [0, -1, 10_001])
@pytest.mark.parametrize("verb", ["sweep", "relay"])
def test_l12_a_limit_out_of_bounds_is_refused(verb: str, limit: int) -> None:
    """Neither nothing nor less than nothing nor everything at once."""
    world = World()
    world.placed()
    world.clock.set(after(30))
    before = world.snapshot()
    act = {
        "sweep": lambda: world.engine.sweep(limit=limit),
        "relay": lambda: world.engine.relay(Collecting(), limit=limit),
    }
    with pytest.raises(InvalidInput) as caught:
        act[verb]()
    assert caught.value.path == "limit"
    assert world.snapshot() == before


def test_l7_an_error_after_a_lost_answer_is_no_decline() -> None:
    """The second call moved nothing, but the first may have: the attempt stays open, nobody pays anew."""

    class Broken(MemoryGateway):
        silent = True

        def authorize(self, request: ChargeRequest) -> Outcome:
            if self.silent:
                raise GatewayTimeout(request.key)
            raise GatewayError("no such merchant")

    world = World(channel=Broken)
    order = world.pay(world.placed(), FOUR).order
    world.channel.silent = False
    world.at(1)
    now = world.get(order)
    assert now.payments.attempts[3].state is AttemptState.OPEN
    with pytest.raises(NotAllowed, match="under way"):
        world.pay(now, FOUR)


def test_pulling_asks_the_channel_at_once() -> None:
    """A shopper who comes back from the wallet need not wait for the notification."""
    world = World(asks_payer=True)
    order = world.pay(world.placed()).order
    assert world.engine.pull(order.id).state == "pending_payment"
    world.channel.pay(f"{order.id}/3")
    assert world.engine.pull(order.id).state == "paid"
    world.check()


# --- The outbox ---------------------------------------------------------------------------------


class Collecting:
    """A publisher that keeps what it is given, and fails when it is told to."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.fails = False

    def publish(self, events: Any) -> None:
        """Keep them."""
        if self.fails:
            raise StoreError("the broker is down")
        self.events += events


@pytest.mark.parametrize("limit", [1, 3, 500])
def test_l14_every_event_reaches_the_publisher_in_order(limit: int) -> None:
    """However few at a time, each order's events arrive once and in sequence."""
    world = World()
    orders = [world.completed(), world.paid((tenders.Channel("wechat"),)), world.placed()]
    publisher = Collecting()
    while world.engine.relay(publisher, limit=limit):
        pass
    for order in orders:
        own = [told for told in publisher.events if told.order_id == order.id]
        assert tuple(own) == world.store.journal(order.id)
    assert len(publisher.events) == sum(order.version for order in orders)


def test_l14_what_the_publisher_did_not_take_comes_again() -> None:
    """A broker that is down loses nothing."""
    world = World()
    order = world.paid()
    publisher = Collecting()
    publisher.fails = True
    with pytest.raises(StoreError):
        world.engine.relay(publisher)
    publisher.fails = False
    assert world.engine.relay(publisher) == order.version
    assert world.engine.relay(publisher) == 0


def test_l14_what_was_published_and_not_acknowledged_comes_again() -> None:
    """At least once: a crash after publishing repeats the same events with the same sequence."""
    from ordercore.engine.sweeping import relay

    world = World(store=MemoryStore())
    order = world.placed()
    publisher = Collecting()
    walk = Simulation(world.engine).walk(relay(world.engine.shop, publisher, 10))
    walk.go(2).crash()
    assert world.engine.relay(publisher) == 1
    assert [told.sequence for told in publisher.events] == [1, 1]
    assert publisher.events[0] == publisher.events[1] == world.store.journal(order.id)[0]


class Failing(MemoryGateway):
    """A channel whose functions of these names fail, and say that nothing was moved."""

    names: frozenset[str] = frozenset()

    def _fail(self, name: str) -> None:
        if name in self.names:
            raise GatewayError("the channel is down")

    def void(self, request: ChargeRequest) -> Outcome:
        """Fail, or void."""
        self._fail("void")
        return super().void(request)

    def capture(self, request: ChargeRequest) -> Outcome:
        """Fail, or capture."""
        self._fail("capture")
        return super().capture(request)

    def close(self, request: ChargeRequest) -> Outcome:
        """Fail, or close."""
        self._fail("close")
        return super().close(request)


@pytest.mark.parametrize("name", ["void", "capture", "close"])
def test_l7_an_error_in_what_ends_an_attempt_is_asked_again(name: str) -> None:
    """That nothing was moved means that money is still held: the attempt is not taken as ended."""
    world = World(channel=Failing, authorizes_first=name != "close", asks_payer=name == "close")
    order = world.placed()
    world.channel.names = frozenset({name})
    offers = (tenders.Channel("wechat", Money("100.00", "CNY")), tenders.StoredValue("GC-9"))
    if name == "void":  # the channel holds its part when another tender fails
        world.channel.decline("short")
        offers = (offers[0], tenders.Channel("wechat", account="short"))
    now = world.pay(order, CHANNEL if name != "void" else offers).order
    expected = {"void": "returning", "capture": "capturing", "close": "closing"}[name]
    if name == "close":
        world.at(30)
        now = world.get(order)
    assert now.payments.attempts[0].state.value == expected
    assert now.state == "pending_payment"
    world.at(31)
    assert world.get(order).payments.attempts[0].state.value in {expected, "closing"}
    world.channel.names = frozenset()
    Simulation(world.engine).recover(world.clock)
    assert world.get(order).state in {"closed", "paid"}
    world.check()


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        (TimerKind.CONFIRM_RECEIPT, "shipped"),
        (TimerKind.CLOSE_UNPAID, "placed"),
        (TimerKind.REMIND_PAYMENT, "placed"),
    ],
    ids=lambda value: getattr(value, "value", value),
)
def test_l20_a_timer_of_an_earlier_visit_of_the_same_state_does_nothing(
    kind: TimerKind, stage: str
) -> None:
    """The state is the same, but it was entered anew since the timer was set: it is not this visit's."""
    world = World()
    order = getattr(world, stage)()
    key = TimerKey(kind)
    world.store._timers[order.id, key] = Timer(order.id, key, after(1), order.visit - 1)
    for other in list(world.store._timers):
        if other[1] != key:
            del world.store._timers[other]
    sweep = world.at(2)
    assert (sweep.served, sweep.moved) == (1, 0)
    assert world.get(order) == order
    assert world.store.timers() == ()


def test_a_port_that_breaks_stops_one_timer_and_not_the_sweep() -> None:
    """A gateway that raises an error of its own gave no answer; younger timers are served all the same."""

    class Broken(MemoryGateway):
        def close(self, request: ChargeRequest) -> Outcome:
            raise ConnectionError("no route")

    world = World(channel=Broken, asks_payer=True)
    first = world.placed()
    world.pay(first)
    world.clock.advance(timedelta(seconds=1))
    second = world.placed()
    world.clock.set(after(31))
    swept = world.engine.sweep()
    assert swept.moved == 1
    assert world.get(second).state == "closed"
    assert world.get(first).state == "pending_payment"


def test_a_malformed_answer_to_a_lookup_is_no_answer() -> None:
    """A gateway that cannot close is looked up at the deadline; told nothing, the engine undoes the attempt."""

    class Odd(MemoryGateway):
        def lookup(self, request: ChargeRequest) -> Outcome:
            return None  # type: ignore[return-value]

    world = World(channel=Odd, asks_payer=True)
    world.channel.capabilities = Capabilities(closes=False)
    order = world.placed()
    world.pay(order)
    world.clock.set(after(31))
    assert world.engine.sweep().failed == ()
    ended = world.get(order)
    assert ended.state == "closed"
    assert {attempt.state for attempt in ended.payments.attempts} == {AttemptState.RETURNED}


# --- Rules of lifecycles and policies ---------------------------------------------------------


def timed(*timers: KindTimer, targets: Any = None, lifecycle: str = "") -> World:
    """A shop with these timers of its own, and one more lifecycle."""
    policies = attrs.evolve(PLAIN, timeouts=TimeoutPolicy(timers=timers, targets=targets or {}))
    world = World(policies=policies)
    if lifecycle:
        world.engine = world.another(policies, lifecycles=(lifecycle,))
    return world


def one_rule(name: str, does: TimerAction, *states: str, **fields: Any) -> KindTimer:
    """A timer of the policy."""
    return KindTimer(TimerRule(name, does, states, **fields))


def test_a_group_that_does_not_fill_gives_the_money_back() -> None:
    """Paid and waiting for its group for a day, an order is canceled and refunded over every tender."""
    world = timed(lifecycle="group_buy")
    order = world.engine.place(
        world.quote(OrderKind.GROUP_BUY), key="k", by=SHOPPER, lifecycle="group_buy"
    )
    world.pay(order)
    assert world.get(order).state == "awaiting_group"
    world.at(24 * 60 - 1)
    assert world.get(order).state == "awaiting_group"
    world.at(24 * 60)
    ended = world.get(order)
    assert (ended.state, ended.reason) == ("closed", "its time was up (group)")
    assert world.accounts() == (5000, 10_000, 8000)
    assert world.free() == [5, 5, 5]
    assert world.channel.taken == 0
    again = world.at(48 * 60)
    assert (again.served, again.failed, again.parked) == (0, (), ())


def test_an_unpaid_group_order_closes_as_any_other() -> None:
    """The same lifecycle closes at the deadline who never paid."""
    world = timed(lifecycle="group_buy")
    order = world.engine.place(world.quote(), key="k", by=SHOPPER, lifecycle="group_buy")
    world.at(30)
    assert (world.get(order).state, world.get(order).reason) == ("closed", "not paid in time")


def test_money_that_came_in_time_stays_where_the_deadline_cancels() -> None:
    """A lifecycle whose deadline cancels asks the channel first: paid at 12:29:58, swept at 12:30:00, it is paid."""
    world = timed(lifecycle="purchasing_agent")
    world.channel._asks_payer = True
    order, late = [
        world.engine.place(world.quote(), key=key, by=SHOPPER, lifecycle="purchasing_agent")
        for key in ("in time", "late")
    ]
    for one in (order, late):
        world.pay(one, CHANNEL)
    world.clock.set(after(29, 58))
    world.channel.pay(f"{order.id}/1")
    world.at(30)
    assert world.get(order).state == "processing"
    assert world.get(late).state == "canceled"


def test_a_timer_escalates_and_alerts_once() -> None:
    """An order that nobody takes up escalates after two days and alerts after one; each is told once."""
    world = timed(
        one_rule("idle", TimerAction.ALERT, "paid", after=timedelta(days=1)),
        one_rule("ignored", TimerAction.ESCALATE, "paid", after=timedelta(days=2)),
    )
    order = world.paid()
    for day in range(5):
        world.at(day * 24 * 60)
        world.at(day * 24 * 60 + 1)
    told = [name for name in names(world, order) if name.startswith("clock.")]
    assert told == ["clock.overran", "clock.escalated"]
    events = [r.event for r in world.engine.journal(order.id)][-2:]
    assert events == [Overran("idle", timedelta(days=1)), Escalated("ignored")]
    assert world.store.timers() == ()


def test_a_visible_step_that_overruns_is_told_once() -> None:
    """Two states of one step share its clock; what left the step in time is not told."""
    target = timedelta(hours=2)
    world = timed(targets={VisibleStep.RECEIVE: target, VisibleStep.PICK: target})
    order = world.paid()
    world.at(60)
    world.engine.accept(order.id, key="a")
    world.engine.ship(order.id, key="s")
    world.at(121)
    assert "clock.overran" not in names(world, order)
    world.at(181)
    world.at(400)
    told = [r.event for r in world.engine.journal(order.id) if r.event.name == "clock.overran"]
    assert told == [Overran("receive", target)]


def test_a_step_s_clock_runs_on_from_state_to_state() -> None:
    """A timer set when the step was entered is good in another state of the same step: the journal tells since when."""
    lifecycle = "purchasing_agent"
    target = timedelta(hours=2)
    world = timed(targets={VisibleStep.PICK: target}, lifecycle=lifecycle)
    order = world.engine.place(world.quote(), key="k", by=SHOPPER, lifecycle=lifecycle)
    world.pay(order)
    steps = world.engine.shop.lifecycles.get(lifecycle).steps
    assert steps["processing"] is steps["processing_at_warehouse"] is VisibleStep.PICK
    world.clock.set(after(60))
    world.engine.advance(order.id, "receive_at_warehouse", key="r", by=STAFF)
    world.at(119)
    assert "clock.overran" not in names(world, order)
    world.at(120)
    assert names(world, order)[-1] == "clock.overran"


def test_the_clock_of_a_step_runs_on_in_the_parts_of_an_order() -> None:
    """A part of an order that was split is as long in its step as the whole was, and the part together."""
    lifecycle = "purchasing_agent"
    world = timed(targets={VisibleStep.PICK: timedelta(hours=2)}, lifecycle=lifecycle)
    order = world.engine.place(world.quote(), key="k", by=SHOPPER, lifecycle=lifecycle)
    world.pay(order)
    world.clock.set(after(30))
    goods = (Manifest.of({"1": 1}), Manifest.of({"2": 1, "3": 1}))
    part = world.engine.split(order.id, goods, key="split", by=STAFF).children[0]
    world.clock.set(after(60))
    world.engine.advance(part.id, "receive_at_warehouse", key="r", by=STAFF)  # the same step
    world.at(119)
    assert "clock.overran" not in names(world, part)
    world.at(120)
    assert names(world, part)[-1] == "clock.overran"


def test_nothing_is_confirmed_while_a_ticket_is_open() -> None:
    """Time 2: paused for two days of the seven, receipt is confirmed on the ninth, and extended on the twelfth."""
    day = 24 * 60
    world = World()
    order = world.shipped()
    world.at(day)
    world.engine.pause(order.id, "ticket", key="p")
    world.at(3 * day)
    world.engine.resume(order.id, "ticket", key="r")
    world.engine.extend(order.id, "confirm", key="e", by=SHOPPER)
    world.at(12 * day - 1)
    assert world.get(order).state == "shipped"
    world.at(12 * day)
    assert world.get(order).state == "received"
    assert [told.command for told in world.engine.journal(order.id)][-2:] == ["Deliver"] * 2


def test_a_pause_that_comes_when_time_is_up_holds_all_the_same() -> None:
    """Nobody swept in time and a ticket was opened meanwhile: receipt waits until it is closed."""
    day = 24 * 60
    world = World()
    order = world.shipped()
    world.clock.set(after(8 * day))
    world.engine.pause(order.id, "ticket", key="p")
    for later in (8, 9, 10):
        assert world.at(later * day).served == 0
    assert world.get(order).state == "shipped"
    world.engine.resume(order.id, "ticket", key="r")
    world.at(11 * day)
    assert world.get(order).state == "received"


def test_a_forfeited_order_keeps_what_was_paid() -> None:
    """Presale: who does not pay the balance within two days loses the order and the deposit."""
    world = timed(lifecycle="presale")
    engine = world.engine
    presale = Presale(Money("50.00", "CNY"), NOON, after(48 * 60))
    quote = engine.quote(attrs.evolve(order_a(), presale=presale))
    order = engine.place(quote, key="k", by=SHOPPER)
    assert world.pay(order, CHANNEL).order.state == "awaiting_balance"
    world.at(48 * 60)
    ended = world.get(order)
    assert (ended.state, ended.reason) == ("forfeited", "its time was up (forfeit)")
    assert world.free() == [5, 5, 5]


def test_a_changed_rule_serves_by_its_new_figure() -> None:
    """A timer that was set to seven days is put off when the policy says fourteen by then."""
    day = 24 * 60
    world = World()
    order = world.shipped()
    slower = one_rule(
        "confirm", TimerAction.CONFIRM, "shipped", since=Since.SHIPPED, after=timedelta(days=14)
    )
    timeouts = TimeoutPolicy(timers=(slower,))
    world.engine = world.another(attrs.evolve(PLAIN, timeouts=timeouts))
    assert world.at(7 * day).moved == 1
    ((key, due),) = [(timer.key, timer.due) for timer in world.store.timers()]
    assert (key.kind, due) == (TimerKind.CONFIRM_RECEIPT, after(14 * day))
    world.at(14 * day)
    assert world.get(order).state == "received"


def test_a_timer_of_a_rule_that_is_gone_does_nothing() -> None:
    """Nobody knows any more what it was for."""
    world = timed(one_rule("idle", TimerAction.ESCALATE, "paid", after=timedelta(days=1)))
    order = world.paid()
    world.engine = world.another(PLAIN)
    swept = world.at(24 * 60)
    assert (swept.served, swept.moved) == (1, 0)
    assert world.get(order) == order
    assert world.store.timers() == ()


# --- Parked -------------------------------------------------------------------------------------


class Poisoned(MemoryStore):
    """A store in which one order cannot be loaded."""

    poison: Exception | None = None
    order = ""

    def load(self, order_id: str) -> Order | None:
        """Load, or fail for the one."""
        if self.poison is not None and order_id == self.order:
            raise self.poison
        return super().load(order_id)


def poisoned(error: Exception) -> tuple[World, Order, Order]:
    """A shop with two unpaid orders, the first of which cannot be loaded."""
    store = Poisoned()
    world = World(store=store)
    first, second = world.placed(), world.placed()
    store.order, store.poison = first.id, error
    return world, first, second


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CorruptDocument("the text is no JSON"), "corrupt_document: the text is no JSON"),
        (OrderNotFound("no order"), "order_not_found: no order"),
    ],
    ids=["unreadable", "gone"],
)
def test_a_timer_whose_order_cannot_be_read_is_parked_at_once(error: Exception, told: str) -> None:
    """It is set aside with its error, out of every sweep, and the other orders' timers are served."""
    world, first, second = poisoned(error)
    swept = world.at(30)
    assert world.get(second).state == "closed"
    assert {(p.order_id, p.kind, p.error) for p in swept.parked} == {
        (first.id, "remind_payment", told),
        (first.id, "close_unpaid", told),
    }
    assert [p.subject for p in swept.parked] == ["", ""]
    assert world.at(24 * 60).failed == ()
    assert set(run(parked(world.engine.shop, 10))) == set(swept.parked)


def test_a_parked_timer_runs_again_when_somebody_says_so() -> None:
    """With the fault mended, it is due at once and counts its tries anew."""
    world, first, _ = poisoned(CorruptDocument("the text is no JSON"))
    world.at(30)
    world.store.poison = None
    shop = world.engine.shop
    run(unpark(shop, run(parked(shop, 10))))
    assert run(parked(shop, 10)) == ()
    world.at(31)
    assert world.get(first).state == "closed"
    run(unpark(shop, ()))


def test_a_bug_parks_one_timer_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """A host's fact that breaks for one order: its timer is set aside, the error is logged with its trace."""
    world = World()
    first, second = world.placed(), world.placed()

    def broken(order: Order) -> bool:
        if order.id == first.id:
            raise ZeroDivisionError("a host's mistake")
        return FACTS["money_in_flight"](order)

    content = first.content
    chart = built_in(
        content.lifecycle, {**FACTS, "money_in_flight": broken}, content.lifecycle_version
    )
    shop: Any = world.engine.shop
    world.engine.shop = attrs.evolve(shop, lifecycles=Lifecycles([chart]))
    swept = world.at(30)
    assert world.get(second).state == "closed"
    assert set(swept.failed) == {(first.id, "port_failed")}
    told = "port_failed: ZeroDivisionError: a host's mistake"
    assert {p.error for p in swept.parked} == {told}
    assert "a host's mistake" in caplog.text
    assert world.at(24 * 60).failed == ()


def test_an_order_in_a_state_that_its_chart_does_not_have_is_parked() -> None:
    """The error names the state and those that the lifecycle knows."""
    world = World()
    order: Any = world.placed()
    world.store._orders[order.id] = attrs.evolve(order, state="limbo")
    swept = world.at(30)
    assert {p.kind for p in swept.parked} == {"remind_payment", "close_unpaid"}
    assert "has no state 'limbo'" in swept.parked[0].error


@pytest.mark.parametrize(
    "error",
    [
        StoreError("down"),
        ConnectionError("no route"),
        NewerDocument("of a later version"),
        UnknownLifecycle("not here"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_timer_that_another_worker_could_serve_is_parked_after_many_tries(
    error: Exception,
) -> None:
    """The store may come back, and a newer worker may know more: each pause of the back-off first, then more."""
    world, first, _ = poisoned(error)
    tries = 0
    for minute in range(30, 30 + 8 * 24 * 60, 30):
        swept = world.at(minute)
        tries += sum(order_id == first.id for order_id, _ in swept.failed)
        if swept.parked:
            break
    assert {p.tries for p in swept.parked} == {PARK_AFTER + 1}
    assert tries == 2 * (PARK_AFTER + 1)
    world.check(settled=False)


def test_a_change_that_sets_a_parked_timer_sets_it_going() -> None:
    """What was set aside is forgotten when the order's own change decides anew when it is due."""
    world, first, _ = poisoned(CorruptDocument("broken"))
    world.at(30)
    world.store.poison = None
    world.engine.cancel(first.id, reason="changed my mind", key="c", by=SHOPPER)
    assert [p.order_id for p in run(parked(world.engine.shop, 10))] == []


# --- After an outage, and clocks that differ ------------------------------------------------------


def test_what_was_missed_is_caught_up_oldest_first_and_in_bounds() -> None:
    """After an outage each sweep takes no more than it was told, always the longest overdue."""
    world = World()
    orders = []
    for minute in range(4):
        world.clock.set(after(minute))
        orders.append(world.placed())
    world.clock.set(after(5 * 60))
    seen: list[list[str]] = []
    for _ in range(9):
        swept = world.engine.sweep(limit=2)
        assert swept.served <= 2
        seen.append([o.id for o in orders if world.get(o).state == "closed"])
    ids = [order.id for order in orders]
    assert all(closed == ids[: len(closed)] for closed in seen)
    assert seen[-1] == ids
    # a reminder that was missed is not sent for a deadline that has passed
    assert all("order.reminded" not in names(world, order) for order in orders)


def test_money_that_came_in_time_counts_where_nobody_sweeps() -> None:
    """A shop without a sweeper loses nothing: the channel's own time of success is in time, told hours later."""
    world = World(asks_payer=True)
    order = world.pay(world.placed(), CHANNEL).order
    world.clock.set(after(29, 59))
    body = world.channel.pay(f"{order.id}/1")
    world.clock.set(after(5 * 60))
    world.engine.notify("wechat", {}, body)
    assert world.get(order).state == "paid"
    world.at(5 * 60 + 1)
    assert world.get(order).state == "paid"
    world.check()


class Skewed(SystemClock):
    """A machine's clock that is ahead or behind."""

    def __init__(self, truth: SettableClock, ahead: timedelta) -> None:
        self.truth = truth
        self.ahead = ahead

    def now(self) -> datetime:
        """The truth, and the error."""
        return self.truth.now() + self.ahead


class Timekeeping(MemoryStore):
    """A store with a clock of its own, as a database server has."""

    truth: SettableClock

    def now(self) -> datetime:
        """The true time."""
        return self.truth.now()


@pytest.mark.parametrize("minutes", [-15, -1, 0, 1, 15])
def test_a_worker_whose_clock_is_ahead_closes_nothing_early(minutes: int) -> None:
    """No order closes before its deadline by the store's clock; a worker that is behind closes it as much later."""
    store = Timekeeping()
    world = World(store=store)
    store.truth = world.clock
    order = world.placed()
    skewed = Skewed(world.clock, timedelta(minutes=minutes))
    world.engine = OrderEngine(
        store, world.gateways, world.stock, world.policies, clock=skewed, ids=world.ids
    )
    closed_at = None
    for minute in range(60):
        world.at(minute)
        if closed_at is None and world.get(order).state == "closed":
            closed_at = minute
    assert closed_at == 30 + max(0, -minutes)


def test_a_clock_that_the_host_gave_is_taken_at_its_word() -> None:
    """A simulation may run ahead of the store's clock: only the machine's own is held against it."""
    store = Timekeeping()
    world = World(store=store)
    store.truth = SettableClock(after(-60))
    order = world.placed()
    world.at(30)
    assert world.get(order).state == "closed"


# --- Two sweepers and a buyer ---------------------------------------------------------------------


def test_l20_two_sweepers_and_a_buyer_at_the_deadline_have_one_outcome() -> None:
    """At 12:30:00.000 two workers sweep while the buyer pays or scans, in 500 orders of their steps:
    the order is paid once or closed once, and nothing is stranded."""
    outcomes = set()
    for seed in range(500):
        choose = Random(seed)
        asks = seed % 2 == 0
        world = World(asks_payer=asks)
        simulation = Simulation(world.engine)
        order = world.placed()
        if asks:
            world.pay(order, CHANNEL)
        world.clock.set(after(30))
        if asks:
            walks: list[Walk[Any]] = [
                simulation.notify("wechat", {}, world.channel.pay(f"{order.id}/1"))
                if choose.random() < 0.5
                else simulation.cancel(order.id, reason="no", key="c", by=SHOPPER)
            ]
        else:
            walks = [simulation.pay(order.id, THREE, key="p", by=SHOPPER)]
        walks += [simulation.sweep(), simulation.sweep()]
        while running := [walk for walk in walks if not walk.ended]:
            choose.choice(running).go(choose.randint(1, 4))
        simulation.recover(world.clock)
        ended = world.get(order)
        outcomes.add((asks, ended.state))
        moves = [name for name in names(world, order) if name == "order.moved"]
        assert len(moves) == 1, (seed, names(world, order))
        world.check()
    assert outcomes == {
        (True, "paid"), (True, "closed"), (False, "paid"), (False, "closed"),
    }  # fmt: skip


@pytest.mark.parametrize("what", ["pause", "extend", "cancel"])
def test_l20_a_change_at_any_step_of_a_sweep_is_heard(what: str) -> None:
    """The order is changed while a worker is about to act on it: what the worker knew counts no more."""
    for step in range(100):
        world = World()
        if what == "cancel":
            order, minute = world.placed(), 30.0
        else:
            order, minute = world.shipped(), 7 * 24 * 60.0
        world.clock.set(after(minute))
        walk = Simulation(world.engine).sweep().go(step)
        if walk.ended:
            break
        acted = world.get(order).state != order.state
        with suppress(NotAllowed):
            if what == "pause":
                world.engine.pause(order.id, "ticket", key="p")
            elif what == "extend":
                world.engine.extend(order.id, "confirm", key="e", by=SHOPPER)
            else:
                world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
        changed = world.get(order)
        walk.finish()
        if not acted:
            assert world.get(order) == changed
            assert (changed.state, bool(changed.handling.pauses or changed.handling.extended)) in {
                ("shipped", True),
                ("closed", False),
            }
    assert step > 3
