"""Paying: preview, pay, notifications, cancel, refund."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ordercore.change import Receipt
from ordercore.engine.discharging import answered, discharge, order_of_key, pull, release
from ordercore.engine.flow import call
from ordercore.engine.placing import checked_key
from ordercore.engine.shop import (
    checked_goods,
    decided,
    digest,
    load,
    once,
    record,
    situation,
    without_waiting,
)
from ordercore.errors import InvalidManifest, InvalidTenders, NotAllowed, NotificationRefused
from ordercore.money import to_minor
from ordercore.order import (
    AnswerRefund,
    Cancel,
    Order,
    Pay,
    RefundOrder,
    UndoPayment,
    decide,
)
from ordercore.order.facts import paid_in_full
from ordercore.party import SYSTEM, Actor, ActorKind
from ordercore.tender import (
    AttemptState,
    ChannelReply,
    Notification,
    Outcome,
    PaymentAction,
    PlannedTender,
    Refund,
    TenderPlan,
    carried_tenders,
    plan,
)
from ordercore.tender.tenders import Balance, Channel, Points, Tender, checked_tender
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.goods import Manifest

__all__ = [
    "PaymentResult",
    "RefundResult",
    "cancel",
    "give_up",
    "notify",
    "pay",
    "preview",
    "refund",
]


@value
class PaymentResult:
    """What a payment came to. ``action`` is what the shopper must do now, ``declined`` why a tender failed."""

    order: Order
    action: PaymentAction | None
    declined: tuple[str, ...]

    @property
    def paid(self) -> bool:
        """Whether the order is paid in full, and the money is still with the shop."""
        order = self.order
        total = order.content.total
        if order.handling.released or (total and order.all_asked_back()):
            return False
        return paid_in_full(order)

    @property
    def unresolved(self) -> bool:
        """Whether a gateway has not answered yet: the sweeper asks again, nobody pays anew."""
        return any(attempt.state is AttemptState.OPEN for attempt in self.order.payments.current())


@value
class RefundResult:
    """The order, and the refund with its legs as they stand."""

    order: Order
    refund: Refund


def available(shop: Shop, offers: Sequence[Tender], currency: str) -> Flow[dict[int, int]]:
    """What the accounts of offers without an amount hold; refuses an offer that has no gateway."""
    held: dict[int, int] = {}
    for i, offer in enumerate(offers):
        gateway = shop.gateway(offer.gateway)
        if isinstance(offer, Points | Channel) or offer.amount is not None:
            continue
        found = yield from call(gateway.available, offer.account, currency)
        if found is not None:
            held[i] = found
    return held


def preview(shop: Shop, order_id: str, offers: Sequence[Tender]) -> Flow[TenderPlan]:
    """How an order would be paid with these offers; nothing is written."""
    order = yield from load(shop, order_id)
    offers = owned(offers, order, SYSTEM)
    held = yield from available(shop, offers, order.currency)
    content, rules = order.content, shop.policies.tenders
    return plan(
        content.rows(), offers, rules, content.currency, held, content.points,
        carried=_carried(order),
    )  # fmt: skip


def _carried(order: Order) -> tuple[PlannedTender, ...]:
    """Money of former payments that counts. None for an order that is paid for the first time, nor for
    one on which nothing is due: the decision refuses that with its own words."""
    if not order.due:
        return ()
    return tuple([tender for _, tender in carried_tenders(order.payments)])


def owned(offers: Sequence[Tender], order: Order, by: Actor) -> tuple[Tender, ...]:
    """The offers with their accounts: points and balances without one are the order's customer's.

    A customer pays with no account but their own.
    """
    if not isinstance(offers, list | tuple):
        raise InvalidTenders("tenders are a list: write [tenders.Channel(...)]", path="tenders")
    owner = order.content.customer.id
    found: list[Tender] = []
    for i, offer in enumerate(offers):
        checked_tender(offer, f"tenders[{i}]")
        if type(offer) is Points or type(offer) is Balance:
            if by.kind is ActorKind.CUSTOMER and offer.account not in {"", owner}:
                raise NotAllowed("the account is another customer's", path=f"tenders[{i}].account")
            if not offer.account and owner:
                named = owner
                if isinstance(offer, Points):
                    offer = Points(offer.points, named, offer.gateway)  # noqa: PLW2901
                else:
                    offer = Balance(offer.amount, named, offer.gateway)  # noqa: PLW2901
        found.append(offer)
    return tuple(found)


def _offer_text(offer: Tender, currency: str, path: str) -> str:
    """The offer as its key stands for it: equal amounts give equal texts."""
    if isinstance(offer, Points):
        asked = str(offer.points)
    elif offer.amount is None:
        asked = ""
    else:
        asked = str(to_minor(offer.amount, currency, f"{path}.amount"))
    return f"{type(offer).__name__}:{offer.gateway}:{offer.account}:{asked}"


def _result(order: Order) -> PaymentResult:
    declined = tuple(
        [
            attempt.reason or attempt.gateway
            for attempt in order.payments.attempts
            if attempt.state is AttemptState.DECLINED and attempt.round == order.payments.round
        ]
    )
    return PaymentResult(order, order.payments.action(), declined)


def pay(
    shop: Shop, order_id: str, offers: Sequence[Tender], key: str, by: Actor
) -> Flow[PaymentResult]:
    """Pay an order: write the attempts down, call the gateways, record what they say.

    A payment that still waits for its payer is first asked about, then given up.
    """
    shop.outside()
    checked_key(key)
    order = yield from load(shop, order_id)
    offers = owned(offers, order, by)
    held = yield from available(shop, offers, order.currency)
    named = [_offer_text(o, order.currency, f"tenders[{i}]") for i, o in enumerate(offers)]
    receipt = Receipt(order.shop, key, "Pay", digest(order_id, *named), order_id)

    def make(now: Order) -> Pay:
        content = now.content
        rules = shop.policies.tenders
        return Pay(
            plan(
                content.rows(), offers, rules, content.currency, held, content.points,
                carried=_carried(now),
            )
        )  # fmt: skip

    if order.payments.in_flight and not (yield from _known(shop, receipt)):
        # what cannot pay, or may not, is refused before the payment under way is touched
        free = without_waiting(shop, order, by)
        command = make(free)
        if free is not order:
            yield from decided(shop, free, command, situation(shop, free, by))
        order = yield from give_up(shop, order, by)
    order, made = yield from once(shop, order, receipt, by, make)
    if made is not None:
        until = made.at + shop.policies.timeouts.resolve_after
        order = yield from discharge(shop, order, by, first=until)
    return _result(order)


def _known(shop: Shop, receipt: Receipt) -> Flow[bool]:
    opened = yield from call(shop.store.open, "", receipt.shop, receipt.key)
    return opened.receipt is not None


def give_up(shop: Shop, order: Order, by: Actor) -> Flow[Order]:
    """End a payment that waits for its payer, unless it turns out to be paid.

    One in the middle, whose attempts nobody has answered yet, is left alone.
    """
    lifecycle = shop.lifecycles.get(order.content.lifecycle, order.content.lifecycle_version)
    attempts = order.payments.attempts
    if (
        order.closing is not None
        or "pay" not in lifecycle.table[order.state]
        or any([a.state is AttemptState.OPEN for a in attempts])
    ):
        return order
    # by number: another worker may already have begun the payment that is to take its place
    undo = UndoPayment("the shopper pays in another way", order.payments.round)
    decide(order, undo, situation(shop, order, by))  # who may not end it does not disturb it
    order = yield from pull(shop, order, by)
    if any([a.state is AttemptState.WAITING for a in order.payments.current()]):
        made = yield from record(shop, order, undo, by)
        order = made.order
    return (yield from discharge(shop, order, by))


def notify(shop: Shop, gateway: str, headers: Mapping[str, str], body: bytes) -> Flow[ChannelReply]:
    """Take a channel's notification in; twice, late or out of order is all the same."""
    shop.outside()
    told = shop.gateway(gateway).parse(headers, body)
    order = yield from load(shop, order_of_key(told.key))
    by = Actor(ActorKind.CHANNEL, gateway)
    if isinstance(told.outcome, Outcome):
        attempt = order.payments.attempt(told.key)
        if attempt.gateway != gateway:
            raise NotificationRefused("the attempt is of another gateway", path="key", key=told.key)
        _check_money(told, attempt.amount, order.currency, "attempt")
        made = yield from answered(shop, order, ((told.key, told.outcome),), by, told=True)
        yield from discharge(shop, made.order, by, made=made)
        return told.reply
    name, place = _leg(order, told, gateway)
    answer = AnswerRefund(name, ((place, told.outcome),))
    made = yield from record(shop, order, answer, by)
    yield from release(shop, made)
    return told.reply


def _check_money(told: Notification, amount: int, currency: str, what: str) -> None:
    """Refuse a notification that speaks of other money than ours; one that names none is believed."""
    if told.amount is not None and told.amount != amount:
        reason = f"the notification speaks of {told.amount}, the {what} of {amount}"
        raise NotificationRefused(reason, path="amount", got=told.amount, due=amount)
    if told.currency and told.currency != currency:
        raise NotificationRefused("the notification is in another currency", path="currency")


def _leg(order: Order, told: Notification, gateway: str) -> tuple[str, int]:
    """The refund and the place of the leg that a notification speaks of."""
    name, _, digits = told.key.rpartition("#")
    place = int(digits) if digits.isascii() and digits.isdigit() else -1
    leg = order.payments.refund(name).leg(place)
    if order.payments.attempt(leg.attempt).gateway != gateway:
        raise NotificationRefused("the refund is over another gateway", path="key", key=told.key)
    _check_money(told, leg.amount, order.currency, "refund")
    return name, place


def cancel(shop: Shop, order_id: str, reason: str, key: str, by: Actor) -> Flow[Order]:
    """Cancel an order; what was paid goes back, what was promised is free again."""
    shop.outside()
    order = yield from load(shop, order_id)
    receipt = Receipt(order.shop, checked_key(key), "Cancel", digest(order_id, reason), order_id)

    def make(now: Order) -> Cancel:
        return Cancel(reason, f"{order_id}/r{len(now.payments.refunds) + 1}")

    order, made = yield from once(shop, order, receipt, by, make)
    if made is not None:
        order = yield from discharge(shop, order, by, made=made)
    return order


def refund(
    shop: Shop,
    order_id: str,
    goods: Manifest | None,
    reason: str,
    charges: Sequence[str] | None,
    key: str,
    by: Actor,
) -> Flow[RefundResult]:
    """Refund units of lines, and whole charges; everything left where nothing is named."""
    shop.outside()
    order = yield from load(shop, order_id)
    if goods is not None:
        checked_goods(goods)
    if charges is not None and not isinstance(charges, list | tuple):
        raise InvalidManifest('charges are a list: write ("shipping",)', path="charges")
    named = "-" if charges is None else json.dumps(charges, default=repr)
    text = digest(order_id, "-" if goods is None else repr(goods.items), named, reason)
    receipt = Receipt(order.shop, checked_key(key), "Refund", text, order_id)
    name = f"{order_id}/r{digest(key)[:12]}"

    def make(_now: Order) -> RefundOrder:
        return RefundOrder(name, goods, reason, None if charges is None else tuple(charges))

    order, made = yield from once(shop, order, receipt, by, make)
    if made is not None:
        order = yield from discharge(shop, order, by, made=made)
    return RefundResult(order, order.payments.refund(name))
