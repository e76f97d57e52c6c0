"""Whose money a sale is, line by line: what its merchant gets, and what the shop keeps as commission.

What a merchant sells is what its lines cost without tax, and what third parties repay of their discounts
(a discount that the merchant bears itself lowers what it gets). The tax stays with the shop, who owes it to the
state, unless merchants pay their own. The commission is a share of what is paid for a line, tax and repaid
discounts included, and never more than what the merchant would get.

Commissions are settled for whole lines and shared over units (law L4), so what refunds reverse adds up exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.allocation import allocate, share_of_units
from ordercore.tender import FundShare, MerchantShare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.goods import LineId
    from ordercore.ledger import SettlementPolicy
    from ordercore.order.order import Order, OrderContent
    from ordercore.pricing import QuoteLine
    from ordercore.tender import Refund, TenderPlan

__all__ = ["earned_shares", "fund_shares", "returned_shares"]


def _funded(content: OrderContent, line: QuoteLine, first: int, count: int) -> int:
    return sum([amount for _, amount in content.funded(line.id, first, count)])


def _commission(content: OrderContent, line: QuoteLine, policy: SettlementPolicy) -> int:
    """What the shop keeps of a whole line."""
    funded = _funded(content, line, 0, line.quantity)
    rule = policy.rule(line.merchant, line.category)
    sales = line.net + funded + (line.tax if policy.merchants_pay_tax else 0)
    return 0 if rule is None else min(rule.of(line.total + funded, line.quantity), max(0, sales))


def _share(
    content: OrderContent,
    line: QuoteLine,
    first: int,
    count: int,
    commission: int,
    *,
    with_tax: bool,
) -> MerchantShare:
    """What the units ``first`` to ``first + count - 1`` of a line are for its merchant."""
    units = line.units(first, count)
    return MerchantShare(
        line.id, line.merchant, first, count,
        units.net + _funded(content, line, first, count),
        units.tax if with_tax else 0,
        share_of_units(commission, line.quantity, first, count),
        commission,
    )  # fmt: skip


def earned_shares(
    content: OrderContent, gone: Mapping[LineId, int], policy: SettlementPolicy
) -> tuple[MerchantShare, ...]:
    """Whose money the sale is when it is earned: of all units that were not refunded (``gone``, by line)."""
    found = []
    for line in content.lines:
        first = gone.get(line.id, 0)
        if line.merchant and first < line.quantity:
            commission = _commission(content, line, policy)
            count = line.quantity - first
            found.append(
                _share(content, line, first, count, commission, with_tax=policy.merchants_pay_tax)
            )
    return tuple(found)


def returned_shares(
    order: Order, refund: Refund, gone: Mapping[LineId, int]
) -> tuple[MerchantShare, ...]:
    """What a refund of an earned sale takes back from its merchants; ``gone`` are units refunded before it."""
    agreed = {share.line: share for share in order.payments.shares}
    found = []
    for row in refund.rows:
        share = agreed.get(row.row)
        line = order.content.line(row.row)
        if share is None or line is None or not row.units:
            continue
        first = gone.get(row.row, 0)
        found.append(
            _share(
                order.content, line, first, row.units, share.whole_commission,
                with_tax=bool(share.tax),
            )
        )  # fmt: skip
    return tuple(found)


def fund_shares(
    content: OrderContent, plan: TenderPlan, place: int, policy: SettlementPolicy
) -> tuple[FundShare, ...]:
    """Whose money one tender of a payment will be, for a channel that splits funds itself.

    What a merchant gets of a line is shared over its tenders as the matrix has them, so over all tenders it adds
    up to what the merchant gets, and of no tender is it more than that pays of the line.
    """
    sums: dict[str, int] = {}
    rows = {name: cells for (name, _), cells in zip(plan.rows, plan.matrix, strict=True)}
    for line in content.lines:
        cells = rows.get(line.id)
        if not line.merchant or cells is None or not any(cells):
            continue
        own = line.net + (line.tax if policy.merchants_pay_tax else 0)
        owed = max(0, min(own - _commission(content, line, policy), sum(cells)))
        part = allocate(owed, cells)[place]
        if part:
            sums[line.merchant] = sums.get(line.merchant, 0) + part
    return tuple([FundShare(merchant, amount) for merchant, amount in sums.items()])
