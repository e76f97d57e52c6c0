"""What a benefit would take off a basket: worked out without changing anything.

Each benefit has one function here. It reads the lines in scope and answers with an `Offer`, or with
a `Refusal` where its own threshold is not reached. No part is above the room of its line.
Runs of equal units stand for quantities, so nothing here costs more when more units are bought.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple

from ordercore.allocation import RemainderRule
from ordercore.errors import InvalidPolicy, OrdercoreError
from ordercore.money import divide, to_minor
from ordercore.pricing.coupon import RefusalReason
from ordercore.pricing.discount import shared
from ordercore.pricing.promotion import (
    BuyGet,
    DiscountLevel,
    EveryOff,
    HostRule,
    LineAmount,
    LinePercent,
    OffBase,
    OrderAmount,
    OrderPercent,
    Per,
    SetTotal,
    ShippingOff,
    ShippingTo,
    SkuPrice,
    SpecialPrice,
    Spread,
    Steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.money import Money
    from ordercore.pricing.basket import Basket, BasketLine
    from ordercore.pricing.promotion import Benefit, Promotion

__all__ = ["Offer", "Refusal", "level_of", "offered", "priced_in"]

_WHOLE = 1_000_000
_REMAINING = Spread.REMAINING
_BY_LIST = Spread.LIST
_OF_LIST = OffBase.LIST
_PER_UNIT = Per.UNIT
_LARGEST_FRACTION = RemainderRule.LARGEST_FRACTION
_KEPT_APART = RemainderRule.KEPT_APART
_SHIPPING = "shipping"


class Offer(NamedTuple):
    """What a benefit would give, in minor units.

    ``asked`` is before caps and floors, ``amount`` what would be given. ``parts`` are the parts of
    the lines in scope, in their order, and add up to ``amount`` (law L1); shipping has none.
    ``ppm`` is the rate where one rate was taken of all that is in scope, else 0.
    """

    asked: int
    amount: int
    parts: Sequence[int] = ()
    ppm: int = 0


class Refusal(NamedTuple):
    """Why a promotion gives nothing: ``short`` minor units or ``units`` units are missing."""

    reason: RefusalReason
    short: int = 0
    units: int = 0


def _net(amounts: Sequence[int], rows: Sequence[BasketLine]) -> Sequence[int]:
    """Whole numbers in proportion to ``amounts`` without the tax that is inside them."""
    rates = {row.net_ppm for row in rows}
    if len(rates) == 1:
        return amounts
    common = lcm(*[_WHOLE + rate for rate in rates])
    factors = {rate: common // (_WHOLE + rate) for rate in rates}
    return [amount * factors[row.net_ppm] for amount, row in zip(amounts, rows, strict=True)]


def _off_all(
    asked: int,
    most: int | None,
    rows: Sequence[BasketLine],
    basket: Basket,
    promotion: Promotion,
    ppm: int = 0,
) -> Offer:
    """``asked`` off all ``rows`` together, at most ``most``, shared as the promotion says."""
    lefts = [row.left for row in rows]
    rooms: Sequence[int] = lefts
    for row in rows:
        if row.floor:
            rooms = [row.room for row in rows]
            break
    room = sum(rooms)
    given = min(asked, room)
    if most is not None and most < given:
        given = most
    spread = promotion.spread
    if spread is _REMAINING:
        weights: Sequence[int] = lefts
    elif spread is _BY_LIST:
        weights = [row.list_amount for row in rows]
    else:
        weights = _net(lefts, rows)
    parts = shared(given, weights, rooms, basket.remainder)
    return Offer(asked, given if basket.remainder is not _KEPT_APART else sum(parts), parts, ppm)


def _off_each(asked: int, parts: list[int], cap: Money | None, basket: Basket, ppm: int) -> Offer:
    """Reductions of single lines, within their rooms already, at most ``cap`` together."""
    amount = sum(parts)
    if cap is not None:
        most = to_minor(cap, basket.currency, "benefit.cap")
        if amount > most:
            shares = shared(most, parts, parts, basket.remainder)
            return Offer(asked, sum(shares), shares, ppm)
    return Offer(asked, amount, parts, ppm)


# --- Off lines ---------------------------------------------------------------------------------


def _special_price(
    benefit: SpecialPrice, rows: Sequence[BasketLine], basket: Basket, _: Promotion
) -> Offer | Refusal:
    wanted = {row.sku for row in rows}
    prices: dict[str, list[SkuPrice]] = {}
    for price in benefit.prices:
        if price.sku in wanted:
            prices.setdefault(price.sku, []).append(price)
    if not prices:
        return Refusal(RefusalReason.NOT_FOR_THIS_CART)
    asked, parts = 0, []
    missing = 0  # units to the nearest price that no line reaches
    for row in rows:
        best: SkuPrice | None = None
        for price in prices.get(row.sku, ()):
            lacks = price.from_units - row.quantity
            if lacks > 0:
                missing = min(missing, lacks) if missing else lacks
            elif best is None or price.from_units > best.from_units:
                best = price
        part = 0
        if best is not None:
            part = row.left - to_minor(best.price, basket.currency, "price") * row.quantity
            part = max(0, part)
            asked += part
            part = min(part, row.room)
        parts.append(part)
    if asked == 0 and missing:
        return Refusal(RefusalReason.BELOW_THRESHOLD, 0, missing)
    return Offer(asked, sum(parts), parts)


def _line_percent(
    benefit: LinePercent, rows: Sequence[BasketLine], basket: Basket, _: Promotion
) -> Offer:
    ppm, rounding, of_list = benefit.percent.ppm, basket.rounding, benefit.of is _OF_LIST
    asked, parts = 0, []
    for row in rows:
        off = divide((row.list_amount if of_list else row.left) * ppm, _WHOLE, rounding)
        asked += off
        room = row.left - row.floor
        parts.append(off if off <= room else max(0, room))
    return _off_each(asked, parts, benefit.cap, basket, ppm)


def _line_amount(
    benefit: LineAmount, rows: Sequence[BasketLine], basket: Basket, _: Promotion
) -> Offer:
    amount = to_minor(benefit.amount, basket.currency, "benefit.amount")
    per_unit = benefit.per is _PER_UNIT
    asked, parts = 0, []
    for row in rows:
        off = amount * row.quantity if per_unit else amount
        asked += off
        room = row.room
        parts.append(min(off, room))
    return Offer(asked, sum(parts), parts)


def _runs(rows: Sequence[BasketLine]) -> list[tuple[int, int, int]]:
    """Units that cost the same now, as (price of one, place of its row, how many).

    What is left of a line is shared over its units as a quote shares it: the first
    ``left % quantity`` units cost one minor unit more. So a line has at most two runs.
    """
    runs = []
    for place, row in enumerate(rows):
        each, odd = divmod(row.left, row.quantity)
        if odd:
            runs.append((each + 1, place, odd))
        runs.append((each, place, row.quantity - odd))
    return runs


def _first_units(runs: Sequence[tuple[int, int, int]], units: int, size: int) -> list[list[int]]:
    """How many of the first ``units`` units each of ``size`` rows has, and what they cost."""
    counts, worth = [0] * size, [0] * size
    for price, place, number in runs:
        if units <= 0:
            break
        some = min(number, units)
        counts[place] += some
        worth[place] += price * some
        units -= some
    return [counts, worth]


def _buy_get(
    benefit: BuyGet, rows: Sequence[BasketLine], basket: Basket, _: Promotion
) -> Offer | Refusal:
    """The cheapest ``get`` units of every full ``buy + get``, counted over the whole."""
    group = benefit.buy + benefit.get
    units = sum([row.quantity for row in rows])
    groups = units // group
    if groups == 0:
        return Refusal(RefusalReason.BELOW_THRESHOLD, 0, group - units)
    if benefit.times:
        groups = min(groups, benefit.times)
    runs = sorted(_runs(rows), key=_price)
    worth = _first_units(runs, groups * benefit.get, len(rows))[1]
    ppm, rounding = benefit.percent.ppm, basket.rounding
    asked, parts = 0, []
    for row, amount in zip(rows, worth, strict=True):
        off = divide(amount * ppm, _WHOLE, rounding)
        asked += off
        parts.append(min(off, row.room))
    return Offer(asked, sum(parts), parts)


def _price(run: tuple[int, int, int]) -> int:
    return run[0]


# --- Off the order -----------------------------------------------------------------------------


def _every_off(
    benefit: EveryOff, rows: Sequence[BasketLine], basket: Basket, promotion: Promotion
) -> Offer | Refusal:
    every = to_minor(benefit.every, basket.currency, "benefit.every")
    base = sum([row.left for row in rows])
    times = base // every
    if times == 0:
        return Refusal(RefusalReason.BELOW_THRESHOLD, every - base)
    if benefit.times and times > benefit.times:
        times = benefit.times
    asked = times * to_minor(benefit.off, basket.currency, "benefit.off")
    return _off_all(asked, None, rows, basket, promotion)


def _steps(
    benefit: Steps, rows: Sequence[BasketLine], basket: Basket, promotion: Promotion
) -> Offer | Refusal:
    base = sum([row.left for row in rows])
    reached = benefit.steps[0]
    short = to_minor(reached.at_least, basket.currency, "benefit.steps") - base
    if short > 0:
        return Refusal(RefusalReason.BELOW_THRESHOLD, short)
    for step in benefit.steps[1:]:
        if to_minor(step.at_least, basket.currency, "benefit.steps") > base:
            break
        reached = step
    if reached.amount is not None:
        asked = to_minor(reached.amount, basket.currency, "benefit.steps")
        return _off_all(asked, None, rows, basket, promotion)
    ppm = 0 if reached.percent is None else reached.percent.ppm
    asked = divide(base * ppm, _WHOLE, basket.rounding)
    return _off_all(asked, None, rows, basket, promotion, ppm)


def _order_percent(
    benefit: OrderPercent, rows: Sequence[BasketLine], basket: Basket, promotion: Promotion
) -> Offer:
    ppm = benefit.percent.ppm
    asked = divide(sum([row.left for row in rows]) * ppm, _WHOLE, basket.rounding)
    most = None if benefit.cap is None else to_minor(benefit.cap, basket.currency, "benefit.cap")
    return _off_all(asked, most, rows, basket, promotion, ppm)


def _order_amount(
    benefit: OrderAmount, rows: Sequence[BasketLine], basket: Basket, promotion: Promotion
) -> Offer:
    asked = to_minor(benefit.amount, basket.currency, "benefit.amount")
    return _off_all(asked, None, rows, basket, promotion)


def _set_total(
    benefit: SetTotal, rows: Sequence[BasketLine], basket: Basket, promotion: Promotion
) -> Offer | Refusal:
    total = to_minor(benefit.total, basket.currency, "benefit.total")
    if not benefit.units:
        asked = sum([row.left for row in rows]) - total
        return _off_all(max(asked, 0), None, rows, basket, promotion)
    size = benefit.units
    units = sum([row.quantity for row in rows])
    if units < size:
        return Refusal(RefusalReason.BELOW_THRESHOLD, 0, size - units)
    runs = sorted(_runs(rows), key=_price, reverse=True)
    sets = _sets(runs, size, units // size, total)
    counts, worth = _first_units(runs, sets * size, len(rows))
    asked = sum(worth) - sets * total
    rooms = [min(row.room, amount) for row, amount in zip(rows, worth, strict=True)]
    given = min(asked, sum(rooms))
    weights: Sequence[int] = worth
    if promotion.spread is _BY_LIST:
        weights = [row.unit_price * count for row, count in zip(rows, counts, strict=True)]
    elif promotion.spread is not _REMAINING:
        weights = _net(worth, rows)
    parts = shared(given, weights, rooms, basket.remainder)
    return Offer(asked, sum(parts), parts)


def _sets(runs: Sequence[tuple[int, int, int]], size: int, most: int, total: int) -> int:
    """How many sets the dearest units fill, each of which costs more than ``total`` now.

    As units get cheaper so do sets, so the sets worth making are the first ones: they are found by
    halving. A set of units that cost less than ``total`` is not made, or buying
    more of something cheap would take a reduction away.
    """
    ends = list(accumulate([number for _, _, number in runs]))
    costs = list(accumulate([price * number for price, _, number in runs]))

    def cost(units: int) -> int:
        """What the dearest ``units`` units cost."""
        place = bisect_left(ends, units)
        return costs[place] - (ends[place] - units) * runs[place][0]

    return bisect_left(
        range(most), 1, key=lambda made: cost((made + 1) * size) - cost(made * size) <= total
    )


# --- Off shipping ------------------------------------------------------------------------------


def _shipping_off(
    benefit: ShippingOff, _: Sequence[BasketLine], basket: Basket, __: Promotion
) -> Offer | Refusal:
    if basket.shipping is None:
        return Refusal(RefusalReason.NOT_FOR_THIS_CART)
    left, ppm = basket.shipping_left, benefit.percent.ppm
    asked = divide(left * ppm, _WHOLE, basket.rounding)
    given = min(asked, left)
    if benefit.cap is not None:
        given = min(given, to_minor(benefit.cap, basket.currency, "benefit.cap"))
    return Offer(asked, given, (), ppm)


def _shipping_to(
    benefit: ShippingTo, _: Sequence[BasketLine], basket: Basket, __: Promotion
) -> Offer | Refusal:
    if basket.shipping is None:
        return Refusal(RefusalReason.NOT_FOR_THIS_CART)
    left = basket.shipping_left
    asked = max(0, left - to_minor(benefit.price, basket.currency, "benefit.price"))
    return Offer(asked, min(asked, left))


# --- The host's own ----------------------------------------------------------------------------


def _wrong(promotion: Promotion, reason: str) -> InvalidPolicy:
    return InvalidPolicy(reason, path=f"promotions[{promotion.id}]", promotion=promotion.id)


def _host_rule(
    benefit: HostRule, rows: Sequence[BasketLine], basket: Basket, promotion: Promotion
) -> Offer | Refusal:
    """Ask the host's rule, and hold its answer to the bounds that every benefit is held to."""
    name = benefit.name
    try:
        answer = benefit.rule(basket.copy())  # its own copy: it cannot corrupt ours
        off = dict(answer)
    except OrdercoreError as error:
        raise error.at(f"promotions[{promotion.id}]") from None
    except Exception as error:
        reason = f"the rule {name!r} failed: {type(error).__name__}: {str(error)[:200]}"
        raise _wrong(promotion, reason) from error
    if benefit.level is DiscountLevel.SHIPPING:
        if basket.shipping is None and not off:
            return Refusal(RefusalReason.NOT_FOR_THIS_CART)
        rooms = {_SHIPPING: basket.shipping_left}
    else:
        rooms = {row.id: row.room for row in rows}
    for line, part in off.items():
        if line not in rooms:
            allowed = "shipping" if benefit.level is DiscountLevel.SHIPPING else "a line in scope"
            raise _wrong(promotion, f"the rule {name!r} names {str(line)[:40]!r}, not {allowed}")
        if type(part) is not int or part < 0:
            wanted = "a whole number of minor units, 0 or more"
            raise _wrong(promotion, f"the rule {name!r} gives {str(part)[:40]}, not {wanted}")
        if part > rooms[line]:
            most = f"at most {rooms[line]} may go"
            raise _wrong(promotion, f"the rule {name!r} takes {part} off {line!r}, {most}")
    amount = sum(off.values())
    if benefit.level is DiscountLevel.SHIPPING:
        return Offer(amount, amount)
    return Offer(amount, amount, [off.get(row.id, 0) for row in rows])


# --- Which is which ----------------------------------------------------------------------------

_WORKS: Mapping[type, Callable[[Any, Sequence[BasketLine], Basket, Promotion], Offer | Refusal]] = {
    SpecialPrice: _special_price,
    LinePercent: _line_percent,
    LineAmount: _line_amount,
    BuyGet: _buy_get,
    EveryOff: _every_off,
    Steps: _steps,
    OrderPercent: _order_percent,
    OrderAmount: _order_amount,
    SetTotal: _set_total,
    ShippingOff: _shipping_off,
    ShippingTo: _shipping_to,
    HostRule: _host_rule,
}
_LEVELS: Mapping[type, DiscountLevel] = {
    **dict.fromkeys((SpecialPrice, LinePercent, LineAmount, BuyGet), DiscountLevel.LINE),
    **dict.fromkeys((EveryOff, Steps, OrderPercent, OrderAmount, SetTotal), DiscountLevel.ORDER),
    **dict.fromkeys((ShippingOff, ShippingTo), DiscountLevel.SHIPPING),
}
_MONEY: Mapping[type, Callable[[Any], Money | None]] = {
    SpecialPrice: lambda benefit: benefit.prices[0].price,
    LinePercent: lambda benefit: benefit.cap,
    LineAmount: lambda benefit: benefit.amount,
    EveryOff: lambda benefit: benefit.every,
    Steps: lambda benefit: benefit.steps[0].at_least,
    OrderPercent: lambda benefit: benefit.cap,
    OrderAmount: lambda benefit: benefit.amount,
    SetTotal: lambda benefit: benefit.total,
    ShippingOff: lambda benefit: benefit.cap,
    ShippingTo: lambda benefit: benefit.price,
}


def level_of(benefit: Benefit) -> DiscountLevel:
    """What a benefit is off: lines, the order or shipping."""
    return benefit.level if type(benefit) is HostRule else _LEVELS[type(benefit)]


def priced_in(benefit: Benefit) -> str:
    """The currency of a benefit's amounts, empty where it has none."""
    one = _MONEY.get(type(benefit))
    amount = None if one is None else one(benefit)
    return "" if amount is None else amount.currency.code


def offered(promotion: Promotion, rows: Sequence[BasketLine], basket: Basket) -> Offer | Refusal:
    """What the benefit of ``promotion`` would take off ``rows``, the lines in its scope (not empty).

    Nothing is changed. Raises `InvalidPolicy` for a host's rule that fails or oversteps its bounds.
    """
    benefit = promotion.benefit
    return _WORKS[type(benefit)](benefit, rows, basket, promotion)
