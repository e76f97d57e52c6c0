"""WeChat Pay offline: a channel in the test keeps the books, checks our signature and signs its answers."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import URLError

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import NOON, SHOPPER, STAFF, order_a
from wechatpayv3 import core

from ordercore import InvalidInput, Manifest, OrderEngine, SettableClock, tenders
from ordercore.adapters.memory import MemoryStore
from ordercore.adapters.wechatpay import (
    HttpAnswer,
    HttpCall,
    WeChatPayGateway,
    WeChatPayProduct,
    over_https,
    refund_number,
    trade_number,
)
from ordercore.errors import GatewayError, GatewayTimeout, NotificationRefused
from ordercore.identity import CountedIds, SystemIds
from ordercore.ports import PaymentGateway
from ordercore.tender import (
    ActionKind,
    ChargeRequest,
    FundShare,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
)
from ordercore.testing.contracts import PaymentGatewayContract

PAYLOADS = Path(__file__).parent / "payloads" / "wechatpay"
APIV3_KEY = "0123456789abcdef0123456789abcdef"
MCHID, APPID, SERIAL = "1900000109", "wxd678efh567hg6787", "444F4864EA9B34415"
HOST = "https://api.mch.weixin.qq.com"


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A key of 2048 bits for each name."""
    assert name
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module", autouse=True)
def private_keys_read_once() -> Iterator[None]:
    """Each time a private key is read its primes are proven: once a key will do, not once a gateway."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "load_private_key", cache(core.load_private_key))
        yield


def private_pem(name: str) -> str:
    """A private key as the merchant has it."""
    pem = key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def public_pem(name: str) -> str:
    """A public key as the merchant gets it."""
    pem = key(name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def signature(name: str, *parts: str) -> str:
    """A signature over lines, as API v3 makes it."""
    text = "".join(f"{part}\n" for part in parts)
    return base64.b64encode(key(name).sign(text.encode(), PKCS1v15(), SHA256())).decode()


class Channel:
    """WeChat Pay as far as a merchant sees it: trades, refunds, notifications."""

    def __init__(self, clock: SettableClock, signs: str = "platform") -> None:
        self.clock = clock
        self.signs = signs
        self.trades: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.calls: list[HttpCall] = []
        self.asked: list[tuple[str, Any]] = []
        self.faults: list[Callable[[HttpCall], HttpAnswer]] = []
        self.closes_after = timedelta(0)
        self.arrives = True
        self._count = count(1)

    # --- the wire ---

    def __call__(self, call: HttpCall) -> HttpAnswer:
        """Check the signature, do it, sign the answer."""
        self.calls.append(call)
        self._check(call)
        if self.faults:
            return self.faults.pop(0)(call)
        return self.answer(call)

    def answer(self, call: HttpCall) -> HttpAnswer:
        """Do what is asked."""
        path = call.url.removeprefix(HOST).partition("?")[0]
        said = json.loads(call.body) if call.body else None
        self.asked.append((path, said))
        status, content = self._route(path, said)
        return self.signed(status, "" if content is None else json.dumps(content))

    def signed(self, status: int, text: str, signs: str = "") -> HttpAnswer:
        """An answer with the channel's signature."""
        return HttpAnswer(status, self.headers(text, signs), text.encode())

    def headers(self, text: str, signs: str = "", at: datetime | None = None) -> dict[str, str]:
        """The headers of a message that the channel signs."""
        signs = signs or self.signs
        stamp = str(int((at or self.clock.now()).timestamp()))
        return {
            "Content-Type": "application/json",
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": "c5ac7061fccab6bf",
            "Wechatpay-Serial": f"PUB_{signs}",
            "Wechatpay-Signature": signature(signs, stamp, "c5ac7061fccab6bf", text),
        }

    def _check(self, call: HttpCall) -> None:
        scheme, _, rest = dict(call.headers)["Authorization"].partition(" ")
        said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        assert (scheme, said["mchid"]) == ("WECHATPAY2-SHA256-RSA2048", MCHID)
        assert said["serial_no"] == SERIAL
        path = call.url.removeprefix(HOST)
        lines = [call.method, path, said["timestamp"], said["nonce_str"], call.body.decode()]
        message = "".join(f"{line}\n" for line in lines).encode()
        given_back = base64.b64decode(said["signature"])
        key("merchant").public_key().verify(given_back, message, PKCS1v15(), SHA256())

    # --- the books ---

    def _route(self, path: str, said: Any) -> tuple[int, Any]:
        if path == "/v3/refund/domestic/refunds":
            return self._refund(said)
        if path.startswith("/v3/refund/domestic/refunds/"):
            found = self.refunds.get(path.rpartition("/")[2])
            return (200, found) if found else (404, {"code": "RESOURCE_NOT_EXISTS", "message": ""})
        if path.endswith("/close"):
            return self._close(path.split("/")[-2])
        if said is None:
            found = self.trades.get(path.rpartition("/")[2])
            return (200, found) if found else (404, {"code": "ORDER_NOT_EXIST", "message": ""})
        return self._prepay(path.rpartition("/")[2], said)

    def _prepay(self, product: str, said: dict[str, Any]) -> tuple[int, Any]:
        number = said["out_trade_no"]
        assert re.fullmatch(r"[0-9A-Za-z_\-|*]{6,32}", number)
        trade = self.trades.get(number)
        if trade is not None and trade["trade_state"] != "NOTPAY":
            dead = trade["trade_state"] == "CLOSED"
            code = "ORDER_CLOSED" if dead else "ORDERPAID"
            return 400, {"code": code, "message": "no"}
        if trade is None:
            self.trades[number] = {
                "out_trade_no": number,
                "trade_state": "NOTPAY",
                "trade_state_desc": "not paid",
                "attach": said["attach"],
                "amount": said["amount"],
                "mchid": MCHID,
                "appid": APPID,
                "begun": self.clock.now().isoformat(),
            }
        return 200, {
            "native": {"code_url": f"weixin://wxpay/bizpayurl?pr={number}"},
            "jsapi": {"prepay_id": f"wx{number}"},
            "h5": {"h5_url": f"https://wx.tenpay.com/cgi-bin/{number}"},
        }[product]

    def _close(self, number: str) -> tuple[int, Any]:
        trade = self.trades.get(number)
        if trade is None:
            return 404, {"code": "ORDER_NOT_EXIST", "message": ""}
        if trade["trade_state"] == "CLOSED":
            return 204, None
        if trade["trade_state"] != "NOTPAY":
            return 400, {"code": "ORDERPAID", "message": "paid"}
        if self.clock.now() < datetime.fromisoformat(trade["begun"]) + self.closes_after:
            return 400, {"code": "INVALID_REQUEST", "message": "too early"}
        trade["trade_state"] = "CLOSED"
        return 204, None

    def _refund(self, said: dict[str, Any]) -> tuple[int, Any]:
        number = said["out_refund_no"]
        assert re.fullmatch(r"[0-9A-Za-z_\-|*@]{1,64}", number)
        known = self.refunds.get(number)
        if known is not None:
            same = known["amount"]["refund"] == said["amount"]["refund"]
            return (200, known) if same else (400, {"code": "INVALID_REQUEST", "message": "other"})
        trade = self.trades[said["out_trade_no"]]
        assert said["amount"]["total"] == trade["amount"]["total"]
        if self.refunded(said["out_trade_no"]) + said["amount"]["refund"] > said["amount"]["total"]:
            return 400, {"code": "INVALID_REQUEST", "message": "more than is left"}
        trade["trade_state"] = "REFUND"
        status = "SUCCESS" if self.arrives else "PROCESSING"
        self.refunds[number] = {
            "refund_id": f"5030{next(self._count):04}",
            "out_refund_no": number,
            "out_trade_no": said["out_trade_no"],
            "status": status,
            "success_time": "2026-05-20T20:00:00+08:00",
            "amount": said["amount"],
        }
        return 200, self.refunds[number]

    def refunded(self, number: str = "") -> int:
        """What was given back of a trade, or of all."""
        return sum(
            refund["amount"]["refund"]
            for refund in self.refunds.values()
            if number in {"", refund["out_trade_no"]} and refund["status"] != "CLOSED"
        )

    @property
    def taken(self) -> int:
        """What payers have paid and not got back."""
        paid = [t for t in self.trades.values() if t["trade_state"] in {"SUCCESS", "REFUND"}]
        return sum(trade["amount"]["total"] for trade in paid) - self.refunded()

    # --- what happens outside ---

    def pay(self, charge_key: str) -> tuple[dict[str, str], bytes]:
        """The payer pays; the notification that follows."""
        trade = self.trades[trade_number(charge_key)]
        assert trade["trade_state"] == "NOTPAY"
        trade |= {
            "trade_state": "SUCCESS",
            "transaction_id": f"4200{next(self._count):04}",
            "success_time": "2026-05-20T20:01:02+08:00",
        }
        return self.notification("TRANSACTION.SUCCESS", trade)

    def arrive(self, refund_key: str, status: str = "SUCCESS") -> tuple[dict[str, str], bytes]:
        """A refund comes to its end; the notification that follows."""
        refund = self.refunds[refund_number(refund_key)]
        refund["status"] = status
        told = {name: refund[name] for name in refund if name != "status"}
        told |= {"mchid": MCHID, "transaction_id": "4200", "refund_status": status}
        return self.notification(f"REFUND.{status}", told)

    def notification(
        self, kind: str, resource: Any, *, signs: str = "", at: datetime | None = None
    ) -> tuple[dict[str, str], bytes]:
        """A signed and encrypted notification."""
        number = next(self._count)
        nonce = f"{number:012}"
        sealed = AESGCM(APIV3_KEY.encode()).encrypt(
            nonce.encode(), json.dumps(resource).encode(), b"transaction"
        )
        body = json.dumps(
            {
                "id": f"EV-{number}",
                "create_time": "2026-05-20T20:00:00+08:00",
                "resource_type": "encrypt-resource",
                "event_type": kind,
                "summary": "told",
                "resource": {
                    "algorithm": "AEAD_AES_256_GCM",
                    "ciphertext": base64.b64encode(sealed).decode(),
                    "associated_data": "transaction",
                    "nonce": nonce,
                },
            }
        )
        return self.headers(body, signs, at), body.encode()


def gateway(channel: Channel, *, keys: tuple[str, ...] = ("platform",), **options: Any) -> Any:
    """A gateway over a channel of the test."""
    options = {
        "mchid": MCHID,
        "appid": APPID,
        "private_key": private_pem("merchant"),
        "cert_serial_no": SERIAL,
        "apiv3_key": APIV3_KEY,
        "platform_keys": {f"PUB_{name}": public_pem(name) for name in keys},
        "notify_url": "https://shop.example/wechat",
        "transport": channel,
        "clock": channel.clock,
        "ids": CountedIds(),
        **options,
    }
    return WeChatPayGateway(**options)


def made(**options: Any) -> tuple[Channel, Any]:
    """A channel at noon and a gateway over it."""
    channel = Channel(SettableClock(NOON))
    return channel, gateway(channel, **options)


def charge(name: str = "order_1/1", amount: int = 20_763, **fields: Any) -> ChargeRequest:
    """A charge of 207.63."""
    return ChargeRequest(name, name.partition("/")[0], amount, "CNY", **fields)


def back(name: str = "order_1/r1#0", amount: int = 6_921, of: str = "order_1/1") -> RefundRequest:
    """A refund of 69.21."""
    return RefundRequest(name, of, "", amount, "CNY", reason="broken")


# --- The contract -------------------------------------------------------------------------------


class TestContract(PaymentGatewayContract):
    """The gateway keeps what every gateway promises."""

    def make_gateway(self) -> PaymentGateway:
        """A gateway over an empty channel."""
        self.channel, made_now = made()
        self.channel.arrives = False
        found: PaymentGateway = made_now
        return found

    def payer_pays(self, gateway: PaymentGateway, request: ChargeRequest) -> None:
        """The payer scans the code."""
        assert gateway.capabilities.captures_at_once
        self.channel.pay(request.key)

    def moved(self, gateway: PaymentGateway) -> int:
        """What the channel has taken."""
        assert gateway is self.gateway
        return self.channel.taken

    def under_way(self, gateway: PaymentGateway) -> int:
        """What the channel has accepted to give back."""
        return self.channel.refunded()

    def declined(self, gateway: PaymentGateway) -> None:
        """The channel answers with a code; it is the payer's app that declines, and nobody tells."""

    def notification(
        self, gateway: PaymentGateway, request: ChargeRequest
    ) -> tuple[dict[str, str], bytes]:
        """What the channel posts, signed and sealed."""
        trade = self.channel.trades[trade_number(request.key)]
        return self.channel.notification("TRANSACTION.SUCCESS", trade)

    def test_a_void_gives_back_what_refunds_have_left(self) -> None:
        """The channel does not tell what is left: a void after a part went back moves nothing, and says so."""
        request, outcome = self.taken()
        half = self.amount // 2
        self.ask(self.gateway.refund(self.back(request, half, outcome.reference)))
        assert self.ask(self.gateway.void(request)).status is OutcomeStatus.UNKNOWN
        self.assert_moved(half)


# --- What goes out ------------------------------------------------------------------------------


def test_a_native_payment_waits_with_a_code() -> None:
    """The shopper scans what the channel answers, until the order's deadline in Beijing time."""
    channel, wechat = made()
    outcome = wechat.authorize(charge(expires_at=NOON + timedelta(minutes=15)))
    assert (outcome.status, outcome.action.kind) == (OutcomeStatus.WAITING, ActionKind.QR_CODE)
    assert outcome.action.content == "weixin://wxpay/bizpayurl?pr=order_1*1"
    assert outcome.action.expires_at == NOON + timedelta(minutes=15)
    path, said = channel.asked[-1]
    assert path == "/v3/pay/transactions/native"
    assert said == {
        "notify_url": "https://shop.example/wechat",
        "description": "Order order_1",
        "out_trade_no": "order_1*1",
        "amount": {"total": 20_763, "currency": "CNY"},
        "time_expire": "2026-05-20T20:15:00+08:00",
        "attach": "order_1/1",
        "appid": APPID,
        "mchid": MCHID,
    }


def test_a_jsapi_payment_hands_signed_parameters_to_the_page() -> None:
    """The payer's open id goes out; what comes back for the page bears our own signature."""
    channel, wechat = made(product=WeChatPayProduct.JSAPI)
    outcome = wechat.authorize(charge(account="oUpF8uMuAJO"))
    assert channel.asked[-1][1]["payer"] == {"openid": "oUpF8uMuAJO"}
    assert outcome.action.kind is ActionKind.PARAMETERS
    given_out = json.loads(outcome.action.content)
    assert given_out["package"] == "prepay_id=wxorder_1*1"
    lines = [given_out[name] for name in ("appId", "timeStamp", "nonceStr", "package")]
    message = "".join(f"{line}\n" for line in lines).encode()
    key("merchant").public_key().verify(
        base64.b64decode(given_out["paySign"]), message, PKCS1v15(), SHA256()
    )
    with pytest.raises(GatewayError, match="open id"):
        wechat.authorize(charge())


def test_an_h5_payment_redirects_the_browser() -> None:
    """The scene says where the payer is; without one the gateway is not made."""
    scene = {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}
    channel, wechat = made(product=WeChatPayProduct.H5, scene=lambda _: scene)
    outcome = wechat.authorize(charge())
    assert outcome.action.kind is ActionKind.REDIRECT
    assert channel.asked[-1][1]["scene_info"] == scene
    with pytest.raises(InvalidInput, match="address and device"):
        made(product=WeChatPayProduct.H5)


def test_shares_mark_a_charge_for_profit_sharing() -> None:
    """A charge whose funds are to be split is frozen until they are; another is not."""
    channel, wechat = made(splits_funds=True)
    assert wechat.capabilities.splits_funds
    wechat.authorize(charge(shares=(FundShare("m1", 20_000),)))
    assert channel.asked[-1][1]["settle_info"] == {"profit_sharing": True}
    wechat.authorize(charge("order_2/1"))
    assert "settle_info" not in channel.asked[-1][1]


def test_the_limits_of_the_channel_are_declared() -> None:
    """Fifty refunds, a minute apart, within a year; CNY only."""
    _, wechat = made()
    can = wechat.capabilities
    assert (can.refunds_max, can.refund_spacing) == (50, timedelta(seconds=60))
    assert (can.refund_window, can.currencies) == (timedelta(days=365), ("CNY",))
    assert can.closes
    assert can.captures_at_once


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_numbers_fit_the_channel_and_differ(name: str) -> None:
    """Whatever the key, its numbers have the form that the channel wants, and no path changes them."""
    assert re.fullmatch(r"[0-9A-Za-z_\-*]{6,32}", trade_number(name))
    assert re.fullmatch(r"[0-9A-Za-z_\-*@]{1,64}", refund_number(name))
    assert trade_number(name) != trade_number(name + "x")
    assert refund_number(name) != refund_number(name + "x")


def test_keys_of_this_librarys_ids_fit() -> None:
    """A refund's key is legible in its number; a charge's key is a digest, and travels beside it."""
    order = SystemIds().new("order")
    assert refund_number(f"{order}/r0123456789ab#0") == f"{order}*r0123456789ab@0"
    assert len(trade_number(f"{order}/1")) == 32


# --- What comes back ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("NOTPAY", OutcomeStatus.WAITING),
        ("USERPAYING", OutcomeStatus.WAITING),
        ("CLOSED", OutcomeStatus.VOIDED),
        ("REVOKED", OutcomeStatus.VOIDED),
        ("PAYERROR", OutcomeStatus.DECLINED),
        ("SUCCESS", OutcomeStatus.CAPTURED),
        ("REFUND", OutcomeStatus.CAPTURED),
        ("A_NEW_ONE", OutcomeStatus.UNKNOWN),
    ],
)
def test_each_state_of_a_trade_is_known(state: str, status: OutcomeStatus) -> None:
    """What the channel calls a trade's state is one of ours; a new one is unknown."""
    channel, wechat = made()
    wechat.authorize(charge())
    channel.trades["order_1*1"] |= {"transaction_id": "4200", "trade_state": state}
    assert wechat.lookup(charge()).status is status


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("SUCCESS", RefundStatus.ARRIVED),
        ("PROCESSING", RefundStatus.ACCEPTED),
        ("ABNORMAL", RefundStatus.ACCEPTED),
        ("CLOSED", RefundStatus.FAILED),
        ("A_NEW_ONE", RefundStatus.UNKNOWN),
    ],
)
def test_each_status_of_a_refund_is_known(state: str, status: RefundStatus) -> None:
    """An abnormal refund is still under way: staff sends it another way under the same number."""
    channel, wechat = made()
    wechat.authorize(charge())
    channel.pay("order_1/1")
    wechat.refund(back())
    channel.refunds["order_1*r1@0"]["status"] = state
    assert wechat.lookup_refund(back()).status is status


def test_a_paid_charge_tells_amount_reference_and_time() -> None:
    """The channel's own name and time of the payment, and what was paid, in fen and in UTC."""
    channel, wechat = made()
    wechat.authorize(charge())
    channel.pay("order_1/1")
    assert wechat.lookup(charge()) == Outcome(
        OutcomeStatus.CAPTURED,
        "42000001",
        datetime(2026, 5, 20, 12, 1, 2, tzinfo=UTC),
        amount=20_763,
    )


def test_a_close_in_the_first_minutes_is_too_early() -> None:
    """What the channel refuses to close and nobody has paid is asked again later."""
    channel, wechat = made()
    channel.closes_after = timedelta(minutes=5)
    wechat.authorize(charge())
    assert wechat.close(charge()).status is OutcomeStatus.TOO_EARLY
    assert wechat.void(charge()).status is OutcomeStatus.UNKNOWN
    channel.clock.advance(timedelta(minutes=5))
    assert wechat.close(charge()).status is OutcomeStatus.VOIDED


def test_a_repeated_refund_keeps_its_number() -> None:
    """The same key asks for the same refund with the same content, and money goes back once."""
    channel, wechat = made()
    channel.arrives = False
    wechat.authorize(charge())
    channel.pay("order_1/1")
    first = wechat.refund(back())
    asked = [said for path, said in channel.asked if path.endswith("/refunds")]
    assert wechat.refund(back()) == first == wechat.lookup_refund(back())
    again = [said for path, said in channel.asked if path.endswith("/refunds")]
    assert again == asked * 2
    assert asked[0]["out_refund_no"] == "order_1*r1@0"
    assert asked[0]["amount"] == {"refund": 6_921, "total": 20_763, "currency": "CNY"}
    assert channel.refunded() == 6_921


def test_a_merchant_without_funds_is_asked_again() -> None:
    """Not enough in the merchant's account is no end of a refund: nothing was moved by this call."""
    channel, wechat = made()
    wechat.authorize(charge())
    channel.pay("order_1/1")
    poor = json.dumps({"code": "NOT_ENOUGH", "message": "no funds"})
    channel.faults = [channel.answer, lambda _: channel.signed(403, poor)]
    with pytest.raises(GatewayError, match="NOT_ENOUGH") as caught:
        wechat.refund(back())
    assert type(caught.value) is GatewayError
    assert wechat.refund(back()).status is RefundStatus.ARRIVED


def failing(error: Exception) -> Callable[[HttpCall], HttpAnswer]:
    """A transport on a bad day."""

    def fail(_: HttpCall) -> HttpAnswer:
        raise error

    return fail


def unsigned(status: int, text: str) -> Callable[[HttpCall], HttpAnswer]:
    """An answer of somebody else."""
    return lambda _: HttpAnswer(status, {}, text.encode())


MAYBE = {
    "no answer": failing(TimeoutError()),
    "no answer, in a wrapper": failing(URLError(TimeoutError())),
    "a reset": failing(ConnectionResetError()),
    "a client's own error": failing(RuntimeError("broken")),
    "its failure": unsigned(500, '{"code": "SYSTEM_ERROR"}'),
    "a gateway's failure": unsigned(502, "<html>bad gateway</html>"),
    "a wall": unsigned(403, "<html>a wall</html>"),
    "a redirect": unsigned(302, '{"code": "MOVED"}'),
    "not signed": unsigned(200, '{"code_url": "weixin://evil"}'),
    "not an object": unsigned(200, "[]"),
}


@pytest.mark.parametrize("fault", MAYBE.values(), ids=MAYBE)
def test_what_may_have_been_sent_is_unknown(fault: Any) -> None:
    """No answer, a failure of the channel, or an answer that is not its own: the outcome is unknown."""
    channel, wechat = made()
    channel.faults = [fault]
    with pytest.raises(GatewayTimeout):
        wechat.authorize(charge())


NEVER = {
    "no connection": failing(ConnectionRefusedError()),
    "no such host": failing(URLError(socket.gaierror())),
    "the host's switch": failing(GatewayError("the host's own switch is off")),
    "a wrong signature": unsigned(401, '{"code": "SIGN_ERROR", "message": "no"}'),
    "too often": unsigned(429, '{"code": "FREQUENCY_LIMITED", "message": "slower"}'),
    "no right": unsigned(403, '{"code": "NO_AUTH", "message": "no"}'),
}


@pytest.mark.parametrize("fault", NEVER.values(), ids=NEVER)
def test_what_was_refused_has_moved_nothing(fault: Any) -> None:
    """No connection, or a refusal that says so: nothing was moved, and another channel may be tried."""
    channel, wechat = made()
    channel.faults = [fault]
    with pytest.raises(GatewayError) as caught:
        wechat.authorize(charge())
    assert type(caught.value) is GatewayError


def test_a_refusal_of_a_refund_that_was_heard_before_is_no_failure() -> None:
    """The channel may refuse the repetition of what it has done: the look-up tells, and it stands."""
    channel, wechat = made()
    wechat.authorize(charge())
    channel.pay("order_1/1")
    first = wechat.refund(back())
    text = json.dumps({"code": "INVALID_REQUEST", "message": "no"})
    channel.faults = [channel.answer, lambda _: channel.signed(400, text)]
    assert wechat.refund(back()) == first
    channel.faults = [channel.answer, lambda _: channel.signed(400, text)]
    other = wechat.refund(back("order_1/r2#0", 1))
    assert (other.status, other.reason) == (RefundStatus.FAILED, "INVALID_REQUEST: no")


def test_an_answer_about_another_refund_is_not_believed() -> None:
    """Neither another number nor another amount is the refund that was asked for."""
    channel, wechat = made()
    wechat.authorize(charge())
    channel.pay("order_1/1")
    wechat.refund(back())
    with pytest.raises(GatewayTimeout, match="cannot be read"):
        wechat.lookup_refund(back(amount=1))


@pytest.mark.parametrize("name", ["lookup", "void", "capture"])
def test_a_query_that_is_refused_says_nothing_of_the_charge(name: str) -> None:
    """Asking too often is not the same as an unknown key."""
    channel, wechat = made()
    wechat.authorize(charge())
    channel.faults = [unsigned(429, '{"code": "FREQUENCY_LIMITED", "message": "slower"}')]
    with pytest.raises(GatewayError, match="FREQUENCY_LIMITED"):
        getattr(wechat, name)(charge())


def test_refund_queries_that_are_refused_say_nothing_either() -> None:
    """The same of refunds, and of the refund that a void may have made."""
    channel, wechat = made()
    wechat.authorize(charge())
    channel.pay("order_1/1")
    wechat.refund(back())
    slower = unsigned(429, '{"code": "FREQUENCY_LIMITED", "message": "slower"}')
    for call, faults in (
        (lambda: wechat.lookup_refund(back()), [slower]),
        (lambda: wechat.lookup(charge()), [channel.answer, slower]),
    ):
        channel.faults = list(faults)
        with pytest.raises(GatewayError, match="FREQUENCY_LIMITED"):
            call()


def test_a_payment_in_the_moment_of_a_void_goes_back() -> None:
    """Looked up as unpaid, paid before the close came: it is refunded instead."""
    channel, wechat = made()
    wechat.authorize(charge())
    unpaid = channel.signed(200, json.dumps(channel.trades["order_1*1"]))
    channel.pay("order_1/1")
    channel.faults = [lambda _: unpaid]
    assert wechat.void(charge()).status is OutcomeStatus.VOIDED
    assert channel.taken == 0


@contextmanager
def listening(status: int, text: bytes) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server on this machine that always answers the same, and what it heard."""
    heard: list[tuple[str, bytes]] = []

    class Answering(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            heard.append((f"{self.command} {self.path}", body))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = answer  # noqa: N815 - the names of the standard library

        def log_message(self, *_: Any) -> None:
            """Nothing is written."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_the_default_transport_hands_on_what_came(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the status, once and from this address: no retry, no redirect; method and body as signed."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with listening(status, b'{"code": "X"}') as (url, heard):
        sent = HttpCall("POST", f"{url}/v3/pay?a=*@", (("Accept", "application/json"),), b"{}")
        answer = over_https(sent)
        assert (answer.status, answer.body) == (status, b'{"code": "X"}')
        over_https(HttpCall("GET", f"{url}/v3/pay", (), b""))
    assert heard == [("POST /v3/pay?a=*@", b"{}"), ("GET /v3/pay", b"")]
    with pytest.raises(GatewayError) as caught:
        made(transport=lambda _: over_https(sent))[1].lookup(charge())
    assert type(caught.value) is GatewayError, "the server is gone: nothing was sent"


def test_an_answer_signed_by_another_key_is_not_believed() -> None:
    """A success, and a refusal that claims a signature, must bear the channel's."""
    channel, wechat = made()
    text = '{"code_url": "weixin://evil", "code": "NO_AUTH"}'
    for status in (200, 403):
        answer = channel.signed(status, text, "thief")
        answer.headers["Wechatpay-Serial"] = "PUB_platform"  # type: ignore[index]
        channel.faults = [lambda _, answer=answer: answer]
        with pytest.raises(GatewayTimeout):
            wechat.authorize(charge())


def test_an_answer_about_another_payment_is_not_believed() -> None:
    """A genuine answer to another question is no answer to ours."""
    channel, wechat = made()
    wechat.authorize(charge())
    wechat.authorize(charge("order_2/1"))
    channel.pay("order_2/1")
    other = channel.signed(200, json.dumps(channel.trades["order_2*1"]))
    channel.faults = [lambda _: other]
    with pytest.raises(GatewayTimeout, match="another payment"):
        wechat.lookup(charge())


@pytest.mark.parametrize("bad", [charge(amount=0), charge("o/" + "x" * 130)], ids=["0", "long"])
def test_what_the_channel_would_not_take_is_not_sent(bad: ChargeRequest) -> None:
    """Less than one fen, or a key that does not fit, is refused before anything goes out."""
    channel, wechat = made()
    with pytest.raises(GatewayError):
        wechat.authorize(bad)
    assert channel.calls == []


def test_keys_that_cannot_be_read_are_refused_at_once() -> None:
    """A gateway with a broken key is not made, and one without a key of the channel neither."""
    with pytest.raises(InvalidInput, match="cannot be read"):
        made(private_key="nonsense")
    with pytest.raises(InvalidInput, match="is needed"):
        made(platform_keys={})


# --- Notifications ------------------------------------------------------------------------------


def told(channel: Channel, wechat: Any, name: str = "order_1/1") -> tuple[dict[str, str], bytes]:
    """The genuine notification of a payment."""
    wechat.authorize(charge(name))
    return channel.pay(name)


def test_a_notification_tells_key_amount_and_time() -> None:
    """The key that went out in `attach` comes back, with the amount and the signed time of sending."""
    channel, wechat = made()
    headers, body = told(channel, wechat)
    found = wechat.parse(headers, body)
    at = datetime(2026, 5, 20, 12, 1, 2, tzinfo=UTC)
    outcome = Outcome(OutcomeStatus.CAPTURED, "42000001", at, amount=20_763)
    assert found == Notification(
        "EV-2", "order_1/1", outcome, found.reply, 20_763, "CNY", NOON, irrelevant=False
    )
    assert json.loads(found.reply.body)["code"] == "SUCCESS"
    assert found.reply.content_type == "application/json"
    assert json.loads(wechat.refusal.body)["code"] == "FAIL"
    assert wechat.refusal.status == 400


SPELLINGS: dict[str, Callable[[str], str]] = {
    "asgi": str.lower,
    "shouting": str.upper,
    "wsgi": lambda name: f"HTTP_{name.upper().replace('-', '_')}",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_headers_may_be_spelled_in_any_way(spelling: Callable[[str], str]) -> None:
    """Servers change case and hyphens of headers; the channel's signature type may be missing."""
    channel, wechat = made()
    headers, body = told(channel, wechat)
    typed = {**headers, "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048"}
    for found in (headers, typed):
        spelled = {spelling(name): text for name, text in found.items()}
        assert wechat.parse(spelled, body).key == "order_1/1"
    other = {**headers, "Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}
    with pytest.raises(NotificationRefused):
        wechat.parse({spelling(name): text for name, text in other.items()}, body)


def forgeries() -> dict[str, Callable[[Channel, Any], tuple[dict[str, str], bytes]]]:
    """Ways to lie, each made from a genuine notification."""

    def tampered(channel: Channel, wechat: Any) -> tuple[dict[str, str], bytes]:
        headers, body = told(channel, wechat)
        return headers, body.replace(b"TRANSACTION.SUCCESS", b"REFUND.SUCCESS")

    def wrong_key(channel: Channel, wechat: Any) -> tuple[dict[str, str], bytes]:
        told(channel, wechat)
        trade = channel.trades["order_1*1"]
        headers, body = channel.notification("TRANSACTION.SUCCESS", trade, signs="thief")
        return {**headers, "Wechatpay-Serial": "PUB_platform"}, body

    def swapped(channel: Channel, wechat: Any) -> tuple[dict[str, str], bytes]:
        headers, _ = told(channel, wechat)
        _, other = told(channel, wechat, "order_2/1")
        return headers, other

    def redated(channel: Channel, wechat: Any) -> tuple[dict[str, str], bytes]:
        headers, body = told(channel, wechat)
        fresh = str(int(NOON.timestamp()) + 300)
        return {**headers, "Wechatpay-Timestamp": fresh}, body

    def rotated_out(channel: Channel, wechat: Any) -> tuple[dict[str, str], bytes]:
        told(channel, wechat)
        trade = channel.trades["order_1*1"]
        return channel.notification("TRANSACTION.SUCCESS", trade, signs="retired")

    def probed(channel: Channel, wechat: Any) -> tuple[dict[str, str], bytes]:
        headers, body = told(channel, wechat)
        genuine = headers["Wechatpay-Signature"]
        return {**headers, "Wechatpay-Signature": f"WECHATPAY/SIGNTEST/{genuine}"}, body

    return {f.__name__: f for f in (tampered, wrong_key, swapped, redated, rotated_out, probed)}


@pytest.mark.parametrize("forged", forgeries().values(), ids=forgeries())
def test_no_forgery_is_believed(forged: Callable[[Channel, Any], Any]) -> None:
    """Tampered, signed by a thief, swapped, redated, signed with a retired key, or a probe: all refused."""
    channel, wechat = made()
    headers, body = forged(channel, wechat)
    calls = len(channel.calls)
    with pytest.raises(NotificationRefused) as caught:
        wechat.parse(headers, body)
    assert caught.value.path == "body"
    assert len(channel.calls) == calls, "a forgery made us call the channel"


def test_an_old_message_says_how_old_it_is() -> None:
    """A genuine message of 301 seconds ago tells its time, so that the engine can refuse it."""
    channel, wechat = made()
    told(channel, wechat)
    sent = NOON - timedelta(seconds=301)
    trade = channel.trades["order_1*1"]
    headers, body = channel.notification("TRANSACTION.SUCCESS", trade, at=sent)
    assert wechat.parse(headers, body).sent_at == sent


def test_a_replay_has_the_same_event_id() -> None:
    """The same message again, even resent under a new signature, is the same event."""
    channel, wechat = made()
    headers, body = told(channel, wechat)
    again = channel.headers(body.decode(), at=NOON + timedelta(minutes=3))
    first, second = wechat.parse(headers, body), wechat.parse(again, body)
    assert first.event_id == second.event_id
    assert second.sent_at == NOON + timedelta(minutes=3)


def test_two_keys_of_the_channel_are_believed_while_one_takes_over() -> None:
    """Both the present key and the next one may sign; requests name the first."""
    channel, wechat = made(keys=("platform", "next"))
    headers, body = told(channel, wechat)
    assert dict(channel.calls[-1].headers)["Wechatpay-Serial"] == "PUB_platform"
    trade = channel.trades["order_1*1"]
    for found in (headers, body), channel.notification("TRANSACTION.SUCCESS", trade, signs="next"):
        assert wechat.parse(*found).key == "order_1/1"


def test_another_merchants_message_is_refused() -> None:
    """A genuine message about another merchant number is not ours to believe."""
    channel, wechat = made()
    told(channel, wechat)
    trade = {**channel.trades["order_1*1"], "mchid": "1900000110"}
    with pytest.raises(NotificationRefused, match="another merchant"):
        wechat.parse(*channel.notification("TRANSACTION.SUCCESS", trade))


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {"total": "20763", "currency": "CNY"}},
        {"amount": {"total": 20_763, "currency": "USD"}},
        {"transaction_id": ""},
        {"trade_state": None},
        {"success_time": "2026-05-20T20:01:02"},
    ],
)
def test_a_genuine_message_that_cannot_be_read_is_refused(change: dict[str, Any]) -> None:
    """An amount that is no whole fen, another currency, no reference, a time without a zone."""
    channel, wechat = made()
    told(channel, wechat)
    trade = {**channel.trades["order_1*1"], **change}
    with pytest.raises(NotificationRefused):
        wechat.parse(*channel.notification("TRANSACTION.SUCCESS", trade))


def test_what_other_systems_do_under_the_same_number_is_irrelevant() -> None:
    """A payment or a refund without one of our keys is answered and dropped; so is a void's own refund."""
    channel, wechat = made()
    told(channel, wechat)
    foreign = {**channel.trades["order_1*1"], "out_trade_no": "20260520001", "attach": "shop 3"}
    found = wechat.parse(*channel.notification("TRANSACTION.SUCCESS", foreign))
    assert (found.key, found.irrelevant) == ("", True)
    wechat.void(charge())
    (number,) = channel.refunds
    void = {**channel.refunds[number], "refund_status": "SUCCESS", "mchid": MCHID}
    assert wechat.parse(*channel.notification("REFUND.SUCCESS", void)).irrelevant


def test_a_payment_whose_attach_was_lost_is_known_by_its_number() -> None:
    """A number that is legible gives the key by itself."""
    channel, wechat = made()
    told(channel, wechat)
    bare = {**channel.trades["order_1*1"], "attach": ""}
    assert wechat.parse(*channel.notification("TRANSACTION.SUCCESS", bare)).key == "order_1/1"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("SUCCESS", RefundStatus.ARRIVED), ("ABNORMAL", RefundStatus.ACCEPTED),
     ("CLOSED", RefundStatus.FAILED)],
)  # fmt: skip
def test_a_refunds_end_is_told(status: str, expected: RefundStatus) -> None:
    """The refund's key, its amount and how it ended."""
    channel, wechat = made()
    channel.arrives = False
    told(channel, wechat)
    assert wechat.refund(back()).status is RefundStatus.ACCEPTED
    found = wechat.parse(*channel.arrive("order_1/r1#0", status))
    assert isinstance(found.outcome, RefundOutcome)
    assert (found.key, found.amount, found.irrelevant) == ("order_1/r1#0", 6_921, False)
    assert found.outcome.status is expected


def test_the_published_notification_is_verified_and_irrelevant() -> None:
    """The channel's own published example, signature, certificate and all, is believed; it is of another product."""
    published = json.loads((PAYLOADS / "notify_request.json").read_text("utf-8"))
    envelope = json.loads((PAYLOADS / "encrypted_notify_envelope.json").read_text("utf-8"))
    body = json.dumps(envelope["payload"], separators=(",", ":"), ensure_ascii=False).encode()
    certificate = x509.load_pem_x509_certificate(published["certificate"].encode())
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    serial = f"{certificate.serial_number:X}"
    assert serial == published["headers"]["Wechatpay-Serial"]
    _, wechat = made(apiv3_key=published["apiv3_key"], platform_keys={serial: pem.decode()})
    found = wechat.parse(published["headers"], body)
    assert found.event_id == "3119dfba-e649-5eec-ab1e-3412bc4d2e17"
    assert found.sent_at == datetime(2021, 6, 24, 8, 37, 26, tzinfo=UTC)
    assert found.irrelevant
    assert found.outcome.reason == "PAYSCORE.USER_OPEN_SERVICE"
    with pytest.raises(NotificationRefused):
        wechat.parse(published["headers"], body.replace(b"PAYSCORE", b"TRANSACTION"))


# --- Through the engine -------------------------------------------------------------------------


def shop(ids: Any) -> tuple[Channel, OrderEngine]:
    """An engine whose only gateway is WeChat Pay."""
    channel, wechat = made()
    engine = OrderEngine(
        store=MemoryStore(), gateways={"wechat": wechat}, clock=channel.clock, ids=ids
    )
    return channel, engine


@pytest.mark.parametrize("ids", [CountedIds(), SystemIds()], ids=["short", "long"])
def test_an_order_is_paid_refunded_and_the_refund_arrives(ids: Any) -> None:
    """Pay, notify, refund, notify: the order knows all of it, with short keys as with long ones."""
    channel, engine = shop(ids)
    channel.arrives = False
    order = engine.place(engine.quote(order_a()), key="place", by=SHOPPER)
    paying = engine.pay(order.id, (tenders.Channel("wechat"),), key="pay", by=SHOPPER)
    assert paying.action is not None
    assert paying.action.kind is ActionKind.QR_CODE
    reply = engine.notify("wechat", *channel.pay(f"{order.id}/1"))
    assert json.loads(reply.body)["code"] == "SUCCESS"
    assert engine.get(order.id).state == "paid"
    assert channel.taken == 26_997
    back_to = engine.refund(
        order.id, Manifest.of({"2": 1}), reason="broken", key="refund", by=STAFF
    ).refund
    assert [leg.status for leg in back_to.legs] == [RefundStatus.ACCEPTED]
    engine.notify("wechat", *channel.arrive(f"{back_to.id}#0"))
    assert engine.get(order.id).payments.refund(back_to.id).arrived
    assert channel.taken == 26_997 - 8_999


def test_an_unpaid_order_closes_once_the_channel_lets_it() -> None:
    """The channel refuses the close in the first minutes: the order waits, and closes with nothing taken."""
    channel, engine = shop(CountedIds())
    channel.closes_after = timedelta(hours=1)
    order = engine.place(engine.quote(order_a()), key="place", by=SHOPPER)
    engine.pay(order.id, (tenders.Channel("wechat"),), key="pay", by=SHOPPER)
    assert order.content.pay_by is not None
    channel.clock.set(order.content.pay_by + timedelta(seconds=1))
    engine.sweep()
    assert engine.get(order.id).state == "pending_payment"
    for _ in range(12):
        channel.clock.advance(timedelta(minutes=10))
        engine.sweep()
    assert engine.get(order.id).state == "closed"
    assert channel.trades[trade_number(f"{order.id}/1")]["trade_state"] == "CLOSED"
    assert channel.taken == 0
