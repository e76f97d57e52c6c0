"""Quoting through the engine: the ports are asked for what a cart needs, and the price is locked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from ordercore import (
    Actor,
    AsyncOrderEngine,
    Cart,
    CartLine,
    CountedIds,
    Manifest,
    Money,
    OrderEngine,
    Party,
    Percent,
    Policies,
    PricingPolicy,
    SettableClock,
    TaxPolicy,
    TaxRate,
    tenders,
)
from ordercore.adapters.memory import AccountGateway, MemoryCouponBook, MemoryGateway, MemoryStore
from ordercore.errors import (
    CouponUnavailable,
    InvalidTenders,
    OrdercoreError,
    PortFailed,
    PriceChanged,
    RateUnavailable,
)
from ordercore.ledger import AccountKind
from ordercore.party import Address, Destination
from ordercore.pricing import (
    AmountOff,
    BorderPolicy,
    CouponTerms,
    Customs,
    ExchangePolicy,
    ExchangeRate,
    ExternalRow,
    ExternalTax,
    Fee,
    Funder,
    Layer,
    OrderAmount,
    PersonalQuota,
    PointsRate,
    Promotion,
    RatePurpose,
    RegimeId,
    ShippingCharge,
    TaxPart,
    TaxRequest,
    VatIdCheck,
)
from ordercore.testing import laws

if TYPE_CHECKING:
    from ordercore import Order

NOON = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
ADA = Actor.customer("ada")


class Bank:
    """Rates of 7.8312 for every pair, and the pairs it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, RatePurpose]] = []

    def rate(self, base: str, quote: str, at: datetime, purpose: RatePurpose) -> ExchangeRate:
        """The port."""
        self.asked.append((base, quote, purpose))
        return ExchangeRate(base, quote, 78312, 10000, purpose, at, at.date(), "test bank")


class SlowBank(Bank):
    """The same, awaited."""

    async def rate(self, *args: Any) -> ExchangeRate:  # type: ignore[override]
        """The port."""
        await asyncio.sleep(0)
        return super().rate(*args)


class Tax:
    """An external engine that takes ten percent of everything, inside or on top."""

    def calculate(self, request: TaxRequest) -> ExternalTax:
        """The port."""
        rows = []
        for row in request.rows:
            base = row.amount + row.funded
            tax = base // 11 if row.included else base // 10
            net = base - tax if row.included else base
            rows.append(ExternalRow(row.id, (TaxPart("ten", 100_000, net, tax),)))
        return ExternalTax(tuple(rows), "test engine", request.at, "ref-1")


class Register:
    """Every VAT id that begins with FR is valid."""

    def check(self, vat_id: str, at: datetime) -> VatIdCheck:
        """The port."""
        return VatIdCheck(vat_id, vat_id[:2], vat_id.startswith("FR"), "test register", at)


class Quota:
    """A person who has bought for 25,990.00 this year."""

    def used(self, regime: RegimeId, person: str, year: int) -> PersonalQuota:
        """The port."""
        return PersonalQuota(regime, person, year, 2_599_000)


def cart(currency: str = "EUR", price: str = "10.00", **more: Any) -> Cart:
    """One article for Ada."""
    more.setdefault("customer", Party("ada"))
    return Cart(currency, (CartLine("A", 1, Money(price, "EUR")),), **more)


def engine(policy: PricingPolicy | None = None, **ports: Any) -> OrderEngine:
    """A shop that takes points and cards."""
    clock = SettableClock(NOON)
    gateways = {
        "points": AccountGateway("points", clock, {"ada": 5_000}, points=True),
        "card": MemoryGateway("card", clock),
    }
    return OrderEngine(
        MemoryStore(), gateways, policies=Policies(pricing=policy or PricingPolicy()),
        clock=clock, ids=CountedIds(), **ports,
    )  # fmt: skip


def test_a_plain_cart_asks_nobody() -> None:
    """A cart in one currency, without codes and without a border, needs no port."""
    bank = Bank()
    found = engine(rates=bank).quote(cart())
    assert (bank.asked, found.facts.rates, found.total) == ([], (), 1000)


def test_the_rates_that_a_cart_needs_are_asked_for_and_frozen_on_the_order() -> None:
    """A catalog in EUR sold in CNY and settled in USD asks two rates; the order keeps the settlement."""
    bank = Bank()
    shop = engine(PricingPolicy(exchange=ExchangePolicy(settlement="USD")), rates=bank)
    found = shop.quote(cart("CNY"))
    assert bank.asked == [
        ("EUR", "CNY", RatePurpose.DISPLAY),
        ("CNY", "USD", RatePurpose.SETTLEMENT),
    ]
    order = shop.place(found, key="k", by=ADA)
    assert order.total == 7831
    assert order.content.settlement == found.settlement
    assert found.settlement is not None
    laws.conversion_adds_up(found.settlement, order.total)


def test_a_shop_without_a_source_of_rates_says_what_is_missing() -> None:
    """Settling in another currency without a source is refused, with the pair in the reason."""
    shop = engine(PricingPolicy(exchange=ExchangePolicy(settlement="USD")))
    with pytest.raises(RateUnavailable, match="EUR to USD"):
        shop.quote(cart())


def test_an_external_tax_engine_is_taken_at_its_word() -> None:
    """Ten percent of goods and shipping, as the engine says, with its reference on the quote."""
    found = engine(taxes=Tax()).quote(cart(shipping=ShippingCharge(Money("1.10", "EUR"))))
    laws.quote_reconciles(found)
    assert (found.total, found.tax) == (1110, 90 + 10)
    assert found.facts.tax is not None
    assert found.facts.tax.reference == "ref-1"


@pytest.mark.parametrize(("vat_id", "total"), [("FR1", 1000), ("XX1", 1200)])
def test_a_vat_id_is_checked_before_the_tax_is_left_to_the_buyer(vat_id: str, total: int) -> None:
    """A French business pays net when the register knows it, and French tax when it does not."""
    rates = (TaxRate(Percent.of("19"), country="DE"), TaxRate(Percent.of("20"), country="FR"))
    tax = TaxPolicy(rates, False, home=Destination("DE"), union=("DE", "FR"))
    buyer = Party("ada", vat_id=vat_id)
    found = engine(PricingPolicy(tax), vat_ids=Register()).quote(
        cart(customer=buyer, address=Address(country="FR"))
    )
    assert found.total == total


def test_a_person_s_quota_is_asked_where_the_border_counts_it() -> None:
    """With 25,990.00 used, 20.00 more are beyond the year: general import, not retail."""
    tax = TaxPolicy((TaxRate(Percent.of("13"), country="CN"),), prices_include_tax=False)
    policy = PricingPolicy(tax, border=BorderPolicy("DE"))
    line = CartLine("A", 1, Money("20.00", "CNY"), customs=Customs("330499", "DE", "Cream"))
    bought = Cart("CNY", (line,), customer=Party("ada"), address=Address(country="CN"))
    assert (
        engine(policy, quotas=Quota()).quote(bought).border != engine(policy).quote(bought).border
    )


def test_the_async_engine_awaits_its_sources() -> None:
    """An asynchronous source of rates serves the asynchronous engine."""
    shop = AsyncOrderEngine(
        MemoryStore(), {}, clock=SettableClock(NOON), ids=CountedIds(), rates=SlowBank()
    )
    found = asyncio.run(shop.quote(cart("CNY")))
    assert found.total == 7831


class Broken:
    """A port whose every answer is of another type."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __getattr__(self, _: str) -> Any:
        return lambda *_: self.answer


@pytest.mark.parametrize("answer", [None, 5, "x", {}, ("x",)])
@pytest.mark.parametrize("port", ["rates", "taxes", "vat_ids", "quotas", "coupons"])
def test_l24_an_answer_of_another_type_is_a_port_that_failed(port: str, answer: object) -> None:
    """Whatever a port answers in place of its value, the shop does not price by it in silence."""
    tax = TaxPolicy(
        (TaxRate(Percent.of("13"), country="CN"),), home=Destination("DE"), union=("FR",)
    )
    policy = PricingPolicy(tax, border=BorderPolicy("DE"))
    line = CartLine("A", 1, Money("20.00", "EUR"), customs=Customs("330499", "DE", "Cream"))
    bought = Cart(
        "CNY", (line,), customer=Party("ada", vat_id="FR1"), address=Address(country="CN"),
        codes=("X",),
    )  # fmt: skip
    ports: dict[str, Any] = {"rates": Bank(), port: Broken(answer)}
    with pytest.raises(PortFailed, match="malformed"):
        engine(policy, **ports).quote(bought)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"codes": 5}, "cart.codes"),
        ({"lines": (None,)}, "cart.lines[0]"),
        ({"lines": 5}, "cart.lines"),
        ({"currency": ["EUR"]}, "cart.currency"),
        ({"customer": None}, "cart.customer"),
    ],
)
def test_l24_a_cart_of_the_wrong_shape_asks_nobody(fields: dict[str, Any], path: str) -> None:
    """What is no cart is refused at its path, and no port hears of it."""
    bank = Bank()
    wrong = attrs.evolve(cart(), **fields)
    with pytest.raises(OrdercoreError) as caught:
        engine(rates=bank, coupons=MemoryCouponBook(SettableClock(NOON))).quote(wrong)
    assert caught.value.path == path
    assert bank.asked == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"customer": Party("ada", name=5)}, "cart.customer.name"),  # type: ignore[arg-type]
        ({"address": Address(region=5)}, "cart.address.region"),  # type: ignore[arg-type]
    ],
)
def test_l24_what_only_the_order_keeps_is_checked_when_it_is_placed(
    fields: dict[str, Any], path: str
) -> None:
    """A name or a region that is no text is refused before anything is promised."""
    shop = engine()
    with pytest.raises(OrdercoreError) as caught:
        shop.place(shop.quote(cart(**fields)), key="k", by=ADA)
    assert caught.value.path == path


def test_every_amount_of_a_cart_may_be_in_the_catalog_s_currency() -> None:
    """Shipping, a fee, a floor and freight in EUR are asked for as a unit price is."""
    line = CartLine(
        "A", 1, Money("78.31", "CNY"), floor_price=Money("1.00", "EUR"),
        domestic_freight=Money("1.00", "EUR"),
    )  # fmt: skip
    bought = Cart(
        "CNY", (line,), shipping=ShippingCharge(Money("1.00", "EUR")),
        fees=(Fee("wrap", Money("1.00", "EUR")),),
    )  # fmt: skip
    assert engine(rates=Bank()).quote(bought).total == 7831 + 3 * 783


# --- Price lock ------------------------------------------------------------------------------

TEN = Promotion("ten", OrderAmount(Money("1.00", "EUR")), coupon=CouponTerms())


def test_a_lapsed_quote_is_priced_with_the_facts_of_the_day() -> None:
    """A code that somebody else has used by then changes the price, and nothing is written."""
    clock = SettableClock(NOON)
    book = MemoryCouponBook(clock)
    book.issue("ONE", "ten", valid_until=NOON + timedelta(minutes=20))
    policy = PricingPolicy(layers=(Layer("coupons", (TEN,)),))
    shop = OrderEngine(
        MemoryStore(), {}, policies=Policies(pricing=policy), clock=clock, ids=CountedIds(),
        coupons=book,
    )  # fmt: skip
    found = shop.quote(cart(codes=("ONE",)))
    assert found.total == 900
    clock.advance(timedelta(minutes=16))
    assert shop.place(found, key="early", by=ADA).total == 900
    book.issue("TWO", "ten", valid_until=NOON + timedelta(minutes=20))
    other = shop.quote(cart(codes=("TWO",)))
    clock.advance(timedelta(minutes=16))
    with pytest.raises(PriceChanged) as caught:
        shop.place(other, key="late", by=ADA)
    assert (caught.value.data["old"], caught.value.data["new"]) == (900, 1000)


def test_an_engine_without_a_book_places_no_price_that_counts_on_a_code() -> None:
    """A worker that was built without the coupon book does not give codes away."""
    clock = SettableClock(NOON)
    book = MemoryCouponBook(clock)
    book.issue("ONE", "ten")
    policy = PricingPolicy(layers=(Layer("coupons", (TEN,)),))
    found = engine(policy, coupons=book).quote(cart(codes=("ONE",)))
    assert found.total == 900
    with pytest.raises(CouponUnavailable) as caught:
        engine(policy).place(found, key="k", by=ADA)
    assert caught.value.data["coupon"] == "ONE"


# --- What an order does with the new figures ---------------------------------------------------


def test_a_price_in_points_is_paid_in_points() -> None:
    """500 points and 9.90: without the points the payment is refused, with them it is paid."""
    shop = engine(PricingPolicy(points_worth=PointsRate(100, 100)))
    line = CartLine("MUG", 1, Money("9.90", "EUR"), points=500)
    order = shop.place(shop.quote(Cart("EUR", (line,), customer=Party("ada"))), key="k", by=ADA)
    with pytest.raises(InvalidTenders) as caught:
        shop.pay(order.id, [tenders.Channel("card")], key="p", by=ADA)
    assert caught.value.data == {"points": 500, "offered": 0}
    paid = shop.pay(order.id, [tenders.Points(500), tenders.Channel("card")], key="q", by=ADA)
    assert [a.amount for a in paid.order.payments.attempts] == [500, 990]


def books(shop: OrderEngine, order: Order) -> dict[tuple[AccountKind, str], int]:
    """The balances of one order that are not nothing."""
    found = shop.trial_balance(order.id)
    laws.trial_balance_is_zero(found)
    return {(b.account, b.detail): b.amount for b in found if b.amount}


def completed(shop: OrderEngine, bought: Cart) -> Order:
    """An order paid by card and brought to its end."""
    order = shop.place(shop.quote(bought), key="k", by=ADA)
    shop.pay(order.id, [tenders.Channel("card")], key="p", by=ADA)
    shop.accept(order.id, key="a")
    shop.ship(order.id, key="s")
    shop.deliver(order.id, key="d")
    return shop.complete(order.id, key="c")


def test_what_a_platform_repays_is_revenue_and_a_claim_on_it() -> None:
    """120.00 with 20 % inside less 12.00 of the platform: revenue 100.00, tax 20.00, a claim of 12.00;
    a refund of one of two units takes half of each back."""
    shop = engine(PricingPolicy(TaxPolicy((TaxRate(Percent.of("20")),))))
    off = AmountOff(Money("12.00", "EUR"), "", Funder.PLATFORM)
    line = CartLine("A", 2, Money("60.00", "EUR"))
    order = completed(shop, Cart("EUR", (line,), (off,), customer=Party("ada")))
    account = AccountKind
    assert books(shop, order) == {
        (account.CLEARING, "card"): 10800,
        (account.FUNDED_DISCOUNTS, "platform"): 1200,
        (account.REVENUE, ""): -10000,
        (account.TAX_PAYABLE, "20"): -2000,
    }
    shop.refund(order.id, Manifest.of({"1": 1}), reason="broken", key="r", by=Actor.staff("s"))
    shop.sweep()
    assert books(shop, order)[account.FUNDED_DISCOUNTS, "platform"] == 600
    assert books(shop, order)[account.REVENUE, ""] == -5000
    assert books(shop, order)[account.TAX_PAYABLE, "20"] == -1000


def test_duty_is_collected_for_the_state_and_is_no_income() -> None:
    """Import tax of a parcel above IOSS stands on an account of its own, and goes back with a refund."""
    tax = TaxPolicy((TaxRate(Percent.of("19"), country="DE"),), prices_include_tax=False)
    shop = engine(PricingPolicy(tax, border=BorderPolicy("CN")))
    line = CartLine("A", 1, Money("200.00", "EUR"), customs=Customs("610910", "CN", "Shirt"))
    order = completed(
        shop, Cart("EUR", (line,), customer=Party("ada"), address=Address(country="DE"))
    )
    account = AccountKind
    assert books(shop, order) == {
        (account.CLEARING, "card"): 23800,
        (account.REVENUE, ""): -20000,
        (account.DUTY_COLLECTED, ""): -3800,
    }
