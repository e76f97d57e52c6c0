"""Held money through crashes, lost answers and any sequence of shipments, captures, refunds and ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.holding import CARD, MIXED, PREPAID, STAFF, TRANSFER, WEEK, Holding

from ordercore import Manifest, Money, Order, tenders
from ordercore.adapters.memory import Captures, MemoryGateway
from ordercore.engine.capturing import capture, confirm_payment
from ordercore.engine.fulfilling import advance, ship_goods
from ordercore.errors import GatewayTimeout, InvalidInput, NotAllowed
from ordercore.order import Deliver
from ordercore.tender import AttemptState, CaptureMoment, Outcome
from ordercore.testing.simulation import STEPS_MAX, Fault, Simulation, Walk

_M = CaptureMoment
Start = Callable[[Holding, Simulation], Walk[Any]]
EVERY = (tenders.Points(1234, "c1"), tenders.Channel("card"))


def begin_pay(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Pay with points and held money."""
    return simulation.pay(world.placed().id, MIXED, key="k", by=STAFF)


def begin_declined(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Pay with held money and a channel that declines."""
    world.channel.decline("bad")
    offers = (
        tenders.Channel("card", Money("100.00", "CNY")),
        tenders.Channel("wechat", account="bad"),
    )
    return simulation.pay(world.placed().id, offers, key="k", by=STAFF)


def begin_ship_part(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Send one of three lines."""
    order, goods = world.held(), Manifest.of({"1": 1})
    return simulation.walk(ship_goods(world.engine.shop, order.id, goods, "", "", "k", STAFF))


def begin_ship_rest(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Send the rest of a half-sent order."""
    order = world.ship(world.held(), "2")
    return simulation.walk(ship_goods(world.engine.shop, order.id, None, "", "", "k", STAFF))


def begin_capture(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Take a part by hand."""
    order = world.held()
    amount = Money("99.99", "CNY")
    return simulation.walk(capture(world.engine.shop, order.id, amount, "", "k", STAFF))


def begin_refund_part(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Refund one line of a half-sent order."""
    order = world.ship(world.held(), "2")
    goods = Manifest.of({"3": 1})
    return simulation.refund(order.id, goods, reason="broken", key="k", by=STAFF)


def begin_refund_all(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Refund all of a half-sent order."""
    order = world.ship(world.held(), "2")
    return simulation.refund(order.id, reason="broken", key="k", by=STAFF)


def begin_cancel(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Cancel an order whose money is held."""
    return simulation.cancel(world.held().id, reason="no", key="k", by=STAFF)


def begin_confirm(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Say that a transfer came, and that it was too much."""
    order = world.placed()
    world.pay(order, TRANSFER)
    amount = Money("300.00", "CNY")
    return simulation.walk(
        confirm_payment(
            world.engine.shop, order.id, f"{order.id}/1", amount, True, "", None, "k", STAFF
        )
    )


def begin_refused_parcel(world: Holding, simulation: Simulation) -> Walk[Any]:
    """A parcel is refused: the prepaid part goes back."""
    order = world.ship(world.held(PREPAID))
    return simulation.refund(order.id, reason="refused", key="k", by=STAFF)


def begin_ending(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Sweep before the authorization of a half-sent order ends."""
    world.ship(world.held(), "1")
    world.clock.advance(WEEK - timedelta(days=1))
    return simulation.sweep()


def begin_lapsed(world: Holding, simulation: Simulation) -> Walk[Any]:
    """Sweep when it has ended."""
    world.held()
    world.clock.advance(WEEK)
    return simulation.sweep()


def begin_deliver(world: Holding, simulation: Simulation) -> Walk[Any]:
    """The goods arrive."""
    order = world.ship(world.held())
    return simulation.walk(advance(world.engine.shop, order.id, Deliver(), "", "k", STAFF))


FLOWS: dict[str, tuple[Start, CaptureMoment]] = {
    "pay": (begin_pay, _M.ON_SHIPMENT),
    "pay, later one declined": (begin_declined, _M.ON_SHIPMENT),
    "ship a part": (begin_ship_part, _M.ON_SHIPMENT),
    "ship the rest": (begin_ship_rest, _M.ON_SHIPMENT),
    "capture": (begin_capture, _M.BY_HAND),
    "refund a part": (begin_refund_part, _M.ON_SHIPMENT),
    "refund all": (begin_refund_all, _M.ON_SHIPMENT),
    "refund all by hand": (begin_refund_all, _M.BY_HAND),
    "cancel": (begin_cancel, _M.ON_SHIPMENT),
    "confirm": (begin_confirm, _M.ON_SHIPMENT),
    "refused parcel": (begin_refused_parcel, _M.ON_SHIPMENT),
    "authorization ends": (begin_ending, _M.BY_HAND),
    "authorization ended": (begin_lapsed, _M.ON_SHIPMENT),
    "deliver": (begin_deliver, _M.ON_DELIVERY),
}


def strikes(name: str, fault: Fault, captures: Captures) -> Any:
    """A fresh world for each step at which ``fault`` can strike, already struck."""
    start, moment = FLOWS[name]
    for at in range(1, 200):
        world = Holding(moment, captures)
        simulation = Simulation(world.engine)
        walk = start(world, simulation)
        if not walk.strike(at, fault):
            return
        yield at, world, simulation, walk


def outside(world: Holding, walk: Walk[Any]) -> bool:
    """Whether the walk stands before a call of a gateway."""
    owner = getattr(walk.step.fn, "__self__", None) if walk.step else None
    return owner in world.ports.values()


@pytest.mark.parametrize("captures", [Captures.ONCE, Captures.SEVERAL])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
@pytest.mark.parametrize("name", FLOWS)
def test_l7_a_crash_at_any_step_strands_and_doubles_no_held_money(
    name: str, fault: Fault, captures: Captures
) -> None:
    """The process dies before or after any of its calls: sweeps finish what was begun, once."""
    tried = 0
    for at, world, simulation, _ in strikes(name, fault, captures):
        tried += 1
        failed = simulation.recover(world.clock)
        try:
            assert not failed
            world.check()
        except AssertionError as error:
            error.add_note(f"{name} at step {at}")
            raise
    assert tried > 1


@pytest.mark.parametrize("fault", [Fault.NO_ANSWER, Fault.LOST_ANSWER])
@pytest.mark.parametrize("name", FLOWS)
def test_l7_a_lost_answer_at_any_call_of_a_gateway_strands_and_doubles_no_held_money(
    name: str, fault: Fault
) -> None:
    """A call that is not made, or whose answer is lost, is asked again under the same name."""
    start, moment = FLOWS[name]
    for at in range(1, 200):
        world = Holding(moment)
        simulation = Simulation(world.engine)
        walk = start(world, simulation).go(at - 1)
        if walk.ended:
            break
        if not outside(world, walk):
            continue
        walk.strike(at, fault)
        failed = simulation.recover(world.clock)
        try:
            assert not failed
            world.check()
        except AssertionError as error:
            error.add_note(f"{name} at step {at}")
            raise


# --- Any sequence -------------------------------------------------------------------------------


class Flaky(MemoryGateway):
    """A card that now and then loses a call or its answer."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.faults: list[str] = []

    def _met(self, ask: Callable[[Any], Outcome], request: Any) -> Outcome:
        fault = self.faults.pop() if self.faults else ""
        if fault == "unsent":
            raise GatewayTimeout("not sent", path=request.key)
        outcome = ask(request)
        if fault == "lost":
            raise GatewayTimeout("no answer", path=request.key)
        return outcome

    def capture(self, request: Any) -> Outcome:
        """Take, unless a fault is due."""
        return self._met(super().capture, request)

    def void(self, request: Any) -> Outcome:
        """Give back, unless a fault is due."""
        return self._met(super().void, request)

    def authorize(self, request: Any) -> Outcome:
        """Hold, unless a fault is due."""
        return self._met(super().authorize, request)


OFFERS = {
    "card": CARD,
    "points and card": EVERY,
    "points and courier": PREPAID,
    "card and courier": (
        tenders.Channel("card", Money("120.01", "CNY")),
        tenders.OnDelivery(),
    ),
    "balance, card and courier": (
        tenders.Balance(Money("30.00", "CNY"), "c1"),
        tenders.Channel("card", Money("120.01", "CNY")),
        tenders.OnDelivery(),
    ),
}
LINES = st.sets(st.sampled_from(["1", "2", "3"]), min_size=1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ship"), LINES),
        st.tuples(st.just("refund"), LINES),
        st.tuples(st.just("refund all"), st.none()),
        st.tuples(st.just("capture"), st.one_of(st.none(), st.integers(1, 27_000))),
        st.tuples(st.just("confirm"), st.one_of(st.none(), st.integers(1, 27_000))),
        st.tuples(st.just("cancel"), st.none()),
        st.tuples(st.just("deliver"), st.none()),
        st.tuples(st.just("complete"), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 60 * 24, 60 * 24 * 4])),
        st.tuples(st.just("news"), st.none()),
        st.tuples(st.just("fault"), st.lists(st.sampled_from(["lost", "unsent"]), max_size=3)),
    ),
    max_size=10,
)


def confirm(world: Holding, order: Order, what: int | None) -> None:
    """The courier tells what was collected."""
    for attempt in order.payments.attempts:
        if attempt.gateway == "cod":
            amount = None if what is None else f"{what / 100:.2f}"
            world.confirm(order, amount, attempt=attempt.id)


def news(world: Holding, _order: Order, _what: None) -> None:
    """The card repeats what it has to say."""
    for key in world.card._charges:
        world.engine.notify("card", {}, world.card.notification(key))


ACTS: dict[str, Callable[[Holding, Order, Any], object]] = {
    "ship": lambda world, order, what: world.ship(order, *sorted(what)),
    "refund": lambda world, order, what: world.refund(order, *sorted(what)),
    "refund all": lambda world, order, _: world.refund(order),
    "capture": lambda world, order, what: world.capture(
        order, None if what is None else f"{what / 100:.2f}"
    ),
    "confirm": confirm,
    "cancel": lambda world, order, _: world.engine.cancel(
        order.id, reason="no", key=world.key(), by=STAFF
    ),
    "deliver": lambda world, order, _: world.engine.deliver(order.id, key=world.key()),
    "complete": lambda world, order, _: world.engine.complete(order.id, key=world.key()),
    "wait": lambda world, _, what: world.sweep_at(timedelta(minutes=what)),
    "fault": lambda world, _, what: world.card.faults.extend(what),
    "news": news,
}


def act(world: Holding, order: Order, step: str, what: Any) -> None:
    """One thing that may happen to an order; what is refused changes nothing."""
    ACTS[step](world, order, what)


@given(
    st.sampled_from(sorted(OFFERS)),
    st.sampled_from([_M.ON_SHIPMENT, _M.ON_DELIVERY, _M.BY_HAND]),
    st.sampled_from(Captures),
    STEPS,
)
def test_l8_any_sequence_of_shipments_captures_refunds_and_ends_keeps_the_laws_of_money(
    offers: str, moment: CaptureMoment, captures: Captures, steps: list[tuple[str, Any]]
) -> None:
    """L6, L7, L8, L9, L22: held >= taken >= given back for each tender, each taken once, in the books as at the channel."""
    world = Holding(moment, captures, card=Flaky)
    order = world.held(OFFERS[offers])
    for step, what in steps:
        with suppress(NotAllowed, InvalidInput):
            act(world, world.get(order), step, what)
        world.check(settled=False)
    world.card.faults = []
    simulation = Simulation(world.engine)
    simulation.recover(world.clock)
    by_hand = [
        a
        for a in world.get(order).payments.attempts
        if a.state is AttemptState.RETURNING and a.gateway == "cod"
    ]
    for attempt in by_hand:  # money that came has to be sent back by somebody, who says so
        world.confirm(order, attempt=attempt.id, paid=False)
    world.check()


@given(STEPS, st.integers(1, 40), st.sampled_from([*Fault]))
def test_l7_any_sequence_with_a_crash_in_it_is_recovered(
    steps: list[tuple[str, Any]], at: int, fault: Fault
) -> None:
    """After any beginning a refund of all dies at any step: sweeps finish it, once."""
    world = Holding(_M.ON_SHIPMENT)
    order = world.held(EVERY)
    for step, what in steps:
        if step in {"fault", "confirm"}:
            continue
        with suppress(NotAllowed, InvalidInput):
            act(world, world.get(order), step, what)
    simulation = Simulation(world.engine)
    walk = simulation.refund(order.id, reason="broken", key="last", by=STAFF)
    if fault in {Fault.NO_ANSWER, Fault.LOST_ANSWER}:
        walk.go(at - 1)
        if walk.ended or not outside(world, walk):
            fault = Fault.CRASH_AFTER
    if not walk.strike(at, fault):
        walk.go(STEPS_MAX)
    simulation.recover(world.clock)
    world.check()
