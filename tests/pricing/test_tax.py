"""Tax of rows: rates and components, treatments, rounding, charges, an engine from outside."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidCart, InvalidInput, InvalidPolicy
from ordercore.money import Percent, Rounding, divide
from ordercore.party import Destination
from ordercore.pricing.cart import GoodsKind
from ordercore.pricing.tax import (
    EU_COUNTRIES,
    ComponentRounding,
    ExternalRow,
    ExternalTax,
    PriceBasis,
    RoundedFigure,
    RoundingScope,
    ShippingTax,
    TaxPart,
    TaxPolicy,
    TaxRate,
    TaxTreatment,
    VatIdCheck,
)
from ordercore.pricing.taxing import (
    Levy,
    Supply,
    TaxableRow,
    _general,
    bears_none,
    included_ppm,
    levies,
    rebased,
    rebased_charge,
    taxed_by,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = date(2026, 11, 2)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
DE, FR, GB, US = (Destination(code) for code in ("DE", "FR", "GB", "US"))
UNIT, LINE, RATE = RoundingScope.UNIT, RoundingScope.LINE, RoundingScope.RATE
ORDER, NONE = RoundingScope.ORDER, RoundingScope.NONE
SUM, EACH = ComponentRounding.SUM, ComponentRounding.EACH
GOODS, SERVICE = GoodsKind.GOODS, GoodsKind.SERVICE
VOUCHER = GoodsKind.MULTI_PURPOSE_VOUCHER


def rate(percent: str, category: str = "standard", country: str = "", **more: Any) -> TaxRate:
    """A rate in percent."""
    return TaxRate(Percent.of(percent), category, country, **more)


def row(
    amount: int,
    category: str = "standard",
    *,
    id: str = "1",  # noqa: A002 - the field's name
    quantity: int = 1,
    funded: int = 0,
    included: bool = False,
    kind: GoodsKind | None = GOODS,
    forced: TaxTreatment | None = None,
) -> TaxableRow:
    """A line, in minor units."""
    return TaxableRow(id, category, amount, funded, quantity, included, kind, forced)


def charge(amount: int, category: str = "shipping", **more: Any) -> TaxableRow:
    """A charge, in minor units."""
    return row(amount, category, id="shipping", quantity=0, kind=None, **more)


def taxes(
    rows: Sequence[TaxableRow], tax: TaxPolicy, to: Destination = DE, **more: Any
) -> list[int]:
    """The tax of each row."""
    return [levy.tax for levy in levies(rows, tax, to, DAY, **more)]


# --- figures that the trade knows by heart -------------------------------------------------------


@pytest.mark.parametrize(("scope", "tax"), [(LINE, 62), (UNIT, 63)])
def test_three_units_of_one_eight_cost_a_cent_more_by_unit(scope: RoundingScope, tax: int) -> None:
    """3 x 1.08 net at 19 % is 3.86 by line and 3.87 by unit."""
    assert taxes([row(324, quantity=3)], TaxPolicy((rate("19"),), scope=scope)) == [tax]


@pytest.mark.parametrize(("scope", "tax"), [(LINE, 4100), (UNIT, 4101)])
def test_three_times_seventy_less_five_is_a_cent_more_by_unit(
    scope: RoundingScope, tax: int
) -> None:
    """3 x 70.00 less 5.00 at 20 % is 41.00 by line; its units of 68.34, 68.33 and 68.33 bear 41.01."""
    assert taxes([row(20500, quantity=3)], TaxPolicy((rate("20"),), scope=scope)) == [tax]


def test_tax_on_goods_and_none_on_shipping() -> None:
    """24.99 at 10.75 % and 6.44 of untaxed shipping are 34.12."""
    policy = TaxPolicy((rate("10.75"), rate("0", "shipping")))
    assert taxes([row(2499), charge(644)], policy, US) == [269, 0]
    assert 2499 + 644 + 269 == 3412


@pytest.mark.parametrize(
    ("scope", "tax"), [(LINE, 3105), (UNIT, 3105), (RATE, 3106), (ORDER, 3106), (NONE, 3106)]
)
def test_thirteen_percent_inside_three_equal_lines(scope: RoundingScope, tax: int) -> None:
    """3 x 89.99 with 13 % inside hold 31.05 by line, and 31.06 by rate or order."""
    rows = [row(8999, id=str(i), included=True) for i in range(3)]
    assert sum(taxes(rows, TaxPolicy((rate("13"),), scope=scope))) == tax


@pytest.mark.parametrize(("scope", "tax"), [(RATE, 25), (LINE, 24)])
def test_a_qualified_invoice_rounds_once_for_each_rate(scope: RoundingScope, tax: int) -> None:
    """3 x JPY 105 at 8 %, cut off, bear 25 by rate and invoice, and 24 by line."""
    rows = [row(105, id=str(i)) for i in range(3)]
    policy = TaxPolicy((rate("8"),), rounding=Rounding.DOWN, scope=scope)
    assert sum(taxes(rows, policy, Destination("JP"))) == tax


def test_two_rates_of_one_invoice_are_rounded_apart() -> None:
    """JPY 107 at 8 % and 105 at 10 %, cut off, bear 8 and 10 by rate, and 19.06, cut to 19, by order."""
    rows = [row(107, "food", id="1"), row(105, id="2")]
    both = (rate("8", "food"), rate("10"))
    by_rate = TaxPolicy(both, rounding=Rounding.DOWN, scope=RATE)
    by_order = TaxPolicy(both, rounding=Rounding.DOWN, scope=ORDER)
    assert taxes(rows, by_rate) == [8, 10]
    assert taxes(rows, by_order) == [9, 10]


@pytest.mark.parametrize(("funded", "tax"), [(0, 1800), (1200, 2000)])
def test_who_funds_a_discount_decides_the_tax(funded: int, tax: int) -> None:
    """120.00 with 20 % inside less 12.00 holds 18.00, or 20.00 where a third party repays the 12.00."""
    rows = [row(10800, funded=funded, included=True)]
    assert taxes(rows, TaxPolicy((rate("20"),)), GB) == [tax]


def test_a_british_price_sold_in_germany_keeps_its_gross_or_its_net() -> None:
    """120.00 from the UK holds 19.16 of German tax if the gross is fixed; by its net it is 119.00."""
    rates = (rate("20", country="GB"), rate("19", country="DE"))
    gross = TaxPolicy(rates, home=GB)
    net = TaxPolicy(rates, home=GB, abroad=PriceBasis.NET_FIXED)
    assert rebased(12000, "standard", GOODS, gross, DE, DAY) == 12000
    assert taxes([row(12000, included=True)], gross) == [1916]
    assert rebased(12000, "standard", GOODS, net, DE, DAY) == 11900
    assert taxes([row(11900, included=True)], net) == [1900]


def test_a_price_without_tax_leaves_the_country_without_it() -> None:
    """By its net a price is 100.00 for export, for an exempt buyer, and for a business abroad."""
    policy = TaxPolicy(
        (rate("20", country="FR"), rate("19", country="DE")),
        home=FR,
        abroad=PriceBasis.NET_FIXED,
        union=("FR", "DE"),
    )
    business = VatIdCheck("DE123456789", "DE", valid=True, source="list", at=NOON)
    for how in ({"export": True}, {"exempt": True}, {"vat_id": business}):
        assert rebased(12000, "standard", GOODS, policy, DE, DAY, **how) == 10000  # type: ignore[arg-type]


@pytest.mark.parametrize("basis", list(PriceBasis))
@pytest.mark.parametrize(
    ("home", "net"), [(FR, 10000), (None, 10084)], ids=["with a home", "without one"]
)
@pytest.mark.parametrize("how", ["exempt", "business"])
def test_who_bears_no_tax_pays_the_price_without_it(
    how: str, home: Destination | None, net: int, basis: PriceBasis
) -> None:
    """120.00 is 100.00 without the 20 % of home, or 100.84 without the 19 % of the destination, by either basis."""
    rates = (rate("20", country="FR"), rate("19", country="DE"))
    policy = TaxPolicy(rates, home=home, abroad=basis, union=("FR", "DE") if home else ())
    check = VatIdCheck("DE123456789", "DE", valid=True, source="list", at=NOON)
    more: dict[str, Any] = {"exempt": True} if how == "exempt" else {"vat_id": check}
    borne = how == "business" and home is None  # a union needs a home
    found = rebased(12000, "standard", GOODS, policy, DE, DAY, **more)
    assert found == (12000 if borne else net)
    assert rebased_charge(12000, "standard", (), policy, DE, DAY, **more) == found
    assert rebased(12000, "standard", VOUCHER, policy, DE, DAY, **more) == 12000


def test_an_export_keeps_the_shown_price_where_the_gross_is_fixed() -> None:
    """By its gross a price is the same for export: what stays fixed is a named choice."""
    policy = TaxPolicy((rate("20", country="FR"), rate("0", country="US")), home=FR)
    assert rebased(12000, "standard", GOODS, policy, US, DAY, export=True) == 12000
    assert rebased_charge(1200, "standard", (), policy, US, DAY, export=True) == 1200


def test_who_bears_no_tax_is_asked_for_each_kind_of_goods() -> None:
    """A business in Northern Ireland bears none on goods and some on services; of a voucher nobody bears any."""
    belfast, check = Destination("GB", postcode="BT1 1AA"), business("XI")
    kinds = (GOODS, SERVICE, VOUCHER)
    assert [bears_none(kind, UNION, belfast, check, exempt=False) for kind in kinds] == [
        True,
        False,
        False,
    ]
    assert [bears_none(kind, UNION, DE, None, exempt=True) for kind in kinds] == [True, True, False]


ABROAD = (
    rate("19", country="DE"),
    rate("7", "books", "DE"),
    rate("20", country="FR"),
    rate("5.5", "books", "FR"),
)


def supply(category: str, amount: int, kind: GoodsKind = GOODS, *, still: bool = True) -> Supply:
    """A line with tax inside as the cart has it."""
    return Supply(category, amount, kind, listed_with_tax=True, included=still)


@pytest.mark.parametrize(
    ("how", "cart", "there"),
    [
        (ShippingTax.OWN, 1190, 1200),
        (ShippingTax.MAIN, 1070, 1055),
        (ShippingTax.WEIGHTED, 2260, 2255),
    ],
)
def test_a_charge_keeps_its_net_abroad_by_the_rule_that_taxes_it(
    how: ShippingTax, cart: int, there: int
) -> None:
    """Shipping of a round net in Germany has the same net in France: by its own 19 and 20 %, by the 7 and
    5.5 % of books, or half by these and half by those."""
    policy = TaxPolicy(ABROAD, home=DE, abroad=PriceBasis.NET_FIXED, charges=how)
    lines = [supply("books", 10550), supply("standard", 12000)]
    if how is ShippingTax.MAIN:
        lines = [*lines, supply("books", 5000), supply("standard", 90000, VOUCHER)]
    assert rebased_charge(cart, "shipping", lines, policy, FR, DAY) == there
    rows = [
        row(one.amount, one.category, id=str(at), included=True, kind=one.kind)
        for at, one in enumerate(lines)
    ]
    for to, amount in ((FR, there), (DE, cart)):
        if to is DE:  # as the lines are at home
            moved = {"books": Fraction(1070, 1055), "standard": Fraction(1190, 1200)}
            rows = [one._replace(amount=int(one.amount * moved[one.category])) for one in rows]
        levy = levies([*rows, charge(amount, included=True)], policy, to, DAY)[-1]
        assert amount - levy.tax == (2000 if how is ShippingTax.WEIGHTED else 1000)


@pytest.mark.parametrize("how", ["export", "exempt"])
@pytest.mark.parametrize(
    ("charges", "books", "net"),
    [(ShippingTax.WEIGHTED, 10000, 2000), (ShippingTax.MAIN, 10001, 1899)],
)
def test_a_charge_leaves_the_tax_of_its_lines_at_home(
    charges: ShippingTax, books: int, net: int, how: str
) -> None:
    """Shipping of 22.60 is without the tax that it had inside at home: in parts as the lines, or the 19 % of
    those that came to most there, though without tax the books do."""
    policy = TaxPolicy(ABROAD, home=DE, abroad=PriceBasis.NET_FIXED, charges=charges)
    lines = [supply("books", books, still=False), supply("standard", 10000, still=False)]
    more: dict[str, Any] = {how: True}
    assert rebased_charge(2260, "shipping", lines, policy, FR, DAY, **more) == net


def test_a_charge_stays_at_home_and_where_the_gross_is_fixed() -> None:
    """Shipping is not re-based at home, without a destination, nor by its gross."""
    net = TaxPolicy(ABROAD, home=DE, abroad=PriceBasis.NET_FIXED)
    assert rebased_charge(1190, "shipping", (), net, DE, DAY) == 1190
    assert rebased_charge(1190, "shipping", (), net, Destination(), DAY) == 1190
    assert rebased_charge(1190, "shipping", (), TaxPolicy(ABROAD, home=DE), FR, DAY) == 1190


@pytest.mark.parametrize("to", [GB, Destination(), Destination("GB", "ENG")])
def test_at_home_a_price_stays(to: Destination) -> None:
    """A price is not re-based at home, nor while the destination is not known."""
    policy = TaxPolicy((rate("20", country="GB"),), home=GB, abroad=PriceBasis.NET_FIXED)
    assert rebased(12000, "standard", GOODS, policy, to, DAY) == 12000


def test_a_gift_card_costs_its_face_everywhere() -> None:
    """A multi-purpose voucher bears no tax, so its price is the same abroad."""
    rates = (rate("20", country="GB"), rate("19", country="DE"))
    policy = TaxPolicy(rates, home=GB, abroad=PriceBasis.NET_FIXED)
    assert rebased(5000, "standard", VOUCHER, policy, DE, DAY) == 5000


# --- several components --------------------------------------------------------------------------

GST_PST = (
    rate("5", country="CA", component="GST"),
    rate("7", country="CA", region="BC", component="PST"),
    rate("0", "books", "CA", component="GST", treatment=TaxTreatment.EXEMPT),
    rate("5", "books", "CA", region="BC", component="PST"),
)
BC = Destination("CA", "BC", "V5K 0A1")


def test_two_components_add_up() -> None:
    """100.00 in British Columbia bears 5.00 of GST and 7.00 of PST, elsewhere 5.00 of GST alone."""
    policy = TaxPolicy(GST_PST, prices_include_tax=False)
    assert levies([row(10000)], policy, BC, DAY) == [
        Levy(
            1200,
            120_000,
            TaxTreatment.STANDARD,
            (TaxPart("GST", 50_000, 10000, 500), TaxPart("PST", 70_000, 10000, 700)),
        )
    ]
    alone = levies([row(10000)], policy, Destination("CA", "AB"), DAY)
    assert alone == [Levy(500, 50_000, TaxTreatment.STANDARD, ())]


def test_a_compound_tax_stands_on_the_one_before() -> None:
    """100.00 with 5 % and 7.5 % on top of both, as Quebec had until 2012, bears 5.00 and 7.88."""
    rates = (rate("5", component="GST"), rate("7.5", component="QST", compound=True))
    (levy,) = levies([row(10000)], TaxPolicy(rates), Destination("CA", "QC"), DAY)
    assert (levy.tax, levy.ppm) == (1288, 128_750)
    assert [(part.tax, part.compound) for part in levy.parts] == [(500, False), (788, True)]


def test_a_compound_rate_beyond_a_millionth_is_still_exact() -> None:
    """9.975 % on top of 5 % is 15.47375 % in all, though no whole number of millionths says so."""
    rates = (rate("5", component="GST"), rate("9.975", component="QST", compound=True))
    (levy,) = levies([row(100_000_000)], TaxPolicy(rates), Destination("CA", "QC"), DAY)
    assert (levy.tax, levy.ppm) == (15_473_750, 154_738)


@pytest.mark.parametrize(("how", "tax", "parts"), [(SUM, 13, [6, 7]), (EACH, 14, [7, 7])])
def test_rounding_each_component_may_cost_a_cent(
    how: ComponentRounding, tax: int, parts: list[int]
) -> None:
    """6.25 % twice of 1.04 is 0.13 as one rate, and 0.07 + 0.07 one by one."""
    rates = (rate("6.25", component="state"), rate("6.25", component="county"))
    (levy,) = levies([row(104)], TaxPolicy(rates, components=how), US, DAY)
    assert (levy.tax, sorted(part.tax for part in levy.parts)) == (tax, parts)


def test_the_longest_postcode_wins_for_its_component() -> None:
    """A city's rate stands beside the state's; the longer postcode takes the place of the shorter."""
    policy = TaxPolicy(
        (
            rate("4", country="US", region="NY", component="state"),
            rate("4.5", country="US", postcode="10", component="city"),
            rate("3", country="US", postcode="105", component="city"),
        )
    )
    found = [
        [str(one.percent) for one in policy.components_of("standard", to, DAY)]
        for to in (
            Destination("US", "NY", "10001"),
            Destination("US", "NY", "10501"),
            Destination("US", "NY", "14604"),
        )
    ]
    assert found == [["4", "4.5"], ["4", "3"], ["4"]]
    assert str(policy.rate("standard", Destination("US", "NY", "10001"), DAY).percent) == "4"


def test_each_component_goes_by_its_own_days() -> None:
    """A county's tax of limited days adds to the state's on those days alone."""
    policy = TaxPolicy(
        (
            rate("6", component="state"),
            rate("1", component="county", first_day=date(2026, 11, 1), last_day=date(2026, 11, 2)),
        )
    )
    days = [date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3)]
    ppms = [levies([row(10000)], policy, US, day)[0].ppm for day in days]
    assert ppms == [60_000, 70_000, 70_000, 60_000]


def test_goods_exempt_from_one_component_bear_the_other() -> None:
    """A book without GST and with 5 % of PST bears the PST, and is not exempt as a whole."""
    (levy,) = levies([row(2000, "books")], TaxPolicy(GST_PST), BC, DAY)
    assert (levy.tax, levy.ppm, levy.treatment) == (100, 50_000, TaxTreatment.STANDARD)
    assert [part.tax for part in levy.parts] == [0, 100]


# --- who bears no tax, and why -------------------------------------------------------------------

UNION = TaxPolicy(
    (
        rate("19", country="DE"),
        rate("20", country="FR"),
        rate("24", country="GR"),
        rate("20", country="GB"),
        rate("0", country="US"),
        rate("7", "shipping", "FR"),
    ),
    prices_include_tax=False,
    home=DE,
    union=(*sorted(EU_COUNTRIES), "XI"),
)


def business(country: str, *, valid: bool = True) -> VatIdCheck:
    """A buyer's VAT id as it was checked."""
    return VatIdCheck(f"{country}123456789", country, valid, "a list", NOON)


def treatments(
    rows: Sequence[TaxableRow], to: Destination, tax: TaxPolicy = UNION, **more: Any
) -> list[TaxTreatment]:
    """How each row is treated."""
    found = levies(rows, tax, to, DAY, **more)
    assert all(levy.tax == levy.ppm == 0 for levy in found if levy.treatment.value != "standard")
    return [levy.treatment for levy in found]


def test_a_business_abroad_accounts_for_the_tax_itself() -> None:
    """A French business buys goods as intra-community supply and services by reverse charge."""
    rows = [row(10000), row(4000, id="2", kind=SERVICE)]
    assert treatments(rows, FR, vat_id=business("FR")) == [
        TaxTreatment.INTRA_COMMUNITY,
        TaxTreatment.REVERSE_CHARGE,
    ]


@pytest.mark.parametrize(
    ("service", "follows"), [(4000, "intra_community"), (20000, "reverse_charge")]
)
def test_a_charge_follows_the_main_supply(service: int, follows: str) -> None:
    """Freight goes with the goods or with the services, whichever come to more."""
    rows = [row(10000), row(service, id="2", kind=SERVICE), charge(500)]
    assert treatments(rows, FR, vat_id=business("FR"))[-1] is TaxTreatment(follows)


@pytest.mark.parametrize(
    ("to", "vat_id"),
    [
        (FR, business("FR", valid=False)),
        (FR, business("FR", valid="no")),  # type: ignore[arg-type]
        (FR, business("DE")),
        (DE, business("FR")),
        (GB, business("FR")),
        (FR, business("GB")),
        (FR, None),
    ],
)
def test_others_pay_the_tax(to: Destination, vat_id: VatIdCheck | None) -> None:
    """An invalid id, one of the home country or of no member, or goods that do not cross, bear tax."""
    assert treatments([row(10000)], to, vat_id=vat_id) == [TaxTreatment.STANDARD]


def test_a_greek_vat_id_begins_with_el() -> None:
    """EL and GR are the same member state."""
    found = treatments([row(10000)], Destination("GR"), vat_id=business("EL"))
    assert found == [TaxTreatment.INTRA_COMMUNITY]


def test_northern_ireland_is_of_the_union_for_goods() -> None:
    """A business in Belfast buys goods as in the union and services as in the United Kingdom."""
    rows = [row(10000), row(4000, id="2", kind=SERVICE)]
    belfast = Destination("GB", postcode="BT1 1AA")
    found = treatments(rows, belfast, vat_id=business("XI"))
    assert found == [TaxTreatment.INTRA_COMMUNITY, TaxTreatment.STANDARD]
    london = Destination("GB", postcode="EC1A 1BB")
    assert treatments(rows, london, vat_id=business("XI")) == [TaxTreatment.STANDARD] * 2


def test_what_decides_a_treatment_comes_in_order() -> None:
    """What was decided elsewhere goes before the voucher, the voucher before the buyer's exemption."""
    rows = [
        row(100, kind=VOUCHER, forced=TaxTreatment.EXPORT),
        row(100, id="2", kind=VOUCHER),
        row(100, id="3"),
        row(100, id="4", forced=TaxTreatment.STANDARD),
    ]
    assert treatments(rows, FR, vat_id=business("FR"), exempt=True) == [
        TaxTreatment.EXPORT,
        TaxTreatment.OUT_OF_SCOPE,
        TaxTreatment.EXEMPT,
        TaxTreatment.STANDARD,
    ]


def test_no_tax_is_zero_rated_or_exempt_as_the_rate_says() -> None:
    """A rate of 0 % is zero-rated; a rate that is marked exempt is exempt."""
    rates = (rate("0"), rate("0", "care", treatment=TaxTreatment.EXEMPT))
    found = treatments([row(100), row(100, "care", id="2")], FR, TaxPolicy(rates))
    assert found == [TaxTreatment.ZERO, TaxTreatment.EXEMPT]


# --- charges -------------------------------------------------------------------------------------

TWO_RATES = (rate("19"), rate("7", "books"), rate("19", "shipping"))
BASKET = [row(3000, "books"), row(7000, "books", id="2"), row(9000, id="3"), charge(500)]


@pytest.mark.parametrize(
    ("how", "tax"), [(ShippingTax.OWN, 95), (ShippingTax.MAIN, 35), (ShippingTax.WEIGHTED, 63)]
)
def test_shipping_is_taxed_by_one_of_three_rules(how: ShippingTax, tax: int) -> None:
    """Shipping of 5.00 beside 100.00 of books at 7 % and 90.00 at 19 % bears 0.95, 0.35 or 0.63."""
    assert taxes(BASKET, TaxPolicy(TWO_RATES, charges=how))[-1] == tax


def test_weighted_shipping_has_a_net_for_each_rate() -> None:
    """5.00 goes 2.63 with the books and 2.37 with the rest, and no one rate is shown for it."""
    policy = TaxPolicy(TWO_RATES, charges=ShippingTax.WEIGHTED)
    levy = levies(BASKET, policy, DE, DAY)[-1]
    assert (levy.ppm, levy.treatment) == (0, TaxTreatment.STANDARD)
    assert [(part.ppm, part.net, part.tax) for part in levy.parts] == [
        (70_000, 263, 18),
        (190_000, 237, 45),
    ]


def test_weighted_shipping_of_one_rate_shows_it() -> None:
    """Where all lines have one rate, shipping has it too, without parts."""
    rows = [row(3000, "books"), row(7000, "books", id="2"), charge(500)]
    policy = TaxPolicy(TWO_RATES, charges=ShippingTax.WEIGHTED)
    assert levies(rows, policy, DE, DAY)[-1] == Levy(35, 70_000, TaxTreatment.STANDARD, ())


@pytest.mark.parametrize("how", [ShippingTax.MAIN, ShippingTax.WEIGHTED])
def test_shipping_of_free_goods_goes_by_the_first(how: ShippingTax) -> None:
    """Where all lines come to nothing, the first line's category is the main supply."""
    rows = [row(0, "books"), row(0, id="2"), charge(500)]
    assert taxes(rows, TaxPolicy(TWO_RATES, charges=how))[-1] == 35


@pytest.mark.parametrize("how", list(ShippingTax))
def test_shipping_a_gift_card_is_taxed_by_its_own_rate(how: ShippingTax) -> None:
    """A voucher is no supply that shipping could follow."""
    rows = [row(5000, "books", kind=VOUCHER), charge(500)]
    assert taxes(rows, TaxPolicy(TWO_RATES, charges=how)) == [0, 95]


# --- rounding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "rounding", "tax"),
    [
        (RoundedFigure.TAX, Rounding.HALF_UP, 1),
        (RoundedFigure.NET, Rounding.HALF_UP, 0),
        (RoundedFigure.TAX, Rounding.DOWN, 0),
        (RoundedFigure.NET, Rounding.DOWN, 1),
    ],
)
def test_the_rounded_figure_matters_at_a_tie(
    figure: RoundedFigure, rounding: Rounding, tax: int
) -> None:
    """0.03 with 20 % inside is 0.025 + 0.005: the tax is 0.01 or nothing, by what is rounded."""
    policy = TaxPolicy((rate("20"),), rounding=rounding, rounded=figure)
    assert taxes([row(3, included=True)], policy) == [tax]


def test_a_total_is_rounded_to_even_by_what_is_paid() -> None:
    """1.05 and 10 % on top is 1.155: paid to the even cent it is 1.16, though the tax alone would be 0.10."""
    even = Rounding.HALF_EVEN
    rates = (rate("10"),)
    assert taxes([row(105)], TaxPolicy(rates, rounding=even, scope=NONE)) == [11]
    assert taxes([row(105)], TaxPolicy(rates, rounding=even, scope=ORDER)) == [10]


def test_one_rate_is_rounded_once_with_tax_inside_and_on_top() -> None:
    """JPY 101 on which 8 % come and 107 that hold 8 % bear 8.08 and 7.93, together cut to 16; where the net
    is what is rounded, each is cut by itself."""
    rows = [row(101), row(107, id="2", included=True)]
    policy = TaxPolicy((rate("8"),), rounding=Rounding.DOWN, scope=RATE)
    assert sum(taxes(rows, policy)) == 16
    net = TaxPolicy((rate("8"),), True, Rounding.DOWN, RATE, rounded=RoundedFigure.NET)
    assert taxes(rows, net) == [8, 8]
    each = (rate("8", component="a"), rate("5", component="b"))
    apart = TaxPolicy(each, True, Rounding.DOWN, RATE, components=EACH)
    first, second = levies(rows, apart, DE, DAY)
    assert sum(one.parts[0].tax for one in (first, second)) == 15  # 8.08 + 7.57


def test_included_and_added_tax_stand_in_one_cart() -> None:
    """A line with tax inside and one without are each taxed by what they show."""
    rows = [row(11900, included=True), row(10000, id="2")]
    for scope in RoundingScope:
        assert taxes(rows, TaxPolicy((rate("19"),), scope=scope)) == [1900, 1900]


def test_a_million_units_take_no_longer_than_one() -> None:
    """Rounding by unit works out two figures, whatever the quantity."""
    policy = TaxPolicy((rate("19"),), scope=UNIT)
    assert taxes([row(108_000_001, quantity=1_000_000)], policy) == [21 * 1_000_000]


# --- an engine from outside ----------------------------------------------------------------------


def outside(*rows: ExternalRow) -> ExternalTax:
    """What an external engine answered."""
    return ExternalTax(rows, "tax engine", NOON)


def test_an_external_calculation_is_taken_as_it_is() -> None:
    """Parts, rate and treatment come from the engine, in the order of the rows, whoever buys."""
    parts = (TaxPart("state", 62_500, 1000, 62), TaxPart("city", 20_000, 1000, 21))
    split = (TaxPart("a", 70_000, 300, 21), TaxPart("b", 190_000, 200, 38))
    answer = outside(
        ExternalRow("shipping", split),
        ExternalRow("1", parts),
        ExternalRow("2", (), TaxTreatment.EXEMPT),
    )
    found = levies(
        [row(1000), row(500, id="2"), charge(500)],
        TaxPolicy(),
        US,
        DAY,
        external=answer,
        exempt=True,
    )
    assert found == [
        Levy(83, 82_500, TaxTreatment.STANDARD, parts),
        Levy(0, 0, TaxTreatment.EXEMPT, ()),
        Levy(59, 0, TaxTreatment.STANDARD, split),
    ]


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        ([], "facts.tax.rows"),
        ([ExternalRow("1", ()), ExternalRow("1", ())], "facts.tax.rows[1]"),
        ([ExternalRow("1", ()), ExternalRow("9", ())], "facts.tax.rows[1]"),
        ([ExternalRow("1", (TaxPart("VAT", 1, 100, -1),))], "facts.tax.rows[0].parts[0]"),
        ([ExternalRow("1", (TaxPart("VAT", 1, 101, 1),))], "facts.tax.rows[0].parts[0]"),
        ([ExternalRow("1", (TaxPart("VAT", 1, 100, 101),))], "facts.tax.rows[0]"),
        ([ExternalRow("1", (TaxPart("VAT", 1, 100, 1.5),))], "facts.tax.rows[0].parts[0]"),  # type: ignore[arg-type]
    ],
)
def test_an_external_calculation_that_does_not_fit_is_refused(
    rows: list[ExternalRow], path: str
) -> None:
    """A row without tax, with two, a tax without row, and figures that cannot be, are named."""
    with pytest.raises(InvalidCart) as caught:
        levies([row(100, included=True)], TaxPolicy(), US, DAY, external=outside(*rows))
    assert caught.value.path == path


# --- the policy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        ([row(1, "books"), row(1)], "lines[1].tax_category"),
        ([row(1, "books"), charge(1, "odd")], "shipping.tax_category"),
        (
            [
                row(1, "books"),
                charge(1, "books"),
                row(1, "books", id="wrap", kind=None),
                row(1, "odd", id="fee", kind=None),
            ],
            "fees[1].tax_category",
        ),
    ],
)
def test_a_category_without_a_rate_is_named_where_it_stands(
    rows: list[TaxableRow], path: str
) -> None:
    """A misspelled category is refused at its place in the cart."""
    for scope in (LINE, RATE):
        with pytest.raises(InvalidCart, match="no tax rate") as caught:
            levies(rows, TaxPolicy((rate("7", "books"),), scope=scope), DE, DAY)
        assert caught.value.path == path


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        (TaxPolicy((rate("5"), rate("6"))), "tax.rates[1]"),
        (TaxPolicy((rate("5", component="a"), rate("6", component="a"))), "tax.rates[1]"),
        (TaxPolicy((TaxRate(Percent(-1)),)), "tax.rates[0]"),
        (TaxPolicy((TaxRate(Percent(100_000_001)),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", country="de"),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", region="NY"),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", postcode="10"),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", treatment=TaxTreatment.EXEMPT),)), "tax.rates[0]"),
        (
            TaxPolicy((rate("5", first_day=date(2026, 2, 1), last_day=date(2026, 1, 1)),)),
            "tax.rates[0]",
        ),
        (TaxPolicy(default=Percent(-1)), "tax.default"),
        (TaxPolicy(union=("DE",)), "tax.home"),
        (TaxPolicy(abroad=PriceBasis.NET_FIXED), "tax.home"),
        (TaxPolicy(home=Destination("de")), "tax.home.country"),
        (TaxPolicy(home=DE, union=("DE", "France")), "tax.union[1]"),
        (TaxPolicy((rate("5", category=7),)), "tax.rates[0]"),  # type: ignore[arg-type]
        (TaxPolicy((rate("5", component=None),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", country="DE", postcode=10),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", source=None),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", compound="no"),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", treatment="exempt"),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", first_day=NOON),)), "tax.rates[0]"),
        (TaxPolicy((rate("5", last_day="2026-01-01"),)), "tax.rates[0]"),
        *[
            (TaxPolicy(zone=zone), "tax.zone")  # type: ignore[arg-type]
            for zone in ("Mars/Olympus", "Europe", "", "../etc", "\udc80", None)
        ],
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(policy: TaxPolicy, path: str) -> None:
    """Overlapping rates, malformed rates and places are told with their path."""
    with pytest.raises(InvalidPolicy) as caught:
        policy.check()
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("zone", "day", "percent"),
    [
        ("UTC", date(2020, 12, 31), "16"),
        ("Europe/Berlin", date(2021, 1, 1), "19"),
        ("America/New_York", date(2020, 12, 31), "16"),
    ],
)
def test_a_rate_begins_at_midnight_where_the_shop_is(zone: str, day: date, percent: str) -> None:
    """16 % until the last of 2020 and 19 % after: at 23:30 UTC it is the new year in Berlin."""
    policy = TaxPolicy(
        (
            rate("16", country="DE", first_day=date(2020, 7, 1), last_day=date(2020, 12, 31)),
            rate("19", country="DE", first_day=date(2021, 1, 1)),
        ),
        zone=zone,
    )
    policy.check()
    late = datetime(2020, 12, 31, 23, 30, tzinfo=UTC)
    east = timezone(timedelta(hours=9))
    assert policy.day(late) == policy.day(late.astimezone(east)) == day
    assert str(policy.rate("standard", DE, policy.day(late)).percent) == percent


def test_a_moment_beyond_the_calendar_has_no_day() -> None:
    """A time without a zone, and one that no calendar of the shop's zone holds, are refused."""
    berlin = TaxPolicy(zone="Europe/Berlin")
    for at in (datetime(2026, 1, 1), datetime(9999, 12, 31, 23, 30, tzinfo=UTC)):  # noqa: DTZ001
        with pytest.raises(InvalidInput) as caught:
            berlin.day(at)
        assert caught.value.path == "at"


def test_goods_that_go_nowhere_yet_are_taxed_at_home() -> None:
    """A cart without an address has the rates of home, with its region; without a home there is none to take."""
    rates = (rate("19", country="DE"), rate("7", "books", "DE"), rate("5", country="CA"))
    nowhere = Destination(region="BY", postcode="80331")
    assert taxes([row(10000), row(1000, "books", id="2")], TaxPolicy(rates, home=DE), nowhere) == [
        1900,
        70,
    ]
    pst = rate("7", country="CA", region="BC", component="PST")
    west = TaxPolicy((*rates, pst), home=Destination("CA", "BC"))
    assert included_ppm("standard", west, Destination(), DAY) == 120_000
    with pytest.raises(InvalidCart, match="no tax rate"):
        taxes([row(10000)], TaxPolicy(rates), nowhere)


def test_what_was_looked_up_before_is_found_again() -> None:
    """A policy that was asked about many places, days and categories answers as one that was not."""
    rates = (
        *GST_PST,
        rate("16", country="DE", last_day=date(2020, 12, 31)),
        rate("19", country="DE", first_day=date(2021, 1, 1)),
        rate("2", country="US", postcode="9", component="county"),
        rate("3", country="US", postcode="90", component="county"),
    )
    used = TaxPolicy(rates, home=DE, default=Percent(0))
    asked = [
        (category, to, day)
        for category in ("standard", "books", "shipping", "odd")
        for to in (Destination(), DE, BC, US, Destination("US", "CA", "90001"), Destination("CA"))
        for day in (date(2020, 12, 31), DAY)
    ]
    for one in asked * 2:
        fresh = TaxPolicy(rates, home=DE, default=Percent(0))
        assert used.components_of(*one) == fresh.components_of(*one)
    assert used == TaxPolicy(rates, home=DE, default=Percent(0))


def test_each_row_names_the_rates_that_taxed_it() -> None:
    """A charge that goes with the lines has theirs, one of a category without a rate the standard one,
    and a row without tax none."""
    weighted = TaxPolicy(TWO_RATES, charges=ShippingTax.WEIGHTED)
    main = TaxPolicy(TWO_RATES, charges=ShippingTax.MAIN)
    standard, books, _ = TWO_RATES
    assert taxed_by(BASKET, weighted, DE, DAY)[-1] == ((books,), (standard,))
    assert taxed_by(BASKET, main, DE, DAY) == [
        ((books,),),
        ((books,),),
        ((standard,),),
        ((books,),),
    ]
    alone = TaxPolicy((standard, books))
    assert taxed_by([row(1), charge(1)], alone, DE, DAY)[-1] == ((standard,),)
    assert taxed_by([row(1)], alone, DE, DAY, exempt=True) == [()]


def test_components_and_postcodes_do_not_overlap() -> None:
    """Rates of other components, postcodes, places or days stand side by side."""
    TaxPolicy(
        (
            rate("5", country="US", component="state"),
            rate("1", country="US", component="county"),
            rate("2", country="US", component="county", postcode="9"),
            rate("3", country="US", component="county", postcode="90", last_day=date(2026, 1, 1)),
            rate("4", country="US", component="county", postcode="90", first_day=date(2026, 1, 2)),
        ),
        home=Destination("US", "CA"),
    ).check()


def test_the_rate_inside_a_price_takes_all_components() -> None:
    """The rate by which a net amount is weighed is the sum of the components."""
    assert included_ppm("standard", TaxPolicy(GST_PST), BC, DAY) == 120_000


# --- laws ----------------------------------------------------------------------------------------

CATEGORIES = ("standard", "books", "food")


@st.composite
def policies(draw: st.DrawFn, *, most: int = 3) -> TaxPolicy:
    """A policy with one to ``most`` components in each category, of up to 30 % each."""
    rates = []
    for category in CATEGORIES:
        for number in range(draw(st.integers(1, most))):
            percent = Percent(draw(st.sampled_from([0, 50_000, 190_000]) | st.integers(0, 300_000)))
            compound = number > 0 and draw(st.booleans())
            rates.append(TaxRate(percent, category, component=str(number), compound=compound))
    return TaxPolicy(
        tuple(rates),
        rounding=draw(st.sampled_from(Rounding)),
        scope=draw(st.sampled_from(RoundingScope)),
        rounded=draw(st.sampled_from(RoundedFigure)),
        components=draw(st.sampled_from(ComponentRounding)),
        charges=draw(st.sampled_from(ShippingTax)),
    )


@st.composite
def carts(draw: st.DrawFn) -> list[TaxableRow]:
    """Up to six lines and up to two charges."""
    amounts = st.integers(0, 30) | st.integers(0, 10_000_000)
    rows = []
    for number in range(draw(st.integers(1, 6)) + draw(st.integers(0, 2))):
        line = number == 0 or draw(st.integers(0, 3)) > 0
        rows.append(
            TaxableRow(
                str(number),
                draw(st.sampled_from(CATEGORIES)),
                draw(amounts),
                draw(st.just(0) | amounts),
                draw(st.integers(1, 7)) if line else 0,
                draw(st.booleans()),
                GOODS if line else None,
                None,
            )
        )
    return rows


def taxable(one: TaxableRow) -> int:
    """What tax stands on."""
    return one.amount + one.funded


def total_rate(policy: TaxPolicy, category: str) -> Fraction:
    """The rate of all components together, worked out step by step."""
    found = Fraction(0)
    for one in policy.components_of(category, DE, DAY):
        step = Fraction(one.percent.ppm, 1_000_000)
        found += step * (1 + found) if one.compound else step
    return found


def exact(one: TaxableRow, policy: TaxPolicy) -> Fraction:
    """The tax of a row by its own category, before any rounding."""
    percent = total_rate(policy, one.category)
    return taxable(one) * (percent / (1 + percent) if one.included else percent)


@given(carts(), policies())
def test_l1_shares_sum_to_the_tax_of_a_row(rows: list[TaxableRow], policy: TaxPolicy) -> None:
    """The parts of a row add up to its tax, and their nets and the tax to the price."""
    for one, levy in zip(rows, levies(rows, policy, DE, DAY), strict=True):
        assert levy.tax >= 0
        if one.included:
            assert levy.tax <= taxable(one)
        if levy.parts:
            assert sum(part.tax for part in levy.parts) == levy.tax
            net = taxable(one) - levy.tax if one.included else taxable(one)
            if levy.ppm:
                assert {part.net for part in levy.parts} == {net}


@given(carts(), policies(most=1))
def test_l3_weighted_charges_split_their_net(rows: list[TaxableRow], policy: TaxPolicy) -> None:
    """The nets of a charge that goes by the lines' rates add up to the charge's net."""
    weighted = TaxPolicy(policy.rates, True, policy.rounding, charges=ShippingTax.WEIGHTED)
    for one, levy in zip(rows, levies(rows, weighted, DE, DAY), strict=True):
        if levy.parts:
            net = taxable(one) - levy.tax if one.included else taxable(one)
            assert sum(part.net for part in levy.parts) == net


@given(carts(), policies(most=1))
def test_l3_the_plain_loop_and_the_general_way_agree(
    rows: list[TaxableRow], policy: TaxPolicy
) -> None:
    """The usual cart comes to the same by either way."""
    plain = TaxPolicy(policy.rates, True, policy.rounding)
    found = levies(rows, plain, DE, DAY)
    assert found == _general(rows, plain, DE, DAY, None, exempt=False)


@given(carts(), policies(), st.randoms(use_true_random=False))
def test_l3_the_order_of_components_changes_no_sum(
    rows: list[TaxableRow], policy: TaxPolicy, random: Any
) -> None:
    """Components that do not compound come to the same total in any order of the list."""
    rates = [TaxRate(one.percent, one.category, component=one.component) for one in policy.rates]
    turned = list(rates)
    random.shuffle(turned)
    one, other = (
        TaxPolicy(tuple(some), True, policy.rounding, policy.scope, rounded=policy.rounded)
        for some in (rates, turned)
    )
    assert taxes(rows, one) == taxes(rows, other)


@given(carts(), policies())
def test_l2_quota_of_what_is_rounded_together(rows: list[TaxableRow], policy: TaxPolicy) -> None:
    """By rate or by order, the sum of what is rounded once strays by less than one minor unit."""
    own = TaxPolicy(policy.rates, True, policy.rounding, policy.scope, rounded=policy.rounded)
    found = taxes(rows, own)
    groups: dict[object, Fraction] = {}
    for one, tax in zip(rows, found, strict=True):
        key: object
        if policy.scope is RATE:
            net = one.included and policy.rounded is RoundedFigure.NET
            key = (total_rate(policy, one.category), net)
        elif policy.scope is ORDER:
            key = one.included and policy.rounded is RoundedFigure.NET
        elif policy.scope is NONE:
            key = one.included
        else:
            key = one.id
        groups[key] = groups.get(key, Fraction(0)) + tax - exact(one, policy)
    most = 7 if policy.scope is UNIT else 1
    assert all(abs(stray) < most for stray in groups.values())


@given(carts(), policies(most=1))
def test_l4_units_rebuild_lines_in_their_tax(rows: list[TaxableRow], policy: TaxPolicy) -> None:
    """Rounded by unit, a line's tax is the sum over its units, the first of which cost more."""
    by_unit = TaxPolicy(policy.rates, True, policy.rounding, UNIT)
    for one, tax in zip(rows, taxes(rows, by_unit), strict=True):
        number = one.quantity or 1
        each, more = divmod(taxable(one), number)
        percent = total_rate(policy, one.category)
        share = percent / (1 + percent) if one.included else percent
        units = [(each + (unit < more)) * share for unit in range(number)]
        assert tax == sum(
            divide(unit.numerator, unit.denominator, policy.rounding) for unit in units
        )


@given(st.integers(0, 10_000_000), policies(), st.sampled_from(CATEGORIES))
def test_l3_a_rounded_net_leaves_the_rest_as_tax(
    amount: int, policy: TaxPolicy, category: str
) -> None:
    """Where the net is what is rounded, it is the exact net by the policy's mode."""
    net = TaxPolicy(policy.rates, True, policy.rounding, LINE, rounded=RoundedFigure.NET)
    one = row(amount, category, included=True)
    exactly = amount / (1 + total_rate(policy, category))
    expected = divide(exactly.numerator, exactly.denominator, policy.rounding)
    assert amount - taxes([one], net)[0] == expected


@given(carts(), policies())
def test_l3_once_for_the_order_is_the_exact_sum_rounded(
    rows: list[TaxableRow], policy: TaxPolicy
) -> None:
    """By order, the tax of all rows is their exact tax rounded once, whatever rates they have."""
    once = TaxPolicy(policy.rates, True, policy.rounding, ORDER)
    whole = sum((exact(one, policy) for one in rows), Fraction(0))
    assert sum(taxes(rows, once)) == divide(whole.numerator, whole.denominator, policy.rounding)


@given(st.integers(0, 10_000_000), st.integers(0, 300_000), st.integers(0, 300_000))
def test_l3_a_price_keeps_its_net_abroad(unit: int, here: int, there: int) -> None:
    """By its net, a price abroad is the exact net with the other tax inside, rounded once."""
    rates = (TaxRate(Percent(here), country="GB"), TaxRate(Percent(there), country="DE"))
    policy = TaxPolicy(rates, home=GB, abroad=PriceBasis.NET_FIXED)
    exactly = Fraction(unit * (1_000_000 + there), 1_000_000 + here)
    found = rebased(unit, "standard", GOODS, policy, DE, DAY)
    assert found == divide(exactly.numerator, exactly.denominator)
