"""Tracking numbers: whose they may be, and what their check digits prove."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.fulfillment.tracking import (
    LOOKS,
    NUMBER_MAX,
    NumberLook,
    guess_carrier,
    s10_check_digit,
)

DIGITS = st.text("0123456789", min_size=8, max_size=8)


@pytest.mark.parametrize(
    ("number", "carrier"),
    [
        ("1Z5R89390357567127", "ups"),
        ("1Z879E930346834440", "ups"),
        ("986578788855", "fedex"),
        ("0414 4176 0228 964", "fedex"),
        ("9611020987654312345672", "fedex"),
        ("1001921334250001000300779017972697", "fedex"),
        ("9622001900000000000000776632517510", "fedex"),
        ("0307 1790 0005 2348 3741", "usps"),
        ("420 22153 9101026837331000039521", "usps"),
        ("9405803699300124287899", "usps"),
        ("73891051146", "dhl"),
        ("3318810025", "dhl"),
        ("RB123456785GB", "post"),
    ],
)
def test_a_right_check_digit_proves_the_carrier(number: str, carrier: str) -> None:
    """Published examples of each carrier are guessed first, as proven."""
    best = guess_carrier(number)[0]
    assert (best.carrier, best.proven) == (carrier, True)


@pytest.mark.parametrize(
    "number",
    ["1Z1111111111111111", "996578788855", "568283610012732", "3318810010", "RB123456786US"],
)
def test_a_wrong_check_digit_is_nobodys_number(number: str) -> None:
    """A number that looks like a carrier's and has a wrong check digit is not guessed."""
    assert guess_carrier(number) == ()


def test_the_post_is_that_of_the_country_in_the_number() -> None:
    """The last two letters of an S10 number name where it was given out."""
    assert guess_carrier("ee 473124829 cn")[0].country == "CN"


def test_a_look_without_a_check_digit_is_no_proof() -> None:
    """Carriers whose rule is not known are guessed by their letters alone, and that is said."""
    assert [(g.carrier, g.proven) for g in guess_carrier("SF1234567890123")] == [("sf", False)]
    assert [(g.carrier, g.proven) for g in guess_carrier("YT1234567890123")] == [("yto", False)]


@given(DIGITS, st.integers(0, 7), st.integers(1, 9))
def test_one_wrong_digit_of_an_s10_number_is_found(serial: str, place: int, more: int) -> None:
    """Any single digit that was misread gives another check digit, but for the two that are written alike."""
    wrong = f"{serial[:place]}{(int(serial[place]) + more) % 10}{serial[place + 1 :]}"
    first, second = s10_check_digit(serial), s10_check_digit(wrong)
    assert first != second or first in {0, 5}


@given(st.text(string.ascii_letters + string.digits + " -\u0661\n", max_size=NUMBER_MAX + 2))
def test_l24_any_text_is_guessed_without_a_fault(text: str) -> None:
    """Whatever is typed, the answer is a list, and the same in capitals and with spaces."""
    found = guess_carrier(text)
    if len(text) < NUMBER_MAX:
        assert guess_carrier(f" {text.lower()}") == found


def test_a_shop_may_bring_looks_of_its_own() -> None:
    """A look is data: the shop's local courier is guessed like any other."""
    own = NumberLook("bikes", "BK", re.compile(r"BK[0-9]{6}"), None, "our courier")
    assert guess_carrier("BK123456", (own, *LOOKS))[0].carrier == "bikes"
    assert guess_carrier("BK123456") == ()


def test_every_look_names_its_source() -> None:
    """Nothing is shipped as known that does not say from where."""
    assert all(look.source for look in LOOKS)
