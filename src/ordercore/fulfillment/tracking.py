"""Whose number is this: a carrier guessed from the look of a tracking number and from its check digit.

A guess, not a fact: carriers share looks, so several may fit. Numbers whose check digit proves right come first, the
more digits it proves the better; a number whose check digit is wrong is not guessed at all.

Where the looks come from is said with each. What is marked *from memory* was not looked up: it decides nothing that
could not be put right by naming the carrier.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["NUMBER_MAX", "CarrierGuess", "NumberLook", "guess_carrier", "s10_check_digit"]

NUMBER_MAX = 64
"""Longest text that is read as a tracking number."""
_SPACES = re.compile(r"[\s\-.]+")


@value
class CarrierGuess:
    """A carrier whose numbers look like this. ``proven``: a check digit says so too. ``country`` is where the number
    was given out (ISO 3166-1 alpha-2), where the number says so."""

    carrier: str
    look: str
    proven: bool
    country: str = ""


@value
class NumberLook:
    """How a carrier's numbers look: a pattern of the whole number, without spaces and in capitals.

    ``check`` says whether the check digit is right, of a number that fits; ``None`` where there is none that is known.
    ``source`` names where this was taken from.
    """

    carrier: str
    name: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] | None
    source: str


# Check digits -----------------------------------------------------------------------------------


def _digits(text: str) -> list[int]:
    return [int(sign) for sign in text]


def _weighed(digits: Sequence[int], weights: Sequence[int]) -> int:
    return sum([digit * weight for digit, weight in zip(digits, weights, strict=True)])


def s10_check_digit(serial: str) -> int:
    """The check digit of the eight digits of an S10 identifier (UPU standard S10).

    The digits are weighed 8, 6, 4, 2, 3, 5, 9, 7; eleven less the rest by eleven, where 10 is written 0 and 11 as 5.

    >>> s10_check_digit("47312482")
    9
    """
    check = 11 - _weighed(_digits(serial), (8, 6, 4, 2, 3, 5, 9, 7)) % 11
    return {10: 0, 11: 5}.get(check, check)


def _s10(number: str) -> bool:
    return s10_check_digit(number[2:10]) == int(number[10])


def _ups(number: str) -> bool:
    """Letters count as the last digit of their place from A = 2 (ASCII less 63); every second sign twice."""
    body = [int(s) if s.isdigit() else (ord(s) - 63) % 10 for s in number[2:17]]
    total = sum([d * (2 if i % 2 else 1) for i, d in enumerate(body)])
    return -total % 10 == int(number[17])


def _fedex_12(number: str) -> bool:
    weights = (3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1)
    return _weighed(_digits(number[:11]), weights) % 11 % 10 == int(number[11])


def _fedex_34(number: str) -> bool:
    weights = (1, 7, 3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1)
    return _weighed(_digits(number[20:33]), weights) % 11 % 10 == int(number[33])


def _from_right(text: str) -> bool:
    """Modulo 10 by weights 3 and 1 from the right, as GS1 counts; the last digit is the check digit."""
    body = _digits(text[:-1])[::-1]
    total = sum([d * (1 if i % 2 else 3) for i, d in enumerate(body)])
    return -total % 10 == int(text[-1])


def _fedex_96(number: str) -> bool:
    return _from_right(number[7:])


def _usps_22(number: str) -> bool:
    return _from_right(number[8:] if number.startswith("420") and len(number) > 26 else number)


def _mod_7(number: str) -> bool:
    return int(number[:-1]) % 7 == int(number[-1])


# Looks ------------------------------------------------------------------------------------------

_COMMUNITY: Final = "open tracking-number data sets and their test numbers"
_MEMORY: Final = "from memory"


def _look(
    carrier: str, name: str, pattern: str, check: Callable[[str], bool] | None, source: str
) -> NumberLook:
    return NumberLook(carrier, name, re.compile(pattern), check, source)


LOOKS: Final[tuple[NumberLook, ...]] = (
    _look("ups", "1Z", r"1Z[A-Z0-9]{15}[0-9]", _ups, _COMMUNITY),
    _look("post", "S10", r"[A-Z]{2}[0-9]{9}[A-Z]{2}", _s10, "UPU standard S10"),
    _look("fedex", "express 34", r"100[0-9]{31}", _fedex_34, _COMMUNITY),
    _look("fedex", "ground 34", r"96[0-9]{32}", _fedex_34, _COMMUNITY),
    _look("fedex", "ground 96", r"96[0-9]{20}", _fedex_96, _COMMUNITY),
    _look("usps", "IMpb", r"(?:420[0-9]{5})?9[1-5][0-9]{20}(?:[0-9]{4})?", _usps_22, _COMMUNITY),
    _look("usps", "20 digits", r"(?:03|7[0-9]|81)[0-9]{18}", _from_right, _COMMUNITY),
    _look("fedex", "ground 15", r"[0-9]{15}", _from_right, _COMMUNITY),
    _look("fedex", "express 12", r"[0-9]{12}", _fedex_12, _COMMUNITY),
    _look("dhl", "express", r"[0-9]{10,11}", _mod_7, _COMMUNITY),
    _look("dhl", "piece", r"J[A-Z]{2,3}[0-9]{9,10}", None, _COMMUNITY),
    _look("sf", "SF", r"SF[0-9]{12,13}", None, _MEMORY),
    _look("yto", "YT", r"YT[0-9]{13}", None, _MEMORY),
    _look("zto", "7x", r"7[35689][0-9]{12}", None, _MEMORY),
    _look("sto", "77", r"77[0-9]{13}", None, _MEMORY),
    _look("jd", "JD", r"JD[A-Z0-9]{11,13}", None, _MEMORY),
    _look("jt", "JT", r"JT[0-9]{13}", None, _MEMORY),
    _look("cainiao", "LP", r"LP[0-9]{14}", None, _MEMORY),
)
"""The looks that are known, the surest first. ``post`` is the post of the country that an S10 number names."""

_CHECKED_SIGNS: Final[dict[str, int]] = {"1Z": 16, "S10": 9}


def _weight(look: NumberLook) -> int:
    """How much a right check digit proves: a look with letters of its own more than digits alone."""
    return _CHECKED_SIGNS.get(look.name, 1)


def guess_carrier(number: str, looks: Sequence[NumberLook] = LOOKS) -> tuple[CarrierGuess, ...]:
    """Carriers that may have given out this number, the likeliest first; none for what looks like nobody's.

    Spaces, dots and dashes do not count, nor does case. ``looks`` may be the shop's own, or more than `LOOKS`.

    >>> [guess.carrier for guess in guess_carrier("1Z5R89390357567127")]
    ['ups']
    """
    if not isinstance(number, str) or len(number) > NUMBER_MAX:
        return ()
    plain = _SPACES.sub("", number).upper()
    if not plain.isascii():
        return ()
    found: list[tuple[int, int, CarrierGuess]] = []
    for place, look in enumerate(looks):
        if look.pattern.fullmatch(plain) is None:
            continue
        proven = look.check is not None and look.check(plain)
        if look.check is not None and not proven:
            continue
        country = plain[-2:] if look.name == "S10" else ""
        guess = CarrierGuess(look.carrier, look.name, proven, country)
        found.append((-_weight(look) if proven else 0, place, guess))
    found.sort(key=lambda entry: entry[:2])
    return tuple([guess for _, _, guess in found])
