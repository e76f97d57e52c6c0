"""A row of the matrix drawn down: which tender gives back how much when a part of a line goes.

Cells are what each tender paid of one line, in minor units, 0 or more. They are frozen;
only the sum that is drawn moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence


def drawn(cells: Sequence[int], owed: int, upto: int) -> tuple[int, ...]:
    """How much of each cell is drawn when ``upto`` of the row's ``owed`` is drawn.

    ``owed`` is the sum of the cells. The rule is nested cumulative rounding: the first cell
    gives ``upto x cell / owed`` rounded down, and the others share what is then left of ``upto``
    by the same rule, in proportion to what is left of ``owed``; the last gives the rest.

    Laws, with the proof. Write u for ``upto``, T for ``owed``, c for the first cell
    and f(u) for u x c / T rounded down.

    - *Exact and bounded.* As 0 <= u <= T, f(u) is between 0 and c, and u - f(u), which is
      u x (T - c) / T rounded up, is between 0 and T - c: the others face the same problem with
      one cell less. The last cell c faces T = c and gives u: the sum is ``upto``.
    - *Monotone.* As c <= T, f(u + 1) - f(u) is 0 or 1. If it is 1 the others stay; if it is 0
      they share one unit more. So each unit more comes from exactly one cell,
      and the difference of two states is never negative.
    - *Ends.* f(0) = 0 and f(T) = c: nothing drawn gives zeros, all drawn gives the cells.
    - *Free of path.* The state is a function of ``upto`` alone. Draws of any sizes in any order
      that reach the same sum have drawn the same cells.

    `InvalidInput`: ``upto`` below 0 or above ``owed``; a negative cell;
    ``owed`` other than the sum of the cells.

    >>> drawn((411, 1667, 6921), 8999, 3000)
    (137, 555, 2308)
    """
    sound = owed == sum(cells) and min(cells, default=0) >= 0
    if not sound or not 0 <= upto <= owed:
        raise InvalidInput(
            "draw from cells that do not hold this much",
            path="upto" if sound else "cells",
            owed=owed,
            upto=upto,
            cells=tuple(cells),
        )
    return tuple(_drawn(cells, owed, upto))


def _drawn(cells: Sequence[int], owed: int, upto: int) -> list[int]:
    state = []
    for cell in cells:
        if cell:
            part = upto * cell // owed
            upto -= part
            owed -= cell
            state.append(part)
        else:
            state.append(0)  # and no division by an ``owed`` that is used up
    return state


def draw(
    cells: Sequence[int],
    taken: Sequence[int],
    amount: int,
    units: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Cells of the next draw of ``amount``, when ``taken`` has been drawn of each cell before.

    ``units`` are the indivisible steps of each tender's money in minor units (`Column`),
    all 1 if not given.

    Laws: the cells of the draw add up to the amount; none is negative or above what its cell
    still holds; a cell with a unit gives a multiple of it; a draw of all that is left takes all
    that is left of each cell, whatever the units.

    With all units 1, and former draws made by this rule, the answer is the difference of two
    states of `drawn`. Where former draws went another way (a refund to one tender of choice),
    cells that gave too much rest until the others have caught up.

    Cells with a unit round down, the cells of unit 1 give what is missing, and cells with a unit
    catch up with `drawn` as soon as a draw has room for a step. Where the cells of unit 1
    would keep too little to make change with, cells with a unit give more instead, first ones
    first. Such draws depend on the path; their sum does not.

    `InvalidInput`: an amount that is negative or more than is left; ``taken`` outside of the
    cells; lengths that differ; a unit below 1; or an amount that cannot be built from whole steps
    and what the cells of unit 1 still hold (7 out of nothing but points worth 10 each).
    In that last case a caller may draw another amount, or all units 1 and let a point be broken.
    With one step for all units above 1 a way is found wherever there is one; with steps
    that differ it is sought in the order of the cells only.

    >>> draw((1230, 5000), (0, 0), 1000, units=(10, 1))
    (190, 810)
    """
    if len(taken) != len(cells) or (units is not None and len(units) != len(cells)):
        raise InvalidInput(
            "match the cells one to one",
            path="units" if len(taken) == len(cells) else "taken",
            cells=len(cells),
        )
    left = [cell - gone for cell, gone in zip(cells, taken, strict=True)]
    rest = sum(left)
    if not 0 <= amount <= rest or min(left, default=0) < 0 or min(taken, default=0) < 0:
        raise InvalidInput(
            "draw more than is left, or less than nothing",
            path="amount" if min(left, default=0) >= 0 <= min(taken, default=0) else "taken",
            amount=amount,
            left=tuple(left),
        )
    if amount == rest:
        return tuple(left)
    wanted = _next(cells, taken, amount)
    if units is None or max(units) == 1 == min(units):
        return tuple(wanted)
    if min(units) < 1:
        raise InvalidInput("draw in steps of less than one", path="units", units=tuple(units))
    return _in_whole_steps(cells, taken, amount, wanted, units)


def _next(cells: Sequence[int], taken: Sequence[int], amount: int) -> list[int]:
    """Go from ``taken`` toward the state of `drawn` that ``amount`` more leads to."""
    goal = _drawn(cells, sum(cells), sum(taken) + amount)
    lacks = [max(0, target - gone) for target, gone in zip(goal, taken, strict=True)]
    # They add up to the amount unless a cell gave too much before; then to more.
    return _drawn(lacks, sum(lacks), amount)


def _in_whole_steps(
    cells: Sequence[int],
    taken: Sequence[int],
    amount: int,
    wanted: Sequence[int],
    units: Sequence[int],
) -> tuple[int, ...]:
    """Bend ``wanted`` to multiples of ``units``; the cells of unit 1 take up the difference."""
    give = [want - want % unit for want, unit in zip(wanted, units, strict=True)]
    plain = [position for position, unit in enumerate(units) if unit == 1]
    loose = sum([cells[position] - taken[position] for position in plain])
    rest = amount - sum([part for part, unit in zip(give, units, strict=True) if unit > 1])
    # Change for the next draws: with a step less one in loose money any amount can be built.
    spare = loose - (max(units) - 1)
    for position, unit in enumerate(units):
        if unit > 1 and rest > spare:
            room = (cells[position] - taken[position] - give[position]) // unit
            more = min(-((spare - rest) // unit), room, rest // unit)
            give[position] += more * unit
            rest -= more * unit
    if rest > loose:
        raise InvalidInput(
            "build this amount from whole steps of what is left",
            path="amount",
            amount=amount,
            left=tuple([cell - gone for cell, gone in zip(cells, taken, strict=True)]),
            units=tuple(units),
        )
    parts = _next(
        [cells[position] for position in plain], [taken[position] for position in plain], rest
    )
    for position, part in zip(plain, parts, strict=True):
        give[position] = part
    return tuple(give)
