"""Refunds of an order by any split, answered in any way: laws L6, L8, L9, L15 and L25 over the whole of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput, InvalidManifest, NotAllowed
from ordercore.goods import Manifest
from ordercore.order import (
    AnswerRefund,
    CommandKind,
    ConfirmRefund,
    Pay,
    RefundOrder,
    RerouteRefund,
    SendRefunds,
    allowed,
)
from ordercore.party import SYSTEM, Actor
from ordercore.tender import OutcomeStatus, RefundOutcome, RefundSplit, RefundStatus
from ordercore.tender.events import RefundAnswered, RefundSent
from ordercore.testing import Story, carts, laws, order_content, quotes, tender_plans

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from ordercore.pricing import Quote

SMALL = quotes(carts(max_lines=3, max_units=4, max_price=20_000))
S, _R = RefundSplit, RefundStatus
STAFF = Actor.staff("s1")
ANSWERS = (None, _R.ARRIVED, _R.ACCEPTED, _R.FAILED)


def hold(story: Story) -> None:
    """The laws of an order that holds money, all of its history over."""
    order = story.order
    laws.refunds_bounded(order.payments)
    laws.amounts_agree(order)
    laws.books_tell_the_money(order, story.entries)
    laws.replay_gives(order, story.history)
    for made in story.changes:
        laws.books_balance(made.entries)


def paid(due: Quote, data: DataObject) -> Story:
    """An order that is paid by any plan, and perhaps complete."""
    story = Story(order_content(due))
    story.send(Pay(data.draw(tender_plans(story.order.content))))
    story.answer(OutcomeStatus.CAPTURED)
    if data.draw(st.booleans()):
        story.complete()
    return story


def answer(story: Story, data: DataObject) -> None:
    """Let some open leg be answered, or a failed one go by another way."""
    legs = [
        (refund.id, place, leg)
        for refund in story.order.payments.refunds
        for place, leg in enumerate(refund.legs)
        if not leg.arrived
    ]
    if not legs:
        return
    name, place, leg = data.draw(st.sampled_from(legs))
    if leg.status is _R.FAILED:
        to = data.draw(st.sampled_from(["", "balance"]))
        story.send(RerouteRefund(name, place, to, "c1", "yes"), by=STAFF)
        return
    status = data.draw(st.sampled_from(ANSWERS))
    if status is not None:
        keys = (leg.key(name, place),)
        told = RefundOutcome(status, at=story.at)
        story.send(AnswerRefund(name, ((place, told),), keys))


def all_arrived(story: Story) -> None:
    """Let every leg arrive, failed ones after another try."""
    for refund in story.order.payments.refunds:
        for place, leg in enumerate(refund.legs):
            if leg.status is _R.FAILED:
                story.send(RerouteRefund(refund.id, place), by=STAFF)
            if not leg.arrived:
                arrived = RefundOutcome(_R.ARRIVED, at=story.at)
                story.send(AnswerRefund(refund.id, ((place, arrived),)))


@given(SMALL, st.data())
def test_l8_l9_and_l25_hold_over_any_refunds_and_answers(due: Quote, data: DataObject) -> None:
    """Partial refunds by mixed splits, answers of every kind between them: all back is all captured, books at zero."""
    assume(due.total > 0)
    story = paid(due, data)
    for _ in range(data.draw(st.integers(0, 5))):
        left = dict(story.order.refundable().items)
        if not left or story.order.all_asked_back():
            break
        line = data.draw(st.sampled_from(sorted(left)))
        goods = Manifest.of({line: data.draw(st.integers(1, left[line]))})
        name = f"r-{len(story.order.payments.refunds)}"
        split = data.draw(st.sampled_from(S))
        try:
            story.send(RefundOrder(name, goods, "", split=split, consent="yes", account="c1"))
        except InvalidManifest:
            pass  # whole points cannot make it
        except NotAllowed:
            assert split is not S.TO_BALANCE
            break
        hold(story)
        answer(story, data)
        hold(story)
    if not story.order.all_asked_back() and story.order.payments.captured:
        story.send(RefundOrder("r-last", None, "", split=data.draw(st.sampled_from(list(S)[:5]))))
    hold(story)
    all_arrived(story)
    hold(story)
    order = story.order
    assert order.state == "refunded"
    assert [order.payments.left(attempt) for attempt in order.payments.attempts] == [
        0 for _ in order.payments.attempts
    ]


def two_refunds() -> Story:
    """Order A over a channel, two lines asked back."""
    from ordercore.pricing import PricingPolicy, quote
    from ordercore.tender.tenders import Channel
    from ordercore.testing import START, order_a

    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    story.pay(Channel("wechat"))
    story.refund({"1": 1})
    story.refund({"2": 1})
    return story


BOTH = (("r-1", 0), ("r-2", 0))


def test_what_is_sent_as_one_is_answered_as_one() -> None:
    """An answer about either is an answer about both; the first tells all the money that arrived."""
    story = two_refunds()
    story.send(SendRefunds(BOTH))
    assert story.events[-1] == RefundSent(BOTH, story.at)
    legs = [refund.legs[0] for refund in story.order.payments.refunds]
    assert [leg.key(f"r-{i + 1}", 0) for i, leg in enumerate(legs)] == ["r-1#0", "r-1#0"]
    arrived = RefundOutcome(_R.ARRIVED, "tx", story.at)
    story.send(AnswerRefund("r-2", ((0, arrived),), ("r-1#0",)))
    told = [event for event in story.events if isinstance(event, RefundAnswered)]
    assert [(e.refund, e.amount, e.key, e.gateway) for e in told] == [
        ("r-1", 17_998, "r-1#0", "wechat"), ("r-2", 0, "r-1#0", "wechat"),
    ]  # fmt: skip
    hold(story)


def test_what_was_sent_is_not_sent_again() -> None:
    """Of two workers that write it down, the second is refused; so is one that sends what was answered."""
    story = two_refunds()
    story.send(SendRefunds(BOTH[:1]))
    with pytest.raises(NotAllowed, match="under way"):
        story.send(SendRefunds(BOTH))
    story.send(SendRefunds(BOTH[1:]))
    assert [r.legs[0].sent_as for r in story.order.payments.refunds] == ["", ""]


def test_news_under_the_key_of_a_way_that_failed_is_no_news() -> None:
    """A leg that goes by another way hears nothing of the former one; its alert is told once."""
    story = two_refunds()
    failed = RefundOutcome(_R.FAILED, reason="the card has expired")
    story.send(AnswerRefund("r-1", ((0, failed),), ("r-1#0",)))
    assert story.events[-1].name == "order.refund_delayed"
    story.send(RerouteRefund("r-1", 0, "balance", "c1", "yes"), by=STAFF)
    before = story.order
    for status in (_R.FAILED, _R.ARRIVED):
        story.send(AnswerRefund("r-1", ((0, RefundOutcome(status)),), ("r-1#0",)))
    assert story.order == before
    story.send(AnswerRefund("r-1", ((0, RefundOutcome(_R.ARRIVED)),), ("r-1#0x1",)))
    assert story.order.payments.refund("r-1").arrived
    hold(story)


def test_l12_staff_says_arrived_or_failed_of_what_has_not_arrived() -> None:
    """Their word is the last but one: what has arrived stays so, and *accepted* is nothing to confirm."""
    story = two_refunds()
    with pytest.raises(InvalidInput, match="arrived"):
        story.send(ConfirmRefund("r-1", 0, RefundOutcome(_R.ACCEPTED)), by=STAFF)
    with pytest.raises(NotAllowed, match="may not"):
        story.send(ConfirmRefund("r-1", 0, RefundOutcome(_R.ARRIVED)), by=Actor.customer("c1"))
    story.send(ConfirmRefund("r-1", 0, RefundOutcome(_R.ARRIVED, "slip 7")), by=STAFF)
    with pytest.raises(NotAllowed, match="already"):
        story.send(ConfirmRefund("r-1", 0, RefundOutcome(_R.FAILED)), by=STAFF)


def test_l12_another_way_is_offered_when_something_has_failed() -> None:
    """The permission follows the legs; a leg that has not failed stays on its way."""
    story = two_refunds()

    def may() -> bool:
        found = allowed(story.order, story.situation(STAFF))
        return {p.command: p.possible for p in found}[CommandKind.REROUTE_REFUND]

    assert not may()
    story.send(AnswerRefund("r-1", ((0, RefundOutcome(_R.FAILED)),)))
    assert may()
    with pytest.raises(NotAllowed, match="not answered"):
        story.send(RerouteRefund("r-2", 0, "balance", "c1", "yes"), by=STAFF)
    with pytest.raises(NotAllowed, match="consent"):
        story.send(RerouteRefund("r-1", 0, "balance", "c1"), by=SYSTEM)
