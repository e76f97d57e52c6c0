"""Regrouping: orders go apart and become one. Each order decides its own part; they are written together.

Goods and money are never in two orders at once: what leaves one in a change comes to another in the same
write. An order that was split or merged keeps its history, and hears what channels still say of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import NotAllowed
from ordercore.goods import Manifest
from ordercore.lifecycle.table import MERGED, SPLIT
from ordercore.order.commands import (
    CombineOrders,
    MergeInto,
    RejoinOrders,
    RestoreOrder,
    SplitOrder,
    UnmergeOrder,
)
from ordercore.order.events import (
    Combined,
    MergedInto,
    Moved,
    Overruled,
    Rejoined,
    Restored,
    SplitUp,
    Unmerged,
)
from ordercore.order.rules.amending import give_above, priced_apart, reallot
from ordercore.order.rules.deciding import Refusal
from ordercore.order.rules.paying import CLOSING
from ordercore.tender.events import MoneyBroughtIn, MoneyTakenOut, TakenOut
from ordercore.tender.parting import held_again

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation
    from ordercore.tender import Attempt

__all__ = ["GUARDS", "RULES", "may_combine", "may_rejoin", "may_split", "may_unmerge", "taken_out"]


def taken_out(attempts: Iterable[Attempt]) -> tuple[TakenOut, ...]:
    """The money of attempts as it leaves an order: one entry for each name."""
    sums: dict[str, list[int]] = {}
    for attempt in attempts:
        known = sums.setdefault(attempt.id, [0, 0])
        known[0] += attempt.amount
        known[1] += attempt.rounding
    return tuple([TakenOut(name, amount, rounding) for name, (amount, rounding) in sums.items()])


def _settled(order: Order) -> Refusal | None:
    """What keeps an order from being regrouped at all: goods on their way, or money that is not settled."""
    payments, handling = order.payments, order.handling
    reason = ""
    if handling.released:
        reason = f"an order in state {order.state!r} is over"
    elif order.closing is not None:
        reason = CLOSING
    elif order.delivery.shipments:
        reason = "part of the order has left: split what is left into parcels instead"
    elif any([parcel.fixed for parcel in order.delivery.parcels]):
        reason = "a parcel is packed or booked: cancel it first"
    elif payments.in_flight:
        reason = "a payment is under way: wait for its end"
    elif any([a.firm and a.to_capture for a in payments.attempts]):
        reason = (
            "its money is only held, under one name: take it first, or split the order into parcels"
        )
    elif any([a.charged_back for a in payments.attempts]):
        reason = "the payer's bank took money back: settle that first"
    elif payments.forfeited or order.owed:
        reason = "money is owed back: wait for its refund"
    elif order.recognized:
        reason = "the sale is booked already"
    return Refusal(reason) if reason else None


def may_split(order: Order, _situation: Situation) -> Refusal | None:
    """An order is split before anything left, while its money is settled."""
    refusal = _settled(order)
    if refusal is None and order.shippable().total() < 2:
        return Refusal("a single unit cannot be split")
    return refusal


def may_combine(order: Order, _situation: Situation) -> Refusal | None:
    """The same of an order that takes another one in, or is taken in; what they must have in common is asked of both."""
    return _settled(order) or priced_apart(order)


def may_rejoin(order: Order, _situation: Situation) -> Refusal | None:
    """An order that was split may be whole again."""
    lineage = order.handling.lineage
    if lineage is None or not lineage.children or order.state != SPLIT:
        return Refusal("the order was not split")
    return None


def may_unmerge(order: Order, _situation: Situation) -> Refusal | None:
    """What was taken in last may go again, while no money moved since."""
    lineage = order.handling.lineage
    if lineage is None or not lineage.merged:
        return Refusal("no order was put to this one")
    refusal = _settled(order)
    if refusal is not None:
        return refusal
    last = lineage.merged[-1]
    payments = order.payments
    fresh = [a for a in payments.attempts if a.firm and a.id not in {*last.attempts, *last.had}]
    if fresh or len(payments.refunds) != last.refunds:
        return Refusal("money has moved since they were merged: split the order instead")
    return None


def may_merge_into(order: Order, situation: Situation) -> Refusal | None:
    """An order that another one takes in; a part goes back to its whole at any price."""
    lineage = order.handling.lineage
    part = lineage is not None and bool(lineage.parent)
    return _settled(order) if part else may_combine(order, situation)


def may_restore(order: Order, _situation: Situation) -> Refusal | None:
    """An order that another one had taken in."""
    lineage = order.handling.lineage
    if lineage is None or not lineage.into:
        return Refusal("the order was not merged into another one")
    return None


def _end(deciding: Deciding, via: str, to: str, reason: str) -> None:
    """Let the order stand where regrouped orders end, past its chart."""
    deciding.apply(Moved(via, deciding.order.state, to, reason, releases=True))


def split(deciding: Deciding, command: SplitOrder) -> None:
    """Hand goods and money to the parts."""
    deciding.apply(SplitUp(command.parts))
    if command.money:
        deciding.apply(MoneyTakenOut(tuple([p.order for p in command.parts]), command.money))
    _end(deciding, "split", SPLIT, f"split into {len(command.parts)}")


def merge_into(deciding: Deciding, command: MergeInto) -> None:
    """Hand goods and money to the order that takes this one over."""
    order = deciding.order
    if command.overrule:
        deciding.apply(Overruled("merge_status", command.overrule))
    money = taken_out(held_again(order.payments))
    deciding.apply(MergedInto(command.into, command.number))
    if money:
        deciding.apply(MoneyTakenOut((command.into,), money))
    _end(deciding, command.how, MERGED, f"part of {command.number}")


def rejoin(deciding: Deciding, command: RejoinOrders) -> None:
    """Take goods and money of the parts back."""
    deciding.apply(Rejoined(command.content, command.orders, command.handling))
    brought = False
    for source, attempts in command.attempts:
        if attempts:
            brought = True
            deciding.apply(MoneyBroughtIn(source, attempts))
    deciding.apply(Moved("rejoin", SPLIT, command.state, "its parts are one order again"))
    if brought:
        reallot(deciding)
    if not deciding.order.due and deciding.lists("pay"):
        deciding.move("pay", "nothing is due")


def combine(deciding: Deciding, command: CombineOrders) -> None:
    """Take the other order's goods and money in; ask for what is due, or give back what is over."""
    order = deciding.order
    if command.overrule:
        deciding.apply(Overruled("merge_status", command.overrule))
    was = order.content.total
    if command.attempts:
        deciding.apply(MoneyBroughtIn(command.merged.order, command.attempts))
    # the refund of the merge itself is money that moved since
    merged = command.merged.counted(len(order.payments.refunds))
    give_above(deciding, command.refund_id, command.content.total, "merged for less")
    deciding.apply(Combined(command.content, merged, was))
    reallot(deciding)
    _stand(deciding, command.state, f"took in {merged.number}")


def _stand(deciding: Deciding, state: str, reason: str) -> None:
    """Await payment; once nothing is due, go on to ``state`` in the same change."""
    initial = deciding.situation.lifecycle.initial
    if deciding.order.state != initial:
        deciding.apply(Moved("merge", deciding.order.state, initial, reason))
    if deciding.order.due:
        return
    if state != initial:
        deciding.apply(Moved("merge", initial, state, "nothing is due"))
    elif deciding.lists("pay"):
        deciding.move("pay", "nothing is due")


def unmerge(deciding: Deciding, command: UnmergeOrder) -> None:
    """Let goods and money of the other order go again."""
    order = deciding.order
    was, merged = order.content.total, command.merged
    brought = [a for a in held_again(order.payments) if a.id in merged.attempts]
    if brought:  # told first: the attempts go with what was agreed
        deciding.apply(MoneyTakenOut((merged.order,), taken_out(brought)))
    withdrawn = command.withdrawn or Manifest()
    deciding.apply(Unmerged(command.content, merged, was, command.payments, withdrawn))
    if command.payments is None:
        reallot(deciding)
    if deciding.order.state != merged.basic_state:
        reason = f"{merged.number} is apart again"
        deciding.apply(Moved("unmerge", deciding.order.state, merged.basic_state, reason))


def restore(deciding: Deciding, command: RestoreOrder) -> None:
    """Live again where the order stood."""
    order = deciding.order
    if order.state != MERGED:
        reason = f"an order in state {order.state!r} was not merged into another one"
        raise NotAllowed(reason, order=order.id, state=order.state)
    deciding.apply(Restored(command.source))
    deciding.apply(Moved("unmerge", MERGED, command.state, "apart again"))


RULES: Mapping[type[Any], Rule] = {
    SplitOrder: split,
    RejoinOrders: rejoin,
    CombineOrders: combine,
    MergeInto: merge_into,
    UnmergeOrder: unmerge,
    RestoreOrder: restore,
}
GUARDS: Mapping[type[Any], Guard] = {
    SplitOrder: may_split,
    RejoinOrders: may_rejoin,
    CombineOrders: may_combine,
    MergeInto: may_merge_into,
    UnmergeOrder: may_unmerge,
    RestoreOrder: may_restore,
}
