"""Which part of a refund is let go, and which share of held money a shipment takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ordercore.order.rules.capturing import _part
from ordercore.order.rules.holding import releasable, released_first
from ordercore.tender import (
    Attempt,
    AttemptState,
    CaptureMoment,
    Payments,
    RefundLeg,
    TenderKind,
)

MONEY = st.integers(1, 100_000)


@st.composite
def held(draw: st.DrawFn, place: int = 1) -> Attempt:
    """An attempt of which something may have been taken and something let go."""
    amount = draw(MONEY)
    captured = draw(st.integers(0, amount))
    return Attempt(
        f"o/{place}", 1, place - 1, TenderKind.CHANNEL, "card", "", amount, 0,
        draw(st.sampled_from([AttemptState.AUTHORIZED, AttemptState.CAPTURED])),
        captured=captured, released=draw(st.integers(0, amount - captured)),
        capture=draw(st.sampled_from(CaptureMoment)), several=True,
    )  # fmt: skip


@given(held(1), held(2), st.data())
def test_l8_legs_are_split_into_what_is_only_held_and_what_was_taken(
    one: Attempt, two: Attempt, data: st.DataObject
) -> None:
    """For each attempt the parts add up, nothing is released that is not held, and held money goes first."""
    payments = Payments(attempts=(one, two))
    legs = [RefundLeg(a.id, data.draw(st.integers(1, a.amount)), 0) for a in payments.attempts]
    found = released_first(payments, legs)
    for attempt, leg in zip(payments.attempts, legs, strict=True):
        parts = [part for part in found if part.attempt == attempt.id]
        assert sum(part.amount for part in parts) == leg.amount
        assert all(part.amount > 0 for part in parts)
        let_go = sum(part.amount for part in parts if part.released)
        assert let_go == min(leg.amount, releasable(attempt))


@given(held(), st.lists(st.integers(0, 9_999), min_size=1, max_size=8))
def test_l6_shares_of_shipments_never_take_more_than_has_left_and_add_up(
    attempt: Attempt, worths: list[int]
) -> None:
    """Each share is the floor of the running sum's exact one: what was taken is never above it, and the last takes all."""
    if attempt.state is not AttemptState.AUTHORIZED:
        attempt = attempt.moved(AttemptState.AUTHORIZED)
    whole, total, gone = attempt.captured + attempt.to_capture, sum(worths), 0
    before = attempt.captured
    for worth in worths:
        gone += worth
        part = _part(attempt, gone, total)
        assert 0 <= part <= attempt.to_capture
        if total:
            share = whole * gone // total
            assert attempt.captured + part == max(share, before)
        if part:
            asked = attempt.moved(AttemptState.CAPTURING, asked=part)
            attempt = asked.moved(AttemptState.AUTHORIZED, amount=attempt.captured + part)
        before = attempt.captured
    if total:
        assert attempt.captured == whole
