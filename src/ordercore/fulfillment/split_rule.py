"""The rules by which an order is split, as data.

Four kinds of rule: what is kept apart, what is kept together, what is not split for being small,
and what is cut for being large. They hold in the order of their ``priority``, the lowest first, then
as they are listed. Where two contradict each other the earlier one decides.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, TypeAlias

from ordercore.errors import InvalidPolicy
from ordercore.money import EXPONENTS, MINOR_MAX
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CutAbove",
    "FloorOf",
    "GROUPS_MAX",
    "KeepApart",
    "KeepTogether",
    "KeepWhole",
    "Measure",
    "RULES_MAX",
    "SplitBy",
    "SplitPolicy",
    "SplitRule",
]

RULES_MAX = 100
"""Most rules of one policy."""
GROUPS_MAX = 1_000
"""Most groups of one proposal."""
PRIORITY_MAX = 10**9
"""A priority is at most this, and at least its negative."""


class SplitBy(enum.Enum):
    """By what units are kept apart."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    WAREHOUSE = "warehouse"
    """The source that has the units: as they were assigned, else the line's attribute ``warehouse``."""
    CATEGORY = "category"
    SHIPPING_METHOD = "shipping_method"
    """The attribute ``shipping_method``: by land, by air."""
    DECLARATION = "declaration"
    """The attribute ``declaration``: how the goods are declared for export."""
    ATTRIBUTE = "attribute"
    """Any attribute of the line, named by the rule: ``battery``, ``liquid``, ``cold``."""
    PRESALE = "presale"
    """The coming batch that the units are promised from: as assigned, else the attribute ``presale``.
    Empty is stock."""
    PROVIDER = "provider"
    """The attribute ``provider``: who provides the goods."""
    ORIGIN = "origin"
    """The country the goods were made in, of their customs data."""
    SOURCE_COUNTRY = "source_country"
    """The country they leave from: of the source as assigned, else the attribute ``source_country``."""
    MERCHANT = "merchant"
    """Whose goods they are; empty is the shop."""


class Measure(enum.Enum):
    """What of a group is counted."""

    __hash__ = object.__hash__

    AMOUNT = "amount"
    """What the goods were sold for with tax, in minor units."""
    WEIGHT = "weight"
    """What they weigh, in grams."""
    UNITS = "units"
    """How many they are."""


class FloorOf(enum.Enum):
    """What must reach a floor before it is split."""

    __hash__ = object.__hash__

    ORDER = "order"
    """The whole order."""
    GROUP = "group"
    """Each group that the earlier rules have made."""


@value
class KeepApart:
    """Units with different values of ``by`` do not share a group.

    ``attribute`` names the attribute for `SplitBy.ATTRIBUTE`. With ``values`` only these are told from
    each other and from the rest. With ``as_one`` goods that have any of the values (or any at all, where
    none is named) share a group, apart from those that have none.
    ``countries`` are destinations for which the rule holds, ISO 3166-1 alpha-2; none is all.
    """

    name: str
    by: SplitBy
    attribute: str = ""
    values: tuple[str, ...] = ()
    as_one: bool = False
    countries: tuple[str, ...] = ()
    priority: int = 0


@value
class KeepTogether:
    """What is never parted.

    ``skus`` and ``lines`` name goods that stay with each other, one line alone included: its quantity is
    not spread. With ``attribute`` the goods with the same value stay together, those without stay free;
    ``values`` names the values that count. With ``bundles`` the components of a bundle stay together.
    """

    name: str
    skus: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    attribute: str = ""
    values: tuple[str, ...] = ()
    bundles: bool = False
    countries: tuple[str, ...] = ()
    priority: int = 0


@value
class KeepWhole:
    """Below ``below`` the later rules do not split.

    ``of`` is counted of the order or of each group (``floor_of``), in minor units, grams or units.
    ``currency`` limits a rule that counts money to orders of it; empty is any.
    """

    name: str
    of: Measure
    below: int
    floor_of: FloorOf = FloorOf.ORDER
    currency: str = ""
    countries: tuple[str, ...] = ()
    priority: int = 0


@value
class CutAbove:
    """A group above ``at_most`` is cut: new groups are filled in the order of the lines.

    A line's quantity may be spread. A unit that is above the limit by itself gets a group by itself.
    Groups are cut when all other rules have made them, whatever the priority, which decides against
    `KeepTogether` and `KeepWhole` alone.
    ``at_most`` is in minor units, grams or units; ``currency`` as in `KeepWhole`.
    """

    name: str
    of: Measure
    at_most: int
    currency: str = ""
    countries: tuple[str, ...] = ()
    priority: int = 0


SplitRule: TypeAlias = KeepApart | KeepTogether | KeepWhole | CutAbove
"""One rule of a shop."""


@value
class SplitPolicy:
    """How a shop splits its orders. Without rules an order stays whole."""

    rules: tuple[SplitRule, ...] = ()

    def in_order(self) -> tuple[SplitRule, ...]:
        """The rules as they hold: by priority, then as they are listed."""
        return tuple(sorted(self.rules, key=_priority))

    def check(self, path: str = "splitting") -> None:
        """Raise `InvalidPolicy` with the path of what is wrong: types, bounds, names told twice,
        keys that do not go together."""
        if type(self.rules) is not tuple:
            raise InvalidPolicy("the rules are a tuple", path=f"{path}.rules")
        if len(self.rules) > RULES_MAX:
            raise InvalidPolicy(f"there are at most {RULES_MAX} rules", path=f"{path}.rules")
        names: set[str] = set()
        for i, rule in enumerate(self.rules):
            where = f"{path}.rules[{i}]"
            if not isinstance(rule, KeepApart | KeepTogether | KeepWhole | CutAbove):
                reason = f"a {type(rule).__name__} is no rule"
                raise InvalidPolicy(reason, path=where)
            for key, reason in _faults(rule):
                raise InvalidPolicy(reason, path=f"{where}.{key}")
            if rule.name in names:
                reason = f"the name {rule.name!r} is given twice"
                raise InvalidPolicy(reason, path=f"{where}.name", name=rule.name)
            names.add(rule.name)


def _priority(rule: SplitRule) -> int:
    return rule.priority


def _texts(found: Any) -> bool:
    return type(found) is tuple and all([type(text) is str for text in found])


def _land(code: str) -> bool:
    return len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()


def _faults(rule: SplitRule) -> Iterator[tuple[str, str]]:
    """What is wrong with a rule: the key, and why."""
    if type(rule.name) is not str or not rule.name:
        yield "name", "a rule has a name"
    if type(rule.priority) is not int or abs(rule.priority) > PRIORITY_MAX:
        yield "priority", f"it is a whole number of at most {PRIORITY_MAX}, either sign"
    if not _texts(rule.countries) or not all([_land(code) for code in rule.countries]):
        yield "countries", "they are two capital letters each, of ISO 3166-1"
    if isinstance(rule, KeepApart):
        yield from _apart_faults(rule)
    elif isinstance(rule, KeepTogether):
        yield from _together_faults(rule)
    else:
        yield from _counting_faults(rule)


def _apart_faults(rule: KeepApart) -> Iterator[tuple[str, str]]:
    if not isinstance(rule.by, SplitBy):
        yield "by", "it is a SplitBy"
    if type(rule.attribute) is not str or bool(rule.attribute) != (rule.by is SplitBy.ATTRIBUTE):
        yield "attribute", "it names the attribute, where the rule is by attribute, and only there"
    if not _texts(rule.values) or "" in rule.values or len(set(rule.values)) < len(rule.values):
        yield "values", "they are texts, none of them empty, none twice"
    if type(rule.as_one) is not bool:
        yield "as_one", "it is True or False"


def _together_faults(rule: KeepTogether) -> Iterator[tuple[str, str]]:
    for key, found in (("skus", rule.skus), ("lines", rule.lines), ("values", rule.values)):
        if not _texts(found) or "" in found:
            yield key, "they are texts, none of them empty"
    if type(rule.attribute) is not str:
        yield "attribute", "it is text"
    if type(rule.bundles) is not bool:
        yield "bundles", "it is True or False"
    if rule.values and not rule.attribute:
        yield "values", "they are values of an attribute, which is not named"
    if not (rule.skus or rule.lines or rule.attribute or rule.bundles):
        yield "skus", "it names nothing to keep together: skus, lines, attribute or bundles"


def _counting_faults(rule: KeepWhole | CutAbove) -> Iterator[tuple[str, str]]:
    if not isinstance(rule.of, Measure):
        yield "of", "it is a Measure"
    key, bound = ("below", rule.below) if isinstance(rule, KeepWhole) else ("at_most", rule.at_most)
    if type(bound) is not int or not 0 < bound <= MINOR_MAX:
        yield key, f"it is a whole number from 1 to {MINOR_MAX}"
    if isinstance(rule, KeepWhole) and not isinstance(rule.floor_of, FloorOf):
        yield "floor_of", "it is a FloorOf"
    if type(rule.currency) is not str or (rule.currency and rule.currency not in EXPONENTS):
        yield "currency", "it is no currency of ISO 4217"
    elif rule.currency and rule.of is not Measure.AMOUNT:
        yield "currency", "only a rule that counts money has a currency"
