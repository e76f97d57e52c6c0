"""Settlement of funds: whose money a sale is, per merchant and line, exact over any refunds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore import (
    Actor,
    AmountOff,
    Cart,
    CartLine,
    Funder,
    Manifest,
    Money,
    OrderEngine,
    Party,
    Percent,
    Policies,
    Presale,
    PricingPolicy,
    SettableClock,
    TaxPolicy,
    TaxRate,
    tenders,
)
from ordercore.adapters.memory import AccountGateway, MemoryGateway, MemoryStore
from ordercore.errors import InvalidPolicy
from ordercore.ledger import CommissionRule, SettlementPolicy
from ordercore.order.funding import fund_shares
from ordercore.tender import (
    Capabilities,
    ChargeRequest,
    Outcome,
    TenderEffect,
    TenderPolicy,
    TenderRule,
)
from ordercore.testing.story import START

STAFF = Actor.staff("s1")
SHOPPER = Actor.customer("c1")


def engine(policy: SettlementPolicy) -> OrderEngine:
    """A marketplace in memory."""
    clock = SettableClock(START)
    gateways = {name: MemoryGateway(name, clock) for name in ("card", "wallet")}
    tax = TaxPolicy((TaxRate(Percent.of("19")),))
    policies = Policies(PricingPolicy(tax=tax), funds=policy)
    return OrderEngine(MemoryStore(), gateways, None, policies, clock=clock)


def cart(*lines: tuple[str, int, str], off: str = "0.00", funder: Funder = Funder.MERCHANT) -> Cart:
    """Lines of (merchant, units, price), with an amount off the whole order."""
    made = tuple(
        CartLine(f"S{i}", units, Money(price, "EUR"), merchant=merchant)
        for i, (merchant, units, price) in enumerate(lines)
    )
    discounts = (AmountOff(Money(off, "EUR"), "off", funder),) if off != "0.00" else ()
    return Cart("EUR", made, discounts, customer=Party("c1"))


def completed(shop: OrderEngine, goods: Cart) -> str:
    """An order, paid, sent and kept."""
    order = shop.place(shop.quote(goods), key="p", by=SHOPPER)
    paid = [tenders.Channel("card")]
    shop.pay(order.id, paid, key="pay", by=SHOPPER)
    shop.accept(order.id, key="a")
    shop.ship(order.id, key="s")
    shop.deliver(order.id, key="d")
    return shop.complete(order.id, key="c").id


def payable(shop: OrderEngine) -> dict[str, int]:
    """What the shop owes each merchant."""
    return {
        b.detail: -b.amount
        for b in shop.trial_balance()
        if b.account.value == "merchant_payable" and b.amount
    }


def books(shop: OrderEngine) -> dict[str, int]:
    """All that is not zero."""
    return {f"{b.account.value}:{b.detail}": b.amount for b in shop.trial_balance() if b.amount}


TEN = SettlementPolicy((CommissionRule(share=Percent.of("10")),))


def test_a_merchant_gets_the_sale_without_tax_and_commission() -> None:
    """119.00 with 19 % inside, 10 % of 119.00 commission: 100.00 - 11.90 is the merchant's."""
    shop = engine(TEN)
    completed(shop, cart(("m1", 1, "119.00"), ("", 1, "11.90")))
    assert payable(shop) == {"m1": 8_810}
    assert books(shop)["revenue:"] == -(1_190 + 1_000)  # the commission, and the shop's own line
    assert books(shop)["tax_payable:19"] == -2_090


def test_merchants_who_pay_their_tax_get_it_too() -> None:
    """Then the tax of their lines is not the shop's to pay."""
    shop = engine(SettlementPolicy(TEN.commissions, merchants_pay_tax=True))
    completed(shop, cart(("m1", 1, "119.00"), ("", 1, "11.90")))
    assert payable(shop) == {"m1": 10_710}
    assert books(shop)["tax_payable:19"] == -190


@pytest.mark.parametrize(("funder", "amount"), [(Funder.MERCHANT, 7_929), (Funder.PLATFORM, 8_810)])
def test_who_funds_a_discount_decides_what_the_merchant_gets(funder: Funder, amount: int) -> None:
    """A merchant's own coupon lowers its share: 90.00 - 10.71; one that the platform repays does not."""
    shop = engine(TEN)
    completed(shop, cart(("m1", 1, "119.00"), off="11.90", funder=funder))
    assert payable(shop) == {"m1": amount}


def test_nothing_is_owed_before_the_sale_is_earned() -> None:
    """Funds are settled on completion; a refund before that leaves nothing to settle."""
    shop = engine(TEN)
    order = shop.place(shop.quote(cart(("m1", 2, "119.00"))), key="p", by=SHOPPER)
    shop.pay(order.id, [tenders.Channel("card")], key="pay", by=SHOPPER)
    assert payable(shop) == {}
    line = order.lines[0].id
    shop.refund(order.id, Manifest.of({line: 1}), reason="r", key="r", by=STAFF)
    shop.accept(order.id, key="a")
    shop.ship(order.id, key="s")
    shop.deliver(order.id, key="d")
    shop.complete(order.id, key="c")
    assert payable(shop) == {"m1": 8_810}


baskets = st.lists(
    st.tuples(
        st.sampled_from(["m1", "m2", ""]),
        st.integers(1, 4),
        st.integers(1, 9_999).map(lambda n: f"{n // 100}.{n % 100:02d}"),
    ),
    min_size=1,
    max_size=3,
)
rules = st.builds(
    SettlementPolicy,
    st.lists(
        st.builds(
            CommissionRule,
            st.sampled_from(["", "m1"]),
            st.just(""),
            st.sampled_from([None, Percent.of("7.5"), Percent.of("100")]),
            st.integers(0, 60),
        ),
        max_size=2,
    ).map(tuple),
    st.booleans(),
)


@given(baskets, rules, st.sampled_from(list(Funder)), st.data())
def test_l9_refunds_take_back_just_what_was_settled(
    lines: list[tuple[str, int, str]], policy: SettlementPolicy, funder: Funder, data: st.DataObject
) -> None:
    """Refunding unit by unit, in any order, brings every merchant and the revenue to zero, to the cent."""
    shop = engine(policy)
    goods = cart(*lines, off="0.01", funder=funder)
    order = shop.get(completed(shop, goods))
    assert sum(b.amount for b in shop.trial_balance()) == 0
    assert all(amount >= 0 for amount in payable(shop).values())
    units = [line.id for line in order.lines for _ in range(line.quantity)]
    for i, line in enumerate(data.draw(st.permutations(units))):
        if order.payments.captured == order.payments.refunded:
            return  # what is left costs the customer nothing
        order = shop.refund(
            order.id, Manifest.of({line: 1}), reason="r", key=f"r{i}", by=STAFF
        ).order
    assert payable(shop) == {}
    assert books(shop).get("revenue:", 0) == 0


@given(baskets, rules, st.integers(1, 9_999))
def test_l25_channels_are_told_shares_that_add_up(
    lines: list[tuple[str, int, str]], policy: SettlementPolicy, first: int
) -> None:
    """What channels are told of a payment adds up over its tenders, and of none is it more than that pays."""
    shop = engine(policy)
    order = shop.place(shop.quote(cart(*lines)), key="p", by=SHOPPER)
    part = min(first, order.total - 1)
    if part < 1:
        return
    offers: list[tenders.Tender] = [
        tenders.Channel("card", Money(f"{part // 100}.{part % 100:02d}", "EUR")),
        tenders.Channel("wallet"),
    ]
    plan: Any = shop.preview(order.id, offers)
    plan = getattr(plan, "plan", plan)
    told: dict[str, int] = {}
    for place, tender in enumerate(plan.tenders):
        shares = fund_shares(order, plan, place, policy)
        assert sum(share.amount for share in shares) <= tender.amount
        for share in shares:
            told[share.merchant] = told.get(share.merchant, 0) + share.amount
    completed(shop, cart(*lines))
    assert told == payable(shop)


def test_a_commission_above_everything_is_refused() -> None:
    """The path names the rule."""
    with pytest.raises(InvalidPolicy) as caught:
        SettlementPolicy((CommissionRule(share=Percent.of("101")),)).check()
    assert caught.value.path == "funds.commissions[0].share"


def test_a_deposit_and_its_balance_tell_a_channel_just_what_the_merchant_gets() -> None:
    """500.00 in two parts, 10 % commission, 13 % tax inside: both payments together tell what is booked in the end."""
    told: list[int] = []

    class Splitting(MemoryGateway):
        def authorize(self, request: ChargeRequest) -> Outcome:
            told.append(sum(share.amount for share in request.shares))
            return super().authorize(request)

    clock = SettableClock(START)
    card = Splitting("card", clock, capabilities=Capabilities(splits_funds=True))
    tax = TaxPolicy((TaxRate(Percent.of("13")),))
    shop = OrderEngine(
        MemoryStore(), {"card": card}, None, Policies(PricingPolicy(tax), funds=TEN), clock=clock,
        lifecycles=["presale"],
    )  # fmt: skip
    opens = START + timedelta(days=1)
    presale = Presale(Money("50.00", "CNY"), opens, opens + timedelta(days=2))
    line = CartLine("S", 1, Money("500.00", "CNY"), merchant="m1")
    goods = Cart("CNY", (line,), customer=Party("c1"), presale=presale)
    order = shop.place(shop.quote(goods), key="p", by=SHOPPER)
    shop.pay(order.id, [tenders.Channel("card")], key="d", by=SHOPPER)
    clock.set(opens)
    shop.pay(order.id, [tenders.Channel("card")], key="b", by=SHOPPER)
    shop.accept(order.id, key="a")
    shop.ship(order.id, key="s")
    shop.deliver(order.id, key="v")
    shop.complete(order.id, key="c")
    assert len(told) == 2
    assert {"m1": sum(told)} == payable(shop)


def test_l9_merchants_who_pay_tax_owe_none_on_what_points_reduce() -> None:
    """Points that count as a price reduction bear no tax, so nobody owes any: tax payable ends at nothing."""
    clock = SettableClock(START)
    gateways = {
        "card": MemoryGateway("card", clock),
        "points": AccountGateway("points", clock, {"c1": 5_000}, points=True),
    }
    rules = TenderPolicy((TenderRule("points", effect=TenderEffect.DISCOUNT),))
    tax = TaxPolicy((TaxRate(Percent.of("13")),))
    policy = SettlementPolicy(TEN.commissions, merchants_pay_tax=True)
    policies = Policies(PricingPolicy(tax), rules, funds=policy)
    shop = OrderEngine(MemoryStore(), gateways, None, policies, clock=clock)
    line = CartLine("S", 3, Money("99.99", "CNY"), merchant="m1")
    goods = Cart("CNY", (line,), customer=Party("c1"))
    order = shop.place(shop.quote(goods), key="p", by=SHOPPER)
    paid = [tenders.Points(5_000), tenders.Channel("card")]
    shop.pay(order.id, paid, key="pay", by=SHOPPER)
    for act in (shop.accept, shop.ship, shop.deliver, shop.complete):
        act(order.id, key=act.__name__)
    assert not [name for name in books(shop) if name.startswith("tax_payable")]
    shop.refund(order.id, Manifest.of({order.lines[0].id: 1}), reason="r", key="r1", by=STAFF)
    assert not [name for name in books(shop) if name.startswith("tax_payable")]
    shop.refund(order.id, reason="r", key="r2", by=STAFF)
    assert payable(shop) == {}
    assert "revenue:" not in books(shop)
