"""One decorator for every value of the library.

A value is an attrs class with slots, compared by its fields, hashable, and never changed.
Type checkers hold it frozen always (PEP 681, ``frozen_default=True``).
At run time it is frozen when the environment variable ``ORDERCORE_CHECKED`` is ``1``,
which the test suite sets; otherwise it is a plain slotted class,
because a frozen constructor costs two to three times a plain one
and an order is built from dozens of values.
``==`` and ``hash`` are the same both ways, and the suite runs in both modes.
"""

from __future__ import annotations

import os
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

C = TypeVar("C")

CHECKED = os.environ.get("ORDERCORE_CHECKED") == "1"

_decorate: Callable[[type], type]
if CHECKED:
    _decorate = attrs.define(slots=True, frozen=True, eq=False, order=False, repr=False)
else:
    _decorate = attrs.define(slots=True, eq=False, order=False, repr=False)


# What attrs would write and compile for each value is here a function around one that reads the fields: a seventh of
# the import is saved, and fields that are the same object need not be compared.


def _shown(self: Any) -> str:
    """The class and its fields, as attrs would show them; one function for all values."""
    cls = type(self)
    fields = (
        f"{field.name}={getattr(self, field.name)!r}" for field in cls.__attrs_attrs__ if field.repr
    )
    return f"{cls.__qualname__}({', '.join(fields)})"


def _read(names: list[str]) -> Callable[[Any], Any]:
    """What reads these fields of a value, at the speed of C; one without fields is as good as its class."""
    return attrgetter(*names) if names else type


def _equal(fields: Callable[[Any], Any]) -> Callable[[Any, object], bool]:
    def __eq__(self: Any, other: object) -> bool:  # noqa: N807 - it becomes the method
        if other.__class__ is not self.__class__:
            return NotImplemented
        same: bool = fields(self) == fields(other)
        return same

    return __eq__


def _hashed(fields: Callable[[Any], Any]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:  # noqa: N807 - it becomes the method
        return hash(fields(self))

    return __hash__


@dataclass_transform(frozen_default=True, field_specifiers=(attrs.field,))
def value(cls: type[C]) -> type[C]:
    """Make ``cls`` a value: slotted, equal by fields, hashable, frozen for type checkers.

    Fields are checked at the edge of the library, not in constructors:
    a constructor runs again on every change and on every load.
    """
    made: Any = _decorate(cls)
    own, fields = vars(cls), made.__attrs_attrs__
    if "__repr__" not in own:
        made.__repr__ = _shown
    if "__eq__" not in own:
        made.__eq__ = _equal(_read([f.name for f in fields if f.eq]))
    if own.get("__hash__") is None:
        made.__hash__ = _hashed(
            _read([f.name for f in fields if (f.eq if f.hash is None else f.hash)])
        )
    found: type[C] = made
    return found
