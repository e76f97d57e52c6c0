"""Verbs that choose from where an order is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.composing import Verbs
from ordercore.engine.flow import arun, run
from ordercore.party import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.engine.sourcing import Network, Routed
    from ordercore.fulfillment.routing import Route
    from ordercore.party import Actor

__all__ = ["AsyncSourcingVerbs", "SourcingVerbs"]

# The search is loaded by the verb: a shop with one warehouse needs none of it.


class SourcingVerbs(Verbs):
    """Routing for plain ports; it needs a stock keeper that knows where its goods are (`SourcedStock`)."""

    def route(self, order_id: str, network: Network, *, rejected: Sequence[str] = ()) -> Route:
        """The best way to send what is still to be planned, with the reasons and the runner-up; nothing is written.

        Raises `OutOfStock` where the sources do not have the goods, `NotAllowed` where no service takes them.
        """
        from ordercore.engine.sourcing import route_order

        return run(route_order(self.shop, order_id, network, rejected), "route")

    def route_parcels(
        self,
        order_id: str,
        network: Network,
        *,
        rejected: Sequence[str] = (),
        key: str,
        by: Actor = SYSTEM,
    ) -> Routed:
        """Take the best route: its parcels are planned, and the promise moves to their sources.

        Again after an amendment, another address, a merge; and without the sources that ``rejected`` the order.
        Parcels that are picked, booked or gone stay as they are, and where a pick came short its article is not
        asked for again. The plan is written first: a plan that is refused moves nothing, and where this process ends
        before the goods have moved, a sweep moves them. `Routed.unplaced` says what a source lost meanwhile.
        A repeated key answers with the order, and without a route.
        """
        from ordercore.engine.sourcing import take_route

        return run(take_route(self.shop, order_id, network, rejected, key, by), "route_parcels")


class AsyncSourcingVerbs(Verbs):
    """The same over ports of either kind; see `SourcingVerbs`."""

    async def route(
        self, order_id: str, network: Network, *, rejected: Sequence[str] = ()
    ) -> Route:
        """The best way to send what is still to be planned; nothing is written."""
        from ordercore.engine.sourcing import route_order

        return await arun(route_order(self.shop, order_id, network, rejected), "route")

    async def route_parcels(
        self,
        order_id: str,
        network: Network,
        *,
        rejected: Sequence[str] = (),
        key: str,
        by: Actor = SYSTEM,
    ) -> Routed:
        """Take the best route: its parcels are planned, and the promise moves to their sources."""
        from ordercore.engine.sourcing import take_route

        flow = take_route(self.shop, order_id, network, rejected, key, by)
        return await arun(flow, "route_parcels")
