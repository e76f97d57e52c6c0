"""The contracts of gateways that hold money, take it in parts, put it on accounts, or hear of it from staff."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ordercore import SettableClock
from ordercore.adapters.manual import CourierGateway, ManualGateway
from ordercore.adapters.memory import AccountGateway, Captures, MemoryGateway
from ordercore.tender import Outcome, OutcomeStatus, RefundOutcome, RefundStatus
from ordercore.testing import (
    START,
    ConfirmedGatewayContract,
    CreditGatewayContract,
    PaymentGatewayContract,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.ports import CreditGateway, PaymentGateway
    from ordercore.tender import ChargeRequest, CreditRequest


class HoldingInMemory(PaymentGatewayContract):
    """What has left the payer is what the gateway holds or took, and did not give back."""

    def moved(self, gateway: PaymentGateway) -> int:
        """What the gateway has of the payer."""
        assert isinstance(gateway, MemoryGateway)
        return gateway.taken + gateway.held

    def declined(self, gateway: PaymentGateway) -> ChargeRequest | None:
        """The issuer of another card says no."""
        assert isinstance(gateway, MemoryGateway)
        gateway.decline("a-2")
        return self.request(account="a-2")

    def notification(
        self, gateway: PaymentGateway, request: ChargeRequest
    ) -> tuple[Mapping[str, str], bytes] | None:
        """What the channel would send."""
        assert isinstance(gateway, MemoryGateway)
        return {}, gateway.notification(request.key)


class TestTakingOnce(HoldingInMemory):
    """A channel that takes a part of what it holds, once."""

    def make_gateway(self) -> PaymentGateway:
        """A new one."""
        return MemoryGateway(
            "card", SettableClock(START), authorizes_first=True, captures=Captures.ONCE
        )


class TestTakingSeveralTimes(HoldingInMemory):
    """A channel that takes what it holds in parts."""

    def make_gateway(self) -> PaymentGateway:
        """A new one."""
        return MemoryGateway(
            "card", SettableClock(START), authorizes_first=True, captures=Captures.SEVERAL
        )


class TestCreditsToBalances(CreditGatewayContract):
    """Balances in memory."""

    def make_gateway(self) -> CreditGateway:
        """A new one."""
        return AccountGateway("balance", SettableClock(START), {"a-1": 700})

    def holding(self, gateway: CreditGateway) -> int:
        """What stands on the account."""
        assert isinstance(gateway, AccountGateway)
        return gateway.balance("a-1")


class TestCreditsOfPoints(TestCreditsToBalances):
    """Points in memory."""

    def make_gateway(self) -> CreditGateway:
        """A new one."""
        return AccountGateway("points", SettableClock(START), points=True)

    def points(self, amount: int) -> int:
        """Ten minor units a point."""
        return amount // 10


class TestTransfers(ConfirmedGatewayContract):
    """Bank transfers."""

    def make_gateway(self) -> PaymentGateway:
        """A new one."""
        return ManualGateway()


class TestCouriers(ConfirmedGatewayContract):
    """Cash on delivery."""

    def make_gateway(self) -> PaymentGateway:
        """A new one."""
        return CourierGateway()


# --- A contract that cannot fail promises nothing ------------------------------------------------


class TakingTwice(MemoryGateway):
    """Takes a part again for each time it is asked."""

    def capture(self, request: ChargeRequest) -> Outcome:
        """Break the promise."""
        charge = self._charges[request.key]
        charge.take(min(request.amount, charge.rest), self._clock.now(), final=request.final)
        return charge.outcome


class KeepingTheRest(MemoryGateway):
    """Goes on holding what a last part has left."""

    def capture(self, request: ChargeRequest) -> Outcome:
        """Break the promise."""
        outcome = super().capture(request)
        self._charges[request.key].open = True
        return outcome


class TakingMore(MemoryGateway):
    """Takes more than it holds."""

    def capture(self, request: ChargeRequest) -> Outcome:
        """Break the promise."""
        charge = self._charges[request.key]
        if charge.open and charge.captured <= request.captured:
            charge.take(request.amount, self._clock.now(), final=request.final)
        return charge.outcome


class CreditingTwice(AccountGateway):
    """Puts money on the account for each time it is asked."""

    def credit(self, request: CreditRequest) -> RefundOutcome:
        """Break the promise."""
        self._credits.pop(request.key, None)
        return super().credit(request)


class Boastful(CourierGateway):
    """Says that what it was asked to capture was captured."""

    def capture(self, request: ChargeRequest) -> Outcome:
        """Break the promise."""
        return Outcome(OutcomeStatus.CAPTURED, request.key)


class Hasty(ManualGateway):
    """Says that money is back which nobody has sent."""

    def void(self, request: ChargeRequest) -> Outcome:
        """Break the promise."""
        return Outcome(OutcomeStatus.VOIDED, request.key)


Contracts = PaymentGatewayContract | CreditGatewayContract | ConfirmedGatewayContract


def _taking(kind: type[MemoryGateway]) -> Callable[[], MemoryGateway]:
    return lambda: kind(
        "card", SettableClock(START), authorizes_first=True, captures=Captures.SEVERAL
    )


BROKEN: list[tuple[type[Contracts], Callable[[], object], str]] = [
    (TestTakingSeveralTimes, _taking(TakingTwice),
     "test_l7_parts_are_taken_one_after_another_each_once"),
    (TestTakingSeveralTimes, _taking(KeepingTheRest), "test_l8_a_last_part_lets_the_rest_go"),
    (TestTakingSeveralTimes, _taking(KeepingTheRest),
     "test_a_last_part_of_nothing_keeps_what_was_taken"),
    (TestTakingSeveralTimes, _taking(TakingMore), "test_l8_more_than_is_held_is_not_taken"),
    (TestCreditsToBalances, lambda: CreditingTwice("balance", SettableClock(START)),
     "test_a_credit_is_put_on_the_account_once_a_key"),
    (TestCouriers, Boastful, "test_l7_it_never_says_that_money_came"),
    (TestTransfers, Hasty, "test_l21_money_that_came_is_not_said_to_be_back"),
]  # fmt: skip


@pytest.mark.parametrize(("contract", "make", "test"), BROKEN)
def test_a_gateway_that_breaks_its_promise_is_caught(
    contract: type[Contracts], make: Callable[[], object], test: str
) -> None:
    """Each promise about held money, credits and staff's word is one that a gateway can break."""
    broken = contract()
    gateway = make()
    broken.make_gateway = lambda: gateway  # type: ignore[assignment, method-assign]
    broken.ask = lambda answer: answer  # type: ignore[assignment, method-assign]
    broken.gateway = gateway  # type: ignore[assignment]
    broken._first = broken.holding(gateway) if isinstance(broken, CreditGatewayContract) else None  # type: ignore[arg-type]
    broken._count = 0  # type: ignore[union-attr]
    with pytest.raises(AssertionError):
        getattr(broken, test)()


def test_credits_to_an_account_that_is_closed_fail_for_good() -> None:
    """The same key answers the same failure, and nothing is put anywhere."""
    from ordercore.tender import CreditRequest

    balance = AccountGateway("balance", SettableClock(START), {"a-1": 5})
    balance.fail_refunds("a-1", "the account is closed")
    asked = CreditRequest("o-1/r1#0", "o-1", "a-1", 100, "CNY")
    for _ in range(2):
        said = balance.credit(asked)
        assert (said.status, said.reason) == (RefundStatus.FAILED, "the account is closed")
    assert (balance.balance("a-1"), balance.credited, balance.taken) == (5, 0, 0)
