"""When goods are promised and made final, by policy; and what a presale counts on until it is paid in full."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore import (
    Actor,
    Cart,
    CartLine,
    DepositKind,
    Manifest,
    Money,
    OrderEngine,
    Party,
    Policies,
    Presale,
    SettableClock,
    tenders,
)
from ordercore.adapters.memory import AccountGateway, MemoryGateway, MemoryStock, MemoryStore
from ordercore.errors import InvalidPolicy, OrdercoreError, OtherSideFailed, OutOfStock
from ordercore.fulfillment import (
    DeductAt,
    PresaleStock,
    ReserveAt,
    StockPolicy,
    StockTier,
    tier_sku,
)
from ordercore.fulfillment.stock import quota_name
from ordercore.order import ChangeQuantity
from ordercore.pricing import OrderKind
from ordercore.testing import FaultyStock, PortFault

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
OPENS, ENDS = NOON + timedelta(days=10), NOON + timedelta(days=12)
ADA, KIM = Actor.customer("ada"), Actor.staff("kim")
QUOTA = tier_sku("LAMP", StockTier.PRESALE)


class Shop:
    """A shop with so many lamps, a quota of two, and one policy for its stock."""

    def __init__(self, policy: StockPolicy, lamps: int = 5, **options: Any) -> None:
        self.clock = SettableClock(NOON)
        self.card = MemoryGateway("card", self.clock)
        self.balance = AccountGateway("balance", self.clock)
        self.stock = MemoryStock(self.clock, {"LAMP": lamps, QUOTA: 2})
        self.keeper = FaultyStock(self.stock)
        self.engine = OrderEngine(
            MemoryStore(),
            {"card": self.card, "balance": self.balance},
            self.keeper,
            policies=Policies(stock=policy),
            clock=self.clock,
            lifecycles=["presale"],
            **options,
        )

    def quote(self, units: int = 1, price: str = "500.00", **cart: Any) -> Any:
        """The price of some lamps."""
        lines = (CartLine("LAMP", units, Money(price, "CNY")),)
        return self.engine.quote(Cart("CNY", lines, customer=Party("ada"), **cart))

    def place(self, key: str, units: int = 1, **cart: Any) -> str:
        """An order for some lamps."""
        return self.engine.place(self.quote(units, **cart), key=key, by=ADA).id

    def presale(self, key: str) -> str:
        """An order for one lamp, against a deposit."""
        deposit = Money("50.00", "CNY")
        return self.place(
            key,
            presale=Presale(
                deposit, kind=DepositKind.EARNEST, balance_from=OPENS, balance_until=ENDS
            ),
        )

    def pay(self, order: str, key: str) -> str:
        """Pay what is asked; the state after it."""
        self.engine.pay(order, [tenders.Channel("card")], key=key, by=ADA)
        return self.state(order)

    def state(self, order: str) -> str:
        """Where the order stands."""
        return self.engine.get(order).state

    def at(self, moment: datetime) -> None:
        """Let time go on, and the sweeper run."""
        self.clock.set(moment)
        self.engine.sweep()

    def free(self, sku: str = "LAMP") -> int | None:
        """Units that may be promised."""
        return self.stock.free(sku)


# Final when it is placed.


def test_goods_that_are_final_at_the_order_do_not_lapse() -> None:
    """Nobody sweeps for a year, and the goods are still the order's; closed unpaid, it gives them back."""
    shop = Shop(StockPolicy(deduct=DeductAt.ORDER))
    order = shop.place("c", 2)
    shop.clock.set(NOON + timedelta(days=365))
    assert shop.free() == 3
    shop.engine.sweep()
    assert (shop.state(order), shop.free()) == ("closed", 5)


def test_goods_that_are_final_at_the_payment_lapse_before_it() -> None:
    """By default a promise ends by itself, also where nobody sweeps."""
    shop = Shop(StockPolicy())
    shop.place("c", 2)
    shop.clock.set(NOON + timedelta(days=365))
    assert shop.free() == 5


def test_goods_are_made_final_by_the_sweeper_where_the_keeper_could_not_be_reached() -> None:
    """The order is written before its goods are final, and what is owed is not forgotten."""
    shop = Shop(StockPolicy(deduct=DeductAt.ORDER))
    shop.keeper.fail_next(PortFault.NOT_SENT, "deduct")
    with pytest.raises(OtherSideFailed):
        shop.place("c", 2)
    order = shop.place("c", 2)
    shop.at(NOON + timedelta(minutes=2))
    shop.clock.set(NOON + timedelta(days=365))
    assert (shop.state(order), shop.free()) == ("pending_payment", 3)


def test_what_comes_to_an_order_by_an_amendment_is_final_too() -> None:
    """One lamp more is no promise that lapses."""
    shop = Shop(StockPolicy(deduct=DeductAt.ORDER))
    order = shop.place("c", 2)
    shop.engine.amend(order, [ChangeQuantity("1", 3)], key="a", by=KIM)
    shop.clock.set(NOON + timedelta(days=365))
    assert shop.free() == 2


# Promised when it is paid.


def test_of_goods_promised_at_the_payment_the_first_payer_gets_the_last() -> None:
    """L19: two order the last lamp, one pays first; the money of the other goes back whole."""
    shop = Shop(StockPolicy(reserve=ReserveAt.PAYMENT), lamps=1)
    first, second = shop.place("c-1"), shop.place("c-2")
    assert shop.free() == 1
    assert shop.pay(second, "p-2") == "paid"
    assert (shop.free(), shop.card.taken) == (0, 500_00)
    shop.pay(first, "p-1")
    shop.engine.sweep()
    assert shop.state(first) != "paid"
    assert (shop.free(), shop.card.taken) == (0, 500_00)
    assert shop.engine.get(first).payments.captured == shop.engine.get(first).payments.refunded


def test_an_order_that_waits_for_no_payment_holds_its_goods_at_once() -> None:
    """What costs nothing is paid when it is placed: it is refused where the goods are not there."""
    shop = Shop(StockPolicy(reserve=ReserveAt.PAYMENT), lamps=1)
    free = shop.engine.place(shop.quote(price="0.00"), key="c-1", by=ADA)
    assert (free.state, shop.free()) == ("paid", 0)
    with pytest.raises(OutOfStock):
        shop.engine.place(shop.quote(price="0.00"), key="c-2", by=ADA)
    shop.clock.set(NOON + timedelta(days=365))
    assert shop.free() == 0


def test_a_kind_of_orders_may_be_promised_otherwise() -> None:
    """Flash goods are first paid, first served, while all others are held for who ordered them."""
    shop = Shop(StockPolicy(kinds={OrderKind.FLASH_SALE: ReserveAt.PAYMENT}))
    shop.place("c-1", kind=OrderKind.FLASH_SALE)
    assert shop.free() == 5
    shop.place("c-2")
    assert shop.free() == 4


def test_goods_cannot_be_final_before_they_are_promised() -> None:
    """Final at the order and promised at the payment is refused, with the key that is wrong."""
    late = StockPolicy(reserve=ReserveAt.PAYMENT, deduct=DeductAt.ORDER)
    kinds = StockPolicy(deduct=DeductAt.ORDER, kinds={OrderKind.FLASH_SALE: ReserveAt.PAYMENT})
    for policy, path in ((late, "stock.reserve"), (kinds, "stock.kinds.flash_sale")):
        with pytest.raises(InvalidPolicy) as caught:
            Policies(stock=policy).check()
        assert caught.value.path == path


# Presales.


def test_a_presale_counts_on_its_quota_until_it_is_paid_in_full() -> None:
    """Two deposits use the quota up while the stock is sold to others; the balance takes from the stock."""
    shop = Shop(StockPolicy(presale=PresaleStock.QUOTA))
    first, _ = shop.presale("c-1"), shop.presale("c-2")
    with pytest.raises(OutOfStock) as caught:
        shop.presale("c-3")
    assert caught.value.data["sku"] == QUOTA
    assert shop.pay(first, "deposit") == "deposit_paid"
    assert (shop.free(), shop.free(QUOTA)) == (5, 0)
    shop.at(OPENS)
    assert shop.pay(first, "balance") == "paid"
    assert (shop.free(), shop.card.taken) == (4, 500_00)
    assert shop.free(QUOTA) == 1  # of the second, whose deposit never came
    shop.engine.refund(first, Manifest.of({"1": 1}), reason="broken", key="r", by=KIM)
    assert (shop.free(), shop.free(QUOTA)) == (5, 2)


def test_a_quota_is_given_back_with_the_order() -> None:
    """A deposit that does not come frees its unit; so does a balance that does not come."""
    shop = Shop(StockPolicy(presale=PresaleStock.QUOTA))
    kept, dropped = shop.presale("c-1"), shop.presale("c-2")
    shop.pay(kept, "deposit")
    shop.at(NOON + timedelta(days=3))
    assert (shop.state(dropped), shop.free(QUOTA)) == ("closed", 1)
    shop.at(OPENS)
    shop.at(ENDS)
    assert (shop.state(kept), shop.free(QUOTA), shop.free()) == ("forfeited", 2, 5)


@pytest.mark.parametrize("sold", [False, True])
def test_a_deposit_whose_quota_was_let_go_takes_it_anew_or_goes_back(*, sold: bool) -> None:
    """L19: a promise that is gone is made anew with the deposit, and where it cannot be the money is not kept."""
    shop = Shop(StockPolicy(presale=PresaleStock.QUOTA))
    order = shop.presale("c-1")
    shop.stock.release(quota_name(shop.engine.get(order).content.reservation))
    assert shop.free(QUOTA) == 2
    if sold:
        shop.stock.reserve("others", [(QUOTA, 2)], ENDS)
    state = shop.pay(order, "deposit")
    shop.engine.sweep()
    assert state == ("closed" if sold else "deposit_paid")
    assert (shop.card.taken, shop.free(QUOTA)) == ((0, 0) if sold else (50_00, 1))


def test_a_balance_whose_goods_are_gone_goes_back_with_the_deposit() -> None:
    """The stock is promised at the balance: where it was sold to others, nothing of the money is kept."""
    shop = Shop(StockPolicy(presale=PresaleStock.QUOTA), lamps=1)
    order = shop.presale("c-1")
    shop.pay(order, "deposit")
    shop.pay(shop.place("c-2"), "p-2")
    shop.at(OPENS)
    shop.pay(order, "balance")
    shop.engine.sweep()
    assert shop.state(order) == "closed"
    assert (shop.card.taken, shop.free(), shop.free(QUOTA)) == (500_00, 0, 2)


# All policies.

POLICIES = st.builds(
    StockPolicy,
    reserve=st.sampled_from(ReserveAt),
    deduct=st.sampled_from(DeductAt),
    presale=st.sampled_from(PresaleStock),
).filter(lambda p: (p.reserve, p.deduct) != (ReserveAt.PAYMENT, DeductAt.ORDER))
STEPS = st.one_of(
    st.tuples(st.just("place"), st.integers(1, 3)),
    st.tuples(st.just("presale")),
    st.tuples(st.just("pay"), st.integers(0, 5)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.sampled_from([timedelta(minutes=20), OPENS - NOON])),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("fail"), st.sampled_from([PortFault.NOT_SENT, PortFault.LOST_ANSWER])),
)


def done(shop: Shop, step: tuple[Any, ...], number: int, orders: list[str]) -> None:
    """One step of a shopper or of time; what is refused changes nothing."""
    verb, *rest = step
    with suppress(OrdercoreError):
        if verb == "place":
            orders.append(shop.place(f"c-{number}", rest[0]))
        elif verb == "presale":
            orders.append(shop.presale(f"c-{number}"))
        elif verb == "pay" and rest[0] < len(orders):
            shop.pay(orders[rest[0]], f"p-{number}")
        elif verb == "cancel" and rest[0] < len(orders):
            shop.engine.cancel(orders[rest[0]], reason="no", key=f"x-{number}", by=KIM)
        elif verb == "wait":
            shop.clock.advance(rest[0])
        elif verb == "sweep":
            shop.engine.sweep()
        elif verb == "fail":
            shop.keeper.fail_next(rest[0])


@given(POLICIES, st.lists(STEPS, max_size=20))
def test_l19_l22_under_each_policy_paid_orders_have_their_goods_and_the_others_none(
    policy: StockPolicy, steps: list[Any]
) -> None:
    """Whatever comes, and whatever the keeper fails to hear: in the end a paid order has its goods for good, and one
    that is not paid has neither goods nor money; no more is sold than there is."""
    shop, orders = Shop(policy), list[str]()
    for number, step in enumerate(steps):
        done(shop, step, number, orders)
        assert (shop.free() or 0) >= 0
    for days in range(1, 100, 7):
        shop.clock.set(max(shop.clock.now(), ENDS + timedelta(days=days)))
        shop.engine.sweep()
    ended = [shop.engine.get(name) for name in (o.id for o in shop.engine.find())]
    paid = [order for order in ended if order.state == "paid"]
    assert {order.state for order in ended} <= {"paid", "closed", "canceled", "forfeited"}
    assert shop.free() == 5 - sum([order.content.lines[0].quantity for order in paid])
    ahead = [order for order in paid if order.presale is not None]
    assert shop.free(QUOTA) == 2 - (policy.presale is PresaleStock.QUOTA) * len(ahead)
    kept = sum([order.payments.captured - order.payments.refunded for order in ended])
    forfeited = sum([order.payments.forfeited for order in ended])
    assert kept == sum([order.total for order in paid]) + forfeited


def test_a_quota_taken_anew_for_an_order_that_changed_meanwhile_is_looked_at_again() -> None:
    """Somebody tags the order between the promise and the write: the deposit is counted once, and stays."""
    shop = Shop(StockPolicy(presale=PresaleStock.QUOTA))
    order = shop.presale("c-1")
    name = quota_name(shop.engine.get(order).content.reservation)
    shop.stock.release(name)
    promise, tagged = shop.stock.reserve, list[str]()

    def slow(reservation: str, goods: Any, until: datetime) -> None:
        promise(reservation, goods, until)
        if reservation == name and not tagged:
            tagged.append(reservation)
            shop.engine.tag(order, add=["late"], key="t", by=KIM)

    shop.stock.reserve = slow  # type: ignore[method-assign]
    assert shop.pay(order, "deposit") == "deposit_paid"
    assert (tagged, shop.free(QUOTA), shop.card.taken) == ([name], 1, 50_00)
