"""Throttles, circuit breakers and recent rates of success: what spares a channel, and what they never hold back."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.channels import BEFORE, CARD, DEAF, DECLINE, SOFT, Channels, Scripted
from tests.engine.world import NOON, SHOPPER, STAFF

from ordercore import AsyncOrderEngine
from ordercore.engine.traffic import RECENT, Breaker, Traffic
from ordercore.tender import ChannelPolicy, ChannelRule
from ordercore.testing.simulation import Fault, Simulation

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def one(traffic: Traffic, policy: ChannelPolicy, now: Any) -> Any:
    """How the channel *a* fares."""
    (told,) = traffic.show(("a",), policy, now)
    return told


def plenty(world: Channels) -> Channels:
    """A shop with goods for many orders."""
    world.stock._stock = {f"SKU-{i}": 1_000 for i in (1, 2, 3)}
    return world


# --- The throttle -------------------------------------------------------------------------------


def test_so_many_calls_a_minute_are_let_through() -> None:
    """The third call of a minute waits, and is let through when the first is a minute old."""
    traffic, policy = Traffic(), ChannelPolicy((ChannelRule("a", per_minute=2),))
    assert [traffic.admit("a", policy, NOON + i * SECOND) for i in (0, 30, 59)] == [
        "", "", "the channel takes 2 calls a minute",
    ]  # fmt: skip
    assert traffic.admit("a", policy, NOON + 61 * SECOND) == ""
    assert traffic.admit("a", policy, NOON + 62 * SECOND) != ""


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 5))
def test_no_window_of_a_minute_has_more_calls_than_the_bound(seconds: list[int], most: int) -> None:
    """Whenever calls come, any sixty seconds hold at most so many that were let through."""
    traffic, policy = Traffic(), ChannelPolicy((ChannelRule("a", per_minute=most),))
    let = [s for s in sorted(seconds) if not traffic.admit("a", policy, NOON + s * SECOND)]
    for start in let:
        assert sum(start <= s < start + 60 for s in let) <= most


def test_a_clock_that_is_set_back_does_not_hold_calls_back_for_ever() -> None:
    """Calls counted in a future that did not come are forgotten, and so is a pause that would never end."""
    traffic = Traffic()
    policy = ChannelPolicy((ChannelRule("a", per_minute=1),), breaker_failures=1)
    assert traffic.admit("a", policy, NOON + 60 * MINUTE) == ""
    assert traffic.admit("a", policy, NOON) == ""
    traffic.silent("a", policy, NOON + 120 * MINUTE)
    assert one(traffic, policy, NOON + 5 * MINUTE).breaker is Breaker.HALF_OPEN


def test_a_payment_above_the_bound_goes_to_the_next_channel() -> None:
    """The first channel takes one payment a minute: the second one goes on at once."""
    rules = (ChannelRule("a", "card", per_minute=1), ChannelRule("b", "card"))
    world = plenty(Channels(rules=rules))
    orders = [world.card().order for _ in range(3)]
    assert [o.payments.attempts[-1].gateway for o in orders] == ["a", "b", "b"]
    assert orders[1].payments.attempts[0].reason == "not sent: the channel takes 1 calls a minute"
    told = {t.gateway: (t.calls, t.tries, t.successes) for t in world.engine.channels()}
    assert (told["a"], told["b"]) == ((1, 1, 1), (2, 2, 2))  # what was not sent is no try
    world.clock.advance(timedelta(seconds=61))
    assert world.card().order.payments.attempts[-1].gateway == "a"
    world.check()


def test_only_calls_that_take_money_for_the_first_time_are_held_back() -> None:
    """Captures, refunds, voids and questions go through, whatever the bound."""
    rules = (ChannelRule("a", "card", per_minute=1),)
    world = plenty(
        Channels(rules=rules, each={"a": {"authorizes_first": True}}, breaker_failures=1)
    )
    order = world.card().order
    assert order.state == "paid"
    assert world.card().declined == ("not sent: the channel takes 1 calls a minute",)
    assert world.engine.refund(order.id, reason="back", key="r", by=STAFF).order.state == "refunded"
    world.check()


def test_l7_what_may_have_been_sent_is_never_called_unsent() -> None:
    """A lost answer is asked about although the bound is reached and the breaker open: it stays its channel's."""
    rules = (ChannelRule("a", "card", per_minute=1), ChannelRule("b", "card"))
    world = Channels(rules=rules, breaker_failures=1, breaker_pause=timedelta(hours=5))
    world.a.script.append(BEFORE)
    order = world.card().order
    (told, *_) = world.engine.channels()
    assert world.engine.channels()[4].breaker is Breaker.OPEN, told
    world.at(2)
    now = world.get(order)
    assert (now.state, [a.gateway for a in now.payments.attempts]) == ("paid", ["a"])
    world.check()


# --- The breaker --------------------------------------------------------------------------------


def test_a_channel_that_does_not_answer_is_left_alone_and_then_tried_once() -> None:
    """Closed, open after three silences in a row, half open after the pause, closed by an answer."""
    traffic, policy = Traffic(), ChannelPolicy(breaker_failures=3, breaker_pause=MINUTE)
    for _ in range(2):
        traffic.silent("a", policy, NOON)
    assert (one(traffic, policy, NOON).breaker, traffic.admit("a", policy, NOON)) == (
        Breaker.CLOSED, "",
    )  # fmt: skip
    traffic.silent("a", policy, NOON)
    told = one(traffic, policy, NOON)
    assert (told.breaker, told.open_until, told.silent) == (Breaker.OPEN, NOON + MINUTE, 3)
    assert traffic.admit("a", policy, NOON + 59 * SECOND) == "the channel does not answer"
    later = NOON + MINUTE
    assert one(traffic, policy, later).breaker is Breaker.HALF_OPEN
    assert traffic.admit("a", policy, later) == ""
    assert traffic.admit("a", policy, later) != ""  # one trial at a time
    traffic.answered("a")
    assert traffic.admit("a", policy, later) == ""
    assert one(traffic, policy, later).breaker is Breaker.CLOSED


def test_a_trial_without_an_answer_opens_the_breaker_for_another_pause() -> None:
    """One silence is enough while it is half open."""
    traffic, policy = Traffic(), ChannelPolicy(breaker_failures=2, breaker_pause=MINUTE)
    for _ in range(2):
        traffic.silent("a", policy, NOON)
    assert traffic.admit("a", policy, NOON + MINUTE) == ""
    traffic.silent("a", policy, NOON + MINUTE)
    assert one(traffic, policy, NOON + MINUTE).open_until == NOON + 2 * MINUTE


def test_a_trial_whose_process_died_gives_way_after_a_pause() -> None:
    """Nobody tells what became of it: the next call is the trial."""
    traffic, policy = Traffic(), ChannelPolicy(breaker_failures=1, breaker_pause=MINUTE)
    traffic.silent("a", policy, NOON)
    assert traffic.admit("a", policy, NOON + MINUTE) == ""
    assert traffic.admit("a", policy, NOON + 90 * SECOND) != ""
    assert traffic.admit("a", policy, NOON + 2 * MINUTE) == ""


def test_a_breaker_may_be_switched_off() -> None:
    """With 0 failures it never opens."""
    traffic, policy = Traffic(), ChannelPolicy(breaker_failures=0)
    for _ in range(50):
        traffic.silent("a", policy, NOON)
    assert traffic.admit("a", policy, NOON) == ""


def test_an_answer_between_two_silences_begins_anew() -> None:
    """Only silences in a row count; a decline is an answer."""
    world = plenty(Channels(backups=0, breaker_failures=2))
    for wrong in (DEAF, DECLINE, DEAF, DECLINE):
        world.a.script.append(wrong)
        world.card()
    assert {t.gateway: t.breaker for t in world.engine.channels()}["a"] is Breaker.CLOSED


def test_a_channel_that_is_down_is_passed_over_until_it_answers() -> None:
    """After five refusals the next orders go straight to the second channel; after the pause one tries the first."""
    world = plenty(Channels())
    world.a.script.extend([DEAF] * 5)
    for _ in range(5):
        assert world.card().order.payments.attempts[-1].gateway == "b"
    calls = len(world.a.heard)
    (attempt,) = world.card().order.payments.attempts
    assert (attempt.gateway, attempt.backups, len(world.a.heard)) == ("b", ("c",), calls)
    world.clock.advance(MINUTE)
    assert world.card().order.payments.attempts[-1].gateway == "a"
    assert world.card().order.payments.attempts[-1].gateway == "a"
    world.check()


def test_a_method_whose_channels_are_all_down_declines_and_says_so() -> None:
    """The payment is written down and not sent; nobody waits for a time-out."""
    rules = (ChannelRule("a", "card"),)
    world = plenty(Channels(rules=rules, breaker_failures=1))
    world.a.script.append(DEAF)
    world.card()
    calls = len(world.a.heard)
    result = world.card()
    assert result.declined == ("not sent: the channel does not answer",)
    assert len(world.a.heard) == calls
    world.check()


# --- What there is to see -----------------------------------------------------------------------


def test_a_rate_counts_ends_and_what_is_recent() -> None:
    """A payer who pays later is a success; one that was not sent is no try; an hour later nothing is left."""
    world = plenty(Channels(each={"b": {"asks_payer": True}}))
    world.a.script.append(SOFT)
    order = world.card().order
    rates = {t.gateway: (t.tries, t.successes) for t in world.engine.channels()}
    assert (rates["a"], rates["b"]) == ((1, 0), (0, 0))
    key = order.payments.attempts[-1].id
    for _ in range(2):
        world.engine.notify("b", {}, world.b.pay(key))
    rates = {t.gateway: (t.tries, t.successes) for t in world.engine.channels()}
    assert rates["b"] == (1, 1)
    assert rates["points"] == (0, 0)
    world.clock.advance(timedelta(hours=1, seconds=1))
    assert {t.tries for t in world.engine.channels()} == {0}


def test_what_is_remembered_is_bounded() -> None:
    """A busy channel keeps its last results, and one number for each second."""
    traffic, policy = Traffic(), ChannelPolicy()
    for i in range(5_000):
        now = NOON + timedelta(milliseconds=100 * i)
        assert traffic.admit("a", policy, now) == ""
        traffic.ended("a", now, held=True)
    told = one(traffic, policy, now)
    assert told.tries == RECENT
    assert 590 <= told.calls <= 610
    assert len(traffic._lanes["a"].calls) <= 62


def test_each_engine_has_its_own_and_both_engines_show_it() -> None:
    """Nothing is shared between two engines; the asynchronous one has the same verb."""
    world = plenty(Channels())
    world.card()
    other = world.another()
    both = AsyncOrderEngine(world.store, world.gateways, policies=world.policies, clock=world.clock)
    assert sum(t.calls for t in world.engine.channels()) == 1
    assert sum(t.calls for t in other.channels()) == 0
    assert [t.gateway for t in both.channels()] == list(world.gateways)


def test_many_threads_count_each_call_once() -> None:
    """Of a hundred calls of eight threads just ten are let through, and every result is counted."""
    traffic, policy = Traffic(), ChannelPolicy((ChannelRule("a", per_minute=10),))
    let: list[str] = []

    def call() -> None:
        for _ in range(100):
            let.append(traffic.admit("a", policy, NOON))
            traffic.ended("a", NOON, held=False)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert let.count("") == 10
    assert one(traffic, policy, NOON).tries == RECENT


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.value)
@pytest.mark.parametrize("limit", [0, 1])
def test_l7_a_fault_at_any_step_with_a_breaker_and_a_bound_is_recovered(
    fault: Fault, limit: int
) -> None:
    """Whatever dies while the first channel is left alone or full: charged once, nothing stranded."""
    tried = 0
    for step in range(1, 100):
        rules = (ChannelRule("a", "card", per_minute=limit), ChannelRule("b", "card"))
        world = Channels(rules=rules, breaker_failures=1, breaker_pause=timedelta(hours=2))
        world.a.script.append(SOFT if limit else DEAF)
        world.card()
        order = world.placed()
        simulation = Simulation(world.engine)
        walk = simulation.pay(order.id, CARD, key="k", by=SHOPPER).go(step - 1)
        if walk.ended:
            break
        owner = getattr(walk.step.fn, "__self__", None)
        if fault in {Fault.NO_ANSWER, Fault.LOST_ANSWER} and not isinstance(owner, Scripted):
            continue
        assert walk.strike(step, fault)
        tried = step
        simulation.recover(world.clock)
        world.check()
    assert tried
