"""Promotions of every kind in layers, and the coupons that open them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from ordercore.money import from_minor
from ordercore.pricing import (
    BuyGet,
    Choose,
    Conditions,
    Coupon,
    CouponStatus,
    CouponTerms,
    DiscountLevel,
    EveryOff,
    Funder,
    HostRule,
    Layer,
    LineAmount,
    LinePercent,
    OffBase,
    OrderAmount,
    OrderKind,
    OrderPercent,
    Per,
    PriceKind,
    Promotion,
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
from ordercore.testing.story import START
from ordercore.testing.strategies.plain import COIN, PERCENTS, integers, pick, some_money

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypothesis.strategies import DrawFn

    from ordercore.money import Money
    from ordercore.pricing import Benefit
    from ordercore.pricing.basket import Basket

__all__ = ["CODES", "SKUS", "coupons", "layers", "promotions"]

SKUS = tuple(f"SKU-{i}" for i in range(1, 10))
"""Articles of full carts."""
CODES = ("CODE-1", "CODE-2", "CODE-3")
"""Codes that shoppers give."""

_REACHED = st.sets(st.integers(0, 60_000), min_size=1, max_size=3)
_PRICE_KEYS = st.lists(
    st.tuples(st.sampled_from(SKUS), st.sampled_from([1, 1, 3])),
    min_size=1,
    max_size=3,
    unique=True,
)


def _tenth(basket: Basket) -> Mapping[str, int]:
    """A promotion of the host's own: a tenth of what may go, off each line that is no voucher."""
    return {line.id: line.room // 10 for line in basket.matching(Scope())}


def _steps(draw: DrawFn, currency: str) -> Steps:
    """Up to three steps that ascend, in money or percentages."""
    reached = sorted(draw(_REACHED))
    found = []
    for least in reached:
        amount = some_money(draw, currency, 0, 20_000) if draw(COIN) else None
        percent = draw(PERCENTS) if amount is None else None
        found.append(Step(from_minor(least, currency), amount, percent))
    return Steps(tuple(found))


def _special_prices(draw: DrawFn, currency: str) -> SpecialPrice:
    """Prices of one to three articles, some from a number of units on."""
    prices = [
        SkuPrice(sku, some_money(draw, currency, 0, 20_000), units)
        for sku, units in draw(_PRICE_KEYS)
    ]
    return SpecialPrice(tuple(prices), pick(draw, [*PriceKind]))


def _benefit(draw: DrawFn, currency: str, *, host_rules: bool) -> Benefit:
    """Each kind of benefit, as likely as any other."""

    def money(least: int = 0, most: int = 30_000) -> Money:
        return some_money(draw, currency, least, most)

    def cap() -> Money | None:
        return money() if draw(COIN) else None

    def few() -> int:
        return draw(integers(1, 3))

    made: list[Callable[[], Benefit]] = [
        lambda: OrderPercent(draw(PERCENTS), cap()),
        lambda: OrderAmount(money()),
        lambda: LinePercent(draw(PERCENTS), pick(draw, [*OffBase]), cap()),
        lambda: LineAmount(money(0, 500), pick(draw, [*Per])),
        lambda: BuyGet(few(), few(), draw(PERCENTS), draw(integers(0, 3))),
        lambda: EveryOff(money(1, 20_000), money(0, 3_000), draw(integers(0, 3))),
        lambda: _steps(draw, currency),
        lambda: SetTotal(money(), pick(draw, [0, 2, 3])),
        lambda: _special_prices(draw, currency),
        lambda: ShippingOff(draw(PERCENTS), cap()),
        lambda: ShippingTo(money(0, 1_000)),
        lambda: HostRule("a tenth", _tenth, pick(draw, _HOST_LEVELS)),
    ]
    return pick(draw, made if host_rules else made[:-1])()


_HOST_LEVELS = (DiscountLevel.ORDER, DiscountLevel.LINE)
_SCOPES = (
    Scope(),
    Scope(),
    Scope(vouchers=True),
    Scope(categories=("books", "")),
    Scope(skus=SKUS[:4]),
    Scope(brands=("acme",)),
    Scope(except_categories=("wine",), bundles=False),
    Scope(except_skus=SKUS[:2], except_brands=("acme",)),
)


def _conditions(draw: DrawFn, currency: str) -> Conditions:
    """No condition mostly; else one of each kind, near the place where it begins to hold."""
    day = timedelta(days=1)
    which = draw(integers(0, 14))
    if which == 0:
        return Conditions(at_least=some_money(draw, currency, 0, 50_000))
    if which == 1:
        return Conditions(at_least_units=draw(integers(1, 5)))
    if which == 2:
        starts, ends = pick(draw, [(START, None), (START - day, START), (None, START)])
        return Conditions(starts=starts, ends=ends)
    if which == 3:
        return Conditions(groups=("staff",), kinds=(OrderKind.REGULAR, OrderKind.GROUP_BUY))
    if which == 4:
        return Conditions(tiers=("gold",), countries=("DE", "GB", ""))
    if which == 5:
        return Conditions(first_order=True, shops=("", "north"))
    return Conditions()


@st.composite
def promotions(
    draw: DrawFn,
    currency: str = "EUR",
    *,
    id: str = "p-1",  # noqa: A002 - the field's name
    host_rules: bool = True,
) -> Promotion:
    """Promotions of every kind: benefit, scope, conditions, group, funder, spread, coupon.

    ``host_rules`` takes in a benefit of the host's own, which is code and stands in no document.
    """
    benefit = _benefit(draw, currency, host_rules=host_rules)
    # A host's rule is told its basket, not its scope.
    scope = Scope() if type(benefit) is HostRule else pick(draw, _SCOPES)
    return Promotion(
        id,
        benefit,
        label=pick(draw, ["", "spring"]),
        scope=scope,
        when=_conditions(draw, currency),
        priority=draw(integers(0, 1)),
        group=pick(draw, ["", "", "one of us"]),
        funder=pick(draw, [*Funder]),
        spread=pick(draw, [*Spread]),
        coupon=pick(draw, [None, None, None, CouponTerms(), CouponTerms(2, 1)]),
    )


@st.composite
def layers(
    draw: DrawFn, currency: str = "EUR", *, max_promotions: int = 5, host_rules: bool = True
) -> tuple[Layer, ...]:
    """Up to three layers, which share up to ``max_promotions`` promotions and choose in any way."""
    left = draw(integers(0, max_promotions))
    found: list[Layer] = []
    while left and len(found) < 3:
        size = left if len(found) == 2 else draw(integers(1, left))
        left -= size
        number = len(found) + 1
        some = [
            draw(promotions(currency, id=f"p-{number}-{i}", host_rules=host_rules))
            for i in range(1, size + 1)
        ]
        found.append(Layer(f"layer {number}", tuple(some), pick(draw, [*Choose])))
    return tuple(found)


@st.composite
def coupons(draw: DrawFn, of: Sequence[Layer]) -> tuple[Coupon, ...]:
    """What a book may know of the codes that `full_carts` give, for the promotions of ``of``.

    Most are free; some are held, used, void, given to a customer, out of date or used up.
    """
    waiting = [p.id for layer in of for p in layer.promotions if p.coupon is not None]
    if not waiting:
        return ()
    day = timedelta(days=1)
    found = []
    for code in CODES:
        if draw(integers(0, 4)) == 4:
            continue  # no book knows it
        status = pick(draw, [*[CouponStatus.FREE] * 6, *CouponStatus])
        valid_from, valid_until = pick(
            draw, [(None, None)] * 3 + [(START, START + day), (START + day, None)]
        )
        found.append(
            Coupon(
                code,
                pick(draw, [*waiting, *waiting, "another"]),
                status,
                draw(COIN),
                pick(draw, ["", "", "", "c-1", "c-2"]),
                valid_from,
                valid_until,
                used_in_all=draw(integers(0, 2)),
                used_by_customer=draw(integers(0, 1)),
            )
        )
    return tuple(found)
