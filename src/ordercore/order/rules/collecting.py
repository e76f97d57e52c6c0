"""Collecting: codes for the counter, tries against them, and goods handed over.

Goods that are handed over have left and have arrived at once. A wrong try is no refusal: it is counted, so two
tills that try at the same time are both counted, by the order's version. Everything that is checked before the
code is the same for a right and a wrong one, so it tells nobody which it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, InvalidManifest, NotAllowed
from ordercore.fulfillment import Received, Shipment, Shipped
from ordercore.fulfillment.delivery import SHIPMENTS_MAX
from ordercore.fulfillment.parcel import (
    Parcel,
    ParcelKind,
    ParcelState,
    ParcelTracked,
    ParcelTrimmed,
    TrackPoint,
)
from ordercore.fulfillment.pickup import (
    CODES_MAX,
    VALID_MAX,
    CodeIssued,
    CodeRefused,
    Collected,
    HandedOver,
    Pickup,
    PickupEnd,
    pickup_at,
)
from ordercore.goods import Manifest
from ordercore.order.commands import CollectGoods, IssuePickupCode
from ordercore.order.rules.capturing import goods_arrived, goods_left
from ordercore.order.rules.deciding import Refusal
from ordercore.order.rules.fulfilling import may_ship
from ordercore.order.rules.paying import CLOSING
from ordercore.party import ActorKind
from ordercore.tender import TenderKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation

__all__ = ["GUARDS", "RULES", "taken"]

_ENDS: Mapping[PickupEnd, str] = {
    PickupEnd.REPLACED: "the code was replaced by another",
    PickupEnd.COLLECTED: "everything under this code is handed over",
    PickupEnd.GUESSED_AT: "the code is void after too many wrong tries: give another",
}


def may_issue(order: Order, situation: Situation) -> Refusal | None:
    """A code is given for goods that are paid as the chart asks, and still to leave."""
    if order.closing is not None:
        return Refusal(CLOSING)
    if order.handling.released:
        return Refusal("the order is over: nothing is handed over")
    lifecycle = situation.lifecycle
    if "ship" not in lifecycle.events:
        return Refusal("goods of this kind of order do not leave")
    if lifecycle.prepaid and order.due:
        return Refusal("something is still due: a code is given when it is paid")
    if not order.shippable():
        return Refusal("nothing is left to hand over")
    pickups = order.delivery.pickups
    if len(pickups) >= CODES_MAX:
        return Refusal(f"an order has at most {CODES_MAX} codes")
    if situation.by.kind is ActorKind.CUSTOMER and not pickups:
        return Refusal("the first code is given by the shop")
    return None


def may_collect(order: Order, situation: Situation) -> Refusal | None:
    """Goods are handed over while some are to leave, and what was to be paid on delivery is recorded as paid.

    No courier stands at the counter: what a courier has been told to collect is left to them.
    """
    refusal = may_ship(order, situation)
    if refusal is None and (open_ := _to_collect(order)) > 0:
        reason = (
            f"{open_} is still to be collected on delivery: take it, and confirm the payment first"
        )
        refusal = Refusal(reason)
    return refusal


def _to_collect(order: Order) -> int:
    """What is still to be collected on delivery, but for what couriers collect, in minor units."""
    open_ = sum([a.to_capture for a in order.payments.attempts if a.kind is TenderKind.ON_DELIVERY])
    if not open_:
        return 0
    couriers = [
        p.collect
        for p in order.delivery.parcels
        if p.kind is not ParcelKind.PICKUP
        and not p.collected
        and (p.gone or (p.in_work and p.waybill is not None and p.waybill.live))
    ]
    return open_ - sum(couriers)


def may_ask_collect(order: Order, situation: Situation) -> Refusal | None:
    """The same for who only asks: some code is taken now."""
    refusal = may_collect(order, situation)
    at = situation.at
    good = [
        p
        for p in order.delivery.pickups
        if p.end is None and at < p.expires_at and not p.locked(at)
    ]
    if refusal is None and not good:
        refusal = Refusal("no code is taken now: give one")
    return refusal


def issue(deciding: Deciding, command: IssuePickupCode) -> None:
    """Give a code for a store; a former one for the same store dies, and what it was for is taken on.

    Customers renew the code of a store, for no longer than ``command.within`` from now, and for nothing that did
    not wait under it.
    """
    order, situation = deciding.order, deciding.situation
    pickup, at = command.pickup, situation.at
    former = pickup_at(order.delivery.pickups, pickup.store)
    by_customer = situation.by.kind is ActorKind.CUSTOMER
    if by_customer and former is None:
        reason = "a customer renews the code of a store: this order has none there"
        raise NotAllowed(reason, order=order.id, state=order.state, store=pickup.store)
    longest = command.within if by_customer else VALID_MAX
    if not at < pickup.expires_at <= at + longest:
        reason = f"a code expires after now, and within {longest.days} days"
        raise InvalidInput(reason, path="expires", most=longest.days)
    goods = _goods_of(order, pickup, former, by_customer=by_customer)
    if goods is not pickup.goods:
        pickup = Pickup(
            pickup.id, pickup.store, pickup.expires_at, pickup.seal, pickup.tries, pickup.most,
            pickup.lock, goods,
        )  # fmt: skip
    deciding.apply(CodeIssued(pickup))


def _goods_of(
    order: Order, pickup: Pickup, former: Pickup | None, *, by_customer: bool
) -> Manifest | None:
    """What a new code is for: as asked, else what waits under the former one; ``None`` for all that is left.

    A code that was for some units never becomes one for all: where none of them wait any more, there is nothing to
    renew.
    """
    shippable, goods = order.shippable(), pickup.goods
    if goods is not None and (not goods or not shippable.covers(goods)):
        reason = "a code is for units that are still to leave, at least one"
        raise InvalidManifest(reason, path="goods")
    if former is None:
        return goods
    free = _free(order, _parcels_at(order, pickup.store)) if by_customer else shippable
    waiting = former.waiting(free)
    if by_customer and goods is not None and not waiting.covers(goods):
        reason = "a customer renews a code for units that wait under it"
        raise InvalidManifest(reason, path="goods", waiting=_plain(waiting))
    named = goods is None and former.goods is not None
    if not waiting and (by_customer or named):
        reason = "nothing waits under the former code of this store any more"
        if not by_customer:
            reason += ": say for which goods another is"
        raise NotAllowed(reason, order=order.id, state=order.state, store=pickup.store)
    return former.waiting(shippable) if named else goods


def taken(order: Order, pickup: Pickup | None, store: str, at: datetime) -> Pickup:
    """The code, if one is taken at this store now; raises `NotAllowed` with the reason, and counts nothing."""
    until = None
    if pickup is None:
        reason = "this order has no code for this store"
    elif pickup.end is not None:
        reason = _ENDS[pickup.end]
    elif at >= pickup.expires_at:
        reason = "the code has expired: give another"
    elif pickup.locked(at):
        reason, until = "no code is taken for a while, after wrong tries", pickup.locked_until
    else:
        return pickup
    raise NotAllowed(
        reason, order=order.id, state=order.state, store=store,
        locked_until=None if until is None else until.isoformat(),
    )  # fmt: skip


def collect(deciding: Deciding, command: CollectGoods) -> None:
    """Hand goods over against a code, or count a wrong try. What was handed over before is not handed over again."""
    order, at = deciding.order, deciding.situation.at
    found = [p for p in order.delivery.pickups if p.id == command.pickup]
    pickup = taken(order, found[0] if found else None, command.store, at)
    here = _parcels_at(order, pickup.store)
    if any([handed.id == command.shipment for handed in pickup.handovers]):
        # a repeat of a scan, with another code than that one
        if not pickup.seal.opens(command.digest):
            deciding.apply(_wrong(pickup, at))
        return
    if len(order.delivery.shipments) + len(here) >= SHIPMENTS_MAX:
        raise InvalidManifest(f"an order has at most {SHIPMENTS_MAX} shipments", path="goods")
    waiting = pickup.waiting(_free(order, here))
    goods = waiting if command.goods is None else command.goods
    if not goods or not waiting.covers(goods):
        reason = "only units that wait under this code are handed over, at least one"
        raise InvalidManifest(reason, path="goods", waiting=_plain(waiting))
    if not pickup.seal.opens(command.digest):
        deciding.apply(_wrong(pickup, at))
        return
    gone = order.delivery.gone()
    left = _leave(deciding, goods, here, command)
    deciding.apply(
        Collected(
            pickup.id, HandedOver(command.shipment, goods, left), pickup.store,
            _worth(order, goods, gone), goods.total() == waiting.total(), command.proxy,
        )
    )  # fmt: skip
    goods_left(deciding)
    if not deciding.order.shippable():
        _complete(deciding)


def _wrong(pickup: Pickup, at: datetime) -> CodeRefused:
    """A wrong try, and what follows: a pause after several in a row, the end after too many."""
    void = pickup.failed + 1 >= pickup.most
    pause = pickup.tried + 1 >= pickup.tries
    return CodeRefused(
        pickup.id, pickup.store, at + pickup.lock if pause and not void else None, void
    )


def _parcels_at(order: Order, store: str) -> tuple[Parcel, ...]:
    """Parcels that wait at a store for whoever fetches them."""
    return tuple(
        [
            p
            for p in order.delivery.parcels
            if p.in_work
            and p.kind is ParcelKind.PICKUP
            and p.source in {"", store}
            and (p.waybill is None or not p.waybill.live)
        ]
    )


def _free(order: Order, here: tuple[Parcel, ...]) -> Manifest:
    """Units that are still to leave, without those in parcels that go elsewhere."""
    shippable, parcels = order.shippable(), order.delivery.parcels
    held = Manifest()
    for parcel in parcels:
        if parcel.in_work and parcel not in here:
            held = held + parcel.goods
    if not held:
        return shippable
    left = [(line, units - held.units(line)) for line, units in shippable.items]
    return Manifest.of([(line, units) for line, units in left if units > 0])


def _leave(
    deciding: Deciding, goods: Manifest, here: tuple[Parcel, ...], command: CollectGoods
) -> tuple[str, ...]:
    """Let goods leave: those of a whole parcel as that parcel, which is delivered with it; the names of all.

    What is left of them comes from the goods that stand in no parcel, then from the parcels here: one of which a
    part is handed over keeps the rest, and those that go elsewhere keep all.
    """
    at, rest = deciding.situation.at, goods
    loose = _free(deciding.order, ())
    names = []
    for parcel in here:
        if parcel.goods and rest.covers(parcel.goods):
            rest = rest - parcel.goods
            names.append(parcel.id)
            deciding.apply(Shipped(Shipment(parcel.id, parcel.goods, at=at)))
            there = TrackPoint(at, ParcelState.DELIVERED, command.store)
            deciding.apply(ParcelTracked(parcel.id, (there,)))
    if rest:
        names.append(command.shipment)
        deciding.apply(Shipped(Shipment(command.shipment, rest, at=at)))
        _open(deciding, rest, loose, [p for p in here if p.id not in names])
    return tuple(names)


_CLOSED = {ParcelState.PLANNED: 0, ParcelState.PICKED: 1, ParcelState.PACKED: 2}


def _open(deciding: Deciding, goods: Manifest, loose: Manifest, parcels: list[Parcel]) -> None:
    """Take out of parcels here what was handed over and was not loose: of plans first, of what is packed last."""
    out = {line: max(0, units - loose.units(line)) for line, units in goods.items}
    for parcel in sorted(parcels, key=lambda p: _CLOSED[p.state]):
        left = []
        for line, units in parcel.goods.items:
            part = min(units, out.get(line, 0))
            out[line] = out.get(line, 0) - part
            left.append((line, units - part))
        kept = Manifest.of([(line, units) for line, units in left if units])
        if kept != parcel.goods:
            deciding.apply(ParcelTrimmed(parcel.id, kept, "a part of it was handed over"))


def _complete(deciding: Deciding) -> None:
    """Everything has left: the order moves as its chart says, and has arrived where all of it was collected."""
    arrived = deciding.order.delivery.arrived_at()
    if arrived is not None:
        deciding.apply(Received(arrived))
        goods_arrived(deciding)
    deciding.move("ship")
    if arrived is not None and deciding.lists("receive"):
        deciding.move("receive")


def _worth(order: Order, goods: Manifest, gone: Mapping[Any, int]) -> int:
    """What the customer pays for the next units of lines, in minor units."""
    asked = dict(goods.items)
    return sum(
        [
            line.units(gone.get(line.id, 0), asked[line.id]).total
            for line in order.content.lines
            if line.id in asked
        ]
    )


def _plain(goods: Manifest) -> tuple[str, ...]:
    return tuple([f"{line} x {units}" for line, units in goods.items])


RULES: Mapping[type[Any], Rule] = {IssuePickupCode: issue, CollectGoods: collect}
GUARDS: Mapping[type[Any], Guard] = {IssuePickupCode: may_issue, CollectGoods: may_collect}
