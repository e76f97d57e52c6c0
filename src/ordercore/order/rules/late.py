"""Late money: what becomes of money that comes for a payment that was given up, or for an order that has ended.

It is never stranded (law L21): it pays, it is kept until somebody decides, or it goes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import NotAllowed
from ordercore.order.events import Recovered
from ordercore.order.rules.deciding import Deciding
from ordercore.tender import (
    AttemptState,
    LateMoney,
    Overpaid,
    Refund,
    RefundLeg,
    TenderKind,
    reallotment,
)
from ordercore.tender.events import MoneyHeld, Reallotted, RefundRequested, UndoAsked
from ordercore.tender.instalment import part_rows
from ordercore.tender.refund import may_go_back

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordercore.order.order import Order, OrderContent
    from ordercore.tender import Attempt

__all__ = ["REVIVE", "kept_late", "planned_today", "return_surplus", "turn_back"]

REVIVE = "revive"
"""The event by which an order that time ended lives again, because its money came after all."""

_S = AttemptState


def planned_today(order: Order) -> bool:
    """Whether the plan in force is for the rows of today: an amendment may have changed them since."""
    plan, rows = order.payments.plan, order.content.rows()
    if plan is not None and order.presale is not None and plan.total < order.total:
        rows = part_rows(rows, plan.total)
    return plan is not None and plan.rows == tuple([(row.id, row.total) for row in rows])


def return_surplus(deciding: Deciding, attempts: Iterable[str]) -> None:
    """Give back what was paid above what was asked, where the policy does not keep it for staff to see.

    Of money that a refund let go before it was taken, a channel that takes all or nothing takes it all the same:
    that goes back by any policy.
    """
    keeps = deciding.situation.payments.overpaid is not Overpaid.RETURN
    for name in attempts:
        attempt = deciding.order.payments.attempt(name)
        if keeps and not attempt.released:
            continue
        over = attempt.captured + attempt.released - attempt.amount - attempt.rounding
        if attempt.state is _S.CAPTURED and over > 0:
            leg = RefundLeg(attempt.id, over, 0)
            refund = f"{deciding.order.id}/over-{attempt.id.rpartition('/')[2]}"
            reason = "paid above what was asked"
            deciding.apply(
                RefundRequested(
                    Refund(refund, (), (leg,), over, reason, surplus=True, at=deciding.situation.at)
                )
            )


def turn_back(deciding: Deciding, attempts: Iterable[str], reason: str) -> None:
    """Undo attempts of a payment that failed. One of which a part has gone back, by a refund or through the payer's
    bank, is refunded the rest instead: an undo would give that part back a second time, or be taken to have done so.
    """
    undone = []
    for name in attempts:
        payments = deciding.order.payments
        attempt = payments.attempt(name)
        if not attempt.captured or not (
            attempt.charged_back
            or any([leg.attempt == name for refund in payments.refunds for leg in refund.legs])
        ):
            undone.append(name)
            continue
        rest = may_go_back(payments, attempt)
        if rest > 0:
            points = attempt.points if attempt.kind is TenderKind.POINTS else 0
            leg = RefundLeg(name, rest, points)
            place = name.rpartition("/")[2]
            refund = Refund(
                f"{deciding.order.id}/undone-{place}", (), (leg,), rest, reason, surplus=True,
                at=deciding.situation.at,
            )  # fmt: skip
            deciding.apply(RefundRequested(refund))
    if undone:
        deciding.apply(UndoAsked(tuple(undone), reason))


def kept_late(deciding: Deciding, name: str, had: int, again: OrderContent | None) -> bool:
    """Whether money that came for an order which has ended stays: to revive it, or until somebody decides.

    ``had`` is what the order held before, ``again`` what it agrees to with goods and codes promised anew. What
    pays it a second time goes back in any case, and so does money that is only held.
    """
    order = deciding.order
    handling, total = order.handling, order.content.total
    if not handling.released or handling.sealed:
        return False
    attempt = order.payments.attempt(name)
    late = deciding.situation.payments.late
    if late is LateMoney.REVIVE:
        return again is not None and attempt.firm and _revived(deciding, attempt, again)
    if late is not LateMoney.HOLD or attempt.state is not _S.CAPTURED:
        return False
    if had and had + attempt.covers > total:
        return False
    if not deciding.lists("refund") and not deciding.lists("recover"):
        return False  # nobody could ever give it back
    deciding.apply(MoneyHeld(name, attempt.covers))
    payments = deciding.order.payments
    if payments.captured - payments.refunded == total and not payments.refunded_now:
        _allot(
            deciding
        )  # units that were refunded keep what they drew: then it goes back as a whole
    return True


def _revived(deciding: Deciding, attempt: Attempt, again: OrderContent) -> bool:
    """Let the order live again and be paid by the same decision; if any step is refused, nothing has happened."""
    if not deciding.lists(REVIVE):
        return False
    trial = Deciding(deciding.order, deciding.situation)
    return_surplus(trial, (attempt.id,))
    was = trial.order.content
    payments = trial.order.payments
    if payments.captured - payments.refunded != was.total or again.total != was.total:
        return False  # a part of the price: the other tenders went back when the order ended
    if again != was:
        trial.apply(Recovered(again, was.total))
    _allot(trial)
    reason = "its money came late"
    try:
        trial.move(REVIVE, reason)
        trial.move("pay", reason)
    except NotAllowed:
        return False
    deciding.order = trial.order
    deciding.events += trial.events
    return True


def _allot(deciding: Deciding) -> None:
    """Let the money that is there, which is just the price, stand for the rows: by the plan in force, if it is
    that payment's money, else by a matrix of its own."""
    order = deciding.order
    payments = order.payments
    firm = {a.id for a in payments.attempts if a.firm}
    planned = {a.id for a in payments.current()}.union(payments.carried)
    if planned_today(order) and firm == planned and not payments.refunds:
        return
    plan, carried = reallotment(order.content.rows(), payments, order.currency)
    deciding.apply(Reallotted(plan, carried))
