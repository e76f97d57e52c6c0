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

    ``orders`` counts all of them but those that were split or merged into others, ``released`` those that will not be fulfilled (canceled, never paid).
    ``units`` and ``total`` are of the others; ``paid`` and ``refunded`` are of all. ``group`` is empty for orders
    that do not say.

    ``paid`` is what counts as paid: taken and not undone, or held to be taken later as agreed (on shipment, on
    delivery); ``received`` is what of it was really taken, cash as it was handed over. ``refunded`` was asked back,
    arrived or not, what was paid above the price and what was only held and is let go included. So
    ``paid - refunded`` is what the shop keeps or will get, a forfeited deposit with it. What payers' banks took
    back, what channels kept, and what was granted beside refunds are figures of the books, and not in here.
    """

    group: str
    currency: str
    orders: int
    released: int
    units: int
    total: int
    paid: int
    refunded: int
    received: int


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
        found = sums.setdefault((group_of(order), content.currency), [0] * 7)
        if order.handling.gone:  # its goods and money are counted with the orders that have them
            found[4] += payments.refunded
            found[5] += payments.refunded
            found[6] += min(payments.refunded, payments.received)
            continue
        found[0] += 1
        if order.handling.released:
            found[1] += 1
        else:
            found[2] += sum([line.quantity for line in content.lines])
            found[3] += content.total
        found[4] += payments.captured
        found[5] += payments.refunded
        found[6] += payments.received
    return tuple([Sales(*key, *sums[key]) for key in sorted(sums)])
