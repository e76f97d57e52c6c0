"""What a standing says of money that is held, let go, kept, or taken back."""

from __future__ import annotations

from tests.stored import paid

from ordercore.order import Order, PaymentStanding, standing
from ordercore.order.facts import deposit_taken, has_payment, paid_in_full


def of(state: str) -> Order:
    """An order of a story, the first time that it stands in a state."""
    told = [*paid.held_story(), *paid.presale_story(), *paid.late_story()]
    return next(change.order for change in told if change.order.state == state)


def test_money_that_is_held_as_agreed_counts_as_paid() -> None:
    """An order whose money is held until it ships is paid: nothing is due, though little was received."""
    order = of("paid")
    found = standing(order)
    assert (found.payment, found.due, found.paid) == (PaymentStanding.PAID, 0, 32_097)
    assert order.payments.received == 2_000
    assert paid_in_full(order)


def test_what_is_let_go_was_refunded() -> None:
    """A refund of money that was only held is a refund: it is no longer refundable, and nothing is due."""
    order = of("awaiting_shipment")
    found = standing(order)
    assert (found.refunded, found.refundable, found.due) == (1_269, 32_097 - 1_269, 0)
    assert order.payments.received == 2_000


def test_what_the_payers_bank_took_back_is_not_refundable() -> None:
    """It stays paid, but cannot go back a second time; what was granted beside refunds changes nothing."""
    told = paid.held_story()
    last = told[-1].order
    assert last.payments.taken_back == 1_000
    assert last.payments.compensations
    found = standing(last)
    assert found.refundable == found.paid - found.refunded - 1_000


def test_a_deposit_is_paid_in_part() -> None:
    """With its deposit taken an order is partly paid; what was paid above the deposit was asked back."""
    order = of("deposit_paid")
    found = standing(order)
    assert deposit_taken(order)
    assert not paid_in_full(order)
    assert (found.payment, found.paid, found.refunded) == (
        PaymentStanding.PARTLY_PAID, 10_000, 100,
    )  # fmt: skip
    assert found.due == order.total - order.deposit


def test_a_deposit_that_is_kept_is_neither_owed_nor_refundable() -> None:
    """What the shop keeps stays paid; the rest was asked back, so nothing is left to go back."""
    order = of("forfeited")
    found = standing(order)
    assert (found.paid - found.refunded, order.payments.forfeited) == (5_405, 5_405)
    assert (found.due, found.owed, found.refundable) == (0, 0, 0)
    assert has_payment(order)


def test_money_that_came_late_is_owed() -> None:
    """A canceled order that keeps money until somebody decides owes all of it."""
    told = paid.late_story()
    found = standing(told[-1].order)
    assert (found.payment, found.due) == (PaymentStanding.PAID, 0)
    assert found.owed == found.refundable == found.paid == told[-1].order.total
