"""Money that moved, read from events: what a channel's statement is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.ledger import Movement, MovementKind
from ordercore.tender import RefundStatus
from ordercore.tender.events import (
    AttemptAnswered,
    ChargedBack,
    FeeCharged,
    RefundAnswered,
    Remitted,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.event import Event

__all__ = ["MONEY_EVENTS", "movements"]

MONEY_EVENTS = (
    AttemptAnswered.name,
    RefundAnswered.name,
    ChargedBack.name,
    FeeCharged.name,
    Remitted.name,
)
"""The names of events that may tell of money that moved over a channel."""

_K = MovementKind


def movements(order: str, event: Event, at: datetime) -> tuple[tuple[str, Movement], ...]:
    """What moved over which gateway by an event; ``at`` is when it was recorded.

    Money that an undo gave back is a refund under the attempt's own key.
    """
    if isinstance(event, AttemptAnswered):
        if not event.moved:
            return ()
        kind = _K.PAYMENT if event.moved > 0 else _K.REFUND
        found = (kind, event.attempt, event.reference, abs(event.moved), event.at)
    elif isinstance(event, RefundAnswered):
        if event.status is not RefundStatus.ARRIVED or not event.amount:
            return ()
        key = event.key or f"{event.refund}#{event.leg}"
        found = (_K.REFUND, key, event.reference, event.amount, event.at)
    elif isinstance(event, ChargedBack):
        found = (_K.CHARGEBACK, event.attempt, event.reference, event.amount, event.at)
    elif isinstance(event, FeeCharged):
        found = (_K.FEE, event.subject, event.reference, event.amount, None)
    elif isinstance(event, Remitted):
        found = (_K.PAYOUT, event.attempt, event.reference, event.amount, event.at)
    else:
        return ()
    kind, key, reference, amount, told = found
    moved = Movement(kind, key, reference, amount, event.currency, told or at, order)
    return ((event.gateway, moved),)
