"""Duty by the longest prefix, the origin and the day; rates without source are refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidPolicy
from ordercore.money import Percent
from ordercore.pricing.duty import (
    ConsumptionTax,
    DutyRate,
    Tariff,
    check_consumption,
    consumption_rate,
    hs_digits,
)

START, DAY = date(2020, 1, 1), date(2026, 11, 22)
SOURCE = "TARIC, 2026-11-22"


def rate(hs: str, percent: str, to: str = "EU", origin: str = "", **more: Any) -> DutyRate:
    """A rate of duty of the sample tariff."""
    fields: dict[str, Any] = {"first_day": START, "source": SOURCE, "origin": origin, **more}
    return DutyRate(hs, Percent.of(percent), to, **fields)


TARIFF = Tariff(
    (
        rate("61", "12"),
        rate("6109", "10"),
        rate("6109", "0", origin="TR"),
        rate("610910", "11"),
        rate("64", "17", last_day=date(2025, 12, 31)),
        rate("64", "8", first_day=date(2026, 1, 1)),
        rate("", "2", "US"),
        rate("6109", "16.5", "US"),
        rate("", "10", "US", name="reciprocal", additional=True),
        rate("", "20", "US", "CN", name="reciprocal", additional=True),
        rate("61", "7.5", "US", "CN", name="301", additional=True),
    )
)


@pytest.mark.parametrize(
    ("hs", "origin", "to", "expected"),
    [
        ("610910", "CN", "DE", "11"),
        ("6109.90.00", "CN", "DE", "10"),
        ("610990", "TR", "FR", "0"),
        ("610910", "TR", "FR", "11"),
        ("611020", "TR", "FR", "12"),
        ("640399", "CN", "DE", "8"),
        ("850440", "CN", "DE", "0"),
        ("", "", "DE", "0"),
        ("850440", "VN", "US", "12"),
        ("610910", "VN", "US", "26.5"),
        ("610910", "CN", "US", "44"),
        ("850440", "CN", "US", "22"),
    ],
)
def test_the_longest_prefix_wins_and_additional_rates_add(
    hs: str, origin: str, to: str, expected: str
) -> None:
    """Prefix before origin, origin before any, one additional rate of each name on top."""
    assert TARIFF.percent(hs, origin, to, DAY)[0] == Percent.of(expected)


def test_the_rate_is_that_of_the_day() -> None:
    """Shoes bore 17 % in 2025 and bear 8 % in 2026."""
    assert TARIFF.percent("640399", "CN", "DE", date(2025, 12, 31))[0] == Percent.of("17")
    assert TARIFF.percent("640399", "CN", "DE", date(2026, 1, 1))[0] == Percent.of("8")
    assert TARIFF.percent("640399", "CN", "DE", date(2019, 12, 31)) == (Percent(0), ())


def test_a_duty_names_the_rates_it_is_made_of() -> None:
    """The ordinary rate comes first, and no rate at all is an empty tuple."""
    _, found = TARIFF.percent("610910", "CN", "US", DAY)
    assert [each.additional for each in found] == [False, True, True]
    assert {each.name for each in found} == {"", "reciprocal", "301"}
    assert TARIFF.percent("850440", "CN", "DE", DAY) == (Percent(0), ())


@given(st.text("0123456789", max_size=12), st.sampled_from(["", "CN", "TR", "VN"]))
def test_a_duty_is_the_sum_of_its_rates(code: str, origin: str) -> None:
    """Whatever the code, the percentage is what the named rates add up to, each with a prefix of the code."""
    for to in ("DE", "US"):
        percent, found = TARIFF.percent(code, origin, to, DAY)
        assert percent.ppm == sum(each.percent.ppm for each in found)
        assert all(code.startswith(each.hs) for each in found)
        assert len([each for each in found if not each.additional]) <= 1


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (rate("61", "12", source=" "), "source"),
        (rate("61", "12", first_day=None), "first_day"),
        (rate("61", "12", last_day=date(2019, 1, 1)), "last_day"),
        (rate("61a", "12"), "hs"),
        (rate("6" * 13, "12"), "hs"),
        (rate("61", "12", to="Europe"), "destination"),
        (rate("61", "12", origin="CHN"), "origin"),
        (rate("61", "12", additional=True), "name"),
    ],
)
def test_a_duty_rate_without_source_date_or_code_is_refused(wrong: DutyRate, path: str) -> None:
    """A rate that does not say what it is on, since when and who says so, is refused."""
    TARIFF.check()
    with pytest.raises(InvalidPolicy) as caught:
        Tariff((rate("62", "12"), wrong)).check("border.tariff")
    assert caught.value.path == f"border.tariff.rates[1].{path}"


def test_two_rates_for_the_same_goods_on_one_day_are_refused() -> None:
    """Overlapping rates would make the duty a matter of their order."""
    with pytest.raises(InvalidPolicy, match="overlap"):
        Tariff((rate("61", "12"), rate("61", "10", first_day=DAY))).check()


def test_points_and_blanks_of_a_printed_code_do_not_matter() -> None:
    """6109.10 00 and 61091000 are one code."""
    assert hs_digits("6109.10 00") == "61091000"


COSMETICS = ConsumptionTax("3304", Percent.of("15"), "CN", START, "Cai Shui [2016] No. 103")


def test_consumption_tax_is_by_the_longest_prefix() -> None:
    """A longer code wins, another country and another day bear none."""
    eyes = ConsumptionTax("330420", Percent.of("5"), "CN", START, SOURCE, date(2026, 12, 31))
    taxes = (eyes, COSMETICS)
    assert consumption_rate(taxes, "3304.99", "CN", DAY) is COSMETICS
    assert consumption_rate(taxes, "330420", "CN", DAY) is eyes
    assert consumption_rate(taxes, "330420", "CN", date(2027, 1, 1)) is COSMETICS
    assert consumption_rate(taxes, "330420", "DE", DAY) is None
    assert consumption_rate(taxes, "640399", "CN", DAY) is None


def test_a_tax_inside_the_price_is_below_the_price() -> None:
    """At 100 % there would be no price that contains it."""
    check_consumption((COSMETICS,), "consumption")
    whole = ConsumptionTax("33", Percent.of("100"), "CN", START, SOURCE)
    with pytest.raises(InvalidPolicy) as caught:
        check_consumption((COSMETICS, whole), "consumption")
    assert caught.value.path == "consumption[1].percent"
    with pytest.raises(InvalidPolicy, match="overlap"):
        check_consumption((COSMETICS, COSMETICS), "consumption")
