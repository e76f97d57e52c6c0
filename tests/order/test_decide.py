"""The order as a decider: what it takes, what it refuses, and that its events tell it all."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import (
    CorruptDocument,
    InvalidInput,
    InvalidManifest,
    InvalidTenders,
    KeyReused,
    NotAllowed,
    NotFound,
    OrdercoreError,
    Refused,
)
from ordercore.event import Event, event
from ordercore.fulfillment import ParcelGroup, pickup
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.money import Percent, money
from ordercore.order import (
    EVENTS,
    Accept,
    Adopted,
    Amend,
    AnswerAttempts,
    AnswerRefund,
    Cancel,
    CaptureMoney,
    ChildPart,
    Close,
    CombineOrders,
    Command,
    CommandKind,
    Compensate,
    Complete,
    ConfirmPayment,
    Deliver,
    MergedIn,
    NoteRefundDelay,
    OrderEvent,
    Pay,
    Placed,
    Recover,
    RefundOrder,
    RejoinOrders,
    Remind,
    RerouteRefund,
    ReviewOrder,
    Seal,
    Ship,
    SplitOff,
    SplitOrder,
    UndoPayment,
    UnmergeOrder,
    allowed,
    decide,
    evolve,
    fold,
    replay,
    standing,
)
from ordercore.order.commands import (
    AskWaybill,
    CancelParcel,
    CancelWaybill,
    CollectGoods,
    DispatchParcel,
    IssuePickupCode,
    PackParcel,
    PickParcel,
    PlanParcels,
)
from ordercore.order.decide import RULES
from ordercore.order.evolve import FOLDS
from ordercore.order.rules.instalment import rows_asked
from ordercore.order.rules.regrouping import taken_out
from ordercore.order.standing import DeliveryStanding, PaymentStanding
from ordercore.party import SYSTEM, Actor, ActorKind, Party
from ordercore.pricing import Cart, CartLine, PercentOff, PricingPolicy, quote
from ordercore.tender import (
    AttemptState,
    Compensation,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
    TenderPolicy,
    plan,
)
from ordercore.tender.events import MoneyBroughtIn, PaymentStarted, Rerouted
from ordercore.tender.parting import held_again
from ordercore.tender.tenders import Balance, Channel, Points
from ordercore.testing import (
    START,
    Story,
    laws,
    order_a,
    order_content,
    orders,
    stories,
)

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

CAPTURED, DECLINED, WAITING = OutcomeStatus.CAPTURED, OutcomeStatus.DECLINED, OutcomeStatus.WAITING
SHOPPER, STAFF = Actor.customer("c-1"), Actor.staff("s-1")
ONE = Manifest.of({"1": 1})
PROMISED = {AttemptState.AUTHORIZED, AttemptState.CAPTURING}

COMMANDS: dict[CommandKind, Command] = {
    CommandKind.ACCEPT: Accept(),
    CommandKind.SHIP: Ship("s-99"),
    CommandKind.DELIVER: Deliver(),
    CommandKind.COMPLETE: Complete(),
    CommandKind.CANCEL: Cancel("mind changed", "r-99"),
    CommandKind.REFUND: RefundOrder("r-99", None, "all of it"),
    CommandKind.REVIEW: ReviewOrder(True, (("address", True),), "telephone"),
    CommandKind.CLOSE: Seal("settled"),
    CommandKind.CAPTURE: CaptureMoney(),
    CommandKind.COLLECT: CollectGoods("p-9", "north", "00" * 32, "s-99"),
    CommandKind.PICK_PARCEL: PickParcel("p-9"),
    CommandKind.PACK_PARCEL: PackParcel("p-9", 900),
    CommandKind.CANCEL_PARCEL: CancelParcel("p-9"),
    CommandKind.BOOK_WAYBILL: AskWaybill("p-9", "SF"),
    CommandKind.CANCEL_WAYBILL: CancelWaybill("p-9"),
    CommandKind.DISPATCH_PARCEL: DispatchParcel("p-9"),
}
BEGUN = {CommandKind.PAY, CommandKind.AMEND}
"""May be begun while a payment only waits for its payer; that one is given up before they are sent."""
CONFIRMED = PROMISED | {
    AttemptState.WAITING, AttemptState.CLOSING, AttemptState.RETURNING, AttemptState.DECLINED,
    AttemptState.RETURNED,
}  # fmt: skip
"""Attempts of which staff may still say something."""


def command_of(kind: CommandKind, story: Story, by: Actor = SYSTEM) -> Command:
    """A command of this kind that fits the order, if any does."""
    content = story.order.content
    if kind is CommandKind.PAY:
        rows, _ = rows_asked(story.order, card := [Channel("card")])
        planned = plan(rows, card, TenderPolicy(), content.currency, carried=story.carried())
        return Pay(planned)
    if kind is CommandKind.COMPENSATE:
        return Compensate(Compensation("o-1/c9", 1, "balance", "c-1", "late", str(by)))
    if kind is CommandKind.AMEND:
        return Amend(content, (), "r-99")
    if kind is CommandKind.RECOVER:
        return Recover(content)
    if kind in REGROUPING:
        return regrouping_of(kind, story)
    if kind is CommandKind.ISSUE_PICKUP_CODE:
        seal = pickup.Seal(pickup.CodeAlphabet.DIGITS, 6, 10, "ab" * 16, "00" * 32)
        week, lock = timedelta(days=7), timedelta(minutes=15)
        code = pickup.Pickup("p-9", "north", story.at + week, seal, 5, 20, lock)
        return IssuePickupCode(code, week)
    if kind is CommandKind.PLAN_PARCELS:
        return PlanParcels("o-1/p", (ParcelGroup(story.order.shippable()),))
    if kind is CommandKind.REROUTE_REFUND:
        failed = [
            (refund.id, place)
            for refund in story.order.payments.refunds
            for place, leg in enumerate(refund.legs)
            if leg.status is RefundStatus.FAILED
        ]
        return RerouteRefund(*(failed[0] if failed else ("r-1", 0)), reason="once more")
    if kind is CommandKind.CONFIRM_PAYMENT:
        attempts = story.order.payments.attempts
        open_ = [a for a in attempts if a.state in CONFIRMED] or attempts
        back = bool(open_) and open_[0].state is AttemptState.RETURNING
        said = OutcomeStatus.VOIDED if back else CAPTURED
        return ConfirmPayment(open_[0].id if open_ else "", Outcome(said))
    return COMMANDS[kind]


REGROUPING = {CommandKind.SPLIT, CommandKind.REJOIN, CommandKind.COMBINE, CommandKind.UNMERGE}


def regrouping_of(kind: CommandKind, story: Story) -> Command:
    """A command that lets the story's order go apart or become one with another."""
    content, state = story.order.content, story.order.state
    merged = MergedIn("o-2", "N-2", state, state)
    if kind is CommandKind.REJOIN:
        return RejoinOrders(content, ("o-1.1", "o-1.2"), "paid")
    if kind is CommandKind.COMBINE:
        return CombineOrders(content, merged, (), state, "r-99")
    if kind is CommandKind.UNMERGE:
        return UnmergeOrder(content, merged)
    (line, units), *rest = story.order.shippable().items or ((LineId("1"), Quantity(0)),)
    first = Manifest(((line, Quantity(1)),))
    others = Manifest((*([(line, Quantity(units - 1))] if units > 1 else []), *rest))
    portions = [
        ChildPart(f"o-1.{k}", f"N-1-{k}", str(k), goods, 0)
        for k, goods in enumerate((first, others), start=1)
    ]
    return SplitOrder(tuple(portions), taken_out(held_again(story.order.payments)))


def story_a() -> Story:
    """Order A, placed."""
    return Story(order_content(quote(order_a(), PricingPolicy(), START)))


def paid_a() -> Story:
    """Order A, paid by points, balance and a channel: 1,234 + 50.00 + 207.63."""
    story = story_a()
    story.pay(Points(1234), Balance(money("50.00", "CNY")), Channel("wechat"))
    return story


def free_order() -> Story:
    """An order of one line that a coupon takes to nothing."""
    off = (PercentOff(Percent.of("100")),)
    cart = Cart("EUR", (CartLine("A", 2, money("5.00", "EUR")),), off, customer=Party("c-1"))
    return Story(order_content(quote(cart, PricingPolicy(), START)))


# --- The unions are complete -----------------------------------------------------------------


def test_every_command_has_a_rule() -> None:
    """The table of rules covers the union of commands, and nothing else."""
    assert set(RULES) == set(get_args(Command))


def test_every_event_has_a_name_and_a_fold() -> None:
    """The stored names and the folds cover the union of events; `Placed`, `Adopted` and `SplitOff` begin one."""
    union = set(get_args(OrderEvent))
    assert set(EVENTS.values()) == union
    assert set(FOLDS) == union - {Placed, Adopted, SplitOff}
    assert {name: cls.name for name, cls in EVENTS.items()} == {name: name for name in EVENTS}


def test_every_kind_of_command_is_judged() -> None:
    """`allowed` has a word on each command that people send, once."""
    found = [p.command for p in allowed(story_a().order, story_a().situation())]
    assert sorted(found, key=str) == sorted(CommandKind, key=str)


# --- Laws ------------------------------------------------------------------------------------


@given(stories())
def test_l15_replay_gives_the_order(story: Story) -> None:
    """Replaying what happened gives the order, and each move starts where the last one ended."""
    laws.replay_gives(story.order, story.history)


@given(stories())
def test_l15_each_change_folds_to_its_order(story: Story) -> None:
    """Folding a change's events over the order before it gives the order that was decided."""
    before = None
    for made in story.changes:
        assert fold(before, made.events, made.at) == made.order
        before = made.order


@given(stories(max_steps=12), st.sampled_from(CommandKind), st.sampled_from(ActorKind))
def test_l12_what_is_not_allowed_is_refused(
    story: Story, kind: CommandKind, who: ActorKind
) -> None:
    """`allowed` and `decide` agree for every actor, and a refusal says what may be done instead."""
    by = Actor(who)
    permission = {p.command: p for p in allowed(story.order, story.situation(by))}[kind]
    command = command_of(kind, story, by)
    told = len(story.changes)
    if permission.possible and kind in BEGUN and story.order.payments.in_flight:
        with pytest.raises(NotAllowed, match="a payment is under way"):
            story.send(command, by=by)
        assert len(story.changes) == told
    elif permission.possible:
        story.send(command, by=by)
        assert story.changes[told:]
    else:
        assert permission.reason
        with pytest.raises(NotAllowed) as caught:
            story.send(command, by=by)
        assert isinstance(caught.value.data["allowed"], tuple)
        assert len(story.changes) == told
    laws.replay_gives(story.order, story.history)


@given(stories(), st.data())
def test_l12_a_refused_command_changes_nothing(story: Story, data: DataObject) -> None:
    """Junk sent to an order in any state raises an error of the tree and leaves the order as it was."""
    order = story.order
    attempts = [a.id for a in order.payments.attempts]
    junk: Command = data.draw(
        st.sampled_from(
            [
                *COMMANDS.values(),
                Ship("s-1", Manifest.of({"1": 10**9})),
                Ship("s-1", Manifest.of({"no such line": 1})),
                RefundOrder("r", Manifest.of({"1": 10**9}), "too many"),
                RefundOrder("r", Manifest.of({"no such line": 1}), "no line"),
                RefundOrder("r", ONE, "no such charge", ("gift wrap",)),
                RefundOrder("r", Manifest(), "nothing named", ()),
                AnswerAttempts((("nobody", Outcome(CAPTURED)),)),
                AnswerRefund("nobody", ((0, RefundOutcome(RefundStatus.ARRIVED)),)),
                AnswerRefund("r-1", ((99, RefundOutcome(RefundStatus.ARRIVED)),)),
                AnswerRefund("r-1", ((-1, RefundOutcome(RefundStatus.ARRIVED)),)),
                NoteRefundDelay("r-1", 99),
                NoteRefundDelay("r-1", -1),
                UndoPayment("why not"),
                Close("why not"),
                Remind(),
                AnswerAttempts(tuple((name, Outcome(OutcomeStatus.UNKNOWN)) for name in attempts)),
            ]
        )
    )
    changes = len(story.changes)
    refused: OrdercoreError | None = None
    try:
        story.send(junk)
    except OrdercoreError as error:
        refused = error
    if refused is not None:
        assert refused.reason
        assert story.order is order
        assert len(story.changes) == changes
    laws.replay_gives(story.order, story.history)


@given(stories())
def test_l8_refunds_are_bounded(story: Story) -> None:
    """In any state, refunds are within what each tender took, row by row."""
    laws.refunds_bounded(story.order.payments)


@given(st.data())
def test_l8_any_order_of_refunds_ends_in_the_same_place(data: DataObject) -> None:
    """Unit by unit, in any order, refunds give back exactly what each tender paid."""
    story = paid_a()
    rest = story.order.refundable()
    while rest:
        line = data.draw(st.sampled_from([name for name, _ in rest]))
        story.refund({line: data.draw(st.integers(1, rest.units(line)))})
        rest = story.order.refundable()
    planned = story.order.payments.plan
    assert planned is not None
    assert story.order.payments.drawn == planned.matrix
    assert story.order.state == "refunding"


@given(orders())
def test_an_order_that_ended_unpaid_holds_no_money(order: object) -> None:
    """L22 release: nothing is authorized or due any more; what was taken, not asked back and not forfeited is owed."""
    from ordercore.order import Order

    assert isinstance(order, Order)
    if order.handling.released:
        assert not any(a.state in PROMISED for a in order.payments.attempts)
        assert order.due == 0
        payments = order.payments
        kept = payments.forfeited + payments.taken_back
        assert order.owed == max(0, payments.captured - payments.refunded - kept)


@given(stories(), st.data())
def test_l10_news_twice_is_news_once(story: Story, data: DataObject) -> None:
    """The same news about an attempt, told again, makes no event."""
    attempts = story.order.payments.attempts
    if not attempts:
        return
    attempt = data.draw(st.sampled_from(attempts))
    status = data.draw(st.sampled_from([CAPTURED, DECLINED, WAITING, OutcomeStatus.VOIDED]))
    news = AnswerAttempts(((attempt.id, Outcome(status)),))
    story.send(news)
    settled = story.order
    assert not story.send(news).events
    assert story.order == settled


# --- Cases -----------------------------------------------------------------------------------


def test_line_two_refunded_after_shipping_gives_back_its_own_row() -> None:
    """Case 3: 89.99 of line 2 is 411 points, 16.67 of the balance and 69.21 of the channel."""
    story = paid_a()
    story.ship()
    story.refund({"2": 1})
    legs = story.order.payments.refund("r-1").legs
    assert [(leg.amount, leg.points) for leg in legs] == [(411, 411), (1667, 0), (6921, 0)]
    assert story.order.state == "shipped"
    assert standing(story.order).refunded == 8999


@pytest.mark.parametrize(
    "turns", ["123", "132", "213", "231", "312", "321"], ids=lambda turns: f"lines-{turns}"
)
def test_three_lines_refunded_in_any_order_give_all_back(turns: str) -> None:
    """Case 3: any order of the lines gives back exactly 1,234 points, 50.00 and 207.63; a fourth is refused."""
    story = paid_a()
    story.ship()
    for line in turns:
        story.refund({line: 1}, status=RefundStatus.ARRIVED)
    sums: dict[str, list[int]] = {}
    for refund in story.order.payments.refunds:
        for leg in refund.legs:
            total = sums.setdefault(story.order.payments.attempt(leg.attempt).gateway, [0, 0])
            total[0] += leg.amount
            total[1] += leg.points
    assert sums == {"points": [1234, 1234], "balance": [5000, 0], "wechat": [20763, 0]}
    assert story.order.state == "refunded"
    before = story.order
    with pytest.raises(NotAllowed) as caught:
        story.refund({turns[0]: 1})
    assert caught.value.data["state"] == "refunded"
    assert story.order is before


def test_a_line_cannot_be_refunded_twice() -> None:
    """Case 3: the same unit asked again is refused with what is left, and nothing is changed."""
    story = paid_a()
    story.refund({"2": 1})
    before = story.order
    with pytest.raises(InvalidManifest) as caught:
        story.refund({"2": 1})
    assert caught.value.path == "[2]"
    assert caught.value.data == {"line": "2", "left": 0, "asked": 1}
    assert story.order is before


def test_success_is_judged_by_the_channels_own_time() -> None:
    """Case 6: paid 12:29:58 and told 12:30:05, the order is paid, though it was closing since 12:30:00."""
    story = story_a()
    story.pay(Points(1234), Balance(money("50.00", "CNY")), Channel("wechat"), status=WAITING)
    story.answer(CAPTURED, "o-1/1", "o-1/2")
    story.send(Close("not paid in time"), after=timedelta(minutes=30))
    assert story.order.closing is not None
    assert story.order.payments.attempt("o-1/3").state is AttemptState.CLOSING
    paid = Outcome(CAPTURED, at=START + timedelta(minutes=29, seconds=58))
    story.send(AnswerAttempts((("o-1/3", paid),)), after=timedelta(seconds=5))
    assert story.order.state == "paid"
    assert story.order.closing is None
    assert story.order.payments.attempt("o-1/3").at == paid.at


def test_an_unpaid_order_closes_with_points_and_balance_back() -> None:
    """Case 6: at 12:30:00 the channel is closed first, then 1,234 points and 50.00 go back, then it is closed."""
    story = story_a()
    story.pay(Points(1234), Balance(money("50.00", "CNY")), Channel("wechat"), status=WAITING)
    story.answer(CAPTURED, "o-1/1", "o-1/2")
    story.send(Close("not paid in time"), after=timedelta(minutes=30))
    story.answer(OutcomeStatus.TOO_EARLY, "o-1/3")
    assert story.order.state == "pending_payment"
    story.answer(OutcomeStatus.VOIDED, "o-1/3")
    returning = [a.id for a in story.order.payments.attempts if a.state is AttemptState.RETURNING]
    assert returning == ["o-1/1", "o-1/2"]
    story.answer(OutcomeStatus.VOIDED, *returning)
    assert (story.order.state, story.order.reason) == ("closed", "not paid in time")
    assert [a.returned for a in story.order.payments.attempts] == [1234, 5000, 0]
    laws.books_tell_the_money(story.order, story.entries)


def test_a_declined_tender_gives_the_others_back_and_the_next_payment_may_come() -> None:
    """A decline undoes what the other tenders hold; then the order can be paid in another way."""
    story = story_a()
    story.pay(Points(1234), Channel("wechat"), status=WAITING)
    story.answer(CAPTURED, "o-1/1")
    story.answer(DECLINED, "o-1/2")
    assert story.order.payments.attempt("o-1/1").state is AttemptState.RETURNING
    with pytest.raises(NotAllowed, match="a payment is under way"):
        story.pay(Channel("card"))
    story.answer(OutcomeStatus.VOIDED, "o-1/1")
    story.pay(Channel("card"))
    assert story.order.state == "paid"
    assert story.order.payments.captured == 26997


def test_what_was_only_authorized_is_captured_when_all_is_held() -> None:
    """Authorized tenders are captured together, once every tender is held; then the order is paid."""
    story = story_a()
    story.pay(Points(1234), Channel("card"), status=OutcomeStatus.UNKNOWN)
    story.answer(OutcomeStatus.AUTHORIZED, "o-1/2")
    assert story.order.payments.attempt("o-1/2").state is AttemptState.AUTHORIZED
    story.answer(CAPTURED, "o-1/1")
    assert story.order.payments.attempt("o-1/2").state is AttemptState.CAPTURING
    story.answer(CAPTURED, "o-1/2")
    assert story.order.state == "paid"


def test_an_undo_of_a_paid_order_is_refused() -> None:
    """L20: a late word to give the payment up does not take the money of a paid order back."""
    story = paid_a()
    before = story.order
    with pytest.raises(NotAllowed):
        story.send(UndoPayment("the shopper pays in another way"))
    assert story.order is before


def test_late_money_for_a_closed_order_is_sent_back() -> None:
    """L21: money that comes after closing is taken in and at once asked back, and the books agree."""
    story = story_a()
    story.pay(Channel("card"), status=DECLINED)
    story.send(Close("not paid in time"))
    assert story.order.state == "closed"
    story.answer(CAPTURED, "o-1/1")
    attempt = story.order.payments.attempt("o-1/1")
    assert (attempt.state, attempt.captured) == (AttemptState.RETURNING, 26997)
    story.answer(OutcomeStatus.VOIDED, "o-1/1")
    laws.books_tell_the_money(story.order, story.entries)


def test_money_for_goods_that_are_gone_is_sent_back() -> None:
    """Paid when the keeper no longer holds the goods, the order closes and the money goes back."""
    story = story_a()
    story.pay(Channel("wechat"), status=WAITING)
    story.send(AnswerAttempts((("o-1/1", Outcome(CAPTURED)),), goods_lost=True))
    assert story.order.payments.attempt("o-1/1").state is AttemptState.RETURNING
    story.answer(OutcomeStatus.VOIDED, "o-1/1")
    assert story.order.state == "closed"
    assert "goods" in story.order.reason
    laws.books_tell_the_money(story.order, story.entries)


def test_an_order_of_nothing_is_paid_at_once_and_can_be_canceled() -> None:
    """What costs nothing needs no payment, and canceling it gives back nothing but the goods."""
    story = free_order()
    assert story.order.state == "paid"
    story.send(Cancel("mind changed"), by=SHOPPER)
    assert story.order.state == "closed"
    assert story.order.payments.refunds == ()
    assert story.order.shippable() == Manifest()


def test_a_paid_order_is_canceled_with_all_its_money_back() -> None:
    """Canceling before shipping asks back everything and withdraws the goods."""
    story = paid_a()
    story.send(Cancel("mind changed", "r-1"), by=SHOPPER)
    assert story.order.state == "closed"
    assert story.order.payments.refund("r-1").amount == 26997
    assert story.order.shippable() == Manifest()
    assert standing(story.order).payment is PaymentStanding.REFUNDING


def test_a_shipped_part_keeps_an_order_from_being_canceled() -> None:
    """Once something has left, the rest is refunded instead; then what has left is all of it."""
    story = paid_a()
    story.ship({"1": 1})
    with pytest.raises(NotAllowed, match="part of the order has left"):
        story.send(Cancel("mind changed", "r-1"))
    story.refund({"2": 1, "3": 1})
    assert story.order.state == "shipped"
    assert standing(story.order).delivery is DeliveryStanding.SHIPPED


def test_goods_at_hand_are_withdrawn_first() -> None:
    """A refund of units of which some have left keeps those at hand from leaving."""
    cart = Cart("EUR", (CartLine("A", 3, money("1.00", "EUR")),))
    story = Story(order_content(quote(cart, PricingPolicy(), START)))
    story.pay(Channel("card"))
    story.ship({"1": 1})
    story.refund({"1": 1})
    assert story.order.shippable() == Manifest.of({"1": 1})
    story.refund({"1": 1})
    assert story.order.shippable() == Manifest()
    assert story.order.state == "shipped"


def test_a_refund_has_an_id_of_its_own() -> None:
    """A second refund under the id of a first is refused: its gateway keys would be the first one's."""
    story = paid_a()
    story.send(RefundOrder("r-1", ONE, "broken"))
    before = story.order
    with pytest.raises(KeyReused) as caught:
        story.send(RefundOrder("r-1", Manifest.of({"2": 1}), "broken too"))
    assert caught.value.data["refund"] == "r-1"
    assert story.order is before


def test_a_refund_that_failed_may_still_arrive_and_never_goes_back() -> None:
    """News of a leg never undoes an arrival, and an arrival mends a failure."""
    story = paid_a()
    story.refund({"1": 1, "2": 1, "3": 1}, status=RefundStatus.FAILED)
    assert story.order.state == "refunding"
    arrived = RefundOutcome(RefundStatus.ARRIVED)
    story.send(AnswerRefund("r-1", tuple((leg, arrived) for leg in range(3))))
    assert story.order.state == "refunded"
    failed = AnswerRefund("r-1", ((0, RefundOutcome(RefundStatus.FAILED)),))
    assert story.send(failed).events == ()


# --- Who may -----------------------------------------------------------------------------------


def test_a_customer_may_not_do_what_staff_does() -> None:
    """Accepting, shipping and refunding are for staff; the refusal names the actor."""
    story = paid_a()
    for command in (Accept(), Ship("s-1"), RefundOrder("r-1", ONE, "broken")):
        with pytest.raises(NotAllowed, match="a customer may not do this"):
            story.send(command, by=SHOPPER)


def test_an_order_of_another_customer_is_out_of_reach() -> None:
    """A customer acts on orders of their own only."""
    cart = Cart("EUR", (CartLine("A", 1, money("1.00", "EUR")),), customer=Party("c-2"))
    story = Story(order_content(quote(cart, PricingPolicy(), START)))
    with pytest.raises(NotAllowed, match="belongs to another customer"):
        story.send(Cancel("mine"), by=SHOPPER)
    story.send(Cancel("mine"), by=Actor.customer("c-2"))
    assert story.order.state == "closed"


# --- Bad input ---------------------------------------------------------------------------------


def test_a_plan_for_another_amount_is_refused() -> None:
    """A plan that pays more or less than what is due, or in another currency, is no plan for this order."""
    dear = Cart("CNY", (CartLine("A", 1, money("300.00", "CNY")),))
    other = Cart("EUR", order_a().lines[:0] or (CartLine("A", 1, money("269.97", "EUR")),))
    for cart in (dear, other):
        priced = quote(cart, PricingPolicy(), START)
        planned = plan(priced.rows(), [Channel("card")], TenderPolicy(), priced.currency)
        with pytest.raises(InvalidTenders) as caught:
            story_a().send(Pay(planned))
        assert (caught.value.code, caught.value.path) == ("invalid_tenders", "tenders")


@pytest.mark.parametrize("junk", ["pay", None, {}, Pay], ids=["text", "none", "dict", "class"])
def test_what_is_no_command_is_refused(junk: object) -> None:
    """Anything but a command of the union is bad input, with the commands there are."""
    story = story_a()
    with pytest.raises(InvalidInput) as caught:
        decide(story.order, junk, story.situation())  # type: ignore[arg-type]
    assert "Pay" in str(caught.value.data["allowed"])


def test_an_event_that_nobody_knows_is_refused() -> None:
    """A history with an event outside of the union is unreadable, not a crash."""

    @event("order.teleported")
    class Teleported(Event):
        """Never happened."""

    with pytest.raises(CorruptDocument, match=r"order\.teleported"):
        evolve(story_a().order, Teleported(), START)


def test_a_history_begins_with_its_placing_and_places_once() -> None:
    """No events, a headless history and a second placing are each unreadable."""
    history = paid_a().history
    for broken in ([], list(history[1:]), [history[0], *history]):
        with pytest.raises(CorruptDocument) as caught:
            replay(broken)
        assert caught.value.path == "events"


def test_l7_a_name_stands_for_one_attempt() -> None:
    """A payment, a backup or another order's money under a name that is taken is unreadable."""
    history = paid_a().history
    started = next(told for told, _ in history if isinstance(told, PaymentStarted))
    (attempt, *_) = started.attempts
    for again in (started, Rerouted(attempt.id, attempt), MoneyBroughtIn("ord_2", (attempt,))):
        with pytest.raises(CorruptDocument, match="stands for another attempt") as caught:
            replay([*history, (again, START)])
        assert caught.value.path == "attempts"


def test_an_unknown_attempt_or_refund_is_not_found() -> None:
    """Answers about what the order does not have name it."""
    story = paid_a()
    story.refund({"1": 1})
    arrived = RefundOutcome(RefundStatus.ARRIVED)
    for command, path in (
        (AnswerAttempts((("o-9/1", Outcome(CAPTURED)),)), "attempt"),
        (AnswerRefund("r-9", ((0, arrived),)), "refund"),
        (AnswerRefund("r-1", ((7, arrived),)), "refund"),
        (AnswerRefund("r-1", ((-1, arrived),)), "refund"),
        (NoteRefundDelay("r-1", 7), "refund"),
    ):
        with pytest.raises(NotFound) as caught:
            story.send(command)
        assert caught.value.path == path


def test_shipping_what_is_not_there_is_refused() -> None:
    """More units than are left, or a line that the order does not have, ship nothing."""
    story = paid_a()
    story.send(Accept())
    for goods in ({"1": 2}, {"9": 1}):
        before = story.order
        with pytest.raises(InvalidManifest) as caught:
            story.send(Ship("s-1", Manifest.of(goods)))
        assert caught.value.path == f"[{next(iter(goods))}]"
        assert story.order is before


def test_a_refusal_lists_what_is_allowed() -> None:
    """A refused command answers with the order's state and the commands that its actor may send."""
    story = paid_a()
    with pytest.raises(Refused) as caught:
        story.send(Complete())
    assert caught.value.data["state"] == "paid"
    assert caught.value.data["command"] == "complete"
    assert caught.value.data["allowed"] == (
        "accept", "cancel", "refund", "amend", "compensate", "issue_pickup_code",
        "plan_parcels", "split", "combine",
    )  # fmt: skip
    assert caught.value.data["events"] == ("accept", "cancel")


@pytest.mark.parametrize(
    ("reservation", "holding", "reason"),
    [
        ("res-1", "", "the goods are no longer there"),
        ("", "cpn-1", "a coupon is no longer there"),
        ("res-1", "cpn-1", "the goods or a coupon are no longer there"),
    ],
)
def test_an_order_paid_too_late_says_what_is_gone(
    reservation: str, holding: str, reason: str
) -> None:
    """Goods, a coupon, or one of them: the order names what it had been promised."""
    content = order_content(quote(order_a(), PricingPolicy(), START), reservation=reservation)
    story = Story(attrs.evolve(content, coupon_holding=holding))
    story.pay(Channel("wechat"), status=WAITING)
    story.send(AnswerAttempts((("o-1/1", Outcome(CAPTURED)),), goods_lost=True))
    story.answer(OutcomeStatus.VOIDED, "o-1/1")
    assert (story.order.state, story.order.reason) == ("closed", reason)
