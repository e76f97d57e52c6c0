"""Money that is parted among the orders which one order is split into."""

from __future__ import annotations

import pytest

from ordercore.errors import InvalidInput
from ordercore.goods import LineId, Manifest
from ordercore.money import money
from ordercore.order import AddLine, RefundOrder
from ordercore.pricing import AmountOff, Cart, CartLine, PricingPolicy, quote
from ordercore.tender import (
    Attempt,
    AttemptState,
    FundShare,
    Payments,
    PointsRate,
    RefundSplit,
    TenderKind,
    TenderPolicy,
    TenderRule,
)
from ordercore.tender.parting import CAME_ALONG, held_again, parted, rounding_left
from ordercore.tender.plan import PlannedTender, TenderPlan
from ordercore.tender.tenders import Cash, Channel, Points
from ordercore.testing import START, Story, order_a, order_content
from ordercore.testing.story import with_fields

Rows = list[tuple[LineId, int]]


def rows(**costs: int) -> Rows:
    """Rows of a part, with what they cost."""
    return [(LineId(name), cost) for name, cost in costs.items()]


def taken(plan: TenderPlan, *attempts: Attempt) -> Payments:
    """Payments of one plan of which nothing was refunded."""
    return Payments(1, plan, attempts, (), ((0,) * len(plan.tenders),) * len(plan.rows))


def captured(place: int, amount: int, **fields: object) -> Attempt:
    """An attempt that took so much."""
    attempt = Attempt(
        f"o/{place}", 1, place, TenderKind.CHANNEL, f"bank-{place}", "", amount, 0,
        AttemptState.CAPTURED, amount,
    )  # fmt: skip
    return with_fields(attempt, **fields)


def channels(*amounts: int, **owed: int) -> Payments:
    """Channels that paid these amounts of rows; cells by hand where there are several."""
    tenders = tuple(
        [PlannedTender(TenderKind.CHANNEL, f"bank-{j}", "", a, 0) for j, a in enumerate(amounts)]
    )
    whole = sum(amounts)
    cells = tuple([tuple([cost * a // whole for a in amounts]) for cost in owed.values()])
    plan = TenderPlan("EUR", whole, tenders, tuple(rows(**owed)), cells)
    return taken(plan, *[captured(j, amount) for j, amount in enumerate(amounts)])


def test_an_unpaid_order_gives_parts_that_are_not_paid() -> None:
    """There is nothing to part."""
    assert parted(Payments(), "EUR", [rows(a=1), rows(b=2)], by_row=True) == (Payments(),) * 2


def test_rows_that_go_one_way_take_their_cells_along() -> None:
    """What paid a row pays it still, to the cent, though shares of the whole would be others."""
    payments = channels(100, 300, a=200, b=200)
    assert payments.plan is not None
    plan = with_fields(payments.plan, matrix=((100, 100), (0, 200)))
    payments = with_fields(payments, plan=plan)
    one, two = parted(payments, "EUR", [rows(a=200), rows(b=200)], by_row=True)
    assert [(a.id, a.amount) for a in one.attempts] == [("o/0", 100), ("o/1", 100)]
    assert [(a.id, a.amount) for a in two.attempts] == [("o/1", 200)]
    assert two.plan is not None
    assert (two.plan.matrix, two.plan.total) == (((200,),), 200)


def test_a_row_that_is_cut_is_cut_by_controlled_rounding() -> None:
    """Both margins of the cut hold, and each cell is next to its share."""
    payments = channels(50, 150, a=200)
    one, two = parted(payments, "EUR", [rows(a=67), rows(a=133)], by_row=True)
    assert [a.amount for a in one.attempts] == [17, 50]
    assert [a.amount for a in two.attempts] == [33, 100]


def test_a_part_that_costs_nothing_holds_nothing() -> None:
    """Its payments are those of an order that nobody has to pay."""
    free, all_ = parted(channels(200, a=0, b=200), "EUR", [rows(a=0), rows(b=200)], by_row=True)
    assert free == Payments()
    assert [a.amount for a in all_.attempts] == [200]


def test_parts_that_do_not_come_to_the_rows_are_paid_by_what_they_cost() -> None:
    """Where the matrix says nothing of today's rows, each part gets of each tender by its cost."""
    parts = [rows(x=300), rows(y=100)]
    one, two = parted(channels(100, 100, a=200), "EUR", parts, by_row=True)
    assert [a.amount for a in one.attempts] == [75, 75]
    assert [a.amount for a in two.attempts] == [25, 25]


def test_attempts_keep_the_name_under_which_the_gateway_knows_the_money() -> None:
    """So a refund of a part finds the original payment; no payment of the part itself made them."""
    for paid in parted(channels(200, a=100, b=100), "EUR", [rows(a=100), rows(b=100)], by_row=True):
        (attempt,) = paid.attempts
        assert (attempt.id, attempt.round, attempt.tender) == ("o/0", CAME_ALONG, 0)
        assert (attempt.state, attempt.captured) == (AttemptState.CAPTURED, 100)
        assert paid.carried == ("o/0",)


def test_no_point_of_coarse_trades_is_lost() -> None:
    """Where whole trades fit into no part, points are shared as units, and those of a part go back together."""
    off = (AmountOff(money("0.01", "CNY")),)
    cart = Cart("CNY", (CartLine("A", 2, money("0.26", "CNY")),), off)
    story = Story(order_content(quote(cart, PricingPolicy(), START)))
    policy = TenderPolicy((TenderRule("points", PointsRate(1, 10)),))
    story.pay(Points(5, "p"), Channel("bank"), policy=policy)
    parts = [rows(**{"1": 26}), rows(**{"1": 25})]
    assert story.order.payments.attempts[0].points == 5
    found = parted(story.order.payments, "CNY", parts, by_row=True)
    assert [sum(a.amount for a in paid.attempts) for paid in found] == [26, 25]
    assert sum(paid.attempts[0].points for paid in found) == 5
    for paid in found:
        assert paid.plan is not None
        tender = paid.plan.tenders[0]
        assert tender.points_of(tender.amount) == tender.points == paid.attempts[0].points


def test_whole_trades_stay_whole_where_they_fit() -> None:
    """Parts that are large enough get whole trades, as refunds of them need it."""
    cart = Cart(
        "CNY", (CartLine("A", 1, money("2.00", "CNY")), CartLine("B", 1, money("1.00", "CNY")))
    )
    story = Story(order_content(quote(cart, PricingPolicy(), START)))
    policy = TenderPolicy((TenderRule("points", PointsRate(1, 10)),))
    story.pay(Points(5, "p"), Channel("bank"), policy=policy)
    parts = [rows(**{"1": 200}), rows(**{"2": 100})]
    found = parted(story.order.payments, "CNY", parts, by_row=True)
    assert [paid.attempts[0].amount % 10 for paid in found] == [0, 0]
    assert sum(paid.attempts[0].points for paid in found) == 5


@pytest.mark.parametrize("rounding", [2, -2])
def test_cash_rounding_goes_by_what_parts_take(rounding: int) -> None:
    """The till holds what was handed over: no part is below nothing, and together they hold it all."""
    payments = channels(12, a=1, b=1, c=10)
    cash = captured(0, 12, kind=TenderKind.CASH, rounding=rounding, captured=12 + rounding)
    parts = [rows(a=1), rows(b=1), rows(c=10)]
    found = parted(with_fields(payments, attempts=(cash,)), "EUR", parts, by_row=True)
    assert sum(paid.attempts[0].captured for paid in found) == 12 + rounding
    assert min(paid.attempts[0].captured for paid in found) >= 0
    assert [p.attempts[0].captured - p.attempts[0].rounding for p in found] == [1, 1, 10]


def test_what_coins_of_a_refund_left_in_the_till_counts_too() -> None:
    """A payment in even coins of which a part was given back in coins leaves a rounding."""
    cart = Cart("CHF", tuple([CartLine(s, 1, money("10.03", "CHF")) for s in "AB"]), (AmountOff(money("0.01", "CHF")),))  # fmt: skip
    story = Story(order_content(quote(cart, PricingPolicy(), START)))
    story.pay(Cash(None, "till"))
    paid = story.order.payments.attempts[0]
    assert (paid.amount, paid.rounding) == (2005, 0)
    story.refund({"1": 1})
    (leg,) = story.order.payments.refunds[0].legs
    assert leg.rounding
    assert rounding_left(story.order.payments, paid) == -leg.rounding


def test_what_merchants_have_of_a_payment_adds_up() -> None:
    """Funds of merchants are shared with the payment that they are a part of."""
    shares = (FundShare("m-1", 61), FundShare("m-2", 39))
    payments = channels(100, a=33, b=33, c=34)
    payments = with_fields(payments, attempts=(captured(0, 100, shares=shares),))
    found = parted(payments, "EUR", [rows(a=33), rows(b=33), rows(c=34)], by_row=True)
    sums = {"m-1": 0, "m-2": 0}
    for paid in found:
        for share in paid.attempts[0].shares:
            sums[share.merchant] += share.amount
    assert sums == {"m-1": 61, "m-2": 39}


def test_a_tender_that_was_emptied_before_an_amendment_is_no_more() -> None:
    """After all of the first tender went back and the rest was allotted anew, the plan has fewer tenders than
    payments were made; the last of them is still found."""
    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    story.pay(
        Channel("a", money("89.99", "CNY")), Channel("b", money("89.99", "CNY")), Channel("c")
    )
    back = RefundOrder("r-1", None, "x", split=RefundSplit.DECLARED)
    story.send(with_fields(back, goods=Manifest.of({"1": 1})))
    story.amend(AddLine(CartLine("SKU-9", 1, money("0.00", "CNY"))))
    payments = story.order.payments
    assert payments.plan is not None
    assert len(payments.plan.tenders) < len(payments.attempts)
    left = [(row.id, row.total) for row in story.order.content.rows()]
    paid = sum(cost for _, cost in left)
    found = parted(payments, "CNY", [left[:1], left[1:]], by_row=True)
    held = {a.id: payments.left(a) for a in payments.attempts if payments.left(a)}
    sums = dict.fromkeys(held, 0)
    for one in found:
        for attempt in one.attempts:
            sums[attempt.id] += attempt.amount
    assert sums == held
    assert paid == sum(held.values())


def test_held_again_is_what_was_not_asked_back() -> None:
    """What an order's attempts still hold, each under its name."""
    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    story.pay(Points(1234, "p"), Channel("bank"))
    story.refund({"1": 1})
    payments = story.order.payments
    held = held_again(payments)
    assert [(a.id, a.amount) for a in held] == [(a.id, payments.left(a)) for a in payments.attempts]
    assert sum(a.amount for a in held) == story.order.total - payments.refunded


def test_a_share_of_points_that_is_less_than_one_is_refused() -> None:
    """Nothing would go back for it: of one point worth 40.00 no part for 10.00 is split off."""
    cart = Cart("CNY", (CartLine("A", 4, money("10.00", "CNY")),))
    story = Story(order_content(quote(cart, PricingPolicy(), START)))
    policy = TenderPolicy((TenderRule("points", PointsRate(1, 4_000)),))
    story.pay(Points(1, "p"), policy=policy)
    parts = [rows(**{"1": 3_000}), rows(**{"1": 1_000})]
    with pytest.raises(InvalidInput, match="less than one point") as caught:
        parted(story.order.payments, "CNY", parts, by_row=True)
    assert caught.value.path == "parts[1]"


@pytest.mark.parametrize("coin", [0, 10])
def test_cash_is_parted_in_coins(coin: int) -> None:
    """Each part holds whole coins, those of the shop where it has others than the currency; what no coin makes up
    stays with the last."""
    payments = channels(1_237, a=618, b=619)
    step = coin or 5
    for handed in (1_230, 1_235, 1_240, 1_237):
        cash = captured(0, 1_237, kind=TenderKind.CASH, rounding=handed - 1_237, captured=handed)
        held = with_fields(payments, attempts=(cash,))
        assert held.plan is not None
        (tender,) = held.plan.tenders
        plan = with_fields(
            held.plan, tenders=(with_fields(tender, kind=TenderKind.CASH, coin=coin),)
        )
        found = parted(with_fields(held, plan=plan), "CHF", [rows(a=618), rows(b=619)], by_row=True)
        taken_ = [paid.attempts[0].captured for paid in found]
        assert sum(taken_) == handed
        assert taken_[0] % step == 0
        assert (taken_[1] - handed) % step == 0
        for paid, amount in zip(found, (618, 619), strict=True):
            assert abs(paid.attempts[0].captured - amount) <= step
