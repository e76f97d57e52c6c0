"""What a shopper offers to pay with.

The offers of one payment are put in the order that the shop declares, not in the shopper's.
Import the module and read the offers aloud::

    from ordercore import tenders

    tenders.Points(1200), tenders.StoredValue("GC-9"), tenders.Channel("wechat")
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from ordercore.errors import InvalidTenders
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.money import Money

__all__ = [
    "Balance",
    "Cash",
    "Channel",
    "OnDelivery",
    "Points",
    "StoredValue",
    "Tender",
    "TenderKind",
]


class TenderKind(enum.Enum):
    """What is handed over."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    POINTS = "points"
    BALANCE = "balance"
    STORED_VALUE = "stored_value"
    CHANNEL = "channel"
    CASH = "cash"
    """Notes and coins: what there is no coin for is rounded."""
    ON_DELIVERY = "on_delivery"
    """Collected by whoever hands the goods over, who owes it to the shop until it is remitted."""


@value
class Points:
    """Up to this many loyalty points; caps and steps may use fewer, the rest stay with the customer."""

    points: int
    account: str = attrs.field(default="", repr=False)
    gateway: str = "points"


@value
class Balance:
    """An amount of the customer's balance with the shop; without an amount, as much as is there and fits."""

    amount: Money | None = None
    account: str = attrs.field(default="", repr=False)
    gateway: str = "balance"


@value
class StoredValue:
    """An amount of a gift card; without an amount, as much as is there and fits."""

    card: str = attrs.field(repr=False)
    amount: Money | None = None
    gateway: str = "stored_value"

    @property
    def account(self) -> str:
        """The card's number."""
        return self.card


@value
class Channel:
    """A payment channel by the name of its gateway; without an amount, all that is left.

    ``account`` is what the gateway needs to know of the payer (a token, an open id).
    """

    gateway: str
    amount: Money | None = None
    account: str = attrs.field(default="", repr=False)


@value
class Cash:
    """Notes and coins at a till; without an amount, all that is left. Where a currency has no coin for its
    smallest unit, what is handed over is rounded, and the difference stands on an account of its own."""

    amount: Money | None = None
    gateway: str = "cash"

    @property
    def account(self) -> str:
        """Cash has none."""
        return ""


@value
class OnDelivery:
    """Cash on delivery: the courier collects it and owes it until it is remitted; without an amount, all that is left."""

    amount: Money | None = None
    gateway: str = "cod"

    @property
    def account(self) -> str:
        """The courier has it."""
        return ""


Tender = Points | Balance | StoredValue | Channel | Cash | OnDelivery
"""What may be offered. Closed: a tender kind is a rule of the engine, a gateway is the host's."""

OUTSIDE = frozenset({TenderKind.CHANNEL, TenderKind.CASH, TenderKind.ON_DELIVERY})
"""Kinds whose money comes from outside, and not from an account with the shop."""


def checked_tender(offer: Tender, path: str = "") -> Tender:
    """The offer, if it is one; raises `InvalidTenders` with the kinds that are."""
    if type(offer) not in KINDS:
        allowed = tuple(kind.__name__ for kind in KINDS)
        raise InvalidTenders(f"a {type(offer).__name__} is no tender", path=path, allowed=allowed)
    return offer


KINDS: dict[type[Tender], TenderKind] = {
    Points: TenderKind.POINTS,
    Balance: TenderKind.BALANCE,
    StoredValue: TenderKind.STORED_VALUE,
    Channel: TenderKind.CHANNEL,
    Cash: TenderKind.CASH,
    OnDelivery: TenderKind.ON_DELIVERY,
}
