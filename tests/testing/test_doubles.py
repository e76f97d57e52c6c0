"""Doubles fail as they are told, and otherwise do what they wrap."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

import pytest

from ordercore.adapters.memory import AccountGateway, MemoryGateway, MemoryStock
from ordercore.clock import SettableClock
from ordercore.errors import GatewayTimeout, OtherSideFailed, OutOfStock
from ordercore.order import Remind
from ordercore.pricing import PricingPolicy, quote
from ordercore.tender import ChargeRequest, OutcomeStatus, RefundRequest, RefundStatus
from ordercore.testing import (
    START,
    Call,
    CollectingPublisher,
    FaultyGateway,
    FaultyStock,
    PortFault,
    Story,
    order_a,
    order_content,
)

if TYPE_CHECKING:
    from ordercore.tender import Outcome, RefundOutcome

CLOCK = SettableClock(START)
CHARGE = ChargeRequest("o-1/1", "o-1", 1_000, "CNY", "a-1")
REFUND = RefundRequest("r-1#0", "o-1/1", "", 400, "CNY")
FUNCTIONS = ("authorize", "capture", "close", "void", "lookup")


def gateway() -> FaultyGateway:
    """A double around a channel that takes at once."""
    return FaultyGateway(MemoryGateway("card", CLOCK))


def said(answer: Any) -> OutcomeStatus:
    """The status of an answer about a charge."""
    outcome: Outcome = answer
    return outcome.status


def returned(answer: Any) -> RefundStatus:
    """The status of an answer about a refund."""
    outcome: RefundOutcome = answer
    return outcome.status


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_call_that_was_not_sent_has_done_nothing(function: str) -> None:
    """It times out, and the wrapped gateway has never heard of the key."""
    double = gateway()
    double.fail_next(PortFault.NOT_SENT, function)
    with pytest.raises(GatewayTimeout):
        getattr(double, function)(CHARGE)
    assert said(double.gateway.lookup(CHARGE)) is OutcomeStatus.UNKNOWN
    assert double.calls == (Call(function, CHARGE.key),)


def test_a_lost_answer_was_given_all_the_same() -> None:
    """It times out, the money is taken, and asked again under the same key it is told."""
    double = gateway()
    double.fail_next(PortFault.LOST_ANSWER, "authorize")
    with pytest.raises(GatewayTimeout):
        double.authorize(CHARGE)
    assert double.taken == 1_000
    assert said(double.authorize(CHARGE)) is OutcomeStatus.CAPTURED
    assert double.taken == 1_000


def test_a_fault_meets_the_function_that_it_is_for() -> None:
    """Other functions pass; a fault for any function meets the next call, as often as was asked."""
    double = gateway()
    double.fail_next(PortFault.UNKNOWN, "lookup")
    assert said(double.authorize(CHARGE)) is OutcomeStatus.CAPTURED
    assert said(double.lookup(CHARGE)) is OutcomeStatus.UNKNOWN
    assert said(double.lookup(CHARGE)) is OutcomeStatus.CAPTURED
    double.fail_next(PortFault.UNKNOWN, times=2)
    found = [said(double.lookup(CHARGE)) for _ in range(3)]
    assert found == [OutcomeStatus.UNKNOWN, OutcomeStatus.UNKNOWN, OutcomeStatus.CAPTURED]


def test_a_declined_key_stays_declined() -> None:
    """Declined once, the key never takes money, though the gateway is well again; another key does."""
    double = gateway()
    double.fail_next(PortFault.DECLINED, "authorize")
    for ask in (double.authorize, double.authorize, double.lookup, double.close, double.capture):
        assert said(ask(CHARGE)) is OutcomeStatus.DECLINED
    assert double.taken == 0
    other = ChargeRequest("o-1/2", "o-1", 1_000, "CNY", "a-1")
    assert said(double.authorize(other)) is OutcomeStatus.CAPTURED


def test_a_switch_declines_until_it_is_turned_back() -> None:
    """While it declines, each new charge is declined."""
    double = gateway()
    double.declines = True
    assert said(double.authorize(CHARGE)) is OutcomeStatus.DECLINED
    double.declines = False
    other = ChargeRequest("o-1/2", "o-1", 1_000, "CNY", "a-1")
    assert said(double.authorize(other)) is OutcomeStatus.CAPTURED


def test_a_channel_may_close_too_early_for_a_while() -> None:
    """*Too early* leaves the attempt as it is, by switch or once."""
    double = FaultyGateway(MemoryGateway("wechat", CLOCK, asks_payer=True))
    double.authorize(CHARGE)
    double.closes_too_early = True
    assert said(double.close(CHARGE)) is OutcomeStatus.TOO_EARLY
    double.closes_too_early = False
    double.fail_next(PortFault.TOO_EARLY, "close")
    assert said(double.close(CHARGE)) is OutcomeStatus.TOO_EARLY
    assert said(double.lookup(CHARGE)) is OutcomeStatus.WAITING
    assert said(double.close(CHARGE)) is OutcomeStatus.VOIDED


def test_refunds_wait_until_they_arrive() -> None:
    """Accepted, and looked up as accepted, until they are let go."""
    double = gateway()
    double.authorize(CHARGE)
    double.refunds_wait = True
    for _ in range(2):
        assert returned(double.refund(REFUND)) is RefundStatus.ACCEPTED
        assert returned(double.lookup_refund(REFUND)) is RefundStatus.ACCEPTED
    double.arrive(REFUND.key)
    assert returned(double.lookup_refund(REFUND)) is RefundStatus.ARRIVED
    other = RefundRequest("r-2#0", "o-1/1", "", 100, "CNY")
    assert returned(double.refund(other)) is RefundStatus.ACCEPTED
    double.refunds_wait = False
    double.arrive()
    assert returned(double.refund(other)) is RefundStatus.ARRIVED


@pytest.mark.parametrize(
    ("fault", "status"),
    [(PortFault.UNKNOWN, RefundStatus.UNKNOWN), (PortFault.DECLINED, RefundStatus.FAILED)],
    ids=["unknown", "failed"],
)
def test_a_refund_may_fail(fault: PortFault, status: RefundStatus) -> None:
    """A fault answers for the gateway, which has given nothing back."""
    double = gateway()
    double.authorize(CHARGE)
    double.fail_next(fault, "refund")
    assert returned(double.refund(REFUND)) is status
    assert double.taken == 1_000


@pytest.mark.parametrize(
    ("fault", "left"), [(PortFault.NOT_SENT, 1_000), (PortFault.LOST_ANSWER, 600)], ids=str
)
def test_a_refund_may_time_out(fault: PortFault, left: int) -> None:
    """Before it is sent nothing goes back; with a lost answer it does, once."""
    double = gateway()
    double.authorize(CHARGE)
    double.fail_next(fault, "refund")
    with pytest.raises(GatewayTimeout):
        double.refund(REFUND)
    assert double.taken == left
    double.refund(REFUND)
    assert double.taken == 600


def test_a_double_of_an_asynchronous_gateway_is_asynchronous() -> None:
    """Faults after the call come when the answer is awaited."""

    class Later:
        capabilities = MemoryGateway("card", CLOCK).capabilities

        def __init__(self) -> None:
            self.inner = MemoryGateway("card", CLOCK)

        async def authorize(self, request: ChargeRequest) -> Outcome:
            return self.inner.authorize(request)

    later = Later()
    double = FaultyGateway(later)  # type: ignore[arg-type]
    double.fail_next(PortFault.LOST_ANSWER)

    async def twice() -> Outcome:
        with pytest.raises(GatewayTimeout):
            await double.authorize(CHARGE)  # type: ignore[misc]
        outcome: Outcome = await double.authorize(CHARGE)  # type: ignore[misc]
        return outcome

    assert asyncio.run(twice()).status is OutcomeStatus.CAPTURED
    assert later.inner.taken == 1_000


def test_a_double_has_what_it_wraps() -> None:
    """Holdings, capabilities, notifications and whatever else the wrapped one has; copies work."""
    double = FaultyGateway(AccountGateway("balance", CLOCK, {"a-1": 5_000}))
    assert double.available("a-1", "CNY") == 5_000
    assert double.capabilities == double.gateway.capabilities
    assert double.name == "balance"
    double.authorize(CHARGE)
    assert double.parse({}, b"balance:o-1/1").key == "o-1/1"
    assert copy.copy(double).gateway is double.gateway
    with pytest.raises(AttributeError):
        double.no_such_thing


def test_a_stock_keeper_may_fail() -> None:
    """Out of stock, not sent, or done with the answer lost; then it is what it wraps."""
    keeper = MemoryStock(CLOCK, {"A": 3})
    double = FaultyStock(keeper)
    double.fail_next(PortFault.DECLINED, "reserve")
    with pytest.raises(OutOfStock):
        double.reserve("r-1", [("A", 2)], START)
    double.fail_next(PortFault.NOT_SENT)
    with pytest.raises(OtherSideFailed):
        double.release("r-1")
    until = CLOCK.now().replace(hour=23)
    double.fail_next(PortFault.LOST_ANSWER, "reserve")
    with pytest.raises(OtherSideFailed):
        double.reserve("r-1", [("A", 2)], until)
    assert keeper.free("A") == double.free("A") == 1
    double.reserve("r-1", [("A", 2)], until)
    double.deduct("r-1")
    double.release("r-1")
    assert (double.free("A"), double.joins) == (3, False)
    assert [call.function for call in double.calls] == [
        "reserve", "release", "reserve", "reserve", "deduct", "release",
    ]  # fmt: skip


def test_a_publisher_collects_and_fails() -> None:
    """Events come in order, again after a failure, and each once to a consumer that looks at sequences."""
    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    story.send(Remind())
    told = [recorded for made in story.changes for recorded in made.recorded()]
    publisher = CollectingPublisher()
    for fault in (PortFault.NOT_SENT, PortFault.LOST_ANSWER):
        publisher.fail_next(fault)
        with pytest.raises(OtherSideFailed):
            publisher.publish(told)
    publisher.publish(told)
    assert publisher.events == told * 2
    assert publisher.of("o-1") == tuple(told)
    assert publisher.of("o-2") == ()
    assert len(publisher.calls) == 3
