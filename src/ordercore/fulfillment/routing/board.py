"""The board: a routing problem as whole numbers, for a search to play on.

*Goods* are the units of one SKU, a *lane* is a service from a source, *bits* mark the traits that some surcharge
or refusal asks for. Points are weighted already.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from ordercore.errors import InvalidManifest
from ordercore.fulfillment.carriage import MILLION, SurchargePer
from ordercore.fulfillment.routing.stairs import Stairs, in_parcels, lowest
from ordercore.fulfillment.source import great_circle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.fulfillment.carriage import Rate, Service, Trait
    from ordercore.fulfillment.item import Item
    from ordercore.fulfillment.routing.problem import RoutingProblem
    from ordercore.fulfillment.source import Source

__all__ = ["FAR", "Board", "Deck", "Goods", "Lane"]

FAR: Final = 1 << 60
"""More points than any route has."""


class Goods:
    """The units of one SKU over all lines that ask for it."""

    __slots__ = ("bits", "grams", "items", "quantity", "sku", "volume")

    def __init__(self, items: list[Item], bits: int) -> None:
        first = items[0]
        self.sku = first.sku
        self.items = items
        self.quantity = sum([item.quantity for item in items])
        self.grams = first.weight_grams
        self.volume = first.volume_cm3
        self.bits = bits


class Lane:
    """A service from a source to the destination."""

    __slots__ = (
        "banned", "days", "divisor", "extras", "fixed", "max_cm3", "max_grams", "meters", "number",
        "points", "rate", "service", "source", "tops", "unit_extras",
    )  # fmt: skip

    def __init__(self, number: int, source: int, service: Service, rate: Rate) -> None:
        self.number = number
        self.source = source
        self.service = service
        self.rate = rate
        self.divisor = service.divisor_cm3
        self.max_grams = service.max_grams
        self.max_cm3 = service.max_cm3
        self.banned = 0
        self.extras: list[tuple[int, int]] = []
        self.unit_extras: list[int] = []
        self.days = 0
        self.meters = 0
        self.fixed = 0
        self.tops: list[int] = []
        self.points: list[int] = []

    def climb(self, upto: int, weight: int) -> None:
        """Lay out the steps until ``upto`` grams; ``weight`` points for each minor unit."""
        for top, price in self.rate.stairs(min(upto, self.max_grams)):
            self.tops.append(min(top, self.max_grams))
            self.points.append(price * weight + self.fixed)
            if top >= self.max_grams:
                break

    def parcel(self, grams: int, volume: int, bits: int) -> int:
        """Points of one parcel without surcharges by unit; `FAR` for one that the lane does not take."""
        if bits & self.banned or (self.max_cm3 and volume > self.max_cm3):
            return FAR
        if self.divisor:
            grams = max(grams, -(-volume * 1_000 // self.divisor))
        place = bisect_left(self.tops, grams)
        if place >= len(self.tops):
            return FAR
        found = self.points[place]
        for bit, extra in self.extras:
            if bits & bit:
                found += extra
        return found


class Deck:
    """The lanes that arrive within some days, with bounds on what goods cost on them."""

    def __init__(self, board: Board, days: int) -> None:
        self.board = board
        self.days = days
        self.points = days * board.problem.weights.day
        count = len(board.goods)
        self.lanes: list[list[Lane]] = [
            [lane for lane in lanes if lane.days <= days] for lanes in board.lanes
        ]
        # units of each goods that a source can send in time
        self.units: list[list[int]] = []
        # the least surcharge by unit
        self.unit_least: list[list[int]] = []
        for source, lanes in enumerate(self.lanes):
            units, least = [0] * count, [0] * count
            for place, goods in enumerate(board.goods):
                fit = [lane for lane in lanes if board.fits(lane, goods)]
                if fit:
                    units[place] = board.stock[source][place]
                    least[place] = min([lane.unit_extras[place] for lane in fit])
            self.units.append(units)
            self.unit_least.append(least)
        self._stairs: dict[tuple[int, int, bool], Stairs] = {}
        self._many: dict[tuple[int, bool], list[tuple[int, int]]] = {}
        self._plain: list[bool | None] = [None] * len(self.lanes)
        self._per_gram: dict[int, int] = {}
        self._heaviest: dict[tuple[int, bool], int] = {}

    def stairs(self, source: int, bits: int, *, by_volume: bool = False) -> Stairs:
        """A lower bound on what goods with these traits cost from a source, by their weight or volume."""
        key = (source, bits, by_volume)
        found = self._stairs.get(key)
        if found is None:
            steps = self._single(source, bits, by_volume=by_volume)
            least = 0
            for bit in self.board.each_bit(bits):
                extra = [lane.extras for lane in self.lanes[source] if not lane.banned & bit]
                least += min(
                    [sum([points for of, points in pairs if of == bit]) for pairs in extra],
                    default=0,
                )
            many = self._in_parcels(source, by_volume=by_volume)
            steps = lowest([*steps, *[(top, points + least) for top, points in many]])
            found = self._stairs[key] = Stairs(steps)
        return found

    def per_gram(self, source: int) -> int:
        """The least points per gram that a source takes, scaled as the slopes of `Stairs`."""
        found = self._per_gram.get(source)
        if found is None:
            found = self._per_gram[source] = self.stairs(source, 0).per_gram()
        return found

    def _single(self, source: int, bits: int, *, by_volume: bool) -> list[tuple[int, int]]:
        steps = []
        most = self._most(source, by_volume=by_volume)
        for lane in self.lanes[source]:
            if lane.banned & bits:
                continue
            extra = sum([points for bit, points in lane.extras if bit & bits])
            for top, points in zip(lane.tops, lane.points, strict=True):
                limit = top
                if by_volume:
                    limit = top * lane.divisor // 1_000 if lane.divisor else most
                    if lane.max_cm3:
                        limit = min(limit, lane.max_cm3)
                steps.append((min(limit, most), points + extra))
                if limit >= most:
                    break
        return lowest(steps)

    def _most(self, source: int, *, by_volume: bool) -> int:
        """The weight or the volume of all that a source can send."""
        key = (source, by_volume)
        found = self._heaviest.get(key)
        if found is None:
            found = sum(
                [
                    units * (goods.volume if by_volume else goods.grams)
                    for units, goods in zip(self.units[source], self.board.goods, strict=True)
                ]
            )
            self._heaviest[key] = found
        return found

    def _in_parcels(self, source: int, *, by_volume: bool) -> list[tuple[int, int]]:
        """The steps of two or more parcels, of any traits."""
        key = (source, by_volume)
        found = self._many.get(key)
        if found is None:
            single = self._single(source, 0, by_volume=by_volume)
            most = self._most(source, by_volume=by_volume)
            covered = bool(single) and single[-1][0] >= most
            # where each parcel takes everything, two are asked for only below the price of one
            limit = FAR
            if covered and not self.board.picky[source]:
                limit = single[-1][1] - 1
            found = in_parcels(single, most, limit) if single else []
            self._many[key] = found
        return found

    def plain(self, source: int) -> bool:
        """Whether one parcel is always best: then weight, volume and traits alone tell the points."""
        known = self._plain[source]
        if known is None:
            known = self._plain[source] = self._is_plain(source)
        return known

    def _is_plain(self, source: int) -> bool:
        lanes = self.lanes[source]
        if self.board.picky[source] or self.board.border is not None or not lanes:
            return False
        if self.board.volumetric and (
            len({lane.divisor for lane in lanes}) > 1 or any([lane.max_cm3 for lane in lanes])
        ):
            return False
        steps = lowest(
            [step for lane in lanes for step in zip(lane.tops, lane.points, strict=True)]
        )
        heaviest, volume = self._most(source, by_volume=False), self._most(source, by_volume=True)
        if lanes[0].divisor:
            heaviest = max(heaviest, -(-volume * 1_000 // lanes[0].divisor))
        single = Stairs(steps)
        if not steps or steps[-1][0] < heaviest:
            return False
        beyond = in_parcels(steps, heaviest, (single.at(heaviest) or 0) - 1)
        return all((single.at(top) or 0) <= points for top, points in beyond)


class Board:
    """All of a problem as lists of numbers, by the index of source and goods."""

    def __init__(self, problem: RoutingProblem, border: object | None = None) -> None:
        self.problem = problem
        self.border = border
        self._traits = _traits_asked_for(problem)
        self.goods = self._goods()
        self.grams = [goods.grams for goods in self.goods]
        self.quantities = [goods.quantity for goods in self.goods]
        self.volumes = [goods.volume for goods in self.goods]
        self.bits = [goods.bits for goods in self.goods]
        self.capacities = [
            min(FAR if source.capacity is None else source.capacity, sum(self.quantities))
            for source in problem.sources
        ]
        self.refusals: dict[int, str] = {}
        self.lanes = self._lanes()
        self.volumetric = self._volume_matters()
        if not self.volumetric:
            self.volumes = [0] * len(self.goods)
        # what is on the shelves, and what of it can leave
        self.held = self._stock()
        self.stock = [
            [min(units, room) for units in row]
            for row, room in zip(self.held, self.capacities, strict=True)
        ]
        for lanes in self.lanes:
            for lane in lanes:
                lane.climb(self.heaviest(lane), problem.weights.freight)
        # sources whose lanes differ in what they take or in surcharges
        self.picky = [self._differ(lanes) for lanes in self.lanes]
        self.days = sorted({lane.days for lanes in self.lanes for lane in lanes})

    def heaviest(self, lane: Lane) -> int:
        """The chargeable weight of everything together on a lane."""
        grams = sum([goods.grams * goods.quantity for goods in self.goods])
        if not lane.divisor:
            return grams
        volume = sum([goods.volume * goods.quantity for goods in self.goods])
        return max(grams, -(-volume * 1_000 // lane.divisor))

    def each_bit(self, bits: int) -> list[int]:
        """The single bits of a mask."""
        return [1 << place for place in range(bits.bit_length()) if bits >> place & 1]

    def fits(self, lane: Lane, goods: Goods) -> bool:
        """Whether a parcel of one unit can go."""
        return lane.parcel(goods.grams, goods.volume, goods.bits) < FAR

    def _bits_of(self, item: Item) -> int:
        return sum([1 << place for place, trait in enumerate(self._traits) if trait.of(item)])

    def _goods(self) -> list[Goods]:
        rows: dict[str, list[Item]] = {}
        for item in self.problem.items:
            rows.setdefault(item.sku, []).append(item)
        found = []
        for sku, items in rows.items():
            bits = self._bits_of(items[0])
            if any([self._bits_of(item) != bits for item in items]):
                reason = f"lines of {sku!r} differ in what carriers ask of goods"
                raise InvalidManifest(reason, path="items", sku=sku)
            found.append(Goods(items, bits))
        return found

    def _lanes(self) -> list[list[Lane]]:
        problem, found, number = self.problem, [], 0
        table = dict(problem.distances)
        for place, source in enumerate(problem.sources):
            lanes: list[Lane] = []
            why = source.why_not(problem.to)
            for service in problem.services if not why else ():
                if source.services and service.id not in source.services:
                    continue
                rate = service.rate(problem.to, source.area)
                if rate is None:
                    continue
                lane = Lane(number, place, service, rate)
                self._fill(lane, source, table)
                lanes.append(lane)
                number += 1
            if not lanes:
                self.refusals[place] = why or "no service goes there from it"
            found.append(lanes)
        return found

    def _fill(self, lane: Lane, source: Source, table: dict[str, int]) -> None:
        problem = self.problem
        weights, service = problem.weights, lane.service
        lane.days = lane.rate.days_max
        if problem.now is not None:
            lane.days += source.wait_days(problem.now, service)
        if source.id in table:
            lane.meters = table[source.id]
        elif source.place is not None and problem.place is not None:
            lane.meters = great_circle(source.place, problem.place)
        lane.fixed = weights.parcel + weights.kilometer * lane.meters // 1_000
        lane.fixed += weights.unsigned * (MILLION - service.signed_ppm) // 10_000
        units = [0] * len(self.goods)
        extras = [0] * len(self._traits)
        for extra in service.surcharges:
            place = self._traits.index(extra.trait)
            if extra.per is SurchargePer.PARCEL:
                extras[place] += extra.amount * weights.freight
                continue
            for number, goods in enumerate(self.goods):
                if goods.bits >> place & 1:
                    units[number] += extra.amount * weights.freight
        lane.extras = [(1 << place, points) for place, points in enumerate(extras) if points]
        lane.unit_extras = units
        refused = {*service.refuses, *source.refuses}
        for place, trait in enumerate(self._traits):
            if trait in refused:
                lane.banned |= 1 << place

    def _volume_matters(self) -> bool:
        for lanes in self.lanes:
            for lane in lanes:
                if lane.max_cm3:
                    return any(goods.volume for goods in self.goods)
                if lane.divisor and any(
                    [goods.volume * 1_000 > goods.grams * lane.divisor for goods in self.goods]
                ):
                    return True
        return False

    def _stock(self) -> list[list[int]]:
        place_of = {source.id: place for place, source in enumerate(self.problem.sources)}
        goods_of = {goods.sku: place for place, goods in enumerate(self.goods)}
        found = [[0] * len(self.goods) for _ in place_of]
        for row in self.problem.stock:
            source, goods = place_of.get(row.source), goods_of.get(row.sku)  # type: ignore[call-overload]
            if source is not None and goods is not None:
                most = self.quantities[goods]
                found[source][goods] = min(found[source][goods] + row.units, most)
        return found

    def _differ(self, lanes: Sequence[Lane]) -> bool:
        present = 0
        for goods in self.goods:
            present |= goods.bits
        if any([lane.banned & present for lane in lanes]):
            return True
        first = lanes[0] if lanes else None
        return any(
            [
                [pair for pair in lane.extras if pair[0] & present]
                != [pair for pair in first.extras if pair[0] & present]
                or lane.unit_extras != first.unit_extras
                for lane in lanes
                if first is not None
            ]
        )


def _traits_asked_for(problem: RoutingProblem) -> list[Trait]:
    """The traits that a service or a source asks for, each once, in the order of the problem."""
    found: dict[Trait, None] = {}
    for service in problem.services:
        found.update(dict.fromkeys([extra.trait for extra in service.surcharges]))
        found.update(dict.fromkeys(service.refuses))
    for source in problem.sources:
        found.update(dict.fromkeys(source.refuses))
    return list(found)
