"""Reconciling: our money against a channel's statement, and booking what is provably missing.

*Provably* means: the channel names a charge or a refund of ours, and what it tells can have happened. Everything
else (another amount, another currency, money that nobody here asked for) is left for people, with both sides of it.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from ordercore.calendar import local_moment
from ordercore.change import Receipt
from ordercore.engine.discharging import discharge, order_of_key
from ordercore.engine.flow import call
from ordercore.engine.recording import answered
from ordercore.engine.shop import digest, load, once, record
from ordercore.errors import InvalidInput, OrdercoreError
from ordercore.ledger import (
    AccountKind,
    Difference,
    Movement,
    MovementKind,
    ReconciliationClass,
    ReconciliationReport,
    StatementPeriod,
    reconcile,
)
from ordercore.order import AnswerRefund, NoteChargeback, NoteFee, NoteRemittance
from ordercore.order.movements import MONEY_EVENTS, movements
from ordercore.ports import HistoryQuery, LedgerQuery
from ordercore.tender import AttemptState, Outcome, OutcomeStatus, RefundOutcome, RefundStatus
from ordercore.tender.events import AttemptAnswered
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordercore.change import Recorded
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.ledger import StatementRow
    from ordercore.order import Command, Order
    from ordercore.party import Actor
    from ordercore.ports import LedgerPage

__all__ = ["DayClose", "DayRow", "Patched", "account", "close_day", "moved", "patch", "reconciled"]

PAGE = 5_000
"""Events read at once."""
PAGES_MAX = 20_000
LAG = timedelta(days=1)
"""How far the clocks of workers may be ahead of ours."""

_C = ReconciliationClass


# Statements -----------------------------------------------------------------------------------


def moved(shop: Shop, gateway: str, since: datetime, before: datetime) -> Flow[list[Movement]]:
    """What moved over a gateway by our books, by the channel's own time where it told one."""
    found: list[Movement] = []
    cursor = ""
    for _ in range(PAGES_MAX):
        # what moved then may have become known at any time since
        until = max(before, shop.clock.now()) + LAG
        query = HistoryQuery(MONEY_EVENTS, since, until, after=cursor, limit=PAGE)
        page = yield from call(shop.store.history, query)
        for recorded in page.events:
            told = movements(recorded.order_id, recorded.event, recorded.at)
            if isinstance(recorded.event, AttemptAnswered) and not recorded.event.gateway:
                told = yield from _of_earlier_release(shop, recorded, recorded.event)
            for name, movement in told:
                if name == gateway and since <= movement.at < before:
                    found.append(movement)
        cursor = page.next
        if not cursor:
            return found
    raise InvalidInput("the period has too many events: take a shorter one", path="period")


def _of_earlier_release(
    shop: Shop, recorded: Recorded, event: AttemptAnswered
) -> Flow[tuple[tuple[str, Movement], ...]]:
    """Events that were stored before they told what moved: the order knows."""
    if event.state is not AttemptState.CAPTURED:
        return ()
    order = yield from load(shop, recorded.order_id)
    attempt = order.payments.attempt(event.attempt)
    movement = Movement(
        MovementKind.PAYMENT, attempt.id, event.reference, attempt.captured, order.currency,
        event.at or recorded.at, order.id,
    )  # fmt: skip
    return ((attempt.gateway, movement),)


def reconciled(
    shop: Shop, gateway: str, rows: Iterable[StatementRow], period: StatementPeriod
) -> Flow[ReconciliationReport]:
    """Compare a channel's statement with our books; nothing is written."""
    period.check()
    ours = yield from moved(shop, gateway, period.start - period.slack, period.end + period.slack)
    return reconcile(ours, rows, period)


# Patching -------------------------------------------------------------------------------------


@value
class Patched:
    """What was booked of a report's differences, and what is left for people, with the reason."""

    booked: tuple[Difference, ...]
    left: tuple[tuple[Difference, str], ...]


def patch(shop: Shop, gateway: str, report: ReconciliationReport, by: Actor) -> Flow[Patched]:
    """Book what the channel proves: payments and refunds of ours that we did not hear of, chargebacks, fees and
    payouts of our charges. Each difference for itself; the same report again books nothing twice."""
    shop.outside()
    booked: list[Difference] = []
    left: list[tuple[Difference, str]] = []
    for difference in report.differences:
        row = difference.theirs
        if row is None or difference.kind not in _PROVABLE:
            left.append((difference, "it is for people to decide"))
            continue
        try:
            why = yield from _booked(shop, gateway, row, by)
        except OrdercoreError as error:
            why = error.reason
        if why:
            left.append((difference, why))
        else:
            booked.append(difference)
    for ours, kept in report.charged:
        try:
            yield from _fee(shop, gateway, ours.key, ours.reference, kept, by)
        except OrdercoreError as error:
            left.append((Difference(_C.FEE, ours, None, -kept, ours.currency), error.reason))
    return Patched(tuple(booked), tuple(left))


_PROVABLE = frozenset({_C.MISSING_HERE, _C.REFUND, _C.CHARGEBACK, _C.FEE, _C.PAYOUT})


def _booked(shop: Shop, gateway: str, row: StatementRow, by: Actor) -> Flow[str]:
    """Book one row; why not, else."""
    if not row.key:
        return "the channel names nothing of ours"
    order = yield from load(shop, order_of_key(row.key))
    if row.currency != order.currency:
        return f"the order is in {order.currency}"
    if row.kind is MovementKind.PAYMENT:
        return (yield from _payment(shop, gateway, order, row, by))
    if row.kind is MovementKind.REFUND:
        return (yield from _refund(shop, gateway, order, row, by))
    if row.kind is MovementKind.FEE:
        yield from _fee(shop, gateway, row.key, row.reference, row.amount, by)
        return ""
    attempt = order.payments.attempt(row.key)
    if attempt.gateway != gateway:
        return f"the attempt is of {attempt.gateway!r}"
    command: Command
    if row.kind is MovementKind.CHARGEBACK:
        command = NoteChargeback(attempt.id, row.amount, row.fee, row.reference, row.at)
    else:
        command = NoteRemittance(attempt.id, row.amount, row.fee, row.reference, row.at)
    name = f"{gateway}:{row.kind.value}:{row.reference or row.key}"
    yield from _noted(shop, order, name, command, by)
    return ""


def _payment(shop: Shop, gateway: str, order: Order, row: StatementRow, by: Actor) -> Flow[str]:
    attempt = order.payments.attempt(row.key)
    if attempt.gateway != gateway:
        return f"the attempt is of {attempt.gateway!r}"
    if attempt.captured - attempt.returned:
        return "the attempt was taken before, under another transaction"
    if row.amount != attempt.amount + attempt.rounding:
        return f"{attempt.amount + attempt.rounding} was asked"
    outcome = Outcome(OutcomeStatus.CAPTURED, row.reference, row.at)
    made = yield from answered(shop, order, ((attempt.id, outcome),), by)
    if not made.events:
        return "it changes nothing"
    yield from discharge(shop, made.order, by, made=made)
    if row.fee:
        yield from _fee(shop, gateway, row.key, row.reference, row.fee, by)
    return ""


def _refund(shop: Shop, gateway: str, order: Order, row: StatementRow, by: Actor) -> Flow[str]:
    if "#" not in row.key:
        return "the channel names no refund of ours"
    name, place = order.payments.leg_of(row.key)
    leg = order.payments.refund(name).leg(place)
    if (leg.gateway or order.payments.attempt(leg.attempt).gateway) != gateway:
        return "the refund is over another gateway"
    if row.amount != leg.amount + leg.rounding:
        return f"{leg.amount + leg.rounding} was asked back"
    if leg.arrived:
        return "it has arrived before, under another transaction"
    arrived = RefundOutcome(RefundStatus.ARRIVED, row.reference, row.at)
    yield from record(shop, order, AnswerRefund(name, ((place, arrived),)), by)
    return ""


def _fee(
    shop: Shop, gateway: str, subject: str, reference: str, amount: int, by: Actor
) -> Flow[None]:
    """A fee is booked once for a channel's transaction."""
    if not subject:
        raise InvalidInput("the channel names nothing of ours", path="key")
    order = yield from load(shop, order_of_key(subject))
    command = NoteFee(gateway, amount, subject, reference)
    yield from _noted(shop, order, f"{gateway}:fee:{reference or subject}", command, by)


def _noted(shop: Shop, order: Order, name: str, command: Command, by: Actor) -> Flow[None]:
    """Book a fact once: its key is the channel's own name of it."""
    receipt = Receipt(
        order.shop, f"statement:{name}", type(command).__name__, digest(repr(command)), order.id
    )
    yield from once(shop, order, receipt, by, lambda _: command)


# Books ----------------------------------------------------------------------------------------


@value
class DayRow:
    """An account over one day, in minor units of ``currency``: debit-positive balances, both turnovers above zero."""

    account: AccountKind
    detail: str
    currency: str
    opening: int
    debit: int
    credit: int
    closing: int


@value
class DayClose:
    """The books of a shop on one day of its zone. Each column adds up to nothing in each currency (law L9)."""

    day: date
    zone: str
    shop: str
    start: datetime
    end: datetime
    rows: tuple[DayRow, ...]

    @property
    def balances(self) -> bool:
        """Whether all adds up: balances to zero, debits to credits."""
        sums: dict[str, list[int]] = {}
        for row in self.rows:
            found = sums.setdefault(row.currency, [0, 0, 0])
            found[0] += row.opening
            found[1] += row.debit - row.credit
            found[2] += row.closing
        return not any([any(found) for found in sums.values()])


def close_day(shop: Shop, day: date, zone: str, of: str) -> Flow[DayClose]:
    """Opening balance, turnover and closing balance of each account on one day; ``of`` is a shop, empty for all."""
    if type(day) is not date:
        raise InvalidInput("a day is a date", path="day")
    midnight = time()
    start = local_moment(day, midnight, zone)
    end = local_moment(day + timedelta(days=1), midnight, zone)
    before = yield from call(shop.store.turnover, LedgerQuery(before=start, shop=of))
    during = yield from call(shop.store.turnover, LedgerQuery(since=start, before=end, shop=of))
    found: dict[tuple[str, str, str], list[int]] = {}
    kinds: dict[str, AccountKind] = {}
    for turnover, first in [(t, True) for t in before] + [(t, False) for t in during]:
        kinds[turnover.account.value] = turnover.account
        key = (turnover.account.value, turnover.detail, turnover.currency)
        row = found.setdefault(key, [0, 0, 0])
        if first:
            row[0] = turnover.debit - turnover.credit
        else:
            row[1:] = [turnover.debit, turnover.credit]
    rows = [
        DayRow(kinds[kind], detail, currency, opening, debit, credit, opening + debit - credit)
        for (kind, detail, currency), (opening, debit, credit) in sorted(found.items())
        if opening or debit or credit
    ]
    return DayClose(day, zone, of, start, end, tuple(rows))


def account(shop: Shop, query: LedgerQuery) -> Flow[LedgerPage]:
    """Entries of an account, oldest first."""
    return (yield from call(shop.store.entries, query))
