"""Clocks that count from the windows of a presale."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ordercore.errors import InvalidPolicy
from ordercore.lifecycle import Since, TimerAction, TimerRule, check
from ordercore.lifecycle.charts import document
from ordercore.lifecycle.timer import timing
from ordercore.money import from_minor
from ordercore.order import FACTS, PauseClocks, ResumeClocks
from ordercore.policy import Policies
from ordercore.pricing import Cart, CartLine, Presale, PricingPolicy, quote
from ordercore.tender import Compensation, OutcomeStatus, RefundStatus, tenders
from ordercore.tender.events import CompensationAnswered, CompensationGranted
from ordercore.testing import START
from ordercore.testing.story import Story, order_content, presale_lifecycle, standard_lifecycle
from ordercore.timeout import (
    KindTimer,
    TimeoutPolicy,
    TimerKey,
    TimerKind,
    compensation_key,
    due,
    timers,
)

CARD = tenders.Channel("card")
OPENS = START + timedelta(days=10)
ENDS = OPENS + timedelta(days=2)
OPEN = TimerKey(TimerKind.OPEN, "open_balance")
FORFEIT = TimerKey(TimerKind.FORFEIT)
OPENING = TimerKey(TimerKind.REMIND_PAYMENT, "remind_opening")
ENDING = TimerKey(TimerKind.REMIND_PAYMENT, "remind_balance")
CLOSE, REMIND = TimerKey(TimerKind.CLOSE_UNPAID), TimerKey(TimerKind.REMIND_PAYMENT)


def presold(timeouts: TimeoutPolicy | None = None) -> Story:
    """A presale of 500.00 with a deposit of 50.00, placed."""
    presale = Presale(from_minor(5_000, "CNY"), OPENS, ENDS)
    cart = Cart("CNY", (CartLine("SKU-1", 1, from_minor(50_000, "CNY")),), presale=presale)
    chart = presale_lifecycle()
    content = order_content(quote(cart, PricingPolicy(), START), lifecycle=chart)
    return Story(content, lifecycle=chart, timeouts=timeouts)


def running(story: Story) -> dict[TimerKey, Any]:
    """The timers that stand, after all changes."""
    found: dict[TimerKey, Any] = {}
    for made in story.changes:
        for key in made.timers_cleared:
            found.pop(key, None)
        found.update({timer.key: timer.due for timer in made.timers_set})
    return {k: v for k, v in found.items() if k.kind is not TimerKind.RESOLVE_PAYMENT}


def test_each_state_of_a_presale_has_the_clocks_of_its_window() -> None:
    """The deposit's deadline, then the opening, then two reminders and the end; none once it is paid."""
    story = presold()
    minute = timedelta(minutes=1)
    assert running(story) == {CLOSE: START + 30 * minute, REMIND: START + 25 * minute}
    story.pay(CARD)
    assert running(story) == {OPEN: OPENS}
    story.at = OPENS + minute
    story.pay(CARD)
    assert running(story) == {}
    (moved, *_) = [made for made in story.changes if made.order.state == "awaiting_balance"]
    told = {timer.key: timer.due for timer in moved.timers_set}
    assert {key: told[key] for key in (OPENING, ENDING, FORFEIT)} == {
        OPENING: OPENS, ENDING: ENDS - timedelta(hours=6), FORFEIT: ENDS,
    }  # fmt: skip


def test_a_clock_of_a_window_does_not_run_for_an_order_without_one() -> None:
    """An order that is paid at once has no opening to wait for."""
    rule = TimerRule(
        "late", TimerAction.ALERT, ("pending_payment",), Since.BALANCE_UNTIL, timedelta(hours=-1)
    )
    policy = TimeoutPolicy(timers=(KindTimer(rule),))
    cart = Cart("CNY", (CartLine("SKU-1", 1, from_minor(100, "CNY")),))
    story = Story(order_content(quote(cart, PricingPolicy(), START)), timeouts=policy)
    assert due(story.order, TimerKey(TimerKind.ALERT, "late"), policy, standard_lifecycle()) is None


def test_a_rule_of_the_shop_may_remind_at_another_lead() -> None:
    """One day before the end instead of six hours; the built-in rule of that name gives way."""
    rule = TimerRule(
        "remind_balance", TimerAction.REMIND, (), Since.BALANCE_UNTIL, timedelta(days=-1)
    )
    policy = TimeoutPolicy(timers=(KindTimer(rule, lifecycle="presale"),))
    story = presold(policy)
    story.pay(CARD)
    story.at = OPENS
    story.pay(CARD, status=OutcomeStatus.DECLINED)
    assert due(story.order, ENDING, policy, presale_lifecycle()) == ENDS - timedelta(days=1)


def test_a_pause_puts_the_end_of_a_window_off() -> None:
    """Where the shop lets a pause stop the clock, the time paused within the window is added."""
    rule = TimerRule(
        "forfeit", TimerAction.FORFEIT, (), Since.BALANCE_UNTIL, timedelta(0), paused_by=("*",)
    )
    policy = TimeoutPolicy(timers=(KindTimer(rule, lifecycle="presale"),))
    story = presold(policy)
    story.pay(CARD)
    story.send(PauseClocks("before"))
    story.send(ResumeClocks("before"), after=timedelta(hours=5))
    story.at = OPENS
    story.pay(CARD, status=OutcomeStatus.DECLINED)
    assert due(story.order, FORFEIT, policy, presale_lifecycle()) == ENDS
    story.send(PauseClocks("ticket"))
    assert due(story.order, FORFEIT, policy, presale_lifecycle()) is None
    story.send(ResumeClocks("ticket"), after=timedelta(hours=3))
    assert due(story.order, FORFEIT, policy, presale_lifecycle()) == ENDS + timedelta(hours=3)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (TimerRule("x", TimerAction.OPEN, ("deposit_paid",), Since.BALANCE_FROM, timedelta(0)), "when the balance opens"),
        (TimerRule("x", TimerAction.ALERT, ("a",), Since.BALANCE_FROM, timedelta(hours=-1)), "1 h before the balance opens"),
        (TimerRule("x", TimerAction.ALERT, ("a",), Since.BALANCE_UNTIL, timedelta(hours=-6)), "6 h before the time for the balance ends"),
        (TimerRule("x", TimerAction.ALERT, ("a",), Since.BALANCE_UNTIL, timedelta(days=1)), "1 day after the time for the balance"),
        (TimerRule("x", TimerAction.ALERT, ("a",), Since.PAY_BY, timedelta(minutes=-5)), "5 min before the deadline of payment"),
    ],
)  # fmt: skip
def test_a_clock_of_a_window_is_told_in_words(rule: TimerRule, words: str) -> None:
    """As diagrams and comparisons show it."""
    assert timing(rule) == words


def test_only_what_counts_from_a_deadline_has_a_lead() -> None:
    """An opening and an end are known before they come, the entry of a state is not."""
    for since in (Since.PAY_BY, Since.BALANCE_FROM, Since.BALANCE_UNTIL):
        rule = TimerRule("x", TimerAction.ALERT, ("paid",), since, timedelta(hours=-1))
        TimeoutPolicy(timers=(KindTimer(rule),)).check()
    rule = TimerRule("x", TimerAction.ALERT, ("paid",), Since.ENTERED, timedelta(hours=-1))
    with pytest.raises(InvalidPolicy, match="balance_from, balance_until, pay_by"):
        TimeoutPolicy(timers=(KindTimer(rule),)).check()


def test_a_document_may_name_the_windows_and_the_opening() -> None:
    """What the policy writes it reads."""
    rule = TimerRule("x", TimerAction.OPEN, ("deposit_paid",), Since.BALANCE_FROM, timedelta(0))
    policies = Policies(timeouts=TimeoutPolicy(timers=(KindTimer(rule),)))
    assert Policies.parse(policies.dump()) == policies


def test_no_timer_opens_anything_by_an_event_that_moves_more_than_the_state() -> None:
    """Money and goods move by verbs of their own, not by the clock."""
    text = json.loads(json.dumps(dict(document("presale"))))
    text["timers"][2]["sends"] = "cancel"
    faults = check(text, FACTS)
    assert [fault.path for fault in faults] == ["timers[2].sends"]
    assert "moves more than the state" in faults[0].reason


def test_a_compensation_is_watched_until_it_has_come_to_its_end() -> None:
    """Granted, it is asked about soon; accepted, now and then; arrived or failed, no more."""
    story = presold()
    policy = TimeoutPolicy()
    given = Compensation("o-1/c1", 100, "balance", "c-1", "late", "staff:s")
    key = compensation_key("o-1/c1")
    for event, moment in (
        (CompensationGranted(given), START + policy.resolve_after),
        (CompensationAnswered("o-1/c1", RefundStatus.ACCEPTED), START + policy.backoff[-1]),
        (CompensationAnswered("o-1/c1", RefundStatus.ARRIVED), None),
        (CompensationAnswered("o-1/c1", RefundStatus.FAILED), None),
    ):
        to_set, cleared = timers(
            story.order, (event,), policy, START, presale_lifecycle(), story.order
        )
        assert {timer.key: timer.due for timer in to_set} == ({key: moment} if moment else {})
        assert cleared == (() if moment else (key,))
