"""The order: what was agreed, and where it stands.

`OrderContent` is what was agreed when the order was placed; it changes rarely and is stored once.
`Order` adds what moves: the lifecycle state, the payments, the delivery.
Everything else (what is due, what may be refunded or shipped) is derived, never stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from ordercore.allocation import allocate, share_of_units
from ordercore.fulfillment import Delivery
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.money import Rounding, to_minor
from ordercore.order.handling import Handling
from ordercore.party import Address, Attribution, Party
from ordercore.pricing import (
    SHIPPING,
    AppliedDiscount,
    Assessment,
    Cart,
    Conversion,
    DiscountLevel,
    Funder,
    OrderKind,
    QuoteCharge,
    QuoteLine,
    RoundingScope,
    TaxTotal,
    TaxTreatment,
)
from ordercore.tender import AttemptState, Payments, reduced, refundable
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.money import Money
    from ordercore.pricing import Presale, TaxPart

__all__ = ["AddedHolding", "AddedReservation", "Closing", "Order", "OrderContent", "row_taxes"]

_CAPTURED = AttemptState.CAPTURED  # a look-up through an Enum class costs more than the comparison


@value
class AddedReservation:
    """Goods that an amendment added, held at the stock keeper under a name of their own: (sku, units)."""

    name: str
    goods: tuple[tuple[str, int], ...]


@value
class AddedHolding:
    """Coupon codes that an amendment added, held at the coupon book under a name of their own."""

    name: str
    codes: tuple[str, ...]


@value
class OrderContent:
    """What was agreed: the goods, their prices, who buys, until when it is to be paid.

    Figures are minor units of ``currency``, as in `ordercore.pricing.Quote`.
    ``reservation`` names the goods held at the stock keeper, empty for none. ``coupons`` are the codes
    that the price counts on, ``coupon_holding`` names them at the coupon book, empty without one.
    ``points`` of the total are to be paid in points. ``cart`` is what it was priced from, to be priced again
    when the order is amended or recovered; ``added`` are goods held beside ``reservation``,
    ``added_codes`` codes held beside ``coupon_holding``.
    """

    id: str
    number: str
    shop: str
    kind: OrderKind
    lifecycle: str
    lifecycle_version: int
    currency: str
    customer: Party
    address: Address
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
    priced_at: datetime
    placed_at: datetime
    pay_by: datetime | None
    reservation: str
    extra: str = ""
    coupons: tuple[str, ...] = ()
    coupon_holding: str = ""
    points: int = 0
    border: Assessment | None = None
    settlement: Conversion | None = None
    ledger: Conversion | None = None
    attribution: Attribution = Attribution()
    cart: Cart | None = attrs.field(default=None, repr=False)
    added: tuple[AddedReservation, ...] = ()
    added_codes: tuple[AddedHolding, ...] = ()

    def line(self, name: str) -> QuoteLine | None:
        """The line with this id."""
        for line in self.lines:
            if line.id == name:
                return line
        return None

    def rows(self) -> tuple[QuoteLine | QuoteCharge, ...]:
        """Lines, then charges."""
        return (*self.lines, *self.charges)

    def funded(self, row: str, first: int, count: int) -> tuple[tuple[Funder, int], ...]:
        """What third parties bear of the discounts on units ``first`` to ``first + count - 1`` of a line,
        or on a charge (of one unit), in minor units."""
        sums: dict[Funder, int] = {}
        for place, line in enumerate(self.lines):
            if line.id == row and line.funded:
                for off in self.discounts:
                    part = off.amount if off.line == row else off.shares[place] if off.shares else 0
                    if part and off.funder is not Funder.MERCHANT and off.line in {"", row}:
                        sums[off.funder] = sums.get(off.funder, 0) + part
                return tuple(
                    [
                        (who, share_of_units(amount, line.quantity, first, count))
                        for who, amount in sums.items()
                    ]
                )
        if row == SHIPPING and count:
            for off in self.discounts:
                if off.level is DiscountLevel.SHIPPING and off.funder is not Funder.MERCHANT:
                    sums[off.funder] = sums.get(off.funder, 0) + off.amount
        return tuple(sums.items())


def row_taxes(
    row: QuoteLine | QuoteCharge, first: int = 0, count: int = 1, reduction: int = 0
) -> tuple[TaxTotal, ...]:
    """Net and tax of the units ``first`` to ``first + count - 1`` of a line, or of a whole charge,
    by component of tax.

    The nets add up to what the customer pays without tax: one that bears several taxes is told once,
    with the first of them. The taxes are those of `QuoteLine.unit_taxes`, so over any partition
    of the units they add up to the component (law L4 units rebuild lines).
    ``reduction`` of the row bears no tax, since it was paid by a price reduction: what of it these units have
    comes last, out of scope.
    """
    net, taxes = row.net, [part.tax for part in row.parts] or [row.tax]
    if isinstance(row, QuoteLine):
        net, taxes = row.units(first, count).net, [*row.unit_taxes(first, count)]
    untaxed: tuple[TaxTotal, ...] = ()
    if reduction:
        part = reduced(row, reduction, first, count)
        net += sum(taxes) - part.tax - part.untaxed
        taxes = [*part.taxes]
        untaxed = (TaxTotal(0, part.untaxed, 0, "", TaxTreatment.OUT_OF_SCOPE),)
    if not row.parts:
        return (TaxTotal(row.tax_ppm, net, taxes[0]), *untaxed)
    nets = _nets_once(row.parts, row.net)
    if net != row.net:
        nets = list(allocate(net, nets)) if min(net, *nets) >= 0 and any(nets) else nets
        nets[0] += net - sum(nets)
    return tuple(
        [
            TaxTotal(part.ppm, base, tax, part.name)
            for part, base, tax in zip(row.parts, nets, taxes, strict=True)
        ]
        + [*untaxed]
    )


def _nets_once(parts: tuple[TaxPart, ...], net: int) -> list[int]:
    """The nets of a row's parts, which add up to ``net``: each with the first component that stands on it.

    Parts stand on what third parties repay too; what is over is taken from the first.
    """
    nets: list[int] = []
    seen: set[str] = set()
    base = None
    for part in parts:
        if part.net == base and part.name and part.name not in seen:
            nets.append(0)
        else:
            seen, base = set(), part.net
            nets.append(base)
        seen.add(part.name)
    nets[0] += net - sum(nets)
    return nets


@value
class Closing:
    """The order is to close as soon as every attempt has had its last word.

    ``timed_out``: its time is up, so money that came in time is kept; otherwise it is called off.
    """

    via: str
    reason: str
    timed_out: bool = False


@value
class Order:
    """An order at one moment. ``version`` is the number of its events; ``visit`` counts its moves.

    ``recognized`` says whether the sale is booked as revenue.
    """

    content: OrderContent
    version: int
    state: str
    visit: int
    entered_at: datetime
    payments: Payments = Payments()
    delivery: Delivery = Delivery()
    closing: Closing | None = None
    reason: str = ""
    recognized: bool = False
    handling: Handling = Handling()

    @property
    def id(self) -> str:
        """The order's id."""
        return self.content.id

    @property
    def number(self) -> str:
        """The number that people see."""
        return self.content.number

    @property
    def shop(self) -> str:
        """Which shop of the host sold it."""
        return self.content.shop

    @property
    def currency(self) -> str:
        """The currency of all its figures."""
        return self.content.currency

    @property
    def total(self) -> int:
        """What the customer pays in all, in minor units."""
        return self.content.total

    @property
    def presale(self) -> Presale | None:
        """The deposit and the windows of an order that is paid in two parts."""
        cart = self.content.cart
        return None if cart is None else cart.presale

    @property
    def deposit(self) -> int:
        """What is paid first of an order in two parts, in minor units; 0 for any other."""
        presale = self.presale
        return 0 if presale is None else to_minor(presale.deposit, self.content.currency)

    @property
    def lines(self) -> tuple[QuoteLine, ...]:
        """What was bought."""
        return self.content.lines

    @property
    def total_money(self) -> Money:
        """What the customer pays in all."""
        from ordercore.money import from_minor

        return from_minor(self.content.total, self.content.currency)

    def shippable(self) -> Manifest:
        """Units that are still to leave."""
        if self.handling.gone:
            return Manifest()
        gone = self.delivery.gone()
        return Manifest(
            tuple(
                [
                    (line.id, Quantity(left))
                    for line in self.content.lines
                    if (left := line.quantity - gone.get(line.id, 0)) > 0
                ]
            )
        )

    def stock_kept(self) -> tuple[tuple[str, int], ...]:
        """Goods by sku that the order still needs or has sent: nothing once it is released
        before anything left, otherwise all but what was withdrawn."""
        withdrawn = dict(self.delivery.withdrawn.items)
        kept: dict[str, int] = {}
        if not self.handling.released or self.delivery.shipments:
            for line in self.content.lines:
                left = line.quantity - withdrawn.get(line.id, 0)
                if left:
                    kept[line.sku] = kept.get(line.sku, 0) + left
        return tuple(kept.items())

    def reservations(self) -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
        """Every name under which goods are held, and what each still has to keep.

        What an amendment added is needed first; the rest stands on the first reservation.
        """
        content = self.content
        if not content.reservation or self.handling.gone:
            return ()
        if not content.added:
            return ((content.reservation, self.stock_kept()),)
        left = dict(self.stock_kept())
        found = []
        for added in content.added:
            keep = []
            for sku, units in added.goods:
                part = min(units, left.get(sku, 0))
                if part:
                    keep.append((sku, part))
                    left[sku] -= part
            found.append((added.name, tuple(keep)))
        rest = tuple((sku, units) for sku, units in left.items() if units)
        return ((content.reservation, rest), *found)

    def holdings(self) -> tuple[tuple[str, bool], ...]:
        """Every name under which coupon codes are held, and whether the price still counts on one of them."""
        content = self.content
        if (not content.coupon_holding and not content.added_codes) or self.handling.gone:
            return ()
        left = set(content.coupons)
        found: list[tuple[str, bool]] = []
        for added in reversed(
            content.added_codes
        ):  # a code that came back is held by its last name
            needed = left.intersection(added.codes)
            left -= needed
            found.append((added.name, bool(needed)))
        if content.coupon_holding:
            found.append((content.coupon_holding, bool(left)))
        return tuple(reversed(found))

    def coupons_kept(self) -> bool:
        """Whether its coupon codes stay with it: not once it is released, or all of its money was asked back,
        before anything left. On a partial refund their share is lost."""
        if self.delivery.shipments:
            return True
        return not self.handling.released and not self.all_asked_back()

    def all_asked_back(self) -> bool:
        """Whether refunds asked, accepted or arrived add up to all that was paid for today's goods, but for what
        payers' banks took back."""
        payments = self.payments
        if payments.refunded_now <= 0:
            return False
        return payments.refunded + payments.taken_back >= payments.captured

    @property
    def due(self) -> int:
        """What must still be paid or promised, in minor units: the total, without what was refunded of it,
        less the money that is in our hands or promised to us. Who was given all of it back owes nothing for it.
        Computed from totals, never from changes."""
        payments = self.payments
        if self.handling.released or (payments.refunds and payments.given_up):
            return 0
        left = self.content.total
        for attempt in payments.attempts:
            if attempt.state is _CAPTURED:  # what it covers, without a call
                left -= attempt.captured - attempt.rounding + attempt.released
            else:
                left -= attempt.covers
        if payments.refunds:
            left += payments.refunded - payments.refunded_now
        return max(0, left)

    @property
    def asked(self) -> int:
        """What is to be paid next, in minor units: what is left of the deposit of an order in two parts, then the
        balance; all that is due of any other. Whether its time has come says the clock."""
        due = self.due
        if not due or self.presale is None:
            return due
        left = self.deposit - (self.content.total - due)
        return left if left > 0 else due

    @property
    def payable(self) -> int:
        """What payments come to with the one that is asked next, in minor units: the deposit, or the price."""
        total = self.content.total
        return total if self.presale is None else total - self.due + self.asked

    @property
    def owed(self) -> int:
        """What was paid above what the order costs, in minor units: all of it once the order is released, but for
        what payers' banks took back."""
        payments = self.payments
        if self.handling.gone:
            return 0
        net = payments.captured - payments.refunded
        price = 0
        if not self.handling.released:
            price = max(0, self.content.total - payments.refunded_now)
        above = net - price - payments.forfeited
        return max(0, above - payments.taken_back) if above > 0 else 0

    def refundable(self) -> Manifest:
        """Units whose money is still with the shop."""
        if self.handling.gone:
            return Manifest()
        units, _ = refundable(self.content.lines, self.content.charges, self.payments)
        return Manifest(tuple([(line, Quantity(left)) for line, left in units.items()]))

    def invoiceable(self) -> tuple[tuple[LineId, int], ...]:
        """What of each line and charge may stand on an invoice, in minor units, for `ordercore.invoice.invoice`.

        Not what was paid by tenders that count as price reductions, nor by those whose money is invoiced
        elsewhere or not at all (`ordercore.tender.TenderRule`).
        """
        rows, plan = self.content.rows(), self.payments.plan
        owed = tuple([(row.id, row.total) for row in rows])
        if plan is None or plan.rows != owed:
            return owed
        off = plan.uninvoiced()
        return tuple([(name, total - part) for (name, total), part in zip(owed, off, strict=True)])
