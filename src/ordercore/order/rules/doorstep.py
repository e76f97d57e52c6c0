"""Doorstep: what couriers collect for parcels, and what they have handed over.

Theory of operation. What is due on delivery is shared over parcels by what their goods were sold for. What a courier
was told, or has gone off with, stays; the rest is shared over what is still to leave. Each courier's money is
confirmed on its own: the parcel then stands with what really came, and what is left is shared anew. The attempt
stays *authorized*, and so counts as promised, until nobody is left who could bring money; what is missing then is
due. A courier who was told to collect more than the goods of the parcel are worth is not let go with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.allocation import allocate
from ordercore.errors import InvalidInput, NotAllowed, NotFound
from ordercore.fulfillment import CollectShared, ParcelKind, WaybillState
from ordercore.goods import Manifest, Quantity
from ordercore.order.commands import AnswerAttempts
from ordercore.order.rules.paying import answer
from ordercore.tender import AttemptState, Outcome, OutcomeStatus, TenderKind
from ordercore.tender.events import AttemptAnswered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.fulfillment import Parcel
    from ordercore.goods import LineId
    from ordercore.order.commands import ConfirmPayment
    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding
    from ordercore.tender import Attempt

__all__ = ["asks_too_much", "handed_over", "share_collect", "unplanned"]

_S = AttemptState
_NOT_OWED = frozenset({_S.DECLINED, _S.RETURNED, _S.RETURNING})
Parts = tuple[tuple[str, int], ...]
"""Parcels, each with minor units."""


def unplanned(order: Order) -> Manifest:
    """Units that are still to leave and stand in no parcel."""
    held = order.delivery.in_work()
    return Manifest(
        tuple(
            [
                (line, Quantity(units - held.get(line, 0)))
                for line, units in order.shippable().items
                if units > held.get(line, 0)
            ]
        )
    )


# Shares -----------------------------------------------------------------------------------------


def _to_come(order: Order) -> tuple[int, int]:
    """What couriers bring in all, and what of it they have brought, in minor units."""
    total = came = 0
    for attempt in order.payments.attempts:
        if attempt.kind is TenderKind.ON_DELIVERY and attempt.state not in _NOT_OWED:
            has = attempt.captured - attempt.returned
            open_ = attempt.state is not _S.CAPTURED  # of one that has ended nothing more comes
            asked = attempt.amount + attempt.rounding - attempt.released
            total += max(has, asked) if open_ else has
            came += has
    return total, came


def _live(parcel: Parcel) -> bool:
    return parcel.waybill is not None and parcel.waybill.live


def _told(parcel: Parcel) -> bool:
    """Whether a courier has been told what to collect, and is not being called off; or the money came."""
    waybill = parcel.waybill
    if parcel.gone or parcel.collected or waybill is None:
        return parcel.gone or parcel.collected
    return parcel.in_work and waybill.live and waybill.state is not WaybillState.CANCELING


def _brings(parcel: Parcel) -> bool:
    """Whether money may come for it now: it has left, or is fetched at a counter, and paid before it is handed over."""
    at_counter = parcel.in_work and parcel.kind is ParcelKind.PICKUP
    return (parcel.gone or at_counter) and not parcel.collected


def _shares(order: Order, told: Sequence[Parcel], open_: Sequence[Parcel]) -> list[int]:
    """What each open parcel is to collect, when those that are told collect what they were told."""
    if not open_:
        return []
    total, came = _to_come(order)
    # money that came for no parcel in particular pays for what is still to be collected
    loose = max(0, came - sum([p.collect for p in order.delivery.parcels if p.collected]))
    rest = max(0, total - loose - sum([p.collect for p in told]))
    worths = _worths(order, [*[p.goods for p in (*told, *open_)], unplanned(order)])
    weights, alone = worths[len(told) : -1], worths[-1]
    if not sum(weights) + alone:
        weights = [1] * len(open_)
    return list(allocate(rest, [*weights, alone]))[: len(open_)]


def _worths(order: Order, groups: list[Manifest]) -> list[int]:
    """What each group of goods was sold for, in minor units: units are counted from the first of their line on, so
    the groups of a whole line add up to the line."""
    done: dict[LineId, int] = {}
    worths = []
    for goods in groups:
        worth = 0
        for name, units in goods.items:
            line = order.content.line(name)
            first = done.get(name, 0)
            done[name] = first + units
            if line is not None and first + units <= line.quantity:
                worth += line.units(first, units).total
        worths.append(max(0, worth))
    return worths


def share_collect(deciding: Deciding) -> None:
    """Share what is still to be collected over the parcels whose couriers were told nothing yet."""
    order = deciding.order
    parcels = order.delivery.parcels
    total, _ = _to_come(order)
    if not total and not any([p.collect for p in parcels]):
        return
    told = [p for p in parcels if _told(p)]
    open_ = [p for p in parcels if p.in_work and not _told(p)]
    shares = [
        (parcel.id, part)
        for parcel, part in zip(open_, _shares(order, told, open_), strict=True)
        # a carrier that may refuse to be called off still collects what it was told
        if parcel.collect != part and not _live(parcel)
    ]
    if shares:
        deciding.apply(CollectShared(tuple(shares)))


def asks_too_much(order: Order, parcel: Parcel) -> bool:
    """Whether a parcel that has not left is booked to collect more than is due for what is in it."""
    if not (parcel.in_work and parcel.collect and _live(parcel)) or parcel.collected:
        return False
    parcels = order.delivery.parcels
    gone = [p for p in parcels if p.gone or (p.in_work and p.collected)]
    waiting = [p for p in parcels if p.in_work and not p.collected]
    # by the goods alone, or as what the others were told leaves it: either is a fair share
    place = waiting.index(parcel)
    fair = _shares(order, gone, waiting)[place]
    fixed = [p for p in waiting if p is not parcel and _told(p)]
    open_ = [p for p in waiting if p is parcel or not _told(p)]
    fair = max(fair, _shares(order, [*gone, *fixed], open_)[open_.index(parcel)])
    # shares are rounded once for each parcel and each line
    return parcel.collect > fair + len(parcels) + len(order.content.lines)


# What couriers hand over ------------------------------------------------------------------------


def handed_over(deciding: Deciding, attempt: Attempt, command: ConfirmPayment) -> None:
    """Take in what a courier handed over, for one parcel or for all that is left.

    Where no parcel is named it is the one that waits for its money, or the one that was to bring just this amount.
    Raises `InvalidInput` where that may be several, `NotAllowed` for a parcel that cannot bring anything (any more).
    """
    order, outcome = deciding.order, command.outcome
    paid = outcome.status is OutcomeStatus.CAPTURED
    if not paid and not command.parcel and not attempt.captured:
        reason = "the attempt counts as paid: refund what is not wanted, and what is held is let go"
        raise NotAllowed(reason, order=order.id, state=order.state, attempt=attempt.id)
    left = attempt.to_capture
    amount = 0
    parts: Parts = ()
    if command.parcel:
        amount, parts = _named(order, command.parcel, outcome if paid else None)
    elif paid:
        amount = left if outcome.amount is None else outcome.amount
        parts = _meant(order, amount, left)
    if parts:
        deciding.apply(CollectShared(parts, tuple([name for name, _ in parts])))
    ends = amount >= left or not (paid or command.parcel) or not _outstanding(deciding.order)
    so_far = attempt.captured + amount
    if ends and amount:
        whole = Outcome(outcome.status, outcome.reference, outcome.at, amount=so_far)
        answer(deciding, AnswerAttempts(((attempt.id, whole),), regained=command.regained))
    elif amount or (ends and so_far):
        state = _S.CAPTURED if ends else _S.AUTHORIZED
        told = AttemptAnswered(
            attempt.id, state, outcome.reference, outcome.at, amount=so_far,
            gateway=attempt.gateway, moved=amount, currency=order.currency if amount else "",
        )  # fmt: skip
        deciding.apply(told)


def _named(order: Order, name: str, outcome: Outcome | None) -> tuple[int, Parts]:
    """What came for one parcel; ``None`` is nothing."""
    parcel = order.delivery.parcel(name)
    if parcel is None:
        known = tuple([p.id for p in order.delivery.parcels[:20]])
        raise NotFound(f"the order has no parcel {name!r}", path="parcel", known=known)
    amount = 0
    if outcome is not None:
        amount = parcel.collect if outcome.amount is None else outcome.amount
    reason = ""
    if parcel.collected:
        reason = "it was told before what came for this parcel"
    elif not _brings(parcel):
        reason = f"the parcel is {parcel.state.value}: its courier has nothing yet"
    elif outcome is not None and not amount:
        reason = "nothing is to be collected for this parcel: say what came"
    if reason:
        raise NotAllowed(reason, order=order.id, state=order.state, parcel=name)
    return amount, ((name, amount),)


def _meant(order: Order, amount: int, left: int) -> Parts:
    """For which parcels money came that names none."""
    waits = [p for p in order.delivery.parcels if p.collect and _brings(p)]
    if len(waits) == 1 and (amount < left or not _outstanding(order, waits)):
        return ((waits[0].id, amount),)
    if amount >= left or amount == sum([p.collect for p in waits]):
        return tuple([(p.id, p.collect) for p in waits])
    exact = [p for p in waits if p.collect == amount]
    if waits and not exact:
        known = tuple([p.id for p in waits])
        reason = "several couriers collect: say by which parcel this came"
        raise InvalidInput(reason, path="parcel", parcels=known)
    return tuple([(p.id, amount) for p in exact[:1]])


def _outstanding(order: Order, done: Sequence[Parcel] = ()) -> bool:
    """Whether somebody may still bring money: goods are to leave, or a courier has not handed over what it collects."""
    if unplanned(order):
        return True
    for parcel in order.delivery.parcels:
        brings = (parcel.gone or parcel.in_work) and parcel.collect and not parcel.collected
        if brings and parcel not in done:
            return True
    return False
