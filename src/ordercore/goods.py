"""Goods by line and quantity: what shipments, refunds and splits share.

A `Manifest` says how many units of which lines are meant.
It adds, subtracts and compares like a multiset, and never goes negative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NewType

from ordercore.errors import InvalidManifest, InvalidQuantity
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["QUANTITY_MAX", "LineId", "Manifest", "Quantity", "Sku", "quantity"]

Sku = NewType("Sku", str)
"""The shop's own code of an article."""
LineId = NewType("LineId", str)
"""The name of a line within its order; by default its position, ``"1"``, ``"2"``, ..."""
Quantity = NewType("Quantity", int)
"""A positive whole number of units. Goods sold by weight are sold in a small unit (grams)."""

QUANTITY_MAX = 10**9
"""Largest quantity of one line."""


def quantity(number: int, path: str = "") -> Quantity:
    """Check a quantity: a whole number from 1 to `QUANTITY_MAX`; raises `InvalidQuantity`."""
    if type(number) is not int:
        reason = f"a quantity is a whole number, not a {type(number).__name__}"
        raise InvalidQuantity(reason, path=path)
    if not 0 < number <= QUANTITY_MAX:
        raise InvalidQuantity(f"{number} is not from 1 to {QUANTITY_MAX}", path=path, got=number)
    return Quantity(number)


@value
class Manifest:
    """Units by line, in the order in which they were named; no line twice, no zero.

    >>> a = Manifest.of({"1": 3, "2": 1})
    >>> (a - Manifest.of({"1": 2})).as_dict()
    {'1': 1, '2': 1}
    """

    items: tuple[tuple[LineId, Quantity], ...] = ()

    @classmethod
    def of(cls, units: Mapping[str, int] | Iterable[tuple[str, int]], path: str = "") -> Manifest:
        """Check and build; raises `InvalidManifest` for a line named twice, `InvalidQuantity`."""
        seen: dict[LineId, Quantity] = {}
        rows: Any = units
        try:
            pairs = [(line, number) for line, number in getattr(rows, "items", lambda: rows)()]
        except (TypeError, ValueError):
            reason = 'goods are units by line: write Manifest.of({"1": 2})'
            raise InvalidManifest(reason, path=path) from None
        for line, number in pairs:
            if not isinstance(line, str):
                reason = f"a line is named by its id, a text, not {type(line).__name__}"
                raise InvalidManifest(reason, path=path)
            if line in seen:
                raise InvalidManifest(f"line {line!r} is named twice", path=path, line=line)
            seen[LineId(line)] = quantity(number, f"{path}[{line}]" if path else f"[{line}]")
        return cls(tuple(seen.items()))

    def __iter__(self) -> Iterator[tuple[LineId, Quantity]]:
        return iter(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    def as_dict(self) -> dict[LineId, Quantity]:
        """Units by line, as a new dict."""
        return dict(self.items)

    def units(self, line: str) -> int:
        """Units of one line, 0 where it is not named."""
        for name, number in self.items:
            if name == line:
                return number
        return 0

    def total(self) -> int:
        """Units of all lines together."""
        return sum(number for _, number in self.items)

    def covers(self, other: Manifest) -> bool:
        """Whether this manifest holds at least the units of ``other``."""
        have = dict(self.items)
        return all(have.get(line, 0) >= number for line, number in other.items)

    def __add__(self, other: Manifest) -> Manifest:
        units = dict(self.items)
        for line, number in other.items:
            units[line] = Quantity(units.get(line, 0) + number)
        return Manifest(tuple(units.items()))

    def __sub__(self, other: Manifest) -> Manifest:
        """What is left; raises `InvalidManifest` where ``other`` has more."""
        units = dict(self.items)
        for line, number in other.items:
            left = units.get(line, 0) - number
            if left < 0:
                reason = f"line {line!r} has {units.get(line, 0)} units, not {number}"
                have = units.get(line, 0)
                raise InvalidManifest(reason, path=f"[{line}]", line=line, have=have, asked=number)
            units[line] = Quantity(left)
        return Manifest(tuple((line, number) for line, number in units.items() if number))
