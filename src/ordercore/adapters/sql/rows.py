"""Values as rows, and rows as values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
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
from ordercore.event import Event
from ordercore.ledger import AccountKind, Balance, check_balanced
from ordercore.order import OrderContent, standing
from ordercore.order.events import (
    Adopted,
    Amended,
    Combined,
    ItemMarked,
    Placed,
    Recovered,
    Rejoined,
    SplitOff,
    Tagged,
    Unmerged,
)
from ordercore.party import Actor, ActorKind
from ordercore.ports import ParkedTimer
from ordercore.timeout import Timer, TimerKey, TimerKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.change import Change
    from ordercore.order import Order

__all__ = [
    "Batch",
    "Row",
    "Written",
    "balance_of",
    "content_of",
    "item_rows",
    "parked_of",
    "parked_row",
    "recorded_of",
    "state_of",
    "timer_of",
    "unfit",
    "unreadable_timer",
]

Row = tuple[Any, ...]
Written = tuple["Order", str, Row | None]
"""An order, its document, and the name, schema and document of the event that holds its content, if that is new."""


class _Effect(enum.IntFlag):
    """What an event changes beside the order's own row."""

    CONTENT = 1
    ITEMS = 2
    TAGS = 4


_EFFECTS: Mapping[type[Event], _Effect] = {
    Placed: _Effect.CONTENT | _Effect.ITEMS,
    Adopted: _Effect.CONTENT | _Effect.ITEMS | _Effect.TAGS,
    Amended: _Effect.CONTENT | _Effect.ITEMS,
    Recovered: _Effect.CONTENT | _Effect.ITEMS,
    SplitOff: _Effect.CONTENT | _Effect.ITEMS | _Effect.TAGS,
    Rejoined: _Effect.CONTENT | _Effect.ITEMS,
    Combined: _Effect.CONTENT | _Effect.ITEMS,
    Unmerged: _Effect.CONTENT | _Effect.ITEMS,
    ItemMarked: _Effect.ITEMS,
    Tagged: _Effect.TAGS,
}
ERROR_MAX = 500
"""Most characters of an error that are kept."""
E = TypeVar("E", bound=enum.Enum)


class Batch:
    """The rows of some changes, table by table, so that each table is written in one go."""

    __slots__ = (
        "cleared",
        "entries",
        "events",
        "inserts",
        "items",
        "marked",
        "receipts",
        "tagged",
        "tags",
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
        self.items: dict[str, list[Row]] = {}
        self.tags: dict[str, list[Row]] = {}
        self.marked: list[Row] = []
        self.tagged: list[Row] = []
        self.written: list[Written] = []
        if len(changes) == 1:
            self._add(changes[0])
            return
        for change in changes:
            self._add(change)
        self.updates.sort(key=_order_of)  # one order of locks for everybody
        if len({change.order.content.id for change in changes}) < len(changes):
            self._settle(changes)

    def _add(self, change: Change) -> None:
        order, events = change.order, change.events
        content = order.content
        name, at, version = content.id, micros(change.at), order.version
        before = sequence = version - len(events)
        doc = encode_state(order)
        by, command = change.by, change.command
        kind, who = by.kind._value_, by.id  # twice as fast as .value
        effects, agreed, held = 0, 0, None
        for event in events:
            sequence += 1
            text = encode_event(event)
            row = (name, sequence, event.name, event.schema, at, kind, who, command, text)
            self.events.append(row)
            effect = _EFFECTS.get(type(event))
            if effect is not None:
                effects |= effect
                if effect & 1:
                    agreed, held = sequence, (event.name, event.schema, text)
        found = standing(order)
        moving = (order.state, version, doc)
        stands = (found.payment._value_, found.delivery._value_)
        if before and not agreed:
            self.updates.append((*moving, *stands, name, before))
        else:
            came = content.attribution
            rest = (agreed, *stands, came.site, came.channel, came.campaign)
            if before:
                self.updates.append((*moving, *rest, name, before))
            else:
                number = content.number
                self.inserts.append((
                    name, number, number[::-1], content.shop, content.customer.id, order.state,
                    version, micros(content.placed_at), doc, *rest,
                ))  # fmt: skip
        if effects:
            self._mark(order, effects, before)
        self.written.append((order, doc, held))
        for timer in change.timers_set:
            key = timer.key
            self.timers.append(
                (name, key.kind._value_, key.subject, micros(timer.due), timer.visit, timer.tries)
            )
        if change.timers_cleared and before:  # a new order has none yet
            self.cleared += [(name, key.kind._value_, key.subject) for key in change.timers_cleared]
        if change.entries:
            self._post(change, name, version, at)
        receipt = change.receipt
        if receipt is not None:
            self.receipts.append(
                (receipt.shop, receipt.key, receipt.command, receipt.digest, receipt.order_id)
            )

    def _mark(self, order: Order, effects: int, before: int) -> None:
        """What is searched for beside the order: its items and its tags, written anew; the last word counts."""
        name = order.content.id
        if effects & 2:
            self.items[name] = item_rows(order)
            if before:
                self.marked.append((name,))
        if effects & 4:
            self.tags[name] = [(name, tag) for tag in order.handling.tags]
            if before:
                self.tagged.append((name,))

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


_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "receipts": ("shop", "key", "command", "digest", "order_id"),
    "inserts": (
        "id", "number", "number", "shop", "customer", "state", "", "", "", "", "", "",
        "site", "channel", "campaign",
    ),
    "items": ("order_id", "line", "", "sku", "status"),
    "tags": ("order_id", "tag"),
    "updates": (),
    "events": ("order_id", "", "name", "", "", "", "by", "command"),
    "timers": ("order_id", "kind", "subject"),
    "entries": ("order_id", "", "", "", "account"),
}  # fmt: skip
"""What a caller calls the texts in the rows of a batch."""
_SHOWN = 30
"""Signs that are shown on either side of one that is not text."""


def unfit(what: object, names: Sequence[str] = ()) -> tuple[str, str] | None:
    """The first text among parameters or in a `Batch` that a database cannot keep: what it is, and why."""
    if isinstance(what, Batch):
        for room, columns in _COLUMNS.items():
            rows = getattr(what, room)
            if isinstance(rows, dict):
                rows = [row for its in rows.values() for row in its]
            for row in rows:
                found = unfit(row, columns)
                if found is not None:
                    return found
    elif isinstance(what, list | tuple):
        for i, one in enumerate(what):
            name = names[i] if i < len(names) else ""
            if isinstance(one, str):
                reason = _unstorable(one)
                found = (name, reason) if reason else None
            else:
                found = unfit(one)
            if found is not None:
                return found
    elif isinstance(what, str):
        return unfit((what,), names)
    return None


def _unstorable(text: str) -> str:
    for at, sign in enumerate(text):
        if sign == "\0" or "\ud800" <= sign <= "\udfff":
            shown = text[max(0, at - _SHOWN) : at + _SHOWN]
            if sign == "\0":
                return f"{shown!r} has a NUL, which a database does not keep"
            return f"{shown!r} has half of a pair of surrogates, which is no text"
    return ""


def item_rows(order: Order) -> list[Row]:
    """The lines of an order as they are searched for."""
    name, marked = order.content.id, order.handling.items
    status = dict(marked).get if marked else _no_status
    return [
        (name, line.id, place, line.sku, status(line.id, ""))
        for place, line in enumerate(order.content.lines)
    ]


def _no_status(_line: str, default: str) -> str:
    return default


def _order_of(row: Row) -> str:
    """The order that a row of `Batch.updates` is about."""
    name: str = row[-2]
    return name


_ACTORS: Mapping[str, ActorKind] = {kind.value: kind for kind in ActorKind}
_TIMERS: Mapping[str, TimerKind] = {kind.value: kind for kind in TimerKind}
_LATEST = micros(datetime.max.replace(tzinfo=UTC))
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
    """What was agreed, from an order's id and the name, schema and document of the event that holds it."""
    order_id, name, schema, agreed, _, sequence = row
    held = getattr(_event_of(order_id, sequence, name, schema, agreed), "content", None)
    if not isinstance(held, OrderContent):
        reason = f"what was agreed does not stand in {name}"
        raise CorruptDocument(reason, path=f"events[{order_id}/{sequence}].name")
    return held


def state_of(content: OrderContent, row: Row) -> Order:
    """The order with this content, from its id and its own document."""
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
    if type(visit) is not int or type(tries) is not int:
        raise CorruptDocument("visit and tries are numbers", path=f"{place}.visit")
    return Timer(order_id, key, _time(due, f"{place}.due"), visit, tries)


def unreadable_timer(row: Row, error: UnreadableData, at: int) -> Row:
    """The row of `parked` for a claimed timer that cannot be read; what is no number of it is told in its stead."""
    order_id, kind, subject, due, visit, tries = row
    readable = type(due) is int and 0 <= due < _LATEST
    numbers = [n if type(n) is int else 0 for n in (visit, tries)]
    return (order_id, kind, subject, due if readable else at, *numbers, str(error)[:ERROR_MAX], at)


def parked_row(timer: ParkedTimer) -> Row:
    """The row of a timer that is set aside."""
    return (
        timer.order_id, timer.kind, timer.subject, micros(timer.due), timer.visit, timer.tries,
        timer.error[:ERROR_MAX], micros(timer.at),
    )  # fmt: skip


def parked_of(row: Row) -> ParkedTimer:
    """A timer that was set aside, from its row."""
    order_id, kind, subject, due, visit, tries, error, at = row
    place = f"parked[{order_id}]"
    due, at = _time(due, f"{place}.due"), _time(at, f"{place}.at")
    return ParkedTimer(order_id, kind, subject, due, visit, tries, error, at)


def account_of(name: str) -> AccountKind:
    """An account by its stored name; raises `CorruptDocument`."""
    return _member(_ACCOUNTS, name, "entries.account_kind")


def balance_of(row: Row) -> Balance:
    """A balance from its row."""
    account, detail, currency, amount = row
    return Balance(
        account_of(account), detail, currency, int(amount)
    )  # a server adds up in decimals
