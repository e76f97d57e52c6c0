"""Quotes reconcile, explain themselves, and refuse what cannot be priced."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moneyed import Money

from ordercore.errors import (
    AmountTooLarge,
    CurrencyMismatch,
    InvalidCart,
    InvalidMoney,
    InvalidPolicy,
    InvalidQuantity,
    OrdercoreError,
    UnknownCurrency,
)
from ordercore.money import MINOR_MAX, Percent, Rounding, money
from ordercore.party import Address
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    PercentOff,
    PricingPolicy,
    Quote,
    RoundingScope,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
    explain,
    quote,
)
from ordercore.pricing.explain import Explanation
from ordercore.pricing.priced import EXTRA_BYTES_MAX
from ordercore.pricing.quoting import LINES_MAX
from ordercore.testing import START, carts, laws, order_a, pricing_policies, quotes

PLAIN = PricingPolicy()


def eur(text: str) -> Money:
    """Euros."""
    return money(text, "EUR")


def line(**fields: Any) -> CartLine:
    """A line of one piece for 10.00 EUR, but for ``fields``."""
    known: dict[str, Any] = {"sku": "A", "quantity": 1, "unit_price": eur("10.00")}
    return CartLine(**{**known, **fields})


def cart(*lines: CartLine, **fields: Any) -> Cart:
    """A cart in EUR of these lines, by default of one."""
    known: dict[str, Any] = {"currency": "EUR", "lines": lines or (line(),)}
    return Cart(**{**known, **fields})


# --- Laws ------------------------------------------------------------------------------------


@given(quotes())
def test_l3_quote_reconciles(priced: Quote) -> None:
    """Every sum of a quote is the sum of its parts, under any rounding, scope, discount and tax mode."""
    laws.quote_reconciles(priced)


@given(quotes())
def test_l4_units_rebuild_lines(priced: Quote) -> None:
    """The units of a line add up to it in every figure, one by one or in runs."""
    laws.units_rebuild_lines(priced)


@given(quotes())
def test_l3_the_explanation_adds_up(priced: Quote) -> None:
    """Each figure of the explanation is the sum of its parts, and the top is what is charged."""

    def sound(node: Explanation) -> bool:
        whole = not node.parts or sum(part.amount for part in node.parts) == node.amount
        return whole and all(map(sound, (*node.parts, *node.of_which)))

    tree = explain(priced)
    assert tree.amount == priced.total
    assert sound(tree)
    taxes = [node.amount for _, node in tree.walk() if node.figure == "tax"]
    assert sum(taxes) == priced.tax
    assert len(tree.text(priced.currency).splitlines()) == len(list(tree.walk()))


@given(carts(), pricing_policies())
def test_the_same_cart_gives_the_same_quote(wanted: Cart, policy: PricingPolicy) -> None:
    """Pricing is a function: priced twice, a cart costs the same, and differs only in its time."""
    first = quote(wanted, policy, START)
    assert quote(wanted, policy, START) == first
    later = quote(wanted, policy, START + timedelta(minutes=1))
    assert later.same_figures(first)
    assert first.valid_until == START + policy.quote_valid


@given(carts(), pricing_policies())
def test_inclusive_prices_are_what_the_customer_pays(wanted: Cart, policy: PricingPolicy) -> None:
    """Where the price includes tax, the total of a line is its amount, whatever the tax is."""
    for row in quote(wanted, policy, START).rows():
        if row.tax_included:
            assert row.total == row.amount


@given(carts(), pricing_policies(), st.sampled_from(Rounding))
def test_rounding_moves_a_line_by_less_than_a_unit(
    wanted: Cart, policy: PricingPolicy, rounding: Rounding
) -> None:
    """Rounded by line, a row's tax is less than one minor unit from its exact tax."""
    tax = TaxPolicy(
        policy.tax.rates, policy.tax.prices_include_tax, rounding, default=policy.tax.default
    )
    for row in quote(wanted, PricingPolicy(tax), START).rows():
        bottom = 1_000_000 + (row.tax_ppm if row.tax_included else 0)
        assert abs(row.tax * bottom - row.amount * row.tax_ppm) < bottom


# --- Discounts -------------------------------------------------------------------------------


def test_discounts_apply_in_order_each_on_what_remains() -> None:
    """10 % and then 5.00 off 100.00 is 85.00; 5.00 and then 10 % is 85.50."""
    ten, five = PercentOff(Percent.of("10"), "ten"), AmountOff(eur("5.00"), "five")
    for offs, total in (((ten, five), 8500), ((five, ten), 8550)):
        priced = quote(cart(line(unit_price=eur("100.00"), discounts=offs)), PLAIN, START)
        assert priced.total == total


def test_a_discount_is_capped_at_what_remains() -> None:
    """A coupon above the price takes the price and no more; what it asked stays on record."""
    priced = quote(cart(line(), discounts=(AmountOff(eur("30.00")),)), PLAIN, START)
    assert (priced.total, priced.discount) == (0, 1000)
    assert (priced.discounts[0].asked, priced.discounts[0].amount) == (3000, 1000)


def test_a_percentage_may_be_capped() -> None:
    """50 % off 100.00, at most 20.00, is 20.00."""
    off = PercentOff(Percent.of("50"), cap=eur("20.00"))
    assert quote(cart(line(unit_price=eur("100.00")), discounts=(off,)), PLAIN, START).total == 8000


def test_domestic_freight_is_charged_beside_the_goods() -> None:
    """Freight of the whole line is added after discounts, which do not touch it."""
    off = (PercentOff(Percent.of("100")),)
    priced = quote(
        cart(line(quantity=3, domestic_freight=eur("1.00"), discounts=off)), PLAIN, START
    )
    assert (priced.total, priced.lines[0].freight) == (100, 100)
    assert [priced.lines[0].units(i, 1).total for i in range(3)] == [34, 33, 33]


# --- Rates -----------------------------------------------------------------------------------


def test_the_rate_of_the_day_counts() -> None:
    """The United Kingdom's 17.5 % ends with 2011-01-03; the day after it is 20 %."""
    rates = (
        TaxRate(Percent.of("17.5"), country="GB", last_day=date(2011, 1, 3)),
        TaxRate(Percent.of("20"), country="GB", first_day=date(2011, 1, 4)),
    )
    policy = PricingPolicy(TaxPolicy(rates))
    wanted = cart(line(unit_price=eur("120.00")), address=Address(country="GB"))
    taxes = [
        quote(wanted, policy, datetime(2011, 1, day, 23, 59, tzinfo=UTC)).tax for day in (3, 4)
    ]
    assert taxes == [1787, 2000]


def test_the_most_special_rate_wins() -> None:
    """Country and region beat country, which beats any country."""
    rates = tuple(
        TaxRate(Percent.of(percent), country=country, region=region)
        for percent, country, region in (("1", "", ""), ("7", "ES", ""), ("0", "ES", "CN"))
    )
    policy = PricingPolicy(TaxPolicy(rates, prices_include_tax=False))
    found = [
        quote(cart(address=Address(country=country, region=region)), policy, START).tax
        for country, region in (("FR", ""), ("ES", ""), ("ES", "CN"))
    ]
    assert found == [10, 70, 0]


def test_a_category_without_a_rate_is_refused_where_the_policy_has_no_default() -> None:
    """No invented rate: the error names the line, the category and those that are known."""
    policy = PricingPolicy(TaxPolicy((TaxRate(Percent.of("19")),), default=None))
    with pytest.raises(InvalidCart) as caught:
        quote(cart(line(), line(tax_category="books")), policy, START)
    assert caught.value.path == "cart.lines[1].tax_category"
    assert caught.value.data["known"] == ("standard",)


def test_rates_that_overlap_are_refused() -> None:
    """Two rates for the same goods and place on the same day contradict each other."""
    rates = (
        TaxRate(Percent.of("19"), last_day=date(2026, 1, 31)),
        TaxRate(Percent.of("16"), first_day=date(2026, 1, 31)),
    )
    with pytest.raises(InvalidPolicy) as caught:
        TaxPolicy(rates).check()
    assert caught.value.path == "tax.rates[1]"
    TaxPolicy((rates[0], TaxRate(Percent.of("16"), first_day=date(2026, 2, 1)))).check()


def test_mixed_modes_stand_side_by_side() -> None:
    """One line includes its tax, the next gets it on top, each at its own rate."""
    rates = (TaxRate(Percent.of("19")), TaxRate(Percent.of("7"), "reduced"))
    lines = (line(), line(tax_category="reduced", tax_included=False))
    priced = quote(cart(*lines), PricingPolicy(TaxPolicy(rates)), START)
    assert [(row.net, row.tax, row.total) for row in priced.lines] == [
        (840, 160, 1000),
        (1000, 70, 1070),
    ]
    assert [(tax.ppm, tax.net, tax.tax) for tax in priced.taxes] == [
        (190_000, 840, 160),
        (70_000, 1000, 70),
    ]


def test_shipping_has_a_tax_of_its_own() -> None:
    """The shipping charge is a row beside the lines, taxed by its own category."""
    rates = (TaxRate(Percent.of("19")), TaxRate(Percent.of("7"), "shipping"))
    wanted = cart(shipping=ShippingCharge(eur("5.35")))
    priced = quote(wanted, PricingPolicy(TaxPolicy(rates)), START)
    assert (priced.charges[0].net, priced.charges[0].tax) == (500, 35)
    assert priced.total == 1535


# --- Bad input -------------------------------------------------------------------------------

BAD: dict[str, tuple[Cart, type[OrdercoreError], str]] = {
    "unknown currency": (cart(currency="XTS"), UnknownCurrency, "cart.currency"),
    "currency in lower case": (cart(currency="eur"), UnknownCurrency, "cart.currency"),
    "mixed currencies": (
        cart(line(), line(unit_price=money("1.00", "USD"))),
        CurrencyMismatch,
        "cart.lines[1].unit_price",
    ),
    "a discount in another currency": (
        cart(discounts=(AmountOff(money("1.00", "USD")),)),
        CurrencyMismatch,
        "cart.discounts[0].amount",
    ),
    "a cap in another currency": (
        cart(line(discounts=(PercentOff(Percent.of("5"), cap=money("1.00", "USD")),))),
        CurrencyMismatch,
        "cart.lines[0].discounts[0].cap",
    ),
    "shipping in another currency": (
        cart(shipping=ShippingCharge(money("1.00", "USD"))),
        CurrencyMismatch,
        "cart.shipping.amount",
    ),
    "freight in another currency": (
        cart(line(domestic_freight=money("1.00", "USD"))),
        CurrencyMismatch,
        "cart.lines[0].domestic_freight",
    ),
    "too many decimals": (
        cart(line(unit_price=Money("1.005", "EUR"))),
        InvalidMoney,
        "cart.lines[0].unit_price",
    ),
    "a price that is no number": (
        cart(line(unit_price=Money("NaN", "EUR"))),
        InvalidMoney,
        "cart.lines[0].unit_price",
    ),
    "a bare price": (cart(line(unit_price=10)), InvalidMoney, "cart.lines[0].unit_price"),
    "a price as a float": (cart(line(unit_price=9.99)), InvalidMoney, "cart.lines[0].unit_price"),
    "a price of ten to the thirty": (
        cart(line(unit_price=Money("1E+30", "EUR"))),
        AmountTooLarge,
        "cart.lines[0].unit_price",
    ),
    "a negative price": (
        cart(line(unit_price=Money("-1", "EUR"))),
        InvalidCart,
        "cart.lines[0].unit_price",
    ),
    "a line that grows too large": (
        cart(line(quantity=10**9, unit_price=eur("10000.01"))),
        AmountTooLarge,
        "cart.lines[0]",
    ),
    "a total that grows too large": (
        cart(*[line(unit_price=eur("6000000000000.00"))] * 2),
        AmountTooLarge,
        "cart.total",
    ),
    "a subtotal that grows too large": (
        cart(
            *[line(unit_price=eur("6000000000000.00"))] * 2,
            discounts=(PercentOff(Percent.of("100")),),
        ),
        AmountTooLarge,
        "cart.subtotal",
    ),
    "a negative quantity": (cart(line(quantity=-1)), InvalidQuantity, "cart.lines[0].quantity"),
    "no quantity": (cart(line(quantity=0)), InvalidQuantity, "cart.lines[0].quantity"),
    "a quantity that is no number": (
        cart(line(quantity=float("nan"))),
        InvalidQuantity,
        "cart.lines[0].quantity",
    ),
    "half a quantity": (cart(line(quantity=1.5)), InvalidQuantity, "cart.lines[0].quantity"),
    "a quantity as a decimal": (
        cart(line(quantity=Decimal(1))),
        InvalidQuantity,
        "cart.lines[0].quantity",
    ),
    "a quantity of truth": (cart(line(quantity=True)), InvalidQuantity, "cart.lines[0].quantity"),
    "a quantity of ten to the thirty": (
        cart(line(quantity=10**30)),
        InvalidQuantity,
        "cart.lines[0].quantity",
    ),
    "a discount above 100 %": (
        cart(discounts=(PercentOff(Percent.of("100.0001")),)),
        InvalidCart,
        "cart.discounts[0].percent",
    ),
    "a discount below 0 %": (
        cart(line(discounts=(PercentOff(Percent(-1)),))),
        InvalidCart,
        "cart.lines[0].discounts[0].percent",
    ),
    "a negative discount": (
        cart(discounts=(AmountOff(Money("-5", "EUR")),)),
        InvalidCart,
        "cart.discounts[0].amount",
    ),
    "a negative cap": (
        cart(discounts=(PercentOff(Percent.of("5"), cap=Money("-5", "EUR")),)),
        InvalidCart,
        "cart.discounts[0].cap",
    ),
    "what is no discount": (cart(discounts=("10 %",)), InvalidCart, "cart.discounts[0]"),
    "too many discounts": (
        cart(discounts=(AmountOff(Money("0.01", "EUR")),) * 101),
        InvalidCart,
        "cart.discounts",
    ),
    "negative shipping": (
        cart(shipping=ShippingCharge(Money("-5", "EUR"))),
        InvalidCart,
        "cart.shipping.amount",
    ),
    "negative freight": (
        cart(line(domestic_freight=Money("-5", "EUR"))),
        InvalidCart,
        "cart.lines[0].domestic_freight",
    ),
    "no lines": (cart(lines=()), InvalidCart, "cart.lines"),
    "too many lines": (cart(lines=(line(),) * (LINES_MAX + 1)), InvalidCart, "cart.lines"),
    "two lines of one name": (cart(line(id="a"), line(id="a")), InvalidCart, "cart.lines"),
    "a line named as its neighbor's place": (
        cart(line(id="2"), line()),
        InvalidCart,
        "cart.lines",
    ),
    "a line called shipping": (cart(line(id="shipping")), InvalidCart, "cart.lines"),
    "a line without a sku": (cart(line(sku="")), InvalidCart, "cart.lines[0].sku"),
    "a negative weight": (cart(line(weight_grams=-1)), InvalidCart, "cart.lines[0].weight_grams"),
    "half a gram": (cart(line(weight_grams=0.5)), InvalidCart, "cart.lines[0].weight_grams"),
    "an attribute that is no text": (
        cart(line(attributes={"size": 42})),
        InvalidCart,
        "cart.lines[0].attributes",
    ),
    "an extra that is no JSON": (
        cart(line(extra={"when": START})),
        InvalidCart,
        "cart.lines[0].extra",
    ),
    "an extra with NaN": (cart(extra={"x": float("nan")}), InvalidCart, "cart.extra"),
    "an extra that is too long": (
        cart(extra={"x": "y" * EXTRA_BYTES_MAX}),
        InvalidCart,
        "cart.extra",
    ),
}


def deep(levels: int) -> dict[str, Any]:
    """An object in an object, and so on."""
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"x": found}
    return found


BAD["an extra that is too deep"] = (cart(extra=deep(100_000)), InvalidCart, "cart.extra")


@pytest.mark.parametrize("name", BAD)
def test_a_cart_that_cannot_be_priced_is_refused_at_its_path(name: str) -> None:
    """Each bad cart gives an error of the tree with code, path and reason (law L24)."""
    wanted, error, path = BAD[name]
    with pytest.raises(error) as caught:
        quote(wanted, PLAIN, START)
    assert caught.value.path == path
    assert caught.value.reason
    assert caught.value.code == error.code
    assert caught.value.http_status == 422


def test_the_largest_cart_is_priced() -> None:
    """The limits themselves are within the limits."""
    priced = quote(cart(line(quantity=10**9, unit_price=eur("10000.00"))), PLAIN, START)
    assert priced.total == MINOR_MAX
    assert quote(cart(lines=(line(),) * LINES_MAX), PLAIN, START).total == 1000 * LINES_MAX


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 2), (1, 1), (0, -1)])
def test_units_that_a_line_does_not_have_are_refused(first: int, count: int) -> None:
    """A line of one unit has no second one."""
    with pytest.raises(InvalidQuantity) as caught:
        quote(cart(), PLAIN, START).lines[0].units(first, count)
    assert caught.value.path == "[1]"


def test_a_rounding_scope_is_a_choice_of_five() -> None:
    """Tax is rounded by unit, line, rate, order or not at all; order A at 13 % differs by a cent."""
    found = {
        scope: quote(
            order_a(), PricingPolicy(TaxPolicy((TaxRate(Percent.of("13")),), scope=scope)), START
        ).tax
        for scope in RoundingScope
    }
    scope = RoundingScope
    assert [found[each] for each in (scope.UNIT, scope.LINE)] == [3105, 3105]
    assert [found[each] for each in (scope.RATE, scope.ORDER, scope.NONE)] == [3106, 3106, 3106]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"lines": CartLine("TEA", 1, eur("1.00"))}, "cart.lines"),
        ({"discounts": AmountOff(eur("1.00"))}, "cart.discounts"),
        ({"kind": "flash_sale"}, "cart.kind"),
        ({"customer": "ada"}, "cart.customer"),
        ({"address": {"country": "DE"}}, "cart.address"),
        ({"address": Address(lines="Main St 1")}, "cart.address.lines"),  # type: ignore[arg-type]
        ({"address": Address(country="de")}, "cart.address.country"),
        ({"shipping": eur("4.90")}, "cart.shipping"),
        ({"lines": ({"sku": "TEA"},)}, "cart.lines[0]"),
        (
            {"lines": (CartLine("TEA", 1, eur("1.00"), tax_included="no"),)},
            "cart.lines[0].tax_included",
        ),  # type: ignore[arg-type]
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_l24_a_field_of_another_type_is_named(fields: dict[str, Any], path: str) -> None:
    """What a host without a type checker gets wrong is told where it stands, the forgotten comma first."""
    whole: dict[str, Any] = {"currency": "EUR", "lines": (CartLine("TEA", 1, eur("1.00")),)}
    with pytest.raises(InvalidCart) as caught:
        quote(Cart(**{**whole, **fields}), PricingPolicy(), START)
    assert caught.value.path == path
