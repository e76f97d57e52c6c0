"""Regimes for small consignments: by which limits, from when to when, and who says so.

A limit without dates is a trap: the one of the United States was current until 2025-08-28
and is not any more. So a `Regime` names its first day and its source, `REGIMES` keeps those
that have ended, and `check_regimes` refuses one that does not say where it comes from.

Monaco stands with the EU and the Isle of Man with the United Kingdom, whose tax and customs territories
they belong to. Left out: Northern Ireland (here a part of ``GB``), the overseas territories of member states,
limits below which a country does not bother to collect (CH, CA, JP, ...).
"""

from __future__ import annotations

import enum
from datetime import date
from typing import TYPE_CHECKING

from ordercore.errors import InvalidPolicy
from ordercore.money import EXPONENTS, Percent
from ordercore.pricing.tax import EU_COUNTRIES
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "REGIMES",
    "Regime",
    "RegimeDuty",
    "RegimeId",
    "RegimeTest",
    "check_regimes",
    "customs_territory",
    "is_country",
    "regimes_of",
]


class RegimeId(enum.Enum):
    """A set of rules by which a country lets small consignments in."""

    __hash__ = object.__hash__

    EU_IOSS = "eu_ioss"
    EU_DUTY_RELIEF = "eu_duty_relief"
    EU_FLAT_DUTY = "eu_flat_duty"
    UK_LOW_VALUE = "uk_low_value"
    UK_DUTY_RELIEF = "uk_duty_relief"
    NO_VOEC = "no_voec"
    NZ_LOW_VALUE = "nz_low_value"
    NZ_BORDER_RELIEF = "nz_border_relief"
    AU_LOW_VALUE = "au_low_value"
    AU_BORDER_RELIEF = "au_border_relief"
    US_DE_MINIMIS = "us_de_minimis"
    CN_RETAIL_IMPORT = "cn_retail_import"


class RegimeTest(enum.Enum):
    """What is held against the limit. Freight that is shown apart never is, but in a transaction."""

    __hash__ = object.__hash__

    CONSIGNMENT = "consignment"
    """The value of all goods of the consignment, without tax."""
    ITEM = "item"
    """The value of one unit, without tax: each line passes or fails by itself."""
    TRANSACTION_AND_YEAR = "transaction_and_year"
    """The customs value of the order with its freight and insurance, and with what the person has bought this year."""


class RegimeDuty(enum.Enum):
    """What a regime does to duty."""

    __hash__ = object.__hash__

    TARIFF = "tariff"
    """Nothing: the tariff applies, unless another regime says otherwise."""
    FREE = "free"
    FLAT = "flat"
    """A fixed amount for each different item."""


@value
class Regime:
    """One set of rules, in force from ``first_day`` to ``last_day`` (inclusive; ``None`` is open).

    ``area`` are the countries of destination. ``limit`` (and ``year_limit`` of a person) are minor units of
    ``currency``; ``inclusive`` says whether a value equal to the limit passes.

    What it grants: ``tax_at_sale``: a registered seller charges the destination's tax at the sale, and none is due
    at the border; ``obliges``: a seller has to be registered; ``duty``, and ``flat``, the amount for each different item;
    ``waives_tax``: the border collects no tax either; ``share``: how much of the tax on imports is due.

    What it does not take in: goods under excise (unless ``excise``), goods of the chapters of the
    Harmonized System in ``barred_chapters``, goods made in ``barred_origins``. ``unless_together``: a seller
    who believes that the goods ship together, and come to more than the limit, leaves them to the border.
    """

    id: RegimeId
    area: tuple[str, ...]
    test: RegimeTest
    limit: int
    currency: str
    inclusive: bool
    first_day: date
    last_day: date | None
    source: str
    tax_at_sale: bool = False
    obliges: bool = False
    duty: RegimeDuty = RegimeDuty.TARIFF
    flat: int = 0
    waives_tax: bool = False
    share: Percent = Percent(1_000_000)
    year_limit: int = 0
    excise: bool = False
    barred_chapters: tuple[str, ...] = ()
    barred_origins: tuple[str, ...] = ()
    unless_together: bool = False

    def holds_on(self, day: date) -> bool:
        """Whether ``day`` is one of its days."""
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)

    @property
    def for_consumers(self) -> bool:
        """Whether it takes in sales to consumers alone: tax at the sale, the flat duty, retail import."""
        return (
            self.tax_at_sale
            or self.duty is RegimeDuty.FLAT
            or self.test is RegimeTest.TRANSACTION_AND_YEAR
        )

    def within(self, amount: int, units: int = 1, parts: int = 1) -> bool:
        """Whether ``amount / parts`` minor units of `currency`, for ``units`` units, pass the limit; exactly."""
        limit = self.limit * units * parts
        return amount <= limit if self.inclusive else amount < limit


_EU = (*sorted(EU_COUNTRIES), "MC")  # Directive 2006/112/EC, Art. 7: Monaco is France for VAT
_UK = ("GB", "IM")  # Isle of Man Act 1979: one area for VAT and duty

# Chapters of what people and animals eat and drink, and tobacco. Live trees (06), lacs (13) and
# plaiting materials (14) are none; animal products of chapter 05 are not edible.
_FOOD = tuple(f"{chapter:02d}" for chapter in range(1, 25) if chapter not in {5, 6, 13, 14})

REGIMES: tuple[Regime, ...] = (
    Regime(
        RegimeId.EU_IOSS,
        _EU,
        RegimeTest.CONSIGNMENT,
        150_00,
        "EUR",
        inclusive=True,
        first_day=date(2021, 7, 1),
        last_day=None,
        source="Directive 2006/112/EC, Art. 369l to 369x (import one-stop shop)",
        tax_at_sale=True,
    ),
    Regime(
        RegimeId.EU_DUTY_RELIEF,
        _EU,
        RegimeTest.CONSIGNMENT,
        150_00,
        "EUR",
        inclusive=True,
        first_day=date(2010, 1, 1),
        last_day=date(2026, 6, 30),
        source="Regulation (EC) No 1186/2009, Art. 23 and 24; ended by Regulation (EU) 2026/382",
        duty=RegimeDuty.FREE,
    ),
    Regime(
        RegimeId.EU_FLAT_DUTY,
        _EU,
        RegimeTest.CONSIGNMENT,
        150_00,
        "EUR",
        inclusive=True,
        first_day=date(2026, 7, 1),
        last_day=date(2028, 7, 1),
        source="Council Regulation (EU) 2026/382; Delegated Regulation (EU) 2026/1022",
        duty=RegimeDuty.FLAT,
        flat=3_00,
        excise=True,
    ),
    Regime(
        RegimeId.UK_LOW_VALUE,
        _UK,
        RegimeTest.CONSIGNMENT,
        135_00,
        "GBP",
        inclusive=True,
        first_day=date(2021, 1, 1),
        last_day=None,
        source="Value Added Tax Act 1994, s. 7AA; Taxation (Post-transition Period) Act 2020, Sch. 3",
        tax_at_sale=True,
        obliges=True,
    ),
    Regime(
        RegimeId.UK_DUTY_RELIEF,
        _UK,
        RegimeTest.CONSIGNMENT,
        135_00,
        "GBP",
        inclusive=True,
        first_day=date(2021, 1, 1),
        last_day=None,
        source="Customs (Reliefs from a Liability to Import Duty) (EU Exit) Regulations 2020",
        duty=RegimeDuty.FREE,
    ),
    Regime(
        RegimeId.NO_VOEC,
        ("NO",),
        RegimeTest.ITEM,
        3_000_00,
        "NOK",
        inclusive=False,
        first_day=date(2020, 4, 1),
        last_day=None,
        source="Norwegian Tax Administration and Norwegian Customs: VAT on e-commerce (VOEC)",
        tax_at_sale=True,
        duty=RegimeDuty.FREE,
        barred_chapters=_FOOD,
    ),
    Regime(
        RegimeId.NZ_LOW_VALUE,
        ("NZ",),
        RegimeTest.ITEM,
        1_000_00,
        "NZD",
        inclusive=True,
        first_day=date(2019, 12, 1),
        last_day=None,
        source="Taxation (Annual Rates for 2019-20, GST Offshore Supplier Registration, and Remedial Matters) Act 2019",
        tax_at_sale=True,
    ),
    Regime(
        RegimeId.NZ_BORDER_RELIEF,
        ("NZ",),
        RegimeTest.CONSIGNMENT,
        1_000_00,
        "NZD",
        inclusive=True,
        first_day=date(2019, 12, 1),
        last_day=None,
        source="New Zealand Customs Service: no duty and GST at the border up to NZD 1,000",
        duty=RegimeDuty.FREE,
        waives_tax=True,
    ),
    Regime(
        RegimeId.AU_LOW_VALUE,
        ("AU",),
        RegimeTest.ITEM,
        1_000_00,
        "AUD",
        inclusive=True,
        first_day=date(2018, 7, 1),
        last_day=None,
        source="A New Tax System (Goods and Services Tax) Act 1999, Subdiv. 84-C; ATO ruling LCR 2018/1",
        tax_at_sale=True,
        unless_together=True,
    ),
    Regime(
        RegimeId.AU_BORDER_RELIEF,
        ("AU",),
        RegimeTest.CONSIGNMENT,
        1_000_00,
        "AUD",
        inclusive=True,
        first_day=date(2018, 7, 1),
        last_day=None,
        source="Customs Act 1901 (AU), s. 68; ATO, GST on low value imported goods",
        duty=RegimeDuty.FREE,
        waives_tax=True,
    ),
    Regime(
        RegimeId.US_DE_MINIMIS,
        ("US",),
        RegimeTest.CONSIGNMENT,
        800_00,
        "USD",
        inclusive=True,
        first_day=date(2016, 3, 10),
        last_day=date(2025, 5, 1),
        source="19 U.S.C. 1321(a)(2)(C), as of the Trade Facilitation and Trade Enforcement Act of 2015",
        duty=RegimeDuty.FREE,
    ),
    Regime(
        RegimeId.US_DE_MINIMIS,
        ("US",),
        RegimeTest.CONSIGNMENT,
        800_00,
        "USD",
        inclusive=True,
        first_day=date(2025, 5, 2),
        last_day=date(2025, 8, 28),
        source="19 U.S.C. 1321(a)(2)(C); Executive Orders 14256 (CN and HK out) and 14324 (ended for all)",
        duty=RegimeDuty.FREE,
        barred_origins=("CN", "HK"),
    ),
    Regime(
        RegimeId.CN_RETAIL_IMPORT,
        ("CN",),
        RegimeTest.TRANSACTION_AND_YEAR,
        2_000_00,
        "CNY",
        inclusive=True,
        first_day=date(2016, 4, 8),
        last_day=date(2018, 12, 31),
        source="Cai Guan Shui [2016] No. 18",
        duty=RegimeDuty.FREE,
        share=Percent(700_000),
        year_limit=20_000_00,
        excise=True,
    ),
    Regime(
        RegimeId.CN_RETAIL_IMPORT,
        ("CN",),
        RegimeTest.TRANSACTION_AND_YEAR,
        5_000_00,
        "CNY",
        inclusive=True,
        first_day=date(2019, 1, 1),
        last_day=None,
        source="Cai Guan Shui [2016] No. 18 and [2018] No. 49",
        duty=RegimeDuty.FREE,
        share=Percent(700_000),
        year_limit=26_000_00,
        excise=True,
    ),
)
"""The regimes that the library knows, those that have ended included.

Readings behind the rows: EUR 3 stand on every B2C consignment up to EUR 150, also where VAT is not collected
by the import one-stop shop, and on goods under excise; preferences that a full declaration could claim are
not looked for. Food under VOEC is told by chapter of the Harmonized System, which is coarse."""


def regimes_of(country: str, day: date) -> tuple[Regime, ...]:
    """The regimes of goods that go to ``country`` (ISO 3166-1 alpha-2), in force on ``day``."""
    return tuple(regime for regime in REGIMES if country in regime.area and regime.holds_on(day))


# Accessions since 2004 and one departure; the others have been members all along.
_JOINED = {
    "BG": date(2007, 1, 1),
    "RO": date(2007, 1, 1),
    "HR": date(2013, 7, 1),
}
_UK_LEFT = date(2021, 1, 1)


def customs_territory(country: str, day: date) -> str:
    """The customs territory that ``country`` belongs to on ``day``: ``"EU"``, or a country's own code.

    The United Kingdom left the EU's at the end of 2020 (Withdrawal Agreement, Art. 126 and 127).
    Monaco is in the EU's (Regulation (EU) No 952/2013, Art. 4), Liechtenstein in the Swiss one (treaty of 1923),
    the Isle of Man in the British one. Days before 2004-05-01 are not told apart.
    """
    if country in EU_COUNTRIES:
        return "EU" if day >= _JOINED.get(country, date.min) else country
    if country == "MC":
        return "EU"
    if country in {"GB", "IM"}:
        return "GB" if day >= _UK_LEFT else "EU"
    return "CH" if country == "LI" else country


_COUNTRY_LETTERS = 2


def is_country(code: object) -> bool:
    """Whether ``code`` has the form of an ISO 3166-1 alpha-2 code."""
    return (
        isinstance(code, str)
        and len(code) == _COUNTRY_LETTERS
        and code.isascii()
        and code.isalpha()
        and code.isupper()
    )


def check_regimes(regimes: Sequence[Regime], path: str = "regimes") -> None:
    """Raise `InvalidPolicy` for a regime without dates or source, with a limit that is none, or
    for two of one id that hold on the same day."""
    for index, regime in enumerate(regimes):
        where = f"{path}[{index}]"
        if type(regime.first_day) is not date:
            raise InvalidPolicy("a regime needs a first day", path=f"{where}.first_day")
        if regime.last_day is not None and regime.last_day < regime.first_day:
            raise InvalidPolicy("the last day is before the first", path=f"{where}.last_day")
        if not regime.source.strip():
            raise InvalidPolicy("a regime needs the source of its limit", path=f"{where}.source")
        if regime.limit <= 0 or regime.flat < 0 or regime.year_limit < 0:
            raise InvalidPolicy("a limit is a positive amount", path=f"{where}.limit")
        if regime.currency not in EXPONENTS:
            reason = f"currency {regime.currency!r} is not on the ISO 4217 list of money"
            raise InvalidPolicy(reason, path=f"{where}.currency")
        if not regime.area or not all(is_country(code) for code in regime.area):
            reason = "an area is made of country codes of two capital letters"
            raise InvalidPolicy(reason, path=f"{where}.area")
        for other in regimes[:index]:
            last = other.last_day or date.max
            meet = other.first_day <= (regime.last_day or date.max) and regime.first_day <= last
            if other.id is regime.id and meet:
                reason = f"two regimes {regime.id.value!r} hold on the same day"
                raise InvalidPolicy(reason, path=f"{where}.first_day")
