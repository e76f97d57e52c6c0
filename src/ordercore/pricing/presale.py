"""Presales as pricing sees them: what a deposit takes off, and whether the parts can be."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ordercore.errors import InvalidCart
from ordercore.money import to_minor
from ordercore.pricing.cart import DepositKind, Presale

if TYPE_CHECKING:
    from ordercore.money import Money

__all__ = ["EXPANSION", "Deposit", "check_deposit", "deposit_of"]

EXPANSION = "expansion"
"""The layer under which stands what a deposit counts beyond itself."""


class Deposit(NamedTuple):
    """A deposit in minor units: what is paid, and what it takes off the price beyond that."""

    amount: int
    expansion: int


def deposit_of(presale: Presale, currency: str) -> Deposit:
    """The deposit of a presale, checked by itself.

    Raises `InvalidCart` or `InvalidMoney` with the path of what is wrong, ``presale.counts``.
    """
    if type(presale) is not Presale:
        raise InvalidCart(f"a {type(presale).__name__} is no Presale", path="presale")
    if type(presale.kind) is not DepositKind:
        raise InvalidCart("it is not a DepositKind", path="presale.kind")
    amount = _positive(presale.deposit, currency, "presale.deposit")
    _check_window(presale)
    if presale.counts is None:
        return Deposit(amount, 0)
    if presale.kind is not DepositKind.EXPANDING:
        reason = "only an expanding deposit counts for another amount than was paid"
        raise InvalidCart(reason, path="presale.counts")
    counts = _positive(presale.counts, currency, "presale.counts")
    if counts < amount:
        reason = "a deposit counts for at least what was paid"
        raise InvalidCart(reason, path="presale.counts", deposit=amount, counts=counts)
    return Deposit(amount, counts - amount)


def _positive(amount: Money, currency: str, path: str) -> int:
    found = to_minor(amount, currency, path)
    if found <= 0:
        raise InvalidCart("it is above nothing", path=path, amount=found)
    return found


def _check_window(presale: Presale) -> None:
    for name in ("balance_from", "balance_until"):
        moment = getattr(presale, name)
        if not isinstance(moment, datetime) or moment.utcoffset() is None:
            reason = "it is a moment with a zone: local_moment makes one of a wall clock"
            raise InvalidCart(reason, path=f"presale.{name}")
    if presale.balance_until <= presale.balance_from:
        reason = "the window of the balance ends after it opens"
        raise InvalidCart(reason, path="presale.balance_until")


def check_deposit(deposit: int, total: int, points: int) -> None:
    """Raise `InvalidCart` where nothing would be left for the balance to pay.

    ``total`` is the price, ``points`` what of it is due in points, which the balance alone pays: minor units.
    """
    if deposit >= total:
        reason = "a deposit is less than the price"
        raise InvalidCart(reason, path="presale.deposit", deposit=deposit, total=total)
    if deposit > total - points:
        reason = "the deposit leaves no room for the points, which are paid with the balance"
        raise InvalidCart(reason, path="presale.deposit", deposit=deposit, points=points)
