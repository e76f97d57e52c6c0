"""Portions of priced rows: what some units of a line, or a share of a charge, cost on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.goods import LineId
from ordercore.money import Percent, money
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    ChargeKind,
    DiscountLevel,
    Funder,
    PricingPolicy,
    QuoteCharge,
    QuoteLine,
    ShippingCharge,
    TaxPolicy,
    quote,
)
from ordercore.pricing.discount import AppliedDiscount
from ordercore.pricing.portion import (
    assessment_portion,
    charge_portions,
    discounts_of,
    line_portions,
    offs_by_line,
    taxes_of,
    whole_portion,
)
from ordercore.pricing.tax import TaxPart
from ordercore.testing import START, laws, quotes
from ordercore.testing.story import with_fields

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from ordercore.pricing import Quote

TAXED = PricingPolicy(tax=TaxPolicy(default=Percent.of("13")))


def priced(quantity: int = 3, price: str = "9.99", off: str = "1.00") -> Quote:
    """A line of some units with a discount on the order, and freight."""
    cart = Cart(
        "EUR", (CartLine("A", quantity, money(price, "EUR")),), (AmountOff(money(off, "EUR")),),
        ShippingCharge(money("10.00", "EUR")),
    )  # fmt: skip
    return quote(cart, TAXED, START)


def charge(total: int = 1000, **fields: object) -> QuoteCharge:
    """Freight without tax."""
    made = QuoteCharge(LineId("shipping"), "", total, "", 0, False, 0, total, total)
    return with_fields(made, **fields)


# Lines ------------------------------------------------------------------------------------------


def test_all_units_are_the_very_line() -> None:
    """What goes one way is not worked out again."""
    line = priced().lines[0]
    (offs,) = offs_by_line((line,), priced().discounts)
    portion = whole_portion(line, offs)
    assert portion.line is line
    assert (portion.first, portion.offs) == (0, ((0, 100),))


def test_units_take_the_figures_of_their_units() -> None:
    """A portion costs what `units` says of its units, and its odd cents are those of the first ones."""
    line = priced().lines[0]
    (offs,) = offs_by_line((line,), priced().discounts)
    one, none, two = line_portions(line, (1, 0, 2), 0, offs)
    assert none is None
    assert one is not None
    assert two is not None
    assert [p.line.total for p in (one, two)] == [line.units(0, 1).total, line.units(1, 2).total]
    assert [p.line.order_discount for p in (one, two)] == [34, 66]
    assert (one.first, two.first) == (0, 1)
    assert one.line.total + two.line.total == line.total


def test_units_after_those_that_are_gone_are_the_last_ones() -> None:
    """What was refunded were the first units, so what is left are those after them."""
    line = priced().lines[0]
    (portion,) = line_portions(line, (1,), 2, offs_by_line((line,), priced().discounts)[0])
    assert portion is not None
    assert (portion.first, portion.line.total) == (2, line.units(2, 1).total)


def test_a_discount_of_several_lines_may_be_the_lines_own() -> None:
    """A rule at the level of lines counts as each line's own discount, though it names several."""
    off = AppliedDiscount("", "pair", 0, 30, 30, (20, 10), DiscountLevel.LINE)
    lines = quote(
        Cart("EUR", tuple([CartLine(s, 2, money("1.00", "EUR")) for s in "AB"])), TAXED, START
    ).lines
    line = with_fields(lines[0], discount=20, amount=180, net=180, total=180, tax=0, tax_ppm=0)
    offs = offs_by_line((line, lines[1]), (off,))[0]
    first, second = line_portions(line, (1, 1), 0, offs)
    assert first is not None
    assert second is not None
    assert [(p.line.discount, p.line.order_discount) for p in (first, second)] == [(10, 0)] * 2


def test_discounts_that_nobody_tells_apart_stay_in_the_sums() -> None:
    """A line that was taken over with a discount and no rule for it keeps its sums, own and shared."""
    line = with_fields(priced().lines[0], discount=50, order_discount=50)
    one, two = line_portions(line, (1, 2), 0, [])
    assert one is not None
    assert two is not None
    assert one.line.discount + two.line.discount == 50
    assert one.line.order_discount + two.line.order_discount == 50
    assert (one.offs, two.offs) == ((), ())


@given(quotes(), st.data())
def test_l4_portions_of_any_line_add_up_by_themselves_and_together(
    due: Quote, data: DataObject
) -> None:
    """Each portion is a line as a quote has them, and all of them come to the line, figure by figure."""
    place = data.draw(st.integers(0, len(due.lines) - 1))
    line = due.lines[place]
    offs = offs_by_line(due.lines, due.discounts)[place]
    cuts = sorted(data.draw(st.lists(st.integers(0, line.quantity), min_size=1, max_size=3)))
    counts = [b - a for a, b in zip([0, *cuts], [*cuts, line.quantity], strict=True)]
    found = [p for p in line_portions(line, counts, 0, offs) if p is not None]
    for name in ("quantity", "list_amount", "discount", "order_discount", "freight", "amount", "tax", "net", "total", "funded"):  # fmt: skip
        assert sum(getattr(p.line, name) for p in found) == getattr(line, name), name
    taken: dict[int, int] = {}
    for portion in found:
        own = portion.line
        assert own.list_amount == own.unit_price * own.quantity
        assert own.amount == own.list_amount - own.discount - own.order_discount + own.freight
        assert own.tax == sum(part.tax for part in own.parts) or not own.parts
        for at, part in portion.offs:
            assert part > 0
            taken[at] = taken.get(at, 0) + part
    assert taken == {off[0]: off[1] for off in offs}


# Charges ----------------------------------------------------------------------------------------


def test_a_charge_goes_by_weights_and_none_to_a_weight_of_zero() -> None:
    """Odd cents go to the largest fractions; a part of no weight has no share."""
    found = charge_portions(charge(), (1, 0, 2), ())
    assert [None if p is None else p.charge.total for p in found] == [333, None, 667]


def test_a_charge_that_goes_one_way_is_the_very_charge() -> None:
    """It is not worked out again."""
    freight = charge()
    found = charge_portions(freight, (0, 7), ())
    assert found[0] is None
    assert found[1] is not None
    assert found[1].charge is freight


@pytest.mark.parametrize("weights", [(0, 1, 1), (1, 1, 1), (5, 0, 1)])
def test_the_tax_of_freight_that_somebody_else_pays_is_not_lost(weights: tuple[int, ...]) -> None:
    """Of freight that costs the customer nothing, and is taxed all the same, the parts bear the tax."""
    parts = (TaxPart("vat", 130_000, 115, 15),)
    freight = charge(0, tax=15, net=-15, tax_included=True, discount=115, funded=115, parts=parts)
    offs = (AppliedDiscount("", "", 0, 115, 115, (), DiscountLevel.SHIPPING, funder=Funder.PLATFORM),)  # fmt: skip
    found = [p.charge for p in charge_portions(freight, weights, offs) if p is not None]
    assert (sum(c.tax for c in found), sum(c.net for c in found)) == (15, -15)
    assert (sum(c.discount for c in found), sum(c.funded for c in found)) == (115, 115)
    assert sum(part.net for c in found for part in c.parts) == 115


def test_duty_goes_with_the_lines_that_bear_it() -> None:
    """Each portion tells what of it its own lines bear."""
    duty = charge(90, kind=ChargeKind.DUTY, shares=(60, 30))
    found = charge_portions(duty, (30, 60), (), ((30,), (30, 30)))
    assert [p and (p.charge.total, p.charge.shares) for p in found] == [(30, (30,)), (60, (30, 30))]


# Of several rows ---------------------------------------------------------------------------------


def test_discounts_bear_on_the_portions_that_they_took_something_off() -> None:
    """One of which nothing is left does not appear; the others have shares for just these lines."""
    due = priced()
    line = due.lines[0]
    offs = offs_by_line(due.lines, due.discounts)[0]
    two = line_portions(line, (1, 2), 0, offs)[1]
    assert two is not None
    (off,) = discounts_of(due.discounts, (two,), ())
    assert (off.amount, off.shares, off.label) == (66, (66,), due.discounts[0].label)
    assert discounts_of(due.discounts, (), ()) == ()


def test_taxes_are_told_by_rate() -> None:
    """Net and tax of rows, in the order in which the rates come up."""
    due = priced()
    assert taxes_of(due.rows()) == due.taxes


def test_goods_that_cross_no_border_have_no_assessment() -> None:
    """Nothing is assessed of an order that stays at home."""
    line: QuoteLine = priced().lines[0]
    assert assessment_portion(None, [(whole_portion(line, ()), 3)]) is None


def test_a_quote_is_one_portion_of_itself() -> None:
    """The law that parts are held to holds of the whole."""
    laws.figures_add_up(priced())
