"""Verbs that split orders and merge them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.composing import Verbs
from ordercore.engine.flow import arun, run
from ordercore.engine.occasional import (
    combination,
    combination_preview,
    merge_pairs,
    rejoined,
    split_in_parts,
    split_preview,
    split_proposal,
    unmerged,
)
from ordercore.party import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.engine.merging import Candidate, Combination
    from ordercore.engine.regrouping import SplitResult
    from ordercore.fulfillment.proposal import Placement, SplitProposal
    from ordercore.goods import Manifest
    from ordercore.order import Order
    from ordercore.order.split import ChargeSplit, Portion, SplitPart
    from ordercore.party import Actor
    from ordercore.ports import OrderQuery
    from ordercore.pricing import ShippingCharge

__all__ = ["AsyncRegroupingVerbs", "RegroupingVerbs"]


class RegroupingVerbs(Verbs):
    """Splitting and merging over plain ports."""

    def propose_split(
        self,
        order_id: str,
        assignment: Mapping[str, str] | Sequence[Placement] = (),
        *,
        by: Actor = SYSTEM,
    ) -> SplitProposal:
        """How the shop's rules (``policies.splitting``) would split what is still to leave, with the reasons.

        ``assignment`` says which source has what: by sku, or as placements that may spread a line.
        """
        return run(split_proposal(self.shop, order_id, assignment, by), "propose_split")

    def preview_split(
        self,
        order_id: str,
        parts: SplitProposal | Sequence[SplitPart] | Sequence[Manifest],
        *,
        charges: ChargeSplit | None = None,
        by: Actor = SYSTEM,
    ) -> tuple[Portion, ...]:
        """What each part would come to, with its share of the money; nothing is written."""
        return run(split_preview(self.shop, order_id, parts, charges, by), "preview_split")

    def split(
        self,
        order_id: str,
        parts: SplitProposal | Sequence[SplitPart] | Sequence[Manifest],
        *,
        charges: ChargeSplit | None = None,
        key: str,
        by: Actor,
    ) -> SplitResult:
        """Split an order into orders of their own, with their goods and their money (law L16).

        ``charges`` says how freight and fees are shared: freight by weight, fees by value where it says nothing.
        Raises `InvalidManifest` where the parts do not hold each unit once, `NotAllowed` while goods have left
        or money is not settled.
        """
        return run(split_in_parts(self.shop, order_id, parts, charges, key, by), "split")

    def rejoin(self, order_id: str, *, key: str, by: Actor) -> Order:
        """Undo a split: the parts are one order again, nothing is priced anew (law L17)."""
        return run(rejoined(self.shop, order_id, key, by), "rejoin")

    def preview_combine(
        self,
        basic_id: str,
        added_id: str,
        *,
        shipping: ShippingCharge | None = None,
        by: Actor,
        overrule: str = "",
    ) -> Combination:
        """What putting ``added`` to ``basic`` would come to; nothing is written.

        Raises `NotAllowed` with every reason against it; the rules' names are in the error's ``rules``.
        """
        return run(
            combination_preview(self.shop, basic_id, added_id, by, shipping, overrule),
            "preview_combine",
        )

    def combine(
        self,
        basic_id: str,
        added_id: str,
        *,
        shipping: ShippingCharge | None = None,
        shown: Combination | None = None,
        key: str,
        by: Actor,
        overrule: str = "",
    ) -> Combination:
        """Put ``added`` to ``basic``, which takes all items: freight is priced again, never dearer than both (law L17).

        ``shipping`` is the freight of the one parcel, by default the larger of the two. ``shown`` is what
        `preview_combine` gave: `PriceChanged` where the total is another now. ``overrule`` is the reason for which
        staff merge what the table leaves to them.
        """
        return run(
            combination(self.shop, basic_id, added_id, key, by, shipping, shown, overrule),
            "combine",
        )

    def unmerge(self, order_id: str, *, key: str, by: Actor) -> tuple[Order, Order]:
        """Let the order that was put to this one last be apart again, before anything left or was paid since."""
        return run(unmerged(self.shop, order_id, key, by), "unmerge")

    def merge_candidates(
        self, query: OrderQuery | None = None, *, by: Actor = SYSTEM, refused: bool = False
    ) -> tuple[Candidate, ...]:
        """Pairs among the orders that ``query`` finds which may be merged now; with ``refused`` the others too,
        with every reason. A customer sees its own orders alone."""
        return run(merge_pairs(self.shop, query, by, refused=refused), "merge_candidates")


class AsyncRegroupingVerbs(Verbs):
    """The same over ports of either kind; see `RegroupingVerbs`."""

    async def propose_split(
        self,
        order_id: str,
        assignment: Mapping[str, str] | Sequence[Placement] = (),
        *,
        by: Actor = SYSTEM,
    ) -> SplitProposal:
        """How the shop's rules would split what is still to leave, with the reasons."""
        return await arun(split_proposal(self.shop, order_id, assignment, by), "propose_split")

    async def preview_split(
        self,
        order_id: str,
        parts: SplitProposal | Sequence[SplitPart] | Sequence[Manifest],
        *,
        charges: ChargeSplit | None = None,
        by: Actor = SYSTEM,
    ) -> tuple[Portion, ...]:
        """What each part would come to; nothing is written."""
        flow = split_preview(self.shop, order_id, parts, charges, by)
        return await arun(flow, "preview_split")

    async def split(
        self,
        order_id: str,
        parts: SplitProposal | Sequence[SplitPart] | Sequence[Manifest],
        *,
        charges: ChargeSplit | None = None,
        key: str,
        by: Actor,
    ) -> SplitResult:
        """Split an order into orders of their own."""
        return await arun(split_in_parts(self.shop, order_id, parts, charges, key, by), "split")

    async def rejoin(self, order_id: str, *, key: str, by: Actor) -> Order:
        """Undo a split."""
        return await arun(rejoined(self.shop, order_id, key, by), "rejoin")

    async def preview_combine(
        self,
        basic_id: str,
        added_id: str,
        *,
        shipping: ShippingCharge | None = None,
        by: Actor,
        overrule: str = "",
    ) -> Combination:
        """What putting one order to another would come to; nothing is written."""
        flow = combination_preview(self.shop, basic_id, added_id, by, shipping, overrule)
        return await arun(flow, "preview_combine")

    async def combine(
        self,
        basic_id: str,
        added_id: str,
        *,
        shipping: ShippingCharge | None = None,
        shown: Combination | None = None,
        key: str,
        by: Actor,
        overrule: str = "",
    ) -> Combination:
        """Put one order to another, which takes all items."""
        flow = combination(self.shop, basic_id, added_id, key, by, shipping, shown, overrule)
        return await arun(flow, "combine")

    async def unmerge(self, order_id: str, *, key: str, by: Actor) -> tuple[Order, Order]:
        """Let the order that was put to this one last be apart again."""
        return await arun(unmerged(self.shop, order_id, key, by), "unmerge")

    async def merge_candidates(
        self, query: OrderQuery | None = None, *, by: Actor = SYSTEM, refused: bool = False
    ) -> tuple[Candidate, ...]:
        """Pairs which may be merged now."""
        flow = merge_pairs(self.shop, query, by, refused=refused)
        return await arun(flow, "merge_candidates")
