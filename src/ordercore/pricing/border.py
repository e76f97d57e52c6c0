"""What a border makes of an order: which regime, what is declared, what is owed and by whom."""

from __future__ import annotations

import enum
import re

from ordercore.errors import InvalidPolicy
from ordercore.money import Percent
from ordercore.pricing.duty import ConsumptionTax, Tariff, check_consumption
from ordercore.pricing.regime import REGIMES, RegimeId, check_regimes, is_country
from ordercore.value import value

__all__ = [
    "Assessment",
    "AssessedLine",
    "BorderPolicy",
    "PersonalQuota",
    "Registration",
    "Requirement",
    "Terms",
    "check_border",
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
    """Six digits at least."""
    ORIGIN = "origin"
    DESCRIPTION = "description"
    PERSONAL_ID = "personal_id"
    """The number by which the state knows the buyer."""
    IMPORTER_ID = "importer_id"
    """A number that customs gave to the buyer."""
    REGISTRATION = "registration"
    """The seller has to be registered for this destination, and is not."""


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
    ``ships_together``: the seller expects what is bought together to arrive together; Australia then
    leaves goods of more than its limit in all to the border.
    """

    ships_from: str
    registrations: tuple[Registration, ...] = ()
    terms: Terms = Terms.DDP
    tariff: Tariff = Tariff()
    duty_bears_tax: bool = True
    consumption: tuple[ConsumptionTax, ...] = ()
    ships_together: bool = False

    def number(self, regime: RegimeId) -> str:
        """The shop's number under ``regime``, empty where it is not registered."""
        for registration in self.registrations:
            if registration.regime is regime:
                return registration.number
        return ""


@value
class AssessedLine:
    """One line at the border, in minor units of the quote's currency.

    ``declared`` is its value without tax and freight, with what third parties repay of its discounts;
    ``customs_value`` is what duty stands on. ``collected`` says that the seller charges the destination's tax
    at the sale, and then there is no import tax. ``regime`` settles the tax and ``duty_regime`` the duty,
    ``None`` where the ordinary rules do. ``duty_percent`` is 0 for a flat duty.
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
    duty_regime: RegimeId | None = None


@value
class Assessment:
    """What the border makes of an order. ``reasons`` are sentences, in the order of the steps.

    ``duty``, ``consumption_tax`` and ``import_tax`` are the sums of the lines, in minor units.
    ``registration`` is the seller's number where tax is charged at the sale.
    """

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


_IOSS = re.compile(r"IM[0-9]{10}")  # Implementing Regulation (EU) 2019/2026, Annex II: 12 places
_AT_SALE = frozenset(regime.id for regime in REGIMES if regime.tax_at_sale)


def check_border(policy: BorderPolicy, path: str = "border") -> None:
    """Raise `InvalidPolicy` for a code that is no country, a registration that no regime asks for,
    or rates without source, without dates, or two for the same goods on one day."""
    if not is_country(policy.ships_from):
        reason = f"{policy.ships_from!r} is no country code of two capital letters"
        raise InvalidPolicy(reason, path=f"{path}.ships_from")
    seen: set[RegimeId] = set()
    for index, registration in enumerate(policy.registrations):
        where = f"{path}.registrations[{index}]"
        if registration.regime not in _AT_SALE:
            reason = f"no seller registers for {registration.regime.value!r}"
            known = tuple(sorted(regime.value for regime in _AT_SALE))
            raise InvalidPolicy(reason, path=f"{where}.regime", known=known)
        if registration.regime in seen:
            reason = f"two numbers for {registration.regime.value!r}"
            raise InvalidPolicy(reason, path=f"{where}.regime")
        seen.add(registration.regime)
        number = registration.number
        if not number.strip() or number != number.strip():
            raise InvalidPolicy("a registration needs its number", path=f"{where}.number")
        if registration.regime is RegimeId.EU_IOSS and not _IOSS.fullmatch(number):
            reason = f"{number!r} is no IOSS number: IM and ten digits"
            raise InvalidPolicy(reason, path=f"{where}.number")
    policy.tariff.check(f"{path}.tariff")
    check_consumption(policy.consumption, f"{path}.consumption")
    check_regimes(REGIMES)
