"""Invoices and credit notes: their values, and how they are made from an order.

Four identities hold for every invoice made here, in minor units::

    net     = lines + charges
    gross   = net + tax
    payable = gross + rounding - funded - paid
    payable + paid = what the customer was charged

Prices that include tax cannot always be stated as net and tax: three at 89.99 with 19 % inside are
269.97, but 226.86 net makes 269.96 and 226.87 makes 269.98. EN 16931 has the rounding amount (BT-114)
for this; `StatedTax` says when it is used. What is payable is what was charged, whichever is chosen.
"""

from __future__ import annotations

import enum
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from ordercore.allocation import allocate, share_of_units
from ordercore.errors import InvalidInvoice
from ordercore.money import divide, exponent
from ordercore.party import Address, Party
from ordercore.pricing import ChargeKind, Funder, QuoteCharge, QuoteLine, TaxPart, TaxTreatment
from ordercore.tender import reduced
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.goods import LineId
    from ordercore.order import OrderContent
    from ordercore.pricing import AppliedDiscount
    from ordercore.tender import Refund, RefundRow

__all__ = [
    "Invoice",
    "InvoiceCharge",
    "InvoiceKind",
    "InvoiceLine",
    "Seller",
    "StatedTax",
    "TaxLine",
    "credit_note",
    "invoice",
]

_WHOLE = 1_000_000
_DISBURSED = frozenset({ChargeKind.DUTY, ChargeKind.IMPORT_TAX, ChargeKind.CONSUMPTION_TAX})


class InvoiceKind(enum.Enum):
    """What the document does (UNTDID 1001: 380 and 381)."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    """Takes back part of an invoice; its figures are positive, and payable is what the seller gives back."""


class StatedTax(enum.Enum):
    """Which tax an invoice states for each category and rate.

    EN 16931 (BR-CO-17) wants tax = taxable amount x rate, rounded once. The committee's own check
    lets the tax differ by less than one whole unit of the currency, since sellers round by line.
    """

    CHARGED = "charged"
    """The order's own tax, as it was charged and booked, where it is within that limit.
    Beyond it the tax is computed, and the rounding amount carries the difference."""
    COMPUTED = "computed"
    """Taxable amount x rate, to the minor unit; the rounding amount (BT-114) carries the difference.
    It can differ from the tax that was booked by some minor units."""


@value
class Seller:
    """Who sells. ``registration`` is the number in a register of companies, ``tax_number`` the one
    that a local tax office gave. A seller needs one of the three numbers."""

    name: str
    address: Address
    vat_id: str = ""
    registration: str = ""
    tax_number: str = ""
    email: str = ""
    phone: str = ""


@value
class InvoiceLine:
    """One article, without tax, in minor units: ``list_net`` - ``allowance`` + ``freight`` = ``net``.

    ``net`` is what tax stands on, so a discount that a third party repays is not taken off.
    ``tax`` is the order's own. ``parts`` tells several taxes on the same net apart, empty for one tax.
    ``reason`` names the discounts.
    """

    id: str
    sku: str
    name: str
    quantity: int
    list_net: int
    allowance: int
    freight: int
    net: int
    tax: int
    treatment: TaxTreatment
    ppm: int
    reason: str = ""
    parts: tuple[TaxPart, ...] = ()


@value
class InvoiceCharge:
    """A charge for the whole order, without tax, in minor units.

    ``disbursed``: duty or a tax of import that the seller paid in the buyer's name and for the buyer's
    account, and gets back. It is no part of what is taxed (Directive 2006/112/EC, Art. 79(c)).
    """

    id: str
    name: str
    kind: ChargeKind
    net: int
    tax: int
    treatment: TaxTreatment
    ppm: int
    disbursed: bool = False
    parts: tuple[TaxPart, ...] = ()


@value
class TaxLine:
    """Tax of one treatment and rate on ``net``, in minor units.

    ``name`` is the component where several taxes stand on the same net.
    ``disbursed`` as in `InvoiceCharge`.
    """

    treatment: TaxTreatment
    ppm: int
    net: int
    tax: int
    name: str = ""
    disbursed: bool = False


@value
class Invoice:
    """An invoice or a credit note; figures are minor units of ``currency``.

    ``net``, ``tax`` and ``gross`` are the totals that the law asks for. ``funded`` is the part that third
    parties pay for the buyer (discounts that they repay), ``paid`` what the buyer has paid already;
    both together are EN 16931's paid amount (BT-113). ``rounding`` is its BT-114, ``payable`` its BT-115.

    ``corrects`` and ``corrected_on`` are the number and day of the invoice that a credit note takes back.
    ``due`` is None where nothing is payable or ``terms`` say it. ``exemption`` is why exempt goods are exempt.
    """

    number: str
    issued: date
    kind: InvoiceKind
    currency: str
    seller: Seller
    buyer: Party
    buyer_address: Address
    ship_to: Address
    order: str
    lines: tuple[InvoiceLine, ...]
    charges: tuple[InvoiceCharge, ...]
    breakdown: tuple[TaxLine, ...]
    net: int
    tax: int
    gross: int
    rounding: int
    funded: int
    paid: int
    payable: int
    due: date | None = None
    terms: str = ""
    delivered: date | None = None
    notes: tuple[str, ...] = ()
    purchase_order: str = ""
    exemption: str = ""
    corrects: str = ""
    corrected_on: date | None = None

    @property
    def prepaid(self) -> int:
        """What the buyer need not pay any more: paid before, or by third parties."""
        return self.funded + self.paid

    def rows(self) -> tuple[InvoiceLine | InvoiceCharge, ...]:
        """Lines, then charges."""
        return (*self.lines, *self.charges)


class _Figures(NamedTuple):
    """What one row comes to: the whole of it, or the units of a refund."""

    units: int
    list_amount: int
    discount: int
    freight: int
    net: int
    tax: int
    funded: int
    taxes: tuple[int, ...] = ()


class _Rows(NamedTuple):
    """The rows of a document, and what the customer was charged for them."""

    lines: list[InvoiceLine]
    charges: list[InvoiceCharge]
    funded: int
    charged: int

    def every(self) -> tuple[InvoiceLine | InvoiceCharge, ...]:
        """Lines, then charges."""
        return (*self.lines, *self.charges)


# --- Rows -------------------------------------------------------------------------------------


def _treated(
    treatment: TaxTreatment, ppm: int, *, several: bool = False
) -> tuple[TaxTreatment, int]:
    """Treatment and rate as EN 16931 wants them: a standard rate is above 0 % (BR-S-05), any other is 0 %."""
    if treatment is not TaxTreatment.STANDARD:
        return treatment, 0
    if not ppm and not several:
        return TaxTreatment.ZERO, 0
    return treatment, ppm


def _stated_price(figures: _Figures, net: int, inside: int) -> tuple[int, int, int]:
    """List price, allowance and freight without tax, which make ``net`` exactly.

    ``inside`` is the rate of the tax that the prices include, in parts per million.
    Each figure loses its own tax, rounded, and the allowance takes the odd unit.
    """
    freight = divide(figures.freight * _WHOLE, _WHOLE + inside)
    listed = divide(figures.list_amount * _WHOLE, _WHOLE + inside)
    if figures.discount == figures.funded:
        listed = net - freight
    allowance = listed + freight - net
    if listed < 0 or allowance < 0:  # a refund of less than the units cost
        return net, 0, 0
    return listed, allowance, freight


def _reason(content: OrderContent, place: int, line: QuoteLine) -> str:
    """The labels of the discounts that the seller gave on this line, each once."""
    found: list[str] = []
    for applied in content.discounts:
        if applied.funder is Funder.MERCHANT and _touches(applied, place, line):
            label = applied.label
            if label and label not in found:
                found.append(label)
    return ", ".join(found)


def _touches(applied: AppliedDiscount, place: int, line: QuoteLine) -> bool:
    if applied.line:
        return applied.line == line.id and applied.amount > 0
    return place < len(applied.shares) and applied.shares[place] > 0


def _parts(
    row: QuoteLine | QuoteCharge, net: int, tax: int, taxes: tuple[int, ...] = ()
) -> tuple[TaxPart, ...]:
    """The several taxes on a row's ``net``; for some units of it, each has its part of ``tax``: its own
    of ``taxes`` where they add up to it."""
    if len(row.parts) < 2:
        return ()
    if (net, tax) == (row.net + row.funded, row.tax):
        return row.parts
    shares = taxes
    if sum(taxes) != tax or len(taxes) != len(row.parts):
        shares = allocate(
            tax, [part.tax for part in row.parts] if row.tax else [1] * len(row.parts)
        )
    return tuple(
        TaxPart(part.name, part.ppm, net, share, part.compound)
        for part, share in zip(row.parts, shares, strict=True)
    )


def _line(content: OrderContent, place: int, line: QuoteLine, figures: _Figures) -> InvoiceLine:
    net = figures.net + figures.funded
    parts = _parts(line, net, figures.tax, figures.taxes)
    treatment, ppm = _treated(line.treatment, line.tax_ppm, several=bool(parts))
    listed, allowance, freight = _stated_price(figures, net, ppm if line.tax_included else 0)
    return InvoiceLine(
        line.id,
        line.sku,
        line.name or line.sku,
        figures.units,
        listed,
        allowance,
        freight,
        net,
        figures.tax,
        treatment,
        ppm,
        _reason(content, place, line) if allowance else "",
        parts,
    )


def _charges(charge: QuoteCharge) -> list[InvoiceCharge]:
    """One charge; several where it is taxed in the proportion of the lines, one for each rate."""
    net = charge.net + charge.funded
    disbursed = charge.kind in _DISBURSED and not charge.tax
    treatment = TaxTreatment.EXEMPT if disbursed else charge.treatment
    weighted = not charge.tax_ppm and len(charge.parts) > 1
    if weighted and sum([part.net for part in charge.parts]) == net:
        shares = [(part.net, part.tax, part.ppm) for part in charge.parts]
        parts: tuple[TaxPart, ...] = ()
    else:
        shares = [(net, charge.tax, charge.tax_ppm)]
        parts = _parts(charge, net, charge.tax)
    made = []
    for share, tax, ppm in shares:
        if share or tax:
            how, rate = _treated(treatment, ppm, several=bool(parts))
            name = charge.name or charge.id
            made.append(
                InvoiceCharge(charge.id, name, charge.kind, share, tax, how, rate, disbursed, parts)
            )
    return made


def _lowered(
    content: OrderContent, invoiceable: Sequence[tuple[LineId, int]] | None
) -> dict[LineId, int]:
    """What of each row may not stand on the document, in minor units."""
    totals = {row.id: row.total for row in content.rows()}
    found: dict[LineId, int] = {}
    for name, amount in invoiceable or ():
        total = totals.get(name)
        if total is None or type(amount) is not int or not 0 <= amount <= total:
            reason = f"of {name!r} no {amount!r} minor units can be invoiced"
            raise InvalidInvoice(reason, path=f"invoiceable[{name}]", row=name)
        if amount < total:
            found[name] = total - amount
    return found


def _lower(figures: _Figures, line: QuoteLine, off: int, first: int, total: int) -> _Figures:
    """The same units, which come to ``total``, without their part of ``off``: what of the line is not invoiced."""
    if not off:
        return figures
    part = reduced(line, off, first, figures.units)
    return figures._replace(
        discount=figures.discount + part.untaxed, net=total - part.untaxed - part.tax,
        tax=part.tax, taxes=part.taxes,
    )  # fmt: skip


def _lower_charge(charge: QuoteCharge, off: int) -> QuoteCharge:
    if not off:
        return charge
    left = reduced(charge, off)
    net = charge.total - off - left.tax
    bases = [part.net for part in charge.parts]
    nets = (net + charge.funded,) * len(bases)  # several taxes on one net
    if sum(bases) == charge.net + charge.funded and any(bases):
        nets = allocate(net + charge.funded, bases)  # each tax on its part
    parts = tuple(
        [
            TaxPart(part.name, part.ppm, base, tax, part.compound)
            for part, base, tax in zip(charge.parts, nets, left.taxes, strict=False)
        ]
    )
    return QuoteCharge(
        charge.id, charge.name, charge.amount - off, charge.tax_category, charge.tax_ppm,
        charge.tax_included, left.tax, net, charge.total - off, charge.kind, charge.discount,
        charge.funded, parts, charge.treatment, charge.shares,
    )  # fmt: skip


def _rows_of_order(content: OrderContent, lowered: Mapping[LineId, int]) -> _Rows:
    lines = []
    for place, line in enumerate(content.lines):
        figures = _Figures(
            line.quantity,
            line.list_amount,
            line.discount + line.order_discount,
            line.freight,
            line.net,
            line.tax,
            line.funded,
        )
        figures = _lower(figures, line, lowered.get(line.id, 0), 0, line.total)
        lines.append(_line(content, place, line, figures))
    charges = [
        made
        for charge in content.charges
        for made in _charges(_lower_charge(charge, lowered.get(charge.id, 0)))
    ]
    charged = content.total - sum(lowered.values())
    return _Rows(lines, charges, sum([row.funded for row in content.rows()]), charged)


def _refunded(line: QuoteLine, row: RefundRow, first: int) -> _Figures:
    """What the units of a refund come to; the refund's own net and tax stand."""
    if first + row.units > line.quantity:
        reason = f"the refunds take {first + row.units} of {line.quantity} units of {line.id!r}"
        raise InvalidInvoice(reason, path=f"refund[{line.id}]", line=line.id)
    share = line.units(first, row.units)
    funded = share_of_units(line.funded, line.quantity, first, row.units)
    return _Figures(
        row.units, share.list_amount, share.discount, share.freight, row.net, row.tax, funded,
        line.unit_taxes(first, row.units),
    )  # fmt: skip


def _rows_of_refund(
    content: OrderContent,
    refund: Refund,
    earlier: Sequence[Refund],
    lowered: Mapping[LineId, int],
) -> _Rows:
    done: dict[str, int] = {}
    for before in earlier:
        for row in before.rows:
            done[row.row] = done.get(row.row, 0) + row.units
    places = {line.id: (place, line) for place, line in enumerate(content.lines)}
    by_id = {charge.id: charge for charge in content.charges}
    lines: list[InvoiceLine] = []
    charges: list[InvoiceCharge] = []
    funded = off = 0
    for row in refund.rows:
        barred = lowered.get(row.row, 0)
        if row.row in places:
            place, line = places[row.row]
            first = done.get(row.row, 0)
            figures = _lower(_refunded(line, row, first), line, barred, first, row.amount)
            lines.append(_line(content, place, line, figures))
            funded += figures.funded
            off += reduced(line, barred, first, row.units).untaxed
        elif row.row in by_id:
            charges += _charges(_lower_charge(by_id[row.row], barred))
            funded += by_id[row.row].funded
            off += barred
        else:
            reason = f"the order has no line or charge {row.row!r}"
            raise InvalidInvoice(reason, path=f"refund[{row.row}]", row=row.row)
    return _Rows(lines, charges, funded, refund.amount - off)


# --- Totals -----------------------------------------------------------------------------------


def _stated(line: TaxLine, currency: str, stated: StatedTax) -> TaxLine:
    """The tax that the document states for one treatment and rate."""
    computed = divide(line.net * line.ppm, _WHOLE)
    near = abs(line.tax - computed) < 10 ** exponent(currency)
    if stated is StatedTax.CHARGED and near:
        return line
    return TaxLine(line.treatment, line.ppm, line.net, computed, line.name, line.disbursed)


def _breakdown(rows: _Rows, currency: str, stated: StatedTax) -> tuple[TaxLine, ...]:
    """Tax by treatment and rate, in the order in which they first occur."""
    sums: dict[tuple[TaxTreatment, int, str, bool], tuple[int, int]] = {}
    several: set[tuple[TaxTreatment, int, str, bool]] = set()
    for row in rows.every():
        disbursed = isinstance(row, InvoiceCharge) and row.disbursed
        for part in row.parts or (TaxPart("", row.ppm, row.net, row.tax),):
            key = (row.treatment, part.ppm, part.name, disbursed)
            net, tax = sums.get(key, (0, 0))
            sums[key] = (net + part.net, tax + part.tax)
            if row.parts:
                several.add(key)
    found = []
    for key, (net, tax) in sums.items():
        treatment, ppm, name, disbursed = key
        line = TaxLine(treatment, ppm, net, tax, name, disbursed)
        # components may stand on one another, so theirs is never computed anew
        found.append(line if key in several else _stated(line, currency, stated))
    return tuple(found)


def _check(number: str, days: dict[str, date | None], paid: int, charged: int) -> None:
    if not number:
        raise InvalidInvoice("an invoice needs a number", path="number")
    for path, day in days.items():
        if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
            raise InvalidInvoice("a day is a date without a time", path=path)
    if type(paid) is not int or not 0 <= paid <= charged:
        reason = f"what is paid is from 0 to the {charged} minor units that were charged"
        raise InvalidInvoice(reason, path="paid", charged=charged)


def _made(
    content: OrderContent,
    rows: _Rows,
    *,
    kind: InvoiceKind,
    number: str,
    issued: date,
    seller: Seller,
    buyer_address: Address | None,
    paid: int,
    due: date | None,
    terms: str,
    delivered: date | None,
    notes: tuple[str, ...],
    purchase_order: str,
    exemption: str,
    stated: StatedTax,
    corrects: str = "",
    corrected_on: date | None = None,
) -> Invoice:
    days = {"issued": issued, "due": due, "delivered": delivered, "invoiced": corrected_on}
    _check(number, days, paid, rows.charged)
    breakdown = _breakdown(rows, content.currency, stated)
    net = sum([row.net for row in rows.every()])
    tax = sum([line.tax for line in breakdown])
    payable = rows.charged - paid
    if due is None and payable and not terms and kind is InvoiceKind.INVOICE:
        due = issued
    return Invoice(
        number,
        issued,
        kind,
        content.currency,
        seller,
        content.customer,
        buyer_address or content.address,
        content.address,
        content.number,
        tuple(rows.lines),
        tuple(rows.charges),
        breakdown,
        net,
        tax,
        net + tax,
        rows.charged + rows.funded - net - tax,
        rows.funded,
        paid,
        payable,
        due,
        terms,
        delivered,
        notes,
        purchase_order,
        exemption,
        corrects,
        corrected_on,
    )


def invoice(
    content: OrderContent,
    *,
    number: str,
    issued: date,
    seller: Seller,
    buyer_address: Address | None = None,
    paid: int = 0,
    due: date | None = None,
    terms: str = "",
    delivered: date | None = None,
    notes: tuple[str, ...] = (),
    purchase_order: str = "",
    exemption: str = "",
    stated: StatedTax = StatedTax.CHARGED,
    invoiceable: Sequence[tuple[LineId, int]] | None = None,
) -> Invoice:
    """The invoice of a whole order: ``payable`` + ``paid`` is the order's total, always.

    ``number`` is from the host's own gapless sequence, ``issued`` the day on the document.
    ``buyer_address`` is where the bill goes if not where the goods go. ``paid``, in minor units, is what the
    customer has paid; what is left is due on ``due``, by default on the day of issue, or as ``terms`` say.
    ``delivered`` is the day of supply, which an intra-Community supply must name.
    ``exemption`` says why exempt goods are exempt.

    Discounts of the seller lower the line that bore them (law L3 shares each over the lines).
    A discount that a third party repays lowers nothing that is taxed (Directive 2006/112/EC, Art. 73):
    the line stands at its full consideration, and that party's part is `Invoice.funded`.
    Duty and tax of import without tax of their own are disbursements (see `InvoiceCharge`): that holds
    where the buyer is the importer and the seller pays in the buyer's name.

    ``invoiceable`` is what of each row may stand on it (`Order.invoiceable`), all of it by default: where tenders
    count as price reductions, or pay what was invoiced elsewhere, their part and its tax are left out of the
    row, as an allowance, and of the total.

    The tax stated is the order's own, or computed from the sums: see `StatedTax`.
    Several taxes on one net (state and county, GST and PST) stand as their own `TaxLine`; EN 16931
    knows no such thing, and `ordercore.adapters.einvoice` refuses them.

    Raises `InvalidInvoice` for an empty number, a day that is no date, a ``paid`` outside of the total, or
    more to invoice than a row costs.
    """
    return _made(
        content,
        _rows_of_order(content, _lowered(content, invoiceable)),
        kind=InvoiceKind.INVOICE,
        number=number,
        issued=issued,
        seller=seller,
        buyer_address=buyer_address,
        paid=paid,
        due=due,
        terms=terms,
        delivered=delivered,
        notes=notes,
        purchase_order=purchase_order,
        exemption=exemption,
        stated=stated,
    )


def credit_note(
    content: OrderContent,
    refund: Refund,
    *,
    number: str,
    issued: date,
    seller: Seller,
    invoice: str,
    invoiced: date | None = None,
    earlier: Sequence[Refund] = (),
    buyer_address: Address | None = None,
    paid: int = 0,
    terms: str = "",
    delivered: date | None = None,
    notes: tuple[str, ...] = (),
    exemption: str = "",
    stated: StatedTax = StatedTax.CHARGED,
    invoiceable: Sequence[tuple[LineId, int]] | None = None,
) -> Invoice:
    """The credit note of one refund: the refunded units and charges, with the refund's own figures.

    ``payable`` + ``paid`` is the refund's amount. ``invoice`` and ``invoiced`` are number and day of the
    invoice that it corrects. ``earlier`` are the refunds of the order before this one: odd minor units belong to
    the first units of a line (law L4), so the third unit may have had another list price share than the first.
    The part of a third party is given back to it: it stands in `Invoice.funded`, not in what is payable.
    ``invoiceable`` is that of the invoice: the refunded units take back their part of what stood there (law L4).

    Raises `InvalidInvoice` as `invoice` does, for a refund of another order, and for one of a charge
    of nothing alone: there is nothing to credit.
    """
    if not invoice:
        raise InvalidInvoice("a credit note names the invoice that it corrects", path="invoice")
    rows = _rows_of_refund(content, refund, earlier, _lowered(content, invoiceable))
    if not rows.every():
        raise InvalidInvoice("nothing to credit", path="refund")
    return _made(
        content,
        rows,
        kind=InvoiceKind.CREDIT_NOTE,
        number=number,
        issued=issued,
        seller=seller,
        buyer_address=buyer_address,
        paid=paid,
        due=None,
        terms=terms,
        delivered=delivered,
        notes=notes,
        purchase_order="",
        exemption=exemption,
        stated=stated,
        corrects=invoice,
        corrected_on=invoiced,
    )
