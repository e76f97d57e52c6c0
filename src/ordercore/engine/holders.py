"""Whose an attempt's money is, after its order was split or merged.

An attempt keeps its name when orders are regrouped, so what a channel says of it is first found at the order that made
it. What takes money back concerns all orders to which the money came: those that hold it, and those that refunded it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ordercore.allocation import allocate_within
from ordercore.change import Change, change
from ordercore.engine.discharging import discharge
from ordercore.engine.flow import call
from ordercore.engine.shop import RETRIES_MAX, having, load, record, situation, told
from ordercore.errors import InvalidInput, NotAllowed, Stale
from ordercore.order import NoteChargeback, decide
from ordercore.order.decide import Decision
from ordercore.order.rules.booking import chargeable, unrefunded
from ordercore.tender.events import ChargedBack, FeeCharged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ordercore.change import Receipt
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.party import Actor

__all__ = ["Noted", "became", "charged_back_once", "noted_before"]

HOLDERS_MAX = 1_000
"""Most orders that the money of one attempt is looked for in."""


def became(shop: Shop, order: Order) -> Flow[tuple[Order, ...]]:
    """An order and all that came of it by splitting and merging, itself first."""
    found: list[Order] = []
    waiting, seen = [order], {order.id}
    for _ in range(HOLDERS_MAX):
        if not waiting:
            break
        one = waiting.pop(0)
        found.append(one)
        lineage = one.handling.lineage
        for name in () if lineage is None else lineage.successors:
            if name not in seen:
                seen.add(name)
                waiting.append((yield from load(shop, name)))
    return tuple(found)


class Noted(NamedTuple):
    """Whether the books tell of a chargeback already, and of a fee for it."""

    known: bool
    fee: bool


def noted_before(shop: Shop, orders: Iterable[Order], note: NoteChargeback) -> Flow[Noted]:
    """What these orders' books tell of a chargeback: under the channel's name of it, and the same amount; by the amount
    alone where just one side names it. A letter and a statement may both tell of it, in either order (law L10)."""
    sums: dict[tuple[str, datetime | None], int] = {}
    fee = False
    for one in orders:
        for recorded in (yield from call(shop.store.journal, one.id)):
            event = recorded.event
            if isinstance(event, FeeCharged):
                named = bool(note.reference) and event.reference == note.reference
                fee |= named and event.subject == note.attempt
            elif isinstance(event, ChargedBack) and event.attempt == note.attempt:
                both = event.reference and note.reference
                if event.reference == note.reference if both else event.reference != note.reference:
                    key = (event.reference, event.at)
                    sums[key] = sums.get(key, 0) + event.amount
                    fee |= bool(event.fee)
    return Noted(note.amount in sums.values(), fee)


def charged_back_once(
    shop: Shop, order: Order, note: NoteChargeback, receipt: Receipt | None, by: Actor
) -> Flow[Change | None]:
    """Note a chargeback with the order, or with those to which its money came; ``None`` for these, and where the
    books tell of it already. Whoever comes late looks again."""

    def unless_known(now: Order, decision: Decision) -> Flow[Decision]:
        found = yield from noted_before(shop, (now,), note)
        return Decision(now, ()) if found.known else decision

    if not order.handling.gone:
        try:
            made = yield from record(
                shop, order, note, by, unless_known, complete=lambda made: having(made, receipt)
            )
        except NotAllowed:  # it may have been split or merged since it was read
            order = yield from load(shop, order.id)
            if not order.handling.gone:
                raise
        else:
            return made if made.events else None
    yield from _by_holders(shop, order, note, receipt, by)
    return None


class _Sharing:
    """Who bears how much of a chargeback.

    First those that hold the money now, by what they have not refunded of it. What is over had gone back to the payer
    already: it is owed by the customer with whoever refunded it, also before the orders were regrouped.
    """

    __slots__ = ("first", "orders", "rooms")

    def __init__(self, orders: tuple[Order, ...], attempt: str) -> None:
        known = [
            (order, found)
            for order in sorted(orders, key=lambda one: one.handling.gone)
            for found in order.payments.attempts
            if found.id == attempt
        ]
        self.orders = [order for order, _ in known]
        self.rooms = [chargeable(order, found) for order, found in known]
        self.first = [unrefunded(order, found) for order, found in known]

    def parts(self, amount: int) -> list[int]:
        """What each of them bears; the amount is at most the sum of their rooms."""
        ours = min(amount, sum(self.first))
        parts = [0] * len(self.rooms)
        for share, weights in ((ours, self.first), (amount - ours, self.rooms)):
            if share:
                rest = [most - part for most, part in zip(weights, parts, strict=True)]
                more = allocate_within(share, rest, caps=rest)
                parts = [one + other for one, other in zip(parts, more, strict=True)]
        return parts


def _by_holders(
    shop: Shop, order: Order, note: NoteChargeback, receipt: Receipt | None, by: Actor
) -> Flow[None]:
    """Note a chargeback with every order that bears a part of what it takes back, in one write.

    The first of them bears the fee. Raises `InvalidInput` for more than was taken.
    """
    tries = 0
    while True:
        orders = yield from became(shop, order)
        if (yield from noted_before(shop, orders, note)).known:
            return
        sharing = _Sharing(orders, note.attempt)
        most = sum(sharing.rooms)
        if type(note.amount) is not int or not 0 < note.amount <= most:
            # while they were read, some of them may have been regrouped
            again = yield from load(shop, order.id)
            if again.version != order.version and tries < RETRIES_MAX:
                tries += 1
                order = again
                continue
            reason = f"a chargeback of {note.amount}, and at most {most} can be"
            raise InvalidInput(reason, path="amount", amount=note.amount, most=most)
        changes = _noted(shop, sharing.orders, sharing.parts(note.amount), note, by)
        changes[0] = having(changes[0], receipt)
        try:
            yield from call(shop.store.commit, tuple(changes))
        except Stale:
            tries += 1
            if tries > RETRIES_MAX:
                raise
            order = yield from load(shop, order.id)
            continue
        for made in changes:
            yield from told(shop, made)
            yield from discharge(shop, made.order, by, made=made)
        return


def _noted(
    shop: Shop, mine: Sequence[Order], parts: Sequence[int], note: NoteChargeback, by: Actor
) -> list[Change]:
    """The changes of all that bear a part."""
    changes: list[Change] = []
    for one, part in zip(mine, parts, strict=True):
        if part:
            fee = 0 if changes else note.fee
            share = NoteChargeback(note.attempt, part, fee, note.reference, note.at, shared=True)
            where = situation(shop, one, by)
            changes.append(
                change(
                    one, decide(one, share, where), where.at, by, "NoteChargeback",
                    shop.policies.timeouts, where.lifecycle,
                )
            )  # fmt: skip
    return changes
