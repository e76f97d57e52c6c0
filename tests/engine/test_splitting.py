"""Splitting over the engine: goods and money go to orders of their own, once, whatever is lost on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.test_coupons import FREE, HELD, USED, CouponWorld
from tests.engine.world import (
    CHANNEL,
    NOON,
    SHOPPER,
    STAFF,
    STOCK,
    THREE,
    TalkingGateway,
    World,
    order_a,
    world_policies,
)

from ordercore import Address, Cart, Manifest, Money, OrderEngine, ShippingCharge, tenders
from ordercore.adapters.memory import MemoryStock
from ordercore.adapters.sql import SqlStore
from ordercore.engine.regrouping import rejoin, split
from ordercore.errors import (
    InvalidInput,
    InvalidManifest,
    KeyReused,
    NotAllowed,
)
from ordercore.fulfillment import ParcelGroup
from ordercore.order import ChangeAddress, ChangeQuantity, CommandKind
from ordercore.order.split import ChargeShare, ChargeSplit, SplitPart
from ordercore.pricing import Presale
from ordercore.tender import Outcome, OutcomeStatus
from ordercore.testing import Fault, Simulation, carts, laws, quotes, split_parts
from ordercore.testing.story import with_fields

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from ordercore import Order
    from ordercore.engine.regrouping import SplitResult
    from ordercore.pricing import Quote
    from ordercore.testing import Walk

EACH = tuple([Manifest.of({name: 1}) for name in ("1", "2", "3")])
"""Order A, a line each."""
APART = (Manifest.of({"1": 1}), Manifest.of({"2": 1, "3": 1}))
GRAMS = (500, 300, 200)


def freighted() -> Cart:
    """Order A with freight of 10.00; the lines weigh 500, 300 and 200 g."""
    cart = order_a()
    lines = tuple(
        [with_fields(line, weight_grams=g) for line, g in zip(cart.lines, GRAMS, strict=True)]
    )
    return with_fields(cart, lines=lines, shipping=ShippingCharge(Money("10.00", "CNY")))


def placed(world: World) -> Order:
    """Order A with freight, not paid."""
    return world.engine.place(world.engine.quote(freighted()), key=world.key(), by=SHOPPER)


def paid(world: World) -> Order:
    """Order A with freight, paid with points, balance and a channel."""
    return world.pay(placed(world)).order


def parted(world: World, order: Order, goods: tuple[Manifest, ...] = EACH) -> SplitResult:
    """The order, split by staff."""
    return world.engine.split(order.id, goods, key=world.key(), by=STAFF)


def check(world: World) -> None:
    """L8, L9, L15: the books balance and say what the gateways hold, each order is what its history says, and the
    books of each order that has its money tell of it."""
    laws.trial_balance_is_zero(world.engine.trial_balance())
    for order in world.orders():
        history = [(told.event, told.at) for told in world.store.journal(order.id)]
        laws.replay_gives(order, history)
        balances = world.engine.trial_balance(order.id)
        laws.trial_balance_is_zero(balances)
        if order.handling.gone:
            assert not any(balance.amount for balance in balances), order.id
            continue
        laws.books_tell_the_money(order, balances)
        laws.refunds_bounded(order.payments)
        laws.amounts_agree(order)
    world._check_gateways_hold()


class SplitWorld(World):
    """A world in which orders are split: many orders hold money of one attempt."""

    def _check_gateways_hold(self) -> None:
        books = self.books()
        for name, gateway in self.gateways.items():
            said = sum(
                amount
                for account, amount in books.items()
                if account.endswith(f":{name}") and not account.startswith("refunds")
            )
            assert gateway.taken == said, f"L9: {name} holds {gateway.taken}, the books say {said}"

    def held(self, *orders: Order) -> dict[str, int]:
        """Units that the keeper holds under the names of these orders."""
        found: dict[str, int] = {}
        for order in orders:
            for name, _ in self.get(order).reservations():
                for sku, units in self.stock.reserved(name).items():
                    found[sku] = found.get(sku, 0) + units
        return found


# Case 1 ------------------------------------------------------------------------------------------


def test_order_a_becomes_three_orders_with_their_money_to_the_cent() -> None:
    """94.99, 92.99 and 91.99; their tenders add up to 1,234 points, 50.00 and 217.63 less nothing."""
    world = SplitWorld()
    order = paid(world)
    made = parted(world, order)
    assert made.order.state == "split"
    children = made.children
    assert [child.total for child in children] == [9499, 9299, 9199]
    assert [child.content.charges[0].total for child in children] == [500, 300, 200]
    assert [(child.state, child.due, child.owed) for child in children] == [("paid", 0, 0)] * 3
    cells = [[a.amount for a in child.payments.attempts] for child in children]
    assert [sum(row) for row in cells] == [9499, 9299, 9199]
    assert [sum(column) for column in zip(*cells, strict=True)] == [1234, 5000, 21763]
    assert sum(child.payments.attempts[0].points for child in children) == 1234
    laws.split_conserves(order, children)
    check(world)


def test_parts_know_whence_they_come_and_the_order_where_it_went() -> None:
    """Numbers of parts follow the order's; part, reasons and the keeper's names are told."""
    world = SplitWorld()
    order = paid(world)
    parts = (
        SplitPart("fresh", APART[0], ("cold goods go apart",)),
        SplitPart("rest", APART[1]),
    )
    made = world.engine.split(order.id, parts, key="s", by=STAFF)
    assert [child.number for child in made.children] == [f"{order.number}-1", f"{order.number}-2"]
    lineages = [child.handling.lineage for child in made.children]
    assert [(x.parent, x.part, x.reasons) for x in lineages if x] == [
        (order.id, "fresh", ("cold goods go apart",)), (order.id, "rest", ()),
    ]  # fmt: skip
    mine = world.get(order).handling.lineage
    assert mine is not None
    assert mine.children == tuple(child.id for child in made.children)


def test_what_is_shown_is_what_is_done() -> None:
    """A preview has the figures of the split, and writes nothing."""
    world = SplitWorld()
    order = paid(world)
    before = world.snapshot()
    rule = ChargeSplit(ChargeShare.UNITS)
    shown = world.engine.preview_split(order.id, EACH, charges=rule, by=STAFF)
    assert world.snapshot() == before
    made = world.engine.split(order.id, EACH, charges=rule, key="s", by=STAFF)
    assert [part.total for part in shown] == [child.total for child in made.children]
    assert [part.payments for part in shown] == [child.payments for child in made.children]


def test_the_goods_of_parts_are_held_under_their_own_names() -> None:
    """Nothing is free in between, and nothing is held twice."""
    world = SplitWorld()
    order = paid(world)
    children = parted(world, order, APART).children
    assert world.held(children[0]) == {"SKU-1": 1}
    assert world.held(children[1]) == {"SKU-2": 1, "SKU-3": 1}
    assert world.stock.reserved(order.content.reservation) == {}
    assert world.free() == [STOCK - 1] * 3
    names = [name for child in children for name, _ in child.reservations()]
    assert len({*names, order.content.reservation}) == 3


# Case 5 ------------------------------------------------------------------------------------------


def test_a_refund_of_a_part_finds_the_original_payment() -> None:
    """Of a part of a part the money goes back over the attempt that took it, at its gateway, and to the accounts."""
    world = SplitWorld()
    order = paid(world)
    first = parted(world, order, APART).children[1]
    last = parted(world, first, (Manifest.of({"2": 1}), Manifest.of({"3": 1}))).children[0]
    assert last.total == 9299
    had = world.accounts()
    mine = {a.gateway: a.amount for a in last.payments.attempts}
    done = world.refund(last)
    assert done.state == "refunded"
    assert [leg.attempt for leg in done.payments.refunds[0].legs] == [
        a.id for a in order.payments.attempts
    ]
    charge = world.channel._charges[order.payments.attempts[-1].id]
    assert charge.refunded == mine["wechat"]
    assert world.accounts()[:2] == (had[0] + mine["points"], had[1] + mine["balance"])
    assert world.free() == [STOCK - 1, STOCK, STOCK - 1]
    check(world)


def test_every_part_refunded_gives_all_money_back() -> None:
    """Nothing of the original payments stays with the shop, and all goods are free."""
    world = SplitWorld()
    for child in parted(world, paid(world)).children:
        world.refund(child)
    assert [gateway.taken for gateway in world.gateways.values()] == [0] * 4
    assert world.free() == [STOCK] * 3
    assert world.books() == {}
    check(world)


def test_a_part_goes_its_own_way_to_its_end() -> None:
    """One part is completed and earned while another is canceled and the third waits."""
    world = SplitWorld()
    children = parted(world, paid(world)).children
    one, two, three = [child.id for child in children]
    world.engine.accept(one, key="a")
    world.engine.ship(one, key="b")
    world.engine.deliver(one, key="c")
    assert world.engine.complete(one, key="d").state == "completed"
    assert world.engine.cancel(two, reason="x", key="e", by=SHOPPER).state == "closed"
    assert world.engine.get(three).state == "paid"
    assert world.free() == [STOCK - 1, STOCK, STOCK - 1]
    check(world)


def test_an_order_that_was_refunded_in_part_is_split() -> None:
    """What is left of its goods and its money goes to the parts; the refund stays with the order."""
    world = SplitWorld()
    order = world.refund(paid(world), "1")
    rest = (Manifest.of({"2": 1}), Manifest.of({"3": 1}))
    children = parted(world, order, rest).children
    laws.split_conserves(order, children)
    assert sum(child.total for child in children) == order.total - order.payments.refunded
    assert len(world.get(order).payments.refunds) == 1
    for child in children:
        world.refund(child)
    assert [gateway.taken for gateway in world.gateways.values()] == [0] * 4
    check(world)


def test_more_than_a_part_holds_does_not_go_back() -> None:
    """L8: a part gives back what is its own, never what another part holds of the same payment."""
    world = SplitWorld()
    child = parted(world, paid(world)).children[0]
    world.refund(child)
    with world.refused(NotAllowed):
        world.refund(child)
    check(world)


# Unpaid, presold ---------------------------------------------------------------------------------


def test_each_part_of_an_unpaid_order_is_paid_by_itself() -> None:
    """A part that nobody pays closes at the deadline of the whole, and its goods are free."""
    world = SplitWorld()
    order = placed(world)
    children = parted(world, order).children
    assert [child.due for child in children] == [9499, 9299, 9199]
    assert {child.content.pay_by for child in children} == {order.content.pay_by}
    done = world.pay(children[0]).order
    assert (done.state, done.due, world.channel.taken) == ("paid", 0, 9499 - 1234 - 5000)
    world.at(31)
    assert [world.get(child).state for child in children] == ["paid", "closed", "closed"]
    assert world.held(*children) == {"SKU-1": 1}
    assert world.free() == [STOCK - 1, STOCK, STOCK]
    check(world)


def test_the_timers_of_an_order_that_was_split_do_nothing() -> None:
    """L20: at the deadline of an unpaid order that was split nothing happens to it."""
    world = SplitWorld()
    order = placed(world)
    parted(world, order)
    before = world.get(order)
    world.at(60)
    assert world.get(order) == before


def test_the_balance_of_each_part_of_a_presold_order_is_paid_by_itself() -> None:
    """The deposit was paid for the whole and is shared; each part owes the rest of its price in the window."""
    world = SplitWorld(policies=world_policies())
    engine = world.engine = world.another(lifecycles=["presale"])
    opens = NOON + timedelta(days=3)
    presale = Presale(Money("30.00", "CNY"), opens, opens + timedelta(days=2))
    cart = with_fields(order_a(), presale=presale)
    order = engine.place(engine.quote(cart), key="p", by=SHOPPER)
    order = engine.pay(order.id, CHANNEL, key="d", by=SHOPPER).order
    children = parted(world, order).children
    laws.split_conserves(order, children)
    assert [(child.state, child.due) for child in children] == [(order.state, 7999)] * 3
    assert [child.payments.secured for child in children] == [1000] * 3
    world.clock.set(opens)
    engine.sweep()
    done = engine.pay(children[0].id, CHANNEL, key="b", by=SHOPPER).order
    assert (done.due, done.payments.secured) == (0, 8999)
    assert world.channel.taken == 3000 + 7999
    check(world)


# Coupons and stock (L22) -------------------------------------------------------------------------


def test_l22_a_code_comes_back_with_the_last_part_that_needs_it() -> None:
    """As long as one part stands, the code that the price of all counted on is used."""
    world = CouponWorld()
    order = world.pay(world.bought("ONE"), CHANNEL).order
    children = world.engine.split(order.id, EACH, key="s", by=STAFF).children
    for child in children[:2]:
        world.engine.cancel(child.id, reason="x", key=world.key(), by=SHOPPER)
        assert world.status("ONE") is USED
    world.engine.cancel(children[2].id, reason="x", key=world.key(), by=SHOPPER)
    assert world.status("ONE") is FREE
    assert world.free() == [STOCK] * 3


def test_l22_a_code_of_unpaid_parts_is_used_by_the_first_that_is_paid() -> None:
    """The others close, and the code stays used."""
    world = CouponWorld()
    order = world.bought("ONE")
    children = world.engine.split(order.id, EACH, key="s", by=STAFF).children
    assert world.status("ONE") is HELD
    world.pay(children[1], CHANNEL)
    assert world.status("ONE") is USED
    world.at(31)
    assert [world.get(child).state for child in children] == ["closed", "paid", "closed"]
    assert world.status("ONE") is USED


def test_l22_a_code_of_parts_that_nobody_paid_comes_back() -> None:
    """Once the last of them is closed, somebody else may have it."""
    world = CouponWorld()
    world.engine.split(world.bought("ONE").id, EACH, key="s", by=STAFF)
    world.at(31)
    assert world.status("ONE") is FREE


# Keys and refusals (L12, L13) --------------------------------------------------------------------


def test_l13_the_same_key_splits_once() -> None:
    """The second call answers with the orders as they now stand; another split under the key is refused."""
    world = SplitWorld()
    order = paid(world)
    first = world.engine.split(order.id, EACH, key="s", by=STAFF)
    world.engine.accept(first.children[0].id, key="a")
    before = world.snapshot()
    again = world.engine.split(order.id, EACH, key="s", by=STAFF)
    assert world.snapshot() == before
    assert [child.id for child in again.children] == [child.id for child in first.children]
    assert again.children[0].state == "awaiting_shipment"
    with world.refused(KeyReused):
        world.engine.split(order.id, APART, key="s", by=STAFF)


def test_a_part_that_is_in_work_is_named_when_it_cannot_be_rejoined() -> None:
    """What a part itself refuses is told with its number."""
    world = SplitWorld()
    order = paid(world)
    child = world.engine.accept(parted(world, order).children[1].id, key="a")
    goods = Manifest.of({line.id: line.quantity for line in child.lines})
    now = world.engine.plan_parcels(child.id, [ParcelGroup(goods)], key="p")
    world.engine.pick(child.id, now.delivery.parcels[0].id, key="pick")
    with pytest.raises(NotAllowed, match=f"^part {child.number}: a parcel is packed or booked"):
        world.engine.rejoin(order.id, key="j", by=STAFF)


def test_l13_the_same_key_rejoins_once() -> None:
    """Asked again, it answers with the order as it now stands."""
    world = SplitWorld()
    order = paid(world)
    parted(world, order)
    world.engine.rejoin(order.id, key="j", by=STAFF)
    now = world.engine.accept(order.id, key="a")
    assert world.engine.rejoin(order.id, key="j", by=STAFF) == now


@pytest.mark.parametrize(
    ("goods", "error"),
    [
        (APART[:1], InvalidInput),
        ((Manifest.of({"1": 1}), Manifest.of({"2": 1})), InvalidManifest),
        ((*EACH, Manifest.of({"1": 1})), InvalidManifest),
        ((*EACH, Manifest.of({"9": 1})), InvalidManifest),
        ((Manifest.of({"1": 1, "2": 1, "3": 1}), Manifest()), InvalidManifest),
        ((Manifest.of({"1": 1}), "the rest"), InvalidInput),
        ("all", InvalidInput),
    ],
)
def test_l12_parts_that_do_not_hold_each_unit_once_change_nothing(
    goods: Any, error: type[InvalidInput]
) -> None:
    """Nothing is written, moved or called, whatever is wrong with the parts."""
    world = SplitWorld()
    order = paid(world)
    with world.refused(error):
        world.engine.split(order.id, goods, key="s", by=STAFF)


def test_l12_goods_that_have_left_are_not_split() -> None:
    """An order of which part was sent, or that is over, is left as it is."""
    world = SplitWorld()
    order = paid(world)
    world.engine.accept(order.id, key="a")
    world.engine.ship(order.id, Manifest.of({"1": 1}), key="b")
    with world.refused(NotAllowed):
        parted(world, order, (Manifest.of({"2": 1}), Manifest.of({"3": 1})))


def test_l12_a_payment_under_way_keeps_an_order_whole() -> None:
    """Nobody knows yet whose the money will be."""
    world = SplitWorld(asks_payer=True)
    order = placed(world)
    world.pay(order, CHANNEL)
    with world.refused(NotAllowed) as caught:
        parted(world, order)
    assert "under way" in caught.value.reason


def test_l12_an_order_that_was_split_refuses_all_else_and_says_where_its_goods_are() -> None:
    """Every command of people is refused with the names of the parts, but for a remark or a rejoin."""
    world = SplitWorld()
    order = paid(world)
    children = parted(world, order).children
    now = world.get(order)
    where = ", ".join(child.id for child in children)
    possible = set()
    for permission in world.engine.allowed(now, STAFF):
        if permission.possible:
            possible.add(permission.command)
        else:
            assert permission.reason
    assert possible & {
        CommandKind.CANCEL, CommandKind.REFUND, CommandKind.SHIP, CommandKind.PAY,
        CommandKind.AMEND, CommandKind.ACCEPT,
    } == set()  # fmt: skip
    refusals = (
        lambda: world.engine.cancel(order.id, reason="x", key="1", by=STAFF),
        lambda: world.refund(now),
        lambda: world.engine.accept(order.id, key="2"),
        lambda: world.engine.ship(order.id, key="3"),
        lambda: world.pay(now),
        lambda: parted(world, now),
    )
    for refused in refusals:
        with world.refused(NotAllowed) as caught:
            refused()
        assert where in caught.value.reason


# Rejoin (L17) ------------------------------------------------------------------------------------


def test_l17_rejoined_it_is_what_it_was() -> None:
    """The same goods, prices and money under the same names; then it goes on as if nothing had been."""
    world = SplitWorld()
    order = paid(world)
    children = parted(world, order).children
    for child in children:
        world.engine.accept(child.id, key=world.key())
    after = world.engine.rejoin(order.id, key="j", by=STAFF)
    laws.rejoin_inverts(order, after)
    assert after.state == "awaiting_shipment"
    assert [world.get(child).state for child in children] == ["merged"] * 3
    assert world.held(after) == {"SKU-1": 1, "SKU-2": 1, "SKU-3": 1}
    check(world)
    assert world.refund(after).state == "refunded"
    assert [gateway.taken for gateway in world.gateways.values()] == [0] * 4
    assert world.free() == [STOCK] * 3
    check(world)


@given(quotes(carts(max_lines=4, max_units=6, max_price=20_000)), st.data())
def test_l17_rejoin_inverts_split_whatever_was_bought(priced: Quote, data: DataObject) -> None:
    """Any order, paid or not, that is split in any way and rejoined has its goods, prices and money again."""
    world = SplitWorld()
    units = {f"SKU-{i}": 10_000 for i in range(10)} | {line.sku: 10_000 for line in priced.lines}
    world.stock = MemoryStock(world.clock, units)
    world.engine = world.another(stock=world.stock)
    cart = with_fields(priced.cart, customer=order_a().customer)
    order = world.engine.place(world.engine.quote(cart), key="p", by=SHOPPER)
    if order.total and data.draw(st.booleans()):
        points = tenders.Points(data.draw(st.integers(1, 500)), "c1")
        order = world.pay(order, (points, *CHANNEL)).order
    if order.shippable().total() < 2:
        with world.refused(NotAllowed):
            parted(world, order)
        return
    made = parted(world, order, data.draw(split_parts(order)))  # type: ignore[arg-type]
    laws.split_conserves(order, made.children)
    after = world.engine.rejoin(order.id, key="j", by=STAFF)
    laws.rejoin_inverts(order, after)
    assert after.state == order.state
    laws.trial_balance_is_zero(world.engine.trial_balance())


def test_l17_what_a_part_was_paid_counts_when_it_is_rejoined() -> None:
    """Of an unpaid order whose parts were paid by themselves nothing is due once it is whole again."""
    world = SplitWorld()
    order = placed(world)
    one, two = parted(world, order, APART).children
    world.pay(one, THREE)
    assert world.engine.rejoin(order.id, key="j", by=STAFF).due == two.total
    done = world.pay(order, CHANNEL).order
    assert (done.state, done.due, done.owed) == ("paid", 0, 0)
    check(world)
    assert world.refund(done).state == "refunded"
    assert [gateway.taken for gateway in world.gateways.values()] == [0] * 4


def test_a_part_that_is_not_what_it_was_is_not_rejoined() -> None:
    """After a refund, or once a part was split itself, the order stays apart; nothing is changed."""
    world = SplitWorld()
    order = paid(world)
    children = parted(world, order, APART).children
    parted(world, children[1], (Manifest.of({"2": 1}), Manifest.of({"3": 1})))
    with world.refused(NotAllowed) as caught:
        world.engine.rejoin(order.id, key="j", by=STAFF)
    assert children[1].number in caught.value.reason
    world.engine.rejoin(children[1].id, key="j1", by=STAFF)
    laws.rejoin_inverts(order, world.engine.rejoin(order.id, key="j2", by=STAFF))
    again = parted(world, order, APART).children
    world.refund(again[0])
    with world.refused(NotAllowed) as caught:
        world.engine.rejoin(order.id, key="j3", by=STAFF)
    assert again[0].number in caught.value.reason


# Workers, crashes, late news ---------------------------------------------------------------------


def _walk(world: World, order: Order, key: str = "s") -> Walk[SplitResult]:
    simulation = Simulation(world.engine)
    return simulation.walk(split(world.engine.shop, order.id, EACH, ChargeSplit(), key, STAFF))


def _at_commit(walk: Walk[Any]) -> Walk[Any]:
    """The walk, stopped before it writes."""
    for _ in range(50):
        if walk.step is None or walk.step.name.endswith("commit"):
            break
        walk.go()
    assert walk.step is not None
    return walk


def test_l12_of_two_workers_that_split_one_order_one_does() -> None:
    """The other finds it split, changes nothing and says where the goods are."""
    world = SplitWorld()
    order = paid(world)
    mine, yours = _at_commit(_walk(world, order, "s1")), _at_commit(_walk(world, order, "s2"))
    children = mine.finish().children
    with world.refused(NotAllowed) as caught:
        yours.finish()
    assert children[0].id in caught.value.reason
    assert world.held(*children) == {"SKU-1": 1, "SKU-2": 1, "SKU-3": 1}
    check(world)


def test_l12_a_split_of_what_was_sent_meanwhile_is_refused() -> None:
    """It was worked out over what is no more: all is decided anew, and then it may not be."""
    world = SplitWorld()
    order = paid(world)
    walk = _at_commit(_walk(world, order))
    world.engine.accept(order.id, key="a")
    world.engine.ship(order.id, key="b")
    with world.refused(NotAllowed):
        walk.finish()
    check(world)


def test_a_split_of_what_was_changed_meanwhile_is_worked_out_anew() -> None:
    """An order that was only taken up meanwhile is split as it now stands."""
    world = SplitWorld()
    order = paid(world)
    walk = _at_commit(_walk(world, order))
    world.engine.accept(order.id, key="a")
    assert {child.state for child in walk.finish().children} == {"awaiting_shipment"}
    check(world)


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
@pytest.mark.parametrize("funded", [True, False])
def test_a_crash_at_any_step_of_a_split_leaves_nothing_between(
    fault: Fault, *, funded: bool
) -> None:
    """Either it was split or it was not; a sweep hands over the goods, and asking again gives the same orders."""
    for at in range(1, 60):
        world = SplitWorld()
        order = paid(world) if funded else placed(world)
        if not _walk(world, order).strike(at, fault):
            break
        world.clock.advance(timedelta(minutes=2))
        world.engine.sweep()
        done = world.engine.split(order.id, EACH, key="s", by=STAFF)
        world.clock.advance(timedelta(minutes=2))
        world.engine.sweep()
        assert len(world.orders()) == 4
        assert [world.held(child) for child in done.children] == [
            {f"SKU-{i}": 1} for i in (1, 2, 3)
        ], at
        assert world.stock.reserved(order.content.reservation) == {}
        assert world.free() == [STOCK - 1] * 3
        check(world)
    assert at > 4


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_crash_at_any_step_of_a_rejoin_leaves_nothing_between(fault: Fault) -> None:
    """Either it was rejoined or it was not; asked again it is, with all of its goods."""
    for at in range(1, 60):
        world = SplitWorld()
        order = paid(world)
        parted(world, order)
        walk = Simulation(world.engine).walk(rejoin(world.engine.shop, order.id, "j", STAFF))
        if not walk.strike(at, fault):
            break
        world.clock.advance(timedelta(minutes=2))
        world.engine.sweep()
        after = world.engine.rejoin(order.id, key="j", by=STAFF)
        laws.rejoin_inverts(order, after)
        assert world.held(after) == {"SKU-1": 1, "SKU-2": 1, "SKU-3": 1}
        assert world.free() == [STOCK - 1] * 3
        check(world)
    assert at > 4


def test_l21_late_money_for_an_order_that_was_split_goes_back() -> None:
    """A declined attempt is charged after all: nobody waits for it any more, so the payer has it again."""
    world = SplitWorld(channel=TalkingGateway)
    world.channel.decline("bad")
    order = placed(world)
    world.pay(order, (tenders.Channel("wechat", account="bad"),))
    children = parted(world, order).children
    key = world.get(order).payments.attempts[0].id
    charge = world.channel._charges[key]
    charge.outcome, charge.captured = Outcome(OutcomeStatus.CAPTURED, "again"), charge.amount
    world.engine.notify("wechat", {}, world.channel.says(key, "captured"))
    world.clock.advance(timedelta(minutes=2))
    world.engine.sweep()
    assert (world.channel.taken, world.get(order).state) == (0, "split")
    assert [child.due for child in children] == [9499, 9299, 9199]
    check(world)


# Stores (L15, L23) -------------------------------------------------------------------------------


def test_l15_parts_and_whole_are_read_again_from_a_database() -> None:
    """Another process over the same tables sees the orders as they were, and each is what its history says."""
    with SqlStore("sqlite://") as store:
        store.create()
        world = SplitWorld(store=store)  # type: ignore[arg-type]
        order = paid(world)
        made = parted(world, order)
        other: OrderEngine = world.another()
        assert other.get(order.id) == made.order
        for child in made.children:
            found = other.get(child.id)
            assert found == child
            history = [(told.event, told.at) for told in store.journal(child.id)]
            laws.replay_gives(found, history)
        laws.split_conserves(order, [other.get(child.id) for child in made.children])
        again = other.rejoin(order.id, key="j", by=STAFF)
        laws.rejoin_inverts(order, again)
        laws.trial_balance_is_zero(other.trial_balance())
        history = [(told.event, told.at) for told in store.journal(order.id)]
        laws.replay_gives(world.another().get(order.id), history)


def test_a_part_goes_to_another_address_at_its_price() -> None:
    """Before it leaves, a part may go elsewhere in its country; another country or another line is refused."""
    world = World()
    order = world.paid()
    parts = [Manifest.of({"1": 1}), Manifest.of({"2": 1, "3": 1})]
    child, _ = world.engine.split(order.id, parts, key="s", by=STAFF).children
    home = Address(name="C", lines=("Road 1",), city="Xi'an")
    moved = world.engine.amend(child.id, [ChangeAddress(home)], key="a", by=STAFF)
    assert (moved.order.content.address, moved.total, moved.due) == (home, child.total, 0)
    assert (
        world.engine.amend(child.id, [ChangeAddress(home)], key="a", by=STAFF).order == moved.order
    )
    abroad = Address(country="FR")
    for change in (ChangeAddress(abroad), ChangeQuantity("1", 2)):
        with world.refused(NotAllowed):
            world.engine.amend(child.id, [change], key="b", by=STAFF)
