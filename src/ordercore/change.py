"""One decision, one change, one atomic write.

A `Change` holds all that a decision alters. A store writes it whole or not at all.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ordercore.event import Event
from ordercore.ledger import Entry
from ordercore.order import Decision, Order, posting
from ordercore.party import Actor
from ordercore.timeout import Timer, TimerKey, timers
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.lifecycle import Lifecycle
    from ordercore.timeout import TimeoutPolicy

__all__ = ["Change", "Receipt", "Recorded", "change"]


@value
class Receipt:
    """Remembers which command an idempotency key stood for (law L13).

    ``digest`` is of the command's content: the same key with other content is refused.
    """

    shop: str
    key: str
    command: str
    digest: str
    order_id: str


@value
class Change:
    """An order's new state with everything that goes with it, to be written at once.

    The events share the time, the actor and the command. The order's version is the number of its
    events, so the version before is ``order.version - len(events)``: a store refuses the change
    unless that is what it holds. A change without events only clears or moves timers.
    """

    order: Order
    events: tuple[Event, ...]
    at: datetime
    by: Actor
    command: str
    timers_set: tuple[Timer, ...] = ()
    timers_cleared: tuple[TimerKey, ...] = ()
    entries: tuple[Entry, ...] = ()
    receipt: Receipt | None = None

    @property
    def version_before(self) -> int:
        """The version that the store must hold; 0 for a new order."""
        return self.order.version - len(self.events)

    def recorded(self) -> Iterator[Recorded]:
        """Its events as the journal and the outbox tell them."""
        first = self.version_before + 1
        for i, happened in enumerate(self.events):
            yield Recorded(self.order.id, first + i, self.at, self.by, self.command, happened)


@value
class Recorded:
    """An event with its place: which order, its number there (from 1), when, who, by which command."""

    order_id: str
    sequence: int
    at: datetime
    by: Actor
    command: str
    event: Event


def change(
    before: Order | None,
    decision: Decision,
    at: datetime,
    by: Actor,
    command: str,
    policy: TimeoutPolicy,
    lifecycle: Lifecycle[Order],
    receipt: Receipt | None = None,
) -> Change:
    """Complete a decision with its timers, by the clocks of its lifecycle, and its entries."""
    order, events = decision.order, decision.events
    to_set, cleared = timers(order, events, policy, at, lifecycle, before)
    entries = posting(before if before is not None else order, events)
    return Change(order, events, at, by, command, to_set, cleared, entries, receipt)
