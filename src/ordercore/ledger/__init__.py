"""Ledger: the books of an order, in double entry."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from ordercore.ledger.entry import (
    AccountKind,
    Balance,
    Entry,
    PostingPolicy,
    Turnover,
    balances,
    check_balanced,
    turnover,
)
from ordercore.ledger.reconciliation import (
    Difference,
    Movement,
    MovementKind,
    ReconciliationClass,
    ReconciliationReport,
    ReconciliationSum,
    StatementPeriod,
    StatementRow,
    reconcile,
)
from ordercore.ledger.settlement import CommissionRule, SettlementPolicy

if TYPE_CHECKING:
    from ordercore.ledger.statement import StatementFormat, read_csv, read_json

__all__ = [
    "AccountKind",
    "Balance",
    "CommissionRule",
    "Difference",
    "Entry",
    "Movement",
    "MovementKind",
    "PostingPolicy",
    "ReconciliationClass",
    "ReconciliationReport",
    "ReconciliationSum",
    "SettlementPolicy",
    "StatementFormat",
    "StatementPeriod",
    "StatementRow",
    "Turnover",
    "balances",
    "check_balanced",
    "read_csv",
    "read_json",
    "reconcile",
    "turnover",
]

_READING = ("StatementFormat", "read_csv", "read_json")


def __getattr__(name: str) -> Any:
    if name in _READING:  # loaded when somebody reads a statement
        return getattr(_import_module("ordercore.ledger.statement"), name)
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
