"""Amending and recovering: another content for an order that was placed.

Theory of operation. A change says what the order is to be. Its new content is priced like any cart,
and what is due or owed follows from totals alone: the price, less what was paid and not asked back.
So one unit more and then one unit less ends where it began, and no channel is called.

Money above the new price goes back over the tenders that hold it, in proportion. When what they hold is
just the price, it is allotted anew: the matrix of law L25 over the rows of today, recorded as an event.
Money below the new price stays, and the next payment pays the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.allocation import draw
from ordercore.errors import InvalidInput, NotAllowed
from ordercore.order.commands import Amend, Recover
from ordercore.order.events import Amended, Overruled, Recovered
from ordercore.order.facts import has_payment
from ordercore.order.handling import Rule as HandlingRule
from ordercore.order.rules.deciding import Refusal, unlisted
from ordercore.order.rules.holding import ask_back
from ordercore.order.rules.instalment import OPEN
from ordercore.order.rules.paying import CLOSING
from ordercore.party import ActorKind
from ordercore.tender import AttemptState, Refund, RefundLeg, carried_tenders, reallotment
from ordercore.tender.attempt import REFUNDS_MAX
from ordercore.tender.events import Reallotted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order, OrderContent
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation
    from ordercore.tender import Attempt, Payments

__all__ = [
    "GUARDS",
    "RULES",
    "amend_by",
    "back_over",
    "may_amend",
    "may_begin",
    "may_recover",
    "overruled",
    "priced_apart",
]


_UNDER_WAY = "a payment is under way: wait for its end, or give it up"


def overruled(deciding: Deciding, rule: HandlingRule, refusal: Refusal, reason: str) -> None:
    """Set a rule aside for a reason, where the policy lets staff do so; otherwise refuse."""
    situation = deciding.situation
    allowed = rule in situation.handling.overrules
    staff = situation.speaker is ActorKind.STAFF
    if not (reason and allowed and staff):
        order = deciding.order
        raise NotAllowed(
            refusal.reason, order=order.id, state=order.state, rule=rule.value,
            overrule=allowed and staff, allowed=situation.lifecycle.allowed(order.state, order),
        )  # fmt: skip
    deciding.apply(Overruled(rule.value, reason))


def may_amend(order: Order, situation: Situation) -> Refusal | None:
    """What was agreed is changed only before anything left, and while no payment is in the middle."""
    refusal = may_begin(order, situation)
    if refusal is None and order.payments.in_flight:
        refusal = Refusal(_UNDER_WAY)
    return refusal


def may_begin(order: Order, situation: Situation) -> Refusal | None:
    """The same of who only begins: a payment that waits for its payer is no hindrance, it is given up."""
    if order.delivery.shipments:
        return Refusal("part of the order has left: return or refund it instead")
    if order.delivery.taken():
        return Refusal("a carrier has part of the order already: dispatch that first")
    if order.handling.released:
        return Refusal(f"an order in state {order.state!r} is over")
    if order.closing is not None:
        return Refusal(CLOSING)
    if any([a.live and not _waits(order, situation, a) for a in order.payments.attempts]):
        return Refusal(_UNDER_WAY)
    if order.recognized:
        return Refusal("the sale is booked already")
    return None if _part(order) else priced_apart(order)


def _part(order: Order) -> bool:
    """Whether it is a part of an order that was split: its price stands, and only where it goes may change."""
    lineage = order.handling.lineage
    return lineage is not None and bool(lineage.parent)


def priced_apart(order: Order) -> Refusal | None:
    """Whether an order can be priced by itself: its cart is known, and it is no part of one that was split."""
    if _part(order):
        return Refusal("it was priced as a part of another order: rejoin that first")
    if order.content.cart is None:
        return Refusal("nothing is known of what it was priced from")
    return None


def _waits(order: Order, situation: Situation, attempt: Attempt) -> bool:
    """Whether an attempt only waits for its payer, where it can be given up."""
    table = situation.lifecycle.table
    return attempt.state is AttemptState.WAITING and "pay" in table[order.state]


def amend_by(order: Order, situation: Situation) -> Refusal | None:
    """Whether the lifecycle lets this actor change an order in this state."""
    kind = situation.speaker
    if kind in situation.lifecycle.state(order.state).amend:
        return None
    return Refusal(f"a {kind.value} cannot change an order in state {order.state!r}")


def may_ask_amend(order: Order, situation: Situation) -> Refusal | None:
    """Both of them, for who asks what may be done."""
    return may_begin(order, situation) or amend_by(order, situation)


def back_over(payments: Payments, amount: int) -> tuple[RefundLeg, ...]:
    """Legs that give ``amount`` back over the attempts that hold money, in proportion to what they hold.

    Points go back in whole steps of their worth. Raises `InvalidInput` where no such amount can be built.
    """
    held = carried_tenders(payments)
    cells = [tender.amount for _, tender in held]
    units = [tender.quantum_minor for _, tender in held]
    parts = draw(cells, [0] * len(cells), amount, units)
    return tuple(
        [
            RefundLeg(name, part, tender.points_of(part))
            for (name, tender), part in zip(held, parts, strict=True)
            if part
        ]
    )


def give_above(deciding: Deciding, name: str, price: int, reason: str) -> None:
    """Ask back what was paid above ``price``, if anything."""
    payments = deciding.order.payments
    above = payments.captured - payments.refunded - price
    if above <= 0:
        return
    if len(payments.refunds) >= REFUNDS_MAX:
        raise InvalidInput(f"an order has at most {REFUNDS_MAX} refunds", path="changes")
    legs = back_over(payments, above)
    ask_back(deciding, Refund(name, (), legs, above, reason, deciding.order.recognized))


def reallot(deciding: Deciding) -> None:
    """Let what was paid stand for the rows of today, once it is just what they cost."""
    order = deciding.order
    payments, content = order.payments, order.content
    net = payments.captured - payments.refunded
    if not net or net != content.total:
        return
    plan, carried = reallotment(content.rows(), payments, content.currency)
    deciding.apply(Reallotted(plan, carried))


def amend(deciding: Deciding, command: Amend) -> None:
    """Take the new content in; ask back what was paid above it, or leave a difference due."""
    order = deciding.order
    if command.changed != ("address",):
        apart = priced_apart(order)
        if apart is not None:
            raise NotAllowed(apart.reason, order=order.id, state=order.state)
    refusal = amend_by(order, deciding.situation)
    if refusal is not None:
        overruled(deciding, HandlingRule.AMEND_STATE, refusal, command.overrule)
    _same_order(order.content, command.content)
    was, settled = order.content.total, not order.due or has_payment(order)
    give_above(deciding, command.refund_id, command.content.total, "the order was amended")
    deciding.apply(Amended(command.content, command.changed, was))
    reallot(deciding)
    after = deciding.order
    if after.due:
        if settled and deciding.lists("due"):
            deciding.move("due", "amended")
        elif deciding.situation.lifecycle.prepaid and not (
            deciding.lists("pay") or deciding.lists(OPEN)
        ):
            reason = (
                f"the order would cost {after.due} more, and its lifecycle has no way to collect it"
            )
            raise NotAllowed(reason, order=order.id, state=order.state, due=after.due)
    elif deciding.lists("pay"):
        deciding.move("pay", "nothing is due after an amendment")


def _same_order(old: OrderContent, new: OrderContent) -> None:
    """An amendment changes neither who sold it nor in which currency."""
    if (old.id, old.number, old.shop, old.currency) != (new.id, new.number, new.shop, new.currency):
        raise InvalidInput("the content is of another order", path="content")


def may_recover(order: Order, situation: Situation) -> Refusal | None:
    """An order comes back while its state lists ``recover``."""
    refusal = unlisted("recover", "cannot be recovered", order, situation)
    if refusal is not None:
        return refusal
    if order.payments.in_flight:
        return Refusal("a payment is still being undone: wait for its end")
    if order.recognized:
        return Refusal("the sale is booked already: place a new order")
    return priced_apart(order)


def in_window(order: Order, situation: Situation) -> Refusal | None:
    """A canceled order is recovered within so many days."""
    within = situation.handling.recover_within
    if situation.at <= order.entered_at + within:
        return None
    return Refusal(f"it was canceled more than {within.days} days ago")


def may_ask_recover(order: Order, situation: Situation) -> Refusal | None:
    """Both of them, for who asks what may be done."""
    return may_recover(order, situation) or in_window(order, situation)


def recover(deciding: Deciding, command: Recover) -> None:
    """Begin anew at today's prices: a new visit, a new deadline; money not yet returned stays as paid."""
    order = deciding.order
    refusal = in_window(order, deciding.situation)
    if refusal is not None:
        overruled(deciding, HandlingRule.RECOVER_WINDOW, refusal, command.overrule)
    _same_order(order.content, command.content)
    was = order.content.total
    give_above(deciding, f"{order.id}/v{order.visit}", command.content.total, "recovered for less")
    deciding.apply(Recovered(command.content, was))
    reallot(deciding)
    deciding.move("recover")
    if not deciding.order.due and deciding.lists("pay"):
        deciding.move("pay", "nothing is due")


RULES: Mapping[type[Any], Rule] = {Amend: amend, Recover: recover}
GUARDS: Mapping[type[Any], Guard] = {Amend: may_amend, Recover: may_recover}
