"""A lifecycle as a table: orders advance by look-up.

Theory of operation
-------------------
A lifecycle comes from a python-statemachine class (`ordercore.lifecycle.chart`) or from a document
(`ordercore.lifecycle.document`). Both end as a table

    state -> event -> moves, in the chart's order; a move is guards and a target

whose guards are bound to *facts*: pure functions of the subject that say yes or no.
The first move whose guards all hold is taken, as the live machine does.
Beside the table stands what people and clocks need to know about it: names, colors and visible
steps of states, who may send which event, which states release what was held, and timers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs

from ordercore.errors import InvalidLifecycle, NotAllowed, UnknownEvent, UnknownLifecycle
from ordercore.lifecycle.guards import BoundGuard
from ordercore.lifecycle.visible import VisibleStep
from ordercore.party import ActorKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ordercore.lifecycle.timer import TimerRule

__all__ = [
    "MERGED",
    "SPLIT",
    "EventInfo",
    "ItemStatus",
    "Lifecycle",
    "Lifecycles",
    "Move",
    "StateInfo",
    "titled",
]

S = TypeVar("S")


def titled(id: str) -> str:  # noqa: A002 - the thing's name
    """An id as people read it, where nobody gave a name: ``awaiting_payment`` is "Awaiting payment"."""
    words = id.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


@value
class StateInfo:
    """One state of a lifecycle: its id as stored, and how to show it.

    ``color`` is ``#rrggbb`` or empty. ``step`` is where a shopper sees the order, if anywhere.
    An order that comes into a state that ``releases`` will not be fulfilled: nothing is held for it.
    ``amend`` says who may change the order's content there.
    """

    id: str
    name: str
    final: bool
    description: str = ""
    color: str = ""
    step: VisibleStep | None = None
    releases: bool = False
    amend: frozenset[ActorKind] = frozenset()


SPLIT = "split"
"""Where an order ends that was split into others, in every lifecycle."""
MERGED = "merged"
"""Where an order ends that another one took over, in every lifecycle."""
_REGROUPED = (
    StateInfo(
        SPLIT,
        "Split",
        final=True,
        description="Its goods and its money are with the orders it became.",
        color="#e6e6ea",
        releases=True,
    ),
    StateInfo(
        MERGED,
        "Merged",
        final=True,
        description="Its goods and its money are with the order that took it over.",
        color="#e6e6ea",
        releases=True,
    ),
)
"""No event of a chart leads there or away: orders are split and merged past their charts."""


@value
class EventInfo:
    """One event of a lifecycle: how it is called, and who may send it.

    ``senders`` is by state; the key ``""`` stands for every other state, and a state that is
    neither named nor covered lets nobody send it. Without any entry the chart says nothing:
    the event comes from the engine's own commands alone.
    An event that ``seals`` closes the order for good.
    """

    id: str
    name: str
    senders: Mapping[str, frozenset[ActorKind]] = attrs.field(factory=dict, hash=False)
    seals: bool = False
    description: str = ""

    def kinds(self, state: str) -> frozenset[ActorKind]:
        """Who may send it from ``state``; empty too where the chart says nothing at all."""
        return self.senders.get(state, self.senders.get("", frozenset()))


@value
class ItemStatus:
    """A status that single items of an order can have; ``final`` once nothing is to be done for it."""

    id: str
    name: str
    final: bool = False


@value
class Move(Generic[S]):
    """One way from a state by an event: taken when all its guards hold."""

    guards: tuple[BoundGuard[S], ...]
    target: str


_NO_ROWS: dict[str, Mapping[str, tuple[Move[Any], ...]]] = {
    info.id: MappingProxyType({}) for info in _REGROUPED
}


class _Table(dict[str, Mapping[str, tuple[Move[Any], ...]]]):
    """The rows of a chart. The states of regrouped orders have none, and are not listed among the chart's own."""

    __slots__ = ()

    def __missing__(self, state: str) -> Mapping[str, tuple[Move[Any], ...]]:
        return _NO_ROWS[state]


class Lifecycle(Generic[S]):
    """A compiled chart: which event leads where, and under which guards.

    Two lifecycles are the same when name and version are the same.
    ``events`` and ``states`` stand in the chart's order. ``about`` tells of events what the chart says.
    ``prepaid``: an order is paid before it is taken up. ``items`` are statuses of single items.
    ``releases`` are the states that release what was held, ``sealing`` the events that close for good.
    Every lifecycle has the states `SPLIT` and `MERGED` beside those of its chart, which alone ``states`` and
    ``table`` list.
    Every fact is asked with the subject that the caller hands over; a fact is pure and total,
    since an answer of "why not" asks also those that a move did not come to.
    """

    __slots__ = (
        "_infos",
        "_known_events",
        "_rows",
        "_states",
        "about",
        "description",
        "events",
        "initial",
        "items",
        "name",
        "prepaid",
        "releases",
        "sealing",
        "senders",
        "states",
        "steps",
        "table",
        "timers",
        "version",
        "windows",
    )

    def __init__(
        self,
        name: str,
        version: int,
        initial: str,
        states: tuple[StateInfo, ...],
        table: Mapping[str, Mapping[str, tuple[Move[S], ...]]],
        events: tuple[str, ...],
        *,
        about: tuple[EventInfo, ...] = (),
        timers: tuple[TimerRule, ...] = (),
        prepaid: bool = True,
        items: tuple[ItemStatus, ...] = (),
        description: str = "",
    ) -> None:
        self.name: Final = name
        self.version: Final = version
        self.initial: Final = initial
        self.states: Final = states
        self.events: Final = events
        self.table: Final[Mapping[str, Mapping[str, tuple[Move[S], ...]]]] = MappingProxyType(
            _Table({state: MappingProxyType(dict(row)) for state, row in table.items()})
        )
        # plain dicts and bare pairs: this is what `fire` walks for every step of every order
        self._rows: Final = {
            state: {
                event: tuple(
                    (tuple((g.fact, g.wanted) for g in move.guards), move.target) for move in moves
                )
                for event, moves in row.items()
            }
            for state, row in (_NO_ROWS | dict(table)).items()
        }
        self._known_events: Final = frozenset(events)
        self.about: Final = about
        self.timers: Final = timers
        self.prepaid: Final = prepaid
        self.items: Final = items
        self.description: Final = description
        self._states: Final = {info.id: info for info in (*_REGROUPED, *states)}
        self._infos: Final = {info.id: info for info in about}
        self.releases: Final = frozenset(info.id for info in states if info.releases)
        self.sealing: Final = frozenset(info.id for info in about if info.seals)
        self.senders: Final = {
            (state.id, info.id): info.kinds(state.id)
            for info in about
            if info.senders
            for state in states
        }
        rules = [rule for rule in timers if rule.closes_unpaid]
        self.windows: Final = frozenset(s for r in rules for s in r.states) if rules else None
        self.steps: Final[dict[str, VisibleStep | None]] = {info.id: info.step for info in states}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lifecycle):
            return NotImplemented
        return (self.name, self.version) == (other.name, other.version)

    def __hash__(self) -> int:
        return hash((self.name, self.version))

    def __repr__(self) -> str:
        return f"Lifecycle({self.name!r}, version={self.version}, states={len(self.states)})"

    def fire(self, state: str, event: str, subject: S) -> str:
        """Give the state that ``event`` leads to from ``state``.

        Raises `NotAllowed` when the state or a guard forbids it,
        `UnknownEvent` when no state of the lifecycle knows the event,
        and `InvalidLifecycle` when the lifecycle has no such state.
        """
        try:
            moves = self._rows[state][event]
        except KeyError:
            raise self._no_row(state, event, subject) from None
        for guards, target in moves:
            for fact, wanted in guards:
                if (not fact(subject)) is wanted:
                    break
            else:
                return target
        raise self._refusal(state, event, subject)

    def allowed(self, state: str, subject: S) -> tuple[str, ...]:
        """Events that `fire` would now accept, in the chart's order."""
        row = self._rows.get(state)
        if row is None:
            raise self._no_state(state)
        found = []
        for event, moves in row.items():
            for guards, _ in moves:
                for fact, wanted in guards:
                    if (not fact(subject)) is wanted:
                        break
                else:
                    found.append(event)
                    break
        return tuple(found)

    def blocked(self, state: str, subject: S) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Events that the state lists but a guard now forbids, each with the guards that fail."""
        row = self._row(state)
        open_now = self.allowed(state, subject)
        return tuple(
            (event, self._failed(moves, subject))
            for event, moves in row.items()
            if event not in open_now
        )

    def events_of(self, state: str) -> tuple[str, ...]:
        """Events that the state lists, whatever the guards say."""
        return tuple(self._row(state))

    def state(self, state: str) -> StateInfo:
        """Tell how a state is called and whether it is final; `InvalidLifecycle` if unknown."""
        found = self._states.get(state)
        if found is None:
            raise self._no_state(state)
        return found

    def info(self, event: str) -> EventInfo:
        """Tell how an event is called and who may send it; `UnknownEvent` if no state lists it."""
        found = self._infos.get(event)
        if found is not None:
            return found
        if event not in self._known_events:
            raise self._no_event(event)
        return EventInfo(event, titled(event))

    def may_send(self, state: str, event: str, kind: ActorKind) -> bool | None:
        """Whether such an actor may send the event from ``state``; ``None`` where the chart says nothing."""
        kinds = self.senders.get((state, event))
        return None if kinds is None else kind in kinds

    def _row(self, state: str) -> Mapping[str, tuple[Move[S], ...]]:
        try:
            return self.table[state]
        except KeyError:
            raise self._no_state(state) from None

    def _failed(self, moves: tuple[Move[S], ...], subject: S) -> tuple[str, ...]:
        failed = (str(g) for move in moves for g in move.guards if not g.holds(subject))
        return tuple(dict.fromkeys(failed))

    def _no_state(self, state: str) -> InvalidLifecycle:
        known = tuple(s.id for s in self.states)
        return InvalidLifecycle(
            f"the lifecycle '{self.name}' has no state '{state}'; known: {', '.join(known)}",
            path=self.name,
            state=state,
            known=known,
        )

    def _no_row(self, state: str, event: str, subject: S) -> InvalidLifecycle | NotAllowed:
        if state not in self._rows:
            return self._no_state(state)
        if event not in self._known_events:
            return self._no_event(event)
        return self._refusal(state, event, subject)

    def _no_event(self, event: str) -> UnknownEvent:
        return UnknownEvent(
            f"the lifecycle '{self.name}' has no event '{event}'; known: {', '.join(self.events)}",
            path=self.name,
            event=event,
            known=self.events,
        )

    def _refusal(self, state: str, event: str, subject: S) -> NotAllowed:
        allowed = self.allowed(state, subject)
        failed = self._failed(self.table[state].get(event, ()), subject)
        if allowed:
            rest = f"allowed: {', '.join(allowed)}"
        elif self.state(state).final:
            rest = "nothing is allowed, since the state is final"
        else:
            rest = "nothing is allowed at present"
        why = f" (needs {', '.join(failed)})" if failed else ""
        return NotAllowed(
            f"'{event}' is not possible in state '{state}'{why}; {rest}",
            state=state,
            event=event,
            allowed=allowed,
            failed_guards=failed,
        )


class Lifecycles(Generic[S]):
    """The lifecycles that an engine was given, by name and version; never changed.

    Raises `InvalidLifecycle` when two share name and version.
    """

    __slots__ = ("_by_version", "_latest")

    def __init__(self, lifecycles: Iterable[Lifecycle[S]] = ()) -> None:
        self._by_version: Final[dict[tuple[str, int], Lifecycle[S]]] = {}
        self._latest: Final[dict[str, Lifecycle[S]]] = {}
        for lifecycle in lifecycles:
            key = (lifecycle.name, lifecycle.version)
            if key in self._by_version:
                reason = f"the lifecycle '{key[0]}' is given twice in version {key[1]}"
                raise InvalidLifecycle(reason, path=key[0], version=key[1])
            self._by_version[key] = lifecycle
            latest = self._latest.get(lifecycle.name)
            if latest is None or latest.version < lifecycle.version:
                self._latest[lifecycle.name] = lifecycle

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, in the order given."""
        return tuple(self._latest)

    def get(self, name: str, version: int | None = None) -> Lifecycle[S]:
        """Find one; without a version the latest. Raises `UnknownLifecycle`, which lists the known."""
        found = self._latest.get(name) if version is None else self._by_version.get((name, version))
        if found is not None:
            return found
        if name in self._latest:
            known = tuple(str(v) for n, v in self._by_version if n == name)
            reason = f"there is no version {version} of '{name}'; known: {', '.join(known)}"
        else:
            known = self.names
            reason = f"there is no lifecycle '{name}'; known: {', '.join(known) or 'none'}"
        raise UnknownLifecycle(reason, name=name, known=known)

    def __iter__(self) -> Iterator[Lifecycle[S]]:
        return iter(self._by_version.values())

    def __len__(self) -> int:
        return len(self._by_version)
