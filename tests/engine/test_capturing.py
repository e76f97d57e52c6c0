"""Money that is held and taken later: when goods leave or arrive, by hand, before it lapses, or never."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.engine.holding import CARD, STAFF, WEEK, Holding

from ordercore import Actor, AsyncOrderEngine, ChangeQuantity, Manifest, Money, RemoveLine, tenders
from ordercore.adapters.memory import Captures, MemoryGateway
from ordercore.errors import (
    CurrencyMismatch,
    GatewayTimeout,
    InvalidInput,
    InvalidMoney,
    KeyReused,
    NotAllowed,
)
from ordercore.order import HandlingPolicy
from ordercore.tender import (
    AttemptState,
    CaptureMoment,
    ChargeRequest,
    Outcome,
    OutcomeStatus,
    Overpaid,
    PaymentPolicy,
)
from ordercore.timeout import TimerKind

_M = CaptureMoment
DAY = timedelta(days=1)


def told(world: Holding, order: Any) -> list[str]:
    """The names of an order's events."""
    return [entry.event.name for entry in world.engine.journal(order.id)]


# --- When goods leave -------------------------------------------------------------------------


def test_held_money_counts_as_paid_and_is_not_taken() -> None:
    """Points are taken at once, the card only holds: the order is paid and nothing is due."""
    world = Holding()
    order = world.held()
    assert (order.due, order.payments.captured, order.payments.received) == (0, 26_997, 1_234)
    assert (world.card.held, world.card.taken) == (25_763, 0)
    assert world.books() == {"points_liability:points": 1_234, "advances": -1_234}
    world.check()


def test_each_shipment_takes_its_share_and_the_last_one_the_rest() -> None:
    """Three equal lines over 257.63: 85.87 and 85.88 and the rest of 85.88, as they leave."""
    world = Holding()
    order = world.held()
    for line, taken in (("1", 8_587), ("2", 17_175), ("3", 25_763)):
        order = world.ship(order, line)
        assert world.card.taken == taken
        world.check()
    assert order.state == "shipped"
    assert order.payments.attempts[1].state is AttemptState.CAPTURED
    assert world.books()["clearing:card"] == 25_763


def test_where_held_money_is_taken_once_the_first_shipment_takes_all() -> None:
    """A channel that takes no parts, or one part only, is not asked twice."""
    for captures in (Captures.WHOLE, Captures.ONCE):
        world = Holding(captures=captures)
        order = world.ship(world.held(), "1")
        assert (world.card.taken, world.card.held) == (25_763, 0)
        world.ship(order)
        world.check()


def test_what_is_refunded_before_it_was_taken_is_let_go() -> None:
    """No channel is called for it; the last shipment takes so much less."""
    world = Holding()
    order = world.refund(world.held(), "2")
    refund = order.payments.refunds[0]
    assert [(leg.amount, leg.released, leg.arrived) for leg in refund.legs] == [
        (411, False, True),
        (8_588, True, True),
    ]
    assert not world.card._refunds
    order = world.ship(order)
    assert (world.card.taken, world.card.held) == (25_763 - 8_588, 0)
    assert order.payments.received == 26_997 - 8_588
    world.check()


def test_refunding_the_rest_of_a_half_sent_order_ends_what_is_held() -> None:
    """Two of three lines never leave: their money is let go at the channel, nothing more is taken."""
    world = Holding()
    order = world.ship(world.held(), "1")
    order = world.refund(order, "2", "3")
    assert order.state == "shipped"
    assert (world.card.taken, world.card.held) == (8_587, 0)
    assert order.payments.attempts[1].state is AttemptState.CAPTURED
    world.check()


def test_a_refund_of_what_was_taken_in_part_lets_go_first_and_pays_back_the_rest() -> None:
    """All back of an order of which a third has left: 171.76 is let go, 85.87 is paid back."""
    world = Holding()
    order = world.ship(world.held(CARD), "1")
    taken = world.card.taken
    order = world.refund(order)
    assert [(leg.amount, leg.released) for leg in order.payments.refunds[0].legs] == [
        (26_997 - taken, True),
        (taken, False),
    ]
    assert order.state == "refunded"
    assert (world.card.taken, world.card.held) == (0, 0)
    world.check()


def test_refunding_all_that_is_only_held_gives_it_up() -> None:
    """The order is refunded at once, and the channel holds nothing any more (L22)."""
    world = Holding()
    order = world.refund(world.held(CARD))
    assert order.state == "refunded"
    assert order.payments.attempts[0].state is AttemptState.RETURNED
    assert (world.card.taken, world.card.held, world.card._refunds) == (0, 0, {})
    assert world.books() == {}
    world.check()


@pytest.mark.parametrize("overpaid", [*Overpaid])
def test_a_channel_that_takes_all_or_nothing_gives_back_what_was_let_go_before(
    overpaid: Overpaid,
) -> None:
    """It cannot take less than it holds: it takes all, and what a refund had let go goes back, by any policy."""
    rooms = {"payments": PaymentPolicy(overpaid=overpaid)}
    world = Holding(captures=Captures.WHOLE, rooms=rooms)
    order = world.refund(world.held(), "2")
    assert (world.card.taken, world.card.held) == (0, 25_763)
    order = world.ship(order)
    assert (world.card.taken, world.card.held) == (25_763 - 8_588, 0)
    assert [(r.amount, r.surplus, r.arrived) for r in order.payments.refunds] == [
        (8_999, False, True),
        (8_588, True, True),
    ]
    assert (order.due, order.owed) == (0, 0)
    world.check()


def test_a_free_rest_that_never_leaves_takes_the_last_cent() -> None:
    """Shares are rounded down on the running sum: no order of shipments takes a cent too many or too few."""
    for lines in (("3", "1", "2"), ("2", "3", "1")):
        world = Holding()
        order = world.held(CARD)
        for line in lines:
            order = world.ship(order, line)
        assert world.card.taken == 26_997
        world.check()


# --- When goods arrive, and by hand -------------------------------------------------------------


def test_money_that_is_taken_on_delivery_is_taken_when_goods_arrive() -> None:
    """Not when they leave; where a lifecycle knows no arrival, when they leave."""
    world = Holding(_M.ON_DELIVERY)
    order = world.ship(world.held())
    assert (world.card.taken, world.card.held) == (0, 25_763)
    world.engine.deliver(order.id, key=world.key())
    assert (world.card.taken, world.card.held) == (25_763, 0)
    world.check()
    world = Holding(_M.ON_DELIVERY, stocked=False)
    world.engine = type(world.engine)(
        world.store, world.ports, policies=world.policies, clock=world.clock, ids=world.ids,
        lifecycles=("virtual_goods",),
    )  # fmt: skip
    quote = world.quote()
    order = world.engine.place(quote, key=world.key(), by=STAFF, lifecycle="virtual_goods")
    world.pay(order, CARD)
    world.ship(order)
    assert world.card.taken == 26_997


def test_staff_takes_held_money_by_hand_in_parts() -> None:
    """100.00, then the rest; shipping takes nothing of what is taken by hand."""
    world = Holding(_M.BY_HAND)
    order = world.ship(world.held())
    assert world.card.taken == 0
    result = world.capture(order, "100.00")
    assert result.paid
    assert (world.card.taken, world.card.held) == (10_000, 15_763)
    result = world.capture(order)
    assert (world.card.taken, world.card.held) == (25_763, 0)
    assert result.order.payments.attempts[1].state is AttemptState.CAPTURED
    world.check()
    with world.refused(NotAllowed):
        world.capture(order)


def test_a_smaller_amount_lets_the_rest_go_where_held_money_is_taken_once() -> None:
    """Then the rest is due again: nothing is taken silently, nothing is forgiven silently."""
    world = Holding(_M.BY_HAND, Captures.ONCE)
    order = world.held(CARD)
    result = world.capture(order, "200.00")
    assert (world.card.taken, world.card.held) == (20_000, 0)
    assert (result.order.due, result.paid) == (6_997, False)
    world.check()


def test_l12_a_capture_that_cannot_be_changes_nothing() -> None:
    """Of nothing, of more than is held, in another currency, of a bare number, by a shopper, of a part of a whole."""
    world = Holding(_M.BY_HAND, Captures.WHOLE)
    order = world.held()
    name = order.payments.attempts[0].id
    for error, amount in (
        (InvalidInput, Money("0.00", "CNY")),
        (InvalidInput, Money("-1.00", "CNY")),
        (InvalidInput, Money("257.64", "CNY")),
        (InvalidInput, Money("100.00", "CNY")),
        (CurrencyMismatch, Money("1.00", "EUR")),
        (InvalidMoney, 100),
    ):
        with world.refused(error):
            world.engine.capture(order.id, amount, key=world.key(), by=STAFF)  # type: ignore[arg-type]
    with world.refused(NotAllowed):
        world.engine.capture(order.id, attempt=name, key=world.key(), by=STAFF)  # points are taken
    for actor in (Actor.customer("c1"), Actor.customer("c2")):
        with world.refused(NotAllowed):
            world.engine.capture(order.id, key=world.key(), by=actor)
    world.check()


def test_l13_a_capture_under_one_key_is_made_once() -> None:
    """The same key answers as it stands; with other content it is refused."""
    world = Holding(_M.BY_HAND)
    order = world.held()
    for _ in range(3):
        result = world.capture(order, "50.00", key="k")
        assert (world.card.taken, result.order.payments.attempts[1].captured) == (5_000, 5_000)
    with pytest.raises(KeyReused):
        world.capture(order, "60.00", key="k")
    world.capture(order)
    assert world.capture(order, "50.00", key="k").order.payments.received == 26_997
    world.check()


# --- Orders that end ---------------------------------------------------------------------------


@pytest.mark.parametrize("gives_back", [True, False])
@pytest.mark.parametrize("captured", [None, "100.00"])
def test_l22_a_canceled_order_holds_no_money(captured: str | None, *, gives_back: bool) -> None:
    """What was only held is let go whatever the policy says of refunds; what was taken goes back, or is owed."""
    rooms = {"handling": HandlingPolicy(refund_canceled=gives_back)}
    world = Holding(_M.BY_HAND, rooms=rooms)
    order = world.held(CARD)
    if captured:
        world.capture(order, captured)
    order = world.engine.cancel(order.id, reason="no", key=world.key(), by=STAFF)
    taken = 10_000 if captured else 0
    assert order.state == "closed"
    assert world.card.held == 0
    assert world.card.taken == (0 if gives_back else taken)
    assert order.owed == (0 if gives_back else taken)
    world.check()
    if order.owed:
        world.refund(order)
        assert world.card.taken == 0
        world.check()


def test_no_order_is_closed_for_good_while_it_holds_money() -> None:
    """What is held must be taken, confirmed or given back first."""
    world = Holding(_M.BY_HAND)
    world.engine = type(world.engine)(
        world.store, world.ports, policies=world.policies, clock=world.clock, ids=world.ids,
        lifecycles=("purchasing_agent",),
    )  # fmt: skip
    order = world.engine.place(
        world.quote(), key=world.key(), by=STAFF, lifecycle="purchasing_agent"
    )
    world.pay(order, CARD)
    with pytest.raises(NotAllowed) as caught:
        world.engine.close(order.id, reason="done", key=world.key(), by=STAFF)
    assert "is held" in caught.value.reason
    world.capture(order)
    assert world.engine.close(order.id, reason="done", key=world.key(), by=STAFF).handling.sealed


# --- Authorizations that end --------------------------------------------------------------------


def test_somebody_is_told_once_before_an_authorization_ends() -> None:
    """A day before its end, and not again; the money of goods that are still here is not taken."""
    world = Holding()
    order = world.held()
    world.sweep_at(WEEK - DAY - timedelta(seconds=1))
    assert "payment.authorization_ending" not in told(world, order)
    world.sweep_at(timedelta(seconds=1))
    assert told(world, order).count("payment.authorization_ending") == 1
    world.sweep_at(timedelta(hours=23))
    assert told(world, order).count("payment.authorization_ending") == 1
    assert (world.card.taken, world.card.held) == (0, 25_763)
    world.check()


@pytest.mark.parametrize("moment", [_M.ON_DELIVERY, _M.BY_HAND])
def test_money_of_goods_that_have_left_is_taken_before_its_authorization_ends(
    moment: CaptureMoment,
) -> None:
    """Whatever it waited for: goods that are gone are not left unpaid."""
    world = Holding(moment)
    order = world.ship(world.held())
    world.sweep_at(WEEK - DAY)
    assert (world.card.taken, world.card.held) == (25_763, 0)
    assert "payment.authorization_ending" not in told(world, order)
    world.check()


def test_the_share_of_goods_that_have_left_is_taken_and_the_rest_is_told() -> None:
    """Of an order of which a third has left, by hand: a third is taken before the end."""
    world = Holding(_M.BY_HAND)
    order = world.ship(world.held(), "1")
    world.sweep_at(WEEK - DAY)
    assert (world.card.taken, world.card.held) == (8_587, 25_763 - 8_587)
    world.sweep_at(timedelta(minutes=1))
    assert told(world, order).count("payment.authorization_ending") == 1
    world.check()


def test_an_authorization_that_ended_makes_the_order_due_again() -> None:
    """The channel is asked at the end; what was taken otherwise stays, and the rest can be paid anew."""
    world = Holding()
    order = world.held()
    for _ in range(3):
        world.sweep_at(WEEK / 2)
    order = world.get(order)
    assert order.payments.attempts[1].state is AttemptState.RETURNED
    assert (order.due, order.state) == (25_763, "awaiting_shipment")
    assert order.payments.attempts[0].state is AttemptState.CAPTURED
    with world.refused(NotAllowed):
        world.ship(order)
    result = world.pay(order, CARD)
    assert (result.order.due, result.paid) == (0, True)
    world.ship(order)
    assert world.card.taken == 25_763
    world.check()


def test_an_authorization_that_ended_and_an_order_that_is_canceled_leave_nothing_behind() -> None:
    """The points go back, and nothing is asked of the card."""
    world = Holding()
    order = world.held()
    for _ in range(3):
        world.sweep_at(WEEK / 2)
    order = world.engine.cancel(order.id, reason="no", key=world.key(), by=STAFF)
    assert order.state == "closed"
    assert world.points.taken == 0
    world.check()


class Refusing(MemoryGateway):
    """A card that declines to take what it held."""

    refuses = True

    def capture(self, request: ChargeRequest) -> Outcome:
        """Decline, while it refuses."""
        if self.refuses:
            charge = self._charges[request.key]
            if not charge.captured:
                charge.open, charge.held = False, 0
            else:
                charge.open = False
            return Outcome(OutcomeStatus.DECLINED, reason="the account is closed")
        return super().capture(request)


def test_a_capture_that_is_declined_leaves_the_order_due_and_the_rest_in_place() -> None:
    """The card takes nothing: its part is due, the points stay."""
    world = Holding(card=Refusing)
    order = world.ship(world.held())
    assert order.payments.attempts[1].state is AttemptState.DECLINED
    assert (order.due, order.state, world.points.taken) == (25_763, "shipped", 1_234)
    world.check()


def test_a_later_part_that_is_declined_leaves_the_former_ones_taken() -> None:
    """What was taken before stays taken, the rest is due."""
    world = Holding(card=Refusing)
    world.card.refuses = False
    order = world.ship(world.held(), "1")
    world.card.refuses = True
    order = world.ship(order, "2")
    assert order.payments.attempts[1].state is AttemptState.CAPTURED
    assert (world.card.taken, order.due) == (8_587, 25_763 - 8_587)
    world.check()


class Silent(MemoryGateway):
    """A card that does what it is asked and loses its answers."""

    silent = False

    def capture(self, request: ChargeRequest) -> Outcome:
        """Take it, and say nothing while it is silent."""
        outcome = super().capture(request)
        if self.silent:
            raise GatewayTimeout("no answer", path=request.key)
        return outcome


def test_l7_a_capture_whose_answer_was_lost_is_asked_again_and_taken_once() -> None:
    """The same part under the same name is the same capture."""
    world = Holding(card=Silent)
    order = world.held()
    world.card.silent = True
    order = world.ship(order, "1")
    assert order.payments.attempts[1].state is AttemptState.CAPTURING
    with world.refused(NotAllowed):
        world.refund(order, "2")  # how much is taken is not known yet
    world.card.silent = False
    world.sweep_at(timedelta(minutes=1))
    order = world.get(order)
    assert (order.payments.attempts[1].captured, world.card.taken) == (8_587, 8_587)
    world.ship(order)
    assert world.card.taken == 25_763
    world.check()


def test_a_part_that_was_taken_at_the_channel_itself_is_taken_in() -> None:
    """Somebody captured 50.00 in the channel's own console: the news tells it, twice is once."""
    world = Holding()
    order = world.held()
    name = order.payments.attempts[1].id
    world.card.capture(ChargeRequest(name, order.id, 5_000, "CNY", captured=0, final=False))
    for _ in range(2):
        world.engine.notify("card", {}, world.card.notification(name))
        attempt = world.get(order).payments.attempts[1]
        assert (attempt.state, attempt.captured) == (AttemptState.AUTHORIZED, 5_000)
    world.check()
    order = world.ship(order)
    assert world.card.taken == 25_763
    world.check()


def test_the_timer_of_an_authorization_goes_with_it() -> None:
    """It is set while money is held, and gone when it is taken or let go."""
    world = Holding()

    def kinds() -> set[TimerKind]:
        return {key.kind for _, key in world.store._timers}

    order = world.held()
    assert TimerKind.AUTHORIZATION in kinds()
    world.ship(order, "1")
    assert TimerKind.AUTHORIZATION in kinds()
    world.ship(order)
    assert TimerKind.AUTHORIZATION not in kinds()
    order = world.held()
    world.engine.cancel(order.id, reason="no", key=world.key(), by=STAFF)
    assert TimerKind.AUTHORIZATION not in kinds()


def test_a_sale_booked_before_its_money_is_taken_stands_as_owed_by_the_customer() -> None:
    """Captured after that, it is no advance any more (L9)."""
    world = Holding(_M.BY_HAND)
    order = world.ship(world.held())
    world.engine.deliver(order.id, key=world.key())
    world.engine.complete(order.id, key=world.key())
    assert world.books()["receivable"] == 25_763
    world.check()
    world.capture(order, "100.00")
    assert world.books()["receivable"] == 15_763
    world.check()
    world.refund(order, "1")
    world.check()
    world.capture(order)
    assert "receivable" not in world.books()
    assert world.books()["clearing:card"] == 25_763 - 8_587
    world.check()


def test_goods_are_named_in_shipments_of_several_units() -> None:
    """Half of a line of four units takes half of its money."""
    world = Holding()
    from ordercore import Cart, CartLine, Party

    cart = Cart("CNY", (CartLine("SKU-1", 4, Money("25.00", "CNY")),), customer=Party("c1"))
    order = world.engine.place(world.engine.quote(cart), key=world.key(), by=STAFF)
    world.pay(order, CARD)
    world.engine.accept(order.id, key=world.key())
    world.engine.ship(order.id, Manifest.of({"1": 2}), key=world.key())
    assert (world.card.taken, world.card.held) == (5_000, 5_000)
    world.check()


def test_what_is_left_of_an_order_that_lapsed_after_it_was_sent_can_be_given_back() -> None:
    """Nobody can collect the card's part there: staff may still give the points back."""
    world = Holding(card=Refusing)
    order = world.ship(world.held())
    assert order.due == 25_763
    order = world.refund(order)
    assert (order.state, world.points.taken) == ("refunded", 0)
    world.check()


def test_the_asynchronous_engine_takes_and_confirms_alike() -> None:
    """Each verb has its twin."""
    world = Holding(_M.BY_HAND)
    twin = AsyncOrderEngine(
        world.store, world.ports, policies=world.policies, clock=world.clock, ids=world.ids
    )
    order = world.ship(
        world.held((tenders.Channel("card", Money("100.00", "CNY")), tenders.OnDelivery()))
    )

    async def all_of_it() -> None:
        taken = await twin.capture(order.id, Money("40.00", "CNY"), key="c", by=STAFF)
        assert taken.order.payments.attempts[0].captured == 4_000
        name = f"{order.id}/2"
        said = await twin.confirm_payment(order.id, name, Money("170.00", "CNY"), key="p", by=STAFF)
        (surplus,) = said.order.payments.refunds
        assert surplus.amount == 17_000 - 16_997
        done = await twin.confirm_refund(order.id, surplus.id, key="r", by=STAFF)
        assert done.refund.arrived

    asyncio.run(all_of_it())
    world.check()


def test_l22_an_order_that_closes_while_another_tender_waits_holds_no_money() -> None:
    """The card held its part, the code was never scanned: at the deadline both are let go."""
    world = Holding(asks_payer=True)
    offers = (tenders.Channel("card", Money("100.00", "CNY")), tenders.Channel("wechat"))
    order = world.pay(world.placed(), offers).order
    assert world.card.held == 10_000
    world.sweep_at(timedelta(minutes=31))
    assert world.get(order).state == "closed"
    assert (world.card.held, world.card.taken) == (0, 0)
    world.check()


@pytest.mark.parametrize("units", [0, 2])
def test_an_amended_order_takes_what_it_costs_now(units: int) -> None:
    """A line less lets its money go before it was taken; a unit more is paid beside what is held."""
    world = Holding()
    order = world.held(CARD)
    line = order.lines[1].id
    change = RemoveLine(line) if not units else ChangeQuantity(line, units)
    world.engine.amend(order.id, (change,), key=world.key(), by=STAFF)
    order = world.get(order)
    world.check()
    if order.due:
        order = world.pay(order, CARD).order
    assert (order.due, order.owed) == (0, 0)
    first = order.lines[0].id
    order = world.ship(order, first)
    assert 0 < world.card.taken < order.total
    order = world.ship(order)
    assert (world.card.taken, world.card.held) == (order.total, 0)
    world.check()
