"""A shop in memory for the tests of the engine: order A, its tenders, and a clock that stands still."""

from __future__ import annotations

import json
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from ordercore import (
    Actor,
    AmountOff,
    Cart,
    CartLine,
    CountedIds,
    Money,
    OrderEngine,
    OrderKind,
    OrderQuery,
    Party,
    Percent,
    Policies,
    PricingPolicy,
    SettableClock,
    TaxPolicy,
    tenders,
)
from ordercore.adapters.memory import AccountGateway, MemoryGateway, MemoryStock, MemoryStore
from ordercore.engine import Shop
from ordercore.errors import NotificationRefused
from ordercore.tender import (
    AttemptState,
    ChargeRequest,
    Notification,
    Outcome,
    OutcomeStatus,
    TenderPolicy,
    TenderRule,
)
from ordercore.testing import laws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ordercore import Order, OrdercoreError, PaymentResult, Quote

NOON = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
SHOPPER = Actor.customer("c1")
STAFF = Actor.staff("s1")
POINTS = 5_000
BALANCE = 10_000
CARD = 8_000
STOCK = 5

THREE = (
    tenders.Points(1234, "c1"),
    tenders.Balance(Money("50.00", "CNY"), "c1"),
    tenders.Channel("wechat"),
)
"""The tenders of order A: 12.34 in points, 50.00 of the balance, the rest over the channel."""
FOUR = (
    tenders.Points(1234, "c1"),
    tenders.Balance(Money("50.00", "CNY"), "c1"),
    tenders.StoredValue("GC-9", Money("30.00", "CNY")),
    tenders.Channel("wechat"),
)
CHANNEL = (tenders.Channel("wechat"),)


def after(minutes: float = 0, seconds: float = 0) -> datetime:
    """A moment so long after noon."""
    return NOON + timedelta(minutes=minutes, seconds=seconds)


def order_a(kind: OrderKind = OrderKind.REGULAR, shop: str = "") -> Cart:
    """Three lines of 99.99 with 30.00 off, for customer c1: 269.97 is due."""
    return Cart(
        "CNY",
        tuple(CartLine(f"SKU-{i}", 1, Money("99.99", "CNY")) for i in (1, 2, 3)),
        (AmountOff(Money("30.00", "CNY"), "coupon"),),
        kind=kind,
        shop=shop,
        customer=Party("c1"),
    )


class StubbornGateway(MemoryGateway):
    """A channel that keeps no key dead: an old code can still be paid, an unseen key is unknown."""

    def void(self, request: ChargeRequest) -> Outcome:
        """Give back what the key holds; of an unseen key it knows nothing."""
        if request.key not in self._charges:
            return Outcome(OutcomeStatus.UNKNOWN)
        return super().void(request)

    def pay(self, key: str, at: datetime | None = None) -> bytes:
        """The payer scans the code, whatever became of it."""
        charge = self._charges[key]
        charge.outcome = Outcome(OutcomeStatus.WAITING, charge.outcome.reference)
        return super().pay(key, at)


class FiveMinuteGateway(MemoryGateway):
    """A channel that refuses to close an attempt in its first five minutes, as WeChat Pay v2 does."""

    def __init__(self, name: str, clock: SettableClock, **options: bool) -> None:
        super().__init__(name, clock, **options)
        self.begun: dict[str, datetime] = {}
        self.asked_to_close: list[datetime] = []

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Remember when the attempt began."""
        self.begun.setdefault(request.key, self._clock.now())
        return super().authorize(request)

    def close(self, request: ChargeRequest) -> Outcome:
        """Too early until five minutes have passed, unless it is paid."""
        now = self._clock.now()
        self.asked_to_close.append(now)
        begun = self.begun.get(request.key)
        waits = self.lookup(request).status is OutcomeStatus.WAITING
        if waits and begun is not None and now < begun + timedelta(minutes=5, seconds=1):
            return Outcome(OutcomeStatus.TOO_EARLY)
        return super().close(request)


class TalkingGateway(MemoryGateway):
    """A channel whose notifications say what the test lets them say, whatever it knows itself."""

    def says(self, key: str, status: str, **fields: Any) -> bytes:
        """A notification about a key."""
        return json.dumps({"key": key, "status": status, **fields}).encode()

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Read what `says` wrote."""
        said = json.loads(body)
        if said.get("forged"):
            raise NotificationRefused("the signature is wrong", path="body")
        outcome = Outcome(OutcomeStatus(said["status"]), f"tx-{said['key']}")
        return Notification(
            f"{said['key']}@{said['status']}", said["key"], outcome,
            amount=said.get("amount"), currency=said.get("currency", ""),
        )  # fmt: skip


class World:
    """One shop: an engine over memory, its four gateways, its stock and its clock."""

    def __init__(
        self,
        *,
        channel: type[MemoryGateway] = MemoryGateway,
        store: MemoryStore | None = None,
        stocked: bool = True,
        policies: Policies | None = None,
        step: int = 1,
        **options: bool,
    ) -> None:
        self.clock = SettableClock(NOON)
        self.store = store if store is not None else MemoryStore()
        self.points = AccountGateway("points", self.clock, {"c1": POINTS}, points=True)
        self.balance = AccountGateway("balance", self.clock, {"c1": BALANCE})
        self.cards = AccountGateway("stored_value", self.clock, {"GC-9": CARD})
        self.channel: Any = channel("wechat", self.clock, **options)
        self.gateways = {g.name: g for g in (self.points, self.balance, self.cards, self.channel)}
        goods = {f"SKU-{i}": STOCK for i in (1, 2, 3)}
        self.stock = MemoryStock(self.clock, goods)
        self.policies = policies or (PLAIN if step == 1 else world_policies(step))
        self.stocked = stocked
        self.ids = CountedIds()
        self.engine = self.another()
        self._keys = count(1)

    def another(self, policies: Policies | None = None, **ports: Any) -> OrderEngine:
        """Another process over the same ports, with other policies or another port."""
        ports = {
            "store": self.store,
            "gateways": self.gateways,
            "stock": self.stock if self.stocked else None,
            "policies": policies if policies is not None else self.policies,
            **ports,
        }
        if ports["policies"] is not PLAIN:
            return OrderEngine(**ports, clock=self.clock, ids=self.ids)
        # thousands of worlds: the charts and the policies are checked and compiled once
        engine = copy(composed())
        engine.shop = Shop(
            **{**ports, "gateways": dict(ports["gateways"])},
            clock=self.clock, ids=self.ids, lifecycles=composed().shop.lifecycles,
        )  # fmt: skip
        return engine

    def key(self) -> str:
        """A key that was never used."""
        return f"key-{next(self._keys)}"

    # --- The main line ------------------------------------------------------------------------

    def quote(self, kind: OrderKind = OrderKind.REGULAR) -> Quote:
        """Order A, priced now."""
        return self.engine.quote(order_a(kind))

    def placed(self, kind: OrderKind = OrderKind.REGULAR) -> Order:
        """Order A, placed."""
        return self.engine.place(self.quote(kind), key=self.key(), by=SHOPPER)

    def pay(self, order: Order, offers: tuple[Any, ...] = THREE) -> PaymentResult:
        """Pay ``order``."""
        return self.engine.pay(order.id, offers, key=self.key(), by=SHOPPER)

    def paid(self, offers: tuple[Any, ...] = THREE) -> Order:
        """Order A, paid."""
        order = self.pay(self.placed(), offers).order
        assert order.state == "paid"
        return order

    def shipped(self) -> Order:
        """Order A, paid and sent."""
        order = self.paid()
        self.engine.accept(order.id, key=self.key())
        return self.engine.ship(order.id, key=self.key())

    def completed(self) -> Order:
        """Order A, at its end."""
        order = self.shipped()
        self.engine.deliver(order.id, key=self.key())
        return self.engine.complete(order.id, key=self.key())

    def refund(self, order: Order, *lines: str) -> Order:
        """Refund one unit of each line, or all that is left."""
        from ordercore import Manifest

        goods = Manifest.of(dict.fromkeys(lines, 1)) if lines else None
        return self.engine.refund(
            order.id, goods, reason="returned", key=self.key(), by=STAFF
        ).order

    def at(self, minutes: float = 0, seconds: float = 0) -> Any:
        """Go to a moment after noon and sweep; what the sweep did."""
        self.clock.set(after(minutes, seconds))
        return self.engine.sweep()

    def get(self, order: Order) -> Order:
        """The order as it now stands."""
        return self.engine.get(order.id)

    # --- What there is to see -----------------------------------------------------------------

    def books(self) -> dict[str, int]:
        """The accounts that do not stand at zero, by name and detail, credit below zero."""
        return {
            f"{b.account.value}:{b.detail}".rstrip(":"): b.amount
            for b in self.engine.trial_balance()
            if b.amount
        }

    def free(self) -> list[int | None]:
        """Units free of each article."""
        return [self.stock.free(f"SKU-{i}") for i in (1, 2, 3)]

    def accounts(self) -> tuple[int, int, int]:
        """What the shopper has: points, balance, gift card."""
        return (
            self.points.balance("c1"), self.balance.balance("c1"), self.cards.balance("GC-9"),
        )  # fmt: skip

    def snapshot(self) -> dict[str, object]:
        """Everything that a command may alter, for comparison."""
        store = self.store
        return {
            "orders": dict(store._orders),
            "history": {name: tuple(made) for name, made in store._history.items()},
            "timers": dict(store._timers),
            "entries": tuple(store._entries),
            "receipts": dict(store._receipts),
            "outbox": len(store._outbox),
            "charges": {
                (g.name, key): (c.amount, c.points, c.outcome, c.captured, c.refunded)
                for g in self.gateways.values()
                for key, c in g._charges.items()
            },
            "refunds": {g.name: dict(g._refunds) for g in self.gateways.values()},
            "accounts": self.accounts(),
            "reserved": {
                name: (dict(r.goods), r.until, r.deducted)
                for name, r in self.stock._reserved.items()
            },
            "free": self.free(),
        }

    @contextmanager
    def refused(self, error: type[OrdercoreError]) -> Iterator[pytest.ExceptionInfo[Any]]:
        """The block is refused with this very error, its code and its reason, and nothing changed (L12)."""
        before = self.snapshot()
        with pytest.raises(error) as caught:
            yield caught
        assert type(caught.value) is error
        assert caught.value.code == error.code
        assert caught.value.reason
        after_it = self.snapshot()
        for part, was in before.items():
            assert after_it[part] == was, f"L12: a refused command changed {part}"

    def orders(self) -> tuple[Order, ...]:
        """Every order."""
        return self.engine.find(OrderQuery(limit=500))

    # --- What always holds --------------------------------------------------------------------

    def check(self, *, settled: bool = True) -> None:
        """The laws that hold of every order and every gateway; ``settled``: nothing is in flight."""
        laws.trial_balance_is_zero(self.engine.trial_balance())
        for order in self.orders():
            journal = self.engine.journal(order.id)
            laws.replay_gives(order, [(told.event, told.at) for told in journal])
            entries = [
                entry
                for name, _, entries, *_ in self.store._entries
                for entry in entries
                if name == order.id
            ]
            laws.books_tell_the_money(order, entries)
            laws.refunds_bounded(order.payments)
            if settled:
                self._check_settled(order)
        if settled:
            self._check_gateways()

    def _check_settled(self, order: Order) -> None:
        live = [a for a in order.payments.attempts if a.live]
        assert not live, f"attempts wait for ever: {live}"
        assert order.closing is None, "closing for ever"
        kept = sum(a.captured - a.returned for a in order.payments.attempts)
        if order.state == "closed":
            back = order.payments.refunded + order.payments.taken_back
            assert kept == back, f"L21: {kept - back} is stranded on a closed order"
            held = self.stock.reserved(order.content.reservation)
            assert not held, f"L22: a closed order holds {held}"
        elif order.state == "pending_payment":
            assert kept == 0, f"{kept} is held by an order that is not paid"
        else:
            assert kept == order.total, f"L7: {kept} is charged, {order.total} was due"
            held = self.stock.reserved(order.content.reservation)
            kept_goods = {sku: n for sku, n in order.stock_kept() if n}
            assert not self.stocked or held == kept_goods, f"the goods are lost: {held}"
        for attempt in order.payments.attempts:
            # what the order says is what the gateway holds, key by key (L7)
            charge = self.gateways[attempt.gateway]._charges.get(attempt.id)
            got = 0 if charge is None else charge.captured
            said = attempt.captured - attempt.returned
            assert got == said, f"L7: {attempt.id} holds {got}, the order says {said}"
            held_now = attempt.state is AttemptState.AUTHORIZED
            assert not held_now, f"{attempt.id} is authorized for ever"

    def _check_gateways(self) -> None:
        books = self.books()
        for gateway in self.gateways.values():
            side = "stored_value_liability" if isinstance(gateway, AccountGateway) else "clearing"
            side = "points_liability" if gateway is self.points else side
            account = f"{side}:{gateway.name}"
            got, said = gateway.taken, books.get(account, 0)
            assert got == said, f"L9: {gateway.name} holds {got}, the books say {said}"
            assert gateway.held == 0, f"L22: {gateway.name} still holds {gateway.held}"
        known = {order.content.reservation for order in self.orders()}
        self.stock.free("SKU-1")  # lets what has lapsed lapse
        orphans = set(self.stock._reserved) - known
        assert not orphans, f"L22: goods are held for no order: {orphans}"
        points, balance, card = self.accounts()
        assert points == POINTS - self.points.taken
        assert balance == BALANCE - self.balance.taken
        assert card == CARD - self.cards.taken


def world_policies(step: int = 1) -> Policies:
    """Tax of 13 % within the price; points in steps."""
    return Policies(
        pricing=PricingPolicy(tax=TaxPolicy(default=Percent.of("13"))),
        tenders=TenderPolicy(
            (
                TenderRule("points", step=step),
                TenderRule("balance"),
                TenderRule("stored_value"),
            )
        ),
    )


PLAIN = world_policies()
"""The policies of a world that says nothing else."""


@cache
def composed() -> OrderEngine:
    """An engine with the plain policies, composed in the usual way."""
    engine = OrderEngine(MemoryStore(), policies=PLAIN)
    assert set(vars(engine)) == {"shop"}  # all that an engine of a world replaces
    return engine
