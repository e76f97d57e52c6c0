"""Duty by code and origin, consumption tax by code: rates as dated data with their source."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import attrs

from ordercore.errors import InvalidPolicy
from ordercore.money import Percent
from ordercore.pricing.regime import customs_territory, is_country
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ConsumptionTax", "DutyRate", "Tariff", "check_consumption", "hs_digits"]

_HS_MAX = 12
_WHOLE = 1_000_000


@value
class DutyRate:
    """A rate of duty on goods whose code begins with ``hs`` (digits; ``""`` is all goods).

    ``destination`` is a country or a customs territory (``"EU"``); ``origin`` is where the goods were made,
    ``""`` for any. Dates are inclusive, ``None`` is open. ``additional`` rates add to the ordinary one
    (safeguards, retaliation), one for each ``name``. Duty by weight or piece is not held here.
    """

    hs: str
    percent: Percent
    destination: str
    first_day: date
    source: str
    origin: str = ""
    last_day: date | None = None
    name: str = ""
    additional: bool = False


@value
class ConsumptionTax:
    """A rate of consumption tax inside the price, on goods whose code begins with ``hs``; fields as in `DutyRate`.

    The tax is a share of the price that contains it: (customs value + duty) / (1 - rate) x rate
    (Provisional Regulations of the PRC on Consumption Tax, Art. 9).
    """

    hs: str
    percent: Percent
    destination: str
    first_day: date
    source: str
    last_day: date | None = None
    name: str = ""


def hs_digits(code: str) -> str:
    """A code of the Harmonized System without the points and blanks it is printed with."""
    return code.replace(".", "").replace(" ", "")


def _by_key(rates: tuple[DutyRate, ...]) -> Mapping[tuple[str, str], tuple[DutyRate, ...]]:
    index: dict[tuple[str, str], list[DutyRate]] = {}
    for rate in rates:
        index.setdefault((rate.destination, rate.hs), []).append(rate)
    return {key: tuple(found) for key, found in index.items()}


@value
class Tariff:
    """Duty rates as data. The library ships none: a broker or a tariff office does."""

    rates: tuple[DutyRate, ...] = ()
    _index: Mapping[tuple[str, str], tuple[DutyRate, ...]] = attrs.field(
        init=False,
        eq=False,
        repr=False,
        default=attrs.Factory(lambda self: _by_key(self.rates), takes_self=True),
    )

    def percent(
        self, hs: str, origin: str, destination: str, day: date
    ) -> tuple[Percent, tuple[DutyRate, ...]]:
        """The duty on goods of code ``hs`` made in ``origin``, and the rates it is made of.

        The longest prefix of the code wins; of the same prefix, the rate for this origin. Each name of the
        additional rates is looked up in the same way and added. No rate at all is 0 % and an empty tuple.
        """
        code = hs_digits(hs)
        found: dict[str | None, DutyRate] = {}
        places = dict.fromkeys((destination, customs_territory(destination, day)))
        for length in range(len(code), -1, -1):
            for place in places:
                for rate in self._index.get((place, code[:length]), ()):
                    # ordinary rates are one kind, additional ones a kind for each name
                    kind = rate.name if rate.additional else None
                    if not _fits(rate, origin, day):
                        continue
                    best = found.get(kind)
                    if best is None or (best.hs == rate.hs and rate.origin and not best.origin):
                        found[kind] = rate
        rates = tuple(sorted(found.values(), key=lambda rate: rate.additional))
        return Percent(sum(rate.percent.ppm for rate in rates)), rates

    def check(self, path: str = "tariff") -> None:
        """Raise `InvalidPolicy` for a rate without date or source, a wrong code, or two rates for the same goods."""
        kinds: dict[tuple[object, ...], list[DutyRate]] = {}
        for index, rate in enumerate(self.rates):
            where = f"{path}.rates[{index}]"
            _check_rate(rate, where)
            if rate.origin and not is_country(rate.origin):
                raise InvalidPolicy(f"{rate.origin!r} is no country code", path=f"{where}.origin")
            if rate.additional and not rate.name:
                reason = "an additional rate needs a name, since one of each name applies"
                raise InvalidPolicy(reason, path=f"{where}.name")
            kind = (rate.hs, rate.destination, rate.origin, rate.additional and rate.name)
            _check_overlap(rate, kinds.setdefault(kind, []), where)
            kinds[kind].append(rate)


def _fits(rate: DutyRate, origin: str, day: date) -> bool:
    if rate.origin and rate.origin != origin:
        return False
    return rate.first_day <= day and (rate.last_day is None or day <= rate.last_day)


def consumption_rate(
    taxes: Iterable[ConsumptionTax], hs: str, destination: str, day: date
) -> ConsumptionTax | None:
    """The rate of the longest prefix of the code, ``None`` where the goods bear no such tax."""
    code = hs_digits(hs)
    best: ConsumptionTax | None = None
    for tax in taxes:
        if tax.destination not in {destination, customs_territory(destination, day)}:
            continue
        in_force = tax.first_day <= day and (tax.last_day is None or day <= tax.last_day)
        longer = best is None or len(tax.hs) > len(best.hs)
        if in_force and longer and code.startswith(tax.hs):
            best = tax
    return best


def check_consumption(taxes: tuple[ConsumptionTax, ...], path: str) -> None:
    """Raise `InvalidPolicy` as `Tariff.check` does, and for a rate of 100 % or more, which no price can contain."""
    kinds: dict[tuple[str, str], list[ConsumptionTax]] = {}
    for index, tax in enumerate(taxes):
        where = f"{path}[{index}]"
        _check_rate(tax, where)
        if tax.percent.ppm >= _WHOLE:
            reason = "a tax inside the price is below 100 percent"
            raise InvalidPolicy(reason, path=f"{where}.percent")
        kind = (tax.hs, tax.destination)
        _check_overlap(tax, kinds.setdefault(kind, []), where)
        kinds[kind].append(tax)


def _check_rate(rate: DutyRate | ConsumptionTax, where: str) -> None:
    if rate.hs and not (rate.hs.isascii() and rate.hs.isdigit() and len(rate.hs) <= _HS_MAX):
        reason = f"{rate.hs!r} is no code of the Harmonized System: up to 12 digits"
        raise InvalidPolicy(reason, path=f"{where}.hs")
    if not is_country(rate.destination):
        reason = f"{rate.destination!r} is no country code and no customs territory"
        raise InvalidPolicy(reason, path=f"{where}.destination")
    if rate.percent.ppm < 0:
        raise InvalidPolicy("a rate is not negative", path=f"{where}.percent")
    if type(rate.first_day) is not date:
        raise InvalidPolicy("a rate needs a first day", path=f"{where}.first_day")
    if rate.last_day is not None and rate.last_day < rate.first_day:
        raise InvalidPolicy("the last day is before the first", path=f"{where}.last_day")
    if not rate.source.strip():
        raise InvalidPolicy("a rate needs its source", path=f"{where}.source")


def _check_overlap(
    rate: DutyRate | ConsumptionTax, others: Iterable[DutyRate | ConsumptionTax], where: str
) -> None:
    for other in others:
        last, other_last = rate.last_day or date.max, other.last_day or date.max
        if rate.first_day <= other_last and other.first_day <= last:
            reason = f"two rates for {rate.hs or 'all goods'} to {rate.destination} overlap"
            raise InvalidPolicy(reason, path=f"{where}.first_day")
