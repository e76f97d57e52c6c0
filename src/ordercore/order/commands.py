"""What may be asked of an order, and by whom.

A command is a wish; `ordercore.order.decide` answers with events or a refusal.
`CommandKind` names those that people send; the others come from gateways and timers.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

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
from ordercore.value import value

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ordercore.fulfillment.pickup import Pickup, Proxy
    from ordercore.goods import Manifest
    from ordercore.order.handling import ChildPart, Handling, MergedIn
    from ordercore.order.order import OrderContent
    from ordercore.tender import (
        Attempt,
        ChannelPick,
        Compensation,
        Outcome,
        Payments,
        RefundOutcome,
        RefundSplit,
        TenderPlan,
    )
    from ordercore.tender.events import TakenOut

__all__ = [
    "Accept",
    "AddNote",
    "Advance",
    "Amend",
    "AnswerAttempts",
    "AnswerCompensation",
    "AnswerRefund",
    "AnswerWaybill",
    "AskWaybill",
    "Assign",
    "Cancel",
    "CancelParcel",
    "CancelWaybill",
    "CaptureMoney",
    "Close",
    "CollectGoods",
    "Command",
    "CombineOrders",
    "CommandKind",
    "Compensate",
    "Complete",
    "ConfirmPayment",
    "ConfirmRefund",
    "Deliver",
    "DispatchParcel",
    "Escalate",
    "ExtendClock",
    "Forfeit",
    "IssuePickupCode",
    "JoinMaster",
    "MarkItem",
    "MergeInto",
    "Move",
    "NoteAuthorizationEnding",
    "NoteChargeback",
    "NoteFee",
    "NoteOverrun",
    "NoteRefundDelay",
    "NoteRemittance",
    "PackParcel",
    "PauseClocks",
    "Pay",
    "PickParcel",
    "PlanParcels",
    "RejoinOrders",
    "Recover",
    "RedirectParcel",
    "RefundOrder",
    "Remind",
    "RerouteRefund",
    "RestoreOrder",
    "ResumeClocks",
    "ReviewOrder",
    "Seal",
    "SendRefunds",
    "Ship",
    "SplitOrder",
    "Tag",
    "TrackParcel",
    "UndoPayment",
    "UnmergeOrder",
]


class CommandKind(enum.Enum):
    """The commands that a person or the shop's own process may send."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    PAY = "pay"
    ACCEPT = "accept"
    SHIP = "ship"
    DELIVER = "deliver"
    COMPLETE = "complete"
    CANCEL = "cancel"
    REFUND = "refund"
    AMEND = "amend"
    REVIEW = "review"
    CLOSE = "close"
    RECOVER = "recover"
    CAPTURE = "capture"
    CONFIRM_PAYMENT = "confirm_payment"
    REROUTE_REFUND = "reroute_refund"
    SPLIT = "split"
    REJOIN = "rejoin"
    COMBINE = "combine"
    UNMERGE = "unmerge"
    COMPENSATE = "compensate"
    ISSUE_PICKUP_CODE = "issue_pickup_code"
    COLLECT = "collect"
    PLAN_PARCELS = "plan_parcels"
    PICK_PARCEL = "pick_parcel"
    PACK_PARCEL = "pack_parcel"
    CANCEL_PARCEL = "cancel_parcel"
    BOOK_WAYBILL = "book_waybill"
    CANCEL_WAYBILL = "cancel_waybill"
    DISPATCH_PARCEL = "dispatch_parcel"


@value
class Pay:
    """Pay by this plan; every attempt is written down first.

    ``picks`` are the channels of its fresh tenders, in their order; where there is none, a tender goes to the
    gateway of its name and is taken at once.
    """

    plan: TenderPlan
    picks: tuple[ChannelPick, ...] = ()


@value
class Accept:
    """Take a paid order up for shipment."""


@value
class Ship:
    """Goods leave; without ``goods``, all that is left to ship."""

    id: str
    goods: Manifest | None = None
    carrier: str = ""
    tracking: str = ""


@value
class Deliver:
    """The goods arrived, by the carrier's word or the shopper's; or nobody said so and time is up."""

    at: datetime | None = None
    by_timer: bool = False
    via: str = "receive"


@value
class Complete:
    """The customer keeps the goods: the sale is earned."""


@value
class IssuePickupCode:
    """Give a code for goods that are collected; ``within`` bounds the time that a customer may ask for."""

    pickup: Pickup
    within: timedelta


@value
class CollectGoods:
    """Somebody came with a code: hand goods over, all that wait without ``goods``; or count a wrong try.

    ``digest`` is of the code that was said, made with the salt of ``pickup``; the code itself comes nowhere near.
    """

    pickup: str
    store: str
    digest: str = attrs.field(repr=False)
    shipment: str
    goods: Manifest | None = None
    proxy: Proxy | None = None


@value
class Cancel:
    """End the order before it ships; what was paid goes back. ``via`` is the lifecycle's event."""

    reason: str
    refund_id: str = ""
    via: str = "cancel"


@value
class Close:
    """End an unpaid order because its time is up. ``via`` is the lifecycle's event."""

    reason: str
    via: str = "close"


@value
class RefundOrder:
    """Give back units of lines and whole charges.

    Without either, everything that is left. Without ``charges``, those that go with the last goods
    of an order of which nothing has left. ``split`` says over which tenders, ``None`` by policy; ``consent`` is
    the customer's recorded word for a refund to balance, which goes to ``account`` there.
    """

    id: str
    goods: Manifest | None
    reason: str
    charges: tuple[str, ...] | None = None
    split: RefundSplit | None = None
    consent: str = ""
    account: str = ""


@value
class AnswerAttempts:
    """Gateways spoke about attempts: (attempt, outcome) pairs.

    ``told``: they did so by a notification, which may be old. ``goods_lost``: the stock keeper no longer holds the goods, or the book the coupons, so money that came is sent back.
    ``regained`` is what a closed order agrees to with goods and codes promised anew, so late money may revive it.
    """

    answers: tuple[tuple[str, Outcome], ...]
    goods_lost: bool = False
    told: bool = False
    regained: OrderContent | None = None


@value
class AnswerRefund:
    """Gateways spoke about legs of a refund: (leg, outcome) pairs.

    ``keys`` are the keys under which they were asked, one for each answer: news of a way that failed concerns no
    later one. Without them the answers are about the legs as they stand. Legs that went out as one are answered
    alike.
    """

    refund: str
    answers: tuple[tuple[int, RefundOutcome], ...]
    keys: tuple[str, ...] = ()


@value
class CaptureMoney:
    """Take authorized money: of one attempt, or of all without one; ``amount`` minor units, or all that is left."""

    attempt: str = ""
    amount: int | None = None


@value
class ConfirmPayment:
    """Somebody of the shop says what became of an attempt that no channel tells of: a transfer, a till, a courier.

    ``regained`` is as in `AnswerAttempts`. Of what couriers collect, an amount is what came now, not in all, and
    ``parcel`` is the one that it came for.
    """

    attempt: str
    outcome: Outcome
    regained: OrderContent | None = None
    parcel: str = ""


@value
class ConfirmRefund:
    """Somebody of the shop says what became of a leg of a refund that no channel tells of."""

    refund: str
    leg: int
    outcome: RefundOutcome


@value
class SendRefunds:
    """Legs are about to be asked of their channel: (refund, leg) pairs; several go out as one."""

    legs: tuple[tuple[str, int], ...]


@value
class RerouteRefund:
    """Let a leg that failed go by another way: to an account of ``gateway``, with the customer's ``consent``;
    without a gateway the same way again."""

    refund: str
    leg: int
    gateway: str = ""
    account: str = ""
    consent: str = ""
    reason: str = ""


@value
class Compensate:
    """Give the customer money that is no refund."""

    compensation: Compensation


@value
class AnswerCompensation:
    """A gateway spoke about a compensation."""

    compensation: str
    outcome: RefundOutcome


@value
class NoteChargeback:
    """The payer's bank took money back over an attempt.

    ``shared``: it is this order's share of what all orders bear to which the money came. Without it an order that
    was split or merged refuses it, as its money is with others.
    """

    attempt: str
    amount: int
    fee: int = 0
    reference: str = ""
    at: datetime | None = None
    shared: bool = False


@value
class NoteFee:
    """A channel kept something for itself."""

    gateway: str
    amount: int
    subject: str = ""
    reference: str = ""


@value
class NoteRemittance:
    """A channel or a courier paid out what it held for us over an attempt."""

    attempt: str
    amount: int
    fee: int = 0
    reference: str = ""
    at: datetime | None = None


@value
class NoteAuthorizationEnding:
    """An authorization ends soon: its money is taken now, or somebody is told."""

    attempt: str


@value
class UndoPayment:
    """Give up the payment under way: everything held or open is to be undone.

    ``round`` is the payment that is meant, ``None`` whichever it is; another one is left alone.
    """

    reason: str
    round: int | None = None


@value
class Remind:
    """It is time to remind the shopper to pay."""


@value
class NoteRefundDelay:
    """A leg of a refund has not arrived when it should have."""

    refund: str
    leg: int


@value
class Advance:
    """Fire an event of the lifecycle that people send: one that moves no goods and no money by itself.

    ``by_timer``: its time has come, whoever else may send it.
    """

    event: str
    reason: str = ""
    refund_id: str = ""
    by_timer: bool = False


@value
class ReviewOrder:
    """Say whether an order is valid, after looking it over: ``confirm`` or ``reject``."""

    valid: bool
    checklist: tuple[tuple[str, bool], ...] = ()
    contact: str = ""
    reason: str = ""
    refund_id: str = ""


@value
class Seal:
    """Close an order for good: it takes no command after this. ``overrule`` sets a refusal aside."""

    reason: str
    overrule: str = ""


@value
class Amend:
    """What is agreed from now on, already priced; ``changed`` names the parts that differ.

    ``refund_id`` names the refund of what was paid above the new price.
    ``overrule`` is the reason for which staff amend where the lifecycle lists no amending.
    """

    content: OrderContent
    changed: tuple[str, ...]
    refund_id: str
    overrule: str = ""


@value
class Recover:
    """Let a canceled order live again with this content, priced today and with goods promised anew."""

    content: OrderContent
    overrule: str = ""


@value
class Move:
    """Move an order to a state by hand, past its lifecycle."""

    to: str
    reason: str


@value
class AddNote:
    """Remark on an order; with ``shown`` the customer may read it."""

    text: str
    shown: bool = False


@value
class Tag:
    """Put tags on an order, take tags off it."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@value
class Assign:
    """Make an order the work of a department or a person; empty for nobody's."""

    to: str


@value
class MarkItem:
    """Give a line a status of its own, one that the lifecycle lists."""

    line: str
    status: str


@value
class PauseClocks:
    """Let the clocks that this pause concerns stand still, until it is resumed."""

    name: str


@value
class ResumeClocks:
    """Let them run on, later by the time in between."""

    name: str


@value
class ExtendClock:
    """Give a timer of the order more time, once, as its rule allows."""

    timer: str


@value
class NoteOverrun:
    """A visible step took longer than its target."""

    step: str
    target: timedelta


@value
class Escalate:
    """A timer asks somebody above to look."""

    timer: str


@value
class Forfeit:
    """The time to pay the rest is over: the order ends, and what was paid may be kept."""

    via: str = "forfeit"
    reason: str = ""


@value
class SplitOrder:
    """Let an order go apart into these; ``money`` is what they take along of each attempt."""

    parts: tuple[ChildPart, ...]
    money: tuple[TakenOut, ...]


@value
class RejoinOrders:
    """Let the parts of an order be one again, in this state; ``attempts`` are payments that the parts made themselves,
    ``handling`` is how they were dealt with."""

    content: OrderContent
    orders: tuple[str, ...]
    state: str
    attempts: tuple[tuple[str, tuple[Attempt, ...]], ...] = ()
    handling: Handling | None = None


@value
class CombineOrders:
    """Take another order's goods and money in, at a content already priced.

    ``state`` is where the order stands once nothing is due. ``refund_id`` names the refund of what was paid above
    the new price. ``cell`` is the table's word on the two states, ``overrule`` the reason for which staff do what only
    staff may.
    """

    content: OrderContent
    merged: MergedIn
    attempts: tuple[Attempt, ...]
    state: str
    refund_id: str
    overrule: str = ""


@value
class MergeInto:
    """Let an order be part of another one, which takes its goods and its money over."""

    into: str
    number: str
    how: str = "merge"
    overrule: str = ""


@value
class UnmergeOrder:
    """Let an order that was taken in be apart again, at the content, the payments and the withdrawals from before."""

    content: OrderContent
    merged: MergedIn
    payments: Payments | None = None
    withdrawn: Manifest | None = None


@value
class RestoreOrder:
    """Let an order that another one had taken over live again by itself, where it stood."""

    source: str
    state: str


Command = (
    Pay
    | SplitOrder
    | RejoinOrders
    | CombineOrders
    | MergeInto
    | UnmergeOrder
    | RestoreOrder
    | Advance
    | ReviewOrder
    | Seal
    | Amend
    | Recover
    | Move
    | AddNote
    | Tag
    | Assign
    | MarkItem
    | PauseClocks
    | ResumeClocks
    | ExtendClock
    | NoteOverrun
    | Escalate
    | Forfeit
    | Accept
    | Ship
    | Deliver
    | Complete
    | AnswerWaybill
    | AskWaybill
    | CancelParcel
    | CancelWaybill
    | DispatchParcel
    | JoinMaster
    | PackParcel
    | PickParcel
    | PlanParcels
    | RedirectParcel
    | TrackParcel
    | CollectGoods
    | IssuePickupCode
    | Cancel
    | Close
    | RefundOrder
    | AnswerAttempts
    | AnswerRefund
    | UndoPayment
    | Remind
    | NoteRefundDelay
    | AnswerCompensation
    | CaptureMoney
    | Compensate
    | ConfirmPayment
    | ConfirmRefund
    | NoteAuthorizationEnding
    | NoteChargeback
    | NoteFee
    | NoteRemittance
    | RerouteRefund
    | SendRefunds
)
"""Everything that may be asked of an order."""
