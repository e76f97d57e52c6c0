"""The six visible steps of any order on any lifecycle."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.journal.histories import (
    BOB,
    STANDARD,
    STEPS,
    adopted,
    handled,
    histories,
    order_of,
    recorded_of,
)

from ordercore.calendar import WorkingHours
from ordercore.change import Recorded
from ordercore.errors import CorruptDocument
from ordercore.journal import StepStanding, progress, steps_plain, steps_text
from ordercore.lifecycle import VisibleStep
from ordercore.lifecycle.charts import BUILT_IN, built_in
from ordercore.order import FACTS, Accept, Cancel, Complete, Deliver, Move, NoteOverrun, Ship
from ordercore.order.events import Moved, Placed
from ordercore.party import SYSTEM
from ordercore.tender.tenders import Channel
from ordercore.testing import START, Story, stories

if TYPE_CHECKING:
    from ordercore.journal import Progress

DONE, CURRENT = StepStanding.DONE, StepStanding.CURRENT
AHEAD, SKIPPED = StepStanding.AHEAD, StepStanding.SKIPPED
ZERO = timedelta(0)
HOUR = timedelta(hours=1)


def seen(story: Story, later: timedelta = ZERO, **targets: timedelta) -> Progress:
    """The steps of a story's order, so long after its last command."""
    wanted = {VisibleStep(name): target for name, target in targets.items()}
    return progress(story.order, recorded_of(story), story.lifecycle, wanted, story.at + later)


def standings(found: Progress) -> list[StepStanding]:
    """How the six stand."""
    return [one.standing for one in found.steps]


def paid() -> Story:
    """An order that was paid after ten minutes."""
    story = handled()
    story.at += timedelta(minutes=10)
    story.pay(Channel("card"))
    return story


# Laws ------------------------------------------------------------------------------------------------


@given(stories() | histories(), st.timedeltas(ZERO, timedelta(days=9)))
def test_the_time_spent_adds_up(story: Story, later: timedelta) -> None:
    """What was spent in steps, and aside of them, is the time from placing to now, or to the end."""
    found = seen(story, later)
    assert sum([one.spent for one in found.steps], found.aside) == found.until - found.since
    assert found.since == START
    if found.current is None:
        assert found.until <= story.order.entered_at
    else:
        assert found.until == story.at + later
    assert min(one.spent for one in found.steps) >= ZERO


@given(stories() | histories())
def test_the_steps_are_in_order(story: Story) -> None:
    """The six are told in their order: done or passed over before the current one, ahead behind it."""
    found = seen(story)
    assert tuple(one.step for one in found.steps) == STEPS
    stand = standings(found)
    order, chart = story.order, story.lifecycle.steps[story.order.state]
    over = order.handling.released or order.handling.sealed
    assert found.current is (None if over else chart)
    if found.current is None:
        assert set(stand) <= {DONE, SKIPPED}
    else:
        at = STEPS.index(found.current)
        assert set(stand[:at]) <= {DONE, SKIPPED}
        assert stand[at] is CURRENT
        charted = set(story.lifecycle.steps.values())
        ahead = [AHEAD if step in charted else SKIPPED for step in STEPS[at + 1 :]]
        assert list(stand[at + 1 :]) == ahead


@given(histories())
def test_a_step_that_was_gone_through_has_its_times(story: Story) -> None:
    """What an order spent time in has a beginning, and an end unless it is under way."""
    for one in seen(story, HOUR).steps:
        assert one.started is not None or not one.spent
        assert (one.ended is None) == (one.standing is CURRENT or one.started is None)
        if one.ended is not None and one.started is not None:
            assert one.spent <= one.ended - one.started


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_lifecycle_begins_in_its_first_step(name: str) -> None:
    """An order of any built-in lifecycle is in the step of its first state, and the rest is still to come."""
    chart = built_in(name, FACTS)
    story = handled()
    placed = Recorded("o-1", 1, START, SYSTEM, "place", Placed(story.order.content, chart.initial))
    found = progress(order_of((placed,)), (placed,), chart, {}, START + HOUR)
    charted = set(chart.steps.values())
    assert found.current is chart.steps[chart.initial]
    assert found.current is not None
    at = STEPS.index(found.current)
    for place, one in enumerate(found.steps):
        if place == at:
            assert (one.standing, one.spent) == (CURRENT, HOUR)
        elif place < at:
            assert one.standing is (DONE if one.step is VisibleStep.ORDER else SKIPPED)
        else:
            assert one.standing is (AHEAD if one.step in charted else SKIPPED)


# One order's way ---------------------------------------------------------------------------------------


def test_a_new_order_waits_for_its_payment() -> None:
    """Placing is a moment: the first step is done, and paying is under way."""
    found = seen(handled(), HOUR)
    assert standings(found) == [DONE, CURRENT, AHEAD, AHEAD, AHEAD, AHEAD]
    assert found.of(VisibleStep.PAY).spent == HOUR
    order = found.of(VisibleStep.ORDER)
    assert (order.started, order.ended, order.spent) == (START, START, ZERO)


def test_a_completed_order_has_gone_through_all_steps() -> None:
    """Each step is done in its own time, and the order's end ends the last one."""
    story = paid()
    for command in (Accept(), Ship("s-1", None), Deliver(), Complete()):
        story.send(command, after=HOUR)
    found = seen(story, timedelta(days=9))
    assert standings(found) == [DONE] * 6
    assert [one.spent for one in found.steps[1:]] == [timedelta(minutes=10), HOUR, HOUR, HOUR, HOUR]
    assert found.until == story.at
    assert found.current is None


def test_a_canceled_order_broke_its_step_off() -> None:
    """The step in which an order ended is not done, and those behind it will not come."""
    story = paid()
    story.send(Cancel("changed my mind", "r-1"), after=HOUR)
    found = seen(story, HOUR)
    assert standings(found) == [DONE, DONE, SKIPPED, SKIPPED, SKIPPED, SKIPPED]
    assert found.of(VisibleStep.PICK).spent == HOUR
    told = steps_text(found, STANDARD).splitlines()
    assert told[1:4] == [
        "Pay: done in 10 min.",
        "Pick: broken off after 1 h.",
        "Ship: not gone through.",
    ]


def test_a_refund_of_all_breaks_a_step_off_and_takes_back_none() -> None:
    """An order refunded in full before it ships broke a step off; one refunded after its end went through all."""
    story = paid()
    story.refund()
    assert seen(story).of(VisibleStep.PICK).standing is SKIPPED
    story = paid()
    story.complete()
    story.refund()
    assert standings(seen(story)) == [DONE] * 6


def test_a_step_visited_twice_adds_up() -> None:
    """An order that goes back takes the step up again: ahead is what was done once, and spans add up."""
    story = paid()
    story.send(Move("pending_payment", "by hand"), by=BOB, after=HOUR)
    found = seen(story, HOUR)
    assert standings(found) == [DONE, CURRENT, AHEAD, AHEAD, AHEAD, AHEAD]
    pay, pick = found.of(VisibleStep.PAY), found.of(VisibleStep.PICK)
    assert (pay.spent, pay.started, pay.ended) == (timedelta(minutes=70), START, None)
    assert pick.spent == HOUR


def test_an_order_recovered_was_aside_meanwhile() -> None:
    """The time in which a canceled order was nothing to anybody belongs to no step."""
    recorded = list(recorded_of(handled()))
    for hours, source, to, releases in (
        (1, "pending_payment", "closed", True),
        (5, "closed", "pending_payment", False),
    ):
        move = Moved("x", source, to, releases=releases)
        recorded.append(Recorded("o-1", len(recorded) + 1, START + hours * HOUR, BOB, "X", move))
    found = progress(order_of(tuple(recorded)), recorded, STANDARD, {}, START + 6 * HOUR)
    assert found.current is VisibleStep.PAY
    assert found.of(VisibleStep.PAY).spent == 2 * HOUR
    assert found.aside == 4 * HOUR


def test_an_adopted_order_tells_what_is_known() -> None:
    """What an adopted order went through elsewhere is done without times; what it spent there is aside."""
    recorded = adopted()
    found = progress(order_of(recorded), recorded, STANDARD, {}, START + timedelta(days=6))
    assert standings(found) == [DONE, DONE, DONE, DONE, CURRENT, AHEAD]
    assert found.of(VisibleStep.PAY).started is None
    assert found.of(VisibleStep.RECEIVE).spent == timedelta(days=3)
    assert (found.aside, found.since) == (timedelta(days=3), START)


def test_an_order_adopted_at_its_end_has_no_step() -> None:
    """An adopted order that was over is over: released, it went through nothing that we know of."""
    recorded = adopted("closed", released=True)
    found = progress(order_of(recorded), recorded, STANDARD, {}, START + timedelta(days=6))
    assert standings(found) == [DONE, *[SKIPPED] * 5]
    assert (found.current, found.until) == (None, START + timedelta(days=3))


def test_time_does_not_run_back() -> None:
    """A move stamped by a clock that is behind takes no time, and gives none."""
    recorded = list(recorded_of(paid()))
    move = Moved("accept", "paid", "awaiting_shipment")
    recorded.append(Recorded("o-1", len(recorded) + 1, START, BOB, "Accept", move))
    found = progress(order_of(tuple(recorded)), recorded, STANDARD, {}, START)
    assert [one.spent for one in found.steps] == [ZERO, timedelta(minutes=10), *[ZERO] * 4]


def test_events_without_a_beginning_are_refused() -> None:
    """Moves of an order that was never placed give no steps."""
    recorded = recorded_of(paid())
    with pytest.raises(CorruptDocument, match="at least one event"):
        progress(paid().order, (), STANDARD, {}, START)
    with pytest.raises(CorruptDocument, match=r"order\.placed"):
        progress(paid().order, recorded[1:], STANDARD, {}, START)


# Targets -----------------------------------------------------------------------------------------------


def test_a_step_overruns_its_target() -> None:
    """A step overran once it took longer than its target; one without a target never does."""
    story = paid()
    found = seen(story, HOUR, pay=timedelta(minutes=10), pick=timedelta(minutes=59))
    assert [one.overran for one in found.steps] == [False, False, True, False, False, False]
    assert steps_text(found).splitlines()[1:3] == [
        "Pay: done in 10 min. Target: 10 min.",
        "Pick: under way for 1 h, since 2026-05-20 12:10:00. Longer than its target of 59 min.",
    ]


def test_an_alert_is_not_forgotten() -> None:
    """A step of which an alert was written overran, whatever the target is today."""
    story = paid()
    story.send(NoteOverrun("pick", HOUR), after=2 * HOUR)
    found = seen(story)
    assert found.of(VisibleStep.PICK).overran
    assert "It took longer than its target." in steps_text(found)


def test_targets_may_be_working_time() -> None:
    """With working hours, a night counts for nothing."""
    hours = WorkingHours("UTC")
    story = paid()
    recorded, targets = recorded_of(story), {VisibleStep.PICK: timedelta(hours=20)}
    now = START + timedelta(hours=21)
    assert progress(story.order, recorded, STANDARD, targets, now).of(VisibleStep.PICK).overran
    found = progress(story.order, recorded, STANDARD, targets, now, hours)
    assert not found.of(VisibleStep.PICK).overran
    assert found.of(VisibleStep.PICK).spent == timedelta(hours=20, minutes=50)


def test_an_order_of_long_ago_is_measured() -> None:
    """An order that was adopted after half a century has its steps, in working time as well."""
    recorded = adopted()
    now = START + timedelta(days=20_000)
    hours = WorkingHours("Asia/Shanghai")
    targets = {VisibleStep.RECEIVE: timedelta(days=1)}
    found = progress(order_of(recorded), recorded, STANDARD, targets, now, hours)
    assert found.current is VisibleStep.RECEIVE
    assert found.of(VisibleStep.RECEIVE).overran


# For machines ------------------------------------------------------------------------------------------


@given(histories())
def test_the_plain_steps_are_json(story: Story) -> None:
    """Plain data goes to JSON and comes back the same; spans are whole seconds."""
    found = steps_plain(seen(story, HOUR, pay=HOUR))
    assert json.loads(json.dumps(found)) == found
    assert [one["step"] for one in found["steps"]] == [step.value for step in STEPS]
    assert found["steps"][1]["target_seconds"] == 3_600
