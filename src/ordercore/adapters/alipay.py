"""Alipay through python-alipay-sdk (extra ``cnpay``): pages, apps and QR codes, paid in CNY.

The package imports as ``alipay``, and so does alipay-sdk-python: install only one of them. Its import sets up
logging, which closes the handlers that stand by then: import this module first, set up logging after.
Requests are signed and answers verified (RSA2) by the library; its HTTP is replaced by a transport that
can be injected, and its local time by Beijing time, in which the channel reads and writes all times.

Numbers have up to 64 letters, digits and underscores. A key that fits goes out with ``_s`` for
``/``, ``_h`` for ``#``, ``_d`` for ``-`` and ``__`` for ``_``; any other as a digest of itself, and then
``passback_params`` carries it.

A trade comes to be at the channel when its payer scans the code or signs in, not before. Until then
a look-up is *unknown*, and nothing closes it but its own deadline.
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
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, quote, unquote

from alipay import AliPay  # type: ignore[import-untyped]

from ordercore.clock import SystemClock
from ordercore.errors import GatewayError, GatewayTimeout, InvalidInput, NotificationRefused
from ordercore.money import decimal_text, parse_minor
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

if TYPE_CHECKING:
    from ordercore.clock import Clock
    from ordercore.tender import ChargeRequest, RefundRequest

__all__ = ["AlipayGateway", "AlipayProduct", "Transport"]

T = TypeVar("T")

Transport = Callable[[str, bytes], bytes]
"""Posts a form (address, body) and returns the body of the answer. An error that it raises leaves the outcome
unknown, but for `GatewayError` (nothing was sent) and the errors of a connection that never stood."""

BEIJING = timezone(timedelta(hours=8))
TIMEOUT = 15  # seconds for one call
BODY_MAX = 1 << 20  # bytes of an answer or a notification; they have about two thousand
FIELDS_MAX = 200  # of a notification; it has about thirty
PASSBACK_MAX = 512  # characters of `passback_params`
SUBJECT_MAX = 256
REASON_MAX = 256
NUMBER_MAX = 64

_OUT = {"_": "__", "-": "_d", "/": "_s", "#": "_h"}
_BACK = {escape: sign for sign, escape in _OUT.items()}
_KEY = re.compile(r"[0-9A-Za-z_\-/#]+")
_NUMBER = re.compile(r"(?:[0-9A-Za-z]|__|_d|_s|_h)+")

_TRADES: Mapping[str, OutcomeStatus] = {
    "WAIT_BUYER_PAY": OutcomeStatus.WAITING,
    "TRADE_SUCCESS": OutcomeStatus.CAPTURED,
    "TRADE_FINISHED": OutcomeStatus.CAPTURED,  # paid, and too late for a refund
    "TRADE_CLOSED": OutcomeStatus.VOIDED,  # not paid in time, or given back in full
}
_DONE, _REFUSED, _FAILED = "10000", "40004", frozenset({"20000"})
_NEVER = frozenset({"20001", "40001", "40002", "40003", "40006"})
"""Refusals of the gateway itself, before the call reached the trade. They may come unsigned."""
_UNSEEN = "ACQ.TRADE_NOT_EXIST"
_STANDS = frozenset({"ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_CLOSE", "ACQ.CONTEXT_INCONSISTENT"})
"""Refusals of a payment that may mean that the number is paid or closed already."""
_FOR_GOOD = frozenset(
    f"ACQ.{code}"
    for code in (
        "BUYER_ERROR", "NOT_ALLOW_PARTIAL_REFUND", "REASON_TRADE_REFUND_FEE_ERR",
        "REASON_TRADE_STATUS_INVALID", "REFUND_AMT_NOT_EQUAL_TOTAL", "REFUND_FEE_ERROR",
        "TRADE_HAS_CLOSE", "TRADE_HAS_FINISHED", "TRADE_NOT_ALLOW_REFUND", "TRADE_NOT_EXIST",
        "TRADE_STATUS_ERROR", "USER_NOT_MATCH_ERR",
    )
)  # fmt: skip
"""Refusals of a refund that asking again does not mend."""


class AlipayProduct(enum.Enum):
    """How the payer meets Alipay."""

    QR_CODE = "alipay.trade.precreate"
    """A QR code to scan; the channel is asked for it."""
    PAGE = "alipay.trade.page.pay"
    """A page in a computer's browser: a signed address, and no call."""
    WAP = "alipay.trade.wap.pay"
    """The same in a phone's browser."""
    APP = "alipay.trade.app.pay"
    """A signed order for the wallet's app."""


_CODES: Mapping[AlipayProduct, str] = {
    AlipayProduct.PAGE: "FAST_INSTANT_TRADE_PAY",
    AlipayProduct.WAP: "QUICK_WAP_WAY",
    AlipayProduct.APP: "QUICK_MSECURITY_PAY",
}


class _Wire(AliPay):  # type: ignore[misc]
    """The library's client over an injected transport, in Beijing time, with several keys of the channel."""

    def __init__(self, send: Transport, clock: Clock, keys: Sequence[str], **options: Any) -> None:
        super().__init__(**options, alipay_public_key_string=keys[0])
        self._send, self._clock = send, clock
        self._older = [AliPay(**options, alipay_public_key_string=key) for key in keys[1:]]

    def build_body(self, *args: Any, **options: Any) -> dict[str, Any]:
        """The request's parameters."""
        now = self._clock.now().astimezone(BEIJING)
        found: dict[str, Any] = super().build_body(*args, **options)
        found["timestamp"] = f"{now:%Y-%m-%d %H:%M:%S}"
        return found

    def _verify(self, raw_content: str, signature: str) -> bool:
        if super()._verify(raw_content, signature):
            return True
        return any(older._verify(raw_content, signature) for older in self._older)  # noqa: SLF001 - the same class

    def address(self, method: str, content: Mapping[str, Any], **options: str) -> str:
        """A signed address for the payer's browser."""
        return f"{self._gateway}?{self.client_api(method, dict(content), **options)}"

    def verified_sync_response(self, data: dict[str, Any], response_type: str) -> dict[str, Any]:
        """Send, verify. What is not signed may say no, and nothing else."""
        body = self.sign_data(data).encode()
        text = _exchanged(self._send, f"{self._gateway}?charset=utf-8", body).decode()
        told = json.loads(text)
        unsigned = told.get("error_response")
        if unsigned is None and "sign" not in told:
            unsigned = told[response_type]
        if unsigned is not None:
            if unsigned["code"] not in _NEVER:
                raise ValueError("the answer is not signed by the channel")
            return dict(unsigned)
        found: dict[str, Any] = self._verify_and_return_sync_response(text, response_type)
        return found


def _exchanged(send: Transport, url: str, body: bytes) -> bytes:
    """The transport's answer; what fails before a connection stands is known not to be sent."""
    try:
        return send(url, body)
    except GatewayError:
        raise
    except Exception as error:
        unsent = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
        if isinstance(error, unsent) or isinstance(getattr(error, "reason", None), unsent):
            raise GatewayError("no connection to Alipay: nothing was sent") from error
        raise GatewayTimeout("Alipay did not answer") from error


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what was signed is for one address."""

    def redirect_request(self, *_: Any) -> None:
        """None is followed."""


def over_https(url: str, body: bytes) -> bytes:
    """The default transport: one call, no retry, no redirect."""
    try:
        with urllib.request.build_opener(_Straight).open(url, body, timeout=TIMEOUT) as answer:
            found: bytes = answer.read(BODY_MAX)
            return found
    except urllib.error.HTTPError as refused:
        refused.close()
        raise


def number(key: str) -> str:
    """``out_trade_no`` or ``out_request_no`` of a key."""
    found = "".join([_OUT.get(sign, sign) for sign in key])
    if _KEY.fullmatch(key) and len(found) <= NUMBER_MAX:
        return found
    return "_x" + hashlib.sha256(key.encode()).hexdigest()[: NUMBER_MAX - 2]


def _void_number(key: str) -> str:
    """``out_request_no`` under which a void gives a whole charge back: one for a key, so once."""
    return "_v" + hashlib.sha256(key.encode()).hexdigest()[: NUMBER_MAX - 2]


def _key(found: str) -> str:
    """The key that a number stands for; empty for a digest, or a number that is not ours."""
    if _NUMBER.fullmatch(found) is None:
        return ""
    key = re.sub("_[_dsh]", lambda escape: _BACK[escape[0]], found)
    return key if "/" in key else ""


def _text(document: Mapping[str, Any], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str) or not found:
        raise ValueError(f"{name} is missing")
    return found


def _moment(text: object) -> datetime | None:
    """A time of the channel, in UTC; ``None`` where there is none. China has had one zone since 1991."""
    if not isinstance(text, str) or not text:
        return None
    naive = datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - its zone follows
    return naive.replace(tzinfo=BEIJING).astimezone(UTC)


def _described(request: ChargeRequest) -> str:
    return f"Order {request.order_id}"


class AlipayGateway:
    """A `PaymentGateway` of an application at Alipay. CNY; amounts travel as decimal texts.

    ``alipay_public_keys`` are the channel's, in PEM, the present one first: messages signed with any of them
    are believed, so a new one stands beside the old one until it has taken over. ``describe`` says what
    the payer reads, ``return_url`` where a browser goes after paying. ``refund_window`` is what the merchant's
    contract says. ``sandbox`` talks to the channel's sandbox.

    A code that nobody has scanned cannot be closed: until the charge's deadline the answer is *too early*,
    after it *voided* (the code went out with that deadline); without a deadline it is *unknown*.
    The channel does not tell how much of a trade was refunded: a void of one that was refunded in part is
    *unknown*, refund the rest instead. Two refunds of a trade stand three seconds apart.
    """

    refusal: ClassVar[ChannelReply] = ChannelReply(400, b"fail")
    """What to answer to a notification that is refused: the channel sends it again, for a day."""

    _reply: ClassVar[ChannelReply] = ChannelReply(200, b"success")

    def __init__(
        self,
        *,
        appid: str,
        app_private_key: str,
        alipay_public_keys: Sequence[str],
        notify_url: str,
        return_url: str = "",
        product: AlipayProduct = AlipayProduct.QR_CODE,
        name: str = "alipay",
        refund_window: timedelta = timedelta(days=365),
        describe: Callable[[ChargeRequest], str] = _described,
        sandbox: bool = False,
        transport: Transport = over_https,
        clock: Clock | None = None,
    ) -> None:
        if not alipay_public_keys or isinstance(alipay_public_keys, str):
            raise InvalidInput("public keys of Alipay are a list", path="alipay_public_keys")
        self.name = name
        self.capabilities = Capabilities(
            refund_spacing=timedelta(seconds=3),
            refund_window=refund_window,
            currencies=("CNY",),
            amount_min=1,
            amount_max=10**10,
        )
        self._appid, self._product, self._describe = appid, product, describe
        self._notify_url, self._return_url = notify_url, return_url
        self._clock = clock or SystemClock()
        try:
            self._wire = _Wire(
                transport, self._clock, alipay_public_keys, appid=appid, debug=sandbox,
                app_private_key_string=app_private_key, sign_type="RSA2",
            )  # fmt: skip
        except Exception as error:
            raise InvalidInput("a key of Alipay cannot be read", path="app_private_key") from error

    # --- charges ---

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002
        """The channel does not tell what a payer has."""
        return None

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Answer *waiting*, with what the payer must do. A key that is known already answers as it stands.

        Raises `GatewayError` for a charge that the channel does not take.
        """
        self._check(request)
        if self._product is AlipayProduct.QR_CODE:
            return self._precreated(request)
        known = self.lookup(request)
        if known.status not in {OutcomeStatus.UNKNOWN, OutcomeStatus.WAITING}:
            return known
        method, content = self._product.value, self._content(request)
        urls = {"notify_url": self._notify_url, "return_url": self._return_url}
        if self._product is AlipayProduct.APP:
            signed = self._wire.client_api(method, content, notify_url=self._notify_url)
            return self._waiting(request, ActionKind.PARAMETERS, signed)
        address = self._wire.address(method, content, **urls)
        return self._waiting(request, ActionKind.REDIRECT, address)

    def capture(self, request: ChargeRequest) -> Outcome:
        """There is nothing to capture: the payer's word takes the money."""
        return self.lookup(request)

    def lookup(self, request: ChargeRequest) -> Outcome:
        """What became of the key; *unknown* also for a code that nobody has scanned yet."""
        asked = {"out_trade_no": number(request.key)}
        why, trade = self._asked("alipay.trade.query", asked)
        if why == _UNSEEN:
            return Outcome(OutcomeStatus.UNKNOWN)
        if why:
            raise self._refused("a query", trade)
        if trade.get("out_trade_no") != asked["out_trade_no"]:
            raise GatewayTimeout("Alipay answered about another trade", path=request.key)
        return self._read(lambda: _outcome(trade, "send_pay_date"))

    def close(self, request: ChargeRequest) -> Outcome:
        """Close a trade that is not paid; one that is paid answers so."""
        why, answer = self._asked("alipay.trade.close", {"out_trade_no": number(request.key)})
        if not why:
            return Outcome(OutcomeStatus.VOIDED, str(answer.get("trade_no", "")))
        if why == _UNSEEN:
            return self._lapsed(request)
        known = self.lookup(request)
        if known.status is OutcomeStatus.WAITING:
            return Outcome(OutcomeStatus.TOO_EARLY, known.reference, reason=why)
        return known

    def void(self, request: ChargeRequest) -> Outcome:
        """Cancel what is not paid, refund what is; *unknown* for a key that the channel never saw."""
        known = self.lookup(request)
        if known.status is OutcomeStatus.CAPTURED:
            return self._undone(request, known)
        if known.status is OutcomeStatus.VOIDED:
            return known
        # it may be paid in this very moment: a cancel then gives the money back
        why, answer = self._asked("alipay.trade.cancel", {"out_trade_no": number(request.key)})
        if why and why != _UNSEEN:
            raise self._refused("a cancel", answer)
        if not why and answer.get("action") in {"close", "refund"}:
            return Outcome(OutcomeStatus.VOIDED, str(answer.get("trade_no", "")))
        return Outcome(OutcomeStatus.UNKNOWN)

    def _check(self, request: ChargeRequest) -> None:
        """Refuse what the channel would not take, before anything is sent."""
        most = self.capabilities.amount_max or 0
        if request.currency != "CNY" or not 1 <= request.amount <= most:
            raise GatewayError("Alipay takes CNY, from 0.01 to 100,000,000.00", path=request.key)
        if len(quote(request.key, safe="")) > PASSBACK_MAX:
            raise GatewayError("the key is too long", path="key")

    def _content(self, request: ChargeRequest) -> dict[str, Any]:
        found = {
            "out_trade_no": number(request.key),
            "total_amount": decimal_text(request.amount, "CNY"),
            "subject": self._describe(request)[:SUBJECT_MAX],
            "passback_params": quote(request.key, safe=""),
        }
        if self._product in _CODES:
            found["product_code"] = _CODES[self._product]
        if request.expires_at is not None:
            expires = request.expires_at.astimezone(BEIJING)
            found["time_expire"] = f"{expires:%Y-%m-%d %H:%M:%S}"
        return found

    def _waiting(self, request: ChargeRequest, kind: ActionKind, content: str) -> Outcome:
        # no reference: the channel has no name yet for what nobody has scanned
        action = PaymentAction(kind, content, request.expires_at, self.name)
        return Outcome(OutcomeStatus.WAITING, action=action)

    def _precreated(self, request: ChargeRequest) -> Outcome:
        method, content = self._product.value, self._content(request)
        why, answer = self._asked(method, content, notify_url=self._notify_url)
        if not why:
            code = self._read(lambda: _text(answer, "qr_code"))
            return self._waiting(request, ActionKind.QR_CODE, code)
        if why in _STANDS:
            known = self.lookup(request)
            if known.status not in {OutcomeStatus.UNKNOWN, OutcomeStatus.WAITING}:
                return known
        raise self._refused("a payment", answer)

    def _lapsed(self, request: ChargeRequest) -> Outcome:
        """How a code stands that the channel has not seen scanned: its deadline alone ends it."""
        if request.expires_at is None:
            return Outcome(OutcomeStatus.UNKNOWN)
        if self._clock.now() < request.expires_at:
            return Outcome(OutcomeStatus.TOO_EARLY, reason="the code can still be scanned")
        return Outcome(OutcomeStatus.VOIDED, reason="nobody has scanned the code in time")

    def _undone(self, request: ChargeRequest, known: Outcome) -> Outcome:
        """Give all of a paid trade back, once for a key."""
        total, void = known.amount or 0, _void_number(request.key)
        gone = self._give_back(void, request.key, total, "void")
        if gone.status is RefundStatus.ARRIVED:
            return Outcome(OutcomeStatus.VOIDED, known.reference, gone.at)
        return Outcome(OutcomeStatus.UNKNOWN, known.reference, reason=gone.reason)

    # --- refunds ---

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give back part of a trade; the same key is the same request number.

        *Arrived* only where the channel says that money has moved: ``fund_change`` is ``Y``, or a query finds
        the refund. Raises `GatewayError` where the merchant's account has not enough.
        """
        return self._give_back(number(request.key), request.charge, request.amount, request.reason)

    def lookup_refund(self, request: RefundRequest) -> RefundOutcome:
        """What became of a refund, by its number."""
        return self._refunded(number(request.key), request.charge, request.amount)

    def _give_back(self, named: str, charge: str, amount: int, reason: str) -> RefundOutcome:
        asked = {
            "out_trade_no": number(charge),
            "out_request_no": named,
            "refund_amount": decimal_text(amount, "CNY"),
        }
        if reason:
            asked["refund_reason"] = reason[:REASON_MAX]
        why, answer = self._asked("alipay.trade.refund", asked)
        if not why and answer.get("fund_change") == "Y":
            at = self._read(lambda: _moment(answer.get("gmt_refund_pay")))
            return RefundOutcome(RefundStatus.ARRIVED, str(answer.get("trade_no", "")), at)
        if why and why not in _FOR_GOOD:
            raise self._refused("a refund", answer)
        known = self._refunded(named, charge, amount)  # an earlier call may have been heard
        if why and known.status is RefundStatus.UNKNOWN:
            said = answer.get("sub_msg") or why
            return RefundOutcome(RefundStatus.FAILED, reason=f"{why}: {said}")
        return known

    def _refunded(self, named: str, charge: str, amount: int) -> RefundOutcome:
        asked = {
            "out_trade_no": number(charge),
            "out_request_no": named,
            "query_options": ["gmt_refund_pay"],
        }
        why, answer = self._asked("alipay.trade.fastpay.refund.query", asked)
        if why == _UNSEEN or (not why and answer.get("refund_status") != "REFUND_SUCCESS"):
            return RefundOutcome(RefundStatus.UNKNOWN)
        if why:
            raise self._refused("a refund query", answer)
        return self._read(lambda: _refund_outcome(answer, named, amount))

    # --- what the channel says ---

    def _asked(
        self, method: str, content: Mapping[str, Any], **options: str
    ) -> tuple[str, Mapping[str, Any]]:
        """Code of the refusal of a trade (empty for none) and content of the channel's answer to one call.

        Raises `GatewayTimeout` for whatever may have been done all the same, and `GatewayError` for what the
        gateway refused by itself.
        """
        try:
            answer = self._wire.server_api(method, dict(content), **options)
            code = _text(answer, "code")
        except GatewayError:
            raise
        except Exception as error:
            raise GatewayTimeout("Alipay gave an answer that cannot be trusted") from error
        if code == _DONE:
            return "", answer
        why = str(answer.get("sub_code") or code)
        if code in _NEVER:
            raise self._refused(method, answer)
        if code != _REFUSED or "SYSTEM_ERROR" in why:
            raise GatewayTimeout(f"Alipay failed: {why}", code=why)
        return why, answer

    def _read(self, read: Callable[[], T]) -> T:
        """A part of a signed answer; one that does not fit leaves the outcome unknown."""
        try:
            return read()
        except (ValueError, TypeError, KeyError, OverflowError, InvalidInput) as error:
            raise GatewayTimeout("Alipay gave an answer that cannot be read") from error

    @staticmethod
    def _refused(what: str, answer: Mapping[str, Any]) -> GatewayError:
        why = str(answer.get("sub_code") or answer.get("code"))
        said = str(answer.get("sub_msg") or answer.get("msg") or "")[:200]
        return GatewayError(f"Alipay refused {what}: {why} {said}".rstrip(), code=why)

    # --- notifications ---

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:  # noqa: ARG002
        """Verify and read a notification. ``sent_at`` is ``notify_time``, which the channel signs.

        A trade that was not made under one of our keys is *irrelevant*: other systems may trade under the
        same application. A refund's notification tells what was refunded in all, so it names no amount.
        """
        if len(body) > BODY_MAX:
            raise NotificationRefused("the notification is too long", path="body")
        try:
            return self._told(self._verified(body))
        except NotificationRefused:
            raise
        except Exception as error:
            reason = f"the notification is not of Alipay: {str(error)[:100]}"
            raise NotificationRefused(reason, path="body") from error

    def _verified(self, body: bytes) -> Mapping[str, str]:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=FIELDS_MAX
        )
        told = dict(pairs)
        if told.get("sign_type") != "RSA2":
            raise ValueError("it is not signed with RSA2")
        signed = {name: text for name, text in pairs if name != "sign"}
        if not self._wire.verify(
            signed, _text(told, "sign")
        ):  # takes fields out of what it is given
            raise ValueError("the signature is wrong")
        if told.get("app_id") != self._appid:
            raise NotificationRefused("the notification is for another merchant", path="app_id")
        return told

    def _told(self, told: Mapping[str, str]) -> Notification:
        name, sent_at = _text(told, "notify_id"), _moment(_text(told, "notify_time"))
        if told.get("notify_type") != "trade_status_sync":
            nothing = Outcome(OutcomeStatus.UNKNOWN, reason=told.get("notify_type", ""))
            return Notification(name, "", nothing, self._reply, sent_at=sent_at, irrelevant=True)
        if told.get("gmt_refund"):
            key = _key(told.get("out_biz_no", ""))
            at = _moment(told["gmt_refund"])
            refund = RefundOutcome(RefundStatus.ARRIVED, _text(told, "trade_no"), at)
            ours = "#" in key
            return Notification(
                name, key if ours else "", refund, self._reply, None, "CNY", sent_at, not ours
            )
        trade = _text(told, "out_trade_no")
        passed = told.get("passback_params", "")
        keys = [key for key in (passed, unquote(passed)) if key and number(key) == trade]
        key = keys[0] if keys else _key(trade)
        outcome = _outcome(told, "gmt_payment")
        amount = parse_minor(_text(told, "total_amount"), "CNY")
        return Notification(
            name, key, outcome, self._reply, amount, "CNY", sent_at, irrelevant=not key
        )


def _outcome(trade: Mapping[str, Any], paid_at: str) -> Outcome:
    """A trade as the channel tells it; raises `ValueError` and its kin for one that cannot be read."""
    state = _text(trade, "trade_status")
    status, reference = _TRADES.get(state, OutcomeStatus.UNKNOWN), _text(trade, "trade_no")
    if status is not OutcomeStatus.CAPTURED:
        return Outcome(status, reference, reason=state)
    amount = parse_minor(_text(trade, "total_amount"), "CNY")
    return Outcome(status, reference, _moment(trade.get(paid_at)), amount=amount)


def _refund_outcome(answer: Mapping[str, Any], named: str, amount: int) -> RefundOutcome:
    """A refund that a query found; it must be the one that was asked for."""
    same = answer.get("out_request_no", named) == named
    if not same or parse_minor(_text(answer, "refund_amount"), "CNY") != amount:
        raise ValueError("the answer is about another refund")
    at = _moment(answer.get("gmt_refund_pay"))
    return RefundOutcome(RefundStatus.ARRIVED, str(answer.get("trade_no", "")), at)
