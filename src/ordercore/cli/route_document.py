"""Routing problems as documents: JSON with lines, sources, services, weights and where the goods go.

Amounts are texts in the document's currency, ``"4.90"``. Places are millionths of a degree. An unknown key,
a missing one or a wrong kind of value is refused with its path.
"""

from __future__ import annotations

import enum
import json
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from ordercore.calendar import Weekday
from ordercore.clock import utc
from ordercore.errors import InvalidDocument
from ordercore.fulfillment.carriage import (
    MILLION,
    Rate,
    Service,
    Surcharge,
    SurchargePer,
    Trait,
    WeightStep,
    Zone,
)
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.routing import STEPS_USUAL, RouteWeights, RoutingProblem
from ordercore.fulfillment.source import Place, Source, SourceKind
from ordercore.fulfillment.stock import SourceStock
from ordercore.goods import LineId, Sku
from ordercore.money import parse_minor
from ordercore.party import Destination
from ordercore.pricing.cart import Customs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["parse_problem"]

E = TypeVar("E", bound=enum.Enum)
T = TypeVar("T")

_KINDS: Final = {
    dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a whole number",
    float: "a float", type(None): "null",
}  # fmt: skip


def parse_problem(text: str) -> RoutingProblem:
    """Read JSON text; raises `InvalidDocument`, `InvalidMoney` with the path inside it."""
    try:
        raw = json.loads(text, object_pairs_hook=_members)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise InvalidDocument(f"not JSON: {error.msg.lower()}", path=where) from None
    except (RecursionError, ValueError):
        raise InvalidDocument("not JSON that can be read: too deep, or too long a number") from None
    with_keys = _Keys(raw, "")
    currency = with_keys.text("currency")
    sources: list[Source] = []
    stock: list[SourceStock] = []
    distances: list[tuple[str, int]] = []
    for keys in with_keys.each("sources"):
        source = _source(keys)
        sources.append(source)
        held = keys.table("stock")
        stock += [SourceStock(source.id, sku, held.whole(sku)) for sku in held.found]
        held.done()
        meters = keys.whole("distance_m", -1)
        if meters >= 0:
            distances.append((source.id, meters))
        keys.done()
    problem = RoutingProblem(
        tuple([_item(keys, currency) for keys in with_keys.each("lines")]),
        _destination(with_keys.table("to")),
        tuple(sources),
        tuple(stock),
        tuple([_service(keys, currency) for keys in with_keys.each("services")]),
        _weights(with_keys.table("weights", {})),
        _place(with_keys.table("place", {})),
        tuple(distances),
        _moment(with_keys.text("now", ""), "now"),
        with_keys.whole("steps_max", STEPS_USUAL),
    )
    with_keys.done()
    return problem


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidDocument(f"key {twice[:60]!r} stands twice in one object", path=twice[:60])
    return found


class _Keys:
    """An object of the document, read key by key; `done` refuses those that nobody asked for."""

    def __init__(self, raw: object, path: str) -> None:
        if type(raw) is not dict:
            _wrong("an object", raw, path)
        self.found: dict[str, Any] = raw
        self.path = path
        self.asked: list[str] = []

    def below(self, key: str) -> str:
        """The path of a key."""
        return f"{self.path}.{key[:60]}" if self.path else key[:60]

    def get(self, key: str, wanted: type[T], name: str, usual: T | None) -> T:
        """The value of a key, of this kind; ``usual`` where it is not there."""
        self.asked.append(key)
        if key not in self.found:
            if usual is None:
                raise InvalidDocument("it is missing", path=self.below(key))
            return usual
        raw = self.found[key]
        if type(raw) is not wanted:
            _wrong(name, raw, self.below(key))
        return raw

    def text(self, key: str, usual: str | None = None) -> str:
        """A text."""
        return self.get(key, str, "text", usual)

    def whole(self, key: str, usual: int | None = None) -> int:
        """A whole number."""
        return self.get(key, int, "a whole number", usual)

    def table(self, key: str, usual: dict[str, Any] | None = None) -> _Keys:
        """An object."""
        return _Keys(self.get(key, dict, "an object", usual), self.below(key))

    def each(self, key: str, usual: list[Any] | None = None) -> list[_Keys]:
        """A list of objects."""
        rows = self.get(key, list, "a list", usual)
        return [_Keys(row, f"{self.below(key)}[{place}]") for place, row in enumerate(rows)]

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty where it is not there."""
        rows = self.get(key, list, "a list", [])
        for place, row in enumerate(rows):
            if type(row) is not str:
                _wrong("text", row, f"{self.below(key)}[{place}]")
        return tuple(rows)

    def amount(self, key: str, currency: str, usual: str | None = None) -> int:
        """An amount, as text, in minor units."""
        return parse_minor(self.text(key, usual), currency, self.below(key))

    def read(self, key: str, usual: str, read: Callable[[str], T]) -> T:
        """A text that ``read`` understands."""
        text = self.text(key, usual)
        try:
            return read(text)
        except ValueError:
            reason = f"it cannot be read: {text[:40]!r}"
            raise InvalidDocument(reason, path=self.below(key)) from None

    def done(self) -> None:
        """Refuse keys that were not asked for."""
        for key in self.found:
            if key not in self.asked:
                known = ", ".join(sorted(set(self.asked)))
                raise InvalidDocument(f"unknown key; known: {known}", path=self.below(key))


def _wrong(wanted: str, raw: object, path: str) -> NoReturn:
    raise InvalidDocument(f"it is {wanted}, not {_KINDS.get(type(raw), 'that')}", path=path)


def _item(keys: _Keys, currency: str) -> Item:
    said = keys.table("attributes", {})
    attributes = tuple([(name, said.text(name)) for name in said.found])
    customs = Customs(hs_code=keys.text("hs_code", ""), origin=keys.text("origin", ""))
    found = Item(
        LineId(keys.text("line")), Sku(keys.text("sku")), keys.whole("quantity"),
        keys.whole("weight_grams", 0), keys.whole("volume_cm3", 0),
        keys.amount("amount", currency, "0"), keys.text("category", ""),
        keys.text("merchant", ""), attributes, customs,
    )  # fmt: skip
    keys.done()
    return found


def _destination(keys: _Keys) -> Destination:
    found = Destination(keys.text("country"), keys.text("region", ""), keys.text("postcode", ""))
    keys.done()
    return found


def _place(keys: _Keys) -> Place | None:
    if not keys.found:
        return None
    found = Place(keys.whole("latitude"), keys.whole("longitude"))
    keys.done()
    return found


def _trait(text: str) -> Trait:
    name, _, equals = text.partition("=")
    return Trait(name, equals)


def _moment(text: str, path: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return utc(found)
        reason = f"a time needs an offset: 2026-05-20T12:00:00+02:00, not {text[:40]!r}"
    except (ValueError, OverflowError):
        reason = f"a time is written 2026-05-20T12:00:00+02:00, not {text[:40]!r}"
    raise InvalidDocument(reason, path=path)


def _source(keys: _Keys) -> Source:
    days = keys.texts("days")
    try:
        worked = tuple([Weekday(day) for day in days]) or Source("").days
    except ValueError:
        raise InvalidDocument("days are monday to sunday", path=keys.below("days")) from None
    capacity = keys.whole("capacity", -1)
    if capacity < 0 and "capacity" in keys.found:
        raise InvalidDocument("capacity is 0 or more", path=keys.below("capacity"))
    return Source(
        keys.text("id"), keys.text("country", ""),
        keys.read("kind", "warehouse", SourceKind), keys.text("area", ""),
        _place(keys.table("place", {})), keys.texts("services"), keys.texts("countries"),
        tuple([_trait(text) for text in keys.texts("refuses")]),
        None if capacity < 0 else capacity,
        keys.text("zone", "UTC"), keys.read("cutoff", "16:00", time.fromisoformat), worked,
        keys.whole("handling_days", 0),
    )  # fmt: skip


def _service(keys: _Keys, currency: str) -> Service:
    cutoff = keys.text("cutoff", "")
    extras = []
    for row in keys.each("surcharges", []):
        per = row.read("per", "parcel", SurchargePer)
        extras.append(Surcharge(_trait(row.text("trait")), row.amount("amount", currency), per))
        row.done()
    found = Service(
        keys.text("id"), tuple([_rate(row, currency) for row in keys.each("rates")]), currency,
        keys.text("carrier", ""), keys.whole("max_grams", 30_000), keys.whole("max_cm3", 0),
        keys.whole("divisor_cm3", 0), tuple(extras),
        tuple([_trait(text) for text in keys.texts("refuses")]),
        keys.whole("signed_ppm", MILLION), keys.whole("lost_ppm", 0),
        keys.read("cutoff", "", time.fromisoformat) if cutoff else None,
    )  # fmt: skip
    keys.done()
    return found


def _rate(keys: _Keys, currency: str) -> Rate:
    zone = Zone(
        keys.text("zone", ""), keys.texts("countries"), keys.texts("regions"),
        keys.texts("postcodes"), keys.texts("origins"),
    )  # fmt: skip
    steps = []
    for row in keys.each("steps"):
        steps.append(WeightStep(row.whole("upto_grams"), row.amount("price", currency)))
        row.done()
    found = Rate(
        zone, tuple(steps), keys.whole("further_grams", 0),
        keys.amount("further_price", currency, "0"), keys.whole("days_min", 1),
        keys.whole("days_max", 1),
    )  # fmt: skip
    keys.done()
    return found


def _weights(keys: _Keys) -> RouteWeights:
    usual = RouteWeights()
    found = RouteWeights(
        keys.whole("freight", usual.freight), keys.whole("border", usual.border),
        keys.whole("parcel", usual.parcel), keys.whole("day", usual.day),
        keys.whole("kilometer", usual.kilometer), keys.whole("unsigned", usual.unsigned),
    )  # fmt: skip
    keys.done()
    return found
