"""What goes wrong while orders are taken over, and what must not come of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from ordercore import Money, OrderEngine, SettableClock
from ordercore.adapters.memory import MemoryGateway, MemoryStock, MemoryStore
from ordercore.adoption import (
    Snapshot,
    SnapshotCharge,
    SnapshotLine,
    SnapshotPayment,
    SnapshotRefund,
    SnapshotShipment,
    StatusMap,
)
from ordercore.errors import InvalidDocument, InvalidInput, InvalidSnapshot
from ordercore.goods import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
ODD: tuple[Any, ...] = (
    None, 5, -1, True, 1.5, "x", b"x", [], ["x"], {}, object(), (5,), (None,), Manifest(), NOW,
)  # fmt: skip


def eur(text: str) -> Money:
    """An amount in EUR."""
    return Money(text, "EUR")


TEA = SnapshotLine("TEA", 1, eur("10.00"))
CARD = SnapshotPayment("card", eur("10.00"), "ch_1")
PAID = Snapshot("A-1", "EUR", NOW - timedelta(days=9), (TEA,), "paid", payments=(CARD,))
UNPAID = attrs.evolve(PAID, state="pending_payment", payments=())


class World:
    """An engine over ten pieces of tea."""

    def __init__(self) -> None:
        self.clock = SettableClock(NOW)
        self.stock = MemoryStock(self.clock, {"TEA": 10})
        gateways = {"card": MemoryGateway("card", self.clock)}
        self.engine = OrderEngine(MemoryStore(), gateways, clock=self.clock, stock=self.stock)

    @property
    def left(self) -> int:
        """Pieces that nobody was promised."""
        return self.stock.free("TEA") or 0


@pytest.fixture
def world() -> World:
    """A shop with ten pieces."""
    return World()


# --- Promises ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (PAID, attrs.evolve(PAID, assigned="bob"), "key_reused"),
        (
            attrs.evolve(PAID, id="o-1"),
            attrs.evolve(PAID, number="A-2", id="o-1"),
            "invalid_snapshot",
        ),
    ],
)
def test_l22_an_order_that_another_worker_wrote_first_promises_nothing(
    world: World, first: Snapshot, second: Snapshot, code: str
) -> None:
    """Of two that tell one number, or one id, otherwise, only the first written holds a piece."""

    def told() -> Iterator[Snapshot]:
        yield first
        world.engine.adopt(second, reserve=True)

    report = world.engine.adopt_many(told(), reserve=True)
    assert [fault.code for fault in report.faults] == [code]
    assert (len(world.engine.find()), world.left) == (1, 9)


@pytest.mark.parametrize(("reserve", "left"), [(True, 9), (False, 10)])
def test_l22_the_same_order_of_another_worker_keeps_its_own_promise(
    world: World, reserve: bool, left: int
) -> None:
    """Told alike, it is there already: its piece stays promised where it was, and only there."""

    def told() -> Iterator[Snapshot]:
        yield PAID
        world.engine.adopt(PAID, reserve=reserve)

    report = world.engine.adopt_many(told(), reserve=True)
    assert (report.repeated, report.failed, world.left) == (1, 0, left)


def test_what_came_before_an_error_of_the_host_is_written(world: World) -> None:
    """An iterator that breaks off loses no order that was told, and its error goes on."""

    def told() -> Iterator[Snapshot]:
        yield PAID
        yield attrs.evolve(PAID, number="A-2")
        raise InvalidDocument("line 3 is no CSV")

    with pytest.raises(InvalidDocument, match="line 3"):
        world.engine.adopt_many(told(), reserve=True)
    assert (len(world.engine.find()), world.left) == (2, 8)


def test_what_came_before_the_last_order_of_a_call_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One order too many is refused, and those before it are there."""
    monkeypatch.setattr("ordercore.engine.adopting.ORDERS_MAX", 1)
    with pytest.raises(InvalidInput, match="at most 1 orders"):
        world.engine.adopt_many([PAID, attrs.evolve(PAID, number="A-2")], reserve=True)
    assert (len(world.engine.find()), world.left) == (1, 9)


# --- Types ------------------------------------------------------------------------------------


def parts() -> Iterator[tuple[str, Any, Any]]:
    """Every field of a snapshot and of its parts, with a snapshot for each odd value: (path, value, snapshot)."""
    rooms: tuple[tuple[str, Any], ...] = (
        ("lines", TEA),
        ("payments", CARD),
        ("charges", SnapshotCharge(eur("1.00"))),
        ("refunds", SnapshotRefund(eur("1.00"))),
        ("shipments", SnapshotShipment(Manifest.of({"1": 1}))),
    )
    for odd in ODD:
        for field in attrs.fields(Snapshot):
            yield field.name, odd, attrs.evolve(PAID, **{field.name: odd})
        for room, one in rooms:
            for field in attrs.fields(type(one)):
                wrong = attrs.evolve(one, **{field.name: odd})
                yield f"{room}.{field.name}", odd, attrs.evolve(PAID, **{room: (wrong,)})


def test_a_field_of_another_type_spoils_its_order_alone(world: World) -> None:
    """Whatever stands in whatever field, the order before it and the one behind it are adopted."""
    told = [snapshot for _, _, snapshot in parts()]
    last = attrs.evolve(PAID, number="A-99")
    report = world.engine.adopt_many([PAID, *told, last], dry_run=True)
    assert report.told == len(told) + 2
    assert report.adopted >= 2
    assert world.engine.adopt_many([told[0], last]).adopted == 1


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("number", {"number": ["A"]}),
        ("shop", {"shop": {}}),
        ("status", {"state": "", "status": 7}),
        ("state", {"state": ["paid"]}),
        ("lifecycle_version", {"lifecycle_version": [1]}),
        ("lines[0].quantity", {"lines": (attrs.evolve(TEA, quantity="1"),)}),
        ("payments[0].gateway", {"payments": (attrs.evolve(CARD, gateway=["card"]),)}),
        ("refunds[0].over", {"refunds": (SnapshotRefund(eur("1.00"), over="all"),)}),  # type: ignore[arg-type]
        ("refunds[0].over[0]", {"refunds": (SnapshotRefund(eur("1.00"), over=((0,),)),)}),  # type: ignore[arg-type]
        ("tags[1]", {"tags": ("a", 2)}),
        ("recognized", {"recognized": 1}),
    ],
)
def test_a_field_of_another_type_is_named(world: World, path: str, wrong: dict[str, Any]) -> None:
    """The fault has the path of the field and says what is due there."""
    statuses = StatusMap({"x": ("standard", "paid")})
    with pytest.raises(InvalidSnapshot) as caught:
        world.engine.adopt(attrs.evolve(PAID, **wrong), statuses=statuses)
    assert caught.value.path == path


def test_lists_do_where_a_snapshot_is_only_read(world: World) -> None:
    """A host may list lines and payments; the order is the same as with tuples."""
    listed: Any = attrs.evolve(PAID, lines=[TEA], payments=[CARD], tags=["a"])
    made = world.engine.adopt(listed).order
    assert made.handling.tags == ("a",)
    again = world.engine.adopt(attrs.evolve(PAID, tags=("a",)))
    assert (again.repeated, again.order) == (True, made)


# --- The ends of the calendar -----------------------------------------------------------------


@pytest.mark.parametrize("snapshot", [PAID, UNPAID])
def test_a_deadline_at_the_end_of_the_calendar_promises_goods(
    world: World, snapshot: Snapshot
) -> None:
    """Hosts say *never* so; the piece is promised like any other."""
    order = world.engine.adopt(attrs.evolve(snapshot, pay_by=END), reserve=True).order
    assert order.content.pay_by == END
    assert world.left == 9


@pytest.mark.parametrize("grace", [3, "3 days", timedelta.max, timedelta(days=366), -timedelta(1)])
def test_a_grace_is_a_duration_of_a_year_at_most(world: World, grace: Any) -> None:
    """Anything else is refused before an order is looked at."""
    with pytest.raises(InvalidInput) as caught:
        world.engine.adopt_many([UNPAID], grace=grace)
    assert caught.value.path == "grace"


def test_hooks_are_told_of_an_adoption() -> None:
    """A hook that follows every change sees those that take orders over, alone or together."""
    seen: list[str] = []

    class Follows:
        def before(self, *_: Any) -> str:
            return ""

        def after(self, made: Any) -> None:
            seen.append(made.order.number)

    engine = OrderEngine(MemoryStore(), clock=SettableClock(NOW), hooks=[Follows()])
    engine.adopt(PAID)
    engine.adopt_many([attrs.evolve(PAID, number=number) for number in ("A-2", "A-3")])
    assert seen == ["A-1", "A-2", "A-3"]
