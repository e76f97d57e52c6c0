"""Reading the journal and the steps out of a store."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.engine.world import World, world_policies

from ordercore import OrderEngine, Policies
from ordercore.calendar import Weekday, WorkingHours
from ordercore.engine.flow import arun, run
from ordercore.engine.reading import read_journal, read_progress
from ordercore.errors import OrderNotFound, UnknownLifecycle
from ordercore.journal import StepStanding
from ordercore.lifecycle import Lifecycles, VisibleStep
from ordercore.timeout import TimeoutPolicy


def test_an_engine_reads_the_journal_of_an_order() -> None:
    """The journal is that of the store, told by the order's own lifecycle."""
    world = World()
    order = world.completed()
    journal = run(read_journal(world.engine.shop, order.id), "journal")
    assert journal.order == world.get(order)
    assert journal.recorded == world.store.journal(order.id)
    assert journal.lifecycle is not None
    assert journal.lifecycle.name == order.content.lifecycle


def test_an_engine_reads_how_far_an_order_is() -> None:
    """The steps come with the targets of the policy, and with the engine's own time."""
    targets = {VisibleStep.PICK: timedelta(minutes=5)}
    plain = world_policies()
    policies = Policies(
        pricing=plain.pricing, tenders=plain.tenders, timeouts=TimeoutPolicy(targets=targets)
    )
    world = World(policies=policies)
    order = world.paid()
    world.clock.advance(timedelta(minutes=6))
    found = run(read_progress(world.engine.shop, order.id), "progress")
    pick = found.of(VisibleStep.PICK)
    assert (pick.standing, pick.spent) == (StepStanding.CURRENT, timedelta(minutes=6))
    assert pick.overran
    assert found.of(VisibleStep.PAY).target is None


def test_the_working_hours_of_the_policy_count() -> None:
    """Where targets are working time, a closed shop overruns nothing."""
    targets = {VisibleStep.PAY: timedelta(minutes=5)}
    hours = WorkingHours("UTC", days=(Weekday.SUNDAY,))
    timeouts = TimeoutPolicy(targets=targets, working=hours)
    world = World(policies=Policies(timeouts=timeouts))
    order = world.placed()
    world.clock.advance(timedelta(minutes=20))
    assert (
        not run(read_progress(world.engine.shop, order.id), "progress").of(VisibleStep.PAY).overran
    )


@pytest.mark.parametrize("read", [read_journal, read_progress])
def test_an_unknown_order_is_not_found(read: object) -> None:
    """What was never placed has neither journal nor steps."""
    shop = World().engine.shop
    with pytest.raises(OrderNotFound):
        run(read(shop, "nobody"), "read")  # type: ignore[operator]


def test_a_lifecycle_that_is_gone_hides_no_journal() -> None:
    """The journal of an order can be read without its lifecycle, its steps cannot."""
    world = World()
    order = world.placed()
    shop = world.engine.shop
    later = type(shop)(
        shop.store, shop.gateways, shop.stock, shop.policies, shop.clock, shop.ids, Lifecycles()
    )
    journal = run(read_journal(later, order.id), "journal")
    assert journal.lifecycle is None
    assert journal.order == order
    with pytest.raises(UnknownLifecycle):
        run(read_progress(later, order.id), "progress")


@pytest.mark.parametrize("read", [read_journal, read_progress])
def test_an_async_engine_reads_the_same(read: object) -> None:
    """The flow gives the same, whoever drives it."""
    import asyncio

    world = World()
    order = world.shipped()
    shop = world.engine.shop
    made = asyncio.run(arun(read(shop, order.id), "read"))  # type: ignore[operator]
    assert made == run(read(shop, order.id), "read")  # type: ignore[operator]
    assert isinstance(world.engine, OrderEngine)
