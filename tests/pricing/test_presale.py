"""Presales as pricing sees them: which deposits can be, and what an expanding one takes off."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore import Money
from ordercore.calendar import local_moment
from ordercore.errors import InvalidCart, InvalidMoney, OrdercoreError
from ordercore.money import Percent, from_minor
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    DepositKind,
    DiscountLevel,
    Funder,
    GoodsKind,
    PointsRate,
    Presale,
    PricingPolicy,
    Quote,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
    quote,
)
from ordercore.testing import laws

AT = datetime(2026, 5, 20, 12, tzinfo=UTC)
OPENS = datetime(2026, 6, 1, tzinfo=UTC)
ENDS = OPENS + timedelta(days=2)


def money(amount: str) -> Money:
    """An amount in CNY."""
    return Money(amount, "CNY")


def presale(deposit: str = "50.00", **fields: Any) -> Presale:
    """A deposit with a window of two days."""
    given_fields = {"balance_from": OPENS, "balance_until": ENDS, **fields}
    return Presale(money(deposit), **given_fields)


def cart(deposit: Any = None, *, prices: tuple[str, ...] = ("500.00",), **fields: Any) -> Cart:
    """Goods at these prices, with a deposit."""
    lines = tuple([CartLine(f"SKU-{i}", 1, money(price)) for i, price in enumerate(prices, 1)])
    fields = {"lines": lines, "presale": presale() if deposit is None else deposit, **fields}
    return Cart("CNY", **fields)


def priced(of: Cart, policy: PricingPolicy | None = None) -> Quote:
    """Its quote."""
    return quote(of, policy or PricingPolicy(), AT)


def test_a_plain_deposit_leaves_the_price_as_it_is() -> None:
    """50.00 of 500.00 are paid first: nothing of the price changes."""
    found = priced(cart())
    assert (found.total, found.discount, found.discounts) == (50_000, 0, ())


def test_an_expanding_deposit_lowers_the_price_by_what_it_counts_beyond_itself() -> None:
    """50.00 count 100.00: 450.00 are due, a deposit of 50.00 and a balance of 400.00; the seller bears it."""
    found = priced(cart(presale(kind=DepositKind.EXPANDING, counts=money("100.00"))))
    assert found.total == 45_000
    (off,) = found.discounts
    assert (off.label, off.layer, off.amount, off.asked) == ("expansion", "expansion", 5_000, 5_000)
    assert (off.level, off.funder, off.line) == (DiscountLevel.ORDER, Funder.MERCHANT, "")
    told = str(found.explain())
    assert "what the deposit counts beyond itself" in told
    laws.pricing_holds(found)


def test_an_expansion_comes_after_all_other_discounts_and_is_shared_by_what_remains() -> None:
    """Two lines at 100.00 and 300.00 with 40.00 off bear 50.00 as 12.50 and 37.50; tax stands on the rest."""
    rates = TaxPolicy((TaxRate(Percent.of("13")),))
    found = priced(
        cart(
            presale(kind=DepositKind.EXPANDING, counts=money("100.00")),
            prices=("100.00", "300.00"),
            discounts=(AmountOff(money("40.00"), "coupon"),),
            shipping=ShippingCharge(money("10.00")),
        ),
        PricingPolicy(rates),
    )
    assert [off.shares for off in found.discounts] == [(1_000, 3_000), (1_250, 3_750)]
    assert [line.total for line in found.lines] == [7_750, 23_250]
    assert [line.tax for line in found.lines] == [892, 2_675]
    assert found.total == 31_000 + 1_000


@pytest.mark.parametrize(
    ("deposit", "path", "words"),
    [
        (presale("0.00"), "presale.deposit", "above nothing"),
        (presale("-1.00"), "presale.deposit", "above nothing"),
        (presale("500.00"), "presale.deposit", "less than the price"),
        (presale("500.01"), "presale.deposit", "less than the price"),
        (presale(balance_until=OPENS), "presale.balance_until", "ends after it opens"),
        (presale(balance_from=ENDS, balance_until=OPENS), "presale.balance_until", "ends after"),
        (presale(balance_from=OPENS.replace(tzinfo=None)), "presale.balance_from", "with a zone"),
        (presale(balance_until="tomorrow"), "presale.balance_until", "with a zone"),
        (presale(kind="earnest"), "presale.kind", "DepositKind"),
        (presale(counts=money("100.00")), "presale.counts", "only an expanding"),
        (presale(kind=DepositKind.ADVANCE, counts=money("50.00")), "presale.counts", "only an"),
        (presale(kind=DepositKind.EXPANDING, counts=money("49.99")), "presale.counts", "at least"),
        (presale(kind=DepositKind.EXPANDING, counts=money("600.00")), "presale.counts", "lowered"),
        (presale(kind=DepositKind.EXPANDING, counts=money("500.00")), "presale.deposit", "less"),
        ("50.00", "presale", "no Presale"),
    ],
)
def test_a_deposit_that_cannot_be_is_refused_with_its_path(
    deposit: Any, path: str, words: str
) -> None:
    """Nothing, all of the price, a window that is none, a count that is no expansion."""
    with pytest.raises(InvalidCart) as caught:
        priced(cart(deposit))
    assert caught.value.path == f"cart.{path}"
    assert words in caught.value.reason


@pytest.mark.parametrize(
    "deposit",
    [
        Presale(Money("50.00", "EUR"), OPENS, ENDS),
        Presale(50, OPENS, ENDS),  # type: ignore[arg-type]
        presale(kind=DepositKind.EXPANDING, counts=Money("100.00", "EUR")),
    ],
)
def test_a_deposit_is_money_of_the_cart_s_currency(deposit: Presale) -> None:
    """Another currency, or a bare number, is no deposit."""
    with pytest.raises((InvalidMoney, OrdercoreError)) as caught:
        priced(cart(deposit))
    assert caught.value.path.startswith("cart.presale.")


def test_a_gift_card_cannot_be_lowered_by_a_deposit() -> None:
    """Money sold at a discount is no discount."""
    card = CartLine("CARD", 1, money("500.00"), kind=GoodsKind.MULTI_PURPOSE_VOUCHER)
    with pytest.raises(InvalidCart, match="cannot be lowered"):
        priced(cart(presale(kind=DepositKind.EXPANDING, counts=money("60.00")), lines=(card,)))


def test_a_deposit_leaves_room_for_the_points_of_the_price() -> None:
    """Points are paid with the balance, so the deposit is of the money beside them."""
    line = CartLine("SKU-1", 1, money("60.00"), points=5_000)
    policy = PricingPolicy(points_worth=PointsRate())
    assert priced(cart(presale("60.00"), lines=(line,)), policy).total == 11_000
    with pytest.raises(InvalidCart, match="no room for the points"):
        priced(cart(presale("60.01"), lines=(line,)), policy)


@pytest.mark.parametrize(
    ("day", "hour", "utc"),
    [
        # clocks of Berlin go forward at 02:00 on 2026-03-29 and back at 03:00 on 2026-10-25
        (date(2026, 3, 29), time(2, 30), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (date(2026, 10, 25), time(2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (date(2026, 3, 29), time(20), datetime(2026, 3, 29, 18, tzinfo=UTC)),
        (date(2026, 10, 25), time(20), datetime(2026, 10, 25, 19, tzinfo=UTC)),
    ],
)
def test_a_window_by_the_shop_s_clock_is_an_absolute_moment(
    day: date, hour: time, utc: datetime
) -> None:
    """A window that opens in a gap or a fold of the shop's clock opens at one moment, told by the calendar."""
    opens = local_moment(day, hour, "Europe/Berlin")
    assert opens == utc
    deposit = presale(balance_from=opens, balance_until=opens + timedelta(days=1))
    found = quote(cart(deposit), PricingPolicy(), utc - timedelta(days=30))
    assert found.cart.presale is not None
    assert found.cart.presale.balance_from == utc


@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=5), st.integers(1, 50_000), st.data())
def test_l3_deposit_and_balance_of_an_expanding_deposit_add_up_to_the_price(
    prices: list[int], deposit: int, data: st.DataObject
) -> None:
    """Whatever it counts for, the price is that of the goods less what it counts beyond itself."""
    whole = sum(prices)
    more = data.draw(st.integers(0, whole), "expansion")
    lines = tuple([CartLine(f"S-{i}", 1, from_minor(p, "CNY")) for i, p in enumerate(prices)])
    offer = Presale(
        from_minor(deposit, "CNY"), OPENS, ENDS, DepositKind.EXPANDING,
        from_minor(deposit + more, "CNY"),
    )  # fmt: skip
    wanted = Cart("CNY", lines, presale=offer)
    if deposit >= whole - more:
        with pytest.raises(InvalidCart):
            priced(wanted)
        return
    found = priced(wanted)
    assert found.total == whole - more
    laws.pricing_holds(found)
