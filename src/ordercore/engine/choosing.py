"""Choosing: which channel takes each tender of a payment, and which take over where it cannot.

What the shopper names is a method; the rules of the shop say which channels serve it. Only gateways that the engine
has count, and how they fare lately is known to its `Traffic`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.engine.traffic import Breaker
from ordercore.errors import InvalidTenders
from ordercore.order.funding import fund_shares
from ordercore.tender import (
    CaptureMoment,
    ChannelChoice,
    ChannelPick,
    SuccessRate,
    TenderKind,
    route,
)

if TYPE_CHECKING:
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.tender import Capabilities, FundShare, PlannedTender, Route, TenderPlan
    from ordercore.tender.tenders import Tender

__all__ = ["known_method", "picks"]


def known_method(shop: Shop, offer: Tender) -> bool:
    """Whether an offer is by a method that the shop's rules know, whatever its channels are called."""
    name = offer.gateway
    return any([(rule.method or rule.gateway) == name for rule in shop.policies.channels.rules])


def picks(shop: Shop, order: Order, plan: TenderPlan, carried: int = 0) -> tuple[ChannelPick, ...]:
    """Where each fresh tender of a plan goes, in the plan's order; the first ``carried`` are paid already.

    Accounts, cash and couriers are the gateways of their names. Raises `InvalidTenders` that names each channel of
    a method and why it does not take this payment.
    """
    found = []
    for place, tender in enumerate(plan.tenders):
        if place < carried:
            continue
        if tender.kind is TenderKind.CHANNEL:
            found.append(_pick(shop, order, plan, place, carried))
        elif tender.kind is TenderKind.ON_DELIVERY:
            found.append(ChannelPick(tender.gateway, capture=CaptureMoment.ON_DELIVERY))
        else:
            found.append(ChannelPick(tender.gateway))
    return tuple(found)


def _pick(shop: Shop, order: Order, plan: TenderPlan, place: int, carried: int) -> ChannelPick:
    tender = plan.tenders[place]
    policy, method = shop.policies.channels, tender.gateway
    if not policy.rules and method in shop.gateways:
        plain = shop.gateways[method].capabilities
        if not _choosy(plain):
            return ChannelPick(method, several=plain.multi_capture)
    first, *others = _routed(shop, order, tender).gateways
    able = shop.gateways[first].capabilities
    capture = policy.rule(first, method).capture
    # who takes over takes the money at the same moment: what was agreed for the payment holds
    backups = tuple([name for name in others if policy.rule(name, method).capture is capture])
    several = able.multi_capture and all(
        [shop.gateways[name].capabilities.multi_capture for name in backups]
    )
    splits = able.splits_funds or any(
        [shop.gateways[name].capabilities.splits_funds for name in backups]
    )
    shares: tuple[FundShare, ...] = ()
    if splits:
        shares = fund_shares(order, plan, place, shop.policies.funds, carried)
    named = "" if first == method and not backups else method
    return ChannelPick(first, backups, capture, several, named, shares)


def _choosy(able: Capabilities) -> bool:
    """Whether a gateway takes some payments and not others, or wants to know whose money it is."""
    return bool(
        able.currencies or able.amount_min or able.amount_max is not None or able.splits_funds
    )


def _routed(shop: Shop, order: Order, tender: PlannedTender) -> Route:
    """The channels of a tender. One that is left alone for a while is passed over, unless all of them are: then the
    payment is tried and declined, so that it stands in the journal."""
    policy, method = shop.policies.channels, tender.gateway
    names = [rule.gateway for rule in policy.candidates(method) if rule.gateway in shop.gateways]
    able = {name: shop.gateways[name].capabilities for name in names}
    content = order.content
    amount = tender.amount + tender.rounding
    rates: dict[str, SuccessRate] = {}
    paused: list[str] = []
    if len(names) > 1:
        now = shop.clock.now()
        for told in shop.traffic.show(names, policy, now):
            if told.breaker is Breaker.OPEN:
                paused.append(told.gateway)
            if told.tries and policy.choose is ChannelChoice.SUCCESS:
                rates[told.gateway] = SuccessRate(told.tries, told.successes)
    country, kind = content.address.country, content.kind
    try:
        return route(
            policy, method, amount, content.currency, country, kind,
            capabilities=able, rates=rates, lot=order.id, paused=paused,
        )  # fmt: skip
    except InvalidTenders:
        if not paused:
            raise
    return route(
        policy, method, amount, content.currency, country, kind,
        capabilities=able, rates=rates, lot=order.id,
    )  # fmt: skip
