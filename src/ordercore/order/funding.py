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
from ordercore.tender.reduction import reduced, reduction

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


def _tax(line: QuoteLine, plan: TenderPlan | None, first: int, count: int) -> int:
    """The tax that stands on units of a line: none on what a tender pays that counts as a price reduction."""
    return reduced(line, reduction(plan, line), first, count).tax


def _commission(order: Order, line: QuoteLine, policy: SettlementPolicy) -> int:
    """What the shop keeps of a whole line."""
    funded = _funded(order.content, line, 0, line.quantity)
    rule = policy.rule(line.merchant, line.category)
    if rule is None:
        return 0
    sales = line.net + funded
    if policy.merchants_pay_tax:
        sales += _tax(line, order.payments.plan, 0, line.quantity)
    return min(rule.of(line.total + funded, line.quantity), max(0, sales))


def _share(
    order: Order, line: QuoteLine, first: int, count: int, commission: int, *, with_tax: bool
) -> MerchantShare:
    """What the units ``first`` to ``first + count - 1`` of a line are for its merchant."""
    net = line.units(first, count).net
    return MerchantShare(
        line.id, line.merchant, first, count,
        net + _funded(order.content, line, first, count),
        _tax(line, order.payments.plan, first, count) if with_tax else 0,
        share_of_units(commission, line.quantity, first, count),
        commission,
    )  # fmt: skip


def earned_shares(
    order: Order, gone: Mapping[LineId, int], policy: SettlementPolicy
) -> tuple[MerchantShare, ...]:
    """Whose money the sale is when it is earned: of all units that were not refunded (``gone``, by line)."""
    found = []
    for line in order.content.lines:
        first = gone.get(line.id, 0)
        if line.merchant and first < line.quantity:
            commission = _commission(order, line, policy)
            count = line.quantity - first
            found.append(
                _share(order, line, first, count, commission, with_tax=policy.merchants_pay_tax)
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
            _share(order, line, first, row.units, share.whole_commission, with_tax=bool(share.tax))
        )
    return tuple(found)


def fund_shares(
    order: Order, plan: TenderPlan, place: int, policy: SettlementPolicy, carried: int = 0
) -> tuple[FundShare, ...]:
    """Whose money one tender of a payment will be, for a channel that splits funds itself.

    A merchant's part of the payment is shared over its fresh tenders (the first ``carried`` are paid already) by what
    each pays of the merchant's lines, so over all tenders it adds up to what the merchant gets, and of no
    tender is it more than that pays of those lines. Of a part of the price (a deposit) a merchant
    gets its part; what former payments told is taken off.
    """
    rows = {name: (owed, cells) for (name, owed), cells in zip(plan.rows, plan.matrix, strict=True)}
    owed: dict[str, int] = {}
    paid: dict[str, list[int]] = {}
    for line in order.content.lines:
        part, cells = rows.get(line.id, (0, ()))
        if not line.merchant or not part:
            continue
        whole = line.net - _commission(order, line, policy)
        if policy.merchants_pay_tax:
            whole += _tax(line, plan, 0, line.quantity)
        its = max(0, min(whole, line.total)) * part // line.total
        owed[line.merchant] = owed.get(line.merchant, 0) + its
        sums = paid.setdefault(line.merchant, [0] * len(plan.tenders))
        paid[line.merchant] = [a + b for a, b in zip(sums, cells, strict=True)]
    for attempt in order.payments.attempts if carried else ():
        for told in attempt.shares if attempt.firm else ():
            if told.merchant in owed:
                owed[told.merchant] = max(0, owed[told.merchant] - told.amount)
    found = []
    for merchant, its in owed.items():
        fresh = paid[merchant][carried:]
        amount = allocate(min(its, sum(fresh)), fresh)[place - carried] if any(fresh) else 0
        if amount:
            found.append(FundShare(merchant, amount))
    return tuple(found)
