"""Tax on a quote: dated rates by place and category, and the rule of rounding.

A rate names its country, category and first and last day, because a sale of another day
is taxed by the rate of that day. Rates are exact (parts per million).
"""

from __future__ import annotations

import enum
from datetime import date, datetime
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import attrs

from ordercore.errors import InvalidCart, InvalidPolicy
from ordercore.money import Percent, Rounding
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.party import Destination
    from ordercore.pricing.profile import RoundingProfile

SHIPPING_CATEGORY = "shipping"

__all__ = [
    "EU_COUNTRIES",
    "SHIPPING_CATEGORY",
    "ComponentRounding",
    "ExternalRow",
    "ExternalTax",
    "PriceBasis",
    "RoundedFigure",
    "RoundingScope",
    "ShippingTax",
    "TaxPart",
    "TaxPolicy",
    "TaxRate",
    "TaxRequest",
    "TaxRequestRow",
    "TaxTreatment",
    "VatIdCheck",
]

EU_COUNTRIES = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)
"""The member states of the European Union, as of 2020-02-01 (ISO 3166-1; the EU itself writes EL for GR)."""


class RoundingScope(enum.Enum):
    """At which level tax is rounded to minor units. It changes the tax (see the pitfalls)."""

    UNIT = "unit"
    """Each unit's tax, then added up."""
    LINE = "line"
    """Each line's tax, then added up."""
    RATE = "rate"
    """Once per rate for the whole order, then shared over lines and charges
    (as a JP qualified invoice: once per rate and invoice)."""
    ORDER = "order"
    """Once for the whole order over all rates, then shared (once for each component, where those are
    rounded one by one)."""
    NONE = "none"
    """Only what is to be paid is rounded: the exact total of the order, once."""


class ComponentRounding(enum.Enum):
    """How several components of tax on one row (state and county, GST and PST) are rounded."""

    SUM = "sum"
    """The sum of the rates is one rate: its tax is rounded, then shared over the components."""
    EACH = "each"
    """Each component's tax is rounded by itself, at the level of the policy's scope. Where one other figure
    is rounded (the net inside a price, or what is to be paid) there is nothing to round each of: as ``SUM``."""


class RoundedFigure(enum.Enum):
    """Which figure of a price that includes tax is rounded; the other is the difference."""

    TAX = "tax"
    NET = "net"


class ShippingTax(enum.Enum):
    """By what rate shipping and fees are taxed."""

    OWN = "own"
    """By their own category."""
    MAIN = "main"
    """As the main supply: the category of the lines that come to most."""
    WEIGHTED = "weighted"
    """In the proportion of the lines' rates: each rate's part of the charge is taxed by it."""


class PriceBasis(enum.Enum):
    """What stays fixed when a price that includes the home country's tax is sold elsewhere."""

    GROSS_FIXED = "gross_fixed"
    """The shown price: 120.00 in the UK is 120.00 in Germany, with 19.16 of tax inside."""
    NET_FIXED = "net_fixed"
    """The price without tax: 120.00 in the UK is 119.00 in Germany."""


class TaxTreatment(enum.Enum):
    """Why a row bears the tax it does. EN 16931 knows the same cases (UNTDID 5305)."""

    __hash__ = object.__hash__

    STANDARD = "standard"
    """By its rate (S)."""
    ZERO = "zero"
    """By a rate of 0 % (Z)."""
    EXEMPT = "exempt"
    """The goods or the buyer are exempt (E)."""
    REVERSE_CHARGE = "reverse_charge"
    """The buyer accounts for it (AE): services to a business of another member state, Directive 2006/112/EC Art. 196."""
    INTRA_COMMUNITY = "intra_community"
    """Goods to a business of another member state (K), Art. 138."""
    EXPORT = "export"
    """Goods that leave the tax territory (G), Art. 146."""
    OUT_OF_SCOPE = "out_of_scope"
    """No supply: the sale of a multi-purpose voucher (O), Art. 30b(2)."""


@value
class TaxRate:
    """One rate. ``country`` ``""`` is any; ``region`` ``""`` is any; dates are inclusive, ``None`` is open.

    ``component`` tells taxes apart that stand on the same goods (``"state"``, ``"county"``; ``"GST"``,
    ``"PST"``): the most special rate of each component applies, and they add up.
    ``compound`` is charged on the price and the components before it, in the order of the list.
    ``postcode`` is a prefix. ``treatment`` makes a category exempt rather than zero-rated.
    """

    percent: Percent
    category: str = "standard"
    country: str = ""
    region: str = ""
    first_day: date | None = None
    last_day: date | None = None
    name: str = ""
    source: str = ""
    component: str = ""
    compound: bool = False
    postcode: str = ""
    treatment: TaxTreatment = TaxTreatment.STANDARD


@value
class TaxPart:
    """One component of a row's tax: ``tax`` of ``ppm`` on ``net``, in minor units.

    Components that stand on one another have the same net; parts of a charge that is taxed
    in the proportion of the lines have each its own.
    """

    name: str
    ppm: int
    net: int
    tax: int
    compound: bool = False


@value
class VatIdCheck:
    """What was found of a buyer's VAT id, by whom and when; frozen on the quote as evidence."""

    vat_id: str
    country: str
    valid: bool
    source: str
    at: datetime


@value
class ExternalRow:
    """The tax of one line or charge as an external engine has it; the parts add up to the tax."""

    id: str
    parts: tuple[TaxPart, ...]
    treatment: TaxTreatment = TaxTreatment.STANDARD


@value
class ExternalTax:
    """A whole calculation of an external engine, which the quote takes as it is."""

    rows: tuple[ExternalRow, ...]
    source: str
    at: datetime
    reference: str = ""


@value
class TaxRequestRow:
    """One line or charge as an external engine is asked about it; amounts as in `QuoteLine`.

    Tax stands on ``amount`` + ``funded``; ``sku`` is empty for a charge, and ``quantity`` 0.
    """

    id: str
    sku: str
    category: str
    quantity: int
    amount: int
    funded: int
    included: bool


@value
class TaxRequest:
    """What an external tax engine is asked: rows after discounts, who buys, where to, when."""

    currency: str
    to: Destination
    at: datetime
    customer: str
    vat_id: str
    exempt: str
    rows: tuple[TaxRequestRow, ...]


class _Rates(NamedTuple):
    """The rates of a policy by place and category, each with its position in the list.

    ``plain`` is true where no rate has a component or a postcode: then one rate fits, the first found.
    """

    by_key: Mapping[tuple[str, str, str], tuple[tuple[int, TaxRate], ...]]
    plain: bool


def _by_key(rates: tuple[TaxRate, ...]) -> _Rates:
    index: dict[tuple[str, str, str], list[tuple[int, TaxRate]]] = {}
    plain = True
    for place, rate in enumerate(rates):
        index.setdefault((rate.country, rate.region, rate.category), []).append((place, rate))
        plain = plain and not rate.component and not rate.postcode
    return _Rates({key: tuple(found) for key, found in index.items()}, plain)


@value
class TaxPolicy:
    """How a shop taxes: the rates, whether its prices include tax, rounding.

    ``default`` is the rate where no rate of ``rates`` fits; ``None`` refuses such a cart.
    If it is not given, it is 0 % for a shop without rates, and ``None`` for one with rates:
    a category that is misspelled is no reason to sell without tax.
    Shipping without a rate of its own is taxed as ``standard``.
    The most special fit wins: postcode, then country and region, then country, then any.

    ``home`` is where the shop's own tax applies; with `PriceBasis.NET_FIXED`, prices that include its tax
    are taken without it when they are sold elsewhere. ``union`` are the countries (with ``home``)
    whose businesses account for tax themselves: a buyer with a valid VAT id of another of them
    pays none (see `TaxTreatment`). List ``XI`` there as well to sell goods to Northern Ireland in this way.
    """

    rates: tuple[TaxRate, ...] = ()
    prices_include_tax: bool = True
    rounding: Rounding = Rounding.HALF_UP
    scope: RoundingScope = RoundingScope.LINE
    default: Percent | None = attrs.field(
        default=attrs.Factory(lambda self: None if self.rates else Percent(0), takes_self=True)
    )
    rounded: RoundedFigure = RoundedFigure.TAX
    components: ComponentRounding = ComponentRounding.SUM
    charges: ShippingTax = ShippingTax.OWN
    home: Destination | None = None
    abroad: PriceBasis = PriceBasis.GROSS_FIXED
    union: tuple[str, ...] = ()
    _index: _Rates = attrs.field(
        init=False,
        eq=False,
        repr=False,
        default=attrs.Factory(lambda self: _by_key(self.rates), takes_self=True),
    )

    def rate(self, category: str, to: Destination, day: date, path: str = "") -> TaxRate:
        """The rate for ``category`` at ``to`` on ``day``, the first of several components;
        raises `InvalidCart` where none fits."""
        return self.components_of(category, to, day, path)[0]

    def components_of(
        self, category: str, to: Destination, day: date, path: str = ""
    ) -> tuple[TaxRate, ...]:
        """The rate of each component for ``category`` at ``to`` on ``day``, in the order of the list.

        Of one component's rates the most special wins: the longest postcode, then region, then country.
        Raises `InvalidCart` at ``path`` where none fits and there is no default.
        """
        found = self._fitting(category, to, day)
        if found:
            return found
        if category == SHIPPING_CATEGORY and self.rates:
            return self.components_of("standard", to, day, path)
        if self.default is not None:
            return (TaxRate(self.default, category),)
        reason = f"no tax rate for category {category!r} in country {to.country!r} on {day}"
        known = tuple(sorted({rate.category for rate in self.rates}))
        raise InvalidCart(reason, path=path, category=category, country=to.country, known=known)

    def _fitting(self, category: str, to: Destination, day: date) -> tuple[TaxRate, ...]:
        by_key, plain = self._index
        country = to.country
        best: dict[str, tuple[tuple[int, int], int, TaxRate]] = {}
        for level, key in enumerate(
            ((country, to.region, category), (country, "", category), ("", "", category))
        ):
            for place, rate in by_key.get(key, ()):
                if (rate.first_day is not None and day < rate.first_day) or (
                    rate.last_day is not None and rate.last_day < day
                ):
                    continue
                if plain:
                    return (rate,)
                if not to.postcode.startswith(rate.postcode):
                    continue
                rank = (len(rate.postcode), -level)
                known = best.get(rate.component)
                if known is None or known[0] < rank:
                    best[rate.component] = (rank, place, rate)
        return tuple([rate for _, _, rate in sorted(best.values(), key=lambda one: one[1])])

    def rounded_as(self, profile: RoundingProfile) -> TaxPolicy:
        """The same rates, rounded as ``profile`` says."""
        return TaxPolicy(
            self.rates,
            self.prices_include_tax,
            profile.rounding,
            profile.scope,
            self.default,
            profile.rounded,
            profile.components,
            self.charges,
            self.home,
            self.abroad,
            self.union,
        )

    def check(self, path: str = "tax") -> None:
        """Raise `InvalidPolicy` where a rate is malformed, where two rates for the same goods, place and
        component overlap in time, or where ``home`` is missing or no country."""
        for place, rate in enumerate(self.rates):
            reason = _wrong_rate(rate)
            if reason:
                raise InvalidPolicy(reason, path=f"{path}.rates[{place}]")
        if self.default is not None and _wrong_percent(self.default):
            reason = "a rate is 0 to 10,000 percent, as a Percent"
            raise InvalidPolicy(reason, path=f"{path}.default")
        self._check_overlaps(path)
        if self.home is None and (self.union or self.abroad is PriceBasis.NET_FIXED):
            reason = "a union and net_fixed prices need a home: whose tax do the prices include"
            raise InvalidPolicy(reason, path=f"{path}.home")
        if self.home is not None and not _is_country(self.home.country):
            raise InvalidPolicy(_COUNTRY, path=f"{path}.home.country")
        for place, country in enumerate(self.union):
            if not _is_country(country):
                raise InvalidPolicy(_COUNTRY, path=f"{path}.union[{place}]")

    def _check_overlaps(self, path: str) -> None:
        same: dict[tuple[str, ...], list[tuple[date, int, TaxRate]]] = {}
        for place, rate in enumerate(self.rates):
            key = (rate.country, rate.region, rate.category, rate.postcode, rate.component)
            same.setdefault(key, []).append((rate.first_day or date.min, place, rate))
        for found in same.values():
            for (_, _, left), (first, later, _) in pairwise(sorted(found, key=itemgetter(0, 1))):
                if left.last_day is None or first <= left.last_day:
                    where = left.country or "any country"
                    reason = f"two rates for {left.category!r} in {where!r} overlap"
                    raise InvalidPolicy(
                        reason,
                        path=f"{path}.rates[{later}]",
                        first_day=str(self.rates[later].first_day),
                    )


_PPM_MAX = 100_000_000  # 10,000 percent, as `Percent.of` reads it
_COUNTRY = "a country is two capitals of ISO 3166-1: 'DE'"


def _is_country(code: object) -> bool:
    return isinstance(code, str) and len(code) == 2 and code.isascii() and code.isupper()


def _wrong_percent(percent: object) -> bool:
    if not isinstance(percent, Percent) or type(percent.ppm) is not int:
        return True
    return not 0 <= percent.ppm <= _PPM_MAX


def _wrong_rate(rate: TaxRate) -> str:
    """What is wrong with one rate by itself, ``""`` for nothing."""
    if _wrong_percent(rate.percent):
        return "a rate is 0 to 10,000 percent, as a Percent"
    if rate.country and not _is_country(rate.country):
        return _COUNTRY
    if not rate.country and (rate.region or rate.postcode):
        return "a region and a postcode need their country"
    if rate.treatment is not TaxTreatment.STANDARD and rate.percent.ppm:
        return f"goods that are {rate.treatment.value} bear 0 percent"
    if rate.first_day is not None and rate.last_day is not None and rate.last_day < rate.first_day:
        return "a rate ends before it begins"
    return ""
