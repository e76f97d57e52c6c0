"""The door of the order: a command and a situation in, events or a refusal out.

``decide`` is pure. A refused command changes nothing (law L12): the order that comes in is a
frozen value, and what comes out is a new one beside the events that made it.
Folding the events over the old order gives the new one (law L15).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, NotAllowed
from ordercore.order.commands import (
    Accept,
    Cancel,
    Command,
    CommandKind,
    Complete,
    Deliver,
    Pay,
    RefundOrder,
    Ship,
    UndoPayment,
)
from ordercore.order.events import Placed
from ordercore.order.evolve import evolve
from ordercore.order.order import Order, OrderContent
from ordercore.order.rules import aftercare, closing, fulfilling, paying
from ordercore.order.rules.deciding import Deciding, Refusal, Situation
from ordercore.party import ActorKind
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.event import Event
    from ordercore.order.rules.deciding import Guard, Rule

__all__ = ["RULES", "WHO", "Decision", "Permission", "allowed", "decide", "place"]

RULES: Mapping[type[Any], Rule] = {
    **paying.RULES,
    **fulfilling.RULES,
    **aftercare.RULES,
    **closing.RULES,
}
"""One rule for each command; a test holds it equal to the union."""

_GUARDS: Mapping[type[Any], Guard] = {
    **paying.GUARDS,
    **fulfilling.GUARDS,
    **aftercare.GUARDS,
    **closing.GUARDS,
}

_ASKED: Mapping[type[Any], Guard] = {**_GUARDS, Pay: paying.may_start}
"""The same for who only asks: what may be begun, though something else must first be given up."""

_STAFF = frozenset({ActorKind.STAFF, ActorKind.SYSTEM})
_ALL = frozenset(ActorKind)
_SHOPPER = frozenset({ActorKind.CUSTOMER, ActorKind.STAFF, ActorKind.SYSTEM})

WHO: Mapping[type[Any], frozenset[ActorKind]] = {
    Pay: _SHOPPER,
    UndoPayment: _SHOPPER,
    Accept: _STAFF,
    Ship: _STAFF,
    Deliver: _ALL,
    Complete: _SHOPPER,
    Cancel: _SHOPPER,
    RefundOrder: _STAFF,
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
}


_NAMES: Mapping[type[Any], str] = {command: kind.value for kind, command in _KINDS.items()}


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
    command: type[Any], order: Order, situation: Situation, guards: Mapping[type[Any], Guard]
) -> Refusal | None:
    """The one guard that both the question and the act ask."""
    who = WHO.get(command)
    by = situation.by
    if who is not None and by.kind not in who:
        return Refusal(f"a {by.kind.value} may not do this")
    if by.kind is ActorKind.CUSTOMER and by.id != order.content.customer.id:
        return Refusal("the order belongs to another customer")
    guard = guards.get(command)
    return guard(order, situation) if guard is not None else None


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
    refusal = _refusal(kind, order, situation, _GUARDS)
    if refusal is not None:
        raise _refused(refusal, kind, order, situation)
    deciding = Deciding(order, situation)
    rule(deciding, command)
    return Decision(deciding.order, tuple(deciding.events))


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


def _guarded(order: Order, situation: Situation, event: str) -> Refusal | None:
    """Whether the chart's own guards let a command through that fires at once."""
    try:
        situation.lifecycle.fire(order.state, event, order)
    except NotAllowed as error:
        return Refusal(error.reason)
    return None
