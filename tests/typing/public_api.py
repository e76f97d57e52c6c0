"""Checked by mypy and pyright, never run: what a host's type checker sees of the public API.

A line that must be refused carries a ``type: ignore``; both checkers complain of one without use.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import assert_type

from ordercore import (
    Actor,
    AddLine,
    Amendment,
    AsyncOrderEngine,
    Attribution,
    Candidate,
    Cart,
    CartLine,
    ChangeQuantity,
    ChargeShare,
    ChargeSplit,
    Clock,
    Combination,
    CommandKind,
    Hook,
    IdSource,
    ItemPage,
    Lifecycle,
    Manifest,
    MergeRefusal,
    Money,
    Order,
    OrderEngine,
    OrderPage,
    OrderQuery,
    OrderStore,
    PaymentAction,
    PaymentGateway,
    PaymentResult,
    Percent,
    Permission,
    Policies,
    Portion,
    Publisher,
    Quote,
    RefundResult,
    SettableClock,
    SplitPart,
    SplitProposal,
    SplitResult,
    Standing,
    StockKeeper,
    Sweep,
    SystemClock,
    SystemIds,
    TenderPlan,
    TimerAction,
    TimerRule,
    VisibleStep,
    load_lifecycle,
    standing,
    tenders,
)
from ordercore.adapters.memory import AccountGateway, MemoryGateway, MemoryStock, MemoryStore
from ordercore.adapters.sql import SqlStore
from ordercore.adoption import AdoptionReport, Snapshot, SnapshotLine, StatusMap
from ordercore.change import Change, Recorded
from ordercore.engine.adopting import Adoption
from ordercore.engine.doctor import Finding
from ordercore.errors import NotAllowed, OrdercoreError, Refused
from ordercore.journal import Journal, JournalEntry, Progress
from ordercore.ledger import Balance, Turnover
from ordercore.order import (
    FACTS,
    CartChange,
    Command,
    DeliveryStanding,
    EventPermission,
    PaymentStanding,
)
from ordercore.ports import (
    Backlog,
    FoundItem,
    HistoryPage,
    HistoryQuery,
    LedgerPage,
    LedgerQuery,
    Opened,
    OutboxItem,
    ParkedTimer,
)
from ordercore.tender import (
    Capabilities,
    ChannelReply,
    ChargeRequest,
    Notification,
    Outcome,
    OutcomeStatus,
    PaymentPreview,
    Refund,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
)
from ordercore.timeout import Timer

# --- Errors ----------------------------------------------------------------------------------


def a_host_catches_one_class(error: OrdercoreError) -> str:
    """Every error of the library has a code, a reason, a path and an HTTP status."""
    assert_type(error.code, str)
    assert_type(error.reason, str)
    assert_type(error.path, str)
    assert_type(error.http_status, int)
    return error.code


def a_branch_is_caught_by_its_root() -> Refused:
    """A refusal of any kind is a `Refused`."""
    return NotAllowed("ship an order that is not paid", path="order", state="placed")


# --- The engine's answers --------------------------------------------------------------------


def the_engine_answers(engine: OrderEngine, cart: Cart, by: Actor, publisher: Publisher) -> None:
    """Every verb has an exact type; a host needs no cast."""
    quote = engine.quote(cart)
    assert_type(quote, Quote)
    assert_type(quote.total, int)
    order = engine.place(quote, key="k-1", by=by)
    assert_type(order, Order)
    assert_type(order.total_money, Money)
    offers: list[tenders.Tender] = [tenders.Points(100), tenders.Channel("card")]
    assert_type(engine.preview(order.id, offers), PaymentPreview)
    assert_type(engine.preview(order.id, offers).plan, TenderPlan)
    paid = engine.pay(order.id, offers, key="k-2", by=by)
    assert_type(paid, PaymentResult)
    assert_type(paid.action, PaymentAction | None)
    assert_type(paid.paid, bool)
    assert_type(engine.notify("card", {}, b""), ChannelReply)
    assert_type(engine.pull(order.id), Order)
    assert_type(engine.accept(order.id, key="k-3"), Order)
    assert_type(engine.ship(order.id, Manifest.of({"1": 1}), carrier="DHL", key="k-4"), Order)
    assert_type(engine.deliver(order.id, key="k-5"), Order)
    assert_type(engine.complete(order.id, key="k-6"), Order)
    assert_type(engine.cancel(order.id, reason="late", key="k-7", by=by), Order)
    back = engine.refund(order.id, reason="broken", charges=("shipping",), key="k-8", by=by)
    assert_type(back, RefundResult)
    assert_type(back.refund, Refund)
    assert_type(engine.sweep(), Sweep)
    assert_type(engine.relay(publisher), int)
    assert_type(engine.get(order.id), Order)
    assert_type(engine.find(OrderQuery(number="23")), tuple[Order, ...])
    assert_type(engine.journal(order.id), Journal)
    assert_type(engine.trial_balance(), tuple[Balance, ...])
    for permission in engine.allowed(order, by):
        assert_type(permission, Permission)
        assert_type(permission.command, CommandKind)


def the_engine_changes_orders(engine: OrderEngine, order: Order, by: Actor, price: Money) -> None:
    """What is changed, moved or marked by hand answers with the order, or with what a change makes of it."""
    changes: list[CartChange] = [ChangeQuantity("1", 2), AddLine(CartLine("TEA", 1, price))]
    shown = engine.preview_amendment(order.id, changes, by=by)
    assert_type(shown, Amendment)
    assert_type(shown.due, int)
    assert_type(shown.quote, Quote | None)
    assert_type(engine.amend(order.id, changes, key="k-1", by=by, shown=shown), Amendment)
    assert_type(engine.recover(order.id, prices={"TEA": price}, key="k-2", by=by), Order)
    assert_type(engine.advance(order.id, "pack", key="k-3", by=by), Order)
    assert_type(engine.review(order.id, valid=True, key="k-4", by=by), Order)
    assert_type(engine.close(order.id, reason="done", key="k-5", by=by), Order)
    assert_type(engine.override(order.id, "paid", reason="a slip", key="k-6", by=by), Order)
    assert_type(engine.note(order.id, "call first", key="k-7", by=by), Order)
    assert_type(engine.tag(order.id, ["vip"], remove=["new"], key="k-8", by=by), Order)
    assert_type(engine.assign(order.id, "packing", key="k-9", by=by), Order)
    assert_type(engine.mark_item(order.id, "1", "arrived", key="k-10", by=by), Order)
    assert_type(engine.pause(order.id, "ticket", key="k-11"), Order)
    assert_type(engine.resume(order.id, "ticket", key="k-12"), Order)
    assert_type(engine.extend(order.id, "confirm", key="k-13", by=by), Order)
    for permission in engine.allowed_events(order, by):
        assert_type(permission, EventPermission)


def the_engine_regroups_orders(engine: OrderEngine, order: Order, by: Actor) -> None:
    """Orders go apart and become one with answers that tell both sides and their money."""
    proposal = engine.propose_split(order.id, {"TEA": "north"})
    assert_type(proposal, SplitProposal)
    by_freight = ChargeSplit(freight=ChargeShare.VALUE)
    assert_type(engine.preview_split(order.id, proposal, by=by), tuple[Portion, ...])
    parts = [SplitPart("a", Manifest.of({"1": 1})), SplitPart("b", Manifest.of({"2": 1}))]
    made = engine.split(order.id, parts, charges=by_freight, key="k-1", by=by)
    assert_type(made, SplitResult)
    assert_type(made.children, tuple[Order, ...])
    assert_type(engine.rejoin(order.id, key="k-2", by=by), Order)
    for pair in engine.merge_candidates(by=by, refused=True):
        assert_type(pair, Candidate)
        assert_type(pair.refusals, tuple[MergeRefusal, ...])
        shown = engine.preview_combine(pair.basic.id, pair.added.id, by=by)
        assert_type(shown, Combination)
        assert_type(shown.saved, int)
        engine.combine(pair.basic.id, pair.added.id, key="k-3", by=by, shown=shown)
    assert_type(engine.unmerge(order.id, key="k-4", by=by), tuple[Order, Order])
    engine.split(order.id, [("a", {"1": 1})], key="k-5", by=by)  # type: ignore[arg-type]


def the_engine_tells_of_orders(engine: OrderEngine) -> None:
    """What is read comes in pages, entries and steps; what is wrong comes as findings."""
    page = engine.search(OrderQuery(tags=("vip",), attribution=Attribution(channel="app")))
    assert_type(page, OrderPage)
    assert_type(page.orders, tuple[Order, ...])
    items = engine.search_items(OrderQuery(sku="TEA", after=page.next))
    assert_type(items, ItemPage)
    assert_type(items.items, tuple[FoundItem, ...])
    journal = engine.journal("o")
    assert_type(journal[-1], JournalEntry)
    assert_type(journal[:2], tuple[JournalEntry, ...])
    assert_type(journal.recorded, tuple[Recorded, ...])
    progress = engine.progress("o")
    assert_type(progress, Progress)
    assert_type(progress.current, VisibleStep | None)
    aside = engine.parked()
    assert_type(aside, tuple[ParkedTimer, ...])
    engine.unpark(aside)
    assert_type(engine.doctor(), tuple[Finding, ...])


def the_engine_takes_orders_over(engine: OrderEngine, at: datetime, price: Money) -> None:
    """One order answers with its adoption, many with a report that counts."""
    snapshot = Snapshot("A-1", "EUR", at, (SnapshotLine("TEA", 1, price),), status="Packing")
    statuses = StatusMap({"Packing": ("standard", "awaiting_shipment")})
    adopted = engine.adopt(snapshot, statuses=statuses, dry_run=True)
    assert_type(adopted, Adoption)
    assert_type(adopted.order, Order)
    report = engine.adopt_many([snapshot], statuses=statuses)
    assert_type(report, AdoptionReport)
    assert_type(report.failed, int)


def is_gift(order: Order) -> bool:
    """A fact of the host's own."""
    return "gift" in order.handling.tags


def a_host_brings_a_lifecycle(store: OrderStore, hook: Hook) -> OrderEngine:
    """A document is read with facts about orders; the engine takes it beside built-in ones by name."""
    facts = {**FACTS, "gift": is_gift}
    chart = load_lifecycle("made_to_order.json", facts)
    assert_type(chart, Lifecycle[Order])
    return OrderEngine(store, lifecycles=[chart, "pickup"], hooks=[hook])


def a_timer_rule_is_closed(days: timedelta) -> list[TimerRule]:
    """What a clock does is told by an enum, never by text."""
    return [
        TimerRule("idle", TimerAction.ESCALATE, ("paid",), after=days),
        TimerRule("idle", "escalate", ("paid",), after=days),  # type: ignore[arg-type]
    ]


def the_batch_verbs_answer(engine: OrderEngine, quote: Quote, by: Actor) -> None:
    """A batch answers each order with its result or its own error."""
    placed = engine.place_many([(quote, "k-1", by), (quote, "k-2", by)])
    assert_type(placed, list[Order | OrdercoreError])
    orders = [order for order in placed if isinstance(order, Order)]
    assert_type(orders, list[Order])
    paid = engine.pay_many([(order.id, [tenders.Channel("card")], "p", by) for order in orders])
    assert_type(paid, list[PaymentResult | OrdercoreError])


async def the_async_engine_answers(
    engine: AsyncOrderEngine, cart: Cart, by: Actor, publisher: Publisher
) -> None:
    """The async engine answers the same, awaited; what touches no port is not awaited."""
    quote = await engine.quote(cart)
    assert_type(quote, Quote)
    order = await engine.place(quote, key="k-1", by=by)
    assert_type(order, Order)
    paid = await engine.pay(order.id, [tenders.Channel("card")], key="k-2", by=by)
    assert_type(paid, PaymentResult)
    assert_type(await engine.refund(order.id, reason="broken", key="k-3", by=by), RefundResult)
    amended = await engine.amend(order.id, [ChangeQuantity("1", 2)], key="k-4", by=by)
    assert_type(amended, Amendment)
    assert_type(await engine.recover(order.id, key="k-5", by=by), Order)
    assert_type(await engine.advance(order.id, "pack", key="k-6", by=by), Order)
    assert_type(await engine.search(), OrderPage)
    assert_type(await engine.journal(order.id), Journal)
    assert_type(await engine.sweep(), Sweep)
    assert_type(await engine.relay(publisher), int)
    assert_type(await engine.find(), tuple[Order, ...])
    assert_type(await engine.trial_balance(order.id), tuple[Balance, ...])
    assert_type(engine.allowed(order, by), tuple[Permission, ...])


def the_standing_is_closed(order: Order) -> None:
    """What an order stands at is told by enums, never by text."""
    found = standing(order)
    assert_type(found, Standing)
    assert_type(found.payment, PaymentStanding)
    assert_type(found.delivery, DeliveryStanding)
    assert_type(found.due, int)


# --- Who and which key must be said ----------------------------------------------------------


def who_and_key_must_be_said(engine: OrderEngine, quote: Quote, by: Actor) -> None:
    """A command without its key, or without who acts, is an error before it runs."""
    offers = [tenders.Channel("card")]
    engine.place(quote, key="k")  # type: ignore[call-arg]
    engine.place(quote, by=by)  # type: ignore[call-arg]
    engine.place(quote, "k", by)  # type: ignore[call-arg]
    engine.pay("o", offers, key="k")  # type: ignore[call-arg]
    engine.pay("o", offers, by=by)  # type: ignore[call-arg]
    engine.cancel("o", reason="r", key="k")  # type: ignore[call-arg]
    engine.refund("o", reason="r", by=by)  # type: ignore[call-arg]
    engine.refund("o", key="k", by=by)  # type: ignore[call-arg]
    engine.ship("o")  # type: ignore[call-arg]
    engine.amend("o", [ChangeQuantity("1", 2)], key="k")  # type: ignore[call-arg]
    engine.advance("o", "pack", by=by)  # type: ignore[call-arg]
    engine.review("o", key="k", by=by)  # type: ignore[call-arg]
    engine.recover("o", by=by)  # type: ignore[call-arg]


async def who_and_key_must_be_said_async(engine: AsyncOrderEngine, quote: Quote) -> None:
    """The async engine asks the same."""
    await engine.place(quote, key="k")  # type: ignore[call-arg]
    await engine.deliver("o")  # type: ignore[call-arg]


def text_is_not_an_actor(engine: OrderEngine, quote: Quote) -> None:
    """Who acts is an `Actor`, and a tender is one of the closed union."""
    engine.place(quote, key="k", by="ada")  # type: ignore[arg-type]
    engine.preview("o", ["card"])  # type: ignore[list-item]


# --- Values are frozen -----------------------------------------------------------------------


def values_are_frozen(
    order: Order, cart: Cart, plan: TenderPlan, policies: Policies, by: Actor
) -> None:
    """No value can be changed; change is a new value."""
    order.state = "paid"  # type: ignore[misc]
    order.content.total = 0  # type: ignore[misc]
    cart.currency = "EUR"  # type: ignore[misc]
    plan.total = 0  # type: ignore[misc]
    by.id = "eve"  # type: ignore[misc]
    policies.timeouts.window.pay_within = timedelta(0)  # type: ignore[misc]


def an_event_is_frozen(recorded: Recorded, at: datetime) -> None:
    """What happened stays as it happened."""
    recorded.at = at  # type: ignore[misc]


def money_is_not_a_number(price: Money) -> Sequence[CartLine]:
    """A bare number or text is no price, and a percentage is not a float."""
    return [
        CartLine("TEA", 1, price),
        CartLine("TEA", 1, 9.99),  # type: ignore[arg-type]
        CartLine("TEA", 1, "9.99"),  # type: ignore[arg-type]
        CartLine("TEA", 1.5, price),  # type: ignore[arg-type]
    ]


def a_percentage_is_text() -> Percent:
    """A float would not be exact."""
    return Percent.of(17.5)  # type: ignore[arg-type]


# --- Our adapters satisfy the ports ----------------------------------------------------------


def our_adapters_satisfy_the_ports(clock: SettableClock) -> None:
    """What comes with the library fits where a host's own would."""
    stores: list[OrderStore] = [MemoryStore(), SqlStore("sqlite://")]
    gateways: Mapping[str, PaymentGateway] = {
        "points": AccountGateway("points", clock, points=True),
        "card": MemoryGateway("card", clock),
    }
    stock: StockKeeper = MemoryStock(clock)
    clocks: list[Clock] = [clock, SystemClock()]
    ids: IdSource = SystemIds()
    engine = OrderEngine(stores[0], gateways, stock, Policies(), clock=clocks[0], ids=ids)
    assert_type(engine, OrderEngine)


# --- A host's own adapters, plain and asynchronous -------------------------------------------


class PlainGateway:
    """A gateway of plain functions."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities()

    def available(self, account: str, currency: str) -> int | None:
        return None

    def authorize(self, request: ChargeRequest) -> Outcome:
        assert_type(request.money, Money)
        return Outcome(OutcomeStatus.CAPTURED)

    def capture(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.CAPTURED)

    def close(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.VOIDED)

    def void(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.VOIDED)

    def lookup(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.UNKNOWN)

    def refund(self, request: RefundRequest) -> RefundOutcome:
        return RefundOutcome(RefundStatus.ARRIVED)

    def lookup_refund(self, request: RefundRequest) -> RefundOutcome:
        return RefundOutcome(RefundStatus.UNKNOWN)

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        return Notification("event-1", "o/1", Outcome(OutcomeStatus.CAPTURED))


class AsyncGateway:
    """The same with coroutines; `capabilities` and `parse` stay plain."""

    capabilities = Capabilities(closes=False)

    async def available(self, account: str, currency: str) -> int | None:
        return 100

    async def authorize(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.CAPTURED)

    async def capture(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.CAPTURED)

    async def close(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.VOIDED)

    async def void(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.VOIDED)

    async def lookup(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.UNKNOWN)

    async def refund(self, request: RefundRequest) -> RefundOutcome:
        return RefundOutcome(RefundStatus.ARRIVED)

    async def lookup_refund(self, request: RefundRequest) -> RefundOutcome:
        return RefundOutcome(RefundStatus.UNKNOWN)

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        return Notification("event-1", "o/1", Outcome(OutcomeStatus.CAPTURED))


class AsyncStore:
    """A store of coroutines, around any other."""

    joined = False

    def __init__(self, inner: MemoryStore) -> None:
        self._inner = inner

    async def commit(self, changes: Sequence[Change]) -> None:
        self._inner.commit(changes)

    async def load(self, order_id: str) -> Order | None:
        return self._inner.load(order_id)

    async def open(self, order_id: str, shop: str, key: str) -> Opened:
        return self._inner.open(order_id, shop, key)

    async def find(self, query: OrderQuery) -> tuple[Order, ...]:
        return self._inner.find(query)

    async def journal(self, order_id: str) -> tuple[Recorded, ...]:
        return self._inner.journal(order_id)

    async def claim_timers(self, now: datetime, limit: int, lease: timedelta) -> tuple[Timer, ...]:
        return self._inner.claim_timers(now, limit, lease)

    async def settle_timers(self, claimed: Sequence[tuple[Timer, datetime | None]]) -> None:
        self._inner.settle_timers(claimed)

    async def park_timers(self, parked: Sequence[ParkedTimer]) -> None:
        self._inner.park_timers(parked)

    async def parked(self, limit: int) -> tuple[ParkedTimer, ...]:
        return self._inner.parked(limit)

    async def unpark(self, parked: Sequence[ParkedTimer], due: datetime) -> None:
        self._inner.unpark(parked, due)

    async def backlog(self, now: datetime) -> Backlog:
        return self._inner.backlog(now)

    async def now(self) -> datetime:
        return self._inner.now()

    async def find_items(self, query: OrderQuery) -> tuple[FoundItem, ...]:
        return self._inner.find_items(query)

    async def outbox(self, limit: int) -> tuple[OutboxItem, ...]:
        return self._inner.outbox(limit)

    async def acknowledge(self, positions: Sequence[int]) -> None:
        self._inner.acknowledge(positions)

    async def next_number(self, sequence: str) -> int:
        return self._inner.next_number(sequence)

    async def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
        return self._inner.trial_balance(order_id)

    async def history(self, query: HistoryQuery) -> HistoryPage:
        return self._inner.history(query)

    async def entries(self, query: LedgerQuery) -> LedgerPage:
        return self._inner.entries(query)

    async def turnover(self, query: LedgerQuery) -> tuple[Turnover, ...]:
        return self._inner.turnover(query)


class AsyncStock:
    """A stock keeper of coroutines."""

    joins = False

    async def reserve(
        self, reservation: str, goods: Sequence[tuple[str, int]], until: datetime
    ) -> None: ...

    async def deduct(self, reservation: str) -> None: ...

    async def release(self, reservation: str, keep: Sequence[tuple[str, int]] = ()) -> None: ...

    async def transfer(
        self, reservation: str, parts: Sequence[tuple[str, Sequence[tuple[str, int]]]]
    ) -> None: ...


class Watch:
    """A hook of plain functions."""

    def before(self, order: Order, command: Command, by: Actor) -> str:
        return "" if order.total else f"nothing to do for {by} by {type(command).__name__}"

    def after(self, change: Change) -> None: ...


class AsyncWatch:
    """A hook of coroutines."""

    async def before(self, order: Order, command: Command, by: Actor) -> str:
        return ""

    async def after(self, change: Change) -> None: ...


class QueuePublisher:
    """A publisher of a plain function."""

    def publish(self, events: Sequence[Recorded]) -> None: ...


class AsyncPublisher:
    """A publisher of a coroutine."""

    async def publish(self, events: Sequence[Recorded]) -> None: ...


def a_port_takes_plain_and_asynchronous_adapters() -> None:
    """One protocol serves both engines."""
    gateways: list[PaymentGateway] = [PlainGateway(), AsyncGateway()]
    stores: list[OrderStore] = [AsyncStore(MemoryStore()), MemoryStore()]
    keepers: list[StockKeeper] = [AsyncStock()]
    publishers: list[Publisher] = [QueuePublisher(), AsyncPublisher()]
    hooks: list[Hook] = [Watch(), AsyncWatch()]
    engine = AsyncOrderEngine(stores[0], {"card": gateways[1]}, keepers[0], hooks=hooks)
    assert_type(engine, AsyncOrderEngine)
    assert_type(publishers[0].publish([]), Awaitable[None] | None)


class NoRefunds:
    """Lacks most of the port."""

    capabilities = Capabilities()

    def authorize(self, request: ChargeRequest) -> Outcome:
        return Outcome(OutcomeStatus.CAPTURED)


class WrongAnswer(PlainGateway):
    """Answers a charge with a bare yes."""

    def authorize(self, request: ChargeRequest) -> bool:  # type: ignore[override]
        return True


def an_incomplete_adapter_is_refused(store: OrderStore) -> None:
    """A gateway that lacks a method, or answers something else, does not fit."""
    OrderEngine(store, {"card": NoRefunds()})  # type: ignore[dict-item]
    OrderEngine(store, {"card": WrongAnswer()})  # type: ignore[dict-item]
