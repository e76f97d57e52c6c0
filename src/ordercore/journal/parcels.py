"""What each event of a parcel says, and of goods that are collected against a code.

No address, place or remark goes into a sentence: those may name a person. Nor does anything of a code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordercore.fulfillment.parcel import (
    CollectShared,
    MasterJoined,
    ParcelCanceled,
    ParcelPacked,
    ParcelPicked,
    ParcelRedirected,
    ParcelsPlanned,
    ParcelState,
    ParcelTracked,
    ParcelTrimmed,
    WaybillAnswered,
    WaybillAsked,
    WaybillCanceling,
    WaybillState,
)
from ordercore.fulfillment.pickup import CodeIssued, CodeRefused, Collected
from ordercore.journal.fields import goods_of
from ordercore.journal.sentence import LISTED_MAX, Sentence, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.event import Event
    from ordercore.order import Order

__all__ = ["PARCELS_TOLD"]

_Told = tuple[Sentence, ...]

_SIGHTS: Final[Mapping[ParcelState, str]] = {
    ParcelState.DISPATCHED: "parcel_dispatched",
    ParcelState.IN_TRANSIT: "parcel_in_transit",
    ParcelState.OUT_FOR_DELIVERY: "parcel_out_for_delivery",
    ParcelState.EXCEPTION: "parcel_exception",
    ParcelState.REFUSED: "parcel_refused",
    ParcelState.RETURNED: "parcel_returned",
    ParcelState.LOST: "parcel_lost",
    ParcelState.DELIVERED: "parcel_delivered",
}


def _called(parcel: str) -> str:
    """A parcel as people call it: without the order's id."""
    return parcel.partition("/")[2] or parcel


def _planned(event: ParcelsPlanned, before: Order, _after: Order) -> _Told:
    shown = [
        say("planned_parcel", parcel=_called(p.id), goods=goods_of(before, p.goods.items))
        for p in event.parcels[:LISTED_MAX]
    ]
    return (say("planned", count=len(event.parcels)), *shown)


def _picked(event: ParcelPicked, before: Order, _after: Order) -> _Told:
    name = _called(event.parcel)
    told = [say("parcel_canceled", parcel=name)]
    if event.goods:
        told = [say("picked", parcel=name, goods=goods_of(before, event.goods.items))]
    if event.short:
        told.append(say("picked_short", goods=goods_of(before, event.short.items)))
    return tuple(told)


def _packed(event: ParcelPacked, _before: Order, _after: Order) -> _Told:
    return (say("packed", parcel=_called(event.parcel), grams=event.grams),)


def _trimmed(event: ParcelTrimmed, before: Order, _after: Order) -> _Told:
    name = _called(event.parcel)
    if not event.goods:
        return (say("parcel_canceled", parcel=name),)
    return (say("trimmed", parcel=name, goods=goods_of(before, event.goods.items)),)


def _asked(event: WaybillAsked, _before: Order, _after: Order) -> _Told:
    carrier = event.waybill.carrier
    return (say("waybill_asked", carrier=carrier, parcel=_called(event.parcel)),)


def _answered(event: WaybillAnswered, before: Order, _after: Order) -> _Told:
    now, name = event.waybill, _called(event.parcel)
    if now.state is WaybillState.CANCELED:
        return (say("waybill_canceled", carrier=now.carrier, parcel=name),)
    if now.state is not WaybillState.BOOKED:
        return (say("waybill_refused", carrier=now.carrier, parcel=name),)
    parcel = before.delivery.parcel(event.parcel)
    was = None if parcel is None else parcel.asked_as(now.key)
    if was is not None and was.state is WaybillState.CANCELING:
        return (say("waybill_stands", carrier=now.carrier, number=now.number, parcel=name),)
    told = say("waybill_booked", carrier=now.carrier, number=now.number, parcel=name)
    return (told,) if now.cost is None else (told, say("waybill_cost", amount=now.cost))


def _tracked(event: ParcelTracked, _before: Order, _after: Order) -> _Told:
    """The latest of what a carrier told; a point that is none of a parcel on its way is left out."""
    name, shown = _called(event.parcel), event.points[-LISTED_MAX:]
    known = [(_SIGHTS[point.state], point.at) for point in shown if point.state in _SIGHTS]
    return tuple([say(sight, parcel=name, at=at) for sight, at in known])


def _shared(event: CollectShared, _before: Order, _after: Order) -> _Told:
    shown = event.shares[:LISTED_MAX]
    return tuple([say("collect", parcel=_called(name), amount=amount) for name, amount in shown])


def _joined(event: MasterJoined, _before: Order, _after: Order) -> _Told:
    return (say("master", parcel=_called(event.parcel), number=event.master),)


def _of_parcel(event: Any, name: str) -> _Told:
    """One sentence that needs no more than the parcel."""
    return (say(name, parcel=_called(event.parcel)),)


def _code_issued(event: CodeIssued, _before: Order, _after: Order) -> _Told:
    return (say("code_issued", store=event.pickup.store, at=event.pickup.expires_at),)


def _code_refused(event: CodeRefused, _before: Order, _after: Order) -> _Told:
    told = [say("code_refused", store=event.store)]
    if event.locked_until is not None:
        told.append(say("code_locked", at=event.locked_until))
    if event.void:
        told.append(say("code_void"))
    return tuple(told)


def _collected(event: Collected, before: Order, _after: Order) -> _Told:
    goods = goods_of(before, event.handed.goods.items)
    told = say("collected", store=event.store, goods=goods, amount=event.amount)
    return (told,) if event.proxy is None else (told, say("collected_by_proxy"))


PARCELS_TOLD: Final[Mapping[type[Event], Callable[[Any, Any, Order], _Told]]] = {
    ParcelsPlanned: _planned,
    ParcelPicked: _picked,
    ParcelPacked: _packed,
    ParcelTrimmed: _trimmed,
    ParcelCanceled: lambda e, _b, _a: _of_parcel(e, "parcel_canceled"),
    WaybillAsked: _asked,
    WaybillCanceling: lambda e, _b, _a: _of_parcel(e, "waybill_canceling"),
    WaybillAnswered: _answered,
    ParcelRedirected: lambda e, _b, _a: _of_parcel(e, "redirected"),
    MasterJoined: _joined,
    ParcelTracked: _tracked,
    CollectShared: _shared,
    CodeIssued: _code_issued,
    CodeRefused: _code_refused,
    Collected: _collected,
}
"""What each event says, given the order before it and after it."""
