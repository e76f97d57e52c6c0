"""The order's own events, and the closed union of all that can happen to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from ordercore.event import Event, event
from ordercore.fulfillment import Delivery, Received, Shipped, Withdrawn
from ordercore.fulfillment.parcel import (
    CollectShared,
    MasterJoined,
    ParcelCanceled,
    ParcelPacked,
    ParcelPicked,
    ParcelRedirected,
    ParcelsPlanned,
    ParcelTracked,
    ParcelTrimmed,
    WaybillAnswered,
    WaybillAsked,
    WaybillCanceling,
)
from ordercore.fulfillment.pickup import CodeIssued, CodeRefused, Collected
from ordercore.goods import Manifest
from ordercore.order.handling import ChildPart, Handling, MergedIn, Note, Review
from ordercore.order.order import OrderContent
from ordercore.pricing import Funder, TaxTotal
from ordercore.tender import Payments
from ordercore.tender.events import (
    AttemptAnswered,
    AuthorizationEnding,
    CaptureAsked,
    ChargedBack,
    CompensationAnswered,
    CompensationGranted,
    FeeCharged,
    Forfeited,
    FundsShared,
    MatrixResolved,
    MoneyBroughtIn,
    MoneyHeld,
    MoneyTakenOut,
    PaymentStarted,
    Reallotted,
    RefundAnswered,
    RefundRequested,
    RefundRerouted,
    RefundSent,
    Remitted,
    Rerouted,
    UndoAsked,
)
from ordercore.value import value

__all__ = [
    "EVENTS",
    "Adopted",
    "Amended",
    "Assigned",
    "ClosingAsked",
    "Combined",
    "Escalated",
    "Extended",
    "FundedShare",
    "ItemMarked",
    "MergedInto",
    "Moved",
    "Noted",
    "OrderEvent",
    "Overran",
    "Overruled",
    "Paused",
    "Placed",
    "Recovered",
    "RefundDelayed",
    "Rejoined",
    "Reminded",
    "Restored",
    "Resumed",
    "RevenueRecognized",
    "Reviewed",
    "SplitOff",
    "SplitUp",
    "Tagged",
    "Unmerged",
]


@event("order.placed")
class Placed(Event):
    """The order exists: what was agreed, and the state it starts in."""

    content: OrderContent
    state: str


@event("order.adopted")
class Adopted(Event):
    """The order was taken over in mid-life: what was agreed, where it stands, what was paid and sent elsewhere."""

    content: OrderContent
    state: str
    entered_at: datetime
    payments: Payments
    delivery: Delivery
    released: bool = False
    recognized: bool = False
    unsettled: tuple[str, ...] = ()
    """Attempts whose money the channel still holds; that of the others was paid out before."""


@event("order.moved", schema=2)
class Moved(Event):
    """The lifecycle moved: by which event, from where to where, and why.

    ``releases``: it will not be fulfilled, so nothing is held for it any more.
    ``seals``: it is closed for good. Both stand here because an event is read without its chart.
    """

    via: str
    source: str
    to: str
    reason: str = ""
    releases: bool = False
    seals: bool = False


@event("order.amended")
class Amended(Event):
    """What was agreed was changed: the content from now on, in which parts it differs, the total before."""

    content: OrderContent
    changed: tuple[str, ...]
    was: int


@event("order.recovered")
class Recovered(Event):
    """A canceled order lives again, at the prices of the day: its content from now on, the total before."""

    content: OrderContent
    was: int


@event("order.split_off")
class SplitOff(Event):
    """The order begins as a part of another one, in the state where that stood, with its share of what was paid.

    ``handling`` says of which order it is a part, and why.
    """

    content: OrderContent
    state: str
    entered_at: datetime
    payments: Payments
    handling: Handling


@event("order.split_up")
class SplitUp(Event):
    """The order was split: its goods and its money are with its parts."""

    parts: tuple[ChildPart, ...]


@event("order.rejoined")
class Rejoined(Event):
    """The parts are one order again, with what was agreed before it was split, and with how they were dealt with."""

    content: OrderContent
    orders: tuple[str, ...]
    handling: Handling | None = None


@event("order.combined")
class Combined(Event):
    """Another order's goods were taken into this one: the content from now on, the total before."""

    content: OrderContent
    merged: MergedIn
    was: int


@event("order.merged_into")
class MergedInto(Event):
    """The order is part of another one from now on, which has its goods and its money."""

    into: str
    number: str


@event("order.unmerged")
class Unmerged(Event):
    """An order that was taken in is apart again: the content from now on, the total before.

    ``payments`` and ``withdrawn`` are as they were when it was taken in: what was refunded then concerns this
    content, and the matrix of that day is in force again.
    """

    content: OrderContent
    merged: MergedIn
    was: int
    payments: Payments | None = None
    withdrawn: Manifest = Manifest()


@event("order.restored")
class Restored(Event):
    """The order has its own goods and money again, which another one had taken over."""

    source: str


@event("order.overruled")
class Overruled(Event):
    """Staff set a rule of the shop aside, with a reason."""

    rule: str
    reason: str


@event("order.reviewed")
class Reviewed(Event):
    """The order was looked over before it is taken up."""

    review: Review


@event("order.assigned")
class Assigned(Event):
    """The order is the work of a department or a person; empty for nobody's."""

    to: str


@event("order.noted")
class Noted(Event):
    """Somebody remarked on the order."""

    note: Note


@event("order.tagged")
class Tagged(Event):
    """Tags were put on the order or taken off it."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@event("order.item_marked")
class ItemMarked(Event):
    """A single line has a status of its own."""

    line: str
    status: str


@event("clock.paused")
class Paused(Event):
    """A reason came up for which clocks stand still."""

    pause: str


@event("clock.resumed")
class Resumed(Event):
    """The reason is gone: clocks run on, later by the time in between."""

    pause: str


@event("clock.extended")
class Extended(Event):
    """A timer of the order was given more time, once."""

    timer: str
    by: timedelta


@event("clock.overran")
class Overran(Event):
    """A visible step took longer than its target."""

    step: str
    target: timedelta


@event("clock.escalated")
class Escalated(Event):
    """A timer asks somebody above to look."""

    timer: str


@event("order.closing_asked", schema=2)
class ClosingAsked(Event):
    """The order is to close; the attempts that wait are first closed at their channels.

    ``timed_out``: its time is up, so money that came in time is kept; otherwise it is called off.
    """

    via: str
    reason: str
    attempts: tuple[str, ...] = ()
    timed_out: bool = False


@event("order.reminded")
class Reminded(Event):
    """The shopper is to be reminded that the order must be paid by ``pay_by``."""

    pay_by: datetime | None


@value
class FundedShare:
    """What a third party bears of the discounts on what is sold, in minor units."""

    funder: Funder
    amount: int


@event("order.revenue_recognized")
class RevenueRecognized(Event):
    """The sale is earned: goods and fees by tax rate, and shipping by tax rate.

    The nets are what the customer paid; a net that bears several components of tax is told with the
    first of them. ``funded`` is earned beside it from third parties: for goods and fees,
    and ``charges_funded`` for shipping. ``duties`` were collected for the state of the destination and are not earned at all.
    """

    goods: tuple[TaxTotal, ...]
    charges: tuple[TaxTotal, ...]
    funded: tuple[FundedShare, ...] = ()
    duties: int = 0
    charges_funded: tuple[FundedShare, ...] = ()


@event("order.refund_delayed")
class RefundDelayed(Event):
    """A leg of a refund has not arrived when it should have; somebody must look."""

    refund: str
    leg: int


OrderEvent = (
    Placed
    | Adopted
    | Moved
    | Amended
    | Recovered
    | SplitOff
    | SplitUp
    | Rejoined
    | Combined
    | MergedInto
    | Unmerged
    | Restored
    | Overruled
    | Reviewed
    | Assigned
    | Noted
    | Tagged
    | ItemMarked
    | Paused
    | Resumed
    | Extended
    | Overran
    | Escalated
    | Reallotted
    | ClosingAsked
    | Reminded
    | RevenueRecognized
    | RefundDelayed
    | PaymentStarted
    | AttemptAnswered
    | CaptureAsked
    | UndoAsked
    | RefundRequested
    | RefundAnswered
    | AuthorizationEnding
    | ChargedBack
    | CompensationAnswered
    | CompensationGranted
    | FeeCharged
    | Forfeited
    | FundsShared
    | MatrixResolved
    | MoneyBroughtIn
    | MoneyHeld
    | MoneyTakenOut
    | RefundRerouted
    | RefundSent
    | Remitted
    | Rerouted
    | Shipped
    | Withdrawn
    | Received
    | CollectShared
    | MasterJoined
    | ParcelCanceled
    | ParcelPacked
    | ParcelPicked
    | ParcelRedirected
    | ParcelTracked
    | ParcelTrimmed
    | ParcelsPlanned
    | WaybillAnswered
    | WaybillAsked
    | WaybillCanceling
    | CodeIssued
    | CodeRefused
    | Collected
)
"""Everything that can happen to an order."""

EVENTS: dict[str, type[Event]] = {
    cls.name: cls
    for cls in (
        Placed,
        Adopted,
        Moved,
        Amended,
        Recovered,
        SplitOff,
        SplitUp,
        Rejoined,
        Combined,
        MergedInto,
        Unmerged,
        Restored,
        Overruled,
        Reviewed,
        Assigned,
        Noted,
        Tagged,
        ItemMarked,
        Paused,
        Resumed,
        Extended,
        Overran,
        Escalated,
        Reallotted,
        ClosingAsked,
        Reminded,
        RevenueRecognized,
        RefundDelayed,
        PaymentStarted,
        AttemptAnswered,
        CaptureAsked,
        UndoAsked,
        RefundRequested,
        RefundAnswered,
        AuthorizationEnding,
        ChargedBack,
        CompensationAnswered,
        CompensationGranted,
        FeeCharged,
        Forfeited,
        FundsShared,
        MatrixResolved,
        MoneyBroughtIn,
        MoneyHeld,
        MoneyTakenOut,
        RefundRerouted,
        RefundSent,
        Remitted,
        Rerouted,
        Shipped,
        Withdrawn,
        Received,
        CollectShared,
        MasterJoined,
        ParcelCanceled,
        ParcelPacked,
        ParcelPicked,
        ParcelRedirected,
        ParcelTracked,
        ParcelTrimmed,
        ParcelsPlanned,
        WaybillAnswered,
        WaybillAsked,
        WaybillCanceling,
        CodeIssued,
        CodeRefused,
        Collected,
    )
}
"""Every event class by its stored name; a test holds it equal to the union."""
