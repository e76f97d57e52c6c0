"""What was paid above the price, or below it: what still counts as due, and how it goes back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.engine.holding import ON_DELIVERY, STAFF, TRANSFER, Holding
from tests.engine.test_presale import OPENS, Shop, money

from ordercore import Manifest, Order, tenders
from ordercore.adapters.manual import ManualGateway
from ordercore.errors import NotAllowed
from ordercore.tender import Overpaid, PaymentPolicy, RefundStatus

KEEPS: dict[str, Any] = {"payments": PaymentPolicy(overpaid=Overpaid.KEEP)}


def overpaid(amount: str) -> tuple[Holding, Order]:
    """An order of 269.97 for which more came by transfer, in a shop that keeps it for staff to see."""
    world = Holding(rooms=KEEPS)
    order = world.placed()
    world.pay(order, TRANSFER)
    return world, world.confirm(order, amount).order


def told(world: Holding, order: Order) -> Order:
    """The order when all its refunds have arrived, by the word of staff."""
    for refund in world.get(order).payments.refunds:
        for place, leg in enumerate(refund.legs):
            if not leg.arrived:
                world.engine.confirm_refund(order.id, refund.id, place, key=world.key(), by=STAFF)
    return world.get(order)


@pytest.mark.parametrize("amount", ["500.00", "600.00"])
def test_a_deposit_paid_with_the_whole_price_is_not_the_whole_price(amount: str) -> None:
    """What was too much goes back, so the balance is still due and can be paid in its window."""
    shop = Shop()
    bank = ManualGateway()
    shop.world.gateways["transfer"] = bank
    shop.engine = shop.world.another(lifecycles=["presale"])
    shop.world.engine = shop.engine
    shop.pay((tenders.Channel("transfer"),))
    shop.engine.confirm_payment(shop.id, f"{shop.id}/1", money(amount), key="c", by=STAFF)
    assert (shop.now.state, shop.now.due) == ("deposit_paid", 45_000)
    assert shop.world.books()["deposits_held"] == -5_000
    shop.at(OPENS)
    assert shop.pay() == "paid"
    assert not shop.now.due


def test_of_an_order_that_keeps_too_much_units_are_refunded_by_their_rows() -> None:
    """The price is allotted to the goods, and what was paid above it is apart."""
    world, order = overpaid("270.00")
    order = world.refund(order, "1")
    assert [row.units for row in order.payments.refunds[0].rows] == [1]
    assert (order.state, order.owed) == ("paid", 3)
    order = world.refund(order)
    assert order.payments.refunded == 27_000
    assert [refund.surplus for refund in order.payments.refunds].count(True) == 1
    order = told(world, order)
    assert (order.state, order.owed, order.due) == ("refunded", 0, 0)
    assert world.books() == {}
    world.check()


def test_a_surplus_alone_is_given_back_when_all_else_went_before() -> None:
    """Everything left is the surplus, when the goods are refunded."""
    world, order = overpaid("270.00")
    every = {line.id: line.quantity for line in order.lines}
    order = world.engine.refund(
        order.id, Manifest.of(every), reason="x", key=world.key(), by=STAFF
    ).order
    assert order.owed == 3
    order = told(world, world.refund(order))
    assert (order.state, order.owed) == ("refunded", 0)
    world.check()


def test_a_completed_sale_that_was_overpaid_is_given_back_whole() -> None:
    """Nothing is earned and nothing is owed any more."""
    world, order = overpaid("300.00")
    for step in (
        world.engine.accept,
        world.engine.ship,
        world.engine.deliver,
        world.engine.complete,
    ):
        step(order.id, key=world.key())
    order = told(world, world.refund(order))
    assert (order.state, order.owed, order.due) == ("refunded", 0, 0)
    assert world.books() == {}
    world.check()


def test_an_underpaid_sale_that_came_back_whole_has_nothing_due() -> None:
    """Who got all of it back owes nothing for it, and nothing of it is earned."""
    world = Holding()
    order = world.placed()
    world.pay(order, ON_DELIVERY)
    world.engine.accept(order.id, key=world.key())
    world.engine.ship(order.id, key=world.key())
    order = world.confirm(order, "200.00").order
    world.engine.deliver(order.id, key=world.key())
    world.engine.complete(order.id, key=world.key())
    assert world.get(order).due == 6_997
    order = world.refund(order)
    assert order.due == 0
    order = told(world, order)
    assert (order.state, order.due) == ("refunded", 0)
    assert world.books() == {}
    world.check()


def test_a_transfer_back_that_bounced_goes_another_way() -> None:
    """Staff says that it failed; then the customer's balance takes it."""
    world = Holding()
    order = world.placed()
    world.pay(order, TRANSFER)
    world.confirm(order)
    order = world.refund(order)
    name = order.payments.refunds[0].id
    result = world.engine.confirm_refund(
        order.id, name, paid=False, reference="no such account", key="f", by=STAFF
    )
    assert result.refund.leg(0).status is RefundStatus.FAILED
    done = world.engine.reroute_refund(
        order.id, name, 0, to="balance", reason="it bounced", consent="by phone", key="t", by=STAFF
    )
    assert done.refund.arrived
    assert done.order.state == "refunded"
    world.check()


def test_what_has_arrived_is_not_said_to_have_failed() -> None:
    """A refund that the customer has is not taken back by a word."""
    world = Holding()
    order = world.placed()
    world.pay(order, TRANSFER)
    world.confirm(order)
    order = told(world, world.refund(order))
    name = order.payments.refunds[0].id
    with world.refused(NotAllowed):
        world.engine.confirm_refund(order.id, name, paid=False, key="f", by=STAFF)
