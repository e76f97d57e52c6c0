"""What has left, what will not leave any more, and what arrived."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ordercore.event import Event, event
from ordercore.fulfillment.parcel import PARCEL_FOLDS, TROUBLED, Parcel, left
from ordercore.fulfillment.pickup import PICKUP_FOLDS, Pickup
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FOLDS", "Delivery", "Received", "Shipment", "Shipped", "Withdrawn"]

SHIPMENTS_MAX = 1_000
"""Most shipments of one order."""


@value
class Shipment:
    """Goods that left together, with the carrier's name for them."""

    id: str
    goods: Manifest
    carrier: str = ""
    tracking: str = ""
    at: datetime | None = None


@value
class Delivery:
    """The fulfillment of one order. ``withdrawn`` are units that were refunded before they left.

    ``parcels`` are what was planned to be carried as one, whether it has left or not: one that has left stands among
    ``shipments`` too, under the same id. An order that ships without a plan has none.
    """

    shipments: tuple[Shipment, ...] = ()
    withdrawn: Manifest = Manifest()
    received_at: datetime | None = None
    parcels: tuple[Parcel, ...] = ()
    pickups: tuple[Pickup, ...] = ()

    def shipped(self) -> Manifest:
        """Units that have left, by line."""
        goods = Manifest()
        for shipment in self.shipments:
            goods = goods + shipment.goods
        return goods

    def gone(self) -> dict[LineId, int]:
        """Units by line that are no more to be shipped: left, or withdrawn."""
        units: dict[LineId, int] = dict(self.withdrawn.items)
        for shipment in self.shipments:
            for line, number in shipment.goods.items:
                units[line] = units.get(line, 0) + number
        return units

    def parcel(self, name: str) -> Parcel | None:
        """The parcel with this id."""
        for parcel in self.parcels:
            if parcel.id == name:
                return parcel
        return None

    def in_work(self) -> dict[LineId, Quantity]:
        """Units by line that stand in parcels which have not left yet."""
        units: dict[LineId, Quantity] = {}
        for parcel in self.parcels:
            if parcel.in_work:
                for line, number in parcel.goods.items:
                    units[line] = Quantity(units.get(line, 0) + number)
        return units

    def arrived_at(self) -> datetime | None:
        """When the last of what left arrived; ``None`` unless every parcel is known to be delivered, and what left
        without one was handed over."""
        delivered = {p.id: p for p in self.parcels if p.gone and p.delivered_at is not None}
        handed = {name for p in self.pickups for scan in p.handovers for name in scan.shipments}
        times = []
        for shipment in self.shipments:
            parcel = delivered.get(shipment.id)
            at = shipment.at if shipment.id in handed else None
            if parcel is not None:
                at = parcel.delivered_at
            if at is None:
                return None
            times.append(at)
        return max(times, default=None)

    def awaits_word(self) -> bool:
        """Whether nobody may take the goods for arrived because time has passed: a parcel is in trouble, or its carrier
        tells of its way and has not told that it was delivered."""
        return any(
            [
                parcel.state in TROUBLED or (parcel.told_of and parcel.delivered_at is None)
                for parcel in self.parcels
                if parcel.gone
            ]
        )

    def taken(self) -> bool:
        """Whether a carrier has part of it, though nobody said that it left."""
        return any([parcel.taken for parcel in self.parcels])


@event("delivery.shipped")
class Shipped(Event):
    """Goods left."""

    shipment: Shipment


@event("delivery.withdrawn")
class Withdrawn(Event):
    """Goods were refunded before they left, and will stay."""

    goods: Manifest


@event("delivery.received")
class Received(Event):
    """The goods arrived; ``confirmed_by_timer`` when nobody said so and time was up."""

    at: datetime
    confirmed_by_timer: bool = False


def _pickups(
    folding: Callable[[tuple[Pickup, ...], Any], tuple[Pickup, ...]],
) -> Callable[[Delivery, Any], Delivery]:
    def apply(d: Delivery, event: Event) -> Delivery:
        return Delivery(
            d.shipments, d.withdrawn, d.received_at, d.parcels, folding(d.pickups, event)
        )

    return apply


def _parcels(
    folding: Callable[[tuple[Parcel, ...], Any], tuple[Parcel, ...]],
) -> Callable[[Delivery, Any], Delivery]:
    def apply(d: Delivery, event: Any) -> Delivery:
        return Delivery(
            d.shipments, d.withdrawn, d.received_at, folding(d.parcels, event), d.pickups
        )

    return apply


def _shipped(d: Delivery, event: Shipped) -> Delivery:
    shipment, parcels = event.shipment, d.parcels
    if parcels:
        parcels = left(parcels, shipment.id, shipment.carrier, shipment.tracking)
    return Delivery((*d.shipments, shipment), d.withdrawn, d.received_at, parcels, d.pickups)


FOLDS: Mapping[type[Event], Callable[[Delivery, Any], Delivery]] = {
    Shipped: _shipped,
    Withdrawn: lambda d, e: Delivery(
        d.shipments, d.withdrawn + e.goods, d.received_at, d.parcels, d.pickups
    ),
    Received: lambda d, e: Delivery(d.shipments, d.withdrawn, e.at, d.parcels, d.pickups),
    **{happened: _parcels(folding) for happened, folding in PARCEL_FOLDS.items()},
    **{happened: _pickups(folding) for happened, folding in PICKUP_FOLDS.items()},
}
