"""Ledger: the books of an order, in double entry."""

from ordercore.ledger.entry import (
    AccountKind,
    Balance,
    Entry,
    PostingPolicy,
    balances,
    check_balanced,
)

__all__ = ["AccountKind", "Balance", "Entry", "PostingPolicy", "balances", "check_balanced"]
