"""A cart over a border: who taxes which row, and one figure for what is assessed, charged and declared."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidCart, InvalidInput
from ordercore.goods import LineId
from ordercore.money import Percent, Rounding, from_minor, money
from ordercore.party import Address, Destination, Party
from ordercore.pricing import (
    EU_COUNTRIES,
    NO_FACTS,
    AmountOff,
    BorderPolicy,
    Cart,
    CartLine,
    ChargeKind,
    Customs,
    ExternalRow,
    ExternalTax,
    Fee,
    Funder,
    GoodsKind,
    Layer,
    PersonalQuota,
    PriceBasis,
    PricingFacts,
    PricingPolicy,
    Promotion,
    Quote,
    RegimeId,
    Registration,
    Requirement,
    RoundedFigure,
    RoundingScope,
    ShippingCharge,
    ShippingOff,
    Shopper,
    Tariff,
    TaxPart,
    TaxPolicy,
    TaxRate,
    TaxTreatment,
    Terms,
    VatIdCheck,
    declare,
    quote,
)
from ordercore.pricing.duty import DutyRate
from ordercore.testing import quotes

NOON = datetime(2026, 7, 2, 12, tzinfo=UTC)
REGISTERED = tuple(
    Registration(regime, number)
    for regime, number in (
        (RegimeId.EU_IOSS, "IM2760000001"),
        (RegimeId.UK_LOW_VALUE, "GB1"),
        (RegimeId.NO_VOEC, "V1"),
        (RegimeId.AU_LOW_VALUE, "A1"),
        (RegimeId.NZ_LOW_VALUE, "N1"),
    )
)
FROM_CHINA = BorderPolicy("CN", REGISTERED)
EXPORT, STANDARD = TaxTreatment.EXPORT, TaxTreatment.STANDARD


def goods(price: str, currency: str = "EUR", quantity: int = 1, **more: Any) -> CartLine:
    """A line of T-shirts made in China."""
    customs = Customs("610910", "CN", "a shirt")
    return CartLine("A", quantity, money(price, currency), customs=customs, **more)


def cart(to: str, *lines: CartLine, freight: str = "", region: str = "", **more: Any) -> Cart:
    """What goes to a country, in the currency of its first line."""
    currency = lines[0].unit_price.currency.code
    shipping = ShippingCharge(money(freight, currency)) if freight else None
    address = Address(country=to, region=region)
    return Cart(currency, lines, shipping=shipping, address=address, **more)


def taxes(*rates: tuple[str, str], included: bool = False, **more: Any) -> TaxPolicy:
    """Rates by country."""
    found = tuple(TaxRate(Percent.of(percent), country=country) for country, percent in rates)
    return TaxPolicy(found, included, **more)


def priced(bought: Cart, policy: PricingPolicy, facts: PricingFacts = NO_FACTS) -> Quote:
    """A quote whose explanation adds up, and whose goods are declared at what was assessed and charged."""
    found = quote(bought, policy, NOON, facts)
    found.explain()
    if found.border is not None:
        form = declare(
            found.lines, found.border, None, found.currency, Address(country="CN"), bought.address
        )
        assessed = {line.line: line.declared for line in found.border.lines}
        charged = {line.id: line.net + line.funded for line in found.lines if line.id in assessed}
        assert assessed == charged
        assert form.total == sum(assessed.values())
    return found


def border_charges(found: Quote) -> dict[str, int]:
    """What the seller charges for the border, by kind."""
    kinds = {ChargeKind.DUTY, ChargeKind.IMPORT_TAX, ChargeKind.CONSUMPTION_TAX}
    return {charge.kind.value: charge.total for charge in found.charges if charge.kind in kinds}


# --- At home -----------------------------------------------------------------------------------


@pytest.mark.parametrize("basis", PriceBasis)
@pytest.mark.parametrize(("price", "net"), [("119.00", 100_00), ("9.99", 8_39)])
def test_at_home_both_price_bases_charge_the_shown_price(
    basis: PriceBasis, price: str, net: int
) -> None:
    """119.00 and 11.90 of freight are what a buyer at home pays, with 19 % inside, once."""
    home = Destination("DE")
    tax = taxes(("DE", "19"), ("FR", "20"), included=True, home=home, abroad=basis)
    found = priced(cart("DE", goods(price), freight="11.90"), PricingPolicy(tax, border=FROM_CHINA))
    line, shipping = found.lines[0], found.charges[0]
    assert (line.total, line.net, line.treatment) == (line.list_amount, net, STANDARD)
    assert (shipping.total, shipping.tax) == (11_90, 1_90)
    assert "import_tax" not in border_charges(found)


def test_at_home_both_price_bases_agree_on_what_goes_to_the_border() -> None:
    """A price above the limit is charged as it is shown by either basis."""
    found = [
        priced(
            cart("DE", goods("400.00")),
            PricingPolicy(
                taxes(("DE", "19"), included=True, home=Destination("DE"), abroad=basis),
                border=FROM_CHINA,
            ),
        )
        for basis in PriceBasis
    ]
    assert [one.lines[0].total for one in found] == [400_00, 400_00]
    assert found[0].total == found[1].total


def test_abroad_the_net_is_fixed_and_the_destination_s_tax_on_top() -> None:
    """119.00 at home are 100.00 and 20.00 of French tax at the sale."""
    tax = taxes(
        ("DE", "19"),
        ("FR", "20"),
        included=True,
        home=Destination("DE"),
        abroad=PriceBasis.NET_FIXED,
    )
    found = priced(cart("FR", goods("119.00")), PricingPolicy(tax, border=FROM_CHINA))
    assert (found.lines[0].net, found.lines[0].tax) == (100_00, 20_00)
    service = CartLine("S", 1, money("119.00", "EUR"), kind=GoodsKind.SERVICE)
    mixed = priced(cart("FR", goods("119.00"), service), PricingPolicy(tax, border=FROM_CHINA))
    assert (mixed.lines[1].tax_included, mixed.lines[1].total) == (True, 120_00)


# --- Who buys ----------------------------------------------------------------------------------

UNION = taxes(("FR", "20"), ("DE", "19"), home=Destination("DE"), union=tuple(sorted(EU_COUNTRIES)))


def checked(vat_id: str, *, valid: bool = True) -> PricingFacts:
    """A VAT id that a register knows, or not."""
    return PricingFacts(vat_id=VatIdCheck(vat_id, vat_id[:2], valid, "a register", NOON))


@pytest.mark.parametrize(
    ("facts", "shopper", "consumer"),
    [
        (NO_FACTS, Shopper(), True),
        (checked("FR40303265045"), Shopper(), False),
        (checked("DE136695976"), Shopper(), False),
        (checked("EL094014201"), Shopper(), False),
        (checked("FR40303265045", valid=False), Shopper(), True),
        (checked("GB999999973"), Shopper(), True),
        (NO_FACTS, Shopper(exempt="a certificate"), False),
    ],
)
def test_regimes_of_small_consignments_are_for_consumers(
    facts: PricingFacts, shopper: Shopper, consumer: bool
) -> None:
    """A business of the destination's territory and an exempt buyer import: export, import tax, the tariff."""
    tariff = Tariff((DutyRate("", Percent.of("12"), "EU", date(2020, 1, 1), "a tariff"),))
    policy = PricingPolicy(UNION, border=BorderPolicy("CN", REGISTERED, tariff=tariff))
    found = priced(cart("FR", goods("100.00"), freight="10.00", shopper=shopper), policy, facts)
    assert found.border is not None
    line = found.border.lines[0]
    assert line.collected is consumer
    assert bool(found.border.registration) is consumer
    if consumer:
        assert (found.tax, line.duty_regime) == (22_00, RegimeId.EU_FLAT_DUTY)
        assert border_charges(found) == {"duty": 3_00}
    else:
        # 12 % of 110.00 is 13.20; 20 % of 123.20 is 24.64
        assert {row.treatment for row in found.lines + found.charges[:1]} == {EXPORT}
        assert (found.tax, line.duty_regime) == (0, None)
        assert border_charges(found) == {"duty": 13_20, "import_tax": 24_64}
        assert (
            "the buyer is no consumer: EU IOSS, EU flat duty do not apply" in found.border.reasons
        )


def test_retail_import_of_china_is_for_consumers() -> None:
    """An exempt buyer imports under the general rules."""
    policy = PricingPolicy(taxes(("CN", "13")), border=BorderPolicy("JP", terms=Terms.DAP))
    bought = cart("CN", goods("100.00", "CNY"), shopper=Shopper(exempt="x"), customer=Party("ada"))
    found = priced(bought, policy)
    assert found.border is not None
    assert (found.border.import_tax, found.border.lines[0].regime) == (13_00, None)
    assert Requirement.QUOTA not in found.border.requires


def test_a_service_beside_goods_keeps_the_rule_of_its_buyer() -> None:
    """A French business accounts for the tax of a service; its goods from outside are an import."""
    service = CartLine("S", 1, money("20.00", "EUR"), kind=GoodsKind.SERVICE)
    found = priced(
        cart("FR", goods("100.00"), service),
        PricingPolicy(UNION, border=FROM_CHINA),
        checked("FR40303265045"),
    )
    assert [line.treatment for line in found.lines] == [EXPORT, TaxTreatment.REVERSE_CHARGE]


# --- Charges beside the goods ------------------------------------------------------------------


def test_freight_of_a_mixed_cart_is_taxed_once() -> None:
    """NOK 1,000 under VOEC, 4,000 above: 500 of freight bear 25 % at the sale, none on import, and duty."""
    tariff = Tariff((DutyRate("", Percent.of("10"), "NO", date(2020, 1, 1), "a tariff"),))
    policy = PricingPolicy(
        taxes(("NO", "25")), border=BorderPolicy("CN", REGISTERED, tariff=tariff)
    )
    bought = cart("NO", goods("1000", "NOK"), goods("4000", "NOK"), freight="500")
    found = priced(bought, policy)
    assert found.border is not None
    low, high = found.border.lines
    assert (low.collected, high.collected) == (True, False)
    assert (found.charges[0].tax, found.tax) == (125_00, 375_00)
    assert (high.customs_value, high.duty) == (4_400_00, 440_00)
    assert high.import_tax == 1_110_00  # 25 % of 4,000 and 440: the freight was taxed
    told = "freight and fees are taxed at the sale as a whole, and not on import"
    assert told in found.border.reasons


def test_freight_of_a_mixed_cart_to_australia_is_taxed_once() -> None:
    """Where duty leaves freight out and GST takes it in, a mixed cart's freight is not taxed on import."""
    policy = PricingPolicy(taxes(("AU", "10")), border=FROM_CHINA)
    lines = goods("100", "AUD"), goods("2000", "AUD")
    found = priced(cart("AU", *lines, freight="210"), policy)
    assert found.charges[0].tax == 21_00
    assert border_charges(found) == {"import_tax": 200_00}
    alone = priced(cart("AU", lines[1], freight="210"), policy)
    assert border_charges(alone) == {"import_tax": 221_00}


def test_freight_that_a_platform_pays_is_part_of_the_customs_value() -> None:
    """Free delivery that a third party repays was paid for all the same."""
    free = Layer("s", (Promotion("free", ShippingOff(), funder=Funder.PLATFORM),))
    policy = PricingPolicy(taxes(("DE", "19")), layers=(free,), border=BorderPolicy("CN"))
    found = priced(cart("DE", goods("200.00"), freight="50.00"), policy)
    assert found.border is not None
    assert found.charges[0].total == 0
    assert found.border.lines[0].customs_value == 250_00


@pytest.mark.parametrize(
    ("to", "currency", "value"), [("DE", "EUR", 265_00), ("US", "USD", 205_00)]
)
def test_packing_is_part_of_the_customs_value_everywhere(
    to: str, currency: str, value: int
) -> None:
    """5.00 of gift wrap count in the EU beside freight and insurance, and in the US, which leaves those out."""
    fees = (
        Fee("wrap", money("5.00", currency)),
        Fee("safe", money("10.00", currency), kind=ChargeKind.INSURANCE),
    )
    policy = PricingPolicy(taxes(("DE", "19")), border=BorderPolicy("CN", terms=Terms.DAP))
    found = priced(cart(to, goods("200.00", currency), freight="50.00", fees=fees), policy)
    assert found.border is not None
    assert found.border.lines[0].customs_value == value


# --- One figure --------------------------------------------------------------------------------

CENTS = st.integers(1, 180_00)


@given(
    st.lists(
        st.tuples(CENTS, st.integers(1, 5), st.sampled_from(["", "zero"])), min_size=1, max_size=4
    ),
    st.sampled_from(["DE", "GB", "NO", "AU", "CN", "US", "FR"]),
    st.sampled_from(RoundingScope),
    st.sampled_from(RoundedFigure),
    st.sampled_from([Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.DOWN]),
    st.booleans(),
    st.integers(0, 50_00),
    st.integers(0, 20_00),
)
def test_l3_assessed_charged_and_declared_are_one_figure(
    lines: list[tuple[int, int, str]],
    to: str,
    scope: RoundingScope,
    figure: RoundedFigure,
    rounding: Rounding,
    included: bool,
    funded: int,
    freight: int,
) -> None:
    """However tax is rounded, each line is declared at its net and what third parties repay."""
    currency = {"GB": "GBP", "NO": "NOK", "AU": "AUD", "US": "USD", "CN": "CNY"}.get(to, "EUR")
    scale = 20 if to in {"NO", "AU"} else 1
    rates = (TaxRate(Percent.of("19")), TaxRate(Percent(0), "zero"))
    tax = TaxPolicy(rates, included, scope=scope, rounded=figure, rounding=rounding)
    bought = cart(
        to,
        *[
            CartLine(
                f"S{i}", count, from_minor(cents * scale, currency),
                tax_category=category or "standard", customs=Customs("610910", "CN"),
            )
            for i, (cents, count, category) in enumerate(lines)
        ],
        discounts=(AmountOff(from_minor(funded, currency), "", Funder.PLATFORM),) if funded else (),
    )  # fmt: skip
    shipping = ShippingCharge(from_minor(freight, currency))
    bought = Cart(
        currency, bought.lines, bought.discounts, shipping=shipping, address=bought.address
    )
    found = priced(bought, PricingPolicy(tax, border=BorderPolicy("JP", REGISTERED)))
    assert found.border is not None
    assert all(
        line.treatment is EXPORT or one.collected
        for line, one in zip(found.lines, found.border.lines, strict=True)
    )


@given(quotes() | quotes(at=NOON))
def test_l3_whatever_goes_abroad_is_declared_at_what_is_charged(found: Quote) -> None:
    """Also under any policy: lines at the border come to their net and what third parties repay,
    and none is taxed at the sale and on import."""
    if found.border is None:
        return
    lines = {line.id: line for line in found.lines}
    for one in found.border.lines:
        line = lines[LineId(one.line)]
        assert one.declared == line.net + line.funded >= 0
        assert not (line.tax and one.import_tax)
        assert not (one.collected and line.treatment is EXPORT)
    form = declare(
        found.lines, found.border, None, found.currency, Address(country="CN"), found.address
    )
    assert form.total == sum(one.declared for one in found.border.lines)


@pytest.mark.parametrize("scope", RoundingScope)
def test_a_price_by_the_unit_is_declared_as_its_units_are_taxed(scope: RoundingScope) -> None:
    """Three of 0.77 with 20 % inside are declared at the net of the line, whatever is rounded."""
    tax = taxes(("GB", "20"), included=True, scope=scope)
    found = priced(cart("GB", goods("0.77", "GBP", 3)), PricingPolicy(tax, border=FROM_CHINA))
    assert found.border is not None
    assert found.border.lines[0].declared == found.lines[0].net


def test_a_limit_is_held_against_the_price_without_tax_and_the_whole_price_declared() -> None:
    """178.51 with 19 % inside are 150.01 for the one-stop shop, and 178.51 on the form."""
    found = priced(
        cart("DE", goods("178.51")),
        PricingPolicy(taxes(("DE", "19"), included=True), border=FROM_CHINA),
    )
    assert found.border is not None
    assert found.border.reasons[:2] == (
        "consignment of EUR 150.01 is above EUR 150.00: EU IOSS does not apply",
        "consignment of EUR 178.51 is above EUR 150.00: EU flat duty does not apply",
    )
    assert found.border.lines[0].declared == 178_51


# --- States that tax sales, and taxes of imports -----------------------------------------------


def test_sales_tax_is_charged_where_the_policy_has_a_rate_of_the_country() -> None:
    """California: 7.25 % at the sale. Texas, where the shop has no rate: an export. Duty in both."""
    rate = TaxRate(Percent.of("7.25"), country="US", region="CA")
    tariff = Tariff((DutyRate("", Percent.of("16"), "US", date(2020, 1, 1), "a tariff"),))
    policy = PricingPolicy(TaxPolicy((rate,), False), border=BorderPolicy("CN", tariff=tariff))
    taxed = priced(cart("US", goods("100.00", "USD"), freight="10.00", region="CA"), policy)
    assert [row.tax for row in taxed.rows()] == [7_25, 73, 0]
    assert taxed.lines[0].treatment is STANDARD
    free = priced(cart("US", goods("100.00", "USD"), freight="10.00", region="TX"), policy)
    assert (free.tax, free.lines[0].treatment) == (0, EXPORT)
    assert border_charges(taxed) == border_charges(free) == {"duty": 16_00}


def test_a_rate_of_any_country_is_no_sales_tax_of_the_united_states() -> None:
    """A shop with one rate for everywhere exports to the United States without it."""
    policy = PricingPolicy(TaxPolicy((TaxRate(Percent.of("19")),), False), border=FROM_CHINA)
    found = priced(cart("US", goods("100.00", "USD"), region="CA"), policy)
    assert (found.tax, found.lines[0].treatment) == (0, EXPORT)


def test_an_exempt_buyer_pays_no_sales_tax() -> None:
    """Resale certificates hold for goods from abroad as well."""
    policy = PricingPolicy(taxes(("US", "7.25")), border=FROM_CHINA)
    found = priced(cart("US", goods("100.00", "USD"), shopper=Shopper(exempt="resale")), policy)
    assert (found.tax, found.lines[0].treatment) == (0, TaxTreatment.EXEMPT)


JAPAN = TaxRate(Percent.of("10"), country="JP")


def test_a_rate_on_imports_needs_no_rate_of_the_sale() -> None:
    """10 % of Japan's consumption tax on 100.00, though the shop sells in Germany alone."""
    border = BorderPolicy("CN", import_rates=(JAPAN,))
    found = priced(cart("JP", goods("100.00")), PricingPolicy(taxes(("DE", "19")), border=border))
    assert border_charges(found) == {"import_tax": 10_00}


def test_a_rate_on_imports_goes_before_the_rate_of_the_sale() -> None:
    """Where the two differ, imports bear their own; another category bears that of the sale."""
    food = TaxRate(Percent.of("7"), "food", "DE")
    border = BorderPolicy("CN", import_rates=(TaxRate(Percent.of("5"), country="DE"),))
    tax = TaxPolicy((TaxRate(Percent.of("19"), country="DE"), food), False)
    lines = goods("200.00"), goods("100.00", tax_category="food")
    found = priced(cart("DE", *lines), PricingPolicy(tax, border=border))
    assert [charge.shares for charge in found.charges] == [(10_00, 7_00)]


def test_a_buyer_s_estimate_does_without_an_unknown_rate() -> None:
    """Delivered at place, nothing is charged, and the reasons say what is missing."""
    policy = PricingPolicy(taxes(("DE", "19")), border=BorderPolicy("CN", terms=Terms.DAP))
    found = priced(cart("JP", goods("100.00"), goods("5.00"), freight="5.00"), policy)
    assert found.border is not None
    assert (found.total, found.border.import_tax) == (110_00, 0)
    said = [why for why in found.border.reasons if "not estimated" in why]
    assert said == ["import tax is not estimated: no rate for JP"]


def test_a_seller_who_pays_the_import_tax_needs_its_rate() -> None:
    """Delivered duty paid, a missing rate is an error that names where to give it."""
    policy = PricingPolicy(taxes(("DE", "19")), border=BorderPolicy("CN"))
    with pytest.raises(InvalidCart, match="import_rates") as caught:
        quote(cart("JP", goods("100.00")), policy, NOON)
    assert caught.value.path == "cart.address.country"
    assert caught.value.data["country"] == "JP"


def test_a_missing_rate_among_others_decides_nothing() -> None:
    """A fee of a category that has no rate is an error, and no reason to take the prices for net."""
    fee = Fee("wrap", money("1.00", "EUR"), tax_category="wraps")
    policy = PricingPolicy(taxes(("DE", "19"), included=True), border=FROM_CHINA)
    with pytest.raises(InvalidCart, match="wraps"):
        quote(cart("DE", goods("160.00"), fees=(fee,)), policy, NOON)


def test_what_an_external_engine_taxed_is_not_taxed_on_import() -> None:
    """An engine's 19.00 stand on the quote, and the border asks for none again."""
    part = TaxPart("VAT", 190_000, 100_00, 19_00)
    rows = (ExternalRow("1", (part,)), ExternalRow("2", ()))
    facts = PricingFacts(tax=ExternalTax(rows, "an engine", NOON))
    found = priced(
        cart("DE", goods("100.00"), goods("100.00")),
        PricingPolicy(taxes(("DE", "19")), border=BorderPolicy("CN")),
        facts,
    )
    assert [charge.shares for charge in found.charges] == [(0, 19_00)]
    assert found.tax == 19_00


# --- A person's year ---------------------------------------------------------------------------

RETAIL = PricingPolicy(taxes(("CN", "13")), border=BorderPolicy("JP"))


def of_year(person: str, used: int = 0) -> PricingFacts:
    """What a person has bought in 2026."""
    return PricingFacts(quota=PersonalQuota(RegimeId.CN_RETAIL_IMPORT, person, 2026, used))


def test_a_quota_of_another_person_is_refused() -> None:
    """What somebody else has used says nothing of this buyer."""
    bought = cart("CN", goods("100.00", "CNY"), customer=Party("ada"))
    assert priced(bought, RETAIL, of_year("ada")).border is not None
    with pytest.raises(InvalidInput) as caught:
        quote(bought, RETAIL, NOON, of_year("bob"))
    assert caught.value.path == "facts.quota.person"


@pytest.mark.parametrize(
    ("person", "facts", "known"),
    [("ada", of_year("ada"), True), ("ada", NO_FACTS, False), ("", of_year(""), False)],
)
def test_an_unknown_quota_is_a_requirement(person: str, facts: PricingFacts, known: bool) -> None:
    """A guest, and a buyer nobody was asked about, are priced at the reduced rate and flagged."""
    found = priced(cart("CN", goods("100.00", "CNY"), customer=Party(person)), RETAIL, facts)
    assert found.border is not None
    assert found.border.import_tax == 9_10
    assert (Requirement.QUOTA in found.border.requires) is not known


# --- Monaco and the Isle of Man ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "currency", "regime"),
    [("MC", "EUR", RegimeId.EU_IOSS), ("IM", "GBP", RegimeId.UK_LOW_VALUE)],
)
def test_small_territories_stand_with_their_neighbors(
    to: str, currency: str, regime: RegimeId
) -> None:
    """Monaco is in the tax territory of France, the Isle of Man in the British one."""
    policy = PricingPolicy(taxes((to, "20")), border=FROM_CHINA)
    found = priced(cart(to, goods("100.00", currency)), policy)
    assert found.border is not None
    assert found.border.lines[0].regime is regime
    assert found.tax == 20_00
