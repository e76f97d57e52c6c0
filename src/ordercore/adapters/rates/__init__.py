"""Dated tax rates as a shop's policy takes them: VAT of 31 countries, US states, Canada.

The table is ``tax_rates.json`` in this package, cut from public lists and from the laws themselves;
``SOURCES.md`` beside it names each with its license. Each rate keeps its source.
A table ages, and which goods bear which rate is for the shop to know: it is no tax advice.
For cities and counties of the US, put a tax engine behind the port `TaxSource`.

>>> from ordercore.pricing import TaxPolicy
>>> policy = TaxPolicy(vat_rates(["DE", "FR"], categories={"books": "reduced"}))
>>> policy.check()
>>> from datetime import date
>>> from ordercore.party import Destination
>>> str(policy.rate("books", Destination("DE"), date(2020, 8, 1)).percent)
'5'
"""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from ordercore.errors import InvalidInput
from ordercore.money import Percent
from ordercore.pricing.tax import TaxRate, TaxTreatment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["ca_sales_tax", "us_sales_tax", "vat_rates"]

STANDARD = "standard"
FEDERAL = ""
HARMONIZED = "HST"
NAMES = {"JP": "consumption tax"}


class _Row(NamedTuple):
    """One line of the table: a country or a region of it, a category or a tax, and its days."""

    place: str
    kind: str
    ppm: int
    first_day: date
    last_day: date | None
    source: str

    def within(self, first_day: date | None, last_day: date | None) -> bool:
        """Whether it holds on some day of the span; ``None`` is an open end."""
        return (last_day is None or self.first_day <= last_day) and (
            first_day is None or self.last_day is None or first_day <= self.last_day
        )


@cache
def _table() -> Mapping[str, tuple[_Row, ...]]:
    text = resources.files(__name__).joinpath("tax_rates.json").read_text("utf-8")
    document = json.loads(text)
    sources = document.pop("sources")
    return {
        name: tuple(
            _Row(
                place,
                kind,
                ppm,
                date.fromisoformat(first),
                date.fromisoformat(last) if last else None,
                sources[source],
            )
            for place, kind, ppm, first, last, source in rows
        )
        for name, rows in document.items()
    }


def _chosen(rows: Sequence[_Row], places: Iterable[str] | None, path: str) -> list[_Row]:
    """The rows of ``places``, all for ``None``; a place that the table does not have is refused."""
    known = {row.place for row in rows} - {FEDERAL}
    wanted = known if places is None else set(places)
    if not wanted <= known:
        missing = sorted(wanted - known)
        raise InvalidInput(
            f"no rates of {', '.join(missing)[:80]}", path=path, known=tuple(sorted(known))
        )
    return [row for row in rows if row.place in wanted]


def _rate(row: _Row, category: str, country: str, region: str = "", component: str = "") -> TaxRate:
    return TaxRate(
        Percent(row.ppm),
        category,
        country,
        region,
        row.first_day,
        row.last_day,
        name=row.kind if component else NAMES.get(country, "VAT"),
        source=row.source,
        component=component,
        treatment=TaxTreatment.STANDARD if row.ppm else TaxTreatment.ZERO,
    )


def vat_rates(
    countries: Iterable[str] | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    categories: Mapping[str, str] | None = None,
) -> tuple[TaxRate, ...]:
    """VAT of the member states of the European Union, GB, CH, NO and JP: all, or ``countries`` (ISO 3166-1).

    Only rates that hold on some day from ``first_day`` to ``last_day``; without them, all since the tax
    began in the country (reduced rates since 2021 or earlier). Categories are ``standard``, ``reduced``
    and, where there are such, ``second_reduced`` (the higher of two), ``super_reduced``, ``parking``
    and ``zero``.

    ``categories`` gives the shop's own names rates too: ``{"books": "reduced"}``. A country that has no
    such rate at all taxes them by its standard rate. Goods that bear another kind of rate in
    another country want a call for each. A category that a law has merged into another has no rate
    from then on, and a cart with it is refused rather than taxed by a guess.

    `InvalidInput` for a country that the table does not have, and for a kind of rate that none has.
    """
    rows = _chosen(_table()["vat"], countries, "countries")
    kinds = {row.kind for row in _table()["vat"]}
    names = categories or {}
    for name, kind in names.items():
        if kind not in kinds or name in kinds:
            reason = f"{name[:40]!r} cannot stand for the rate {kind[:40]!r}"
            raise InvalidInput(reason, path=f"categories.{name[:40]}", known=tuple(sorted(kinds)))
    has = {(row.place, row.kind) for row in rows}
    found = []
    for row in rows:
        if row.within(first_day, last_day):
            found.append(_rate(row, row.kind, row.place))
            found += [
                _rate(row, name, row.place)
                for name, kind in names.items()
                if row.kind == (kind if (row.place, kind) in has else STANDARD)
            ]
    return tuple(found)


def us_sales_tax(states: Iterable[str] | None = None) -> tuple[TaxRate, ...]:
    """Sales tax of US states (component ``state``): all with the District of Columbia, or ``states`` (``"TX"``).

    Rates of the states alone, with what is the same in every county of California and Virginia;
    Nevada's is the lowest of any county. Counties, cities and districts add their own, which
    are not here. The five states without a sales tax have a rate of 0 %.

    `InvalidInput` for a state that the table does not have.
    """
    rows = _chosen(_table()["us"], states, "states")
    return tuple(_rate(row, STANDARD, "US", row.place, row.kind) for row in rows)


def ca_sales_tax(provinces: Iterable[str] | None = None) -> tuple[TaxRate, ...]:
    """GST of Canada (component ``GST``) and the taxes of its provinces: all, or ``provinces`` (``"ON"``).

    GST holds in the whole country and is always there. Where a province's tax is harmonized,
    the rate of HST takes its place, as a more special rate of the same component. PST and QST
    come on top of GST, on the same net (component ``PST``).

    `InvalidInput` for a province or territory without a tax of its own: GST alone holds there.
    """
    table = _table()["ca"]
    rows = [row for row in table if row.place == FEDERAL] + _chosen(table, provinces, "provinces")
    return tuple(
        _rate(
            row,
            STANDARD,
            "CA",
            row.place,
            "GST" if row.place == FEDERAL or row.kind == HARMONIZED else "PST",
        )
        for row in rows
    )
