"""Figures of a replay, added up from the events that the engine publishes.

The books are the store's; these figures come another way, so that the two can be compared.
Amounts are pence.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ordercore.fulfillment import Received
from ordercore.order.events import Moved, Placed, RefundDelayed, Reminded, RevenueRecognized
from ordercore.tender import AttemptState, RefundStatus
from ordercore.tender.events import (
    AttemptAnswered,
    PaymentStarted,
    RefundAnswered,
    RefundRequested,
    RefundRerouted,
    Rerouted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.change import Recorded

__all__ = ["Figures", "Gateway", "Month"]


class Gateway:
    """What really went over one gateway: what is only held is not taken, and what is let go does not go back.

    ``refunded`` was asked back this way, ``arrived`` is the part that came. What payers' banks took back,
    fees and payouts are not counted.
    """

    __slots__ = ("arrived", "charges", "declined", "refunded", "taken", "undone")

    def __init__(self) -> None:
        self.charges = 0
        self.declined = 0
        self.taken = 0
        self.undone = 0
        self.refunded = 0
        self.arrived = 0

    @property
    def held(self) -> int:
        """What it took, less what it gave back."""
        return self.taken - self.undone - self.arrived


class Month:
    """What a month brought: orders placed, paid amounts, earned sales, refunds asked."""

    __slots__ = ("earned", "orders", "paid", "refunded")

    def __init__(self) -> None:
        self.orders = 0
        self.paid = 0
        self.earned = 0
        self.refunded = 0


class _Leg(NamedTuple):
    """A leg of a refund: its attempt's gateway, the one it goes over, what it is of the price, what is paid back."""

    own: str
    way: str
    amount: int
    paid: int


class Figures:
    """A publisher that counts. Repeats are dropped by order and sequence, as any consumer must.

    ``refunded`` and ``arrived`` also count what was only held and is let go. Memory: two numbers for each order,
    an entry for each charge and for each leg of a refund.
    """

    def __init__(self) -> None:
        self.events = 0
        self.orders = 0
        self.lines = 0
        self.placed = 0
        self.closed_unpaid = 0
        self.refunds = 0
        self.refunded = 0
        self.arrived = 0
        self.refunds_late = 0
        self.reminders = 0
        self.confirmed_by_time = 0
        self.late_payments = 0
        self.states: Counter[str] = Counter()
        self.moves: Counter[tuple[str, str, str]] = Counter()
        self.gateways: dict[str, Gateway] = {}
        self.months: dict[str, Month] = {}
        self.taxes: dict[int, list[int]] = {}
        self._sequences: dict[str, int] = {}
        self._unpaid: dict[str, int] = {}
        self._reminded: set[str] = set()
        self._attempts: dict[str, str] = {}
        self._legs: dict[str, list[_Leg]] = {}
        self._counts: Mapping[type[Any], Callable[[Recorded, Any], None]] = {
            Placed: self._placed,
            Moved: self._moved,
            Reminded: self._reminder,
            Received: self._received,
            PaymentStarted: self._started,
            Rerouted: self._rerouted,
            AttemptAnswered: self._answered,
            RevenueRecognized: self._earned,
            RefundRequested: self._refund,
            RefundAnswered: self._refund_answered,
            RefundRerouted: self._refund_rerouted,
            RefundDelayed: self._delayed,
        }

    def publish(self, events: Sequence[Recorded]) -> None:
        """Count events that were not counted before."""
        for recorded in events:
            if recorded.sequence <= self._sequences.get(recorded.order_id, 0):
                continue
            self._sequences[recorded.order_id] = recorded.sequence
            self.events += 1
            count = self._counts.get(type(recorded.event))
            if count is not None:
                count(recorded, recorded.event)

    def _month(self, recorded: Recorded) -> Month:
        return self.months.setdefault(f"{recorded.at:%Y-%m}", Month())

    def _gateway(self, name: str) -> Gateway:
        return self.gateways.setdefault(name, Gateway())

    def _placed(self, recorded: Recorded, event: Placed) -> None:
        content = event.content
        self.orders += 1
        self.lines += len(content.lines)
        self.placed += content.total
        self.states[event.state] += 1
        self._month(recorded).orders += 1
        self._unpaid[recorded.order_id] = content.total

    def _moved(self, recorded: Recorded, event: Moved) -> None:
        self.moves[event.source, event.via, event.to] += 1
        self.states[event.source] -= 1
        self.states[event.to] += 1
        if event.via == "pay":
            self._month(recorded).paid += self._unpaid.pop(recorded.order_id)
            self.late_payments += recorded.order_id in self._reminded
        elif event.to == "closed":
            self.closed_unpaid += self._unpaid.pop(recorded.order_id, 0)
        self._reminded.discard(recorded.order_id)

    def _reminder(self, recorded: Recorded, _event: Reminded) -> None:
        self.reminders += 1
        self._reminded.add(recorded.order_id)

    def _received(self, _recorded: Recorded, event: Received) -> None:
        self.confirmed_by_time += event.confirmed_by_timer

    def _started(self, _recorded: Recorded, event: PaymentStarted) -> None:
        for attempt in event.attempts:
            self._attempts[attempt.id] = attempt.gateway

    def _rerouted(self, _recorded: Recorded, event: Rerouted) -> None:
        self._attempts[event.attempt.id] = event.attempt.gateway

    def _answered(self, _recorded: Recorded, event: AttemptAnswered) -> None:
        sums = self._gateway(self._attempts[event.attempt])
        if event.state is AttemptState.CAPTURED:
            sums.charges += 1
        elif event.state is AttemptState.DECLINED:
            sums.declined += 1
        if event.moved > 0:
            sums.taken += event.moved
        else:
            sums.undone -= event.moved

    def _earned(self, recorded: Recorded, event: RevenueRecognized) -> None:
        for part in (*event.goods, *event.charges):
            self._tax(part.ppm, part.net, part.tax)
            self._month(recorded).earned += part.net + part.tax

    def _tax(self, ppm: int, net: int, tax: int) -> None:
        sums = self.taxes.setdefault(ppm, [0, 0])
        sums[0] += net
        sums[1] += tax

    def _refund(self, recorded: Recorded, event: RefundRequested) -> None:
        refund = event.refund
        self.refunds += 1
        self.refunded += refund.amount
        self._month(recorded).refunded += refund.amount
        self._legs[refund.id] = legs = [
            _Leg(
                self._attempts[leg.attempt],
                leg.gateway or self._attempts[leg.attempt],
                leg.amount,
                0 if leg.released else leg.paid,
            )
            for leg in refund.legs
        ]
        for leg in legs:
            self._gateway(leg.way).refunded += leg.paid
        if refund.recognized:
            for row in refund.rows:
                self._tax(row.tax_ppm, -row.net, -row.tax)

    def _refund_answered(self, _recorded: Recorded, event: RefundAnswered) -> None:
        if event.status is RefundStatus.ARRIVED:
            leg = self._legs[event.refund][event.leg]
            self._gateway(leg.way).arrived += leg.paid
            self.arrived += leg.amount

    def _refund_rerouted(self, _recorded: Recorded, event: RefundRerouted) -> None:
        legs = self._legs[event.refund]
        leg = legs[event.leg]
        legs[event.leg] = again = leg._replace(way=event.gateway or leg.own)
        self._gateway(leg.way).refunded -= leg.paid
        self._gateway(again.way).refunded += leg.paid

    def _delayed(self, _recorded: Recorded, _event: RefundDelayed) -> None:
        self.refunds_late += 1
