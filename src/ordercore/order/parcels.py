"""What may be asked of the parcels of an order; `ordercore.order.commands` lists it with the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.fulfillment import ParcelGroup, TrackPoint, WaybillOutcome
    from ordercore.goods import Manifest
    from ordercore.party import Address

__all__ = [
    "AnswerWaybill",
    "AskWaybill",
    "CancelParcel",
    "CancelWaybill",
    "DispatchParcel",
    "JoinMaster",
    "PackParcel",
    "PickParcel",
    "PlanParcels",
    "RedirectParcel",
    "TrackParcel",
]


@value
class PlanParcels:
    """Plan parcels, one for each group, in the place of all that are planned and not yet picked.

    ``id`` begins their names. Goods that no group names are planned another time.
    """

    id: str
    groups: tuple[ParcelGroup, ...]


@value
class PickParcel:
    """The goods were taken off the shelf: those that were ``found``, or all of them."""

    parcel: str
    found: Manifest | None = None


@value
class PackParcel:
    """The parcel is closed and weighs so much."""

    parcel: str
    grams: int


@value
class CancelParcel:
    """Give a parcel up before it leaves; its goods are to be planned again."""

    parcel: str
    reason: str = ""


@value
class AskWaybill:
    """Ask a carrier for a waybill; without a carrier or a service, those that were planned.

    ``tracks``: the carrier tells of the parcel's way.
    """

    parcel: str
    carrier: str = ""
    service: str = ""
    tracks: bool = False


@value
class CancelWaybill:
    """Ask the carrier to cancel the waybill of a parcel."""

    parcel: str
    reason: str = ""


@value
class AnswerWaybill:
    """The carrier spoke about a waybill; ``key`` says which, the parcel's or a former one."""

    parcel: str
    key: str
    outcome: WaybillOutcome


@value
class DispatchParcel:
    """A parcel leaves. Where it has no waybill, ``carrier`` and ``tracking`` say with whom."""

    parcel: str
    carrier: str = ""
    tracking: str = ""


@value
class TrackParcel:
    """A carrier, or somebody of the shop, tells of a parcel's way: old news, doubled news, in any order."""

    parcel: str
    points: tuple[TrackPoint, ...]


@value
class RedirectParcel:
    """Let a parcel go to another address than the one that it was planned for."""

    parcel: str
    address: Address = attrs.field(repr=False)
    reason: str = ""


@value
class JoinMaster:
    """Let a parcel go together with others under the waybill of a consolidation."""

    parcel: str
    master: str
    carrier: str = ""
