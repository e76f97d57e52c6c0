"""Verbs that are asked for now and then: their code is loaded when somebody does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.flow import Flow
from ordercore.engine.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, timedelta

    from ordercore.adoption import AdoptionReport, Snapshot, StatusMap
    from ordercore.engine.adopting import Adoption
    from ordercore.engine.doctor import Finding
    from ordercore.engine.reconciling import DayClose, Patched
    from ordercore.errors import OrdercoreError
    from ordercore.ledger import ReconciliationReport, StatementPeriod, StatementRow
    from ordercore.party import Actor

__all__ = ["adoption", "adoptions", "day_close", "diagnosis", "patches", "reconciliation"]


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
