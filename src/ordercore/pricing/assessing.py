"""The border worked through: which regime takes the goods in, what is owed, and by whom.

The steps: does anything cross a border; what the goods are worth there; does a regime let the seller
charge the destination's tax at the sale; what duty; what consumption tax and import tax are left.
Values are compared with a limit in the currency of the limit, by the customs rate and as exact fractions;
what is owed is in the cart's currency, rounded half up for each line.

Northern Ireland is taken as the rest of ``GB``, and overseas territories by their own country codes.
"""

from __future__ import annotations

import enum
from datetime import timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ordercore.allocation import allocate
from ordercore.errors import InvalidCart, RateUnavailable
from ordercore.money import Percent, Rounding, decimal_text, divide, exponent
from ordercore.pricing.border import (
    AssessedLine,
    Assessment,
    BorderPolicy,
    PersonalQuota,
    Requirement,
    Terms,
)
from ordercore.pricing.cart import Customs, GoodsKind
from ordercore.pricing.duty import consumption_rate, hs_digits
from ordercore.pricing.exchange import ExchangeRate, RatePurpose, exchanged, rate_for
from ordercore.pricing.regime import (
    Regime,
    RegimeDuty,
    RegimeId,
    RegimeTest,
    customs_territory,
    regimes_of,
)
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import date, datetime

    from ordercore.party import Destination

__all__ = [
    "IDENTITIES",
    "UNTAXED",
    "VALUATIONS",
    "BorderGoods",
    "Valuation",
    "ValuationRule",
    "assess",
    "counts_a_year",
    "crosses",
    "quota_year",
    "valuation",
    "wanted_rates",
]

_WHOLE = 1_000_000
_HS_ITEM = 6
_CHINA = timezone(timedelta(hours=8))
_NO_CUSTOMS = Customs()


class Valuation(enum.Enum):
    """On what duty stands."""

    __hash__ = object.__hash__

    CIF = "cif"
    """Goods, insurance and freight to the border."""
    FOB = "fob"
    """The goods alone."""


@value
class ValuationRule:
    """How a country values goods; ``freight_taxed`` says whether its import tax stands on freight all the same.

    Packing and handling are part of the value everywhere (WTO Agreement on Customs Valuation, Art. 8(1)(a);
    Regulation (EU) No 952/2013, Art. 71(1)(a); 19 U.S.C. 1401a(b)(1)(A)).
    """

    valuation: Valuation
    source: str
    freight_taxed: bool = True


_CIF = ValuationRule(
    Valuation.CIF, "WTO Agreement on Customs Valuation, Art. 8(2), as most members chose"
)
VALUATIONS: Mapping[str, ValuationRule] = MappingProxyType(
    {
        "EU": ValuationRule(Valuation.CIF, "Regulation (EU) No 952/2013, Art. 71(1)(e)"),
        "US": ValuationRule(Valuation.FOB, "19 U.S.C. 1401a(b)(4)(A)", freight_taxed=False),
        "CA": ValuationRule(
            Valuation.FOB,
            "Customs Act (CA), s. 48(5)(b)(i); Excise Tax Act, s. 215",
            freight_taxed=False,
        ),
        "AU": ValuationRule(Valuation.FOB, "Customs Act 1901 (AU), s. 161; GST Act 1999, s. 13-20"),
        "NZ": ValuationRule(
            Valuation.FOB, "Customs and Excise Act 2018 (NZ), Sch. 4; GST Act 1985, s. 12(2)"
        ),
        "GB": ValuationRule(
            Valuation.CIF, "Customs (Import Duty) (EU Exit) Regulations 2018, reg. 109 and 114"
        ),
        "CN": ValuationRule(Valuation.CIF, "Tariff Law of the PRC (2024), Art. 24 to 26"),
    }
)
"""By country or customs territory; the others value goods by CIF."""

UNTAXED: Mapping[str, str] = MappingProxyType(
    {
        "US": "no federal value added tax; the states tax sales, not imports",
        "HK": "no value added tax",
    }
)
"""Destinations whose border collects no tax beside duty, and why."""

IDENTITIES: Mapping[str, tuple[Requirement, str]] = MappingProxyType(
    {
        "CN": (Requirement.PERSONAL_ID, "Cai Guan Shui [2016] No. 18: the buyer's identity"),
        "BR": (Requirement.PERSONAL_ID, "Instrucao Normativa RFB 1737/2017: CPF or CNPJ"),
        "TR": (Requirement.PERSONAL_ID, "Customs Law 4458: Turkish identity number"),
        "KR": (Requirement.IMPORTER_ID, "Korea Customs Service: personal customs clearance code"),
    }
)
"""Destinations whose customs ask who the buyer is: by which number, and by which rule."""


class BorderGoods(NamedTuple):
    """A line as the border sees it.

    ``net`` is its value after discounts and without tax, in minor units of the cart's currency;
    ``funded`` what third parties repay of its discounts: it was paid for the goods, so it is part of their value.
    ``if_taxed`` is what ``net`` is if the seller charges the destination's tax, where a price with tax inside makes
    that another figure: the limits of tax at the sale are held against it. ``None`` is ``net``.
    """

    line: str
    sku: str
    quantity: int
    net: int
    customs: Customs | None
    tax_category: str
    kind: GoodsKind
    funded: int
    if_taxed: int | None = None


def crosses(origin: str, destination: str, day: date) -> bool:
    """Whether goods from ``origin`` cross a customs border on their way; an unknown place is none."""
    if not origin or not destination:
        return False
    return customs_territory(origin, day) != customs_territory(destination, day)


def counts_a_year(origin: str, destination: str, day: date) -> bool:
    """Whether goods on this way come under a regime that counts what a person has bought in a year."""
    return crosses(origin, destination, day) and any(
        regime.test is RegimeTest.TRANSACTION_AND_YEAR for regime in regimes_of(destination, day)
    )


def valuation(country: str, day: date) -> ValuationRule:
    """How ``country`` values goods."""
    rule = VALUATIONS.get(country)
    return rule or VALUATIONS.get(customs_territory(country, day), _CIF)


def _relevant(policy: BorderPolicy, country: str, day: date) -> tuple[Regime, ...]:
    """The regimes that can change anything: one for registered sellers needs a number, or obliges."""
    return tuple(
        regime
        for regime in regimes_of(country, day)
        if not regime.tax_at_sale or regime.obliges or policy.number(regime.id)
    )


def wanted_rates(
    currency: str, to: Destination, at: datetime, policy: BorderPolicy
) -> tuple[tuple[str, str], ...]:
    """The pairs (cart's currency, regime's currency) that `assess` asks ``rates`` for, of `RatePurpose.CUSTOMS`."""
    day = at.date()
    if not crosses(policy.ships_from, to.country, day):
        return ()
    found = (regime.currency for regime in _relevant(policy, to.country, day))
    return tuple((currency, code) for code in dict.fromkeys(found) if code != currency)


def assess(
    goods: Sequence[BorderGoods],
    freight: int,
    insurance: int,
    currency: str,
    to: Destination,
    at: datetime,
    policy: BorderPolicy,
    *,
    rates: Sequence[ExchangeRate] = (),
    quota: PersonalQuota | None = None,
    import_rate: Callable[[str], Percent | None],
    freight_included: bool = False,
    fees: int = 0,
    consumer: bool = True,
    levied: Collection[str] = (),
) -> Assessment | None:
    """What the border makes of ``goods``; ``None`` where nothing crosses one.

    ``freight``, ``insurance`` and ``fees`` (packing, handling) are without tax, in minor units of ``currency``,
    with what third parties repay of them; ``freight_included`` says that they are not shown apart, so limits are
    held against goods and freight together. If any line is taxed at the sale, so are these charges as a
    whole, and import tax does not stand on them again; duty does.

    ``import_rate`` is the destination's tax on imports by tax category, ``None`` where it is not known: then
    the buyer's estimate leaves it out and says so, and terms on which the seller pays it are refused.
    ``quota`` is what the buyer has used of a year's limit. ``consumer`` is ``False`` for a business of
    the destination's tax territory and for a buyer who is exempt: regimes for consumers leave them out.
    ``levied`` are lines that an external calculation taxed at the sale: they are not taxed again on import.

    Services and vouchers cross no border. `RateUnavailable` where a limit is in a currency
    that no rate of ``rates`` leads to (see `wanted_rates`); `InvalidCart` for an import tax that the seller
    is to pay and nobody gave a rate of.
    """
    things = [item for item in goods if item.kind is GoodsKind.GOODS]
    if not things or not crosses(policy.ships_from, to.country, at.date()):
        return None
    case = _Case(things, freight, insurance, fees, currency, to.country, at, policy)
    case.rates, case.freight_included, case.levied = rates, freight_included, levied
    regimes = _relevant(policy, to.country, case.day)
    if not consumer:
        regimes = _of_a_business(case, regimes)
    for regime in regimes:
        if regime.tax_at_sale:
            _at_sale(case, regime)
    for regime in regimes:
        if regime.test is RegimeTest.TRANSACTION_AND_YEAR:
            _retail(case, regime, quota)
        elif not regime.tax_at_sale:
            _relieve(case, regime)
    _by_tariff(case)
    _import_taxes(case, import_rate)
    return case.result()


class _Case:
    """An order at the border, half way: one entry for each line in each list."""

    def __init__(
        self,
        goods: list[BorderGoods],
        freight: int,
        insurance: int,
        fees: int,
        currency: str,
        country: str,
        at: datetime,
        policy: BorderPolicy,
    ) -> None:
        self.goods, self.currency, self.country = goods, currency, country
        self.at, self.day, self.policy = at, at.date(), policy
        self.rates: Sequence[ExchangeRate] = ()
        self.freight_included = False
        self.levied: Collection[str] = ()
        self.apart = freight + insurance + fees
        self.declared = [item.net + item.funded for item in goods]
        self.if_taxed = [
            item.funded + (item.net if item.if_taxed is None else item.if_taxed) for item in goods
        ]
        weights = self.declared if any(self.declared) else [1] * len(goods)
        # freight and insurance apart: each is a figure of its own on a declaration
        self.carried = [
            one + other
            for one, other in zip(
                allocate(freight, weights), allocate(insurance, weights), strict=True
            )
        ]
        self.packed = allocate(fees, weights)
        self.valuation = valuation(country, self.day)
        self.cif = self.valuation.valuation is Valuation.CIF
        self.customs_values = [
            worth + wrapped + (part if self.cif else 0)
            for worth, wrapped, part in zip(self.declared, self.packed, self.carried, strict=True)
        ]
        self.customs = [item.customs or _NO_CUSTOMS for item in goods]
        self.codes = [hs_digits(customs.hs_code) for customs in self.customs]
        count = len(goods)
        self.tax_regimes: list[RegimeId | None] = [None] * count
        self.duty_regimes: list[RegimeId | None] = [None] * count
        self.collected = [False] * count
        self.waived = [False] * count
        self.duties = [0] * count
        self.flat = [False] * count
        self.percents = [Percent(0)] * count
        self.consumption = [0] * count
        self.import_taxes = [0] * count
        self.share = Percent(_WHOLE)
        self.registration = ""
        self.reasons: list[str] = []
        self.requires: set[Requirement] = set()
        self._general()

    def _general(self) -> None:
        """What every declaration to this country needs."""
        if any(len(code) < _HS_ITEM for code in self.codes):
            self.requires.add(Requirement.HS_CODE)
        if self.country in IDENTITIES:
            requirement, source = IDENTITIES[self.country]
            self.requires.add(requirement)
            self.reasons.append(f"{self.country} asks who the buyer is ({source})")

    def rate(self, regime: Regime) -> ExchangeRate:
        """The customs rate from the cart's currency to the regime's."""
        found = rate_for(self.rates, self.currency, regime.currency, RatePurpose.CUSTOMS)
        if found is None:
            reason = f"no customs rate from {self.currency} to {regime.currency}"
            data = {"base": self.currency, "quote": regime.currency, "purpose": "customs"}
            raise RateUnavailable(reason, path="facts.rates", **data)
        return found

    def theirs(self, amount: int, regime: Regime) -> tuple[int, int]:
        """``amount`` of the cart's currency in minor units of the regime's, as an exact fraction."""
        if regime.currency == self.currency:
            return amount, 1
        rate = self.rate(regime)
        return (
            amount * rate.numerator * 10 ** exponent(rate.quote),
            rate.denominator * 10 ** exponent(rate.base),
        )

    def ours(self, amount: int, regime: Regime) -> int:
        """``amount`` of the regime's currency in the cart's, by the same rate backward."""
        if regime.currency == self.currency:
            return amount
        rate = self.rate(regime)
        back = ExchangeRate(
            rate.quote,
            rate.base,
            rate.denominator,
            rate.numerator,
            rate.purpose,
            rate.at,
            rate.published,
            rate.source,
        )
        return exchanged(amount, back, Rounding.HALF_UP)

    def consignment(self, regime: Regime) -> int:
        """What a limit for consignments is held against."""
        worth = sum(self.if_taxed if regime.tax_at_sale else self.declared)
        return worth + (self.apart if self.freight_included else 0)

    def barred(self, regime: Regime) -> list[bool]:
        """Which lines the regime does not take in."""
        return [
            (customs.excise and not regime.excise)
            or code[:2] in regime.barred_chapters
            or customs.origin in regime.barred_origins
            for customs, code in zip(self.customs, self.codes, strict=True)
        ]

    def result(self) -> Assessment:
        """The finished assessment."""
        lines = tuple(
            AssessedLine(
                item.line,
                self.tax_regimes[index],
                self.collected[index],
                self.declared[index],
                self.customs_values[index],
                self.duties[index],
                self.consumption[index],
                self.import_taxes[index],
                self.percents[index],
                self.codes[index],
                self.customs[index].origin,
                self.duty_regimes[index],
            )
            for index, item in enumerate(self.goods)
        )
        return Assessment(
            self.policy.ships_from,
            self.country,
            self.policy.terms,
            lines,
            sum(self.duties),
            sum(self.consumption),
            sum(self.import_taxes),
            tuple(self.reasons),
            tuple(each for each in Requirement if each in self.requires),
            self.registration,
        )


def _shown(amount: int, currency: str) -> str:
    return f"{currency} {decimal_text(amount, currency)}"


def _about(top: int, bottom: int, currency: str) -> str:
    """An exact amount in words, which say so where it is no whole number of minor units."""
    shown = _shown(divide(top, bottom), currency)
    return f"about {shown}" if top % bottom else shown


def _named(regime: Regime) -> str:
    """A regime in words: ``EU IOSS``, ``NO VOEC``, ``UK duty relief``."""
    area, _, rest = regime.id.value.partition("_")
    return f"{area.upper()} {rest.upper() if rest in {'ioss', 'voec'} else rest.replace('_', ' ')}"


def _of_a_business(case: _Case, regimes: Sequence[Regime]) -> tuple[Regime, ...]:
    """The regimes that do not ask for a consumer; says which do."""
    names = [_named(regime) for regime in regimes if regime.for_consumers]
    if names:
        do = "does" if len(names) == 1 else "do"
        case.reasons.append(f"the buyer is no consumer: {', '.join(names)} {do} not apply")
    return tuple([regime for regime in regimes if not regime.for_consumers])


def _passes(case: _Case, regime: Regime) -> bool:
    """Whether the whole consignment passes; says why or why not."""
    top, bottom = case.theirs(case.consignment(regime), regime)
    shown, limit = _about(top, bottom, regime.currency), _shown(regime.limit, regime.currency)
    if not regime.within(top, 1, bottom):
        relation = "above" if regime.inclusive else "not below"
        case.reasons.append(
            f"consignment of {shown} is {relation} {limit}: {_named(regime)} does not apply"
        )
        return False
    for item, barred in zip(case.goods, case.barred(regime), strict=True):
        if barred:
            case.reasons.append(
                f"line {item.line} bears goods that {_named(regime)} does not take in"
            )
            return False
    relation = "at most" if regime.inclusive else "below"
    case.reasons.append(f"consignment of {shown} is {relation} {limit}: {_named(regime)}")
    return True


def _at_sale(case: _Case, regime: Regime) -> None:
    """Tax at the sale, for the lines that the regime takes in."""
    number = case.policy.number(regime.id)
    if regime.test is RegimeTest.ITEM:
        taken = _items(case, regime)
    else:
        taken = [_passes(case, regime)] * len(case.goods)
    if not any(taken):
        return
    if not number:
        case.requires.add(Requirement.REGISTRATION)
        case.reasons.append(f"the seller is not registered for {_named(regime)}: tax on import")
        return
    case.registration = number
    case.reasons.append(f"{_named(regime)}: tax at the sale under {number}")
    if not all(taken) and case.apart:
        case.reasons.append("freight and fees are taxed at the sale as a whole, and not on import")
    for index, each in enumerate(taken):
        if each:
            case.collected[index] = True
            case.tax_regimes[index] = regime.id
            if regime.duty is RegimeDuty.FREE:
                case.duty_regimes[index] = regime.id


def _items(case: _Case, regime: Regime) -> list[bool]:
    """Which lines pass a limit for one unit; says why or why not."""
    total, bottom = case.theirs(sum(case.if_taxed), regime)
    together = regime.unless_together and case.policy.ships_together
    if together and not regime.within(total, 1, bottom):
        limit = _shown(regime.limit, regime.currency)
        case.reasons.append(
            f"goods of {_about(total, bottom, regime.currency)} ship together, above {limit}:"
            f" {_named(regime)} does not apply"
        )
        return [False] * len(case.goods)
    taken = []
    barred = case.barred(regime)
    limit = f"{'' if regime.inclusive else 'below '}{_shown(regime.limit, regime.currency)}"
    for item, worth, out in zip(case.goods, case.if_taxed, barred, strict=True):
        top, bottom = case.theirs(worth, regime)
        within = regime.within(top, item.quantity, bottom)
        worths = f"{_about(top, bottom, regime.currency)} for {item.quantity}"
        if out:
            why = f"goods that {_named(regime)} does not take in"
        elif within:
            why = f"{worths}, one unit may come to {limit}: {_named(regime)}"
        else:
            why = f"{worths}, one unit may come to {limit}: {_named(regime)} does not apply"
        case.reasons.append(f"line {item.line}: {why}")
        taken.append(within and not out)
    return taken


def _relieve(case: _Case, regime: Regime) -> None:
    """Duty of a small consignment: none, or the same for each different item."""
    flat = regime.duty is RegimeDuty.FLAT
    if flat and case.policy.flat_duty_needs_registration and not _registered(case):
        case.reasons.append(f"the seller is not registered: {_named(regime)} does not apply")
        return
    if not _passes(case, regime):
        return
    for index, at_sale in enumerate(case.collected):
        case.duty_regimes[index] = regime.id
        if not at_sale:
            case.waived[index] = regime.waives_tax
            if regime.waives_tax:
                case.tax_regimes[index] = regime.id
    if regime.waives_tax:
        case.reasons.append(f"{_named(regime)}: no tax at the border")
    if flat:
        _flat_duty(case, regime)


def _registered(case: _Case) -> bool:
    """Whether the seller has a number for tax at the sale at the destination."""
    regimes = regimes_of(case.country, case.day)
    return any(regime.tax_at_sale and case.policy.number(regime.id) for regime in regimes)


def _flat_duty(case: _Case, regime: Regime) -> None:
    """``flat`` for each different six-digit code; goods without one count as different by article."""
    members: dict[tuple[str, str], list[int]] = {}
    for index, (item, code) in enumerate(zip(case.goods, case.codes, strict=True)):
        known = len(code) >= _HS_ITEM
        members.setdefault((code[:_HS_ITEM], "") if known else ("", item.sku), []).append(index)
        case.flat[index] = True
        if not known:
            case.reasons.append(f"line {item.line} has no HS code: {item.sku!r} is an item apart")
    total = case.ours(regime.flat * len(members), regime)
    each = allocate(total, [1] * len(members))
    for amount, lines in zip(each, members.values(), strict=True):
        worths = [case.declared[index] for index in lines]
        parts = allocate(amount, worths if any(worths) else [1] * len(lines))
        for index, part in zip(lines, parts, strict=True):
            case.duties[index] = part
    count = f"{len(members)} different item{'' if len(members) == 1 else 's'}"
    shown = _shown(regime.flat, regime.currency)
    case.reasons.append(f"duty: {count} x {shown} = {_shown(total, case.currency)}")


def quota_year(at: datetime) -> int:
    """The year that a person's quota in China is counted in at ``at``: of Beijing's calendar."""
    return at.astimezone(_CHINA).year


def _retail(case: _Case, regime: Regime, quota: PersonalQuota | None) -> None:
    """Retail import: reduced within both limits, in full for one unit above the first, else not at all."""
    year = quota_year(case.at)
    used, known = 0, quota is not None and quota.regime is regime.id and quota.year == year
    if known and quota is not None:
        used = quota.used
    else:
        case.reasons.append(f"what the buyer has used of {year} was not asked: taken as 0")
    top, bottom = case.theirs(sum(case.customs_values), regime)
    shown, money = _about(top, bottom, regime.currency), regime.currency
    limit, year_limit = _shown(regime.limit, money), _shown(regime.year_limit, money)
    if used * bottom + top > regime.year_limit * bottom:
        case.reasons.append(
            f"{_shown(used, money)} used and {shown} more are above {year_limit} a year: general import"
        )
        return
    if regime.within(top, 1, bottom):
        case.share = regime.share
        case.reasons.append(
            f"transaction of {shown} is at most {limit}, and the year's {year_limit} hold:"
            f" duty 0 %, taxes x {regime.share} %"
        )
        case.duty_regimes = [regime.id for _ in case.goods]
    elif sum(item.quantity for item in case.goods) == 1:
        case.reasons.append(f"one indivisible item of {shown}, above {limit}: taxed in full")
    else:
        case.reasons.append(f"transaction of {shown} is above {limit}: general import")
        return
    case.tax_regimes = [regime.id for _ in case.goods]
    if not known:
        case.requires.add(Requirement.QUOTA)


def _by_tariff(case: _Case) -> None:
    """Duty by code and origin, where no regime has settled it."""
    for index, item in enumerate(case.goods):
        if case.duty_regimes[index] is not None:
            continue
        code, origin = case.codes[index], case.customs[index].origin
        if not origin:
            case.requires.add(Requirement.ORIGIN)
        percent, found = case.policy.tariff.percent(code, origin, case.country, case.day)
        where = f"HS {code or 'unknown'} from {origin or 'unknown origin'}"
        if not found:
            case.reasons.append(f"line {item.line}: the tariff has no rate for {where}: duty 0")
            continue
        case.percents[index] = percent
        case.duties[index] = percent.times(case.customs_values[index])
        parts = " + ".join(
            f"{rate.percent} % {rate.name or 'duty'} ({rate.source})" for rate in found
        )
        worth = _shown(case.customs_values[index], case.currency)
        base = case.valuation.valuation.name
        duty = _shown(case.duties[index], case.currency)
        case.reasons.append(f"line {item.line}: {where}: {parts} on {worth} {base} = {duty}")


def _import_taxes(case: _Case, import_rate: Callable[[str], Percent | None]) -> None:
    """Consumption tax and import tax of the lines on which no tax was charged at the sale."""
    if case.country in UNTAXED:
        case.reasons.append(f"{case.country}: {UNTAXED[case.country]}")
    share = case.share.ppm
    for index, item in enumerate(case.goods):
        if case.collected[index] or case.waived[index]:
            continue
        dutied = case.customs_values[index]
        if case.policy.duty_bears_tax or not case.flat[index]:
            dutied += case.duties[index]
        tax = consumption_rate(case.policy.consumption, case.codes[index], case.country, case.day)
        inside = tax.percent.ppm if tax is not None else 0
        rest = _WHOLE - inside
        if tax is not None:
            case.consumption[index] = divide(dutied * inside * share, rest * _WHOLE)
            amount = _shown(case.consumption[index], case.currency)
            case.reasons.append(
                f"line {item.line}: consumption tax {tax.percent} % ({tax.source}) = {amount}"
            )
        if case.country in UNTAXED:
            continue
        if item.line in case.levied:
            case.reasons.append(f"line {item.line}: taxed at the sale, so not on import")
            continue
        percent = import_rate(item.tax_category)
        if percent is None:
            _no_rate(case, item)
            continue
        # The tax stands on the goods with the consumption tax that is normally due, and on the way there.
        taxed = dutied * _WHOLE + _apart(case, index) * rest
        case.import_taxes[index] = divide(
            taxed * percent.ppm * share, rest * _WHOLE * _WHOLE, Rounding.HALF_UP
        )
        base = _shown(divide(taxed, rest), case.currency)
        part = "" if share == _WHOLE else f" x {case.share} %"
        amount = _shown(case.import_taxes[index], case.currency)
        case.reasons.append(f"line {item.line}: import tax {percent} %{part} on {base} = {amount}")


def _apart(case: _Case, index: int) -> int:
    """What the base of a line's import tax has of charges beside the goods, over its customs value."""
    if case.levied or any(case.collected):  # they were taxed at the sale, as a whole
        return -case.packed[index] - (case.carried[index] if case.cif else 0)
    return case.carried[index] if not case.cif and case.valuation.freight_taxed else 0


def _no_rate(case: _Case, item: BorderGoods) -> None:
    """An import tax whose rate nobody gave: an estimate does without it, a seller who pays it cannot."""
    if case.policy.terms is Terms.DDP:
        reason = f"no rate of import tax for {case.country}: name it in the border's import_rates"
        raise InvalidCart(
            reason, path="address.country", country=case.country, category=item.tax_category
        )
    why = f"import tax is not estimated: no rate for {case.country}"
    if why not in case.reasons:
        case.reasons.append(why)
