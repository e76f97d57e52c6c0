"""Parcels of an order: what may be done with them, what follows, and that no unit is lost on the way."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import InvalidInput, InvalidManifest, NotAllowed, NotFound, OrdercoreError
from ordercore.fulfillment import (
    TRACKED,
    TROUBLED,
    ParcelCanceled,
    ParcelGroup,
    ParcelState,
    ParcelTrimmed,
    TrackPoint,
    WaybillCanceling,
    WaybillOutcome,
    WaybillState,
    WaybillStatus,
)
from ordercore.goods import Manifest
from ordercore.lifecycle import load_lifecycle
from ordercore.lifecycle.charts import document
from ordercore.money import money
from ordercore.order import (
    Accept,
    Cancel,
    ChangeAddress,
    ChangeQuantity,
    Deliver,
    RefundOrder,
    Ship,
    standing,
)
from ordercore.order.events import Escalated
from ordercore.order.facts import FACTS
from ordercore.order.parcels import (
    AnswerWaybill,
    AskWaybill,
    CancelParcel,
    CancelWaybill,
    DispatchParcel,
    JoinMaster,
    PackParcel,
    PickParcel,
    PlanParcels,
    RedirectParcel,
    TrackParcel,
)
from ordercore.order.rules.packing import unplanned
from ordercore.order.standing import DeliveryStanding
from ordercore.party import Actor, ActorKind, Address, Party
from ordercore.pricing import Cart, CartLine, PricingPolicy, quote
from ordercore.tender.tenders import Channel
from ordercore.testing import START, Story, laws, order_content
from ordercore.timeout import TimeoutPolicy, TimerKey, TimerKind, due

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Command, Order, OrderContent

_S = ParcelState
CONFIRM = TimerKey(TimerKind.CONFIRM_RECEIPT)
CARRIER = Actor(ActorKind.CHANNEL, "post")
HOUR = timedelta(hours=1)
BOOKED = WaybillOutcome(WaybillStatus.BOOKED, "A1", 1200)


@cache
def content(*units: int) -> OrderContent:
    """What is agreed: lines of 10.00 each, so many units."""
    lines = [CartLine(f"SKU-{i}", n, money("10.00", "CNY")) for i, n in enumerate(units, 1)]
    cart = Cart("CNY", tuple(lines), customer=Party("c-1"))
    return order_content(quote(cart, PricingPolicy(), START))


def accepted(*units: int, lifecycle: Lifecycle[Order] | None = None) -> Story:
    """An order that is paid and taken up: lines of so many units."""
    story = Story(content(*units or (2, 2)), lifecycle=lifecycle)
    story.pay(Channel("card"))
    story.send(Accept())
    return story


def plan(story: Story, *groups: dict[str, int], name: str = "p") -> None:
    """Plan parcels of these units."""
    wanted = tuple([ParcelGroup(Manifest.of(g), reasons=("by hand",)) for g in groups])
    story.send(PlanParcels(name, wanted))


def state(story: Story, name: str = "p.1") -> ParcelState:
    """Where a parcel stands."""
    return parcel(story, name).state


def parcel(story: Story, name: str = "p.1"):  # noqa: ANN201 - a Parcel
    """The parcel."""
    found = story.order.delivery.parcel(name)
    assert found is not None
    return found


def point(state: ParcelState, hours: int = 0) -> TrackPoint:
    """Something that happened so many hours after the story began."""
    return TrackPoint(START + hours * HOUR, state)


def track(story: Story, state: ParcelState, hours: int = 0, name: str = "p.1") -> None:
    """Let a carrier tell of a parcel, once it has happened."""
    later = max(START + hours * HOUR - story.at, timedelta(0))
    story.send(TrackParcel(name, (point(state, hours),)), by=CARRIER, after=later)


def confirms(story: Story) -> datetime | None:
    """When the order is taken for received by itself."""
    return due(story.order, CONFIRM, TimeoutPolicy(), story.lifecycle)


def parts(order: Order) -> dict[str, int]:
    """Units by line, summed over what is planned or worked on, unplanned, gone."""
    sums: dict[str, int] = {}
    for units in (order.delivery.in_work(), unplanned(order).as_dict(), order.delivery.gone()):
        for line, number in units.items():
            assert number > 0
            sums[line] = sums.get(line, 0) + number
    return sums


# --- No unit is lost ----------------------------------------------------------------------------

UNITS = st.dictionaries(st.sampled_from("12"), st.integers(1, 3), min_size=1)
MARK = st.integers(1, 6)


def _commands(name: str, n: int, units: dict[str, int]) -> dict[str, Command]:
    goods = Manifest.of(units)
    return {
        "plan": PlanParcels(f"p{n}", (ParcelGroup(goods), ParcelGroup(Manifest.of({"1": 1})))),
        "pick": PickParcel(name),
        "short": PickParcel(name, goods),
        "pack": PackParcel(name, 500),
        "ask": AskWaybill(name, "post"),
        "drop": CancelParcel(name),
        "leave": DispatchParcel(name),
        "refund": RefundOrder(f"r{n}", goods, "no"),
        "ship": Ship(f"s{n}", goods),
        "cancel": Cancel("no", f"c{n}"),
        "tell": TrackParcel(name, (point(_S.DELIVERED, n),)),
    }


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "plan",
                    "plan",
                    "pick",
                    "short",
                    "pack",
                    "ask",
                    "drop",
                    "leave",
                    "leave",
                    "refund",
                    "ship",
                    "tell",
                    "cancel",
                ]
            ),
            MARK,
            UNITS,
        ),
        max_size=14,
    )
)
def test_l16_what_is_planned_gone_and_left_to_plan_is_what_was_ordered(
    steps: list[tuple[str, int, dict[str, int]]],
) -> None:
    """Whatever is planned, picked short, packed, sent, refunded or canceled: each unit stands in one place."""
    story = accepted(4, 3)
    for n, (what, mark, units) in enumerate(steps):
        names = [p.id for p in story.order.delivery.parcels] or ["none"]
        command = _commands(names[mark % len(names)], n, units)[what]
        before = story.order
        try:
            story.send(command)
        except OrdercoreError:
            assert story.order is before
        if story.order.handling.released:
            assert not story.order.delivery.in_work()
        else:
            assert parts(story.order) == {"1": 4, "2": 3}
    laws.replay_gives(story.order, story.history)


def test_a_new_plan_replaces_what_is_not_picked() -> None:
    """A picked parcel stays as it is; the rest is planned anew."""
    story = accepted(2, 2)
    plan(story, {"1": 2}, {"2": 2})
    story.send(PickParcel("p.1"))
    plan(story, {"2": 1}, {"2": 1}, name="q")
    assert [(p.id, p.state) for p in story.order.delivery.parcels] == [
        ("p.1", _S.PICKED),
        ("q.1", _S.PLANNED),
        ("q.2", _S.PLANNED),
    ]


def test_a_plan_of_more_than_is_left_is_refused() -> None:
    """Two parcels of the same two units name the one that goes too far."""
    story = accepted(2, 2)
    with pytest.raises(InvalidManifest) as caught:
        plan(story, {"1": 2}, {"1": 1})
    assert caught.value.path == "groups[1].goods"


def test_l18_a_parcel_keeps_the_rules_that_made_it() -> None:
    """The reasons of its group stand on the parcel."""
    story = accepted()
    group = ParcelGroup(Manifest.of({"1": 1}), "w-1", reasons=("fresh apart", "nearest"))
    story.send(PlanParcels("p", (group,)))
    assert (parcel(story).source, parcel(story).reasons) == ("w-1", ("fresh apart", "nearest"))


def test_what_was_not_found_is_to_be_planned_again() -> None:
    """Of three units one is missing on the shelf: it can be planned from another source."""
    story = accepted(3)
    plan(story, {"1": 3})
    story.send(PickParcel("p.1", Manifest.of({"1": 2})))
    assert (parcel(story).goods, parcel(story).short) == (
        Manifest.of({"1": 2}),
        Manifest.of({"1": 1}),
    )
    assert unplanned(story.order) == Manifest.of({"1": 1})
    story.send(PlanParcels("q", (ParcelGroup(Manifest.of({"1": 1}), "w-2"),)))
    assert not unplanned(story.order)


def test_a_parcel_of_which_nothing_is_found_is_canceled() -> None:
    """An empty shelf ends the parcel, and its carrier is asked to expect it no more."""
    story = accepted(3)
    plan(story, {"1": 3})
    story.send(AskWaybill("p.1", "post"))
    story.send(PickParcel("p.1", Manifest()))
    assert state(story) is _S.CANCELED
    assert parcel(story).waybill.state is WaybillState.CANCELING
    assert unplanned(story.order) == Manifest.of({"1": 3})


def test_more_than_was_asked_is_not_picked() -> None:
    """Four units found where three were asked are an error, and nothing is picked."""
    story = accepted(4)
    plan(story, {"1": 3})
    with pytest.raises(InvalidManifest):
        story.send(PickParcel("p.1", Manifest.of({"1": 4})))
    assert state(story) is _S.PLANNED


# --- What follows from other rules --------------------------------------------------------------


def test_refunded_units_leave_the_plan_before_what_is_packed() -> None:
    """Of two parcels of one unit each the packed one stays whole."""
    story = accepted(2)
    plan(story, {"1": 1}, {"1": 1})
    story.send(PickParcel("p.1"))
    story.send(PackParcel("p.1", 300))
    story.refund({"1": 1})
    assert (state(story), state(story, "p.2")) == (_S.PACKED, _S.CANCELED)


def test_a_packed_parcel_that_loses_goods_is_opened_again() -> None:
    """Its weight is another, so it has to be packed anew."""
    story = accepted(2)
    plan(story, {"1": 2})
    story.send(PickParcel("p.1"))
    story.send(PackParcel("p.1", 300))
    story.refund({"1": 1})
    assert (state(story), parcel(story).grams) == (_S.PICKED, 0)


def test_goods_that_are_amended_away_leave_their_parcel() -> None:
    """Three units become one: the parcel is left with one."""
    story = accepted(3)
    plan(story, {"1": 3})
    story.amend(ChangeQuantity("1", 1))
    assert parcel(story).goods == Manifest.of({"1": 1})
    assert any(type(event) is ParcelTrimmed for event in story.events)


def test_a_canceled_order_cancels_its_parcels_and_their_waybills() -> None:
    """Nothing leaves of an order that is over, and no carrier waits for it."""
    story = accepted(2)
    plan(story, {"1": 2})
    story.send(AskWaybill("p.1", "post"))
    story.send(AnswerWaybill("p.1", "p.1/w1", BOOKED))
    story.send(Cancel("no", "r"))
    assert state(story) is _S.CANCELED
    assert any(type(event) is WaybillCanceling for event in story.events)


def test_goods_in_parcels_do_not_leave_without_them() -> None:
    """A plain shipment takes what stands in no parcel, and nothing else."""
    story = accepted(2, 2)
    plan(story, {"1": 2})
    with pytest.raises(InvalidManifest):
        story.send(Ship("s", Manifest.of({"1": 1})))
    story.send(Ship("s"))
    assert story.order.delivery.shipped() == Manifest.of({"2": 2})
    with pytest.raises(NotAllowed, match="stands in parcels"):
        story.send(Ship("t"))
    story.send(DispatchParcel("p.1"))
    assert story.order.state == "shipped"


def test_an_order_is_shipped_when_its_last_parcel_leaves() -> None:
    """Three parcels: it moves with the third; each is a shipment of its own name."""
    story = accepted(1, 1, 1)
    plan(story, {"1": 1}, {"2": 1}, {"3": 1})
    for n, expected in ((1, "awaiting_shipment"), (2, "awaiting_shipment"), (3, "shipped")):
        story.send(DispatchParcel(f"p.{n}", "post", f"A{n}"))
        assert story.order.state == expected
    assert [s.id for s in story.order.delivery.shipments] == ["p.1", "p.2", "p.3"]


def test_work_waits_for_the_money() -> None:
    """Parcels of an unpaid order may be planned; nothing is picked before it is paid."""
    story = Story(content(1))
    plan(story, {"1": 1})
    with pytest.raises(NotAllowed, match="still due"):
        story.send(PickParcel("p.1"))


# --- Waybills -----------------------------------------------------------------------------------


def test_a_parcel_has_one_waybill_at_a_time() -> None:
    """While one is asked or booked no other is asked; a refused one gives way."""
    story = accepted(2)
    plan(story, {"1": 1}, {"1": 1})
    story.send(AskWaybill("p.1", "post"))
    with pytest.raises(NotAllowed, match="cancel it first"):
        story.send(AskWaybill("p.1", "dhl"))
    refused = WaybillOutcome(WaybillStatus.REFUSED, reason="too large")
    story.send(AnswerWaybill("p.1", "p.1/w1", refused))
    story.send(AskWaybill("p.1", "dhl"))
    assert parcel(story).waybill.key == "p.1/w2"


def test_an_answer_about_a_former_waybill_changes_nothing_of_the_one_in_force() -> None:
    """What is known under the key of a waybill that was given up is no event."""
    story = accepted(1)
    plan(story, {"1": 1})
    story.send(AskWaybill("p.1", "post"))
    story.send(AnswerWaybill("p.1", "p.1/w1", BOOKED))
    story.send(CancelWaybill("p.1"))
    gone = WaybillOutcome(WaybillStatus.CANCELED, "A1")
    story.send(AnswerWaybill("p.1", "p.1/w1", gone))
    story.send(AskWaybill("p.1", "post"))
    for said in (gone, BOOKED, WaybillOutcome(WaybillStatus.REFUSED)):
        assert story.send(AnswerWaybill("p.1", "p.1/w1", said)).events == ()
    assert [w.number for w in parcel(story).former] == ["A1"]


def test_l7_a_waybill_that_is_booked_too_late_owes_its_cancellation() -> None:
    """Taken for refused, another one is booked, then the first was booked after all: its carrier is asked to cancel it,
    and the second stays as it is."""
    story = accepted(1)
    plan(story, {"1": 1})
    story.send(AskWaybill("p.1", "post"))
    story.send(AnswerWaybill("p.1", "p.1/w1", WaybillOutcome(WaybillStatus.REFUSED)))
    story.send(AskWaybill("p.1", "dhl"))
    second = WaybillOutcome(WaybillStatus.BOOKED, "D1")
    story.send(AnswerWaybill("p.1", "p.1/w2", second))
    made = story.send(AnswerWaybill("p.1", "p.1/w1", BOOKED))
    found = parcel(story)
    assert [(w.key, w.number) for w in found.owing] == [("p.1/w1", "A1")]
    assert (found.waybill.state, found.number, found.carrier) == (WaybillState.BOOKED, "D1", "dhl")
    again = TimerKey(TimerKind.RESOLVE_WAYBILL, "p.1")
    assert again in {timer.key for timer in made.timers_set}
    ended = story.send(AnswerWaybill("p.1", "p.1/w1", WaybillOutcome(WaybillStatus.CANCELED)))
    assert again in ended.timers_cleared
    assert not parcel(story).owing
    laws.replay_gives(story.order, story.history)


def test_l7_a_refused_cancellation_that_names_the_number_lets_the_waybill_stand() -> None:
    """The booking's answer was lost, so the refusal is the first that tells of the number; one that names none says
    nothing of a booking."""
    story = accepted(1)
    plan(story, {"1": 1})
    story.send(AskWaybill("p.1", "post"))
    story.send(CancelWaybill("p.1"))
    no = WaybillOutcome(WaybillStatus.REFUSED, reason="too late")
    assert story.send(AnswerWaybill("p.1", "p.1/w1", no)).events == ()
    story.send(AnswerWaybill("p.1", "p.1/w1", WaybillOutcome(WaybillStatus.REFUSED, "A1")))
    assert (parcel(story).waybill.state, parcel(story).number) == (WaybillState.BOOKED, "A1")


def booked(*units: int) -> Story:
    """An order of one parcel that is booked."""
    story = accepted(*units or (1,))
    plan(story, {str(n): count for n, count in enumerate(units or (1,), 1)})
    story.send(AskWaybill("p.1", "post", tracks=True))
    story.send(AnswerWaybill("p.1", "p.1/w1", BOOKED))
    return story


def test_an_amended_address_calls_waybills_off_and_no_parcel_leaves_with_an_old_one() -> None:
    """The carrier is asked to cancel; where it refuses, the parcel does not leave, and somebody must look."""
    story = booked(2)
    story.amend(ChangeAddress(Address(country="FR")))
    assert parcel(story).waybill.state is WaybillState.CANCELING
    with pytest.raises(NotAllowed, match="not answered"):
        story.send(DispatchParcel("p.1"))
    no = WaybillOutcome(WaybillStatus.REFUSED, reason="too late")
    story.send(AnswerWaybill("p.1", "p.1/w1", no))
    assert type(story.events[-1]) is Escalated
    with pytest.raises(NotAllowed, match="former address"):
        story.send(DispatchParcel("p.1"))
    laws.replay_gives(story.order, story.history)


def test_an_amendment_that_leaves_the_address_leaves_the_waybill() -> None:
    """One unit less of two: the carrier is asked nothing."""
    story = booked(2)
    story.amend(ChangeQuantity("1", 1))
    assert parcel(story).waybill.state is WaybillState.BOOKED


def test_a_parcel_with_an_address_of_its_own_keeps_its_waybill() -> None:
    """The order's address is not where it goes."""
    story = accepted(1)
    there = Address(country="DE")
    story.send(PlanParcels("p", (ParcelGroup(Manifest.of({"1": 1}), address=there),)))
    story.send(AskWaybill("p.1", "post"))
    story.amend(ChangeAddress(Address(country="FR")))
    assert parcel(story).waybill.state is WaybillState.ASKED


def test_a_parcel_whose_waybill_was_canceled_leaves_only_with_another_carrier_named() -> None:
    """Its number is no more: it is booked anew, or somebody says with whom it goes."""
    story = booked()
    story.send(CancelWaybill("p.1"))
    story.send(AnswerWaybill("p.1", "p.1/w1", WaybillOutcome(WaybillStatus.CANCELED)))
    with pytest.raises(NotAllowed, match="book another"):
        story.send(DispatchParcel("p.1"))
    story.send(DispatchParcel("p.1", "courier"))
    assert [(s.carrier, s.tracking) for s in story.order.delivery.shipments] == [("courier", "")]


def test_a_booked_parcel_that_is_planned_anew_keeps_its_former_waybills() -> None:
    """Its canceled waybill stays with the canceled parcel: a carrier that booked it late is answered."""
    story = booked()
    story.send(CancelWaybill("p.1"))
    story.send(AnswerWaybill("p.1", "p.1/w1", WaybillOutcome(WaybillStatus.CANCELED)))
    plan(story, {"1": 1}, name="q")
    assert [(p.id, p.state) for p in story.order.delivery.parcels] == [
        ("p.1", _S.CANCELED),
        ("q.1", _S.PLANNED),
    ]
    laws.replay_gives(story.order, story.history)


def test_goods_that_a_carrier_has_are_not_canceled_amended_or_planned_anew() -> None:
    """In transit before anybody said that it left: the order is not ended under it; back again, it may be."""
    story = booked()
    track(story, _S.IN_TRANSIT, 1)
    for command in (Cancel("no", "r"), CancelParcel("p.1")):
        with pytest.raises(NotAllowed, match=r"carrier has part|no parcel could"):
            story.send(command)
    with pytest.raises(NotAllowed, match="carrier has part of the order"):
        story.amend(ChangeQuantity("1", 1))
    assert state(story) is _S.PLANNED
    track(story, _S.RETURNED, 2)
    story.send(CancelParcel("p.1"))
    assert state(story) is _S.CANCELED


def test_what_a_carrier_has_is_the_last_that_refunded_goods_are_taken_from() -> None:
    """Of two parcels, one packed and one in transit unknown to the warehouse, the packed one loses its unit."""
    story = accepted(2)
    plan(story, {"1": 1}, {"1": 1})
    story.send(PickParcel("p.1"))
    story.send(PackParcel("p.1", 300))
    track(story, _S.IN_TRANSIT, 1, "p.2")
    story.refund({"1": 1})
    assert (state(story), state(story, "p.2")) == (_S.CANCELED, _S.PLANNED)


def test_a_refused_cancellation_of_what_nobody_wants_is_told() -> None:
    """A canceled parcel whose waybill stands: somebody must look."""
    story = booked()
    story.send(CancelParcel("p.1"))
    no = WaybillOutcome(WaybillStatus.REFUSED, reason="on its way")
    story.send(AnswerWaybill("p.1", "p.1/w1", no))
    assert (type(story.events[-1]), story.events[-1].timer) == (Escalated, "waybill_stands")


def test_an_order_whose_carrier_will_tell_waits_for_its_delivery() -> None:
    """A waybill of a carrier that tells of the way: no time confirms it before the carrier has told."""
    story = booked()
    story.send(DispatchParcel("p.1"))
    assert confirms(story) is None
    track(story, _S.DELIVERED, 9)
    assert story.order.state == "received"


def test_a_parcel_that_loses_the_waybill_that_would_tell_is_confirmed_by_time_again() -> None:
    """Called back on its way, and not booked anew: the clock counts from where the parcel left."""
    story = booked()
    story.send(DispatchParcel("p.1"), after=HOUR)
    story.send(CancelWaybill("p.1"))
    assert confirms(story) is None
    made = story.send(AnswerWaybill("p.1", "p.1/w1", WaybillOutcome(WaybillStatus.CANCELED)))
    (timer,) = [t for t in made.timers_set if t.key == CONFIRM]
    assert timer.due == confirms(story) == START + HOUR + timedelta(days=7)


def test_what_is_yet_to_come_is_refused() -> None:
    """More than a day ahead of the clock nothing has happened, whoever says so."""
    story = sent(1)
    before = story.order
    with pytest.raises(InvalidInput) as caught:
        story.send(TrackParcel("p.1", (point(_S.DELIVERED, 3), point(_S.LOST, 40))), by=CARRIER)
    assert caught.value.path == "points[1].at"
    assert story.order is before


def test_what_happened_before_the_waybill_was_asked_for_does_not_count() -> None:
    """A number that is given out again tells of a former parcel: no delivery of this one."""
    story = booked()
    story.send(DispatchParcel("p.1"))
    old = TrackParcel("p.1", (point(_S.DELIVERED, -24 * 90),))
    assert story.send(old, by=CARRIER).events == ()
    story.send(TrackParcel("p.1", (point(_S.IN_TRANSIT, -1),)), by=CARRIER)
    assert state(story) is _S.IN_TRANSIT


def test_a_parcel_whose_carrier_has_not_answered_does_not_leave() -> None:
    """Until the waybill is known, nobody can say with whom it goes."""
    story = accepted(1)
    plan(story, {"1": 1})
    story.send(AskWaybill("p.1", "post"))
    with pytest.raises(NotAllowed, match="not answered"):
        story.send(DispatchParcel("p.1"))
    story.send(AnswerWaybill("p.1", "p.1/w1", BOOKED))
    story.send(DispatchParcel("p.1"))
    (shipment,) = story.order.delivery.shipments
    assert (shipment.carrier, shipment.tracking, parcel(story).expected) == ("post", "A1", 1200)


def test_a_cancellation_that_is_refused_lets_the_waybill_stand() -> None:
    """The carrier says no: the waybill is booked as before, with the reason."""
    story = accepted(1)
    plan(story, {"1": 1})
    story.send(AskWaybill("p.1", "post"))
    story.send(AnswerWaybill("p.1", "p.1/w1", BOOKED))
    story.send(CancelWaybill("p.1"))
    no = WaybillOutcome(WaybillStatus.REFUSED, reason="too late")
    story.send(AnswerWaybill("p.1", "p.1/w1", no))
    waybill = parcel(story).waybill
    assert (waybill.state, waybill.number, waybill.reason) == (
        WaybillState.BOOKED,
        "A1",
        "too late",
    )


# --- On the way ---------------------------------------------------------------------------------


def sent(count: int = 2) -> Story:
    """An order of so many parcels that have all left."""
    story = accepted(*[1] * count)
    plan(story, *[{str(n + 1): 1} for n in range(count)])
    for n in range(count):
        story.send(DispatchParcel(f"p.{n + 1}", "post", f"A{n + 1}"), after=HOUR)
    return story


def test_the_order_is_received_when_its_last_parcel_is_delivered() -> None:
    """Each parcel is confirmed on its own; the order arrived when the last one did."""
    story = sent()
    track(story, _S.DELIVERED, 30)
    assert standing(story.order).delivery is DeliveryStanding.SHIPPED
    track(story, _S.DELIVERED, 28, "p.2")
    assert story.order.state == "received"
    assert story.order.delivery.received_at == START + 30 * HOUR


NEWS = st.lists(
    st.tuples(st.sampled_from(["p.1", "p.2"]), st.sampled_from(TRACKED), st.integers(0, 40)),
    max_size=6,
)


@given(NEWS, st.data())
def test_l10_news_of_carriers_in_any_order_ends_in_the_same_standing(
    news: list[tuple[str, ParcelState, int]], data: st.DataObject
) -> None:
    """Shuffled and doubled, the same news leave the same parcels and the same state of the order.

    Of the state there is one exception: goods that all have arrived stay so when trouble is told later.
    """
    found, parcels = set(), set()
    for order in (news, data.draw(st.permutations(news)) + news[:2]):
        story = sent()
        for name, told, hours in order:
            track(story, told, hours, name)
        parcels.add(story.order.delivery.parcels)
        found.add((story.order.state, standing(story.order)))
    assert len(parcels) == 1
    troubled = [p for p in parcels.pop() if p.state in TROUBLED and p.delivered_at is not None]
    assert len(found) == 1 or (troubled and {s for s, _ in found} == {"shipped", "received"})


def test_news_that_is_known_is_no_event() -> None:
    """The same point again writes nothing."""
    story = sent()
    track(story, _S.IN_TRANSIT, 3)
    assert story.send(TrackParcel("p.1", (point(_S.IN_TRANSIT, 3),)), by=CARRIER).events == ()


def test_no_order_is_confirmed_before_delivery_where_its_way_is_known() -> None:
    """Without news seven days after the last parcel left; once a carrier tells of one, not by time."""
    story = sent()
    left = START + 2 * HOUR
    assert confirms(story) == left + timedelta(days=7)
    track(story, _S.IN_TRANSIT, 5)
    assert confirms(story) is None
    cleared = story.changes[-1].timers_cleared
    assert CONFIRM in cleared
    track(story, _S.DELIVERED, 9)
    assert confirms(story) == left + timedelta(days=7)


@pytest.mark.parametrize("trouble", [_S.EXCEPTION, _S.REFUSED, _S.RETURNED, _S.LOST])
def test_no_order_is_confirmed_by_time_while_a_parcel_is_in_trouble(trouble: ParcelState) -> None:
    """A parcel that is hindered, refused, back or lost holds the clock until it is delivered, or staff say so."""
    story = sent()
    track(story, _S.DELIVERED, 3, "p.2")
    track(story, trouble, 5)
    assert confirms(story) is None
    assert not FACTS["no_parcel_in_trouble"](story.order)
    assert story.order.state == "shipped"
    if trouble is _S.EXCEPTION:
        track(story, _S.DELIVERED, 8)
        assert story.order.state == "received"
        assert FACTS["all_delivered"](story.order)
    else:
        story.send(Deliver())
        assert story.order.state == "received"


def test_a_lifecycle_may_wait_for_the_buyer_after_delivery() -> None:
    """Its confirmation counts from the last parcel's delivery: three days later it is taken for received."""
    chart = json.loads(json.dumps(document("standard")))
    (rule,) = [timer for timer in chart["timers"] if timer["name"] == "confirm"]
    rule |= {"since": "delivered", "after": "3 days"}
    patient = load_lifecycle(chart, FACTS)
    story = accepted(1, 1, lifecycle=patient)
    plan(story, {"1": 1}, {"2": 1})
    story.send(DispatchParcel("p.1", "post", "A1"))
    story.send(DispatchParcel("p.2", "post", "A2"))
    track(story, _S.DELIVERED, 30)
    assert confirms(story) is None
    track(story, _S.DELIVERED, 20, "p.2")
    assert story.order.state == "shipped"
    assert confirms(story) == START + 30 * HOUR + timedelta(days=3)
    (timer,) = [t for t in story.changes[-1].timers_set if t.key == CONFIRM]
    assert timer.due == confirms(story)


def test_a_delivery_that_completes_the_order_later_is_seen_then() -> None:
    """The first parcel is there before the second one leaves, and the rest is refunded: then all has arrived."""
    story = accepted(1, 1)
    plan(story, {"1": 1}, {"2": 1})
    story.send(DispatchParcel("p.1", "post", "A1"))
    track(story, _S.DELIVERED, 3)
    assert story.order.state == "awaiting_shipment"
    story.refund({"2": 1})
    assert story.order.state == "received"


def test_goods_that_left_without_a_parcel_are_not_known_to_have_arrived() -> None:
    """One parcel delivered and one plain shipment: somebody, or time, has to say that it arrived."""
    story = accepted(1, 1)
    plan(story, {"1": 1})
    story.send(Ship("s"))
    story.send(DispatchParcel("p.1", "post", "A1"))
    track(story, _S.DELIVERED, 3)
    assert story.order.state == "shipped"
    assert confirms(story) == START + timedelta(days=7)


def test_a_parcel_on_its_way_goes_elsewhere_once_its_waybill_is_gone() -> None:
    """While a carrier takes it to the former address, it is not redirected."""
    story = accepted(1)
    plan(story, {"1": 1})
    story.send(AskWaybill("p.1", "post"))
    story.send(AnswerWaybill("p.1", "p.1/w1", BOOKED))
    story.send(DispatchParcel("p.1"))
    there = Address(country="FR")
    with pytest.raises(NotAllowed, match="former address"):
        story.send(RedirectParcel("p.1", there))
    story.send(CancelWaybill("p.1"))
    story.send(AnswerWaybill("p.1", "p.1/w1", WaybillOutcome(WaybillStatus.CANCELED)))
    story.send(RedirectParcel("p.1", there))
    assert parcel(story).address == there


# --- Bad input ----------------------------------------------------------------------------------

WRONG: list[tuple[Command, str]] = [
    (PlanParcels("q", (ParcelGroup(Manifest()),)), "groups[0].goods"),
    (PlanParcels("q", (ParcelGroup(Manifest.of({"9": 1})),)), "groups[0].goods"),
    (PlanParcels("q", (ParcelGroup(Manifest.of({"2": 1}), estimate=-1),)), "groups[0].estimate"),
    (PlanParcels("q", (ParcelGroup(Manifest.of({"2": 1}), kind="air"),)), "groups[0].kind"),  # type: ignore[arg-type]
    (PlanParcels("q", ("1",)), "groups[0]"),  # type: ignore[arg-type]
    (PickParcel("none"), "parcel"),
    (PackParcel("p.2", 0), "grams"),
    (PackParcel("p.2", True), "grams"),
    (AskWaybill("p.1"), "carrier"),
    (TrackParcel("p.1", (TrackPoint(START, _S.PACKED),)), "points[0]"),
    (TrackParcel("p.1", (TrackPoint(START.replace(tzinfo=None), _S.LOST),)), "points[0].at"),
    (TrackParcel("p.1", (TrackPoint(START, _S.LOST, "x" * 201),)), "points[0].place"),
    (JoinMaster("p.1", ""), "master"),
    (RedirectParcel("p.1", "Paris"), "address"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("command", "path"), WRONG)
def test_l24_a_wrong_command_names_what_is_wrong_and_changes_nothing(
    command: Command, path: str
) -> None:
    """Each gives an error of the library's tree with its path; the order stays as it was."""
    story = accepted(2, 2)
    plan(story, {"1": 1}, {"2": 1})
    story.send(PickParcel("p.2"))
    before = story.order
    with pytest.raises((InvalidInput, NotFound)) as caught:
        story.send(command)
    assert caught.value.path == path
    assert story.order is before


def test_a_canceled_parcel_is_planned_again() -> None:
    """Who gives a parcel up finds its goods unplanned, and the parcel stays in the list as canceled."""
    story = accepted(2)
    plan(story, {"1": 2})
    story.send(PickParcel("p.1"))
    story.send(CancelParcel("p.1", "damaged box"))
    assert unplanned(story.order) == Manifest.of({"1": 2})
    assert type(story.events[-1]) is ParcelCanceled
    plan(story, {"1": 2}, name="q")
    assert [p.id for p in story.order.delivery.parcels] == ["p.1", "q.1"]
