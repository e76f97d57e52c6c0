"""The search for the best cut of each range: in full where it is small, step by step where it is not."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ordercore.errors import NotAllowed
from ordercore.fulfillment.parting import Cut, Judge, Judged, Pool, Range, Units, less, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Found", "Search", "moves"]

T = TypeVar("T")

FRONT_MAX = 400
"""Most ways that are kept for what is left; beyond it the answer is not proven."""

SINGLE_MAX = 60
"""Most units that a step-by-step search also tries each in a parcel by itself."""


class _Way(NamedTuple):
    """A way to part some units: points of freight and parcels, points of what is owed one by one, freight, parcels."""

    paid: int
    owed: int
    freight: int
    many: int
    parcels: tuple[Units, ...]


class Found(NamedTuple):
    """The best cut of all ranges, whether it is proven, and points that no cut goes below."""

    judged: Judged
    proven: bool
    floor: int


class Search:
    """One search over all ranges. ``border`` is whether what is owed counts."""

    def __init__(self, judge: Judge, pairs_max: int, steps_max: int, *, border: bool) -> None:
        self.judge = judge
        self.pairs_max = pairs_max
        self.left = steps_max
        self.border = border
        self.exact = True

    def run(self, starts: Sequence[Cut]) -> Found:
        """The best cut; ``starts`` are cuts that it is not to be worse than. Raises `NotAllowed` for goods that no
        service takes even by themselves."""
        cut: list[tuple[int, Units]] = []
        floor = 0
        for of in self.judge.ranges:
            if all([self.judge.pools[number].pairs() <= self.pairs_max for number in of.pools]):
                found, points = self._in_full(of)
                proven = True
            else:
                found, proven = self._step_by_step(of, starts), False
                points = 0
            cut += found
            floor += points if proven and self.exact else self._floor(of)
            self.exact = self.exact and proven
        judged = self.judge.judged(tuple(cut))
        assert judged is not None
        for start in starts:
            other = self.judge.judged(start)
            if other is not None and self.rank(other) < self.rank(judged):
                judged = other
        points = self.rank(judged)[0]
        # cents of a line follow the order of its parcels, so the sum may be off by them
        proven = self.exact or floor >= points
        return Found(judged, proven, points if proven else floor)

    def rank(self, judged: Judged) -> tuple[int, int]:
        """By what a cut is measured here."""
        if self.border:
            return judged.rank
        scales, costs = self.judge.scales, judged.costs
        return costs.freight * scales.freight + costs.parcels * scales.parcel, costs.parcels

    # In full ----------------------------------------------------------------------------------

    def _in_full(self, of: Range) -> tuple[Cut, int]:
        """The best cut of a range, and its points."""
        added = self.border and of.rule is not None
        fronts: list[list[tuple[_Way, tuple[tuple[int, _Way], ...]]]] = [
            [(way, ((number, way),)) for way in self._ways(number, added=added)]
            for number in of.pools
        ]
        merged = fronts[0]
        for front in fronts[1:]:
            rows = [
                (_both(one, other), (*mine, *theirs))
                for (one, mine), (other, theirs) in product(merged, front)
            ]
            merged = self._best(rows, added=added)
        together: dict[int, int] = {}
        best: tuple[tuple[int, int], tuple[tuple[int, _Way], ...]] | None = None
        for way, parcels in merged:
            owed = way.owed
            if added and way.many > 1:
                if way.freight not in together:
                    together[way.freight] = self.judge.together(of, way.freight)
                owed = max(owed, together[way.freight])
            rank = (way.paid + owed, way.many)
            if best is None or rank < best[0]:
                best = (rank, parcels)
        assert best is not None
        cut = [(number, units) for number, way in best[1] for units in way.parcels]
        return tuple(cut), best[0][0]

    def _ways(self, number: int, *, added: bool) -> list[_Way]:
        """The ways to part all of a pool that may be best. Without adding up the one with the fewest points is; with it
        one that owes more may have less freight, which the whole is assessed with."""
        pool = self.judge.pools[number]
        nothing = (0,) * len(pool.kinds)
        known: dict[Units, list[_Way]] = {nothing: [_Way(0, 0, 0, 0, ())]}
        # in this order each rest is smaller than what it is the rest of
        for left in product(*[range(count + 1) for count in pool.whole]):
            if left == nothing:
                continue
            rows: list[tuple[_Way, None]] = []
            for parcel in parts_of(left):
                rests = known[less(left, parcel)]
                first = self._first(number, pool, left, parcel) if rests else None
                if first is not None:
                    rows += [(_both(first, rest), None) for rest in rests]
            known[left] = [way for way, _ in self._best(rows, added=added)]
        if not known[pool.whole]:
            self._refuse(number)
        return known[pool.whole]

    def _first(self, number: int, pool: Pool, left: Units, parcel: Units) -> _Way | None:
        """A parcel of what is left; its units follow those that went before."""
        carried = self.judge.carried(number, parcel)
        if carried is None:
            return None
        amount, scales = carried[1].amount, self.judge.scales
        owed = 0
        if self.border:
            runs = pool.runs(less(pool.whole, left), parcel)
            owed = scales.owed(self.judge.desk.owed(runs, amount, pool.country))
        return _Way(amount * scales.freight + scales.parcel, owed, amount, 1, (parcel,))

    def _best(self, rows: list[tuple[_Way, T]], *, added: bool) -> list[tuple[_Way, T]]:
        """Of ways to part the same goods those that may be best."""
        if not rows:
            return []
        rows.sort(key=lambda row: (row[0].paid + row[0].owed, row[0].many))
        if not added:
            return rows[:1]
        kept: list[tuple[_Way, T]] = []
        for row in rows:
            way = row[0]
            if not any([_dominates(other, way) for other, _ in kept]):
                kept.append(row)
        if len(kept) > FRONT_MAX:
            self.exact = False
        return kept[:FRONT_MAX]

    def _refuse(self, number: int) -> None:
        """Name a unit that no service takes by itself."""
        pool = self.judge.pools[number]
        for place, kind in enumerate(pool.kinds):
            one = tuple([1 if other == place else 0 for other in range(len(pool.kinds))])
            why = self.judge.refusal(number, one)
            if why:
                line = kind.parts[0][0]
                raise NotAllowed(why, path=f"lines[{line}]", line=line)

    # Step by step -----------------------------------------------------------------------------

    def _step_by_step(self, of: Range, starts: Sequence[Cut]) -> Cut:
        """The best that any start leads to: the given ones, parcels filled one after the other, each kind and each
        unit by itself. Each start has the same part of the steps, and leaves to the next what it does not need."""
        cuts = [tuple([one for one in start if one[0] in of.pools]) for start in starts]
        cuts.append(tuple([one for number in of.pools for one in self._filled(number)]))
        cuts += [self._singly(of, units=False), self._singly(of, units=True)]
        rows = {}
        for cut in cuts:
            rank = self._rank_of(of, cut)
            if rank is not None:
                rows[cut] = rank
        # the least promising first: what it leaves goes to the better ones
        order = sorted(rows, key=lambda cut: rows[cut], reverse=True)
        best, least = order[-1], rows[order[-1]]
        for place, start in enumerate(order):
            cut, rank = self._improved(of, start, rows[start], self.left // (len(order) - place))
            if rank <= least:
                best, least = cut, rank
        return best

    def _singly(self, of: Range, *, units: bool) -> Cut:
        """Each kind in a parcel by itself, or each unit."""
        cut: list[tuple[int, Units]] = []
        for number in of.pools:
            whole = self.judge.pools[number].whole
            for place, count in enumerate(whole):
                single = units and sum(whole) <= SINGLE_MAX
                parcel = [0] * len(whole)
                parcel[place] = 1 if single else count
                cut += [(number, tuple(parcel))] * (count if single else 1)
        return tuple(cut)

    def _improved(
        self, of: Range, cut: Cut, rank: tuple[int, int], steps: int
    ) -> tuple[Cut, tuple[int, int]]:
        """A cut, improved by the first move that is better while steps are left."""
        better = True
        while (
            better and steps > 0
        ):  # ends: each turn is better than the one before, and steps are counted
            better = False
            for other in moves(cut):
                steps -= 1
                self.left -= 1
                found = self._rank_of(of, other)
                if found is not None and found < rank:
                    rank, cut, better = found, other, True
                    break
                if steps <= 0:
                    break
        return cut, rank

    def _rank_of(self, of: Range, cut: Cut) -> tuple[int, int] | None:
        """The points of a range's part of a cut; ``None`` where it cannot go."""
        scales, judge = self.judge.scales, self.judge
        paid = owed = 0
        taken = {number: (0,) * len(judge.pools[number].kinds) for number in of.pools}
        for number, units in cut:
            carried = judge.carried(number, units)
            if carried is None:
                return None
            amount = carried[1].amount
            paid += amount
            if self.border:
                runs = judge.pools[number].runs(taken[number], units)
                taken[number] = tuple(
                    [one + other for one, other in zip(taken[number], units, strict=True)]
                )
                owed += scales.owed(judge.desk.owed(runs, amount, judge.pools[number].country))
        if self.border and of.rule is not None and len(cut) > 1:
            owed = max(owed, judge.together(of, paid))
        return paid * scales.freight + len(cut) * scales.parcel + owed, len(cut)

    def _filled(self, number: int) -> Cut:
        """Parcels filled one after the other with as much of each kind as they take."""
        pool = self.judge.pools[number]
        left = list(pool.whole)
        cut: list[tuple[int, Units]] = []
        while any(left):  # ends: each parcel takes a unit at least, or it is refused
            units = [0] * len(left)
            for place, count in enumerate(left):
                low, high = 0, count
                while low < high:  # halves: a parcel that takes so many takes fewer
                    middle = (low + high + 1) // 2
                    units[place] = middle
                    if self.judge.carried(number, tuple(units)) is None:
                        high = middle - 1
                    else:
                        low = middle
                units[place] = low
            if not any(units):
                self._refuse(number)
                raise NotAllowed("no service takes the goods", path="services")
            left = [have - gone for have, gone in zip(left, units, strict=True)]
            cut.append((number, tuple(units)))
        return tuple(cut)

    def _floor(self, of: Range) -> int:
        """Points that no cut of a range goes below."""
        paid = parcels = owed = 0
        judge, scales = self.judge, self.judge.scales
        for number in of.pools:
            amount, count = self._freight_floor(number)
            paid += amount
            parcels += count
            pool = judge.pools[number]
            if self.border:
                runs = pool.runs((0,) * len(pool.kinds), pool.whole)
                owed += judge.desk.at_least(runs) * scales.tax
        if self.border and of.rule is not None:
            owed = max(owed, judge.together(of, paid))
        return paid * scales.freight + parcels * scales.parcel + owed

    def _freight_floor(self, number: int) -> tuple[int, int]:
        """Freight and parcels that a pool needs at least: by the cheapest gram and the lowest first step."""
        judge = self.judge
        pool = judge.pools[number]
        items = judge.items(pool.runs((0,) * len(pool.kinds), pool.whole))
        grams = sum([item.weight_grams * item.quantity for item in items])
        steps = [
            step
            for service in pool.services
            for rate in [service.rate(judge.to, pool.area)]
            if rate is not None
            for step in rate.stairs(
                # by volume a parcel may be charged for more than it weighs
                service.max_grams if service.divisor_cm3 else min(grams, service.max_grams)
            )
        ]
        if not steps:
            return 0, 1
        heaviest = max([service.max_grams for service in pool.services])
        count = max(1, -(-grams // heaviest))
        by_gram = min([-(-grams * price // top) for top, price in steps])
        return max(by_gram, count * min([price for _, price in steps])), count


def _both(one: _Way, other: _Way) -> _Way:
    return _Way(
        one.paid + other.paid,
        one.owed + other.owed,
        one.freight + other.freight,
        one.many + other.many,
        (*one.parcels, *other.parcels),
    )


def _dominates(one: _Way, other: _Way) -> bool:
    return (
        one.paid <= other.paid
        and one.owed <= other.owed
        and one.freight <= other.freight
        and one.many <= other.many
    )


def moves(cut: Cut) -> Iterator[Cut]:
    """The cuts next to one: two parcels joined, all or one of a kind moved to another parcel or into its own."""
    for place, (number, units) in enumerate(cut):
        for other in range(place + 1, len(cut)):
            if cut[other][0] == number:
                joined = tuple([a + b for a, b in zip(units, cut[other][1], strict=True)])
                rest = [one for at, one in enumerate(cut) if at not in {place, other}]
                yield (*rest, (number, joined))
    for place, (number, units) in enumerate(cut):
        for kind, count in enumerate(units):
            for moved in {count, 1} if count else ():
                yield from _moved(cut, place, number, kind, moved)


def _moved(cut: Cut, place: int, number: int, kind: int, count: int) -> Iterator[Cut]:
    """``count`` of a kind out of a parcel, into each other one and into one of its own."""
    units = cut[place][1]
    rest = tuple([have - count if at == kind else have for at, have in enumerate(units)])
    if any(rest):
        alone = tuple([count if at == kind else 0 for at in range(len(units))])
        yield (*cut[:place], (number, rest), *cut[place + 1 :], (number, alone))
    for other, (of, theirs) in enumerate(cut):
        if other == place or of != number:
            continue
        fuller = tuple([have + count if at == kind else have for at, have in enumerate(theirs)])
        new = [
            (number, fuller) if at == other else (number, rest) if at == place else one
            for at, one in enumerate(cut)
        ]
        yield tuple([one for one in new if any(one[1])])
