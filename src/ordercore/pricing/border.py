"""What a border makes of an order: which regime, what is declared, what is owed and by whom."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

import attrs

from ordercore.errors import InvalidCart, InvalidPolicy
from ordercore.money import Percent
from ordercore.pricing.duty import ConsumptionTax, Tariff, check_consumption
from ordercore.pricing.regime import REGIMES, RegimeId, check_regimes, is_country
from ordercore.pricing.tax import TaxPolicy, TaxRate
from ordercore.pricing.taxing import included_ppm
from ordercore.value import value

if TYPE_CHECKING:
    from datetime import date

    from ordercore.party import Destination

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
    QUOTA = "quota"
    """How much of a year's limit the buyer has used: a relief was taken without knowing it."""


@value
class Registration:
    """The shop's number under a regime (IOSS number, VOEC number, GB VAT number, ...)."""

    regime: RegimeId
    number: str


@value
class PersonalQuota:
    """What a person has bought this year under a regime, in minor units of the regime's currency.

    The limit is that of a holder of an identity number, in all shops together. ``person`` is the customer's id
    of the cart (`Cart.customer`): give each identity one id, or its limit is counted in pieces.
    """

    regime: RegimeId
    person: str = attrs.field(repr=False)
    year: int
    used: int


@value
class BorderPolicy:
    """From where a shop ships, under which registrations, on which terms, by which tariff.

    ``duty_bears_tax``: whether the tax on imports stands on the EU's flat duty too, as on any other duty
    (Directive 2006/112/EC, Art. 86(1)(a); sources conflict). It acts on import alone: where tax is charged
    at the sale (import one-stop shop), the flat duty bears none either way.
    ``flat_duty_needs_registration``: the EU's flat duty stands only on goods of sellers that are registered
    for tax at the sale there, and the tariff on the others (sources conflict: by default it stands on all).
    ``ships_together``: the seller expects what is bought together to arrive together; Australia then
    leaves goods of more than its limit in all to the border.
    ``import_rates`` are the rates of tax on imports, by destination and category; a destination that has none
    there is looked up among the rates of the sale.

    Which rules hold is decided at the border by the day on which goods enter. A quote knows its own moment
    alone: it takes the day of that moment in UTC, and promises by it. Near a day on which rules
    change, goods that are quoted before it and enter after it may owe something else.
    """

    ships_from: str
    registrations: tuple[Registration, ...] = ()
    terms: Terms = Terms.DDP
    tariff: Tariff = Tariff()
    duty_bears_tax: bool = True
    consumption: tuple[ConsumptionTax, ...] = ()
    ships_together: bool = False
    import_rates: tuple[TaxRate, ...] = ()
    flat_duty_needs_registration: bool = False
    _on_import: TaxPolicy = attrs.field(
        init=False,
        eq=False,
        repr=False,
        default=attrs.Factory(
            lambda self: TaxPolicy(self.import_rates, default=None), takes_self=True
        ),
    )

    def import_tax(self, category: str, to: Destination, day: date) -> int | None:
        """The rate of `import_rates` for a category at ``to`` on ``day``, in parts per million, of all components
        together; ``None`` where there is none."""
        if not self.import_rates:
            return None
        try:
            return included_ppm(category, self._on_import, to, day)
        except InvalidCart:
            return None

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
    ``customs_value`` is what duty stands on: with freight, insurance and fees as the destination counts them. ``collected`` says that the seller charges the destination's tax
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
    _check_import_rates(policy, f"{path}.import_rates")
    check_regimes(REGIMES)


def _check_import_rates(policy: BorderPolicy, path: str) -> None:
    try:
        TaxPolicy(policy.import_rates, default=None).check("")
    except InvalidPolicy as error:
        where = error.path.removeprefix(".rates")
        raise InvalidPolicy(error.reason, path=f"{path}{where}", **error.data) from None
