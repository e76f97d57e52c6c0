"""What can be wrong with a lifecycle document."""

from __future__ import annotations

import enum

from ordercore.value import value

__all__ = ["Fault", "FaultKind"]


class FaultKind(enum.Enum):
    """One way in which a document is wrong."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    SHAPE = "shape"
    """A value of the wrong type, or a key that is missing."""
    UNKNOWN_KEY = "unknown_key"
    NOT_KEPT = "not_kept"
    """Something that python-statemachine knows and a table cannot keep."""
    BAD_NAME = "bad_name"
    TOO_LARGE = "too_large"
    TWICE = "twice"
    """A name given to two things."""
    TWO_INITIAL = "two_initial"
    UNKNOWN_TARGET = "unknown_target"
    UNKNOWN_GUARD = "unknown_guard"
    BAD_GUARD = "bad_guard"
    """A guard that is not made of facts with ``and``, ``or``, ``not``."""
    UNKNOWN_STATE = "unknown_state"
    """A timer or a sender's rule names a state that is not there."""
    UNKNOWN_VALUE = "unknown_value"
    """A color, a step, an actor, an action that is none."""
    NEVER_TAKEN = "never_taken"
    """A transition behind one that is always taken."""
    FINAL_LEFT = "final_left"
    UNREACHABLE = "unreachable"
    DEAD_END = "dead_end"
    UNSENT = "unsent"
    """An event that nothing and nobody sends."""
    UNLISTED = "unlisted"
    """An event that is declared and that no state lists."""
    BAD_TIMER = "bad_timer"
    """A timer that contradicts itself or has no figure."""
    TIMER_EVENT = "timer_event"
    """A timer fires an event that a state of its does not list."""
    MISUSE = "misuse"
    """``releases`` or ``seals`` where it cannot be meant."""


@value
class Fault:
    """One fault of a document: where (``states.shipped.transitions[1].cond``), of which kind, and why."""

    path: str
    kind: FaultKind
    reason: str

    def __str__(self) -> str:
        return f"{self.path or 'document'}: {self.reason}"
