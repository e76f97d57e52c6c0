"""Promotions: what each takes off which lines, in which order, and why a code does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import gcd
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from moneyed import Money

from ordercore.allocation import RemainderRule
from ordercore.errors import InvalidInput, InvalidPolicy
from ordercore.money import MINOR_MAX, Percent, Rounding, from_minor, money
from ordercore.pricing.basket import Basket, BasketLine
from ordercore.pricing.cart import CartLine, Funder, GoodsKind, OrderKind, Shopper
from ordercore.pricing.coupon import (
    Coupon,
    CouponStatus,
    CouponTerms,
    RefusalReason,
    RefusedCoupon,
)
from ordercore.pricing.discount import AppliedDiscount
from ordercore.pricing.promoting import check_layers, promote
from ordercore.pricing.promotion import (
    Benefit,
    BuyGet,
    Choose,
    Conditions,
    DiscountLevel,
    EveryOff,
    HostRule,
    Layer,
    LineAmount,
    LinePercent,
    OffBase,
    OrderAmount,
    OrderPercent,
    Per,
    Promotion,
    PromotionRule,
    Scope,
    SetTotal,
    ShippingOff,
    ShippingTo,
    SkuPrice,
    SpecialPrice,
    Spread,
    Step,
    Steps,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def eur(text: str) -> Money:
    """Euros."""
    return money(text, "EUR")


def percent(text: str) -> Percent:
    """A percentage."""
    return Percent.of(text)


def line(sku: str, quantity: int, unit: int, **fields: Any) -> BasketLine:
    """A line with nothing taken off yet, but for ``fields``; its id is its sku."""
    listed = unit * quantity
    known: dict[str, Any] = {
        "id": sku, "sku": sku, "name": sku, "category": "", "brand": "", "kind": GoodsKind.GOODS,
        "bundle": "", "quantity": quantity, "unit_price": unit, "list_amount": listed, "left": listed,
        "floor": 0, "line": CartLine(sku, quantity, from_minor(unit, "EUR")),
    }  # fmt: skip
    return BasketLine(**{**known, **fields})


def basket(*lines: BasketLine, **fields: Any) -> Basket:
    """A basket in EUR at `AT`."""
    known: dict[str, Any] = {"currency": "EUR", "lines": list(lines), "at": AT}
    return Basket(**{**known, **fields})


def in_layers(*benefits: Benefit, **fields: Any) -> tuple[Layer, ...]:
    """A layer for each benefit, named by its place, of one promotion of the same name."""
    return tuple(
        Layer(str(i), (Promotion(str(i), benefit, **fields),)) for i, benefit in enumerate(benefits)
    )


def given_by(to: Basket, *benefits: Benefit, **fields: Any) -> list[AppliedDiscount]:
    """What the benefits gave, one after the other."""
    return promote(to, in_layers(*benefits, **fields), (), ())[0]


def shares(to: Basket, benefit: Benefit, **fields: Any) -> tuple[int, ...]:
    """The shares of one benefit, which gave something."""
    (applied,) = given_by(to, benefit, **fields)
    assert sum(applied.shares) == applied.amount
    return applied.shares


def lefts(of: Basket) -> list[int]:
    """What remains of each line."""
    return [row.left for row in of.lines]


# --- The cases of the trade --------------------------------------------------------------------


def test_every_200_less_20_after_a_flash_sale() -> None:
    """2 x 199.00 at 179.00 and 150.50: 40.00 off as 28.16 and 11.84; 468.50 is 31.50 short of 500."""
    to = basket(line("A", 2, 19900), line("B", 1, 15050))
    layers = (
        *in_layers(
            SpecialPrice((SkuPrice("A", eur("179.00")),)), EveryOff(eur("200"), eur("20.00"))
        ),
        Layer(
            "coupons",
            (
                Promotion(
                    "C50", OrderAmount(eur("50")), when=Conditions(at_least=eur("500")),
                    coupon=CouponTerms(),
                ),
            ),
        ),
    )  # fmt: skip
    applied, refused = promote(to, layers, (Coupon("FIFTY", "C50"),), ("FIFTY",))
    flash, every = applied
    assert (flash.level, flash.shares) == (DiscountLevel.LINE, (4000, 0))
    assert (every.level, every.amount, every.shares) == (DiscountLevel.ORDER, 4000, (2816, 1184))
    assert (lefts(to), to.total()) == ([32984, 13866], 46850)
    assert refused == [RefusedCoupon("FIFTY", RefusalReason.BELOW_THRESHOLD, "C50", 3150)]


@pytest.mark.parametrize(
    ("funder", "funded"), [(Funder.PLATFORM, 1200), (Funder.BRAND, 1200), (Funder.MERCHANT, 0)]
)
def test_only_what_a_third_party_repays_is_funded(funder: Funder, funded: int) -> None:
    """12.00 off 120.00 is funded where the platform or a brand bears it, and not by the merchant."""
    to = basket(line("A", 1, 12000))
    layers = in_layers(OrderAmount(eur("12")), funder=funder, coupon=CouponTerms())
    (applied,), _ = promote(to, layers, (Coupon("X", "0"),), ("X",))
    assert (applied.funder, applied.code, applied.layer) == (funder, "X", "0")
    row = to.lines[0]
    assert (row.left, row.off_order, row.off_line, row.funded) == (10800, 1200, 0, funded)


# --- Each benefit ------------------------------------------------------------------------------


def test_a_special_price_above_the_list_price_changes_nothing() -> None:
    """A flash price of 12.00 for an article of 10.00 gives nothing, and nothing is listed."""
    to = basket(line("A", 2, 1000))
    assert given_by(to, SpecialPrice((SkuPrice("A", eur("12")),))) == []
    assert lefts(to) == [2000]


def test_a_special_price_does_not_lower_what_is_below_it_already() -> None:
    """At 7.50 left of 10.00 a price of 8.00 gives nothing, and one of 7.00 gives 0.50 a unit."""
    to = basket(line("A", 2, 1000))
    applied = given_by(
        to,
        LinePercent(percent("25")),
        SpecialPrice((SkuPrice("A", eur("8")),)),
        SpecialPrice((SkuPrice("A", eur("7")),)),
    )
    assert [(one.promotion, one.amount) for one in applied] == [("0", 500), ("2", 100)]


@pytest.mark.parametrize(
    ("units", "each"), [(1, 1000), (4, 1000), (5, 900), (9, 900), (10, 800), (10**6, 800)]
)
def test_the_price_of_most_units_that_is_reached_holds(units: int, each: int) -> None:
    """10.00 each, 9.00 from five units and 8.00 from ten, in whatever order they are listed."""
    to = basket(line("A", units, 1000))
    prices = (SkuPrice("A", eur("8"), 10), SkuPrice("A", eur("9"), 5))
    given_by(to, SpecialPrice(prices))
    assert lefts(to) == [units * each]


def test_the_units_of_an_article_count_over_its_lines() -> None:
    """Five and five of one article on two lines reach the price from ten units; another does not help."""
    price = SpecialPrice((SkuPrice("A", eur("8"), 10), SkuPrice("B", eur("8"), 10)))
    to = basket(line("A", 5, 1000), line("A", 5, 1000, id="A2"), line("B", 9, 1000))
    assert shares(to, price) == (1000, 1000, 0)


def test_a_special_price_out_of_scope_does_not_count_for_its_units() -> None:
    """Units of an article in a bundle do not help where bundles are out of scope."""
    price = SpecialPrice((SkuPrice("A", eur("8"), 10),))
    to = basket(line("A", 5, 1000), line("A", 5, 1000, id="A2", bundle="7"))
    assert given_by(to, price, scope=Scope(bundles=False)) == []


def test_a_special_price_moves_with_the_prices_of_a_destination() -> None:
    """Where 100.00 of the catalog are shown as 120.00, a price of 80.00 is one of 96.00."""

    def shown(unit: int) -> int:
        return unit * 12 // 10

    to = basket(line("A", 2, 12000, shown=shown), line("B", 1, 10000))
    price = SpecialPrice((SkuPrice("A", eur("80")), SkuPrice("B", eur("80"))))
    assert shares(to, price) == (2 * 2400, 2000)


def test_a_line_percentage_is_rounded_for_each_line() -> None:
    """15 % of 0.99, 0.99 and 1.01 is 0.15 three times: 0.45, where the order's would be 0.449."""
    to = basket(line("A", 1, 99), line("B", 1, 99), line("C", 1, 101))
    assert shares(to, LinePercent(percent("15"))) == (15, 15, 15)


def test_a_line_percentage_may_be_of_the_list_price() -> None:
    """After 50 % off, 20 % of what remains is 2.00, and 20 % of the list price 4.00."""
    for base, off in ((OffBase.REMAINING, 200), (OffBase.LIST, 400)):
        to = basket(line("A", 1, 2000))
        half, more = given_by(to, LinePercent(percent("50")), LinePercent(percent("20"), base))
        assert (half.amount, more.amount, more.ppm) == (1000, off, 200_000)


def test_a_cap_bounds_a_line_percentage_over_all_lines() -> None:
    """10 % off 100.00 and 50.00 asks 15.00; a cap of 9.00 leaves 6.00 and 3.00."""
    to = basket(line("A", 1, 10000), line("B", 1, 5000))
    (applied,) = given_by(to, LinePercent(percent("10"), cap=eur("9")))
    assert (applied.asked, applied.amount, applied.shares) == (1500, 900, (600, 300))


@pytest.mark.parametrize(("per", "off"), [(Per.LINE, (100, 100)), (Per.UNIT, (300, 100))])
def test_a_line_amount_is_per_line_or_per_unit(per: Per, off: tuple[int, ...]) -> None:
    """1.00 off lines of three units and of one is 1.00 each by line, 3.00 and 1.00 by unit."""
    to = basket(line("A", 3, 1000), line("B", 1, 1000))
    assert shares(to, LineAmount(eur("1"), per)) == off


def test_buy_two_get_one_gives_the_cheapest_of_each_three() -> None:
    """Of 30, 20, 20, 10, 10, 5 euros the cheapest of 30, 20, 20 and of 10, 10, 5 are free."""
    to = basket(line("A", 1, 3000), line("B", 2, 2000), line("C", 2, 1000), line("D", 1, 500))
    assert shares(to, BuyGet(2, 1)) == (0, 2000, 0, 500)


@pytest.mark.parametrize(
    ("benefit", "units", "total"),
    [
        (BuyGet(2, 1), {1000: 3}, 2000),
        (BuyGet(2, 1), {1000: 3, 10: 1}, 2010),
        (BuyGet(2, 1), {1000: 3, 10: 3}, 2020),
        (BuyGet(1, 1, times=1), {1000: 2}, 1000),
        (BuyGet(1, 1, times=1), {1000: 2, 100: 1}, 1100),
        (BuyGet(1, 2), {1000: 1, 100: 7}, 1000 + 100 + 2 * 100),
        (BuyGet(2, 1), {1000: 3 * 10**9, 10: 1}, 2 * 10**9 * 1000 + 10),
    ],
)
def test_a_cheap_article_more_takes_no_reduction_away(
    benefit: BuyGet, units: dict[int, int], total: int
) -> None:
    """Three of 10.00 at buy 2 get 1 cost 20.00, and 20.10 with one of 0.10 beside them."""
    to = basket(*[line(str(price), number, price) for price, number in units.items()])
    given_by(to, benefit)
    assert to.total() == total


def test_buy_get_is_bounded_by_times_and_may_be_a_part() -> None:
    """One time of three, at half price, takes 0.50 off one unit of 1.00."""
    to = basket(line("A", 9, 100))
    assert shares(to, BuyGet(2, 1, percent("50"), 1)) == (50,)


def test_a_part_of_several_units_is_rounded_once() -> None:
    """Half of two free units of 0.01 on two lines is 0.01, not 0.01 on each."""
    to = basket(line("A", 1, 500), line("B", 1, 1), line("C", 1, 1))
    assert shares(to, BuyGet(1, 2, percent("50"))) == (0, 1, 0)


def test_units_of_a_line_that_does_not_divide_cost_what_a_quote_says() -> None:
    """10.00 left of three units is 3.34, 3.33 and 3.33: the free one is worth 3.33."""
    to = basket(line("A", 3, 400, left=1000))
    assert shares(to, BuyGet(2, 1)) == (333,)


def test_every_off_counts_full_amounts_only_and_at_most_times() -> None:
    """599.99 has two full 200.00; with times 1 it counts one."""
    assert shares(basket(line("A", 1, 59999)), EveryOff(eur("200"), eur("20"))) == (4000,)
    assert shares(basket(line("A", 1, 59999)), EveryOff(eur("200"), eur("20"), 1)) == (2000,)


@pytest.mark.parametrize(
    ("amount", "off"), [(9999, 0), (10000, 1000), (29999, 1000), (30000, 6000), (90000, 18000)]
)
def test_the_highest_step_that_is_reached_holds(amount: int, off: int) -> None:
    """100 less 10, from 300 on 20 %."""
    to = basket(line("A", 1, amount))
    steps = (Step(eur("100"), eur("10")), Step(eur("300"), percent=percent("20")))
    assert sum(one.amount for one in given_by(to, Steps(steps))) == off


def test_an_order_percentage_is_rounded_once_and_capped() -> None:
    """15 % of 2.99 is 0.45 shared over three lines; a cap of 0.40 gives 0.40."""
    for cap, off in ((None, 45), (eur("0.40"), 40)):
        to = basket(line("A", 1, 99), line("B", 1, 99), line("C", 1, 101))
        (applied,) = given_by(to, OrderPercent(percent("15"), cap))
        assert (applied.asked, applied.amount, applied.ppm) == (45, off, 150_000)


def test_a_fixed_amount_takes_at_most_what_remains() -> None:
    """50.00 off an order of 30.00 asks 50.00 and gives 30.00."""
    (applied,) = given_by(basket(line("A", 3, 1000)), OrderAmount(eur("50")))
    assert (applied.asked, applied.amount, applied.ppm) == (5000, 3000, 0)


def test_a_set_total_is_what_the_goods_in_scope_cost_together() -> None:
    """Goods of 30.00 and 10.00 for 20.00 together: 15.00 and 5.00 off; dearer totals change nothing."""
    to = basket(line("A", 1, 3000), line("B", 1, 1000))
    assert shares(to, SetTotal(eur("20"))) == (1500, 500)
    assert given_by(to, SetTotal(eur("20"))) == []


def test_any_three_for_20_takes_the_dearest() -> None:
    """Of 12, 9, 9, 6 euros the first three cost 20.00: 10.00 off them, and the fourth keeps its price."""
    to = basket(line("A", 1, 600), line("B", 1, 1200), line("C", 2, 900))
    assert shares(to, SetTotal(eur("20"), 3)) == (0, 400, 600)


def test_a_set_that_would_cost_more_is_not_made() -> None:
    """Three of 10.00 and three of 1.00, any 3 for 20.00: one set, and the cheap ones cost 3.00."""
    to = basket(line("A", 3, 1000), line("B", 3, 100))
    assert shares(to, SetTotal(eur("20"), 3)) == (1000, 0)


def test_shipping_is_free_or_reduced() -> None:
    """9.90 shipping: half off is 4.95, a price of 3.00 takes 1.95 more, free takes the rest."""
    to = basket(line("A", 1, 1000), shipping=990)
    applied = given_by(
        to, ShippingOff(percent("50")), ShippingTo(eur("3")), ShippingOff(), funder=Funder.PLATFORM
    )
    assert [one.amount for one in applied] == [495, 195, 300]
    assert {(one.level, one.shares) for one in applied} == {(DiscountLevel.SHIPPING, ())}
    assert (to.shipping, to.shipping_off, to.shipping_funded, lefts(to)) == (990, 990, 990, [1000])


def test_reduced_shipping_is_capped() -> None:
    """Free shipping up to 5.00 takes 5.00 off 9.90."""
    (applied,) = given_by(basket(line("A", 1, 1000), shipping=990), ShippingOff(cap=eur("5")))
    assert (applied.asked, applied.amount) == (990, 500)


def test_without_shipping_there_is_nothing_to_ship_for_free() -> None:
    """An order that is not delivered gets no shipping discount."""
    assert given_by(basket(line("A", 1, 1000)), ShippingOff(), ShippingTo(eur("0"))) == []


@pytest.mark.parametrize(
    "benefit",
    [LineAmount(eur("9999999999999"), Per.UNIT), EveryOff(eur("0.01"), eur("9999999999"))],
)
def test_what_is_asked_is_an_amount_that_can_be_stored(benefit: Benefit) -> None:
    """A billion times 10^13 euros is told as the largest amount there is."""
    (applied,) = given_by(basket(line("A", 10**9, 1)), benefit)
    assert (applied.asked, applied.amount) == (MINOR_MAX, 10**9)


# --- Points ------------------------------------------------------------------------------------


def points_line(sku: str, quantity: int, cash: int, worth: int, **fields: Any) -> BasketLine:
    """A line whose unit costs ``cash`` minor units and points worth ``worth``."""
    points = worth * quantity
    return line(sku, quantity, cash + worth, floor=points, points_worth=points, **fields)


@pytest.mark.parametrize(
    ("benefit", "off"),
    [
        (LinePercent(percent("10")), 99),
        (LinePercent(percent("10"), OffBase.LIST), 99),
        (SpecialPrice((SkuPrice("A", eur("8.90")),)), 100),
        (OrderPercent(percent("10")), 99),
        (SetTotal(eur("8.90")), 100),
        (SetTotal(eur("8.90"), 1), 100),
        (EveryOff(eur("4.95"), eur("1")), 200),
        (EveryOff(eur("10"), eur("1")), 0),
        (Steps((Step(eur("9.90"), percent=percent("10")),)), 99),
        (Steps((Step(eur("9.91"), percent=percent("10")),)), 0),
        (OrderAmount(eur("50")), 990),
    ],
)
def test_what_is_due_in_points_is_no_part_of_what_is_reduced(benefit: Benefit, off: int) -> None:
    """9.90 and points worth 5.00: 10 % are 0.99, a price of 8.90 takes 1.00, thresholds see 9.90."""
    to = basket(points_line("A", 1, 990, 500))
    given_by(to, benefit)
    assert lefts(to) == [1490 - off]


@pytest.mark.parametrize(("least", "off"), [("9.90", 100), ("9.91", 0)])
def test_a_threshold_counts_money_alone(least: str, off: int) -> None:
    """Points worth 5.00 beside 9.90 do not help to reach 9.91."""
    to = basket(points_line("A", 1, 990, 500))
    given_by(to, OrderAmount(eur("1")), when=Conditions(at_least=eur(least)))
    assert lefts(to) == [1490 - off]


def test_a_free_unit_keeps_its_points() -> None:
    """Of three units at 9.90 and points one is free of 9.90, and its points stay due."""
    to = basket(points_line("A", 3, 990, 500))
    assert shares(to, BuyGet(2, 1)) == (990,)


@pytest.mark.parametrize("spread", list(Spread))
@pytest.mark.parametrize("benefit", [OrderAmount(eur("1")), SetTotal(eur("19"), 2)])
def test_a_discount_is_shared_by_money_alone(benefit: Benefit, spread: Spread) -> None:
    """1.00 over two lines of 10.00, one with points beside, is 0.50 each."""
    to = basket(points_line("A", 1, 1000, 9000), line("B", 1, 1000))
    assert shares(to, benefit, spread=spread) == (50, 50)


# --- Bundles -----------------------------------------------------------------------------------


def set_of(*prices: int, quantity: int = 1, name: str = "7", **fields: Any) -> list[BasketLine]:
    """The components P, Q, ... of a bundle SET, one of each, in category "set" of brand "us"."""
    whole = CartLine("SET", quantity, from_minor(sum(prices), "EUR"), category="set", brand="us")
    return [
        line(
            sku, quantity, price, id=f"{name}.{sku}", bundle=name, bundle_line=whole,
            category="part", **fields,
        )
        for sku, price in zip("PQRS", prices, strict=False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "off"),
    [
        (Scope(skus=("SET",)), (50, 50, 0)),
        (Scope(skus=("P",)), (100, 0, 0)),
        (Scope(categories=("set",)), (50, 50, 0)),
        (Scope(categories=("part",), brands=("us",)), (50, 50, 0)),
        (Scope(except_skus=("SET",)), (0, 0, 100)),
        (Scope(except_skus=("P",)), (0, 50, 50)),
        (Scope(except_categories=("set",)), (0, 0, 100)),
        (Scope(except_brands=("us",)), (0, 0, 100)),
    ],
)
def test_a_bundle_is_in_scope_by_its_own_names_too(scope: Scope, off: tuple[int, ...]) -> None:
    """1.00 off a bundle of two parts and a cap, as the scope lists the bundle or its parts."""
    to = basket(*set_of(1000, 1000), line("CAP", 1, 1000))
    assert shares(to, OrderAmount(eur("1")), scope=scope) == off


def test_a_bundle_is_one_unit() -> None:
    """A two-part set at 20.00 and a cap are two units; with one cap more the cheapest of three is free."""
    to = basket(*set_of(1000, 1000), line("CAP", 1, 500))
    assert given_by(to, BuyGet(2, 1)) == []
    assert given_by(to, SetTotal(eur("1"), 3)) == []
    assert given_by(to, FIVE, when=Conditions(at_least_units=3)) == []
    to = basket(*set_of(1000, 1000), line("CAP", 2, 500))
    assert shares(to.copy(), BuyGet(2, 1)) == (0, 0, 500)
    assert shares(to.copy(), SetTotal(eur("15"), 3)) == (500, 500, 500)
    assert len(given_by(to, FIVE, when=Conditions(at_least_units=3))) == 1


@pytest.mark.parametrize("scope", [Scope(), Scope(skus=("SET",)), Scope(skus=("SET", "P"))])
def test_a_free_bundle_is_free_in_all_its_parts(scope: Scope) -> None:
    """Of three sets of 7.50 and 2.50 one is free, in both parts."""
    to = basket(*set_of(750, 250, quantity=3))
    assert shares(to, BuyGet(2, 1), scope=scope) == (750, 250)


@pytest.mark.parametrize("spread", list(Spread))
def test_sets_of_bundles_share_over_their_parts(spread: Spread) -> None:
    """Two bundles of 7.50 and 2.50 for 16.00: 3.00 and 1.00 off."""
    to = basket(*set_of(750, 250, quantity=2))
    assert shares(to, SetTotal(eur("16"), 2), spread=spread) == (300, 100)


def test_a_part_of_a_bundle_is_a_unit_only_if_it_is_listed() -> None:
    """Of a bundle that is in scope in part no unit counts, but a part that the scope lists is one."""
    to = basket(*set_of(1000, 1000), line("CAP", 2, 500, category="part"))
    assert given_by(to, BuyGet(2, 1), scope=Scope(except_skus=("Q",))) == []
    assert shares(to, BuyGet(2, 1), scope=Scope(skus=("P", "CAP"))) == (0, 0, 500)


# --- Scope, conditions, spread, floors ---------------------------------------------------------


def test_only_lines_in_scope_are_lowered() -> None:
    """Brand and category must match, exceptions and vouchers stay out, and the shares say so."""
    to = basket(
        line("A", 1, 1000, brand="b", category="c"),
        line("B", 1, 1000, brand="b"),
        line("C", 1, 1000, brand="b", category="c"),
        line("V", 1, 1000, brand="b", category="c", kind=GoodsKind.MULTI_PURPOSE_VOUCHER),
        line("D", 1, 1000, brand="b", category="c", bundle="9"),
    )
    scope = Scope(brands=("b",), categories=("c",), except_skus=("C",), bundles=False)
    assert shares(to, OrderAmount(eur("1")), scope=scope) == (100, 0, 0, 0, 0)


GOLD = Shopper(groups=("staff", "press"), tier="gold", first_order=True)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (Conditions(), True),
        (Conditions(kinds=(OrderKind.FLASH_SALE,)), True),
        (Conditions(kinds=(OrderKind.REGULAR,)), False),
        (Conditions(groups=("press", "other")), True),
        (Conditions(groups=("other",)), False),
        (Conditions(tiers=("gold",)), True),
        (Conditions(tiers=("silver",)), False),
        (Conditions(countries=("DE", "AT")), True),
        (Conditions(countries=("FR",)), False),
        (Conditions(shops=("eu",)), True),
        (Conditions(shops=("us",)), False),
        (Conditions(first_order=True), True),
        (Conditions(starts=AT, ends=AT + DAY), True),
        (Conditions(starts=AT + DAY), False),
        (Conditions(ends=AT), False),
        (Conditions(at_least=eur("30")), True),
        (Conditions(at_least=eur("30.01")), False),
        (Conditions(at_least=money("1", "USD")), False),
        (Conditions(at_least_units=3), True),
        (Conditions(at_least_units=4), False),
    ],
)
def test_a_promotion_applies_when_its_conditions_hold(when: Conditions, holds: bool) -> None:
    """A member's flash sale in the EU shop to Germany: three units, 30.00."""
    to = basket(
        line("A", 3, 1000), kind=OrderKind.FLASH_SALE, shop="eu", country="DE", shopper=GOLD
    )
    assert bool(given_by(to, OrderAmount(eur("1")), when=when)) is holds


def test_a_first_order_is_asked_for() -> None:
    """A customer who ordered before gets no welcome."""
    to = basket(line("A", 3, 1000))
    assert given_by(to, OrderAmount(eur("1")), when=Conditions(first_order=True)) == []


@pytest.mark.parametrize(
    "benefit",
    [
        SpecialPrice((SkuPrice("A", money("1", "USD")),)),
        LinePercent(percent("10"), cap=money("1", "USD")),
        LineAmount(money("1", "USD")),
        EveryOff(money("1", "USD"), money("1", "USD")),
        Steps((Step(money("1", "USD"), money("1", "USD")),)),
        OrderPercent(percent("10"), money("1", "USD")),
        OrderAmount(money("1", "USD")),
        SetTotal(money("1", "USD")),
        ShippingOff(cap=money("1", "USD")),
        ShippingTo(money("1", "USD")),
    ],
)
def test_amounts_in_another_currency_do_not_apply(benefit: Benefit) -> None:
    """A promotion in USD leaves a cart in EUR as it is."""
    to = basket(line("A", 3, 1000), shipping=990)
    assert given_by(to, benefit) == []
    assert (to.total(), to.shipping_off) == (3000, 0)


@pytest.mark.parametrize(
    ("spread", "off"),
    [
        (Spread.REMAINING, (2619, 1310, 71)),
        (Spread.NET, (2489, 1434, 77)),
        (Spread.LIST, (1967, 1967, 66)),
    ],
)
def test_a_discount_is_shared_by_what_the_promotion_says(
    spread: Spread, off: tuple[int, ...]
) -> None:
    """40.00 over 110.00 (21 % inside) and 55.00 and 3.00, whose list amounts are 110, 110 and 3.67."""
    to = basket(
        line("A", 1, 11000, net_ppm=210_000),
        line("B", 1, 11000, left=5500, net_ppm=50_000),
        line("C", 1, 367, left=300, net_ppm=60_000),
    )
    assert shares(to, OrderAmount(eur("40")), spread=spread) == off


def test_sharing_by_net_is_exact_in_whole_numbers() -> None:
    """119.00 at 19 % and 107.00 at 7 % are 100.00 net each, so 1.00 is shared in halves."""
    to = basket(line("A", 1, 11900, net_ppm=190_000), line("B", 1, 10700, net_ppm=70_000))
    assert shares(to, OrderAmount(eur("1")), spread=Spread.NET) == (50, 50)


@pytest.mark.parametrize("spread", list(Spread))
def test_a_floor_holds_and_the_other_lines_bear_the_more(spread: Spread) -> None:
    """10.00 over two lines of 20.00, of which one may go down to 19.00: 1.00 and 9.00."""
    to = basket(line("A", 1, 2000, floor=1900), line("B", 1, 2000))
    assert shares(to, OrderAmount(eur("10")), spread=spread) == (100, 900)


@pytest.mark.parametrize(
    "benefit",
    [
        SpecialPrice((SkuPrice("A", eur("1")),)),
        LinePercent(percent("90")),
        LineAmount(eur("9"), Per.UNIT),
        BuyGet(1, 1),
        EveryOff(eur("1"), eur("1")),
        Steps((Step(eur("1"), eur("20")),)),
        OrderPercent(percent("90")),
        OrderAmount(eur("20")),
        SetTotal(eur("1")),
        SetTotal(eur("1"), 2),
    ],
)
def test_no_benefit_goes_below_the_floor(benefit: Benefit) -> None:
    """Two units of 10.00 that may not go below 9.00: at most 2.00 is taken, and asked is more."""
    to = basket(line("A", 2, 1000, floor=1800))
    (applied,) = given_by(to, benefit)
    assert (applied.amount, lefts(to)) == (200, [1800])
    assert applied.asked > 200


def test_a_remainder_kept_apart_is_not_given() -> None:
    """1.00 over three equal lines is 0.33 each when odd cents go to nobody: 0.99 in all."""
    rows = (line(sku, 1, 1000) for sku in "ABC")
    to = basket(*rows, remainder=RemainderRule.KEPT_APART)
    (applied,) = given_by(to, OrderAmount(eur("1")))
    assert (applied.asked, applied.amount, applied.shares) == (100, 99, (33, 33, 33))


@pytest.mark.parametrize("rule", list(RemainderRule))
def test_a_line_with_nothing_left_bears_nothing_by_any_remainder_rule(rule: RemainderRule) -> None:
    """Odd cents that a rule would place on a free line go to others."""
    to = basket(
        line("A", 1, 500, left=0),
        line("B", 1, 300),
        line("C", 1, 700),
        line("D", 1, 500, left=0),
        remainder=rule,
    )
    assert shares(to, OrderAmount(eur("0.05"))) in {
        (0, 1, 4, 0), (0, 2, 3, 0), (0, 1, 3, 0),
    }  # fmt: skip


# --- Layers, groups, choices -------------------------------------------------------------------


def amounts(layers: tuple[Layer, ...], *lines: BasketLine) -> list[tuple[str, int]]:
    """Which promotions gave how much, in the order of application."""
    return [(one.promotion, one.amount) for one in promote(basket(*lines), layers, (), ())[0]]


FIVE = OrderAmount(eur("5"))
TENTH = OrderPercent(percent("10"))


def test_priority_comes_before_place() -> None:
    """Inside a layer the lowest priority applies first, then the order of the list."""
    layer = Layer(
        "x",
        (Promotion("a", FIVE, priority=2), Promotion("b", FIVE), Promotion("c", TENTH, priority=1)),
    )
    assert amounts((layer,), line("A", 1, 10000)) == [("b", 500), ("c", 950), ("a", 500)]


def test_the_best_of_a_layer_is_what_takes_off_most() -> None:
    """Of 5.00 and 10 % the better depends on the order; of equals the first by priority."""
    layer = Layer("x", (Promotion("five", FIVE), Promotion("tenth", TENTH)), Choose.BEST)
    assert amounts((layer,), line("A", 1, 4000)) == [("five", 500)]
    assert amounts((layer,), line("A", 1, 6000)) == [("tenth", 600)]
    assert amounts((layer,), line("A", 1, 5000)) == [("five", 500)]


def test_the_first_of_a_layer_is_the_first_that_gives_anything() -> None:
    """A promotion whose condition fails lets the next one try; later ones do not apply."""
    needy = Promotion("needy", FIVE, when=Conditions(at_least=eur("999")))
    layer = Layer("x", (needy, Promotion("five", FIVE), Promotion("tenth", TENTH)), Choose.FIRST)
    assert amounts((layer,), line("A", 1, 10000)) == [("five", 500)]


def test_one_promotion_of_a_group_applies_to_an_order() -> None:
    """In a layer the best of the group, where its first stands; none of it in later layers."""
    first = Layer(
        "x",
        (
            Promotion("a", FIVE, group="g"),
            Promotion("free", OrderAmount(eur("1"))),
            Promotion("b", TENTH, group="g"),
        ),
    )
    second = Layer("y", (Promotion("c", OrderAmount(eur("50")), group="g"),))
    assert amounts((first, second), line("A", 1, 10000)) == [("b", 1000), ("free", 100)]


def test_a_group_is_free_until_one_of_it_gives_something() -> None:
    """A promotion that could not apply does not keep a later layer's from applying."""
    needy = Promotion("needy", FIVE, group="g", when=Conditions(at_least=eur("999")))
    layers = (Layer("x", (needy,)), Layer("y", (Promotion("tenth", TENTH, group="g"),)))
    assert amounts(layers, line("A", 1, 10000)) == [("tenth", 1000)]


# --- Codes -------------------------------------------------------------------------------------


def refused(known: Coupon | None, **fields: Any) -> RefusalReason | None:
    """Why a code ``X`` for 5.00 off an order of 30.00 by customer ``me`` did nothing, or ``None``."""
    to = basket(line("A", 3, 1000), customer="me")
    benefit = fields.pop("benefit", FIVE)
    layers = in_layers(benefit, coupon=fields.pop("terms", CouponTerms()), **fields)
    applied, told = promote(to, layers, () if known is None else (known,), ("X", "X"))
    assert len(applied) + len(told) == 1
    return told[0].reason if told else None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"promotion": "other"}, RefusalReason.UNKNOWN),
        ({"status": CouponStatus.VOID}, RefusalReason.VOID),
        ({"status": CouponStatus.USED}, RefusalReason.USED),
        ({"status": CouponStatus.HELD}, RefusalReason.HELD),
        ({"valid_from": AT}, None),
        ({"valid_from": AT + DAY}, RefusalReason.NOT_YET),
        ({"valid_until": AT + DAY}, None),
        ({"valid_until": AT}, RefusalReason.EXPIRED),
        ({"holder": "me"}, None),
        ({"holder": "you"}, RefusalReason.NOT_YOURS),
        ({"used_in_all": 9, "used_by_customer": 1}, None),
        ({"used_in_all": 10}, RefusalReason.LIMIT),
        ({"used_by_customer": 2}, RefusalReason.LIMIT),
        ({"status": CouponStatus.VOID, "holder": "you"}, RefusalReason.VOID),
        ({"valid_until": AT, "holder": "you"}, RefusalReason.EXPIRED),
        ({"holder": "you", "used_in_all": 10}, RefusalReason.NOT_YOURS),
    ],
)
def test_a_code_is_refused_for_what_its_book_knows(
    fields: dict[str, Any], reason: RefusalReason | None
) -> None:
    """Of several reasons the first is told; a code that is given twice is used once."""
    coupon = Coupon(**{"code": "X", "promotion": "0", **fields})
    assert refused(coupon, terms=CouponTerms(10, 2)) is reason


def test_a_code_that_no_book_knows_is_unknown() -> None:
    """Without a coupon there is no promotion for the code; nor for one written otherwise."""
    assert refused(None) is RefusalReason.UNKNOWN
    assert refused(Coupon("x", "0")) is RefusalReason.UNKNOWN


X = Coupon("X", "0")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"when": Conditions(countries=("FR",))}, RefusalReason.NOT_FOR_THIS_CART),
        ({"scope": Scope(skus=("B",))}, RefusalReason.NOT_FOR_THIS_CART),
        ({"benefit": OrderAmount(money("5", "USD"))}, RefusalReason.NOT_FOR_THIS_CART),
        ({"benefit": ShippingOff()}, RefusalReason.NOT_FOR_THIS_CART),
        ({"when": Conditions(starts=AT + DAY)}, RefusalReason.NOT_YET),
        ({"when": Conditions(ends=AT)}, RefusalReason.EXPIRED),
        ({"benefit": OrderPercent(Percent(0))}, RefusalReason.NOTHING_LEFT),
    ],
)
def test_a_code_is_refused_for_what_its_promotion_asks(
    fields: dict[str, Any], reason: RefusalReason
) -> None:
    """A sound code does nothing where its promotion gives nothing to this cart."""
    assert refused(X, **fields) is reason


@pytest.mark.parametrize(
    ("fields", "short", "units"),
    [
        ({"when": Conditions(at_least=eur("32.50"))}, 250, 0),
        ({"when": Conditions(at_least_units=5)}, 0, 2),
        ({"benefit": EveryOff(eur("31"), eur("5"))}, 100, 0),
        ({"benefit": Steps((Step(eur("40"), eur("5")), Step(eur("50"), eur("6"))))}, 1000, 0),
        ({"benefit": BuyGet(3, 2)}, 0, 2),
        ({"benefit": SetTotal(eur("5"), 4)}, 0, 1),
        ({"benefit": SpecialPrice((SkuPrice("A", eur("9"), 5),))}, 0, 2),
    ],
)
def test_a_code_below_its_threshold_says_what_is_missing(
    fields: dict[str, Any], short: int, units: int
) -> None:
    """What is missing to 30.00 and three units is told in minor units or in units."""
    fields = {"benefit": FIVE, **fields}
    layers = in_layers(fields.pop("benefit"), coupon=CouponTerms(), **fields)
    _, told = promote(basket(line("A", 3, 1000)), layers, (X,), ("X",))
    assert told == [RefusedCoupon("X", RefusalReason.BELOW_THRESHOLD, "0", short, units)]


@pytest.mark.parametrize("choose", [Choose.BEST, Choose.FIRST])
def test_a_code_that_another_promotion_beats_is_excluded(choose: Choose) -> None:
    """In a layer of one, a code that is not the best or not the first is told so."""
    layer = Layer("x", (Promotion("t", TENTH), Promotion("0", FIVE, coupon=CouponTerms())), choose)
    applied, told = promote(basket(line("A", 1, 10000)), (layer,), (X,), ("X",))
    assert [one.promotion for one in applied] == ["t"]
    assert told == [RefusedCoupon("X", RefusalReason.EXCLUDED, "0")]


def test_a_code_of_a_group_that_is_taken_is_excluded() -> None:
    """A promotion of the same group in an earlier layer leaves nothing to the code."""
    layers = (
        Layer("x", (Promotion("t", TENTH, group="g"),)),
        Layer("y", (Promotion("0", FIVE, group="g", coupon=CouponTerms()),)),
    )
    _, told = promote(basket(line("A", 1, 10000)), layers, (X,), ("X",))
    assert told == [RefusedCoupon("X", RefusalReason.EXCLUDED, "0")]


def test_a_second_code_for_one_promotion_is_excluded() -> None:
    """The first usable code is used, here the second of three; the third is told that it is excluded."""
    coupons = (Coupon("A", "0", CouponStatus.USED), Coupon("B", "0"), Coupon("C", "0"))
    layers = in_layers(FIVE, coupon=CouponTerms())
    applied, told = promote(basket(line("A", 1, 10000)), layers, coupons, ("A", "B", "C"))
    assert [one.code for one in applied] == ["B"]
    assert [(one.code, one.reason) for one in told] == [
        ("A", RefusalReason.USED),
        ("C", RefusalReason.EXCLUDED),
    ]


def test_a_promotion_with_a_coupon_waits_for_its_code() -> None:
    """Without a code it does nothing, and nobody is told."""
    layers = in_layers(FIVE, coupon=CouponTerms())
    assert promote(basket(line("A", 1, 10000)), layers, (X,), ()) == ([], [])


NAIVE = datetime(2026, 3, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("coupon", "path"),
    [
        ("X", "facts.coupons[0]"),
        (Coupon("X", "0", valid_from=NAIVE), "facts.coupons[0].valid_from"),
        (Coupon("X", "0", valid_until=NAIVE), "facts.coupons[0].valid_until"),
        (Coupon("X", "0", used_in_all="1"), "facts.coupons[0].used_in_all"),  # type: ignore[arg-type]
        (Coupon("X", "0", used_by_customer=True), "facts.coupons[0].used_by_customer"),
        (Coupon("X", "0", status="used"), "facts.coupons[0].status"),  # type: ignore[arg-type]
        (Coupon("X", "0", holder=None), "facts.coupons[0].holder"),  # type: ignore[arg-type]
        (Coupon("X", "0", single_use="no"), "facts.coupons[0].single_use"),  # type: ignore[arg-type]
    ],
)
def test_a_coupon_that_is_none_is_refused_with_its_place(coupon: Any, path: str) -> None:
    """A book that answers with what is no sound coupon is told which one and what of it."""
    layers = in_layers(FIVE, coupon=CouponTerms(1))
    with pytest.raises(InvalidInput) as caught:
        promote(basket(line("A", 1, 100)), layers, (coupon,), ("X",))
    assert caught.value.path == path


def test_a_moment_without_a_zone_is_refused() -> None:
    """A window cannot be held against a time of nowhere."""
    with pytest.raises(InvalidInput) as caught:
        given_by(basket(line("A", 1, 100), at=NAIVE), FIVE, when=Conditions(starts=AT))
    assert caught.value.path == "at"


# --- The host's own rule -----------------------------------------------------------------------


def own(rule: PromotionRule, level: DiscountLevel = DiscountLevel.ORDER) -> HostRule:
    """A benefit of the host."""
    return HostRule("ours", rule, level)


@pytest.mark.parametrize("level", list(DiscountLevel))
def test_a_host_rule_takes_off_what_it_says(level: DiscountLevel) -> None:
    """2.00 off the line B, or off shipping, stands where its level says."""
    to = basket(line("A", 1, 1000), line("B", 1, 1000), shipping=500)
    key = "shipping" if level is DiscountLevel.SHIPPING else "B"
    (applied,) = given_by(to, own(lambda _: {key: 200}, level))
    row = to.lines[1]
    took = {
        DiscountLevel.LINE: row.off_line,
        DiscountLevel.ORDER: row.off_order,
        DiscountLevel.SHIPPING: to.shipping_off,
    }
    assert took.pop(level) == 200 == applied.amount
    assert set(took.values()) == {0}


def _fails(_: Basket) -> Mapping[str, int]:
    raise ZeroDivisionError("by our own fault")


@pytest.mark.parametrize(
    "rule",
    [
        _fails,
        lambda _: {"A": 1001},
        lambda _: {"A": -1},
        lambda _: {"A": 1.5},
        lambda _: {"A": True},
        lambda _: {"Z": 1},
        lambda _: {"V": 1},
        lambda _: {"shipping": 1},
        lambda _: None,
        lambda _: 5,
    ],
    ids=(
        "fails",
        "much",
        "negative",
        "part",
        "bool",
        "unknown",
        "outside",
        "shipping",
        "none",
        "five",
    ),
)
def test_a_host_rule_that_oversteps_is_refused_by_name(rule: Any) -> None:
    """More than the room, less than nothing, no integer, no line in scope, no mapping, an error."""
    voucher = line("V", 1, 1000, kind=GoodsKind.SINGLE_PURPOSE_VOUCHER)
    with pytest.raises(InvalidPolicy) as caught:
        given_by(basket(line("A", 1, 1000), voucher), own(rule))
    assert (caught.value.path, caught.value.data["promotion"]) == ("promotions[0]", "0")


def test_a_failed_host_rule_keeps_its_cause() -> None:
    """The host finds its own error as the cause."""
    with pytest.raises(InvalidPolicy, match="by our own fault") as caught:
        given_by(basket(line("A", 1, 1000)), own(_fails))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_error_of_the_tree_names_the_promotion_that_raised_it() -> None:
    """A host's rule may raise what the library raises; the path begins with the promotion."""

    def strict(_: Basket) -> Mapping[str, int]:
        reason = "sell this by the dozen"
        raise InvalidInput(reason, path="A")

    with pytest.raises(InvalidInput, match="by the dozen") as caught:
        given_by(basket(line("A", 1, 1000)), own(strict))
    assert caught.value.path == "promotions[0].A"


def test_a_host_rule_on_shipping_gives_nothing_where_nothing_is_shipped() -> None:
    """An empty answer is no error, with shipping or without."""
    rule = own(lambda _: {}, DiscountLevel.SHIPPING)
    assert given_by(basket(line("A", 1, 1000)), rule) == []
    assert given_by(basket(line("A", 1, 1000), shipping=500), rule) == []


def test_a_host_rule_cannot_corrupt_the_basket() -> None:
    """Whatever it does to the basket that it is given, only its answer counts."""

    def rude(got: Basket) -> Mapping[str, int]:
        got.lines[0].left = 1
        got.lines[0].floor = -5
        got.lines.clear()
        got.shipping_off = 10**9
        return {"A": 100}

    to = basket(line("A", 1, 1000), shipping=500)
    assert shares(to, own(rude)) == (100,)
    assert (lefts(to), to.lines[0].floor, to.shipping_left) == ([900], 0, 500)


# --- Sound layers ------------------------------------------------------------------------------


def wrong(**fields: Any) -> tuple[Layer, ...]:
    """One layer of one promotion, with ``fields``."""
    return (Layer("x", (Promotion(**{"id": "p", "benefit": FIVE, **fields}),)),)


TWICE = (Promotion("p", FIVE), Promotion("p", FIVE))
P = "layers[0].promotions[0]"


@pytest.mark.parametrize(
    ("layers", "path"),
    [
        (5, "layers"),
        ((5,), "layers[0]"),
        ((Layer("", ()),), "layers[0].name"),
        ((Layer("x", ()), Layer("x", ())), "layers[1].name"),
        ((Layer("x", TWICE),), "layers[0].promotions[1].id"),
        ((Layer("x", (), "best"),), "layers[0].choose"),  # type: ignore[arg-type]
        (
            (Layer("x", tuple(Promotion(str(i), FIVE) for i in range(1001))),),
            "layers[0].promotions",
        ),
        (wrong(benefit="5 off"), f"{P}.benefit"),
        (wrong(label=5), f"{P}.label"),
        (wrong(priority=True), f"{P}.priority"),
        (wrong(funder="merchant"), f"{P}.funder"),
        (wrong(scope=Scope(skus="A")), f"{P}.scope.skus"),  # type: ignore[arg-type]
        (wrong(scope=Scope(skus=(5,))), f"{P}.scope.skus[0]"),  # type: ignore[arg-type]
        (wrong(when=Conditions(starts=AT, ends=AT)), f"{P}.when.ends"),
        (wrong(when=Conditions(starts=datetime(2026, 1, 1))), f"{P}.when.starts"),  # noqa: DTZ001
        (wrong(when=Conditions(at_least=eur("-1"))), f"{P}.when.at_least"),
        (wrong(when=Conditions(at_least=money("5", "USD"))), f"{P}.benefit.amount"),
        (wrong(coupon=CouponTerms(0)), f"{P}.coupon.total_limit"),
        (wrong(benefit=OrderAmount(eur("-5"))), f"{P}.benefit.amount"),
        (wrong(benefit=OrderAmount(5)), f"{P}.benefit.amount"),  # type: ignore[arg-type]
        (wrong(benefit=OrderPercent(Percent(1_000_001))), f"{P}.benefit.percent"),
        (wrong(benefit=LinePercent(Percent(-1))), f"{P}.benefit.percent"),
        (wrong(benefit=OrderPercent(10)), f"{P}.benefit.percent"),  # type: ignore[arg-type]
        (wrong(benefit=ShippingOff(cap=eur("-1"))), f"{P}.benefit.cap"),
        (wrong(benefit=ShippingTo(eur("-1"))), f"{P}.benefit.price"),
        (wrong(benefit=LineAmount(eur("1"), "unit")), f"{P}.benefit.per"),  # type: ignore[arg-type]
        (wrong(benefit=Steps(())), f"{P}.benefit.steps"),
        (
            wrong(benefit=Steps((Step(eur("2"), eur("1")), Step(eur("2"), eur("1"))))),
            f"{P}.benefit.steps[1].at_least",
        ),
        (wrong(benefit=Steps((Step(eur("2")),))), f"{P}.benefit.steps[0]"),
        (
            wrong(benefit=Steps((Step(eur("2"), eur("1"), Percent(1)),))),
            f"{P}.benefit.steps[0]",
        ),
        (
            wrong(benefit=Steps((Step(eur("2"), money("1", "USD")),))),
            f"{P}.benefit.steps[0].amount",
        ),
        (wrong(benefit=BuyGet(0, 1)), f"{P}.benefit.buy"),
        (wrong(benefit=BuyGet(1, 0)), f"{P}.benefit.get"),
        (wrong(benefit=BuyGet(1, 1, times=-1)), f"{P}.benefit.times"),
        (wrong(benefit=EveryOff(eur("0"), eur("1"))), f"{P}.benefit.every"),
        (wrong(benefit=SetTotal(eur("1"), -1)), f"{P}.benefit.units"),
        (wrong(benefit=SpecialPrice(())), f"{P}.benefit.prices"),
        (
            wrong(benefit=SpecialPrice((SkuPrice("A", eur("1"), 0),))),
            f"{P}.benefit.prices[0].from_units",
        ),
        (
            wrong(benefit=SpecialPrice((SkuPrice("A", eur("1")), SkuPrice("A", eur("2"))))),
            f"{P}.benefit.prices[1]",
        ),
        (wrong(benefit=HostRule("ours", 5)), f"{P}.benefit.rule"),  # type: ignore[arg-type]
        (wrong(benefit=HostRule("", _fails)), f"{P}.benefit.name"),
        (wrong(benefit=HostRule("x", _fails, "line")), f"{P}.benefit.level"),  # type: ignore[arg-type]
    ],
)
def test_layers_that_are_not_sound_are_refused_with_the_path(layers: Any, path: str) -> None:
    """What is wrong with layers is named by its place in them."""
    with pytest.raises(InvalidPolicy) as caught:
        check_layers(layers, "layers")
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"funder": "merchant"}, "funder"),
        ({"spread": "remaining"}, "spread"),
        ({"scope": Scope(skus="A")}, "scope.skus"),  # type: ignore[arg-type]
        ({"scope": Scope(except_skus="B")}, "scope.except_skus"),  # type: ignore[arg-type]
        ({"scope": Scope(vouchers="no")}, "scope.vouchers"),  # type: ignore[arg-type]
        ({"scope": Scope(bundles=0)}, "scope.bundles"),  # type: ignore[arg-type]
        ({"when": Conditions(tiers="gold")}, "when.tiers"),  # type: ignore[arg-type]
        ({"when": Conditions(groups="staff")}, "when.groups"),  # type: ignore[arg-type]
        ({"when": Conditions(countries="DE")}, "when.countries"),  # type: ignore[arg-type]
        ({"when": Conditions(shops="eu")}, "when.shops"),  # type: ignore[arg-type]
        ({"when": Conditions(first_order="no")}, "when.first_order"),  # type: ignore[arg-type]
        ({"benefit": LinePercent(Percent(1), "list")}, "benefit.of"),  # type: ignore[arg-type]
        ({"benefit": LineAmount(eur("1"), "unit")}, "benefit.per"),  # type: ignore[arg-type]
        ({"benefit": HostRule("x", lambda _: {"A": 1}, "line")}, "benefit.level"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_type_that_would_change_the_price_is_refused_by_the_pass(
    fields: dict[str, Any], path: str
) -> None:
    """A text for an enum, a list or a switch is told with its place, not taken for another choice."""
    to = basket(line("A", 3, 1000), shopper=Shopper(groups=("s",)))
    with pytest.raises(InvalidPolicy) as caught:
        promote(to, wrong(**fields), (), ())
    assert caught.value.path == f"{P}.{path}"


def test_a_choice_of_another_type_is_refused_by_the_pass() -> None:
    """The text "all" is no `Choose`, and does not choose the first."""
    layers = (Layer("x", (Promotion("p", FIVE),), "all"),)  # type: ignore[arg-type]
    with pytest.raises(InvalidPolicy) as caught:
        promote(basket(line("A", 3, 1000)), layers, (), ())
    assert caught.value.path == "layers[0].choose"


@pytest.mark.parametrize(
    "benefit",
    [EveryOff(eur("0"), eur("1")), BuyGet(0, 0), Steps(()), SpecialPrice(()), OrderAmount(5), "5"],  # type: ignore[arg-type]
)
def test_layers_that_cannot_be_worked_out_are_refused_by_the_pass_too(benefit: Any) -> None:
    """A policy that was never checked gives the same error, not a traceback from below."""
    with pytest.raises(InvalidPolicy) as caught:
        given_by(basket(line("A", 3, 1000)), benefit)
    assert caught.value.path.startswith(f"{P}.benefit")


def test_a_long_list_is_indexed_once() -> None:
    """What a scope or a list of prices remembers is made once and is no part of the value."""
    names = tuple(f"S{i}" for i in range(1000))
    scope, fresh = Scope(skus=names), Scope(skus=names)
    assert scope.among("skus") is scope.among("skus")
    prices = tuple(SkuPrice(name, eur("5"), units) for name in names for units in (9, 1))
    special, new = SpecialPrice(prices), SpecialPrice(prices)
    assert special.prices_of("S1") == [prices[3], prices[2]]
    assert special.prices_of("S1") is special.prices_of("S1")
    assert special.prices_of("other") == ()
    assert (scope, special) == (fresh, new)
    assert (hash(scope), hash(special), repr(scope)) == (hash(fresh), hash(new), repr(fresh))


# --- Laws --------------------------------------------------------------------------------------

CENTS = st.integers(0, 30_000)
AMOUNTS = CENTS.map(lambda minor: from_minor(minor, "EUR"))
ABOVE_ZERO = st.integers(1, 30_000).map(lambda minor: from_minor(minor, "EUR"))
PERCENTS = st.integers(0, 1_000_000).map(Percent)
CAPS = st.none() | AMOUNTS
COUNTS = st.integers(1, 4)
SKUS = "ABCDE"


@st.composite
def basket_lines(draw: st.DrawFn, sku: str) -> BasketLine:
    """A line that may have been lowered before, with a floor and with points now and then."""
    quantity, unit = draw(st.integers(1, 7)), draw(st.integers(0, 9_999))
    listed = unit * quantity
    points = quantity * draw(st.just(0) | st.integers(0, unit))
    left = draw(st.just(listed) | st.integers(points, listed))
    floor = draw(st.just(points) | st.integers(points, listed))
    rate = draw(st.sampled_from((0, 70_000, 190_000)))
    return line(sku, quantity, unit, left=left, floor=floor, net_ppm=rate, points_worth=points)


@st.composite
def baskets(draw: st.DrawFn, most: int = 5, **fields: Any) -> Basket:
    """Some lines, any rounding and any rule for the remainder."""
    number = draw(st.integers(1, most))
    known = {
        "shipping": draw(st.none() | CENTS),
        "rounding": draw(st.sampled_from(Rounding)),
        "remainder": draw(st.sampled_from(RemainderRule)),
    }
    rows = [draw(basket_lines(sku)) for sku in SKUS[:number]]
    if draw(st.booleans()):  # the first two are parts of a bundle
        parts = rows[:2]
        units = gcd(*[row.quantity for row in parts])
        whole = CartLine("SET", units, eur("1"))
        for row in parts:
            row.bundle, row.bundle_line = "7", whole
    return basket(*rows, **{**known, **fields})


def steps(thresholds: set[int], amount: Money, part: Percent) -> Steps:
    """Steps that ascend, by amount and by percentage in turn."""
    ascending = enumerate(sorted(thresholds))
    return Steps(
        tuple(
            Step(from_minor(least, "EUR"), amount if i % 2 else None, None if i % 2 else part)
            for i, least in ascending
        )
    )


SKU_PRICES = st.builds(SkuPrice, st.sampled_from(SKUS), AMOUNTS, COUNTS)
ON_LINES = st.one_of(
    st.builds(SpecialPrice, st.lists(SKU_PRICES, min_size=1, max_size=4).map(tuple)),
    st.builds(LinePercent, PERCENTS, st.sampled_from(OffBase), CAPS),
    st.builds(LineAmount, AMOUNTS, st.sampled_from(Per)),
    st.builds(BuyGet, COUNTS, COUNTS, PERCENTS, st.integers(0, 2)),
)
ON_ORDERS = st.one_of(
    st.builds(EveryOff, ABOVE_ZERO, AMOUNTS, st.integers(0, 2)),
    st.builds(steps, st.sets(CENTS, min_size=1, max_size=3), AMOUNTS, PERCENTS),
    st.builds(OrderPercent, PERCENTS, CAPS),
    st.builds(OrderAmount, AMOUNTS),
    st.builds(SetTotal, AMOUNTS, st.integers(0, 4)),
)
ON_SHIPPING = st.builds(ShippingOff, PERCENTS, CAPS) | st.builds(ShippingTo, AMOUNTS)
BENEFITS = ON_LINES | ON_ORDERS | ON_SHIPPING
SCOPES = st.just(Scope()) | st.builds(
    Scope, skus=st.lists(st.sampled_from((*SKUS, "SET")), min_size=1, max_size=7).map(tuple)
)


@st.composite
def layered(draw: st.DrawFn) -> tuple[Layer, ...]:
    """Up to three layers of up to four promotions of any kind, some in groups."""
    layers = []
    for i in range(draw(st.integers(1, 3))):
        promotions = tuple(
            Promotion(
                f"{i}.{j}",
                draw(BENEFITS),
                scope=draw(SCOPES),
                priority=draw(st.integers(0, 1)),
                group=draw(st.sampled_from(("", "", "g", "h"))),
                funder=draw(st.sampled_from(Funder)),
                spread=draw(st.sampled_from(Spread)),
            )
            for j in range(draw(st.integers(1, 4)))
        )
        layers.append(Layer(str(i), promotions, draw(st.sampled_from(Choose))))
    return tuple(layers)


@given(baskets(), layered())
def test_l1_shares_sum(to: Basket, layers: tuple[Layer, ...]) -> None:
    """Shares add up to what was given, and to what each line lost; nothing below a floor; no more than asked."""
    before = to.copy()
    applied, _ = promote(to, layers, (), ())
    for one in applied:
        assert 0 < one.amount <= one.asked
        if one.level is not DiscountLevel.SHIPPING:
            assert len(one.shares) == len(to.lines)
            assert min(one.shares) >= 0
            assert sum(one.shares) == one.amount
    off_goods = [one for one in applied if one.level is not DiscountLevel.SHIPPING]
    for i, (was, row) in enumerate(zip(before.lines, to.lines, strict=True)):
        assert was.left - row.left == sum(one.shares[i] for one in off_goods)
        assert was.left - row.left == row.off_line + row.off_order
        assert row.left >= min(row.floor, was.left)
        repaid = (one.shares[i] for one in off_goods if one.funder is not Funder.MERCHANT)
        assert row.funded == sum(repaid)
    if to.shipping is not None:
        assert to.shipping_off == sum(one.amount for one in applied) - sum(
            one.amount for one in off_goods
        )
        assert 0 <= to.shipping_left <= to.shipping


@given(baskets(), layered())
def test_sound_layers_are_sound_and_the_pass_is_a_function(
    to: Basket, layers: tuple[Layer, ...]
) -> None:
    """Layers of sound parts pass the check, and give the same again on the same basket."""
    assume(
        all(
            len({(price.sku, price.from_units) for price in promotion.benefit.prices})
            == len(promotion.benefit.prices)
            for layer in layers
            for promotion in layer.promotions
            if isinstance(promotion.benefit, SpecialPrice)
        )
    )
    check_layers(layers, "layers")
    again = to.copy()
    assert promote(to, layers, (), ()) == promote(again, layers, (), ())
    assert lefts(to) == lefts(again)


UNITS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 1_500)), min_size=1, max_size=5)


@given(
    UNITS,
    st.integers(1, 9),
    st.integers(0, 1_500),
    st.builds(BuyGet, COUNTS, COUNTS, PERCENTS, st.integers(0, 3)),
    st.sampled_from([rule for rule in RemainderRule if rule is not RemainderRule.KEPT_APART]),
)
def test_units_more_never_make_the_reduction_smaller(
    units: list[tuple[int, int]], more: int, price: int, benefit: BuyGet, rule: RemainderRule
) -> None:
    """Of buy and get, whatever the added units cost, alone on a line or on one that was there."""

    def taken(bought: list[tuple[int, int]]) -> int:
        rows = [line(str(i), number, each) for i, (number, each) in enumerate(bought)]
        return sum(one.amount for one in given_by(basket(*rows, remainder=rule), benefit))

    (number, each), *others = units
    before = taken(units)
    assert taken([*units, (more, price)]) >= before
    assert taken([(more, price), *units]) >= before
    assert taken([(number + more, each), *others]) >= before


@given(UNITS, st.builds(BuyGet, COUNTS, COUNTS, times=st.integers(0, 3)))
def test_runs_of_units_give_what_single_units_give(
    units: list[tuple[int, int]], benefit: BuyGet
) -> None:
    """The units laid out one by one, the dearest first, have the same places reduced."""
    rows = [line(str(i), number, each) for i, (number, each) in enumerate(units)]
    laid = sorted((each for number, each in units for _ in range(number)), reverse=True)
    group = benefit.buy + benefit.get
    groups = len(laid) // group
    if benefit.times:
        groups = min(groups, benefit.times)
    reduced = [each for i, each in enumerate(laid[: groups * group]) if i % group >= benefit.buy]
    assert sum(one.amount for one in given_by(basket(*rows), benefit)) == sum(reduced)


@given(baskets(), layered())
def test_a_group_gives_at_most_once(to: Basket, layers: tuple[Layer, ...]) -> None:
    """Of the promotions in one group at most one stands in the result; of a chosen layer, too."""
    groups = {p.id: p.group for layer in layers for p in layer.promotions}
    applied, _ = promote(to, layers, (), ())
    met = [groups[one.promotion] for one in applied if groups[one.promotion]]
    assert len(met) == len(set(met))
    for layer in layers:
        if layer.choose is not Choose.ALL:
            assert sum(one.layer == layer.name for one in applied) <= 1


@given(baskets(), st.lists(BENEFITS, min_size=1, max_size=5))
def test_the_best_is_as_good_as_each_alone(to: Basket, benefits: list[Benefit]) -> None:
    """A layer that chooses the best gives as much as any of its promotions would alone."""
    promotions = tuple(Promotion(str(i), benefit) for i, benefit in enumerate(benefits))
    alone = [
        sum(one.amount for one in promote(to.copy(), (Layer("x", (only,)),), (), ())[0])
        for only in promotions
    ]
    applied, _ = promote(to, (Layer("x", promotions, Choose.BEST),), (), ())
    assert sum(one.amount for one in applied) == max(alone)


@given(baskets(remainder=RemainderRule.LARGEST_FRACTION), BENEFITS, st.randoms())
def test_the_order_of_lines_does_not_change_what_is_given(
    to: Basket, benefit: Benefit, random: Any
) -> None:
    """One benefit gives the same amount however the lines stand; remainders kept apart are left out."""
    assume(not isinstance(benefit, BuyGet | SetTotal) or not any(row.floor for row in to.lines))
    mixed = to.copy()
    random.shuffle(mixed.lines)
    assert sum(one.amount for one in given_by(to, benefit)) == sum(
        one.amount for one in given_by(mixed, benefit)
    )


@pytest.mark.parametrize(
    "benefit",
    [
        BuyGet(2, 1),
        SetTotal(eur("20"), 3),
        LineAmount(eur("1"), Per.UNIT),
        EveryOff(eur("0.01"), eur("0.01")),
        SpecialPrice((SkuPrice("A", eur("9")),)),
    ],
)
def test_a_million_units_take_no_more_steps_than_three(benefit: Benefit) -> None:
    """The number of lines that Python runs is the same for 3 units a line and for 3,000,000."""
    from sys import gettrace, settrace

    def steps_for(units: int) -> int:
        to = basket(line("A", units, 1000), line("B", units, 777))
        layers = in_layers(benefit)
        count = 0

        def trace(*_: object) -> Any:
            nonlocal count
            count += 1
            return trace

        before = gettrace()  # coverage's own
        settrace(trace)
        try:
            applied, _ = promote(to, layers, (), ())
        finally:
            settrace(before)
        assert applied
        return count

    # Sets are found by halving, which takes one round for each doubling of their number.
    assert steps_for(3_000_000) <= steps_for(3) + 22 * 10
