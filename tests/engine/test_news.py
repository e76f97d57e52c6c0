"""News of channels under names of their own: taken in once, in any order, not when it is old, and not on its word alone."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.test_sweeping import Skewed, Timekeeping
from tests.engine.world import (
    CHANNEL,
    NOON,
    SHOPPER,
    STAFF,
    StubbornGateway,
    World,
    world_policies,
)

from ordercore import ActorKind, InvalidInput, standing
from ordercore.errors import NotificationRefused
from ordercore.order.standing import PaymentStanding
from ordercore.tender import (
    AttemptState,
    Chargeback,
    ChargeRequest,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
)
from ordercore.tender.events import ChargedBack
from ordercore.testing.simulation import Fault, Simulation

WINDOW = timedelta(seconds=300)


class Telling(StubbornGateway):
    """A channel whose notifications say whatever the test puts into them."""

    def says(self, key: str, status: str = "captured", **fields: Any) -> bytes:
        """A notification about a key."""
        return json.dumps({"key": key, "status": status, **fields}).encode()

    def parse(self, headers: Any, body: bytes) -> Notification:
        """Read what `says` wrote."""
        said = json.loads(body)
        if said.get("forged"):
            raise NotificationRefused("the signature is wrong", path="body")
        key, status = said["key"], said["status"]
        outcome: Outcome | RefundOutcome | Chargeback
        if status == "charged_back":
            outcome = Chargeback(said["took"], said.get("fee", 0), "dispute-1")
        elif "#" in key:
            outcome = RefundOutcome(RefundStatus(status), "rf")
        else:
            outcome = Outcome(OutcomeStatus(status), f"tx-{key}", amount=said.get("took"))
        sent = said.get("sent")
        return Notification(
            said.get("id", f"{key}@{status}"), key, outcome,
            amount=said.get("amount"), currency=said.get("currency", ""),
            sent_at=None if sent is None else datetime.fromisoformat(sent),
            irrelevant=said.get("irrelevant", False),
        )  # fmt: skip


def waiting(**options: Any) -> tuple[World, str]:
    """An order whose payer is asked, and the key of its attempt."""
    world = World(channel=Telling, asks_payer=True, **options)
    order = world.pay(world.placed(), CHANNEL).order
    return world, order.payments.attempts[-1].id


def tell(world: World, key: str, status: str = "captured", **fields: Any) -> Any:
    """Let the channel say something."""
    return world.engine.notify("wechat", {}, world.channel.says(key, status, **fields))


# --- How old it is ------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-300, -1, 0, 299, 300])
def test_news_within_the_window_is_taken(seconds: int) -> None:
    """Five minutes old, or from a clock that is five minutes ahead: the order is paid."""
    world, key = waiting()
    world.channel.pay(key)
    tell(world, key, sent=(NOON + timedelta(seconds=seconds)).isoformat())
    assert world.orders()[0].state == "paid"


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
def test_l12_news_that_is_old_or_from_the_future_is_refused(seconds: int) -> None:
    """Who kept a signed message and sends it again later is not believed."""
    world, key = waiting()
    with world.refused(NotificationRefused) as caught:
        tell(world, key, sent=(NOON + timedelta(seconds=seconds)).isoformat())
    assert caught.value.path == "sent_at"


def test_news_without_a_time_is_taken_whenever_it_comes() -> None:
    """A channel that signs no time is kept apart by the names of its events alone."""
    world, key = waiting()
    world.channel.pay(key)
    tell(world, key)
    assert world.orders()[0].state == "paid"


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_whose_clock_is_an_hour_off_asks_the_store(hours: int) -> None:
    """By the store's clock the message is fresh: it is taken, and an old one is refused."""
    store = Timekeeping()
    world, key = waiting(store=store)
    store.truth = world.clock
    world.channel.pay(key)
    worker = world.another()
    worker.shop = type(worker.shop)(
        **{
            name: getattr(worker.shop, name)
            for name in ("store", "gateways", "stock", "policies", "ids", "lifecycles")
        },
        clock=Skewed(world.clock, timedelta(hours=hours)),
    )
    old = world.channel.says(key, sent=(NOON - timedelta(hours=2)).isoformat())
    with pytest.raises(NotificationRefused):
        worker.notify("wechat", {}, old)
    worker.notify("wechat", {}, world.channel.says(key, sent=NOON.isoformat()))
    assert world.orders()[0].state == "paid"


# --- Names of events ----------------------------------------------------------------------------


def test_l10_an_event_is_taken_in_once_under_its_name() -> None:
    """The second delivery hears the same reply; nothing is written, no channel is called."""
    world, key = waiting()
    world.channel.pay(key)
    first = tell(world, key, id="evt-1")
    before = world.snapshot()
    assert tell(world, key, id="evt-1") == first
    assert world.snapshot() == before
    (receipt,) = [r for r in world.store._receipts.values() if r.command == "Notify"]
    assert (receipt.shop, receipt.key) == ("channel:wechat", "evt-1")


@pytest.mark.parametrize(
    "change", [{"status": "declined"}, {"amount": 26997}, {"currency": "CNY"}, {"key": "/2"}]
)
def test_l12_a_name_that_stood_for_something_else_is_refused(change: Any) -> None:
    """The same event id about another key, outcome or money is no repetition."""
    world, key = waiting()
    order = world.orders()[0]
    world.pay(order, CHANNEL)
    world.channel.pay(f"{order.id}/2")
    tell(world, f"{order.id}/2", id="evt-1")
    said = {"key": f"{order.id}/2", "status": "captured", **change}
    if "key" in change:
        said["key"] = key
    with world.refused(NotificationRefused) as caught:
        tell(world, said.pop("key"), said.pop("status"), id="evt-1", **said)
    assert caught.value.path == "event_id"


def test_names_of_events_are_each_channels_own_and_not_the_hosts() -> None:
    """A key of the host that looks like an event's name is another key; so is another channel's event."""
    world, key = waiting()
    world.channel.pay(key)
    tell(world, key, id="evt-1")
    order = world.orders()[0]
    world.engine.note(order.id, "paid", key="evt-1", by=STAFF)
    assert order.state == "paid"


def test_a_very_long_name_is_kept_by_its_digest() -> None:
    """Whatever a channel calls its event, a store can keep it, and tells it from another."""
    world, key = waiting()
    world.channel.pay(key)
    tell(world, key, id="e" * 5_000)
    before = world.snapshot()
    tell(world, key, id="e" * 5_000)
    assert world.snapshot() == before
    with pytest.raises(NotificationRefused):
        tell(world, key, "declined", id="e" * 5_000)


def test_an_event_without_an_effect_leaves_nothing_behind() -> None:
    """Old news is answered; only what changes an order is remembered."""
    world, key = waiting()
    before = world.snapshot()
    tell(world, key, "waiting", id="evt-0")
    assert world.snapshot() == before


def test_news_that_concerns_nothing_of_ours_is_answered_and_dropped() -> None:
    """Genuine, but about a charge of some other system: no order is looked for."""
    world, _ = waiting()
    before = world.snapshot()
    assert tell(world, "", irrelevant=True).status == 200
    assert world.snapshot() == before


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_l10_an_event_whose_process_died_is_taken_in_when_it_comes_again(fault: Fault) -> None:
    """Before its commit nothing is remembered; after it everything is, and a timer goes on."""
    for step in range(1, 20):
        world, key = waiting()
        world.channel.pay(key)
        body = world.channel.says(key, id="evt-1")
        simulation = Simulation(world.engine)
        if not simulation.notify("wechat", {}, body).strike(step, fault):
            assert step > 2
            return
        world.engine.notify("wechat", {}, body)
        simulation.recover(world.clock)
        assert world.orders()[0].state == "paid"
        world.check()


def test_l10_two_workers_that_hear_of_one_event_take_it_in_once() -> None:
    """Stopped anywhere, the other is quicker: one effect, one receipt, two replies."""
    for step in range(20):
        world, key = waiting()
        world.channel.pay(key)
        body = world.channel.says(key, id="evt-1")
        simulation = Simulation(world.engine)
        slow = simulation.notify("wechat", {}, body).go(step)
        if slow.ended:
            return
        assert simulation.notify("wechat", {}, body).finish().status == 200
        assert slow.finish().status == 200
        assert world.books() == {"clearing:wechat": 26997, "advances": -26997}
        world.check()


# --- On whose word ------------------------------------------------------------------------------


@pytest.mark.parametrize("took", [1, 26_996, 26_998, 2_699_700])
def test_l12_an_amount_that_the_channel_itself_does_not_confirm_is_not_believed(took: int) -> None:
    """Forged or mistaken: the channel, asked, says that what was asked was paid, and that counts."""
    world, key = waiting()
    world.channel.pay(key)
    tell(world, key, took=took)
    order = world.orders()[0]
    assert (order.state, order.payments.refunded, order.due) == ("paid", 0, 0)
    world.check()


@pytest.mark.parametrize("took", [1, 30_000])
def test_l12_an_amount_that_was_never_paid_is_refused(took: int) -> None:
    """The channel, asked, still waits for its payer: nothing is believed."""
    world, key = waiting()
    with world.refused(NotificationRefused) as caught:
        tell(world, key, took=took)
    assert caught.value.path == "amount"


@pytest.mark.parametrize(("paid", "due", "back"), [(20_000, 6_997, 0), (30_000, 0, 3_003)])
def test_l7_what_the_channel_really_took_is_the_truth(paid: int, due: int, back: int) -> None:
    """Too little leaves the rest due, too much goes back; the books hold what the channel holds."""
    world, key = waiting()
    super(StubbornGateway, world.channel).pay(key, None, paid)
    tell(world, key, took=paid, amount=paid)
    order = world.orders()[0]
    assert (order.due, order.payments.refunded) == (due, back)
    assert world.channel.taken == min(paid, 26997)
    assert world.books() == {
        "clearing:wechat": world.channel.taken, "advances": -world.channel.taken,
    }  # fmt: skip
    if due:
        order = world.pay(order, CHANNEL).order
        world.channel.pay(order.payments.attempts[-1].id)
        tell(world, order.payments.attempts[-1].id)
        order = world.orders()[0]
    assert (order.state, order.due, world.channel.taken) == ("paid", 0, 26997)


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": 1},
        {"currency": "EUR"},
        {"took": 0},
        {"took": -5},
        {"took": "much"},
        {"took": True},
    ],
)
def test_l12_money_that_is_not_the_attempts_is_refused(fields: Any) -> None:
    """Another amount, another currency, or no amount at all: nothing is written."""
    world, key = waiting()
    world.channel.pay(key)
    with world.refused(NotificationRefused):
        tell(world, key, **fields)


def test_l12_more_than_was_asked_is_never_held() -> None:
    """An authorization above what was asked cannot be."""
    world, key = waiting()
    with world.refused(NotificationRefused):
        tell(world, key, "authorized", took=30_000)


class Mumbling(StubbornGateway):
    """A channel whose answers cannot be."""

    said: Any = None

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Charge, and say something else."""
        super().authorize(request)
        found: Outcome = self.said
        return found


@pytest.mark.parametrize(
    "said",
    [
        None,
        Outcome(OutcomeStatus.AUTHORIZED, amount=26_998),
        Outcome(OutcomeStatus.AUTHORIZED, amount=0),
        Outcome(OutcomeStatus.CAPTURED, amount=-1),
        Outcome(OutcomeStatus.CAPTURED, amount="269.97"),  # type: ignore[arg-type]
        Outcome(OutcomeStatus.CAPTURED, amount=True),
        Outcome(OutcomeStatus.DECLINED, failure="soft"),  # type: ignore[arg-type]
        Outcome(OutcomeStatus.WAITING, action="pay://x"),  # type: ignore[arg-type]
        Outcome(OutcomeStatus.AUTHORIZED, expires_at=datetime(2026, 5, 20)),  # noqa: DTZ001
    ],
)
def test_l24_an_answer_that_cannot_be_is_no_answer(said: Any) -> None:
    """It is asked again under the same key, and logged; no figure of it is kept."""
    world = World(channel=Mumbling)
    world.channel.said = said
    result = world.pay(world.placed(), CHANNEL)
    assert result.unresolved
    world.at(2)
    assert world.orders()[0].state == "paid"
    world.check()


# --- Chargebacks --------------------------------------------------------------------------------


def test_a_chargeback_is_booked_once() -> None:
    """The bank took it back: it stands in the books with its fee, however often it is told."""
    world = World(channel=Telling)
    order = world.paid(CHANNEL)
    key = f"{order.id}/1"
    for _ in range(3):
        tell(world, key, "charged_back", took=10_000, fee=1500, id="evt-9")
    told = [e.event for e in world.engine.journal(order.id) if isinstance(e.event, ChargedBack)]
    assert [(e.amount, e.fee, e.reference) for e in told] == [(10_000, 1500, "dispute-1")]
    assert world.engine.journal(order.id)[-1].by.kind is ActorKind.CHANNEL
    assert sum(b.amount for b in world.engine.trial_balance()) == 0


def test_a_chargeback_is_heard_after_an_order_was_closed_for_good_and_vetoed_by_nobody() -> None:
    """What a bank did is a fact: no hook is asked, and no seal keeps it out of the books."""

    class Strict:
        def before(self, order: Any, command: Any, by: Any) -> str:
            del order, by
            return "no" if type(command).__name__ == "NoteChargeback" else ""

        def after(self, change: Any) -> None:
            del change

    world = World(channel=Telling)
    options = {"lifecycles": ["purchasing_agent"], "hooks": [Strict()]}
    world.engine = world.another(world_policies(), **options)
    order = world.engine.place(world.quote(), key="p", by=SHOPPER, lifecycle="purchasing_agent")
    world.pay(order, CHANNEL)
    world.engine.close(order.id, reason="done", key="c", by=STAFF)
    tell(world, f"{order.id}/1", "charged_back", took=10_000)
    assert world.get(order).payments.attempts[0].charged_back == 10_000


def test_l12_a_chargeback_of_more_than_was_taken_is_refused() -> None:
    """A bank takes back no more than there was."""
    world = World(channel=Telling)
    order = world.paid(CHANNEL)
    with world.refused(InvalidInput):
        tell(world, f"{order.id}/1", "charged_back", took=30_000)


# --- In any order -------------------------------------------------------------------------------

NEWS = ("waiting", "authorized", "captured", "declined")


def standing_after(news: tuple[str, ...]) -> Any:
    """Where an order stands after news about its only attempt."""
    world, key = waiting()
    if "captured" in news:
        world.channel.pay(key)
    for status in news:
        tell(world, key, status)
    return world, world.orders()[0]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_l10_any_news_in_any_order_with_repetitions_ends_in_one_standing(length: int) -> None:
    """Every sequence of one to five notifications: paid if one of them brought the money, else not."""
    for news in product(NEWS, repeat=length):
        world, order = standing_after(news)
        taken = "captured" in news
        expected = PaymentStanding.PAID if taken else None
        assert order.state == ("paid" if taken else "pending_payment"), news
        assert expected is None or standing(order).payment is expected, news
        books = {"clearing:wechat": 26997, "advances": -26997} if taken else {}
        assert world.books() == books, news


def test_l10_every_permutation_of_six_notifications_ends_in_one_standing() -> None:
    """A try that was declined, one that succeeded, each told twice, and what came between: 180 orders."""
    six = ("waiting", "declined", "declined", "authorized", "captured", "captured")
    tried = set(permutations(six))
    assert len(tried) == 180
    for news in tried:
        world, order = standing_after(news)
        attempt = order.payments.attempts[0]
        assert (order.state, attempt.state) == ("paid", AttemptState.CAPTURED), news
        assert world.books() == {"clearing:wechat": 26997, "advances": -26997}, news


def test_l10_every_permutation_of_the_news_of_two_codes_keeps_one() -> None:
    """A code that was given up and the one after it are both paid, told in any order, some twice: one is kept."""
    told = [
        (1, "declined"),
        (1, "captured"),
        (1, "captured"),
        (2, "waiting"),
        (2, "captured"),
        (2, "captured"),
    ]
    for news in set(permutations(told)):
        world, _ = waiting()
        order = world.pay(world.orders()[0], CHANNEL).order
        told_before: set[Any] = set()
        for code, status in news:
            if status == "captured" and code not in told_before:
                told_before.add(code)
                world.channel.pay(f"{order.id}/{code}")
            tell(world, f"{order.id}/{code}", status)
        now = world.get(order)
        assert (now.state, world.channel.taken) == ("paid", 26997), news
        assert now.payments.attempt(f"{order.id}/1").state is AttemptState.RETURNED, news
        world.check()


def test_l10_every_permutation_of_the_news_of_a_refund_ends_in_one_standing() -> None:
    """Accepted, arrived, unknown, some twice: the money has arrived once."""
    told = ("accepted", "accepted", "unknown", "arrived", "arrived")
    for news in set(permutations(told)):
        world = World(channel=Telling, refunds_arrive=False)
        order = world.paid(CHANNEL)
        result = world.engine.refund(order.id, reason="broken", key="r", by=STAFF)
        key = f"{result.refund.id}#0"
        world.channel.arrive(key)
        for status in news:
            tell(world, key, status)
        now = world.get(order)
        assert (now.state, standing(now).payment) == ("refunded", PaymentStanding.REFUNDED), news
        assert world.books() == {}, news


@given(st.lists(st.sampled_from([*NEWS, "voided", "unknown", "too_early"]), max_size=12))
def test_l10_news_after_the_money_never_takes_it_away(news: list[str]) -> None:
    """Once taken and told, no later word of any kind moves a paid order."""
    world, key = waiting()
    world.channel.pay(key)
    tell(world, key)
    for i, status in enumerate(news):
        tell(world, key, status, id=f"late-{i}")
    order = world.orders()[0]
    assert (order.state, order.payments.attempts[0].state) == ("paid", AttemptState.CAPTURED)
    world.check()


def test_news_that_comes_before_the_answer_pays_the_order() -> None:
    """The channel tells while our call is still under way: the answer then changes nothing."""
    world = World(channel=Telling)
    order = world.placed()
    walk = Simulation(world.engine).pay(order.id, CHANNEL, key="k", by=SHOPPER)
    while walk.step is not None and walk.step.name != "Telling.authorize":
        walk.go()
    assert walk.step is not None
    request = walk.step.args[0]
    world.channel.authorize(request)
    tell(world, f"{order.id}/1")
    assert world.get(order).state == "paid"
    assert walk.finish().paid
    world.check()
