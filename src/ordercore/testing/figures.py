"""What the laws of prices say of figures: of a quote, of what is agreed, of a part of an order.

Each function raises `AssertionError`, which begins with the law's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.pricing import BORDER_CHARGES, ChargeKind, DiscountLevel, Terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.order import OrderContent
    from ordercore.order.split import Portion
    from ordercore.pricing import Quote, QuoteCharge, QuoteLine

__all__ = ["border_is_charged", "figures_add_up", "holds", "same", "shares_sum"]


def same(law: str, what: str, got: object, due: object) -> None:
    """Raise unless ``got`` is ``due``."""
    if got != due:
        raise AssertionError(f"{law}: {what} is {got!r}, not {due!r}")


def holds(law: str, what: str, *, true: bool) -> None:
    """Raise unless it is ``true``."""
    if not true:
        raise AssertionError(f"{law}: {what}")


def shares_sum(amount: int, parts: Sequence[int], remainder: int = 0) -> None:
    """L1: the parts, with the remainder where a rule keeps it apart, add up to the whole."""
    same("L1 shares sum", "the sum of the parts", sum(parts) + remainder, amount)


def _row(law: str, name: str, row: QuoteLine | QuoteCharge) -> None:
    net = row.amount - row.tax if row.tax_included else row.amount
    same(law, f"the net of {name}", row.net, net)
    same(law, f"the total of {name}", row.total, row.net + row.tax)
    # What a third party repays is taxed too, so the customer's own net may be below nothing.
    sound = row.amount >= 0 and row.tax >= 0 and row.net + row.funded >= 0
    holds(law, f"{name} has a figure below nothing", true=sound)
    holds(law, f"more of {name} is funded than was taken off", true=row.funded >= 0)
    if row.parts:
        same(law, f"the components of tax of {name}", sum(p.tax for p in row.parts), row.tax)


def _discounts(quote: Quote | OrderContent | Portion) -> tuple[dict[str, int], dict[str, int], int]:
    """What the discounts as applied take off each line by itself, off each line as its share of the
    order's, and off shipping."""
    law = "L3 quote reconciles"
    names = [line.id for line in quote.lines]
    own: dict[str, int] = dict.fromkeys(names, 0)
    shared: dict[str, int] = dict.fromkeys(names, 0)
    shipping = 0
    for i, off in enumerate(quote.discounts):
        holds(law, f"discount {i} gives more than it asks", true=0 <= off.amount <= off.asked)
        if off.line:
            holds(law, f"discount {i} is off a line that is not there", true=off.line in own)
            own[off.line] += off.amount
        elif off.level is DiscountLevel.SHIPPING:
            shipping += off.amount
        else:
            shares_sum(off.amount, off.shares)
            sums = own if off.level is DiscountLevel.LINE else shared
            for name, share in zip(names, off.shares, strict=True):
                holds(law, f"discount {i} raises the price of {name}", true=share >= 0)
                sums[name] += share
    return own, shared, shipping


def figures_add_up(quote: Quote | OrderContent | Portion) -> None:
    """L3 of a quote, of what is agreed, or of a part of an order: all but points and the border."""
    law = "L3 quote reconciles"
    lines, rows = quote.lines, quote.rows()
    own, shared, off_shipping = _discounts(quote)
    for line in lines:
        name = f"line {line.id}"
        same(law, f"the list amount of {name}", line.list_amount, line.unit_price * line.quantity)
        same(law, f"the discount of {name}", line.discount, own[line.id])
        same(law, f"the share of {name} in order discounts", line.order_discount, shared[line.id])
        off_it = line.discount + line.order_discount
        holds(law, f"{name} is discounted below nothing", true=off_it <= line.list_amount)
        same(law, f"the amount of {name}", line.amount, line.list_amount - off_it + line.freight)
    for row in rows:
        _row(law, f"row {row.id}", row)
    for charge in quote.charges:
        if charge.shares:
            shares_sum(charge.amount, charge.shares)
    off_charges = sum(charge.discount for charge in quote.charges)
    same(law, "the discount of shipping", off_charges, off_shipping)
    same(law, "the subtotal", quote.subtotal, sum(line.list_amount for line in lines))
    same(law, "the discount", quote.discount, sum(off.amount for off in quote.discounts))
    same(law, "the net", quote.net, sum(row.net for row in rows))
    same(law, "the tax", quote.tax, sum(row.tax for row in rows))
    same(law, "the total", quote.total, sum(row.total for row in rows))
    same(law, "net and tax together", quote.net + quote.tax, quote.total)
    _summary(quote)


def _summary(quote: Quote | OrderContent | Portion) -> None:
    """The tax summary says of each rate, component and treatment what the rows say."""
    by_rate: dict[tuple[int, str, str], tuple[int, int]] = {}
    for row in quote.rows():
        told = [(p.ppm, p.name, p.net, p.tax) for p in row.parts] or [
            (row.tax_ppm, "", row.net + row.funded, row.tax)
        ]
        for ppm, name, base, levy in told:
            key = (ppm, name, row.treatment.value)
            net, tax = by_rate.get(key, (0, 0))
            by_rate[key] = (net + base, tax + levy)
    summary = [((t.ppm, t.name, t.treatment.value), (t.net, t.tax)) for t in quote.taxes]
    law = "L3 quote reconciles"
    same(law, "the tax summary by rate", sorted(summary), sorted(by_rate.items()))


def border_is_charged(quote: Quote | OrderContent | Portion) -> None:
    """What is charged at the border is what was assessed, line by line; nothing if the buyer pays there."""
    law = "L3 quote reconciles"
    charged = {c.kind: c for c in quote.charges if c.kind in BORDER_CHARGES}
    found = quote.border
    due: dict[ChargeKind, tuple[int, ...]] = {}
    if found is not None:
        assessed = {line.line: line for line in found.lines}
        for kind, whole in (
            (ChargeKind.DUTY, found.duty),
            (ChargeKind.CONSUMPTION_TAX, found.consumption_tax),
            (ChargeKind.IMPORT_TAX, found.import_tax),
        ):
            here = {name: getattr(line, kind.value) for name, line in assessed.items()}
            same(law, f"the {kind.value} of the lines", sum(here.values()), whole)
            if whole and found.terms is Terms.DDP:
                due[kind] = tuple(here.get(line.id, 0) for line in quote.lines)
    same(law, "what the border charges", {k: c.shares for k, c in charged.items()}, due)
