"""What an event is: a frozen fact with a name and a version.

An event carries its payload only. The order's id, the time, the actor and the command
stand once on the change that holds the event (see `ordercore.change`), and its sequence number
follows from the order's version.
The name and the version are what is stored: a class may be renamed, a name never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar, dataclass_transform

import attrs

from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Event", "event"]


class Event:
    """Root of all events."""

    __slots__ = ()
    name: ClassVar[str]
    schema: ClassVar[int]


E = TypeVar("E", bound=Event)


@dataclass_transform(frozen_default=True, field_specifiers=(attrs.field,))
def event(name: str, schema: int = 1) -> Callable[[type[E]], type[E]]:
    """Make a class an event, stored as ``name`` in version ``schema``."""

    def decorate(cls: type[E]) -> type[E]:
        made: type[E] = value(cls)
        made.name = name
        made.schema = schema
        return made

    return decorate
