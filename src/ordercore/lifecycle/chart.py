"""Read a python-statemachine chart once, then advance orders by look-up.

Theory of operation
-------------------
A lifecycle is written as a flat ``StateMachine`` class: states, events, and guards by name.
Driving a machine object costs hundreds of microseconds per order, so the class is only the
definition. `compile_chart` reads it into a table

    state -> event -> moves, in the chart's order; a move is guards and a target

and binds each guard name to a *fact*: a pure function of the subject that says yes or no.
The first move whose guards all hold is taken, as the live machine does.
A table keeps states, events and guards, and nothing else.
So whatever else a chart can hold (actions, validators, timers, nested states, history) is refused
when it is compiled, by name, and never dropped in silence.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from inspect import iscoroutinefunction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from ordercore.errors import (
    InvalidLifecycle,
    NotAllowed,
    UnknownEvent,
    UnknownGuard,
    UnknownLifecycle,
)
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from statemachine import State, StateMachine
    from statemachine.event import Event
    from statemachine.transition import Transition

S = TypeVar("S")

_COLOR = re.compile(r"#[0-9a-f]{6}")


@value
class StateInfo:
    """One state of a lifecycle: its id as stored, and how to show it.

    ``color`` is ``#rrggbb`` or empty.
    """

    id: str
    name: str
    final: bool
    description: str = ""
    color: str = ""


@value
class BoundGuard(Generic[S]):
    """A condition of a move: it holds when ``fact`` answers ``wanted``.

    ``name`` is the fact's name as published, or a boolean expression over such names.
    """

    name: str
    wanted: bool
    fact: Callable[[S], bool]

    def __str__(self) -> str:
        if self.wanted:
            return self.name
        return f"not ({self.name})" if " " in self.name else f"not {self.name}"

    def holds(self, subject: S) -> bool:
        """Whether the condition is met for ``subject``."""
        return (not self.fact(subject)) is not self.wanted


@value
class Move(Generic[S]):
    """One way from a state by an event: taken when all its guards hold."""

    guards: tuple[BoundGuard[S], ...]
    target: str


class Lifecycle(Generic[S]):
    """A compiled chart: which event leads where, and under which guards.

    Two lifecycles are the same when name and version are the same.
    ``events`` and ``states`` stand in the chart's order.
    Every fact is asked with the subject that the caller hands over; a fact is pure and total,
    since an answer of "why not" asks also those that a move did not come to.
    """

    __slots__ = (
        "_known_events",
        "_rows",
        "events",
        "initial",
        "name",
        "states",
        "table",
        "version",
    )

    def __init__(
        self,
        name: str,
        version: int,
        initial: str,
        states: tuple[StateInfo, ...],
        table: Mapping[str, Mapping[str, tuple[Move[S], ...]]],
        events: tuple[str, ...],
    ) -> None:
        self.name: Final = name
        self.version: Final = version
        self.initial: Final = initial
        self.states: Final = states
        self.events: Final = events
        self.table: Final[Mapping[str, Mapping[str, tuple[Move[S], ...]]]] = MappingProxyType(
            {state: MappingProxyType(dict(row)) for state, row in table.items()}
        )
        # plain dicts and bare pairs: this is what `fire` walks for every step of every order
        self._rows: Final = {
            state: {
                event: tuple(
                    (tuple((g.fact, g.wanted) for g in move.guards), move.target) for move in moves
                )
                for event, moves in row.items()
            }
            for state, row in table.items()
        }
        self._known_events: Final = frozenset(events)

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
        for known in self.states:
            if known.id == state:
                return known
        raise self._no_state(state)

    def _row(self, state: str) -> Mapping[str, tuple[Move[S], ...]]:
        row = self.table.get(state)
        if row is None:
            raise self._no_state(state)
        return row

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
            return UnknownEvent(
                f"the lifecycle '{self.name}' has no event '{event}'; "
                f"known: {', '.join(self.events)}",
                path=self.name,
                event=event,
                known=self.events,
            )
        return self._refusal(state, event, subject)

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


def compile_chart(
    chart: type[StateMachine],
    facts: Mapping[str, Callable[[S], bool]],
    *,
    name: str | None = None,
    version: int = 1,
) -> Lifecycle[S]:
    """Read a flat ``StateMachine`` class into a `Lifecycle`, its guards bound to ``facts``.

    ``name`` is the class's own name unless given; ``version`` counts from 1.
    The chart may carry two class attributes, ``state_colors`` and ``state_notes``,
    mappings of a state's id to ``#rrggbb`` and to a sentence.

    Raises `UnknownGuard` for a guard that is no published fact (``data["known"]`` lists those),
    and `InvalidLifecycle` for whatever a table cannot keep; ``path`` names the place,
    such as ``standard.shipped.receive``.
    What python-statemachine itself forbids, it refuses with its own ``InvalidDefinition``
    where the class is written, before there is a chart to compile.
    """
    return _Reader(chart, facts, name or chart.__name__, version).lifecycle()


def outline(
    chart: type[StateMachine], *, name: str | None = None, version: int = 1
) -> Lifecycle[Any]:
    """Read a chart for its structure alone, such as a diagram needs, with no facts at hand.

    Guards keep their names; asking one raises `UnknownGuard`.
    """
    return _Reader[Any](chart, None, name or chart.__name__, version).lifecycle()


class _Reader(Generic[S]):
    """One pass over one chart class."""

    def __init__(
        self,
        chart: type[StateMachine],
        facts: Mapping[str, Callable[[S], bool]] | None,
        name: str,
        version: int,
    ) -> None:
        self.chart = chart
        self.facts = facts
        self.name = name
        self.version = version
        self.ids: tuple[str, ...] = ()
        self.events: tuple[str, ...] = ()

    def lifecycle(self) -> Lifecycle[S]:
        self._check_class()
        states = tuple(self.chart.states)
        self.ids = tuple(s.id for s in states)
        self.events = tuple(str(e) for e in self._chart_events())
        infos = self._infos(states)
        table = {s.id: self._row(s) for s in states}
        initial = next(s.id for s in states if s.initial)
        self._check_graph(initial, states, table)
        return Lifecycle(self.name, self.version, initial, infos, table, self.events)

    def _chart_events(self) -> Iterable[Event]:
        # on the class this is a property of its metaclass; on an instance it is a method
        events: Any = self.chart.events
        return cast("Iterable[Event]", events)

    def _invalid(self, reason: str, *where: str) -> InvalidLifecycle:
        return InvalidLifecycle(reason, path=".".join((self.name, *where)))

    def _check_class(self) -> None:
        from statemachine import StateMachine  # loaded when a chart is read, not before

        chart = self.chart
        if not self.name or self.version < 1:
            raise self._invalid("a lifecycle has a name and a version from 1 on")
        if not issubclass(chart, StateMachine):
            raise self._invalid(
                "derive the chart from StateMachine: a StateChart ignores events it does not know"
            )
        if not chart.states:
            raise self._invalid("the chart has no states")
        if chart.allow_event_without_transition:
            raise self._invalid(
                "allow_event_without_transition lets forbidden events pass in silence"
            )
        if chart.catch_errors_as_events:
            raise self._invalid("catch_errors_as_events hides the failure of a guard")
        if chart.start_configuration_values:
            raise self._invalid("start_configuration_values overrides the initial state")
        if any(vars(c).get("listeners") for c in chart.__mro__):
            raise self._invalid("the chart has listeners, which a table cannot call")
        self._check_actions(chart.prepare, "prepares events")

    def _infos(self, states: tuple[State, ...]) -> tuple[StateInfo, ...]:
        colors = self._notes("state_colors")
        notes = self._notes("state_notes")
        for painted, color in colors.items():
            if not _COLOR.fullmatch(color):
                raise self._invalid(f"'{color}' is not a color like '#d8e9f7'", painted)
        for state in states:
            self._check_state(state)
        return tuple(
            StateInfo(s.id, str(s.name), bool(s.final), notes.get(s.id, ""), colors.get(s.id, ""))
            for s in states
        )

    def _notes(self, attribute: str) -> dict[str, str]:
        notes = dict(getattr(self.chart, attribute, {}))
        for state in notes:
            if state not in self.ids:
                raise self._invalid(
                    f"{attribute} names a state that the chart does not have", state
                )
        return notes

    def _check_state(self, state: State) -> None:
        if state.parallel or state.states or state.history:
            kind = "parallel" if state.parallel else "compound"
            raise self._invalid(f"a {kind} state has no single row: keep the chart flat", state.id)
        if state.value != state.id:
            raise self._invalid(
                "the state's value differs from its id, and orders store the id", state.id
            )
        self._check_actions(state.enter, "runs an action on entry", state.id)
        self._check_actions(state.exit, "runs an action on exit", state.id)
        self._check_actions(state.invoke, "invokes a process", state.id)
        if not state.final and not state.transitions:
            raise self._invalid("no event leads out of the state: mark it final", state.id)

    def _check_actions(self, callbacks: Any, what: str, *where: str) -> None:
        """Refuse callbacks given outright, and those that the chart has by naming convention."""
        for spec in callbacks:
            called = getattr(spec.func, "__name__", spec.func)
            if not spec.is_convention or hasattr(self.chart, called):
                raise self._invalid(
                    f"{what} ('{called}'), which a table cannot keep: act on the order's events",
                    *where,
                )

    def _row(self, state: State) -> dict[str, tuple[Move[S], ...]]:
        found: dict[str, list[Move[S]]] = {}
        for transition in state.transitions:
            events = self._events(state, transition)
            where = (state.id, events[0])
            self._check_transition(transition, where)
            guards = tuple(g for spec in transition.cond for g in self._guards(spec, where))
            for event in events:
                found.setdefault(event, []).append(Move(guards, transition.targets[0].id))
        return {event: tuple(found[event]) for event in self.events if event in found}

    def _events(self, state: State, transition: Transition) -> tuple[str, ...]:
        if transition.is_eventless:
            raise self._invalid("a transition has no event, and a table moves on events", state.id)
        for event in transition.events:
            self._check_event(state, event)
        return tuple(str(event) for event in transition.events)

    def _check_event(self, state: State, event: Event) -> None:
        where = (state.id, str(event))
        if not str(event).isidentifier():
            raise self._invalid("an event's name is an identifier: no dots, no wildcards", *where)
        if str(event) not in self.events:
            raise self._invalid(
                "the event belongs to another chart that shares this state: "
                "write a chart of your own instead of deriving from one",
                *where,
            )
        if event.delay:
            raise self._invalid("the event is delayed: time is the timers' work", *where)
        if event.internal:
            raise self._invalid("the event is internal: a table has no queue", *where)

    def _check_transition(self, transition: Transition, where: tuple[str, str]) -> None:
        self._check_actions(transition.validators, "has a validator", *where)
        self._check_actions(transition.before, "runs an action before", *where)
        self._check_actions(transition.on, "runs an action", *where)
        self._check_actions(transition.after, "runs an action after", *where)
        if transition.internal:
            raise self._invalid("an internal transition has no place in a table", *where)
        if len(transition.targets) != 1:
            raise self._invalid("a transition leads to exactly one state", *where)
        if not any(transition.targets[0] is state for state in self.chart.states):
            raise self._invalid(
                f"leads to '{transition.targets[0].id}', a state of another chart", *where
            )

    def _check_graph(
        self,
        initial: str,
        states: tuple[State, ...],
        table: Mapping[str, Mapping[str, tuple[Move[S], ...]]],
    ) -> None:
        for event in self.events:
            if not any(event in row for row in table.values()):
                raise self._invalid("no state accepts the event", event)
        reached = {initial}
        todo = [initial]
        while todo:
            for moves in table[todo.pop()].values():
                fresh = {move.target for move in moves} - reached
                reached |= fresh
                todo.extend(fresh)
        for state in states:
            if state.id not in reached:
                raise self._invalid("no way leads to the state from the initial one", state.id)

    def _guards(self, spec: Any, where: tuple[str, str]) -> tuple[BoundGuard[S], ...]:
        """Bind one ``cond`` or ``unless``: a name, or a boolean expression over names."""
        if not isinstance(spec.func, str):
            raise self._invalid("guards are names of facts, not callables", *where)
        from statemachine.spec_parser import parse_boolean_expr

        try:
            terms = parse_boolean_expr(  # type: ignore[no-untyped-call]
                spec.func, lambda fact: _Terms((self._bind(fact, where),)), _OPERATORS
            )
        except (SyntaxError, ValueError, KeyError, TypeError) as error:
            raise self._not_boolean(spec.func, where) from error
        if not isinstance(terms, _Terms):
            raise self._not_boolean(spec.func, where)
        return (terms if spec.expected_value else _negated(terms)).guards

    def _not_boolean(self, expression: str, where: tuple[str, str]) -> InvalidLifecycle:
        return self._invalid(
            f"the guard '{expression}' is not made of facts with 'and', 'or', 'not'", *where
        )

    def _bind(self, fact: str, where: tuple[str, str]) -> BoundGuard[S]:
        if hasattr(self.chart, fact):
            raise self._invalid(
                f"the guard '{fact}' is also an attribute of the chart: facts come from outside",
                *where,
            )
        if self.facts is None:
            return BoundGuard(fact, wanted=True, fact=_unbound(fact))
        if fact not in self.facts:
            known = tuple(sorted(self.facts))
            raise UnknownGuard(
                f"there is no fact '{fact}'; known: {', '.join(known) or 'none'}",
                path=".".join((self.name, *where)),
                guard=fact,
                known=known,
            )
        found = self.facts[fact]
        if iscoroutinefunction(found):
            raise self._invalid(f"the fact '{fact}' is a coroutine, which is always true", *where)
        return BoundGuard(fact, wanted=True, fact=found)


@value
class _Terms(Generic[S]):
    """A boolean expression as guards that must all hold."""

    guards: tuple[BoundGuard[S], ...]

    def __str__(self) -> str:
        return " and ".join(f"({g})" if " or " in g.name else str(g) for g in self.guards)


def _checked(terms: object) -> _Terms[Any]:
    if not isinstance(terms, _Terms):
        msg = "a constant or a call stands where a fact should"
        raise TypeError(msg)
    return terms


def _both(left: object, right: object) -> _Terms[Any]:
    return _Terms(_checked(left).guards + _checked(right).guards)


def _either(left: object, right: object) -> _Terms[Any]:
    sides = _checked(left), _checked(right)
    one, other = map(_fact_of, sides)
    name = " or ".join(f"({side})" if len(side.guards) > 1 else str(side) for side in sides)
    return _Terms(
        (BoundGuard(name, wanted=True, fact=lambda subject: one(subject) or other(subject)),)
    )


def _negated(terms: object) -> _Terms[Any]:
    inner = _checked(terms)
    if len(inner.guards) == 1:
        guard = inner.guards[0]
        return _Terms((BoundGuard(guard.name, not guard.wanted, guard.fact),))
    return _Terms((BoundGuard(str(inner), wanted=False, fact=_fact_of(inner)),))


def _fact_of(terms: _Terms[Any]) -> Callable[[Any], bool]:
    guards = terms.guards
    return lambda subject: all(guard.holds(subject) for guard in guards)


def _unbound(fact: str) -> Callable[[Any], bool]:
    def ask(_subject: object) -> bool:
        raise UnknownGuard(f"the fact '{fact}' is not bound: this is an outline", guard=fact)

    return ask


# What python-statemachine's own parser calls for each operator; comparisons are left out.
_OPERATORS: Final = {ast.And: _both, ast.Or: _either, ast.Not: _negated}
