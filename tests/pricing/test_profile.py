"""Rounding profiles: each reproduces the figures that its source gives or that its rule implies."""

from __future__ import annotations

from datetime import date

import pytest

from ordercore.money import Percent
from ordercore.party import Destination
from ordercore.pricing.cart import GoodsKind
from ordercore.pricing.profile import PROFILES, Profile
from ordercore.pricing.tax import PriceBasis, ShippingTax, TaxPolicy, TaxRate
from ordercore.pricing.taxing import TaxableRow, levies

DAY = date(2026, 11, 2)
HERE = Destination("DE")


def taxed(
    profile: Profile,
    *lines: tuple[int, int],
    percents: tuple[str, ...],
    included: bool = False,
) -> int:
    """The tax of lines of (amount, quantity), in minor units, by a profile."""
    rates = tuple(
        TaxRate(Percent.of(percent), component=str(number))
        for number, percent in enumerate(percents)
    )
    policy = TaxPolicy(rates, included).rounded_as(PROFILES[profile])
    rows = [
        TaxableRow(str(i), "standard", amount, 0, quantity, included, GoodsKind.GOODS, None)
        for i, (amount, quantity) in enumerate(lines)
    ]
    return sum(levy.tax for levy in levies(rows, policy, HERE, DAY))


@pytest.mark.parametrize("profile", list(Profile))
def test_every_profile_has_a_name_and_a_source(profile: Profile) -> None:
    """No rounding is offered without saying where it comes from."""
    found = PROFILES[profile]
    assert found.name
    assert found.source


def test_no_two_profiles_share_a_name() -> None:
    """A profile can be told by its name."""
    assert len({profile.name for profile in PROFILES.values()}) == len(Profile) == len(PROFILES)


@pytest.mark.parametrize(
    ("profile", "tax"),
    [(Profile.COMMERCETOOLS_LINE, 62), (Profile.COMMERCETOOLS_UNIT, 63)],
)
def test_commercetools_documents_its_two_modes(profile: Profile, tax: int) -> None:
    """3 x 1.08 at 19 % is 3.86 at line item level and 3.87 at unit price level."""
    assert taxed(profile, (324, 3), percents=("19",)) == tax


def test_commercetools_rounds_the_net_inside_a_price() -> None:
    """0.03 with 20 % inside has a net of 0.025, to even 0.02, which leaves a cent of tax; rounding
    the tax to even would leave none."""
    assert taxed(Profile.COMMERCETOOLS_LINE, (3, 1), percents=("20",), included=True) == 1


@pytest.mark.parametrize(
    ("profile", "tax"), [(Profile.SYLIUS_ITEMS, 4100), (Profile.SYLIUS_UNITS, 4101)]
)
def test_sylius_has_two_strategies(profile: Profile, tax: int) -> None:
    """3 x 70.00 less 5.00 at 20 % bears 41.00 by items and 41.01 by units."""
    assert taxed(profile, (20500, 3), percents=("20",)) == tax


def test_medusa_charges_what_the_gateway_rounds() -> None:
    """24.99 at 10.75 % comes to 27.676425, charged as 27.68."""
    assert taxed(Profile.MEDUSA, (2499, 1), percents=("10.75",)) == 269


@pytest.mark.parametrize(
    ("profile", "tax"),
    [
        (Profile.MEDUSA, 3),
        (Profile.VENDURE, 6),
        (Profile.VENDURE_ORDER, 3),
        (Profile.SHOPIFY, 6),
        (Profile.WOOCOMMERCE, 6),
        (Profile.WOOCOMMERCE_SUBTOTAL, 3),
        (Profile.MAGENTO_UNIT, 0),
        (Profile.MAGENTO_ROW, 6),
        (Profile.MAGENTO_TOTAL, 3),
        (Profile.EU, 6),
        (Profile.EU_INVOICE, 3),
        (Profile.DE_INVOICE, 3),
        (Profile.GB_RETAIL, 6),
        (Profile.GB_INVOICE, 3),
        (Profile.JP_INVOICE, 3),
        (Profile.US_ITEM, 6),
        (Profile.US_INVOICE, 3),
        (Profile.AU_INVOICE, 3),
        (Profile.NZ, 0),
        (Profile.SG, 6),
    ],
)
def test_the_level_of_rounding_shows_in_small_lines(profile: Profile, tax: int) -> None:
    """Six lines of two units, 0.10 each line, at 5 % bear half a cent a line: 0.06, 0.03 or nothing."""
    assert taxed(profile, *[(10, 2)] * 6, percents=("5",)) == tax


@pytest.mark.parametrize(
    ("profile", "tax"),
    [
        (Profile.US_ITEM, 13),
        (Profile.SOLIDUS, 14),
        (Profile.WOOCOMMERCE, 14),
        (Profile.MAGENTO_ROW, 14),
        (Profile.CA_INVOICE, 14),
        (Profile.IN, 14),
    ],
)
def test_components_are_rounded_as_one_or_each(profile: Profile, tax: int) -> None:
    """Twice 6.25 % of 1.04 is 0.13 as one rate and 0.07 + 0.07 one by one."""
    assert taxed(profile, (104, 1), percents=("6.25", "6.25")) == tax


def test_an_invoice_trader_may_cut_off_the_total() -> None:
    """20 % of 1.04 and 1.04 is 41.6 pence, cut to 0.41; a retailer has 0.21 for each line."""
    lines = ((104, 1), (104, 1))
    assert taxed(Profile.GB_INVOICE, *lines, percents=("20",)) == 41
    assert taxed(Profile.GB_RETAIL, *lines, percents=("20",)) == 42


def test_a_japanese_invoice_cuts_off_once() -> None:
    """3 x JPY 105 at 8 % bear 25."""
    assert taxed(Profile.JP_INVOICE, *[(105, 1)] * 3, percents=("8",)) == 25


def test_a_japanese_invoice_cuts_off_once_for_prices_with_and_without_tax() -> None:
    """JPY 101 without and 107 with 8 % bear 16 together: 8.08 and 7.93."""
    policy = TaxPolicy((TaxRate(Percent.of("8")),)).rounded_as(PROFILES[Profile.JP_INVOICE])
    rows = [
        TaxableRow(str(amount), "standard", amount, 0, 1, included, GoodsKind.GOODS, None)
        for amount, included in ((101, False), (107, True))
    ]
    assert sum(levy.tax for levy in levies(rows, policy, HERE, DAY)) == 16


@pytest.mark.parametrize(
    ("profile", "tax"), [(Profile.WOOCOMMERCE, 1), (Profile.WOOCOMMERCE_INCLUDED, 0)]
)
def test_woocommerce_rounds_half_down_inside_prices(profile: Profile, tax: int) -> None:
    """Half a cent inside 0.03 at 20 % goes down where prices include tax."""
    assert taxed(profile, (3, 1), percents=("20",), included=True) == tax


def test_saleor_leaves_the_rest_of_a_rounded_net() -> None:
    """0.03 with 20 % inside has a net of 0.025, rounded to 0.03, and no tax."""
    assert taxed(Profile.SALEOR, (3, 1), percents=("20",), included=True) == 0


@pytest.mark.parametrize(
    ("profile", "due", "cash"),
    [
        (Profile.CH, 237, 235),
        (Profile.CH, 238, 240),
        (Profile.NO, 10049, 10000),
        (Profile.NO, 10050, 10100),
        (Profile.SE, 10050, 10100),
        (Profile.AU_INVOICE, 1002, 1000),
        (Profile.CA_INVOICE, 1003, 1005),
        (Profile.NZ, 1005, 1000),
    ],
)
def test_cash_is_rounded_to_the_smallest_coin(profile: Profile, due: int, cash: int) -> None:
    """Where small coins were withdrawn, cash is rounded and nothing else."""
    rule = PROFILES[profile].cash
    assert rule is not None
    assert rule.apply(due) == cash


def test_a_profile_changes_rounding_alone() -> None:
    """Rates, prices, charges and the home country stay as the shop has them."""
    shop = TaxPolicy(
        (TaxRate(Percent.of("19")),),
        False,
        default=Percent.of("7"),
        charges=ShippingTax.MAIN,
        home=HERE,
        abroad=PriceBasis.NET_FIXED,
        union=("DE", "FR"),
        zone="Europe/Berlin",
    )
    profile = PROFILES[Profile.COMMERCETOOLS_UNIT]
    rounded = shop.rounded_as(profile)
    assert rounded == TaxPolicy(
        shop.rates,
        shop.prices_include_tax,
        profile.rounding,
        profile.scope,
        shop.default,
        profile.rounded,
        profile.components,
        shop.charges,
        shop.home,
        shop.abroad,
        shop.union,
        shop.zone,
    )
    assert rounded != shop
    assert rounded.rounded_as(profile) == rounded
