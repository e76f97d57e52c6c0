"""Exchange: rates that say where they come from, and conversions that still add up."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import gcd

from ordercore.allocation import allocate
from ordercore.clock import utc
from ordercore.errors import InvalidInput, OrdercoreError, RateUnavailable, UnknownCurrency
from ordercore.money import EXPONENTS, Percent, Rounding, checked_minor, divide, exponent
from ordercore.value import value

__all__ = [
    "Conversion",
    "ExchangePolicy",
    "ExchangeRate",
    "RatePurpose",
    "check_rate",
    "convert",
    "exchanged",
    "make_rate",
    "parse_rate",
    "rate_for",
    "rate_text",
    "with_spread",
]

_MILLION = 1_000_000
_NO_SPREAD = Percent(0)
_PLAIN = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")


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


def exchanged(amount: int, rate: ExchangeRate, rounding: Rounding = Rounding.HALF_UP) -> int:
    """Minor units of ``rate.quote`` for ``amount`` minor units of ``rate.base``, rounded once.

    The decimals of both currencies are those of ISO 4217. `UnknownCurrency` for a code that is not
    on its list, `AmountTooLarge` for a result beyond what the library stores, `InvalidInput` for an
    amount that is no whole number.

    >>> from datetime import UTC, date, datetime
    >>> day = date(2017, 10, 2)
    >>> noon = datetime(2017, 10, 3, 12, tzinfo=UTC)
    >>> rate = parse_rate("EUR", "USD", "1.1744", RatePurpose.DISPLAY, noon, day, "ECB")
    >>> exchanged(100_00, rate)
    11744
    """
    if type(amount) is not int:
        raise _not_whole(amount, "amount")
    top = amount * rate.numerator * 10 ** exponent(rate.quote)
    bottom = rate.denominator * 10 ** exponent(rate.base)
    return checked_minor(divide(top, bottom, rounding))


def _not_whole(figure: object, path: str) -> InvalidInput:
    return InvalidInput(f"a whole number is expected, not a {type(figure).__name__}", path=path)


def rate_for(
    rates: Sequence[ExchangeRate], base: str, quote: str, purpose: RatePurpose
) -> ExchangeRate | None:
    """The first of ``rates`` for this pair, in this direction, and this purpose; ``None`` if there is none.

    No rate is turned around and none serves another purpose: either would be a rate that nobody published.
    """
    for rate in rates:
        if rate.base == base and rate.quote == quote and rate.purpose is purpose:
            return rate
    return None


def convert(
    total: int,
    net: int,
    rows: Sequence[int],
    rate: ExchangeRate,
    rounding: Rounding = Rounding.HALF_UP,
) -> Conversion:
    """Figures of a quote in ``rate.quote``: the whole rounded once, its parts adjusted to it (law L5).

    ``rows`` are at least 0 and add up to ``total``; ``total`` less ``net`` is the tax. All are minor
    units of ``rate.base``. Each row is less than one unit away from its share of the rounded whole.
    Where a third party funds so much that the net (or the tax) is below 0, there are no
    shares: the other of the two is converted by itself, and this one is the difference.

    `InvalidInput` for rows that do not add up to ``total``, and for figures that are no whole numbers.
    """
    for figure, path in ((total, "total"), (net, "net")):
        if type(figure) is not int:
            raise _not_whole(figure, path)
    for i, row in enumerate(rows):
        if type(row) is not int:
            raise _not_whole(row, f"rows[{i}]")
    if sum(rows) != total:
        raise InvalidInput(
            "convert rows that do not add up to the total",
            path="rows",
            total=total,
            rows=sum(rows),
        )
    whole = exchanged(total, rate, rounding)
    tax = total - net
    if tax < 0:
        converted_net = exchanged(net, rate, rounding)
    elif net < 0:
        converted_net = whole - exchanged(tax, rate, rounding)
    else:
        converted_net = allocate(whole, (net, tax))[0]
    return Conversion(
        rate, rounding, whole, converted_net, whole - converted_net, allocate(whole, rows)
    )


def check_rate(
    rate: ExchangeRate, policy: ExchangePolicy, at: datetime, path: str = "rates"
) -> None:
    """Raise `RateUnavailable` for a rate that may not be used at ``at``.

    That is one published on a later day than that of ``at``, one that went stale, one that is not
    above 0, or one of a currency that ISO 4217 does not list. Days are those of UTC.
    """
    moment = utc(at, "at")
    for code in (rate.base, rate.quote):
        if not isinstance(code, str) or code not in EXPONENTS:
            raise _unavailable(
                rate, f"{str(code)[:12]!r} is not on the ISO 4217 list of money", path
            )
    if type(rate.numerator) is not int or type(rate.denominator) is not int:
        raise InvalidInput("a rate is a fraction of whole numbers", path=f"{path}.numerator")
    if type(rate.published) is not date:
        raise InvalidInput("the day of publication is a date", path=f"{path}.published")
    if rate.numerator <= 0 or rate.denominator <= 0:
        raise _unavailable(rate, "the rate is not above 0", path)
    if rate.published > moment.date():
        raise _unavailable(rate, f"it is published on {rate.published}, later than {at}", path)
    age = moment - datetime.combine(rate.published, time(), UTC) - timedelta(days=1)
    if age > policy.stale_after:  # a sum of times could leave the calendar
        raise _unavailable(rate, f"it is of {rate.published}, which is too old at {at}", path)


def _unavailable(rate: ExchangeRate, why: str, path: str) -> OrdercoreError:
    return RateUnavailable(
        f"use the rate of {str(rate.base)[:12]} to {str(rate.quote)[:12]}: {why}",
        path=path,
        base=str(rate.base)[:12],
        quote=str(rate.quote)[:12],
        purpose=rate.purpose.value,
        published=str(rate.published),
        source=rate.source,
    )


def with_spread(rate: ExchangeRate, spread: Percent) -> ExchangeRate:
    """``rate`` with ``spread`` on top of what was published; a spread that it had before is taken off first.

    >>> from datetime import UTC, date, datetime
    >>> noon = datetime(2026, 10, 30, 12, tzinfo=UTC)
    >>> rate = parse_rate("EUR", "CNY", "8", RatePurpose.DISPLAY, noon, noon.date(), "a bank")
    >>> rate_text(with_spread(rate, Percent.of("2.5")))
    '1 EUR = 8.2 CNY, a bank 2026-10-30, spread 2.5 % included'
    """
    return make_rate(
        rate.base,
        rate.quote,
        rate.numerator * (_MILLION + spread.ppm),
        rate.denominator * (_MILLION + rate.spread.ppm),
        rate.purpose,
        rate.at,
        rate.published,
        rate.source,
        spread,
    )


def make_rate(
    base: str,
    quote: str,
    numerator: int,
    denominator: int,
    purpose: RatePurpose,
    at: datetime,
    published: date,
    source: str,
    spread: Percent = _NO_SPREAD,
) -> ExchangeRate:
    """An `ExchangeRate` in lowest terms, so that equal rates are equal values.

    `UnknownCurrency` for a code that ISO 4217 does not list, `InvalidInput` for a fraction that is not
    above 0 or not of whole numbers, for what is no purpose, for a naive time and for a day that is no date.
    """
    for name, code in (("base", base), ("quote", quote)):
        if not isinstance(code, str) or code not in EXPONENTS:
            reason = f"currency {str(code)[:12]!r} is not on the ISO 4217 list of money"
            raise UnknownCurrency(reason, path=name, currency=str(code)[:12])
    for name, figure in (("numerator", numerator), ("denominator", denominator)):
        if type(figure) is not int:
            raise _not_whole(figure, name)
    if not isinstance(purpose, RatePurpose):
        reason = f"a purpose is a RatePurpose, not a {type(purpose).__name__}"
        raise InvalidInput(reason, path="purpose")
    utc(at, "at")
    if type(published) is not date:
        reason = f"a day of publication is a date, not a {type(published).__name__}"
        raise InvalidInput(reason, path="published")
    if numerator <= 0 or denominator <= 0:
        raise InvalidInput(f"a rate of {numerator}/{denominator} is not above 0", path="rate")
    common = gcd(numerator, denominator)
    return ExchangeRate(
        base,
        quote,
        numerator // common,
        denominator // common,
        purpose,
        at,
        published,
        source,
        spread,
    )


def parse_rate(
    base: str,
    quote: str,
    text: str,
    purpose: RatePurpose,
    at: datetime,
    published: date,
    source: str,
) -> ExchangeRate:
    """The rate that ``text`` says, such as ``"7.8312"``, exactly: digits and a point, nothing else.

    `InvalidInput` for other text and for 0, `UnknownCurrency` as `make_rate`.
    """
    if not isinstance(text, str) or _PLAIN.fullmatch(text) is None:
        raise InvalidInput(f"{str(text)[:40]!r} is not a rate: write it as '7.8312'", path="rate")
    numerator, denominator = Decimal(text).as_integer_ratio()
    return make_rate(base, quote, numerator, denominator, purpose, at, published, source)


def rate_text(rate: ExchangeRate, digits: int = 6) -> str:
    """One line for people: ``1 EUR = 7.8312 CNY, ECB 2026-10-30``.

    A rate that does not end within ``digits`` significant digits is rounded to them
    (only its whole part is always shown in full), and then the line says *about*.
    """
    whole = rate.numerator // rate.denominator
    if whole:
        decimals = max(digits - len(str(whole)), 0)
    else:
        decimals = digits + len(str(rate.denominator // rate.numerator)) - 1
    scale = 10**decimals
    scaled = divide(rate.numerator * scale, rate.denominator)
    figure = f"{scaled // scale}"
    if scaled % scale:
        figure += f".{scaled % scale:0{decimals}d}".rstrip("0")
    about = "" if scaled * rate.denominator == rate.numerator * scale else "about "
    added = f", spread {rate.spread} % included" if rate.spread.ppm else ""
    return f"1 {rate.base} = {about}{figure} {rate.quote}, {rate.source} {rate.published}{added}"
