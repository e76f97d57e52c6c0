"""Which rate a row bears: all its components as one exact rule, and who accounts for tax themselves."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, NamedTuple

from ordercore.money import divide
from ordercore.pricing.tax import TaxRate, TaxTreatment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from ordercore.party import Destination
    from ordercore.pricing.tax import TaxPolicy, VatIdCheck

__all__ = ["PlainRates", "TaxRule", "businesses", "exact_rule"]

_MILLION = 1_000_000
_STANDARD = TaxTreatment.STANDARD
_new = tuple.__new__


class TaxRule(NamedTuple):
    """The rates of one category as exact fractions: component i is ``weights[i] / scale`` of the net."""

    components: tuple[TaxRate, ...]
    weights: tuple[int, ...]
    whole: int
    scale: int
    ppm: int
    treatment: TaxTreatment


_PlainRate = tuple[int, int, TaxTreatment, list[int]]


class PlainRates(dict[str, _PlainRate]):
    """Rates by category where each stands alone: in ppm, the price that includes it of a net of a million,
    why, and the cell of the summary that it adds to. Each is looked up once."""

    __slots__ = ("_day", "_sums", "_tax", "_to")

    def __init__(
        self,
        tax: TaxPolicy,
        to: Destination,
        day: date,
        sums: dict[tuple[int, str, TaxTreatment], list[int]],
    ) -> None:
        super().__init__()
        self._tax, self._to, self._day, self._sums = tax, to, day, sums

    def find(self, category: str, path: str) -> _PlainRate | None:
        """Look a category up; ``None`` for one of several components. Raises `InvalidCart` as `levies`."""
        components = self._tax.components_of(category, self._to, self._day, path)
        if len(components) > 1:
            return None
        ppm, under, why = _plain(components[0])
        found = self[category] = (ppm, under, why, self._sums.setdefault((ppm, "", why), [0, 0]))
        return found


def _plain(rate: TaxRate) -> tuple[int, int, TaxTreatment]:
    """A rate that stands alone: in ppm, the price that includes it of a net of a million, why."""
    treatment = rate.treatment
    ppm = rate.percent.ppm if treatment is _STANDARD else 0
    if ppm == 0 and treatment is _STANDARD:
        treatment = TaxTreatment.ZERO
    return ppm, _MILLION + ppm, treatment


def exact_rule(components: tuple[TaxRate, ...]) -> TaxRule:
    """Add the components up; one that compounds stands on the price and the components before it."""
    first = components[0]
    if len(components) == 1:
        ppm, _, treatment = _plain(first)
        return _new(TaxRule, (components, (ppm,), ppm, _MILLION, ppm, treatment))
    scale = 1
    weights: list[int] = []
    for rate in components:
        ppm = rate.percent.ppm if rate.treatment is _STANDARD else 0
        under = scale + sum(weights) if rate.compound else scale
        weights = [weight * _MILLION for weight in weights]
        weights.append(ppm * under)
        scale *= _MILLION
    whole = sum(weights)
    treatment = _STANDARD
    if whole == 0:
        treatment = TaxTreatment.ZERO if first.treatment is _STANDARD else first.treatment
    shared = gcd(scale, *weights)
    # A scale of a million at least keeps plain sums of rates in parts per million.
    shared = gcd(shared, scale // _MILLION)
    return TaxRule(
        components,
        tuple([weight // shared for weight in weights]),
        whole // shared,
        scale // shared,
        divide(whole * _MILLION, scale),
        treatment,
    )


_NORTHERN_IRELAND = "XI"


def businesses(
    tax: TaxPolicy, to: Destination, vat_id: VatIdCheck | None
) -> Mapping[bool, TaxTreatment]:
    """How a business of another member state buys goods (``True``) and services (``False``), if it does.

    A VAT id is written with EL for Greece (Directive 2006/112/EC, Art. 215), and with XI for Northern
    Ireland, which is of the union for goods alone (Windsor Framework, Art. 8): list XI in ``union``
    to sell there so; postcodes of Great Britain's BT area are then XI.
    """
    home = tax.home
    if vat_id is None or vat_id.valid is not True or home is None:
        return {}
    country = to.country
    if country == "GB" and to.postcode.upper().startswith("BT") and _NORTHERN_IRELAND in tax.union:
        country = _NORTHERN_IRELAND
    buyer = "GR" if vat_id.country == "EL" else vat_id.country
    members = {"GR" if member == "EL" else member for member in tax.union}
    places = {country, buyer}
    if home.country in places or not places <= members:
        return {}
    if _NORTHERN_IRELAND in places:
        return {True: TaxTreatment.INTRA_COMMUNITY}
    return {True: TaxTreatment.INTRA_COMMUNITY, False: TaxTreatment.REVERSE_CHARGE}
