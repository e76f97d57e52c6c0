"""What one source sends, parted over parcels: one parcel where that is best, else a search of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ordercore.allocation import share_of_units
from ordercore.errors import PortFailed
from ordercore.fulfillment.carriage import freight
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.routing.board import FAR, Lane

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.fulfillment.routing.board import Board, Deck
    from ordercore.fulfillment.routing.problem import BorderCost

__all__ = ["Meter", "Packed", "Packer", "Parcels", "Units", "part_of"]

Units: TypeAlias = tuple[int, ...]
"""How many of each goods."""
Parcels: TypeAlias = tuple[tuple[Lane, Units], ...]


class Meter:
    """The steps that a search may still take."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> bool:
        """Take steps; whether there were any left."""
        self.left -= steps
        return self.left >= 0


class Packed:
    """Goods of a source in parcels: their points, and the points that no other parting goes below."""

    __slots__ = ("floor", "parcels", "points")

    def __init__(self, points: int, parcels: Parcels, floor: int) -> None:
        self.points = points
        self.parcels = parcels
        self.floor = floor


_NONE = Packed(0, (), 0)


class Packer:
    """Packs goods on a deck, and remembers what it has packed."""

    def __init__(self, board: Board, border: BorderCost | None, meter: Meter) -> None:
        self.board = board
        self.border = border
        self.meter = meter
        # in a hurry parcels are filled greedily; what was packed so is not taken for the best later
        self.hurried = False
        self._rough: dict[tuple[int, int, Units], Packed] = {}
        self._known: dict[tuple[int, int, Units], Packed] = {}
        self._owed: dict[tuple[int, Units], int] = {}
        self._least: dict[Units, int] = {}

    def pack(self, deck: Deck, source: int, units: Units) -> Packed:
        """The best parcels for these units; where the steps run out, good ones and a floor below them."""
        key = (deck.days, source, units)
        found = self._known.get(key)
        if found is None and self.hurried:
            found = self._rough.get(key)
        if found is None:
            found = self._pack(deck, source, units)
            if found.floor >= found.points:
                self._known[key] = found
            elif self.hurried:
                self._rough[key] = found
        return found

    def _pack(self, deck: Deck, source: int, units: Units) -> Packed:
        if not any(units):
            return _NONE
        points, lane = self._one(deck, source, units)
        one: Parcels = ((lane, units),) if lane is not None else ()
        floor = self.floor(deck, source, units)
        if points <= floor:
            return Packed(points, one, points)
        greedy = self._greedily(deck, source, units)
        best = greedy if greedy.points < points else Packed(points, one, floor)
        if best.points <= floor:
            return Packed(best.points, best.parcels, best.points)
        if self.hurried:
            return Packed(best.points, best.parcels, floor)
        return self._parted(deck, source, units, best, floor)

    def floor(self, deck: Deck, source: int, units: Units) -> int:
        """Points that these units cost at least, in however many parcels."""
        grams = volume = bits = extra = 0
        least = deck.unit_least[source]
        board = self.board
        for place, count in enumerate(units):
            if count:
                grams += board.grams[place] * count
                volume += board.volumes[place] * count
                bits |= board.bits[place]
                extra += least[place] * count
        found = deck.stairs(source, bits).at(grams)
        if found is None:
            return FAR
        if board.volumetric:
            by_volume = deck.stairs(source, bits, by_volume=True).at(volume)
            if by_volume is None:
                return FAR
            found = max(found, by_volume)
        return found + extra + self.border_floor(units)

    def border_floor(self, units: Units) -> int:
        """Points that these units owe at a border at least."""
        if self.border is None:
            return 0
        found = self._least.get(units)
        if found is None:
            owed = _asked(self.border.at_least(self.items(units)), "border.at_least")
            found = self._least[units] = owed * self.board.problem.weights.border
        return found

    def items(self, units: Units) -> tuple[Item, ...]:
        """Units as items; of one SKU, from its lines in their order."""
        return tuple(
            [
                item
                for goods, count in zip(self.board.goods, units, strict=True)
                if count
                for item in _taken(goods.items, 0, count)
            ]
        )

    def parcel(self, lane: Lane, units: Units) -> int:
        """The points of one parcel, `FAR` where the lane does not take it."""
        board = self.board
        grams = volume = bits = extra = 0
        for place, count in enumerate(units):
            if count:
                grams += board.grams[place] * count
                volume += board.volumes[place] * count
                bits |= board.bits[place]
                extra += lane.unit_extras[place] * count
        found = lane.parcel(grams, volume, bits)
        if found >= FAR:
            return FAR
        found += extra
        return found if self.border is None else found + self._border(lane, units)

    def _border(self, lane: Lane, units: Units) -> int:
        """The border's share of a parcel's points."""
        weights = self.board.problem.weights
        if not weights.border or self.border is None:
            return 0
        key = (lane.number, units)
        found = self._owed.get(key)
        if found is None:
            source = self.board.problem.sources[lane.source]
            paid = self.freight(lane, units)
            owed = _asked(self.border.cost(source, self.items(units), paid), "border.cost")
            found = self._owed[key] = owed * weights.border
        return found

    def freight(self, lane: Lane, units: Units) -> int:
        """What the carrier is paid for a parcel, in minor units."""
        problem = self.board.problem
        area = problem.sources[lane.source].area
        return freight(lane.service, self.items(units), problem.to, area).amount

    def _one(self, deck: Deck, source: int, units: Units) -> tuple[int, Lane | None]:
        best, chosen = FAR, None
        for lane in deck.lanes[source]:
            points = self.parcel(lane, units)
            if points < best:
                best, chosen = points, lane
        return best, chosen

    def _greedily(self, deck: Deck, source: int, units: Units) -> Packed:
        """Parcel after parcel, each as full as it gets, the one with the fewest points per gram first."""
        left, points = list(units), 0
        parcels: list[tuple[Lane, Units]] = []
        while any(left):  # ends: each turn packs a unit at least
            best: tuple[int, int, Lane, Units] | None = None
            for lane in deck.lanes[source]:
                chosen = self._filled(lane, left)
                cost = self.parcel(lane, chosen) if any(chosen) else FAR
                if cost >= FAR:
                    continue
                grams = 1 + sum([n * g for n, g in zip(chosen, self.board.grams, strict=True)])
                if best is None or cost * best[1] < best[0] * grams:
                    best = (cost, grams, lane, chosen)
            if best is None:
                return Packed(FAR, (), 0)
            cost, _, lane, chosen = best
            points += cost
            parcels.append((lane, chosen))
            left = [have - gone for have, gone in zip(left, chosen, strict=True)]
        return Packed(points, tuple(parcels), 0)

    def _filled(self, lane: Lane, left: list[int]) -> Units:
        """As many units as fit into one parcel, the heaviest first."""
        board, grams, volume = self.board, 0, 0
        chosen = [0] * len(left)
        order = sorted(range(len(left)), key=lambda place: (-board.grams[place], place))
        limit = lane.tops[-1] if lane.tops else -1
        for place in order:
            if not left[place] or board.bits[place] & lane.banned:
                continue
            count = left[place]
            unit, room = board.grams[place], board.volumes[place]
            if unit:
                count = min(count, (limit - grams) // unit)
            if room and lane.divisor:
                count = min(count, (limit * lane.divisor // 1_000 - volume) // room)
            if room and lane.max_cm3:
                count = min(count, (lane.max_cm3 - volume) // room)
            if count > 0:
                chosen[place] = count
                grams += unit * count
                volume += room * count
        return tuple(chosen)

    def _parted(self, deck: Deck, source: int, units: Units, best: Packed, floor: int) -> Packed:
        """Try every first parcel with a unit of the first goods, and the best parting of the rest."""
        first = next(place for place, count in enumerate(units) if count)
        for chosen in _parts(units, first):
            if not self.meter.spend():
                return Packed(best.points, best.parcels, floor)
            rest = tuple([have - gone for have, gone in zip(units, chosen, strict=True)])
            below = self.floor(deck, source, rest)
            if below >= best.points:
                continue
            points, lane = self._one(deck, source, chosen)
            if lane is None or points + below >= best.points:
                continue
            others = self.pack(deck, source, rest)
            if points + others.points < best.points:
                parcels = ((lane, chosen), *others.parcels)
                best = Packed(points + others.points, parcels, floor)
                if best.points <= floor:
                    break
        # a rest that was packed while steps were left was searched in full
        done = self.meter.left >= 0
        return Packed(best.points, best.parcels, best.points if done else floor)


def _asked(answer: int, port: str) -> int:
    if type(answer) is not int or answer < 0:
        raise PortFailed("a border cost is a whole number, 0 or more", path=port, port=port)
    return answer


def _taken(items: list[Item], skipped: int, count: int) -> list[Item]:
    """The units after the first ``skipped`` of these items, ``count`` of them."""
    found = []
    for item in items:
        here = min(item.quantity - skipped, count)
        if here > 0:
            found.append(part_of(item, skipped, here))
            count -= here
        skipped = max(0, skipped - item.quantity)
        if not count:
            break
    return found


def part_of(item: Item, first: int, count: int) -> Item:
    """The units after the first ``first`` of an item, with their share of its amount."""
    if count == item.quantity:
        return item
    return Item(
        item.line, item.sku, count, item.weight_grams, item.volume_cm3,
        share_of_units(item.amount, item.quantity, first, count), item.category, item.merchant,
        item.attributes, item.customs,
    )  # fmt: skip


def _parts(units: Units, first: int) -> Iterator[Units]:
    """Each proper part of the units with one of the first goods at least, the fullest first."""
    chosen = list(units)
    while True:
        place = len(chosen) - 1
        while place >= 0:  # count down, like an odometer
            least = 1 if place == first else 0
            if chosen[place] > least:
                chosen[place] -= 1
                break
            chosen[place] = units[place]
            place -= 1
        if place < 0:
            return
        yield tuple(chosen)
