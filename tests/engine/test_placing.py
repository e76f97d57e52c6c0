"""Placing: the price lock, the promise of goods, the key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.engine.world import NOON, SHOPPER, THREE, World, after, order_a

from ordercore import (
    Actor,
    Address,
    AmountOff,
    Cart,
    CartLine,
    InvalidInput,
    KeyReused,
    Money,
    NotAllowed,
    OrderKind,
    OutOfStock,
    Party,
    Percent,
    PercentOff,
    Policies,
    PriceChanged,
    PricingPolicy,
    TaxPolicy,
    TaxRate,
)
from ordercore.adapters.memory import MemoryStock, MemoryStore
from ordercore.errors import InsideTransaction, StoreError
from ordercore.order import Placed
from ordercore.testing.simulation import Simulation
from ordercore.timeout import TimerKind

DEARER = Policies(
    pricing=PricingPolicy(tax=TaxPolicy(prices_include_tax=False, default=Percent.of("20")))
)
NO_RATE = Policies(
    pricing=PricingPolicy(tax=TaxPolicy((TaxRate(Percent.of("5"), "books"),), default=None))
)


class JoinedStore(MemoryStore):
    """A store that writes in a transaction which the host has open."""

    joined = True


class JoiningStock(MemoryStock):
    """A keeper that lives in the store's transaction."""

    joins = True


class ForgetfulStore(MemoryStore):
    """A store whose first commit is done and whose answer is lost."""

    lost = False

    def commit(self, changes: object) -> None:
        """Write, and once say that it failed."""
        super().commit(changes)  # type: ignore[arg-type]
        if not self.lost:
            self.lost = True
            raise StoreError("the connection broke")


def test_a_placed_order_waits_for_its_payment_with_goods_and_timers() -> None:
    """Placing writes one event, promises the goods, and sets the reminder and the deadline."""
    world = World()
    order = world.placed()
    assert (order.state, order.number, order.total, order.version) == (
        "pending_payment", "ORD-0000000001", 26997, 1,
    )  # fmt: skip
    assert order.content.pay_by == after(30)
    assert world.free() == [4, 4, 4]
    assert {(t.key.kind, t.due) for t in world.store.timers()} == {
        (TimerKind.REMIND_PAYMENT, after(25)),
        (TimerKind.CLOSE_UNPAID, after(30)),
    }
    told = world.engine.journal(order.id)
    assert [(t.sequence, t.at, t.by, t.command, type(t.event)) for t in told] == [
        (1, NOON, SHOPPER, "Place", Placed)
    ]
    assert world.books() == {}


def test_the_promise_of_goods_outlives_the_payment_window() -> None:
    """Goods stay promised for as long as an open payment may take to be resolved."""
    world = World()
    order = world.placed()
    reserved = world.stock._reserved[order.content.reservation]
    assert reserved.until == after(30) + world.policies.stock.reserve_slack


# --- The price lock -----------------------------------------------------------------------------


def test_a_valid_quote_is_placed_as_shown_whatever_the_policies_say_now() -> None:
    """Within its time the shopper pays what was shown."""
    world = World()
    quote = world.quote()
    world.clock.set(quote.valid_until)
    order = world.another(DEARER).place(quote, key="k", by=SHOPPER)
    assert order.total == quote.total == 26997
    assert order.content.lines == quote.lines


def test_a_lapsed_quote_of_the_same_price_is_placed() -> None:
    """After its time a quote still stands if today's price is the same."""
    world = World()
    quote = world.quote()
    world.clock.set(quote.valid_until + timedelta(seconds=1))
    order = world.engine.place(quote, key="k", by=SHOPPER)
    assert order.total == quote.total
    assert order.content.priced_at == world.clock.now()


@pytest.mark.parametrize("stocked", [True, False])
def test_a_lapsed_quote_of_another_price_is_refused_and_nothing_is_written(stocked: bool) -> None:
    """The refusal tells the old price, the new one and why; no order, no promise, no number."""
    world = World(stocked=stocked)
    quote = world.quote()
    world.clock.set(quote.valid_until + timedelta(seconds=1))
    dearer = world.another(DEARER)
    with world.refused(PriceChanged) as caught:
        dearer.place(quote, key="k", by=SHOPPER)
    assert caught.value.data["old"] == 26997
    assert caught.value.data["new"] == 32397
    assert "lapsed" in str(caught.value.data["why"])
    assert world.free() == [5, 5, 5]
    assert world.placed().number == "ORD-0000000001"


@pytest.mark.parametrize("policies", [DEARER, NO_RATE], ids=["dearer", "no rate"])
@pytest.mark.parametrize("stocked", [True, False])
def test_l13_a_placed_quote_is_answered_after_it_lapsed(stocked: bool, policies: Policies) -> None:
    """The same key gives the order that it placed, however the prices have changed since."""
    world = World(stocked=stocked)
    quote = world.quote()
    order = world.engine.place(quote, key="k", by=SHOPPER)
    world.clock.set(quote.valid_until + timedelta(days=1))
    before = world.snapshot()
    assert world.another(policies).place(quote, key="k", by=SHOPPER) == order
    assert world.snapshot()["orders"] == before["orders"]


# --- The key ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stocked", [True, False])
def test_l13_placing_twice_under_one_key_is_one_order(stocked: bool) -> None:
    """The second call answers with the first one's order and changes nothing."""
    world = World(stocked=stocked)
    quote = world.quote()
    first = world.engine.place(quote, key="k", by=SHOPPER)
    before = world.snapshot()
    assert world.engine.place(quote, key="k", by=SHOPPER) == first
    assert world.snapshot() == before


def test_l13_the_key_answers_with_the_order_as_it_now_stands() -> None:
    """After the order moved on, its key still gives it, in its present state."""
    world = World()
    quote = world.quote()
    order = world.engine.place(quote, key="k", by=SHOPPER)
    paid = world.pay(order).order
    assert world.engine.place(quote, key="k", by=SHOPPER) == paid


def other_goods(cart: Cart) -> Cart:
    """Two of the first article."""
    line = CartLine("SKU-1", 2, Money("99.99", "CNY"))
    return Cart(cart.currency, (line, *cart.lines[1:]), cart.discounts, customer=cart.customer)


def other_customer(cart: Cart) -> Cart:
    """Somebody else buys."""
    return Cart(cart.currency, cart.lines, cart.discounts, customer=Party("c2"))


def other_address(cart: Cart) -> Cart:
    """It goes elsewhere."""
    address = Address("A. Shopper", ("1 High Street",), "Leeds", country="GB")
    return Cart(cart.currency, cart.lines, cart.discounts, customer=cart.customer, address=address)


def other_kind(cart: Cart) -> Cart:
    """It is a flash sale."""
    return Cart(
        cart.currency, cart.lines, cart.discounts, customer=cart.customer,
        kind=OrderKind.FLASH_SALE,
    )  # fmt: skip


@pytest.mark.parametrize("change", [other_goods, other_customer, other_address, other_kind])
@pytest.mark.parametrize("stocked", [True, False])
def test_l13_a_key_with_other_content_is_refused(stocked: bool, change: object) -> None:
    """Other goods, another customer, another address or another kind need another key."""
    world = World(stocked=stocked)
    world.engine.place(world.quote(), key="k", by=SHOPPER)
    other = world.engine.quote(change(order_a()))  # type: ignore[operator]
    by = Actor.customer(other.customer.id)
    with world.refused(KeyReused) as caught:
        world.engine.place(other, key="k", by=by)
    assert caught.value.path == "key"


def test_l13_shops_have_keys_of_their_own() -> None:
    """Two shops of one host may use the same key."""
    world = World()
    here, there = (world.engine.quote(order_a(shop=shop)) for shop in ("here", "there"))
    placed = [world.engine.place(quote, key="k", by=SHOPPER) for quote in (here, there)]
    assert placed[0].id != placed[1].id
    assert [order.shop for order in placed] == ["here", "there"]


@pytest.mark.parametrize("stocked", [True, False])
def test_l13_threads_that_place_under_one_key_get_one_order(stocked: bool) -> None:
    """However many workers send the same key at once, there is one order and one promise."""
    world = World(stocked=stocked)
    quote = world.quote()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(world.engine.place, quote, key="k", by=SHOPPER) for _ in range(16)]
        orders = {call.result().id for call in calls}
    assert len(orders) == 1
    assert len(world.orders()) == 1
    assert world.free() == ([4, 4, 4] if stocked else [5, 5, 5])


def test_l13_an_order_whose_commit_lost_its_answer_is_found_by_its_key() -> None:
    """A write that was done but not confirmed is no second order when the host tries again."""
    world = World(store=ForgetfulStore())
    quote = world.quote()
    with pytest.raises(StoreError):
        world.engine.place(quote, key="k", by=SHOPPER)
    order = world.engine.place(quote, key="k", by=SHOPPER)
    assert world.orders() == (order,)
    assert world.free() == [4, 4, 4]


# --- The goods ----------------------------------------------------------------------------------


def test_l19_what_is_out_of_stock_is_refused_and_nothing_is_promised() -> None:
    """All or nothing: one article that is short frees the others too."""
    world = World()
    lines = (CartLine("SKU-1", 2, Money("1.00", "CNY")), CartLine("SKU-2", 6, Money("1.00", "CNY")))
    quote = world.engine.quote(Cart("CNY", lines, customer=Party("c1")))
    with world.refused(OutOfStock) as caught:
        world.engine.place(quote, key="k", by=SHOPPER)
    assert caught.value.data == {"sku": "SKU-2", "free": 5, "asked": 6}
    assert world.free() == [5, 5, 5]


def test_l19_threads_never_promise_more_than_there_is() -> None:
    """Of many shoppers at once, as many get the goods as there are goods."""
    world = World()
    quote = world.quote()

    def one(number: int) -> bool:
        try:
            world.engine.place(quote, key=f"k{number}", by=SHOPPER)
        except OutOfStock:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(16))) == 5
    assert world.free() == [0, 0, 0]


def test_l19_a_crashed_placing_leaves_no_promise_for_other_goods() -> None:
    """A key that promised goods and placed nothing may place other goods, and promises those."""
    world = World()
    Simulation(world.engine).place(world.quote(), key="k", by=SHOPPER).go(2).crash()
    assert world.free() == [4, 4, 4]
    line = CartLine("SKU-1", 3, Money("1.00", "CNY"))
    quote = world.engine.quote(Cart("CNY", (line,), customer=Party("c1")))
    order = world.engine.place(quote, key="k", by=SHOPPER)
    assert world.stock.reserved(order.content.reservation) == {"SKU-1": 3}


def test_l22_a_crashed_placing_keeps_goods_only_until_its_promise_lapses() -> None:
    """A promise without an order ends by itself."""
    world = World()
    Simulation(world.engine).place(world.quote(), key="k", by=SHOPPER).go(2).crash()
    world.clock.set(after(30) + world.policies.stock.reserve_slack)
    assert world.free() == [5, 5, 5]


def test_an_order_with_nothing_to_pay_is_paid_at_once() -> None:
    """A discount of all of it leaves nothing due: the goods are final and no timer waits."""
    world = World()
    cart = order_a()
    free = Cart("CNY", cart.lines, (PercentOff(Percent.of("100")),), customer=cart.customer)
    order = world.engine.place(world.engine.quote(free), key="k", by=SHOPPER)
    assert (order.state, order.total) == ("paid", 0)
    assert world.store.timers() == ()
    world.clock.advance(timedelta(days=30))
    assert world.free() == [4, 4, 4]
    world.check()


def test_l22_an_order_with_nothing_to_pay_can_be_canceled() -> None:
    """Canceling it closes it and frees its goods; no money moves."""
    world = World()
    cart = order_a()
    free = Cart("CNY", cart.lines, (AmountOff(Money("299.97", "CNY")),), customer=cart.customer)
    order = world.engine.place(world.engine.quote(free), key="k", by=SHOPPER)
    assert world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER).state == "closed"
    assert world.free() == [5, 5, 5]
    world.check()


# --- The host's transaction ---------------------------------------------------------------------


def test_placing_joins_the_hosts_transaction_where_the_keeper_does() -> None:
    """With a keeper in the same transaction, or none, an order is placed inside it."""
    for stock in (None, "joining"):
        world = World(store=JoinedStore(), stocked=False)
        keeper = (
            None
            if stock is None
            else JoiningStock(world.clock, {"SKU-1": 1, "SKU-2": 1, "SKU-3": 1})
        )
        order = world.another(stock=keeper).place(world.quote(), key="k", by=SHOPPER)
        assert order.state == "pending_payment"


def test_placing_inside_a_transaction_that_the_keeper_does_not_join_is_refused() -> None:
    """If the host rolled back, the goods would stay promised: so nothing is promised."""
    world = World(store=JoinedStore())
    with world.refused(InsideTransaction):
        world.engine.place(world.quote(), key="k", by=SHOPPER)


@pytest.mark.parametrize("verb", ["pay", "cancel", "refund", "notify", "sweep", "pull", "relay"])
def test_a_flow_that_calls_out_is_refused_inside_a_transaction(verb: str) -> None:
    """An intent inside the host's open transaction would not be durable when a gateway is called."""
    world = World(store=JoinedStore(), stocked=False)
    order = world.placed()
    engine = world.engine
    calls = {
        "pay": lambda: engine.pay(order.id, THREE, key="p", by=SHOPPER),
        "cancel": lambda: engine.cancel(order.id, reason="no", key="c", by=SHOPPER),
        "refund": lambda: engine.refund(order.id, reason="no", key="r", by=SHOPPER),
        "notify": lambda: engine.notify("wechat", {}, b"wechat:x/1"),
        "sweep": engine.sweep,
        "pull": lambda: engine.pull(order.id),
        "relay": lambda: engine.relay(None),  # type: ignore[arg-type]
    }
    with world.refused(InsideTransaction):
        calls[verb]()


def test_a_flow_that_calls_nobody_joins_the_hosts_transaction() -> None:
    """Accepting, shipping, delivering and completing write only what the host commits."""
    world = World(stocked=False)
    order = world.paid()
    world.store.joined = True  # type: ignore[misc]
    engine = world.engine
    engine.accept(order.id, key="a")
    engine.ship(order.id, key="s")
    engine.deliver(order.id, key="d")
    assert engine.complete(order.id, key="c").state == "completed"


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_a_key_is_1_to_200_characters(key: str) -> None:
    """An empty key and one too long are refused before anything is promised."""
    world = World()
    with world.refused(InvalidInput) as caught:
        world.engine.place(world.quote(), key=key, by=SHOPPER)
    assert caught.value.path == "key"
    assert world.engine.place(world.quote(), key="k" * 200, by=SHOPPER).version == 1


# --- Whose order --------------------------------------------------------------------------------


def guest_cart() -> Cart:
    """Order A in a cart that names no customer."""
    return Cart("CNY", order_a().lines, customer=Party())


def test_a_cart_without_a_customer_belongs_to_the_customer_who_places_it() -> None:
    """Nobody else may pay it, or cancel it."""
    world = World()
    order = world.engine.place(world.engine.quote(guest_cart()), key="k", by=SHOPPER)
    assert order.content.customer.id == "c1"
    stranger = Actor.customer("c2")
    with world.refused(NotAllowed):
        world.engine.cancel(order.id, reason="no", key="c", by=stranger)
    assert world.pay(order).paid


def test_l13_a_key_of_one_customer_does_not_show_anothers_order() -> None:
    """Two customers with equal carts and the same key: the second is refused, and sees nothing."""
    world = World()
    quote = world.engine.quote(guest_cart())
    world.engine.place(quote, key="k", by=SHOPPER)
    with world.refused(KeyReused):
        world.engine.place(quote, key="k", by=Actor.customer("c2"))


def test_l12_a_customer_places_nothing_for_another() -> None:
    """The cart names its customer; a stranger does not place it."""
    world = World()
    with world.refused(NotAllowed):
        world.engine.place(world.quote(), key="k", by=Actor.customer("c2"))
    assert world.free() == [5, 5, 5]
