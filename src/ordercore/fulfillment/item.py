"""What fulfillment needs to know of a line: how many, how heavy, how large, what it is, whose it is.

Split rules, routing, freight and customs read this, not the priced line: prices do not choose a shelf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import InvalidManifest
from ordercore.goods import LineId, Manifest, Sku
from ordercore.pricing.cart import Customs
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ordercore.pricing import QuoteLine

__all__ = ["DIGITAL", "VOLUME", "WAREHOUSE", "Item", "items_of", "weight_of"]

VOLUME = "volume_cm3"
"""The attribute of a line that tells what one unit takes up, in cubic centimeters."""
WAREHOUSE = "warehouse"
"""The attribute of a line that tells which source has it, where nobody assigned one."""
DIGITAL = "digital"
"""The attribute of a line that is never carried: a service, a download, a voucher by mail."""

_NO_CUSTOMS = Customs()


@value
class Item:
    """Some units of one line, as they are stored, packed and carried.

    ``weight_grams`` and ``volume_cm3`` are of one unit, 0 where unknown; ``amount`` is what the units of this item
    were sold for, in minor units with tax. ``merchant`` is whose goods they are, empty for the shop's own.
    ``attributes`` are the line's: ``battery``, ``liquid``, ``cold``, ``shipping_method``, ``provider``, ``presale``
    are those that the built-in split rules know.
    """

    line: LineId
    sku: Sku
    quantity: int
    weight_grams: int = 0
    volume_cm3: int = 0
    amount: int = 0
    category: str = ""
    merchant: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    customs: Customs = _NO_CUSTOMS

    def attribute(self, name: str) -> str:
        """What the line says of itself under this name, empty for nothing."""
        for known, said in self.attributes:
            if known == name:
                return said
        return ""


def _said(line: QuoteLine, name: str) -> str:
    for known, said in line.attributes:
        if known == name:
            return said
    return ""


def _volume(line: QuoteLine) -> int:
    text = _said(line, VOLUME)
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        reason = f"{VOLUME} is a whole number of cubic centimeters, not {text[:40]!r}"
        raise InvalidManifest(reason, path=f"lines[{line.id}].attributes.{VOLUME}", line=line.id)
    return int(text)


def items_of(lines: Iterable[QuoteLine], goods: Manifest | None = None) -> tuple[Item, ...]:
    """The lines that are carried, or those units of them in ``goods``, in the order of the lines.

    A line with the attribute `DIGITAL` is not carried. ``amount`` is shared by `QuoteLine.units`, from the first unit.
    Raises `InvalidManifest` for a line that is not there, for more units than it has, and for a volume that is
    no number.
    """
    known: dict[str, QuoteLine] = {line.id: line for line in lines}
    wanted: dict[str, int] | None = None if goods is None else dict(goods.items)
    for name, count in () if wanted is None else wanted.items():
        line = known.get(name)
        if line is None or count > line.quantity:
            have = 0 if line is None else line.quantity
            reason = f"line {name!r} has {have} units, not {count}"
            raise InvalidManifest(reason, path=f"goods[{name}]", line=name, have=have)
    found = []
    for line in known.values():
        count = line.quantity if wanted is None else wanted.get(line.id, 0)
        if not count or _said(line, DIGITAL):
            continue
        found.append(
            Item(
                line.id,
                Sku(line.sku),
                count,
                line.weight_grams,
                _volume(line),
                line.total if count == line.quantity else line.units(0, count).total,
                line.category,
                line.merchant,
                line.attributes,
                line.customs or _NO_CUSTOMS,
            )
        )
    return tuple(found)


def weight_of(items: Sequence[Item]) -> int:
    """What they weigh together, in grams."""
    return sum([item.weight_grams * item.quantity for item in items])
