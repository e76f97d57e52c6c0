"""Cart documents: what a quote was made from, written and read again without loss."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidDocument, InvalidMoney, InvalidPolicy, OrdercoreError
from ordercore.money import Percent, from_minor
from ordercore.party import Address, Attribution, Party
from ordercore.policy import Policies
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    ChargeKind,
    Component,
    Coupon,
    CouponStatus,
    Customs,
    DepositKind,
    ExchangeRate,
    Fee,
    Funder,
    GoodsKind,
    HostRule,
    Layer,
    OrderKind,
    PercentOff,
    PersonalQuota,
    Presale,
    PricingFacts,
    PricingPolicy,
    Promotion,
    Quote,
    RatePurpose,
    RegimeId,
    ShippingCharge,
    Shopper,
    TaxPolicy,
    TaxRate,
    VatIdCheck,
    quote,
)
from ordercore.quotation import KEYS, CartDocument, parse_cart, write_cart
from ordercore.testing.strategies import (
    carts,
    currencies,
    full_carts,
    full_policies,
    percents,
    pricing_policies,
    quotes,
)

ROOT = Path(__file__).parents[1]
CARTS = sorted((ROOT / "examples" / "carts").glob("*.json"))
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/reference/cart.schema.json").read_text("utf-8"))
AT = datetime(2026, 5, 20, 12, tzinfo=UTC)


def quoted(document: CartDocument) -> Quote:
    """The quote of a document that says everything."""
    assert document.at is not None
    return quote(document.cart, document.policies().pricing, document.at, document.facts)


@pytest.mark.parametrize("path", CARTS, ids=lambda path: path.stem)
def test_l18_a_written_quote_gives_the_same_quote(path: Path) -> None:
    """What is written of an example's quote fits the schema and is priced to an equal quote."""
    found = quoted(parse_cart(path.read_text("utf-8")))
    text = write_cart(found)
    assert quoted(parse_cart(text)) == found
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(json.loads(text))) == []


@st.composite
def written(draw: st.DrawFn) -> Quote:
    """Quotes of full carts by full policies; what the host computes stands in no document."""
    code = draw(currencies())
    return draw(quotes(full_carts(code), full_policies(code, host_rules=False)))


@given(written() | quotes(carts(), pricing_policies()))
def test_l18_any_written_quote_gives_the_same_quote(found: Quote) -> None:
    """A quote's document is priced to an equal quote, promotions, border and currencies included."""
    assert quoted(parse_cart(write_cart(found))) == found


def test_l18_the_day_of_a_rate_is_the_same_again() -> None:
    """A quote of half past midnight in its zone is read back with that zone, so the same day's rate holds."""
    rates = (
        TaxRate(Percent(100_000), last_day=date(2026, 6, 30)),
        TaxRate(Percent(200_000), first_day=date(2026, 7, 1)),
    )
    at = datetime(2026, 7, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    found = quote(ONE, PricingPolicy(TaxPolicy(rates)), at)
    assert quoted(parse_cart(write_cart(found))) == found


# Any cart and any facts ----------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
BARE = st.none() | st.booleans()
MONEYS = st.builds(from_minor, st.integers(0, 10**9), st.sampled_from(["CNY", "EUR", "KWD"]))
FUNDERS = st.sampled_from(Funder)
DISCOUNTS = st.builds(PercentOff, percents(), TEXTS, st.none() | MONEYS, FUNDERS)
DISCOUNTS |= st.builds(AmountOff, MONEYS, TEXTS, FUNDERS)
OFFS = st.lists(DISCOUNTS, max_size=2).map(tuple)
CUSTOMS = st.none() | st.builds(Customs, TEXTS, TEXTS, TEXTS, st.booleans())
NUMBERS = st.integers(1, 10**6)
EXTRAS = st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS | st.lists(TEXTS), max_size=2)
COMPONENTS = st.builds(
    Component, TEXTS, NUMBERS, MONEYS, TEXTS, TEXTS, TEXTS, TEXTS, st.integers(0, 9), CUSTOMS
)
CART_LINES = st.builds(
    CartLine,
    TEXTS,
    NUMBERS,
    MONEYS,
    TEXTS,
    TEXTS,
    OFFS,
    TEXTS,
    BARE,
    TEXTS,
    st.integers(0, 9),
    TEXTS,
    st.none() | MONEYS,
    st.dictionaries(TEXTS, TEXTS, max_size=2),
    EXTRAS,
    TEXTS,
    st.sampled_from(GoodsKind),
    CUSTOMS,
    st.lists(COMPONENTS, max_size=2).map(tuple),
    st.none() | MONEYS,
    st.integers(0, 9),
    TEXTS,
)
FEES = st.builds(Fee, TEXTS, MONEYS, TEXTS, st.sampled_from(ChargeKind), TEXTS, BARE)
WORDS = st.lists(TEXTS, max_size=2).map(tuple)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ANY_CART = st.builds(
    Cart,
    st.sampled_from(["CNY", "EUR"]),
    st.lists(CART_LINES, max_size=2).map(tuple),
    OFFS,
    st.none() | st.builds(ShippingCharge, MONEYS, TEXTS, TEXTS, BARE),
    st.sampled_from(OrderKind),
    TEXTS,
    st.builds(Party, *[TEXTS] * 5),
    st.builds(Address, TEXTS, WORDS, *[TEXTS] * 5),
    EXTRAS,
    WORDS,
    st.builds(Shopper, WORDS, TEXTS, st.booleans(), TEXTS),
    st.lists(FEES, max_size=2).map(tuple),
    st.builds(Attribution, *[TEXTS] * 3),
    st.none()
    | st.builds(
        Presale, MONEYS, MOMENTS, MOMENTS, st.sampled_from(DepositKind), st.none() | MONEYS
    ),
)
FACTS = st.builds(
    PricingFacts,
    st.lists(
        st.builds(
            Coupon,
            TEXTS,
            TEXTS,
            st.sampled_from(CouponStatus),
            st.booleans(),
            TEXTS,
            st.none() | MOMENTS,
            st.none() | MOMENTS,
            NUMBERS,
            NUMBERS,
        ),
        max_size=2,
    ).map(tuple),
    st.lists(
        st.builds(
            ExchangeRate,
            st.just("EUR"),
            st.just("CNY"),
            NUMBERS,
            NUMBERS,
            st.sampled_from(RatePurpose),
            MOMENTS,
            st.dates(date(2000, 1, 1)),
            TEXTS,
            percents(),
        ),
        max_size=2,
    ).map(tuple),
    st.none() | st.builds(VatIdCheck, TEXTS, TEXTS, st.booleans(), TEXTS, MOMENTS),
    st.none(),
    st.none() | st.builds(PersonalQuota, st.sampled_from(RegimeId), TEXTS, NUMBERS, NUMBERS),
)
ONE = Cart("EUR", (CartLine("TEA", 1, from_minor(999, "EUR")),))


def made_from(
    cart: Cart = ONE,
    policy: PricingPolicy | None = None,
    at: datetime = AT,
    facts: PricingFacts | None = None,
) -> Quote:
    """A quote that says it was made from these, whatever its figures: for the writer alone."""
    plain = quote(ONE, PricingPolicy(), AT)
    fields: type[Any] = Quote
    held = {field.name: getattr(plain, field.name) for field in attrs.fields(fields)}
    held |= {"cart": cart, "policy": policy or PricingPolicy(), "at": at}
    return Quote(**held | {"facts": facts or PricingFacts()})


@given(ANY_CART, FACTS, MOMENTS, pricing_policies())
def test_l23_a_cart_document_round_trips(
    cart: Cart, facts: PricingFacts, at: datetime, policy: PricingPolicy
) -> None:
    """Every field of cart, facts, moment and policy is written, and read back equal."""
    found = parse_cart(write_cart(made_from(cart, policy, at, facts)))
    assert found.cart == cart
    assert found.facts == facts
    assert found.at == at
    assert found.policies().pricing == policy


def test_what_is_as_by_default_is_not_written() -> None:
    """The document of a plain quote is short: what the cart leaves out, it leaves out."""
    plain = json.loads(write_cart(made_from()))
    assert list(plain) == ["currency", "lines", "at", "pricing"]
    assert plain["lines"] == [{"sku": "TEA", "quantity": 1, "unit_price": "9.99"}]


def test_a_quote_by_code_of_the_host_is_not_written() -> None:
    """A promotion that is code stands in no document, so its quote is refused by the rule's name."""
    mine = Promotion("p", HostRule("mine", lambda basket: {}))
    with pytest.raises(InvalidPolicy) as caught:
        write_cart(made_from(policy=PricingPolicy(layers=(Layer("x", (mine,)),))))
    assert caught.value.data["rule"] == "mine"


# Policies and documents ----------------------------------------------------------------------


def test_a_key_of_the_document_stands_before_the_same_key_of_a_file() -> None:
    """Keys that the document leaves out stay as the file has them."""
    document = parse_cart('{"currency": "EUR", "lines": [], "pricing": {"quote_valid": "5 min"}}')
    given_by_file = Policies.parse(
        '[pricing]\nquote_valid = "9 min"\n[pricing.tax]\ndefault = "7"\n[stock]\nreserve_slack = "2 days"'
    )
    found = document.policies(given_by_file)
    assert found.pricing.quote_valid == timedelta(minutes=5)
    assert found.pricing.tax.default == Percent(70_000)
    assert found.stock == given_by_file.stock


def test_a_document_without_pricing_is_priced_by_what_is_given() -> None:
    """Without a key of its own the document changes nothing, and code of the host may stand there."""
    document = parse_cart('{"currency": "EUR", "lines": []}')
    mine = Promotion("p", HostRule("mine", lambda basket: {}))
    hosted = Policies(pricing=PricingPolicy(layers=(Layer("x", (mine,)),)))
    assert document.policies(hosted) is hosted
    assert document.policies() == Policies()
    priced = parse_cart('{"currency": "EUR", "lines": [], "pricing": {"quote_valid": "5 min"}}')
    assert priced.policies(hosted).pricing.layers == hosted.pricing.layers


def cart(**more: Any) -> str:
    """A cart document of one line, which ``more`` changes, or its line where ``line`` says so."""
    line = {"sku": "TEA", "quantity": 3, "unit_price": "9.99", **more.pop("line", {})}
    return json.dumps({"currency": "EUR", "lines": [line], **more})


PART = {"sku": "CUP", "quantity": 1, "list_price": "4.00"}


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        (cart(line={"brand": 7}), "lines[0].brand", "text"),
        (cart(line={"kind": "good"}), "lines[0].kind", "known: goods, service"),
        (cart(line={"points": "7"}), "lines[0].points", "whole number"),
        (cart(line={"floor_price": 7}), "lines[0].floor_price", '"7"'),
        (cart(line={"floor_price": "7 EURO"}), "lines[0].floor_price", "'EURO'"),
        (cart(line={"unit_price": "9.99  USD"}), "lines[0].unit_price", "' USD'"),
        (cart(line={"unit_price": "9.999 USD"}), "lines[0].unit_price", "decimals"),
        (cart(line={"customs": "CN"}), "lines[0].customs", "an object"),
        (cart(line={"customs": {"hscode": "61"}}), "lines[0].customs.hscode", "did you mean 'hs_code'"),
        (cart(line={"customs": {"excise": "no"}}), "lines[0].customs.excise", "true or false"),
        (cart(line={"customs": {"origin": 1}}), "lines[0].customs.origin", "text"),
        (cart(line={"components": PART}), "lines[0].components", "a list"),
        (cart(line={"components": [{}]}), "lines[0].components[0].sku", "missing"),
        (cart(line={"components": [{**PART, "list_price": 4}]}), "lines[0].components[0].list_price", '"4"'),
        (cart(line={"discounts": [{"amount": "1", "funder": "me"}]}), "lines[0].discounts[0].funder", "merchant"),
        (cart(fees=[{"id": "wrap"}]), "fees[0].amount", "missing"),
        (cart(fees=[{"id": "wrap", "amount": "1", "kind": "gift"}]), "fees[0].kind", "insurance"),
        (cart(codes="FIFTY"), "codes", "a list"),
        (cart(attribution={"source": "x"}), "attribution.source", "known: site, channel"),
        (cart(attribution={"site": 7}), "attribution.site", "text"),
        (cart(codes=[50]), "codes[0]", "text"),
        (cart(shopper={"first_order": "yes"}), "shopper.first_order", "true or false"),
        (cart(shopper={"groups": "staff"}), "shopper.groups", "a list"),
        (cart(facts=[]), "facts", "an object"),
        (cart(facts={"coupon": []}), "facts.coupon", "no field"),
        (cart(facts={"coupons": [{"code": "A"}]}), "facts.coupons[0].promotion", "missing"),
        (cart(facts={"quota": {"regime": "eu"}}), "facts.quota.regime", "eu_ioss"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_refused_with_its_path(text: str, path: str, words: str) -> None:
    """The refusal says where in the document, and what is needed there."""
    with pytest.raises((InvalidDocument, InvalidMoney, OrdercoreError)) as caught:
        parse_cart(text)
    assert caught.value.path == path
    assert words in caught.value.reason


@pytest.mark.parametrize("kind", KEYS)
def test_every_key_of_a_document_is_a_field(kind: str) -> None:
    """The reader's keys are the fields of the values that it makes, so that none is forgotten."""
    of: dict[str, Any] = {
        "cart": Cart, "line": CartLine, "component": Component, "customs": Customs,
        "shipping": ShippingCharge, "fee": Fee, "customer": Party, "shopper": Shopper,
        "address": Address, "attribution": Attribution, "presale": Presale,
    }  # fmt: skip
    beside = {"cart": {"$schema", "at", "pricing", "facts"}}.get(kind, set())
    if kind == "discount":
        fields = {field.name for cls in (PercentOff, AmountOff) for field in attrs.fields(cls)}
    else:
        fields = {field.name for field in attrs.fields(of[kind])}
    assert set(KEYS[kind]) == fields | beside


def test_an_amount_may_name_another_currency() -> None:
    """A price of a catalog in another currency says so; one without is in the cart's."""
    found = parse_cart(cart(line={"unit_price": "9.99 USD", "floor_price": "1"})).cart.lines[0]
    assert found.unit_price == from_minor(999, "USD")
    assert found.floor_price == from_minor(100, "EUR")


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("9.99 USD"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted({k for v in KEYS.values() for k in v})), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from([*KEYS["cart"], *KEYS["line"]]), TREES)
def test_whatever_stands_at_a_key_the_errors_are_ours(key: str, tree: Any) -> None:
    """Any JSON in place of a right value is read, or refused by an error of the tree."""
    whole = json.loads(cart())
    (whole if key in KEYS["cart"] else whole["lines"][0])[key] = tree
    try:
        told = write_cart(made_from(parse_cart(json.dumps(whole)).cart))
    except OrdercoreError as error:
        told = error.reason
    assert told
