"""The pages of the built-in lifecycles are what their charts say.

What stands above the mark on a page is written by hand; the rest is made. After a change to a chart
run ``python tests/lifecycle/test_builtin_pages.py`` to make it anew.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ordercore.lifecycle import mermaid
from ordercore.lifecycle.charts import BUILT_IN, built_in, versions
from ordercore.lifecycle.timer import Since, TimerAction, TimerRule, spoken
from ordercore.order import FACTS
from ordercore.wording import translated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "lifecycles"
MARK = "<!-- from here on made from the chart -->\n"

SINCE = {
    Since.ENTERED: "it came into the state",
    Since.PLACED: "it was placed",
    Since.PAY_BY: "the deadline of payment",
    Since.SHIPPED: "the last shipment",
    Since.RECEIVED: "the goods arrived",
    Since.BALANCE_FROM: "the balance opens",
    Since.BALANCE_UNTIL: "the time for the balance ends",
}
POLICY = {
    TimerAction.CLOSE: "at the deadline of payment",
    TimerAction.REMIND: "before the deadline of payment, as the policy says",
    TimerAction.CONFIRM: "`confirm_after` of the policy after the last shipment",
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def states(lifecycle: Lifecycle[Order]) -> str:
    """Each state with its labels, its step and what it means."""
    rows = []
    for state in lifecycle.states:
        marks = []
        if state.amend:
            marks.append(f"amended by {who(kind.value for kind in state.amend)}")
        if state.releases:
            marks.append("releases what was held")
        if state.final:
            marks.append("final")
        rows.append(
            (
                f"`{state.id}`",
                state.name,
                translated(state.name, "zh_CN", "state"),
                state.step.value if state.step else "",
                state.description,
                ", ".join(marks),
            )
        )
    return table(("state", "label", "标签", "step", "meaning", "beside"), rows)


def who(kinds: Iterable[str]) -> str:
    """Kinds of actors as words."""
    return ", ".join(sorted(kinds))


def events(lifecycle: Lifecycle[Order]) -> str:
    """Each event with its labels, and who may send it from where."""
    rows = []
    for event in lifecycle.events:
        about = lifecycle.info(event)
        by = "the engine"
        if about.senders:
            others = who(kind.value for kind in about.senders.get("", ()))
            parts = [
                f"in `{state}`: {who(kind.value for kind in kinds)}"
                for state, kinds in about.senders.items()
                if state
            ]
            if others:
                parts.append(f"elsewhere: {others}" if parts else others)
            by = "; ".join(parts)
        meaning = about.description + (" It seals." if about.seals else "")
        chinese = translated(about.name, "zh_CN", "event")
        rows.append((f"`{event}`", about.name, chinese, by, meaning))
    return table(("event", "label", "标签", "who", "meaning"), rows)


def when(rule: TimerRule) -> str:
    """When a timer comes due."""
    if rule.after is None:
        return POLICY[rule.does]
    if not rule.after:
        return f"when {SINCE[rule.since]}"
    side = "before" if rule.after < timedelta(0) else "after"
    return f"{spoken(abs(rule.after))} {side} {SINCE[rule.since]}"


def timers(lifecycle: Lifecycle[Order]) -> str:
    """Each timer: where it runs, when it comes due, what it does then."""
    rows = []
    for rule in lifecycle.timers:
        more = []
        if rule.paused_by:
            more.append("stands still while the order is paused")
        if rule.extension is not None:
            more.append(f"the buyer may add {spoken(rule.extension)} once")
        does = f"{rule.does.value}, sends `{rule.event}`" if rule.event else rule.does.value
        where = ", ".join(f"`{state}`" for state in rule.states)
        rows.append((f"`{rule.name}`", where, when(rule), does, "; ".join(more)))
    return table(("timer", "runs in", "comes due", "does", "beside"), rows)


def items(lifecycle: Lifecycle[Order]) -> str:
    """The statuses of single items."""
    rows = [
        (
            f"`{status.id}`",
            status.name,
            translated(status.name, "zh_CN", "item"),
            "final" if status.final else "",
        )
        for status in lifecycle.items
    ]
    return table(("status", "label", "标签", "beside"), rows)


def made(name: str) -> str:
    """The part of a page that its chart tells."""
    lifecycle = built_in(name, FACTS)
    parts = [f"## Diagram\n\n```mermaid\n{mermaid(lifecycle)}```\n"]
    parts.append(f"\n## States\n\n{states(lifecycle)}")
    parts.append(f"\n## Events\n\n{events(lifecycle)}")
    parts.append(f"\n## Timers\n\n{timers(lifecycle)}")
    if lifecycle.items:
        parts.append(f"\n## Items\n\n{items(lifecycle)}")
    return "".join(parts)


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_page_of_a_lifecycle_is_what_its_chart_says(name: str) -> None:
    """Diagram, states, events, timers and items stand on the page as the chart has them."""
    head, mark, rest = (PAGES / f"{name}.md").read_text("utf-8").partition(MARK)

    assert mark
    assert head.startswith("# ")
    assert f"`{name}`" in head
    assert f"version {versions(name)[-1]}" in head
    assert rest.lstrip("\n") == made(name)


def test_there_is_a_page_for_each_built_in_lifecycle_and_no_other() -> None:
    """Who looks for a lifecycle finds its page."""
    assert {path.stem for path in PAGES.glob("*.md")} == set(BUILT_IN)


if __name__ == "__main__":
    for each in BUILT_IN:
        page = PAGES / f"{each}.md"
        above = page.read_text("utf-8").partition(MARK)[0]
        page.write_text(f"{above}{MARK}\n{made(each)}", "utf-8")
