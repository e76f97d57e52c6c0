"""The engine: one object that a shop backend builds once and calls.

`OrderEngine` and `AsyncOrderEngine` have the same verbs and drive the same flows;
the first for ports with plain functions, the second for ports with either.
Every command takes an idempotency ``key`` and says who acts (``by``):
the same key has one effect and answers with it again (law L13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.amending import Amendment, amend, preview_amendment, recover
from ordercore.engine.capturing import capture, confirm_payment, confirm_refund
from ordercore.engine.compensating import CompensationResult, compensate
from ordercore.engine.discharging import pull_order
from ordercore.engine.flow import call, run, run_batch
from ordercore.engine.fulfilling import advance, ship_goods
from ordercore.engine.handling import close_order, override, review, send, tag
from ordercore.engine.notifying import notify
from ordercore.engine.occasional import (
    adoption,
    adoptions,
    day_close,
    diagnosis,
    patches,
    reconciliation,
)
from ordercore.engine.paying import (
    PaymentResult,
    RefundResult,
    cancel,
    pay,
    preview,
    refund,
)
from ordercore.engine.placing import place_order
from ordercore.engine.quoting import quote_cart
from ordercore.engine.reading import read_journal, read_progress
from ordercore.engine.rerouting import reroute_refund
from ordercore.engine.searching import find_orders, search, search_items
from ordercore.engine.shop import load
from ordercore.engine.sweeping import Sweep, parked, relay, sweep, unpark
from ordercore.engine.verbs.collection import CollectionVerbs
from ordercore.engine.verbs.dispatch import DispatchVerbs
from ordercore.engine.verbs.regrouping import RegroupingVerbs
from ordercore.engine.verbs.sourcing import SourcingVerbs
from ordercore.goods import Manifest
from ordercore.order import (
    Accept,
    AddNote,
    Assign,
    Complete,
    Deliver,
    ExtendClock,
    MarkItem,
    PauseClocks,
    ResumeClocks,
)
from ordercore.party import SYSTEM
from ordercore.ports import LedgerQuery, OrderQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime, timedelta

    from ordercore.adoption import AdoptionReport, Snapshot, StatusMap
    from ordercore.engine.adopting import Adoption
    from ordercore.engine.doctor import Finding
    from ordercore.engine.reconciling import DayClose, Patched
    from ordercore.errors import OrdercoreError
    from ordercore.journal import Journal, Progress
    from ordercore.ledger import Balance, ReconciliationReport, StatementPeriod, StatementRow
    from ordercore.money import Money
    from ordercore.order import CartChange, Order
    from ordercore.party import Actor
    from ordercore.ports import (
        ItemPage,
        LedgerPage,
        OrderPage,
        ParkedTimer,
        Publisher,
    )
    from ordercore.pricing import Cart, Quote
    from ordercore.tender import ChannelReply, PaymentPreview, RefundSplit
    from ordercore.tender.tenders import Tender

__all__ = ["OrderEngine"]

BATCH_MAX = 50
"""Most orders whose changes share one commit."""


class OrderEngine(RegroupingVerbs, SourcingVerbs, CollectionVerbs, DispatchVerbs):
    """An order engine over plain (synchronous) ports."""

    def quote(self, cart: Cart) -> Quote:
        """Price a cart; nothing is written. Raises `InvalidCart` and its kin with the path."""
        return run(quote_cart(self.shop, cart), "quote")

    def place(self, quote: Quote, *, key: str, by: Actor, lifecycle: str = "") -> Order:
        """Place an order at the price that was shown; promises the goods and starts the timers.

        Without ``lifecycle`` it follows the one that the policies name for its kind, else *standard*; a cart
        with a presale follows *presale*.

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

    def preview(self, order_id: str, tenders: Sequence[Tender]) -> PaymentPreview:
        """How these tenders would pay the order (law L6), and why each pays no more; nothing is written.

        ``.plan`` is the plan that a payment with the same tenders makes.
        """
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

    def capture(
        self,
        order_id: str,
        amount: Money | None = None,
        *,
        attempt: str = "",
        key: str,
        by: Actor,
    ) -> PaymentResult:
        """Take money that is held: ``amount`` or all of it, of one attempt or of all.

        Where a channel takes held money once, a smaller amount lets the rest go, and it is due again.
        Raises `NotAllowed` where nothing is held, `InvalidInput` for more than is held.
        """
        return run(capture(self.shop, order_id, amount, attempt, key, by), "capture")

    def confirm_payment(
        self,
        order_id: str,
        attempt: str,
        amount: Money | None = None,
        *,
        paid: bool = True,
        reference: str = "",
        at: datetime | None = None,
        parcel: str = "",
        key: str,
        by: Actor,
    ) -> PaymentResult:
        """Say what became of a payment that no channel tells of: a transfer, what a courier collected.

        ``amount`` is what came, without one what was asked; it counts as told, be it more or less than was due.
        With ``paid=False`` nothing came, or what came has gone back. Raises `NotAllowed` for one that tells by itself.

        What couriers collect is told for each ``parcel``; without one it is the parcel that waits for its money, or
        that was to bring just this amount, and without an amount all that is left. It waits for the others, and
        what they brought less in all is due; ``paid=False`` says that no more comes.
        """
        flow = confirm_payment(
            self.shop, order_id, attempt, amount, paid, reference, at, key, by, parcel
        )
        return run(flow, "confirm_payment")

    def confirm_refund(
        self,
        order_id: str,
        refund: str,
        leg: int = 0,
        *,
        paid: bool = True,
        reference: str = "",
        key: str,
        by: Actor,
    ) -> RefundResult:
        """Say what became of a leg of a refund, where no channel tells of it: it has arrived.

        With ``paid=False`` it has not and will not, so another way is found for it (`reroute_refund`). Raises
        `NotAllowed` for one that has arrived, and for a channel that tells by itself.
        """
        flow = confirm_refund(self.shop, order_id, refund, leg, reference, key, by, paid)
        return run(flow, "confirm_refund")

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
        split: RefundSplit | None = None,
        consent: str = "",
        to: str = "",
        key: str,
        by: Actor,
    ) -> RefundResult:
        """Refund units of lines over the tenders that paid them.

        Without ``goods`` and ``charges``, all that is left, shipping included.

        ``charges`` names charges to refund (``("shipping",)``); by default they go back with the last
        goods of an order of which nothing has left. ``split`` says over which tenders, by default as the policy
        does. ``consent`` is the customer's recorded word for a refund to an account at the policy's ``balance``
        gateway: ``to``, by default the customer's own. With it, what its channel cannot pay may go there too.

        Raises `InvalidManifest` for what the order does not have, `NotAllowed` with the reason.
        """
        flow = refund(
            self.shop, order_id, goods, reason, charges, key, by, split, consent, to
        )  # fmt: skip
        return run(flow, "refund")

    def reroute_refund(
        self,
        order_id: str,
        refund: str,
        leg: int,
        *,
        to: str = "balance",
        account: str = "",
        consent: str = "",
        reason: str,
        key: str,
        by: Actor,
    ) -> RefundResult:
        """Let a leg of a refund that failed go to an account at another gateway, or by its own way again (``to=""``).

        Without ``account`` it is the customer's own. Another way needs the customer's ``consent``, now or
        recorded with the refund. Raises `NotAllowed` for a leg that has not failed.
        """
        flow = reroute_refund(
            self.shop, order_id, refund, leg, to, account, consent, reason, key, by
        )  # fmt: skip
        return run(flow, "reroute_refund")

    def compensate(
        self,
        order_id: str,
        amount: Money,
        *,
        to: str = "balance",
        account: str = "",
        reason: str,
        key: str,
        by: Actor,
    ) -> CompensationResult:
        """Give the customer money that is no refund, so it is not bounded by what was paid: goodwill, return postage.

        It goes to an ``account`` of the gateway ``to``, by default the one of the order's customer.
        """
        flow = compensate(self.shop, order_id, amount, to, account, reason, key, by)
        return run(flow, "compensate")

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

    def close_day(self, day: date, *, zone: str = "UTC", shop: str = "") -> DayClose:
        """The books of one day of a shop's zone: opening, debit, credit and closing of each account."""
        return run(day_close(self.shop, day, zone, shop), "close_day")

    def account(self, query: LedgerQuery | None = None) -> LedgerPage:
        """A page of entries of an account, oldest first, and the cursor of the next (`LedgerQuery.after`)."""
        return run(call(self.shop.store.entries, query or LedgerQuery()), "account")

    def reconcile(
        self, gateway: str, rows: Iterable[StatementRow], period: StatementPeriod
    ) -> ReconciliationReport:
        """Compare a channel's statement with our books; nothing is written."""
        return run(reconciliation(self.shop, gateway, rows, period), "reconcile")

    def patch(self, gateway: str, report: ReconciliationReport, *, by: Actor = SYSTEM) -> Patched:
        """Book what a report proves to be missing here; what it does not is told, with the reason."""
        return run(patches(self.shop, gateway, report, by), "patch")
