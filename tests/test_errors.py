from __future__ import annotations

import copy
import json
import pickle
import re
from typing import TYPE_CHECKING

import pytest

from ordercore import errors
from ordercore.errors import GatewayTimeout, InvalidCart, NotAllowed, OrdercoreError

if TYPE_CHECKING:
    from collections.abc import Iterator


def tree(root: type[OrdercoreError] = OrdercoreError) -> Iterator[type[OrdercoreError]]:
    """A class of the tree and all below it."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


ALL = list(tree())


def test_codes_are_stable_words_and_no_two_are_equal() -> None:
    """A host may switch on the code: each class has its own, a lower-case word."""
    codes = [cls.code for cls in ALL]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_each_error_speaks_the_same_way(cls: type[OrdercoreError]) -> None:
    """Reason, path, data and status stand in the same place on every error, and go out as plain JSON."""
    error = cls("pay by this card", path="tenders[0]", amount=5, allowed=("a", "b"))
    assert str(error) == "pay by this card (at tenders[0])"
    assert 400 <= error.http_status < 600
    told = json.loads(json.dumps(error.as_dict()))
    assert told == {
        "code": cls.code,
        "reason": "pay by this card",
        "path": "tenders[0]",
        "data": {"amount": 5, "allowed": ["a", "b"]},
    }


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_each_class_stands_in_the_drawing(cls: type[OrdercoreError]) -> None:
    """The tree in the module's docstring names each class there is."""
    assert re.search(rf"\b{cls.__name__}\b", errors.__doc__ or "")


def test_the_branches_say_whose_turn_it_is() -> None:
    """Bad input is the caller's, a refusal is the state's, a failing port is the other side's."""
    assert {cls.http_status for cls in tree(errors.InvalidInput)} == {422}
    assert {cls.http_status for cls in tree(errors.Refused)} == {409}
    assert {cls.http_status for cls in tree(errors.NotFound)} == {404}
    assert issubclass(GatewayTimeout, errors.OtherSideFailed)


@pytest.mark.parametrize(
    ("path", "prefix", "full"),
    [
        ("quantity", "lines[2]", "lines[2].quantity"),
        ("[2]", "lines", "lines[2]"),
        ("", "cart", "cart"),
        ("cart", "", "cart"),
    ],
)
def test_a_path_grows_from_the_inside_out(path: str, prefix: str, full: str) -> None:
    """Each level puts its own name in front, and hands the same error on."""
    error = InvalidCart("price a cart", path=path)
    assert error.at(prefix) is error
    assert error.path == full


def test_an_error_can_be_pickled_and_copied() -> None:
    """An error crosses processes with its class, reason, path and data."""
    error = NotAllowed("it is closed", path="order", allowed=("refund",))
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is NotAllowed
        assert again.as_dict() == error.as_dict()
        assert str(again) == str(error)
