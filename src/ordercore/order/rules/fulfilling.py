"""Fulfilling: taking up, shipping, arriving, completing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidManifest
from ordercore.fulfillment import Received, Shipment, Shipped
from ordercore.fulfillment.delivery import SHIPMENTS_MAX
from ordercore.order.commands import Accept, Complete, Deliver, Ship
from ordercore.order.rules.capturing import goods_arrived, goods_left
from ordercore.order.rules.deciding import Refusal, unlisted
from ordercore.order.rules.paying import CLOSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation

__all__ = ["GUARDS", "RULES"]


def _needs(event: str, what: str, *, stays: bool = False) -> Guard:
    """A guard: the state lists ``event``. With ``stays``, and the order is not about to end."""

    def may(order: Order, situation: Situation) -> Refusal | None:
        refusal = unlisted(event, f"cannot be {what}", order, situation)
        if refusal is None and stays and order.closing is not None:
            return Refusal(CLOSING)
        return refusal

    return may


_may_leave = _needs("ship", "shipped", stays=True)


def may_ship(order: Order, situation: Situation) -> Refusal | None:
    """Goods leave while the state lists ``ship`` and some are still to leave."""
    refusal = _may_leave(order, situation)
    if refusal is None and situation.lifecycle.prepaid and order.due:
        return Refusal("something is still due: goods leave when it is paid")
    if refusal is None:
        gone = order.delivery.gone()
        for line in order.content.lines:
            if line.quantity > gone.get(line.id, 0):
                return None
        refusal = Refusal("nothing is left to ship")
    return refusal


def accept(deciding: Deciding, _command: Accept) -> None:
    """Take the order up."""
    deciding.move("accept")


def ship(deciding: Deciding, command: Ship) -> None:
    """Record a shipment; the order moves when all lines have left."""
    order = deciding.order
    if len(order.delivery.shipments) >= SHIPMENTS_MAX:
        raise InvalidManifest(f"an order has at most {SHIPMENTS_MAX} shipments", path="goods")
    left = order.shippable()
    goods = left if command.goods is None else command.goods
    if not goods:
        raise InvalidManifest("a shipment has at least one unit", path="goods")
    rest = None if goods is left else left - goods
    shipment = Shipment(command.id, goods, command.carrier, command.tracking, deciding.situation.at)
    deciding.apply(Shipped(shipment))
    goods_left(deciding)
    if not rest:
        deciding.move("ship")


def deliver(deciding: Deciding, command: Deliver) -> None:
    """The goods arrived."""
    deciding.apply(Received(command.at or deciding.situation.at, command.by_timer))
    goods_arrived(deciding)
    deciding.move(command.via, "confirmed by time" if command.by_timer else "")


def complete(deciding: Deciding, _command: Complete) -> None:
    """The customer keeps the goods."""
    deciding.move("complete")


RULES: Mapping[type[Any], Rule] = {Accept: accept, Ship: ship, Deliver: deliver, Complete: complete}
GUARDS: Mapping[type[Any], Guard] = {
    Accept: _needs("accept", "accepted", stays=True),
    Ship: may_ship,
    Deliver: _needs("receive", "received"),
    Complete: _needs("complete", "completed", stays=True),
}
