"""Verbs of the counter: pickup codes, and goods handed over against them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.composing import Verbs
from ordercore.engine.flow import arun, run

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.engine.collecting import IssuedCode
    from ordercore.fulfillment.pickup import Proxy
    from ordercore.goods import Manifest
    from ordercore.order import Order
    from ordercore.party import Actor

__all__ = ["AsyncCollectionVerbs", "CollectionVerbs"]

# Flows are loaded by the verb: a shop without a counter needs none of them.


class CollectionVerbs(Verbs):
    """Pickup codes and handing over, for plain ports."""

    def issue_pickup_code(
        self,
        order_id: str,
        *,
        store: str,
        goods: Manifest | None = None,
        expires: datetime | None = None,
        key: str,
        by: Actor,
    ) -> IssuedCode:
        """Give a code for goods that wait at ``store``: all that is left, or ``goods``; shown this once.

        A former code for the same store dies. The shop gives the first; customers may renew their own, for what
        waits under it. Without ``expires`` it is good as long as the policy says. Under a repeated key ``code`` is
        ``None``: nobody knows it any more, so give another. Raises `NotAllowed`, `InvalidManifest`.
        """
        from ordercore.engine.collecting import issue_pickup_code

        flow = issue_pickup_code(self.shop, order_id, store, goods, expires, key, by)
        return run(flow, "issue_pickup_code")

    def collect(
        self,
        order_id: str,
        code: str,
        goods: Manifest | None = None,
        *,
        store: str,
        proxy: Proxy | None = None,
        key: str,
        by: Actor,
    ) -> Order:
        """Hand goods over to whoever says the code: all that wait under it, or ``goods``; it stays for the rest.

        They have left and arrived, and the last of them moves the order as its chart says. A wrong code raises
        `InvalidInput` with ``data["tries_left"]``, and the try is counted; a slip of typing is not. Raises
        `NotAllowed` for a code that is not taken now, with ``data["locked_until"]``, and while money is still to be
        collected on delivery: confirm the payment first. Under a repeated key nothing more is handed over; another
        code than that scan's is a wrong try too.
        """
        from ordercore.engine.collecting import Collection, collect

        asked = Collection(store, goods, proxy, key)
        return run(collect(self.shop, order_id, code, asked, by), "collect")


class AsyncCollectionVerbs(Verbs):
    """The same, for ports of either kind. Making and checking a code takes a moment of one processor, awaiting nothing."""

    async def issue_pickup_code(
        self,
        order_id: str,
        *,
        store: str,
        goods: Manifest | None = None,
        expires: datetime | None = None,
        key: str,
        by: Actor,
    ) -> IssuedCode:
        """See `CollectionVerbs.issue_pickup_code`."""
        from ordercore.engine.collecting import issue_pickup_code

        flow = issue_pickup_code(self.shop, order_id, store, goods, expires, key, by)
        return await arun(flow, "issue_pickup_code")

    async def collect(
        self,
        order_id: str,
        code: str,
        goods: Manifest | None = None,
        *,
        store: str,
        proxy: Proxy | None = None,
        key: str,
        by: Actor,
    ) -> Order:
        """See `CollectionVerbs.collect`."""
        from ordercore.engine.collecting import Collection, collect

        asked = Collection(store, goods, proxy, key)
        return await arun(collect(self.shop, order_id, code, asked, by), "collect")
