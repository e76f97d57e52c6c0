"""A machine over time: orders, payments that come late, pauses, workers whose clocks differ, restarts,
sweeps and payments stopped between any two of their steps. What holds of time holds after each step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import attrs
from hypothesis import event as count
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.engine.world import CHANNEL, SHOPPER, STAFF, THREE, World

from ordercore import Order, OrdercoreError, OrderEngine, OrderKind
from ordercore.adapters.memory import MemoryStore
from ordercore.change import Change
from ordercore.clock import SettableClock, SystemClock
from ordercore.fulfillment import Received
from ordercore.order import Moved, Reminded
from ordercore.order.events import ClosingAsked, Extended, Paused, Resumed
from ordercore.testing.simulation import Simulation, Walk

WORKERS = 3
ORDERS_MAX = 4
WALKS_MAX = 4
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
CONFIRM_AFTER, EXTENSION, LEAD = 7 * DAY, 3 * DAY, 5 * MINUTE


class Worker(SystemClock):
    """The clock of one machine: the truth, and its error."""

    def __init__(self, truth: SettableClock, ahead: timedelta) -> None:
        self.truth = truth
        self.ahead = ahead

    def now(self) -> datetime:
        """What this machine takes for now."""
        return self.truth.now() + self.ahead


class Watched(MemoryStore):
    """A store with the true time, which remembers when it was given which change."""

    truth: SettableClock

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[datetime, Change]] = []

    def now(self) -> datetime:
        """The true time."""
        return self.truth.now()

    def commit(self, changes: Sequence[Change]) -> None:
        """Write, and remember."""
        super().commit(changes)
        self.seen += [(self.now(), change) for change in changes]


def confirmation(history: Sequence[Change]) -> datetime | None:
    """When receipt is to be confirmed, told from what happened alone: seven days after the last parcel,
    later by each moment since then in which some pause lasted, and by the extension. ``None`` while paused."""
    order = history[-1].order
    start = order.delivery.shipments[-1].at
    assert start is not None
    lasting: set[str] = set()
    since = start
    more = timedelta(0)
    for change in history:
        for event in change.events:
            if isinstance(event, Extended):
                more += EXTENSION
            elif isinstance(event, Paused):
                if not lasting:
                    since = change.at
                lasting.add(event.pause)
            elif isinstance(event, Resumed):
                lasting.discard(event.pause)
                if not lasting:
                    more += max(change.at - max(since, start), timedelta(0))
    return None if lasting else start + CONFIRM_AFTER + more


class TimeMachine(RuleBasedStateMachine):
    """Some orders, some workers, and flows that are under way."""

    @initialize(ahead=st.lists(st.integers(-15, 15), min_size=WORKERS, max_size=WORKERS))
    def begin(self, ahead: list[int]) -> None:
        """A shop with workers whose clocks are up to a quarter of an hour ahead or behind."""
        self.store = Watched()
        self.world = World(store=self.store, asks_payer=True)
        self.store.truth = self.world.clock
        self.clocks = [Worker(self.world.clock, timedelta(minutes=m)) for m in ahead]
        self.workers = [self.engine(clock) for clock in self.clocks]
        self.graveyard: list[Any] = []
        self.walks: list[Walk[Any]] = []
        self.letters: list[bytes] = []
        self.looked = 0
        for w in range(WORKERS):
            self.workers[w].place(self.world.quote(), key=self.world.key(), by=SHOPPER)
        self.buy(0, 0, sent=True)
        self.buy(1, 1, sent=False)

    def engine(self, clock: Worker) -> OrderEngine:
        """A process of its own over the same store and gateways."""
        engine = self.world.another()
        shop: Any = engine.shop
        engine.shop = attrs.evolve(shop, clock=clock)
        return engine

    def order(self, i: int) -> Order:
        """One of the orders."""
        orders = sorted(self.store._orders)
        return self.store._orders[orders[i % len(orders)]]

    def walk(self, walk: Walk[Any]) -> None:
        """Keep a flow that is under way; the oldest ends where there are too many."""
        self.walks.append(walk)
        if len(self.walks) > WALKS_MAX:
            self.walks.pop(0).go(10_000)

    # --- What people do -----------------------------------------------------------------------

    @rule(
        w=st.integers(0, WORKERS - 1),
        kind=st.sampled_from([OrderKind.REGULAR, OrderKind.FLASH_SALE]),
    )
    def place(self, w: int, kind: OrderKind) -> None:
        """Somebody places order A."""
        if len(self.store._orders) < ORDERS_MAX and self.world.stock.free("SKU-1"):
            self.workers[w].place(self.world.quote(kind), key=self.world.key(), by=SHOPPER)

    @rule(
        w=st.integers(0, WORKERS - 1),
        i=st.integers(0, 9),
        steps=st.integers(0, 12),
        offers=st.sampled_from([THREE, CHANNEL]),
    )
    def pay(self, w: int, i: int, steps: int, offers: Any) -> None:
        """Somebody begins to pay; the process may be slow."""
        simulation = Simulation(self.workers[w])
        self.graveyard.append(simulation)
        walk = simulation.pay(self.order(i).id, offers, key=self.world.key(), by=SHOPPER)
        self.walk(walk.go(steps))

    @rule(w=st.integers(0, WORKERS - 1), i=st.integers(0, 9), sent=st.booleans())
    def buy(self, w: int, i: int, sent: bool) -> None:
        """Somebody pays and scans, the message comes at once, and the goods may leave."""
        engine, order, world = self.workers[w], self.order(i), self.world
        with suppress(OrdercoreError):
            paid = engine.pay(order.id, CHANNEL, key=world.key(), by=SHOPPER).order
            letter = world.channel.pay(paid.payments.attempts[-1].id)
            engine.notify("wechat", {}, letter)
            if sent:
                engine.accept(order.id, key=world.key())
                engine.ship(order.id, key=world.key())

    @rule(i=st.integers(0, 9))
    def scan(self, i: int) -> None:
        """A payer scans a code that is still open; the channel's message is on its way."""
        keys = sorted(self.world.channel._charges)
        self.letters.append(self.world.channel.pay(keys[i % len(keys)]))

    @rule(w=st.integers(0, WORKERS - 1), i=st.integers(0, 9), steps=st.sampled_from([1, 3, 99]))
    def tell(self, w: int, i: int, steps: int) -> None:
        """A message arrives: late, twice, out of order."""
        if not self.letters:
            return
        simulation = Simulation(self.workers[w])
        self.graveyard.append(simulation)
        letter = self.letters[i % len(self.letters)]
        self.walk(simulation.notify("wechat", {}, letter).go(steps))

    @rule(
        w=st.integers(0, WORKERS - 1),
        i=st.integers(0, 9),
        what=st.sampled_from(
            [
                "cancel",
                "accept",
                "ship",
                "deliver",
                "pause a",
                "pause b",
                "resume a",
                "resume b",
                "extend",
            ]
        ),
    )
    def act(self, w: int, i: int, what: str) -> None:
        """Somebody does what may not be possible."""
        engine, order, key = self.workers[w], self.order(i), self.world.key()
        verb, _, name = what.partition(" ")
        by = {"cancel": SHOPPER, "extend": SHOPPER}.get(verb, STAFF)
        names = {"pause": (name,), "resume": (name,), "extend": ("confirm",)}.get(verb, ())
        more = {"reason": "changed my mind"} if verb == "cancel" else {}
        with suppress(OrdercoreError):
            getattr(engine, verb)(order.id, *names, key=key, by=by, **more)

    # --- What machines do ---------------------------------------------------------------------

    @rule(
        span=st.sampled_from(
            [
                timedelta(seconds=1),
                MINUTE,
                5 * MINUTE,
                30 * MINUTE,
                timedelta(hours=3),
                DAY,
                4 * DAY,
            ]
        )
    )
    def wait(self, span: timedelta) -> None:
        """Time passes."""
        self.world.clock.advance(span)

    @rule(w=st.integers(0, WORKERS - 1), steps=st.integers(0, 12))
    def sweep(self, w: int, steps: int) -> None:
        """A worker sweeps, and is stopped after some steps."""
        simulation = Simulation(self.workers[w])
        self.graveyard.append(simulation)
        self.walk(simulation.sweep().go(steps))

    @rule(i=st.integers(0, 9), steps=st.sampled_from([1, 2, 5, 10_000]))
    def go_on(self, i: int, steps: int) -> None:
        """A flow under way makes its next steps."""
        if not self.walks:
            return
        walk = self.walks[i % len(self.walks)].go(steps)
        if walk.ended:
            self.walks.remove(walk)

    @rule(i=st.integers(0, 9))
    def crash(self, i: int) -> None:
        """The process of a flow dies between two steps."""
        if self.walks:
            self.walks.pop(i % len(self.walks)).crash()

    @rule(w=st.integers(0, WORKERS - 1))
    def restart(self, w: int) -> None:
        """A worker is started anew over the same store."""
        self.workers[w] = self.engine(self.clocks[w])

    # --- What holds -----------------------------------------------------------------------------

    @invariant()
    def l20_timers_act_in_time_and_once(self) -> None:
        """Nothing closes before its deadline, nothing is reminded twice, and receipt is confirmed when seven
        days without a pause are over: by the true time, whatever a worker takes for now."""
        for place in range(self.looked, len(self.store.seen)):
            truth, change = self.store.seen[place]
            history = [c for _, c in self.store.seen[: place + 1] if c.order.id == change.order.id]
            pay_by = change.order.content.pay_by
            assert pay_by is not None
            for event in change.events:
                if isinstance(event, Moved | ClosingAsked) and event.via == "close":
                    assert truth >= pay_by, "L20: closed before its deadline"
                elif isinstance(event, Reminded):
                    assert truth >= pay_by - LEAD, "L20: reminded too early"
                elif isinstance(event, Received) and event.confirmed_by_timer:
                    due = confirmation(history[:-1])
                    assert due is not None, "L20: confirmed in a pause"
                    assert truth >= due, "L20: confirmed too early"
        self.looked = len(self.store.seen)
        for order in self.store._orders:
            told = [e for _, c in self.store.seen if c.order.id == order for e in c.events]
            assert sum(isinstance(event, Reminded) for event in told) <= 1, "L20: reminded twice"

    @invariant()
    def the_books_hold(self) -> None:
        """After each step, in the middle of everything, the books balance and every order replays."""
        self.world.check(settled=False)

    def teardown(self) -> None:
        """Workers die where they stand; one with the true time goes on: nothing is stranded (L21), and what
        ended unpaid or canceled holds nothing (L22)."""
        if not hasattr(self, "walks"):
            return
        for walk in self.walks:
            walk.crash()
        for order in self.store._orders.values():
            count(f"before the end {order.state}{' closing' * (order.closing is not None)}")
        shipped = {o.id for o in self.store._orders.values() if o.state == "shipped"}
        self.world.clock.advance(15 * MINUTE)  # what a worker that was ahead has written down
        simulation = Simulation(self.world.engine)
        assert simulation.recover(self.world.clock) == ()
        self.l20_timers_act_in_time_and_once()
        self.world.check()
        for name in shipped:
            order = self.store._orders[name]
            for pause in ("a", "b"):
                if order.handling.paused((pause,)):
                    self.world.engine.resume(name, pause, key=self.world.key())
        simulation.recover(self.world.clock, [DAY] * 60)
        self.l20_timers_act_in_time_and_once()
        self.world.check()
        for name in shipped:
            assert self.store._orders[name].state in {"received", "completed"}, "never confirmed"


TestTimeMachine = TimeMachine.TestCase
TestTimeMachine.settings = settings(stateful_step_count=40)
