"""What each event makes of an order.

``evolve`` reads no chart, no table and no policy: `Moved` carries its target.
So an old order replays to the same state under any later policy (law L15).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import CorruptDocument
from ordercore.fulfillment.delivery import FOLDS as DELIVERY_FOLDS
from ordercore.order.events import (
    ClosingAsked,
    Moved,
    Placed,
    RefundDelayed,
    Reminded,
    RevenueRecognized,
)
from ordercore.order.order import Closing, Order
from ordercore.tender.attempt import AttemptState, Payments
from ordercore.tender.events import FOLDS as PAYMENT_FOLDS
from ordercore.tender.events import answers_folded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ordercore.event import Event
    from ordercore.tender.events import AttemptAnswered

__all__ = ["FOLDS", "answered", "evolve", "fold", "replay"]


def _moved(order: Order, event: Moved, at: datetime) -> Order:
    return Order(
        order.content, order.version + 1, event.to, order.visit + 1, at, order.payments,
        order.delivery, None, event.reason, order.recognized,
    )  # fmt: skip


def _closing(order: Order, event: ClosingAsked, _at: datetime) -> Order:
    payments = order.payments
    if event.attempts:
        names = event.attempts
        attempts = tuple(
            [a.moved(AttemptState.CLOSING) if a.id in names else a for a in payments.attempts]
        )
        payments = Payments(
            payments.round, payments.plan, attempts, payments.refunds, payments.drawn
        )
    return Order(
        order.content, order.version + 1, order.state, order.visit, order.entered_at, payments,
        order.delivery, Closing(event.via, event.reason), order.reason, order.recognized,
    )  # fmt: skip


def _recognized(order: Order, _event: RevenueRecognized, _at: datetime) -> Order:
    return Order(
        order.content, order.version + 1, order.state, order.visit, order.entered_at,
        order.payments, order.delivery, order.closing, order.reason, True,  # noqa: FBT003
    )  # fmt: skip


def _noted(order: Order, _event: Event, _at: datetime) -> Order:
    return Order(
        order.content, order.version + 1, order.state, order.visit, order.entered_at,
        order.payments, order.delivery, order.closing, order.reason, order.recognized,
    )  # fmt: skip


def _payments(
    folding: Callable[[Payments, Any], Payments],
) -> Callable[[Order, Any, datetime], Order]:
    def apply(order: Order, event: Event, _at: datetime) -> Order:
        return Order(
            order.content, order.version + 1, order.state, order.visit, order.entered_at,
            folding(order.payments, event), order.delivery, order.closing, order.reason,
            order.recognized,
        )  # fmt: skip

    return apply


def _delivery(folding: Callable[[Any, Any], Any]) -> Callable[[Order, Any, datetime], Order]:
    def apply(order: Order, event: Event, _at: datetime) -> Order:
        return Order(
            order.content, order.version + 1, order.state, order.visit, order.entered_at,
            order.payments, folding(order.delivery, event), order.closing, order.reason,
            order.recognized,
        )  # fmt: skip

    return apply


FOLDS: dict[type[Event], Callable[[Order, Any, datetime], Order]] = {
    Moved: _moved,
    ClosingAsked: _closing,
    RevenueRecognized: _recognized,
    Reminded: _noted,
    RefundDelayed: _noted,
    **{event: _payments(folding) for event, folding in PAYMENT_FOLDS.items()},
    **{event: _delivery(folding) for event, folding in DELIVERY_FOLDS.items()},
}
"""What each event does; `Placed` begins an order and is not here."""


def answered(order: Order, answers: tuple[AttemptAnswered, ...]) -> Order:
    """The order after several answers: what folding them one by one gives, built once."""
    return Order(
        order.content, order.version + len(answers), order.state, order.visit, order.entered_at,
        answers_folded(order.payments, answers), order.delivery, order.closing, order.reason,
        order.recognized,
    )  # fmt: skip


def evolve(order: Order | None, event: Event, at: datetime) -> Order:
    """The order after ``event``, which happened ``at``; ``order`` is ``None`` before `Placed`."""
    if isinstance(event, Placed):
        if order is not None:
            raise CorruptDocument("an order is placed once", path="events")
        return Order(event.content, 1, event.state, 0, at)
    if order is None:
        raise CorruptDocument(f"{event.name} before order.placed", path="events")
    folding = FOLDS.get(type(event))
    if folding is None:
        raise CorruptDocument(f"no fold knows the event {event.name}", path="events")
    return folding(order, event, at)


def fold(order: Order | None, events: Iterable[Event], at: datetime) -> Order | None:
    """The order after several events of one moment."""
    for event in events:
        order = evolve(order, event, at)
    return order


def replay(history: Iterable[tuple[Event, datetime]]) -> Order:
    """The order that a whole history gives; raises `CorruptDocument` for an empty or headless one."""
    order: Order | None = None
    for event, at in history:
        order = evolve(order, event, at)
    if order is None:
        raise CorruptDocument("an order has at least one event", path="events")
    return order
