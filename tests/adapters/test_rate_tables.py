"""The dated tables of tax rates: every row has its days and source, and known days have the known rates."""

from __future__ import annotations

import json
from datetime import date
from importlib import resources
from itertools import pairwise

import pytest

from ordercore.adapters.rates import ca_sales_tax, us_sales_tax, vat_rates
from ordercore.errors import InvalidCart, InvalidInput
from ordercore.party import Destination
from ordercore.pricing import EU_COUNTRIES, TaxPolicy, TaxRate, TaxTreatment

LISTED = date(2026, 9, 29)
# eu-vat-rates-data 2026.9.29 (MIT), after the Commission's TEDB: the standard rate, and the others
# that hold in the whole country, in percent.
IN_FORCE: dict[str, tuple[str, str]] = {
    "AT": ("20", "4.9 10 13"),
    "BE": ("21", "6 12"),
    "BG": ("20", "9"),
    "CH": ("8.1", "2.6 3.8"),
    "CY": ("19", "3 5 9"),
    "CZ": ("21", "12"),
    "DE": ("19", "7"),
    "DK": ("25", ""),
    "EE": ("24", "9 13"),
    "ES": ("21", "4 10"),
    "FI": ("25.5", "10 13.5"),
    "FR": ("20", "2.1 5.5 10"),
    "GB": ("20", "5"),
    "GR": ("24", "6 13"),
    "HR": ("25", "5 13"),
    "HU": ("27", "5 18"),
    "IE": ("23", "9 13.5"),
    "IT": ("22", "4 5 10"),
    "LT": ("21", "5 12"),
    "LU": ("17", "3 8 14"),
    "LV": ("21", "5 12"),
    "MT": ("18", "5 7 12"),
    "NL": ("21", "9"),
    "NO": ("25", "12 15"),
    "PL": ("23", "5 8"),
    "PT": ("23", "6 13"),
    "RO": ("21", "11"),
    "SE": ("25", "6 12"),
    "SI": ("22", "5 9.5"),
    "SK": ("23", "5 19"),
}
# Beside that list: the zero rate of the UK, and Ireland's rate for livestock, which the list leaves out.
BESIDE = {"GB": {"0"}, "IE": {"4.8"}}

ALL = (*vat_rates(), *us_sales_tax(), *ca_sales_tax())


def on(day: date, country: str, category: str = "standard", region: str = "") -> str:
    """The percent of a category on a day, as a policy finds it."""
    policy = TaxPolicy(ALL)
    return str(policy.rate(category, Destination(country, region), day).percent)


def test_every_row_has_its_first_day_and_source() -> None:
    """No rate without a day from which it holds, a source that says so, and a name for the invoice."""
    assert [
        rate for rate in ALL if rate.first_day is None or not rate.source or not rate.name
    ] == []


def test_the_tables_make_a_policy() -> None:
    """All rows together pass the check of a policy: no two rates of the same goods and place overlap."""
    TaxPolicy(ALL).check()


def test_standard_rates_have_no_gap() -> None:
    """In each country and state, one standard rate follows the other to the day, and the last is open."""
    chains: dict[tuple[str, str, str], list[TaxRate]] = {}
    for rate in ALL:
        if rate.category == "standard":
            chains.setdefault((rate.country, rate.region, rate.component), []).append(rate)
    for place, chain in chains.items():
        chain.sort(key=lambda rate: rate.first_day or date.min)
        for left, right in pairwise(chain):
            assert left.last_day is not None, place
            assert right.first_day is not None, place
            assert (right.first_day - left.last_day).days == 1, place
        assert chain[-1].last_day is None, place


def test_the_union_is_complete() -> None:
    """The table has all member states, and GB, CH, NO and JP beside them."""
    assert {rate.country for rate in vat_rates()} == EU_COUNTRIES | {"GB", "CH", "NO", "JP"}


@pytest.mark.parametrize("country", sorted(IN_FORCE))
def test_the_rates_in_force_are_those_of_the_commission(country: str) -> None:
    """On 2026-09-29 the standard rate and the others are those of the independent list."""
    held = vat_rates([country], first_day=LISTED, last_day=LISTED)
    standard, others = IN_FORCE[country]
    assert [str(rate.percent) for rate in held if rate.category == "standard"] == [standard]
    found = {str(rate.percent) for rate in held if rate.category not in {"standard", "parking"}}
    parking = {str(rate.percent) for rate in held if rate.category == "parking"}
    assert found - set(others.split()) == BESIDE.get(country, set())
    assert set(others.split()) <= found | parking


@pytest.mark.parametrize(
    ("day", "country", "category", "percent"),
    [
        (date(2011, 1, 3), "GB", "standard", "17.5"),
        (date(2011, 1, 4), "GB", "standard", "20"),
        (date(2020, 6, 30), "DE", "standard", "19"),
        (date(2020, 6, 30), "DE", "reduced", "7"),
        (date(2020, 7, 1), "DE", "standard", "16"),
        (date(2020, 7, 1), "DE", "reduced", "5"),
        (date(2020, 12, 31), "DE", "standard", "16"),
        (date(2020, 12, 31), "DE", "reduced", "5"),
        (date(2021, 1, 1), "DE", "standard", "19"),
        (date(2021, 1, 1), "DE", "reduced", "7"),
        (date(2020, 8, 31), "IE", "standard", "23"),
        (date(2020, 9, 1), "IE", "standard", "21"),
        (date(2021, 2, 28), "IE", "standard", "21"),
        (date(2021, 3, 1), "IE", "standard", "23"),
        (date(2022, 12, 31), "HR", "standard", "25"),
        (date(2023, 6, 1), "LU", "standard", "16"),
        (date(2024, 1, 1), "CH", "standard", "8.1"),
        (date(2024, 9, 1), "FI", "standard", "25.5"),
        (date(2025, 6, 30), "EE", "standard", "22"),
        (date(2025, 7, 1), "EE", "standard", "24"),
        (date(2025, 8, 1), "RO", "standard", "21"),
        (date(2019, 9, 30), "JP", "standard", "8"),
        (date(2019, 10, 1), "JP", "standard", "10"),
        (date(2019, 10, 1), "JP", "reduced", "8"),
    ],
)
def test_a_sale_has_the_rate_of_its_day(
    day: date, country: str, category: str, percent: str
) -> None:
    """The days on which rates changed have the rates that the laws gave them."""
    assert on(day, country, category) == percent


def test_a_rate_of_nothing_says_that_it_is_zero() -> None:
    """Books in the UK are taxed at 0 %, which an invoice tells from not being taxed."""
    zero = [rate for rate in vat_rates(["GB"]) if rate.category == "zero"]
    assert [(str(rate.percent), rate.treatment) for rate in zero] == [("0", TaxTreatment.ZERO)]


def test_the_shop_names_its_own_categories() -> None:
    """Books are reduced in Germany and standard in Denmark, which has no reduced rate."""
    policy = TaxPolicy(vat_rates(["DE", "DK"], categories={"books": "reduced"}))
    policy.check()
    assert str(policy.rate("books", Destination("DE"), LISTED).percent) == "7"
    assert str(policy.rate("books", Destination("DK"), LISTED).percent) == "25"


def test_a_merged_category_is_refused_and_not_guessed() -> None:
    """The Czech Republic merged its two reduced rates in 2024: goods of the second have none from then on."""
    policy = TaxPolicy(vat_rates(["CZ"], categories={"food": "second_reduced"}))
    assert str(policy.rate("food", Destination("CZ"), date(2023, 12, 31)).percent) == "15"
    with pytest.raises(InvalidCart):
        policy.rate("food", Destination("CZ"), date(2024, 1, 1))


def test_a_span_of_days_leaves_old_rates_out() -> None:
    """For 2020, Germany has the rates before July and after, and no other."""
    year = vat_rates(["DE"], date(2020, 1, 1), date(2020, 12, 31))
    assert sorted(str(rate.percent) for rate in year) == ["16", "19", "5", "7"]


@pytest.mark.parametrize(
    ("region", "percent"),
    [("CA", "7.25"), ("NY", "4"), ("MN", "6.875"), ("MO", "4.225"), ("OR", "0"), ("LA", "5")],
)
def test_a_state_has_its_rate(region: str, percent: str) -> None:
    """Rates of states on 2026-09-29, to a thousandth of a percent."""
    assert on(LISTED, "US", "standard", region) == percent


def test_every_state_has_a_rate() -> None:
    """Fifty states and the District of Columbia."""
    assert len({rate.region for rate in us_sales_tax()}) == 51


@pytest.mark.parametrize(
    ("region", "day", "taxes"),
    [
        ("ON", LISTED, {"HST": "13"}),
        ("NS", date(2025, 3, 31), {"HST": "15"}),
        ("NS", date(2025, 4, 1), {"HST": "14"}),
        ("BC", LISTED, {"GST": "5", "PST": "7"}),
        ("QC", LISTED, {"GST": "5", "QST": "9.975"}),
        ("AB", LISTED, {"GST": "5"}),
    ],
)
def test_a_province_has_its_taxes(region: str, day: date, taxes: dict[str, str]) -> None:
    """A harmonized tax takes the place of the federal one; the others come on top of it."""
    policy = TaxPolicy(ca_sales_tax())
    found = policy.components_of("standard", Destination("CA", region), day)
    assert {rate.name: str(rate.percent) for rate in found} == taxes


def test_provinces_bring_the_federal_tax() -> None:
    """Whoever asks for Quebec alone gets GST with it."""
    assert [rate.name for rate in ca_sales_tax(["QC"])] == ["GST", "QST"]


def test_what_the_table_does_not_have_is_refused() -> None:
    """A country, state, province or kind of rate that is not there is named, with what is there."""
    with pytest.raises(InvalidInput, match="ZZ") as caught:
        vat_rates(["DE", "ZZ"])
    known = caught.value.data["known"]
    assert isinstance(known, tuple)
    assert "DE" in known
    with pytest.raises(InvalidInput):
        us_sales_tax(["PR"])
    with pytest.raises(InvalidInput):
        ca_sales_tax(["AB"])
    with pytest.raises(InvalidInput):
        vat_rates(categories={"books": "cheap"})
    with pytest.raises(InvalidInput):
        vat_rates(categories={"standard": "reduced"})


def test_the_table_ships_with_its_licenses() -> None:
    """The package has the table and the notices of the lists it was cut from."""
    folder = resources.files("ordercore.adapters.rates")
    document = json.loads(folder.joinpath("tax_rates.json").read_text("utf-8"))
    notices = folder.joinpath("SOURCES.md").read_text("utf-8")
    for source in document["sources"]:
        if "/" in source.partition(" ")[0]:
            assert source.partition(" ")[0] in notices, source
    assert "Kevin Deldycke" in notices
    assert "Danny van Kooten" in notices
    assert "Valerian Saliou" in notices
