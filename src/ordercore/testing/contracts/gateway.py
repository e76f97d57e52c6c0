"""What a payment gateway promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ordercore.errors import NotificationRefused, OrdercoreError
from ordercore.tender import (
    Capabilities,
    ChargeRequest,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
)
from ordercore.testing.contracts.asking import Contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.ports import Answer, PaymentGateway

__all__ = ["PaymentGatewayContract"]

_TAKEN = {OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED}
_DEAD = {OutcomeStatus.VOIDED, OutcomeStatus.DECLINED}
_GOES_BACK = {RefundStatus.ACCEPTED, RefundStatus.ARRIVED}


class PaymentGatewayContract(Contract):
    """What a `PaymentGateway` promises. Give `make_gateway`; the rest says how to meet it.

    ``account`` must be good for `amount` ten times over. A gateway whose payer must act gives
    `payer_pays`. One that does not tell an account's holdings gives `moved`, so that the contract
    can count; else only the answers are held to.
    """

    currency = "CNY"
    account = "a-1"
    amount = 1_000
    """Minor units of one charge, even, and at least 10 of them."""
    reading = b"this is no notification"
    """A body that `parse` must refuse."""

    def make_gateway(self) -> Answer[PaymentGateway]:
        """A new gateway; nothing was moved yet."""
        raise NotImplementedError

    def close_gateway(self, gateway: PaymentGateway) -> Answer[None]:
        """Let go of what the gateway holds open."""

    def payer_pays(self, gateway: PaymentGateway, request: ChargeRequest) -> Answer[None]:
        """Play the payer of a charge that waits."""
        raise NotImplementedError

    def points(self, amount: int) -> int:
        """Points of ``amount`` minor units, where the gateway moves points."""
        return 0 * amount

    def moved(self, gateway: PaymentGateway) -> int | None:
        """Units (minor, or points) that have left the payer and not come back; `None` if nobody knows.

        By default what the account holds less than at first, where the gateway tells.
        """
        if self._first is None:
            return None
        return self._first - (self.ask(gateway.available(self.account, self.currency)) or 0)

    gateway: PaymentGateway
    _first: int | None
    _count: int

    @pytest.fixture(autouse=True)
    def _one_gateway_a_test(self, _one_loop_a_test: None) -> Iterator[None]:
        self.gateway = self.ask(self.make_gateway())
        self._first = self.ask(self.gateway.available(self.account, self.currency))
        self._count = 0
        yield
        self.ask(self.close_gateway(self.gateway))

    @property
    def can(self) -> Capabilities:
        """What the gateway declares."""
        return self.gateway.capabilities

    def request(self, amount: int | None = None) -> ChargeRequest:
        """A charge under a key that was never used."""
        self._count += 1
        due = self.amount if amount is None else amount
        return ChargeRequest(
            f"o-1/{self._count}", "o-1", due, self.currency, self.account, self.points(due)
        )

    def back(self, charge: ChargeRequest, amount: int, reference: str = "") -> RefundRequest:
        """A refund under a key that was never used."""
        self._count += 1
        return RefundRequest(
            f"o-1/r{self._count}", charge.key, reference, amount, self.currency, self.points(amount)
        )

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Authorize, and let the payer act where that is asked."""
        outcome = self.ask(self.gateway.authorize(request))
        if outcome.status is OutcomeStatus.WAITING:
            self.ask(self.payer_pays(self.gateway, request))
            outcome = self.ask(self.gateway.lookup(request))
        return outcome

    def taken(self, amount: int | None = None) -> tuple[ChargeRequest, Outcome]:
        """A charge whose money was taken, and the gateway's word for it."""
        request = self.request(amount)
        outcome = self.authorize(request)
        if outcome.status is OutcomeStatus.AUTHORIZED:
            outcome = self.ask(self.gateway.capture(request))
        assert outcome.status is OutcomeStatus.CAPTURED
        return request, outcome

    def assert_moved(self, amount: int) -> None:
        """Exactly so much has left the payer, where that can be counted."""
        found = self.moved(self.gateway)
        assert found in {None, self.points(amount) or amount}

    # --- charges ---

    def test_a_charge_is_taken(self) -> None:
        """A charge ends captured, with the channel's name for it."""
        _, outcome = self.taken()
        assert outcome.reference
        self.assert_moved(self.amount)

    def test_money_is_held_before_it_is_taken_where_that_is_declared(self) -> None:
        """`captures_at_once` answers captured at once; else authorized, until it is captured."""
        outcome = self.authorize(self.request())
        first = OutcomeStatus.CAPTURED if self.can.captures_at_once else OutcomeStatus.AUTHORIZED
        assert outcome.status is first

    def test_the_same_key_never_moves_money_twice(self) -> None:
        """Asked again under the same key, the gateway answers as it stands and moves nothing."""
        request, outcome = self.taken()
        for ask in (self.gateway.authorize, self.gateway.capture, self.gateway.lookup):
            again = self.ask(ask(request))
            assert (again.status, again.reference) == (outcome.status, outcome.reference)
        self.assert_moved(self.amount)

    def test_the_first_answer_comes_again(self) -> None:
        """A lost answer can be asked for: the same request gives the same answer."""
        request = self.request()
        first = self.ask(self.gateway.authorize(request))
        again = self.ask(self.gateway.authorize(request))
        assert (again.status, again.reference) == (first.status, first.reference)

    def test_two_keys_are_two_charges(self) -> None:
        """Another key is another charge, also of the same amount."""
        _, first = self.taken()
        _, second = self.taken()
        assert first.reference != second.reference
        self.assert_moved(2 * self.amount)

    def test_a_key_never_seen_is_unknown(self) -> None:
        """A look-up of what was never asked says so, moves nothing, and does not kill the key."""
        request = self.request()
        assert self.ask(self.gateway.lookup(request)).status is OutcomeStatus.UNKNOWN
        self.assert_moved(0)
        assert self.authorize(request).status in _TAKEN

    def test_a_lookup_tells_what_became_of_a_key(self) -> None:
        """A look-up answers as the charge now stands."""
        request, outcome = self.taken()
        told = self.ask(self.gateway.lookup(request))
        assert (told.status, told.reference) == (outcome.status, outcome.reference)

    def test_a_capture_of_a_key_never_seen_moves_nothing(self) -> None:
        """There is nothing to capture, whatever the gateway calls that."""
        assert self.ask(self.gateway.capture(self.request())).status not in _TAKEN
        self.assert_moved(0)

    def test_a_charge_above_what_is_there_is_declined(self) -> None:
        """Where an account's holdings are told, a charge above them is declined and takes nothing."""
        if self._first is not None:
            worth = self.points(self.amount) or self.amount
            request = self.request((self._first // worth + 1) * self.amount)
            assert self.authorize(request).status is OutcomeStatus.DECLINED
            assert self.ask(self.gateway.lookup(request)).status is OutcomeStatus.DECLINED
            assert self.authorize(request).status is OutcomeStatus.DECLINED
        self.assert_moved(0)

    def test_declared_limits_are_kept(self) -> None:
        """An amount or a currency outside of what is declared is declined, or refused with an error."""
        odd = []
        if self.can.amount_max is not None:
            odd.append(self.request(self.can.amount_max + 1))
        if self.can.amount_min > 1:
            odd.append(self.request(self.can.amount_min - 1))
        if self.can.currencies and "XAF" not in self.can.currencies:
            odd.append(ChargeRequest("o-1/x", "o-1", self.amount, "XAF", self.account))
        for request in odd:
            try:
                assert self.authorize(request).status is OutcomeStatus.DECLINED
            except OrdercoreError as error:
                assert error.reason
        self.assert_moved(0)

    # --- void ---

    def test_a_void_kills_a_key_never_seen_or_cannot_tell(self) -> None:
        """Voided before it was seen, a key moves no money ever after; else the answer is *unknown*."""
        request = self.request()
        outcome = self.ask(self.gateway.void(request))
        assert outcome.status in {*_DEAD, OutcomeStatus.UNKNOWN}
        self.assert_moved(0)
        if outcome.status in _DEAD:
            assert self.ask(self.gateway.authorize(request)).status in _DEAD
            assert self.ask(self.gateway.lookup(request)).status in _DEAD
            self.assert_moved(0)

    def test_a_void_of_what_was_only_held_lets_it_go(self) -> None:
        """A void right after authorize leaves nothing with the gateway, held or taken."""
        request = self.request()
        self.authorize(request)
        assert self.ask(self.gateway.void(request)).status is OutcomeStatus.VOIDED
        self.assert_moved(0)
        assert self.ask(self.gateway.capture(request)).status not in _TAKEN
        self.assert_moved(0)

    def test_a_void_after_capture_gives_the_money_back_once(self) -> None:
        """What was taken goes back, twice is once, and the key is dead."""
        kept, _ = self.taken()
        request, _ = self.taken()
        for _ in range(2):
            assert self.ask(self.gateway.void(request)).status is OutcomeStatus.VOIDED
            self.assert_moved(self.amount)
        assert self.ask(self.gateway.authorize(request)).status in _DEAD
        assert self.ask(self.gateway.lookup(request)).status in _DEAD
        self.assert_moved(self.amount)
        assert self.ask(self.gateway.lookup(kept)).status is OutcomeStatus.CAPTURED

    def test_a_void_gives_back_what_refunds_have_left(self) -> None:
        """After a refund of a half, a void gives back the other half, not more."""
        request, outcome = self.taken()
        half = self.amount // 2
        said = self.ask(self.gateway.refund(self.back(request, half, outcome.reference)))
        if said.status in _GOES_BACK:
            self.ask(self.gateway.void(request))
            again = self.back(request, half, outcome.reference)
            late = self.ask(self.gateway.refund(again))
            assert late.status not in _GOES_BACK
        if said.status is RefundStatus.ARRIVED:
            self.assert_moved(0)

    # --- close ---

    def test_closing_what_is_not_paid_ends_it(self) -> None:
        """Once a close is answered with *voided* or *declined*, the attempt can no longer be paid."""
        request = self.request()
        first = self.ask(self.gateway.authorize(request))
        if first.status in _TAKEN:  # a gateway at which nothing waits: close what it never saw
            self.ask(self.gateway.void(request))
            request = self.request()
        outcome = self.ask(self.gateway.close(request))
        if self.can.closes:
            assert outcome.status in {*_DEAD, OutcomeStatus.TOO_EARLY, OutcomeStatus.UNKNOWN}
        if outcome.status in _DEAD:
            assert self.ask(self.gateway.authorize(request)).status in _DEAD
            assert self.ask(self.gateway.close(request)).status in _DEAD
        assert self.ask(self.gateway.lookup(request)).status not in _TAKEN
        self.assert_moved(0)

    def test_closing_what_is_paid_leaves_it_paid(self) -> None:
        """A close that comes too late answers how the charge stands, and takes nothing back."""
        request, outcome = self.taken()
        closed = self.ask(self.gateway.close(request))
        if self.can.closes:
            assert (closed.status, closed.reference) == (outcome.status, outcome.reference)
        assert self.ask(self.gateway.lookup(request)).status is OutcomeStatus.CAPTURED
        self.assert_moved(self.amount)

    # --- refunds ---

    def test_a_refund_goes_back_once_a_key(self) -> None:
        """Asked again under the same key, a refund answers as it stands and moves nothing more."""
        request, outcome = self.taken()
        asked = self.back(request, self.amount // 2, outcome.reference)
        first = self.ask(self.gateway.refund(asked))
        assert first.status in _GOES_BACK
        for ask in (self.gateway.refund, self.gateway.lookup_refund):
            again: RefundOutcome = self.ask(ask(asked))
            assert again.status in _GOES_BACK
            assert again.reference == first.reference
        if first.status is RefundStatus.ARRIVED:
            self.assert_moved(self.amount - self.amount // 2)

    def test_refunds_add_up_to_what_was_captured(self) -> None:
        """Two halves go back, each under its own key; a third fails and moves nothing."""
        request, outcome = self.taken()
        half = self.amount // 2
        said = [
            self.ask(self.gateway.refund(self.back(request, half, outcome.reference))).status
            for _ in range(2)
        ]
        assert set(said) <= _GOES_BACK
        third = self.back(request, half, outcome.reference)
        assert self.refused(third)
        if set(said) == {RefundStatus.ARRIVED}:
            self.assert_moved(0)

    def test_more_than_was_captured_does_not_go_back(self) -> None:
        """A refund above the charge fails as a whole, and a smaller one may follow."""
        request, outcome = self.taken()
        assert self.refused(self.back(request, self.amount + 10, outcome.reference))
        self.assert_moved(self.amount)
        said = self.ask(self.gateway.refund(self.back(request, self.amount, outcome.reference)))
        assert said.status in _GOES_BACK

    def test_what_was_never_charged_does_not_go_back(self) -> None:
        """A refund of a key that was never seen fails."""
        assert self.refused(self.back(self.request(), self.amount))
        self.assert_moved(0)

    def test_a_refund_never_asked_is_unknown(self) -> None:
        """A look-up of a refund that was never asked says so and moves nothing."""
        request, outcome = self.taken()
        asked = self.back(request, self.amount, outcome.reference)
        told = self.ask(self.gateway.lookup_refund(asked))
        assert told.status is RefundStatus.UNKNOWN
        self.assert_moved(self.amount)

    def refused(self, asked: RefundRequest) -> bool:
        """Whether a refund fails, now and when it is asked again."""
        try:
            first = self.ask(self.gateway.refund(asked))
        except OrdercoreError:
            return True
        again = self.ask(self.gateway.refund(asked))
        return first.status is again.status is RefundStatus.FAILED

    # --- notifications ---

    def test_what_is_no_notification_is_refused(self) -> None:
        """A body that the channel did not send is refused with an error of the tree."""
        for headers in ({}, {"Signature": "nonsense"}):
            with pytest.raises(NotificationRefused) as caught:
                self.gateway.parse(headers, self.reading)
            assert caught.value.reason
