"""Consignments: what some units of a sale owe at the border if they go together, by their true values.

A consignment is taxed and assessed by the code that prices a cart (`ordercore.pricing.crossing`). The value of its goods is
what `ordercore.pricing.declaration.declare` puts on the form: what was charged without tax (`QuoteLine.units`), and
what third parties repay. So the values of all consignments add up to the value of the whole, to the cent.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ordercore.allocation import allocate, share_of_units
from ordercore.errors import InvalidCart, InvalidInput
from ordercore.goods import LineId
from ordercore.money import EXPONENTS, Money
from ordercore.party import Destination, Party
from ordercore.pricing.assessing import UNTAXED
from ordercore.pricing.border import Assessment, BorderPolicy, PersonalQuota
from ordercore.pricing.cart import Cart, CartLine, ChargeKind, GoodsKind, Shopper
from ordercore.pricing.crossing import Crossing
from ordercore.pricing.exchange import ExchangeRate
from ordercore.pricing.facts import PricingFacts
from ordercore.pricing.priced import Charge, Priced
from ordercore.pricing.quote import SHIPPING, PricingPolicy, Quote, QuoteLine
from ordercore.pricing.regime import regimes_of
from ordercore.pricing.tax import TaxPolicy, VatIdCheck
from ordercore.pricing.taxing import TaxableRow, included_ppm
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CustomsDesk", "Owed", "OwedLine", "Run", "SoldGoods"]

MILLION = 1_000_000
_BESIDE = (ChargeKind.INSURANCE, ChargeKind.FEE)


class Run(NamedTuple):
    """Units of a line: so many ``units`` of it after the first ``first``."""

    line: LineId
    first: int
    units: int


@value
class SoldGoods:
    """What was sold where to, and all that its assessment depends on.

    ``insurance`` and ``fees`` (packing, handling) are charged beside the goods, in minor units without tax; they are
    shared over the goods by value. ``freight_category`` is the tax category of carriage. ``freight_included`` says that
    the seller bears the carriage: it is inside the prices then, and nothing is added to them. Lines with the
    attribute `ordercore.fulfillment.item.DIGITAL` are not carried; leave out services and vouchers that do not have it.
    ``at`` is when the goods enter, as far as that is known.
    """

    lines: tuple[QuoteLine, ...]
    currency: str
    to: Destination
    at: datetime
    border: BorderPolicy
    tax: TaxPolicy = TaxPolicy()
    rates: tuple[ExchangeRate, ...] = ()
    quota: PersonalQuota | None = None
    customer: Party = Party()
    shopper: Shopper = Shopper()
    vat_id: VatIdCheck | None = None
    insurance: int = 0
    fees: int = 0
    freight_category: str = "shipping"
    freight_included: bool = False

    @classmethod
    def of(cls, quote: Quote, at: datetime | None = None) -> SoldGoods:
        """The goods of a quote, which enter ``at`` that moment; by default when it was made.

        Taxes that an external calculation made are those of the policy's rates here. Raises `InvalidInput` for a
        shop without a border policy.
        """
        policy = quote.policy
        if policy.border is None:
            raise InvalidInput("the quote was made without a border policy", path="policy.border")
        lines = quote.lines
        if quote.border is not None:  # services and vouchers cross no border
            crossing = {line.line for line in quote.border.lines}
            lines = tuple([line for line in lines if line.id in crossing])
        sums = dict.fromkeys(ChargeKind, 0)
        for charge in quote.charges:
            sums[charge.kind] += charge.net + charge.funded
        shipping = [one for one in quote.charges if one.kind is ChargeKind.SHIPPING]
        return cls(
            lines,
            quote.currency,
            quote.address.destination(),
            quote.at if at is None else at,
            policy.border,
            policy.tax,
            quote.facts.rates,
            quote.facts.quota,
            quote.customer,
            quote.cart.shopper,
            quote.facts.vat_id,
            sums[ChargeKind.INSURANCE],
            sums[ChargeKind.FEE],
            shipping[0].tax_category if shipping else "shipping",
        )

    def check(self, path: str = "sold") -> None:
        """Raise `InvalidInput` for figures that cannot be reckoned with, with their path."""
        if self.currency not in EXPONENTS:
            reason = f"currency {self.currency!r} is not on the ISO 4217 list of money"
            raise InvalidInput(reason, path=f"{path}.currency")
        if not isinstance(self.at, datetime) or self.at.tzinfo is None:
            reason = "a time needs a zone: datetime(..., tzinfo=UTC)"
            raise InvalidInput(reason, path=f"{path}.at")
        for name, amount in (("insurance", self.insurance), ("fees", self.fees)):
            if type(amount) is not int or amount < 0:
                reason = "it is an amount in minor units, 0 or more"
                raise InvalidInput(reason, path=f"{path}.{name}")
        seen: set[str] = set()
        for number, line in enumerate(self.lines):
            if line.id in seen:
                raise InvalidInput(f"line {line.id!r} stands twice", path=f"{path}.lines[{number}]")
            seen.add(line.id)


@value
class OwedLine:
    """What one line of a consignment owes, in minor units: duty, import tax with consumption tax, and the tax that the
    seller charges at the sale. ``declared`` is its value."""

    line: str
    declared: int
    duty: int
    import_tax: int
    sale_tax: int


@value
class Owed:
    """What a consignment owes, in minor units.

    ``import_tax`` is with consumption tax. ``sale_tax`` is what the seller charges at the sale, on goods and carriage;
    ``carriage_tax`` is the carriage's part of it. ``assessment`` is ``None`` where no border is crossed.
    """

    declared: int
    duty: int
    import_tax: int
    sale_tax: int
    carriage_tax: int
    lines: tuple[OwedLine, ...]
    assessment: Assessment | None

    @property
    def tax(self) -> int:
        """Import tax and tax at the sale."""
        return self.import_tax + self.sale_tax

    @property
    def total(self) -> int:
        """Duty and tax."""
        return self.duty + self.tax


class _Worth(NamedTuple):
    """Units of a line in minor units without tax."""

    line: LineId
    units: int
    net: int
    funded: int
    insurance: int
    fees: int


def _leaves_from(policy: BorderPolicy, country: str) -> BorderPolicy:
    """The policy for goods of one parcel that leaves ``country``: they do ship together."""
    return BorderPolicy(
        country or policy.ships_from,
        policy.registrations,
        policy.terms,
        policy.tariff,
        policy.duty_bears_tax,
        policy.consumption,
        ships_together=True,
        import_rates=policy.import_rates,
        flat_duty_needs_registration=policy.flat_duty_needs_registration,
    )


class CustomsDesk:
    """Assesses any units of a sale as one consignment, and remembers what it has assessed."""

    def __init__(self, sold: SoldGoods) -> None:
        self.sold = sold
        self.asked = 0
        self._lines = {line.id: line for line in sold.lines}
        self._places = {line.id: place for place, line in enumerate(sold.lines)}
        worths = [line.net + line.funded for line in sold.lines]
        weights = worths if any(worths) else [1] * len(worths)
        self._insurance = _shared(sold.insurance, weights, sold.lines)
        self._fees = _shared(sold.fees, weights, sold.lines)
        self._policies: dict[str, BorderPolicy] = {}
        self._known: dict[tuple[object, ...], Owed] = {}
        self._nets: dict[tuple[str, int], int] = {}
        self._ppm: dict[str, int] = {}
        self._policy = PricingPolicy(sold.tax, border=sold.border)
        self._facts = PricingFacts(rates=sold.rates, vat_id=sold.vat_id, quota=sold.quota)
        self._cart = Cart(sold.currency, (), customer=sold.customer, shopper=sold.shopper)

    def owed(self, runs: Sequence[Run], freight: int, ships_from: str = "") -> Owed:
        """What these units owe as one consignment that costs ``freight`` (minor units) and leaves ``ships_from``,
        a country; empty for that of the border policy. Raises what pricing raises: `RateUnavailable` for a limit in a
        currency without rate, `InvalidCart` for a tax without rate that the seller is to pay."""
        freight = 0 if self.sold.freight_included else freight
        worths = self.worths(runs)
        key = (ships_from, freight, *worths)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._assessed(worths, freight, ships_from)
            self.asked += 1
        return found

    def declared(self, runs: Sequence[Run]) -> int:
        """The value of these units on a declaration."""
        return sum([worth.net + worth.funded for worth in self.worths(runs)])

    def worths(self, runs: Sequence[Run]) -> list[_Worth]:
        """The units by line, in the order of the sale: odd cents do not depend on how parcels were packed."""
        found: dict[str, _Worth] = {}
        for run in runs:
            line, whole = self._lines[run.line], self._lines[run.line].quantity
            worth = _Worth(
                run.line,
                run.units,
                self._net(line, run.first + run.units) - self._net(line, run.first),
                share_of_units(line.funded, whole, run.first, run.units),
                share_of_units(self._insurance.get(run.line, 0), whole, run.first, run.units),
                share_of_units(self._fees.get(run.line, 0), whole, run.first, run.units),
            )
            known = found.get(run.line)
            if known is not None:
                worth = _Worth(
                    run.line,
                    *[one + other for one, other in zip(known[1:], worth[1:], strict=True)],
                )
            found[run.line] = worth
        if len(found) == 1:
            return list(found.values())
        return sorted(found.values(), key=lambda worth: self._places[worth.line])

    def at_least(self, runs: Sequence[Run]) -> int:
        """What these units owe at least, however they are parted: the tax on their value at the lowest of the rates
        that may hold, less what rounding may take. 0 where a border may waive it, or where that is not clear."""
        sold = self.sold
        if sold.vat_id is not None or sold.shopper.exempt or sold.to.country in UNTAXED:
            return 0
        regimes = regimes_of(sold.to.country, sold.at.date())
        if any(regime.waives_tax for regime in regimes):
            return 0
        share = min([regime.share.ppm for regime in regimes], default=MILLION)
        found = 0
        for worth in self.worths(runs):
            ppm = self._least_ppm(self._lines[worth.line].tax_category) * share
            # a figure is rounded for a line or a unit, so by less than one minor unit for each unit
            found += max(0, (worth.net + worth.funded) * ppm // (MILLION * MILLION) - worth.units)
        return found

    # --- One consignment ----------------------------------------------------------------------

    def _net(self, line: QuoteLine, upto: int) -> int:
        """What the first units of a line came to without tax; any run of units is a difference of two (law L4)."""
        if upto == line.quantity:
            return line.net
        key = (line.id, upto)
        found = self._nets.get(key)
        if found is None:
            found = self._nets[key] = line.units(0, upto).net
        return found

    def _least_ppm(self, category: str) -> int:
        found = self._ppm.get(category)
        if found is None:
            sold = self.sold
            on_import = sold.border.import_tax(category, sold.to, sold.at.date())
            try:
                found = included_ppm(category, sold.tax, sold.to, sold.tax.day(sold.at))
            except InvalidCart:
                found = 0
            if on_import is not None:
                found = min(found, on_import)
            self._ppm[category] = found
        return found

    def _assessed(self, worths: list[_Worth], freight: int, ships_from: str) -> Owed:
        policy = self._policies.get(ships_from)
        if policy is None:
            policy = self._policies[ships_from] = _leaves_from(self.sold.border, ships_from)
        sold = self.sold
        rows = [self._row(worth) for worth in worths]
        charges = self._charges(worths, freight)
        rows += [
            TaxableRow(charge.id, charge.category, charge.amount, 0, 0, False, None, None)  # noqa: FBT003 - a row is a tuple
            for charge in charges
        ]
        crossed = Crossing(
            self._cart, self._policy, policy, sold.at, self._facts, sold.to,
            [self._priced(worth) for worth in worths], charges, rows,
        ).crossed()  # fmt: skip
        taxes = [levy.tax for levy in crossed.levies]
        there = crossed.border
        assessed = {line.line: line for line in there.lines} if there is not None else {}
        lines = []
        for worth, tax in zip(worths, taxes, strict=False):
            line = assessed.get(worth.line)
            duty = line.duty if line is not None else 0
            on_import = line.import_tax + line.consumption_tax if line is not None else 0
            lines.append(OwedLine(worth.line, worth.net + worth.funded, duty, on_import, tax))
        carriage = sum(taxes[len(worths) :])
        return Owed(
            sum([line.declared for line in lines]),
            sum([line.duty for line in lines]),
            sum([line.import_tax for line in lines]),
            sum([line.sale_tax for line in lines]) + carriage,
            carriage,
            tuple(lines),
            there,
        )

    def _row(self, worth: _Worth) -> TaxableRow:
        line = self._lines[worth.line]
        return TaxableRow(
            line.id, line.tax_category, worth.net, worth.funded, worth.units, False,  # noqa: FBT003 - a row is a tuple
            GoodsKind.GOODS, None,
        )  # fmt: skip

    def _charges(self, worths: list[_Worth], freight: int) -> list[Charge]:
        """Carriage, and these units' part of insurance and fees."""
        amounts = {
            ChargeKind.SHIPPING: freight,
            ChargeKind.INSURANCE: sum([worth.insurance for worth in worths]),
            ChargeKind.FEE: sum([worth.fees for worth in worths]),
        }
        found = []
        for kind, amount in amounts.items():
            if not amount:
                continue
            category = "standard" if kind in _BESIDE else self.sold.freight_category
            name = SHIPPING if kind is ChargeKind.SHIPPING else LineId(kind.value)
            found.append(Charge(name, kind.value, kind, amount, 0, 0, category, False))  # noqa: FBT003 - as above
        return found

    def _priced(self, worth: _Worth) -> Priced:
        """The units as a line of a cart half way; of its figures the border reads the quantity alone."""
        line = self._lines[worth.line]
        sold = CartLine(
            line.sku,
            worth.units,
            Money(0, self.sold.currency),
            tax_category=line.tax_category,
            customs=line.customs,
        )
        return Priced(
            sold, line.id, 0, worth.net, 0, 0, False, 0, worth.funded, "", (), "", 0, False, None,  # noqa: FBT003 - as above
        )  # fmt: skip


def _shared(amount: int, weights: Sequence[int], lines: Sequence[QuoteLine]) -> dict[str, int]:
    """A charge beside the goods, shared over lines by value."""
    if not amount or not lines:
        return {}
    parts = allocate(amount, weights)
    return {line.id: part for line, part in zip(lines, parts, strict=True)}
