"""Ledger: the books of an order, in double entry."""

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
    "StatementPeriod",
    "StatementRow",
    "Turnover",
    "balances",
    "check_balanced",
    "reconcile",
    "turnover",
]
