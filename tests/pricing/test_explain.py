"""Each figure of a quote says how it came about, adds up, and costs nothing until it is asked."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from datetime import date
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from moneyed import Money

import ordercore.pricing
from ordercore.allocation import RemainderRule
from ordercore.errors import InvalidInput
from ordercore.money import Percent, money
from ordercore.party import Address, Destination
from ordercore.pricing import (
    AmountOff,
    Benefit,
    BorderPolicy,
    BuyGet,
    Cart,
    CartLine,
    ChargeKind,
    Component,
    Conditions,
    Coupon,
    CouponTerms,
    Customs,
    EveryOff,
    ExchangePolicy,
    ExchangeRate,
    ExternalRow,
    ExternalTax,
    Fee,
    Funder,
    GoodsKind,
    HostRule,
    Layer,
    LineAmount,
    LinePercent,
    OffBase,
    OrderAmount,
    OrderPercent,
    Per,
    PercentOff,
    PointsRate,
    PriceBasis,
    PricingFacts,
    PricingPolicy,
    Promotion,
    Quote,
    RatePurpose,
    RoundingScope,
    Scope,
    SetTotal,
    ShippingCharge,
    ShippingOff,
    ShippingTax,
    ShippingTo,
    Shopper,
    SkuPrice,
    SpecialPrice,
    Spread,
    Step,
    Steps,
    TaxPart,
    TaxPolicy,
    TaxRate,
    Terms,
    VatIdCheck,
    explain,
    quote,
)
from ordercore.pricing.duty import DutyRate, Tariff
from ordercore.pricing.explain import Explanation
from ordercore.testing import START, quotes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.pricing.basket import Basket

PLAIN = PricingPolicy()


def eur(text: str) -> Money:
    """Euros."""
    return money(text, "EUR")


def pct(text: str) -> Percent:
    """A percentage."""
    return Percent.of(text)


def line(sku: str = "A", quantity: int = 1, price: str = "10.00", **fields: Any) -> CartLine:
    """A line in EUR."""
    return CartLine(sku, quantity, eur(price), **fields)


def taxed(percent: str, **fields: Any) -> PricingPolicy:
    """A policy of one rate for everything."""
    return PricingPolicy(TaxPolicy((TaxRate(pct(percent)),), **fields))


def told(
    cart: Cart, policy: PricingPolicy = PLAIN, facts: PricingFacts | None = None
) -> Explanation:
    """The explanation of a cart's quote."""
    return explain(quote(cart, policy, START, facts or PricingFacts()))


def nodes(tree: Explanation, figure: str) -> list[Explanation]:
    """Every node of this name, from the top down."""
    return [node for _, node in tree.walk() if node.figure == figure]


def node(tree: Explanation, figure: str) -> Explanation:
    """The one node of this name."""
    (found,) = nodes(tree, figure)
    return found


# --- Laws --------------------------------------------------------------------------------------


def _sound(tree: Explanation) -> Iterator[str]:
    """What is wrong with a tree."""
    for _, one in tree.walk():
        if one.parts and sum(part.amount for part in one.parts) != one.amount:
            yield f"{one.figure}: the parts are not the whole"
        if len(dict(one.inputs)) != len(one.inputs) or not all(map(all, one.inputs)):
            yield f"{one.figure}: an input is empty or told twice"
        if not one.figure or not one.rule:
            yield f"{one.figure}: no rule"
        if one.remainder and not one.rounding:
            yield f"{one.figure}: a remainder without a rounding"


@given(quotes())
def test_l3_the_explanation_adds_up(priced: Quote) -> None:
    """Every node is the sum of its parts; the top is what is charged, the taxes what is owed."""
    tree = explain(priced)
    assert list(_sound(tree)) == []
    assert (tree.amount, tree.currency) == (priced.total, priced.currency)
    assert sum(one.amount for one in nodes(tree, "tax")) == priced.tax
    assert node(tree, "tax by rate").amount == priced.tax
    assert sum(one.amount for one in nodes(tree, "discounts")) == -priced.discount
    assert len(tree.parts) == len(priced.rows())


@given(quotes())
def test_l18_rounding_moves_a_figure_by_less_than_a_unit(priced: Quote) -> None:
    """What rounding moved is told exactly, and is below one minor unit of what was rounded at once.

    Units rounded one by one, rates and components summed up, and remainders that a rule gives
    to one line may move more.
    """
    tree = explain(priced)
    rule = priced.policy.discount_remainder
    piled = {RemainderRule.LAST, RemainderRule.LARGEST_WEIGHT}
    for _, one in tree.walk():
        tax = one.figure.startswith("tax")
        if tax and (
            priced.scope is RoundingScope.UNIT or one.parts or one.figure.startswith("tax by rate")
        ):
            continue
        if one.figure == "order discount" and rule in piled:
            continue
        if tax:
            # A share is less than a unit from its part of what was shared, which was rounded by
            # less than a unit itself: of the order's tax a row, of a row's tax a component.
            shared = priced.scope is not RoundingScope.LINE
            assert abs(one.remainder) < 1 + shared + one.figure.startswith("tax: "), one
        elif one.figure == "order discount" and rule is not RemainderRule.LARGEST_FRACTION:
            assert abs(one.remainder) <= 1, one  # a whole share may get an odd unit
        elif dict(one.inputs).get("layer") == "bundle":
            # shared at home, then made a part of another destination's price
            assert abs(one.remainder) < 3, one
        else:
            assert abs(one.remainder) < 1, one


@given(quotes())
def test_l1_the_odd_units_of_a_shared_discount_cancel_out(priced: Quote) -> None:
    """Over all lines of one discount on the order, what sharing moved is nothing."""
    tree = explain(priced)
    moved: dict[str, Fraction] = {}
    for one in nodes(tree, "order discount"):
        place = dict(one.inputs)["place in the order of application"]
        moved[place] = moved.get(place, Fraction(0)) + one.remainder
    assert not any(moved.values())


@given(quotes())
def test_l3_what_rounding_moved_of_rows_is_what_it_moved_of_the_order(priced: Quote) -> None:
    """The remainders of the rows' taxes add up to the remainder of all tax."""
    tree = explain(priced)
    rows = sum((one.remainder for one in nodes(tree, "tax")), Fraction(0))
    assert rows == node(tree, "tax by rate").remainder


@given(quotes())
def test_l18_the_inputs_of_a_quote_give_the_same_explanation(priced: Quote) -> None:
    """Priced again from what it was made from, a quote explains itself in the same words."""
    again = quote(priced.cart, priced.policy, priced.at, priced.facts)
    assert explain(again) == explain(priced)


# --- Renderings --------------------------------------------------------------------------------

_VOID = {"br", "hr", "img", "input", "meta", "link"}


class _Page(HTMLParser):
    """Reads a fragment: its texts, and whether every element that opens closes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.texts: list[str] = []
        self.amounts: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in _VOID
        self.open.append(tag)
        self.seen.append(tag)
        if tag == "data":
            self.amounts.append(int(dict(attrs)["value"] or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(quotes())
def test_text_json_and_html_tell_the_same_figures(priced: Quote) -> None:
    """Each rendering has every node once, in the same order, with the same amounts."""
    tree = explain(priced)
    amounts = [one.amount for _, one in tree.walk()]
    lines = tree.text().splitlines()
    assert [len(text) - len(text.lstrip(" ")) for text in lines] == [
        2 * depth for depth, _ in tree.walk()
    ]
    page = _Page()
    page.feed(tree.html())
    page.close()
    assert page.open == []
    assert page.amounts == amounts
    plain = json.loads(json.dumps(tree.as_dict()))

    def walked(one: dict[str, Any]) -> Iterator[tuple[int, str]]:
        yield one["amount"], one["remainder"]
        for part in (*one["parts"], *one["of_which"]):
            yield from walked(part)

    remainders = [str(one.remainder) for _, one in tree.walk()]
    assert list(walked(plain)) == list(zip(amounts, remainders, strict=True))


def test_what_a_shop_writes_breaks_neither_page_nor_terminal() -> None:
    """Names with tags, quotes, newlines and escape codes come out as text, on their line."""
    evil = "<script>alert(1)</script>\n\x1b[2J\"'&"
    cart = Cart(
        "EUR",
        (line(evil, name=evil, id=evil, discounts=(AmountOff(eur("1.00"), evil),)),),
        shipping=ShippingCharge(eur("1.00"), evil),
        codes=(evil,),
    )
    tree = told(cart)
    page = _Page()
    page.feed(tree.html())
    assert set(page.seen) == {
        "div", "style", "details", "summary", "data", "p", "dl", "dt", "dd", "ul", "li",
    }  # fmt: skip
    assert any("<script>alert(1)</script>" in text for text in page.texts)
    text = tree.text()
    assert len(text.splitlines()) == len(list(tree.walk()))
    assert "\x1b" not in text


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """The fragment has one style that names its own class alone, and no link, script or event."""
    page = told(Cart("EUR", (line(),))).html()
    style = page.partition("<style>")[2].partition("</style>")[0]
    rules = [rule for rule in style.split("}") if rule]
    assert all(
        part.startswith(".ordercore-explanation")
        for rule in rules
        for part in rule.partition("{")[0].split(",")
    )
    assert page.count("<style>") == 1
    assert not any(word in page for word in ("http", "<script", "onclick", "url(", "@import"))
    assert page.startswith('<div class="ordercore-explanation" lang="en">')
    assert "<details open><summary>total: " in page


def test_the_text_names_the_remainder() -> None:
    """A line of text says the rule, how it was rounded, and what that moved in minor units."""
    tree = told(Cart("EUR", (line(price="89.99"),)), taxed("13"))
    why = "13 % for category 'standard', inside the price: amount x r / (1 + r)"
    assert (
        f"    tax: 10.35  ({why}; half_up for the row, remainder +32/113)"
        in tree.text().splitlines()
    )
    assert node(tree, "tax").exact == Fraction(8_999 * 13, 113)


@pytest.mark.parametrize(
    ("remainder", "text"),
    [
        (Fraction(0), "remainder 0"),
        (Fraction(-29, 119), "remainder -29/119"),
        (Fraction(1, 2), "remainder +1/2"),
        (Fraction(1, 30_000), "remainder about +0.0000"),
        (Fraction(-12_346, 10_001), "remainder about -1.2345"),
    ],
)
def test_a_remainder_reads_as_a_fraction_or_in_decimals(remainder: Fraction, text: str) -> None:
    """Up to four digits the fraction itself is told; beyond, its first decimals."""
    figure = Explanation("f", 1, "r", rounding="half_up", remainder=remainder)
    assert figure.text("EUR") == f"f: 0.01  (r; half_up, {text})"


def test_a_figure_that_its_parts_do_not_make_cannot_be_explained() -> None:
    """A node refuses parts that do not add up to it, and parts in another currency."""
    part = Explanation("part", 3, "given")
    assert Explanation("whole", 3, "sum", (part,)).amount == 3
    with pytest.raises(InvalidInput) as caught:
        Explanation("whole", 4, "sum", (part,))
    assert (caught.value.path, caught.value.data["parts"]) == ("whole", 3)
    with pytest.raises(InvalidInput):
        Explanation("whole", 3, "sum", (Explanation("part", 3, "given", currency="USD"),))


def test_a_quote_that_was_tampered_with_is_not_explained() -> None:
    """A line whose total is not the sum of its parts raises instead of telling a tale."""
    priced = quote(Cart("EUR", (line(),)), PLAIN, START)
    row = priced.lines[0]
    fields = {name: getattr(row, name) for name in inspect.signature(type(row)).parameters}
    wrong = type(row)(**{**fields, "total": row.total + 1})
    whole = {name: getattr(priced, name) for name in inspect.signature(Quote).parameters}
    with pytest.raises(InvalidInput):
        explain(Quote(**{**whole, "lines": (wrong,)}))


# --- Nothing is paid for it while pricing ------------------------------------------------------


def test_pricing_runs_without_explaining(monkeypatch: pytest.MonkeyPatch) -> None:
    """`quote` neither makes a node nor calls anything of the explanation."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an explanation was made while pricing")

    rooms = [
        module
        for name, module in sys.modules.items()
        if name.startswith("ordercore.pricing.explain")
    ]
    assert len(rooms) > 1
    for room in rooms:
        for name, found in vars(room).items():
            if inspect.isfunction(found) and found.__module__ == room.__name__:
                monkeypatch.setattr(room, name, refuse)
    monkeypatch.setattr(Explanation, "__init__", refuse)
    cart = Cart("EUR", (line(), line("B")), discounts=(AmountOff(eur("1.00"), "coupon"),))
    priced = quote(cart, PLAIN, START)
    assert priced.total == 1900
    with pytest.raises(AssertionError):
        sys.modules["ordercore.pricing.explain"].explain(priced)


def test_no_module_of_pricing_needs_the_explanation_to_be_loaded() -> None:
    """Outside of the explanation itself, only the front door of pricing imports it at its top."""
    front = Path(ordercore.pricing.__file__)
    found = {
        path.name
        for path in front.parent.glob("*.py")
        for top in ast.parse(path.read_text("utf-8")).body
        if isinstance(top, ast.ImportFrom) and "explain" in (top.module or "")
    }
    assert found <= {front.name}


# --- Prices ------------------------------------------------------------------------------------


def test_a_price_from_another_destination_tells_both_taxes() -> None:
    """120.00 with 20 % of GB inside is 119.00 with 19 % of DE: the node says so, to the fraction."""
    rates = (TaxRate(pct("20"), country="GB"), TaxRate(pct("19"), country="DE"))
    tax = TaxPolicy(rates, home=Destination("GB"), abroad=PriceBasis.NET_FIXED)
    cart = Cart("EUR", (line(price="120.00"), line("B", 3, "9.99")), address=Address(country="DE"))
    first, second = nodes(told(cart, PricingPolicy(tax)), "unit price at the destination")
    assert (first.amount, first.remainder) == (11_900, Fraction(0))
    assert "20 % of GB out, 19 % of the destination in" in first.rule
    assert second.exact == Fraction(999 * 119, 120)
    assert dict(second.inputs)["with the home country's tax"] == "9.99"


@pytest.mark.parametrize(
    ("charges", "words"),
    [
        (ShippingTax.OWN, "19 % of DE out, 20 % of the destination in"),
        (ShippingTax.MAIN, "7 % of DE out, 5.5 % of the destination in"),
        (ShippingTax.WEIGHTED, "13 % of DE out, 12.75 % of the destination in"),
    ],
)
def test_a_charge_from_another_destination_tells_both_taxes(
    charges: ShippingTax, words: str
) -> None:
    """Shipping and a fee with the home country's tax are others at the destination: the node says by whose
    rates."""
    rates = (
        TaxRate(pct("19"), country="DE"),
        TaxRate(pct("7"), "books", "DE"),
        TaxRate(pct("20"), country="FR"),
        TaxRate(pct("5.5"), "books", "FR"),
    )
    tax = TaxPolicy(rates, home=Destination("DE"), abroad=PriceBasis.NET_FIXED, charges=charges)
    books = line("B", price="107.00", tax_category="books")
    other = line(price="89.00" if charges is ShippingTax.MAIN else "119.00")
    cart = Cart(
        "EUR",
        (books, other),
        shipping=ShippingCharge(eur("11.90")),
        fees=(Fee("wrap", eur("23.80")),),
        address=Address(country="FR"),
    )
    tree = told(cart, PricingPolicy(tax))
    shipping, fee = nodes(tree, "amount at the destination")
    assert words in shipping.rule
    assert words in fee.rule
    assert dict(shipping.inputs)["with the home country's tax"] == "11.90"
    assert dict(shipping.inputs)["home"] == "DE"
    if charges is ShippingTax.OWN:
        assert (shipping.amount, fee.amount, shipping.remainder) == (1200, 2400, Fraction(0))


def test_freight_from_another_destination_tells_both_taxes() -> None:
    """Freight of a line, and of a bundle, moves with the price, and says so."""
    rates = (TaxRate(pct("19"), country="DE"), TaxRate(pct("20"), country="FR"))
    tax = TaxPolicy(rates, home=Destination("DE"), abroad=PriceBasis.NET_FIXED)
    parts = (Component("X", 1, eur("59.50")), Component("Y", 1, eur("59.50")))
    cart = Cart(
        "EUR",
        (
            line(price="119.00", domestic_freight=eur("11.90")),
            line("SET", price="119.00", domestic_freight=eur("23.80"), components=parts),
        ),
        address=Address(country="FR"),
    )
    tree = told(cart, PricingPolicy(tax))
    moved = nodes(tree, "domestic freight at the destination")
    assert [one.amount for one in moved] == [1200, 2400, 2400]
    assert [one.remainder for one in moved] == [Fraction(0)] * 3
    assert [one.amount for one in nodes(tree, "domestic freight")] == [1200, 1200, 1200]


def test_a_charge_that_stays_tells_of_no_other_destination() -> None:
    """At home shipping costs what the cart says, and nothing is told of another amount."""
    tax = TaxPolicy(
        (TaxRate(pct("19"), country="DE"),), home=Destination("DE"), abroad=PriceBasis.NET_FIXED
    )
    cart = Cart(
        "EUR", (line(),), shipping=ShippingCharge(eur("11.90")), address=Address(country="DE")
    )
    assert nodes(told(cart, PricingPolicy(tax)), "amount at the destination") == []


def test_who_bears_no_tax_reads_whose_was_taken_out() -> None:
    """An exempt buyer abroad pays 10.00 for 11.90: the 19 % of home are out, and none come in."""
    rates = (TaxRate(pct("19"), country="DE"), TaxRate(pct("20"), country="FR"))
    tax = TaxPolicy(rates, home=Destination("DE"), abroad=PriceBasis.NET_FIXED)
    cart = Cart(
        "EUR",
        (line(price="11.90"),),
        shipping=ShippingCharge(eur("5.95")),
        address=Address(country="FR"),
        shopper=Shopper(exempt="no. 7"),
    )
    tree = told(cart, PricingPolicy(tax))
    price = node(tree, "unit price at the destination")
    charge = node(tree, "amount at the destination")
    assert (price.amount, charge.amount, tree.amount) == (1000, 500, 1500)
    assert "19 % of DE out, 0 % of the destination in" in price.rule
    assert "19 % of DE out, 0 % of the destination in" in charge.rule


def test_a_catalog_price_tells_its_rate_of_exchange() -> None:
    """5.00 USD at 1.1744 is 5.872 in another currency: rate, source, day and remainder are told."""
    rate = ExchangeRate(
        "USD", "EUR", 8_515, 10_000, RatePurpose.DISPLAY, START, START.date(), "a bank"
    )
    cart = Cart(
        "EUR",
        (CartLine("A", 3, money("5.01", "USD")),),
        shipping=ShippingCharge(money("2.00", "USD")),
        fees=(Fee("wrap", money("1.00", "USD")),),
    )
    tree = told(cart, PLAIN, PricingFacts(rates=(rate,)))
    listed = node(tree, "list amount")
    catalog, exchanged = listed.of_which
    assert (catalog.amount, catalog.currency) == (501, "USD")
    assert (exchanged.amount, exchanged.exact) == (427, Fraction(501 * 8_515, 10_000))
    assert dict(exchanged.inputs)["source"] == "a bank"
    assert dict(exchanged.inputs)["published"] == START.date().isoformat()
    assert listed.rule == "3 x 4.27"
    assert node(tree, "shipping exchanged").amount == 170
    assert node(tree, "fee exchanged").amount == 85
    assert "unit price in the catalog: 5.01 USD  (as the cart says)" in tree.text()
    assert tree.as_dict()["currency"] == "EUR"


def test_a_component_tells_its_part_of_the_bundle() -> None:
    """A bundle's price and freight are shared by list price; the odd cent is told to the fraction."""
    bundle = CartLine(
        "SET", 1, eur("10.00"), name="Tea set", domestic_freight=eur("1.00"),
        components=(Component("TEA", 2, eur("3.33")), Component("POT", 1, eur("6.67"))),
    )  # fmt: skip
    tree = told(Cart("EUR", (bundle,)))
    tea, pot = nodes(tree, "discount")
    assert (tea.amount, pot.amount) == (-166, -167)
    assert tea.exact == Fraction(-333 * 666, 1_333)
    assert tea.remainder == -pot.remainder
    assert tea.rule == "'Tea set': part of what the bundle takes off, by list price"
    assert [one.amount for one in nodes(tree, "domestic freight")] == [50, 50]
    assert node(tree, "line 1.1 TEA").parts[0].rule == (
        "2 x 3.33; 2 in each of 1 bundles, at its own list price"
    )


def test_points_of_a_price_are_told() -> None:
    """A price in points and money says how many points, and the order what is paid in them."""
    policy = PricingPolicy(points_worth=PointsRate(100, 100))
    tree = told(Cart("EUR", (line(price="2.00", quantity=3, points=500),)), policy)
    assert node(tree, "points of a unit").amount == 500
    assert dict(node(tree, "points of a unit").inputs) == {
        "points": "500",
        "money of a unit": "2.00",
    }
    assert node(tree, "points").amount == 1500
    assert node(tree, "points").rule == "1500 points are to be paid, 100 for 1.00"


# --- Discounts ---------------------------------------------------------------------------------


def _case_one() -> tuple[Cart, PricingPolicy, PricingFacts]:
    """2 x A at 199.00 (flash 179.00) + B 150.50; every 200 less 20; a coupon of 50 from 500."""

    def cny(text: str) -> Money:
        return money(text, "CNY")

    flash = Promotion(
        "flash",
        SpecialPrice((SkuPrice("A", cny("179.00")),)),
        label="Flash sale",
        scope=Scope(("A",)),
    )
    every = Promotion("every", EveryOff(cny("200.00"), cny("20.00")))
    fifty = Promotion(
        "fifty",
        OrderAmount(cny("50.00")),
        when=Conditions(at_least=cny("500.00")),
        coupon=CouponTerms(),
    )
    layers = (
        Layer("prices", (flash,)),
        Layer("full reduction", (every,)),
        Layer("coupons", (fifty,)),
    )
    cart = Cart(
        "CNY",
        (CartLine("A", 2, cny("199.00")), CartLine("B", 1, cny("150.50"))),
        codes=("SAVE50",),
    )
    facts = PricingFacts(coupons=(Coupon("SAVE50", "fifty"),))
    return cart, PricingPolicy(layers=layers), facts


def test_every_200_less_20_tells_who_got_the_odd_cent() -> None:
    """40.00 off 508.50 is 28.16 and 11.84, told with the exact shares and the order of application."""
    tree = told(*_case_one())
    first, second = nodes(tree, "order discount")
    assert (first.amount, second.amount) == (-2816, -1184)
    assert first.exact == Fraction(-4_000 * 35_800, 50_850)
    assert first.rounding == "odd units by largest remainder"
    assert first.rule == (
        "'every': every 200.00 less 20.00; this line's share of 40.00, by what remained of each line"
    )
    assert dict(first.inputs)["layer"] == "full reduction"
    order = node(tree, "discounts")
    assert [part.figure for part in order.parts] == ["1. discount", "2. order discount"]
    assert node(tree, "discount").rule == "'Flash sale': flash price; 2 x 179.00 instead"
    assert tree.amount == 46_850


@pytest.mark.parametrize(
    ("spread", "words", "weights"),
    [
        (Spread.REMAINING, "by what remained of each line", (1_000, 2_000)),
        (Spread.LIST, "by list amount", (2_000, 2_000)),
        (Spread.NET, "by what remained of each line without tax", (1_000 * 107, 2_000 * 119)),
    ],
    ids=lambda given: given.value if isinstance(given, Spread) else "",
)
def test_a_shared_discount_says_by_what(
    spread: Spread, words: str, weights: tuple[int, int]
) -> None:
    """What remained, without tax or not, or the list amount: the exact shares follow from it."""
    off = Promotion("p", OrderAmount(eur("1.00")), spread=spread, scope=Scope(except_skus=("C",)))
    rates = (TaxRate(pct("19")), TaxRate(pct("7"), "reduced"))
    lines = (
        line(price="20.00", discounts=(AmountOff(eur("10.00")),)),
        line("B", price="20.00", tax_category="reduced"),
        line("C", price="30.00"),
    )
    tree = told(Cart("EUR", lines), PricingPolicy(TaxPolicy(rates), layers=(Layer("one", (off,)),)))
    found = nodes(tree, "order discount")
    assert [one.exact for one in found] == [Fraction(-100 * one, sum(weights)) for one in weights]
    assert all(one.rule.endswith(f"this line's share of 1.00, {words}") for one in found)


def test_a_refused_code_says_what_was_missing() -> None:
    """The coupon from 500.00 is refused at 468.50: 31.50 short."""
    refused = node(told(*_case_one()), "code 'SAVE50'")
    assert refused.rule == "the threshold is not reached, 31.50 short"
    assert (refused.amount, dict(refused.inputs)["short"]) == (0, "31.50")


def test_a_refused_code_counts_the_units_that_were_missing() -> None:
    """A promotion from five units on is refused at two: three units short."""
    off = Promotion(
        "five", OrderAmount(eur("1.00")), when=Conditions(at_least_units=5), coupon=CouponTerms()
    )
    cart = Cart("EUR", (line(quantity=2),), codes=("FIVE",))
    facts = PricingFacts(coupons=(Coupon("FIVE", "five"),))
    refused = node(told(cart, PricingPolicy(layers=(Layer("one", (off,)),)), facts), "code 'FIVE'")
    assert refused.rule == "the threshold is not reached, 3 units short"
    assert dict(refused.inputs)["promotion"] == "five"


@pytest.mark.parametrize(
    ("funder", "tax", "base"),
    [(Funder.MERCHANT, 1800, "amount"), (Funder.PLATFORM, 2000, "funded")],
)
def test_who_funds_a_discount_decides_what_tax_stands_on(
    funder: Funder, tax: int, base: str
) -> None:
    """120.00 with 20 % inside less 12.00: tax 18.00 by the merchant's coupon, 20.00 by the platform's."""
    cart = Cart("EUR", (line(price="120.00"),), discounts=(AmountOff(eur("12.00"), "c", funder),))
    tree = told(cart, taxed("20"))
    levy = node(tree, "tax")
    assert (tree.amount, levy.amount) == (10_800, tax)
    assert base in levy.rule
    assert dict(levy.inputs).get("taxable") == ("120.00" if funder is Funder.PLATFORM else None)
    pays = "the platform pays for it, so tax stands on it"
    assert (pays in node(tree, "order discount").rule) == (funder is Funder.PLATFORM)


@pytest.mark.parametrize(
    ("off", "fields", "why"),
    [
        (
            PercentOff(pct("50"), "half", eur("2.00")),
            {},
            "50 % of what remained, asked 5.00, capped",
        ),
        (AmountOff(eur("15.00")), {}, "fixed amount, asked 15.00, capped by what remained"),
        (
            AmountOff(eur("5.00")),
            {"floor_price": eur("8.00")},
            "fixed amount, asked 5.00, capped by its cap or a floor price",
        ),
    ],
    ids=["cap", "remaining", "floor"],
)
def test_a_discount_that_gave_less_than_it_asked_says_why(
    off: PercentOff | AmountOff, fields: dict[str, Any], why: str
) -> None:
    """A cap, what remained, and a floor price are told apart from a discount given in full."""
    tree = told(Cart("EUR", (line(discounts=(off,), **fields),)))
    assert why in node(tree, "discount").rule
    assert dict(node(tree, "discount").inputs)["asked"] in why


@pytest.mark.parametrize(
    ("amount", "why"),
    [
        ("1.00", "fixed amount, asked 1.00, 0.01 kept apart"),
        ("0.99", "fixed amount"),
        ("40.00", "fixed amount, asked 40.00, capped by what remained"),
    ],
)
def test_cents_that_were_kept_apart_are_no_cap(amount: str, why: str) -> None:
    """1.00 over three equal lines gives 0.99, and the odd cent is kept apart: nothing capped it."""
    policy = PricingPolicy(discount_remainder=RemainderRule.KEPT_APART)
    cart = Cart("EUR", (line(), line("B"), line("C")), discounts=(AmountOff(eur(amount)),))
    first = nodes(told(cart, policy), "order discount")[0]
    assert first.rule.partition(";")[0] == why
    off = Promotion("p", OrderAmount(eur(amount)))
    layered = PricingPolicy(
        discount_remainder=RemainderRule.KEPT_APART, layers=(Layer("one", (off,)),)
    )
    promoted = nodes(told(Cart("EUR", cart.lines), layered), "order discount")[0]
    assert promoted.rule.partition(";")[0] == f"'p': {why}"


def _quarter(basket: Basket) -> dict[str, int]:
    """A host's own rule: a quarter of what remains, where it may be taken."""
    return {row.id: min(row.left // 4, row.room) for row in basket.lines}


_STEPS = (Step(eur("20.00"), amount=eur("1.11")), Step(eur("60.00"), percent=pct("7.77")))
_WORDS: dict[str, Benefit] = {
    "5 % of the list amount of each line, at most 2.00": LinePercent(
        pct("5"), OffBase.LIST, eur("2.00")
    ),
    "1.00 off each unit": LineAmount(eur("1.00"), Per.UNIT),
    "1.00 off each line": LineAmount(eur("1.00")),
    "buy 1, get 1 more at 50 % off, the cheapest, at most once": BuyGet(1, 1, pct("50"), 1),
    "buy 1, get 1 more at 100 % off, the cheapest, at most 2 times": BuyGet(1, 1, times=2),
    "every 20.00 less 3.00": EveryOff(eur("20.00"), eur("3.00")),
    "the highest step reached of 1.11 from 20.00, 7.77 % from 60.00": Steps(_STEPS),
    "5 % of what remained, at most 9.00": OrderPercent(pct("5"), eur("9.00")),
    "'p': fixed amount": OrderAmount(eur("9.00")),
    "any 2 for 15.00": SetTotal(eur("15.00"), 2),
    "all for 15.00": SetTotal(eur("15.00")),
    "the shop's own rule 'quarter'": HostRule("quarter", _quarter),
    "flash price; 4 x 8.00 instead": SpecialPrice(
        (SkuPrice("A", eur("9.00")), SkuPrice("A", eur("8.00"), 2))
    ),
    "flash price for 2 articles; 4 x 9.00 instead": SpecialPrice(
        (SkuPrice("A", eur("9.00")), SkuPrice("B", eur("8.00")))
    ),
    "50 % off shipping, at most 3.00": ShippingOff(pct("50"), eur("3.00")),
    "shipping at most 1.00": ShippingTo(eur("1.00")),
}
"""How a benefit is told, and the benefit."""


@pytest.mark.parametrize("words", _WORDS)
def test_each_benefit_is_told_in_words(words: str) -> None:
    """What a promotion gives stands in the rule of what it took off."""
    policy = PricingPolicy(layers=(Layer("one", (Promotion("p", _WORDS[words]),)),))
    tree = told(Cart("EUR", (line(quantity=4),), shipping=ShippingCharge(eur("5.01"))), policy)
    found = [
        one.rule for _, one in tree.walk() if one.figure.endswith("discount") and one.amount < 0
    ]
    assert any(words in rule for rule in found)


def test_a_discount_on_shipping_stands_on_the_charge() -> None:
    """Half of 5.01 is 2.505: the charge shows its list amount, the discount and what rounding moved."""
    policy = PricingPolicy(layers=(Layer("one", (Promotion("p", ShippingOff(pct("50"))),)),))
    tree = told(Cart("EUR", (line(),), shipping=ShippingCharge(eur("5.01"))), policy)
    charge = node(tree, "shipping")
    assert [part.amount for part in charge.parts] == [501, -251]
    assert charge.parts[1].remainder == Fraction(1, 2)


# --- Tax ---------------------------------------------------------------------------------------


def test_components_of_tax_are_told_one_by_one() -> None:
    """State 6 % and county 1.25 % upon it: each component has its net, rate and exact value."""
    rates = (
        TaxRate(pct("6"), component="state", name="State tax", source="a statute"),
        TaxRate(pct("1.25"), component="county", compound=True),
    )
    tree = told(Cart("EUR", (line(),)), PricingPolicy(TaxPolicy(rates, prices_include_tax=False)))
    state, county = node(tree, "tax").parts
    assert (state.figure, state.amount, state.remainder) == ("tax: State tax", 60, Fraction(0))
    assert (county.amount, county.exact) == (13, Fraction(53, 4))
    assert "the components before it" in county.rule
    assert dict(state.inputs)["rate's source"] == "a statute"
    assert "the sum of the rates rounded" in node(tree, "tax").rounding


def test_tax_rounded_once_for_the_order_tells_the_whole() -> None:
    """Three lines of 89.99 at 13 %: 31.06 for the order, its remainder on the whole, odd cents on rows."""
    cart = Cart("EUR", tuple(line(price="89.99") for _ in range(3)))
    tree = told(cart, taxed("13", scope=RoundingScope.RATE))
    whole = node(tree, "tax by rate: 13 %")
    assert (whole.amount, whole.exact) == (3106, Fraction(3 * 8_999 * 13, 113))
    assert [one.amount for one in nodes(tree, "tax")] == [1036, 1035, 1035]
    assert "once per rate for the order" in nodes(tree, "tax")[0].rounding


@pytest.mark.parametrize(
    ("charges", "words"),
    [
        (ShippingTax.OWN, "19 % for category 'shipping'"),
        (ShippingTax.MAIN, "7 % as the main supply"),
        (ShippingTax.WEIGHTED, "19 %, 7 % in the proportion of the lines as the lines"),
    ],
)
def test_the_tax_of_shipping_says_whose_rate_it_takes(charges: ShippingTax, words: str) -> None:
    """Its own category's, that of the main supply, or those of the lines in proportion."""
    rates = (TaxRate(pct("19")), TaxRate(pct("7"), "reduced"))
    cart = Cart(
        "EUR",
        (line(), line("B", 2, tax_category="reduced")),
        shipping=ShippingCharge(eur("6.00")),
    )
    tree = told(cart, PricingPolicy(TaxPolicy(rates, charges=charges)))
    assert nodes(tree, "tax")[2].rule.startswith(words)


_LAWS = (
    TaxRate(pct("19"), source="GOODS-LAW"),
    TaxRate(pct("7"), "books", source="BOOKS-LAW"),
)


@pytest.mark.parametrize(
    ("charges", "own", "sources"),
    [
        (ShippingTax.OWN, True, ["SHIP-LAW"]),
        (ShippingTax.OWN, False, ["GOODS-LAW"]),
        (ShippingTax.MAIN, True, ["GOODS-LAW"]),
        (ShippingTax.WEIGHTED, True, ["GOODS-LAW", "BOOKS-LAW"]),
    ],
)
def test_the_tax_of_shipping_names_the_law_that_taxed_it(
    charges: ShippingTax, own: bool, sources: list[str]
) -> None:
    """Shipping as the main supply is taxed by the law of the goods, though a rate of its own is as high;
    without a rate of its own it is taxed as standard, in the proportion of the lines by each of their laws."""
    shipping = TaxRate(pct("19"), "shipping", source="SHIP-LAW")
    rates = (*_LAWS, shipping) if own else _LAWS
    cart = Cart(
        "EUR",
        (line(price="20.00"), line("B", tax_category="books")),
        shipping=ShippingCharge(eur("6.00")),
    )
    levy = nodes(told(cart, PricingPolicy(TaxPolicy(rates, charges=charges))), "tax")[2]
    found = [dict(one.inputs) for one in levy.parts or (levy,)]
    assert [one["rate's source"] for one in found] == sources
    assert found[0].get("taxed as") == (None if sources == ["SHIP-LAW"] else "standard")
    if charges is ShippingTax.OWN and not own:
        assert levy.rule.startswith("19 % for category 'shipping', taxed as 'standard'")


def test_a_row_without_tax_says_why() -> None:
    """Reverse charge with the check of the VAT id, exemption, zero rate, and vouchers are told apart."""
    rates = (TaxRate(pct("19"), country="DE"), TaxRate(pct("20"), country="FR"))
    tax = TaxPolicy(rates, home=Destination("DE"), union=("FR",))
    cart = Cart("EUR", (line(), line("S", kind=GoodsKind.SERVICE)), address=Address(country="FR"))
    check = VatIdCheck("FR40303265045", "FR", True, "a register", START)
    goods, service = nodes(told(cart, PricingPolicy(tax), PricingFacts(vat_id=check)), "tax")
    assert goods.rule.startswith("goods to a business of another member state")
    assert service.rule.startswith("reverse charge")
    assert dict(service.inputs)["checked by"] == "a register"
    exempt = Cart("EUR", (line(),), shopper=Shopper(exempt="no. 7"))
    assert dict(node(told(exempt, taxed("19")), "tax").inputs)["certificate"] == "no. 7"
    voucher = Cart("EUR", (line(kind=GoodsKind.MULTI_PURPOSE_VOUCHER),))
    assert "no supply yet" in node(told(voucher, taxed("19")), "tax").rule
    assert node(told(Cart("EUR", (line(),)), taxed("0")), "tax").rule.startswith("zero-rated")


def test_tax_of_an_external_engine_names_the_engine() -> None:
    """What another engine worked out is told as it is, with its source, time and reference."""
    parts = (TaxPart("state", 60_000, 1_000, 60), TaxPart("city", 10_000, 1_000, 10))
    external = ExternalTax((ExternalRow("1", parts),), "Taxes Inc.", START, "T-77")
    policy = PricingPolicy(TaxPolicy(prices_include_tax=False))
    tree = told(Cart("EUR", (line(),)), policy, PricingFacts(tax=external))
    levy = node(tree, "tax")
    assert (levy.amount, levy.rule, levy.rounding) == (70, "as Taxes Inc. has it", "")
    assert dict(levy.inputs)["reference"] == "T-77"
    assert [part.amount for part in levy.parts] == [60, 10]


# --- The border and other currencies -----------------------------------------------------------


def _imported(terms: Terms) -> Explanation:
    duty = DutyRate("6109", pct("12"), "DE", date(2020, 1, 1), "a tariff", "CN")
    border = BorderPolicy("CN", terms=terms, tariff=Tariff((duty,)))
    tax = TaxPolicy((TaxRate(pct("19"), country="DE"),), prices_include_tax=False)
    cart = Cart(
        "EUR",
        (line("SHIRT", 2, "120.55", customs=Customs("610910", "CN", "shirt")),),
        shipping=ShippingCharge(eur("10.00")),
        address=Address(country="DE"),
    )
    return told(cart, PricingPolicy(tax, border=border))


def test_duty_says_what_it_stands_on() -> None:
    """Charges of the border name the line, its customs value and code, and the steps that led there."""
    tree = _imported(Terms.DDP)
    share = node(tree, "duty on line 1")
    assert share.amount == nodes(tree, "duty")[0].amount > 0
    assert dict(share.inputs)["HS code"] == "610910"
    assert dict(share.inputs)["customs value"] == "251.10"
    border = node(tree, "border")
    charged = [row.amount for row in tree.parts if row.figure in {"duty", "import-tax"}]
    assert border.amount == sum(charged)
    assert dict(border.inputs)["step 1"]
    assert border.rule.startswith("DDP, the seller pays and charges it on: ")
    assert nodes(tree, "tax")[0].rule.startswith("export")


def test_what_the_buyer_pays_on_arrival_is_an_estimate() -> None:
    """Delivered at place, the border's sums are told and not charged."""
    paid, owed = _imported(Terms.DDP), _imported(Terms.DAP)
    border = node(owed, "border")
    assert border.amount == node(paid, "border").amount
    assert owed.amount == paid.amount - border.amount
    assert all("estimate" in part.rule for part in border.parts)
    assert ChargeKind.DUTY.value not in {row.figure for row in owed.parts}


def test_settlement_tells_its_rate_and_still_adds_up() -> None:
    """The total is converted once; the rows are shares of it, each with what sharing moved (law L5)."""
    rate = ExchangeRate(
        "EUR", "USD", 11_744, 10_000, RatePurpose.SETTLEMENT, START, START.date(), "ECB", pct("1")
    )
    policy = PricingPolicy(exchange=ExchangePolicy(settlement="USD"))
    cart = Cart("EUR", tuple(line(price="0.99") for _ in range(3)))
    found = node(told(cart, policy, PricingFacts(rates=(rate,))), "settlement")
    assert (found.amount, found.currency) == (349, "USD")
    assert found.exact == Fraction(297 * 11_744, 10_000)
    assert [part.amount for part in found.parts] == [117, 116, 116]
    assert sum(part.remainder for part in found.parts) == 0
    inputs = dict(found.inputs)
    assert (inputs["source"], inputs["spread"], inputs["purpose"]) == ("ECB", "1 %", "settlement")


def test_a_host_s_own_shares_are_told_as_its_own() -> None:
    """A rule that gives 1.00 off one line and 0.07 off another is not told as shared by what remained."""
    rule = HostRule("ours", lambda _: {"2": 100, "3": 7})
    layers = (Layer("x", (Promotion("p", rule),)),)
    lines = tuple(
        CartLine(f"A{i}", 1, money(price, "EUR")) for i, price in enumerate(("90", "5", "30"))
    )
    told = explain(quote(Cart("EUR", lines), PricingPolicy(layers=layers), START)).text()
    assert "as the rule gives it" in told
    assert "by what remained of each line" not in told
