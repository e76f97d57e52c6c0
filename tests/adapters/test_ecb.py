"""Rates of the ECB: what was published, when it was known, and what ended."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from ordercore.adapters.ecb import EcbRates
from ordercore.errors import InvalidDocument, InvalidInput, RateUnavailable
from ordercore.money import EXPONENTS, Percent
from ordercore.pricing.exchange import (
    ExchangePolicy,
    RatePurpose,
    check_rate,
    exchanged,
    rate_text,
)

if TYPE_CHECKING:
    from pathlib import Path

DISPLAY = RatePurpose.DISPLAY


@pytest.fixture(scope="module")
def ecb() -> EcbRates:
    """The bank's file as the package brings it; read once, since that takes half a second."""
    return EcbRates()


def test_a_hundred_euro_of_2017_10_02_are_117_44_dollars(ecb: EcbRates) -> None:
    """The rate that the ECB published on 2017-10-02 makes 117.44 USD of 100 EUR."""
    rate = ecb.rate("EUR", "USD", datetime(2017, 10, 2, 16, tzinfo=UTC), DISPLAY)
    assert rate_text(rate) == "1 EUR = 1.1744 USD, ECB 2017-10-02"
    assert exchanged(100_00, rate) == 117_44


def test_sunday_takes_what_friday_published(ecb: EcbRates) -> None:
    """On a Sunday the rate is Friday's, and it says so; none is made up between Friday and Monday."""
    friday, sunday = datetime(2026, 10, 23, 18, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)
    rate = ecb.rate("EUR", "USD", sunday, DISPLAY)
    assert rate.published == date(2026, 10, 23)
    assert rate.at == sunday
    before = ecb.rate("EUR", "USD", friday, DISPLAY)
    assert (rate.numerator, rate.denominator) == (before.numerator, before.denominator)


def test_a_day_has_its_rate_from_three_in_the_afternoon(ecb: EcbRates) -> None:
    """The rate of a day is not known before the bank publishes it; the zone of the moment does not matter."""
    afternoon = datetime(2017, 10, 2, 15, tzinfo=UTC)
    just_before = afternoon - timedelta(seconds=1)
    assert ecb.rate("EUR", "USD", afternoon, DISPLAY).published == date(2017, 10, 2)
    assert ecb.rate("EUR", "USD", just_before, DISPLAY).published == date(2017, 9, 29)
    in_beijing = just_before.astimezone(timezone(timedelta(hours=8)))
    assert ecb.rate("EUR", "USD", in_beijing, DISPLAY).published == date(2017, 9, 29)


def test_a_cross_rate_is_the_exact_fraction_of_its_legs(ecb: EcbRates) -> None:
    """USD to CNY is EUR to CNY over EUR to USD of the same day, not rounded in between."""
    at = datetime(2026, 10, 30, 16, tzinfo=UTC)
    dollars, yuan = ecb.rate("EUR", "USD", at, DISPLAY), ecb.rate("EUR", "CNY", at, DISPLAY)
    cross = ecb.rate("USD", "CNY", at, DISPLAY)
    assert Fraction(cross.numerator, cross.denominator) == Fraction(
        yuan.numerator, yuan.denominator
    ) / Fraction(dollars.numerator, dollars.denominator)
    assert cross.published == date(2026, 10, 30)


def test_thirty_currencies_are_quoted(ecb: EcbRates) -> None:
    """On 2026-10-30 the file has the euro and 29 others, each one that the library knows."""
    quoted = ecb.currencies(date(2026, 10, 30))
    assert len(quoted) == 30
    assert {"EUR", "USD", "CNY", "JPY", "GBP"} <= set(quoted) <= set(EXPONENTS)
    assert ecb.currencies(date(2026, 10, 31)) == ()


def test_every_pair_that_is_quoted_has_a_rate(ecb: EcbRates) -> None:
    """Each of the thirty converts to each, and the check of a policy lets the rate through."""
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    quoted = ecb.currencies(date(2026, 10, 30))
    for base in quoted:
        for quote in quoted:
            check_rate(ecb.rate(base, quote, at, DISPLAY), ExchangePolicy(), at)


@pytest.mark.parametrize(
    ("currency", "last_day"),
    [("RUB", "2022-03-01"), ("HRK", "2022-12-30"), ("BGN", "2025-12-31")],
)
def test_a_currency_that_ended_has_no_rate(ecb: EcbRates, currency: str, last_day: str) -> None:
    """It has its rate on its last day; from the next day of publication on it is refused, with the last day."""
    ended = datetime.fromisoformat(last_day).replace(hour=15, tzinfo=UTC)
    assert str(ecb.rate("EUR", currency, ended, DISPLAY).published) == last_day
    for base, quote in (("EUR", currency), (currency, "USD")):
        with pytest.raises(RateUnavailable) as caught:
            ecb.rate(base, quote, ended + timedelta(days=5), DISPLAY)
        assert caught.value.data["last_day"] == last_day
        assert (caught.value.data["base"], caught.value.data["quote"]) == (base, quote)


def test_a_currency_without_quotes_for_years_borrows_none(ecb: EcbRates) -> None:
    """The ECB gave no rate of the Icelandic krona from 2008 to 2018: none of 2008 serves in 2010."""
    with pytest.raises(RateUnavailable):
        ecb.rate("EUR", "ISK", datetime(2010, 6, 1, 16, tzinfo=UTC), DISPLAY)


@pytest.mark.parametrize(
    ("base", "quote", "day"),
    [("EUR", "EUX", 2020), ("KWD", "EUR", 2020), ("EUR", "EEK", 2005), ("EUR", "USD", 1998)],
)
def test_what_was_never_published_has_no_rate(
    ecb: EcbRates, base: str, quote: str, day: int
) -> None:
    """No code of no money, no currency outside the list, none long withdrawn, no day before 1999."""
    with pytest.raises(RateUnavailable):
        ecb.rate(base, quote, datetime(day, 6, 1, tzinfo=UTC), DISPLAY)


def test_after_the_file_the_last_rate_ages(ecb: EcbRates) -> None:
    """After the last day of the file its rate is given with its day, and the policy finds it stale."""
    late = datetime(2026, 11, 20, 12, tzinfo=UTC)
    rate = ecb.rate("EUR", "USD", late, DISPLAY)
    assert rate.published == ecb.last_day == date(2026, 10, 30)
    with pytest.raises(RateUnavailable, match="too old"):
        check_rate(rate, ExchangePolicy(), late)


def test_a_moment_without_a_zone_is_refused(ecb: EcbRates) -> None:
    """A naive time names no moment."""
    with pytest.raises(InvalidInput):
        ecb.rate("EUR", "USD", datetime(2020, 1, 1), DISPLAY)  # noqa: DTZ001 - the point


def test_each_purpose_has_its_spread(tmp_path: Path) -> None:
    """A spread of a purpose goes before the one for all; a purpose that is not served has no rate."""
    file = tmp_path / "rates.csv"
    file.write_text("Date,USD,JPY,\n2026-10-30,1.25,N/A,\n2026-10-29,1.2,150,\n", "utf-8")
    ecb = EcbRates(
        purposes=(RatePurpose.DISPLAY, RatePurpose.LEDGER),
        spread=Percent.of("2"),
        spreads={RatePurpose.LEDGER: Percent(0)},
        file=file,
    )
    at = datetime(2026, 10, 30, 16, tzinfo=UTC)
    shown = ecb.rate("EUR", "USD", at, RatePurpose.DISPLAY)
    assert Fraction(shown.numerator, shown.denominator) == Fraction("1.275")
    assert shown.spread == Percent.of("2")
    booked = ecb.rate("EUR", "USD", at, RatePurpose.LEDGER)
    assert Fraction(booked.numerator, booked.denominator) == Fraction("1.25")
    with pytest.raises(RateUnavailable, match="customs"):
        ecb.rate("EUR", "USD", at, RatePurpose.CUSTOMS)


@pytest.mark.parametrize("text", [None, "", "Date,USD\n2026-10-30,x\n", "Date,USD\nsome day,1\n"])
def test_a_file_that_is_no_list_of_rates_is_refused(text: str | None, tmp_path: Path) -> None:
    """A file that is missing, empty or garbled is an invalid document, not a crash."""
    file = tmp_path / "rates.csv"
    if text is not None:
        file.write_text(text, "utf-8")
    with pytest.raises(InvalidDocument):
        EcbRates(file=file)


@pytest.mark.parametrize(
    ("base", "purpose", "path"),
    [(None, DISPLAY, "base"), (["EUR"], DISPLAY, "base"), ("EUR", "display", "purpose")],
)
def test_what_is_no_currency_and_no_purpose_is_refused(
    ecb: EcbRates, base: object, purpose: object, path: str
) -> None:
    """A currency is text and a purpose one of the known; the refusal names the argument."""
    at = datetime(2020, 1, 2, 16, tzinfo=UTC)
    with pytest.raises(InvalidInput) as caught:
        ecb.rate(base, "USD", at, purpose)  # type: ignore[arg-type]
    assert caught.value.path == path


def test_before_the_euro_there_are_no_rates(ecb: EcbRates) -> None:
    """At the beginning of the calendar and the day before the first publication, none is found."""
    first = datetime(1999, 1, 4, 15, tzinfo=UTC)
    assert ecb.rate("EUR", "USD", first, DISPLAY).published == first.date()
    for at in (datetime.min.replace(tzinfo=UTC), first - timedelta(seconds=1)):
        with pytest.raises(RateUnavailable):
            ecb.rate("EUR", "USD", at, DISPLAY)
