"""Tax on a quote: dated rates by place and category, and the rule of rounding.

A rate names its country, category and first and last day, because a sale of another day
is taxed by the rate of that day. Rates are exact (parts per million).
"""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import attrs

from ordercore.clock import utc
from ordercore.errors import InvalidCart, InvalidInput, InvalidPolicy
from ordercore.money import Percent, Rounding
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.party import Destination
    from ordercore.pricing.profile import RoundingProfile

SHIPPING_CATEGORY = "shipping"
_KNOWN_MAX = 1_024

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
    """What stays fixed when a price that includes the home country's tax is sold elsewhere.

    A buyer who bears no tax (exempt, or a business that accounts for it) pays the price without
    the tax inside it by either. Goods that are exported cost the shown price by ``GROSS_FIXED``.
    """

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
    Inside a price is the tax of ``home``, or without one that of the destination: a buyer who bears none
    pays the price without it. A destination without a country is ``home``.

    ``zone`` is where the shop's days begin, by its name in the IANA time zone database
    (``"Europe/Berlin"``): a rate of a day holds from midnight there.
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
    zone: str = "UTC"
    # What was looked up before: a shop sells to few places, on one day, in few categories.
    # Looking up again gives the same, so the policy is no other for it.
    _known: dict[tuple[object, ...], tuple[TaxRate, ...]] = attrs.field(
        init=False, eq=False, repr=False, factory=dict
    )
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
        Where ``to`` names no country, it is ``home``.
        Raises `InvalidCart` at ``path`` where none fits and there is no default.
        """
        if not to.country and self.home is not None:
            to = self.home
        plain = self._index[1]
        key = (category, to.country, to.region, "" if plain else to.postcode, day)
        found = self._known.get(key)
        if found is not None:
            return found
        found = self._fitting(category, to, day)
        if not found and category == SHIPPING_CATEGORY and self.rates:
            found = self.components_of("standard", to, day, path)
        if not found and self.default is not None:
            found = (TaxRate(self.default, category),)
        if found:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[key] = found
            return found
        reason = f"no tax rate for category {category!r} in country {to.country!r} on {day}"
        known = tuple(sorted({rate.category for rate in self.rates}))
        raise InvalidCart(reason, path=path, category=category, country=to.country, known=known)

    def is_home(self, to: Destination) -> bool:
        """Whether the shop's own tax applies at ``to``."""
        home = self.home
        return home is not None and to.country == home.country and home.region in {"", to.region}

    def day(self, at: datetime) -> date:
        """The day at the moment ``at`` in the shop's zone, whose rates hold.

        Raises `InvalidInput` for a time without a zone, `InvalidPolicy` for an unknown ``zone``.
        """
        if at.tzinfo is not UTC:
            at = utc(at, "at")
        return at.date() if self.zone == "UTC" else _day_in(self.zone, at, "tax")

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
            self.zone,
        )

    def check(self, path: str = "tax") -> None:
        """Raise `InvalidPolicy` where a rate is malformed, where two rates for the same goods, place and
        component overlap in time, where ``home`` is missing or no country, or ``zone`` unknown."""
        for place, rate in enumerate(self.rates):
            reason = _wrong_rate(rate)
            if reason:
                raise InvalidPolicy(reason, path=f"{path}.rates[{place}]")
        if self.zone != "UTC":
            _day_in(self.zone, _SOME_DAY, path)
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
            for (_, early, left), (first, later, _) in pairwise(
                sorted(found, key=itemgetter(0, 1))
            ):
                if left.last_day is None or first <= left.last_day:
                    where = left.country or "any country"
                    until = f"until {left.last_day}" if left.last_day else "without end"
                    reason = (
                        f"two rates for {left.category!r} in {where!r} overlap: "
                        f"rates[{early}] holds {until}"
                    )
                    raise InvalidPolicy(
                        reason,
                        path=f"{path}.rates[{later}]",
                        first_day=str(self.rates[later].first_day),
                    )


_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def _day_in(zone: str, at: datetime, path: str) -> date:
    """The day at ``at`` in ``zone``; raises `InvalidPolicy` for one that is not known."""
    from zoneinfo import ZoneInfo  # a shop of UTC needs no database of zones

    try:
        there = ZoneInfo(zone) if type(zone) is str else None
    except (KeyError, ValueError, OSError):
        there = None
    if there is None:
        reason = "a zone is a name of the IANA time zone database: 'Europe/Berlin'"
        raise InvalidPolicy(reason, path=f"{path}.zone", zone=str(zone)[:40])
    try:
        return at.astimezone(there).date()
    except OverflowError:
        raise InvalidInput("it is beyond the calendar", path="at") from None


_PPM_MAX = 100_000_000  # 10,000 percent, as `Percent.of` reads it
_RATE_TEXTS = ("category", "country", "region", "name", "source", "component", "postcode")
_DAYS = (date, type(None))
_COUNTRY = "a country is two capitals of ISO 3166-1: 'DE'"


def _is_country(code: object) -> bool:
    return isinstance(code, str) and len(code) == 2 and code.isascii() and code.isupper()


def _wrong_percent(percent: object) -> bool:
    if not isinstance(percent, Percent) or type(percent.ppm) is not int:
        return True
    return not 0 <= percent.ppm <= _PPM_MAX


def _wrong_rate(rate: TaxRate) -> str:
    """What is wrong with one rate by itself, ``""`` for nothing."""
    if not isinstance(rate, TaxRate):
        return "it is not a TaxRate"
    for name in _RATE_TEXTS:
        if type(getattr(rate, name)) is not str:
            return f"the {name} of a rate is a text"
    if type(rate.compound) is not bool or type(rate.treatment) is not TaxTreatment:
        return "compound is True or False, and a treatment is a TaxTreatment"
    if type(rate.first_day) not in _DAYS or type(rate.last_day) not in _DAYS:
        return "a first and a last day are a date without a time, or None"
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
