"""Packing: parcels from their plan to the customer's door.

Theory of operation. The rules see one parcel at a time; `settle` then sees to what concerns them all, after
whatever was decided about the order: goods that will not leave any more (refunded, amended away, canceled) leave
their parcels, what a courier collects is shared over parcels by what their goods are worth, and when all that left
is delivered the goods have arrived. So no other rule needs to know of parcels.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, InvalidManifest, KeyReused, NotAllowed, NotFound
from ordercore.fulfillment import (
    PARCELS_MAX,
    TRACKED,
    TRAIL_MAX,
    TROUBLED,
    WAYBILLS_MAX,
    MasterJoined,
    Parcel,
    ParcelCanceled,
    ParcelGroup,
    ParcelKind,
    ParcelPacked,
    ParcelPicked,
    ParcelRedirected,
    ParcelsPlanned,
    ParcelState,
    ParcelTracked,
    ParcelTrimmed,
    Received,
    TrackPoint,
    Waybill,
    WaybillAnswered,
    WaybillAsked,
    WaybillCanceling,
    WaybillOutcome,
    WaybillState,
    WaybillStatus,
    merged,
)
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.lifecycle.timer import Since, TimerAction
from ordercore.order.events import Escalated
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
from ordercore.order.rules.capturing import goods_arrived
from ordercore.order.rules.deciding import Refusal
from ordercore.order.rules.doorstep import asks_too_much, share_collect, unplanned
from ordercore.order.rules.fulfilling import leave, may_leave
from ordercore.order.rules.paying import CLOSING
from ordercore.party import ActorKind, Address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation

__all__ = ["AHEAD_MAX", "GUARDS", "RULES", "settle", "unplanned"]

GRAMS_MAX = 10**9
TEXT_MAX = 200
"""Longest name, place or remark of a point of the way."""
LABEL_MAX = 2_000
"""Longest place where a label can be had."""
REASONS_MAX = 50
POINTS_MAX = 10 * TRAIL_MAX
"""Most points that are told at once."""
AHEAD_MAX = timedelta(days=1)
"""By so much a carrier's clock, or its zone, may be wrong: what it tells of later has not happened, and what it tells of
a time so long before a waybill was asked for happened to another parcel of that number."""
STANDS = "waybill_stands"
"""What somebody must look at: a waybill stands that no parcel of ours should travel with."""

_S = ParcelState
_W = WaybillState


# What may be done -------------------------------------------------------------------------------


def _may_work(order: Order, situation: Situation) -> Refusal | None:
    """Goods are worked on while the order lives, and is paid where it must be."""
    if order.handling.released:
        return Refusal(f"an order in state {order.state!r} is over")
    if order.closing is not None:
        return Refusal(CLOSING)
    if situation.lifecycle.prepaid and order.due:
        return Refusal("something is still due: goods are worked on when it is paid")
    return None


def may_plan(order: Order, _situation: Situation) -> Refusal | None:
    """Parcels are planned as soon as the order is there, and while something is to leave that is not picked."""
    if order.handling.released:
        return Refusal(f"an order in state {order.state!r} is over")
    if order.closing is not None:
        return Refusal(CLOSING)
    if unplanned(order) or any([p.in_work and not p.fixed for p in order.delivery.parcels]):
        return None
    return Refusal("nothing is left to plan")


def _some(wanted: Callable[[Parcel], bool], what: str, *, works: bool = True) -> Guard:
    """A guard: some parcel is such that the command may concern it."""

    def may(order: Order, situation: Situation) -> Refusal | None:
        refusal = _may_work(order, situation) if works else None
        if refusal is None and not any([wanted(p) for p in order.delivery.parcels]):
            refusal = Refusal(what)
        return refusal

    return may


def may_dispatch(order: Order, situation: Situation) -> Refusal | None:
    """A parcel leaves while the order may ship, and one is there that has not left."""
    refusal = may_leave(order, situation)
    if refusal is None and not any([p.in_work for p in order.delivery.parcels]):
        refusal = Refusal("no parcel waits to leave")
    return refusal


def _wants_waybill(parcel: Parcel) -> bool:
    return (parcel.in_work or parcel.gone) and not _has_waybill(parcel)


def _has_waybill(parcel: Parcel) -> bool:
    return parcel.waybill is not None and parcel.waybill.live


# One parcel -------------------------------------------------------------------------------------


def _parcel(order: Order, name: str) -> Parcel:
    """The parcel of this name; raises `NotFound` that lists those that there are."""
    parcel = order.delivery.parcel(name)
    if parcel is None:
        known = tuple([p.id for p in order.delivery.parcels[:20]])
        raise NotFound(
            f"the order has no parcel {name!r}", path="parcel", order=order.id, known=known
        )
    return parcel


def _in_state(order: Order, name: str, states: tuple[ParcelState, ...], what: str) -> Parcel:
    parcel = _parcel(order, name)
    if parcel.state not in states:
        reason = f"the parcel is {parcel.state.value}: it cannot be {what}"
        raise NotAllowed(reason, order=order.id, state=order.state, parcel=name)
    return parcel


_IN_WORK = (_S.PLANNED, _S.PICKED, _S.PACKED)


def plan(deciding: Deciding, command: PlanParcels) -> None:
    """Plan parcels; what is not yet picked, and has no waybill, is planned anew."""
    order = deciding.order
    parcels = order.delivery.parcels
    fixed = Manifest()
    for parcel in parcels:
        if parcel.in_work and parcel.fixed:
            fixed = fixed + parcel.goods
    free = order.shippable() - fixed
    kept = [p for p in parcels if p.fixed or not p.in_work or p.asked]
    if len(kept) + len(command.groups) > PARCELS_MAX:
        raise InvalidManifest(f"an order has at most {PARCELS_MAX} parcels", path="groups")
    taken = {p.id for p in kept}
    fresh = []
    for place, group in enumerate(command.groups):
        where, name = f"groups[{place}]", f"{command.id}.{place + 1}"
        _check_group(group, where)
        if name in taken:
            raise KeyReused(f"the order has a parcel {name!r} already", path="id", parcel=name)
        if not free.covers(group.goods):
            reason = "a plan has more than what is still to be planned"
            raise InvalidManifest(reason, path=f"{where}.goods", left=str(free.as_dict()))
        free = free - group.goods
        fresh.append(Parcel.planned(name, group))
    gone = [p for p in parcels if p.in_work and not p.fixed]
    for parcel in gone:
        if parcel.asked:  # its carriers may still speak of them, and bill them
            deciding.apply(ParcelCanceled(parcel.id, "it was planned anew"))
    if fresh or gone:
        deciding.apply(ParcelsPlanned(tuple(fresh)))


def _check_group(group: ParcelGroup, path: str) -> None:
    if not isinstance(group, ParcelGroup):
        raise InvalidInput(f"a group is a ParcelGroup, not a {type(group).__name__}", path=path)
    if not isinstance(group.goods, Manifest):
        reason = 'goods are a Manifest: write Manifest.of({"1": 2})'
        raise InvalidManifest(reason, path=f"{path}.goods")
    if not group.goods:
        raise InvalidManifest("a parcel has at least one unit", path=f"{path}.goods")
    Manifest.of(group.goods.items, f"{path}.goods")
    if not isinstance(group.kind, ParcelKind):
        known = tuple([kind.value for kind in ParcelKind])
        raise InvalidInput("a kind is a ParcelKind", path=f"{path}.kind", allowed=known)
    for name in ("source", "service", "carrier"):
        _check_text(getattr(group, name), f"{path}.{name}")
    if type(group.estimate) is not int or group.estimate < 0:
        reason = "an estimate is whole minor units, and not negative"
        raise InvalidInput(reason, path=f"{path}.estimate")
    if not isinstance(group.reasons, tuple) or len(group.reasons) > REASONS_MAX:
        reason = f"reasons are a tuple of at most {REASONS_MAX} texts"
        raise InvalidInput(reason, path=f"{path}.reasons")
    for reason in group.reasons:
        _check_text(reason, f"{path}.reasons")
    if group.address is not None and not isinstance(group.address, Address):
        raise InvalidInput("an address is an Address", path=f"{path}.address")


def _check_text(text: object, path: str) -> None:
    if not isinstance(text, str) or len(text) > TEXT_MAX:
        raise InvalidInput(f"a text of at most {TEXT_MAX} characters is wanted", path=path)


def pick(deciding: Deciding, command: PickParcel) -> None:
    """Take note of what was on the shelf. What was not there is to be planned again; nothing at all ends the parcel."""
    parcel = _in_state(deciding.order, command.parcel, (_S.PLANNED,), "picked")
    found = parcel.goods if command.found is None else command.found
    if not parcel.goods.covers(found):
        reason = "more was found than was asked for"
        asked = str(parcel.goods.as_dict())
        raise InvalidManifest(reason, path="found", parcel=parcel.id, asked=asked)
    short = parcel.goods - found
    deciding.apply(ParcelPicked(parcel.id, found, short))
    if not found:
        _call_off(deciding, parcel, "nothing of it was found")


def pack(deciding: Deciding, command: PackParcel) -> None:
    """Take note of the weight; who weighs again corrects it."""
    parcel = _in_state(deciding.order, command.parcel, (_S.PICKED, _S.PACKED), "packed")
    if type(command.grams) is not int or not 0 < command.grams <= GRAMS_MAX:
        raise InvalidInput(f"a weight is 1 to {GRAMS_MAX} whole grams", path="grams")
    if (parcel.state, parcel.grams) != (_S.PACKED, command.grams):
        deciding.apply(ParcelPacked(parcel.id, command.grams))


def cancel_parcel(deciding: Deciding, command: CancelParcel) -> None:
    """Give a parcel up before it leaves."""
    order = deciding.order
    parcel = _in_state(order, command.parcel, _IN_WORK, "canceled")
    if parcel.taken:
        reason = "its carrier has it already: dispatch it, or wait until it is back"
        raise NotAllowed(reason, order=order.id, state=order.state, parcel=parcel.id)
    deciding.apply(ParcelCanceled(parcel.id, command.reason))
    _call_off(deciding, parcel, command.reason)


def _call_off(deciding: Deciding, parcel: Parcel, reason: str, *, outdated: bool = False) -> None:
    """Ask the carrier of a parcel that will not leave, or not like this, to expect it no more."""
    waybill = parcel.waybill
    if waybill is None or not waybill.live:
        return
    if waybill.state is not _W.CANCELING or (outdated and not waybill.outdated):
        deciding.apply(WaybillCanceling(parcel.id, waybill.key, reason, outdated))


# Waybills ---------------------------------------------------------------------------------------


def ask_waybill(deciding: Deciding, command: AskWaybill) -> None:
    """Write down that a carrier is asked."""
    order = deciding.order
    states = (*_IN_WORK, *TRACKED)
    parcel = _in_state(order, command.parcel, states, "booked at a carrier")
    data = {"order": order.id, "state": order.state, "parcel": parcel.id}
    if _has_waybill(parcel):
        raise NotAllowed("the parcel has a waybill: cancel it first", **data)
    if parcel.gone and parcel.waybill is None:
        raise NotAllowed("the parcel has left without a waybill", **data)
    if parcel.state is _S.DELIVERED:
        raise NotAllowed("the parcel is delivered", **data)
    if parcel.waybills >= WAYBILLS_MAX:
        raise NotAllowed(f"at most {WAYBILLS_MAX} waybills are asked for one parcel", **data)
    carrier = command.carrier or parcel.carrier
    if not carrier:
        raise InvalidInput("no carrier was planned: name one", path="carrier")
    key = f"{parcel.id}/w{parcel.waybills + 1}"
    asked = Waybill(
        key, carrier, command.service or parcel.service, tracks=command.tracks,
        asked_at=deciding.situation.at,
    )  # fmt: skip
    deciding.apply(WaybillAsked(parcel.id, asked))


def cancel_waybill(deciding: Deciding, command: CancelWaybill) -> None:
    """Write down that the carrier is asked to cancel; one that is being canceled already is no event."""
    order = deciding.order
    parcel = _parcel(order, command.parcel)
    waybill = parcel.waybill
    if waybill is None or not waybill.live or parcel.state is _S.DELIVERED:
        reason = "the parcel has no waybill that could be canceled"
        raise NotAllowed(reason, order=order.id, state=order.state, parcel=parcel.id)
    _call_off(deciding, parcel, command.reason)


_BECOMES: Mapping[tuple[WaybillState, WaybillStatus], WaybillState] = {
    (_W.ASKED, WaybillStatus.BOOKED): _W.BOOKED,
    (_W.ASKED, WaybillStatus.REFUSED): _W.REFUSED,
    (_W.ASKED, WaybillStatus.CANCELED): _W.CANCELED,
    (_W.CANCELING, WaybillStatus.CANCELED): _W.CANCELED,
    (_W.CANCELING, WaybillStatus.REFUSED): _W.BOOKED,
    (_W.BOOKED, WaybillStatus.CANCELED): _W.CANCELED,
}
"""What an answer makes of a waybill; any other tells nothing new."""


def answer_waybill(deciding: Deciding, command: AnswerWaybill) -> None:
    """Take a carrier's answer in. One that tells nothing new is no event.

    One that was booked after all, though it was taken for canceled or refused, owes its cancellation.
    """
    parcel = _parcel(deciding.order, command.parcel)
    waybill = parcel.asked_as(command.key)
    outcome = command.outcome
    _check_outcome(outcome)
    if waybill is None:
        return
    number = outcome.number or waybill.number
    state = _BECOMES.get((waybill.state, outcome.status))
    late = outcome.status is WaybillStatus.BOOKED and not waybill.live and number != waybill.number
    if late:
        state = _W.BOOKED
    if state is None or (state is _W.BOOKED and not number):
        return  # a carrier that does not cancel names what stands: it may not even have been booked
    told = Waybill(
        waybill.key, waybill.carrier, waybill.service, state, number,
        waybill.cost if outcome.cost is None else outcome.cost, outcome.label or waybill.label,
        outcome.reason, waybill.tracks, waybill.asked_at, waybill.outdated,
    )  # fmt: skip
    deciding.apply(WaybillAnswered(parcel.id, told))
    if late:
        deciding.apply(WaybillCanceling(parcel.id, told.key, "it was booked too late"))
    elif state is _W.BOOKED and waybill.state is _W.CANCELING:
        unwanted = told.outdated or parcel.state is _S.CANCELED or waybill in parcel.former
        if unwanted:  # nobody asks for it any more, so somebody must look
            deciding.apply(Escalated(STANDS))


def _check_outcome(outcome: WaybillOutcome) -> None:
    """Raise `InvalidInput` for an answer that cannot be."""
    if not isinstance(outcome.status, WaybillStatus):
        raise InvalidInput("a status is a WaybillStatus", path="outcome.status")
    for name in ("number", "reason"):
        _check_text(getattr(outcome, name), f"outcome.{name}")
    if not isinstance(outcome.label, str) or len(outcome.label) > LABEL_MAX:
        reason = f"a label is a text of at most {LABEL_MAX} characters"
        raise InvalidInput(reason, path="outcome.label")
    if outcome.status is WaybillStatus.BOOKED and not outcome.number:
        raise InvalidInput("a booked waybill has a number", path="outcome.number")
    if outcome.cost is not None and (type(outcome.cost) is not int or outcome.cost < 0):
        raise InvalidInput("a cost is whole minor units, and not negative", path="outcome.cost")


# On its way -------------------------------------------------------------------------------------


def dispatch(deciding: Deciding, command: DispatchParcel) -> None:
    """Let a parcel leave: a shipment of its name. It was picked in full if nobody said otherwise."""
    order = deciding.order
    parcel = _in_state(order, command.parcel, _IN_WORK, "dispatched")
    waybill = parcel.waybill
    carrier, number = command.carrier or parcel.carrier, command.tracking or parcel.number
    if waybill is not None and waybill.live:
        reason = ""
        if waybill.owed:
            reason = "its carrier has not answered yet: the waybill is " + waybill.state.value
        elif waybill.outdated:
            reason = "its waybill is for the former address: cancel it, or plan the parcel anew"
        if reason:
            raise NotAllowed(reason, order=order.id, state=order.state, parcel=parcel.id)
        if command.tracking and command.tracking != waybill.number:
            reason = "it has a waybill of another number"
            raise InvalidInput(reason, path="tracking", number=waybill.number)
        if asks_too_much(order, parcel):
            reason = "its courier would collect more than is due for it: cancel its waybill first"
            raise NotAllowed(
                reason, order=order.id, state=order.state, parcel=parcel.id, collect=parcel.collect
            )
        carrier, number = waybill.carrier, waybill.number
    elif waybill is not None and not (command.carrier or command.tracking):
        reason = f"its waybill was {waybill.state.value}: book another, or say with whom it goes"
        raise NotAllowed(reason, order=order.id, state=order.state, parcel=parcel.id)
    last = not (order.shippable() - parcel.goods)
    leave(deciding, parcel.id, parcel.goods, carrier, number, last=last)


def track(deciding: Deciding, command: TrackParcel) -> None:
    """Keep what is told of a parcel's way; what is known already is no event (law L10)."""
    parcel = _parcel(deciding.order, command.parcel)
    if len(command.points) > POINTS_MAX:
        raise InvalidInput(f"at most {POINTS_MAX} points are told at once", path="points")
    situation = deciding.situation
    latest = situation.at + AHEAD_MAX
    for place, point in enumerate(command.points):
        _check_point(point, f"points[{place}]")
        if point.at > latest:
            raise InvalidInput(
                "it is yet to come: a point has happened", path=f"points[{place}].at"
            )
    trail, first = parcel.trail, parcel.delivered_at
    began = _began(deciding.order, parcel) if situation.by.kind is ActorKind.CHANNEL else None
    told = [p for p in command.points if began is None or p.at >= began]
    fresh = tuple([p for p in merged((), told) if p not in trail])
    sooner = [p for p in fresh if p.state is _S.DELIVERED and (first is None or p.at < first)]
    if sooner or merged(trail, fresh) != trail:
        deciding.apply(ParcelTracked(parcel.id, fresh))


def _began(order: Order, parcel: Parcel) -> datetime:
    """Before this a carrier cannot have had the parcel: numbers are given out again. A consolidation may have been on
    its way before its parcels have waybills of their own."""
    since, waybill = order.content.placed_at, parcel.waybill
    if waybill is not None and waybill.asked_at is not None and not parcel.master:
        since = waybill.asked_at
    return since - AHEAD_MAX


def _check_point(point: TrackPoint, path: str) -> None:
    if not isinstance(point, TrackPoint) or point.state not in TRACKED:
        known = tuple([state.value for state in TRACKED])
        reason = "a point is a TrackPoint of a state that a parcel on its way can have"
        raise InvalidInput(reason, path=path, allowed=known)
    if getattr(point.at, "tzinfo", None) is None:
        raise InvalidInput("a moment has a time zone", path=f"{path}.at")
    for name in ("place", "note", "code"):
        _check_text(getattr(point, name), f"{path}.{name}")


def redirect(deciding: Deciding, command: RedirectParcel) -> None:
    """Take another address for a parcel that is not there yet, of an order of which something has left."""
    order = deciding.order
    if not isinstance(command.address, Address):
        raise InvalidInput("an address is an Address", path="address")
    parcel = _parcel(order, command.parcel)
    waits = parcel.in_work and bool(order.delivery.shipments)  # before that the order is amended
    if not (parcel.gone or waits) or parcel.state is _S.DELIVERED:
        reason = f"the parcel is {parcel.state.value}: only one on its way is redirected"
        raise NotAllowed(reason, order=order.id, state=order.state, parcel=parcel.id)
    if _has_waybill(parcel):
        reason = "a carrier still takes it to the former address: cancel its waybill first"
        raise NotAllowed(reason, order=order.id, state=order.state, parcel=parcel.id)
    if parcel.address != command.address:
        was = parcel.expected
        deciding.apply(ParcelRedirected(parcel.id, command.address, was, command.reason))


def join_master(deciding: Deciding, command: JoinMaster) -> None:
    """Put a parcel under the waybill of a consolidation; it leaves it only by joining another."""
    order = deciding.order
    states = (*_IN_WORK, _S.DISPATCHED, _S.IN_TRANSIT)
    parcel = _in_state(order, command.parcel, states, "consolidated")
    _check_text(command.master, "master")
    if not command.master:
        raise InvalidInput("a master waybill has a number", path="master")
    if parcel.master != command.master:
        deciding.apply(MasterJoined(parcel.id, command.master, command.carrier))


# What follows for all of them -------------------------------------------------------------------


def settle(deciding: Deciding, before: Order) -> None:
    """See to what concerns all parcels, after anything was decided about an order that has some."""
    _trim(deciding)
    if deciding.order.content is not before.content:
        _readdress(deciding, before.content.address)
    _call_off_what_asks_too_much(deciding)
    share_collect(deciding)
    _arrive(deciding)


def _readdress(deciding: Deciding, was: Address) -> None:
    """Let no parcel leave for an address that was amended: its carrier is asked to cancel the waybill."""
    if deciding.order.content.address == was:
        return
    for parcel in deciding.order.delivery.parcels:
        if parcel.in_work and parcel.address is None:
            _call_off(deciding, parcel, "the order goes to another address", outdated=True)


def _trim(deciding: Deciding) -> None:
    """Let goods that will not leave any more leave their parcels: the plans first, then what is packed, and last what
    its carrier has."""
    order = deciding.order
    over = order.handling.released
    left = {} if over else dict(order.shippable().items)
    if not any([n > left.get(line, 0) for line, n in order.delivery.in_work().items()]):
        return
    why = "the order is over" if over else "nothing of it is left to send"
    progress = {_S.PACKED: 0, _S.PICKED: 1, _S.PLANNED: 2}
    waiting = [p for p in order.delivery.parcels if p.in_work]
    for parcel in sorted(waiting, key=lambda p: (not p.taken, progress[p.state], not p.fixed)):
        kept: list[tuple[LineId, Quantity]] = []
        for line, units in parcel.goods.items:
            keep = min(units, left.get(line, 0))
            left[line] = Quantity(left.get(line, 0) - keep)
            if keep:
                kept.append((line, Quantity(keep)))
        if tuple(kept) == parcel.goods.items:
            continue
        deciding.apply(ParcelTrimmed(parcel.id, Manifest(tuple(kept)), why))
        if not kept:
            _call_off(deciding, parcel, why)


def _call_off_what_asks_too_much(deciding: Deciding) -> None:
    """Call off waybills whose couriers would collect for goods that are no longer in the parcel, or are paid.

    Not when a carrier has just answered, nor where one has said that its waybill stands: the parcel then cannot
    leave, and somebody looks.
    """
    if any([isinstance(happened, WaybillAnswered) for happened in deciding.events]):
        return
    for parcel in deciding.order.delivery.parcels:
        waybill = parcel.waybill
        if waybill is None or not parcel.collect or (waybill.state is _W.BOOKED and waybill.reason):
            continue
        if asks_too_much(deciding.order, parcel):
            _call_off(deciding, parcel, "less is to be collected for what is in it")


def _arrive(deciding: Deciding) -> None:
    """The goods have arrived when all that left is delivered, nothing is left to leave, and no parcel came back, was
    lost or is hindered since it was delivered."""
    order = deciding.order
    delivery = order.delivery
    if delivery.received_at is not None or not deciding.lists("receive"):
        return
    at = delivery.arrived_at()
    if any([p.gone and p.state in TROUBLED for p in delivery.parcels]):
        return
    if at is None or order.shippable() or order.closing is not None or _buyer_confirms(deciding):
        return
    try:
        deciding.situation.lifecycle.fire(order.state, "receive", order)
    except NotAllowed:
        return  # a guard of the chart holds it back: somebody says it by hand
    deciding.apply(Received(at))
    goods_arrived(deciding)
    deciding.move("receive", "all parcels were delivered")


def _buyer_confirms(deciding: Deciding) -> bool:
    """Whether the lifecycle waits for the buyer's word after delivery: its confirmation counts from there."""
    state = deciding.order.state
    return any(
        [
            rule.does is TimerAction.CONFIRM
            and rule.since is Since.DELIVERED
            and state in rule.states
            for rule in deciding.situation.lifecycle.timers
        ]
    )


RULES: Mapping[type[Any], Rule] = {
    PlanParcels: plan,
    PickParcel: pick,
    PackParcel: pack,
    CancelParcel: cancel_parcel,
    AskWaybill: ask_waybill,
    CancelWaybill: cancel_waybill,
    AnswerWaybill: answer_waybill,
    DispatchParcel: dispatch,
    TrackParcel: track,
    RedirectParcel: redirect,
    JoinMaster: join_master,
}
GUARDS: Mapping[type[Any], Guard] = {
    PlanParcels: may_plan,
    PickParcel: _some(lambda p: p.state is _S.PLANNED, "no parcel waits to be picked"),
    PackParcel: _some(lambda p: p.state in {_S.PICKED, _S.PACKED}, "no parcel waits to be packed"),
    CancelParcel: _some(
        lambda p: p.in_work and not p.taken, "no parcel could be canceled", works=False
    ),
    AskWaybill: _some(_wants_waybill, "no parcel waits for a waybill"),
    CancelWaybill: _some(_has_waybill, "no waybill could be canceled", works=False),
    DispatchParcel: may_dispatch,
}
