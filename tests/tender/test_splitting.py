"""Refunds over tenders of choice: laws L4, L8 and L25 over any sequence of splits, whole points, coins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordercore.errors import InvalidManifest, NotAllowed
from ordercore.goods import Manifest
from ordercore.money import CASH_STEPS, money
from ordercore.pricing import Cart, CartLine, PricingPolicy, Quote, quote
from ordercore.tender import (
    Attempt,
    AttemptState,
    Payments,
    PointsRate,
    Refund,
    RefundSplit,
    TenderKind,
    TenderPlan,
    TenderPolicy,
    TenderRule,
    plan,
    reduced,
    reduction,
    refund,
    refundable,
)
from ordercore.tender.events import FOLDS, ChargedBack, MatrixResolved, RefundRequested
from ordercore.tender.refund import RefundWay, all_legs, in_coins, may_go_back, resolved
from ordercore.tender.tenders import Balance, Cash, Channel, Points, StoredValue
from ordercore.testing import START, carts, laws, order_a, quotes, tender_plans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DataObject

    from ordercore.tender import RefundLeg

A = quote(order_a(), PricingPolicy(), START)
SMALL = quotes(carts(max_lines=4, max_units=6, max_price=20_000))
S = RefundSplit


def paid(due: Quote, planned: TenderPlan) -> Payments:
    """Payments of which every tender was captured; ``due`` gives the rows."""
    attempts = tuple(
        Attempt(f"o/{j}", 1, j, t.kind, t.gateway, t.account, t.amount, t.points,
                AttemptState.CAPTURED, t.amount + t.rounding, rounding=t.rounding)
        for j, t in enumerate(planned.tenders)
    )  # fmt: skip
    empty = ((0,) * len(planned.tenders),) * len(due.rows())
    return Payments(1, planned, attempts, (), empty)


def give(
    due: Quote, payments: Payments, goods: dict[str, int], split: RefundSplit, *charges: str
) -> tuple[Payments, Refund]:
    """Payments after one more refund, and the refund."""
    name = f"r-{len(payments.refunds) + 1}"
    way = RefundWay(split, "yes", "balance", "c1") if split is S.TO_BALANCE else RefundWay(split)
    asked = refund(
        name, due.lines, due.charges, payments, Manifest.of(goods), charges, "", recognized=False,
        way=way,
    )  # fmt: skip
    matrix = resolved(payments, asked)
    if matrix is not None:
        payments = FOLDS[MatrixResolved](payments, MatrixResolved(matrix))
    return FOLDS[RefundRequested](payments, RefundRequested(asked)), asked


def amounts(asked: Refund) -> list[int]:
    """What goes back over each tender of the refund."""
    return [leg.amount for leg in asked.legs]


def paid_a() -> Payments:
    """Order A, paid by 1,234 points, 50.00 of the balance, 207.63 of a channel."""
    tenders = [Points(1234), Balance(money("50.00", "CNY")), Channel("wechat")]
    return paid(A, plan(A.rows(), tenders, TenderPolicy(), "CNY"))


def margins_kept(payments: Payments, planned: TenderPlan) -> None:
    """L25: the matrix in force has the margins of the first one, and no cell is below nothing."""
    now = payments.plan
    assert now is not None
    assert (now.rows, now.tenders, now.total) == (planned.rows, planned.tenders, planned.total)
    assert [sum(row) for row in now.matrix] == [owed for _, owed in now.rows]
    assert [sum(column) for column in zip(*now.matrix, strict=True)] == [
        tender.amount for tender in now.tenders
    ]
    assert min(cell for row in now.matrix for cell in row) >= 0


# --- Laws ------------------------------------------------------------------------------------


@given(SMALL, st.data())
def test_l8_and_l25_any_sequence_of_splits_gives_back_exactly_what_was_captured(
    due: Quote, data: DataObject
) -> None:
    """Whatever splits follow each other, the margins stay, no tender gives more than it took, and all is all."""
    assume(due.total > 0)
    planned = data.draw(tender_plans(due))
    payments = paid(due, planned)
    left, charges = refundable(due.lines, due.charges, payments)
    while left or charges:
        goods = {}
        if left:
            line = data.draw(st.sampled_from(sorted(left)))
            goods = {line: data.draw(st.integers(1, left[line]))}
        named = charges if not left or data.draw(st.booleans()) else ()
        split = data.draw(st.sampled_from(RefundSplit))
        try:
            payments, asked = give(due, payments, goods, split, *named)
        except InvalidManifest as error:
            # nothing but coarse points is left, and these units are worth no whole trade of them
            assert "whole points" in error.reason  # noqa: PT017 - the law is in the rest
            break
        laws.refunds_bounded(payments)
        margins_kept(payments, planned)
        for leg in asked.legs:
            tender = planned.tenders[int(leg.attempt.partition("/")[2])]
            assert leg.amount % tender.quantum_minor == 0
            assert leg.points == tender.points_of(leg.amount)
        left, charges = refundable(due.lines, due.charges, payments)
    if left or charges:
        payments, _ = give(due, payments, dict(left), data.draw(st.sampled_from(S)), *charges)
    margins_kept(payments, planned)
    assert payments.plan is not None
    assert payments.drawn == payments.plan.matrix
    assert payments.refunded == due.total
    legs = [leg for done in payments.refunds for leg in done.legs]
    for attempt in payments.attempts:
        back = [leg for leg in legs if leg.attempt == attempt.id]
        assert sum(leg.amount for leg in back) == attempt.amount
        assert sum(leg.points for leg in back) == attempt.points


@given(SMALL, st.sampled_from(S), st.data())
def test_l4_the_split_changes_no_figure_of_a_row(
    due: Quote, split: RefundSplit, data: DataObject
) -> None:
    """Amount, net and tax of what goes back are those of its units, over whichever tenders it goes."""
    assume(due.total > 0)
    payments = paid(due, data.draw(tender_plans(due)))
    line = data.draw(st.sampled_from(due.lines))
    count = data.draw(st.integers(1, line.quantity))
    try:
        _, asked = give(due, payments, {line.id: count}, split)
    except InvalidManifest:
        assume(False)
    share = line.units(0, count)
    row = asked.rows[0]
    tax = reduced(line, reduction(payments.plan, line), 0, count).tax
    assert (row.amount, row.net, row.tax) == (share.total, share.total - tax, tax)
    assert sum(row.cells) == row.amount == asked.amount == sum(amounts(asked))


@given(SMALL, st.data(), st.integers(1, 10_000))
def test_l8_what_the_bank_took_back_lowers_what_may_go_back(
    due: Quote, data: DataObject, part: int
) -> None:
    """After a chargeback, refund and chargeback together never exceed what a tender took."""
    assume(due.total > 0)
    payments = paid(due, data.draw(tender_plans(due)))
    hit = data.draw(st.sampled_from(payments.attempts))
    back = max(1, hit.captured * part // 10_000)
    payments = FOLDS[ChargedBack](payments, ChargedBack(hit.id, back))
    line = data.draw(st.sampled_from(due.lines))
    for split in data.draw(st.lists(st.sampled_from(S), min_size=1, max_size=4)):
        left, _ = refundable(due.lines, due.charges, payments)
        if not left.get(line.id):
            break
        try:
            payments, _ = give(due, payments, {line.id: 1}, split)
        except NotAllowed as error:
            assert error.data["charged_back"] == back  # noqa: PT017
        except InvalidManifest:
            break
    for attempt in payments.attempts:
        gone = attempt.captured - payments.left(attempt)
        assert gone + attempt.charged_back <= attempt.captured
    rest = {leg.attempt: leg.amount for leg in all_legs(payments)}
    assert rest == {
        a.id: may_go_back(payments, a) for a in payments.attempts if may_go_back(payments, a)
    }


# --- Order A ---------------------------------------------------------------------------------


def test_case_1_declared_gives_points_then_balance_then_the_channel() -> None:
    """Line 2: 1,234 points, 50.00 and 27.65; then line 1 and line 3: 89.99 each; the channel 207.63 in all."""
    payments = paid_a()
    found = []
    for line in ("2", "1", "3"):
        payments, asked = give(A, payments, {line: 1}, S.DECLARED)
        found.append([(leg.amount, leg.points) for leg in asked.legs])
    assert found == [[(1234, 1234), (5000, 0), (2765, 0)], [(8999, 0)], [(8999, 0)]]
    legs = [leg for done in payments.refunds for leg in done.legs]
    assert sum(leg.amount for leg in legs if leg.attempt == "o/2") == 20763
    first = paid_a().plan
    assert first is not None
    margins_kept(payments, first)


@pytest.mark.parametrize(
    ("split", "first"),
    [
        (S.BY_ROW, [411, 1667, 6921]),
        (S.REVERSE, [8999]),
        (S.PRO_RATA, [411, 1667, 6921]),
        (S.STORED_VALUE_FIRST, [1234, 5000, 2765]),
        (S.TO_BALANCE, [411, 1667, 6921]),
    ],
    ids=lambda x: getattr(x, "value", None),
)
def test_line_two_of_order_a_by_each_split(split: RefundSplit, first: list[int]) -> None:
    """What 89.99 is over each split: by what each tender still holds, from the first, from the last."""
    _, asked = give(A, paid_a(), {"2": 1}, split)
    assert amounts(asked) == first
    assert asked.split is split


def test_stored_value_first_takes_cards_then_balance_then_points() -> None:
    """A gift card is emptied before the balance, the balance before the points, whatever the plan's order."""
    tenders = [
        Points(1000), Balance(money("10.00", "CNY")), StoredValue("GC", money("10.00", "CNY")),
        Channel("wechat"),
    ]  # fmt: skip
    payments = paid(A, plan(A.rows(), tenders, TenderPolicy(), "CNY"))
    kinds = {a.id: a.kind for a in payments.attempts}
    payments, asked = give(A, payments, {"1": 1}, S.STORED_VALUE_FIRST)
    back = {kinds[leg.attempt]: leg.amount for leg in asked.legs}
    assert back == {
        TenderKind.STORED_VALUE: 1000, TenderKind.BALANCE: 1000, TenderKind.POINTS: 1000,
        TenderKind.CHANNEL: 5999,
    }  # fmt: skip


def test_to_balance_lets_points_be_points() -> None:
    """What a channel took is put on the account; points go back as points; its own account goes back by itself."""
    _, asked = give(A, paid_a(), {"2": 1}, S.TO_BALANCE)
    assert [(leg.gateway, leg.points) for leg in asked.legs] == [
        ("", 411),
        ("balance", 0),
        ("balance", 0),
    ]
    assert asked.consent == "yes"
    payments = paid(A, plan(A.rows(), [Balance(account="c1")], TenderPolicy(), "CNY"))
    _, asked = give(A, payments, {"2": 1}, S.TO_BALANCE)
    assert [leg.gateway for leg in asked.legs] == [""]


def test_a_split_that_the_rows_can_bear_leaves_the_matrix_as_it_is() -> None:
    """Only a refund that goes beyond its rows' own cells matches the rest anew."""
    payments = paid_a()
    before = payments.plan
    payments, _ = give(A, payments, {"2": 1}, S.BY_ROW)
    assert payments.plan == before
    payments, _ = give(A, payments, {"1": 1}, S.DECLARED)
    assert payments.plan != before


# --- Whole points ----------------------------------------------------------------------------


def coarse(price: str, units: int, points: int) -> tuple[Quote, Payments]:
    """Units paid with points worth 0.10 each, the rest by card."""
    due = quote(Cart("CNY", (CartLine("A", units, money(price, "CNY")),)), PricingPolicy(), START)
    policy = TenderPolicy((TenderRule("points", PointsRate(1, 10)),))
    return due, paid(due, plan(due.rows(), [Points(points), Channel("card")], policy, "CNY"))


@pytest.mark.parametrize("split", S)
def test_coarse_points_go_back_in_whole_trades_by_any_split(split: RefundSplit) -> None:
    """Points worth 0.10 each go back whole in every part; money makes the change."""
    due, payments = coarse("33.33", 3, 700)
    back = 0
    for _ in range(3):
        payments, asked = give(due, payments, {"1": 1}, split)
        assert asked.amount == 3333
        for leg in asked.legs:
            if leg.attempt == "o/0":
                assert leg.amount == leg.points * 10
                back += leg.points
    assert back == 700


def test_money_is_kept_back_to_make_change_for_points() -> None:
    """The channel first, but not so far that nothing could be built from the points any more."""
    due, payments = coarse("33.33", 3, 900)
    assert [a.amount for a in payments.attempts] == [9000, 999]
    found = []
    for _ in range(3):
        payments, asked = give(due, payments, {"1": 1}, S.REVERSE)
        found.append(amounts(asked))
    assert found == [[2350, 983], [3330, 3], [3320, 13]]


@pytest.mark.parametrize("split", S)
def test_an_amount_that_whole_points_cannot_make_is_refused(split: RefundSplit) -> None:
    """6.70 for two units, all in points worth 0.10: one unit of 3.35 is no whole point, both are."""
    due, payments = coarse("3.35", 2, 67)
    with pytest.raises(InvalidManifest, match="whole points") as caught:
        give(due, payments, {"1": 1}, split)
    assert caught.value.data == {"amount": 335, "money": 0}
    payments, whole = give(due, payments, {"1": 2}, split)
    assert [(leg.amount, leg.points) for leg in whole.legs] == [(670, 67)]


# --- Chargebacks -----------------------------------------------------------------------------


def test_what_the_bank_took_back_is_not_paid_a_second_time() -> None:
    """The row's own tenders hold too little: refused, with what is left; another split takes what is left."""
    payments = FOLDS[ChargedBack](paid_a(), ChargedBack("o/2", 20_000))
    with pytest.raises(NotAllowed, match="payer's bank") as caught:
        give(A, payments, {"2": 1}, S.BY_ROW)
    assert caught.value.data == {"charged_back": 20_000, "left": 763, "asked": 6921}
    with pytest.raises(NotAllowed, match=r"69\.97"):
        give(A, payments, {"2": 1}, S.REVERSE)
    assert [leg.amount for leg in all_legs(payments)] == [1234, 5000, 763]


# --- Cash ------------------------------------------------------------------------------------


def cash(
    total: Sequence[str], policy: TenderPolicy | None = None, currency: str = "CHF"
) -> tuple[Quote, Payments]:
    """Lines paid in cash."""
    lines = tuple(CartLine(f"S{i}", 1, money(price, currency)) for i, price in enumerate(total))
    due = quote(Cart(currency, lines), PricingPolicy(), START)
    return due, paid(due, plan(due.rows(), [Cash()], policy or TenderPolicy(), currency))


def back_in_cash(
    due: Quote, payments: Payments, line: str, currency: str = "CHF"
) -> tuple[Payments, RefundLeg]:
    """One line back in coins."""
    name = f"r-{len(payments.refunds) + 1}"
    asked = refund(
        name, due.lines, due.charges, payments, Manifest.of({line: 1}), (), "", recognized=False
    )
    legs = in_coins(payments, asked.legs, currency)
    rounded = Refund(name, asked.rows, legs, asked.amount, "")
    return FOLDS[RefundRequested](payments, RefundRequested(rounded)), legs[0]


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_l6_cash_goes_back_in_coins_and_all_of_it_as_it_was_handed_over(
    prices: list[int], random: Any
) -> None:
    """Every part is payable in coins, none is below nothing, and together they are what was handed over."""
    assume(sum(prices) > 2)  # for less there is no coin, so it is not paid in cash
    due, payments = cash([f"{p // 100}.{p % 100:02d}" for p in prices])
    handed = payments.attempts[0].captured
    order = [line.id for line in due.lines]
    random.shuffle(order)
    back = 0
    for line in order:
        payments, leg = back_in_cash(due, payments, line)
        assert leg.paid >= 0
        assert leg.paid % CASH_STEPS["CHF"].step == 0
        back += leg.paid
        assert back <= handed
        laws.refunds_bounded(payments)
    assert back == handed


def test_cash_of_two_lines_goes_back_in_five_rappen() -> None:
    """12.37 paid as 12.35: 6.18 goes back as 6.20, then 6.19 as 6.15."""
    due, payments = cash(["6.18", "6.19"])
    assert payments.attempts[0].captured == 1235
    payments, first = back_in_cash(due, payments, "1")
    payments, second = back_in_cash(due, payments, "2")
    assert [(leg.amount, leg.rounding) for leg in (first, second)] == [(618, 2), (619, -4)]


def test_a_till_of_other_coins_pays_back_in_them() -> None:
    """A shop that rounds its cash to 0.10 pays back in steps of 0.10."""
    policy = TenderPolicy((TenderRule("cash", cash_step=10),))
    due, payments = cash(["6.18", "6.19"], policy, "CNY")
    assert payments.attempts[0].captured == 1240
    payments, first = back_in_cash(due, payments, "1", "CNY")
    payments, second = back_in_cash(due, payments, "2", "CNY")
    assert [first.paid, second.paid] == [620, 620]


def test_a_part_that_no_coin_is_small_enough_for_pays_nothing() -> None:
    """0.02 of 10.02 is no coin: nothing is handed back for it, and the books know."""
    due, payments = cash(["10.00", "0.02"])
    payments, leg = back_in_cash(due, payments, "2")
    assert (leg.amount, leg.paid) == (2, 0)
