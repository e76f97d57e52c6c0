"""What happens next on a simulated clock: what people do, and timers of orders that come due.

A live shop sweeps every few seconds. A simulation jumps, so it must know when a timer is due:
`WatchedStore` notes the timers that commits set and clear, and `Agenda` stops the clock at each.
So a time-out fires at its own second, and no sweep is made for nothing.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

from ordercore.timeout import TimerKey, TimerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from ordercore.change import Change, Recorded
    from ordercore.cli.stores import Store
    from ordercore.clock import SettableClock
    from ordercore.ledger import Balance, Turnover
    from ordercore.order import Order
    from ordercore.ports import (
        Backlog,
        FoundItem,
        HistoryPage,
        HistoryQuery,
        LedgerPage,
        LedgerQuery,
        Opened,
        OrderQuery,
        OutboxItem,
        ParkedTimer,
    )
    from ordercore.timeout import Timer

    Act = Callable[[], object]

__all__ = ["Agenda", "WatchedStore"]


class Agenda:
    """Deeds and timers in order of time. Memory: what is still to come."""

    def __init__(self, clock: SettableClock) -> None:
        self._clock = clock
        self._turn = itertools.count()
        self._heap: list[tuple[datetime, int, Act | tuple[str, TimerKey]]] = []
        self._timers: dict[tuple[str, TimerKey], datetime] = {}

    def at(self, due: datetime, act: Act) -> None:
        """Let ``act`` happen at ``due``."""
        heapq.heappush(self._heap, (due, next(self._turn), act))

    def set_timer(self, order_id: str, key: TimerKey, due: datetime) -> None:
        """A timer is due then; setting it again moves it."""
        self._timers[order_id, key] = due
        heapq.heappush(self._heap, (due, next(self._turn), (order_id, key)))

    def clear_timer(self, order_id: str, key: TimerKey) -> None:
        """A timer is no more."""
        self._timers.pop((order_id, key), None)

    def settle_timer(self, timer: Timer, due: datetime | None) -> None:
        """A timer was served (``None``) or waits on, unless it was set otherwise meanwhile."""
        if self._timers.get((timer.order_id, timer.key)) == timer.due:
            if due is None:
                self.clear_timer(timer.order_id, timer.key)
            else:
                self.set_timer(timer.order_id, timer.key, due)

    def run(self, until: datetime, sweep: Act) -> None:
        """Live through everything up to ``until``, each at its own time, where the clock is left."""
        heap, timers = self._heap, self._timers
        while heap and heap[0][0] <= until:
            due, _, what = heapq.heappop(heap)
            if isinstance(what, tuple):
                if timers.get(what) != due:
                    continue  # cleared, moved or served meanwhile
                what = sweep
            if due > self._clock.now():
                self._clock.set(due)
            what()

    def __len__(self) -> int:
        """How much is still to come, timers that were cleared included."""
        return len(self._heap)


class WatchedStore:
    """A store that tells what is committed through it: timers to the agenda, changes to ``told``."""

    def __init__(self, store: Store, agenda: Agenda, told: Callable[[Change], None]) -> None:
        self._store = store
        self._agenda = agenda
        self._told = told

    @property
    def joined(self) -> bool:
        """As the store says."""
        return self._store.joined

    def commit(self, changes: Sequence[Change]) -> None:
        """Write, then tell."""
        self._store.commit(changes)
        agenda = self._agenda
        for change in changes:
            name = change.order.id
            for key in change.timers_cleared:
                agenda.clear_timer(name, key)
            for timer in change.timers_set:
                agenda.set_timer(name, timer.key, timer.due)
            self._told(change)

    def settle_timers(self, claimed: Sequence[tuple[Timer, datetime | None]]) -> None:
        """Drop or move timers, here and in the agenda."""
        self._store.settle_timers(claimed)
        for timer, due in claimed:
            self._agenda.settle_timer(timer, due)

    def claim_timers(self, now: datetime, limit: int, lease: timedelta) -> tuple[Timer, ...]:
        """As the store does."""
        return self._store.claim_timers(now, limit, lease)

    def load(self, order_id: str) -> Order | None:
        """As the store does."""
        return self._store.load(order_id)

    def open(self, order_id: str, shop: str, key: str) -> Opened:
        """As the store does."""
        return self._store.open(order_id, shop, key)

    def find(self, query: OrderQuery) -> tuple[Order, ...]:
        """As the store does."""
        return self._store.find(query)

    def journal(self, order_id: str) -> tuple[Recorded, ...]:
        """As the store does."""
        return self._store.journal(order_id)

    def park_timers(self, parked: Sequence[ParkedTimer]) -> None:
        """As the store does; a parked timer is no more on the agenda."""
        self._store.park_timers(parked)
        for timer in parked:
            self._agenda.clear_timer(timer.order_id, TimerKey(TimerKind(timer.kind), timer.subject))

    def parked(self, limit: int) -> tuple[ParkedTimer, ...]:
        """As the store does."""
        return self._store.parked(limit)

    def unpark(self, parked: Sequence[ParkedTimer], due: datetime) -> None:
        """As the store does."""
        self._store.unpark(parked, due)

    def backlog(self, now: datetime) -> Backlog:
        """As the store does."""
        return self._store.backlog(now)

    def now(self) -> datetime:
        """As the store does."""
        return self._store.now()

    def history(self, query: HistoryQuery) -> HistoryPage:
        """As the store does."""
        return self._store.history(query)

    def entries(self, query: LedgerQuery) -> LedgerPage:
        """As the store does."""
        return self._store.entries(query)

    def turnover(self, query: LedgerQuery) -> tuple[Turnover, ...]:
        """As the store does."""
        return self._store.turnover(query)

    def find_items(self, query: OrderQuery) -> tuple[FoundItem, ...]:
        """As the store does."""
        return self._store.find_items(query)

    def outbox(self, limit: int) -> tuple[OutboxItem, ...]:
        """As the store does."""
        return self._store.outbox(limit)

    def acknowledge(self, positions: Sequence[int]) -> None:
        """As the store does."""
        self._store.acknowledge(positions)

    def next_number(self, sequence: str) -> int:
        """As the store does."""
        return self._store.next_number(sequence)

    def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
        """As the store does."""
        return self._store.trial_balance(order_id)
