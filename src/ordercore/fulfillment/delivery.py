"""What has left, what will not leave any more, and what arrived."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ordercore.event import Event, event
from ordercore.goods import LineId, Manifest
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FOLDS", "Delivery", "Received", "Shipment", "Shipped", "StockPolicy", "Withdrawn"]

SHIPMENTS_MAX = 1_000
"""Most shipments of one order."""


@value
class StockPolicy:
    """``reserve_slack`` is how long a reservation outlives the payment window.

    It covers the time to resolve an attempt whose outcome is unknown: a paid order must not find
    its goods promised to somebody else.
    """

    reserve_slack: timedelta = timedelta(hours=24)


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
    """The fulfillment of one order. ``withdrawn`` are units that were refunded before they left."""

    shipments: tuple[Shipment, ...] = ()
    withdrawn: Manifest = Manifest()
    received_at: datetime | None = None

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


FOLDS: Mapping[type[Event], Callable[[Delivery, Any], Delivery]] = {
    Shipped: lambda d, e: Delivery((*d.shipments, e.shipment), d.withdrawn, d.received_at),
    Withdrawn: lambda d, e: Delivery(d.shipments, d.withdrawn + e.goods, d.received_at),
    Received: lambda d, e: Delivery(d.shipments, d.withdrawn, e.at),
}
