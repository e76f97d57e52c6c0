"""Fulfilling: from a paid order to the customer's hands, and what the books and the journal say of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from tests.engine.world import SHOPPER, STAFF, THREE, World, order_a, world_policies

from ordercore import (
    Actor,
    ActorKind,
    CommandKind,
    KeyReused,
    Manifest,
    NotAllowed,
    Policies,
    standing,
)
from ordercore.errors import InvalidManifest, InvalidPolicy, OrdercoreError
from ordercore.fulfillment import ParcelGroup
from ordercore.ledger import PostingPolicy
from ordercore.money import money
from ordercore.order import ChangeQuantity
from ordercore.order.standing import DeliveryStanding
from ordercore.testing import laws

ONE = Manifest.of({"1": 1})
MORE = (ChangeQuantity("2", 2),)


def shipping() -> tuple[World, Any]:
    """Order A, accepted."""
    world = World()
    order = world.paid()
    return world, world.engine.accept(order.id, key="a")


# --- The main line ------------------------------------------------------------------------------


def test_l15_the_journal_tells_who_moved_the_order_when_and_how() -> None:
    """Every state an order was in can be read from its events, and replaying them gives the order."""
    world = World()
    order = world.placed()
    world.pay(order)
    steps = (
        lambda: world.engine.accept(order.id, key="a", by=STAFF),
        lambda: world.engine.ship(order.id, key="s", by=STAFF),
        lambda: world.engine.deliver(order.id, key="d", by=Actor(ActorKind.CHANNEL, "dhl")),
        lambda: world.engine.complete(order.id, key="c", by=SHOPPER),
    )
    for step in steps:
        world.clock.advance(timedelta(hours=1))
        step()
    told = world.engine.journal(order.id)
    assert [t.sequence for t in told] == list(range(1, len(told) + 1))
    moves = [t for t in told if t.event.name == "order.moved"]
    assert [(m.event.source, m.event.to, str(m.by), m.command) for m in moves] == [  # type: ignore[attr-defined]
        ("pending_payment", "paid", "customer:c1", "AnswerAttempts"),
        ("paid", "awaiting_shipment", "staff:s1", "Accept"),
        ("awaiting_shipment", "shipped", "staff:s1", "Ship"),
        ("shipped", "received", "channel:dhl", "Deliver"),
        ("received", "completed", "customer:c1", "Complete"),
    ]
    assert [m.at.hour for m in moves] == [12, 13, 14, 15, 16]
    laws.replay_gives(world.get(order), [(t.event, t.at) for t in told])


def test_case_5_the_sale_is_booked_when_the_order_completes() -> None:
    """Order A at 13 % within the price, by line: advances 269.97; then revenue 238.92 and tax 31.05."""
    world = World()
    order = world.shipped()
    assert world.books()["advances"] == -26997
    assert "revenue" not in world.books()
    world.engine.deliver(order.id, key="d")
    completed = world.engine.complete(order.id, key="c")
    assert completed.recognized
    assert world.books() == {
        "points_liability:points": 1234,
        "stored_value_liability:balance": 5000,
        "clearing:wechat": 20763,
        "revenue": -23892,
        "tax_payable:13": -3105,
    }
    world.check()


def test_l9_the_books_of_a_shop_are_the_sum_of_its_orders() -> None:
    """Each order's own trial balance is zero; together they are the shop's."""
    world = World()
    done, sent, canceled = world.completed(), world.shipped(), world.paid((THREE[2],))
    world.engine.cancel(canceled.id, reason="no", key="c", by=SHOPPER)
    parts: dict[Any, int] = {}
    for order in (done, sent, canceled):
        balances = world.engine.trial_balance(order.id)
        assert sum(b.amount for b in balances) == 0
        for b in balances:
            parts[b.account, b.detail] = parts.get((b.account, b.detail), 0) + b.amount
    whole = {(b.account, b.detail): b.amount for b in world.engine.trial_balance()}
    assert parts == whole
    world.check()


def test_a_refund_of_a_completed_order_takes_back_revenue_and_tax() -> None:
    """Line 2 comes back: 79.64 of revenue and 10.35 of tax with it."""
    world = World()
    world.refund(world.completed(), "2")
    books = world.books()
    assert (books["revenue"], books["tax_payable:13"]) == (-23892 + 7964, -3105 + 1035)
    assert "advances" not in books
    world.check()


def test_a_shop_may_book_the_sale_on_shipping() -> None:
    """The policy names the state; the sale is booked once."""
    policies = world_policies()
    early = Policies(pricing=policies.pricing, posting=PostingPolicy(("shipped", "completed")))
    world = World(policies=early)
    order = world.shipped()
    assert world.books()["revenue"] == -23892
    world.engine.deliver(order.id, key="d")
    world.engine.complete(order.id, key="c")
    assert world.books()["revenue"] == -23892
    world.check()


def test_a_policy_that_books_in_no_known_state_is_refused() -> None:
    """The engine lists the states that its lifecycles have."""
    with pytest.raises(InvalidPolicy) as caught:
        World(policies=Policies(posting=PostingPolicy(("delivered",))))
    assert caught.value.path == "posting.recognize_in[0]"
    assert "completed" in caught.value.data["allowed"]  # type: ignore[operator]


# --- Shipments ----------------------------------------------------------------------------------


def test_partial_shipments_move_the_order_with_the_last_one() -> None:
    """Two parcels: after the first the order waits, after the second it is shipped."""
    world, order = shipping()
    first = world.engine.ship(order.id, ONE, carrier="dhl", tracking="T1", key="s1")
    assert first.state == "awaiting_shipment"
    assert standing(first).delivery is DeliveryStanding.PARTLY_SHIPPED
    assert first.shippable() == Manifest.of({"2": 1, "3": 1})
    second = world.engine.ship(order.id, key="s2")
    assert second.state == "shipped"
    assert standing(second).delivery is DeliveryStanding.SHIPPED
    assert [(s.carrier, s.tracking, s.goods.total()) for s in second.delivery.shipments] == [
        ("dhl", "T1", 1), ("", "", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("goods", "path"), [({"1": 2}, "[1]"), ({"9": 1}, "[9]"), ({"1": 1, "2": 2}, "[2]")]
)
def test_l12_what_the_order_does_not_have_is_not_shipped(goods: dict[str, int], path: str) -> None:
    """More units than are left, or a line that is not there, change nothing."""
    world, order = shipping()
    with world.refused(InvalidManifest) as caught:
        world.engine.ship(order.id, Manifest.of(goods), key="s")
    assert caught.value.path == path


def test_l12_what_has_left_does_not_leave_again() -> None:
    """The same line in a second parcel is refused."""
    world, order = shipping()
    world.engine.ship(order.id, ONE, key="s1")
    with world.refused(InvalidManifest):
        world.engine.ship(order.id, ONE, key="s2")


def test_l8_parcels_packed_at_the_same_time_leave_once() -> None:
    """Of many workers that ship the same line at once, one does."""
    world, order = shipping()

    def one(number: int) -> bool:
        try:
            world.engine.ship(order.id, ONE, key=f"s{number}")
        except InvalidManifest:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(12))) == 1


# --- The key ------------------------------------------------------------------------------------

VERBS: dict[str, tuple[str, Any]] = {
    "accept": ("paid", lambda world, order: world.engine.accept(order.id, key="x")),
    "ship": ("accepted", lambda world, order: world.engine.ship(order.id, key="x")),
    "ship one": ("accepted", lambda world, order: world.engine.ship(order.id, ONE, key="x")),
    "deliver": ("shipped", lambda world, order: world.engine.deliver(order.id, key="x")),
    "complete": ("received", lambda world, order: world.engine.complete(order.id, key="x")),
}


def at_stage(stage: str) -> tuple[World, Any]:
    """Order A, so far on its way."""
    world = World()
    order = world.paid()
    for name, step in (("accepted", "accept"), ("shipped", "ship"), ("received", "deliver")):
        if stage == "paid":
            break
        order = getattr(world.engine, step)(order.id, key=world.key())
        if stage == name:
            break
    return world, order


@pytest.mark.parametrize("verb", VERBS)
def test_l13_every_step_twice_under_one_key_is_one_step(verb: str) -> None:
    """The second call answers with the first one's order, at once and after the order moved on."""
    stage, act = VERBS[verb]
    world, order = at_stage(stage)
    first = act(world, order)
    before = world.snapshot()
    assert act(world, order) == first
    assert world.snapshot() == before
    moved = world.refund(order)
    assert act(world, order) == moved


@pytest.mark.parametrize("verb", VERBS)
def test_l13_a_steps_key_with_other_content_is_refused(verb: str) -> None:
    """The key of another command, or of the same with other content, changes nothing."""
    stage, act = VERBS[verb]
    world, order = at_stage(stage)
    world.engine.place(world.quote(), key="x", by=SHOPPER)
    with world.refused(KeyReused):
        act(world, order)


def test_l13_a_shipments_key_with_other_goods_or_tracking_is_refused() -> None:
    """Goods, carrier and tracking number are part of what the key stands for."""
    world, order = shipping()
    world.engine.ship(order.id, ONE, carrier="dhl", tracking="T1", key="s")
    for goods, carrier, tracking in (
        (Manifest.of({"2": 1}), "dhl", "T1"), (ONE, "ups", "T1"), (ONE, "dhl", "T2"),
    ):  # fmt: skip
        with world.refused(KeyReused):
            world.engine.ship(order.id, goods, carrier=carrier, tracking=tracking, key="s")


@pytest.mark.parametrize("verb", VERBS)
def test_l13_threads_that_step_under_one_key_step_once(verb: str) -> None:
    """However many workers send the same key at once, the order moves once."""
    stage, act = VERBS[verb]
    world, order = at_stage(stage)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: act(world, order), range(12)))
    assert len({result.version for result in results}) == 1
    world.check()


# --- Refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["accept", "ship", "deliver", "complete"])
@pytest.mark.parametrize("stage", ["placed", "paid", "accepted", "shipped", "received", "closed"])
def test_l12_a_step_that_the_state_does_not_list_changes_nothing(stage: str, verb: str) -> None:
    """Each step belongs to one state; elsewhere it is refused with what is allowed instead."""
    right = {"accept": "paid", "ship": "accepted", "deliver": "shipped", "complete": "received"}
    if right[verb] == stage:
        return
    if stage in {"placed", "closed"}:
        world = World()
        order = world.placed()
        if stage == "closed":
            order = world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    else:
        world, order = at_stage(stage)
    with world.refused(NotAllowed) as caught:
        getattr(world.engine, verb)(order.id, key="x")
    assert caught.value.data["state"] == order.state
    assert isinstance(caught.value.data["allowed"], tuple)


@pytest.mark.parametrize("verb", ["accept", "ship", "deliver", "complete"])
def test_l12_who_may_not_step_changes_nothing(verb: str) -> None:
    """Taking up and shipping are the staff's; receiving and completing are not a stranger's."""
    stages = {"accept": "paid", "ship": "accepted", "deliver": "shipped", "complete": "received"}
    world, order = at_stage(stages[verb])
    by = SHOPPER if verb in {"accept", "ship"} else Actor.customer("c2")
    with world.refused(NotAllowed):
        getattr(world.engine, verb)(order.id, key="x", by=by)


def test_allowed_says_what_may_be_done_and_why_not_the_rest() -> None:
    """The same guards answer the question and judge the act."""
    world = World()
    order = world.paid()
    permissions = {p.command: p for p in world.engine.allowed(order, STAFF)}
    possible = {kind for kind, p in permissions.items() if p.possible}
    assert possible == {
        CommandKind.ACCEPT, CommandKind.CANCEL, CommandKind.REFUND, CommandKind.AMEND,
        CommandKind.COMPENSATE, CommandKind.SPLIT, CommandKind.COMBINE, CommandKind.PLAN_PARCELS,
        CommandKind.ISSUE_PICKUP_CODE,
    }  # fmt: skip
    assert all(p.reason for p in permissions.values() if not p.possible)
    assert "paid" in permissions[CommandKind.SHIP].reason


@pytest.mark.parametrize("by", [SHOPPER, STAFF, Actor.customer("c2")], ids=str)
@pytest.mark.parametrize("stage", ["placed", "paid", "accepted", "shipped", "received"])
def test_allowed_agrees_with_what_the_engine_does(stage: str, by: Actor) -> None:
    """What is said to be possible works, and what is said to be impossible is refused."""

    def fresh() -> tuple[World, Any]:
        if stage != "placed":
            return at_stage(stage)
        world = World()
        return world, world.placed()

    world, order = fresh()
    for permission in world.engine.allowed(order, by):
        world, order = fresh()
        name, engine = permission.command.value, world.engine
        act = {
            "pay": lambda: engine.pay(order.id, THREE, key="x", by=by),  # noqa: B023
            "cancel": lambda: engine.cancel(order.id, reason="no", key="x", by=by),  # noqa: B023
            "refund": lambda: engine.refund(order.id, reason="no", key="x", by=by),  # noqa: B023
            "amend": lambda: engine.amend(order.id, MORE, key="x", by=by),  # noqa: B023
            "review": lambda: engine.review(order.id, valid=True, key="x", by=by),  # noqa: B023
            "close": lambda: engine.close(order.id, reason="no", key="x", by=by),  # noqa: B023
            "confirm_payment": lambda: engine.confirm_payment(  # noqa: B023
                order.id,  # noqa: B023
                f"{order.id}/1",  # noqa: B023
                key="x",
                by=by,
            ),
            "reroute_refund": lambda: engine.reroute_refund(  # noqa: B023
                order.id,  # noqa: B023
                "r-1",
                0,
                reason="once more",
                key="x",
                by=by,
            ),
            "compensate": lambda: engine.compensate(  # noqa: B023
                order.id,  # noqa: B023
                money("1.00", "CNY"),
                reason="late",
                key="x",
                by=by,
            ),
            **_grouping(world, order, by, name),
        }.get(name, lambda: getattr(engine, name)(order.id, key="x", by=by))  # noqa: B023
        if permission.possible:
            act()
        elif name in _OF_A_PARCEL:
            with pytest.raises(OrdercoreError):
                act()
        else:
            with world.refused(NotAllowed):
                act()


_OF_A_PARCEL = {
    "pick_parcel", "pack_parcel", "cancel_parcel", "book_waybill", "cancel_waybill",
    "dispatch_parcel",
}  # fmt: skip
"""Commands about one parcel, of which these orders have none."""


def _grouping(world: World, order: Any, by: Actor, name: str) -> dict[str, Any]:
    """How to send the commands that part goods and put them together."""
    engine: Any = world.engine
    key: dict[str, Any] = {"key": "x", "by": by}
    parts = [Manifest.of({"1": 1}), Manifest.of({"2": 1, "3": 1})]

    other = world.placed() if name == "combine" else order
    now = engine.get(order.id)
    if name == "combine" and now.state == "awaiting_shipment" and by == SHOPPER:
        key["by"] = (
            STAFF  # the order itself may be merged, and the table leaves these states to staff
        )

    return {
        "split": lambda: engine.split(order.id, parts, **key),
        "rejoin": lambda: engine.rejoin(order.id, **key),
        "combine": lambda: engine.combine(order.id, other.id, **key),
        "unmerge": lambda: engine.unmerge(order.id, **key),
        "issue_pickup_code": lambda: engine.issue_pickup_code(order.id, store="north", **key),
        "collect": lambda: engine.collect(order.id, "1", store="north", **key),
        "plan_parcels": lambda: engine.plan_parcels(
            order.id, [ParcelGroup(Manifest.of({"1": 1}))], **key
        ),
        "pick_parcel": lambda: engine.pick(order.id, "none", **key),
        "pack_parcel": lambda: engine.pack(order.id, "none", grams=1, **key),
        "cancel_parcel": lambda: engine.cancel_parcel(order.id, "none", **key),
        "book_waybill": lambda: engine.book_waybill(order.id, "none", carrier="post", **key),
        "cancel_waybill": lambda: engine.cancel_waybill(order.id, "none", **key),
        "dispatch_parcel": lambda: engine.dispatch(order.id, "none", **key),
    }


def test_shops_of_one_host_keep_their_names() -> None:
    """The shop of the cart is the shop of the order, and of its key."""
    world = World()
    order = world.engine.place(world.engine.quote(order_a(shop="north")), key="k", by=SHOPPER)
    assert order.shop == "north"
    assert ("north", "k") in world.store._receipts
