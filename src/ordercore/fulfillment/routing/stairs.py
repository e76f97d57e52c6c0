"""Stairs: what weight costs, as a rising row of steps, and how steps of several parcels combine."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["SCALE", "Stairs", "in_parcels", "lowest"]

SCALE = 20
"""Slopes are points per gram times two to this power, rounded down: bounds stay bounds."""
_STEPS_KEPT = 48
"""Steps of a row that are combined with each other; a finer row is made coarser, and cheaper."""
_ROUNDS_MAX = 64


def lowest(steps: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The steps that no other one beats: each (weight, points) holds up to its weight, both rise."""
    kept: list[tuple[int, int]] = []
    top = -1
    for points, weight in sorted([(points, -weight) for weight, points in steps]):
        if -weight > top:
            top = -weight
            kept.append((top, points))
    return kept


def _coarse(steps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Fewer steps that cost no more at any weight: some are joined, at the price of the first."""
    run = -(-len(steps) // _STEPS_KEPT)
    if run <= 1:
        return list(steps)
    return [
        (steps[min(start + run, len(steps)) - 1][0], steps[start][1])
        for start in range(0, len(steps), run)
    ]


def in_parcels(single: Sequence[tuple[int, int]], upto: int, most: int) -> list[tuple[int, int]]:
    """The lowest steps of two or more parcels together, each by one of the steps of ``single``.

    Goods are taken for a liquid here, so no real parting of them over parcels costs less. ``most`` is the points
    beyond which nobody asks.
    """
    steps = _coarse(single)
    found: list[tuple[int, int]] = []
    last: list[tuple[int, int]] = steps
    for _ in range(_ROUNDS_MAX):
        pairs = [
            (min(upto, weight + more), points + extra)
            for weight, points in last
            for more, extra in steps
            if points + extra <= most
        ]
        if not pairs:
            return found
        together = lowest([*found, *pairs])
        fresh = set(together).difference(found)
        last = [step for step in together if step in fresh]
        found = together
        if not last:
            return found
        if len(last) > _STEPS_KEPT:
            last = _coarse(last)
    # nobody counts further parcels: the price of the last one is a bound for what is heavier
    return [*found[:-1], (upto, found[-1][1])] if found[-1][0] < upto else found


class Stairs:
    """A row of steps to look weights up in, with bounds on how it goes on."""

    __slots__ = ("_grades", "points", "rises", "slopes", "tops", "widths")

    def __init__(self, steps: Sequence[tuple[int, int]]) -> None:
        self.tops = [top for top, _ in steps]
        self.points = [points for _, points in steps]
        self._grades: dict[int, int] = {}
        count = len(steps)
        # from each step on: the least points per gram, the widest step, the smallest rise
        self.slopes = [1 << 60] * count
        self.widths = [1] * count
        self.rises = [1 << 60] * count
        for place in range(count - 2, -1, -1):
            width = self.tops[place + 1] - self.tops[place]
            rise = self.points[place + 1] - self.points[place]
            self.slopes[place] = min(self.slopes[place + 1], (rise << SCALE) // width)
            self.widths[place] = max(self.widths[place + 1], width)
            self.rises[place] = min(self.rises[place + 1], rise)

    def grade(self, place: int) -> int:
        """The steepest line from the top of a step that stays below all further ones, scaled by `SCALE`;
        0 from the last one."""
        found = self._grades.get(place)
        if found is None:
            top, points = self.tops[place], self.points[place]
            found = self._grades[place] = min(
                [
                    ((self.points[later] - points) << SCALE) // (self.tops[later] - top)
                    for later in range(place + 1, len(self.tops))
                ],
                default=0,
            )
        return found

    def step(self, weight: int) -> int:
        """The index of the step that carries ``weight``; beyond the last one there is none."""
        return bisect_left(self.tops, weight)

    def at(self, weight: int) -> int | None:
        """The points for a weight; ``None`` beyond the last step."""
        place = bisect_left(self.tops, weight)
        return self.points[place] if place < len(self.points) else None

    def per_gram(self) -> int:
        """The least points per gram from nothing, scaled by `SCALE`."""
        return min(
            [
                (points << SCALE) // top if top else 0
                for top, points in zip(self.tops, self.points, strict=True)
            ],
            default=1 << 60,
        )
