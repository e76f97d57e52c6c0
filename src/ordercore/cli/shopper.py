"""What the simulated shoppers of a replay do, and what they pay with.

The file says what was bought, when and by whom, and nothing of payment. So each shopper's habits
follow from the customer, the amount and the invoice by a stable hash: the same file is always
paid in the same way, and nothing is random.
"""

from __future__ import annotations

import enum
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from ordercore import tenders
from ordercore.adapters.memory import AccountGateway, MemoryGateway
from ordercore.value import value

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.clock import Clock
    from ordercore.tender.tenders import Tender

__all__ = ["GUEST", "Intent", "Pays", "Purses", "arrival", "intent", "toss"]

GUEST: Final = "guest in "
"""How the id of a customer without a number begins: one guest per country."""

POINTS: Final = "points"
GIFT_CARD: Final = "stored_value"
CARD: Final = "card"
"""A channel that takes the money at once."""
CREDIT: Final = "credit"
"""A channel that authorizes first; large amounts go over it."""
WALLET: Final = "wallet"
"""A channel that shows a code to scan; its refunds are accepted first and arrive days later."""

LARGE_PENCE: Final = 100_000


class Pays(enum.Enum):
    """When a shopper pays."""

    AT_ONCE = "at once"
    LATE = "late"
    """After the reminder, before the deadline."""
    LAST_MOMENT = "at the last moment"
    """The channel has the money before the deadline, and says so after it."""
    NEVER = "never"


@value
class Intent:
    """How one order is going to be paid. ``again`` is the channel after a decline, empty for none."""

    pays: Pays
    channel: str
    again: str
    points: bool
    gift_card: bool
    scans_after: timedelta


def toss(bound: int, *parts: str) -> int:
    """A number from 0 to ``bound - 1`` that follows from ``parts``, the same everywhere."""
    digest = blake2b("|".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % bound


def intent(customer: str, number: str, total: int) -> Intent:
    """What the shopper of this order means to do; ``total`` in pence."""
    seed = (customer, number, str(total))
    fate = toss(1000, "fate", *seed)
    if fate < 25:
        pays = Pays.NEVER
    elif fate < 85:
        pays = Pays.LATE
    elif fate < 100:
        pays = Pays.LAST_MOMENT
    else:
        pays = Pays.AT_ONCE
    habit = toss(100, "channel", customer)
    if pays is Pays.LAST_MOMENT:
        channel = WALLET
    elif total >= LARGE_PENCE:
        channel = CREDIT
    else:
        channel = CARD if habit < 55 else CREDIT if habit < 70 else WALLET
    declined = channel != WALLET and toss(1000, "decline", *seed) < 60
    return Intent(
        pays,
        channel,
        (CARD if channel == CREDIT else WALLET) if declined else "",
        toss(2, "points", *seed) == 0,
        toss(2, "gift card", *seed) == 0,
        timedelta(seconds=20 + toss(200, "scan", *seed)),
    )


def arrival(leg: str) -> tuple[timedelta, bool]:
    """How long an accepted refund is on its way, and whether the channel tells; else it is asked."""
    late = toss(10, "late", leg) == 0
    hours = 130 + toss(24, "hours", leg) if late else 10 + toss(60, "hours", leg)
    return timedelta(hours=hours), toss(2, "tells", leg) == 0


class Purses:
    """What the shoppers have: points, gift cards and channels, behind the gateways of the shop.

    A customer is given points and a gift card when first seen, by the same hash.
    Memory: an entry for each customer and for each charge, as a gateway keeps them.
    """

    def __init__(self, clock: Clock) -> None:
        self.points = AccountGateway(POINTS, clock, points=True)
        self.gift_cards = AccountGateway(GIFT_CARD, clock)
        self.channels = {
            CARD: MemoryGateway(CARD, clock),
            CREDIT: MemoryGateway(CREDIT, clock, authorizes_first=True),
            WALLET: MemoryGateway(WALLET, clock, asks_payer=True, refunds_arrive=False),
        }
        self._known: set[str] = set()

    @property
    def gateways(self) -> dict[str, MemoryGateway]:
        """All gateways by name."""
        return {POINTS: self.points, GIFT_CARD: self.gift_cards, **self.channels}

    def open(self, customer: str) -> None:
        """Give a customer who was not seen before points and a gift card, or not."""
        if customer in self._known or customer.startswith(GUEST):
            return
        self._known.add(customer)
        if toss(10, "member", customer) < 6:
            self.points.deposit(customer, 500 + toss(5_000, "welcome", customer))
        if toss(10, "gifted", customer) < 3:
            self.gift_cards.deposit(gift_card(customer), 1_000 + toss(19_000, "gift", customer))

    def earn(self, customer: str, total: int) -> None:
        """A point for each pound of a completed order, for those who collect them."""
        if self.points.balance(customer) and total >= 100:
            self.points.deposit(customer, total // 100)

    def offers(self, wanted: Intent, customer: str, *, again: bool = False) -> list[Tender]:
        """What the shopper offers to pay with; the channel takes all that is left."""
        offers: list[Tender] = []
        collected = self.points.balance(customer)
        if wanted.points and collected:
            offers.append(tenders.Points(collected, customer))
        if wanted.gift_card and self.gift_cards.balance(gift_card(customer)):
            offers.append(tenders.StoredValue(gift_card(customer)))
        channel = wanted.again if again else wanted.channel
        account = f"{customer} at {channel}"
        if wanted.again and not again:
            account = f"{customer}, an expired card"
            self.channels[channel].decline(account)
        offers.append(tenders.Channel(channel, account=account))
        return offers

    def scan(self, attempt: str, at: datetime | None = None) -> bytes:
        """The payer scans the wallet's code: the notification that the channel sends."""
        return self.channels[WALLET].pay(attempt, at)


def gift_card(customer: str) -> str:
    """The number of a customer's gift card."""
    return f"GC-{customer}"
