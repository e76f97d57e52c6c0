"""What is due when: the clock of order A, and that nothing owed is ever left unwatched."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from ordercore.errors import InvalidPolicy
from ordercore.money import money
from ordercore.order import AnswerAttempts, Close, Deliver
from ordercore.pricing import Cart, CartLine, OrderKind, PricingPolicy, quote
from ordercore.tender import AttemptState, Outcome, OutcomeStatus, RefundStatus
from ordercore.tender.tenders import Channel, Points
from ordercore.testing import START, Story, order_a, order_content, stories
from ordercore.timeout import (
    RESOLVE,
    PaymentWindow,
    TimeoutPolicy,
    Timer,
    TimerKey,
    TimerKind,
    refund_key,
)

MINUTE = timedelta(minutes=1)
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
    """An unpaid order has its deadline, a shipped one its confirmation, and each is of the present visit."""
    held = standing_timers(story)
    order = story.order
    assert (CLOSE in held) is (order.state == "pending_payment")
    assert REMIND not in held or order.state == "pending_payment"
    assert (CONFIRM in held) is (order.state == "shipped")
    for key in (CLOSE, REMIND, CONFIRM):
        assert key not in held or held[key].visit == order.visit


@given(stories())
def test_l22_a_closed_order_gives_its_goods_back(story: Story) -> None:
    """An order with a reservation that ended closed has a timer that releases it."""
    order = story.order
    if order.state == "closed":
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
