"""Values as plain data, by cattrs: the careful way, which says what is wrong and where.

Compiled readers are fast and mute. What they refuse comes here; so does any value that is not
stored on the hot path. Both ways read and write the same documents.

The form: an object per value without the fields that hold their default, lists for tuples,
enums by value, times as microseconds since 1970 in UTC, durations as microseconds,
money as an amount in text and a currency, a `Manifest` as ``[[line, units], ...]``,
members of a closed union with their ``type`` beside their fields.
"""

from __future__ import annotations

import enum
import sys
import typing
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs

from ordercore import fulfillment, ledger, pricing, tender
from ordercore.calendar import WorkingHours
from ordercore.codec.compiled import is_money, is_tuple, micros, moment, tag, union_members
from ordercore.errors import CorruptDocument, InvalidMoney
from ordercore.goods import LineId, Manifest, Sku
from ordercore.money import Percent, Rounding, decimal_text, money, to_minor
from ordercore.party import Actor, Address, Attribution, Destination, Party

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")
_MICROSECOND = timedelta(microseconds=1)
_JSON = {
    dict: "an object", list: "a list", str: "a text", int: "a whole number", bool: "a boolean",
    float: "a fraction", type(None): "null",
}  # fmt: skip


class _Misfit(ValueError):
    """A value that does not fit, with a reason of ours."""


def _expect(kind: type[Any], found: Any) -> None:
    if type(found) is not kind:
        got = _JSON.get(type(found), f"a {type(found).__name__}")
        raise _Misfit(f"{_JSON[kind]} is expected, not {got}")


def hint_names(cls: type[Any]) -> dict[str, Any]:
    """The names that a class's annotations may use; money, which brings Babel's data along, where it does."""
    names = _names()
    if any("Money" in str(hint) for hint in cls.__annotations__.values()):
        from ordercore.money import Money

        names = {**names, "Money": Money}
    return names


@cache
def _names() -> dict[str, Any]:
    """What annotations may name that their modules import for type checkers alone."""
    found: dict[str, Any] = {"Mapping": Mapping, "Sequence": Sequence, "date": date}
    for room in (fulfillment, ledger, pricing, tender):
        found.update({name: getattr(room, name) for name in room.__all__})
    found.update(
        {
            kind.__name__: kind
            for kind in (Actor, Address, Attribution, Destination, Party, Manifest)
        }
    )
    found.update({"WorkingHours": WorkingHours, "time": time})
    found.update({"datetime": datetime, "timedelta": timedelta, "LineId": LineId, "Sku": Sku})
    found.update({"Percent": Percent, "Rounding": Rounding, "ClassVar": ClassVar})
    return found


def _resolve(cls: type[Any]) -> None:
    """Turn the annotations of a class into types; names of its own module come first."""
    attrs.resolve_types(cls, {**hint_names(cls), **vars(sys.modules[cls.__module__])})


def _is_closed_union(hint: Any) -> bool:
    return bool(union_members(hint))


def _add_scalars(converter: Converter) -> None:
    def exactly(kind: type[Any]) -> Any:
        def structure(found: Any, _: Any) -> Any:
            _expect(kind, found)
            return found

        return structure

    for kind in (int, str, bool):
        converter.register_structure_hook(kind, exactly(kind))

    def structure_time(found: Any, _: Any) -> datetime:
        _expect(int, found)
        try:
            return moment(found)
        except OverflowError:
            raise _Misfit("the time is out of range") from None

    def structure_duration(found: Any, _: Any) -> timedelta:
        _expect(int, found)
        return timedelta(0, 0, found)

    def structure_day(found: Any, _: Any) -> date:
        _expect(str, found)
        return date.fromisoformat(found)

    converter.register_unstructure_hook(datetime, micros)
    converter.register_structure_hook(datetime, structure_time)
    converter.register_unstructure_hook(timedelta, lambda length: length // _MICROSECOND)
    converter.register_structure_hook(timedelta, structure_duration)

    def structure_clock_time(found: Any, _: Any) -> time:
        _expect(str, found)
        return time.fromisoformat(found)

    converter.register_unstructure_hook(time, time.isoformat)
    converter.register_structure_hook(time, structure_clock_time)
    converter.register_unstructure_hook_func(lambda hint: hint is date, date.isoformat)
    converter.register_structure_hook_func(lambda hint: hint is date, structure_day)


def _add_money(converter: Converter) -> None:
    """Register money; it loads Babel, so only where a value with money is met."""

    def unstructure(amount: Any) -> str:
        return f"{decimal_text(to_minor(amount), amount.currency.code)} {amount.currency.code}"

    def structure(found: Any, _: Any) -> Any:
        _expect(str, found)
        number, _space, code = found.partition(" ")
        return money(number, code)

    converter.register_unstructure_hook_func(is_money, unstructure)
    converter.register_structure_hook_func(is_money, structure)


def _add_unions(converter: Converter) -> None:
    def unstructure(member: Any) -> Any:
        if member is None:
            return None
        return {"type": tag(type(member)), **converter.unstructure(member)}

    def structuring(hint: Any) -> Any:
        members = {tag(member): member for member in union_members(hint)}
        absent = type(None) in typing.get_args(hint)

        def structure(found: Any, _: Any) -> Any:
            if absent and found is None:
                return None
            _expect(dict, found)
            rest = dict(found)
            tag = rest.pop("type", None)
            if not isinstance(tag, str) or tag not in members:
                raise _Misfit(f"the type {tag!r} is not one of {', '.join(members)}")
            return converter.structure(rest, members[tag])

        return structure

    converter.register_unstructure_hook_factory(_is_closed_union, lambda _: unstructure)
    converter.register_structure_hook_factory(_is_closed_union, structuring)


def _tuple_structuring(converter: Converter, hint: Any) -> Any:
    from cattrs import IterableValidationError, IterableValidationNote

    items = typing.get_args(hint)

    def structure(found: Any, _: Any) -> Any:
        _expect(list, found)
        kinds = (items[0],) * len(found) if items[-1] is ... else items
        if len(kinds) != len(found):
            raise _Misfit(f"{len(kinds)} items are expected, not {len(found)}")
        made = []
        for i, (kind, item) in enumerate(zip(kinds, found, strict=True)):
            try:
                made.append(converter.structure(item, kind))
            except Exception as error:  # noqa: BLE001 - raised again, with its place
                error.add_note(IterableValidationNote("in a list", i, kind))
                raise IterableValidationError("in a list", [error], hint) from None
        return tuple(made)

    return structure


def _enum_structuring(hint: type[enum.Enum]) -> Any:
    members = {member.value: member for member in hint}

    def structure(found: Any, _: Any) -> enum.Enum:
        _expect(str, found)
        if found not in members:
            raise _Misfit(f"{found[:40]!r} is not one of {', '.join(members)}")
        return members[found]

    return structure


def _class_structuring(converter: Converter, cls: type[Any]) -> Any:
    from cattrs.gen import make_dict_structure_fn

    _resolve(cls)
    made = make_dict_structure_fn(cls, converter)

    def structure(found: Any, hint: Any) -> Any:
        _expect(dict, found)
        return made(found, hint)

    return structure


def _class_unstructuring(converter: Converter, cls: type[Any]) -> Any:
    from cattrs.gen import make_dict_unstructure_fn

    _resolve(cls)
    return make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True)


@cache
def _converter() -> Converter:
    from cattrs import Converter
    from cattrs.cols import (
        is_namedtuple,
        namedtuple_dict_structure_factory,
        namedtuple_dict_unstructure_factory,
    )

    converter = Converter(
        forbid_extra_keys=True, omit_if_default=True, unstruct_collection_overrides={tuple: list}
    )
    manifest_items = typing.get_type_hints(Manifest)["items"]
    converter.register_structure_hook_factory(
        attrs.has, lambda cls: _class_structuring(converter, cls)
    )
    converter.register_unstructure_hook_factory(
        attrs.has, lambda cls: _class_unstructuring(converter, cls)
    )
    converter.register_structure_hook_factory(
        lambda hint: isinstance(hint, type) and issubclass(hint, enum.Enum), _enum_structuring
    )
    converter.register_structure_hook_factory(
        is_tuple,
        lambda hint: _tuple_structuring(converter, hint),
    )
    converter.register_unstructure_hook(
        Manifest, lambda goods: [list(item) for item in goods.items]
    )
    converter.register_structure_hook(
        Manifest, lambda found, _: Manifest(converter.structure(found, manifest_items))
    )
    converter.register_unstructure_hook_factory(
        is_namedtuple,
        lambda cls: namedtuple_dict_unstructure_factory(cls, converter),
    )
    converter.register_structure_hook_factory(
        is_namedtuple,
        lambda cls: namedtuple_dict_structure_factory(cls, converter),
    )
    _add_scalars(converter)
    _add_money(converter)
    _add_unions(converter)
    return converter


def to_plain(value: Any) -> Any:
    """Plain data of a value: what `json` can write, fields with their default left out."""
    return _converter().unstructure(value)


def from_plain(cls: type[T], plain: Any, path: str = "") -> T:
    """The value that `to_plain` made plain.

    Raises `CorruptDocument` with the path of the first thing that is wrong.
    """
    from cattrs import BaseValidationError, StructureHandlerNotFoundError

    try:
        return _converter().structure(plain, cls)
    except (BaseValidationError, ValueError, TypeError, ArithmeticError, InvalidMoney) as error:
        raise _corrupt(error, path) from None
    except RecursionError:
        raise CorruptDocument("it is nested too deeply", path=path) from None
    except StructureHandlerNotFoundError as error:
        raise TypeError(f"{cls.__name__} has no plain form: {error}") from None


def _corrupt(error: BaseException, path: str) -> CorruptDocument:
    """The first leaf of what cattrs collected, and where it is."""
    from cattrs import (
        AttributeValidationNote,
        BaseValidationError,
        ForbiddenExtraKeysError,
        IterableValidationNote,
    )

    while True:
        for note in getattr(error, "__notes__", ()):
            if isinstance(note, IterableValidationNote):
                path = f"{path}[{note.index}]"
            elif isinstance(note, AttributeValidationNote):
                path = f"{path}.{note.name}" if path else note.name
        if not isinstance(error, BaseValidationError):
            break
        error = error.exceptions[0]
    if isinstance(error, ForbiddenExtraKeysError):
        name = min(error.extra_fields)
        return CorruptDocument("no field is called so", path=f"{path}.{name}" if path else name)
    if isinstance(error, KeyError):
        return CorruptDocument("the field is missing", path=path)
    if isinstance(error, InvalidMoney):
        return CorruptDocument(error.reason, path=path)
    return CorruptDocument(str(error), path=path)
