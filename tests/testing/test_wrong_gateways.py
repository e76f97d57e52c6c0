"""Gateways that are wrong in ways that only a strict contract sees, each caught by the test of its promise."""

# ruff: noqa: D102 - what an override is to do stands on the port

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.testing.test_contracts import broken_promises

from ordercore.adapters.memory import MemoryGateway
from ordercore.clock import SettableClock
from ordercore.errors import NotificationRefused
from ordercore.tender import Failure, Notification, Outcome, OutcomeStatus, RefundStatus
from ordercore.testing import START, PaymentGatewayContract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ordercore.ports import PaymentGateway
    from ordercore.tender import ChargeRequest, RefundOutcome, RefundRequest


class Told(MemoryGateway):
    """Tells its outcomes through `tell`, and counts what truly moves."""

    def __init__(self, **options: Any) -> None:
        super().__init__("card", SettableClock(START), **options)
        self.extra = 0
        self.sent: list[int] = []

    def tell(self, outcome: Outcome) -> Outcome:
        """What is told of an outcome."""
        return outcome

    def authorize(self, request: ChargeRequest) -> Outcome:
        return self.tell(super().authorize(request))

    def capture(self, request: ChargeRequest) -> Outcome:
        return self.tell(super().capture(request))

    def close(self, request: ChargeRequest) -> Outcome:
        return self.tell(super().close(request))

    def lookup(self, request: ChargeRequest) -> Outcome:
        return self.tell(super().lookup(request))


class WithoutZone(Told):
    """Says when money was taken, without a zone."""

    def tell(self, outcome: Outcome) -> Outcome:
        at = outcome.at and outcome.at.replace(tzinfo=None)
        return Outcome(outcome.status, outcome.reference, at)


class InMajorUnits(Told):
    """Tells amounts in whole yuan."""

    def tell(self, outcome: Outcome) -> Outcome:
        if outcome.status is not OutcomeStatus.CAPTURED:
            return outcome
        return Outcome(outcome.status, outcome.reference, outcome.at, amount=10)


class Credulous(Told):
    """Believes whatever is JSON."""

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        try:
            said = json.loads(body)
            outcome = Outcome(OutcomeStatus.CAPTURED, said["reference"])
            return Notification(said["id"], said["key"], outcome, amount=said["amount"])
        except (ValueError, KeyError, TypeError) as error:
            raise NotificationRefused("no JSON of the channel", path="body") from error


class PaidAfterClose(Told):
    """Says *voided*, and lets the payer pay the code all the same."""

    def __init__(self) -> None:
        super().__init__(asks_payer=True)

    def pay(self, key: str, at: datetime | None = None, amount: int | None = None) -> bytes:
        charge = self._charges[key]
        charge.outcome = Outcome(OutcomeStatus.WAITING, charge.outcome.reference)
        return super().pay(key, at, amount)


class SendingAgain(Told):
    """Sends an accepted refund again for each time it is asked."""

    def __init__(self) -> None:
        super().__init__(refunds_arrive=False)

    def refund(self, request: RefundRequest) -> RefundOutcome:
        outcome = super().refund(request)
        if outcome.status is RefundStatus.ACCEPTED:
            self.sent.append(request.amount)
        return outcome


class ChargingAgain(Told):
    """Takes the money again under the same key, and says the same."""

    def authorize(self, request: ChargeRequest) -> Outcome:
        if self._known(request.key) is not None:
            self.extra += request.amount
        return super().authorize(request)


class ChargingAnother(Told):
    """Takes another amount under the same key, and says the same."""

    def authorize(self, request: ChargeRequest) -> Outcome:
        known = self._known(request.key)
        if known is not None and known.amount != request.amount:
            self.extra += request.amount
        return super().authorize(request)


class Relenting(Told):
    """Declines, and takes the money when it is asked again."""

    def authorize(self, request: ChargeRequest) -> Outcome:
        outcome = super().authorize(request)
        if outcome.failure is Failure.SOFT:
            del self._charges[request.key]
            self.mend(request.account)
        return outcome


class Case(PaymentGatewayContract):
    """The contract with all that a host gives, over a gateway that tells no account's holdings."""

    wrong: type[Told] = Told

    def make_gateway(self) -> PaymentGateway:
        return self.wrong()

    def moved(self, gateway: PaymentGateway) -> int | None:
        assert isinstance(gateway, Told)
        return gateway.taken + gateway.held + gateway.extra

    def under_way(self, gateway: PaymentGateway) -> int | None:
        assert isinstance(gateway, Told)
        return sum(gateway.sent)

    def payer_pays(self, gateway: PaymentGateway, request: ChargeRequest) -> None:
        assert isinstance(gateway, Told)
        gateway.pay(request.key)

    def declined(self, gateway: PaymentGateway) -> ChargeRequest | None:
        assert isinstance(gateway, Told)
        gateway.decline("a-2", Failure.SOFT)
        return self.request(account="a-2")

    def notification(
        self, gateway: PaymentGateway, request: ChargeRequest
    ) -> tuple[Mapping[str, str], bytes] | None:
        assert isinstance(gateway, Told)
        if not isinstance(gateway, Credulous):
            return {}, gateway.notification(request.key)
        said = {"id": "e-1", "key": request.key, "amount": request.amount}
        reference = gateway.lookup(request).reference
        return {}, json.dumps({**said, "reference": reference}).encode()


class Uncounted(PaymentGatewayContract):
    """The contract without a word on what was moved, what the channel declines, or what it notifies."""

    wrong: type[Told] = Told

    def make_gateway(self) -> PaymentGateway:
        return self.wrong()


WRONG: list[tuple[type[Case | Uncounted], type[Told], str]] = [
    (Case, WithoutZone, "test_a_charge_is_taken"),
    (Case, InMajorUnits, "test_a_charge_is_taken"),
    (Case, Credulous, "test_no_notification_can_be_altered"),
    (Case, PaidAfterClose, "test_what_was_ended_can_no_longer_be_paid"),
    (Case, SendingAgain, "test_a_refund_goes_back_once_a_key"),
    (Case, ChargingAgain, "test_the_same_key_never_moves_money_twice"),
    (Uncounted, ChargingAgain, "test_the_same_key_never_moves_money_twice"),
    (Case, ChargingAnother, "test_a_key_that_comes_again_for_another_amount_moves_nothing_more"),
    (Case, Relenting, "test_what_was_declined_stays_declined"),
    (Uncounted, Relenting, "test_what_was_declined_stays_declined"),
    (Uncounted, Credulous, "test_a_genuine_notification_is_believed"),
]


@pytest.mark.parametrize(
    ("contract", "gateway", "test"),
    WRONG,
    ids=[f"{contract.__name__}-{gateway.__name__}" for contract, gateway, _ in WRONG],
)
def test_a_wrong_gateway_is_caught(
    contract: type[Case | Uncounted], gateway: type[Told], test: str
) -> None:
    """Each is caught by the test of the promise that it breaks."""
    case = type(contract.__name__, (contract,), {"wrong": gateway})
    assert test in broken_promises(case())


@pytest.mark.parametrize("waits", [False, True])
def test_a_right_gateway_is_not_caught(*, waits: bool) -> None:
    """The same contract finds nothing wrong where nothing is."""

    class Right(Case):
        def make_gateway(self) -> PaymentGateway:
            return Told(asks_payer=waits)

    assert broken_promises(Right()) == []
