"""Paying: preview, pay, notifications, cancel, refund."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ordercore.change import Receipt
from ordercore.engine.choosing import known_method, picks
from ordercore.engine.discharging import discharge, pull
from ordercore.engine.flow import call
from ordercore.engine.placing import checked_key
from ordercore.engine.shop import (
    acting,
    checked_goods,
    decided,
    digest,
    load,
    once,
    record,
    situation,
    without_waiting,
)
from ordercore.errors import InvalidInput, InvalidManifest, InvalidTenders, NotAllowed
from ordercore.money import to_minor
from ordercore.order import (
    Cancel,
    Order,
    Pay,
    RefundOrder,
    UndoPayment,
    decide,
)
from ordercore.order.facts import paid_in_full
from ordercore.order.rules.instalment import rows_asked
from ordercore.party import SYSTEM, Actor, ActorKind
from ordercore.tender import (
    AttemptState,
    PaymentAction,
    PaymentPreview,
    PlannedTender,
    Refund,
    RefundSplit,
    carried_tenders,
    plan,
)
from ordercore.tender import preview as explained
from ordercore.tender.tenders import (
    Balance,
    Cash,
    Channel,
    OnDelivery,
    Points,
    StoredValue,
    Tender,
    checked_tender,
)
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.goods import Manifest

__all__ = [
    "PaymentResult",
    "RefundResult",
    "cancel",
    "give_up",
    "pay",
    "preview",
    "refund",
]


_DECLINED = AttemptState.DECLINED  # a look-up through an Enum class costs more than the comparison
_TOLD_LATER = (Points, Channel, Cash, OnDelivery)
"""Tenders of which a payment does not ask what there is: the charge itself finds out."""


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
    """What the accounts of offers without an amount hold; refuses an offer that has neither a gateway nor a rule."""
    held: dict[int, int] = {}
    for i, offer in enumerate(offers):
        if isinstance(offer, Channel) and known_method(shop, offer):
            continue
        gateway = shop.gateway(offer.gateway)
        if isinstance(offer, _TOLD_LATER) or offer.amount is not None:
            continue
        found = yield from call(gateway.available, offer.account, currency)
        if found is not None:
            held[i] = found
    return held


def preview(shop: Shop, order_id: str, offers: Sequence[Tender]) -> Flow[PaymentPreview]:
    """How an order would be paid with these offers, and why so; nothing is written."""
    order = yield from load(shop, order_id)
    offers = owned(offers, order, SYSTEM)
    held = yield from available(shop, offers, order.currency)
    told = dict(held)
    for i, offer in enumerate(offers):  # a payment does not ask these: the charge itself finds out
        if i not in told and isinstance(offer, Points | Balance | StoredValue):
            gateway = shop.gateway(offer.gateway)
            found = yield from call(gateway.available, offer.account, order.currency)
            if found is not None:
                told[i] = found
    content, rules = order.content, shop.policies.tenders
    rows, points = rows_asked(order, offers)
    carried = _carried(order)
    shown = explained(
        rows, offers, rules, content.currency, held, told, points,
        carried=carried, coupons=bool(content.coupons),
    )  # fmt: skip
    picks(
        shop, order, shown.plan, len(carried)
    )  # refuses what no channel takes, as a payment would
    return shown


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
    acting(by)
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
    payments = order.payments
    declined = tuple([a.reason or a.gateway for a in payments.current() if a.state is _DECLINED])
    return PaymentResult(order, payments.action(), declined)


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
        rows, points = rows_asked(now, offers)
        carried = _carried(now)
        planned = plan(
            rows, offers, rules, content.currency, held, points,
            carried=carried, coupons=bool(content.coupons),
        )  # fmt: skip
        return Pay(planned, picks(shop, now, planned, len(carried)))

    if order.payments.in_flight and not (yield from _known(shop, receipt)):
        # what cannot pay, or may not, is refused before the payment under way is touched
        free = without_waiting(shop, order, by)
        command = make(free)
        if free is not order:
            yield from decided(shop, free, command, situation(shop, free, by))
        order = yield from give_up(shop, order, by)
    order, made = yield from once(shop, order, receipt, by, make)
    if made is not None:
        order = yield from discharge(shop, order, by, made=made)
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


def must_credit(shop: Shop, gateway: str, path: str) -> None:
    """Refuse a gateway that puts no money on accounts; raises `NotFound`, `NotAllowed`."""
    if not shop.gateway(gateway).capabilities.credits:
        raise NotAllowed(f"{gateway!r} puts no money on accounts", path=path, gateway=gateway)


def refund(
    shop: Shop,
    order_id: str,
    goods: Manifest | None,
    reason: str,
    charges: Sequence[str] | None,
    key: str,
    by: Actor,
    split: RefundSplit | None = None,
    consent: str = "",
    to: str = "",
) -> Flow[RefundResult]:
    """Refund units of lines, and whole charges; everything left where nothing is named."""
    shop.outside()
    if split is not None and type(split) is not RefundSplit:
        raise InvalidInput(f"a split is a RefundSplit, not {split!r}", path="split")
    payments = shop.policies.payments
    if (split or payments.refund_split) is RefundSplit.TO_BALANCE:
        must_credit(shop, payments.balance, "split")
    order = yield from load(shop, order_id)
    if goods is not None:
        checked_goods(goods)
    if charges is not None and not isinstance(charges, list | tuple):
        raise InvalidManifest('charges are a list: write ("shipping",)', path="charges")
    named = "-" if charges is None else json.dumps(charges, default=repr)
    how = [split.value if split else "-", consent, to] if split or consent or to else []
    text = digest(order_id, "-" if goods is None else repr(goods.items), named, reason, *how)
    receipt = Receipt(order.shop, checked_key(key), "Refund", text, order_id)
    name = f"{order_id}/r{digest(key)[:12]}"

    def make(_now: Order) -> RefundOrder:
        named = None if charges is None else tuple(charges)
        return RefundOrder(name, goods, reason, named, split, consent, to)

    order, made = yield from once(shop, order, receipt, by, make)
    if made is not None:
        order = yield from discharge(shop, order, by, made=made)
    return RefundResult(order, order.payments.refund(name))
