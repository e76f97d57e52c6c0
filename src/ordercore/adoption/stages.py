"""Whether a state and the facts of an order fit together, read off the lifecycle itself.

Theory of operation. A state *presumes* a fact if every way to it passes a guard that asks the fact, and
facts of this sort stay true once they are: *shipped* presumes that all goods have left. A state is *behind*
the facts if an event that the engine sends by itself would move the order on: nobody would send it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import InvalidSnapshot, NotAllowed
from ordercore.order import FACTS
from ordercore.order.rules.instalment import OPEN, PAY_DEPOSIT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ordercore.lifecycle import Lifecycle, Move
    from ordercore.order import Order

__all__ = ["check_stage", "passed_event", "passed_state", "presumes"]

_LASTING = {
    "valid": "it was not found valid",
    "paid_in_full": "it is not paid in full",
    "all_shipped": "not all of its goods have left",
    "everything_refunding": "not all that was paid was asked back",
    "everything_refunded": "not all that was paid has arrived back",
}
"""Facts that stay true once they are, and what an order lacks without them."""
_DEPOSIT = "deposit_taken"
"""A fact that stays true as long as the order waits for its balance; when it ends, a deposit may go back."""


def passed(lifecycle: Lifecycle[Order], state: str, by: Callable[[str, Move[Order]], bool]) -> bool:
    """Whether every way from the first state to this one takes such a move (event, move)."""
    seen = {lifecycle.initial}
    ahead = [lifecycle.initial]
    while ahead:
        for event, moves in lifecycle.table[ahead.pop()].items():
            for move in moves:
                if move.target not in seen and not by(event, move):
                    seen.add(move.target)
                    ahead.append(move.target)
    return state not in seen


def passed_event(lifecycle: Lifecycle[Order], state: str, event: str) -> bool:
    """Whether every way to the state takes this event."""
    return passed(lifecycle, state, lambda via, _move: via == event)


def passed_state(lifecycle: Lifecycle[Order], state: str, states: Collection[str]) -> bool:
    """Whether the state is one of these, or every way to it leads through one."""
    return state in states or (
        lifecycle.initial not in states
        and passed(lifecycle, state, lambda _via, move: move.target in states)
    )


def presumes(lifecycle: Lifecycle[Order], state: str, fact: str) -> bool:
    """Whether every way to the state passes a guard that asks for the fact."""
    return passed(
        lifecycle,
        state,
        lambda _via, move: any(guard.name == fact and guard.wanted for guard in move.guards),
    )


def check_stage(order: Order, lifecycle: Lifecycle[Order]) -> None:
    """Raise `InvalidSnapshot` for an order that its facts would not have let into its state, or not left there."""
    state = order.state
    for fact, lacks in _LASTING.items():
        if not FACTS[fact](order) and presumes(lifecycle, state, fact):
            reason = f"an order comes to {state!r} only when {fact} holds, and {lacks}"
            raise InvalidSnapshot(reason, path="state", state=state, fact=fact)
    waits = "pay" in lifecycle.table[state] or OPEN in lifecycle.table[state]
    if waits and not FACTS[_DEPOSIT](order) and presumes(lifecycle, state, _DEPOSIT):
        reason = f"an order comes to {state!r} only when {_DEPOSIT} holds, and "
        reason += (
            "there is no cart with the terms of its presale"
            if order.presale is None
            else "its deposit is not paid"
        )
        raise InvalidSnapshot(reason, path="state", state=state, fact=_DEPOSIT)
    for event, holds in _SENT.items():
        if event not in lifecycle.table[state] or not holds(order):
            continue
        try:
            to = lifecycle.fire(state, event, order)
        except NotAllowed:
            continue
        if to != state:
            reason = f"{_SAYS[event]}: it would have moved from {state!r} to {to!r}"
            raise InvalidSnapshot(reason, path="state", state=state, to=to)


def _is_paid(order: Order) -> bool:
    return not order.due and (order.payments.keeps() or not order.content.total)


_SENT: dict[str, Callable[[Order], bool]] = {
    PAY_DEPOSIT: FACTS[_DEPOSIT],
    "pay": _is_paid,
    "ship": lambda order: FACTS["all_shipped"](order) and not order.all_asked_back(),
    "receive": lambda order: order.delivery.received_at is not None,
    "refund": lambda order: order.all_asked_back(),
    "refunded": lambda order: bool(order.payments.refunds) and FACTS["everything_refunded"](order),
}
"""When the engine sends an event by itself."""

_SAYS = {
    PAY_DEPOSIT: "its deposit is paid",
    "pay": "it is paid in full",
    "ship": "all of its goods have left",
    "receive": "its goods have arrived",
    "refund": "all that was paid was asked back",
    "refunded": "all that was paid has arrived back",
}
