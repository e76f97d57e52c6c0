"""One account, and one charge's takes of its lots, inside a transaction; and the values that tell of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from ordercore.adapters.sql.accounts_schema import (
    SIDES,
    AccountRow,
    LotRow,
    MovementKind,
    Side,
    TakeRow,
)
from ordercore.adapters.sql.schema import NEVER
from ordercore.codec import moment
from ordercore.errors import StoreError
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.adapters.sql.accounts_schema import AccountStatements
    from ordercore.adapters.sql.connections import Cursor

__all__ = ["Lot", "Movement", "Purse", "SideTotal", "Statement", "Takes", "lot_of"]


@value
class Lot:
    """Units that came onto an account together. ``number`` is that of the movement that brought them.

    ``expires_at`` is when what is left of it lapses; after a return to a lot that had ended, when the
    grace does. ``None`` is never.
    """

    number: int
    granted: int
    remaining: int
    expires_at: datetime | None
    key: str


@value
class Movement:
    """Units that went from one side of an account to another: two entries that sum to zero.

    ``change`` is what it did to the account's balance, which was ``balance`` after it.
    """

    number: int
    kind: MovementKind
    units: int
    source: Side
    target: Side
    change: int
    balance: int
    key: str
    order_id: str
    reason: str
    at: datetime


@value
class Statement:
    """An account as it stands, and a page of its movements from the first on.

    ``balance`` is what its lots have left, also those that have ended and are not yet booked as lapsed;
    ``held`` is kept for charges beside that. ``lots`` are those with something left, the soonest end first.
    """

    account: str = attrs.field(repr=False)
    currency: str
    owner: str
    frozen: bool
    opened_at: datetime
    balance: int
    held: int
    lots: tuple[Lot, ...]
    movements: tuple[Movement, ...]


@value
class SideTotal:
    """What stands on one side of the ledger; the sides of a currency sum to zero."""

    side: Side
    currency: str
    units: int


class Purse:
    """One account in a transaction that holds its lock."""

    def __init__(
        self,
        cursor: Cursor,
        sql: AccountStatements,
        name: tuple[str, str],
        row: AccountRow,
        now: int,
    ) -> None:
        self._cursor = cursor
        self._sql = sql
        self._name = name  # the book, and the account
        self.row = row
        self.now = now

    def _rows(self, sql: str, *parameters: Any) -> list[Any]:
        self._cursor.execute(sql, (*self._name, *parameters))
        return self._cursor.fetchall()

    @property
    def balance(self) -> int:
        """What the lots have left, ended or not."""
        found: int = self._rows(self._sql.balance)[0][0]
        return found

    def lot(self, number: int) -> LotRow:
        """A lot as it now stands."""
        return LotRow(*self._rows(self._sql.lot, number)[0])

    def filled(self) -> list[LotRow]:
        """The lots with something left, the soonest end first."""
        return [LotRow(*row) for row in self._rows(self._sql.filled)]

    def move(
        self, kind: MovementKind, units: int, key: str, order_id: str = "", reason: str = ""
    ) -> int:
        """Write a movement and its two entries; its number."""
        number = self.row.moves + 1
        self._cursor.execute(self._sql.count, (number, *self._name, self.row.moves))
        self._met_nobody()
        self.row = self.row._replace(moves=number)
        move = (*self._name, number, kind.value, key, order_id, reason, self.now)
        self._cursor.execute(self._sql.add_move, move)
        source, target = SIDES[kind]
        self._cursor.executemany(
            self._sql.add_entry,
            [
                (*self._name, number, 0, source.value, -units),
                (*self._name, number, 1, target.value, units),
            ],
        )
        return number

    def add(
        self, kind: MovementKind, units: int, expires: int, key: str,
        order_id: str = "", reason: str = "",
    ) -> int:  # fmt: skip
        """A new lot; its number."""
        number = self.move(kind, units, key, order_id, reason)
        lot = (*self._name, number, key, units, units, expires, expires)
        self._cursor.execute(self._sql.add_lot, lot)
        return number

    def take(self, units: int) -> list[tuple[int, int]]:
        """Take of the lots that end first: how much of which, or nothing at all where it is not enough."""
        lots = [LotRow(*row) for row in self._rows(self._sql.usable, self.now)]
        if sum([lot.remaining for lot in lots]) < units:
            return []
        taken = []
        for lot in lots:
            part = min(units, lot.remaining)
            self._fill(lot, lot.remaining - part, lot.expires)
            taken.append((lot.lot, part))
            units -= part
            if not units:
                break
        return taken

    def give(self, number: int, units: int, grace: int) -> None:
        """Put units back into their lot. One whose term is over takes them for the grace.

        What it had left when it ended has lapsed, and does not come back to life with them.
        """
        lot = self.lot(number)
        remaining, expires = lot.remaining, lot.expires
        if lot.term <= self.now:
            if expires <= self.now:
                self.lapse(lot)
                remaining = 0
            lot = lot._replace(remaining=remaining)
            expires = max(expires, self.now + grace)
        self._fill(lot, remaining + units, expires)

    def lapse(self, lot: LotRow) -> None:
        """Book what a lot has left as lapsed."""
        if lot.remaining:
            self._fill(lot, 0, lot.expires)
            self.move(MovementKind.EXPIRED, lot.remaining, lot.key)

    def _fill(self, lot: LotRow, units: int, expires: int) -> None:
        row = (units, expires, *self._name, lot.lot, lot.remaining)
        self._cursor.execute(self._sql.fill, row)
        self._met_nobody()

    def _met_nobody(self) -> None:
        if self._cursor.rowcount != 1:
            raise StoreError("the account was changed meanwhile by a transaction that saw it too")


class Takes:
    """What one charge has taken of which lots, in the order of taking."""

    def __init__(self, cursor: Cursor, sql: AccountStatements, name: tuple[str, str]) -> None:
        self._cursor = cursor
        self._sql = sql
        self._name = name  # the book, and the charge's key
        cursor.execute(sql.takes, name)
        self._rows = [TakeRow(*row) for row in cursor.fetchall()]

    @property
    def held(self) -> int:
        """Units kept for captures to come."""
        return sum([take.held for take in self._rows])

    @property
    def spent(self) -> int:
        """Units with the shop."""
        return sum([take.spent for take in self._rows])

    def _set(self, at: int, held: int, spent: int, returned: int) -> None:
        take = self._rows[at]
        self._cursor.execute(self._sql.take, (held, spent, returned, *self._name, take.lot))
        self._rows[at] = TakeRow(take.lot, take.place, held, spent, returned)

    def capture(self, units: int) -> None:
        """Let the shop have what was held, of the lots first that were taken first."""
        for at, (_, _, held, spent, returned) in enumerate(self._rows):
            part = min(units, held)
            if part:
                self._set(at, held - part, spent + part, returned)
                units -= part

    def refund(self, purse: Purse, units: int, grace: int) -> None:
        """Give back what the shop has, to the lots first that end last."""
        ends = [purse.lot(take.lot).expires for take in self._rows]
        for at in sorted(range(len(ends)), key=lambda at: (ends[at], at), reverse=True):
            lot, _, held, spent, returned = self._rows[at]
            part = min(units, spent)
            if part:
                purse.give(lot, part, grace)
                self._set(at, held, spent - part, returned + part)
                units -= part

    def free(self, purse: Purse, grace: int) -> int:
        """Let go of all that is held; how much it was."""
        freed = self.held
        for at, (lot, _, held, spent, returned) in enumerate(self._rows):
            if held:
                purse.give(lot, held, grace)
                self._set(at, 0, spent, returned + held)
        return freed


def lot_of(row: LotRow) -> Lot:
    """A lot as it is told."""
    expires = None if row.expires == NEVER else moment(row.expires)
    return Lot(row.lot, row.granted, row.remaining, expires, row.key)
