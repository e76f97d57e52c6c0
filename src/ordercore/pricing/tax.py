"""Tax on a quote: dated rates by place and category, and the rule of rounding.

A rate names its country, category and first and last day, because a sale of another day
is taxed by the rate of that day. Rates are exact (parts per million).
"""

from __future__ import annotations

import enum
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs

from ordercore.errors import InvalidCart, InvalidPolicy
from ordercore.money import Percent, Rounding
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.party import Destination

SHIPPING_CATEGORY = "shipping"

__all__ = ["SHIPPING_CATEGORY", "RoundingScope", "TaxPolicy", "TaxRate", "included_tax"]


class RoundingScope(enum.Enum):
    """At which level tax is rounded to minor units. It changes the tax (see the pitfalls)."""

    UNIT = "unit"
    """Each unit's tax, then added up."""
    LINE = "line"
    """Each line's tax, then added up."""
    ORDER = "order"
    """Once per rate for the whole order, then shared over lines and charges
    (as a JP qualified invoice: once per rate and invoice)."""


@value
class TaxRate:
    """One rate. ``country`` ``""`` is any; ``region`` ``""`` is any; dates are inclusive, ``None`` is open."""

    percent: Percent
    category: str = "standard"
    country: str = ""
    region: str = ""
    first_day: date | None = None
    last_day: date | None = None
    name: str = ""
    source: str = ""


def _by_key(rates: tuple[TaxRate, ...]) -> Mapping[tuple[str, str, str], tuple[TaxRate, ...]]:
    index: dict[tuple[str, str, str], list[TaxRate]] = {}
    for rate in rates:
        index.setdefault((rate.country, rate.region, rate.category), []).append(rate)
    return {key: tuple(found) for key, found in index.items()}


@value
class TaxPolicy:
    """How a shop taxes: the rates, whether its prices include tax, rounding.

    ``default`` is the rate where no rate of ``rates`` fits; ``None`` refuses such a cart.
    If it is not given, it is 0 % for a shop without rates, and ``None`` for one with rates:
    a category that is misspelled is no reason to sell without tax.
    Shipping without a rate of its own is taxed as ``standard``.
    The most special fit wins: country and region, then country, then any.
    """

    rates: tuple[TaxRate, ...] = ()
    prices_include_tax: bool = True
    rounding: Rounding = Rounding.HALF_UP
    scope: RoundingScope = RoundingScope.LINE
    default: Percent | None = attrs.field(
        default=attrs.Factory(lambda self: None if self.rates else Percent(0), takes_self=True)
    )
    _index: Mapping[tuple[str, str, str], tuple[TaxRate, ...]] = attrs.field(
        init=False,
        eq=False,
        repr=False,
        default=attrs.Factory(lambda self: _by_key(self.rates), takes_self=True),
    )

    def rate(self, category: str, to: Destination, day: date, path: str = "") -> TaxRate:
        """The rate for ``category`` at ``to`` on ``day``; raises `InvalidCart` where none fits."""
        for key in (
            (to.country, to.region, category),
            (to.country, "", category),
            ("", "", category),
        ):
            for rate in self._index.get(key, ()):
                if (rate.first_day is None or rate.first_day <= day) and (
                    rate.last_day is None or day <= rate.last_day
                ):
                    return rate
        if category == SHIPPING_CATEGORY and self.rates:
            return self.rate("standard", to, day, path)
        if self.default is not None:
            return TaxRate(self.default, category)
        reason = f"no tax rate for category {category!r} in country {to.country!r} on {day}"
        known = tuple(sorted({rate.category for rate in self.rates}))
        raise InvalidCart(reason, path=path, category=category, country=to.country, known=known)

    def check(self, path: str = "tax") -> None:
        """Raise `InvalidPolicy` where two rates for the same goods and place overlap in time."""
        for found in self._index.values():
            dated = sorted(found, key=lambda rate: rate.first_day or date.min)
            for left, right in pairwise(dated):
                if left.last_day is None or (right.first_day or date.min) <= left.last_day:
                    place = left.country or "any country"
                    reason = f"two rates for {left.category!r} in {place!r} overlap"
                    where = f"{path}.rates[{self.rates.index(right)}]"
                    raise InvalidPolicy(reason, path=where, first_day=str(right.first_day))


def included_tax(amount: int, ppm: int) -> tuple[int, int]:
    """The tax inside ``amount`` as an exact fraction (numerator, denominator): amount x r / (1 + r)."""
    return amount * ppm, 1_000_000 + ppm
