from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordercore.errors import InvalidPolicy
from ordercore.identity import CountedIds, NumberTemplate, SystemIds
from ordercore.policy import Policies

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


PIECES = ["{date}", "{shop}", "{seq}", "{seq:03}", "-", "A", "0", "7", "x1"]
WHEN = st.tuples(
    st.integers(0, 2).map(lambda days: DAY + timedelta(days=days)),
    st.sampled_from(["", "0", "1", "5", "A", "-", "1-1", "20260520", "{seq}", "{date}"]),
    st.integers(1, 250),
)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), WHEN, WHEN)
def test_no_two_counts_of_a_template_look_the_same(
    text: str, first: tuple[datetime, str, int], second: tuple[datetime, str, int]
) -> None:
    """What a checked template makes of different counts, or of counts of different sequences, differs."""
    template = NumberTemplate(text)
    try:
        template.check()
    except InvalidPolicy:
        assume(False)
    taken, numbers = set(), set()
    for at, shop, count in (first, second):
        taken.add((template.sequence(at, shop), count))
        numbers.add(template.render(at, shop, count))
    assert len(numbers) >= len(taken)


@pytest.mark.parametrize(
    "text",
    ["{shop}{seq}", "{seq}{shop}", "{date}{seq:4}", "{seq}{date}", "{shop}1{seq}", "{seq}0{shop}"],
)
def test_a_count_that_runs_into_a_field_is_refused(text: str) -> None:
    """Where shop 1 counts to 12 and shop 11 to 2, a sign must keep the two apart."""
    with pytest.raises(InvalidPolicy, match="put a sign between them"):
        NumberTemplate(text).check()


def test_the_day_of_a_number_is_that_of_its_zone() -> None:
    """At half past four in the afternoon of UTC the next day has begun in Shanghai, and counts anew."""
    template = NumberTemplate("HB{date}-{seq:06}", "Asia/Shanghai")
    template.check()
    before = datetime(2026, 5, 20, 15, 59, 59, tzinfo=UTC)
    assert template.render(before, "", 7) == "HB20260520-000007"
    assert template.sequence(before + timedelta(seconds=1), "") == "HB20260521-"


@pytest.mark.parametrize("zone", ["Asia/Shangri-La", "", "../UTC", "/etc/passwd", "Asia", None])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    """A zone is a name of the time zone database; the path is that of the policy's key."""
    with pytest.raises(InvalidPolicy) as caught:
        NumberTemplate("{date}-{seq}", zone).check("numbers.template")
    assert caught.value.path == "numbers.zone"


def test_a_policy_document_names_the_zone() -> None:
    """Template and zone are keys of the table [numbers]."""
    text = '[numbers]\ntemplate = "HB{date}-{seq:06}"\nzone = "Asia/Shanghai"\n'
    found = Policies.parse(text).numbers
    assert found == NumberTemplate("HB{date}-{seq:06}", "Asia/Shanghai")
    assert Policies.parse(Policies(numbers=found).dump()).numbers == found
    with pytest.raises(InvalidPolicy) as caught:
        Policies.parse(text.replace("Shanghai", "Shangri-La"))
    assert caught.value.path == "numbers.zone"
