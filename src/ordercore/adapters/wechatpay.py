"""WeChat Pay, API v3, through wechatpayv3 (extra ``cnpay``): QR codes, JSAPI and H5 payments in CNY.

Requests are signed and answers verified by that library, in its public key mode: nothing is fetched at
the start. Its HTTP is replaced by a transport that can be injected. What it leaves open is closed
here: it accepts a message of any age (`Notification.sent_at` has the signed time), it fetches
certificates when a message names an unknown key (such a message is refused), and it wants a header,
``Wechatpay-Signature-Type``, that the channel does not always send.

Numbers. ``out_trade_no`` has 6 to 32 characters, ``out_refund_no`` up to 64. A key that fits goes out with
``*`` for ``/`` and ``@`` for ``#``; any other as a digest of itself. The key of a charge travels in
``attach`` and comes back with its notification. A refund's key that does not fit cannot be read out of
its notification: such a one is *irrelevant*, and the look-up tells.
"""

from __future__ import annotations

import enum
import hashlib
import json
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from wechatpayv3 import WeChatPay, WeChatPayType  # type: ignore[import-untyped]
from wechatpayv3.core import Core  # type: ignore[import-untyped]
from wechatpayv3.type import RequestType  # type: ignore[import-untyped]
from wechatpayv3.utils import (  # type: ignore[import-untyped]
    build_authorization,
    load_public_key,
    rsa_verify,
)

from ordercore.clock import SystemClock
from ordercore.errors import GatewayError, GatewayTimeout, InvalidInput, NotificationRefused
from ordercore.identity import SystemIds
from ordercore.tender import (
    ActionKind,
    Capabilities,
    ChannelReply,
    Notification,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundStatus,
)
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.clock import Clock
    from ordercore.identity import IdSource
    from ordercore.tender import ChargeRequest, RefundRequest

__all__ = ["HttpAnswer", "HttpCall", "Transport", "WeChatPayGateway", "WeChatPayProduct"]

T = TypeVar("T")

BEIJING = timezone(timedelta(hours=8))
ALGORITHM = "WECHATPAY2-SHA256-RSA2048"
TIMEOUT = 15  # seconds for one call
BODY_MAX = 1 << 20  # bytes of an answer or a notification; they have about a thousand
ATTACH_MAX = 128  # characters of `attach`
DESCRIPTION_MAX = 127  # characters of `description`
REASON_MAX = 80  # bytes of a refund's `reason`

_CHARGE_KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_\-/]{5,31}")
_REFUND_KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_\-/#]{0,63}")
# `|` is allowed in a number too, but not in the path of a URL, and numbers stand in paths.
_OUT = str.maketrans({"/": "*", "#": "@"})
_BACK = str.maketrans({"*": "/", "@": "#"})

_TRADES: Mapping[str, OutcomeStatus] = {
    "SUCCESS": OutcomeStatus.CAPTURED,
    "REFUND": OutcomeStatus.CAPTURED,  # in part or in full: refunds are told apart from charges
    "NOTPAY": OutcomeStatus.WAITING,
    "USERPAYING": OutcomeStatus.WAITING,
    "ACCEPT": OutcomeStatus.WAITING,
    "CLOSED": OutcomeStatus.VOIDED,
    "REVOKED": OutcomeStatus.VOIDED,
    "PAYERROR": OutcomeStatus.DECLINED,
}
_REFUNDS: Mapping[str, RefundStatus] = {
    "SUCCESS": RefundStatus.ARRIVED,
    "PROCESSING": RefundStatus.ACCEPTED,
    # The payer's card is dead. Staff sends the money another way under the same number, so it is under way.
    "ABNORMAL": RefundStatus.ACCEPTED,
    "CLOSED": RefundStatus.FAILED,
}
_STANDS = frozenset(
    {"ORDERPAID", "ORDER_PAID", "ORDER_CLOSED", "OUT_TRADE_NO_USED", "INVALID_REQUEST"}
)
"""Refusals of a prepayment that may mean that the number is paid or closed already."""
_FOR_GOOD = frozenset({"INVALID_REQUEST", "USER_ACCOUNT_ABNORMAL", "RESOURCE_NOT_EXISTS"})
"""Refusals of a refund that asking again does not mend."""
_UNSEEN = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS", "NOT_FOUND"})


@value
class HttpCall:
    """A signed request, as it is to be sent: neither the address nor the body may be rewritten."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@value
class HttpAnswer:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Transport = Callable[[HttpCall], HttpAnswer]
"""Sends a call and returns the answer. An error that it raises leaves the outcome unknown, but for
`GatewayError` (nothing was sent) and the errors of a connection that never stood."""


class WeChatPayProduct(enum.Enum):
    """How the payer meets WeChat Pay."""

    NATIVE = "native"
    """A QR code to scan."""
    JSAPI = "jsapi"
    """Parameters for a page in WeChat or a mini program; the tender's account is the payer's open id."""
    H5 = "h5"
    """A page in a phone's browser; needs ``scene``."""


_TYPES = {
    WeChatPayProduct.NATIVE: WeChatPayType.NATIVE,
    WeChatPayProduct.JSAPI: WeChatPayType.JSAPI,
    WeChatPayProduct.H5: WeChatPayType.H5,
}


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers under one spelling, whether a web server, WSGI or ASGI wrote them."""
    return {
        name.lower().replace("_", "-").removeprefix("http-"): text for name, text in headers.items()
    }


class _Wire(Core):  # type: ignore[misc]
    """The library's core over an injected transport, with several keys of the channel."""

    def __init__(self, send: Transport, keys: Mapping[str, str], **options: str) -> None:
        first = next(iter(keys))
        super().__init__(**options, public_key=keys[first], public_key_id=first)
        self._send = send
        self._keys = {name: load_public_key(pem) for name, pem in keys.items()}

    def _verify_signature(self, headers: Mapping[str, str], body: str) -> bool:
        named = _named(headers)
        kind = named.get("wechatpay-signature-type") or ALGORITHM
        key = self._keys.get(named.get("wechatpay-serial", ""))
        if kind != ALGORITHM or key is None:
            return False
        signed = [named.get(f"wechatpay-{part}", "") for part in ("timestamp", "nonce")]
        return bool(rsa_verify(*signed, body, named.get("wechatpay-signature", ""), key))

    def request(
        self,
        path: str,
        method: RequestType = RequestType.GET,
        data: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> tuple[int, str]:
        """Sign, send, verify. A success must be signed; a refusal that claims a signature must bear it."""
        body = json.dumps(data) if data else ""
        signed = build_authorization(
            path, method.value, self._mchid, self._cert_serial_no, self._private_key, data=body
        )
        headers = (
            ("Authorization", signed),
            ("Accept", "application/json"),
            ("Content-Type", "application/json"),
            ("User-Agent", "ordercore"),
            ("Wechatpay-Serial", self._public_key_id),
        )
        call = HttpCall(method.value, self._gate_way + path, headers, body.encode())
        answer = _exchanged(self._send, call)
        text = answer.body.decode()
        claims = "wechatpay-signature" in _named(answer.headers)
        if (claims or answer.status < 300) and not self._verify_signature(answer.headers, text):
            raise ValueError("the answer is not signed by the channel")
        return answer.status, text


def _exchanged(send: Transport, call: HttpCall) -> HttpAnswer:
    """The transport's answer; what fails before a connection stands is known not to be sent."""
    try:
        return send(call)
    except GatewayError:
        raise
    except Exception as error:
        unsent = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
        if isinstance(error, unsent) or isinstance(getattr(error, "reason", None), unsent):
            raise GatewayError("no connection to WeChat Pay: nothing was sent") from error
        raise GatewayTimeout("WeChat Pay did not answer") from error


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what was signed is for one address."""

    def redirect_request(self, *_: Any) -> None:
        """None is followed."""


def over_https(call: HttpCall) -> HttpAnswer:
    """The default transport: one call, no retry, no redirect."""
    asked = urllib.request.Request(  # noqa: S310 - the address is the library's own, https
        call.url, data=call.body or None, headers=dict(call.headers), method=call.method
    )
    try:
        with urllib.request.build_opener(_Straight).open(asked, timeout=TIMEOUT) as answer:
            return HttpAnswer(answer.status, dict(answer.headers), answer.read(BODY_MAX))
    except urllib.error.HTTPError as refused:
        with refused:
            return HttpAnswer(refused.code, dict(refused.headers), refused.read(BODY_MAX))


def _text(document: Mapping[str, Any], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str) or not found:
        raise ValueError(f"{name} is missing")
    return found


def _amount(document: Mapping[str, Any], name: str) -> int:
    """A figure of ``amount`` in fen; raises `ValueError` in another currency."""
    amounts = document["amount"]
    found = amounts[name]
    if type(found) is not int or found < 0:
        raise ValueError(f"amount.{name} is no whole number")
    if amounts.get("currency", "CNY") != "CNY":
        raise ValueError("the amount is not in CNY")
    return found


def _moment(text: object) -> datetime | None:
    """A time of RFC 3339, in UTC; ``None`` where there is none."""
    if not isinstance(text, str) or not text:
        return None
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found.astimezone(UTC)


def _digest(mark: str, key: str, digits: int) -> str:
    return mark + hashlib.sha256(key.encode()).hexdigest()[:digits]


def trade_number(key: str) -> str:
    """``out_trade_no`` of a charge's key: at most 32 characters."""
    return key.translate(_OUT) if _CHARGE_KEY.fullmatch(key) else _digest("-", key, 31)


def refund_number(key: str) -> str:
    """``out_refund_no`` of a refund's key: at most 64 characters."""
    return key.translate(_OUT) if _REFUND_KEY.fullmatch(key) else _digest("-", key, 63)


def _void_number(key: str) -> str:
    """``out_refund_no`` under which a void gives a whole charge back: one for a key, so once."""
    return _digest("--", key, 62)


def _described(request: ChargeRequest) -> str:
    return f"Order {request.order_id}"


class WeChatPayGateway:
    """A `PaymentGateway` of a merchant who trades with WeChat Pay directly. CNY, minor units are fen.

    ``platform_keys`` are the channel's public keys by their ids (``PUB_KEY_ID_...``; for a platform
    certificate its serial number and its public key), the present one first: requests name it, and messages
    signed with any of them are believed, so a new one stands beside the old one until it has taken over.
    ``private_key`` and ``cert_serial_no`` are the merchant's, ``apiv3_key`` decrypts notifications.

    ``scene`` gives ``scene_info`` of a charge: H5 needs ``payer_client_ip`` and ``h5_info`` in it.
    ``describe`` says what the payer reads. ``splits_funds``: a charge with shares is marked for profit
    sharing, which freezes its money until the host has shared it out.

    Limits of the channel: at most 50 refunds of a payment, a minute apart, within a year; it may refuse
    to close an attempt in its first minutes, and then the answer is *too early*. It does not tell how much of
    a payment was refunded: a void of one that was refunded in part is *unknown*, refund the rest instead.
    A void is *voided* once the channel has taken the refund on. A key may have 128 characters.
    """

    refusal: ClassVar[ChannelReply] = ChannelReply(
        400, b'{"code":"FAIL","message":"refused"}', "application/json"
    )
    """What to answer to a notification that is refused: the channel sends it again."""

    _reply: ClassVar[ChannelReply] = ChannelReply(
        200, b'{"code":"SUCCESS","message":"OK"}', "application/json"
    )

    def __init__(
        self,
        *,
        mchid: str,
        appid: str,
        private_key: str,
        cert_serial_no: str,
        apiv3_key: str,
        platform_keys: Mapping[str, str],
        notify_url: str,
        product: WeChatPayProduct = WeChatPayProduct.NATIVE,
        name: str = "wechat",
        splits_funds: bool = False,
        describe: Callable[[ChargeRequest], str] = _described,
        scene: Callable[[ChargeRequest], Mapping[str, Any]] | None = None,
        transport: Transport = over_https,
        clock: Clock | None = None,
        ids: IdSource | None = None,
    ) -> None:
        if not platform_keys:
            raise InvalidInput("a public key of WeChat Pay is needed", path="platform_keys")
        if product is WeChatPayProduct.H5 and scene is None:
            raise InvalidInput("H5 needs the payer's address and device", path="scene")
        self.name = name
        self.capabilities = Capabilities(
            refunds_max=50,
            refund_spacing=timedelta(seconds=60),
            refund_window=timedelta(days=365),
            currencies=("CNY",),
            amount_min=1,
            splits_funds=splits_funds,
        )
        self._mchid, self._appid = mchid, appid
        self._product, self._describe, self._scene = product, describe, scene
        self._clock = clock or SystemClock()
        self._ids = ids or SystemIds()
        own = {"mchid": mchid, "private_key": private_key, "cert_serial_no": cert_serial_no}
        try:
            self._wire = _Wire(transport, platform_keys, apiv3_key=apiv3_key, **own)
        except Exception as error:
            raise InvalidInput("a key of WeChat Pay cannot be read", path="private_key") from error
        first = next(iter(platform_keys))
        self._client = WeChatPay(
            _TYPES[product], **own, appid=appid, apiv3_key=apiv3_key, notify_url=notify_url,
            public_key=platform_keys[first], public_key_id=first,
        )  # fmt: skip
        self._client._core = self._wire  # noqa: SLF001 - the library's only place for its HTTP

    # --- charges ---

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002
        """The channel does not tell what a payer has."""
        return None

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Ask for a prepayment: the answer is *waiting*, with what the payer must do.

        Raises `GatewayError` for a charge that the channel does not take.
        """
        self._check(request)
        code, answer = self._asked(lambda: self._client.pay(**self._prepayment(request)))
        if not code:
            action = self._read(lambda: self._action(request, answer))
            return Outcome(OutcomeStatus.WAITING, trade_number(request.key), action=action)
        if code in _STANDS:
            known = self.lookup(request)
            if known.status not in {OutcomeStatus.UNKNOWN, OutcomeStatus.WAITING}:
                return known
        raise self._refused("a prepayment", code, answer)

    def capture(self, request: ChargeRequest) -> Outcome:
        """There is nothing to capture: the payer's word takes the money."""
        return self.lookup(request)

    def lookup(self, request: ChargeRequest) -> Outcome:
        """What became of the key, by its number."""
        trade = self._trade(request.key)
        return Outcome(OutcomeStatus.UNKNOWN) if trade is None else self._stands(request, trade)

    def close(self, request: ChargeRequest) -> Outcome:
        """Close an attempt that is not paid. Refused while nobody has paid: *too early*."""
        number = trade_number(request.key)
        code, _ = self._asked(lambda: self._client.close(number))
        if not code:
            return Outcome(OutcomeStatus.VOIDED, number)
        known = self.lookup(request)
        if known.status is OutcomeStatus.WAITING:
            return Outcome(OutcomeStatus.TOO_EARLY, number, reason=code)
        return known

    def void(self, request: ChargeRequest) -> Outcome:
        """Close what is not paid, refund what is; *unknown* for a key that was never seen."""
        trade = self._trade(request.key)
        if trade is None:
            return Outcome(OutcomeStatus.UNKNOWN)
        known = self._stands(request, trade)
        if known.status is OutcomeStatus.WAITING:
            known = self.close(request)
            if known.status is OutcomeStatus.TOO_EARLY:
                return Outcome(OutcomeStatus.UNKNOWN, known.reference, reason=known.reason)
        if known.status is not OutcomeStatus.CAPTURED:
            return known
        total = known.amount or 0
        gone = self._give_back(_void_number(request.key), request.key, total, total, "void")
        if gone.status in {RefundStatus.ACCEPTED, RefundStatus.ARRIVED}:
            return Outcome(OutcomeStatus.VOIDED, known.reference, gone.at)
        return Outcome(OutcomeStatus.UNKNOWN, known.reference, reason=gone.reason)

    def _check(self, request: ChargeRequest) -> None:
        """Refuse what the channel would not take, before anything is sent."""
        if request.currency != "CNY" or request.amount < 1:
            raise GatewayError("WeChat Pay takes CNY, at least one fen", path=request.key)
        if len(request.key) > ATTACH_MAX:
            raise GatewayError(f"the key has more than {ATTACH_MAX} characters", path="key")
        if self._product is WeChatPayProduct.JSAPI and not request.account:
            raise GatewayError("a JSAPI payment needs the payer's open id", path=request.key)

    def _prepayment(self, request: ChargeRequest) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._product is WeChatPayProduct.JSAPI:
            options["payer"] = {"openid": request.account}
        if self._scene is not None:
            options["scene_info"] = dict(self._scene(request))
        if request.shares:
            options["settle_info"] = {"profit_sharing": True}
        if request.expires_at is not None:
            expires = request.expires_at.astimezone(BEIJING)
            options["time_expire"] = expires.isoformat(timespec="seconds")
        return {
            "description": self._describe(request)[:DESCRIPTION_MAX],
            "out_trade_no": trade_number(request.key),
            "amount": {"total": request.amount, "currency": "CNY"},
            "attach": request.key,
            **options,
        }

    def _action(self, request: ChargeRequest, answer: Mapping[str, Any]) -> PaymentAction:
        until, name = request.expires_at, self.name
        if self._product is WeChatPayProduct.NATIVE:
            return PaymentAction(ActionKind.QR_CODE, _text(answer, "code_url"), until, name)
        if self._product is WeChatPayProduct.H5:
            return PaymentAction(ActionKind.REDIRECT, _text(answer, "h5_url"), until, name)
        package = f"prepay_id={_text(answer, 'prepay_id')}"
        stamp = str(int(self._clock.now().timestamp()))
        nonce = self._ids.new("nonce")[-32:]
        signature = self._client.sign([self._appid, stamp, nonce, package])
        parameters = {
            "appId": self._appid, "timeStamp": stamp, "nonceStr": nonce, "package": package,
            "signType": "RSA", "paySign": signature,
        }  # fmt: skip
        return PaymentAction(ActionKind.PARAMETERS, json.dumps(parameters), until, name)

    def _trade(self, key: str) -> Mapping[str, Any] | None:
        """What the channel knows of a charge; ``None`` for nothing."""
        number = trade_number(key)
        code, answer = self._asked(lambda: self._client.query(out_trade_no=number))
        if code in _UNSEEN:
            return None
        if code:
            raise self._refused("a query", code, answer)
        if answer.get("out_trade_no") != number:
            raise GatewayTimeout("WeChat Pay answered about another payment", path=key)
        return answer

    def _stands(self, request: ChargeRequest, trade: Mapping[str, Any]) -> Outcome:
        """How a charge stands. One with refunds is *voided* only where our own void gave it back."""
        outcome = self._read(lambda: _outcome(trade))
        if trade.get("trade_state") == "REFUND":
            code, void = self._asked(
                lambda: self._client.query_refund(_void_number(request.key)),
            )
            if code and code not in _UNSEEN:
                raise self._refused("a refund query", code, void)
            if not code and void.get("status") != "CLOSED":
                return Outcome(OutcomeStatus.VOIDED, outcome.reference, outcome.at)
        return outcome

    # --- refunds ---

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give back part of a payment; the same key is the same refund number.

        *Accepted*, as a rule: the channel tells by notification when the payer has it. Raises
        `GatewayError` where the merchant's account has not enough: the same key may be asked again.
        """
        trade = self._trade(request.charge)
        if trade is None or trade.get("trade_state") not in {"SUCCESS", "REFUND"}:
            return RefundOutcome(RefundStatus.FAILED, reason="there is no such payment")
        total = self._read(lambda: _amount(trade, "total"))
        if request.amount > total:
            return RefundOutcome(RefundStatus.FAILED, reason="more than was paid")
        number = refund_number(request.key)
        return self._give_back(number, request.charge, request.amount, total, request.reason)

    def lookup_refund(self, request: RefundRequest) -> RefundOutcome:
        """What became of a refund, by its number."""
        return self._refunded(refund_number(request.key), request.amount)

    def _give_back(
        self, number: str, charge: str, amount: int, total: int, reason: str
    ) -> RefundOutcome:
        code, answer = self._asked(
            lambda: self._client.refund(
                out_refund_no=number,
                out_trade_no=trade_number(charge),
                amount={"refund": amount, "total": total, "currency": "CNY"},
                reason=reason.encode()[:REASON_MAX].decode("utf-8", "ignore"),
            )
        )
        if not code:
            return self._read(lambda: _refund_outcome(answer, number, amount, "status"))
        if code not in _FOR_GOOD:
            raise self._refused("a refund", code, answer)
        known = self._refunded(number, amount)  # an earlier call may have been heard
        if known.status is RefundStatus.UNKNOWN:
            said = answer.get("message") or code
            return RefundOutcome(RefundStatus.FAILED, reason=f"{code}: {said}")
        return known

    def _refunded(self, number: str, amount: int) -> RefundOutcome:
        code, answer = self._asked(lambda: self._client.query_refund(number))
        if code in _UNSEEN:
            return RefundOutcome(RefundStatus.UNKNOWN)
        if code:
            raise self._refused("a refund query", code, answer)
        return self._read(lambda: _refund_outcome(answer, number, amount, "status"))

    # --- what the channel says ---

    def _asked(self, call: Callable[[], tuple[int, str]]) -> tuple[str, Mapping[str, Any]]:
        """Code of the refusal (empty for none) and content of the channel's answer to one call.

        Raises `GatewayTimeout` for whatever may have been done all the same: a failure of the channel, an
        answer that cannot be read or is not signed.
        """
        try:
            status, text = call()
            content = json.loads(text) if text else {}
            if not isinstance(content, dict):
                raise TypeError("the answer is no object")  # noqa: TRY301 - read below as unreadable
            if status in {200, 204}:
                return "", content
            code = _text(content, "code")
        except GatewayError:
            raise
        except Exception as error:
            raise GatewayTimeout("WeChat Pay gave an answer that cannot be trusted") from error
        if not 400 <= status < 500:
            raise GatewayTimeout(f"WeChat Pay failed: {code}", code=code, status=status)
        return code, content

    def _read(self, read: Callable[[], T]) -> T:
        """A part of a signed answer; one that does not fit leaves the outcome unknown."""
        try:
            return read()
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise GatewayTimeout("WeChat Pay gave an answer that cannot be read") from error

    @staticmethod
    def _refused(what: str, code: str, answer: Mapping[str, Any]) -> GatewayError:
        said = str(answer.get("message", ""))[:200]
        return GatewayError(f"WeChat Pay refused {what}: {code} {said}".rstrip(), code=code)

    # --- notifications ---

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Verify, decrypt and read a notification. ``sent_at`` is the signed time of its sending.

        A payment or a refund that was not made under one of our keys is *irrelevant*: other systems may
        trade under the same merchant number. So is a void's own refund.
        """
        if len(body) > BODY_MAX:
            raise NotificationRefused("the notification is too long", path="body")
        try:
            told = self._wire.callback(dict(headers), body)
            if not told:
                raise ValueError("the signature is wrong")  # noqa: TRY301 - refused below
            stamp = int(_named(headers)["wechatpay-timestamp"])
            sent_at = datetime.fromtimestamp(stamp, UTC)
            return self._told(told, sent_at)
        except NotificationRefused:
            raise
        except Exception as error:
            reason = f"the notification is not of WeChat Pay: {str(error)[:100]}"
            raise NotificationRefused(reason, path="body") from error

    def _told(self, told: Mapping[str, Any], sent_at: datetime) -> Notification:
        kind, resource, name = _text(told, "event_type"), told["resource"], _text(told, "id")
        if kind != "TRANSACTION.SUCCESS" and not kind.startswith("REFUND."):
            nothing = Outcome(OutcomeStatus.UNKNOWN, reason=kind)
            return Notification(name, "", nothing, self._reply, sent_at=sent_at, irrelevant=True)
        if resource.get("mchid") != self._mchid:
            raise NotificationRefused("the notification is for another merchant", path="mchid")
        number = _text(resource, "out_trade_no")
        outcome: Outcome | RefundOutcome
        if kind == "TRANSACTION.SUCCESS":
            key = resource.get("attach") or ""
            if trade_number(key) != number:
                key = number.translate(_BACK) if "*" in number else ""
            outcome, amount = _outcome(resource), _amount(resource, "total")
        else:
            number = _text(resource, "out_refund_no")
            key = number.translate(_BACK) if "@" in number else ""
            amount = _amount(resource, "refund")
            outcome = _refund_outcome(resource, number, amount, "refund_status")
        return Notification(
            name, key, outcome, self._reply, amount, "CNY", sent_at, irrelevant=not key
        )


def _outcome(trade: Mapping[str, Any]) -> Outcome:
    """A trade as the channel tells it; raises `ValueError` and its kin for one that cannot be read."""
    state = _text(trade, "trade_state")
    status = _TRADES.get(state, OutcomeStatus.UNKNOWN)
    if status is OutcomeStatus.CAPTURED:
        at = _moment(trade.get("success_time"))
        return Outcome(status, _text(trade, "transaction_id"), at, amount=_amount(trade, "total"))
    number = _text(trade, "out_trade_no")
    return Outcome(status, number, reason=str(trade.get("trade_state_desc") or state))


def _refund_outcome(
    refund: Mapping[str, Any], number: str, amount: int, field: str
) -> RefundOutcome:
    """A refund as the channel tells it; it must be the one that was asked for."""
    if refund.get("out_refund_no") != number or _amount(refund, "refund") != amount:
        raise ValueError("the answer is about another refund")
    state = _text(refund, field)
    status = _REFUNDS.get(state, RefundStatus.UNKNOWN)
    at = _moment(refund.get("success_time")) if status is RefundStatus.ARRIVED else None
    reason = "" if state in {"SUCCESS", "PROCESSING"} else state
    return RefundOutcome(status, _text(refund, "refund_id"), at, reason)
