"""What was sold, by where it came from: exact sums over orders, each currency for itself."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ordercore.order import Order

__all__ = ["Sales", "SalesBy", "sales_by"]


class SalesBy(enum.Enum):
    """What sales are told apart by."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    SHOP = "shop"
    SITE = "site"
    CHANNEL = "channel"
    CAMPAIGN = "campaign"
    COUNTRY = "country"
    """Where the goods go, by ISO 3166-1."""


@value
class Sales:
    """Sales of one group in one currency, amounts in minor units.

    ``orders`` counts all of them, ``released`` those that will not be fulfilled (canceled, never paid).
    ``units`` and ``total`` are of the others; ``paid`` and ``refunded`` are the money that moved, for all.
    ``group`` is empty for orders that do not say.
    """

    group: str
    currency: str
    orders: int
    released: int
    units: int
    total: int
    paid: int
    refunded: int


_GROUPS: Final[Mapping[SalesBy, Callable[[Order], str]]] = {
    SalesBy.SHOP: lambda order: order.content.shop,
    SalesBy.SITE: lambda order: order.content.attribution.site,
    SalesBy.CHANNEL: lambda order: order.content.attribution.channel,
    SalesBy.CAMPAIGN: lambda order: order.content.attribution.campaign,
    SalesBy.COUNTRY: lambda order: order.content.address.country,
}


def sales_by(orders: Iterable[Order], by: SalesBy) -> tuple[Sales, ...]:
    """Add orders up, by group and then by currency, both in the order of their text.

    Amounts of different currencies are never added. The orders are read one by one and not kept, so all
    of a shop's may come, page by page.
    """
    group_of = _GROUPS[by]
    sums: dict[tuple[str, str], list[int]] = {}
    for order in orders:
        content, payments = order.content, order.payments
        found = sums.setdefault((group_of(order), content.currency), [0] * 6)
        found[0] += 1
        if order.handling.released:
            found[1] += 1
        else:
            found[2] += sum([line.quantity for line in content.lines])
            found[3] += content.total
        found[4] += payments.captured
        found[5] += payments.refunded
    return tuple([Sales(*key, *sums[key]) for key in sorted(sums)])
