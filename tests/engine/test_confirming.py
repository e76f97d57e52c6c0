"""Money that people hand over: staff says what came. Couriers, transfers, a till."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.engine.holding import CARD, ON_DELIVERY, PREPAID, STAFF, TRANSFER, Holding

from ordercore import Actor, Money, tenders
from ordercore.errors import CurrencyMismatch, InvalidInput, KeyReused, NotAllowed
from ordercore.tender import (
    ActionKind,
    AttemptState,
    Overpaid,
    PaymentPolicy,
    RefundStatus,
)

DAY = timedelta(days=1)


# --- Cash on delivery ---------------------------------------------------------------------------


def test_cash_on_delivery_is_paid_when_it_is_promised_and_collected_when_staff_says_so() -> None:
    """The order ships and arrives; then it is told that the courier has the money (L9)."""
    world = Holding()
    order = world.held(PREPAID)
    assert world.books() == {"points_liability:points": 1_234, "advances": -1_234}
    order = world.ship(order)
    order = world.engine.deliver(order.id, key=world.key())
    assert order.payments.attempts[1].state is AttemptState.AUTHORIZED
    world.check()
    result = world.confirm(order)
    assert result.paid
    assert world.books() == {
        "points_liability:points": 1_234, "cod_with_couriers:cod": 25_763, "advances": -26_997,
    }  # fmt: skip
    world.check()


def test_no_deadline_closes_an_order_that_is_paid_on_delivery() -> None:
    """All or partly collected: it is paid, however long the parcel takes."""
    for offers in (ON_DELIVERY, PREPAID):
        world = Holding()
        order = world.pay(world.placed(), offers).order
        for _ in range(5):
            world.sweep_at(DAY)
        assert world.get(order).state == "paid"
        world.check()


@pytest.mark.parametrize(("collected", "due", "owed"), [("257.60", 3, 0), ("258.00", 0, 37)])
def test_a_collected_amount_other_than_due_is_recorded_as_such(
    collected: str, due: int, owed: int
) -> None:
    """Less leaves the difference due; more is owed, and goes back."""
    world = Holding(rooms={"payments": PaymentPolicy(overpaid=Overpaid.KEEP)})
    order = world.ship(world.held(PREPAID))
    result = world.confirm(order, collected)
    assert (result.order.due, result.order.owed) == (due, owed)
    assert world.books()["cod_with_couriers:cod"] == 25_763 - due + owed
    world.check()


def test_what_was_collected_above_the_price_goes_back_and_has_arrived_when_staff_says_so() -> None:
    """Accepted is not arrived: somebody hands it over and tells."""
    world = Holding()
    order = world.ship(world.held(PREPAID))
    order = world.confirm(order, "258.00").order
    (refund,) = order.payments.refunds
    assert (refund.amount, refund.surplus, refund.arrived) == (37, True, False)
    assert world.books()["refunds_in_transit"] == -37
    world.check()
    result = world.engine.confirm_refund(order.id, refund.id, key=world.key(), by=STAFF)
    assert result.refund.legs[0].status is RefundStatus.ARRIVED
    assert world.books()["cod_with_couriers:cod"] == 25_763
    world.check()


def test_a_refused_parcel_gives_the_prepaid_part_back_and_asks_nothing_of_the_courier() -> None:
    """What was never collected is let go; 12.34 in points go back over the matrix."""
    world = Holding()
    order = world.ship(world.held(PREPAID))
    order = world.engine.refund(order.id, reason="refused", key=world.key(), by=STAFF).order
    assert [(leg.amount, leg.released) for leg in order.payments.refunds[0].legs] == [
        (1_234, False),
        (25_763, True),
    ]
    assert order.state == "refunded"
    assert order.payments.attempts[1].state is AttemptState.RETURNED
    assert world.books() == {}
    assert world.accounts()[0] == 5_000
    world.check()


def test_a_part_refused_at_the_door_is_not_collected() -> None:
    """One line back before the courier tells: so much less is expected."""
    world = Holding()
    order = world.ship(world.held(ON_DELIVERY))
    order = world.refund(order, "2")
    assert order.payments.attempts[0].to_capture == 26_997 - 8_999
    result = world.confirm(order)
    assert result.order.payments.received == 26_997 - 8_999
    assert (result.order.due, result.order.owed) == (0, 0)
    world.check()


def test_goods_returned_after_the_courier_collected_are_paid_back_by_hand() -> None:
    """The refund is under way until somebody says that the customer has it."""
    world = Holding()
    order = world.confirm(world.ship(world.held(ON_DELIVERY))).order
    order = world.refund(order, "2")
    refund = order.payments.refunds[0]
    assert [(leg.released, leg.status) for leg in refund.legs] == [(False, RefundStatus.ACCEPTED)]
    world.check()
    world.engine.confirm_refund(order.id, refund.id, 0, key=world.key(), by=STAFF)
    assert world.books()["cod_with_couriers:cod"] == 26_997 - 8_999
    world.check()


def test_a_courier_is_not_asked_to_capture() -> None:
    """Taking by hand leaves what a courier collects alone."""
    world = Holding()
    order = world.ship(world.held(ON_DELIVERY))
    with world.refused(NotAllowed):
        world.capture(order)


def test_money_on_delivery_after_the_sale_was_booked_is_no_advance() -> None:
    """The customer owes it until it is told, then the courier does (L9)."""
    world = Holding()
    order = world.ship(world.held(ON_DELIVERY))
    world.engine.deliver(order.id, key=world.key())
    world.engine.complete(order.id, key=world.key())
    assert world.books()["receivable"] == 26_997
    world.check()
    world.confirm(order, "270.00")
    assert world.books()["cod_with_couriers:cod"] == 27_000
    assert "receivable" not in world.books()
    world.check()


# --- Transfers ----------------------------------------------------------------------------------


def test_a_transfer_waits_with_instructions_until_finance_says_that_it_came() -> None:
    """The payer is told the amount and the reference; the order is paid by staff's word, its goods are final."""
    world = Holding()
    order = world.placed()
    result = world.pay(order, TRANSFER)
    assert result.action is not None
    assert result.action.kind is ActionKind.INSTRUCTIONS
    assert "269.97 CNY" in result.action.content
    assert f"{order.id}/1" in result.action.content
    result = world.confirm(order)
    assert (result.order.state, result.paid) == ("paid", True)
    assert world.stock._reserved[order.content.reservation].deducted
    assert world.books() == {"clearing:transfer": 26_997, "advances": -26_997}
    world.check()


def test_an_underpaid_transfer_leaves_the_rest_due_and_counts() -> None:
    """200.00 of 269.97 came: the order waits, and the next payment is of 69.97."""
    world = Holding()
    order = world.placed()
    world.pay(order, TRANSFER)
    result = world.confirm(order, "200.00")
    assert (result.order.state, result.order.due, result.paid) == ("pending_payment", 6_997, False)
    world.check()
    result = world.pay(order, CARD)
    assert (result.order.state, result.paid) == ("paid", True)
    assert world.card.held == 6_997
    world.check()


def test_an_overpaid_transfer_pays_and_its_surplus_goes_back() -> None:
    """Or stays, where the policy keeps it for staff to see."""
    world = Holding()
    order = world.placed()
    world.pay(order, TRANSFER)
    order = world.confirm(order, "300.00").order
    assert (order.state, order.due, order.owed) == ("paid", 0, 0)
    assert [refund.amount for refund in order.payments.refunds] == [3_003]
    world.check()
    world = Holding(rooms={"payments": PaymentPolicy(overpaid=Overpaid.KEEP)})
    order = world.placed()
    world.pay(order, TRANSFER)
    order = world.confirm(order, "300.00").order
    assert (order.state, order.owed, order.payments.refunds) == ("paid", 3_003, ())
    world.check()


def test_a_transfer_that_never_came_ends_the_payment() -> None:
    """And the shopper may pay in another way."""
    world = Holding()
    order = world.placed()
    world.pay(order, (tenders.Points(1234, "c1"), *TRANSFER))
    order = world.confirm(order, paid=False).order
    assert order.payments.attempts[1].state is AttemptState.DECLINED
    assert world.points.taken == 0
    assert world.pay(order, CARD).paid
    world.check()


def test_l21_a_transfer_that_comes_for_a_closed_order_goes_back_when_staff_says_so() -> None:
    """Nobody sends it by itself, so nobody says that it is back before somebody says so."""
    world = Holding()
    order = world.placed()
    world.pay(order, TRANSFER)
    world.sweep_at(timedelta(minutes=31))
    assert world.get(order).state == "closed"
    world.check()
    order = world.confirm(order).order
    assert order.payments.attempts[0].state is AttemptState.RETURNING
    world.sweep_at(DAY)
    assert world.get(order).payments.attempts[0].state is AttemptState.RETURNING
    assert world.books()["clearing:transfer"] == 26_997
    world.check(settled=False)
    order = world.confirm(order, paid=False).order
    assert order.payments.attempts[0].state is AttemptState.RETURNED
    assert world.books() == {}
    world.check()


# --- Who says what ------------------------------------------------------------------------------


def test_l12_a_word_that_cannot_be_taken_changes_nothing() -> None:
    """By a shopper, in another currency, of nothing, of a channel that tells by itself, of what was told before."""
    world = Holding()
    order = world.placed()
    world.pay(order, TRANSFER)
    name = f"{order.id}/1"

    def say(by: Actor = STAFF, **told: Any) -> None:
        world.engine.confirm_payment(
            order.id, told.pop("attempt", name), key=world.key(), by=by, **told
        )

    for actor in (Actor.customer("c1"), Actor.customer("c2")):
        with world.refused(NotAllowed):
            say(actor)
    with world.refused(CurrencyMismatch):
        say(amount=Money("269.97", "EUR"))
    for amount in ("0.00", "-1.00"):
        with world.refused(InvalidInput):
            say(amount=Money(amount, "CNY"))
    with world.refused(InvalidInput):
        say(amount=Money("1.00", "CNY"), paid=False)
    with world.refused(InvalidInput):
        say(reference="x" * 300)
    world.confirm(order)
    with world.refused(NotAllowed):
        world.confirm(order)  # it was told before
    with world.refused(NotAllowed):
        world.confirm(order, paid=False)
    order = world.held(CARD)
    name = f"{order.id}/1"
    with world.refused(NotAllowed):
        say()  # the card tells by itself


def test_l12_a_promise_to_collect_is_not_taken_back_by_a_word() -> None:
    """An order that has left would stand unpaid: it is refunded instead, and what is held is let go."""
    world = Holding()
    order = world.ship(world.held(PREPAID))
    with world.refused(NotAllowed) as caught:
        world.confirm(order, paid=False)
    assert "refund" in caught.value.reason


def test_l13_a_word_under_one_key_is_taken_once() -> None:
    """The same key answers as it stands; with another amount it is refused."""
    world = Holding()
    order = world.placed()
    world.pay(order, TRANSFER)
    name = f"{order.id}/1"
    amount = Money("200.00", "CNY")
    for _ in range(3):
        result = world.engine.confirm_payment(order.id, name, amount, key="k", by=STAFF)
        assert result.order.payments.received == 20_000
    with pytest.raises(KeyReused):
        world.engine.confirm_payment(order.id, name, key="k", by=STAFF)
    order = world.pay(order, CARD).order
    order = world.refund(order)
    (leg,) = [leg for r in order.payments.refunds for leg in r.legs if not leg.released]
    assert leg.status is RefundStatus.ACCEPTED
    place = order.payments.refunds[0].legs.index(leg)
    for _ in range(3):
        done = world.engine.confirm_refund(
            order.id, order.payments.refunds[0].id, place, key="r", by=STAFF
        )
        assert done.refund.arrived
    assert done.order.state == "refunded"
    world.check()


def test_the_word_of_staff_stands_in_the_journal_with_its_name() -> None:
    """Who said that money came, and when, can be read (L15)."""
    world = Holding()
    order = world.placed()
    world.pay(order, TRANSFER)
    world.confirm(order)
    entry = [e for e in world.engine.journal(order.id) if e.event.name == "payment.answered"][-1]
    assert entry.by == STAFF


# --- The till -----------------------------------------------------------------------------------


def test_cash_is_taken_at_once_and_the_till_holds_what_the_books_say() -> None:
    """The float, what was paid in cash, less what was handed back; what is missing is told."""
    world = Holding()
    order = world.pay(world.placed(), (tenders.Cash(),)).order
    assert (order.state, world.books()["cash:cash"]) == ("paid", 26_997)
    order = world.refund(order, "1")
    assert order.payments.refunds[0].arrived
    books = world.engine.trial_balance()
    assert world.till.expected(books) == {"CNY": 10_000 + 26_997 - 8_999}
    assert world.till.difference({"CNY": 27_900}, books) == {"CNY": -98}
    assert world.till.difference({"CNY": 27_998}, books) == {}
    world.check()
