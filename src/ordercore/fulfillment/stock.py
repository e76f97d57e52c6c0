"""Stock: when goods are promised and made final, where they stand, and how units are picked from places.

The arithmetic that every keeper of stock shares. Nothing here holds any stock.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import attrs

from ordercore.errors import InvalidInput, InvalidPolicy, OutOfStock
from ordercore.pricing.cart import OrderKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "PRESALE_PREFIX",
    "DeductAt",
    "PresaleStock",
    "ReserveAt",
    "SourceStock",
    "StockPolicy",
    "StockTier",
    "by_name",
    "by_place",
    "by_sku",
    "check_all",
    "check_held",
    "check_names",
    "out_of",
    "parted",
    "picked",
    "quota_name",
    "summed",
    "tier_sku",
    "without",
]

P = TypeVar("P")  # the name of a place, or more than a name
UNITS_MAX = 10**12
"""Most units of one article at a time."""
PRESALE_PREFIX = "presale:"
"""How the presale quota of an article begins, at a keeper of stock: ``presale:LAMP`` is that of ``LAMP``."""


class ReserveAt(enum.Enum):
    """When goods are promised to an order.

    ``PAYMENT`` is for goods that are first paid, first served: nothing is held while a payer thinks,
    and a payment that finds no goods any more goes back.
    """

    PLACING = "placing"
    PAYMENT = "payment"

    __hash__ = object.__hash__


class DeductAt(enum.Enum):
    """When a promise becomes final, and lapses no more."""

    PAYMENT = "payment"
    ORDER = "order"

    __hash__ = object.__hash__


class PresaleStock(enum.Enum):
    """What a presale takes before it is paid in full: the stock itself, or units of its quota."""

    STOCK = "stock"
    QUOTA = "quota"

    __hash__ = object.__hash__


class StockTier(enum.Enum):
    """Pools of one article: what is on the shelf, and how many may be sold ahead against a deposit."""

    STOCK = "stock"
    PRESALE = "presale"

    __hash__ = object.__hash__


@value
class StockPolicy:
    """``reserve_slack`` is how long a reservation outlives the payment window.

    It covers the time to resolve an attempt whose outcome is unknown: a paid order must not find
    its goods promised to somebody else. ``kinds`` says for some kinds of orders what ``reserve`` says for the others.
    ``presale`` says which `StockTier` a presale counts on until it is paid in full.
    """

    reserve_slack: timedelta = timedelta(hours=24)
    reserve: ReserveAt = ReserveAt.PLACING
    deduct: DeductAt = DeductAt.PAYMENT
    presale: PresaleStock = PresaleStock.STOCK
    kinds: Mapping[OrderKind, ReserveAt] = attrs.field(factory=dict, hash=False)

    def reserves(self, kind: OrderKind) -> ReserveAt:
        """When goods are promised to an order of this kind."""
        return self.kinds.get(kind, self.reserve) if self.kinds else self.reserve

    def check(self, path: str = "stock") -> None:
        """Raise `InvalidPolicy` where a promise would be final before it is made."""
        if self.deduct is DeductAt.PAYMENT:
            return
        late = [f".kinds.{k.value}" for k, at in self.kinds.items() if at is ReserveAt.PAYMENT]
        if self.reserve is ReserveAt.PAYMENT:
            late.insert(0, ".reserve")
        if late:
            reason = (
                "goods that are promised at the payment cannot be final when an order is placed"
            )
            raise InvalidPolicy(reason, path=f"{path}{late[0]}")


@value
class SourceStock:
    """Units of an article that may be promised at a source; the empty name is a keeper's only place."""

    source: str
    sku: str
    units: int


def quota_name(reservation: str) -> str:
    """Under which name a presale holds units of its quota, beside its reservation of goods."""
    return f"{reservation}-quota"


def tier_sku(sku: str, tier: StockTier) -> str:
    """The name under which a keeper counts the pool of an article.

    >>> tier_sku("LAMP", StockTier.PRESALE)
    'presale:LAMP'
    """
    return f"{PRESALE_PREFIX}{sku}" if tier is StockTier.PRESALE else sku


def _checked(units: int, path: str) -> int:
    if type(units) is not int or not 0 <= units <= UNITS_MAX:
        raise InvalidInput(f"units are a whole number up to {UNITS_MAX}, not {units!r}", path=path)
    return units


def by_sku(goods: Iterable[tuple[str, int]], path: str = "goods") -> dict[str, int]:
    """Units by article, in the order given; an article named twice counts twice, 0 units not at all.

    Raises `InvalidInput` for what is no list of (sku, units), and for units that are no whole number or negative.
    """
    found: dict[str, int] = {}
    try:
        for sku, units in goods:
            if type(units) is not int or not 0 < units <= UNITS_MAX:
                _checked(units, sku)
                continue
            found[sku] = found.get(sku, 0) + units
    except (TypeError, ValueError):
        raise InvalidInput("goods are a list of (sku, units)", path=path) from None
    return found


def by_place(goods: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str], int]:
    """Units by (source, sku), as `by_sku` does, and sorted."""
    found: dict[tuple[str, str], int] = {}
    try:
        for source, sku, units in goods:
            if _checked(units, f"{source}:{sku}"):
                found[source, sku] = found.get((source, sku), 0) + units
        return dict(sorted(found.items()))
    except (TypeError, ValueError):
        raise InvalidInput("goods are a list of (source, sku, units)", path="goods") from None


def by_name(
    parts: Iterable[tuple[str, Iterable[tuple[str, int]]]],
) -> list[tuple[str, dict[str, int]]]:
    """Parts of a reservation that go to other names, each with its units by article; raises as `by_sku` does."""
    try:
        return [(name, by_sku(goods, f"parts.{name}")) for name, goods in parts]
    except (TypeError, ValueError):
        raise InvalidInput("parts are a list of (name, goods)", path="parts") from None


def out_of(sku: str, free: int, asked: int) -> OutOfStock:
    """The refusal for an article that is short."""
    reason = f"{sku} has {free} units free, not {asked}"
    return OutOfStock(reason, path=sku, sku=sku, free=free, asked=asked)


def picked(places: Sequence[tuple[P, int]], units: int) -> dict[P, int]:
    """From which places to take units: all from the first that has them, else from each in turn.

    May come to less than ``units`` where all places together are short.

    >>> picked([("a", 2), ("b", 5)], 3), picked([("a", 2), ("b", 5)], 6)
    ({'b': 3}, {'a': 2, 'b': 4})
    """
    for place, free in places:
        if free >= units:
            return {place: units} if units else {}
    found: dict[P, int] = {}
    for place, free in places:
        part = min(free, units)
        if part > 0:
            found[place] = part
            units -= part
    return found


def parted(
    held: Mapping[tuple[P, str], int], wanted: Mapping[str, int], name: str
) -> dict[tuple[P, str], int]:
    """Which of the units that a reservation holds, by (source, sku), make up those that are wanted.

    Raises `OutOfStock` where it does not hold them.
    """
    found: dict[tuple[P, str], int] = {}
    for sku, units in wanted.items():
        places = [(source, n) for (source, its), n in held.items() if its == sku]
        part = picked(places, units)
        if sum(part.values()) < units:
            have = sum([n for _, n in places])
            reason = f"the reservation holds {have} units of {sku}, not {units}"
            raise OutOfStock(reason, path=name, sku=sku, free=have, asked=units)
        for source, taken in part.items():
            found[source, sku] = taken
    return found


def check_names(reservation: str, names: Sequence[str]) -> None:
    """Raise `InvalidInput` for a hand-over to itself or to a name given twice."""
    if reservation in names or len(set(names)) < len(names):
        reason = "parts go to other names, each named once"
        raise InvalidInput(reason, path="parts", reservation=reservation)


def check_all(reservation: str, held: Mapping[str, int], wanted: Mapping[str, int]) -> None:
    """Raise `OutOfStock` where more is to stand somewhere than a reservation holds, `InvalidInput` for less."""
    for sku in sorted(set(held) | set(wanted)):
        have, asked = held.get(sku, 0), wanted.get(sku, 0)
        if asked > have:
            reason = f"the reservation holds {have} units of {sku}, not {asked}"
            raise OutOfStock(reason, path=reservation, sku=sku, free=have, asked=asked)
        if asked < have:
            reason = (
                f"the reservation holds {have} units of {sku}: nothing is said of {have - asked}"
            )
            raise InvalidInput(reason, path="goods", sku=sku)


def check_held(reservation: str, has: int, source: str, sku: str, units: int) -> None:
    """Raise `OutOfStock` where a reservation is to keep more at a source than stands there."""
    if has < units:
        reason = f"the reservation holds {has} units of {sku} at {source!r}, not {units}"
        raise OutOfStock(reason, path=reservation, sku=sku, free=has, asked=units)


def without(
    places: Mapping[tuple[P, str], int], less: Mapping[tuple[P, str], int]
) -> dict[tuple[P, str], int]:
    """What is left of units by place; no place with 0."""
    found = {place: units - less.get(place, 0) for place, units in places.items()}
    return {place: units for place, units in found.items() if units}


def summed(places: Mapping[tuple[P, str], int]) -> dict[str, int]:
    """Units by article, of units by (source, sku)."""
    found: dict[str, int] = {}
    for (_, sku), units in places.items():
        found[sku] = found.get(sku, 0) + units
    return found
