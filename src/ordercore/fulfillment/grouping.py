"""Split rules at work: an order's goods into groups, each with the rules that made it.

The order begins as one block. Rules are taken in their order. A rule that keeps apart parts each block by
what its units are; one that keeps together ties units, so that no later rule parts them; one that keeps
whole spares a small block from the later rules. At last blocks that are above a limit are cut.

Nothing depends on anything but the arguments, so the same goods give the same groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from ordercore.allocation import share_of_units
from ordercore.errors import InvalidInput, InvalidManifest
from ordercore.fulfillment.item import WAREHOUSE
from ordercore.fulfillment.proposal import (
    Group,
    GroupReason,
    Piece,
    ReasonKind,
    SplitProposal,
    check_currency,
    check_items,
    group_of,
    money_text,
    part,
    pieces_of,
)
from ordercore.fulfillment.split_rule import (
    GROUPS_MAX,
    CutAbove,
    FloorOf,
    KeepApart,
    KeepTogether,
    KeepWhole,
    Measure,
    SplitBy,
    SplitPolicy,
    SplitRule,
)
from ordercore.party import Destination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ordercore.fulfillment.item import Item
    from ordercore.fulfillment.proposal import Placement

__all__ = ["propose"]

_NONE: Mapping[str, str] = MappingProxyType({})
_REST = ""
_SHOWN = 10
"""So many lines are named in a reason."""


def propose(
    items: Sequence[Item],
    policy: SplitPolicy,
    to: Destination,
    assignment: Mapping[str, str] | Sequence[Placement] = (),
    *,
    bundles: Mapping[str, str] = _NONE,
    currency: str = "",
) -> SplitProposal:
    """The groups that the rules make of an order's goods.

    ``assignment`` says which source has what: by sku, or as placements that may spread a line.
    ``bundles`` names the bundle of a line that is a component (`QuoteLine.bundle`).
    ``currency`` is what amounts are in; a policy that counts money of a named currency needs it.

    Groups are in the order of their first lines, and named ``"1"``, ``"2"``, ... Law L16: their goods and
    amounts add up to the order's. Law L18: each names the rules that made it.

    Raises `InvalidPolicy` for rules that cannot hold, `InvalidManifest` for items and assignments that
    do not fit together and for an order that falls into more than `GROUPS_MAX` groups, `InvalidInput`.
    """
    if not isinstance(policy, SplitPolicy):
        raise InvalidInput(f"a {type(policy).__name__} is no SplitPolicy", path="policy")
    policy.check()
    if not isinstance(to, Destination):
        raise InvalidInput(f"a {type(to).__name__} is no Destination", path="to")
    if not isinstance(bundles, Mapping):
        raise InvalidInput("bundles are a mapping from line to bundle", path="bundles")
    check_currency(currency)
    pieces = pieces_of(check_items(items), assignment)
    rules = policy.in_order()
    holding = [rule for rule in rules if _holds(rule, to, currency)]
    run = _Run(pieces, holding, bundles, currency)
    run.settle()
    groups = run.groups()
    return SplitProposal(groups, _unused(rules, groups, to, currency), currency)


def _holds(rule: SplitRule, to: Destination, currency: str) -> bool:
    """Whether the rule is for orders like this one."""
    if isinstance(rule, KeepWhole | CutAbove) and rule.currency:
        if not currency:
            reason = f"the rule {rule.name!r} counts {rule.currency}: say what the order is in"
            raise InvalidInput(reason, path="currency", rule=rule.name)
        if rule.currency != currency:
            return False
    return not rule.countries or to.country in rule.countries


def _unused(
    rules: Iterable[SplitRule], groups: Iterable[Group], to: Destination, currency: str
) -> tuple[GroupReason, ...]:
    """Why each rule that no group names has made none."""
    named = {reason.rule for group in groups for reason in group.reasons}
    found = []
    for rule in rules:
        if rule.name in named:
            continue
        text = "finds nothing to do"
        if not _holds(rule, to, currency):
            lands = ", ".join(rule.countries)
            text = f"holds for {lands}" if to.country not in rule.countries and lands else ""
            text = text or f"holds for orders in {getattr(rule, 'currency', '')}"
        found.append(GroupReason(rule.name, "", text, ReasonKind.UNUSED))
    return tuple(found)


# What units are --------------------------------------------------------------------------------

_ATTRIBUTES: Mapping[SplitBy, str] = MappingProxyType(
    {
        SplitBy.WAREHOUSE: WAREHOUSE,
        SplitBy.SHIPPING_METHOD: "shipping_method",
        SplitBy.DECLARATION: "declaration",
        SplitBy.PRESALE: "presale",
        SplitBy.PROVIDER: "provider",
        SplitBy.SOURCE_COUNTRY: "source_country",
    }
)


def _value(piece: Piece, rule: KeepApart) -> str:
    """What the units are by the rule's own measure; empty for nothing."""
    item, by = piece.item, rule.by
    if by is SplitBy.CATEGORY:
        return item.category
    if by is SplitBy.MERCHANT:
        return item.merchant
    if by is SplitBy.ORIGIN:
        return item.customs.origin
    if by is SplitBy.ATTRIBUTE:
        return item.attribute(rule.attribute)
    assigned = ""
    if by is SplitBy.WAREHOUSE:
        assigned = piece.source
    elif by is SplitBy.PRESALE:
        assigned = piece.presale
    elif by is SplitBy.SOURCE_COUNTRY:
        assigned = piece.country
    return assigned or item.attribute(_ATTRIBUTES[by])


def _label(piece: Piece, rule: KeepApart) -> str:
    """On which side of the rule the units are."""
    found = _value(piece, rule)
    if rule.values and found not in rule.values:
        return _REST
    if found and rule.as_one:
        return " or ".join(rule.values) or "any"
    return found


def _side(rule: KeepApart, label: str) -> str:
    """A side in words."""
    what = rule.attribute or rule.by.value.replace("_", " ")
    if label == _REST and rule.values:
        return f"{what}: not {', '.join(rule.values)}"
    return f"{what}: {label or 'none'}"


def _counted(pieces: Iterable[Piece], of: Measure) -> int:
    if of is Measure.WEIGHT:
        return sum([piece.item.weight_grams * piece.item.quantity for piece in pieces])
    if of is Measure.AMOUNT:
        return sum([piece.item.amount for piece in pieces])
    return sum([piece.item.quantity for piece in pieces])


def _room_for(item: Item, of: Measure, room: int) -> int:
    """How many of its units, from the first, come to at most ``room``."""
    if _counted([Piece(item)], of) <= room:
        return item.quantity
    if of is Measure.UNITS:
        return room
    if of is Measure.WEIGHT:
        return room // item.weight_grams
    least, most = 0, item.quantity  # units may differ by one minor unit, so it is searched
    while least < most:
        middle = (least + most + 1) // 2
        fits = share_of_units(item.amount, item.quantity, 0, middle) <= room
        least, most = (middle, most) if fits else (least, middle - 1)
    return least


# Blocks and ties -------------------------------------------------------------------------------


class _Tie:
    """Units that a rule keeps together. ``key`` is what they share: a value, a bundle, their names."""

    __slots__ = ("key", "members", "place", "rule")

    def __init__(self, place: int, rule: KeepTogether, key: str, members: set[int]) -> None:
        self.place = place
        self.rule = rule
        self.key = key
        self.members = members


class _Block:
    """A group in the making. ``floor`` is the first rule that spares it, with its place and its words."""

    __slots__ = ("floor", "members", "reasons", "spared")

    def __init__(self, members: list[int], reasons: list[GroupReason]) -> None:
        self.members = members
        self.reasons = reasons
        self.floor: tuple[int, KeepWhole, str] | None = None
        self.spared: list[str] = []


class _Bin:
    """What a cut has put into one group, and by which pieces it is known."""

    __slots__ = ("counts", "members", "pieces", "reasons")

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.members: set[int] = set()
        self.reasons: list[GroupReason] = []
        self.counts: dict[Measure, int] = {}

    def put(self, member: int, piece: Piece) -> None:
        """Add units."""
        self.pieces.append(piece)
        self.members.add(member)
        for of in Measure:
            self.counts[of] = self.counts.get(of, 0) + _counted([piece], of)

    def room(self, limit: CutAbove) -> int:
        """What is left below the limit."""
        return limit.at_most - self.counts.get(limit.of, 0)


_Cluster: TypeAlias = tuple[list[int], list[_Tie]]
_Alone: TypeAlias = "Callable[[CutAbove, list[Piece]], GroupReason]"


class _Run:
    """One order under its rules."""

    __slots__ = (
        "bins", "bundles", "currency", "given_up", "limits", "pieces", "rules", "ties",
    )  # fmt: skip

    def __init__(
        self,
        pieces: list[Piece],
        rules: list[SplitRule],
        bundles: Mapping[str, str],
        currency: str,
    ) -> None:
        self.pieces = pieces
        self.rules = rules
        self.bundles = bundles
        self.currency = currency
        self.limits = [(i, rule) for i, rule in enumerate(rules) if isinstance(rule, CutAbove)]
        self.given_up: dict[tuple[int, str], str] = {}
        self.ties: list[_Tie] = []
        self.bins: list[_Bin] = []

    def settle(self) -> None:
        """Apply the rules until no tie is given up any more.

        A tie that an earlier limit is too small for is as if it were not there, for all rules. So each
        round but the last gives up one at least, and there is mostly one round.
        """
        while True:
            before = len(self.given_up)
            self._apply()
            if len(self.given_up) == before:
                return

    def _apply(self) -> None:
        """Apply all rules once."""
        self.ties, self.bins = [], []
        blocks = [_Block(list(range(len(self.pieces))), [])]
        for place, rule in enumerate(self.rules):
            if isinstance(rule, KeepTogether):
                self.ties += self._tied(place, rule)
            elif isinstance(rule, KeepWhole):
                self._spare(place, rule, blocks)
            elif isinstance(rule, KeepApart):
                blocks = [found for block in blocks for found in self._parted(block, rule, place)]
                if len(blocks) > GROUPS_MAX:
                    _too_many()
        for block in sorted(blocks, key=_first):
            self._cut(block)

    # --- Rules -------------------------------------------------------------------------------

    def _tied(self, place: int, rule: KeepTogether) -> list[_Tie]:
        """The ties of a rule, but for those that were given up."""
        found: dict[str, set[int]] = {}
        for i, piece in enumerate(self.pieces):
            item = piece.item
            keys = []
            if item.sku in rule.skus or item.line in rule.lines:
                keys.append("these goods")
            said = item.attribute(rule.attribute) if rule.attribute else ""
            if said and (not rule.values or said in rule.values):
                keys.append(f"{rule.attribute} {said}")
            bundle = self.bundles.get(item.line, "") if rule.bundles else ""
            if bundle:
                keys.append(f"bundle {bundle}")
            for key in keys:
                found.setdefault(key, set()).add(i)
        return [
            _Tie(place, rule, key, members)
            for key, members in found.items()
            if (place, key) not in self.given_up
        ]

    def _spare(self, place: int, rule: KeepWhole, blocks: list[_Block]) -> None:
        """Mark the blocks that are too small for later rules."""
        for block in blocks:
            of_order = rule.floor_of is FloorOf.ORDER
            counted = self.pieces if of_order else [self.pieces[i] for i in block.members]
            amount = _counted(counted, rule.of)
            if amount < rule.below and block.floor is None:
                what = "the order" if of_order else "the group"
                words = f"{what} is {self._told(amount, rule.of)}"
                block.floor = (place, rule, f"{words}, below {self._told(rule.below, rule.of)}")

    def _parted(self, block: _Block, rule: KeepApart, place: int) -> list[_Block]:
        """The block by the sides of the rule; tied units go to one side."""
        labels = {i: _label(self.pieces[i], rule) for i in block.members}
        if len(set(labels.values())) < 2:
            return [block]
        if block.floor is not None:
            block.spared.append(rule.name)
            return [block]
        sides: dict[str, list[int]] = {}
        kept: dict[str, list[GroupReason]] = {}
        for members, ties in self._clusters(block.members, place):
            side = self._side_of(members, labels)
            sides.setdefault(side, []).extend(members)
            for tie in ties:
                if len({labels[i] for i in tie.members if i in labels}) > 1:
                    text = f"keeps {self._lines(tie, labels)} together, before {rule.name}"
                    said = GroupReason(tie.rule.name, tie.key, text, ReasonKind.TOGETHER)
                    kept.setdefault(side, []).append(said)
        found = []
        for side, members in sides.items():
            why = [GroupReason(rule.name, side, _side(rule, side))] if len(sides) > 1 else []
            found.append(_Block(sorted(members), [*block.reasons, *why, *kept.get(side, [])]))
        return found

    def _side_of(self, members: list[int], labels: Mapping[int, str]) -> str:
        """Where tied units go: to what is special about most of them, not to the rest.

        A battery in a kit makes the kit one with a battery. Law: what two sets choose alike, their union
        chooses too, so a group under the same rules stays one.
        """
        units: dict[str, int] = {}
        for i in members:
            label = labels[i]
            units[label] = units.get(label, 0) + self.pieces[i].item.quantity
        return min(units, key=lambda label: (label == _REST, -units[label], label))

    def _clusters(self, members: Sequence[int], before: int) -> list[_Cluster]:
        """The units that ties of earlier rules make inseparable, each with those ties, in order."""
        inside = set(members)
        cluster: dict[int, int] = {i: i for i in members}
        sets: dict[int, list[int]] = {i: [i] for i in members}
        ties = [tie for tie in self.ties if tie.place < before and tie.members & inside]
        for tie in ties:
            first, *others = sorted(tie.members & inside)
            for other in others:
                one, two = cluster[first], cluster[other]
                if one != two:
                    if len(sets[one]) < len(sets[two]):
                        one, two = two, one
                    for i in sets[two]:
                        cluster[i] = one
                    sets[one] += sets.pop(two)
        by_cluster: dict[int, list[_Tie]] = {}
        for tie in ties:
            by_cluster.setdefault(cluster[min(tie.members & inside)], []).append(tie)
        found = [(sorted(one), by_cluster.get(name, [])) for name, one in sets.items()]
        return sorted(found, key=_first_member)

    # --- Limits ------------------------------------------------------------------------------

    def _cut(self, block: _Block) -> None:
        """Put the block into groups below its limits."""
        pieces = [self.pieces[i] for i in block.members]
        above = [(i, rule) for i, rule in self.limits if _counted(pieces, rule.of) > rule.at_most]
        if block.floor is not None:
            place, floor, words = block.floor
            spared = block.spared + [rule.name for i, rule in above if i > place]
            above = [(i, rule) for i, rule in above if i < place]
            if spared:
                text = f"{words}: not split by {', '.join(spared)}"
                said = GroupReason(floor.name, str(floor.below), text, ReasonKind.WHOLE)
                block.reasons.append(said)
        if not above:
            whole = _Bin()
            for i, piece in zip(block.members, pieces, strict=True):
                whole.put(i, piece)
            filled = [whole]
        else:
            filled = self._filled(block, above)
        for bin_ in filled:
            bin_.reasons = [*block.reasons, *bin_.reasons]
            if len(filled) > 1:
                bin_.reasons += [self._cut_by(rule, pieces) for _, rule in above]
        self.bins += filled
        if len(self.bins) > GROUPS_MAX:
            _too_many()

    def _cut_by(self, limit: CutAbove, pieces: list[Piece]) -> GroupReason:
        all_of_it = self._told(_counted(pieces, limit.of), limit.of)
        most = self._told(limit.at_most, limit.of)
        text = f"cut, since {all_of_it} is above {most}"
        return GroupReason(limit.name, str(limit.at_most), text, ReasonKind.CUT)

    def _filled(self, block: _Block, limits: list[tuple[int, CutAbove]]) -> list[_Bin]:
        """Groups within ``limits``, filled in the order of the lines; what fits in none stays alone."""
        found = _Filling([rule for _, rule in limits], self._alone)
        for members, ties in self._clusters(block.members, len(self.rules)):
            if not ties:
                (i,) = members
                found.pour(i, self.pieces[i])
                continue
            pieces = [self.pieces[i] for i in members]
            broken = [one for one in limits if _counted(pieces, one[1].of) > one[1].at_most]
            if not broken:
                found.put(members, pieces)
                continue
            place, strongest = broken[0]
            weaker = [tie for tie in ties if tie.place > place]
            if weaker:  # the limit comes first: the next round does without these ties
                self.given_up |= {(tie.place, tie.key): strongest.name for tie in weaker}
                continue
            alone = found.aside(members, pieces)
            alone.reasons = [self._alone(limit, pieces) for _, limit in broken]
            for tie in ties:
                text = f"keeps {self._lines(tie, members)} together, before {strongest.name}"
                said = GroupReason(tie.rule.name, tie.key, text, ReasonKind.TOGETHER)
                alone.reasons.append(said)
        return found.bins

    def _alone(self, limit: CutAbove, pieces: list[Piece]) -> GroupReason:
        told = self._told(_counted(pieces, limit.of), limit.of)
        text = f"{told} is above {self._told(limit.at_most, limit.of)}, and cannot be cut"
        return GroupReason(limit.name, str(limit.at_most), text, ReasonKind.ALONE)

    # --- Result ------------------------------------------------------------------------------

    def groups(self) -> tuple[Group, ...]:
        """The groups, each with its reasons; what was parted against a tie says so."""
        self.bins.sort(key=_first)
        self._tell_of_parted_ties()
        none = GroupReason("", "", "no rule splits the order", ReasonKind.UNSPLIT)
        return tuple(
            [
                group_of(str(i + 1), bin_.pieces, bin_.reasons or [none])
                for i, bin_ in enumerate(self.bins)
            ]
        )

    def _tell_of_parted_ties(self) -> None:
        given_up, self.given_up = self.given_up, {}
        places = {rule.name: place for place, rule in enumerate(self.rules)}
        parting = {ReasonKind.PARTED, ReasonKind.CUT, ReasonKind.ALONE}
        parted_by = [{r.rule for r in bin_.reasons if r.kind in parting} for bin_ in self.bins]
        holding: dict[int, list[int]] = {}
        for k, bin_ in enumerate(self.bins):
            for i in bin_.members:
                holding.setdefault(i, []).append(k)
        for place, rule in enumerate(self.rules):
            for tie in self._tied(place, rule) if isinstance(rule, KeepTogether) else ():
                over = sorted({k for i in tie.members for k in holding[i]})
                if len(over) < 2:
                    continue
                earlier = {name for k in over for name in parted_by[k] if places[name] < place}
                if (place, tie.key) in given_up:
                    earlier.add(given_up[place, tie.key])
                first = ", ".join(sorted(earlier, key=places.__getitem__))
                lines = self._lines(tie, tie.members)
                text = f"would keep {lines} together, but {first} comes first"
                for k in over:
                    said = GroupReason(rule.name, tie.key, text, ReasonKind.OVERRULED)
                    self.bins[k].reasons.append(said)
        self.given_up = given_up

    def _lines(self, tie: _Tie, among: Iterable[int]) -> str:
        """The lines of a tie by name, in an order that does not depend on that of the items."""
        inside = set(among)
        names = {self.pieces[i].item.line for i in tie.members if i in inside}
        told = sorted(names, key=lambda name: (len(name), name))
        more = ", ..." if len(told) > _SHOWN else ""
        return f"line{'s' * (len(told) > 1)} {', '.join(told[:_SHOWN])}{more}"

    def _told(self, count: int, of: Measure) -> str:
        if of is Measure.AMOUNT:
            return money_text(count, self.currency)
        return f"{count} g" if of is Measure.WEIGHT else f"{count} unit{'s' * (count != 1)}"


def _first(found: _Block | _Bin) -> int:
    """The first of its pieces."""
    return min(found.members)


def _first_member(cluster: _Cluster) -> int:
    return cluster[0][0]


def _too_many() -> NoReturn:
    reason = f"by these rules it falls into more than {GROUPS_MAX} groups"
    raise InvalidManifest(reason, path="items", most=GROUPS_MAX)


class _Filling:
    """Groups that are filled one after the other; what fits in none has one of its own."""

    __slots__ = ("alone", "bins", "current", "limits")

    def __init__(self, limits: list[CutAbove], alone: _Alone) -> None:
        self.limits = limits
        self.alone = alone
        self.bins: list[_Bin] = []
        self.current: _Bin | None = None

    def _opened(self) -> _Bin:
        if len(self.bins) == GROUPS_MAX:
            _too_many()
        found = _Bin()
        self.bins.append(found)
        return found

    def aside(self, members: Sequence[int], pieces: Sequence[Piece]) -> _Bin:
        """A group of its own; the one that is being filled stays open."""
        found = self._opened()
        for i, piece in zip(members, pieces, strict=True):
            found.put(i, piece)
        return found

    def put(self, members: Sequence[int], pieces: Sequence[Piece]) -> None:
        """Units that stay together, and fit into an empty group."""
        fits = self.current is not None and all(
            [_counted(pieces, rule.of) <= self.current.room(rule) for rule in self.limits]
        )
        if self.current is None or not fits:
            self.current = self._opened()
        for i, piece in zip(members, pieces, strict=True):
            self.current.put(i, piece)

    def pour(self, member: int, piece: Piece) -> None:
        """Units of a line, spread over as many groups as it takes."""
        left = piece
        while True:
            count = self._fitting(left.item)
            if count:
                self.current = self.current or self._opened()
                self.current.put(member, part(left, 0, count))
            elif not self._set_aside(member, part(left, 0, 1)):
                self.current = None  # it is full; an empty one takes the unit
                continue
            count = count or 1
            if count == left.item.quantity:
                return
            left = part(left, count, left.item.quantity - count)

    def _set_aside(self, member: int, one: Piece) -> bool:
        """Give a unit that no group takes one of its own; whether it is such a unit."""
        broken = [rule for rule in self.limits if _counted([one], rule.of) > rule.at_most]
        if broken:
            found = self.aside([member], [one])
            found.reasons = [self.alone(rule, [one]) for rule in broken]
        return bool(broken)

    def _fitting(self, item: Item) -> int:
        """How many units the open group takes, or an empty one."""
        room = [
            _room_for(item, rule.of, self.current.room(rule) if self.current else rule.at_most)
            for rule in self.limits
        ]
        return min(room)
