"""Money, and what any shop has: carts and policies that can be priced without knowing anything else."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

from ordercore.money import EXPONENTS, MINOR_MAX, Money, Percent, Rounding, from_minor
from ordercore.party import Address, Party
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    OrderKind,
    PercentOff,
    PointsRate,
    PricingPolicy,
    RoundingScope,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

    from ordercore.pricing import Discount

__all__ = [
    "CATEGORIES",
    "COIN",
    "GOODS",
    "INSIDE",
    "PERCENTS",
    "TAX_PERCENTS",
    "amounts",
    "carts",
    "currencies",
    "discount",
    "discounts",
    "integers",
    "minor_units",
    "moneys",
    "percents",
    "pick",
    "some_money",
    "pricing_policies",
]

T = TypeVar("T")

CATEGORIES = ("standard", "reduced", "zero")
"""Tax categories of the goods."""
GOODS = ("", "books", "wine")
"""Categories of the goods."""
INSIDE = (None, None, True, False)
"""Whether tax is inside a price: mostly as the policy says."""


# --- Money -----------------------------------------------------------------------------------


def currencies(decimals: int | None = None) -> SearchStrategy[str]:
    """Codes of ISO 4217 money, of all or of those with so many ``decimals``; plain ones first."""
    plain = [c for c in ("EUR", "USD", "CNY", "JPY", "KWD") if decimals in {None, EXPONENTS[c]}]
    every = [c for c, digits in EXPONENTS.items() if decimals in {None, digits}]
    return st.sampled_from([*plain, *every])


def amounts(min_value: int = 0, max_value: int = MINOR_MAX) -> SearchStrategy[int]:
    """Minor units within bounds: few, as on a price tag, and as large as may be."""
    found = [
        st.integers(min_value, most)
        for most in (50, 20_000, max_value)
        if min_value < most <= max_value
    ]
    return st.one_of(found) if found else st.integers(min_value, max_value)


# Making a strategy costs more than drawing from it, so what is drawn often is made once.
minor_units = cache(amounts)
integers = cache(st.integers)
COIN = st.booleans()


def pick(draw: DrawFn, options: Sequence[T]) -> T:
    """One of a few options; failures shrink to the first."""
    return options[draw(integers(0, len(options) - 1))]


def some_money(draw: DrawFn, currency: str, least: int, most: int) -> Money:
    """`moneys` within a strategy of one's own."""
    return from_minor(draw(minor_units(least, most)), currency)


@st.composite
def moneys(
    draw: DrawFn, currency: str | None = None, min_value: int = 0, max_value: int = MINOR_MAX
) -> Money:
    """Exact `Money` of ``currency`` (any, if not given); bounds are minor units."""
    code = currency if currency is not None else draw(currencies())
    return from_minor(draw(amounts(min_value, max_value)), code)


def percents(most: int = 100) -> SearchStrategy[Percent]:
    """Percentages from 0 to ``most``: those of the trade (7, 19, 17.5), and any of four decimals."""
    usual = [ppm for ppm in (0, 50_000, 80_000, 175_000, 190_000, 200_000) if ppm <= most * 10_000]
    return st.builds(Percent, st.sampled_from(usual) | st.integers(0, most * 10_000))


PERCENTS, TAX_PERCENTS = percents(), percents(30)


# --- Carts and quotes ------------------------------------------------------------------------


def discount(draw: DrawFn, currency: str, most: int = 30_000) -> Discount:
    """`discounts` within a strategy of one's own."""
    label = pick(draw, ["", "coupon"])
    if draw(COIN):
        return AmountOff(some_money(draw, currency, 0, most), label)
    cap = some_money(draw, currency, 0, most) if draw(COIN) else None
    return PercentOff(draw(PERCENTS), label, cap)


@st.composite
def discounts(draw: DrawFn, currency: str, *, most: int = 30_000) -> Discount:
    """A percentage, capped or not, or a fixed amount of up to ``most`` minor units."""
    return discount(draw, currency, most)


def _cart_line(draw: DrawFn, currency: str, number: int, units: int, price: int) -> CartLine:
    return CartLine(
        sku=f"SKU-{draw(integers(1, 9))}",
        quantity=draw(integers(1, min(4, units) if draw(COIN) else units)),
        unit_price=some_money(draw, currency, 0, price),
        name=pick(draw, ["", "Tea", "茶 / thé"]),
        id=pick(draw, ["", f"line-{number}"]),
        discounts=tuple([discount(draw, currency) for _ in range(draw(integers(0, 2)))]),
        tax_category=pick(draw, CATEGORIES),
        tax_included=pick(draw, INSIDE),
        category=pick(draw, GOODS),
        weight_grams=draw(integers(0, 5_000)),
        domestic_freight=some_money(draw, currency, 0, 2_000) if draw(COIN) else None,
        attributes=pick(draw, [{}, {"color": "red"}]),
        extra=pick(draw, [{}, {"source": {"id": 7, "seen": None}}]),
    )


@st.composite
def carts(
    draw: DrawFn,
    currency: str | None = None,
    *,
    max_lines: int = 5,
    max_units: int = 1_000,
    max_price: int = 10**7,
) -> Cart:
    """Carts that can be priced: lines, discounts on lines and order, shipping, tax inside or on top.

    ``max_price`` is a unit's, in minor units; the bounds keep the total below `MINOR_MAX`.
    """
    code = currency if currency is not None else draw(currencies())
    count = draw(integers(1, max_lines))
    shipping = None
    if draw(COIN):
        included = pick(draw, INSIDE)
        shipping = ShippingCharge(some_money(draw, code, 0, 3_000), tax_included=included)
    return Cart(
        currency=code,
        lines=tuple(_cart_line(draw, code, i, max_units, max_price) for i in range(count)),
        discounts=tuple([discount(draw, code) for _ in range(draw(integers(0, 2)))]),
        shipping=shipping,
        kind=pick(draw, [*OrderKind]),
        shop=pick(draw, ["", "north"]),
        customer=pick(draw, [Party(), Party("c-1", "Ada", vat_id="DE123456789")]),
        address=pick(draw, [Address(), Address(country="GB"), Address(country="DE")]),
        extra=pick(draw, [{}, {"campaign": "spring"}]),
    )


@st.composite
def pricing_policies(draw: DrawFn) -> PricingPolicy:
    """Policies of any rounding mode and scope, tax inside or on top, rates up to 30 % by place."""
    rates = [
        TaxRate(draw(TAX_PERCENTS), category, country)
        for category in (*CATEGORIES, "shipping")
        for country in ("", "DE")
        if draw(COIN)
    ]
    tax = TaxPolicy(
        rates=tuple(rates),
        prices_include_tax=draw(COIN),
        rounding=pick(draw, [*Rounding]),
        scope=pick(draw, [*RoundingScope]),
        default=draw(TAX_PERCENTS),
    )
    return PricingPolicy(tax, pick(draw, [*Rounding]), points_worth=PointsRate())
