"""Refunding: asking channels for the legs of refunds, and recording what they say.

What is owed is read off the order alone: legs without an answer. A gateway that does not answer leaves its
leg as it is; it is asked again under the same key, never guessed.

What a channel allows is respected before it is called (`ordercore.tender.sending`). A leg that must wait has its
timer come due when it may go; what waits on the same attempt then goes as one. A leg that cannot go by its way
is answered as failed, without a call: it goes to the customer's balance where policy and customer say so, or
somebody is told.

Writing a refund down takes one commit, its answers another. Where a channel has a spacing, a third one stands
before the first call, since what goes out as one, and when, follows from nothing else. Where it has none, that
would tell nothing: the call follows from the refund itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.change import Change
from ordercore.engine.answers import REFUND_UNKNOWN, sound_refund, unanswered
from ordercore.engine.flow import Step, call
from ordercore.engine.shop import load, record
from ordercore.errors import GatewayError, NotAllowed, PortFailed, Stale
from ordercore.order import AnswerRefund, SendRefunds
from ordercore.tender import CreditRequest, RefundOutcome, RefundRequest, RefundStatus
from ordercore.tender.sending import OPEN, LegName, Sending, as_one, sending
from ordercore.timeout import Timer, refund_key

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Decision, Order
    from ordercore.party import Actor
    from ordercore.tender import Refund, RefundLeg

__all__ = ["credit_request", "refund_request", "refund_stands", "refunds"]

ROUNDS_MAX = 6
"""Most rounds of one discharge: another way after one that failed, and what others changed meanwhile."""


def refund_request(order: Order, refund: Refund, place: int) -> RefundRequest:
    """A leg, with those that go out together with it, as its gateway is asked about it."""
    payments = order.payments
    leg = refund.legs[place]
    attempt = payments.attempt(leg.attempt)
    legs = [payments.refund(name).legs[at] for name, at in as_one(payments, refund.id, place)]
    return RefundRequest(
        leg.key(refund.id, place), attempt.id, attempt.reference,
        sum([part.paid for part in legs]), order.content.currency,
        sum([part.points for part in legs]), refund.reason,
    )  # fmt: skip


def credit_request(order: Order, refund: Refund, place: int) -> CreditRequest:
    """A leg that goes to an account, as its gateway is asked about it. Points stay points at their own gateway, and
    are money at any other."""
    leg, content = refund.legs[place], order.content
    own = order.payments.attempt(leg.attempt).gateway == leg.gateway
    return CreditRequest(
        leg.key(refund.id, place), content.id, leg.account, leg.paid, content.currency,
        leg.points if own else 0, content.customer.id, refund.reason,
    )  # fmt: skip


def refund_stands(shop: Shop, order: Order, refund: str, place: int) -> bool | datetime:
    """Whether a leg needs no more watching, or from when on it may be sent."""
    leg = order.payments.refund(refund).legs[place]
    if leg.arrived or leg.status is RefundStatus.FAILED:
        return True
    if leg.status in OPEN and not leg.gateway:
        plan = _sending(shop, order, leg.attempt)
        if (refund, place) in plan.wait and plan.until is not None:
            return plan.until
    return False


def _sending(shop: Shop, order: Order, attempt: str) -> Sending:
    found = order.payments.attempt(attempt)
    capabilities = shop.gateway(found.gateway).capabilities
    return sending(order.payments, found, capabilities, shop.clock.now())


def _waits(leg: RefundLeg) -> bool:
    """Whether a leg is to be asked of its own channel."""
    return leg.status in OPEN and not leg.gateway and not leg.released and bool(leg.paid)


def _plans(shop: Shop, order: Order) -> dict[str, Sending]:
    """What to do about the legs without an answer, by attempt."""
    waiting = {
        leg.attempt: None for refund in order.payments.refunds for leg in refund.legs if _waits(leg)
    }
    return {name: _sending(shop, order, name) for name in waiting}


def _go(plans: dict[str, Sending]) -> tuple[LegName, ...]:
    return tuple([name for plan in plans.values() for name in plan.go])


def _prepared(
    shop: Shop, order: Order, by: Actor, *, timed: bool
) -> Flow[tuple[Order, dict[str, Sending]]]:
    """The order with all written down that stands before a call, and what must not be asked yet."""
    plans = _plans(shop, order)
    if any([plan.stranded for plan in plans.values()]):
        order = yield from _strand(shop, order, by, plans)
        plans = _plans(shop, order)
    legs = _go(plans)
    if legs:

        def same(now: Order, decision: Decision) -> Flow[Decision]:
            yield from ()
            if _go(_plans(shop, now)) != legs:
                raise NotAllowed("its refunds changed meanwhile", order=now.id, state=now.state)
            return decision

        try:
            made = yield from record(shop, order, SendRefunds(legs), by, same)
            order = made.order
        except NotAllowed:
            order = yield from load(shop, order.id)
        plans = _plans(shop, order)
    if not timed:
        yield from _wake(shop, order, by, plans)
    return order, plans


def _strand(shop: Shop, order: Order, by: Actor, plans: dict[str, Sending]) -> Flow[Order]:
    """Answer the legs that cannot go by their way as failed, unless somebody else has sent them meanwhile."""
    found: dict[str, list[tuple[int, RefundOutcome]]] = {}
    for plan in plans.values():
        for (name, place), why in plan.stranded:
            outcome = RefundOutcome(RefundStatus.FAILED, reason=why)
            found.setdefault(name, []).append((place, outcome))
    for name, answers in found.items():
        legs = order.payments.refund(name).legs
        keys = tuple([legs[place].key(name, place) for place, _ in answers])
        places = {(name, place) for place, _ in answers}

        def same(now: Order, decision: Decision, places: set[LegName] = places) -> Flow[Decision]:
            yield from ()
            still = {leg for plan in _plans(shop, now).values() for leg, _ in plan.stranded}
            if not places <= still:
                raise NotAllowed("its refunds changed meanwhile", order=now.id, state=now.state)
            return decision

        try:
            command = AnswerRefund(name, tuple(answers), keys)
            made = yield from record(shop, order, command, by, same)
            order = made.order
        except NotAllowed:
            order = yield from load(shop, order.id)
    return order


def _wake(shop: Shop, order: Order, by: Actor, plans: dict[str, Sending]) -> Flow[None]:
    """Let the timers of legs that wait come due when they may go, where they would come due later."""
    timers = []
    after = shop.policies.timeouts.resolve_after
    for plan in plans.values():
        for name, place in plan.wait:
            asked = order.payments.refund(name).at
            if plan.until is not None and asked is not None and plan.until < asked + after:
                timers.append(Timer(order.id, refund_key(name, place), plan.until, order.visit))
    if timers:
        now = shop.clock.now()
        made = Change(order, (), now, by, SendRefunds.__name__, tuple(timers))
        try:
            yield Step(shop.store.commit, ((made,),))
        except Stale:
            return  # whoever changed the order looks at it again, and the timers stand as they were


def _ask(
    shop: Shop, order: Order, refund: Refund, place: int, *, look: bool
) -> Flow[RefundOutcome]:
    """Ask a gateway about a leg; with ``look`` only what it knows of it."""
    leg = refund.legs[place]
    name = leg.gateway or order.payments.attempt(leg.attempt).gateway
    try:
        if leg.gateway:
            account = shop.gateways.get(name)
            if account is None or not account.capabilities.credits:
                why = f"{name!r} puts no money on accounts"
                return RefundOutcome(RefundStatus.FAILED, reason=why)
            port = account.credit  # type: ignore[attr-defined]  # declared by its capabilities
            outcome = yield from call(port, credit_request(order, refund, place))
            return sound_refund(outcome, account)
        gateway = shop.gateway(name)
        ask = gateway.lookup_refund if look else gateway.refund
        outcome = yield from call(ask, refund_request(order, refund, place))
    except PortFailed as error:
        unanswered(error)
        return REFUND_UNKNOWN
    except GatewayError:
        return REFUND_UNKNOWN
    return sound_refund(outcome, gateway)


def _round(
    shop: Shop,
    order: Order,
    by: Actor,
    plans: dict[str, Sending],
    asked: set[str],
    *,
    accepted: bool,
    only: str,
) -> Flow[tuple[Order, bool]]:
    """Ask for every leg that may be asked and was not, and record the answers; whether there were any."""
    later = {name for plan in plans.values() for name in (*plan.wait, *plan.go)}
    doubtful = {name: why for plan in plans.values() for name, why in plan.doubtful}
    news = False
    for refund in order.payments.refunds:
        answers: list[tuple[int, RefundOutcome]] = []
        keys: list[str] = []
        for place, leg in enumerate(refund.legs):
            under_way = accepted and leg.status is RefundStatus.ACCEPTED
            if not (under_way or leg.status in OPEN) or (refund.id, place) in later:
                continue
            key = leg.key(refund.id, place)
            if key in asked or (only and only != key):
                continue
            asked.add(key)
            why = doubtful.get((refund.id, place))
            look = why is not None or leg.status is RefundStatus.ACCEPTED
            outcome = yield from _ask(shop, order, refund, place, look=look)
            if why is not None and accepted and outcome.status is RefundStatus.UNKNOWN:
                # the channel has never heard of it, and pays it no more
                outcome = RefundOutcome(RefundStatus.FAILED, reason=why)
            if outcome.status is not RefundStatus.UNKNOWN:
                answers.append((place, outcome))
                keys.append(key)
        if answers:
            command = AnswerRefund(refund.id, tuple(answers), tuple(keys))
            made = yield from record(shop, order, command, by)
            order, news = made.order, True
    return order, news


def refunds(shop: Shop, order: Order, by: Actor, *, accepted: bool, only: str) -> Flow[Order]:
    """Ask for every leg that has no answer yet and may be asked; with ``accepted``, also for those under way.

    ``only`` is the one leg that is meant, ``<refund>#<place>``; those that go out with it go along.
    """
    asked: set[str] = set()
    if only and not _speaks(order, only):
        return order
    for _ in range(ROUNDS_MAX):
        order, plans = yield from _prepared(shop, order, by, timed=accepted)
        key = _key_of(order, only)
        order, news = yield from _round(shop, order, by, plans, asked, accepted=accepted, only=key)
        if not news:
            break
    return order


def _named(leg: str) -> LegName:
    name, _, place = leg.rpartition("#")
    return name, int(place)


def _speaks(order: Order, leg: str) -> bool:
    """Whether a leg is asked about by itself: of those that went out as one, the first is, for all of them."""
    name, place = _named(leg)
    return as_one(order.payments, name, place)[0] == (name, place)


def _key_of(order: Order, leg: str) -> str:
    """The key under which a leg goes out now; empty for none."""
    if not leg:
        return ""
    name, place = _named(leg)
    return order.payments.refund(name).legs[place].key(name, place)
