"""Portions of priced rows: what some units of a line, or a share of a charge, cost on their own.

An order that is split keeps its prices: nothing is priced again. Units take their figures with them as
`QuoteLine.units` tells them, a charge is shared by weights, and whatever a row is made of (discounts by rule, taxes by
component, who funds what) is shared so that the portions of a row add up to the row, figure by figure
(law L16 split conserves), and each portion adds up by itself (law L3 quote reconciles).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.allocation import allocate, matrix, share_of_units
from ordercore.pricing.border import AssessedLine, Assessment
from ordercore.pricing.cart import Funder
from ordercore.pricing.discount import AppliedDiscount
from ordercore.pricing.exchange import Conversion
from ordercore.pricing.promotion import DiscountLevel
from ordercore.pricing.quote import QuoteCharge, QuoteLine, TaxTotal
from ordercore.pricing.quoting import by_rate
from ordercore.pricing.tax import TaxPart
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


__all__ = [
    "ChargePortion",
    "LinePortion",
    "assessment_portion",
    "charge_portions",
    "conversion_portion",
    "discounts_of",
    "line_portions",
    "offs_by_line",
    "taxes_of",
    "whole_portion",
]


@value
class LinePortion:
    """The units ``first`` to ``first + line.quantity - 1`` of a line, as a line of their own.

    ``offs`` is what each discount of the order takes off them, in minor units: (its place in the list, amount).
    """

    line: QuoteLine
    first: int
    offs: tuple[tuple[int, int], ...]


@value
class ChargePortion:
    """A share of a charge, as a charge of its own; ``offs`` as for a line."""

    charge: QuoteCharge
    offs: tuple[tuple[int, int], ...]


def taxes_of(rows: Iterable[QuoteLine | QuoteCharge]) -> tuple[TaxTotal, ...]:
    """Net and tax of rows by rate, component and treatment, in the order in which they come up."""
    return tuple(
        [
            TaxTotal(ppm, net, tax, name, why)
            for (ppm, name, why), (net, tax) in by_rate(rows).items()
        ]
    )


# Lines ------------------------------------------------------------------------------------------


Off = tuple[int, int, bool, bool]
"""A discount on a line: (its place in the list, amount, whether a third party funds it, whether it counts as the
line's own)."""


def offs_by_line(
    lines: Sequence[QuoteLine], discounts: Sequence[AppliedDiscount]
) -> list[list[Off]]:
    """What each discount takes off each line, by the line's place; what takes nothing is left out."""
    found: list[list[Off]] = [[] for _ in lines]
    places: dict[str, int] = {line.id: at for at, line in enumerate(lines)} if discounts else {}
    for i, off in enumerate(discounts):
        theirs = off.funder is not Funder.MERCHANT
        if off.line:
            if off.amount and off.line in places:
                found[places[off.line]].append((i, off.amount, theirs, True))
            continue
        own = off.level is DiscountLevel.LINE
        for mine, share in zip(found, off.shares, strict=False):
            if share:
                mine.append((i, share, theirs, own))
    return found


def _shared(rows: Sequence[int], columns: Sequence[int]) -> Sequence[Sequence[int]]:
    """Discounts, or components of tax (columns), over portions (rows): both margins exact."""
    if not columns:
        return [()] * len(rows)
    return matrix(rows, list(columns)) if len(columns) > 1 else [(part,) for part in rows]


class _LineSplit:
    """A line whose units go apart."""

    __slots__ = ("_mine", "_offs", "_theirs", "line", "ranges", "shares")

    def __init__(
        self, line: QuoteLine, ranges: Sequence[tuple[int, int]], offs: Sequence[Off]
    ) -> None:
        self.line = line
        self.ranges = ranges
        self.shares = [line.units(first, count) for first, count in ranges]
        whole = line.quantity
        theirs = [share_of_units(line.funded, whole, first, count) for first, count in ranges]
        mine = [share.discount - part for share, part in zip(self.shares, theirs, strict=True)]
        if sum([off[1] for off in offs if not off[2]]) != sum(mine) or sum(
            [off[1] for off in offs if off[2]]
        ) != sum(theirs):
            # an order that was taken over may not tell which rule took what off: then only the sums are known
            offs = [(-1, line.discount, False, True), (-1, line.order_discount, False, False)]
            mine = [share.discount for share in self.shares]
            self._mine = _shared(mine, [off[1] for off in offs])
            self._theirs: Sequence[Sequence[int]] = [()] * len(mine)
        else:
            self._mine = _shared(mine, [off[1] for off in offs if not off[2]])
            self._theirs = _shared(theirs, [off[1] for off in offs if off[2]])
        self._offs = [off for off in offs if not off[2]], [off for off in offs if off[2]]

    def portion(self, at: int) -> LinePortion:
        """The line of one range."""
        line, share = self.line, self.shares[at]
        first, count = self.ranges[at]
        own = 0
        offs: list[tuple[int, int]] = []
        for known, cells in zip(self._offs, (self._mine[at], self._theirs[at]), strict=True):
            for (place, _, _, is_own), part in zip(known, cells, strict=True):
                own += part if is_own else 0
                if part and place >= 0:
                    offs.append((place, part))
        funded = share_of_units(line.funded, line.quantity, first, count)
        amount = share.list_amount - share.discount + share.freight
        return LinePortion(
            QuoteLine(
                line.id, line.sku, line.name, count, line.unit_price, share.list_amount, own,
                share.discount - own, share.freight, amount, line.tax_category, line.tax_ppm,
                line.tax_included, share.tax, share.net, share.total, line.category,
                line.weight_grams, line.source_url, line.attributes, line.extra, funded,
                self._parts(first, count, share.net + funded), line.treatment, line.customs, line.bundle,
                line.merchant,
            ),
            first,
            tuple(offs),
        )  # fmt: skip

    def _parts(self, first: int, count: int, base: int) -> tuple[TaxPart, ...]:
        line = self.line
        if not line.parts:
            return ()
        whole = line.net + line.funded
        found = []
        for part, tax in zip(line.parts, line.unit_taxes(first, count), strict=True):
            net = (
                base if part.net == whole else share_of_units(part.net, line.quantity, first, count)
            )
            found.append(TaxPart(part.name, part.ppm, net, tax, part.compound))
        return tuple(found)


def whole_portion(line: QuoteLine, offs: Sequence[Off]) -> LinePortion:
    """The very line, all of which goes one way."""
    return LinePortion(line, 0, tuple([off[:2] for off in offs]))


def line_portions(
    line: QuoteLine, counts: Sequence[int], gone: int, offs: Sequence[Off]
) -> list[LinePortion | None]:
    """The line's units after the first ``gone``, by portions of ``counts`` units, in their order; ``None`` for none."""
    ranges = [(0, gone)] if gone else []
    first = gone
    for count in counts:
        if count:
            ranges.append((first, count))
            first += count
    split = _LineSplit(line, ranges, offs)
    portions = iter([split.portion(at) for at in range(1 if gone else 0, len(ranges))])
    return [next(portions) if count else None for count in counts]


# Charges ----------------------------------------------------------------------------------------


def _running(
    amount: int, totals: Sequence[int], whole: int, weights: Sequence[int]
) -> Sequence[int]:
    """``amount`` by the running sum of ``totals``, which come to ``whole``, rounded down each time; by ``weights``
    where they come to nothing, as of freight that a third party pays for."""
    if not whole:
        return allocate(amount, weights)
    parts, had, upto = [], 0, 0
    for weight in totals:
        upto += weight
        now = amount * upto // whole
        parts.append(now - had)
        had = now
    return parts


def charge_portions(
    charge: QuoteCharge,
    weights: Sequence[int],
    discounts: Sequence[AppliedDiscount],
    shares: Sequence[tuple[int, ...]] = (),
) -> list[ChargePortion | None]:
    """The charge by ``weights``, none of them below zero and one above; ``None`` for a weight of zero.

    A charge that bears on lines (duty) goes with their units instead: ``shares`` is what each portion's
    lines bear of it, and the weights are their sums.
    """
    live = [i for i, weight in enumerate(weights) if weight]
    if len(live) == 1 and not shares:
        offs = tuple([(i, off.amount) for i, off in enumerate(discounts) if _ships(charge, off)])
        alone = ChargePortion(charge, offs)
        return [alone if weight else None for weight in weights]
    totals = list(allocate(charge.total, weights))
    nothing = [0] * len(weights)
    mine: Sequence[int] = nothing
    theirs: Sequence[int] = nothing
    cells: Sequence[Sequence[tuple[int, int]]] = ((),) * len(weights)
    if charge.discount:
        mine = allocate(charge.discount - charge.funded, weights)
        theirs = allocate(charge.funded, weights) if charge.funded else nothing
        cells = _charge_offs(charge, discounts, mine, theirs)
    taxes = _running(charge.tax, totals, charge.total, weights) if charge.tax else nothing
    parts: Sequence[tuple[TaxPart, ...]] = ((),) * len(weights)
    if charge.parts:
        parts = _charge_taxes(charge, totals, weights, taxes)
    found: list[ChargePortion | None] = []
    for k, weight in enumerate(weights):
        if not weight:
            found.append(None)
            continue
        tax, total = taxes[k], totals[k]
        own = QuoteCharge(
            charge.id, charge.name, total if charge.tax_included else total - tax,
            charge.tax_category, charge.tax_ppm, charge.tax_included, tax, total - tax, total,
            charge.kind, mine[k] + theirs[k], theirs[k], parts[k], charge.treatment,
            shares[k] if shares else (),
        )  # fmt: skip
        found.append(ChargePortion(own, tuple(cells[k])))
    return found


def _charge_taxes(
    charge: QuoteCharge, totals: Sequence[int], weights: Sequence[int], taxes: Sequence[int]
) -> list[tuple[TaxPart, ...]]:
    """The components of tax of each portion of a charge; they come to its ``taxes``, so that no portion bears more tax
    than it costs, though each component by itself would be rounded up there."""
    nets = [_running(part.net, totals, charge.total, weights) for part in charge.parts]
    cells = _shared(taxes, [part.tax for part in charge.parts])
    return [
        tuple(
            [
                TaxPart(part.name, part.ppm, nets[i][k], cells[k][i], part.compound)
                for i, part in enumerate(charge.parts)
            ]
        )
        for k in range(len(weights))
    ]


def _charge_offs(
    charge: QuoteCharge,
    discounts: Sequence[AppliedDiscount],
    mine: Sequence[int],
    theirs: Sequence[int],
) -> list[list[tuple[int, int]]]:
    """What each discount takes off each portion of a charge; nothing where the discounts do not tell."""
    found: list[list[tuple[int, int]]] = [[] for _ in mine]
    known = [(i, off) for i, off in enumerate(discounts) if _ships(charge, off)]
    if sum([off.amount for _, off in known]) != charge.discount:
        return found
    for rows, funded in ((mine, False), (theirs, True)):
        columns = [
            (i, off.amount) for i, off in known if (off.funder is not Funder.MERCHANT) is funded
        ]
        for told, cells in zip(
            found, _shared(rows, [amount for _, amount in columns]), strict=True
        ):
            told += [(i, part) for (i, _), part in zip(columns, cells, strict=True) if part]
    return found


def _ships(charge: QuoteCharge, off: AppliedDiscount) -> bool:
    """Whether a discount is off this charge: only freight is ever discounted."""
    return bool(charge.discount) and off.level is DiscountLevel.SHIPPING


# What belongs to several rows -------------------------------------------------------------------


def discounts_of(
    discounts: Sequence[AppliedDiscount],
    lines: Sequence[LinePortion],
    charges: Sequence[ChargePortion],
) -> tuple[AppliedDiscount, ...]:
    """The discounts as they bear on these portions, in their order; what does not bear on them is left out."""
    taken: dict[int, list[int]] = {}
    whole: dict[int, AppliedDiscount] = {}
    width = len(lines)
    for at, portion in enumerate(lines):
        for place, part in portion.offs:
            off = discounts[place]
            if off.line and part == off.amount:
                whole[place] = off
            elif place in taken:
                taken[place][at] += part
            else:
                taken[place] = [0] * (width + 1)
                taken[place][at] = part
    for freight in charges:
        for place, part in freight.offs:
            taken.setdefault(place, [0] * (width + 1))[width] += part
    for place, parts in taken.items():
        off, amount = discounts[place], sum(parts)
        asked = off.asked if amount == off.amount else min(off.asked, amount)
        shares = tuple(parts[:width]) if off.shares else ()
        whole[place] = AppliedDiscount(
            off.line, off.label, off.ppm, asked, amount, shares, off.level, off.promotion,
            off.funder, off.code, off.layer,
        )  # fmt: skip
    return tuple([whole[place] for place in sorted(whole)])


def assessment_portion(
    border: Assessment | None, portions: Sequence[tuple[LinePortion, int]]
) -> Assessment | None:
    """What the border makes of these units; beside each portion stands how many units its line had.

    ``None`` where none of them crosses one.
    """
    if border is None:
        return None
    assessed = {line.line: line for line in border.lines}
    lines = []
    for portion, whole in portions:
        found = assessed.get(portion.line.id)
        if found is None:
            continue
        first, count = portion.first, portion.line.quantity
        lines.append(found if count == whole else _assessed(found, whole, first, count))
    if not lines:
        return None
    return Assessment(
        border.origin, border.destination, border.terms, tuple(lines),
        sum([line.duty for line in lines]), sum([line.consumption_tax for line in lines]),
        sum([line.import_tax for line in lines]), border.reasons, border.requires,
        border.registration,
    )  # fmt: skip


def _assessed(line: AssessedLine, whole: int, first: int, count: int) -> AssessedLine:
    def part(amount: int) -> int:
        return share_of_units(amount, whole, first, count)

    return AssessedLine(
        line.line, line.regime, line.collected, part(line.declared), part(line.customs_value),
        part(line.duty), part(line.consumption_tax), part(line.import_tax), line.duty_percent,
        line.hs_code, line.origin, line.duty_regime,
    )  # fmt: skip


def conversion_portion(conversion: Conversion, rows: Sequence[int], tax: int) -> Conversion:
    """The conversion of some rows, converted with the whole: ``rows`` are their parts of its rows, ``tax`` of its tax."""
    total = sum(rows)
    return Conversion(conversion.rate, conversion.rounding, total, total - tax, tax, tuple(rows))
