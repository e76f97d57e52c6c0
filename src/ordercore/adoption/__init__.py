"""Adoption: orders that a shop already has, taken over in the middle of their lives.

A host tells each order as a `Snapshot`; `opening` makes an order of it, checked to add up and to fit
its state, with nothing priced, charged or promised anew. `ordercore.engine.adopting` writes it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ordercore.adoption.fields import check_types
from ordercore.adoption.opening import GRACE, Opening, opening
from ordercore.adoption.report import AdoptionReport, Fault, Remark, Sums, Tally
from ordercore.adoption.snapshot import (
    Snapshot,
    SnapshotCharge,
    SnapshotLine,
    SnapshotPayment,
    SnapshotRefund,
    SnapshotShipment,
    StatusMap,
)

if TYPE_CHECKING:
    from ordercore.adoption.columns import ColumnMap, apart, read_csv, read_json_lines

__all__ = [
    "GRACE",
    "AdoptionReport",
    "ColumnMap",
    "Fault",
    "Opening",
    "Remark",
    "Snapshot",
    "SnapshotCharge",
    "SnapshotLine",
    "SnapshotPayment",
    "SnapshotRefund",
    "SnapshotShipment",
    "StatusMap",
    "Sums",
    "Tally",
    "check_types",
    "opening",
    "apart",
    "read_csv",
    "read_json_lines",
]

_COLUMNS = frozenset({"ColumnMap", "apart", "read_csv", "read_json_lines"})


def __getattr__(name: str) -> Any:
    if name in _COLUMNS:  # only who reads files needs them: the import budget
        return getattr(import_module("ordercore.adoption.columns"), name)
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
