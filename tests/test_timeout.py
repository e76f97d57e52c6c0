"""What is due when: the clock of order A, and that nothing owed is ever left unwatched."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.calendar import Weekday, WorkingHours, local_moment
from ordercore.errors import InvalidInput, InvalidPolicy, NotAllowed, UnknownGuard
from ordercore.goods import Manifest
from ordercore.lifecycle import Since, TimerAction, TimerRule, VisibleStep, load_lifecycle
from ordercore.lifecycle.charts import BUILT_IN, built_in, versions
from ordercore.money import money
from ordercore.order import (
    FACTS,
    Accept,
    AnswerAttempts,
    Close,
    Deliver,
    ExtendClock,
    Forfeit,
    Moved,
    NoteOverrun,
    PauseClocks,
    ResumeClocks,
    Ship,
    evolve,
)
from ordercore.order.events import Adopted, Amended, Recovered
from ordercore.order.handling import PAUSES_MAX
from ordercore.order.rules.timing import LASTING_MAX
from ordercore.party import Actor
from ordercore.pricing import Cart, CartLine, OrderKind, PricingPolicy, quote
from ordercore.tender import AttemptState, Outcome, OutcomeStatus, RefundStatus
from ordercore.tender.tenders import Channel, Points
from ordercore.testing import (
    START,
    Story,
    order_a,
    order_content,
    standard_lifecycle,
    stories,
)
from ordercore.timeout import (
    RESOLVE,
    KindTimer,
    PaymentWindow,
    TimeoutPolicy,
    Timer,
    TimerKey,
    TimerKind,
    check_rules,
    key_of,
    refund_key,
    rules_of,
    step_key,
    timers,
)
from ordercore.timeout import due as due_of

if TYPE_CHECKING:
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Command, Order

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SHOPPER = Actor.customer("c-1")
REMIND, CLOSE = TimerKey(TimerKind.REMIND_PAYMENT), TimerKey(TimerKind.CLOSE_UNPAID)
CONFIRM, RELEASE = TimerKey(TimerKind.CONFIRM_RECEIPT), TimerKey(TimerKind.RELEASE_STOCK)


def story_a(kind: OrderKind = OrderKind.REGULAR, reservation: str = "res-1") -> Story:
    """Order A, placed at 12:00:00."""
    priced = quote(order_a(kind), PricingPolicy(), START)
    return Story(order_content(priced, reservation=reservation))


def standing_timers(story: Story) -> dict[TimerKey, Timer]:
    """The timers that a store would now hold."""
    held: dict[TimerKey, Timer] = {}
    for made in story.changes:
        for key in made.timers_cleared:
            held.pop(key, None)
        for timer in made.timers_set:
            held[timer.key] = timer
    return held


def due(story: Story) -> dict[TimerKey, timedelta]:
    """When each timer is due, after 12:00:00."""
    return {key: timer.due - START for key, timer in standing_timers(story).items()}


# --- Laws ------------------------------------------------------------------------------------


@given(stories())
def test_nothing_owed_is_unwatched(story: Story) -> None:
    """Every attempt and leg without a last word has its timer, so a crash cannot lose it."""
    held = standing_timers(story)
    order = story.order
    states = {attempt.state for attempt in order.payments.attempts if attempt.live}
    # an authorized attempt waits for the others of its payment; they are watched, and decide for it
    assert (RESOLVE in held) is bool(states - {AttemptState.AUTHORIZED}), states
    for refund in order.payments.refunds:
        for place, leg in enumerate(refund.legs):
            asked_again = refund_key(refund.id, place) in held
            alarmed = refund_key(refund.id, place, TimerKind.REFUND_LATE) in held
            assert asked_again is (not leg.arrived and leg.status is not RefundStatus.FAILED)
            assert alarmed is (not leg.arrived)


@given(stories())
def test_l20_timers_of_a_state_are_of_its_visit(story: Story) -> None:
    """In whatever lifecycle, the timers of rules that stand are those that the order asks for, of its visit.

    A rule that moves the order has its timer whenever it runs; one that only tells may have told already.
    """
    held = standing_timers(story)
    order, policy, lifecycle = story.order, story._timeouts, story.lifecycle
    for rule in rules_of(policy, lifecycle, order.content.kind):
        key = key_of(rule)
        timer, asked = held.get(key), due_of(order, key, policy, lifecycle)
        if timer is not None:
            assert timer.visit == order.visit
        if key == CLOSE and order.closing is not None:
            continue  # it asks whether the order can close by now
        if timer is not None or rule.event:
            assert (None if timer is None else timer.due) == asked, rule


@given(stories())
def test_l22_a_closed_order_gives_its_goods_back(story: Story) -> None:
    """An order with a reservation that ended without being fulfilled has a timer that releases it."""
    order = story.order
    if order.handling.released:
        assert (RELEASE in standing_timers(story)) is bool(order.content.reservation)


# --- The clock of order A ----------------------------------------------------------------------


def test_a_regular_order_is_reminded_and_closed() -> None:
    """Case 6: placed at 12:00:00, reminded at 12:25:00, closed at 12:30:00."""
    assert due(story_a()) == {REMIND: 25 * MINUTE, CLOSE: 30 * MINUTE}


def test_a_flash_sale_has_no_reminder() -> None:
    """Case 6: five minutes are less than twice the lead of five: no reminder, closed at 12:05:00."""
    assert due(story_a(OrderKind.FLASH_SALE)) == {CLOSE: 5 * MINUTE}


@pytest.mark.parametrize(
    ("window", "lead", "at"), [(10, 5, 5), (9, 5, None), (30, 0, None), (30, 15, 15)]
)
def test_a_reminder_needs_twice_its_lead(window: int, lead: int, at: int | None) -> None:
    """Time 1: a window of exactly twice the lead has a reminder, a shorter one has none."""
    found = PaymentWindow(window * MINUTE, lead * MINUTE).reminder()
    assert found == (None if at is None else at * MINUTE)


def test_payment_clears_the_deadline() -> None:
    """Once paid, neither reminder nor deadline stands; while it waits, the payment is watched."""
    story = story_a()
    story.pay(Points(1234), Channel("wechat"), status=OutcomeStatus.UNKNOWN)
    watched = due(story)
    assert watched[RESOLVE] == MINUTE
    assert watched[CLOSE] == 30 * MINUTE
    story.answer(OutcomeStatus.CAPTURED)
    assert due(story) == {}


def test_an_order_of_nothing_has_no_deadline() -> None:
    """What is paid on placing sets no timer that could close it."""
    priced = quote(Cart("CNY", (CartLine("A", 1, money("0", "CNY")),)), PricingPolicy(), START)
    assert due(Story(order_content(priced))) == {}


def test_closing_waits_for_the_channel_and_asks_again() -> None:
    """Case 6: with an attempt open at the deadline, the order is closing and asked again a minute later."""
    story = story_a(OrderKind.FLASH_SALE)
    story.pay(Channel("wechat"), status=OutcomeStatus.WAITING)
    story.send(Close("not paid in time"), after=5 * MINUTE)
    assert story.order.closing is not None
    found = due(story)
    assert found[CLOSE] == 6 * MINUTE
    assert RESOLVE in found
    story.answer(OutcomeStatus.TOO_EARLY)
    assert story.order.state == "pending_payment"
    story.answer(OutcomeStatus.VOIDED)
    assert story.order.state == "closed"
    assert due(story) == {RELEASE: 5 * MINUTE}


def test_an_undo_is_watched_until_it_is_answered() -> None:
    """What another tender holds when one is declined is owed back, and stands as a timer till it is."""
    story = story_a()
    story.pay(Points(1234), Channel("wechat"), status=OutcomeStatus.UNKNOWN)
    story.answer(OutcomeStatus.CAPTURED, "o-1/1")
    declined = AnswerAttempts((("o-1/2", Outcome(OutcomeStatus.DECLINED)),))
    story.send(declined, after=2 * MINUTE)
    assert due(story)[RESOLVE] == 3 * MINUTE
    story.answer(OutcomeStatus.VOIDED, "o-1/1")
    assert RESOLVE not in due(story)


def test_receipt_is_confirmed_seven_days_after_the_last_parcel() -> None:
    """Time 2: the clock starts when all lines have left, and stops when they arrive."""
    story = story_a()
    story.pay(Channel("wechat"))
    story.ship({"1": 1})
    assert CONFIRM not in due(story)
    story.ship()
    assert due(story) == {CONFIRM: timedelta(days=7)}
    story.send(Deliver(by_timer=True), after=timedelta(days=7))
    assert CONFIRM not in due(story)


def test_a_refund_alerts_after_three_business_days() -> None:
    """Gateways 3: each leg is asked about after a minute, and alerts after five calendar days."""
    story = story_a()
    story.pay(Channel("wechat"))
    story.refund({"2": 1})
    late = refund_key("r-1", 0, TimerKind.REFUND_LATE)
    assert due(story)[refund_key("r-1", 0)] == MINUTE
    assert due(story)[late] == timedelta(days=5)
    assert due(story)[RELEASE] == timedelta(0)  # the unit that stays is free again


def test_what_is_refunded_before_it_left_frees_stock_only_where_there_is_some() -> None:
    """Without a reservation nothing is released."""
    story = story_a(reservation="")
    story.pay(Channel("wechat"))
    story.refund({"2": 1})
    assert RELEASE not in due(story)


def test_pauses_grow_and_then_stay() -> None:
    """The last pause is repeated, and the first stands for whatever is below one try."""
    policy = TimeoutPolicy()
    assert [policy.again(tries) for tries in (0, 1, 2, 5, 99)] == [
        MINUTE,
        MINUTE,
        5 * MINUTE,
        timedelta(hours=12),
        timedelta(hours=12),
    ]


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (TimeoutPolicy(PaymentWindow(timedelta(0))), "timeouts.window.pay_within"),
        (TimeoutPolicy(PaymentWindow(MINUTE, -MINUTE)), "timeouts.window.remind_before"),
        (
            TimeoutPolicy(windows={OrderKind.GROUP_BUY: PaymentWindow(-MINUTE)}),
            "timeouts.windows.group_buy.pay_within",
        ),
        (TimeoutPolicy(backoff=()), "timeouts.backoff"),
        (TimeoutPolicy(backoff=(MINUTE, timedelta(0))), "timeouts.backoff"),
        (TimeoutPolicy(confirm_after=timedelta(0)), "timeouts.confirm_after"),
    ],
    ids=["window", "lead", "kind", "no pause", "pause of nothing", "confirmation"],
)
def test_clocks_that_cannot_be_are_refused(policy: TimeoutPolicy, path: str) -> None:
    """Windows and pauses are positive; the error names the path in the policy."""
    with pytest.raises(InvalidPolicy) as caught:
        policy.check()
    assert caught.value.path == path
    TimeoutPolicy().check()


# --- Rules: when one comes due ------------------------------------------------------------------


def something_shipped(order: Order) -> bool:
    """A fact of a host: at least one parcel has left."""
    return bool(order.delivery.shipments)


SHIPPED_TOO = {**FACTS, "something_shipped": something_shipped}


def chart(*rules: dict[str, Any], **more: Any) -> Lifecycle[Order]:
    """A lifecycle of a few states with these timers."""
    states = {
        "pending": {
            "initial": True,
            "step": "pay",
            "transitions": [
                {"event": "pay", "target": "open", "cond": "paid_in_full"},
                {"event": "cancel", "target": "gone", "unless": "money_in_flight"},
                {"event": "forfeit", "target": "gone"},
            ],
        },
        "open": {"step": "ship", "transitions": [{"event": "accept", "target": "busy"}]},
        "busy": {
            "step": "ship",
            "transitions": [
                {"event": "ship", "target": "sent", "cond": "all_shipped"},
                {"event": "cancel", "target": "gone"},
                {"event": "forfeit", "target": "gone", "unless": "something_shipped"},
            ],
        },
        "sent": {"step": "receive", "transitions": [{"event": "receive", "target": "done"}]},
        "done": {"final": True},
        "gone": {"final": True, "releases": True},
    }
    document = {"lifecycle": "small", "version": 1, "states": states, "timers": list(rules)}
    found: Lifecycle[Order] = load_lifecycle(document | more, SHIPPED_TOO)
    return found


def told(
    *rules: dict[str, Any],
    policy: TimeoutPolicy | None = None,
    lifecycle: Lifecycle[Order] | None = None,
) -> Story:
    """Order A in a lifecycle with these timers."""
    content = order_content(quote(order_a(), PricingPolicy(), START), timeouts=policy)
    return Story(content, timeouts=policy, lifecycle=lifecycle or chart(*rules))


def paid(story: Story) -> Story:
    """The same, paid."""
    story.pay(Channel("wechat"))
    return story


def escalation(**fields: Any) -> dict[str, Any]:
    """A rule that escalates."""
    return {"name": "late", "does": "escalate", "states": ["open", "busy"], **fields}


LATE = TimerKey(TimerKind.ESCALATE, "late")


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"after": "2 h"}, 2 * HOUR + MINUTE),
        ({"after": "2 h", "since": "placed"}, 2 * HOUR),
        ({"after": "2 h", "since": "pay_by"}, 2 * HOUR + 30 * MINUTE),
        ({"after": "-10 min", "since": "pay_by"}, 20 * MINUTE),
        ({"after": "2 h", "since": "shipped"}, None),
        ({"at": "2026-06-01T00:00:00+08:00"}, datetime(2026, 5, 31, 16, tzinfo=UTC) - START),
    ],
    ids=["entered", "placed", "pay by", "lead", "not shipped", "a date"],
)
def test_a_rule_counts_from_its_moment(fields: dict[str, Any], at: timedelta | None) -> None:
    """From entering the state, placing, the deadline, a shipment; or it is a date of its own."""
    story = told(escalation(**fields))
    assert LATE not in due(story)
    story.pay(Channel("wechat"), status=OutcomeStatus.UNKNOWN)
    story.at += MINUTE
    story.answer(OutcomeStatus.CAPTURED)
    assert due(story).get(LATE) == at


def test_a_lifecycle_s_own_lead_needs_twice_its_window() -> None:
    """Time 1 holds for a rule of its own too: 15 minutes before the end of 30 there is a reminder, 16 are too many."""
    for lead, at in ((15, 15 * MINUTE), (16, None)):
        rule = {"name": "remind", "does": "remind", "states": ["pending"], "since": "pay_by"}
        assert due(told(rule | {"after": f"-{lead} min"})).get(REMIND) == at


def test_a_rule_stops_where_its_states_end() -> None:
    """It is set anew with each visit of its states, and cleared when they are left."""
    story = paid(told(escalation(after="2 h")))
    story.send(Accept(), after=HOUR)
    assert due(story)[LATE] == 3 * HOUR
    assert standing_timers(story)[LATE].visit == story.order.visit
    story.ship()
    assert LATE not in due(story)


def test_what_was_told_is_not_told_again_in_the_next_state() -> None:
    """A rule over two states that came due in the first one is not set for the second to a moment long past."""
    story = paid(told(escalation(after="2 h", since="placed")))
    story.send(Accept(), after=3 * HOUR)
    assert LATE not in due(story)


def test_working_time_is_counted_by_the_shop_s_clock() -> None:
    """Eight working hours from Wednesday at 14:00 in Berlin end on Thursday at 13:00."""
    hours = {"zone": "Europe/Berlin", "opens": "09:00", "closes": "18:00"}
    story = paid(told(escalation(after="8 h", hours=hours)))
    assert due(story)[LATE] == local_moment(date(2026, 5, 21), time(13), "Europe/Berlin") - START


def test_a_rule_runs_while_its_facts_hold() -> None:
    """It starts with the fact, counted from where it counts, and stops with it."""
    story = paid(told(escalation(after="2 h", facts=["nothing_shipped"])))
    story.send(Accept())
    assert due(story)[LATE] == 2 * HOUR
    story.ship({"1": 1})
    assert story.order.state == "busy"
    assert LATE not in due(story)


def test_a_fact_that_comes_late_is_told_once() -> None:
    """Where a fact begins to hold when the time is up, the timer is due at once; it is not set again after."""
    lifecycle = chart(escalation(after="2 h", facts=["something_shipped"]))
    story = paid(told(lifecycle=lifecycle))
    story.send(Accept())
    before = story.order
    made = story.send(Ship("s-1", Manifest.of({"1": 1})), after=3 * HOUR)
    policy = TimeoutPolicy()
    ((timer,), cleared) = timers(made.order, made.events, policy, made.at, lifecycle, before)
    assert (timer.key, timer.due, cleared) == (LATE, START + 2 * HOUR, ())
    again = story.send(Ship("s-2", Manifest.of({"2": 1})))
    assert timers(again.order, again.events, policy, again.at, lifecycle, made.order) == ((), ())


# --- Pauses and extensions ----------------------------------------------------------------------


def shipped(policy: TimeoutPolicy | None = None) -> Story:
    """Order A, shipped in full at 12:00:00."""
    story = Story(order_content(quote(order_a(), PricingPolicy(), START)), timeouts=policy)
    story.pay(Channel("wechat"))
    story.ship()
    return story


def test_a_pause_adds_the_paused_time() -> None:
    """Time 2: while a ticket is open nothing is confirmed; two days of it make seven days nine."""
    story = shipped()
    story.send(PauseClocks("ticket"), after=DAY)
    assert CONFIRM not in due(story)
    story.send(ResumeClocks("ticket"), after=2 * DAY)
    assert due(story)[CONFIRM] == 9 * DAY


def test_pauses_that_overlap_count_once() -> None:
    """A ticket from the first to the third day and a lost parcel from the second to the fourth: three days."""
    story = shipped()
    story.send(PauseClocks("ticket"), after=DAY)
    story.send(PauseClocks("parcel"), after=DAY)
    story.send(ResumeClocks("ticket"), after=DAY)
    assert CONFIRM not in due(story)
    story.send(ResumeClocks("parcel"), after=DAY)
    assert due(story)[CONFIRM] == 10 * DAY


def test_a_pause_before_the_clock_began_counts_from_its_beginning() -> None:
    """A ticket that was open before the goods left delays only by what it lasted after."""
    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    story.pay(Channel("wechat"))
    story.send(PauseClocks("ticket"))
    story.at += DAY
    story.ship()
    assert CONFIRM not in due(story)
    story.send(ResumeClocks("ticket"), after=DAY)
    assert due(story)[CONFIRM] == (1 + 1 + 7) * DAY


def test_a_pause_concerns_the_clocks_that_name_it() -> None:
    """A rule stands still for the pauses that it names, and for no other."""
    story = paid(told(escalation(after="2 h", paused_by=["ticket"])))
    story.send(PauseClocks("parcel"))
    assert due(story)[LATE] == 2 * HOUR
    story.send(PauseClocks("ticket"))
    assert LATE not in due(story)


def test_a_pause_counts_in_working_time_too() -> None:
    """A pause over the night delays a clock of working hours by the working hours in it."""
    hours = {"zone": "UTC", "opens": "09:00", "closes": "18:00"}
    story = paid(told(escalation(after="8 h", hours=hours, paused_by=["*"])))
    story.send(PauseClocks("ticket"), after=5 * HOUR)  # 17:00
    story.send(ResumeClocks("ticket"), after=17 * HOUR)  # 10:00 on the next day
    assert due(story)[LATE] == DAY + HOUR  # 11:00, and two working hours more


def test_a_date_does_not_move_for_a_pause_that_is_over() -> None:
    """What is due on a day is due on that day, and after the pause when the day came in it."""
    rule = escalation(at="2026-05-21T12:00:00+00:00", paused_by=["*"])
    story = paid(told(rule))
    story.send(PauseClocks("ticket"), after=HOUR)
    assert LATE not in due(story)
    story.send(ResumeClocks("ticket"), after=HOUR)
    assert due(story)[LATE] == DAY
    story.send(PauseClocks("ticket"), after=HOUR)
    story.send(ResumeClocks("ticket"), after=2 * DAY)
    assert due(story)[LATE] == 2 * DAY + 3 * HOUR


def test_what_came_due_before_a_pause_is_not_due_again_after_it() -> None:
    """A rule that told somebody before the pause is neither cleared by it nor set again."""
    story = paid(told(escalation(after="2 h", paused_by=["*"])))
    for command in (PauseClocks("ticket"), ResumeClocks("ticket")):
        made = story.send(command, after=3 * HOUR)
        assert (made.timers_set, made.timers_cleared) == ((), ())


def test_the_buyer_extends_once() -> None:
    """Time 2: one extension by the buyer, of three days; a second one is refused and changes nothing."""
    story = shipped()
    story.send(ExtendClock("confirm"), by=SHOPPER)
    assert due(story) == {CONFIRM: 10 * DAY}
    with pytest.raises(NotAllowed, match="was given more time already"):
        story.send(ExtendClock("confirm"), by=SHOPPER)
    assert due(story) == {CONFIRM: 10 * DAY}


@pytest.mark.parametrize(
    ("timer", "error", "words"),
    [
        ("close", NotAllowed, "gives no more time"),
        ("confirm", NotAllowed, "does not run in state 'paid'"),
        ("conform", InvalidInput, "no timer 'conform'"),
    ],
)
def test_only_a_clock_that_runs_is_extended(timer: str, error: type[Exception], words: str) -> None:
    """A rule without an extension, one that does not run, and one that is not there are refused."""
    story = story_a()
    story.pay(Channel("wechat"))
    with pytest.raises(error, match=words):
        story.send(ExtendClock(timer), by=SHOPPER)


def test_pausing_twice_is_pausing_once() -> None:
    """A pause that lasts, or that has ended, is no event; one that never was is refused."""
    story = shipped()
    assert len(story.send(PauseClocks("ticket")).events) == 1
    assert story.send(PauseClocks("ticket")).events == ()
    assert len(story.send(ResumeClocks("ticket")).events) == 1
    assert story.send(ResumeClocks("ticket")).events == ()
    with pytest.raises(InvalidInput, match="never paused for 'parcel'"):
        story.send(ResumeClocks("parcel"))


@pytest.mark.parametrize("name", ["", " ", "*", "x" * 65, None], ids=repr)
def test_a_pause_has_a_name(name: Any) -> None:
    """Of 1 to 64 characters, and not the sign for any of them."""
    with pytest.raises(InvalidInput) as caught:
        shipped().send(PauseClocks(name))
    assert caught.value.path == "name"


def test_pauses_are_bounded() -> None:
    """So many last at the same time, and so many there are in all."""
    story = shipped()
    for i in range(LASTING_MAX):
        story.send(PauseClocks(f"p-{i}"))
    with pytest.raises(InvalidInput, match="at the same time"):
        story.send(PauseClocks("one more"))
    story = shipped()
    for _ in range(PAUSES_MAX):
        story.send(PauseClocks("ticket"))
        story.send(ResumeClocks("ticket"))
    with pytest.raises(InvalidInput, match=f"at most {PAUSES_MAX} times"):
        story.send(PauseClocks("ticket"))


def test_an_order_is_not_forfeited_while_a_payment_may_arrive() -> None:
    """The money that is on its way has its word first; and only a state that lists the event forfeits."""
    story = told()
    story.pay(Channel("wechat"), status=OutcomeStatus.WAITING)
    with pytest.raises(NotAllowed, match="a payment is under way"):
        story.send(Forfeit())
    story.answer(OutcomeStatus.CAPTURED)
    with pytest.raises(NotAllowed, match="not possible in state 'open'"):
        story.send(Forfeit())
    story.send(Accept())
    assert story.send(Forfeit(reason="its time was up")).order.state == "gone"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pause a", "pause b", "resume a", "resume b", "extend", "ship", "arrive"]),
        st.timedeltas(timedelta(0), 3 * DAY),
    ),
    max_size=12,
)


@given(STEPS)
def test_l20_what_stands_is_what_is_due(steps: list[tuple[str, timedelta]]) -> None:
    """After any pauses, extensions and parcels, the timer that stands is the one that the order as it is asks for."""
    story = paid(Story(order_content(quote(order_a(), PricingPolicy(), START))))
    story.send(Accept())
    for step, later in steps:
        name = step.rpartition(" ")[2]
        commands: dict[str, Command] = {
            "pause": PauseClocks(name),
            "resume": ResumeClocks(name),
            "extend": ExtendClock("confirm"),
            "ship": Ship(
                f"s-{len(story.changes)}",
                Manifest.of({str(len(story.order.delivery.shipments) + 1): 1}),
            ),
            "arrive": Deliver(),
        }
        try:
            story.send(commands[step.partition(" ")[0]], after=later)
        except (NotAllowed, InvalidInput):
            continue
        held = standing_timers(story).get(CONFIRM)
        asked = due_of(story.order, CONFIRM, TimeoutPolicy(), standard_lifecycle())
        assert (held.due if held else None) == asked


# --- Amended, recovered, adopted ------------------------------------------------------------------


def with_deadline(story: Story, later: timedelta) -> Any:
    """The content of the story's order with its deadline ``later``."""
    content: Any = story.order.content
    return attrs.evolve(content, pay_by=content.pay_by + later)


def after_event(story: Story, event: Any, at: datetime) -> dict[TimerKey, timedelta | None]:
    """What one more event sets, and clears (``None``)."""
    order = evolve(story.order, event, at)
    to_set, cleared = timers(
        order, (event,), TimeoutPolicy(), at, standard_lifecycle(), story.order
    )
    found: dict[TimerKey, timedelta | None] = {timer.key: timer.due - START for timer in to_set}
    return found | dict.fromkeys(cleared)


def test_a_new_deadline_moves_the_clocks_that_count_to_it() -> None:
    """An amendment that gives ten minutes more moves the reminder and the closing by ten minutes."""
    story = story_a()
    amended = Amended(with_deadline(story, 10 * MINUTE), ("lines",), story.order.total)
    assert after_event(story, amended, START + MINUTE) == {REMIND: 35 * MINUTE, CLOSE: 40 * MINUTE}
    same = Amended(story.order.content, ("address",), story.order.total)
    assert after_event(story, same, START + MINUTE) == {}


def test_a_recovered_order_has_its_clocks_again() -> None:
    """A new deadline and a new visit: reminded and closed as if it were placed anew."""
    story = story_a()
    story.send(Close("not paid in time"), after=30 * MINUTE)
    assert story.order.state == "closed"
    at = START + DAY
    content = with_deadline(story, DAY)
    events = (Recovered(content, content.total), Moved("recover", "closed", "pending_payment"))
    order = story.order
    for event in events:
        order = evolve(order, event, at)
    to_set, _ = timers(order, events, TimeoutPolicy(), at, standard_lifecycle(), story.order)
    assert {timer.key: timer.due - START for timer in to_set} == {
        REMIND: DAY + 25 * MINUTE,
        CLOSE: DAY + 30 * MINUTE,
    }
    assert {timer.visit for timer in to_set} == {order.visit}


def test_an_adopted_order_has_the_clocks_of_its_state_and_of_what_is_owed() -> None:
    """Taken over when shipped, with a refund under way: receipt, and both clocks of the refund's leg."""
    story = shipped()
    story.refund({"1": 1})
    order = story.order
    adopted = Adopted(order.content, "shipped", START, order.payments, order.delivery)
    at = START + DAY
    to_set, cleared = timers(
        evolve(None, adopted, at), (adopted,), TimeoutPolicy(), at, standard_lifecycle()
    )
    assert {timer.key: timer.due - START for timer in to_set} == {
        CONFIRM: 7 * DAY,
        refund_key("r-1", 0): DAY + MINUTE,
        refund_key("r-1", 0, TimerKind.REFUND_LATE): 6 * DAY,
    }
    assert cleared == ()


# --- The policy's own rules -----------------------------------------------------------------------


def for_kind(*kinds: OrderKind, lifecycle: str = "", **fields: Any) -> KindTimer:
    """A rule of the policy; it confirms unless it says otherwise."""
    given_fields = {"name": "confirm", "does": TimerAction.CONFIRM, "states": (), **fields}
    return KindTimer(TimerRule(**given_fields), kinds, lifecycle)


def test_a_policy_s_rule_takes_the_place_of_the_lifecycle_s() -> None:
    """For group buys receipt is confirmed after three days, in the states of the rule that it replaces."""
    ours = for_kind(OrderKind.GROUP_BUY, since=Since.SHIPPED, after=3 * DAY)
    policy = TimeoutPolicy(timers=(ours,))
    for kind, days in ((OrderKind.GROUP_BUY, 3), (OrderKind.REGULAR, 7)):
        content = order_content(quote(order_a(kind), PricingPolicy(), START))
        story = paid(Story(content, timeouts=policy))
        story.ship()
        assert due(story) == {CONFIRM: days * DAY}
    (rule,) = [
        r
        for r in rules_of(policy, standard_lifecycle(), OrderKind.GROUP_BUY)
        if r.name == "confirm"
    ]
    assert (rule.states, rule.extension) == (("shipped",), 3 * DAY)


def test_a_policy_s_rule_stands_beside_the_lifecycle_s() -> None:
    """A rule of another name is one more; where two of a policy share a name the later one counts."""
    slow = for_kind(name="slow", does=TimerAction.ESCALATE, states=("paid",), after=DAY)
    slower = for_kind(name="slow", does=TimerAction.ESCALATE, states=("paid",), after=2 * DAY)
    story = Story(
        order_content(quote(order_a(), PricingPolicy(), START)),
        timeouts=TimeoutPolicy(timers=(slow, slower)),
    )
    assert due(paid(story)) == {TimerKey(TimerKind.ESCALATE, "slow"): 2 * DAY}


def test_a_lifecycle_without_timers_is_timed_by_its_events() -> None:
    """Where it waits for payment it is closed by the event that it lists, and where goods arrive it confirms."""
    rules = {rule.name: rule for rule in rules_of(TimeoutPolicy(), chart(), OrderKind.REGULAR)}
    assert {name: (rule.states, rule.event) for name, rule in rules.items()} == {
        "close": (("pending",), "cancel"),
        "remind": (("pending",), ""),
        "confirm": (("sent",), "receive"),
    }
    unpaid = rules_of(TimeoutPolicy(), chart(prepaid=False), OrderKind.REGULAR)
    assert [rule.name for rule in unpaid] == ["confirm"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_built_in_lifecycle_can_be_timed(name: str) -> None:
    """Every rule of every version is put together for every kind, and each has a figure or none on purpose."""
    for version in versions(name):
        lifecycle: Lifecycle[Order] = built_in(name, FACTS, version)
        check_rules(TimeoutPolicy(), [lifecycle])
        for kind in OrderKind:
            for rule in rules_of(TimeoutPolicy(), lifecycle, kind):
                assert set(rule.states) <= set(lifecycle.table)


# --- Visible steps --------------------------------------------------------------------------------

PAY, SHIP = step_key(VisibleStep.PAY), step_key(VisibleStep.SHIP)


def test_a_step_that_takes_too_long_alerts() -> None:
    """The clock of a visible step starts when it is entered, runs on from state to state, and stops after it."""
    policy = TimeoutPolicy(targets={VisibleStep.PAY: 20 * MINUTE, VisibleStep.SHIP: 2 * DAY})
    story = told(escalation(after="30 days"), policy=policy)
    assert due(story)[PAY] == 20 * MINUTE
    story.at += 10 * MINUTE
    paid(story)
    assert PAY not in due(story)
    assert due(story)[SHIP] == 2 * DAY + 10 * MINUTE
    story.send(Accept(), after=DAY)
    assert due(story)[SHIP] == 2 * DAY + 10 * MINUTE
    story.ship()
    assert SHIP not in due(story)


def test_a_target_may_be_working_time() -> None:
    """Nine working hours from Wednesday noon are up on Thursday noon."""
    policy = TimeoutPolicy(targets={VisibleStep.SHIP: 9 * HOUR}, working=WorkingHours())
    story = paid(told(escalation(after="30 days"), policy=policy))
    assert due(story)[SHIP] == DAY


def test_an_overrun_is_told_as_it_is() -> None:
    """The event names the step and its target."""
    made = shipped().send(NoteOverrun("receive", 2 * DAY))
    assert [(e.step, e.target) for e in made.events] == [("receive", 2 * DAY)]  # type: ignore[attr-defined]


# --- What cannot be -------------------------------------------------------------------------------

FEW = WorkingHours(days=(Weekday.SUNDAY,), opens=time(9), closes=time(10))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": ""}, "rule.name"),
        ({"name": "step:pay"}, "rule.name"),
        ({"does": TimerAction.ALERT}, "rule.after"),
        ({"after": DAY, "at": START}, "rule.at"),
        ({"after": -DAY}, "rule.after"),
        ({"extension": DAY}, "rule.extension"),
        ({"after": 400 * DAY, "hours": FEW}, "rule.hours"),
        ({"after": DAY, "hours": WorkingHours("Europe/Atlantis")}, "rule.hours.zone"),
    ],
    ids=["no name", "a step", "no figure", "both", "before", "extension", "hours", "zone"],
)
def test_rules_that_cannot_be_are_refused(fields: dict[str, Any], path: str) -> None:
    """The error names the path of what is wrong in the policy."""
    with pytest.raises(InvalidPolicy) as caught:
        TimeoutPolicy(timers=(for_kind(), for_kind(**fields))).check()
    assert caught.value.path == f"timeouts.timers[1].{path}"


def test_targets_that_cannot_be_are_refused() -> None:
    """A target is positive, and its working hours suffice."""
    with pytest.raises(InvalidPolicy) as caught:
        TimeoutPolicy(targets={VisibleStep.PAY: timedelta(0)}).check()
    assert caught.value.path == "timeouts.targets.pay"
    with pytest.raises(InvalidPolicy) as caught:
        TimeoutPolicy(targets={VisibleStep.PAY: 400 * DAY}, working=FEW).check()
    assert caught.value.path == "timeouts.working"
    with pytest.raises(InvalidPolicy) as caught:
        TimeoutPolicy(timers=(for_kind(),) * 101).check()
    assert caught.value.path == "timeouts.timers"


@pytest.mark.parametrize(
    ("timer", "path"),
    [
        (for_kind(facts=("all_shiped",)), "rule.facts[0]"),
        (for_kind(sends="recieve"), "rule.sends"),
    ],
    ids=["fact", "event"],
)
def test_a_rule_that_could_not_be_served_is_refused(timer: KindTimer, path: str) -> None:
    """Facts and events are those of the lifecycles in which the rule runs; one that runs in none is let be."""
    check_rules(TimeoutPolicy(timers=(for_kind(states=("shiped",), sends="x"),)), [chart()])
    policy = TimeoutPolicy(timers=(timer,))
    policy.check()
    with pytest.raises(InvalidPolicy) as caught:
        check_rules(policy, [standard_lifecycle()])
    assert caught.value.path == f"timeouts.timers[0].{path}"


def test_a_lifecycle_whose_timer_asks_an_unknown_fact_is_refused() -> None:
    """A fact that is neither published nor asked by a guard cannot be answered."""
    rules = (TimerRule("late", TimerAction.ESCALATE, ("paid",), after=DAY, facts=("sunny",)),)
    own = standard_lifecycle()
    lifecycle = type(own)("own", 1, own.initial, own.states, own.table, own.events, timers=rules)
    with pytest.raises(UnknownGuard, match="'sunny'"):
        check_rules(TimeoutPolicy(), [lifecycle])


def test_a_policy_that_was_used_is_pickled_and_compared_as_before() -> None:
    """What it has put together for itself is no part of it."""
    policy = TimeoutPolicy()
    paid(told(policy=policy))
    assert policy == TimeoutPolicy() == pickle.loads(pickle.dumps(policy))
    assert hash(policy) == hash(TimeoutPolicy())
    assert "plans" not in repr(policy)
