"""Writers and readers of stored values, compiled from the fields of their classes.

For each class one function is made that writes its JSON text, and one that reads what
`json` made of it. They are what a program written by hand would be, but cannot forget a field.
A writer leaves out fields that hold their default. A reader takes exactly the types that a
writer writes and raises one of `FAULTS` for anything else; it does not say what is wrong and
where. `ordercore.codec.plain` does that, by a second look.
"""

from __future__ import annotations

import enum
import json
import threading
import types
import typing
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from json.decoder import JSONDecoder
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

import attrs

from ordercore.errors import InvalidInput, InvalidMoney
from ordercore.goods import Manifest
from ordercore.money import money

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS", "Compiler", "micros", "moment", "scan"]

FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a compiled reader or `scan` raises for a document that is not as it should be."""

RECALLED_MAX = 256
"""Most values of one type whose texts are kept."""
_LITERAL = (int, str, bool, tuple)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(0, 0, 1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def micros(at: datetime) -> int:
    """Microseconds since 1970-01-01 UTC: how times are stored, exactly.

    Raises `InvalidInput` for a time that `moment` could not read back: one without a zone, or one at the edge
    of the calendar that has no date in UTC.
    """
    try:
        since = at - _EPOCH
    except TypeError:
        raise InvalidInput("a time needs a zone: datetime(..., tzinfo=UTC)") from None
    found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if _FIRST <= found <= _LAST:
        return found
    raise InvalidInput("the time is beyond the calendar")


def moment(stored: int) -> datetime:
    """The time that `micros` stored."""
    if type(stored) is not int:
        raise TypeError("a time is a whole number of microseconds")
    return _EPOCH + timedelta(0, 0, stored)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_scan = JSONDecoder(parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]


def scan(text: str) -> Any:
    """Read a JSON text that a writer wrote: one document, nothing before or after it."""
    try:
        plain, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON") from None
    if end != len(text):
        raise ValueError("more than one JSON document")
    return plain


def plain_type(hint: Any) -> Any:
    """A type without its names: what a ``NewType`` is made of."""
    return getattr(hint, "__supertype__", hint)


def is_tuple(hint: Any) -> bool:
    """Whether ``hint`` is a ``tuple[...]``."""
    return typing.get_origin(hint) is tuple


def optional(hint: Any) -> Any:
    """What ``hint`` may be besides ``None``; ``None`` where it may not be ``None``."""
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(rest) == 1 and len(typing.get_args(hint)) == 2:
            return rest[0]
    return None


def union_members(hint: Any) -> tuple[Any, ...]:
    """The classes of a closed union of values, ``None`` aside; none where ``hint`` is something else."""
    if typing.get_origin(hint) not in {types.UnionType, typing.Union}:
        return ()
    members = tuple([part for part in typing.get_args(hint) if part is not type(None)])
    closed = len(members) > 1 and all(attrs.has(member) for member in members)
    return members if closed else ()


def _always(hint: Any) -> tuple[Any, ...]:
    """The same for a field that always holds one of them; one that may hold ``None`` is not compiled."""
    return () if type(None) in typing.get_args(hint) else union_members(hint)


def tag(cls: type[Any]) -> str:
    """How a member of a union is called: ``PercentOff`` as ``percent_off``."""
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in cls.__name__)[1:]


def is_money(hint: Any) -> bool:
    """Whether ``hint`` is money, of the library or of py-moneyed."""
    return isinstance(hint, type) and hint.__module__.startswith("moneyed")


def is_mapping(hint: Any) -> bool:
    """Whether ``hint`` is a mapping: the host's own JSON, or plain attributes."""
    return typing.get_origin(hint) is Mapping


def _money_text(amount: Any) -> str:
    return f'"{amount.amount} {amount.currency.code}"'


def _money_of(found: Any) -> Any:
    """Money from ``"19.99 EUR"``; raises one of `FAULTS`."""
    if type(found) is not str:
        raise TypeError("money is a text: an amount and a currency")
    number, _, code = found.partition(" ")
    try:
        return money(number, code)
    except InvalidMoney as error:
        raise ValueError(error.reason) from None


def _length(length: timedelta) -> int:
    return length // _MICROSECOND


def _span(stored: Any) -> timedelta:
    if type(stored) is not int:
        raise TypeError("a duration is a whole number of microseconds")
    return timedelta(0, 0, stored)


def _json_text(found: Mapping[str, Any]) -> str:
    return json.dumps(dict(found), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _mapping(found: Any) -> dict[str, Any]:
    if type(found) is not dict:
        raise TypeError("an object is expected")
    return found


def _default(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default.factory()
    return default


class _Field:
    """A field as the compiler sees it."""

    __slots__ = ("default", "hint", "name", "required")

    def __init__(self, field: attrs.Attribute[Any], hint: Any) -> None:
        self.name = field.name
        self.hint = hint
        self.required = field.default is attrs.NOTHING
        self.default = None if self.required else _default(field)


def _fields(
    cls: type[Any], without: str, names: Callable[[type[Any]], Mapping[str, Any]]
) -> list[_Field]:
    try:
        hints = typing.get_type_hints(cls)
    except (
        NameError
    ):  # some names are imported for type checkers alone: they are loaded only for these
        hints = typing.get_type_hints(cls, localns=dict(names(cls)))
    found = [_Field(field, hints[field.name]) for field in attrs.fields(cls)]
    return [field for field in found if field.name != without]


class Compiler:
    """Makes and keeps the functions; one function for each type.

    Texts of the values of ``recalled`` types are kept for a while: a value never changes, and
    one that stands in an event and then in several states of its order is written once.
    ``hints`` gives the names that a class's annotations use and their modules import for type checkers alone.
    """

    def __init__(
        self, recalled: tuple[Any, ...] = (), hints: Callable[[type[Any]], Mapping[str, Any]] = vars
    ) -> None:
        self._hints = hints
        self._making = threading.RLock()  # a function is known by its name before it is made
        self._made: dict[tuple[str, Any, str], str] = {}
        self._recalled = recalled
        self._names: dict[str, Any] = {
            "text": encode_basestring,
            "truth": {True: "true", False: "false"},
            "micros": micros,
            "moment": moment,
            "day": date.fromisoformat,
            "span": _span,
            "length": _length,
            "money_text": _money_text,
            "money_of": _money_of,
            "json_text": _json_text,
            "mapping": _mapping,
        }

    def writer(self, cls: type[Any], without: str = "") -> Callable[[Any], str]:
        """The function that writes a value as JSON text, all but the field ``without``."""
        with self._making:
            made: Callable[[Any], str] = self._names[self._class_writer(cls, without)]
        return made

    def reader(self, cls: type[Any], without: str = "") -> Callable[..., Any]:
        """The function that reads what `scan` made of the text.

        It takes the value of the first field as a second argument where that is ``without``.
        """
        with self._making:
            made: Callable[..., Any] = self._names[self._class_reader(cls, without)]
        return made

    def _make(self, kind: str, hint: Any, without: str, body: Callable[[str], list[str]]) -> str:
        """Make a function once; ``body`` gets the name of its own and gives its lines."""
        key = (kind, hint, without)
        name = self._made.get(key)
        if name is None:
            name = f"{kind}_{len(self._made)}"
            self._made[key] = name
            recalled = kind == "write" and not without and hint in self._recalled
            lines = self._recalling(name, body) if recalled else body(name)
            source = "\n    ".join(lines)
            exec(source, self._names)  # noqa: S102 - made of field names of our own classes
        return name

    def _recalling(self, me: str, body: Callable[[str], list[str]]) -> list[str]:
        """A writer that remembers what it wrote. The value is kept beside its text: while it is,
        no other value can have its ``id``.
        """
        kept = self._keep({})
        first, *rest = body(f"{me}_anew")
        return [
            f"def {me}(v):",
            f"known = {kept}.get(id(v))",
            "if known is not None and known[0] is v: return known[1]",
            f"text = {me}_anew(v)",
            f"if len({kept}) >= {RECALLED_MAX}: {kept}.clear()",
            f"{kept}[id(v)] = (v, text)",
            f"return text\n{first}",
            *rest,
        ]

    def _keep(self, thing: Any) -> str:
        """A name for ``thing`` in the functions' world."""
        name = f"kept_{len(self._names)}"
        self._names[name] = thing
        return name

    def _literal(self, default: Any) -> str:
        plain = default is None or default == () or type(default) in {int, str, bool}
        return repr(default) if plain else self._keep(default)

    # Writing. A fragment is a piece of an f-string in single quotes: its literal parts may hold
    # double quotes, its expressions hold no quotes at all.

    def _fragment(self, hint: Any, x: str) -> str:
        """What stands in an f-string for the value of the expression ``x``."""
        hint = plain_type(hint)
        if hint is int:
            return f"{{{x}}}"
        if hint is str:
            return f"{{text({x})}}"
        if hint is bool:
            return f"{{truth[{x}]}}"
        if hint is datetime:
            return f"{{micros({x})}}"
        if hint is date:
            return f'"{{{x}.isoformat()}}"'
        if hint is timedelta:
            return f"{{length({x})}}"
        if is_money(hint):
            return f"{{money_text({x})}}"
        if is_mapping(hint):
            return f"{{json_text({x})}}"
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            assert all(encode_basestring(member.value) == f'"{member.value}"' for member in hint)
            return f'"{{{x}._value_}}"'  # twice as fast as .value
        return f"{{{self._write_name(hint)}({x})}}"

    def _write_name(self, hint: Any) -> str:
        if hint is Manifest:
            items = typing.get_type_hints(Manifest)["items"]
            written = self._write_name(items)
            return self._make("write", hint, "", lambda me: [
                f"def {me}(x):", f"return {written}(x.items)",
            ])  # fmt: skip
        if isinstance(hint, type) and attrs.has(hint):
            return self._class_writer(hint, "")
        if is_tuple(hint):
            return self._make("write", hint, "", lambda me: self._tuple_writer(me, hint))
        members = _always(hint)
        if members:
            return self._make("write", hint, "", lambda me: self._union_writer(me, members))
        inner = optional(hint)
        if inner is None:
            raise TypeError(f"a stored field cannot be {hint}")
        return self._make("write", hint, "", lambda me: [
            f"def {me}(x):",
            f"return 'null' if x is None else f'{self._fragment(inner, 'x')}'",
        ])  # fmt: skip

    def _union_writer(self, me: str, members: tuple[Any, ...]) -> list[str]:
        """A member's own object, its tag first."""
        written = {
            member: (f'{{"type":"{tag(member)}"', self._names[self._write_name(member)])
            for member in members
        }
        return [
            f"def {me}(x):",
            f"head, write = {self._keep(written)}[type(x)]",
            "body = write(x)",
            "return head + (',' + body[1:] if len(body) > 2 else '}')",
        ]

    def _union_reader(self, me: str, members: tuple[Any, ...]) -> list[str]:
        read = {tag(member): self._names[self._read_name(member)] for member in members}
        return [
            f"def {me}(x):",
            "if type(x) is not dict: raise TypeError",
            "rest = dict(x)",
            f"return {self._keep(read)}[rest.pop('type')](rest)",
        ]

    def _tuple_writer(self, me: str, hint: Any) -> list[str]:
        items = [plain_type(item) for item in typing.get_args(hint)]
        if items[-1] is not ...:
            names = [f"x{i}" for i in range(len(items))]
            parts = [self._fragment(t, x) for t, x in zip(items, names, strict=True)]
            return [f"def {me}(x):", f"{', '.join(names)}, = x", f"return f'[{','.join(parts)}]'"]
        item = items[0]
        if item is int:  # the text of a list of integers is JSON
            return [f"def {me}(x):", "return str([*x]).replace(' ', '')"]
        if item == tuple[int, ...]:
            return [f"def {me}(x):", "return str([*map(list, x)]).replace(' ', '')"]
        part = self._fragment(item, "e")
        return [f"def {me}(x):", f"return '[' + ','.join([f'{part}' for e in x]) + ']'"]

    def _class_writer(self, cls: type[Any], without: str) -> str:
        def body(me: str) -> list[str]:
            lines = [f"def {me}(v):"]
            fields = _fields(cls, without, self._hints)
            parts = [
                f'"{f.name}":{self._fragment(f.hint, f"v.{f.name}")}' for f in fields if f.required
            ]
            rest = [field for field in fields if not field.required]
            if rest:
                lines.append("r = ''")
                for field in rest:
                    lines += self._rest_written(field)
            if parts:
                tail = "{r}" if rest else ""
                lines.append(f"return f'{{{{{','.join(parts)}{tail}}}}}'")
            else:
                lines.append("return '{' + r[1:] + '}'" if rest else "return '{}'")
            return lines

        return self._make("write", cls, without, body)

    def _rest_written(self, field: _Field) -> list[str]:
        """Append a field that may hold its default."""
        x = f"v.{field.name}"
        hint = field.hint
        if field.default is None:
            condition = "x is not None"
            hint = optional(hint) or hint
        elif (type(field.default) in _LITERAL or is_mapping(hint)) and not field.default:
            condition = "x"
        else:
            condition = f"x != {self._literal(field.default)}"
        part = f"r += f',\"{field.name}\":{self._fragment(hint, 'x')}'"
        return [f"x = {x}", f"if {condition}: {part}"]

    # Reading.

    def _checked(self, hint: Any, x: str) -> tuple[str, str]:
        """The condition under which ``x`` is wrong (empty: the reading finds out), and the reading."""
        hint = plain_type(hint)
        if hint in {int, str, bool}:
            return f"type({x}) is not {hint.__name__}", x
        if hint is datetime:
            return "", f"moment({x})"
        if hint is date:
            return "", f"day({x})"
        if hint is timedelta:
            return "", f"span({x})"
        if is_money(hint):
            return "", f"money_of({x})"
        if is_mapping(hint):
            return "", f"mapping({x})"
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            by_value = self._make("member", hint, "", lambda me: [
                f"{me} = {self._keep({member.value: member for member in hint})}"
            ])  # fmt: skip
            return "", f"{by_value}[{x}]"
        return "", f"{self._read_name(hint)}({x})"

    def _read_name(self, hint: Any) -> str:
        if hint is Manifest:
            items = typing.get_type_hints(Manifest)["items"]
            read, made = self._read_name(items), self._keep(Manifest)
            return self._make("read", hint, "", lambda me: [
                f"def {me}(x):", f"return {made}({read}(x))",
            ])  # fmt: skip
        if isinstance(hint, type) and attrs.has(hint):
            return self._class_reader(hint, "")
        if is_tuple(hint):
            return self._make("read", hint, "", lambda me: self._tuple_reader(me, hint))
        members = _always(hint)
        if members:
            return self._make("read", hint, "", lambda me: self._union_reader(me, members))
        inner = optional(hint)
        if inner is None:
            raise TypeError(f"a stored field cannot be {hint}")
        return self._make("read", hint, "", lambda me: self._one_reader(me, inner))

    def _one_reader(self, me: str, inner: Any) -> list[str]:
        wrong, read = self._checked(inner, "x")
        lines = [f"def {me}(x):", "if x is None: return None"]
        if wrong:
            lines.append(f"if {wrong}: raise TypeError")
        return [*lines, f"return {read}"]

    def _tuple_reader(self, me: str, hint: Any) -> list[str]:
        items = [plain_type(item) for item in typing.get_args(hint)]
        lines = [f"def {me}(x):", "if type(x) is not list: raise TypeError"]
        if items[-1] is not ...:
            names = [f"x{i}" for i in range(len(items))]
            lines.append(f"{', '.join(names)}, = x")
            pairs = [self._checked(t, n) for t, n in zip(items, names, strict=True)]
            wrong = " or ".join([condition for condition, _ in pairs if condition])
            if wrong:
                lines.append(f"if {wrong}: raise TypeError")
            return [*lines, f"return ({', '.join([read for _, read in pairs])},)"]
        wrong, read = self._checked(items[0], "e")
        if wrong:
            return [*lines, "for e in x:", f"    if {wrong}: raise TypeError", "return tuple(x)"]
        return [*lines, f"return tuple([{read} for e in x])"]

    def _class_reader(self, cls: type[Any], without: str) -> str:
        def body(me: str) -> list[str]:
            fields = _fields(cls, without, self._hints)
            needed = [field for field in fields if field.required]
            rest = [field for field in fields if not field.required]
            made = self._keep(cls)
            lines = [f"def {me}(d{', first' if without else ''}):"]
            lines.append("if type(d) is not dict: raise TypeError")
            conditions, values = [], ["first"] if without else []
            for field in needed:
                x = f"f_{field.name}"
                wrong, read = self._checked(field.hint, x)
                lines.append(f"{x} = d['{field.name}']")
                conditions += [wrong] if wrong else []
                values.append(read)
            if conditions:
                lines.append(f"if {' or '.join(conditions)}: raise TypeError")
            lines.append(f"if len(d) == {len(needed)}: return {made}({', '.join(values)})")
            if not rest:
                return [*lines, "raise LookupError"]
            lines.append(
                f"if not d.keys() <= {self._keep({f.name for f in fields})}: raise LookupError"
            )
            for field in rest:
                lines += self._rest_read(field)
                values.append(f"f_{field.name}")
            return [*lines, f"return {made}({', '.join(values)})"]

        return self._make("read", cls, without, body)

    def _rest_read(self, field: _Field) -> list[str]:
        """Read a field that may be absent."""
        x = f"f_{field.name}"
        default = self._literal(field.default)
        wrong, read = self._checked(field.hint, x)
        if wrong:
            return [f"{x} = d.get('{field.name}', {default})", f"if {wrong}: raise TypeError"]
        _, read = self._checked(field.hint, f"d['{field.name}']")
        return [f"{x} = {read} if '{field.name}' in d else {default}"]
