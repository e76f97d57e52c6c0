"""Double entry: every cent that moves is written twice, and the sum is nothing.

Amounts are debit-positive minor units: a debit is above zero, a credit below.
Law L9 holds: the entries of each change add up to zero per currency,
so the trial balance is zero at any moment.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AccountKind",
    "Balance",
    "Entry",
    "PostingPolicy",
    "Turnover",
    "balances",
    "check_balanced",
    "turnover",
]


class AccountKind(enum.Enum):
    """The accounts of the books. A detail names the channel, the card scheme, the rate."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    CLEARING = "clearing"
    """What a channel owes the shop; by gateway. Debit side."""
    POINTS_LIABILITY = "points_liability"
    """Points that customers hold; by gateway. Redeemed points lower it."""
    STORED_VALUE_LIABILITY = "stored_value_liability"
    """Balances and gift cards that customers hold; by gateway."""
    ADVANCES = "advances"
    """Paid by customers, not yet earned. Credit side."""
    REVENUE = "revenue"
    """Goods sold, net of tax and discounts. Credit side."""
    SHIPPING_INCOME = "shipping_income"
    """Shipping charged, net of tax. Credit side."""
    TAX_PAYABLE = "tax_payable"
    """Tax owed to the state; by rate in percent, with the component where there are several. Credit side."""
    FUNDED_DISCOUNTS = "funded_discounts"
    """What third parties owe the shop for discounts they bear; by funder. Debit side."""
    DUTY_COLLECTED = "duty_collected"
    """Duty, import tax and consumption tax charged for the state of the destination. Credit side."""
    REFUNDS_IN_TRANSIT = "refunds_in_transit"
    """Refunds asked that have not arrived. Credit side."""
    RECEIVABLE = "receivable"
    """What customers still owe for sales that are booked: collected on delivery, or charged back. Debit side."""
    CASH = "cash"
    """Notes and coins in the till; by gateway. Debit side."""
    COD_WITH_COURIERS = "cod_with_couriers"
    """What couriers collected and have not remitted; by gateway. Debit side."""
    BANK = "bank"
    """What channels and couriers paid out to the shop; by gateway. Debit side."""
    CHANNEL_FEES = "channel_fees"
    """What channels and couriers keep for themselves; by gateway. Debit side."""
    ROUNDING = "rounding"
    """What cash rounding gave away (debit) or took (credit)."""
    EXCHANGE_DIFFERENCE = "exchange_difference"
    """What a channel paid out less (debit) or more than the rate of the sale said; by gateway."""
    DEPOSITS_HELD = "deposits_held"
    """Deposits of presales whose balance is not paid. Credit side."""
    FORFEITED_DEPOSITS = "forfeited_deposits"
    """Deposits that were kept because the buyer let the balance pass. Credit side."""
    COMPENSATION = "compensation"
    """What the shop gave beyond what was paid: doubled deposits, goodwill. Debit side."""
    CHARGEBACKS = "chargebacks"
    """What payers' banks took back; by gateway. Debit side."""
    MERCHANT_PAYABLE = "merchant_payable"
    """What the shop owes the merchants for whom it sells; by merchant. Credit side."""
    OPENING = "opening"
    """What the books before these ones hold of orders that were adopted; by gateway. Debit side."""


@value
class Entry:
    """One side of a movement: ``amount`` minor units, debit above zero."""

    account: AccountKind
    detail: str
    amount: int


@value
class Balance:
    """What stands on one account, in minor units of ``currency``, debit above zero."""

    account: AccountKind
    detail: str
    currency: str
    amount: int


@value
class Turnover:
    """What was written to one account in a span of time, in minor units of ``currency``, both above zero."""

    account: AccountKind
    detail: str
    currency: str
    debit: int
    credit: int


@value
class PostingPolicy:
    """When the sale is booked: on entering the first of these lifecycle states.

    By default on completion; a shop that books on shipping names its shipped state.
    """

    recognize_in: tuple[str, ...] = ("completed",)


def check_balanced(entries: Iterable[Entry]) -> None:
    """Raise `InvalidInput` unless the entries add up to zero."""
    rest = sum([entry.amount for entry in entries])
    if rest:
        raise InvalidInput(f"the entries are out of balance by {rest}", path="entries", rest=rest)


def turnover(entries: Iterable[tuple[str, Entry]]) -> tuple[Turnover, ...]:
    """Debits and credits of (currency, entry) pairs by account, detail and currency, in that order."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for currency, entry in entries:
        found = sums.setdefault((entry.account.value, entry.detail, currency), [0, 0])
        found[entry.amount < 0] += abs(entry.amount)
    return tuple(
        Turnover(AccountKind(account), detail, currency, debit, credit)
        for (account, detail, currency), (debit, credit) in sorted(sums.items())
    )


def balances(entries: Iterable[tuple[str, Entry]]) -> tuple[Balance, ...]:
    """Add up (currency, entry) pairs by account, detail and currency, in that order."""
    sums: dict[tuple[str, str, str], int] = {}
    for currency, entry in entries:
        key = (entry.account.value, entry.detail, currency)
        sums[key] = sums.get(key, 0) + entry.amount
    return tuple(
        Balance(AccountKind(account), detail, currency, amount)
        for (account, detail, currency), amount in sorted(sums.items())
    )
