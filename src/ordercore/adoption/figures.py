"""The figures of a taken-over order: those that the host has, checked to add up, or those of a quote.

Nothing is priced here. What the host tells stands; what it leaves out follows from the rest.
Law L3 holds of what comes out: line by line, rate by rate and in all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ordercore.allocation import allocate
from ordercore.errors import InvalidSnapshot, OrdercoreError
from ordercore.goods import LineId, quantity
from ordercore.money import Percent, checked_minor, decimal_text, divide, exponent, to_minor
from ordercore.pricing import (
    AppliedDiscount,
    ChargeKind,
    DiscountLevel,
    QuoteCharge,
    QuoteLine,
    TaxTotal,
)
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.adoption.snapshot import Snapshot, SnapshotCharge, SnapshotLine
    from ordercore.money import Money
    from ordercore.pricing import Quote

__all__ = ["Figures", "figures", "quoted"]

LINES_MAX = 10_000
"""Most lines of one order."""
CHARGES_MAX = 50
"""Most charges of one order."""
EXTRA_MAX = 4_096
"""Longest ``extra`` of a line or an order, in characters of JSON."""
_WHOLE = 1_000_000
_KINDS = frozenset({ChargeKind.SHIPPING, ChargeKind.FEE, ChargeKind.INSURANCE})


@value
class Figures:
    """Rows with their final figures, and the discounts that are in them; minor units."""

    lines: tuple[QuoteLine, ...]
    charges: tuple[QuoteCharge, ...]
    discounts: tuple[AppliedDiscount, ...]

    def rows(self) -> tuple[QuoteLine | QuoteCharge, ...]:
        """Lines, then charges."""
        return (*self.lines, *self.charges)

    @property
    def total(self) -> int:
        """What the customer pays in all."""
        return sum([row.total for row in self.rows()])

    def taxes(self) -> tuple[TaxTotal, ...]:
        """Net and tax by rate, in the order of the rows."""
        sums: dict[tuple[int, str], list[int]] = {}
        for row in self.rows():
            known = sums.setdefault((row.tax_ppm, ""), [0, 0])
            known[0] += row.net
            known[1] += row.tax
        return tuple([TaxTotal(ppm, net, tax, name) for (ppm, name), (net, tax) in sums.items()])

    def cheaper(self, amount: int, lines: Sequence[str], label: str) -> Figures:
        """The same with ``amount`` off some lines, in proportion to what they cost; the rate of tax stays.

        Raises `InvalidSnapshot` where they do not cost as much.
        """
        weights = [
            line.total if line.id in lines and not (line.parts or line.funded) else 0
            for line in self.lines
        ]
        if amount > sum(weights):
            reason = "it is for no goods, and more than the goods cost that it could be taken off"
            raise InvalidSnapshot(reason, path="amount", amount=amount, goods=sum(weights))
        shares = allocate(amount, weights)
        made = [
            _line_for(line, line.total - share)
            for line, share in zip(self.lines, shares, strict=True)
        ]
        off = tuple([old.amount - new.amount for old, new in zip(self.lines, made, strict=True)])
        applied = AppliedDiscount("", label, 0, sum(off), sum(off), off)
        return Figures(tuple(made), self.charges, (*self.discounts, applied))


def _line_for(line: QuoteLine, total: int) -> QuoteLine:
    """The line at a lower price."""
    if total == line.total:
        return line
    tax = allocate(total, (line.net, line.tax))[1] if line.tax else 0
    amount = total if line.tax_included else total - tax
    off = line.amount - amount
    return QuoteLine(
        line.id, line.sku, line.name, line.quantity, line.unit_price, line.list_amount,
        line.discount, line.order_discount + off, line.freight, amount, line.tax_category,
        line.tax_ppm, line.tax_included, tax, total - tax, total, line.category,
        line.weight_grams, line.source_url, line.attributes, line.extra,
    )  # fmt: skip


class _Reader:
    """Amounts of one currency, as minor units that are not negative."""

    __slots__ = ("currency",)

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def minor(self, amount: Money, path: str) -> int:
        """The amount; raises `InvalidMoney` and kin, `InvalidSnapshot` for less than nothing."""
        found = to_minor(amount, self.currency, path)
        if found < 0:
            raise InvalidSnapshot("it is not negative", path=path, amount=found)
        return found

    def some(self, amount: Money | None, path: str) -> int | None:
        """The same, where it is told."""
        return None if amount is None else self.minor(amount, path)

    def text(self, amount: int) -> str:
        """An amount for people."""
        return f"{decimal_text(amount, self.currency)} {self.currency}"


class _Half:
    """A line whose own figures are known, before the discount on all of them."""

    __slots__ = ("amount", "discount", "freight", "id", "number", "ppm", "tax", "told", "unit")

    def __init__(self, line: SnapshotLine, place: int, read: _Reader) -> None:
        self.told = line
        self.id = LineId(line.id or str(place + 1))
        self.number = quantity(line.quantity, "quantity")
        if not isinstance(line.sku, str) or not line.sku:
            raise InvalidSnapshot("a line needs a sku", path="sku")
        self.ppm = _ppm(line.tax_rate)
        self.tax = read.some(line.tax, "tax")
        if self.tax and line.tax_rate is None:
            reason = "tax without its rate: the books keep tax by rate"
            raise InvalidSnapshot(reason, path="tax_rate")
        self.freight = read.some(line.freight, "freight") or 0
        total, unit = read.some(line.total, "total"), read.some(line.unit_price, "unit_price")
        discount = read.some(line.discount, "discount")
        if total is not None:
            self.amount = total if line.tax_included else total - self._inside(total)
        elif unit is not None:
            self.amount = unit * self.number - (discount or 0) + self.freight
        else:
            raise InvalidSnapshot("it tells neither a unit price nor a total", path="unit_price")
        if unit is None:
            goods = self.amount - self.freight + (discount or 0)
            unit = -(-goods // self.number)  # the next whole unit price, and the rest off the line
            discount = unit * self.number - goods + (discount or 0)
        self.unit = unit
        self.discount = self._off(discount, read)
        checked_minor(self.unit * self.number, "unit_price")

    def _inside(self, total: int) -> int:
        """The tax in what the customer pays."""
        if self.tax is not None:
            return self.tax
        return divide(total * self.ppm, _WHOLE + self.ppm)

    def _off(self, told: int | None, read: _Reader) -> int:
        """What the line's own discounts take, so that its figures add up."""
        found = self.unit * self.number + self.freight - self.amount
        if self.amount < 0 or found < 0 or (told is not None and told != found):
            goods = read.text(self.unit * self.number + self.freight - (told or 0))
            reason = (
                f"units, discount and freight come to {goods}, the line to {read.text(self.amount)}"
            )
            raise InvalidSnapshot(reason, path="total" if self.told.total else "discount")
        return found

    def line(self, share: int, read: _Reader) -> QuoteLine:
        """The line, with its share of the discount on all lines."""
        told = self.told
        amount = self.amount - share
        if self.tax is not None:
            tax = self.tax
        elif told.tax_included:
            tax = divide(amount * self.ppm, _WHOLE + self.ppm)
        elif told.total is not None and not share:
            tax = read.minor(told.total, "total") - amount
        else:
            tax = divide(amount * self.ppm, _WHOLE)
        net = amount - tax if told.tax_included else amount
        if net < 0:
            reason = f"the tax is more than the {read.text(amount)} that the line costs"
            raise InvalidSnapshot(reason, path="tax", tax=tax)
        return QuoteLine(
            self.id, told.sku, told.name, self.number, self.unit, self.unit * self.number,
            self.discount, share, self.freight, amount, told.tax_category, self.ppm,
            told.tax_included, tax, net, net + tax, told.category, 0, "",
            tuple(sorted(told.attributes.items())), json_text(told.extra, "extra"),
        )  # fmt: skip


def _ppm(rate: Percent | None) -> int:
    if rate is None:
        return 0
    if type(rate) is not Percent:
        raise InvalidSnapshot("a rate is a Percent: Percent.of('19')", path="tax_rate")
    return rate.ppm


def json_text(extra: Mapping[str, Any], path: str) -> str:
    """Canonical JSON of a host's extra, empty for none; raises `InvalidSnapshot`."""
    if not extra:
        return ""
    try:
        text = json.dumps(dict(extra), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSnapshot(f"extra is not plain JSON: {error}", path=path) from None
    if len(text) > EXTRA_MAX:
        raise InvalidSnapshot(f"extra has at most {EXTRA_MAX} characters", path=path)
    return text


def figures(snapshot: Snapshot) -> Figures:
    """The host's figures; raises `InvalidSnapshot` with the path of what does not add up."""
    exponent(snapshot.currency)
    read = _Reader(snapshot.currency)
    told = snapshot.lines
    if not 0 < len(told) <= LINES_MAX:
        raise InvalidSnapshot(f"an order has 1 to {LINES_MAX} lines", path="lines")
    halves: list[_Half] = []
    names: set[str] = set()
    for at, line in enumerate(told):
        try:
            half = _Half(line, at, read)
            if half.id in names:
                raise InvalidSnapshot(f"two lines are called {half.id!r}", path="id")
        except OrdercoreError as error:
            raise error.at(f"lines[{at}]") from None
        names.add(half.id)
        halves.append(half)
    off = read.some(snapshot.discount, "discount") or 0
    amounts = [half.amount for half in halves]
    if off > sum(amounts):
        reason = f"{read.text(off)} is off goods of {read.text(sum(amounts))}"
        raise InvalidSnapshot(reason, path="discount")
    shares = allocate(off, amounts) if off else (0,) * len(halves)
    lines: list[QuoteLine] = []
    for half, share in zip(halves, shares, strict=True):
        try:
            lines.append(half.line(share, read))
        except OrdercoreError as error:
            raise error.at(f"lines[{len(lines)}]") from None
    charges = _charges(snapshot.charges, names, read)
    made = Figures(tuple(lines), charges, _applied(lines, off, shares))
    checked_minor(made.total, "total")
    _check_total(snapshot, made.total, read, "lines and charges come to")
    return made


def _applied(
    lines: Sequence[QuoteLine], off: int, shares: Sequence[int]
) -> tuple[AppliedDiscount, ...]:
    """The discounts that are in the figures, as a quote lists them."""
    found = [
        AppliedDiscount(line.id, "", 0, line.discount, line.discount, (), DiscountLevel.LINE)
        for line in lines
        if line.discount
    ]
    if off:
        found.append(AppliedDiscount("", "", 0, off, off, tuple(shares)))
    return tuple(found)


def _check_total(snapshot: Snapshot, total: int, read: _Reader, what: str) -> None:
    told = read.some(snapshot.total, "total")
    if told is not None and told != total:
        reason = f"{what} {read.text(total)}, not {read.text(told)}"
        raise InvalidSnapshot(reason, path="total", told=told, found=total)


def _charges(
    told: Sequence[SnapshotCharge], taken: set[str], read: _Reader
) -> tuple[QuoteCharge, ...]:
    if len(told) > CHARGES_MAX:
        raise InvalidSnapshot(f"an order has at most {CHARGES_MAX} charges", path="charges")
    found: list[QuoteCharge] = []
    for i, charge in enumerate(told):
        where = f"charges[{i}]"
        if not charge.id or charge.id in taken:
            raise InvalidSnapshot("a charge has an id of its own", path=f"{where}.id")
        taken.add(charge.id)
        if charge.kind not in _KINDS:
            reason = "what is collected for a state is told with a cart"
            raise InvalidSnapshot(reason, path=f"{where}.kind")
        total = read.minor(charge.total, f"{where}.total")
        tax = read.some(charge.tax, f"{where}.tax")
        if tax and charge.tax_rate is None:
            reason = "tax without its rate: the books keep tax by rate"
            raise InvalidSnapshot(reason, path=f"{where}.tax_rate")
        ppm = _ppm(charge.tax_rate)
        if tax is None:
            tax = divide(total * ppm, _WHOLE + ppm)
        if tax > total:
            raise InvalidSnapshot("the tax is more than the charge", path=f"{where}.tax")
        found.append(
            QuoteCharge(
                LineId(charge.id), charge.name, total, charge.tax_category, ppm, True, tax,  # noqa: FBT003
                total - tax, total, charge.kind,
            )
        )  # fmt: skip
    return tuple(found)


def quoted(snapshot: Snapshot, quote: Quote) -> Figures:
    """The figures of a cart that was priced anew, compared with what the host tells of them.

    Raises `InvalidSnapshot` where the host has another total, of the order or of a line.
    """
    read = _Reader(snapshot.currency)
    if quote.currency != snapshot.currency:
        reason = f"the cart is in {quote.currency}, the order in {snapshot.currency}"
        raise InvalidSnapshot(reason, path="cart.currency")
    _check_total(snapshot, quote.total, read, "priced anew it is")
    if snapshot.lines and len(snapshot.lines) != len(quote.lines):
        reason = f"{len(snapshot.lines)} lines, and {len(quote.lines)} in the cart as priced"
        raise InvalidSnapshot(reason, path="lines")
    for i, (told, line) in enumerate(zip(snapshot.lines, quote.lines, strict=False)):
        total = read.some(told.total, f"lines[{i}].total")
        if (told.sku, told.quantity) != (line.sku, line.quantity):
            reason = f"{told.quantity} x {told.sku}, and {line.quantity} x {line.sku} in the cart"
            raise InvalidSnapshot(reason, path=f"lines[{i}]")
        if total is not None and total != line.total:
            reason = f"priced anew it is {read.text(line.total)}, not {read.text(total)}"
            raise InvalidSnapshot(reason, path=f"lines[{i}].total", told=total, found=line.total)
    return Figures(quote.lines, quote.charges, quote.discounts)
