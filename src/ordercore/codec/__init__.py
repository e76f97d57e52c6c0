"""Stored documents: orders and events as JSON texts, and back.

What is written once is read for ever. An event is stored under its name with the number of its
schema; an order carries the number in its document. When a class changes its shape,
its schema counts up and an *upcaster* lifts older documents, so every version ever stored
still reads (law L23). A default of a stored field is part of the format, since
fields that hold it are left out.

A document that cannot be read is a `CorruptDocument` with the path of what is wrong,
one from a later version a `NewerDocument` (law L24).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from ordercore.codec.compiled import FAULTS, Compiler, micros, moment, scan
from ordercore.codec.plain import from_plain, hint_names, to_plain
from ordercore.errors import CorruptDocument, NewerDocument, UnreadableData
from ordercore.order import EVENTS, Order, OrderContent
from ordercore.tender import Attempt, Payments, TenderPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.event import Event

__all__ = [
    # events
    "decode_event",
    "encode_event",
    # orders: whole, and without what was agreed
    "ORDER_SCHEMA",
    "decode_order",
    "decode_state",
    "encode_order",
    "encode_state",
    # any value of the library
    "from_plain",
    "to_plain",
    # times as they are stored, and what broken ones raise
    "FAULTS",
    "micros",
    "moment",
    # older documents
    "UPCASTERS",
    "Upcaster",
]

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Lifts the plain data of one schema to the next; it may change what it is given."""

ORDER_SCHEMA = 2
"""The schema of an order's document, whole or without its content."""
ORDER = "order"

CLOSED = "closed"
"""The state that released an order before lifecycles said so themselves."""


def _moved_releases(plain: dict[str, Any]) -> dict[str, Any]:
    """A move to *closed* was what released an order."""
    if plain.get("to") == CLOSED:
        plain["releases"] = True
    return plain


def _asked_by_time(plain: dict[str, Any]) -> dict[str, Any]:
    """Only a time-out closed by the event *close*."""
    if plain.get("via") == "close":
        plain["timed_out"] = True
    return plain


def _order_handled(plain: dict[str, Any]) -> dict[str, Any]:
    """An order in *closed* was one for which nothing is held."""
    if plain.get("state") == CLOSED:
        plain["handling"] = {"released": True}
    if isinstance(plain.get("closing"), dict):
        plain["closing"] = _asked_by_time(plain["closing"])
    return plain


UPCASTERS: Mapping[str, Mapping[int, Upcaster]] = {
    "order.closing_asked": {1: _asked_by_time},
    "order.moved": {1: _moved_releases},
    ORDER: {1: _order_handled},
}
"""By name of the event, or ``order``: the step from each schema to the next."""

_compiler = Compiler(
    recalled=(Payments, TenderPlan, tuple[Attempt, ...], tuple[tuple[int, ...], ...]),
    hints=hint_names,
)
_writers: dict[type[Any], Callable[[Any], str]] = {}
_readers: dict[str, tuple[int, Callable[[Any], Any]]] = {}
_HEAD = f'{{"schema":{ORDER_SCHEMA},'


@cache
def _order_writer() -> Callable[[Order], str]:
    return _compiler.writer(Order)


@cache
def _order_reader() -> Callable[[Any], Order]:
    return _compiler.reader(Order)


@cache
def _state_writer() -> Callable[[Order], str]:
    return _compiler.writer(Order, "content")


@cache
def _state_reader() -> Callable[[Any, OrderContent], Order]:
    return _compiler.reader(Order, "content")


def encode_event(event: Event) -> str:
    """The JSON text of an event's payload; its name and its schema are stored beside it."""
    writer = _writers.get(type(event))
    if writer is None:
        writer = _writers[type(event)] = _compiler.writer(type(event))
    return writer(event)


def decode_event(name: str, schema: int, text: str) -> Event:
    """The event that `encode_event` wrote.

    Raises `CorruptDocument` with the path in the document, `NewerDocument` for a schema that is not
    known yet. An event of an unknown name is corrupt.
    """
    found = _readers.get(name)
    if found is None:
        cls = EVENTS.get(name)
        if cls is None:
            raise CorruptDocument(f"no event is called {name!r}", path="name", event=name)
        found = _readers[name] = (cls.schema, _compiler.reader(cls))
    known, reader = found
    try:
        plain = scan(text)
        if schema != known:
            plain = _lifted(name, schema, known, plain)
        event: Event = reader(plain)
    except (*FAULTS, UnreadableData):
        return from_plain(EVENTS[name], _lifted(name, schema, known, _parsed(text)))
    return event


def encode_order(order: Order) -> str:
    """The whole order as one JSON text."""
    return _HEAD + _order_writer()(order)[1:]


def decode_order(text: str) -> Order:
    """The order that `encode_order` wrote; raises `CorruptDocument` or `NewerDocument`."""
    try:
        return _order_reader()(_order_lifted(scan(text)))
    except (*FAULTS, UnreadableData):
        return from_plain(Order, _order_plain(text))


def encode_state(order: Order) -> str:
    """All of an order but its content, as a JSON text: what moves while the content stays."""
    return _HEAD + _state_writer()(order)[1:]


def decode_state(content: OrderContent, text: str) -> Order:
    """The order with this content; raises `CorruptDocument` or `NewerDocument`."""
    try:
        return _state_reader()(_order_lifted(scan(text)), content)
    except (*FAULTS, UnreadableData):
        return _stated(content, _order_plain(text))


def _order_lifted(plain: dict[str, Any]) -> dict[str, Any]:
    """The plain data of a sound document, in the present schema."""
    schema = plain.pop("schema")
    return plain if schema == ORDER_SCHEMA else _lifted(ORDER, schema, ORDER_SCHEMA, plain)


def _stated(content: OrderContent, plain: dict[str, Any]) -> Order:
    if "content" in plain:
        raise CorruptDocument("the content does not stand here", path="content")
    return from_plain(Order, {**plain, "content": to_plain(content)})


def _order_plain(text: str) -> dict[str, Any]:
    """The plain data of an order's document, in the present schema."""
    plain = _parsed(text)
    if "schema" not in plain:
        raise CorruptDocument("the field is missing", path="schema")
    return _lifted(ORDER, plain.pop("schema"), ORDER_SCHEMA, plain)


def _parsed(text: str) -> dict[str, Any]:
    """The JSON object in ``text``."""
    try:
        plain = scan(text)
    except RecursionError:
        raise CorruptDocument("the document is nested too deeply") from None
    except FAULTS as error:
        raise CorruptDocument(f"the document is not JSON: {error}") from None
    if type(plain) is not dict:
        raise CorruptDocument("the document is not a JSON object")
    return plain


def _lifted(name: str, schema: Any, known: int, plain: dict[str, Any]) -> dict[str, Any]:
    """``plain`` of ``schema`` as if it had been written in the ``known`` one."""
    if type(schema) is not int or schema < 1:
        raise CorruptDocument(f"{schema!r} is not a schema", path="schema")
    if schema > known:
        reason = f"the document has schema {schema}; this version reads up to {known}"
        raise NewerDocument(reason, path="schema", document=name, found=schema, known=known)
    steps = UPCASTERS.get(name, {})
    for at in range(schema, known):
        if at not in steps:
            raise CorruptDocument(f"no way leads up from schema {at}", path="schema", document=name)
        try:
            plain = steps[at](plain)
        except FAULTS as error:
            reason = f"the document of schema {at} cannot be lifted: {error}"
            raise CorruptDocument(reason, document=name) from None
    return plain
