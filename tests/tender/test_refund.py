"""What goes back of which line over which tender: laws L4 and L8, and the rows of order A."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordercore.errors import InvalidManifest, NotAllowed
from ordercore.goods import LineId, Manifest
from ordercore.money import money
from ordercore.pricing import Cart, CartLine, PricingPolicy, Quote, ShippingCharge, quote
from ordercore.tender import (
    Attempt,
    AttemptState,
    Payments,
    PointsRate,
    Refund,
    TenderPlan,
    TenderPolicy,
    TenderRule,
    plan,
    reduced,
    reduction,
    refund,
    refundable,
    refunded_units,
)
from ordercore.tender.events import FOLDS, RefundRequested
from ordercore.tender.tenders import Balance, Channel, Points
from ordercore.testing import START, carts, laws, order_a, quotes, tender_plans, tender_policies

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

A = quote(order_a(), PricingPolicy(), START)
SMALL = quotes(carts(max_lines=3, max_units=6, max_price=20_000))


def paid(due: Quote, planned: TenderPlan) -> Payments:
    """Payments of which every tender was captured; ``due`` gives the rows."""
    attempts = tuple(
        Attempt(f"o/{j}", 1, j, t.kind, t.gateway, t.account, t.amount, t.points,
                AttemptState.CAPTURED, t.amount)
        for j, t in enumerate(planned.tenders)
    )  # fmt: skip
    empty = ((0,) * len(planned.tenders),) * len(due.rows())
    return Payments(1, planned, attempts, (), empty)


def give(
    due: Quote, payments: Payments, goods: dict[str, int], *charges: str
) -> tuple[Payments, Refund]:
    """Payments after one more refund, and the refund."""
    name = f"r-{len(payments.refunds) + 1}"
    asked = refund(
        name, due.lines, due.charges, payments, Manifest.of(goods), charges, "", recognized=False
    )
    return FOLDS[RefundRequested](payments, RefundRequested(asked)), asked


def paid_a() -> Payments:
    """Order A, paid by 1,234 points, 50.00 of the balance, 207.63 of a channel."""
    tenders = [Points(1234), Balance(money("50.00", "CNY")), Channel("wechat")]
    return paid(A, plan(A.rows(), tenders, TenderPolicy(), "CNY"))


# --- Laws ------------------------------------------------------------------------------------


@given(SMALL, st.data())
def test_l4_refunds_of_units_equal_one_refund_of_all(due: Quote, data: DataObject) -> None:
    """However the units are grouped and ordered, their refunds add up to the lines, tender by tender."""
    assume(due.total > 0)
    planned = data.draw(tender_plans(due, tender_policies(rates=False)))
    payments = paid(due, planned)
    left, charges = refundable(due.lines, due.charges, payments)
    while left:
        line = data.draw(st.sampled_from(sorted(left)))
        payments, _ = give(due, payments, {line: data.draw(st.integers(1, left[line]))})
        laws.refunds_bounded(payments)
        left, charges = refundable(due.lines, due.charges, payments)
    if charges:
        payments, _ = give(due, payments, {}, *charges)
    laws.refunds_bounded(payments)
    assert payments.drawn == planned.matrix
    assert payments.refunded == due.total
    back = {attempt.id: 0 for attempt in payments.attempts}
    points = dict(back)
    for done in payments.refunds:
        for leg in done.legs:
            back[leg.attempt] += leg.amount
            points[leg.attempt] += leg.points
    assert back == {attempt.id: attempt.amount for attempt in payments.attempts}
    assert points == {attempt.id: attempt.points for attempt in payments.attempts}


@given(SMALL, st.data())
def test_l8_a_row_gives_what_its_units_cost(due: Quote, data: DataObject) -> None:
    """The amount, net and tax of a refunded row are those of its units, and its cells add up to it."""
    assume(due.total > 0)
    payments = paid(due, data.draw(tender_plans(due, tender_policies(rates=False))))
    line = data.draw(st.sampled_from(due.lines))
    count = data.draw(st.integers(1, line.quantity))
    _, asked = give(due, payments, {line.id: count})
    share = line.units(0, count)
    row = asked.rows[0]
    tax = reduced(line, reduction(payments.plan, line), 0, count).tax
    assert (row.amount, row.net, row.tax) == (share.total, share.total - tax, tax)
    assert sum(row.cells) == row.amount == asked.amount


# --- Cases -----------------------------------------------------------------------------------


def test_line_two_of_order_a_gives_back_its_row() -> None:
    """Case 3: 89.99 are 411 points, 16.67 and 69.21."""
    _, asked = give(A, paid_a(), {"2": 1})
    assert [(leg.amount, leg.points) for leg in asked.legs] == [(411, 411), (1667, 0), (6921, 0)]
    assert asked.amount == 8999


def test_points_go_back_whole() -> None:
    """Points worth 0.10 each go back as whole points; the cash tender gives what is missing."""
    lines = (CartLine("A", 3, money("33.33", "CNY")),)
    due = quote(Cart("CNY", lines), PricingPolicy(), START)
    policy = TenderPolicy((TenderRule("points", PointsRate(1, 10)),))
    payments = paid(due, plan(due.rows(), [Points(100), Channel("card")], policy, "CNY"))
    legs = []
    for _ in range(3):
        payments, asked = give(due, payments, {"1": 1})
        legs += [(leg.amount, leg.points) for leg in asked.legs if leg.points]
        assert asked.amount == 3333
    assert [amount for amount, _ in legs] == [points * 10 for _, points in legs]
    assert sum(points for _, points in legs) == 100


def test_a_charge_goes_back_whole_and_once() -> None:
    """Shipping is refunded by name, in one piece, and not twice."""
    cart = Cart(
        "EUR",
        (CartLine("A", 2, money("5.00", "EUR")),),
        shipping=ShippingCharge(money("3.00", "EUR")),
    )
    due = quote(cart, PricingPolicy(), START)
    payments = paid(due, plan(due.rows(), [Channel("card")], TenderPolicy(), "EUR"))
    payments, asked = give(due, payments, {"1": 1}, "shipping")
    assert asked.amount == 800
    assert refundable(due.lines, due.charges, payments) == ({LineId("1"): 1}, ())
    assert refunded_units(payments) == {"1": 1, "shipping": 1}
    with pytest.raises(InvalidManifest) as caught:
        give(due, payments, {}, "shipping")
    assert caught.value.data == {"charge": "shipping"}


# --- Bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goods", "charges", "path"),
    [
        ({"9": 1}, (), "[9]"),
        ({"1": 2}, (), "[1]"),
        ({}, ("shipping",), "[shipping]"),
        ({}, ("gift wrap",), "[gift wrap]"),
        ({}, (), "manifest"),
    ],
    ids=["unknown line", "too many", "no shipping", "unknown charge", "nothing"],
)
def test_what_the_order_does_not_have_is_refused(
    goods: dict[str, int], charges: tuple[Any, ...], path: str
) -> None:
    """A line, units or a charge that are not there: refused at their path, and nothing is drawn."""
    payments = paid_a()
    with pytest.raises(InvalidManifest) as caught:
        give(A, payments, goods, *charges)
    assert caught.value.path == path
    assert caught.value.reason
    assert payments.refunds == ()


def test_what_was_not_paid_cannot_go_back() -> None:
    """Without a payment, or where a tender was never taken, there is nothing to refund."""
    with pytest.raises(NotAllowed, match="nothing was paid"):
        give(A, Payments(), {"1": 1})
    waits = paid_a()
    attempts = tuple(attempt.moved(AttemptState.WAITING) for attempt in waits.attempts)
    with pytest.raises(NotAllowed, match="was not taken"):
        give(A, Payments(1, waits.plan, attempts, (), waits.drawn), {"1": 1})
