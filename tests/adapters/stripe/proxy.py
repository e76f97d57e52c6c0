"""What stands between the client and `localstripe`: Stripe's promises that the server lacks, and faults on order.

It adds the replay of idempotency keys, the search, the cap on refunds, the codes of declines and some
fields; it keeps the server's webhooks until a test delivers them; and it loses, delays and spoils answers.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.adapters.stripe.server import LocalStripe

SECRET = "whsec_of_the_tests"
WEEK = 7 * 24 * 3600
ALIVE = {"succeeded", "pending", "requires_action"}
UNKNOWN_TO_THE_SERVER = re.compile(
    r"return_url|allowed_payment_method_types|automatic_payment_methods"
)
SEARCH = re.compile(r"metadata\['(\w+)'\]:'((?:[^'\\]|\\.)*)'")
NOT_KEPT = {400, 401, 404, 409, 429}
"""Statuses of calls whose execution has not begun: Stripe keeps no answer to them."""

Document = dict[str, Any]


class Fault(enum.Enum):
    """What goes wrong with one call."""

    DROPPED = enum.auto()
    """The connection ends before the server has heard of it."""
    LOST_ANSWER = enum.auto()
    """The server does it, and the connection ends before the answer."""
    ERROR_AFTER = enum.auto()
    """The server does it, and answers 500; so it will whenever the key comes again."""
    GARBLED = enum.auto()
    """The server does it, and what comes back is no JSON."""
    ERROR_BEFORE = enum.auto()
    """The server does nothing, and answers 500; so it will whenever the key comes again."""
    CONFLICT = enum.auto()
    """The same key is under way elsewhere: 409."""
    LIMITED = enum.auto()
    """Too many calls: 429."""
    SLOW = enum.auto()
    """The server takes half a second."""


BEFORE = {Fault.ERROR_BEFORE: 500, Fault.CONFLICT: 409, Fault.LIMITED: 429}
SLOW_SECONDS = 0.5


@dataclass(frozen=True)
class Asked:
    """A call as it came in."""

    method: str
    path: str
    key: str
    form: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    replayed: bool = False


@dataclass(frozen=True)
class Delivery:
    """A webhook as it is sent to the shop."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Document:
        """The event that it tells of."""
        told: Document = json.loads(self.body)
        return told


def signed(event: Document | bytes, at: int, secret: str = SECRET) -> Delivery:
    """An event as Stripe signs it (https://docs.stripe.com/webhooks/signature): HMAC-SHA256 over time and body."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    mac = hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return Delivery({"Stripe-Signature": f"t={at},v1={mac}"}, body)


def refusal(status: int, message: str, **fields: Any) -> Answer:
    """An error in Stripe's form."""
    error = {"type": "invalid_request_error", "message": message, **fields}
    return Answer(status, json.dumps({"error": error}).encode())


@dataclass
class Kept:
    """Stored answers by key of idempotency, with what was asked."""

    answers: dict[str, tuple[str, Answer]] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class FaultProxy:
    """One proxy for one test, in threads of this process.

    ``decline_code`` is told with declines. ``search_lags``: the search finds nothing yet.
    ``refund_states`` overrides how refunds stand, by id or, under ``""``, for all to come.
    """

    def __init__(self, server: LocalStripe) -> None:
        self.server = server
        self.decline_code = ""
        self.search_lags = False
        self.refund_states: dict[str, Document] = {}
        self.asked: list[Asked] = []
        self.hooks: list[Delivery] = []
        self._hooked = threading.Condition()
        self._faults: list[tuple[Fault, str]] = []
        self._meanwhile: list[tuple[str, Callable[[], object]]] = []
        self._kept = Kept()
        self._refunding = threading.Lock()
        self._captured: dict[str, int] = {}
        self._returns: dict[str, str] = {}
        server.forget()
        proxy = self

        class Handler(_Handler):
            pass

        Handler.proxy = proxy
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        form = urlencode({"url": f"{self.url}/hooks", "secret": SECRET}).encode()
        assert server.ask("POST", "/_config/webhooks/tests", form)[0] == 200

    def stop(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    # --- What tests order and look at --------------------------------------------------------------

    def fail_next(self, fault: Fault, call: str, times: int = 1) -> None:
        """Let the next calls that match (``POST /v1/refunds``, a regular expression) meet ``fault``."""
        self._faults += [(fault, call)] * times

    def meanwhile(self, call: str, act: Callable[[], object]) -> None:
        """Let something happen between our decision to make a call that matches and its execution."""
        self._meanwhile.append((call, act))

    def forget_keys(self) -> None:
        """Play the passing of a day: Stripe keeps keys of idempotency no longer."""
        self._kept.answers.clear()

    def calls(self, call: str) -> list[Asked]:
        """The calls so far that match."""
        return [a for a in self.asked if re.fullmatch(call, f"{a.method} {a.path}")]

    def get(self, path: str) -> Document:
        """What the server itself says."""
        status, body = self.server.ask("GET", path)
        assert status == 200, body
        found: Document = json.loads(body)
        return found

    def payments(self) -> list[Document]:
        """Every PaymentIntent at the server, as the server tells it."""
        found: list[Document] = []
        more = ""
        while True:
            page = self.get(f"/v1/payment_intents?limit=100{more}")
            found += page["data"]
            if not page["has_more"]:
                return found
            more = f"&starting_after={found[-1]['id']}"

    def charges(self) -> list[Document]:
        """Every charge that was taken from a payer."""
        charges = self.get("/v1/charges?limit=100")["data"]
        return [c for c in charges if c["status"] == "succeeded" and c["captured"]]

    def moved(self) -> int:
        """What has left payers and not come back, in Stripe's units."""
        refunds = self.get("/v1/refunds?limit=100")["data"]
        back = sum(r["amount"] for r in refunds if self._alive(r))
        return sum(c["amount"] for c in self.charges()) - back

    def hook(self, kind: str, reference: str, seconds: float = 5) -> Delivery:
        """The webhook of this type about this object, once the server has sent it."""
        until = time.monotonic() + seconds
        with self._hooked:
            while True:
                for kept in self.hooks:
                    event = kept.event
                    if (event["type"], event["data"]["object"]["id"]) == (kind, reference):
                        return kept
                left = until - time.monotonic()
                assert left > 0, f"no {kind} about {reference}"
                self._hooked.wait(left)

    def payer_authenticates(self, reference: str, *, success: bool = True) -> None:
        """Play the payer at the 3-D Secure page."""
        secret = self.get(f"/v1/payment_intents/{reference}")["client_secret"]
        form = urlencode({"client_secret": secret, "success": success}).encode()
        path = f"/v1/payment_intents/{reference}/_authenticate"
        status, body = self.server.ask("POST", path, form)
        assert status in {200, 402}, body

    # --- One call ------------------------------------------------------------------------------------

    def hooked(self, headers: dict[str, str], body: bytes) -> None:
        """Keep a webhook of the server's."""
        with self._hooked:
            self.hooks.append(Delivery(headers, body))
            self._hooked.notify_all()

    def _fault(self, call: str) -> Fault | None:
        for i, (fault, wanted) in enumerate(self._faults):
            if re.fullmatch(wanted, call):
                del self._faults[i]
                return fault
        return None

    def answer(self, asked: Asked, raw: bytes, auth: str) -> Answer | None:
        """The answer to a call; ``None`` to end the connection."""
        self.asked.append(asked)
        for i, (call, act) in enumerate(self._meanwhile):
            if re.fullmatch(call, f"{asked.method} {asked.path}"):
                del self._meanwhile[i]
                act()
                break
        fault = self._fault(f"{asked.method} {asked.path}")
        if fault is Fault.DROPPED:
            return None
        if fault in {Fault.CONFLICT, Fault.LIMITED}:
            return refusal(BEFORE[fault], "not now", type="api_error")
        if asked.method != "POST" or not asked.key:
            return self._worked(asked, auth, fault)
        of = hashlib.sha256(asked.path.encode() + b"?" + raw).hexdigest()
        with self._kept.lock:
            if asked.key in self._kept.under_way:
                return refusal(409, "the key is in use", type="idempotency_error")
            known = self._kept.answers.get(asked.key)
            if known is not None and known[0] != of:
                message = "Keys for idempotent requests can only be used with the same parameters"
                return refusal(400, message, type="idempotency_error")
            if known is not None:
                return Answer(known[1].status, known[1].body, replayed=True)
            self._kept.under_way.add(asked.key)
        try:
            worked = self._worked(asked, auth, fault)
            stored = self._done(worked, fault)
            if stored.status not in NOT_KEPT:
                self._kept.answers[asked.key] = (of, stored)
        finally:
            self._kept.under_way.discard(asked.key)
        if fault is Fault.LOST_ANSWER:
            return None
        return Answer(200, b"<html>") if fault is Fault.GARBLED else stored

    def _done(self, worked: Answer, fault: Fault | None) -> Answer:
        if fault in {Fault.ERROR_AFTER, Fault.ERROR_BEFORE}:
            return refusal(500, "something went wrong", type="api_error")
        return worked

    def _worked(self, asked: Asked, auth: str, fault: Fault | None) -> Answer:
        if fault is Fault.ERROR_BEFORE:
            return refusal(500, "something went wrong", type="api_error")
        if fault is Fault.SLOW:
            time.sleep(SLOW_SECONDS)
        if asked.path == "/v1/payment_intents/search":
            return self._search(asked.form["query"])
        if asked.method == "POST" and asked.path == "/v1/refunds":
            with self._refunding:
                return self._refund(asked, auth)
        if asked.method == "POST" and asked.path.endswith("/capture"):
            refused = self._not_to_be_captured(asked)
            if refused is not None:
                return refused
        return self._forward(asked, dict(asked.form), auth)

    def _forward(self, asked: Asked, form: dict[str, str], auth: str) -> Answer:
        """Ask the server, and make its answer like Stripe's."""
        form = {k: v for k, v in form.items() if not UNKNOWN_TO_THE_SERVER.match(k)}
        expanded = {v for k, v in form.items() if k.startswith("expand[")}
        text = urlencode(form)
        if asked.method == "GET":
            query = f"?{text}" if text else ""
            status, body = self.server.ask("GET", f"{asked.path}{query}", key=auth)
        else:
            status, body = self.server.ask(asked.method, asked.path, text.encode(), auth)
        try:
            document: Document = json.loads(body)
        except ValueError:
            return Answer(status, body)
        if status == 402:
            return self._declined(document)
        if status == 200:
            self._remember(asked, document)
            document = self._like_stripe(document, expanded)
        return Answer(status, json.dumps(document).encode())

    def _remember(self, asked: Asked, document: Document) -> None:
        if asked.path.endswith("/capture"):
            taken = asked.form.get("amount_to_capture")
            self._captured[document["id"]] = int(taken or document["amount"])
        if asked.form.get("return_url"):
            self._returns[document["id"]] = asked.form["return_url"]
        if document.get("object") == "refund" and "" in self.refund_states:
            self.refund_states[document["id"]] = self.refund_states.pop("")

    # --- What the server lacks -------------------------------------------------------------------

    def _like_stripe(self, document: Document, expanded: set[str]) -> Document:
        kind = document.get("object")
        if kind == "list":
            return {**document, "data": [self._like_stripe(d, set()) for d in document["data"]]}
        if kind == "refund":
            return {**document, **self.refund_states.get(document["id"], {})}
        if kind != "payment_intent":
            return document
        status, amount, name = document["status"], document["amount"], document["id"]
        received = self._captured.get(name, amount) if status == "succeeded" else 0
        held = amount if status == "requires_capture" else 0
        document = {**document, "amount_received": received, "amount_capturable": held}
        charge = document["latest_charge"]
        if charge is not None and "latest_charge" not in expanded:
            document["latest_charge"] = charge["id"]
        elif charge is not None and held:
            card = {"capture_before": charge["created"] + WEEK}
            document["latest_charge"] = {**charge, "payment_method_details": {"card": card}}
        if status == "requires_action" and name in self._returns:
            page = {"url": f"https://hooks.example.org/{name}", "return_url": self._returns[name]}
            document["next_action"] = {"type": "redirect_to_url", "redirect_to_url": page}
        return document

    def _declined(self, document: Document) -> Answer:
        """A decline of a card with Stripe's type, its code, and the payment that was declined."""
        error = {**document["error"], "type": "card_error"}
        if self.decline_code:
            error["decline_code"] = self.decline_code
        if "charge" in error:
            charge = self.get(f"/v1/charges/{error['charge']}")
            intent = self.get(f"/v1/payment_intents/{charge['payment_intent']}")
            error["payment_intent"] = self._like_stripe(intent, set())
        return Answer(402, json.dumps({"error": error}).encode())

    def _search(self, query: str) -> Answer:
        asked = SEARCH.fullmatch(query)
        if asked is None:
            return refusal(400, "the query cannot be read")
        name, text = asked[1], re.sub(r"\\(.)", r"\1", asked[2])
        found = [p for p in self.payments() if p["metadata"].get(name) == text]
        data = [] if self.search_lags else [self._like_stripe(p, set()) for p in found]
        page = {"object": "search_result", "data": data, "has_more": False, "next_page": None}
        return Answer(200, json.dumps(page).encode())

    def _not_to_be_captured(self, asked: Asked) -> Answer | None:
        status, body = self.server.ask("GET", asked.path.removesuffix("/capture"))
        intent = json.loads(body)
        if status != 200 or intent["status"] == "requires_capture":
            return None
        code = "payment_intent_unexpected_state"
        return refusal(400, f"its status is {intent['status']}", code=code)

    def _alive(self, refund: Document) -> bool:
        """Whether it gives money back: it has not failed. What a capture let go is a refund here, too."""
        state = self.refund_states.get(refund["id"], refund)
        return state["status"] in ALIVE

    def _refund(self, asked: Asked, auth: str) -> Answer:
        """Refuse more than is left of a charge, and take all that is left where no amount is named."""
        form = dict(asked.form)
        status, body = self.server.ask("GET", f"/v1/payment_intents/{form['payment_intent']}")
        if status != 200:
            return refusal(404, "No such payment_intent", code="resource_missing")
        charge = json.loads(body)["latest_charge"]
        if charge is None or not charge["captured"]:
            return refusal(400, "nothing was taken", code="charge_not_refundable")
        refunds = self.get(f"/v1/refunds?limit=100&charge={charge['id']}")["data"]
        left = charge["amount"] - sum(r["amount"] for r in refunds if self._alive(r))
        if left <= 0:
            return refusal(400, "it has already been refunded", code="charge_already_refunded")
        if int(form.setdefault("amount", str(left))) > left:
            return refusal(400, "it is greater than unrefunded amount on charge", param="amount")
        return self._forward(asked, form, auth)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    proxy: FaultProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing: a test that fails shows what was asked."""

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        where = urlsplit(self.path)
        if where.path == "/hooks":
            self.proxy.hooked(dict(self.headers), raw)
            return self._send(Answer(200, b""))
        text = raw.decode() if self.command == "POST" else where.query
        form = dict(parse_qsl(text, keep_blank_values=True))
        key = self.headers.get("Idempotency-Key", "")
        asked = Asked(self.command, where.path, key, form)
        answer = self.proxy.answer(asked, raw, self.headers.get("Authorization", ""))
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.replayed:
            self.send_header("Idempotent-Replayed", "true")
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - names that the library asks for
