"""The laws as functions: they hold for what is sound, and name themselves where a figure is bent."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.allocation import RemainderRule, allocate, allocate_apart
from ordercore.ledger import AccountKind, Balance, Entry
from ordercore.money import Percent, money
from ordercore.order import AnswerAttempts, Moved
from ordercore.party import Address
from ordercore.pricing import (
    BorderPolicy,
    Cart,
    CartLine,
    ChargeKind,
    ExchangePolicy,
    ExchangeRate,
    Layer,
    OrderAmount,
    PointsRate,
    PricingFacts,
    PricingPolicy,
    Promotion,
    Quote,
    QuoteLine,
    RatePurpose,
    Scope,
    ShippingCharge,
    Tariff,
    TaxPolicy,
    TaxRate,
    Terms,
    UnitShare,
    quote,
)
from ordercore.pricing.duty import DutyRate
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


# Two lines of different worth go from China to Germany; tax has two components, the books are in dollars.
TARIFF = Tariff((DutyRate("", Percent.of("10"), "EU", date(2020, 1, 1), "a tariff"),))
SHARED = Promotion("half", OrderAmount(money("10.01", "EUR")), scope=Scope(except_skus=("C",)))
RATES_OF_TWO = (
    TaxRate(Percent.of("10"), component="state"),
    TaxRate(Percent.of("5"), component="city"),
)
ABROAD = PricingPolicy(
    TaxPolicy(RATES_OF_TWO, prices_include_tax=False),
    layers=(Layer("one", (SHARED,)),),
    exchange=ExchangePolicy(ledger="USD"),
    border=BorderPolicy("CN", tariff=TARIFF),
)
AT_NOON = ExchangeRate("EUR", "USD", 11_744, 10_000, RatePurpose.LEDGER, START, START.date(), "ECB")
B: Quote = quote(
    Cart(
        "EUR",
        (
            CartLine("A", 1, money("200.00", "EUR")),
            CartLine("B", 3, money("33.33", "EUR")),
            CartLine("C", 1, money("0.99", "EUR")),
        ),
        address=Address(country="DE"),
    ),
    ABROAD,
    START,
    PricingFacts(rates=(AT_NOON,)),
)
HOME: Quote = quote(bend(B.cart, address=Address()), ABROAD, START, B.facts)


def test_l3_names_what_a_border_charges_amiss() -> None:
    """Duty that no line bears, that was not assessed, or that is charged though the buyer pays it, is told."""
    laws.pricing_holds(B)
    duty = B.charges[0]
    assert (duty.kind, duty.amount) == (ChargeKind.DUTY, 2910)
    border = B.border
    first, *rest = border.lines  # type: ignore[union-attr]
    for bent in (
        bend(B, charges=(bend(duty, shares=(1, 2, 3)), *B.charges[1:])),
        bend(B, charges=(bend(duty, shares=(duty.shares[1], duty.shares[0], 0)), *B.charges[1:])),
        bend(B, border=bend(border, lines=(bend(first, duty=first.duty + 1), *rest))),
        bend(B, border=bend(border, terms=Terms.DAP)),
        bend(B, border=None),
    ):
        with pytest.raises(AssertionError, match=r"^L[13] "):
            laws.quote_reconciles(bent)


def test_l3_names_components_and_points_that_do_not_add_up() -> None:
    """Components of a tax that miss a cent of it, and points worth more than the total, are told."""
    laws.pricing_holds(HOME)
    line = HOME.lines[0]
    part = line.parts[0]
    lines = (bend(line, parts=(bend(part, tax=part.tax - 1), *line.parts[1:])), *HOME.lines[1:])
    words = broken("L3 quote reconciles", laws.quote_reconciles, bend(HOME, lines=lines))
    assert "components of tax" in words
    rich = bend(HOME, points=10**6, policy=bend(ABROAD, points_worth=PointsRate()))
    assert "points worth" in broken("L3 quote reconciles", laws.quote_reconciles, rich)


def test_l2_names_a_discount_that_favors_a_line() -> None:
    """A share that is a cent too far from its exact one is told, and so is one of a line out of scope."""
    laws.discounts_are_spread(HOME)
    off = HOME.discounts[0]
    assert off.shares == (667, 334, 0)
    for shares in ((669, 332, 0), (667, 333, 1)):
        bent = bend(HOME, discounts=(bend(off, shares=shares),))
        broken("L2 quota", laws.discounts_are_spread, bent)


def test_l2_is_not_asked_where_a_floor_or_another_rule_decides() -> None:
    """Floors and remainder rules of former systems move shares on purpose."""
    off = bend(HOME.discounts[0], shares=(600, 401, 0))
    for bent in (
        bend(HOME, policy=bend(ABROAD, discount_remainder=RemainderRule.LAST)),
        bend(HOME, cart=bend(HOME.cart, lines=(
            bend(HOME.cart.lines[0], floor_price=money("1.00", "EUR")), *HOME.cart.lines[1:],
        ))),
    ):  # fmt: skip
        laws.discounts_are_spread(bend(bent, discounts=(off,)))


def test_l5_names_a_conversion_that_is_off() -> None:
    """A row, a net, a total and a missing source are told."""
    found = HOME.ledger
    assert found is not None
    laws.conversion_adds_up(found, HOME.total)
    for bent in (
        bend(found, rows=(found.rows[0] + 1, *found.rows[1:])),
        bend(found, net=found.net + 1),
        bend(
            found,
            total=found.total + 2,
            net=found.net + 2,
            rows=(found.rows[0] + 2, *found.rows[1:]),
        ),
        bend(found, rate=bend(found.rate, source="")),
    ):
        broken("L5 conversion", laws.conversion_adds_up, bent, HOME.total)
    short = bend(found, rows=(found.total,))
    assert "number of rows" in broken("L5 conversion", laws.pricing_holds, bend(HOME, ledger=short))


def test_l18_names_a_quote_that_is_not_its_own() -> None:
    """A quote whose cart, policy or facts are others' is told by the first figure that differs."""
    laws.priced_again(HOME)
    words = broken("L18 explained", laws.priced_again, bend(HOME, total=1))
    assert "total, priced again" in words
    dearer = bend(HOME.cart, lines=(CartLine("A", 2, money("200.00", "EUR")),))
    assert "lines, priced again" in broken(
        "L18 explained", laws.priced_again, bend(HOME, cart=dearer)
    )
    broken("L18 explained", laws.priced_again, bend(HOME, valid_until=START))


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
    assert "what an earned sale leaves open" in words


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
