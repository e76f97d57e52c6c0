"""Notifications of channels: verified by the adapter, taken in once, in whatever order they come.

A channel repeats itself until it is heard, and others may repeat what it said. So an event that had an effect leaves
a receipt in the very commit of that effect, under the channel's own name of it; one that was sent long ago is
refused. What a notification says of an amount is checked against what was asked; where they differ, the channel
itself is asked before anything is believed: then a forged or mistaken figure moves nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ordercore.change import Receipt
from ordercore.clock import SystemClock
from ordercore.engine.answers import chargeback_told_well, parsed, readable, told_well
from ordercore.engine.discharging import discharge, looked_up, order_of_key
from ordercore.engine.flow import call
from ordercore.engine.holders import became, charged_back_once, noted_before
from ordercore.engine.promises import release
from ordercore.engine.recording import answered
from ordercore.engine.shop import digest, having, record
from ordercore.errors import KeyReused, NotificationRefused, OrdercoreError, OrderNotFound
from ordercore.order import AnswerRefund, NoteChargeback, NoteFee, Order
from ordercore.party import Actor, ActorKind
from ordercore.tender import (
    AttemptState,
    ChannelReply,
    Chargeback,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
)
from ordercore.tender.attempt import settled
from ordercore.tender.sending import as_one

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.ports import Opened
    from ordercore.tender import Attempt

__all__ = ["notify"]

EVENT_ID_MAX = 200
"""Longest name of an event that is kept as it is; a longer one is kept as its digest."""
_MONEY = frozenset({OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED})
_LOG = logging.getLogger("ordercore.engine")


def notify(shop: Shop, gateway: str, headers: Mapping[str, str], body: bytes) -> Flow[ChannelReply]:
    """Take a channel's notification in; twice, late or out of order is all the same."""
    shop.outside()
    told = parsed(shop.gateway(gateway), headers, body)
    if told.irrelevant:
        return told.reply
    yield from _recent(shop, told)
    order_id = order_of_key(told.key)
    receipt = _receipt(gateway, told, order_id)
    opened: Opened = yield from call(
        shop.store.open, order_id, "" if receipt is None else receipt.shop,
        "" if receipt is None else receipt.key,
    )  # fmt: skip
    if _repeated(opened, receipt):
        return told.reply
    order = opened.order
    if order is None:
        raise OrderNotFound(f"no order {order_id!r}", path="order_id", order=order_id)
    by = Actor(ActorKind.CHANNEL, gateway)
    try:
        yield from _taken_in(shop, order, told, receipt, by)
    except KeyReused:
        # somebody else has taken in an event of this name meanwhile: this very one, or it is refused
        if receipt is None or not _repeated(
            (yield from call(shop.store.open, "", receipt.shop, receipt.key)), receipt
        ):
            raise
    return told.reply


def _recent(shop: Shop, told: Notification) -> Flow[None]:
    """Refuse what was sent too long ago, or will be sent: it may be replayed by anybody who once saw it.

    Clocks of workers differ: by the machine's own clock it is refused only if the store's agrees.
    """
    if told.sent_at is None:
        return
    if told.sent_at.utcoffset() is None:
        raise NotificationRefused("its time names no zone, so no moment", path="sent_at")
    window = shop.policies.payments.replay_window
    now = shop.clock.now()
    if abs(now - told.sent_at) > window and isinstance(shop.clock, SystemClock):
        now = yield from call(shop.store.now)
    if abs(now - told.sent_at) > window:
        reason = f"it was sent at {told.sent_at.isoformat()}, which is not within {window} of now"
        raise NotificationRefused(reason, path="sent_at")


def _receipt(gateway: str, told: Notification, order_id: str) -> Receipt | None:
    """What remembers an event of a channel, apart from the keys of the host; ``None`` where it has no name."""
    name = told.event_id
    if not name:
        return None
    outcome = told.outcome
    said = outcome.amount if isinstance(outcome, Chargeback) else getattr(outcome, "status", None)
    text = digest(told.key, type(outcome).__name__, str(said), str(told.amount), told.currency)
    key = name if len(name) <= EVENT_ID_MAX else digest(name)
    return Receipt(f"channel:{gateway}", key, "Notify", text, order_id)


def _repeated(opened: Opened, receipt: Receipt | None) -> bool:
    """Whether the event was taken in before; refused where its name stood for something else."""
    known = opened.receipt
    if known is None or receipt is None:
        return False
    if (known.digest, known.order_id) != (receipt.digest, receipt.order_id):
        reason = f"the channel's event {receipt.key!r} has said something else before"
        raise NotificationRefused(reason, path="event_id", event=receipt.key)
    return True


def _taken_in(
    shop: Shop, order: Order, told: Notification, receipt: Receipt | None, by: Actor
) -> Flow[None]:
    """Record what a notification says, and do what follows."""
    outcome = told.outcome
    if isinstance(outcome, RefundOutcome):
        yield from _refund_told(shop, order, told, outcome, receipt, by)
        return
    attempt = order.payments.attempt(told.key)
    if attempt.gateway != by.id:
        raise NotificationRefused("the attempt is of another gateway", path="key", key=told.key)
    if told.currency and told.currency != order.currency:
        raise NotificationRefused("the notification is in another currency", path="currency")
    if isinstance(outcome, Chargeback):
        if not chargeback_told_well(outcome):
            raise NotificationRefused("what it says of a chargeback cannot be", path="outcome")
        yield from _charged_back(shop, order, attempt, outcome, receipt, by)
        return
    found = yield from _believed(shop, order, attempt, told, outcome)
    made = yield from answered(shop, order, ((told.key, found),), by, told=True, receipt=receipt)
    yield from discharge(shop, made.order, by, made=made)


def _charged_back(
    shop: Shop,
    order: Order,
    attempt: Attempt,
    outcome: Chargeback,
    receipt: Receipt | None,
    by: Actor,
) -> Flow[None]:
    """Record a chargeback. Letters come in any order: where it takes back more than is known to have been taken,
    the channel is asked first what became of the payment (law L10). A statement may have told of it before."""
    back = NoteChargeback(attempt.id, outcome.amount, outcome.fee, outcome.reference, outcome.at)
    noted = yield from noted_before(shop, (yield from became(shop, order)), back)
    if noted.known:
        _LOG.info("order %s: %s is charged back already", order.id, attempt.id)
        if outcome.fee and not noted.fee:  # whoever told before knew of none
            fee = NoteFee(by.id, outcome.fee, attempt.id, outcome.reference)
            yield from record(shop, order, fee, by, complete=lambda made: having(made, receipt))
        return
    pulled: Change | None = None
    if outcome.amount > attempt.captured - attempt.returned - attempt.charged_back:
        found = yield from looked_up(shop, order, attempt)
        if found.status is not OutcomeStatus.UNKNOWN:
            pulled = yield from answered(shop, order, ((attempt.id, found),), by)
            order = pulled.order
    try:
        made = yield from charged_back_once(shop, order, back, receipt, by)
    except OrdercoreError:
        if pulled is not None:  # what the payment brought stands, whatever becomes of the letter
            yield from discharge(shop, order, by, made=pulled)
        raise
    if made is not None:
        order = made.order
    if pulled is not None:
        order = yield from discharge(shop, order, by, made=pulled)
    if made is not None:
        yield from discharge(shop, order, by, made=made)


def _believed(
    shop: Shop, order: Order, attempt: Attempt, told: Notification, outcome: Outcome
) -> Flow[Outcome]:
    """The outcome, once its amount is what was asked, or the channel itself has told the same.

    A figure that is too high would give money back that never came, one that is too low would ask for it twice.
    """
    if not told_well(outcome, attempt):
        raise NotificationRefused("what it says of the attempt cannot be", path="outcome")
    asked = attempt.amount + attempt.rounding
    if told.amount not in {None, asked, outcome.amount}:
        reason = f"the notification speaks of {told.amount}, the attempt of {asked}"
        raise NotificationRefused(reason, path="amount", got=told.amount, due=asked)
    if outcome.status not in _MONEY or outcome.amount in {None, _expected(attempt, outcome)}:
        return outcome
    if settled(attempt.state, outcome.status, told=True) is None:
        return outcome  # it changes nothing, whatever amount it names
    found = yield from looked_up(shop, order, attempt)
    if found.status not in _MONEY:
        reason = f"the notification speaks of {outcome.amount}, and the channel, asked itself, of nothing"
        raise NotificationRefused(reason, path="amount", got=outcome.amount, due=asked)
    return found


def _expected(attempt: Attempt, outcome: Outcome) -> int:
    """What an outcome's amount is where all went as it was asked."""
    whole = attempt.amount + attempt.rounding - attempt.released
    if outcome.status is OutcomeStatus.AUTHORIZED:
        return attempt.amount + attempt.rounding
    if attempt.state is AttemptState.CAPTURING and attempt.asked:
        return attempt.captured + attempt.asked
    return whole


# Refunds --------------------------------------------------------------------------------------


def _refund_told(
    shop: Shop,
    order: Order,
    told: Notification,
    outcome: RefundOutcome,
    receipt: Receipt | None,
    by: Actor,
) -> Flow[None]:
    """Take in what is said of the legs that went out under one key."""
    if not readable(outcome, RefundOutcome, RefundStatus):
        raise NotificationRefused("what it says of the refund cannot be read", path="outcome")
    found = _leg(order, told, by.id)
    if found is None:
        return
    name, place = found
    answer = AnswerRefund(name, ((place, outcome),), (told.key,))
    made = yield from record(shop, order, answer, by, complete=lambda made: having(made, receipt))
    yield from release(shop, made)
    if outcome.status is RefundStatus.FAILED:
        yield from discharge(shop, made.order, by, made=made)  # it may go by another way now


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _leg(order: Order, told: Notification, gateway: str) -> tuple[str, int] | None:
    """The leg that a notification speaks of, the first of those that went out as one.

    None for a way that was given up for another: whoever called it failed has said so for good.
    """
    payments = order.payments
    name, _, tail = told.key.rpartition("#")
    digits, _, tries = tail.partition("x")
    place = _number(digits)
    leg = payments.refund(name).leg(place)
    if leg.tries != (_number(tries) if tries else 0):
        _LOG.error("order %s: news of a refund that went another way since: %s", order.id, told)
        return None
    if (leg.gateway or payments.attempt(leg.attempt).gateway) != gateway:
        raise NotificationRefused("the refund is over another gateway", path="key", key=told.key)
    amount = sum([payments.refund(r).legs[i].paid for r, i in as_one(payments, name, place)])
    if told.amount is not None and told.amount != amount:
        reason = f"the notification speaks of {told.amount}, the refund of {amount}"
        raise NotificationRefused(reason, path="amount", got=told.amount, due=amount)
    if told.currency and told.currency != order.currency:
        raise NotificationRefused("the notification is in another currency", path="currency")
    return name, place
