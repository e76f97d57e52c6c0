"""Whose an attempt's money is, after its order was split or merged.

An attempt keeps its name when orders are regrouped, so what a channel says of it is first found at the order that made
it. What takes money back concerns the orders that hold it now, each by what it still has of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.allocation import allocate_within
from ordercore.change import Change, change
from ordercore.engine.discharging import discharge
from ordercore.engine.flow import call
from ordercore.engine.shop import RETRIES_MAX, having, load, situation, told
from ordercore.errors import InvalidInput, Stale
from ordercore.order import NoteChargeback, decide

if TYPE_CHECKING:
    from ordercore.change import Receipt
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.party import Actor

__all__ = ["charged_back_by_holders", "holders"]

HOLDERS_MAX = 1_000
"""Most orders that the money of one attempt is looked for in."""


def holders(shop: Shop, order: Order, attempt: str) -> Flow[tuple[Order, ...]]:
    """The orders that hold what an attempt took: ``order`` itself, or those that it became."""
    found: list[Order] = []
    waiting, seen = [order], {order.id}
    for _ in range(HOLDERS_MAX):
        if not waiting:
            break
        one = waiting.pop(0)
        lineage = one.handling.lineage
        if lineage is None or not lineage.gone:
            if any([known.id == attempt for known in one.payments.attempts]):
                found.append(one)
            continue
        for name in lineage.children or (lineage.into,):
            if name not in seen:
                seen.add(name)
                waiting.append((yield from load(shop, name)))
    return tuple(found)


def _left(order: Order, attempt: str) -> int:
    known = order.payments.attempt(attempt)
    return known.captured - known.returned - known.charged_back


def charged_back_by_holders(
    shop: Shop, order: Order, note: NoteChargeback, receipt: Receipt | None, by: Actor
) -> Flow[None]:
    """Note a chargeback with every order that holds a part of what it takes back, in one write.

    The first of them bears the fee. Raises `InvalidInput` for more than they hold together.
    """
    tries = 0
    while True:
        mine = yield from holders(shop, order, note.attempt)
        rooms = [_left(one, note.attempt) for one in mine]
        if type(note.amount) is not int or not 0 < note.amount <= sum(rooms):
            reason = f"a chargeback of {note.amount}, and at most {sum(rooms)} can be"
            raise InvalidInput(reason, path="amount", amount=note.amount, most=sum(rooms))
        changes = _noted(shop, mine, allocate_within(note.amount, rooms, caps=rooms), note, by)
        if receipt is not None:
            changes[0] = having(changes[0], receipt)
        try:
            yield from call(shop.store.commit, tuple(changes))
        except Stale:
            tries += 1
            if tries > RETRIES_MAX:
                raise
            continue
        for made in changes:
            yield from told(shop, made)
            yield from discharge(shop, made.order, by, made=made)
        return


def _noted(
    shop: Shop, mine: tuple[Order, ...], parts: tuple[int, ...], note: NoteChargeback, by: Actor
) -> list[Change]:
    """The changes of all that hold a part."""
    changes: list[Change] = []
    for one, part in zip(mine, parts, strict=True):
        if part:
            fee = 0 if changes else note.fee
            share = NoteChargeback(note.attempt, part, fee, note.reference, note.at)
            where = situation(shop, one, by)
            changes.append(
                change(
                    one, decide(one, share, where), where.at, by, "NoteChargeback",
                    shop.policies.timeouts, where.lifecycle,
                )
            )  # fmt: skip
    return changes
