"""The moves of a lifecycle as pictures show them: guards, counts, who sends what, and when time does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidLifecycle
from ordercore.lifecycle.timer import timing
from ordercore.lifecycle.vocabulary import VOCABULARY
from ordercore.party import ActorKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.lifecycle.table import Lifecycle

__all__ = ["Edge", "edges_of", "notes_of"]

_TIMED = frozenset(
    {"close", "forfeit"}
)  # of the engine's own events, those that are a timer's work


@value
class Edge:
    """One move, as drawn; ``count`` is None where no counts were given."""

    source: str
    event: str
    target: str
    guards: str
    count: int | None
    who: str = ""
    dashed: bool = False

    @property
    def below(self) -> list[tuple[str, bool]]:
        """What stands below the headline; True marks guards."""
        return [(text, guard) for text, guard in ((self.guards, True), (self.who, False)) if text]

    @property
    def headline(self) -> str:
        """The event, with how often it was taken."""
        return self.event if self.count is None else f"{self.event} ({self.count:,})"

    @property
    def label(self) -> str:
        """All of it in one line."""
        return " ".join(filter(None, (self.headline, self.guards, self.who)))

    @property
    def sentence(self) -> str:
        """Where it leads from and to."""
        return " ".join(
            filter(None, (f"{self.source}: {self.headline}", self.guards, f"to {self.target}"))
        )


def notes_of(lifecycle: Lifecycle[Any], state: str) -> list[str]:
    """Timers of a state that move nothing."""
    return [
        f"{rule.name.replace('_', ' ')} {timing(rule)}"
        for rule in lifecycle.timers
        if state in rule.states and not rule.event
    ]


def _who(lifecycle: Lifecycle[Any], state: str, event: str) -> tuple[str, bool]:
    """Who sends an event, in words, and whether a timer alone does."""
    kinds = [kind for kind in ActorKind if lifecycle.may_send(state, event, kind)]
    times = [
        timing(rule) for rule in lifecycle.timers if rule.event == event and state in rule.states
    ]
    if kinds:
        return " or ".join(["by " + ", ".join(kind.value for kind in kinds), *times]), False
    # the chart says of no one that they send it, but a command of the engine's may
    if not times or (event in VOCABULARY and event not in _TIMED):
        return " or ".join(["", *times]).lstrip(), False
    return " or ".join(times), True


def edges_of(
    lifecycle: Lifecycle[Any],
    counts: Mapping[tuple[str, str, str], int] | None,
    *,
    plain: bool,
) -> tuple[Edge, ...]:
    """Every move in the chart's order; `InvalidLifecycle` for a count that is of none."""
    left = dict(counts or {})
    edges = []
    for source, row in lifecycle.table.items():
        for event, moves in row.items():
            who, dashed = ("", False) if plain or counts else _who(lifecycle, source, event)
            counted = set()
            for move in moves:
                guards = f"[{', '.join(map(str, move.guards))}]" if move.guards else ""
                # moves with one source, event and target share a count: it stands on the first
                if counts is None or move.target in counted:
                    count = None
                else:
                    count = left.pop((source, event, move.target), 0)
                counted.add(move.target)
                edges.append(Edge(source, event, move.target, guards, count, who, dashed))
    if left:
        source, event, target = next(iter(left))
        raise InvalidLifecycle(
            f"a count names '{event}' from '{source}' to '{target}', which is no move",
            path=lifecycle.name,
        )
    return tuple(edges)
