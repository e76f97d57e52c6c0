"""Values as rows, and rows as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.change import Recorded
from ordercore.codec import decode_event, decode_state, encode_event, encode_state, micros, moment
from ordercore.errors import CorruptDocument, UnreadableData
from ordercore.ledger import AccountKind, Balance, check_balanced
from ordercore.order import Placed
from ordercore.party import Actor, ActorKind
from ordercore.timeout import Timer, TimerKey, TimerKind

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.change import Change
    from ordercore.order import Order

__all__ = ["Batch", "balance_of", "order_of", "recorded_of", "timer_of"]

Row = tuple[Any, ...]


class Batch:
    """The rows of some changes, table by table, so that each table is written in one go."""

    __slots__ = ("cleared", "entries", "events", "inserts", "receipts", "timers", "updates")

    def __init__(self, changes: Sequence[Change]) -> None:
        self.inserts: list[Row] = []
        self.updates: list[Row] = []
        self.events: list[Row] = []
        self.timers: list[Row] = []
        self.cleared: list[Row] = []
        self.entries: list[Row] = []
        self.receipts: list[Row] = []
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
        sequence = version - len(events)
        if sequence:
            self.updates.append((order.state, version, encode_state(order), name, sequence))
        else:
            number = content.number
            self.inserts.append((
                name, number, number[::-1], content.shop, content.customer.id, order.state, version,
                micros(content.placed_at), encode_state(order),
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
        if change.timers_cleared and version > len(events):  # a new order has none yet
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


def order_of(row: Row) -> Order:
    """An order from (name, schema, document of its first event; its own document)."""
    name, schema, agreed, doc = row
    placed = decode_event(name, schema, agreed)
    if not isinstance(placed, Placed):
        raise CorruptDocument(f"the first event is {name}, not that of placing", path="name")
    return decode_state(placed.content, doc)


def recorded_of(row: Row) -> Recorded:
    """An event from a row of the journal."""
    order_id, sequence, at, by_kind, by_id, command, name, schema, doc = row
    try:
        actor = Actor(_member(_ACTORS, by_kind, "by_kind"), by_id)
        happened = decode_event(name, schema, doc)
        return Recorded(order_id, sequence, _time(at, "at"), actor, command, happened)
    except UnreadableData as error:
        place = "doc" if error.path not in {"at", "by_kind"} else ""
        raise error.at(place).at(f"events[{order_id}, {sequence}]") from None


def timer_of(row: Row) -> Timer:
    """A timer from its row."""
    order_id, kind, subject, due, visit, tries = row
    try:
        key = TimerKey(_member(_TIMERS, kind, "kind"), subject)
        return Timer(order_id, key, _time(due, "due"), visit, tries)
    except UnreadableData as error:
        raise error.at(f"timers[{order_id}]") from None


def balance_of(row: Row) -> Balance:
    """A balance from its row."""
    account, detail, currency, amount = row
    kind = _member(_ACCOUNTS, account, "entries.account_kind")
    return Balance(kind, detail, currency, amount)
