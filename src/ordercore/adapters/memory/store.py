"""The store in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ordercore.adapters.memory.searching import find_items, find_orders
from ordercore.change import Change, Receipt, Recorded
from ordercore.clock import SystemClock
from ordercore.errors import InvalidInput, KeyReused, Stale
from ordercore.ledger import balances, check_balanced, turnover
from ordercore.ports import (
    Backlog,
    HistoryPage,
    LedgerLine,
    LedgerPage,
    Opened,
    OutboxItem,
    ParkedTimer,
)
from ordercore.timeout import Timer, TimerKey, TimerKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from ordercore.event import Event
    from ordercore.ledger import Balance, Entry, Turnover
    from ordercore.order import Order
    from ordercore.party import Actor
    from ordercore.ports import FoundItem, HistoryQuery, LedgerQuery, OrderQuery

__all__ = ["MemoryStore"]

T = TypeVar("T")

_KINDS = {kind.value: kind for kind in TimerKind}
_CLOCK = SystemClock()
_LIMIT_MAX = 10_000
_new = tuple.__new__  # makes a tuple with names as fast as one without


class _Told(NamedTuple):
    """The events of one change, as the journal and the outbox need them: nothing else is kept alive."""

    order_id: str
    first: int
    at: datetime
    by: Actor
    command: str
    events: tuple[Event, ...]

    def recorded(self) -> Iterator[Recorded]:
        order_id, first, at, by, command, events = self
        for i, happened in enumerate(events):
            yield Recorded(order_id, first + i, at, by, command, happened)


class _Booked(NamedTuple):
    """The entries of one change."""

    order_id: str
    currency: str
    entries: tuple[Entry, ...]
    at: datetime
    sequence: int
    shop: str


def _paged(found: list[T], after: str, limit: int) -> tuple[tuple[T, ...], str]:
    """A page of what was found, and the cursor of the next."""
    if type(limit) is not int or not 0 < limit <= _LIMIT_MAX:
        raise InvalidInput(f"1 to {_LIMIT_MAX} at once, not {limit}", path="limit")
    if after and not (after.isascii() and after.isdigit()):
        reason = "it is no cursor: take the `next` of the page before, as it is"
        raise InvalidInput(reason, path="after")
    first = int(after or 0)
    last = first + limit
    return tuple(found[first:last]), str(last) if last < len(found) else ""


class MemoryStore:
    """Orders, events, timers, entries and receipts in dicts."""

    joined = False

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._orders: dict[str, Order] = {}
        self._history: dict[str, list[_Told]] = {}
        self._timers: dict[tuple[str, TimerKey], Timer] = {}
        self._leases: dict[tuple[str, TimerKey], datetime] = {}
        self._parked: dict[tuple[str, str, str], ParkedTimer] = {}
        self._receipts: dict[tuple[str, str], Receipt] = {}
        self._entries: list[_Booked] = []
        self._numbers: dict[str, int] = {}
        self._outbox: list[_Told] = []
        self._relayed: set[int] = set()
        self._position = 0

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all or nothing."""
        with self._lock:
            if len(changes) > 1:
                self._check_all(changes)
            else:
                for change in changes:
                    self._check(change, self._orders.get(change.order.content.id))
            for change in changes:
                self._write(change)

    def _check(self, change: Change, held: Order | None) -> None:
        expected = change.order.version - len(change.events)
        found = 0 if held is None else held.version
        if found != expected:
            raise Stale(
                "the order was changed by somebody else",
                path=change.order.id, expected=expected, found=found,
            )  # fmt: skip
        receipt = change.receipt
        if receipt is not None and (receipt.shop, receipt.key) in self._receipts:
            raise KeyReused("the key was used before", path="key", key=receipt.key)
        if change.entries:
            check_balanced(change.entries)

    def _check_all(self, changes: Sequence[Change]) -> None:
        ahead: dict[str, Order] = {}
        keys: set[tuple[str, str]] = set()
        for change in changes:
            order = change.order
            self._check(change, ahead.get(order.id, self._orders.get(order.id)))
            ahead[order.id] = order
            if change.receipt is not None:
                key = (change.receipt.shop, change.receipt.key)
                if key in keys:
                    raise KeyReused("the key was used before", path="key", key=key[1])
                keys.add(key)

    def _write(self, change: Change) -> None:
        order, events = change.order, change.events
        name = order.content.id
        self._orders[name] = order
        if events:
            first = order.version - len(events) + 1
            told = _new(_Told, (name, first, change.at, change.by, change.command, events))
            history = self._history.get(name)
            if history is None:
                self._history[name] = [told]
            else:
                history.append(told)
            self._outbox.append(told)
        if change.entries:
            content = order.content
            booked = (
                name,
                content.currency,
                change.entries,
                change.at,
                order.version,
                content.shop,
            )
            self._entries.append(_new(_Booked, booked))
        timers = self._timers
        for key in change.timers_cleared:
            timers.pop((name, key), None)
        for timer in change.timers_set:
            timers[name, timer.key] = timer
        if self._leases:
            self._forget_leases(change)
        if self._parked:
            self._forget_parked(change)
        receipt = change.receipt
        if receipt is not None:
            self._receipts[receipt.shop, receipt.key] = receipt

    def _forget_leases(self, change: Change) -> None:
        """What a change sets or clears is nobody's to serve any more."""
        name, leases = change.order.content.id, self._leases
        for key in change.timers_cleared:
            leases.pop((name, key), None)
        for timer in change.timers_set:
            leases.pop((name, timer.key), None)

    def _forget_parked(self, change: Change) -> None:
        """What a change sets or clears is aside no more."""
        name = change.order.content.id
        for key in (*change.timers_cleared, *[timer.key for timer in change.timers_set]):
            self._parked.pop((name, key.kind.value, key.subject), None)

    def load(self, order_id: str) -> Order | None:
        """The order, or ``None``."""
        return self._orders.get(order_id)

    def open(self, order_id: str, shop: str, key: str) -> Opened:
        """The order and the key's receipt."""
        return Opened(self._orders.get(order_id), self._receipts.get((shop, key)) if key else None)

    def find(self, query: OrderQuery) -> tuple[Order, ...]:
        """Newest first; an exact number or tail before longer numbers that end in it."""
        return find_orders(list(self._orders.values()), query)

    def find_items(self, query: OrderQuery) -> tuple[FoundItem, ...]:
        """Lines, in the order of their orders."""
        return find_items(list(self._orders.values()), query)

    def journal(self, order_id: str) -> tuple[Recorded, ...]:
        """All events of one order, in order."""
        history = self._history.get(order_id, ())
        return tuple(recorded for told in history for recorded in told.recorded())

    def claim_timers(self, now: datetime, limit: int, lease: timedelta) -> tuple[Timer, ...]:
        """Due timers, oldest first, leased."""
        with self._lock:
            due = [
                (timer.due, where[0], timer.key.kind.value, timer.key.subject, where)
                for where, timer in self._timers.items()
                if timer.due <= now and self._leases.get(where, now) <= now
            ]
            due.sort(key=lambda row: row[:4])
            claimed = []
            for *_, where in due[:limit]:
                timer = self._timers[where]
                timer = Timer(timer.order_id, timer.key, timer.due, timer.visit, timer.tries + 1)
                self._timers[where] = timer
                self._leases[where] = now + lease
                claimed.append(timer)
            return tuple(claimed)

    def settle_timers(self, claimed: Sequence[tuple[Timer, datetime | None]]) -> None:
        """Drop or move claimed timers that nobody set otherwise."""
        with self._lock:
            for timer, due in claimed:
                where = (timer.order_id, timer.key)
                held = self._timers.get(where)
                if held is None or held.due != timer.due or held.visit != timer.visit:
                    continue
                self._leases.pop(where, None)
                if due is None:
                    del self._timers[where]
                else:
                    self._timers[where] = Timer(
                        timer.order_id, timer.key, due, timer.visit, held.tries
                    )

    def park_timers(self, parked: Sequence[ParkedTimer]) -> None:
        """Set claimed timers aside that nobody set otherwise."""
        with self._lock:
            for aside in parked:
                where = self._where(aside)
                held = None if where is None else self._timers.get(where)
                if where is None or held is None:
                    continue
                if (held.due, held.visit) == (aside.due, aside.visit):
                    del self._timers[where]
                    self._leases.pop(where, None)
                    self._parked[aside.order_id, aside.kind, aside.subject] = aside

    @staticmethod
    def _where(aside: ParkedTimer) -> tuple[str, TimerKey] | None:
        kind = _KINDS.get(aside.kind)
        return None if kind is None else (aside.order_id, TimerKey(kind, aside.subject))

    def parked(self, limit: int) -> tuple[ParkedTimer, ...]:
        """Timers that were set aside, oldest first."""
        with self._lock:
            found = sorted(
                self._parked.values(), key=lambda a: (a.at, a.order_id, a.kind, a.subject)
            )
        return tuple(found[:limit])

    def unpark(self, parked: Sequence[ParkedTimer], due: datetime) -> None:
        """Let parked timers come due at a moment, with no tries counted."""
        with self._lock:
            for aside in parked:
                held = self._parked.pop((aside.order_id, aside.kind, aside.subject), None)
                where = None if held is None else self._where(held)
                if held is not None and where is not None:
                    self._timers[where] = Timer(held.order_id, where[1], due, held.visit)

    def backlog(self, now: datetime) -> Backlog:
        """How many timers are due, leased ones included, and since when the oldest; how many are set aside."""
        with self._lock:
            due = [timer.due for timer in self._timers.values() if timer.due <= now]
            return Backlog(len(due), min(due, default=None), len(self._parked))

    def now(self) -> datetime:
        """This machine's clock."""
        return _CLOCK.now()

    def outbox(self, limit: int) -> tuple[OutboxItem, ...]:
        """Events not acknowledged, in commit order."""
        items: list[OutboxItem] = []
        with self._lock:
            position = self._position
            for told in self._outbox:
                for recorded in told.recorded():
                    position += 1
                    if position not in self._relayed:
                        items.append(OutboxItem(position, recorded))
                if len(items) >= limit:
                    break
        return tuple(items[:limit])

    def acknowledge(self, positions: Sequence[int]) -> None:
        """Forget events that the publisher took."""
        with self._lock:
            self._relayed.update(positions)
            done = 0
            for told in self._outbox:
                span = range(self._position + 1, self._position + 1 + len(told.events))
                if not all(position in self._relayed for position in span):
                    break
                self._relayed.difference_update(span)
                self._position = span.stop - 1
                done += 1
            del self._outbox[:done]

    def next_number(self, sequence: str) -> int:
        """The next number."""
        with self._lock:
            number = self._numbers.get(sequence, 0) + 1
            self._numbers[sequence] = number
            return number

    def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
        """Balances of all orders, or of one."""
        with self._lock:
            return balances(
                (currency, entry)
                for name, currency, entries, *_ in self._entries
                if order_id is None or name == order_id
                for entry in entries
            )

    def history(self, query: HistoryQuery) -> HistoryPage:
        """Events of all orders, in the order in which they were recorded."""
        names = frozenset(query.names)
        with self._lock:
            told = [
                found
                for name, history in self._history.items()
                if not query.shop or self._orders[name].content.shop == query.shop
                for found in history
                if query.since <= found.at < query.before
            ]
        told.sort(key=lambda found: (found.at, found.order_id, found.first))
        events = [r for found in told for r in found.recorded() if r.event.name in names]
        return HistoryPage(*_paged(events, query.after, query.limit))

    def _booked(self, query: LedgerQuery) -> list[LedgerLine]:
        with self._lock:
            found = [
                booked
                for booked in self._entries
                if (query.since is None or booked.at >= query.since)
                and (query.before is None or booked.at < query.before)
                and query.currency in {"", booked.currency}
                and query.shop in {"", booked.shop}
            ]
        return [
            LedgerLine(booked.order_id, booked.sequence, booked.at, booked.currency, entry)
            for booked in found
            for entry in booked.entries
            if query.account in {None, entry.account} and query.detail in {None, entry.detail}
        ]

    def entries(self, query: LedgerQuery) -> LedgerPage:
        """Entries of the books, oldest first."""
        lines = sorted(
            self._booked(query), key=lambda line: (line.at, line.order_id, line.sequence)
        )
        return LedgerPage(*_paged(lines, query.after, query.limit))

    def turnover(self, query: LedgerQuery) -> tuple[Turnover, ...]:
        """Debits and credits of each account in a span of time."""
        return turnover((line.currency, line.entry) for line in self._booked(query))

    def timers(self) -> tuple[Timer, ...]:
        """All timers, for tests and for a look."""
        with self._lock:
            return tuple(self._timers.values())
