"""Answers of gateways that are lost, by seed: whatever times out, made or not, nothing is charged twice or forgotten."""

from __future__ import annotations

import os
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from tests.engine.channels import CARD, Channels
from tests.engine.world import CHANNEL, FOUR, SHOPPER, STAFF, StubbornGateway, World

from ordercore.adapters.memory import MemoryGateway
from ordercore.errors import GatewayTimeout
from ordercore.tender import AttemptState
from ordercore.testing.simulation import Simulation, Walk

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
SEEDS = 10_000 if DEEP else 400
BLOCK = 100
"""Seeds of one test, so that a failing one is found soon."""
MIXED = (*FOUR[:3], *CARD)


def lossy(walk: Walk[Any], world: World, random: Random, share: int) -> int:
    """Run a flow to its end; of a hundred calls of gateways so many are made or not, and never answered."""
    lost = 0
    for _ in range(500):
        if walk.step is None:
            return lost
        owner = getattr(walk.step.fn, "__self__", None)
        if owner in world.gateways.values() and random.randrange(100) < share:
            error = GatewayTimeout("no answer", path=walk.step.name)
            lost += 1
            if random.randrange(2):
                walk.lose(error)
            else:
                walk.fail(error)
        else:
            walk.go()
    pytest.fail("the flow does not end")


def world_of(random: Random) -> World:
    """One of the channels that there are, or three for one method."""
    first, asks = bool(random.randrange(2)), bool(random.randrange(2))
    if random.randrange(2):
        options = {"authorizes_first": first, "asks_payer": asks and not first}
        return World(channel=random.choice([StubbornGateway, MemoryGateway]), **options)
    each = {name: {"authorizes_first": bool(random.randrange(2))} for name in "abc"}
    return Channels(each=each)


def life(seed: int) -> int:
    """An order's payments and its end while answers are lost; how many were."""
    random = Random(seed)
    world = world_of(random)
    simulation = Simulation(world.engine)
    order = world.placed()
    offers = (
        random.choice([CARD, MIXED])
        if isinstance(world, Channels)
        else random.choice([CHANNEL, FOUR])
    )
    share = random.choice([10, 30, 60, 100])
    lost = lossy(simulation.pay(order.id, offers, key="k", by=SHOPPER), world, random, share)
    for turn in range(random.randrange(1, 6)):
        world.clock.advance(timedelta(seconds=random.choice([61, 300, 1800])))
        waits = [
            a.id for a in world.get(order).payments.attempts if a.state is AttemptState.WAITING
        ]
        what = random.randrange(5)
        if what == 0 and waits:
            name = world.get(order).payments.attempt(waits[0]).gateway
            body = world.gateways[name].pay(waits[0])
            walk: Walk[Any] = simulation.notify(name, {}, body)
        elif what == 1:
            walk = simulation.pay(order.id, offers, key=f"k{turn}", by=SHOPPER)
        elif what == 2 and random.randrange(3) == 0:
            walk = simulation.cancel(order.id, reason="no", key=f"c{turn}", by=SHOPPER)
        elif what == 3 and random.randrange(3) == 0:
            walk = simulation.refund(order.id, reason="back", key=f"r{turn}", by=STAFF)
        else:
            walk = simulation.sweep()
        lost += lossy(walk, world, random, share)
    for gateway in world.gateways.values():  # a channel repeats what it has told until it is heard
        for key, charge in gateway._charges.items():
            if charge.captured and not charge.outcome.action:
                world.engine.notify(gateway.name, {}, gateway.notification(key))
    assert simulation.recover(world.clock) == ()
    world.check()
    now = world.get(order)
    taken = sum(g.taken for g in world.gateways.values())
    kept = now.payments.captured - now.payments.refunded
    assert taken == kept
    assert taken in {0, now.total}, f"{taken} was taken of {now.total}"
    return lost


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_l7_whatever_answers_are_lost_nothing_is_charged_twice_and_nothing_forgotten(
    first: int,
) -> None:
    """What the channels hold in the end is the order's price, or nothing; each seed is a life of its own."""
    lost = 0
    for seed in range(first, first + BLOCK):
        try:
            lost += life(seed)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
    assert lost > BLOCK
