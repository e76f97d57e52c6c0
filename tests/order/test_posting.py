"""What happens, as the books tell it (law L9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput
from ordercore.ledger import AccountKind, Entry, PostingPolicy, balances, check_balanced
from ordercore.money import Percent, money
from ordercore.order import AnswerAttempts, Deliver, Pay, Remind
from ordercore.order.order import row_taxes
from ordercore.order.posting import posting
from ordercore.party import Address
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    Funder,
    Layer,
    PricingPolicy,
    Promotion,
    Quote,
    RoundingScope,
    ShippingCharge,
    ShippingOff,
    ShippingTax,
    TaxPart,
    TaxPolicy,
    TaxRate,
    quote,
)
from ordercore.tender import AttemptState, Outcome, OutcomeStatus, RefundStatus
from ordercore.tender.tenders import Balance, Channel, Points, StoredValue
from ordercore.testing import (
    START,
    Story,
    laws,
    order_a,
    order_content,
    quotes,
    stories,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordercore.pricing import QuoteLine

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
            if a.state is AttemptState.RETURNING
            or (a.round != order.payments.round and a.id not in order.payments.carried)
        )
        found = balances((order.currency, entry) for entry in story.entries)
        assert sum(b.amount for b in found if b.account is A.ADVANCES) == -late


SALE = (A.REVENUE, A.SHIPPING_INCOME, A.TAX_PAYABLE, A.DUTY_COLLECTED, A.FUNDED_DISCOUNTS)


def sold(priced: Quote) -> Story:
    """An order of this quote, paid by card and completed."""
    story = Story(order_content(priced))
    story.pay(Channel("card"))
    story.complete()
    return story


@given(quotes(), st.data())
def test_l9_a_sale_taken_back_leaves_nothing(priced: Quote, data: st.DataObject) -> None:
    """Completed, an order has no advances left; whatever its price is made of, refunds in any steps
    take revenue, income, tax, duty and claims on third parties back to nothing."""
    assume(priced.total > 0)
    story = sold(priced)
    assert not [key for key in books(story.entries) if key[0] is A.ADVANCES]
    # What cost nothing goes back with the first step: with all money back, nothing follows.
    free = {str(line.id): line.quantity for line in priced.lines if not line.total}
    for _ in range(data.draw(st.integers(0, 3))):
        left = story.order.refundable()
        paid = [line.id for line in priced.lines if line.total and left.units(line.id)]
        if not paid:
            break
        name = data.draw(st.sampled_from(paid))
        count = data.draw(st.integers(1, left.units(name)))
        rest = sum([line.total for line in priced.lines if line.id in paid and line.id != name])
        if not rest and count == left.units(name):
            break  # the last step takes the charges too
        payments = story.order.payments
        line = next(line for line in priced.lines if line.id == name)
        cost = line.units(line.quantity - left.units(name), count).total
        if cost == payments.captured - payments.refunded:
            break  # what is left costs nothing: it goes back with the last step
        story.refund({name: count, **free})
        free = {}
        laws.trial_balance_is_zero(balances(("EUR", entry) for entry in story.entries))
    story.refund()
    for made in story.changes:
        laws.books_balance(made.entries)
    assert {key: left for key, left in books(story.entries).items() if key[0] in SALE} == {}


def _taxed_line(taxes: list[int], quantity: int) -> QuoteLine:
    """A line of several components of tax, which are on top of a price of 100.00 for each unit."""
    line = quote(
        Cart("CAD", (CartLine("A", quantity, money("100.00", "CAD")),)), PricingPolicy(), START
    ).lines[0]
    parts = tuple(TaxPart(f"T{i}", 50_000, line.net, tax) for i, tax in enumerate(taxes))
    tax = sum(taxes)
    return attrs.evolve(line, tax=tax, total=line.net + tax, tax_included=False, parts=parts)


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=4),
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
)
@example([1, 1], [1, 1])
def test_l4_units_rebuild_the_components_of_tax(taxes: list[int], runs: list[int]) -> None:
    """In any steps, each component's shares are not below nothing, add up to the tax of the units
    of that step, and all together to the component."""
    line = _taxed_line(taxes, sum(runs))
    sums = [0] * len(taxes)
    nets = first = 0
    for count in runs:
        found = row_taxes(line, first, count)
        share = line.units(first, count)
        assert sum(part.tax for part in found) == share.tax
        assert sum(part.net for part in found) == share.net
        assert all(part.tax >= 0 for part in found)
        sums = [a + part.tax for a, part in zip(sums, found, strict=True)]
        nets += share.net
        first += count
    assert (sums, nets) == (taxes, line.net)


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


GST_PST = (
    TaxRate(Percent.of("5"), country="CA", component="GST"),
    TaxRate(Percent.of("7"), country="CA", component="PST"),
    TaxRate(Percent(0), "zero", country="CA", component="GST"),
    TaxRate(Percent(0), "zero", country="CA", component="PST"),
)


def canadian(tax: TaxPolicy, *, quantity: int = 1) -> Quote:
    """A line of 100.00 with GST and PST for each unit, one without tax, shipping of 10.00."""
    hundred = money("100.00", "CAD")
    lines = (
        CartLine("A", quantity, hundred),
        CartLine("B", quantity, hundred, tax_category="zero"),
    )
    cart = Cart(
        "CAD",
        lines,
        shipping=ShippingCharge(money("10.00", "CAD"), "standard"),
        address=Address(country="CA"),
    )
    return quote(cart, PricingPolicy(tax), START)


def test_shipping_of_several_taxes_is_earned_once() -> None:
    """Shipping of 10.00, half of it taxed by GST and PST and half by nothing, is an income of 10.00;
    each component of tax has its own account, and a refund of everything empties them all."""
    story = sold(canadian(TaxPolicy(GST_PST, False, charges=ShippingTax.WEIGHTED)))
    assert books(story.entries) == {
        (A.CLEARING, "card"): 22260,
        (A.REVENUE, ""): -20000,
        (A.SHIPPING_INCOME, ""): -1000,
        (A.TAX_PAYABLE, "GST 5"): -525,
        (A.TAX_PAYABLE, "PST 7"): -735,
    }
    story.refund()
    assert books(story.entries) == {
        (A.CLEARING, "card"): 22260,
        (A.REFUNDS_IN_TRANSIT, ""): -22260,
    }


def test_components_of_tax_go_back_with_their_units() -> None:
    """Two of three units asked back before the sale is earned: what is earned has the third unit's
    share of each component, and its refund takes just that back."""
    rates = (
        TaxRate(Percent.of("5"), component="GST"),
        TaxRate(Percent.of("9.975"), component="QST"),
    )
    cart = Cart("CAD", (CartLine("A", 3, money("3.33", "CAD")),))
    priced = quote(cart, PricingPolicy(TaxPolicy(rates, False)), START)
    assert [part.tax for part in priced.lines[0].parts] == [50, 100]
    story = Story(order_content(priced))
    story.pay(Channel("card"))
    story.refund({"1": 2})
    story.complete()
    found = books(story.entries)
    assert (found[A.TAX_PAYABLE, "GST 5"], found[A.TAX_PAYABLE, "QST 9.975"]) == (-17, -34)
    story.refund({"1": 1})
    assert not [key for key in books(story.entries) if key[0] in SALE]


def test_what_a_platform_repays_of_shipping_is_income_of_shipping() -> None:
    """119.00 with 19 % inside and shipping of 11.90 that a platform pays: revenue is 100.00, income of
    shipping 10.00, and the claim on the platform 11.90; a refund of everything takes all of it back."""
    rates = (TaxRate(Percent.of("19")), TaxRate(Percent.of("19"), "shipping"))
    free = Promotion("free", ShippingOff(), funder=Funder.PLATFORM)
    cart = Cart(
        "EUR",
        (CartLine("A", 1, money("119.00", "EUR")),),
        shipping=ShippingCharge(money("11.90", "EUR")),
    )
    policy = PricingPolicy(TaxPolicy(rates), layers=(Layer("shipping", (free,)),))
    story = sold(quote(cart, policy, START))
    assert books(story.entries) == {
        (A.CLEARING, "card"): 11900,
        (A.REVENUE, ""): -10000,
        (A.SHIPPING_INCOME, ""): -1000,
        (A.FUNDED_DISCOUNTS, "platform"): 1190,
        (A.TAX_PAYABLE, "19"): -2090,
    }
    story.refund()
    assert not [key for key in books(story.entries) if key[0] in SALE]


def test_goods_and_shipping_that_one_platform_pays_are_told_apart() -> None:
    """A platform that bears 10.00 of the goods and the shipping of 5.00 owes 15.00, of which 10.00
    are revenue and 5.00 income of shipping."""
    free = Promotion("free", ShippingOff(), funder=Funder.PLATFORM)
    cart = Cart(
        "EUR",
        (CartLine("A", 2, money("50.00", "EUR")),),
        (AmountOff(money("10.00", "EUR"), "", Funder.PLATFORM),),
        shipping=ShippingCharge(money("5.00", "EUR")),
    )
    story = sold(quote(cart, PricingPolicy(layers=(Layer("shipping", (free,)),)), START))
    found = books(story.entries)
    assert (found[A.REVENUE, ""], found[A.SHIPPING_INCOME, ""]) == (-10000, -500)
    assert found[A.FUNDED_DISCOUNTS, "platform"] == 1500
    story.refund({"1": 1})
    found = books(story.entries)
    assert (found[A.REVENUE, ""], found[A.SHIPPING_INCOME, ""]) == (-5000, -500)
    assert found[A.FUNDED_DISCOUNTS, "platform"] == 1000


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
