"""Orders paid over Stripe from end to end: the engine, its store, the official client, a running server."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from tests.adapters.stripe.proxy import Delivery, Document, Fault, FaultProxy, signed
from tests.adapters.stripe.shop import ASKS, DECLINED, SHOPPER, Shop, card, event

from ordercore import Money, Order, tenders
from ordercore.errors import NotificationRefused
from ordercore.order import standing
from ordercore.order.standing import PaymentStanding
from ordercore.tender import ActionKind, AttemptState, Failure, RefundStatus
from ordercore.testing import laws

CREATE = "POST /v1/payment_intents"
TOTAL = 9_000


def check(shop: Shop) -> None:
    """The books balance, and tell for each order what Stripe holds of it in all."""
    laws.trial_balance_is_zero(shop.engine.trial_balance())
    clearing = sum(b.amount for b in shop.engine.trial_balance() if b.account.value == "clearing")
    assert clearing == shop.proxy.moved()


def payment(shop: Shop) -> Document:
    """The one payment at Stripe, as Stripe tells it of itself."""
    (made,) = shop.proxy.payments()
    return made


def test_an_order_is_paid(proxy: FaultProxy) -> None:
    """One charge over the order's total, named by its attempt, and the order is paid."""
    shop = Shop(proxy)
    order = shop.paid()
    assert payment(shop)["metadata"]["ordercore_key"] == f"{order.id}/1"
    assert payment(shop)["amount"] == TOTAL
    attempt = order.payments.attempts[0]
    assert (attempt.state, attempt.captured) == (AttemptState.CAPTURED, TOTAL)
    assert attempt.reference == payment(shop)["id"]
    check(shop)


def test_an_order_is_paid_after_three_d_secure(proxy: FaultProxy) -> None:
    """The shopper is sent to the bank; the server's own webhook makes the order paid."""
    shop = Shop(proxy, return_url="https://shop.example.org/back")
    result = shop.pay(shop.placed(), ASKS)
    assert result.action is not None
    assert result.action.kind is ActionKind.REDIRECT
    reference = result.order.payments.attempts[0].reference
    assert reference in result.action.content
    proxy.payer_authenticates(reference)
    assert shop.tell(proxy.hook("payment_intent.succeeded", reference)) == 200
    assert shop.get(result.order).state == "paid"
    check(shop)


def test_a_webhook_that_never_comes_is_not_needed(proxy: FaultProxy) -> None:
    """The payer has paid and nobody told: at the deadline Stripe is asked, and the order is paid, not closed."""
    shop = Shop(proxy)
    order = shop.pay(shop.placed(), ASKS).order
    proxy.payer_authenticates(order.payments.attempts[0].reference)
    assert order.content.pay_by is not None
    shop.clock.set(order.content.pay_by + timedelta(seconds=1))
    shop.engine.sweep()
    assert shop.get(order).state == "paid"
    check(shop)


def test_an_unpaid_order_closes_its_payment_at_stripe(proxy: FaultProxy) -> None:
    """After the deadline nobody can pay it any more: the payment is canceled before the order is closed."""
    shop = Shop(proxy)
    order = shop.pay(shop.placed(), ASKS).order
    assert order.content.pay_by is not None
    shop.clock.set(order.content.pay_by + timedelta(seconds=1))
    shop.engine.sweep()
    assert payment(shop)["status"] == "canceled"
    assert shop.get(order).state == "closed"
    check(shop)


def test_a_declined_card_leaves_the_order_to_be_paid(proxy: FaultProxy) -> None:
    """The shopper hears why, and pays with another card: two payments at Stripe, one of them taken."""
    shop = Shop(proxy)
    proxy.decline_code = "insufficient_funds"
    order = shop.placed()
    result = shop.pay(order, DECLINED)
    assert result.declined == ("insufficient_funds",)
    assert result.order.payments.attempts[0].failure is Failure.DECLINED
    assert standing(result.order).payment is PaymentStanding.UNPAID
    assert shop.pay(order).paid
    assert len(proxy.charges()) == 1
    check(shop)


def test_money_is_held_and_then_taken(proxy: FaultProxy) -> None:
    """Manual capture: once all tenders are held, Stripe is told to take the money."""
    shop = Shop(proxy, authorizes_first=True)
    shop.paid()
    assert [call.path.rpartition("/")[2] for call in proxy.calls("POST .*")] == [
        "payment_intents",
        "capture",
    ]
    assert len(proxy.charges()) == 1
    check(shop)


def test_what_was_held_is_let_go_when_another_tender_fails(proxy: FaultProxy) -> None:
    """Stripe holds its part, the other channel declines: the hold is canceled, nothing was taken."""
    shop = Shop(proxy, authorizes_first=True)
    shop.other.decline("nobody")
    offers = [
        tenders.Channel("stripe", Money("60.00", "EUR"), card(proxy)),
        tenders.Channel("other", account="nobody"),
    ]
    order = shop.engine.pay(shop.placed().id, offers, key=shop.key(), by=SHOPPER).order
    assert [a.state for a in order.payments.attempts] == [
        AttemptState.RETURNED,
        AttemptState.DECLINED,
    ]
    assert payment(shop)["status"] == "canceled"
    check(shop)


def test_what_was_taken_goes_back_when_another_tender_fails(proxy: FaultProxy) -> None:
    """Stripe has taken its part at once: all of it is refunded, under a key of its own."""
    shop = Shop(proxy)
    shop.other.decline("nobody")
    offers = [
        tenders.Channel("stripe", Money("60.00", "EUR"), card(proxy)),
        tenders.Channel("other", account="nobody"),
    ]
    proxy.fail_next(Fault.LOST_ANSWER, "POST /v1/refunds")
    order = shop.engine.pay(shop.placed().id, offers, key=shop.key(), by=SHOPPER).order
    assert order.payments.attempts[0].state is AttemptState.RETURNING
    shop.later(minutes=2)
    assert shop.get(order).payments.attempts[0].state is AttemptState.RETURNED
    assert [call.key for call in proxy.calls("POST /v1/refunds")] == [f"{order.id}/1:void:0"]
    check(shop)


def test_a_refund_goes_back_in_parts(proxy: FaultProxy) -> None:
    """Line by line; Stripe gives back each line's money once, and all of it in the end."""
    shop = Shop(proxy)
    order = shop.paid()
    lines = [row.id for row in order.content.rows()]
    for n, line in enumerate(lines, 1):
        order = shop.refund(order, line).order
        assert proxy.moved() == TOTAL - n * 3_000
        check(shop)
    legs = [leg for refund in order.payments.refunds for leg in refund.legs]
    assert {leg.status for leg in legs} == {RefundStatus.ARRIVED}


def test_a_refund_under_way_arrives_by_its_webhook(proxy: FaultProxy) -> None:
    """Accepted first; the event says that it has arrived, or that the card has expired."""
    shop = Shop(proxy)
    order = shop.paid()
    proxy.refund_states[""] = {"status": "pending"}
    done = shop.refund(order)
    leg = done.refund.legs[0]
    assert leg.status is RefundStatus.ACCEPTED
    told = {**proxy.get("/v1/refunds")["data"][0], "status": "succeeded"}
    assert shop.tells("refund.updated", told) == 200
    assert shop.get(order).payments.refunds[0].legs[0].status is RefundStatus.ARRIVED
    check(shop)


def test_a_lost_answer_is_resolved_without_a_second_charge(proxy: FaultProxy) -> None:
    """The card was charged and nobody heard: the sweep asks again under the same key."""
    shop = Shop(proxy)
    proxy.fail_next(Fault.LOST_ANSWER, CREATE)
    result = shop.pay(shop.placed())
    assert result.unresolved
    assert not result.paid
    assert len(proxy.charges()) == 1
    shop.later(minutes=2)
    assert shop.get(result.order).state == "paid"
    assert len(proxy.charges()) == 1
    assert {call.key for call in proxy.calls(CREATE)} == {f"{result.order.id}/1"}
    check(shop)


def test_a_500_after_the_charge_is_resolved_without_a_second_one(proxy: FaultProxy) -> None:
    """Stripe answers 500 again and again; once its search has caught up, the order is paid."""
    shop = Shop(proxy)
    proxy.search_lags = True
    proxy.fail_next(Fault.ERROR_AFTER, CREATE)
    result = shop.pay(shop.placed())
    assert result.unresolved
    shop.later(minutes=2)
    assert shop.get(result.order).state == "pending_payment"
    proxy.search_lags = False
    shop.later(minutes=3)
    assert shop.get(result.order).state == "paid"
    assert len(proxy.charges()) == 1
    check(shop)


def test_a_lost_answer_to_a_capture_is_resolved(proxy: FaultProxy) -> None:
    """The money was taken and nobody heard: it is found so, and not taken again."""
    shop = Shop(proxy, authorizes_first=True)
    proxy.fail_next(Fault.LOST_ANSWER, "POST .*/capture")
    result = shop.pay(shop.placed())
    assert not result.paid
    shop.later(minutes=2)
    assert shop.get(result.order).state == "paid"
    assert len(proxy.calls("POST .*/capture")) == 1
    check(shop)


def test_a_lost_answer_to_a_refund_is_resolved(proxy: FaultProxy) -> None:
    """The money went back and nobody heard: it goes back once."""
    shop = Shop(proxy)
    order = shop.paid()
    proxy.fail_next(Fault.LOST_ANSWER, "POST /v1/refunds")
    shop.refund(order, order.content.rows()[0].id)
    assert proxy.moved() == TOTAL - 3_000
    shop.later(minutes=2)
    assert shop.get(order).payments.refunds[0].legs[0].status is RefundStatus.ARRIVED
    assert proxy.moved() == TOTAL - 3_000
    check(shop)


def test_a_shop_that_cannot_reach_stripe_has_not_paid(proxy: FaultProxy) -> None:
    """429 before the work: the shopper may try anew at once, and is charged once."""
    shop = Shop(proxy)
    proxy.fail_next(Fault.LIMITED, CREATE)
    order = shop.placed()
    result = shop.pay(order)
    assert not result.unresolved
    assert result.order.payments.attempts[0].failure is Failure.NOT_SENT
    assert shop.pay(order).paid
    assert len(proxy.charges()) == 1
    check(shop)


def news(shop: Shop) -> tuple[Order, list[Delivery]]:
    """An order whose payer has acted, and what Stripe has to tell of that, in the order of its happening."""
    order = shop.pay(shop.placed(), ASKS).order
    reference = order.payments.attempts[0].reference
    made = shop.proxy.get(f"/v1/payment_intents/{reference}")
    at = int(shop.clock.now().timestamp())
    failed = {
        **made, "status": "requires_payment_method", "next_action": None,
        "last_payment_error": {"code": "card_declined"},
    }  # fmt: skip
    shop.proxy.payer_authenticates(reference)
    paid = shop.proxy.get(f"/v1/payment_intents/{reference}")
    return order, [
        signed(event("payment_intent.requires_action", made, "evt_1"), at),
        signed(event("payment_intent.payment_failed", failed, "evt_2"), at),
        signed(event("payment_intent.succeeded", paid, "evt_3"), at),
    ]


@pytest.mark.parametrize("order_of_news", list(permutations(range(3))))
def test_l10_webhooks_twice_and_in_any_order_end_in_one_standing(
    proxy: FaultProxy, order_of_news: tuple[int, ...]
) -> None:
    """Each is delivered twice, in every order: the order is paid, once, and each is answered with 200."""
    shop = Shop(proxy)
    order, deliveries = news(shop)
    for place in order_of_news * 2:
        assert shop.tell(deliveries[place]) == 200
    now = shop.get(order)
    assert (now.state, standing(now).payment) == ("paid", PaymentStanding.PAID)
    assert len(proxy.charges()) == 1
    check(shop)


def test_forged_and_tampered_webhooks_change_nothing(proxy: FaultProxy) -> None:
    """Neither one that somebody made up, nor a true one of another amount, nor an unsigned one pays the order."""
    shop = Shop(proxy)
    order = shop.pay(shop.placed(), ASKS).order
    made = payment(shop)
    at = int(shop.clock.now().timestamp())
    paid = {**made, "status": "succeeded", "amount_received": TOTAL}
    forged = signed(event("payment_intent.succeeded", paid), at, "whsec_guessed")
    true = signed(event("payment_intent.succeeded", paid), at)
    tampered = Delivery(true.headers, true.body.replace(b"evt_1", b"evt_2"))
    before = shop.get(order)
    for bad in (forged, tampered, Delivery({}, true.body)):
        with pytest.raises(NotificationRefused):
            shop.tell(bad)
        assert shop.get(order) == before


def test_a_genuine_webhook_of_long_ago_is_refused(proxy: FaultProxy) -> None:
    """Whoever once saw it may send it again; after five minutes it is believed no more, and Stripe is asked."""
    shop = Shop(proxy)
    order = shop.pay(shop.placed(), ASKS).order
    reference = order.payments.attempts[0].reference
    proxy.payer_authenticates(reference)
    paid = proxy.get(f"/v1/payment_intents/{reference}")
    sent = signed(event("payment_intent.succeeded", paid), int(shop.clock.now().timestamp()))
    shop.clock.set(shop.clock.now() + timedelta(minutes=5, seconds=1))
    with pytest.raises(NotificationRefused):
        shop.tell(sent)
    assert shop.get(order).state == "pending_payment"
    assert order.content.pay_by is not None
    shop.clock.set(order.content.pay_by + timedelta(seconds=1))
    shop.engine.sweep()
    assert shop.get(order).state == "paid"


def test_a_signed_webhook_of_other_money_is_refused(proxy: FaultProxy) -> None:
    """Genuine, but of another amount or currency than the attempt's: somebody must look, nothing is paid."""
    shop = Shop(proxy)
    order = shop.pay(shop.placed(), ASKS).order
    paid = {**payment(shop), "status": "succeeded"}
    for wrong in ({"amount": TOTAL + 1}, {"currency": "usd"}):
        with pytest.raises(NotificationRefused):
            shop.tells("payment_intent.succeeded", {**paid, **wrong})
    assert shop.get(order).state == "pending_payment"


def test_a_webhook_of_something_else_is_answered_and_dropped(proxy: FaultProxy) -> None:
    """The account's other business is no error, or Stripe would send it again for days."""
    shop = Shop(proxy)
    shop.paid()
    foreign = {**payment(shop), "metadata": {}}
    assert shop.tells("payment_intent.succeeded", foreign) == 200
    assert shop.tells("customer.created", {"id": "cus_1", "object": "customer"}) == 200


def test_money_that_comes_in_the_moment_of_a_cancel_goes_back(proxy: FaultProxy) -> None:
    """The payer is faster than Stripe's cancel: the order is closed all the same, and nobody keeps the money."""
    shop = Shop(proxy)
    order = shop.pay(shop.placed(), ASKS).order
    reference = order.payments.attempts[0].reference
    proxy.meanwhile("POST .*/cancel", lambda: proxy.payer_authenticates(reference))
    shop.engine.cancel(order.id, reason="changed my mind", key=shop.key(), by=SHOPPER)
    assert len(proxy.charges()) == 1
    assert shop.get(order).state == "closed"
    assert not [a for a in shop.get(order).payments.attempts if a.live]
    assert proxy.moved() == 0
    check(shop)
