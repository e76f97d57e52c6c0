"""Paying: plans over several tenders, declines, payers that must act, and one effect for a key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from tests.engine.world import (
    CHANNEL,
    FOUR,
    NOON,
    SHOPPER,
    STAFF,
    THREE,
    StubbornGateway,
    World,
    after,
)

from ordercore import (
    Actor,
    ActorKind,
    CommandKind,
    InvalidInput,
    KeyReused,
    Money,
    NotAllowed,
    NotFound,
    Percent,
    Policies,
    PricingPolicy,
    TaxPolicy,
    TenderPolicy,
    TenderRule,
    standing,
    tenders,
)
from ordercore.adapters.memory import MemoryGateway
from ordercore.errors import GatewayTimeout, InvalidMoney, InvalidTenders
from ordercore.order.standing import PaymentStanding
from ordercore.tender import ActionKind, AttemptState, CapBase, ChargeRequest, Outcome
from ordercore.testing import laws
from ordercore.testing.simulation import Simulation

CASH = (tenders.Balance(Money("100.00", "CNY"), "c1"), tenders.Channel("wechat"))


def states(order: Any) -> list[str]:
    """Where the attempts of an order stand."""
    return [attempt.state.value for attempt in order.payments.attempts]


def capped(step: int) -> Policies:
    """Points for at most 4 % of the goods after discounts."""
    return Policies(
        pricing=PricingPolicy(tax=TaxPolicy(default=Percent.of("13"))),
        tenders=TenderPolicy(
            (
                TenderRule("points", step=step, cap_share=Percent.of("4"), cap_of=CapBase.GOODS),
                TenderRule("balance"),
            )
        ),
    )


# --- Plans --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "paid", "used", "kept"),
    [
        ({"step": 1}, [1234, 5000, 20763], 1234, 0),
        ({"step": 100}, [1200, 5000, 20797], 1200, 34),
        ({"policies": capped(1)}, [1079, 5000, 20918], 1079, 155),
        ({"policies": capped(100)}, [1000, 5000, 20997], 1000, 234),
    ],
    ids=["step 1", "step 100", "capped", "capped, step 100"],
)
def test_case_1_points_balance_and_channel_pay_order_a(
    policies: dict[str, Any], paid: list[int], used: int, kept: int
) -> None:
    """12.34 + 50.00 + 207.63; in steps of 100 points 12.00; capped at 4 % of goods 10.79 and 10.00."""
    world = World(**policies)
    order = world.paid()
    plan = order.payments.plan
    assert plan is not None
    assert [tender.amount for tender in plan.tenders] == paid
    assert (plan.tenders[0].points, plan.tenders[0].kept) == (used, kept)
    assert world.accounts()[:2] == (5000 - used, 5000)
    assert [g.taken for g in (world.points, world.balance, world.channel)] == paid
    world.check()


def test_case_2_the_matrix_of_order_a_has_both_margins() -> None:
    """Each row is 89.99; the columns are 1,234 points, 50.00 and 207.63."""
    world = World()
    plan = world.paid().payments.plan
    assert plan is not None
    assert [sum(row) for row in plan.matrix] == [8999, 8999, 8999]
    assert [sum(column) for column in zip(*plan.matrix, strict=True)] == [1234, 5000, 20763]
    laws.tenders_conserved(plan)


@pytest.mark.parametrize("offers", [THREE, FOUR, CHANNEL, CASH])
def test_l6_the_preview_is_what_the_payment_does(offers: tuple[Any, ...]) -> None:
    """The plan that was shown is the plan that is frozen on the order, and showing it writes nothing."""
    world = World()
    order = world.placed()
    before = world.snapshot()
    shown = world.engine.preview(order.id, offers).plan
    assert world.snapshot() == before
    assert world.pay(order, offers).order.payments.plan == shown
    assert sum(tender.amount for tender in shown.tenders) == order.total


def test_l6_the_order_of_the_offers_does_not_matter() -> None:
    """The shop declares the order of its tenders; the shopper's order of naming them is no matter."""
    world = World()
    order = world.placed()
    one, other = world.engine.preview(order.id, FOUR), world.engine.preview(order.id, FOUR[::-1])
    assert one.plan == other.plan
    assert one.reasons == other.reasons[::-1]


def test_an_open_balance_pays_as_much_as_is_there_and_fits() -> None:
    """A tender without an amount takes what the account holds, up to what is due."""
    world = World()
    offers = (tenders.Balance(account="c1"), tenders.StoredValue("GC-9"), tenders.Channel("wechat"))
    world.paid(offers)
    assert world.accounts() == (5000, 0, 0)
    assert world.channel.taken == 26997 - 10_000 - 8_000
    world.check()


def test_a_paid_order_is_an_advance_in_the_books() -> None:
    """Payment books the money by gateway against advances; nothing is earned yet."""
    world = World()
    result = world.pay(world.placed())
    assert (result.paid, result.action, result.declined) == (True, None, ())
    assert world.books() == {
        "points_liability:points": 1234,
        "stored_value_liability:balance": 5000,
        "clearing:wechat": 20763,
        "advances": -26997,
    }
    assert standing(result.order).due == 0


def test_what_is_authorized_is_captured_once_all_tenders_are_held() -> None:
    """A channel that authorizes first is captured in the same payment, after all tenders are held."""
    world = World(authorizes_first=True)
    result = world.pay(world.placed(), FOUR)
    assert result.order.state == "paid"
    assert (world.channel.held, world.channel.taken) == (0, 17763)
    world.check()


def test_a_paid_order_waits_only_for_what_is_after_payment() -> None:
    """Once paid, neither a reminder nor a deadline nor an attempt's timer is left."""
    world = World()
    world.paid(FOUR)
    assert world.store.timers() == ()


# --- The payer must act -------------------------------------------------------------------------


def test_a_payer_who_must_act_is_told_how() -> None:
    """A waiting channel answers with a code that expires at the order's own deadline."""
    world = World(asks_payer=True)
    result = world.pay(world.placed())
    assert result.order.state == "pending_payment"
    assert not result.paid
    assert result.action is not None
    assert (result.action.kind, result.action.gateway) == (ActionKind.QR_CODE, "wechat")
    assert result.action.expires_at == after(30)
    assert standing(result.order).payment is PaymentStanding.PENDING
    assert states(result.order) == ["captured", "captured", "waiting"]


def test_a_waiting_payment_gives_way_to_another_one() -> None:
    """Who pays in another way gets the first attempt undone, and pays once."""
    world = World(asks_payer=True)
    order = world.placed()
    world.pay(order, THREE)
    world.channel._asks_payer = False
    result = world.pay(order, CASH)
    assert result.order.state == "paid"
    assert states(result.order) == ["returned", "returned", "returned", "captured", "captured"]
    assert world.accounts() == (5000, 0, 8000)
    world.check()


def test_a_waiting_payment_that_was_paid_after_all_is_not_paid_twice() -> None:
    """Before the first payment is given up the channel is asked; it was paid, so that stands."""
    world = World(asks_payer=True)
    order = world.placed()
    world.pay(order, THREE)
    world.channel.pay(f"{order.id}/3")
    with pytest.raises(NotAllowed):
        world.pay(order, CASH)
    assert world.get(order).state == "paid"
    assert world.accounts() == (3766, 5000, 8000)
    world.check()


@pytest.mark.parametrize("paid_since", [True, False])
def test_l21_an_old_code_that_is_paid_anyway_is_returned(paid_since: bool) -> None:
    """The payer of a code that was given up gets the money back; the order is paid once, or not at all."""
    world = World(channel=StubbornGateway, asks_payer=True)
    order = world.placed()
    world.pay(order, CHANNEL)
    old = f"{order.id}/1"
    result = world.pay(order, CASH)
    if paid_since:
        world.engine.notify("wechat", {}, world.channel.pay(f"{order.id}/3"))
    world.engine.notify("wechat", {}, world.channel.pay(old))
    now = world.get(order)
    assert now.payments.attempt(old).state is AttemptState.RETURNED
    assert now.state == ("paid" if paid_since else "pending_payment")
    assert result.action is not None
    if paid_since:
        world.check()


def test_a_waiting_payment_that_failed_unheard_makes_room_for_another() -> None:
    """The channel turned the first code down without a word: the next payment finds out, and pays."""
    world = World(asks_payer=True)
    order = world.placed()
    world.pay(order, THREE)
    world.channel.void(_request(world, world.get(order), 2))
    world.channel._asks_payer = False
    assert world.pay(order, CASH).order.state == "paid"
    world.check()


def _request(world: World, order: Any, place: int) -> Any:
    from ordercore.engine.discharging import charge_request, pay_until

    pay_by = pay_until(world.engine.shop, order)
    return charge_request(order, order.payments.attempts[place], pay_by)


# --- Declines -----------------------------------------------------------------------------------


def test_a_declined_tender_undoes_those_before_and_spares_those_after() -> None:
    """The gift card is declined: points and balance come back, and the channel is never asked."""
    world = World()
    world.cards.decline("GC-9")
    result = world.pay(world.placed(), FOUR)
    assert result.order.state == "pending_payment"
    assert states(result.order) == ["returned", "returned", "declined", "declined"]
    assert result.declined[0] == "declined by the issuer"
    assert world.accounts() == (5000, 10_000, 8000)
    assert world.channel._charges == {}
    assert world.books() == {}
    assert standing(result.order).due == 26997
    world.check()


def test_after_a_decline_the_order_is_paid_with_another_tender() -> None:
    """A decline leaves the order open: the next payment has a plan and attempts of its own."""
    world = World()
    order = world.placed()
    world.cards.decline("GC-9")
    world.pay(order, FOUR)
    result = world.pay(order, THREE)
    assert result.order.state == "paid"
    assert result.declined == ()
    assert len({attempt.id for attempt in result.order.payments.attempts}) == 7
    world.check()


def test_an_account_that_holds_less_than_was_offered_declines() -> None:
    """Points are offered up to a number; who has fewer is declined, and nothing is taken."""
    world = World()
    result = world.pay(world.placed(), (tenders.Points(9999, "c1"), tenders.Channel("wechat")))
    assert result.order.state == "pending_payment"
    assert result.declined[0] == "not enough on the account"
    world.check()


def test_an_error_of_a_gateway_is_a_decline_and_a_silence_is_not() -> None:
    """An error says that nothing was moved; no answer says nothing, and is asked again."""
    for silent in (False, True):
        world = World()
        order = world.placed()
        simulation = Simulation(world.engine)
        walk = simulation.pay(order.id, CHANNEL, key="k", by=SHOPPER)
        while walk.step is not None and walk.step.name != "MemoryGateway.authorize":
            walk.go()
        error = GatewayTimeout("no answer")
        result = (walk.lose(error) if silent else walk.fail(_broken())).finish()
        assert states(result.order) == (["open"] if silent else ["declined"])
        world.clock.advance(timedelta(seconds=60))
        world.engine.sweep()
        assert world.get(order).state == ("paid" if silent else "pending_payment")
        world.check()


def _broken() -> Exception:
    from ordercore.errors import GatewayError

    return GatewayError("the card is not known")


# --- The key ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"authorizes_first": True}, {"asks_payer": True}], ids=["once", "first", "asks"]
)
def test_l13_paying_twice_under_one_key_pays_once(options: dict[str, Any]) -> None:
    """The second call answers as the first, whether the payment is through or waits."""
    world = World(**options)
    order = world.placed()
    first = world.engine.pay(order.id, THREE, key="p", by=SHOPPER)
    before = world.snapshot()
    assert world.engine.pay(order.id, THREE, key="p", by=SHOPPER) == first
    assert world.snapshot() == before


def test_l13_a_payments_key_answers_after_the_order_moved_on() -> None:
    """A retry that comes late finds the order as it now stands."""
    world = World()
    order = world.placed()
    world.engine.pay(order.id, THREE, key="p", by=SHOPPER)
    accepted = world.engine.accept(order.id, key="a")
    assert world.engine.pay(order.id, THREE, key="p", by=SHOPPER).order == accepted


def test_l13_a_declined_payments_key_stays_declined() -> None:
    """The same key does not try again; a new key does."""
    world = World()
    order = world.placed()
    world.cards.decline("GC-9")
    first = world.engine.pay(order.id, FOUR, key="p", by=SHOPPER)
    world.cards._declines.clear()
    assert world.engine.pay(order.id, FOUR, key="p", by=SHOPPER) == first
    assert world.engine.pay(order.id, FOUR, key="q", by=SHOPPER).paid


def test_l13_an_equal_amount_is_the_same_content() -> None:
    """50 and 50.00 are the same money, so the same key means the same payment."""
    world = World()
    order = world.placed()
    one, other = (
        (tenders.Balance(Money(text, "CNY"), "c1"), tenders.Channel("wechat"))
        for text in ("50", "50.00")
    )
    first = world.engine.pay(order.id, one, key="p", by=SHOPPER)
    assert world.engine.pay(order.id, other, key="p", by=SHOPPER) == first


@pytest.mark.parametrize("asks_payer", [True, False])
@pytest.mark.parametrize("key", ["placed", "p"])
def test_l13_a_payments_key_with_other_content_is_refused(key: str, asks_payer: bool) -> None:
    """Other tenders, or the key of another command, change nothing; not even a waiting payment."""
    world = World(asks_payer=asks_payer)
    order = world.engine.place(world.quote(), key="placed", by=SHOPPER)
    world.engine.pay(order.id, THREE, key="p", by=SHOPPER)
    with world.refused(KeyReused):
        world.engine.pay(order.id, CASH, key=key, by=SHOPPER)


def test_l13_a_key_of_one_order_does_not_pay_another() -> None:
    """The order is part of what a key stands for."""
    world = World()
    one, other = world.placed(), world.placed()
    world.engine.pay(one.id, THREE, key="p", by=SHOPPER)
    with world.refused(KeyReused):
        world.engine.pay(other.id, THREE, key="p", by=SHOPPER)


@pytest.mark.parametrize("options", [{}, {"asks_payer": True}], ids=["at once", "asks"])
def test_l13_threads_that_pay_under_one_key_pay_once(options: dict[str, Any]) -> None:
    """However many workers send the same key at once, money moves once."""
    world = World(**options)
    order = world.placed()

    def one(_: int) -> None:
        world.engine.pay(order.id, FOUR, key="p", by=SHOPPER)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(16)))
    now = world.get(order)
    assert len(now.payments.attempts) == 4
    assert [g.taken for g in (world.points, world.balance, world.cards)] == [1234, 5000, 3000]
    if not options:
        world.check()


def test_l7_threads_that_pay_under_many_keys_pay_once() -> None:
    """Of several payments at once one goes through; the rest are refused, or give way."""
    for _ in range(5):
        world = World()
        order = world.placed()

        def one(number: int, world: World = world, order: Any = order) -> bool:
            try:
                return world.engine.pay(order.id, FOUR, key=f"p{number}", by=SHOPPER).paid
            except NotAllowed:
                return False

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(one, range(8))) == 1
        world.check()


def test_l13_a_second_call_under_one_key_does_not_undo_the_first() -> None:
    """Two workers with one key find a waiting payment: the later one must not give up the newer."""
    for i in range(3, 12):
        world = World(asks_payer=True)
        order = world.placed()
        world.pay(order, CHANNEL)
        simulation = Simulation(world.engine)
        late = simulation.pay(order.id, THREE, key="p", by=SHOPPER).go(i)
        world.engine.pay(order.id, THREE, key="p", by=SHOPPER)
        late.finish()
        now = world.get(order)
        waiting = [a.id for a in now.payments.attempts if a.state is AttemptState.WAITING]
        assert len(waiting) == 1, f"stopped at {i}"
        assert len(now.payments.attempts) == 4


# --- Refusals -----------------------------------------------------------------------------------

SHORT = (tenders.Balance(Money("50.00", "CNY"), "c1"),)
ABOVE = (tenders.Balance(Money("270.00", "CNY"), "c1"),)


@pytest.mark.parametrize("asks_payer", [True, False])
@pytest.mark.parametrize(
    ("offers", "error", "path"),
    [
        (SHORT, InvalidTenders, "tenders"),
        (ABOVE, InvalidTenders, "tenders[0].amount"),
        ((), InvalidTenders, "tenders"),
        ((tenders.Points(0, "c1"), *CHANNEL), InvalidTenders, "tenders[0].points"),
        ((tenders.Channel("cash"),), NotFound, "gateway"),
        ((*CHANNEL, "cash"), InvalidTenders, "tenders[1]"),
        ((tenders.Balance(50, "c1"), *CHANNEL), InvalidMoney, "tenders[0].amount"),  # type: ignore[arg-type]
        ((tenders.Balance(Money("5.00", "EUR"), "c1"), *CHANNEL), None, "tenders[0].amount"),
        ((tenders.Balance(Money("5.001", "CNY"), "c1"), *CHANNEL), InvalidMoney, "tenders[0].amount"),
        ((tenders.Balance(Money("-5.00", "CNY"), "c1"), *CHANNEL), InvalidTenders, "tenders[0].amount"),
        ((tenders.Balance(Money("NaN", "CNY"), "c1"), *CHANNEL), InvalidMoney, "tenders[0].amount"),
    ],
    ids=[
        "short", "above", "none", "no points", "no gateway", "no tender", "bare number", "currency",
        "decimals", "negative", "nan",
    ],
)  # fmt: skip
def test_l12_tenders_that_cannot_pay_change_nothing(
    offers: tuple[Any, ...], error: Any, path: str, asks_payer: bool
) -> None:
    """Wrong tenders are refused with their path; a payment that waits goes on waiting."""
    world = World(asks_payer=asks_payer)
    order = world.placed()
    if asks_payer:
        world.pay(order, THREE)
    if error is None:
        from ordercore.errors import CurrencyMismatch as error  # noqa: N813
    with world.refused(error) as caught:
        world.engine.pay(order.id, offers, key="p", by=SHOPPER)
    assert caught.value.path == path


@pytest.mark.parametrize("asks_payer", [True, False])
@pytest.mark.parametrize(
    "by", [Actor.customer("c2"), Actor(ActorKind.CHANNEL, "wechat")], ids=["stranger", "channel"]
)
def test_l12_who_may_not_pay_changes_nothing(by: Actor, asks_payer: bool) -> None:
    """Neither a stranger nor a channel can pay the order, nor end a payment that waits."""
    world = World(asks_payer=asks_payer)
    order = world.placed()
    if asks_payer:
        world.pay(order, THREE)
    with world.refused(NotAllowed):
        world.engine.pay(order.id, CASH, key="p", by=by)


def test_l12_a_payment_in_the_middle_is_not_interrupted() -> None:
    """While attempts are open their outcome is unknown: another payment must wait for it."""
    world = World()
    order = world.placed()
    simulation = Simulation(world.engine)
    walk = simulation.pay(order.id, FOUR, key="p", by=SHOPPER).go(4)
    with world.refused(NotAllowed) as caught:
        world.engine.pay(order.id, CASH, key="q", by=SHOPPER)
    assert "under way" in caught.value.reason
    assert walk.finish().paid


def test_l12_an_order_that_is_paid_or_closed_is_not_paid_again() -> None:
    """The refusal names the state, and what is allowed instead."""
    world = World()
    paid, closed = world.paid(), world.placed()
    world.engine.cancel(closed.id, reason="no", key="c", by=SHOPPER)
    for order, state in ((paid, "paid"), (closed, "closed")):
        with world.refused(NotAllowed) as caught:
            world.pay(order)
        assert state in caught.value.reason
        assert caught.value.data["state"] == state
    assert caught.value.data["allowed"] == ()


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_l12_a_payments_key_is_1_to_200_characters(key: str) -> None:
    """An empty key and one too long are refused before anything is asked."""
    world = World(asks_payer=True)
    order = world.placed()
    world.pay(order, THREE)
    with world.refused(InvalidInput) as caught:
        world.engine.pay(order.id, CASH, key=key, by=SHOPPER)
    assert caught.value.path == "key"


def test_staff_may_pay_for_a_customer() -> None:
    """A clerk takes a payment at the counter; the journal says who."""
    world = World()
    order = world.placed()
    world.engine.pay(order.id, CHANNEL, key="p", by=STAFF)
    told = world.engine.journal(order.id)
    assert [t.by for t in told] == [SHOPPER, STAFF, STAFF, STAFF]
    assert all(t.at == NOON for t in told)


def test_a_payment_that_waits_for_its_payer_does_not_forbid_another() -> None:
    """What `allowed` says and what `pay` does agree: a waiting QR code gives way to another payment."""
    world = World(asks_payer=True)
    order = world.placed()
    waiting = world.engine.pay(order.id, THREE, key="p1", by=SHOPPER).order
    assert standing(waiting).payment is PaymentStanding.PENDING
    may = {found.command: found.possible for found in world.engine.allowed(waiting, SHOPPER)}
    assert may[CommandKind.PAY]
    world.channel._asks_payer = False
    assert world.engine.pay(order.id, THREE, key="p2", by=SHOPPER).paid


def test_a_customer_pays_with_no_account_but_their_own() -> None:
    """Points without an account are the customer's own; another's are refused, and nothing is written."""
    world = World()
    order = world.placed()
    with world.refused(NotAllowed) as caught:
        world.engine.pay(
            order.id, [tenders.Points(100, "c2"), tenders.Channel("wechat")], key="x", by=SHOPPER
        )
    assert caught.value.path == "tenders[0].account"
    paid = world.engine.pay(
        order.id, [tenders.Points(100), tenders.Channel("wechat")], key="y", by=SHOPPER
    )
    assert paid.order.payments.attempts[0].account == "c1"


def test_an_order_is_not_paid_after_its_time() -> None:
    """Also when no sweeper has closed it yet."""
    world = World()
    order = world.placed()
    world.clock.set(after(31))
    with world.refused(NotAllowed) as caught:
        world.engine.pay(order.id, THREE, key="x", by=SHOPPER)
    assert "the time to pay ended" in caught.value.reason


def test_a_malformed_outcome_is_no_answer() -> None:
    """A gateway that answers with something else moves the order nowhere; it is asked again."""

    class Odd(MemoryGateway):
        def authorize(self, request: ChargeRequest) -> Outcome:
            said = super().authorize(request)
            return Outcome(said.status, said.reference, NOON.replace(tzinfo=None))

    world = World(channel=Odd)
    result = world.engine.pay(world.placed().id, THREE, key="x", by=SHOPPER)
    assert result.unresolved
    assert not result.paid
    assert result.order.payments.attempts[2].state is AttemptState.OPEN
