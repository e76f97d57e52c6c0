"""One method, several channels: which takes the money, and which takes over where it cannot."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.channels import (
    AFTER,
    BALANCE_CARD,
    BEFORE,
    CARD,
    DEAF,
    DECLINE,
    NOT_SENT,
    POINTS_AND_CARD,
    SOFT,
    Channels,
    Scripted,
)
from tests.engine.combining import AGENT, cart
from tests.engine.world import SHOPPER, STAFF

from ordercore import CartLine, Money, tenders
from ordercore.errors import InvalidTenders, NotAllowed, NotFound
from ordercore.order import AddLine
from ordercore.tender import (
    AttemptState,
    Capabilities,
    CaptureMoment,
    ChannelChoice,
    ChannelRule,
    ChargeRequest,
    Failure,
    Outcome,
    OutcomeStatus,
)
from ordercore.testing.simulation import Fault, Simulation


def attempts(order: Any) -> list[tuple[str, str, str]]:
    """Gateway, state and class of failure of each attempt."""
    return [
        (a.gateway, a.state.value, "" if a.failure is None else a.failure.value)
        for a in order.payments.attempts
    ]


# --- Which channel ------------------------------------------------------------------------------


def test_a_method_goes_to_the_first_of_its_channels() -> None:
    """The shopper names a method; the order tells the channel, its backups and the method."""
    world = Channels()
    order = world.card().order
    (attempt,) = order.payments.attempts
    assert (attempt.gateway, attempt.backups, attempt.method) == ("a", ("b", "c"), "card")
    assert (order.state, world.moved()) == ("paid", {"a": 26997})
    world.check()


def test_a_rule_for_a_gateway_that_is_not_there_is_passed_over() -> None:
    """Only gateways that the engine has count."""
    rules = (ChannelRule("nowhere", "card"), ChannelRule("b", "card"))
    world = Channels(rules=rules)
    assert world.card().order.payments.attempts[0].backups == ()
    assert world.moved() == {"b": 26997}


def test_l12_a_method_that_no_channel_serves_is_refused_with_every_reason() -> None:
    """Nothing is written, and the error names each channel and why it does not take the payment."""
    rules = (
        ChannelRule("nowhere", "card"),
        ChannelRule("a", "card", enabled=False),
        ChannelRule("b", "card", currencies=("EUR",)),
        ChannelRule("c", "card", amount_min=27000),
    )
    world = Channels(rules=rules)
    order = world.placed()
    with world.refused(InvalidTenders) as caught:
        world.pay(order, CARD)
    assert [name for name, _ in caught.value.data["refused"]] == ["nowhere", "a", "b", "c"]
    with world.refused(InvalidTenders):
        world.engine.preview(order.id, CARD)


def test_l12_a_name_that_is_neither_a_gateway_nor_a_method_is_not_found() -> None:
    """A wrong name is told with the known ones."""
    world = Channels()
    order = world.placed()
    with world.refused(NotFound) as caught:
        world.pay(order, (tenders.Channel("cart"),))
    assert caught.value.path == "gateway"


def test_what_a_gateway_can_do_is_kept_to_without_any_rule() -> None:
    """A channel that declares a least amount is not asked for less."""
    able = Capabilities(amount_min=30_000)
    world = Channels(rules=(), each={"a": {"capabilities": able}})
    order = world.placed()
    with world.refused(InvalidTenders):
        world.pay(order, (tenders.Channel("a"),))
    assert world.pay(order, (tenders.Channel("b"),)).paid


def test_the_amount_that_decides_is_the_tenders_not_the_orders() -> None:
    """With points before it, the channel takes 257.63, which is within its limit."""
    rules = (ChannelRule("a", "card", amount_max=26_000), ChannelRule("b", "card"))
    world = Channels(rules=rules)
    assert world.card(POINTS_AND_CARD).order.payments.attempts[1].gateway == "a"
    assert Channels(rules=rules).card().order.payments.attempts[0].gateway == "b"


def test_the_best_recent_rate_of_success_is_chosen() -> None:
    """After twenty declines of the first channel the next payment goes to the second."""
    world = Channels(choose=ChannelChoice.SUCCESS, backups=0)
    world.a.script.extend([DECLINE] * 20)
    for _ in range(20):
        world.stock._stock = {f"SKU-{i}": 50 for i in (1, 2, 3)}
        assert world.card().declined == ("no funds",)
    assert world.card().order.payments.attempts[0].gateway == "b"
    told = {t.gateway: (t.tries, t.successes) for t in world.engine.channels()}
    assert (told["a"], told["b"]) == ((20, 0), (1, 1))


def test_the_moment_of_capture_and_the_parts_come_from_rule_and_capabilities() -> None:
    """Held until shipment, in several parts only where every channel of the payment can."""
    several = Capabilities(captures_at_once=False, partial_capture=True, multi_capture=True)
    rules = (
        ChannelRule("a", "card", capture=CaptureMoment.ON_SHIPMENT),
        ChannelRule("b", "card", capture=CaptureMoment.ON_SHIPMENT),
        ChannelRule("c", "card"),
    )
    each = {"a": {"capabilities": several}, "b": {"capabilities": several}}
    (attempt,) = Channels(rules=rules, each=each).card().order.payments.attempts
    assert (attempt.capture, attempt.several) == (CaptureMoment.ON_SHIPMENT, True)
    assert attempt.backups == ("b",)  # c would take the money at once
    del each["b"]
    (attempt,) = Channels(rules=rules, each=each).card().order.payments.attempts
    assert not attempt.several


# --- Which takes over ---------------------------------------------------------------------------


def test_l7_a_channel_that_takes_over_is_called_by_a_name_of_its_own_after_a_merge() -> None:
    """Attempts that another order brought, and may take away again, count for nothing in the names."""
    world = Channels()
    world.engine = world.another(lifecycles=[AGENT])
    extra = AddLine(CartLine("SKU-3", 1, Money("10.00", "CNY")))
    basic, added = [
        world.engine.place(
            world.engine.quote(cart(sku, "20.00")), key=sku, by=SHOPPER, lifecycle=AGENT
        )
        for sku in ("SKU-1", "SKU-2")
    ]
    for order in (basic, added):
        world.pay(order, CARD)
        world.engine.amend(order.id, [extra], key=world.key(), by=STAFF)
    world.engine.combine(basic.id, added.id, key="m", by=STAFF)
    world.a.script += [SOFT]
    world.b.script += [SOFT]
    world.c.script += [SOFT]
    world.pay(basic, CARD)
    apart, _ = world.engine.unmerge(basic.id, key="u", by=STAFF)
    order = world.pay(apart, CARD).order
    names = [attempt.id for attempt in order.payments.attempts]
    assert names == [f"{order.id}/{number}" for number in range(1, 6)]
    assert (order.due, world.moved()) == (0, {"a": 5_000})


@pytest.mark.parametrize(
    ("wrong", "failure"), [(SOFT, "soft"), (NOT_SENT, "not_sent"), (DEAF, "not_sent")]
)
def test_a_soft_failure_goes_on_to_the_next_channel(wrong: Any, failure: str) -> None:
    """What may succeed elsewhere is tried there at once; the shopper hears of no decline."""
    world = Channels()
    world.a.script.append(wrong)
    result = world.card()
    assert attempts(result.order) == [("a", "declined", failure), ("b", "captured", "")]
    assert (result.declined, result.paid, world.moved()) == ((), True, {"b": 26997})
    world.check()


def test_a_decline_is_the_customers_to_mend() -> None:
    """No other channel is asked where the payer's side says no."""
    world = Channels()
    world.a.script.append(DECLINE)
    result = world.card()
    assert (result.declined, world.moved()) == (("no funds",), {})
    assert (world.b.heard, world.c.heard) == ([], [])


def test_every_channel_is_tried_once_and_then_the_customer_is_asked() -> None:
    """Three soft failures end the payment; the next one begins with the first channel again."""
    world = Channels()
    for channel in (world.a, world.b, world.c):
        channel.script.append(SOFT)
    result = world.card()
    assert [g for g, _, _ in attempts(result.order)] == ["a", "b", "c"]
    assert result.declined == ("the issuer is down",)
    assert world.pay(result.order, CARD).paid
    assert world.moved() == {"a": 26997}
    world.check()


def test_no_more_channels_are_tried_than_the_policy_says() -> None:
    """With one backup the third channel is not asked."""
    world = Channels(backups=1)
    world.a.script.append(SOFT)
    world.b.script.append(SOFT)
    assert world.card().declined == ("the issuer is down",)
    assert world.c.heard == []


@pytest.mark.parametrize("wrong", [BEFORE, AFTER])
def test_l7_an_unknown_outcome_is_looked_up_and_never_tried_elsewhere(wrong: Any) -> None:
    """After a time-out no other channel is asked: the same one is, by a question first."""
    world = Channels()
    world.a.script.append(wrong)
    result = world.card()
    assert result.unresolved
    world.at(2)
    assert world.moved() == {"a": 26997}
    assert world.get(result.order).state == "paid"
    assert world.b.heard == []
    key = f"{result.order.id}/1"
    asked_again = [f"authorize {key}"] if wrong is BEFORE else []
    assert world.a.heard == [f"authorize {key}", f"lookup {key}", *asked_again]
    world.check()


def test_l7_a_resent_call_that_fails_is_not_called_unsent() -> None:
    """An error of a later call says nothing of the first one: it stays open, on its own channel."""
    world = Channels()
    world.a.script.extend([BEFORE, DEAF])
    order = world.card().order
    world.at(2)
    assert attempts(world.get(order)) == [("a", "open", "")]
    assert world.b.heard == []
    world.at(10)
    assert world.moved() == {"a": 26997}
    world.check()


def test_l7_a_soft_answer_to_a_question_goes_on_elsewhere() -> None:
    """Looked up, the lost answer turns out to be a soft decline: only now another channel is asked."""
    world = Channels()
    world.a.decline("", Failure.SOFT)
    world.a.script.append(AFTER)
    order = world.card().order
    assert world.b.heard == []
    world.at(2)
    assert attempts(world.get(order))[1:] == [("b", "captured", "")]
    world.check()


def test_a_tender_after_a_soft_failure_waits_for_its_backup() -> None:
    """The second tender is sent only when the first is held, by whichever channel."""
    world = Channels(rules=(ChannelRule("a", "card"), ChannelRule("b", "card")))
    world.a.script.append(DEAF)
    world.b.script.append(DECLINE)
    two = (tenders.Channel("card", Money("50.00", "CNY")), tenders.Channel("c"))
    result = world.pay(world.placed(), two)
    assert world.c.heard == []
    assert attempts(result.order) == [
        ("a", "declined", "not_sent"),
        ("c", "declined", "not_sent"),
        ("b", "declined", ""),
    ]
    assert result.declined == ("no funds", "not sent: another tender failed first")
    world.check()


def test_a_payer_is_asked_by_the_backup() -> None:
    """The action is the one of the channel that took over."""
    world = Channels(each={"b": {"asks_payer": True}})
    world.a.script.append(SOFT)
    result = world.card()
    assert result.action is not None
    assert result.action.gateway == "b"
    key = result.order.payments.attempts[-1].id
    world.engine.notify("b", {}, world.b.pay(key))
    assert world.get(result.order).state == "paid"
    world.check()


def test_a_soft_failure_that_is_told_later_goes_on_elsewhere() -> None:
    """A code that its channel gives up softly is followed by another channel's."""
    world = Channels(each={"a": {"asks_payer": True}})
    order = world.card().order
    key = f"{order.id}/1"
    world.a._charges[key].outcome = SOFT
    world.engine.notify("a", {}, world.a.notification(key))
    assert attempts(world.get(order)) == [("a", "declined", "soft"), ("b", "captured", "")]
    world.check()


def test_an_order_that_is_about_to_end_goes_on_to_no_channel() -> None:
    """Time is up: a soft failure found then is the last word."""
    world = Channels(each={"a": {"asks_payer": True}})
    order = world.card().order
    world.a._charges[f"{order.id}/1"].outcome = SOFT
    world.at(30)
    assert (world.get(order).state, world.b.heard) == ("closed", [])
    world.check()


# --- What was given up --------------------------------------------------------------------------


class Liar(Scripted):
    """A channel that says it did nothing, and took the money."""

    def authorize(self, request: Any) -> Any:
        """Take it, and deny it."""
        super().authorize(request)
        raise DEAF


def test_l7_a_channel_that_was_given_up_is_asked_once_more() -> None:
    """It took the money after all: it goes back, and the backup's is kept."""
    world = Channels()
    world.gateways["a"] = liar = Liar("a", world.clock)
    world.engine = world.another()
    order = world.card().order
    assert (order.state, world.moved()) == ("paid", {"a": 26997, "b": 26997})
    world.at(2)
    assert world.moved() == {"b": 26997}
    assert world.get(order).payments.attempt(f"{order.id}/1").state is AttemptState.RETURNED
    assert liar.heard[1:] == [f"lookup {order.id}/1", f"void {order.id}/1"]
    world.check()


def test_a_channel_that_does_not_answer_is_asked_until_it_does() -> None:
    """The question outlives an outage."""
    world = Channels()
    world.gateways["a"] = liar = Liar("a", world.clock)
    world.engine = world.another()
    order = world.card().order
    liar.down = True
    for minute in (2, 10, 30):
        world.at(minute)
    assert world.moved() == {"a": 26997, "b": 26997}
    liar.down = False
    Simulation(world.engine).recover(world.clock)
    assert (world.moved(), world.get(order).state) == ({"b": 26997}, "paid")
    world.check()


def test_l21_a_code_that_was_given_up_softly_and_is_paid_all_the_same_goes_back() -> None:
    """Two channels paid for one order: one is kept, the other returned without staff."""
    world = Channels(each={"a": {"asks_payer": True}})
    order = world.card().order
    key = f"{order.id}/1"
    charge = world.a._charges[key]
    charge.outcome = SOFT
    world.engine.notify("a", {}, world.a.notification(key))
    charge.outcome = Outcome(OutcomeStatus.WAITING)
    world.engine.notify("a", {}, world.a.pay(key))
    assert (world.moved(), world.get(order).state) == ({"b": 26997}, "paid")
    world.check()


# --- Undoing ------------------------------------------------------------------------------------


def test_what_is_held_is_undone_last_tender_first() -> None:
    """A later tender fails: the others are given back in reverse order of the plan, and the journal tells so."""
    world = Channels()
    world.a.script.append(DECLINE)
    heard: list[str] = []
    for gateway in (world.points, world.balance):
        void = gateway.void

        def noted(request: Any, void: Any = void) -> Any:
            heard.append(request.key)
            return void(request)

        gateway.void = noted  # type: ignore[method-assign]
    order = world.card(BALANCE_CARD).order
    assert heard == [f"{order.id}/2", f"{order.id}/1"]
    told = [
        e.event.attempt
        for e in world.engine.journal(order.id)
        if e.event.name == "payment.answered"
    ]
    assert told[-2:] == heard
    assert world.accounts() == (5000, 10_000, 8000)
    world.check()


SCRIPTS: dict[str, dict[str, list[Any]]] = {
    "soft, then taken": {"a": [SOFT]},
    "refused, then taken": {"a": [DEAF]},
    "two soft, then taken": {"a": [SOFT], "b": [DEAF]},
    "soft, then declined": {"a": [SOFT], "b": [DECLINE]},
    "soft, then lost": {"a": [SOFT], "b": [AFTER]},
    "soft, then no answer": {"a": [DEAF], "b": [BEFORE]},
    "all fail": {"a": [SOFT], "b": [DEAF], "c": [NOT_SENT]},
}


@pytest.mark.parametrize("first", [False, True], ids=["at once", "authorizes first"])
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.value)
def test_l7_a_fault_at_any_step_of_a_failover_is_recovered_by_sweeps(
    fault: Fault, script: str, first: bool
) -> None:
    """Whatever call dies or times out while channels take over, no money is taken twice or stranded."""
    tried = 0
    for step in range(1, 100):
        world = Channels(each={name: {"authorizes_first": first} for name in "abc"})
        for name, wrong in SCRIPTS[script].items():
            world.gateways[name].script.extend(wrong)
        order = world.placed()
        simulation = Simulation(world.engine)
        walk = simulation.pay(order.id, BALANCE_CARD, key="k", by=SHOPPER).go(step - 1)
        if walk.ended:
            break
        owner = getattr(walk.step.fn, "__self__", None)
        if fault in {Fault.NO_ANSWER, Fault.LOST_ANSWER} and owner not in world.gateways.values():
            continue  # a store that times out is not a channel's doing
        assert walk.strike(step, fault)
        tried = step
        assert simulation.recover(world.clock) == (), f"step {step}"
        try:
            world.check()
        except AssertionError as error:
            error.add_note(f"step {step}")
            raise
    assert tried


def pay_once_more(world: Channels, simulation: Simulation, order: Any) -> Any:
    """The shopper is impatient and pays again."""
    return simulation.pay(order.id, CARD, key="again", by=SHOPPER)


def sweep_soon(world: Channels, simulation: Simulation, order: Any) -> Any:
    """A worker resolves what is open."""
    world.clock.advance(timedelta(seconds=61))
    return simulation.sweep()


def pull(world: Channels, simulation: Simulation, order: Any) -> Any:
    """A worker asks for the channels' truth."""
    from ordercore.engine.discharging import pull_order

    return simulation.walk(pull_order(world.engine.shop, order.id), "pull")


def cancel(world: Channels, simulation: Simulation, order: Any) -> Any:
    """The staff cancel."""
    return simulation.cancel(order.id, reason="gone", key="c", by=STAFF)


@pytest.mark.parametrize("other", [pay_once_more, sweep_soon, pull, cancel])
@pytest.mark.parametrize("script", ["soft, then taken", "refused, then taken", "soft, then lost"])
def test_l7_a_failover_that_meets_another_flow_charges_once(script: str, other: Any) -> None:
    """Two workers and a customer at once: stopped anywhere, both die or go on, and it comes out right."""
    for step in range(100):
        for steps, then in ((1, 0), (3, 0), (5, 100), (100, 0), (100, 100)):
            world = Channels()
            for name, wrong in SCRIPTS[script].items():
                world.gateways[name].script.extend(wrong)
            order = world.placed()
            simulation = Simulation(world.engine)
            first = simulation.pay(order.id, CARD, key="k", by=SHOPPER).go(step)
            if first.ended:
                return
            second = other(world, simulation, order).go(steps)
            for walk in (first.go(then), second.go(then)):
                if not walk.ended:
                    walk.crash()
            simulation.recover(world.clock)
            try:
                world.check()
            except AssertionError as error:
                error.add_note(f"stopped at {step}, other ran {steps}, then {then}")
                raise
    pytest.fail("the flow does not end")


@given(st.data())
def test_l7_any_failures_of_any_channels_charge_once(data: st.DataObject) -> None:
    """Whatever three channels do wrong, in whatever order: at the end one has the money, or none."""
    kinds = st.sampled_from([SOFT, DEAF, DECLINE, NOT_SENT, BEFORE, AFTER])
    world = Channels(each={n: {"authorizes_first": data.draw(st.booleans())} for n in "abc"})
    for channel in (world.a, world.b, world.c):
        channel.script.extend(data.draw(st.lists(kinds, max_size=3)))
    order = world.placed()
    for i in range(data.draw(st.integers(1, 3), "payments")):
        with suppress(NotAllowed):  # a payment under way, or one that was made, refuses the next
            world.engine.pay(order.id, POINTS_AND_CARD, key=f"k{i}", by=SHOPPER)
        world.at(seconds=70 * (i + 1))
    Simulation(world.engine).recover(world.clock)
    world.check()
    assert len(world.moved()) <= 2  # points, and at most one channel


def test_a_gateway_that_left_the_shop_is_told_by_the_doctor() -> None:
    """A rule without its gateway: an error where nothing else serves the method, else a warning."""
    rules = (
        ChannelRule("a", "card"),
        ChannelRule("gone", "card"),
        ChannelRule("lost", "wallet"),
        ChannelRule("off", "wallet", enabled=False),
    )
    found = {
        f.path: f.severity.value
        for f in Channels(rules=rules).engine.doctor()
        if "channels" in f.path
    }
    assert found == {
        "channels.rules[1].gateway": "warning",
        "channels.rules[2].gateway": "error",
        "channels.rules[3].gateway": "information",
    }


# --- On demand ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [BEFORE, AFTER])
def test_pulling_an_attempt_without_an_answer_asks_and_sends_nothing(wrong: Any) -> None:
    """Whoever pulls may not know whether its sender still lives: the channel is asked, the call is not repeated."""
    world = Channels()
    world.a.script.append(wrong)
    order = world.card().order
    now = world.engine.pull(order.id)
    assert world.a.heard == [f"authorize {order.id}/1", f"lookup {order.id}/1"]
    assert now.state == ("paid" if wrong is AFTER else "pending_payment")
    world.at(2)
    assert world.moved() == {"a": 26997}
    world.check()


def test_news_about_one_tender_sends_no_other() -> None:
    """A notification that comes while a payment is being made leaves its open attempts to whoever makes it."""
    world = Channels(each={"a": {"asks_payer": True}})
    two = (tenders.Channel("card", Money("50.00", "CNY")), tenders.Channel("c"))
    order = world.placed()
    walk = Simulation(world.engine).pay(order.id, two, key="k", by=SHOPPER)
    while walk.step is not None and getattr(walk.step.fn, "__self__", None) is not world.c:
        walk.go()
    key = f"{order.id}/1"
    world.a.authorize(ChargeRequest(key, order.id, 5000, "CNY"))
    world.engine.notify("a", {}, world.a.pay(key))
    assert world.c.heard == []
    walk.finish()
    assert (world.moved(), world.get(order).state) == ({"a": 5000, "c": 21997}, "paid")
    world.check()
