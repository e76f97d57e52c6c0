"""Orders of every built-in lifecycle walk their whole way through the public API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from tests.engine.world import SHOPPER, STAFF, World, after, order_a, world_policies

from ordercore import (
    HandlingPolicy,
    Manifest,
    Money,
    OrderEngine,
    OrderKind,
    Policies,
    tenders,
)
from ordercore.adapters.memory import MemoryStore
from ordercore.errors import InvalidInput, InvalidPolicy, NotAllowed
from ordercore.lifecycle.charts import BUILT_IN, built_in
from ordercore.order import FACTS, ChangeQuantity, Escalated, Moved, Reminded
from ordercore.pricing import Presale

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore import Cart, Order

WECHAT = (tenders.Channel("wechat"),)
DAY = 24 * 60
ELEVEN = tuple(state.id for state in built_in("purchasing_agent", FACTS).states)
SEVEN = (
    "processing",
    "additional_order",
    "processing_at_warehouse",
    "awaiting_confirmation_of_packing",
    "ready_for_packing",
    "ready_to_ship",
    "shipped",
)


class Walk:
    """One order of a lifecycle in a shop in memory; each verb answers with the state it led to."""

    def __init__(
        self, lifecycle: str, kind: OrderKind = OrderKind.REGULAR, cart: Cart | None = None
    ) -> None:
        self.world = World(policies=world_policies())
        self.world.engine = self.world.another(lifecycles=[lifecycle])
        self.engine = self.world.engine
        quote = self.world.quote(kind) if cart is None else self.engine.quote(cart)
        self.placed = self.engine.place(
            quote, key=self.world.key(), by=SHOPPER, lifecycle=lifecycle
        )
        self.id = self.placed.id

    @property
    def order(self) -> Order:
        """The order as it now stands."""
        return self.engine.get(self.id)

    def do(self, verb: str, *args: Any, by: Any = STAFF, **options: Any) -> str:
        """Call a verb of the engine; the state after it."""
        getattr(self.engine, verb)(self.id, *args, key=self.world.key(), by=by, **options)
        return self.order.state

    def pay(self) -> str:
        """The shopper pays what is due over the channel."""
        return self.do("pay", WECHAT, by=SHOPPER)

    def advance(self, *events: str) -> str:
        """Staff send events by name."""
        for event in events:
            self.do("advance", event)
        return self.order.state

    def amend(self, line: str, quantity: int) -> str:
        """The shopper wants so many units of a line."""
        return self.do("amend", [ChangeQuantity(line, quantity)], by=SHOPPER)

    def wait(self, minutes: float) -> str:
        """Time passes, and a sweeper comes by until nothing is due any more."""
        self.world.clock.set(after(minutes))
        self.sweep()
        return self.order.state

    def sweep(self) -> None:
        """Serve what is due, what that owes included."""
        for _ in range(4):
            self.engine.sweep()

    def way(self) -> list[str]:
        """The states it has been in, in order."""
        moves = [r.event for r in self.engine.journal(self.id) if isinstance(r.event, Moved)]
        return [moves[0].source, *[move.to for move in moves]] if moves else [self.order.state]

    def held(self) -> dict[str, int]:
        """Goods that the stock keeper holds for it."""
        found: dict[str, int] = {}
        for name, _ in self.order.reservations():
            for sku, units in self.world.stock.reserved(name).items():
                found[sku] = found.get(sku, 0) + units
        return found

    def check(self) -> None:
        """The laws that hold of every order; nothing is held for one that was released."""
        self.world.check(settled=False)
        order = self.order
        assert not order.payments.in_flight
        if order.handling.released:
            assert not any(self.held().values()), "L22: a released order holds goods"
            payments = order.payments
            kept = payments.captured - payments.refunded - payments.forfeited
            assert kept == 0, f"L21: {kept} is stranded on a released order"


def refused(act: Callable[[], Any]) -> NotAllowed:
    """The refusal of an act."""
    with pytest.raises(NotAllowed) as caught:
        act()
    return caught.value


# Standard -------------------------------------------------------------------------------------


def test_a_standard_order_walks_its_main_line_and_comes_back() -> None:
    """Placed, paid, accepted, shipped, received, completed; then all of it is refunded."""
    walk = Walk("standard")

    walk.pay()
    for verb in ("accept", "ship", "deliver", "complete"):
        walk.do(verb)
    assert walk.order.recognized
    walk.do("refund", reason="returned")
    walk.sweep()

    assert walk.way() == [
        "pending_payment",
        "paid",
        "awaiting_shipment",
        "shipped",
        "received",
        "completed",
        "refunding",
        "refunded",
    ]
    walk.check()


def test_a_standard_order_collects_a_difference_before_it_is_taken_up() -> None:
    """A paid order that grew is not accepted until the difference is paid, and it stays where it is."""
    walk = Walk("standard")
    walk.pay()
    before = walk.order.content.total

    assert walk.amend("1", 2) == "paid"
    due = walk.order.due
    assert 0 < due == walk.order.content.total - before
    refusal = refused(lambda: walk.do("accept"))
    assert refusal.data["failed_guards"] == ("nothing_due",)

    assert walk.pay() == "paid"
    assert walk.do("accept") == "awaiting_shipment"
    assert walk.do("ship") == "shipped"
    assert walk.order.payments.captured == walk.order.content.total
    walk.check()


# Flash sale -----------------------------------------------------------------------------------


def test_a_flash_sale_closes_after_five_minutes_without_a_reminder() -> None:
    """The goods are free for the next buyer as soon as the time is up."""
    walk = Walk("flash_sale", OrderKind.FLASH_SALE)

    assert walk.wait(4.9) == "pending_payment"
    assert walk.wait(5) == "closed"
    assert not [r for r in walk.engine.journal(walk.id) if isinstance(r.event, Reminded)]
    walk.check()


def test_a_flash_sale_walks_its_main_line() -> None:
    """Paid in time it goes the standard way."""
    walk = Walk("flash_sale", OrderKind.FLASH_SALE)

    walk.pay()
    for verb in ("accept", "ship", "deliver", "complete"):
        walk.do(verb)

    assert walk.order.state == "completed"
    assert walk.order.recognized
    walk.check()


def test_a_flash_sale_is_not_amended() -> None:
    """What was promised in a rush is not changed."""
    walk = Walk("flash_sale", OrderKind.FLASH_SALE)

    refused(lambda: walk.amend("1", 2))


# Review first ---------------------------------------------------------------------------------


def confirmed() -> Walk:
    """An order that staff confirmed on the telephone."""
    walk = Walk("review_first")
    walk.do(
        "review",
        valid=True,
        checklist={"address": True, "delivery": True},
        contact="telephone, 12:05, the customer herself",
    )
    return walk


def test_cash_on_delivery_is_collected_after_the_goods_have_left() -> None:
    """Reviewed, allocated, shipped; the money comes last and moves nothing."""
    walk = confirmed()
    review = walk.order.handling.review
    assert review is not None
    assert review.valid
    assert dict(review.checklist) == {"address": True, "delivery": True}
    walk.advance("allocate")
    walk.do("assign", "warehouse north")
    walk.do("ship")
    assert walk.order.due == walk.order.content.total

    assert walk.pay() == "shipped"

    assert walk.order.due == 0
    assert walk.order.handling.assigned == "warehouse north"
    assert walk.way() == ["pending_review", "confirmed", "allocated", "shipped"]
    walk.check()


def test_a_remittance_is_collected_before_the_goods_leave() -> None:
    """From confirmation on money is taken in any state; a full refund afterwards ends the order."""
    walk = confirmed()

    assert walk.pay() == "confirmed"
    walk.advance("allocate")
    walk.do("ship")
    walk.do("refund", reason="returned")
    walk.sweep()

    assert walk.order.state == "refunded"
    walk.check()


def test_an_unreviewed_order_is_not_paid_and_no_clock_closes_it() -> None:
    """Money waits for the confirmation, and the order for the staff; after a day it is escalated."""
    walk = Walk("review_first")

    refused(walk.pay)
    assert walk.wait(2 * DAY) == "pending_review"
    assert [r.event for r in walk.engine.journal(walk.id) if isinstance(r.event, Escalated)]
    assert sum(walk.held().values()) == 3


def test_a_confirmed_order_waits_for_its_money_without_end() -> None:
    """Cash on delivery is never in the sweep of unpaid orders, and its goods stay held."""
    walk = confirmed()

    assert walk.wait(30 * DAY) == "confirmed"
    assert sum(walk.held().values()) == 3
    assert walk.pay() == "confirmed"
    walk.check()


def test_the_customer_changes_and_cancels_only_before_confirmation() -> None:
    """After it nothing of the order changes; staff alone can still call it off."""
    early = Walk("review_first")
    early.amend("1", 2)
    assert early.do("cancel", by=SHOPPER, reason="no need") == "canceled"
    early.check()

    late = confirmed()
    refused(lambda: late.amend("1", 2))
    refused(lambda: late.do("amend", [ChangeQuantity("1", 2)]))
    refused(lambda: late.do("cancel", by=SHOPPER, reason="no need"))
    assert late.order.state == "confirmed"
    late.pay()
    assert late.do("cancel", reason="cannot be served") == "canceled"
    late.sweep()
    late.check()


def test_an_invalid_order_ends_with_its_reason_and_frees_its_goods() -> None:
    """Without a reason it is not found invalid."""
    walk = Walk("review_first")

    with pytest.raises(InvalidInput):
        walk.do("review", valid=False)
    assert walk.do("review", valid=False, reason="no such address") == "invalid"

    assert walk.order.reason == "no such address"
    walk.check()


# Purchasing agent -----------------------------------------------------------------------------

TO_WAREHOUSE = ("receive_at_warehouse", "propose_packing", "confirm_packing", "pack")
AFTER = (
    "processing",
    "processing_at_warehouse",
    "awaiting_confirmation_of_packing",
    "ready_for_packing",
    "ready_to_ship",
)


def agent(state: str) -> Walk:
    """An order of a purchasing agent in one of its eleven statuses."""
    walk = Walk("purchasing_agent")
    if state == "awaiting_payment":
        return walk
    walk.pay()
    if state in {"awaiting_additional_payment", "additional_order"}:
        walk.amend("1", 2)
        if state == "additional_order":
            walk.pay()
    elif state == "canceled":
        walk.do("cancel", reason="not wanted")
        walk.sweep()
    elif state in AFTER:
        walk.advance(*TO_WAREHOUSE[: AFTER.index(state)])
    else:
        walk.advance(*TO_WAREHOUSE)
        walk.do("ship")
        if state == "completed":
            walk.do("deliver")
    assert walk.order.state == state
    return walk


@pytest.mark.parametrize("state", ELEVEN)
def test_a_purchasing_agent_closes_from_seven_of_eleven_statuses(state: str) -> None:
    """Seven pass and end completed and sealed; the other four are refused by name and stay as they are."""
    walk = agent(state)

    if state in SEVEN:
        assert walk.do("close", reason="settled with the customer") == "completed"
        assert walk.order.handling.sealed
    else:
        refusal = refused(lambda: walk.do("close", reason="settled with the customer"))
        assert repr(state) in refusal.reason
        assert walk.order.state == state
        assert not walk.order.handling.sealed
    walk.check()


def test_four_statuses_refuse_the_closing() -> None:
    """Which they are stands in the chart, and it is these."""
    assert set(ELEVEN) - set(SEVEN) == {
        "awaiting_payment",
        "awaiting_additional_payment",
        "completed",
        "canceled",
    }


def test_a_closed_order_refuses_every_command() -> None:
    """Whatever is sent to it, it can only be read."""
    walk = agent("processing")
    walk.do("close", reason="settled")
    closed = walk.order
    attempts: tuple[Callable[[], Any], ...] = (
        walk.pay,
        lambda: walk.amend("1", 2),
        lambda: walk.do("accept"),
        lambda: walk.do("ship"),
        lambda: walk.do("deliver"),
        lambda: walk.do("complete"),
        lambda: walk.do("cancel", reason="no"),
        lambda: walk.do("refund", reason="no"),
        lambda: walk.do("close", reason="again"),
        lambda: walk.do("recover"),
        lambda: walk.do("review", valid=True),
        lambda: walk.advance("receive_at_warehouse"),
        lambda: walk.do("override", "processing", reason="no"),
        lambda: walk.do("mark_item", "1", "packed"),
        lambda: walk.do("note", "called"),
        lambda: walk.do("tag", ["late"]),
        lambda: walk.do("assign", "north"),
        lambda: walk.do("pause", "ticket"),
        lambda: walk.do("resume", "ticket"),
        lambda: walk.do("extend", "confirm", by=SHOPPER),
    )

    for attempt in attempts:
        assert "closed for good" in refused(attempt).reason
    assert walk.order == closed
    assert not [p for p in walk.engine.allowed(walk.order, STAFF) if p.possible]
    assert walk.engine.journal(walk.id)


@pytest.mark.parametrize("state", ELEVEN)
def test_a_purchasing_agent_cancels_until_the_goods_are_at_the_warehouse(state: str) -> None:
    """Processing passes, processing at warehouse is refused; what was paid goes back."""
    walk = agent(state)

    if state in ELEVEN[:4]:
        assert walk.do("cancel", reason="not wanted") == "canceled"
        walk.sweep()
        assert walk.order.payments.captured == walk.order.payments.refunded
    else:
        refusal = refused(lambda: walk.do("cancel", reason="not wanted"))
        assert repr(state) in refusal.reason
        assert walk.order.state == state
    walk.check()


def test_a_customer_cancels_only_while_nothing_is_paid() -> None:
    """A paid order is canceled by the staff."""
    paid = agent("processing")
    refused(lambda: paid.do("cancel", by=SHOPPER, reason="not wanted"))

    unpaid = agent("awaiting_payment")
    assert unpaid.do("cancel", by=SHOPPER, reason="not wanted") == "canceled"


def test_goods_are_added_until_they_are_at_the_warehouse() -> None:
    """The difference is asked for, and paid it leads on; at the warehouse nothing is added."""
    walk = agent("processing")
    total = walk.order.content.total

    assert walk.amend("1", 2) == "awaiting_additional_payment"
    assert walk.order.due == walk.order.content.total - total
    assert walk.pay() == "additional_order"
    assert walk.amend("2", 2) == "awaiting_additional_payment"
    assert walk.amend("2", 1) == "additional_order"
    walk.advance("receive_at_warehouse")
    refused(lambda: walk.amend("1", 3))
    walk.check()


def test_a_purchasing_agent_walks_all_the_way_with_statuses_of_its_items() -> None:
    """Bought, gathered, packed as the customer confirmed, sent, arrived; and still returned after that."""
    walk = Walk("purchasing_agent")
    walk.pay()
    for line, status in (("1", "purchased"), ("2", "purchased"), ("3", "out_of_stock")):
        walk.do("mark_item", line, status)
    walk.advance("receive_at_warehouse", "propose_packing")
    walk.do("advance", "decline_packing", by=SHOPPER, reason="one parcel, please")
    walk.advance("propose_packing")
    walk.do("advance", "confirm_packing", by=SHOPPER)
    walk.advance("pack")
    assert walk.do("refund", Manifest.of({"3": 1}), reason="out of stock") == "ready_to_ship"
    walk.do("ship")
    assert walk.do("deliver", by=SHOPPER) == "completed"
    assert walk.order.recognized
    assert dict(walk.order.handling.items)["3"] == "out_of_stock"

    assert walk.do("refund", reason="returned") == "completed"
    walk.sweep()
    walk.check()


def test_an_event_of_staff_is_refused_to_the_customer() -> None:
    """The chart says who may send what."""
    walk = agent("processing")

    refusal = refused(lambda: walk.do("advance", "receive_at_warehouse", by=SHOPPER))
    assert "customer" in refusal.reason
    with pytest.raises(InvalidInput):
        walk.advance("cancel")


def test_an_unpaid_order_of_a_purchasing_agent_is_canceled_when_its_time_is_up() -> None:
    """And it can be recovered: at the prices of that day, with a new deadline, under the same number."""
    walk = Walk("purchasing_agent")
    assert walk.wait(30) == "canceled"
    walk.check()

    prices = {f"SKU-{i}": Money("112.00", "CNY") for i in (1, 2, 3)}
    assert walk.do("recover", prices=prices) == "awaiting_payment"

    order = walk.order
    assert order.content.total == 3 * 11_200 - 3_000 == order.due
    assert order.content.number == walk.placed.content.number
    assert order.content.pay_by == after(60)
    assert sum(walk.held().values()) == 3
    assert walk.pay() == "processing"
    walk.check()


# Presale --------------------------------------------------------------------------------------


def presold() -> Cart:
    """Order A with a deposit of 50.00, its balance from tomorrow on for two days."""
    plain = order_a()
    presale = Presale(Money("50.00", "CNY"), after(DAY), after(3 * DAY))
    return attrs.evolve(plain, presale=presale)


def test_a_presale_that_leaves_its_balance_unpaid_forfeits() -> None:
    """The window opens, two days pass, the goods are free and the deposit is kept."""
    walk = Walk("presale", cart=presold())

    assert walk.pay() == "deposit_paid"
    assert walk.wait(DAY) == "awaiting_balance"
    assert walk.wait(3 * DAY - 1) == "awaiting_balance"
    assert walk.wait(3 * DAY) == "forfeited"
    assert walk.order.payments.forfeited == 5_000
    walk.check()


def test_a_presale_paid_in_its_window_goes_the_standard_way() -> None:
    """The balance paid, it is taken up, shipped, received, completed."""
    walk = Walk("presale", cart=presold())

    walk.pay()
    walk.wait(DAY)
    assert walk.pay() == "paid"
    for verb in ("accept", "ship", "deliver", "complete"):
        walk.do(verb)

    assert walk.order.state == "completed"
    walk.check()


# Pickup ---------------------------------------------------------------------------------------


def test_the_handover_of_the_last_goods_completes_a_pickup() -> None:
    """Paid, prepared, made ready; what is taken is recorded part by part, and the last part books the sale."""
    walk = Walk("pickup")
    walk.pay()
    walk.do("accept")
    walk.advance("make_ready")

    assert walk.do("ship", Manifest.of({"1": 1})) == "ready_for_pickup"
    assert walk.do("ship") == "completed"

    assert walk.order.recognized
    walk.check()


def test_a_pickup_that_nobody_takes_is_escalated_and_canceled_by_staff() -> None:
    """While it stands on the shelf the customer does not cancel; what was paid goes back when staff do."""
    walk = Walk("pickup")
    walk.pay()
    walk.do("accept")
    walk.advance("make_ready")

    refused(lambda: walk.do("cancel", by=SHOPPER, reason="no time"))
    assert walk.wait(7 * DAY) == "ready_for_pickup"
    assert [r.event for r in walk.engine.journal(walk.id) if isinstance(r.event, Escalated)]
    assert walk.do("cancel", reason="nobody came") == "closed"
    walk.sweep()
    walk.check()


# Group buy ------------------------------------------------------------------------------------


def test_a_group_that_fills_in_time_is_shipped() -> None:
    """Its orders wait for it, and then go on; the clock of the group is over."""
    walk = Walk("group_buy")

    assert walk.pay() == "awaiting_group"
    refused(lambda: walk.do("cancel", by=SHOPPER, reason="too slow"))
    assert walk.advance("fill_group") == "awaiting_shipment"
    assert walk.wait(2 * DAY) == "awaiting_shipment"
    for verb in ("ship", "deliver", "complete"):
        walk.do(verb)

    assert walk.order.state == "completed"
    walk.check()


def test_a_group_that_does_not_fill_gives_the_money_back() -> None:
    """After a day the order ends closed, its money goes back, its goods are free."""
    walk = Walk("group_buy")
    walk.pay()

    assert walk.wait(DAY - 1) == "awaiting_group"
    assert walk.wait(DAY + 1) == "closed"

    assert walk.order.payments.refunded == walk.order.content.total
    walk.check()


# Virtual goods --------------------------------------------------------------------------------


def test_virtual_goods_complete_a_day_after_the_code_was_sent() -> None:
    """Nobody says otherwise, so the code works; a pause gives the time back."""
    walk = Walk("virtual_goods")
    walk.pay()

    assert walk.do("ship", tracking="CODE-1") == "delivered"
    walk.do("pause", "ticket")
    assert walk.wait(2 * DAY) == "delivered"
    walk.do("resume", "ticket")
    assert walk.wait(3 * DAY - 1) == "delivered"
    assert walk.wait(3 * DAY) == "completed"

    assert walk.order.recognized
    walk.check()


def test_a_code_that_was_sent_is_refunded_but_not_canceled() -> None:
    """It cannot come back."""
    walk = Walk("virtual_goods")
    walk.pay()
    walk.do("ship", tracking="CODE-1")

    refused(lambda: walk.do("cancel", reason="does not work"))
    walk.do("refund", reason="does not work")
    walk.sweep()

    assert walk.order.state == "refunded"
    walk.check()


# Every lifecycle ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_the_chart_does_not_list_is_refused_with_what_is_allowed(name: str) -> None:
    """Verbs that the first state does not know are refused, and the order is as it was."""
    walk = Walk(name)
    before = walk.order

    for verb in ("accept", "ship", "deliver", "complete"):
        refusal = refused(lambda verb=verb: walk.do(verb))  # type: ignore[misc]
        assert refusal.data["state"] == before.state
        assert "allowed" in refusal.data
    assert walk.order == before
    walk.check()


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_order_remembers_the_version_it_was_placed_under(name: str) -> None:
    """The latest one: former orders finish under theirs."""
    content = Walk(name).placed.content

    assert (content.lifecycle, content.lifecycle_version) == (name, built_in(name, FACTS).version)


def test_an_order_kind_follows_the_lifecycle_that_the_policies_name() -> None:
    """A flash sale goes the way of *flash_sale* though nobody named it when the order was placed."""
    ways = HandlingPolicy(lifecycles={OrderKind.FLASH_SALE: "flash_sale"})
    engine = OrderEngine(
        MemoryStore(), policies=Policies(handling=ways), lifecycles=("flash_sale",)
    )
    flash = engine.place(engine.quote(order_a(OrderKind.FLASH_SALE)), key="f", by=SHOPPER)
    usual = engine.place(engine.quote(order_a()), key="u", by=SHOPPER)
    assert flash.content.lifecycle == "flash_sale"
    assert usual.content.lifecycle == "standard"


def test_policies_name_no_lifecycle_that_the_engine_lacks() -> None:
    """A misspelled lifecycle is refused when the engine is put together, with the known ones."""
    ways = HandlingPolicy(lifecycles={OrderKind.FLASH_SALE: "flahs_sale"})
    with pytest.raises(InvalidPolicy) as caught:
        OrderEngine(MemoryStore(), policies=Policies(handling=ways))
    assert caught.value.path == "handling.lifecycles.flash_sale"
    assert "standard" in str(caught.value.data["allowed"])
