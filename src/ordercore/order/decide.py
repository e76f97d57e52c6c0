"""The door of the order: a command and a situation in, events or a refusal out.

``decide`` is pure. A refused command changes nothing (law L12): the order that comes in is a
frozen value, and what comes out is a new one beside the events that made it.
Folding the events over the old order gives the new one (law L15).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, NotAllowed
from ordercore.lifecycle.vocabulary import VOCABULARY
from ordercore.order.commands import (
    Accept,
    AddNote,
    Advance,
    Amend,
    AnswerAttempts,
    AnswerCompensation,
    AnswerRefund,
    AnswerWaybill,
    AskWaybill,
    Assign,
    Cancel,
    CancelParcel,
    CancelWaybill,
    CaptureMoney,
    Close,
    CollectGoods,
    CombineOrders,
    Command,
    CommandKind,
    Compensate,
    Complete,
    ConfirmPayment,
    ConfirmRefund,
    Deliver,
    DispatchParcel,
    ExtendClock,
    IssuePickupCode,
    JoinMaster,
    MarkItem,
    MergeInto,
    Move,
    NoteChargeback,
    NoteFee,
    NoteRefundDelay,
    NoteRemittance,
    PackParcel,
    PauseClocks,
    Pay,
    PickParcel,
    PlanParcels,
    Recover,
    RedirectParcel,
    RefundOrder,
    RejoinOrders,
    RerouteRefund,
    RestoreOrder,
    ResumeClocks,
    ReviewOrder,
    Seal,
    SendRefunds,
    Ship,
    SplitOrder,
    Tag,
    TrackParcel,
    UndoPayment,
    UnmergeOrder,
)
from ordercore.order.events import Placed
from ordercore.order.evolve import evolve
from ordercore.order.order import Order, OrderContent
from ordercore.order.rules import (
    advancing,
    aftercare,
    amending,
    booking,
    capturing,
    closing,
    collecting,
    compensating,
    fulfilling,
    holding,
    marking,
    packing,
    paying,
    regrouping,
    returning,
    timing,
)
from ordercore.order.rules.deciding import Deciding, Refusal, Situation
from ordercore.party import ActorKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.event import Event
    from ordercore.order.rules.deciding import Guard, Rule

__all__ = [
    "RULES",
    "WHO",
    "Decision",
    "EventPermission",
    "Permission",
    "allowed",
    "allowed_events",
    "decide",
    "place",
]

_PARTS = (
    paying,
    fulfilling,
    aftercare,
    closing,
    advancing,
    amending,
    marking,
    timing,
    returning,
    booking,
    capturing,
    compensating,
    collecting,
    packing,
    regrouping,
)

RULES: Mapping[type[Any], Rule] = {
    command: rule for part in _PARTS for command, rule in part.RULES.items()
}
"""One rule for each command; a test holds it equal to the union."""

_GUARDS: Mapping[type[Any], Guard] = {
    command: guard for part in _PARTS for command, guard in part.GUARDS.items()
}

_ASKED: Mapping[type[Any], Guard] = {
    **_GUARDS,
    Pay: paying.may_start,
    Amend: amending.may_ask_amend,
    Recover: amending.may_ask_recover,
    Seal: closing.may_ask_seal,
    CollectGoods: collecting.may_ask_collect,
}
"""The same for who only asks: what may be begun, though something else must first be given up."""

# a look-up through an Enum class costs more than the comparison
_SYSTEM, _CUSTOMER = ActorKind.SYSTEM, ActorKind.CUSTOMER
_STAFF = frozenset({ActorKind.STAFF, ActorKind.SYSTEM})
_ALL = frozenset(ActorKind)
_TELLERS = frozenset({ActorKind.STAFF, ActorKind.SYSTEM, ActorKind.CHANNEL})
_SHOPPER = frozenset({ActorKind.CUSTOMER, ActorKind.STAFF, ActorKind.SYSTEM})

WHO: Mapping[type[Any], frozenset[ActorKind]] = {
    Pay: _SHOPPER,
    UndoPayment: _SHOPPER,
    Accept: _STAFF,
    Ship: _STAFF,
    Deliver: _ALL,
    IssuePickupCode: _SHOPPER,
    CollectGoods: _STAFF,
    PlanParcels: _STAFF,
    PickParcel: _STAFF,
    PackParcel: _STAFF,
    CancelParcel: _STAFF,
    AskWaybill: _STAFF,
    CancelWaybill: _STAFF,
    DispatchParcel: _STAFF,
    TrackParcel: _TELLERS,
    RedirectParcel: _STAFF,
    JoinMaster: _STAFF,
    Complete: _SHOPPER,
    Cancel: _SHOPPER,
    RefundOrder: _STAFF,
    Advance: _ALL,
    ReviewOrder: _STAFF,
    Seal: _STAFF,
    Amend: _SHOPPER,
    Recover: _SHOPPER,
    Move: _STAFF,
    AddNote: _SHOPPER,
    Tag: _STAFF,
    Assign: _STAFF,
    MarkItem: _STAFF,
    PauseClocks: _STAFF,
    ResumeClocks: _STAFF,
    ExtendClock: _SHOPPER,
    CaptureMoney: _STAFF,
    ConfirmPayment: _STAFF,
    ConfirmRefund: _STAFF,
    RerouteRefund: _STAFF,
    Compensate: _STAFF,
    SplitOrder: _STAFF,
    RejoinOrders: _STAFF,
    CombineOrders: _SHOPPER,
    MergeInto: _SHOPPER,
    UnmergeOrder: _STAFF,
    RestoreOrder: _STAFF,
}
"""Who may send a command; one that is not here comes from gateways and timers."""

_KINDS: Mapping[CommandKind, type[Any]] = {
    CommandKind.PAY: Pay,
    CommandKind.ACCEPT: Accept,
    CommandKind.SHIP: Ship,
    CommandKind.DELIVER: Deliver,
    CommandKind.COMPLETE: Complete,
    CommandKind.CANCEL: Cancel,
    CommandKind.REFUND: RefundOrder,
    CommandKind.AMEND: Amend,
    CommandKind.REVIEW: ReviewOrder,
    CommandKind.CLOSE: Seal,
    CommandKind.RECOVER: Recover,
    CommandKind.CAPTURE: CaptureMoney,
    CommandKind.CONFIRM_PAYMENT: ConfirmPayment,
    CommandKind.COMPENSATE: Compensate,
    CommandKind.REROUTE_REFUND: RerouteRefund,
    CommandKind.ISSUE_PICKUP_CODE: IssuePickupCode,
    CommandKind.COLLECT: CollectGoods,
    CommandKind.PLAN_PARCELS: PlanParcels,
    CommandKind.PICK_PARCEL: PickParcel,
    CommandKind.PACK_PARCEL: PackParcel,
    CommandKind.CANCEL_PARCEL: CancelParcel,
    CommandKind.BOOK_WAYBILL: AskWaybill,
    CommandKind.CANCEL_WAYBILL: CancelWaybill,
    CommandKind.DISPATCH_PARCEL: DispatchParcel,
    CommandKind.SPLIT: SplitOrder,
    CommandKind.REJOIN: RejoinOrders,
    CommandKind.COMBINE: CombineOrders,
    CommandKind.UNMERGE: UnmergeOrder,
}


_NAMES: Mapping[type[Any], str] = {command: kind.value for kind, command in _KINDS.items()}

_SENDS: Mapping[type[Any], str] = {
    Accept: "accept",
    Ship: "ship",
    CollectGoods: "ship",
    DispatchParcel: "ship",
    Deliver: "receive",
    Complete: "complete",
    Cancel: "cancel",
    Close: "close",
    Seal: "close",
    Recover: "recover",
}
"""The lifecycle's event behind a command: its chart may say who sends it, and in which state."""

_AFTER_SEALING = frozenset(
    {
        AnswerWaybill,
        TrackParcel,
        AnswerAttempts,
        AnswerCompensation,
        AnswerRefund,
        NoteChargeback,
        NoteFee,
        NoteRemittance,
        NoteRefundDelay,
        ConfirmPayment,
        ConfirmRefund,
        RerouteRefund,
        SendRefunds,
    }
)
"""What an order that is closed for good still hears: the last words of channels."""

_AFTER_REGROUPING = _AFTER_SEALING | {AddNote, Tag, RejoinOrders, RestoreOrder}
"""What an order whose goods and money are with other orders still takes."""


@value
class Decision:
    """The order after its events."""

    order: Order
    events: tuple[Event, ...]


@value
class Permission:
    """Whether a command is possible now, and why not."""

    command: CommandKind
    possible: bool
    reason: str = ""


def _refusal(
    command: type[Any],
    order: Order,
    situation: Situation,
    guards: Mapping[type[Any], Guard],
    via: str = "",
    *,
    timed: bool = False,
) -> Refusal | None:
    """The one guard that both the question and the act ask. ``via`` is an event other than the usual one.

    What a timer sends is not held to the chart's senders: the clock is nobody whom a chart could name.
    """
    by, handling, lifecycle = situation.by, order.handling, situation.lifecycle
    if handling.sealed and command not in _AFTER_SEALING:
        return Refusal("the order is closed for good: it can only be exported")
    kind, who = by.kind, WHO.get(command)
    if who is not None:
        senders = None
        sends = via or _SENDS.get(command)
        if sends is not None and not timed and not (command is Cancel and kind is _SYSTEM):
            senders = lifecycle.senders.get((order.state, sends))
        says = kind in who if senders is None else situation.speaker in senders
        if not says:
            return Refusal(f"a {kind.value} may not do this")
    if kind is _CUSTOMER and by.id != order.content.customer.id:
        return Refusal("the order belongs to another customer")
    elsewhere = handling.lineage
    if elsewhere is not None and elsewhere.gone and command not in _AFTER_REGROUPING:
        names = ", ".join(elsewhere.successors)
        return Refusal(f"its goods and its money are with {names}")
    if via:
        if via in lifecycle.table[order.state]:
            return None
        allowed = lifecycle.allowed(order.state, order)
        return Refusal(f"{via!r} is not possible in state {order.state!r}", allowed)
    guard = guards.get(command)
    return None if guard is None else guard(order, situation)


def decide(order: Order, command: Command, situation: Situation) -> Decision:
    """What ``command`` makes of ``order``.

    Raises `NotAllowed`, with what is allowed instead, or `InvalidInput` for a command that
    contradicts itself or the order.
    """
    kind = type(command)
    rule = RULES.get(kind)
    if rule is None:
        known = tuple(found.__name__ for found in RULES)
        raise InvalidInput(f"a {kind.__name__} is no command", path="command", allowed=known)
    if order.state not in situation.lifecycle.table:
        situation.lifecycle.state(order.state)  # says what the chart knows instead
    via = getattr(command, "via", "")
    other = via if via and via != _SENDS.get(kind) else ""
    timed = situation.by.kind is _SYSTEM and getattr(command, "by_timer", False)
    refusal = _refusal(kind, order, situation, _GUARDS, other, timed=timed)
    if refusal is not None:
        raise _refused(refusal, kind, order, situation)
    deciding = Deciding(order, situation)
    rule(deciding, command)
    after = deciding.order
    if after.delivery.parcels:
        packing.settle(deciding, order)
        after = deciding.order
    if after.handling.released and not order.handling.released:
        holding.let_held_go(deciding)
        after = deciding.order
    return Decision(after, tuple(deciding.events))


def _refused(
    refusal: Refusal, command: type[Any], order: Order, situation: Situation
) -> NotAllowed:
    """The error for a refusal: what the actor may do instead, and which lifecycle events stand open."""
    possible = tuple(p.command.value for p in allowed(order, situation) if p.possible)
    return NotAllowed(
        refusal.reason,
        order=order.id,
        state=order.state,
        command=_NAMES.get(command, command.__name__),
        allowed=possible,
        events=refusal.allowed,
    )


def place(content: OrderContent, situation: Situation) -> Decision:
    """Begin an order; one with nothing to pay is paid at once."""
    lifecycle = situation.lifecycle
    placed = Placed(content, lifecycle.initial)
    order = evolve(None, placed, situation.at)
    if content.total:
        return Decision(order, (placed,))
    deciding = Deciding(order, situation)
    deciding.events.append(placed)
    if deciding.lists("pay"):
        deciding.move("pay", "nothing to pay")
    return Decision(deciding.order, tuple(deciding.events))


def allowed(order: Order, situation: Situation) -> tuple[Permission, ...]:
    """Every command: whether the actor may send it now, and why not the rest."""
    permissions = []
    for kind, command in _KINDS.items():
        refusal = _refusal(command, order, situation, _ASKED)
        if refusal is None and kind in {CommandKind.ACCEPT, CommandKind.COMPLETE}:
            refusal = _guarded(order, situation, kind.value)
        reason = "" if refusal is None else refusal.reason
        permissions.append(Permission(kind, refusal is None, reason))
    return tuple(permissions)


@value
class EventPermission:
    """Whether an event of the lifecycle may be sent by its name now (`Advance`), and why not."""

    event: str
    possible: bool
    reason: str = ""


def allowed_events(order: Order, situation: Situation) -> tuple[EventPermission, ...]:
    """The state's own events that people send by name: whether this actor may, and why not."""
    lifecycle = situation.lifecycle
    refusal = _refusal(Advance, order, situation, _ASKED)
    found = []
    for event in lifecycle.events_of(order.state):
        if event in VOCABULARY or not lifecycle.info(event).senders:
            continue
        reason = "" if refusal is None else refusal.reason
        if not reason and not advancing.may_send(order, situation, event):
            reason = f"a {situation.by.kind.value} may not send {event!r}"
        if not reason:
            unmet = _hindered(order, situation, event)
            reason = "" if unmet is None else unmet.reason
        found.append(EventPermission(event, not reason, reason))
    return tuple(found)


def _hindered(order: Order, situation: Situation, event: str) -> Refusal | None:
    """Whether the chart's guards let an event through, and nothing else keeps the order where it is."""
    try:
        to = situation.lifecycle.fire(order.state, event, order)
    except NotAllowed as error:
        return Refusal(error.reason)
    return advancing.hindered(order, situation, to)


def _guarded(order: Order, situation: Situation, event: str) -> Refusal | None:
    """Whether the chart's own guards let a command through that fires at once."""
    try:
        situation.lifecycle.fire(order.state, event, order)
    except NotAllowed as error:
        return Refusal(error.reason)
    return None
