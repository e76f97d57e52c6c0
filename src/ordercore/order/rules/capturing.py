"""Capturing: taking money that is held, and what staff says of money that no channel tells of.

Theory of operation. An attempt whose capture is deferred stays *authorized* and counts as paid. Its money is
taken when goods leave, when they arrive, by hand, or before the authorization ends. Where it may be taken in
several parts, each shipment takes its share of the value, rounded down on the running sum, and the last one takes
the rest; where it may be taken once, the first shipment takes all. What a courier collects is taken when staff
confirms it, parcel by parcel (`doorstep`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidInput, NotAllowed
from ordercore.order.commands import (
    AnswerAttempts,
    CaptureMoney,
    ConfirmPayment,
    NoteAuthorizationEnding,
)
from ordercore.order.rules.deciding import Refusal
from ordercore.order.rules.doorstep import handed_over
from ordercore.order.rules.holding import let_go
from ordercore.order.rules.paying import CLOSING, answer
from ordercore.tender import AttemptState, CaptureMoment, OutcomeStatus, TenderKind, settled
from ordercore.tender.events import AuthorizationEnding, CaptureAsked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation
    from ordercore.tender import Attempt

__all__ = ["GUARDS", "RULES", "goods_arrived", "goods_left", "held", "let_go"]

_S = AttemptState
_M = CaptureMoment
_TO_CONFIRM = frozenset({_S.WAITING, _S.CLOSING, _S.RETURNING, _S.DECLINED, _S.RETURNED})


def held(order: Order) -> tuple[Attempt, ...]:
    """Attempts whose money is held on purpose and may be taken by a call. A courier's is not: they collect it."""
    return tuple(
        [
            a
            for a in order.payments.attempts
            if a.state is _S.AUTHORIZED
            and a.deferred
            and a.to_capture > 0
            and a.kind is not TenderKind.ON_DELIVERY
        ]
    )


def may_capture(order: Order, _situation: Situation) -> Refusal | None:
    """Money is taken while some is held, and the order is not about to end."""
    if order.closing is not None:
        return Refusal(CLOSING)
    if order.handling.released:
        return Refusal("the order is over: what was held is let go")
    if not held(order):
        return Refusal("no money is held that could be taken")
    return None


def capture(deciding: Deciding, command: CaptureMoney) -> None:
    """Take what is held, of one attempt or of all: everything, or an amount, first of the first."""
    order = deciding.order
    found = held(order)
    if command.attempt:
        order.payments.attempt(command.attempt)  # raises for one that there is not
        found = tuple([a for a in found if a.id == command.attempt])
        if not found:
            reason = "nothing is held on this attempt that could be taken"
            raise NotAllowed(reason, order=order.id, state=order.state, attempt=command.attempt)
    left = command.amount
    if left is None:
        deciding.apply(CaptureAsked(tuple([a.id for a in found])))
        return
    most = sum([a.to_capture for a in found])
    if left <= 0 or left > most:
        reason = f"{most} is held: from 1 to {most} may be taken, not {left}"
        raise InvalidInput(reason, path="amount", held=most)
    parts = []
    for attempt in found:
        part = min(left, attempt.to_capture)
        if part:
            parts.append((attempt.id, part))
            left -= part
    deciding.apply(CaptureAsked(tuple([n for n, _ in parts]), tuple([part for _, part in parts])))


# When goods move ------------------------------------------------------------------------------


def _worth(order: Order) -> tuple[int, int]:
    """What the goods that have left are worth, and all that have left or will, in minor units."""
    shipped = dict(order.delivery.shipped().items)
    withdrawn = dict(order.delivery.withdrawn.items)
    gone = total = 0
    for line in order.content.lines:
        left = shipped.get(line.id, 0)
        stays = min(withdrawn.get(line.id, 0), line.quantity - left)
        if left:
            gone += line.units(0, left).total
        if line.quantity - stays:
            total += line.units(0, line.quantity - stays).total
    return gone, total


def _part(attempt: Attempt, gone: int, total: int) -> int:
    """What is to be taken of an attempt now that goods worth ``gone`` of ``total`` have left, in minor units."""
    whole = attempt.captured + attempt.to_capture
    return max(0, whole * gone // total - attempt.captured) if total > 0 else 0


def goods_left(deciding: Deciding) -> None:
    """Goods have left: take what is captured on shipment. What is left after the last of them is taken with it."""
    order = deciding.order
    if not order.delivery.shipments:
        return
    moments = {_M.ON_SHIPMENT}
    if "receive" not in deciding.situation.lifecycle.events:
        moments.add(_M.ON_DELIVERY)  # nobody will say that they arrived
    _take_for_goods(deciding, tuple([a for a in held(order) if a.capture in moments]))


def _take_for_goods(deciding: Deciding, attempts: tuple[Attempt, ...]) -> None:
    """Take all of these attempts, or their share of the goods that have left."""
    if not attempts:
        return
    order = deciding.order
    gone, total = _worth(order)
    last = not order.shippable()
    names, amounts = [], []
    for attempt in attempts:
        part = attempt.to_capture
        if attempt.several and not last:
            part = min(part, _part(attempt, gone, total))
        if part:
            names.append(attempt.id)
            amounts.append(part)
    if names:
        deciding.apply(CaptureAsked(tuple(names), tuple(amounts)))


def goods_arrived(deciding: Deciding) -> None:
    """Goods have arrived: take what is captured on delivery, but for what a courier collects."""
    late = [a for a in held(deciding.order) if a.capture is _M.ON_DELIVERY]
    if late:
        deciding.apply(CaptureAsked(tuple([a.id for a in late])))


def note_ending(deciding: Deciding, command: NoteAuthorizationEnding) -> None:
    """An authorization ends soon: what it holds for goods that have left is taken; of the rest somebody is told."""
    order = deciding.order
    attempt = order.payments.attempt(command.attempt)
    if attempt.state is not _S.AUTHORIZED or not attempt.deferred or attempt.expires_at is None:
        return
    if order.delivery.shipments and attempt in held(order):
        _take_for_goods(deciding, (attempt,))
    if deciding.order.payments.attempt(attempt.id).state is _S.AUTHORIZED:
        deciding.apply(AuthorizationEnding(attempt.id, attempt.expires_at))


# What staff says ------------------------------------------------------------------------------


def may_confirm(order: Order, _situation: Situation) -> Refusal | None:
    """Something can be said of an attempt that nobody has told the end of, or that may still get money."""
    for attempt in order.payments.attempts:
        collected = attempt.kind is TenderKind.ON_DELIVERY
        if attempt.state in _TO_CONFIRM or (collected and attempt.live) or attempt.to_capture:
            return None
    return Refusal("no payment waits for a word about it")


def confirm_payment(deciding: Deciding, command: ConfirmPayment) -> None:
    """Take in what somebody of the shop says of an attempt. The amount counts as it was told, never as it was due.

    Raises `NotAllowed` for what was told before, or cannot be any more.
    """
    order = deciding.order
    attempt = order.payments.attempt(command.attempt)
    status = command.outcome.status
    if attempt.kind is TenderKind.ON_DELIVERY and attempt.state is _S.AUTHORIZED:
        if status in {OutcomeStatus.CAPTURED, OutcomeStatus.VOIDED}:
            handed_over(deciding, attempt, command)
            return
    elif command.parcel:
        reason = "only what a courier still collects is told by parcel"
        raise NotAllowed(reason, order=order.id, state=order.state, attempt=attempt.id)
    taken = attempt.captured > attempt.returned
    moves = settled(attempt.state, status, taken=taken) is not None
    if not moves or (status is OutcomeStatus.VOIDED and attempt.firm):
        reason = f"the attempt is {attempt.state.value}: it does not become {status.value}"
        if attempt.firm and status is not OutcomeStatus.CAPTURED:
            reason = (
                "the attempt counts as paid: refund what is not wanted, and what is held is let go"
            )
        raise NotAllowed(reason, order=order.id, state=order.state, attempt=attempt.id)
    told = ((attempt.id, command.outcome),)
    answer(deciding, AnswerAttempts(told, regained=command.regained))


RULES: Mapping[type[Any], Rule] = {
    CaptureMoney: capture,
    ConfirmPayment: confirm_payment,
    NoteAuthorizationEnding: note_ending,
}
GUARDS: Mapping[type[Any], Guard] = {CaptureMoney: may_capture, ConfirmPayment: may_confirm}
