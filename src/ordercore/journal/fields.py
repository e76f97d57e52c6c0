"""What sentences list: goods by name, and amounts by who moved them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordercore.order import Order
    from ordercore.tender import Attempt

__all__ = ["by_name", "goods_of", "held_by", "meant"]


def goods_of(order: Order, goods: Iterable[tuple[str, int]]) -> tuple[Any, ...]:
    """(units, name) of lines; 0 units for a charge."""
    content = order.content
    charges: dict[str, str] = {charge.id: charge.kind.value for charge in content.charges}
    found = []
    for row, units in goods:
        line = content.line(row)
        if line is not None:
            found.append((units, line.name or line.sku))
        else:
            found.append((0, charges.get(row, row)))
    return tuple(found)


def meant(attempt: Attempt) -> int:
    """What is asked of the payer, or held: cash as it is handed over."""
    return (attempt.authorized or attempt.amount) + attempt.rounding


def held_by(attempts: Iterable[Attempt]) -> tuple[Any, ...]:
    """(amount, gateway) of what attempts brought along, added up by gateway."""
    return by_name([(attempt.amount + attempt.rounding, attempt.gateway) for attempt in attempts])


def by_name(amounts: Iterable[tuple[int, str]]) -> tuple[Any, ...]:
    """(amount, name), added up by name."""
    sums: dict[str, int] = {}
    for amount, name in amounts:
        sums[name] = sums.get(name, 0) + amount
    return tuple([(amount, name) for name, amount in sums.items()])
