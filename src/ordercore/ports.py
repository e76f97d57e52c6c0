"""What a host implements, on one page.

A port answers with a value or with an awaitable of it: the same protocol serves `OrderEngine`
(plain values) and `AsyncOrderEngine` (either). Each port's promise is checked by its contract
in `ordercore.testing`; subclass it with your adapter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar, Union, runtime_checkable

from ordercore.change import Change, Receipt, Recorded
from ordercore.clock import Clock
from ordercore.fulfillment import (
    CarrierCapabilities,
    CarrierNotice,
    CarrierQuote,
    SourceStock,
    TrackPoint,
    WaybillOutcome,
    WaybillRequest,
    WaybillStatus,
)
from ordercore.identity import IdSource
from ordercore.ledger import AccountKind, Balance, Entry, Turnover
from ordercore.order import Command, DeliveryStanding, Order, PaymentStanding
from ordercore.party import Actor, Attribution
from ordercore.pricing import (
    Coupon,
    ExchangeRate,
    ExternalTax,
    PersonalQuota,
    QuoteLine,
    RatePurpose,
    RegimeId,
    TaxRequest,
    VatIdCheck,
)
from ordercore.tender import (
    ActionKind,
    Capabilities,
    ChannelReply,
    Chargeback,
    ChargeRequest,
    CreditRequest,
    Failure,
    FundShare,
    Notification,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
)
from ordercore.timeout import Timer
from ordercore.value import value

__all__ = [
    # the ports
    "Answer",
    "Carrier",
    "Clock",
    "CouponBook",
    "CreditGateway",
    "Hook",
    "IdSource",
    "OrderStore",
    "PaymentGateway",
    "Publisher",
    "QuotaSource",
    "RateSource",
    "SourcedStock",
    "StockKeeper",
    "TaxSource",
    "VatIds",
    # what a store takes and gives
    "Backlog",
    "Balance",
    "Change",
    "FoundItem",
    "HistoryPage",
    "HistoryQuery",
    "ItemPage",
    "LedgerLine",
    "LedgerPage",
    "LedgerQuery",
    "Opened",
    "OrderPage",
    "OrderQuery",
    "OutboxItem",
    "ParkedTimer",
    "Receipt",
    "Recorded",
    "Timer",
    "Turnover",
    # what a carrier takes and gives
    "CarrierCapabilities",
    "CarrierNotice",
    "CarrierQuote",
    "TrackPoint",
    "WaybillOutcome",
    "WaybillRequest",
    "WaybillStatus",
    # what a keeper of stock gives
    "SourceStock",
    # what the sources of prices take and give
    "Coupon",
    "ExchangeRate",
    "ExternalTax",
    "PersonalQuota",
    "RatePurpose",
    "RegimeId",
    "TaxRequest",
    "VatIdCheck",
    # what a gateway takes and gives
    "ActionKind",
    "Capabilities",
    "ChannelReply",
    "Chargeback",
    "ChargeRequest",
    "CreditRequest",
    "Failure",
    "FundShare",
    "Notification",
    "Outcome",
    "OutcomeStatus",
    "PaymentAction",
    "RefundOutcome",
    "RefundRequest",
    "RefundStatus",
]

T = TypeVar("T")
Answer = Union[T, Awaitable[T]]  # noqa: UP007 - a generic alias that type checkers take as one


@value
class Opened:
    """An order as loaded for a command, and the receipt of the command's key if there is one."""

    order: Order | None
    receipt: Receipt | None


@value
class OrderQuery:
    """Which orders to find. ``number`` is exact or a numeric tail: ``23`` finds ORD-0000000023 first.

    Conditions hold together. ``tags`` must all be there; ``sku`` finds orders with such a line;
    ``attribution`` compares what is not empty. ``after`` is the cursor of the page before.
    """

    number: str = ""
    customer: str = ""
    shop: str = ""
    states: tuple[str, ...] = ()
    placed_from: datetime | None = None
    placed_before: datetime | None = None
    limit: int = 50
    payment: PaymentStanding | None = None
    delivery: DeliveryStanding | None = None
    tags: tuple[str, ...] = ()
    attribution: Attribution = Attribution()
    sku: str = ""
    item_status: str = ""
    after: str = ""


@value
class OrderPage:
    """Some orders, and the cursor of the next page; empty when there is none.

    A cursor names a place in the order of the answer, not a count: orders that are placed meanwhile
    neither repeat nor hide one.
    """

    orders: tuple[Order, ...]
    next: str = ""


@value
class FoundItem:
    """One line of an order, with its own status; empty where it has none."""

    order: Order
    line: QuoteLine
    status: str = ""


@value
class ItemPage:
    """Some lines, and the cursor of the next page; empty when there is none."""

    items: tuple[FoundItem, ...]
    next: str = ""


@value
class ParkedTimer:
    """A timer that was set aside because it failed again and again, with its last error.

    ``kind`` is text, since a kind that this version does not know is parked too.
    """

    order_id: str
    kind: str
    subject: str
    due: datetime
    visit: int
    tries: int
    error: str
    at: datetime


@value
class Backlog:
    """How many timers are overdue, since when the oldest, and how many are parked."""

    due: int
    oldest: datetime | None
    parked: int


@value
class OutboxItem:
    """A committed event that waits for the publisher; ``position`` acknowledges it."""

    position: int
    recorded: Recorded


@value
class HistoryQuery:
    """Events by name and by when they were recorded, of one shop or of all, oldest first.

    ``after`` is the cursor of the page before.
    """

    names: tuple[str, ...]
    since: datetime
    before: datetime
    shop: str = ""
    after: str = ""
    limit: int = 1_000


@value
class HistoryPage:
    """Some events, and the cursor of the next page; empty when there is none."""

    events: tuple[Recorded, ...]
    next: str = ""


@value
class LedgerQuery:
    """Entries of the books by time of record, account and shop; what is ``None`` or empty is any.

    ``after`` is the cursor of the page before.
    """

    since: datetime | None = None
    before: datetime | None = None
    account: AccountKind | None = None
    detail: str | None = None
    currency: str = ""
    shop: str = ""
    after: str = ""
    limit: int = 1_000


@value
class LedgerLine:
    """One entry with its place: which order, which event of it (its change's last), when."""

    order_id: str
    sequence: int
    at: datetime
    currency: str
    entry: Entry


@value
class LedgerPage:
    """Some entries, oldest first, and the cursor of the next page; empty when there is none."""

    lines: tuple[LedgerLine, ...]
    next: str = ""


class OrderStore(Protocol):
    """Keeps orders, their events, timers, ledger entries and receipts.

    ``commit`` writes all changes or none, is durable when it returns, and raises `Stale` when an order's
    version is not the change's ``version_before``, `KeyReused` when a receipt's key is taken.
    """

    @property
    def joined(self) -> bool:
        """Whether it writes inside a transaction that the host has open (then commit is not durable yet)."""
        ...

    def commit(self, changes: Sequence[Change]) -> Answer[None]: ...

    def load(self, order_id: str) -> Answer[Order | None]: ...

    def open(self, order_id: str, shop: str, key: str) -> Answer[Opened]:
        """The order and the receipt of ``key``, in one look; an empty ``order_id`` loads the receipt alone."""
        ...

    def find(self, query: OrderQuery) -> Answer[tuple[Order, ...]]: ...

    def journal(self, order_id: str) -> Answer[tuple[Recorded, ...]]:
        """All events of one order, in order."""
        ...

    def claim_timers(
        self, now: datetime, limit: int, lease: timedelta
    ) -> Answer[tuple[Timer, ...]]:
        """Due timers, oldest first, each given to one claimer until the lease ends; ``tries`` counts up."""
        ...

    def settle_timers(self, claimed: Sequence[tuple[Timer, datetime | None]]) -> Answer[None]:
        """Drop claimed timers (``None``) or make them due later, lease ended and ``tries`` kept.

        One that a change has set or cleared since the claim (its ``due`` differs, or it is gone) stays as it is.
        """
        ...

    def park_timers(self, parked: Sequence[ParkedTimer]) -> Answer[None]:
        """Set claimed timers aside, out of every sweep; a change that sets the same key anew sets it going."""
        ...

    def parked(self, limit: int) -> Answer[tuple[ParkedTimer, ...]]:
        """Timers that were set aside, oldest first."""
        ...

    def unpark(self, parked: Sequence[ParkedTimer], due: datetime) -> Answer[None]:
        """Let parked timers come due at a moment, with no tries counted; one that is set meanwhile stays."""
        ...

    def backlog(self, now: datetime) -> Answer[Backlog]: ...

    def now(self) -> Answer[datetime]:
        """The store's own clock, to find out whether ours agrees with it."""
        ...

    def find_items(self, query: OrderQuery) -> Answer[tuple[FoundItem, ...]]:
        """Lines of the orders that the query finds; with ``sku`` or ``item_status`` only those lines."""
        ...

    def outbox(self, limit: int) -> Answer[tuple[OutboxItem, ...]]:
        """Events not yet acknowledged, in order for each order."""
        ...

    def acknowledge(self, positions: Sequence[int]) -> Answer[None]: ...

    def next_number(self, sequence: str) -> Answer[int]:
        """A number of the sequence that was never given before, from 1, growing; some may be skipped."""
        ...

    def trial_balance(self, order_id: str | None = None) -> Answer[tuple[Balance, ...]]: ...

    def history(self, query: HistoryQuery) -> Answer[HistoryPage]:
        """Events of all orders, in the order in which they were recorded."""
        ...

    def entries(self, query: LedgerQuery) -> Answer[LedgerPage]:
        """Entries of the books, oldest first."""
        ...

    def turnover(self, query: LedgerQuery) -> Answer[tuple[Turnover, ...]]:
        """Debits and credits of each account in a span of time, by account, detail and currency; no paging."""
        ...


class PaymentGateway(Protocol):
    """Moves money. The same key never moves money twice, and answers as the first time.

    A void of a key that was never seen kills that key, or answers *unknown*.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    def available(self, account: str, currency: str) -> Answer[int | None]:
        """What an account holds (points, or minor units); ``None`` where that is not known."""
        ...

    def authorize(self, request: ChargeRequest) -> Answer[Outcome]:
        """Hold the money, or take it at once, or say what the payer must do."""
        ...

    def capture(self, request: ChargeRequest) -> Answer[Outcome]: ...

    def close(self, request: ChargeRequest) -> Answer[Outcome]:
        """End an attempt that is not paid; one that is paid stays paid and answers so."""
        ...

    def void(self, request: ChargeRequest) -> Answer[Outcome]:
        """Give back whatever the key holds or took, and kill the key."""
        ...

    def lookup(self, request: ChargeRequest) -> Answer[Outcome]:
        """What became of the key; *unknown* for one never seen."""
        ...

    def refund(self, request: RefundRequest) -> Answer[RefundOutcome]: ...

    def lookup_refund(self, request: RefundRequest) -> Answer[RefundOutcome]: ...

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Verify and read a notification; raises `NotificationRefused`. No I/O."""
        ...


@runtime_checkable
class CreditGateway(Protocol):
    """A gateway that also puts money on accounts: a balance, points. It declares `Capabilities.credits`."""

    def credit(self, request: CreditRequest) -> Answer[RefundOutcome]:
        """Put money on an account; the same key credits once, and answers as the first time."""
        ...


class StockKeeper(Protocol):
    """Promises goods, never more than there are. The same id is the same reservation."""

    @property
    def joins(self) -> bool:
        """Whether it writes in the store's own transaction."""
        ...

    def reserve(
        self, reservation: str, goods: Sequence[tuple[str, int]], until: datetime
    ) -> Answer[None]:
        """Promise (sku, units) until a moment; raises `OutOfStock` and promises nothing.

        The same promise again with a later moment lasts until then.
        """
        ...

    def deduct(self, reservation: str) -> Answer[None]:
        """Make a promise final, and keep it beyond its time; raises `OutOfStock` if it has lapsed."""
        ...

    def release(self, reservation: str, keep: Sequence[tuple[str, int]] = ()) -> Answer[None]:
        """Free all of a reservation but ``keep``, also what was deducted; twice is once."""
        ...

    def transfer(
        self, reservation: str, parts: Sequence[tuple[str, Sequence[tuple[str, int]]]]
    ) -> Answer[None]:
        """Hand parts of a reservation, (name, goods), over to reservations of other names: all or none.

        They last as long, and are final where it was. What one reservation handed to a name it hands over
        once: again is nothing, also when that name was released or has lapsed meanwhile. A name that holds
        goods already holds these too, final if either was, until the later moment.
        Raises `OutOfStock` where the reservation does not hold them, or has lapsed.
        """
        ...


@runtime_checkable
class SourcedStock(StockKeeper, Protocol):
    """A keeper that knows at which source (a warehouse, a store) its units stand.

    ``reserve`` takes from any source, in the keeper's own order.
    """

    def available(self, skus: Sequence[str]) -> Answer[tuple[SourceStock, ...]]:
        """Units that may still be promised, for each article and source that has some."""
        ...

    def place(self, reservation: str, goods: Sequence[tuple[str, str, int]]) -> Answer[None]:
        """Let a reservation stand at exactly these (source, sku, units): all or none, also when it is final.

        Raises `OutOfStock` where a source is short or it holds less, and leaves all as it was;
        `InvalidInput` for less than it holds. Twice is once.
        """
        ...

    def placed(self, reservation: str) -> Answer[tuple[tuple[str, str, int], ...]]:
        """Where the units of a reservation stand: (source, sku, units)."""
        ...

    def keep_at(self, reservation: str, goods: Sequence[tuple[str, str, int]]) -> Answer[None]:
        """Free all of a reservation but exactly these (source, sku, units), also when it is final; twice is once.

        Raises `OutOfStock` where it does not hold them there, or has lapsed, and frees nothing.
        """
        ...


class Carrier(Protocol):
    """Takes parcels to people. The same key is never two waybills, and answers as the first time.

    A cancellation of a key that was never seen kills that key, or answers *unknown*.
    """

    @property
    def capabilities(self) -> CarrierCapabilities: ...

    def quote(self, request: WaybillRequest) -> Answer[CarrierQuote]:
        """What the carriage would cost; books nothing."""
        ...

    def book(self, request: WaybillRequest) -> Answer[WaybillOutcome]:
        """Give a waybill, or *refused* with the reason."""
        ...

    def lookup(self, request: WaybillRequest) -> Answer[WaybillOutcome]:
        """What became of the key; *unknown* for one never seen."""
        ...

    def cancel(self, request: WaybillRequest) -> Answer[WaybillOutcome]:
        """End a waybill; *refused*, with its number, where it stands, because the parcel is too far on its way.
        Twice is once."""
        ...

    def track(self, number: str) -> Answer[Sequence[TrackPoint]]:
        """All that is known of the way of a number; nothing for one never seen."""
        ...

    def parse(self, headers: Mapping[str, str], body: bytes) -> CarrierNotice:
        """Verify and read a notification; raises `NotificationRefused`. No I/O."""
        ...


class CouponBook(Protocol):
    """Keeps coupon codes. A code that may be used once is held by one order at a time, whatever comes together."""

    @property
    def joins(self) -> bool:
        """Whether it writes in the store's own transaction."""
        ...

    def find(self, codes: Sequence[str], customer: str) -> Answer[tuple[Coupon, ...]]:
        """What is known of each code, with the counts of this customer; unknown codes are left out."""
        ...

    def hold(
        self, holding: str, codes: Sequence[str], customer: str, until: datetime
    ) -> Answer[None]:
        """Hold all codes or none until a moment; raises `CouponUnavailable`, or `InvalidInput` for a moment
        that has passed. The same holding again is the same."""
        ...

    def use(self, holding: str) -> Answer[None]:
        """Make a hold final; raises `CouponUnavailable` if it was released, or lapsed and a code was taken."""
        ...

    def release(self, holding: str) -> Answer[None]:
        """Free a hold, or give back a use; twice is once."""
        ...


class RateSource(Protocol):
    """Knows exchange rates: the last published one, never an invented one."""

    def rate(
        self, base: str, quote: str, at: datetime, purpose: RatePurpose
    ) -> Answer[ExchangeRate]:
        """What one ``base`` is worth in ``quote`` for a purpose; raises `RateUnavailable`."""
        ...


class TaxSource(Protocol):
    """An external tax engine: it taxes a whole cart after discounts, and its figures are taken as they are."""

    def calculate(self, request: TaxRequest) -> Answer[ExternalTax]: ...


class VatIds(Protocol):
    """Checks the VAT id of a business that buys."""

    def check(self, vat_id: str, at: datetime) -> Answer[VatIdCheck]: ...


class QuotaSource(Protocol):
    """Knows what a person has imported this year under a regime with a yearly limit.

    ``person`` is the id of the cart's customer. The limit is that of the holder of an identity number, over
    all shops; a host that knows two accounts of one holder answers with both together.
    """

    def used(self, regime: RegimeId, person: str, year: int) -> Answer[PersonalQuota]: ...


class Hook(Protocol):
    """A host's word in every decision: before it, with a veto; after it was written, to react.

    ``before`` may be asked more than once for one command (when the order was changed meanwhile) and reads
    only: it gives a reason, or "" to let it pass. An error of its own refuses the command.
    ``after`` hears of each change at most once, and an error of its own is only logged;
    who must not miss a change reads the outbox.
    """

    def before(self, order: Order, command: Command, by: Actor) -> Answer[str]: ...

    def after(self, change: Change) -> Answer[None]: ...


class Publisher(Protocol):
    """Takes events to the rest of the world. At least once: a consumer drops repeats by order and sequence."""

    def publish(self, events: Sequence[Recorded]) -> Answer[None]: ...
