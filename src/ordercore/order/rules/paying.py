"""Paying: plans, answers of gateways, undoing.

Theory of operation. A payment is a round of attempts, one for each tender of its plan.
It succeeds when all of them are held; then what was only authorized is captured, and when all is
captured the order is paid. It fails as soon as one is declined; then whatever the others hold
is undone. An answer never moves an attempt backwards, so the order of arrival does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidTenders, NotAllowed
from ordercore.fulfillment import Withdrawn
from ordercore.order.commands import AnswerAttempts, Pay, Remind, UndoPayment
from ordercore.order.events import ClosingAsked, Reminded
from ordercore.order.facts import deposit_taken, has_payment, paid_in_full
from ordercore.order.rules import instalment
from ordercore.order.rules.deciding import Refusal, unlisted
from ordercore.order.rules.holding import ask_back
from ordercore.order.rules.late import kept_late, planned_today, return_surplus, turn_back
from ordercore.party import ActorKind
from ordercore.tender import (
    Attempt,
    AttemptState,
    ChannelPick,
    Failure,
    OutcomeStatus,
    Refund,
    carried_tenders,
    settled,
)
from ordercore.tender.attempt import ATTEMPTS_MAX, HELD
from ordercore.tender.events import (
    AttemptAnswered,
    CaptureAsked,
    PaymentStarted,
    Rerouted,
    UndoAsked,
)
from ordercore.tender.refund import ORIGINAL, RefundWay, all_legs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ordercore.lifecycle import Lifecycle
    from ordercore.order.order import Order, OrderContent
    from ordercore.order.rules.deciding import Deciding, Guard, Rule, Situation
    from ordercore.tender import Outcome, Payments, PlannedTender

__all__ = [
    "CLOSING",
    "GUARDS",
    "RULES",
    "close_unpaid",
    "conclude",
    "deadline",
    "gives_back",
    "give_all_back",
    "keep_deposit",
    "may_leave",
    "may_start",
    "paid_in_time",
    "planned_today",
]

_S = AttemptState
# a look-up through an Enum class costs more than the comparison
_OPEN, _AUTHORIZED, _CAPTURED, _DECLINED = _S.OPEN, _S.AUTHORIZED, _S.CAPTURED, _S.DECLINED
_WAITS = frozenset({_S.OPEN, _S.WAITING})
_LOST = frozenset({_S.DECLINED, _S.RETURNED, _S.RETURNING})
_UNDER_WAY = "a payment is under way: wait for its end"
_LATE = frozenset({_S.DECLINED, _S.RETURNED})
_PARTLY = frozenset({_S.AUTHORIZED, _S.CAPTURING})
"""States from which an answer that leads to *authorized* tells of a part that was taken."""
_ELSEWHERE = frozenset({Failure.SOFT, Failure.NOT_SENT})
"""Failures after which another channel may be tried: nothing was moved, and the payer need do nothing."""
_DIGITS = 9
"""Most digits of a number by which an attempt is called."""
CLOSING = "the order is closing"


def deadline(order: Order, lifecycle: Lifecycle[Order]) -> datetime | None:
    """Until when the order may be paid as it stands; ``None`` where no such moment was agreed.

    The moment agreed when it was placed or recovered binds where the lifecycle closes an order for it.
    What is collected elsewhere is a difference or a later part, and comes when it comes. Where the
    deadline was put off, or stood still, the timer that closes is the judge.
    """
    pay_by = order.content.pay_by
    if pay_by is None or order.handling.extended or order.handling.pauses:
        return None
    if order.presale is not None and deposit_taken(order):
        return order.presale.balance_until
    windows = lifecycle.windows
    if windows is not None:
        return pay_by if order.state in windows else None
    return None if order.payments.keeps() else pay_by


def paid_in_time(order: Order, situation: Situation, via: str) -> Refusal | None:
    """The clock ends no order that is paid: where its deadline closes it, something must be due."""
    if situation.by.kind is not ActorKind.SYSTEM or order.due or not has_payment(order):
        return None
    for rule in situation.lifecycle.timers:
        if rule.closes_unpaid and rule.event == via and order.state in rule.states:
            return Refusal("the order is paid: its deadline does not concern it")
    return None


def may_leave(order: Order, situation: Situation, to: str) -> Refusal | None:
    """Whether the order may go on to another state.

    Not while it is closing, nor while money may still arrive that nobody would take in there.
    """
    if order.closing is not None:
        return Refusal(CLOSING)
    table = situation.lifecycle.table
    if "pay" not in table[order.state] or "pay" in table[to]:
        return None
    if any([a.live and a.state is not _S.RETURNING for a in order.payments.attempts]):
        return Refusal(_UNDER_WAY)
    return None


def gives_back(order: Order, situation: Situation, via: str) -> bool:
    """Whether a canceled order gives its money back at once: by policy, or because it could not do so later."""
    lifecycle = situation.lifecycle
    if situation.handling.refund_canceled:
        return True
    try:
        to = lifecycle.fire(order.state, via, order)
    except NotAllowed:
        return True  # the way out is open only to an order that holds nothing
    return "refund" not in lifecycle.table[to]


def may_start(order: Order, situation: Situation) -> Refusal | None:
    """A shopper may pay while the state lists ``pay`` and the order is not closing.

    A payment that only waits for its payer is no hindrance: the new one takes its place.
    """
    refusal = instalment.too_early(order, situation)
    if refusal is None and not instalment.opens(order, situation):
        refusal = unlisted("pay", "is not to be paid", order, situation)
    if refusal is not None:
        return refusal
    if order.closing is not None:
        return Refusal(CLOSING)
    pay_by = deadline(order, situation.lifecycle)
    if pay_by is not None and situation.at > pay_by:
        return Refusal(f"the time to pay ended at {pay_by.isoformat()}")
    payments = order.payments
    if any([attempt.live and attempt.state is not _S.WAITING for attempt in payments.attempts]):
        return Refusal(_UNDER_WAY)
    if payments.keeps() and not order.due:
        return Refusal("the order is paid: nothing is due")
    if payments.refunds and payments.refunded_now:
        # a plan is made for all rows of today, and what was refunded of them is not to be paid again
        return Refusal("some of it was refunded since it was paid: amend it, then pay what is due")
    return None


def may_pay(order: Order, situation: Situation) -> Refusal | None:
    """A payment begins when no other is in flight: one that waited has been given up by then."""
    refusal = may_start(order, situation)
    if refusal is None and order.payments.in_flight:
        refusal = Refusal(_UNDER_WAY)
    return refusal


def may_remind(order: Order, situation: Situation) -> Refusal | None:
    """A reminder is for an order that still waits for its payment, and has time for it."""
    if "pay" not in situation.lifecycle.table[order.state] or order.closing is not None:
        return Refusal("the order does not wait for a payment")
    pay_by = deadline(order, situation.lifecycle)
    if pay_by is not None and situation.at >= pay_by:
        return Refusal("the time to pay is over")
    return None


def may_undo(order: Order, situation: Situation) -> Refusal | None:
    """A payment is given up only while the order waits for it: a paid order keeps its money (law L20)."""
    lifecycle = situation.lifecycle
    if "pay" in lifecycle.table[order.state] and not order.payments.taken():
        return None
    allowed = lifecycle.allowed(order.state, order)
    return Refusal(f"an order in state {order.state!r} has no payment to give up", allowed)


def pay(deciding: Deciding, command: Pay) -> None:
    """Freeze the plan and write down every attempt before any gateway is called."""
    instalment.open_window(deciding)
    order, plan = deciding.order, command.plan
    if plan.currency != order.currency or plan.total != order.payable:
        reason = f"the plan pays {plan.total}, but {order.payable} is due"
        raise InvalidTenders(reason, path="tenders", planned=plan.total, due=order.payable)
    payments, name = order.payments, order.content.id
    first = _named(order) if payments.attempts else 0
    carried = tuple([name for name, _ in carried_tenders(payments)]) if payments.attempts else ()
    fresh = plan.tenders[len(carried) :]
    if len(payments.attempts) + len(fresh) > ATTEMPTS_MAX:
        raise InvalidTenders(f"an order has at most {ATTEMPTS_MAX} attempts", path="tenders")
    this = payments.round + 1
    picks = command.picks or tuple([ChannelPick(tender.gateway) for tender in fresh])
    if len(picks) != len(fresh):
        raise InvalidTenders(f"{len(fresh)} channels, not {len(picks)}", path="picks")
    if order.presale is not None:
        instalment.check_tenders(order, fresh)
        picks = instalment.picks_now(order, picks)
    attempts = tuple(
        [
            _attempt(f"{name}/{first + j + 1}", this, len(carried) + j, tender, pick)
            for j, (tender, pick) in enumerate(zip(fresh, picks, strict=True))
        ]
    )
    deciding.apply(PaymentStarted(plan, attempts, carried))


def _named(order: Order) -> int:
    """The highest number that an attempt of the order's own was called by: a gateway knows it by that name for good.

    Attempts that came from other orders, and may leave again, count for nothing.
    """
    own = f"{order.id}/"
    found = 0
    for attempt in order.payments.attempts:
        number = attempt.id[len(own) :]
        if not attempt.id.startswith(own) or len(number) > _DIGITS:
            continue
        if number.isascii() and number.isdigit():
            found = max(found, int(number))
    return found


def _attempt(name: str, this: int, place: int, tender: PlannedTender, pick: ChannelPick) -> Attempt:
    return Attempt(
        name, this, place, tender.kind, pick.gateway, tender.account, tender.amount,
        tender.points, _OPEN, 0, 0, "", None, "", None, pick.capture, pick.several, 0, 0, 0,
        tender.rounding, None, pick.backups, pick.method, None, 0, pick.shares,
    )  # fmt: skip


def _leads(
    attempt: Attempt, outcome: Outcome, at: datetime, *, told: bool = False
) -> tuple[AttemptState, int | None] | None:
    """Where an outcome leads an attempt, and what is held or taken then; ``None`` where it is no news.

    Of several captures, one that leaves something to take leads back to *authorized*. Where the last one cannot
    be had, or the authorization has ended, what was taken before stays taken.
    """
    before, had = attempt.state, attempt.captured
    after = settled(before, outcome.status, told=told, taken=had > attempt.returned)
    if after is None:
        return None
    if before not in _PARTLY:
        return after, outcome.amount if after in HELD else None
    if after is not _S.CAPTURED:
        lapsed = after is _S.DECLINED and had > attempt.returned
        return (_S.CAPTURED, had) if lapsed else (after, None)
    amount = outcome.amount
    if amount is None:
        if not attempt.asked:
            return after, None
        amount = had + attempt.asked
    if had and amount <= had:
        ended = attempt.expires_at is not None and at >= attempt.expires_at
        if told or (before is _S.AUTHORIZED and not ended):
            return None  # an earlier part, told once more
        return _S.CAPTURED, had
    more = attempt.several and amount < had + attempt.to_capture
    if more and (before is _S.AUTHORIZED or attempt.asked):
        after = _S.AUTHORIZED
    return after, amount


def _told(
    attempt: Attempt, led: tuple[AttemptState, int | None], outcome: Outcome, currency: str
) -> AttemptAnswered:
    """What an outcome makes of an attempt, by where it leads."""
    after, amount = led
    action = None if outcome.action is None or after is not _S.WAITING else outcome.action
    moved = _moved(attempt, after, amount)
    return AttemptAnswered(
        attempt.id, after, outcome.reference, outcome.at, outcome.reason, action, amount,
        attempt.gateway, outcome.expires_at, outcome.failure, moved, currency if moved else "",
    )  # fmt: skip


def _moved(attempt: Attempt, after: AttemptState, amount: int | None) -> int:
    """What moves when an attempt comes to a state, in minor units."""
    had = attempt.captured - attempt.returned
    if after is _CAPTURED:
        whole = attempt.amount + attempt.rounding - attempt.released
        return (whole if amount is None else amount) - had
    if after is _S.RETURNED:
        return -had
    return amount - had if attempt.state in _PARTLY and amount is not None else 0


def _answer_late(
    deciding: Deciding, name: str, outcome: Outcome, again: OrderContent | None
) -> None:
    """Take one answer in; money that comes for a payment given up is sent back, unless it still pays (law L21)."""
    attempt = deciding.order.payments.attempt(name)
    before = attempt.state
    led = _leads(attempt, outcome, deciding.situation.at)
    if led is None:
        return
    due = deciding.order.asked
    had = deciding.order.payments.captured - deciding.order.payments.refunded
    deciding.apply(_told(attempt, led, outcome, deciding.order.currency))
    if before not in _LATE or led[0] not in HELD:
        return
    if _welcome(deciding, attempt, due):
        return_surplus(deciding, (name,))
    elif not kept_late(deciding, name, had, again):
        reason = f"money came for an attempt that was {before.value}"
        deciding.apply(UndoAsked((name,), reason))


def _welcome(deciding: Deciding, attempt: Attempt, due: int) -> bool:
    """Whether money that comes after a *declined* still pays the plan in force, and just what was due."""
    order = deciding.order
    payments = order.payments
    return (
        attempt.state is _S.DECLINED
        and attempt.round == payments.round
        and order.closing is None
        and due == attempt.amount
        and planned_today(order)
        and deciding.lists("pay")
        and all(a.state in HELD or a.id == attempt.id for a in payments.current())
    )


def _gone(order: Order) -> str:
    """Why a paid order closes: what was promised to it has lapsed, and somebody else took it."""
    content = order.content
    if not content.coupon_holding:
        return "the goods are no longer there"
    if not content.reservation:
        return "a coupon is no longer there"
    return "the goods or a coupon are no longer there"


def answer(deciding: Deciding, command: AnswerAttempts) -> None:
    """Take answers in, then see what follows."""
    payments, currency = deciding.order.payments, deciding.order.content.currency
    known = {attempt.id: attempt for attempt in payments.attempts}
    told: dict[str, AttemptAnswered] = {}
    late: list[tuple[str, Outcome]] = []
    for name, outcome in command.answers:
        if outcome.status is OutcomeStatus.UNKNOWN:
            continue
        attempt = known.get(name) or payments.attempt(name)  # raises for one that there is not
        if attempt.state in _LATE or name in told:
            late.append((name, outcome))
            continue
        led = _leads(attempt, outcome, deciding.situation.at, told=command.told)
        if led is not None:
            told[name] = _told(attempt, led, outcome, currency)
    if told:
        deciding.apply_answers(tuple(told.values()))
        _reroute(deciding, told, payments)
        # without an amount just what was asked is taken
        return_surplus(deciding, [name for name, news in told.items() if news.amount is not None])
    for name, outcome in late:
        _answer_late(deciding, name, outcome, command.regained)
    if command.goods_lost and deciding.lists("pay"):
        held = tuple([a.id for a in deciding.order.payments.current() if a.held])
        reason = _gone(deciding.order)
        in_parts = deciding.order.presale is not None
        if in_parts:
            instalment.double(deciding, reason)  # who paid a deposit was promised the goods
        if in_parts or not deciding.order.payments.carried:
            deciding.apply(ClosingAsked("cancel", reason))
        turn_back(deciding, held, reason)
    conclude(deciding, stood=_stood(payments))


def _reroute(deciding: Deciding, told: Mapping[str, AttemptAnswered], before: Payments) -> None:
    """Let the next channel take over from one that could not take the money, by the class of its failure.

    Only a definite word counts: an unknown outcome is looked up first, and never tried on another channel.
    """
    order = deciding.order
    declined = [news for news in told.values() if news.state is _DECLINED]
    if not declined or order.closing is not None or not deciding.lists("pay"):
        return
    current = order.payments.current()
    for answer_ in declined:
        attempt = order.payments.attempt(answer_.attempt)
        if (
            attempt.state is _S.DECLINED
            and attempt.failure in _ELSEWHERE
            and attempt.backups
            and attempt in current
            and before.attempt(attempt.id).state not in HELD  # it could take it, and held it
            and len(deciding.order.payments.attempts) < ATTEMPTS_MAX
            and not any(
                [a.state in _LOST and a.id != attempt.id and not _goes_on(a) for a in current]
            )
        ):
            taken_over = Attempt(
                f"{order.id}/{_named(deciding.order) + 1}", attempt.round, attempt.tender, attempt.kind,
                attempt.backups[0], attempt.account, attempt.amount, attempt.points, _S.OPEN,
                capture=attempt.capture, several=attempt.several, rounding=attempt.rounding,
                backups=attempt.backups[1:], method=attempt.method, shares=attempt.shares,
            )  # fmt: skip
            deciding.apply(Rerouted(attempt.id, taken_over))


def _goes_on(attempt: Attempt) -> bool:
    """Whether another channel takes over from this one."""
    return attempt.state is _S.DECLINED and attempt.failure in _ELSEWHERE and bool(attempt.backups)


def _stood(payments: Payments) -> bool:
    """Whether the payment in force has come to its end before. What is lost of it later (an authorization that
    lapsed) leaves something due, and undoes nothing."""
    if payments.taken():
        return True
    states = {a.state for a in payments.current()}
    return bool(states & _LOST and states & HELD)


def conclude(deciding: Deciding, *, stood: bool = False) -> None:
    """What follows from the attempts as they now stand: capture, paid, undo, close.

    ``stood``: the payment in force had come to its end before this.
    """
    order = deciding.order
    if not deciding.lists("pay"):
        if order.closing is not None:
            _finish_closing(deciding)
        return
    current = order.payments.current()
    states = {attempt.state for attempt in current}
    canceled = order.closing is not None and not order.closing.timed_out
    if current and states <= HELD and not canceled and instalment.covered(deciding):
        authorized = tuple([a.id for a in current if a.state is _AUTHORIZED and not a.deferred])
        if authorized:
            deciding.apply(CaptureAsked(authorized))
        elif all([a.state is _CAPTURED or a.firm for a in current]):
            if paid_in_full(order):
                deciding.move("pay")
            else:
                instalment.go_on(deciding)
        return
    if current and states <= HELD and any([_short(a) for a in current]):
        # less was authorized than was asked: nothing of it is taken
        held = tuple([a.id for a in current if a.state is _S.AUTHORIZED])
        if held:
            deciding.apply(UndoAsked(held, "less was authorized than was asked"))
    if states & _LOST and not stood:
        undo = tuple([a.id for a in current if a.state in HELD or a.state in _WAITS])
        if undo:
            turn_back(deciding, undo, "another tender of the payment failed")
    if deciding.order.closing is not None:
        _finish_closing(deciding)


def _short(attempt: Attempt) -> bool:
    return attempt.state is _S.AUTHORIZED and 0 < attempt.authorized < attempt.amount


def _ended(order: Order) -> frozenset[str]:
    """Attempts of payments that came to their end before more was asked: they are not undone but refunded."""
    payments = order.payments
    names = {leg.attempt for refund in payments.refunds for leg in refund.legs}
    if not payments.carried and payments.keeps() and (order.due or payments.settled):
        names.update([attempt.id for attempt in payments.current()])
    return frozenset(names.union(payments.carried))


def _finish_closing(deciding: Deciding) -> None:
    """Close once every attempt has had its last word and nothing is held."""
    order = deciding.order
    closing = order.closing
    current = order.payments.current()
    if closing is None or any(a.state in _WAITS or a.state is _S.CLOSING for a in current):
        return
    kept = _ended(order)
    undo = tuple([a.id for a in current if a.state in HELD and a.id not in kept])
    turn_back(deciding, undo, closing.reason)
    order = deciding.order
    if not order.payments.in_flight:
        if instalment.forfeits(order, deciding.situation, closing.via):
            keep_deposit(deciding, closing.via, closing.reason)
            return
        if gives_back(order, deciding.situation, closing.via):
            give_all_back(deciding, f"{order.id}/v{order.visit}", closing.reason)
        if not deciding.order.payments.in_flight:  # what was only held is let go first
            _end(deciding, closing.via, closing.reason)


def keep_deposit(deciding: Deciding, via: str, reason: str) -> None:
    """End an order whose balance did not come: what may be kept of its deposit is kept, the rest goes back."""
    order = deciding.order
    instalment.keep(deciding, reason)
    give_all_back(deciding, f"{order.id}/v{order.visit}", reason)
    _end(deciding, via, reason)


def _end(deciding: Deciding, via: str, reason: str) -> None:
    """Move to the end; goods that have not left, while others have, go back to the stock."""
    deciding.move(via, reason)
    order = deciding.order
    if order.handling.released and order.delivery.shipments and order.shippable():
        deciding.apply(Withdrawn(order.shippable()))


def close_unpaid(deciding: Deciding, via: str, reason: str, *, timed_out: bool = False) -> None:
    """End an unpaid order: first every attempt that waits is closed at its channel.

    The state must list ``close`` (time is up) or ``cancel``; the guard against money in flight
    is met by waiting: until then the order is *closing*. Money that is all held when time is up
    came in time, so it is taken; a cancellation gives it back, also when time was up before.
    """
    order = deciding.order
    if order.closing is not None:
        if order.closing.timed_out and not timed_out:
            deciding.apply(ClosingAsked(via, reason))
        conclude(deciding, stood=_stood(order.payments))
        return
    current = order.payments.attempts
    waits = tuple([a.id for a in current if a.state in _WAITS])
    if not waits and not order.payments.in_flight and not has_payment(order):
        _end(deciding, via, reason)
        return
    deciding.apply(ClosingAsked(via, reason, waits, timed_out))
    conclude(deciding, stood=_stood(order.payments))


def give_all_back(deciding: Deciding, name: str, reason: str, way: RefundWay = ORIGINAL) -> None:
    """Ask back whatever is held, whichever goods it paid for: the order ends while something is due on it.

    What is kept for good stays, of what was paid first; what payers' banks took back is not held.
    """
    order = deciding.order
    legs = all_legs(order.payments, way)
    if legs:
        amount = sum([leg.amount for leg in legs])
        recognized = order.recognized
        ask_back(
            deciding,
            Refund(name, (), legs, amount, reason, recognized, way.split, way.consent),
        )


def undo(deciding: Deciding, command: UndoPayment) -> None:
    """Give up the payment under way, if it is the one that is meant."""
    if command.round not in {None, deciding.order.payments.round}:
        return
    attempts = deciding.order.payments.current()
    names = tuple([a.id for a in attempts if a.state in HELD or a.state in _WAITS])
    if names:
        turn_back(deciding, names, command.reason)


def remind(deciding: Deciding, _command: Remind) -> None:
    """Tell the host that it is time to remind the shopper."""
    deciding.apply(Reminded(deciding.order.content.pay_by))


RULES: Mapping[type[Any], Rule] = {
    Pay: pay,
    AnswerAttempts: answer,
    UndoPayment: undo,
    Remind: remind,
}
GUARDS: Mapping[type[Any], Guard] = {
    Pay: may_pay,
    UndoPayment: may_undo,
    Remind: may_remind,
}
