from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statemachine import Event, State, StateChart, StateMachine
from statemachine.exceptions import TransitionNotAllowed

from ordercore.errors import (
    InvalidLifecycle,
    NotAllowed,
    UnknownEvent,
    UnknownGuard,
    UnknownLifecycle,
)
from ordercore.lifecycle import (
    EventInfo,
    Lifecycle,
    Lifecycles,
    StateInfo,
    TimerAction,
    TimerRule,
    VisibleStep,
    compile_chart,
    outline,
)
from ordercore.lifecycle.charts.standard import StandardOrder
from ordercore.party import ActorKind

if TYPE_CHECKING:
    from collections.abc import Callable

FACTS = ("x", "y", "z")
Answers = dict[str, object]


def ask(fact: str) -> Callable[[Answers], bool]:
    """Make a fact that answers whatever the subject holds, true-like and false-like values too."""
    return lambda subject: subject[fact]  # type: ignore[return-value]


ASKED = {fact: ask(fact) for fact in FACTS}


class Branches(StateMachine):
    """Several moves for one event: the first whose guards hold is taken."""

    a = State(initial=True)
    b = State()
    c = State()
    d = State(final=True)
    go = a.to(b, cond="x") | a.to(c, unless="y") | a.to(d, cond="z")
    back = a.from_(b, c)
    loop = b.to.itself(cond="z") | c.to.itself()
    end = b.to(d) | c.to(d, cond=["x", "z"], unless="y")


class Expressions(StateMachine):
    """Guards as boolean expressions, in each spelling that python-statemachine reads."""

    a = State(initial=True)
    b = State()
    c = State()
    to_b = a.to(b, cond="x and not y") | c.to(b, cond="not (x and y) or z")
    to_c = a.to(c, cond="x or (y and z)") | b.to(c, unless="x or y")
    to_a = b.to(a, cond="!x ^ y") | c.to(a, cond="x v z", unless="not y")
    mixed = a.to(a, cond="(x or y) and (y or not z) and not (x and z)")


class SharedEvents(StateMachine):
    """One transition by two events, an event with an id of its own, an event named as a state."""

    off = State("Switched off", initial=True)
    on = State("Switched on")
    off.to(on, event="press pull")
    release = Event(on.to(off, cond="x"), id="off_again")
    turned_on = Event(off.to(on, unless="x"), id="on")


CHARTS = (Branches, Expressions, SharedEvents, StandardOrder)


def guards_of(lifecycle: Lifecycle[Any]) -> set[str]:
    """Name the facts that a lifecycle asks."""
    names = "".join(
        f" {guard.name} "
        for row in lifecycle.table.values()
        for moves in row.values()
        for move in moves
        for guard in move.guards
    )
    return set(names.replace("(", " ").replace(")", " ").split()) - {"and", "or", "not"}


class Model:
    """Where the live machine keeps its state and finds its guards."""

    state: str | None = None


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.__name__)
@given(data=st.data())
def test_l11_table_equals_chart(chart: type[StateMachine], data: st.DataObject) -> None:
    """The table and the live machine accept, refuse and reach the same, and allow the same."""
    facts = sorted(guards_of(outline(chart)))
    lifecycle = compile_chart(chart, {fact: ask(fact) for fact in facts})
    model = Model()
    answers: Answers = dict.fromkeys(facts, False)
    vars(model).update(answers)
    live = chart(model)
    state = lifecycle.initial
    for _ in range(data.draw(st.integers(1, 12), "steps")):
        for fact in facts:
            answers[fact] = data.draw(st.sampled_from([True, False, 1, 0, "yes", "", None]), fact)
        vars(model).update(answers)

        allowed = lifecycle.allowed(state, answers)

        assert set(allowed) == {str(event) for event in live.enabled_events()}

        event = data.draw(st.sampled_from([*allowed, *lifecycle.events, "unheard_of"]), "event")
        try:
            live.send(event)
            accepted = True
        except TransitionNotAllowed:
            accepted = False
        refusal: type[Exception] | None = None
        try:
            state = lifecycle.fire(state, event, answers)
        except (NotAllowed, UnknownEvent) as error:
            refusal = type(error)

        assert (refusal is None) == accepted == (event in allowed)
        assert (refusal is UnknownEvent) == (event == "unheard_of")
        assert state == live.current_state_value == model.state


def test_first_move_whose_guards_hold_is_taken() -> None:
    """Of several moves for one event the chart's order decides."""
    lifecycle = compile_chart(Branches, ASKED)

    assert lifecycle.fire("a", "go", {"x": True, "y": False, "z": True}) == "b"
    assert lifecycle.fire("a", "go", {"x": False, "y": False, "z": True}) == "c"
    assert lifecycle.fire("a", "go", {"x": False, "y": True, "z": True}) == "d"


def test_refusal_names_state_event_unmet_guards_and_what_is_allowed() -> None:
    """A refusal tells a person and a program the same."""
    lifecycle = compile_chart(Branches, ASKED)

    with pytest.raises(NotAllowed) as refused:
        lifecycle.fire("a", "go", {"x": False, "y": True, "z": False})

    assert str(refused.value) == (
        "'go' is not possible in state 'a' (needs x, not y, z); nothing is allowed at present"
    )
    assert refused.value.data == {
        "state": "a",
        "event": "go",
        "allowed": (),
        "failed_guards": ("x", "not y", "z"),
    }

    with pytest.raises(NotAllowed) as refused:
        lifecycle.fire("b", "go", {"x": True, "y": True, "z": False})

    assert str(refused.value) == "'go' is not possible in state 'b'; allowed: back, end"

    with pytest.raises(NotAllowed) as refused:
        lifecycle.fire("d", "go", {"x": True, "y": True, "z": True})

    assert str(refused.value) == (
        "'go' is not possible in state 'd'; nothing is allowed, since the state is final"
    )


def test_blocked_lists_guarded_events_with_what_they_lack() -> None:
    """Blocked and allowed together are the events that the state lists."""
    lifecycle = compile_chart(Branches, ASKED)
    answers: Answers = {"x": True, "y": True, "z": False}

    assert lifecycle.allowed("c", answers) == ("back", "loop")
    assert lifecycle.blocked("c", answers) == (("end", ("z", "not y")),)
    assert lifecycle.events_of("c") == ("back", "loop", "end")


def test_unknown_event_lists_the_known_ones() -> None:
    """An event that no state knows is an error of the call, not a refusal."""
    with pytest.raises(UnknownEvent) as unknown:
        compile_chart(Branches, ASKED).fire("a", "fly", {})

    assert unknown.value.data["known"] == ("go", "back", "loop", "end")
    assert "no event 'fly'; known: go, back, loop, end" in str(unknown.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda lifecycle: lifecycle.fire("nowhere", "go", {}),
        lambda lifecycle: lifecycle.allowed("nowhere", {}),
        lambda lifecycle: lifecycle.blocked("nowhere", {}),
        lambda lifecycle: lifecycle.events_of("nowhere"),
        lambda lifecycle: lifecycle.state("nowhere"),
    ],
    ids=["fire", "allowed", "blocked", "events_of", "state"],
)
def test_unknown_state_lists_the_known_ones(call: Callable[[Lifecycle[Answers]], object]) -> None:
    """A state that the lifecycle lacks, as from another's stored order, is told at once."""
    with pytest.raises(InvalidLifecycle, match="no state 'nowhere'; known: a, b, c, d"):
        call(compile_chart(Branches, ASKED))


def test_an_error_in_a_fact_comes_through() -> None:
    """A fact that fails is not taken for a guard that does not hold."""
    lifecycle = compile_chart(Branches, ASKED)

    with pytest.raises(KeyError, match="x"):
        lifecycle.fire("a", "go", {})


def test_conjunctions_are_told_apart_and_alternatives_kept_whole() -> None:
    """Each part of an "and" is a guard of its own, so a refusal names the part that fails."""
    row = compile_chart(Expressions, ASKED).table

    assert [str(g) for g in row["a"]["to_b"][0].guards] == ["x", "not y"]
    assert [str(g) for g in row["a"]["to_c"][0].guards] == ["x or (y and z)"]
    assert [str(g) for g in row["b"]["to_c"][0].guards] == ["not (x or y)"]
    assert [str(g) for g in row["c"]["to_b"][0].guards] == ["not (x and y) or z"]
    assert [str(g) for g in row["a"]["mixed"][0].guards] == [
        "x or y",
        "y or not z",
        "not (x and z)",
    ]


def test_unknown_guard_lists_the_known_facts() -> None:
    """A guard that is no published fact stops the start and says which there are."""
    with pytest.raises(UnknownGuard) as unknown:
        compile_chart(Expressions, {"y": ask("y"), "x": ask("x")}, name="odd")

    assert unknown.value.data == {"guard": "z", "known": ("x", "y")}
    assert unknown.value.path == "odd.a.to_c"
    assert unknown.value.reason == "there is no fact 'z'; known: x, y"


def test_states_and_events_stand_in_the_charts_order() -> None:
    """A table keeps the chart's order and its names for people."""
    lifecycle = compile_chart(SharedEvents, ASKED, name="switch", version=3)

    assert lifecycle.states == (
        StateInfo("off", "Switched off", final=False),
        StateInfo("on", "Switched on", final=False),
    )
    assert set(lifecycle.events) == {"press", "pull", "off_again", "on"}
    assert (lifecycle.name, lifecycle.version, lifecycle.initial) == ("switch", 3, "off")
    assert repr(lifecycle) == "Lifecycle('switch', version=3, states=2)"


def test_tables_handed_out_cannot_be_changed() -> None:
    """A host that reads the table cannot alter how orders move."""
    lifecycle = compile_chart(Branches, ASKED)

    with pytest.raises(TypeError):
        lifecycle.table["a"] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        lifecycle.table["a"]["go"] = ()  # type: ignore[index]


def test_lifecycles_are_equal_by_name_and_version() -> None:
    """Two readings of one version of a chart are one lifecycle."""
    one = compile_chart(Branches, ASKED)
    again = compile_chart(Branches, ASKED)
    next_version = compile_chart(Branches, ASKED, version=2)

    assert one == again
    assert hash(one) == hash(again)
    assert one != next_version
    assert one != "Branches"
    assert len({one, again, next_version}) == 2


def test_outline_needs_no_facts_and_answers_no_guard() -> None:
    """A chart is read for its structure alone; asking its guards is an error."""
    lifecycle = outline(Branches)

    assert lifecycle.table.keys() == {"a", "b", "c", "d"}
    assert lifecycle.fire("b", "back", None) == "a"
    with pytest.raises(UnknownGuard, match="the fact 'x' is not bound"):
        lifecycle.fire("a", "go", None)


# --- What a table cannot keep ----------------------------------------------------------------


def action(**given_to_transition: object) -> type[StateMachine]:
    """Make a chart whose transition has callbacks."""

    class Acting(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b, **given_to_transition)

        def act(self) -> None:
            """Stand for whatever a chart might do."""

    return Acting


def by_name(name: str) -> type[StateMachine]:
    """Make a chart with a method that python-statemachine calls by its name."""

    class Named(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b)
        locals()[name] = lambda _self: None

    return Named


def on_state(**given_to_state: object) -> type[StateMachine]:
    """Make a chart whose state has callbacks."""

    class Entering(StateMachine):
        a = State(initial=True)
        b = State(final=True, **given_to_state)  # type: ignore[arg-type]
        go = a.to(b)

        def act(self) -> None:
            """Stand for whatever a chart might do."""

    return Entering


def configured(**attributes: object) -> type[StateMachine]:
    """Make a chart with class attributes."""

    class Configured(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b)
        locals().update(attributes)

    return Configured


def guarded(cond: object) -> type[StateMachine]:
    """Make a chart with one guard."""

    class Guarded(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b, cond=cond)

    return Guarded


def compound() -> type[StateMachine]:
    """Make a chart with a state inside a state."""

    class Compound(StateMachine):
        a = State(initial=True)

        class b(State.Compound):  # noqa: N801
            b1 = State(initial=True)
            b2 = State(final=True)
            inner = b1.to(b2)

        go = a.to(b)

    return Compound


def parallel() -> type[StateMachine]:
    """Make a chart with two states at once."""

    class Parallel(StateMachine):
        a = State(initial=True)

        class b(State.Parallel):  # noqa: N801
            class left(State.Compound):  # noqa: N801
                l1 = State(initial=True)
                l2 = State(final=True)
                one = l1.to(l2)

            class right(State.Compound):  # noqa: N801
                r1 = State(initial=True)
                r2 = State(final=True)
                two = r1.to(r2)

        go = a.to(b)

    return Parallel


def event_named(name: str) -> type[StateMachine]:
    """Make a chart with an event of this id."""

    class Dotted(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = Event(a.to(b), id=name)

    return Dotted


def event_with(**given: Any) -> type[StateMachine]:
    """Make a chart with an event of these properties."""

    class Sent(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = Event(a.to(b), **given)

    return Sent


def decorated() -> type[StateMachine]:
    """Make a chart with a callback by decorator."""

    class Decorated(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b)

        @go.on
        def act(self) -> None:
            """Stand for whatever a chart might do."""

    return Decorated


def eventless() -> type[StateMachine]:
    """Make a chart with a transition that waits for nothing."""

    class Eventless(StateMachine):
        a = State(initial=True)
        b = State()
        c = State(final=True)
        go = a.to(b)
        b.to(c)

    return Eventless


def internal() -> type[StateMachine]:
    """Make a chart with an internal transition."""

    class Internal(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        stay = a.to.itself(internal=True)
        go = a.to(b)

    return Internal


def targetless() -> type[StateMachine]:
    """Make a chart with a transition that leads nowhere."""

    class Targetless(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        stay = a.to(None)
        go = a.to(b)

    return Targetless


def other_value() -> type[StateMachine]:
    """Make a chart whose state is stored as something else."""

    class OtherValue(StateMachine):
        a = State(initial=True)
        b = State(value=7, final=True)
        go = a.to(b)

    return OtherValue


def dead_end() -> type[StateMachine]:
    """Make a chart with a state that nothing leads out of."""

    class DeadEnd(StateMachine):
        validate_trap_states = False
        a = State(initial=True)
        b = State()
        go = a.to(b)

    return DeadEnd


def unreachable() -> type[StateMachine]:
    """Make a chart with a state that nothing leads to."""

    class Unreachable(StateMachine):
        validate_disconnected_states = False
        a = State(initial=True)
        b = State(final=True)
        c = State()
        go = a.to(b) | c.to(b)

    return Unreachable


def idle_event() -> type[StateMachine]:
    """Make a chart with an event that moves nothing."""

    class IdleEvent(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b)
        ping = Event(id="ping")

    return IdleEvent


def parent_of_chart() -> type[StateMachine]:
    """Make a chart to which a child adds an event."""

    class Parent(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b)

    class Child(Parent):  # python-statemachine puts the new moves on the parent's own states
        leap = Parent.a.to(Parent.b)

    assert Child.states
    return Parent


def parent_with_stray_target() -> type[StateMachine]:
    """Make a chart to which a child adds a way to a state of its own."""

    class Parent(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b)

    class Child(Parent):
        c = State(final=True)
        go = Parent.a.to(c)

    assert Child.states
    return Parent


class Silent(StateChart):
    """A chart whose machine ignores events that it does not know."""

    a = State(initial=True)
    b = State(final=True)
    go = a.to(b)


class Watcher:
    """A listener."""


REFUSED: dict[str, tuple[Callable[[], type[Any]], str, str]] = {
    "compound state": (compound, "odd.b", "a compound state has no single row"),
    "parallel state": (parallel, "odd.b", "a parallel state has no single row"),
    "validator": (lambda: action(validators="act"), "odd.a.go", "has a validator ('act')"),
    "before": (lambda: action(before="act"), "odd.a.go", "runs an action before ('act')"),
    "on": (lambda: action(on="act"), "odd.a.go", "runs an action ('act')"),
    "after": (lambda: action(after="act"), "odd.a.go", "runs an action after ('act')"),
    "callable on": (lambda: action(on=print), "odd.a.go", "runs an action ('print')"),
    "decorator": (decorated, "odd.a.go", "runs an action ('act')"),
    "before by name": (lambda: by_name("before_go"), "odd.a.go", "('before_go')"),
    "on by name": (lambda: by_name("on_go"), "odd.a.go", "('on_go')"),
    "after by name": (lambda: by_name("after_go"), "odd.a.go", "('after_go')"),
    "any transition by name": (lambda: by_name("on_transition"), "odd.a.go", "('on_transition')"),
    "enter by name": (lambda: by_name("on_enter_b"), "odd.b", "on entry ('on_enter_b')"),
    "exit by name": (lambda: by_name("on_exit_a"), "odd.a", "on exit ('on_exit_a')"),
    "any state by name": (lambda: by_name("on_enter_state"), "odd.a", "('on_enter_state')"),
    "invoke by name": (lambda: by_name("on_invoke_a"), "odd.a", "invokes a process"),
    "prepare": (lambda: by_name("prepare_event"), "odd", "prepares events"),
    "enter": (lambda: on_state(enter="act"), "odd.b", "runs an action on entry ('act')"),
    "exit": (lambda: on_state(exit="act"), "odd.b", "runs an action on exit ('act')"),
    "invoke": (lambda: on_state(invoke=print), "odd.b", "invokes a process"),
    "listeners": (lambda: configured(listeners=[Watcher]), "odd", "has listeners"),
    "tolerant": (
        lambda: configured(allow_event_without_transition=True),
        "odd",
        "lets forbidden events pass in silence",
    ),
    "errors as events": (
        lambda: configured(catch_errors_as_events=True),
        "odd",
        "hides the failure of a guard",
    ),
    "start elsewhere": (
        lambda: configured(start_configuration_values=["b"]),
        "odd",
        "overrides the initial state",
    ),
    "StateChart": (lambda: Silent, "odd", "derive the chart from StateMachine"),
    "no states": (lambda: StateMachine, "odd", "has no states"),
    "eventless": (eventless, "odd.b", "a transition has no event"),
    "internal": (internal, "odd.a.stay", "an internal transition"),
    "targetless": (targetless, "odd.a.stay", "leads to exactly one state"),
    "delayed": (lambda: event_with(delay=5), "odd.a.go", "the event is delayed"),
    "internal event": (lambda: event_with(internal=True), "odd.a.go", "the event is internal"),
    "dotted event": (lambda: event_named("done.invoke.x"), "odd.a.done.invoke.x", "no dots"),
    "wildcard": (lambda: event_named("*"), "odd.a.*", "no wildcards"),
    "value is not id": (other_value, "odd.b", "differs from its id"),
    "dead end": (dead_end, "odd.b", "mark it final"),
    "unreachable": (unreachable, "odd.c", "no way leads to the state"),
    "idle event": (idle_event, "odd.ping", "no state accepts the event"),
    "derived chart adds events": (parent_of_chart, "odd.a.leap", "belongs to another chart"),
    "derived chart adds states": (parent_with_stray_target, "odd.a.go", "a state of another chart"),
    "callable guard": (lambda: guarded(lambda: True), "odd.a.go", "guards are names of facts"),
    "comparison": (lambda: guarded("x > 3"), "odd.a.go", "'x > 3' is not made of facts"),
    "constant": (lambda: guarded("1"), "odd.a.go", "'1' is not made of facts"),
    "constant beside a fact": (lambda: guarded("x and 1"), "odd.a.go", "is not made of facts"),
    "call": (lambda: guarded("In('a')"), "odd.a.go", "is not made of facts"),
    "unknown call": (lambda: guarded("x(1)"), "odd.a.go", "is not made of facts"),
    "attribute": (lambda: guarded("x.y"), "odd.a.go", "is not made of facts"),
    "broken": (lambda: guarded("x and"), "odd.a.go", "is not made of facts"),
    "empty": (lambda: guarded(" "), "odd.a.go", "is not made of facts"),
    "guard on the chart": (lambda: guarded("send"), "odd.a.go", "facts come from outside"),
    "guard named as the event": (lambda: guarded("go"), "odd.a.go", "facts come from outside"),
    "color of no state": (
        lambda: configured(state_colors={"q": "#ffffff"}),
        "odd.q",
        "names a state that the chart does not have",
    ),
    "note on no state": (
        lambda: configured(state_notes={"q": "?"}),
        "odd.q",
        "names a state that the chart does not have",
    ),
    "no color": (lambda: configured(state_colors={"a": "red"}), "odd.a", "is not a color"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_table_cannot_keep_is_refused_by_name(case: str) -> None:
    """A chart that holds more than states, events and guards is refused where it does."""
    build, path, fragment = REFUSED[case]

    with pytest.raises(InvalidLifecycle) as refused:
        compile_chart(build(), ASKED, name="odd")

    assert fragment in refused.value.reason
    assert refused.value.path == path
    assert not isinstance(refused.value, UnknownGuard)


def test_a_coroutine_is_no_fact() -> None:
    """A coroutine object is always true, so an asynchronous fact would open every guard."""

    async def later(_subject: Answers) -> bool:
        return False

    with pytest.raises(InvalidLifecycle, match="the fact 'x' is a coroutine"):
        compile_chart(guarded("x"), {"x": later})  # type: ignore[dict-item]


@pytest.mark.parametrize("version", [0, -1])
def test_versions_count_from_one(version: int) -> None:
    """Zero and less are no versions."""
    with pytest.raises(InvalidLifecycle, match="a version from 1 on"):
        compile_chart(Branches, ASKED, version=version)


# --- The registry ----------------------------------------------------------------------------


def test_registry_finds_by_name_and_gives_the_latest_version() -> None:
    """A new order starts on the latest version, an old one is found by its own."""
    one, two = (compile_chart(Branches, ASKED, name="b", version=v) for v in (1, 2))
    other = compile_chart(Expressions, ASKED, name="e")
    lifecycles = Lifecycles([two, one, other])

    assert lifecycles.get("b") is two
    assert lifecycles.get("b", 1) is one
    assert lifecycles.get("e") is other
    assert lifecycles.names == ("b", "e")
    assert list(lifecycles) == [two, one, other]
    assert len(lifecycles) == 3


def test_registry_lists_the_known_names() -> None:
    """A name that was not given is answered with those that were."""
    lifecycles = Lifecycles([compile_chart(Branches, ASKED, name="b", version=4)])

    with pytest.raises(UnknownLifecycle, match="no lifecycle 'q'; known: b") as unknown:
        lifecycles.get("q")
    assert unknown.value.data == {"name": "q", "known": ("b",)}

    with pytest.raises(UnknownLifecycle, match="no version 9 of 'b'; known: 4"):
        lifecycles.get("b", 9)
    with pytest.raises(UnknownLifecycle, match="no lifecycle 'b'; known: none"):
        Lifecycles[Answers]().get("b")


def test_registry_refuses_one_version_twice() -> None:
    """Two charts under one name and version would make an order's way a matter of luck."""
    with pytest.raises(InvalidLifecycle, match="'Branches' is given twice in version 1"):
        Lifecycles([compile_chart(Branches, ASKED), compile_chart(Branches, ASKED)])


def test_the_door_does_not_load_python_statemachine() -> None:
    """Importing the room is cheap; only a chart loads the machine."""
    check = "import sys, ordercore.lifecycle; sys.exit('statemachine' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run([sys.executable, "-c", check], env=environment, check=False)

    assert done.returncode == 0


def test_what_a_class_says_beside_its_states_is_kept() -> None:
    """Steps, amendments, releases, senders and timers of a class stand on the lifecycle."""

    class Told(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b)
        state_steps = {"a": VisibleStep.PAY}  # noqa: RUF012 - as a chart is written
        state_amend = {"a": {ActorKind.STAFF}}  # noqa: RUF012
        state_releases = frozenset({"b"})
        event_infos = (EventInfo("go", "Go on", {"": frozenset({ActorKind.STAFF})}, seals=True),)
        timer_rules = (TimerRule("late", TimerAction.ALERT, ("a",), after=timedelta(days=1)),)
        prepaid = False

    found = outline(Told)

    assert found.state("a").step is VisibleStep.PAY
    assert found.state("a").amend == {ActorKind.STAFF}
    assert found.releases == {"b"}
    assert found.sealing == {"go"}
    assert found.may_send("a", "go", ActorKind.STAFF)
    assert found.may_send("a", "go", ActorKind.CUSTOMER) is False
    assert found.timers == Told.timer_rules
    assert not found.prepaid


@pytest.mark.parametrize(
    ("attribute", "given", "reason"),
    [
        ("event_infos", (EventInfo("stop", "Stop"),), "an event that no state lists"),
        ("event_infos", (EventInfo("go", "Go", {"z": frozenset()}),), "'z', which is no state"),
        ("timer_rules", (TimerRule("late", TimerAction.ALERT, ("z",)),), "runs in a state"),
        ("state_releases", ("z",), "names a state that the chart does not have"),
    ],
)
def test_what_a_class_says_of_things_it_does_not_have_is_refused(
    attribute: str, given: object, reason: str
) -> None:
    """Senders, timers and marks are about events and states of the chart."""

    class Told(StateMachine):
        a = State(initial=True)
        b = State(final=True)
        go = a.to(b)

    setattr(Told, attribute, given)
    with pytest.raises(InvalidLifecycle, match=reason):
        outline(Told)
