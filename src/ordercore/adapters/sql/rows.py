"""Values as rows, and rows as values."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, TypeVar

from ordercore.change import Recorded
from ordercore.codec import (
    FAULTS,
    decode_event,
    decode_state,
    encode_event,
    encode_state,
    micros,
    moment,
)
from ordercore.errors import CorruptDocument, UnreadableData
from ordercore.ledger import AccountKind, Balance, check_balanced
from ordercore.order import Placed
from ordercore.party import Actor, ActorKind
from ordercore.timeout import Timer, TimerKey, TimerKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ordercore.change import Change
    from ordercore.event import Event
    from ordercore.order import Order, OrderContent

__all__ = [
    "Batch",
    "Row",
    "Written",
    "balance_of",
    "content_of",
    "recorded_of",
    "state_of",
    "timer_of",
]

Row = tuple[Any, ...]
Written = tuple["Order", str, Row | None]
"""An order, its document, and the name, schema and document of its first event if it is new."""
E = TypeVar("E", bound=enum.Enum)


class Batch:
    """The rows of some changes, table by table, so that each table is written in one go."""

    __slots__ = (
        "cleared",
        "entries",
        "events",
        "inserts",
        "receipts",
        "timers",
        "updates",
        "written",
    )

    def __init__(self, changes: Sequence[Change]) -> None:
        self.inserts: list[Row] = []
        self.updates: list[Row] = []
        self.events: list[Row] = []
        self.timers: list[Row] = []
        self.cleared: list[Row] = []
        self.entries: list[Row] = []
        self.receipts: list[Row] = []
        self.written: list[Written] = []
        if len(changes) == 1:
            self._add(changes[0])
            return
        for change in changes:
            self._add(change)
        if len({change.order.content.id for change in changes}) < len(changes):
            self._settle(changes)

    def _add(self, change: Change) -> None:
        order, events = change.order, change.events
        content = order.content
        name, at, version = content.id, micros(change.at), order.version
        before = sequence = version - len(events)
        doc = encode_state(order)
        if before:
            self.updates.append((order.state, version, doc, name, before))
        else:
            number = content.number
            self.inserts.append((
                name, number, number[::-1], content.shop, content.customer.id, order.state, version,
                micros(content.placed_at), doc,
            ))  # fmt: skip
        by, command = change.by, change.command
        kind, who = by.kind._value_, by.id  # twice as fast as .value
        for event in events:
            sequence += 1
            self.events.append((
                name, sequence, event.name, event.schema, at, kind, who, command, encode_event(event),
            ))  # fmt: skip
        for timer in change.timers_set:
            key = timer.key
            self.timers.append(
                (name, key.kind._value_, key.subject, micros(timer.due), timer.visit, timer.tries)
            )
        agreed: Row | None = None
        if not before:
            first = self.events[-len(events)]
            agreed = (first[2], first[3], first[8])
        self.written.append((order, doc, agreed))
        if change.timers_cleared and before:  # a new order has none yet
            self.cleared += [(name, key.kind._value_, key.subject) for key in change.timers_cleared]
        if change.entries:
            self._post(change, name, version, at)
        receipt = change.receipt
        if receipt is not None:
            self.receipts.append(
                (receipt.shop, receipt.key, receipt.command, receipt.digest, receipt.order_id)
            )

    def _post(self, change: Change, name: str, version: int, at: int) -> None:
        check_balanced(change.entries)
        currency = change.order.content.currency
        self.entries += [
            (name, version, i, entry.account._value_, entry.detail, currency, entry.amount, at)
            for i, entry in enumerate(change.entries)
        ]

    def _settle(self, changes: Sequence[Change]) -> None:
        """Where an order has several changes, the last word on a timer counts."""
        last: dict[Row, Row | None] = {}
        for change in changes:
            name = change.order.content.id
            for gone in change.timers_cleared:
                last[name, gone.kind.value, gone.subject] = None
            for timer in change.timers_set:
                key = (name, timer.key.kind.value, timer.key.subject)
                last[key] = (*key, micros(timer.due), timer.visit, timer.tries)
        self.timers = [row for row in last.values() if row is not None]
        self.cleared = [key for key, row in last.items() if row is None]


_ACTORS: Mapping[str, ActorKind] = {kind.value: kind for kind in ActorKind}
_TIMERS: Mapping[str, TimerKind] = {kind.value: kind for kind in TimerKind}
_ACCOUNTS: Mapping[str, AccountKind] = {kind.value: kind for kind in AccountKind}


def _member(members: Mapping[str, E], stored: Any, path: str) -> E:
    try:
        return members[stored]
    except (KeyError, TypeError):
        reason = f"{stored!r} is not one of {', '.join(members)}"
        raise CorruptDocument(reason, path=path) from None


def _time(stored: Any, path: str) -> datetime:
    try:
        return moment(stored)
    except FAULTS:
        raise CorruptDocument(f"{stored!r} is not a time", path=path) from None


def _event_of(order_id: str, sequence: int, name: str, schema: int, doc: str) -> Event:
    try:
        return decode_event(name, schema, doc)
    except UnreadableData as error:
        raise error.at(f"events[{order_id}/{sequence}].doc") from None


def content_of(row: Row) -> OrderContent:
    """What was agreed, from an order's id and the name, schema and document of its first event."""
    order_id, name, schema, agreed = row[:4]
    placed = _event_of(order_id, 1, name, schema, agreed)
    if not isinstance(placed, Placed):
        reason = f"an order begins with {Placed.name}, not with {name}"
        raise CorruptDocument(reason, path=f"events[{order_id}/1].name")
    return placed.content


def state_of(content: OrderContent, row: Row) -> Order:
    """The order with this content, from its id, its first event and its own document."""
    try:
        return decode_state(content, row[4])
    except UnreadableData as error:
        raise error.at(f"orders[{row[0]}].doc") from None


def recorded_of(row: Row) -> Recorded:
    """An event from a row of the journal."""
    order_id, sequence, at, by_kind, by_id, command, name, schema, doc = row
    place = f"events[{order_id}/{sequence}]"
    by = Actor(_member(_ACTORS, by_kind, f"{place}.by_kind"), by_id)
    happened = _event_of(order_id, sequence, name, schema, doc)
    return Recorded(order_id, sequence, _time(at, f"{place}.at"), by, command, happened)


def timer_of(row: Row) -> Timer:
    """A timer from its row."""
    order_id, kind, subject, due, visit, tries = row
    place = f"timers[{order_id}]"
    key = TimerKey(_member(_TIMERS, kind, f"{place}.kind"), subject)
    return Timer(order_id, key, _time(due, f"{place}.due"), visit, tries)


def balance_of(row: Row) -> Balance:
    """A balance from its row."""
    account, detail, currency, amount = row
    kind = _member(_ACCOUNTS, account, "entries.account_kind")
    return Balance(kind, detail, currency, amount)
