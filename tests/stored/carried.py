"""Stories of goods on their way: parcels with their waybills, what couriers collect, and codes for the counter."""

from __future__ import annotations

from datetime import timedelta

from tests.stored.paid import Told
from tests.stored.story import CLERK, START, content

from ordercore.change import Change
from ordercore.fulfillment import (
    ParcelGroup,
    ParcelKind,
    ParcelState,
    TrackPoint,
    WaybillOutcome,
    WaybillStatus,
)
from ordercore.fulfillment.pickup import CodeAlphabet, Pickup, Proxy, Seal
from ordercore.goods import Manifest
from ordercore.order import Accept, RefundOrder
from ordercore.order.commands import CollectGoods, IssuePickupCode
from ordercore.order.parcels import (
    AnswerWaybill,
    AskWaybill,
    CancelParcel,
    CancelWaybill,
    DispatchParcel,
    JoinMaster,
    PackParcel,
    PickParcel,
    PlanParcels,
    RedirectParcel,
    TrackParcel,
)
from ordercore.party import Actor, ActorKind, Address
from ordercore.tender import CaptureMoment, ChannelPick, OutcomeStatus, tenders

CARRIER = Actor(ActorKind.CHANNEL, "SF")
AWAY = Address("Zoë", ("2 Short Road",), "Suzhou", "", "215000", "CN", "+86 1")
_W = WaybillStatus
_CODE = "0b" * 32


def _taken_up(name: str, number: str, *, on_delivery: bool = False) -> Told:
    """An order that is paid, or to be paid to its courier, and taken up."""
    told = Told(content(name, number, 3))
    if on_delivery:
        picks = (ChannelPick("cod", capture=CaptureMoment.ON_DELIVERY),)
        told.pay(tenders.OnDelivery(), picks=picks)
        told.answer(OutcomeStatus.AUTHORIZED)
    else:
        told.pay(tenders.Channel("wechat"))
        told.answer(OutcomeStatus.CAPTURED)
    told.then(Accept(), CLERK)
    return told


def _group(goods: dict[str, int], **fields: object) -> ParcelGroup:
    return ParcelGroup(Manifest.of(goods), **fields)  # type: ignore[arg-type]


def _sight(state: ParcelState, hours: int) -> TrackPoint:
    at = START + timedelta(hours=hours)
    return TrackPoint(at, state, "Shanghai", "as the carrier says", f"c-{hours}")


def parcels_story() -> list[Change]:
    """Three parcels: one sent, redirected under another waybill and lost; one overseas; one given up."""
    told = _taken_up("ord_15", "ORD-0000000015")
    first = _group(
        {"1": 3, "2": 1}, source="north", service="express", carrier="SF", reasons=("stock",),
        estimate=1_150,
    )  # fmt: skip
    sea = _group({"2": 1, "3": 2}, source="south", kind=ParcelKind.CONSOLIDATED)
    rest = _group({"3": 1}, kind=ParcelKind.LOCAL)
    told.then(PlanParcels("ord_15/p", (first, sea, rest)), CLERK)
    one, two, three = (parcel.id for parcel in told.order.delivery.parcels)
    told.then(PickParcel(one, Manifest.of({"1": 2, "2": 1})), CLERK)
    told.then(PackParcel(one, 2_350), CLERK)
    _booked(told, one, WaybillOutcome(_W.BOOKED, "SF0001", 1_200, "https://example.org/label/1"))
    told.then(JoinMaster(two, "SEA-7", "COSCO"), CLERK)
    told.then(CancelParcel(three, "sold by another store"), CLERK)
    told.then(DispatchParcel(one), CLERK)
    told.then(TrackParcel(one, (_sight(ParcelState.IN_TRANSIT, 5),)), CARRIER)
    told.then(CancelWaybill(one, "the customer moved"), CLERK)
    _answer(told, one, WaybillOutcome(_W.CANCELED))
    told.then(RedirectParcel(one, AWAY, "the customer moved"), CLERK)
    _booked(told, one, WaybillOutcome(_W.BOOKED, "SF0002", 1_350))
    late = (_sight(ParcelState.LOST, 90), _sight(ParcelState.EXCEPTION, 30))
    told.then(TrackParcel(one, late), CARRIER, after=timedelta(days=4))
    told.then(RefundOrder("rfd_15", Manifest.of({"2": 1}), "never came"), CLERK)
    return told.changes


def _booked(told: Told, parcel: str, outcome: WaybillOutcome) -> None:
    """A waybill is asked for, and the carrier answers."""
    told.then(AskWaybill(parcel), CLERK)
    _answer(told, parcel, outcome)


def _answer(told: Told, parcel: str, outcome: WaybillOutcome) -> None:
    """The carrier's word about the waybill of a parcel."""
    found = told.order.delivery.parcel(parcel)
    assert found is not None
    assert found.waybill is not None
    told.then(AnswerWaybill(parcel, found.waybill.key, outcome))


def courier_story() -> list[Change]:
    """Two parcels that their couriers collect for."""
    told = _taken_up("ord_16", "ORD-0000000016", on_delivery=True)
    told.then(PlanParcels("ord_16/p", (_group({"1": 3}), _group({"2": 2, "3": 3}))), CLERK)
    return told.changes


def counter_story() -> list[Change]:
    """A code for the counter, wrong tries, some goods for the customer and the rest for a friend."""
    told = _taken_up("ord_17", "ORD-0000000017")
    seal = Seal(CodeAlphabet.LETTERS, 12, 14, "a1" * 16, _CODE)
    code = Pickup("pck_1", "north", told.at + timedelta(days=7), seal, 2, 20, timedelta(minutes=15))
    told.then(IssuePickupCode(code, timedelta(days=7)), CLERK)
    for n in range(2):
        told.then(CollectGoods("pck_1", "north", "00" * 32, f"shp_w{n}"), CLERK)
    later = timedelta(minutes=20)
    told.then(
        CollectGoods("pck_1", "north", _CODE, "shp_c1", Manifest.of({"1": 1})), CLERK, after=later
    )
    friend = Proxy("by letter", "Ann", "4711")
    told.then(CollectGoods("pck_1", "north", _CODE, "shp_c2", proxy=friend), CLERK)
    return told.changes


def carried_stories() -> list[Change]:
    """All of them."""
    return [*parcels_story(), *courier_story(), *counter_story()]
