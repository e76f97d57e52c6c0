"""Compensating: the shop gives money that is no refund, over a gateway that puts money on accounts.

It is written down first, with the name under which it is asked; a crash, a lost answer or a gateway that does not
answer leaves it open, and a timer asks again under the same name.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ordercore.change import Receipt
from ordercore.engine.answers import REFUND_UNKNOWN, sound_refund, unanswered
from ordercore.engine.flow import call
from ordercore.engine.placing import checked_key
from ordercore.engine.shop import digest, load, once, record
from ordercore.errors import GatewayError, InvalidInput, NotFound, PortFailed
from ordercore.money import to_minor
from ordercore.order import AnswerCompensation, Compensate
from ordercore.pricing import PointsRate
from ordercore.tender import Compensation, CreditRequest, RefundOutcome, RefundStatus
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.money import Money
    from ordercore.order import Order
    from ordercore.party import Actor
    from ordercore.ports import CreditGateway

__all__ = ["COMPENSATED", "CompensationResult", "compensate", "counts_points", "credit_owed"]

COMPENSATED = frozenset({RefundStatus.ARRIVED, RefundStatus.FAILED})
"""A compensation that stands so is asked for no more."""
POINTS = "points"
"""The gateway of points, unless a rule with a rate names another."""
_LOG = logging.getLogger("ordercore.engine")


@value
class CompensationResult:
    """The order, and the compensation as it stands."""

    order: Order
    compensation: Compensation


def _credits(shop: Shop, name: str) -> CreditGateway | None:
    """The gateway of this name, if it puts money on accounts."""
    gateway: Any = shop.gateway(name)
    if not gateway.capabilities.credits:
        return None
    found: CreditGateway = gateway
    return found


def _request(order: Order, given: Compensation) -> CreditRequest:
    content = order.content
    return CreditRequest(
        given.id, content.id, given.account, given.amount, content.currency, given.points,
        content.customer.id, given.reason,
    )  # fmt: skip


def _asked(shop: Shop, order: Order, given: Compensation) -> Flow[RefundOutcome]:
    try:
        gateway = _credits(shop, given.gateway)
        if gateway is None:
            _LOG.error("order %s: %s puts no money on accounts", order.id, given.gateway)
            return REFUND_UNKNOWN
        outcome = yield from call(gateway.credit, _request(order, given))
    except NotFound as error:  # the shop is put together without it: somebody must look
        _LOG.error("order %s: %s", order.id, error)
        return REFUND_UNKNOWN
    except PortFailed as error:
        unanswered(error)
        return REFUND_UNKNOWN
    except GatewayError:
        return REFUND_UNKNOWN
    outcome = sound_refund(outcome, gateway)
    if outcome.status is RefundStatus.FAILED:
        _LOG.error("order %s: compensation %s failed: %s", order.id, given.id, outcome.reason)
    return outcome


def credit_owed(shop: Shop, order: Order, by: Actor, only: str = "") -> Flow[Order]:
    """Ask for every compensation that has not come to its end; with ``only``, for that one, also if it is under way."""
    for given in order.payments.compensations:
        under_way = given.status is RefundStatus.ACCEPTED
        if given.status in COMPENSATED or (under_way and not only) or only not in {"", given.id}:
            continue
        if not given.account:  # whose it is nobody knows: staff grants it anew, with an account
            _LOG.error("order %s: compensation %s names no account", order.id, given.id)
            continue
        outcome = yield from _asked(shop, order, given)
        if outcome.status is not RefundStatus.UNKNOWN:
            made = yield from record(shop, order, AnswerCompensation(given.id, outcome), by)
            order = made.order
    return order


def counts_points(shop: Shop, gateway: str, currency: str) -> bool:
    """Whether a gateway keeps points and no money, by the shop's rules for it."""
    _, rule = shop.policies.tenders.rule(gateway, currency)
    return rule.rate is not None or gateway == POINTS


def _points(shop: Shop, order: Order, to: str, amount: int) -> int:
    """The points that an amount is worth at a gateway of points; 0 at one of money."""
    if not counts_points(shop, to, order.currency):
        return 0
    _, rule = shop.policies.tenders.rule(to, order.currency)
    points, minor = (rule.rate or PointsRate()).quantum()
    if amount % minor:
        reason = "it is no whole number of points"
        raise InvalidInput(reason, path="amount", amount=amount, step=minor)
    return amount // minor * points


def compensate(
    shop: Shop,
    order_id: str,
    amount: Money,
    to: str,
    account: str,
    reason: str,
    key: str,
    by: Actor,
) -> Flow[CompensationResult]:
    """Grant a compensation and put it on an account: by default the one of the order's customer.

    One that waits for an account, because the order has no customer, is given up for one of the same amount at the
    same gateway.
    Raises `NotAllowed` for who may not, `NotFound` for an unknown gateway, `InvalidInput` for one that puts no
    money on accounts and for an amount that is not above nothing.
    """
    shop.outside()
    order = yield from load(shop, order_id)
    if _credits(shop, to) is None:
        raise InvalidInput(f"the gateway {to!r} puts no money on accounts", path="to")
    minor = to_minor(amount, order.currency, "amount")
    onto = account or order.content.customer.id
    if not isinstance(onto, str) or not onto:
        raise InvalidInput("it says whose account: the order has no customer", path="account")
    points = _points(shop, order, to, minor)
    text = digest(order_id, str(minor), to, onto, reason)
    receipt = Receipt(order.shop, checked_key(key), "Compensate", text, order_id)
    name = f"{order_id}/c{digest(key)[:12]}"

    def make(_now: Order) -> Compensate:
        return Compensate(Compensation(name, minor, to, onto, reason, str(by), points))

    order, made = yield from once(shop, order, receipt, by, make)
    if made is not None:
        order = yield from credit_owed(shop, order, by, only=name)
    return CompensationResult(order, order.payments.compensation(name))
