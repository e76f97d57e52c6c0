"""PayPal's webhooks: verified offline and read (extra ``paypal``, for its certificates).

This is the half of a gateway that listens: `PayPalNotifications.parse` is what a host's own gateway
hands `PaymentGateway.parse` on to. The half that calls is the host's, with its PayPal client.

PayPal signs ``transmission id|transmission time|webhook id|CRC-32 of the body``. A CRC-32 is no
digest: whoever has seen one genuine message can write another body to its signature. So take webhooks over
HTTPS only, keep their headers out of logs, and for large amounts look the capture up before goods go.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from ordercore.errors import GatewayTimeout, InvalidInput, NotificationRefused
from ordercore.money import parse_minor
from ordercore.tender import (
    ChannelReply,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
)

__all__ = ["PayPalNotifications"]

BODY_MAX = 1 << 20  # bytes; an event has about two thousand
CERTIFICATES_MAX = 16  # kept of those that were fetched
LIVE = frozenset({"api.paypal.com", "api-m.paypal.com"})
SANDBOX = frozenset({"api.sandbox.paypal.com", "api-m.sandbox.paypal.com"})
CERTIFICATES = "/v1/notifications/certs/"
ALGORITHM = "SHA256withRSA"

_CHARGES: Mapping[str, OutcomeStatus] = {
    "PAYMENT.AUTHORIZATION.CREATED": OutcomeStatus.AUTHORIZED,
    "PAYMENT.AUTHORIZATION.VOIDED": OutcomeStatus.VOIDED,
    "PAYMENT.CAPTURE.COMPLETED": OutcomeStatus.CAPTURED,
    "PAYMENT.CAPTURE.DECLINED": OutcomeStatus.DECLINED,
    "PAYMENT.CAPTURE.DENIED": OutcomeStatus.DECLINED,
    "PAYMENT.CAPTURE.PENDING": OutcomeStatus.WAITING,
}
_REFUNDED = "PAYMENT.CAPTURE.REFUNDED"
_REFUNDS: Mapping[str, RefundStatus] = {
    "COMPLETED": RefundStatus.ARRIVED,
    "PENDING": RefundStatus.ACCEPTED,
    "FAILED": RefundStatus.FAILED,
    "CANCELLED": RefundStatus.FAILED,
}


class PayPalNotifications:
    """Reads PayPal's webhooks about payments (v2). A parser, not a gateway.

    ``webhook_id`` is that of the subscription, as the dashboard shows it. ``certificates`` are PEM by
    the address under which PayPal names them; one that is not there is asked of ``fetch`` (an address
    in, PEM out, over verified HTTPS), and without it refused. An address must be PayPal's own, the certificate
    must name a host of PayPal and be valid at the time of the message.

    ``custom_id`` is our key. So the host sends a charge's key as that of its purchase unit, and a
    refund's key as that of its refund. A message without it, a refund that was asked for elsewhere,
    and any other event (a dispute, a reversal) are *irrelevant*; the outcome's reason then names the event.
    A capture tells its own amount: of a further part of one charge the engine asks the gateway how much is taken
    in all.
    """

    refusal: ClassVar[ChannelReply] = ChannelReply(400, b"refused")
    """What to answer to a notification that is refused: PayPal sends it again, for three days."""

    _reply: ClassVar[ChannelReply] = ChannelReply(200)

    def __init__(
        self,
        webhook_id: str,
        *,
        certificates: Mapping[str, str | bytes] | None = None,
        fetch: Callable[[str], str | bytes] | None = None,
        sandbox: bool = False,
    ) -> None:
        if not webhook_id or "|" in webhook_id:
            raise InvalidInput("the id of the webhook is needed", path="webhook_id")
        self._webhook_id = webhook_id
        self._hosts = SANDBOX if sandbox else LIVE
        self._fetch = fetch
        self._fetched: dict[str, x509.Certificate] = {}
        try:
            self._given = {url: _read(pem) for url, pem in (certificates or {}).items()}
        except ValueError as error:
            raise InvalidInput("a certificate cannot be read", path="certificates") from error

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Verify and read a webhook. ``sent_at`` is the transmission time, which PayPal signs.

        Raises `NotificationRefused`, and `GatewayTimeout` where a certificate could not be fetched.
        """
        if len(body) > BODY_MAX:
            raise NotificationRefused("the notification is too long", path="body")
        named = {
            name.lower().replace("_", "-").removeprefix("http-"): text
            for name, text in headers.items()
        }
        try:
            sent_at = self._verified(named, body)
            return self._told(json.loads(body.decode()), sent_at)
        except (NotificationRefused, GatewayTimeout):
            raise
        except InvalidSignature:
            raise NotificationRefused("the signature is wrong", path="body") from None
        except Exception as error:
            reason = f"the notification is not of PayPal: {str(error)[:100]}"
            raise NotificationRefused(reason, path="body") from error

    def _verified(self, named: Mapping[str, str], body: bytes) -> datetime:
        """When it was sent; raises unless it bears PayPal's signature."""
        if named["paypal-auth-algo"] != ALGORITHM:
            raise ValueError(f"it is not signed with {ALGORITHM}")
        stamp, name = named["paypal-transmission-time"], named["paypal-transmission-id"]
        sent_at = _moment(stamp)
        certificate = self._certificate(named["paypal-cert-url"])
        if not certificate.not_valid_before_utc <= sent_at <= certificate.not_valid_after_utc:
            raise ValueError("the certificate was not valid then")
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise TypeError("the certificate has no RSA key")
        message = f"{name}|{stamp}|{self._webhook_id}|{zlib.crc32(body)}"
        signature = base64.b64decode(named["paypal-transmission-sig"], validate=True)
        key.verify(signature, message.encode(), PKCS1v15(), SHA256())
        return sent_at

    def _certificate(self, url: str) -> x509.Certificate:
        """The certificate at an address of PayPal."""
        parts = urlsplit(url)
        ours = parts.scheme == "https" and parts.netloc in self._hosts
        if not ours or not parts.path.startswith(CERTIFICATES) or ".." in parts.path:
            raise ValueError("its certificate is not at PayPal")
        found = self._given.get(url) or self._fetched.get(url)
        if found is None:
            found = _read(self._asked(url))
            if len(self._fetched) >= CERTIFICATES_MAX:
                self._fetched.clear()
            self._fetched[url] = found
        names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not names or not str(names[0].value).endswith(".paypal.com"):
            raise ValueError("its certificate is not PayPal's")
        return found

    def _asked(self, url: str) -> str | bytes:
        if self._fetch is None:
            raise ValueError("its certificate is not known")
        try:
            return self._fetch(url)
        except Exception as error:
            raise GatewayTimeout("the certificate could not be fetched", path="cert_url") from error

    def _told(self, event: Mapping[str, Any], sent_at: datetime) -> Notification:
        name, kind, resource = _text(event, "id"), _text(event, "event_type"), event["resource"]
        key = resource.get("custom_id") or ""
        charge = _CHARGES.get(kind)
        outcome: Outcome | RefundOutcome
        if not isinstance(key, str):
            raise TypeError("custom_id is no text")
        if not key or (charge is None and kind != _REFUNDED):
            nothing = Outcome(OutcomeStatus.UNKNOWN, reason=kind)
            return Notification(name, key, nothing, self._reply, sent_at=sent_at, irrelevant=True)
        amounts, reference = resource["amount"], _text(resource, "id")
        currency = _text(amounts, "currency_code")
        amount = parse_minor(_text(amounts, "value"), currency)
        when = resource.get("update_time") or resource.get("create_time")
        at = _moment(when) if when else sent_at
        why = str((resource.get("status_details") or {}).get("reason", ""))
        if charge is not None:
            held = charge in {OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED}
            until = resource.get("expiration_time")
            outcome = Outcome(
                charge, reference, at if held else None, why, amount=amount if held else None,
                expires_at=_moment(until) if until and held else None,
            )  # fmt: skip
        else:
            status = _REFUNDS.get(resource.get("status", "COMPLETED"), RefundStatus.UNKNOWN)
            arrived = at if status is RefundStatus.ARRIVED else None
            outcome = RefundOutcome(status, reference, arrived, why)
        elsewhere = charge is None and "#" not in key
        return Notification(
            name, key, outcome, self._reply, amount, currency, sent_at, irrelevant=elsewhere
        )


def _read(pem: str | bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)


def _text(document: Mapping[str, Any], name: str) -> str:
    found = document[name]
    if not isinstance(found, str) or not found:
        raise ValueError(f"{name} is missing")
    return found


def _moment(text: str) -> datetime:
    """A time of RFC 3339, in UTC."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found.astimezone(UTC)
