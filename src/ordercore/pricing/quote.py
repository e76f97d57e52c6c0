"""What a cart comes to: the values of a quote.

`ordercore.pricing.quote` makes them in one pass. Law L3 holds: the total is the sum of lines and charges,
and the tax summary adds up to the tax. Law L4 holds: `QuoteLine.units` shares a line
over its units so that any parts rebuild the line.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from ordercore.allocation import RemainderRule, share_of_units
from ordercore.errors import InvalidInput, InvalidQuantity
from ordercore.goods import LineId
from ordercore.money import CASH_STEPS, Rounding
from ordercore.party import Address, Party
from ordercore.pricing.border import Assessment, BorderPolicy
from ordercore.pricing.cart import Cart, ChargeKind, Customs, OrderKind, PointsRate
from ordercore.pricing.coupon import RefusedCoupon
from ordercore.pricing.discount import AppliedDiscount
from ordercore.pricing.exchange import Conversion, ExchangePolicy
from ordercore.pricing.facts import NO_FACTS, PricingFacts
from ordercore.pricing.promotion import Layer
from ordercore.pricing.tax import RoundingScope, TaxPart, TaxPolicy, TaxTreatment
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.pricing.explain import Explanation

__all__ = [
    "SHIPPING",
    "CashPayable",
    "PricingPolicy",
    "Quote",
    "QuoteCharge",
    "QuoteLine",
    "TaxTotal",
    "UnitShare",
]

SHIPPING = LineId("shipping")
"""The name of the shipping charge where lines and charges stand together."""


@value
class PricingPolicy:
    """How a shop prices. ``quote_valid`` is how long a quote may be placed as it was shown.

    ``layers`` are its promotions. ``discount_remainder`` says who gets the odd cents of a discount that
    is shared over lines. ``points_worth`` turns points of a price into money.
    """

    tax: TaxPolicy = attrs.field(factory=TaxPolicy)
    discount_rounding: Rounding = Rounding.HALF_UP
    quote_valid: timedelta = timedelta(minutes=15)
    discount_remainder: RemainderRule = RemainderRule.LARGEST_FRACTION
    layers: tuple[Layer, ...] = ()
    exchange: ExchangePolicy = ExchangePolicy()
    border: BorderPolicy | None = None
    points_worth: PointsRate | None = None


@value
class UnitShare:
    """What some units of a line cost; all figures in minor units (see `QuoteLine`)."""

    list_amount: int
    discount: int
    freight: int
    tax: int
    net: int
    total: int


@value
class QuoteLine:
    """A line with its final figures, in minor units.

    ``list_amount`` = units x unit price. ``amount`` = list amount - ``discount`` (the line's own)
    - ``order_discount`` (its share of the order's) + ``freight``, with or without tax as ``tax_included`` says.
    ``net`` + ``tax`` = ``total``, what the customer pays for the line.
    ``extra`` is the host's JSON text, empty for none.

    ``funded`` is the part of the discounts that a third party repays: it is taxed though the customer
    does not pay it, so tax stands on ``net`` + ``funded``. ``tax_ppm`` is the rate of all components together,
    which ``parts`` tell apart where there are several. ``bundle`` is the cart line this is a component of,
    ``merchant`` whose goods they are, empty for the shop's own.
    """

    id: LineId
    sku: str
    name: str
    quantity: int
    unit_price: int
    list_amount: int
    discount: int
    order_discount: int
    freight: int
    amount: int
    tax_category: str
    tax_ppm: int
    tax_included: bool
    tax: int
    net: int
    total: int
    category: str = ""
    weight_grams: int = 0
    source_url: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    extra: str = ""
    funded: int = 0
    parts: tuple[TaxPart, ...] = ()
    treatment: TaxTreatment = TaxTreatment.STANDARD
    customs: Customs | None = None
    bundle: str = ""
    merchant: str = ""

    def units(self, first: int, count: int) -> UnitShare:
        """What the units ``first`` to ``first + count - 1`` (from 0) of this line cost.

        Discounts and freight are each shared equally over the units, odd cents to the first ones;
        tax follows what the units cost, so that no unit bears more tax than price.
        Any partition of the units adds up to the line (law L4).
        """
        whole = self.quantity
        if type(first) is not int or type(count) is not int:
            raise InvalidQuantity("units are whole numbers", path=f"[{self.id}]", line=self.id)
        if first < 0 or count < 0 or first + count > whole:
            reason = f"units {first} to {first + count} of {whole}"
            raise InvalidQuantity(reason, path=f"[{self.id}]", line=self.id)
        listed = self.unit_price * count
        off = share_of_units(self.discount + self.order_discount, whole, first, count)
        freight = share_of_units(self.freight, whole, first, count)
        tax = sum(self.unit_taxes(first, count))
        amount = listed - off + freight
        net = amount - tax if self.tax_included else amount
        return UnitShare(listed, off, freight, tax, net, net + tax)

    def unit_taxes(self, first: int, count: int) -> tuple[int, ...]:
        """The tax of some units by component, in the order of ``parts``; one figure where there is one.

        Of a component's tax T on a taxable amount A, the first k units, which come to A(k), bear
        the whole part of T x A(k) / A.
        """
        taxes = tuple([part.tax for part in self.parts]) or (self.tax,)
        if not self.tax:
            return (0,) * len(taxes)
        base = self.amount + self.funded
        if not base:  # only an external engine taxes what costs nothing
            return tuple([share_of_units(tax, self.quantity, first, count) for tax in taxes])
        before, upto = self._taxable(first), self._taxable(first + count)
        return tuple([tax * upto // base - tax * before // base for tax in taxes])

    def _taxable(self, count: int) -> int:
        """What the first ``count`` units come to, with what third parties repay."""
        whole = self.quantity
        off = share_of_units(self.discount + self.order_discount, whole, 0, count)
        more = share_of_units(self.freight, whole, 0, count)
        return self.unit_price * count - off + more + share_of_units(self.funded, whole, 0, count)


@value
class QuoteCharge:
    """A charge beside the goods (shipping, a fee, duty), with its own tax; figures as in `QuoteLine`.

    ``amount`` is what is charged after ``discount``. ``shares`` says what of a duty or an import tax each
    line bears, empty for other charges. ``tax_ppm`` is 0 where ``parts`` stand on different nets.
    """

    id: LineId
    name: str
    amount: int
    tax_category: str
    tax_ppm: int
    tax_included: bool
    tax: int
    net: int
    total: int
    kind: ChargeKind = ChargeKind.SHIPPING
    discount: int = 0
    funded: int = 0
    parts: tuple[TaxPart, ...] = ()
    treatment: TaxTreatment = TaxTreatment.STANDARD
    shares: tuple[int, ...] = ()


@value
class TaxTotal:
    """Tax of one rate, and of one component where there are several: on ``net``, in minor units.

    ``net`` is the taxable amount: what the customer pays without tax, and what third parties repay.
    """

    ppm: int
    net: int
    tax: int
    name: str = ""
    treatment: TaxTreatment = TaxTreatment.STANDARD


@value
class CashPayable:
    """What is handed over in coins, and by how much that differs from what is due, in minor units."""

    amount: int
    rounding: int


@value
class Quote:
    """A priced cart: what is shown, and what will be charged, until ``valid_until``.

    ``subtotal`` is the list amount of all lines, ``discount`` all discounts together,
    ``total`` is what the customer pays. ``points`` of it are to be paid in points.

    ``cart``, ``policy``, ``at`` and ``facts`` are what it was made from: they give the same quote again (L18).
    """

    currency: str
    lines: tuple[QuoteLine, ...]
    charges: tuple[QuoteCharge, ...]
    discounts: tuple[AppliedDiscount, ...]
    taxes: tuple[TaxTotal, ...]
    subtotal: int
    discount: int
    tax: int
    net: int
    total: int
    rounding: Rounding
    scope: RoundingScope
    at: datetime
    valid_until: datetime
    cart: Cart
    policy: PricingPolicy = attrs.field(repr=False)
    facts: PricingFacts = NO_FACTS
    refused: tuple[RefusedCoupon, ...] = ()
    points: int = 0
    border: Assessment | None = None
    settlement: Conversion | None = None
    ledger: Conversion | None = None

    @property
    def kind(self) -> OrderKind:
        """How the order comes about."""
        return self.cart.kind

    @property
    def shop(self) -> str:
        """Which shop of the host sells."""
        return self.cart.shop

    @property
    def customer(self) -> Party:
        """Who buys."""
        return self.cart.customer

    @property
    def address(self) -> Address:
        """Where it goes."""
        return self.cart.address

    def rows(self) -> tuple[QuoteLine | QuoteCharge, ...]:
        """Lines, then charges: the rows that tenders are shared over."""
        return (*self.lines, *self.charges)

    def same_figures(self, other: Quote) -> bool:
        """Whether the customer would pay the same for the same lines."""
        return (
            self.total == other.total
            and self.tax == other.tax
            and self.points == other.points
            and [line.total for line in self.lines] == [line.total for line in other.lines]
        )

    def explain(self) -> Explanation:
        """Why each figure is what it is, as a tree; made now, and checked to add up (law L18)."""
        from ordercore.pricing.explain import explain  # nothing of it is paid for on every quote

        return explain(self)

    def in_cash(self, otherwise: int = 0) -> CashPayable:
        """What is to be handed over in coins when ``otherwise`` minor units are paid by other means.

        Rounding to the smallest coin belongs to the part that is paid in cash: CHF 12.37 are 12.35 in cash,
        10.00 by card and 2.35 in cash, or 12.37 by card.
        """
        if type(otherwise) is not int or not 0 <= otherwise <= self.total:
            reason = f"of {self.total} minor units, {otherwise} cannot be paid otherwise"
            raise InvalidInput(reason, path="otherwise", total=self.total)
        rest = self.total - otherwise
        step = CASH_STEPS.get(self.currency)
        amount = rest if step is None else step.apply(rest)
        return CashPayable(amount, amount - rest)
