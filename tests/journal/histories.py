"""Histories for the tests of the journal: one with every event, and any that handling an order can give."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import evolve
from hypothesis import strategies as st

from ordercore.change import Recorded
from ordercore.fulfillment import (
    TRACKED,
    CollectShared,
    MasterJoined,
    Parcel,
    ParcelCanceled,
    ParcelPacked,
    ParcelPicked,
    ParcelRedirected,
    ParcelsPlanned,
    ParcelTracked,
    ParcelTrimmed,
    Received,
    Shipment,
    Shipped,
    TrackPoint,
    Waybill,
    WaybillAnswered,
    WaybillAsked,
    WaybillCanceling,
    WaybillState,
    Withdrawn,
)
from ordercore.fulfillment.pickup import (
    CodeAlphabet,
    CodeIssued,
    CodeRefused,
    Collected,
    HandedOver,
    Pickup,
    Proxy,
    Seal,
)
from ordercore.goods import LineId, Manifest
from ordercore.lifecycle import VisibleStep
from ordercore.lifecycle.charts import built_in
from ordercore.money import money
from ordercore.order import (
    FACTS,
    Accept,
    AddNote,
    Assign,
    Cancel,
    ChildPart,
    Close,
    Complete,
    Deliver,
    ExtendClock,
    Move,
    Note,
    NoteOverrun,
    PauseClocks,
    RefundOrder,
    ResumeClocks,
    Review,
    Rule,
    Ship,
    Tag,
    replay,
)
from ordercore.order import events as happened
from ordercore.order.events import FundedShare
from ordercore.order.handling import HandlingPolicy, Lineage, MergedIn
from ordercore.order.order import Order
from ordercore.party import SYSTEM, Actor, Address, Party
from ordercore.pricing import Cart, CartLine, Funder, PricingPolicy, TaxTotal, quote
from ordercore.tender import (
    AttemptState,
    CaptureMoment,
    Compensation,
    Failure,
    MerchantShare,
    OutcomeStatus,
    Refund,
    RefundLeg,
    RefundStatus,
)
from ordercore.tender import events as paid
from ordercore.tender.tenders import Channel, Points
from ordercore.testing import START, Story, order_content

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from ordercore.event import Event
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Command, Situation

STANDARD: Lifecycle[Order] = built_in("standard", FACTS)
ADA = Actor.customer("ada")
BOB = Actor.staff("bob")
PERSONAL = "Lovelace"
"""Stands in every personal field of the histories here, and in nothing else."""
FREELY = "Countess"
"""Stands in what customers and hosts add as they like, in what they agreed to, and is a VAT number."""


def cart() -> Cart:
    """Two lines of tea and their shipping, for somebody with a name, an address and a telephone."""
    from ordercore.pricing import ShippingCharge

    return Cart(
        "CNY",
        (
            CartLine(
                "TEA",
                2,
                money("10.00", "CNY"),
                name="Tea <green>",
                attributes={"engraving": FREELY},
                extra={"for": FREELY},
            ),
            CartLine("CUP", 1, money("5.00", "CNY")),
        ),
        shipping=ShippingCharge(money("3.00", "CNY")),
        customer=Party("ada", PERSONAL, f"{PERSONAL}@example.org", PERSONAL, FREELY),
        extra={"greeting": FREELY},
        address=Address(PERSONAL, (f"1 {PERSONAL} Road",), PERSONAL, country="CN", phone=PERSONAL),
    )


class Handled(Story):
    """A story whose staff may move orders by hand."""

    def situation(self, by: Actor = SYSTEM) -> Situation:
        """As a story's, with a policy that lets the state be overruled."""
        found = super().situation(by)
        policy = HandlingPolicy(overrules=(Rule.STATE,))
        return type(found)(found.at, found.by, found.lifecycle, found.posting, policy)


def handled() -> Handled:
    """An order for two lines of tea, just placed."""
    return Handled(order_content(quote(cart(), PricingPolicy(), START)), lifecycle=STANDARD)


def recorded_of(story: Story) -> tuple[Recorded, ...]:
    """What a store would have kept of a story."""
    return tuple(one for made in story.changes for one in made.recorded())


def with_every_event() -> tuple[Recorded, ...]:
    """A history in which each event occurs, though no order would live through all of it."""
    story = handled()
    offers = (Points(123, PERSONAL), Channel("card", account=PERSONAL))
    story.pay(*offers, status=OutcomeStatus.AUTHORIZED)
    story.ship({"1": 1}, carrier="DHL", tracking="JD01")
    story.refund({"2": 1}, status=RefundStatus.ARRIVED)
    story.complete()
    order, content = story.order, story.order.content
    attempt = order.payments.attempts[0].id
    plan = order.payments.plan
    assert plan is not None
    back = order.payments.refunds[0]
    later: list[Event] = [
        happened.Reminded(content.pay_by),
        happened.Reminded(None),
        happened.Reviewed(Review(False, START, BOB, (("paid", True), ("age", False)), PERSONAL)),
        happened.Reviewed(Review(True, START, BOB, reason="all fine")),
        happened.Overruled("recover_window", "goodwill"),
        happened.Assigned("depot"),
        happened.Assigned(""),
        happened.Noted(Note(START, BOB, PERSONAL)),
        happened.Noted(Note(START, BOB, "comes on Friday", shown=True)),
        happened.Tagged(("vip",)),
        happened.Tagged((), ("vip",)),
        happened.ItemMarked("1", "ordered"),
        happened.Paused("ticket"),
        happened.Resumed("ticket"),
        happened.Extended("confirm", timedelta(days=3)),
        happened.Overran("pay", timedelta(minutes=30)),
        happened.Overran("collect", timedelta(days=2)),
        happened.Escalated("collect"),
        happened.Amended(content, ("lines", "total"), content.total - 1),
        happened.Amended(content, ("address",), content.total),
        happened.Recovered(content, content.total - 1),
        paid.Reallotted(plan, (attempt,)),
        paid.PaymentStarted(plan, (), (attempt,)),
        happened.ClosingAsked("close", "not paid in time"),
        happened.ClosingAsked("close", "not paid in time", (attempt,)),
        *[paid.AttemptAnswered(attempt, state, reason="so it is") for state in AttemptState],
        paid.UndoAsked((attempt,), "gave up"),
        *[paid.RefundAnswered(back.id, 0, status, reason="so it is") for status in RefundStatus],
        paid.RefundRequested(type(back)("r-9", (), (), 100, "goodwill")),
        happened.RefundDelayed(back.id, 0),
        *_money(order),
        *_regrouped(order),
        *_parceled(order),
        *_collected(order),
        Withdrawn(Manifest.of({"2": 1})),
        Shipped(Shipment("s-9", Manifest.of({"1": 1}))),
        happened.Moved("override", order.state, "closed", "asked for", releases=True),
        happened.Moved("close", "closed", "closed", "for good", releases=True, seals=True),
    ]
    told = list(recorded_of(story))
    told += [
        Recorded(order.id, order.version + i, story.at + timedelta(hours=i), BOB, "Try", event)
        for i, event in enumerate(later, start=1)
    ]
    return tuple(told)


def _money(order: Order) -> list[Event]:
    """What may become of money that was held, taken or asked back; each event in each way it is told."""
    payments = order.payments
    points, card = payments.attempts[:2]
    plan, back = payments.plan, payments.refunds[0]
    assert plan is not None
    later = {
        moment: evolve(card, id=f"o-1/{moment.value}", account=PERSONAL, capture=moment)
        for moment in CaptureMoment
    }
    fresh = evolve(later[CaptureMoment.BY_HAND], state=AttemptState.OPEN, captured=0, several=True)
    held, once = evolve(fresh, id="o-1/held", rounding=2), evolve(fresh, id="o-1/once")
    tax = TaxTotal(130_000, 100, 13)
    asked = held.amount + held.rounding
    grant = Compensation("c-1", 100, "balance", PERSONAL, "it came late", "staff:bob")
    share = MerchantShare(LineId("1"), "farm", 0, 1, 100, 10, 5, 5)
    legs = (
        RefundLeg(held.id, 50, 0, released=True),
        RefundLeg(card.id, 40, 0, gateway="balance", account=PERSONAL, rounding=1),
        RefundLeg(card.id, 1, 0, rounding=-1),
        RefundLeg(card.id, 9, 0),
    )
    arrived = RefundStatus.ARRIVED
    return [
        paid.PaymentStarted(plan, (*later.values(), held, once)),
        paid.AttemptAnswered(held.id, AttemptState.DECLINED, failure=Failure.SOFT),
        paid.AttemptAnswered(held.id, AttemptState.DECLINED, failure=Failure.NOT_SENT),
        paid.Rerouted(held.id, evolve(held, id="o-1/next", gateway="other")),
        paid.AttemptAnswered(held.id, AttemptState.AUTHORIZED, amount=held.amount - 10),
        paid.AttemptAnswered(once.id, AttemptState.AUTHORIZED),
        paid.AttemptAnswered(once.id, AttemptState.CAPTURED, amount=once.amount - 7),
        paid.AttemptAnswered("o-1/next", AttemptState.RETURNED),
        paid.AttemptAnswered("o-1/next", AttemptState.AUTHORIZED, expires_at=START),
        paid.AuthorizationEnding("o-1/next", START),
        paid.CaptureAsked(("o-1/next",), (200,)),
        paid.AttemptAnswered("o-1/next", AttemptState.AUTHORIZED, amount=200, moved=200),
        paid.AttemptAnswered("o-1/next", AttemptState.CAPTURED, moved=asked - 200),
        paid.CaptureAsked(("o-1/next",)),
        paid.AttemptAnswered("o-1/next", AttemptState.CAPTURED, amount=asked),
        paid.AttemptAnswered("o-1/next", AttemptState.RETURNED, moved=-asked),
        paid.AttemptAnswered("o-1/next", AttemptState.CAPTURED, amount=asked + 5),
        paid.MoneyHeld(once.id, once.amount - 7),
        paid.MatrixResolved(plan.matrix),
        paid.RefundRequested(Refund("r-8", (), legs, 100, "goodwill", consent=FREELY)),
        paid.RefundAnswered("r-8", 0, arrived, reason="it was only held"),
        paid.RefundAnswered("r-8", 2, arrived, reason="there is no coin for it"),
        paid.RefundRequested(Refund("r-7", (), legs[3:], 9, "too much", surplus=True)),
        paid.RefundSent((("r-7", 0),), START),
        paid.RefundSent((("r-8", 3), ("r-7", 0)), START),
        paid.RefundAnswered("r-7", 0, RefundStatus.FAILED, reason="the card is gone"),
        happened.RefundDelayed("r-7", 0),
        paid.RefundRerouted("r-7", 0, "balance", PERSONAL, FREELY, "the card is gone"),
        paid.RefundRerouted(back.id, 0, "", "", ""),
        paid.ChargedBack(points.id, points.amount + 9, 15),
        paid.FeeCharged("card", 12),
        paid.FeeCharged("card", -2),
        paid.Remitted(card.id, 100),
        paid.Remitted(card.id, 100, 3),
        happened.RevenueRecognized((tax,), (), (FundedShare(Funder.PLATFORM, 5),), 3),
        Received(START, confirmed_by_timer=True),
        paid.FundsShared((share,)),
        paid.FundsShared((share,), "r-8"),
        paid.Forfeited(30, 3, 130_000, "the balance did not come"),
        paid.CompensationGranted(grant),
        *[paid.CompensationAnswered("c-1", status) for status in RefundStatus],
    ]


def _regrouped(order: Order) -> list[Event]:
    """Split up and whole again, another order taken in and gone again, taken in itself and restored."""
    content = order.content
    card = order.payments.attempts[1]
    came = evolve(card, id="o-2/1", account=PERSONAL)
    other = MergedIn("o-2", "N-2", "paid", "paid", ("o-2/1",), (card.id,))
    parts = (
        ChildPart("o-1.1", "N-1-1", "north", Manifest.of({"1": 1}), 1_000, ("presale", "value")),
        ChildPart("o-1.2", "N-1-2", "south", Manifest.of({"1": 1, "2": 1}), 1_800),
    )
    return [
        happened.SplitUp(parts),
        paid.MoneyTakenOut(("o-1.1", "o-1.2"), (paid.TakenOut(card.id, card.amount, 2),)),
        happened.Rejoined(content, ("o-1.1", "o-1.2")),
        paid.MoneyBroughtIn("o-2", (came,)),
        happened.Combined(evolve(content, total=10**6), other, content.total),
        paid.MoneyTakenOut(("o-2",), (paid.TakenOut(came.id, came.amount),)),
        happened.Unmerged(content, other, 10**6),
        paid.MoneyBroughtIn("o-2", (came,)),
        happened.Combined(content, other, content.total),
        happened.MergedInto("o-3", "N-3"),
        happened.Restored("o-3"),
    ]


def _parceled(order: Order) -> list[Event]:
    """Parcels planned, picked, packed, trimmed, given up, booked with carriers and on their way."""
    one, two = f"{order.id}/p1", f"{order.id}/p2"
    some = Manifest.of({"1": 1})
    asked = Waybill("w-1", "SF", "express")
    booked = evolve(asked, state=WaybillState.BOOKED, number="SF01", cost=1_200, label=PERSONAL)
    away = Address(PERSONAL, (PERSONAL,), PERSONAL, country="CN", phone=PERSONAL)
    sights = tuple([TrackPoint(START, state, PERSONAL, PERSONAL) for state in TRACKED])
    return [
        ParcelsPlanned((Parcel(one, Manifest.of({"1": 2}), source="north"), Parcel(two, some))),
        ParcelPicked(one, some, some),
        ParcelPicked(two, Manifest(), some),
        ParcelPacked(one, 750),
        ParcelTrimmed(one, some, "one was refunded"),
        ParcelTrimmed(two, Manifest(), "all was refunded"),
        ParcelCanceled(two, "planned by mistake"),
        CollectShared(((one, 2_800),)),
        WaybillAsked(one, asked),
        WaybillAnswered(one, evolve(asked, state=WaybillState.REFUSED, reason="too heavy")),
        WaybillAnswered(one, booked),
        WaybillCanceling(one, "w-1", "the address changed"),
        WaybillAnswered(one, booked),
        WaybillAnswered(one, evolve(booked, state=WaybillState.CANCELED)),
        ParcelRedirected(one, away, 1_200, "the customer moved"),
        MasterJoined(one, "M-1", "SEA"),
        *[ParcelTracked(one, (sight,)) for sight in sights],
        ParcelTracked(one, sights),
    ]


def _collected(order: Order) -> list[Event]:
    """A pickup code, wrong tries against it until it is void, and another with which goods are fetched."""
    seal = Seal(CodeAlphabet.DIGITS, 6, 10, PERSONAL, PERSONAL)
    code = Pickup("c-1", "north", START + timedelta(days=7), seal, 5, 20, timedelta(minutes=15))
    first = HandedOver("h-1", Manifest.of({"1": 1}), ("s-7",))
    rest = HandedOver("h-2", Manifest.of({"2": 1}), ("s-8",))
    friend = Proxy(FREELY, PERSONAL, PERSONAL)
    return [
        CodeIssued(code),
        CodeRefused("c-1", "north"),
        CodeRefused("c-1", "north", START + timedelta(minutes=15)),
        CodeRefused("c-1", "north", void=True),
        Collected("c-1", first, "north", 1_000, last=False),
        Collected("c-1", rest, "north", 500, last=True, proxy=friend),
    ]


def split_off(*reasons: str) -> tuple[Recorded, ...]:
    """A part of an order that was split while it was being shipped, two hours after that had begun."""
    story = handled()
    story.pay(Channel("card", account=PERSONAL))
    order = story.order
    lineage = Lineage("o-0", "north", reasons)
    content = evolve(order.content, number="N-0-1")
    event = happened.SplitOff(
        content, "paid", order.entered_at, order.payments, evolve(order.handling, lineage=lineage)
    )
    return (Recorded("o-1", 1, order.entered_at + timedelta(hours=2), BOB, "SplitOrder", event),)


def adopted(state: str = "shipped", *, released: bool = False) -> tuple[Recorded, ...]:
    """An order that was taken over two days after it had come into a state, itself three days after placing."""
    story = handled()
    entered = START + timedelta(days=3)
    event = happened.Adopted(
        story.order.content, state, entered, story.order.payments, story.order.delivery, released
    )
    return (Recorded("o-1", 1, START + timedelta(days=5), BOB, "Adopt", event),)


def order_of(recorded: tuple[Recorded, ...]) -> Order:
    """The order that a history gives."""
    return replay([(one.event, one.at) for one in recorded])


_HANDLING: tuple[Command, ...] = (
    AddNote("knock", shown=True),
    AddNote(PERSONAL),
    Tag(("vip",)),
    Tag((), ("vip",)),
    Assign("depot"),
    PauseClocks("ticket"),
    ResumeClocks("ticket"),
    ExtendClock("confirm"),
    NoteOverrun("pick", timedelta(hours=1)),
    Accept(),
    Ship("s-1", Manifest.of({"1": 1})),
    Ship("s-2", None),
    Deliver(),
    Complete(),
    RefundOrder("r-1", None, "returned"),
    RefundOrder("r-2", Manifest.of({"1": 1}), "broken"),
    Cancel("changed my mind", "r-3"),
    Close("not paid in time"),
    *[Move(state, "by hand") for state in ("paid", "pending_payment", "shipped", "completed")],
)


@st.composite
def histories(draw: DrawFn) -> Handled:
    """Orders that people and clocks handled in any way that was not refused; steps back included."""
    from ordercore.errors import OrdercoreError

    story = handled()
    for _ in range(draw(st.integers(0, 12))):
        story.at += timedelta(seconds=draw(st.sampled_from([0, 1, 90, 3_600, 200_000])))
        pays = story.order.state == "pending_payment" and draw(st.booleans())
        command = None if pays else draw(st.sampled_from(_HANDLING))
        with suppress(OrdercoreError):  # what is refused leaves the story as it was
            if command is None:
                story.pay(Points(100), Channel("card"))
            else:
                story.send(command, by=BOB)
    return story


STEPS = tuple(VisibleStep)
