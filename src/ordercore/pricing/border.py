"""What a border makes of an order: which regime, what is declared, what is owed and by whom."""

from __future__ import annotations

import enum

from ordercore.money import Percent
from ordercore.pricing.duty import Tariff
from ordercore.pricing.regime import RegimeId
from ordercore.value import value

__all__ = [
    "Assessment",
    "AssessedLine",
    "BorderPolicy",
    "PersonalQuota",
    "Registration",
    "Requirement",
    "Terms",
]


class Terms(enum.Enum):
    """Who pays at the border (Incoterms 2020)."""

    __hash__ = object.__hash__

    DDP = "ddp"
    """The seller: duty and import tax are charges of the quote."""
    DAP = "dap"
    """The buyer, on arrival: the quote tells an estimate and charges nothing."""


class Requirement(enum.Enum):
    """What a declaration needs that the cart may not have."""

    __hash__ = object.__hash__

    HS_CODE = "hs_code"
    ORIGIN = "origin"
    PERSONAL_ID = "personal_id"
    IMPORTER_ID = "importer_id"
    REGISTRATION = "registration"
    EXCHANGE_RATE = "exchange_rate"


@value
class Registration:
    """The shop's number under a regime (IOSS number, VOEC number, GB VAT number, ...)."""

    regime: RegimeId
    number: str


@value
class PersonalQuota:
    """What a person has bought this year under a regime, in minor units of the regime's currency."""

    regime: RegimeId
    person: str
    year: int
    used: int


@value
class BorderPolicy:
    """From where a shop ships, under which registrations, on which terms, by which tariff.

    ``duty_bears_tax``: whether import tax stands on the EU's flat duty too (sources conflict).
    """

    ships_from: str
    registrations: tuple[Registration, ...] = ()
    terms: Terms = Terms.DDP
    tariff: Tariff = Tariff()
    duty_bears_tax: bool = True


@value
class AssessedLine:
    """One line at the border, in minor units of the quote's currency.

    ``declared`` is its value without tax and freight; ``collected`` says that the seller charges the
    destination's tax at the sale, and then there is no import tax.
    """

    line: str
    regime: RegimeId | None
    collected: bool
    declared: int
    customs_value: int
    duty: int = 0
    consumption_tax: int = 0
    import_tax: int = 0
    duty_percent: Percent = Percent(0)
    hs_code: str = ""
    origin: str = ""


@value
class Assessment:
    """What the border makes of an order. ``reasons`` are sentences, in the order of the steps."""

    origin: str
    destination: str
    terms: Terms
    lines: tuple[AssessedLine, ...]
    duty: int
    consumption_tax: int
    import_tax: int
    reasons: tuple[str, ...] = ()
    requires: tuple[Requirement, ...] = ()
    registration: str = ""
