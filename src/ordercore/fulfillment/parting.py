"""Goods parted over parcels so that freight, duty and tax together are least: the search of `linking`.

Goods that may share a parcel are a *pool*. A *kind* is what is the same in it: the units of a line, or a group that
stays whole. Pools that customs add up are a *range*: it is judged as a whole, and ranges do not touch each other.
A *cut* is a way to part all pools. Small ranges are searched in full: what is left is a count of each kind, and the best
way to part it is a first parcel and the best way to part the rest. Larger ones are improved step by step.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ordercore.allocation import allocate, share_of_units
from ordercore.errors import NotAllowed
from ordercore.fulfillment.carriage import FreightEstimate, Service, freight
from ordercore.fulfillment.consignment import CustomsDesk, Owed, Run
from ordercore.fulfillment.item import Item
from ordercore.goods import LineId

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ordercore.fulfillment.adding_up import AddingUp
    from ordercore.fulfillment.source import Source
    from ordercore.party import Destination

__all__ = [
    "Costs",
    "Cut",
    "Judge",
    "Judged",
    "Kind",
    "Placed",
    "Pool",
    "Range",
    "Scales",
    "Units",
    "less",
    "parts_of",
]

Units: TypeAlias = tuple[int, ...]
"""How many of each kind of a pool."""
Cut: TypeAlias = tuple[tuple[int, Units], ...]
"""Parcels: the number of the pool, and the units."""


class Kind(NamedTuple):
    """Units that are alike: each takes so many units of these lines, which begin so far into the line."""

    parts: tuple[tuple[LineId, int, int], ...]
    quantity: int

    def runs(self, skipped: int, count: int) -> list[Run]:
        """The units of lines in ``count`` of it after the first ``skipped``."""
        return [Run(line, first + skipped * each, count * each) for line, first, each in self.parts]


class Pool:
    """Goods that may go together: from one place, with nothing that keeps them apart."""

    def __init__(
        self,
        names: tuple[str, ...],
        source: Source | None,
        services: tuple[Service, ...],
        kinds: tuple[Kind, ...],
        given: tuple[Units, ...],
    ) -> None:
        self.names = names
        self.source = source
        self.services = services
        self.kinds = kinds
        self.given = given
        self.whole: Units = tuple([kind.quantity for kind in kinds])
        self.area = source.area if source is not None else ""
        self.country = source.country if source is not None else ""

    def pairs(self) -> int:
        """How many pairs of what is left and a next parcel a full search looks at."""
        found = 1
        for kind in self.kinds:
            found *= (kind.quantity + 1) * (kind.quantity + 2) // 2
        return found

    def runs(self, skipped: Units, units: Units) -> list[Run]:
        """The units of lines in ``units`` after the first ``skipped`` of each kind."""
        return [
            run
            for kind, before, count in zip(self.kinds, skipped, units, strict=True)
            if count
            for run in kind.runs(before, count)
        ]


class Range(NamedTuple):
    """Pools that are judged together, and the rule by which customs add their parcels up."""

    pools: tuple[int, ...]
    rule: AddingUp | None
    country: str


class Scales(NamedTuple):
    """Points for a minor unit of freight, duty, tax, and for a parcel."""

    freight: int
    duty: int
    tax: int
    parcel: int

    def owed(self, owed: Owed) -> int:
        """The points of what is owed."""
        return self.duty * owed.duty + self.tax * owed.tax


class Placed(NamedTuple):
    """A parcel that was judged. ``duty`` and ``tax`` are what counts, by itself or as a part of what was added up;
    ``together`` is the consignment that it was added up to."""

    pool: int
    units: Units
    runs: tuple[Run, ...]
    service: Service
    estimate: FreightEstimate
    owed: Owed
    duty: int
    tax: int
    together: Owed | None


class Costs(NamedTuple):
    """What a cut comes to, in minor units, and its points."""

    freight: int
    duty: int
    tax: int
    parcels: int
    points: int


class Judged(NamedTuple):
    """A cut with its costs; ``added`` are the numbers of the ranges that were added up."""

    cut: Cut
    placed: tuple[Placed, ...]
    costs: Costs
    added: tuple[int, ...]

    @property
    def rank(self) -> tuple[int, int]:
        """Fewer points are better, then fewer parcels."""
        return self.costs.points, self.costs.parcels


class Judge:
    """What parcels cost: freight, and what they owe, one by one and added up."""

    def __init__(
        self,
        desk: CustomsDesk,
        items: Sequence[Item],
        pools: Sequence[Pool],
        ranges: Sequence[Range],
        to: Destination,
        scales: Scales,
        max_grams: int,
    ) -> None:
        self.desk = desk
        self.pools = pools
        self.ranges = ranges
        self.scales = scales
        self._items = {item.line: item for item in items}
        self.to = to
        self._max_grams = max_grams
        self._carried: dict[tuple[int, Units], tuple[Service, FreightEstimate] | str] = {}

    def carried(self, pool: int, units: Units) -> tuple[Service, FreightEstimate] | None:
        """The cheapest service for a parcel, the first of those as cheap; ``None`` where none takes it."""
        found = self._looked_up(pool, units)
        return None if isinstance(found, str) else found

    def refusal(self, pool: int, units: Units) -> str:
        """Why no service takes a parcel; empty where one does."""
        found = self._looked_up(pool, units)
        return found if isinstance(found, str) else ""

    def _looked_up(self, pool: int, units: Units) -> tuple[Service, FreightEstimate] | str:
        key = (pool, units)
        found = self._carried.get(key)
        if found is None:
            found = self._carried[key] = self._cheapest(self.pools[pool], units)
        return found

    def _cheapest(self, pool: Pool, units: Units) -> tuple[Service, FreightEstimate] | str:
        items = self.items(pool.runs((0,) * len(units), units))
        grams = sum([item.weight_grams * item.quantity for item in items])
        if self._max_grams and grams > self._max_grams:
            return f"{grams} g are more than the {self._max_grams} g of a parcel"
        best: tuple[Service, FreightEstimate] | None = None
        why = "there is no service"
        for service in pool.services:
            try:
                estimate = freight(service, items, self.to, pool.area)
            except NotAllowed as refused:
                why = refused.reason
                continue
            if best is None or estimate.amount < best[1].amount:
                best = (service, estimate)
        return best or why

    def items(self, runs: Sequence[Run]) -> tuple[Item, ...]:
        """Units of lines as items, each line once."""
        counts: dict[LineId, tuple[int, int]] = {}
        for run in runs:
            first, count = counts.get(run.line, (run.first, 0))
            counts[run.line] = (first, count + run.units)
        return tuple([_part(self._items[line], *found) for line, found in counts.items()])

    def judged(self, cut: Cut) -> Judged | None:
        """The costs of a cut; ``None`` where a parcel of it cannot go. Units of a line go into its parcels in the order
        of the parcels, as they are declared."""
        taken: dict[LineId, int] = {}
        placed: list[Placed] = []
        cut = tuple(sorted(cut, key=lambda parcel: parcel[0]))
        for number, units in cut:
            pool = self.pools[number]
            carried = self.carried(number, units)
            if carried is None:
                return None
            runs = []
            for run in pool.runs((0,) * len(units), units):
                first = taken.get(run.line, 0)
                runs.append(Run(run.line, first, run.units))
                taken[run.line] = first + run.units
            service, estimate = carried
            owed = self.desk.owed(runs, estimate.amount, pool.country)
            placed.append(
                Placed(
                    number, units, tuple(runs), service, estimate, owed, owed.duty, owed.tax, None
                )
            )
        added = []
        for number, of in enumerate(self.ranges):
            if of.rule is not None and self._added_up(of, placed):
                added.append(number)
        scales = self.scales
        paid = sum([one.estimate.amount for one in placed])
        duty, tax = sum([one.duty for one in placed]), sum([one.tax for one in placed])
        points = paid * scales.freight + duty * scales.duty + tax * scales.tax
        points += len(placed) * scales.parcel
        return Judged(cut, tuple(placed), Costs(paid, duty, tax, len(placed), points), tuple(added))

    def _added_up(self, of: Range, placed: list[Placed]) -> bool:
        """Whether these parcels owe more as one consignment; then each has its part of that."""
        here = [place for place, one in enumerate(placed) if one.pool in of.pools]
        if len(here) < 2:
            return False
        runs = [run for place in here for run in placed[place].runs]
        paid = [placed[place].estimate.amount for place in here]
        whole = self.desk.owed(runs, sum(paid), of.country)
        alone = [placed[place].owed for place in here]
        points = sum([self.scales.owed(owed) for owed in alone])
        total = sum([owed.total for owed in alone])
        if (self.scales.owed(whole), whole.total) <= (points, total):
            return False
        parts = self._parts(whole, [placed[place].runs for place in here], paid)
        for place, (duty, tax) in zip(here, parts, strict=True):
            placed[place] = placed[place]._replace(duty=duty, tax=tax, together=whole)
        return True

    def _parts(
        self, whole: Owed, parcels: list[tuple[Run, ...]], paid: list[int]
    ) -> list[tuple[int, int]]:
        """Duty and tax of a whole, shared over its parcels by the units of each line; they add up to the whole."""
        lines = {line.line: line for line in whole.lines}
        counts = dict.fromkeys(lines, 0)
        for runs in parcels:
            for run in runs:
                counts[run.line] += run.units
        seen = dict.fromkeys(lines, 0)
        carriage = allocate(whole.carriage_tax, paid if any(paid) else [1] * len(paid))
        found = []
        for runs, charged in zip(parcels, carriage, strict=True):
            duty, tax = 0, charged
            for run in runs:
                line, first, count = lines[run.line], seen[run.line], counts[run.line]
                duty += share_of_units(line.duty, count, first, run.units)
                tax += share_of_units(line.import_tax + line.sale_tax, count, first, run.units)
                seen[run.line] += run.units
            found.append((duty, tax))
        return found

    def together(self, of: Range, paid: int) -> int:
        """The points that a range owes as one consignment for which ``paid`` is the freight."""
        runs = [
            run
            for number in of.pools
            for run in self.pools[number].runs(
                (0,) * len(self.pools[number].kinds), self.pools[number].whole
            )
        ]
        return self.scales.owed(self.desk.owed(runs, paid, of.country))


def _part(item: Item, first: int, count: int) -> Item:
    if count == item.quantity:
        return item
    return Item(
        item.line, item.sku, count, item.weight_grams, item.volume_cm3,
        share_of_units(item.amount, item.quantity, min(first, item.quantity - count), count),
        item.category, item.merchant, item.attributes, item.customs,
    )  # fmt: skip


# Parts of a count -------------------------------------------------------------------------------


def parts_of(units: Units) -> Iterator[Units]:
    """Each part of the units that has one of the first kind among them, the fullest last."""
    first = next(place for place, count in enumerate(units) if count)
    yield from product(
        *[range(1 if place == first else 0, count + 1) for place, count in enumerate(units)]
    )


def less(units: Units, gone: Units) -> Units:
    """What is left."""
    return tuple([have - taken for have, taken in zip(units, gone, strict=True)])
