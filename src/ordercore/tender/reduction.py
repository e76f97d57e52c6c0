"""The tax that does not stand on what a price reduction pays.

Some tenders count as price reductions (`TenderEffect.DISCOUNT`): the part of a row that they pay bears no tax,
and the rest bears its part of the row's. Nothing is worked out anew from rates: of a row's tax as many parts go
as are paid of the consideration, so it holds for each component, and for tax that was rounded over the order.

Law L4 holds: over any partition of a line's units, taxes and untaxed parts add up to those of the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ordercore.money import divide
from ordercore.pricing import BORDER_CHARGES, QuoteLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.pricing import QuoteCharge
    from ordercore.tender.plan import TenderPlan

__all__ = ["Reduced", "reduced", "reduction", "tax_off"]


class Reduced(NamedTuple):
    """Some units of a row: the tax that stands on them by component, and what of them is paid without tax.

    All in minor units. What is neither is the net of the taxed part.
    """

    taxes: tuple[int, ...]
    untaxed: int

    @property
    def tax(self) -> int:
        """The tax of all components."""
        return sum(self.taxes)


def reduction(plan: TenderPlan | None, row: QuoteLine | QuoteCharge) -> int:
    """What of a row counts as a price reduction by a plan; 0 where the plan was made for another price.

    Duty and tax that are collected for the state of the destination are no price, so nothing lowers them.
    """
    if plan is None or not plan.discounted:
        return 0
    if not isinstance(row, QuoteLine) and row.kind in BORDER_CHARGES:
        return 0
    for i, (name, owed) in enumerate(plan.rows):
        if name == row.id:
            return plan.discounted[i] if owed == row.total else 0
    return 0


def reduced(
    row: QuoteLine | QuoteCharge, amount: int, first: int = 0, count: int | None = None
) -> Reduced:
    """The units ``first`` to ``first + count - 1`` of a line, or a whole charge, where ``amount`` minor units of
    the whole row bear no tax.

    Of a component's tax T on a consideration of A, which is what the customer pays and what third parties
    repay, T x (A - amount) / A stays, rounded half up. Of what falls away from the line the first k units have the
    part that they have of the tax, rounded down.
    """
    taxes = tuple([part.tax for part in row.parts]) or (row.tax,)
    consideration = row.total + row.funded
    stays = [
        divide(tax * (consideration - amount), consideration) if consideration else tax
        for tax in taxes
    ]
    if not isinstance(row, QuoteLine) or count is None or (first == 0 and count == row.quantity):
        return Reduced(tuple(stays), amount)
    after = first + count
    found = []
    before, upto = row.unit_taxes(0, first), row.unit_taxes(0, after)
    for tax, left, low, high in zip(taxes, stays, before, upto, strict=True):
        off = tax - left
        gone = off * high // tax - off * low // tax if tax else 0
        found.append(high - low - gone)
    if not row.total:
        return Reduced(tuple(found), 0)
    low, high = row.units(0, first).total, row.units(0, after).total
    return Reduced(tuple(found), amount * high // row.total - amount * low // row.total)


def tax_off(rows: Sequence[QuoteLine | QuoteCharge], plan: TenderPlan) -> int:
    """The tax that falls away on an order since some of its tenders count as price reductions."""
    return sum([row.tax - reduced(row, reduction(plan, row)).tax for row in rows])
