"""The UCI "Online Retail" file as invoices: tell its rows apart, match, count.

The file (D. Chen, 2015, CC BY 4.0) is the sales ledger of one UK gift wholesaler,
2010-12-01 to 2011-12-09, in GBP, one row per invoice line.
It has no tax, shipping or payment column, and many rows that are no sale.
This module says what each row is; what becomes of it is the replay's affair,
and ``online_retail_file`` reads the file.

What a row is (``RowKind``, from its stock code; the case of a code does not matter):

- freight: POST, DOT, C2. Its rows are the order's shipping charge (several are added up).
  An invoice of freight alone has no goods to ship, so the freight stands as an order line.
- vouchers: ``gift_0001_*``. Sold lines without tax: a voucher for any use is taxed when used.
- discounts: D. In this file they all stand on C invoices, one sum and no code of what it lowers,
  so they match no sale and are refused. One on a sale lowers it as a whole, up to its lines.
- fees: M (typed in by hand), BANK CHARGES, S (samples), AMAZONFEE, CRUK (charity commission),
  B (bad debt). M is charged to buyers beside goods: a sold line, and a refund on a C invoice.
  BANK CHARGES are charged to a few named customers, mostly 15.00: sold lines too.
  BANK CHARGES without a customer, S, AMAZONFEE, CRUK and B are the shop's own bookkeeping.
- goods: everything else (PADS and ``DCGS*`` too, which are goods without a number).

Which rows are refused, and why: ``RefusalReason``. None is dropped: ``RetailTally`` counts each
under its class, in ten-thousandths of a pound, since four prices are tenths of a penny.
A cancellation (an invoice whose number starts with C) does not name the sale it cancels:
``CancellationMatcher`` finds it. An invoice number with an A is a correction of the accounts.

The report of a replay holds the tally under ``audit``; ``examples/audit.py`` checks it::

    {"audit": {
        "unit": "GBP/10000",
        "classes": {
            "goods": {                      # also freight, fees, vouchers, discounts: all five
                "taken": {"sold": SUM, "refunded": SUM},
                "refused": {"zero_price": SUM, ...},        # by reason, only those that occur
                "unmatched": {"no_earlier_sale": SUM, "order_closed": SUM}
            }, ...},
        "closed_orders": ["536365", ...]    # invoices whose order was closed unpaid, in full
    }}
    SUM = {"rows": 1, "quantity": 6, "amount": 153000}

Sums carry the sign of the file: a refund's quantity and amount are negative.
Per class, over ``rows``, ``quantity`` and ``amount``: sold + refunded + refused + unmatched is
the file's own sum. A cancellation row in several parts counts as one row, in its first part.
An order that was closed unpaid stays under ``sold`` and is named under ``closed_orders``.
"""

from __future__ import annotations

from array import array
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Final

from ordercore.errors import InvalidDocument
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable

TEN_THOUSANDTHS: Final = 10_000
"""Units of a pound in which sums are kept: four prices of the file are tenths of a penny."""

PER_PENNY: Final = 100


class RowKind(Enum):
    """The class of a row; the value is its name in the report."""

    GOODS = "goods"
    FREIGHT = "freight"
    FEE = "fees"
    VOUCHER = "vouchers"
    DISCOUNT = "discounts"


class InvoiceKind(Enum):
    """What the first letter of an invoice number says."""

    SALE = ""
    CANCELLATION = "C"
    ADJUSTMENT = "A"


class Role(Enum):
    """What a row does in the order, or to it."""

    LINE = "line"
    FREIGHT = "freight"
    DISCOUNT = "discount"
    CANCELLATION = "cancellation"
    REFUSED = "refused"


class RefusalReason(Enum):
    """Why a row is in no order; where several fit, the first of this list is given."""

    NEGATIVE_PRICE = "negative_price"
    """A correction of the accounts: two rows, "Adjust bad debt"."""
    ZERO_QUANTITY = "zero_quantity"
    DISCOUNT_WITHOUT_SALE = "discount_without_sale"
    """A discount that stands beside no sold line, or is more than those lines are worth."""
    NEGATIVE_QUANTITY_WITHOUT_C = "negative_quantity_without_c"
    """A stock write-off: nobody bought it."""
    ZERO_PRICE = "zero_price"
    """A stock count, a sample or a replacement: nobody pays for it."""
    TOO_MANY_DECIMALS = "too_many_decimals"
    """A price below a penny that no tender can pay."""
    NOT_AN_ORDER = "not_an_order"
    """The shop's own bookkeeping: commissions, bank costs, samples, invoices with an A."""
    POSITIVE_QUANTITY_WITH_C = "positive_quantity_with_c"
    ENGINE_REFUSED = "engine_refused"
    """The engine refused the order or the refund; the replay says so, never this module."""


class UnmatchedReason(Enum):
    """Why a cancellation, or a part of it, refunds nothing."""

    NO_EARLIER_SALE = "no_earlier_sale"
    ORDER_CLOSED = "order_closed"
    """The sale that it would cancel was never paid, so there is nothing to give back."""


class Region(Enum):
    """How a UK seller of 2010-11 taxes a sale to this place."""

    UK = "uk"
    EU = "eu"
    EXPORT = "export"


@value
class RetailRow:
    """One line of an invoice.

    ``line_no`` counts the lines of the file, its header being line 1, and is unique in it.
    ``unit_price`` is in pounds, tax included, as exact as the file gives it (up to 4 decimals).
    """

    line_no: int
    stock_code: str
    description: str
    quantity: int
    unit_price: Decimal
    kind: RowKind

    @property
    def name(self) -> str:
        """The description, or the stock code where the file has none."""
        return self.description.strip() or self.stock_code

    @property
    def price_e4(self) -> int:
        """Unit price in ten-thousandths of a pound."""
        return int(self.unit_price * TEN_THOUSANDTHS)

    @property
    def unit_pence(self) -> int:
        """Unit price in pence; exact for every row that is not refused for its decimals."""
        return self.price_e4 // PER_PENNY

    @property
    def amount_e4(self) -> int:
        """Quantity times price in ten-thousandths of a pound, with the sign of the file."""
        return self.quantity * self.price_e4


@value
class RetailInvoice:
    """All rows of one invoice number, in the order of the file.

    ``placed_at`` is its first time stamp. The file names no time zone: it is read as UTC.
    ``customer`` is the number without the ``.0`` of the file; ``None`` is a guest.
    """

    number: str
    placed_at: datetime
    customer: str | None
    country: str
    rows: tuple[RetailRow, ...]

    @property
    def kind(self) -> InvoiceKind:
        """Sale, cancellation or correction of the accounts, from the number's first letter."""
        first = self.number[0]
        return InvoiceKind.SALE if first.isdigit() else InvoiceKind(first)

    @property
    def region(self) -> Region:
        """Where it is taxed."""
        return region(self.country)


# Countries ------------------------------------------------------------------------------------

# fmt: off
_UK: Final = ("United Kingdom", "Unspecified")
# Members in 2010-12 to 2011-12; the file writes EIRE, and once no country at all.
_EU: Final = (
    "Austria", "Belgium", "Bulgaria", "Cyprus", "Czech Republic", "Denmark", "EIRE", "Estonia",
    "European Community", "Finland", "France", "Germany", "Greece", "Hungary", "Ireland",
    "Italy", "Latvia", "Lithuania", "Luxembourg", "Malta", "Netherlands", "Poland", "Portugal",
    "Romania", "Slovakia", "Slovenia", "Spain", "Sweden",
)
# The Channel Islands lie outside the VAT territory (Directive 2006/112/EC, Art. 6).
_EXPORT: Final = (
    "Australia", "Bahrain", "Bermuda", "Brazil", "Canada", "Channel Islands", "Hong Kong",
    "Iceland", "Israel", "Japan", "Korea", "Lebanon", "Nigeria", "Norway", "RSA", "Saudi Arabia",
    "Singapore", "Switzerland", "Thailand", "USA", "United Arab Emirates", "West Indies",
)
# fmt: on

_REGIONS: Final[dict[str, Region]] = {
    **dict.fromkeys(_UK, Region.UK),
    **dict.fromkeys(_EU, Region.EU),
    **dict.fromkeys(_EXPORT, Region.EXPORT),
}

UK_VAT_PERCENT: Final[tuple[tuple[date, Decimal], ...]] = (
    (date(2010, 1, 1), Decimal("17.5")),
    (date(2011, 1, 4), Decimal(20)),
)
"""Standard rate of UK VAT in percent, each from its day on (20: Finance (No. 2) Act 2010, s. 3)."""


def region(country: str) -> Region:
    """Tell where a sale to ``country`` is taxed; the names are those of the file.

    Raises ``InvalidDocument`` for a name that is not listed: a guess would be a wrong tax.
    """
    found = _REGIONS.get(country)
    if found is None:
        reason = f"{country[:40]!r} is no country that this table places"
        raise InvalidDocument(reason, path="Country")
    return found


def vat_percent(place: Region, day: date) -> Decimal:
    """Percent of VAT that a UK seller of 2010-11 charges to a consumer there, on that day.

    UK and EU consumers pay the UK rate (sales below the distance-selling thresholds), exports
    none. All goods are taken to be standard-rated: the file does not say which are not.
    """
    if place is Region.EXPORT:
        return Decimal(0)
    for since, percent in reversed(UK_VAT_PERCENT):
        if day >= since:
            return percent
    reason = f"no rate of VAT is listed for {day.isoformat()}"
    raise InvalidDocument(reason, path="InvoiceDate")


# What a row is --------------------------------------------------------------------------------

_KINDS: Final[dict[str, RowKind]] = {
    **dict.fromkeys(("POST", "DOT", "C2"), RowKind.FREIGHT),
    **dict.fromkeys(("M", "BANK CHARGES", "S", "AMAZONFEE", "CRUK", "B"), RowKind.FEE),
    "D": RowKind.DISCOUNT,
}
_BOOKKEEPING: Final = frozenset({"S", "AMAZONFEE", "CRUK", "B"})


def kind_of(stock_code: str) -> RowKind:
    """Tell goods from freight, fees, vouchers and discounts by the stock code."""
    code = stock_code.upper()
    if code.startswith("GIFT_0001_"):
        return RowKind.VOUCHER
    return _KINDS.get(code, RowKind.GOODS)


@value
class RowClass:
    """What a row does; ``reason`` stands exactly when the role is ``REFUSED``."""

    role: Role
    reason: RefusalReason | None = None


_LINE: Final = RowClass(Role.LINE)
_FREIGHT: Final = RowClass(Role.FREIGHT)
_DISCOUNT: Final = RowClass(Role.DISCOUNT)
_CANCELLATION: Final = RowClass(Role.CANCELLATION)
_REFUSED: Final = {reason: RowClass(Role.REFUSED, reason) for reason in RefusalReason}


def classify(row: RetailRow, invoice: RetailInvoice) -> RowClass:
    """Say what ``row`` of ``invoice`` does. A discount is judged beside the invoice's lines."""
    reason = _refusal(row, invoice)
    if reason is not None:
        return _REFUSED[reason]
    if row.kind is RowKind.DISCOUNT:
        return _DISCOUNT
    if invoice.kind is InvoiceKind.CANCELLATION:
        return _CANCELLATION
    return _FREIGHT if row.kind is RowKind.FREIGHT else _LINE


def _refusal(row: RetailRow, invoice: RetailInvoice) -> RefusalReason | None:
    discount = row.kind is RowKind.DISCOUNT
    cancels = invoice.kind is InvoiceKind.CANCELLATION
    # In the order of the enum: the first that holds is the reason given.
    found = (
        (RefusalReason.NEGATIVE_PRICE, row.unit_price < 0),
        (RefusalReason.ZERO_QUANTITY, row.quantity == 0),
        (RefusalReason.DISCOUNT_WITHOUT_SALE, discount and not _lowers_a_sale(row, invoice)),
        (
            RefusalReason.NEGATIVE_QUANTITY_WITHOUT_C,
            row.quantity < 0 and not cancels and not discount,
        ),
        (RefusalReason.ZERO_PRICE, row.unit_price == 0),
        (RefusalReason.TOO_MANY_DECIMALS, row.price_e4 % PER_PENNY != 0),
        (RefusalReason.NOT_AN_ORDER, _bookkeeping(row, invoice)),
        (RefusalReason.POSITIVE_QUANTITY_WITH_C, row.quantity > 0 and cancels),
    )
    return next((reason for reason, holds in found if holds), None)


def _lowers_a_sale(row: RetailRow, invoice: RetailInvoice) -> bool:
    sale = invoice.kind is InvoiceKind.SALE
    return (
        sale
        and row.quantity < 0
        and any(
            other.kind is not RowKind.DISCOUNT and classify(other, invoice) is _LINE
            for other in invoice.rows
        )
    )


def _bookkeeping(row: RetailRow, invoice: RetailInvoice) -> bool:
    code = row.stock_code.upper()
    return (
        invoice.kind is InvoiceKind.ADJUSTMENT
        or code in _BOOKKEEPING
        or (code == "BANK CHARGES" and invoice.customer is None)
    )


@value
class InvoiceParts:
    """The rows of an invoice by what they do; each row stands in exactly one of them.

    ``lines`` and ``freight`` make an order, lowered by ``discounts`` (negative quantities);
    where both are empty there is none. ``cancellations`` go to the matcher, one by one.
    """

    lines: tuple[RetailRow, ...]
    freight: tuple[RetailRow, ...]
    discounts: tuple[RetailRow, ...]
    cancellations: tuple[RetailRow, ...]
    refused: tuple[tuple[RetailRow, RefusalReason], ...]

    @property
    def freight_pence(self) -> int:
        """The order's shipping charge, tax included."""
        return sum(row.amount_e4 for row in self.freight) // PER_PENNY

    @property
    def discount_pence(self) -> int:
        """What the discounts take off the order: zero or positive, at most what its lines cost."""
        return -sum(row.amount_e4 for row in self.discounts) // PER_PENNY


def parts_of(invoice: RetailInvoice) -> InvoiceParts:
    """Sort the rows of an invoice. Freight alone becomes lines: an order needs one."""
    sorted_rows: dict[Role, list[RetailRow]] = {role: [] for role in Role}
    refused: list[tuple[RetailRow, RefusalReason]] = []
    for row in invoice.rows:
        what = classify(row, invoice)
        if what.reason is not None:
            refused.append((row, what.reason))
        else:
            sorted_rows[what.role].append(row)
    lines, freight = sorted_rows[Role.LINE], sorted_rows[Role.FREIGHT]
    if not lines:
        lines, freight = freight, []
    worth = sum(row.amount_e4 for row in lines)
    discounts: list[RetailRow] = []
    for row in sorted_rows[Role.DISCOUNT]:
        if worth + row.amount_e4 < 0:
            refused.append((row, RefusalReason.DISCOUNT_WITHOUT_SALE))
        else:
            worth += row.amount_e4
            discounts.append(row)
    return InvoiceParts(
        lines=tuple(lines),
        freight=tuple(freight),
        discounts=tuple(discounts),
        cancellations=tuple(sorted_rows[Role.CANCELLATION]),
        refused=tuple(refused),
    )


# Which sale a cancellation cancels -------------------------------------------------------------


@value
class RefundPart:
    """``quantity`` (positive) of the line that stands at ``line_no`` on the sale ``number``."""

    number: str
    line_no: int
    quantity: int


@value
class UnmatchedPart:
    """``quantity`` (positive) of a cancellation that refunds nothing."""

    reason: UnmatchedReason
    quantity: int


@value
class Cancellation:
    """What one cancellation row comes to; the quantities add up to that of the row."""

    refunds: tuple[RefundPart, ...]
    unmatched: tuple[UnmatchedPart, ...]


class CancellationMatcher:
    """Finds the earlier sales that a cancellation gives back. Drive it in order of time.

    A row matches sold lines of the same customer, stock code and unit price, the latest first,
    and never more of a line than was bought and not yet given back. All guests of one country
    count as one customer. Lines of closed orders come last: nothing was paid for them.

    Takes about 100 bytes a sold line: numbers in arrays, the lines of a key chained backwards.
    """

    def __init__(self) -> None:
        self._parties: dict[str, int] = {}
        self._products: dict[tuple[str, int], int] = {}
        self._numbers: list[str] = []
        self._closed: set[str] = set()
        self._latest: dict[int, int] = {}
        self._previous = array("i")
        self._invoice = array("i")
        self._line_no = array("i")
        self._left = array("i")

    def remember(self, invoice: RetailInvoice, rows: Iterable[RetailRow]) -> None:
        """Take note of sold lines (and freight) of a sale: positive quantities only."""
        self._numbers.append(invoice.number)
        for row in rows:
            key = self._key(invoice, row)
            self._previous.append(self._latest.get(key, -1))
            self._latest[key] = len(self._left)
            self._invoice.append(len(self._numbers) - 1)
            self._line_no.append(row.line_no)
            self._left.append(row.quantity)

    def forget(self, number: str) -> None:
        """Take note that the order of this sale was closed unpaid: its lines cannot be refunded."""
        self._closed.add(number)

    def match(self, invoice: RetailInvoice, row: RetailRow) -> Cancellation:
        """Spread a cancellation row over sold lines, and take from them what it gives back."""
        key = self._key(invoice, row)
        wanted = -row.quantity
        refunds: list[RefundPart] = []
        closed: list[int] = []
        index = self._latest.get(key, -1)
        while index >= 0 and wanted:
            if self._numbers[self._invoice[index]] in self._closed:
                closed.append(index)
            elif part := self._draw(index, wanted):
                wanted -= part
                number = self._numbers[self._invoice[index]]
                refunds.append(RefundPart(number, self._line_no[index], part))
            index = self._previous[index]
        in_closed = 0
        for index in closed:
            in_closed += self._draw(index, wanted - in_closed)
        self._drop_spent(key)
        parts = (
            UnmatchedPart(UnmatchedReason.ORDER_CLOSED, in_closed),
            UnmatchedPart(UnmatchedReason.NO_EARLIER_SALE, wanted - in_closed),
        )
        return Cancellation(tuple(refunds), tuple(part for part in parts if part.quantity))

    def _draw(self, index: int, wanted: int) -> int:
        part = min(wanted, self._left[index])
        self._left[index] -= part
        return part

    def _drop_spent(self, key: int) -> None:
        index = self._latest.get(key, -1)
        while index >= 0 and not self._left[index]:
            index = self._previous[index]
        if index >= 0:
            self._latest[key] = index
        else:
            self._latest.pop(key, None)

    def _key(self, invoice: RetailInvoice, row: RetailRow) -> int:
        # One int for customer, code and price: tuples would cost three times the memory.
        name = invoice.customer or f"guest in {invoice.country}"
        party = self._parties.setdefault(name, len(self._parties))
        product = (row.stock_code, row.price_e4)
        return party << 32 | self._products.setdefault(product, len(self._products))


# Counting --------------------------------------------------------------------------------------


class RetailSum:
    """A running sum: rows, units, and ten-thousandths of a pound, with the sign of the file."""

    __slots__ = ("amount", "quantity", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self.quantity = 0
        self.amount = 0

    def add(self, row: RetailRow, quantity: int, *, rows: int = 1) -> None:
        """Add ``quantity`` (signed) of ``row``."""
        self.rows += rows
        self.quantity += quantity
        self.amount += quantity * row.price_e4

    def to_json(self) -> dict[str, int]:
        """Plain form for the report."""
        return {"rows": self.rows, "quantity": self.quantity, "amount": self.amount}


class ClassTally:
    """What became of one class of rows."""

    def __init__(self) -> None:
        self.sold = RetailSum()
        self.refunded = RetailSum()
        self.refused: dict[RefusalReason, RetailSum] = {}
        self.unmatched: dict[UnmatchedReason, RetailSum] = {}

    def to_json(self) -> dict[str, dict[str, dict[str, int]]]:
        """Plain form for the report."""
        return {
            "taken": {"sold": self.sold.to_json(), "refunded": self.refunded.to_json()},
            "refused": {why.value: total.to_json() for why, total in self.refused.items()},
            "unmatched": {why.value: total.to_json() for why, total in self.unmatched.items()},
        }


class RetailTally:
    """What became of each row of the file, per class. Give it every row exactly once."""

    def __init__(self) -> None:
        self.classes: dict[RowKind, ClassTally] = {kind: ClassTally() for kind in RowKind}
        self._closed: set[str] = set()

    def take(self, row: RetailRow) -> None:
        """Count a row that went into an order: a line, freight or a discount."""
        self.classes[row.kind].sold.add(row, row.quantity)

    def refuse(self, row: RetailRow, reason: RefusalReason) -> None:
        """Count a row that went into no order, or a cancellation that the engine refused."""
        self.classes[row.kind].refused.setdefault(reason, RetailSum()).add(row, row.quantity)

    def cancel(self, row: RetailRow, cancellation: Cancellation, refused: int = 0) -> None:
        """Count a cancellation row by what it came to.

        ``refused`` is the part of its refunds, in units, that the engine would not make.
        """
        tally = self.classes[row.kind]
        done = sum(part.quantity for part in cancellation.refunds) - refused
        parts = [(tally.refunded, done)]
        if refused:
            why = RefusalReason.ENGINE_REFUSED
            parts.append((tally.refused.setdefault(why, RetailSum()), refused))
        for part in cancellation.unmatched:
            total = tally.unmatched.setdefault(part.reason, RetailSum())
            parts.append((total, part.quantity))
        rows = 1
        for total, quantity in parts:
            if quantity:
                total.add(row, -quantity, rows=rows)
                rows = 0

    def close(self, number: str) -> None:
        """Note that the order of this sale was closed unpaid, in full."""
        self._closed.add(number)

    def to_json(self) -> dict[str, object]:
        """Give the ``audit`` section of the report (see the top of this module)."""
        return {
            "unit": "GBP/10000",
            "classes": {kind.value: tally.to_json() for kind, tally in self.classes.items()},
            "closed_orders": sorted(self._closed),
        }
