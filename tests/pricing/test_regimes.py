"""Regimes are dated data with a source; customs territories change with time."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ordercore.errors import InvalidPolicy
from ordercore.money import Percent
from ordercore.pricing.regime import (
    REGIMES,
    Regime,
    RegimeDuty,
    RegimeId,
    RegimeTest,
    check_regimes,
    customs_territory,
    is_country,
    regimes_of,
)

TODAY = date(2026, 11, 22)
SAMPLE: dict[str, Any] = {
    "id": RegimeId.NO_VOEC,
    "area": ("NO",),
    "test": RegimeTest.ITEM,
    "limit": 3_000_00,
    "currency": "NOK",
    "inclusive": False,
    "first_day": date(2020, 4, 1),
    "last_day": None,
    "source": "a statute",
}


def ids(country: str, day: date) -> set[RegimeId]:
    """The regimes of a country on a day."""
    return {regime.id for regime in regimes_of(country, day)}


def test_every_shipped_regime_has_dates_and_a_source() -> None:
    """Each row of the table says from when it holds and who says so, and the check finds no fault."""
    check_regimes(REGIMES)
    for regime in REGIMES:
        assert type(regime.first_day) is date
        assert len(regime.source) > 10
    assert {regime.id for regime in REGIMES} == set(RegimeId)


@pytest.mark.parametrize(
    ("field", "wrong", "path"),
    [
        ("first_day", None, "first_day"),
        ("source", " ", "source"),
        ("last_day", date(2020, 3, 31), "last_day"),
        ("limit", 0, "limit"),
        ("currency", "nok", "currency"),
        ("area", (), "area"),
        ("area", ("no",), "area"),
    ],
)
def test_a_threshold_without_dates_or_source_is_refused(
    field: str, wrong: object, path: str
) -> None:
    """A regime that does not say since when, until when, or by whom, is no regime."""
    check_regimes([Regime(**SAMPLE)])
    with pytest.raises(InvalidPolicy) as caught:
        check_regimes([Regime(**{**SAMPLE, field: wrong})])
    assert caught.value.path == f"regimes[0].{path}"


def test_a_threshold_needs_its_first_day_and_source_to_be_made() -> None:
    """No default stands in for the dates and the source."""
    for name in ("first_day", "last_day", "source", "limit", "currency", "inclusive"):
        with pytest.raises(TypeError, match=name):
            Regime(**{key: known for key, known in SAMPLE.items() if key != name})


def test_two_regimes_of_one_name_do_not_meet() -> None:
    """The same regime twice on one day is refused."""
    with pytest.raises(InvalidPolicy, match="same day"):
        check_regimes([Regime(**SAMPLE), Regime(**{**SAMPLE, "first_day": TODAY})])


def test_800_dollars_are_not_current() -> None:
    """The limit of the United States held until 2025-08-28, for China and Hong Kong until 2025-05-01."""
    assert RegimeId.US_DE_MINIMIS in ids("US", date(2025, 8, 28))
    assert ids("US", date(2025, 8, 29)) == set()
    assert ids("US", TODAY) == set()
    (spring,) = regimes_of("US", date(2025, 5, 1))
    (summer,) = regimes_of("US", date(2025, 5, 2))
    assert (spring.barred_origins, summer.barred_origins) == ((), ("CN", "HK"))


def test_the_eu_relief_gave_way_to_the_flat_duty_in_a_night() -> None:
    """Relief until 2026-06-30, EUR 3 from 2026-07-01 to 2028-07-01, the tariff after that."""
    relief, flat, ioss = RegimeId.EU_DUTY_RELIEF, RegimeId.EU_FLAT_DUTY, RegimeId.EU_IOSS
    assert ids("DE", date(2026, 6, 30)) == {relief, ioss}
    assert ids("DE", date(2026, 7, 1)) == {flat, ioss}
    assert ids("DE", date(2028, 7, 1)) == {flat, ioss}
    assert ids("DE", date(2028, 7, 2)) == {ioss}
    assert ids("DE", date(2021, 6, 30)) == {relief}


def test_china_raised_its_limits_in_2019() -> None:
    """CNY 2,000 and 20,000 a year until 2018-12-31, then 5,000 and 26,000, with taxes x 70 %."""
    (old,) = regimes_of("CN", date(2018, 12, 31))
    (new,) = regimes_of("CN", date(2019, 1, 1))
    assert (old.limit, old.year_limit) == (2_000_00, 20_000_00)
    assert (new.limit, new.year_limit) == (5_000_00, 26_000_00)
    assert old.share == new.share == Percent.of("70")


@pytest.mark.parametrize(
    ("id_", "amount", "units", "expected"),
    [
        (RegimeId.EU_IOSS, 150_00, 1, True),
        (RegimeId.EU_IOSS, 150_01, 1, False),
        (RegimeId.NO_VOEC, 2_999_99, 1, True),
        (RegimeId.NO_VOEC, 3_000_00, 1, False),
        (RegimeId.NO_VOEC, 4_000_00, 2, True),
        (RegimeId.NO_VOEC, 6_000_00, 2, False),
        (RegimeId.NZ_LOW_VALUE, 1_000_00, 1, True),
        (RegimeId.AU_LOW_VALUE, 1_000_01, 1, False),
    ],
)
def test_a_limit_says_whether_it_is_itself_inside(
    id_: RegimeId, amount: int, units: int, expected: bool
) -> None:
    """Most limits include themselves; Norway's does not."""
    (regime,) = [found for found in REGIMES if found.id is id_]
    assert regime.within(amount, units) is expected


def test_a_limit_holds_for_fractions_of_a_minor_unit() -> None:
    """150.00 1/3 is above 150.00, and 149.99 2/3 is not."""
    (ioss,) = [found for found in REGIMES if found.id is RegimeId.EU_IOSS]
    assert not ioss.within(45_001, 1, 3)
    assert ioss.within(44_999, 1, 3)
    assert ioss.within(90_001, 2, 6)


def test_monaco_and_the_isle_of_man_stand_with_their_neighbors() -> None:
    """The EU's regimes hold in Monaco, the British ones on the Isle of Man; both are one area for VAT."""
    assert ids("MC", TODAY) == ids("FR", TODAY) != set()
    assert ids("IM", TODAY) == ids("GB", TODAY) != set()


def test_regimes_that_ask_for_a_consumer_say_so() -> None:
    """Tax at the sale, the flat duty and retail import are for consumers; reliefs from duty are for all."""
    for_all = {regime.id for regime in REGIMES if not regime.for_consumers}
    assert for_all == {
        RegimeId.EU_DUTY_RELIEF,
        RegimeId.UK_DUTY_RELIEF,
        RegimeId.NZ_BORDER_RELIEF,
        RegimeId.AU_BORDER_RELIEF,
        RegimeId.US_DE_MINIMIS,
    }


def test_norway_takes_in_no_food() -> None:
    """The chapters of food and drink are barred, those of shoes and of live plants are not."""
    (voec,) = [found for found in REGIMES if found.id is RegimeId.NO_VOEC]
    assert {"18", "22", "24"} <= set(voec.barred_chapters)
    assert not {"06", "64"} & set(voec.barred_chapters)
    assert voec.duty is RegimeDuty.FREE


@pytest.mark.parametrize(
    ("country", "day", "expected"),
    [
        ("DE", TODAY, "EU"),
        ("MC", TODAY, "EU"),
        ("HR", date(2013, 6, 30), "HR"),
        ("HR", date(2013, 7, 1), "EU"),
        ("GB", date(2020, 12, 31), "EU"),
        ("GB", date(2021, 1, 1), "GB"),
        ("IM", TODAY, "GB"),
        ("LI", TODAY, "CH"),
        ("NO", TODAY, "NO"),
        ("HK", TODAY, "HK"),
    ],
)
def test_a_customs_territory_is_that_of_the_day(country: str, day: date, expected: str) -> None:
    """Who is inside a customs union depends on the day."""
    assert customs_territory(country, day) == expected


def test_a_country_is_two_capital_letters() -> None:
    """Anything else is no country code."""
    assert is_country("DE")
    assert not any(is_country(code) for code in ("de", "DEU", "", "D1", "ÄÖ", None, 12))
