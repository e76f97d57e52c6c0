"""The whole pass: prices of every kind, promotions, tax, the border, other currencies, as one quote."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from ordercore.allocation import RemainderRule
from ordercore.errors import InvalidCart, InvalidInput, OrdercoreError, RateUnavailable
from ordercore.money import Percent, Rounding, money
from ordercore.party import Address, Destination, Party
from ordercore.pricing import (
    AmountOff,
    BorderPolicy,
    Cart,
    CartLine,
    CashPayable,
    ChargeKind,
    Component,
    Conditions,
    Coupon,
    CouponTerms,
    Customs,
    EveryOff,
    ExchangePolicy,
    ExchangeRate,
    Fee,
    Funder,
    GoodsKind,
    Layer,
    LinePercent,
    OrderAmount,
    OrderPercent,
    PercentOff,
    PointsRate,
    PriceBasis,
    PricingFacts,
    PricingPolicy,
    Promotion,
    Quote,
    RatePurpose,
    RefusalReason,
    RefusedCoupon,
    RegimeId,
    Registration,
    Scope,
    ShippingCharge,
    ShippingOff,
    ShippingTax,
    Shopper,
    SkuPrice,
    SpecialPrice,
    TaxPolicy,
    TaxRate,
    TaxTreatment,
    VatIdCheck,
    quote,
)
from ordercore.pricing.quoting import _Pass
from ordercore.quotation import parse_cart, write_cart
from ordercore.testing import START, laws, quotes

TWENTY = TaxPolicy((TaxRate(Percent.of("20")),))
NINETEEN = TaxPolicy((TaxRate(Percent.of("19"), country="DE"),), prices_include_tax=False)


def eur(text: str) -> Any:
    """An amount in euro."""
    return money(text, "EUR")


def cny(text: str) -> Any:
    """An amount in yuan."""
    return money(text, "CNY")


def priced(cart: Cart, policy: PricingPolicy, at: datetime = START, **facts: Any) -> Quote:
    """A quote that keeps the laws, and that comes out again from what it was made of."""
    found = quote(cart, policy, at, PricingFacts(**facts))
    laws.quote_reconciles(found)
    laws.units_rebuild_lines(found)
    again = quote(found.cart, found.policy, found.at, found.facts)
    assert again == found
    return found


# --- Promotions ------------------------------------------------------------------------------

FLASH = Promotion("flash", SpecialPrice((SkuPrice("A", cny("179.00")),)))
EVERY = Promotion("every-200", EveryOff(cny("200.00"), cny("20.00")))
COUPON = Promotion(
    "fifty",
    OrderAmount(cny("50.00")),
    when=Conditions(at_least=cny("500.00")),
    coupon=CouponTerms(),
)
LAYERS = (Layer("prices", (FLASH,)), Layer("reductions", (EVERY,)), Layer("coupons", (COUPON,)))


def flash_cart(b: str = "150.50") -> Cart:
    """Two of A in the flash sale, and B."""
    lines = (CartLine("A", 2, cny("199.00")), CartLine("B", 1, cny(b)))
    return Cart("CNY", lines, codes=("TAKE50",))


def test_flash_price_full_reduction_and_a_coupon_that_falls_short() -> None:
    """2 x 199.00 at 179.00 and 150.50 are 508.50; every 200 less 20 takes 28.16 and 11.84; for the
    coupon from 500.00 there are 31.50 missing."""
    policy = PricingPolicy(layers=LAYERS)
    found = priced(flash_cart(), policy, coupons=(Coupon("TAKE50", "fifty"),))
    assert [line.discount for line in found.lines] == [4000, 0]
    assert [line.order_discount for line in found.lines] == [2816, 1184]
    assert (found.subtotal, found.discount, found.total) == (54850, 8000, 46850)
    assert found.refused == (RefusedCoupon("TAKE50", RefusalReason.BELOW_THRESHOLD, "fifty", 3150),)


def test_a_coupon_applies_on_what_the_layers_before_it_left() -> None:
    """With B at 200.00 there remain 518.00 after the reductions: the coupon makes them 468.00."""
    policy = PricingPolicy(layers=LAYERS)
    found = priced(flash_cart("200.00"), policy, coupons=(Coupon("TAKE50", "fifty"),))
    assert (found.total, found.refused) == (46800, ())
    assert [(off.promotion, off.code, off.amount) for off in found.discounts] == [
        ("flash", "", 4000),
        ("every-200", "", 4000),
        ("fifty", "TAKE50", 5000),
    ]


def test_a_code_without_promotions_is_unknown() -> None:
    """A shop without promotions refuses every code, and prices the cart all the same."""
    found = priced(flash_cart(), PricingPolicy())
    assert found.refused == (RefusedCoupon("TAKE50", RefusalReason.UNKNOWN),)


@pytest.mark.parametrize(
    ("funder", "tax", "net"), [(Funder.MERCHANT, 1800, 9000), (Funder.PLATFORM, 2000, 8800)]
)
def test_who_funds_a_coupon_decides_the_tax(funder: Funder, tax: int, net: int) -> None:
    """120.00 with 20 % inside less 12.00 hold 18.00 of tax where the merchant pays, 20.00 where the
    platform does; the customer pays 108.00 in both."""
    cart = Cart("EUR", (CartLine("A", 1, eur("120.00")),), (AmountOff(eur("12.00"), "", funder),))
    found = priced(cart, PricingPolicy(TWENTY))
    assert (found.total, found.tax, found.net) == (10800, tax, net)
    assert found.taxes[0].net + found.taxes[0].tax == (12000 if tax == 2000 else 10800)


def test_a_promotion_of_the_platform_is_taxed_as_a_coupon_of_the_platform() -> None:
    """The same 12.00 as a promotion that the platform funds leave the tax at 20.00."""
    gift = Promotion("gift", OrderAmount(eur("12.00")), funder=Funder.PLATFORM)
    cart = Cart("EUR", (CartLine("A", 1, eur("120.00")),))
    found = priced(cart, PricingPolicy(TWENTY, layers=(Layer("platform", (gift,)),)))
    assert (found.total, found.tax, found.lines[0].funded) == (10800, 2000, 1200)


def test_free_shipping_takes_the_tax_of_shipping_along() -> None:
    """Free shipping leaves a charge of nothing that says what was taken off."""
    free = Promotion("free", ShippingOff())
    cart = Cart("EUR", (CartLine("A", 1, eur("120.00")),), shipping=ShippingCharge(eur("6.00")))
    found = priced(cart, PricingPolicy(TWENTY, layers=(Layer("shipping", (free,)),)))
    assert (found.charges[0].amount, found.charges[0].discount) == (0, 600)
    assert (found.total, found.discount, found.tax) == (12000, 600, 2000)


def test_no_discount_goes_below_the_lowest_unit_price() -> None:
    """Two at 10.00 with a floor of 8.00 give 4.00 at most, whatever takes it off."""
    line = CartLine(
        "A", 2, eur("10.00"), floor_price=eur("8.00"), discounts=(AmountOff(eur("3.00")),)
    )
    other = CartLine("B", 1, eur("10.00"))
    cart = Cart("EUR", (line, other), (PercentOff(Percent.of("50")),))
    found = priced(cart, PricingPolicy())
    assert [row.amount for row in found.lines] == [1600, 0]
    assert (found.discounts[1].asked, found.discounts[1].amount) == (1350, 1100)
    alone = priced(Cart("EUR", (line,), (AmountOff(eur("9.00")),)), PricingPolicy())
    assert alone.total == 1600


@pytest.mark.parametrize("rule", list(RemainderRule))
def test_no_remainder_rule_takes_more_than_a_line_has(rule: RemainderRule) -> None:
    """0.01 off an order whose first and last lines cost nothing comes off the line in the middle."""
    lines = tuple(CartLine(f"A{i}", 1, eur(price)) for i, price in enumerate(("0", "0.03", "0")))
    cart = Cart("EUR", lines, (AmountOff(eur("0.01")), AmountOff(eur("0.01"))))
    found = priced(cart, PricingPolicy(discount_remainder=rule))
    assert [line.order_discount for line in found.lines] == [0, 2, 0]


def test_a_remainder_kept_apart_is_not_given() -> None:
    """0.10 off three equal lines are 0.03 each where the odd cent is kept: 0.09 are taken."""
    cart = Cart(
        "EUR", tuple(CartLine(f"A{i}", 1, eur("1.00")) for i in range(3)), (AmountOff(eur("0.10")),)
    )
    found = priced(cart, PricingPolicy(discount_remainder=RemainderRule.KEPT_APART))
    assert (found.discounts[0].asked, found.discounts[0].amount, found.total) == (10, 9, 291)


# --- Kinds of goods --------------------------------------------------------------------------


def test_a_bundle_shares_its_price_by_list_price_and_taxes_each_component_by_its_own_rate() -> None:
    """A book (5 %) and a lamp (20 %), 10.00 and 30.00 alone, for 32.00: 8.00 and 24.00."""
    rates = (TaxRate(Percent.of("5"), "book"), TaxRate(Percent.of("20")))
    parts = (
        Component("BOOK", 1, eur("10.00"), tax_category="book"),
        Component("LAMP", 1, eur("30.00")),
    )
    cart = Cart("EUR", (CartLine("SET", 2, eur("32.00"), "Reading set", components=parts),))
    found = priced(cart, PricingPolicy(TaxPolicy(rates)))
    assert [(line.id, line.sku, line.quantity, line.bundle) for line in found.lines] == [
        ("1.1", "BOOK", 2, "1"),
        ("1.2", "LAMP", 2, "1"),
    ]
    assert [line.total for line in found.lines] == [1600, 4800]
    assert [line.tax for line in found.lines] == [76, 800]
    assert {off.layer for off in found.discounts} == {"bundle"}


def test_a_bundle_is_never_dearer_than_its_components() -> None:
    """A price above the sum of the components is refused at its path."""
    cart = Cart(
        "EUR", (CartLine("SET", 1, eur("9.00"), components=(Component("A", 1, eur("8.00")),)),)
    )
    with pytest.raises(InvalidCart) as caught:
        quote(cart, PricingPolicy(), START)
    assert caught.value.path == "cart.lines[0].unit_price"


def test_a_bundle_of_gifts_carries_its_freight() -> None:
    """Components that cost nothing share the freight of their bundle equally."""
    parts = (Component("A", 1, eur("0")), Component("B", 1, eur("0")))
    line = CartLine("SET", 1, eur("0"), components=parts, domestic_freight=eur("3.00"))
    found = priced(Cart("EUR", (line,)), PricingPolicy())
    assert [row.freight for row in found.lines] == [150, 150]


def test_the_sale_of_a_gift_card_is_outside_the_scope_of_tax() -> None:
    """A multi-purpose voucher bears no tax when it is sold; a single-purpose one bears its rate."""
    lines = (
        CartLine("CARD", 1, eur("50.00"), kind=GoodsKind.MULTI_PURPOSE_VOUCHER),
        CartLine("SPA", 1, eur("60.00"), kind=GoodsKind.SINGLE_PURPOSE_VOUCHER),
    )
    found = priced(Cart("EUR", lines), PricingPolicy(TWENTY))
    assert [line.treatment for line in found.lines] == [
        TaxTreatment.OUT_OF_SCOPE,
        TaxTreatment.STANDARD,
    ]
    assert [line.tax for line in found.lines] == [0, 1000]


def test_a_price_in_points_and_cash_is_due_in_both() -> None:
    """500 points and 9.90, twice, at 100 points to 1.00: 29.80, of which 1,000 points."""
    cart = Cart("CNY", (CartLine("MUG", 2, cny("9.90"), points=500),))
    policy = PricingPolicy(points_worth=PointsRate(100, 100))
    found = priced(cart, policy)
    assert (found.total, found.points, found.lines[0].unit_price) == (2980, 1000, 1490)
    less = Cart("CNY", cart.lines, (AmountOff(cny("25.00")),))
    assert priced(less, policy).total == 1000  # points are not discounted away


@pytest.mark.parametrize(
    ("benefit", "total"),
    [
        (LinePercent(Percent.of("10")), 1391),
        (SpecialPrice((SkuPrice("MUG", cny("8.90")),)), 1390),
    ],
)
def test_a_promotion_takes_off_cash_and_not_points(benefit: Any, total: int) -> None:
    """A mug of 9.90 and 500 points: ten percent are 0.99, and a price of 8.90 stands beside the points."""
    cart = Cart("CNY", (CartLine("MUG", 1, cny("9.90"), points=500),))
    layers = (Layer("x", (Promotion("p", benefit),)),)
    found = priced(cart, PricingPolicy(points_worth=PointsRate(100, 100), layers=layers))
    assert (found.total, found.points) == (total, 500)


def test_a_promotion_on_a_bundle_s_own_sku_reaches_its_components() -> None:
    """Ten percent on the set of 32.00 are 3.20, shared over its parts."""
    parts = (Component("BOOK", 1, eur("10.00")), Component("LAMP", 1, eur("30.00")))
    cart = Cart("EUR", (CartLine("SET", 1, eur("32.00"), components=parts),))
    off = Promotion("ten", OrderPercent(Percent.of("10")), scope=Scope(skus=("SET",)))
    found = priced(cart, PricingPolicy(layers=(Layer("x", (off,)),)))
    assert (found.total, [line.order_discount for line in found.lines]) == (2880, [80, 240])


def test_special_prices_floors_and_freight_stand_at_the_destination_too() -> None:
    """A sale at 107.10 with 19 % inside is 90.00 to a business abroad that pays the net of 100.00."""
    rates = (TaxRate(Percent.of("19"), country="DE"), TaxRate(Percent.of("20"), country="FR"))
    tax = TaxPolicy(rates, home=Destination("DE"), abroad=PriceBasis.NET_FIXED, union=("DE", "FR"))
    sale = Promotion("sale", SpecialPrice((SkuPrice("A", eur("107.10")),)))
    line = CartLine(
        "A", 1, eur("119.00"), floor_price=eur("101.15"), domestic_freight=eur("11.90")
    )  # fmt: skip
    cart = Cart(
        "EUR", (line,), customer=Party("b", vat_id="FR1"), address=Address(country="FR")
    )  # fmt: skip
    check = VatIdCheck("FR1", "FR", valid=True, source="register", at=START)
    policy = PricingPolicy(tax, layers=(Layer("x", (sale,)),))
    found = priced(cart, policy, vat_id=check)
    assert (found.lines[0].unit_price, found.lines[0].discount) == (10000, 1000)
    assert (found.lines[0].freight, found.total) == (1000, 10000)


def test_points_without_a_worth_are_refused() -> None:
    """A policy that does not say what points are worth cannot price them."""
    cart = Cart("CNY", (CartLine("MUG", 1, cny("9.90"), points=500),))
    with pytest.raises(InvalidCart) as caught:
        quote(cart, PricingPolicy(), START)
    assert caught.value.path == "cart.lines[0].points"


def test_a_fee_is_a_row_of_its_own_with_its_own_tax() -> None:
    """Gift wrap of 3.00 with 20 % inside holds 0.50 of tax."""
    cart = Cart(
        "EUR", (CartLine("A", 1, eur("12.00")),), fees=(Fee("wrap", eur("3.00"), "Gift wrap"),)
    )
    found = priced(cart, PricingPolicy(TWENTY))
    assert [(c.id, c.kind, c.tax, c.total) for c in found.charges] == [
        ("wrap", ChargeKind.FEE, 50, 300)
    ]
    assert found.total == 1500


# --- Tax -------------------------------------------------------------------------------------


def test_state_and_county_are_told_apart() -> None:
    """6.25 % and 2 % on 100.00 are 8.25 in two components, and in two rows of the summary."""
    rates = (
        TaxRate(Percent.of("6.25"), country="US", region="TX", component="state"),
        TaxRate(Percent.of("2"), country="US", region="TX", component="county"),
    )
    policy = PricingPolicy(TaxPolicy(rates, prices_include_tax=False))
    cart = Cart(
        "USD",
        (CartLine("A", 1, money("100.00", "USD")),),
        address=Address(country="US", region="TX"),
    )
    found = priced(cart, policy)
    assert [(part.name, part.tax) for part in found.lines[0].parts] == [
        ("state", 625),
        ("county", 200),
    ]
    assert [(tax.name, tax.net, tax.tax) for tax in found.taxes] == [
        ("state", 10000, 625),
        ("county", 10000, 200),
    ]
    assert (found.tax, found.total) == (825, 10825)


@pytest.mark.parametrize(
    ("basis", "total", "tax"),
    [(PriceBasis.GROSS_FIXED, 12000, 1916), (PriceBasis.NET_FIXED, 11900, 1900)],
)
def test_a_price_with_home_tax_inside_is_sold_abroad(
    basis: PriceBasis, total: int, tax: int
) -> None:
    """120.00 in the UK is 120.00 in Germany with 19.16 inside, or 119.00 with 19.00: a named choice."""
    rates = (TaxRate(Percent.of("20"), country="GB"), TaxRate(Percent.of("19"), country="DE"))
    policy = PricingPolicy(TaxPolicy(rates, home=Destination("GB"), abroad=basis))
    cart = Cart("GBP", (CartLine("A", 1, money("120.00", "GBP")),), address=Address(country="DE"))
    found = priced(cart, policy)
    assert (found.total, found.tax) == (total, tax)


def test_a_business_of_another_member_state_pays_no_tax() -> None:
    """With a checked VAT id, goods from Germany to France are intra-community, and the net is paid."""
    rates = (TaxRate(Percent.of("19"), country="DE"), TaxRate(Percent.of("20"), country="FR"))
    tax = TaxPolicy(rates, home=Destination("DE"), abroad=PriceBasis.NET_FIXED, union=("DE", "FR"))
    cart = Cart(
        "EUR",
        (CartLine("A", 1, eur("119.00")),),
        customer=Party("b", vat_id="FR40303265045"),
        address=Address(country="FR"),
    )
    check = VatIdCheck("FR40303265045", "FR", valid=True, source="register", at=START)
    found = priced(cart, PricingPolicy(tax), vat_id=check)
    assert (found.total, found.tax) == (10000, 0)
    assert found.lines[0].treatment is TaxTreatment.INTRA_COMMUNITY
    unchecked = priced(cart, PricingPolicy(tax))
    assert (unchecked.total, unchecked.tax) == (12000, 2000)


def test_an_exempt_buyer_pays_the_net_where_nets_are_fixed() -> None:
    """12.00 with 20 % inside are 10.00 to a buyer with a certificate, shipping of 6.00 is 5.00."""
    tax = TaxPolicy(
        (TaxRate(Percent.of("20"), country="GB"),),
        home=Destination("GB"),
        abroad=PriceBasis.NET_FIXED,
    )
    cart = Cart(
        "GBP",
        (CartLine("A", 1, money("12.00", "GBP")),),
        shipping=ShippingCharge(money("6.00", "GBP")),
        address=Address(country="GB"),
        shopper=Shopper(exempt="cert-1"),
    )
    found = priced(cart, PricingPolicy(tax))
    assert (found.total, found.tax) == (1500, 0)
    assert {row.treatment for row in found.rows()} == {TaxTreatment.EXEMPT}


def test_weighted_shipping_adds_to_the_lines_own_rates() -> None:
    """Shipping taxed in the proportion of the lines stands in their two rows of the summary."""
    rates = (TaxRate(Percent.of("19"), name="VAT"), TaxRate(Percent.of("7"), "food", name="VAT"))
    tax = TaxPolicy(rates, charges=ShippingTax.WEIGHTED)
    lines = (CartLine("A", 1, eur("40.00")), CartLine("B", 1, eur("10.00"), tax_category="food"))
    found = priced(Cart("EUR", lines, shipping=ShippingCharge(eur("5.00"))), PricingPolicy(tax))
    assert [(tax.ppm, tax.net + tax.tax) for tax in found.taxes] == [
        (190_000, 4400),
        (70_000, 1100),
    ]


@pytest.mark.parametrize("rounding", [Rounding.HALF_UP, Rounding.DOWN, Rounding.HALF_EVEN])
def test_the_usual_way_and_the_general_way_give_the_same_quote(
    rounding: Rounding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shop that taxes by one rate for each row is priced in one loop, to the same figures."""
    rates = (TaxRate(Percent.of("19")), TaxRate(Percent.of("7"), "food"))
    lines = (
        CartLine("A", 3, eur("39.99"), tax_category="food"),
        CartLine("B", 7, eur("0.99"), tax_included=False, discounts=(AmountOff(eur("0.17")),)),
    )
    off = (PercentOff(Percent.of("12.5"), funder=Funder.BRAND),)
    cart = Cart("EUR", lines, off, ShippingCharge(eur("4.95")), fees=(Fee("wrap", eur("1.11")),))
    found = priced(cart, PricingPolicy(TaxPolicy(rates, rounding=rounding)))
    monkeypatch.setattr(_Pass, "_usual", lambda _: False)
    assert priced(cart, found.policy) == found


@given(quotes())
def test_both_ways_agree_on_any_quote(found: Quote) -> None:
    """Whatever is priced in one loop is priced the same by the general way."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_Pass, "_usual", lambda _: False)
        assert quote(found.cart, found.policy, found.at, found.facts) == found


# --- Currency --------------------------------------------------------------------------------

RATE = ExchangeRate(
    "EUR", "CNY", 78312, 10000, RatePurpose.SETTLEMENT, START, START.date(), "test bank"
)


def test_a_quote_tells_what_is_settled() -> None:
    """269.97 EUR at 7.8312 are 2,114.19 CNY; the rows are adjusted to add up to it (law L5)."""
    cart = Cart("EUR", tuple(CartLine(f"A{i}", 1, eur("89.99")) for i in range(3)))
    policy = PricingPolicy(exchange=ExchangePolicy(settlement="CNY"))
    found = priced(cart, policy, rates=(RATE,))
    assert found.settlement is not None
    assert (found.settlement.total, found.settlement.rows) == (211419, (70473, 70473, 70473))
    laws.conversion_adds_up(found.settlement, found.total)
    assert found.ledger is None


def test_a_currency_without_a_rate_is_refused() -> None:
    """A shop that settles in CNY cannot quote without a rate, or with one of last month."""
    cart = Cart("EUR", (CartLine("A", 1, eur("9.00")),))
    policy = PricingPolicy(exchange=ExchangePolicy(settlement="CNY"))
    with pytest.raises(RateUnavailable):
        quote(cart, policy, START)
    with pytest.raises(RateUnavailable):
        quote(cart, policy, START + timedelta(days=30), PricingFacts(rates=(RATE,)))


def test_catalog_prices_are_shown_in_the_cart_s_currency() -> None:
    """A price of 10.00 EUR is 78.31 CNY in a cart in CNY, if the rate to show it by is there."""
    shown = ExchangeRate(
        "EUR", "CNY", 78312, 10000, RatePurpose.DISPLAY, START, START.date(), "test bank"
    )
    cart = Cart("CNY", (CartLine("A", 2, eur("10.00")),))
    found = priced(cart, PricingPolicy(), rates=(shown,))
    assert (found.lines[0].unit_price, found.total) == (7831, 15662)


def test_coins_round_only_what_is_paid_in_coins() -> None:
    """CHF 12.37: 10.00 by card leave 2.35 in coins; all by card stays 12.37; all in coins is 12.35."""
    found = priced(Cart("CHF", (CartLine("A", 1, money("12.37", "CHF")),)), PricingPolicy())
    assert found.in_cash(1000) == CashPayable(235, -2)
    assert found.in_cash(1237) == CashPayable(0, 0)
    assert found.in_cash() == CashPayable(1235, -2)
    with pytest.raises(InvalidInput):
        found.in_cash(1238)


# --- The border ------------------------------------------------------------------------------

IOSS = BorderPolicy("CN", (Registration(RegimeId.EU_IOSS, "IM3720000224"),))
JUNE = datetime(2026, 6, 30, 12, tzinfo=UTC)
JULY = datetime(2026, 7, 1, 12, tzinfo=UTC)


def parcel(*prices: str, freight: str | None = None, hs: tuple[str, ...] = ("610910",)) -> Cart:
    """Goods from China to Germany."""
    lines = tuple(
        CartLine(f"A{i}", 1, eur(price), customs=Customs(hs[i % len(hs)], "CN", "Shirt"))
        for i, price in enumerate(prices)
    )
    shipping = None if freight is None else ShippingCharge(eur(freight))
    return Cart("EUR", lines, shipping=shipping, address=Address(country="DE"))


def test_a_parcel_of_150_is_taxed_at_the_sale_and_one_of_150_01_at_the_border() -> None:
    """Net 150.00 is IOSS: German VAT on the quote; net 150.01 is an export with import tax."""
    policy = PricingPolicy(NINETEEN, border=IOSS)
    low = priced(parcel("150.00"), policy, JUNE)
    assert (low.tax, low.total, low.lines[0].treatment) == (2850, 17850, TaxTreatment.STANDARD)
    assert low.charges == ()
    high = priced(parcel("150.01"), policy, JUNE)
    assert (high.tax, high.lines[0].treatment) == (0, TaxTreatment.EXPORT)
    assert [(charge.kind, charge.amount) for charge in high.charges] == [
        (ChargeKind.IMPORT_TAX, 2850)
    ]


def test_freight_shown_apart_is_out_of_the_test_and_inside_the_tax() -> None:
    """150.00 and 10.00 of freight are IOSS, and the VAT at 19 % is 30.40."""
    found = priced(parcel("150.00", freight="10.00"), PricingPolicy(NINETEEN, border=IOSS), JUNE)
    assert (found.tax, found.total) == (3040, 19040)


@pytest.mark.parametrize(("at", "duty"), [(JUNE, 0), (JULY, 600)])
def test_two_shirts_and_shoes_bear_the_duty_of_two_items_from_july(at: datetime, duty: int) -> None:
    """EUR 3 for each different item from 2026-07-01: shirts and shoes are two; nothing the day before."""
    cart = parcel("10.00", "10.00", "20.00", hs=("610910", "610910", "640399"))
    found = priced(cart, PricingPolicy(NINETEEN, border=IOSS), at)
    assert sum(c.amount for c in found.charges if c.kind is ChargeKind.DUTY) == duty
    assert found.border is not None
    assert found.border.duty == duty


def test_a_domestic_parcel_meets_no_border() -> None:
    """A shop that ships from Germany to Germany taxes as ever."""
    found = priced(parcel("150.01"), PricingPolicy(NINETEEN, border=BorderPolicy("DE")), JULY)
    assert (found.border, found.tax) == (None, 2850)


def test_a_quote_is_dated_by_its_own_moment() -> None:
    """The tax of a sale is that of the day on which it is priced."""
    rates = (
        TaxRate(Percent.of("17.5"), last_day=date(2011, 1, 3)),
        TaxRate(Percent.of("20"), first_day=date(2011, 1, 4)),
    )
    cart = Cart("GBP", (CartLine("A", 1, money("117.50", "GBP")),))
    policy = PricingPolicy(TaxPolicy(rates))
    assert priced(cart, policy, datetime(2011, 1, 3, tzinfo=UTC)).tax == 1750
    assert priced(cart, policy, datetime(2011, 1, 4, tzinfo=UTC)).tax == 1958


def test_a_service_crosses_no_border() -> None:
    """A cart of goods and of a service to China is assessed for the goods alone."""
    lines = (
        CartLine("A", 1, eur("200.00"), customs=Customs("610910", "CN")),
        CartLine("GUIDE", 1, eur("20.00"), kind=GoodsKind.SERVICE),
    )
    cart = Cart("EUR", lines, address=Address(country="DE"))
    found = priced(cart, PricingPolicy(NINETEEN, border=IOSS), JUNE)
    assert found.border is not None
    assert [line.line for line in found.border.lines] == ["1"]
    assert [charge.shares for charge in found.charges] == [(3800, 0)]
    assert [line.tax for line in found.lines] == [0, 380]


def test_what_is_declared_is_what_is_charged() -> None:
    """A price that is not taxed at the sale has no tax inside: 178.51 is charged and declared."""
    tax = TaxPolicy((TaxRate(Percent.of("19"), country="DE"),))
    low = priced(parcel("178.50"), PricingPolicy(tax, border=IOSS), JUNE)
    high = priced(parcel("178.51"), PricingPolicy(tax, border=IOSS), JUNE)
    assert low.border is not None
    assert high.border is not None
    assert (low.lines[0].net, low.border.lines[0].declared) == (15000, 15000)
    assert (high.lines[0].net, high.border.lines[0].declared) == (17851, 17851)


def test_a_funded_discount_does_not_lower_what_is_declared() -> None:
    """120.00 with 19 % inside less 12.00 of the platform is declared at 100.84."""
    tax = TaxPolicy((TaxRate(Percent.of("19"), country="DE"),))
    off = AmountOff(eur("12.00"), "", Funder.PLATFORM)
    cart = Cart("EUR", parcel("120.00").lines, (off,), address=Address(country="DE"))
    found = priced(cart, PricingPolicy(tax, border=IOSS), JUNE)
    assert found.border is not None
    assert found.border.lines[0].declared == 10084


# --- What a quote promises as a value ----------------------------------------------------------


def test_a_quote_can_be_pickled_and_copied() -> None:
    """A quote with all its inputs crosses processes and caches, and is the same there."""
    found = priced(flash_cart(), PricingPolicy(layers=LAYERS), coupons=(Coupon("TAKE50", "fifty"),))
    assert pickle.loads(pickle.dumps(found)) == found
    assert copy.deepcopy(found) == found


def test_no_unit_bears_more_tax_than_price() -> None:
    """Ten units of 0.05 less 0.45 with 20 % inside: no unit has a net below nothing."""
    cart = Cart("EUR", (CartLine("A", 10, eur("0.05")),), (AmountOff(eur("0.45")),))
    line = priced(cart, PricingPolicy(TWENTY)).lines[0]
    assert (line.total, line.tax) == (5, 1)
    assert min(line.units(i, 1).net for i in range(10)) == 0


def test_gift_cards_are_not_sold_at_the_order_s_discount() -> None:
    """Ten percent off a gift card of 100.00 and an article of 120.00 are 12.00 off the article."""
    lines = (
        CartLine("CARD", 1, eur("100.00"), kind=GoodsKind.MULTI_PURPOSE_VOUCHER),
        CartLine("A", 1, eur("120.00")),
    )
    found = priced(Cart("EUR", lines, (PercentOff(Percent.of("10")),)), PricingPolicy())
    assert [line.total for line in found.lines] == [10000, 10800]


def test_what_is_kept_apart_remains_for_the_next_discount() -> None:
    """1.01 off three of 1.01 takes 0.99; half of the 2.04 that remain is 1.02."""
    lines = tuple(CartLine(f"A{i}", 1, eur("1.01")) for i in range(3))
    off = (AmountOff(eur("1.01")), PercentOff(Percent.of("50")))
    policy = PricingPolicy(discount_remainder=RemainderRule.KEPT_APART)
    found = priced(Cart("EUR", lines, off), policy)
    assert [(each.asked, each.amount) for each in found.discounts] == [(101, 99), (102, 102)]


LINE = CartLine("A", 1, eur("120.00"))


@pytest.mark.parametrize(
    ("cart", "path"),
    [
        (Cart("EUR", (LINE,), (AmountOff(eur("1.00"), "", "merchant"),)), "discounts[0].funder"),  # type: ignore[arg-type]
        (Cart("EUR", (LINE,), (PercentOff(Percent(10.0)),)), "discounts[0].percent"),  # type: ignore[arg-type]
        (Cart("EUR", (LINE,), (PercentOff("10%"),)), "discounts[0].percent"),  # type: ignore[arg-type]
        (Cart("EUR", (LINE,), shipping=ShippingCharge(eur("6.00"), tax_included="no")), "shipping"),  # type: ignore[arg-type]
        (Cart("EUR", (LINE,), fees=(Fee("x", eur("6.00"), tax_included=0),)), "fees[0]"),  # type: ignore[arg-type]
        (Cart("EUR", (LINE,), shopper=Shopper(exempt=5)), "shopper"),  # type: ignore[arg-type]
        (Cart("EUR", (LINE,), shopper=Shopper(groups="staff")), "shopper"),  # type: ignore[arg-type]
        (Cart("EUR", (LINE,), codes="TAKE50"), "codes"),  # type: ignore[arg-type]
        (Cart("EUR", (CartLine("A", 1, eur("1.00"), tax_category=None),)), "lines[0].tax_category"),  # type: ignore[arg-type]
        (Cart("EUR", (LINE, CartLine("B", 1, eur("1.00"), id="1"))), "lines"),
        (
            Cart("EUR", (CartLine("S", 1, eur("1.00"), components=(Component("A", 1, 5),)),)),  # type: ignore[arg-type]
            "lines[0].components[0].list_price",
        ),
    ],
)
def test_l24_a_wrong_type_that_would_change_money_is_refused(cart: Cart, path: str) -> None:
    """No text stands for a funder, a flag or a percentage; the path says where it stood."""
    layers = (Layer("x", (Promotion("p", OrderAmount(eur("1.00")), scope=Scope(brands=("X",))),)),)
    with pytest.raises(OrdercoreError) as caught:
        quote(cart, PricingPolicy(TWENTY, layers=layers), START)
    assert caught.value.path == f"cart.{path}"


def test_l24_a_moment_at_the_end_of_the_calendar_is_refused() -> None:
    """A quote that would be valid beyond the year 9999 is none."""
    with pytest.raises(InvalidInput):
        quote(Cart("EUR", (LINE,)), PricingPolicy(), datetime.max.replace(tzinfo=UTC))


def test_l18_a_price_in_points_is_written_and_read_whatever_they_are_worth() -> None:
    """The document of a quote does not ask how the points will be paid."""
    cart = Cart("EUR", (CartLine("MUG", 1, eur("9.90"), points=20),))
    found = priced(cart, PricingPolicy(points_worth=PointsRate(10, 5)))
    document = parse_cart(write_cart(found))
    assert document.at is not None
    again = quote(document.cart, document.policies().pricing, document.at, document.facts)
    assert again == found


@pytest.mark.parametrize(
    ("how", "cart", "amount"),
    [
        (ShippingTax.OWN, "11.90", 1200),
        (ShippingTax.MAIN, "10.70", 1055),
        (ShippingTax.WEIGHTED, "10.70", 1055),
    ],
)
def test_shipping_keeps_its_net_abroad_by_the_rate_that_taxes_it(
    how: ShippingTax, cart: str, amount: int
) -> None:
    """Shipping of books for a net of 10.00 in Germany has that net in France: by its own rate, or by that of the books."""
    rates = (
        TaxRate(Percent.of("19"), country="DE"),
        TaxRate(Percent.of("7"), "books", "DE"),
        TaxRate(Percent.of("20"), country="FR"),
        TaxRate(Percent.of("5.5"), "books", "FR"),
    )
    tax = TaxPolicy(rates, home=Destination("DE"), abroad=PriceBasis.NET_FIXED, charges=how)
    found = priced(
        Cart(
            "EUR",
            (CartLine("B", 1, eur("107.00"), tax_category="books"),),
            shipping=ShippingCharge(eur(cart)),
            fees=(Fee("wrap", eur(cart)),),
            address=Address(country="FR"),
        ),
        PricingPolicy(tax),
    )
    assert [(row.amount, row.net) for row in found.charges] == [(amount, 1000)] * 2
    assert found.explain().amount == found.total


@pytest.mark.parametrize("basis", list(PriceBasis))
@pytest.mark.parametrize("how", ["exempt", "business"])
def test_who_bears_no_tax_pays_the_net_by_either_basis(how: str, basis: PriceBasis) -> None:
    """119.00 and shipping of 11.90 with 19 % of home inside are 110.00 to who bears no tax."""
    rates = (TaxRate(Percent.of("19"), country="DE"), TaxRate(Percent.of("20"), country="FR"))
    tax = TaxPolicy(rates, home=Destination("DE"), abroad=basis, union=("DE", "FR"))
    cart = Cart(
        "EUR",
        (CartLine("A", 1, eur("119.00")),),
        shipping=ShippingCharge(eur("11.90")),
        address=Address(country="FR"),
        shopper=Shopper(exempt="cert-1" if how == "exempt" else ""),
    )
    check = VatIdCheck("FR40303265045", "FR", valid=True, source="register", at=START)
    found = priced(cart, PricingPolicy(tax), vat_id=check if how == "business" else None)
    assert (found.total, found.net, found.tax) == (11000, 11000, 0)
    assert found.explain().amount == 11000


@pytest.mark.parametrize(("zone", "tax"), [("UTC", 1600), ("Europe/Berlin", 1900)])
def test_the_tax_of_a_day_is_that_of_the_shops_zone(zone: str, tax: int) -> None:
    """16 % until the last of 2020: an order at 23:30 UTC is of the new year in Berlin, and bears 19 %."""
    rates = (
        TaxRate(Percent.of("16"), country="DE", last_day=date(2020, 12, 31)),
        TaxRate(Percent.of("19"), country="DE", first_day=date(2021, 1, 1)),
    )
    policy = PricingPolicy(TaxPolicy(rates, prices_include_tax=False, zone=zone))
    cart = Cart("EUR", (CartLine("A", 1, eur("100.00")),), address=Address(country="DE"))
    found = quote(cart, policy, datetime(2020, 12, 31, 23, 30, tzinfo=UTC))
    assert found.tax == tax
    assert found.explain().amount == found.total


def test_a_cart_without_an_address_is_taxed_at_home() -> None:
    """Before the address is known, a cart has the rates of home."""
    tax = TaxPolicy((TaxRate(Percent.of("19"), country="DE"),), home=Destination("DE"))
    assert priced(Cart("EUR", (CartLine("A", 1, eur("119.00")),)), PricingPolicy(tax)).tax == 1900
