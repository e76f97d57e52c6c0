"""UK VAT of 2010-11 as a tax policy, and the countries of the "Online Retail" file by ISO code.

The file has no tax column, so this is the assumption that a replay prints: prices include tax,
consumers in the UK and the EU pay the UK rate (sales below the distance-selling thresholds),
exports pay none, vouchers are taxed when they are used.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ordercore.cli.online_retail import UK_VAT_PERCENT, Region, region
from ordercore.money import Percent
from ordercore.pricing import TaxPolicy, TaxRate

if TYPE_CHECKING:
    from datetime import date

ASSUMPTION: Final = (
    "Prices include UK VAT: 17.5 % to 2011-01-03 and 20 % from 2011-01-04 on sales to the UK "
    "and the EU, 0 % on exports and vouchers."
)
STANDARD: Final = "standard"
VOUCHER: Final = "voucher"

# fmt: off
COUNTRY_CODES: Final[dict[str, str]] = {
    "United Kingdom": "GB", "Unspecified": "GB",
    "Austria": "AT", "Belgium": "BE", "Bulgaria": "BG", "Cyprus": "CY", "Czech Republic": "CZ",
    "Denmark": "DK", "EIRE": "IE", "Estonia": "EE", "European Community": "EU", "Finland": "FI",
    "France": "FR", "Germany": "DE", "Greece": "GR", "Hungary": "HU", "Ireland": "IE",
    "Italy": "IT", "Latvia": "LV", "Lithuania": "LT", "Luxembourg": "LU", "Malta": "MT",
    "Netherlands": "NL", "Poland": "PL", "Portugal": "PT", "Romania": "RO", "Slovakia": "SK",
    "Slovenia": "SI", "Spain": "ES", "Sweden": "SE",
    "Australia": "AU", "Bahrain": "BH", "Bermuda": "BM", "Brazil": "BR", "Canada": "CA",
    "Channel Islands": "JE", "Hong Kong": "HK", "Iceland": "IS", "Israel": "IL", "Japan": "JP",
    "Korea": "KR", "Lebanon": "LB", "Nigeria": "NG", "Norway": "NO", "RSA": "ZA",
    "Saudi Arabia": "SA", "Singapore": "SG", "Switzerland": "CH", "Thailand": "TH", "USA": "US",
    "United Arab Emirates": "AE", "West Indies": "XX",
}
# fmt: on
"""The file's names of countries. EU is reserved in ISO 3166 for the union, XX is for free use."""


def uk_tax_policy() -> TaxPolicy:
    """The dated rates; a category other than goods and vouchers is refused."""
    taxed = {code for name, code in COUNTRY_CODES.items() if region(name) is not Region.EXPORT}
    rates = [
        TaxRate(Percent(0), STANDARD, name="export"),
        TaxRate(Percent(0), VOUCHER, name="taxed when used"),
    ]
    for place, (first, percent) in enumerate(UK_VAT_PERCENT):
        last: date | None = None
        if place + 1 < len(UK_VAT_PERCENT):
            last = UK_VAT_PERCENT[place + 1][0] - timedelta(days=1)
        rates += [
            TaxRate(Percent.of(percent), STANDARD, code, first_day=first, last_day=last, name="VAT")
            for code in sorted(taxed)
        ]
    return TaxPolicy(tuple(rates), prices_include_tax=True, default=None)
