"""Sweeping: deadlines, reminders, answers that are owed; and the outbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.world import (
    CHANNEL,
    FOUR,
    SHOPPER,
    FiveMinuteGateway,
    StubbornGateway,
    World,
    after,
)

from ordercore import InvalidInput, Money, NotAllowed, OrderKind, standing, tenders
from ordercore.adapters.memory import MemoryGateway, MemoryStore
from ordercore.errors import GatewayError, GatewayTimeout, StoreError
from ordercore.order.standing import PaymentStanding
from ordercore.tender import AttemptState, Capabilities, ChargeRequest, Outcome, OutcomeStatus
from ordercore.testing.simulation import Simulation
from ordercore.timeout import Timer, TimerKey, TimerKind

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
            self._charges[request.key].outcome = Outcome(OutcomeStatus.DECLINED)
            return self._charges[request.key].outcome

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
        assert tuple(own) == world.engine.journal(order.id)
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
    assert publisher.events[0] == publisher.events[1] == world.engine.journal(order.id)[0]


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
