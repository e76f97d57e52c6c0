"""Lifecycle documents for tests: any that can be loaded, and a small one to break."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from hypothesis import strategies as st

NAMES = ("x", "y", "z")
FACTS = {name: itemgetter(name) for name in NAMES}
Answers = dict[str, bool]
Document = dict[str, Any]

ACTORS = st.lists(st.sampled_from(["customer", "staff", "channel", "system"]), unique=True)
SOMEBODY = st.lists(st.sampled_from(["customer", "staff"]), unique=True, min_size=1)
TEXT = st.text("aB 中<&\"'z.", max_size=12)
SPANS = st.sampled_from(["30 min", "1 h 30 min", "7 days", "1 day 12 h 5 min", "90 s", "2 weeks"])

subjects = st.fixed_dictionaries(dict.fromkeys(NAMES, st.booleans()))


def _joined(parts: list[str], word: str) -> str:
    return f" {word} ".join(f"({part})" if " " in part else part for part in parts)


expressions = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: (
        inner.map(lambda text: f"not ({text})")
        | st.tuples(st.lists(inner, min_size=2, max_size=3), st.sampled_from(["and", "or"])).map(
            lambda pair: _joined(*pair)
        )
    ),
    max_leaves=5,
)
guards = expressions | st.lists(expressions, min_size=1, max_size=3)


@st.composite
def transitions(draw: st.DrawFn, states: list[str], following: str) -> list[dict[str, Any]]:
    """Ways out of one state: one leads on, so that every state is reached and comes to an end."""
    rows: list[dict[str, Any]] = []
    for event in draw(st.lists(st.sampled_from(["go", "back", "pay", "s0"]), unique=True)):
        several = draw(st.integers(1, 3))
        for place in range(several):
            row: dict[str, Any] = {"event": event, "target": draw(st.sampled_from(states))}
            if place + 1 < several or draw(st.booleans()):
                kinds = draw(st.sampled_from([("cond",), ("unless",), ("cond", "unless")]))
                row |= {kind: draw(guards) for kind in kinds}
            rows.append(row)
    step: dict[str, Any] = {"event": "next_one", "target": following}
    if draw(st.booleans()):
        step["cond"] = draw(guards)
    rows.insert(draw(st.integers(0, len(rows))), step)
    return rows


@st.composite
def timers(draw: st.DrawFn, states: list[str]) -> dict[str, Any]:
    """One timer of any sort that is in order."""
    rule: dict[str, Any] = {
        "states": draw(st.lists(st.sampled_from(states), min_size=1, unique=True))
    }
    rule["does"] = draw(st.sampled_from(["confirm", "escalate", "alert", "remind"]))
    if rule["does"] == "confirm":
        rule["sends"] = "next_one"
    if draw(st.booleans()):
        rule["at"] = "2026-11-11T00:00:00+08:00"
    else:
        rule["since"] = draw(st.sampled_from(["entered", "placed", "shipped", "received"]))
        rule["after"] = draw(SPANS)
        if draw(st.booleans()):
            rule["hours"] = {"zone": "Asia/Shanghai", "opens": "09:30", "holidays": ["2026-10-01"]}
    rule["facts"] = draw(st.lists(st.sampled_from(NAMES), unique=True))
    rule["paused_by"] = draw(st.lists(st.sampled_from(["*", "ticket"]), unique=True))
    if draw(st.booleans()):
        rule["extension"] = draw(SPANS)
    return rule


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Any document that is in order, over the facts x, y and z."""
    states = [f"s{number}" for number in range(draw(st.integers(2, 6)))]
    rows: dict[str, dict[str, Any]] = {}
    for place, state in enumerate(states):
        row: dict[str, Any] = {"name": draw(TEXT), "description": draw(TEXT)}
        row["amend"] = draw(ACTORS)
        if draw(st.booleans()):
            row["color"] = "#12cdef"
            row["step"] = draw(st.sampled_from(["order", "pay", "pick", "ship"]))
        if state == states[-1]:
            row |= {"final": True, "releases": draw(st.booleans())}
        else:
            row["transitions"] = draw(transitions(states, states[place + 1]))
        rows[state] = row
    rows[states[0]]["initial"] = True
    listed = {step["event"] for row in rows.values() for step in row.get("transitions", ())}
    document: Document = {
        "lifecycle": "any",
        "version": draw(st.integers(1, 9)),
        "prepaid": draw(st.booleans()),
        "states": rows,
        "events": {event: {"by": draw(SOMEBODY), "name": draw(TEXT)} for event in sorted(listed)},
        "timers": [
            rule | {"name": f"t{place}"}
            for place, rule in enumerate(draw(st.lists(timers(states[:-1]), max_size=3)))
        ],
        "items": draw(st.sampled_from([{}, {"made": {"final": True}, "open": {"name": "Open"}}])),
    }
    return document


def small() -> Document:
    """A lifecycle of five states that is in order, to be changed by a test."""
    return {
        "lifecycle": "small",
        "version": 1,
        "states": {
            "placed": {
                "initial": True,
                "transitions": [
                    {"event": "pay", "target": "paid", "cond": "paid_in_full"},
                    {"event": "cancel", "target": "canceled", "unless": "money_in_flight"},
                ],
            },
            "paid": {"transitions": [{"event": "ship", "target": "sent", "cond": "all_shipped"}]},
            "sent": {"transitions": [{"event": "receive", "target": "done"}]},
            "done": {"final": True},
            "canceled": {"final": True, "releases": True},
        },
    }
