"""Sources chosen: branch and bound over the sets of them, the set with the lowest bound first.

A node has sources that send something and sources that are still open. Its bound holds for every set below it,
so the least bound of the nodes that were not looked at says how far the best route found can be from the best there is.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from ordercore.fulfillment.routing.board import FAR, Deck
from ordercore.fulfillment.routing.packing import Meter, Packer
from ordercore.fulfillment.routing.reaching import reach
from ordercore.fulfillment.routing.sharing import Share, Sharing
from ordercore.fulfillment.routing.stairs import SCALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.fulfillment.routing.board import Board
    from ordercore.fulfillment.routing.problem import BorderCost

__all__ = ["Choosing", "Found"]

_SMALL = 40
"""Up to so many goods times sources the search goes for the best at once; beyond it first improves a good guess."""
_SETS_FEW = 8
"""A set of sources gets at most this part of the steps at first."""
_COMPARED_MAX = 12
"""Most sets that are looked at for comparison where the search met no other."""


class Found:
    """What a search came to: the best route, the best of another set of sources, and the bound below which there is none."""

    __slots__ = ("best", "floor", "other", "other_proven", "steps")

    def __init__(self, best: Share | None, other: Share | None, floor: int, steps: int) -> None:
        self.best = best
        self.other = other
        self.floor = floor
        self.steps = steps


class _Node:
    """Sources that send something (``used``), those still open, and the deck they play on."""

    __slots__ = ("bound", "deck", "open", "used")

    def __init__(self, deck: Deck, used: tuple[int, ...], open_: tuple[int, ...]) -> None:
        self.deck = deck
        self.used = used
        self.open = open_
        self.bound = 0


class Choosing:
    """One search; `run` may be called once."""

    def __init__(self, board: Board, border: BorderCost | None) -> None:
        self.board = board
        self.steps = board.problem.steps_max
        self.meter = Meter(self.steps)
        # a look at a set of sources takes longer the larger the problem is
        self.cost = 1 + len(board.goods) * len(board.problem.sources) // 18
        self.packer = Packer(board, border, self.meter)
        self.best: Share | None = None
        self.other: Share | None = None
        self.limit = FAR
        self.floor = FAR
        self._waiting: list[tuple[int, Deck, tuple[int, ...]]] = []

    def run(self) -> Found:
        """Search until nothing can be better, or until the steps have run out."""
        board = self.board
        days = board.days if board.problem.weights.day else board.days[-1:]
        decks = [Deck(board, day) for day in days]
        if len(board.goods) * len(board.problem.sources) > _SMALL:
            self._guess(decks[-1])
        self._branch(decks)
        self._search_waiting()
        if self.best is None:  # whatever it costs, rather than nothing
            self._anything(decks[-1])
        if self.best is not None and self.other is None:
            self._second(decks[-1])
        floor = min(self.floor, self.limit)
        return Found(self.best, self.other, floor, self.steps - self.meter.left)

    # Sets of sources --------------------------------------------------------------------------

    def _branch(self, decks: Sequence[Deck]) -> None:
        queue: list[tuple[int, int, int, _Node]] = []
        number = 0
        for deck in decks:
            sources = tuple([source for source, units in enumerate(deck.units) if any(units)])
            node = self._node(deck, (), sources)
            if node is not None:
                heapq.heappush(queue, (node.bound, 0, number, node))
                number += 1
        while queue:
            bound, _, _, node = heapq.heappop(queue)
            if bound >= self.limit:
                break
            if not self.meter.spend(self.cost):
                self.floor = min(self.floor, bound)
                break
            if not node.open:
                self._share(node.deck, node.used, self.steps // _SETS_FEW)
                continue
            first, rest = self._next(node), node.open
            rest = tuple([source for source in rest if source != first])
            for used in ((*node.used, first), node.used):
                child = self._node(node.deck, used, rest)
                if child is not None and child.bound < self.limit:
                    number += 1
                    # of equal bounds the deeper node first: it is nearer to a route
                    heapq.heappush(queue, (child.bound, -len(child.used), number, child))

    def _next(self, node: _Node) -> int:
        """The open source that has most of what those in use do not have."""
        lacks = list(self.board.quantities)
        for source in node.used:
            for place, units in enumerate(node.deck.units[source]):
                lacks[place] -= units
        grams = self.board.grams

        def worth(source: int) -> int:
            return sum(
                [
                    min(lack, units) * (weight + 1)
                    for lack, units, weight in zip(
                        lacks, node.deck.units[source], grams, strict=True
                    )
                    if lack > 0
                ]
            )

        return max(node.open, key=lambda source: (worth(source), -source))

    def _node(self, deck: Deck, used: tuple[int, ...], open_: tuple[int, ...]) -> _Node | None:
        """A node with what must be so worked out; ``None`` where these sources do not have everything."""
        node = _Node(deck, used, open_)
        units, quantities = deck.units, self.board.quantities
        have = [0] * len(quantities)
        for source in (*used, *open_):
            have = [total + own for total, own in zip(have, units[source], strict=True)]
        if any([total < quantity for total, quantity in zip(have, quantities, strict=True)]):
            return None
        spare = [total - quantity for total, quantity in zip(have, quantities, strict=True)]
        # an open source without which something is short is in use
        must = [
            source
            for source in open_
            if any([own > over for own, over in zip(units[source], spare, strict=True)])
        ]
        if must:
            node.used = used = (*used, *must)
            node.open = open_ = tuple([source for source in open_ if source not in must])
        bound = self._bound(deck, used, open_, spare)
        node.bound = bound + deck.points + self.packer.border_floor(tuple(quantities))
        return node if bound < FAR else None

    def _bound(
        self, deck: Deck, used: Sequence[int], open_: Sequence[int], spare: Sequence[int]
    ) -> int:
        """Points of all sets that use ``used`` and any of ``open_``: the greater of two bounds."""
        board = self.board
        found = flat = 0
        free = list(board.quantities)
        covered = [-quantity for quantity in board.quantities]
        slopes: list[tuple[int, int]] = []
        forced: dict[int, list[int]] = {}
        for source in used:
            grams = bits = extra = 0
            own, least = deck.units[source], deck.unit_least[source]
            needed = [count - over for count, over in zip(own, spare, strict=True)]
            for place, count in enumerate(needed):
                covered[place] += own[place]
                if count > 0:
                    grams += count * board.grams[place]
                    bits |= board.bits[place]
                    extra += count * least[place]
                    free[place] -= count
            forced[source] = needed
            stairs = deck.stairs(source, bits)
            step = stairs.step(grams)
            if step >= len(stairs.points):
                return FAR
            found += stairs.points[step] + extra
            slope = stairs.grade(step)  # 0 where the last step carries all that it has
            flat -= (stairs.tops[step] - grams) * slope
            slopes.append((slope, source))
        opens = FAR
        lacking = min(covered) < 0
        for source in open_:
            stairs = deck.stairs(source, 0)
            if not stairs.points:
                continue
            slopes.append((deck.per_gram(source), source))
            if lacking and stairs.points[0] < opens:
                own = deck.units[source]
                if any([short < 0 < count for short, count in zip(covered, own, strict=True)]):
                    opens = stairs.points[0]
        along = found + (-(-(flat + self._poured(deck, slopes, free, forced)) >> SCALE))
        return max(along, found + opens if lacking else found)

    def _poured(
        self,
        deck: Deck,
        slopes: list[tuple[int, int]],
        free: Sequence[int],
        forced: dict[int, list[int]],
    ) -> int:
        """What goods that no source must send cost at least, each where its grams are cheapest."""
        slopes.sort()
        points = 0
        grams = self.board.grams
        for place, asked in enumerate(free):
            left = asked
            if not left:
                continue
            for slope, source in slopes:
                count = deck.units[source][place]
                if source in forced and forced[source][place] > 0:
                    count -= forced[source][place]
                if count > 0:
                    count = min(count, left)
                    points += count * grams[place] * slope
                    left -= count
                    if not left:
                        break
        return points

    # Sharing over a set -----------------------------------------------------------------------

    def _share(self, deck: Deck, used: tuple[int, ...], allowed: int) -> None:
        """Search a set within so many steps; one that takes more waits until the others were looked at."""
        meter = self.meter
        kept = meter.left - min(allowed, meter.left)
        meter.left -= kept
        sharing = Sharing(deck, self.packer, tuple(sorted(used)))
        self._keep(sharing.run(self.limit))
        if meter.left < 0:
            self._waiting.append((sharing.floor, deck, used))
            meter.left = 0
        meter.left += kept

    def _search_waiting(self) -> None:
        """Give what steps are left to the sets that took too many, the most promising first."""
        self._waiting.sort(key=lambda row: row[0])
        waiting, self._waiting = self._waiting, []
        for floor, deck, used in waiting:
            if floor >= self.limit:
                continue
            if self.meter.left > 0:
                self._share(deck, used, self.meter.left)
            else:
                self.floor = min(self.floor, floor)
        for floor, _, _ in self._waiting:
            self.floor = min(self.floor, floor)

    def _keep(self, share: Share | None) -> None:
        """Take a route in: as the best, or as the best of another set of sources."""
        if share is None:
            return
        if self.best is None or share.points < self.best.points:
            if self.best is not None and [*self.best.packed] != [*share.packed]:
                self.other = self.best
            self.best, self.limit = share, share.points
        elif [*share.packed] != [*self.best.packed] and (
            self.other is None or share.points < self.other.points
        ):
            self.other = share

    def _quick(self, deck: Deck, members: tuple[int, ...]) -> Share | None:
        """A good way to share over a set, without a search."""
        sharing = Sharing(deck, self.packer, members)
        # what is within a few percent of the best is worth mending
        return sharing.quick(self.limit + self.limit // 30) if sharing.feasible else None

    def _second(self, deck: Deck) -> None:
        """Another set of sources for comparison: one less, one more, one in place of another."""
        best = self.best
        if best is None:
            return
        used = tuple(best.packed)
        every = [source for source, units in enumerate(deck.units) if any(units)]
        self.packer.hurried = True
        for members in _near(used, every)[:_COMPARED_MAX]:
            share = self._quick(deck, members)
            if share is not None and tuple(share.packed) != used:
                self._keep(share)
        self.packer.hurried = False

    def _guess(self, deck: Deck) -> None:
        """Local search over sets of sources: open one, close one, put one in another's place."""
        every = tuple([source for source, units in enumerate(deck.units) if any(units)])
        self.packer.hurried = True
        starts = [self._covering(deck, every, by_price=by_price) for by_price in (True, False)]
        allowed = self.meter.left // 4
        for members in dict.fromkeys([*starts, every]):
            if self.best is not None and members == every:
                break  # all of them together only where nothing else was found
            now = self._quick(deck, members)
            if now is not None:
                self._keep(now)
                self._improve(deck, now, every, self.meter.left - allowed)
        self.packer.hurried = False

    def _covering(self, deck: Deck, every: Sequence[int], *, by_price: bool) -> tuple[int, ...]:
        """Sources that have everything together: each in turn has most of what is missing, in all or for its price."""
        lacks, grams = list(self.board.quantities), self.board.grams
        open_, used = list(every), []
        while open_ and max(lacks) > 0:  # ends: one source less each time
            best: tuple[int, int] = (-1, 1)
            chosen = open_[0]
            for source in open_:
                worth = weight = 0
                for lack, units, unit in zip(lacks, deck.units[source], grams, strict=True):
                    if lack > 0 and units:
                        count = min(lack, units)
                        worth += count * (unit + 1)
                        weight += count * unit
                price = 1
                if by_price and worth:
                    price += deck.stairs(source, 0).at(weight) or 0
                if worth * best[1] > best[0] * price:
                    best, chosen = (worth, price), source
            used.append(chosen)
            open_.remove(chosen)
            lacks = [lack - units for lack, units in zip(lacks, deck.units[chosen], strict=True)]
        return tuple(sorted(used))

    def _anything(self, deck: Deck) -> None:
        """Any route at all, for want of steps to find a good one."""
        given = reach(deck.units, self.board.quantities, self.board.capacities)
        if given is None:
            return
        members = tuple([source for source, row in enumerate(given) if any(row)])
        sharing = Sharing(deck, self.packer, members)
        self.packer.hurried = True
        sharing.settle([given[source] for source in members])
        self._keep(sharing.best)
        self.packer.hurried = False

    def _improve(self, deck: Deck, now: Share, every: tuple[int, ...], until: int) -> None:
        looked: set[tuple[int, ...]] = set()
        better = True
        while better:
            better = False
            for members in _near(tuple(now.packed), every):
                if members in looked:
                    continue
                looked.add(members)
                if self.meter.left < until or not self.meter.spend(self.cost):
                    return
                node = self._node(deck, members, ())
                if node is None or node.bound >= now.points:
                    continue
                self.meter.spend(6 * self.cost)
                share = self._quick(deck, members)
                if share is not None:
                    self._keep(share)
                    if share.points < now.points:
                        now, better = share, True
                        break


def _near(used: tuple[int, ...], every: Sequence[int]) -> list[tuple[int, ...]]:
    """Sets that differ by one source: one less, one more, one in place of another."""
    others = [source for source in every if source not in used]
    found = [tuple([s for s in used if s != gone]) for gone in used if len(used) > 1]
    found += [tuple(sorted((*used, more))) for more in others]
    found += [
        tuple(sorted([more if s == gone else s for s in used])) for gone in used for more in others
    ]
    return found
