"""The doubled deposit of a guest: it waits until somebody says whose account it goes to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
from tests.engine.test_presale import cart, deposit
from tests.engine.world import CHANNEL, STAFF, World, world_policies

from ordercore import Money, Party
from ordercore.adapters.memory import AccountGateway
from ordercore.tender import CreditRequest, RefundStatus

if TYPE_CHECKING:
    import pytest

    from ordercore import Order


def canceled() -> tuple[World, Order]:
    """A shop that canceled the presale of a guest, who had paid a deposit of 50.00."""
    world = World(policies=world_policies())
    world.engine = world.another(lifecycles=["presale"])
    quote = world.engine.quote(attrs.evolve(cart(deposit()), customer=Party("")))
    order = world.engine.place(quote, key="place", by=STAFF)
    world.engine.pay(order.id, CHANNEL, key="pay", by=STAFF)
    world.engine.cancel(order.id, reason="sold out", key="cancel", by=STAFF)
    return world, world.get(order)


def test_the_doubled_deposit_of_a_guest_stays_open_and_somebody_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No account is credited, now or by a timer: the deposit goes back, and as much again is still owed."""
    world, order = canceled()
    for _ in range(3):
        world.clock.advance(timedelta(hours=1))
        world.engine.sweep()
    now = world.get(order)
    (given,) = now.payments.compensations
    assert (given.account, given.amount, given.status) == ("", 5_000, None)
    assert now.payments.refunds[0].arrived
    assert world.balance.credited == 0
    assert world.books()["refunds_in_transit:compensation"] == -5_000
    assert any("names no account" in record.message for record in caplog.records)


def test_staff_names_the_account_of_a_compensation_that_has_none() -> None:
    """A compensation of the same amount at the same gateway stands in its place: the guest gets it once."""
    world, order = canceled()
    named: dict[str, Any] = {"account": "c1", "reason": "the guest has said who they are"}
    found = world.engine.compensate(
        order.id, Money("50.00", "CNY"), **named, key=world.key(), by=STAFF
    )
    assert found.compensation.status is RefundStatus.ARRIVED
    states = [given.status for given in found.order.payments.compensations]
    assert states == [RefundStatus.FAILED, RefundStatus.ARRIVED]
    assert world.balance.credited == 5_000
    assert world.books()["compensation"] == 5_000
    assert "refunds_in_transit:compensation" not in world.books()
    world.clock.advance(timedelta(days=1))
    world.engine.sweep()
    assert world.balance.credited == 5_000


def test_another_amount_leaves_the_nameless_compensation_open() -> None:
    """Goodwill beside it is another matter."""
    world, order = canceled()
    found = world.engine.compensate(
        order.id, Money("10.00", "CNY"), account="c1", reason="goodwill", key=world.key(), by=STAFF
    )
    states = [given.status for given in found.order.payments.compensations]
    assert states == [None, RefundStatus.ARRIVED]


def test_an_account_gateway_credits_no_nameless_account() -> None:
    """It answers that it failed, for good, and holds nothing."""
    world = World()
    gateway: AccountGateway = world.balance
    request = CreditRequest("o-1/c1", "o-1", "", 100, "CNY", 0, "", "late")
    outcome = gateway.credit(request)
    assert outcome.status is RefundStatus.FAILED
    assert gateway.credit(request) == outcome
    assert (gateway.credited, gateway.balance("")) == (0, 0)
