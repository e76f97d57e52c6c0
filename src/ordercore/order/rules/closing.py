"""Closing: ending an order that will not be fulfilled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.fulfillment import Withdrawn
from ordercore.goods import Manifest, Quantity
from ordercore.order.commands import Cancel, Close
from ordercore.order.rules.aftercare import give_back
from ordercore.order.rules.deciding import Refusal
from ordercore.order.rules.paying import close_unpaid
from ordercore.tender import refundable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation

__all__ = ["GUARDS", "RULES"]


def may_cancel(order: Order, situation: Situation) -> Refusal | None:
    """An order is canceled while its state lists ``cancel`` and nothing has left."""
    lifecycle = situation.lifecycle
    if "cancel" not in lifecycle.table[order.state]:
        allowed = lifecycle.allowed(order.state, order)
        return Refusal(f"an order in state {order.state!r} cannot be canceled", allowed)
    if order.delivery.shipments:
        return Refusal("part of the order has left: refund the rest instead")
    return None


def may_close(order: Order, situation: Situation) -> Refusal | None:
    """An unpaid order is closed while its state lists ``close``."""
    lifecycle = situation.lifecycle
    if "close" in lifecycle.table[order.state]:
        return None
    allowed = lifecycle.allowed(order.state, order)
    return Refusal(f"an order in state {order.state!r} is not to be closed", allowed)


def cancel(deciding: Deciding, command: Cancel) -> None:
    """End the order: an unpaid one closes, a paid one gives everything back and closes."""
    if deciding.lists("pay"):
        close_unpaid(deciding, "cancel", command.reason)
        return
    order = deciding.order
    content = order.content
    if not content.total:  # nothing was paid, so only the goods stay
        if order.shippable():
            deciding.apply(Withdrawn(order.shippable()))
        deciding.move("cancel", command.reason)
        return
    units, charges = refundable(content.lines, content.charges, order.payments)
    goods = Manifest(tuple((line, Quantity(n)) for line, n in units.items()))
    if goods or charges:
        give_back(deciding, command.refund_id, goods, tuple(charges), command.reason)
    deciding.move("cancel", command.reason)


def close(deciding: Deciding, command: Close) -> None:
    """End an unpaid order because its time is up."""
    close_unpaid(deciding, "close", command.reason)


RULES: Mapping[type[Any], Rule] = {Cancel: cancel, Close: close}
GUARDS: Mapping[type[Any], Guard] = {Cancel: may_cancel, Close: may_close}
