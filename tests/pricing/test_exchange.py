"""Exchange: law L5 by name, decimals of currencies, rates that may not be used."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput, RateUnavailable, UnknownCurrency
from ordercore.money import EXPONENTS, Percent, Rounding
from ordercore.pricing.exchange import (
    ExchangePolicy,
    ExchangeRate,
    RatePurpose,
    check_rate,
    convert,
    exchanged,
    make_rate,
    parse_rate,
    rate_for,
    rate_text,
    with_spread,
)

NOON = datetime(2026, 10, 30, 12, tzinfo=UTC)
FRIDAY = date(2026, 10, 30)
NEAREST = [Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.HALF_DOWN]


def rate_of(text: str, base: str = "EUR", quote: str = "CNY") -> ExchangeRate:
    """A rate that a bank published on the Friday."""
    return parse_rate(base, quote, text, RatePurpose.DISPLAY, NOON, FRIDAY, "a bank")


codes = st.sampled_from(["EUR", "USD", "CNY", "JPY", "KRW", "KWD", "TND", "CLF"])
sides = st.integers(1, 99) | st.integers(1, 10**9)
rates = st.builds(
    lambda base, quote, top, bottom: make_rate(
        base, quote, top, bottom, RatePurpose.LEDGER, NOON, FRIDAY, "a bank"
    ),
    codes,
    codes,
    sides.map(lambda side: side % 50_000 + 1),
    sides.map(lambda side: side % 5_000 + 1),
)
roundings = st.sampled_from(Rounding)
rows = st.lists(st.integers(0, 9) | st.integers(0, 50_000), max_size=9)


def exact(amount: int, rate: ExchangeRate) -> Fraction:
    """Minor units of ``amount`` in the other currency, not rounded."""
    scale = Fraction(10) ** (EXPONENTS[rate.quote] - EXPONENTS[rate.base])
    return amount * Fraction(rate.numerator, rate.denominator) * scale


@given(rows, rates, roundings, st.data())
def test_l5_rows_add_up_to_the_converted_whole(
    given_rows: list[int], rate: ExchangeRate, rounding: Rounding, data: st.DataObject
) -> None:
    """Rows add up to the total, and so do net and tax, in the other currency too."""
    total = sum(given_rows)
    net = data.draw(st.integers(-total, 2 * total))
    converted = convert(total, net, given_rows, rate, rounding)
    assert sum(converted.rows) == converted.total == converted.net + converted.tax
    assert len(converted.rows) == len(given_rows)


@given(rows, rates, roundings)
def test_l5_the_whole_is_the_sum_converted(
    given_rows: list[int], rate: ExchangeRate, rounding: Rounding
) -> None:
    """Converting the parts and adjusting them equals converting the whole, which is rounded once."""
    total = sum(given_rows)
    converted = convert(total, total, given_rows, rate, rounding)
    assert converted.total == exchanged(total, rate, rounding)
    assert abs(converted.total - exact(total, rate)) < 1


@given(rows, rates, st.sampled_from(NEAREST))
def test_l5_a_row_is_near_its_own_conversion(
    given_rows: list[int], rate: ExchangeRate, rounding: Rounding
) -> None:
    """A row is less than one unit off its share of the whole, so at most a half more off its conversion."""
    total = sum(given_rows)
    converted = convert(total, total, given_rows, rate, rounding)
    for row, part in zip(given_rows, converted.rows, strict=True):
        assert part >= 0
        assert not total or abs(part - Fraction(converted.total * row, total)) < 1
        assert abs(part - exact(row, rate)) < Fraction(3, 2)
        assert row or part == 0


@given(rows, codes, roundings)
def test_l5_a_rate_of_one_changes_nothing(
    given_rows: list[int], code: str, rounding: Rounding
) -> None:
    """1 to 1 between the same currency gives every figure back."""
    rate = rate_of("1", code, code)
    total = sum(given_rows)
    converted = convert(total, total // 2, given_rows, rate, rounding)
    assert converted.rows == tuple(given_rows)
    assert (converted.total, converted.net, converted.tax) == (
        total,
        total // 2,
        total - total // 2,
    )


@given(st.integers(0, 50_000), st.integers(0, 50_000), rates, roundings)
def test_l5_a_net_below_zero_stays_there(
    tax: int, funded: int, rate: ExchangeRate, rounding: Rounding
) -> None:
    """Where a funder pays more than the net, the tax is converted by itself and the net is what remains."""
    total = max(tax - funded, 0)
    net = total - tax
    converted = convert(total, net, [total], rate, rounding)
    assert converted.net <= 0
    if net < 0:
        assert converted.tax == exchanged(tax, rate, rounding)


def test_a_hundred_euro_of_2017_are_117_44_dollars() -> None:
    """100 EUR at the ECB's rate of 2017-10-02 are 117.44 USD."""
    assert exchanged(100_00, rate_of("1.1744", "EUR", "USD")) == 117_44


@pytest.mark.parametrize(
    ("base", "quote", "text", "amount", "expected"),
    [
        ("EUR", "JPY", "161.95", 10_00, 1620),  # 1,619.5: no decimals, half up
        ("JPY", "EUR", "0.006", 1000, 6_00),
        ("EUR", "KWD", "0.3571", 10_00, 3_571),
        ("KWD", "JPY", "453.5", 1_234, 560),  # 559.619
        ("CLF", "USD", "40", 10_000, 40_00),
    ],
)
def test_each_currency_has_its_own_decimals(
    base: str, quote: str, text: str, amount: int, expected: int
) -> None:
    """Yen have none, Kuwaiti dinars three, units of account of Chile four."""
    assert exchanged(amount, rate_of(text, base, quote)) == expected


def test_rows_that_do_not_add_up_are_refused() -> None:
    """Rows of 99 for a total of 100 would lose a cent on the way."""
    with pytest.raises(InvalidInput) as caught:
        convert(100, 80, [50, 49], rate_of("8"))
    assert caught.value.data == {"total": 100, "rows": 99}


def test_a_rate_is_found_by_pair_direction_and_purpose() -> None:
    """Neither the reverse of a rate nor one for another purpose is taken for it."""
    known = [rate_of("8"), rate_of("0.125", "CNY", "EUR")]
    assert rate_for(known, "CNY", "EUR", RatePurpose.DISPLAY) is known[1]
    assert rate_for(known[:1], "CNY", "EUR", RatePurpose.DISPLAY) is None
    assert rate_for(known, "EUR", "CNY", RatePurpose.CUSTOMS) is None


def test_a_rate_goes_stale_after_its_days() -> None:
    """Friday's rate serves until the end of Friday and the policy's time after it, not a second longer."""
    policy = ExchangePolicy(stale_after=timedelta(days=3))
    last = datetime(2026, 11, 3, tzinfo=UTC)
    check_rate(rate_of("8"), policy, last)
    with pytest.raises(RateUnavailable, match="too old") as caught:
        check_rate(rate_of("8"), policy, last + timedelta(seconds=1))
    assert caught.value.path == "rates"
    assert caught.value.data["published"] == "2026-10-30"


def test_a_rate_of_tomorrow_is_refused() -> None:
    """Nobody knows on Thursday what Friday's rate will be; on Friday it may be used."""
    check_rate(rate_of("8"), ExchangePolicy(), datetime(2026, 10, 30, tzinfo=UTC))
    with pytest.raises(RateUnavailable, match="later than"):
        check_rate(rate_of("8"), ExchangePolicy(), datetime(2026, 10, 29, 23, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("base", "top", "bottom"), [("EUR", 0, 1), ("EUR", -8, 1), ("EUR", 8, 0), ("EUX", 8, 1)]
)
def test_a_rate_that_is_none_is_refused(base: str, top: int, bottom: int) -> None:
    """A rate of nothing, below nothing, or of no currency converts nothing."""
    rate = ExchangeRate(base, "CNY", top, bottom, RatePurpose.DISPLAY, NOON, FRIDAY, "a bank")
    with pytest.raises(RateUnavailable):
        check_rate(rate, ExchangePolicy(), NOON)


def test_a_spread_is_inside_the_fraction_and_named() -> None:
    """2.5 % on 8 is 8.2, exactly; another spread replaces it, and none gives the published rate back."""
    published = rate_of("8")
    dearer = with_spread(published, Percent.of("2.5"))
    assert Fraction(dearer.numerator, dearer.denominator) == Fraction("8.2")
    assert rate_text(dearer) == "1 EUR = 8.2 CNY, a bank 2026-10-30, spread 2.5 % included"
    assert with_spread(dearer, Percent.of("5")) == with_spread(published, Percent.of("5"))
    assert with_spread(dearer, Percent(0)) == published


@pytest.mark.parametrize("text", ["", "x", "-8", "8,1", "1e3", "NaN", " 8", "0", "0.00", "8" * 50])
def test_text_that_is_no_rate_is_refused(text: str) -> None:
    """Only plain digits with a point are a rate, and 0 is none."""
    with pytest.raises(InvalidInput):
        rate_of(text)


def test_a_rate_of_no_currency_cannot_be_written() -> None:
    """A code that ISO 4217 does not list is refused with its place."""
    with pytest.raises(UnknownCurrency) as caught:
        rate_of("8", quote="cny")
    assert caught.value.path == "quote"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("7.8312", "7.8312"),
        ("161.950", "161.95"),
        ("1000", "1000"),
        ("0.00012345678", "about 0.000123457"),
        ("1234567.5", "about 1234568"),
    ],
)
def test_a_rate_reads_as_a_line(text: str, shown: str) -> None:
    """An exact rate stands as it is, a long one to six significant digits, and the line says so."""
    assert rate_text(rate_of(text)) == f"1 EUR = {shown} CNY, a bank 2026-10-30"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("numerator", "1"), ("numerator", 1.5), ("denominator", True), ("purpose", "display"),
        ("at", NOON.replace(tzinfo=None)), ("published", None), ("published", NOON),
    ],
)  # fmt: skip
def test_a_rate_is_made_of_what_it_says(field: str, wrong: object) -> None:
    """Text, floats, other purposes, naive times and a day with a time are refused by name."""
    given: dict[str, Any] = {
        "base": "EUR", "quote": "USD", "numerator": 1, "denominator": 2,
        "purpose": RatePurpose.DISPLAY, "at": NOON, "published": FRIDAY, "source": "a bank",
    }  # fmt: skip
    with pytest.raises(InvalidInput) as caught:
        make_rate(**{**given, field: wrong})
    assert caught.value.path == field


@pytest.mark.parametrize("code", [None, 5, ["USD"]])
def test_a_currency_that_is_no_text_is_unknown(code: Any) -> None:
    """What cannot be looked up is refused as an unknown currency, on either side."""
    for base, quote, path in ((code, "EUR", "base"), ("EUR", code, "quote")):
        with pytest.raises(UnknownCurrency) as caught:
            make_rate(base, quote, 1, 2, RatePurpose.DISPLAY, NOON, FRIDAY, "a bank")
        assert caught.value.path == path


@pytest.mark.parametrize("amount", [1.5, "1", True, None])
def test_an_amount_that_is_no_whole_number_is_not_exchanged(amount: Any) -> None:
    """Minor units are whole: a float comes back as an error and not as a float."""
    with pytest.raises(InvalidInput) as caught:
        exchanged(amount, rate_of("7.8312"))
    assert caught.value.path == "amount"


@pytest.mark.parametrize(
    ("figures", "path"),
    [((10, 5, (1.0, 9)), "rows[0]"), ((10.0, 5, (10,)), "total"), ((10, 5.0, (10,)), "net")],
)
def test_figures_that_are_no_whole_numbers_are_not_converted(figures: Any, path: str) -> None:
    """Total, net and rows are whole minor units; the first that is not is named."""
    with pytest.raises(InvalidInput) as caught:
        convert(*figures, rate_of("7.8312"))
    assert caught.value.path == path


def test_a_rate_never_goes_stale_where_a_shop_says_so() -> None:
    """The longest limit there is, and the last day of the calendar, are limits like any other."""
    check_rate(rate_of("7.8"), ExchangePolicy(stale_after=timedelta.max), NOON)
    end = datetime.max.replace(tzinfo=UTC)
    last = make_rate("EUR", "CNY", 8, 1, RatePurpose.DISPLAY, end, date.max, "a bank")
    check_rate(last, ExchangePolicy(), end)


@pytest.mark.parametrize("wrong", [{"numerator": "1"}, {"denominator": 1.0}, {"published": NOON}])
def test_a_source_s_own_rate_of_other_types_may_not_be_used(wrong: dict[str, Any]) -> None:
    """A rate that a port made without this module's checks is refused before it is used."""
    made: dict[str, Any] = {
        "base": "EUR", "quote": "CNY", "numerator": 1, "denominator": 1,
        "purpose": RatePurpose.DISPLAY, "at": NOON, "published": FRIDAY, "source": "a bank",
    }  # fmt: skip
    with pytest.raises(InvalidInput, match=r"rate|date"):
        check_rate(ExchangeRate(**{**made, **wrong}), ExchangePolicy(), NOON)
