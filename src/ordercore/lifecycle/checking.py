"""Find every fault of a lifecycle document, each by its path.

A fault is something that would surprise a shop: an order that nobody can move on,
an event that nothing sends, a timer for a state that is not there.
`load_lifecycle` refuses a document with any fault; `check` tells all of them at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from ordercore.lifecycle.drafting import Draft, draft
from ordercore.lifecycle.faults import Fault, FaultKind
from ordercore.lifecycle.timer import TimerAction
from ordercore.lifecycle.vocabulary import NEVER_SEALS, RELEASING, VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Fault", "FaultKind", "check", "examine"]

_BREAKS_WAYS: Final = frozenset(
    {
        FaultKind.SHAPE,
        FaultKind.NOT_KEPT,
        FaultKind.BAD_NAME,
        FaultKind.TOO_LARGE,
        FaultKind.UNKNOWN_TARGET,
    }
)
_ASIDE: Final = frozenset({"close", "forfeit"})


def check(document: Mapping[str, object], facts: Collection[str]) -> tuple[Fault, ...]:
    """Tell all that is wrong with a document, in its order; empty for one that can be loaded.

    ``facts`` are the names that guards may use (a mapping of facts will do).
    """
    return tuple(examine(document, facts).faults)


def examine(document: object, facts: Collection[str]) -> Draft:
    """Read a document and check it: the draft has the faults."""
    found = draft(document, facts)
    if found.states:
        listing = _Listing(found)
        found.faults += _steps(found)
        found.faults += _loose_ends(found)
        if not any(
            [fault.kind in _BREAKS_WAYS and "states" in fault.path for fault in found.faults]
        ):
            found.faults += _ways(found)
        found.faults += _senders(found, listing)
        found.faults += _timers(found)
        found.faults += _marks(found)
    return found


class _Listing:
    """Which states list an event, with the path of the first place."""

    def __init__(self, found: Draft) -> None:
        self.states: dict[str, set[str]] = {}
        self.paths: dict[str, str] = {}
        for state, steps in found.steps.items():
            for step in steps:
                self.states.setdefault(step.event, set()).add(state)
                self.paths.setdefault(step.event, f"{step.path}.event")


def _steps(found: Draft) -> Iterator[Fault]:
    """Transitions that can never be taken, and ways out of a final state."""
    for state, steps in found.steps.items():
        if found.states[state].final and steps:
            reason = "a final state is left by nothing: take the mark or the transitions away"
            yield Fault(f"states.{state}.final", FaultKind.FINAL_LEFT, reason)
        always: dict[str, str] = {}
        for step in steps:
            if step.event in always:
                reason = f"never taken: {always[step.event]} takes '{step.event}' without a guard"
                yield Fault(step.path, FaultKind.NEVER_TAKEN, reason)
            elif not step.guarded:
                always[step.event] = step.path


def _loose_ends(found: Draft) -> Iterator[Fault]:
    """States with nothing written that leads out of them."""
    for state, info in found.states.items():
        path = f"states.{state}"
        unread = any([fault.path.startswith(f"{path}.transitions") for fault in found.faults])
        if not info.final and not found.steps.get(state) and not unread:
            reason = "no event leads out of the state: mark it final or give it one"
            yield Fault(path, FaultKind.DEAD_END, reason)


def _ways(found: Draft) -> Iterator[Fault]:
    """States that no order reaches, and states from which no order comes to an end.

    Asked only where all transitions could be read: a wrong target would make half the states unreachable.
    """
    out = {
        state: [step.target for step in found.steps.get(state, ()) if step.target]
        for state in found.states
    }
    reached = _reach(out, [found.initial])
    for state in found.states:
        if state not in reached:
            reason = f"no way leads here from '{found.initial}'"
            yield Fault(f"states.{state}", FaultKind.UNREACHABLE, reason)
    ends = {state for state, info in found.states.items() if info.final or info.releases} | {
        step.target
        for steps in found.steps.values()
        for step in steps
        if step.target and (step.event == "complete" or _seals(found, step.event))
    }
    back: dict[str, list[str]] = {state: [] for state in found.states}
    for state, targets in out.items():
        for target in targets:
            back[target].append(state)
    ending = _reach(back, ends)
    for state in found.states:
        if state not in ending and found.steps.get(state):
            reason = "no way leads on to an end: a final state, one that releases or completes"
            yield Fault(f"states.{state}", FaultKind.DEAD_END, reason)


def _reach(ways: Mapping[str, Iterable[str]], start: Iterable[str]) -> set[str]:
    reached = set(start)
    todo = list(reached)
    while todo:
        fresh = set(ways.get(todo.pop(), ())) - reached
        reached |= fresh
        todo.extend(fresh)
    return reached


def _senders(found: Draft, listing: _Listing) -> Iterator[Fault]:
    """Events that nothing sends, and declarations of events that are nowhere."""
    timed: dict[str, set[str]] = {}
    for rule in found.timers:
        timed.setdefault(rule.event, set()).update(rule.states)
    for event, states in listing.states.items():
        info = found.events.get(event)
        if event in VOCABULARY:
            continue
        senders = info.senders if info else {}
        if not senders and event not in timed:
            reason = (
                f"nothing sends '{event}': say under 'events' who may ('by'), let a timer send it, "
                f"or use an event of the engine's"
            )
            yield Fault(listing.paths[event], FaultKind.UNSENT, reason)
            continue
        for state in found.steps:
            if state not in states or state in timed.get(event, ()):
                continue
            if not senders.get(state, senders.get("", frozenset())):
                yield Fault(
                    f"events.{event}.by",
                    FaultKind.UNSENT,
                    f"nobody may send '{event}' in '{state}', which lists it",
                )
    for event, info in found.events.items():
        if event not in listing.states:
            close = f"events.{event}"
            yield Fault(close, FaultKind.UNLISTED, f"no state lists '{event}'")
            continue
        for state in info.senders:
            if state in found.states and state not in listing.states[event]:
                yield Fault(
                    f"events.{event}.by.{state}",
                    FaultKind.UNLISTED,
                    f"the state '{state}' does not list '{event}'",
                )


def _timers(found: Draft) -> Iterator[Fault]:
    """Timers whose event the state does not list, or that run where nothing moves any more."""
    for rule, path in zip(found.timers, found.timer_paths, strict=True):
        for place, state in enumerate(rule.states):
            if rule.does is TimerAction.OPEN and rule.event in VOCABULARY:
                reason = f"'{rule.event}' moves more than the state: no timer opens anything by it"
                yield Fault(f"{path}.sends", FaultKind.TIMER_EVENT, reason)
                break
            if rule.event and all([s.event != rule.event for s in found.steps.get(state, ())]):
                yield Fault(
                    f"{path}.states[{place}]",
                    FaultKind.TIMER_EVENT,
                    f"fires '{rule.event}', which '{state}' does not list",
                )


def _marks(found: Draft) -> Iterator[Fault]:
    """Where ``releases`` and ``seals`` cannot be meant."""
    for state, info in found.states.items():
        if info.releases and state == found.initial:
            reason = "an order begins here, and would give back its stock when it is placed"
            yield Fault(f"states.{state}.releases", FaultKind.MISUSE, reason)
    for event, about in found.events.items():
        if about.seals and event in NEVER_SEALS:
            reason = f"the order goes on after '{event}', so it cannot close it for good"
            yield Fault(f"events.{event}.seals", FaultKind.MISUSE, reason)
    for steps in found.steps.values():
        for step in steps:
            ends = step.event in RELEASING or (
                step.event in _ASIDE and not _seals(found, step.event)
            )
            if ends and step.target and not found.states[step.target].releases:
                yield Fault(
                    f"{step.path}.target",
                    FaultKind.MISUSE,
                    f"after '{step.event}' the order is not fulfilled, so '{step.target}' "
                    "must have 'releases', or its stock stays held",
                )


def _seals(found: Draft, event: str) -> bool:
    return event in found.events and found.events[event].seals
