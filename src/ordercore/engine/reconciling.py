"""Reconciling: our money against a channel's statement, and booking what is provably missing.

*Provably* means: the channel names a charge or a refund of ours, and what it tells can have happened. Everything
else (another amount, another currency, money that nobody here asked for) is left for people, with both sides of it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from ordercore.calendar import local_moment
from ordercore.change import Receipt
from ordercore.engine.discharging import discharge, looked_up, order_of_key
from ordercore.engine.flow import call
from ordercore.engine.holders import became, charged_back_once, noted_before
from ordercore.engine.recording import answered
from ordercore.engine.shop import digest, load, once, record, repeated
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
from ordercore.ledger.reconciliation import checked
from ordercore.order import AnswerRefund, NoteChargeback, NoteFee, NoteRemittance
from ordercore.order.movements import MONEY_EVENTS, movements
from ordercore.ports import HistoryQuery, LedgerQuery
from ordercore.tender import AttemptState, Outcome, OutcomeStatus, RefundOutcome, RefundStatus
from ordercore.tender.events import AttemptAnswered, Remitted
from ordercore.tender.sending import as_one
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
    from ordercore.tender import Attempt

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
                # a fee has no time of its own: it was booked when somebody read of it
                ends = movement.at < before or movement.kind is MovementKind.FEE
                if name == gateway and since <= movement.at and ends:
                    found.append(movement)
        cursor = page.next
        if not cursor:
            return _as_the_channel_tells(found)
    raise InvalidInput("the period has too many events: take a shorter one", path="period")


def _as_the_channel_tells(found: list[Movement]) -> list[Movement]:
    """One movement for each chargeback: several orders may bear a part of it, since the one that paid was split."""
    parts: dict[tuple[str, str], list[Movement]] = {}
    for one in found:
        if one.kind is MovementKind.CHARGEBACK:
            parts.setdefault(_letter(one), []).append(one)
    shared = {name: mine for name, mine in parts.items() if len({m.order for m in mine}) > 1}
    if not shared:
        return found
    told = [m for m in found if m.kind is not MovementKind.CHARGEBACK or _letter(m) not in shared]
    for mine in shared.values():
        first = mine[0]
        told.append(
            Movement(
                first.kind, first.key, first.reference, sum([m.amount for m in mine]),
                first.currency, first.at, first.order,
            )
        )  # fmt: skip
    return told


def _letter(one: Movement) -> tuple[str, str]:
    """By what the parts of one chargeback are known: its name, or its moment where the channel gave none."""
    return (one.key, one.reference or one.at.isoformat())


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
    checked(rows, period)
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
    if type(report) is not ReconciliationReport:
        raise InvalidInput("it is what `reconcile` gave", path="report")
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
            if not (yield from _came_with_its_fee(shop, ours)):
                yield from _fee(shop, gateway, ours, kept, by)
        except OrdercoreError as error:
            left.append((Difference(_C.FEE, ours, None, -kept, ours.currency), error.reason))
    return Patched(tuple(booked), tuple(left))


_PROVABLE = frozenset({_C.MISSING_HERE, _C.REFUND, _C.CHARGEBACK, _C.FEE, _C.PAYOUT})
_ENDED = frozenset({AttemptState.DECLINED, AttemptState.RETURNED})
_KNOWN = "it stands in our books already"


def _booked(shop: Shop, gateway: str, row: StatementRow, by: Actor) -> Flow[str]:
    """Book one row; why not, else."""
    row.check()
    if not row.key:
        return "the channel names nothing of ours"
    order = yield from load(shop, order_of_key(row.key))
    if row.currency != order.currency:
        return f"the order is in {order.currency}"
    if row.kind is MovementKind.REFUND:
        return (yield from _refund(shop, gateway, order, row, by))
    attempt = _charge(order, row.key)
    if attempt.gateway != gateway:
        return f"the attempt is of {attempt.gateway!r}"
    known = yield from _known(shop, order, gateway, row)
    if row.kind is MovementKind.FEE:
        return (yield from _fee_row(shop, gateway, attempt, row, known, by))
    if any([_same(movement, row) for movement in known]):
        return _KNOWN
    if row.kind is MovementKind.PAYMENT:
        return (yield from _payment(shop, gateway, order, row, by))
    if row.amount < 0:
        return "it takes back what was told before: it is for people to book"
    command: Command
    if row.kind is MovementKind.CHARGEBACK:
        command = NoteChargeback(attempt.id, row.amount, row.fee, row.reference, row.at)
    else:
        # the decision sees the order alone, which does not keep what was paid out
        out = sum([m.amount for m in known if m.kind is row.kind and m.key == attempt.id])
        held = attempt.captured - attempt.returned - out
        if row.amount > held:
            return f"at most {held} of this charge can still be paid out"
        command = NoteRemittance(attempt.id, row.amount, row.fee, row.reference, row.at)
    name = f"{gateway}:{row.kind.value}:{row.reference or row.key}"
    yield from _noted(shop, order, name, command, by)
    return ""


def _known(shop: Shop, order: Order, gateway: str, row: StatementRow) -> Flow[list[Movement]]:
    """What our books tell of the money that a row is about; a chargeback may be with several orders."""
    known = yield from _told(shop, order, gateway)
    if row.kind is MovementKind.CHARGEBACK and order.handling.gone:
        for one in (yield from became(shop, order))[1:]:
            known += yield from _told(shop, one, gateway)
        known = _as_the_channel_tells(known)
    return known


def _told(shop: Shop, order: Order, gateway: str) -> Flow[list[Movement]]:
    """What an order's own events tell of money that moved over a gateway."""
    found: list[Movement] = []
    for recorded in (yield from call(shop.store.journal, order.id)):
        told = movements(order.id, recorded.event, recorded.at)
        found += [movement for name, movement in told if name == gateway]
    return found


def _same(movement: Movement, row: StatementRow) -> bool:
    """Whether a row tells what our books hold: the same transaction, or the same sum where one names none."""
    if movement.kind is not row.kind:
        return False
    if movement.reference and row.reference:
        return movement.reference == row.reference
    return (movement.key, movement.amount) == (row.key, row.amount)


def _charge(order: Order, key: str) -> Attempt:
    """The attempt that a key of ours is about: its own, or that of a leg of a refund; raises `NotFound`."""
    if "#" not in key:
        return order.payments.attempt(key)
    name, place = order.payments.leg_of(key)
    return order.payments.attempt(order.payments.refund(name).leg(place).attempt)


def _payment(shop: Shop, gateway: str, order: Order, row: StatementRow, by: Actor) -> Flow[str]:
    attempt = order.payments.attempt(row.key)
    if attempt.captured - attempt.returned:
        return "the attempt was taken before, under another transaction"
    if attempt.returned and row.reference in {"", attempt.reference}:
        return "it was taken under this transaction, and has gone back"
    if row.amount != attempt.amount + attempt.rounding:
        return f"{attempt.amount + attempt.rounding} was asked"
    if attempt.state in _ENDED:
        # a statement tells what was taken on its day; whether that is still there only the channel knows
        sure = yield from looked_up(shop, order, attempt)
        if sure.status is not OutcomeStatus.CAPTURED or sure.amount not in {None, row.amount}:
            return "the channel, asked itself, does not say that it holds this money"
    outcome = Outcome(OutcomeStatus.CAPTURED, row.reference, row.at)
    made = yield from answered(shop, order, ((attempt.id, outcome),), by, told=True)
    if not made.events:
        return "it changes nothing"
    yield from discharge(shop, made.order, by, made=made)
    if row.fee:
        paid = Movement(
            row.kind, row.key, row.reference, row.amount, row.currency, row.at, order.id
        )
        yield from _fee(shop, gateway, paid, row.fee, by)
    return ""


def _refund(shop: Shop, gateway: str, order: Order, row: StatementRow, by: Actor) -> Flow[str]:
    if "#" not in row.key:
        return "the channel names no refund of ours"
    payments = order.payments
    name, place = payments.leg_of(row.key)
    leg = payments.refund(name).leg(place)
    if row.key != leg.key(name, place):
        return f"it goes as {leg.key(name, place)!r} since: that way was given up"
    if (leg.gateway or payments.attempt(leg.attempt).gateway) != gateway:
        return "the refund is over another gateway"
    asked = sum([payments.refund(n).leg(at).paid for n, at in as_one(payments, name, place)])
    if row.amount != asked:
        return f"{asked} was asked back"
    if leg.arrived:
        return "it has arrived before, under another transaction"
    arrived = RefundOutcome(RefundStatus.ARRIVED, row.reference, row.at)
    made = yield from record(shop, order, AnswerRefund(name, ((place, arrived),), (row.key,)), by)
    return "" if made.events else "it changes nothing"


def _fee_row(
    shop: Shop, gateway: str, attempt: Attempt, row: StatementRow, known: list[Movement], by: Actor
) -> Flow[str]:
    """A fee that has a row of its own: with those before it, it is not more than what was taken."""
    own = [m.amount for m in known if m.kind is row.kind and m.key == row.key]
    if abs(row.amount) > attempt.captured or abs(sum(own) + row.amount) > attempt.captured:
        return f"{attempt.captured} was taken, and its fees are at most that"
    told = Movement(row.kind, row.key, row.reference, row.amount, row.currency, row.at)
    yield from _fee(shop, gateway, told, row.amount, by)
    return ""


def _came_with_its_fee(shop: Shop, of: Movement) -> Flow[bool]:
    """Whether what the channel kept for a chargeback or a payout is noted, with it or by a letter of its own."""
    if of.kind not in {MovementKind.CHARGEBACK, MovementKind.PAYOUT}:
        return False
    order = yield from load(shop, order_of_key(of.key))
    if of.kind is MovementKind.CHARGEBACK:
        note = NoteChargeback(of.key, of.amount, 0, of.reference, of.at)
        return (yield from noted_before(shop, (yield from became(shop, order)), note)).fee
    for recorded in (yield from call(shop.store.journal, order.id)):
        event = recorded.event
        if isinstance(event, Remitted) and (event.attempt, event.reference) == (
            of.key,
            of.reference,
        ):
            return bool(event.fee)
    return False


def _fee(shop: Shop, gateway: str, of: Movement, amount: int, by: Actor) -> Flow[None]:
    """Book the fee of what moved, once: one transaction may move several times, each with a fee of its own."""
    if not of.key:
        raise InvalidInput("the channel names nothing of ours", path="key")
    order = yield from load(shop, order_of_key(of.key))
    command = NoteFee(gateway, amount, of.key, of.reference)
    moment = of.at.astimezone(UTC).isoformat()
    yield from _noted(shop, order, f"{gateway}:fee:{of.reference or of.key}@{moment}", command, by)


def _noted(shop: Shop, order: Order, name: str, command: Command, by: Actor) -> Flow[None]:
    """Book a fact once: its key is the channel's own name of it."""
    receipt = Receipt(
        order.shop, f"statement:{name}", type(command).__name__, digest(repr(command)), order.id
    )
    if not isinstance(command, NoteChargeback):
        yield from once(shop, order, receipt, by, lambda _: command)
    elif (yield from repeated(shop, receipt, by)) is None:
        yield from charged_back_once(shop, order, command, receipt, by)


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
