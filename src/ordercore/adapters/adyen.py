"""Adyen's standard webhooks: verified and read. No extra is needed.

This is the half of a gateway that listens: `AdyenNotifications.parse` is what a host's own gateway hands
`PaymentGateway.parse` on to. The half that calls is the host's, with its Adyen client.

The signature is HMAC-SHA256 over eight fields of the item, joined by colons and not escaped. It covers
neither the time nor ``reason``: `Notification.sent_at` stays empty, and what keeps a replay out is
the event id. Take the webhook over HTTPS, with the user and password that Adyen lets you set.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from ordercore.errors import InvalidInput, NotificationRefused
from ordercore.money import checked_minor, exponent
from ordercore.tender import (
    ChannelReply,
    Chargeback,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["AdyenNotifications"]

BODY_MAX = 1 << 20  # bytes; an item has about a thousand

DECIMALS: Mapping[str, int] = {"CLP": 2, "CVE": 0, "IDR": 0, "ISK": 2}
"""Currencies whose minor units at Adyen are not those of ISO 4217 (docs.adyen.com, currency codes)."""

_YES, _NO = "true", "false"
_CHARGEBACK = "CHARGEBACK"
_S = OutcomeStatus
_CHARGES: Mapping[tuple[str, str], OutcomeStatus] = {
    ("AUTHORISATION", _YES): _S.AUTHORIZED,
    ("AUTHORISATION", _NO): _S.DECLINED,
    ("PENDING", _YES): _S.WAITING,
    ("OFFER_CLOSED", _YES): _S.DECLINED,  # a code or a voucher that nobody paid in time
    ("CAPTURE", _YES): _S.CAPTURED,
    ("CAPTURE", _NO): _S.UNKNOWN,  # the authorization may stand: ask, or try again
    ("CAPTURE_FAILED", _YES): _S.UNKNOWN,  # the scheme said no; Adyen tries again by itself
    ("CANCELLATION", _YES): _S.VOIDED,
    ("CANCELLATION", _NO): _S.UNKNOWN,
    ("TECHNICAL_CANCEL", _YES): _S.VOIDED,
    ("TECHNICAL_CANCEL", _NO): _S.UNKNOWN,
    ("CANCEL_OR_REFUND", _YES): _S.VOIDED,
    ("CANCEL_OR_REFUND", _NO): _S.UNKNOWN,
    ("EXPIRE", _YES): _S.VOIDED,
}
_REFUNDS: Mapping[tuple[str, str], RefundStatus] = {
    (
        "REFUND",
        _YES,
    ): RefundStatus.ARRIVED,  # its last good word: the scheme has it, a bank takes days
    ("REFUND", _NO): RefundStatus.FAILED,
    ("REFUND_FAILED", _YES): RefundStatus.FAILED,
    ("REFUNDED_REVERSED", _YES): RefundStatus.FAILED,
}


class AdyenNotifications:
    """Reads Adyen's standard webhooks (JSON, one item each). A parser, not a gateway.

    ``hmac_keys`` are hexadecimal, as the Customer Area shows them: any of them may have signed, so a new one
    stands beside the old one until it has taken over. ``merchant_accounts`` are those whose items are
    taken, any if empty. ``captures_at_once``: the account captures without delay, so an authorization
    is taken money.

    ``merchantReference`` is our key. So the host sends a charge's key as the ``reference`` of its
    payment, captures and cancels, and a refund's key as that of its refund. An item without a
    reference, a refund that was asked for elsewhere, and an event that moves no money of a charge
    (a report) are *irrelevant*; the outcome's reason then names the event. Amounts are
    turned into minor units of ISO 4217. A refund is *arrived* once Adyen has sent it to the scheme.
    A capture tells its own amount: of a further part of one charge the engine asks the gateway how much is taken
    in all.
    """

    refusal: ClassVar[ChannelReply] = ChannelReply(401, b"refused")
    """What to answer to a notification that is refused: Adyen queues it and sends it again."""

    _reply: ClassVar[ChannelReply] = ChannelReply(200, b"[accepted]")

    def __init__(
        self,
        hmac_keys: Sequence[str],
        *,
        merchant_accounts: Sequence[str] = (),
        captures_at_once: bool = False,
    ) -> None:
        if not hmac_keys or isinstance(hmac_keys, str):
            raise InvalidInput("HMAC keys are a list of at least one", path="hmac_keys")
        try:
            self._keys = [binascii.unhexlify(key) for key in hmac_keys]
        except ValueError:  # without its cause: the text may name the key
            raise InvalidInput("an HMAC key is hexadecimal", path="hmac_keys") from None
        if not all(self._keys):
            raise InvalidInput("an HMAC key is empty", path="hmac_keys")
        self._accounts = frozenset(merchant_accounts)
        self._at_once = captures_at_once

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:  # noqa: ARG002
        """Verify and read a webhook; raises `NotificationRefused`."""
        try:
            item = _item(body)
            self._verify(item)
            return self._told(item)
        except NotificationRefused:
            raise
        except Exception as error:
            reason = f"the notification is not of Adyen: {str(error)[:100]}"
            raise NotificationRefused(reason, path="body") from error

    def _verify(self, item: Mapping[str, Any]) -> None:
        claimed = base64.b64decode(item["additionalData"]["hmacSignature"], validate=True)
        message = _signed(item).encode()
        right = [
            hmac.compare_digest(hmac.new(key, message, hashlib.sha256).digest(), claimed)
            for key in self._keys
        ]
        if not any(right):
            raise NotificationRefused("the signature is wrong", path="additionalData.hmacSignature")
        if self._accounts and item["merchantAccountCode"] not in self._accounts:
            raise NotificationRefused("it is for another merchant", path="merchantAccountCode")

    def _told(self, item: Mapping[str, Any]) -> Notification:
        code, success, reference = item["eventCode"], _flag(item), item["pspReference"]
        name = f"{reference}:{code}:{success}"
        key = item.get("merchantReference") or ""
        reason = "" if success == _YES else str(item.get("reason") or code)
        amount, currency = _amount(item)
        outcome: Outcome | RefundOutcome | Chargeback
        refund = _REFUNDS.get((code, success))
        charge = _CHARGES.get((code, success))
        irrelevant = not key
        if refund is not None:
            at = _moment(item) if refund is RefundStatus.ARRIVED else None
            failed = reason or str(item.get("reason") or code)
            said = "" if refund is RefundStatus.ARRIVED else failed
            outcome = RefundOutcome(refund, reference, at, said)
            irrelevant = "#" not in key
        elif charge is not None:
            if charge is _S.AUTHORIZED and self._at_once:
                charge = _S.CAPTURED
            held = charge in {_S.AUTHORIZED, _S.CAPTURED}
            at = _moment(item) if held else None
            # the charge is known by the payment's own reference, whatever was done to it
            charged = item.get("originalReference") or reference
            outcome = Outcome(charge, charged, at, reason, amount=amount if held else None)
        elif (code, success) == (_CHARGEBACK, _YES) and amount:
            outcome = Chargeback(amount, 0, reference, _moment(item), str(item.get("reason") or ""))
        else:
            outcome, irrelevant = Outcome(_S.UNKNOWN, reference, reason=code), True
        return Notification(
            name, key, outcome, self._reply, amount, currency, irrelevant=irrelevant
        )


def _item(body: bytes) -> Mapping[str, Any]:
    """The one item of a webhook."""
    if len(body) > BODY_MAX:
        raise ValueError("it is too long")
    items = json.loads(body.decode())["notificationItems"]
    if len(items) != 1:
        raise ValueError("a webhook has one item")
    item: Mapping[str, Any] = items[0]["NotificationRequestItem"]
    for name in ("pspReference", "eventCode", "merchantAccountCode"):
        if not isinstance(item[name], str) or not item[name]:
            raise ValueError(f"{name} is missing")
    if not isinstance(item.get("merchantReference") or "", str):
        raise TypeError("merchantReference is no text")
    return item


def _flag(item: Mapping[str, Any]) -> str:
    """``success``, which comes as text."""
    found = item["success"]
    text = str(found).lower() if isinstance(found, bool) else found
    if text not in {_YES, _NO}:
        raise ValueError("success is neither true nor false")
    return str(text)


def _signed(item: Mapping[str, Any]) -> str:
    """What Adyen signs of an item (docs.adyen.com, verify HMAC signatures)."""
    amount = item.get("amount") or {}
    return ":".join(
        [
            item["pspReference"],
            item.get("originalReference") or "",
            item["merchantAccountCode"],
            item.get("merchantReference") or "",
            str(amount.get("value", "")),
            amount.get("currency", ""),
            item["eventCode"],
            _flag(item),
        ]
    )


def _amount(item: Mapping[str, Any]) -> tuple[int | None, str]:
    """Minor units of ISO 4217, and the currency; nothing for an item without an amount."""
    amount = item.get("amount")
    if not amount:
        return None, ""
    currency, found = amount["currency"], int(str(amount["value"]))
    theirs = DECIMALS.get(currency)
    if theirs is not None:
        found, rest = divmod(found * 10 ** exponent(currency), 10**theirs)
        if rest:
            raise ValueError(f"{currency} has no such part")
    exponent(currency)
    return checked_minor(found), currency


def _moment(item: Mapping[str, Any]) -> datetime | None:
    """``eventDate``, in UTC. It is not signed."""
    found = datetime.fromisoformat(item["eventDate"])
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found.astimezone(UTC)
