"""Dispatching: from the plan to the door, over carriers that lose answers, repeat themselves and call parcels back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.holding import MIXED, ON_DELIVERY, PREPAID, Holding
from tests.engine.test_async import Later, engines
from tests.engine.world import NOON, PLAIN, SHOPPER, STAFF, THREE, World

from ordercore import (
    ChangeAddress,
    KeyReused,
    Manifest,
    NotAllowed,
    Order,
    Percent,
    PricingPolicy,
    TaxPolicy,
    tenders,
)
from ordercore.adapters.memory import CarrierFault, MemoryCarrier
from ordercore.codec import decode_event, decode_order, encode_event, encode_order
from ordercore.engine import dispatching
from ordercore.engine.dispatching import Shipping
from ordercore.engine.flow import run
from ordercore.engine.shop import record
from ordercore.errors import (
    CurrencyMismatch,
    InvalidInput,
    NotFound,
    NotificationRefused,
    OrdercoreError,
    OrderNotFound,
    OtherSideFailed,
    PortFailed,
)
from ordercore.fulfillment import (
    CarrierCapabilities,
    ParcelGroup,
    ParcelKind,
    ParcelState,
    TrackPoint,
    WaybillOutcome,
    WaybillRequest,
    WaybillState,
    WaybillStatus,
)
from ordercore.fulfillment.bills import BillClass, CarrierBill
from ordercore.fulfillment.parcel import PARCEL_FOLDS
from ordercore.fulfillment.split_rule import KeepApart, SplitBy, SplitPolicy
from ordercore.journal import text
from ordercore.order.parcels import AnswerWaybill
from ordercore.party import Actor, ActorKind, Address
from ordercore.pricing.tax import TaxRate
from ordercore.tender import AttemptState, CaptureMoment
from ordercore.tender.events import CaptureAsked

if TYPE_CHECKING:
    from collections.abc import Mapping

_S = ParcelState
HOUR = timedelta(hours=1)
CARRIER = Actor(ActorKind.CHANNEL, "post")
PARIS = Address("A. Customer", ("1 rue de Rivoli",), "Paris", "", "75001", "FR")


def group(*lines: str, **fields: Any) -> ParcelGroup:
    """One unit of each line, by the post."""
    return ParcelGroup(
        Manifest.of(dict.fromkeys(lines, 1)), **{"carrier": "post", "estimate": 1_200, **fields}
    )


class Warehouse:
    """Order A, accepted, in a world with two carriers: the post, and an express that calls parcels back."""

    def __init__(self, world: World | None = None, *, order: Order | None = None) -> None:
        self.world = World() if world is None else world
        self.post = MemoryCarrier("post")
        self.express = MemoryCarrier("express", base=3_000, recalls=True)
        carriers = {"post": self.post, "express": self.express}
        self.engine: Any = self.world.engine
        self.engine.shop = attrs.evolve(self.engine.shop, carriers=carriers)
        if order is None:
            order = self.world.paid()
            self.engine.accept(order.id, key=self.key())
        self.id = order.id

    def key(self) -> str:
        """A key that was never used."""
        return self.world.key()

    @property
    def order(self) -> Order:
        """The order as it stands."""
        return self.engine.get(self.id)

    def plan(self, *groups: ParcelGroup, key: str = "k") -> Order:
        """Plan parcels."""
        return self.engine.plan_parcels(self.id, groups, key=key)

    def name(self, n: int = 1, key: str = "k") -> str:
        """The name of the n-th parcel of a plan."""
        return f"{self.id}/p-{key}.{n}"

    def parcel(self, n: int = 1, key: str = "k") -> Any:
        """The n-th parcel of a plan."""
        return self.order.delivery.parcel(self.name(n, key))

    def packed(self, n: int = 1, grams: int = 1_500) -> None:
        """Pick and pack a parcel."""
        self.engine.pick(self.id, self.name(n), key=self.key())
        self.engine.pack(self.id, self.name(n), grams=grams, key=self.key())

    def book(self, n: int = 1, carrier: str = "", key: str = "") -> Any:
        """Book a parcel."""
        return self.engine.book_waybill(
            self.id, self.name(n), carrier=carrier, key=key or self.key()
        )

    def sent(self, *groups: ParcelGroup, carrier: str = "") -> tuple[str, ...]:
        """Plan, pack, book and dispatch parcels; their numbers."""
        self.plan(*groups)
        for n in range(1, len(groups) + 1):
            self.packed(n)
            self.book(n, carrier)
            self.engine.dispatch(self.id, self.name(n), key=self.key())
        return tuple([p.number for p in self.order.delivery.parcels])

    def hears(self, told: tuple[Mapping[str, str], bytes], carrier: str = "post") -> Any:
        """A notification of a carrier comes in."""
        return self.engine.carrier_notify(carrier, *told)


# --- The main line ------------------------------------------------------------------------------


def test_three_warehouses_three_parcels_each_tracked_on_its_own() -> None:
    """Planned by source, picked, packed, booked, sent and delivered one by one; the last one moves the order."""
    house = Warehouse()
    sources = [group(str(n), source=f"w-{n}", reasons=("nearest",)) for n in (1, 2, 3)]
    numbers = house.sent(*sources)
    assert house.order.state == "shipped"
    assert len(set(numbers)) == 3
    for n, number in enumerate(numbers):
        assert house.order.state == "shipped"
        house.world.clock.advance(HOUR)
        house.hears(house.post.happens(number, NOON + (n + 1) * HOUR, _S.DELIVERED))
    assert house.order.state == "received"
    assert house.order.delivery.received_at == NOON + 3 * HOUR
    told = house.engine.journal(house.id)
    assert [str(t.by) for t in told if t.event.name == "parcel.tracked"] == ["channel:post"] * 3
    house.world.check()


def test_what_was_short_is_planned_from_another_source() -> None:
    """One of two articles is not on the shelf: it goes from another warehouse, in a parcel of its own."""
    house = Warehouse()
    house.plan(group("1", "2", source="w-1"), group("3", source="w-1"))
    house.engine.pick(house.id, house.name(1), Manifest.of({"1": 1}), key="pick")
    assert house.parcel(1).short == Manifest.of({"2": 1})
    house.plan(group("2", source="w-2"), group("3", source="w-1"), key="again")
    assert [(p.source, p.goods.as_dict()) for p in house.order.delivery.parcels] == [
        ("w-1", {"1": 1}),
        ("w-2", {"2": 1}),
        ("w-1", {"3": 1}),
    ]


def test_kinds_of_parcels_are_mixed_in_one_order() -> None:
    """An express parcel with a waybill, a local courier without: the second is told of by hand."""
    house = Warehouse()
    house.plan(group("1", "2"), group("3", kind=ParcelKind.LOCAL, carrier=""))
    house.book()
    for n in (1, 2):
        house.engine.dispatch(house.id, house.name(n), key=house.key())
    house.hears(house.post.happens(house.parcel().number, NOON, _S.DELIVERED))
    assert house.order.state == "shipped"
    house.engine.tell_parcel(house.id, house.name(2), _S.DELIVERED, key="d", by=STAFF)
    assert house.order.state == "received"


def test_l13_a_repeated_key_has_one_effect() -> None:
    """Each verb again under its key writes nothing; the same key with other content is refused."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.engine.pick(house.id, house.name(), key="pick")
    house.engine.pack(house.id, house.name(), grams=900, key="pack")
    house.book(key="book")
    house.engine.dispatch(house.id, house.name(), key="leave")
    before = house.order
    house.plan(group("1", "2", "3"))
    house.engine.pick(house.id, house.name(), key="pick")
    house.engine.pack(house.id, house.name(), grams=900, key="pack")
    assert house.book(key="book").waybill == before.delivery.parcels[0].waybill
    house.engine.dispatch(house.id, house.name(), key="leave")
    assert house.order == before
    with pytest.raises(KeyReused):
        house.engine.pack(house.id, house.name(), grams=901, key="pack")
    with pytest.raises(KeyReused):
        house.plan(group("1"))


def test_held_money_is_taken_for_each_parcel_that_leaves() -> None:
    """A card that takes money on shipment: each parcel's share, and the last one the rest."""
    world = Holding()
    house = Warehouse(world, order=world.held(MIXED))
    house.sent(group("1"), group("2", "3"))
    attempt = house.order.payments.attempts[-1]
    assert (attempt.state, attempt.captured) == (AttemptState.CAPTURED, 25763)
    assert [e.event.name for e in world.engine.journal(house.id)].count(CaptureAsked.name) == 2
    world.check()


# --- Carriers that lose answers -----------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
def test_a_lost_answer_is_looked_up_and_never_books_twice(after: bool) -> None:
    """Whether the carrier did its work or not before its answer was lost, there is one waybill in the end."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.post.faults.append(CarrierFault("book", after=after))
    booking = house.book(key="book")
    if not after:
        assert booking.waybill.state is WaybillState.ASKED
        booking = house.book(key="book")
    assert booking.waybill.state is WaybillState.BOOKED
    assert house.post.waybills() == 1


def test_a_carrier_that_does_not_answer_at_all_is_asked_again_later() -> None:
    """The question stands in the journal before the call; `settle_waybills` finds the answer."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.post.faults += [CarrierFault("book", after=True), CarrierFault("lookup")]
    assert house.book().waybill.state is WaybillState.ASKED
    with pytest.raises(NotAllowed, match="not answered"):
        house.engine.dispatch(house.id, house.name(), key="d")
    order = house.engine.settle_waybills(house.id)
    assert order.delivery.parcels[0].waybill.state is WaybillState.BOOKED
    assert house.post.waybills() == 1


@given(
    st.lists(st.tuples(st.sampled_from(["book", "lookup", "cancel"]), st.booleans()), max_size=6)
)
def test_l7_whatever_answers_are_lost_a_parcel_has_one_waybill(
    faults: list[tuple[str, bool]],
) -> None:
    """After any faults the order and the carrier agree: one waybill while it is booked, none when it is canceled."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.post.faults += [CarrierFault(call, after=after) for call, after in faults]
    house.book()
    for _ in range(8):
        house.engine.settle_waybills(house.id)
    house.post.faults.clear()
    assert house.engine.settle_waybills(house.id).delivery.parcels[0].waybill.state is (
        WaybillState.BOOKED
    )
    assert house.post.waybills() == 1
    house.post.faults += [CarrierFault(call, after=after) for call, after in faults]
    house.engine.cancel_waybill(house.id, house.name(), key="c")
    house.post.faults.clear()
    assert house.engine.settle_waybills(house.id).delivery.parcels[0].waybill.state is (
        WaybillState.CANCELED
    )
    assert house.post.waybills() == 0


def test_a_parcel_that_a_carrier_refuses_goes_by_another() -> None:
    """The reason is told, and the next carrier is asked under a key of its own."""
    house = Warehouse()
    house.post.refuse("")
    house.plan(group("1", "2", "3"))
    refused = house.book().waybill
    assert (refused.state, refused.reason) == (WaybillState.REFUSED, "no service to ")
    booked = house.book(carrier="express").waybill
    assert (booked.state, booked.key) == (WaybillState.BOOKED, f"{house.name()}/w2")


def test_a_canceled_parcel_gives_its_waybill_back() -> None:
    """The carrier expects it no more, and its goods are to be planned again."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.book()
    order = house.engine.cancel_parcel(house.id, house.name(), reason="box torn", key="c")
    assert order.delivery.parcels[0].waybill.state is WaybillState.CANCELED
    assert house.post.waybills() == 0


def test_the_waybills_of_a_canceled_order_are_canceled() -> None:
    """After the order is over, settling asks each carrier to expect nothing."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.book()
    house.engine.cancel(house.id, reason="no", key="x", by=SHOPPER)
    house.engine.settle_waybills(house.id)
    assert house.post.waybills() == 0
    house.world.check()


def test_a_carrier_that_is_not_known_is_refused_before_anything_is_written() -> None:
    """The names that are known are told."""
    house = Warehouse()
    house.plan(group("1"))
    before = house.order
    with pytest.raises(NotFound) as caught:
        house.book(carrier="pigeon")
    assert caught.value.data["known"] == ("express", "post")
    assert house.order == before


def test_an_answer_that_cannot_be_is_the_carriers_fault() -> None:
    """A booked waybill without a number is not believed; the waybill waits for a better answer."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.post.book = lambda _request: WaybillOutcome(WaybillStatus.BOOKED)  # type: ignore[method-assign]
    with pytest.raises(OtherSideFailed):
        house.book()
    assert house.parcel().waybill.state is WaybillState.ASKED


class Forgetful(MemoryCarrier):
    """A carrier that says *unknown* to a cancellation of what it did not book, as the port allows."""

    def cancel(self, request: WaybillRequest) -> WaybillOutcome:
        """End a waybill; of a key that it never heard of, or refused, it knows nothing."""
        known = self._waybills.get(request.key)
        if known is None or known.status is WaybillStatus.REFUSED:
            return WaybillOutcome(WaybillStatus.UNKNOWN)
        return super().cancel(request)


def forgetful() -> tuple[Warehouse, Forgetful]:
    """A planned parcel, and the carrier that is to take it."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    carrier = Forgetful("post")
    house.engine.shop = attrs.evolve(house.engine.shop, carriers={"post": carrier})
    return house, carrier


@pytest.mark.parametrize("cancels", [True, False])
def test_l7_a_booking_whose_answer_was_lost_is_not_taken_for_canceled(cancels: bool) -> None:
    """The carrier cancels nothing, or has scanned the parcel: the waybill stands under its number, and there is one."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.post.capabilities = CarrierCapabilities(cancels=cancels)
    house.post.faults += [CarrierFault("book", after=True), CarrierFault("lookup")]
    house.book()
    if cancels:
        house.post.happens(next(iter(house.post._ways)), NOON, _S.IN_TRANSIT)
    waybill = house.engine.cancel_waybill(house.id, house.name(), key="c").waybill
    assert (waybill.state, waybill.number) == (WaybillState.BOOKED, house.parcel().number)
    assert house.post.waybills() == 1
    with pytest.raises(NotAllowed, match="no parcel waits for a waybill"):
        house.book()


def test_l7_a_booking_on_its_way_to_the_carrier_is_not_taken_for_never_made() -> None:
    """One worker writes the question and stalls, another cancels: the carrier knows nothing of the key, so the waybill
    stays open and no other is asked for; when the booking arrives, it is canceled."""
    house, carrier = forgetful()
    flow = dispatching.book(
        house.engine.shop, house.engine.shop.carriers, house.id, house.name(), "", "", "bk", STAFF
    )
    step = next(flow)
    while step.name != "Forgetful.book":
        step = flow.send(step.fn(*step.args, **(step.kw or {})))
    waybill = house.engine.cancel_waybill(house.id, house.name(), key="c").waybill
    assert waybill.state is WaybillState.CANCELING
    with pytest.raises(NotAllowed, match="no parcel waits for a waybill"):
        house.book()
    step.fn(*step.args)
    assert carrier.waybills() == 1
    house.engine.settle_waybills(house.id)
    assert (house.parcel().waybill.state, carrier.waybills()) == (WaybillState.CANCELED, 0)


def test_l7_a_key_that_its_carrier_never_heard_of_is_given_up_after_all_tries_and_a_late_booking_is_canceled() -> (
    None
):
    """The sweeper asks as often as its pauses say; then another waybill may be asked for. Booked after all, the former
    one is canceled, and the one in force stays."""
    house, carrier = forgetful()
    carrier.faults += [CarrierFault("book"), CarrierFault("lookup")]
    house.book()
    key = house.parcel().waybill.key
    house.engine.cancel_waybill(house.id, house.name(), key="c")
    for _ in range(20):
        house.world.clock.advance(timedelta(days=2))
        house.engine.sweep()
    assert house.parcel().waybill.state is WaybillState.CANCELED
    second = house.book().waybill
    order, parcel = house.order, house.parcel()
    late = carrier.book(dispatching.request_of(order, parcel, key, ""))
    run(record(house.engine.shop, order, AnswerWaybill(parcel.id, key, late), CARRIER), "late")
    assert carrier.waybills() == 2
    house.world.clock.advance(timedelta(days=1))
    house.engine.sweep()
    assert (house.parcel().waybill, carrier.waybills()) == (second, 1)
    assert not house.parcel().owing


def test_a_waybill_that_was_refused_is_not_canceling_for_ever() -> None:
    """The refusal was lost, and the carrier knows nothing of it when asked to cancel: looked up, it never was."""
    house, carrier = forgetful()
    carrier.refuse("")
    carrier.faults += [CarrierFault("book", after=True), CarrierFault("lookup")]
    house.book()
    waybill = house.engine.cancel_waybill(house.id, house.name(), key="c").waybill
    assert waybill.state is WaybillState.CANCELED


def test_a_carrier_that_cancels_nothing_lets_its_waybills_stand() -> None:
    """It is not even asked, and the waybill says why."""
    house = Warehouse()
    house.post.capabilities = CarrierCapabilities(cancels=False, quotes=False)
    house.plan(group("1", "2", "3"))
    house.book()
    waybill = house.engine.cancel_waybill(house.id, house.name(), key="c").waybill
    assert (waybill.state, waybill.reason) == (WaybillState.BOOKED, "it cancels no waybill")
    assert "cancel" not in {call for call, _ in house.post.calls}
    assert house.engine.quote_parcel(house.id, house.name()).amount is None


@pytest.mark.parametrize(
    "told",
    [None, [1], [TrackPoint(NOON.replace(tzinfo=None), _S.LOST)], [TrackPoint(NOON, "lost")]],  # type: ignore[arg-type]
)
def test_l24_what_no_carrier_can_tell_is_the_carriers_fault(told: Any) -> None:
    """No list, no points, no zone, no state: an error of the tree, and nothing is kept."""
    house = Warehouse()
    house.sent(group("1", "2", "3"))
    before = house.order
    house.post.track = lambda _number: told  # type: ignore[method-assign]
    with pytest.raises(OtherSideFailed):
        house.engine.track_parcels(house.id)
    assert house.order == before


def test_a_quote_writes_nothing() -> None:
    """1,500 g by the post: 10.00 and twice 2.00."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.packed()
    before = house.order
    assert house.engine.quote_parcel(house.id, house.name()).amount == 1_400
    assert (house.order, house.post.waybills()) == (before, 0)


# --- Bulk ---------------------------------------------------------------------------------------


def test_a_bulk_shipment_has_a_result_for_each_row_and_a_bad_row_stops_no_other() -> None:
    """Of five rows one names no order, one no parcel, one is unpaid: the two good ones are sent."""
    house = Warehouse()
    world = house.world
    house.plan(group("1", "2", "3", carrier=""))
    other, unpaid = world.paid((THREE[2],)), world.placed()
    house.engine.accept(other.id, key="acc")
    rows = [
        Shipping("no such order", "r1"),
        Shipping(house.id, "r2", house.name(), tracking="1Z5R89390357567127"),
        Shipping(house.id, "r3", "no such parcel"),
        Shipping(unpaid.id, "r4"),
        Shipping(other.id, "r5", carrier="post", tracking="RR1"),
        "no row",
    ]
    found = house.engine.ship_many(rows)
    assert [type(result) for result in found] == [
        OrderNotFound,
        Order,
        NotFound,
        NotAllowed,
        Order,
        InvalidInput,
    ]
    assert house.order.delivery.shipments[0].carrier == "ups"
    again = house.engine.ship_many(rows[:5])
    assert [getattr(r, "version", None) for r in again] == [
        getattr(r, "version", None) for r in found[:5]
    ]


def test_a_bulk_shipment_is_bounded() -> None:
    """More than ten thousand rows are refused at once, and so is what is no list."""
    house = Warehouse()
    for rows in ([Shipping("o", "k")] * 10_001, "o-1"):
        with pytest.raises(InvalidInput):
            house.engine.ship_many(rows)
    with pytest.raises(InvalidInput) as caught:
        house.engine.consolidate("M1", [(house.id, "p"), house.id], key="k")
    assert caught.value.path == "parcels[1]"


def test_a_number_that_proves_nothing_names_no_carrier() -> None:
    """Twelve digits without a right check digit: the carrier stays empty."""
    house = Warehouse()
    house.plan(group("1", "2", "3", carrier=""))
    order = house.engine.dispatch(house.id, house.name(), tracking="996578788855", key="d")
    assert order.delivery.shipments[0].carrier == ""


# --- What carriers tell -------------------------------------------------------------------------

STEPS = (_S.DISPATCHED, _S.IN_TRANSIT, _S.OUT_FOR_DELIVERY, _S.EXCEPTION, _S.DELIVERED)


@given(st.data())
def test_l10_notifications_in_any_order_end_in_the_same_standing(data: st.DataObject) -> None:
    """Two parcels, their notifications shuffled and doubled: the order is received, and each parcel stands the same."""
    house = Warehouse()
    numbers = house.sent(group("1"), group("2", "3"))
    letters = [
        house.post.happens(number, NOON + n * HOUR, state)
        for number in numbers
        for n, state in enumerate(STEPS)
    ]
    shuffled = data.draw(st.permutations(letters))
    for letter in [*shuffled, *data.draw(st.lists(st.sampled_from(letters), max_size=3))]:
        assert house.hears(letter).status == 200
    assert house.order.state == "received"
    assert [p.state for p in house.order.delivery.parcels] == [_S.DELIVERED] * 2
    assert [len(p.trail) for p in house.order.delivery.parcels] == [5, 5]


def test_a_forged_notification_changes_nothing() -> None:
    """Altered, or of a carrier that is not there."""
    house = Warehouse()
    (number,) = house.sent(group("1", "2", "3"))
    headers, body = house.post.happens(number, NOON, _S.DELIVERED)
    before = house.order
    with pytest.raises(NotificationRefused):
        house.hears((headers, body.replace(b"delivered", b"lost")))
    with pytest.raises(NotFound):
        house.hears((headers, body), "pigeon")
    assert house.order == before


def test_a_carrier_speaks_only_of_its_own_waybills() -> None:
    """One carrier's genuine notice about another's waybill is refused."""
    house = Warehouse()
    house.sent(group("1", "2", "3"))
    key = house.parcel().waybill.key
    house.express._keys["E9"] = key
    with pytest.raises(NotificationRefused, match="another carrier"):
        house.hears(house.express.happens("E9", NOON, _S.LOST), "express")


def test_a_notice_without_a_key_needs_the_orders_that_it_may_concern() -> None:
    """A carrier that names only its number is told by the host whom to ask."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.engine.dispatch(house.id, house.name(), carrier="post", tracking="N1", key="d")
    headers, body = house.post.happens("N1", NOON, _S.DELIVERED)
    with pytest.raises(OrderNotFound):
        house.hears((headers, body))
    house.engine.carrier_notify("post", headers, body, orders=[house.id])
    assert house.order.state == "received"


def test_an_adapter_that_trips_over_a_notification_is_told_as_such() -> None:
    """A bug of the host's adapter is no bug of the carrier's letter."""
    house = Warehouse()
    house.post.parse = lambda _headers, _body: {}["nothing"]  # type: ignore[method-assign]
    with pytest.raises(PortFailed):
        house.hears(({}, b""))


def test_carriers_are_asked_for_what_they_did_not_tell() -> None:
    """Pulled instead of told, the same news arrives; a carrier that fails stops no other."""
    house = Warehouse()
    house.plan(group("1"), group("2", "3", carrier="express"))
    for n in (1, 2):
        house.book(n)
        house.engine.dispatch(house.id, house.name(n), key=house.key())
    house.post.happens(house.parcel(1).number, NOON, _S.DELIVERED)
    house.express.happens(house.parcel(2).number, NOON, _S.DELIVERED)
    house.post.faults.append(CarrierFault("track"))
    with pytest.raises(OtherSideFailed):
        house.engine.track_parcels(house.id)
    assert (house.parcel(1).state, house.parcel(2).state) == (_S.DISPATCHED, _S.DELIVERED)
    assert house.engine.track_parcels(house.id).state == "received"


def test_a_long_remark_of_a_carrier_is_cut_not_refused() -> None:
    """What matters is the state; of a remark 200 characters are kept."""
    house = Warehouse()
    (number,) = house.sent(group("1", "2", "3"))
    house.hears(house.post.happens(number, NOON, _S.EXCEPTION, note="x" * 1_000))
    assert len(house.parcel().trail[0].note) == 200


def test_an_order_is_not_confirmed_by_time_while_its_carrier_is_silent_about_delivery() -> None:
    """Seven days later nothing happens to a parcel in transit; delivered, the order is received at once."""
    house = Warehouse()
    (number,) = house.sent(group("1", "2", "3"))
    house.hears(house.post.happens(number, NOON + HOUR, _S.IN_TRANSIT))
    house.world.clock.advance(timedelta(days=8))
    house.engine.sweep()
    assert house.order.state == "shipped"
    house.hears(house.post.happens(number, NOON + 2 * HOUR, _S.DELIVERED))
    assert house.order.state == "received"


def test_an_order_whose_way_nobody_tells_is_confirmed_seven_days_after_the_last_parcel() -> None:
    """Where no carrier ever tells, the clock runs as for any shipment."""
    house = Warehouse()
    house.post.capabilities = CarrierCapabilities(tracks=False)
    house.sent(group("1"), group("2", "3"))
    house.world.clock.advance(timedelta(days=7, seconds=1))
    house.engine.sweep()
    assert house.order.state == "received"


def test_an_order_whose_carrier_tracks_waits_for_its_word() -> None:
    """The carrier has told nothing yet, but will: weeks later the order is still on its way."""
    house = Warehouse()
    (number,) = house.sent(group("1", "2", "3"))
    house.world.clock.advance(timedelta(days=30))
    house.engine.sweep()
    assert house.order.state == "shipped"
    house.hears(house.post.happens(number, NOON + 2 * HOUR, _S.DELIVERED))
    assert house.order.state == "received"


def test_a_moment_that_is_yet_to_come_is_not_believed_and_what_has_happened_is_kept() -> None:
    """A delivery in ten years is the carrier's fault; the transit beside it is kept, asked for or told."""
    house = Warehouse()
    (number,) = house.sent(group("1", "2", "3"))
    house.post.happens(number, NOON, _S.IN_TRANSIT)
    letter = house.post.happens(number, NOON + timedelta(days=3_650), _S.DELIVERED)
    with pytest.raises(OtherSideFailed, match="yet to come"):
        house.hears(letter)
    assert house.parcel().trail == ()
    with pytest.raises(OtherSideFailed, match="yet to come"):
        house.engine.track_parcels(house.id)
    assert (house.parcel().state, house.order.state) == (_S.IN_TRANSIT, "shipped")
    with pytest.raises(InvalidInput):
        house.engine.tell_parcel(
            house.id, house.name(), _S.LOST, at=NOON + timedelta(days=2), key="t", by=STAFF
        )


def test_a_number_that_is_given_out_again_delivers_no_parcel_before_it_was_booked() -> None:
    """A delivery of last year under the same number is another parcel's."""
    house = Warehouse()
    (number,) = house.sent(group("1", "2", "3"))
    house.hears(house.post.happens(number, NOON - timedelta(days=400), _S.DELIVERED))
    assert (house.parcel().trail, house.order.state) == ((), "shipped")


def test_goods_that_a_carrier_has_are_not_refunded_by_a_cancellation() -> None:
    """Scanned before the warehouse said that it left: the customer cannot cancel, and nothing is given back; the
    warehouse says it later all the same."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.packed()
    house.book()
    house.hears(house.post.happens(house.parcel().number, NOON, _S.IN_TRANSIT))
    with pytest.raises(NotAllowed, match="carrier has part of the order"):
        house.engine.cancel(house.id, reason="no", key="c", by=SHOPPER)
    assert not house.order.payments.refunded
    house.engine.dispatch(house.id, house.name(), key="d")
    assert (house.order.state, house.parcel().state) == ("shipped", _S.IN_TRANSIT)
    house.world.check()


# --- Consolidation ------------------------------------------------------------------------------


def test_parcels_of_several_orders_go_under_one_master() -> None:
    """News of the master reaches every parcel; it is delivered where it is taken apart, so those with a number of
    their own are still on their way."""
    house = Warehouse()
    world = house.world
    other = world.paid((THREE[2],))
    house.engine.accept(other.id, key="acc")
    house.plan(group("1", "2", "3"))
    house.book()
    house.engine.dispatch(house.id, house.name(), key="d1")
    house.engine.plan_parcels(
        other.id,
        [group("1", "2", "3", kind=ParcelKind.CONSOLIDATED, carrier="")],
        key="k2",
    )
    plain = f"{other.id}/p-k2.1"
    pairs = [(house.id, house.name()), (other.id, plain), ("no such order", "p")]
    found = house.engine.consolidate("M1", pairs, carrier="express", key="m")
    assert [isinstance(f, OrdercoreError) for f in found] == [False, False, True]
    house.engine.dispatch(other.id, plain, key="d2")
    letter = house.express.happens("M1", NOON + HOUR, _S.DELIVERED)
    house.engine.carrier_notify("express", *letter, orders=[house.id, other.id])
    assert (house.parcel().state, house.order.state) == (_S.IN_TRANSIT, "shipped")
    assert house.engine.get(other.id).state == "received"
    house.post.happens(house.parcel().number, NOON + 2 * HOUR, _S.DELIVERED)
    assert house.engine.track_parcels(house.id).state == "received"


# --- Another address ----------------------------------------------------------------------------


def test_before_anything_left_another_address_is_an_amendment_and_the_waybill_is_booked_anew() -> (
    None
):
    """The order is priced again, the former waybill is canceled, and the same key again does nothing more."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.packed()
    house.book()
    for _ in range(2):
        found = house.engine.redirect(house.id, PARIS, key="move", by=STAFF)
        assert found.done
        assert found.order.content.address == PARIS
        assert house.parcel().waybill.key.endswith("/w2")
        assert house.post.waybills() == 1
    assert (found.was, found.now, found.price_was) == (1_400, 1_400, found.price)
    house.world.check()


def test_an_amended_address_takes_its_waybill_back_without_a_redirection() -> None:
    """Only amended: the carrier is asked to cancel by the sweeper, and nothing leaves meanwhile or after."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.packed()
    house.book()
    house.engine.amend(house.id, [ChangeAddress(PARIS)], key="am", by=SHOPPER)
    with pytest.raises(NotAllowed, match="not answered"):
        house.engine.dispatch(house.id, house.name(), key="d")
    house.world.clock.advance(HOUR)
    house.engine.sweep()
    assert (house.parcel().waybill.state, house.post.waybills()) == (WaybillState.CANCELED, 0)
    house.book()
    house.engine.dispatch(house.id, house.name(), key="e")
    assert house.order.delivery.shipments[0].tracking == house.parcel().waybill.number


def test_a_redirection_that_costs_more_waits_for_the_money_and_books_then() -> None:
    """Paris is taxed: the order is amended, its waybill canceled, and the answer says what is missing; paid, the same
    call books one waybill."""
    tax = TaxPolicy(
        (TaxRate(Percent.of("0")), TaxRate(Percent.of("20"), country="FR")),
        prices_include_tax=False,
    )
    house = Warehouse(World(policies=attrs.evolve(PLAIN, pricing=PricingPolicy(tax=tax))))
    house.plan(group("1", "2", "3"))
    house.packed()
    house.book()
    found = house.engine.redirect(house.id, PARIS, key="move", by=STAFF)
    assert (found.done, found.price - found.price_was) == (False, found.order.due)
    assert "still due" in found.reason
    assert house.post.waybills() == 0
    house.world.pay(house.order, (tenders.Channel("wechat"),))
    for _ in range(2):
        assert house.engine.redirect(house.id, PARIS, key="move", by=STAFF).done
        assert house.post.waybills() == 1


def test_a_parcel_on_its_way_is_called_back_and_the_difference_is_told() -> None:
    """The express cancels and books anew, heavier by now: 4.00 more; a repeated key answers the same."""
    house = Warehouse()
    (number,) = house.sent(group("1", "2", "3"), carrier="express")
    house.hears(house.express.happens(number, NOON, _S.IN_TRANSIT), "express")
    house.express._base = 3_400
    first = house.engine.redirect(house.id, PARIS, parcel=house.name(), key="move", by=STAFF)
    assert (first.done, first.was, first.now, first.difference) == (True, 3_400, 3_800, 400)
    assert house.parcel().address == PARIS
    assert house.parcel().number != number
    assert house.express.waybills() == 1
    again = house.engine.redirect(house.id, PARIS, parcel=house.name(), key="move", by=STAFF)
    assert again == first
    house.hears(house.express.happens(number, NOON + HOUR, _S.RETURNED), "express")
    assert house.parcel().state is _S.IN_TRANSIT
    house.hears(house.express.happens(house.parcel().number, NOON + HOUR, _S.DELIVERED), "express")
    assert house.order.state == "received"


@given(
    st.lists(st.tuples(st.sampled_from(["book", "lookup", "cancel"]), st.booleans()), max_size=4)
)
def test_a_redirection_goes_on_where_it_was_broken_off(faults: list[tuple[str, bool]]) -> None:
    """Whatever answers are lost, the same call again ends with one waybill to the new address."""
    house = Warehouse()
    house.sent(group("1", "2", "3"), carrier="express")
    house.express.faults += [CarrierFault(call, after=after) for call, after in faults]
    for _ in range(8):
        found = house.engine.redirect(house.id, PARIS, parcel=house.name(), key="move", by=STAFF)
    house.express.faults.clear()
    found = house.engine.redirect(house.id, PARIS, parcel=house.name(), key="move", by=STAFF)
    assert found.done
    assert (house.parcel().address, house.express.waybills()) == (PARIS, 1)


def test_a_carrier_that_calls_nothing_back_refuses_before_anything_is_written() -> None:
    """The post does not recall parcels; and without a parcel's name nobody knows which one is meant."""
    house = Warehouse()
    house.sent(group("1", "2", "3"))
    before = house.order
    with pytest.raises(NotAllowed, match="does not call a parcel back"):
        house.engine.redirect(house.id, PARIS, parcel=house.name(), key="m", by=STAFF)
    with pytest.raises(NotAllowed, match="name the parcel"):
        house.engine.redirect(house.id, PARIS, key="m", by=STAFF)
    assert house.order == before


def test_a_delivered_parcel_is_not_called_back() -> None:
    """The carrier refuses, or the order knows it already; the address stays."""
    house = Warehouse()
    (number,) = house.sent(group("1", "2", "3"), carrier="express")
    house.express.happens(number, NOON, _S.DELIVERED)
    found = house.engine.redirect(house.id, PARIS, parcel=house.name(), key="m", by=STAFF)
    assert (found.done, found.reason) == (False, "the parcel is on its way")
    assert house.parcel().address is None
    house.engine.track_parcels(house.id)
    with pytest.raises(NotAllowed):
        house.engine.redirect(house.id, PARIS, parcel=house.name(), key="n", by=STAFF)


def test_a_parcel_that_waits_goes_elsewhere_too_when_another_has_left() -> None:
    """The order cannot be amended any more, so its parcel alone gets the address; nothing had to be called back."""
    house = Warehouse()
    house.plan(group("1"), group("2", "3"))
    house.engine.dispatch(house.id, house.name(1), key="d")
    found = house.engine.redirect(house.id, PARIS, parcel=house.name(2), key="m", by=STAFF)
    assert (found.done, found.difference, house.parcel(2).address) == (True, 0, PARIS)
    with pytest.raises(NotAllowed, match="asked by hand"):
        house.engine.redirect(house.id, PARIS, parcel=house.name(1), key="n", by=STAFF)


def test_goods_have_not_arrived_while_a_parcel_came_back_was_lost_or_is_hindered() -> None:
    """Delivered, then in trouble: the last delivery of another moves nothing and takes no money, nor does time."""
    for trouble in (_S.RETURNED, _S.LOST, _S.EXCEPTION):
        world = Holding(CaptureMoment.ON_DELIVERY)
        house = Warehouse(world, order=world.held(MIXED))
        numbers = house.sent(group("1"), group("2", "3"))
        world.clock.advance(10 * HOUR)
        house.hears(house.post.happens(numbers[0], NOON + HOUR, _S.DELIVERED))
        house.hears(house.post.happens(numbers[0], NOON + 2 * HOUR, trouble))
        house.hears(house.post.happens(numbers[1], NOON + 3 * HOUR, _S.DELIVERED))
        assert (house.order.state, house.order.delivery.received_at) == ("shipped", None)
        assert house.order.payments.attempts[1].captured == 0
        house.hears(house.post.happens(numbers[0], NOON + 4 * HOUR, _S.DELIVERED))
        assert house.order.state == "received"


# --- Collected at the door ----------------------------------------------------------------------


@pytest.mark.parametrize(("offers", "due"), [(ON_DELIVERY, 26997), (PREPAID, 25763)])
def test_what_is_collected_is_shared_over_parcels(offers: tuple[Any, ...], due: int) -> None:
    """Parcels of one and two thirds of the goods collect their shares of what is due, to the cent."""
    world = Holding()
    order = world.pay(world.placed(), offers).order
    world.engine.accept(order.id, key="acc")
    house = Warehouse(world, order=order)
    order = house.plan(group("1"), group("2", "3"))
    shares = [p.collect for p in order.delivery.parcels]
    assert sum(shares) == due
    assert abs(3 * shares[0] - due) <= 3
    house.book(1)
    assert house.plan(group("2"), group("3"), key="again").delivery.parcels[0].collect == shares[0]
    assert sum(p.collect for p in house.order.delivery.parcels) == due


def test_a_refused_parcel_gives_nothing_back_by_itself() -> None:
    """Cash on delivery, not taken at the door: back to the sender, the order stays shipped until staff decide."""
    world = Holding()
    order = world.pay(world.placed(), PREPAID).order
    world.engine.accept(order.id, key="acc")
    house = Warehouse(world, order=order)
    (number,) = house.sent(group("1", "2", "3"))
    house.hears(house.post.happens(number, NOON + HOUR, _S.REFUSED))
    house.hears(house.post.happens(number, NOON + 2 * HOUR, _S.RETURNED))
    assert (house.order.state, house.parcel().state) == ("shipped", _S.RETURNED)
    assert not house.order.payments.refunds
    world.clock.advance(timedelta(days=30))
    world.engine.sweep()
    assert house.order.state == "shipped"


# --- Bills --------------------------------------------------------------------------------------


def test_a_carriers_bill_is_held_against_what_it_said() -> None:
    """Booked for 14.00 and billed 15.50, the parcel is 1.50 over."""
    house = Warehouse()
    (number,) = house.sent(group("1", "2", "3"))
    bills = [CarrierBill(number, 1_550)]
    (line,) = house.engine.compare_bills("post", bills, [house.id], currency="CNY").lines
    assert (line.kind, line.difference) == (BillClass.OVER, 150)
    (line,) = house.engine.compare_bills("express", bills, [house.id], currency="CNY").lines
    assert line.kind is BillClass.UNKNOWN_WAYBILL
    with pytest.raises(CurrencyMismatch):
        house.engine.compare_bills("post", bills, [house.id], currency="USD")


def test_bills_of_former_waybills_are_known() -> None:
    """Redirected, the first waybill is billed though it was canceled: over, of this parcel. A canceled parcel whose
    waybill stands is billed as it was booked; nobody misses a bill of either."""
    house = Warehouse()
    house.plan(group("1", carrier="express"), group("2", "3"))
    house.book(1)
    house.engine.dispatch(house.id, house.name(1), key="d")
    first = house.parcel(1).number
    house.engine.redirect(house.id, PARIS, parcel=house.name(1), key="m", by=STAFF)
    bills = [CarrierBill(first, 500), CarrierBill(house.parcel(1).number, 3_000)]
    found = house.engine.compare_bills("express", bills, [house.id], currency="CNY").lines
    assert [(line.kind, line.difference) for line in found] == [
        (BillClass.OVER, 500),
        (BillClass.MATCHED, 0),
    ]
    assert found[0].parcels == (house.name(1),)
    house.book(2)
    number = house.parcel(2).number
    house.post.capabilities = CarrierCapabilities(cancels=False)
    house.engine.cancel_parcel(house.id, house.name(2), key="c")
    assert not house.engine.compare_bills("post", [], [house.id], currency="CNY").lines
    bills = [CarrierBill(number, 1_000)]
    (line,) = house.engine.compare_bills("post", bills, [house.id], currency="CNY").lines
    assert line.kind is BillClass.MATCHED


# --- Bad input, and the asynchronous engine -----------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "args", "fields"),
    [
        ("plan_parcels", ("all",), {}),
        ("plan_parcels", ([1],), {}),
        ("plan_parcels", ([ParcelGroup({"1": 1})],), {}),
        ("pick", ("k.1", {"1": 1}), {}),
        ("pick", ("none",), {}),
        ("pack", ("none",), {"grams": 1}),
        ("book_waybill", ("none",), {}),
        ("dispatch", (7,), {}),
        ("redirect", ("Paris",), {"by": STAFF}),
        ("tell_parcel", ("none", "lost"), {"by": STAFF}),
    ],
)
def test_l24_bad_input_gives_an_error_of_the_tree_and_changes_nothing(
    verb: str, args: tuple[Any, ...], fields: dict[str, Any]
) -> None:
    """Wrong types and names that are not there: never a fault from below."""
    house = Warehouse()
    house.plan(group("1"))
    before = house.order
    with pytest.raises(OrdercoreError):
        getattr(house.engine, verb)(house.id, *args, key="x", **fields)
    assert house.order == before


def test_l24_carriers_bills_and_their_orders_are_checked() -> None:
    """A carrier that is no name, bills that are no rows, orders that are no list: an error of the tree."""
    house = Warehouse()
    numbers: Any
    for carrier in ([], None, 5):
        with pytest.raises(NotFound):
            house.engine.carrier_notify(carrier, {}, b"")  # type: ignore[arg-type]
    for bills, numbers in ((None, [house.id]), ([], None), ([], house.id)):
        with pytest.raises(InvalidInput):
            house.engine.compare_bills("post", bills, numbers, currency="CNY")  # type: ignore[arg-type]


def test_the_asynchronous_engine_has_the_same_verbs_and_ends_the_same() -> None:
    """The whole way over carriers that answer with awaitables, in bulk and one by one."""
    carrier = MemoryCarrier("express", recalls=True)
    world, engine = engines(carriers={"express": Later(carrier)})

    async def way() -> Order:
        order = world.paid()
        name = f"{order.id}/p-k.1"
        await engine.accept(order.id, key="a")
        await engine.plan_parcels(order.id, [group("1", "2", "3", carrier="express")], key="k")
        await engine.pick(order.id, name, key="pick")
        await engine.pack(order.id, name, grams=500, key="pack")
        assert (await engine.quote_parcel(order.id, name)).amount == 1_200
        await engine.book_waybill(order.id, name, key="b")
        await engine.cancel_waybill(order.id, name, key="c")
        booking = await engine.book_waybill(order.id, name, key="b2")
        await engine.settle_waybills(order.id)
        found = await engine.ship_many([Shipping(order.id, "s", name), Shipping("none", "s2")])
        assert [isinstance(f, Order) for f in found] == [True, False]
        assert booking.waybill is not None
        carrier.happens(booking.waybill.number, NOON, _S.IN_TRANSIT)
        await engine.track_parcels(order.id)
        await engine.redirect(order.id, PARIS, parcel=name, key="m", by=STAFF)
        (joined,) = await engine.consolidate("M1", [(order.id, name)], key="j")
        assert isinstance(joined, Order)
        number = joined.delivery.parcels[0].number
        letter = carrier.happens(number, NOON + HOUR, _S.OUT_FOR_DELIVERY)
        await engine.carrier_notify("express", *letter)
        return await engine.tell_parcel(order.id, name, _S.DELIVERED, key="t", by=STAFF)

    assert asyncio.run(way()).state == "received"


def test_l23_an_order_with_parcels_and_all_its_events_are_read_as_they_were_written() -> None:
    """Short pick, waybill, trail, another address, a master, a share to collect: nothing is lost on the way to disk."""
    world = Holding()
    order = world.pay(world.placed(), PREPAID).order
    world.engine.accept(order.id, key="acc")
    house = Warehouse(world, order=order)
    house.plan(group("1", "2", carrier="express"), group("3", reasons=("fresh apart",)))
    house.engine.pick(house.id, house.name(1), Manifest.of({"1": 1}), key="short")
    house.engine.pack(house.id, house.name(1), grams=700, key="pack")
    house.book(1)
    house.engine.dispatch(house.id, house.name(1), key="leave")
    house.engine.consolidate("M1", [(house.id, house.name(1))], key="join")
    letter = house.express.happens(house.parcel(1).number, NOON, _S.EXCEPTION, "Lyon", "customs")
    house.hears(letter, "express")
    house.engine.redirect(house.id, PARIS, parcel=house.name(1), key="move", by=STAFF)
    house.engine.cancel_parcel(house.id, house.name(2), key="drop")
    order = house.order
    assert decode_order(encode_order(order)) == order
    told = [t.event for t in house.engine.journal(house.id)]
    assert {t.name for t in told} >= {event.name for event in PARCEL_FOLDS} - {"parcel.trimmed"}
    for event in told:
        assert decode_event(event.name, event.schema, encode_event(event)) == event


def test_the_journal_tells_the_life_of_a_parcel() -> None:
    """Each event of a parcel has its sentence."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    house.engine.pick(house.id, house.name(), Manifest.of({"1": 1, "2": 1}), key="pick")
    house.engine.pack(house.id, house.name(), grams=1_500, key="pack")
    house.book()
    house.engine.dispatch(house.id, house.name(), key="d")
    house.hears(house.post.happens(house.parcel().number, NOON, _S.IN_TRANSIT))
    told = text(house.engine.journal(house.id))
    for said in (
        "Planned as parcels: 1.",
        "Not found",
        "weighs 1500 g",
        "waybill POST",
        "on its way",
    ):
        assert said in told


def test_a_sweep_asks_carriers_again_that_gave_no_answer() -> None:
    """A waybill whose carrier was silent is settled by its timer: booked once, and nothing is owed any more."""
    house = Warehouse()
    house.plan(group("1", "2", "3"))
    name = house.parcel().id
    house.post.faults += [CarrierFault("book", after=True), CarrierFault("lookup")]
    asked = house.engine.book_waybill(house.id, name, key="b")
    assert asked.waybill.state is WaybillState.ASKED
    house.world.clock.advance(timedelta(minutes=5))
    assert house.engine.sweep().served
    waybill = house.parcel().waybill
    assert waybill is not None
    assert (waybill.state, house.post.waybills()) == (WaybillState.BOOKED, 1)
    house.world.clock.advance(timedelta(days=1))
    house.engine.sweep()
    assert house.post.waybills() == 1


def test_parcels_are_planned_as_the_split_rules_propose() -> None:
    """A proposal is planned as it is: a parcel for each group, from its source, for its reasons (law L18)."""
    house = Warehouse()
    rules = SplitPolicy((KeepApart("warehouse", SplitBy.WAREHOUSE),))
    house.engine.shop = attrs.evolve(
        house.engine.shop, policies=attrs.evolve(house.engine.shop.policies, splitting=rules)
    )
    where = {"SKU-1": "north", "SKU-2": "south", "SKU-3": "south"}
    proposal = house.engine.propose_split(house.id, where)
    order = house.engine.plan_parcels(house.id, proposal, key="plan")
    told = [(p.source, p.goods.total(), bool(p.reasons)) for p in order.delivery.parcels]
    assert told == [("north", 1, True), ("south", 2, True)]
