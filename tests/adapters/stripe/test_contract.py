"""The gateway over Stripe keeps the contract of every gateway, in each of its three ways to take money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
from tests.adapters.stripe.proxy import FaultProxy
from tests.adapters.stripe.server import LocalStripe
from tests.adapters.stripe.shop import ASKS, DECLINED, GOOD, card, stripe_gateway

from ordercore.ports import PaymentGateway
from ordercore.tender import ChargeRequest
from ordercore.testing import PaymentGatewayContract


class StripeContract(PaymentGatewayContract):
    """A gateway at a fresh proxy before the emptied server, whose charges are counted there."""

    currency = "EUR"
    number = GOOD
    server: ClassVar[LocalStripe]
    proxy: FaultProxy

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, stripe_server: LocalStripe) -> None:
        cls.server = stripe_server

    def options(self) -> dict[str, object]:
        """How the gateway is set up."""
        return {}

    def make_gateway(self) -> PaymentGateway:
        """A gateway with a card of its payer."""
        self.proxy = FaultProxy(self.server)
        self.account = card(self.proxy, self.number)
        return stripe_gateway(self.proxy, **self.options())

    def close_gateway(self, gateway: PaymentGateway) -> None:
        """Stop the proxy."""
        self.proxy.stop()

    def moved(self, gateway: PaymentGateway) -> int:
        """As the server has it."""
        return self.proxy.moved()

    def declined(self, gateway: PaymentGateway) -> ChargeRequest:
        """A card that its bank declines."""
        return self.request(account=card(self.proxy, DECLINED))

    def notification(
        self, gateway: PaymentGateway, request: ChargeRequest
    ) -> tuple[Mapping[str, str], bytes]:
        """The server's own webhook."""
        told = self.proxy.hook("payment_intent.succeeded", gateway.lookup(request).reference)
        return told.headers, told.body


class TestTakenAtOnce(StripeContract):
    """Authorize takes the money."""


class TestHeldFirst(StripeContract):
    """Authorize holds the money, capture takes it."""

    def options(self) -> dict[str, object]:
        """Manual capture."""
        return {"authorizes_first": True}


class TestPayerIsAsked(StripeContract):
    """The bank asks for 3-D Secure."""

    number = ASKS

    def payer_pays(self, gateway: PaymentGateway, request: ChargeRequest) -> None:
        """Say yes at the bank's page."""
        self.proxy.payer_authenticates(gateway.lookup(request).reference)
