"""Comparing what we booked with what a channel says it moved.

A channel's statement has a row for each payment, refund, chargeback and fee of one of its days. Rows are matched
by the channel's own transaction id, then by our key (the id of an attempt, of a leg of a refund), never by amount:
two customers pay 19.99 every minute. What moved in several parts under one transaction id is added up.

A channel's day has its own zone and its own cut-off. A payment close to it may stand in our books on one day and
in the channel's on the next: such a difference is *in transit*, and closes by itself with the next statement.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "Difference",
    "Movement",
    "MovementKind",
    "ReconciliationClass",
    "ReconciliationReport",
    "ReconciliationSum",
    "StatementPeriod",
    "StatementRow",
    "reconcile",
]


class MovementKind(enum.Enum):
    """What moved."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    PAYMENT = "payment"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    FEE = "fee"
    PAYOUT = "payout"
    """The channel (or a courier) paid out what it held for us."""


class ReconciliationClass(enum.Enum):
    """How a row of a statement and our books stand to each other."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    MATCHED = "matched"
    MISSING_HERE = "missing_here"
    """The channel has a payment that we do not know as taken."""
    MISSING_THERE = "missing_there"
    """We booked money that the channel does not tell of."""
    WRONG_AMOUNT = "wrong_amount"
    WRONG_CURRENCY = "wrong_currency"
    DUPLICATE = "duplicate"
    """The channel tells the same transaction twice, or took two under one key of ours."""
    IN_TRANSIT = "in_transit"
    """Near the cut-off: it stands in another of the two's days."""
    STATUS_DIFFERS = "status_differs"
    """The channel says that it failed or is pending, and we booked it."""
    FEE = "fee"
    """What the channel keeps for itself, not booked here."""
    REFUND = "refund"
    """Money that the channel gave back and we did not ask for: a refund by hand in its console."""
    CHARGEBACK = "chargeback"
    """Money that a payer's bank took back, not booked here."""
    PAYOUT = "payout"
    """What the channel paid out, not booked here."""


@value
class Movement:
    """Money that moved by our books, in minor units above zero. ``at`` is the channel's time where it was told."""

    kind: MovementKind
    key: str
    reference: str
    amount: int
    currency: str
    at: datetime
    order: str = ""


@value
class StatementRow:
    """A row of a channel's statement, in minor units above zero; a fee that is given back is below.

    ``reference`` is the channel's transaction id, ``key`` what we called it, empty where the statement does not
    tell. ``fee`` is what the channel kept of this very row. ``done``: it moved; a statement may also tell of
    what failed or is pending. ``row`` is its place in the statement, from 1.
    """

    kind: MovementKind
    reference: str
    key: str
    amount: int
    currency: str
    at: datetime
    fee: int = 0
    done: bool = True
    row: int = 0


@value
class StatementPeriod:
    """The time that a statement is about: from ``start`` to before ``end``. ``slack`` around both is where
    things may stand on the other day: an hour by default."""

    start: datetime
    end: datetime
    slack: timedelta = timedelta(hours=1)

    def check(self) -> None:
        """Raise `InvalidInput` for a period that has no length, or a slack below nothing."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise InvalidInput("moments have a zone", path="period")
        if self.end <= self.start:
            raise InvalidInput("it ends after it starts", path="period.end")
        if self.slack < timedelta(0):
            raise InvalidInput("it is not negative", path="period.slack")


@value
class Difference:
    """What does not agree: the class, our side, the channel's, and the difference as theirs less ours."""

    kind: ReconciliationClass
    ours: Movement | None
    theirs: StatementRow | None
    amount: int
    currency: str


@value
class ReconciliationSum:
    """How many rows of one class and currency, what they add up to on our side and on the channel's."""

    kind: ReconciliationClass
    currency: str
    count: int
    ours: int
    theirs: int


@value
class ReconciliationReport:
    """Counts and sums by class and currency, and every difference; what agrees is only counted.

    Amounts of refunds and chargebacks, fees and payouts count below zero: they leave the channel.
    ``charged`` are what the channel kept of rows that agree: our movement, and the fee in minor units.
    """

    sums: tuple[ReconciliationSum, ...]
    differences: tuple[Difference, ...]
    charged: tuple[tuple[Movement, int], ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether nothing differs but what is in transit, and fees that are not booked yet."""
        fine = (ReconciliationClass.IN_TRANSIT, ReconciliationClass.FEE, ReconciliationClass.PAYOUT)
        return all([difference.kind in fine for difference in self.differences])

    def count(self, kind: ReconciliationClass) -> int:
        """How many rows are of a class, in all currencies."""
        return sum([found.count for found in self.sums if found.kind is kind])


_C = ReconciliationClass
_K = MovementKind
_UNBOOKED: dict[MovementKind, ReconciliationClass] = {
    _K.PAYMENT: _C.MISSING_HERE,
    _K.REFUND: _C.REFUND,
    _K.CHARGEBACK: _C.CHARGEBACK,
    _K.FEE: _C.FEE,
    _K.PAYOUT: _C.PAYOUT,
}


class _Ours:
    """One transaction of our books: movements under one reference, or one key, added up."""

    __slots__ = ("amount", "failed", "first", "seen")

    def __init__(self, first: Movement) -> None:
        self.first = first
        self.amount = first.amount
        self.seen = False
        self.failed: StatementRow | None = None


class _Books:
    """Our movements by the channel's id and by our key."""

    def __init__(self, movements: Iterable[Movement]) -> None:
        self.all: list[_Ours] = []
        # a dict for each kind: a million pairs as keys would cost as much memory again
        self._references: dict[MovementKind, dict[str, _Ours]] = {kind: {} for kind in _K}
        self._keys: dict[MovementKind, dict[str, _Ours]] = {kind: {} for kind in _K}
        for movement in movements:
            self._add(movement)

    def _add(self, movement: Movement) -> None:
        references, keys = self._references[movement.kind], self._keys[movement.kind]
        known = references.get(movement.reference) if movement.reference else None
        if known is None and not movement.reference and movement.key:
            known = keys.get(movement.key)
        if known is not None and known.first.currency == movement.currency:
            known.amount += movement.amount
            if movement.key:
                keys.setdefault(movement.key, known)
            return
        found = _Ours(movement)
        self.all.append(found)
        if movement.reference:
            references[movement.reference] = found
        if movement.key:
            keys.setdefault(movement.key, found)

    def find(self, row: StatementRow) -> _Ours | None:
        """By the channel's transaction id, then by our key."""
        found = self._references[row.kind].get(row.reference) if row.reference else None
        if found is None and row.key:
            found = self._keys[row.kind].get(row.key)
        return found


class _Report:
    """Sums and differences in the making."""

    def __init__(self) -> None:
        self.sums: dict[tuple[ReconciliationClass, str], list[int]] = {}
        self.differences: list[Difference] = []
        self.charged: list[tuple[Movement, int]] = []

    def tell(
        self, kind: ReconciliationClass, ours: _Ours | None, theirs: StatementRow | None
    ) -> None:
        """Count a row, and keep it where it does not agree."""
        currency = theirs.currency if theirs is not None else ours.first.currency if ours else ""
        mine = 0 if ours is None else _signed(ours.first.kind, ours.amount)
        told = 0 if theirs is None else _signed(theirs.kind, theirs.amount)
        sums = self.sums.setdefault((kind, currency), [0, 0, 0])
        sums[0] += 1
        sums[1] += mine
        sums[2] += told
        if kind is not _C.MATCHED:
            first = None if ours is None else _whole(ours)
            self.differences.append(Difference(kind, first, theirs, told - mine, currency))

    def made(self) -> ReconciliationReport:
        """The report, classes in the order in which they are declared."""
        order = {kind: place for place, kind in enumerate(ReconciliationClass)}
        sums = sorted(self.sums.items(), key=lambda item: (order[item[0][0]], item[0][1]))
        return ReconciliationReport(
            tuple([ReconciliationSum(kind, cur, *figures) for (kind, cur), figures in sums]),
            tuple(self.differences),
            tuple(self.charged),
        )


def _signed(kind: MovementKind, amount: int) -> int:
    return amount if kind is _K.PAYMENT else -amount


def _whole(ours: _Ours) -> Movement:
    first = ours.first
    if ours.amount == first.amount:
        return first
    return Movement(
        first.kind, first.key, first.reference, ours.amount, first.currency, first.at, first.order
    )


def reconcile(
    movements: Iterable[Movement], rows: Iterable[StatementRow], period: StatementPeriod
) -> ReconciliationReport:
    """Compare our movements with the rows of a statement about a period.

    ``movements`` should reach beyond the period by its slack on both sides. Nothing is looked up by amount.
    Memory grows with our movements and the differences; rows are read once, one at a time.
    """
    period.check()
    books = _Books(movements)
    report = _Report()
    for row in rows:
        _compare(report, books, row, period)
    for ours in _unseen(books, period):
        if ours.failed is not None:
            report.tell(_C.STATUS_DIFFERS, ours, ours.failed)
            continue
        near = period.end - ours.first.at <= period.slack
        report.tell(_C.IN_TRANSIT if near else _C.MISSING_THERE, ours, None)
    return report.made()


def _compare(report: _Report, books: _Books, row: StatementRow, period: StatementPeriod) -> None:
    ours = books.find(row)
    if ours is None:
        if row.done:
            report.tell(_UNBOOKED[row.kind], None, row)
        return
    if not row.done:
        ours.failed = row  # a later row may say that it came about
        return
    if ours.seen:
        report.tell(_C.DUPLICATE, None, row)
        return
    ours.seen = True
    if row.currency != ours.first.currency:
        report.tell(_C.WRONG_CURRENCY, ours, row)
    elif row.amount != ours.amount:
        report.tell(_C.WRONG_AMOUNT, ours, row)
    elif period.start <= ours.first.at < period.end:
        report.tell(_C.MATCHED, ours, row)
    else:
        report.tell(_C.IN_TRANSIT, ours, row)
    if row.fee and row.currency == ours.first.currency and row.amount == ours.amount:
        report.charged.append((ours.first, row.fee))


def _unseen(books: _Books, period: StatementPeriod) -> Iterator[_Ours]:
    """Our movements of the period that no row spoke of. What lies just before it stands in the statement before."""
    for ours in books.all:
        if not ours.seen and period.start <= ours.first.at < period.end:
            yield ours
