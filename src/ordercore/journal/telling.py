"""What each event says, as sentences to be put into a language.

A sentence is an English template with its fields; catalogs translate the template (context ``journal``).
Nothing personal goes into a field: no address, account or contact, and of notes only what the customer may read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ordercore.fulfillment import Received, Shipped, Withdrawn
from ordercore.journal.fields import by_name, goods_of, meant
from ordercore.journal.parcels import PARCELS_TOLD
from ordercore.journal.regrouping import REGROUPING_TOLD
from ordercore.journal.sentence import Sentence, say
from ordercore.lifecycle.table import MERGED, SPLIT
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ordercore.event import Event
    from ordercore.order import Order
    from ordercore.tender import Attempt, RefundLeg

__all__ = ["TOLD", "tell", "why_of"]

# What sentences list ---------------------------------------------------------------------------


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


# What each event says --------------------------------------------------------------------------


def _placed(event: Placed, _before: Order | None, after: Order) -> tuple[Sentence, ...]:
    told = say("placed", total=after.total)
    pay_by = event.content.pay_by
    return (told,) if pay_by is None else (told, say("pay_by", at=pay_by))


def _adopted(event: Adopted, _before: Order | None, after: Order) -> tuple[Sentence, ...]:
    paid = after.payments.captured
    return (say("adopted", state=event.state, total=after.total, paid=paid),)


def _moved(event: Moved, before: Order, _after: Order) -> tuple[Sentence, ...]:
    source, to = event.source, event.to
    if event.via == OVERRIDE:
        told = say("moved_by_hand", source=source, to=to)
    elif source == to:
        told = say("stays", via=event.via, to=to)
    else:
        told = say("moved", via=event.via, source=source, to=to)
    marks = []
    elsewhere = event.to in {SPLIT, MERGED}  # what was held is held for another order
    if event.releases and not elsewhere and not before.handling.released:
        marks.append(say("released"))
    if event.seals:
        marks.append(say("sealed"))
    return (told, *marks)


def _amended(event: Amended, _before: Order, after: Order) -> tuple[Sentence, ...]:
    total, was = after.total, event.was
    if total == was:
        return (say("amended_same", parts=event.changed, total=total),)
    return (say("amended", parts=event.changed, total=total, was=was),)


def _reviewed(event: Reviewed, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    review = event.review
    told = say("valid" if review.valid else "invalid")
    wrong = tuple([point for point, fine in review.checklist if not fine])
    return (told, say("not_in_order", points=wrong)) if wrong else (told,)


def _tagged(event: Tagged, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    told = []
    if event.added:
        told.append(say("tagged", tags=event.added))
    if event.removed:
        told.append(say("untagged", tags=event.removed))
    return tuple(told)


def _noted(event: Noted, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    note = event.note
    return (say("note", text=note.text) if note.shown else say("internal_note"),)


def _overran(event: Overran, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    if event.step in _STEPS:
        return (say("step_overran", step=event.step, target=event.target),)
    return (say("timer_overran", timer=event.step, target=event.target),)


_LATER: Mapping[CaptureMoment, str] = {
    CaptureMoment.ON_SHIPMENT: "taken_on_shipment",
    CaptureMoment.ON_DELIVERY: "taken_on_delivery",
    CaptureMoment.BY_HAND: "taken_by_hand",
}


def _started(event: PaymentStarted, _before: Order, after: Order) -> tuple[Sentence, ...]:
    told = []
    if event.attempts:
        asked = tuple([(meant(attempt), attempt.gateway) for attempt in event.attempts])
        told.append(say("paying", payments=asked))
    for moment, name in _LATER.items():
        later = tuple([(meant(a), a.gateway) for a in event.attempts if a.capture is moment])
        if later:
            told.append(say(name, payments=later))
    rounding = sum([attempt.rounding for attempt in event.attempts])
    if rounding:
        told.append(say("in_coins", amount=rounding))
    if event.carried:
        told.append(say("carried", payments=_counted(after, event.carried)))
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
    name, fields = _ANSWERS.get(event.state, ""), {"amount": meant(now)}
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
    return (say(name, gateway=was.gateway, **fields),)


def _taken(was: Attempt, now: Attempt, had: int) -> tuple[str, dict[str, int]]:
    """What an answer says that an attempt was taken: all at once, a last part, or not what was asked."""
    taken, asked = now.captured - now.returned, meant(was) - was.released
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
    told = [say("capture", payments=more)] if more else []
    return (*told, say("capture_no_more", gateways=ended)) if ended else tuple(told)


def _undo(event: UndoAsked, before: Order, _after: Order) -> tuple[Sentence, ...]:
    found = []
    for name in event.attempts:
        attempt = before.payments.attempt(name)
        here = attempt.captured - attempt.returned + attempt.to_capture
        found.append((here or meant(attempt), attempt.gateway))
    return (say("undo", payments=tuple(found)),)


def _rerouted(event: Rerouted, before: Order, _after: Order) -> tuple[Sentence, ...]:
    attempt = event.attempt
    other = before.payments.attempt(event.instead_of).gateway
    return (say("rerouted", gateway=attempt.gateway, other=other, amount=meant(attempt)),)


def _charged_back(event: ChargedBack, before: Order, _after: Order) -> tuple[Sentence, ...]:
    attempt = before.payments.attempt(event.attempt)
    gateway = attempt.gateway
    told = [say("charged_back", gateway=gateway, amount=event.amount)]
    ours = max(0, before.payments.left(attempt) - attempt.charged_back)
    if event.amount > ours:
        told.append(say("charged_back_twice", amount=event.amount - ours))
    if event.fee:
        told.append(say("charged_back_fee", gateway=gateway, amount=event.fee))
    return tuple(told)


def _fee(event: FeeCharged, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    name = "fee" if event.amount > 0 else "fee_back"
    return (say(name, gateway=event.gateway, amount=abs(event.amount)),)


def _remitted(event: Remitted, before: Order, _after: Order) -> tuple[Sentence, ...]:
    gateway, paid = before.payments.attempt(event.attempt).gateway, event.amount - event.fee
    if event.fee:
        return (say("remitted_less", gateway=gateway, amount=paid, fee=event.fee),)
    return (say("remitted", gateway=gateway, amount=paid),)


def _shared(event: FundsShared, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    merchants = by_name([(share.payable, share.merchant) for share in event.shares])
    commission = sum([share.commission for share in event.shares])
    name = "shared_back" if event.refund else "shared"
    return (say(name, merchants=merchants, commission=commission),)


def _held_late(event: MoneyHeld, before: Order, _after: Order) -> tuple[Sentence, ...]:
    gateway = before.payments.attempt(event.attempt).gateway
    return (say("held_late", gateway=gateway, amount=event.amount),)


def _ending(event: AuthorizationEnding, before: Order, _after: Order) -> tuple[Sentence, ...]:
    attempt = before.payments.attempt(event.attempt)
    amount, until = attempt.to_capture or meant(attempt), event.expires_at
    return (say("authorization_ending", gateway=attempt.gateway, amount=amount, at=until),)


def _forfeited(event: Forfeited, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    told = say("forfeited", amount=event.amount)
    return (told, say("forfeited_tax", tax=event.tax)) if event.tax else (told,)


def _earned(event: RevenueRecognized, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    parts = (*event.goods, *event.charges)
    net, tax = sum(part.net for part in parts), sum(part.tax for part in parts)
    told = [say("earned", net=net, tax=tax)]
    funded = sum(share.amount for share in (*event.funded, *event.charges_funded))
    if funded:
        told.append(say("funded", amount=funded))
    if event.duties:
        told.append(say("duties", amount=event.duties))
    return tuple(told)


def _refund(event: RefundRequested, before: Order, _after: Order) -> tuple[Sentence, ...]:
    refund = event.refund
    goods = goods_of(before, [(row.row, row.units) for row in refund.rows])
    if refund.surplus:
        told = [say("surplus", amount=refund.amount)]
    elif goods:
        told = [say("refund", amount=refund.amount, goods=goods)]
    else:
        told = [say("refund_of_all", amount=refund.amount)]
    if refund.released:
        told.append(say("only_held", amount=refund.released))
    elsewhere = by_name([(leg.paid, leg.gateway) for leg in refund.legs if leg.gateway])
    if elsewhere:
        told.append(say("refund_elsewhere", payments=elsewhere))
    rounding = sum([leg.rounding for leg in refund.legs])
    if rounding:
        told.append(say("in_coins", amount=rounding))
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
    return (say(name, gateway=_over(before, leg), amount=amount),)


def _refund_delayed(event: RefundDelayed, before: Order, _after: Order) -> tuple[Sentence, ...]:
    leg = before.payments.refund(event.refund).leg(event.leg)
    name = "refund_stranded" if leg.status is RefundStatus.FAILED else "refund_late"
    return (say(name, gateway=_over(before, leg), amount=leg.paid),)


def _refund_sent(event: RefundSent, before: Order, _after: Order) -> tuple[Sentence, ...]:
    legs = [before.payments.refund(name).leg(place) for name, place in event.legs]
    gateway, amount = _over(before, legs[0]), sum([leg.paid for leg in legs])
    if len(legs) == 1:
        return (say("refund_sent", gateway=gateway, amount=amount),)
    return (say("refund_sent_as_one", gateway=gateway, amount=amount, parts=len(legs)),)


def _refund_rerouted(event: RefundRerouted, before: Order, _after: Order) -> tuple[Sentence, ...]:
    leg = before.payments.refund(event.refund).leg(event.leg)
    was = _over(before, leg)
    if not event.gateway:
        own = before.payments.attempt(leg.attempt).gateway
        return (say("refund_again", gateway=own, amount=leg.paid),)
    return (say("refund_rerouted", amount=leg.paid, gateway=event.gateway, other=was),)


_GRANTS: Mapping[RefundStatus, str] = {
    RefundStatus.ACCEPTED: "compensation_accepted",
    RefundStatus.ARRIVED: "compensation_arrived",
    RefundStatus.FAILED: "compensation_failed",
    RefundStatus.UNKNOWN: "compensation_unknown",
}


def _granted(event: CompensationGranted, _before: Order, _after: Order) -> tuple[Sentence, ...]:
    given = event.compensation
    told = say("compensation", gateway=given.gateway, amount=given.amount)
    return (told, say("approved", by=given.approved_by)) if given.approved_by else (told,)


def _grant_answered(
    event: CompensationAnswered, before: Order, _after: Order
) -> tuple[Sentence, ...]:
    given = before.payments.compensation(event.compensation)
    return (say(_GRANTS[event.status], gateway=given.gateway, amount=given.amount),)


def _shipped(event: Shipped, before: Order, _after: Order) -> tuple[Sentence, ...]:
    shipment = event.shipment
    told = [say("shipped", goods=goods_of(before, shipment.goods.items))]
    if shipment.carrier:
        told.append(say("carrier", carrier=shipment.carrier))
    if shipment.tracking:
        told.append(say("tracking", tracking=shipment.tracking))
    return tuple(told)


_STEPS: Final = frozenset(step.value for step in VisibleStep)

TOLD: Mapping[type[Event], Callable[[Any, Any, Order], tuple[Sentence, ...]]] = {
    Placed: _placed,
    Adopted: _adopted,
    Moved: _moved,
    Amended: _amended,
    Recovered: lambda e, _b, a: (say("recovered", total=a.total, was=e.was),),
    Overruled: lambda e, _b, _a: (say("overruled", rule=e.rule),),
    Reviewed: _reviewed,
    Assigned: lambda e, _b, _a: (say("assigned", to=e.to) if e.to else say("unassigned"),),
    Noted: _noted,
    Tagged: _tagged,
    ItemMarked: lambda e, b, _a: (say("item", goods=goods_of(b, [(e.line, 0)]), status=e.status),),
    Paused: lambda e, _b, _a: (say("paused", pause=e.pause),),
    Resumed: lambda e, _b, _a: (say("resumed", pause=e.pause),),
    Extended: lambda e, _b, _a: (say("extended", timer=e.timer, more=e.by),),
    Overran: _overran,
    Escalated: lambda e, _b, _a: (say("escalated", timer=e.timer),),
    Reallotted: lambda e, _b, a: (say("reallotted", payments=_counted(a, e.carried)),),
    ClosingAsked: lambda e, _b, _a: (say("closing_later" if e.attempts else "closing"),),
    Reminded: lambda e, _b, _a: (
        say("reminded_open") if e.pay_by is None else say("reminded", at=e.pay_by),
    ),
    RevenueRecognized: _earned,
    RefundDelayed: _refund_delayed,
    PaymentStarted: _started,
    AttemptAnswered: _answered,
    Rerouted: _rerouted,
    CaptureAsked: _capture,
    UndoAsked: _undo,
    AuthorizationEnding: _ending,
    MatrixResolved: lambda _e, _b, _a: (say("resolved"),),
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
    Withdrawn: lambda e, b, _a: (say("withdrawn", goods=goods_of(b, e.goods.items)),),
    Received: lambda e, _b, _a: (say("received_by_time" if e.confirmed_by_timer else "received"),),
    **PARCELS_TOLD,
    **REGROUPING_TOLD,
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
