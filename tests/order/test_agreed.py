"""What is agreed changes: the difference is computed from totals, and money stays with its tenders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput, NotAllowed, OrdercoreError
from ordercore.ledger import AccountKind
from ordercore.lifecycle.charts import built_in
from ordercore.money import money
from ordercore.order import (
    FACTS,
    AddLine,
    Amend,
    Amended,
    AnswerAttempts,
    Cancel,
    ChangeQuantity,
    Close,
    HandlingPolicy,
    Move,
    Overruled,
    Recover,
    RefundOrder,
    RemoveLine,
    Rule,
    UndoPayment,
    replay,
    standing,
)
from ordercore.order.standing import PaymentStanding
from ordercore.party import Actor, Party
from ordercore.pricing import Cart, CartLine, PricingPolicy, quote
from ordercore.tender import Outcome, OutcomeStatus, PointsRate, TenderPolicy, TenderRule
from ordercore.tender.events import Reallotted, RefundRequested
from ordercore.tender.tenders import Balance, Channel, Points, StoredValue
from ordercore.testing import START, Story, laws, order_content, stories

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject, DrawFn

    from ordercore.order import CartChange

STANDARD = built_in("standard", FACTS)
AGENT = built_in("purchasing_agent", FACTS)
SHOPPER, STAFF = Actor.customer("c-1"), Actor.staff("s-1")
CAPTURED, VOIDED = OutcomeStatus.CAPTURED, OutcomeStatus.VOIDED
COARSE = TenderPolicy((TenderRule("points", PointsRate(1, 10)),))


def placed(
    *prices: str, units: int = 1, handling: HandlingPolicy | None = None, agent: bool = False
) -> Story:
    """Lines at these prices in CNY, ``units`` of each."""
    lines = tuple(CartLine(f"S-{i}", units, money(p, "CNY")) for i, p in enumerate(prices, 1))
    cart = Cart("CNY", lines, customer=Party("c-1"))
    chart = AGENT if agent else STANDARD
    content = order_content(quote(cart, PricingPolicy(), START), lifecycle=chart, reservation="r")
    return Story(content, lifecycle=chart, handling=handling)


def paid(*prices: str, units: int = 1, agent: bool = False, **options: HandlingPolicy) -> Story:
    """The same, paid by points, balance and a channel."""
    story = placed(*(prices or ("100.00", "100.00")), units=units, agent=agent, **options)
    story.pay(Points(1234), Balance(money("50.00", "CNY")), Channel("wechat"))
    assert story.order.due == 0
    return story


def check(story: Story) -> None:
    """The laws of an order at any moment of its life."""
    laws.replay_gives(story.order, story.history)
    laws.amounts_agree(story.order)
    laws.refunds_bounded(story.order.payments)
    for made in story.changes:
        laws.books_balance(made.entries)
    laws.books_tell_the_money(story.order, story.entries)


# --- Laws ------------------------------------------------------------------------------------


@given(stories())
def test_l6_what_is_due_owed_and_held_adds_up_in_any_state(story: Story) -> None:
    """The total is that of the rows, the tenders hold what was paid, and the matrix in force has both margins."""
    laws.amounts_agree(story.order)


@given(stories())
def test_l15_the_journal_gives_the_order_at_every_moment(story: Story) -> None:
    """Replaying the first events gives the order as it was then, amendments and recoveries included."""
    told = []
    for made in story.changes:
        told += [(event, made.at) for event in made.events]
        assert replay(told) == made.order


@given(stories())
def test_l22_an_order_that_is_over_holds_nothing(story: Story) -> None:
    """Released, it keeps no goods, no codes and no promise of money."""
    order = story.order
    if order.handling.released and not order.delivery.shipments:
        assert order.stock_kept() == ()
        assert all(keep == () for _, keep in order.reservations())
        assert not order.coupons_kept()
        assert not order.due
        attempts = order.payments.attempts
        assert not [a for a in attempts if a.held and a.state.value != "captured"]


@given(stories())
def test_l22_reservations_together_keep_what_the_order_needs(story: Story) -> None:
    """However goods came to the order, the names under which they are held add up to its need."""
    order = story.order
    if not order.content.reservation:
        return
    sums: dict[str, int] = {}
    for _, keep in order.reservations():
        for sku, units in keep:
            sums[sku] = sums.get(sku, 0) + units
    assert sums == dict(order.stock_kept())


@st.composite
def ways(draw: DrawFn) -> list[CartChange]:
    """Changes one after the other, of a cart with lines 1 and 2 which both stay."""
    found: list[CartChange] = []
    added = 0
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            found.append(ChangeQuantity(draw(st.sampled_from(["1", "2"])), draw(st.integers(1, 5))))
        elif added and draw(st.booleans()):
            found.append(RemoveLine(f"new-{added}"))
            added -= 1
        else:
            added += 1
            price = money(str(draw(st.integers(0, 300))), "CNY")
            found.append(AddLine(CartLine("S-9", 1, price, id=f"new-{added}")))
    return [*found, *[RemoveLine(f"new-{i}") for i in range(added, 0, -1)]]


@given(ways(), st.integers(1, 5), st.integers(1, 5))
def test_l6_the_difference_comes_from_totals_whatever_the_way(
    way: list[CartChange], first: int, second: int
) -> None:
    """Any amendments that end at the same cart leave the same to pay, less what was given back on the way."""
    story, straight = paid("100.00", "33.33"), paid("100.00", "33.33")
    end = [ChangeQuantity("1", first), ChangeQuantity("2", second)]
    for change in way:
        story.amend(change)
        assert not story.order.owed
    story.amend(*end)
    straight.amend(*end)
    assert story.order.total == straight.order.total
    for order in (story.order, straight.order):
        net = order.payments.captured - order.payments.refunded
        assert order.due - order.owed == order.total - net
    back = story.order.payments.refunded - straight.order.payments.refunded
    assert (story.order.due, story.order.owed) == (straight.order.due + back, 0)
    check(story)


@given(ways())
def test_l6_a_way_that_never_goes_below_what_was_paid_moves_no_money(
    way: list[CartChange],
) -> None:
    """Back at the cart that was paid, nothing is due or owed, no refund was asked, and no entry written."""
    story = paid("100.00", "33.33")
    entries = story.entries
    for change in way:
        before = story.amendment(change)
        if before.content.total >= 13_333:
            story.amend(change)
    for line in [line for line in story.order.lines if line.id not in {"1", "2"}]:
        story.amend(RemoveLine(line.id), ChangeQuantity("1", 9))
    story.amend(ChangeQuantity("1", 1), ChangeQuantity("2", 1))
    assert (story.order.due, story.order.owed, story.order.total) == (0, 0, 13_333)
    assert not story.order.payments.refunds
    assert story.entries == entries
    check(story)


@given(st.data())
def test_l8_no_sequence_gives_back_more_than_was_taken(data: DataObject) -> None:
    """Amended up and down, paid, refunded, canceled, recovered in any order: each tender gives back at most
    what it took, the books balance after each step, and a refusal changes nothing."""
    policy = data.draw(st.sampled_from([TenderPolicy(), COARSE]))
    refunds = data.draw(st.booleans())
    story = placed("100.00", "33.30", agent=True, handling=HandlingPolicy(refund_canceled=refunds))
    for _ in range(data.draw(st.integers(1, 14))):
        act = data.draw(
            st.sampled_from(["amend", "amend", "pay", "pay", "refund", "cancel", "back"])
        )
        before, told = story.order, len(story.changes)
        try:
            _do(data, story, act, policy)
        except OrdercoreError:
            assert story.order == before
            assert len(story.changes) == told
        else:
            check(story)
    captured = {a.id: a.captured for a in story.order.payments.attempts}
    for refund in story.order.payments.refunds:
        for leg in refund.legs:
            captured[leg.attempt] -= leg.amount
    assert min(captured.values(), default=0) >= 0


def _do(data: DataObject, story: Story, act: str, policy: TenderPolicy) -> None:
    if act == "amend":
        changes = data.draw(
            st.sampled_from(
                [
                    (ChangeQuantity("1", data.draw(st.integers(1, 3))),),
                    (ChangeQuantity("2", data.draw(st.integers(1, 3))),),
                    (AddLine(CartLine("S-3", 1, money("20.00", "CNY"))),),
                    (RemoveLine(data.draw(st.sampled_from([x.id for x in story.order.lines]))),),
                ]
            )
        )
        story.amend(*changes)
    elif act == "pay":
        offers = (
            Points(data.draw(st.integers(1, 400))),
            StoredValue("GC", money("30.00", "CNY")),
            Channel("card"),
        )
        first = data.draw(st.integers(0, 2))
        story.pay(*offers[first:], policy=policy)
    elif act == "refund":
        rest = story.order.refundable()
        if rest and data.draw(st.booleans()):
            story.refund({data.draw(st.sampled_from([name for name, _ in rest])): 1})
        else:
            story.refund()
    elif act == "cancel":
        story.send(Cancel("no", f"r-{len(story.order.payments.refunds) + 1}"))
    else:
        worth = data.draw(st.sampled_from(["50.00", "100.00", "112.00"]))
        story.recover({"S-1": money(worth, "CNY")})


@given(stories(by=(AGENT,)))
def test_l9_advances_are_what_was_paid_and_not_asked_back(story: Story) -> None:
    """Until the sale is earned, whatever was amended, canceled or recovered."""
    order = story.order
    if order.recognized or order.handling.adopted:
        return
    advances = sum(e.amount for e in story.entries if e.account is AccountKind.ADVANCES)
    kept = sum(a.captured - a.returned for a in order.payments.attempts)
    assert advances == order.payments.refunded - kept


# --- Amending --------------------------------------------------------------------------------


def test_a_paid_order_that_costs_less_gives_the_difference_back_in_proportion() -> None:
    """Of 200.00 paid as 12.34, 50.00 and 137.66, the 50.00 go back as 3.08, 12.50 and 34.42."""
    story = paid("150.00", "50.00")
    made = story.amend(RemoveLine("2"))
    legs = made.payments.refunds[0].legs
    assert [leg.amount for leg in legs] == [308, 1250, 3442]
    assert [type(e) for e in story.changes[-1].events] == [RefundRequested, Amended, Reallotted]
    assert [t.amount for t in made.payments.plan.tenders] == [926, 3750, 10324]  # type: ignore[union-attr]
    assert standing(made).payment is PaymentStanding.PAID
    check(story)


def test_a_second_difference_is_carried_into_the_third_payment() -> None:
    """Three payments of one order; refunded unit by unit, each attempt has all of its money back."""
    story = paid("100.00", units=2)
    for units, offer in ((3, Balance(money("40.00", "CNY"))), (5, StoredValue("GC-9"))):
        story.amend(ChangeQuantity("1", units))
        story.pay(offer, Channel("card"))
        check(story)
    assert story.order.payments.round == 3
    for _ in range(5):
        story.refund({"1": 1})
        check(story)
    payments = story.order.payments
    assert all(payments.left(attempt) == 0 for attempt in payments.attempts)
    assert story.order.state == "refunding"


def test_a_difference_that_is_not_paid_leaves_the_former_payment_alone() -> None:
    """Declined, the next try may come; what was paid before is neither undone nor paid twice."""
    story = paid()
    story.amend(ChangeQuantity("1", 2))
    story.pay(StoredValue("GC-9", money("40.00", "CNY")), Channel("card"), status=CAPTURED)
    assert story.order.due == 0
    story.amend(ChangeQuantity("1", 3))
    story.pay(Channel("card"), status=OutcomeStatus.DECLINED)
    assert (story.order.due, story.order.payments.captured) == (10_000, 30_000)
    check(story)
    story.pay(Channel("card"))
    assert story.order.due == 0
    check(story)


def test_an_order_canceled_while_its_difference_is_paid_keeps_no_money() -> None:
    """The attempt under way is undone, the former payment refunded, and then it is closed."""
    story = paid()
    story.amend(ChangeQuantity("1", 2))
    story.pay(Channel("card"), status=OutcomeStatus.WAITING)
    story.send(Cancel("no", "r-1"), by=SHOPPER)
    assert story.order.closing is not None
    story.answer(VOIDED)
    assert (story.order.state, story.order.owed) == ("closed", 0)
    assert story.order.payments.refunded == 20_000
    check(story)


def test_a_former_payment_that_was_refunded_is_not_undone_with_a_later_one() -> None:
    """Canceled, refunded, recovered, begun to pay and canceled again: the first money goes back once."""
    story = paid(agent=True)
    story.send(Cancel("no", "r-1"))
    story.recover()
    story.pay(Channel("card"), status=OutcomeStatus.WAITING)
    story.send(UndoPayment("another way"))
    story.send(Cancel("no", "r-2"))
    story.answer(VOIDED)
    payments = story.order.payments
    assert story.order.state == "canceled"
    assert [a.state.value for a in payments.attempts] == ["captured"] * 3 + ["returned"]
    assert payments.refunded == payments.captured == 20_000
    check(story)


def test_old_news_of_a_former_payment_moves_nothing() -> None:
    """*Captured*, told again of a payment that was refunded, does not pay the recovered order."""
    story = paid(agent=True)
    story.send(Cancel("no", "r-1"))
    story.recover()
    names = [a.id for a in story.order.payments.attempts]
    made = story.send(AnswerAttempts(tuple((name, Outcome(CAPTURED)) for name in names)))
    assert made.events == ()
    assert (story.order.state, story.order.due) == ("awaiting_payment", 20_000)


def test_a_recovered_order_that_is_not_paid_in_time_gives_back_what_it_still_has() -> None:
    """Money that had not gone back pays for it only with the rest; at the deadline it goes back, or is owed."""
    for refunds in (True, False):
        story = paid(agent=True, handling=HandlingPolicy(refund_canceled=False))
        story.send(Cancel("no", "r-1"))
        story.recover({"S-1": money("112.00", "CNY")})
        assert story.order.due == 1_200
        story._handling = HandlingPolicy(refund_canceled=refunds)
        story.send(Close("not paid in time", "cancel"))
        assert story.order.state == "canceled"
        assert story.order.owed == (0 if refunds else 20_000)
        check(story)


def test_an_amendment_is_refused_while_a_payment_is_under_way() -> None:
    """It would change the price under the payer's hands."""
    story = placed("10.00")
    story.pay(Channel("card"), status=OutcomeStatus.WAITING)
    before = story.order
    with pytest.raises(NotAllowed, match="under way"):
        story.amend(ChangeQuantity("1", 2))
    assert story.order is before


def test_a_refund_is_refused_while_a_payment_is_under_way() -> None:
    """Half of a payment in hand is no payment: what becomes of the rest is known first."""
    chart = built_in("review_first", FACTS)
    cart = Cart("CNY", (CartLine("A", 1, money("10.00", "CNY")),), customer=Party("c-1"))
    content = order_content(quote(cart, PricingPolicy(), START), lifecycle=chart)
    story = Story(content, lifecycle=chart, handling=HandlingPolicy(overrules=(Rule.STATE,)))
    story.send(Move("confirmed", "a regular"), by=STAFF)
    story.pay(Points(100), Channel("card"), status=OutcomeStatus.UNKNOWN)
    story.answer(CAPTURED, "o-1/1")
    story.send(AnswerAttempts((("o-1/2", Outcome(OutcomeStatus.AUTHORIZED)),)))
    assert story.order.due == 0
    with pytest.raises(NotAllowed, match="under way"):
        story.refund()


def test_content_of_another_order_is_no_amendment() -> None:
    """Who sold it, under which number and in which currency does not change."""
    story = paid()
    content = story.order.content
    for other in ({"id": "o-2"}, {"number": "N-2"}, {"shop": "north"}, {"currency": "EUR"}):
        with pytest.raises(InvalidInput):
            story.send(Amend(attrs.evolve(content, **other), (), "r-1"))


def test_coarse_points_that_cannot_be_split_refuse_the_amendment() -> None:
    """Points worth 0.10 each paid it all: 0.05 less cannot go back, so nothing changes; 0.10 less can."""
    story = placed("10.00")
    story.pay(Points(100), policy=COARSE)
    before = story.order
    with pytest.raises(InvalidInput):
        story.send(_priced(story, "9.95"))
    assert story.order is before
    story.send(_priced(story, "9.90"))
    assert [(leg.amount, leg.points) for leg in story.order.payments.refunds[0].legs] == [(10, 1)]
    check(story)


def _priced(story: Story, price: str) -> Amend:
    """Line 1 replaced by one at another price."""
    return story.amendment(AddLine(CartLine("S-1", 1, money(price, "CNY"))), RemoveLine("1"))


def test_an_amendment_by_override_is_told_with_its_reason() -> None:
    """In a state that lists nobody, staff overrule where the policy says so; the journal has the reason."""
    chart = built_in("flash_sale", FACTS)
    cart = Cart("CNY", (CartLine("A", 2, money("10.00", "CNY")),), customer=Party("c-1"))
    content = order_content(quote(cart, PricingPolicy(), START), lifecycle=chart)
    story = Story(content, lifecycle=chart, handling=HandlingPolicy(overrules=(Rule.AMEND_STATE,)))
    with pytest.raises(NotAllowed) as caught:
        story.amend(ChangeQuantity("1", 1), by=STAFF)
    assert caught.value.data["rule"] == "amend_state"
    assert caught.value.data["overrule"] is True
    story.amend(ChangeQuantity("1", 1), by=STAFF, overrule="she called")
    assert Overruled("amend_state", "she called") in story.events


# --- Recovering ------------------------------------------------------------------------------


def test_a_recovered_order_begins_a_new_visit_with_a_new_deadline() -> None:
    """Same number, the journal of both lives, and the money of the first one as it stands."""
    story = paid(agent=True)
    story.send(Cancel("no", "r-1"))
    visit, pay_by = story.order.visit, story.order.content.pay_by
    story.at = START.replace(day=21)
    story.recover({"S-1": money("112.00", "CNY")})
    order = story.order
    assert (order.number, order.visit) == ("ORD-0000000001", visit + 1)
    assert order.content.pay_by is not None
    assert pay_by is not None
    assert order.content.pay_by > pay_by
    assert order.due == 21_200
    check(story)


def test_a_sale_that_is_booked_is_not_recovered() -> None:
    """Its revenue stands in the books: a new order is another sale."""
    from ordercore.ledger import PostingPolicy

    story = placed("10.00", agent=True)
    early = Story(story.order.content, lifecycle=AGENT, posting=PostingPolicy(("processing",)))
    early.pay(Channel("card"))
    assert early.order.recognized
    early.send(Cancel("no", "r-1"))
    with pytest.raises(NotAllowed, match="booked"):
        early.send(Recover(early.order.content))


def test_a_refund_of_units_of_an_order_that_is_partly_paid_is_refused() -> None:
    """What was paid covers other goods than today's: all of it goes back, or none."""
    story = paid(agent=True, handling=HandlingPolicy(refund_canceled=False))
    story.amend(AddLine(CartLine("S-3", 1, money("20.00", "CNY"))))
    story.send(Cancel("no", "r-1"))
    with pytest.raises(NotAllowed, match="all of it"):
        story.refund({"1": 1})
    story.send(RefundOrder("r-1", None, "closed"))
    assert story.order.owed == 0
    check(story)


def test_a_move_by_hand_books_the_sale_as_any_move_does() -> None:
    """Put to *completed* by staff, the order is earned: its advances are gone."""
    story = placed("10.00", handling=HandlingPolicy(overrules=(Rule.STATE,)))
    story.pay(Channel("card"))
    story.send(Move("completed", "handed over in the shop"), by=STAFF)
    assert story.order.recognized
    assert not sum(e.amount for e in story.entries if e.account is AccountKind.ADVANCES)
    check(story)
