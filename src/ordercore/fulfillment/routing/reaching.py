"""Whether goods can leave at all where sources can send only so many units: a flow from goods to sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["reach"]


def reach(
    units: Sequence[Sequence[int]], quantities: Sequence[int], capacities: Sequence[int]
) -> list[list[int]] | None:
    """Units by source and goods that send everything within stock and capacities; ``None`` where nothing does.

    Augmenting paths (Ford and Fulkerson): where each source with some goods is full, goods of it move on to another.
    """
    given = [[0] * len(quantities) for _ in units]
    rooms = list(capacities)
    for goods, quantity in enumerate(quantities):
        left = quantity
        while left:  # ends: each path takes a unit at least
            path = _path(units, given, rooms, goods)
            if not path:
                return None
            count = min(left, rooms[path[-1][1]])
            source = -1
            for moved, to in path:
                count = min(count, units[to][moved] - given[to][moved])
                if source >= 0:
                    count = min(count, given[source][moved])
                source = to
            source = -1
            for moved, to in path:
                given[to][moved] += count
                if source >= 0:
                    given[source][moved] -= count
                source = to
            rooms[source] -= count
            left -= count
    return given


def _path(
    units: Sequence[Sequence[int]],
    given: Sequence[Sequence[int]],
    rooms: Sequence[int],
    goods: int,
) -> list[tuple[int, int]]:
    """Which goods go to which source, one after the other, until one has room; the shortest such row."""
    came: dict[int, tuple[int, int]] = {}
    queue: list[int] = []
    for source, row in enumerate(units):
        if row[goods] > given[source][goods]:
            came[source] = (goods, -1)
            queue.append(source)
    for source in queue:  # grows: each source is looked at once
        if rooms[source] > 0:
            found = []
            at = source
            while at >= 0:
                moved, before = came[at]
                found.append((moved, at))
                at = before
            return found[::-1]
        for moved, count in enumerate(given[source]):
            if not count:
                continue
            for other, row in enumerate(units):
                if other not in came and row[moved] > given[other][moved]:
                    came[other] = (moved, source)
                    queue.append(other)
    return []
