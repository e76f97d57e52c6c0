"""What a search means, whatever the store: numbers, bounds, cursors."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput
from ordercore.order import PaymentStanding
from ordercore.party import Attribution
from ordercore.ports import OrderQuery
from ordercore.pricing import PricingPolicy, quote
from ordercore.searching import (
    FIND_MAX,
    Place,
    Target,
    checked_search,
    cursor_behind,
    number_rank,
    numeric_tail,
)
from ordercore.testing import START, Story, order_a, order_content

QUOTE = quote(order_a(), PricingPolicy(), START)


def cursor(query: OrderQuery, name: str = "o-1", line: str | None = None, **fields: Any) -> str:
    """The cursor behind an order of order A, or behind a line of it."""
    content = order_content(QUOTE, id=name, **fields)
    return cursor_behind(query, Story(content).order, line)


def query_after(text: str, **fields: Any) -> OrderQuery:
    """The search that goes on behind a cursor."""
    return OrderQuery(**fields, after=text)


# Numbers.


@pytest.mark.parametrize(
    ("number", "wanted", "rank"),
    [
        ("ORD-0000000023", "23", 0),
        ("ORD-0000000023", "023", 0),
        ("ORD-0000000023", "ORD-0000000023", 0),
        ("23", "23", 0),
        ("ORD-123", "23", 1),
        ("ORD-123", "023", None),
        ("ORD-1023", "023", 1),
        ("ORD-230", "23", None),
        ("ORD-23x", "23", None),
        ("ORD-000", "0", 0),
        ("ORD-10", "0", 1),
        ("ORD-X", "0", None),
        ("", "0", None),
        ("ORD-23", "RD-23", None),
        ("ORD-23", "", 0),
        ("ORD-٢٣", "23", None),
        ("ORD-٢٣", "٢٣", None),
    ],
)
def test_a_number_is_asked_for_by_its_last_digits(
    number: str, wanted: str, rank: int | None
) -> None:
    """All digits that it ends in, zeros aside, are the number; fewer of them come second."""
    assert number_rank(number, wanted) == rank


@given(st.text("A-", max_size=2), st.integers(0, 2_000), st.integers(0, 12), st.integers(0, 3_000))
def test_exact_tails_are_equal_numbers(head: str, count: int, width: int, wanted: int) -> None:
    """Digits name the number whose count they are, however many zeros stand before it."""
    number = f"{head}{count:0{width}}"
    assert (number_rank(number, str(wanted)) == 0) is (count == wanted)
    assert (number_rank(number, str(wanted)) is not None) is (
        count == wanted or number.endswith(str(wanted))
    )
    assert numeric_tail(number) == (str(count) if count else "")


# Cursors.


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(-12, 12),
    st.sampled_from(["ORD-23", "ORD-123"]),
    st.none() | st.text("ab-é1", max_size=5),
)
def test_a_cursor_names_the_row_that_it_was_made_from(
    name: str, naive: datetime, zone: int, number: str, line: str | None
) -> None:
    """Its rank, its moment, its id and its line come back, from whatever zone the moment was told in."""
    at = naive.replace(tzinfo=timezone(timedelta(hours=zone)))
    target = Target.ORDERS if line is None else Target.ITEMS
    text = cursor(OrderQuery(number="23"), name, line, at=at, number=number)
    assert text.isascii()
    found = checked_search(query_after(text, number="23", limit=7), target)
    assert found == Place(int(number == "ORD-123"), at, name, line or "")


def test_the_first_page_has_no_cursor() -> None:
    """A search without a cursor begins at the beginning."""
    assert checked_search(OrderQuery(), Target.ORDERS) is None


@given(
    st.text(max_size=40)
    | st.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode())
)
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    """Whatever a client sends in its stead, the error is ours and says where."""
    if text:
        with pytest.raises(InvalidInput) as caught:
            checked_search(query_after(text), Target.ORDERS)
        assert caught.value.path == "after"


DIGEST, RANK, AT, NAME, LINE = json.loads(
    base64.urlsafe_b64decode(cursor(OrderQuery()) + "=" * 3).decode()
)


@pytest.mark.parametrize(
    "held",
    [
        [DIGEST, RANK, AT, NAME],
        [DIGEST, 2, AT, NAME, LINE],
        [DIGEST, True, AT, NAME, LINE],
        [DIGEST, [], AT, NAME, LINE],
        [DIGEST, RANK, "2026-05-20T12:00:00", NAME, LINE],
        [DIGEST, RANK, "2026-05-20T12:00:00Z", NAME, LINE],
        [DIGEST, RANK, "0001-01-01T00:00:00+14:00", NAME, LINE],
        [DIGEST, RANK, 7, NAME, LINE],
        [DIGEST, RANK, AT, 7, LINE],
        [DIGEST, RANK, AT, NAME, None],
        [DIGEST, RANK, AT, "a\0", LINE],
        [DIGEST, RANK, AT, "\ud800", LINE],
        [7, RANK, AT, NAME, LINE],
        {DIGEST: 1, "a": 2, "b": 3, "c": 4, "d": 5},
        "abcde",
        7,
    ],
)
def test_a_forged_cursor_is_refused(held: Any) -> None:
    """Each part of a cursor is looked at; nothing else stands in it."""
    raw = json.dumps(held, separators=(",", ":")).encode()
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    with pytest.raises(InvalidInput) as caught:
        checked_search(query_after(text), Target.ORDERS)
    assert caught.value.path == "after"


OTHERS: list[dict[str, Any]] = [
    {"number": "24"},
    {"customer": "c"},
    {"shop": "s"},
    {"states": ("paid",)},
    {"placed_from": START},
    {"placed_before": START},
    {"payment": PaymentStanding.PAID},
    {"tags": ("vip",)},
    {"attribution": Attribution(campaign="spring")},
    {"sku": "TEA"},
    {"item_status": "packed"},
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda other: next(iter(other)))
def test_a_cursor_goes_on_with_its_own_search_only(other: dict[str, Any]) -> None:
    """Every condition is part of the search that a cursor belongs to; the size of the page is not."""
    mine = OrderQuery(**other)
    text = cursor(mine)
    assert checked_search(query_after(text, **other, limit=1), Target.ORDERS) is not None
    for query, target in (
        (query_after(text), Target.ORDERS),
        (query_after(text, **other), Target.ITEMS),
        (query_after(cursor(OrderQuery()), **other), Target.ORDERS),
    ):
        with pytest.raises(InvalidInput, match="another search"):
            checked_search(query, target)


def test_the_same_search_in_other_words_is_the_same() -> None:
    """The order of states and tags and the zone of a moment do not make another search."""
    there = START.astimezone(timezone(timedelta(hours=8)))
    text = cursor(OrderQuery(states=("a", "b"), tags=("x", "y"), placed_from=START))
    again = OrderQuery(states=("b", "a", "b"), tags=("y", "x"), placed_from=there, after=text)
    assert checked_search(again, Target.ORDERS) is not None


# Bounds.


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": FIND_MAX + 1}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"number": 23}, "number"),
        ({"customer": None}, "customer"),
        ({"shop": "x" * 401}, "shop"),
        ({"sku": "a\0b"}, "sku"),
        ({"item_status": "\ud800"}, "item_status"),
        ({"states": "paid"}, "states"),
        ({"states": ("paid", 7)}, "states[1]"),
        ({"states": ("paid",) * 101}, "states"),
        ({"tags": ("vip",) * 51}, "tags"),
        ({"tags": {"vip"}}, "tags"),
        ({"attribution": "web"}, "attribution"),
        ({"attribution": Attribution(7)}, "attribution.site"),  # type: ignore[arg-type]
        ({"placed_from": datetime(2026, 5, 20)}, "placed_from"),  # noqa: DTZ001
        ({"placed_before": "today"}, "placed_before"),
        ({"payment": "paid"}, "payment"),
        ({"delivery": PaymentStanding.PAID}, "delivery"),
        ({"after": None}, "after"),
    ],
    ids=repr,
)
def test_a_search_that_cannot_be_made_is_refused_by_its_path(
    fields: dict[str, Any], path: str
) -> None:
    """Each field has its type and its bounds."""
    with pytest.raises(InvalidInput) as caught:
        checked_search(OrderQuery(**fields), Target.ORDERS)
    assert caught.value.path == path


def test_a_search_at_its_bounds_is_made() -> None:
    """The bounds themselves are within."""
    at = datetime(2026, 5, 20, tzinfo=UTC)
    query = OrderQuery(
        "1" * 400, states=("a",) * 100, tags=("a",) * 50, limit=FIND_MAX, placed_from=at
    )
    assert checked_search(query, Target.ITEMS) is None
