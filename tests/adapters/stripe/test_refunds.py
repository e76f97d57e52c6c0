"""Refunds and voids over a running Stripe-compatible server."""

from __future__ import annotations

import pytest
from tests.adapters.stripe.proxy import FaultProxy
from tests.adapters.stripe.shop import back, card, charge, stripe_gateway

from ordercore.adapters import stripe as adapter
from ordercore.errors import GatewayError
from ordercore.tender import OutcomeStatus, RefundStatus


def test_a_refund_goes_back_in_parts_to_the_last_cent(proxy: FaultProxy) -> None:
    """Three parts make the whole; one cent more fails for good, and says why."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    reference = gateway.authorize(request).reference
    for n, part in enumerate((333, 333, 334), 1):
        outcome = gateway.refund(back(request, part, n, reference))
        assert outcome.status is RefundStatus.ARRIVED
        assert outcome.at is not None
    failed = gateway.refund(back(request, 1, 4, reference))
    assert (failed.status, failed.reason) == (RefundStatus.FAILED, "charge_already_refunded")
    assert gateway.lookup(request).status is OutcomeStatus.CAPTURED
    assert proxy.moved() == 0


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ({"status": "pending"}, RefundStatus.ACCEPTED, ""),
        ({"status": "requires_action"}, RefundStatus.ACCEPTED, ""),
        ({"status": "canceled"}, RefundStatus.FAILED, "canceled"),
        (
            {"status": "failed", "failure_reason": "expired_or_canceled_card"},
            RefundStatus.FAILED,
            "expired_or_canceled_card",
        ),
        ({"status": "of_tomorrow"}, RefundStatus.UNKNOWN, ""),
    ],
)
def test_a_refund_stands_as_stripe_says(
    proxy: FaultProxy, state: dict[str, str], status: RefundStatus, reason: str
) -> None:
    """Under way, failed with its reason, or something new: told at once, and again when asked."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    gateway.authorize(request)
    proxy.refund_states[""] = state
    asked = back(request, 400)
    said = gateway.refund(asked)
    if status is not RefundStatus.UNKNOWN:
        assert (said.status, said.reason, said.at) == (status, reason, None)
    again = gateway.lookup_refund(asked)
    assert (again.status, again.reason, again.at) == (status, reason, None)
    assert gateway.refund(asked) == again


def test_a_refund_of_a_payment_that_is_nowhere_is_an_error(proxy: FaultProxy) -> None:
    """The search may lag, or the secret key be another account's: asked again later, not given up."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    for reference in ("", "pi_nobody"):
        with pytest.raises(GatewayError):
            gateway.refund(back(request, 100, reference=reference))
    assert gateway.lookup_refund(back(request, 100)).status is RefundStatus.UNKNOWN


def test_what_was_not_taken_does_not_go_back(proxy: FaultProxy) -> None:
    """Money that is only held is voided, not refunded."""
    gateway = stripe_gateway(proxy, authorizes_first=True)
    request = charge(card(proxy))
    gateway.authorize(request)
    assert gateway.refund(back(request, 100)).status is RefundStatus.FAILED


def test_a_void_that_fails_at_the_bank_is_tried_anew(proxy: FaultProxy) -> None:
    """The money is still ours, and the payment captured; the next void has a key of its own."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    gateway.authorize(request)
    proxy.refund_states[""] = {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    with pytest.raises(GatewayError, match="lost_or_stolen_card") as caught:
        gateway.void(request)
    assert type(caught.value) is GatewayError
    assert gateway.lookup(request).status is OutcomeStatus.CAPTURED
    assert gateway.void(request).status is OutcomeStatus.VOIDED
    assert gateway.lookup(request).status is OutcomeStatus.VOIDED
    assert [call.key for call in proxy.calls("POST /v1/refunds")] == [
        f"{request.key}:void:0",
        f"{request.key}:void:1",
    ]
    assert proxy.moved() == 0


def test_a_void_again_asks_for_no_further_refund(proxy: FaultProxy) -> None:
    """The refund of the first void is found; Stripe is not asked for another, whatever it would say."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    gateway.authorize(request)
    for _ in range(3):
        assert gateway.void(request).status is OutcomeStatus.VOIDED
    assert len(proxy.calls("POST /v1/refunds")) == 1


def test_a_void_of_what_staff_has_refunded_elsewhere_is_done(proxy: FaultProxy) -> None:
    """Everything went back over Stripe's own pages: nothing is left to give, and the void says so."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    reference = gateway.authorize(request).reference
    proxy.server.ask("POST", "/v1/refunds", f"payment_intent={reference}&amount=1000".encode())
    assert gateway.void(request).status is OutcomeStatus.VOIDED
    assert proxy.moved() == 0


def test_refunds_are_looked_through_page_by_page(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest of five is found over three pages; beyond the last page that is read it is an error."""
    monkeypatch.setattr(adapter, "PAGE", 2)
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    gateway.authorize(request)
    said = [gateway.refund(back(request, 10, n)) for n in range(1, 6)]
    assert gateway.lookup_refund(back(request, 10, 1)) == said[0]
    monkeypatch.setattr(adapter, "PAGES_MAX", 2)
    with pytest.raises(GatewayError, match="too many"):
        gateway.lookup_refund(back(request, 10, 1))
