"""Collecting, as decisions: who gives and uses codes, tries and their pauses, goods handed over."""

from __future__ import annotations

from copy import copy
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput, InvalidManifest, NotAllowed
from ordercore.fulfillment.parcel import ParcelGroup, ParcelKind, ParcelState
from ordercore.fulfillment.pickup import (
    CODES_MAX,
    VALID_MAX,
    CodeAlphabet,
    CodeRefused,
    Collected,
    Pickup,
    PickupEnd,
    Proxy,
    Seal,
)
from ordercore.goods import Manifest
from ordercore.lifecycle.charts import built_in
from ordercore.money import money
from ordercore.order import FACTS, Accept, Advance, Cancel, Deliver, Order, Pay, Ship
from ordercore.order.commands import CollectGoods, CommandKind, ConfirmPayment, IssuePickupCode
from ordercore.order.decide import allowed
from ordercore.order.parcels import DispatchParcel, PickParcel, PlanParcels
from ordercore.order.rules.instalment import rows_asked
from ordercore.order.standing import DeliveryStanding, standing
from ordercore.party import SYSTEM, Actor, ActorKind, Party
from ordercore.pricing import AmountOff, Cart, CartLine, PricingPolicy, quote
from ordercore.tender import (
    CaptureMoment,
    ChannelPick,
    Outcome,
    OutcomeStatus,
    TenderPolicy,
    plan,
)
from ordercore.tender.tenders import Channel, OnDelivery
from ordercore.testing import START, Story, laws, order_content

if TYPE_CHECKING:
    from ordercore.lifecycle import Lifecycle

ADA, BOB = Actor.customer("ada"), Actor.staff("bob")
RIGHT, WRONG = "a" * 64, "b" * 64
TRIES, MOST, LOCK = 3, 7, timedelta(minutes=15)
WEEK = timedelta(days=7)


@cache
def chart(name: str) -> Lifecycle[Order]:
    """A built-in lifecycle, compiled once."""
    return built_in(name, FACTS)


@cache
def basket() -> Cart:
    """Five cups at 3.33 and two pots at 10.00, with 1.00 off: figures that do not come out even."""
    lines = (CartLine("CUP", 5, money("3.33", "CNY")), CartLine("POT", 2, money("10.00", "CNY")))
    off = (AmountOff(money("1.00", "CNY"), "coupon"),)
    return Cart("CNY", lines, off, customer=Party("ada"))


def ready(name: str = "pickup") -> Story:
    """The basket, paid and waiting at the counter."""
    story = copy(waiting(name))
    story.changes = [*story.changes]
    return story


@cache
def waiting(name: str) -> Story:
    """The same, told once: what is told on goes on from a copy."""
    content = order_content(quote(basket(), PricingPolicy(), START), lifecycle=chart(name))
    story = Story(content, lifecycle=chart(name))
    story.pay(Channel("card"))
    story.send(Accept())
    if name == "pickup":
        story.send(Advance("make_ready"), by=BOB)
    return story


def code(
    name: str = "p-1",
    store: str = "north",
    *,
    at: datetime = START,
    goods: dict[str, int] | None = None,
    valid: timedelta = WEEK,
) -> IssuePickupCode:
    """A command that gives a code."""
    seal = Seal(CodeAlphabet.DIGITS, 6, 10, "ab" * 16, RIGHT)
    units = None if goods is None else Manifest.of(goods)
    return IssuePickupCode(Pickup(name, store, at + valid, seal, TRIES, MOST, LOCK, units), WEEK)


def scan(
    digest: str = RIGHT,
    goods: dict[str, int] | None = None,
    *,
    pickup: str = "p-1",
    store: str = "north",
    shipment: str = "s-1",
    proxy: Proxy | None = None,
) -> CollectGoods:
    """A command of somebody who says a code."""
    units = None if goods is None else Manifest.of(goods)
    return CollectGoods(pickup, store, digest, shipment, units, proxy)


def with_code(**given_goods: Any) -> Story:
    """The basket at the counter, with its code."""
    story = ready()
    story.send(code(**given_goods), by=BOB)
    return story


def refused(
    story: Story, command: Any, reason: str, by: Actor = BOB, error: type[Exception] = NotAllowed
) -> Any:
    """The command is refused for this reason and changes nothing (L12)."""
    before = story.order
    with pytest.raises(error, match=reason) as caught:
        story.send(command, by=by)
    assert story.order is before
    return caught.value


# --- Handing over -------------------------------------------------------------------------------


def test_a_scan_hands_everything_over_and_completes_the_order() -> None:
    """In the pickup lifecycle the goods have left and arrived at once, and the sale is booked."""
    story = with_code()
    made = story.send(scan(), by=BOB)
    order = story.order
    assert order.state == "completed"
    assert order.recognized
    assert standing(order).delivery is DeliveryStanding.RECEIVED
    assert order.delivery.received_at == story.at
    assert [p.end for p in order.delivery.pickups] == [PickupEnd.COLLECTED]
    (handed,) = [event for event in made.events if type(event) is Collected]
    assert (handed.store, handed.amount, handed.last) == ("north", order.total, True)
    laws.replay_gives(order, story.history)


def test_in_the_standard_lifecycle_the_order_is_received() -> None:
    """The chart says how far a handover moves: there the customer may still keep or return."""
    story = ready("standard")
    story.send(code(), by=BOB)
    made = story.send(scan(), by=BOB)
    assert story.order.state == "received"
    moves = [event.via for event in made.events if event.name == "order.moved"]  # type: ignore[attr-defined]
    assert moves == ["ship", "receive"]


def test_a_code_stays_for_the_rest() -> None:
    """After a part is handed over the same code hands over the rest, and then nothing more."""
    story = with_code()
    story.send(scan(goods={"1": 2}), by=BOB)
    order = story.order
    assert order.state == "ready_for_pickup"
    assert standing(order).delivery is DeliveryStanding.PARTLY_SHIPPED
    assert order.delivery.pickups[0].collected == Manifest.of({"1": 2})
    assert order.delivery.pickups[0].end is None
    story.send(scan(shipment="s-2"), by=BOB)
    assert story.order.state == "completed"
    assert story.order.delivery.shipped() == Manifest.of({"1": 5, "2": 2})
    refused(story, scan(shipment="s-3"), "cannot be shipped")


def test_a_code_is_asked_for_before_goods_can_be_collected() -> None:
    """Who asks what may be done hears of collecting only while a code is taken: given, in time, and not paused."""

    def may() -> bool:
        told = allowed(story.order, story.situation(BOB))
        return next(one.possible for one in told if one.command is CommandKind.COLLECT)

    story = ready()
    assert not may()
    story.send(code(), by=BOB)
    assert may()
    for _ in range(TRIES):
        story.send(scan(WRONG), by=BOB)
    assert not may()
    story.at += LOCK
    assert may()
    story.at = START + WEEK
    assert not may()


def parcels(story: Story, *groups: ParcelGroup) -> None:
    """Plan parcels."""
    story.send(PlanParcels("plan", groups), by=BOB)


def test_a_parcel_at_the_counter_is_delivered_by_the_scan() -> None:
    """Goods that were packed for the counter leave as their parcel; the rest leaves as a shipment of its own."""
    story = ready("standard")
    kind = ParcelKind.PICKUP
    parcels(story, ParcelGroup(Manifest.of({"1": 5}), "north", kind=kind))
    story.send(code(), by=BOB)
    story.send(scan(), by=BOB)
    delivery = story.order.delivery
    assert delivery.parcels[0].state is ParcelState.DELIVERED
    assert [s.id for s in delivery.shipments] == [delivery.parcels[0].id, "s-1"]
    assert story.order.state == "received"
    laws.replay_gives(story.order, story.history)


def test_a_parcel_of_which_a_part_is_fetched_keeps_the_rest() -> None:
    """The units that are gone leave the parcel, and the same code fetches it later."""
    story = ready("standard")
    parcels(story, ParcelGroup(Manifest.of({"1": 5, "2": 2}), kind=ParcelKind.PICKUP))
    story.send(code(), by=BOB)
    story.send(scan(goods={"1": 3}), by=BOB)
    assert story.order.delivery.parcels[0].goods == Manifest.of({"1": 2, "2": 2})
    story.send(scan(shipment="s-2"), by=BOB)
    assert story.order.delivery.parcels[0].state is ParcelState.DELIVERED
    assert story.order.state == "received"


@given(st.data())
def test_goods_are_taken_from_the_parcel_that_is_here(data: st.DataObject) -> None:
    """Parcels that go elsewhere keep their goods; what is handed over was loose or in a parcel at the counter."""
    first, last = data.draw(st.sampled_from([(4, 1), (3, 2), (3, 1), (2, 2), (2, 1), (1, 3)]))
    units = (first, data.draw(st.integers(0, 5 - first - last)), last)
    here, there, away = (Manifest.of({"1": n}) if n else Manifest() for n in units)
    story = ready("standard")
    wanted = [
        ParcelGroup(here, "north", ParcelKind.PICKUP),
        ParcelGroup(there, "north", ParcelKind.PICKUP),
        ParcelGroup(away, "east", ParcelKind.EXPRESS),
    ]
    parcels(story, *[group for group in wanted if group.goods])
    picked = data.draw(st.sets(st.sampled_from([p.id for p in story.order.delivery.parcels])))
    for name in sorted(picked):
        story.send(PickParcel(name), by=BOB)
    story.send(code(), by=BOB)
    loose = 5 - sum(units)
    asked = data.draw(st.integers(1, 5 - units[2]))
    story.send(scan(goods={"1": asked}), by=BOB)
    delivery = story.order.delivery
    elsewhere = [p for p in delivery.parcels if p.kind is ParcelKind.EXPRESS]
    assert [p.goods for p in elsewhere] == [away]
    assert delivery.shipped() == Manifest.of({"1": asked})
    waits = sum([p.goods.total() for p in delivery.parcels if p.in_work]) - units[2]
    assert waits <= units[0] + units[1]
    assert 5 - asked - units[2] - waits <= loose
    laws.replay_gives(story.order, story.history)
    rest = 5 - units[2] - asked
    if rest:
        story.send(scan(goods={"1": rest}, shipment="s-2"), by=BOB)
    assert [p.goods for p in story.order.delivery.parcels if p.in_work] == [away]


@pytest.mark.parametrize(
    "group",
    [
        ParcelGroup(Manifest.of({"1": 5}), "north", kind=ParcelKind.EXPRESS),
        ParcelGroup(Manifest.of({"1": 5}), "south", kind=ParcelKind.PICKUP),
    ],
    ids=["by-carrier", "at-another-store"],
)
def test_goods_in_parcels_that_go_elsewhere_are_not_handed_over(group: ParcelGroup) -> None:
    """A code without goods of its own is for what no other parcel holds."""
    story = ready("standard")
    parcels(story, group)
    story.send(code(), by=BOB)
    refused(story, scan(goods={"1": 1}), "only units that wait", error=InvalidManifest)
    story.send(scan(), by=BOB)
    assert story.order.delivery.shipped() == Manifest.of({"2": 2})
    assert story.order.state == "awaiting_shipment"


def on_delivery() -> Story:
    """The basket, to be paid on delivery and taken up."""
    content = order_content(quote(basket(), PricingPolicy(), START), lifecycle=chart("standard"))
    story = Story(content, lifecycle=chart("standard"))
    rows, _ = rows_asked(story.order, (OnDelivery(),))
    picks = (ChannelPick("cod", capture=CaptureMoment.ON_DELIVERY),)
    story.send(Pay(plan(rows, (OnDelivery(),), TenderPolicy(), "CNY"), picks=picks))
    story.answer(OutcomeStatus.AUTHORIZED)
    story.send(Accept())
    return story


def test_goods_to_be_paid_on_delivery_stay_at_the_counter_until_they_are_paid() -> None:
    """A right and a wrong code are refused alike, and nothing is counted; less money than is due opens nothing."""
    story = on_delivery()
    story.send(code(), by=BOB)
    total = story.order.total
    for digest in (RIGHT, WRONG):
        refused(story, scan(digest), f"{total} is still to be collected on delivery")
    (attempt,) = story.order.payments.attempts
    assert attempt.to_capture == total
    told = next(
        p for p in allowed(story.order, story.situation(BOB)) if p.command is CommandKind.COLLECT
    )
    assert not told.possible
    less = Outcome(OutcomeStatus.CAPTURED, amount=total - 1)
    story.send(ConfirmPayment(attempt.id, less), by=BOB)
    refused(story, scan(), "still")
    whole = on_delivery()
    whole.send(code(), by=BOB)
    (attempt,) = whole.order.payments.attempts
    whole.send(ConfirmPayment(attempt.id, Outcome(OutcomeStatus.CAPTURED)), by=BOB)
    whole.send(scan(), by=BOB)
    assert whole.order.state == "received"
    assert whole.order.payments.attempts[0].captured == total
    laws.replay_gives(whole.order, whole.history)


def test_what_a_courier_collects_is_left_to_the_courier() -> None:
    """At the counter its own parcel is paid for; the other one's money stays due to whoever carries it."""
    story = on_delivery()
    groups = (
        ParcelGroup(Manifest.of({"1": 5}), "east", ParcelKind.EXPRESS),
        ParcelGroup(Manifest.of({"2": 2}), "north", ParcelKind.PICKUP),
    )
    parcels(story, *groups)
    sent, here = story.order.delivery.parcels
    story.send(code(), by=BOB)
    story.send(DispatchParcel(sent.id, "post", "A1"), by=BOB)
    assert sent.collect + here.collect == story.order.total
    refused(story, scan(), f"{here.collect} is still to be collected")
    (attempt,) = story.order.payments.attempts
    paid = Outcome(OutcomeStatus.CAPTURED, amount=here.collect)
    story.send(ConfirmPayment(attempt.id, paid, parcel=here.id), by=BOB)
    assert [p.collect for p in story.order.delivery.parcels] == [sent.collect, here.collect]
    story.send(scan(), by=BOB)
    assert story.order.delivery.shipped() == Manifest.of({"1": 5, "2": 2})
    brought = Outcome(OutcomeStatus.CAPTURED, amount=sent.collect)
    story.send(ConfirmPayment(attempt.id, brought, parcel=sent.id), by=BOB)
    (attempt,) = story.order.payments.attempts
    assert (attempt.captured, attempt.to_capture) == (story.order.total, 0)
    laws.replay_gives(story.order, story.history)


@given(st.data())
def test_l1_turnover_of_parts_adds_up_to_the_order(data: st.DataObject) -> None:
    """However an order is collected, the amounts told of each handover add up to its lines to the cent."""
    story = with_code()
    told, step = 0, 0
    while rest := story.order.shippable():
        part = {line: data.draw(st.integers(0, units)) for line, units in rest.items}
        goods = {line: units for line, units in part.items() if units} or None
        step += 1
        made = story.send(scan(goods=goods, shipment=f"s-{step}"), by=BOB)
        told += sum([event.amount for event in made.events if type(event) is Collected])
    assert told == sum([line.total for line in story.order.lines])
    assert story.order.state == "completed"


def test_goods_at_two_stores_have_a_code_each() -> None:
    """A code for some units hands over those alone; the order moves when the last store is done."""
    story = with_code(goods={"1": 5})
    story.send(code("p-2", "south", goods={"2": 2}), by=BOB)
    refused(story, scan(goods={"2": 1}), "only units that wait", error=InvalidManifest)
    story.send(scan(), by=BOB)
    assert story.order.state == "ready_for_pickup"
    assert story.order.delivery.pickups[0].end is PickupEnd.COLLECTED
    story.send(scan(pickup="p-2", store="south", shipment="s-2"), by=BOB)
    assert story.order.state == "completed"
    assert story.order.delivery.received_at is not None


def test_an_order_that_was_also_sent_has_not_arrived_by_a_scan() -> None:
    """Where a part went by a carrier, the last scan moves the order on, and the parcel is still to arrive."""
    story = ready("standard")
    story.send(code(), by=BOB)
    story.send(Ship("by-mail", Manifest.of({"1": 5})), by=BOB)
    story.send(scan(), by=BOB)
    assert story.order.state == "shipped"
    assert story.order.delivery.received_at is None
    story.send(Deliver(), by=BOB)
    assert story.order.state == "received"


def test_a_proxy_is_recorded_and_not_shown() -> None:
    """Who came instead stands in the event with the customer's consent; no text of the order prints it."""
    proxy = Proxy("text message of 20 May", "Grace Hopper", "4711")
    story = with_code()
    made = story.send(scan(proxy=proxy), by=BOB)
    (handed,) = [event for event in made.events if type(event) is Collected]
    assert handed.proxy == proxy
    for personal in ("Hopper", "4711", "text message"):
        assert personal not in repr(made)


# --- Wrong tries --------------------------------------------------------------------------------


def test_l12_a_wrong_try_changes_the_count_and_nothing_else() -> None:
    """No goods, no money, no state, no timer: one event, and one more try counted."""
    story = with_code()
    before = story.order
    made = story.send(scan(WRONG), by=BOB)
    assert made.events == (CodeRefused("p-1", "north"),)
    assert (made.timers_set, made.timers_cleared, made.entries) == ((), (), ())
    pickup, was = story.order.delivery.pickups[0], before.delivery.pickups[0]
    assert (pickup.tried, pickup.failed, pickup.tries_left) == (1, 1, TRIES - 1)
    assert (was.tried, was.failed) == (0, 0)
    for part in ("content", "state", "visit", "entered_at", "payments", "handling", "closing"):
        assert getattr(story.order, part) == getattr(before, part)
    assert story.order.delivery.shipments == ()
    laws.replay_gives(story.order, story.history)


def test_tries_in_a_row_lead_to_a_pause_in_which_the_right_code_is_refused() -> None:
    """The pause is the same for right and wrong codes, counts nothing, and ends at its moment."""
    story = with_code()
    for _ in range(TRIES):
        made = story.send(scan(WRONG), by=BOB)
    assert made.events == (CodeRefused("p-1", "north", story.at + LOCK),)
    error = refused(story, scan(), "no code is taken for a while")
    assert error.data["locked_until"] == (story.at + LOCK).isoformat()
    refused(story, scan(WRONG), "no code is taken for a while")
    before = story.order
    with pytest.raises(NotAllowed):
        story.send(scan(), by=BOB, after=LOCK - timedelta(microseconds=1))
    assert story.order is before
    story.send(scan(), by=BOB, after=LOCK)
    assert story.order.state == "completed"


def test_a_right_code_ends_the_row_of_wrong_tries() -> None:
    """After a part was handed over, the tries before the next pause are as many as at first; those in all are kept."""
    story = with_code()
    story.send(scan(WRONG), by=BOB)
    story.send(scan(goods={"1": 1}), by=BOB)
    pickup = story.order.delivery.pickups[0]
    assert (pickup.tried, pickup.failed, pickup.tries_left) == (0, 1, TRIES)


def test_too_many_wrong_tries_end_a_code_for_good() -> None:
    """After the last of them the right code is refused, however long one waits."""
    story = with_code()
    for _ in range(MOST):
        made = story.send(scan(WRONG), by=BOB, after=LOCK)
    assert made.events == (CodeRefused("p-1", "north", void=True),)
    refused(story, scan(), "void after too many wrong tries")
    story.send(code("p-2", at=story.at), by=BOB)
    story.send(scan(pickup="p-2"), by=BOB)
    assert story.order.state == "completed"


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["wrong", "part", "renew"]),
        st.sampled_from([timedelta(0), timedelta(minutes=1), LOCK, timedelta(days=2)]),
    ),
    max_size=25,
)


@given(ACTS)
def test_tries_follow_their_terms(acts: list[tuple[str, timedelta]]) -> None:
    """Whatever is tried and when, a code answers as a plain count of tries says, and never more than its most."""
    story = with_code()
    row = failed = issued = 0
    until, expires, void, codes = START, START + WEEK, False, 1
    for i, (act, wait) in enumerate(acts):
        story.at += wait
        if act == "renew":
            if codes < CODES_MAX:
                story.send(code(f"p-{i + 2}", at=story.at), by=BOB)
                row = failed = 0
                until, expires, void, codes = START, story.at + WEEK, False, codes + 1
                issued = i + 1
            continue
        name = f"p-{issued + 1}"
        right = act == "part" and story.order.delivery.shipped().total() < 6
        line = next(iter(story.order.shippable()))[0]
        command = scan(
            RIGHT if right else WRONG, {line: 1}, pickup=name, shipment=f"s-{len(acts)}-{i}"
        )
        if void or story.at >= expires or story.at < until:
            refused(story, command, "void|expired|no code is taken")
            continue
        story.send(command, by=BOB)
        if right:
            row = 0
        else:
            row, failed = row + 1, failed + 1
            void = failed == MOST
            if row == TRIES:
                row = 0
                until = START if void else story.at + LOCK
    assert all(pickup.failed <= MOST for pickup in story.order.delivery.pickups)
    last = story.order.delivery.pickups[-1]
    assert last.failed == failed
    assert (last.end is PickupEnd.GUESSED_AT) is void
    laws.replay_gives(story.order, story.history)


def test_bad_goods_are_told_before_the_code_is_looked_at() -> None:
    """A right and a wrong code get the same answer, so goods that do not wait are no way to try codes unseen."""
    story = with_code(goods={"1": 2})
    for goods in ({"1": 3}, {"2": 1}, {"9": 1}):
        told = [
            str(refused(story, scan(digest, goods), "only units that wait", error=InvalidManifest))
            for digest in (RIGHT, WRONG)
        ]
        assert told[0] == told[1]


# --- When a code is taken -----------------------------------------------------------------------


def test_a_code_expires_at_its_moment() -> None:
    """Up to a microsecond before it is taken, then no more; nothing is counted."""
    story = with_code()
    story.send(scan(goods={"1": 1}), by=BOB, after=WEEK - timedelta(microseconds=1))
    story.at = START + WEEK
    refused(story, scan(WRONG, {"1": 1}), "has expired")


def test_a_new_code_ends_the_former_one_of_its_store() -> None:
    """The former code is refused from then on, that of another store is not, and the tries begin anew."""
    story = with_code(goods={"1": 5})
    story.send(code("p-2", "south"), by=BOB)
    story.send(scan(WRONG), by=BOB)
    story.send(code("p-3"), by=BOB)
    ends = [pickup.end for pickup in story.order.delivery.pickups]
    assert ends == [PickupEnd.REPLACED, None, None]
    refused(story, scan(), "was replaced")
    renewed = story.order.delivery.pickups[2]
    assert renewed.goods == Manifest.of({"1": 5})
    assert renewed.tries_left == TRIES
    story.send(scan(pickup="p-3"), by=BOB)
    assert story.order.delivery.shipped() == Manifest.of({"1": 5})


def test_a_used_up_code_is_not_renewed_for_the_rest_of_the_order() -> None:
    """A code for some units never becomes one for all: nothing waits at its store, so only staff gives one, for goods
    that are named."""
    story = with_code(goods={"1": 2})
    story.send(code("p-2", "south", goods={"2": 2}), by=BOB)
    story.send(scan(), by=BOB)
    refused(story, code("p-3"), "nothing waits under the former code", by=ADA)
    refused(story, code("p-3"), "say for which goods", by=BOB)
    story.send(code("p-3", goods={"1": 3}), by=BOB)
    story.send(scan(pickup="p-3", shipment="s-2"), by=BOB)
    assert story.order.delivery.shipped() == Manifest.of({"1": 5})


def test_a_customer_renews_a_code_for_no_more_than_waits_under_it() -> None:
    """Fewer units may be named, other ones or more not; of a code for all, what goes elsewhere does not wait."""
    story = with_code(goods={"1": 3})
    for goods in ({"1": 4}, {"2": 1}, {"1": 1, "2": 1}):
        refused(story, code("p-2", goods=goods), "wait under it", by=ADA, error=InvalidManifest)
    story.send(scan(goods={"1": 1}), by=BOB)
    refused(story, code("p-2", goods={"1": 3}), "wait under it", by=ADA, error=InvalidManifest)
    story.send(code("p-2", goods={"1": 2}), by=ADA)
    assert story.order.delivery.pickups[-1].goods == Manifest.of({"1": 2})

    story = ready("standard")
    parcels(story, ParcelGroup(Manifest.of({"1": 5}), "east", ParcelKind.EXPRESS))
    story.send(code(), by=BOB)
    refused(story, code("p-2", goods={"1": 1}), "wait under it", by=ADA, error=InvalidManifest)
    story.send(scan(), by=BOB)
    refused(story, code("p-2"), "nothing waits", by=ADA)
    story.send(code("p-2"), by=BOB)


@pytest.mark.parametrize("store", ["south", ""])
def test_a_code_is_for_its_store(store: str) -> None:
    """A name of a code that the order does not have is refused before anything is compared."""
    story = with_code()
    refused(story, scan(pickup="p-9", store=store), "no code for this store")


@pytest.mark.parametrize(
    "by", [ADA, Actor.customer("eve"), Actor(ActorKind.CHANNEL, "dhl")], ids=str
)
def test_only_the_shop_hands_over(by: Actor) -> None:
    """Customers say their code; staff or the shop's own locker scans it."""
    story = with_code()
    refused(story, scan(), "may not", by=by)
    story.send(scan(), by=SYSTEM)
    assert story.order.state == "completed"


def test_goods_are_handed_over_when_they_are_ready() -> None:
    """A code may be given while goods are prepared; it is taken once the chart lets goods leave."""
    content = order_content(quote(basket(), PricingPolicy(), START), lifecycle=chart("pickup"))
    story = Story(content, lifecycle=chart("pickup"))
    refused(story, code(), "still due")
    story.pay(Channel("card"))
    story.send(code(), by=BOB)
    refused(story, scan(), "cannot be shipped")


# --- Who gives codes ----------------------------------------------------------------------------


def test_a_customer_renews_the_own_code_and_gives_no_first_one() -> None:
    """The shop says at which store goods wait; from then on its customer may have another code for it."""
    story = ready()
    refused(story, code(), "the first code is given by the shop", by=ADA)
    story.send(code(), by=BOB)
    refused(story, code("p-2", "elsewhere"), "this order has none there", by=ADA)
    refused(story, code("p-2"), "another customer", by=Actor.customer("eve"))
    refused(story, code("p-2"), "may not", by=Actor(ActorKind.CHANNEL, "dhl"))
    story.send(code("p-2"), by=ADA)
    assert story.order.delivery.pickups[0].end is PickupEnd.REPLACED


@pytest.mark.parametrize(
    ("valid", "by"),
    [
        (timedelta(0), BOB), (timedelta(seconds=-1), BOB),
        (VALID_MAX + timedelta(microseconds=1), BOB), (WEEK + timedelta(microseconds=1), ADA),
    ],
)  # fmt: skip
def test_a_code_expires_within_its_bounds(valid: timedelta, by: Actor) -> None:
    """Not before it is given, not after a year; a customer gets no longer than the policy says."""
    story = with_code()
    error = refused(story, code("p-2", valid=valid), "expires", by=by, error=InvalidInput)
    assert error.path == "expires"


@pytest.mark.parametrize("goods", [{}, {"1": 6}, {"9": 1}])
def test_a_code_is_for_goods_that_are_still_to_leave(goods: dict[str, int]) -> None:
    """No code for nothing, for more than was bought, or for a line that there is not."""
    story = ready()
    refused(story, code(goods=goods), "still to leave", error=InvalidManifest)


def test_an_order_has_so_many_codes_at_most() -> None:
    """Else every new code would bring new tries, without end."""
    story = ready()
    for i in range(CODES_MAX):
        story.send(code(f"p-{i}"), by=BOB)
    refused(story, code("p-x"), "at most 20 codes")


def test_an_order_that_is_over_has_no_codes() -> None:
    """Neither one that was canceled nor one whose goods all left."""
    story = with_code()
    story.send(scan(), by=BOB)
    refused(story, code("p-2"), "nothing is left")
    story = ready()
    story.send(Cancel("nobody came", "r-1"), by=BOB)
    refused(story, code("p-2"), "the order is over")
