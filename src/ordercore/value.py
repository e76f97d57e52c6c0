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
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

C = TypeVar("C")

CHECKED = os.environ.get("ORDERCORE_CHECKED") == "1"

_decorate: Callable[[type], type]
if CHECKED:
    _decorate = attrs.define(slots=True, frozen=True, eq=True, order=False, repr=False)
else:
    _decorate = attrs.define(slots=True, unsafe_hash=True, eq=True, order=False, repr=False)


def _shown(self: Any) -> str:
    """The class and its fields, as attrs would show them; one function for all values,
    because writing and compiling one for each takes a tenth of the import."""
    cls = type(self)
    fields = (
        f"{field.name}={getattr(self, field.name)!r}" for field in cls.__attrs_attrs__ if field.repr
    )
    return f"{cls.__qualname__}({', '.join(fields)})"


@dataclass_transform(frozen_default=True, field_specifiers=(attrs.field,))
def value(cls: type[C]) -> type[C]:
    """Make ``cls`` a value: slotted, equal by fields, hashable, frozen for type checkers.

    Fields are checked at the edge of the library, not in constructors:
    a constructor runs again on every change and on every load.
    """
    made = _decorate(cls)
    if "__repr__" not in vars(cls):
        made.__repr__ = _shown  # type: ignore[assignment]
    return made
