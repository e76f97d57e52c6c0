"""What a benefit would take off a basket: worked out without changing anything.

Each benefit has one function here. It reads the lines in scope and answers with an `Offer`, or with
a `Refusal` where its own threshold is not reached. No part is above the room of its line.
What is due in points is left out of what a benefit is measured on.
Runs of equal units stand for quantities, so nothing here costs more when more units are bought.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from math import lcm
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from ordercore.allocation import RemainderRule, allocate
from ordercore.errors import InvalidInput, InvalidPolicy, OrdercoreError
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
    from ordercore.pricing.promotion import Benefit, Promotion, Scope

__all__ = ["Offer", "Refusal", "level_of", "offered", "priced_in", "units_of"]

_WHOLE = 1_000_000
_REMAINING = Spread.REMAINING
_BY_LIST = Spread.LIST
_BY_NET = Spread.NET
_OF_LIST = OffBase.LIST
_PER_UNIT = Per.UNIT
_LARGEST_FRACTION = RemainderRule.LARGEST_FRACTION
_KEPT_APART = RemainderRule.KEPT_APART
_SHIPPING = "shipping"
_new = tuple.__new__
_PRICE = itemgetter(0)


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


def _mistyped(name: str) -> InvalidInput:
    """Of the type that it stands for, or it would choose another price without a word."""
    return InvalidInput("it is not of its type", path=name)


def _cash(rows: Sequence[BasketLine]) -> int:
    """What remains to be paid in money for all ``rows``."""
    return sum([row.left - row.points_worth for row in rows])


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
    lefts = [row.left - row.points_worth for row in rows]
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
        weights = [row.list_amount - row.points_worth for row in rows]
    elif spread is _BY_NET:
        weights = _net(lefts, rows)
    else:
        raise _mistyped("spread")
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
    units: dict[str, int] = {}
    for row in rows:
        if benefit.prices_of(row.sku):
            units[row.sku] = units.get(row.sku, 0) + row.quantity
    if not units:
        return Refusal(RefusalReason.NOT_FOR_THIS_CART)
    reached, missing = _reached(benefit, units, basket)
    asked, parts = 0, []
    for row in rows:
        part, each = 0, reached.get(row.sku)
        if each is not None:
            if row.shown is not None:
                each = row.shown(each)
            part = max(0, row.left - row.points_worth - each * row.quantity)
            asked += part
            part = min(part, row.room)
        parts.append(part)
    if asked == 0 and missing:
        return Refusal(RefusalReason.BELOW_THRESHOLD, 0, missing)
    return Offer(asked, sum(parts), parts)


def _reached(
    benefit: SpecialPrice, units: Mapping[str, int], basket: Basket
) -> tuple[dict[str, int], int]:
    """The price of each article for its units, and how many are missing to the nearest further one."""
    reached: dict[str, int] = {}
    missing = 0
    for sku, number in units.items():
        best: SkuPrice | None = None
        for price in benefit.prices_of(sku):
            lacks = price.from_units - number
            if lacks > 0:
                missing = min(missing, lacks) if missing else lacks
                break
            if best is None or price.from_units > best.from_units:
                best = price
        if best is not None:
            reached[sku] = to_minor(best.price, basket.currency, "price")
    return reached, missing


def _line_percent(
    benefit: LinePercent, rows: Sequence[BasketLine], basket: Basket, _: Promotion
) -> Offer:
    if type(benefit.of) is not OffBase:
        raise _mistyped("benefit.of")
    ppm, rounding, of_list = benefit.percent.ppm, basket.rounding, benefit.of is _OF_LIST
    asked, parts = 0, []
    for row in rows:
        base = (row.list_amount if of_list else row.left) - row.points_worth
        off = divide(base * ppm, _WHOLE, rounding)
        asked += off
        room = row.left - row.floor
        parts.append(off if off <= room else max(0, room))
    return _off_each(asked, parts, benefit.cap, basket, ppm)


def _line_amount(
    benefit: LineAmount, rows: Sequence[BasketLine], basket: Basket, _: Promotion
) -> Offer:
    if type(benefit.per) is not Per:
        raise _mistyped("benefit.per")
    amount = to_minor(benefit.amount, basket.currency, "benefit.amount")
    per_unit = benefit.per is _PER_UNIT
    asked, parts = 0, []
    for row in rows:
        off = amount * row.quantity if per_unit else amount
        asked += off
        room = row.room
        parts.append(min(off, room))
    return Offer(asked, sum(parts), parts)


class _Article(NamedTuple):
    """What a shopper counts: a line, or a bundle of which each component is a line."""

    places: Sequence[int]
    """The places of its rows."""
    quantity: int
    cash: int
    """What remains to be paid for it in money."""


def _articles(rows: Sequence[BasketLine], basket: Basket, promotion: Promotion) -> list[_Article]:
    """What units are counted of: each line, and each bundle of which no component is out of scope.

    To count components would give a part of a bundle away. One that the scope names is wanted so.
    """
    found: list[_Article] = []
    parts: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row.bundle and not _named(row, promotion.scope):
            parts.setdefault(row.bundle, []).append(place)
        else:  # a bare tuple: the class's own constructor costs three times as much
            found.append(_new(_Article, ((place,), row.quantity, row.left - row.points_worth)))
    for bundle, places in parts.items():
        whole = rows[places[0]].bundle_line
        size = sum([row.bundle == bundle for row in basket.lines])
        if whole is not None and len(places) == size:
            cash = sum([rows[place].left - rows[place].points_worth for place in places])
            found.append(_Article(places, whole.quantity, cash))
    return found


def _named(row: BasketLine, scope: Scope) -> bool:
    """Whether a scope lists a component by its own sku, and its bundle not."""
    if not scope.skus or row.sku not in (wanted := scope.among("skus")):
        return False
    return row.bundle_line is None or row.bundle_line.sku not in wanted


def units_of(rows: Sequence[BasketLine], basket: Basket, promotion: Promotion) -> int:
    """How many units the lines in scope have; a bundle is one (see `BuyGet`)."""
    return sum([article.quantity for article in _articles(rows, basket, promotion)])


def _runs(articles: Sequence[_Article]) -> list[tuple[int, int, int]]:
    """Units that cost the same now, as (price of one, place of its article, how many); dearest first.

    What is left of a line is shared over its units as a quote shares it: the first
    ``left % quantity`` units cost one minor unit more. So a line has at most two runs.
    """
    runs = []
    for place, (_, quantity, cash) in enumerate(articles):
        each, odd = divmod(cash, quantity)
        if odd:
            runs.append((each + 1, place, odd))
        runs.append((each, place, quantity - odd))
    runs.sort(key=_PRICE, reverse=True)
    return runs


def _by_row(
    worth: Sequence[int], articles: Sequence[_Article], rows: Sequence[BasketLine]
) -> list[int]:
    """What some units of each article are worth, by row: a bundle's by what remains of its components."""
    found = [0] * len(rows)
    for amount, (places, _, _) in zip(worth, articles, strict=True):
        if len(places) == 1:
            found[places[0]] = amount
        elif amount:
            cash = [rows[place].left - rows[place].points_worth for place in places]
            for place, part in zip(places, allocate(amount, cash), strict=True):
                found[place] = part
    return found


def _buy_get(
    benefit: BuyGet, rows: Sequence[BasketLine], basket: Basket, promotion: Promotion
) -> Offer | Refusal:
    """The cheapest ``get`` units of each full ``buy + get``, the dearest units first.

    The k-th dearest unit gets no cheaper when units are added, and which places in that order
    are reduced does not change: so the reduction does not shrink.
    """
    buy, get = benefit.buy, benefit.get
    group = buy + get
    articles = _articles(rows, basket, promotion)
    units = sum([article.quantity for article in articles])
    groups = units // group
    if groups == 0:
        return Refusal(RefusalReason.BELOW_THRESHOLD, 0, group - units)
    if benefit.times:
        groups = min(groups, benefit.times)
    worth = [0] * len(articles)
    end, at, before = groups * group, 0, 0
    for price, place, number in _runs(articles):
        at = min(at + number, end)
        whole, rest = divmod(at, group)
        reduced = whole * get + max(0, rest - buy)  # of the units up to here
        worth[place] += price * (reduced - before)
        before = reduced
        if at == end:
            break
    shares: Sequence[int] = _by_row(worth, articles, rows)
    asked = sum(worth)
    if benefit.percent.ppm != _WHOLE:
        asked = divide(asked * benefit.percent.ppm, _WHOLE, basket.rounding)
        shares = shared(asked, shares, shares, basket.remainder)
    parts = [min(part, row.room) for part, row in zip(shares, rows, strict=True)]
    return Offer(asked, sum(parts), parts)


# --- Off the order -----------------------------------------------------------------------------


def _every_off(
    benefit: EveryOff, rows: Sequence[BasketLine], basket: Basket, promotion: Promotion
) -> Offer | Refusal:
    every = to_minor(benefit.every, basket.currency, "benefit.every")
    base = _cash(rows)
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
    base = _cash(rows)
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
    asked = divide(_cash(rows) * ppm, _WHOLE, basket.rounding)
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
        return _off_all(max(_cash(rows) - total, 0), None, rows, basket, promotion)
    size = benefit.units
    articles = _articles(rows, basket, promotion)
    units = sum([article.quantity for article in articles])
    if units < size:
        return Refusal(RefusalReason.BELOW_THRESHOLD, 0, size - units)
    runs = _runs(articles)
    sets = _sets(runs, size, units // size, total)
    counts, worth = _first_units(runs, sets * size, len(articles))
    by_row = _by_row(worth, articles, rows)
    asked = sum(by_row) - sets * total
    rooms = [min(row.room, amount) for row, amount in zip(rows, by_row, strict=True)]
    given = min(asked, sum(rooms))
    weights: Sequence[int] = by_row
    if promotion.spread is _BY_LIST:
        weights = listed = [0] * len(rows)
        for count, (places, quantity, _) in zip(counts, articles, strict=True):
            for place in places:
                row = rows[place]  # a line has a whole number of units in each of its article
                listed[place] = (row.list_amount - row.points_worth) // quantity * count
    elif promotion.spread is _BY_NET:
        weights = _net(by_row, rows)
    parts = shared(given, weights, rooms, basket.remainder)
    return Offer(asked, sum(parts), parts)


def _first_units(runs: Sequence[tuple[int, int, int]], units: int, size: int) -> list[list[int]]:
    """How many of the first ``units`` units each of ``size`` articles has, and what they cost."""
    counts, worth = [0] * size, [0] * size
    for price, place, number in runs:
        if units <= 0:
            break
        some = min(number, units)
        counts[place] += some
        worth[place] += price * some
        units -= some
    return [counts, worth]


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
    if type(benefit) is not HostRule:
        return _LEVELS[type(benefit)]
    if type(benefit.level) is not DiscountLevel:
        raise _mistyped("benefit.level")
    return benefit.level


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
