"""Rerouting: staff lets a part of a refund that failed go by another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.change import Receipt
from ordercore.engine.compensating import counts_points
from ordercore.engine.discharging import discharge
from ordercore.engine.paying import RefundResult, must_credit
from ordercore.engine.placing import checked_key
from ordercore.engine.shop import digest, load, once
from ordercore.errors import InvalidInput, NotAllowed
from ordercore.order import RerouteRefund

if TYPE_CHECKING:
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.party import Actor

__all__ = ["reroute_refund"]


def reroute_refund(
    shop: Shop,
    order_id: str,
    refund: str,
    leg: int,
    to: str,
    account: str,
    consent: str,
    reason: str,
    key: str,
    by: Actor,
) -> Flow[RefundResult]:
    """Let a leg that failed go to an account at the gateway ``to``, or by its own way again where that is empty.

    Points go to an account of points at their own gateway, or become money; money does not become points.
    """
    shop.outside()
    if type(leg) is not int:
        raise InvalidInput(f"a leg is named by its place, not {leg!r}", path="leg")
    if to:
        must_credit(shop, to, "to")
    order = yield from load(shop, order_id)
    command = RerouteRefund(refund, leg, to, account, consent, reason)
    text = digest(order_id, refund, str(leg), to, account, consent, reason)
    receipt = Receipt(order.shop, checked_key(key), "RerouteRefund", text, order_id)

    def make(now: Order) -> RerouteRefund:
        if to and counts_points(shop, to, now.currency):
            part = now.payments.refund(refund).leg(leg)
            if now.payments.attempt(part.attempt).gateway != to:
                why = f"{to!r} keeps points, and money does not become points"
                raise NotAllowed(why, path="to", order=order_id, refund=refund, leg=leg)
        return command

    order, made = yield from once(shop, order, receipt, by, make)
    if made is not None:
        order = yield from discharge(shop, order, by, made=made)
    return RefundResult(order, order.payments.refund(refund))
