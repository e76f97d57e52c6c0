"""How what is due is split over tenders: laws L6 and L25, the figures of order A, bad input."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moneyed import Money

from ordercore.errors import (
    CurrencyMismatch,
    InvalidMoney,
    InvalidPolicy,
    InvalidTenders,
    OrdercoreError,
)
from ordercore.money import MINOR_MAX, Percent, money
from ordercore.pricing import Cart, CartLine, PricingPolicy, Quote, ShippingCharge, quote
from ordercore.tender import (
    CapBase,
    PointsRate,
    Tender,
    TenderKind,
    TenderPlan,
    TenderPolicy,
    TenderRule,
    plan,
)
from ordercore.tender.plan import TENDERS_MAX
from ordercore.tender.tenders import Balance, Channel, Points, StoredValue
from ordercore.testing import (
    START,
    carts,
    laws,
    offers,
    order_a,
    quotes,
    tender_plans,
    tender_policies,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

A = quote(order_a(), PricingPolicy(), START)


def cny(text: str) -> Money:
    """Yuan."""
    return money(text, "CNY")


def split(
    *tenders: Tender, due: Quote = A, available: dict[int, int] | None = None, **points: Any
) -> TenderPlan:
    """What the tenders make of order A; ``points`` are the terms of the shop's rule for points."""
    rules = (TenderRule("points", PointsRate(), **points), TenderRule("balance"))
    return plan(due.rows(), tenders, TenderPolicy(rules), due.currency, available)


def parts(found: TenderPlan) -> list[tuple[str, int]]:
    """Gateway and minor units of each tender."""
    return [(tender.gateway, tender.amount) for tender in found.tenders]


# --- Laws ------------------------------------------------------------------------------------


@given(quotes(), st.data())
def test_l6_tenders_are_conserved(priced: Quote, data: DataObject) -> None:
    """The planned tenders add up to what is due, whatever the policy, and points to their worth."""
    found = data.draw(tender_plans(priced))
    laws.tenders_conserved(found)
    assert found.total == priced.total


@given(quotes(), st.data())
def test_l25_matrix_is_exact(priced: Quote, data: DataObject) -> None:
    """Both margins are exact, and each cell is next to its share over the rows that the tender may pay."""
    offered = data.draw(offers(priced))
    found = offered.plan(priced)
    laws.matrix_exact(found, offered.eligible(priced, found))


# Cheap lines: a step of points may be worth more than a whole line.
CHEAP = quotes(carts(max_lines=5, max_units=2, max_price=40))


@given(CHEAP, st.data())
def test_l6_and_l25_hold_for_lines_cheaper_than_a_point(priced: Quote, data: DataObject) -> None:
    """Points worth more than a line are used only as far as whole steps fit into the lines."""
    offered = data.draw(offers(priced))
    found = offered.plan(priced)
    laws.tenders_conserved(found)
    laws.matrix_exact(found, offered.eligible(priced, found))


@given(quotes(), st.data())
def test_a_preview_is_what_is_paid(priced: Quote, data: DataObject) -> None:
    """A plan is a function of its terms: planned again, and over the rows of an order, it is the same."""
    offered = data.draw(offers(priced))
    assert offered.plan(priced) == offered.plan(priced)


@given(quotes(), st.data(), st.randoms(use_true_random=False))
def test_the_shops_order_of_tenders_counts(priced: Quote, data: DataObject, dice: Any) -> None:
    """However the shopper names them, tenders with a rule come in the order that the shop declares."""
    policy = data.draw(tender_policies(rates=False))
    ruled: list[Tender] = [Points(10**6, "p"), Balance(account="b"), StoredValue("GC")]
    dice.shuffle(ruled)
    held = dict.fromkeys(range(len(ruled)), 700)
    found = plan(priced.rows(), [Channel("card"), *ruled], policy, priced.currency, {
        i + 1: amount for i, amount in held.items()
    })  # fmt: skip
    places = [policy.rule(tender.gateway, priced.currency)[0] for tender in found.tenders]
    assert places == sorted(places)


# --- Cases of order A ------------------------------------------------------------------------


def test_points_balance_and_channel_pay_order_a() -> None:
    """Case 1, step 1: 1,234 points are 12.34, the balance gives 50.00, the channel 207.63."""
    found = split(Points(1234), Balance(cny("50.00")), Channel("wechat"))
    assert parts(found) == [("points", 1234), ("balance", 5000), ("wechat", 20763)]
    assert (found.tenders[0].points, found.tenders[0].kept) == (1234, 0)


def test_a_step_of_a_hundred_points_keeps_the_rest() -> None:
    """Case 1, step 100: 1,200 points are used, 34 kept, and the channel pays 207.97."""
    found = split(Points(1234), Balance(cny("50.00")), Channel("wechat"), step=100)
    assert parts(found) == [("points", 1200), ("balance", 5000), ("wechat", 20797)]
    assert (found.tenders[0].points, found.tenders[0].kept) == (1200, 34)


@pytest.mark.parametrize(("step", "points", "channel"), [(1, 1079, 20918), (100, 1000, 20997)])
def test_a_cap_rounds_down_then_to_the_step(step: int, points: int, channel: int) -> None:
    """Case 1: at most 4 % of the goods after discounts is 10.79, at step 100 it is 10.00."""
    cap = Percent.of("4")
    found = split(Points(1234), Balance(cny("50.00")), Channel("wechat"), step=step, cap_share=cap)
    assert parts(found) == [("points", points), ("balance", 5000), ("wechat", channel)]


def test_the_matrix_of_order_a() -> None:
    """Case 2: each row is 89.99; the columns are 1,234 points, 50.00 and 207.63; odd units to the first rows."""
    found = split(Points(1234), Balance(cny("50.00")), Channel("wechat"))
    assert found.matrix == ((412, 1666, 6921), (411, 1667, 6921), (411, 1667, 6921))
    assert [sum(cells) for cells in found.matrix] == [8999, 8999, 8999]
    assert [sum(column) for column in zip(*found.matrix, strict=True)] == [1234, 5000, 20763]
    assert found.row("2") == (411, 1667, 6921)


def test_rate_is_not_step() -> None:
    """Money 2: 100 points are 1.00 in both shops; only the step says whether 34 points stay."""
    for step, kept in ((1, 0), (100, 34)):
        found = split(Points(1234), Channel("wechat"), step=step)
        assert (found.tenders[0].kept, found.total) == (kept, 26997)


def test_points_are_whole_in_every_cell() -> None:
    """Money 2: points worth 0.10 each pay each line in whole points; the cash tender takes the rest."""
    rules = (TenderRule("points", PointsRate(1, 10)),)
    found = plan(A.rows(), [Points(123), Channel("wechat")], TenderPolicy(rules), "CNY")
    assert parts(found) == [("points", 1230), ("wechat", 25767)]
    assert all(cells[0] % 10 == 0 for cells in found.matrix)
    laws.matrix_exact(found)


def test_points_above_what_is_due_stay_with_the_customer() -> None:
    """More points than the order costs pay it all, and the rest is kept."""
    found = split(Points(30_000))
    assert parts(found) == [("points", 26997)]
    assert found.tenders[0].kept == 3003


def test_an_account_pays_what_it_holds() -> None:
    """A balance without an amount gives what is there; points no more than the account has."""
    tenders = (Points(1234), Balance(), Channel("wechat"))
    found = split(*tenders, available={0: 1000, 1: 777})
    assert parts(found) == [("points", 1000), ("balance", 777), ("wechat", 25220)]
    assert found.tenders[0].kept == 234


def test_a_category_may_be_excluded() -> None:
    """Points that may not pay for wine pay for the tea alone, and never for the freight."""
    lines = (
        CartLine("TEA", 1, cny("10.00"), category="tea"),
        CartLine("WINE", 1, cny("90.00"), category="wine"),
    )
    due = quote(Cart("CNY", lines, shipping=ShippingCharge(cny("5.00"))), PricingPolicy(), START)
    found = split(
        Points(5_000), Channel("card"), due=due, excluded_categories=("wine",), pays_shipping=False
    )
    assert found.matrix == ((1000, 0), (0, 9000), (0, 500))
    assert found.tenders[0].kept == 4000


def test_a_cap_may_be_of_all_that_is_due() -> None:
    """A share of the goods leaves freight out, a share of the total does not."""
    due = quote(
        Cart("CNY", (CartLine("A", 1, cny("90.00")),), shipping=ShippingCharge(cny("10.00"))),
        PricingPolicy(),
        START,
    )
    for base, amount in ((CapBase.GOODS, 4500), (CapBase.TOTAL, 5000)):
        half = Percent.of("50")
        found = split(Points(10**6), Channel("card"), due=due, cap_share=half, cap_of=base)
        assert found.tenders[0].amount == amount


def test_below_its_minimum_a_tender_is_left_out() -> None:
    """Points under the minimum are not used; a channel under its minimum is refused."""
    found = split(Points(400), Channel("wechat"), minimum_minor=500)
    assert parts(found) == [("wechat", 26997)]
    rules = TenderPolicy((TenderRule("points", PointsRate()), TenderRule("card", minimum_minor=50)))
    with pytest.raises(InvalidTenders) as caught:
        plan(A.rows(), [Points(26_990), Channel("card")], rules, "CNY")
    assert caught.value.data == {"amount": 7, "minimum": 50}
    assert caught.value.path == "tenders[1]"


def test_an_order_of_nothing_needs_no_tender() -> None:
    """Where nothing is due, the plan has no tender and every row of its matrix is empty."""
    due = quote(Cart("CNY", (CartLine("A", 1, cny("0.00")),)), PricingPolicy(), START)
    found = split(Points(10), Channel("wechat"), due=due)
    assert (found.tenders, found.total, found.matrix) == ((), 0, ((),))


def test_points_that_fit_no_line_are_left_out() -> None:
    """Three lines of 0.05 have no room for a point worth 0.10, though 0.15 are due; the channel pays."""
    due = quote(
        Cart("CNY", tuple(CartLine("A", 1, cny("0.05")) for _ in range(3))), PricingPolicy(), START
    )
    rules = (TenderRule("points", PointsRate(1, 10)),)
    found = plan(due.rows(), [Points(1), Channel("wechat")], TenderPolicy(rules), "CNY")
    assert parts(found) == [("wechat", 15)]


def test_tenders_are_of_four_kinds() -> None:
    """Each offer becomes a tender of its kind, with its gateway and account."""
    found = split(
        Points(100, "p"), Balance(cny("1.00"), "b"), StoredValue("GC-9", cny("1.00")),
        Channel("card", account="tok"),
    )  # fmt: skip
    assert [(t.kind, t.account) for t in found.tenders] == [
        (TenderKind.POINTS, "p"),
        (TenderKind.BALANCE, "b"),
        (TenderKind.STORED_VALUE, "GC-9"),
        (TenderKind.CHANNEL, "tok"),
    ]


# --- Bad input -------------------------------------------------------------------------------

CARD = Channel("card")
BAD: dict[str, tuple[tuple[Any, ...], type[OrdercoreError], str]] = {
    "no tender": ((), InvalidTenders, "tenders"),
    "too many tenders": ((CARD,) * (TENDERS_MAX + 1), InvalidTenders, "tenders"),
    "what is no tender": (("card",), InvalidTenders, "tenders[0]"),
    "less than is due": ((Channel("card", cny("269.96")),), InvalidTenders, "tenders"),
    "more than is due": ((Channel("card", cny("269.98")),), InvalidTenders, "tenders[0].amount"),
    "a second tender above the rest": (
        (Channel("card", cny("200.00")), Channel("wallet", cny("100.00"))),
        InvalidTenders,
        "tenders[1].amount",
    ),
    "a tender of nothing": ((Balance(cny("0.00")), CARD), InvalidTenders, "tenders[0].amount"),
    "a negative tender": ((Balance(Money("-1", "CNY")), CARD), InvalidTenders, "tenders[0].amount"),
    "another currency": (
        (Balance(money("1.00", "USD")), CARD),
        CurrencyMismatch,
        "tenders[0].amount",
    ),
    "too many decimals": (
        (Balance(Money("1.001", "CNY")), CARD),
        InvalidMoney,
        "tenders[0].amount",
    ),
    "no number": ((Balance(Money("NaN", "CNY")), CARD), InvalidMoney, "tenders[0].amount"),
    "a bare amount": ((Balance(50), CARD), InvalidMoney, "tenders[0].amount"),
    "ten to the thirty": (
        (Balance(Money("1E+30", "CNY")), CARD),
        InvalidMoney,
        "tenders[0].amount",
    ),
    "no points": ((Points(0), CARD), InvalidTenders, "tenders[0].points"),
    "negative points": ((Points(-5), CARD), InvalidTenders, "tenders[0].points"),
    "half a point": ((Points(0.5), CARD), InvalidTenders, "tenders[0].points"),  # type: ignore[arg-type]
    "a decimal of points": ((Points(Decimal(5)), CARD), InvalidTenders, "tenders[0].points"),  # type: ignore[arg-type]
    "too many points": ((Points(MINOR_MAX + 1), CARD), InvalidTenders, "tenders[0].points"),
}


@pytest.mark.parametrize("name", BAD)
def test_tenders_that_cannot_pay_are_refused_at_their_path(name: str) -> None:
    """Each bad set of tenders gives an error of the tree with code, path and reason (law L24)."""
    tenders, error, path = BAD[name]
    with pytest.raises(error) as caught:
        split(*tenders)
    assert caught.value.path == path
    assert caught.value.reason
    assert caught.value.http_status == 422


def test_being_short_says_by_how_much() -> None:
    """Tenders that do not reach name what is missing, in minor units and as text."""
    with pytest.raises(InvalidTenders, match=r"0\.01 CNY short") as caught:
        split(Channel("card", cny("269.96")))
    assert caught.value.data == {"short": 1, "due": 26997}


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (TenderRule("x", step=0), "tenders.rules[0].step"),
        (TenderRule("x", PointsRate(0, 1)), "tenders.rules[0].rate"),
        (TenderRule("x", PointsRate(1, -1)), "tenders.rules[0].rate"),
        (TenderRule("x", cap_share=Percent.of("100.1")), "tenders.rules[0].cap_share"),
        (TenderRule("x", cap_minor=-1), "tenders.rules[0]"),
        (TenderRule("x", minimum_minor=-1), "tenders.rules[0]"),
    ],
    ids=["step", "rate", "negative rate", "share", "cap", "minimum"],
)
def test_a_rule_that_cannot_be_is_refused(rule: TenderRule, path: str) -> None:
    """A policy is checked when it is loaded, at the path of the rule."""
    with pytest.raises(InvalidPolicy) as caught:
        TenderPolicy((rule,)).check()
    assert caught.value.path == path


def test_two_rules_for_one_gateway_are_refused() -> None:
    """A gateway has one rule a currency."""
    twice = TenderPolicy((TenderRule("x"), TenderRule("x", currency="EUR"), TenderRule("x")))
    with pytest.raises(InvalidPolicy) as caught:
        twice.check()
    assert caught.value.path == "tenders.rules[2]"
    TenderPolicy((TenderRule("x"), TenderRule("x", currency="EUR"))).check()


def test_a_row_that_the_plan_does_not_have_is_refused() -> None:
    """Asking a plan for an unknown line names it."""
    with pytest.raises(InvalidTenders) as caught:
        split(CARD).row("9")
    assert caught.value.path == "rows[9]"


def test_a_cap_holds_for_all_offers_under_one_rule() -> None:
    """Offering points twice does not pay more than points may pay."""
    rule = TenderRule("points", cap_share=Percent.of("50"))
    priced = quote(order_a(), PricingPolicy(), START)
    twice = (Points(20_000, "a"), Points(20_000, "b"), Channel("card"))
    planned = plan(priced.rows(), twice, TenderPolicy((rule,)), "CNY")
    assert [tender.amount for tender in planned.tenders] == [13498, 13499]
