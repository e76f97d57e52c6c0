"""What states, events, item statuses and visible steps are called, in a reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidLifecycle
from ordercore.lifecycle.table import EventInfo, ItemStatus, StateInfo, titled
from ordercore.lifecycle.visible import VisibleStep
from ordercore.wording import ENGLISH, translated

if TYPE_CHECKING:
    from ordercore.lifecycle.table import Lifecycle
    from ordercore.wording import Wording

__all__ = ["label"]


def label(
    lifecycle: Lifecycle[Any],
    of: str | StateInfo | EventInfo | ItemStatus | VisibleStep,
    locale: str = ENGLISH,
    *,
    wording: Wording | None = None,
) -> str:
    """The name of a state, an event, an item's status (by id, looked for in this order) or a visible step.

    English comes from the lifecycle itself, other languages from the library's catalogs, or from the
    host's own in ``wording``; what none of them has stays English. Where a state and an event share an
    id, hand over ``lifecycle.info(event)``. Raises `InvalidLifecycle` for an id that is none of them.
    """
    found = _found(lifecycle, of) if isinstance(of, str) else of
    if isinstance(found, VisibleStep):
        name, context = titled(found.value), "step"
    elif isinstance(found, StateInfo):
        name, context = found.name, "state"
    else:
        name, context = found.name, "event" if isinstance(found, EventInfo) else "item"
    if wording is not None:
        return wording.translated(name, locale, context)
    return translated(name, locale, context)


def _found(lifecycle: Lifecycle[Any], id: str) -> StateInfo | EventInfo | ItemStatus:  # noqa: A002
    if id in lifecycle.steps:
        return lifecycle.state(id)
    if id in lifecycle.events:
        return lifecycle.info(id)
    for status in lifecycle.items:
        if status.id == id:
            return status
    raise InvalidLifecycle(
        f"the lifecycle '{lifecycle.name}' has no state, event or item status '{id}'",
        path=lifecycle.name,
        id=id,
    )
