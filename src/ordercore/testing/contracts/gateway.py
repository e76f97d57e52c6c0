"""What a payment gateway promises."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import pytest

from ordercore.engine.answers import readable, told_well
from ordercore.errors import NotificationRefused, OrdercoreError
from ordercore.tender import (
    Attempt,
    AttemptState,
    Capabilities,
    ChargeRequest,
    Notification,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
)
from ordercore.tender.tenders import TenderKind
from ordercore.testing.contracts.asking import Contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ordercore.ports import Answer, PaymentGateway

__all__ = ["PaymentGatewayContract"]

_TAKEN = {OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED}
_DEAD = {OutcomeStatus.VOIDED, OutcomeStatus.DECLINED}
_GOES_BACK = {RefundStatus.ACCEPTED, RefundStatus.ARRIVED}
_FORGED_MAX = 2_000
"""Most altered bytes of one notification that are tried."""
_ODD = (b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000)
"""Bodies that trip a reader which looks before it verifies."""

T = TypeVar("T")


class PaymentGatewayContract(Contract):
    """What a `PaymentGateway` promises. Each hook is given by the host, or says `None`: what is not given fails.

    - `make_gateway`. ``account`` must be good for `amount` ten times over.
    - `moved`: what left the payer, so that the contract can count. A gateway that tells an account's
      holdings has it already; `None` says that nobody can count, and then only the answers are held to.
    - `declined`: a charge that the channel declines. It too is there where holdings are told.
    - `notification`: the genuine notification of a charge that was captured, signature and all.
      Where the channel does not sign the time of success or the reason, say `signs_all = False`.
    - `payer_pays`, where the payer must act.
    - `under_way`, where a refund is first *accepted*: what such refunds have sent.
    """

    currency = "CNY"
    account = "a-1"
    amount = 1_000
    """Minor units of one charge, even, and at least 10 of them."""
    reading = b"this is no notification"
    """A body that `parse` must refuse."""
    signs_all = True
    """Whether the channel signs all that it tells; some sign neither the time of success nor the reason."""

    def make_gateway(self) -> Answer[PaymentGateway]:
        """A new gateway; nothing was moved yet."""
        raise NotImplementedError

    def close_gateway(self, gateway: PaymentGateway) -> Answer[None]:
        """Let go of what the gateway holds open."""

    def payer_pays(self, gateway: PaymentGateway, request: ChargeRequest) -> Answer[None]:
        """Play the payer of a charge that waits; one that was ended may raise whatever its channel says."""
        raise NotImplementedError

    def declined(self, gateway: PaymentGateway) -> Answer[ChargeRequest | None]:
        """A `request` that the channel will decline at the call; `None` where it declines none.

        By default one above what the account holds, where the gateway tells.
        """
        if self._first is None:
            raise NotImplementedError("give `declined`: a request, or None")
        worth = self.points(self.amount) or self.amount
        return self.request((self._first // worth + 1) * self.amount)

    def notification(
        self, gateway: PaymentGateway, request: ChargeRequest
    ) -> Answer[tuple[Mapping[str, str], bytes] | None]:
        """Headers and body by which the channel tells that this charge was captured; `None` if it tells nothing."""
        raise NotImplementedError("give `notification`: headers and body, or None")

    def under_way(self, gateway: PaymentGateway) -> int | None:
        """Units (minor, or points) that accepted refunds have sent so far; `None` if nobody can count them."""
        raise NotImplementedError("give `under_way`: units, or None")

    def points(self, amount: int) -> int:
        """Points of ``amount`` minor units, where the gateway moves points."""
        return 0 * amount

    def moved(self, gateway: PaymentGateway) -> int | None:
        """Units (minor, or points) that have left the payer and not come back; `None` if nobody can count them.

        By default what the account holds less than at first, where the gateway tells.
        """
        if self._first is None:
            raise NotImplementedError("give `moved`: units, or None")
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

    def ask(self, answer: Answer[T]) -> T:
        """The value of an answer; of a gateway's, one that the engine could keep."""
        said = super().ask(answer)
        if isinstance(said, Outcome):
            self.assert_told_well(said)
        elif isinstance(said, RefundOutcome):
            assert readable(said, RefundOutcome, RefundStatus)
        return said

    def assert_told_well(self, outcome: Outcome) -> None:
        """The engine could keep it: times have a zone, amounts are whole minor units, each part has its type."""
        attempt = Attempt(
            "o-1/1", 0, 0, TenderKind.CHANNEL, "g", self.account, self.amount, 0, AttemptState.OPEN
        )
        assert told_well(outcome, attempt)

    def assert_same(self, outcome: Outcome, first: Outcome) -> None:
        """It says the same of the same charge."""
        assert (outcome.status, outcome.reference) == (first.status, first.reference)
        assert outcome.amount in {None, self.amount}

    def request(
        self, amount: int | None = None, *, account: str | None = None, key: str = ""
    ) -> ChargeRequest:
        """A charge, under a key that was never used where none is given."""
        self._count += 1
        due = self.amount if amount is None else amount
        payer = self.account if account is None else account
        return ChargeRequest(
            key or f"o-1/{self._count}", "o-1", due, self.currency, payer, self.points(due)
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
        if outcome.status in _TAKEN:
            assert outcome.amount in {None, request.amount}
        return outcome

    def taken(self, amount: int | None = None) -> tuple[ChargeRequest, Outcome]:
        """A charge whose money was taken, and the gateway's word for it."""
        request = self.request(amount)
        outcome = self.authorize(request)
        if outcome.status is OutcomeStatus.AUTHORIZED:
            outcome = self.ask(self.gateway.capture(request))
        assert outcome.status is OutcomeStatus.CAPTURED
        assert outcome.amount in {None, request.amount}
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
            self.assert_same(self.ask(ask(request)), outcome)
        self.assert_moved(self.amount)

    def test_a_key_that_comes_again_for_another_amount_moves_nothing_more(self) -> None:
        """The key stands for its first amount: another one under it is refused, or answered as the first."""
        request, outcome = self.taken()
        other = self.request(2 * self.amount, key=request.key)
        try:
            self.assert_same(self.ask(self.gateway.authorize(other)), outcome)
        except OrdercoreError as error:
            assert error.reason
        self.assert_same(self.ask(self.gateway.lookup(request)), outcome)
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
        self.assert_same(self.ask(self.gateway.lookup(request)), outcome)

    def test_a_capture_of_a_key_never_seen_moves_nothing(self) -> None:
        """There is nothing to capture, whatever the gateway calls that."""
        assert self.ask(self.gateway.capture(self.request())).status not in _TAKEN
        self.assert_moved(0)

    def test_what_was_declined_stays_declined(self) -> None:
        """Asked again, looked up or captured, a declined key takes nothing."""
        request = self.ask(self.declined(self.gateway))
        if request is None:
            return
        for ask in (self.authorize, self.gateway.authorize, self.gateway.lookup, self.authorize):
            assert self.ask(ask(request)).status is OutcomeStatus.DECLINED
        assert self.ask(self.gateway.capture(request)).status not in _TAKEN
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

    # --- parts of what is held ---

    def held(self) -> ChargeRequest | None:
        """A charge that is held and not taken, where the gateway holds, and takes less than it holds."""
        if self.can.captures_at_once or not (self.can.partial_capture or self.can.multi_capture):
            return None
        request = self.request()
        assert self.authorize(request).status is OutcomeStatus.AUTHORIZED
        return request

    def part(
        self, request: ChargeRequest, amount: int, captured: int = 0, *, final: bool
    ) -> ChargeRequest:
        """What takes a part of a charge, after so much was taken before."""
        return ChargeRequest(
            request.key, request.order_id, amount, request.currency, request.account,
            request.points, reference=request.reference, captured=captured, final=final,
        )  # fmt: skip

    def taken_so_far(self, outcome: Outcome) -> int:
        """What an answer says was taken in all."""
        assert outcome.status is OutcomeStatus.CAPTURED
        return self.amount if outcome.amount is None else outcome.amount

    def test_l8_a_last_part_lets_the_rest_go(self) -> None:
        """Less than was held is taken, once: the rest is the payer's again, and the same call takes no more."""
        request = self.held()
        if request is None:
            return
        last = self.part(request, self.amount // 2, final=True)
        for _ in range(2):
            assert self.taken_so_far(self.ask(self.gateway.capture(last))) == self.amount // 2
            self.assert_moved(self.amount // 2)
        again = self.back(request, self.amount // 2 + 10)
        assert self.refused(again)

    def test_l7_parts_are_taken_one_after_another_each_once(self) -> None:
        """Where several parts may be taken, each is told by what was taken before it, and is taken once."""
        request = self.held()
        if request is None or not self.can.multi_capture:
            return
        third, taken = self.amount // 3, 0
        for last in (False, False, True):
            amount = self.amount - taken if last else third
            for _ in range(2):
                asked = self.part(request, amount, taken, final=last)
                assert self.taken_so_far(self.ask(self.gateway.capture(asked))) == taken + amount
            taken += amount
        self.assert_moved(self.amount)

    def test_a_last_part_of_nothing_keeps_what_was_taken(self) -> None:
        """After a part was taken, a last part of nothing lets the rest go and takes nothing back."""
        request = self.held()
        if request is None or not self.can.multi_capture:
            return
        half = self.amount // 2
        self.ask(self.gateway.capture(self.part(request, half, final=False)))
        ended = self.ask(self.gateway.capture(self.part(request, 0, half, final=True)))
        assert self.taken_so_far(ended) == half
        self.assert_moved(half)

    def test_l8_more_than_is_held_is_not_taken(self) -> None:
        """A part above what is held is refused or declined, and what is held stays held."""
        request = self.held()
        if request is None:
            return
        try:
            asked = self.part(request, self.amount + 10, final=True)
            outcome = self.ask(self.gateway.capture(asked))
            assert outcome.status is not OutcomeStatus.CAPTURED
        except OrdercoreError as error:
            assert error.reason
        assert self.ask(self.gateway.lookup(request)).status is OutcomeStatus.AUTHORIZED

    def test_a_void_after_a_part_gives_all_of_it_back(self) -> None:
        """What was taken of it and what is still held both go back."""
        request = self.held()
        if request is None or not self.can.multi_capture:
            return
        self.ask(self.gateway.capture(self.part(request, self.amount // 2, final=False)))
        assert self.ask(self.gateway.void(request)).status is OutcomeStatus.VOIDED
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

    def test_what_was_ended_can_no_longer_be_paid(self) -> None:
        """Once a close or a void has said that a charge is dead, its payer's code takes no money."""
        for end in (self.gateway.close, self.gateway.void):
            request = self.request()
            if self.ask(self.gateway.authorize(request)).status is not OutcomeStatus.WAITING:
                return
            if self.ask(end(request)).status in _DEAD:
                with suppress(Exception):
                    self.ask(self.payer_pays(self.gateway, request))
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
            self.assert_moved(self.amount - asked.amount)
        else:
            assert self.under_way(self.gateway) in {None, asked.points or asked.amount}

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
            for body in (self.reading, *_ODD):
                with pytest.raises(NotificationRefused) as caught:
                    self.gateway.parse(headers, body)
                assert caught.value.reason

    def test_a_genuine_notification_is_believed(self) -> None:
        """It tells the charge's key and that it was captured; come again, it is the same event."""
        request, outcome = self.taken()
        sent = self.ask(self.notification(self.gateway, request))
        if sent is None:
            return
        found = self.gateway.parse(*sent)
        assert found == self.gateway.parse(*sent)
        assert (found.key, found.irrelevant) == (request.key, False)
        assert found.event_id
        assert isinstance(found.outcome, Outcome)
        self.assert_told_well(found.outcome)
        self.assert_same(found.outcome, outcome)
        assert found.amount in {None, self.amount}
        assert found.currency in {"", self.currency}
        assert found.sent_at is None or found.sent_at.utcoffset() is not None

    def test_no_notification_can_be_altered(self) -> None:
        """Any byte of a body or a header that is another, and any header left out: refused, or read as nothing else."""
        request, _ = self.taken()
        sent = self.ask(self.notification(self.gateway, request))
        if sent is None:
            return
        genuine = self.gateway.parse(*sent)
        for headers, body in _forged(*sent):
            try:
                found = self.gateway.parse(headers, body)
            except OrdercoreError as error:
                assert error.reason
            else:
                assert self.signed_part(found) == self.signed_part(genuine)

    def signed_part(self, told: Notification) -> Notification:
        """What nobody but the channel can have written."""
        outcome = told.outcome
        if self.signs_all or not isinstance(outcome, Outcome):
            return told
        kept = Outcome(outcome.status, outcome.reference, amount=outcome.amount)
        return Notification(
            told.event_id, told.key, kept, told.reply, told.amount, told.currency, told.sent_at,
            told.irrelevant,
        )  # fmt: skip


def _forged(headers: Mapping[str, str], body: bytes) -> Iterator[tuple[Mapping[str, str], bytes]]:
    """What is one byte, or one header, away from a genuine notification."""
    for at in range(0, len(body), 1 + len(body) // _FORGED_MAX):
        yield headers, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    for name, text in headers.items():
        yield {other: headers[other] for other in headers if other != name}, body
        for at in range(0, len(text), 1 + len(text) // _FORGED_MAX):
            yield {**headers, name: text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]}, body
