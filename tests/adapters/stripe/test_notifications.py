"""Webhooks: genuine, forged, tampered, of others, and as published."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.stripe.proxy import SECRET, FaultProxy, signed
from tests.adapters.stripe.shop import card, charge, event, stripe_gateway

from ordercore.adapters.stripe import StripeGateway
from ordercore.errors import NotificationRefused
from ordercore.tender import (
    ChannelReply,
    Failure,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
)

PAYLOADS = Path(__file__).parents[1] / "payloads" / "stripe"
NOON = int(datetime(2026, 5, 20, 12, tzinfo=UTC).timestamp())
OURS = {"ordercore_key": "o-1/1", "ordercore_order": "o-1", "ordercore_gateway": "stripe"}
GATEWAY = StripeGateway("sk_test_none", webhook_secret=SECRET)


def published(name: str, **fields: Any) -> dict[str, Any]:
    """An object as Stripe publishes it, with some fields of ours."""
    found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))
    return {**found, **fields}


def heard(kind: str, about: dict[str, Any], gateway: StripeGateway = GATEWAY) -> Notification:
    """What the gateway makes of an event that Stripe sent at noon."""
    delivery = signed(event(kind, about), NOON)
    return gateway.parse(delivery.headers, delivery.body)


def refused(headers: dict[str, str], body: bytes, gateway: StripeGateway = GATEWAY) -> None:
    """Hold that this is refused, and says why."""
    with pytest.raises(NotificationRefused) as caught:
        gateway.parse(headers, body)
    assert caught.value.reason


def test_the_servers_own_webhook_is_understood(proxy: FaultProxy) -> None:
    """Its signature holds; it tells the key, the money, its name and when it was sent."""
    gateway = stripe_gateway(proxy)
    request = charge(card(proxy))
    reference = gateway.authorize(request).reference
    delivery = proxy.hook("payment_intent.succeeded", reference)
    told = gateway.parse(delivery.headers, delivery.body)
    assert told.key == request.key
    assert told.event_id == delivery.event["id"]
    assert (told.amount, told.currency) == (1_000, "EUR")
    assert isinstance(told.outcome, Outcome)
    assert (told.outcome.status, told.outcome.reference) == (OutcomeStatus.CAPTURED, reference)
    assert told.sent_at == datetime.fromtimestamp(delivery.event["created"], UTC)
    assert not told.irrelevant
    refused(delivery.headers, delivery.body.replace(b"1000", b"9000"), gateway)


GENUINE = signed(event("payment_intent.succeeded", published("payment_intent")), NOON)
MARK = GENUINE.headers["Stripe-Signature"]


@pytest.mark.parametrize(
    "header",
    [
        None, "", "nonsense", "t=,v1=", f"t={NOON}", MARK.replace("v1", "v0"), MARK[:-1],
        MARK.replace(f"t={NOON}", f"t={NOON + 1}"), f"t={NOON + 1},{MARK}", f"v1={'0' * 64}",
        f"t={NOON},v1=\u00fc", f"t={'9' * 5000},v1=0", f"t={10**20},v1=0", f"t={NOON},v1",
    ],
)  # fmt: skip
def test_a_forged_signature_is_refused(header: str | None) -> None:
    """None, another one, one of another time, or no signature at all."""
    refused({} if header is None else {"Stripe-Signature": header}, GENUINE.body)


def test_a_tampered_body_is_refused() -> None:
    """One letter more, or another amount, under the signature of the true one."""
    for body in (GENUINE.body + b" ", GENUINE.body.replace(b"1099", b"1"), b"", b"\xff\xfe"):
        refused(GENUINE.headers, body)


def test_another_endpoints_secret_is_refused() -> None:
    """What was signed for somebody else is not for us."""
    other = signed(GENUINE.event, NOON, "whsec_other")
    refused(other.headers, other.body)


def test_a_gateway_without_a_secret_believes_nobody() -> None:
    """An empty secret would let everybody sign."""
    for secret in ("", ()):
        gateway = StripeGateway("sk_test_none", webhook_secret=secret)
        empty = signed(GENUINE.event, NOON, "")
        refused(empty.headers, empty.body, gateway)


def test_both_secrets_hold_while_one_is_rolled() -> None:
    """Stripe signs with the new and the old one for a day; either is enough."""
    gateway = StripeGateway("sk_test_none", webhook_secret=("whsec_new", SECRET))
    for secret in ("whsec_new", SECRET):
        sent = signed(GENUINE.event, NOON, secret)
        assert gateway.parse(sent.headers, sent.body).event_id == "evt_1"


def test_the_name_of_the_header_may_be_written_in_any_case() -> None:
    """Web frameworks differ in how they write it."""
    for name in ("stripe-signature", "STRIPE-SIGNATURE"):
        assert GATEWAY.parse({"Host": "x", name: MARK}, GENUINE.body).event_id == "evt_1"


def test_an_old_notification_tells_its_age() -> None:
    """The adapter refuses no age: it says when it was sent, and the engine judges by its clock."""
    told = GATEWAY.parse(GENUINE.headers, GENUINE.body)
    assert told.sent_at == datetime(2026, 5, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (
            "payment_intent.succeeded",
            {"status": "succeeded", "amount_received": 700},
            Outcome(OutcomeStatus.CAPTURED, amount=700),
        ),
        (
            "payment_intent.amount_capturable_updated",
            {"status": "requires_capture", "amount_capturable": 1099},
            Outcome(OutcomeStatus.AUTHORIZED, amount=1099),
        ),
        (
            "payment_intent.payment_failed",
            {
                "status": "requires_payment_method",
                "last_payment_error": {"code": "card_declined", "decline_code": "try_again_later"},
            },
            Outcome(OutcomeStatus.DECLINED, reason="try_again_later", failure=Failure.SOFT),
        ),
        (
            "payment_intent.processing",
            {"status": "processing"},
            Outcome(OutcomeStatus.WAITING),
        ),
        (
            "payment_intent.requires_action",
            {"status": "requires_action"},
            Outcome(OutcomeStatus.WAITING),
        ),
        (
            "payment_intent.canceled",
            {"status": "canceled", "cancellation_reason": "automatic"},
            Outcome(OutcomeStatus.VOIDED, reason="automatic"),
        ),
    ],
)
def test_a_published_payment_is_understood(
    kind: str, fields: dict[str, Any], expected: Outcome
) -> None:
    """Stripe's own sample with our key, in each of the states that are told."""
    about = published("payment_intent", metadata=OURS, **fields)
    told = heard(kind, about)
    assert (told.key, told.amount, told.currency) == ("o-1/1", 1099, "USD")
    assert isinstance(told.outcome, Outcome)
    assert told.outcome.reference == about["id"]
    for name in ("status", "amount", "reason", "failure"):
        assert getattr(told.outcome, name) == getattr(expected, name)
    assert told.reply == ChannelReply()


@pytest.mark.parametrize(
    ("kind", "fields", "status", "reason"),
    [
        ("refund.created", {}, RefundStatus.ARRIVED, ""),
        ("refund.updated", {"status": "pending"}, RefundStatus.ACCEPTED, ""),
        (
            "refund.failed",
            {"status": "failed", "failure_reason": "expired_or_canceled_card"},
            RefundStatus.FAILED,
            "expired_or_canceled_card",
        ),
        ("charge.refund.updated", {"status": "failed"}, RefundStatus.FAILED, "failed"),
    ],
)
def test_a_published_refund_is_understood(
    kind: str, fields: dict[str, Any], status: RefundStatus, reason: str
) -> None:
    """Stripe's own sample of a refund with our key."""
    metadata = {"ordercore_key": "o-1/r1#0", "ordercore_gateway": "stripe"}
    told = heard(kind, published("refund", metadata=metadata, **fields))
    assert isinstance(told.outcome, RefundOutcome)
    assert (told.key, told.amount, told.currency) == ("o-1/r1#0", 100, "USD")
    assert (told.outcome.status, told.outcome.reason) == (status, reason)


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("payment_intent.succeeded", published("payment_intent")),
        ("payment_intent.created", published("payment_intent", metadata=OURS)),
        ("payment_intent.of_tomorrow", published("payment_intent", metadata=OURS)),
        (
            "payment_intent.succeeded",
            published("payment_intent", metadata={**OURS, "ordercore_gateway": "other"}),
        ),
        ("refund.created", published("refund")),
        (
            "refund.created",
            published("refund", metadata={**OURS, "ordercore_void": "o-1/1", "ordercore_key": ""}),
        ),
        ("charge.succeeded", published("charge")),
        ("charge.dispute.created", published("dispute")),
        ("v2.core.account.updated", {}),
    ],
)
def test_what_is_not_of_our_making_is_irrelevant(kind: str, about: dict[str, Any]) -> None:
    """Genuine, answered with 200 so that it does not come again, and nothing more."""
    told = heard(kind, about)
    assert told.irrelevant
    assert told.event_id == "evt_1"
    assert told.reply.status == 200


def test_the_published_event_is_irrelevant() -> None:
    """Stripe's sample of an event, word for word, is of a price plan."""
    sent = signed(published("event"), NOON)
    told = GATEWAY.parse(sent.headers, sent.body)
    assert told.irrelevant
    assert told.event_id == "evt_1Pgc76B7WZ01zgkWwyRHS12y"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"id": "evt_1"}, {"id": "evt_1", "type": "payment_intent.succeeded"},
        {"id": "evt_1", "type": "payment_intent.succeeded", "data": []},
        {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": 1}},
        {"id": "evt_1", "type": [], "data": {"object": {}}},
        event("payment_intent.succeeded", {"metadata": OURS, "amount": 1, "currency": "qqq"}),
        event("payment_intent.succeeded", {"metadata": OURS, "amount": 1, "currency": "isk"}),
        event("payment_intent.succeeded", {"metadata": OURS, "status": []}),
        event("payment_intent.succeeded", {"metadata": OURS, "status": {}}),
        b"[" * 200_000,
        b"null",
    ],
)  # fmt: skip
def test_a_genuine_event_that_cannot_be_read_is_refused(body: Any) -> None:
    """A shape that Stripe does not have, a currency without units, a fraction of a króna."""
    sent = signed(body, NOON)
    refused(sent.headers, sent.body)


@given(st.text(max_size=60), st.binary(max_size=60))
def test_no_header_and_no_body_brings_anything_but_a_refusal(header: str, body: bytes) -> None:
    """Whoever has no secret gets nothing in, and no other error out."""
    for mark in (header, f"t={NOON},v1={header}", f"{MARK},{header}"):
        refused({"Stripe-Signature": mark}, body)
