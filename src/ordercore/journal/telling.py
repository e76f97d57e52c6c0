"""What each event says, as sentences to be put into a language.

A sentence is an English template with its fields; catalogs translate the template (context ``journal``).
Nothing personal goes into a field: no address, account or contact, and of notes only what the customer may read.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from ordercore.fulfillment import Received, Shipped, Withdrawn
from ordercore.lifecycle.visible import VisibleStep
from ordercore.order.events import (
    Adopted,
    Amended,
    Assigned,
    ClosingAsked,
    Escalated,
    Extended,
    ItemMarked,
    Moved,
    Noted,
    Overran,
    Overruled,
    Paused,
    Placed,
    Recovered,
    RefundDelayed,
    Reminded,
    Resumed,
    RevenueRecognized,
    Reviewed,
    Tagged,
)
from ordercore.order.rules.advancing import OVERRIDE
from ordercore.tender import AttemptState, RefundStatus
from ordercore.tender.events import (
    AttemptAnswered,
    CaptureAsked,
    PaymentStarted,
    Reallotted,
    RefundAnswered,
    RefundRequested,
    UndoAsked,
)
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ordercore.event import Event
    from ordercore.order import Order

__all__ = ["LISTED_MAX", "SENTENCES", "Sentence", "TOLD", "tell", "why_of"]

LISTED_MAX: Final = 6
"""Most goods, payments or tags that a sentence lists by name."""

Field = int | str | datetime | timedelta | tuple[Any, ...]


@value
class Sentence:
    """One thing to say: the name of a template in `SENTENCES`, and its fields."""

    name: str
    fields: tuple[tuple[str, Field], ...] = attrs.field(default=(), repr=False)

    @property
    def template(self) -> str:
        """The English template."""
        return SENTENCES[self.name]


SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # the order
        "placed": "The order was placed: {total:money}.",
        "pay_by": "It is to be paid by {at:time}.",
        "adopted": "The order was taken over in the state “{state:state}”: {total:money}, {paid:money} paid before.",
        "moved": "“{via:event}” moved the order from “{source:state}” to “{to:state}”.",
        "stays": "“{via:event}”: the order stays in “{to:state}”.",
        "moved_by_hand": "The order was moved by hand from “{source:state}” to “{to:state}”.",
        "released": "Nothing is held for it any more.",
        "sealed": "It is closed for good.",
        "amended": "What was agreed was changed ({parts:parts}): {total:money} instead of {was:money}.",
        "amended_same": "What was agreed was changed ({parts:parts}); the total stays at {total:money}.",
        "recovered": "The order lives again: {total:money} instead of {was:money}.",
        "overruled": "A rule was set aside: {rule:word}.",
        "valid": "The order was reviewed and is valid.",
        "invalid": "The order was reviewed and is not valid.",
        "not_in_order": "Not in order: {points:list}.",
        "assigned": "The order is now the work of {to}.",
        "unassigned": "The order is nobody's work any more.",
        "note": "Note for the customer: “{text}”",
        "internal_note": "An internal note was written.",
        "tagged": "Tagged: {tags:list}.",
        "untagged": "Tags taken off: {tags:list}.",
        "item": "{goods:goods} is now “{status:item}”.",
        "closing": "The order is to close.",
        "closing_later": "The order is to close once its channels have answered.",
        "reminded": "Payment is still due by {at:time}.",
        "reminded_open": "Payment is still due.",
        # time
        "paused": "Clocks stand still: {pause}.",
        "resumed": "Clocks run on: {pause}.",
        "extended": "The timer “{timer:word}” got {more:span} more.",
        "step_overran": "The step “{step:step}” takes longer than {target:span}.",
        "timer_overran": "“{timer:word}”: it takes longer than {target:span}.",
        "escalated": "“{timer:word}”: somebody above must look.",
        # payments
        "paying": "Payment began: {payments:payments}.",
        "carried": "Paid before and counted on: {payments:payments}.",
        "reallotted": "What was paid stands for the goods of today: {payments:payments}.",
        "open": "{gateway}: {amount:money} asked.",
        "waiting": "{gateway}: {amount:money} waits for the payer.",
        "authorized": "{gateway}: {amount:money} held.",
        "capturing": "{gateway}: {amount:money} to be taken.",
        "captured": "{gateway}: {amount:money} taken.",
        "declined": "{gateway}: {amount:money} declined.",
        "closing_attempt": "{gateway}: {amount:money} to be given up.",
        "returning": "{gateway}: {amount:money} to be given back.",
        "returned": "{gateway}: {amount:money} given back.",
        "given_up": "{gateway}: {amount:money} given up, nothing was taken.",
        "capture": "To be taken: {payments:payments}.",
        "undo": "To be given back: {payments:payments}.",
        "earned": "The sale was booked: {net:money} net, {tax:money} tax.",
        "funded": "Borne by third parties: {amount:money}.",
        "duties": "Collected for the destination: {amount:money}.",
        # refunds
        "refund": "{amount:money} is to go back: {goods:goods}.",
        "refund_of_all": "{amount:money} is to go back.",
        "refund_accepted": "{gateway}: {amount:money} is on its way back.",
        "refund_arrived": "{gateway}: {amount:money} arrived back.",
        "refund_failed": "{gateway}: {amount:money} did not go back.",
        "refund_unknown": "{gateway}: unknown whether {amount:money} went back.",
        "refund_late": "{gateway}: {amount:money} has not arrived back in time.",
        # goods
        "shipped": "Left: {goods:goods}.",
        "carrier": "Carrier: {carrier}.",
        "tracking": "Tracking number: {tracking}.",
        "withdrawn": "Will not be shipped: {goods:goods}.",
        "received": "The goods arrived.",
        "received_by_time": "Counted as arrived, since nobody said otherwise in time.",
        # steps
        "step_done": "{step:step}: done.",
        "step_took": "{step:step}: done in {spent:span}.",
        "step_current": "{step:step}: under way for {spent:span}, since {at:time}.",
        "step_ahead": "{step:step}: still to come.",
        "step_skipped": "{step:step}: not gone through.",
        "step_left": "{step:step}: broken off after {spent:span}.",
        "step_target": "Target: {target:span}.",
        "step_over": "Longer than its target of {target:span}.",
        "step_over_then": "It took longer than its target.",
    }
)
"""Every sentence by its name. A kind after the colon says how a field is shown: money, times and spans
by the reader's language; states, events, items and steps by their labels."""


def _say(name: str, **fields: Field) -> Sentence:
    return Sentence(name, tuple(fields.items()))


# What sentences list ---------------------------------------------------------------------------


def _goods(order: Order, goods: Iterable[tuple[str, int]]) -> tuple[Any, ...]:
    """(units, name) of lines; 0 units for a charge."""
    content = order.content
    charges: dict[str, str] = {charge.id: charge.kind.value for charge in content.charges}
    found = []
    for row, units in goods:
        line = content.line(row)
        if line is not None:
            found.append((units, line.name or line.sku))
        else:
            found.append((0, charges.get(row, row)))
    return tuple(found)


def _payments(order: Order, names: Iterable[str]) -> tuple[Any, ...]:
    """(amount, gateway) of attempts."""
    attempts = [order.payments.attempt(name) for name in names]
    return tuple([(attempt.amount, attempt.gateway) for attempt in attempts])


# What each event says --------------------------------------------------------------------------


def _placed(event: Placed, _before: Order | None, after: Order) -> tuple[Sentence, ...]:
    told = _say("placed", total=after.total)
    pay_by = event.content.pay_by
    return (told,) if pay_by is None else (told, _say("pay_by", at=pay_by))


def _adopted(event: Adopted, _before: Order | None, after: Order) -> tuple[Sentence, ...]:
    paid = after.payments.captured
    return (_say("adopted", state=event.state, total=after.total, paid=paid),)


def _moved(event: Moved, before: Order, _after: Order) -> tuple[Sentence, ...]:
    source, to = event.source, event.to
    if event.via == OVERRIDE:
        told = _say("moved_by_hand", source=source, to=to)
    elif source == to:
        told = _say("stays", via=event.via, to=to)
    else:
        told = _say("moved", via=event.via, source=source, to=to)
    marks = []
    if event.releases and not before.handling.released:
        marks.append(_say("released"))
    if event.seals:
        marks.append(_say("sealed"))
    return (told, *marks)


def _amended(event: Amended, _before: Order, after: Order) -> tuple[Sentence, ...]:
    total, was = after.total, event.was
    if total == was:
        return (_say("amended_same", parts=event.changed, total=total),)
    return (_say("amended", parts=event.changed, total=total, was=was),)


def _reviewed(event: Reviewed, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    review = event.review
    told = _say("valid" if review.valid else "invalid")
    wrong = tuple([point for point, fine in review.checklist if not fine])
    return (told, _say("not_in_order", points=wrong)) if wrong else (told,)


def _tagged(event: Tagged, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    told = []
    if event.added:
        told.append(_say("tagged", tags=event.added))
    if event.removed:
        told.append(_say("untagged", tags=event.removed))
    return tuple(told)


def _noted(event: Noted, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    note = event.note
    return (_say("note", text=note.text) if note.shown else _say("internal_note"),)


def _overran(event: Overran, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    if event.step in _STEPS:
        return (_say("step_overran", step=event.step, target=event.target),)
    return (_say("timer_overran", timer=event.step, target=event.target),)


def _started(event: PaymentStarted, _before: Order, after: Order) -> tuple[Sentence, ...]:
    told = []
    if event.attempts:
        asked = tuple([(attempt.amount, attempt.gateway) for attempt in event.attempts])
        told.append(_say("paying", payments=asked))
    if event.carried:
        told.append(_say("carried", payments=_payments(after, event.carried)))
    return tuple(told)


_ANSWERS: Mapping[AttemptState, str] = {
    AttemptState.OPEN: "open",
    AttemptState.WAITING: "waiting",
    AttemptState.AUTHORIZED: "authorized",
    AttemptState.CAPTURING: "capturing",
    AttemptState.CAPTURED: "captured",
    AttemptState.DECLINED: "declined",
    AttemptState.CLOSING: "closing_attempt",
    AttemptState.RETURNING: "returning",
    AttemptState.RETURNED: "returned",
}


def _answered(event: AttemptAnswered, before: Order, _after: Order) -> tuple[Sentence, ...]:
    attempt = before.payments.attempt(event.attempt)
    name = _ANSWERS[event.state]
    if event.state is AttemptState.RETURNED and not attempt.captured - attempt.returned:
        name = "given_up"
    return (_say(name, gateway=attempt.gateway, amount=attempt.amount),)


def _asked(name: str) -> Callable[[Any, Order, Order], tuple[Sentence, ...]]:
    def told(
        event: CaptureAsked | UndoAsked | Reallotted, _before: Order, after: Order
    ) -> tuple[Sentence, ...]:
        names = event.carried if isinstance(event, Reallotted) else event.attempts
        return (_say(name, payments=_payments(after, names)),)

    return told


def _earned(event: RevenueRecognized, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    parts = (*event.goods, *event.charges)
    net, tax = sum(part.net for part in parts), sum(part.tax for part in parts)
    told = [_say("earned", net=net, tax=tax)]
    funded = sum(share.amount for share in (*event.funded, *event.charges_funded))
    if funded:
        told.append(_say("funded", amount=funded))
    if event.duties:
        told.append(_say("duties", amount=event.duties))
    return tuple(told)


def _refund(event: RefundRequested, before: Order, _after: Order) -> tuple[Sentence, ...]:
    refund = event.refund
    goods = _goods(before, [(row.row, row.units) for row in refund.rows])
    if not goods:
        return (_say("refund_of_all", amount=refund.amount),)
    return (_say("refund", amount=refund.amount, goods=goods),)


_ARRIVALS: Mapping[RefundStatus, str] = {
    RefundStatus.ACCEPTED: "refund_accepted",
    RefundStatus.ARRIVED: "refund_arrived",
    RefundStatus.FAILED: "refund_failed",
    RefundStatus.UNKNOWN: "refund_unknown",
}


def _leg(name: str, event: RefundAnswered | RefundDelayed, order: Order) -> tuple[Sentence, ...]:
    leg = order.payments.refund(event.refund).leg(event.leg)
    gateway = order.payments.attempt(leg.attempt).gateway
    return (_say(name, gateway=gateway, amount=leg.amount),)


def _shipped(event: Shipped, before: Order, _after: Order) -> tuple[Sentence, ...]:
    shipment = event.shipment
    told = [_say("shipped", goods=_goods(before, shipment.goods.items))]
    if shipment.carrier:
        told.append(_say("carrier", carrier=shipment.carrier))
    if shipment.tracking:
        told.append(_say("tracking", tracking=shipment.tracking))
    return tuple(told)


_STEPS: Final = frozenset(step.value for step in VisibleStep)

TOLD: Mapping[type[Event], Callable[[Any, Any, Order], tuple[Sentence, ...]]] = {
    Placed: _placed,
    Adopted: _adopted,
    Moved: _moved,
    Amended: _amended,
    Recovered: lambda e, _b, a: (_say("recovered", total=a.total, was=e.was),),
    Overruled: lambda e, _b, _a: (_say("overruled", rule=e.rule),),
    Reviewed: _reviewed,
    Assigned: lambda e, _b, _a: (_say("assigned", to=e.to) if e.to else _say("unassigned"),),
    Noted: _noted,
    Tagged: _tagged,
    ItemMarked: lambda e, b, _a: (_say("item", goods=_goods(b, [(e.line, 0)]), status=e.status),),
    Paused: lambda e, _b, _a: (_say("paused", pause=e.pause),),
    Resumed: lambda e, _b, _a: (_say("resumed", pause=e.pause),),
    Extended: lambda e, _b, _a: (_say("extended", timer=e.timer, more=e.by),),
    Overran: _overran,
    Escalated: lambda e, _b, _a: (_say("escalated", timer=e.timer),),
    Reallotted: _asked("reallotted"),
    ClosingAsked: lambda e, _b, _a: (_say("closing_later" if e.attempts else "closing"),),
    Reminded: lambda e, _b, _a: (
        _say("reminded_open") if e.pay_by is None else _say("reminded", at=e.pay_by),
    ),
    RevenueRecognized: _earned,
    RefundDelayed: lambda e, b, _a: _leg("refund_late", e, b),
    PaymentStarted: _started,
    AttemptAnswered: _answered,
    CaptureAsked: _asked("capture"),
    UndoAsked: _asked("undo"),
    RefundRequested: _refund,
    RefundAnswered: lambda e, b, _a: _leg(_ARRIVALS[e.status], e, b),
    Shipped: _shipped,
    Withdrawn: lambda e, b, _a: (_say("withdrawn", goods=_goods(b, e.goods.items)),),
    Received: lambda e, _b, _a: (_say("received_by_time" if e.confirmed_by_timer else "received"),),
}
"""What each event says, given the order before it and after it."""


def tell(event: Event, before: Order | None, after: Order) -> tuple[Sentence, ...]:
    """What ``event`` says."""
    return TOLD[type(event)](event, before, after)


def why_of(event: Event) -> str:
    """The reason that an event carries, empty where it has none."""
    if isinstance(event, RefundRequested):
        return event.refund.reason
    if isinstance(event, Reviewed):
        return event.review.reason
    reason: str = getattr(event, "reason", "")
    return reason
