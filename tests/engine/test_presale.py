"""Presales over the engine: windows, what is kept and what goes back, stock by payment, crashes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import (
    BALANCE,
    CHANNEL,
    NOON,
    POINTS,
    SHOPPER,
    STAFF,
    STOCK,
    TalkingGateway,
    World,
    world_policies,
)

from ordercore import Cart, CartLine, Manifest, Money, Party, Percent, tenders
from ordercore.adapters.memory import MemoryCouponBook
from ordercore.calendar import local_moment
from ordercore.errors import (
    InvalidCart,
    InvalidInput,
    InvalidTenders,
    KeyReused,
    NotAllowed,
    UnknownLifecycle,
)
from ordercore.lifecycle.charts import built_in
from ordercore.order import (
    FACTS,
    ChangeQuantity,
    HandlingPolicy,
    Moved,
    Reminded,
    RemoveLine,
    Rule,
)
from ordercore.pricing import (
    CouponTerms,
    DepositKind,
    Layer,
    OrderAmount,
    Presale,
    PricingPolicy,
    Promotion,
)
from ordercore.tender import Outcome, OutcomeStatus, PaymentPolicy
from ordercore.tender.events import Forfeited
from ordercore.testing import laws
from ordercore.testing.simulation import STEPS_MAX, Fault, Simulation
from ordercore.timeout import TimerKind

if TYPE_CHECKING:
    from ordercore import Order, OrderEngine, Policies

OPENS = NOON + timedelta(days=10)
ENDS = OPENS + timedelta(days=2)
SHANGHAI = "Asia/Shanghai"
MIXED = (
    tenders.Points(1234, "c1"),
    tenders.Balance(Money("50.00", "CNY"), "c1"),
    tenders.Channel("wechat"),
)


def money(amount: str) -> Money:
    """An amount in CNY."""
    return Money(amount, "CNY")


def deposit(
    amount: str = "50.00", kind: DepositKind = DepositKind.EARNEST, counts: str = "", **window: Any
) -> Presale:
    """A deposit whose balance is paid from ten to twelve days after noon."""
    window = {"balance_from": OPENS, "balance_until": ENDS, **window}
    return Presale(money(amount), kind=kind, counts=money(counts) if counts else None, **window)


def cart(presale: Presale | None, price: str = "500.00", **fields: Any) -> Cart:
    """One article, for customer c1."""
    lines = (CartLine("SKU-1", 1, money(price)),)
    return Cart("CNY", lines, customer=Party("c1"), presale=presale, **fields)


def policies(**payments: Any) -> Policies:
    """The policies of the world, with these of payments."""
    return attrs.evolve(world_policies(), payments=PaymentPolicy(**payments))


class Shop:
    """One presale of 500.00 in a shop in memory; verbs answer with the state they lead to."""

    def __init__(
        self, presale: Presale | None = None, *, of: Cart | None = None, rules: Any = None,
        ports: Any = None, **options: Any,
    ) -> None:  # fmt: skip
        self.world = World(policies=rules or world_policies(), **options)
        self.engine: OrderEngine = self.world.another(lifecycles=["presale"], **(ports or {}))
        self.world.engine = self.engine
        wanted = of or cart(presale or deposit())
        self.order = self.engine.place(self.engine.quote(wanted), key="place", by=SHOPPER)
        self.id = self.order.id

    @property
    def now(self) -> Order:
        """The order as it stands."""
        return self.engine.get(self.id)

    def pay(self, offers: Any = CHANNEL, by: Any = SHOPPER) -> str:
        """Pay what is asked."""
        self.engine.pay(self.id, offers, key=self.world.key(), by=by)
        return self.now.state

    def at(self, moment: datetime) -> str:
        """Go to a moment, and let a sweeper come by until it finds nothing."""
        self.world.clock.set(moment)
        for _ in range(8):
            done = self.engine.sweep()
            assert not done.failed, done.failed
            if not (done.served or done.moved):
                break
        return self.now.state

    def opened(self) -> str:
        """The deposit is paid and the window has opened."""
        assert self.pay() == "deposit_paid"
        return self.at(OPENS)

    def cancel(self, by: Any = STAFF) -> str:
        """Call it off."""
        self.engine.cancel(self.id, reason="no goods", key=self.world.key(), by=by)
        return self.now.state

    def channel(self) -> int:
        """What the channel holds for the shop."""
        taken: int = self.world.channel.taken
        return taken

    def books(self) -> dict[str, int]:
        """The books of the order."""
        return self.world.books()

    def events(self, kind: Any) -> list[Any]:
        """What happened, of one kind."""
        return [told.event for told in self.engine.journal(self.id) if isinstance(told.event, kind)]

    def check(self) -> None:
        """L9, L22 and replay: the books balance and say what gateways hold, an end holds nothing."""
        self.world.check(settled=False)
        order, books = self.now, self.books()
        assert books.get("clearing:wechat", 0) == self.channel()
        sides = {"points_liability:points": POINTS, "stored_value_liability:balance": BALANCE}
        for (account, first), gateway in zip(
            sides.items(), (self.world.points, self.world.balance), strict=True
        ):
            assert first - gateway.balance("c1") == books.get(account, 0)
        if order.handling.released:
            assert self.world.free()[0] == STOCK, "L22: an order that ended holds goods"
            assert order.owed == 0, "L21: money is stranded"
            assert not books.get("deposits_held"), "L9: a deposit of an order that ended"


def test_a_deposit_is_paid_first_and_the_balance_in_its_window() -> None:
    """500.00 = 50.00 + 450.00: the first payment takes 50.00, the second 450.00, both are one paid order."""
    shop = Shop()
    assert (shop.now.asked, shop.now.payable, shop.now.due) == (5_000, 5_000, 50_000)
    assert shop.pay() == "deposit_paid"
    assert (shop.channel(), shop.now.asked, shop.now.payable) == (5_000, 45_000, 50_000)
    assert shop.books() == {"clearing:wechat": 5_000, "deposits_held": -5_000}
    assert shop.at(OPENS) == "awaiting_balance"
    assert shop.pay() == "paid"
    assert shop.channel() == 50_000
    assert shop.books() == {"clearing:wechat": 50_000, "advances": -50_000}
    assert [a.amount for a in shop.now.payments.attempts] == [5_000, 45_000]
    laws.matrix_exact(shop.now.payments.plan)
    for verb in ("accept", "ship", "deliver", "complete"):
        getattr(shop.engine, verb)(shop.id, key=shop.world.key())
    assert shop.now.state == "completed"
    assert shop.books() == {
        "clearing:wechat": 50_000, "revenue": -44_248, "tax_payable:13": -5_752,
    }  # fmt: skip
    shop.check()


# Case 3 --------------------------------------------------------------------------------------


def test_a_balance_that_is_not_paid_in_its_window_loses_the_deposit() -> None:
    """500.00 = 50.00 + 450.00: 50.00 are kept, the goods are free again."""
    shop = Shop()
    assert shop.opened() == "awaiting_balance"
    assert shop.world.free()[0] == STOCK - 1
    assert shop.at(ENDS - timedelta(seconds=1)) == "awaiting_balance"
    assert shop.at(ENDS) == "forfeited"
    assert shop.events(Forfeited) == [Forfeited(5_000, reason="its time was up (forfeit)")]
    assert (shop.channel(), shop.world.free()[0]) == (5_000, STOCK)
    assert shop.books() == {"clearing:wechat": 5_000, "forfeited_deposits": -5_000}
    shop.check()


def test_of_a_large_deposit_a_fifth_of_the_price_is_kept() -> None:
    """Civil Code of China, Art. 586: of a deposit of 120.00 on 500.00, 100.00 are kept and 20.00 go back."""
    shop = Shop(deposit("120.00"))
    shop.opened()
    assert shop.at(ENDS) == "forfeited"
    assert (shop.channel(), shop.now.payments.forfeited) == (10_000, 10_000)
    (refund,) = shop.now.payments.refunds
    assert (refund.amount, refund.arrived, refund.rows) == (2_000, True, ())
    assert shop.books() == {"clearing:wechat": 10_000, "forfeited_deposits": -10_000}
    shop.check()


def test_a_seller_who_calls_it_off_gives_the_deposit_back_twice() -> None:
    """Civil Code of China, Art. 587: 50.00 go back over the channel, 50.00 come beside them to the balance."""
    shop = Shop()
    shop.opened()
    assert shop.cancel() == "closed"
    now = shop.now
    assert (shop.channel(), now.payments.refunded) == (0, 5_000)
    (given_,) = now.payments.compensations
    assert (given_.amount, given_.gateway, given_.account) == (5_000, "balance", "c1")
    assert (given_.approved_by, given_.status.value) == ("staff:s1", "arrived")
    assert shop.world.balance.balance("c1") == BALANCE + 5_000
    assert shop.books() == {"compensation": 5_000, "stored_value_liability:balance": -5_000}
    shop.check()


def test_a_deposit_of_50_that_counts_100_leaves_a_balance_of_400() -> None:
    """The price is 450.00: 50.00 and 400.00; a fifth of 500.00 may be kept, and it is what was paid."""
    shop = Shop(deposit(kind=DepositKind.EXPANDING, counts="100.00"))
    assert (shop.now.total, shop.now.asked) == (45_000, 5_000)
    shop.opened()
    assert shop.now.asked == 40_000
    assert shop.pay() == "paid"
    assert (shop.channel(), shop.books()["advances"]) == (45_000, -45_000)
    shop.check()


def test_an_expanding_deposit_is_kept_up_to_a_fifth_of_the_price_before_it() -> None:
    """98.00 that count 298.00 on 500.00: the price is 300.00, its fifth is 60.00, but 98.00 are kept."""
    shop = Shop(deposit("98.00", DepositKind.EXPANDING, "298.00"))
    assert shop.now.total == 30_000
    shop.opened()
    shop.at(ENDS)
    assert shop.now.payments.forfeited == 9_800
    shop.check()


# What is kept and what is given ---------------------------------------------------------------


def test_a_part_paid_ahead_goes_back_whole() -> None:
    """An advance is no earnest money: nothing is kept of it, nothing is doubled."""
    shop = Shop(deposit(kind=DepositKind.ADVANCE))
    shop.opened()
    assert shop.at(ENDS) == "forfeited"
    assert (shop.channel(), shop.now.payments.forfeited, shop.books()) == (0, 0, {})
    shop.check()
    other = Shop(deposit(kind=DepositKind.ADVANCE))
    other.opened()
    other.cancel()
    assert (other.channel(), other.now.payments.compensations) == (0, ())


def test_tax_stands_on_what_is_kept_where_the_policy_says_so() -> None:
    """United Kingdom, HMRC Brief 13/2018: 20 % are inside the 50.00 that are kept."""
    shop = Shop(rules=policies(forfeited_tax=Percent.of("20")))
    shop.opened()
    shop.at(ENDS)
    assert shop.events(Forfeited) == [Forfeited(5_000, 833, 200_000, "its time was up (forfeit)")]
    assert shop.books() == {
        "clearing:wechat": 5_000, "forfeited_deposits": -4_167, "tax_payable:20": -833,
    }  # fmt: skip
    shop.check()


def test_a_deposit_is_doubled_only_where_the_policy_says_so_and_only_for_the_seller() -> None:
    """A customer who cancels before anything is paid gets nothing; with the policy off nobody does."""
    shop = Shop(rules=policies(double_earnest=False))
    shop.opened()
    shop.cancel()
    assert (shop.channel(), shop.now.payments.compensations) == (0, ())
    unpaid = Shop()
    assert unpaid.cancel(SHOPPER) == "closed"
    assert unpaid.now.payments.compensations == ()
    paid = Shop()
    paid.opened()
    paid.pay()
    assert paid.cancel(SHOPPER) == "closed"
    assert (paid.channel(), paid.now.payments.compensations) == (0, ())
    paid.check()


def test_a_customer_does_not_cancel_a_deposit_that_is_paid() -> None:
    """The deposit binds both."""
    shop = Shop()
    shop.opened()
    with pytest.raises(NotAllowed):
        shop.cancel(SHOPPER)


def test_of_a_deposit_above_a_fifth_only_the_earnest_part_is_doubled() -> None:
    """What is above the cap is no earnest money, so of 120.00 the seller owes 100.00 beside them."""
    shop = Shop(deposit("120.00"))
    shop.opened()
    shop.cancel()
    assert [given_.amount for given_ in shop.now.payments.compensations] == [10_000]
    assert shop.channel() == 0
    shop.check()


def test_what_was_forfeited_is_not_refunded_later() -> None:
    """It is no customer's money any more; who wants to give it back compensates."""
    shop = Shop()
    shop.opened()
    shop.at(ENDS)
    with pytest.raises(NotAllowed, match="has been refunded"):
        shop.engine.refund(shop.id, reason="goodwill", key="r", by=STAFF)
    result = shop.engine.compensate(shop.id, money("50.00"), reason="goodwill", key="g", by=STAFF)
    assert result.compensation.amount == 5_000
    shop.check()


def test_one_refund_goes_over_both_channel_payments() -> None:
    """Deposit 50.00 and balance 450.00 are two charges: all back is one refund of two legs, exact."""
    shop = Shop()
    shop.opened()
    shop.pay()
    shop.engine.refund(shop.id, reason="back", key="r", by=STAFF)
    (refund,) = shop.now.payments.refunds
    assert [(leg.amount, leg.arrived) for leg in refund.legs] == [(5_000, True), (45_000, True)]
    assert (shop.now.state, shop.channel(), shop.books()) == ("refunded", 0, {})
    shop.check()


def test_a_partial_refund_of_a_presale_takes_its_share_of_both_payments() -> None:
    """Of two units of 250.00, one gives back 25.00 of the deposit and 225.00 of the balance."""
    lines = (CartLine("SKU-1", 2, money("250.00")),)
    shop = Shop(of=Cart("CNY", lines, customer=Party("c1"), presale=deposit()))
    shop.opened()
    shop.pay()
    for left in (25_000, 0):
        shop.engine.refund(shop.id, Manifest.of({"1": 1}), reason="b", key=str(left), by=STAFF)
        assert shop.channel() == left
    first, second = shop.now.payments.refunds
    assert (
        [leg.amount for leg in first.legs] == [leg.amount for leg in second.legs] == [2_500, 22_500]
    )
    shop.check()


# Windows ---------------------------------------------------------------------------------------


def test_the_balance_is_refused_before_and_after_its_window() -> None:
    """The clock says so, whether or not a sweep has come by."""
    shop = Shop()
    shop.pay()
    with pytest.raises(NotAllowed, match="can be paid from 2026-05-30T12:00"):
        shop.pay()
    shop.world.clock.set(OPENS - timedelta(seconds=1))
    with pytest.raises(NotAllowed, match="can be paid from"):
        shop.pay()
    shop.world.clock.set(ENDS + timedelta(seconds=1))
    with pytest.raises(NotAllowed, match="the time to pay ended at 2026-06-01T12:00"):
        shop.pay()
    assert shop.channel() == 5_000


def test_the_balance_is_taken_when_its_window_is_open_though_nobody_swept() -> None:
    """A payment at the very opening opens the window itself."""
    shop = Shop()
    shop.pay()
    shop.world.clock.set(OPENS)
    assert shop.pay() == "paid"
    moves = [(move.via, move.to) for move in shop.events(Moved)]
    assert moves == [
        ("pay_deposit", "deposit_paid"), ("open_balance", "awaiting_balance"), ("pay", "paid"),
    ]  # fmt: skip


def test_a_deposit_within_the_window_lets_the_balance_follow_at_once() -> None:
    """Where the window is open already, nobody waits for a sweep."""
    shop = Shop(deposit(balance_from=NOON - timedelta(days=1)))
    assert shop.pay() == "awaiting_balance"
    assert shop.pay() == "paid"


def test_staff_open_no_window_before_its_time() -> None:
    """What was agreed with the customer stands."""
    shop = Shop()
    shop.pay()
    with pytest.raises(NotAllowed, match="can be paid from"):
        shop.engine.advance(shop.id, "open_balance", key="o", by=STAFF)
    (told,) = [p for p in shop.engine.allowed_events(shop.now, STAFF) if p.event == "open_balance"]
    assert not told.possible
    shop.world.clock.set(OPENS)
    shop.engine.advance(shop.id, "open_balance", key="p", by=STAFF)
    assert shop.now.state == "awaiting_balance"


def test_a_deposit_that_is_not_paid_in_time_closes_the_order() -> None:
    """Thirty minutes as for any order; nothing is kept and the goods are free."""
    shop = Shop()
    assert shop.at(NOON + timedelta(minutes=29)) == "awaiting_deposit"
    assert len(shop.events(Reminded)) == 1
    assert shop.at(NOON + timedelta(minutes=30)) == "closed"
    shop.check()


def test_the_shopper_is_reminded_at_the_opening_and_before_the_end() -> None:
    """Once each; a window shorter than twice the lead of six hours has no reminder before its end."""
    shop = Shop()
    shop.opened()
    assert len(shop.events(Reminded)) == 1
    shop.at(ENDS - timedelta(hours=6, seconds=1))
    assert len(shop.events(Reminded)) == 1
    shop.at(ENDS - timedelta(hours=6))
    assert len(shop.events(Reminded)) == 2
    short = Shop(deposit(balance_until=OPENS + timedelta(hours=11)))
    short.opened()
    short.at(OPENS + timedelta(hours=6))
    assert len(short.events(Reminded)) == 1


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", date(2026, 10, 24)),  # the clock goes back in the window: 25 hours
        ("America/New_York", date(2026, 11, 1)),
        (SHANGHAI, date(2026, 11, 11)),
    ],
)
def test_a_window_of_one_day_of_the_shop_s_zone_ends_when_its_clock_says(
    zone: str, day: date
) -> None:
    """From 20:00 to 20:00 by the clock on the wall, an hour more where it is set back meanwhile."""
    opens = local_moment(day, time(20), zone)
    ends = local_moment(day + timedelta(days=1), time(20), zone)
    shop = Shop(deposit(balance_from=opens, balance_until=ends))
    shop.pay()
    assert shop.at(opens - timedelta(seconds=1)) == "deposit_paid"
    assert shop.at(opens) == "awaiting_balance"
    assert shop.at(ends - timedelta(seconds=1)) == "awaiting_balance"
    assert shop.at(ends) == "forfeited"
    hours = (ends - opens) / timedelta(hours=1)
    assert hours == (25 if zone == "Europe/Berlin" else 24)


def test_a_presale_is_not_placed_after_its_window() -> None:
    """Nobody could pay its balance."""
    world = World(policies=world_policies())
    engine = world.another(lifecycles=["presale"])
    quote = engine.quote(cart(deposit(balance_from=NOON - timedelta(2), balance_until=NOON)))
    with pytest.raises(InvalidCart, match="ended at") as caught:
        engine.place(quote, key="k", by=SHOPPER)
    assert caught.value.path == "cart.presale.balance_until"


def test_the_time_for_a_deposit_ends_with_the_window_of_its_balance() -> None:
    """Placed ten minutes before the end, the deposit has ten minutes."""
    shop = Shop(deposit(balance_from=NOON, balance_until=NOON + timedelta(minutes=10)))
    assert shop.now.content.pay_by == NOON + timedelta(minutes=10)


def test_a_presale_needs_a_lifecycle_that_takes_deposits() -> None:
    """Another one is refused by name, and one that the engine does not know is told."""
    world = World(policies=world_policies())
    engine = world.another(lifecycles=["presale"])
    quote = engine.quote(cart(deposit()))
    with pytest.raises(InvalidInput, match="takes no deposit"):
        engine.place(quote, key="k", by=SHOPPER, lifecycle="standard")
    with pytest.raises(UnknownLifecycle, match="presale"):
        world.another().place(quote, key="k", by=SHOPPER)


def test_a_key_stands_for_the_deposit_that_was_agreed() -> None:
    """The same goods under other conditions are another order."""
    shop = Shop()
    other = shop.engine.quote(cart(deposit(balance_until=ENDS + timedelta(hours=1))))
    with pytest.raises(KeyReused):
        shop.engine.place(other, key="place", by=SHOPPER)
    same = shop.engine.quote(cart(deposit()))
    assert shop.engine.place(same, key="place", by=SHOPPER).id == shop.id


# Tenders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (tenders.Points(100, "c1"), "points pay the balance"),
        (tenders.Balance(None, "c1"), "not the deposit"),
        (tenders.OnDelivery(gateway="wechat"), "not on delivery"),
    ],
)
def test_a_deposit_is_paid_in_money_alone(offer: Any, words: str) -> None:
    """Points and the customer's balance pay the balance of the price, where they are offered again."""
    shop = Shop()
    for verb in (shop.pay, lambda offers: shop.engine.preview(shop.id, offers)):
        with pytest.raises(InvalidTenders, match=words) as caught:
            verb((*CHANNEL, offer))
        assert caught.value.path == "tenders[1]"
    assert shop.now.payments.attempts == ()


def test_points_and_balance_pay_the_rest_of_a_presale() -> None:
    """12.34 in points, 50.00 of the balance and 387.66 over the channel, beside 50.00 that came before."""
    shop = Shop()
    shop.opened()
    preview = shop.engine.preview(shop.id, MIXED)
    assert [t.amount for t in preview.plan.tenders] == [5_000, 1_234, 5_000, 38_766]
    assert shop.pay(MIXED) == "paid"
    assert shop.channel() == 5_000 + 38_766
    assert shop.books()["advances"] == -50_000
    shop.check()
    assert shop.cancel(SHOPPER) == "closed"
    assert (shop.channel(), shop.world.accounts()[:2]) == (0, (POINTS, BALANCE))
    shop.check()


def test_a_declined_balance_leaves_the_deposit_and_the_window() -> None:
    """What the other tenders held is free again, and the next try carries the deposit."""
    shop = Shop()
    shop.world.channel.decline("bad")
    shop.opened()
    bad = (*MIXED[:2], tenders.Channel("wechat", account="bad"))
    assert shop.pay(bad) == "awaiting_balance"
    assert (shop.channel(), shop.world.accounts()[:2]) == (5_000, (POINTS, BALANCE))
    assert shop.books() == {"clearing:wechat": 5_000, "deposits_held": -5_000}
    assert shop.pay(MIXED) == "paid"
    shop.check()


def test_a_deposit_may_be_paid_by_several_tenders() -> None:
    """A gift card of 30.00 and the rest over the channel; both are deposits."""
    shop = Shop()
    offers = (tenders.StoredValue("GC-9", money("30.00")), *CHANNEL)
    assert shop.pay(offers) == "deposit_paid"
    assert (shop.channel(), shop.books()["deposits_held"]) == (2_000, -5_000)
    shop.at(OPENS)
    assert shop.at(ENDS) == "forfeited"
    assert shop.books()["forfeited_deposits"] == -5_000


# Goods and codes -------------------------------------------------------------------------------


def until(shop: Shop) -> tuple[datetime, bool]:
    """Until when the goods are promised, and whether that is final."""
    held = shop.world.stock._reserved[shop.now.content.reservation]
    return held.until, held.deducted


def test_goods_are_promised_by_what_was_paid() -> None:
    """Until the time for the deposit, then through the window of the balance, then for good."""
    shop = Shop()
    slack = shop.engine.shop.policies.stock.reserve_slack
    assert until(shop) == (NOON + timedelta(minutes=30) + slack, False)
    shop.pay()
    assert until(shop) == (ENDS + slack, False)
    shop.at(OPENS)
    assert until(shop) == (ENDS + slack, False)
    shop.pay()
    assert until(shop) == (ENDS + slack, True)


def test_goods_that_are_gone_before_the_deposit_arrives_send_it_back() -> None:
    """Paid in time and told two days later, when the promise has lapsed and somebody else has the goods."""
    shop = Shop(asks_payer=True)
    shop.pay()
    key = shop.now.payments.attempts[0].id
    shop.world.clock.set(NOON + timedelta(days=2))
    shop.world.stock.reserve("others", [("SKU-1", STOCK)], NOON + timedelta(days=90))
    body = shop.world.channel.pay(key, NOON + timedelta(minutes=1))
    shop.engine.notify("wechat", {}, body)
    shop.at(NOON + timedelta(days=3))
    assert (shop.now.state, shop.channel(), shop.now.payments.compensations) == ("closed", 0, ())


def test_goods_that_are_gone_before_the_balance_is_paid_double_the_deposit() -> None:
    """The seller cannot deliver: both payments go back, and the earnest money once more."""
    shop = Shop()
    shop.opened()
    name = shop.now.content.reservation
    shop.world.stock.release(name)
    shop.world.stock.reserve("others", [("SKU-1", STOCK)], ENDS + timedelta(days=90))
    assert shop.pay() == "closed"
    assert (shop.channel(), [c.amount for c in shop.now.payments.compensations]) == (0, [5_000])
    assert shop.books() == {"compensation": 5_000, "stored_value_liability:balance": -5_000}


def coupon_shop() -> tuple[Shop, MemoryCouponBook]:
    """A presale of 500.00 with 30.00 off by a code that is used once."""
    off = Promotion("spring", OrderAmount(money("30.00")), coupon=CouponTerms())
    rules = attrs.evolve(world_policies(), pricing=PricingPolicy(layers=(Layer("codes", (off,)),)))
    books: list[MemoryCouponBook] = []

    class _World(World):
        def another(self, policies: Any = None, **ports: Any) -> OrderEngine:
            if not books:
                books.append(MemoryCouponBook(self.clock))
                books[0].issue("SPRING", "spring")
            return super().another(policies, coupons=books[0], **ports)

    shop = Shop.__new__(Shop)
    shop.world = _World(policies=rules)
    shop.engine = shop.world.engine = shop.world.another(lifecycles=["presale"])
    wanted = cart(deposit(), codes=("SPRING",))
    shop.order = shop.engine.place(shop.engine.quote(wanted), key="place", by=SHOPPER)
    shop.id = shop.order.id
    return shop, books[0]


def test_a_code_lowers_the_balance_and_comes_back_when_the_balance_is_not_paid() -> None:
    """470.00 = 50.00 + 420.00; the code is the order's as long as it may be paid, and free after that."""
    shop, book = coupon_shop()
    assert (shop.now.total, shop.now.asked) == (47_000, 5_000)
    shop.opened()
    assert shop.now.asked == 42_000
    assert book.find(("SPRING",), "c2")[0].status.value == "used"
    assert shop.at(ENDS) == "forfeited"
    assert book.find(("SPRING",), "c2")[0].status.value == "free"
    shop.check()


# Late and lost -----------------------------------------------------------------------------------


def test_a_balance_that_was_paid_in_time_and_told_at_the_end_pays() -> None:
    """Nobody told us: at the end of the window the channel is asked first, and the order is paid."""
    shop = Shop(asks_payer=True)
    shop.pay()
    shop.world.channel.pay(shop.now.payments.attempts[0].id)
    shop.engine.pull(shop.id)
    assert shop.at(OPENS) == "awaiting_balance"
    shop.pay()
    shop.world.channel.pay(shop.now.payments.attempts[-1].id)
    assert shop.at(ENDS) == "paid"
    assert (shop.channel(), shop.now.payments.forfeited) == (50_000, 0)
    shop.check()


def test_a_code_that_nobody_pays_is_closed_at_its_channel_before_the_deposit_is_kept() -> None:
    """The window ends while a payment waits for its payer: it is closed, then the deposit is forfeited."""
    shop = Shop(asks_payer=True)
    shop.pay()
    shop.world.channel.pay(shop.now.payments.attempts[0].id)
    shop.engine.pull(shop.id)
    shop.at(OPENS)
    shop.pay()
    assert shop.at(ENDS) == "forfeited"
    assert (shop.channel(), shop.now.payments.forfeited) == (5_000, 5_000)
    assert not shop.now.payments.in_flight
    shop.check()


def test_l21_a_balance_that_comes_after_its_window_goes_back() -> None:
    """The payer scans an old code: what was kept stays kept, what came late goes back."""
    shop = Shop(channel=TalkingGateway, asks_payer=True)
    first = _told_paid(shop, shop.pay)
    assert first
    shop.at(OPENS)
    shop.pay()
    key = shop.now.payments.attempts[-1].id
    assert shop.at(ENDS) == "forfeited"
    charge = shop.world.channel._charges[key]
    charge.outcome, charge.captured = Outcome(OutcomeStatus.CAPTURED, "again"), charge.amount
    shop.engine.notify("wechat", {}, shop.world.channel.says(key, "captured"))
    shop.at(ENDS + timedelta(days=1))
    assert (shop.channel(), shop.now.payments.forfeited) == (5_000, 5_000)
    assert shop.now.owed == 0


def _told_paid(shop: Shop, pay: Any) -> str:
    """Pay and let the payer scan the code; the key."""
    pay()
    key: str = shop.now.payments.attempts[-1].id
    shop.world.channel.pay(key)
    shop.engine.pull(shop.id)
    return key


def test_l20_the_timers_of_a_window_do_nothing_once_it_is_over() -> None:
    """Old timers that are served again act once: the order keeps what it was."""
    shop = Shop()
    shop.opened()
    timers = [t for t in shop.world.store.timers() if t.key.kind is TimerKind.FORFEIT]
    assert [t.due for t in timers] == [ENDS]
    shop.pay()
    assert not [t for t in shop.world.store.timers() if t.key.kind is TimerKind.FORFEIT]
    before = shop.now
    assert shop.at(ENDS + timedelta(days=1)) == "paid"
    assert shop.now == before


@given(
    st.lists(st.integers(0, 15 * 24 * 60), max_size=6).map(sorted),
    st.sampled_from(DepositKind),
    st.integers(1, 49_999),
)
def test_l22_whatever_is_paid_when_a_presale_ends_with_nothing_held(
    minutes: list[int], kind: DepositKind, amount: int
) -> None:
    """Payments at any moments: paid in full in the window, or ended with what the law lets the seller keep."""
    shop = Shop(deposit(f"{amount // 100}.{amount % 100:02}", kind))
    for at in minutes:
        shop.at(NOON + timedelta(minutes=at))
        try:
            shop.pay()
        except NotAllowed:
            shop.check()
    state = shop.at(NOON + timedelta(days=60))
    paid = shop.now.payments
    first = [at for at in minutes if at <= 30]
    second = [at for at in minutes if 10 * 24 * 60 <= at <= 12 * 24 * 60]
    kept = 0 if kind is DepositKind.ADVANCE else min(amount, 10_000)
    if not first or minutes[0] >= 30:
        assert (state, shop.channel()) == ("closed", 0)
    elif second and second[0] < 12 * 24 * 60:
        assert (state, shop.channel(), paid.forfeited) == ("paid", 50_000, 0)
    elif not second:
        assert (state, shop.channel(), paid.forfeited) == ("forfeited", kept, kept)
    shop.check()


# Crashes ----------------------------------------------------------------------------------------


def _recovered(shop: Shop, simulation: Simulation) -> str:
    failed = simulation.recover(shop.world.clock)
    assert not failed
    return shop.at(ENDS + timedelta(days=3))


@pytest.mark.parametrize("fault", Fault)
def test_a_crash_at_any_call_of_a_deposit_keeps_it_or_gives_it_back(fault: Fault) -> None:
    """Whatever dies and wherever: in the end the deposit is kept for the missing balance, or nothing was taken."""
    ends = set()
    for step in range(1, STEPS_MAX):
        shop = Shop()
        simulation = Simulation(shop.engine)
        walk = simulation.pay(shop.id, CHANNEL, key="p", by=SHOPPER)
        if not walk.strike(step, fault):
            break
        end = _recovered(shop, simulation)
        ends.add(end)
        kept = 5_000 if end == "forfeited" else 0
        assert (shop.channel(), shop.now.payments.forfeited) == (kept, kept), (step, end)
        shop.check()
    assert step > 3
    assert ends <= {"closed", "forfeited"}


@pytest.mark.parametrize("fault", Fault)
def test_a_crash_at_any_call_of_a_balance_pays_it_or_loses_the_deposit(fault: Fault) -> None:
    """Never half: 500.00 and the goods, or 50.00 kept and all else back."""
    for step in range(1, STEPS_MAX):
        shop = Shop()
        shop.opened()
        simulation = Simulation(shop.engine)
        walk = simulation.pay(shop.id, MIXED, key="p", by=SHOPPER)
        if not walk.strike(step, fault):
            break
        end = _recovered(shop, simulation)
        if end == "paid":
            assert shop.channel() == 5_000 + 38_766, step
        else:
            assert (end, shop.channel()) == ("forfeited", 5_000), step
            assert shop.world.accounts()[:2] == (POINTS, BALANCE)
        shop.check()
    assert step > 3


@pytest.mark.parametrize("fault", Fault)
def test_a_crash_at_any_call_of_the_end_of_a_window_keeps_once_and_returns_once(
    fault: Fault,
) -> None:
    """A sweep that dies in the middle is gone on with: 100.00 kept, 20.00 back, the goods free."""
    for step in range(1, STEPS_MAX):
        shop = Shop(deposit("120.00"))
        shop.opened()
        shop.world.clock.set(ENDS)
        simulation = Simulation(shop.engine)
        if not simulation.sweep().strike(step, fault):
            break
        assert _recovered(shop, simulation) == "forfeited"
        assert (shop.channel(), shop.now.payments.forfeited) == (10_000, 10_000), step
        shop.check()
    assert step > 3


@pytest.mark.parametrize("fault", Fault)
def test_a_crash_at_any_call_of_a_cancellation_compensates_once(fault: Fault) -> None:
    """The refund and the doubled deposit are both owed from the first write on, and each is given once."""
    for step in range(1, STEPS_MAX):
        shop = Shop()
        shop.opened()
        simulation = Simulation(shop.engine)
        walk = simulation.cancel(shop.id, reason="no goods", key="c", by=STAFF)
        if not walk.strike(step, fault):
            break
        simulation.recover(shop.world.clock)
        if shop.now.state == "awaiting_balance":
            continue  # it died before anything was written
        assert (shop.channel(), shop.world.balance.balance("c1")) == (0, BALANCE + 5_000), step
        shop.check()
    assert step > 3


# Versions ----------------------------------------------------------------------------------------


def test_an_order_of_the_first_version_goes_on_by_its_own_clocks() -> None:
    """Its window is of two days from its opening by staff; it asks all of the price, and keeps nothing."""
    world = World(policies=world_policies())
    old = world.another(lifecycles=[built_in("presale", FACTS, 1)])
    order = old.place(old.quote(cart(None)), key="k", by=SHOPPER, lifecycle="presale")
    for event in ("pay_deposit", "open_balance"):
        old.advance(order.id, event, key=event, by=STAFF)
    world.engine = world.another(lifecycles=["presale"])
    world.clock.set(NOON + timedelta(days=2))
    world.engine.sweep()
    world.engine.sweep()
    ended = world.engine.get(order.id)
    assert (ended.content.lifecycle_version, ended.state) == (1, "forfeited")


def test_a_cart_without_a_deposit_is_paid_in_full_under_the_lifecycle_of_presales() -> None:
    """It asks for all of the price at once, and closes like any other order where nobody pays."""
    world = World(policies=world_policies())
    engine = world.another(lifecycles=["presale"])
    order = engine.place(engine.quote(cart(None)), key="k", by=SHOPPER, lifecycle="presale")
    assert (order.presale, order.deposit, order.asked) == (None, 0, 50_000)
    with pytest.raises(NotAllowed):
        engine.advance(order.id, "pay_deposit", key="d", by=STAFF)
    assert engine.pay(order.id, CHANNEL, key="p", by=SHOPPER).order.state == "paid"


# Amendments --------------------------------------------------------------------------------------


def test_an_amended_presale_keeps_its_deposit_its_windows_and_its_merchants() -> None:
    """Staff add a unit after the deposit: 950.00 are asked in the same window, the goods last through it."""
    rules = attrs.evolve(world_policies(), handling=HandlingPolicy(overrules=(Rule.AMEND_STATE,)))
    line = CartLine("SKU-1", 1, money("500.00"), merchant="north")
    shop = Shop(of=Cart("CNY", (line,), customer=Party("c1"), presale=deposit()), rules=rules)
    shop.pay()
    changes = [ChangeQuantity("1", 2)]
    shop.engine.amend(shop.id, changes, key="a", by=STAFF, overrule="the customer asked")
    now = shop.now
    assert (now.state, now.total, now.asked) == ("deposit_paid", 100_000, 95_000)
    assert now.presale == deposit()
    assert [line.merchant for line in now.lines] == ["north"]
    slack = shop.engine.shop.policies.stock.reserve_slack
    held = [shop.world.stock._reserved[name].until for name, _ in now.reservations()]
    assert held == [ENDS + slack, ENDS + slack]
    shop.at(OPENS)
    assert shop.pay() == "paid"
    assert shop.channel() == 100_000
    shop.check()


def test_an_amendment_that_leaves_no_balance_is_refused() -> None:
    """A deposit is less than the price, also of what is left of it."""
    rules = attrs.evolve(world_policies(), handling=HandlingPolicy(overrules=(Rule.AMEND_STATE,)))
    lines = (CartLine("SKU-1", 1, money("480.00")), CartLine("SKU-2", 1, money("50.00")))
    shop = Shop(of=Cart("CNY", lines, customer=Party("c1"), presale=deposit()), rules=rules)
    shop.pay()
    with pytest.raises(InvalidCart, match="less than the price"):
        shop.engine.amend(shop.id, [RemoveLine("1")], key="a", by=STAFF, overrule="asked")
