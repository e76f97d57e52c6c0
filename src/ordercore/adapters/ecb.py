"""Exchange rates of the European Central Bank, offline, by CurrencyConverter (extra ``fx``).

The ECB publishes euro foreign exchange reference rates on its working days at about 16:00 Central
European Time. They are meant for information; for customs and tax, the law of the place says whether
they may be used (Directive 2006/112/EC Art. 91(2) allows them for VAT in the European Union).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

from currency_converter import (  # type: ignore[import-untyped]
    CURRENCY_FILE,
    CurrencyConverter,
    RateNotFoundError,
)

from ordercore.clock import utc
from ordercore.errors import InvalidDocument, InvalidInput, RateUnavailable
from ordercore.money import EXPONENTS, Percent
from ordercore.pricing.exchange import ExchangeRate, RatePurpose, make_rate, with_spread

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["EcbRates"]

EURO = "EUR"
FIRST_YEAR = 1999
PUBLISHED_AT = time(15)  # in UTC: 16:00 in winter, 17:00 in summer; never too early
GAP_MAX = timedelta(days=14)  # Easter and the turn of the year take five days
NO_SPREAD = Percent(0)
_BROKEN = (OSError, ValueError, ArithmeticError, LookupError, StopIteration, BadZipFile)


class _Legs(NamedTuple):
    """The day and what 1 EUR was worth in both currencies of a pair, in lowest terms."""

    day: date
    base: tuple[int, int]
    quote: tuple[int, int]


class EcbRates:
    """A `RateSource` of ECB reference rates since 1999.

    It answers with the last rate published before ``at`` and never with one made up between two
    days: a Sunday has Friday's rate, and ``published`` says Friday. A day's rate is known from
    15:00 UTC of that day. The rate of two currencies other than the euro is the exact
    fraction of their two rates of that day.

    It raises `RateUnavailable` for a currency that the ECB did not quote on its last day of publication
    before ``at`` (RUB ended on 2022-03-01, HRK and BGN when the euro came), and for a purpose
    that it does not serve; `InvalidInput` for what is no text, time or purpose at all. After the last day of the file it answers with that
    day's rate; how old a rate may be is the shop's policy (see `ExchangePolicy`).

    ``purposes`` are those it serves. ``spread`` is added to each rate, ``spreads`` instead of it for
    a purpose of its own. ``file`` is a copy of the bank's ``eurofxref-hist`` (``.csv`` or ``.zip``)
    newer than the one that the package brings; `InvalidDocument` if it cannot be read.
    """

    def __init__(
        self,
        *,
        purposes: Collection[RatePurpose] = tuple(RatePurpose),
        spread: Percent = NO_SPREAD,
        spreads: Mapping[RatePurpose, Percent] | None = None,
        file: Path | None = None,
    ) -> None:
        self._purposes = frozenset(purposes)
        self._spreads = dict.fromkeys(RatePurpose, spread) | dict(spreads or {})
        try:
            self._table = CurrencyConverter(
                currency_file=CURRENCY_FILE if file is None else str(file), decimal=True
            )
        except _BROKEN as error:
            reason = f"read the exchange rates: {type(error).__name__}"
            raise InvalidDocument(reason, path="file", file=str(file or "")) from error
        # Those withdrawn before 2022 (EEK, LTL, ...) are in the file, but no amounts of them here.
        self._known = tuple(sorted(EXPONENTS.keys() & self._table.currencies))

    @property
    def last_day(self) -> date:
        """The last day that the file has rates of."""
        last: date = self._table.bounds[EURO].last_date
        return last

    def currencies(self, day: date) -> tuple[str, ...]:
        """The currencies that have a rate published on ``day``, the euro among them; none on a weekend."""
        known = [
            code for code in self._known if code != EURO and self._of_day(code, day) is not None
        ]
        return tuple(sorted([*known, EURO])) if known else ()

    def rate(self, base: str, quote: str, at: datetime, purpose: RatePurpose) -> ExchangeRate:
        """The last rate published before ``at``, with this purpose's spread; see the class."""
        moment = utc(at, "at")
        for path, code in (("base", base), ("quote", quote)):
            if not isinstance(code, str):
                raise InvalidInput(f"a currency is text, not {type(code).__name__}", path=path)
        if not isinstance(purpose, RatePurpose):
            reason = f"a purpose is a RatePurpose, not {type(purpose).__name__}"
            raise InvalidInput(reason, path="purpose")
        if purpose not in self._purposes:
            raise self._none(f"no rates for {purpose.value} here", base, quote, purpose, moment)
        legs = self._legs(base, quote, purpose, moment)
        rate = make_rate(
            base,
            quote,
            legs.quote[0] * legs.base[1],
            legs.quote[1] * legs.base[0],
            purpose,
            moment,
            legs.day,
            "ECB",
        )
        return rate if base == quote else with_spread(rate, self._spreads[purpose])

    def _legs(self, base: str, quote: str, purpose: RatePurpose, moment: datetime) -> _Legs:
        """Both legs of the latest day of publication: a currency that is not in it has ended."""
        for code in (base, quote):
            if code not in self._known:
                raise self._none(
                    f"the ECB does not quote {code[:12]!r}", base, quote, purpose, moment
                )
        if moment.year < FIRST_YEAR:
            reason = f"the ECB had no rates before {FIRST_YEAR}"
            raise self._none(reason, base, quote, purpose, moment)
        known = moment.date() if moment.time() >= PUBLISHED_AT else moment.date() - timedelta(1)
        latest = min(known, self.last_day)
        for back in range(GAP_MAX.days + 1):
            day = latest - timedelta(back)
            if not self.currencies(day):
                continue
            left, right = self._of_day(base, day), self._of_day(quote, day)
            if left is not None and right is not None:
                return _Legs(day, left, right)
            break
        ends = [self._table.bounds[code].last_date for code in (base, quote)]
        reason = f"the ECB has no rate of {base} to {quote} on its last day before {moment}"
        raise self._none(reason, base, quote, purpose, moment, str(min(ends)))

    def _of_day(self, currency: str, day: date) -> tuple[int, int] | None:
        """What 1 EUR was worth on ``day`` itself; ``None`` where nothing was published."""
        if currency == EURO:
            return (1, 1)
        try:
            with localcontext(prec=50):  # the host's context may be narrow
                figure: Decimal = self._table.convert(1, EURO, currency, day)
        except RateNotFoundError:
            return None
        return figure.as_integer_ratio()

    @staticmethod
    def _none(
        reason: str,
        base: str,
        quote: str,
        purpose: RatePurpose,
        moment: datetime,
        last_day: str = "",
    ) -> RateUnavailable:
        return RateUnavailable(
            reason,
            path="rates",
            base=base[:12],
            quote=quote[:12],
            purpose=purpose.value,
            at=moment.isoformat(),
            last_day=last_day,
            source="ECB",
        )
