"""One amount over many weights: by a remainder rule, within bounds, or over equal units."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput, InvalidQuantity
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Divide = Callable[[int, int], int]


class RemainderRule(Enum):
    """Who gets the units that are left when each exact share has been rounded.

    Each share is rounded toward zero first (or as the caller's ``divide`` says),
    and the rule places what is left. All rules are symmetric in the sign of the amount.
    All keep L1 (shares sum). They differ in L2 (quota). A shop that migrates chooses the rule
    of its former system, so that old totals come out again; a new shop has no reason
    to leave the default. What is said of L2 holds when shares are rounded toward zero.

    ``LARGEST_FRACTION``
        One unit each to the largest fractions, ties to the first (the method of Hamilton).
        Keeps L1 and L2: less than one unit off, a whole share stays as it is,
        a zero weight gets zero.
    ``FIRST``
        One unit each from the first part on.
        Keeps L1. Breaks L2: it may give to a zero weight (5 by 0, 3, 7 is 1, 1, 3).
        No part is more than one unit off.
    ``FIRST_NONZERO``
        One unit each to the first parts with a weight.
        Keeps L1, and L2 in its weak form: a zero weight gets zero and no part
        is more than one unit off, but a share that was whole may grow by one.
    ``LAST``
        All that is left to the last part ("the last line takes the rest").
        Keeps L1. Breaks L2: n parts can put the last one n - 1 units off,
        and it gets them even where its weight is zero.
    ``LARGEST_WEIGHT``
        All that is left to the largest weight, ties to the first.
        Keeps L1 and gives nothing to a zero weight.
        Breaks L2: the largest can be n - 1 units off.
    ``KEPT_APART``
        To nobody: what is left is handed back beside the parts (`allocate_apart`),
        for a rounding account or a line of its own.
        Keeps L1 with the remainder counted, and L2 for the parts.
    """

    LARGEST_FRACTION = "largest_fraction"
    FIRST = "first"
    FIRST_NONZERO = "first_nonzero"
    LAST = "last"
    LARGEST_WEIGHT = "largest_weight"
    KEPT_APART = "kept_apart"


# A look-up through an Enum class costs more than one division, so the two that are
# asked for on every call stand as names of the module.
_LARGEST_FRACTION = RemainderRule.LARGEST_FRACTION
_KEPT_APART = RemainderRule.KEPT_APART

# Up to this many odd units, picking the largest fraction again and again beats a sort.
_FEW = 3


@value
class Apart:
    """Parts of an amount and what no part got: ``sum(parts) + remainder`` is the amount."""

    parts: tuple[int, ...]
    remainder: int


def allocate(
    amount: int,
    weights: Sequence[int],
    *,
    rule: RemainderRule = _LARGEST_FRACTION,
    divide: Divide | None = None,
) -> tuple[int, ...]:
    """Share ``amount`` (minor units, any sign) in proportion to ``weights``.

    Law L1: the parts add up to the amount. Law L2 holds for the default rule; see `RemainderRule`.
    ``allocate(-a, w)`` is ``allocate(a, w)`` with each sign turned.

    ``divide`` reproduces a former system that did not round shares toward zero before it placed
    the remainder: given a numerator of at least 0 and a positive denominator it answers the
    rounded quotient, such as ``lambda n, d: (2 * n + d) // (2 * d)`` for half up.
    The remainder may then be negative, and units are taken instead of given.

    Weights that are all zero can share nothing but 0. Where equal parts are meant in that case,
    the caller says so, by weights that are all one.

    `InvalidInput`: a negative weight; no weight at all for an amount that is not 0; a number
    that is not an integer; ``KEPT_APART``, whose remainder a bare tuple cannot show
    (`allocate_apart` can).

    >>> allocate(1000, (3333, 3333, 3333))
    (334, 333, 333)
    >>> allocate(-6, (50, 25, 25))
    (-3, -2, -1)
    >>> allocate(5, (0, 3, 7))
    (0, 2, 3)
    """
    total = sum(weights)
    if (amount + total).__class__ is not int or total <= 0 or min(weights) < 0:
        return _nothing_to_share(amount, weights)
    if rule is not _LARGEST_FRACTION or divide is not None:
        return _complete(amount, weights, rule, divide)
    if amount < 0:
        return tuple([-part for part in allocate(-amount, weights)])
    # One plain loop: for the few parts of an order it beats two comprehensions.
    parts, fractions, left = [], [], amount
    for weight in weights:
        share = amount * weight
        part = share // total
        parts.append(part)
        fractions.append(share - part * total)
        left -= part
    if left > _FEW:
        # A reversed sort is stable too: among equal fractions the first come first.
        ranking = sorted(range(len(parts)), key=fractions.__getitem__, reverse=True)
        for winner in ranking[:left]:
            parts[winner] += 1
        return tuple(parts)
    while left:
        winner = fractions.index(max(fractions))
        fractions[winner] = -1
        parts[winner] += 1
        left -= 1
    return tuple(parts)


def allocate_apart(
    amount: int,
    weights: Sequence[int],
    *,
    rule: RemainderRule = _KEPT_APART,
    divide: Divide | None = None,
) -> Apart:
    """Share ``amount`` by any rule, and show what the rule kept apart.

    The call for code whose rule comes from a policy: the remainder is 0 for every rule
    but ``KEPT_APART``. Law L1: ``sum(parts) + remainder`` is the amount.
    Arguments and errors are those of `allocate`.

    >>> allocate_apart(100, (1, 1, 1))
    Apart(parts=(33, 33, 33), remainder=1)
    """
    if rule is not _KEPT_APART:
        return Apart(allocate(amount, weights, rule=rule, divide=divide), 0)
    total = sum(weights)
    if (amount + total).__class__ is not int or total <= 0 or min(weights) < 0:
        return Apart(_nothing_to_share(amount, weights), 0)
    parts = _rounded(amount, weights, total, divide)
    return Apart(tuple(parts), amount - sum(parts))


def _nothing_to_share(amount: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Zeros for an amount of 0 over weights of no total; every other way here is an error."""
    for position, weight in enumerate(weights):
        if not isinstance(weight, int):
            raise InvalidInput(
                "share by a weight that is not an integer",
                path=f"weights[{position}]",
                weight=str(weight),
            )
        if weight < 0:
            raise InvalidInput(
                "share by a negative weight", path=f"weights[{position}]", weight=weight
            )
    if not isinstance(amount, int):
        raise InvalidInput(
            "share an amount that is not an integer", path="amount", amount=str(amount)
        )
    if amount:
        fault = "share by weights that are all zero" if weights else "share by no weights"
        raise InvalidInput(fault, path="weights", amount=amount)
    return (0,) * len(weights)


def _rounded(amount: int, weights: Sequence[int], total: int, divide: Divide | None) -> list[int]:
    """Each exact share, rounded by magnitude: toward zero, or by ``divide``."""
    whole = abs(amount)
    if divide is None:
        parts = [whole * weight // total for weight in weights]
    else:
        parts = [divide(whole * weight, total) for weight in weights]
    return parts if amount >= 0 else [-part for part in parts]


def _complete(
    amount: int, weights: Sequence[int], rule: RemainderRule, divide: Divide | None
) -> tuple[int, ...]:
    """Round each share, then place what is left, in turn over the parts that the rule names."""
    if rule is _KEPT_APART:
        raise InvalidInput(
            "show a remainder kept apart in bare parts; allocate_apart can", path="rule"
        )
    total = sum(weights)
    parts = _rounded(amount, weights, total, divide)
    left = amount - sum(parts)
    step = 1 if left > 0 else -1
    receivers = _receivers(
        rule,
        weights,
        [
            step * (amount * weight - part * total)
            for weight, part in zip(weights, parts, strict=True)
        ],
    )
    # Rounding toward zero leaves fewer units than there are parts;
    # a caller's own rounding may leave more, and then they go round.
    each, odd = divmod(abs(left), len(receivers))
    for turn, receiver in enumerate(receivers):
        parts[receiver] += step * (each + (turn < odd))
    return tuple(parts)


def _receivers(rule: RemainderRule, weights: Sequence[int], lacks: Sequence[int]) -> Sequence[int]:
    """Positions that get one odd unit each, in turn. ``lacks`` is what rounding took from each."""
    count = len(weights)
    if rule is RemainderRule.FIRST:
        return range(count)
    if rule is RemainderRule.FIRST_NONZERO:
        return [position for position, weight in enumerate(weights) if weight]
    if rule is RemainderRule.LAST:
        return (count - 1,)
    if rule is RemainderRule.LARGEST_WEIGHT:
        return (list(weights).index(max(weights)),)
    return sorted(range(count), key=lacks.__getitem__, reverse=True)


def allocate_within(
    amount: int,
    weights: Sequence[int],
    *,
    floors: Sequence[int] | None = None,
    caps: Sequence[int | None] | None = None,
) -> tuple[int, ...]:
    """Share ``amount`` by ``weights``, each part at least its floor and at most its cap.

    Bounds are magnitudes in minor units (0 or more): for a negative amount they bound
    the parts with the sign turned. A cap of ``None`` is no cap.
    A part of weight zero gets its floor and no more.

    Law L1: the parts add up to the amount; each is within its bounds.
    The exact shares are ``weight x level``, bent to the bounds, for the one level at which
    they add up (water-filling): parts that hit a bound are fixed there and the rest is
    shared again, in at most as many rounds as there are parts.
    Parts that hit no bound then share by largest fraction,
    and are less than one unit away from that exact share.

    `InvalidInput`: whatever `allocate` refuses; a bound that is negative; a floor above its cap;
    floors that add up to more than the amount, or caps to less (``data`` has both sums).

    >>> allocate_within(100, (1, 1, 2), caps=(10, None, None))
    (10, 30, 60)
    >>> allocate_within(100, (1, 1, 8), floors=(20, 0, 0))
    (20, 9, 71)
    """
    whole = abs(amount)
    lows, highs = _bounds(whole, weights, floors, caps)
    least, most = sum(lows), sum(highs)
    if not least <= whole <= most:
        raise InvalidInput(
            "share within floors and caps that leave no way",
            path="floors" if whole < least else "weights" if caps is None else "caps",
            amount=amount,
            sum_of_floors=least,
            sum_of_caps=None if caps is None else most,
        )
    parts, free = _fixed_at_bounds(whole, weights, lows, highs)
    rest = whole - sum(parts) + sum([parts[position] for position in free])
    shares = allocate(rest, [weights[position] for position in free])
    for position, share in zip(free, shares, strict=True):
        parts[position] = share
    return tuple(parts) if amount >= 0 else tuple([-part for part in parts])


def _fixed_at_bounds(
    whole: int, weights: Sequence[int], lows: Sequence[int], highs: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Parts that hit a bound, set to it, and the positions of those that stay free.

    A round fixes at least one part or is the last.
    """
    parts = list(lows)
    free = [position for position, weight in enumerate(weights) if weight]
    while free:
        rest = whole - sum(parts) + sum([parts[position] for position in free])
        total = sum([weights[position] for position in free])
        under, over, bent = [], [], 0
        for position in free:
            share = rest * weights[position]
            if share < lows[position] * total:
                under.append(position)
                bent += lows[position] * total - share
            elif share > highs[position] * total:
                over.append(position)
                bent += highs[position] * total - share
        if not under and not over:
            break
        # Bent up more than down means that the level must fall: parts at their floor stay there,
        # while parts above their cap may yet come below it. And the other way round.
        fixed = set()
        if bent >= 0:
            fixed.update(under)
        if bent <= 0:
            fixed.update(over)
            for position in over:
                parts[position] = highs[position]
        free = [position for position in free if position not in fixed]
    return parts, free


def _bounds(
    whole: int,
    weights: Sequence[int],
    floors: Sequence[int] | None,
    caps: Sequence[int | None] | None,
) -> tuple[list[int], list[int]]:
    """Lowest and highest part of each position, checked; a zero weight is held at its floor."""
    count = len(weights)
    lows = [0] * count if floors is None else list(floors)
    given = [None] * count if caps is None else list(caps)
    for name, bounds in (("floors", lows), ("caps", given)):
        if len(bounds) != count:
            raise InvalidInput(
                "match bounds with weights one to one", path=name, bounds=len(bounds), weights=count
            )
    if (whole + sum(weights)).__class__ is not int or min(weights, default=0) < 0:
        _nothing_to_share(whole, weights)  # says which number is wrong
    highs = []
    for position, (weight, low, cap) in enumerate(zip(weights, lows, given, strict=True)):
        high = max(whole, low) if cap is None else cap
        if low < 0 or high < low:
            raise InvalidInput(
                "share above a floor that is negative or above its cap",
                path=f"floors[{position}]",
                floor=low,
                cap=cap,
            )
        highs.append(high if weight else low)
    if (sum(lows) + sum(highs)).__class__ is not int:
        raise InvalidInput("share within bounds that are not integers", path="floors")
    return lows, highs


def share_of_units(amount: int, quantity: int, first: int, count: int) -> int:
    """Share of the units ``first`` to ``first + count - 1`` of ``quantity`` equal units.

    Units are numbered from 0. It equals the sum of those parts of
    ``allocate(amount, [1] * quantity)``, of which the first ``amount % quantity`` have one
    minor unit more, but in constant time: no quantity is ever expanded.

    Law L4 (units rebuild lines): over any partition of the units the shares add up to the amount,
    so refunds of single units give what one refund of all would. Symmetric in the sign.

    `InvalidQuantity`: a quantity below 1, or units outside of it.

    >>> [share_of_units(1000, 3, unit, 1) for unit in range(3)]
    [334, 333, 333]
    >>> share_of_units(-1000, 3, 1, 2)
    -666
    """
    if first < 0 or count < 0 or quantity < 1 or first + count > quantity:
        raise InvalidQuantity(
            "take units that are not there",
            path="quantity" if quantity < 1 else "first" if first < 0 else "count",
            quantity=quantity,
            first=first,
            count=count,
        )
    each, odd = divmod(abs(amount), quantity)
    share = each * count
    if first < odd:
        share += min(count, odd - first)
    return share if amount >= 0 else -share
