"""Flows and their runners: who calls a port, what an error says of it, and what a runner refuses."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.world import CHANNEL, FOUR, SHOPPER, World

from ordercore import InvalidInput, Stale
from ordercore.adapters.memory import MemoryGateway, MemoryStore
from ordercore.engine import Flow, Step, arun, call, run
from ordercore.engine.shop import RETRIES_MAX
from ordercore.errors import GatewayTimeout, PortFailed, StoreError
from ordercore.testing.simulation import Fault, Simulation

if TYPE_CHECKING:
    from ordercore.change import Change
    from ordercore.tender import ChargeRequest, Outcome


class Port:
    """A port with every way to answer."""

    def add(self, one: int, other: int = 0) -> int:
        """A plain answer."""
        return one + other

    def fail(self) -> int:
        """No answer."""
        raise GatewayTimeout("no answer")

    def stop(self) -> int:
        """A mistake of the port."""
        raise StopIteration

    async def later(self, one: int) -> int:
        """An answer that must be awaited."""
        await asyncio.sleep(0)
        return one


def adding(port: Port) -> Flow[int]:
    """Three calls."""
    one = yield from call(port.add, 1)
    two = yield from call(port.add, one, other=1)
    three = yield from call(port.add, two, 1)
    return three


def failing(port: Port) -> Flow[int]:
    """A call that works, and one that does not."""
    yield from call(port.add, 1)
    answer = yield from call(port.fail)
    return answer


def caught(port: Port) -> Flow[str]:
    """An error is thrown in where the call was made."""
    try:
        yield from call(port.fail)
    except GatewayTimeout as error:
        return error.reason
    return ""


def waiting(port: Port) -> Flow[int]:
    """A call whose answer is an awaitable."""
    answer = yield from call(port.later, 7)
    return answer


def nothing() -> Flow[int]:
    """A flow without a call."""
    return 5
    yield  # type: ignore[unreachable]


def test_a_runner_makes_each_call_and_gives_its_answer() -> None:
    """Positional and named arguments reach the port; the flow's result is the runner's."""
    assert run(adding(Port())) == 3
    assert asyncio.run(arun(adding(Port()))) == 3


def test_a_flow_without_calls_gives_its_result() -> None:
    """Nothing need be called."""
    assert run(nothing()) == 5
    assert asyncio.run(arun(nothing())) == 5


def test_an_error_of_a_port_arrives_where_the_call_was_made() -> None:
    """The flow may catch it and go on."""
    assert run(caught(Port())) == "no answer"
    assert asyncio.run(arun(caught(Port()))) == "no answer"


def test_an_error_names_the_use_case_and_the_step() -> None:
    """A note tells which use case, which step, and which port's which function."""
    for runner in (run, lambda flow, name: asyncio.run(arun(flow, name))):
        with pytest.raises(GatewayTimeout) as raised:
            runner(failing(Port()), "pay")
        assert raised.value.__notes__ == ["in pay, step 2: Port.fail(..)"]


def test_an_error_keeps_the_frames_of_the_port_and_of_the_flow() -> None:
    """One traceback reads runner, flow, call, port."""
    with pytest.raises(GatewayTimeout) as raised:
        run(failing(Port()))
    names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    wanted = iter(["run", "failing", "call", "fail"])
    expected = next(wanted)
    for name in names:
        if name == expected:
            expected = next(wanted, "")
    assert expected == ""


def test_the_plain_runner_refuses_an_awaitable_and_names_the_port() -> None:
    """An asynchronous port in a plain engine is told by name, and its coroutine is closed."""
    with pytest.raises(InvalidInput) as raised:
        run(waiting(Port()), "pay")
    assert raised.value.path == "Port.later"
    assert "AsyncOrderEngine" in raised.value.reason
    assert raised.value.__notes__ == ["in pay, step 1: Port.later(..)"]


def test_the_async_runner_awaits_what_is_awaitable() -> None:
    """Plain and asynchronous ports may be mixed."""
    assert asyncio.run(arun(waiting(Port()))) == 7


def test_a_port_that_stops_is_a_mistake_and_not_an_end() -> None:
    """StopIteration from a port does not pass for the result of the flow."""

    def flow() -> Flow[int]:
        return (yield from call(Port().stop))

    with pytest.raises(PortFailed) as caught:
        run(flow(), "a use case")
    assert caught.value.data == {"port": "Port.stop", "error": "StopIteration"}
    assert isinstance(caught.value.__cause__, StopIteration)
    assert caught.value.__notes__ == ["in a use case, step 1: Port.stop(..)"]


def test_a_step_is_named_by_its_port() -> None:
    """A bound method shows its owner, a function its own name."""
    assert Step(Port().add, (1, 2)).name == "Port.add"
    assert repr(Step(Port().add, (1, 2))) == "Port.add(..)"
    assert Step(len, ("x",)).name in {"len", "module.len"}


def test_an_asynchronous_gateway_in_a_plain_engine_is_refused_by_name() -> None:
    """The payment's intent is written, and the error says which port to change."""

    class Later(MemoryGateway):
        async def authorize(self, request: ChargeRequest) -> Outcome:  # type: ignore[override]
            return super().authorize(request)

    world = World(channel=Later)
    order = world.placed()
    with pytest.raises(InvalidInput) as raised:
        world.pay(order, CHANNEL)
    assert raised.value.path == "Later.authorize"
    assert any("in pay, step" in note for note in raised.value.__notes__)
    assert [a.state.value for a in world.get(order).payments.attempts] == ["open"]


# --- Conflicts ----------------------------------------------------------------------------------


class Contended(MemoryStore):
    """A store in which somebody else is quicker, so many times."""

    losses = 0
    commits = 0

    def commit(self, changes: Any) -> None:
        """Refuse as stale while there are losses to come."""
        self.commits += 1
        if self.losses:
            self.losses -= 1
            raise Stale("the order was changed by somebody else")
        super().commit(changes)


def test_a_change_that_came_too_late_is_decided_anew() -> None:
    """Up to the bound the flow loads the order again and decides from what it is now."""
    world = World(store=Contended())
    order = world.paid()
    world.store.losses = RETRIES_MAX  # type: ignore[attr-defined]
    assert world.engine.accept(order.id, key="a").state == "awaiting_shipment"


def test_l12_a_change_that_is_always_too_late_is_refused() -> None:
    """Beyond the bound the conflict reaches the caller, and nothing was written."""
    world = World(store=Contended())
    order = world.paid()
    for losses, act in (
        (1_000, lambda: world.engine.accept(order.id, key="a")),
        (1_000, lambda: world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)),
    ):
        world.store.losses = losses  # type: ignore[attr-defined]
        before = world.store.commits  # type: ignore[attr-defined]
        with world.refused(Stale):
            act()
        assert world.store.commits - before == RETRIES_MAX + 1  # type: ignore[attr-defined]
        world.store.losses = 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("losses", range(1, RETRIES_MAX + 1))
def test_l7_a_payment_among_conflicts_pays_once(losses: int) -> None:
    """Answers that came too late are recorded on the order as it now is."""
    world = World(store=Contended())
    order = world.placed()
    simulation = Simulation(world.engine)
    walk = simulation.pay(order.id, FOUR, key="p", by=SHOPPER)
    while walk.step is not None and walk.step.name != "MemoryGateway.authorize":
        walk.go()
    world.store.losses = losses  # type: ignore[attr-defined]
    assert walk.finish().paid
    world.check()


# --- The simulation -----------------------------------------------------------------------------


def test_a_crashed_flow_is_kept_and_runs_no_cleanup() -> None:
    """Dropping a generator would run its `finally`; a dead process runs nothing."""
    cleaned = []

    def flow(port: Port) -> Flow[int]:
        try:
            yield from call(port.add, 1)
        finally:
            cleaned.append(1)
        return 1

    simulation = Simulation(World().engine)
    walk = simulation.walk(flow(Port()))
    walk.crash()
    assert walk.ended
    assert (cleaned, len(simulation.graveyard)) == ([], 1)
    with pytest.raises(RuntimeError):
        walk.result
    simulation.graveyard.clear()


def test_a_walk_stops_before_each_call() -> None:
    """It counts what was made, names what is next, and gives the result at the end."""
    walk = Simulation(World().engine).walk(adding(Port()), "adding")
    assert (walk.made, repr(walk)) == (0, "<adding before Port.add(..), 0 calls made>")
    assert not walk.go(2).ended
    assert walk.go().ended
    assert (walk.made, walk.result, walk.error) == (3, 3, None)
    assert walk.finish() == 3


@pytest.mark.parametrize(
    ("fault", "authorized", "state"),
    [
        (Fault.CRASH_BEFORE, False, "pending_payment"),
        (Fault.CRASH_AFTER, True, "pending_payment"),
        (Fault.NO_ANSWER, False, "pending_payment"),
        (Fault.LOST_ANSWER, True, "pending_payment"),
    ],
)
def test_a_fault_strikes_before_or_after_the_call(
    fault: Fault, authorized: bool, state: str
) -> None:
    """Crashes and time-outs each come in two kinds: the call was made, or it was not."""
    world = World()
    order = world.placed()
    walk = Simulation(world.engine).pay(order.id, CHANNEL, key="p", by=SHOPPER)
    assert walk.strike(3, fault)
    assert bool(world.channel._charges) is authorized
    assert world.get(order).state == state
    assert not walk.strike(30, fault)


def test_a_mistake_of_a_port_ends_the_test_and_not_the_walk() -> None:
    """Only errors of the library's tree are a port's word; any other is shown as it is."""

    class Broken(MemoryStore):
        def commit(self, changes: list[Change]) -> None:  # type: ignore[override]
            raise ZeroDivisionError

    world = World(store=Broken())
    with pytest.raises(ZeroDivisionError):
        Simulation(world.engine).place(world.quote(), key="k", by=SHOPPER).finish()


def test_a_flow_may_hear_any_error_the_test_plays() -> None:
    """`fail` does not make the call, `lose` makes it first."""
    world = World()
    for lose in (False, True):
        walk = Simulation(world.engine).place(world.quote(), key=f"k{lose}", by=SHOPPER)
        while walk.step is not None and walk.step.name != "MemoryStore.commit":
            walk.go()
        (walk.lose if lose else walk.fail)(StoreError("the connection broke"))
        assert isinstance(walk.error, StoreError)
        with pytest.raises(StoreError):
            walk.finish()
        assert len(world.orders()) == lose
