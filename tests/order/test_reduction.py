"""Tenders that count as price reductions: no tax stands on what they pay, to the last minor unit."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordercore.errors import InvalidInvoice
from ordercore.goods import LineId, Manifest
from ordercore.invoice import Seller, StatedTax, credit_note, invoice
from ordercore.ledger import AccountKind
from ordercore.money import Percent, from_minor, money
from ordercore.order import ChangeQuantity, Pay, RefundOrder
from ordercore.order.events import RevenueRecognized
from ordercore.order.order import row_taxes
from ordercore.party import Address
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    PricingPolicy,
    Quote,
    ShippingCharge,
    ShippingTax,
    TaxPolicy,
    TaxRate,
    TaxTotal,
    TaxTreatment,
    quote,
)
from ordercore.tender import (
    OutcomeStatus,
    PointsRate,
    RefundSplit,
    TenderEffect,
    TenderPolicy,
    TenderRule,
    plan,
    reduced,
    reduction,
    refunded_units,
)
from ordercore.tender.tenders import Channel, Points, StoredValue
from ordercore.testing import (
    START,
    Story,
    carts,
    laws,
    order_content,
    quotes,
    tender_plans,
    tender_policies,
)
from ordercore.testing.story import lifecycles, with_fields

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject, DrawFn

    from ordercore.money import Money
    from ordercore.tender import TenderPlan

VAT = PricingPolicy(
    TaxPolicy(
        (
            TaxRate(Percent.of("13"), "standard"),
            TaxRate(Percent.of("9"), "reduced"),
            TaxRate(Percent.of("13"), "shipping"),
        )
    )
)
LOWERS = TenderRule("points", PointsRate(), effect=TenderEffect.DISCOUNT)
REDUCING = TenderPolicy((LOWERS,))
SELLER = Seller("Example", Address("A", ("1",), "Shanghai", "", "200000", "CN"), "CN123456789")
DAY = date(2026, 5, 20)


def order_a(units: int = 1) -> Quote:
    """Order A with 13 % of tax inside: lines of 89.99 a unit after a coupon."""
    lines = tuple(CartLine(f"SKU-{i}", units, money("99.99", "CNY")) for i in (1, 2, 3))
    return quote(Cart("CNY", lines, (AmountOff(money("30.00", "CNY")),)), VAT, START)


def paid(due: Quote, policy: TenderPolicy = REDUCING, points: int = 1234) -> Story:
    """The order, paid by points as far as they go and a channel."""
    story = Story(order_content(due), pricing=VAT)
    story.pay(Points(points, "p"), Channel("wechat"), policy=policy)
    return story


def balance(story: Story, account: AccountKind) -> int:
    """What stands on an account, credit above zero."""
    return -sum(entry.amount for entry in story.entries if entry.account is account)


def earned(story: Story) -> tuple[TaxTotal, ...]:
    """What the sale was booked as, goods alone."""
    (event,) = [e for e in story.events if isinstance(e, RevenueRecognized)]
    return event.goods


# --- Laws ------------------------------------------------------------------------------------


@given(quotes(carts(max_lines=3, max_units=8, max_price=5_000)), st.data())
def test_l4_taxes_of_reduced_units_rebuild_the_line(due: Quote, data: DataObject) -> None:
    """However a line is cut into runs of units, their taxes and untaxed parts add up to the line's."""
    line = data.draw(st.sampled_from(due.lines))
    off = data.draw(st.integers(0, line.total))
    whole = reduced(line, off)
    inner = data.draw(st.sets(st.integers(0, line.quantity)))
    cuts = sorted({0, line.quantity, *inner})
    found = [reduced(line, off, low, high - low) for low, high in pairwise(cuts)]
    assert sum(part.untaxed for part in found) == whole.untaxed == off
    assert tuple(map(sum, zip(*[part.taxes for part in found], strict=True))) == whole.taxes
    for part, (low, high) in zip(found, pairwise(cuts), strict=True):
        before = line.unit_taxes(low, high - low)
        assert all(0 <= left <= tax for left, tax in zip(part.taxes, before, strict=True))


@given(quotes(), st.data())
def test_tax_falls_with_what_is_reduced(due: Quote, data: DataObject) -> None:
    """Nothing reduced leaves the tax, all of it reduced leaves none, and each figure is next to its share."""
    row = data.draw(st.sampled_from(due.rows()))
    own = sum(part.tax for part in row.parts) or row.tax
    assert reduced(row, 0).tax == own
    if row.total and not row.funded:
        assert reduced(row, row.total).tax == 0
        off = data.draw(st.integers(0, row.total))
        kept = reduced(row, off)
        for tax, left in zip([p.tax for p in row.parts] or [row.tax], kept.taxes, strict=True):
            assert abs(left * row.total - tax * (row.total - off)) * 2 <= row.total


GST, PST = Percent.of("5"), Percent.of("7")
CANADIAN = (
    TaxRate(GST, component="GST"),
    TaxRate(PST, component="PST"),
    TaxRate(GST, "shipping", component="GST"),
    TaxRate(Percent(0), "zero", component="GST"),
    TaxRate(Percent(0), "zero", component="PST"),
)


@st.composite
def canadian(draw: DrawFn) -> Quote:
    """Rows of two components of tax beside rows of one and of none, with tax inside or on top."""

    def cad(most: int) -> Money:
        return from_minor(draw(st.integers(0, most)), "CAD")

    taxed = st.sampled_from(["standard", "standard", "zero"])
    units = [draw(st.integers(1, 5)) for _ in range(draw(st.integers(1, 3)))]
    lines = tuple(
        CartLine(f"SKU-{i}", n, cad(3_000), tax_category=draw(taxed)) for i, n in enumerate(units)
    )
    shipping = ShippingCharge(cad(2_000), draw(st.sampled_from(["standard", "shipping", "zero"])))
    charges = draw(st.sampled_from(ShippingTax))
    policy = TaxPolicy(CANADIAN, draw(st.booleans()), charges=charges)
    return quote(Cart("CAD", lines, shipping=shipping), PricingPolicy(policy), START)


def lowering(policy: TenderPolicy) -> TenderPolicy:
    """The same rules, all of tenders that count as price reductions."""
    effect = TenderEffect.DISCOUNT
    return TenderPolicy(tuple(with_fields(rule, effect=effect) for rule in policy.rules))


OF_THE_SALE = (
    AccountKind.ADVANCES, AccountKind.TAX_PAYABLE, AccountKind.REVENUE, AccountKind.SHIPPING_INCOME,
    AccountKind.DUTY_COLLECTED, AccountKind.FUNDED_DISCOUNTS,
)  # fmt: skip


def standing(story: Story) -> dict[str, int]:
    """What stands on the accounts of the sale, each component of tax by itself."""
    sums: dict[str, int] = {}
    for entry in story.entries:
        if entry.account in OF_THE_SALE:
            name = f"{entry.account.value} {entry.detail}".rstrip()
            sums[name] = sums.get(name, 0) + entry.amount
    return {name: amount for name, amount in sums.items() if amount}


@st.composite
def lowered(draw: DrawFn, due: Quote) -> TenderPlan:
    """Plans of which a part counts as a price reduction: points as far as they go, or any rules."""
    if draw(st.booleans()):
        return draw(tender_plans(due, tender_policies(rates=False).map(lowering)))
    offers = (Points(draw(st.integers(1, due.total))), Channel("card"))
    return plan(due.rows(), offers, REDUCING, due.currency)


@given(canadian() | quotes(carts(max_lines=3, max_units=5, max_price=20_000)), st.data())
def test_l9_what_counts_as_a_reduction_is_earned_and_taken_back_whole(
    due: Quote, data: DataObject
) -> None:
    """Refunded piece by piece, before it is earned and after, nothing of the sale stays: no component of tax."""
    assume(due.total > 0)
    planned = data.draw(lowered(due))
    story = Story(order_content(due))
    play(story, planned)
    for _ in range(data.draw(st.integers(0, 2))):
        give_a_piece_back(story, data)
    assume(story.order.shippable() and not story.order.all_asked_back())
    story.complete()
    assert "advances" not in standing(story)
    gone = refunded_units(story.order.payments)
    if not gone:
        (event,) = [e for e in story.events if isinstance(e, RevenueRecognized)]
        parts = (*event.goods, *event.charges)
        assert sum(part.net + part.tax for part in parts) + event.duties == due.total
        untaxed = [part for part in parts if part.treatment is TaxTreatment.OUT_OF_SCOPE]
        off = sum(reduction(planned, row) for row in due.rows())
        assert sum(part.net for part in untaxed) == off
    while story.order.refundable() and not story.order.all_asked_back():
        give_a_piece_back(story, data)
    charges = tuple(charge.id for charge in due.charges)
    if charges and not story.order.all_asked_back():
        story.send(RefundOrder("r-last", Manifest(), "broken", charges))
    laws.books_balance(story.entries)
    if not any(not row.total and row.funded for row in due.rows()):
        # what costs the customer nothing goes back without a refund
        assert standing(story) == {}


SPLITS = [split for split in RefundSplit if split is not RefundSplit.TO_BALANCE]


def give_a_piece_back(story: Story, data: DataObject) -> None:
    """Refund some units of a line, over whichever tenders."""
    left = dict(story.order.refundable().items)
    if left and not story.order.all_asked_back():
        line = data.draw(st.sampled_from(sorted(left)))
        goods = Manifest.of({line: data.draw(st.integers(1, left[line]))})
        name = f"r-{len(story.order.payments.refunds)}"
        split = data.draw(st.sampled_from(SPLITS))
        story.send(RefundOrder(name, goods, "broken", (), split))


def play(story: Story, planned: TenderPlan) -> None:
    """Let a plan be paid."""
    story.send(Pay(planned))
    story.answer(OutcomeStatus.CAPTURED)


# --- Order A ---------------------------------------------------------------------------------


def test_points_that_lower_the_price_bear_no_tax() -> None:
    """Of 89.99 with 10.35 of tax inside, 4.12 in points leave 9.88: the rest is earned without tax."""
    due = order_a()
    assert [line.tax for line in due.lines] == [1035, 1035, 1035]
    story = paid(due)
    story.complete()
    lowered, rest = earned(story)
    assert [reduced(line, 412).tax for line in due.lines] == [988, 988, 988]
    assert (lowered.ppm, lowered.tax) == (130_000, 2964)
    assert lowered.net == 26997 - 1234 - 2964
    assert rest == TaxTotal(0, 1234, 0, "", TaxTreatment.OUT_OF_SCOPE)
    assert balance(story, AccountKind.TAX_PAYABLE) == 2964
    assert balance(story, AccountKind.REVENUE) == 26997 - 2964
    laws.books_balance(story.entries)


def test_a_payment_in_points_bears_the_whole_tax() -> None:
    """The same points as a means of payment leave the tax as it was quoted."""
    story = paid(order_a(), TenderPolicy((TenderRule("points", PointsRate()),)))
    story.complete()
    assert earned(story) == (TaxTotal(130_000, 26997 - 3105, 3105),)


def test_refunds_by_units_take_back_what_was_booked() -> None:
    """One unit of five at a time, tax is taken back to the cent, before the sale is earned and after."""
    story = paid(order_a(5), points=50_000)
    story.refund({"2": 2})
    story.complete()
    booked = balance(story, AccountKind.TAX_PAYABLE)
    asked = story.order.payments.refunds[0].rows[0]
    assert (asked.amount, asked.net + asked.tax) == (asked.amount, asked.amount)
    whole = sum(
        reduced(row, reduction(story.order.payments.plan, row)).tax for row in story.order.lines
    )
    assert booked + asked.tax == whole
    for line in ("1", "2", "3"):
        while story.order.refundable().units(LineId(line)):
            story.refund({line: 1})
    assert balance(story, AccountKind.TAX_PAYABLE) == 0
    laws.books_balance(story.entries)


def test_another_split_of_the_refund_changes_no_tax() -> None:
    """The price that was agreed stays: money that goes back by the card first takes back the row's own tax."""
    found = []
    for split in (RefundSplit.BY_ROW, RefundSplit.REVERSE):
        story = paid(order_a())
        story.complete()
        story.send(RefundOrder("r-1", Manifest.of({"2": 1}), "broken", (), split))
        story.send(RefundOrder("r-2", Manifest.of({"1": 1}), "broken", (), split))
        found.append([row.tax for done in story.order.payments.refunds for row in done.rows])
    assert found == [[988, 988], [988, 988]]


def test_an_amended_order_still_knows_what_lowered_its_price() -> None:
    """Points carried into the plan of an amended order lower the price there, too."""
    agent = next(one for one in lifecycles() if one.name == "purchasing_agent")
    story = Story(order_content(order_a(), lifecycle=agent), pricing=VAT, lifecycle=agent)
    story.pay(Points(1234, "p"), Channel("wechat"), policy=REDUCING)
    story.amend(ChangeQuantity("1", 2))
    story.pay(Channel("wechat"), policy=REDUCING)
    planned = story.order.payments.plan
    assert planned is not None
    assert sum(planned.discounted) == 1234
    assert [tender.discount for tender in planned.tenders] == [True, False, False]
    laws.matrix_exact(planned)


def test_taxes_of_a_row_tell_the_untaxed_part_last() -> None:
    """A reduced row is its taxed part and what bears no tax; together they are the row."""
    line = order_a().lines[0]
    taxed, untaxed = row_taxes(line, 0, 1, 412)
    assert (taxed.net, taxed.tax, untaxed.net, untaxed.tax) == (8999 - 412 - 988, 988, 412, 0)
    assert len(row_taxes(line)) == 1


# --- Invoices --------------------------------------------------------------------------------


def carded(units: int = 1) -> Story:
    """Order A with freight, paid by points that lower the price, a single-purpose card, and a channel."""
    lines = tuple(CartLine(f"SKU-{i}", units, money("89.99", "CNY")) for i in (1, 2, 3))
    due = quote(Cart("CNY", lines, shipping=ShippingCharge(money("8.00", "CNY"))), VAT, START)
    story = Story(order_content(due), pricing=VAT)
    rules = (LOWERS, TenderRule("stored_value", invoiceable=False))
    card = StoredValue("GC", money("50.00", "CNY"))
    story.pay(Points(1234), card, Channel("wechat"), policy=TenderPolicy(rules))
    return story


def test_an_unpaid_order_is_invoiceable_in_full() -> None:
    """Before anything is paid, each row may be invoiced as it stands."""
    due = order_a()
    order = Story(order_content(due)).order
    assert order.invoiceable() == tuple((row.id, row.total) for row in due.rows())


def test_an_invoice_states_what_may_stand_on_it() -> None:
    """277.97 less 12.34 of points and 50.00 of the card is invoiced, with the tax of that part alone."""
    order = carded().order
    told = order.invoiceable()
    assert sum(amount for _, amount in told) == 27797 - 1234 - 5000
    made = invoice(
        order.content, number="1", issued=DAY, seller=SELLER, invoiceable=told, paid=21563
    )
    assert (made.payable, made.paid, made.net + made.tax + made.rounding) == (0, 21563, 21563)
    assert made.tax == sum(
        reduced(row, row.total - dict(told)[row.id]).tax for row in order.content.rows()
    )
    whole = invoice(order.content, number="1", issued=DAY, seller=SELLER)
    assert whole.payable == 27797


@given(st.lists(st.sampled_from(["1", "2", "3"]), min_size=0, max_size=9))
def test_l4_credit_notes_take_back_the_invoice(names: list[str]) -> None:
    """Whatever units go back in whatever order, their notes add up to what was invoiced."""
    story = carded(3)
    told = story.order.invoiceable()
    for name in names:
        if story.order.refundable().units(LineId(name)):
            story.refund({name: 1})
    if not story.order.all_asked_back():
        left = [charge.id for charge in story.order.content.charges]
        story.send(RefundOrder("r-end", story.order.refundable(), "all", tuple(left)))
    done = story.order.payments.refunds
    stated = StatedTax.CHARGED
    notes = [
        credit_note(
            story.order.content, refund, number=str(i), issued=DAY, seller=SELLER, invoice="1",
            earlier=done[:i], invoiceable=told, stated=stated,
        )
        for i, refund in enumerate(done)
    ]  # fmt: skip
    made = invoice(story.order.content, number="1", issued=DAY, seller=SELLER, invoiceable=told)
    assert sum(note.payable for note in notes) == made.payable
    assert sum(note.tax for note in notes) == made.tax
    assert sum(note.net for note in notes) == made.net


@pytest.mark.parametrize("told", [("9", 1), ("1", 27_000), ("1", -1)])
def test_l24_more_than_a_row_cannot_be_invoiced(told: tuple[str, int]) -> None:
    """An unknown row, more than it costs and less than nothing are refused at their path."""
    order = Story(order_content(order_a())).order
    with pytest.raises(InvalidInvoice) as caught:
        invoice(
            order.content, number="1", issued=DAY, seller=SELLER,
            invoiceable=((LineId(told[0]), told[1]),),
        )  # fmt: skip
    assert caught.value.path == f"invoiceable[{told[0]}]"


def test_a_plan_for_another_price_reduces_nothing() -> None:
    """A row that costs something else today than the plan says has no part in its reductions."""
    due = order_a()
    planned = plan(due.rows(), [Points(1234), Channel("wechat")], REDUCING, "CNY")
    (row, *_) = order_a(2).rows()
    assert reduction(planned, due.rows()[0]) == 412
    assert reduction(planned, row) == 0
    assert reduction(None, row) == 0
