"""The same document as a live python-statemachine, to hold the table against (law L11 table = chart).

Slow by design: it makes a machine for each step. Orders never go through it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ordercore.lifecycle.checking import examine
from ordercore.lifecycle.document import read_document

if TYPE_CHECKING:
    from pathlib import Path

    from statemachine import StateChart

__all__ = ["LiveTwin", "live_twin"]

S = TypeVar("S")


class LiveTwin(Generic[S]):
    """A machine class as python-statemachine's own loader made it, asked with a subject's facts."""

    def __init__(
        self, machine: type[StateChart[Any]], facts: Mapping[str, Callable[[S], bool]], initial: str
    ) -> None:
        self.machine = machine
        self.facts = facts
        self.initial = initial

    def at(self, state: str, subject: S) -> StateChart[Any]:
        """Start a machine in ``state``; its guards read the facts of ``subject``."""
        return self.machine(_Answers(self.facts, subject), start_value=state)

    def fire(self, state: str, event: str, subject: S) -> str | None:
        """Give the state that ``event`` leads to, ``None`` where the machine refuses it."""
        from statemachine.exceptions import TransitionNotAllowed

        live = self.at(state, subject)
        try:
            live.send(event)
        except TransitionNotAllowed:
            return None
        (found,) = live.configuration
        return str(found.id)


class _Answers:
    """The model that guards of a machine read: each fact is an attribute, asked when it is read."""

    def __init__(self, facts: Mapping[str, Callable[[Any], bool]], subject: object) -> None:
        self._facts = facts
        self._subject = subject
        self.state: object = None  # the machine keeps its state here

    def __getattr__(self, name: str) -> bool:
        if name.startswith("_") or name not in self._facts:
            raise AttributeError(name)
        return bool(self._facts[name](self._subject))


def live_twin(
    document: Path | str | Mapping[str, object], facts: Mapping[str, Callable[[S], bool]]
) -> LiveTwin[S]:
    """Load a document's states and transitions with python-statemachine (``trusted=False``).

    The document must be one that `load_lifecycle` takes.
    """
    from statemachine.io import load

    found = examine(read_document(document), facts)
    machine = load(json.dumps(found.chart), format="json", trusted=False, name=found.name)
    # a loaded chart passes over events that a state does not list, and over guards that fail
    machine.allow_event_without_transition = False
    machine.catch_errors_as_events = False
    return LiveTwin(machine, facts, found.initial)
