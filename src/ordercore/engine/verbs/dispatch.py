"""Verbs of the warehouse and the road: parcels, waybills, what carriers tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.composing import Verbs
from ordercore.engine.flow import arun, run, run_batch
from ordercore.errors import InvalidInput, OrdercoreError
from ordercore.party import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ordercore.engine.dispatching import Booking, Redirected, Shipping
    from ordercore.engine.flow import Flow
    from ordercore.fulfillment import CarrierQuote, ParcelGroup, ParcelState
    from ordercore.fulfillment.bills import BillReport, CarrierBill
    from ordercore.fulfillment.proposal import SplitProposal
    from ordercore.goods import Manifest
    from ordercore.order import Order
    from ordercore.party import Actor, Address
    from ordercore.tender import ChannelReply

__all__ = ["AsyncDispatchVerbs", "DispatchVerbs"]

# Flows are loaded by the verb: a shop that ships without parcels needs none of them.

BATCH_MAX = 50
"""Most orders whose changes share one commit."""
MANY_MAX = 10_000
"""Most rows of one call."""


def _bounded(rows: Sequence[object], what: str) -> None:
    if not isinstance(rows, list | tuple) or len(rows) > MANY_MAX:
        raise InvalidInput(f"a list of at most {MANY_MAX} {what} is wanted", path=what)


def _paired(parcels: Sequence[tuple[str, str]]) -> None:
    _bounded(parcels, "parcels")
    for place, pair in enumerate(parcels):
        if not isinstance(pair, tuple) or [type(part) for part in pair] != [str, str]:
            reason = "a parcel is named by its order's id and its own"
            raise InvalidInput(reason, path=f"parcels[{place}]")


class DispatchVerbs(Verbs):
    """Parcels, waybills and tracking, for plain ports."""

    def plan_parcels(
        self,
        order_id: str,
        groups: Sequence[ParcelGroup] | SplitProposal,
        *,
        key: str,
        by: Actor = SYSTEM,
    ) -> Order:
        """Plan parcels, one for each group, in the place of all that are planned and not yet picked.

        ``groups`` may be what `propose_split` gave.
        Goods that no group names are planned another time. Raises `InvalidManifest` for more than is left.
        """
        from ordercore.engine.dispatching import plan

        return run(plan(self.shop, order_id, groups, key, by), "plan_parcels")

    def pick(
        self,
        order_id: str,
        parcel: str,
        found: Manifest | None = None,
        *,
        key: str,
        by: Actor = SYSTEM,
    ) -> Order:
        """Goods were taken off the shelf: ``found``, or all. What was not there is to be planned again."""
        from ordercore.engine.dispatching import pick

        return run(pick(self.shop, order_id, parcel, found, key, by), "pick")

    def pack(
        self, order_id: str, parcel: str, *, grams: int, key: str, by: Actor = SYSTEM
    ) -> Order:
        """A parcel is closed and weighs so much."""
        from ordercore.engine.dispatching import pack

        return run(pack(self.shop, order_id, parcel, grams, key, by), "pack")

    def cancel_parcel(
        self, order_id: str, parcel: str, *, reason: str = "", key: str, by: Actor = SYSTEM
    ) -> Order:
        """Give a parcel up before it leaves: its goods are to be planned again, its waybill is canceled."""
        from ordercore.engine.dispatching import cancel_parcel

        flow = cancel_parcel(self.shop, self.carriers, order_id, parcel, reason, key, by)
        return run(flow, "cancel_parcel")

    def quote_parcel(
        self, order_id: str, parcel: str, *, carrier: str = "", service: str = ""
    ) -> CarrierQuote:
        """What a carrier would take for a parcel; nothing is written or booked."""
        from ordercore.engine.dispatching import quote_parcel

        flow = quote_parcel(self.shop, self.carriers, order_id, parcel, carrier, service)
        return run(flow, "quote_parcel")

    def book_waybill(
        self,
        order_id: str,
        parcel: str,
        *,
        carrier: str = "",
        service: str = "",
        key: str,
        by: Actor = SYSTEM,
    ) -> Booking:
        """Book a waybill for a parcel, at the carrier that was planned or another one.

        ``waybill.state`` says what came of it. One that is still *asked* waits for the carrier: the same call again,
        or `settle_waybills`, looks it up; it is never booked twice.
        """
        from ordercore.engine.dispatching import book

        flow = book(self.shop, self.carriers, order_id, parcel, carrier, service, key, by)
        return run(flow, "book_waybill")

    def cancel_waybill(
        self, order_id: str, parcel: str, *, reason: str = "", key: str, by: Actor = SYSTEM
    ) -> Booking:
        """Ask the carrier to cancel a waybill. One that refuses lets it stand: it is *booked* again, with a reason."""
        from ordercore.engine.dispatching import cancel_waybill

        flow = cancel_waybill(self.shop, self.carriers, order_id, parcel, reason, key, by)
        return run(flow, "cancel_waybill")

    def settle_waybills(self, order_id: str) -> Order:
        """Ask carriers again about waybills that wait for their word."""
        from ordercore.engine.dispatching import settle_waybills

        return run(settle_waybills(self.shop, self.carriers, order_id), "settle_waybills")

    def dispatch(
        self,
        order_id: str,
        parcel: str,
        *,
        carrier: str = "",
        tracking: str = "",
        key: str,
        by: Actor = SYSTEM,
    ) -> Order:
        """A parcel leaves: a shipment of its name. The order moves when everything has left.

        Without a waybill ``carrier`` and ``tracking`` say with whom; a carrier is guessed from a number that proves it.
        """
        from ordercore.engine.dispatching import dispatch

        return run(dispatch(self.shop, order_id, parcel, carrier, tracking, key, by), "dispatch")

    def ship_many(
        self, rows: Sequence[Shipping], *, by: Actor = SYSTEM
    ) -> list[Order | OrdercoreError]:
        """Ship many orders or parcels; a result for each row, in their order. One that fails fails alone."""
        from ordercore.engine.dispatching import shipping

        _bounded(rows, "rows")
        found: list[Order | OrdercoreError] = []
        for i in range(0, len(rows), BATCH_MAX):
            flows = [shipping(self.shop, row, by) for row in rows[i : i + BATCH_MAX]]
            found += run_batch(flows, self.shop.store, "ship_many")
        return found

    def consolidate(
        self,
        master: str,
        parcels: Sequence[tuple[str, str]],
        *,
        carrier: str = "",
        key: str,
        by: Actor = SYSTEM,
    ) -> list[Order | OrdercoreError]:
        """Put (order, parcel) pairs, of as many orders as you like, under one master waybill; a result for each."""
        from ordercore.engine.dispatching import join

        _paired(parcels)
        found: list[Order | OrdercoreError] = []
        for i in range(0, len(parcels), BATCH_MAX):
            flows = [
                join(self.shop, order_id, parcel, master, carrier, key, by)
                for order_id, parcel in parcels[i : i + BATCH_MAX]
            ]
            found += run_batch(flows, self.shop.store, "consolidate")
        return found

    def track_parcels(self, order_id: str) -> Order:
        """Ask carriers about every parcel of an order that is on its way, the waybills of consolidations too.

        When all that left is delivered, the order is received. Raises `OtherSideFailed` for a carrier that does not
        answer, once the others were asked.
        """
        from ordercore.engine.tracing import trace

        return run(trace(self.shop, self.carriers, order_id), "track_parcels")

    def tell_parcel(
        self,
        order_id: str,
        parcel: str,
        state: ParcelState,
        *,
        at: datetime | None = None,
        place: str = "",
        note: str = "",
        key: str,
        by: Actor,
    ) -> Order:
        """Say what happened to a parcel, where no carrier tells it: delivered, refused, lost, returned."""
        from ordercore.engine.tracing import tell_parcel

        flow = tell_parcel(self.shop, order_id, parcel, state, at, place, note, key, by)
        return run(flow, "tell_parcel")

    def carrier_notify(
        self,
        carrier: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        orders: Sequence[str] = (),
    ) -> ChannelReply:
        """Take a carrier's notification in; the reply is what the carrier wants back.

        A carrier that does not repeat the waybill's key names a number only: ``orders`` are those it may concern.
        """
        from ordercore.engine.tracing import notice

        flow = notice(self.shop, self.carriers, carrier, headers, body, orders)
        return run(flow, "carrier_notify")

    def redirect(
        self,
        order_id: str,
        address: Address,
        *,
        parcel: str = "",
        reason: str = "",
        key: str,
        by: Actor,
    ) -> Redirected:
        """Let an order go to another address.

        Before anything has left it is amended: priced again, waybills booked anew. Afterwards name the ``parcel``: its
        carrier calls it back and it is booked anew, and the difference in cost is told. Raises `NotAllowed` for a
        carrier that calls nothing back.
        """
        from ordercore.engine.dispatching import redirect

        flow = redirect(self.shop, self.carriers, order_id, address, parcel, reason, key, by)
        return run(flow, "redirect")

    def compare_bills(
        self,
        carrier: str,
        bills: Sequence[CarrierBill],
        orders: Sequence[str],
        *,
        currency: str,
    ) -> BillReport:
        """Hold a carrier's bills, in one currency, against what it carried of these orders; nothing is written.

        By number, never by amount; see `ordercore.fulfillment.bills`. Raises `CurrencyMismatch` for an order in
        another currency.
        """
        from ordercore.engine.tracing import bills_of

        _bounded(orders, "orders")
        return run(bills_of(self.shop, carrier, bills, orders, currency), "compare_bills")


async def _alone(flow: Flow[Order], name: str) -> Order | OrdercoreError:
    """The flow's result, or its error of the library's tree."""
    try:
        return await arun(flow, name)
    except OrdercoreError as error:
        return error


class AsyncDispatchVerbs(Verbs):
    """The same, for ports of either kind."""

    async def plan_parcels(
        self,
        order_id: str,
        groups: Sequence[ParcelGroup] | SplitProposal,
        *,
        key: str,
        by: Actor = SYSTEM,
    ) -> Order:
        """See `DispatchVerbs.plan_parcels`."""
        from ordercore.engine.dispatching import plan

        return await arun(plan(self.shop, order_id, groups, key, by), "plan_parcels")

    async def pick(
        self,
        order_id: str,
        parcel: str,
        found: Manifest | None = None,
        *,
        key: str,
        by: Actor = SYSTEM,
    ) -> Order:
        """See `DispatchVerbs.pick`."""
        from ordercore.engine.dispatching import pick

        return await arun(pick(self.shop, order_id, parcel, found, key, by), "pick")

    async def pack(
        self, order_id: str, parcel: str, *, grams: int, key: str, by: Actor = SYSTEM
    ) -> Order:
        """See `DispatchVerbs.pack`."""
        from ordercore.engine.dispatching import pack

        return await arun(pack(self.shop, order_id, parcel, grams, key, by), "pack")

    async def cancel_parcel(
        self, order_id: str, parcel: str, *, reason: str = "", key: str, by: Actor = SYSTEM
    ) -> Order:
        """See `DispatchVerbs.cancel_parcel`."""
        from ordercore.engine.dispatching import cancel_parcel

        flow = cancel_parcel(self.shop, self.carriers, order_id, parcel, reason, key, by)
        return await arun(flow, "cancel_parcel")

    async def quote_parcel(
        self, order_id: str, parcel: str, *, carrier: str = "", service: str = ""
    ) -> CarrierQuote:
        """See `DispatchVerbs.quote_parcel`."""
        from ordercore.engine.dispatching import quote_parcel

        flow = quote_parcel(self.shop, self.carriers, order_id, parcel, carrier, service)
        return await arun(flow, "quote_parcel")

    async def book_waybill(
        self,
        order_id: str,
        parcel: str,
        *,
        carrier: str = "",
        service: str = "",
        key: str,
        by: Actor = SYSTEM,
    ) -> Booking:
        """See `DispatchVerbs.book_waybill`."""
        from ordercore.engine.dispatching import book

        flow = book(self.shop, self.carriers, order_id, parcel, carrier, service, key, by)
        return await arun(flow, "book_waybill")

    async def cancel_waybill(
        self, order_id: str, parcel: str, *, reason: str = "", key: str, by: Actor = SYSTEM
    ) -> Booking:
        """See `DispatchVerbs.cancel_waybill`."""
        from ordercore.engine.dispatching import cancel_waybill

        flow = cancel_waybill(self.shop, self.carriers, order_id, parcel, reason, key, by)
        return await arun(flow, "cancel_waybill")

    async def settle_waybills(self, order_id: str) -> Order:
        """See `DispatchVerbs.settle_waybills`."""
        from ordercore.engine.dispatching import settle_waybills

        return await arun(settle_waybills(self.shop, self.carriers, order_id), "settle_waybills")

    async def dispatch(
        self,
        order_id: str,
        parcel: str,
        *,
        carrier: str = "",
        tracking: str = "",
        key: str,
        by: Actor = SYSTEM,
    ) -> Order:
        """See `DispatchVerbs.dispatch`."""
        from ordercore.engine.dispatching import dispatch

        return await arun(
            dispatch(self.shop, order_id, parcel, carrier, tracking, key, by), "dispatch"
        )

    async def ship_many(
        self, rows: Sequence[Shipping], *, by: Actor = SYSTEM
    ) -> list[Order | OrdercoreError]:
        """See `DispatchVerbs.ship_many`."""
        from ordercore.engine.dispatching import shipping

        _bounded(rows, "rows")
        return [await _alone(shipping(self.shop, row, by), "ship_many") for row in rows]

    async def consolidate(
        self,
        master: str,
        parcels: Sequence[tuple[str, str]],
        *,
        carrier: str = "",
        key: str,
        by: Actor = SYSTEM,
    ) -> list[Order | OrdercoreError]:
        """See `DispatchVerbs.consolidate`."""
        from ordercore.engine.dispatching import join

        _paired(parcels)
        return [
            await _alone(join(self.shop, order_id, parcel, master, carrier, key, by), "consolidate")
            for order_id, parcel in parcels
        ]

    async def track_parcels(self, order_id: str) -> Order:
        """See `DispatchVerbs.track_parcels`."""
        from ordercore.engine.tracing import trace

        return await arun(trace(self.shop, self.carriers, order_id), "track_parcels")

    async def tell_parcel(
        self,
        order_id: str,
        parcel: str,
        state: ParcelState,
        *,
        at: datetime | None = None,
        place: str = "",
        note: str = "",
        key: str,
        by: Actor,
    ) -> Order:
        """See `DispatchVerbs.tell_parcel`."""
        from ordercore.engine.tracing import tell_parcel

        flow = tell_parcel(self.shop, order_id, parcel, state, at, place, note, key, by)
        return await arun(flow, "tell_parcel")

    async def carrier_notify(
        self,
        carrier: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        orders: Sequence[str] = (),
    ) -> ChannelReply:
        """See `DispatchVerbs.carrier_notify`."""
        from ordercore.engine.tracing import notice

        flow = notice(self.shop, self.carriers, carrier, headers, body, orders)
        return await arun(flow, "carrier_notify")

    async def redirect(
        self,
        order_id: str,
        address: Address,
        *,
        parcel: str = "",
        reason: str = "",
        key: str,
        by: Actor,
    ) -> Redirected:
        """See `DispatchVerbs.redirect`."""
        from ordercore.engine.dispatching import redirect

        flow = redirect(self.shop, self.carriers, order_id, address, parcel, reason, key, by)
        return await arun(flow, "redirect")

    async def compare_bills(
        self,
        carrier: str,
        bills: Sequence[CarrierBill],
        orders: Sequence[str],
        *,
        currency: str,
    ) -> BillReport:
        """See `DispatchVerbs.compare_bills`."""
        from ordercore.engine.tracing import bills_of

        _bounded(orders, "orders")
        return await arun(bills_of(self.shop, carrier, bills, orders, currency), "compare_bills")
