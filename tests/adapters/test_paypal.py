"""PayPal's webhooks, signed by certificates that the test makes."""

from __future__ import annotations

import base64
import json
import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ordercore import InvalidInput
from ordercore.adapters.paypal import CERTIFICATES_MAX, PayPalNotifications
from ordercore.errors import GatewayTimeout, NotificationRefused
from ordercore.tender import Notification, Outcome, OutcomeStatus, RefundOutcome, RefundStatus

if TYPE_CHECKING:
    from collections.abc import Callable

PAYLOADS = Path(__file__).parent / "payloads" / "paypal"
NOON = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
WEBHOOK = "1JE4291016473214C"
HOST = "messageverificationcerts.paypal.com"


def address(name: str) -> str:
    """Where a certificate lies."""
    return f"https://api.paypal.com/v1/notifications/certs/CERT-{name}"


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A key of 2048 bits for each name."""
    assert name
    return rsa.generate_private_key(65537, 2048)


@cache
def certificate(name: str, host: str = HOST, ends: datetime = NOON + timedelta(365)) -> str:
    """A certificate of a key, signed by itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key(name).public_key())
        .serial_number(1)
        .not_valid_before(ends - timedelta(730))
        .not_valid_after(ends)
        .sign(key(name), SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


def capture(kind: str = "COMPLETED", **changes: Any) -> dict[str, Any]:
    """An event about a capture of 207.63 EUR for a key of ours, as the second version of the API has it."""
    return {
        "id": "WH-58D329510W468432D-8HN650336L201105X",
        "event_version": "1.0",
        "create_time": "2026-05-20T11:59:58.501Z",
        "resource_type": "capture",
        "resource_version": "2.0",
        "event_type": f"PAYMENT.CAPTURE.{kind}",
        "summary": "told",
        "resource": {
            "id": "42311647XV020574X",
            "amount": {"currency_code": "EUR", "value": "207.63"},
            "custom_id": "order_1/1",
            "status": kind,
            "final_capture": True,
            "create_time": "2026-05-20T11:59:50Z",
            "update_time": "2026-05-20T11:59:57Z",
            **changes,
        },
    }


def refund(**changes: Any) -> dict[str, Any]:
    """An event about a refund of 69.21 EUR."""
    usual = {
        "id": "1JU08902781691411",
        "amount": {"currency_code": "EUR", "value": "69.21"},
        "custom_id": "order_1/r1#0",
        "status": "COMPLETED",
    }
    return capture("REFUNDED", **{**usual, **changes})


def sent(
    event: Any,
    signs: str = "paypal",
    *,
    at: datetime = NOON,
    webhook: str = WEBHOOK,
    url: str = "",
    transmission: str = "69cd13f0-d67a-11e5-baa3-778b53f4ae55",
) -> tuple[dict[str, str], bytes]:
    """A webhook: headers and body, with a signature."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    stamp = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    message = f"{transmission}|{stamp}|{webhook}|{zlib.crc32(body)}".encode()
    return {
        "PAYPAL-TRANSMISSION-ID": transmission,
        "PAYPAL-TRANSMISSION-TIME": stamp,
        "PAYPAL-TRANSMISSION-SIG": base64.b64encode(
            key(signs).sign(message, PKCS1v15(), SHA256())
        ).decode(),
        "PAYPAL-CERT-URL": url or address(signs),
        "PAYPAL-AUTH-ALGO": "SHA256withRSA",
    }, body


def reader(**options: Any) -> PayPalNotifications:
    """A reader with PayPal's certificate."""
    usual = {"certificates": {address("paypal"): certificate("paypal")}}
    return PayPalNotifications(WEBHOOK, **{**usual, **options})


# --- Events -------------------------------------------------------------------------------------


def test_a_capture_tells_key_amount_reference_and_times() -> None:
    """All that the engine needs, and when it was sent, which is signed."""
    found = reader().parse(*sent(capture()))
    at = datetime(2026, 5, 20, 11, 59, 57, tzinfo=UTC)
    outcome = Outcome(OutcomeStatus.CAPTURED, "42311647XV020574X", at, amount=20_763)
    assert found == Notification(
        "WH-58D329510W468432D-8HN650336L201105X",
        "order_1/1",
        outcome,
        found.reply,
        20_763,
        "EUR",
        NOON,
    )
    assert found.reply.status == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("PAYMENT.CAPTURE.COMPLETED", OutcomeStatus.CAPTURED),
        ("PAYMENT.CAPTURE.DENIED", OutcomeStatus.DECLINED),
        ("PAYMENT.CAPTURE.DECLINED", OutcomeStatus.DECLINED),
        ("PAYMENT.CAPTURE.PENDING", OutcomeStatus.WAITING),
        ("PAYMENT.AUTHORIZATION.CREATED", OutcomeStatus.AUTHORIZED),
        ("PAYMENT.AUTHORIZATION.VOIDED", OutcomeStatus.VOIDED),
    ],
)
def test_each_event_of_a_charge_is_known(kind: str, status: OutcomeStatus) -> None:
    """What PayPal calls an event is one of our outcomes."""
    event = {**capture(), "event_type": kind}
    assert reader().parse(*sent(event)).outcome.status is status


def test_an_authorization_tells_until_when_it_holds() -> None:
    """Its end is on the message; a denied capture says why."""
    held = capture(expiration_time="2026-06-18T12:00:00Z")
    held["event_type"] = "PAYMENT.AUTHORIZATION.CREATED"
    outcome = reader().parse(*sent(held)).outcome
    assert isinstance(outcome, Outcome)
    assert outcome.expires_at == datetime(2026, 6, 18, 12, tzinfo=UTC)
    denied = capture("DENIED", status_details={"reason": "DECLINED_BY_RISK_FRAUD_FILTERS"})
    assert reader().parse(*sent(denied)).outcome.reason == "DECLINED_BY_RISK_FRAUD_FILTERS"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("COMPLETED", RefundStatus.ARRIVED),
        ("PENDING", RefundStatus.ACCEPTED),
        ("FAILED", RefundStatus.FAILED),
        ("A_NEW_ONE", RefundStatus.UNKNOWN),
    ],
)
def test_a_refund_is_known_by_its_own_key(state: str, status: RefundStatus) -> None:
    """Its key, its amount and how it stands."""
    found = reader().parse(*sent(refund(status=state)))
    assert isinstance(found.outcome, RefundOutcome)
    assert (found.outcome.status, found.outcome.reference) == (status, "1JU08902781691411")
    assert (found.key, found.amount, found.irrelevant) == ("order_1/r1#0", 6_921, False)


def test_what_concerns_no_charge_of_ours_is_irrelevant() -> None:
    """No key, a refund from the dashboard, a dispute, a reversal: answered, dropped, and named."""
    dispute = {"id": "WH-2", "event_type": "CUSTOMER.DISPUTE.CREATED", "resource": {}}
    events = [
        capture(custom_id=None),
        refund(custom_id="order_1/1"),
        capture("REVERSED"),
        dispute,
    ]
    assert [reader().parse(*sent(event)).irrelevant for event in events] == [True] * 4
    assert reader().parse(*sent(dispute)).outcome.reason == "CUSTOMER.DISPUTE.CREATED"


@pytest.mark.parametrize(
    ("currency", "text", "minor"),
    [("JPY", "500", 500), ("HUF", "500", 50_000), ("TWD", "100", 10_000), ("USD", "0.05", 5)],
)
def test_amounts_are_read_exactly(currency: str, text: str, minor: int) -> None:
    """Decimal texts become minor units of ISO 4217, also where PayPal writes no decimals."""
    event = capture(amount={"currency_code": currency, "value": text})
    found = reader().parse(*sent(event))
    assert (found.amount, found.currency) == (minor, currency)


def test_the_published_event_is_read() -> None:
    """PayPal's own sample is of the first version of the API, which names no key: irrelevant."""
    examples = json.loads((PAYLOADS / "notifications_webhooks_v1_examples.json").read_text("utf-8"))
    sample = examples[1]["example"]
    assert sample["webhook_id"] == WEBHOOK
    at = datetime(2016, 2, 18, 20, 1, 35, tzinfo=UTC)
    old = {address("paypal"): certificate("paypal", ends=at + timedelta(1))}
    headers, body = sent(sample["webhook_event"], at=at)
    assert headers["PAYPAL-TRANSMISSION-ID"] == sample["transmission_id"]
    assert headers["PAYPAL-TRANSMISSION-TIME"] == sample["transmission_time"]
    found = reader(certificates=old).parse(headers, body)
    assert (found.event_id, found.sent_at, found.irrelevant) == (
        "8PT597110X687430LKGECATA",
        at,
        True,
    )
    genuine = {**headers, "PAYPAL-TRANSMISSION-SIG": sample["transmission_sig"]}
    with pytest.raises(NotificationRefused, match="signature is wrong"):
        reader(certificates=old).parse(genuine, body)  # by a key that was not published


@pytest.mark.parametrize("style", ["asgi", "wsgi"])
def test_headers_may_be_spelled_in_any_way(style: str) -> None:
    """Servers change case and hyphens of headers."""
    headers, body = sent(capture())
    spelled = {
        name.lower() if style == "asgi" else f"HTTP_{name.replace('-', '_')}": text
        for name, text in headers.items()
    }
    assert reader().parse(spelled, body).key == "order_1/1"


# --- Forgeries ----------------------------------------------------------------------------------

Message = tuple[dict[str, str], bytes]


def tampered() -> Message:
    """Another amount under the signature of the first."""
    headers, body = sent(capture())
    return headers, body.replace(b"207.63", b"000.01")


def swapped() -> Message:
    """The signature of one order's payment on another's."""
    headers, _ = sent(capture())
    return headers, sent(capture(custom_id="order_2/1"))[1]


def redated() -> Message:
    """A new time under an old signature."""
    headers, body = sent(capture())
    return {**headers, "PAYPAL-TRANSMISSION-TIME": "2026-05-20T12:05:01Z"}, body


def renamed() -> Message:
    """Another transmission under an old signature."""
    headers, body = sent(capture())
    return {**headers, "PAYPAL-TRANSMISSION-ID": "69cd13f0-d67a-11e5-baa3-000000000000"}, body


def without(name: str) -> Callable[[], Message]:
    """A message that lacks a header."""

    def forge() -> Message:
        headers, body = sent(capture())
        return {header: text for header, text in headers.items() if header != name}, body

    return forge


FORGERIES: dict[str, Callable[[], Message]] = {
    "tampered": tampered,
    "wrong key": lambda: sent(capture(), "thief", url=address("paypal")),
    "swapped": swapped,
    "redated": redated,
    "renamed": renamed,
    "rotated out": lambda: sent(capture(), "retired"),
    "for another webhook": lambda: sent(capture(), webhook="OTHER"),
    "no signature": without("PAYPAL-TRANSMISSION-SIG"),
    "no certificate": without("PAYPAL-CERT-URL"),
    "no algorithm": without("PAYPAL-AUTH-ALGO"),
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_no_forgery_is_believed(forged: Callable[[], Message]) -> None:
    """Tampered, signed by a thief, swapped, redated, signed with a retired key, or not signed: all refused."""
    with pytest.raises(NotificationRefused) as caught:
        reader().parse(*forged())
    assert caught.value.path == "body"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1",
        "https://evil.example/https://api.paypal.com/v1/notifications/certs/CERT-1",
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../../redirect",
        "https://api.paypal.com/redirect?to=evil.example",
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "https://[/v1/notifications/certs/CERT-1",
        "file:///v1/notifications/certs/CERT-1",
    ],
)
def test_a_certificate_from_elsewhere_is_never_asked_for(url: str) -> None:
    """The address is a claim of whoever sent the message: only PayPal's own is followed."""
    asked: list[str] = []

    def fetch(found: str) -> str:
        asked.append(found)
        return certificate("thief")

    with pytest.raises(NotificationRefused):
        reader(fetch=fetch).parse(*sent(capture(), "thief", url=url))
    assert asked == []


def test_an_old_message_says_how_old_it_is() -> None:
    """A genuine message of 301 seconds ago tells its time, so that the engine can refuse it."""
    then = NOON - timedelta(seconds=301)
    assert reader().parse(*sent(capture(), at=then)).sent_at == then


def test_a_replay_has_the_same_event_id() -> None:
    """The same event, transmitted again, is the same event."""
    first = reader().parse(*sent(capture()))
    later = reader().parse(*sent(capture(), at=NOON + timedelta(60), transmission="again-1"))
    assert first.event_id == later.event_id


# --- Certificates -------------------------------------------------------------------------------


def test_a_certificate_is_fetched_once() -> None:
    """One that the host did not hand in is asked for at its address, and kept."""
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return certificate("next").encode()

    both = reader(fetch=fetch)
    for _ in range(3):
        assert both.parse(*sent(capture(), "next")).key == "order_1/1"
        assert both.parse(*sent(capture())).key == "order_1/1"
    assert asked == [address("next")]


def test_certificates_that_were_fetched_do_not_pile_up() -> None:
    """Whoever names ever new addresses fills no memory."""
    fetching = reader(fetch=lambda _: certificate("next"))
    for i in range(3 * CERTIFICATES_MAX):
        fetching.parse(*sent(capture(), "next", url=address(f"n{i}")))
    assert len(fetching._fetched) <= CERTIFICATES_MAX


def test_a_certificate_that_cannot_be_fetched_is_asked_for_again() -> None:
    """The message is neither believed nor called a forgery: PayPal sends it again."""

    def fetch(_: str) -> str:
        raise OSError("no route")

    with pytest.raises(GatewayTimeout):
        reader(fetch=fetch).parse(*sent(capture(), "next"))


def test_a_certificate_must_be_paypals_and_valid() -> None:
    """Another name, an end before the message, or another kind of key is refused."""
    other = certificate("paypal", host="shop.example")
    ended = certificate("paypal", ends=NOON - timedelta(seconds=1))
    lookalike = certificate("paypal", host="messageverificationcerts-paypal.com")
    for pem in (other, ended, lookalike, elliptic()):
        with pytest.raises(NotificationRefused):
            reader(certificates={address("paypal"): pem}).parse(*sent(capture()))


def elliptic() -> str:
    """A certificate with a key that PayPal does not sign with."""
    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    built = x509.CertificateBuilder(
        subject, subject, own.public_key(), 1, NOON - timedelta(1), NOON + timedelta(1)
    )
    return built.sign(own, SHA256()).public_bytes(Encoding.PEM).decode()


def test_the_sandbox_and_the_live_system_do_not_mix() -> None:
    """The sandbox's addresses are believed by a reader of the sandbox alone."""
    url = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1"
    sandbox = reader(sandbox=True, certificates={url: certificate("paypal")})
    assert sandbox.parse(*sent(capture(), url=url)).key == "order_1/1"
    with pytest.raises(NotificationRefused):
        sandbox.parse(*sent(capture()))


# --- What cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {"currency_code": "EUR", "value": "207.631"}},
        {"amount": {"currency_code": "EUR", "value": 207.63}},
        {"amount": {"currency_code": "XXQ", "value": "1"}},
        {"amount": {"currency_code": "EUR", "value": "NaN"}},
        {"id": ""},
        {"custom_id": 7},
        {"update_time": "2026-05-20T11:59:57"},
    ],
    ids=["part", "float", "currency", "nan", "id", "key", "zone"],
)
def test_a_genuine_message_that_cannot_be_read_is_refused(change: dict[str, Any]) -> None:
    """An amount that is not exact, no reference, a key that is no text, a time without a zone."""
    with pytest.raises(NotificationRefused):
        reader().parse(*sent(capture(**change)))


@given(st.binary(max_size=100) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["id", "event_type", "resource"]), inner, max_size=3),
).map(lambda found: json.dumps(found).encode()))  # fmt: skip
def test_no_signed_body_breaks_the_reader(body: bytes) -> None:
    """Whatever is signed is read as irrelevant, or refused with an error of the tree."""
    read = None
    with suppress(NotificationRefused):
        read = reader().parse(*sent(body))
    assert read is None or read.irrelevant


@pytest.mark.parametrize(
    "stamp", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "today", ""]
)
def test_a_time_of_sending_that_is_no_moment_is_refused(stamp: str) -> None:
    """It is read before the signature is, so anybody may have written it."""
    headers, body = sent(capture())
    with pytest.raises(NotificationRefused):
        reader().parse({**headers, "PAYPAL-TRANSMISSION-TIME": stamp}, body)


@pytest.mark.parametrize("field", ["update_time", "expiration_time"])
def test_a_time_beyond_the_calendar_is_refused(field: str) -> None:
    """Signed or not, nobody could keep it."""
    with pytest.raises(NotificationRefused):
        reader().parse(*sent(capture(**{field: "0001-01-01T00:00:00+14:00"})))


def test_a_genuine_message_nested_too_deeply_is_refused() -> None:
    """It is read no further than a reader can go."""
    with pytest.raises(NotificationRefused):
        reader().parse(*sent(b"[" * 200_000))


def test_settings_that_cannot_be_read_are_refused_at_once() -> None:
    """No webhook id, one that would blur the signed text, a certificate that is none."""
    for webhook in ("", "A|B"):
        with pytest.raises(InvalidInput):
            PayPalNotifications(webhook)
    with pytest.raises(InvalidInput):
        reader(certificates={address("paypal"): "nonsense"})
