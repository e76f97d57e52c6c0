"""Charges over a running Stripe-compatible server: what is asked, what is answered, what is at the server."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from urllib.parse import urlencode

import attrs
import pytest
from tests.adapters.stripe.proxy import FaultProxy
from tests.adapters.stripe.shop import (
    ASKS,
    ASKS_THEN_DECLINES,
    DECLINED,
    back,
    card,
    charge,
    stripe_gateway,
)

from ordercore.errors import GatewayError, GatewayTimeout
from ordercore.tender import ActionKind, Failure, OutcomeStatus, RefundStatus


def test_a_payment_carries_its_key_its_order_and_its_gateway(proxy: FaultProxy) -> None:
    """Whoever looks at Stripe's side finds the way back to the order."""
    gateway = stripe_gateway(proxy, name="cards")
    request = charge(card(proxy))
    assert gateway.authorize(request).status is OutcomeStatus.CAPTURED
    assert proxy.payments()[0]["metadata"] == {
        "ordercore_order": request.order_id,
        "ordercore_key": request.key,
        "ordercore_gateway": "cards",
    }


def test_every_call_that_moves_money_has_a_key_made_from_the_request(proxy: FaultProxy) -> None:
    """Charge, capture, refund, void and cancel each have their own; none is the client's own of chance."""
    gateway = stripe_gateway(proxy, authorizes_first=True)
    taken, held = charge(card(proxy)), charge(card(proxy))
    gateway.authorize(taken)
    gateway.capture(taken)
    gateway.refund(back(taken, 100))
    gateway.void(taken)
    gateway.authorize(held)
    gateway.void(held)
    assert [call.key for call in proxy.calls("POST .*")] == [
        taken.key,
        f"{taken.key}:capture:0",
        f"{taken.order_id}/r1#0",
        f"{taken.key}:void:0",
        held.key,
        f"{held.key}:cancel",
    ]


@pytest.mark.parametrize(
    ("code", "failure", "reason"),
    [
        ("issuer_not_available", Failure.SOFT, "issuer_not_available"),
        ("processing_error", Failure.SOFT, "processing_error"),
        ("try_again_later", Failure.SOFT, "try_again_later"),
        ("reenter_transaction", Failure.SOFT, "reenter_transaction"),
        ("insufficient_funds", Failure.DECLINED, "insufficient_funds"),
        ("expired_card", Failure.DECLINED, "expired_card"),
        ("do_not_honor", Failure.DECLINED, "do_not_honor"),
        ("a_code_of_tomorrow", Failure.DECLINED, "a_code_of_tomorrow"),
        ("", Failure.DECLINED, "card_declined"),
        ("stolen_card", Failure.DECLINED, "generic_decline"),
        ("lost_card", Failure.DECLINED, "generic_decline"),
        ("fraudulent", Failure.DECLINED, "generic_decline"),
    ],
)
def test_a_decline_is_sorted_by_its_code(
    proxy: FaultProxy, code: str, failure: Failure, reason: str
) -> None:
    """The payer's fault or a passing one; and what a thief should not learn is told to nobody."""
    proxy.decline_code = code
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy, DECLINED))
    outcome = gateway.authorize(request)
    assert (outcome.status, outcome.failure) == (OutcomeStatus.DECLINED, failure)
    assert outcome.reason == reason
    assert outcome.reference == proxy.payments()[0]["id"]
    assert gateway.lookup(request).status is OutcomeStatus.DECLINED
    assert proxy.moved() == 0


def test_three_d_secure_asks_the_payer_with_a_secret(proxy: FaultProxy) -> None:
    """Without a page to come back to, Stripe's script asks in place: it needs the payment's secret."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy, ASKS), currency="EUR")
    outcome = gateway.authorize(request)
    assert outcome.status is OutcomeStatus.WAITING
    assert outcome.action is not None
    assert outcome.action.kind is ActionKind.PARAMETERS
    assert outcome.action.content == proxy.payments()[0]["client_secret"]
    assert outcome.action.gateway == "stripe"
    proxy.payer_authenticates(outcome.reference)
    assert gateway.lookup(request).status is OutcomeStatus.CAPTURED
    assert proxy.moved() == 1_000


def test_three_d_secure_sends_the_payer_to_the_bank(proxy: FaultProxy) -> None:
    """With a page to come back to, the payer is sent to the bank's, and that is told again when asked."""
    gateway = stripe_gateway(proxy, return_url="https://shop.example.org/back")
    request = charge(card(proxy, ASKS))
    outcome = gateway.authorize(request)
    assert outcome.action is not None
    assert outcome.action.kind is ActionKind.REDIRECT
    assert outcome.action.content == f"https://hooks.example.org/{outcome.reference}"
    assert gateway.lookup(request).action == outcome.action


def test_a_payer_who_fails_at_the_bank_is_declined(proxy: FaultProxy) -> None:
    """The bank says no, before the charge or at it; neither takes money."""
    gateway = stripe_gateway(proxy)
    for number, success in ((ASKS, False), (ASKS_THEN_DECLINES, True)):
        request = charge(card(proxy, number))
        proxy.payer_authenticates(gateway.authorize(request).reference, success=success)
        outcome = gateway.lookup(request)
        assert (outcome.status, outcome.failure) == (OutcomeStatus.DECLINED, Failure.DECLINED)
    assert proxy.moved() == 0


@pytest.mark.parametrize("named", [False, True])
def test_a_payer_without_a_method_chooses_in_stripes_form(proxy: FaultProxy, named: bool) -> None:
    """No account, or a customer alone: nothing is confirmed, and the secret is handed out."""
    account = ""
    if named:
        _, body = proxy.server.ask("POST", "/v1/customers", urlencode({"name": "C"}).encode())
        account = json.loads(body)["id"]
    outcome = stripe_gateway(proxy, methods=()).authorize(charge(account))
    assert outcome.status is OutcomeStatus.WAITING
    assert outcome.action is not None
    assert outcome.action.content == proxy.payments()[0]["client_secret"]
    assert proxy.payments()[0]["customer"] == (account or None)
    asked = proxy.calls("POST .*")[0].form
    assert asked["automatic_payment_methods[enabled]"] == "true"
    assert "confirm" not in asked


def test_a_saved_method_is_charged_with_its_customer(proxy: FaultProxy) -> None:
    """Both are named in the account, as Stripe wants both."""
    method = card(proxy)
    _, body = proxy.server.ask("POST", "/v1/customers", b"name=C")
    customer = json.loads(body)["id"]
    proxy.server.ask(
        "POST", f"/v1/payment_methods/{method}/attach", f"customer={customer}".encode()
    )
    outcome = stripe_gateway(proxy).authorize(charge(f"{customer}:{method}"))
    assert outcome.status is OutcomeStatus.CAPTURED
    assert proxy.payments()[0]["customer"] == customer
    assert proxy.calls("POST .*")[0].form["allowed_payment_method_types[0]"] == "card"


def test_an_account_that_stripe_cannot_know_is_not_sent(proxy: FaultProxy) -> None:
    """Another channel may take it; Stripe was not asked."""
    outcome = stripe_gateway(proxy).authorize(charge("wechat-openid"))
    assert (outcome.status, outcome.failure) == (OutcomeStatus.DECLINED, Failure.NOT_SENT)
    assert proxy.asked == []


def test_money_is_held_until_a_told_time(proxy: FaultProxy) -> None:
    """What is held says how much and how long, by Stripe's own word."""
    gateway = stripe_gateway(proxy, authorizes_first=True)
    outcome = gateway.authorize(charge(card(proxy)))
    assert (outcome.status, outcome.amount) == (OutcomeStatus.AUTHORIZED, 1_000)
    assert outcome.at is not None
    assert outcome.expires_at == outcome.at + timedelta(days=7)
    assert proxy.moved() == 0


def test_a_part_is_captured_and_the_rest_let_go(proxy: FaultProxy) -> None:
    """700 of 1,000 are taken once, however often it is asked; a void then gives 700 back and no more."""
    gateway = stripe_gateway(proxy, authorizes_first=True)
    assert gateway.capabilities.partial_capture
    assert not gateway.capabilities.multi_capture
    request = charge(card(proxy))
    gateway.authorize(request)
    part = attrs.evolve(request, amount=700)
    for _ in range(3):
        outcome = gateway.capture(part)
        assert (outcome.status, outcome.amount) == (OutcomeStatus.CAPTURED, 700)
    assert gateway.lookup(request).amount == 700
    assert proxy.moved() == 700
    assert gateway.refund(back(request, 701)).status is RefundStatus.FAILED
    assert gateway.void(request).status is OutcomeStatus.VOIDED
    assert proxy.moved() == 0


def test_what_is_captured_once_cannot_be_captured_in_parts(proxy: FaultProxy) -> None:
    """A capture that is not the last, or more than is held, is an error; the money stays held."""
    gateway = stripe_gateway(proxy, authorizes_first=True)
    request = charge(card(proxy))
    gateway.authorize(request)
    for amount, final in ((700, False), (1_001, True)):
        part = attrs.evolve(request, amount=amount, final=final)
        with pytest.raises(GatewayError) as caught:
            gateway.capture(part)
        assert type(caught.value) is GatewayError
    assert gateway.lookup(request).status is OutcomeStatus.AUTHORIZED


def test_a_capture_that_comes_too_late_answers_how_it_stands(proxy: FaultProxy) -> None:
    """Canceled by somebody else in that very moment: refused by Stripe, told as voided."""
    gateway, other = (stripe_gateway(proxy, authorizes_first=True) for _ in range(2))
    request = charge(card(proxy))
    gateway.authorize(request)
    proxy.meanwhile("POST .*/capture", lambda: other.void(request))
    assert gateway.capture(request).status is OutcomeStatus.VOIDED
    assert proxy.moved() == 0


@pytest.mark.parametrize("ends", ["close", "void"])
def test_a_payment_paid_in_the_moment_of_its_end(proxy: FaultProxy, ends: str) -> None:
    """The payer is faster than the cancel: a close leaves it paid, a void gives it back."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy, ASKS))
    reference = gateway.authorize(request).reference
    proxy.meanwhile("POST .*/cancel", lambda: proxy.payer_authenticates(reference))
    outcome = getattr(gateway, ends)(request)
    expected = OutcomeStatus.CAPTURED if ends == "close" else OutcomeStatus.VOIDED
    assert outcome.status is expected
    assert proxy.moved() == (1_000 if ends == "close" else 0)


def test_a_debit_on_its_way_through_a_bank_cannot_be_ended_yet(proxy: FaultProxy) -> None:
    """A direct debit is too early to close and to void until the bank has spoken."""
    form = {"type": "sepa_debit", "sepa_debit[iban]": "DE62370400440532013001"}
    _, body = proxy.server.ask("POST", "/v1/payment_methods", urlencode(form).encode())
    gateway = stripe_gateway(proxy, methods=("sepa_debit",))
    request = charge(json.loads(body)["id"])
    outcome = gateway.authorize(request)
    assert (outcome.status, outcome.action) == (OutcomeStatus.WAITING, None)
    for end in (gateway.close, gateway.void):
        assert end(request).status is OutcomeStatus.TOO_EARLY
    until = time.monotonic() + 5
    while gateway.lookup(request).status is OutcomeStatus.WAITING:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert gateway.lookup(request).status is OutcomeStatus.DECLINED
    assert gateway.close(request).status is OutcomeStatus.VOIDED


def test_a_closed_payment_can_no_longer_be_paid(proxy: FaultProxy) -> None:
    """Stripe itself refuses the payer after the close."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy, ASKS))
    reference = gateway.authorize(request).reference
    assert gateway.close(request).status is OutcomeStatus.VOIDED
    with pytest.raises(AssertionError, match="invalid_request"):
        proxy.payer_authenticates(reference)
    assert proxy.moved() == 0


@pytest.mark.parametrize(
    ("currency", "amount", "units"), [("ISK", 5, 500), ("JPY", 500, 500), ("KWD", 5_120, 5_120)]
)
def test_other_minor_units_are_translated_both_ways(
    proxy: FaultProxy, currency: str, amount: int, units: int
) -> None:
    """Stripe is asked in its units; what it answers is told in ours."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy), amount, currency)
    outcome = gateway.authorize(request)
    assert (proxy.payments()[0]["amount"], outcome.amount) == (units, amount)
    assert gateway.refund(back(request, amount)).status is RefundStatus.ARRIVED
    assert proxy.moved() == 0


@pytest.mark.parametrize(("currency", "amount"), [("KWD", 5_124), ("MGA", 501), ("IQD", 1_000)])
def test_an_amount_without_units_at_stripe_is_not_sent(
    proxy: FaultProxy, currency: str, amount: int
) -> None:
    """It is neither rounded nor tried: a charge is declined as not sent, a refund fails."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy), amount, currency)
    outcome = gateway.authorize(request)
    assert (outcome.status, outcome.failure) == (OutcomeStatus.DECLINED, Failure.NOT_SENT)
    assert currency in outcome.reason
    assert gateway.refund(back(request, amount)).status is RefundStatus.FAILED
    assert proxy.asked == []


def test_a_part_without_units_at_stripe_is_not_captured(proxy: FaultProxy) -> None:
    """5.124 KWD of 10.000 cannot be taken; nothing is, and the rest of it stays held."""
    gateway = stripe_gateway(proxy, authorizes_first=True)
    request = charge(card(proxy), 10_000, "KWD")
    gateway.authorize(request)
    part = attrs.evolve(request, amount=5_124)
    with pytest.raises(GatewayError) as caught:
        gateway.capture(part)
    assert not isinstance(caught.value, GatewayTimeout)
    assert gateway.lookup(request).status is OutcomeStatus.AUTHORIZED
