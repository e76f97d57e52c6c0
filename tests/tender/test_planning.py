"""The shop's terms of tenders: what is left for channels, what goes together, coins, and why it is not more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidPolicy, InvalidTenders
from ordercore.money import CASH_STEPS, Percent, money
from ordercore.pricing import Cart, CartLine, PricingPolicy, Quote, ShippingCharge, quote
from ordercore.tender import (
    CapBase,
    PaymentPreview,
    PlannedTender,
    PointsRate,
    Tender,
    TenderEffect,
    TenderKind,
    TenderLimit,
    TenderPlan,
    TenderPolicy,
    TenderReason,
    TenderRule,
    plan,
    preview,
)
from ordercore.tender.tenders import Balance, Cash, Channel, OnDelivery, Points, StoredValue
from ordercore.testing import START, carts, laws, offers, order_a, quotes

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from ordercore.money import Money

A = quote(order_a(), PricingPolicy(), START)
POINTS = TenderRule("points", PointsRate())
BALANCE = TenderRule("balance")
_L = TenderLimit


def cny(text: str) -> Money:
    """Yuan."""
    return money(text, "CNY")


def costs(price: str, currency: str = "CNY") -> Quote:
    """One article at this price."""
    lines = (CartLine("TEA", 1, money(price, currency)),)
    return quote(Cart(currency, lines), PricingPolicy(), START)


def split(
    rules: tuple[TenderRule, ...], *tenders: Tender, due: Quote = A, **more: Any
) -> TenderPlan:
    """What the tenders make of an order, by default of order A."""
    return plan(due.rows(), tenders, TenderPolicy(rules), due.currency, **more)


def parts(found: TenderPlan) -> list[tuple[str, int]]:
    """Gateway and minor units of each tender."""
    return [(tender.gateway, tender.amount) for tender in found.tenders]


def shown(
    rules: tuple[TenderRule, ...],
    *tenders: Tender,
    due: Quote = A,
    held: dict[int, int] | None = None,
    **more: Any,
) -> PaymentPreview:
    """The preview of what the tenders make; accounts hold what ``held`` says."""
    known = held or {}
    return preview(due.rows(), tenders, TenderPolicy(rules), due.currency, known, known, **more)


def refused(rules: tuple[TenderRule, ...], *tenders: Tender, **more: Any) -> InvalidTenders:
    """The refusal of a plan."""
    with pytest.raises(InvalidTenders) as caught:
        split(rules, *tenders, **more)
    return caught.value


# --- Laws ------------------------------------------------------------------------------------


FRANCS = quotes(carts("CHF", max_price=5_000))


@given(FRANCS, st.data())
def test_l6_planned_tenders_and_cash_rounding_add_up(due: Quote, data: DataObject) -> None:
    """Amounts add up to what is due, and what is asked in cash is whole coins, next to its amount."""
    offered = data.draw(offers(due, cash=True))
    found = offered.plan(due)
    laws.tenders_conserved(found)
    laws.matrix_exact(found, offered.eligible(due, found))
    step = CASH_STEPS["CHF"].step
    for tender in found.tenders:
        if tender.kind is TenderKind.CASH:
            assert (tender.amount + tender.rounding) % step == 0
            assert abs(tender.rounding) * 2 <= step
        else:
            assert tender.rounding == 0


@given(quotes(), st.data())
def test_l6_a_preview_explains_the_plan_that_is_paid(due: Quote, data: DataObject) -> None:
    """The plan of the preview is the plan, each reason says what its offer pays, and its limit is met."""
    offered = data.draw(offers(due, cash=True))
    found = offered.preview(due)
    assert found.plan == offered.plan(due)
    assert len(found.reasons) == len(offered.tenders)
    assert sum(reason.used for reason in found.reasons) == due.total
    assert sum(reason.asked for reason in found.reasons) == found.asked
    for offer, reason in zip(offered.tenders, found.reasons, strict=True):
        assert (reason.gateway, reason.used <= reason.most) == (offer.gateway, True)
        check_limit(reason)


def check_limit(reason: TenderReason) -> None:
    """The limit that is told is one: there is no room above what is used."""
    taken = reason.points if reason.kind is TenderKind.POINTS else reason.used
    if reason.limit is _L.OFFERED:
        assert (taken, reason.kept) == (reason.offered, 0)
    elif reason.limit is _L.HELD:
        assert taken == reason.held
    elif reason.limit is _L.STEP:
        assert reason.used < reason.most
    elif reason.limit is _L.MINIMUM:
        assert reason.used == 0 < reason.most
    else:
        assert reason.used == reason.most


@given(quotes(), st.data())
def test_l6_terms_of_the_shop_are_kept(due: Quote, data: DataObject) -> None:
    """Caps, steps, what is left for channels, and what goes together hold for every plan."""
    offered = data.draw(offers(due))
    found = offered.plan(due)
    rules = {tender.gateway: offered.policy.rule(tender.gateway, due.currency)[1]
             for tender in found.tenders}  # fmt: skip
    outside = sum(t.amount for t in found.tenders if t.kind is TenderKind.CHANNEL)
    for tender in found.tenders:
        rule = rules[tender.gateway]
        assert rule.with_coupons or not offered.coupons
        assert not rules.keys() & set(rule.not_with)
        assert outside >= rule.leaves_minor
        assert tender.amount <= (due.total if rule.cap_minor is None else rule.cap_minor)
        counted = tender.points if tender.kind is TenderKind.POINTS else tender.amount
        assert counted % rule.step == 0
        assert tender.discount is (rule.effect is TenderEffect.DISCOUNT)
        assert tender.invoiceable is rule.invoiceable


# --- Order A ---------------------------------------------------------------------------------


def test_order_a_is_1234_points_and_5000_and_20763() -> None:
    """269.97 are 1,234 points, 50.00 of the balance and 207.63 of the channel, line by line to the cent."""
    found = shown((POINTS, BALANCE), Points(1234), Balance(cny("50.00")), Channel("wechat"))
    assert parts(found.plan) == [("points", 1234), ("balance", 5000), ("wechat", 20763)]
    assert found.plan.matrix == ((412, 1666, 6921), (411, 1667, 6921), (411, 1667, 6921))
    assert [reason.limit for reason in found.reasons] == [_L.OFFERED, _L.OFFERED, _L.NOTHING_DUE]
    assert (found.asked, found.tax_off) == (26997, 0)


# --- What is left for channels ---------------------------------------------------------------


def test_a_tender_leaves_so_much_for_channels() -> None:
    """A balance that must leave 0.01 pays 269.96, since WeChat Pay takes no 0.00."""
    rules = (TenderRule("balance", leaves_minor=1),)
    found = split(rules, Balance(), Channel("wechat"), available={0: 10**6})
    assert parts(found) == [("balance", 26996), ("wechat", 1)]


def test_what_is_left_is_left_for_channels_not_for_accounts() -> None:
    """What points must leave is not taken by the balance that comes after them."""
    rules = (TenderRule("points", PointsRate(), leaves_minor=100), BALANCE)
    found = split(rules, Points(1234), Balance(), Channel("wechat"), available={1: 10**6})
    assert parts(found) == [("points", 1234), ("balance", 25663), ("wechat", 100)]
    assert split(rules, Balance(), available={0: 10**6}).total == 26997


def test_a_channel_that_has_paid_already_is_what_was_left() -> None:
    """A channel before the balance pays what the balance has to leave."""
    rules = (TenderRule("wechat"), TenderRule("balance", leaves_minor=100))
    tenders = (Channel("wechat", cny("0.60")), Balance(), Cash(gateway="till"))
    found = split(rules, *tenders, available={1: 10**6})
    assert parts(found) == [("wechat", 60), ("balance", 26897), ("till", 40)]


def test_being_short_says_what_a_channel_has_to_pay() -> None:
    """Where only a channel may pay the rest and none is offered, the refusal says so."""
    error = refused((TenderRule("balance", leaves_minor=1),), Balance(), available={0: 10**6})
    assert error.data == {"short": 1, "due": 26997}
    assert "at least 0.01 is to be paid by a channel" in error.reason


# --- What goes together ----------------------------------------------------------------------


def test_of_two_that_do_not_stack_the_first_is_used() -> None:
    """Points that do not go together with the balance keep it out, whichever of the two rules says so."""
    for rules in (
        (TenderRule("points", PointsRate(), not_with=("balance",)), BALANCE),
        (POINTS, TenderRule("balance", not_with=("points",))),
    ):
        tenders = (Points(1234), Balance(), Channel("wechat"))
        found = shown(rules, *tenders, held={1: 5000})
        assert parts(found.plan) == [("points", 1234), ("wechat", 25763)]
        assert (found.reasons[1].limit, found.reasons[1].most) == (_L.STACKING, 0)


def test_a_tender_that_pays_nothing_bars_no_other() -> None:
    """Points below their minimum are not used, so the balance is."""
    rules = (TenderRule("points", minimum_minor=5000, not_with=("balance",)), BALANCE)
    found = split(rules, Points(1234), Balance(), Channel("wechat"), available={1: 5000})
    assert parts(found) == [("balance", 5000), ("wechat", 21997)]


def test_what_was_paid_before_stacks_too() -> None:
    """Money of a former payment keeps a tender out that does not go together with it."""
    before = (PlannedTender(TenderKind.POINTS, "points", "p", 1234, 1234),)
    rules = (POINTS, TenderRule("balance", not_with=("points",)))
    found = split(rules, Balance(), Channel("wechat"), available={0: 5000}, carried=before)
    assert parts(found) == [("points", 1234), ("wechat", 25763)]


def test_what_was_paid_before_counts_for_the_cap() -> None:
    """Points of a former payment have used up their part of the cap."""
    before = (PlannedTender(TenderKind.POINTS, "points", "p", 1000, 1000),)
    rules = (TenderRule("points", PointsRate(), cap_minor=1200),)
    found = split(rules, Points(1234), Channel("wechat"), carried=before)
    assert parts(found) == [("points", 1000), ("points", 200), ("wechat", 25797)]


def test_some_tenders_do_not_go_together_with_coupons() -> None:
    """Points stay unused where the price counts on a code, and only there."""
    rules = (TenderRule("points", PointsRate(), with_coupons=False),)
    offered = (Points(1234), Channel("wechat"))
    assert parts(split(rules, *offered)) == [("points", 1234), ("wechat", 25763)]
    found = shown(rules, *offered, coupons=True)
    assert parts(found.plan) == [("wechat", 26997)]
    assert (found.reasons[0].limit, found.reasons[0].kept) == (_L.COUPONS, 1234)


@pytest.mark.parametrize("offer", [OnDelivery(), Balance(cny("5.00"), gateway="cod")])
def test_a_channel_or_a_named_amount_is_not_passed_over(offer: Tender) -> None:
    """What cannot be used beside points is refused where leaving it out would be a surprise (law L24)."""
    rules = (TenderRule("points", PointsRate(), not_with=("cod",)),)
    error = refused(rules, Points(1234), offer, Channel("wechat"))
    assert error.path == "tenders[1]"
    assert error.data == {"gateway": "cod", "limit": "stacking"}


# --- What a tender may pay for ---------------------------------------------------------------


def test_an_article_may_be_excluded() -> None:
    """Points that do not buy a gift card pay for the tea beside it alone."""
    lines = (CartLine("TEA", 1, cny("10.00")), CartLine("CARD-50", 1, cny("50.00")))
    due = quote(Cart("CNY", lines), PricingPolicy(), START)
    rules = (TenderRule("points", PointsRate(), excluded_skus=("CARD-50",)),)
    found = shown(rules, Points(5_000), Channel("wechat"), due=due)
    assert found.plan.matrix == ((1000, 0), (0, 5000))
    assert (found.reasons[0].limit, found.reasons[0].kept) == (_L.EXCLUSION, 4000)


# --- Reasons ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "limit", "used"),
    [
        ({}, _L.OFFERED, 1234),
        ({"step": 100}, _L.STEP, 1200),
        ({"cap_share": Percent.of("4")}, _L.CAP_SHARE, 1079),
        ({"cap_share": Percent.of("4"), "cap_of": CapBase.TOTAL}, _L.CAP_SHARE, 1079),
        ({"cap_share": Percent.of("4"), "cap_minor": 500}, _L.CAP_AMOUNT, 500),
        ({"cap_minor": 0}, _L.CAP_AMOUNT, 0),
        ({"minimum_minor": 2000}, _L.MINIMUM, 0),
        ({"leaves_minor": 26000}, _L.LEAVES, 997),
        ({"with_coupons": False}, _L.COUPONS, 0),
    ],
)
def test_each_limit_is_told(terms: dict[str, Any], limit: TenderLimit, used: int) -> None:
    """What stops 1,234 points on order A is the one term that the shop has set."""
    found = shown(
        (TenderRule("points", PointsRate(), **terms),),
        Points(1234),
        Channel("wechat"),
        coupons=True,
    )
    reason = found.reasons[0]
    assert (reason.limit, reason.used, reason.kept) == (limit, used, 1234 - used)


def test_an_account_that_holds_less_is_told() -> None:
    """A balance without an amount pays what is there; points above what is there are not covered."""
    found = shown((POINTS, BALANCE), Balance(), Channel("wechat"), held={0: 777})
    balance, channel = found.reasons
    assert (balance.limit, balance.held, balance.used) == (_L.HELD, 777, 777)
    assert (channel.held, channel.offered, channel.used) == (None, None, 26220)
    policy = TenderPolicy((POINTS,))
    offered = (Points(1234), Channel("wechat"))
    (points, _) = preview(A.rows(), offered, policy, "CNY", {}, {0: 1000}).reasons
    assert (points.used, points.held, points.covered, balance.covered) == (1234, 1000, False, True)


def test_a_tender_after_all_is_paid_is_told_so() -> None:
    """Once nothing is due, whatever comes later pays nothing, and that is why."""
    found = shown((POINTS, BALANCE), Points(30_000), Balance(), Channel("wechat"), held={1: 5000})
    assert [reason.limit for reason in found.reasons] == [_L.NOTHING_DUE] * 3
    assert [reason.used for reason in found.reasons] == [26997, 0, 0]
    assert found.reasons[0].kept == 3003


def test_reasons_tell_the_tax_office_and_the_invoice() -> None:
    """Whether a tender is a payment or a price reduction, and whether it may be invoiced, is shown with it."""
    rules = (
        TenderRule("points", PointsRate(), effect=TenderEffect.DISCOUNT),
        TenderRule("stored_value", invoiceable=False),
    )
    found = shown(rules, Points(1234), StoredValue("GC", cny("50.00")), Channel("wechat"))
    told = [(reason.effect, reason.invoiceable) for reason in found.reasons]
    payment, discount = TenderEffect.PAYMENT, TenderEffect.DISCOUNT
    assert told == [(discount, True), (payment, False), (payment, True)]
    assert found.plan.discounted == (412, 411, 411)
    assert [t.discount for t in found.plan.tenders] == [True, False, False]


# --- Cash ------------------------------------------------------------------------------------


def test_cash_is_rounded_and_a_card_is_not() -> None:
    """CHF 12.37: 10.00 by card and 2.37 in cash are 2.35 in coins, -0.02 apart; all by card stays 12.37."""
    due = costs("12.37", "CHF")
    card, coins = split((), Channel("card", money("10.00", "CHF")), Cash(), due=due).tenders
    assert (card.amount, coins.amount, coins.rounding) == (1000, 237, -2)
    (alone,) = split((), Channel("card"), due=due).tenders
    assert (alone.amount, alone.rounding) == (1237, 0)
    assert shown((), Cash(), due=due).asked == 1235


def test_cash_in_two_parts_is_rounded_as_one() -> None:
    """Who pays 1.02 and 1.02 in coins pays 2.05, not 2.00."""
    due = costs("2.04", "CHF")
    found = split((), Cash(money("1.02", "CHF")), Cash(), due=due).tenders
    assert [tender.amount + tender.rounding for tender in found] == [100, 105]


@pytest.mark.parametrize(("step", "asked"), [(None, 1237), (10, 1240), (1, 1237), (100, 1200)])
def test_a_rule_may_name_the_smallest_coin(step: int | None, asked: int) -> None:
    """A shop without small coins rounds cash to its own; a currency with coins for all is left alone."""
    rules = (TenderRule("cash", cash_step=step),)
    (coins,) = split(rules, Cash(), due=costs("12.37")).tenders
    assert coins.amount + coins.rounding == asked


def test_what_no_coin_is_for_is_not_paid_in_cash() -> None:
    """0.02 francs would be 0.00 in coins: it is paid in another way (law L24)."""
    error = refused((), Cash(), due=costs("0.02", "CHF"))
    assert (error.path, error.data) == ("tenders[0]", {"amount": 2})


def test_payment_on_delivery_is_planned_as_a_channel_is() -> None:
    """What the courier collects is the rest, not rounded, and below its minimum it is refused."""
    found = split((POINTS,), Points(1234), OnDelivery())
    (_, courier) = found.tenders
    assert (courier.kind, courier.gateway, courier.amount) == (TenderKind.ON_DELIVERY, "cod", 25763)
    rules = (POINTS, TenderRule("cod", minimum_minor=500))
    assert refused(rules, Points(26_900), OnDelivery()).data == {"amount": 97, "minimum": 500}


# --- Invoices --------------------------------------------------------------------------------


def test_what_may_not_be_invoiced_is_told_by_row() -> None:
    """Price reductions and the money of a single-purpose card stay off the invoice, the rest stands there."""
    rules = (
        TenderRule("points", PointsRate(), effect=TenderEffect.DISCOUNT, invoiceable=False),
        TenderRule("stored_value", invoiceable=False),
    )
    found = split(rules, Points(1234), StoredValue("GC", cny("50.00")), Channel("wechat"))
    assert found.uninvoiced() == (412 + 1666, 411 + 1667, 411 + 1667)
    assert split((), Channel("wechat")).uninvoiced() == (0, 0, 0)


# --- Rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (TenderRule("x", leaves_minor=-1), "tenders.rules[0]"),
        (TenderRule("x", cash_step=0), "tenders.rules[0].cash_step"),
        (TenderRule("x", not_with=("y", "x")), "tenders.rules[0].not_with"),
    ],
    ids=["leaves", "coin", "itself"],
)
def test_l24_terms_that_cannot_be_are_refused(rule: TenderRule, path: str) -> None:
    """A policy is checked when it is loaded, at the path of the term."""
    with pytest.raises(InvalidPolicy) as caught:
        TenderPolicy((rule,)).check()
    assert caught.value.path == path


def test_freight_may_be_left_to_the_others() -> None:
    """A tender that may not pay for freight is told that the rest is what it may not pay for."""
    lines = (CartLine("TEA", 1, cny("10.00")),)
    due = quote(Cart("CNY", lines, shipping=ShippingCharge(cny("5.00"))), PricingPolicy(), START)
    rules = (TenderRule("balance", pays_shipping=False),)
    found = shown(rules, Balance(), Channel("wechat"), due=due, held={0: 10_000})
    assert parts(found.plan) == [("balance", 1000), ("wechat", 500)]
    assert found.reasons[0].limit is _L.EXCLUSION
