"""Fulfilling: taking up, shipping, arriving, completing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidManifest
from ordercore.fulfillment import Received, Shipment, Shipped
from ordercore.fulfillment.delivery import SHIPMENTS_MAX
from ordercore.goods import Manifest
from ordercore.order.commands import Accept, Complete, Deliver, Ship
from ordercore.order.rules.capturing import goods_arrived, goods_left
from ordercore.order.rules.deciding import Refusal, unlisted
from ordercore.order.rules.paying import CLOSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation

__all__ = ["GUARDS", "RULES", "leave", "may_leave", "may_ship"]


def _needs(event: str, what: str, *, stays: bool = False) -> Guard:
    """A guard: the state lists ``event``. With ``stays``, and the order is not about to end."""

    def may(order: Order, situation: Situation) -> Refusal | None:
        refusal = unlisted(event, f"cannot be {what}", order, situation)
        if refusal is None and stays and order.closing is not None:
            return Refusal(CLOSING)
        return refusal

    return may


_listed = _needs("ship", "shipped", stays=True)


def may_leave(order: Order, situation: Situation) -> Refusal | None:
    """Goods leave while the state lists ``ship``, and what is paid ahead is paid."""
    refusal = _listed(order, situation)
    if refusal is None and situation.lifecycle.prepaid and order.due:
        return Refusal("something is still due: goods leave when it is paid")
    return refusal


def may_ship(order: Order, situation: Situation) -> Refusal | None:
    """Goods leave while some are still to leave."""
    refusal = may_leave(order, situation)
    if refusal is None:
        gone = order.delivery.gone()
        for line in order.content.lines:
            if line.quantity > gone.get(line.id, 0):
                return None
        refusal = Refusal("nothing is left to ship")
    return refusal


def may_ship_loose(order: Order, situation: Situation) -> Refusal | None:
    """The same of goods that stand in no parcel: those that do leave with it."""
    refusal = may_ship(order, situation)
    if refusal is None and order.delivery.parcels and not _loose(order):
        refusal = Refusal("what is left stands in parcels: dispatch them, or plan anew")
    return refusal


def _loose(order: Order) -> Manifest:
    """Units that are still to leave and stand in no parcel."""
    return order.shippable() - Manifest(tuple(order.delivery.in_work().items()))


def accept(deciding: Deciding, _command: Accept) -> None:
    """Take the order up."""
    deciding.move("accept")


def ship(deciding: Deciding, command: Ship) -> None:
    """Record a shipment of goods that stand in no parcel."""
    order = deciding.order
    parcels = order.delivery.parcels
    left = _loose(order) if parcels else order.shippable()
    goods = left if command.goods is None else command.goods
    rest = None if goods is left else left - goods
    last = not rest and (not parcels or not order.delivery.in_work())
    leave(deciding, command.id, goods, command.carrier, command.tracking, last=last)


def leave(
    deciding: Deciding, name: str, goods: Manifest, carrier: str, tracking: str, *, last: bool
) -> None:
    """Let goods leave under a name of their own; the order moves when they are the last."""
    order = deciding.order
    if len(order.delivery.shipments) >= SHIPMENTS_MAX:
        raise InvalidManifest(f"an order has at most {SHIPMENTS_MAX} shipments", path="goods")
    if not goods:
        raise InvalidManifest("a shipment has at least one unit", path="goods")
    shipment = Shipment(name, goods, carrier, tracking, deciding.situation.at)
    deciding.apply(Shipped(shipment))
    goods_left(deciding)
    if last:
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
    Ship: may_ship_loose,
    Deliver: _needs("receive", "received"),
    Complete: _needs("complete", "completed", stays=True),
}
