"""How kinds of things stand in a policy document: read, held to their bounds, written back.

A kind that reads also fits what it has read, so policies made in code and documents
meet the same bounds.
"""

# ruff: noqa: D102 - what `read`, `fit` and `write` do is said once, on `Kind`

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from ordercore.errors import InvalidMoney, InvalidPolicy, Plain
from ordercore.lifecycle.timer import PART, UNITS, spoken
from ordercore.money import (
    EXPONENTS,
    MINOR_MAX,
    Percent,
    decimal_text,
    from_minor,
    parse_minor,
    to_minor,
)
from ordercore.pricing import OrderKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ordercore.money import Money

__all__ = [
    "Amount",
    "ByKind",
    "Choice",
    "CurrencyCode",
    "Day",
    "Flag",
    "Kind",
    "Many",
    "Moment",
    "OneOf",
    "Share",
    "Span",
    "Table",
    "Text",
    "TimeOfDay",
    "Whole",
    "below",
    "leaves",
    "spoken",
    "table",
    "unknown",
    "wrong",
]

_LONGEST = timedelta(days=3_660)  # ten years: no date that an order meets can overflow
_NOTHING = timedelta(0)
_TEXT_MAX = 1_000
_REFUSE = "refuse"

# Refusals -------------------------------------------------------------------------------------


def wrong(path: str, wanted: str, got: Any, **more: Plain) -> NoReturn:
    """Refuse something of the wrong type, in the words of the document."""
    name = {
        "bool": "a boolean",
        "dict": "a table",
        "float": "a float",
        "int": "a whole number",
        "list": "a list",
        "str": "text",
    }.get(type(got).__name__, f"a {type(got).__name__}")
    raise InvalidPolicy(f"needs {wanted}, not {name}", path=path, **more)


def unknown(what: str, got: Any, allowed: tuple[str, ...], path: str) -> NoReturn:
    """Refuse a word that is not among ``allowed``, and guess which was meant."""
    import difflib  # only for a wrong document: the import budget

    word = got[:60] if isinstance(got, str) else str(type(got).__name__)
    plain = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(word.lower().replace("-", "_"), plain, 1)
    guess = f"did you mean {plain[near[0]]!r}? " if near else ""
    known = f"known: {', '.join(allowed)}" if len(allowed) <= 20 else "see the allowed ones"
    reason = f"unknown {what} {word!r}; {guess}{known}"
    if near:
        raise InvalidPolicy(reason, path=path, allowed=allowed, nearest=plain[near[0]])
    raise InvalidPolicy(reason, path=path, allowed=allowed)


def below(path: str, key: str) -> str:
    """The path of ``key`` inside ``path``; an odd key is quoted."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key):
        key = repr(key[:60])
    return f"{path}.{key}" if path else key


# Kinds of what a key holds --------------------------------------------------------------------


class Kind:
    """How one kind of thing stands in a document; by default as it is."""

    __slots__ = ()

    def read(self, raw: Any, path: str) -> Any:
        """Make a value from TOML. It ends with `fit`, so code and documents meet the same bounds."""
        self.fit(raw, path)
        return raw

    def fit(self, found: Any, path: str) -> None:
        """Refuse a value that no document could hold."""
        raise NotImplementedError  # each kind has its own

    def write(self, found: Any) -> Any:
        """Make TOML of a value."""
        return found


@value
class Text(Kind):
    """One line of text."""

    pattern: str = ".*"
    says: str = "text"

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not str:
            wrong(path, self.says, found)
        if len(found) > _TEXT_MAX or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", found):
            reason = f"needs one line of at most {_TEXT_MAX} characters, none of them a control"
            raise InvalidPolicy(reason, path=path)
        if not re.fullmatch(self.pattern, found):
            raise InvalidPolicy(f"needs {self.says}, not {found[:40]!r}", path=path)


@value
class CurrencyCode(Kind):
    """An ISO 4217 code; empty for any, but where one is ``needed``."""

    needed: bool = False

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not str:
            wrong(path, "a currency code as text", found)
        if (found or self.needed) and found not in EXPONENTS:
            unknown("currency", found, tuple(sorted(EXPONENTS)), path)


@value
class Whole(Kind):
    """A whole number: points, units, amounts in minor units."""

    low: int
    high: int = MINOR_MAX

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not int:
            minor = path.endswith("minor")
            wrong(path, "a whole number" + (" of minor units, 1234 for 12.34" * minor), found)
        if not self.low <= found <= self.high:
            reason = f"needs a number from {self.low} to {self.high}"
            raise InvalidPolicy(reason, path=path, low=self.low, high=self.high)


class Amount(Kind):
    """Money as text with its currency: ``"20.00 CNY"``. Not negative."""

    def read(self, raw: Any, path: str) -> Money:
        if type(raw) is not str:
            wrong(path, 'an amount as text with its currency, such as "20.00 CNY"', raw)
        number, _, currency = raw.strip().partition(" ")
        if currency not in EXPONENTS:
            if not currency:
                reason = f'{raw[:40]!r} names no currency: write it as "20.00 CNY"'
                raise InvalidPolicy(reason, path=path)
            unknown("currency", currency, tuple(sorted(EXPONENTS)), path)
        try:
            found = from_minor(parse_minor(number, currency), currency)
        except InvalidMoney as error:
            raise InvalidPolicy(error.reason, path=path) from None
        self.fit(found, path)
        return found

    def fit(self, found: Any, path: str) -> None:
        try:
            minor = to_minor(found)
        except InvalidMoney as error:
            raise InvalidPolicy(error.reason, path=path) from None
        if minor < 0:
            raise InvalidPolicy("an amount is not negative", path=path)

    def write(self, found: Money) -> str:
        currency = found.currency.code
        return f"{decimal_text(to_minor(found), currency)} {currency}"


class Flag(Kind):
    """true or false."""

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not bool:
            wrong(path, "true or false", found, allowed=("true", "false"))


@value
class Share(Kind):
    """A percentage as text. Where ``refusable``, the word ``refuse`` stands for none."""

    refusable: bool = False

    def read(self, raw: Any, path: str) -> Percent | None:
        if self.refusable and raw == _REFUSE:
            return None
        if type(raw) in {int, float}:
            shown = raw if 0 <= raw < 10**6 else "17.5"
            fix = f'write {path.rpartition(".")[2]} = "{shown}"'
            wrong(path, f"a percentage as text, which is exact ({fix})", raw)
        if type(raw) is not str:
            wrong(path, 'a percentage as text, such as "17.5"', raw)
        # Narrower than what `Percent` reads: no exponents, no digits that a context would round.
        number = raw.strip().removesuffix("%").strip()
        if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,4})?", number):
            other = f", or {_REFUSE!r}" if self.refusable else ""
            reason = (
                f"{raw[:40]!r} is no percentage: text such as '17.5', up to four decimals{other}"
            )
            raise InvalidPolicy(reason, path=path)
        found = Percent(int(number.partition(".")[0]) * 10_000 + _fourths(number))
        self.fit(found, path)
        return found

    def fit(self, found: Any, path: str) -> None:
        if found is None and self.refusable:
            return
        if type(found) is not Percent or type(found.ppm) is not int:
            wrong(path, "a Percent", found)
        if not 0 <= found.ppm <= 100_000_000:
            raise InvalidPolicy("needs 0 to 10,000 percent", path=path)

    def write(self, found: Percent | None) -> str:
        return _REFUSE if found is None else str(found)


def _fourths(number: str) -> int:
    """The decimals of a percentage as ten-thousandths of a percent."""
    return int(number.partition(".")[2].ljust(4, "0"))


@value
class Span(Kind):
    """A duration as text: ``"30 min"``, ``"1 h 30 min"``. A month has no fixed length, so none here.

    Where ``least`` is negative, a sign stands for a lead: ``"-5 min"``.
    """

    least: timedelta = timedelta(microseconds=1)

    def read(self, raw: Any, path: str) -> timedelta:
        if type(raw) is not str:
            if type(raw) is int:
                shown = raw if 0 <= raw < 10**6 else 30
                fix = f'say the unit: {path.rpartition(".")[2]} = "{shown} min"'
                wrong(path, f"a duration as text ({fix})", raw)
            wrong(path, 'a duration as text, such as "30 min"', raw)
        text = " ".join(raw.split()) if len(raw) <= _TEXT_MAX else ""
        ahead = self.least < _NOTHING and text.startswith("-")
        if ahead:
            text = text[1:].lstrip()
        parts = PART.findall(text)
        if not parts or PART.sub("", text):
            reason = f"{raw[:40]!r} is no duration: whole numbers with units, such as '1 h 30 min'"
            raise InvalidPolicy(reason, path=path, allowed=tuple(UNITS))
        micros = 0
        for number, unit in parts:
            if unit not in UNITS:
                unknown("unit of time", unit, tuple(UNITS), path)
            micros += int(number) * UNITS[unit]
        if micros > _LONGEST // timedelta(microseconds=1):
            self._outside(path)
        found = timedelta(microseconds=-micros if ahead else micros)
        self.fit(found, path)
        return found

    def _outside(self, path: str) -> NoReturn:
        low = "more than nothing" if self.least > _NOTHING else "not negative"
        if self.least < _NOTHING:
            low = f"at least {spoken(self.least)}"
        raise InvalidPolicy(f"needs a time {low} and at most {spoken(_LONGEST)}", path=path)

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not timedelta:
            wrong(path, "a timedelta", found)
        if not self.least <= found <= _LONGEST:
            self._outside(path)

    def write(self, found: timedelta) -> str:
        return spoken(found)


@value
class Choice(Kind):
    """One value of an enum."""

    of: type[enum.Enum]

    def read(self, raw: Any, path: str) -> enum.Enum:
        allowed = tuple(str(member.value) for member in self.of)
        if type(raw) is not str:
            wrong(path, f"text, one of {', '.join(allowed)}", raw, allowed=allowed)
        if raw not in allowed:
            unknown("value", raw, allowed, path)
        return self.of(raw)

    def fit(self, found: Any, path: str) -> None:
        if not isinstance(found, self.of):
            allowed = tuple(str(member.value) for member in self.of)
            wrong(path, f"a {self.of.__name__}", found, allowed=allowed)

    def write(self, found: enum.Enum) -> Any:
        return found.value


class TimeOfDay(Kind):
    """A time of the day by a clock on the wall, as text: ``"09:00"``."""

    def read(self, raw: Any, path: str) -> time:
        if type(raw) is str and re.fullmatch(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?", raw):
            try:
                return time.fromisoformat(raw)
            except ValueError:
                raise InvalidPolicy(f"{raw!r} is no time of the day", path=path) from None
        self.fit(raw, path)
        found: time = raw
        return found

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not time:
            wrong(path, 'a time of the day as text, such as "09:00"', found)
        if found.tzinfo is not None or found.microsecond:
            raise InvalidPolicy("needs whole seconds, and no zone", path=path)

    def write(self, found: time) -> str:
        return found.isoformat("seconds" if found.second else "minutes")


class Day(Kind):
    """A calendar day, as a TOML date or as text."""

    def read(self, raw: Any, path: str) -> date:
        if type(raw) is str and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", raw):
            try:
                return date.fromisoformat(raw)
            except ValueError:
                raise InvalidPolicy(f"{raw!r} is no day of the calendar", path=path) from None
        self.fit(raw, path)
        day: date = raw
        return day

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not date:
            wrong(path, "a day such as 2011-01-04", found)


class Moment(Kind):
    """A moment with its zone, as a TOML date-time or as text; it is written in UTC."""

    def read(self, raw: Any, path: str) -> datetime:
        if type(raw) is str:
            try:
                raw = datetime.fromisoformat(raw)
            except ValueError:
                reason = f"{raw[:40]!r} is no moment such as 2026-11-11T00:00:00+08:00"
                raise InvalidPolicy(reason, path=path) from None
        self.fit(raw, path)
        moment: datetime = raw.astimezone(UTC)
        return moment

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not datetime:
            wrong(path, "a moment such as 2026-11-11T00:00:00+08:00", found)
        if found.tzinfo is None:
            raise InvalidPolicy("a moment needs its zone: 2026-11-11T00:00:00+08:00", path=path)
        if not 1 < found.year < 9999:  # in any zone the year stays one of the calendar
            raise InvalidPolicy("needs a year from 2 to 9998", path=path)

    def write(self, found: datetime) -> datetime:
        return found.astimezone(UTC)


@value
class Many(Kind):
    """A list of one kind."""

    each: Kind
    most: int
    fewest: int = 0

    def read(self, raw: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(raw, list | tuple):
            tables = f" of tables, [[{path}]]" if isinstance(self.each, Table | OneOf) else ""
            wrong(path, f"a list{tables}", raw)
        self._count(raw, path)
        return tuple([self.each.read(item, f"{path}[{i}]") for i, item in enumerate(raw)])

    def _count(self, found: list[Any] | tuple[Any, ...], path: str) -> None:
        if not self.fewest <= len(found) <= self.most:
            reason = f"needs {self.fewest} to {self.most} entries, not {len(found)}"
            raise InvalidPolicy(reason, path=path)

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not tuple:
            wrong(path, "a tuple", found)
        self._count(found, path)
        for i, item in enumerate(found):
            self.each.fit(item, f"{path}[{i}]")

    def write(self, found: tuple[Any, ...]) -> list[Any]:
        return [self.each.write(item) for item in found]


@value
class ByKind(Kind):
    """A table with one entry for each of some order kinds."""

    each: Kind

    def read(self, raw: Any, path: str) -> dict[OrderKind, Any]:
        if not isinstance(raw, dict):
            wrong(path, "a table", raw)
        kinds = {kind.value: kind for kind in OrderKind}
        found = {}
        for name, content in raw.items():
            if name not in kinds:
                unknown("order kind", name, tuple(kinds), below(path, str(name)))
            found[kinds[name]] = self.each.read(content, below(path, name))
        return found

    def fit(self, found: Any, path: str) -> None:
        if not isinstance(found, dict):
            wrong(path, "a dict", found)
        for kind, content in found.items():
            if not isinstance(kind, OrderKind):
                wrong(path, "a dict by OrderKind", kind)
            self.each.fit(content, below(path, kind.value))

    def write(self, found: Mapping[OrderKind, Any]) -> dict[str, Any]:
        return {kind.value: self.each.write(found[kind]) for kind in OrderKind if kind in found}


@value
class Table(Kind):
    """A policy class: its keys in order, each ``(key, attribute, kind)``."""

    of: type
    keys: tuple[tuple[str, str, Kind], ...]
    make: Callable[..., Any]

    def read(self, raw: Any, path: str) -> Any:
        if not isinstance(raw, dict):
            wrong(path, "a table", raw)
        known = {key: (attribute, kind) for key, attribute, kind in self.keys}
        given = {}
        for key, content in raw.items():
            where = below(path, str(key))
            if key not in known:
                unknown("key", key, tuple(known), where)
            attribute, kind = known[key]
            given[attribute] = kind.read(content, where)
        for key, attribute, _ in self.keys:
            if attribute not in given and self._default(attribute) is attrs.NOTHING:
                raise InvalidPolicy("a required key is missing", path=below(path, key))
        return self.make(**given)

    def _default(self, attribute: str) -> Any:
        return getattr(attrs.fields(self.of), attribute).default

    def _absent(self, found: Any, attribute: str) -> bool:
        """Whether the key is left out: ``None`` where that is the default."""
        return getattr(found, attribute) is None and self._default(attribute) is None

    def fit(self, found: Any, path: str) -> None:
        if not isinstance(found, self.of):
            wrong(path, f"a {self.of.__name__}", found)
        for key, attribute, kind in self.keys:
            if not self._absent(found, attribute):
                kind.fit(getattr(found, attribute), below(path, key))

    def write(self, found: Any) -> dict[str, Any]:
        return {
            key: kind.write(getattr(found, attribute))
            for key, attribute, kind in self.keys
            if not self._absent(found, attribute)
        }


@value
class OneOf(Kind):
    """A member of a closed union: a table whose ``type`` says which, beside the keys of that one."""

    members: tuple[tuple[str, Table], ...]

    def read(self, raw: Any, path: str) -> Any:
        if not isinstance(raw, dict):
            wrong(path, "a table", raw)
        allowed = tuple([name for name, _ in self.members])
        where = below(path, "type")
        if "type" not in raw:
            raise InvalidPolicy("a required key is missing", path=where, allowed=allowed)
        chosen = dict(self.members).get(raw["type"]) if type(raw["type"]) is str else None
        if chosen is None:
            unknown("type", raw["type"], allowed, where)
        return chosen.read({key: raw[key] for key in raw if key != "type"}, path)

    def _member(self, found: Any) -> tuple[str, Table] | None:
        return next((member for member in self.members if type(found) is member[1].of), None)

    def fit(self, found: Any, path: str) -> None:
        member = self._member(found)
        if member is None:
            names = tuple([of.of.__name__ for _, of in self.members])
            wrong(path, f"one of {', '.join(names)}", found, allowed=names)
        member[1].fit(found, path)

    def write(self, found: Any) -> dict[str, Any]:
        member = self._member(found)
        if member is None:  # `fit` comes first
            raise InvalidPolicy(f"a {type(found).__name__} has no place in a document")
        return {"type": member[0], **member[1].write(found)}


def table(of: type, make: Callable[..., Any] | None = None, /, **keys: Kind) -> Table:
    """A `Table` whose keys are called as the attributes are."""
    return Table(of, tuple([(key, key, kind) for key, kind in keys.items()]), make or of)


def leaves(kind: Kind, path: str) -> Iterator[str]:
    """Every key below ``path`` that holds no table, in order; ``[]`` is an entry, ``<x>`` a choice."""
    if isinstance(kind, Table):
        for key, _, inner in kind.keys:
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(kind, OneOf):
        yield f"{path}.type"
        for name, member in kind.members:
            yield from leaves(member, f"{path}.<{name}>")
    elif isinstance(kind, Many) and isinstance(kind.each, Table | OneOf):
        yield from leaves(kind.each, f"{path}[]")
    elif isinstance(kind, ByKind):
        yield from leaves(kind.each, f"{path}.<kind>")
    else:
        yield path
