"""The laws of prices, over quotes of whatever a cart, a policy and the facts may have."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.allocation import RemainderRule
from ordercore.codec import from_plain, to_plain
from ordercore.errors import InvalidCart, InvalidInput, InvalidPolicy, OrdercoreError
from ordercore.money import Percent, money
from ordercore.party import Address
from ordercore.pricing import (
    BORDER_CHARGES,
    NO_FACTS,
    AmountOff,
    Cart,
    CartLine,
    Component,
    DiscountLevel,
    ExchangeRate,
    HostRule,
    Layer,
    PercentOff,
    PricingFacts,
    PricingPolicy,
    Promotion,
    Quote,
    RatePurpose,
    Scope,
    TaxPolicy,
    TaxRate,
    explain,
    quote,
)
from ordercore.pricing.checking import check_types
from ordercore.quotation import parse_cart, write_cart
from ordercore.testing import (
    START,
    full_carts,
    full_policies,
    laws,
    pricing_facts,
    quotes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DataObject, DrawFn
    from moneyed import Money

# The first of July 2026 changes what the EU asks of small consignments.
QUOTES = quotes() | quotes(at=START + timedelta(days=60))


def eur(text: str) -> Money:
    """Euros."""
    return money(text, "EUR")


# --- The laws --------------------------------------------------------------------------------


@given(QUOTES)
def test_l1_shares_sum(priced: Quote) -> None:
    """Discounts on several lines, duties and taxes of several components are the sum of their shares."""
    lines = len(priced.lines)
    for off in priced.discounts:
        if off.line or off.level is DiscountLevel.SHIPPING:
            assert off.shares == ()
        else:
            assert len(off.shares) == lines
            laws.shares_sum(off.amount, off.shares)
    for charge in priced.charges:
        if charge.kind in BORDER_CHARGES:
            assert len(charge.shares) == lines
            laws.shares_sum(charge.amount, charge.shares)
    for row in priced.rows():
        if row.parts:
            laws.shares_sum(row.tax, [part.tax for part in row.parts])


@given(QUOTES)
def test_l2_shares_keep_their_quota(priced: Quote) -> None:
    """Where no floor binds, each share of a discount is less than one minor unit off its exact one."""
    laws.discounts_are_spread(priced)


@given(QUOTES)
def test_l3_quote_reconciles(priced: Quote) -> None:
    """Lines, charges, discounts, taxes by component and duties add up to what is charged."""
    laws.quote_reconciles(priced)


@given(QUOTES)
def test_l3_no_line_is_below_its_floor(priced: Quote) -> None:
    """What is left of a line is its floor at least, and points of its price are left for points."""
    cart, worth = priced.cart, priced.policy.points_worth
    bought = [one for line in cart.lines for one in line.components or (line,)]
    for line, one in zip(priced.lines, bought, strict=True):
        left = line.list_amount - line.discount - line.order_discount
        assert left >= 0
        if isinstance(one, CartLine) and one.points and worth is not None:
            assert left * worth.points >= one.points * one.quantity * worth.minor


@given(QUOTES)
def test_l4_units_rebuild_lines(priced: Quote) -> None:
    """The units of a line add up to it in every figure, one by one or in runs."""
    laws.units_rebuild_lines(priced)


@given(QUOTES)
def test_l5_conversions_add_up(priced: Quote) -> None:
    """Every conversion names its rate, its purpose and its rounding, and its rows add up to the rounded whole."""
    exchange = priced.policy.exchange
    for found, code in ((priced.settlement, exchange.settlement), (priced.ledger, exchange.ledger)):
        wanted = code not in {"", priced.currency}
        assert (found is not None) is wanted
        if found is not None:
            laws.conversion_adds_up(found, priced.total)
            assert (found.rate.base, found.rate.quote) == (priced.currency, code)
            assert found.rate in priced.facts.rates
            assert found.rounding is exchange.rounding


@given(QUOTES)
def test_l18_a_quote_is_priced_again(priced: Quote) -> None:
    """The cart, policy, moment and facts on a quote give the same quote again."""
    laws.priced_again(priced)


@given(QUOTES)
def test_l18_what_a_quote_was_made_from_survives_being_stored(priced: Quote) -> None:
    """The cart and facts, written as plain data and read again, give the same quote."""
    cart = from_plain(Cart, to_plain(priced.cart))
    facts = from_plain(PricingFacts, to_plain(priced.facts))
    again = quote(cart, priced.policy, priced.at, facts)
    assert again == priced


@st.composite
def written(draw: DrawFn) -> Quote:
    """Quotes by policies that stand in documents, which a host's own rule does not."""
    cart = draw(full_carts(points=True))
    policy = draw(full_policies(cart.currency, host_rules=False))
    return quote(cart, policy, START, draw(pricing_facts(cart, policy)))


@given(written())
def test_l18_the_document_of_a_quote_gives_it_again(priced: Quote) -> None:
    """A quote written as a document is read and priced again to the cent, with the same explanation."""
    found = parse_cart(write_cart(priced))
    assert found.at is not None
    again = quote(found.cart, found.policies().pricing, found.at, found.facts)
    assert again.same_figures(priced)
    assert (again.lines, again.charges) == (priced.lines, priced.charges)
    assert explain(again) == explain(priced)


@given(QUOTES)
def test_all_laws_of_a_quote_in_one_call(priced: Quote) -> None:
    """What a host calls for a rule of its own holds for the library's own."""
    laws.pricing_holds(priced)


# --- L24: bad input --------------------------------------------------------------------------

WRONG: tuple[Any, ...] = (
    None, "", "x", 1.5, -1, 0, True, 10**20, (), (None,), [], [[]], {}, b"x", object(),
    float("nan"),
)  # fmt: skip
"""What an untyped host, a form or a broken port may send in place of a value."""


def places(whole: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every field of a value, and to every field of what it is made of."""
    parts: list[tuple[str | int, Any]] = []
    if attrs.has(type(whole)):
        fields = attrs.fields(type(whole))
        parts = [(field.name, getattr(whole, field.name)) for field in fields if field.init]
    elif isinstance(whole, tuple):
        parts = list(enumerate(whole))
    for name, part in parts:
        yield (*path, name)
        yield from places(part, (*path, name))


def bent(whole: Any, path: tuple[str | int, ...], wrong: Any) -> Any:
    """The same value with ``wrong`` at one place."""
    if not path:
        return wrong
    first, rest = path[0], path[1:]
    if isinstance(first, str):
        return attrs.evolve(whole, **{first: bent(getattr(whole, first), rest, wrong)})
    return tuple(bent(part, rest, wrong) if i == first else part for i, part in enumerate(whole))


def asked(whole: Any, cart: Cart, policy: PricingPolicy, facts: PricingFacts) -> None:
    """Price with one of the three replaced; an error of the library names a path and a reason."""
    if isinstance(whole, Cart):
        cart = whole
    elif isinstance(whole, PricingFacts):
        facts = whole
    else:
        policy = whole
    found: OrdercoreError | None = None
    try:
        quote(cart, policy, START, facts)
    except OrdercoreError as error:
        found = error
    assert found is None or (found.path and found.reason)


def bend_one(data: DataObject, whole: Any, below: tuple[str, ...] = ()) -> Any:
    """Bend one place of ``whole``, of what stands in ``below`` if that is given."""
    found = [path for path in places(whole) if not below or path[0] in below]
    return bent(whole, data.draw(st.sampled_from(found)), data.draw(st.sampled_from(WRONG)))


@given(quotes(), st.data())
def test_l24_a_bent_cart_names_its_place(priced: Quote, data: DataObject) -> None:
    """Whatever stands in a field of a cart, the error is of the library's tree and names a path."""
    asked(bend_one(data, priced.cart), priced.cart, priced.policy, priced.facts)


@given(quotes(), st.data())
def test_l24_a_bent_promotion_names_its_place(priced: Quote, data: DataObject) -> None:
    """Whatever stands in a field of a promotion, the error is of the library's tree and names a path."""
    wrong = bend_one(data, priced.policy, ("layers",))
    asked(wrong, priced.cart, priced.policy, priced.facts)


@given(quotes(), st.data())
def test_l24_a_bent_fact_names_its_place(priced: Quote, data: DataObject) -> None:
    """Whatever a port answered, the error is of the library's tree and names a path."""
    asked(bend_one(data, priced.facts), priced.cart, priced.policy, priced.facts)


WRONG_PLACES: tuple[tuple[str, Any, str], ...] = (
    ("cart", Cart("EUR", (CartLine("A", 1, eur("1.00"), attributes=7),)), "cart.lines[0].attributes"),  # type: ignore[arg-type]
    ("cart", Cart("EUR", (CartLine("A", 1, eur("1.00"), id=["x"]),)), "cart.lines[0].id"),  # type: ignore[arg-type]
    ("cart", Cart("EUR", (CartLine("A", 1, eur("1.00"), tax_category={}),)), "cart.lines[0].tax_category"),  # type: ignore[arg-type]
    ("cart", Cart("EUR", (CartLine("A", 1, eur("1.00")),), (PercentOff("10"),)), "cart.discounts[0].percent"),  # type: ignore[arg-type]
    ("cart", Cart("EUR", (CartLine("A", 1, eur("1.00")),), address=Address(region=[])), "cart.address.region"),  # type: ignore[arg-type]
    ("policy", PricingPolicy(layers=(Layer("a", None),)), "policy.layers[0].promotions"),  # type: ignore[arg-type]
    ("policy", PricingPolicy(layers=(7,)), "policy.layers[0]"),  # type: ignore[arg-type]
    ("facts", PricingFacts(rates=7), "facts.rates"),  # type: ignore[arg-type]
    ("facts", PricingFacts(rates=(ExchangeRate("EUR", "USD", 1, 1, RatePurpose.TAX, START, True, "x"),)), "facts.rates[0].published"),  # type: ignore[arg-type]
    ("facts", PricingFacts(tax="VAT"), "facts.tax"),  # type: ignore[arg-type]
    ("facts", PricingFacts(vat_id=1.5), "facts.vat_id"),  # type: ignore[arg-type]
)  # fmt: skip


@pytest.mark.parametrize(("place", "wrong", "path"), WRONG_PLACES)
def test_l24_a_field_of_another_type_is_told_by_its_path(place: str, wrong: Any, path: str) -> None:
    """What an untyped host puts into a field that pricing trusts is told where it stands."""
    given: dict[str, Any] = {
        "cart": Cart("EUR", (CartLine("A", 1, eur("1.00")),)),
        "policy": PricingPolicy(TaxPolicy((TaxRate(Percent.of("19")),))),
        "facts": NO_FACTS,
    }
    given[place] = wrong
    with pytest.raises(InvalidInput) as caught:
        quote(given["cart"], given["policy"], START, given["facts"])
    assert caught.value.path == path


@given(QUOTES)
def test_l24_what_is_sound_has_no_field_of_another_type(priced: Quote) -> None:
    """The look for fields of wrong types finds none where all are right."""
    check_types(priced.cart, priced.policy, priced.facts)


# --- Found by the properties above -----------------------------------------------------------

FREE, CENTS = CartLine("A", 1, eur("0.00")), CartLine("B", 1, eur("0.02"))


@pytest.mark.parametrize("rule", RemainderRule)
def test_l3_no_rule_lowers_a_line_that_has_nothing_left(rule: RemainderRule) -> None:
    """0.03 off a free line, two of 0.02 and a free line: none goes below nothing, whoever gets the odd cents."""
    off = (AmountOff(eur("0.03")), AmountOff(eur("0.01")))
    cart = Cart("EUR", (FREE, CENTS, CENTS, FREE), off)
    laws.pricing_holds(quote(cart, PricingPolicy(discount_remainder=rule), START))


def test_l3_a_free_bundle_bears_its_freight() -> None:
    """A bundle of nothing but gifts is charged the freight that it causes."""
    gifts = (Component("A", 1, eur("0.00")), Component("B", 2, eur("0.00")))
    line = CartLine("SET", 1, eur("0.00"), domestic_freight=eur("1.00"), components=gifts)
    priced = quote(Cart("EUR", (line,)), PricingPolicy(), START)
    laws.pricing_holds(priced)
    assert priced.total == 100


# --- A host's own rule -----------------------------------------------------------------------


def to_the_whole(basket: Any) -> dict[str, int]:
    """Take what is beyond a whole unit of money off each line that is no voucher."""
    return {line.id: line.room % 100 for line in basket.matching(Scope())}


def by(rule: Any) -> PricingPolicy:
    """A policy of one promotion of the host's own."""
    return PricingPolicy(layers=(Layer("ours", (Promotion("ours", HostRule("ours", rule)),)),))


@given(quotes(by=st.just(by(to_the_whole))))
def test_l3_a_host_rule_is_held_to_the_laws(priced: Quote) -> None:
    """A promotion of the host's own keeps every law of a quote over carts of every kind."""
    laws.pricing_holds(priced)


def test_l24_a_host_rule_that_oversteps_is_refused() -> None:
    """One that takes more than the price, a part of a cent, or off another line is told, with its promotion."""
    cart = Cart("EUR", (CENTS,))
    for wrong in ({"1": 3}, {"1": 0.5}, {"1": -1}, {"2": 1}, None, 7):
        with pytest.raises(InvalidPolicy) as caught:
            quote(cart, by(lambda _, wrong=wrong: wrong), START, NO_FACTS)
        assert "ours" in caught.value.path


def test_l24_a_cart_that_is_none_is_refused() -> None:
    """Something else in place of a cart is told as that."""
    with pytest.raises(InvalidCart):
        quote(None, PricingPolicy(), START)  # type: ignore[arg-type]
