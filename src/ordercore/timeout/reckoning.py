"""When the timer of a rule comes due, and which rules hold for which orders."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ordercore.calendar import DAYS_MAX, WorkingHours, add_working, working_time
from ordercore.errors import InvalidInput, InvalidPolicy, UnknownGuard
from ordercore.lifecycle.timer import DEADLINES, Since, TimerAction, TimerRule
from ordercore.order import FACTS
from ordercore.timeout.policy import STEP, TimeoutPolicy, TimerKey, TimerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ordercore.lifecycle import Lifecycle
    from ordercore.lifecycle.visible import VisibleStep
    from ordercore.order import Order
    from ordercore.order.handling import Pause
    from ordercore.pricing import OrderKind
    from ordercore.timeout.policy import KindTimer

__all__ = [
    "Plan",
    "check_rules",
    "due",
    "key_of",
    "plan_of",
    "rule_of",
    "rules_of",
    "span_until",
    "step_key",
]

_ZERO = timedelta(0)
PLANS_MAX = 1_000
"""Most lifecycles, by order kind, whose clocks a policy keeps put together."""

# When a rule comes due ------------------------------------------------------------------------


def _last_shipment(order: Order) -> datetime | None:
    """When the last parcel left; the entry of the state where parcels left at times that nobody wrote down."""
    shipments = order.delivery.shipments
    if not shipments:
        return None
    if len(shipments) == 1 and shipments[0].at is not None:
        return shipments[0].at
    known = [shipment.at for shipment in shipments if shipment.at is not None]
    return max(known) if known else order.entered_at


def _unless_told(
    start: Callable[[Order], datetime | None],
) -> Callable[[Order], datetime | None]:
    """The same moment, but none while a parcel is in trouble, or its carrier has not told that it was delivered."""

    def from_when(order: Order) -> datetime | None:
        delivery = order.delivery
        return None if delivery.parcels and delivery.awaits_word() else start(order)

    return from_when


_START: Mapping[Since, Callable[[Order], datetime | None]] = {
    Since.ENTERED: lambda order: order.entered_at,
    Since.PLACED: lambda order: order.content.placed_at,
    Since.PAY_BY: lambda order: order.content.pay_by,
    Since.SHIPPED: _last_shipment,
    Since.DELIVERED: lambda order: (
        order.delivery.arrived_at() if order.delivery.parcels and not order.shippable() else None
    ),
    Since.RECEIVED: lambda order: order.delivery.received_at,
    Since.BALANCE_FROM: lambda order: None if order.presale is None else order.presale.balance_from,
    Since.BALANCE_UNTIL: lambda order: (
        None if order.presale is None else order.presale.balance_until
    ),
}


def span_until(start: datetime, span: timedelta, hours: WorkingHours | None) -> datetime:
    """The moment when a span has passed, of working time where there are hours."""
    if hours is None:
        return start + span
    try:
        return add_working(start, span, hours)
    except (
        InvalidInput
    ):  # `check` keeps such hours out; a timer must not stop its order all the same
        return start + timedelta(days=DAYS_MAX)


def _stood_still(
    pauses: tuple[Pause, ...], names: tuple[str, ...]
) -> Iterator[tuple[datetime, datetime | None]]:
    """When pauses of these names lasted, in order; those that overlap are one."""
    found: list[tuple[datetime, datetime | None]] = []
    for pause in sorted(pauses, key=lambda p: p.since):
        if pause.name not in names and "*" not in names:
            continue
        since, until = pause.since, pause.until
        if found and (found[-1][1] is None or since <= found[-1][1]):
            since, before = found.pop()
            until = None if until is None or before is None else max(before, until)
        found.append((since, until))
    return iter(found)


def _delayed(
    order: Order, rule: TimerRule, start: datetime, begin: datetime, span: timedelta
) -> datetime | None:
    """The moment, later by the extension and by the time paused since ``begin``; ``None`` while paused."""
    hours, handling = rule.hours, order.handling
    for name, more in handling.extended:
        if name == rule.name:
            span += more
    moment = span_until(start, span, hours)
    for since, until in _stood_still(handling.pauses, rule.paused_by):
        first = max(since, begin)
        if first >= moment:
            break  # it was due before
        if until is None:
            return None
        if rule.at is not None:
            moment = max(moment, until)  # a date stays where it is, but does not come in a pause
        elif until > first:
            span += until - first if hours is None else working_time(first, until, hours)
            moment = span_until(start, span, hours)
    return moment


def _figure(rule: TimerRule, policy: TimeoutPolicy, kind: OrderKind) -> timedelta | None:
    """How long after its start the rule comes due for orders of this kind; ``None`` for never."""
    if rule.after is not None:
        return rule.after
    if rule.at is not None:
        return _ZERO
    window = policy.of(kind)
    if rule.does is TimerAction.CLOSE:
        return _ZERO if rule.since is Since.PAY_BY else window.pay_within
    if rule.does is TimerAction.REMIND:
        reminder = window.reminder()
        return (
            reminder if reminder is None or rule.since not in DEADLINES else -window.remind_before
        )
    return policy.confirm_after if rule.does is TimerAction.CONFIRM else None


class Clock:
    """A rule as it holds for the orders of one lifecycle and kind."""

    __slots__ = ("after", "facts", "key", "lead", "moves", "plain", "rule", "start")

    def __init__(
        self, rule: TimerRule, after: timedelta, facts: tuple[Callable[[Order], bool], ...]
    ) -> None:
        self.rule = rule
        self.after = after
        self.facts = facts
        self.key = key_of(rule)
        self.moves = bool(rule.event)
        start = _START[rule.since]
        self.start = start if rule.does is not TimerAction.CONFIRM else _unless_told(start)
        # where the figure is the policy's, its window was looked at
        lead = rule.does is TimerAction.REMIND and rule.after is not None and after < _ZERO
        self.lead = lead
        self.plain = rule.at is None and rule.hours is None and not facts and not lead

    def due(self, order: Order) -> datetime | None:
        """When it comes due for an order that is in one of its states."""
        handling = order.handling
        moved = handling.pauses or handling.extended
        if self.plain and not moved:
            start = self.start(order)
            return None if start is None else start + self.after
        for fact in self.facts:
            if not fact(order):
                return None
        return self._slowly(order)

    def _slowly(self, order: Order) -> datetime | None:
        rule = self.rule
        if rule.at is not None and rule.does is TimerAction.CONFIRM and self.start(order) is None:
            return None  # nothing has left, or a carrier's word is still to come
        start = rule.at if rule.at is not None else self.start(order)
        if start is None:
            return None
        # what counts to a deadline, or to a date, begins with the state
        begin = order.entered_at if rule.at is not None or rule.since in DEADLINES else start
        if self.lead:
            placed = order.content.placed_at
            if start - max(begin, placed) < -2 * self.after:
                return None  # a window shorter than twice the lead has no reminder
        return _delayed(order, rule, start, begin, self.after)


_KINDS: Mapping[TimerAction, TimerKind] = {
    TimerAction.CLOSE: TimerKind.CLOSE_UNPAID,
    TimerAction.REMIND: TimerKind.REMIND_PAYMENT,
    TimerAction.CONFIRM: TimerKind.CONFIRM_RECEIPT,
    TimerAction.ESCALATE: TimerKind.ESCALATE,
    TimerAction.ALERT: TimerKind.ALERT,
    TimerAction.FORFEIT: TimerKind.FORFEIT,
    TimerAction.OPEN: TimerKind.OPEN,
}


def key_of(rule: TimerRule) -> TimerKey:
    """The timer of a rule."""
    return TimerKey(_KINDS[rule.does], "" if rule.name == rule.does.value else rule.name)


def step_key(step: VisibleStep) -> TimerKey:
    """The timer that alerts when an order is too long in a visible step."""
    return TimerKey(TimerKind.ALERT, STEP + step.value)


# Rules put together ---------------------------------------------------------------------------


def _running(timer: KindTimer, lifecycle: Lifecycle[Order]) -> tuple[str, ...]:
    """The states of a lifecycle in which a timer of the policy runs."""
    rule = timer.rule
    states = rule.states
    if not states:
        states = tuple([s for own in _own(lifecycle) if own.name == rule.name for s in own.states])
    return tuple([state for state in states if state in lifecycle.table])


def _own(lifecycle: Lifecycle[Order]) -> tuple[TimerRule, ...]:
    """The rules of a lifecycle. One that has none is told from its events: a deadline and a reminder where
    it waits for payment, a confirmation where goods may arrive."""
    if lifecycle.timers:
        return lifecycle.timers
    rows = lifecycle.table
    found = []
    for event in ("close", "cancel"):
        states = tuple([s for s, row in rows.items() if "pay" in row and event in row])
        if states and lifecycle.prepaid:
            found = [
                TimerRule("close", TimerAction.CLOSE, states, Since.PAY_BY, sends=event),
                TimerRule("remind", TimerAction.REMIND, states, Since.PAY_BY),
            ]
            break
    shipped = tuple([s for s, row in rows.items() if "receive" in row])
    if shipped:
        found.append(
            TimerRule("confirm", TimerAction.CONFIRM, shipped, Since.SHIPPED, paused_by=("*",))
        )
    return tuple(found)


def rules_of(
    policy: TimeoutPolicy, lifecycle: Lifecycle[Order], kind: OrderKind
) -> tuple[TimerRule, ...]:
    """The rules that hold for orders of one kind in a lifecycle: its own, then those of the policy."""
    rules = {rule.name: rule for rule in _own(lifecycle)}
    for timer in policy.timers:
        if not timer.applies(lifecycle.name, kind):
            continue
        states, rule = _running(timer, lifecycle), timer.rule
        if states:
            own = rules.get(rule.name)
            rules[rule.name] = TimerRule(
                rule.name, rule.does, states, rule.since, rule.after, rule.at, rule.facts,
                rule.paused_by, rule.hours, rule.sends, own.extension if own is not None else None,
            )  # fmt: skip
    return tuple(rules.values())


def _bound(lifecycle: Lifecycle[Order], name: str) -> Callable[[Order], bool] | None:
    """The fact of this name: a published one, or one that the lifecycle's guards ask."""
    fact = FACTS.get(name)
    if fact is not None:
        return fact
    for row in lifecycle.table.values():
        for moves in row.values():
            for guard in [guard for move in moves for guard in move.guards]:
                if guard.name == name:
                    return guard.fact
    return None


class Plan:
    """The clocks of one lifecycle for one order kind, by what makes them start and stop."""

    __slots__ = ("clocks", "gated", "leaving", "lifecycle", "policy", "running", "steps")

    def __init__(self, lifecycle: Lifecycle[Order], kind: OrderKind, policy: TimeoutPolicy) -> None:
        self.lifecycle = lifecycle  # also keeps its identity from being given to another
        self.policy = policy
        self.clocks: dict[TimerKey, Clock] = {}
        running: dict[str, list[Clock]] = {}
        for rule in rules_of(policy, lifecycle, kind):
            after = _figure(rule, policy, kind)
            if after is None:
                continue
            facts = tuple([_fact(lifecycle, name) for name in rule.facts])
            clock = self.clocks[key_of(rule)] = Clock(rule, after, facts)
            for state in rule.states:
                running.setdefault(state, []).append(clock)
        self.running = {state: tuple(clocks) for state, clocks in running.items()}
        self.leaving = {
            state: tuple([clock.key for clock in clocks]) for state, clocks in running.items()
        }
        self.gated = frozenset(
            [state for state, clocks in running.items() if any([clock.facts for clock in clocks])]
        )
        targets = policy.targets
        self.steps: dict[str, VisibleStep] = {
            state: step
            for state, step in lifecycle.steps.items()
            if step is not None and step in targets
        }


def _fact(lifecycle: Lifecycle[Order], name: str) -> Callable[[Order], bool]:
    fact = _bound(lifecycle, name)
    if fact is None:
        known = tuple(FACTS)
        raise UnknownGuard(f"a timer asks the fact {name!r}, and there is none", known=known)
    return fact


def plan_of(policy: TimeoutPolicy, lifecycle: Lifecycle[Order], kind: OrderKind) -> Plan:
    """The clocks of orders of one kind in a lifecycle."""
    plans = policy.plans
    plan = plans.get((id(lifecycle), kind))
    if plan is None:
        if len(plans) >= PLANS_MAX:
            plans.clear()
        plan = plans[id(lifecycle), kind] = Plan(lifecycle, kind, policy)
    return plan


def rule_of(
    policy: TimeoutPolicy, lifecycle: Lifecycle[Order], kind: OrderKind, key: TimerKey
) -> TimerRule | None:
    """The rule whose timer this is; ``None`` for a timer of the engine, and for a rule that there is no more."""
    clock = plan_of(policy, lifecycle, kind).clocks.get(key)
    return None if clock is None else clock.rule


def due(
    order: Order, key: TimerKey, policy: TimeoutPolicy, lifecycle: Lifecycle[Order]
) -> datetime | None:
    """When a rule's timer comes due for the order as it stands.

    ``None`` where it does not run: the order is in another state, a fact does not hold, the moment that it
    counts from has not come, or it is paused.
    """
    clock = plan_of(policy, lifecycle, order.content.kind).clocks.get(key)
    if clock is None or order.state not in clock.rule.states:
        return None
    return clock.due(order)


def check_rules(
    policy: TimeoutPolicy, lifecycles: Iterable[Lifecycle[Order]], path: str = "timeouts"
) -> None:
    """Raise for a timer that could not be served in a lifecycle in which it runs.

    `InvalidPolicy` for one of the policy, `UnknownGuard` for one of a lifecycle: it asks a fact that there
    is not, or fires an event that the lifecycle does not have. A timer of the policy that runs in no
    lifecycle is no error: the doctor tells it.
    """
    known = tuple(lifecycles)
    for chart in known:
        for rule in _own(chart):
            for fact in rule.facts:
                _fact(chart, fact)
    for place, timer in enumerate(policy.timers):
        where = f"{path}.timers[{place}].rule"
        for chart in known:
            if timer.lifecycle not in {"", chart.name} or not _running(timer, chart):
                continue
            for i, fact in enumerate(timer.rule.facts):
                if _bound(chart, fact) is None:
                    reason = f"there is no fact {fact!r}"
                    raise InvalidPolicy(reason, path=f"{where}.facts[{i}]", allowed=tuple(FACTS))
            event = timer.rule.event
            if event and event not in chart.events:
                reason = f"the lifecycle {chart.name!r} has no event {event!r}"
                raise InvalidPolicy(reason, path=f"{where}.sends", allowed=chart.events)
