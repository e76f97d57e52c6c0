"""Steps chosen: how far up its stairs each source goes, before it is settled which units it sends.

Where weight tells the points, a route over a set of sources is a step for each of them. Goods taken for a liquid fit
under the steps if, and only if, each group of the sources has room for what the others do not have (max-flow min-cut,
in the form of Hall's condition). So the cheapest steps that keep these conditions are a bound, and most often
whole units fit under them too.
"""

from __future__ import annotations

from operator import sub
from typing import TYPE_CHECKING

from ordercore.fulfillment.routing.stairs import SCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.fulfillment.routing.sharing import Sharing
    from ordercore.fulfillment.routing.stairs import Stairs

__all__ = ["Climbing"]

_FITS_MAX = 400
"""Most steps of one look whether whole units fit."""
_GROUPS_MAX = 5
"""Up to so many sources the conditions are looked at again while units are placed."""


class Climbing:
    """The search for steps over the members of a sharing, those with the dearest grams first."""

    def __init__(self, sharing: Sharing) -> None:
        self.sharing = sharing
        self.meter = sharing.packer.meter
        board = sharing.board
        loads = sharing.loads()
        rows = []
        for member, source in enumerate(sharing.members):
            stairs = sharing.deck.stairs(source, loads[member].bits)
            step = min(stairs.step(loads[member].grams), len(stairs.tops) - 1)
            rows.append((-stairs.grade(step), member, stairs, step))
        rows.sort(key=lambda row: row[:2])
        self.order = [member for _, member, _, _ in rows]
        self.stairs: list[Stairs] = [stairs for _, _, stairs, _ in rows]
        self.fixed = sum([load.extra for load in loads]) + sharing.deck.points + sharing.border
        self.have = [sharing.have[member] for member in self.order]
        self.most = [
            sum([grams * units for grams, units in zip(board.grams, row, strict=True)])
            for row in self.have
        ]
        everything = range(len(board.goods))
        self.needs = self._needs(everything, [*board.quantities], self.have)
        self.rest = self._rest([step for _, _, _, step in rows])
        # no steps cost less
        self.floor = 0
        # below this nothing was settled by steps alone
        self.unsettled: int | None = None
        self._spare = [
            [have - base for have, base in zip(row, sharing.base[member], strict=True)]
            for row, member in zip(self.have, self.order, strict=True)
        ]
        self._suffix: list[list[int]] = []
        if len(self.order) <= _GROUPS_MAX:
            self._suffix = [
                self._needs(sharing.open[depth:], sharing.free, self._spare)
                for depth in range(len(sharing.open) + 1)
            ]
        self._failed: set[tuple[object, ...]] = set()
        self._looks = 0

    def _needs(
        self, goods: Sequence[int], counts: Sequence[int], have: Sequence[Sequence[int]]
    ) -> list[int]:
        """Grams that each group of members must send, because the others do not have them."""
        size = len(have)
        found = [0] * (1 << size)
        every = (1 << size) - 1
        grams = self.sharing.board.grams
        for place in goods:
            weight, asked = grams[place], counts[place]
            if not weight or not asked:
                continue
            held = [0]
            for row in have:
                own = row[place]
                held += [units + own for units in held] if own else held
            # a group's complement is the mirror of its number
            for group in range(1, every + 1):
                short = asked - held[every - group]
                if short > 0:
                    found[group] += short * weight
        return found

    def _rest(self, lowest: Sequence[int]) -> list[tuple[int, int, list[tuple[int, int]]]]:
        """Of the members from each place on: points of their lowest steps, the weight under them, and the
        slopes with the weight that each can go on for, the cheapest first."""
        found: list[tuple[int, int, list[tuple[int, int]]]] = [(0, 0, [])]
        for place in range(len(self.order) - 1, -1, -1):
            points, tops, slopes = found[-1]
            stairs, step = self.stairs[place], lowest[place]
            room = max(0, self.most[place] - stairs.tops[step])
            more = sorted([*slopes, (stairs.grade(step), room)])
            found.append((points + stairs.points[step], tops + stairs.tops[step], more))
        found.reverse()
        return found

    def run(self) -> None:
        """Look for steps below the sharing's limit; routes found are kept there."""
        self._climb(0, [0], [], self.fixed)

    def _climb(self, place: int, rooms: list[int], chosen: list[int], points: int) -> None:
        if place == len(self.order):
            self._land(chosen, points)
            return
        stairs = self.stairs[place]
        group = 1 << place
        least = max(map(sub, self.needs[group : 2 * group], rooms))
        first = stairs.step(max(least, 0))
        last = min(stairs.step(self.most[place]), len(stairs.tops) - 1)
        others, tops, slopes = self.rest[place + 1]
        high = len(self.needs) - 2 * group
        needs = self.needs[high : high + 2 * group]
        nodes = []
        for step in range(first, last + 1):
            now = points + stairs.points[step]
            if now + others >= self.sharing.limit:
                break
            # the more members have their step, the more groups are looked at
            if not self.meter.spend(1 + (group >> 3)):
                return
            top = stairs.tops[step]
            grown = rooms + [room + top for room in rooms]
            bound = now + others
            over = max(map(sub, needs, grown)) - tops
            if over > 0:
                bound += _poured(over, slopes)
            if bound < self.sharing.limit:
                nodes.append((bound, step, grown, now))
        nodes.sort(key=lambda node: node[:2])
        if not place:
            self.floor = nodes[0][0] if nodes else self.sharing.limit
        for bound, step, grown, now in nodes:
            if bound >= self.sharing.limit or self.meter.left < 0:
                return
            chosen.append(stairs.tops[step])
            self._climb(place + 1, grown, chosen, now)
            chosen.pop()

    def _land(self, chosen: Sequence[int], points: int) -> None:
        """Whole units under these steps, if they fit; what they really cost is for the sharing to say."""
        if points >= self.sharing.limit:
            return
        sharing, board = self.sharing, self.sharing.board
        given = [list(sharing.base[member]) for member in self.order]
        rooms = []
        for row, top in zip(given, chosen, strict=True):
            rooms.append(
                top - sum([units * grams for units, grams in zip(row, board.grams, strict=True)])
            )
        units = [
            sharing.rooms[member] - sum(row) for member, row in zip(self.order, given, strict=True)
        ]
        if min(rooms) < 0 or min(units) < 0:
            return
        self._looks = _FITS_MAX
        self._failed = set()
        if self._fit(0, rooms, units, given):
            back: list[list[int]] = [[]] * len(given)
            for member, row in zip(self.order, given, strict=True):
                back[member] = row
            sharing.settle(back)
            if sharing.limit <= points:
                return
        elif self._looks >= 0:
            return
        if self.unsettled is None or points < self.unsettled:
            self.unsettled = points

    def _fit(self, depth: int, rooms: list[int], units: list[int], given: list[list[int]]) -> bool:
        sharing = self.sharing
        if depth == len(sharing.open):
            return True
        self._looks -= 1
        if self._looks < 0 or not self.meter.spend():
            return False
        if sum(rooms) < sharing.left[depth][0]:
            return False
        if self._suffix:
            sums = [0]
            for room in rooms:
                sums += [total + room for total in sums]
            if any(map(int.__gt__, self._suffix[depth], sums)):
                return False
        key = (depth, *rooms, *units)
        if key in self._failed:
            return False
        goods = sharing.open[depth]
        weight = sharing.board.grams[goods]
        takes = [
            min(row[goods], room // weight if weight else row[goods], unit)
            for row, room, unit in zip(self._spare, rooms, units, strict=True)
        ]
        # the emptiest member first
        order = sorted(range(len(rooms)), key=lambda member: (-rooms[member], member))
        if self._deal(order, 0, sharing.free[goods], takes, depth, rooms, units, given):
            return True
        self._failed.add(key)
        return False

    def _deal(
        self,
        order: list[int],
        turn: int,
        left: int,
        takes: list[int],
        depth: int,
        rooms: list[int],
        units: list[int],
        given: list[list[int]],
    ) -> bool:
        """Deal ``left`` units of the goods at this depth to the members from ``turn`` on, then go deeper."""
        if not left:
            return self._fit(depth + 1, rooms, units, given)
        if turn == len(order) or left > sum([takes[member] for member in order[turn:]]):
            return False
        member = order[turn]
        goods = self.sharing.open[depth]
        weight = self.sharing.board.grams[goods]
        for count in range(min(left, takes[member]), -1, -1):
            rooms[member] -= count * weight
            units[member] -= count
            given[member][goods] += count
            if self._deal(order, turn + 1, left - count, takes, depth, rooms, units, given):
                return True
            rooms[member] += count * weight
            units[member] += count
            given[member][goods] -= count
            if self._looks < 0 or self.meter.left < 0:
                return False
        return False


def _poured(over: int, slopes: Sequence[tuple[int, int]]) -> int:
    """The least points for so many grams more, each member taking no more than it has."""
    found = 0
    for slope, room in slopes:
        if over <= room:
            return (found + over * slope) >> SCALE
        found += room * slope
        over -= room
    return 1 << 60
