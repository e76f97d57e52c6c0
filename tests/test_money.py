from __future__ import annotations

import random
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moneyed import CURRENCIES, Money

from ordercore.errors import (
    AmountTooLarge,
    CurrencyMismatch,
    InvalidMoney,
    OrdercoreError,
    UnknownCurrency,
)
from ordercore.money import (
    CASH_STEPS,
    EXPONENTS,
    MINOR_MAX,
    CashRounding,
    Percent,
    Rounding,
    checked_minor,
    decimal_text,
    divide,
    exponent,
    format_minor,
    from_minor,
    money,
    parse_minor,
    to_minor,
)
from ordercore.testing import amounts, currencies, moneys, percents

# A host may have set any decimal context; money must come out the same.
NARROW = Context(prec=3)


# --- The gate --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "CNY", 1234),
        ("1.234", "KWD", 1234),
        ("7", "JPY", 7),
        ("-0.05", "CHF", -5),
        ("12.3400", "EUR", 1234),
        ("0", "BHD", 0),
        ("1.2345", "CLF", 12345),
        ("10000000000000.00", "USD", MINOR_MAX),
    ],
)
def test_an_exact_amount_passes_the_gate(text: str, currency: str, minor: int) -> None:
    """Money of 0, 2, 3 and 4 decimals becomes minor units, whatever zeros trail it."""
    assert to_minor(Money(text, currency)) == minor
    assert parse_minor(text, currency) == minor


@given(moneys())
def test_money_goes_through_the_gate_and_back(amount: Money) -> None:
    """Minor units and back give the same money, in any currency."""
    code = amount.currency.code
    minor = to_minor(amount)
    assert from_minor(minor, code) == amount
    assert parse_minor(decimal_text(minor, code), code) == minor


@given(amounts(-MINOR_MAX), currencies())
def test_money_does_not_depend_on_the_decimal_context(minor: int, currency: str) -> None:
    """A host that computes with three digits loses no cent at our gate, in or out."""
    shown, text = format_minor(minor, currency), decimal_text(minor, currency)
    with localcontext(NARROW):
        amount = from_minor(minor, currency)
        assert to_minor(amount) == minor
        assert parse_minor(text, currency) == minor
        assert format_minor(minor, currency) == shown
    assert amount == from_minor(minor, currency)


@pytest.mark.parametrize("currency", sorted(EXPONENTS))
def test_every_currency_can_be_made(currency: str) -> None:
    """Each currency of our table is money, also where moneyed does not know it."""
    amount = money("12", currency)
    assert to_minor(amount, currency) == 12 * 10 ** exponent(currency)
    assert "12" in format_minor(to_minor(amount), currency)


def test_exponents_are_those_of_iso_4217() -> None:
    """Our decimals are those that moneyed took from the standard, for each money that it lists."""
    theirs = {code: len(str(found.sub_unit)) - 1 for code, found in CURRENCIES.items()}
    assert {code: theirs.get(code, 2) for code in EXPONENTS} == EXPONENTS


# --- What is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "meant", "error", "words"),
    [
        (12, "EUR", InvalidMoney, "a bare int is not money: write Money('12.34', 'EUR')"),
        (12.5, "EUR", InvalidMoney, "a bare float is not money"),
        (Decimal(1), "EUR", InvalidMoney, "a bare Decimal is not money"),
        (None, "EUR", InvalidMoney, "a bare NoneType is not money"),
        ("12.34", "EUR", InvalidMoney, "a bare str is not money"),
        (Money("NaN", "EUR"), "EUR", InvalidMoney, "NaN is not an amount"),
        (Money("sNaN", "EUR"), "EUR", InvalidMoney, "sNaN is not an amount"),
        (Money("Infinity", "EUR"), "EUR", InvalidMoney, "Infinity is not an amount"),
        (Money("-Infinity", "EUR"), "EUR", InvalidMoney, "-Infinity is not an amount"),
        (Money("12.345", "EUR"), "EUR", InvalidMoney, "has more decimals than EUR has (2)"),
        (Money("0.5", "JPY"), None, InvalidMoney, "has more decimals than JPY has (0)"),
        (Money("1e-999999", "EUR"), "EUR", InvalidMoney, "EUR has 2 decimals"),
        (Money("1E+30", "EUR"), "EUR", AmountTooLarge, "above 10**20"),
        (Money("-1E+999999", "EUR"), "EUR", AmountTooLarge, "above 10**20"),
        (Money("10000000000000.01", "EUR"), "EUR", AmountTooLarge, "the limit is 10**15"),
        (Money("1", "XAU"), None, UnknownCurrency, "'XAU' is not on the ISO 4217 list of money"),
        (Money("1", "USD"), "EUR", CurrencyMismatch, "the amount is in USD, but EUR is meant"),
    ],
)
def test_what_is_no_exact_amount_is_refused(
    amount: Any, meant: str | None, error: type[OrdercoreError], words: str
) -> None:
    """Bare numbers, NaN, infinities, 10^30, odd decimals, other currencies: refused at the path."""
    with pytest.raises(error) as caught:
        to_minor(amount, meant, "cart.x")
    assert words in caught.value.reason
    assert caught.value.path.startswith("cart.x")
    assert caught.value.code == error.code


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 12",
        "12 ",
        pytest.param("1." + "0" * 99_999, id="long"),
        "1e3",
        "1_000",
        "1,000.00",
        "NaN",
        "inf",
        "0x10",
        "١٢",
        "1.2.3",
        "--1",
        ".",
    ],
)
def test_only_plain_digits_are_read(text: str) -> None:
    """Text of money is digits, a sign and a point: no exponent, no grouping, no other script."""
    with pytest.raises(InvalidMoney) as caught:
        parse_minor(text, "EUR", "lines[2].price")
    assert caught.value.path == "lines[2].price"


@pytest.mark.parametrize("text", [5, 5.5, None, b"text", Decimal(7)])
def test_text_of_money_is_text(text: object) -> None:
    """A number in place of text is refused with the fix in the message."""
    with pytest.raises(InvalidMoney, match=r"write it as text, '12\.34'"):
        parse_minor(text, "EUR")  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", [12, 12.34, None, True])
def test_making_money_of_a_number_is_refused_with_the_fix(amount: object) -> None:
    """An int or a float is not exact money; the message says what to write."""
    with pytest.raises(InvalidMoney, match=r"write money\('"):
        money(amount, "EUR")  # type: ignore[arg-type]


@pytest.mark.parametrize("currency", ["eur", "", "EURO", "XTS", None, 978, ["EUR"]])
def test_an_unknown_currency_is_refused(currency: object) -> None:
    """Lower case, other lists, other types: each is no code of money."""
    with pytest.raises(UnknownCurrency) as caught:
        money("1.00", currency)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.http_status) == ("unknown_currency", 422)


def test_a_decimal_makes_money_however_it_is_written() -> None:
    """A `Decimal` is a number, so its exponent does not matter, only its decimals do."""
    assert money(Decimal("1E+3"), "EUR") == money("1000", "EUR")
    with pytest.raises(InvalidMoney, match="more decimals"):
        money(Decimal("0.001"), "EUR")


def test_the_largest_amount_is_ten_to_the_fifteen() -> None:
    """One minor unit above the limit is refused, on both sides of zero."""
    assert checked_minor(-MINOR_MAX) == -(10**15)
    for amount in (MINOR_MAX + 1, -MINOR_MAX - 1):
        with pytest.raises(AmountTooLarge) as caught:
            checked_minor(amount, "total")
        assert caught.value.path == "total"


# --- Rounding --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rounding", "halves"),
    [
        # of -1.5, -0.5, 0.5, 1.5, 2.5
        (Rounding.HALF_UP, (-2, -1, 1, 2, 3)),
        (Rounding.HALF_EVEN, (-2, 0, 0, 2, 2)),
        (Rounding.HALF_DOWN, (-1, 0, 0, 1, 2)),
        (Rounding.UP, (-2, -1, 1, 2, 3)),
        (Rounding.DOWN, (-1, 0, 0, 1, 2)),
        (Rounding.CEILING, (-1, 0, 1, 2, 3)),
        (Rounding.FLOOR, (-2, -1, 0, 1, 2)),
    ],
)
def test_each_rounding_places_ties_by_its_name(rounding: Rounding, halves: tuple[int, ...]) -> None:
    """The seven modes differ on the halves as their docstrings say."""
    assert tuple(divide(n, 2, rounding) for n in (-3, -1, 1, 3, 5)) == halves


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**7), st.sampled_from(Rounding))
def test_a_rounded_quotient_is_the_floor_or_the_ceiling(
    numerator: int, denominator: int, rounding: Rounding
) -> None:
    """No mode is ever a whole unit off, and the nearest modes are at most half a unit off."""
    exact, got = Fraction(numerator, denominator), divide(numerator, denominator, rounding)
    assert floor(exact) <= got <= ceil(exact)
    if rounding.name.startswith("HALF"):
        assert abs(got - exact) <= Fraction(1, 2)
    if rounding not in {Rounding.FLOOR, Rounding.CEILING}:
        assert divide(-numerator, denominator, rounding) == -got


def test_cash_is_rounded_to_the_coin() -> None:
    """CHF 2.37 in coins is 2.35, and the 0.02 stand elsewhere; a card pays 12.37 as it is."""
    swiss = CASH_STEPS["CHF"]
    assert (swiss.apply(237), swiss.apply(237) - 237) == (235, -2)
    assert swiss.apply(1_235) == 1_235
    assert CASH_STEPS["NZD"].apply(1_245) == 1_240  # a tie goes down by custom


@given(st.integers(-(10**9), 10**9), st.integers(1, 1_000), st.sampled_from(Rounding))
def test_cash_rounding_ends_on_a_coin(amount: int, step: int, rounding: Rounding) -> None:
    """What is paid in coins is whole coins, less than one coin from what was due."""
    paid = CashRounding(step, rounding).apply(amount)
    assert paid % step == 0
    assert abs(paid - amount) < step


# --- Percentages -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ppm"), [("17.5", 175_000), ("19%", 190_000), (" 0.0001 % ", 1), ("0", 0)]
)
def test_a_percentage_is_exact_to_four_decimals(text: str, ppm: int) -> None:
    """Percentages are parts per million, with or without the sign."""
    assert Percent.of(text).ppm == ppm


@given(percents(10_000))
def test_a_percentage_reads_back_from_its_text(percent: Percent) -> None:
    """The text of a percentage gives the percentage, under any decimal context."""
    with localcontext(NARROW):
        assert Percent.of(str(percent)) == percent


@pytest.mark.parametrize(
    "text",
    [
        "17.50001",
        "17.5000000000000000000000000000000001",
        "1e-999999",
        pytest.param("1." + "0" * 99_999, id="long"),
        "-1",
        "NaN",
        "inf",
        "",
        "ten",
        "10001",
        17.5,
        None,
    ],
)
def test_what_is_no_percentage_is_refused(text: object) -> None:
    """A fifth decimal however far out, a negative, NaN and floats are refused at the path."""
    with pytest.raises(InvalidMoney) as caught:
        Percent.of(text, "discounts[0].percent")  # type: ignore[arg-type]
    assert caught.value.path == "discounts[0].percent"


@given(percents(), amounts(-(10**12), 10**12), st.sampled_from(Rounding))
def test_a_share_of_an_amount_is_rounded_by_name(
    percent: Percent, amount: int, rounding: Rounding
) -> None:
    """A percentage of an amount is its exact share, less than one minor unit away."""
    exact = Fraction(amount * percent.ppm, 1_000_000)
    assert abs(percent.times(amount, rounding) - exact) < 1


# --- Display ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(-5, "EUR", "-0.05"), (1234, "JPY", "1234"), (1234, "KWD", "1.234"), (0, "CHF", "0.00")],
)
def test_machine_text_has_all_decimals(minor: int, currency: str, text: str) -> None:
    """Machine text has the currency's decimals and no grouping."""
    assert decimal_text(minor, currency) == text


def test_people_see_every_decimal_that_is_charged() -> None:
    """CLDR shows rupiah without decimals; what is charged is shown all the same (law L3)."""
    assert format_minor(123_450, "IDR", "id") == "Rp1.234,50"
    assert format_minor(123_450, "EUR", "de") == "1.234,50\xa0€"


def test_no_amount_breaks_with_another_error() -> None:
    """Any junk as an amount gives an error of the tree, never one from below (law L24)."""
    dice = random.Random(7)
    signs = "0123456789.-+eE_NaNinf ,\x00٣"
    reasons = set()
    for _ in range(2_000):
        text = "".join(dice.choice(signs) for _ in range(dice.randrange(0, 9)))
        try:
            parse_minor(text, "EUR")
        except InvalidMoney as error:
            reasons.add(error.reason)
    assert len(reasons) > 100
    assert all(reasons)
