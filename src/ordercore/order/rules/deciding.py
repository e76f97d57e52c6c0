"""A decision in the making: the order so far, and the events that brought it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.order.events import FundedShare, Moved, RevenueRecognized
from ordercore.order.evolve import FOLDS, answered
from ordercore.order.order import charge_taxes
from ordercore.pricing import BORDER_CHARGES, ChargeKind, TaxTotal
from ordercore.tender import refunded_units
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ordercore.event import Event
    from ordercore.ledger import PostingPolicy
    from ordercore.lifecycle import Lifecycle
    from ordercore.order.order import Order
    from ordercore.party import Actor
    from ordercore.pricing import Funder
    from ordercore.tender.events import AttemptAnswered

__all__ = ["Deciding", "Guard", "Refusal", "Rule", "Situation"]


@value
class Situation:
    """What a decision depends on beside the order: when, who, by which chart and policy."""

    at: datetime
    by: Actor
    lifecycle: Lifecycle[Order]
    posting: PostingPolicy


@value
class Refusal:
    """Why a command is not possible now; ``allowed`` are the lifecycle events that are."""

    reason: str
    allowed: tuple[str, ...] = ()


class Deciding:
    """Folds each event as it is decided, so a rule always sees the state after its own events."""

    __slots__ = ("events", "order", "situation")

    def __init__(self, order: Order, situation: Situation) -> None:
        self.order = order
        self.situation = situation
        self.events: list[Event] = []

    def apply(self, event: Event) -> None:
        """Let ``event`` happen."""
        self.order = FOLDS[type(event)](self.order, event, self.situation.at)
        self.events.append(event)

    def apply_answers(self, answers: tuple[AttemptAnswered, ...]) -> None:
        """Let answers about different attempts happen: one new order for all of them."""
        self.order = answered(self.order, answers)
        self.events += answers

    def lists(self, event: str) -> bool:
        """Whether the state lists a lifecycle event, whatever the guards say."""
        return event in self.situation.lifecycle.table[self.order.state]

    def move(self, via: str, reason: str = "") -> None:
        """Fire a lifecycle event; raises `NotAllowed`. Books the sale where the policy says so."""
        order = self.order
        to = self.situation.lifecycle.fire(order.state, via, order)
        self.apply(Moved(via, order.state, to, reason))
        if to in self.situation.posting.recognize_in and not order.recognized:
            self.apply(_earned(self.order))


_SHIPPING = ChargeKind.SHIPPING


def _earned(order: Order) -> RevenueRecognized:
    """What of the sale was not refunded, by tax rate; what third parties add; what the state gets."""
    content = order.content
    done = refunded_units(order.payments)
    goods: dict[int, list[int]] = {}
    charges: dict[int, list[int]] = {}
    funded: dict[Funder, int] = {}
    duties = 0
    for line in content.lines:
        gone = done.get(line.id, 0)
        if gone >= line.quantity:
            continue
        sums = goods.setdefault(line.tax_ppm, [0, 0])
        if gone:
            share = line.units(gone, line.quantity - gone)
            sums[0] += share.net
            sums[1] += share.tax
        else:
            sums[0] += line.net
            sums[1] += line.tax
        if line.funded:
            for who, amount in content.funded(line.id, gone, line.quantity - gone):
                funded[who] = funded.get(who, 0) + amount
    for charge in content.charges:
        if done.get(charge.id):
            continue
        if charge.kind in BORDER_CHARGES:
            duties += charge.total
            continue
        for part in charge_taxes(charge):
            into = charges if charge.kind is _SHIPPING else goods
            sums = into.setdefault(part.ppm, [0, 0])
            sums[0] += part.net
            sums[1] += part.tax
        if charge.funded:
            for who, amount in content.funded(charge.id, 0, 1):
                funded[who] = funded.get(who, 0) + amount
    return RevenueRecognized(
        tuple([TaxTotal(ppm, net, tax) for ppm, (net, tax) in goods.items()]),
        tuple([TaxTotal(ppm, net, tax) for ppm, (net, tax) in charges.items()]),
        tuple([FundedShare(who, amount) for who, amount in funded.items()]),
        duties,
    )


if TYPE_CHECKING:
    from typing import Any

    Rule = Callable[[Deciding, Any], None]
    Guard = Callable[[Order, Situation], Refusal | None]
