"""Money that is held and not yet taken: what of it refunds let go, and when all of it is let go.

A deferred authorization counts as paid, so a refund may concern money that nobody has received. That part is
*released*: no channel is called for it, the capture that comes later takes so much less. What is held for
nothing is given up at its channel, so that an order which ends holds no money (law L22).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import NotAllowed
from ordercore.order.funding import returned_shares
from ordercore.tender import AttemptState, Refund, RefundLeg, RefundStatus, refunded_units
from ordercore.tender.events import (
    CaptureAsked,
    FundsShared,
    MatrixResolved,
    RefundAnswered,
    RefundRequested,
    UndoAsked,
)
from ordercore.tender.refund import in_coins, resolved, rest_of_the_sale

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding
    from ordercore.tender import Attempt, Payments, RefundRow

__all__ = ["ask_back", "let_go", "let_held_go", "releasable", "released_first"]

_S = AttemptState


def releasable(attempt: Attempt) -> int:
    """What of an attempt is held and was not taken, as it stands for the order's price, in minor units."""
    if attempt.state is not _S.AUTHORIZED or not attempt.deferred:
        return 0
    held = attempt.authorized or attempt.amount
    return max(0, held - attempt.captured - attempt.released)


def released_first(payments: Payments, legs: Iterable[RefundLeg]) -> tuple[RefundLeg, ...]:
    """The legs, each split into what is released because it is only held, and what really has to go back."""
    room = {a.id: free for a in payments.attempts if (free := releasable(a))}
    if not room:
        return tuple(legs)
    found = []
    for leg in legs:
        free = 0 if leg.released else min(room.get(leg.attempt, 0), leg.amount)
        if free:
            room[leg.attempt] -= free
            found.append(RefundLeg(leg.attempt, free, 0, released=True))
        if leg.amount > free:
            found.append(
                RefundLeg(
                    leg.attempt, leg.amount - free, leg.points, released=leg.released,
                    gateway=leg.gateway, account=leg.account, rounding=leg.rounding,
                )
            )  # fmt: skip
    return tuple(found)


def ask_back(deciding: Deciding, refund: Refund) -> None:
    """Let a refund happen: money that is only held is let go at once, the rest is asked of its channels.

    Raises `NotAllowed` while a part of what it concerns is being taken: how much there is, is not known yet.
    """
    order = deciding.order
    payments = order.payments
    for leg in refund.legs:
        if payments.attempt(leg.attempt).state is _S.CAPTURING:
            reason = "held money is being taken: wait for its end"
            raise NotAllowed(reason, order=order.id, state=order.state, attempt=leg.attempt)
    legs = released_first(payments, in_coins(payments, refund.legs, order.currency))
    asked = Refund(
        refund.id, refund.rows, legs, refund.amount, refund.reason, refund.recognized,
        refund.split, refund.consent, refund.surplus, deciding.situation.at,
    )  # fmt: skip
    rest = _rest(deciding.order, asked)
    if rest is not None:
        asked = Refund(
            asked.id, asked.rows, legs, asked.amount, asked.reason, asked.recognized, asked.split,
            asked.consent, asked.surplus, asked.at, whole=True,
        )  # fmt: skip
    matrix = resolved(payments, asked)
    if matrix is not None:
        deciding.apply(MatrixResolved(matrix))
    deciding.apply(RefundRequested(asked))
    if asked.recognized and payments.shares:
        shares = returned_shares(order, asked, refunded_units(payments))
        if rest is not None:
            shares += returned_shares(
                order, rest, refunded_units(payments.having(refunds=(*payments.refunds, asked)))
            )
        if shares:
            deciding.apply(FundsShared(shares, asked.id))
    freed = []
    for place, leg in enumerate(legs):
        if leg.released or not leg.paid:
            # no channel is called, so no money is told that moved over one
            why = "it was only held" if leg.released else "there is no coin for it"
            at = deciding.situation.at
            deciding.apply(RefundAnswered(refund.id, place, RefundStatus.ARRIVED, "", at, why))
        if leg.released:
            freed.append(leg.attempt)
    if freed:
        let_go(deciding, freed)


def _rest(order: Order, asked: Refund) -> Refund | None:
    """What of the sale no refund names though all of its money goes back with this one: its rows, over no tender.

    ``None`` where something is left, or nothing is but what the rows say.
    """
    payments = order.payments.having(refunds=(*order.payments.refunds, asked))
    gone = payments.taken_back
    open_ = asked.recognized or order.due > 0
    if asked.surplus or not (open_ or gone):
        return None
    if payments.refunded_now <= 0 or payments.refunded + gone < payments.captured:
        return None
    rows: tuple[RefundRow, ...] = ()
    if open_:
        rows = rest_of_the_sale(order.content.lines, order.content.charges, payments)
    return Refund(asked.id, rows, (), 0, asked.reason, asked.recognized) if rows or gone else None


def let_go(deciding: Deciding, attempt_ids: Iterable[str]) -> None:
    """Give up what is held for nothing any more, of attempts that refunds have released in full.

    One of which nothing was taken is undone; of one that was taken in part, the rest is let go by a last
    capture of nothing.
    """
    names = frozenset(attempt_ids)
    undone: list[str] = []
    ended: list[str] = []
    for attempt in deciding.order.payments.attempts:
        if attempt.id in names and attempt.state is _S.AUTHORIZED and attempt.deferred:
            if releasable(attempt):
                continue
            (ended if attempt.captured else undone).append(attempt.id)
    if undone:
        deciding.apply(UndoAsked(tuple(undone), "all of it was asked back before it was taken"))
    if ended:
        deciding.apply(CaptureAsked(tuple(ended)))


def let_held_go(deciding: Deciding) -> None:
    """An order that ends holds no money (law L22): what is held and was not given back by a refund is let go.

    What was taken of it stays, and is owed like other money of an order that ended.
    """
    order = deciding.order
    held = [a for a in order.payments.attempts if a.state is _S.AUTHORIZED and a.deferred]
    undone = tuple([a.id for a in held if not a.captured])
    if undone:
        deciding.apply(UndoAsked(undone, order.reason or "the order has ended"))
    parts = [(a.id, free) for a in held if a.captured and (free := releasable(a))]
    if parts:
        legs = tuple([RefundLeg(name, free, 0) for name, free in parts])
        amount = sum([leg.amount for leg in legs])
        name = f"{order.id}/held-v{order.visit}"
        reason = "the order has ended: it was only held"
        ask_back(deciding, Refund(name, (), legs, amount, reason, order.recognized))
