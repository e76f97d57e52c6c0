"""Amounts of a cart as they stand on its quote, and how they got there from a catalog's currency."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from ordercore.money import decimal_text, divide, exponent, to_minor
from ordercore.pricing.exchange import RatePurpose, rate_for, rate_text
from ordercore.pricing.explain.tree import Explanation

if TYPE_CHECKING:
    from ordercore.money import Money
    from ordercore.pricing.exchange import ExchangeRate
    from ordercore.pricing.quote import Quote

__all__ = ["exchanged_exactly", "minor_text", "rate_inputs", "shown"]


def minor_text(amount: int, currency: str) -> str:
    """Plain text of an amount in minor units."""
    return decimal_text(amount, currency)


def exchanged_exactly(amount: int, rate: ExchangeRate) -> Fraction:
    """Minor units of ``rate.quote`` for minor units of ``rate.base``, not rounded."""
    top = amount * rate.numerator * 10 ** exponent(rate.quote)
    return Fraction(top, rate.denominator * 10 ** exponent(rate.base))


def rate_inputs(rate: ExchangeRate) -> tuple[tuple[str, str], ...]:
    """Where a rate of exchange comes from."""
    inputs = [
        ("rate", rate_text(rate)),
        ("fraction", f"{rate.numerator}/{rate.denominator}"),
        ("purpose", rate.purpose.value),
        ("source", rate.source),
        ("published", rate.published.isoformat()),
        ("asked at", rate.at.isoformat()),
    ]
    if rate.spread.ppm:
        inputs.append(("spread", f"{rate.spread} %"))
    return tuple(inputs)


def shown(quote: Quote, amount: Money, name: str) -> tuple[int, list[Explanation]]:
    """An amount of the cart in the quote's currency, and how it got there from the catalog's."""
    code = amount.currency.code
    listed = to_minor(amount, code)
    if code == quote.currency:
        return listed, []
    rate = rate_for(quote.facts.rates, code, quote.currency, RatePurpose.DISPLAY)
    if rate is None:
        return listed, []
    exact = exchanged_exactly(listed, rate)
    rounding = quote.policy.exchange.rounding
    found = divide(exact.numerator, exact.denominator, rounding)
    return found, [
        Explanation(f"{name} in the catalog", listed, "as the cart says", currency=code),
        Explanation(
            f"{name} exchanged",
            found,
            rate_text(rate),
            (),
            (),
            rate_inputs(rate),
            f"{rounding.value} for the {name}",
            exact - found,
        ),
    ]
