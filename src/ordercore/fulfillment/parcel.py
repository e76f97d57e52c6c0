"""Parcels: goods of one order that are picked, packed and carried as one, each with a life of its own.

Theory of operation. A parcel begins as a plan, and a plan is replaced until it is picked. What is planned, picked
and packed, what has left, what was withdrawn and what nobody planned yet add up to what was ordered (law L16).
A parcel that leaves is a `Shipment` of the same id. From then on carriers speak: what they tell is kept in the
parcel's trail, by the time at which it happened. News comes late, doubled and in any order, so the state of a
parcel is that of the latest point of its trail, and of points of one moment the weightier one: any permutation of
the same news ends in the same standing (law L10).

A waybill is a fact beside the state: it may be booked before a parcel is packed, canceled, and booked again. It is
written down before the carrier is asked, so an answer that got lost is looked up under its key.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import attrs

from ordercore.event import Event, event
from ordercore.goods import Manifest
from ordercore.party import Address
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "IN_WORK",
    "PARCELS_MAX",
    "PARCEL_FOLDS",
    "TRACKED",
    "TRAIL_MAX",
    "TROUBLED",
    "WAYBILLS_MAX",
    "CollectShared",
    "MasterJoined",
    "Parcel",
    "ParcelCanceled",
    "ParcelGroup",
    "ParcelKind",
    "ParcelPacked",
    "ParcelPicked",
    "ParcelRedirected",
    "ParcelState",
    "ParcelTracked",
    "ParcelTrimmed",
    "ParcelsPlanned",
    "TrackPoint",
    "Waybill",
    "WaybillAnswered",
    "WaybillAsked",
    "WaybillCanceling",
    "WaybillState",
    "left",
    "merged",
]

PARCELS_MAX = 1_000
"""Most parcels of one order, those that were canceled too."""
TRAIL_MAX = 100
"""Most points of a trail; the latest are kept."""
WAYBILLS_MAX = 50
"""Most waybills that are asked for one parcel, one after another."""


class ParcelState(enum.Enum):
    """Where a parcel stands."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    PLANNED = "planned"
    PICKED = "picked"
    PACKED = "packed"
    DISPATCHED = "dispatched"
    """It has left, and the carrier has told nothing yet but that it has it."""
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    EXCEPTION = "exception"
    """Something hinders it: customs, a wrong address, nobody at home."""
    REFUSED = "refused"
    """The consignee did not take it: it goes back to the sender."""
    RETURNED = "returned"
    """It came back to the sender."""
    LOST = "lost"
    DELIVERED = "delivered"
    CANCELED = "canceled"
    """It never left: its goods are to be planned again, or will not leave at all."""


_S = ParcelState
IN_WORK = frozenset({_S.PLANNED, _S.PICKED, _S.PACKED})
"""States of a parcel that has not left yet."""
TRACKED = (
    _S.DISPATCHED,
    _S.IN_TRANSIT,
    _S.OUT_FOR_DELIVERY,
    _S.EXCEPTION,
    _S.REFUSED,
    _S.RETURNED,
    _S.LOST,
    _S.DELIVERED,
)
"""What a carrier may tell of a parcel; of two points of one moment the later in this list counts."""
TROUBLED = frozenset({_S.EXCEPTION, _S.REFUSED, _S.RETURNED, _S.LOST})
"""States in which nobody may take it for arrived because time has passed."""
_CARRIED = frozenset({*TRACKED} - {_S.DISPATCHED, _S.RETURNED})
"""States in which a carrier surely has a parcel, or has handed it over."""
_RANK: Mapping[ParcelState, int] = {state: rank for rank, state in enumerate(TRACKED)}


class ParcelKind(enum.Enum):
    """How a parcel gets to the customer; one order may mix them."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    EXPRESS = "express"
    """By a carrier, with a waybill."""
    LOCAL = "local"
    """By the shop's own or a local courier."""
    PICKUP = "pickup"
    """The customer fetches it."""
    CONSOLIDATED = "consolidated"
    """Together with parcels of other orders, under a master waybill."""


class WaybillState(enum.Enum):
    """Where a waybill stands."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ASKED = "asked"
    """The carrier is asked, and its answer is not known."""
    BOOKED = "booked"
    REFUSED = "refused"
    CANCELING = "canceling"
    """The carrier is asked to cancel it, and its answer is not known."""
    CANCELED = "canceled"


_LIVE = frozenset({WaybillState.ASKED, WaybillState.BOOKED, WaybillState.CANCELING})


@value
class Waybill:
    """A waybill of one parcel. ``key`` names the try at the carrier; ``number`` is the carrier's own.

    ``cost`` is what the carrier says that it takes, in minor units of the order's currency, ``None`` where it does
    not say. ``label`` is where the label can be had. ``tracks``: the carrier tells of the parcel's way, so nobody need
    guess when it arrived. ``asked_at`` is when it was asked for. ``outdated``: the order's address was changed since,
    so no parcel leaves with it.
    """

    key: str
    carrier: str
    service: str = ""
    state: WaybillState = WaybillState.ASKED
    number: str = ""
    cost: int | None = None
    label: str = attrs.field(default="", repr=False)
    reason: str = ""
    tracks: bool = False
    asked_at: datetime | None = None
    outdated: bool = False

    @property
    def live(self) -> bool:
        """Whether the carrier expects the parcel, or may do so."""
        return self.state in _LIVE

    @property
    def owed(self) -> bool:
        """Whether a word of the carrier is still to come."""
        return self.state is WaybillState.ASKED or self.state is WaybillState.CANCELING


@value
class TrackPoint:
    """One thing that happened to a parcel on its way: when, what, where. ``code`` is the carrier's own name for it.

    Place and note may name a person, so they are not shown where an order is.
    """

    at: datetime
    state: ParcelState
    place: str = attrs.field(default="", repr=False)
    note: str = attrs.field(default="", repr=False)
    code: str = ""


@value
class ParcelGroup:
    """What a parcel is to be made of: goods, from which source, by which service, and why these together.

    ``reasons`` are the names of the rules that made the group (law L18). ``estimate`` is what its carriage should
    cost, in minor units of the order's currency. ``address`` is where it goes if not to the order's.
    """

    goods: Manifest
    source: str = ""
    kind: ParcelKind = ParcelKind.EXPRESS
    service: str = ""
    carrier: str = ""
    reasons: tuple[str, ...] = ()
    estimate: int = 0
    address: Address | None = None


@value
class Parcel:
    """One parcel of an order; see `ParcelGroup` for what it was planned as.

    ``number`` is the carrier's tracking number, ``master`` that of the waybill of the consolidation it goes with.
    ``grams`` is what it weighs, 0 while nobody has put it on the scales; ``short`` what was asked of its source and not
    found. ``collect`` is what its courier collects, in minor units (cash on delivery), and once that is ``collected``,
    what was handed over. ``trail`` is what carriers told, oldest first; ``delivered_at`` the first moment at which it was delivered. ``waybills`` counts those that were asked;
    ``former`` are those before ``waybill``, oldest first: their carriers may still speak of them, and bill them.
    """

    id: str
    goods: Manifest
    state: ParcelState = ParcelState.PLANNED
    source: str = ""
    kind: ParcelKind = ParcelKind.EXPRESS
    service: str = ""
    carrier: str = ""
    number: str = ""
    address: Address | None = None
    estimate: int = 0
    reasons: tuple[str, ...] = ()
    waybill: Waybill | None = None
    waybills: int = 0
    master: str = ""
    grams: int = 0
    short: Manifest = Manifest()
    collect: int = 0
    trail: tuple[TrackPoint, ...] = ()
    delivered_at: datetime | None = None
    former: tuple[Waybill, ...] = ()
    collected: bool = False

    @property
    def in_work(self) -> bool:
        """Whether it has not left yet and may still."""
        return self.state in IN_WORK

    @property
    def gone(self) -> bool:
        """Whether it has left."""
        return self.state in _RANK

    @property
    def taken(self) -> bool:
        """Whether its carrier has it, though nobody said that it left; one that came back is not with its carrier."""
        return self.in_work and bool(self.trail) and self.trail[-1].state in _CARRIED

    @property
    def fixed(self) -> bool:
        """Whether a new plan leaves it alone: it is picked, or a carrier expects it or has it."""
        if self.state is ParcelState.PLANNED:
            return (self.waybill is not None and self.waybill.live) or self.taken
        return self.in_work

    @property
    def told_of(self) -> bool:
        """Whether its carrier has told of its way, or will."""
        waybill = self.waybill
        return bool(self.trail) or (waybill is not None and waybill.live and waybill.tracks)

    @property
    def asked(self) -> tuple[Waybill, ...]:
        """All waybills that were asked for it, the one in force last."""
        return self.former if self.waybill is None else (*self.former, self.waybill)

    @property
    def owing(self) -> tuple[Waybill, ...]:
        """Waybills about which a word of their carrier is still to come."""
        return tuple([waybill for waybill in self.asked if waybill.owed])

    def asked_as(self, key: str) -> Waybill | None:
        """The waybill that was asked under this key."""
        for waybill in self.asked:
            if waybill.key == key:
                return waybill
        return None

    @property
    def expected(self) -> int:
        """What its carriage should cost, in minor units: as the carrier said when it was booked, else the estimate."""
        if self.waybill is None or self.waybill.cost is None:
            return self.estimate
        return self.waybill.cost

    @classmethod
    def planned(cls, name: str, group: ParcelGroup) -> Parcel:
        """A parcel as its group wants it."""
        return cls(
            name, group.goods, ParcelState.PLANNED, group.source, group.kind, group.service, group.carrier,
            address=group.address, estimate=group.estimate, reasons=group.reasons,
        )  # fmt: skip


# Events ---------------------------------------------------------------------------------------


@event("parcel.planned")
class ParcelsPlanned(Event):
    """What is not yet picked is planned like this from now on, in the place of any plan before."""

    parcels: tuple[Parcel, ...]


@event("parcel.picked")
class ParcelPicked(Event):
    """The goods were taken off the shelf. ``short`` was not there, and is to be planned again."""

    parcel: str
    goods: Manifest
    short: Manifest = Manifest()


@event("parcel.packed")
class ParcelPacked(Event):
    """The parcel is closed and weighs so much."""

    parcel: str
    grams: int


@event("parcel.trimmed")
class ParcelTrimmed(Event):
    """Goods of the parcel will not leave any more: ``goods`` are what is left of it, none if it is canceled."""

    parcel: str
    goods: Manifest
    reason: str = ""


@event("parcel.canceled")
class ParcelCanceled(Event):
    """The parcel is given up before it left; its goods are to be planned again."""

    parcel: str
    reason: str = ""


@event("parcel.waybill_asked")
class WaybillAsked(Event):
    """A carrier is about to be asked for a waybill."""

    parcel: str
    waybill: Waybill


@event("parcel.waybill_canceling")
class WaybillCanceling(Event):
    """A carrier is about to be asked to cancel a waybill; ``outdated``: it is for an address that was changed since."""

    parcel: str
    key: str
    reason: str = ""
    outdated: bool = False


@event("parcel.waybill_answered")
class WaybillAnswered(Event):
    """The carrier answered: where the waybill stands now."""

    parcel: str
    waybill: Waybill


@event("parcel.redirected")
class ParcelRedirected(Event):
    """The parcel goes to another address from now on; ``was`` is what its carriage should have cost till then."""

    parcel: str
    address: Address
    was: int = 0
    reason: str = ""


@event("parcel.joined_master")
class MasterJoined(Event):
    """The parcel goes together with others, under the waybill of a consolidation."""

    parcel: str
    master: str
    carrier: str = ""


@event("parcel.tracked")
class ParcelTracked(Event):
    """A carrier told of the parcel's way."""

    parcel: str
    points: tuple[TrackPoint, ...]


@event("parcel.collect_shared")
class CollectShared(Event):
    """What is collected on delivery, shared over the parcels: (parcel, minor units). For those in ``collected`` it is
    what their couriers have handed over."""

    shares: tuple[tuple[str, int], ...]
    collected: tuple[str, ...] = ()


# What events make of parcels ------------------------------------------------------------------

_FIELDS = tuple(field.name for field in attrs.fields(cast("Any", Parcel)))


def _with(parcel: Parcel, **changed: Any) -> Parcel:
    """The parcel with some of its fields changed: few steps of a parcel's life, so it need not be fast."""
    return Parcel(*[changed.get(name, getattr(parcel, name)) for name in _FIELDS])


def _changing(
    change: Callable[[Parcel, Any], Parcel],
) -> Callable[[tuple[Parcel, ...], Any], tuple[Parcel, ...]]:
    """What changes the one parcel that an event names."""

    def apply(parcels: tuple[Parcel, ...], happened: Any) -> tuple[Parcel, ...]:
        name = happened.parcel
        return tuple([change(p, happened) if p.id == name else p for p in parcels])

    return apply


def _replanned(parcels: tuple[Parcel, ...], event: ParcelsPlanned) -> tuple[Parcel, ...]:
    kept = [p for p in parcels if p.fixed or not p.in_work]
    return (*kept, *event.parcels)


def _picked(parcel: Parcel, event: ParcelPicked) -> Parcel:
    state = ParcelState.PICKED if event.goods else ParcelState.CANCELED
    collect = parcel.collect if event.goods else 0
    return _with(parcel, goods=event.goods, state=state, short=event.short, collect=collect)


def _trimmed(parcel: Parcel, event: ParcelTrimmed) -> Parcel:
    if not event.goods:
        return _with(parcel, goods=event.goods, state=ParcelState.CANCELED, collect=0)
    packed = parcel.state is ParcelState.PACKED  # it is opened again, and its weight is another
    state = ParcelState.PICKED if packed else parcel.state
    return _with(parcel, goods=event.goods, state=state, grams=0)


def _canceled(parcel: Parcel, _event: ParcelCanceled) -> Parcel:
    return _with(parcel, goods=Manifest(), state=ParcelState.CANCELED, collect=0)


def _asked(parcel: Parcel, event: WaybillAsked) -> Parcel:
    return _with(parcel, waybill=event.waybill, waybills=parcel.waybills + 1, former=parcel.asked)


def _canceling(parcel: Parcel, event: WaybillCanceling) -> Parcel:
    w = parcel.asked_as(event.key)
    if w is None:
        return parcel
    asked = Waybill(
        w.key, w.carrier, w.service, WaybillState.CANCELING, w.number, w.cost, w.label,
        event.reason, w.tracks, w.asked_at, w.outdated or event.outdated,
    )  # fmt: skip
    return _known(parcel, asked)


def _known(parcel: Parcel, waybill: Waybill) -> Parcel:
    """The parcel with what is now known of one of its waybills."""
    former = tuple([waybill if w.key == waybill.key else w for w in parcel.former])
    if former != parcel.former:
        return _with(parcel, former=former)
    return _with(parcel, waybill=waybill)


def _answered(parcel: Parcel, event: WaybillAnswered) -> Parcel:
    waybill = event.waybill
    current = parcel.waybill
    if current is not None and current.key != waybill.key:
        return _known(parcel, waybill)
    if waybill.state is not WaybillState.BOOKED:
        dead = parcel.in_work and waybill.number and waybill.number == parcel.number
        return _with(parcel, waybill=waybill, number="" if dead else parcel.number)
    return _with(parcel, waybill=waybill, carrier=waybill.carrier, number=waybill.number)


def _tracked(parcel: Parcel, event: ParcelTracked) -> Parcel:
    trail = merged(parcel.trail, event.points)
    state = trail[-1].state if trail and parcel.gone else parcel.state
    return _with(parcel, trail=trail, state=state, delivered_at=_delivered(parcel, event.points))


def _delivered(parcel: Parcel, points: Iterable[TrackPoint]) -> datetime | None:
    """The first delivery that was ever told, also where later points have pushed it out of the trail."""
    known = [point.at for point in points if point.state is ParcelState.DELIVERED]
    if parcel.delivered_at is not None:
        known.append(parcel.delivered_at)
    return min(known) if known else None


def _shared(parcels: tuple[Parcel, ...], event: CollectShared) -> tuple[Parcel, ...]:
    shares, came = dict(event.shares), event.collected
    return tuple(
        [
            _with(p, collect=shares[p.id], collected=p.collected or p.id in came)
            if p.id in shares
            else p
            for p in parcels
        ]
    )


def merged(trail: tuple[TrackPoint, ...], points: Iterable[TrackPoint]) -> tuple[TrackPoint, ...]:
    """The trail with these points: each once, by time and weight, the latest `TRAIL_MAX` of them.

    The same points in any order, and any of them twice, give the same trail.
    """
    found = {_place(point): point for point in (*trail, *points)}
    return tuple([found[place] for place in sorted(found)[-TRAIL_MAX:]])


def _place(point: TrackPoint) -> tuple[datetime, int, str, str, str]:
    at = point.at.astimezone(UTC)
    return at, _RANK.get(point.state, -1), point.code, point.place, point.note


def left(parcels: tuple[Parcel, ...], name: str, carrier: str, number: str) -> tuple[Parcel, ...]:
    """The parcels after the one of this name has left. Its carrier may have told of it before."""
    return tuple(
        [
            _with(
                p,
                state=p.trail[-1].state if p.trail else ParcelState.DISPATCHED,
                carrier=carrier or p.carrier,
                number=number or p.number,
            )
            if p.id == name
            else p
            for p in parcels
        ]
    )


PARCEL_FOLDS: Mapping[type[Event], Callable[[tuple[Parcel, ...], Any], tuple[Parcel, ...]]] = {
    ParcelsPlanned: _replanned,
    ParcelPicked: _changing(_picked),
    ParcelPacked: _changing(
        lambda parcel, event: _with(parcel, state=ParcelState.PACKED, grams=event.grams)
    ),
    ParcelTrimmed: _changing(_trimmed),
    ParcelCanceled: _changing(_canceled),
    WaybillAsked: _changing(_asked),
    WaybillCanceling: _changing(_canceling),
    WaybillAnswered: _changing(_answered),
    ParcelRedirected: _changing(lambda parcel, event: _with(parcel, address=event.address)),
    MasterJoined: _changing(
        lambda parcel, event: _with(
            parcel, master=event.master, carrier=event.carrier or parcel.carrier
        )
    ),
    ParcelTracked: _changing(_tracked),
    CollectShared: _shared,
}
"""What each event makes of the parcels of an order."""
