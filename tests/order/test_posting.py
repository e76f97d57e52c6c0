"""What happens, as the books tell it (law L9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from ordercore.errors import InvalidInput
from ordercore.ledger import AccountKind, Entry, PostingPolicy, balances, check_balanced
from ordercore.money import Percent, money
from ordercore.order import AnswerAttempts, Deliver, Pay, Remind
from ordercore.order.posting import posting
from ordercore.pricing import (
    Cart,
    CartLine,
    PricingPolicy,
    RoundingScope,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
    quote,
)
from ordercore.tender import Outcome, OutcomeStatus, RefundStatus
from ordercore.tender.tenders import Balance, Channel, Points, StoredValue
from ordercore.testing import (
    START,
    Story,
    laws,
    order_a,
    order_content,
    stories,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

THIRTEEN = PricingPolicy(TaxPolicy((TaxRate(Percent.of("13")),)))
Books = dict[tuple[AccountKind, str], int]
A = AccountKind


def books(entries: Iterable[Entry]) -> Books:
    """Balances that are not zero, by account and detail; debit above zero."""
    found = balances(("CNY", entry) for entry in entries)
    return {(b.account, b.detail): b.amount for b in found if b.amount}


def story_a(policy: PricingPolicy = THIRTEEN, posting: PostingPolicy | None = None) -> Story:
    """Order A at 13 % inclusive, rounded by line."""
    return Story(order_content(quote(order_a(), policy, START)), posting=posting)


def paid_a(posting: PostingPolicy | None = None) -> Story:
    """Order A, paid by 1,234 points, 50.00 of the balance and a channel."""
    story = story_a(posting=posting)
    story.pay(Points(1234), Balance(money("50.00", "CNY")), Channel("wechat"))
    return story


# --- Laws ------------------------------------------------------------------------------------


@given(stories())
def test_l9_each_change_balances(story: Story) -> None:
    """The entries of each single change add up to zero, so the trial balance is zero at any moment."""
    for made in story.changes:
        laws.books_balance(made.entries)


@given(stories())
def test_l9_the_books_tell_the_money(story: Story) -> None:
    """What stands with each gateway, in transit and as advances is what attempts and refunds say."""
    laws.books_tell_the_money(story.order, story.entries)


@given(stories())
def test_l9_an_earned_order_has_no_advances(story: Story) -> None:
    """Once earned, or once all of it is asked back, no advance is left over from the plan in force."""
    order = story.order
    if order.recognized or order.state in {"refunding", "refunded"}:
        late = sum(
            a.captured - a.returned
            for a in order.payments.attempts
            if a.round != order.payments.round
        )
        found = balances((order.currency, entry) for entry in story.entries)
        assert sum(b.amount for b in found if b.account is A.ADVANCES) == -late


# --- Cases -----------------------------------------------------------------------------------


def test_a_payment_is_an_advance() -> None:
    """Case 5: after payment 269.97 stand as advances, against points, balance and the channel; revenue is 0."""
    assert books(paid_a().entries) == {
        (A.POINTS_LIABILITY, "points"): 1234,
        (A.STORED_VALUE_LIABILITY, "balance"): 5000,
        (A.CLEARING, "wechat"): 20763,
        (A.ADVANCES, ""): -26997,
    }


def test_completion_earns_revenue_and_tax() -> None:
    """Case 5: after completion revenue is 238.92, tax 31.05 and advances 0."""
    story = paid_a()
    story.complete()
    found = books(story.entries)
    assert found[A.REVENUE, ""] == -23892
    assert found[A.TAX_PAYABLE, "13"] == -3105
    assert (A.ADVANCES, "") not in found


def test_order_scope_earns_another_tax() -> None:
    """Tax 1: rounded once for the order, the same 269.97 hold 31.06 of tax and 238.91 of revenue."""
    tax = TaxPolicy((TaxRate(Percent.of("13")),), scope=RoundingScope.ORDER)
    story = story_a(PricingPolicy(tax))
    story.pay(Channel("wechat"))
    story.complete()
    found = books(story.entries)
    assert (found[A.REVENUE, ""], found[A.TAX_PAYABLE, "13"]) == (-23891, -3106)


def test_a_shop_may_book_on_shipping() -> None:
    """By policy the sale is earned when the order enters *shipped*, and only once."""
    story = paid_a(PostingPolicy(("shipped", "completed")))
    story.ship()
    assert books(story.entries)[A.REVENUE, ""] == -23892
    story.complete()
    assert books(story.entries)[A.REVENUE, ""] == -23892


def test_a_refund_before_completion_leaves_the_advances() -> None:
    """Asked back before the sale is earned, a line leaves the advances, and the rest is earned later."""
    story = paid_a()
    story.refund({"2": 1})
    found = books(story.entries)
    assert (found[A.ADVANCES, ""], found[A.REFUNDS_IN_TRANSIT, ""]) == (-17998, -8999)
    story.complete()
    found = books(story.entries)
    assert (A.ADVANCES, "") not in found
    assert (found[A.REVENUE, ""], found[A.TAX_PAYABLE, "13"]) == (-15928, -2070)


def test_a_refund_after_completion_takes_revenue_and_tax_back() -> None:
    """Asked back after the sale is earned, a line leaves revenue and tax; on arrival, the channels."""
    story = paid_a()
    story.complete()
    story.refund({"2": 1}, status=RefundStatus.ACCEPTED)
    found = books(story.entries)
    assert (found[A.REVENUE, ""], found[A.TAX_PAYABLE, "13"]) == (-15928, -2070)
    assert found[A.REFUNDS_IN_TRANSIT, ""] == -8999
    assert found[A.CLEARING, "wechat"] == 20763
    story.refund(status=RefundStatus.ARRIVED)
    found = books(story.entries)
    assert found == {
        (A.POINTS_LIABILITY, "points"): 411,
        (A.STORED_VALUE_LIABILITY, "balance"): 1667,
        (A.CLEARING, "wechat"): 6921,
        (A.REFUNDS_IN_TRANSIT, ""): -8999,
    }


def test_shipping_is_an_income_of_its_own() -> None:
    """Goods and shipping are earned on separate accounts, tax by rate on one."""
    cart = Cart(
        "EUR",
        (CartLine("A", 1, money("11.90", "EUR")),),
        shipping=ShippingCharge(money("2.38", "EUR")),
    )
    rates = (TaxRate(Percent.of("19")), TaxRate(Percent.of("19"), "shipping"))
    story = Story(order_content(quote(cart, PricingPolicy(TaxPolicy(rates)), START)))
    story.pay(StoredValue("GC-9"), Channel("card"))
    story.complete()
    assert books(story.entries) == {
        (A.STORED_VALUE_LIABILITY, "stored_value"): 1428,
        (A.REVENUE, ""): -1000,
        (A.SHIPPING_INCOME, ""): -200,
        (A.TAX_PAYABLE, "19"): -228,
    }


def test_money_that_comes_and_goes_in_one_answer_leaves_no_trace() -> None:
    """Told in one breath that a declined charge was taken after all and given back: the books are even."""
    story = story_a()
    story.pay(Channel("wechat"), status=OutcomeStatus.DECLINED)
    news = (OutcomeStatus.CAPTURED, OutcomeStatus.VOIDED)
    story.pay(Points(100), Channel("card"), status=OutcomeStatus.DECLINED)
    story.send(AnswerAttempts(tuple(("o-1/1", Outcome(status)) for status in news)))
    laws.books_tell_the_money(story.order, story.entries)
    assert books(story.entries) == {}


def test_a_refund_of_nothing_writes_nothing() -> None:
    """Giving a free line back moves goods, not money: no entry of zero is written."""
    lines = (CartLine("A", 1, money("5.00", "CNY")), CartLine("GIFT", 1, money("0.00", "CNY")))
    story = Story(order_content(quote(Cart("CNY", lines), PricingPolicy(), START)))
    story.pay(Channel("card"))
    before = story.entries
    story.refund({"2": 1})
    assert story.entries == before


def test_what_moves_no_money_writes_nothing() -> None:
    """Reminders, plans, shipments and arrivals leave the books alone."""
    story = story_a()
    assert story.send(Remind()).entries == ()
    story.pay(Channel("card"))
    assert next(made for made in story.changes if made.command == Pay.__name__).entries == ()
    story.ship()
    assert story.changes[-1].entries == ()
    assert story.send(Deliver()).entries == ()
    assert posting(story.order, ()) == ()


def test_entries_out_of_balance_are_refused() -> None:
    """A set of entries that does not add up to zero is refused, with what is over."""
    with pytest.raises(InvalidInput) as caught:
        check_balanced([Entry(A.REVENUE, "", -5), Entry(A.ADVANCES, "", 4)])
    assert caught.value.data == {"rest": -1}
    assert caught.value.path == "entries"


def test_balances_are_kept_apart_by_currency() -> None:
    """The same account in two currencies has two balances."""
    found = balances([("EUR", Entry(A.REVENUE, "", -5)), ("USD", Entry(A.REVENUE, "", -7))])
    assert [(b.currency, b.amount) for b in found] == [("EUR", -5), ("USD", -7)]
