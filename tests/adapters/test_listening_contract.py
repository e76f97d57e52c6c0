"""A host's own gateway over the readers of Adyen's and PayPal's webhooks keeps the contract of gateways."""

# ruff: noqa: D102 - what an override is to do stands on the port

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.adapters import test_adyen as adyen
from tests.adapters import test_paypal as paypal

from ordercore.adapters.memory import MemoryGateway
from ordercore.clock import SettableClock
from ordercore.testing import START, PaymentGatewayContract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.adapters.adyen import AdyenNotifications
    from ordercore.adapters.paypal import PayPalNotifications
    from ordercore.ports import PaymentGateway
    from ordercore.tender import ChargeRequest, Notification


class Listening(MemoryGateway):
    """The half that calls is in memory; the half that listens is the reader of a channel's webhooks."""

    def __init__(self, reader: AdyenNotifications | PayPalNotifications) -> None:
        super().__init__("card", SettableClock(START))
        self.reader = reader

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        return self.reader.parse(headers, body)


class ListeningContract(PaymentGatewayContract):
    """What both have in common: the half that calls."""

    currency = "EUR"

    def moved(self, gateway: PaymentGateway) -> int:
        assert isinstance(gateway, MemoryGateway)
        return gateway.taken + gateway.held

    def declined(self, gateway: PaymentGateway) -> ChargeRequest:
        assert isinstance(gateway, MemoryGateway)
        gateway.decline("a-2")
        return self.request(account="a-2")


class TestOverAdyen(ListeningContract):
    """Adyen signs neither the time nor the reason."""

    signs_all = False

    def make_gateway(self) -> PaymentGateway:
        return Listening(adyen.reader(captures_at_once=True))

    def notification(
        self, gateway: PaymentGateway, request: ChargeRequest
    ) -> tuple[Mapping[str, str], bytes]:
        item = adyen.charge(
            merchantReference=request.key,
            pspReference=self.ask(gateway.lookup(request)).reference,
            amount={"currency": "EUR", "value": request.amount},
        )
        return {}, adyen.signed(item)


class TestOverPayPal(ListeningContract):
    """PayPal signs a checksum of the whole body."""

    def make_gateway(self) -> PaymentGateway:
        return Listening(paypal.reader())

    def notification(
        self, gateway: PaymentGateway, request: ChargeRequest
    ) -> tuple[Mapping[str, str], bytes]:
        event = paypal.capture(
            id=self.ask(gateway.lookup(request)).reference,
            custom_id=request.key,
            amount={"currency_code": "EUR", "value": "10.00"},
        )
        return paypal.sent(event)
