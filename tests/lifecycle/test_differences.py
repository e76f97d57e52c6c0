from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from tests.lifecycle.documents import FACTS as ANSWERS
from tests.lifecycle.documents import Document, documents, small

from ordercore.lifecycle import How, Lifecycle, Part, diff, left_behind, load_lifecycle
from ordercore.order import FACTS


def both(newer: Document) -> tuple[Lifecycle[Any], Lifecycle[Any]]:
    """The small lifecycle and the changed one."""
    return load_lifecycle(small(), FACTS), load_lifecycle(newer, FACTS)


def told(newer: Document) -> list[str]:
    """What differs, as a person reads it."""
    return [str(difference) for difference in diff(*both(newer))]


@given(documents())
def test_nothing_differs_from_itself(document: Document) -> None:
    """Two readings of one document are the same, and no state is left behind."""
    one, other = load_lifecycle(document, ANSWERS), load_lifecycle(document, ANSWERS)

    assert diff(one, other) == ()
    assert left_behind(one, other) == ()


def test_states_and_transitions_that_are_new_or_gone_are_told() -> None:
    """A state is told with its name, a transition with its target and guards, whatever hangs on them not."""
    newer = small()
    del newer["states"]["canceled"]
    newer["states"]["placed"]["transitions"][1] = {"event": "pay", "target": "held"}
    newer["states"]["held"] = {
        "color": "#e6e0f3",
        "transitions": [{"event": "cancel", "target": "done", "cond": "valid"}],
    }
    newer["states"]["done"]["releases"] = True

    assert told(newer) == [
        "~ states.placed.pay: to paid -> to paid or to held",
        "~ states.placed.pay.guards: [paid_in_full] -> [paid_in_full] or []",
        "~ states.done.releases: no -> yes",
        "+ states.held: Held",
        "+ states.held.cancel: to done [valid]",
        "- states.placed.cancel: to canceled [not money_in_flight]",
        "- states.canceled: Canceled",
    ]
    assert left_behind(*both(newer)) == ("canceled",)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"prepaid": False}, "~ prepaid: yes -> no"),
        ({"description": "Other."}, "~ description: none -> Other."),
        ({"items": {"made": {"final": True}}}, "+ items.made: Made"),
        ({"events": {"pay": {"name": "Settle"}}}, "~ events.pay: Pay -> Settle"),
        ({"events": {"receive": {"seals": True}}}, "~ events.receive.seals: no -> yes"),
        (
            {"events": {"cancel": {"by": {"placed": ["customer", "staff"], "": []}}}},
            "~ events.cancel.by: none -> in placed customer, staff; else nobody",
        ),
        (
            {"timers": [{"does": "confirm", "states": ["sent"], "after": "7 days"}]},
            "+ timers.confirm: confirm after 7 days, sends receive",
        ),
    ],
)
def test_each_other_part_is_told(change: Document, line: str) -> None:
    """Senders, seals, timers, item statuses and what holds for the whole lifecycle."""
    assert told(small() | change) == [line]


def test_a_change_of_a_timer_is_told_by_what_changed() -> None:
    """Its figure, its states, its pauses, its hours: each has a line of its own."""
    old = small() | {"timers": [{"does": "confirm", "states": ["sent"], "after": "7 days"}]}
    new = small() | {
        "timers": [
            {
                "does": "confirm",
                "states": ["sent"],
                "since": "shipped",
                "after": "10 days",
                "facts": ["all_shipped"],
                "paused_by": ["ticket"],
                "extension": "3 days",
                "hours": {"zone": "UTC", "holidays": ["2026-12-25"]},
            }
        ]
    }
    found = diff(load_lifecycle(old, FACTS), load_lifecycle(new, FACTS))

    assert {difference.path for difference in found} == {
        "timers.confirm",
        "timers.confirm.since",
        "timers.confirm.facts",
        "timers.confirm.paused_by",
        "timers.confirm.extension",
        "timers.confirm.hours",
    }
    assert {(difference.part, difference.how) for difference in found} == {
        (Part.TIMER, How.CHANGED)
    }
    assert str(found[0]) == (
        "~ timers.confirm: confirm after 7 days, sends receive -> "
        "confirm 10 days of working time after shipping, sends receive"
    )
