"""Discounts as they were applied, and the cart's own discounts worked through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.allocation import RemainderRule, allocate, allocate_apart, allocate_within
from ordercore.errors import InvalidCart, OrdercoreError
from ordercore.money import Percent, divide, to_minor
from ordercore.pricing.cart import AmountOff, Funder, PercentOff
from ordercore.pricing.promotion import DiscountLevel
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.money import Rounding
    from ordercore.pricing.cart import Discount

__all__ = ["AppliedDiscount", "checked", "shared", "worked"]

_DISCOUNTS_MAX = 100
_LARGEST_FRACTION = RemainderRule.LARGEST_FRACTION
_KEPT_APART = RemainderRule.KEPT_APART


@value
class AppliedDiscount:
    """A discount as it was applied. With ``line``, it is off that line alone; else ``shares`` has each
    line's part (none for shipping), and ``level`` says what it is off. ``ppm`` is 0 for a fixed amount.

    ``promotion`` is empty for a discount that the cart itself brought; ``code`` is the coupon's.
    """

    line: str
    label: str
    ppm: int
    asked: int
    amount: int
    shares: tuple[int, ...] = ()
    level: DiscountLevel = DiscountLevel.ORDER
    promotion: str = ""
    funder: Funder = Funder.MERCHANT
    code: str = ""
    layer: str = ""


def _percent(off: Discount, left: int, currency: str, rounding: Rounding) -> tuple[int, int]:
    """What a percentage asks for when ``left`` minor units remain, and the most it may give."""
    if not isinstance(off, PercentOff):
        reason = f"a {type(off).__name__} is no discount"
        raise InvalidCart(reason, allowed=("PercentOff", "AmountOff"))
    if type(off.percent) is not Percent or type(off.percent.ppm) is not int:
        reason = "a percentage is a Percent: Percent.of('10')"
        raise InvalidCart(reason, path="percent")
    if not 0 <= off.percent.ppm <= 1_000_000:
        reason = f"a discount of {off.percent} % is not from 0 to 100 %"
        raise InvalidCart(reason, path="percent", percent=str(off.percent))
    asked = divide(left * off.percent.ppm, 1_000_000, rounding)
    if off.cap is None:
        return asked, left
    cap = to_minor(off.cap, currency, "cap")
    if cap < 0:
        raise InvalidCart("a cap is not negative", path="cap")
    return asked, min(cap, left)


def checked(discounts: Sequence[Discount]) -> Sequence[Discount]:
    """The discounts of a line or of an order, if they are some few in a tuple."""
    if not isinstance(discounts, (tuple, list)):
        raise InvalidCart("discounts are a tuple: write (discount,)", path="discounts")
    if len(discounts) > _DISCOUNTS_MAX:
        raise InvalidCart(f"more than {_DISCOUNTS_MAX} discounts", path="discounts")
    return discounts


def worked(
    off: Discount, place: int, left: int, room: int, currency: str, rounding: Rounding
) -> tuple[int, int, int]:
    """A discount on ``left`` minor units: its rate, what it asks, and what it gives, at most ``room``."""
    try:
        if type(off) is AmountOff:
            ppm, most, asked = 0, left, to_minor(off.amount, currency, "amount")
            if asked < 0:
                raise InvalidCart("a discount is not negative", path="amount")
        else:
            asked, most = _percent(off, left, currency, rounding)
            ppm = off.percent.ppm if isinstance(off, PercentOff) else 0
        if type(off.funder) is not Funder:
            raise InvalidCart("it is not a Funder", path="funder")
    except OrdercoreError as error:
        raise error.at(f"discounts[{place}]") from None
    given = min(most, asked)
    return ppm, asked, min(room, given)


def shared(
    amount: int, weights: Sequence[int], rooms: Sequence[int], rule: RemainderRule
) -> Sequence[int]:
    """Share ``amount`` by ``weights``, no part above its room; it is at most the sum of the rooms.

    Where no room binds, odd cents go by ``rule``; where one binds, by largest fraction.
    """
    if amount <= 0:
        return (0,) * len(rooms)
    if rule is _LARGEST_FRACTION:
        parts = allocate(amount, weights)
        if weights is rooms:  # law L2: no part is above a whole number that its exact share is not
            return parts
    elif rule is _KEPT_APART:
        parts = allocate_apart(amount, weights).parts
    else:
        parts = allocate(amount, weights, rule=rule)
    for part, room in zip(parts, rooms, strict=True):
        if part > room:
            return allocate_within(amount, weights, caps=rooms)
    return parts
