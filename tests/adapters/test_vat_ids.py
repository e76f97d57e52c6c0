"""Ids by form and check digit: which are well formed, whose they are, and what is said about the check."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ordercore.adapters.vat_ids import StdnumVatIds, check_personal_id, check_vat_id
from ordercore.errors import InvalidInput

NOW = datetime(2026, 10, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("vat_id", "written", "country"),
    [
        ("DE 136 695 976", "DE136695976", "DE"),
        ("atu13585627", "ATU13585627", "AT"),
        ("EL094259216", "EL094259216", "GR"),
        ("XI432525179", "XI432525179", "XI"),
        ("GB980780684", "GB980780684", "GB"),
        ("CHE-107.787.577 IVA", "CHE107787577IVA", "CH"),
        ("CHE-107.787.577", "CHE107787577", "CH"),
        ("NO 995 525 828 MVA", "NO995525828MVA", "NO"),
    ],
)
def test_a_well_formed_id_is_valid(vat_id: str, written: str, country: str) -> None:
    """An id with the right check digit is valid, is written without spaces, and names its country."""
    check = check_vat_id(vat_id, NOW)
    assert (check.valid, check.vat_id, check.country) == (True, written, country)
    assert check.at == NOW


@pytest.mark.parametrize(
    "vat_id",
    [
        "DE136695977",  # the last digit is wrong
        "GB980780685",
        "GBGB980780684",
        "CHE-107.787.578",
        "NO995525829MVA",
        "136695976",  # of no country
        "US123456789",
        "GR094259216",  # Greek ids begin with EL
        "EU372022452",  # a one-stop shop
        "IM3720000000",
        "",
        "DE13669597\u0666",  # a digit of another script
        "DE" * 1_000,
    ],
)
def test_a_malformed_id_is_not_valid(vat_id: str) -> None:
    """A wrong digit, no country, another country, a seller's scheme and noise are not valid."""
    assert not check_vat_id(vat_id, NOW).valid


def test_the_check_says_what_it_was() -> None:
    """The evidence names the tool, its version and that no register was asked."""
    source = StdnumVatIds().check("DE136695976", NOW).source
    assert source.startswith("python-stdnum ")
    assert source.endswith("format and check digits")


def test_a_check_needs_a_moment_and_text() -> None:
    """A naive time and a number instead of text are refused."""
    with pytest.raises(InvalidInput):
        check_vat_id("DE136695976", datetime(2026, 10, 30))  # noqa: DTZ001 - the point
    with pytest.raises(InvalidInput):
        check_vat_id(136695976, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "well_formed"),
    [
        ("360426199101010071", True),
        ("360426199101010072", False),  # the check digit
        ("360426199113010071", False),  # a thirteenth month
        ("000426199101010071", False),  # no such place
        ("", False),
        ("3" * 1_000, False),
    ],
)
def test_a_resident_id_has_place_birthday_and_check_digit(number: str, well_formed: bool) -> None:
    """An id of China is well formed where all three parts are."""
    assert check_personal_id("CN", number) is well_formed


def test_no_error_repeats_a_personal_id() -> None:
    """For another country the check is refused, and the refusal does not hold the number."""
    with pytest.raises(InvalidInput) as caught:
        check_personal_id("FR", "360426199101010071")
    assert "360426" not in f"{caught.value} {caught.value.data}"


@pytest.mark.parametrize("number", [None, 360426199101010071, b"3604261991"])
def test_a_personal_id_is_text(number: object) -> None:
    """Anything else is refused, and the refusal does not hold the number."""
    with pytest.raises(InvalidInput) as caught:
        check_personal_id("CN", number)  # type: ignore[arg-type]
    assert caught.value.path == "number"
    assert "360426" not in str(caught.value)


def test_a_country_that_is_no_text_is_refused() -> None:
    """A check without a country says which ones it knows."""
    with pytest.raises(InvalidInput) as caught:
        check_personal_id(None, "360426199101010071")  # type: ignore[arg-type]
    assert caught.value.data["known"] == ("CN",)
