"""Linked choice: parcels decide what is declared together, that decides duty and tax, so all are chosen at once.

Since a border may owe by consignment and by different item, a parcel more may cost duty and a parcel less may cost a
relief. `link` parts the goods so that freight, duty and tax together are least. Every consignment is assessed by its true
goods and values; what customs would add up is assessed as one (`ordercore.fulfillment.adding_up`), and
wins nothing by being parted. The answer is a choice with its reasons; nothing has happened yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput, InvalidManifest, InvalidPolicy
from ordercore.fulfillment.adding_up import (
    ADDING_UP,
    AddingUp,
    AddsUp,
    adding_up,
    check_adding_up,
)
from ordercore.fulfillment.carriage import Service
from ordercore.fulfillment.consignment import CustomsDesk, SoldGoods
from ordercore.fulfillment.item import Item, items_of
from ordercore.fulfillment.linked_choice import (
    Alternative,
    Candidate,
    LinkCost,
    LinkedChoice,
    LinkedParcel,
    LinkReason,
    LinkRule,
)
from ordercore.fulfillment.parting import (
    Costs,
    Cut,
    Judge,
    Judged,
    Kind,
    Placed,
    Pool,
    Range,
    Scales,
)
from ordercore.fulfillment.parting_search import Found, Search, moves
from ordercore.fulfillment.source import Source
from ordercore.goods import LineId, Manifest
from ordercore.money import decimal_text
from ordercore.pricing.assessing import crosses
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Alternative",
    "Candidate",
    "LinkCost",
    "LinkGroup",
    "LinkPolicy",
    "LinkProblem",
    "LinkReason",
    "LinkRule",
    "LinkWeights",
    "LinkedChoice",
    "LinkedParcel",
    "link",
]

GROUPS_MAX = 64
"""Most groups that are linked at once."""
LINES_MAX = 200
"""Most lines."""
UNITS_MAX = 10_000
"""Most units of all lines together."""
WEIGHT_MAX = 10**6
PAIRS_MAX = 100_000
STEPS_MAX = 100_000
MILLION = 1_000_000
SETTLED_MAX = 10
"""Most times that the choice gives way to one next to it, after the search."""
NEIGHBORS_MAX = 60
"""Most cuts next to the best that are looked at to name the best other."""


@value
class LinkWeights:
    """Whole points for each minor unit of freight, duty and tax, and for each parcel. The fewest points win.

    A business that deducts its import tax gives ``tax=0``.
    """

    freight: int = 1
    duty: int = 1
    tax: int = 1
    parcel: int = 0

    def check(self, path: str = "weights") -> None:
        """Raise `InvalidPolicy` for a weight that is no whole number from 0 to a million."""
        for name in ("freight", "duty", "tax", "parcel"):
            weight = getattr(self, name)
            if type(weight) is not int or not 0 <= weight <= WEIGHT_MAX:
                reason = f"a weight is a whole number from 0 to {WEIGHT_MAX}"
                raise InvalidPolicy(reason, path=f"{path}.{name}")


@value
class LinkPolicy:
    """How parcels are linked with duty and tax.

    ``enabled=False`` chooses by freight (and the weight of a parcel) alone; duty and tax are told all the same.
    ``adding_up`` are the rules by which customs add parcels up. ``max_grams`` limits a parcel's weight, 0 leaves that to the
    services. ``spread`` lets the units of one line go in several parcels.

    A search in full looks at pairs of what is left and a next parcel: eight lines of one unit are 6,561 pairs. Up to
    ``pairs_max`` the answer is proven to be the best; beyond it parcels are improved for ``steps_max`` steps at most.
    """

    enabled: bool = True
    weights: LinkWeights = LinkWeights()
    adding_up: tuple[AddingUp, ...] = ADDING_UP
    max_grams: int = 0
    spread: bool = True
    pairs_max: int = 10_000
    steps_max: int = 1_000

    def check(self, path: str = "policy") -> None:
        """Raise `InvalidPolicy` for figures that cannot be reckoned with, and for rules without source."""
        self.weights.check(f"{path}.weights")
        check_adding_up(self.adding_up, f"{path}.adding_up")
        for name, most in (
            ("max_grams", 10**8),
            ("pairs_max", PAIRS_MAX),
            ("steps_max", STEPS_MAX),
        ):
            number = getattr(self, name)
            if type(number) is not int or not 0 <= number <= most:
                reason = f"it is a whole number from 0 to {most}"
                raise InvalidPolicy(reason, path=f"{path}.{name}")


@value
class LinkGroup:
    """Units that somebody would send together: a group of split rules, or what one source sends.

    ``apart``: they never share a parcel with goods of other groups, for the ``reason`` given. Else groups are
    a proposal, and their goods may be joined and parted. ``whole``: they are never parted. ``source`` is the id of the
    source that sends them; goods of different sources never share a parcel.
    """

    name: str
    goods: Manifest
    apart: bool = False
    whole: bool = False
    source: str = ""
    reason: str = ""


@value
class LinkProblem:
    """All that a choice depends on. Without groups all goods are one group that may be parted at will.

    ``services`` are priced in the currency of the sale. Units of a line go into its parcels from the first on, in the
    order of the parcels, as `ordercore.pricing.declare` counts them.
    """

    sold: SoldGoods
    services: tuple[Service, ...]
    groups: tuple[LinkGroup, ...] = ()
    sources: tuple[Source, ...] = ()
    policy: LinkPolicy = LinkPolicy()

    def check(self) -> None:
        """Raise `InvalidInput`, `InvalidManifest` or `InvalidPolicy` with the path of what is wrong."""
        self.sold.check()
        self.policy.check()
        if not 0 < len(self.services) <= GROUPS_MAX:
            raise InvalidPolicy(f"1 to {GROUPS_MAX} of them are needed", path="services")
        for number, service in enumerate(self.services):
            service.check(f"services[{number}]")
            if service.currency != self.sold.currency:
                reason = f"a service is priced in the currency of the sale, {self.sold.currency}"
                raise InvalidPolicy(reason, path=f"services[{number}].currency")
        for number, source in enumerate(self.sources):
            source.check(f"sources[{number}]")
        _unique([service.id for service in self.services], "services")
        known = _unique([source.id for source in self.sources], "sources")
        _unique([group.name for group in self.groups], "groups")
        if len(self.groups) > GROUPS_MAX:
            raise InvalidManifest(f"at most {GROUPS_MAX} groups are linked at once", path="groups")
        for number, group in enumerate(self.groups):
            if not group.goods:
                raise InvalidManifest("a group has goods", path=f"groups[{number}].goods")
            if group.source and group.source not in known:
                reason = f"there is no source {group.source!r}"
                raise InvalidInput(reason, path=f"groups[{number}].source")


def _unique(names: Sequence[str], path: str) -> frozenset[str]:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            raise InvalidPolicy(f"{name!r} stands twice", path=f"{path}[{number}]")
        seen.add(name)
    return frozenset(seen)


# The choice -------------------------------------------------------------------------------------


def link(problem: LinkProblem) -> LinkedChoice:
    """The parcels for which freight, duty and tax have the fewest points; of ways as cheap, that with fewer parcels.

    Never dearer than one parcel, nor than the groups as given, where those can go. Raises `NotAllowed` for goods that
    no service takes, `RateUnavailable` and `InvalidCart` as pricing does, and what `LinkProblem.check` does.
    """
    problem.check()
    policy = problem.policy
    groups = problem.groups or (LinkGroup("all", _all(problem.sold)),)
    items = _items(problem.sold, groups)
    pools = _pools(problem, groups, items)
    weights = policy.weights
    judge = Judge(
        CustomsDesk(problem.sold), items, pools, _ranges(problem, pools), problem.sold.to,
        Scales(weights.freight, weights.duty, weights.tax, weights.parcel), policy.max_grams,
    )  # fmt: skip
    one: Cut = tuple([(number, pool.whole) for number, pool in enumerate(pools)])
    given: Cut = tuple(
        [(number, units) for number, pool in enumerate(pools) for units in pool.given]
    )
    plain = _searched(judge, policy, [one, given], border=False)
    found = plain
    if policy.enabled:
        found = _searched(judge, policy, [one, given, plain.judged.cut], border=True)
    return _Told(problem, groups, judge, found).choice(one, given, plain.judged.cut)


def _searched(judge: Judge, policy: LinkPolicy, starts: list[Cut], *, border: bool) -> Found:
    return Search(judge, policy.pairs_max, policy.steps_max, border=border).run(starts)


def _all(sold: SoldGoods) -> Manifest:
    return Manifest.of([(item.line, item.quantity) for item in items_of(sold.lines)])


def _items(sold: SoldGoods, groups: Iterable[LinkGroup]) -> tuple[Item, ...]:
    """The goods of all groups, each line once; raises `InvalidManifest` for more than was sold."""
    goods = Manifest()
    for group in groups:
        goods += group.goods
    items = items_of(sold.lines, goods)
    units = sum([item.quantity for item in items])
    if not 0 < len(items) <= LINES_MAX or units > UNITS_MAX:
        reason = f"1 to {LINES_MAX} lines with at most {UNITS_MAX} units are linked at once"
        raise InvalidManifest(reason, path="groups")
    return items


def _pools(
    problem: LinkProblem, groups: Sequence[LinkGroup], items: tuple[Item, ...]
) -> list[Pool]:
    """Goods that may share a parcel: of one source, and of no group that goes apart."""
    members: dict[tuple[str, str], list[LinkGroup]] = {}
    for group in groups:
        members.setdefault((group.source, group.name if group.apart else ""), []).append(group)
    sources = {source.id: source for source in problem.sources}
    carried = {item.line: item for item in items}
    taken = dict.fromkeys(carried, 0)
    pools = []
    for (name, _), of in members.items():
        source = sources.get(name)
        services = problem.services
        if source is not None:
            services = tuple([one for one in services if _collects(source, one)])
            here = tuple(
                [item for item in items if any(group.goods.units(item.line) for group in of)]
            )
            why = source.why_not(problem.sold.to, here)
            if why:
                raise InvalidInput(f"source {name!r} {why}", path="groups", source=name)
        if not services:
            raise InvalidPolicy(f"no service collects at source {name!r}", path="services")
        pool = _pool(of, source, services, taken, spread=problem.policy.spread)
        if pool is not None:
            pools.append(pool)
    return pools


def _collects(source: Source, service: Service) -> bool:
    return not source.services or service.id in source.services


def _pool(
    groups: Sequence[LinkGroup],
    source: Source | None,
    services: tuple[Service, ...],
    taken: dict[LineId, int],
    *,
    spread: bool,
) -> Pool | None:
    """One pool; ``taken`` counts the units of each line that are in pools already. ``None`` for goods that are not
    carried."""
    counts: dict[LineId, int] = {}
    kinds: list[Kind] = []
    rows: list[dict[int, int]] = []
    index: dict[LineId, int] = {}
    for group in groups:  # what may be spread comes first, a line's units of all groups together
        for line, units in group.goods:
            if line in taken and spread and not group.whole:
                counts[line] = counts.get(line, 0) + units
    for line, count in counts.items():
        index[line] = len(kinds)
        kinds.append(Kind(((line, taken[line], 1),), count))
        taken[line] += count
    for group in groups:
        row: dict[int, int] = {}
        fixed = [(line, units) for line, units in group.goods if line in taken]
        if group.whole and fixed:
            row[len(kinds)] = 1
            kinds.append(Kind(tuple([(line, taken[line], units) for line, units in fixed]), 1))
        for line, units in fixed:
            if spread and not group.whole:
                row[index[line]] = row.get(index[line], 0) + units
                continue
            if not group.whole:
                row[len(kinds)] = 1
                kinds.append(Kind(((line, taken[line], units),), 1))
            taken[line] += units
        if row:
            rows.append(row)
    if not kinds:
        return None
    given = [tuple([row.get(place, 0) for place in range(len(kinds))]) for row in rows]
    names = tuple([group.name for group in groups])
    return Pool(names, source, services, tuple(kinds), tuple(given))


def _ranges(problem: LinkProblem, pools: Sequence[Pool]) -> list[Range]:
    """Which pools customs add up."""
    sold = problem.sold
    day, to = sold.at.date(), sold.to.country
    rule = adding_up(problem.policy.adding_up, to, day)
    found: list[Range] = []
    ordered: dict[str, list[int]] = {}
    for number, pool in enumerate(pools):
        if rule is None or not crosses(pool.country or sold.border.ships_from, to, day):
            found.append(Range((number,), None, pool.country))
        elif rule.which is AddsUp.AVOIDABLE:
            found.append(Range((number,), rule, pool.country))
        else:
            ordered.setdefault(pool.country or sold.border.ships_from, []).append(number)
    found += [Range(tuple(numbers), rule, country) for country, numbers in ordered.items()]
    return found


class _Told:
    """A choice put into words."""

    def __init__(
        self, problem: LinkProblem, groups: Sequence[LinkGroup], judge: Judge, found: Found
    ) -> None:
        self.problem, self.groups, self.judge, self.found = problem, groups, judge, found
        self.best = found.judged
        self.enabled = problem.policy.enabled
        self.currency = problem.sold.currency

    def choice(self, one: Cut, given: Cut, plain: Cut) -> LinkedChoice:
        """The answer, beside the ways that are always looked at."""
        self._settle()
        looked: list[tuple[Candidate, Cut]] = [
            (Candidate.ONE_PARCEL, one),
            (Candidate.BY_GROUP, given),
            (Candidate.FREIGHT_ALONE, plain),
        ]
        mine = _shape(self.best.cut)
        chosen = [candidate for candidate, cut in looked if _shape(cut) == mine]
        others = []
        seen = {mine}
        for candidate, cut in looked:
            if _shape(cut) not in seen:
                seen.add(_shape(cut))
                others.append(self._alternative(candidate, cut))
        other = self._next_best(seen)
        if other is not None:
            others.append(self._alternative(Candidate.NEXT_BEST, other.cut))
        points = self._measured(self.best.costs)
        gap = 0 if self.found.proven else max(0, points - self.found.floor)
        return LinkedChoice(
            tuple([self._parcel(placed) for placed in self.best.placed]),
            _cost(self.best),
            self.currency,
            self.enabled,
            self.found.proven,
            gap * MILLION // points if points else 0,
            points - gap,
            tuple(chosen),
            tuple(others),
            tuple(self._reasons(others)),
        )

    def _next_best(self, seen: set[object]) -> Judged | None:
        best: Judged | None = None
        for count, cut in enumerate(moves(self.best.cut)):
            if count >= NEIGHBORS_MAX:
                break
            if _shape(cut) in seen:
                continue
            judged = self.judge.judged(cut)
            if judged is not None and (best is None or self._rank(judged) < self._rank(best)):
                best = judged
        return best

    def _settle(self) -> None:
        """Take a way next to the choice that is better: where steps ran out, or by the cents of a line's units."""
        for _ in range(SETTLED_MAX):
            other = self._next_best({_shape(self.best.cut)})
            if other is None or self._rank(other) >= self._rank(self.best):
                break
            self.best = other

    def _rank(self, judged: Judged) -> tuple[int, int]:
        return self._measured(judged.costs), judged.costs.parcels

    def _alternative(self, candidate: Candidate, cut: Cut) -> Alternative:
        goods = tuple([self._manifest(number, units) for number, units in cut])
        judged = self.judge.judged(cut)
        if judged is None:
            whys = [self.judge.refusal(number, units) for number, units in cut]
            return Alternative(candidate, goods, None, next(why for why in whys if why))
        return Alternative(candidate, goods, _cost(judged), self._why(judged))

    def _why(self, other: Judged) -> str:
        """Why another way lost."""
        found = []
        rows = [("freight", other.costs.freight, self.best.costs.freight)]
        if self.enabled:
            rows += [
                ("duty", other.costs.duty, self.best.costs.duty),
                ("tax", other.costs.tax, self.best.costs.tax),
            ]
        for name, theirs, ours in rows:
            if theirs != ours:
                more = "more" if theirs > ours else "less"
                found.append(f"{self._money(abs(theirs - ours))} {more} {name}")
        if not found:
            found.append("as dear")
        difference = other.costs.parcels - self.best.costs.parcels
        if difference:
            many = f"{abs(difference)} parcel{'' if abs(difference) == 1 else 's'}"
            found.append(f"{many} {'more' if difference > 0 else 'less'}")
        text = ", ".join(found)
        for number in other.added:
            rule = self.judge.ranges[number].rule
            assert rule is not None
            text += f"; added up as one consignment, so it wins no relief ({rule.source})"
        return text

    def _money(self, amount: int) -> str:
        return f"{self.currency} {decimal_text(amount, self.currency)}"

    def _manifest(self, number: int, units: tuple[int, ...]) -> Manifest:
        pool = self.judge.pools[number]
        counts: dict[str, int] = {}
        for run in pool.runs((0,) * len(units), units):
            counts[run.line] = counts.get(run.line, 0) + run.units
        return Manifest.of(counts)

    def _parcel(self, placed: Placed) -> LinkedParcel:
        pool = self.judge.pools[placed.pool]
        reasons = [LinkReason(LinkRule.FREIGHT, text) for text in placed.estimate.reasons()]
        steps = placed.owed.assessment if placed.together is None else placed.together.assessment
        if steps is not None:
            reasons += [LinkReason(LinkRule.BORDER, text) for text in steps.reasons]
        return LinkedParcel(
            self._manifest(placed.pool, placed.units),
            pool.source.id if pool.source is not None else "",
            placed.service.id,
            placed.service.carrier,
            placed.estimate,
            placed.owed.declared,
            placed.duty,
            placed.tax,
            placed.owed.assessment,
            tuple(reasons),
        )

    def _reasons(self, others: Sequence[Alternative]) -> list[LinkReason]:
        """Why these parcels and no others."""
        found = []
        if not self.enabled:
            text = "chosen by freight alone: linked choice is switched off, duty and tax are told and not weighed"
            found.append(LinkReason(LinkRule.FREIGHT_ALONE, text))
        elif any(
            [
                other.cost is not None and other.cost.points == self.best.costs.points
                for other in others
            ]
        ):
            text = "as cheap as other ways, with no more parcels than they have"
            found.append(LinkReason(LinkRule.FEWER_PARCELS, text))
        else:
            text = "the fewest points of freight, duty and tax together"
            found.append(LinkReason(LinkRule.FEWEST_POINTS, text))
        if len(self.judge.pools) > 1:
            found += self._kept_apart()
        for number, of in enumerate(self.judge.ranges):
            count = len([one for one in self.best.placed if one.pool in of.pools])
            if of.rule is None or count < 2:
                continue
            if number in self.best.added:
                text = f"{count} parcels are added up as one consignment, which owes more: {of.rule.source}"
                found.append(LinkReason(LinkRule.ADDED_UP, text))
            else:
                text = f"{count} parcels owe no less one by one than added up: {of.rule.source}"
                found.append(LinkReason(LinkRule.NOT_ADDED_UP, text))
        if not self.found.proven:
            text = "not every way was looked at: the gap says how far the best may be"
            found.append(LinkReason(LinkRule.FLOOR, text))
        return found

    def _measured(self, costs: Costs) -> int:
        """The points by which the choice was made."""
        if self.enabled:
            return costs.points
        scales = self.judge.scales
        return costs.freight * scales.freight + costs.parcels * scales.parcel

    def _kept_apart(self) -> list[LinkReason]:
        found = []
        for group in self.groups:
            if group.apart:
                why = f": {group.reason}" if group.reason else ""
                text = f"group {group.name} goes apart{why}"
                found.append(LinkReason(LinkRule.APART, text))
        names = list(dict.fromkeys([group.source for group in self.groups if group.source]))
        if len(names) > 1:
            text = f"goods leave from {len(names)} sources: {', '.join(names)}"
            found.append(LinkReason(LinkRule.OTHER_SOURCE, text))
        return found


def _cost(judged: Judged) -> LinkCost:
    return LinkCost(*judged.costs)


def _shape(cut: Cut) -> object:
    """A cut without the order of its parcels."""
    return tuple(sorted(cut))
