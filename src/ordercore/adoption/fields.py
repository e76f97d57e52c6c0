"""Whether what a host tells is of the types that a snapshot declares; a host need not run a type checker.

The declarations themselves are read, so no field is forgotten. A cart is looked at when it is priced.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Hashable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import attrs

from ordercore.adoption.snapshot import (
    Snapshot,
    SnapshotCharge,
    SnapshotLine,
    SnapshotPayment,
    SnapshotRefund,
    SnapshotShipment,
)
from ordercore.errors import InvalidSnapshot
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.money import Percent
from ordercore.order import Note
from ordercore.party import Actor, Address, Attribution, Party

__all__ = ["check_types"]

_READ: Final = frozenset(
    {
        Snapshot,
        SnapshotCharge,
        SnapshotLine,
        SnapshotPayment,
        SnapshotRefund,
        SnapshotShipment,
        Manifest,
    }
)
"""What is only read: there a list does as well as a tuple."""
_KEPT: Final = frozenset({Address, Attribution, Party, Note, Actor})
"""What goes into the order as it is."""
_NAMES: Final[Mapping[str, Any]] = {
    "Actor": Actor,
    "LineId": LineId,
    "Quantity": Quantity,
    "datetime": datetime,
}
_CALLED: Final[Mapping[Any, str]] = {
    str: "a text",
    int: "a whole number",
    bool: "True or False",
    datetime: "a datetime",
    tuple: "a tuple",
    Percent: "a Percent: Percent.of('19')",
}


def check_types(snapshot: Snapshot) -> None:
    """Raise `InvalidSnapshot` with the path of the first field that is of another type than it is declared with."""
    if type(snapshot) is not Snapshot:
        raise InvalidSnapshot(f"a {type(snapshot).__name__} is no Snapshot")
    _check_value(snapshot, Snapshot, "")


@cache
def _hints(cls: Hashable) -> Mapping[str, Any]:
    from ordercore.money import Money  # it brings Babel's data along

    return typing.get_type_hints(cls, localns={**_NAMES, "Money": Money})


def _check_value(found: Any, cls: Any, path: str) -> None:
    hints = _hints(cls)
    for field in attrs.fields(cls):
        where = f"{path}.{field.name}" if path else field.name
        _check(getattr(found, field.name), hints[field.name], where, listed=cls in _READ)


def _check(found: Any, hint: Any, path: str, *, listed: bool) -> None:
    """One value against its declaration; ``listed``: a list does for a tuple."""
    hint = getattr(hint, "__supertype__", hint)  # of a NewType
    origin = typing.get_origin(hint)
    if origin in {types.UnionType, typing.Union}:  # something or nothing
        if found is None:
            return
        (hint,) = [one for one in typing.get_args(hint) if one is not types.NoneType]
        origin = typing.get_origin(hint)
    if hint is Any:
        return
    kind = origin or hint
    right = type(found) is kind if kind in {int, bool} else isinstance(found, kind)
    if not right and not (kind is tuple and listed and isinstance(found, list)):
        called = _CALLED.get(kind, f"a {kind.__name__}")
        reason = f"of another type than it should be: {type(found).__name__}, where {called} is due"
        raise InvalidSnapshot(reason, path=path)
    if kind is tuple:
        _check_items(found, typing.get_args(hint), path, listed=listed)
    elif kind is Mapping:
        of_key, of_value = typing.get_args(hint)
        for key, one in found.items():
            _check(key, of_key, path, listed=False)
            _check(one, of_value, f"{path}[{key}]", listed=False)
    elif kind in _READ or kind in _KEPT:
        _check_value(found, kind, path)


def _check_items(
    found: tuple[Any, ...] | list[Any], hints: tuple[Any, ...], path: str, *, listed: bool
) -> None:
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(found)
    if len(found) != len(hints):
        reason = f"it has {len(hints)} values, not {len(found)}"
        raise InvalidSnapshot(reason, path=path)
    for i, (one, hint) in enumerate(zip(found, hints, strict=True)):
        _check(one, hint, f"{path}[{i}]", listed=listed)
