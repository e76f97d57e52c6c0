"""Lines by tenders: how much of each line each tender pays, to the cent, both ways.

Sharing each tender over the lines on its own keeps the tenders' sums and breaks the lines';
sharing tender by tender over what the lines still owe keeps both and strays by several cents.
The matrix is rounded as a whole instead.
"""

from __future__ import annotations

from operator import add, sub
from typing import TYPE_CHECKING

from ordercore.allocation.owing import Owing
from ordercore.allocation.share import allocate_within
from ordercore.errors import InvalidInput, InvalidTenders
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence


@value
class Column:
    """One tender: what it pays in all, for which rows, and in which steps.

    ``amount`` and ``unit`` are minor units. ``eligible`` says of each row whether this tender may
    pay for it; ``None`` is all rows. ``unit`` is the indivisible step of the tender's money:
    points worth 10 each have a unit of 10, so no line is ever paid by half a point.
    """

    amount: int
    eligible: tuple[bool, ...] | None = None
    unit: int = 1


def matrix(rows: Sequence[int], columns: Sequence[Column | int]) -> tuple[tuple[int, ...], ...]:
    """Share what lines and charges owe over the tenders that pay them: one tuple per row.

    ``rows`` are what each line or charge owes, in minor units, 0 or more. The columns add up
    to the rows; a bare amount is a column without terms.

    The *fractional matrix*: tender by tender in the declared order, each over its eligible rows
    in proportion to what they still owe, in exact rationals. Where every tender may pay every row
    it is ``row x column / total``. The matrix is a *controlled rounding* of it, which always exists
    in two dimensions (Causey, Cox and Ernst, "Applications of transportation theory to statistical
    problems", JASA 80, 1985; it is the integrality of network flow).

    Law L25:

    - each row adds up to what it owes, each column to the tender's amount;
    - no cell is negative, and a tender gives nothing to a row that it may not pay;
    - each cell is the floor or the ceiling of its exact share, so a whole share stays as it is;
    - odd units go to the first rows: read the rounding tender by tender, each from the first row
      down, with 1 for up and 0 for down; of all roundings that keep the laws it is
      the one that reads highest.

    Columns with a unit above 1 are shared first, in the declared order among themselves: each by
    `allocate_within` in whole steps, no row above what it still owes. The third and fourth of these
    laws then hold for the columns of unit 1 in what the rows still owe.

    `InvalidInput`: a number that is negative or no integer, or columns that do not add up
    to the rows.
    `InvalidTenders`: a mask of the wrong length, an amount that is no multiple of its unit,
    or a tender that cannot be placed on its rows in its turn
    (``data`` has ``column`` and ``missing``, the minor units without a place).
    Turn matters: declare tenders that may pay few rows before those that may pay all.

    >>> matrix((8999, 8999, 8999), (Column(1234), Column(5000), Column(20763)))
    ((412, 1666, 6921), (411, 1667, 6921), (411, 1667, 6921))
    """
    amounts = []
    bare = True
    for column in columns:
        if isinstance(column, Column):
            amounts.append(column.amount)
            if column.eligible is not None or column.unit != 1:
                bare = False
        else:
            amounts.append(column)
    total, paid = sum(rows), sum(amounts)
    if total != paid or (total + paid).__class__ is not int:
        raise _wrong_margins(rows, amounts)
    if (rows and min(rows) < 0) or (amounts and min(amounts) < 0):
        raise _wrong_margins(rows, amounts)
    if not bare:
        termed = [c if isinstance(c, Column) else Column(c) for c in columns]
        return tuple(zip(*_with_terms(rows, termed), strict=True))
    if len(amounts) == 1:
        return tuple([(row,) for row in rows])
    if not amounts:
        return ((),) * len(rows)
    return tuple(zip(*_proportional(rows, amounts, total), strict=True))


def _wrong_margins(rows: Sequence[int], amounts: Sequence[int]) -> InvalidInput:
    places = [(f"rows[{position}]", row) for position, row in enumerate(rows)]
    places += [(f"columns[{position}].amount", amount) for position, amount in enumerate(amounts)]
    for path, number in places:
        if not isinstance(number, int):
            return InvalidInput("share what is not an integer", path=path, amount=str(number))
        if number < 0:
            return InvalidInput("share less than nothing", path=path, amount=number)
    return InvalidInput(
        "share tenders that do not add up to the rows",
        path="columns",
        rows=sum(rows),
        columns=sum(amounts),
    )


def _proportional(rows: Sequence[int], amounts: Sequence[int], total: int) -> list[list[int]]:
    """Columns of the matrix where every tender may pay every row."""
    if not total:
        return [[0] * len(rows) for _ in amounts]
    columns, uneven, needs, fractions = [], [], [], []
    for position, amount in enumerate(amounts):
        column, fraction, need = [], [], amount
        for row in rows:
            share = row * amount
            part = share // total
            column.append(part)
            fraction.append(share - part * total)
            need -= part
        columns.append(column)
        if need:  # a column that needs no odd unit is whole in every cell
            uneven.append(position)
            needs.append(need)
            fractions.append(fraction)
    if uneven:
        _place(rows, columns, uneven, needs, fractions)
    return columns


def _with_terms(rows: Sequence[int], columns: Sequence[Column]) -> list[list[int]]:
    """Columns of the matrix where some tender has a mask or a unit."""
    for position, column in enumerate(columns):
        if column.eligible is not None and len(column.eligible) != len(rows):
            raise InvalidTenders(
                "match a mask with the rows one to one",
                path=f"columns[{position}].eligible",
                mask=len(column.eligible),
                rows=len(rows),
            )
        if column.unit < 1 or column.amount % column.unit:
            raise InvalidTenders(
                "pay an amount in whole units of the tender",
                path=f"columns[{position}].unit",
                amount=column.amount,
                unit=column.unit,
            )
    owed = list(rows)
    cells: list[list[int]] = [[] for _ in columns]
    plain = []
    for position, column in enumerate(columns):
        if column.unit == 1:
            plain.append(position)
        else:
            cells[position] = _in_steps(owed, column, position)
            owed = [row - part for row, part in zip(owed, cells[position], strict=True)]
    if all(all(columns[position].eligible or ()) for position in plain):  # no mask that bars a row
        parts = _proportional(owed, [columns[position].amount for position in plain], sum(owed))
    else:
        parts = _masked(owed, columns, plain)
    for position, part in zip(plain, parts, strict=True):
        cells[position] = part
    return cells


def _in_steps(owed: Sequence[int], column: Column, position: int) -> list[int]:
    """Share one tender in whole steps, no row above what it owes."""
    unit = column.unit
    mask = column.eligible or (True,) * len(owed)
    claims = [row if may else 0 for row, may in zip(owed, mask, strict=True)]
    rooms = [claim // unit for claim in claims]
    steps = column.amount // unit
    if steps > sum(rooms):
        raise _no_place(position, (steps - sum(rooms)) * unit)
    return [part * unit for part in allocate_within(steps, claims, caps=rooms)]


def _masked(
    owed: Sequence[int], columns: Sequence[Column], plain: Sequence[int]
) -> list[list[int]]:
    """Columns of unit 1 in the declared order, each over its eligible rows."""
    owing = Owing(owed, [columns[position].eligible for position in plain])
    floors: list[list[int]] = []
    fractions: list[list[int]] = []
    for position in plain:
        amount, mask = columns[position].amount, columns[position].eligible
        missing = owing.lacks(amount, mask)
        if missing > 0:
            raise _no_place(position, missing)
        floor, fraction = owing.draw(amount, mask)
        floors.append(floor)
        fractions.append(fraction)
    lacks = [
        columns[position].amount - sum(floor) for position, floor in zip(plain, floors, strict=True)
    ]
    uneven = [turn for turn, lack in enumerate(lacks) if lack]
    if uneven:
        needs = [lacks[turn] for turn in uneven]
        _place(owed, floors, uneven, needs, [fractions[turn] for turn in uneven])
    return floors


def _no_place(position: int, missing: int) -> InvalidTenders:
    return InvalidTenders(
        "place a tender on the rows that it may pay",
        path=f"columns[{position}]",
        column=position,
        missing=missing,
    )


def _place(
    rows: Sequence[int],
    columns: list[list[int]],
    uneven: Sequence[int],
    needs: Sequence[int],
    fractions: Sequence[Sequence[int]],
) -> None:
    """Raise floors to ceilings until both margins are exact; ``columns`` is changed in place.

    ``uneven`` are the columns that need odd units, ``needs`` how many, ``fractions`` what was
    rounded off; a cell may be raised where that is not 0. The greedy way: column by column, rows
    that have no later cell to spare, and else the first rows. It raises only what it must
    or what the law prefers, so when it gets through it has found the rounding that reads highest.
    Where it gets stuck, `_mend` goes on from the columns that it has.
    """
    lacking = list(map(sub, rows, map(sum, zip(*columns, strict=True))))
    # How many odd cells a row may still leave low; at 0 it must take each one that comes.
    slack = [len(uneven) - lack for lack in lacking]
    gaps = any(0 in fraction for fraction in fractions)
    if gaps:
        slack = [
            spare - odds.count(0)
            for spare, odds in zip(slack, zip(*fractions, strict=True), strict=True)
        ]
    wanting = lacking.copy()
    chosen: list[list[int]] = []
    for turn in range(len(uneven) - 1):
        fraction = fractions[turn]
        free = needs[turn]
        if gaps:
            free -= sum([not spare for odd, spare in zip(fraction, slack, strict=True) if odd])
        else:
            free -= slack.count(0)
        column = columns[uneven[turn]].copy()
        for row, odd in enumerate(fraction):
            if odd:
                if not slack[row]:
                    column[row] += 1
                    wanting[row] -= 1
                elif free > 0 and wanting[row]:
                    column[row] += 1
                    wanting[row] -= 1
                    free -= 1
                else:
                    slack[row] -= 1
        if free:
            floors = [columns[position] for position in uneven]
            chosen = _mend(lacking, floors, needs, fractions, chosen)
            break
        chosen.append(column)
    else:
        # No row wants more than its odd cells that are to come, so the last column gets the rest.
        chosen.append(list(map(add, columns[uneven[-1]], wanting)))
    for position, column in zip(uneven, chosen, strict=True):
        columns[position] = column


def _mend(
    lacking: list[int],
    floors: Sequence[Sequence[int]],
    needs: Sequence[int],
    fractions: Sequence[Sequence[int]],
    chosen: Sequence[Sequence[int]],
) -> list[list[int]]:
    """Find the rounding that reads highest where the greedy way gets stuck after ``chosen``.

    First some rounding, by augmenting paths. Then, cell by cell in reading order, a low one is
    raised if later cells can make up for it, around a cycle; cells that were passed stay.
    ``lacking`` are the odd units that each row needs.
    """
    odd = [_bits(fraction) for fraction in fractions]
    high = [0] * len(odd)
    for turn, column in enumerate(chosen):
        raised = [cell - floor for cell, floor in zip(column, floors[turn], strict=True)]
        high[turn] = _bits(raised)
        lacking = [lack - up for lack, up in zip(lacking, raised, strict=True)]
    rounding = _Rounding([cells & ~up for cells, up in zip(odd, high, strict=True)], high)
    hungry = _bits(lacking)
    for turn, need in enumerate(needs):
        for _ in range(need - high[turn].bit_count()):
            _, fed = rounding.carry([turn], hungry, first=0)
            row = fed.bit_length() - 1
            lacking[row] -= 1
            if not lacking[row]:
                hungry ^= fed
    for turn, cells in enumerate(odd):
        later = cells
        while later:
            cell = later & -later
            later ^= cell
            if not high[turn] & cell:
                rounding.prefer(turn, cell, later)
    return [
        [part + (up >> row & 1) for row, part in enumerate(floor)]
        for floor, up in zip(floors, high, strict=True)
    ]


def _bits(marks: Sequence[int]) -> int:
    """Set of the rows whose mark is not 0: row i is bit i."""
    return sum([1 << row for row, mark in enumerate(marks) if mark])


class _Rounding:
    """Which odd cells are low and which are high: for each column a set of rows.

    A set is the bits of one integer, so that a search looks at columns only:
    its cost grows with the square of their number and hardly with the number of rows.
    """

    __slots__ = ("high", "low")

    def __init__(self, low: list[int], high: list[int]) -> None:
        self.low = low
        self.high = high

    def turn_over(self, column: int, cell: int) -> None:
        """Make a low cell high, or a high one low."""
        self.low[column] ^= cell
        self.high[column] ^= cell

    def carry(self, sources: Sequence[int], goal: int, *, first: int) -> tuple[int, int]:
        """Give one unit more to one of the ``sources``, at the cost of a row of ``goal``.

        Either a row of the goal is raised there, or some row is raised there and lowered
        in a second column, which needs one more in turn, and so on; only columns from ``first`` on
        are touched. The answer is the source that was served and the row of the goal,
        or no row (0), with nothing changed, where there is no such path.
        """
        came: dict[int, tuple[int, int]] = dict.fromkeys(sources, (-1, 0))
        queue = list(sources)
        for column in queue:  # it grows; no column is in it twice
            low = self.low[column]
            if low & goal:
                served = 1 << (low & goal).bit_length() - 1  # the last row: first ones are dearer
                self.turn_over(column, served)
                source, (before, cell) = column, came[column]
                while cell:
                    self.turn_over(source, cell)
                    self.turn_over(before, cell)
                    source, (before, cell) = before, came[before]
                return source, served
            for other in range(first, len(self.low)):
                step = low & self.high[other]
                if step and other not in came:
                    came[other] = (column, step & -step)
                    queue.append(other)
        return -1, 0

    def prefer(self, column: int, cell: int, later: int) -> None:
        """Raise a low cell if a ``later`` one of the column can go down for it."""
        goal = self.high[column] & later
        sources = [other for other in range(column + 1, len(self.high)) if self.high[other] & cell]
        if goal and sources:
            source, served = self.carry(sources, goal, first=column + 1)
            if served:
                self.turn_over(column, cell)
                self.turn_over(column, served)
                self.turn_over(source, cell)
