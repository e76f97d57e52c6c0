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
from ordercore.tender import AttemptState, CaptureMoment, Failure, RefundStatus
from ordercore.tender.events import (
    AttemptAnswered,
    AuthorizationEnding,
    CaptureAsked,
    ChargedBack,
    CompensationAnswered,
    CompensationGranted,
    FeeCharged,
    Forfeited,
    FundsShared,
    MatrixResolved,
    MoneyHeld,
    PaymentStarted,
    Reallotted,
    RefundAnswered,
    RefundRequested,
    RefundRerouted,
    RefundSent,
    Remitted,
    Rerouted,
    UndoAsked,
)
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ordercore.event import Event
    from ordercore.order import Order
    from ordercore.tender import Attempt, RefundLeg

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
        "authorized_less": "{gateway}: {amount:money} held, {asked:money} was asked.",
        "capturing": "{gateway}: {amount:money} to be taken.",
        "captured": "{gateway}: {amount:money} taken.",
        "captured_part": "{gateway}: {amount:money} taken, {left:money} still held.",
        "captured_rest": "{gateway}: {amount:money} taken, {taken:money} in all.",
        "captured_of_held": "{gateway}: {amount:money} taken of {asked:money} that was held.",
        "captured_other": "{gateway}: {amount:money} taken, {asked:money} was asked.",
        "capture_over": "{gateway}: no more is taken, it stays at {taken:money}.",
        "declined": "{gateway}: {amount:money} declined.",
        "declined_for_now": "{gateway} cannot take {amount:money} now, and took nothing.",
        "not_sent": "{gateway}: {amount:money} could not be asked, and nothing was moved.",
        "rerouted": "{gateway} takes over from {other}: {amount:money} asked.",
        "taken_on_shipment": "To be held, and taken when goods leave: {payments:payments}.",
        "taken_on_delivery": "To be collected when the goods arrive: {payments:payments}.",
        "taken_by_hand": "To be held, and taken when staff says so: {payments:payments}.",
        "in_coins": "Rounded to coins: {amount:money}.",
        "closing_attempt": "{gateway}: {amount:money} to be given up.",
        "returning": "{gateway}: {amount:money} to be given back.",
        "returned": "{gateway}: {amount:money} given back.",
        "given_up": "{gateway}: {amount:money} given up, nothing was taken.",
        "capture": "To be taken: {payments:payments}.",
        "capture_no_more": "No more is to be taken: {gateways:list}.",
        "undo": "To be given back: {payments:payments}.",
        "resolved": "A refund goes another way, so what each payment stands for was worked out anew.",
        "authorization_ending": "{gateway}: {amount:money} is held until {at:time} and was not taken; somebody must look.",
        "held_late": "{gateway}: {amount:money} came after the order had ended, and is kept until somebody decides.",
        "forfeited": "{amount:money} of the deposit is kept.",
        "forfeited_tax": "{tax:money} of it is tax.",
        "charged_back": "{gateway}: the payer's bank took {amount:money} back.",
        "charged_back_twice": "{amount:money} of it had gone back before: the customer owes that.",
        "charged_back_fee": "{gateway} keeps {amount:money} for it.",
        "fee": "{gateway} keeps {amount:money} as its fee.",
        "fee_back": "{gateway} gives {amount:money} of its fee back.",
        "remitted": "{gateway}: {amount:money} paid out to the bank.",
        "remitted_less": "{gateway}: {amount:money} paid out to the bank, {fee:money} kept as a fee.",
        "shared": "Owed to merchants: {merchants:payments}. Kept as commission: {commission:money}.",
        "shared_back": "No longer owed to merchants: {merchants:payments}. Commission given up: {commission:money}.",
        "earned": "The sale was booked: {net:money} net, {tax:money} tax.",
        "funded": "Borne by third parties: {amount:money}.",
        "duties": "Collected for the destination: {amount:money}.",
        # refunds
        "refund": "{amount:money} is to go back: {goods:goods}.",
        "refund_of_all": "{amount:money} is to go back.",
        "surplus": "{amount:money} was paid above the price, and is to go back.",
        "only_held": "Only held, so nothing has to be paid back: {amount:money}.",
        "refund_elsewhere": "It goes another way, as the customer agreed: {payments:payments}.",
        "refund_sent": "{gateway}: {amount:money} is asked back.",
        "refund_sent_as_one": "{gateway}: {amount:money} is asked back, {parts} parts as one.",
        "refund_rerouted": "{amount:money} goes to {gateway} instead of {other}, as the customer agreed.",
        "refund_again": "{gateway}: {amount:money} is tried once more.",
        "refund_let_go": "{gateway}: {amount:money} is let go, it was only held.",
        "refund_no_coin": "{gateway}: there is no coin for {amount:money}.",
        "refund_accepted": "{gateway}: {amount:money} is on its way back.",
        "refund_arrived": "{gateway}: {amount:money} arrived back.",
        "refund_failed": "{gateway}: {amount:money} did not go back.",
        "refund_unknown": "{gateway}: unknown whether {amount:money} went back.",
        "refund_late": "{gateway}: {amount:money} has not arrived back in time.",
        "refund_stranded": "{gateway}: {amount:money} cannot go back this way; somebody must look.",
        # what is no refund
        "compensation": "{gateway}: {amount:money} is granted to the customer, beside any refund.",
        "approved": "Approved by {by}.",
        "compensation_accepted": "{gateway}: the grant of {amount:money} is on its way.",
        "compensation_arrived": "{gateway}: the grant of {amount:money} arrived.",
        "compensation_failed": "{gateway}: the grant of {amount:money} was not paid.",
        "compensation_unknown": "{gateway}: unknown whether the grant of {amount:money} was paid.",
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


def _meant(attempt: Attempt) -> int:
    """What is asked of the payer, or held: cash as it is handed over."""
    return (attempt.authorized or attempt.amount) + attempt.rounding


def _counted(order: Order, names: Iterable[str]) -> tuple[Any, ...]:
    """(amount, gateway) of the plan's first tenders: what attempts of earlier payments pay of it."""
    plan = order.payments.plan
    tenders = () if plan is None else plan.tenders
    return tuple(
        [
            (tender.amount, order.payments.attempt(name).gateway)
            for name, tender in zip(names, tenders, strict=False)
        ]
    )


def _by_name(amounts: Iterable[tuple[str, int]]) -> tuple[Any, ...]:
    """(amount, name), added up by name."""
    sums: dict[str, int] = {}
    for name, amount in amounts:
        sums[name] = sums.get(name, 0) + amount
    return tuple([(amount, name) for name, amount in sums.items()])


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


_LATER: Mapping[CaptureMoment, str] = {
    CaptureMoment.ON_SHIPMENT: "taken_on_shipment",
    CaptureMoment.ON_DELIVERY: "taken_on_delivery",
    CaptureMoment.BY_HAND: "taken_by_hand",
}


def _started(event: PaymentStarted, _before: Order, after: Order) -> tuple[Sentence, ...]:
    told = []
    if event.attempts:
        asked = tuple([(_meant(attempt), attempt.gateway) for attempt in event.attempts])
        told.append(_say("paying", payments=asked))
    for moment, name in _LATER.items():
        later = tuple([(_meant(a), a.gateway) for a in event.attempts if a.capture is moment])
        if later:
            told.append(_say(name, payments=later))
    rounding = sum([attempt.rounding for attempt in event.attempts])
    if rounding:
        told.append(_say("in_coins", amount=rounding))
    if event.carried:
        told.append(_say("carried", payments=_counted(after, event.carried)))
    return tuple(told)


_ANSWERS: Mapping[AttemptState, str] = {
    AttemptState.OPEN: "open",
    AttemptState.WAITING: "waiting",
    AttemptState.AUTHORIZED: "authorized",
    AttemptState.CAPTURING: "capturing",
    AttemptState.DECLINED: "declined",
    AttemptState.CLOSING: "closing_attempt",
    AttemptState.RETURNING: "returning",
    AttemptState.RETURNED: "given_up",
}
_FAILURES: Mapping[Failure | None, str] = {
    Failure.SOFT: "declined_for_now",
    Failure.NOT_SENT: "not_sent",
}


def _answered(event: AttemptAnswered, before: Order, after: Order) -> tuple[Sentence, ...]:
    was, now = (order.payments.attempt(event.attempt) for order in (before, after))
    had = was.captured - was.returned
    name, fields = _ANSWERS.get(event.state, ""), {"amount": _meant(now)}
    if event.state is AttemptState.CAPTURED:
        name, fields = _taken(was, now, had)
    elif event.state is AttemptState.AUTHORIZED:
        part = now.captured - now.returned - had
        if part > 0:
            name, fields = "captured_part", {"amount": part, "left": now.to_capture}
        elif 0 < now.authorized < now.amount:
            name, fields = "authorized_less", {**fields, "asked": now.amount + now.rounding}
    elif event.state is AttemptState.RETURNED and had:
        name, fields = "returned", {"amount": had}
    elif event.state is AttemptState.DECLINED:
        name = _FAILURES.get(event.failure, name)
    return (_say(name, gateway=was.gateway, **fields),)


def _taken(was: Attempt, now: Attempt, had: int) -> tuple[str, dict[str, int]]:
    """What an answer says that an attempt was taken: all at once, a last part, or not what was asked."""
    taken, asked = now.captured - now.returned, _meant(was) - was.released
    if had:
        if taken <= had:
            return "capture_over", {"taken": taken}
        return "captured_rest", {"amount": taken - had, "taken": taken}
    if taken == asked:
        return "captured", {"amount": taken}
    return "captured_of_held" if was.held else "captured_other", {"amount": taken, "asked": asked}


def _capture(event: CaptureAsked, before: Order, _after: Order) -> tuple[Sentence, ...]:
    attempts = [before.payments.attempt(name) for name in event.attempts]
    amounts = event.amounts or tuple([attempt.to_capture for attempt in attempts])
    pairs = list(zip(attempts, amounts, strict=True))
    more = tuple([(amount, attempt.gateway) for attempt, amount in pairs if amount])
    ended = tuple([attempt.gateway for attempt, amount in pairs if not amount])
    told = [_say("capture", payments=more)] if more else []
    return (*told, _say("capture_no_more", gateways=ended)) if ended else tuple(told)


def _undo(event: UndoAsked, before: Order, _after: Order) -> tuple[Sentence, ...]:
    found = []
    for name in event.attempts:
        attempt = before.payments.attempt(name)
        here = attempt.captured - attempt.returned + attempt.to_capture
        found.append((here or _meant(attempt), attempt.gateway))
    return (_say("undo", payments=tuple(found)),)


def _rerouted(event: Rerouted, before: Order, _after: Order) -> tuple[Sentence, ...]:
    attempt = event.attempt
    other = before.payments.attempt(event.instead_of).gateway
    return (_say("rerouted", gateway=attempt.gateway, other=other, amount=_meant(attempt)),)


def _charged_back(event: ChargedBack, before: Order, _after: Order) -> tuple[Sentence, ...]:
    attempt = before.payments.attempt(event.attempt)
    gateway = attempt.gateway
    told = [_say("charged_back", gateway=gateway, amount=event.amount)]
    ours = max(0, before.payments.left(attempt) - attempt.charged_back)
    if event.amount > ours:
        told.append(_say("charged_back_twice", amount=event.amount - ours))
    if event.fee:
        told.append(_say("charged_back_fee", gateway=gateway, amount=event.fee))
    return tuple(told)


def _fee(event: FeeCharged, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    name = "fee" if event.amount > 0 else "fee_back"
    return (_say(name, gateway=event.gateway, amount=abs(event.amount)),)


def _remitted(event: Remitted, before: Order, _after: Order) -> tuple[Sentence, ...]:
    gateway, paid = before.payments.attempt(event.attempt).gateway, event.amount - event.fee
    if event.fee:
        return (_say("remitted_less", gateway=gateway, amount=paid, fee=event.fee),)
    return (_say("remitted", gateway=gateway, amount=paid),)


def _shared(event: FundsShared, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    merchants = _by_name([(share.merchant, share.payable) for share in event.shares])
    commission = sum([share.commission for share in event.shares])
    name = "shared_back" if event.refund else "shared"
    return (_say(name, merchants=merchants, commission=commission),)


def _held_late(event: MoneyHeld, before: Order, _after: Order) -> tuple[Sentence, ...]:
    gateway = before.payments.attempt(event.attempt).gateway
    return (_say("held_late", gateway=gateway, amount=event.amount),)


def _ending(event: AuthorizationEnding, before: Order, _after: Order) -> tuple[Sentence, ...]:
    attempt = before.payments.attempt(event.attempt)
    amount, until = attempt.to_capture or _meant(attempt), event.expires_at
    return (_say("authorization_ending", gateway=attempt.gateway, amount=amount, at=until),)


def _forfeited(event: Forfeited, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    told = _say("forfeited", amount=event.amount)
    return (told, _say("forfeited_tax", tax=event.tax)) if event.tax else (told,)


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
    if refund.surplus:
        told = [_say("surplus", amount=refund.amount)]
    elif goods:
        told = [_say("refund", amount=refund.amount, goods=goods)]
    else:
        told = [_say("refund_of_all", amount=refund.amount)]
    if refund.released:
        told.append(_say("only_held", amount=refund.released))
    elsewhere = _by_name([(leg.gateway, leg.paid) for leg in refund.legs if leg.gateway])
    if elsewhere:
        told.append(_say("refund_elsewhere", payments=elsewhere))
    rounding = sum([leg.rounding for leg in refund.legs])
    if rounding:
        told.append(_say("in_coins", amount=rounding))
    return tuple(told)


_ARRIVALS: Mapping[RefundStatus, str] = {
    RefundStatus.ACCEPTED: "refund_accepted",
    RefundStatus.ARRIVED: "refund_arrived",
    RefundStatus.FAILED: "refund_failed",
    RefundStatus.UNKNOWN: "refund_unknown",
}


def _over(order: Order, leg: RefundLeg) -> str:
    """The gateway over which a leg goes."""
    return leg.gateway or order.payments.attempt(leg.attempt).gateway


def _refund_answered(event: RefundAnswered, before: Order, _after: Order) -> tuple[Sentence, ...]:
    leg = before.payments.refund(event.refund).leg(event.leg)
    name, amount = _ARRIVALS[event.status], leg.paid
    if leg.released:
        name, amount = "refund_let_go", leg.amount
    elif not leg.paid:
        name, amount = "refund_no_coin", leg.amount
    return (_say(name, gateway=_over(before, leg), amount=amount),)


def _refund_delayed(event: RefundDelayed, before: Order, _after: Order) -> tuple[Sentence, ...]:
    leg = before.payments.refund(event.refund).leg(event.leg)
    name = "refund_stranded" if leg.status is RefundStatus.FAILED else "refund_late"
    return (_say(name, gateway=_over(before, leg), amount=leg.paid),)


def _refund_sent(event: RefundSent, before: Order, _after: Order) -> tuple[Sentence, ...]:
    legs = [before.payments.refund(name).leg(place) for name, place in event.legs]
    gateway, amount = _over(before, legs[0]), sum([leg.paid for leg in legs])
    if len(legs) == 1:
        return (_say("refund_sent", gateway=gateway, amount=amount),)
    return (_say("refund_sent_as_one", gateway=gateway, amount=amount, parts=len(legs)),)


def _refund_rerouted(event: RefundRerouted, before: Order, _after: Order) -> tuple[Sentence, ...]:
    leg = before.payments.refund(event.refund).leg(event.leg)
    was = _over(before, leg)
    if not event.gateway:
        own = before.payments.attempt(leg.attempt).gateway
        return (_say("refund_again", gateway=own, amount=leg.paid),)
    return (_say("refund_rerouted", amount=leg.paid, gateway=event.gateway, other=was),)


_GRANTS: Mapping[RefundStatus, str] = {
    RefundStatus.ACCEPTED: "compensation_accepted",
    RefundStatus.ARRIVED: "compensation_arrived",
    RefundStatus.FAILED: "compensation_failed",
    RefundStatus.UNKNOWN: "compensation_unknown",
}


def _granted(event: CompensationGranted, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    given = event.compensation
    told = _say("compensation", gateway=given.gateway, amount=given.amount)
    return (told, _say("approved", by=given.approved_by)) if given.approved_by else (told,)


def _grant_answered(
    event: CompensationAnswered, before: Order, _after: Order
) -> tuple[Sentence, ...]:
    given = before.payments.compensation(event.compensation)
    return (_say(_GRANTS[event.status], gateway=given.gateway, amount=given.amount),)


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
    Reallotted: lambda e, _b, a: (_say("reallotted", payments=_counted(a, e.carried)),),
    ClosingAsked: lambda e, _b, _a: (_say("closing_later" if e.attempts else "closing"),),
    Reminded: lambda e, _b, _a: (
        _say("reminded_open") if e.pay_by is None else _say("reminded", at=e.pay_by),
    ),
    RevenueRecognized: _earned,
    RefundDelayed: _refund_delayed,
    PaymentStarted: _started,
    AttemptAnswered: _answered,
    Rerouted: _rerouted,
    CaptureAsked: _capture,
    UndoAsked: _undo,
    AuthorizationEnding: _ending,
    MatrixResolved: lambda _e, _b, _a: (_say("resolved"),),
    ChargedBack: _charged_back,
    FeeCharged: _fee,
    Remitted: _remitted,
    FundsShared: _shared,
    MoneyHeld: _held_late,
    Forfeited: _forfeited,
    RefundRequested: _refund,
    RefundSent: _refund_sent,
    RefundAnswered: _refund_answered,
    RefundRerouted: _refund_rerouted,
    CompensationGranted: _granted,
    CompensationAnswered: _grant_answered,
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
    if isinstance(event, CompensationGranted):
        return event.compensation.reason
    if isinstance(event, Reviewed):
        return event.review.reason
    reason: str = getattr(event, "reason", "")
    return reason
