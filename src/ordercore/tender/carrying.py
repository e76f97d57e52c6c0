"""Money of former payments that counts for what is agreed today.

A payment that was made stays made when the order is amended: its money is *carried* into the next plan,
as that plan's first tenders, or allotted anew to the rows of today when it just covers them.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from ordercore.allocation import Column, matrix
from ordercore.errors import InvalidInput
from ordercore.tender.plan import PlannedTender, TenderPlan, discounted
from ordercore.tender.tenders import TenderKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.pricing import QuoteCharge, QuoteLine
    from ordercore.tender.attempt import Attempt, Payments

__all__ = ["carried_tenders", "reallotment", "shared"]


def _planned(payments: Payments, attempt: Attempt) -> PlannedTender | None:
    """The tender of the plan in force that an attempt stands for."""
    plan = payments.plan
    if plan is None:
        return None
    place = -1
    if attempt.id in payments.carried:
        place = payments.carried.index(attempt.id)
    elif attempt.round == payments.round:
        place = attempt.tender
    return plan.tenders[place] if 0 <= place < len(plan.tenders) else None


def _carried(attempt: Attempt, left: int, planned: PlannedTender | None) -> PlannedTender:
    points, minor = 1, 1
    if attempt.kind is TenderKind.POINTS:
        common = gcd(attempt.points, attempt.amount)
        points, minor = attempt.points // common, attempt.amount // common
    return PlannedTender(
        attempt.kind, attempt.gateway, attempt.account, left,
        left // minor * points if attempt.kind is TenderKind.POINTS else 0, 0, points, minor,
        0, planned is not None and planned.discount, planned is None or planned.invoiceable,
        0 if planned is None else planned.coin,
    )  # fmt: skip


def carried_tenders(payments: Payments) -> tuple[tuple[str, PlannedTender], ...]:
    """Attempts that hold money, each as a tender of what was not asked back of it."""
    found = []
    for attempt in payments.attempts:
        if attempt.firm:
            left = payments.left(attempt)
            if left:
                planned = _planned(payments, attempt)
                found.append((attempt.id, _carried(attempt, left, planned)))
    return tuple(found)


def shared(rows: Sequence[int], columns: Sequence[Column]) -> tuple[tuple[int, ...], ...]:
    """The matrix (law L25). Where the whole steps of coarse points fit into no row of today,
    points are broken over rows: their sum, which is what goes back, stays whole."""
    try:
        return matrix(rows, columns)
    except InvalidInput:
        return matrix(rows, [Column(column.amount, column.eligible, 1) for column in columns])


def reallotment(
    rows: Sequence[QuoteLine | QuoteCharge], payments: Payments, currency: str
) -> tuple[TenderPlan, tuple[str, ...]]:
    """What the tenders hold, over the rows of today, which it just covers; and whose money it is."""
    held = carried_tenders(payments)
    columns = [Column(tender.amount, None, tender.quantum_minor) for _, tender in held]
    cells = shared([row.total for row in rows], columns)
    named = tuple([(row.id, row.total) for row in rows])
    total = sum([row.total for row in rows])
    planned = tuple([tender for _, tender in held])
    plan = TenderPlan(currency, total, planned, named, cells, discounted(planned, cells))
    return plan, tuple([name for name, _ in held])
