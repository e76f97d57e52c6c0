"""What a carrier is asked, and what it answers: quotes, waybills, what it tells of parcels."""

from __future__ import annotations

import enum

import attrs

from ordercore.fulfillment.parcel import TrackPoint
from ordercore.party import Address
from ordercore.value import value

__all__ = [
    "CarrierCapabilities",
    "CarrierNotice",
    "CarrierQuote",
    "WaybillOutcome",
    "WaybillRequest",
    "WaybillStatus",
]


class WaybillStatus(enum.Enum):
    """What a carrier says of a waybill."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    BOOKED = "booked"
    REFUSED = "refused"
    """It does not take the parcel; or, asked to cancel, it does not: the waybill stands."""
    CANCELED = "canceled"
    UNKNOWN = "unknown"
    """It knows nothing of the key, or cannot say now."""


@value
class CarrierCapabilities:
    """What a carrier can do.

    ``recalls``: it cancels a waybill also when it has the parcel, so that a parcel on its way can be redirected.
    ``tracks``: it tells of a parcel's way, so no order is taken for received by time before it has told.
    ``collects``: its couriers collect money at the door. ``services`` are those that it sells, empty for any name.
    """

    quotes: bool = True
    cancels: bool = True
    recalls: bool = False
    tracks: bool = True
    collects: bool = False
    services: tuple[str, ...] = ()


@value
class WaybillRequest:
    """A parcel as its carrier hears of it. ``key`` names the try: the same key is the same waybill.

    ``goods`` are units by sku, ``grams`` what the parcel weighs (0 where nobody knows), ``collect`` what is collected
    at the door in minor units of ``currency``. ``number`` is the waybill's, once there is one.
    """

    key: str
    order_id: str
    parcel: str
    service: str
    source: str
    address: Address = attrs.field(repr=False)
    currency: str
    goods: tuple[tuple[str, int], ...] = ()
    grams: int = 0
    collect: int = 0
    number: str = ""


@value
class CarrierQuote:
    """What the carriage would cost, in minor units of the request's currency, and how many days it takes.

    ``None`` where the carrier does not say.
    """

    amount: int | None = None
    days: int | None = None


@value
class WaybillOutcome:
    """What became of a waybill. ``cost`` is in minor units of the request's currency, ``None`` where it is not said."""

    status: WaybillStatus
    number: str = ""
    cost: int | None = None
    label: str = ""
    reason: str = ""


@value
class CarrierNotice:
    """A verified notification of a carrier: points of the way of one waybill.

    ``key`` is the waybill's key, where the carrier repeats what it was given; else only ``number`` is known.
    ``irrelevant`` is one that concerns nobody here. ``body`` and ``status`` are the answer that the carrier wants.
    """

    number: str
    points: tuple[TrackPoint, ...] = ()
    key: str = ""
    irrelevant: bool = False
    body: bytes = b""
    status: int = 200
