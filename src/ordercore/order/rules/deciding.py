"""A decision in the making: the order so far, and the events that brought it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.ledger.settlement import SettlementPolicy
from ordercore.order.events import FundedShare, Moved, RevenueRecognized
from ordercore.order.evolve import FOLDS, answered
from ordercore.order.funding import earned_shares
from ordercore.order.handling import HandlingPolicy
from ordercore.order.order import row_taxes
from ordercore.party import ActorKind
from ordercore.pricing import BORDER_CHARGES, ChargeKind, TaxTotal, TaxTreatment
from ordercore.tender import PaymentPolicy, reduction, refunded_units
from ordercore.tender.events import FundsShared
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

__all__ = ["Deciding", "Guard", "Refusal", "Rule", "Situation", "unlisted"]

# a look-up through an Enum class costs more than the comparison
_STAFF, _SYSTEM = ActorKind.STAFF, ActorKind.SYSTEM


@value
class Situation:
    """What a decision depends on beside the order: when, who, by which chart and policy."""

    at: datetime
    by: Actor
    lifecycle: Lifecycle[Order]
    posting: PostingPolicy
    handling: HandlingPolicy = HandlingPolicy()
    payments: PaymentPolicy = PaymentPolicy()
    funds: SettlementPolicy = SettlementPolicy()

    @property
    def speaker(self) -> ActorKind:
        """As whom the actor is heard: the shop's own process may what staff may."""
        kind = self.by.kind
        return _STAFF if kind is _SYSTEM else kind


@value
class Refusal:
    """Why a command is not possible now; ``allowed`` are the lifecycle events that are."""

    reason: str
    allowed: tuple[str, ...] = ()


def unlisted(event: str, said: str, order: Order, situation: Situation) -> Refusal | None:
    """The refusal of a command whose event the state does not list; ``said`` ends *an order in state 'x' ...*."""
    lifecycle = situation.lifecycle
    if event in lifecycle.table[order.state]:
        return None
    allowed = lifecycle.allowed(order.state, order)
    return Refusal(f"an order in state {order.state!r} {said}", allowed)


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
        """Fire a lifecycle event; raises `NotAllowed`. Books the sale where the policy says so.

        An event that leads where the order is already moves nothing: no new visit, its timers run on.
        """
        order, lifecycle = self.order, self.situation.lifecycle
        to = lifecycle.fire(order.state, via, order)
        if to == order.state:
            return
        self.enter(to, via, reason, seals=via in lifecycle.sealing)

    def enter(self, to: str, via: str, reason: str, *, seals: bool = False) -> None:
        """Move to a state, whatever the chart says of the way there."""
        order, situation = self.order, self.situation
        moved = Moved(via, order.state, to, reason, to in situation.lifecycle.releases, seals)
        self.order = FOLDS[Moved](order, moved, situation.at)
        self.events.append(moved)
        if to in situation.posting.recognize_in and not order.recognized:
            self.apply(_earned(self.order))
            gone = refunded_units(self.order.payments)
            shares = earned_shares(self.order, gone, situation.funds)
            if shares:
                self.apply(FundsShared(shares))


_SHIPPING = ChargeKind.SHIPPING


class _Sums:
    """Net and tax by rate and component, and what third parties add, of one kind of income."""

    __slots__ = ("funded", "taxed", "untaxed")

    def __init__(self) -> None:
        self.taxed: dict[tuple[int, str], list[int]] = {}
        self.untaxed = 0
        self.funded: dict[Funder, int] = {}

    def add(self, ppm: int, net: int, tax: int, name: str = "") -> None:
        sums = self.taxed.get((ppm, name))
        if sums is None:
            self.taxed[ppm, name] = [net, tax]
        else:
            sums[0] += net
            sums[1] += tax

    def part(self, part: TaxTotal) -> None:
        """One of `row_taxes`."""
        if part.treatment is TaxTreatment.OUT_OF_SCOPE:
            self.untaxed += part.net
        else:
            self.add(part.ppm, part.net, part.tax, part.name)

    def fund(self, shares: tuple[tuple[Funder, int], ...]) -> None:
        for who, amount in shares:
            self.funded[who] = self.funded.get(who, 0) + amount

    def taxes(self) -> tuple[TaxTotal, ...]:
        found = [TaxTotal(ppm, net, tax, name) for (ppm, name), (net, tax) in self.taxed.items()]
        if self.untaxed:  # what was paid by tenders that count as price reductions
            found.append(TaxTotal(0, self.untaxed, 0, "", TaxTreatment.OUT_OF_SCOPE))
        return tuple(found)

    def shares(self) -> tuple[FundedShare, ...]:
        return tuple([FundedShare(who, amount) for who, amount in self.funded.items()])


def _earned(order: Order) -> RevenueRecognized:
    """What of the sale was not refunded, by tax rate; what third parties add; what the state gets.

    What tenders pay that count as price reductions is earned without tax.
    """
    content, plan = order.content, order.payments.plan
    reduces = plan is not None and bool(plan.discounted)
    done = refunded_units(order.payments)
    goods, shipping = _Sums(), _Sums()
    duties = 0
    for line in content.lines:
        gone = done.get(line.id, 0)
        rest = line.quantity - gone
        if rest <= 0:
            continue
        off = reduction(plan, line) if reduces else 0
        if gone or off or line.parts:
            for part in row_taxes(line, gone, rest, off):
                goods.part(part)
        else:
            goods.add(line.tax_ppm, line.net, line.tax)
        if line.funded:
            goods.fund(content.funded(line.id, gone, rest))
    for charge in content.charges:
        if done.get(charge.id):
            continue
        if charge.kind in BORDER_CHARGES:
            duties += charge.total
            continue
        sums = shipping if charge.kind is _SHIPPING else goods
        off = reduction(plan, charge) if reduces else 0
        if off or charge.parts:
            for part in row_taxes(charge, reduction=off):
                sums.part(part)
        else:
            sums.add(charge.tax_ppm, charge.net, charge.tax)
        if charge.funded:
            sums.fund(content.funded(charge.id, 0, 1))
    return RevenueRecognized(
        goods.taxes(), shipping.taxes(), goods.shares(), duties, shipping.shares()
    )


if TYPE_CHECKING:
    from typing import Any

    Rule = Callable[[Deciding, Any], None]
    Guard = Callable[[Order, Situation], Refusal | None]
