"""Tracing: what carriers tell of parcels, asked for or told by themselves, in whatever order it comes."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from ordercore.clock import utc
from ordercore.engine.discharging import discharge, order_of_key
from ordercore.engine.dispatching import settle_waybills
from ordercore.engine.flow import call
from ordercore.engine.fulfilling import advance
from ordercore.engine.shop import load, record
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
from ordercore.fulfillment import CarrierNotice, ParcelState, TrackPoint
from ordercore.fulfillment.bills import compare_bills
from ordercore.order.parcels import TrackParcel
from ordercore.order.rules.packing import AHEAD_MAX
from ordercore.party import Actor, ActorKind
from ordercore.tender import ChannelReply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.fulfillment import Parcel
    from ordercore.fulfillment.bills import BillReport, CarrierBill
    from ordercore.order import Order
    from ordercore.ports import Carrier

__all__ = ["bills_of", "notice", "on_master", "tell_parcel", "trace", "way_of"]

TEXT_MAX = 200
POINTS_MAX = 500
"""Most points of one answer that are looked at, the latest."""
ORDERS_MAX = 1_000
"""Most orders that one notice may concern."""
_LOG = logging.getLogger("ordercore.engine")
_OVER = frozenset({ParcelState.DELIVERED, ParcelState.RETURNED})


def tell_parcel(
    shop: Shop,
    order_id: str,
    parcel: str,
    state: ParcelState,
    at: datetime | None,
    place: str,
    note: str,
    key: str,
    by: Actor,
) -> Flow[Order]:
    """Take in what somebody of the shop knows of a parcel's way."""
    when = shop.clock.now() if at is None else utc(at)
    point = TrackPoint(when, state, place, note)
    said = "-" if at is None else when.isoformat()
    content = f"{parcel}|{getattr(state, 'value', state)}|{said}|{place}|{note}"
    return advance(shop, order_id, TrackParcel(parcel, (point,)), content, key, by)


def bills_of(
    shop: Shop, carrier: str, bills: Iterable[CarrierBill], orders: Sequence[str], currency: str
) -> Flow[BillReport]:
    """Hold a carrier's bills against what it carried of these orders."""
    parcels: list[Parcel] = []
    if not isinstance(orders, list | tuple):
        raise InvalidInput("orders are a list of their ids", path="orders")
    for order_id in orders:
        order = yield from load(shop, order_id)
        if order.currency != currency:
            reason = f"order {order_id!r} is in {order.currency}: its bills are compared apart"
            raise CurrencyMismatch(reason, path="currency", order=order_id)
        parcels += order.delivery.parcels
    return compare_bills(bills, parcels, carrier=carrier)


# Asked for --------------------------------------------------------------------------------------


def trace(shop: Shop, carriers: Mapping[str, Carrier], order_id: str) -> Flow[Order]:
    """Ask carriers about waybills that wait for their word, then about every parcel of an order that is on its way.
    One that fails stops no other, and is raised when the others are done."""
    failed: OrdercoreError | None = None
    try:
        order = yield from settle_waybills(shop, carriers, order_id)
    except OtherSideFailed as error:
        failed = error
        order = yield from load(shop, order_id)
    for parcel in order.delivery.parcels:
        if not parcel.gone or parcel.state in _OVER:
            continue
        for name, number, shared in _numbers(parcel):
            try:
                points = yield from way_of(carriers, name, number)
                points = on_master(points, parcel) if shared else points
                order = yield from told(shop, order, parcel.id, points, name)
            except OtherSideFailed as error:
                failed = error
                order = yield from load(shop, order_id)
    if failed is not None:
        raise failed
    return order


def _numbers(parcel: Parcel) -> list[tuple[str, str, bool]]:
    """Under which numbers of which carriers a parcel goes; whether it shares the number with others."""
    own = parcel.carrier if parcel.waybill is None else parcel.waybill.carrier
    found = [(own, parcel.number, False)] if parcel.number else []
    return [*found, (parcel.carrier, parcel.master, True)] if parcel.master else found


def way_of(carriers: Mapping[str, Carrier], name: str, number: str) -> Flow[tuple[TrackPoint, ...]]:
    """What a carrier knows of a number; nothing for a carrier that is not known here, or that tells nothing."""
    port = carriers.get(name)
    if port is None or not port.capabilities.tracks:
        return ()
    points = yield from call(port.track, number)
    return clipped(points)


def clipped(points: object) -> tuple[TrackPoint, ...]:
    """Points as they can be kept: a carrier's remarks may be long, and so may its memory.

    Raises `OtherSideFailed` for what are no points.
    """
    if not isinstance(points, list | tuple) or not all([_point(p) for p in points]):
        raise OtherSideFailed("a carrier tells a list of TrackPoint", path="points")
    latest = sorted(points, key=lambda p: p.at)[-POINTS_MAX:]
    return tuple(
        [
            TrackPoint(p.at, p.state, p.place[:TEXT_MAX], p.note[:TEXT_MAX], p.code[:TEXT_MAX])
            for p in latest
        ]
    )


def _point(point: object) -> bool:
    """Whether it has the types of a point; what it says is looked at by the rule."""
    return (
        isinstance(point, TrackPoint)
        and isinstance(point.at, datetime)
        and point.at.utcoffset() is not None
        and isinstance(point.state, ParcelState)
        and all([isinstance(text, str) for text in (point.place, point.note, point.code)])
    )


def on_master(points: Sequence[TrackPoint], parcel: Parcel) -> tuple[TrackPoint, ...]:
    """What happened to a consolidation, as it concerns one of its parcels.

    It is delivered where it is taken apart: a parcel that goes on under a number of its own is still on its way.
    """
    if not parcel.number:
        return tuple(points)
    on, there = ParcelState.IN_TRANSIT, ParcelState.DELIVERED
    return tuple(
        [TrackPoint(p.at, on, p.place, p.note, p.code) if p.state is there else p for p in points]
    )


def told(
    shop: Shop, order: Order, parcel: str, points: tuple[TrackPoint, ...], carrier: str
) -> Flow[Order]:
    """Record points, and do what follows: money that is taken on delivery is asked for.

    What is yet to come is nothing that happened: the rest is kept, then `OtherSideFailed` says so.
    """
    latest = shop.clock.now() + AHEAD_MAX
    happened = tuple([point for point in points if point.at <= latest])
    if happened:
        order = yield from _recorded(shop, order, parcel, happened, carrier)
    if len(happened) < len(points):
        reason = "the carrier tells of what is yet to come"
        raise OtherSideFailed(reason, path="points", carrier=carrier, parcel=parcel)
    return order


def _recorded(
    shop: Shop, order: Order, parcel: str, points: tuple[TrackPoint, ...], carrier: str
) -> Flow[Order]:
    by = Actor(ActorKind.CHANNEL, carrier)
    try:
        made = yield from record(shop, order, TrackParcel(parcel, points), by)
    except InvalidInput as error:
        reason = f"what the carrier tells cannot be: {error.reason}"
        raise OtherSideFailed(reason, path=error.path, carrier=carrier) from error
    if not made.events:
        return made.order
    return (yield from discharge(shop, made.order, by, made=made))


# Told by the carrier ----------------------------------------------------------------------------


def notice(
    shop: Shop,
    carriers: Mapping[str, Carrier],
    name: str,
    headers: Mapping[str, str],
    body: bytes,
    orders: Sequence[str],
) -> Flow[ChannelReply]:
    """Take a carrier's notification in; twice, late or out of order is all the same (law L10).

    A carrier that repeats the waybill's key names the order by it. Of another, ``orders`` says whom it may concern.
    """
    shop.outside()
    port = carriers.get(name) if isinstance(name, str) else None
    if port is None:
        known = tuple(sorted(carriers))
        raise NotFound(f"no carrier {name!r}", path="carrier", known=known)
    read = _parsed(port, headers, body)
    reply = ChannelReply(read.status, read.body)
    if read.irrelevant or not read.points:
        return reply
    points = clipped(read.points)
    if read.key:
        order = yield from load(shop, order_of_key(read.key))
        yield from _by_key(shop, order, read, points, name)
        return reply
    if not orders:
        reason = "the notice names no key of ours: say which orders it may concern"
        raise OrderNotFound(reason, path="orders", number=read.number)
    if not isinstance(orders, list | tuple):
        raise InvalidInput("orders are a list of their ids", path="orders")
    if len(orders) > ORDERS_MAX:
        raise InvalidInput(f"a notice concerns at most {ORDERS_MAX} orders", path="orders")
    for order_id in orders:
        order = yield from load(shop, order_id)
        yield from _by_number(shop, order, read.number, points, name)
    return reply


def _parsed(port: Carrier, headers: Mapping[str, str], body: bytes) -> CarrierNotice:
    """The notice as its adapter reads it; raises `PortFailed` where the adapter itself is at fault."""
    name = f"{type(port).__name__}.parse"
    try:
        read = port.parse(headers, body)
    except OrdercoreError:
        raise
    except Exception as error:
        what = type(error).__name__
        raise PortFailed(f"{name} raised {what}: {error}", port=name, error=what) from error
    if not isinstance(read, CarrierNotice):
        raise PortFailed(f"{name} gave no notice: {read!r}", port=name)
    return read


def _by_key(
    shop: Shop, order: Order, read: CarrierNotice, points: tuple[TrackPoint, ...], name: str
) -> Flow[None]:
    parcel = order.delivery.parcel(read.key.rpartition("/w")[0])
    if parcel is None or parcel.waybill is None:
        reason = "the notice is of a waybill that nobody here asked for"
        raise NotificationRefused(reason, path="key", key=read.key)
    if parcel.waybill.key != read.key:
        _LOG.info("order %s: news of a waybill that was given up: %s", order.id, read.key)
        return  # it was canceled, and another one takes the parcel
    if parcel.waybill.carrier != name:
        raise NotificationRefused("the waybill is of another carrier", path="key", key=read.key)
    yield from told(shop, order, parcel.id, points, name)


def _by_number(
    shop: Shop, order: Order, number: str, points: tuple[TrackPoint, ...], name: str
) -> Flow[None]:
    for parcel in order.delivery.parcels:
        for carrier, known, shared in _numbers(parcel):
            if known == number and carrier == name:
                found = on_master(points, parcel) if shared else points
                order = yield from told(shop, order, parcel.id, found, name)
