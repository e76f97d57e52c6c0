"""What holds of orders and of the outside that took their money: after each step, and once all is at rest.

Each function raises `AssertionError`, which begins with the law's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.ledger import AccountKind
from ordercore.order.events import RefundDelayed
from ordercore.tender import AttemptState, Failure, Overpaid, RefundStatus
from ordercore.tender.events import MoneyHeld
from ordercore.testing import laws
from ordercore.testing.regrouping_laws import handed_over

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ordercore.engine import OrderEngine
    from ordercore.order import Order
    from ordercore.tender import Attempt, Payments, RefundLeg
    from ordercore.testing.bench import ChargeSeen, PaymentBench

__all__ = ["all_at_rest", "goods_are_kept", "moved_once", "order_holds", "sure"]

_S = AttemptState
_LOST = frozenset({_S.DECLINED, _S.RETURNED, _S.RETURNING})
_ELSEWHERE = frozenset({Failure.SOFT, Failure.NOT_SENT})
_OUTSIDE = frozenset(
    {
        AccountKind.CLEARING,
        AccountKind.POINTS_LIABILITY,
        AccountKind.STORED_VALUE_LIABILITY,
        AccountKind.CASH,
    }
)


def sure(fact: object, what: str) -> None:
    """Raise `AssertionError` with ``what`` where the fact does not hold."""
    if not fact:
        raise AssertionError(what)


# After each step ------------------------------------------------------------------------------


def order_holds(engine: OrderEngine, order: Order) -> None:
    """The laws of one order, in the middle of whatever happens to it."""
    payments = order.payments
    laws.replay_gives(order, [(told.event, told.at) for told in engine.journal(order.id)])
    laws.books_tell_the_money(order, engine.trial_balance(order.id))
    laws.refunds_bounded(payments)
    laws.amounts_agree(order)
    if payments.plan is not None:
        laws.tenders_conserved(payments.plan)
        _margins_hold(payments)
    states = {attempt.state for attempt in payments.current()}
    if order.state == "pending_payment" and order.closing is None and states & _LOST:
        held = [a.id for a in payments.current() if a.held and payments.left(a) > 0]
        sure(not held, f"L22: a payment has failed, and {held} hold its money")


def _margins_hold(payments: Payments) -> None:
    """L25: whatever refunds have drawn, and however the matrix was matched anew, its margins stay exact."""
    plan = payments.plan
    if plan is None:
        return
    for (name, owed), cells in zip(plan.rows, plan.matrix, strict=True):
        sure(sum(cells) == owed, f"L25: row {name} has {sum(cells)} of {owed}")
        sure(min(cells, default=0) >= 0, f"L25: row {name} has a negative cell: {cells}")
    for j, tender in enumerate(plan.tenders):
        column = sum([cells[j] for cells in plan.matrix])
        sure(column == tender.amount, f"L25: tender {j} has {column} of {tender.amount}")


def moved_once(bench: PaymentBench, orders: Sequence[Order]) -> None:
    """L7, L8, L13: the other side has for every intent at least what we say and at most what was asked, once."""
    for words in bench.contradictions():
        raise AssertionError(f"L13: {words}")
    charges, refunds, bounced = bench.charges(), bench.refunds(), bench.bounced()
    recording = {charge.gateway for charge in charges.values()}
    asked: dict[str, int] = {}
    for name, holders in _holders(orders).items():
        seen = charges.get(name)
        if seen is not None:
            _charged_once(bench, holders, seen)
    for order in orders:
        for key, paid, way, arrived in _asked_back(order.payments):
            asked[key] = asked.get(key, 0) + paid
            if arrived and paid and way in recording and key not in bounced:
                sure(key in refunds, f"L8: {key} has not arrived, and the order says so")
    for key, went in refunds.items():
        most = asked.get(key)
        if most is None:
            raise AssertionError(f"L8: {went} went back under {key}, and nobody asked")
        sure(went.amount <= most, f"L8: {went} went back under {key}, {most} was asked")


Holder = tuple["Order", "Attempt"]
"""An order that has, or had, money of a charge, and what it says of it."""


def _holders(orders: Sequence[Order]) -> dict[str, list[Holder]]:
    """Whose money each charge is or was: of one order, or of several after a split or a merge."""
    found: dict[str, list[Holder]] = {}
    for order in orders:
        for attempt in order.payments.attempts:
            found.setdefault(attempt.id, []).append((order, attempt))
    return found


def _said(holders: Sequence[Holder]) -> int:
    """What all of them say was taken: what one handed over, another says."""
    return sum([a.captured - a.returned - sum(handed_over(order, a)) for order, a in holders])


def _charged_once(bench: PaymentBench, holders: Sequence[Holder], seen: ChargeSeen) -> None:
    """What one charge has is not less than orders say, and nothing where another channel took over."""
    said, name = _said(holders), holders[0][1].id
    enough = said <= seen.taken or any([a.state is _S.RETURNING for _, a in holders])
    sure(enough, f"L7: {name} has {seen.taken}, and orders say {said}")
    for _, attempt in holders:
        given_up = attempt.failure in _ELSEWHERE and attempt.state is _S.DECLINED
        if given_up and name not in bench.paid_late():
            nothing = not seen.taken + seen.held
            sure(nothing, f"L7: {name} was given up for another channel, and holds money")


def _asked_back(payments: Payments) -> Iterator[tuple[str, int, str, bool]]:
    """What may have been asked back: under which key, how much, over which gateway, and whether it arrived so."""
    for back in payments.refunds:
        for place, leg in enumerate(back.legs):
            if not leg.released:
                way = leg.gateway or payments.attempt(leg.attempt).gateway
                *former, last = _keys(back.id, place, leg)
                for key in former:
                    yield key, leg.paid, way, False
                yield last, leg.paid, way, leg.arrived
    for given in payments.compensations:
        yield given.id, given.amount, given.gateway, False


def _keys(refund: str, place: int, leg: RefundLeg) -> list[str]:
    """Every key under which a leg may have been asked: one for each way it went."""
    plain = f"{refund}#{place}"
    return [f"{plain}x{tries}" if tries else plain for tries in range(leg.tries)] + [
        leg.key(refund, place)
    ]


# At rest --------------------------------------------------------------------------------------


def all_at_rest(
    bench: PaymentBench, engine: OrderEngine, orders: Sequence[Order], overpaid: Overpaid
) -> None:
    """Nothing is open, nothing is stranded, and orders, books and gateways tell the same."""
    for order in orders:
        _order_at_rest(bench, engine, order, overpaid)
    _charges_at_rest(bench, orders)
    _books_are_the_gateways(bench, engine)
    bench.check()


def _order_at_rest(
    bench: PaymentBench, engine: OrderEngine, order: Order, overpaid: Overpaid
) -> None:
    """Nothing of an order is open, what it says is what the other side has, and an end holds nothing."""
    payments = order.payments
    live = [a for a in payments.attempts if a.live]
    sure(not live, f"L21: attempts wait for ever: {live}")
    sure(order.closing is None, f"L21: {order.id} closes for ever: {order.closing}")
    _refunds_at_rest(bench, engine, order)
    if order.handling.gone:
        return  # its money and its goods are others'
    kept = _kept_on_purpose(engine, order, overpaid)
    pay_by = order.content.pay_by
    late = pay_by is not None and pay_by < bench.clock.now()
    sure(not (late and order.state == "pending_payment"), f"L21: {order.id} waits for ever")
    if not order.handling.released:
        sure(order.owed <= kept, f"L21: {order.owed} is paid too much on {order.id}, and stays")
        return
    held = [a for a in payments.attempts if a.state is _S.AUTHORIZED]
    sure(not held, f"L22: {order.id} has ended and holds money: {held}")
    left = payments.captured - payments.refunded - payments.forfeited - payments.taken_back
    sure(left <= kept, f"L21: {left} is stranded on {order.id}, which has ended")
    goods = bench.goods_held(order)
    due = {sku: units for sku, units in order.stock_kept() if units}
    sure(goods is None or goods == due, f"L22: {order.id} has ended and holds {goods}")


def goods_are_kept(bench: PaymentBench, orders: Sequence[Order]) -> None:
    """L19, L22: an order that lives has the goods promised that it needs, those of orders that it came from too, and
    no goods are promised to nobody.

    What is still to be paid for is promised for a time, then no more.
    """
    known: dict[str, int] = {}
    for order in orders:
        held = bench.goods_held(order)
        for sku, units in (held or {}).items():
            known[sku] = known.get(sku, 0) + units
        if order.handling.gone or order.handling.released:
            continue
        needs = {sku: units for sku, units in order.stock_kept() if units}
        right = held is None or held == needs or (order.due and _within(held, needs))
        sure(right, f"L22: {order.id} needs {needs}, {held} is held")
    promised = bench.goods_promised()
    sure(promised in (None, known), f"L22: {promised} is promised, orders know of {known}")


def _within(held: Mapping[str, int], needs: Mapping[str, int]) -> bool:
    return all(units <= needs.get(sku, 0) for sku, units in held.items())


def _charges_at_rest(bench: PaymentBench, orders: Sequence[Order]) -> None:
    """L7, L22: each charge has just what orders say of it, no more and no less."""
    charges = bench.charges()
    for name, holders in _holders(orders).items():
        charge = charges.get(name)
        if charge is not None:
            said = _said(holders)
            sure(charge.taken == said, f"L7: {name} has {charge.taken}, and orders say {said}")
            held = [
                a for order, a in holders if not order.handling.gone and a.state is _S.AUTHORIZED
            ]
            least = sum([a.to_capture for a in held])
            most = least + sum([a.released for _, a in holders])
            right = charge.held in {least, most}
            sure(right, f"L22: {name} holds {charge.held}, and orders say {least}")


def _kept_on_purpose(engine: OrderEngine, order: Order, overpaid: Overpaid) -> int:
    """What the policies keep of an order until somebody decides: what was paid too much, or far too late."""
    told = [recorded.event for recorded in engine.journal(order.id)]
    kept = sum([event.amount for event in told if isinstance(event, MoneyHeld)])
    if overpaid is Overpaid.KEEP:
        for a in order.payments.attempts:
            if a.state is _S.CAPTURED:
                kept += max(0, a.captured + a.released - a.amount - a.rounding)
    return kept


def _refunds_at_rest(bench: PaymentBench, engine: OrderEngine, order: Order) -> None:
    """Each leg of a refund has arrived, or somebody was told."""
    told = [recorded.event for recorded in engine.journal(order.id)]
    alerts = {(e.refund, e.leg) for e in told if isinstance(e, RefundDelayed)}
    refunds = bench.refunds()
    for back in order.payments.refunds:
        for place, leg in enumerate(back.legs):
            where = f"leg {place} of {back.id}"
            if leg.arrived:
                came_back = leg.key(back.id, place) in bench.bounced()
                sure(not came_back, f"L10: {where} has bounced, and the order says that it arrived")
                continue
            sure(leg.status is not None, f"L21: {where} has no answer")
            sure((back.id, place) in alerts, f"L21: {where} is {leg.status}, nobody was told")
            seen = refunds.get(leg.key(back.id, place))
            sure(seen is None or not seen.arrived, f"L8: {where} arrived unseen: {seen}")
    for given in order.payments.compensations:
        done = given.status in {RefundStatus.ARRIVED, RefundStatus.FAILED}
        sure(done, f"L21: {given.id} has no end")


def _books_are_the_gateways(bench: PaymentBench, engine: OrderEngine) -> None:
    """L9: what stands on the account of a gateway is what the gateway has."""
    has: dict[str, int] = {}
    for charge in bench.charges().values():
        has[charge.gateway] = has.get(charge.gateway, 0) + charge.taken - charge.charged_back
    for back in bench.refunds().values():
        has[back.gateway] = has.get(back.gateway, 0) - (back.amount if back.arrived else 0)
    books: dict[str, int] = {}
    for balance in engine.trial_balance():
        if balance.account in _OUTSIDE:
            books[balance.detail] = books.get(balance.detail, 0) + balance.amount
    for name, amount in has.items():
        said = books.get(name, 0)
        sure(said == amount, f"L9: {name} has {amount}, the books say {said}")
