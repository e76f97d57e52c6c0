"""The policies of a shop as one document: read, checked across rooms, written back.

Each room owns the policy class that steers it; here they are composed, nothing more.
A document is TOML (https://toml.io/en/v1.0.0) in plain words: durations as ``"30 min"``,
percentages as ``"17.5"``, amounts as whole minor units, days as TOML dates.
What is left out keeps its default, so an empty document is the preset that runs with no configuration.
``docs/reference/policies.md`` lists every key.

How a document is read stands in one table below (`_ROOT`): a key, and the kind of thing it holds.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

import attrs

from ordercore.errors import InvalidDocument, InvalidPolicy, Plain
from ordercore.fulfillment import StockPolicy
from ordercore.identity import NumberTemplate
from ordercore.ledger import PostingPolicy
from ordercore.money import EXPONENTS, MINOR_MAX, Percent, Rounding
from ordercore.pricing import OrderKind, PricingPolicy, RoundingScope, TaxPolicy, TaxRate
from ordercore.tender import CapBase, PointsRate, TenderPolicy, TenderRule
from ordercore.timeout import PaymentWindow, TimeoutPolicy
from ordercore.value import value

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

__all__ = ["BYTES_MAX", "Policies", "Preset", "known_keys"]

BYTES_MAX = 2**20
"""Largest policy document."""
_LONGEST = timedelta(days=3_660)  # ten years: no date that an order meets can overflow
_TEXT_MAX = 1_000
_DOTS_MAX = 32  # a dotted key costs the parser the square of its parts; ours have at most five
_REFUSE = "refuse"
_ZERO = timedelta(0)


class Preset(enum.Enum):
    """Policies that come with the library."""

    DEFAULT = "default"
    """Runs with no configuration: no tax, unpaid orders close after 30 minutes, revenue on completion."""


@value
class Policies:
    """All policies of a shop. ``Policies()`` is `Preset.DEFAULT`."""

    pricing: PricingPolicy = PricingPolicy()
    tenders: TenderPolicy = TenderPolicy()
    timeouts: TimeoutPolicy = attrs.field(factory=TimeoutPolicy)
    posting: PostingPolicy = PostingPolicy()
    stock: StockPolicy = StockPolicy()
    numbers: NumberTemplate = NumberTemplate()

    @classmethod
    def preset(cls, name: Preset | str = Preset.DEFAULT) -> Policies:
        """The policies of a preset; raises `InvalidPolicy` with the known names for any other."""
        wanted = name.value if isinstance(name, Preset) else name
        if wanted != Preset.DEFAULT.value:
            _unknown("preset", wanted, tuple(p.value for p in Preset), "preset")
        return cls()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Policies:
        """Read a TOML file of at most `BYTES_MAX` bytes; the only file that the core reads.

        Raises `InvalidDocument` for a file that cannot be read, `InvalidPolicy` for what stands in it.
        """
        from pathlib import Path  # only here: the import budget

        try:
            with Path(path).open("rb") as file:
                content = file.read(BYTES_MAX + 1)
        except (OSError, ValueError, TypeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            reason = f"the policy file cannot be read: {why[:1].lower()}{why[1:]}"
            raise InvalidDocument(reason, path=str(path)) from None
        if len(content) > BYTES_MAX:
            _too_long(str(path))
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            line = before.count(b"\n") + 1
            column = error.start - before.rfind(b"\n")
            where = f"{path}:{line}:{column}"
            raise InvalidPolicy("the text is not UTF-8", path=where, source=str(path)) from None
        return cls.parse(text, source=str(path))

    @classmethod
    def parse(cls, text: str, source: str = "policies") -> Policies:
        """Read TOML text; ``source`` names it in errors.

        Raises `InvalidPolicy`: for broken TOML with ``source:line:column`` as path,
        else with the path of the key (``pricing.tax.rates[1].percent``); the first fault alone is told.
        """
        return cls.from_plain(_tree(text, source), source)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], source: str = "") -> Policies:
        """Read what `to_plain` wrote, or a parsed document; raises `InvalidPolicy` as `parse` does."""
        try:
            found: Policies = _ROOT.read(plain, "")
            found.check()
        except InvalidPolicy as error:
            if source:
                error.data.setdefault("source", source)
            raise
        return found

    def check(self) -> None:
        """Raise `InvalidPolicy` for a value of the wrong type or size, and for policies at odds.

        Whatever passes can be written and read back. Names of lifecycle states
        are the engine's to check: it knows the charts.
        """
        _ROOT.fit(self, "")
        self.pricing.tax.check("pricing.tax")
        self.tenders.check("tenders")
        self.timeouts.check("timeouts")
        self.numbers.check("numbers.template")
        for i, rate in enumerate(self.pricing.tax.rates):
            if rate.first_day and rate.last_day and rate.last_day < rate.first_day:
                reason = f"the last day is before the first, {rate.first_day}"
                raise InvalidPolicy(reason, path=f"pricing.tax.rates[{i}].last_day")
        # A paid order must find its goods: the promise outlives the search for a lost answer.
        least = sum(self.timeouts.backoff, self.timeouts.resolve_after)
        if self.stock.reserve_slack < least:
            reason = (
                f"goods must stay reserved until an open payment is resolved: at least "
                f"{_spoken(least)} (timeouts.resolve_after and all of timeouts.backoff)"
            )
            raise InvalidPolicy(reason, path="stock.reserve_slack", least=_spoken(least))

    def to_plain(self) -> dict[str, Any]:
        """Plain data fit for JSON, days as ISO text; ``from_plain(p.to_plain()) == p`` (law L23)."""
        self.check()
        plain: dict[str, Any] = _without_dates(_ROOT.write(self))
        return plain

    def dump(self) -> str:
        """Canonical TOML: every key that has a value, in a fixed order; `parse` gives equal policies."""
        self.check()
        return "\n".join(_lines(_ROOT.write(self), "")).lstrip("\n") + "\n"


def known_keys() -> tuple[str, ...]:
    """Every key that a document may hold, as ``tenders.rules[].step``, in the order of `Policies.dump`."""
    return tuple(_leaves(_ROOT, ""))


# Refusals -------------------------------------------------------------------------------------


def _wrong(path: str, wanted: str, got: Any, **more: Plain) -> NoReturn:
    name = {
        "bool": "a boolean",
        "dict": "a table",
        "float": "a float",
        "int": "a whole number",
        "list": "a list",
        "str": "text",
    }.get(type(got).__name__, f"a {type(got).__name__}")
    raise InvalidPolicy(f"needs {wanted}, not {name}", path=path, **more)


def _unknown(what: str, got: Any, allowed: tuple[str, ...], path: str) -> NoReturn:
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


def _too_long(source: str) -> NoReturn:
    raise InvalidPolicy(f"a policy document has at most {BYTES_MAX} bytes", path=source)


def _below(path: str, key: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", key):
        key = repr(key[:60])
    return f"{path}.{key}" if path else key


# Kinds of what a key holds --------------------------------------------------------------------


class _Kind:
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
class _Text(_Kind):
    """One line of text."""

    pattern: str = ".*"
    says: str = "text"

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not str:
            _wrong(path, self.says, found)
        if len(found) > _TEXT_MAX or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", found):
            reason = f"needs one line of at most {_TEXT_MAX} characters, none of them a control"
            raise InvalidPolicy(reason, path=path)
        if not re.fullmatch(self.pattern, found):
            raise InvalidPolicy(f"needs {self.says}, not {found[:40]!r}", path=path)


class _CurrencyCode(_Kind):
    """An ISO 4217 code, or empty for any."""

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not str:
            _wrong(path, "a currency code as text", found)
        if found and found not in EXPONENTS:
            _unknown("currency", found, tuple(sorted(EXPONENTS)), path)


@value
class _Whole(_Kind):
    """A whole number: points, units, amounts in minor units."""

    low: int
    high: int = MINOR_MAX

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not int:
            minor = path.endswith("minor")
            _wrong(path, "a whole number" + (" of minor units, 1234 for 12.34" * minor), found)
        if not self.low <= found <= self.high:
            reason = f"needs a number from {self.low} to {self.high}"
            raise InvalidPolicy(reason, path=path, low=self.low, high=self.high)


class _Flag(_Kind):
    """true or false."""

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not bool:
            _wrong(path, "true or false", found, allowed=("true", "false"))


@value
class _Share(_Kind):
    """A percentage as text. Where ``refusable``, the word ``refuse`` stands for none."""

    refusable: bool = False

    def read(self, raw: Any, path: str) -> Percent | None:
        if self.refusable and raw == _REFUSE:
            return None
        if type(raw) in {int, float}:
            shown = raw if 0 <= raw < 10**6 else "17.5"
            fix = f'write {path.rpartition(".")[2]} = "{shown}"'
            _wrong(path, f"a percentage as text, which is exact ({fix})", raw)
        if type(raw) is not str:
            _wrong(path, 'a percentage as text, such as "17.5"', raw)
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
            _wrong(path, "a Percent", found)
        if not 0 <= found.ppm <= 100_000_000:
            raise InvalidPolicy("needs 0 to 10,000 percent", path=path)

    def write(self, found: Percent | None) -> str:
        return _REFUSE if found is None else str(found)


def _fourths(number: str) -> int:
    """The decimals of a percentage as ten-thousandths of a percent."""
    return int(number.partition(".")[2].ljust(4, "0"))


_MICROSECONDS: Final[Mapping[str, int]] = {
    "day": 86_400_000_000,
    "h": 3_600_000_000,
    "min": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
    "us": 1,
}
_UNITS: Final[Mapping[str, int]] = {
    **_MICROSECONDS,
    **dict.fromkeys(("d", "days"), _MICROSECONDS["day"]),
    **dict.fromkeys(("hour", "hours"), _MICROSECONDS["h"]),
    **dict.fromkeys(("minute", "minutes"), _MICROSECONDS["min"]),
    **dict.fromkeys(("sec", "second", "seconds"), _MICROSECONDS["s"]),
    **dict.fromkeys(("week", "weeks"), 7 * _MICROSECONDS["day"]),
}
_PART = re.compile(r"([0-9]{1,15}) ?([A-Za-z]{1,12})(?: |$)")


@value
class _Span(_Kind):
    """A duration as text: ``"30 min"``, ``"1 h 30 min"``. A month has no fixed length, so none here."""

    least: timedelta = timedelta(microseconds=1)

    def read(self, raw: Any, path: str) -> timedelta:
        if type(raw) is not str:
            if type(raw) is int:
                shown = raw if 0 <= raw < 10**6 else 30
                fix = f'say the unit: {path.rpartition(".")[2]} = "{shown} min"'
                _wrong(path, f"a duration as text ({fix})", raw)
            _wrong(path, 'a duration as text, such as "30 min"', raw)
        text = " ".join(raw.split()) if len(raw) <= _TEXT_MAX else ""
        parts = _PART.findall(text)
        if not parts or _PART.sub("", text):
            reason = f"{raw[:40]!r} is no duration: whole numbers with units, such as '1 h 30 min'"
            raise InvalidPolicy(reason, path=path, allowed=tuple(_UNITS))
        micros = 0
        for number, unit in parts:
            if unit not in _UNITS:
                _unknown("unit of time", unit, tuple(_UNITS), path)
            micros += int(number) * _UNITS[unit]
        if micros > _LONGEST // timedelta(microseconds=1):
            self._outside(path)
        found = timedelta(microseconds=micros)
        self.fit(found, path)
        return found

    def _outside(self, path: str) -> NoReturn:
        low = "more than nothing" if self.least else "not negative"
        raise InvalidPolicy(f"needs a time {low} and at most {_spoken(_LONGEST)}", path=path)

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not timedelta:
            _wrong(path, "a timedelta", found)
        if not self.least <= found <= _LONGEST:
            self._outside(path)

    def write(self, found: timedelta) -> str:
        return _spoken(found)


def _spoken(span: timedelta) -> str:
    """A duration in whole units, the largest first."""
    micros = span // timedelta(microseconds=1)
    parts = []
    for unit, size in _MICROSECONDS.items():
        count, micros = divmod(micros, size)
        if count:
            parts.append(f"{count} {unit}{'s' * (unit == 'day' and count != 1)}")
    return " ".join(parts) or "0 s"


@value
class _Choice(_Kind):
    """One value of an enum."""

    of: type[enum.Enum]

    def read(self, raw: Any, path: str) -> enum.Enum:
        allowed = tuple(str(member.value) for member in self.of)
        if type(raw) is not str:
            _wrong(path, f"text, one of {', '.join(allowed)}", raw, allowed=allowed)
        if raw not in allowed:
            _unknown("value", raw, allowed, path)
        return self.of(raw)

    def fit(self, found: Any, path: str) -> None:
        if not isinstance(found, self.of):
            allowed = tuple(str(member.value) for member in self.of)
            _wrong(path, f"a {self.of.__name__}", found, allowed=allowed)

    def write(self, found: enum.Enum) -> Any:
        return found.value


class _Day(_Kind):
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
            _wrong(path, "a day such as 2011-01-04", found)


@value
class _Many(_Kind):
    """A list of one kind."""

    each: _Kind
    most: int
    fewest: int = 0

    def read(self, raw: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(raw, list | tuple):
            tables = f" of tables, [[{path}]]" if isinstance(self.each, _Table) else ""
            _wrong(path, f"a list{tables}", raw)
        self._count(raw, path)
        return tuple([self.each.read(item, f"{path}[{i}]") for i, item in enumerate(raw)])

    def _count(self, found: list[Any] | tuple[Any, ...], path: str) -> None:
        if not self.fewest <= len(found) <= self.most:
            reason = f"needs {self.fewest} to {self.most} entries, not {len(found)}"
            raise InvalidPolicy(reason, path=path)

    def fit(self, found: Any, path: str) -> None:
        if type(found) is not tuple:
            _wrong(path, "a tuple", found)
        self._count(found, path)
        for i, item in enumerate(found):
            self.each.fit(item, f"{path}[{i}]")

    def write(self, found: tuple[Any, ...]) -> list[Any]:
        return [self.each.write(item) for item in found]


@value
class _ByKind(_Kind):
    """A table with one entry for each of some order kinds."""

    each: _Kind

    def read(self, raw: Any, path: str) -> dict[OrderKind, Any]:
        if not isinstance(raw, dict):
            _wrong(path, "a table", raw)
        kinds = {kind.value: kind for kind in OrderKind}
        found = {}
        for name, content in raw.items():
            if name not in kinds:
                _unknown("order kind", name, tuple(kinds), _below(path, str(name)))
            found[kinds[name]] = self.each.read(content, _below(path, name))
        return found

    def fit(self, found: Any, path: str) -> None:
        if not isinstance(found, dict):
            _wrong(path, "a dict", found)
        for kind, content in found.items():
            if not isinstance(kind, OrderKind):
                _wrong(path, "a dict by OrderKind", kind)
            self.each.fit(content, _below(path, kind.value))

    def write(self, found: Mapping[OrderKind, Any]) -> dict[str, Any]:
        return {kind.value: self.each.write(found[kind]) for kind in OrderKind if kind in found}


@value
class _Table(_Kind):
    """A policy class: its keys in order, each ``(key, attribute, kind)``."""

    of: type
    keys: tuple[tuple[str, str, _Kind], ...]
    make: Callable[..., Any]

    def read(self, raw: Any, path: str) -> Any:
        if not isinstance(raw, dict):
            _wrong(path, "a table", raw)
        known = {key: (attribute, kind) for key, attribute, kind in self.keys}
        given = {}
        for key, content in raw.items():
            where = _below(path, str(key))
            if key not in known:
                _unknown("key", key, tuple(known), where)
            attribute, kind = known[key]
            given[attribute] = kind.read(content, where)
        for key, attribute, _ in self.keys:
            if attribute not in given and self._default(attribute) is attrs.NOTHING:
                raise InvalidPolicy("a required key is missing", path=_below(path, key))
        return self.make(**given)

    def _default(self, attribute: str) -> Any:
        return getattr(attrs.fields(self.of), attribute).default

    def _absent(self, found: Any, attribute: str) -> bool:
        """Whether the key is left out: ``None`` where that is the default."""
        return getattr(found, attribute) is None and self._default(attribute) is None

    def fit(self, found: Any, path: str) -> None:
        if not isinstance(found, self.of):
            _wrong(path, f"a {self.of.__name__}", found)
        for key, attribute, kind in self.keys:
            if not self._absent(found, attribute):
                kind.fit(getattr(found, attribute), _below(path, key))

    def write(self, found: Any) -> dict[str, Any]:
        return {
            key: kind.write(getattr(found, attribute))
            for key, attribute, kind in self.keys
            if not self._absent(found, attribute)
        }


def _table(of: type, make: Callable[..., Any] | None = None, **keys: _Kind) -> _Table:
    return _Table(of, tuple([(key, key, kind) for key, kind in keys.items()]), make or of)


def _tax(**given: Any) -> TaxPolicy:
    """A shop that lists its rates wants to hear of a gap; one that lists none sells without tax."""
    if given.get("rates"):
        given.setdefault("default", None)
    return TaxPolicy(**given)


# The document ---------------------------------------------------------------------------------

_NAME = _Text(".+", "text that is not empty")
_COUNTRY = _Text("([A-Z]{2})?", "two capital letters of ISO 3166-1 or empty for any")
_RATE = _table(
    TaxRate,
    percent=_Share(),
    category=_NAME,
    country=_COUNTRY,
    region=_Text(),
    first_day=_Day(),
    last_day=_Day(),
    name=_Text(),
    source=_Text(),
)
_RULE = _table(
    TenderRule,
    gateway=_NAME,
    step=_Whole(1),
    rate=_table(PointsRate, points=_Whole(1), minor=_Whole(1)),
    cap_share=_Share(),
    cap_of=_Choice(CapBase),
    cap_minor=_Whole(0),
    minimum_minor=_Whole(0),
    excluded_categories=_Many(_NAME, 1_000),
    pays_shipping=_Flag(),
    currency=_CurrencyCode(),
)
_WINDOW = _table(PaymentWindow, pay_within=_Span(), remind_before=_Span(_ZERO))
_ROOT = _table(
    Policies,
    pricing=_table(
        PricingPolicy,
        quote_valid=_Span(),
        discount_rounding=_Choice(Rounding),
        tax=_table(
            TaxPolicy,
            _tax,
            prices_include_tax=_Flag(),
            rounding=_Choice(Rounding),
            scope=_Choice(RoundingScope),
            default=_Share(refusable=True),
            rates=_Many(_RATE, 10_000),
        ),
    ),
    tenders=_table(TenderPolicy, rules=_Many(_RULE, 100)),
    timeouts=_table(
        TimeoutPolicy,
        confirm_after=_Span(),
        resolve_after=_Span(),
        backoff=_Many(_Span(), 100, 1),
        refund_late_after=_Span(),
        window=_WINDOW,
        windows=_ByKind(_WINDOW),
    ),
    posting=_table(PostingPolicy, recognize_in=_Many(_NAME, 100, 1)),
    stock=_table(StockPolicy, reserve_slack=_Span()),
    numbers=_Table(NumberTemplate, (("template", "text", _NAME),), NumberTemplate),
)


def _leaves(kind: _Kind, path: str) -> Iterator[str]:
    if isinstance(kind, _Table):
        for key, _, inner in kind.keys:
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(kind, _Many) and isinstance(kind.each, _Table):
        yield from _leaves(kind.each, f"{path}[]")
    elif isinstance(kind, _ByKind):
        yield from _leaves(kind.each, f"{path}.<kind>")
    else:
        yield path


# TOML -----------------------------------------------------------------------------------------


def _tree(text: str, source: str) -> dict[str, Any]:
    """Parse within bounds; every complaint of the parser becomes `InvalidPolicy` with its place."""
    import tomllib  # a shop may have no document: the import budget

    if not isinstance(text, str):
        _wrong(source, "text", text)
    if len(text) > BYTES_MAX:
        _too_long(source)
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _DOTS_MAX and not line.lstrip().startswith("#"):
            reason = f"a line has at most {_DOTS_MAX} dots: break it up"
            raise InvalidPolicy(reason, path=f"{source}:{number}:1", source=source, line=number)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InvalidPolicy("it is nested too deeply", path=source, source=source) from None
    except ValueError as error:  # of the parser, or of an integer with thousands of digits
        said = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", said)
    if place:
        line_at, column = int(place[1]), int(place[2])
    else:
        line_at, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    said = re.sub(r" \(at [^()]*\)$", "", said)
    raise InvalidPolicy(
        f"the text is not TOML: {said[:1].lower()}{said[1:200]}",
        path=f"{source}:{line_at}:{column}",
        source=source,
        line=line_at,
        column=column,
    )


def _lines(table: Mapping[str, Any], name: str) -> Iterator[str]:
    """A table as TOML lines: its own keys first, as the grammar wants it, then the tables below."""
    below = {key: v for key, v in table.items() if isinstance(v, dict)}
    rows = {k: v for k, v in table.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
    own = {key: v for key, v in table.items() if key not in below and key not in rows}
    if name and (own or not (below or rows)):
        yield f"\n[{name}]"
    for key, content in own.items():
        yield f"{key} = {_literal(content)}"
    for key, listed in rows.items():
        for row in listed:
            yield f"\n[[{name}.{key}]]"
            for inner, content in row.items():
                yield f"{inner} = {_literal(content)}"
    for key, content in below.items():
        yield from _lines(content, f"{name}.{key}" if name else key)


def _literal(content: Any) -> str:
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, list):
        return f"[{', '.join([_literal(item) for item in content])}]"
    if isinstance(content, dict):
        pairs = ", ".join([f"{key} = {_literal(inner)}" for key, inner in content.items()])
        return f"{{ {pairs} }}"
    if isinstance(content, str):  # control characters never come here: `_Text` refuses them
        escaped = content.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(content)  # a whole number or a day


def _without_dates(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _without_dates(content) for key, content in tree.items()}
    if isinstance(tree, list):
        return [_without_dates(content) for content in tree]
    return str(tree) if isinstance(tree, date) else tree
