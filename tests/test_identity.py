from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidPolicy
from ordercore.identity import CountedIds, NumberTemplate, SystemIds

DAY = datetime(2026, 5, 20, 23, 59, tzinfo=UTC)


def test_system_ids_are_fresh_and_name_their_kind() -> None:
    """A thousand ids are a thousand different ones: kind, then 32 hex digits."""
    ids = SystemIds()
    found = {ids.new("ord") for _ in range(1_000)}
    assert len(found) == 1_000
    assert all(re.fullmatch(r"ord_[0-9a-f]{32}", name) for name in found)


def test_system_ids_sort_by_their_millisecond() -> None:
    """The first twelve digits are the time, so a later id never sorts before an earlier millisecond."""
    ids = SystemIds()
    stamps = [ids.new("o")[2:14] for _ in range(1_000)]
    assert stamps == sorted(stamps)


def test_counted_ids_are_the_same_in_each_run() -> None:
    """Two counters give the same ids, across kinds."""
    runs = [[ids.new(kind) for kind in "aab"] for ids in (CountedIds(), CountedIds())]
    assert runs == [["a_1", "a_2", "b_3"]] * 2
    assert CountedIds(7).new("o") == "o_7"


@pytest.mark.parametrize(
    ("text", "sequence", "number"),
    [
        ("ORD-{seq:010}", "ORD-", "ORD-0000000023"),
        ("{seq}", "", "23"),
        ("HB{date}-{seq:06}", "HB20260520-", "HB20260520-000023"),
        ("{shop}/{seq:3}/{date}", "north//20260520", "north/023/20260520"),
    ],
)
def test_a_template_names_its_sequence_and_its_number(
    text: str, sequence: str, number: str
) -> None:
    """The sequence is the text around the count, so a template with a date counts anew each day."""
    template = NumberTemplate(text)
    template.check()
    assert template.sequence(DAY, "north") == sequence
    assert template.render(DAY, "north", 23) == number


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_two_counts_give_two_numbers(first: int, second: int) -> None:
    """Within a sequence, different counts never look the same, also beyond the width."""
    template = NumberTemplate("A{seq:04}")
    numbers = {template.render(DAY, "", first), template.render(DAY, "", second)}
    assert len(numbers) == len({first, second})


@pytest.mark.parametrize(
    "text", ["ORD", "{seq}{seq:4}", "{seq}{", "{number}", "{seq:x}", "{seq:}", ""]
)
def test_a_template_that_cannot_number_is_refused(text: str) -> None:
    """Exactly one count, and no field but date, shop and seq; the path is the policy's."""
    with pytest.raises(InvalidPolicy) as caught:
        NumberTemplate(text).check("orders.number")
    assert caught.value.path == "orders.number"
