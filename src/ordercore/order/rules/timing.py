"""Time: clocks that stand still, run on, are given more time, and what is told when they come due.

Which clocks a pause concerns is said by the rules of the lifecycle; here it is only kept that it lasts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, NotAllowed
from ordercore.order.commands import (
    Escalate,
    ExtendClock,
    Forfeit,
    NoteOverrun,
    PauseClocks,
    ResumeClocks,
)
from ordercore.order.events import Escalated, Extended, Overran, Paused, Resumed
from ordercore.order.handling import PAUSES_MAX
from ordercore.order.rules.marking import named
from ordercore.order.rules.paying import close_unpaid, keep_deposit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.lifecycle import TimerRule
    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule

__all__ = ["GUARDS", "LASTING_MAX", "RULES"]

LASTING_MAX = 20
"""Most pauses of one order that last at the same time."""


def pause(deciding: Deciding, command: PauseClocks) -> None:
    """Let clocks stand still; a pause of that name that lasts already is no event."""
    name = named(command.name, "name")
    if name == "*":
        raise InvalidInput('a pause has a name: "*" means any of them', path="name")
    pauses = deciding.order.handling.pauses
    lasting = [p.name for p in pauses if p.until is None]
    if name in lasting:
        return
    if len(lasting) >= LASTING_MAX:
        reason = f"an order is paused for at most {LASTING_MAX} reasons at the same time"
        raise InvalidInput(reason, path="name")
    if len(pauses) >= PAUSES_MAX:
        raise InvalidInput(f"an order is paused at most {PAUSES_MAX} times", path="name")
    deciding.apply(Paused(name))


def resume(deciding: Deciding, command: ResumeClocks) -> None:
    """Let clocks run on; a pause that has ended already is no event."""
    pauses = deciding.order.handling.pauses
    if any([p.name == command.name and p.until is None for p in pauses]):
        deciding.apply(Resumed(command.name))
    elif all([p.name != command.name for p in pauses]):
        known = tuple(dict.fromkeys([p.name for p in pauses]))
        reason = f"the order was never paused for {command.name!r}"
        raise InvalidInput(reason, path="name", allowed=known)


def extend(deciding: Deciding, command: ExtendClock) -> None:
    """Give a timer more time: once, by as much as its rule says, while it runs."""
    order, lifecycle = deciding.order, deciding.situation.lifecycle
    rules = {rule.name: rule for rule in lifecycle.timers}
    rule = rules.get(command.timer)
    if rule is None:
        reason = f"the lifecycle has no timer {command.timer!r}"
        raise InvalidInput(reason, path="timer", allowed=tuple(rules))
    if rule.extension is None:
        raise _refused(order, rule, "gives no more time")
    if order.state not in rule.states:
        raise _refused(order, rule, f"does not run in state {order.state!r}")
    if any([name == rule.name for name, _ in order.handling.extended]):
        raise _refused(order, rule, "was given more time already")
    deciding.apply(Extended(rule.name, rule.extension))


def _refused(order: Order, rule: TimerRule, why: str) -> NotAllowed:
    return NotAllowed(
        f"the timer {rule.name!r} {why}", order=order.id, state=order.state, timer=rule.name
    )


def note_overrun(deciding: Deciding, command: NoteOverrun) -> None:
    """Something takes longer than it should: somebody must look."""
    deciding.apply(Overran(command.step, command.target))


def escalate(deciding: Deciding, command: Escalate) -> None:
    """Nobody looked: somebody above must."""
    deciding.apply(Escalated(command.timer))


def forfeit(deciding: Deciding, command: Forfeit) -> None:
    """End the order: the time for its next part is up. A payment that may still arrive has its word first.

    Of an order in two parts it is asked at its channel, and closed there; what came in time pays.
    """
    order = deciding.order
    if order.presale is not None:
        if order.closing is not None or order.payments.in_flight:
            close_unpaid(deciding, command.via, command.reason, timed_out=True)
        else:
            keep_deposit(deciding, command.via, command.reason)
        return
    if order.payments.in_flight:
        reason = "a payment is under way: wait for its end"
        raise NotAllowed(reason, order=order.id, state=order.state)
    deciding.move(command.via, command.reason)


RULES: Mapping[type[Any], Rule] = {
    PauseClocks: pause,
    ResumeClocks: resume,
    ExtendClock: extend,
    NoteOverrun: note_overrun,
    Escalate: escalate,
    Forfeit: forfeit,
}
GUARDS: Mapping[type[Any], Guard] = {}
