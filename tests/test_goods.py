from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidManifest, InvalidQuantity
from ordercore.goods import QUANTITY_MAX, Manifest, quantity

units = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1_000), max_size=5)
manifests = units.map(Manifest.of)


@given(manifests, manifests)
def test_what_is_added_can_be_taken_away(left: Manifest, right: Manifest) -> None:
    """Adding and taking away the same goods gives the same goods."""
    both = left + right
    assert (both - right).as_dict() == left.as_dict()
    assert both.total() == left.total() + right.total()
    assert both.covers(left)
    assert both.covers(right)


@given(manifests, manifests)
def test_taking_away_works_exactly_where_it_is_covered(left: Manifest, right: Manifest) -> None:
    """A manifest gives what it covers, and refuses the rest, naming line, units and what was asked."""
    if left.covers(right):
        rest = left - right
        assert all(rest.units(line) == left.units(line) - right.units(line) for line in "abcdef")
        assert all(number > 0 for _, number in rest)
    else:
        with pytest.raises(InvalidManifest) as caught:
            left - right
        line = caught.value.data["line"]
        assert isinstance(line, str)
        assert caught.value.path == f"[{line}]"
        assert caught.value.data == {
            "line": line,
            "have": left.units(line),
            "asked": right.units(line),
        }


@given(manifests)
def test_all_less_all_is_nothing(goods: Manifest) -> None:
    """Taking everything leaves an empty manifest, which is false."""
    assert not goods - goods
    assert (goods - goods) == Manifest()
    assert bool(goods) is (goods.total() > 0)


def test_lines_stay_in_the_order_in_which_they_were_named() -> None:
    """A manifest lists its lines as they came; added lines come after."""
    both = Manifest.of({"b": 1, "a": 2}) + Manifest.of([("c", 3), ("b", 1)])
    assert list(both) == [("b", 2), ("a", 2), ("c", 3)]
    assert both.units("z") == 0


def test_a_line_named_twice_is_refused() -> None:
    """Two counts for one line contradict each other."""
    with pytest.raises(InvalidManifest) as caught:
        Manifest.of([("a", 1), ("a", 2)], "goods")
    assert (caught.value.path, caught.value.data) == ("goods", {"line": "a"})


@pytest.mark.parametrize(
    "number",
    [0, -1, QUANTITY_MAX + 1, 10**30, 1.0, float("nan"), True, None, "1", Decimal(1)],
    ids=["zero", "negative", "large", "huge", "float", "nan", "bool", "none", "text", "decimal"],
)
def test_what_is_no_quantity_is_refused(number: Any) -> None:
    """A quantity is a whole number from 1 to a thousand million; all else is refused at its path."""
    with pytest.raises(InvalidQuantity) as caught:
        quantity(number, "lines[0].quantity")
    assert caught.value.path == "lines[0].quantity"
    with pytest.raises(InvalidQuantity) as caught:
        Manifest.of({"a": number}, "goods")
    assert caught.value.path == "goods[a]"
    with pytest.raises(InvalidQuantity) as caught:
        Manifest.of({"a": number})
    assert caught.value.path == "[a]"


@pytest.mark.parametrize("number", [1, QUANTITY_MAX])
def test_the_bounds_of_a_quantity_are_within_it(number: int) -> None:
    """One unit and the largest quantity are quantities."""
    assert quantity(number) == number
