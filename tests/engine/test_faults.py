"""Fault plans: a crash, a time-out or a lost answer at every single step, then recovery by sweeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.engine.world import CHANNEL, FOUR, SHOPPER, STAFF, StubbornGateway, World

from ordercore.errors import GatewayTimeout
from ordercore.testing.simulation import Fault, Simulation, Walk

CRASHES = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)
TIMEOUTS = (Fault.NO_ANSWER, Fault.LOST_ANSWER)
CHANNELS: dict[str, dict[str, Any]] = {
    "at once": {},
    "authorizes first": {"authorizes_first": True},
    "asks the payer": {"asks_payer": True},
    "keeps no key dead": {"channel": StubbornGateway},
    "asks, keeps no key dead": {"channel": StubbornGateway, "asks_payer": True},
}

Start = Callable[[World, Simulation], Walk[Any]]


def begin_place(world: World, simulation: Simulation) -> Walk[Any]:
    """Place order A."""
    return simulation.place(world.quote(), key="k", by=SHOPPER)


def begin_pay(world: World, simulation: Simulation) -> Walk[Any]:
    """Pay order A with four tenders."""
    return simulation.pay(world.placed().id, FOUR, key="k", by=SHOPPER)


def begin_declined(world: World, simulation: Simulation) -> Walk[Any]:
    """Pay with four tenders, of which the third is declined."""
    world.cards.decline("GC-9")
    return simulation.pay(world.placed().id, FOUR, key="k", by=SHOPPER)


def begin_cancel_unpaid(world: World, simulation: Simulation) -> Walk[Any]:
    """Cancel an order whose payment may wait for its payer."""
    order = world.placed()
    if world.channel._asks_payer:
        world.pay(order, FOUR)
    return simulation.cancel(order.id, reason="changed my mind", key="k", by=SHOPPER)


def begin_cancel_paid(world: World, simulation: Simulation) -> Walk[Any]:
    """Cancel an order that is paid, where the channel takes money without the payer."""
    order = world.placed()
    world.pay(order, FOUR)
    return simulation.cancel(order.id, reason="changed my mind", key="k", by=SHOPPER)


def begin_refund(world: World, simulation: Simulation) -> Walk[Any]:
    """Refund everything of a paid order."""
    order = world.placed()
    world.pay(order, FOUR)
    if world.get(order).state != "paid":
        world.engine.notify("wechat", {}, world.channel.pay(f"{order.id}/4"))
    return simulation.refund(order.id, reason="broken", key="k", by=STAFF)


def begin_close(world: World, simulation: Simulation) -> Walk[Any]:
    """Sweep at the deadline of an order whose payer may be asked."""
    world.pay(world.placed(), FOUR)
    world.clock.advance(timedelta(minutes=30))
    return simulation.sweep()


def begin_switch(world: World, simulation: Simulation) -> Walk[Any]:
    """Pay in another way while the first payment may wait for its payer."""
    order = world.placed()
    world.pay(order, CHANNEL)
    return simulation.pay(order.id, FOUR, key="k", by=SHOPPER)


def begin_notify(world: World, simulation: Simulation) -> Walk[Any]:
    """The channel tells that its payer has paid, or told it before."""
    order = world.placed()
    world.pay(order, FOUR)
    key = f"{order.id}/4"
    return simulation.notify("wechat", {}, world.channel.pay(key))


FLOWS: dict[str, Start] = {
    "place": begin_place,
    "pay": begin_pay,
    "pay, third declined": begin_declined,
    "cancel unpaid": begin_cancel_unpaid,
    "cancel paid": begin_cancel_paid,
    "refund": begin_refund,
    "sweep at the deadline": begin_close,
    "pay in another way": begin_switch,
    "notify": begin_notify,
}


def plans(start: Start, options: dict[str, Any], fault: Fault) -> Any:
    """A fresh world for each step at which ``fault`` can strike, already struck."""
    for at in range(1, 200):
        world = World(**options)
        simulation = Simulation(world.engine)
        walk = start(world, simulation)
        if not walk.strike(at, fault):
            return
        yield at, world, simulation, walk


def touches_money(world: World, walk: Walk[Any]) -> bool:
    """Whether the walk stands before a call of a gateway."""
    owner = getattr(walk.step.fn, "__self__", None) if walk.step else None
    return owner in world.gateways.values()


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("fault", CRASHES, ids=lambda fault: fault.value)
def test_l7_a_crash_at_any_step_is_recovered_by_sweeps(
    flow: str, channel: str, fault: Fault
) -> None:
    """Wherever the process dies, sweeps end the order with no double charge and nothing stranded."""
    tried = 0
    for at, world, simulation, _ in plans(FLOWS[flow], CHANNELS[channel], fault):
        tried = at
        failed = simulation.recover(world.clock)
        assert failed == (), f"step {at}"
        world.check()
    assert tried


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("flow", [name for name in FLOWS if name != "place"])
@pytest.mark.parametrize("fault", TIMEOUTS, ids=lambda fault: fault.value)
def test_l7_a_lost_answer_of_a_gateway_is_asked_again(
    flow: str, channel: str, fault: Fault
) -> None:
    """Whatever gateway call times out, made or not, the order ends with its money where it says."""
    for at in range(1, 200):
        world = World(**CHANNELS[channel])
        simulation = Simulation(world.engine)
        walk = FLOWS[flow](world, simulation).go(at - 1)
        if walk.ended:
            break
        if not touches_money(world, walk):
            continue
        walk.strike(at, fault)
        simulation.recover(world.clock)
        world.check()
    else:
        pytest.fail("the flow does not end")


@pytest.mark.parametrize("channel", ["authorizes first", "asks, keeps no key dead"])
@pytest.mark.parametrize("fault", TIMEOUTS, ids=lambda fault: fault.value)
def test_l7_two_faults_and_a_decline_strand_nothing(channel: str, fault: Fault) -> None:
    """A time-out, then a crash, then an account that declines: what was sent is never forgotten."""
    for first in range(1, 20):
        for second in range(first, 24):
            for declining in ("points", "cards"):
                world = World(**CHANNELS[channel])
                simulation = Simulation(world.engine)
                walk = begin_pay(world, simulation).go(first - 1)
                if walk.ended or not touches_money(world, walk):
                    continue
                error = GatewayTimeout("no answer")
                walk = walk.fail(error) if fault is Fault.NO_ANSWER else walk.lose(error)
                walk.go(second - first)
                walk.crash()
                getattr(world, declining).decline("GC-9" if declining == "cards" else "c1")
                simulation.recover(world.clock)
                world.check()
