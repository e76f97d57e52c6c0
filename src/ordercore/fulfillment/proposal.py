"""How an order would be split: groups with their goods and reasons, before anything is done.

A proposal is made by rules (`ordercore.fulfillment.grouping.propose`) or by hand (`by_hand`), and may be
changed by hand (`rearranged`). Every unit of the order is in exactly one group.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from ordercore.allocation import share_of_units
from ordercore.errors import InvalidInput, InvalidManifest, OrdercoreError
from ordercore.fulfillment.item import WAREHOUSE, Item, weight_of
from ordercore.fulfillment.split_rule import GROUPS_MAX
from ordercore.goods import LineId, Manifest, Quantity, Sku, quantity
from ordercore.money import EXPONENTS, decimal_text
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "EDITS_MAX",
    "Edit",
    "Group",
    "GroupReason",
    "ITEMS_MAX",
    "MergeGroups",
    "MoveUnits",
    "PLACEMENTS_MAX",
    "Piece",
    "Placement",
    "ReasonKind",
    "SplitProposal",
    "by_hand",
    "check_currency",
    "check_items",
    "group_of",
    "money_text",
    "part",
    "pieces_of",
    "rearranged",
]

ITEMS_MAX = 10_000
"""Most items of one order."""
PLACEMENTS_MAX = 10_000
"""Most placements of one assignment."""
EDITS_MAX = 1_000
"""Most edits of one proposal at a time."""

_HAND = "by hand"


class ReasonKind(enum.Enum):
    """What a rule did to a group."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    PARTED = "parted"
    """It keeps the group apart from others."""
    TOGETHER = "together"
    """It kept goods together that a later rule would have parted."""
    OVERRULED = "overruled"
    """It would have kept goods together, but an earlier rule parts them."""
    WHOLE = "whole"
    """The group, or the order, is too small for later rules to split it."""
    CUT = "cut"
    """A larger group was cut."""
    ALONE = "alone"
    """It is above a limit, and cannot be cut."""
    BY_HAND = "by_hand"
    """Somebody wants it so."""
    UNSPLIT = "unsplit"
    """No rule splits the order."""
    UNUSED = "unused"
    """A rule that made no group: it does not hold here, or found nothing to do."""


@value
class GroupReason:
    """Why: the rule by its name, the value that it went by, and a sentence's worth of text.

    ``rule`` is ``"by hand"`` for what people did, and empty where no rule did anything.
    """

    rule: str
    value: str
    text: str
    kind: ReasonKind = ReasonKind.PARTED


@value
class Placement:
    """Units that a source has for an order: what routing found, or the shop's own list.

    It is for a ``line`` or for all lines of a ``sku``; ``quantity`` is how many, ``None`` for all that are
    not placed yet. ``country`` is where the source stands, ISO 3166-1 alpha-2. ``presale`` names the coming
    batch they are promised from, empty for stock.
    """

    source: str
    line: str = ""
    sku: str = ""
    quantity: int | None = None
    country: str = ""
    presale: str = ""


@value
class Group:
    """Units that belong together. ``name`` is its own within the proposal.

    ``goods`` are the units by line and ``items`` the same with what fulfillment knows of them.
    ``weight_grams`` and ``amount`` are of all units together: the amount in minor units with tax, where a
    line's is shared over its units, odd cents to the first ones; what a part really costs, discounts and taxes shared
    unit by unit, may be a cent a line off it (`OrderEngine.preview_split` tells). ``placed`` says which source has them, as
    far as they were assigned.
    """

    name: str
    goods: Manifest
    reasons: tuple[GroupReason, ...]
    weight_grams: int
    amount: int
    items: tuple[Item, ...]
    placed: tuple[Placement, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Where its units are: as they were assigned, and of others what their line says (`warehouse`)."""
        named = [placed.source for placed in self.placed if placed.source]
        assigned = {placed.line for placed in self.placed if placed.source}
        named += [item.attribute(WAREHOUSE) for item in self.items if item.line not in assigned]
        return tuple(dict.fromkeys([name for name in named if name]))

    @property
    def source(self) -> str:
        """The one source that has its units; empty where there are several, or none is known."""
        found = self.sources
        return found[0] if len(found) == 1 else ""


@value
class SplitProposal:
    """All groups of an order, and what is to be said of the order as a whole.

    ``reasons`` names each rule that no group names, and why it made none. Law L18: between them
    groups and proposal name every rule.
    """

    groups: tuple[Group, ...]
    reasons: tuple[GroupReason, ...] = ()
    currency: str = ""

    def manifests(self) -> tuple[Manifest, ...]:
        """The goods of each group: what a split of the order is called with."""
        return tuple([group.goods for group in self.groups])

    def goods(self) -> Manifest:
        """The goods of all groups together: those of the order."""
        units = Manifest()
        for group in self.groups:
            units = units + group.goods
        return units

    def group(self, name: str) -> Group:
        """The group of this name; raises `InvalidInput` with the known names for any other."""
        found = {group.name: group for group in self.groups}
        if name not in found:
            _no_group(name, list(found), "group")
        return found[name]

    def explain(self) -> str:
        """The proposal in words: each group with its goods and the rules that made it."""
        count = len(self.groups)
        lines = ["the order stays whole" if count == 1 else f"{count} groups"]
        for group in self.groups:
            goods = ", ".join([f"{units} of line {line}" for line, units in group.goods])
            worth = money_text(group.amount, self.currency)
            lines.append(f"group {group.name}: {goods}; {group.weight_grams} g, {worth}")
            lines += [f"  {_said(reason)}" for reason in group.reasons]
        if self.reasons:
            lines.append("of the other rules")
            lines += [f"  {_said(reason)}" for reason in self.reasons]
        return "\n".join(lines)


@value
class MoveUnits:
    """Put ``goods`` from the group ``out_of`` into the group ``into``; an empty name is a new group."""

    goods: Manifest
    out_of: str
    into: str = ""


@value
class MergeGroups:
    """Make one group of several; it takes the first name."""

    names: tuple[str, ...]


Edit: TypeAlias = MoveUnits | MergeGroups
"""What people do to a proposal."""


def _said(reason: GroupReason) -> str:
    return f"{reason.rule}: {reason.text}" if reason.rule else reason.text


def _no_group(name: str, known: list[str], path: str) -> NoReturn:
    reason = f"there is no group {name!r}; known: {', '.join(known[:20])}"
    raise InvalidInput(reason, path=path, allowed=tuple(known))


def money_text(amount: int, currency: str) -> str:
    """An amount as decimal text with its currency, or in minor units where that is not known."""
    return f"{decimal_text(amount, currency)} {currency}" if currency else f"{amount} minor units"


def check_currency(currency: str) -> None:
    """Raise `InvalidInput` for what is neither empty nor a code of ISO 4217."""
    if type(currency) is not str or (currency and currency not in EXPONENTS):
        raise InvalidInput("it is no currency of ISO 4217", path="currency")


# Units -----------------------------------------------------------------------------------------


@value
class Piece:
    """Units of one line from one source."""

    item: Item
    source: str = ""
    country: str = ""
    presale: str = ""


def _sized(item: Item, units: int, amount: int) -> Item:
    """The same goods, in another number and for another amount."""
    return Item(
        item.line,
        item.sku,
        units,
        item.weight_grams,
        item.volume_cm3,
        amount,
        item.category,
        item.merchant,
        item.attributes,
        item.customs,
    )


def part(piece: Piece, first: int, count: int) -> Piece:
    """Some of its units, with their share of the amount; parts of a partition add up (law L4)."""
    item = piece.item
    amount = share_of_units(item.amount, item.quantity, first, count)
    return Piece(_sized(item, count, amount), piece.source, piece.country, piece.presale)


def check_items(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items, each line once, with whole numbers in them; raises `InvalidManifest` and kin."""
    if not isinstance(items, list | tuple):
        raise InvalidManifest(f"items are a list, not a {type(items).__name__}", path="items")
    found = tuple(items)
    if not 0 < len(found) <= ITEMS_MAX:
        reason = f"an order has 1 to {ITEMS_MAX} lines to split, not {len(found)}"
        raise InvalidManifest(reason, path="items")
    seen: set[str] = set()
    for i, item in enumerate(found):
        where = f"items[{i}]"
        if not isinstance(item, Item):
            raise InvalidManifest(f"a {type(item).__name__} is no Item", path=where)
        if item.line in seen:
            reason = f"line {item.line!r} is named twice"
            raise InvalidManifest(reason, path=f"{where}.line", line=item.line)
        seen.add(item.line)
        quantity(item.quantity, f"{where}.quantity")
        for key, number in (("weight_grams", item.weight_grams), ("amount", item.amount)):
            if type(number) is not int or number < 0:
                reason = "it is a whole number that is not negative"
                raise InvalidManifest(reason, path=f"{where}.{key}", line=item.line)
    return found


class _Placing:
    """Placements as they are used up."""

    __slots__ = ("left", "placement", "where")

    def __init__(self, placement: Placement, where: str) -> None:
        self.placement = placement
        self.where = where
        self.left = placement.quantity

    def take(self, most: int) -> int:
        """Units of this placement for a line, at most ``most``."""
        if self.left is None:
            return most
        count = min(self.left, most)
        self.left -= count
        return count


def pieces_of(
    items: Sequence[Item], assignment: Mapping[str, str] | Sequence[Placement] = ()
) -> list[Piece]:
    """The units of checked items by the source that has them, in the order of the items.

    Placements for a line come before those for its sku, each in the order given. A mapping is from sku
    to source, and may name skus that are not ordered.
    Raises `InvalidManifest` for placements of what is not there.
    """
    by_line, by_sku = _placings(items, assignment)
    found: list[Piece] = []
    for item in items:
        done = 0
        for placing in (*by_line.get(item.line, ()), *by_sku.get(item.sku, ())):
            count = placing.take(item.quantity - done)
            if count:
                of = placing.placement
                whole = Piece(item, of.source, of.country, of.presale)
                found.append(part(whole, done, count))
                done += count
        if done < item.quantity:
            found.append(part(Piece(item), done, item.quantity - done))
    for placing in [
        placing for table in (by_line, by_sku) for row in table.values() for placing in row
    ]:
        if placing.left:
            reason = f"{placing.left} units more are placed than there are"
            raise InvalidManifest(reason, path=placing.where, over=placing.left)
    return found


_Placings: TypeAlias = "dict[str, list[_Placing]]"


def _placings(
    items: Sequence[Item], assignment: Mapping[str, str] | Sequence[Placement]
) -> tuple[_Placings, _Placings]:
    """Placements by line and by sku, checked."""
    lines, skus = {item.line for item in items}, {item.sku for item in items}
    given = _placements(assignment, skus)
    if len(given) > PLACEMENTS_MAX:
        reason = f"there are at most {PLACEMENTS_MAX} placements"
        raise InvalidManifest(reason, path="assignment")
    by_line: _Placings = {}
    by_sku: _Placings = {}
    for i, placement in enumerate(given):
        where = f"assignment[{i}]"
        if not isinstance(placement, Placement):
            raise InvalidManifest(f"a {type(placement).__name__} is no Placement", path=where)
        if bool(placement.line) == bool(placement.sku):
            raise InvalidManifest("it is for a line or for a sku", path=where)
        if not isinstance(placement.source, str):
            raise InvalidManifest("a source is named by its id", path=f"{where}.source")
        if placement.quantity is not None:
            quantity(placement.quantity, f"{where}.quantity")
        known: set[LineId] | set[Sku] = lines if placement.line else skus
        key, name = ("line", placement.line) if placement.line else ("sku", placement.sku)
        if name not in known:
            reason = f"the order has no {key} {name!r}"
            raise InvalidManifest(reason, path=f"{where}.{key}")
        table = by_line if placement.line else by_sku
        table.setdefault(name, []).append(_Placing(placement, where))
    return by_line, by_sku


def _placements(
    assignment: Mapping[str, str] | Sequence[Placement], skus: set[Sku]
) -> list[Placement]:
    if isinstance(assignment, Mapping):
        return [Placement(source, sku=sku) for sku, source in assignment.items() if sku in skus]
    if not isinstance(assignment, list | tuple):
        reason = "it is a mapping from sku to source, or a list of placements"
        raise InvalidManifest(reason, path="assignment")
    return list(assignment)


def group_of(
    name: str, pieces: Iterable[Piece], reasons: Iterable[GroupReason], path: str = ""
) -> Group:
    """A group of these pieces, one item for each line; equal reasons are told once."""
    items: dict[LineId, Item] = {}
    placed: dict[tuple[str, ...], Placement] = {}
    for piece in pieces:
        item = piece.item
        same = items.get(item.line)
        items[item.line] = (
            item
            if same is None
            else _sized(item, same.quantity + item.quantity, same.amount + item.amount)
        )
        if piece.source or piece.country or piece.presale:
            key = (item.line, piece.source, piece.country, piece.presale)
            before = placed.get(key)
            count = item.quantity + (before.quantity or 0 if before else 0)
            placed[key] = Placement(
                piece.source, item.line, "", count, piece.country, piece.presale
            )
    found = tuple(items.values())
    if not found:
        raise InvalidManifest("a group has no units", path=path)
    return Group(
        name,
        Manifest(tuple([(item.line, Quantity(item.quantity)) for item in found])),
        tuple(dict.fromkeys(reasons)),
        weight_of(found),
        sum([item.amount for item in found]),
        found,
        tuple(placed.values()),
    )


# By hand ---------------------------------------------------------------------------------------


def by_hand(
    items: Sequence[Item],
    manifests: Sequence[Manifest],
    *,
    assignment: Mapping[str, str] | Sequence[Placement] = (),
    currency: str = "",
) -> SplitProposal:
    """The groups that somebody wants.

    Raises `InvalidManifest` with the path of what is wrong: an empty group, a line that is not there,
    a unit in no group or in two.
    """
    check_currency(currency)
    if not isinstance(manifests, list | tuple):
        reason = f"groups are a list of Manifests, not a {type(manifests).__name__}"
        raise InvalidManifest(reason, path="groups")
    if not 0 < len(manifests) <= GROUPS_MAX:
        reason = f"an order has 1 to {GROUPS_MAX} groups, not {len(manifests)}"
        raise InvalidManifest(reason, path="groups")
    left = pieces_of(check_items(items), assignment)
    groups = []
    for i, goods in enumerate(manifests):
        where = f"groups[{i}]"
        taken, left = _taken(left, goods, where)
        text = "somebody wants these goods in a group"
        reason_of = GroupReason(_HAND, "", text, ReasonKind.BY_HAND)
        groups.append(group_of(str(i + 1), taken, (reason_of,), where))
    for piece in left:
        item = piece.item
        reason = f"{item.quantity} units of line {item.line!r} are in no group"
        raise InvalidManifest(reason, path="groups", line=item.line, left=item.quantity)
    return SplitProposal(tuple(groups), (), currency)


def _taken(pieces: Sequence[Piece], goods: Manifest, path: str) -> tuple[list[Piece], list[Piece]]:
    """The units of ``goods``, and what is left; raises `InvalidManifest` for what is not there."""
    if not isinstance(goods, Manifest):
        raise InvalidManifest(f"a {type(goods).__name__} is no Manifest", path=path)
    try:
        wanted = dict(Manifest.of(goods.items).items)  # one made in code was never checked
    except OrdercoreError as error:
        raise error.at(path) from None
    asked = dict(wanted)
    taken, left = [], []
    for piece in pieces:
        item = piece.item
        count = min(wanted.get(item.line, 0), item.quantity)
        if count:
            taken.append(part(piece, 0, count))
            wanted[item.line] = Quantity(wanted[item.line] - count)
        if count < item.quantity:
            left.append(part(piece, count, item.quantity - count))
    for line, missing in wanted.items():
        if missing:
            have = asked[line] - missing
            reason = f"line {line!r} has {have} units here, not {asked[line]}"
            raise InvalidManifest(reason, path=f"{path}[{line}]", line=line, have=have)
    return taken, left


class _Draft:
    """A group while it is changed."""

    __slots__ = ("pieces", "reasons")

    def __init__(self, pieces: list[Piece], reasons: list[GroupReason]) -> None:
        self.pieces = pieces
        self.reasons = reasons


def rearranged(proposal: SplitProposal, edits: Sequence[Edit]) -> SplitProposal:
    """The proposal after ``edits``, one after the other; each group they touch says so.

    A group that is left empty is gone; a new one takes the next free number.
    Raises `InvalidInput` for a group that is not there, `InvalidManifest` for units that are not in it,
    both with the path of the edit. Nothing is changed then.
    """
    if not isinstance(proposal, SplitProposal):
        raise InvalidInput(f"a {type(proposal).__name__} is no SplitProposal", path="proposal")
    if not isinstance(edits, list | tuple):
        raise InvalidInput(f"edits are a list, not a {type(edits).__name__}", path="edits")
    if len(edits) > EDITS_MAX:
        raise InvalidInput(f"there are at most {EDITS_MAX} edits", path="edits")
    drafts = {
        group.name: _Draft(pieces_of(group.items, group.placed), list(group.reasons))
        for group in proposal.groups
    }
    for i, edit in enumerate(edits):
        where = f"edits[{i}]"
        if isinstance(edit, MoveUnits):
            _move(drafts, edit, where)
        elif isinstance(edit, MergeGroups):
            _merge(drafts, edit, where)
        else:
            raise InvalidInput(f"a {type(edit).__name__} is no edit", path=where)
    groups = [group_of(name, draft.pieces, draft.reasons) for name, draft in drafts.items()]
    return SplitProposal(tuple(groups), proposal.reasons, proposal.currency)


def _known(drafts: dict[str, _Draft], name: str, path: str) -> _Draft:
    if name not in drafts:
        _no_group(name, list(drafts), path)
    return drafts[name]


def _noted(draft: _Draft, text: str) -> None:
    draft.reasons.append(GroupReason(_HAND, "", text, ReasonKind.BY_HAND))


def _move(drafts: dict[str, _Draft], edit: MoveUnits, path: str) -> None:
    origin = _known(drafts, edit.out_of, f"{path}.out_of")
    if edit.into == edit.out_of:
        raise InvalidInput("goods move to another group", path=f"{path}.into")
    if edit.into:
        target, name = _known(drafts, edit.into, f"{path}.into"), edit.into
    else:
        target, name = _Draft([], []), _free_name(drafts)
    taken, left = _taken(origin.pieces, edit.goods, f"{path}.goods")
    if not taken:
        raise InvalidManifest("it names no goods", path=f"{path}.goods")
    told = ", ".join([f"{units} of line {line}" for line, units in edit.goods])
    origin.pieces = left
    target.pieces = [*target.pieces, *taken]
    _noted(target, f"{told} came from group {edit.out_of}")
    _noted(origin, f"{told} went to group {name}")
    drafts[name] = target
    if not left:
        del drafts[edit.out_of]
    if len(drafts) > GROUPS_MAX:
        raise InvalidInput(f"an order has at most {GROUPS_MAX} groups", path=path)


def _free_name(drafts: dict[str, _Draft]) -> str:
    numbers = [int(name) for name in drafts if name.isascii() and name.isdigit()]
    return str(max(numbers, default=0) + 1)


def _merge(drafts: dict[str, _Draft], edit: MergeGroups, path: str) -> None:
    names = edit.names
    if type(names) is not tuple or len(set(names)) != len(names) or len(names) < 2:
        raise InvalidInput("it names two groups or more, none twice", path=f"{path}.names")
    parts = [_known(drafts, name, f"{path}.names[{i}]") for i, name in enumerate(names)]
    first = parts[0]
    for draft in parts[1:]:
        first.pieces = [*first.pieces, *draft.pieces]
        first.reasons += draft.reasons
    _noted(first, f"groups {', '.join(names)} were made one")
    for name in names[1:]:
        del drafts[name]
