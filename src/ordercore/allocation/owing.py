"""What rows still owe while tenders are drawn from them one after the other, each in proportion: exact.

Rows that the same tenders may pay owe, at any time, the same fraction of what they owed at first. So one fraction
is kept for each group of rows, all over one denominator: integers, and as small as they can be.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Mask = tuple[bool, ...] | None

__all__ = ["Owing"]


class Owing:
    """Rows with what each still owes. ``masks`` are all that will be asked for; ``None`` is all rows."""

    __slots__ = ("_below", "_first", "_groups", "_over", "_sums")

    def __init__(self, owed: Sequence[int], masks: Iterable[Mask]) -> None:
        self._first = list(owed)
        distinct = dict.fromkeys([mask for mask in masks if mask is not None])
        groups: dict[tuple[bool, ...], list[int]] = {}
        for row, signature in enumerate(zip(*distinct, strict=True)):
            groups.setdefault(signature, []).append(row)
        self._groups = list(groups.values()) if distinct else [list(range(len(owed)))]
        self._sums = [sum([owed[row] for row in group]) for group in self._groups]
        self._over = [1] * len(self._groups)
        self._below = 1

    def _payable(self, mask: Mask) -> list[int]:
        """The groups that a tender with this mask may pay."""
        if mask is None:
            return list(range(len(self._groups)))
        return [place for place, group in enumerate(self._groups) if mask[group[0]]]

    def fits(self, mask: Mask) -> int:
        """The most that a tender may take of its rows, in whole minor units."""
        over, sums = self._over, self._sums
        return sum([over[place] * sums[place] for place in self._payable(mask)]) // self._below

    def lacks(self, amount: int, mask: Mask) -> int:
        """By how much, in minor units rounded up, ``amount`` is more than its rows owe; 0 or less if it fits."""
        over, sums = self._over, self._sums
        still = sum([over[place] * sums[place] for place in self._payable(mask)])
        return -((still - amount * self._below) // self._below)

    def wholes(self, mask: Mask) -> list[int]:
        """What each row owes, rounded down; 0 for a row that the tender may not pay."""
        found = [0] * len(self._first)
        for place in self._payable(mask):
            for row in self._groups[place]:
                found[row] = self._first[row] * self._over[place] // self._below
        return found

    def draw(self, amount: int, mask: Mask) -> tuple[list[int], list[int]]:
        """Take ``amount``, and tell what each row has of it: the whole part, and a number that is 0 where there
        is no other part."""
        parts, odds = [0] * len(self._first), [0] * len(self._first)
        if not amount:
            return parts, odds
        first, payable = self._first, self._payable(mask)
        still = sum([self._over[place] * self._sums[place] for place in payable])
        for place in payable:
            over = self._over[place] * amount
            for row in self._groups[place]:
                parts[row], odds[row] = divmod(first[row] * over, still)
        self._shrink(amount, payable, still)
        return parts, odds

    def take(self, amount: int, mask: Mask) -> None:
        """Draw ``amount``, which fits, from the rows in proportion to what they owe."""
        if not amount:
            return
        payable = self._payable(mask)
        still = sum([self._over[place] * self._sums[place] for place in payable])
        self._shrink(amount, payable, still)

    def _shrink(self, amount: int, payable: list[int], still: int) -> None:
        keep = still - amount * self._below
        over = self._over
        if len(payable) == len(over):
            self._over = [each * keep for each in over]
        else:
            self._over = [each * still for each in over]
            for place in payable:
                self._over[place] = over[place] * keep
        self._below *= still
        self._reduce()

    def take_parts(self, parts: Sequence[int]) -> None:
        """Draw whole minor units from each row. From now on each row owes its own fraction."""
        each = list(self._first)
        for group, over in zip(self._groups, self._over, strict=True):
            for row in group:
                each[row] = self._first[row] * over - parts[row] * self._below
        count = len(each)
        self._first = self._sums = [1] * count
        self._groups = [[row] for row in range(count)]
        self._over = each
        self._reduce()

    def _reduce(self) -> None:
        common = gcd(self._below, *self._over)
        if common > 1:
            self._below //= common
            self._over = [each // common for each in self._over]
