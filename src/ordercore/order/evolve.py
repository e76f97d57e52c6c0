"""What each event makes of an order.

``evolve`` reads no chart, no table and no policy: `Moved` carries its target.
So an old order replays to the same state under any later policy (law L15).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from ordercore.errors import CorruptDocument
from ordercore.fulfillment import Delivery
from ordercore.fulfillment.delivery import FOLDS as DELIVERY_FOLDS
from ordercore.goods import Manifest
from ordercore.order.events import (
    Adopted,
    Amended,
    Assigned,
    ClosingAsked,
    Combined,
    Escalated,
    Extended,
    ItemMarked,
    MergedInto,
    Moved,
    Noted,
    Overran,
    Overruled,
    Paused,
    Placed,
    Recovered,
    RefundDelayed,
    Rejoined,
    Reminded,
    Restored,
    Resumed,
    RevenueRecognized,
    Reviewed,
    SplitOff,
    SplitUp,
    Tagged,
    Unmerged,
)
from ordercore.order.handling import Handling, Lineage, Pause
from ordercore.order.order import Closing, Order
from ordercore.tender.attempt import AttemptState, Payments
from ordercore.tender.events import FOLDS as PAYMENT_FOLDS
from ordercore.tender.events import answers_folded, undrawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from ordercore.event import Event
    from ordercore.order.handling import MergedIn
    from ordercore.order.order import OrderContent
    from ordercore.tender.events import AttemptAnswered

__all__ = ["FOLDS", "answered", "evolve", "fold", "replay"]


def _marked(order: Order, event: Moved) -> Handling:
    """The marks after a move; most moves leave them alone."""
    handling = order.handling
    if event.releases is handling.released and not event.seals:
        return handling
    return Handling(
        event.releases, handling.sealed or event.seals, handling.adopted, handling.tags,
        handling.notes, handling.assigned, handling.items, handling.pauses, handling.extended,
        handling.review, handling.lineage,
    )  # fmt: skip


def _moved(order: Order, event: Moved, at: datetime) -> Order:
    return Order(
        order.content, order.version + 1, event.to, order.visit + 1, at, order.payments,
        order.delivery, None, event.reason, order.recognized, _marked(order, event),
    )  # fmt: skip


def _closing(order: Order, event: ClosingAsked, _at: datetime) -> Order:
    payments = order.payments
    if event.attempts:
        names = event.attempts
        attempts = tuple(
            [a.moved(AttemptState.CLOSING) if a.id in names else a for a in payments.attempts]
        )
        payments = payments.having(attempts)
    return Order(
        order.content, order.version + 1, order.state, order.visit, order.entered_at, payments,
        order.delivery, Closing(event.via, event.reason, event.timed_out), order.reason, order.recognized,
        order.handling,
    )  # fmt: skip


def _recognized(order: Order, _event: RevenueRecognized, _at: datetime) -> Order:
    return Order(
        order.content, order.version + 1, order.state, order.visit, order.entered_at,
        order.payments, order.delivery, order.closing, order.reason, True, order.handling,  # noqa: FBT003
    )  # fmt: skip


def _noted(order: Order, _event: Event, _at: datetime) -> Order:
    return Order(
        order.content, order.version + 1, order.state, order.visit, order.entered_at,
        order.payments, order.delivery, order.closing, order.reason, order.recognized,
        order.handling,
    )  # fmt: skip


def _payments(
    folding: Callable[[Payments, Any], Payments],
) -> Callable[[Order, Any, datetime], Order]:
    def apply(order: Order, event: Event, _at: datetime) -> Order:
        return Order(
            order.content, order.version + 1, order.state, order.visit, order.entered_at,
            folding(order.payments, event), order.delivery, order.closing, order.reason,
            order.recognized, order.handling,
        )  # fmt: skip

    return apply


def _delivery(folding: Callable[[Any, Any], Any]) -> Callable[[Order, Any, datetime], Order]:
    def apply(order: Order, event: Event, _at: datetime) -> Order:
        return Order(
            order.content, order.version + 1, order.state, order.visit, order.entered_at,
            order.payments, folding(order.delivery, event), order.closing, order.reason,
            order.recognized, order.handling,
        )  # fmt: skip

    return apply


def _agreed(order: Order, event: Amended | Recovered | Combined | Unmerged, _at: datetime) -> Order:
    """Another content from now on. What was refunded or withdrawn before concerns the former one."""
    payments, delivery, handling = order.payments, order.delivery, order.handling
    content = event.content
    if payments.refunds:
        plan = payments.plan
        payments = Payments(
            payments.round, plan, payments.attempts, payments.refunds,
            () if plan is None else undrawn(plan), payments.carried, len(payments.refunds),
            payments.compensations, payments.forfeited, payments.shares,
        )  # fmt: skip
    if delivery.withdrawn:
        delivery = Delivery(
            delivery.shipments, Manifest(), delivery.received_at, delivery.parcels, delivery.pickups
        )
    if handling.items:
        lines = {line.id for line in content.lines}
        items = tuple([item for item in handling.items if item[0] in lines])
        handling = _handled(handling, items=items)
    return Order(
        content, order.version + 1, order.state, order.visit, order.entered_at, payments, delivery,
        order.closing, order.reason, order.recognized, handling,
    )  # fmt: skip


def _handling(
    folding: Callable[[Handling, Any, datetime], Handling],
) -> Callable[[Order, Any, datetime], Order]:
    def apply(order: Order, event: Event, at: datetime) -> Order:
        return Order(
            order.content, order.version + 1, order.state, order.visit, order.entered_at,
            order.payments, order.delivery, order.closing, order.reason, order.recognized,
            folding(order.handling, event, at),
        )  # fmt: skip

    return apply


_MARKS = tuple(field.name for field in attrs.fields(cast("Any", Handling)))


def _handled(handling: Handling, **changed: Any) -> Handling:
    """The marks with some of them changed: rare, so it need not be fast."""
    return Handling(*[changed.get(name, getattr(handling, name)) for name in _MARKS])


def _item_marked(handling: Handling, event: ItemMarked, _at: datetime) -> Handling:
    others = [item for item in handling.items if item[0] != event.line]
    return _handled(handling, items=(*others, (event.line, event.status)))


def _tagged(handling: Handling, event: Tagged, _at: datetime) -> Handling:
    kept = [tag for tag in handling.tags if tag not in event.removed]
    fresh = [tag for tag in event.added if tag not in kept]
    return _handled(handling, tags=(*kept, *fresh))


def _paused(handling: Handling, event: Paused, at: datetime) -> Handling:
    return _handled(handling, pauses=(*handling.pauses, Pause(event.pause, at)))


def _resumed(handling: Handling, event: Resumed, at: datetime) -> Handling:
    pauses = [
        Pause(p.name, p.since, at) if p.name == event.pause and p.until is None else p
        for p in handling.pauses
    ]
    return _handled(handling, pauses=tuple(pauses))


HANDLING_FOLDS: Mapping[type[Event], Callable[[Handling, Any, datetime], Handling]] = {
    Reviewed: lambda handling, event, _at: _handled(handling, review=event.review),
    Assigned: lambda handling, event, _at: _handled(handling, assigned=event.to),
    Noted: lambda handling, event, _at: _handled(handling, notes=(*handling.notes, event.note)),
    Tagged: _tagged,
    ItemMarked: _item_marked,
    Paused: _paused,
    Resumed: _resumed,
    Extended: lambda handling, event, _at: _handled(
        handling, extended=(*handling.extended, (event.timer, event.by))
    ),
}


def _traced(order: Order, content: OrderContent | None = None, **changed: Any) -> Order:
    """The order with another lineage, and where one is given with another content: rare, so it need not be fast."""
    old = order.handling.lineage or Lineage()
    names = [field.name for field in attrs.fields(cast("Any", Lineage))]
    lineage: Lineage | None = Lineage(*[changed.get(name, getattr(old, name)) for name in names])
    if lineage == Lineage():
        lineage = None
    return Order(
        content or order.content, order.version + 1, order.state, order.visit, order.entered_at,
        order.payments, order.delivery, order.closing, order.reason, order.recognized,
        _handled(order.handling, lineage=lineage),
    )  # fmt: skip


def _rejoined(order: Order, event: Rejoined, _at: datetime) -> Order:
    """The whole again, with what was noted, held and marked on its parts."""
    after = _traced(order, event.content, children=())
    handling = event.handling
    if handling is None:
        return after
    return Order(
        after.content, after.version, after.state, after.visit, after.entered_at, after.payments,
        after.delivery, after.closing, after.reason, after.recognized, handling,
    )  # fmt: skip


def _parts(order: Order) -> int:
    lineage = order.handling.lineage
    return 0 if lineage is None else lineage.counted


def _merged(order: Order) -> tuple[MergedIn, ...]:
    lineage = order.handling.lineage
    return () if lineage is None else lineage.merged


def _combined(order: Order, event: Combined, at: datetime) -> Order:
    after = _agreed(_traced(order, merged=(*_merged(order), event.merged)), event, at)
    if not event.merged.items:
        return _again(order, after)
    items = (*after.handling.items, *event.merged.items)
    return _again(order, after, handling=_handled(after.handling, items=items))


def _unmerged(order: Order, event: Unmerged, at: datetime) -> Order:
    """The order without what another one had brought: its attempts go with it.

    What happened since to attempts that brought nothing stays known.
    """
    merged = tuple([one for one in _merged(order) if one.order != event.merged.order])
    after = _agreed(_traced(order, merged=merged), event, at)
    gone = frozenset(event.merged.attempts)
    payments = after.payments
    kept = tuple([attempt for attempt in payments.attempts if attempt.id not in gone])
    if event.payments is None:
        return _again(order, after, payments.having(attempts=kept))
    old, made = event.payments, after.delivery
    carried = old.carried if payments.round == old.round else _counting(old)
    payments = Payments(
        payments.round, old.plan, kept, payments.refunds, old.drawn, carried, old.settled,
        payments.compensations, payments.forfeited, old.shares,
    )  # fmt: skip
    delivery = Delivery(
        made.shipments, event.withdrawn, made.received_at, made.parcels, made.pickups
    )
    return _again(order, after, payments, delivery)


def _counting(payments: Payments) -> tuple[str, ...]:
    """The attempts whose money counts, once another payment has begun: those that were carried, and those of the
    payment then in force if any of its money was taken or is held."""
    current = payments.current()
    if payments.plan is None or not (payments.taken() or any([a.firm for a in current])):
        return payments.carried
    places = {attempt.tender: attempt.id for attempt in current}
    places.update(enumerate(payments.carried))
    return tuple([places[j] for j in range(len(payments.plan.tenders)) if j in places])


def _again(
    before: Order,
    after: Order,
    payments: Payments | None = None,
    delivery: Delivery | None = None,
    handling: Handling | None = None,
) -> Order:
    """``after`` as what one event made of ``before``."""
    return Order(
        after.content, before.version + 1, after.state, after.visit, after.entered_at,
        payments or after.payments, delivery or after.delivery, after.closing, after.reason,
        after.recognized, handling or after.handling,
    )  # fmt: skip


FOLDS: dict[type[Event], Callable[[Order, Any, datetime], Order]] = {
    Moved: _moved,
    Amended: _agreed,
    Recovered: _agreed,
    SplitUp: lambda order, event, _at: _traced(
        order,
        children=tuple([part.order for part in event.parts]),
        parts=_parts(order) + len(event.parts),
    ),
    Rejoined: _rejoined,
    Combined: _combined,
    MergedInto: lambda order, event, _at: _traced(order, into=event.into),
    Unmerged: _unmerged,
    Restored: lambda order, _event, _at: _traced(order, into=""),
    Overruled: _noted,
    Overran: _noted,
    Escalated: _noted,
    ClosingAsked: _closing,
    RevenueRecognized: _recognized,
    Reminded: _noted,
    RefundDelayed: _noted,
    **{event: _handling(folding) for event, folding in HANDLING_FOLDS.items()},
    **{event: _payments(folding) for event, folding in PAYMENT_FOLDS.items()},
    **{event: _delivery(folding) for event, folding in DELIVERY_FOLDS.items()},
}
"""What each event does; `Placed`, `Adopted` and `SplitOff` begin an order and are not here."""


def answered(order: Order, answers: tuple[AttemptAnswered, ...]) -> Order:
    """The order after several answers: what folding them one by one gives, built once."""
    return Order(
        order.content, order.version + len(answers), order.state, order.visit, order.entered_at,
        answers_folded(order.payments, answers), order.delivery, order.closing, order.reason,
        order.recognized, order.handling,
    )  # fmt: skip


def evolve(order: Order | None, event: Event, at: datetime) -> Order:
    """The order after ``event``, which happened ``at``; ``order`` is ``None`` before `Placed`."""
    if isinstance(event, Placed):
        if order is not None:
            raise CorruptDocument("an order is placed once", path="events")
        return Order(event.content, 1, event.state, 0, at)
    if isinstance(event, Adopted):
        if order is not None:
            raise CorruptDocument("an order is adopted once", path="events")
        handling = Handling(released=event.released, adopted=True)
        return Order(
            event.content, 1, event.state, 0, event.entered_at, event.payments, event.delivery,
            recognized=event.recognized, handling=handling,
        )  # fmt: skip
    if isinstance(event, SplitOff):
        if order is not None:
            raise CorruptDocument("an order begins once", path="events")
        return Order(
            event.content, 1, event.state, 0, event.entered_at, event.payments,
            handling=event.handling,
        )  # fmt: skip
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
