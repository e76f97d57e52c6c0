"""Adyen's webhooks: the published ones, and ours made after them."""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import CHANNEL, StubbornGateway, World, world_policies

from ordercore import InvalidInput, Manifest, Policies
from ordercore.adapters.adyen import AdyenNotifications
from ordercore.adapters.memory import Captures
from ordercore.errors import NotificationRefused
from ordercore.tender import (
    AttemptState,
    Chargeback,
    ChargeRequest,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAYLOADS = Path(__file__).parent / "payloads" / "adyen"
PUBLISHED_KEY = "74F490DD33F7327BAECC88B2947C011FC02D014A473AAA33A8EC93E4DC069174"
OURS, NEXT, THIEF = (hashlib.sha256(name).hexdigest() for name in (b"ours", b"next", b"thief"))
SIGNED_ITEMS = (
    "java/hmac-validation-webhook.json",
    "python/backslash_notification.json",
    "python/colon_notification.json",
    "python/forwardslash_notification.json",
    "python/mixed_notification.json",
)


def published(name: str) -> Any:
    """A published payload."""
    return json.loads((PAYLOADS / name).read_text("utf-8"))


def wrapped(item: Any) -> bytes:
    """The webhook around one item."""
    whole = {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}
    return json.dumps(whole).encode()


def item_of(name: str, **changes: Any) -> dict[str, Any]:
    """The item of a published webhook, changed."""
    whole = published(f"java/{name}.json")
    found: dict[str, Any] = whole["notificationItems"][0]["NotificationRequestItem"]
    return {**found, **changes}


def signed(item: dict[str, Any], key: str = OURS) -> bytes:
    """A webhook with a signature of ours."""
    amount = item.get("amount", {})
    parts = [
        item["pspReference"],
        item.get("originalReference", ""),
        item["merchantAccountCode"],
        item.get("merchantReference", ""),
        amount.get("value", ""),
        amount.get("currency", ""),
        item["eventCode"],
        item["success"],
    ]
    text = ":".join(str(part) for part in parts)
    mac = hmac.new(binascii.unhexlify(key), text.encode(), hashlib.sha256).digest()
    sealed = copy.deepcopy(item)
    sealed.setdefault("additionalData", {})["hmacSignature"] = base64.b64encode(mac).decode()
    return wrapped(sealed)


def charge(**changes: Any) -> dict[str, Any]:
    """An authorization of 207.63 EUR for a key of ours."""
    usual = {"merchantReference": "order_1/1", "amount": {"currency": "EUR", "value": 20_763}}
    return item_of("auth-true", **{**usual, **changes})


def reader(*keys: str, **options: Any) -> AdyenNotifications:
    """A reader with our key."""
    return AdyenNotifications(keys or (OURS,), **options)


# --- Published payloads -------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIGNED_ITEMS)
def test_published_signatures_are_believed(name: str) -> None:
    """Adyen's own samples, with colons and slashes in the reference, bear a right signature."""
    item = published(name)
    found = reader(PUBLISHED_KEY).parse({}, wrapped(item))
    assert found.key == item["merchantReference"]
    assert (found.amount, found.currency) == (1000, "EUR")
    assert found.event_id == f"{item['pspReference']}:AUTHORISATION:true"
    assert isinstance(found.outcome, Outcome)
    assert found.outcome.status is OutcomeStatus.AUTHORIZED
    with pytest.raises(NotificationRefused):
        reader(OURS).parse({}, wrapped(item))


@pytest.mark.parametrize("name", SIGNED_ITEMS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pspReference", "Z"),
        ("originalReference", "Z"),
        ("merchantAccountCode", "Z"),
        ("merchantReference", "order_2/1"),
        ("amount", {"currency": "EUR", "value": 1001}),
        ("amount", {"currency": "USD", "value": 1000}),
        ("eventCode", "CAPTURE"),
        ("success", "false"),
    ],
    ids=lambda found: str(found) if isinstance(found, str) else "-".join(map(str, found.values())),
)
def test_no_signed_field_can_be_changed(name: str, field: str, value: Any) -> None:
    """Each of the eight fields is held by the signature."""
    item = {**published(name), field: value}
    with pytest.raises(NotificationRefused, match="signature"):
        reader(PUBLISHED_KEY).parse({}, wrapped(item))


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("auth-true", OutcomeStatus.AUTHORIZED),
        ("capture-true", OutcomeStatus.CAPTURED),
        ("capture-false", OutcomeStatus.UNKNOWN),
        ("cancellation-true", OutcomeStatus.VOIDED),
        ("offer-closed", OutcomeStatus.DECLINED),
        ("refund-true", RefundStatus.ARRIVED),
        ("refund-false", RefundStatus.FAILED),
    ],
)
def test_published_webhooks_are_read(name: str, outcome: OutcomeStatus | RefundStatus) -> None:
    """Adyen's samples, under a signature of ours, say what they say."""
    item = item_of(name)
    found = reader().parse({}, signed(item))
    assert found.outcome.status is outcome
    assert found.amount == item["amount"]["value"]
    assert found.reply.body == b"[accepted]"


def test_a_webhook_without_a_signature_is_refused() -> None:
    """Published samples that are not signed, or by an unknown key, are not believed."""
    for name in ("auth-true", "cancellation-true", "chargeback", "refund-true"):
        with pytest.raises(NotificationRefused):
            reader().parse({}, (PAYLOADS / "java" / f"{name}.json").read_bytes())


# --- Events -------------------------------------------------------------------------------------


def test_an_authorization_tells_key_amount_reference_and_time() -> None:
    """All that the engine needs; no time of sending, since Adyen signs none."""
    found = reader().parse({}, signed(charge()))
    at = datetime(2017, 1, 19, 15, 42, 3, tzinfo=UTC)
    assert found == Notification(
        "123456789:AUTHORISATION:true",
        "order_1/1",
        Outcome(OutcomeStatus.AUTHORIZED, "123456789", at, amount=20_763),
        found.reply,
        20_763,
        "EUR",
    )
    assert found.sent_at is None


@pytest.mark.parametrize(
    ("name", "amount"),
    [("capture-true", 8999), ("capture-false", None), ("cancellation-true", None)],
)
def test_money_that_was_taken_is_told_and_no_other(name: str, amount: int | None) -> None:
    """A part that was captured is a part; where nothing was taken, no amount is."""
    item = item_of(name, merchantReference="order_1/1", amount={"currency": "EUR", "value": 8999})
    outcome = reader().parse({}, signed(item)).outcome
    assert isinstance(outcome, Outcome)
    assert outcome.amount == amount


class Told(StubbornGateway):
    """A channel as a host writes it over Adyen: a capture is received, and told by webhook alone."""

    def capture(self, request: ChargeRequest) -> Outcome:
        """Take the money, and say no more than that it was asked."""
        super().capture(request)
        return Outcome(OutcomeStatus.UNKNOWN)

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Hand it on."""
        return reader().parse(headers, body)


def test_parts_of_a_charge_that_were_captured_are_taken_in() -> None:
    """Two shipments, two captures: each is told with its own amount, and the books hold both."""
    rules = '[[channels.rules]]\ngateway="wechat"\ncapture="on_shipment"\n'
    policies = attrs.evolve(world_policies(), channels=Policies.parse(rules).channels)
    options: dict[str, Any] = {"authorizes_first": True, "captures": Captures.SEVERAL}
    world = World(channel=Told, policies=policies, **options)
    order = world.paid(CHANNEL)
    world.engine.accept(order.id, key="a")
    taken = 0
    for line in ("1", "2"):
        world.engine.ship(order.id, Manifest.of({line: 1}), key=f"s{line}")
        asked = world.get(order).payments.attempts[0]
        assert (asked.state, asked.captured) == (AttemptState.CAPTURING, taken)
        item = item_of(
            "capture-true", pspReference=f"C{line}", merchantReference=asked.id,
            amount={"currency": "CNY", "value": asked.asked},
        )  # fmt: skip
        taken += asked.asked
        for _ in range(2):
            world.engine.notify("wechat", {}, signed(item))
        now = world.get(order).payments.attempts[0]
        assert (now.state, now.captured) == (AttemptState.AUTHORIZED, taken)


def test_an_account_that_captures_at_once_has_the_money_with_the_authorization() -> None:
    """Then an authorization is taken money; a refused one is declined all the same, and says why."""
    at_once = reader(captures_at_once=True)
    assert at_once.parse({}, signed(charge())).outcome.status is OutcomeStatus.CAPTURED
    refused = at_once.parse({}, signed(charge(success="false", reason="Refused")))
    assert (refused.outcome.status, refused.outcome.reason) == (OutcomeStatus.DECLINED, "Refused")


def test_a_modification_is_about_the_payment_that_it_modifies() -> None:
    """The reference is the payment's own, not that of its capture; the event is the capture's."""
    item = item_of("capture-true", merchantReference="order_1/1", pspReference="CAPTURE_PSP")
    found = reader().parse({}, signed(item))
    assert isinstance(found.outcome, Outcome)
    assert found.outcome.reference == "ORIGINAL_PSP"
    assert found.event_id == "CAPTURE_PSP:CAPTURE:true"


def test_a_refund_is_known_by_its_own_key() -> None:
    """One that was asked under a refund's key is ours; one from the Customer Area is not."""
    item = item_of("refund-true", merchantReference="order_1/r1#0")
    found = reader().parse({}, signed(item))
    at = datetime(2017, 2, 17, 10, 11, 44, tzinfo=UTC)
    assert found.outcome == RefundOutcome(RefundStatus.ARRIVED, "PSP_REFERENCE", at)
    assert (found.key, found.amount, found.irrelevant) == ("order_1/r1#0", 1500, False)
    assert reader().parse({}, signed(item_of("refund-true"))).irrelevant


@pytest.mark.parametrize("code", ["REFUND_FAILED", "REFUNDED_REVERSED"])
def test_a_refund_that_came_back_has_failed(code: str) -> None:
    """The scheme's late no is told as a failure, with a reason."""
    item = item_of("refund-true", eventCode=code, merchantReference="order_1/r1#0")
    found = reader().parse({}, signed(item))
    assert (found.outcome.status, found.outcome.reason) == (RefundStatus.FAILED, code)


def test_a_chargeback_tells_what_the_bank_took_back() -> None:
    """Adyen's sample of a chargeback, about a charge of ours: its amount, and the dispute's own reference."""
    item = item_of("chargeback", merchantReference="order_1/1")
    found = reader().parse({}, signed(item))
    assert isinstance(found.outcome, Chargeback)
    assert (found.key, found.irrelevant) == ("order_1/1", False)
    assert found.outcome.amount == item["amount"]["value"]
    assert found.outcome.reference == item["pspReference"]


@pytest.mark.parametrize(
    "date", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "today", None, 5]
)
def test_a_date_that_is_no_moment_is_refused(date: Any) -> None:
    """It is not signed, so anybody may have written it."""
    with pytest.raises(NotificationRefused):
        reader().parse({}, signed(charge(eventDate=date)))


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"notificationItems":' * 50_000])
def test_a_body_nested_too_deeply_is_refused(body: bytes) -> None:
    """It is read no further than a reader can go."""
    with pytest.raises(NotificationRefused):
        reader().parse({}, body)


@pytest.mark.parametrize("code", ["REPORT_AVAILABLE", "A_NEW_ONE"])
def test_what_moves_no_money_of_a_charge_is_irrelevant(code: str) -> None:
    """A report, an event that is new: answered, dropped, and named."""
    found = reader().parse({}, signed(charge(eventCode=code)))
    assert found.irrelevant
    assert (found.key, found.outcome.reason) == ("order_1/1", code)


def test_a_payment_without_a_reference_is_irrelevant() -> None:
    """Adyen's sample of a cancellation names no order."""
    found = reader().parse({}, signed(item_of("cancellation-true")))
    assert (found.key, found.irrelevant) == ("", True)


@pytest.mark.parametrize(
    ("currency", "value", "minor"),
    [("JPY", 500, 500), ("KWD", 1_234, 1_234), ("ISK", 12_300, 123), ("CLP", 500, 5),
     ("IDR", 7, 700), ("CVE", 7, 700)],
)  # fmt: skip
def test_amounts_are_turned_into_minor_units_of_iso_4217(
    currency: str, value: int, minor: int
) -> None:
    """Four currencies have other decimals at Adyen."""
    found = reader().parse({}, signed(charge(amount={"currency": currency, "value": value})))
    assert (found.amount, found.currency) == (minor, currency)


# --- Forgeries ----------------------------------------------------------------------------------


def tampered() -> bytes:
    """Another amount under the signature of the first."""
    return signed(charge()).replace(b"20763", b"1")


def swapped() -> bytes:
    """The signature of one order's payment on another's."""
    return signed(charge()).replace(b"order_1", b"order_2")


def not_text() -> bytes:
    """A signature of letters that no key makes."""
    item = charge()
    item["additionalData"] = {"hmacSignature": "ÄÖÜ"}
    return wrapped(item)


FORGERIES: dict[str, Callable[[], bytes]] = {
    "tampered": tampered,
    "wrong key": lambda: signed(charge(), THIEF),
    "swapped": swapped,
    "rotated out": lambda: signed(charge(), hashlib.sha256(b"retired").hexdigest()),
    "another event": lambda: signed(charge(success="false")).replace(b'"false"}}', b'"true"}}'),
    "not signed": lambda: wrapped(item_of("cancellation-true")),
    "an empty signature": lambda: wrapped(charge(additionalData={"hmacSignature": ""})),
    "a signature of other letters": not_text,
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_no_forgery_is_believed(forged: Callable[[], bytes]) -> None:
    """Tampered, signed by a thief, swapped, signed with a retired key, or not signed: all refused."""
    with pytest.raises(NotificationRefused) as caught:
        reader().parse({}, forged())
    assert caught.value.reason


def test_a_replay_has_the_same_event_id() -> None:
    """The same event again, with a fresh date that nobody signed, is the same event; a change of heart is not."""
    first = reader().parse({}, signed(charge()))
    later = reader().parse({}, signed(charge(eventDate="2026-05-20T12:05:01+00:00")))
    other = reader().parse({}, signed(charge(success="false")))
    assert first.event_id == later.event_id != other.event_id
    assert later.sent_at is None


def test_two_keys_are_believed_while_one_takes_over() -> None:
    """Both the present key and the next one may sign."""
    both = reader(OURS, NEXT)
    for key in (OURS, NEXT):
        assert both.parse({}, signed(charge(), key)).key == "order_1/1"
    with pytest.raises(NotificationRefused):
        both.parse({}, signed(charge(), THIEF))


def test_another_accounts_message_is_refused_where_accounts_are_named() -> None:
    """A genuine message about another merchant account is not ours to believe."""
    ours = reader(merchant_accounts=["MagentoMerchantTest2"])
    assert ours.parse({}, signed(charge())).key == "order_1/1"
    with pytest.raises(NotificationRefused, match="another merchant"):
        ours.parse({}, signed(charge(merchantAccountCode="Other")))


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {"currency": "XXQ", "value": 1}},
        {"amount": {"currency": "CLP", "value": 150}},
        {"amount": {"currency": "EUR", "value": 1.5}},
        {"success": "maybe"},
        {"eventDate": "2017-01-19T16:42:03"},
    ],
    ids=["currency", "part", "float", "success", "zone"],
)
def test_a_genuine_message_that_cannot_be_read_is_refused(change: dict[str, Any]) -> None:
    """A currency that is none, a part that it has not, a broken number, neither yes nor no, no zone."""
    with pytest.raises(NotificationRefused):
        reader().parse({}, signed(charge(**change)))


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["notificationItems", "NotificationRequestItem", "amount",
                                       "additionalData", "success"]), inner, max_size=3),
).map(lambda found: json.dumps(found).encode()))  # fmt: skip
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """Whatever is no signed webhook is refused with an error of the tree."""
    with pytest.raises(NotificationRefused):
        reader().parse({}, body)


@pytest.mark.parametrize("keys", [(), "AB", ("xyz",), ("",)], ids=["none", "text", "odd", "empty"])
def test_keys_that_cannot_be_read_are_refused_at_once(keys: Any) -> None:
    """No key, a text for a list, a key that is not hexadecimal, an empty one; the error names no key."""
    with pytest.raises(InvalidInput) as caught:
        AdyenNotifications(keys)
    assert "xyz" not in str(caught.value)
