"""Verbs that are asked for now and then: their code is loaded when somebody does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.flow import Flow
from ordercore.engine.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, timedelta

    from ordercore.adoption import AdoptionReport, Snapshot, StatusMap
    from ordercore.engine.adopting import Adoption
    from ordercore.engine.doctor import Finding
    from ordercore.engine.merging import Candidate, Combination
    from ordercore.engine.reconciling import DayClose, Patched
    from ordercore.engine.regrouping import SplitResult
    from ordercore.errors import OrdercoreError
    from ordercore.fulfillment.proposal import Placement, SplitProposal
    from ordercore.goods import Manifest
    from ordercore.ledger import ReconciliationReport, StatementPeriod, StatementRow
    from ordercore.order import Order
    from ordercore.order.split import ChargeSplit, Portion, SplitPart
    from ordercore.party import Actor
    from ordercore.ports import OrderQuery
    from ordercore.pricing import ShippingCharge

__all__ = [
    "adoption",
    "adoptions",
    "combination",
    "combination_preview",
    "day_close",
    "diagnosis",
    "merge_pairs",
    "patches",
    "reconciliation",
    "rejoined",
    "split_in_parts",
    "split_preview",
    "split_proposal",
    "unmerged",
]


def adoption(
    shop: Shop,
    snapshot: Snapshot,
    by: Actor,
    statuses: StatusMap | None,
    *,
    dry_run: bool,
    reserve: bool,
    grace: timedelta | None,
) -> Flow[Adoption]:
    """Take one order over; what it takes is loaded when somebody asks."""
    from ordercore.adoption import GRACE
    from ordercore.adoption import StatusMap as Statuses
    from ordercore.engine.adopting import adopt

    return adopt(
        shop, snapshot, by=by, statuses=Statuses() if statuses is None else statuses,
        dry_run=dry_run, reserve=reserve, grace=GRACE if grace is None else grace,
    )  # fmt: skip


def adoptions(
    shop: Shop,
    snapshots: Iterable[Snapshot | OrdercoreError],
    by: Actor,
    statuses: StatusMap | None,
    *,
    dry_run: bool,
    reserve: bool,
    grace: timedelta | None,
) -> Flow[AdoptionReport]:
    """Take many orders over."""
    from ordercore.adoption import GRACE
    from ordercore.adoption import StatusMap as Statuses
    from ordercore.engine.adopting import adopt_many

    return adopt_many(
        shop, snapshots, by=by, statuses=Statuses() if statuses is None else statuses,
        dry_run=dry_run, reserve=reserve, grace=GRACE if grace is None else grace,
    )  # fmt: skip


def diagnosis(shop: Shop) -> Flow[tuple[Finding, ...]]:
    """What is wrong with a shop; the doctor is loaded when somebody asks."""
    from ordercore.engine.doctor import diagnose

    return diagnose(shop)


def reconciliation(
    shop: Shop, gateway: str, rows: Iterable[StatementRow], period: StatementPeriod
) -> Flow[ReconciliationReport]:
    """Compare a statement with the books; what it takes is loaded when somebody asks."""
    from ordercore.engine.reconciling import reconciled

    shop.gateway(gateway)
    return reconciled(shop, gateway, rows, period)


def patches(shop: Shop, gateway: str, report: ReconciliationReport, by: Actor) -> Flow[Patched]:
    """Book what a report proves."""
    from ordercore.engine.reconciling import patch

    return patch(shop, gateway, report, by)


def day_close(shop: Shop, day: date, zone: str, of: str) -> Flow[DayClose]:
    """The books of a day."""
    from ordercore.engine.reconciling import close_day

    return close_day(shop, day, zone, of)


def split_proposal(
    shop: Shop, order_id: str, assignment: Mapping[str, str] | Sequence[Placement], by: Actor
) -> Flow[SplitProposal]:
    """How the rules would split what is still to leave; what it takes is loaded when somebody asks."""
    from ordercore.engine.regrouping import proposed

    return proposed(shop, order_id, assignment, by)


def split_preview(
    shop: Shop,
    order_id: str,
    parts: SplitProposal | Sequence[SplitPart] | Sequence[Manifest],
    charges: ChargeSplit | None,
    by: Actor,
) -> Flow[tuple[Portion, ...]]:
    """What the parts would come to."""
    from ordercore.engine.regrouping import preview_split
    from ordercore.order.split import ChargeSplit as Charges

    rule = Charges() if charges is None else charges
    return preview_split(shop, order_id, parts, rule, by)


def split_in_parts(
    shop: Shop,
    order_id: str,
    parts: SplitProposal | Sequence[SplitPart] | Sequence[Manifest],
    charges: ChargeSplit | None,
    key: str,
    by: Actor,
) -> Flow[SplitResult]:
    """Split an order."""
    from ordercore.engine.regrouping import split
    from ordercore.order.split import ChargeSplit as Charges

    rule = Charges() if charges is None else charges
    return split(shop, order_id, parts, rule, key, by)


def rejoined(shop: Shop, order_id: str, key: str, by: Actor) -> Flow[Order]:
    """Undo a split."""
    from ordercore.engine.regrouping import rejoin

    return rejoin(shop, order_id, key, by)


def combination_preview(
    shop: Shop,
    basic_id: str,
    added_id: str,
    by: Actor,
    shipping: ShippingCharge | None,
    overrule: str,
) -> Flow[Combination]:
    """What two orders would come to as one."""
    from ordercore.engine.merging import preview_combination

    return preview_combination(shop, basic_id, added_id, by, shipping, overrule)


def combination(
    shop: Shop,
    basic_id: str,
    added_id: str,
    key: str,
    by: Actor,
    shipping: ShippingCharge | None,
    shown: Combination | None,
    overrule: str,
) -> Flow[Combination]:
    """Put one order to another."""
    from ordercore.engine.merging import combine

    return combine(shop, basic_id, added_id, key, by, shipping, shown, overrule)


def unmerged(shop: Shop, order_id: str, key: str, by: Actor) -> Flow[tuple[Order, Order]]:
    """Undo the last merge of an order."""
    from ordercore.engine.merging import unmerge

    return unmerge(shop, order_id, key, by)


def merge_pairs(
    shop: Shop, query: OrderQuery | None, by: Actor, *, refused: bool
) -> Flow[tuple[Candidate, ...]]:
    """Orders that may be merged."""
    from ordercore.engine.merging import found_candidates

    return found_candidates(shop, query, by, refused=refused)
