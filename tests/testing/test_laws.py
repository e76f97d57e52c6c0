"""The laws as functions: they hold for what is sound, and name themselves where a figure is bent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.allocation import RemainderRule, allocate, allocate_apart
from ordercore.ledger import AccountKind, Balance, Entry
from ordercore.money import Percent, money
from ordercore.order import AnswerAttempts, Moved
from ordercore.pricing import (
    Cart,
    CartLine,
    PricingPolicy,
    Quote,
    QuoteLine,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
    UnitShare,
    quote,
)
from ordercore.tender import Outcome, OutcomeStatus, RefundStatus, TenderPlan, TenderPolicy, plan
from ordercore.tender.tenders import Balance as BalanceTender
from ordercore.tender.tenders import Channel, Points
from ordercore.testing import START, Story, amounts, laws, order_a, order_content

if TYPE_CHECKING:
    from collections.abc import Callable

RATES = TaxPolicy((TaxRate(Percent.of("13")), TaxRate(Percent.of("6"), "shipping")))
SHIPPED = Cart("CNY", order_a().lines, order_a().discounts, ShippingCharge(money("6.00", "CNY")))
A: Quote = quote(SHIPPED, PricingPolicy(RATES), START)
OFFERS = (Points(1234), BalanceTender(money("50.00", "CNY")), Channel("wechat"))


def bend(thing: Any, **fields: Any) -> Any:
    """The same value with other fields."""
    return attrs.evolve(thing, **fields)


def bent_line(**fields: Any) -> Quote:
    """Order A with its first line bent."""
    bent: Quote = bend(A, lines=(bend(A.lines[0], **fields), *A.lines[1:]))
    return bent


def planned(policy: TenderPolicy | None = None) -> TenderPlan:
    """Order A with shipping, paid by points, balance and a channel."""
    return plan(A.rows(), OFFERS, policy or TenderPolicy(), "CNY")


def story() -> Story:
    """Order A, paid, shipped, completed, one line refunded."""
    told = Story(order_content(A))
    told.pay(*OFFERS)
    told.complete()
    told.refund({"2": 1}, status=RefundStatus.ARRIVED)
    return told


def broken(law: str, check: Callable[..., None], *args: Any, **kw: Any) -> str:
    """The words with which a law says that it is broken; they begin with its name."""
    with pytest.raises(AssertionError) as caught:
        check(*args, **kw)
    words = str(caught.value)
    assert words.startswith(law)
    return words


# --- Shares ----------------------------------------------------------------------------------


@given(
    amounts(-(10**6), 10**6),
    st.lists(st.integers(0, 100), min_size=1).filter(any),
    st.sampled_from([rule for rule in RemainderRule if rule is not RemainderRule.KEPT_APART]),
)
def test_shares_are_held_to_l1_and_l2(amount: int, weights: list[int], rule: RemainderRule) -> None:
    """Every rule keeps the sum; the default one keeps the quota too."""
    laws.shares_sum(amount, allocate(amount, weights, rule=rule))
    laws.quota(amount, weights, allocate(amount, weights))
    apart = allocate_apart(amount, weights)
    laws.shares_sum(amount, apart.parts, apart.remainder)


def test_bent_shares_are_named() -> None:
    """A lost cent, a greedy part, a gift to nobody and a missing part are each told."""
    assert "is 9, not 10" in broken("L1 shares sum", laws.shares_sum, 10, (5, 4))
    assert "part 0 is 7" in broken("L2 quota", laws.quota, 10, (1, 1), (7, 3))
    assert "part 1 is 1" in broken("L2 quota", laws.quota, 10, (1, 0), (10, 1))
    broken("L2 quota", laws.quota, 10, (1, 1), (10,))


# --- Prices ----------------------------------------------------------------------------------

BENT_QUOTES: dict[str, Quote] = {
    "total": bend(A, total=A.total + 1),
    "tax": bend(A, tax=A.tax + 1),
    "net": bend(A, net=A.net - 1),
    "subtotal": bend(A, subtotal=A.subtotal + 1),
    "discount": bend(A, discount=A.discount + 1),
    "a line's total": bent_line(total=A.lines[0].total + 1),
    "a line's tax": bent_line(tax=A.lines[0].tax + 1),
    "a line's net": bent_line(net=A.lines[0].net + 1),
    "a line's amount": bent_line(amount=A.lines[0].amount + 1),
    "a line's list amount": bent_line(list_amount=A.lines[0].list_amount + 1),
    "a line's discount": bent_line(discount=1),
    "a line's share": bent_line(order_discount=999),
    "a line's freight": bent_line(freight=1),
    "a line below nothing": bent_line(amount=-1, total=-1, net=-1, tax=0),
    "a line's mode": bent_line(tax_included=False),
    "a charge": bend(A, charges=(bend(A.charges[0], amount=601),)),
    "a rate's tax": bend(A, taxes=(bend(A.taxes[0], tax=0), *A.taxes[1:])),
    "a rate left out": bend(A, taxes=A.taxes[:1]),
    "a discount's shares": bend(A, discounts=(bend(A.discounts[0], shares=(1000, 1000, 999)),)),
    "a discount above what it asked": bend(A, discounts=(bend(A.discounts[0], asked=2999),)),
    "a discount of no line": bend(A, discounts=(bend(A.discounts[0], line="9"),)),
}


@pytest.mark.parametrize("name", BENT_QUOTES)
def test_l3_names_a_bent_quote(name: str) -> None:
    """Each figure of a quote, bent by itself, breaks the law; the quote as it is keeps it."""
    laws.quote_reconciles(A)
    with pytest.raises(AssertionError, match=r"^L[13] "):
        laws.quote_reconciles(BENT_QUOTES[name])


class Drifting(QuoteLine):
    """A line whose every unit but the first forgets a cent of tax."""

    def units(self, first: int, count: int) -> UnitShare:
        """A share that forgets."""
        share = super().units(first, count)
        bent: UnitShare = bend(share, tax=share.tax - (1 if first else 0))
        return bent


def test_l4_names_units_that_do_not_rebuild_their_line() -> None:
    """Units that round on their own lose a cent, also where a line has too many to try all."""
    for quantity in (3, 1_000):
        cart = Cart("CNY", (CartLine("A", quantity, money("9.99", "CNY")),))
        priced = quote(cart, PricingPolicy(RATES), START)
        laws.units_rebuild_lines(priced)
        line = priced.lines[0]
        fields = {f.name: getattr(line, f.name) for f in attrs.fields(QuoteLine)}
        broken(
            "L4 units rebuild lines",
            laws.units_rebuild_lines,
            bend(priced, lines=(Drifting(**fields),)),
        )


# --- Tenders ---------------------------------------------------------------------------------


def test_l6_names_tenders_that_do_not_add_up() -> None:
    """Too much, too little, nothing, and points that are worth something else are told."""
    found = planned()
    laws.tenders_conserved(found)
    first = found.tenders[0]
    for tenders in (
        found.tenders[:2],
        (bend(first, amount=1235), *found.tenders[1:]),
        (*found.tenders, bend(first, amount=0, points=0)),
        (bend(first, points=1233), *found.tenders[1:]),
        (bend(first, kept=-1), *found.tenders[1:]),
    ):
        broken("L6 tender conservation", laws.tenders_conserved, bend(found, tenders=tenders))
    broken("L6 tender conservation", laws.tenders_conserved, bend(found, total=1))


def test_l25_names_a_bent_matrix() -> None:
    """A row or column that is off, a negative cell, a cell too far from its share: each is told."""
    found = planned()
    laws.matrix_exact(found)
    rows = [list(row) for row in found.matrix]

    def moved(cells: dict[tuple[int, int], int]) -> TenderPlan:
        bent = [row.copy() for row in rows]
        for (i, j), by in cells.items():
            bent[i][j] += by
        made: TenderPlan = bend(found, matrix=tuple(map(tuple, bent)))
        return made

    assert "sum of row 1" in broken("L25 matrix", laws.matrix_exact, moved({(0, 0): 1}))
    tilt = {(0, 0): 1, (0, 1): -1}
    assert "sum of tender 0" in broken("L25 matrix", laws.matrix_exact, moved(tilt))
    cycle = {(0, 0): 5, (0, 1): -5, (1, 0): -5, (1, 1): 5}
    assert "exactly" in broken("L25 matrix", laws.matrix_exact, moved(cycle))
    deep = {(0, 0): 2_000, (0, 1): -2_000}
    assert "negative cell" in broken("L25 matrix", laws.matrix_exact, moved(deep))
    broken("L25 matrix", laws.matrix_exact, bend(found, matrix=found.matrix[1:]))
    masks = [[False, True, True, True], None, None]
    assert "may not" in broken("L25 matrix", laws.matrix_exact, found, masks)


def test_l25_knows_steps() -> None:
    """Points worth ten are whole in every cell, or the law is broken."""
    from ordercore.tender import PointsRate, TenderRule

    policy = TenderPolicy((TenderRule("points", PointsRate(1, 10)),))
    found = plan(A.rows(), (Points(120), Channel("wechat")), policy, "CNY")
    laws.matrix_exact(found)
    rows = [list(row) for row in found.matrix]
    for i, by in ((0, 5), (1, -5)):
        rows[i][0] += by
        rows[i][1] -= by
    words = broken("L25 matrix", laws.matrix_exact, bend(found, matrix=tuple(map(tuple, rows))))
    assert "a part of a step" in words


def test_l8_names_refunds_that_go_too_far() -> None:
    """Legs or rows that do not add up, a tender drawn beyond what it took: each is told."""
    payments = story().order.payments
    laws.refunds_bounded(payments)
    refund = payments.refunds[0]
    legs, row = refund.legs, refund.rows[0]
    more = bend(legs[0], amount=legs[0].amount + 1)
    for bent in (
        bend(refund, amount=refund.amount + 1),
        bend(refund, legs=(more, *legs[1:])),
        bend(refund, rows=(bend(row, amount=row.amount - 1),)),
        bend(refund, rows=(bend(row, cells=(0, *row.cells[1:])),)),
    ):
        broken("L8 refund bound", laws.refunds_bounded, bend(payments, refunds=(bent,)))
    broken("L8 refund bound", laws.refunds_bounded, bend(payments, drawn=payments.plan.matrix))  # type: ignore[union-attr]
    four = bend(payments, refunds=(refund,) * 4)
    assert "goes back to" in broken("L8 refund bound", laws.refunds_bounded, four)


# --- Books and journal -------------------------------------------------------------------------


def test_l9_names_books_that_do_not_balance() -> None:
    """One side alone, an entry of nothing, and a trial balance that is off in one currency are told."""
    entries = story().entries
    laws.books_balance(entries)
    broken("L9 books balance", laws.books_balance, entries[1:])
    broken("L9 books balance", laws.books_balance, (*entries, Entry(AccountKind.REVENUE, "", 0)))
    euro = Balance(AccountKind.REVENUE, "", "EUR", -5)
    yuan = Balance(AccountKind.ADVANCES, "", "CNY", 5)
    laws.trial_balance_is_zero([euro, bend(euro, amount=5)])
    assert "EUR" in broken("L9 books balance", laws.trial_balance_is_zero, [euro, yuan])


def test_l9_names_books_that_tell_of_other_money() -> None:
    """Balanced books that miss a capture, an arrival or the earning of the sale are told."""
    told = story()
    laws.books_tell_the_money(told.order, told.entries)
    for made in told.changes:
        if made.entries and made.command != "Complete":
            rest = [e for other in told.changes if other is not made for e in other.entries]
            broken("L9 books balance", laws.books_tell_the_money, told.order, rest)
    unearned = [e for other in told.changes if other.command != "Complete" for e in other.entries]
    words = broken("L9 books balance", laws.books_tell_the_money, told.order, unearned)
    assert "advances of an earned sale" in words


def test_l9_counts_money_that_is_on_its_way_back() -> None:
    """Money that came too late stands with the channel until the undo is answered."""
    told = Story(order_content(A))
    told.pay(Channel("wechat"), status=OutcomeStatus.DECLINED)
    told.pay(Channel("card"))
    told.complete()
    told.send(AnswerAttempts((("o-1/1", Outcome(OutcomeStatus.CAPTURED)),)))
    laws.books_tell_the_money(told.order, told.entries)


def test_l15_names_a_history_that_is_another() -> None:
    """An event left out, a move from another state, another time of a move: each is told."""
    told = story()
    history = list(told.history)
    laws.replay_gives(told.order, history)
    broken("L15 journal", laws.replay_gives, told.order, history[:-1])
    place = next(i for i, (event, _) in enumerate(history) if isinstance(event, Moved))
    event, at = history[place]
    strayed = [*history[:place], (bend(event, source="closed"), at), *history[place + 1 :]]
    assert "source of move" in broken("L15 journal", laws.replay_gives, told.order, strayed)
    last = max(i for i, (e, _) in enumerate(history) if isinstance(e, Moved))
    shifted = history.copy()
    shifted[last] = (history[last][0], at + timedelta(days=1))
    broken("L15 journal", laws.replay_gives, told.order, shifted)
