"""Comparing what we booked with what a channel says it moved.

A channel's statement has a row for each payment, refund, chargeback and fee of one of its days. Rows are matched
by the channel's own transaction id, then by our key (the id of an attempt, of a leg of a refund), never by amount:
two customers pay 19.99 every minute. What moved in several parts under one transaction id is added up, on either
side; the very same row again (amount, time and fee) is told twice.

A channel's day has its own zone and its own cut-off. A payment close to it may stand in our books on one day and
in the channel's on the next: such a difference is *in transit*, and closes by itself with the next statement.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable as _Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


_SLACK_MAX = timedelta(days=31)


def _timed(at: object) -> bool:
    """Whether it is a moment, and far enough from the ends of the calendar to be told in any zone."""
    return isinstance(at, datetime) and at.tzinfo is not None and 1 < at.year < 9_999


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
    OUT_OF_PERIOD = "out_of_period"
    """The channel tells of another time than was asked about, and our books were not read so far."""
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
    """A row of a channel's statement, in minor units above zero.

    Below zero are fees that are given back, and chargebacks and payouts that are taken back.

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

    def check(self) -> None:
        """Raise `InvalidInput` for what cannot be kept: half a cent, a time without a zone, a negative payment."""
        texts = type(self.reference) is type(self.key) is type(self.currency) is str
        if type(self.kind) is not MovementKind or not texts:
            raise InvalidInput("a row has a kind, and texts", path="row")
        if not type(self.amount) is type(self.fee) is type(self.row) is int:
            raise InvalidInput("amounts are whole minor units", path="row.amount")
        if self.amount < 0 and (
            self.kind is MovementKind.PAYMENT or self.kind is MovementKind.REFUND
        ):
            raise InvalidInput("payments and refunds are above zero", path="row.amount")
        if not _timed(self.at):
            raise InvalidInput("a moment has a zone", path="row.at")


@value
class StatementPeriod:
    """The time that a statement is about: from ``start`` to before ``end``. ``slack`` around both is where
    things may stand on the other day: an hour by default."""

    start: datetime
    end: datetime
    slack: timedelta = timedelta(hours=1)

    def check(self) -> None:
        """Raise `InvalidInput` for a period that has no length, or a slack below nothing."""
        if not _timed(self.start) or not _timed(self.end):
            raise InvalidInput("moments have a zone", path="period")
        if not isinstance(self.slack, timedelta) or self.slack > _SLACK_MAX:
            raise InvalidInput(f"it is a time of at most {_SLACK_MAX}", path="period.slack")
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

_MANY = frozenset({_K.FEE, _K.CHARGEBACK, _K.PAYOUT})


class _Ours:
    """One transaction of our books: movements under one reference, or one key, added up."""

    __slots__ = ("amount", "failed", "first", "more", "rows", "seen")

    def __init__(self, first: Movement) -> None:
        self.first = first
        self.amount = first.amount
        self.more: list[Movement] | None = None
        """The other parts of it."""
        self.rows: list[StatementRow] | None = None
        """Rows that are not, each for itself, all of it: compared when all are read."""
        self.seen = False
        self.failed: StatementRow | None = None

    def add(self, movement: Movement) -> None:
        """One more part of it."""
        self.amount += movement.amount
        if self.more is None:
            self.more = [movement]
        else:
            self.more.append(movement)

    @property
    def parts(self) -> list[Movement]:
        """All that moved under it."""
        return [self.first] if self.more is None else [self.first, *self.more]


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
            known.add(movement)
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
        """By the channel's transaction id, then by our key.

        One charge has many fees, chargebacks and payouts: two of them with ids of their own are two.
        """
        found = self._references[row.kind].get(row.reference) if row.reference else None
        if found is None and row.key:
            found = self._keys[row.kind].get(row.key)
            if found is not None and row.kind in _MANY and row.reference and found.first.reference:
                return None
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
    A fee has no time of its own: one of ours that no row tells stood in another statement, and is passed over.
    Memory grows with our movements and the differences; rows are read once, one at a time.
    Raises `InvalidInput` for a row or a period that cannot be.
    """
    checked(rows, period)
    books = _Books(movements)
    report = _Report()
    unknown: dict[tuple[MovementKind, str, str], list[StatementRow]] = {}
    for row in rows:
        if type(row) is not StatementRow:
            raise InvalidInput(f"a {type(row).__name__} is no row of a statement", path="rows")
        row.check()
        ours = books.find(row)
        if ours is not None:
            _compare(report, ours, row, period)
        elif row.done:
            _not_ours(report, unknown, row, period)
    for told in unknown.values():
        _tell_unknown(report, told)
    for ours in books.all:
        if ours.rows is not None:
            _settle(report, ours, ours.rows, period)
        elif not ours.seen:
            _missing(report, ours, period)
    return report.made()


def checked(rows: object, period: object) -> None:
    """Raise `InvalidInput` for what is no period, or nothing that rows come from."""
    if type(period) is not StatementPeriod:
        raise InvalidInput("it is a StatementPeriod", path="period")
    period.check()
    if not isinstance(rows, _Iterable):
        raise InvalidInput("rows of a statement, one after the other", path="rows")


def _compare(report: _Report, ours: _Ours, row: StatementRow, period: StatementPeriod) -> None:
    """What a row that is found in our books says, as far as it can be said before all are read."""
    if not row.done:
        ours.failed = row  # a later row may say that it came about
        return
    if ours.seen:
        report.tell(_C.DUPLICATE, None, row)
    elif row.currency != ours.first.currency:
        ours.seen = ours.rows is None
        report.tell(_C.WRONG_CURRENCY, ours if ours.seen else None, row)
    elif ours.rows is not None:
        ours.rows.append(row)
    elif ours.more is not None or row.amount != ours.amount:
        ours.rows = [row]
    else:
        ours.seen = True
        _agrees(report, ours, row, period)
        if row.fee:
            report.charged.append((ours.first, row.fee))


def _agrees(report: _Report, ours: _Ours, row: StatementRow, period: StatementPeriod) -> None:
    fee = row.kind is _K.FEE
    inside = fee or period.start <= ours.first.at < period.end
    report.tell(_C.MATCHED if inside else _C.IN_TRANSIT, ours, row)


# Parts -----------------------------------------------------------------------------------------


def _settle(
    report: _Report, ours: _Ours, rows: list[StatementRow], period: StatementPeriod
) -> None:
    """Several rows, or several movements of ours, under one transaction: their sums are compared."""
    named = [row for row in rows if row.reference == ours.first.reference]
    of = (named or rows)[0].reference
    rows, others = _split(rows, lambda row: row.reference == of)
    for row in others:  # another transaction under the same key of ours
        report.tell(_C.DUPLICATE, None, row)
    chosen = _chosen(ours, rows, period)
    if chosen is None:
        once, again = _once(rows)
        chosen = _chosen(ours, once, period)
        whole = [row for row in once if row.amount == ours.amount]
        if chosen is None and whole:
            once, again = whole[:1], [row for row in rows if row is not whole[0]]
            chosen = ours.parts
        rows = once
        for row in again:
            report.tell(_C.DUPLICATE, None, row)
    if chosen is None:
        report.tell(_C.WRONG_AMOUNT, ours, _added(rows))
        return
    rest = [part for part in ours.parts if not any([part is other for other in chosen])]
    told = _together(chosen)
    _agrees(report, told, _added(rows), period)
    if rest:
        _missing(report, _together(rest), period)
    for row in rows:
        if row.fee:
            part = next((part for part in chosen if part.amount == row.amount), chosen[0])
            report.charged.append((part, row.fee))
            if len(chosen) > 1:
                chosen = [other for other in chosen if other is not part]


def _chosen(
    ours: _Ours, rows: list[StatementRow], period: StatementPeriod
) -> list[Movement] | None:
    """Our parts that rows add up to: all, or those of the period, or those before its cut-off comes near."""
    told = sum([row.amount for row in rows])
    if told == ours.amount:
        return ours.parts
    inside = [part for part in ours.parts if period.start <= part.at < period.end]
    clear = [part for part in inside if period.end - part.at > period.slack]
    for parts in (inside, clear):
        if parts and told == sum([part.amount for part in parts]):
            return parts
    return None


def _together(parts: list[Movement]) -> _Ours:
    found = _Ours(parts[0])
    for part in parts[1:]:
        found.add(part)
    return found


def _split(
    rows: list[StatementRow], meant: Callable[[StatementRow], bool]
) -> tuple[list[StatementRow], list[StatementRow]]:
    return [row for row in rows if meant(row)], [row for row in rows if not meant(row)]


def _once(rows: list[StatementRow]) -> tuple[list[StatementRow], list[StatementRow]]:
    """Each row once, and those that were told before in the very same words."""
    first: dict[tuple[int, datetime, int], StatementRow] = {}
    for row in rows:
        first.setdefault((row.amount, row.at, row.fee), row)
    return _split(rows, lambda row: first[row.amount, row.at, row.fee] is row)


def _added(rows: list[StatementRow]) -> StatementRow:
    """Rows of one transaction as one."""
    first = rows[0]
    if len(rows) == 1:
        return first
    return StatementRow(
        first.kind, first.reference, first.key, sum([row.amount for row in rows]), first.currency,
        first.at, sum([row.fee for row in rows]), first.done, first.row,
    )  # fmt: skip


# One side only ---------------------------------------------------------------------------------


def _not_ours(
    report: _Report,
    unknown: dict[tuple[MovementKind, str, str], list[StatementRow]],
    row: StatementRow,
    period: StatementPeriod,
) -> None:
    """A row that our books do not know: kept until all of its transaction are read."""
    if not period.start - period.slack <= row.at < period.end + period.slack:
        report.tell(_C.OUT_OF_PERIOD, None, row)
        return
    name = row.reference or row.key
    if not name:
        report.tell(_UNBOOKED[row.kind], None, row)
        return
    unknown.setdefault((row.kind, name, row.currency), []).append(row)


def _tell_unknown(report: _Report, rows: list[StatementRow]) -> None:
    if len(rows) == 1:
        report.tell(_UNBOOKED[rows[0].kind], None, rows[0])
        return
    rows, again = _once(rows)
    parts, others = _split(rows, lambda row: (row.reference, row.key) == _name(rows[0]))
    report.tell(_UNBOOKED[rows[0].kind], None, _added(parts))
    for row in others:
        report.tell(_UNBOOKED[row.kind], None, row)
    for row in again:
        report.tell(_C.DUPLICATE, None, row)


def _name(row: StatementRow) -> tuple[str, str]:
    return row.reference, row.key


def _missing(report: _Report, ours: _Ours, period: StatementPeriod) -> None:
    """Ours that no row spoke of. What lies just before the period stands in the statement before."""
    first = ours.first
    if first.kind is _K.FEE or not period.start <= first.at < period.end:
        return
    if ours.failed is not None:
        report.tell(_C.STATUS_DIFFERS, ours, ours.failed)
        return
    near = period.end - first.at <= period.slack
    report.tell(_C.IN_TRANSIT if near else _C.MISSING_THERE, ours, None)
