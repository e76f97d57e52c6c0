"""Stripe's units of money, which are not those of ISO 4217 everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.adapters.stripe import iso_amount, stripe_amount
from ordercore.errors import InvalidMoney, UnknownCurrency
from ordercore.money import EXPONENTS


@pytest.mark.parametrize(
    ("currency", "amount", "units"),
    [
        ("USD", 1000, 1000),  # 10 dollars
        ("JPY", 500, 500),  # 500 yen
        ("ISK", 5, 500),  # 5 krónur: two decimals, always 00
        ("UGX", 5, 500),
        ("HUF", 1045, 1045),  # whole forints in payouts alone
        ("TWD", 80045, 80045),
        ("MGA", 500, 5),  # ISO gives the ariary two decimals, Stripe none
        ("KWD", 5120, 5120),
        ("BHD", 10, 10),
    ],
)
def test_published_examples_hold(currency: str, amount: int, units: int) -> None:
    """The examples of Stripe's page on currencies, there and back."""
    assert stripe_amount(amount, currency) == units
    assert iso_amount(units, currency) == amount


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("KWD", 5124), ("TND", 1), ("MGA", 501), ("IQD", 10), ("LYD", 10), ("CLF", 100), ("UYW", 100)],
)
def test_what_stripe_cannot_take_is_refused(currency: str, amount: int) -> None:
    """A third decimal, a part of an ariary, a currency without units at Stripe: none is rounded."""
    with pytest.raises(InvalidMoney) as caught:
        stripe_amount(amount, currency)
    assert caught.value.data["currency"] == currency


def test_a_fraction_of_ours_is_refused() -> None:
    """5.5 krónur are no amount of krónur."""
    with pytest.raises(InvalidMoney):
        iso_amount(550, "ISK")


def test_a_currency_of_no_list_is_refused() -> None:
    """Stripe may know it one day; its decimals are not guessed."""
    with pytest.raises(UnknownCurrency):
        stripe_amount(100, "QQQ")


@given(st.sampled_from(sorted(EXPONENTS)), st.integers(0, 10**12))
def test_l1_no_minor_unit_is_lost_on_the_way(currency: str, amount: int) -> None:
    """An amount comes back as it went, or is refused; it is never another."""
    try:
        units = stripe_amount(amount, currency)
    except InvalidMoney:
        return
    assert iso_amount(units, currency) == amount
