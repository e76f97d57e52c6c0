"""The journal of one order: each event with what it changed, from its stored events alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, overload

import attrs

from ordercore.change import Recorded
from ordercore.errors import CorruptDocument
from ordercore.event import Event
from ordercore.journal.sentence import Sentence
from ordercore.journal.telling import tell, why_of
from ordercore.ledger import Entry
from ordercore.lifecycle import Lifecycle
from ordercore.order import Order, evolve, posting
from ordercore.party import Actor
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Journal", "JournalEntry", "Position", "journal_of"]


@value
class Position:
    """Where an order stood; figures in minor units of its currency.

    ``paid`` is what counts as paid: taken and not undone, or held to be taken later as agreed. ``refunded`` is what
    of it was asked back, arrived or not, or let go before it was taken. What was kept of a deposit, granted beside
    refunds, or taken back by a payer's bank changes neither; it stands in ``booked`` of its event.
    ``due`` is what must still be paid or promised. Of an order that was split or merged only what it gave back
    counts: the rest is paid with the orders that have its goods.
    """

    state: str
    total: int
    due: int
    paid: int
    refunded: int

    @classmethod
    def of(cls, order: Order) -> Position:
        """Where ``order`` stands."""
        payments = order.payments
        paid = payments.refunded if order.handling.gone else payments.captured
        return cls(order.state, order.total, order.due, paid, payments.refunded)


@value
class JournalEntry:
    """One event: who, by which command, when, why, where the order stood before and after.

    ``told`` is what happened, in sentences to be put into a language; ``booked`` what it wrote into
    the books. ``before`` is ``None`` for the event that an order begins with.
    """

    recorded: Recorded
    why: str
    told: tuple[Sentence, ...]
    before: Position | None
    after: Position
    booked: tuple[Entry, ...] = ()

    @property
    def order_id(self) -> str:
        """Whose event it is."""
        return self.recorded.order_id

    @property
    def sequence(self) -> int:
        """Its number in the order's life, from 1."""
        return self.recorded.sequence

    @property
    def at(self) -> datetime:
        """When it happened."""
        return self.recorded.at

    @property
    def by(self) -> Actor:
        """Who made it happen."""
        return self.recorded.by

    @property
    def command(self) -> str:
        """The command by which they did."""
        return self.recorded.command

    @property
    def event(self) -> Event:
        """What happened, as it is stored."""
        return self.recorded.event


@value
class Journal(Sequence[JournalEntry]):
    """All that happened to one order, first to last; a sequence of its entries.

    ``order`` is the order as its events give it (law L15 journal). Without its ``lifecycle`` states are
    told by their ids.
    """

    order: Order
    entries: tuple[JournalEntry, ...]
    lifecycle: Lifecycle[Order] | None = attrs.field(default=None, repr=False)

    @property
    def recorded(self) -> tuple[Recorded, ...]:
        """The events as the store keeps them. A publisher is told the same, without what pickup codes are checked by."""
        return tuple([entry.recorded for entry in self.entries])

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[JournalEntry]:
        return iter(self.entries)

    @overload
    def __getitem__(self, place: int) -> JournalEntry: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[JournalEntry, ...]: ...

    def __getitem__(self, place: int | slice) -> JournalEntry | tuple[JournalEntry, ...]:
        return self.entries[place]


def journal_of(recorded: Sequence[Recorded], lifecycle: Lifecycle[Order] | None = None) -> Journal:
    """The journal that all events of one order give, in their order.

    Raises `CorruptDocument` where there is none, where one is missing, or where they are of several orders.
    """
    order: Order | None = None
    at: Position | None = None
    entries = []
    for place, one in enumerate(recorded, start=1):
        event, before, was = one.event, order, at
        if one.sequence != place:
            raise CorruptDocument(f"event {place} of the order is missing", path="events")
        order = evolve(before, event, one.at)
        if one.order_id != order.id:
            raise CorruptDocument("the events are of several orders", path="events")
        now = Position.of(order)
        at = was if was == now else now
        booked = posting(order if before is None else before, (event,))
        told = tell(event, before, order)
        entries.append(JournalEntry(one, why_of(event), told, was, now, booked))
    if order is None:
        raise CorruptDocument("an order has at least one event", path="events")
    return Journal(order, tuple(entries), lifecycle)
