"""Presales in the core: what is asked, which money stands where, what ends them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from ordercore.errors import InvalidTenders, NotAllowed
from ordercore.ledger import AccountKind
from ordercore.money import from_minor
from ordercore.order import (
    Advance,
    AnswerAttempts,
    Cancel,
    Close,
    Forfeit,
    Pay,
    decide,
    standing,
)
from ordercore.party import SYSTEM, Actor
from ordercore.pricing import Cart, CartLine, DepositKind, Presale, PricingPolicy, quote
from ordercore.tender import (
    CaptureMoment,
    ChannelPick,
    Outcome,
    OutcomeStatus,
    TenderPolicy,
    plan,
    tenders,
)
from ordercore.tender.instalment import part_rows
from ordercore.testing import START, carts, laws, quotes, stories
from ordercore.testing.story import Story, order_content, presale_lifecycle

A = AccountKind
CARD = tenders.Channel("card")
STAFF = Actor.staff("s-1")
OPENS = START + timedelta(days=1)
SOON = timedelta(days=1)
_O = OutcomeStatus


def story(deposit: int = 5_000, kind: DepositKind = DepositKind.EARNEST, **fields: Any) -> Story:
    """A presale of 500.00 of two units, placed."""
    presale = Presale(from_minor(deposit, "CNY"), OPENS, OPENS + timedelta(days=2), kind, **fields)
    cart = Cart("CNY", (CartLine("SKU-1", 2, from_minor(25_000, "CNY")),), presale=presale)
    chart = presale_lifecycle()
    content = order_content(quote(cart, PricingPolicy(), START), lifecycle=chart)
    return Story(content, lifecycle=chart)


def books(of: Story) -> dict[AccountKind, int]:
    """What stands on each account, those at nothing left out."""
    sums: Counter[AccountKind] = Counter()
    for entry in of.entries:
        sums[entry.account] += entry.amount
    return {account: amount for account, amount in sums.items() if amount}


def test_what_is_asked_is_the_deposit_then_the_balance_then_nothing() -> None:
    """The price is due in all the time; asked is the next part of it."""
    of = story()
    assert (of.order.due, of.order.asked, of.order.payable) == (50_000, 5_000, 5_000)
    of.pay(CARD)
    assert (of.order.due, of.order.asked, of.order.payable) == (45_000, 45_000, 50_000)
    assert standing(of.order).due == 45_000
    of.at = OPENS
    of.pay(CARD)
    assert (of.order.state, of.order.due, of.order.asked) == ("paid", 0, 0)


def test_a_deposit_that_came_short_is_asked_for_its_rest() -> None:
    """30.00 were transferred for 50.00: 20.00 are asked, and the two together move the order."""
    of = story()
    rows = part_rows(of.order.content.rows(), 5_000)
    of.send(Pay(plan(rows, [CARD], TenderPolicy(), "CNY")))
    of.send(AnswerAttempts((("o-1/1", Outcome(_O.CAPTURED, amount=3_000)),)))
    assert (of.order.state, of.order.asked) == ("awaiting_deposit", 2_000)
    assert books(of) == {A.CLEARING: 3_000, A.DEPOSITS_HELD: -3_000}
    of.pay(CARD)
    assert (of.order.state, of.order.payments.captured) == ("deposit_paid", 5_000)


def test_a_deposit_that_came_short_goes_back_when_its_time_is_up() -> None:
    """No deposit was paid, so nothing is kept."""
    of = story()
    rows = part_rows(of.order.content.rows(), 5_000)
    of.send(Pay(plan(rows, [CARD], TenderPolicy(), "CNY")))
    of.send(AnswerAttempts((("o-1/1", Outcome(_O.CAPTURED, amount=3_000)),)))
    of.send(Cancel("its time was up", "r-1", "close"))
    assert (of.order.state, of.order.payments.refunded) == ("closed", 3_000)
    assert (of.order.payments.forfeited, of.order.owed) == (0, 0)


def test_a_plan_of_the_whole_price_does_not_pay_a_deposit() -> None:
    """And a plan of the deposit does not pay the balance."""
    of = story()
    content = of.order.content
    whole = plan(content.rows(), [CARD], TenderPolicy(), "CNY")
    part = plan(part_rows(content.rows(), 5_000), [CARD], TenderPolicy(), "CNY")
    with pytest.raises(InvalidTenders, match="the plan pays 50000, but 5000 is due"):
        of.send(Pay(whole))
    of.pay(CARD)
    of.at = OPENS
    with pytest.raises(InvalidTenders, match="the plan pays 5000, but 50000 is due"):
        of.send(Pay(part))


def test_a_command_cannot_pay_a_deposit_in_points() -> None:
    """What the engine refuses before it plans, the order refuses too."""
    of = story()
    rows = part_rows(of.order.content.rows(), 5_000)
    made = plan(rows, [tenders.Points(5_000)], TenderPolicy(), "CNY")
    with pytest.raises(InvalidTenders, match="points pay the balance"):
        of.send(Pay(made))


def test_a_deposit_is_taken_at_once_whatever_its_channel_usually_does() -> None:
    """Money that is only held lapses before the window of the balance ends."""
    of = story()
    rows = part_rows(of.order.content.rows(), 5_000)
    picks = (ChannelPick("card", ("other",), CaptureMoment.ON_SHIPMENT, several=True),)
    of.send(Pay(plan(rows, [CARD], TenderPolicy(), "CNY"), picks))
    (attempt,) = of.order.payments.attempts
    assert (attempt.capture, attempt.several) == (CaptureMoment.AT_ONCE, False)
    assert attempt.backups == ("other",)


def test_a_deposit_is_authorized_then_captured_then_paid() -> None:
    """A channel that holds first moves the order when the money is taken, not before."""
    of = story()
    of.pay(CARD, status=_O.UNKNOWN)
    of.send(AnswerAttempts((("o-1/1", Outcome(_O.AUTHORIZED)),)))
    assert (of.order.state, of.order.payments.attempts[0].state.value) == (
        "awaiting_deposit", "capturing",
    )  # fmt: skip
    of.answer(_O.CAPTURED)
    assert of.order.state == "deposit_paid"


def test_money_for_a_deposit_that_was_declined_first_is_welcome() -> None:
    """The payer tried again in the wallet: it is just what is asked."""
    of = story()
    of.pay(CARD, status=_O.DECLINED)
    of.send(AnswerAttempts((("o-1/1", Outcome(_O.CAPTURED)),)))
    assert (of.order.state, of.order.payments.captured) == ("deposit_paid", 5_000)


def test_the_books_move_a_deposit_when_the_balance_is_taken() -> None:
    """L9: deposits held until then, advances from then on, revenue in the end."""
    of = story()
    of.pay(CARD)
    assert books(of) == {A.CLEARING: 5_000, A.DEPOSITS_HELD: -5_000}
    of.at = OPENS
    of.pay(CARD)
    assert books(of) == {A.CLEARING: 50_000, A.ADVANCES: -50_000}
    moved = [e for e in of.changes[-1].entries if e.account is A.DEPOSITS_HELD]
    assert sum([e.amount for e in moved]) == 5_000
    of.complete()
    assert books(of) == {A.CLEARING: 50_000, A.REVENUE: -50_000}


def test_staff_who_cancel_while_a_balance_waits_double_the_deposit_once() -> None:
    """The compensation is owed from the word of staff on; the end that follows adds none."""
    of = story()
    of.pay(CARD)
    of.at = OPENS
    of.pay(CARD, status=_O.WAITING)
    of.send(Cancel("no goods", "r-1"), by=STAFF)
    assert of.order.closing is not None
    of.send(Cancel("no goods", "r-1"), by=STAFF)
    of.answer(_O.VOIDED)
    assert of.order.state == "closed"
    assert [c.amount for c in of.order.payments.compensations] == [5_000]
    assert of.order.payments.refunded == 5_000


def test_a_window_that_ends_while_a_payment_waits_asks_its_channel_first() -> None:
    """The attempt is closed there; what it says decides between a paid order and a kept deposit."""
    for word, state, kept in ((_O.CAPTURED, "paid", 0), (_O.VOIDED, "forfeited", 5_000)):
        of = story()
        of.pay(CARD)
        of.at = OPENS
        of.pay(CARD, status=_O.WAITING)
        of.at = OPENS + timedelta(days=2)
        of.send(Forfeit("forfeit", "its time was up"), by=SYSTEM)
        assert of.order.closing is not None
        assert of.order.closing.timed_out
        of.send(Close("its time was up", "forfeit"))
        of.answer(word)
        assert (of.order.state, of.order.payments.forfeited) == (state, kept)


def test_a_timer_opens_a_window_whoever_else_may_send_its_event() -> None:
    """What the clock says needs no sender; a customer may not open it."""
    of = story()
    of.pay(CARD)
    of.at = OPENS
    customer = Actor.customer("")
    with pytest.raises(NotAllowed):
        decide(of.order, Advance("open_balance", by_timer=True), of.situation(customer))
    of.send(Advance("open_balance", by_timer=True))
    assert of.order.state == "awaiting_balance"


def test_a_moment_of_the_window_stays_as_it_was_agreed() -> None:
    """The order keeps the windows; its facts and its replay do not ask the clock."""
    of = story()
    assert of.order.presale is not None
    assert of.order.presale.balance_from == datetime(2026, 5, 21, 12, tzinfo=UTC)
    laws.replay_gives(of.order, of.history)


@given(
    stories(
        quotes(carts(max_lines=3, max_units=6, max_price=20_000), presales=True),
        by=(presale_lifecycle(),),
    )
)
def test_l9_a_deposit_is_held_until_all_is_paid_and_gone_when_it_ends(of: Story) -> None:
    """Whatever happens, the books balance, tell the money, and never hold deposits beside advances."""
    order = of.order
    for made in of.changes:
        laws.books_balance(made.entries)
    if order.handling.adopted or order.presale is None:
        return
    laws.books_tell_the_money(order, of.entries)
    laws.replay_gives(order, of.history)
    stands = books(of)
    assert not (stands.get(A.DEPOSITS_HELD) and stands.get(A.ADVANCES))
    assert stands.get(A.DEPOSITS_HELD, 0) <= 0
    if order.handling.released and not order.payments.in_flight and not order.owed:
        assert A.DEPOSITS_HELD not in stands


@given(
    stories(
        quotes(carts(max_lines=2, max_units=4, max_price=20_000), presales=True),
        by=(presale_lifecycle(),),
    )
)
def test_l21_no_money_of_a_presale_is_stranded(of: Story) -> None:
    """An order that forfeits keeps what may be kept of its deposit; the rest was asked back."""
    order, presale = of.order, of.order.presale
    if presale is None or order.state != "forfeited" or order.payments.in_flight:
        return
    payments = order.payments
    assert order.owed == 0
    assert payments.captured - payments.refunded == payments.forfeited
    price = sum([line.total for line in order.lines]) + sum(
        [off.amount for off in order.content.discounts if off.layer == "expansion"]
    )
    most = 0 if presale.kind is DepositKind.ADVANCE else min(order.deposit, price // 5)
    assert payments.forfeited <= most
