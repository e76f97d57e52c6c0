"""Exchange: rates that say where they come from, and conversions that still add up."""

from __future__ import annotations

import enum
from datetime import date, datetime, timedelta

from ordercore.money import Percent, Rounding
from ordercore.value import value

__all__ = ["Conversion", "ExchangePolicy", "ExchangeRate", "RatePurpose"]


class RatePurpose(enum.Enum):
    """What a rate is for: a customs office, a tax return, a bank and a shop window have each their own."""

    __hash__ = object.__hash__

    DISPLAY = "display"
    """Catalog prices shown in the shopper's currency."""
    SETTLEMENT = "settlement"
    """What the shop is paid out in."""
    LEDGER = "ledger"
    """What the shop keeps its books in."""
    CUSTOMS = "customs"
    TAX = "tax"


@value
class ExchangeRate:
    """1 ``base`` = ``numerator`` / ``denominator`` ``quote``, in major units, exactly.

    ``at`` is the moment it was asked for, ``published`` the day it was made known (a weekend takes
    the last published one). ``spread`` is what the shop adds, already inside the fraction.
    """

    base: str
    quote: str
    numerator: int
    denominator: int
    purpose: RatePurpose
    at: datetime
    published: date
    source: str
    spread: Percent = Percent(0)


@value
class ExchangePolicy:
    """The currencies of a shop beside the one it shows, and how it converts.

    ``settlement`` and ``ledger`` are empty for the currency shown. A rate older than ``stale_after``
    (from the end of its day of publication) is refused.
    """

    settlement: str = ""
    ledger: str = ""
    stale_after: timedelta = timedelta(days=5)
    rounding: Rounding = Rounding.HALF_UP


@value
class Conversion:
    """Figures of a quote in another currency, in minor units of ``rate.quote``.

    ``total`` is the whole converted and rounded once; ``rows`` (lines, then charges) are adjusted by
    allocation, so they add up to it (law L5), and so do ``net`` and ``tax``.
    """

    rate: ExchangeRate
    rounding: Rounding
    total: int
    net: int
    tax: int
    rows: tuple[int, ...]
