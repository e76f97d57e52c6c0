"""Discharging: making the calls that an order owes to the outside, and recording the answers.

What is owed is read off the order alone: attempts that are open, capturing, closing or returning,
legs of refunds without an answer. So a crash at any point loses nothing; the next discharge,
by a timer if by nobody else, goes on where this one stopped. A gateway that does not answer leaves
its attempt as it is: *unknown* is asked again under the same key, never guessed.

Two guesses are made all the same, where waiting longer would help nobody, and both are safe:
a tender after a declined one is not sent, and says so, but only by the flow that just wrote it down
(anybody else may be looking at one that was sent, and whose sender died: that one is undone);
and a key to be undone that its gateway has never heard of is given up after the last pause.
Money that arrives for either after all is sent back (law L21).

That something was *not sent* is said by nobody else either, and only before anybody else may have looked: then
another channel may take over. The one that was given up is asked once more later, by a timer, in case it took the
money after all.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ordercore.engine.answers import UNKNOWN, sound, unanswered
from ordercore.engine.compensating import credit_owed
from ordercore.engine.flow import Step, call
from ordercore.engine.promises import release
from ordercore.engine.recording import answered, takes_parts
from ordercore.engine.refunding import refunds
from ordercore.engine.shop import load
from ordercore.errors import (
    GatewayError,
    GatewayTimeout,
    PortFailed,
)
from ordercore.order.rules.paying import deadline
from ordercore.party import SYSTEM
from ordercore.tender import (
    AttemptState,
    ChargeRequest,
    Failure,
    Outcome,
    OutcomeStatus,
    TenderKind,
)
from ordercore.tender.events import PaymentStarted, Rerouted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Order
    from ordercore.party import Actor
    from ordercore.ports import Answer, PaymentGateway
    from ordercore.tender import Attempt

__all__ = [
    "charge_request",
    "discharge",
    "look_again",
    "looked_up",
    "order_of_key",
    "pay_until",
    "pull",
    "pull_order",
]

ROUNDS_MAX = 12
"""Most rounds of calls and records in one discharge; what is left goes on by its timer."""

_S = AttemptState
_new = tuple.__new__  # makes a step at the speed of C: for the steps of each order
_UNSENT = Outcome(
    OutcomeStatus.DECLINED, reason="not sent: another tender failed first", failure=Failure.NOT_SENT
)
_UNHEARD = Outcome(OutcomeStatus.VOIDED, reason="the gateway has never heard of it")
_ELSEWHERE = frozenset({Failure.SOFT, Failure.NOT_SENT})
_UNDECIDED = frozenset({OutcomeStatus.WAITING, OutcomeStatus.UNKNOWN})
_OWED = frozenset({_S.OPEN, _S.CAPTURING, _S.CLOSING, _S.RETURNING})
# a look-up through an Enum class costs more than the comparison
_OPEN, _CAPTURING, _CHANNEL = _S.OPEN, _S.CAPTURING, TenderKind.CHANNEL
_UNKNOWN, _DECLINED = OutcomeStatus.UNKNOWN, OutcomeStatus.DECLINED


def order_of_key(key: str) -> str:
    """The order that an attempt's or a refund leg's key belongs to."""
    return key.partition("/")[0]


def pay_until(shop: Shop, order: Order) -> datetime | None:
    """Until when channels may take money for an order: a difference that an amendment left has no deadline."""
    content = order.content
    return deadline(order, shop.lifecycles.get(content.lifecycle, content.lifecycle_version))


def charge_request(
    order: Order, attempt: Attempt, pay_by: datetime | None, *, whole: bool = False
) -> ChargeRequest:
    """The attempt as its gateway is asked about it; ``pay_by`` is that of `pay_until`.

    ``whole``: the channel takes all that it holds or nothing.
    """
    content = order.content
    amount = attempt.amount + attempt.rounding
    if attempt.state is _CAPTURING and not whole:
        amount = attempt.asked or attempt.to_capture
    elif whole:
        amount = (attempt.authorized or attempt.amount) + attempt.rounding
    final = not attempt.asked or attempt.asked >= attempt.to_capture or not attempt.several
    return ChargeRequest(
        attempt.id, content.id, amount, content.currency, attempt.account,
        attempt.points, pay_by, attempt.reference, content.customer.id, attempt.captured, final,
        attempt.shares,
    )  # fmt: skip


def _owed(
    gateway: PaymentGateway, state: AttemptState
) -> Callable[[ChargeRequest], Answer[Outcome]]:
    """The call that an attempt's state owes, once it was sent."""
    if state is _CAPTURING:
        return gateway.capture
    if state is _S.RETURNING:
        return gateway.void
    return gateway.close if gateway.capabilities.closes else gateway.lookup


class _Run:
    """One discharge: what it has asked, and which attempts it has itself written down.

    Nobody else looks at those before the timer that watches them comes due: until then, and only then, it is
    known what was sent of them.
    """

    __slots__ = ("asked", "last", "resends", "span", "until")

    def __init__(self, span: timedelta, *, resends: bool, last: bool) -> None:
        self.asked: set[tuple[str, AttemptState]] = set()
        self.until: dict[str, datetime] = {}
        self.span = span
        self.resends = resends
        self.last = last

    def wrote(self, made: Change) -> None:
        """Remember the attempts of a change that this flow has committed."""
        for event in made.events:
            if type(event) is PaymentStarted:
                until = made.at + self.span
                for attempt in event.attempts:
                    self.until[attempt.id] = until
            elif type(event) is Rerouted:
                self.until[event.attempt.id] = made.at + self.span

    def fresh(self, attempt: Attempt, now: datetime) -> bool:
        """Whether nobody else can have sent this attempt yet."""
        until = self.until.get(attempt.id)
        return until is not None and now < until


def _in_turn(order: Order) -> list[Attempt]:
    """Attempts that owe a call: what is to be undone first, last tender first; then the rest, in the plan's order."""
    owed = [a for a in order.payments.attempts if a.state in _OWED]
    if len(owed) < 2:
        return owed
    back = [a for a in owed if a.state is _S.RETURNING]
    if not back and len(owed) == len(order.payments.attempts):
        return owed  # nothing has an end yet, so no backup took over: they stand in their turn
    rest = [a for a in owed if a.state is not _S.RETURNING]
    back.sort(key=_place, reverse=True)
    rest.sort(key=_place)
    return back + rest


def _place(attempt: Attempt) -> tuple[int, int]:
    return attempt.round, attempt.tender


def _authorized(
    shop: Shop, order: Order, attempt: Attempt, pay_by: datetime | None, run: _Run
) -> Flow[Outcome]:
    """Ask a gateway for the money; one that must not be called now is not called, where that can be known.

    A `GatewayError` says that nothing was moved by this call. An earlier call under the same key may have moved
    money, so only of the first one does it say that nothing was sent.
    """
    gateway, request = shop.gateway(attempt.gateway), charge_request(order, attempt, pay_by)
    traffic, channels, now = shop.traffic, shop.policies.channels, shop.clock.now
    channel = attempt.kind is _CHANNEL
    if run.fresh(attempt, moment := now()):
        held_back = traffic.admit(attempt.gateway, channels, moment) if channel else ""
        if held_back:
            reason = f"not sent: {held_back}"
            return Outcome(OutcomeStatus.DECLINED, reason=reason, failure=Failure.NOT_SENT)
    else:
        found = sound((yield from call(gateway.lookup, request)), gateway, attempt)
        if found.status is not OutcomeStatus.UNKNOWN:
            return found
    try:
        answer: Outcome = yield _new(Step, (gateway.authorize, (request,), None))
        outcome = sound(answer, gateway, attempt)
    except GatewayError as error:
        if channel:
            traffic.silent(attempt.gateway, channels, now())
        if isinstance(error, GatewayTimeout) or not run.fresh(attempt, now()):
            raise
        if channel:
            traffic.ended(attempt.gateway, now(), held=False)
        return Outcome(OutcomeStatus.DECLINED, reason=error.reason, failure=Failure.NOT_SENT)
    except PortFailed:
        if channel:
            traffic.silent(attempt.gateway, channels, now())
        raise
    if channel:
        if outcome.status is _UNKNOWN:
            traffic.silent(attempt.gateway, channels, now())
        else:
            traffic.answered(attempt.gateway)
    return outcome


def _asked(shop: Shop, order: Order, attempt: Attempt, pay_by: datetime | None) -> Flow[Outcome]:
    """Make the call that an attempt owes beside the first one."""
    gateway, state = shop.gateway(attempt.gateway), attempt.state
    whole = state is _CAPTURING and not takes_parts(gateway)
    request = charge_request(order, attempt, pay_by, whole=whole)
    outcome = sound((yield from call(_owed(gateway, state), request)), gateway, attempt)
    closes = gateway.capabilities.closes
    if state is _S.CLOSING and outcome.status in _UNDECIDED and not closes:
        outcome = sound((yield from call(gateway.void, request)), gateway, attempt)
    return outcome


def _answers(shop: Shop, order: Order, run: _Run) -> Flow[list[tuple[str, Outcome]]]:
    """Ask every gateway that is owed a call. No answer is `UNKNOWN` itself, a gateway that cannot tell is another.

    After a decline no further tender of the payment is sent.
    """
    answers: list[tuple[str, Outcome]] = []
    pay_by = pay_until(shop, order)
    failed = False
    for attempt in _in_turn(order):
        state = attempt.state
        if (attempt.id, state) in run.asked:
            continue
        if state is _OPEN and not run.resends and attempt.id not in run.until:
            continue  # who wrote it down asks, or the timer that watches it
        if failed and state is _OPEN:
            if run.fresh(attempt, shop.clock.now()):
                answers.append((attempt.id, _UNSENT))
            continue  # else the decision undoes it
        run.asked.add((attempt.id, state))
        asking = (
            _authorized(shop, order, attempt, pay_by, run)
            if state is _OPEN
            else _asked(shop, order, attempt, pay_by)
        )
        try:
            outcome = yield from asking
        except (GatewayTimeout, PortFailed) as error:
            outcome = unanswered(error)
        except GatewayError:
            outcome = UNKNOWN
        if outcome.status is not _UNKNOWN:
            answers.append((attempt.id, outcome))
        elif run.last and outcome is not UNKNOWN and _unheard(attempt):
            answers.append((attempt.id, _UNHEARD))
        if state is _OPEN and outcome.status is _DECLINED:
            if attempt.backups and outcome.failure in _ELSEWHERE:
                break  # another channel may take over: what comes after it waits for that
            failed = True
    return answers


def _unheard(attempt: Attempt) -> bool:
    """Whether no gateway ever said a word about an attempt that is to end."""
    ending = attempt.state is _S.RETURNING or attempt.state is _S.CLOSING
    return ending and not attempt.reference and attempt.at is None and not attempt.captured


def discharge(
    shop: Shop,
    order: Order,
    by: Actor,
    *,
    made: Change | None = None,
    accepted: bool = False,
    resends: bool = False,
    last: bool = False,
    leg: str = "",
) -> Flow[Order]:
    """Make all calls that ``order`` owes, until nothing is owed that was not already asked.

    ``made`` is the change that this flow has just committed: its attempts are its own to send.
    ``accepted``: ask for refunds under way too; with ``leg``, for that one alone.
    ``resends``: attempts that somebody else wrote down and nobody answered are asked about, and sent again.
    ``last``: all pauses between tries are over.
    """
    run = _Run(shop.policies.timeouts.resolve_after, resends=resends, last=last)
    if made is not None:
        run.wrote(made)
        if made.timers_set:
            yield from release(shop, made)
    for _ in range(ROUNDS_MAX):
        if not any([attempt.state in _OWED for attempt in order.payments.attempts]):
            break
        answers = yield from _answers(shop, order, run)
        if not answers:
            break
        recorded = yield from answered(shop, order, tuple(answers), by)
        run.wrote(recorded)
        order = recorded.order
        if recorded.timers_set:
            yield from release(shop, recorded)
    if order.payments.refunds:
        order = yield from refunds(shop, order, by, accepted=accepted, only=leg)
    if order.payments.compensations:
        order = yield from credit_owed(shop, order, by)
    return order


WAITING = frozenset({_S.WAITING})
ANY_NEWS = frozenset({_S.OPEN, _S.WAITING, _S.AUTHORIZED})
"""Attempts of which a channel may know more than we do, though we owe it no call."""


def pull(
    shop: Shop, order: Order, by: Actor, states: frozenset[AttemptState] = WAITING
) -> Flow[Order]:
    """Ask the gateways what became of attempts that wait, and record it."""
    answers: list[tuple[str, Outcome]] = []
    for attempt in order.payments.attempts:
        if attempt.state in states:
            outcome = yield from looked_up(shop, order, attempt)
            if outcome.status is not OutcomeStatus.UNKNOWN:
                answers.append((attempt.id, outcome))
    if not answers:
        return order
    made = yield from answered(shop, order, tuple(answers), by)
    return made.order


def pull_order(shop: Shop, order_id: str) -> Flow[Order]:
    """Ask the channels about an order, and finish what it owes."""
    shop.outside()
    order = yield from load(shop, order_id)
    order = yield from pull(shop, order, SYSTEM, ANY_NEWS)
    return (yield from discharge(shop, order, SYSTEM, accepted=True))


def looked_up(shop: Shop, order: Order, attempt: Attempt) -> Flow[Outcome]:
    """What a gateway says of an attempt; `UNKNOWN` itself where it does not answer."""
    gateway = shop.gateway(attempt.gateway)
    request = charge_request(order, attempt, pay_until(shop, order))
    try:
        return sound((yield from call(gateway.lookup, request)), gateway, attempt)
    except PortFailed as error:
        return unanswered(error)
    except GatewayError:
        return UNKNOWN


def look_again(shop: Shop, order: Order, name: str, by: Actor) -> Flow[bool]:
    """Ask a channel that was given up for another whether it took the money after all; whether it told.

    Then the money goes back (law L21).
    """
    attempt = order.payments.attempt(name)
    if attempt.state is not _S.DECLINED:
        return True
    outcome = yield from looked_up(shop, order, attempt)
    if outcome is UNKNOWN:
        return False
    made = yield from answered(shop, order, ((name, outcome),), by)
    if made.events:
        yield from discharge(shop, made.order, by, made=made)
    return True
