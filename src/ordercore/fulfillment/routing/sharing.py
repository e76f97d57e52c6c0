"""Units shared over a set of sources: which sends how many of what, so that the parcels cost the fewest points.

A search in depth, goods by goods, the heaviest first. A node's bound takes what is left for a liquid: it fills the
steps that are paid for already and then costs the least that a gram can cost further up.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

from ordercore.fulfillment.routing.board import FAR
from ordercore.fulfillment.routing.climbing import Climbing
from ordercore.fulfillment.routing.stairs import SCALE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ordercore.fulfillment.routing.board import Deck
    from ordercore.fulfillment.routing.packing import Packed, Packer, Units

__all__ = ["Share", "Sharing", "forced"]

_WAYS_FEW = 5_000
"""Up to so many ways to share, units are tried at once; beyond, steps are chosen first."""
_ROUNDS_MAX = 4
_WORTH = 40
"""Points are shifted by so many bits where room is weighed too: no room outweighs a point."""


class Share:
    """Who sends what: the units of each source that sends any, packed, and the points of it all."""

    __slots__ = ("packed", "points")

    def __init__(self, points: int, packed: dict[int, tuple[Units, Packed]]) -> None:
        self.points = points
        self.packed = packed


def forced(units: Sequence[Sequence[int]], quantities: Sequence[int]) -> list[list[int]]:
    """Of each of these sources the units that the others together do not have."""
    have = [sum(column) for column in zip(*units, strict=True)]
    return [
        [
            max(0, quantity - total + own)
            for own, total, quantity in zip(row, have, quantities, strict=True)
        ]
        for row in units
    ]


class _Load:
    """What a source is given so far."""

    __slots__ = ("bits", "extra", "grams", "units", "volume")

    def __init__(self, grams: int, volume: int, bits: int, units: int, extra: int) -> None:
        self.grams = grams
        self.volume = volume
        self.bits = bits
        self.units = units
        self.extra = extra

    def key(self) -> tuple[int, int, int, int, int]:
        """All of it, to compare."""
        return self.grams, self.volume, self.bits, self.units, self.extra


class Sharing:
    """The search over one set of sources on one deck; each of them sends something."""

    def __init__(self, deck: Deck, packer: Packer, members: Sequence[int]) -> None:
        self.deck, self.packer, self.board = deck, packer, deck.board
        self.members = members
        self.have = [deck.units[source] for source in members]
        self.rooms = [self.board.capacities[source] for source in members]
        board = self.board
        self.least = [deck.unit_least[source] for source in members]
        self.base = forced(self.have, board.quantities)
        self.free = [
            quantity - sum(column)
            for quantity, column in zip(board.quantities, zip(*self.base, strict=True), strict=True)
        ]
        open_goods = [place for place, count in enumerate(self.free) if count]
        open_goods.sort(key=lambda p: (-self.free[p] * (board.grams[p] + 1), p))
        self.open = open_goods
        # grams and volume of the goods that are still to share, from each depth on
        self.left = [(0, 0)]
        for place in reversed(open_goods):
            grams, volume = self.left[-1]
            count = self.free[place]
            self.left.append(
                (grams + count * board.grams[place], volume + count * board.volumes[place])
            )
        self.left.reverse()
        self.plain = all(deck.plain(source) for source in members)
        self.border = packer.border_floor(tuple(board.quantities))
        self.best: Share | None = None
        self.limit = FAR
        self.floor = FAR
        self._seen: set[tuple[object, ...]] = set()

    @property
    def feasible(self) -> bool:
        """Whether these sources have everything together."""
        return all(
            sum(column) >= quantity
            for column, quantity in zip(
                zip(*self.have, strict=True), self.board.quantities, strict=True
            )
        )

    def quick(self, mend_below: int = FAR) -> Share | None:
        """A good way to share, without a search."""
        if any([sum(row) > room for row, room in zip(self.base, self.rooms, strict=True)]):
            return None
        self._lay_slopes()
        self._fill_first(mend_below)
        return self.best

    def loads(self) -> list[_Load]:
        """What each source sends in any case."""
        return self._loads_of(self.base)

    def bound(self, loads: Sequence[_Load], depth: int) -> int:
        """Points that any way to share the goods from this depth on costs at least."""
        grams, volume = self.left[depth]
        found = self._bound(loads, grams, by_volume=False)
        if found < FAR:
            found = max(found, self._along(loads, depth))
        if self.board.volumetric and found < FAR:
            found = max(found, self._bound(loads, volume, by_volume=True))
        if found >= FAR:
            return FAR
        for load in loads:
            found += load.extra
        return found + self.border + self.deck.points

    def _bound(self, loads: Sequence[_Load], over: int, *, by_volume: bool) -> int:
        found, slope, width, rise = 0, 1 << 60, 1, 1 << 60
        stairs_of = self.deck.stairs
        for source, load in zip(self.members, loads, strict=True):
            stairs = stairs_of(source, load.bits, by_volume=by_volume)
            size = load.volume if by_volume else load.grams
            place = stairs.step(size)
            if place >= len(stairs.points):
                return FAR
            found += stairs.points[place]
            over -= stairs.tops[place] - size
            slope = min(slope, stairs.slopes[place])
            width = max(width, stairs.widths[place])
            rise = min(rise, stairs.rises[place])
        if over > 0:
            if slope >= 1 << 60:
                return FAR
            # so many grams at the least slope, or so many further steps at the least rise
            found += max(-(-(over * slope) >> SCALE), -(-over // width) * rise)
        return found

    def _along(self, loads: Sequence[_Load], depth: int) -> int:
        """The bound in which each gram costs what it costs at least where there are units of it."""
        found = self.poured[depth] + self.lines
        for load, slope in zip(loads, self.slopes, strict=True):
            found += load.grams * slope
        return -(-found >> SCALE)

    def _lay_slopes(self) -> None:
        """The least slope of each source from what it sends in any case on, and what the goods that are
        still to share cost at least along these slopes, from each depth on."""
        board = self.board
        self.slopes: list[int] = []
        self.lines = 0
        for source, load in zip(self.members, self.loads(), strict=True):
            stairs = self.deck.stairs(source, load.bits)
            place = stairs.step(load.grams)
            slope = 0
            if place < len(stairs.tops):
                slope = stairs.grade(place)
                self.lines += (stairs.points[place] << SCALE) - stairs.tops[place] * slope
            self.slopes.append(slope)
        order = sorted(range(len(self.members)), key=lambda member: self.slopes[member])
        self.poured = [0]
        for goods in reversed(self.open):
            left, points = self.free[goods], 0
            for member in order:
                count = min(left, self.have[member][goods] - self.base[member][goods])
                points += count * board.grams[goods] * self.slopes[member]
                left -= count
            self.poured.append(self.poured[-1] + points)
        self.poured.reverse()

    def run(self, limit: int) -> Share | None:
        """The best way to share below ``limit`` points; ``floor`` is then what none goes below."""
        self.limit = limit
        loads = self.loads()
        self._lay_slopes()
        if any(load.units > room for load, room in zip(loads, self.rooms, strict=True)):
            return None
        at_least = self.bound(loads, 0)
        self.floor = at_least
        if at_least >= limit:
            return None
        self._fill_first()
        if self.limit <= at_least:
            return self.best
        unsettled: int | None = at_least
        if self._ways() > _WAYS_FEW:
            climbing = Climbing(self)
            climbing.run()
            unsettled = climbing.unsettled
            self.floor = at_least = max(at_least, climbing.floor)
        if self.packer.meter.left >= 0 and unsettled is not None and unsettled < self.limit:
            self.floor = max(at_least, unsettled)
            given = [list(row) for row in self.base]
            self._descend(0, loads, given)
        if self.packer.meter.left >= 0:
            self.floor = self.limit
        return self.best

    def settle(self, given: Sequence[Sequence[int]]) -> None:
        """Pack what each source was given, and keep it where it is the best."""
        points = self.deck.points
        packed: dict[int, tuple[Units, Packed]] = {}
        for source, row in zip(self.members, given, strict=True):
            units = tuple(row)
            if not any(units):
                return
            found = self.packer.pack(self.deck, source, units)
            points += found.points
            if points >= self.limit:
                return
            packed[source] = (units, found)
        self.limit = points
        self.best = Share(points, packed)

    def _ways(self) -> int:
        """About how many ways there are to share what is free."""
        found = 1
        for goods in self.open:
            holders = sum([row[goods] > 0 for row in self.have])
            found *= comb(self.free[goods] + holders - 1, holders - 1)
        return found

    def _fill_first(self, mend_below: int = FAR) -> None:
        """A few quick tries, so that the search knows what to beat; the best is mended if it is below so many points."""
        members = range(len(self.members))
        cheap = sorted(members, key=lambda member: (self.slopes[member], member))
        kept: list[list[int]] | None = None
        for filling in (True, False):
            given = self.fill(cheap, within_steps=filling)
            if given is not None:
                before = self.limit
                self.settle(given)
                if self.limit < before or kept is None:
                    kept = given
        if kept is not None and self.limit < mend_below and self._mend(kept):
            self.settle(kept)

    def _mend(self, given: list[list[int]]) -> bool:
        """Move units of one goods from source to source while that saves points, or gathers room in one place."""
        found = False
        loads = self._loads_of(given)
        for _ in range(_ROUNDS_MAX):
            moved = False
            for goods in self.open:
                for giver, row in enumerate(given):
                    if row[goods] > self.base[giver][goods] and self._move(
                        goods, giver, given, loads
                    ):
                        moved = found = True
            if not moved:
                break
        return found

    def _move(self, goods: int, giver: int, given: list[list[int]], loads: list[_Load]) -> bool:
        """Move units of these goods from ``giver`` to whom it saves most; whether it did."""
        board = self.board
        weight, volume = board.grams[goods], board.volumes[goods]
        movable = given[giver][goods] - self.base[giver][goods]
        old = loads[giver]
        now = self._worth(giver, old, 0, goods)
        saved: dict[int, int] = {}
        best: tuple[int, int, int] | None = None
        for taker, load in enumerate(loads):
            room = min(
                movable,
                self.have[taker][goods] - given[taker][goods],
                self.rooms[taker] - load.units,
                old.units - 1,
            )
            if taker == giver or room <= 0:
                continue
            before = self._worth(taker, load, 0, goods)
            extra = self.least[taker][goods] - self.least[giver][goods]
            for count in (room, 1) if room > 1 else (1,):
                if count not in saved:
                    saved[count] = self._worth(giver, old, -count, goods) - now
                gain = self._worth(taker, load, count, goods) - before + saved[count]
                gain += count * extra << _WORTH
                if gain < 0 and (best is None or gain < best[0]):
                    best = (gain, taker, count)
        if best is None:
            return False
        _, taker, count = best
        for member, sign in ((giver, -count), (taker, count)):
            given[member][goods] += sign
            load = loads[member]
            load.grams += sign * weight
            load.volume += sign * volume
            load.units += sign
            load.extra += sign * self.least[member][goods]
            if sign > 0:
                load.bits |= board.bits[goods]
        return True

    def _worth(self, member: int, load: _Load, count: int, goods: int) -> int:
        """Points with ``count`` units more, scaled, less a little for room gathered under the step."""
        board = self.board
        bits = load.bits | board.bits[goods] if count > 0 else load.bits
        stairs = self.deck.stairs(self.members[member], bits)
        size = load.grams + count * board.grams[goods]
        place = stairs.step(size)
        if place >= len(stairs.points):
            return FAR << _WORTH
        room = stairs.tops[place] - size
        points = stairs.points[place]
        if board.volumetric:
            by_volume = self.deck.stairs(self.members[member], bits, by_volume=True)
            points = max(points, by_volume.at(load.volume + count * board.volumes[goods]) or points)
        return (points << _WORTH) - min(room * room, (1 << _WORTH) - 1) // (2 * len(self.members))

    def _loads_of(self, given: Sequence[Sequence[int]]) -> list[_Load]:
        board, found = self.board, []
        for row, least in zip(given, self.least, strict=True):
            load = _Load(0, 0, 0, 0, 0)
            for place, count in enumerate(row):
                if count:
                    load.grams += count * board.grams[place]
                    load.volume += count * board.volumes[place]
                    load.bits |= board.bits[place]
                    load.units += count
                    load.extra += count * least[place]
            found.append(load)
        return found

    def fill(self, order: Sequence[int], *, within_steps: bool) -> list[list[int]] | None:
        """Share greedily: sources take what they can in this order, at first only to the top of a step paid for."""
        given = [list(row) for row in self.base]
        left = list(self.free)
        rooms = [room - sum(row) for room, row in zip(self.rooms, given, strict=True)]
        for member, row in enumerate(given):
            if not any(row):  # each of them sends something
                for goods in self.open:
                    if self._spare(member, goods, given, left, rooms) > 0:
                        row[goods] += 1
                        left[goods] -= 1
                        rooms[member] -= 1
                        break
        if within_steps and not self._fill_steps(given, left, rooms):
            return None
        for member in order:
            row, have, room = given[member], self.have[member], rooms[member]
            for goods in self.open:
                count = left[goods]
                if count:
                    count = min(count, have[goods] - row[goods], room)
                    if count > 0:
                        row[goods] += count
                        left[goods] -= count
                        room -= count
        return None if any(left) else given

    def _fill_steps(self, given: list[list[int]], left: list[int], rooms: list[int]) -> bool:
        """Fill up the steps that are paid for; whether there are steps at all for what is given already."""
        for member, load in enumerate(self._loads_of(given)):
            stairs = self.deck.stairs(self.members[member], load.bits)
            place = stairs.step(load.grams)
            if place >= len(stairs.tops):
                return False
            room = stairs.tops[place] - load.grams
            for goods in self.open:
                grams = self.board.grams[goods]
                count = self._spare(member, goods, given, left, rooms)
                if grams:
                    count = min(count, room // grams)
                if count > 0:
                    room -= count * grams
                    given[member][goods] += count
                    left[goods] -= count
                    rooms[member] -= count
        return True

    def _spare(
        self,
        member: int,
        goods: int,
        given: Sequence[Sequence[int]],
        left: Sequence[int],
        rooms: Sequence[int],
    ) -> int:
        return min(left[goods], self.have[member][goods] - given[member][goods], rooms[member])

    def _descend(self, depth: int, loads: list[_Load], given: list[list[int]]) -> None:
        if depth == len(self.open):
            self.settle(given)
            return
        if self.plain:
            key = (depth, *[load.key() for load in loads])
            if key in self._seen:
                return
            self._seen.add(key)
        goods = self.open[depth]
        spare = [
            min(have[goods] - row[goods], room - load.units)
            for have, row, room, load in zip(self.have, given, self.rooms, loads, strict=True)
        ]
        children = []
        for number, counts in enumerate(_spreads(self.free[goods], spare)):
            if not self.packer.meter.spend(1 + len(self.members) // 5):
                return
            after = self._given(loads, goods, counts)
            bound = self.bound(after, depth + 1)
            if bound < self.limit:
                children.append((bound, number, counts, after))
        children.sort(key=lambda child: child[:2])
        for bound, _, counts, after in children:
            # a sibling may have lowered the limit meanwhile
            if bound >= self.limit or self.limit <= self.floor or self.packer.meter.left < 0:
                return
            for row, count in zip(given, counts, strict=True):
                row[goods] += count
            self._descend(depth + 1, after, given)
            for row, count in zip(given, counts, strict=True):
                row[goods] -= count

    def _given(self, loads: Sequence[_Load], goods: int, counts: Sequence[int]) -> list[_Load]:
        board = self.board
        grams, volume, bits = board.grams[goods], board.volumes[goods], board.bits[goods]
        return [
            _Load(
                load.grams + count * grams,
                load.volume + count * volume,
                load.bits | bits,
                load.units + count,
                load.extra + count * least[goods],
            )
            if count
            else load
            for load, count, least in zip(loads, counts, self.least, strict=True)
        ]


def _spreads(count: int, spare: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Each way to take ``count`` units from members that have so many to spare."""
    last = len(spare) - 1
    if last == 0:
        if count <= spare[0]:
            yield (count,)
        return
    rest = sum(spare[1:])
    for here in range(min(count, spare[0]), max(0, count - rest) - 1, -1):
        for others in _spreads(count - here, spare[1:]):
            yield (here, *others)
