"""Invoices and credit notes as values and as text: what is payable is what was charged."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ordercore.errors import InvalidInvoice
from ordercore.goods import LineId
from ordercore.invoice import (
    Invoice,
    InvoiceKind,
    Locale,
    Seller,
    StatedTax,
    credit_note,
    invoice,
    invoice_text,
)
from ordercore.money import Percent, from_minor, money
from ordercore.party import Address, Party
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    ChargeKind,
    Funder,
    PercentOff,
    PricingPolicy,
    QuoteCharge,
    RoundingScope,
    ShippingCharge,
    TaxPart,
    TaxPolicy,
    TaxRate,
    TaxTreatment,
    quote,
)
from ordercore.tender import Refund, RefundRow
from ordercore.tender.tenders import Channel
from ordercore.testing import Story, order_content

if TYPE_CHECKING:
    from ordercore.order import OrderContent

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
DAY = date(2026, 5, 20)
HOME = Address("A. Buyer", ("Lane 2",), "Berlin", "", "10117", "DE")
SELLER = Seller("Example Ltd", HOME, "DE136695976")
RATES = (
    TaxRate(Percent.of("19"), "standard"),
    TaxRate(Percent.of("7"), "reduced"),
    TaxRate(Percent(0), "zero"),
)


def content_of(
    *lines: CartLine,
    included: bool = True,
    scope: RoundingScope = RoundingScope.LINE,
    discounts: tuple[AmountOff | PercentOff, ...] = (),
    shipping: ShippingCharge | None = None,
    currency: str = "EUR",
) -> OrderContent:
    """An order of these lines."""
    cart = Cart(
        currency,
        lines,
        discounts,
        shipping=shipping,
        customer=Party("c-1", "A. Buyer"),
        address=HOME,
    )
    tax = TaxPolicy(RATES, prices_include_tax=included, scope=scope)
    return order_content(quote(cart, PricingPolicy(tax), NOW))


def line(price: str, units: int = 1, **fields: object) -> CartLine:
    """A line of one article."""
    given = {"name": "Article", **fields}
    return CartLine("SKU", units, money(price, "EUR"), **given)  # type: ignore[arg-type]


def of(content: OrderContent, **fields: object) -> Invoice:
    """The invoice of an order, by the seller and on the day of these tests."""
    given = {"number": "R-1", "issued": DAY, "seller": SELLER, **fields}
    return invoice(content, **given)  # type: ignore[arg-type]


def note(content: OrderContent, refund: Refund, **fields: object) -> Invoice:
    """The credit note of a refund."""
    given = {"number": "C-1", "issued": DAY, "seller": SELLER, "invoice": "R-1", **fields}
    return credit_note(content, refund, **given)  # type: ignore[arg-type]


@st.composite
def orders_to_invoice(draw: st.DrawFn) -> OrderContent:
    """Orders of several rates, with discounts, freight and shipping, rounded at any level."""
    lines = [
        CartLine(
            f"SKU-{number}",
            draw(st.integers(1, 12)),
            from_minor(draw(st.integers(0, 50_000)), "EUR"),
            tax_category=draw(st.sampled_from(["standard", "reduced", "zero"])),
            discounts=draw(
                st.sampled_from(
                    [(), (PercentOff(Percent.of("33.3")),), (AmountOff(money("1.11", "EUR")),)]
                )
            ),
            domestic_freight=draw(st.sampled_from([None, money("2.49", "EUR")])),
        )
        for number in range(draw(st.integers(1, 5)))
    ]
    return content_of(
        *lines,
        included=draw(st.booleans()),
        scope=draw(st.sampled_from(RoundingScope)),
        discounts=draw(st.sampled_from([(), (AmountOff(money("7.77", "EUR")),)])),
        shipping=draw(st.sampled_from([None, ShippingCharge(money("4.90", "EUR"))])),
    )


# --- The figures ------------------------------------------------------------------------------


@given(content=orders_to_invoice(), stated=st.sampled_from(StatedTax), share=st.integers(0, 100))
def test_what_is_payable_and_paid_is_what_was_charged(
    content: OrderContent, stated: StatedTax, share: int
) -> None:
    """Payable + paid is the order's total, and the four identities of an invoice hold."""
    made = of(content, stated=stated, paid=content.total * share // 100)
    assert made.payable + made.paid == content.total
    assert made.net == sum(row.net for row in made.rows())
    assert made.gross == made.net + sum(tax.tax for tax in made.breakdown)
    assert made.payable == made.gross + made.rounding - made.funded - made.paid
    assert sum(tax.net for tax in made.breakdown) == made.net


@given(content=orders_to_invoice())
def test_each_line_is_its_list_price_less_allowance_plus_freight(content: OrderContent) -> None:
    """List price - allowance + freight is the net that tax stands on; none of them is negative."""
    for row in of(content).lines:
        assert row.list_net - row.allowance + row.freight == row.net
        assert min(row.list_net, row.allowance, row.freight) >= 0


@given(content=orders_to_invoice())
def test_the_charged_tax_is_the_orders_own(content: OrderContent) -> None:
    """An invoice by the charged tax declares what was booked, and rounds nothing."""
    made = of(content)
    assert (made.tax, made.rounding) == (content.tax, 0)


@given(content=orders_to_invoice())
def test_the_computed_tax_is_net_times_rate(content: OrderContent) -> None:
    """An invoice by the computed tax states net x rate for each rate, rounded half up once."""
    for tax in of(content, stated=StatedTax.COMPUTED).breakdown:
        assert abs(tax.tax * 1_000_000 - tax.net * tax.ppm) <= 500_000


def test_3_x_89_99_gross_at_19_percent_is_payable_at_269_97_by_either_tax() -> None:
    """The tax that was charged needs no rounding, the computed one a cent; payable is 269.97 by both."""
    content = content_of(*[line("89.99") for _ in range(3)])
    by = {stated: of(content, stated=stated) for stated in StatedTax}
    figures = {
        stated: (made.net, made.tax, made.rounding, made.payable) for stated, made in by.items()
    }
    assert figures == {
        StatedTax.CHARGED: (22686, 4311, 0, 26997),
        StatedTax.COMPUTED: (22686, 4310, 1, 26997),
    }


def test_a_charged_tax_too_far_from_the_rate_is_computed() -> None:
    """400 lines at 0.03 are taxed 0.01 each, 4.00 in all; the rate makes 2.28, and 1.72 is rounding."""
    made = of(content_of(*[line("0.03") for _ in range(400)], included=False))
    assert (made.net, made.tax, made.rounding, made.payable) == (1200, 228, 172, 1600)


def test_a_rate_of_zero_is_zero_rated() -> None:
    """A standard rate is above 0 %, so a rate of 0 % stands as zero-rated."""
    made = of(content_of(line("5.00", tax_category="zero")))
    assert [tax.treatment for tax in made.breakdown] == [TaxTreatment.ZERO]


def test_the_discounts_of_a_line_are_named() -> None:
    """An allowance bears the labels of the seller's discounts on its line, the line's and the order's."""
    off = AmountOff(money("1.00", "EUR"), "scratched")
    content = content_of(
        line("10.00", discounts=(off,)),
        line("10.00"),
        discounts=(AmountOff(money("2.00", "EUR"), "coupon"),),
    )
    assert [row.reason for row in of(content).lines] == ["scratched, coupon", "coupon"]


def test_a_discount_of_a_third_party_is_neither_an_allowance_nor_named() -> None:
    """What a platform repays stays in the taxed net, and it is funded, not taken off."""
    off = AmountOff(money("1.19", "EUR"), "gift", funder=Funder.PLATFORM)
    plain = content_of(line("11.90"))
    tax = plain.tax
    content = content_of(line("11.90", discounts=(off,)))
    taxed = attrs.evolve(content.lines[0], funded=119, tax=tax, net=1071 - tax, total=1071)
    made = of(attrs.evolve(content, lines=(taxed,), tax=tax))
    row = made.lines[0]
    assert (row.net, row.allowance, row.reason, made.tax) == (1000, 0, "", 190)
    assert (made.gross, made.funded, made.payable) == (1190, 119, 1071)


def test_components_stand_as_their_own_taxes() -> None:
    """State and county tax on one net are two tax lines by name, as they were charged."""
    content = content_of(line("10.00"), included=False)
    parts = (TaxPart("state", 40_000, 1000, 40), TaxPart("county", 12_500, 1000, 13))
    taxed = attrs.evolve(content.lines[0], parts=parts, tax_ppm=52_500, tax=53, total=1053)
    made = of(attrs.evolve(content, lines=(taxed,), tax=53, total=1053), stated=StatedTax.COMPUTED)
    assert [(tax.name, tax.tax) for tax in made.breakdown] == [("state", 40), ("county", 13)]
    assert made.payable == 1053


def test_untaxed_duty_is_disbursed() -> None:
    """Duty without tax of its own is exempt and disbursed, so it is apart from other exempt goods."""
    duty = QuoteCharge(LineId("duty"), "Duty", 300, "", 0, False, 0, 300, 300, kind=ChargeKind.DUTY)
    content = content_of(line("10.00", tax_category="zero"))
    made = of(attrs.evolve(content, charges=(duty,), total=1300))
    assert [(tax.treatment, tax.disbursed, tax.net) for tax in made.breakdown] == [
        (TaxTreatment.ZERO, False, 1000),
        (TaxTreatment.EXEMPT, True, 300),
    ]


def test_what_is_left_to_pay_is_due_on_the_day_of_issue_unless_told() -> None:
    """A due day is given, or the day of issue; terms or nothing to pay need none."""
    content = content_of(line("10.00"))
    later = date(2026, 6, 3)
    assert of(content).due == DAY
    assert of(content, due=later).due == later
    assert of(content, terms="14 days").due is None
    assert of(content, paid=1000).due is None


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"number": ""}, "number"),
        ({"issued": NOW}, "issued"),
        ({"due": "2026-05-20"}, "due"),
        ({"paid": -1}, "paid"),
        ({"paid": 1001}, "paid"),
    ],
    ids=["number", "issued", "due", "paid less than nothing", "paid more than all"],
)
def test_a_wrong_field_is_named(fields: dict[str, object], path: str) -> None:
    """A missing number, a day that is none and an impossible payment are refused by their path."""
    with pytest.raises(InvalidInvoice) as refused:
        of(content_of(line("10.00")), **fields)
    assert refused.value.path == path


# --- Credit notes -----------------------------------------------------------------------------


@given(content=orders_to_invoice(), data=st.data())
def test_credit_notes_of_everything_add_up_to_the_invoice(
    content: OrderContent, data: st.DataObject
) -> None:
    """However the units come back, the notes' net, tax and payable add up to those of the invoice."""
    assume(content.total)
    story = Story(content)
    story.pay(Channel("card"))
    while story.order.payments.refunded < content.total:
        items = story.order.refundable().items
        name, left = data.draw(st.sampled_from(items))
        story.refund({name: data.draw(st.integers(1, left))})
    refunds = story.order.payments.refunds
    notes = [note(content, refund, earlier=refunds[:i]) for i, refund in enumerate(refunds)]
    made = of(content)
    assert sum(one.net for one in notes) == made.net
    assert sum(one.payable for one in notes) == made.payable
    assert sum(one.tax + one.rounding for one in notes) == made.tax


def refund_of(*rows: tuple[str, int, int, int]) -> Refund:
    """A refund of rows: name, units, net, tax."""
    made = tuple(
        RefundRow(LineId(name), units, net + tax, net, tax, 190_000, ())
        for name, units, net, tax in rows
    )
    return Refund("r-1", made, (), sum(row.amount for row in made), "returned")


def test_nothing_is_credited_for_a_charge_of_nothing() -> None:
    """Giving free shipping back alone changes no invoice: there is no credit note of it."""
    content = content_of(line("11.90"), shipping=ShippingCharge(money("0.00", "EUR")))
    with pytest.raises(InvalidInvoice, match="nothing to credit") as caught:
        note(content, refund_of(("shipping", 1, 0, 0)))
    assert caught.value.path == "refund"
    assert note(content, refund_of(("1", 1, 1000, 190), ("shipping", 1, 0, 0))).payable == 1190


def test_credit_notes_of_single_units_add_up_to_each_tax() -> None:
    """Five units of two taxes, credited one by one: each tax is credited as it was charged."""
    rates = (
        TaxRate(Percent.of("5"), component="GST"),
        TaxRate(Percent.of("9.975"), component="QST"),
    )
    cart = Cart("CAD", (CartLine("A", 5, money("0.07", "CAD"), name="A"),), customer=Party("c-1"))
    content = order_content(quote(cart, PricingPolicy(TaxPolicy(rates, False)), NOW))
    earlier: list[Refund] = []
    credited: dict[str, int] = {}
    for first in range(5):
        share = content.lines[0].units(first, 1)
        refund = refund_of(("1", 1, share.net, share.tax))
        for told in note(content, refund, earlier=tuple(earlier)).breakdown:
            credited[told.name] = credited.get(told.name, 0) + told.tax
        earlier.append(refund)
    assert credited == {part.name: part.tax for part in content.lines[0].parts}


def test_a_credit_note_names_what_it_corrects() -> None:
    """A credit note has its kind, the invoice's number and day, the refunded units, and no due day."""
    content = content_of(line("11.90", 3))
    made = note(content, refund_of(("1", 2, 2000, 380)), invoiced=DAY)
    assert (made.kind, made.corrects, made.corrected_on) == (InvoiceKind.CREDIT_NOTE, "R-1", DAY)
    assert (made.lines[0].quantity, made.payable, made.due) == (2, 2380, None)


def test_the_share_of_a_third_party_goes_back_to_it() -> None:
    """Units of a line with 1.00 repaid by a third party return their share of it, to the minor unit."""
    content = content_of(line("10.00", 3, tax_category="zero"))
    taxed = attrs.evolve(content.lines[0], discount=100, funded=100, net=2900, total=2900)
    content = attrs.evolve(content, lines=(taxed,), total=2900)
    first, rest = refund_of(("1", 1, 966, 0)), refund_of(("1", 2, 1934, 0))
    notes = [note(content, first), note(content, rest, earlier=(first,))]
    assert [(one.net, one.funded, one.payable) for one in notes] == [
        (1000, 34, 966),
        (2000, 66, 1934),
    ]


def test_a_refund_of_less_than_the_units_cost_has_no_list_price_of_its_own() -> None:
    """Where a refund gives back more than list price and freight explain, its net stands alone."""
    content = content_of(line("11.90", 2))
    made = note(content, refund_of(("1", 1, 1500, 285)))
    assert (made.lines[0].list_net, made.lines[0].allowance, made.payable) == (1500, 0, 1785)


def test_some_units_bear_their_part_of_each_component() -> None:
    """The tax of some units is shared over the components as the line's was."""
    content = content_of(line("10.00", 2), included=False)
    parts = (TaxPart("state", 40_000, 2000, 80), TaxPart("county", 10_000, 2000, 20))
    taxed = attrs.evolve(content.lines[0], parts=parts, tax_ppm=50_000, tax=100, total=2100)
    content = attrs.evolve(content, lines=(taxed,), tax=100, total=2100)
    made = note(content, refund_of(("1", 1, 1000, 50)))
    assert [(tax.name, tax.net, tax.tax) for tax in made.breakdown] == [
        ("state", 1000, 40),
        ("county", 1000, 10),
    ]


@pytest.mark.parametrize(
    ("refund", "fields", "reason"),
    [
        (refund_of(("9", 1, 1000, 190)), {}, "no line or charge"),
        (refund_of(("1", 4, 4000, 760)), {}, "4 of 3 units"),
        (refund_of(("1", 1, 1000, 190)), {"invoice": ""}, "names the invoice"),
    ],
    ids=["another order", "too many units", "no invoice"],
)
def test_a_refund_that_does_not_fit_is_refused(
    refund: Refund, fields: dict[str, object], reason: str
) -> None:
    """A refund of rows or units that the order does not have gets no credit note."""
    with pytest.raises(InvalidInvoice, match=reason):
        note(content_of(line("11.90", 3)), refund, **fields)


# --- Text for people --------------------------------------------------------------------------


def told(locale: Locale, **fields: object) -> str:
    """The text of an invoice of two at 11.90 with 10 % off, and shipping."""
    content = content_of(
        line("11.90", 2, name="Pot | <b>blue</b>\n# new"),
        discounts=(PercentOff(Percent.of("10"), "coupon"),),
        shipping=ShippingCharge(money("4.90", "EUR")),
    )
    return invoice_text(of(content, **fields), locale)


def test_the_english_text_is_markdown_with_words_and_figures_by_cldr() -> None:
    """The whole text of one invoice, in English."""
    text = told(Locale.EN, paid=1000, due=date(2026, 6, 3), notes=("Thank you.",))
    assert (
        text
        == """\
# Invoice R-1

- Issued: May 20, 2026
- Order: ORD-0000000001
- Seller: Example Ltd, Lane 2, 10117 Berlin, DE
- VAT number: DE136695976
- Buyer: A. Buyer, Lane 2, 10117 Berlin, DE

| Item | Quantity | List amount | Discount | Tax rate | Net |
| --- | ---: | ---: | ---: | ---: | ---: |
| Pot \\| \\<b\\>blue\\</b\\> \\# new | 2 | €20.00 | -€2.00 | 19% | €18.00 |
| Shipping |  |  |  | 19% | €4.12 |

| Tax | Tax rate | Net | Tax |
| --- | ---: | ---: | ---: |
| Standard | 19% | €22.12 | €4.20 |

- Total without tax: €22.12
- Total tax: €4.20
- Total: €26.32
- Paid: -€10.00
- Payable: €16.32
- Due: June 3, 2026

Thank you.
"""
    )


def test_the_chinese_text_has_chinese_words_dates_and_colons() -> None:
    """The same invoice in simplified Chinese: words, dates and signs of that language."""
    lines = told(Locale.ZH_CN).splitlines()
    assert lines[0] == "# 发票 R-1"
    assert "- 开具日期：2026年5月20日" in lines
    assert "- 应付金额：€26.32" in lines
    assert "| 项目 | 数量 | 标价金额 | 折扣 | 税率 | 不含税金额 |" in lines


def test_a_credit_note_says_what_is_refunded() -> None:
    """The text of a credit note names the invoice it corrects and what is to be refunded."""
    content = content_of(line("11.90", 3))
    made = note(content, refund_of(("1", 1, 1000, 190)), invoiced=DAY)
    text = invoice_text(made, Locale.EN)
    assert "# Credit note C-1" in text
    assert "- Corrects invoice: R-1 (May 20, 2026)" in text
    assert "- To be refunded: €11.90" in text


@pytest.mark.parametrize("treatment", TaxTreatment, ids=lambda treatment: treatment.name)
@pytest.mark.parametrize("locale", Locale, ids=lambda locale: locale.name)
def test_every_treatment_has_its_word(treatment: TaxTreatment, locale: Locale) -> None:
    """No reason for a tax of 0 lacks its word in a language."""
    content = content_of(line("5.00", tax_category="zero"))
    lines = tuple(attrs.evolve(one, treatment=treatment) for one in content.lines)
    assert "0" in invoice_text(of(attrs.evolve(content, lines=lines)), locale)


def test_components_and_disbursed_duty_are_told_by_their_own_words() -> None:
    """A component of a tax goes by its name, and duty paid for the buyer says so."""
    content = content_of(line("10.00"), included=False)
    parts = (TaxPart("state", 40_000, 1000, 40), TaxPart("county", 12_500, 1000, 13))
    taxed = attrs.evolve(content.lines[0], parts=parts, tax_ppm=52_500, tax=53, total=1053)
    duty = QuoteCharge(LineId("duty"), "Duty", 300, "", 0, False, 0, 300, 300, kind=ChargeKind.DUTY)
    made = of(attrs.evolve(content, lines=(taxed,), charges=(duty,), tax=53, total=1353))
    lines = invoice_text(made, Locale.EN).splitlines()
    assert "| county | 1.25% | €10.00 | €0.13 |" in lines
    assert "| Disbursed for the buyer | 0% | €3.00 | €0.00 |" in lines


def test_yen_and_dinars_keep_their_own_decimals() -> None:
    """Amounts are shown with the decimals of their currency."""
    for price, currency, shown in (("100", "JPY", "¥100"), ("1.234", "KWD", "KWD1.234")):
        content = content_of(CartLine("A", 1, money(price, currency)), currency=currency)
        text = invoice_text(of(content), Locale.EN).replace("\u00a0", "")
        assert f"Payable: {shown}\n" in text
