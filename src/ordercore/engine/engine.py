"""The engine: one object that a shop backend builds once and calls.

`OrderEngine` and `AsyncOrderEngine` have the same verbs and drive the same flows;
the first for ports with plain functions, the second for ports with either.
Every command takes an idempotency ``key`` and says who acts (``by``):
the same key has one effect and answers with it again (law L13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ordercore.clock import SystemClock, utc
from ordercore.engine.discharging import discharge, pull
from ordercore.engine.flow import Flow, arun, call, run, run_batch
from ordercore.engine.fulfilling import advance
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
from ordercore.engine.shop import Shop, checked_goods, checked_limit, load, situation
from ordercore.engine.sweeping import Sweep, relay, sweep
from ordercore.errors import InvalidPolicy
from ordercore.goods import Manifest
from ordercore.identity import SystemIds
from ordercore.lifecycle import Lifecycles
from ordercore.order import FACTS, Accept, Complete, Deliver, Ship, allowed
from ordercore.party import SYSTEM
from ordercore.policy import Policies
from ordercore.ports import OrderQuery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.change import Recorded
    from ordercore.clock import Clock
    from ordercore.errors import OrdercoreError
    from ordercore.identity import IdSource
    from ordercore.ledger import Balance
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order, Permission
    from ordercore.party import Actor
    from ordercore.ports import (
        CouponBook,
        OrderStore,
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

__all__ = ["AsyncOrderEngine", "OrderEngine"]

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
    lifecycles: Sequence[Lifecycle[Order]],
    sources: Sources,
) -> Shop:
    """Put a shop together, and refuse policies that contradict each other or the lifecycles."""
    from ordercore.lifecycle.charts.standard import standard

    known = Lifecycles((standard(FACTS), *lifecycles))
    policies = policies if policies is not None else Policies()
    policies.check()
    policies.check_points()
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
    )


def _ship(
    shop: Shop,
    order_id: str,
    goods: Manifest | None,
    carrier: str,
    tracking: str,
    key: str,
    by: Actor,
) -> Flow[Order]:
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


class _Verbs:
    """What both engines share: the shop, and the verbs that touch no port."""

    def __init__(
        self,
        store: OrderStore,
        gateways: Mapping[str, PaymentGateway] | None = None,
        stock: StockKeeper | None = None,
        policies: Policies | None = None,
        *,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        lifecycles: Sequence[Lifecycle[Order]] = (),
        coupons: CouponBook | None = None,
        rates: RateSource | None = None,
        taxes: TaxSource | None = None,
        vat_ids: VatIds | None = None,
        quotas: QuotaSource | None = None,
    ) -> None:
        sources = Sources(coupons, rates, taxes, vat_ids, quotas)
        self.shop = _compose(store, gateways, stock, policies, clock, ids, lifecycles, sources)

    def allowed(self, order: Order, actor: Actor) -> tuple[Permission, ...]:
        """What ``actor`` may do with the order now, and why not the rest."""
        return allowed(order, situation(self.shop, order, actor))


class OrderEngine(_Verbs):
    """An order engine over plain (synchronous) ports."""

    def quote(self, cart: Cart) -> Quote:
        """Price a cart; nothing is written. Raises `InvalidCart` and its kin with the path."""
        return run(quote_cart(self.shop, cart), "quote")

    def place(self, quote: Quote, *, key: str, by: Actor, lifecycle: str = STANDARD) -> Order:
        """Place an order at the price that was shown; promises the goods and starts the timers.

        Raises `PriceChanged` when the quote has lapsed and today's price differs, `OutOfStock`,
        `CouponUnavailable` for a code that somebody else took meanwhile.
        """
        return run(place_order(self.shop, quote, key, by, lifecycle), "place")

    def place_many(
        self, orders: Sequence[tuple[Quote, str, Actor]], *, lifecycle: str = STANDARD
    ) -> list[Order | OrdercoreError]:
        """Place several (quote, key, actor); their changes share commits. One that fails fails alone."""
        found: list[Order | OrdercoreError] = []
        for i in range(0, len(orders), BATCH_MAX):
            flows = [
                place_order(self.shop, quote, key, by, lifecycle)
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
        return run(_pull(self.shop, order_id), "pull")

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
        return run(_ship(self.shop, order_id, goods, carrier, tracking, key, by), "ship")

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
        return run(_find(self.shop, query or OrderQuery()), "find")

    def journal(self, order_id: str) -> tuple[Recorded, ...]:
        """Who did what, when and why, event by event."""
        return run(call(self.shop.store.journal, order_id), "journal")

    def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
        """What stands on each account; the sum is zero (law L9)."""
        return run(call(self.shop.store.trial_balance, order_id), "trial_balance")


def _pull(shop: Shop, order_id: str) -> Flow[Order]:
    shop.outside()
    order = yield from load(shop, order_id)
    order = yield from pull(shop, order, SYSTEM)
    return (yield from discharge(shop, order, SYSTEM, accepted=True))


def _find(shop: Shop, query: OrderQuery) -> Flow[tuple[Order, ...]]:
    checked_limit(query.limit, FIND_MAX, "orders")
    for name in ("placed_from", "placed_before"):
        moment = getattr(query, name)
        if moment is not None:
            utc(moment, f"query.{name}")
    return (yield from call(shop.store.find, query))


class AsyncOrderEngine(_Verbs):
    """The same engine over ports that may be asynchronous; each verb as in `OrderEngine`."""

    async def quote(self, cart: Cart) -> Quote:
        """Price a cart; see `OrderEngine.quote`."""
        return await arun(quote_cart(self.shop, cart), "quote")

    async def place(self, quote: Quote, *, key: str, by: Actor, lifecycle: str = STANDARD) -> Order:
        """See `OrderEngine.place`."""
        return await arun(place_order(self.shop, quote, key, by, lifecycle), "place")

    async def preview(self, order_id: str, tenders: Sequence[Tender]) -> TenderPlan:
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
        return await arun(_pull(self.shop, order_id), "pull")

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
        return await arun(_ship(self.shop, order_id, goods, carrier, tracking, key, by), "ship")

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
        key: str,
        by: Actor,
    ) -> RefundResult:
        """See `OrderEngine.refund`."""
        return await arun(refund(self.shop, order_id, goods, reason, charges, key, by), "refund")

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
        return await arun(_find(self.shop, query or OrderQuery()), "find")

    async def journal(self, order_id: str) -> tuple[Recorded, ...]:
        """See `OrderEngine.journal`."""
        return await arun(call(self.shop.store.journal, order_id), "journal")

    async def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
        """See `OrderEngine.trial_balance`."""
        return await arun(call(self.shop.store.trial_balance, order_id), "trial_balance")
