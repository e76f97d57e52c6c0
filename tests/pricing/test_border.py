"""Which regime lets goods in, who charges the tax, what duty and import tax are left."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidPolicy, RateUnavailable
from ordercore.money import Percent
from ordercore.party import Destination
from ordercore.pricing.assessing import (
    VALUATIONS,
    BorderGoods,
    assess,
    crosses,
    valuation,
    wanted_rates,
)
from ordercore.pricing.border import (
    Assessment,
    BorderPolicy,
    PersonalQuota,
    Registration,
    Requirement,
    Terms,
    check_border,
)
from ordercore.pricing.cart import Customs, GoodsKind
from ordercore.pricing.duty import ConsumptionTax, DutyRate, Tariff
from ordercore.pricing.exchange import ExchangeRate, RatePurpose
from ordercore.pricing.regime import RegimeId
from ordercore.pricing.tax import TaxRate

BEFORE, AFTER = datetime(2026, 6, 30, 12, tzinfo=UTC), datetime(2026, 7, 1, 12, tzinfo=UTC)
T_SHIRT, DRESS, SHOES, WATCH, WINE = "610910", "620442", "640399", "910211", "220421"
VAT = {"DE": "19", "GB": "20", "NO": "25", "NZ": "15", "AU": "10", "CN": "13", "CA": "5"}
MONEY = {"DE": "EUR", "GB": "GBP", "NO": "NOK", "NZ": "NZD", "AU": "AUD", "US": "USD"}
MONEY |= {"CN": "CNY", "CA": "CAD"}
DUTY = Tariff(
    tuple(
        DutyRate(hs, Percent.of(percent), to, date(2020, 1, 1), "a tariff", name="MFN")
        for hs, percent, to in (
            ("", "10", "EU"),
            ("", "12", "GB"),
            ("", "5", "AU"),
            ("", "20", "CN"),
            ("", "16.5", "US"),
        )
    )
)
ALL = tuple(
    Registration(regime, number)
    for regime, number in (
        (RegimeId.EU_IOSS, "IM2760000001"),
        (RegimeId.UK_LOW_VALUE, "GB123456789"),
        (RegimeId.NO_VOEC, "2021234"),
        (RegimeId.NZ_LOW_VALUE, "123-456-789"),
        (RegimeId.AU_LOW_VALUE, "300012345678"),
    )
)
REGISTERED = BorderPolicy("CN", ALL, tariff=DUTY)
PLAIN = BorderPolicy("CN", tariff=DUTY)


def thing(
    net: int, hs: str = T_SHIRT, quantity: int = 1, *, funded: int = 0, **more: Any
) -> BorderGoods:
    """A line of goods made in China; its sku is its code."""
    kind, excise = more.get("kind", GoodsKind.GOODS), more.get("excise", False)
    customs = Customs(hs, more.get("origin", "CN"), "a thing", excise)
    return BorderGoods("", f"SKU-{hs}", quantity, net, customs, "standard", kind, funded)


def at_border(
    goods: list[BorderGoods],
    to: str,
    policy: BorderPolicy = REGISTERED,
    at: datetime = AFTER,
    currency: str = "",
    **more: Any,
) -> Assessment:
    """An assessment in the destination's currency unless another is named; it reconciles."""
    named = [item._replace(line=str(index + 1)) for index, item in enumerate(goods)]
    found = assess(
        named,
        more.pop("freight", 0),
        more.pop("insurance", 0),
        currency or MONEY[to],
        Destination(to),
        at,
        policy,
        import_rate=lambda _: Percent.of(VAT[to]),
        **more,
    )
    assert found is not None
    assert found.duty == sum(line.duty for line in found.lines)
    assert found.import_tax == sum(line.import_tax for line in found.lines)
    assert found.consumption_tax == sum(line.consumption_tax for line in found.lines)
    assert found.reasons
    return found


def collected(found: Assessment) -> list[bool]:
    """Which lines bear the tax at the sale."""
    return [line.collected for line in found.lines]


# --- Where there is a border -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "destination", "day", "expected"),
    [
        ("DE", "FR", date(2026, 1, 1), False),
        ("DE", "DE", date(2026, 1, 1), False),
        ("CN", "DE", date(2026, 1, 1), True),
        ("GB", "DE", date(2010, 12, 1), False),
        ("GB", "DE", date(2021, 1, 1), True),
        ("CH", "LI", date(2026, 1, 1), False),
        ("CN", "", date(2026, 1, 1), False),
        ("", "DE", date(2026, 1, 1), False),
        ("CN", "HK", date(2026, 1, 1), True),
    ],
)
def test_a_border_lies_between_customs_territories(
    origin: str, destination: str, day: date, expected: bool
) -> None:
    """Members of one customs union have none between them, on the days of their membership."""
    assert crosses(origin, destination, day) is expected


def test_nothing_that_stays_or_is_no_thing_is_assessed() -> None:
    """Goods that stay inside, services and vouchers cross no border."""

    def assessed(goods: list[BorderGoods], to: str) -> Assessment | None:
        return assess(
            goods, 0, 0, "EUR", Destination(to), AFTER, PLAIN, import_rate=lambda _: Percent(0)
        )

    voucher = thing(50_00, kind=GoodsKind.MULTI_PURPOSE_VOUCHER)
    assert assessed([thing(50_00)], "CN") is None
    assert assessed([thing(50_00)], "") is None
    assert assessed([voucher, thing(1, kind=GoodsKind.SERVICE)], "DE") is None
    mixed = assessed([voucher._replace(line="1"), thing(50_00)._replace(line="2")], "DE")
    assert mixed is not None
    assert [line.line for line in mixed.lines] == ["2"]


# --- European Union --------------------------------------------------------------------------


def test_150_00_is_taxed_at_the_sale_and_150_01_at_the_border() -> None:
    """The limit of the import one-stop shop includes itself and leaves out freight shown apart."""
    inside = at_border([thing(150_00)], "DE", at=BEFORE, freight=10_00)
    assert (inside.duty, inside.import_tax, collected(inside)) == (0, 0, [True])
    assert inside.lines[0].regime is RegimeId.EU_IOSS
    assert inside.lines[0].duty_regime is RegimeId.EU_DUTY_RELIEF
    assert inside.registration == "IM2760000001"
    assert inside.reasons[0] == "consignment of EUR 150.00 is at most EUR 150.00: EU IOSS"

    above = at_border([thing(150_01)], "DE", at=BEFORE, freight=10_00)
    # 160.01 CIF, 10 % duty 16.00, 19 % of 176.01
    assert (above.duty, above.import_tax, collected(above)) == (16_00, 33_44, [False])
    assert above.lines[0].regime is above.lines[0].duty_regime is None
    assert above.registration == ""


def test_freight_that_is_not_shown_apart_counts_against_the_limit() -> None:
    """145.00 of goods and 10.00 of freight are 155.00 where the two are one figure."""
    assert collected(at_border([thing(145_00)], "DE", freight=10_00)) == [True]
    hidden = at_border([thing(145_00)], "DE", freight=10_00, freight_included=True)
    assert collected(hidden) == [False]


def test_two_t_shirts_and_shoes_cost_nothing_in_june_and_6_00_in_july() -> None:
    """The relief ends on 2026-06-30; then EUR 3 stand on each different item."""
    goods = [thing(20_00, T_SHIRT, 2), thing(60_00, SHOES)]
    assert at_border(goods, "DE", at=BEFORE).duty == 0
    july = at_border(goods, "DE", at=AFTER)
    assert [line.duty for line in july.lines] == [3_00, 3_00]
    assert july.lines[0].duty_regime is RegimeId.EU_FLAT_DUTY
    assert "duty: 2 different items x EUR 3.00 = EUR 6.00" in july.reasons


@pytest.mark.parametrize(
    ("goods", "duty"),
    [
        ([thing(50_00, T_SHIRT, 5)], 3_00),
        ([thing(10_00), thing(10_00), thing(10_00)], 3_00),
        ([thing(20_00, T_SHIRT), thing(80_00, WATCH)], 6_00),
        ([thing(20_00, "61091000"), thing(20_00, "61091090")], 3_00),
    ],
)
def test_the_flat_duty_is_by_code_not_by_unit(goods: list[BorderGoods], duty: int) -> None:
    """5 T-shirts bear 3.00, a T-shirt and a watch 6.00; the first six digits decide."""
    assert at_border(goods, "DE").duty == duty


def test_splitting_a_parcel_can_cost_duty() -> None:
    """2 T-shirts and shoes in one parcel bear 6.00; a T-shirt and shoes, and a T-shirt apart, 9.00."""
    one = at_border([thing(20_00, T_SHIRT, 2), thing(60_00, SHOES)], "DE").duty
    first = at_border([thing(10_00), thing(60_00, SHOES)], "DE").duty
    second = at_border([thing(10_00)], "DE").duty
    assert (one, first + second) == (6_00, 9_00)


def test_goods_without_a_code_are_each_an_item_of_their_own() -> None:
    """Without a code every article counts as different, and the code is asked for."""
    nameless = [
        thing(10_00, "")._replace(sku="A"),
        thing(10_00, "6109")._replace(sku="B"),
        thing(10_00, "")._replace(sku="A", customs=None),
    ]
    found = at_border(nameless, "DE")
    assert found.duty == 6_00
    assert Requirement.HS_CODE in found.requires
    assert "line 1 has no HS code: 'A' is an item apart" in found.reasons


def test_without_a_registration_the_border_taxes_a_small_consignment() -> None:
    """40.00 and EUR 3 of duty at 19 %: 8.17, or 7.60 where the flat duty bears no tax."""
    found = at_border([thing(40_00)], "DE", PLAIN)
    assert (found.duty, found.import_tax, collected(found)) == (3_00, 8_17, [False])
    bare = BorderPolicy("CN", tariff=DUTY, duty_bears_tax=False)
    assert at_border([thing(40_00)], "DE", bare).import_tax == 7_60
    assert at_border([thing(40_00)], "DE", PLAIN, BEFORE).import_tax == 7_60


def test_the_flat_duty_may_be_left_to_registered_sellers() -> None:
    """By that reading a seller without the import one-stop shop pays the tariff, a registered one EUR 3."""
    strict = BorderPolicy("CN", tariff=DUTY, flat_duty_needs_registration=True)
    found = at_border([thing(40_00)], "DE", strict)
    assert (found.duty, found.lines[0].duty_regime) == (4_00, None)
    assert "the seller is not registered: EU flat duty does not apply" in found.reasons
    seller = BorderPolicy("CN", ALL, tariff=DUTY, flat_duty_needs_registration=True)
    assert at_border([thing(40_00)], "DE", seller).duty == 3_00


@pytest.mark.parametrize("bears", [True, False])
def test_the_flat_duty_bears_no_tax_at_the_sale(bears: bool) -> None:
    """Whether tax stands on the flat duty is a question of imports alone."""
    policy = BorderPolicy("CN", ALL, tariff=DUTY, duty_bears_tax=bears)
    found = at_border([thing(40_00)], "DE", policy)
    assert (found.duty, found.import_tax, collected(found)) == (3_00, 0, [True])


def test_a_business_in_the_uk_imports_under_the_relief_from_duty() -> None:
    """Below GBP 135 a business imports: relief from duty stays, tax is that of the import."""
    found = at_border([thing(100_00)], "GB", PLAIN, consumer=False)
    assert (found.duty, found.import_tax, collected(found)) == (0, 20_00, [False])
    assert Requirement.REGISTRATION not in found.requires


def test_fees_are_held_against_a_limit_where_they_are_not_shown_apart() -> None:
    """145.00 of goods and 10.00 of packing are 155.00 where the two are one figure."""
    assert collected(at_border([thing(145_00)], "DE", fees=10_00)) == [True]
    assert collected(at_border([thing(145_00)], "DE", fees=10_00, freight_included=True)) == [False]


def test_wine_bars_the_consignment_from_tax_at_the_sale() -> None:
    """Goods under excise are never in the import one-stop shop nor in the relief, but bear the flat duty."""
    wine = [thing(40_00, WINE, excise=True), thing(10_00)]
    june, july = at_border(wine, "DE", at=BEFORE), at_border(wine, "DE", at=AFTER)
    assert collected(june) == collected(july) == [False, False]
    assert (june.duty, july.duty) == (5_00, 6_00)


def test_what_a_third_party_repays_is_part_of_the_value() -> None:
    """140.00 paid by the buyer and 10.01 by the platform are 150.01."""
    assert collected(at_border([thing(140_00, funded=10_00)], "DE")) == [True]
    above = at_border([thing(140_00, funded=10_01)], "DE")
    assert (collected(above), above.lines[0].declared) == ([False], 150_01)


# --- Other currencies ------------------------------------------------------------------------


def customs_rate(base: str, quote: str, top: int, bottom: int) -> ExchangeRate:
    """A customs rate of the day."""
    day = AFTER.date()
    return ExchangeRate(base, quote, top, bottom, RatePurpose.CUSTOMS, AFTER, day, "ECB")


def test_a_limit_is_held_against_the_value_in_its_own_currency() -> None:
    """At 8 CNY to the euro, 1,200.00 are EUR 150.00 and 1,200.08 EUR 150.01; EUR 3 are CNY 24.00."""
    rates = (customs_rate("CNY", "EUR", 1, 8),)
    inside = at_border([thing(1_200_00)], "DE", currency="CNY", rates=rates)
    above = at_border([thing(1_200_08)], "DE", currency="CNY", rates=rates)
    assert (collected(inside), collected(above)) == ([True], [False])
    assert inside.duty == 24_00
    yen = (customs_rate("JPY", "EUR", 1, 160),)
    assert at_border([thing(24_000)], "DE", currency="JPY", rates=yen).duty == 480


def test_a_limit_is_compared_before_anything_is_rounded() -> None:
    """150.00 dollars at 1.00003 are EUR 150.0045: above 150.00, though they round to it."""
    above = at_border(
        [thing(150_00)], "DE", currency="USD", rates=(customs_rate("USD", "EUR", 100_003, 100_000),)
    )
    assert collected(above) == [False]
    assert above.reasons[0].startswith("consignment of about EUR 150.00 is above EUR 150.00")
    below = at_border(
        [thing(150_00)], "DE", currency="USD", rates=(customs_rate("USD", "EUR", 99_997, 100_000),)
    )
    assert collected(below) == [True]


def test_an_item_and_a_year_are_compared_before_anything_is_rounded() -> None:
    """NOK 2,999.999 is below 3,000; CNY 26,000.004 in a year is above 26,000."""
    kroner = (customs_rate("EUR", "NOK", 2_999_999, 250_000),)
    assert collected(at_border([thing(250_00)], "NO", currency="EUR", rates=kroner)) == [True]
    yuan = (customs_rate("EUR", "CNY", 1_000_004, 100_000),)
    found = to_china([thing(100_00)], used=25_000_00, currency="EUR", rates=yuan)
    assert found.lines[0].regime is None
    exact = (customs_rate("EUR", "CNY", 10, 1),)
    inside = to_china([thing(100_00)], used=25_000_00, currency="EUR", rates=exact)
    assert inside.lines[0].regime is RegimeId.CN_RETAIL_IMPORT


def test_without_the_rate_nothing_is_guessed() -> None:
    """A missing rate is an error that names the pair; a rate for another purpose is none."""
    display = ExchangeRate(
        "CNY", "EUR", 1, 8, RatePurpose.DISPLAY, AFTER, AFTER.date(), "a shop window"
    )
    for rates in ((), (display,), (customs_rate("EUR", "CNY", 8, 1),)):
        with pytest.raises(RateUnavailable) as caught:
            at_border([thing(10_00)], "DE", currency="CNY", rates=rates)
        assert caught.value.path == "facts.rates"
        assert caught.value.data == {"base": "CNY", "quote": "EUR", "purpose": "customs"}


@pytest.mark.parametrize(
    ("to", "currency", "policy", "expected"),
    [
        ("DE", "CNY", REGISTERED, (("CNY", "EUR"),)),
        ("DE", "EUR", REGISTERED, ()),
        ("NO", "CNY", REGISTERED, (("CNY", "NOK"),)),
        ("NO", "CNY", PLAIN, ()),
        ("GB", "CNY", PLAIN, (("CNY", "GBP"),)),
        ("US", "CNY", REGISTERED, ()),
        ("CN", "EUR", REGISTERED, ()),
        ("", "EUR", REGISTERED, ()),
    ],
)
def test_the_wanted_rates_are_those_that_are_asked_for(
    to: str, currency: str, policy: BorderPolicy, expected: tuple[tuple[str, str], ...]
) -> None:
    """With the wanted rates an assessment never lacks one, and no other is wanted."""
    wanted = wanted_rates(currency, Destination(to), AFTER, policy)
    assert wanted == expected
    rates = tuple(customs_rate(base, quote, 1, 8) for base, quote in wanted)
    if crosses("CN", to, AFTER.date()):
        at_border([thing(10_00)], to, policy, currency=currency, rates=rates)


# --- United Kingdom, Norway, New Zealand, Australia, United States -----------------------------


def test_the_uk_limit_is_135_00() -> None:
    """Up to GBP 135.00: tax at the sale, no duty; above: duty and import tax."""
    inside, above = at_border([thing(135_00)], "GB"), at_border([thing(135_01)], "GB")
    assert (inside.duty, inside.import_tax, collected(inside)) == (0, 0, [True])
    # 12 % of 135.01 is 16.20; 20 % of 151.21 is 30.24
    assert (above.duty, above.import_tax, collected(above)) == (16_20, 30_24, [False])


def test_the_uk_obliges_a_seller_to_register() -> None:
    """Without a number the tax falls due on import, duty stays relieved, and the number is asked for."""
    found = at_border([thing(100_00)], "GB", PLAIN)
    assert (found.duty, found.import_tax, collected(found)) == (0, 20_00, [False])
    assert Requirement.REGISTRATION in found.requires


def test_norway_looks_at_each_item() -> None:
    """2 x NOK 2,000 qualify, 1 x 3,000.00 does not, and neither bars the other."""
    assert collected(at_border([thing(4_000_00, quantity=2)], "NO", freight=100_00)) == [True]
    assert collected(at_border([thing(3_000_00)], "NO")) == [False]
    both = at_border([thing(4_000_00, quantity=2), thing(3_000_00, SHOES)], "NO")
    assert collected(both) == [True, False]
    assert [line.import_tax for line in both.lines] == [0, 750_00]
    assert both.lines[0].duty_regime is RegimeId.NO_VOEC


def test_norway_takes_in_no_food() -> None:
    """Chocolate is taxed at the border, the T-shirt beside it at the sale."""
    assert collected(at_border([thing(100_00, "180631"), thing(100_00)], "NO")) == [False, True]


def test_norway_without_registration_is_an_ordinary_import() -> None:
    """No number, no regime: 25 % of the value with its freight."""
    found = at_border([thing(100_00)], "NO", PLAIN, freight=20_00)
    assert (collected(found), found.import_tax) == ([False], 30_00)


def test_new_zealand_taxes_items_up_to_1000_at_the_sale() -> None:
    """NZD 1,000.00 is inside, 1,000.01 is not; an unregistered seller's small consignment bears nothing."""
    assert collected(at_border([thing(1_000_00), thing(1_000_01)], "NZ")) == [True, False]
    free = at_border([thing(1_000_00)], "NZ", PLAIN)
    assert (collected(free), free.duty, free.import_tax) == ([False], 0, 0)
    assert free.lines[0].regime is RegimeId.NZ_BORDER_RELIEF


def test_australia_may_leave_goods_that_ship_together_to_the_border() -> None:
    """2 x AUD 600 are taxed at the sale, unless the seller believes that they arrive as one of 1,200."""
    goods = [thing(600_00), thing(600_00, SHOES)]
    sold = at_border(goods, "AU")
    assert collected(sold) == [True, True]
    assert sold.duty == 60_00  # the consignment is above what the border lets in free
    policy = BorderPolicy("CN", ALL, tariff=DUTY, ships_together=True)
    left = at_border(goods, "AU", policy, freight=100_00)
    # FOB: duty 5 % of 1,200.00; GST 10 % of 1,200 + 60 + 100 of freight
    assert (collected(left), left.duty, left.import_tax) == ([False, False], 60_00, 136_00)
    assert collected(at_border([thing(1_000_00)], "AU", policy)) == [True]


def test_50_dollars_bear_duty_in_the_united_states() -> None:
    """No consignment is too small since 2025-08-29; the day before, 800.00 were let in."""
    goods = [thing(50_00)]
    today = at_border(goods, "US", freight=10_00)
    assert (today.duty, today.import_tax) == (8_25, 0)  # 16.5 % of the goods alone
    last = datetime(2025, 8, 28, 12, tzinfo=UTC)
    made_elsewhere = [thing(50_00, origin="VN")]
    assert at_border(made_elsewhere, "US", at=last).duty == 0
    assert at_border(goods, "US", at=last).duty == 8_25  # made in China: out since 2025-05-02


def test_canada_values_goods_alone() -> None:
    """GST of 5 % stands on the goods and the duty, not on the freight."""
    found = at_border([thing(100_00)], "CA", freight=40_00)
    assert (found.lines[0].customs_value, found.import_tax) == (100_00, 5_00)


def test_every_rule_of_valuation_has_a_source() -> None:
    """A country that is not listed values goods with their freight."""
    assert all(len(rule.source) > 10 for rule in VALUATIONS.values())
    assert valuation("JP", AFTER.date()).valuation is valuation("DE", AFTER.date()).valuation


# --- China, retail import --------------------------------------------------------------------

CN_DAY = datetime(2026, 7, 1, 12, tzinfo=UTC)
COSMETICS = ConsumptionTax("3304", Percent.of("15"), "CN", date(2020, 1, 1), "Cai Shui [2016] 103")
TO_CN = BorderPolicy("JP", tariff=DUTY, consumption=(COSMETICS,))


def to_china(goods: list[BorderGoods], used: int = 0, year: int = 2026, **more: Any) -> Assessment:
    """An assessment of a buyer who has bought for ``used`` in ``year``."""
    quota = PersonalQuota(RegimeId.CN_RETAIL_IMPORT, "a person", year, used)
    return at_border(goods, "CN", TO_CN, more.pop("at", CN_DAY), quota=quota, **more)


def test_retail_import_bears_no_duty_and_70_percent_of_the_taxes() -> None:
    """3,000.00 with 100.00 of freight and 20.00 of insurance: 13 % x 70 % of 3,120.00."""
    found = to_china([thing(3_000_00)], freight=100_00, insurance=20_00)
    assert (found.duty, found.consumption_tax, found.import_tax) == (0, 0, 283_92)
    assert found.lines[0].regime is RegimeId.CN_RETAIL_IMPORT
    assert found.requires == (Requirement.PERSONAL_ID,)


def test_consumption_tax_stands_inside_the_price() -> None:
    """850.00 of cosmetics are 1,000.00 with 15 % inside: 150.00 and 130.00, x 70 %."""
    found = to_china([thing(850_00, "330499")])
    assert (found.consumption_tax, found.import_tax) == (105_00, 91_00)


def test_a_platform_coupon_does_not_lower_the_value_in_china() -> None:
    """A coupon as a means of payment stays in the base, the seller's own discount does not."""
    paid, lowered = to_china([thing(900_00, funded=100_00)]), to_china([thing(900_00)])
    assert (paid.import_tax, lowered.import_tax) == (91_00, 81_90)


def test_the_transaction_limit_is_5000_and_one_item_may_pass_it() -> None:
    """5,000.00 is inside; 5,000.01 in one item is taxed in full; in two, it is general import."""
    inside = to_china([thing(5_000_00, quantity=2)])
    assert (inside.duty, inside.import_tax) == (0, 455_00)
    # 20 % duty on 5,000.01 is 1,000.00; 13 % of 6,000.01 is 780.00
    single, several = to_china([thing(5_000_01)]), to_china([thing(5_000_01, quantity=2)])
    for found, regime in ((single, RegimeId.CN_RETAIL_IMPORT), (several, None)):
        assert (found.duty, found.import_tax) == (1_000_00, 780_00)
        assert found.lines[0].regime is regime


def test_the_year_limit_ends_retail_import() -> None:
    """26,000.00 in a year are inside with this order; one cent more is general import."""
    assert to_china([thing(1_000_00)], used=25_000_00).duty == 0
    above = to_china([thing(1_000_00)], used=25_000_01)
    assert (above.duty, above.import_tax) == (200_00, 156_00)
    assert above.lines[0].regime is None


def test_a_year_is_that_of_china() -> None:
    """At 16:00 UTC of 2026-12-31 it is 2027 in China, and what was used in 2026 counts no more."""
    evening = datetime(2026, 12, 31, 16, tzinfo=UTC)
    before = datetime(2026, 12, 31, 15, 59, tzinfo=UTC)
    assert to_china([thing(1_000_00)], used=26_000_00, at=evening).duty == 0
    assert to_china([thing(1_000_00)], used=26_000_00, at=before).duty == 200_00


def test_a_quota_that_was_not_asked_is_said() -> None:
    """Without an answer nothing is taken as used, and the reasons say so."""
    found = at_border([thing(100_00)], "CN", TO_CN, CN_DAY)
    assert any("was not asked" in reason for reason in found.reasons)
    assert not any("was not asked" in reason for reason in to_china([thing(1)]).reasons)


# --- What is asked for -----------------------------------------------------------------------


def test_the_tariff_asks_for_the_origin() -> None:
    """Duty by the tariff needs to know where the goods were made; a relieved consignment does not."""
    nowhere = thing(200_00, origin="")
    assert Requirement.ORIGIN in at_border([nowhere], "DE").requires
    assert Requirement.ORIGIN not in at_border([thing(20_00, origin="")], "DE").requires


def test_a_code_without_a_rate_bears_no_duty_and_says_so() -> None:
    """An empty tariff is no silent exemption."""
    found = at_border([thing(200_00)], "DE", BorderPolicy("CN", terms=Terms.DAP))
    assert (found.duty, found.terms) == (0, Terms.DAP)
    assert "line 1: the tariff has no rate for HS 610910 from CN: duty 0" in found.reasons


def test_korea_asks_for_the_importers_code() -> None:
    """Destinations whose customs ask who the buyer is are known."""
    found = assess(
        [thing(1)], 0, 0, "KRW", Destination("KR"), AFTER, PLAIN, import_rate=lambda _: Percent(0)
    )
    assert found is not None
    assert Requirement.IMPORTER_ID in found.requires


# --- Sums ------------------------------------------------------------------------------------

LINES = st.lists(
    st.builds(
        thing,
        st.integers(0, 3_000_00),
        st.sampled_from([T_SHIRT, DRESS, SHOES, WATCH, WINE, ""]),
        st.integers(1, 9),
        funded=st.integers(0, 50_00),
        excise=st.booleans(),
    ),
    min_size=1,
    max_size=8,
)
PLACES = st.sampled_from(["DE", "GB", "NO", "NZ", "AU", "US", "CN"])


@given(
    LINES,
    PLACES,
    st.integers(0, 500_00),
    st.integers(0, 50_00),
    st.sampled_from([BEFORE, AFTER]),
    st.booleans(),
)
def test_l1_what_lines_owe_at_the_border_adds_up(
    goods: list[BorderGoods], to: str, freight: int, insurance: int, at: datetime, known: bool
) -> None:
    """Duties and taxes of the lines add up and are never negative; customs values hold all of the freight, or none."""
    policy = BorderPolicy(
        "JP", ALL if known else (), tariff=DUTY, consumption=(COSMETICS,), ships_together=known
    )
    found = at_border(goods, to, policy, at, freight=freight, insurance=insurance)
    declared = sum(line.declared for line in found.lines)
    assert declared == sum(item.net + item.funded for item in goods)
    carriage = 0 if to in {"US", "AU", "NZ"} else freight + insurance
    assert sum(line.customs_value for line in found.lines) == declared + carriage
    assert bool(found.registration) is any(collected(found))
    for line in found.lines:
        assert min(line.duty, line.import_tax, line.consumption_tax, line.declared) >= 0
        assert line.customs_value >= line.declared
        assert not (line.collected and line.import_tax)


@given(LINES, PLACES, st.integers(1, 7))
def test_splitting_a_consignment_never_changes_what_is_declared(
    goods: list[BorderGoods], to: str, cut: int
) -> None:
    """Two parcels together declare what one would, whatever the border makes of each."""
    policy = BorderPolicy("JP", ALL, tariff=DUTY)
    whole = at_border(goods, to, policy)
    parts = [part for part in (goods[:cut], goods[cut:]) if part]
    apart = [line for part in parts for line in at_border(part, to, policy).lines]
    assert [line.declared for line in apart] == [line.declared for line in whole.lines]
    assert [line.customs_value for line in apart] == [line.customs_value for line in whole.lines]


# --- Policies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (BorderPolicy("China"), "ships_from"),
        (BorderPolicy(""), "ships_from"),
        (
            BorderPolicy("CN", (Registration(RegimeId.EU_FLAT_DUTY, "1"),)),
            "registrations[0].regime",
        ),
        (BorderPolicy("CN", (Registration(RegimeId.NO_VOEC, " "),)), "registrations[0].number"),
        (BorderPolicy("CN", (Registration(RegimeId.EU_IOSS, "IM1"),)), "registrations[0].number"),
        (BorderPolicy("CN", (ALL[0], ALL[0])), "registrations[1].regime"),
        (
            BorderPolicy(
                "CN", tariff=Tariff((DutyRate("61", Percent(1), "EU", date(2020, 1, 1), ""),))
            ),
            "tariff.rates[0].source",
        ),
        (
            BorderPolicy(
                "CN", consumption=(ConsumptionTax("33", Percent(1), "CN", date(2020, 1, 1), ""),)
            ),
            "consumption[0].source",
        ),
        (
            BorderPolicy("CN", import_rates=(TaxRate(Percent(-1), country="JP"),)),
            "import_rates[0]",
        ),
        (
            BorderPolicy("CN", import_rates=(TaxRate(Percent(1)), TaxRate(Percent(2)))),
            "import_rates[1]",
        ),
    ],
)
def test_a_wrong_border_policy_is_refused_by_its_path(policy: BorderPolicy, path: str) -> None:
    """Codes, numbers and rates are checked once, when the policy is."""
    check_border(REGISTERED)
    check_border(TO_CN)
    with pytest.raises(InvalidPolicy) as caught:
        check_border(policy, "border")
    assert caught.value.path == f"border.{path}"
