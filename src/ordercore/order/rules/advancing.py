"""Advancing: events that people send by name, the review before an order is taken up, and moves by hand.

Events that move goods or money have verbs of their own; what is left of a lifecycle are its own words
(*received at the warehouse*, *packing confirmed*). The chart says who may send each, and in which state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, NotAllowed
from ordercore.lifecycle.vocabulary import VOCABULARY
from ordercore.order.commands import Advance, Move, ReviewOrder
from ordercore.order.events import Overruled, Reviewed
from ordercore.order.handling import Review
from ordercore.order.handling import Rule as HandlingRule
from ordercore.order.rules.closing import end
from ordercore.order.rules.deciding import Refusal
from ordercore.order.rules.instalment import too_early
from ordercore.order.rules.marking import TEXT_MAX, named
from ordercore.order.rules.paying import CLOSING, may_leave
from ordercore.party import ActorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation

__all__ = ["GUARDS", "RULES", "hindered", "may_send"]

CHECKS_MAX = 50
"""Most points of a checklist."""
OVERRIDE = "override"
"""The name under which a move by hand stands in the journal."""


def may_send(order: Order, situation: Situation, event: str) -> bool:
    """Whether the chart lets this actor send an event; the shop's own process may what staff may."""
    return bool(situation.lifecycle.may_send(order.state, event, situation.speaker))


def hindered(order: Order, situation: Situation, to: str) -> Refusal | None:
    """Why the order cannot go on to a state now. To its end it can: there attempts first have their last word."""
    if to in situation.lifecycle.releases and not order.handling.released:
        return None
    table = situation.lifecycle.table
    if "pay" in table[to] and "pay" not in table[order.state]:
        early = too_early(order, situation)
        if early is not None:
            return early
    return may_leave(order, situation, to)


def advance(deciding: Deciding, command: Advance) -> None:
    """Fire an event that the chart lets this actor send. One that releases the order ends it as a cancellation does."""
    situation, order = deciding.situation, deciding.order
    event, lifecycle = command.event, situation.lifecycle
    if event in VOCABULARY:
        reason = f"{event!r} moves more than the state: it has a verb of its own"
        raise InvalidInput(reason, path="event", event=event)
    to = lifecycle.fire(order.state, event, order)
    timed = command.by_timer and situation.by.kind is ActorKind.SYSTEM
    if not timed and not may_send(order, situation, event):
        who = situation.by.kind.value
        raise NotAllowed(
            f"a {who} may not send {event!r}", order=order.id, state=order.state, event=event,
            allowed=lifecycle.allowed(order.state, order),
        )  # fmt: skip
    refusal = hindered(order, situation, to)
    if refusal is not None:
        raise NotAllowed(refusal.reason, order=order.id, state=order.state, event=event)
    if to in lifecycle.releases and not order.handling.released:
        end(deciding, event, command.reason, command.refund_id)
    else:
        deciding.move(event, command.reason)


def may_review(order: Order, situation: Situation) -> Refusal | None:
    """An order is reviewed while its state lists ``confirm`` or ``reject``."""
    lifecycle = situation.lifecycle
    row = lifecycle.table[order.state]
    if "confirm" in row or "reject" in row:
        return Refusal(CLOSING) if order.closing is not None else None
    allowed = lifecycle.allowed(order.state, order)
    return Refusal(f"an order in state {order.state!r} is not to be reviewed", allowed)


def review(deciding: Deciding, command: ReviewOrder) -> None:
    """Record the checklist and the contact; a valid order goes on, an invalid one ends with its reason."""
    situation = deciding.situation
    if len(command.checklist) > CHECKS_MAX:
        reason = f"a checklist has at most {CHECKS_MAX} points"
        raise InvalidInput(reason, path="checklist")
    for i, (point, _) in enumerate(command.checklist):
        named(point, f"checklist[{i}]", 200)
    if not command.valid:
        named(command.reason, "reason", TEXT_MAX)
    if command.contact:
        named(command.contact, "contact", TEXT_MAX)
    found = Review(
        command.valid,
        situation.at,
        situation.by,
        command.checklist,
        command.contact,
        command.reason,
    )
    deciding.apply(Reviewed(found))
    if command.valid:
        deciding.move("confirm", command.reason)
    else:
        end(deciding, "reject", command.reason, command.refund_id)


def may_move(order: Order, situation: Situation) -> Refusal | None:
    """A move by hand needs the policy's word, and an order without money on its way."""
    if HandlingRule.STATE not in situation.handling.overrules:
        return Refusal("the policy lets nobody move an order by hand")
    if order.payments.in_flight or order.closing is not None:
        return Refusal("a payment is under way: wait for its end")
    if order.handling.released:
        return Refusal("the order is over: recover it instead")
    return None


def move(deciding: Deciding, command: Move) -> None:
    """Put the order into a state of its lifecycle, whatever the chart says; the reason is kept."""
    order, lifecycle = deciding.order, deciding.situation.lifecycle
    reason = named(command.reason, "reason", TEXT_MAX)
    lifecycle.state(command.to)
    if command.to == order.state:
        raise InvalidInput(f"the order is in state {command.to!r} already", path="to")
    if command.to in lifecycle.releases and order.payments.captured > order.payments.refunded:
        raise NotAllowed(
            "the order holds money: cancel or refund it instead", order=order.id, state=order.state
        )
    deciding.apply(Overruled(HandlingRule.STATE.value, reason))
    deciding.enter(command.to, OVERRIDE, reason)


RULES: Mapping[type[Any], Rule] = {Advance: advance, ReviewOrder: review, Move: move}
GUARDS: Mapping[type[Any], Guard] = {ReviewOrder: may_review, Move: may_move}
