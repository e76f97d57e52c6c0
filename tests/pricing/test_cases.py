"""Prices and taxes with the figures that the trade knows by heart."""

from __future__ import annotations

import pytest

from ordercore.money import CASH_STEPS, Percent, Rounding, money
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    PricingPolicy,
    Quote,
    RoundingScope,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
    quote,
)
from ordercore.testing import START, laws, order_a

UNIT, LINE, ORDER = RoundingScope.UNIT, RoundingScope.LINE, RoundingScope.ORDER


def taxed(
    percent: str,
    *prices: tuple[int, str],
    currency: str = "EUR",
    included: bool = False,
    scope: RoundingScope = LINE,
    rounding: Rounding = Rounding.HALF_UP,
    off: str = "0",
    shipping: str | None = None,
) -> Quote:
    """Lines of (units, unit price) at one rate; shipping, where there is some, is untaxed."""
    lines = tuple(
        CartLine(f"SKU-{i}", units, money(price, currency))
        for i, (units, price) in enumerate(prices)
    )
    charge = None if shipping is None else ShippingCharge(money(shipping, currency))
    cart = Cart(currency, lines, (AmountOff(money(off, currency)),), charge)
    rates = (TaxRate(Percent.of(percent)), TaxRate(Percent(0), "shipping"))
    tax = TaxPolicy(rates, included, rounding, scope)
    priced = quote(cart, PricingPolicy(tax), START)
    laws.quote_reconciles(priced)
    laws.units_rebuild_lines(priced)
    return priced


def test_order_a_owes_the_same_for_each_line() -> None:
    """Order A: 3 x 99.99 less 30.00 is 269.97, 10.00 off each line and 89.99 due for each."""
    priced = quote(order_a(), PricingPolicy(), START)
    assert (priced.subtotal, priced.discount, priced.total) == (29997, 3000, 26997)
    assert [line.order_discount for line in priced.lines] == [1000, 1000, 1000]
    assert [line.total for line in priced.lines] == [8999, 8999, 8999]


def test_a_discount_over_units_takes_its_odd_cent_from_the_first() -> None:
    """Case 4: 33.33 x 3 less 10.00 is 89.99; the units cost 29.99, 30.00 and 30.00."""
    priced = taxed("0", (3, "33.33"), off="10.00")
    line = priced.lines[0]
    assert [line.units(i, 1).net for i in range(3)] == [2999, 3000, 3000]
    assert line.units(0, 3).net == 8999


@pytest.mark.parametrize(("scope", "tax"), [(LINE, 3105), (ORDER, 3106)])
def test_thirteen_percent_inside_order_a(scope: RoundingScope, tax: int) -> None:
    """Tax 1: 269.97 at 13 % inclusive on three equal lines hold 31.05 by line and 31.06 by order."""
    rates = (TaxRate(Percent.of("13")),)
    priced = quote(order_a(), PricingPolicy(TaxPolicy(rates, scope=scope)), START)
    assert (priced.total, priced.tax, priced.net) == (26997, tax, 26997 - tax)
    laws.quote_reconciles(priced)


def test_tax_on_top_of_goods_and_none_on_shipping() -> None:
    """24.99 at 10.75 % and 6.44 of untaxed shipping are 34.12."""
    priced = taxed("10.75", (1, "24.99"), currency="USD", shipping="6.44")
    assert (priced.tax, priced.total) == (269, 3412)
    assert [(tax.ppm, tax.tax) for tax in priced.taxes] == [(107_500, 269), (0, 0)]


@pytest.mark.parametrize(("scope", "tax"), [(LINE, 4100), (UNIT, 4101)])
def test_twenty_percent_on_three_times_seventy_less_five(scope: RoundingScope, tax: int) -> None:
    """3 x 70.00 less 5.00 at 20 % on top: 41.00 of tax by line, 41.01 by unit."""
    priced = taxed("20", (3, "70.00"), off="5.00", scope=scope)
    assert (priced.tax, priced.total) == (tax, 20500 + tax)


@pytest.mark.parametrize(("scope", "total"), [(LINE, 386), (UNIT, 387)])
def test_nineteen_percent_on_three_times_a_small_price(scope: RoundingScope, total: int) -> None:
    """1.08 x 3 net at 19 %: the customer pays 3.86 by line, 3.87 by unit."""
    assert taxed("19", (3, "1.08"), scope=scope).total == total


@pytest.mark.parametrize("rounding", [r for r in Rounding if r.name not in {"UP", "CEILING"}])
def test_a_japanese_invoice_rounds_once_per_rate(rounding: Rounding) -> None:
    """Tax 1: 3 lines of 105 yen at 8 % on top: 25 by order (25.2), 24 by line (3 x 8.4).

    Every rounding gives both but the two upward ones; cutting off (`Rounding.DOWN`) is the custom.
    """
    lines = ((1, "105"), (1, "105"), (1, "105"))
    by_order = taxed("8", *lines, currency="JPY", scope=ORDER, rounding=rounding)
    by_line = taxed("8", *lines, currency="JPY", scope=LINE, rounding=rounding)
    assert (by_order.tax, by_line.tax) == (25, 24)
    assert [line.tax for line in by_order.lines] == [9, 8, 8]


def test_a_japanese_invoice_rounded_up() -> None:
    """Upward the same lines give 26 by order and 27 by line."""
    lines = ((1, "105"), (1, "105"), (1, "105"))
    for scope, tax in ((ORDER, 26), (LINE, 27)):
        priced = taxed("8", *lines, currency="JPY", scope=scope, rounding=Rounding.UP)
        assert priced.tax == tax


def test_a_merchants_coupon_lowers_the_tax_base() -> None:
    """Money 5: 120.00 incl. 20 % less a merchant's coupon of 12.00 holds 18.00 of tax, and 108.00 are paid."""
    priced = taxed("20", (1, "120.00"), included=True, off="12.00")
    assert (priced.tax, priced.total) == (1800, 10800)


def test_inclusive_lines_keep_the_total_that_was_shown() -> None:
    """Tax 3: 3 x 89.99 at 19 % inclusive is 269.97 by any scope; no rounding of tax moves it."""
    for scope in RoundingScope:
        priced = taxed("19", *[(1, "89.99")] * 3, included=True, scope=scope)
        assert priced.total == 26997


def test_an_inclusive_price_sold_abroad_keeps_its_gross() -> None:
    """Tax 2: 120.00 from the United Kingdom to Germany, gross fixed, holds 19.16 of German tax."""
    assert taxed("19", (1, "120.00"), included=True).tax == 1916


def test_cash_rounding_is_of_the_part_paid_in_cash() -> None:
    """Money 3: CHF 12.37 as card 10.00 and cash 2.37: 2.35 in coins and -0.02 apart; by card 12.37 stays."""
    total, card = 1237, 1000
    cash = CASH_STEPS["CHF"].apply(total - card)
    assert (cash, cash - (total - card)) == (235, -2)
    assert card + cash - (cash - (total - card)) == total


def test_three_decimals_and_none_are_taxed_alike() -> None:
    """The rules know minor units only: 1.005 dinars and 1,005 yen at 15 % hold the same figures."""
    dinars = taxed("15", (1, "1.005"), currency="KWD")
    yen = taxed("15", (1, "1005"), currency="JPY")
    assert (dinars.tax, dinars.total) == (yen.tax, yen.total) == (151, 1156)
