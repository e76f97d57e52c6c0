"""Two flows at once: one is stopped before each of its steps while another runs, in part or in full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import CHANNEL, FOUR, SHOPPER, STAFF, StubbornGateway, World

from ordercore import Manifest, Order, tenders
from ordercore.testing.simulation import STEPS_MAX, Simulation, Walk

CHANNELS: dict[str, dict[str, Any]] = {
    "at once": {},
    "authorizes first": {"authorizes_first": True},
    "asks the payer": {"asks_payer": True},
    "keeps no key dead": {"channel": StubbornGateway, "asks_payer": True},
}
STEPS = (1, 2, 3, 5, 7, 10, 14, STEPS_MAX)
"""How far the other flow runs meanwhile: its first steps, and then fewer of them."""
Start = Callable[[World, Simulation, Order], Walk[Any]]


def pay_four(_: World, simulation: Simulation, order: Order) -> Walk[Any]:
    """The shopper pays with four tenders."""
    return simulation.pay(order.id, FOUR, key="four", by=SHOPPER)


def pay_channel(_: World, simulation: Simulation, order: Order) -> Walk[Any]:
    """The shopper pays by the channel alone."""
    return simulation.pay(order.id, CHANNEL, key="channel", by=SHOPPER)


def pay_card(_: World, simulation: Simulation, order: Order) -> Walk[Any]:
    """The shopper pays with a card that is declined."""
    offers = (tenders.Points(100, "c1"), tenders.Channel("wechat", account="bad"))
    return simulation.pay(order.id, offers, key="bad", by=SHOPPER)


def sweep_at_deadline(world: World, simulation: Simulation, _: Order) -> Walk[Any]:
    """A sweeper comes when the payment window is over."""
    world.clock.advance(timedelta(minutes=30))
    return simulation.sweep()


def sweep_soon(world: World, simulation: Simulation, _: Order) -> Walk[Any]:
    """A sweeper comes when open attempts are to be resolved."""
    world.clock.advance(timedelta(seconds=61))
    return simulation.sweep()


def cancel(_: World, simulation: Simulation, order: Order) -> Walk[Any]:
    """The shopper cancels."""
    return simulation.cancel(order.id, reason="changed my mind", key="cancel", by=SHOPPER)


def refund_one(_: World, simulation: Simulation, order: Order) -> Walk[Any]:
    """The staff refund one line."""
    goods = Manifest.of({"2": 1})
    return simulation.refund(order.id, goods, reason="broken", key="one", by=STAFF)


def refund_all(_: World, simulation: Simulation, order: Order) -> Walk[Any]:
    """The staff refund all that is left."""
    return simulation.refund(order.id, reason="broken", key="all", by=STAFF)


def notify(world: World, simulation: Simulation, order: Order) -> Walk[Any]:
    """The payer pays the first code there is, and the channel tells so."""
    for key in world.channel._charges:
        return simulation.notify("wechat", {}, world.channel.pay(key))
    return simulation.notify("wechat", {}, f"wechat:{order.id}/1".encode())


def fresh(world: World) -> Order:
    """An order that nobody has begun to pay."""
    world.channel.decline("bad")
    return world.placed()


def begun(world: World) -> Order:
    """An order whose payment may wait for its payer."""
    order = fresh(world)
    world.pay(order, CHANNEL)
    return world.get(order)


UNPAID = {
    "pay four": pay_four,
    "pay bad card": pay_card,
    "sweep at the deadline": sweep_at_deadline,
    "sweep soon": sweep_soon,
    "cancel": cancel,
    "notify": notify,
}
PAID = {
    "refund one": refund_one,
    "refund all": refund_all,
    "cancel": cancel,
    "sweep soon": sweep_soon,
    "notify": notify,
}


def pauses(
    options: dict[str, Any],
    prepare: Callable[[World], Order],
    one: Start,
    other: Start,
    then: int = STEPS_MAX,
) -> Iterator[tuple[str, World, Simulation]]:
    """Each way in which ``one`` can be stopped, ``other`` run some steps, and both run on.

    They make ``then`` more calls; one that is not through by then has crashed.
    """
    for i in range(STEPS_MAX):
        for j in STEPS:
            world = World(**options)
            simulation = Simulation(world.engine)
            order = prepare(world)
            first = one(world, simulation, order).go(i)
            if first.ended:
                return
            second = other(world, simulation, order).go(j)
            partly = not second.ended
            for walk in (first.go(then), second.go(then)):
                if not walk.ended:
                    walk.crash()
            yield f"stopped at {i}, other ran {j}", world, simulation
            if not partly:
                break


def hold(
    options: dict[str, Any],
    prepare: Callable[[World], Order],
    one: Start,
    other: Start,
    then: int = STEPS_MAX,
) -> None:
    """Every pause ends, after recovery, in a state that keeps the laws."""
    tried = 0
    for name, world, simulation in pauses(options, prepare, one, other, then):
        tried += 1
        simulation.recover(world.clock)
        try:
            world.check()
        except AssertionError as error:
            error.add_note(name)
            raise
    assert tried


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("other", UNPAID)
@pytest.mark.parametrize("one", ["pay four", "pay bad card"])
def test_l7_a_payment_stopped_at_any_step_meets_another_flow(
    one: str, other: str, channel: str
) -> None:
    """A payment of a fresh order may stop anywhere while another flow runs: nothing is stranded."""
    hold(CHANNELS[channel], fresh, UNPAID[one], UNPAID[other])


@pytest.mark.parametrize("channel", ["asks the payer", "keeps no key dead"])
@pytest.mark.parametrize("other", UNPAID)
@pytest.mark.parametrize("one", UNPAID)
def test_l22_any_two_flows_of_a_waiting_order_meet_at_any_step(
    one: str, other: str, channel: str
) -> None:
    """With a payment under way, any flow may stop anywhere while any other runs."""
    hold(CHANNELS[channel], begun, UNPAID[one], UNPAID[other])


@pytest.mark.parametrize("other", PAID)
@pytest.mark.parametrize("one", PAID)
def test_l8_any_two_flows_of_a_paid_order_meet_at_any_step(one: str, other: str) -> None:
    """With the money in, refunds and cancellations that meet give back no more than was paid."""
    hold({}, begun, PAID[one], PAID[other])


@pytest.mark.parametrize("then", [0, 2])
@pytest.mark.parametrize("other", [name for name in UNPAID if name != "notify"])
@pytest.mark.parametrize("one", ["pay four", "sweep at the deadline", "cancel", "notify"])
def test_l7_two_flows_that_meet_and_both_die_are_recovered(one: str, other: str, then: int) -> None:
    """Two processes stop in the middle of the same order and die there, or two calls later."""
    hold(CHANNELS["asks the payer"], begun, UNPAID[one], UNPAID[other], then)


@pytest.mark.parametrize("other", PAID)
@pytest.mark.parametrize("one", ["refund one", "cancel"])
def test_l8_two_flows_of_a_paid_order_that_both_die_are_recovered(one: str, other: str) -> None:
    """Refunds and cancellations that were begun are finished by sweeps, once."""
    hold({}, begun, PAID[one], PAID[other], 1)


ALL = {**UNPAID, **PAID, "pay channel": pay_channel}


@given(st.data())
def test_l7_any_walk_of_many_flows_and_crashes_is_recovered(data: st.DataObject) -> None:
    """Up to six flows of one order, each run on, let be or killed at random, at any time of day."""
    options = CHANNELS[data.draw(st.sampled_from(sorted(CHANNELS)), "channel")]
    world = World(**options)
    world.channel.decline("bad")
    simulation = Simulation(world.engine)
    order = world.placed()
    walks: list[Walk[Any]] = []
    for _ in range(data.draw(st.integers(1, 24), "turns")):
        turn = data.draw(st.sampled_from(["start", "go", "go", "go", "crash", "wait"]), "turn")
        if turn == "start" and len(walks) < 6:
            name = data.draw(st.sampled_from(sorted(ALL)), "flow")
            walks.append(ALL[name](world, simulation, order))
        elif turn == "wait":
            world.clock.advance(timedelta(minutes=data.draw(st.sampled_from([1, 5, 30]), "wait")))
        elif walks:
            walk = data.draw(st.sampled_from(walks), "walk")
            if turn == "crash" and not walk.ended:
                walk.crash()
            else:
                walk.go(data.draw(st.integers(1, 8), "steps"))
    for walk in walks:
        walk.go(STEPS_MAX)
    told = [key for key in world.channel._charges if world.channel._charges[key].captured]
    for key in told:  # a channel repeats itself until it is heard
        world.engine.notify("wechat", {}, world.channel.notification(key))
    simulation.recover(world.clock)
    world.check()
