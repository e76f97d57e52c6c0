"""Our own adapters keep the promises of the ports, plain and asynchronous, and a broken one is caught."""

# ruff: noqa: D102 - what an override is to do stands on the port

from __future__ import annotations

import inspect
import tempfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from ordercore.adapters.memory import AccountGateway, MemoryGateway, MemoryStock, MemoryStore
from ordercore.adapters.sql import SqlStore
from ordercore.clock import SettableClock
from ordercore.errors import KeyReused
from ordercore.tender import Capabilities, Outcome, OutcomeStatus, RefundOutcome, RefundStatus
from ordercore.testing import (
    START,
    FaultyGateway,
    FaultyStock,
    OrderStoreContract,
    PaymentGatewayContract,
    StockKeeperContract,
)
from ordercore.timeout import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.change import Change
    from ordercore.ports import OrderStore, PaymentGateway, StockKeeper
    from ordercore.tender import ChargeRequest, RefundRequest


class Awaited:
    """Any adapter with asynchronous methods: each answer comes a turn of the loop later."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._adapter, name)
        if not callable(found) or name == "parse":
            return found

        async def later(*args: Any, **kw: Any) -> Any:
            return found(*args, **kw)

        return later


# --- Stores ----------------------------------------------------------------------------------


class TestMemoryStore(OrderStoreContract):
    """The store in memory."""

    def make_store(self) -> OrderStore:
        return MemoryStore()


class TestAwaitedStore(OrderStoreContract):
    """The store in memory, asynchronous."""

    async def make_store(self) -> OrderStore:
        store: OrderStore = Awaited(MemoryStore())
        return store


class TestSqliteMemoryStore(OrderStoreContract):
    """The store on SQLite in memory."""

    def make_store(self) -> OrderStore:
        return SqlStore("sqlite://")

    def close_store(self, store: OrderStore) -> None:
        assert isinstance(store, SqlStore)
        store.close()


class TestSqliteFileStore(OrderStoreContract):
    """The store on an SQLite file, seen by a second process through an engine of its own."""

    folders: ClassVar[dict[OrderStore, tempfile.TemporaryDirectory[str]]] = {}

    def make_store(self) -> OrderStore:
        folder = tempfile.TemporaryDirectory()
        store = SqlStore(f"sqlite:///{folder.name}/orders.db", synchronous="NORMAL")
        self.folders[store] = folder
        return store

    def reopen(self, store: OrderStore) -> OrderStore:
        assert isinstance(store, SqlStore)
        again = SqlStore(f"sqlite:///{self.folders[store].name}/orders.db")
        self.folders[again] = self.folders[store]
        return again

    def close_store(self, store: OrderStore) -> None:
        folder = self.folders[store]
        for opened in [s for s, place in self.folders.items() if place is folder]:
            opened.close()
            del self.folders[opened]
        folder.cleanup()


# --- Gateways --------------------------------------------------------------------------------


class NotifyingInMemory(PaymentGatewayContract):
    """What the gateways in memory have in common: the notification that they would send."""

    def notification(self, gateway: PaymentGateway, request: ChargeRequest) -> Any:
        found: Any = gateway
        return {}, self.ask(found.notification(request.key))


class GatewayInMemory(NotifyingInMemory):
    """What the channels in memory have in common: they know what they hold."""

    def moved(self, gateway: PaymentGateway) -> int:
        assert isinstance(gateway, MemoryGateway)
        return gateway.taken + gateway.held

    def declined(self, gateway: PaymentGateway) -> ChargeRequest:
        assert isinstance(gateway, MemoryGateway)
        gateway.decline("a-2")
        return self.request(account="a-2")


class TestMemoryGateway(GatewayInMemory):
    """A channel that takes at once."""

    def make_gateway(self) -> PaymentGateway:
        return MemoryGateway("card", SettableClock(START))


class TestAuthorizingGateway(GatewayInMemory):
    """A channel that holds first and takes later."""

    def make_gateway(self) -> PaymentGateway:
        return MemoryGateway("card", SettableClock(START), authorizes_first=True)


class TestAskingGateway(GatewayInMemory):
    """A channel whose payer must act, and whose refunds take their time."""

    def make_gateway(self) -> PaymentGateway:
        clock = SettableClock(START)
        return MemoryGateway("wechat", clock, asks_payer=True, refunds_arrive=False)

    def payer_pays(self, gateway: PaymentGateway, request: ChargeRequest) -> None:
        assert isinstance(gateway, MemoryGateway)
        gateway.pay(request.key)

    def under_way(self, gateway: PaymentGateway) -> int:
        assert isinstance(gateway, MemoryGateway)
        return sum(request.amount for _, request in gateway._under_way.values())


class TestBalanceGateway(NotifyingInMemory):
    """An account of money: what it holds less is what was moved."""

    def make_gateway(self) -> PaymentGateway:
        return AccountGateway("balance", SettableClock(START), {"a-1": 50_000})


class TestPointsGateway(NotifyingInMemory):
    """An account of points, ten minor units a point."""

    def make_gateway(self) -> PaymentGateway:
        return AccountGateway("points", SettableClock(START), {"a-1": 5_000}, points=True)

    def points(self, amount: int) -> int:
        return amount // 10


class TestAwaitedGateway(NotifyingInMemory):
    """An account, asynchronous."""

    async def make_gateway(self) -> PaymentGateway:
        gateway: PaymentGateway = Awaited(
            AccountGateway("balance", SettableClock(START), {"a-1": 50_000})
        )
        return gateway


class TestFaultyGatewayWithoutFaults(TestAskingGateway):
    """A double without a fault is what it wraps."""

    def make_gateway(self) -> PaymentGateway:
        return FaultyGateway(super().make_gateway())

    def moved(self, gateway: PaymentGateway) -> int:
        assert isinstance(gateway, FaultyGateway)
        return super().moved(gateway.gateway)

    def payer_pays(self, gateway: PaymentGateway, request: ChargeRequest) -> None:
        assert isinstance(gateway, FaultyGateway)
        super().payer_pays(gateway.gateway, request)

    def declined(self, gateway: PaymentGateway) -> ChargeRequest:
        assert isinstance(gateway, FaultyGateway)
        return super().declined(gateway.gateway)

    def under_way(self, gateway: PaymentGateway) -> int:
        assert isinstance(gateway, FaultyGateway)
        return super().under_way(gateway.gateway)


# --- Stock -----------------------------------------------------------------------------------


class TestMemoryStock(StockKeeperContract):
    """The stock in memory."""

    def make_stock(self, levels: Mapping[str, int]) -> StockKeeper:
        self.clock = SettableClock(START)
        return MemoryStock(self.clock, levels)

    def advance(self, by: timedelta) -> None:
        self.clock.advance(by)


class TestAwaitedFaultyStock(TestMemoryStock):
    """The same behind a double, asynchronous."""

    def make_stock(self, levels: Mapping[str, int]) -> StockKeeper:
        stock: StockKeeper = FaultyStock(Awaited(super().make_stock(levels)))
        return stock


# --- The contracts themselves ------------------------------------------------------------------


def broken_promises(contract: Any) -> list[str]:
    """Names of the tests of a contract that fail for its adapter; properties are left out."""
    failed = []
    for name, test in inspect.getmembers(contract, callable):
        if not name.startswith("test_") or hasattr(test, "hypothesis"):
            continue
        case = type(contract)()
        loops = case._one_loop_a_test.__wrapped__(case)
        next(loops)
        setups = [
            getattr(case, fixture).__wrapped__(case, None)
            for fixture in dir(case)
            if fixture.startswith("_one_") and fixture != "_one_loop_a_test"
        ]
        for setup in setups:
            next(setup)
        try:
            getattr(case, name)()
        except (AssertionError, Exception, pytest.fail.Exception):  # noqa: BLE001
            failed.append(name)
        for running in (*setups, loops):
            next(running, None)
    return failed


class Forgetful(MemoryStore):
    """Writes each change on its own, so a bad one comes too late."""

    def commit(self, changes: Sequence[Change]) -> None:
        for change in changes:
            super().commit([change])


class Blind(MemoryStore):
    """Takes a key twice."""

    def commit(self, changes: Sequence[Change]) -> None:
        try:
            super().commit(changes)
        except KeyReused:
            for change in changes:
                self._write(change)


class Generous(MemoryStore):
    """Gives a claimed timer to whoever asks."""

    def claim_timers(self, now: Any, limit: int, lease: Any) -> tuple[Timer, ...]:
        return super().claim_timers(now, limit, timedelta(0))


class Hasty(MemoryStore):
    """Drops a settled timer whatever happened since."""

    def settle_timers(self, claimed: Any) -> None:
        for timer, due in claimed:
            self._timers[timer.order_id, timer.key] = timer
            super().settle_timers([(timer, due)])


class Repeating(MemoryStore):
    """Gives each number twice."""

    def next_number(self, sequence: str) -> int:
        return (super().next_number(sequence) + 1) // 2


STORES: dict[Callable[[], Any], str] = {
    Forgetful: "test_one_bad_change_of_several_writes_none",
    Blind: "test_a_key_is_taken_once_a_shop",
    Generous: "test_a_claimed_timer_is_nobody_elses_until_the_lease_ends",
    Hasty: "test_a_timer_set_anew_since_the_claim_stays",
    Repeating: "test_numbers_grow_and_never_come_twice",
}


@pytest.mark.parametrize("make", STORES, ids=lambda make: make.__name__)
def test_a_store_that_breaks_a_promise_is_caught(make: Callable[[], Any]) -> None:
    """Each planted fault fails the test of its promise."""

    class Case(OrderStoreContract):
        def make_store(self) -> OrderStore:
            store: OrderStore = make()
            return store

    assert STORES[make] in broken_promises(Case())


def test_a_store_that_keeps_its_promises_fails_nothing() -> None:
    """The way in which the planted faults are run finds nothing where there is none."""

    class Case(OrderStoreContract):
        def make_store(self) -> OrderStore:
            return MemoryStore()

    assert broken_promises(Case()) == []


class Doubling(MemoryGateway):
    """Takes the money again when it is asked again."""

    def authorize(self, request: ChargeRequest) -> Outcome:
        self._charges.pop(request.key, None)
        outcome = super().authorize(request)
        self._extra = getattr(self, "_extra", 0) + 1
        return outcome

    @property
    def taken(self) -> int:
        return getattr(self, "_extra", 0) * 1_000


class Undead(MemoryGateway):
    """Says that a key never seen is dead, and takes its money afterwards."""

    def void(self, request: ChargeRequest) -> Outcome:
        if request.key not in self._charges:
            return Outcome(OutcomeStatus.VOIDED)
        return super().void(request)


class Lavish(MemoryGateway):
    """Gives back more than it took."""

    def refund(self, request: RefundRequest) -> RefundOutcome:
        return RefundOutcome(RefundStatus.ARRIVED, f"r-{request.key}")


class Stubborn(MemoryGateway):
    """Takes a paid charge back when it is closed."""

    def close(self, request: ChargeRequest) -> Outcome:
        return self.void(request)


class Silent(MemoryGateway):
    """Declares that it holds first, and takes at once."""

    def __init__(self, name: str, clock: SettableClock) -> None:
        super().__init__(name, clock)
        self._held = self.capabilities

    def authorize(self, request: ChargeRequest) -> Outcome:
        self.capabilities = self._held
        outcome = super().authorize(request)
        self.capabilities = Capabilities(captures_at_once=False)
        return outcome


GATEWAYS: dict[type[MemoryGateway], str] = {
    Doubling: "test_the_same_key_never_moves_money_twice",
    Undead: "test_a_void_kills_a_key_never_seen_or_cannot_tell",
    Lavish: "test_more_than_was_captured_does_not_go_back",
    Stubborn: "test_closing_what_is_paid_leaves_it_paid",
    Silent: "test_money_is_held_before_it_is_taken_where_that_is_declared",
}


@pytest.mark.parametrize("make", GATEWAYS, ids=lambda make: make.__name__)
def test_a_gateway_that_breaks_a_promise_is_caught(make: type[MemoryGateway]) -> None:
    """Each planted fault fails the test of its promise."""

    class Case(GatewayInMemory):
        def make_gateway(self) -> PaymentGateway:
            return make("card", SettableClock(START))

    assert GATEWAYS[make] in broken_promises(Case())


class Overselling(MemoryStock):
    """Promises what it does not have."""

    def reserve(self, reservation: str, goods: Any, until: Any) -> None:
        for sku, units in goods:
            if self._stock is not None:
                self._stock[sku] = max(self._stock.get(sku, 0), units)
        super().reserve(reservation, goods, until)


class Eternal(MemoryStock):
    """Never lets a promise lapse."""

    def _lapse(self) -> None:
        pass


STOCKS: dict[type[MemoryStock], str] = {
    Overselling: "test_no_more_is_promised_than_there_is",
    Eternal: "test_a_promise_lapses",
}


@pytest.mark.parametrize("make", STOCKS, ids=lambda make: make.__name__)
def test_a_keeper_that_breaks_a_promise_is_caught(make: type[MemoryStock]) -> None:
    """Each planted fault fails the test of its promise."""

    class Case(TestMemoryStock):
        def make_stock(self, levels: Mapping[str, int]) -> StockKeeper:
            self.clock = SettableClock(START)
            return make(self.clock, levels)

    assert STOCKS[make] in broken_promises(Case())
