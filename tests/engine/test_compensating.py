"""Compensations over the engine: granted by staff, credited once, whatever is lost on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.world import BALANCE, NOON, POINTS, SHOPPER, STAFF, World

from ordercore import Money
from ordercore.errors import (
    GatewayTimeout,
    InvalidInput,
    KeyReused,
    NotAllowed,
    NotFound,
    OrdercoreError,
)
from ordercore.order import Compensate, decide
from ordercore.party import SYSTEM
from ordercore.tender import Compensation, RefundStatus
from ordercore.testing.simulation import STEPS_MAX, Fault, Simulation
from ordercore.testing.story import Story, order_a, order_content
from ordercore.timeout import TimerKind

if TYPE_CHECKING:
    from ordercore import Order


def money(amount: str) -> Money:
    """An amount in CNY."""
    return Money(amount, "CNY")


def give(world: World, order: Order, amount: str = "20.00", **more: Any) -> Any:
    """Staff compensate the customer."""
    given = {"reason": "late", "key": world.key(), "by": STAFF, **more}
    return world.engine.compensate(order.id, money(amount), **given)


def test_a_compensation_goes_to_the_customer_s_balance_and_has_an_account_of_its_own() -> None:
    """20.00 for a late parcel: no refund, so what was paid stays as it is."""
    world = World()
    order = world.paid()
    found = give(world, order)
    assert found.compensation.status is RefundStatus.ARRIVED
    assert (found.compensation.approved_by, found.compensation.account) == ("staff:s1", "c1")
    assert found.order.payments.refunded == 0
    assert world.accounts()[1] == BALANCE - 5_000 + 2_000
    books = world.books()
    assert books["compensation"] == 2_000
    assert books["stored_value_liability:balance"] == 5_000 - 2_000
    assert "refunds_in_transit:compensation" not in books
    world.check(settled=False)


def test_a_compensation_is_not_bounded_by_what_was_paid() -> None:
    """An order that is not paid at all may be compensated, and one that was refunded."""
    world = World()
    order = world.placed()
    give(world, order, "1000.00")
    assert world.accounts()[1] == BALANCE + 100_000


def test_points_are_given_by_their_rate() -> None:
    """3.00 are 300 points; what is no whole point is refused."""
    world = World()
    order = world.paid()
    had = world.accounts()[0]
    found = give(world, order, "3.00", to="points")
    assert (found.compensation.points, world.accounts()[0]) == (300, had + 300)
    assert world.books()["points_liability:points"] == POINTS - had - 300
    world.check(settled=False)


@pytest.mark.parametrize(
    ("amount", "more", "error", "path"),
    [
        ("0.00", {}, InvalidInput, "amount"),
        ("-1.00", {}, InvalidInput, "amount"),
        ("1.00", {"by": SHOPPER}, NotAllowed, ""),
        ("1.00", {"to": "nowhere"}, NotFound, "gateway"),
        ("1.00", {"to": "wechat"}, InvalidInput, "to"),
        ("1.00", {"reason": ""}, InvalidInput, "reason"),
    ],
)
def test_a_compensation_that_cannot_be_is_refused_and_nothing_changes(
    amount: str, more: dict[str, Any], error: type[OrdercoreError], path: str
) -> None:
    """Nothing, less, by a customer, to nowhere, to a channel that pays only back, without a reason."""
    world = World()
    order = world.paid()
    with world.refused(error) as caught:
        give(world, order, amount, **more)
    assert caught.value.path == path


def test_l13_the_same_key_compensates_once() -> None:
    """Asked again it answers with the first; with other content it is refused."""
    world = World()
    order = world.paid()
    first = give(world, order, key="once")
    again = give(world, order, key="once")
    assert again.compensation == first.compensation
    with pytest.raises(KeyReused):
        give(world, order, "21.00", key="once")
    assert len(world.get(order).payments.compensations) == 1


def test_who_grants_a_compensation_is_who_approves_it() -> None:
    """Nobody grants in another's name, and a name stands for one compensation."""
    story = Story(order_content(_quote()))
    given = Compensation("o-1/c1", 100, "balance", "c-1", "late", "staff:s1")
    with pytest.raises(InvalidInput, match="approves"):
        decide(story.order, Compensate(given), story.situation(SYSTEM))
    story.send(Compensate(given), by=STAFF)
    with pytest.raises(KeyReused):
        story.send(Compensate(given), by=STAFF)


def _quote() -> Any:
    from ordercore.pricing import PricingPolicy, quote

    return quote(order_a(), PricingPolicy(), NOON)


def test_an_unanswered_compensation_is_asked_again_by_its_timer() -> None:
    """The gateway does not answer: it stays open, and the sweeper asks again under the same name."""
    world = World()
    order = world.paid()
    credit, calls = world.balance.credit, []

    def silent(request: Any) -> Any:
        calls.append(request.key)
        raise GatewayTimeout("no answer")

    world.balance.credit = silent  # type: ignore[method-assign]
    found = give(world, order)
    assert found.compensation.status is None
    (timer,) = [t for t in world.store.timers() if t.key.kind is TimerKind.RESOLVE_COMPENSATION]
    assert (timer.key.subject, timer.due) == (found.compensation.id, NOON + timedelta(seconds=60))
    world.at(1)
    world.balance.credit = credit  # type: ignore[method-assign]
    world.at(10)
    assert world.get(order).payments.compensations[0].status is RefundStatus.ARRIVED
    assert set(calls) == {found.compensation.id}
    assert not [t for t in world.store.timers() if t.key.kind is TimerKind.RESOLVE_COMPENSATION]
    assert world.accounts()[1] == BALANCE - 5_000 + 2_000


@pytest.mark.parametrize("fault", Fault)
def test_a_crash_at_any_call_compensates_once(fault: Fault) -> None:
    """Granted and credited once, or not granted at all."""
    from ordercore.engine.compensating import compensate

    for step in range(1, STEPS_MAX):
        world = World()
        order = world.paid()
        simulation = Simulation(world.engine)
        flow = compensate(
            world.engine.shop, order.id, money("20.00"), "balance", "", "late", "c", STAFF
        )
        if not simulation.walk(flow).strike(step, fault):
            break
        simulation.recover(world.clock)
        granted = len(world.get(order).payments.compensations)
        assert world.accounts()[1] == BALANCE - 5_000 + 2_000 * granted
        world.check(settled=False)
    assert step > 2
