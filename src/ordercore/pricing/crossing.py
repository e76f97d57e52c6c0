"""A cart that crosses a border: which of its rows the seller taxes, and what the border makes of the goods.

The border is asked twice where prices have tax inside. Limits of tax at the sale are held against the prices
without the tax that the seller would charge. What is declared is what is charged in the end: a row
that is not taxed at the sale has no tax inside. Both come from the taxes of the rows as the policy
rounds them, so what is assessed, charged and declared is one figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ordercore.errors import InvalidCart, InvalidInput
from ordercore.money import Percent
from ordercore.pricing.assessing import UNTAXED, BorderGoods, assess, crosses
from ordercore.pricing.cart import ChargeKind, GoodsKind
from ordercore.pricing.regime import customs_territory, regimes_of
from ordercore.pricing.tax import TaxTreatment
from ordercore.pricing.taxing import Levy, TaxableRow, included_ppm, levies

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from ordercore.party import Destination
    from ordercore.pricing.border import Assessment, BorderPolicy
    from ordercore.pricing.cart import Cart
    from ordercore.pricing.facts import PricingFacts
    from ordercore.pricing.priced import Charge, Priced
    from ordercore.pricing.quote import PricingPolicy
    from ordercore.pricing.tax import TaxPolicy, VatIdCheck

__all__ = ["Crossed", "Crossing", "sold_without_tax"]

_GOODS = GoodsKind.GOODS
_CARRIAGE = (ChargeKind.SHIPPING, ChargeKind.INSURANCE, ChargeKind.FEE)


def sold_without_tax(
    kind: GoodsKind, tax: TaxPolicy, border: BorderPolicy, to: Destination, day: date
) -> bool:
    """Whether a price whose net stays fixed is shown without tax, since its goods cross a border.

    At home the price stays as it is shown, from wherever the goods come.
    """
    if kind is not _GOODS or not crosses(border.ships_from, to.country, day):
        return False
    return not tax.is_home(to)


class Crossed(NamedTuple):
    """Rows with what the border decided for them, their taxes, and the assessment (``None``: nothing crosses)."""

    rows: list[TaxableRow]
    levies: list[Levy]
    border: Assessment | None


class Crossing(NamedTuple):
    """A cart on its way, after discounts: ``rows`` are ``priced``, then ``charges``, as tax sees them."""

    cart: Cart
    policy: PricingPolicy
    border: BorderPolicy
    at: datetime
    facts: PricingFacts
    to: Destination
    priced: Sequence[Priced]
    charges: Sequence[Charge]
    rows: list[TaxableRow]

    def crossed(self) -> Crossed:
        """What the border decides. `InvalidInput` for a quota of somebody else than the customer."""
        quota = self.facts.quota
        if quota is not None and quota.person != self.cart.customer.id:
            raise InvalidInput("the quota is of another person", path="facts.quota.person")
        things = any(half.line.kind is _GOODS for half in self.priced)
        if not things or not crosses(self.border.ships_from, self.to.country, self.at.date()):
            return Crossed(self.rows, self._levies(self.rows), None)
        consumer = self._consumer()
        rows, if_taxed = self.rows, None
        if self._may_tax(consumer):
            if_taxed = self._nets(self._decided(None))
            first = self._assessed(if_taxed, None, consumer)
            rows = self._decided({line.line for line in first.lines if line.collected})
        elif not self._taxed_as_sold():
            rows = self._decided(set())
        taxes = self._levies(rows)
        return Crossed(rows, taxes, self._assessed(_net_of(rows, taxes), if_taxed, consumer))

    # --- Who taxes ---------------------------------------------------------------------------

    def _consumer(self) -> bool:
        """Whether the buyer is one that regimes for consumers take in: not exempt, and no business that is
        registered for tax where the goods go."""
        if self.cart.shopper.exempt:
            return False
        check = self.facts.vat_id
        return check is None or not check.valid or not self._of_there(check)

    def _of_there(self, check: VatIdCheck) -> bool:
        """Whether a VAT id belongs to the tax territory of the destination."""
        day = self.at.date()
        places = {
            # EL is Greece, and XI Northern Ireland: the EU's for goods, and the United Kingdom's
            "EL": ("EU",),
            "XI": ("EU", customs_territory("GB", day)),
        }.get(check.country) or (customs_territory(check.country, day),)
        return customs_territory(self.to.country, day) in places

    def _may_tax(self, consumer: bool) -> bool:  # noqa: FBT001 - one answer, handed on
        """Whether a regime may let the seller charge the destination's tax."""
        return consumer and any(
            regime.tax_at_sale and self.border.number(regime.id)
            for regime in regimes_of(self.to.country, self.at.date())
        )

    def _taxed_as_sold(self) -> bool:
        """Whether the destination taxes sales and not imports, and the policy has a rate for this place."""
        country = self.to.country
        return country in UNTAXED and any(
            row.kind is _GOODS and self._rated(row.category, country) for row in self.rows
        )

    def _rated(self, category: str, country: str | None = None) -> bool:
        """Whether the policy has a rate for a category at the destination, and a rate of that country."""
        try:
            found = self.policy.tax.components_of(category, self.to, self._tax_day())
        except InvalidCart:
            return False
        return country is None or any(rate.country == country for rate in found)

    def _decided(self, collected: set[str] | None) -> list[TaxableRow]:
        """Each row under what was decided for it, where ``collected`` are the lines taxed at the sale (``None``:
        all). A charge is taxed at the sale if any of the goods is; what is no goods is taxed as ever."""
        found = []
        for row in self.rows:
            if row.kind is None:
                at_sale = collected is None or bool(collected)
            elif row.kind is _GOODS:
                at_sale = collected is None or row.id in collected
            else:
                found.append(row)
                continue
            why = TaxTreatment.STANDARD if at_sale else TaxTreatment.EXPORT
            found.append(row._replace(forced=why))
        return found

    # --- Figures -----------------------------------------------------------------------------

    def _tax_day(self) -> date:
        """The day whose rates of the sale hold: the shop's. The border keeps that of UTC."""
        return self.policy.tax.day(self.at)

    def _levies(self, rows: list[TaxableRow]) -> list[Levy]:
        return levies(
            rows, self.policy.tax, self.to, self._tax_day(), vat_id=self.facts.vat_id,
            exempt=bool(self.cart.shopper.exempt), external=self.facts.tax,
        )  # fmt: skip

    def _nets(self, rows: list[TaxableRow]) -> list[int]:
        """What rows come to without the destination's tax; as they are shown where it has no rates."""
        try:
            return _net_of(rows, self._levies(rows))
        except InvalidCart:
            if any(row.kind is _GOODS and self._rated(row.category) for row in rows):
                raise  # one is missing among others: nothing is decided on half of the taxes
            return [row.amount for row in rows]

    def _assessed(
        self,
        nets: list[int],
        if_taxed: list[int] | None,
        consumer: bool,  # noqa: FBT001 - as above
    ) -> Assessment:
        """What the border makes of the rows at ``nets``."""
        without: Sequence[int | None] = if_taxed or [None] * len(nets)
        goods = [
            BorderGoods(
                half.id, half.line.sku, half.line.quantity, net, half.line.customs,
                half.line.tax_category, half.line.kind, row.funded, other,
            )
            for half, row, net, other in zip(self.priced, self.rows, nets, without, strict=False)
        ]  # fmt: skip
        sums = dict.fromkeys(_CARRIAGE, 0)
        for charge, net in zip(self.charges, nets[len(goods) :], strict=True):
            sums[charge.kind] += net + charge.funded
        external = self.facts.tax
        taxed = external.rows if external is not None else ()
        levied = {row.id for row in taxed if any(part.tax for part in row.parts)}
        levied &= {half.id for half in self.priced if half.line.kind is _GOODS}
        guest = not self.cart.customer.id
        found = assess(
            goods, sums[ChargeKind.SHIPPING], sums[ChargeKind.INSURANCE], self.cart.currency,
            self.to, self.at, self.border, rates=self.facts.rates,
            quota=None if guest else self.facts.quota, import_rate=self._import_rate,
            fees=sums[ChargeKind.FEE], consumer=consumer, levied=levied,
        )  # fmt: skip
        assert found is not None
        return found

    def _import_rate(self, category: str) -> Percent | None:
        """The border's own rate of tax on imports, else the rate of the sale."""
        found = self.border.import_tax(category, self.to, self.at.date())
        if found is None:
            try:
                found = included_ppm(category, self.policy.tax, self.to, self._tax_day())
            except InvalidCart:
                return None
        return Percent(found)


def _net_of(rows: list[TaxableRow], taxes: list[Levy]) -> list[int]:
    return [
        row.amount - levy.tax if row.included else row.amount
        for row, levy in zip(rows, taxes, strict=True)
    ]
