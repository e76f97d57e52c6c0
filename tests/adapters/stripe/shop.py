"""Cards, gateways and orders for the tests of the Stripe adapter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.adapters.stripe.proxy import SECRET, FaultProxy, signed

from ordercore import (
    Actor,
    Cart,
    CartLine,
    CountedIds,
    Manifest,
    Money,
    OrderEngine,
    Party,
    SettableClock,
    tenders,
)
from ordercore.adapters.memory import MemoryGateway, MemoryStore
from ordercore.adapters.stripe import StripeGateway
from ordercore.tender import ChargeRequest, RefundRequest

if TYPE_CHECKING:
    from tests.adapters.stripe.proxy import Delivery, Document

    from ordercore import Order, PaymentResult, RefundResult

GOOD = "4242424242424242"
DECLINED = "4000000000000341"
ASKS = "4000002500003155"
"""A card whose bank asks for 3-D Secure."""
ASKS_THEN_DECLINES = "4000008260003178"
SHOPPER = Actor.customer("c1")
STAFF = Actor.staff("s1")

_orders = count(1)


def card(proxy: FaultProxy, number: str = GOOD) -> str:
    """A payment method with this card, as Stripe's script would make it."""
    form = {
        "type": "card", "card[number]": number, "card[exp_month]": "12",
        "card[exp_year]": "2035", "card[cvc]": "123",
    }  # fmt: skip
    status, body = proxy.server.ask("POST", "/v1/payment_methods", urlencode(form).encode())
    assert status == 200, body
    name: str = json.loads(body)["id"]
    return name


def stripe_gateway(proxy: FaultProxy, **options: Any) -> StripeGateway:
    """A gateway at the proxy."""
    options = {"webhook_secret": SECRET, "base_addresses": {"api": proxy.url}, **options}
    return StripeGateway(options.pop("key", "sk_test_secret"), **options)


def charge(
    account: str, amount: int = 1_000, currency: str = "EUR", **fields: Any
) -> ChargeRequest:
    """A charge under a key that was never used."""
    order = f"o-{next(_orders)}"
    return ChargeRequest(f"{order}/1", order, amount, currency, account, **fields)


def back(request: ChargeRequest, amount: int, n: int = 1, reference: str = "") -> RefundRequest:
    """The n-th refund of a charge."""
    key = f"{request.order_id}/r{n}#0"
    return RefundRequest(key, request.key, reference, amount, request.currency)


def event(kind: str, about: Document, name: str = "evt_1") -> Document:
    """An event about an object, in the published form."""
    return {
        "id": name, "object": "event", "api_version": "2026-10-28.endive", "created": 1,
        "type": kind, "data": {"object": about}, "livemode": False, "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
    }  # fmt: skip


class Shop:
    """An engine over memory with Stripe and one channel more; its clock starts at the real hour, as webhooks do."""

    def __init__(self, proxy: FaultProxy, **options: Any) -> None:
        self.proxy = proxy
        self.clock = SettableClock(datetime.now(UTC).replace(microsecond=0))
        self.gateway = stripe_gateway(proxy, **options)
        self.other = MemoryGateway("other", self.clock)
        self.engine = OrderEngine(
            MemoryStore(),
            gateways={"stripe": self.gateway, "other": self.other},
            clock=self.clock,
            ids=CountedIds(),
        )
        self._keys = count(1)

    def placed(self) -> Order:
        """An order of three times 30.00 EUR."""
        lines = tuple(CartLine(f"SKU-{i}", 1, Money("30.00", "EUR")) for i in (1, 2, 3))
        quote = self.engine.quote(Cart("EUR", lines, customer=Party("c1")))
        return self.engine.place(quote, key=self.key(), by=SHOPPER)

    def pay(self, order: Order, number: str = GOOD) -> PaymentResult:
        """Pay it with a card."""
        offer = tenders.Channel("stripe", account=card(self.proxy, number))
        return self.engine.pay(order.id, [offer], key=self.key(), by=SHOPPER)

    def paid(self) -> Order:
        """An order that is paid."""
        order = self.pay(self.placed()).order
        assert order.state == "paid"
        return order

    def refund(self, order: Order, *lines: str) -> RefundResult:
        """Refund one unit of each line, or all that is left."""
        goods = Manifest.of(dict.fromkeys(lines, 1)) if lines else None
        return self.engine.refund(order.id, goods, reason="returned", key=self.key(), by=STAFF)

    def key(self) -> str:
        """A key that was never used."""
        return f"key-{next(self._keys)}"

    def get(self, order: Order) -> Order:
        """The order as it now stands."""
        return self.engine.get(order.id)

    def later(self, minutes: int) -> Any:
        """Let time pass, and sweep."""
        self.clock.set(self.clock.now() + timedelta(minutes=minutes))
        return self.engine.sweep()

    def tell(self, delivery: Delivery) -> int:
        """Let Stripe deliver a webhook; the status of the reply."""
        return self.engine.notify("stripe", delivery.headers, delivery.body).status

    def tells(self, kind: str, about: Document, name: str = "evt_1") -> int:
        """Let Stripe send an event about an object now."""
        return self.tell(signed(event(kind, about, name), int(self.clock.now().timestamp())))
