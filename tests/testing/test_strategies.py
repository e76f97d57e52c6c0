"""The strategies give what could have happened, and reach where it hurts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from ordercore.errors import NotAllowed
from ordercore.lifecycle.charts.standard import StandardOrder
from ordercore.money import EXPONENTS, MINOR_MAX, Money, to_minor
from ordercore.order import AnswerAttempts, Order, Ship
from ordercore.order.events import EVENTS
from ordercore.pricing import PricingPolicy, RoundingScope, quote
from ordercore.tender import AttemptState, Outcome, OutcomeStatus
from ordercore.tender.tenders import Channel
from ordercore.testing import (
    START,
    Story,
    amounts,
    carts,
    currencies,
    manifests_of,
    moneys,
    offers,
    order_a,
    order_content,
    orders,
    percents,
    pricing_policies,
    quotes,
    stories,
    tender_plans,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hypothesis.strategies import DataObject

SEEK = settings(
    max_examples=3_000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@given(st.sampled_from([0, 2, 3, 4]), st.data())
def test_currencies_have_the_decimals_that_were_asked_for(
    decimals: int, data: DataObject
) -> None:
    """Currencies of 0, 2, 3 and 4 decimals can be drawn on their own."""
    assert EXPONENTS[data.draw(currencies(decimals))] == decimals


@given(st.integers(-MINOR_MAX, MINOR_MAX), st.integers(-MINOR_MAX, MINOR_MAX), st.data())
def test_amounts_keep_their_bounds(one: int, other: int, data: DataObject) -> None:
    """Amounts are within the bounds that were asked for, wherever these are."""
    least, most = sorted((one, other))
    assert least <= data.draw(amounts(least, most)) <= most


@given(moneys("KWD", 5, 900))
def test_money_is_of_its_currency_and_bounds(amount: Money) -> None:
    """Bounds are minor units of the currency."""
    assert 5 <= to_minor(amount, "KWD") <= 900


@given(st.integers(0, 100), st.data())
def test_percentages_keep_their_bound(most: int, data: DataObject) -> None:
    """No percentage is above what was asked for."""
    assert 0 <= data.draw(percents(most)).ppm <= most * 10_000


@given(quotes(), st.data())
def test_plans_pay_what_is_due(due: Any, data: DataObject) -> None:
    """A plan is for the very rows and total of what it pays."""
    found = data.draw(tender_plans(due))
    assert found.rows == tuple((row.id, row.total) for row in due.rows())
    assert data.draw(offers(due)).plan(due).total == due.total


@given(orders(max_steps=8), st.data())
def test_manifests_are_of_the_order(order: Order, data: DataObject) -> None:
    """A manifest has at least one unit, and none that the order did not buy."""
    bought = {line.id: line.quantity for line in order.lines}
    goods = data.draw(manifests_of(order))
    assert goods
    assert all(0 < units <= bought[name] for name, units in goods)


@pytest.mark.parametrize("state", [state.id for state in StandardOrder.states])
def test_every_state_is_reached(state: str) -> None:
    """Some story ends in each state of the lifecycle."""
    find(orders(), lambda order: order.state == state, settings=SEEK)


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_happens(name: str) -> None:
    """Some story tells each event of the union."""
    find(stories(), lambda story: name in {e.name for e in story.events}, settings=SEEK)


@pytest.mark.parametrize("state", AttemptState)
def test_every_state_of_an_attempt_is_reached(state: AttemptState) -> None:
    """Some order has an attempt in each state."""
    find(orders(), lambda o: state in {a.state for a in o.payments.attempts}, settings=SEEK)


HARD: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], bool]]] = {
    "a cart that costs nothing": (quotes(), lambda q: q.total == 0),
    "no decimals": (carts(), lambda c: EXPONENTS[c.currency] == 0),
    "three decimals": (carts(), lambda c: EXPONENTS[c.currency] == 3),
    "modes mixed": (quotes(), lambda q: len({r.tax_included for r in q.rows()}) == 2),
    "two rates": (quotes(), lambda q: len(q.taxes) > 1),
    "order scope": (pricing_policies(), lambda p: p.tax.scope is RoundingScope.ORDER),
    "a capped discount": (quotes(), lambda q: any(d.amount < d.asked for d in q.discounts)),
    "three payments": (orders(), lambda o: o.payments.round > 2),
    "three tenders": (orders(), lambda o: len(o.payments.plan.tenders if o.payments.plan else ()) > 2),
    "two refunds": (orders(), lambda o: len(o.payments.refunds) > 1),
    "a part shipped": (orders(), lambda o: bool(o.delivery.shipments and o.shippable())),
    "a refund after completion": (orders(), lambda o: any(r.recognized for r in o.payments.refunds)),
    "an order that closes": (orders(), lambda o: o.closing is not None),
}  # fmt: skip


@pytest.mark.parametrize("case", HARD)
def test_the_hard_cases_come_up(case: str) -> None:
    """What usually goes wrong is among what is drawn."""
    strategy, condition = HARD[case]
    find(strategy, condition, settings=SEEK)


# --- Stories -----------------------------------------------------------------------------------


def paid() -> Story:
    """Order A, paid by a channel."""
    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    story.pay(Channel("card"))
    return story


def test_a_story_tells_a_whole_life() -> None:
    """Placed, paid, shipped in two parts, completed, refunded: in the words of a test."""
    story = paid()
    assert story.ship({"1": 1}).state == "awaiting_shipment"
    assert story.ship(carrier="post").state == "shipped"
    assert story.complete().state == "completed"
    assert story.refund().state == "refunding"
    assert [made.command for made in story.changes] == [
        "place", "Pay", "AnswerAttempts", "Accept", "Ship", "Ship", "Deliver", "Complete",
        "RefundOrder",
    ]  # fmt: skip
    assert story.order.delivery.shipments[1].carrier == "post"


def test_a_story_authorizes_and_captures() -> None:
    """Answered *authorized*, the shop asks for the capture, and the story answers that too."""
    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    assert story.pay(Channel("card"), status=OutcomeStatus.AUTHORIZED).state == "paid"


def test_a_refused_command_leaves_the_story_as_it_was() -> None:
    """Neither the order nor the time nor the changes move."""
    story = paid()
    order, at, count = story.order, story.at, len(story.changes)
    from datetime import timedelta

    with pytest.raises(NotAllowed):
        story.send(Ship("s-1", order.shippable()), after=timedelta(days=1))
    assert (story.order, story.at, len(story.changes)) == (order, at, count)


def test_a_story_moves_its_time() -> None:
    """A command that comes later happens later."""
    from datetime import timedelta

    story = paid()
    news = AnswerAttempts((("o-1/1", Outcome(OutcomeStatus.CAPTURED)),))
    assert story.send(news, after=timedelta(hours=1)).at == START + timedelta(hours=1)
