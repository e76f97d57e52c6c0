"""Workers whose clocks are an hour apart: they pay, sweep and hear of news at once, and it comes out right."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.channels import AFTER, BALANCE_CARD, BEFORE, CARD, DEAF, DECLINE, SOFT, Channels
from tests.engine.test_sweeping import Skewed, Timekeeping
from tests.engine.world import SHOPPER, after

from ordercore.engine import Shop
from ordercore.testing.simulation import Simulation, Walk

HOUR = timedelta(hours=1)
SCRIPTS: dict[str, list[Any]] = {
    "all is well": [],
    "soft": [SOFT],
    "unreachable": [DEAF],
    "lost": [AFTER],
    "no answer": [BEFORE],
    "declined": [DECLINE],
}


def worker(world: Channels, ahead: timedelta) -> Simulation:
    """Another machine of the shop, whose clock is wrong by so much."""
    shop = world.engine.shop
    names = ("store", "gateways", "stock", "policies", "ids", "lifecycles")
    engine = world.another()
    engine.shop = Shop(
        **{name: getattr(shop, name) for name in names}, clock=Skewed(world.clock, ahead)
    )
    return Simulation(engine)


def skewed(**options: Any) -> Channels:
    """A shop whose store has the true time."""
    store = Timekeeping()
    world = Channels(world={"store": store}, **options)
    store.truth = world.clock
    return world


@pytest.mark.parametrize("ahead", [-1, 1])
@pytest.mark.parametrize("script", SCRIPTS)
def test_l7_a_payment_meets_a_sweeper_whose_clock_is_an_hour_off(script: str, ahead: int) -> None:
    """The one that pays is wrong by an hour, the one that sweeps is right, or the other way round."""
    for step in range(40):
        for payer, sweeper in ((ahead, 0), (0, ahead)):
            for then in (0, 100):
                world = skewed()
                world.a.script.extend(SCRIPTS[script])
                order = world.placed()
                one = worker(world, payer * HOUR)
                walk = one.pay(order.id, BALANCE_CARD, key="k", by=SHOPPER).go(step)
                if walk.ended and payer == ahead and not sweeper and not then:
                    return
                other = worker(world, sweeper * HOUR)
                for seconds in (1, 61):
                    world.clock.advance(timedelta(seconds=seconds))
                    other.sweep().finish()
                walk.go(then)
                if not walk.ended:
                    walk.crash()
                other.recover(world.clock)
                world.check()
    pytest.fail("the flow does not end")


@pytest.mark.parametrize("ahead", [-60, 60])
def test_l20_a_worker_an_hour_off_closes_no_order_before_its_time(ahead: int) -> None:
    """By the true time ten minutes are left: the shopper may still pay."""
    world = skewed()
    order = world.placed()
    world.clock.set(after(20))
    worker(world, timedelta(minutes=ahead)).sweep().finish()
    assert world.get(order).state == "pending_payment"
    assert world.pay(order, CARD).paid
    world.check()


@given(st.data())
def test_l7_any_two_workers_with_any_clocks_charge_once(data: st.DataObject) -> None:
    """Flows of one order on machines that disagree by up to an hour, each stopped, run on or killed at random."""
    minutes = st.integers(-60, 60)
    world = skewed()
    kinds = st.sampled_from([SOFT, DEAF, AFTER, BEFORE, DECLINE])
    for channel in (world.a, world.b):
        channel.script.extend(data.draw(st.lists(kinds, max_size=2)))
    order = world.placed()
    machines = [worker(world, timedelta(minutes=data.draw(minutes))) for _ in range(2)]
    walks: list[Walk[Any]] = []
    for i in range(data.draw(st.integers(2, 16), "turns")):
        machine = data.draw(st.sampled_from(machines))
        turn = data.draw(st.sampled_from(["pay", "sweep", "go", "go", "crash", "wait"]), "turn")
        if turn == "pay":
            walks.append(machine.pay(order.id, CARD, key=f"k{i}", by=SHOPPER))
        elif turn == "sweep":
            walks.append(machine.sweep())
        elif turn == "wait":
            world.clock.advance(timedelta(seconds=data.draw(st.sampled_from([1, 61, 400]))))
        elif walks:
            walk = data.draw(st.sampled_from(walks))
            if turn == "crash" and not walk.ended:
                walk.crash()
            else:
                walk.go(data.draw(st.integers(1, 8)))
    for walk in walks:
        walk.go(500)
    Simulation(world.engine).recover(world.clock)
    world.check()
    assert isinstance(world.clock.now(), datetime)
