"""The engine for ports that may be asynchronous."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.amending import Amendment, amend, preview_amendment, recover
from ordercore.engine.capturing import capture, confirm_payment, confirm_refund
from ordercore.engine.compensating import CompensationResult, compensate
from ordercore.engine.discharging import pull_order
from ordercore.engine.flow import arun, call
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
from ordercore.engine.verbs.collection import AsyncCollectionVerbs
from ordercore.engine.verbs.dispatch import AsyncDispatchVerbs
from ordercore.engine.verbs.regrouping import AsyncRegroupingVerbs
from ordercore.engine.verbs.sourcing import AsyncSourcingVerbs
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
    from ordercore.goods import Manifest
    from ordercore.journal import Journal, Progress
    from ordercore.ledger import Balance, ReconciliationReport, StatementPeriod, StatementRow
    from ordercore.money import Money
    from ordercore.order import CartChange, Order
    from ordercore.party import Actor
    from ordercore.ports import ItemPage, LedgerPage, OrderPage, ParkedTimer, Publisher
    from ordercore.pricing import Cart, Quote
    from ordercore.tender import ChannelReply, PaymentPreview, RefundSplit
    from ordercore.tender.tenders import Tender

__all__ = ["AsyncOrderEngine"]


class AsyncOrderEngine(
    AsyncRegroupingVerbs, AsyncSourcingVerbs, AsyncCollectionVerbs, AsyncDispatchVerbs
):
    """The same engine over ports that may be asynchronous; each verb as in `OrderEngine`."""

    async def quote(self, cart: Cart) -> Quote:
        """Price a cart; see `OrderEngine.quote`."""
        return await arun(quote_cart(self.shop, cart), "quote")

    async def place(self, quote: Quote, *, key: str, by: Actor, lifecycle: str = "") -> Order:
        """See `OrderEngine.place`."""
        return await arun(
            place_order(self.shop, quote, key, by, self._chart(quote, lifecycle)), "place"
        )

    async def preview(self, order_id: str, tenders: Sequence[Tender]) -> PaymentPreview:
        """See `OrderEngine.preview`."""
        return await arun(preview(self.shop, order_id, tenders), "preview")

    async def pay(
        self, order_id: str, tenders: Sequence[Tender], *, key: str, by: Actor
    ) -> PaymentResult:
        """See `OrderEngine.pay`."""
        return await arun(pay(self.shop, order_id, tenders, key, by), "pay")

    async def notify(self, gateway: str, headers: Mapping[str, str], body: bytes) -> ChannelReply:
        """See `OrderEngine.notify`."""
        return await arun(notify(self.shop, gateway, headers, body), "notify")

    async def pull(self, order_id: str) -> Order:
        """See `OrderEngine.pull`."""
        return await arun(pull_order(self.shop, order_id), "pull")

    async def capture(
        self,
        order_id: str,
        amount: Money | None = None,
        *,
        attempt: str = "",
        key: str,
        by: Actor,
    ) -> PaymentResult:
        """See `OrderEngine.capture`."""
        return await arun(capture(self.shop, order_id, amount, attempt, key, by), "capture")

    async def confirm_payment(
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
        """See `OrderEngine.confirm_payment`."""
        flow = confirm_payment(
            self.shop, order_id, attempt, amount, paid, reference, at, key, by, parcel
        )
        return await arun(flow, "confirm_payment")

    async def confirm_refund(
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
        """See `OrderEngine.confirm_refund`."""
        flow = confirm_refund(self.shop, order_id, refund, leg, reference, key, by, paid)
        return await arun(flow, "confirm_refund")

    async def accept(self, order_id: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """See `OrderEngine.accept`."""
        return await arun(advance(self.shop, order_id, Accept(), "", key, by), "accept")

    async def ship(
        self,
        order_id: str,
        goods: Manifest | None = None,
        *,
        carrier: str = "",
        tracking: str = "",
        key: str,
        by: Actor = SYSTEM,
    ) -> Order:
        """See `OrderEngine.ship`."""
        return await arun(
            ship_goods(self.shop, order_id, goods, carrier, tracking, key, by), "ship"
        )

    async def deliver(self, order_id: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """See `OrderEngine.deliver`."""
        return await arun(advance(self.shop, order_id, Deliver(), "", key, by), "deliver")

    async def complete(self, order_id: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """See `OrderEngine.complete`."""
        return await arun(advance(self.shop, order_id, Complete(), "", key, by), "complete")

    async def cancel(self, order_id: str, *, reason: str, key: str, by: Actor) -> Order:
        """See `OrderEngine.cancel`."""
        return await arun(cancel(self.shop, order_id, reason, key, by), "cancel")

    async def refund(
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
        """See `OrderEngine.refund`."""
        flow = refund(
            self.shop, order_id, goods, reason, charges, key, by, split, consent, to
        )  # fmt: skip
        return await arun(flow, "refund")

    async def reroute_refund(
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
        """See `OrderEngine.reroute_refund`."""
        flow = reroute_refund(
            self.shop, order_id, refund, leg, to, account, consent, reason, key, by
        )  # fmt: skip
        return await arun(flow, "reroute_refund")

    async def compensate(
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
        """See `OrderEngine.compensate`."""
        flow = compensate(self.shop, order_id, amount, to, account, reason, key, by)
        return await arun(flow, "compensate")

    async def advance(
        self, order_id: str, event: str, *, reason: str = "", key: str, by: Actor
    ) -> Order:
        """See `OrderEngine.advance`."""
        return await arun(send(self.shop, order_id, event, reason, key, by), "advance")

    async def review(
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
        """See `OrderEngine.review`."""
        return await arun(
            review(self.shop, order_id, valid, checklist, contact, reason, key, by), "review"
        )

    async def close(
        self, order_id: str, *, reason: str, key: str, by: Actor, overrule: str = ""
    ) -> Order:
        """See `OrderEngine.close`."""
        return await arun(close_order(self.shop, order_id, reason, key, by, overrule), "close")

    async def preview_amendment(
        self, order_id: str, changes: Sequence[CartChange], *, by: Actor, overrule: str = ""
    ) -> Amendment:
        """See `OrderEngine.preview_amendment`."""
        return await arun(
            preview_amendment(self.shop, order_id, changes, by, overrule), "preview_amendment"
        )

    async def amend(
        self,
        order_id: str,
        changes: Sequence[CartChange],
        *,
        key: str,
        by: Actor,
        shown: Amendment | None = None,
        overrule: str = "",
    ) -> Amendment:
        """See `OrderEngine.amend`."""
        return await arun(amend(self.shop, order_id, changes, key, by, shown, overrule), "amend")

    async def recover(
        self,
        order_id: str,
        *,
        prices: Mapping[str, Money] | None = None,
        key: str,
        by: Actor,
        overrule: str = "",
    ) -> Order:
        """See `OrderEngine.recover`."""
        return await arun(recover(self.shop, order_id, prices or {}, key, by, overrule), "recover")

    async def override(self, order_id: str, to: str, *, reason: str, key: str, by: Actor) -> Order:
        """See `OrderEngine.override`."""
        return await arun(override(self.shop, order_id, to, reason, key, by), "override")

    async def note(
        self, order_id: str, text: str, *, shown: bool = False, key: str, by: Actor
    ) -> Order:
        """See `OrderEngine.note`."""
        command = AddNote(text, shown)
        return await arun(advance(self.shop, order_id, command, f"{text}|{shown}", key, by), "note")

    async def tag(
        self,
        order_id: str,
        add: Sequence[str] = (),
        *,
        remove: Sequence[str] = (),
        key: str,
        by: Actor,
    ) -> Order:
        """See `OrderEngine.tag`."""
        return await arun(tag(self.shop, order_id, add, remove, key, by), "tag")

    async def assign(self, order_id: str, to: str, *, key: str, by: Actor) -> Order:
        """See `OrderEngine.assign`."""
        return await arun(advance(self.shop, order_id, Assign(to), to, key, by), "assign")

    async def mark_item(
        self, order_id: str, line: str, status: str, *, key: str, by: Actor
    ) -> Order:
        """See `OrderEngine.mark_item`."""
        command = MarkItem(line, status)
        return await arun(
            advance(self.shop, order_id, command, f"{line}|{status}", key, by), "mark_item"
        )

    async def pause(self, order_id: str, name: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """See `OrderEngine.pause`."""
        return await arun(advance(self.shop, order_id, PauseClocks(name), name, key, by), "pause")

    async def resume(self, order_id: str, name: str, *, key: str, by: Actor = SYSTEM) -> Order:
        """See `OrderEngine.resume`."""
        return await arun(advance(self.shop, order_id, ResumeClocks(name), name, key, by), "resume")

    async def extend(self, order_id: str, timer: str, *, key: str, by: Actor) -> Order:
        """See `OrderEngine.extend`."""
        return await arun(
            advance(self.shop, order_id, ExtendClock(timer), timer, key, by), "extend"
        )

    async def search(self, query: OrderQuery | None = None) -> OrderPage:
        """See `OrderEngine.search`."""
        return await arun(search(self.shop, query or OrderQuery()), "search")

    async def search_items(self, query: OrderQuery | None = None) -> ItemPage:
        """See `OrderEngine.search_items`."""
        return await arun(search_items(self.shop, query or OrderQuery()), "search_items")

    async def progress(self, order_id: str) -> Progress:
        """See `OrderEngine.progress`."""
        return await arun(read_progress(self.shop, order_id), "progress")

    async def adopt(
        self,
        snapshot: Snapshot,
        *,
        by: Actor = SYSTEM,
        statuses: StatusMap | None = None,
        dry_run: bool = False,
        reserve: bool = False,
        grace: timedelta | None = None,
    ) -> Adoption:
        """See `OrderEngine.adopt`."""
        flow = adoption(
            self.shop, snapshot, by, statuses, dry_run=dry_run, reserve=reserve, grace=grace
        )
        return await arun(flow, "adopt")

    async def adopt_many(
        self,
        snapshots: Iterable[Snapshot | OrdercoreError],
        *,
        by: Actor = SYSTEM,
        statuses: StatusMap | None = None,
        dry_run: bool = False,
        reserve: bool = False,
        grace: timedelta | None = None,
    ) -> AdoptionReport:
        """See `OrderEngine.adopt_many`."""
        flow = adoptions(
            self.shop, snapshots, by, statuses, dry_run=dry_run, reserve=reserve, grace=grace
        )
        return await arun(flow, "adopt_many")

    async def parked(self, limit: int = 500) -> tuple[ParkedTimer, ...]:
        """See `OrderEngine.parked`."""
        return await arun(parked(self.shop, limit), "parked")

    async def unpark(self, timers: Sequence[ParkedTimer]) -> None:
        """See `OrderEngine.unpark`."""
        return await arun(unpark(self.shop, timers), "unpark")

    async def doctor(self) -> tuple[Finding, ...]:
        """See `OrderEngine.doctor`."""
        return await arun(diagnosis(self.shop), "doctor")

    async def sweep(self, limit: int = 500) -> Sweep:
        """See `OrderEngine.sweep`."""
        return await arun(sweep(self.shop, limit), "sweep")

    async def relay(self, publisher: Publisher, limit: int = 500) -> int:
        """See `OrderEngine.relay`."""
        return await arun(relay(self.shop, publisher, limit), "relay")

    async def get(self, order_id: str) -> Order:
        """See `OrderEngine.get`."""
        return await arun(load(self.shop, order_id), "get")

    async def find(self, query: OrderQuery | None = None) -> tuple[Order, ...]:
        """See `OrderEngine.find`."""
        return await arun(find_orders(self.shop, query or OrderQuery()), "find")

    async def journal(self, order_id: str) -> Journal:
        """See `OrderEngine.journal`."""
        return await arun(read_journal(self.shop, order_id), "journal")

    async def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
        """See `OrderEngine.trial_balance`."""
        return await arun(call(self.shop.store.trial_balance, order_id), "trial_balance")

    async def close_day(self, day: date, *, zone: str = "UTC", shop: str = "") -> DayClose:
        """See `OrderEngine.close_day`."""
        return await arun(day_close(self.shop, day, zone, shop), "close_day")

    async def account(self, query: LedgerQuery | None = None) -> LedgerPage:
        """See `OrderEngine.account`."""
        return await arun(call(self.shop.store.entries, query or LedgerQuery()), "account")

    async def reconcile(
        self, gateway: str, rows: Iterable[StatementRow], period: StatementPeriod
    ) -> ReconciliationReport:
        """See `OrderEngine.reconcile`."""
        return await arun(reconciliation(self.shop, gateway, rows, period), "reconcile")

    async def patch(
        self, gateway: str, report: ReconciliationReport, *, by: Actor = SYSTEM
    ) -> Patched:
        """See `OrderEngine.patch`."""
        return await arun(patches(self.shop, gateway, report, by), "patch")
