"""What gateways promise that put money on accounts, and those of which staff tells what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ordercore.errors import NotificationRefused, OrdercoreError
from ordercore.tender import (
    ActionKind,
    ChargeRequest,
    CreditRequest,
    OutcomeStatus,
    RefundRequest,
    RefundStatus,
)
from ordercore.testing.contracts.asking import Contract

if TYPE_CHECKING:
    from ordercore.ports import Answer, CreditGateway, PaymentGateway

__all__ = ["ConfirmedGatewayContract", "CreditGatewayContract"]


class CreditGatewayContract(Contract):
    """What a `CreditGateway` promises. Give `make_gateway` and `holding`."""

    currency = "CNY"
    account = "a-1"
    amount = 1_000
    """Minor units of one credit."""

    def make_gateway(self) -> Answer[CreditGateway]:
        """A new gateway; nothing was credited yet."""
        raise NotImplementedError

    def holding(self, gateway: CreditGateway) -> int:
        """What `account` holds now, in the gateway's own units."""
        raise NotImplementedError

    def points(self, amount: int) -> int:
        """Points of ``amount`` minor units, where the gateway moves points."""
        return 0 * amount

    gateway: CreditGateway
    _first: int

    @pytest.fixture(autouse=True)
    def _one_gateway_a_test(self, _one_loop_a_test: None) -> None:
        self.gateway = self.ask(self.make_gateway())
        self._first = self.holding(self.gateway)

    def request(self, key: str, amount: int | None = None) -> CreditRequest:
        """A credit under a key."""
        due = self.amount if amount is None else amount
        return CreditRequest(
            key, "o-1", self.account, due, self.currency, self.points(due), self.account
        )

    def credited(self) -> int:
        """What the account holds more than at first."""
        return self.holding(self.gateway) - self._first

    def test_a_credit_is_put_on_the_account_once_a_key(self) -> None:
        """Asked again under the same key, it answers as the first time and puts nothing more there."""
        worth = self.points(self.amount) or self.amount
        first = self.ask(self.gateway.credit(self.request("o-1/r1#0")))
        again = self.ask(self.gateway.credit(self.request("o-1/r1#0")))
        assert first.status is again.status is RefundStatus.ARRIVED
        assert first.reference == again.reference
        assert self.credited() == worth

    def test_two_keys_are_two_credits(self) -> None:
        """Another key is another credit, also of the same amount."""
        for key in ("o-1/r1#0", "o-1/r2#0"):
            assert self.ask(self.gateway.credit(self.request(key))).status is RefundStatus.ARRIVED
        assert self.credited() == 2 * (self.points(self.amount) or self.amount)

    def test_nothing_is_no_credit(self) -> None:
        """A credit of nothing is refused or fails, and leaves the account as it is."""
        try:
            said = self.ask(self.gateway.credit(self.request("o-1/r1#0", 0)))
            assert said.status is RefundStatus.FAILED
        except OrdercoreError as error:
            assert error.reason
        assert self.credited() == 0

    def test_a_key_that_comes_again_for_another_amount_credits_nothing_more(self) -> None:
        """The key stands for its first credit: another amount under it is refused, or answered as the first."""
        self.ask(self.gateway.credit(self.request("o-1/r1#0")))
        held = self.credited()
        try:
            self.ask(self.gateway.credit(self.request("o-1/r1#0", 2 * self.amount)))
        except OrdercoreError as error:
            assert error.reason
        assert self.credited() == held


class ConfirmedGatewayContract(Contract):
    """What a gateway promises of which staff tells what became of its money (`Capabilities.confirmed_by_staff`).

    It may keep nothing: so it never says that money came, nor that money which came has gone back.
    """

    currency = "CNY"
    amount = 1_000

    def make_gateway(self) -> Answer[PaymentGateway]:
        """A new gateway."""
        raise NotImplementedError

    gateway: PaymentGateway

    @pytest.fixture(autouse=True)
    def _one_gateway_a_test(self, _one_loop_a_test: None) -> None:
        self.gateway = self.ask(self.make_gateway())

    def request(self, captured: int = 0) -> ChargeRequest:
        """A charge of which so much came."""
        return ChargeRequest("o-1/1", "o-1", self.amount, self.currency, captured=captured)

    def back(self) -> RefundRequest:
        """A refund of that charge."""
        return RefundRequest("o-1/r1#0", "o-1/1", "", self.amount, self.currency)

    def test_it_says_that_staff_tells(self) -> None:
        """So the engine takes staff's word for it, and nobody else's."""
        assert self.gateway.capabilities.confirmed_by_staff

    def test_what_is_asked_twice_is_answered_twice_the_same(self) -> None:
        """A lost answer can be asked for: the payer is told the same again, or the money is promised again."""
        first = self.ask(self.gateway.authorize(self.request()))
        assert self.ask(self.gateway.authorize(self.request())) == first
        assert first.status in {OutcomeStatus.WAITING, OutcomeStatus.AUTHORIZED}
        if first.status is OutcomeStatus.WAITING:
            assert first.action is not None
            assert first.action.kind is ActionKind.INSTRUCTIONS
            assert first.action.content

    def test_l7_it_never_says_that_money_came(self) -> None:
        """No call of ours makes a payer pay, so none answers *captured*."""
        request = self.request()
        for ask in (self.gateway.authorize, self.gateway.capture, self.gateway.lookup):
            assert self.ask(ask(request)).status is not OutcomeStatus.CAPTURED

    def test_l21_money_that_came_is_not_said_to_be_back(self) -> None:
        """What never came is let go at once; what came is back when somebody says so."""
        assert self.ask(self.gateway.void(self.request())).status is OutcomeStatus.VOIDED
        for ask in (self.gateway.void, self.gateway.close):
            said = self.ask(ask(self.request(self.amount)))
            assert said.status is OutcomeStatus.UNKNOWN

    def test_a_refund_is_under_way_until_somebody_says_that_it_arrived(self) -> None:
        """Accepted is not arrived; a look-up claims no more."""
        assert self.ask(self.gateway.refund(self.back())).status is RefundStatus.ACCEPTED
        assert self.ask(self.gateway.lookup_refund(self.back())).status in {
            RefundStatus.ACCEPTED,
            RefundStatus.UNKNOWN,
        }

    def test_nobody_notifies(self) -> None:
        """A body from outside is refused with an error of the tree."""
        with pytest.raises(NotificationRefused) as caught:
            self.gateway.parse({}, b"o-1/1:paid")
        assert caught.value.reason
