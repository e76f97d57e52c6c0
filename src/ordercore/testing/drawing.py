"""What a payment machine draws: settings, offers, how a flow runs; and which orders are worth a try."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from ordercore.adapters.memory import Captures
from ordercore.tender import (
    AttemptState,
    CaptureMoment,
    LateMoney,
    Overpaid,
    RefundStatus,
    StrandedRefund,
)
from ordercore.testing.bench import PaymentSetting
from ordercore.testing.simulation import Fault

if TYPE_CHECKING:
    from ordercore.order import Order

__all__ = [
    "NEXT",
    "WHOLE",
    "Course",
    "How",
    "courses",
    "goods_drawn",
    "legs_with",
    "offers_drawn",
    "parts",
    "payment_settings",
    "places",
    "refund_under_way",
    "to_amend",
    "to_capture",
    "to_confirm",
    "to_pay",
    "to_refund",
    "to_reroute",
    "whole_offers",
    "workers",
]


class Course(enum.Enum):
    """How a flow runs: to its end, until it is stopped before a call, or into a fault."""

    WHOLE = "whole"
    STOPPED = "stopped"


How = tuple[Course | Fault, int]
WHOLE: How = (Course.WHOLE, 0)

# What is drawn --------------------------------------------------------------------------------

workers = st.integers(0, 1)
places = st.integers(0, 11)
courses = st.one_of(
    st.just(WHOLE),
    st.just(WHOLE),
    st.tuples(st.sampled_from([Course.STOPPED, *Fault]), st.integers(1, 14)),
)
parts = st.sampled_from([100, 1_234, 5_000])
offers_drawn = st.tuples(
    st.lists(
        st.tuples(places, st.none() | parts), max_size=3, unique_by=lambda offer: offer[0] % 8
    ),
    st.none() | st.integers(0, 4),
)
rests = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4])
whole_offers = st.tuples(
    st.lists(st.tuples(places, parts), max_size=3, unique_by=lambda offer: offer[0] % 8), rests
)
goods_drawn = st.none() | st.dictionaries(
    st.integers(0, 2), st.integers(1, 3), min_size=1, max_size=2
)


def payment_settings(*moments: CaptureMoment) -> st.SearchStrategy[PaymentSetting]:
    """Any setting of a shop; it takes money at one of these moments, at any where none is named."""
    return st.builds(
        PaymentSetting,
        capture=st.sampled_from(moments or tuple(CaptureMoment)),
        captures=st.sampled_from(Captures),
        late=st.sampled_from(LateMoney),
        overpaid=st.sampled_from(Overpaid),
        stranded=st.sampled_from(StrandedRefund),
        currency=st.sampled_from(["CNY", "CHF"]),
        payable_for_ever=st.sampled_from([True, True, False]),
        spaced=st.booleans(),
        points_in_steps=st.sampled_from([1, 100]),
    )


def to_pay(order: Order) -> bool:
    """Something is due."""
    return order.due > 0


def to_amend(order: Order) -> bool:
    """Its content may change: nothing has left."""
    left = {"pending_payment", "paid", "awaiting_shipment"}
    return order.state in left and not order.delivery.shipments


def to_confirm(order: Order) -> bool:
    """Staff may have something to say of it."""
    waits = {AttemptState.WAITING, AttemptState.AUTHORIZED, AttemptState.RETURNING}
    return any(attempt.state in waits for attempt in order.payments.attempts)


def legs_with(order: Order, status: RefundStatus) -> list[tuple[str, int]]:
    """Every leg of a refund that has this status, as the refund and its place there."""
    return [
        (back.id, place)
        for back in order.payments.refunds
        for place, leg in enumerate(back.legs)
        if leg.status is status
    ]


def to_reroute(order: Order) -> bool:
    """A part of a refund has failed."""
    return bool(legs_with(order, RefundStatus.FAILED))


def refund_under_way(order: Order) -> bool:
    """A part of a refund is accepted and has not arrived."""
    return bool(legs_with(order, RefundStatus.ACCEPTED))


def to_capture(order: Order) -> bool:
    """Money is held that may be taken."""
    return any(attempt.to_capture for attempt in order.payments.attempts)


def to_refund(order: Order) -> bool:
    """Money is there that may go back."""
    payments = order.payments
    return order.state != "pending_payment" and payments.captured > payments.refunded


NEXT = {
    "paid": "accept",
    "awaiting_shipment": "ship",
    "shipped": "deliver",
    "received": "complete",
}
"""What staff do next with an order, by its state."""
