"""The books of money that comes for an attempt that had been given up, after the sale was booked."""

from __future__ import annotations

from attrs import evolve
from tests.stored import paid

from ordercore.ledger import AccountKind, Entry
from ordercore.order import posting
from ordercore.tender import AttemptState, CaptureMoment, TenderKind
from ordercore.tender.events import AttemptAnswered


def test_l9_what_was_given_up_is_not_owed_when_it_comes_after_all() -> None:
    """Cash that a courier was to collect was given up before the sale was booked: what comes is an advance."""
    last = paid.held_story()[-1].order
    attempt = evolve(
        last.payments.attempts[-1], id="ord_7/9", kind=TenderKind.ON_DELIVERY, gateway="cod",
        state=AttemptState.RETURNED, capture=CaptureMoment.ON_DELIVERY, amount=1_000, rounding=2,
        captured=0, released=0,
    )  # fmt: skip
    order = evolve(last, payments=evolve(last.payments, attempts=(attempt,)))
    assert order.recognized
    assert posting(order, (AttemptAnswered("ord_7/9", AttemptState.CAPTURED),)) == (
        Entry(AccountKind.COD_WITH_COURIERS, "cod", 1_002),
        Entry(AccountKind.ADVANCES, "", -1_000),
        Entry(AccountKind.ROUNDING, "", -2),
    )
