"""The payment gateways in memory where money is held, taken in parts, or goes wrong on purpose."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import NOON

from ordercore import SettableClock
from ordercore.adapters.memory import AccountGateway, Captures, MemoryGateway
from ordercore.errors import GatewayError, InvalidInput
from ordercore.tender import (
    Capabilities,
    ChargeRequest,
    Failure,
    OutcomeStatus,
    RefundRequest,
    RefundStatus,
)

HOUR = timedelta(hours=1)


def asked(
    amount: int = 900, captured: int = 0, *, final: bool = True, account: str = "p"
) -> ChargeRequest:
    """A charge of one key, or a part of it."""
    return ChargeRequest("o/1", "o", amount, "CNY", account, captured=captured, final=final)


def back(key: str, amount: int) -> RefundRequest:
    """A refund of that charge."""
    return RefundRequest(key, "o/1", "", amount, "CNY")


def holding(captures: Captures = Captures.SEVERAL, **options: object) -> MemoryGateway:
    """A channel that holds 900 of one payer."""
    gateway = MemoryGateway(
        "card", SettableClock(NOON), authorizes_first=True, captures=captures, **options
    )  # type: ignore[arg-type]
    gateway.authorize(asked())
    return gateway


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["capture", "capture", "final", "refund", "refund", "void", "wait"]),
        st.integers(0, 1_000),
    ),
    max_size=12,
)


@given(STEPS, st.sampled_from(Captures))
def test_l8_what_is_held_is_at_least_what_is_captured_and_that_at_least_what_is_refunded(
    steps: list[tuple[str, int]], captures: Captures
) -> None:
    """Whatever is asked of it in whatever order, a channel holds >= takes >= gives back, and never less than nothing."""
    clock = SettableClock(NOON)
    gateway = MemoryGateway(
        "card", clock, authorizes_first=True, captures=captures, holds_for=5 * HOUR
    )
    gateway.authorize(asked())
    for i, (step, amount) in enumerate(steps):
        charge = gateway._charges["o/1"]
        before = charge.captured
        try:
            if step in {"capture", "final"}:
                gateway.capture(asked(amount, charge.captured, final=step == "final"))
            elif step == "refund":
                gateway.refund(back(f"r{i}", amount))
            elif step == "void":
                gateway.void(asked())
            else:
                clock.advance(HOUR)
        except GatewayError:
            assert charge.captured == before, "a refusal has taken money"
        assert charge.held == 900
        assert 0 <= charge.refunded <= charge.captured <= charge.held
        assert 0 <= gateway.held <= charge.held - charge.captured
        assert gateway.taken == charge.captured - charge.arrived


def test_a_channel_that_takes_a_whole_takes_no_part() -> None:
    """What it cannot do it refuses, and goes on holding."""
    gateway = holding(Captures.WHOLE)
    with pytest.raises(GatewayError):
        gateway.capture(asked(400))
    once = holding(Captures.ONCE)
    with pytest.raises(GatewayError):
        once.capture(asked(400, final=False))
    assert (gateway.held, once.held, gateway.taken, once.taken) == (900, 900, 0, 0)


def test_what_is_held_too_long_is_let_go() -> None:
    """An authorization that was not taken in time is *voided*; of one that was taken in part, the part stays."""
    clock = SettableClock(NOON)
    gateway = MemoryGateway(
        "card", clock, authorizes_first=True, captures=Captures.SEVERAL, holds_for=HOUR
    )
    assert gateway.authorize(asked()).expires_at == NOON + HOUR
    clock.advance(HOUR)
    assert gateway.lookup(asked()).status is OutcomeStatus.VOIDED
    assert gateway.capture(asked()).status is OutcomeStatus.VOIDED
    assert (gateway.held, gateway.taken) == (0, 0)

    clock = SettableClock(NOON)
    gateway = MemoryGateway(
        "card", clock, authorizes_first=True, captures=Captures.SEVERAL, holds_for=HOUR
    )
    gateway.authorize(asked())
    gateway.capture(asked(300, final=False))
    clock.advance(HOUR)
    found = gateway.capture(asked(600, 300))
    assert (found.status, found.amount) == (OutcomeStatus.CAPTURED, 300)
    assert (gateway.held, gateway.taken) == (0, 300)


@pytest.mark.parametrize("failure", [None, *Failure])
def test_a_decline_tells_its_class(failure: Failure | None) -> None:
    """And the account is well again when it is mended."""
    gateway = MemoryGateway("card", SettableClock(NOON))
    gateway.decline("p", failure)
    said = gateway.authorize(asked())
    assert (said.status, said.failure) == (OutcomeStatus.DECLINED, failure)
    gateway.mend("p")
    other = ChargeRequest("o/2", "o", 900, "CNY", "p")
    assert gateway.authorize(other).status is OutcomeStatus.CAPTURED


def test_less_may_be_authorized_than_was_asked() -> None:
    """Then the answer says how much; an account takes all or nothing."""
    gateway = MemoryGateway("card", SettableClock(NOON), authorizes_first=True)
    gateway.authorize_less("p", 500)
    assert gateway.authorize(asked()).amount == 500
    assert gateway.held == 500
    with pytest.raises(InvalidInput):
        AccountGateway("balance", SettableClock(NOON)).authorize_less("p", 500)


@pytest.mark.parametrize("paid", [500, 900, 1_300])
def test_a_payer_may_pay_another_amount(paid: int) -> None:
    """The channel tells what came, where that is not what was asked."""
    gateway = MemoryGateway("transfer", SettableClock(NOON), asks_payer=True)
    gateway.authorize(asked())
    told = gateway.parse({}, gateway.pay("o/1", amount=paid))
    assert told.amount == gateway.taken == paid
    assert told.outcome.amount == (None if paid == 900 else paid)  # type: ignore[union-attr]


def test_refunds_fail_where_they_are_told_to() -> None:
    """An expired card takes nothing back; what was accepted may still bounce, and can then go again."""
    gateway = holding()
    gateway.capture(asked(900))
    gateway.fail_refunds("p")
    assert gateway.refund(back("r1", 100)).status is RefundStatus.FAILED
    gateway.mend("p")
    assert gateway.refund(back("r1", 100)).status is RefundStatus.FAILED, "a key keeps its answer"
    assert gateway.refund(back("r2", 100)).status is RefundStatus.ARRIVED
    slow = holding(refunds_arrive=False)
    slow.capture(asked(900))
    slow.refund(back("r1", 900))
    slow.bounce("r1")
    assert slow.lookup_refund(back("r1", 900)).status is RefundStatus.FAILED
    assert slow.refund(back("r2", 900)).status is RefundStatus.ACCEPTED


def test_declared_refund_limits_are_kept() -> None:
    """So many of one charge, so far apart, so long after it was taken."""
    clock = SettableClock(NOON)
    limits = Capabilities(
        refunds_max=2, refund_spacing=timedelta(minutes=1), refund_window=timedelta(days=1)
    )
    gateway = MemoryGateway("wechat", clock, capabilities=limits)
    gateway.authorize(asked())
    assert gateway.refund(back("r1", 100)).status is RefundStatus.ARRIVED
    with pytest.raises(GatewayError):
        gateway.refund(back("r2", 100))
    clock.advance(timedelta(minutes=1))
    assert gateway.refund(back("r2", 100)).status is RefundStatus.ARRIVED
    clock.advance(timedelta(minutes=1))
    assert gateway.refund(back("r3", 100)).status is RefundStatus.FAILED
    late = MemoryGateway("wechat", clock, capabilities=limits)
    late.authorize(asked())
    clock.advance(timedelta(days=1, seconds=1))
    assert late.refund(back("r1", 100)).status is RefundStatus.FAILED
