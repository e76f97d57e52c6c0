from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lifecycle.documents import FACTS, Answers, Document, documents, small, subjects

from ordercore.calendar import Weekday, WorkingHours
from ordercore.errors import InvalidLifecycle, NotAllowed, UnknownEvent, UnknownGuard
from ordercore.lifecycle import (
    DocumentFormat,
    Lifecycles,
    Since,
    TimerAction,
    TimerRule,
    VisibleStep,
    check,
    diff,
    load_lifecycle,
    outline,
    read_document,
    write_document,
)
from ordercore.lifecycle.charts.standard import StandardOrder
from ordercore.lifecycle.twin import live_twin
from ordercore.order import FACTS as ORDER_FACTS
from ordercore.party import ActorKind

EXAMPLES = Path(__file__).parents[2] / "examples" / "lifecycles"
MADE = EXAMPLES / "made_to_order.json"
HOST_FACTS = {**ORDER_FACTS, "inspected": lambda order: "inspected" in order.handling.tags}


@given(documents(), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), subjects), max_size=8))
def test_l11_table_of_a_document_equals_its_live_machine(
    document: Document, steps: list[tuple[int, int, Answers]]
) -> None:
    """From any state, by any event, the table goes where python-statemachine's own machine goes."""
    lifecycle = load_lifecycle(document, FACTS)
    twin = live_twin(document, FACTS)

    assert twin.initial == lifecycle.initial
    for s, e, subject in steps:
        state = lifecycle.states[s % len(lifecycle.states)].id
        event = lifecycle.events[e % len(lifecycle.events)]
        try:
            reached = lifecycle.fire(state, event, subject)
        except NotAllowed:
            reached = None
        assert twin.fire(state, event, subject) == reached


@given(documents())
def test_a_document_that_is_written_is_read_back(document: Document) -> None:
    """Writing loses nothing: the lifecycle read back does the same, and is written the same."""
    lifecycle = load_lifecycle(document, FACTS)
    written = write_document(lifecycle)
    again = load_lifecycle(json.dumps(written), FACTS)

    assert check(written, FACTS) == ()
    assert diff(lifecycle, again) == ()
    assert write_document(again) == written
    assert (again.timers, again.items, again.states) == (
        lifecycle.timers,
        lifecycle.items,
        lifecycle.states,
    )


def test_a_class_can_be_written_as_a_document() -> None:
    """The chart class of the standard order becomes a document that does the same."""
    lifecycle = outline(StandardOrder, name="standard")
    written = write_document(lifecycle)

    assert diff(lifecycle, load_lifecycle(written, ORDER_FACTS)) == ()


def test_json_and_yaml_say_the_same(tmp_path: Path) -> None:
    """A file's ending tells its format, and both formats give the same lifecycle."""
    file = tmp_path / "small.yaml"
    file.write_text(
        """
        lifecycle: small
        states:
          placed:
            initial: yes
            transitions:
              - {event: pay, target: paid, cond: paid_in_full}
              - {event: cancel, target: canceled, unless: money_in_flight}
          paid: {transitions: [{event: ship, target: sent, cond: all_shipped}]}
          sent: {transitions: [{event: receive, target: done}]}
          done: {final: on}
          canceled: {final: true, releases: yes}
        """,
        encoding="utf-8",
    )
    other = tmp_path / "small.json"
    other.write_text(json.dumps(small()), encoding="utf-8")

    found, same = load_lifecycle(file, ORDER_FACTS), load_lifecycle(other, ORDER_FACTS)
    assert diff(found, same) == ()
    assert found.releases == {"canceled"}
    text = file.read_text(encoding="utf-8")
    assert diff(load_lifecycle(text, ORDER_FACTS), found) == ()
    assert diff(load_lifecycle(text, ORDER_FACTS, format=DocumentFormat.YAML), found) == ()


def test_the_first_state_is_the_initial_one_unless_another_is_marked() -> None:
    """A document without a mark begins where it begins."""
    document = small()
    del document["states"]["placed"]["initial"]

    assert load_lifecycle(document, ORDER_FACTS).initial == "placed"


def test_what_stands_beside_the_states_is_kept() -> None:
    """Names, steps, senders, seals, timers and item statuses come out as they were written."""
    document = small() | {"prepaid": False, "description": "For a test."}
    document["states"]["paid"] |= {"name": "Paid up", "step": "pick", "amend": ["staff"]}
    document["events"] = {
        "cancel": {"name": "Call off", "by": {"placed": ["customer"]}},
        "receive": {"by": ["customer", "channel"], "seals": True, "description": "It came."},
    }
    document["items"] = {"at_hand": {}, "gone": {"name": "Sold", "final": True}}
    document["timers"] = [{"does": "confirm", "states": ["sent"], "since": "shipped"}]
    found = load_lifecycle(document, ORDER_FACTS)

    assert (found.prepaid, found.description) == (False, "For a test.")
    paid = found.state("paid")
    assert (paid.name, paid.step, paid.amend) == (
        "Paid up",
        VisibleStep.PICK,
        frozenset({ActorKind.STAFF}),
    )
    assert found.steps == {s.id: s.step for s in found.states}
    assert found.info("cancel").name == "Call off"
    assert found.may_send("placed", "cancel", ActorKind.CUSTOMER) is True
    assert found.may_send("placed", "cancel", ActorKind.STAFF) is False
    assert found.may_send("paid", "cancel", ActorKind.CUSTOMER) is False
    assert found.may_send("sent", "receive", ActorKind.CHANNEL) is True
    assert found.may_send("placed", "pay", ActorKind.CUSTOMER) is None
    assert found.info("pay").name == "Pay"
    assert found.sealing == {"receive"}
    assert [(item.id, item.name, item.final) for item in found.items] == [
        ("at_hand", "At hand", False),
        ("gone", "Sold", True),
    ]
    assert found.timers == (
        TimerRule("confirm", TimerAction.CONFIRM, ("sent",), since=Since.SHIPPED),
    )
    assert found.timers[0].event == "receive"
    with pytest.raises(UnknownEvent):
        found.info("pack")


def test_a_timer_is_read_with_its_hours_and_its_moment() -> None:
    """Working hours, days off, an absolute moment and a lead before the deadline are understood."""
    document = small()
    document["events"] = {"cancel": {"by": ["customer", "staff"]}}
    document["timers"] = [
        {
            "name": "late",
            "does": "escalate",
            "states": ["paid"],
            "after": "16 h",
            "facts": ["nothing_shipped"],
            "hours": {
                "zone": "Asia/Shanghai",
                "days": ["monday", "saturday"],
                "opens": "09:30",
                "closes": "17:00",
                "holidays": ["2026-10-01"],
            },
        },
        {"name": "day", "does": "alert", "states": ["sent"], "at": "2026-11-11T00:00:00+08:00"},
        {"does": "remind", "states": ["placed"], "since": "pay_by", "after": "-5 min"},
        {"does": "close", "states": ["placed"], "since": "pay_by", "sends": "cancel"},
    ]
    late, day, remind, close = load_lifecycle(document, ORDER_FACTS).timers

    assert late.after == timedelta(hours=16)
    assert late.facts == ("nothing_shipped",)
    assert late.hours == WorkingHours(
        "Asia/Shanghai",
        (Weekday.MONDAY, Weekday.SATURDAY),
        time(9, 30),
        time(17),
        (date(2026, 10, 1),),
    )
    assert day.at == datetime(2026, 11, 10, 16, tzinfo=UTC)
    assert remind.after == timedelta(minutes=-5)
    assert (close.name, close.event, close.after) == ("close", "cancel", None)


def test_two_versions_stand_side_by_side() -> None:
    """An order goes on by the version that it was placed on, while new ones take the latest."""
    newer = small() | {"version": 2}
    newer["states"]["paid"]["transitions"].insert(0, {"event": "cancel", "target": "canceled"})
    known = Lifecycles([load_lifecycle(small(), ORDER_FACTS), load_lifecycle(newer, ORDER_FACTS)])

    assert known.get("small").version == 2
    assert known.get("small").events_of("paid") == ("cancel", "ship")
    assert known.get("small", 1).events_of("paid") == ("ship",)


def test_the_first_fault_is_raised_with_its_path_and_how_many_there_are() -> None:
    """A broken document is no lifecycle; the error says where to begin."""
    document = small()
    document["states"]["paid"]["transitions"][0]["cond"] = "all_shiped"
    document["states"]["paid"]["color"] = "red"

    with pytest.raises(InvalidLifecycle) as raised:
        load_lifecycle(document, ORDER_FACTS)
    assert raised.value.path == "states.paid.color"
    assert raised.value.data == {"source": "small", "fault": "unknown_value", "faults": 2}
    del document["states"]["paid"]["color"]
    with pytest.raises(UnknownGuard, match="did you mean 'all_shipped'") as guard:
        load_lifecycle(document, ORDER_FACTS)
    assert guard.value.path == "states.paid.transitions[0].cond"


def test_a_fact_that_is_a_coroutine_is_refused() -> None:
    """Nobody would wait for its answer, so it would always hold."""

    async def asked(_order: object) -> bool:
        return False

    with pytest.raises(InvalidLifecycle, match="coroutine"):
        load_lifecycle(small(), {**ORDER_FACTS, "paid_in_full": asked})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", "{", "no JSON document"),
        ("a.json", "[" * 100_000, "no JSON document"),
        ("a.json", '{"lifecycle": NaN}', "NaN is no number"),
        ("a.json", '{"states": {}, "states": {}}', "the key 'states' stands there twice"),
        ("a.json", "[]", "is a mapping"),
        ("a.json", '{"version": ' + "9" * 5_000 + "}", "no JSON document"),
        ("a.yaml", "a: [", "no YAML document"),
        ("a.yaml", "a: 1\na: 2", "the key 'a' stands there twice, or is none, line 2"),
        ("a.yaml", "a: &x [1]\nb: *x", "anchors and references are not read, line 1"),
        ("a.yaml", "[a]: 1", "or is none"),
        ("a.yaml", "<<: {a: 1}", "or is none"),
        ("a.yaml", "a: " + "[" * 40 + "]" * 40, "too large or too deep"),
        ("a.yaml", "a: !!python/object/apply:os.getcwd []", "tags are not read, line 1"),
        ("a.yaml", "a: 1\nb: !!timestamp x", "tags are not read, line 2"),
        ("a.yaml", "a: !!bool x", "tags are not read"),
        ("a.yaml", "a: !!int ''", "tags are not read"),
        ("a.yaml", "a: !!float ''", "tags are not read"),
        ("a.yaml", "a: !!set {b}", "tags are not read"),
        ("a.yaml", "!!map {a: 1}", "tags are not read"),
        ("a.yaml", "a: ! 1", "tags are not read"),
        ("a.yaml", "a: 2026-99-99", "no YAML document"),
        ("a.yaml", "a: 0b_", "no YAML document"),
        ("a.yaml", "a: 1" + ":59" * 200 + ".5", "no YAML document"),
        ("a.yaml", "- 1", "is a mapping"),
        ("a.toml", "", "ends in .json, .yaml, .yml"),
        ("a.json", "x" * 600_000, "at most 512 KiB"),
        ("a.json", b"\xff\xfe{", "is UTF-8 text"),
        ("a.json", None, "cannot be read: no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: str | bytes | None, reason: str
) -> None:
    """Not JSON, not YAML, too large, too deep, twice the same key: one line, and the file's name."""
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(InvalidLifecycle, match=reason) as raised:
        read_document(file)
    assert raised.value.data["source"] == str(file)


def test_yaml_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML is an extra, and the error names it."""
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)

    with pytest.raises(InvalidLifecycle, match=r"ordercore-sdk\[yaml\]"):
        read_document("lifecycle: a")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(documents(), JUNK, st.data())
def test_a_document_with_anything_anywhere_is_loaded_or_refused(
    document: Document, junk: Any, data: st.DataObject
) -> None:
    """Whatever stands in any place, faults are told, or the lifecycle and its live machine can be made."""
    spot: Any = document
    for _ in range(data.draw(st.integers(1, 6))):
        keys = list(spot) if isinstance(spot, dict) else range(len(spot))
        key = data.draw(st.sampled_from(sorted(keys, key=str))) if keys else None
        if key is None:
            break
        if not isinstance(spot[key], (dict, list)) or data.draw(st.booleans()):
            spot[key] = junk
            break
        spot = spot[key]

    faults = check(document, FACTS)
    if faults:
        with pytest.raises(InvalidLifecycle) as raised:
            load_lifecycle(document, FACTS)
        assert raised.value.path == faults[0].path
    else:
        load_lifecycle(document, FACTS)
        live_twin(document, FACTS)


@given(st.text(max_size=60), st.sampled_from(DocumentFormat))
def test_any_text_is_read_or_refused(text: str, format: DocumentFormat) -> None:  # noqa: A002
    """Reading never fails in another way than the library's own."""
    with suppress(InvalidLifecycle):
        assert load_lifecycle(text, FACTS, format=format).states


def test_the_example_of_a_host_is_in_order() -> None:
    """The example that the how-to begins with can be loaded with the host's own fact."""
    found = load_lifecycle(MADE, HOST_FACTS)

    assert found.name == "made_to_order"
    assert {rule.name for rule in found.timers} >= {"design_late", "no_answer"}
    with pytest.raises(UnknownGuard, match="inspected"):
        load_lifecycle(MADE, ORDER_FACTS)
