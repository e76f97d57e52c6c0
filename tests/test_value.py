"""Values: equal by their fields, hashable, shown as they are made."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from ordercore.value import CHECKED, value


@value
class _Point:
    x: int
    y: int = 0


@value
class _Spot(_Point):
    name: str = ""


@value
class _Pair:
    x: int
    y: int = 0


@value
class _Alone:
    x: object


@value
class _Nothing:
    pass


@value
class _Void:
    pass


@value
class _Part:
    x: int
    known: dict[str, int] = attrs.field(factory=dict, hash=False)
    index: dict[str, int] = attrs.field(factory=dict, eq=False, repr=False)


@value
class _Own:
    x: int
    y: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Own) and self.x == other.x

    def __hash__(self) -> int:
        return hash(self.x)


def test_values_of_one_class_are_equal_by_their_fields() -> None:
    """Each field counts, inherited ones too; what is equal has one hash."""
    assert _Point(1, 2) == _Point(1, 2)
    assert hash(_Point(1, 2)) == hash(_Point(1, 2))
    assert _Point(1, 2) != _Point(1, 3)
    assert _Spot(1, 2, "a") == _Spot(1, 2, "a")
    assert _Spot(1, 2, "a") != _Spot(3, 2, "a")
    assert _Alone([1]) == _Alone([1])
    assert _Alone(1) != _Alone(2)


@pytest.mark.parametrize("other", [_Pair(1, 2), _Spot(1, 2), (1, 2), None, 1])
def test_a_value_equals_nothing_of_another_class(other: Any) -> None:
    """Not with the same fields, not a subclass, not the tuple of its fields; either way round."""
    assert _Point(1, 2) != other
    assert other != _Point(1, 2)


def test_values_without_fields_are_equal_by_their_class() -> None:
    """There is one such value, as it were."""
    assert _Nothing() == _Nothing()
    assert hash(_Nothing()) == hash(_Nothing())
    assert _Nothing() != _Void()
    assert len({_Nothing(), _Nothing(), _Void()}) == 2


def test_a_field_that_does_not_count_neither_parts_values_nor_spoils_their_hash() -> None:
    """``eq=False`` is for indexes, ``hash=False`` for mappings."""
    assert _Part(1, {"a": 1}, {"b": 1}) == _Part(1, {"a": 1}, {})
    assert _Part(1, {"a": 1}) != _Part(1, {"a": 2})
    assert hash(_Part(1, {"a": 1})) == hash(_Part(1, {"a": 2}))


def test_a_value_of_what_has_no_hash_has_none() -> None:
    """A list in a field is told by the error that a list gives."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(_Alone([1]))


def test_a_class_keeps_its_own_equality() -> None:
    """What a class says itself is not written over."""
    assert _Own(1, 2) == _Own(1, 3)
    assert hash(_Own(1, 2)) == hash(_Own(1, 3))


def test_a_value_shows_its_fields() -> None:
    """As it would be made, without what is not shown."""
    assert repr(_Point(1, 2)) == "_Point(x=1, y=2)"
    assert repr(_Part(1, {})) == "_Part(x=1, known={})"


def test_a_value_has_no_other_attributes_and_in_checked_mode_none_is_set() -> None:
    """Slots hold the fields; tests run with values that are frozen, too."""
    point: Any = _Point(1, 2)
    with pytest.raises(AttributeError):
        point.z = 3
    if CHECKED:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            point.x = 3
    assert point == _Point(1, 2)
