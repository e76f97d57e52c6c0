"""Dispatching: parcels planned, picked, packed, booked at carriers, sent, sent elsewhere.

A carrier is asked only after the question was written down, under a key of its own. Where its answer gets lost, it is
looked up; where the carrier cannot say either, the waybill stays *asked*, and whoever comes next asks again under the
same key. So a parcel never has two waybills, and nobody has to guess.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ordercore.change import Receipt
from ordercore.engine.flow import call
from ordercore.engine.fulfilling import advance, ship_goods
from ordercore.engine.placing import checked_key
from ordercore.engine.promises import release
from ordercore.engine.shelves import PLACED
from ordercore.engine.shop import digest, load, once, owing, record
from ordercore.errors import (
    InvalidInput,
    NotAllowed,
    NotFound,
    OrdercoreError,
    OtherSideFailed,
)
from ordercore.fulfillment import (
    CarrierQuote,
    ParcelGroup,
    ParcelRedirected,
    WaybillAnswered,
    WaybillAsked,
    WaybillCanceling,
    WaybillOutcome,
    WaybillRequest,
    WaybillState,
    WaybillStatus,
)
from ordercore.fulfillment.proposal import SplitProposal
from ordercore.fulfillment.tracking import guess_carrier
from ordercore.goods import Manifest
from ordercore.order.amendment import ChangeAddress
from ordercore.order.events import Amended
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
)
from ordercore.party import Actor, ActorKind, Address
from ordercore.ports import SourcedStock
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.change import Recorded
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.fulfillment import Parcel, Waybill
    from ordercore.order import Command, Order
    from ordercore.ports import Carrier

    Carriers = Mapping[str, Carrier]

__all__ = [
    "Booking",
    "Redirected",
    "Shipping",
    "book",
    "cancel_parcel",
    "cancel_waybill",
    "dispatch",
    "join",
    "pack",
    "pick",
    "plan",
    "quote_parcel",
    "redirect",
    "settle_waybills",
    "shipping",
]

TEXT_MAX = 200
"""Longest reason of a carrier that is kept."""


@value
class Booking:
    """An order after its carrier was asked about a parcel; ``waybill`` says what the carrier answered.

    A waybill that is still *asked* or *canceling* waits for the carrier's word: ask again later.
    """

    order: Order
    parcel: Parcel
    waybill: Waybill | None


@value
class Redirected:
    """What became of a change of address.

    ``done`` is false where a carrier did not call its parcel back, or has not answered: ``reason`` says so, and
    nothing goes elsewhere. ``was`` and ``now`` are what the carriage costs, before and after, in minor units;
    ``price_was`` and ``price`` are the totals of the order, which an amendment before dispatch may change.
    """

    order: Order
    done: bool
    was: int
    now: int
    price_was: int
    price: int
    reason: str = ""

    @property
    def difference(self) -> int:
        """What the carriage costs more than before, in minor units."""
        return self.now - self.was


@value
class Shipping:
    """One row of a bulk shipment: a parcel of an order, or without one its goods, all that are left by default.

    ``key`` is the row's own idempotency key, so a list may be sent again after a crash.
    """

    order_id: str
    key: str
    parcel: str = ""
    goods: Manifest | None = None
    carrier: str = ""
    tracking: str = ""


# Parcels ----------------------------------------------------------------------------------------


def _text_of(told: Any) -> str:
    """What a key stands for; a value of wrong types as it shows itself, since the rule names it later."""
    from ordercore.codec import FAULTS, to_plain  # loaded when somebody plans

    try:
        return json.dumps(to_plain(told), sort_keys=True, default=str)
    except (*FAULTS, OrdercoreError):
        return repr(told)


def parcel_groups(proposal: SplitProposal) -> tuple[ParcelGroup, ...]:
    """A parcel for each group of a proposal, for its reasons; from its source where it has one."""
    found = []
    for group in proposal.groups:
        reasons = tuple([reason.text for reason in group.reasons])
        found.append(ParcelGroup(group.goods, group.source, reasons=reasons))
    return tuple(found)


def plan(
    shop: Shop,
    order_id: str,
    groups: Sequence[ParcelGroup] | SplitProposal,
    key: str,
    by: Actor,
) -> Flow[Order]:
    """Plan parcels, one for each group; their names follow from the key.

    Where the keeper knows its sources, the promise to the order follows to those of the parcels.
    """
    if isinstance(groups, SplitProposal):
        groups = parcel_groups(groups)
    if not isinstance(groups, list | tuple):
        raise InvalidInput("groups are a list: write [ParcelGroup(goods)]", path="groups")
    command = PlanParcels(f"{order_id}/p-{checked_key(key)}", tuple(groups))
    content = "|".join([_text_of(group) for group in groups])
    if not isinstance(shop.stock, SourcedStock):
        return (yield from advance(shop, order_id, command, content, key, by))
    order = yield from load(shop, order_id)
    receipt = Receipt(order.shop, key, "PlanParcels", digest(order_id, content), order_id)
    after, made = yield from once(
        shop, order, receipt, by, lambda _now: command, lambda change: owing(change, PLACED)
    )
    # a keeper that is not in the host's transaction moves when that is committed, at the next sweep
    if made is not None and (shop.stock.joins or not shop.store.joined):
        yield from release(shop, made)
    return after


def pick(
    shop: Shop, order_id: str, parcel: str, found: Manifest | None, key: str, by: Actor
) -> Flow[Order]:
    """Take note of what was picked."""
    if found is not None:
        if type(found) is not Manifest:
            raise InvalidInput("goods are a Manifest: write Manifest.of({...})", path="found")
        found = Manifest.of(found.items, "found")
    content = f"{parcel}|{'-' if found is None else found.items!r}"
    return advance(shop, order_id, PickParcel(parcel, found), content, key, by)


def pack(shop: Shop, order_id: str, parcel: str, grams: int, key: str, by: Actor) -> Flow[Order]:
    """Take note of the weight."""
    command = PackParcel(parcel, grams)
    return advance(shop, order_id, command, f"{parcel}|{grams!r}", key, by)


def cancel_parcel(
    shop: Shop, carriers: Carriers, order_id: str, parcel: str, reason: str, key: str, by: Actor
) -> Flow[Order]:
    """Give a parcel up; its carrier is asked to cancel the waybill."""
    shop.outside()
    command = CancelParcel(parcel, reason)
    order = yield from advance(shop, order_id, command, f"{parcel}|{reason}", key, by)
    return (yield from settled(shop, carriers, order, parcel, fresh=False))


def dispatch(
    shop: Shop, order_id: str, parcel: str, carrier: str, tracking: str, key: str, by: Actor
) -> Flow[Order]:
    """Let a parcel leave. Where no carrier is named or planned, it is guessed from a number that proves one."""
    told = carrier
    if tracking and not carrier:
        planned = (yield from load(shop, order_id)).delivery.parcel(parcel)
        if planned is not None and not planned.carrier:
            told = guessed(tracking)
    command = DispatchParcel(parcel, told, tracking)
    content = f"{parcel}|{carrier}|{tracking}"
    return (yield from advance(shop, order_id, command, content, key, by))


def guessed(tracking: str) -> str:
    """The carrier of a number, if its check digit proves one and no other."""
    proven = {guess.carrier for guess in guess_carrier(tracking) if guess.proven}
    return proven.pop() if len(proven) == 1 else ""


def shipping(shop: Shop, row: Shipping, by: Actor) -> Flow[Order]:
    """One row of a bulk shipment. Its own faults are raised when it is driven, so that they stop no other row."""
    yield from ()
    if not isinstance(row, Shipping):
        raise InvalidInput(f"a row is a Shipping, not a {type(row).__name__}", path="rows")
    if row.parcel:
        flow = dispatch(shop, row.order_id, row.parcel, row.carrier, row.tracking, row.key, by)
    else:
        carrier = row.carrier or guessed(row.tracking)
        flow = ship_goods(shop, row.order_id, row.goods, carrier, row.tracking, row.key, by)
    return (yield from flow)


def join(
    shop: Shop, order_id: str, parcel: str, master: str, carrier: str, key: str, by: Actor
) -> Flow[Order]:
    """Put one parcel under a master waybill; the key is that of the whole consolidation."""
    command = JoinMaster(parcel, master, carrier)
    own = digest(checked_key(key), order_id, parcel)
    return advance(shop, order_id, command, f"{parcel}|{master}|{carrier}", own, by)


# Waybills ---------------------------------------------------------------------------------------


def _carrier(carriers: Carriers, name: str) -> Carrier:
    """The carrier of this name; raises `NotFound` that lists the known ones."""
    try:
        return carriers[name]
    except KeyError:
        known = tuple(sorted(carriers))
        raise NotFound(f"no carrier {name!r}", path="carrier", known=known) from None


def _collectable(carriers: Carriers, order: Order, parcel: Parcel, carrier: str) -> None:
    """Refuse a carrier whose couriers collect nothing for a parcel that is paid at the door."""
    chosen = carrier or parcel.carrier
    if parcel.collect and chosen and not _carrier(carriers, chosen).capabilities.collects:
        reason = f"{chosen} collects nothing at the door, and {parcel.collect} is to be collected"
        raise NotAllowed(
            reason, order=order.id, state=order.state, parcel=parcel.id, carrier=chosen,
            collect=parcel.collect,
        )  # fmt: skip


def _parcel(order: Order, name: str) -> Parcel:
    parcel = order.delivery.parcel(name)
    if parcel is None:
        known = tuple([p.id for p in order.delivery.parcels[:20]])
        raise NotFound(f"the order has no parcel {name!r}", path="parcel", known=known)
    return parcel


def request_of(
    order: Order, parcel: Parcel, key: str, service: str, number: str = ""
) -> WaybillRequest:
    """A parcel as its carrier hears of it."""
    content = order.content
    skus = {line.id: line.sku for line in content.lines}
    goods = tuple([(skus.get(line, line), units) for line, units in parcel.goods.items])
    return WaybillRequest(
        key, order.id, parcel.id, service, parcel.source, parcel.address or content.address,
        content.currency, goods, parcel.grams, parcel.collect, number,
    )  # fmt: skip


def quote_parcel(
    shop: Shop, carriers: Carriers, order_id: str, parcel: str, carrier: str, service: str
) -> Flow[CarrierQuote]:
    """What a carrier would take for a parcel; nothing is written or booked."""
    shop.outside()
    order = yield from load(shop, order_id)
    wanted = _parcel(order, parcel)
    port = _carrier(carriers, carrier or wanted.carrier)
    if not port.capabilities.quotes:
        return CarrierQuote()
    key = f"{wanted.id}/quote"
    request = request_of(order, wanted, key, service or wanted.service)
    return (yield from call(port.quote, request))


def book(
    shop: Shop,
    carriers: Carriers,
    order_id: str,
    parcel: str,
    carrier: str,
    service: str,
    key: str,
    by: Actor,
) -> Flow[Booking]:
    """Ask a carrier for a waybill: first written down, then asked, then looked up if the answer is lost."""
    shop.outside()
    order = yield from load(shop, order_id)
    wanted = _parcel(order, parcel)
    if carrier or wanted.carrier:
        _carrier(carriers, carrier or wanted.carrier)  # refused before anything is written
    receipt = _receipt(order, key, "BookWaybill", f"{parcel}|{carrier}|{service}")

    def ask(now: Order) -> AskWaybill:
        asked = _parcel(now, parcel)
        _collectable(carriers, now, asked, carrier)
        return _asking(carriers, asked, carrier, service)

    after, made = yield from once(shop, order, receipt, by, ask)
    after = yield from settled(shop, carriers, after, parcel, fresh=made is not None)
    return _booking(after, parcel)


def _asking(carriers: Carriers, parcel: Parcel, carrier: str, service: str) -> AskWaybill:
    """The question for a waybill, with what is known of the carrier: whether it tells of a parcel's way."""
    port = carriers.get(carrier or parcel.carrier)
    return AskWaybill(
        parcel.id, carrier, service, port is not None and bool(port.capabilities.tracks)
    )


def cancel_waybill(
    shop: Shop, carriers: Carriers, order_id: str, parcel: str, reason: str, key: str, by: Actor
) -> Flow[Booking]:
    """Ask the carrier to cancel the waybill of a parcel; one that refuses lets it stand."""
    shop.outside()
    order = yield from load(shop, order_id)
    receipt = _receipt(order, key, "CancelWaybill", f"{parcel}|{reason}")
    command = CancelWaybill(parcel, reason)
    after, _ = yield from once(shop, order, receipt, by, lambda _now: command)
    after = yield from settled(shop, carriers, after, parcel, fresh=False)
    return _booking(after, parcel)


def _receipt(order: Order, key: str, command: str, content: str) -> Receipt:
    return Receipt(order.shop, checked_key(key), command, digest(order.id, content), order.id)


def _booking(order: Order, name: str) -> Booking:
    parcel = _parcel(order, name)
    return Booking(order, parcel, parcel.waybill)


def settle_waybills(shop: Shop, carriers: Carriers, order_id: str) -> Flow[Order]:
    """Ask carriers again about every waybill of an order that waits for their word; one whose answer cannot be stops
    no other, and is raised when the others were asked."""
    shop.outside()
    order = yield from load(shop, order_id)
    failed: OrdercoreError | None = None
    for parcel in order.delivery.parcels:
        try:
            order = yield from settled(shop, carriers, order, parcel.id, fresh=False)
        except OtherSideFailed as error:
            failed = error
    if failed is not None:
        raise failed
    return order


def settled(
    shop: Shop, carriers: Carriers, order: Order, name: str, *, fresh: bool, last: bool = False
) -> Flow[Order]:
    """The order after carriers have spoken about waybills of a parcel that wait for their word, former ones too; as it
    is where none does.

    ``fresh``: this flow has just written the question down, so nobody asked it before. ``last``: all pauses between
    tries are over, so a key that its carrier never heard of is taken for one that never will be booked.
    """
    for waybill in _parcel(order, name).owing[::-1]:  # the one in force first
        order = yield from _settled(shop, carriers, order, name, waybill, fresh=fresh, last=last)
    return order


def _settled(
    shop: Shop,
    carriers: Carriers,
    order: Order,
    name: str,
    waybill: Waybill,
    *,
    fresh: bool,
    last: bool,
) -> Flow[Order]:
    """The order after the carrier has spoken about one waybill."""
    parcel = _parcel(order, name)
    port = _carrier(carriers, waybill.carrier)
    request = request_of(order, parcel, waybill.key, waybill.service, waybill.number)
    if waybill.state is WaybillState.ASKED:
        said = yield from _booked(port, request, fresh=fresh)
    else:
        said = yield from _canceled(port, request, last=last)
    if said is None:
        return order
    by = Actor(ActorKind.CHANNEL, waybill.carrier)
    try:
        made = yield from record(shop, order, AnswerWaybill(name, waybill.key, said), by)
    except InvalidInput as error:
        reason = f"the carrier's answer cannot be: {error.reason}"
        raise OtherSideFailed(reason, path=error.path, carrier=waybill.carrier) from error
    return made.order


def _booked(port: Carrier, request: WaybillRequest, *, fresh: bool) -> Flow[WaybillOutcome | None]:
    """What a carrier says to a booking; ``None`` where it cannot say. One that was asked before is looked up first."""
    if not fresh:
        known = yield from _answer(port.lookup, request)
        if known is None or known.status is not WaybillStatus.UNKNOWN:
            return known
    said = yield from _answer(port.book, request)
    if said is None or said.status is WaybillStatus.UNKNOWN:
        said = yield from _answer(port.lookup, request)
    return said


def _canceled(port: Carrier, request: WaybillRequest, *, last: bool) -> Flow[WaybillOutcome | None]:
    """What a carrier says to a cancellation; ``None`` where it cannot say.

    A refusal tells that the waybill stands only where its number is known: a key that the carrier refused to book has
    none. A key that it never heard of may still be on its way to it, until all tries are over.
    """
    said: WaybillOutcome | None = WaybillOutcome(
        WaybillStatus.REFUSED, reason="it cancels no waybill"
    )
    if port.capabilities.cancels:
        said = yield from _answer(port.cancel, request)
    refused = said is not None and said.status is WaybillStatus.REFUSED
    if said is not None and (
        said.status is WaybillStatus.CANCELED or (refused and (said.number or request.number))
    ):
        return said
    known = yield from _answer(port.lookup, request)
    if known is None:
        return None
    if known.status is WaybillStatus.BOOKED:
        reason = said.reason if said is not None and refused else ""
        stands = WaybillOutcome(
            WaybillStatus.REFUSED, known.number, known.cost, known.label, reason
        )
        return stands if refused else None
    if known.status is not WaybillStatus.UNKNOWN:  # canceled, or never booked
        return WaybillOutcome(WaybillStatus.CANCELED, known.number)
    if last and said is not None and not request.number:
        return WaybillOutcome(WaybillStatus.CANCELED)
    return None


def _answer(
    ask: Callable[[WaybillRequest], Any], request: WaybillRequest
) -> Flow[WaybillOutcome | None]:
    """One answer of a carrier, ``None`` where none came."""
    try:
        said = yield from call(ask, request)
    except OrdercoreError:
        return None
    if not isinstance(said, WaybillOutcome):
        reason = f"a carrier answers with a WaybillOutcome, not a {type(said).__name__}"
        raise OtherSideFailed(reason, path="carrier")
    if isinstance(said.reason, str) and len(said.reason) > TEXT_MAX:
        short = said.reason[:TEXT_MAX]
        return WaybillOutcome(said.status, said.number, said.cost, said.label, short)
    return said


# Another address --------------------------------------------------------------------------------


def redirect(
    shop: Shop,
    carriers: Carriers,
    order_id: str,
    address: Address,
    parcel: str,
    reason: str,
    key: str,
    by: Actor,
) -> Flow[Redirected]:
    """Let an order, or one parcel of it, go elsewhere.

    Before anything has left the order is amended, so it is priced again, and waybills are booked anew. After that each
    parcel is called back by its carrier and booked anew; its price stays. Where no waybill can be booked yet, because
    the amended order is to be paid first, the answer is not *done*: the same call again books it then.
    """
    shop.outside()
    if not isinstance(address, Address):
        raise InvalidInput("an address is an Address", path="address")
    order = yield from load(shop, order_id)
    if not order.delivery.shipments:
        if parcel:
            reason_ = "nothing has left yet: change the order's address, or plan the parcel anew"
            raise NotAllowed(reason_, order=order.id, state=order.state, parcel=parcel)
        return (yield from _amended(shop, carriers, order, address, key, by))
    if not parcel:
        names = tuple([p.id for p in order.delivery.parcels if p.gone and p.delivered_at is None])
        reason_ = "part of the order has left: name the parcel that is to go elsewhere"
        raise NotAllowed(reason_, order=order.id, state=order.state, parcels=names)
    return (yield from _called_back(shop, carriers, order, address, parcel, reason, key, by))


def _amended(
    shop: Shop, carriers: Carriers, order: Order, address: Address, key: str, by: Actor
) -> Flow[Redirected]:
    """Amend the address, and book those waybills anew that were for the former one."""
    from ordercore.engine.amending import amend  # it is loaded with the engine anyway

    price_was, was = order.content.total, _carriage(order)
    amendment = yield from amend(shop, order.id, [ChangeAddress(address)], key, by)
    after = amendment.order
    former = _former_keys((yield from call(shop.store.journal, order.id)))
    why, reason = "the order goes to another address", ""
    for parcel in after.delivery.parcels:
        waybill = parcel.waybill
        if not parcel.in_work or parcel.address is not None or waybill is None:
            continue
        if waybill.key in former:
            if waybill.live:
                command: Command = CancelWaybill(parcel.id, why)
                after = (yield from record(shop, after, command, by)).order
                after = yield from settled(shop, carriers, after, parcel.id, fresh=False)
            if _live(after, parcel.id):
                reason = f"the carrier of {parcel.id} has not canceled its waybill"
                continue
            asked = _asking(carriers, parcel, waybill.carrier, waybill.service)
            try:
                after = (yield from record(shop, after, asked, by)).order
            except NotAllowed as error:  # the amendment stands: the same call books once it may
                reason = error.reason
                continue
        after = yield from settled(shop, carriers, after, parcel.id, fresh=False)
    price = amendment.total
    return Redirected(after, not reason, was, _carriage(after), price_was, price, reason)


def _former_keys(history: Sequence[Recorded]) -> set[str]:
    """Waybills that were asked for before the address was last changed, and stood then."""
    standing: set[str] = set()
    former: set[str] = set()
    for past in history:
        event = past.event
        if isinstance(event, WaybillAsked | WaybillAnswered):
            if event.waybill.live:
                standing.add(event.waybill.key)
        elif isinstance(event, WaybillCanceling):
            standing.discard(event.key)  # it was given up for another reason
        elif isinstance(event, Amended) and "address" in event.changed:
            former |= standing
    return former


def _carriage(order: Order) -> int:
    """What the carriage of all parcels that were not canceled should cost, in minor units."""
    return sum([p.expected for p in order.delivery.parcels if p.in_work or p.gone])


def _live(order: Order, name: str) -> bool:
    waybill = _parcel(order, name).waybill
    return waybill is not None and waybill.live


def _called_back(
    shop: Shop,
    carriers: Carriers,
    order: Order,
    address: Address,
    name: str,
    reason: str,
    key: str,
    by: Actor,
) -> Flow[Redirected]:
    """Call a parcel back from its way and book it anew; each step is written, so a repeat goes on where this ended."""
    parcel = _parcel(order, name)
    waybill = parcel.waybill
    receipt = _receipt(order, key, "RedirectParcel", f"{name}|{_text_of(address)}")
    redirecting = RedirectParcel(name, address, reason)
    if waybill is None and parcel.in_work:
        after, _ = yield from once(shop, order, receipt, by, lambda _now: redirecting)
        cost, total = _parcel(after, name).expected, order.content.total
        return Redirected(after, True, cost, cost, total, total)  # noqa: FBT003
    if waybill is None:
        why = "it left without a waybill of ours: its carrier is asked by hand"
        raise NotAllowed(why, order=order.id, state=order.state, parcel=name)
    port = _carrier(carriers, waybill.carrier)
    if parcel.gone and not port.capabilities.recalls:
        why = f"{waybill.carrier} does not call a parcel back"
        raise NotAllowed(why, order=order.id, state=order.state, parcel=name)
    command: Command = CancelWaybill(name, reason) if waybill.live else redirecting
    after, _ = yield from once(shop, order, receipt, by, lambda _now: command)
    if _parcel(after, name).address != address:
        after = yield from settled(shop, carriers, after, name, fresh=False)
        if _live(after, name):
            stands = _parcel(after, name).waybill
            why = "" if stands is None else stands.reason
            return _result(after, name, parcel.expected, why or "its carrier has not answered yet")
        after = (yield from record(shop, after, redirecting, by)).order
    if not _live(after, name):
        asked = _asking(carriers, parcel, waybill.carrier, waybill.service)
        try:
            after = (yield from record(shop, after, asked, by)).order
        except NotAllowed as error:  # it is called back: the same call books once it may
            return _result(after, name, parcel.expected, error.reason)
    after = yield from settled(shop, carriers, after, name, fresh=False)
    was = yield from _former_cost(shop, after, name)
    return _result(after, name, was, "")


def _former_cost(shop: Shop, order: Order, name: str) -> Flow[int]:
    """What the carriage should have cost before the last change of address."""
    history = yield from call(shop.store.journal, order.id)
    for past in reversed(history):
        event = past.event
        if isinstance(event, ParcelRedirected) and event.parcel == name:
            return event.was
    return _parcel(order, name).expected


def _result(order: Order, name: str, was: int, reason: str) -> Redirected:
    parcel, total = _parcel(order, name), order.content.total
    waybill = parcel.waybill
    if not reason and (waybill is None or waybill.state is not WaybillState.BOOKED):
        told = "" if waybill is None else waybill.reason
        reason = told or "its carrier has not given a new waybill yet"
    now = was if reason else parcel.expected
    return Redirected(order, not reason, was, now, total, total, reason)
