"""The engine: one object that a shop backend builds once and calls.

`OrderEngine` and `AsyncOrderEngine` have the same verbs and drive the same flows;
the first for ports with plain functions, the second for ports with either.
Every command takes an idempotency ``key`` and says who acts (``by``):
the same key has one effect and answers with it again (law L13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ordercore.clock import SystemClock, utc
from ordercore.engine.amending import Amendment, amend, preview_amendment, recover
from ordercore.engine.discharging import discharge, pull
from ordercore.engine.flow import Flow, call, run, run_batch
from ordercore.engine.fulfilling import advance
from ordercore.engine.handling import close_order, override, review, send, tag
from ordercore.engine.paying import (
    PaymentResult,
    RefundResult,
    cancel,
    notify,
    pay,
    preview,
    refund,
)
from ordercore.engine.placing import place_order
from ordercore.engine.quoting import quote_cart
from ordercore.engine.reading import read_journal, read_progress
from ordercore.engine.searching import search, search_items
from ordercore.engine.shop import Shop, checked_goods, checked_limit, load, situation
from ordercore.engine.sweeping import Sweep, parked, relay, sweep, unpark
from ordercore.errors import InvalidPolicy
from ordercore.goods import Manifest
from ordercore.identity import SystemIds
from ordercore.lifecycle import Lifecycles
from ordercore.order import (
    FACTS,
    Accept,
    AddNote,
    Assign,
    Complete,
    Deliver,
    ExtendClock,
    MarkItem,
    PauseClocks,
    ResumeClocks,
    Ship,
    allowed,
    allowed_events,
)
from ordercore.party import SYSTEM
from ordercore.policy import Policies
from ordercore.ports import OrderQuery
from ordercore.timeout import check_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta

    from ordercore.adoption import AdoptionReport, Snapshot, StatusMap
    from ordercore.clock import Clock
    from ordercore.engine.adopting import Adoption
    from ordercore.engine.doctor import Finding
    from ordercore.errors import OrdercoreError
    from ordercore.identity import IdSource
    from ordercore.journal import Journal, Progress
    from ordercore.ledger import Balance
    from ordercore.lifecycle import Lifecycle
    from ordercore.money import Money
    from ordercore.order import CartChange, EventPermission, Order, Permission
    from ordercore.party import Actor
    from ordercore.ports import (
        CouponBook,
        Hook,
        ItemPage,
        OrderPage,
        OrderStore,
        ParkedTimer,
        PaymentGateway,
        Publisher,
        QuotaSource,
        RateSource,
        StockKeeper,
        TaxSource,
        VatIds,
    )
    from ordercore.pricing import Cart, Quote
    from ordercore.tender import ChannelReply, TenderPlan
    from ordercore.tender.tenders import Tender

__all__ = [
    "OrderEngine",
    "Verbs",
    "adoption",
    "adoptions",
    "diagnosis",
    "find_orders",
    "pull_order",
    "ship_goods",
]

STANDARD = "standard"
BATCH_MAX = 50
"""Most orders whose changes share one commit."""
FIND_MAX = 500
"""Most orders of one answer."""


def _compose(
    store: OrderStore,
    gateways: Mapping[str, PaymentGateway] | None,
    stock: StockKeeper | None,
    policies: Policies | None,
    clock: Clock | None,
    ids: IdSource | None,
    known: Lifecycles[Order],
    sources: Sources,
    hooks: Sequence[Hook],
) -> Shop:
    """Put a shop together, and refuse policies that contradict each other or the lifecycles."""
    policies = policies if policies is not None else Policies()
    policies.check()
    policies.check_points()
    check_rules(policies.timeouts, known)
    for kind, name in policies.handling.lifecycles.items():
        if name not in known.names:
            where = f"handling.lifecycles.{kind.value}"
            reason = f"this engine has no lifecycle {name!r}"
            raise InvalidPolicy(reason, path=where, allowed=known.names)
    states = {state.id for chart in known for state in chart.states}
    for i, state in enumerate(policies.posting.recognize_in):
        if state not in states:
            reason = f"no lifecycle has a state {state!r}"
            where = f"posting.recognize_in[{i}]"
            raise InvalidPolicy(reason, path=where, allowed=tuple(sorted(states)))
    return Shop(
        store,
        dict(gateways or {}),
        stock,
        policies,
        clock or SystemClock(),
        ids or SystemIds(),
        known,
        *sources,
        tuple(hooks),
    )


def _known(
    lifecycles: Sequence[Lifecycle[Order] | str], facts: Mapping[str, Callable[[Order], bool]]
) -> Lifecycles[Order]:
    """The standard lifecycle, and those that the host names or brings."""
    from ordercore.lifecycle.charts import built_in, versions

    all_facts = {**FACTS, **facts}
    # all versions: orders placed under a former one finish under it
    found = [built_in(STANDARD, all_facts, version) for version in versions(STANDARD)]
    found += [
        built_in(chart, all_facts) if isinstance(chart, str) else chart
        for chart in lifecycles
        if chart != STANDARD
    ]
    return Lifecycles(found)


def ship_goods(
    shop: Shop,
    order_id: str,
    goods: Manifest | None,
    carrier: str,
    tracking: str,
    key: str,
    by: Actor,
) -> Flow[Order]:
    """Ship under a name that follows from the key."""
    goods = None if goods is None else checked_goods(goods)
    command = Ship(f"{order_id}/s-{key}", goods, carrier, tracking)
    content = f"{'-' if goods is None else goods.items!r}|{carrier}|{tracking}"
    return advance(shop, order_id, command, content, key, by)


class Sources(NamedTuple):
    """The ports that prices may depend on; none of them is needed."""

    coupons: CouponBook | None
    rates: RateSource | None
    taxes: TaxSource | None
    vat_ids: VatIds | None
    quotas: QuotaSource | None


class Verbs:
    """What both engines share: the shop, and the verbs that touch no port.

    ``lifecycles`` are those beside *standard*: built-in ones by name, or the host's own.
    ``facts`` are the host's own, for guards of built-in charts that it changed; ``hooks`` hear every command.
    """

    def __init__(
        self,
        store: OrderStore,
        gateways: Mapping[str, PaymentGateway] | None = None,
        stock: StockKeeper | None = None,
        policies: Policies | None = None,
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        lifecycles: Sequence[Lifecycle[Order] | str] = (),
        facts: Mapping[str, Callable[[Order], bool]] | None = None,
        hooks: Sequence[Hook] = (),
        coupons: CouponBook | None = None,
        rates: RateSource | None = None,
        taxes: TaxSource | None = None,
        vat_ids: VatIds | None = None,
        quotas: QuotaSource | None = None,
    ) -> None:
        sources = Sources(coupons, rates, taxes, vat_ids, quotas)
        known = _known(lifecycles, facts or {})
        self.shop = _compose(store, gateways, stock, policies, clock, ids, known, sources, hooks)

    def _chart(self, quote: Quote, lifecycle: str) -> str:
        """The lifecycle of an order that is placed: as it is named, else by its kind."""
        if lifecycle:
            return lifecycle
        return self.shop.policies.handling.lifecycles.get(quote.cart.kind, STANDARD)

    def allowed(self, order: Order, actor: Actor) -> tuple[Permission, ...]:
        """What ``actor`` may do with the order now, and why not the rest."""
        return allowed(order, situation(self.shop, order, actor))

    def allowed_events(self, order: Order, actor: Actor) -> tuple[EventPermission, ...]:
        """The lifecycle's own events that ``actor`` may send with `advance` now, and why not the rest."""
        return allowed_events(order, situation(self.shop, order, actor))


class OrderEngine(Verbs):
    """An order engine over plain (synchronous) ports."""

    def quote(self, cart: Cart) -> Quote:
        """Price a cart; nothing is written. Raises `InvalidCart` and its kin with the path."""
        return run(quote_cart(self.shop, cart), "quote")

    def place(self, quote: Quote, *, key: str, by: Actor, lifecycle: str = "") -> Order:
        """Place an order at the price that was shown; promises the goods and starts the timers.

        Without ``lifecycle`` it follows the one that the policies name for its kind, else *standard*.

        Raises `PriceChanged` when the quote has lapsed and today's price differs, `OutOfStock`,
        `CouponUnavailable` for a code that somebody else took meanwhile.
        """
        return run(place_order(self.shop, quote, key, by, self._chart(quote, lifecycle)), "place")

    def place_many(
        self, orders: Sequence[tuple[Quote, str, Actor]], *, lifecycle: str = ""
    ) -> list[Order | OrdercoreError]:
        """Place several (quote, key, actor); their changes share commits. One that fails fails alone."""
        found: list[Order | OrdercoreError] = []
        for i in range(0, len(orders), BATCH_MAX):
            flows = [
                place_order(self.shop, quote, key, by, self._chart(quote, lifecycle))
                for quote, key, by in orders[i : i + BATCH_MAX]
            ]
            found += run_batch(flows, self.shop.store, "place_many")
        return found

    def preview(self, order_id: str, tenders: Sequence[Tender]) -> TenderPlan:
        """How these tenders would pay the order (law L6); nothing is written."""
        return run(preview(self.shop, order_id, tenders), "preview")

    def pay(
        self, order_id: str, tenders: Sequence[Tender], *, key: str, by: Actor
    ) -> PaymentResult:
        """Pay with several tenders at once; ``result.action`` is what the shopper must still do."""
        return run(pay(self.shop, order_id, tenders, key, by), "pay")

    def pay_many(
        self, payments: Sequence[tuple[str, Sequence[Tender], str, Actor]]
    ) -> list[PaymentResult | OrdercoreError]:
        """Make several payments (order, tenders, key, actor); their changes share commits."""
        found: list[PaymentResult | OrdercoreError] = []
        for i in range(0, len(payments), BATCH_MAX):
            flows = [
                pay(self.shop, order_id, tenders, key, by)
                for order_id, tenders, key, by in payments[i : i + BATCH_MAX]
            ]
            found += run_batch(flows, self.shop.store, "pay_many")
        return found

    def notify(self, gateway: str, headers: Mapping[str, str], body: bytes) -> ChannelReply:
        """Take a channel's notification in; the reply is what the channel wants back."""
        return run(notify(self.shop, gateway, headers, body), "notify")

    def pull(self, order_id: str) -> Order:
        """Ask the channels what became of attempts that wait, and finish what is owed."""
        return run(pull_order(self.shop, order_id), "pull")

    def accept(self, order_id: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """Take a paid order up for shipment."""
        return run(advance(self.shop, order_id, Accept(), "", key, by), "accept")

    def ship(
        self,
        order_id: str,
        goods: Manifest | None = None,
        *,
        carrier: str = "",
        tracking: str = "",
        key: str,
        by: Actor = SYSTEM,
    ) -> Order:
        """Goods leave; without ``goods``, all that is left. The order moves when everything has left."""
        return run(ship_goods(self.shop, order_id, goods, carrier, tracking, key, by), "ship")

    def deliver(self, order_id: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """The goods arrived."""
        return run(advance(self.shop, order_id, Deliver(), "", key, by), "deliver")

    def complete(self, order_id: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """The customer keeps the goods: the sale is booked."""
        return run(advance(self.shop, order_id, Complete(), "", key, by), "complete")

    def cancel(self, order_id: str, *, reason: str, key: str, by: Actor) -> Order:
        """End an order before it ships; what was paid goes back."""
        return run(cancel(self.shop, order_id, reason, key, by), "cancel")

    def refund(
        self,
        order_id: str,
        goods: Manifest | None = None,
        *,
        reason: str,
        charges: Sequence[str] | None = None,
        key: str,
        by: Actor,
    ) -> RefundResult:
        """Refund units of lines over the tenders that paid them.

        Without ``goods`` and ``charges``, all that is left, shipping included.

        ``charges`` names charges to refund (``("shipping",)``); by default they go back with the last
        goods of an order of which nothing has left.
        """
        return run(refund(self.shop, order_id, goods, reason, charges, key, by), "refund")

    def advance(self, order_id: str, event: str, *, reason: str = "", key: str, by: Actor) -> Order:
        """Fire an event that the lifecycle lets ``by`` send; raises `NotAllowed` with what is possible."""
        return run(send(self.shop, order_id, event, reason, key, by), "advance")

    def review(
        self,
        order_id: str,
        *,
        valid: bool,
        checklist: Mapping[str, bool] | None = None,
        contact: str = "",
        reason: str = "",
        key: str,
        by: Actor,
    ) -> Order:
        """Say whether an order is valid, after looking it over; an invalid one ends with its reason."""
        return run(
            review(self.shop, order_id, valid, checklist, contact, reason, key, by), "review"
        )

    def close(
        self, order_id: str, *, reason: str, key: str, by: Actor, overrule: str = ""
    ) -> Order:
        """Close an order for good: after this it is only read. ``overrule`` is staff's reason to close it owing."""
        return run(close_order(self.shop, order_id, reason, key, by, overrule), "close")

    def preview_amendment(
        self, order_id: str, changes: Sequence[CartChange], *, by: Actor, overrule: str = ""
    ) -> Amendment:
        """What changes would make of an order, and what would be due or owed; nothing is written."""
        return run(
            preview_amendment(self.shop, order_id, changes, by, overrule), "preview_amendment"
        )

    def amend(
        self,
        order_id: str,
        changes: Sequence[CartChange],
        *,
        key: str,
        by: Actor,
        shown: Amendment | None = None,
        overrule: str = "",
    ) -> Amendment:
        """Change what was agreed: priced again, promised again, the difference due or given back.

        Raises `PriceChanged` when ``shown``, a preview, came to another total, `OutOfStock`, `NotAllowed`.
        """
        return run(amend(self.shop, order_id, changes, key, by, shown, overrule), "amend")

    def recover(
        self,
        order_id: str,
        *,
        prices: Mapping[str, Money] | None = None,
        key: str,
        by: Actor,
        overrule: str = "",
    ) -> Order:
        """Let a canceled order live again; ``prices`` are today's unit prices by sku.

        Goods are promised first; money not yet given back stays as paid. Raises `OutOfStock`, `NotAllowed`.
        """
        return run(recover(self.shop, order_id, prices or {}, key, by, overrule), "recover")

    def override(self, order_id: str, to: str, *, reason: str, key: str, by: Actor) -> Order:
        """Move an order to a state by hand, where the policy lets staff do so; the reason is kept."""
        return run(override(self.shop, order_id, to, reason, key, by), "override")

    def note(self, order_id: str, text: str, *, shown: bool = False, key: str, by: Actor) -> Order:
        """Remark on an order; with ``shown`` the customer may read it."""
        command = AddNote(text, shown)
        return run(advance(self.shop, order_id, command, f"{text}|{shown}", key, by), "note")

    def tag(
        self,
        order_id: str,
        add: Sequence[str] = (),
        *,
        remove: Sequence[str] = (),
        key: str,
        by: Actor,
    ) -> Order:
        """Put tags on an order and take tags off it."""
        return run(tag(self.shop, order_id, add, remove, key, by), "tag")

    def assign(self, order_id: str, to: str, *, key: str, by: Actor) -> Order:
        """Make an order the work of a department or a person; empty for nobody's."""
        return run(advance(self.shop, order_id, Assign(to), to, key, by), "assign")

    def mark_item(self, order_id: str, line: str, status: str, *, key: str, by: Actor) -> Order:
        """Give a line a status of its own, one that the lifecycle lists."""
        command = MarkItem(line, status)
        return run(advance(self.shop, order_id, command, f"{line}|{status}", key, by), "mark_item")

    def pause(self, order_id: str, name: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """Let the clocks that ``name`` concerns stand still (a ticket, a lost parcel)."""
        return run(advance(self.shop, order_id, PauseClocks(name), name, key, by), "pause")

    def resume(self, order_id: str, name: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """Let them run on, later by the time in between."""
        return run(advance(self.shop, order_id, ResumeClocks(name), name, key, by), "resume")

    def extend(self, order_id: str, timer: str, *, key: str, by: Actor) -> Order:
        """Give a timer more time, once, as its rule allows."""
        return run(advance(self.shop, order_id, ExtendClock(timer), timer, key, by), "extend")

    def search(self, query: OrderQuery | None = None) -> OrderPage:
        """A page of orders, newest first, and the cursor of the next (`OrderQuery.after`)."""
        return run(search(self.shop, query or OrderQuery()), "search")

    def search_items(self, query: OrderQuery | None = None) -> ItemPage:
        """A page of lines of the orders that the query finds."""
        return run(search_items(self.shop, query or OrderQuery()), "search_items")

    def progress(self, order_id: str) -> Progress:
        """The six visible steps of an order, with the time spent on each and its target."""
        return run(read_progress(self.shop, order_id), "progress")

    def adopt(
        self,
        snapshot: Snapshot,
        *,
        by: Actor = SYSTEM,
        statuses: StatusMap | None = None,
        dry_run: bool = False,
        reserve: bool = False,
        grace: timedelta | None = None,
    ) -> Adoption:
        """Take an existing order over in mid-life; with ``dry_run`` nothing is written.

        ``statuses`` reads the host's own words for states; ``reserve`` promises what is still to leave;
        clocks that have run out act only after ``grace``, three days by default.
        Raises `InvalidSnapshot` with the path of what is wrong.
        """
        flow = adoption(
            self.shop, snapshot, by, statuses, dry_run=dry_run, reserve=reserve, grace=grace
        )
        return run(flow, "adopt")

    def adopt_many(
        self,
        snapshots: Iterable[Snapshot | OrdercoreError],
        *,
        by: Actor = SYSTEM,
        statuses: StatusMap | None = None,
        dry_run: bool = False,
        reserve: bool = False,
        grace: timedelta | None = None,
    ) -> AdoptionReport:
        """Take existing orders over; one that fails fails alone. The report counts and adds up."""
        flow = adoptions(
            self.shop, snapshots, by, statuses, dry_run=dry_run, reserve=reserve, grace=grace
        )
        return run(flow, "adopt_many")

    def parked(self, limit: int = 500) -> tuple[ParkedTimer, ...]:
        """Timers that were set aside because they failed again and again, with their errors."""
        return run(parked(self.shop, limit), "parked")

    def unpark(self, timers: Sequence[ParkedTimer]) -> None:
        """Let parked timers come due now: their cause is mended."""
        return run(unpark(self.shop, timers), "unpark")

    def doctor(self) -> tuple[Finding, ...]:
        """What is wrong with how this engine is put together, and with its timers; empty for nothing."""
        return run(diagnosis(self.shop), "doctor")

    def sweep(self, limit: int = 500) -> Sweep:
        """Serve due timers and unresolved attempts; safe from many workers."""
        return run(sweep(self.shop, limit), "sweep")

    def relay(self, publisher: Publisher, limit: int = 500) -> int:
        """Hand committed events to a publisher: at least once, in order for each order; how many."""
        return run(relay(self.shop, publisher, limit), "relay")

    def get(self, order_id: str) -> Order:
        """The order; raises `OrderNotFound`."""
        return run(load(self.shop, order_id), "get")

    def find(self, query: OrderQuery | None = None) -> tuple[Order, ...]:
        """Orders by number or its numeric tail, customer, state, time."""
        return run(find_orders(self.shop, query or OrderQuery()), "find")

    def journal(self, order_id: str) -> Journal:
        """Who did what, when and why, event by event: what was before and after, and the money moved."""
        return run(read_journal(self.shop, order_id), "journal")

    def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
        """What stands on each account; the sum is zero (law L9)."""
        return run(call(self.shop.store.trial_balance, order_id), "trial_balance")


def adoption(
    shop: Shop,
    snapshot: Snapshot,
    by: Actor,
    statuses: StatusMap | None,
    *,
    dry_run: bool,
    reserve: bool,
    grace: timedelta | None,
) -> Flow[Adoption]:
    """Take one order over; what it takes is loaded when somebody asks."""
    from ordercore.adoption import GRACE
    from ordercore.adoption import StatusMap as Statuses
    from ordercore.engine.adopting import adopt

    return adopt(
        shop, snapshot, by=by, statuses=Statuses() if statuses is None else statuses,
        dry_run=dry_run, reserve=reserve, grace=GRACE if grace is None else grace,
    )  # fmt: skip


def adoptions(
    shop: Shop,
    snapshots: Iterable[Snapshot | OrdercoreError],
    by: Actor,
    statuses: StatusMap | None,
    *,
    dry_run: bool,
    reserve: bool,
    grace: timedelta | None,
) -> Flow[AdoptionReport]:
    """Take many orders over."""
    from ordercore.adoption import GRACE
    from ordercore.adoption import StatusMap as Statuses
    from ordercore.engine.adopting import adopt_many

    return adopt_many(
        shop, snapshots, by=by, statuses=Statuses() if statuses is None else statuses,
        dry_run=dry_run, reserve=reserve, grace=GRACE if grace is None else grace,
    )  # fmt: skip


def diagnosis(shop: Shop) -> Flow[tuple[Finding, ...]]:
    """What is wrong with a shop; the doctor is loaded when somebody asks."""
    from ordercore.engine.doctor import diagnose

    return diagnose(shop)


def pull_order(shop: Shop, order_id: str) -> Flow[Order]:
    """Ask the channels about an order, and finish what it owes."""
    shop.outside()
    order = yield from load(shop, order_id)
    order = yield from pull(shop, order, SYSTEM)
    return (yield from discharge(shop, order, SYSTEM, accepted=True))


def find_orders(shop: Shop, query: OrderQuery) -> Flow[tuple[Order, ...]]:
    """Orders by a checked query."""
    checked_limit(query.limit, FIND_MAX, "orders")
    for name in ("placed_from", "placed_before"):
        moment = getattr(query, name)
        if moment is not None:
            utc(moment, f"query.{name}")
    return (yield from call(shop.store.find, query))
