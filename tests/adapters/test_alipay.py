"""Alipay offline: a channel in the test keeps the books, checks our signature and signs its answers."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import pytest
from Cryptodome.PublicKey import RSA
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
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

from ordercore import InvalidInput, Manifest, OrderEngine, SettableClock, tenders
from ordercore.adapters.alipay import AlipayGateway, AlipayProduct, number, over_https
from ordercore.adapters.memory import MemoryStore
from ordercore.errors import GatewayError, GatewayTimeout, NotificationRefused
from ordercore.identity import CountedIds, SystemIds
from ordercore.ports import PaymentGateway
from ordercore.tender import (
    ActionKind,
    ChargeRequest,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
)
from ordercore.testing.contracts import PaymentGatewayContract

APPID = "2021000000000001"
BEIJING = timezone(timedelta(hours=8))
GATEWAY = "https://openapi.alipay.com/gateway.do"
Refusal = tuple[str, str]


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A key of 2048 bits for each name."""
    assert name
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module", autouse=True)
def keys_read_once() -> Iterator[None]:
    """Each time a private key is read its primes are proven: once a key will do, not once a gateway."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RSA, "importKey", cache(RSA.importKey))
        yield


def private_pem(name: str) -> str:
    """A private key as the application has it."""
    pem = key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def public_pem(name: str) -> str:
    """A public key as the application gets it."""
    pem = key(name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def signature(name: str, text: str) -> str:
    """An RSA2 signature."""
    return base64.b64encode(key(name).sign(text.encode(), PKCS1v15(), SHA256())).decode()


def joined(fields: dict[str, str]) -> str:
    """What is signed of parameters."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields))


class Channel:
    """Alipay as far as a merchant sees it: trades, refunds, notifications."""

    def __init__(self, clock: SettableClock, signs: str = "platform") -> None:
        self.clock = clock
        self.signs = signs
        self.codes: dict[str, dict[str, Any]] = {}
        self.trades: dict[str, dict[str, Any]] = {}
        self.refunds: dict[tuple[str, str], str] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.faults: list[Callable[[str, bytes], bytes]] = []
        self._count = count(1)

    # --- the wire ---

    def __call__(self, url: str, body: bytes) -> bytes:
        """Check the signature, do it, sign the answer."""
        assert url == f"{GATEWAY}?charset=utf-8"
        said = self.checked(body.decode())
        if self.faults:
            return self.faults.pop(0)(url, body)
        content = json.loads(said["biz_content"])
        self.asked.append((said["method"], content))
        return self.signed(said["method"], self.route(said["method"], content))

    def checked(self, form: str) -> dict[str, str]:
        """Our parameters, if our signature is right and the time is Beijing's."""
        said = dict(parse_qsl(form, keep_blank_values=True, strict_parsing=True))
        given_back = base64.b64decode(said.pop("sign"))
        key("app").public_key().verify(given_back, joined(said).encode(), PKCS1v15(), SHA256())
        assert (said["app_id"], said["sign_type"], said["charset"]) == (APPID, "RSA2", "utf-8")
        assert said["timestamp"] == f"{self.clock.now().astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
        return said

    def signed(self, method: str, content: dict[str, Any], signs: str = "") -> bytes:
        """An answer with the channel's signature."""
        text = json.dumps(content)
        sign = signature(signs or self.signs, text)
        return f'{{"{method.replace(".", "_")}_response":{text},"sign":"{sign}"}}'.encode()

    # --- the books ---

    def route(self, method: str, said: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked."""
        act = {
            "alipay.trade.precreate": self._precreate,
            "alipay.trade.query": self._query,
            "alipay.trade.close": self._close,
            "alipay.trade.cancel": self._cancel,
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._refund_query,
        }[method]
        answer = act(said, self.trades.get(said["out_trade_no"]))
        if isinstance(answer, str):
            return {"code": "40004", "msg": "Business Failed", "sub_code": answer, "sub_msg": "no"}
        return {"code": "10000", "msg": "Success", **answer}

    def _precreate(self, said: dict[str, Any], trade: Any) -> Any:
        assert re.fullmatch(r"[0-9A-Za-z_]{1,64}", said["out_trade_no"])
        if trade is not None:
            paid = trade["trade_status"] != "TRADE_CLOSED"
            return f"ACQ.TRADE_HAS_{'SUCCESS' if paid else 'CLOSE'}"
        self.codes[said["out_trade_no"]] = said
        code = f"https://qr.alipay.com/{said['out_trade_no']}"
        return {"out_trade_no": said["out_trade_no"], "qr_code": code}

    def _query(self, _: dict[str, Any], trade: Any) -> Any:
        return "ACQ.TRADE_NOT_EXIST" if trade is None else trade

    def _close(self, _: dict[str, Any], trade: Any) -> Any:
        if trade is None:
            return "ACQ.TRADE_NOT_EXIST"
        if trade["trade_status"] != "WAIT_BUYER_PAY":
            return "ACQ.TRADE_STATUS_ERROR"
        trade["trade_status"] = "TRADE_CLOSED"
        return {"trade_no": trade["trade_no"]}

    def _cancel(self, _: dict[str, Any], trade: Any) -> Any:
        if trade is None:
            return {"retry_flag": "N"}
        paid = trade["trade_status"] == "TRADE_SUCCESS"
        if paid:
            self.refunds[trade["out_trade_no"], "cancel"] = trade["total_amount"]
        trade["trade_status"] = "TRADE_CLOSED"
        return {"trade_no": trade["trade_no"], "action": "refund" if paid else "close"}

    def _refund(self, said: dict[str, Any], trade: Any) -> Any:
        assert re.fullmatch(r"[0-9A-Za-z_]{1,64}", said["out_request_no"])
        if trade is None:
            return "ACQ.TRADE_NOT_EXIST"
        name = (said["out_trade_no"], said["out_request_no"])
        known = self.refunds.get(name)
        if known is not None:
            moved = {"trade_no": trade["trade_no"], "fund_change": "N"}
            return moved if known == said["refund_amount"] else "ACQ.DISCORDANT_REPEAT_REQUEST"
        if trade["trade_status"] != "TRADE_SUCCESS":
            return "ACQ.TRADE_STATUS_ERROR"
        left = fen(trade["total_amount"]) - self.refunded(said["out_trade_no"])
        if fen(said["refund_amount"]) > left:
            return "ACQ.REASON_TRADE_REFUND_FEE_ERR"
        self.refunds[name] = said["refund_amount"]
        if fen(said["refund_amount"]) == left:
            trade["trade_status"] = "TRADE_CLOSED"
        return {
            "trade_no": trade["trade_no"],
            "fund_change": "Y",
            "gmt_refund_pay": "2026-05-20 20:05:00",
        }

    def _refund_query(self, said: dict[str, Any], trade: Any) -> Any:
        if trade is None:
            return "ACQ.TRADE_NOT_EXIST"
        assert said["query_options"] == ["gmt_refund_pay"]
        known = self.refunds.get((said["out_trade_no"], said["out_request_no"]))
        if known is None:
            return {}
        return {
            "trade_no": trade["trade_no"],
            "out_request_no": said["out_request_no"],
            "refund_amount": known,
            "refund_status": "REFUND_SUCCESS",
            "gmt_refund_pay": "2026-05-20 20:05:00",
        }

    def refunded(self, trade: str = "") -> int:
        """What was given back of a trade, or of all, in fen."""
        return sum(fen(text) for (of, _), text in self.refunds.items() if trade in {"", of})

    @property
    def taken(self) -> int:
        """What payers have paid and not got back, in fen."""
        paid = [trade for trade in self.trades.values() if "send_pay_date" in trade]
        return sum(fen(trade["total_amount"]) for trade in paid) - self.refunded()

    # --- what happens outside ---

    def scan(self, charge_key: str) -> dict[str, Any]:
        """The payer scans the code: only now there is a trade."""
        said = self.codes[number(charge_key)]
        trade = {
            "out_trade_no": said["out_trade_no"],
            "trade_no": f"20260520{next(self._count):04}",
            "trade_status": "WAIT_BUYER_PAY",
            "total_amount": said["total_amount"],
        }
        return self.trades.setdefault(said["out_trade_no"], trade)

    def pay(self, charge_key: str) -> bytes:
        """The payer pays; the notification that follows."""
        trade = self.scan(charge_key)
        assert trade["trade_status"] == "WAIT_BUYER_PAY"
        trade |= {"trade_status": "TRADE_SUCCESS", "send_pay_date": "2026-05-20 20:01:02"}
        return self.notification(charge_key)

    def fields(self, charge_key: str, **changes: str) -> dict[str, str]:
        """What a notification about a trade says, as it now stands."""
        trade = self.trades[number(charge_key)]
        said = self.codes[number(charge_key)]
        return {
            "notify_type": "trade_status_sync",
            "notify_id": f"notify{next(self._count)}",
            "notify_time": f"{self.clock.now().astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
            "charset": "utf-8",
            "version": "1.0",
            "app_id": APPID,
            "trade_no": trade["trade_no"],
            "out_trade_no": trade["out_trade_no"],
            "trade_status": trade["trade_status"],
            "total_amount": trade["total_amount"],
            "gmt_payment": "2026-05-20 20:01:02",
            "passback_params": unquote(said["passback_params"]),
            "subject": "Bücher & Tee=好",
            "buyer_logon_id": "",
            **changes,
        }

    def notification(self, charge_key: str, signs: str = "", **changes: str) -> bytes:
        """A signed notification."""
        return self.sent(self.fields(charge_key, **changes), signs)

    def sent(self, fields: dict[str, str], signs: str = "") -> bytes:
        """The form that the channel posts."""
        sign = signature(signs or self.signs, joined(fields))
        return urlencode({**fields, "sign_type": "RSA2", "sign": sign}).encode()

    def refund_notification(self, charge_key: str, refund_key: str) -> bytes:
        """The notification after a refund; it names what was refunded in all."""
        total = self.refunded(number(charge_key))
        return self.notification(
            charge_key,
            out_biz_no=number(refund_key),
            gmt_refund="2026-05-20 20:05:00.123",
            refund_fee=f"{total // 100}.{total % 100:02}",
        )


def fen(text: str) -> int:
    """Minor units of a decimal text."""
    whole, _, rest = text.partition(".")
    assert len(rest) == 2
    return int(whole) * 100 + int(rest)


def gateway(channel: Channel, *, keys: tuple[str, ...] = ("platform",), **options: Any) -> Any:
    """A gateway over a channel of the test."""
    options = {
        "appid": APPID,
        "app_private_key": private_pem("app"),
        "alipay_public_keys": [public_pem(name) for name in keys],
        "notify_url": "https://shop.example/alipay",
        "transport": channel,
        "clock": channel.clock,
        **options,
    }
    return AlipayGateway(**options)


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


def paid(**options: Any) -> tuple[Channel, Any, bytes]:
    """A paid charge, and its notification."""
    channel, alipay = made(**options)
    alipay.authorize(charge())
    return channel, alipay, channel.pay("order_1/1")


# --- The contract -------------------------------------------------------------------------------


class TestContract(PaymentGatewayContract):
    """The gateway keeps what every gateway promises."""

    def make_gateway(self) -> PaymentGateway:
        """A gateway over an empty channel."""
        self.channel, made_now = made()
        found: PaymentGateway = made_now
        return found

    def payer_pays(self, gateway: PaymentGateway, request: ChargeRequest) -> None:
        """The payer scans the code and pays."""
        assert gateway.capabilities.captures_at_once
        self.channel.pay(request.key)

    def moved(self, gateway: PaymentGateway) -> int:
        """What the channel has taken."""
        assert gateway is self.gateway
        return self.channel.taken

    def declined(self, gateway: PaymentGateway) -> None:
        """The channel answers with a code; it is the payer's app that declines, and nobody tells."""

    def notification(
        self, gateway: PaymentGateway, request: ChargeRequest
    ) -> tuple[dict[str, str], bytes]:
        """The form that the channel posts, with its signature."""
        return {}, self.channel.notification(request.key)

    def test_a_void_gives_back_what_refunds_have_left(self) -> None:
        """The channel does not tell what is left: a void after a part went back moves nothing, and says so."""
        request, outcome = self.taken()
        half = self.amount // 2
        self.ask(self.gateway.refund(self.back(request, half, outcome.reference)))
        assert self.ask(self.gateway.void(request)).status is OutcomeStatus.UNKNOWN
        self.assert_moved(half)


# --- What goes out ------------------------------------------------------------------------------


def test_a_precreated_payment_waits_with_a_code() -> None:
    """The shopper scans what the channel answers; amount and deadline are texts in its own form."""
    channel, alipay = made()
    outcome = alipay.authorize(charge(expires_at=NOON + timedelta(minutes=15)))
    assert (outcome.status, outcome.action.kind) == (OutcomeStatus.WAITING, ActionKind.QR_CODE)
    assert outcome.action.content == "https://qr.alipay.com/order__1_s1"
    assert outcome.action.expires_at == NOON + timedelta(minutes=15)
    assert channel.asked == [
        (
            "alipay.trade.precreate",
            {
                "out_trade_no": "order__1_s1",
                "total_amount": "207.63",
                "subject": "Order order_1",
                "passback_params": "order_1%2F1",
                "time_expire": "2026-05-20 20:15:00",
            },
        )
    ]


@pytest.mark.parametrize(
    ("product", "code"),
    [(AlipayProduct.PAGE, "FAST_INSTANT_TRADE_PAY"), (AlipayProduct.WAP, "QUICK_WAP_WAY")],
)
def test_a_page_payment_redirects_to_a_signed_address(product: AlipayProduct, code: str) -> None:
    """The browser goes to an address that bears our signature; no trade is made by that."""
    channel, alipay = made(product=product, return_url="https://shop.example/thanks")
    outcome = alipay.authorize(charge(amount=5))
    assert outcome.action.kind is ActionKind.REDIRECT
    address = urlsplit(outcome.action.content)
    assert f"{address.scheme}://{address.netloc}{address.path}" == GATEWAY
    said = channel.checked(address.query)
    assert said["method"] == product.value
    assert said["notify_url"] == "https://shop.example/alipay"
    assert said["return_url"] == "https://shop.example/thanks"
    content = json.loads(said["biz_content"])
    assert (content["product_code"], content["total_amount"]) == (code, "0.05")
    assert [method for method, _ in channel.asked] == ["alipay.trade.query"]


def test_an_app_payment_hands_a_signed_order_to_the_wallet() -> None:
    """The app gets the signed parameters themselves."""
    channel, alipay = made(product=AlipayProduct.APP)
    outcome = alipay.authorize(charge())
    assert outcome.action.kind is ActionKind.PARAMETERS
    said = channel.checked(outcome.action.content)
    assert json.loads(said["biz_content"])["product_code"] == "QUICK_MSECURITY_PAY"


def test_a_page_payment_of_a_paid_key_answers_as_it_stands() -> None:
    """A lost answer is asked for again: no second page for what is paid."""
    channel, _, _ = paid()
    page = gateway(channel, product=AlipayProduct.PAGE)
    assert page.authorize(charge()).status is OutcomeStatus.CAPTURED


def test_the_limits_of_the_channel_are_declared() -> None:
    """Three seconds between refunds, the contract's window, CNY only."""
    _, alipay = made(refund_window=timedelta(days=90))
    can = alipay.capabilities
    assert (can.refund_spacing, can.refund_window) == (timedelta(seconds=3), timedelta(days=90))
    assert (can.currencies, can.amount_min) == (("CNY",), 1)


@given(st.text(st.characters(codec="utf-8"), max_size=90))
def test_numbers_fit_the_channel_and_differ(name: str) -> None:
    """Whatever the key, its number has letters, digits and underscores, 64 at most."""
    assert re.fullmatch(r"[0-9A-Za-z_]{1,64}", number(name or "o"))
    assert number(name) != number(name + "x")


def test_keys_of_this_librarys_ids_are_legible_in_their_numbers() -> None:
    """Charge and refund keys of a random order id need no digest."""
    order = SystemIds().new("order")
    assert number(f"{order}/1") == order.replace("_", "__") + "_s1"
    found = number(f"{order}/r0123456789ab#0")
    assert found == order.replace("_", "__") + "_sr0123456789ab_h0"


# --- What comes back ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("WAIT_BUYER_PAY", OutcomeStatus.WAITING),
        ("TRADE_SUCCESS", OutcomeStatus.CAPTURED),
        ("TRADE_FINISHED", OutcomeStatus.CAPTURED),
        ("TRADE_CLOSED", OutcomeStatus.VOIDED),
        ("A_NEW_ONE", OutcomeStatus.UNKNOWN),
    ],
)
def test_each_state_of_a_trade_is_known(state: str, status: OutcomeStatus) -> None:
    """What the channel calls a trade's state is one of ours; a new one is unknown."""
    channel, alipay, _ = paid()
    channel.trades["order__1_s1"]["trade_status"] = state
    assert alipay.lookup(charge()).status is status


def test_a_paid_charge_tells_amount_reference_and_time() -> None:
    """The channel's own name and time of the payment, and what was paid, in fen and in UTC."""
    _, alipay, _ = paid()
    at = datetime(2026, 5, 20, 12, 1, 2, tzinfo=UTC)
    expected = Outcome(OutcomeStatus.CAPTURED, "202605200001", at, amount=20_763)
    assert alipay.lookup(charge()) == expected == alipay.capture(charge())


def test_a_code_that_nobody_scanned_ends_with_its_deadline() -> None:
    """The channel knows no trade before the scan: too early to close until the deadline, voided after."""
    channel, alipay = made()
    asked = charge(expires_at=NOON + timedelta(minutes=15))
    alipay.authorize(asked)
    assert alipay.lookup(asked).status is OutcomeStatus.UNKNOWN
    assert alipay.close(asked).status is OutcomeStatus.TOO_EARLY
    assert alipay.void(asked).status is OutcomeStatus.UNKNOWN
    channel.clock.advance(timedelta(minutes=15))
    assert alipay.close(asked).status is OutcomeStatus.VOIDED
    assert alipay.close(charge()).status is OutcomeStatus.UNKNOWN


def test_a_scanned_code_is_closed_at_once() -> None:
    """After the scan there is a trade, and it closes."""
    channel, alipay = made()
    alipay.authorize(charge())
    channel.scan("order_1/1")
    assert alipay.close(charge()).status is OutcomeStatus.VOIDED
    assert alipay.authorize(charge()).status is OutcomeStatus.VOIDED


def test_a_payment_in_the_moment_of_a_void_goes_back() -> None:
    """Looked up as unpaid, paid before the cancel came: the cancel gives it back."""
    channel, alipay = made()
    alipay.authorize(charge())
    waiting = dict(channel.scan("order_1/1"))
    channel.pay("order_1/1")
    channel.faults = [lambda *_: channel.signed("alipay.trade.query", {"code": "10000", **waiting})]
    assert alipay.void(charge()).status is OutcomeStatus.VOIDED
    assert channel.taken == 0


def test_code_10000_alone_is_no_refund() -> None:
    """A refund without a change of funds, which no query finds, is unknown; with one it has arrived."""
    channel, alipay, _ = paid()
    idle = {"code": "10000", "msg": "Success", "trade_no": "2026", "fund_change": "N"}
    channel.faults = [lambda *_: channel.signed("alipay.trade.refund", idle)]
    assert alipay.refund(back()).status is RefundStatus.UNKNOWN
    assert channel.refunded() == 0
    at = datetime(2026, 5, 20, 12, 5, tzinfo=UTC)
    arrived = RefundOutcome(RefundStatus.ARRIVED, "202605200001", at)
    assert alipay.refund(back()) == arrived
    assert alipay.refund(back()) == arrived == alipay.lookup_refund(back())
    assert channel.refunded() == 6_921
    method, said = channel.asked[1]
    assert (method, said["out_request_no"]) == (
        "alipay.trade.fastpay.refund.query",
        "order__1_sr1_h0",
    )


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [("ACQ.SELLER_BALANCE_NOT_ENOUGH", GatewayError), ("ACQ.SYSTEM_ERROR", GatewayTimeout)],
)
def test_a_refund_that_may_come_later_does_not_fail(refusal: str, raised: type) -> None:
    """No funds, or a failure of the channel, is no end of a refund: the same key is asked again."""
    channel, alipay, _ = paid()
    said = {"code": "40004", "msg": "Business Failed", "sub_code": refusal}
    channel.faults = [lambda *_: channel.signed("alipay.trade.refund", said)]
    with pytest.raises(GatewayError) as caught:
        alipay.refund(back())
    assert type(caught.value) is raised
    assert alipay.refund(back()).status is RefundStatus.ARRIVED


def test_a_number_used_for_another_amount_is_no_refund_of_this_one() -> None:
    """Another amount under the same key is refused, and neither arrived nor failed."""
    channel, alipay, _ = paid()
    alipay.refund(back())
    with pytest.raises(GatewayError, match="DISCORDANT"):
        alipay.refund(back(amount=100))
    with pytest.raises(GatewayTimeout):
        alipay.lookup_refund(back(amount=100))
    assert channel.refunded() == 6_921


Fault = Callable[[str, bytes], bytes]


def failing(error: Exception) -> Fault:
    """A transport on a bad day."""

    def fail(*_: Any) -> bytes:
        raise error

    return fail


def says(text: str) -> Fault:
    """An answer of somebody else."""
    return lambda *_: text.encode()


def precreated(code: str, **fields: str) -> str:
    """An answer to a precreate, without a signature."""
    return json.dumps({"alipay_trade_precreate_response": {"code": code, "msg": "m", **fields}})


FORGED = json.dumps(
    {"alipay_trade_precreate_response": {"code": "10000", "qr_code": "evil"}, "sign": "AAAA"}
)
MAYBE: dict[str, Fault] = {
    "no answer": failing(TimeoutError()),
    "no answer, in a wrapper": failing(URLError(TimeoutError())),
    "a reset": failing(ConnectionResetError()),
    "a client's own error": failing(RuntimeError("broken")),
    "no document": says("<html>bad gateway</html>"),
    "a yes without a signature": says(precreated("10000", qr_code="evil")),
    "a no about a trade without a signature": says(precreated("40004", sub_code="ACQ.X")),
    "a wrong signature": says(FORGED),
    "a failure": says(precreated("20000", sub_code="isp.unknow-error")),
}


@pytest.mark.parametrize("fault", MAYBE.values(), ids=MAYBE)
def test_what_may_have_been_sent_is_unknown(fault: Fault) -> None:
    """No answer, a failure of the channel, or an answer that is not its own: the outcome is unknown."""
    channel, alipay = made()
    channel.faults = [fault]
    with pytest.raises(GatewayTimeout):
        alipay.authorize(charge())


NEVER: dict[str, Fault] = {
    "no connection": failing(ConnectionRefusedError()),
    "no such host": failing(URLError(socket.gaierror())),
    "the host's switch": failing(GatewayError("the host's own switch is off")),
    "an unknown application": says(
        json.dumps({"error_response": {"code": "40002", "sub_code": "isv.invalid-app-id"}})
    ),
    "no right": says(precreated("40006", sub_code="isv.insufficient-isv-permissions")),
}


@pytest.mark.parametrize("fault", NEVER.values(), ids=NEVER)
def test_what_was_refused_has_moved_nothing(fault: Fault) -> None:
    """No connection, or a refusal that says so: nothing was moved, and another channel may be tried."""
    channel, alipay = made()
    channel.faults = [fault]
    with pytest.raises(GatewayError) as caught:
        alipay.authorize(charge())
    assert type(caught.value) is GatewayError


def test_a_payment_that_the_channel_does_not_take_is_refused() -> None:
    """A signed refusal about the trade says why."""
    channel, alipay = made()
    said = {"code": "40004", "msg": "m", "sub_code": "ACQ.TOTAL_FEE_EXCEED", "sub_msg": "too much"}
    channel.faults = [lambda *_: channel.signed("alipay.trade.precreate", said)]
    with pytest.raises(GatewayError, match="TOTAL_FEE_EXCEED") as caught:
        alipay.authorize(charge())
    assert type(caught.value) is GatewayError


def refusing(method: str, code: str) -> Fault:
    """A signed refusal by the channel."""
    said = {"code": "40004", "msg": "Business Failed", "sub_code": code}
    return lambda *_: made()[0].signed(method, said)


@pytest.mark.parametrize(
    ("call", "method"),
    [("lookup", "alipay.trade.query"), ("lookup_refund", "alipay.trade.fastpay.refund.query")],
)
def test_a_query_that_is_refused_says_nothing_of_the_money(call: str, method: str) -> None:
    """A refusal for another reason than an unknown trade is not the same as an unknown trade."""
    channel, alipay, _ = paid()
    channel.faults = [refusing(method, "ACQ.INVALID_PARAMETER")]
    with pytest.raises(GatewayError, match="INVALID_PARAMETER"):
        getattr(alipay, call)(charge() if call == "lookup" else back())


def test_a_trade_that_cannot_be_closed_nor_canceled_stays_open() -> None:
    """Not closed while it waits is too early; not canceled is an error, and the money is asked for again."""
    channel, alipay = made()
    alipay.authorize(charge())
    channel.scan("order_1/1")
    channel.faults = [refusing("alipay.trade.close", "ACQ.REASON_TRADE_BEEN_FREEZEN")]
    assert alipay.close(charge()).status is OutcomeStatus.TOO_EARLY
    said = channel.signed("alipay.trade.query", {"code": "10000", **channel.trades["order__1_s1"]})
    channel.faults = [
        lambda *_: said,
        refusing("alipay.trade.cancel", "ACQ.CANCEL_NOT_ALLOWED"),
    ]
    with pytest.raises(GatewayError, match="CANCEL_NOT_ALLOWED"):
        alipay.void(charge())


class Answering(BaseHTTPRequestHandler):
    """Answers with what it was asked, or sends elsewhere."""

    def do_POST(self) -> None:
        """Say back path and body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = f"{self.path} {body.decode()}".encode()
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Nothing is written."""


def test_the_default_transport_posts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form goes to this address alone, no redirect is followed; a server that is gone was sent nothing."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            assert over_https(f"{url}/gateway?a=b", b"c=d") == b"/gateway?a=b c=d"
            moved = made(transport=lambda *_: over_https(f"{url}/moved", b"c=d"))[1]
            with pytest.raises(GatewayTimeout):
                moved.lookup(charge())
        finally:
            server.shutdown()
            thread.join()
    gone = made(transport=lambda *_: over_https(f"{url}/gateway", b"c=d"))[1]
    with pytest.raises(GatewayError) as caught:
        gone.lookup(charge())
    assert type(caught.value) is GatewayError


def test_an_answer_about_another_trade_is_not_believed() -> None:
    """A genuine answer to another question is no answer to ours."""
    channel, alipay, _ = paid()
    other = {"code": "10000", **channel.trades["order__1_s1"], "out_trade_no": "order__2_s1"}
    channel.faults = [lambda *_: channel.signed("alipay.trade.query", other)]
    with pytest.raises(GatewayTimeout, match="another trade"):
        alipay.lookup(charge())


def test_what_the_channel_would_not_take_is_not_sent() -> None:
    """Nothing, more than a hundred million, another currency, or a key that does not fit."""
    channel, alipay = made()
    bad = [charge(amount=0), charge(amount=10**10 + 1), charge("o/" + "x" * 600)]
    for request in [*bad, ChargeRequest("o/1", "o", 100, "USD")]:
        with pytest.raises(GatewayError):
            alipay.authorize(request)
    assert channel.asked == []


def test_keys_that_cannot_be_read_are_refused_at_once() -> None:
    """A gateway with a broken key is not made, and one without a key of the channel neither."""
    with pytest.raises(InvalidInput, match="cannot be read"):
        made(app_private_key="nonsense")
    for keys in ([], "PEM"):
        with pytest.raises(InvalidInput, match="are a list"):
            made(alipay_public_keys=keys)


# --- Notifications ------------------------------------------------------------------------------


def test_a_notification_tells_key_amount_and_time() -> None:
    """Key and amount, the channel's reference, and its time of sending, from Beijing time."""
    _, alipay, body = paid()
    found = alipay.parse({}, body)
    at = datetime(2026, 5, 20, 12, 1, 2, tzinfo=UTC)
    outcome = Outcome(OutcomeStatus.CAPTURED, "202605200001", at, amount=20_763)
    assert found == Notification(
        "notify2", "order_1/1", outcome, found.reply, 20_763, "CNY", NOON, irrelevant=False
    )
    assert (found.reply.status, found.reply.body) == (200, b"success")
    assert alipay.refusal.body == b"fail"


def again(body: bytes, **changes: str) -> bytes:
    """A notification with other fields under the signature that it had."""
    return urlencode(dict(parse_qsl(body.decode(), keep_blank_values=True)) | changes).encode()


def swapped(channel: Channel, alipay: Any, body: bytes) -> bytes:
    """The signature of one payment under the fields of another."""
    alipay.authorize(charge("order_2/1"))
    other = dict(parse_qsl(channel.pay("order_2/1").decode(), keep_blank_values=True))
    genuine = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return urlencode(other | {"sign": genuine["sign"]}).encode()


FORGERIES: dict[str, Callable[[Channel, Any, bytes], bytes]] = {
    "tampered": lambda _c, _a, body: again(body, total_amount="0.01"),
    "wrong key": lambda channel, _a, _b: channel.notification("order_1/1", signs="thief"),
    "swapped": swapped,
    "redated": lambda _c, _a, body: again(body, notify_time="2026-05-20 20:05:01"),
    "rotated out": lambda channel, _a, _b: channel.notification("order_1/1", signs="retired"),
    "another method": lambda _c, _a, body: again(body, sign_type="RSA"),
    "not signed": lambda _c, _a, body: again(body, sign=""),
    "a field twice": lambda _c, _a, body: body + b"&total_amount=0.01",
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_no_forgery_is_believed(forged: Callable[[Channel, Any, bytes], bytes]) -> None:
    """Tampered, signed by a thief, swapped, redated, signed with a retired key, or not signed: all refused."""
    channel, alipay, body = paid()
    with pytest.raises(NotificationRefused) as caught:
        alipay.parse({}, forged(channel, alipay, body))
    assert caught.value.path == "body"


def test_an_old_message_says_how_old_it_is() -> None:
    """A genuine message of 301 seconds ago tells its time, so that the engine can refuse it."""
    channel, alipay, _ = paid()
    body = channel.notification("order_1/1", notify_time="2026-05-20 19:54:59")
    assert alipay.parse({}, body).sent_at == NOON - timedelta(seconds=301)


def test_a_replay_has_the_same_event_id() -> None:
    """The channel names a message once, however often it sends it."""
    channel, alipay, _ = paid()
    first, second = (
        alipay.parse({}, channel.notification("order_1/1", notify_id="n-1", notify_time=at))
        for at in ("2026-05-20 20:00:00", "2026-05-20 20:04:00")
    )
    assert first.event_id == second.event_id
    assert second.sent_at == NOON + timedelta(minutes=4)


def test_two_keys_of_the_channel_are_believed_while_one_takes_over() -> None:
    """Both the present key and the next one may sign, notifications and answers alike."""
    channel, alipay, body = paid(keys=("platform", "next"))
    for found in (body, channel.notification("order_1/1", signs="next")):
        assert alipay.parse({}, found).key == "order_1/1"
    channel.signs = "next"
    assert alipay.lookup(charge()).status is OutcomeStatus.CAPTURED


def test_another_applications_message_is_refused() -> None:
    """A genuine message to another application is not ours to believe."""
    channel, alipay, _ = paid()
    with pytest.raises(NotificationRefused, match="another merchant"):
        alipay.parse({}, channel.notification("order_1/1", app_id="2021000000000002"))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("total_amount", "207.631"),
        ("total_amount", "NaN"),
        ("notify_time", "yesterday"),
        ("notify_id", ""),
        ("trade_no", ""),
    ],
)
def test_a_genuine_message_that_cannot_be_read_is_refused(field: str, text: str) -> None:
    """An amount that is no whole fen, no time, no name, no reference."""
    channel, alipay, _ = paid()
    with pytest.raises(NotificationRefused):
        alipay.parse({}, channel.notification("order_1/1", **{field: text}))


def test_what_other_systems_do_under_the_same_application_is_irrelevant() -> None:
    """A trade without one of our keys, or a message about something else, is answered and dropped."""
    channel, alipay, _ = paid()
    foreign = [
        {"out_trade_no": "20260520_001", "passback_params": "shop 3"},
        {"out_trade_no": "20260520001", "passback_params": ""},
        {"notify_type": "dut_user_sign"},
        {"gmt_refund": "2026-05-20 20:05:00", "out_biz_no": "HZ01RF001"},
    ]
    for changes in foreign:
        found = alipay.parse({}, channel.notification("order_1/1", **changes))
        assert (found.key, found.irrelevant, found.reply.body) == ("", True, b"success")


@pytest.mark.parametrize("quoted", [False, True])
def test_a_key_that_does_not_fit_travels_beside_its_number(*, quoted: bool) -> None:
    """The number is a digest; the key comes back as it went out, or decoded."""
    channel, alipay = made()
    name = f"{'o' * 70}/1"
    alipay.authorize(charge(name))
    channel.pay(name)
    passed = quote(name, safe="") if quoted else name
    assert alipay.parse({}, channel.notification(name, passback_params=passed)).key == name
    assert alipay.parse({}, channel.notification(name, passback_params="")).irrelevant


def test_a_refund_is_told_without_an_amount() -> None:
    """The channel tells what was refunded in all, so that the amount of one refund is not known."""
    channel, alipay, _ = paid()
    alipay.refund(back())
    alipay.refund(back("order_1/r2#0", 100))
    found = alipay.parse({}, channel.refund_notification("order_1/1", "order_1/r2#0"))
    at = datetime(2026, 5, 20, 12, 5, tzinfo=UTC)
    assert found.outcome == RefundOutcome(RefundStatus.ARRIVED, "202605200001", at)
    assert (found.key, found.amount, found.irrelevant) == ("order_1/r2#0", None, False)


# --- Through the engine -------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [CountedIds(), SystemIds()], ids=["short", "long"])
def test_an_order_is_paid_refunded_and_the_refund_is_told(ids: Any) -> None:
    """Pay, notify, refund, notify: the order knows all of it, also where the refund's answer was lost."""
    channel, alipay = made()
    engine = OrderEngine(
        store=MemoryStore(), gateways={"alipay": alipay}, clock=channel.clock, ids=ids
    )
    order = engine.place(engine.quote(order_a()), key="place", by=SHOPPER)
    paying = engine.pay(order.id, (tenders.Channel("alipay"),), key="pay", by=SHOPPER)
    assert paying.action is not None
    assert paying.action.kind is ActionKind.QR_CODE
    reply = engine.notify("alipay", {}, channel.pay(f"{order.id}/1"))
    assert reply.body == b"success"
    assert engine.get(order.id).state == "paid"
    assert channel.taken == 26_997

    def lost(url: str, body: bytes) -> bytes:
        channel(url, body)
        raise TimeoutError

    channel.faults = [lost]
    refund = engine.refund(
        order.id, Manifest.of({"2": 1}), reason="broken", key="refund", by=STAFF
    ).refund
    assert not refund.arrived
    told = channel.refund_notification(f"{order.id}/1", f"{refund.id}#0")
    engine.notify("alipay", {}, told)
    assert engine.get(order.id).payments.refund(refund.id).arrived
    assert channel.taken == 26_997 - 8_999


def test_an_order_whose_code_nobody_scans_closes_at_its_deadline() -> None:
    """The code went out with the order's deadline, so after it nothing can be paid any more."""
    channel, alipay = made()
    engine = OrderEngine(store=MemoryStore(), gateways={"alipay": alipay}, clock=channel.clock)
    order = engine.place(engine.quote(order_a()), key="place", by=SHOPPER)
    engine.pay(order.id, (tenders.Channel("alipay"),), key="pay", by=SHOPPER)
    assert order.content.pay_by is not None
    for _ in range(4):
        channel.clock.set(max(channel.clock.now(), order.content.pay_by) + timedelta(minutes=5))
        engine.sweep()
    assert engine.get(order.id).state == "closed"
    assert channel.trades == {}
