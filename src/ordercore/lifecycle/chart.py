"""Read a python-statemachine chart once, so that orders can advance by look-up.

Theory of operation
-------------------
A lifecycle is written as a flat ``StateMachine`` class: states, events, and guards by name.
Driving a machine object costs hundreds of microseconds per order, so the class is only the
definition. `compile_chart` reads it into a table, see `ordercore.lifecycle.table`,
and binds each guard name to a *fact*: a pure function of the subject that says yes or no.
A table keeps states, events and guards, and nothing else.
So whatever else a chart can hold (actions, validators, timers, nested states, history) is refused
when it is compiled, by name, and never dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ordercore.errors import InvalidLifecycle, UnknownGuard
from ordercore.lifecycle.guards import OPERATORS, BoundGuard, Terms, negated, unbound
from ordercore.lifecycle.table import EventInfo, Lifecycle, Lifecycles, Move, StateInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from statemachine import State, StateMachine
    from statemachine.event import Event
    from statemachine.transition import Transition

    from ordercore.lifecycle.timer import TimerRule

__all__ = [
    "BoundGuard",
    "Lifecycle",
    "Lifecycles",
    "Move",
    "StateInfo",
    "compile_chart",
    "outline",
]

S = TypeVar("S")

_COLOR = re.compile(r"#[0-9a-f]{6}")


def compile_chart(
    chart: type[StateMachine],
    facts: Mapping[str, Callable[[S], bool]],
    *,
    name: str | None = None,
    version: int = 1,
) -> Lifecycle[S]:
    """Read a flat ``StateMachine`` class into a `Lifecycle`, its guards bound to ``facts``.

    ``name`` is the class's own name unless given; ``version`` counts from 1.
    What a chart has no words for stands in class attributes, each optional:
    mappings of a state's id, ``state_colors`` (``#rrggbb``), ``state_notes`` (a sentence),
    ``state_steps`` (`VisibleStep`) and ``state_amend`` (a set of `ActorKind`);
    ``state_releases``, a set of states' ids; ``event_infos``, a tuple of `EventInfo`;
    ``timer_rules``, a tuple of `TimerRule`; and ``prepaid``.

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
        return Lifecycle(
            self.name,
            self.version,
            initial,
            infos,
            table,
            self.events,
            about=self._event_infos(),
            timers=self._timer_rules(),
            prepaid=bool(getattr(self.chart, "prepaid", True)),
            description=_first_line(self.chart),
        )

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
        steps = self._notes("state_steps")
        amend = self._notes("state_amend")
        releases = self._notes("state_releases")
        for painted, color in colors.items():
            if not _COLOR.fullmatch(color):
                raise self._invalid(f"'{color}' is not a color like '#d8e9f7'", painted)
        for state in states:
            self._check_state(state)
        return tuple(
            StateInfo(
                s.id,
                str(s.name),
                bool(s.final),
                notes.get(s.id, ""),
                colors.get(s.id, ""),
                steps.get(s.id),
                s.id in releases,
                frozenset(amend.get(s.id, ())),
            )
            for s in states
        )

    def _notes(self, attribute: str) -> dict[str, Any]:
        given = getattr(self.chart, attribute, {})
        notes = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given)
        for state in notes:
            if state not in self.ids:
                raise self._invalid(
                    f"{attribute} names a state that the chart does not have", state
                )
        return notes

    def _event_infos(self) -> tuple[EventInfo, ...]:
        infos: tuple[EventInfo, ...] = tuple(getattr(self.chart, "event_infos", ()))
        for info in infos:
            if info.id not in self.events:
                raise self._invalid("event_infos tells of an event that no state lists", info.id)
            for state in info.senders:
                if state and state not in self.ids:
                    raise self._invalid(
                        f"its senders name '{state}', which is no state of the chart", info.id
                    )
        return infos

    def _timer_rules(self) -> tuple[TimerRule, ...]:
        rules: tuple[TimerRule, ...] = tuple(getattr(self.chart, "timer_rules", ()))
        for rule in rules:
            for state in rule.states:
                if state not in self.ids:
                    raise self._invalid(
                        f"the timer '{rule.name}' runs in a state that the chart does not have",
                        state,
                    )
        return rules

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
                spec.func, lambda fact: Terms((self._bind(fact, where),)), OPERATORS
            )
        except (SyntaxError, ValueError, KeyError, TypeError) as error:
            raise self._not_boolean(spec.func, where) from error
        if not isinstance(terms, Terms):
            raise self._not_boolean(spec.func, where)
        return (terms if spec.expected_value else negated(terms)).guards

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
            return BoundGuard(fact, wanted=True, fact=unbound(fact))
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


def _first_line(chart: type[StateMachine]) -> str:
    return (vars(chart).get("__doc__") or "").strip().partition("\n")[0]
