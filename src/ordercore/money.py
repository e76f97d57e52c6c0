"""The gate for money: exact amounts come in, integers in minor units go on.

At the door a host hands over `moneyed.Money`; inside, an amount is an ``int`` in minor units
(cents, fen; fils at three decimals) of one currency that was checked once.
Nothing is rounded at the door: more decimals than the currency has are refused,
as are NaN, infinities, bare numbers and floats.
Where the trade rounds (tax, a percentage, cash), it rounds by a named `Rounding`.

Decimals follow ISO 4217 (list of 2026-01-01), because books, gateways and tax offices do.
CLDR, which Babel ships, shows some currencies with fewer digits (IDR, RSD, ...);
it is used for display alone.
"""

from __future__ import annotations

import enum
import re
from decimal import Context, Decimal, InvalidOperation, localcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ordercore.errors import (
    AmountTooLarge,
    CurrencyMismatch,
    InvalidMoney,
    OrdercoreError,
    UnknownCurrency,
)
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moneyed import Money

__all__ = [
    "CASH_STEPS",
    "EXPONENTS",
    "MINOR_MAX",
    "CashRounding",
    "Money",
    "Percent",
    "Rounding",
    "checked_minor",
    "decimal_text",
    "divide",
    "exponent",
    "format_minor",
    "from_minor",
    "money",
    "parse_minor",
    "to_minor",
]

MINOR_MAX = 10**15
"""Largest amount, in minor units, of any single figure.

It leaves room for sums of nine thousand such figures in a 64-bit column,
and every integer up to it survives JSON readers that use IEEE doubles.
"""

_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD
HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK
MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
ANG BGN HRK SLL ZWL
"""  # the last line: withdrawn since 2022, still met on stored orders
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"

EXPONENTS: Mapping[str, int] = {
    code: digits
    for digits, codes in ((2, _TWO), (0, _ZERO), (3, _THREE), (4, _FOUR))
    for code in codes.split()
}
"""Decimals of each currency by ISO 4217. Metals, funds of account and test codes are left out."""

_SCALES: dict[str, int] = {code: 10**digits for code, digits in EXPONENTS.items()}
_WIDE = Context(prec=50)
_TEXT_MAX = 64  # longer text is no amount; reading it could take long
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_ADJUSTED_MAX = 20  # beyond 10**20 no amount passes anyway; tested first, it bounds the work


class Rounding(enum.Enum):
    """How an exact fraction becomes a whole number of minor units. All are symmetric about zero
    but `FLOOR` and `CEILING`."""

    HALF_UP = "half_up"
    """Nearest; a tie goes away from zero. What most tax offices mean by rounding."""
    HALF_EVEN = "half_even"
    """Nearest; a tie goes to the even neighbor (banker's rounding, IEEE 754)."""
    HALF_DOWN = "half_down"
    """Nearest; a tie goes toward zero."""
    UP = "up"
    """Away from zero."""
    DOWN = "down"
    """Toward zero. JP consumption tax on a qualified invoice is commonly cut off this way."""
    CEILING = "ceiling"
    """Toward plus infinity."""
    FLOOR = "floor"
    """Toward minus infinity."""


def divide(numerator: int, denominator: int, rounding: Rounding = Rounding.HALF_UP) -> int:
    """Divide integers exactly and round by name; ``denominator`` is positive.

    >>> divide(5, 2), divide(-5, 2), divide(5, 2, Rounding.HALF_EVEN), divide(-5, 2, Rounding.FLOOR)
    (3, -3, 2, -3)
    """
    if rounding is Rounding.HALF_UP:
        if numerator >= 0:
            return (2 * numerator + denominator) // (2 * denominator)
        return -((denominator - 2 * numerator) // (2 * denominator))
    if rounding is Rounding.FLOOR:
        return numerator // denominator
    if rounding is Rounding.CEILING:
        return -(-numerator // denominator)
    whole, rest = divmod(abs(numerator), denominator)
    if rest and rounding is not Rounding.DOWN:
        double = 2 * rest
        up = (
            rounding is Rounding.UP
            or double > denominator
            or (double == denominator and rounding is Rounding.HALF_EVEN and whole % 2 == 1)
        )
        whole += up
    return whole if numerator >= 0 else -whole


def exponent(currency: str) -> int:
    """Number of decimals of ``currency`` by ISO 4217: 0, 2, 3 or 4.

    Raises `UnknownCurrency`, also for a code in lower case: codes are stored as they are.
    """
    try:
        return EXPONENTS[currency]
    except (KeyError, TypeError):
        raise _unknown(currency) from None


def _unknown(currency: object) -> OrdercoreError:
    code = str(currency)[:12]
    reason = f"currency {code!r} is not on the ISO 4217 list of money"
    return UnknownCurrency(reason, path="currency", currency=code)


def checked_minor(amount: int, path: str = "") -> int:
    """Return ``amount``, in minor units, if it is within `MINOR_MAX` of zero."""
    if -MINOR_MAX <= amount <= MINOR_MAX:
        return amount
    reason = f"the amount has {len(str(abs(amount)))} digits in minor units; the limit is 10**15"
    raise AmountTooLarge(reason, path=path)


@lru_cache(maxsize=4096)
def _scaled(amount: Decimal, currency: str) -> int:
    """Exact minor units of a decimal; independent of the decimal context.

    A shop has few different prices, and reading one costs more than looking it up.
    """
    try:
        scale = _SCALES[currency]
    except (KeyError, TypeError):
        raise _unknown(currency) from None
    if amount.adjusted() > _ADJUSTED_MAX:
        reason = f"the amount is above 10**{_ADJUSTED_MAX}; the limit is 10**15 minor units"
        raise AmountTooLarge(reason)
    if amount.adjusted() < -_ADJUSTED_MAX and amount:
        raise InvalidMoney(f"{currency} has {EXPONENTS[currency]} decimals")
    try:
        top, bottom = amount.as_integer_ratio()
    except (ValueError, OverflowError):
        raise InvalidMoney(f"{amount} is not an amount", amount=str(amount)) from None
    whole, rest = divmod(top * scale, bottom)
    if rest:
        digits = EXPONENTS[currency]
        reason = (
            f"{amount} has more decimals than {currency} has ({digits}): round it by a rule first"
        )
        raise InvalidMoney(reason, amount=str(amount), decimals=digits)
    if whole > MINOR_MAX or whole < -MINOR_MAX:
        checked_minor(whole)
    return whole


def _minor_of(amount: Decimal, currency: str, path: str) -> int:
    """The same, with the path in what is raised; a decimal or a code that has no hash is refused too."""
    try:
        return _scaled(amount, currency)
    except OrdercoreError as error:
        raise error.at(path) from None
    except TypeError:  # a signaling NaN, a code that is a list
        exponent(str(currency))
        raise InvalidMoney(f"{amount} is not an amount", path=path, amount=str(amount)) from None


def to_minor(amount: Money, currency: str | None = None, path: str = "") -> int:
    """Minor units of ``amount``, exactly; with ``currency``, only of that currency.

    Raises `InvalidMoney` for a bare number, NaN, an infinity or too many decimals,
    `CurrencyMismatch`, `UnknownCurrency` and `AmountTooLarge`, each with ``path``.

    >>> from moneyed import Money
    >>> to_minor(Money("12.34", "CNY")), to_minor(Money("1.234", "KWD")), to_minor(Money(7, "JPY"))
    (1234, 1234, 7)
    """
    code = ""
    try:
        decimal: Any = amount.amount
        code = amount.currency.code
    except AttributeError:
        decimal = None
    if type(decimal) is not Decimal:
        reason = f"a bare {type(amount).__name__} is not money: write Money('12.34', 'EUR')"
        raise InvalidMoney(reason, path=path) from None
    if currency is not None and code != currency:
        reason = f"the amount is in {code}, but {currency} is meant"
        raise CurrencyMismatch(reason, path=path, got=code, expected=currency)
    try:
        return _scaled(decimal, code)
    except (OrdercoreError, TypeError):
        return _minor_of(decimal, code, path)


def parse_minor(text: str, currency: str, path: str = "") -> int:
    """Minor units of a decimal text such as ``"12.34"``; only digits, a sign and a point."""
    if not isinstance(text, str):
        reason = f"a bare {type(text).__name__} is not money: write it as text, '12.34'"
        raise InvalidMoney(reason, path=path)
    if len(text) > _TEXT_MAX or _PLAIN.fullmatch(text) is None:
        raise InvalidMoney(f"{text[:40]!r} is not an amount", path=path)
    return _minor_of(Decimal(text), currency, path)


def money(amount: str | Decimal, currency: str) -> Money:
    """Make an exact `moneyed.Money`: text or `Decimal` only, no more decimals than ``currency`` has.

    >>> money("12.34", "EUR")
    Money('12.34', 'EUR')
    """
    if not isinstance(amount, str | Decimal):
        reason = f"a {type(amount).__name__} is not exact: write money('{amount}', '{currency}')"
        raise InvalidMoney(reason, path="amount")
    if isinstance(amount, Decimal):
        return from_minor(_minor_of(amount, currency, "amount"), currency)
    return from_minor(parse_minor(amount, currency, "amount"), currency)


def from_minor(amount: int, currency: str) -> Money:
    """The `moneyed.Money` of ``amount`` minor units."""
    from moneyed import CURRENCIES, Currency, Money

    # A decimal made from text is exact under any decimal context of the host; moneyed's own list
    # lacks what ISO 4217 added lately (XCG, ZWG).
    decimal = Decimal(decimal_text(amount, currency))
    return Money(decimal, CURRENCIES.get(currency) or Currency(currency))


def decimal_text(amount: int, currency: str) -> str:
    """Plain text of ``amount`` minor units, for machines and journals: ``-0.05``, ``1234``, ``1.234``."""
    digits = exponent(currency)
    if digits == 0:
        return str(amount)
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}"


def format_minor(amount: int, currency: str, locale: str = "en") -> str:
    """Text of ``amount`` minor units for people, by CLDR; all ISO digits are shown, none is rounded away."""
    from babel.numbers import format_currency

    decimal = Decimal(decimal_text(amount, currency))
    with localcontext(_WIDE):  # Babel computes in the host's context, which may be narrow
        text: str = format_currency(decimal, currency, locale=locale, decimal_quantization=False)
    return text


@value
class Percent:
    """A share in parts per million: 17.5 % is 175,000. Exact to four decimals of a percent."""

    ppm: int

    @classmethod
    def of(cls, percent: str | Decimal, path: str = "") -> Percent:
        """Read ``"17.5"`` or ``"17.5%"``; raises `InvalidMoney` for floats, NaN, negatives, a fifth decimal.

        >>> Percent.of("17.5").ppm
        175000
        """
        if not isinstance(percent, str | Decimal):
            reason = (
                f"a {type(percent).__name__} is not exact: write the percentage as text, '17.5'"
            )
            raise InvalidMoney(reason, path=path)
        text = str(percent).strip().removesuffix("%").strip()
        try:
            decimal = Decimal(text if len(text) <= _TEXT_MAX else "")
        except InvalidOperation:
            raise InvalidMoney(f"{text[:40]!r} is not a percentage", path=path) from None
        if not decimal.is_finite() or decimal < 0 or decimal > 10_000:
            raise InvalidMoney(f"{text[:40]} is not between 0 and 10,000 percent", path=path)
        ppm = rest = 0
        if decimal:  # exact in any decimal context; a far exponent is not worth the division
            top, bottom = decimal.as_integer_ratio() if decimal.adjusted() >= -4 else (1, 10**5)
            ppm, rest = divmod(top * 10_000, bottom)
        if rest:
            raise InvalidMoney(f"{text[:40]} has more than four decimals", path=path)
        return cls(ppm)

    def __str__(self) -> str:
        """The percentage as text without trailing zeros: ``17.5``."""
        whole, rest = divmod(self.ppm, 10_000)
        return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")

    def times(self, amount: int, rounding: Rounding = Rounding.HALF_UP) -> int:
        """This share of ``amount`` minor units, rounded by name."""
        return divide(amount * self.ppm, 1_000_000, rounding)


@value
class CashRounding:
    """Rounding of what is paid in coins: to multiples of ``step`` minor units.

    It belongs to the part paid in cash; the difference stands on an account of its own.

    >>> CashRounding(5).apply(237)
    235
    """

    step: int
    rounding: Rounding = Rounding.HALF_UP

    def apply(self, amount: int) -> int:
        """The amount payable in cash for ``amount`` minor units."""
        return divide(amount, self.step, self.rounding) * self.step


CASH_STEPS: Mapping[str, CashRounding] = {
    "AUD": CashRounding(5),
    "CAD": CashRounding(5),
    "CHF": CashRounding(5),
    "CZK": CashRounding(100),
    "DKK": CashRounding(50),
    "HUF": CashRounding(500),
    "NOK": CashRounding(100),
    "NZD": CashRounding(10, Rounding.HALF_DOWN),
    "SEK": CashRounding(100),
}
"""Smallest coins by currency, in minor units (CLDR 45 ``cashRounding`` and ``cashDigits``; HUF by the
Hungarian act III of 2008: 5 forint; AU and NZ by their reserve banks' notices; at NZ a tie is commonly
rounded down)."""


def __getattr__(name: str) -> Any:
    if name == "Money":
        from moneyed import Money

        return Money
    raise AttributeError(name)
