from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.lifecycle.documents import small

from ordercore.lifecycle import Fault, FaultKind, check, read_document
from ordercore.lifecycle.vocabulary import VOCABULARY
from ordercore.order import FACTS

BROKEN = Path(__file__).parents[2] / "examples" / "lifecycles" / "broken"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "lifecycles.md"

# the faults of each broken document, in the order in which they are told
FAULTS: dict[str, tuple[tuple[str, FaultKind], ...]] = {
    "bad_guard.json": (("states.paid.transitions[0].cond", FaultKind.BAD_GUARD),),
    "bad_name.json": (("states.on its way", FaultKind.BAD_NAME),),
    "bad_timer.json": (
        ("timers[0].at", FaultKind.BAD_TIMER),
        ("timers[1].after", FaultKind.BAD_TIMER),
        ("timers[2].after", FaultKind.BAD_TIMER),
    ),
    "dead_end.json": (
        ("states.held", FaultKind.DEAD_END),
        ("states.waiting", FaultKind.DEAD_END),
    ),
    "final_left.json": (("states.done.final", FaultKind.FINAL_LEFT),),
    "misuse.json": (
        ("states.placed.releases", FaultKind.MISUSE),
        ("events.ship.seals", FaultKind.MISUSE),
        ("states.placed.transitions[1].target", FaultKind.MISUSE),
    ),
    "never_taken.json": (("states.paid.transitions[1]", FaultKind.NEVER_TAKEN),),
    "not_kept.json": (
        ("states.paid.enter", FaultKind.NOT_KEPT),
        ("states.paid.history", FaultKind.NOT_KEPT),
        ("states.shipped.transitions[0].after", FaultKind.NOT_KEPT),
        ("states.shipped.transitions[1].event", FaultKind.NOT_KEPT),
    ),
    "several.json": (
        ("version", FaultKind.SHAPE),
        ("states.placed.color", FaultKind.UNKNOWN_VALUE),
        ("states.placed.transitions[0].target", FaultKind.UNKNOWN_TARGET),
        ("states.placed.transitions[1].unless", FaultKind.UNKNOWN_GUARD),
        ("states.packed.transitions[0].on", FaultKind.NOT_KEPT),
        ("timers[0].states[1]", FaultKind.UNKNOWN_STATE),
        ("states.shipped", FaultKind.DEAD_END),
        ("states.paid.transitions[0].event", FaultKind.UNSENT),
        ("timers[0].states[0]", FaultKind.TIMER_EVENT),
    ),
    "shape.json": (("states.paid.transitions", FaultKind.SHAPE),),
    "timer_event.json": (("timers[0].states[0]", FaultKind.TIMER_EVENT),),
    "too_large.json": (("states.paid.description", FaultKind.TOO_LARGE),),
    "twice.json": (("timers[1].name", FaultKind.TWICE),),
    "two_initial.json": (("states.paid.initial", FaultKind.TWO_INITIAL),),
    "unknown_guard.json": (
        ("states.paid.transitions[0].cond", FaultKind.UNKNOWN_GUARD),
        ("states.paid.transitions[0].cond", FaultKind.UNKNOWN_GUARD),
    ),
    "unknown_key.json": (("states.paid.colr", FaultKind.UNKNOWN_KEY),),
    "unknown_state.json": (
        ("events.cancel.by.place", FaultKind.UNKNOWN_STATE),
        ("timers[0].states[1]", FaultKind.UNKNOWN_STATE),
    ),
    "unknown_target.json": (("states.paid.transitions[1].target", FaultKind.UNKNOWN_TARGET),),
    "unknown_value.json": (
        ("states.placed.color", FaultKind.UNKNOWN_VALUE),
        ("states.placed.step", FaultKind.UNKNOWN_VALUE),
        ("states.placed.amend[0]", FaultKind.UNKNOWN_VALUE),
        ("timers[0].does", FaultKind.UNKNOWN_VALUE),
    ),
    "unlisted.json": (
        ("events.pack", FaultKind.UNLISTED),
        ("events.cancel.by.paid", FaultKind.UNLISTED),
    ),
    "unreachable.json": (("states.on_hold", FaultKind.UNREACHABLE),),
    "unsent.json": (("states.paid.transitions[0].event", FaultKind.UNSENT),),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_of_a_broken_document_is_named_by_its_path(name: str) -> None:
    """All faults are found in one run, each with its place and its kind."""
    found = check(read_document(BROKEN / name), FACTS)

    assert tuple((fault.path, fault.kind) for fault in found) == FAULTS[name]
    assert all([fault.reason for fault in found])


def test_every_kind_of_fault_has_a_broken_example() -> None:
    """A kind that no document shows would be a kind that nobody meets."""
    assert sorted(FAULTS) == sorted(file.name for file in BROKEN.glob("*.json"))
    for kind in FaultKind:
        assert {kind} == {found for _, found in FAULTS[f"{kind.value}.json"]}


def test_a_document_in_order_has_no_fault() -> None:
    """Nothing is told of a good document."""
    assert check(small(), FACTS) == ()


def test_events_facts_and_faults_stand_in_the_reference() -> None:
    """The page names each event that needs no declaration, with its meaning, each fact and each fault."""
    text = PAGE.read_text(encoding="utf-8")

    for event, meaning in VOCABULARY.items():
        assert f"| `{event}` | {meaning} |" in text
    for fact in FACTS:
        assert f"| `{fact}` |" in text
    for kind in FaultKind:
        assert f"`{kind.value}`" in text


def fault_of(document: dict[str, Any]) -> Fault:
    """Tell the only fault of a document."""
    (found,) = check(document, FACTS)
    return found


@pytest.mark.parametrize(
    "document", [None, [], "text", {}, {"lifecycle": "a", "states": []}, {"lifecycle": "a"}]
)
def test_what_is_no_lifecycle_at_all_is_a_matter_of_shape(document: Any) -> None:
    """A document is a mapping that has a name and states."""
    assert {fault.kind for fault in check(document, FACTS)} == {FaultKind.SHAPE}


def test_a_list_of_too_many_is_not_read() -> None:
    """Every list is bounded, and only its size is told."""
    document = small()
    document["states"]["paid"]["transitions"] *= 101

    assert fault_of(document).kind is FaultKind.TOO_LARGE
    document = small() | {"timers": [{}] * 101}
    assert str(fault_of(document)) == "timers: holds 101, and at most 100 can be"


def test_a_word_of_the_state_machine_is_no_state() -> None:
    """A state named as a part of python-statemachine would take its place."""
    document = small()
    document["states"]["paid"]["transitions"].append({"event": "cancel", "target": "events"})
    document["states"]["events"] = {"final": True, "releases": True}

    assert fault_of(document).path == "states.events"
    assert fault_of(document).kind is FaultKind.BAD_NAME
    document = small()
    document["states"]["paid"]["transitions"].append({"event": "send", "target": "done"})
    document["events"] = {"send": {"by": ["staff"]}}
    assert fault_of(document).path == "states.paid.transitions[1].event"


@pytest.mark.parametrize(
    "guard",
    [
        "",
        "paid_in_full()",
        "1",
        "valid and 1",
        "a.b",
        "valid if valid else valid",
        "(" * 60,
        "'\\d'",
        "1if valid else 0",
        "valid " + "and valid " * 80,
        "lambda: valid",
        "valid; valid",
    ],
)
def test_a_guard_is_made_of_facts_and_three_words(guard: str) -> None:
    """Calls, numbers, comparisons, attributes and statements are no guards; an empty one is none."""
    document = small()
    document["states"]["paid"]["transitions"][0]["cond"] = guard or None

    found = check(document, FACTS)
    assert [fault.kind for fault in found] == ([FaultKind.BAD_GUARD] if guard else [])


def test_a_guard_in_a_list_is_named_by_its_place() -> None:
    """Several guards must all hold, and each is looked at."""
    document = small()
    document["states"]["paid"]["transitions"][0]["cond"] = ["all_shipped", "valid or 3", 4]

    assert [(fault.path, fault.kind) for fault in check(document, FACTS)] == [
        ("states.paid.transitions[0].cond[1]", FaultKind.BAD_GUARD),
        ("states.paid.transitions[0].cond[2]", FaultKind.SHAPE),
    ]


@pytest.mark.parametrize(
    ("timer", "key"),
    [
        ({"does": "close", "states": ["placed"], "sends": "cancel"}, "after"),
        ({"does": "remind", "states": ["placed"], "sends": "pay"}, "sends"),
        ({"does": "remind", "states": ["placed"], "hours": {}}, "hours"),
        ({"does": "alert", "states": ["paid"], "after": "0 s"}, "after"),
        ({"does": "confirm", "states": ["sent"], "extension": "-1 day"}, "extension"),
        (
            {
                "does": "alert",
                "states": ["paid"],
                "at": "2026-11-11T00:00:00Z",
                "since": "placed",
            },
            "since",
        ),
        (
            {
                "does": "alert",
                "states": ["paid"],
                "after": "1 h",
                "hours": {"opens": "18:00", "closes": "09:00"},
            },
            "hours.closes",
        ),
        (
            {"does": "alert", "states": ["paid"], "after": "1 h", "hours": {"zone": "Mars"}},
            "hours.zone",
        ),
    ],
)
def test_a_timer_that_contradicts_itself_is_told(timer: dict[str, Any], key: str) -> None:
    """A figure that is missing or cannot be, an event that it does not send, hours without work."""
    found = fault_of(small() | {"timers": [timer]})

    assert found.kind is FaultKind.BAD_TIMER
    assert found.path == f"timers[0].{key}"


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("after", 30),
        ("after", "soon"),
        ("after", "5000 weeks"),
        ("at", "2026-11-11"),
        ("at", "tomorrow"),
        ("hours", {"opens": "9"}),
        ("hours", {"holidays": ["1 May"]}),
        ("facts", ["all_shipped", 3]),
        ("paused_by", "ticket"),
        ("states", []),
    ],
)
def test_a_timer_of_the_wrong_shape_is_told(key: str, raw: object) -> None:
    """Durations, moments, times of the day and lists have one way of writing each."""
    timer = {"does": "alert", "states": ["paid"], "after": "1 h"} | {key: raw}

    assert FaultKind.SHAPE in {fault.kind for fault in check(small() | {"timers": [timer]}, FACTS)}


def test_nobody_may_send_an_event_where_a_state_lists_it() -> None:
    """Senders by state that leave out a state which lists the event are a fault."""
    document = small()
    for state in ("paid", "sent"):
        document["states"][state]["transitions"].append({"event": "pack", "target": "done"})
    document["events"] = {"pack": {"by": {"paid": ["staff"]}}}

    assert str(fault_of(document)) == (
        "events.pack.by: nobody may send 'pack' in 'sent', which lists it"
    )


def test_a_timer_is_a_sender() -> None:
    """An event that only a timer sends needs no declaration."""
    document = small()
    document["states"]["paid"]["transitions"].append({"event": "lapse", "target": "canceled"})
    document["timers"] = [
        {"does": "forfeit", "states": ["paid"], "after": "2 days", "sends": "lapse"}
    ]

    assert check(document, FACTS) == ()


def test_statuses_of_items_need_a_final_one() -> None:
    """Without one, no item would ever be done."""
    assert str(fault_of(small() | {"items": {"open": {}}})).startswith("items: no status")


@pytest.mark.parametrize(
    ("key", "raw", "path", "kind"),
    [
        ("events", dict.fromkeys(range(301)), "events", FaultKind.TOO_LARGE),
        ("events", {3: {}}, "events.3", FaultKind.SHAPE),
        ("events", {"cancel": {"by": "staff"}}, "events.cancel.by", FaultKind.SHAPE),
        ("timers", ["close"], "timers[0]", FaultKind.SHAPE),
        ("lifecycle", "a b", "lifecycle", FaultKind.BAD_NAME),
        ("version", True, "version", FaultKind.SHAPE),
        ("description", ["x"], "description", FaultKind.SHAPE),
        ("prepaid", "perhaps", "prepaid", FaultKind.SHAPE),
        ("items", {"a": {"final": True, "color": "#fff"}}, "items.a.color", FaultKind.UNKNOWN_KEY),
        (
            "states",
            {"a": {"final": True, "datamodel": {}}},
            "states.a.datamodel",
            FaultKind.UNKNOWN_KEY,
        ),
        ("datamodel", {"x": "1"}, "datamodel", FaultKind.NOT_KEPT),
    ],
)
def test_each_part_has_its_shape(key: str, raw: object, path: str, kind: FaultKind) -> None:
    """Names, numbers, flags, lists and mappings stand where they belong."""
    found = fault_of(small() | {key: raw})

    assert (found.path, found.kind) == (path, kind)
