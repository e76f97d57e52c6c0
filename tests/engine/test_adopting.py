"""Orders that were elsewhere are written into the store, once, and driven from there on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from ordercore import (
    Actor,
    Cart,
    CartLine,
    Manifest,
    Money,
    NumberTemplate,
    OrderEngine,
    Party,
    Percent,
    Policies,
    SettableClock,
)
from ordercore.adapters.memory import MemoryGateway, MemoryStock, MemoryStore
from ordercore.adapters.sql import SqlStore
from ordercore.adoption import (
    GRACE,
    Snapshot,
    SnapshotLine,
    SnapshotPayment,
    SnapshotRefund,
    StatusMap,
)
from ordercore.engine.adopting import BATCH, Adoption, adopt, adopt_many
from ordercore.engine.flow import run
from ordercore.errors import InvalidSnapshot, KeyReused, OutOfStock, StoreError, UnknownLifecycle
from ordercore.order import Order
from ordercore.tender import RefundOutcome, RefundStatus
from ordercore.testing import laws

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ordercore.adoption import AdoptionReport
    from ordercore.change import Change
    from ordercore.tender import RefundRequest

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
STAFF = Actor.staff("s1")
TEA = SnapshotLine("TEA", 2, Money("10.00", "EUR"), tax_rate=Percent.of("19"))
CUP = SnapshotLine("CUP", 1, Money("5.00", "EUR"), tax_rate=Percent.of("19"))
PAID = Snapshot(
    "A-1", "EUR", NOW - timedelta(days=9), (TEA, CUP), "paid", customer=Party("ada"),
    payments=(SnapshotPayment("card", Money("25.00", "EUR"), "ch_1"),),
)  # fmt: skip
SENT = attrs.evolve(
    PAID, number="A-2", state="shipped",
    lines=(attrs.evolve(TEA, shipped=2), attrs.evolve(CUP, shipped=1)),
)  # fmt: skip
WAITS = attrs.evolve(PAID, number="A-3", state="pending_payment", payments=())


class FormerChannel(MemoryGateway):
    """A channel that took charges before we were there: it knows them by its own references."""

    def __init__(self, clock: SettableClock, charges: dict[str, int]) -> None:
        super().__init__("card", clock)
        self.charges = charges
        self.asked: list[RefundRequest] = []

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give back part of a charge that it knows."""
        self.asked.append(request)
        if self.charges.get(request.reference, 0) < request.amount:
            return RefundOutcome(RefundStatus.FAILED)
        self.charges[request.reference] -= request.amount
        return RefundOutcome(RefundStatus.ARRIVED)


class Backend:
    """A shop with a store, a stock of 10 and a channel that knows one old charge."""

    def __init__(self, store: Any = None, policies: Policies | None = None) -> None:
        self.clock = SettableClock(NOW)
        self.store = MemoryStore() if store is None else store
        self.channel = FormerChannel(self.clock, {"ch_1": 2_500})
        self.stock = MemoryStock(self.clock, {"TEA": 10, "CUP": 10})
        self.engine = OrderEngine(
            self.store, {"card": self.channel}, self.stock, policies, clock=self.clock
        )

    def adopt(self, snapshot: Snapshot, **options: Any) -> Adoption:
        """Take one over."""
        return run(adopt(self.engine.shop, snapshot, **options))

    def adopt_many(self, snapshots: Sequence[Any], **options: Any) -> AdoptionReport:
        """Take many over."""
        return run(adopt_many(self.engine.shop, snapshots, **options))


@pytest.fixture(params=["memory", "sql"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A backend over each store."""
    if request.param == "memory":
        yield Backend()
        return
    with SqlStore(f"sqlite:///{tmp_path / 'orders.db'}") as store:
        yield Backend(store)


def test_an_adopted_order_goes_its_way(backend: Backend) -> None:
    """Paid elsewhere, it is shipped, refunded under the channel's own reference, and completed; the books balance."""
    order = backend.adopt(PAID).order
    engine = backend.engine
    engine.accept(order.id, key="k1")
    engine.ship(order.id, Manifest.of({"1": 1}), key="k2")
    result = engine.refund(order.id, Manifest.of({"1": 1}), reason="broken", key="k3", by=STAFF)
    assert result.refund.arrived
    (asked,) = backend.channel.asked
    assert (asked.reference, asked.amount) == ("ch_1", 1_000)
    engine.ship(order.id, key="k4")
    engine.deliver(order.id, key="k5")
    done = engine.complete(order.id, key="k6")
    assert done.state == "completed"
    laws.trial_balance_is_zero(engine.trial_balance())
    books = {f"{b.account.value}:{b.detail}": b.amount for b in engine.trial_balance() if b.amount}
    assert books == {
        "clearing:card": -1_000, "opening:card": 2_500, "revenue:": -1_260, "tax_payable:19": -240,
    }  # fmt: skip
    journal = engine.journal(order.id)
    laws.replay_gives(done, [(told.event, told.at) for told in journal])
    assert (journal[0].event.name, journal[0].command) == ("order.adopted", "Adopt")


def test_the_same_order_told_again_is_there_already(backend: Backend) -> None:
    """A second adoption of the same content writes nothing; other content under the number is refused."""
    first = backend.adopt(PAID)
    again = backend.adopt(PAID)
    assert (first.repeated, again.repeated) == (False, True)
    assert again.order == first.order
    with pytest.raises(KeyReused):
        backend.adopt(attrs.evolve(PAID, tags=("vip",)))
    assert len(backend.engine.find()) == 1


def test_one_that_fails_fails_alone(backend: Backend) -> None:
    """The others of its batch are written, and the report names the fault by its path."""
    broken = attrs.evolve(PAID, number="A-9", lines=(TEA, attrs.evolve(CUP, quantity=0)))
    report = backend.adopt_many([PAID, broken, SENT, WAITS])
    assert (report.told, report.adopted, report.failed) == (4, 3, 1)
    (fault,) = report.faults
    assert (fault.path, fault.number, fault.code) == (
        "orders[1].lines[1].quantity", "A-9", "invalid_quantity",
    )  # fmt: skip
    assert {order.number for order in backend.engine.find()} == {"A-1", "A-2", "A-3"}


def test_the_report_counts_states_and_money(backend: Backend) -> None:
    """Orders by state, and by currency what was paid, refunded, is on its way, and is owed as advance."""
    back = attrs.evolve(
        PAID, number="A-4", refunds=(SnapshotRefund(goods=Manifest.of({"2": 1}), arrived=False),)
    )
    report = backend.adopt_many([PAID, back, WAITS])
    assert report.states == (("standard", "paid", 2), ("standard", "pending_payment", 1))
    (sums,) = report.sums
    assert (sums.orders, sums.total, sums.paid, sums.refunded) == (3, 7_500, 5_000, 500)
    assert (sums.in_transit, sums.advances) == (500, 4_500)
    balances = {b.account.value: b.amount for b in backend.engine.trial_balance()}
    assert balances["advances"] == -sums.advances
    again = backend.adopt_many([PAID, back, WAITS])
    assert (again.adopted, again.repeated) == (0, 3)


def test_a_number_told_twice_is_a_fault(backend: Backend) -> None:
    """The second order of a number in one call is refused, whatever it says."""
    report = backend.adopt_many([PAID, attrs.evolve(SENT, number="A-1")])
    assert [fault.path for fault in report.faults] == ["orders[1].number"]


def test_a_number_of_another_order_is_a_fault(backend: Backend) -> None:
    """What was placed here keeps its number and its id."""
    cart = Cart("EUR", (CartLine("TEA", 1, Money("9.99", "EUR")),))
    placed = backend.engine.place(backend.engine.quote(cart), key="p1", by=Actor.customer("ada"))
    for change, path in (({"number": placed.number}, "number"), ({"id": placed.id}, "id")):
        with pytest.raises(InvalidSnapshot) as caught:
            backend.adopt(attrs.evolve(PAID, **change))
        assert caught.value.path == path


def test_a_dry_run_writes_nothing(backend: Backend) -> None:
    """It says what would be adopted, and nothing is there afterwards."""
    report = backend.adopt_many([PAID, SENT], dry_run=True, reserve=True)
    assert (report.adopted, report.dry_run) == (2, True)
    assert backend.engine.find() == ()
    assert backend.stock.free("TEA") == 10
    assert not backend.adopt(PAID, dry_run=True).repeated
    assert backend.engine.trial_balance() == ()


def test_more_than_one_batch_is_written(backend: Backend) -> None:
    """Orders beyond one commit are all there."""
    many = [attrs.evolve(PAID, number=f"B-{i}") for i in range(BATCH + 3)]
    assert backend.adopt_many(many).adopted == BATCH + 3
    assert backend.adopt_many(many).repeated == BATCH + 3


def test_what_could_not_be_read_is_counted(backend: Backend) -> None:
    """An error among the orders is that order's fault, under its number; so is what is no snapshot."""
    error = InvalidSnapshot("no number", path="lines[0].quantity", number="A-7")
    report = backend.adopt_many([error, "A-8", PAID])
    assert [(f.path, f.number) for f in report.faults] == [
        ("orders[0].lines[0].quantity", "A-7"), ("orders[1]", ""),
    ]  # fmt: skip
    assert report.adopted == 1


def test_values_of_another_type_fail_alone(backend: Backend) -> None:
    """A host without a type checker is told of its mistake, and the rest goes on."""
    wrong = attrs.evolve(PAID, number="A-8", lines=("TEA",))
    report = backend.adopt_many([wrong, PAID])
    assert (report.failed, report.adopted) == (1, 1)
    assert "another type" in report.faults[0].reason


# --- Clocks ----------------------------------------------------------------------------------


def test_the_first_sweep_closes_and_confirms_nothing(backend: Backend) -> None:
    """Clocks that ran out before the adoption wait for the grace, and act then."""
    sent, waits = backend.adopt(SENT).order, backend.adopt(WAITS).order
    engine = backend.engine
    engine.sweep()
    assert engine.get(sent.id).state == "shipped"
    assert engine.get(waits.id).state == "pending_payment"
    backend.clock.advance(GRACE - timedelta(hours=1))
    engine.sweep()
    assert engine.get(sent.id).state == "shipped"
    assert engine.get(waits.id).state == "pending_payment"
    backend.clock.advance(timedelta(hours=1))
    engine.sweep()
    assert engine.get(sent.id).state == "received"
    assert engine.get(waits.id).state == "closed"


def test_without_grace_overdue_clocks_act_at_once(backend: Backend) -> None:
    """A host that wants it lets the first sweep catch up."""
    sent = backend.adopt(SENT, grace=timedelta(0)).order
    backend.engine.sweep()
    assert backend.engine.get(sent.id).state == "received"


def test_clocks_that_still_run_keep_their_moment(backend: Backend) -> None:
    """A parcel of yesterday is confirmed when its own time is up."""
    fresh = attrs.evolve(SENT, entered_at=NOW - timedelta(days=1))
    order = backend.adopt(fresh).order
    backend.clock.set(NOW + timedelta(days=5, hours=23))
    backend.engine.sweep()
    assert backend.engine.get(order.id).state == "shipped"
    backend.clock.set(NOW + timedelta(days=6))
    backend.engine.sweep()
    assert backend.engine.get(order.id).state == "received"


# --- Stock, prices, lifecycles ---------------------------------------------------------------


def test_goods_are_reserved_where_that_is_asked() -> None:
    """Goods of an order of which nothing has left are promised for good; a refund frees its own."""
    backend = Backend()
    order = backend.adopt(PAID, reserve=True).order
    assert (backend.stock.free("TEA"), backend.stock.free("CUP")) == (8, 9)
    backend.clock.advance(timedelta(days=60))
    assert backend.stock.free("TEA") == 8
    backend.engine.refund(order.id, Manifest.of({"1": 1}), reason="no", key="k", by=STAFF)
    assert backend.stock.free("TEA") == 9


def test_goods_are_not_reserved_by_default() -> None:
    """The host's stock has them deducted already; what has left in part is never reserved."""
    backend = Backend()
    backend.adopt(PAID)
    part = attrs.evolve(
        PAID, number="A-5", state="awaiting_shipment", lines=(attrs.evolve(TEA, shipped=1), CUP)
    )
    told = backend.adopt(part, reserve=True)
    assert backend.stock.free("TEA") == 10
    assert told.remarks[0][0] == "shipments"


def test_too_few_goods_fail_their_order_alone() -> None:
    """An order whose goods are not there is not adopted when they are to be reserved."""
    backend = Backend()
    many = attrs.evolve(WAITS, lines=(attrs.evolve(TEA, quantity=11),))
    with pytest.raises(OutOfStock):
        backend.adopt(many, reserve=True)
    assert backend.adopt_many([many, PAID], reserve=True).adopted == 1


def test_goods_are_free_again_when_nothing_was_written() -> None:
    """A store that fails leaves no promise behind."""

    class Failing(MemoryStore):
        def commit(self, changes: Sequence[Change]) -> None:
            raise StoreError("the disk is full")

    backend = Backend(Failing())
    with pytest.raises(StoreError):
        backend.adopt(PAID, reserve=True)
    assert backend.stock.free("TEA") == 10
    assert backend.adopt_many([PAID, SENT]).failed == 2


def test_two_workers_adopt_one_order() -> None:
    """The one that comes second finds the order of the first."""

    class Slow(MemoryStore):
        """Another worker adopts the same order between the look and the write."""

        other: Backend | None = None

        def commit(self, changes: Sequence[Change]) -> None:
            if self.other is not None:
                other, self.other = self.other, None
                other.adopt(PAID)
            super().commit(changes)

    store = Slow()
    backend = Backend(store)
    store.other = Backend(store)
    found = backend.adopt(PAID)
    assert found.repeated
    assert [order.id for order in backend.engine.find()] == [found.order.id]


def test_a_cart_is_priced_by_the_shop() -> None:
    """With a cart the figures are those of today's policies, and the order can be amended later."""
    backend = Backend()
    cart = Cart("EUR", (CartLine("TEA", 2, Money("10.00", "EUR")),))
    told = attrs.evolve(
        PAID,
        lines=(),
        cart=cart,
        payments=(SnapshotPayment("card", Money("20.00", "EUR"), "ch_1"),),
    )
    order: Order = backend.adopt(attrs.evolve(told, total=Money("20.00", "EUR"))).order
    assert order.content.cart == cart
    with pytest.raises(InvalidSnapshot, match="priced anew it is") as caught:
        backend.adopt(attrs.evolve(told, number="A-2", total=Money("21.00", "EUR")))
    assert caught.value.path == "total"


def test_statuses_are_read_by_the_map() -> None:
    """The host's word decides the state; an unknown lifecycle is told as such."""
    backend = Backend()
    statuses = StatusMap({"done": ("standard", "paid"), "odd": ("nowhere", "paid")})
    word = attrs.evolve(PAID, state="", status="done")
    assert backend.adopt(word, statuses=statuses).order.state == "paid"
    with pytest.raises(UnknownLifecycle) as caught:
        backend.adopt(attrs.evolve(word, number="A-2", status="odd"), statuses=statuses)
    assert caught.value.path.startswith("lifecycle")


def test_numbers_like_our_own_are_remarked_once() -> None:
    """A number that the shop's own template would give again is told, for the first order alone."""
    backend = Backend(policies=Policies(numbers=NumberTemplate("A-{seq}")))
    report = backend.adopt_many([PAID, SENT])
    assert [r.path for r in report.remarks] == ["orders[0].number"]
    assert not Backend().adopt_many([PAID, SENT]).remarks
