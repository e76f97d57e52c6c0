from __future__ import annotations

import enum
import json
import subprocess
import sys
import types
import typing
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.stored import apart, carried, paid, story

from ordercore import codec
from ordercore.codec.plain import hint_names
from ordercore.errors import CorruptDocument, NewerDocument, UnreadableData
from ordercore.event import Event, event
from ordercore.goods import Manifest
from ordercore.money import Money, from_minor
from ordercore.order import EVENTS, Amended, Handling, Moved, Order, Placed
from ordercore.policy import Policies
from ordercore.pricing import Cart
from ordercore.tender import (
    AttemptState,
    CaptureMoment,
    Notification,
    Outcome,
    OutcomeStatus,
    PlannedTender,
    RefundSplit,
)
from ordercore.tender.events import AttemptAnswered
from ordercore.testing import carts

STORED = Path(__file__).parent / "stored"
CHANGES = [
    *story.all_stories(),
    *paid.money_stories(),
    *apart.apart_stories(),
    *carried.carried_stories(),
]
HAPPENED = [happened for change in CHANGES for happened in change.events]
ORDERS = [change.order for change in CHANGES]
SOLD = [change.order for change in story.all_stories()]
RICHEST = max(SOLD, key=lambda order: len(codec.encode_order(order)))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    str: TEXTS,
    bool: st.booleans(),
    date: st.dates(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    timedelta: st.integers(-(2**53), 2**53).map(lambda micros: timedelta(0, 0, micros)),
    Money: st.builds(from_minor, st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "JPY"])),
}


@cache
def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a stored type, made from the annotations of its fields alone."""
    hint = getattr(hint, "__supertype__", hint)
    plain = PLAIN.get(hint) if isinstance(hint, type) else None
    if plain is not None:
        return plain
    if typing.get_origin(hint) is Mapping:
        return st.dictionaries(TEXTS, TEXTS, max_size=2)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    if isinstance(hint, type) and attrs.has(hint):
        hints = typing.get_type_hints(hint, localns=dict(hint_names(hint)))
        return st.builds(hint, **{f.name: values_of(hints[f.name]) for f in attrs.fields(hint)})
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        if parts[-1] is ...:
            return st.lists(values_of(parts[0]), max_size=3).map(tuple)
        return st.tuples(*map(values_of, parts))
    assert typing.get_origin(hint) in {types.UnionType, typing.Union}, hint
    return st.one_of([st.none() if part is type(None) else values_of(part) for part in parts])


def with_defaults(cls: type[Any]) -> st.SearchStrategy[Any]:
    """A value of which some fields are left at their default."""
    hints = typing.get_type_hints(cls, localns=dict(hint_names(cls)))
    needed = {
        f.name: values_of(hints[f.name]) for f in attrs.fields(cls) if f.default is attrs.NOTHING
    }
    rest = {f.name: values_of(hints[f.name]) for f in attrs.fields(cls) if f.name not in needed}
    return st.fixed_dictionaries(needed, optional=rest).map(lambda fields: cls(**fields))


ANY_EVENT = st.one_of([with_defaults(cls) for cls in EVENTS.values()])


def stored(schema: int, name: str) -> str:
    """A document as that schema wrote it."""
    return (STORED / str(schema) / f"{name}.json").read_text("utf-8").rstrip("\n")


def read(happened: Event, text: str) -> Event:
    """Decode under the event's own name and schema."""
    return codec.decode_event(happened.name, happened.schema, text)


@given(ANY_EVENT)
def test_l23_events_round_trip(happened: Event) -> None:
    """Any event, whatever its fields hold, is read back as it was written."""
    assert read(happened, codec.encode_event(happened)) == happened


@given(with_defaults(Order))
def test_l23_orders_round_trip(order: Order) -> None:
    """Any order is read back as it was written, whole and without its content."""
    assert codec.decode_order(codec.encode_order(order)) == order
    assert codec.decode_state(order.content, codec.encode_state(order)) == order


@given(ANY_EVENT)
def test_the_fast_way_and_the_careful_way_agree(happened: Event) -> None:
    """Compiled writers and readers and cattrs write and read the same documents."""
    plain = json.loads(codec.encode_event(happened))
    assert plain == codec.to_plain(happened)
    assert codec.from_plain(type(happened), plain) == happened


def test_every_event_of_a_real_story_round_trips() -> None:
    """Events made by decisions are read back as they were written."""
    assert [read(happened, codec.encode_event(happened)) for happened in HAPPENED] == HAPPENED


def test_the_story_has_every_event() -> None:
    """The order's story leaves no kind of event out, so the tests over it are complete."""
    assert {happened.name for happened in HAPPENED} == set(EVENTS)


def test_every_order_of_a_real_story_round_trips() -> None:
    """Orders in each state of their story are read back as they were written."""
    assert [codec.decode_order(codec.encode_order(order)) for order in ORDERS] == ORDERS
    again = [codec.decode_state(order.content, codec.encode_state(order)) for order in ORDERS]
    assert again == ORDERS


def test_sound_documents_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The careful way is asked for documents that the fast one refuses, and for no other."""
    asked: list[Any] = []
    monkeypatch.setattr(codec, "from_plain", lambda *args: asked.append(args))
    for happened in HAPPENED:
        read(happened, codec.encode_event(happened))
    for order in ORDERS:
        codec.decode_order(codec.encode_order(order))
        codec.decode_state(order.content, codec.encode_state(order))
    for name in ("order.moved", "order.closing_asked"):  # of a former schema, too
        codec.decode_event(name, 1, stored(1, name))
    codec.decode_order(stored(1, "order"))
    assert asked == []
    codec.decode_event("order.moved", 1, "{}")
    assert len(asked) == 1


@pytest.mark.parametrize("name", [*EVENTS, "order"])
def test_l23_every_stored_version_still_reads(name: str) -> None:
    """The documents that each schema wrote are there, and are read to what the schema says today."""
    latest = codec.ORDER_SCHEMA if name == "order" else EVENTS[name].schema
    for schema in range(1, latest + 1):
        text = stored(schema, name)
        if name == "order":
            again = codec.encode_order(codec.decode_order(text))
        else:
            again = codec.encode_event(codec.decode_event(name, schema, text))
        if schema == latest:
            assert json.loads(again) == json.loads(text)


SHAPES = sorted(path for path in STORED.glob("*/*+*.json"))


@pytest.mark.parametrize("path", SHAPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_l23_fields_that_came_later_still_read(path: Path) -> None:
    """Documents with fields that their schema got later are read and written as they were."""
    name, schema = path.stem.partition("+")[0], int(path.parent.name)
    text = path.read_text("utf-8").rstrip("\n")
    if name == "order":
        assert schema == codec.ORDER_SCHEMA
        assert codec.encode_order(codec.decode_order(text)) == text
    else:
        assert codec.encode_event(codec.decode_event(name, schema, text)) == text


def _told(thing: Any, seen: dict[type, set[str]]) -> None:
    """Note of each class which fields say something, at any depth."""
    if attrs.has(type(thing)):
        told = seen.setdefault(type(thing), set())
        for field in attrs.fields(type(thing)):
            found, default = getattr(thing, field.name), field.default
            if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
                default = default.factory()
            if default is attrs.NOTHING or found != default:
                told.add(field.name)
            _told(found, seen)
    elif isinstance(thing, tuple):
        for one in thing:
            _told(one, seen)


def test_l23_every_field_stands_in_a_stored_document() -> None:
    """A field that is left out where it holds its default has a document in which it holds something else."""
    seen: dict[type, set[str]] = {}
    for path in STORED.glob("*/*.json"):
        name, schema = path.stem.partition("+")[0], int(path.parent.name)
        text = path.read_text("utf-8").rstrip("\n")
        if name == "order":
            _told(codec.decode_order(text), seen)
        else:
            _told(codec.decode_event(name, schema, text), seen)
    missing = {
        f"{cls.__name__}.{field.name}"
        for cls, told in seen.items()
        for field in attrs.fields(cls)
        if field.init and field.name not in told
    }
    assert missing == set()
    assert len(seen) > len(EVENTS)


def test_fields_of_money_that_older_documents_lack_are_what_was_true_then() -> None:
    """An attempt, a refund and a plan from before money could be held were taken at once, by their own way."""
    payments = codec.decode_order(stored(1, "order")).payments
    for attempt in payments.attempts:
        assert (attempt.capture, attempt.several, attempt.backups) == (
            CaptureMoment.AT_ONCE,
            False,
            (),
        )
        assert (attempt.authorized, attempt.released, attempt.rounding, attempt.charged_back) == (
            0,
        ) * 4
        assert attempt.firm is (attempt.state is AttemptState.CAPTURED)
    for refund in payments.refunds:
        assert (refund.split, refund.consent, refund.surplus) == (RefundSplit.BY_ROW, "", False)
        assert not any(leg.released or leg.gateway or leg.tries for leg in refund.legs)
        assert refund.leg(0).key(refund.id, 0) == f"{refund.id}#0"
    assert (payments.captured, payments.received) == (45_107, 45_107)
    assert (payments.forfeited, payments.compensations, payments.shares) == (0, (), ())
    answered = codec.decode_event("payment.answered", 1, stored(1, "payment.answered"))
    assert isinstance(answered, AttemptAnswered)
    assert (answered.amount, answered.moved, answered.failure, answered.gateway) == (
        None,
        0,
        None,
        "",
    )


def test_a_default_that_is_left_out_is_part_of_the_format() -> None:
    """Fields that old documents leave out are read with the figures of the day they were written."""
    moved = codec.decode_event("order.moved", 1, '{"via":"pay","source":"a","to":"b"}')
    assert moved == Moved("pay", "a", "b", "")
    text = '{"kind":"channel","gateway":"g","account":"","amount":5}'
    tender = codec.from_plain(PlannedTender, json.loads(text))
    assert (tender.points, tender.kept, tender.quantum_points, tender.quantum_minor) == (0, 0, 1, 1)
    order = codec.decode_order(stored(1, "order"))
    assert (order.total, order.state, order.version) == (45_107, "completed", 36)
    assert order.content.placed_at == datetime(2026, 5, 20, 9, 30, 0, 123456, tzinfo=UTC)
    assert [attempt.state for attempt in order.payments.attempts] == [
        AttemptState.RETURNED, *[AttemptState.CAPTURED] * 4
    ]  # fmt: skip


def test_l23_what_was_closed_before_charts_said_so_reads_as_released() -> None:
    """In the first schema *closed* was what released an order: a move there, and an order there."""
    moved = codec.decode_event("order.moved", 1, '{"via":"cancel","source":"a","to":"closed"}')
    assert moved == Moved("cancel", "a", "closed", "", releases=True)
    text = stored(1, "order")
    assert not codec.decode_order(text).handling.released
    closed = codec.decode_order(text.replace('"state":"completed"', '"state":"closed"', 1))
    assert closed.handling == Handling(released=True)
    plain = json.loads(text.replace('"state":"completed"', '"state":"closed"', 1))
    content = plain.pop("content")
    again = codec.decode_state(closed.content, json.dumps(plain))
    assert (again, again.content.cart) == (closed, None)
    assert content["id"] == closed.id


def test_l23_the_cart_of_an_order_round_trips() -> None:
    """Discounts of every kind, attributes, what the host put in: all of it is priced again from what is read."""
    amended = next(e for e in HAPPENED if isinstance(e, Amended))
    again = read(amended, codec.encode_event(amended))
    assert isinstance(again, Amended)
    assert again.content.cart == story.cart(2)
    assert again.content.added == amended.content.added


@given(carts())
def test_l23_carts_round_trip_within_an_order(cart: Cart) -> None:
    """Whatever was bought, the order's document has it whole."""
    order = attrs.evolve(RICHEST, content=attrs.evolve(RICHEST.content, cart=cart))
    assert codec.decode_order(codec.encode_order(order)) == order


def test_the_form_is_compact_and_plain() -> None:
    """Enums stand by value, times as microseconds, goods as pairs, defaults not at all."""
    at = datetime(2026, 5, 20, 9, 30, 0, 1, tzinfo=UTC)
    answered = AttemptAnswered("a/1", AttemptState.CAPTURED, "ref", at)
    assert codec.encode_event(answered) == (
        '{"attempt":"a/1","state":"captured","reference":"ref","at":1779269400000001}'
    )
    assert codec.to_plain(Manifest.of({"1": 2, "2": 1})) == [["1", 2], ["2", 1]]


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    """A time is stored as a moment: what is read back is equal, and in UTC."""
    at = datetime(2026, 5, 20, 18, 30, tzinfo=timezone(timedelta(hours=9)))
    happened = AttemptAnswered("a/1", AttemptState.CAPTURED, "", at)
    again = read(happened, codec.encode_event(happened))
    assert again == happened
    assert isinstance(again, AttemptAnswered)
    assert again.at is not None
    assert again.at.tzinfo is UTC


def test_the_order_of_fields_does_not_matter() -> None:
    """A document whose fields stand in another order is the same document."""

    def turned(plain: Any) -> Any:
        if isinstance(plain, dict):
            return {key: turned(plain[key]) for key in reversed(plain)}
        return [turned(item) for item in plain] if isinstance(plain, list) else plain

    text = json.dumps(turned(json.loads(codec.encode_order(RICHEST))))
    assert codec.decode_order(text) == RICHEST


def test_null_is_read_where_a_field_may_be_none() -> None:
    """A field that may be ``None`` is read from ``null``, too, not only from its absence."""
    assert codec.decode_event(
        "payment.answered", 1, '{"attempt":"a","state":"open","at":null}'
    ) == AttemptAnswered("a", AttemptState.OPEN)


def broken(text: str) -> CorruptDocument:
    """The error of an order's document."""
    with pytest.raises(CorruptDocument) as caught:
        codec.decode_order(text)
    return caught.value


GONE = object()


@pytest.mark.parametrize(
    ("path", "junk", "where", "why"),
    [
        ("payments.attempts.2.state", GONE, "payments.attempts[2].state", "missing"),
        ("payments.attempts.2.state", "lost", "payments.attempts[2].state", "not one of open"),
        ("payments.attempts.2.amount", 1.5, "payments.attempts[2].amount", "not a fraction"),
        ("payments.attempts.2.amount", True, "payments.attempts[2].amount", "not a boolean"),
        ("payments.attempts.2.amount", "1", "payments.attempts[2].amount", "not a text"),
        ("payments.attempts.2.extra", 1, "payments.attempts[2].extra", "no field is called"),
        ("payments.plan.matrix.1.0", None, "payments.plan.matrix[1][0]", "not null"),
        ("payments.plan.rows.1", ["1"], "payments.plan.rows[1]", "2 items"),
        ("payments.plan.rows", "ab", "payments.plan.rows", "a list is expected"),
        ("payments.refunds.0.recognized", 1, "payments.refunds[0].recognized", "a boolean"),
        ("delivery.shipments.0.goods.0.1", "x", "delivery.shipments[0].goods[0][1]", "whole"),
        ("content.customer", [], "content.customer", "an object is expected, not a list"),
        ("content.lines.0.tax_included", 0, "content.lines[0].tax_included", "a boolean"),
        ("content.pay_by", "soon", "content.pay_by", "not a text"),
        ("entered_at", 10**30, "entered_at", "out of range"),
        ("version", None, "version", "not null"),
        ("schema", GONE, "schema", "missing"),
        ("schema", "1", "schema", "not a schema"),
        ("schema", 0, "schema", "not a schema"),
        ("surplus", 1, "surplus", "no field is called"),
    ],
)
def test_l24_a_broken_field_is_named(path: str, junk: object, where: str, why: str) -> None:
    """The error of a broken document says where in it and what was expected."""
    document = json.loads(codec.encode_order(RICHEST))
    spot, steps = document, path.split(".")
    for step in steps[:-1]:
        spot = spot[int(step)] if isinstance(spot, list) else spot[step]
    last: Any = int(steps[-1]) if isinstance(spot, list) else steps[-1]
    if junk is GONE:
        del spot[last]
    else:
        spot[last] = junk
    error = broken(json.dumps(document))
    assert error.path == where
    assert why in error.reason


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("null", "not a JSON object"),
        ("[]", "not a JSON object"),
        ('{"schema":1', "not JSON"),
        ('{"schema":1,"version":NaN}', "NaN is no JSON"),
        ('{"schema":1,"version":-Infinity}', "-Infinity is no JSON"),
        ('{"schema":1}{}', "more than one"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema":1,"version":' + "9" * 5_000 + "}", "not JSON"),
    ],
)
def test_l24_what_is_no_document_is_corrupt(text: str, why: str) -> None:
    """Texts that are not one JSON object are refused with a reason."""
    assert why in broken(text).reason
    with pytest.raises(CorruptDocument):
        codec.decode_event("order.moved", 1, text)


@pytest.mark.parametrize("junk", ['"ab"', '{"a":"b"}', "[1]", "null", "[[]]"])
def test_l24_what_only_looks_like_a_list_is_corrupt(junk: str) -> None:
    """A text or an object is no list of texts, though one can walk through it."""
    with pytest.raises(CorruptDocument) as caught:
        codec.decode_event("payment.undo_asked", 1, f'{{"attempts":{junk}}}')
    assert caught.value.path.startswith("attempts")


def spots(plain: Any) -> list[tuple[Any, Any]]:
    """Every place in a document: its container and its key."""
    if isinstance(plain, dict | list):
        keys = list(plain) if isinstance(plain, dict) else list(range(len(plain)))
        return [pair for key in keys for pair in [(plain, key), *spots(plain[key])]]
    return []


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.just([]), st.just({}),
    st.lists(st.integers(), max_size=2), st.dictionaries(TEXTS, st.integers(), max_size=2),
)  # fmt: skip


@given(st.sampled_from(HAPPENED), st.data())
def test_l24_a_damaged_event_never_raises_anything_else(happened: Event, data: Any) -> None:
    """A document with junk somewhere in it is read, or refused with an error of the tree."""
    document = {"payload": json.loads(codec.encode_event(happened))}
    spot, key = data.draw(st.sampled_from(spots(document)))
    spot[key] = data.draw(JUNK)
    text = json.dumps(document["payload"])
    try:
        again = read(happened, text)
    except UnreadableData:
        return
    assert read(happened, codec.encode_event(again)) == again


@given(st.sampled_from(HAPPENED), st.data())
def test_l24_a_cut_document_is_corrupt(happened: Event, data: Any) -> None:
    """However much of a document's end is missing, it is refused."""
    text = codec.encode_event(happened)
    with pytest.raises(CorruptDocument):
        read(happened, text[: data.draw(st.integers(0, len(text) - 1))])


def test_a_later_schema_is_told_from_a_broken_one() -> None:
    """A document of a later version is a `NewerDocument`, which says both numbers."""
    with pytest.raises(NewerDocument) as caught:
        codec.decode_event("order.moved", 3, '{"via":"pay","source":"a","to":"b"}')
    assert caught.value.data == {"document": "order.moved", "found": 3, "known": 2}
    text = codec.encode_order(RICHEST).replace('"schema":2', '"schema":7', 1)
    with pytest.raises(NewerDocument):
        codec.decode_order(text)
    with pytest.raises(NewerDocument):
        codec.decode_state(RICHEST.content, text)


def test_an_unknown_event_is_corrupt() -> None:
    """A name that no event has is refused by name."""
    with pytest.raises(CorruptDocument) as caught:
        codec.decode_event("order.vanished", 1, "{}")
    assert caught.value.path == "name"


def test_a_state_does_not_carry_the_content() -> None:
    """What was agreed is stored once: a state that has it too is refused."""
    text = codec.encode_order(RICHEST)
    with pytest.raises(CorruptDocument) as caught:
        codec.decode_state(RICHEST.content, text)
    assert caught.value.path == "content"
    assert '"lines"' not in codec.encode_state(RICHEST)


@event("test.counted", schema=3)
class Counted(Event):
    """An event that has had three shapes."""

    units: int
    reason: str


STEPS = {
    1: lambda plain: {"units": int(plain["count"]), "why": "?"},
    2: lambda plain: {"units": plain["units"], "reason": plain["why"]},
}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (1, '{"count":"4"}'),
        (2, '{"units":4,"why":"?"}'),
        (3, '{"units":4,"reason":"?"}'),
    ],
)
def test_older_documents_are_lifted(
    schema: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upcasters lead every earlier schema up to the present one, step by step."""
    monkeypatch.setitem(EVENTS, Counted.name, Counted)
    monkeypatch.setattr(codec, "UPCASTERS", {Counted.name: STEPS})
    assert codec.decode_event(Counted.name, schema, text) == Counted(4, "?")


def test_a_document_that_cannot_be_lifted_is_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that stumbles over a broken old document does not show its own error."""
    monkeypatch.setitem(EVENTS, Counted.name, Counted)
    monkeypatch.setattr(codec, "UPCASTERS", {Counted.name: STEPS})
    with pytest.raises(CorruptDocument) as caught:
        codec.decode_event(Counted.name, 1, "{}")
    assert "schema 1" in caught.value.reason


def test_every_schema_has_its_way_up() -> None:
    """For each event, and for the order, there is a step from every schema before the present."""
    for name, latest in [(n, c.schema) for n, c in EVENTS.items()] + [
        ("order", codec.ORDER_SCHEMA)
    ]:
        assert set(codec.UPCASTERS.get(name, {})) == set(range(1, latest))


@pytest.mark.parametrize(
    "made",
    [
        story.cart(),
        Notification("e", "k", Outcome(OutcomeStatus.CAPTURED)),
        story.TIMEOUTS,
        story.SHOPPER,
        CHANGES[0].receipt,
        CHANGES[0].timers_set[0],
    ],
    ids=lambda made: type(made).__name__,
)
def test_other_values_have_a_plain_form(made: Any) -> None:
    """Carts, notifications, policies and the like go through JSON and come back equal."""
    plain = json.loads(json.dumps(codec.to_plain(made)))
    assert codec.from_plain(type(made), plain) == made


def test_l23_policies_round_trip() -> None:
    """The default policies go through JSON and come back equal."""
    for room in attrs.fields(Policies):
        policy = getattr(Policies(), room.name)
        assert (
            codec.from_plain(type(policy), json.loads(json.dumps(codec.to_plain(policy)))) == policy
        )


@pytest.mark.parametrize(
    ("path", "junk", "where"),
    [
        (("unit_price",), {"amount": 1, "currency": "EUR"}, "lines[0].unit_price"),
        (("unit_price",), {"amount": "1.001", "currency": "EUR"}, "lines[0].unit_price"),
        (("unit_price",), {"amount": "1"}, "lines[0].unit_price"),
        (("discounts", 0), {"type": "gift"}, "lines[0].discounts[0]"),
        (("discounts", 0), {"label": "x"}, "lines[0].discounts[0]"),
        (("discounts", 0, "percent"), {"ppm": "1"}, "lines[0].discounts[0].percent.ppm"),
    ],
)
def test_a_broken_plain_value_is_named(path: tuple[Any, ...], junk: Any, where: str) -> None:
    """Money and members of a union that do not fit are refused with their path."""
    plain = codec.to_plain(story.cart())
    spot = plain["lines"][0]
    for step in path[:-1]:
        spot = spot[step]
    spot[path[-1]] = junk
    with pytest.raises(CorruptDocument) as caught:
        codec.from_plain(Cart, plain)
    assert caught.value.path == where


def test_documents_are_read_without_cattrs() -> None:
    """Reading and writing what is stored loads neither cattrs nor Babel."""
    program = (
        "import sys\nfrom ordercore import codec\n"
        'happened = codec.decode_event(\'order.moved\', 1, \'{"via":"a","source":"b","to":"c"}\')\n'
        "codec.encode_event(happened)\n"
        "assert not {'cattrs', 'babel', 'moneyed'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=STORED.parents[1] / "src")


def test_a_placed_order_of_many_lines_reads() -> None:
    """The number of lines does not matter."""
    placed = Placed(story.content(lines=300), "pending_payment")
    assert read(placed, codec.encode_event(placed)) == placed
