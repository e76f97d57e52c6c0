"""Cut ``src/ordercore/adapters/rates/tax_rates.json`` out of three public lists of tax rates.

    python examples/cut_tax_rates.py vat_rates.csv vat-rates.json sales_tax_rates.json TARGET.json

The lists are those of kdeldycke/vat-rates, ibericode/vat-rates and valeriansaliou/node-sales-tax;
``SOURCES.md`` beside the table says at which commit and under which license. Where a list has no
day, is known to be behind, or has no such rate at all, the figures below stand instead, each
with the law it comes from. The same lists give the same table. Standard library only.
"""

from __future__ import annotations

import csv
import json
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

Row = tuple[str, str, str, str, str | None, str]  # place, category, percent, first, last, source

# fmt: off
UNION = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
]
# fmt: on
COUNTRIES = [*UNION, "CH", "GB", "JP", "NO"]
# A rate that its list has without a day is known to hold from here on, no earlier.
UNDATED = "2021-01-01"
NO_DAY = "0000-01-01"
CATEGORIES = {"reduced1": "reduced", "reduced2": "second_reduced"}
# Luxembourg's second reduced rate of 2015 is its parking rate; Estonia's press has its reduced rate.
DOUBLED = {("LU", "second_reduced"), ("EE", "press_publications")}

KDELDYCKE = "kdeldycke/vat-rates 7585c2836920"
IBERICODE = "ibericode/vat-rates 5abb1e1be91f"
SALES_TAX = "valeriansaliou/node-sales-tax 4a47f6834314"

# Country, category, percent, first day, last day, the law. A category of a country that is named here
# is taken from here alone; IE standard is cut into the list's chain.
LAWS: list[Row] = [
    ("AT", "super_reduced", "4.9", "2026-07-01", None, "UStG 1994 (AT) § 10"),
    ("CH", "reduced", "2.5", "2018-01-01", "2023-12-31", "MWSTG (CH, SR 641.20) Art. 25(2)"),
    ("CH", "reduced", "2.6", "2024-01-01", None, "MWSTG (CH, SR 641.20) Art. 25(2)"),
    ("CH", "second_reduced", "3.7", "2018-01-01", "2023-12-31", "MWSTG (CH, SR 641.20) Art. 25(4)"),
    ("CH", "second_reduced", "3.8", "2024-01-01", None, "MWSTG (CH, SR 641.20) Art. 25(4)"),
    ("CY", "super_reduced", "3", "2023-07-21", None, "VAT Law 95(I)/2000 (CY), Schedule 12A"),
    ("DE", "reduced", "7", "1983-07-01", "2020-06-30", "UStG (DE) § 12(2)"),
    ("DE", "reduced", "5", "2020-07-01", "2020-12-31", "UStG (DE) § 28(2)"),
    ("DE", "reduced", "7", "2021-01-01", None, "UStG (DE) § 12(2)"),
    ("EE", "reduced", "9", "2009-01-01", None, "Value-Added Tax Act (EE) § 15(2)"),
    ("EE", "second_reduced", "13", "2025-01-01", None, "Value-Added Tax Act (EE) § 15(2)"),
    ("EE", "super_reduced", "5", "2022-08-01", "2024-12-31", "Value-Added Tax Act (EE) § 15(2)"),
    (
        "FI",
        "second_reduced",
        "14",
        "2013-01-01",
        "2025-12-31",
        "Value Added Tax Act 1501/1993 (FI) § 85",
    ),
    ("FI", "second_reduced", "13.5", "2026-01-01", None, "Value Added Tax Act 1501/1993 (FI) § 85"),
    ("GB", "zero", "0", "1994-09-01", None, "Value Added Tax Act 1994 (GB) s. 30 and Schedule 8"),
    ("GR", "reduced", "6", "2016-06-01", None, f"{IBERICODE}, MIT"),
    ("GR", "second_reduced", "13", "2016-06-01", None, f"{IBERICODE}, MIT"),
    ("IE", "standard", "21", "2020-09-01", "2021-02-28", f"{IBERICODE}, MIT"),
    (
        "JP",
        "standard",
        "8",
        "2014-04-01",
        "2019-09-30",
        "Consumption Tax Act (JP) Art. 29, national and local",
    ),
    (
        "JP",
        "standard",
        "10",
        "2019-10-01",
        None,
        "Consumption Tax Act (JP) Art. 29, national and local",
    ),
    (
        "JP",
        "reduced",
        "8",
        "2019-10-01",
        None,
        "Consumption Tax Act (JP) Art. 29, national and local",
    ),
    ("LT", "second_reduced", "9", UNDATED, "2025-12-31", "Law on Value Added Tax (LT) Art. 19"),
    ("LT", "second_reduced", "12", "2026-01-01", None, "Law on Value Added Tax (LT) Art. 19"),
    ("LU", "parking", "14", "2015-01-01", "2022-12-31", "VAT Law of 1979-02-12 (LU) Art. 39"),
    ("LU", "parking", "13", "2023-01-01", "2023-12-31", "VAT Law of 1979-02-12 (LU) Art. 39"),
    ("LU", "parking", "14", "2024-01-01", None, "VAT Law of 1979-02-12 (LU) Art. 39"),
    ("MT", "parking", "12", "2024-01-01", None, "VAT Act (MT, Cap. 406), Eighth Schedule"),
    ("NO", "reduced", "15", "2012-01-01", None, "Storting's decision on VAT (NO) § 3"),
    ("NO", "second_reduced", "12", "2018-01-01", None, "Storting's decision on VAT (NO) § 4"),
]

# Their lists are cut here from what the states say themselves; the rest is as node-sales-tax has it.
STATES: list[Row] = [
    (
        "AR",
        "state",
        "6.5",
        "2013-07-01",
        None,
        "Ark. Code 26-52-301, 302; Ark. Const. Amend. 75, 91",
    ),
    ("AZ", "state", "5.6", "2013-06-01", None, "Ariz. Rev. Stat. 42-5010"),
    (
        "CA",
        "state",
        "7.25",
        "2017-01-01",
        None,
        "Cal. Rev. & Tax. Code 6051, 7202: with the 1.25 % of every county",
    ),
    ("CT", "state", "6.35", "2011-07-01", None, "Conn. Gen. Stat. 12-408"),
    ("KS", "state", "6.5", "2015-07-01", None, "Kan. Stat. 79-3603"),
    ("LA", "state", "4.45", "2018-07-01", "2024-12-31", "La. Rev. Stat. 47:302, 321, 321.1, 331"),
    ("LA", "state", "5", "2025-01-01", None, "La. Rev. Stat. 47:302, 321, 321.1, 331"),
    ("ME", "state", "5.5", "2013-10-01", None, "Me. Rev. Stat. 36 § 1811"),
    ("NC", "state", "4.75", "2011-07-01", None, "N.C. Gen. Stat. 105-164.4"),
    ("NJ", "state", "6.625", "2018-01-01", None, "N.J. Stat. 54:32B-3"),
    ("NM", "state", "5.125", "2010-07-01", "2022-06-30", "N.M. Stat. 7-9-4"),
    ("NM", "state", "5", "2022-07-01", "2023-06-30", "N.M. Stat. 7-9-4"),
    ("NM", "state", "4.875", "2023-07-01", None, "N.M. Stat. 7-9-4"),
    ("OH", "state", "5.75", "2013-09-01", None, "Ohio Rev. Code 5739.02"),
    ("SD", "state", "4.5", "2016-06-01", "2023-06-30", "S.D. Codified Laws 10-45-2"),
    ("SD", "state", "4.2", "2023-07-01", "2027-06-30", "S.D. Codified Laws 10-45-2; 2023 HB 1137"),
    ("SD", "state", "4.5", "2027-07-01", None, "S.D. Codified Laws 10-45-2; 2023 HB 1137"),
    ("UT", "state", "4.85", "2019-04-01", None, "Utah Code 59-12-103"),
    (
        "VA",
        "state",
        "5.3",
        "2013-07-01",
        None,
        "Va. Code 58.1-603, 605: with the 1 % of every locality",
    ),
    *[
        (state, "state", "0", UNDATED, None, "no sales tax of the state; some localities have one")
        for state in ("AK", "DE", "MT", "NH", "OR")
    ],
]

# A harmonized tax takes the place of the federal one, so it is a rate of the same component.
PROVINCES: list[Row] = [
    ("", "GST", "5", "2008-01-01", None, "Excise Tax Act (CA) s. 165(1)"),
    ("NB", "HST", "15", "2016-07-01", None, "Excise Tax Act (CA) s. 165(2)"),
    ("NL", "HST", "15", "2016-07-01", None, "Excise Tax Act (CA) s. 165(2)"),
    ("NS", "HST", "15", "2010-07-01", "2025-03-31", "Excise Tax Act (CA) s. 165(2)"),
    ("NS", "HST", "14", "2025-04-01", None, "Excise Tax Act (CA) s. 165(2)"),
    ("ON", "HST", "13", "2010-07-01", None, "Excise Tax Act (CA) s. 165(2)"),
    ("PE", "HST", "15", "2016-10-01", None, "Excise Tax Act (CA) s. 165(2)"),
    ("BC", "PST", "7", "2013-04-01", None, "Provincial Sales Tax Act (BC)"),
    ("MB", "PST", "7", "2019-07-01", None, "Retail Sales Tax Act (MB)"),
    ("SK", "PST", "6", "2017-03-23", None, "Provincial Sales Tax Act (SK)"),
    ("QC", "QST", "9.975", "2013-01-01", None, "Act respecting the Quebec sales tax s. 16"),
]


def before(day: str) -> str:
    """Give the day before ``day``."""
    return str(date.fromisoformat(day) - timedelta(days=1))


def standard_rates(path: Path) -> list[Row]:
    """Read the dated standard rates; a stop day there is the next first day, or the day before it."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            percent = str((Decimal(row["rate"]) * 100).normalize())
            for code in row["territory_codes"].split():
                if code in COUNTRIES and row["rate_type"] == "standard":
                    found[code, row["start_date"]] = (percent, row["stop_date"])
    rows: list[Row] = []
    keys = sorted(found)
    for key, after in zip(keys, [*keys[1:], ("", "")], strict=True):
        percent, stop = found[key]
        last = before(after[1]) if after[0] == key[0] else None
        if stop and last not in {stop, before(stop)}:
            # The last of its chain; or a gap, which is kept.
            last = stop
        rows.append((key[0], "standard", percent, key[1], last, f"{KDELDYCKE}, BSD-2-Clause"))
    return rows


def other_rates(path: Path) -> list[Row]:
    """Read the reduced rates with the days from which they hold."""
    countries = json.loads(path.read_text("utf-8"), parse_float=Decimal)["items"]
    rows: list[Row] = []
    for country in COUNTRIES:
        periods = sorted(countries.get(country, ()), key=lambda period: period["effective_from"])
        days = [period["effective_from"] for period in periods]
        if days[:1] == [NO_DAY]:
            days[0] = UNDATED
            if days[1:] and days[1] <= UNDATED:  # over before this table begins
                del days[0], periods[0]
        open_rows: dict[str, tuple[str, str]] = {}
        for first, period in zip(days, periods, strict=True):
            rates = {
                CATEGORIES.get(name, name): str(percent)
                for name, percent in period["rates"].items()
                if name != "standard"
            }
            for category, (percent, since) in list(open_rows.items()):
                if rates.get(category) != percent:
                    del open_rows[category]
                    source = f"{IBERICODE}, MIT"
                    rows.append((country, category, percent, since, before(first), source))
            for category, percent in rates.items():
                open_rows.setdefault(category, (percent, first))
        rows += [
            (country, category, percent, since, None, f"{IBERICODE}, MIT")
            for category, (percent, since) in open_rows.items()
        ]
    return rows


def with_laws(rows: list[Row]) -> list[Row]:
    """Let the figures of the laws stand in place of a list's; Ireland's half year is cut in."""
    named = ({(row[0], row[1]) for row in LAWS} | DOUBLED) - {("IE", "standard")}
    kept = [row for row in rows if (row[0], row[1]) not in named]
    half_year = next(row for row in LAWS if row[:2] == ("IE", "standard"))
    around = next(row for row in kept if row[:2] == ("IE", "standard") and row[4] is None)
    kept.remove(around)
    kept.append((*around[:4], before(half_year[3]), around[5]))
    kept.append((*around[:3], "2021-03-01", None, around[5]))
    return sorted(kept + LAWS, key=lambda row: (row[0], row[1] != "standard", row[1], row[3]))


def state_rates(path: Path) -> list[Row]:
    """Read the states' rates where the laws above have none."""
    states = json.loads(path.read_text("utf-8"), parse_float=Decimal)["US"]["states"]
    named = {row[0] for row in STATES}
    rows = [
        (
            state,
            "state",
            str((Decimal(entry["rate"]) * 100).normalize()),
            UNDATED,
            None,
            f"{SALES_TAX}, MIT",
        )
        for state, entry in states.items()
        if state not in named
    ]
    return sorted(rows + STATES)


def main(standard: Path, other: Path, sales: Path, target: Path) -> None:
    """Write the table, one row a line, and say what is in it."""
    parts = {
        "vat": with_laws(standard_rates(standard) + other_rates(other)),
        "us": state_rates(sales),
        "ca": PROVINCES,
    }
    sources = sorted({row[5] for rows in parts.values() for row in rows})
    quoted = ",\n  ".join(json.dumps(source, ensure_ascii=False) for source in sources)
    lines = [f' "sources": [\n  {quoted}\n ]']
    for name, rows in parts.items():
        written = ",\n  ".join(
            json.dumps(
                [
                    row[0],
                    row[1],
                    int(Decimal(row[2]) * 10_000),
                    row[3],
                    row[4],
                    sources.index(row[5]),
                ]
            )
            for row in rows
        )
        lines.append(f' "{name}": [\n  {written}\n ]')
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    print({name: len(rows) for name, rows in parts.items()}, target.stat().st_size, "bytes")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: cut_tax_rates.py vat_rates.csv vat-rates.json sales_tax_rates.json TARGET")
    main(*(Path(argument) for argument in sys.argv[1:]))
