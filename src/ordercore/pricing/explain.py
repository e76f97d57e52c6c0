"""Why each figure of a quote is what it is: a tree of figures, made on demand.

Nothing of this is computed while pricing; every node is read off the quote
and re-derived, so an explanation that does not add up cannot be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.money import Percent, decimal_text
from ordercore.pricing.tax import RoundingScope
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.pricing.discount import AppliedDiscount
    from ordercore.pricing.quote import Quote, QuoteCharge, QuoteLine

__all__ = ["Explanation", "explain"]


@value
class Explanation:
    """A figure: its name, its amount in minor units, and the rule that made it.

    ``parts`` add up to the amount; ``of_which`` are figures inside it that add nothing.
    """

    figure: str
    amount: int
    rule: str
    parts: tuple[Explanation, ...] = ()
    of_which: tuple[Explanation, ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Explanation]]:
        """This figure and all below it, with their depth."""
        yield depth, self
        for part in (*self.parts, *self.of_which):
            yield from part.walk(depth + 1)

    def text(self, currency: str) -> str:
        """The tree as indented lines."""
        return "\n".join(
            f"{'  ' * depth}{node.figure}: {decimal_text(node.amount, currency)}  ({node.rule})"
            for depth, node in self.walk()
        )

    def as_dict(self) -> dict[str, object]:
        """The tree as plain data."""
        return {
            "figure": self.figure,
            "amount": self.amount,
            "rule": self.rule,
            "parts": [part.as_dict() for part in self.parts],
            "of_which": [part.as_dict() for part in self.of_which],
        }


def _tax_rule(quote: Quote, row: QuoteLine | QuoteCharge) -> str:
    inside = "inside the price: amount x r / (1 + r)" if row.tax_included else "on top: amount x r"
    if row.tax_ppm == 0:
        return f"rate 0 % for category {row.tax_category!r}"
    level = {
        RoundingScope.UNIT: "rounded for each unit",
        RoundingScope.LINE: "rounded for the line",
        RoundingScope.RATE: "rounded once per rate for the order, shared by largest remainder",
        RoundingScope.ORDER: "rounded once for the order, shared by largest remainder",
        RoundingScope.NONE: "the order's total rounded once",
    }[quote.scope]
    rate = f"{Percent(row.tax_ppm)} %"
    return f"{rate} for category {row.tax_category!r}, {inside}, {level} ({quote.rounding.value})"


def _discount_rule(quote: Quote, off: AppliedDiscount, given: int) -> str:
    what = f"{Percent(off.ppm)} % of what remained" if off.ppm else "fixed amount"
    label = f"{off.label!r}: " if off.label else ""
    if off.amount < off.asked:
        what += f", asked {decimal_text(off.asked, quote.currency)}, capped"
    if not off.line:
        whole = decimal_text(off.amount, quote.currency)
        what += f"; this line's share of {whole} by largest remainder"
    elif given != off.amount:
        what += "; shared over units"
    return label + what


def _line(quote: Quote, index: int, line: QuoteLine) -> Explanation:
    currency = quote.currency
    unit = decimal_text(line.unit_price, currency)
    parts = [Explanation("list amount", line.list_amount, f"{line.quantity} x {unit}")]
    for off in quote.discounts:
        if off.line == line.id:
            parts.append(
                Explanation("discount", -off.amount, _discount_rule(quote, off, off.amount))
            )
        elif not off.line:
            share = off.shares[index]
            parts.append(Explanation("order discount", -share, _discount_rule(quote, off, share)))
    if line.freight:
        parts.append(
            Explanation("domestic freight", line.freight, "for the whole line, not discounted")
        )
    tax = Explanation("tax", line.tax, _tax_rule(quote, line))
    if not line.tax_included:
        parts.append(tax)
        return Explanation(
            f"line {line.id} {line.sku}", line.total, "sum of its parts", tuple(parts)
        )
    inside = (tax, Explanation("net", line.net, "total less the tax inside it"))
    name = f"line {line.id} {line.sku}"
    return Explanation(name, line.total, "sum of its parts", tuple(parts), inside)


def _charge(quote: Quote, charge: QuoteCharge) -> Explanation:
    tax = Explanation("tax", charge.tax, _tax_rule(quote, charge))
    shown = Explanation("amount", charge.amount, charge.name)
    if not charge.tax_included:
        return Explanation(str(charge.id), charge.total, "sum of its parts", (shown, tax))
    inside = (tax, Explanation("net", charge.net, "total less the tax inside it"))
    return Explanation(str(charge.id), charge.total, "sum of its parts", (shown,), inside)


def explain(quote: Quote) -> Explanation:
    """The whole quote as a tree; the amounts of a node's parts add up to the node (law L3)."""
    rows = [_line(quote, i, line) for i, line in enumerate(quote.lines)]
    rows += [_charge(quote, charge) for charge in quote.charges]
    return Explanation("total", quote.total, "sum of lines and charges", tuple(rows))
