"""Aftercare: refunds of units and charges, and their way to arrival.

A partial refund does not move the order. A full one leads through *refunding* to *refunded*.
Units that had not left are withdrawn: they will not ship, and their stock is free again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidManifest, KeyReused, NotAllowed
from ordercore.fulfillment import Withdrawn
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.order.commands import AnswerRefund, NoteRefundDelay, RefundOrder
from ordercore.order.events import RefundDelayed
from ordercore.order.facts import everything_refunded
from ordercore.order.rules.capturing import goods_left
from ordercore.order.rules.deciding import Refusal, unlisted
from ordercore.order.rules.holding import ask_back
from ordercore.order.rules.paying import give_all_back, planned_today
from ordercore.tender import (
    Refund,
    RefundSplit,
    RefundStatus,
    StrandedRefund,
    TenderKind,
    refund,
    refundable,
)
from ordercore.tender.attempt import REFUNDS_MAX
from ordercore.tender.events import RefundAnswered, RefundRerouted
from ordercore.tender.refund import ORIGINAL, RefundWay, surplus_kept, surplus_legs
from ordercore.tender.sending import as_one

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation
    from ordercore.tender import RefundLeg, RefundOutcome

__all__ = ["GUARDS", "RULES", "give_back", "matrix_holds"]


def may_refund(order: Order, situation: Situation) -> Refusal | None:
    """Money goes back while the state lists ``refund`` and some is left to go back."""
    refusal = unlisted("refund", "has nothing to refund", order, situation)
    if refusal is not None:
        return refusal
    payments = order.payments
    left = payments.captured - payments.refunded - payments.forfeited
    if left <= 0:
        return Refusal("all that was paid has been refunded")
    if left <= payments.taken_back:
        return Refusal("all that was not refunded went back through the payer's bank")
    if any([attempt.live for attempt in order.payments.current()]):
        return Refusal("a payment is under way: wait for its end")
    row = situation.lifecycle.table[order.state]
    if order.due and ("pay" in row or "cancel" in row):
        return Refusal(
            "something is due since the order was changed: collect it, change it back, or cancel"
        )
    return None


def _charges_with(order: Order, goods: Manifest) -> tuple[LineId, ...]:
    """Charges go back with the last goods, if nothing ever left."""
    units, charges = refundable(order.content.lines, order.content.charges, order.payments)
    rest = sum(units.values()) - goods.total()
    return charges if rest <= 0 and not order.delivery.shipments else ()


def _way(order: Order, situation: Situation, command: RefundOrder) -> RefundWay:
    """How a refund goes back: as the command says, else by policy. Raises `NotAllowed` for one that goes to an
    account without the customer's word."""
    policy = situation.payments
    split = command.split or policy.refund_split
    account = command.account or order.content.customer.id
    if split is RefundSplit.TO_BALANCE and not (command.consent and account):
        reason = "a refund to balance needs the customer's recorded consent"
        if command.consent:
            reason = "the order has no customer: name the account"
        raise NotAllowed(reason, path="account" if command.consent else "consent")
    if command.account and not command.consent:
        reason = "an account other than its own way needs the customer's recorded consent"
        raise NotAllowed(reason, path="consent")
    if not command.consent:
        return RefundWay(split)
    return RefundWay(split, command.consent, policy.balance, account)


def give_back(
    deciding: Deciding,
    name: str,
    goods: Manifest,
    charges: tuple[str, ...] | None,
    reason: str,
    way: RefundWay = ORIGINAL,
) -> None:
    """Ask a refund: money by the frozen matrix or another split, goods that had not left withdrawn."""
    order = deciding.order
    content = order.content
    if len(order.payments.refunds) >= REFUNDS_MAX:
        raise InvalidManifest(f"an order has at most {REFUNDS_MAX} refunds", path="manifest")
    if any(refund.id == name for refund in order.payments.refunds):
        reason_ = f"the order has a refund {name!r} already"
        raise KeyReused(reason_, path="id", refund=name)
    wanted = _charges_with(order, goods) if charges is None else charges
    asked = refund(
        name, content.lines, content.charges, order.payments, goods, wanted, reason,
        recognized=order.recognized, way=way,
    )  # fmt: skip
    gone = order.delivery.gone()
    quantities = {line.id: line.quantity for line in content.lines}
    stays: list[tuple[LineId, Quantity]] = []
    for line_id, units in goods:
        back = min(units, quantities.get(line_id, 0) - gone.get(line_id, 0))
        if back > 0:  # goods at hand stay; only what has left must come back
            stays.append((line_id, Quantity(back)))
    ask_back(deciding, asked)
    if stays:
        deciding.apply(Withdrawn(Manifest(tuple(stays))))


def refund_order(deciding: Deciding, command: RefundOrder) -> None:
    """Refund what the command names; everything left where it names nothing, what was paid above the price too."""
    order = deciding.order
    goods = Manifest() if command.goods is None else command.goods
    charges = command.charges
    everything = command.goods is None and charges is None
    way = _way(order, deciding.situation, command)
    if (everything and order.payments.taken_back) or not matrix_holds(order):
        if not everything:
            reason = "what was paid is not what its goods cost today: give all of it back instead"
            raise NotAllowed(reason, order=order.id, state=order.state)
        give_all_back(deciding, command.id, command.reason, way)
        _after_refund(deciding, command.reason)
        return
    if everything:
        units, left = refundable(order.content.lines, order.content.charges, order.payments)
        goods = Manifest(tuple((line, Quantity(n)) for line, n in units.items()))
        charges = tuple(left)
        if _give_surplus_back(deciding, command, way, alone=not (goods or charges)):
            _after_refund(deciding, command.reason)
            return
    give_back(deciding, command.id, goods, charges, command.reason, way)
    _after_refund(deciding, command.reason)


def _give_surplus_back(
    deciding: Deciding, command: RefundOrder, way: RefundWay, *, alone: bool
) -> bool:
    """Give back what was kept above the price; whether nothing else is left to go (``alone``)."""
    kept = surplus_kept(deciding.order.payments)
    if not kept:
        return False
    legs = surplus_legs(deciding.order.payments, kept, way)
    name = command.id if alone else f"{command.id}-over"
    reason = "paid above what was asked"
    amount = sum([leg.amount for leg in legs])
    ask_back(deciding, Refund(name, (), legs, amount, reason, consent=way.consent, surplus=True))
    return alone


def matrix_holds(order: Order) -> bool:
    """Whether what was paid is allotted to the goods of today: then units have their exact share of it. What was kept
    above the price is no part of it."""
    payments = order.payments
    over = payments.captured - payments.refunded + payments.refunded_now - order.content.total
    if over and over != sum([amount for _, amount in surplus_kept(payments)]):
        return False
    if any([not done.rows and not done.surplus for done in payments.refunds[payments.settled :]]):
        return False  # what went back went back over no row
    return planned_today(order) or not payments.captured


def _after_refund(deciding: Deciding, reason: str) -> None:
    """What follows for the order: all back leads to *refunding*, the rest of the goods stays."""
    after = deciding.order
    if after.all_asked_back():
        rest = after.shippable()
        if rest:  # what cost nothing: with all money back, nothing more leaves
            deciding.apply(Withdrawn(rest))
        deciding.move("refund", reason)
        if deciding.lists("refunded") and everything_refunded(deciding.order):
            deciding.move("refunded")  # all of it was only held
        return
    if not after.shippable():
        goods_left(deciding)
    if deciding.lists("ship") and after.delivery.shipments and not after.shippable():
        deciding.move("ship")  # the rest was refunded: all that will leave has left


def answer_refund(deciding: Deciding, command: AnswerRefund) -> None:
    """Take answers about legs in; never backwards, in whatever order they come (law L10).

    What is told under a leg's key weighs *unknown*, *accepted*, *arrived*, *failed*, the last most: a refund that
    has arrived may still bounce off the payer's bank, one that failed has failed for good. Without a key it is the
    word of somebody of the shop: then an arrival mends a failure, and nothing undoes it.

    Legs that went out as one are answered alike. News of a way that failed before concerns no later one.
    """
    for i, (place, outcome) in enumerate(command.answers):
        payments = deciding.order.payments
        leg = payments.refund(command.refund).leg(place)
        if command.keys and command.keys[i] != leg.key(command.refund, place):
            continue
        together = as_one(payments, command.refund, place)
        told = sum([payments.refund(name).leg(at).paid for name, at in together])
        for name, at in together:
            _answer_leg(deciding, name, at, outcome, told, by_key=bool(command.keys))
            told = 0  # the first of them tells all of it
    if deciding.lists("refunded") and everything_refunded(deciding.order):
        deciding.move("refunded")


def _news(leg: RefundLeg, status: RefundStatus, *, by_key: bool) -> bool:
    """Whether an answer says more of a leg than is known."""
    known = leg.status
    if known is status or (known is not None and status is RefundStatus.UNKNOWN):
        return False
    if known is RefundStatus.ARRIVED:
        # what no channel was called for cannot come back from one
        return by_key and status is RefundStatus.FAILED and not leg.released and leg.paid != 0
    if known is RefundStatus.FAILED:
        return status is RefundStatus.ARRIVED and not by_key
    return True


def _answer_leg(
    deciding: Deciding, name: str, place: int, outcome: RefundOutcome, paid: int, *, by_key: bool
) -> None:
    """Take an answer about one leg in, if it is news."""
    payments = deciding.order.payments
    leg = payments.refund(name).leg(place)
    status = outcome.status
    if not _news(leg, status, by_key=by_key):
        return
    moved = paid if status is RefundStatus.ARRIVED else -paid if leg.arrived else 0
    deciding.apply(
        RefundAnswered(
            name, place, status, outcome.reference, outcome.at, outcome.reason, moved,
            leg.gateway or payments.attempt(leg.attempt).gateway, deciding.order.currency,
            leg.key(name, place),
        )
    )  # fmt: skip
    if status is RefundStatus.FAILED:
        _stranded(deciding, name, place, outcome.reason)


def _stranded(deciding: Deciding, name: str, place: int, reason: str) -> None:
    """A leg cannot go back by its way: it goes to the customer's balance where the policy and the customer say so;
    else somebody must look.

    Points do not become money by themselves, and what the payer's bank took back is not paid a second time.
    """
    order = deciding.order
    policy = deciding.situation.payments
    refund_ = order.payments.refund(name)
    leg = refund_.leg(place)
    attempt = order.payments.attempt(leg.attempt)
    account = leg.account or order.content.customer.id
    if (
        policy.stranded is StrandedRefund.TO_BALANCE
        and refund_.consent
        and account
        and leg.gateway != policy.balance
        and attempt.kind is not TenderKind.POINTS
        and not attempt.charged_back
    ):
        rerouted = RefundRerouted(name, place, policy.balance, account, refund_.consent, reason)
        deciding.apply(rerouted)
    else:
        deciding.apply(RefundDelayed(name, place))


def note_delay(deciding: Deciding, command: NoteRefundDelay) -> None:
    """A leg is late: somebody must look."""
    leg = deciding.order.payments.refund(command.refund).leg(command.leg)
    if not leg.arrived:
        deciding.apply(RefundDelayed(command.refund, command.leg))


RULES: Mapping[type[Any], Rule] = {
    RefundOrder: refund_order,
    AnswerRefund: answer_refund,
    NoteRefundDelay: note_delay,
}
GUARDS: Mapping[type[Any], Guard] = {RefundOrder: may_refund}
