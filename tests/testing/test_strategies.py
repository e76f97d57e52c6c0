"""The strategies give what could have happened, and reach where it hurts."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from ordercore.errors import NotAllowed
from ordercore.money import EXPONENTS, MINOR_MAX, Money, Rounding, to_minor
from ordercore.order import AnswerAttempts, Order, Ship
from ordercore.order.events import EVENTS
from ordercore.pricing import (
    BORDER_CHARGES,
    Benefit,
    Cart,
    ChargeKind,
    Coupon,
    ExchangeRate,
    GoodsKind,
    Layer,
    PricingPolicy,
    Promotion,
    Quote,
    RatePurpose,
    RefusalReason,
    RoundingScope,
    TaxPolicy,
    TaxTreatment,
    Terms,
    quote,
)
from ordercore.pricing.border import BorderPolicy, check_border
from ordercore.pricing.exchange import ExchangePolicy, check_rate
from ordercore.pricing.layering import check_layers
from ordercore.tender import AttemptState, Outcome, OutcomeStatus
from ordercore.tender.tenders import Channel
from ordercore.testing import (
    START,
    Story,
    amounts,
    border_policies,
    carts,
    coupons,
    currencies,
    exchange_rates,
    full_carts,
    full_policies,
    layers,
    manifests_of,
    moneys,
    offers,
    order_a,
    order_content,
    orders,
    percents,
    pricing_facts,
    pricing_policies,
    promotions,
    quotes,
    stories,
    tax_policies,
    tender_plans,
)
from ordercore.testing.story import lifecycles

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DataObject

    from ordercore.lifecycle import Lifecycle

LONG = settings.default.max_examples >= 1_000
"""Whether this is a long run, which seeks the rarest as well."""
SEEK = settings(
    max_examples=20_000 if LONG else 3_000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@given(st.sampled_from([0, 2, 3, 4]), st.data())
def test_currencies_have_the_decimals_that_were_asked_for(decimals: int, data: DataObject) -> None:
    """Currencies of 0, 2, 3 and 4 decimals can be drawn on their own."""
    assert EXPONENTS[data.draw(currencies(decimals))] == decimals


@given(st.integers(-MINOR_MAX, MINOR_MAX), st.integers(-MINOR_MAX, MINOR_MAX), st.data())
def test_amounts_keep_their_bounds(one: int, other: int, data: DataObject) -> None:
    """Amounts are within the bounds that were asked for, wherever these are."""
    least, most = sorted((one, other))
    assert least <= data.draw(amounts(least, most)) <= most


@given(moneys("KWD", 5, 900))
def test_money_is_of_its_currency_and_bounds(amount: Money) -> None:
    """Bounds are minor units of the currency."""
    assert 5 <= to_minor(amount, "KWD") <= 900


@given(st.integers(0, 100), st.data())
def test_percentages_keep_their_bound(most: int, data: DataObject) -> None:
    """No percentage is above what was asked for."""
    assert 0 <= data.draw(percents(most)).ppm <= most * 10_000


@given(quotes(), st.data())
def test_plans_pay_what_is_due(due: Any, data: DataObject) -> None:
    """A plan is for the very rows and total of what it pays."""
    found = data.draw(tender_plans(due))
    assert found.rows == tuple((row.id, row.total) for row in due.rows())
    assert data.draw(offers(due)).plan(due).total == due.total


@given(orders(max_steps=8), st.data())
def test_manifests_are_of_the_order(order: Order, data: DataObject) -> None:
    """A manifest has at least one unit, and none that the order did not buy."""
    bought = {line.id: line.quantity for line in order.lines}
    goods = data.draw(manifests_of(order))
    assert goods
    assert all(0 < units <= bought[name] for name, units in goods)


def missing(
    strategy: st.SearchStrategy[Any], told: Callable[[Any], set[str]], wanted: set[str]
) -> set[str]:
    """What of ``wanted`` never came up; it stops as soon as all has."""
    seen: set[str] = set()

    def complete(found: Any) -> bool:
        seen.update(told(found))
        return wanted <= seen

    with suppress(NoSuchExample):
        find(strategy, complete, settings=SEEK)
    return wanted - seen


def told_of(story: Story) -> set[str]:
    """Whatever a story has seen on its way: states, events, states of attempts, and what is hard."""
    found = {event.name for event in story.events}
    for made in story.changes:
        order = made.order
        payments = order.payments
        found |= {order.state} | {attempt.state.name for attempt in payments.attempts}
        found |= {name for name, holds in HARD_ORDERS.items() if holds(order)}
    return found


HARD_ORDERS: dict[str, Callable[[Order], bool]] = {
    "three payments": lambda o: o.payments.round > 2,
    "three tenders": lambda o: o.payments.plan is not None and len(o.payments.plan.tenders) > 2,
    "two refunds": lambda o: len(o.payments.refunds) > 1,
    "a part shipped": lambda o: bool(o.delivery.shipments and o.shippable()),
    "a refund after completion": lambda o: any(r.recognized for r in o.payments.refunds),
    "an order that closes": lambda o: o.closing is not None,
    "a difference that is due": lambda o: bool(o.due and o.payments.captured > o.payments.refunded),
    "money carried into a payment": lambda o: bool(o.payments.carried),
    "a refund from before an amendment": lambda o: o.payments.settled > 0,
    "money owed on an order that is over": lambda o: bool(o.handling.released and o.owed),
    "closed for good": lambda o: o.handling.sealed,
}
BENEFITS = get_args(Benefit)


def charged(priced: Quote, kind: ChargeKind) -> bool:
    """Whether a charge of this kind is on the quote."""
    return any(charge.kind is kind for charge in priced.charges)


def sold(priced: Quote, kind: GoodsKind) -> bool:
    """Whether goods of this kind are."""
    return any(line.kind is kind for line in priced.cart.lines)


def gives(priced: Quote, benefit: type) -> bool:
    """Whether a promotion of this kind takes something off."""
    given = {off.promotion for off in priced.discounts if off.amount}
    promotions = [one for layer in priced.policy.layers for one in layer.promotions]
    return any(one.id in given and type(one.benefit) is benefit for one in promotions)


def floor_binds(priced: Quote) -> bool:
    """Whether a line that was lowered is down at its floor, and not at nothing."""
    for line, wanted in zip(priced.lines, priced.cart.lines, strict=False):
        off = line.discount + line.order_discount
        floor = wanted.floor_price
        if wanted.components or floor is None or floor.currency.code != priced.currency:
            continue
        if off and 0 < line.list_amount - off == to_minor(floor) * line.quantity:
            return True
    return False


HARD_QUOTES: dict[str, Callable[[Quote], bool]] = {
    "a cart that costs nothing": lambda q: q.total == 0,
    "no decimals": lambda q: EXPONENTS[q.currency] == 0,
    "three decimals": lambda q: EXPONENTS[q.currency] == 3,
    "modes mixed": lambda q: len({row.tax_included for row in q.rows()}) > 1,
    "two rates": lambda q: len(q.taxes) > 1,
    "a capped discount": lambda q: any(off.amount < off.asked for off in q.discounts),
    "a bundle": lambda q: any(line.bundle for line in q.lines),
    "a fee": lambda q: any(charge.kind is ChargeKind.FEE for charge in q.charges),
    "insurance": lambda q: any(charge.kind is ChargeKind.INSURANCE for charge in q.charges),
    "points in a price": lambda q: q.points > 0,
    "a floor that binds": floor_binds,
    "a third party repays": lambda q: any(line.funded for line in q.lines),
    "a third party repays shipping": lambda q: any(charge.funded for charge in q.charges),
    "a code that works": lambda q: any(off.code for off in q.discounts),
    "two taxes on one row": lambda q: any(len(row.parts) > 1 for row in q.rows()),
    "a tax on a tax": lambda q: any(part.compound for row in q.rows() for part in row.parts),
    "an engine's tax": lambda q: q.facts.tax is not None,
    "a foreign price": lambda q: any(r.purpose is RatePurpose.DISPLAY for r in q.facts.rates),
    "a net price that is not paid": lambda q: any(row.net < 0 for row in q.rows()),
    "a border on other terms": lambda q: q.border is not None and q.border.terms is Terms.DAP,
    "tax at the sale": lambda q: q.border is not None and bool(q.border.registration),
    "settled": lambda q: q.settlement is not None,
    "in the ledger": lambda q: q.ledger is not None,
    **{kind.name: (lambda q, kind=kind: charged(q, kind)) for kind in BORDER_CHARGES},
    **{kind.name: (lambda q, kind=kind: sold(q, kind)) for kind in GoodsKind},
    **{
        why.name: (lambda q, why=why: why in {row.treatment for row in q.rows()})
        for why in TaxTreatment
    },
    **{
        why.name: (lambda q, why=why: why in {code.reason for code in q.refused})
        for why in RefusalReason
    },
    **{scope.name: (lambda q, scope=scope: q.scope is scope) for scope in RoundingScope},
    **{mode.name: (lambda q, mode=mode: q.rounding is mode) for mode in Rounding},
    **{benefit.__name__: (lambda q, benefit=benefit: gives(q, benefit)) for benefit in BENEFITS},
}
"""What quotes must reach; each is met by some quote of a few thousand."""
RARE_QUOTES = {
    "a net price that is not paid", "BELOW_THRESHOLD", "CONSUMPTION_TAX", "EXPIRED",
    "INTRA_COMMUNITY", "NOTHING_LEFT", "REVERSE_CHARGE", "ShippingOff", "ShippingTo",
    "SpecialPrice",
}  # fmt: skip
"""What less than one quote in eighty has: it is sought in the long runs, the others in all."""


NO_STORY = {
    name
    for name in EVENTS
    if name.startswith(("compensation.", "delivery.co", "parcel."))
} | {
    "order.combined", "order.merged_into", "order.rejoined", "order.restored", "order.split_off",
    "order.split_up", "order.unmerged", "payment.authorization_ending", "payment.brought_in",
    "payment.charged_back", "payment.fee_charged", "payment.forfeited", "payment.funds_shared",
    "payment.held_late", "payment.remitted", "payment.rerouted", "payment.resolved",
    "payment.taken_out", "refund.rerouted", "refund.sent",
}  # fmt: skip
"""What no story tells, as it takes several orders, carriers, settlements or staff of a channel: the machines do."""
OVER = {"money owed on an order that is over", "closed for good"}
REACHED: dict[tuple[str, int], set[str]] = {
    ("standard", 1): set(),
    ("standard", 2): set(HARD_ORDERS) - OVER | {state.name for state in AttemptState},
    ("purchasing_agent", 1): set(EVENTS) - NO_STORY - {"order.reviewed", "delivery.withdrawn"}
    | OVER,
    ("review_first", 1): {"order.reviewed", "delivery.withdrawn"},
}
"""What stories of each lifecycle must reach beside its states; together it is everything."""
RARE = {"purchasing_agent"}
"""Whose rarest events take a minute to meet: they are sought in the long runs, the states in all."""


@pytest.mark.parametrize("lifecycle", lifecycles(), ids=lambda c: f"{c.name}-{c.version}")
def test_stories_reach_everything(lifecycle: Lifecycle[Order]) -> None:
    """Every state, every event, every state of an attempt and every hard case is met by some story."""
    told = set(EVENTS) - NO_STORY
    all_of_it = told | set(HARD_ORDERS) | {state.name for state in AttemptState}
    assert set().union(*REACHED.values()) == all_of_it
    wanted = {s.id for s in lifecycle.states}
    if lifecycle.name not in RARE or LONG:
        wanted |= REACHED[lifecycle.name, lifecycle.version]
    small = quotes(carts(max_lines=3, max_units=6, max_price=20_000))
    assert missing(stories(small, by=(lifecycle,)), told_of, wanted) == set()


def test_quotes_reach_what_is_hard() -> None:
    """Every scope and rounding, no decimals and three, mixed modes, free carts are met by some quote."""

    def told(priced: Quote) -> set[str]:
        return {name for name, holds in HARD_QUOTES.items() if holds(priced)}

    assert set(HARD_QUOTES) >= RARE_QUOTES
    wanted = set(HARD_QUOTES) if LONG else set(HARD_QUOTES) - RARE_QUOTES
    assert missing(quotes(), told, wanted) == set()


@given(pricing_policies(), carts())
def test_policies_price_any_cart(policy: PricingPolicy, wanted: Cart) -> None:
    """Whatever is drawn can be priced, and the policy passes its own check."""
    policy.tax.check()
    assert quote(wanted, policy, START).total >= 0


@given(full_policies("USD"))
def test_full_policies_pass_their_own_checks(policy: PricingPolicy) -> None:
    """Taxes, layers and border of a full policy are sound by the checks that a document is held to."""
    policy.tax.check()
    check_layers(policy.layers, "layers")
    if policy.border is not None:
        check_border(policy.border)


@given(tax_policies(), border_policies(), layers("KWD"), promotions())
def test_parts_of_policies_can_be_drawn_alone(
    tax: TaxPolicy, border: BorderPolicy, stacked: tuple[Layer, ...], one: Promotion
) -> None:
    """Each part is sound by itself, in any currency."""
    tax.check()
    check_border(border)
    check_layers(stacked, "layers")
    check_layers((Layer("one", (one,)),), "layers")


@given(st.data())
def test_coupons_are_for_promotions_that_wait(data: DataObject) -> None:
    """Without a promotion that waits for a code there is nothing to know; each code is told once."""
    stacked = data.draw(layers())
    waiting = {p.id for layer in stacked for p in layer.promotions if p.coupon is not None}
    found: tuple[Coupon, ...] = data.draw(coupons(stacked))
    assert waiting or not found
    assert {coupon.promotion for coupon in found} <= waiting | {"another"}
    assert len({coupon.code for coupon in found}) == len(found)


@given(exchange_rates("JPY", "KWD", RatePurpose.LEDGER))
def test_exchange_rates_may_be_used(rate: ExchangeRate) -> None:
    """A rate is of its pair and purpose, and neither stale nor from tomorrow."""
    check_rate(rate, ExchangePolicy(), START)
    assert (rate.base, rate.quote, rate.purpose) == ("JPY", "KWD", RatePurpose.LEDGER)


@given(st.data())
def test_facts_make_any_full_cart_priceable(data: DataObject) -> None:
    """A full cart, a full policy and the facts for the two give a quote, whatever the currencies."""
    cart = data.draw(full_carts(points=True))
    policy = data.draw(full_policies("CHF"))
    assert quote(cart, policy, START, data.draw(pricing_facts(cart, policy))).total >= 0


# --- Stories -----------------------------------------------------------------------------------


def paid() -> Story:
    """Order A, paid by a channel."""
    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    story.pay(Channel("card"))
    return story


def test_a_story_tells_a_whole_life() -> None:
    """Placed, paid, shipped in two parts, completed, refunded: in the words of a test."""
    story = paid()
    assert story.ship({"1": 1}).state == "awaiting_shipment"
    assert story.ship(carrier="post").state == "shipped"
    assert story.complete().state == "completed"
    assert story.refund().state == "refunding"
    assert [made.command for made in story.changes] == [
        "place", "Pay", "AnswerAttempts", "Accept", "Ship", "Ship", "Deliver", "Complete",
        "RefundOrder",
    ]  # fmt: skip
    assert story.order.delivery.shipments[1].carrier == "post"


def test_a_story_authorizes_and_captures() -> None:
    """Answered *authorized*, the shop asks for the capture, and the story answers that too."""
    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    assert story.pay(Channel("card"), status=OutcomeStatus.AUTHORIZED).state == "paid"


def test_a_refused_command_leaves_the_story_as_it_was() -> None:
    """Neither the order nor the time nor the changes move."""
    story = paid()
    order, at, count = story.order, story.at, len(story.changes)
    with pytest.raises(NotAllowed):
        story.send(Ship("s-1", order.shippable()), after=timedelta(days=1))
    assert (story.order, story.at, len(story.changes)) == (order, at, count)


def test_a_story_moves_its_time() -> None:
    """A command that comes later happens later."""
    story = paid()
    news = AnswerAttempts((("o-1/1", Outcome(OutcomeStatus.CAPTURED)),))
    assert story.send(news, after=timedelta(hours=1)).at == START + timedelta(hours=1)
