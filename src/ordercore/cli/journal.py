"""``ordercore journal``: who did what to an order, when and why; as text, JSON or a picture, or as six steps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ordercore.cli.given import lifecycle_of
from ordercore.cli.sections import json_text
from ordercore.cli.stores import existing
from ordercore.clock import SystemClock
from ordercore.codec import encode_event
from ordercore.errors import InvalidInput, OrderNotFound, UnknownLifecycle
from ordercore.journal import (
    journal_of,
    plain,
    progress,
    steps_plain,
    steps_text,
    svg,
    text,
)
from ordercore.order import FACTS, Note
from ordercore.policy import Policies
from ordercore.ports import OrderQuery
from ordercore.wording import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.cli.stores import Store
    from ordercore.event import Event
    from ordercore.journal import Journal, Progress
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order

__all__ = ["print_journal"]

_FREELY: Final = frozenset({"attributes", "consent", "extra", "vat_id"})
"""Fields that may hold anything, as the name to be engraved, or the words by which a customer agreed; and the number
of a business that may be one person."""


def print_journal(
    wanted: str,
    url: str,
    *,
    as_json: bool = False,
    picture: Path | None = None,
    steps: bool = False,
    locale: str = ENGLISH,
    lifecycles: Sequence[Path] = (),
    policies: Path | None = None,
) -> None:
    """Tell of one order, named by its id, its number or the number's numeric tail.

    ``picture`` is a file for the timeline. ``steps`` tells the six visible steps instead of the events,
    with the targets of ``policies``; in JSON both stand. Lifecycles of the host's own come from documents.
    """
    if not wanted.strip():
        raise InvalidInput("name an order by its id or its number", path="ORDER")
    if picture is not None and picture.suffix.lower() != ".svg":
        raise InvalidInput(f"a picture is .svg, not {picture.name[:60]!r}", path="--svg")
    known = [lifecycle_of(path) for path in lifecycles]
    with existing(url) as store:
        recorded = store.journal(_found(store, wanted).id)
    bare = journal_of(recorded)
    journal = journal_of(recorded, _lifecycle(bare.order, known))
    if picture is not None:
        picture.write_text(svg(journal, locale), "utf-8")
    if as_json:
        found = plain(journal)
        for told, entry in zip(found["events"], journal, strict=True):
            told["content"] = _content(entry.event)
        if steps:
            found["progress"] = steps_plain(_progress(journal, policies))
        sys.stdout.write(json_text(found))
    elif steps:
        sys.stdout.write(steps_text(_progress(journal, policies), journal.lifecycle, locale))
    elif picture is None:
        sys.stdout.write(text(journal, locale))


# The order -------------------------------------------------------------------------------------


def _found(store: Store, wanted: str) -> Order:
    order = store.load(wanted)
    if order is not None:
        return order
    found = store.find(OrderQuery(number=wanted, limit=20))
    if not found:
        raise OrderNotFound(f"no order has the id or number {wanted[:80]!r}", path="ORDER")
    tail = wanted.lstrip("0")
    exact = [order for order in found if order.number == wanted]
    exact = exact or [order for order in found if _tail(order.number) == tail] or list(found)
    if len(exact) > 1:
        numbers = ", ".join(order.number for order in exact[:5])
        more = ", ..." if len(exact) > 5 else ""
        reason = f"{wanted!r} may be any of {numbers}{more}: name one in full"
        raise InvalidInput(reason, path="ORDER")
    return exact[0]


def _tail(number: str) -> str:
    return number[len(number.rstrip("0123456789")) :].lstrip("0")


# Its lifecycle and its targets -----------------------------------------------------------------


def _lifecycle(order: Order, known: Sequence[Lifecycle[Order]]) -> Lifecycle[Order] | None:
    """The order's lifecycle: the host's own, or a built-in one."""
    from ordercore.lifecycle.charts import built_in

    name, version = order.content.lifecycle, order.content.lifecycle_version
    for lifecycle in known:
        if (lifecycle.name, lifecycle.version) == (name, version):
            return lifecycle
    try:
        return built_in(name, FACTS, version)
    except UnknownLifecycle:
        return None


def _progress(journal: Journal, policies: Path | None) -> Progress:
    order, lifecycle = journal.order, journal.lifecycle
    if lifecycle is None:
        name, version = order.content.lifecycle, order.content.lifecycle_version
        reason = f"the order is on {name!r}, version {version}: give its document by --lifecycle"
        raise UnknownLifecycle(reason, path="--steps", name=name)
    timeouts = (Policies() if policies is None else Policies.load(policies)).timeouts
    return progress(
        order, journal.recorded, lifecycle, timeouts.targets, SystemClock().now(), timeouts.working
    )


# The events' content ---------------------------------------------------------------------------


def _content(event: Event) -> Any:
    """What is stored of an event, without what is personal."""
    return _public(json.loads(encode_event(event)), event)


def _public(stored: Any, held: Any) -> Any:
    """``stored`` without the fields that its values do not show, and without what customers and hosts add freely.

    A note stays if the customer may read it.
    """
    if isinstance(stored, list) and isinstance(held, tuple):
        return [_public(one, value) for one, value in zip(stored, held, strict=False)]
    fields = getattr(type(held), "__attrs_attrs__", None)
    if fields is None or not isinstance(stored, dict):
        return stored
    shown = isinstance(held, Note) and held.shown
    hidden = {field.name for field in fields if not field.repr} if not shown else set()
    hidden |= _FREELY
    return {
        name: _public(one, getattr(held, name, None))
        for name, one in stored.items()
        if name not in hidden
    }
