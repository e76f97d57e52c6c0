"""Accounts in a SQL database as the host keeps them: opening, granting, freezing, sweeping, telling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.adapters.sql.accounts_purse import Lot, Movement, Purse, SideTotal, Statement, lot_of
from ordercore.adapters.sql.accounts_schema import (
    ACCOUNT_SCHEMA,
    SIDES,
    AccountRow,
    LotRow,
    MovementKind,
    RequestRow,
    Side,
    prepared,
)
from ordercore.adapters.sql.schema import NEVER
from ordercore.adapters.sql.store import SqlStore
from ordercore.clock import utc
from ordercore.codec import micros, moment
from ordercore.errors import AmountTooLarge, InvalidInput, KeyReused, NewerDocument, NotFound
from ordercore.money import MINOR_MAX, exponent
from ordercore.tender import RefundStatus, TenderKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from ordercore.adapters.sql.connections import Cursor
    from ordercore.clock import Clock

__all__ = ["AccountBook"]

LIMIT_MAX = 10_000
"""Most movements of one page, and most lots of one sweep."""
_KINDS = frozenset({TenderKind.POINTS, TenderKind.BALANCE, TenderKind.STORED_VALUE})
_META = "accounts_schema"


class AccountBook:
    """The accounts of one name, with all that is not asked through a gateway."""

    def __init__(
        self,
        where: SqlStore | str,
        kind: TenderKind,
        name: str,
        clock: Clock,
        prefix: str,
        *,
        create: bool,
    ) -> None:
        if kind not in _KINDS:
            raise InvalidInput("accounts keep points, balances or stored-value cards", path="kind")
        _named(name, "name")
        self.name = name
        self.kind = kind
        self._clock = clock
        self._prefix = prefix
        self._owns = isinstance(where, str)
        self._store = (
            SqlStore(where, prefix=prefix, create=False) if isinstance(where, str) else where
        )
        self._link = self._store._link  # noqa: SLF001 - one package, one connection
        self._sql = prepared(prefix, self._link.dialect)
        self._read, self._write = self._store._read, self._store._write  # noqa: SLF001
        self._tables = self._store._sql  # noqa: SLF001
        makes = create if self._owns else self._store._creates and not self._store.joined  # noqa: SLF001
        try:
            if makes:
                self.create()
            else:
                self._store._peek(self._look)  # noqa: SLF001 - no tables yet: whoever uses them is told
        except BaseException:
            self.shut()
            raise

    def __repr__(self) -> str:
        return f"<SqlAccounts {self.name} in {self._store!r}>"

    def shut(self) -> None:
        """Close the connections, if they were opened here and are not a store's."""
        if self._owns:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shut()

    # Tables.

    def create(self) -> None:
        """Make the tables that are not there; raises `NewerDocument` for those of a later version."""
        if not self._store._peek(self._look):  # noqa: SLF001 - no lock where there is nothing to make
            if self._owns:
                self._link.settle()
            self._write(self._create, None)

    def _create(self, cursor: Cursor, _: None) -> None:
        self._link.lock(cursor, ("ordercore",))
        cursor.execute(self._tables.create_meta)
        if self._look(cursor):
            return  # somebody else was first
        cursor.execute(self._tables.insert_meta, (_META, ACCOUNT_SCHEMA))
        for statement in self._sql.create:
            cursor.execute(statement)

    def _look(self, cursor: Cursor) -> bool:
        cursor.execute(self._tables.meta, (_META,))
        rows = cursor.fetchall()
        if rows and rows[0][0] > ACCOUNT_SCHEMA:
            found = rows[0][0]
            reason = f"the accounts have schema {found}; this version knows up to {ACCOUNT_SCHEMA}"
            raise NewerDocument(reason, path=f"meta.{_META}", found=found, known=ACCOUNT_SCHEMA)
        return bool(rows)

    # What a transaction begins with.

    def _lock(self, cursor: Cursor, keys: Iterable[str]) -> None:
        """Let nobody else in under these keys until the transaction ends: before any account."""
        self._link.lock(cursor, [f"{self._prefix}key:{self.name}:{key}" for key in set(keys)])

    def _purse(self, cursor: Cursor, account: str) -> Purse | None:
        """Lock an account, and read it; ``None`` for one that was never opened."""
        self._link.lock(cursor, (f"{self._prefix}account:{self.name}:{account}",))
        rows = self._rows(cursor, self._sql.account, account)
        if not rows:
            return None
        now = micros(self._clock.now())
        return Purse(cursor, self._sql, (self.name, account), AccountRow(*rows[0]), now)

    def _rows(self, cursor: Cursor, sql: str, *parameters: Any) -> list[Any]:
        cursor.execute(sql, (self.name, *parameters))
        return cursor.fetchall()

    def _request(self, cursor: Cursor, key: str) -> RequestRow | None:
        rows = self._rows(cursor, self._sql.request, key)
        return RequestRow(*rows[0]) if rows else None

    # The host's side: accounts and what comes onto them.

    def open(self, account: str, currency: str = "", owner: str = "") -> None:
        """Open an account; the same again is the same. ``owner`` is the customer's id, empty for a bearer.

        Only points may do without a currency. Raises `InvalidInput` for an account that was opened otherwise.
        """
        _named(account, "account")
        if currency or self.kind is not TenderKind.POINTS:
            exponent(currency)
        self._write(self._open, (account, currency, owner))

    def _open(self, cursor: Cursor, what: tuple[str, str, str]) -> None:
        account, currency, owner = what
        purse = self._purse(cursor, account)
        if purse is None:
            now = micros(self._clock.now())
            cursor.execute(self._sql.open, (self.name, account, currency, owner, 0, now, 0))
        elif (purse.row.currency, purse.row.owner) != (currency, owner):
            reason = "the account was opened in another currency or for another owner"
            raise InvalidInput(reason, path="account")

    def grant(
        self,
        account: str,
        units: int,
        expires_at: datetime | None = None,
        *,
        key: str,
        reason: str = "",
    ) -> Lot:
        """Put a lot of points or minor units on an account, until a moment or for ever; once for a key.

        Asked again it answers with the lot as it now stands. Raises `NotFound` for an account that was not
        opened, `KeyReused` for a key that stands for something else, `InvalidInput` for no units or an end
        that has passed, `AmountTooLarge` for more than an account may hold.
        """
        _named(key, "key")
        if type(units) is not int or units < 1:
            raise InvalidInput(f"a lot has at least one whole unit, not {units!r}", path="units")
        expires = NEVER if expires_at is None else micros(utc(expires_at, "expires_at"))
        return lot_of(self._write(self._grant, (account, units, expires, key, reason)))

    def _grant(self, cursor: Cursor, what: tuple[str, int, int, str, str]) -> LotRow:
        account, units, expires, key, reason = what
        self._lock(cursor, (key,))
        known, purse = self._request(cursor, key), self._purse(cursor, account)
        if purse is None:
            raise NotFound("no such account was opened", path="account")
        kind = MovementKind.GRANTED
        if known is not None:
            if known[:6] != (kind.value, account, "", units, units, expires):
                raise KeyReused("the key stands for another grant", path="key", key=key)
            return purse.lot(known.lot)
        if expires <= purse.now:
            raise InvalidInput("the lot would be over before it begins", path="expires_at")
        if purse.balance + units > MINOR_MAX:
            reason = "an account holds no more than the library stores exactly"
            raise AmountTooLarge(reason, path="units", most=MINOR_MAX)
        number = purse.add(kind, units, expires, key, reason=reason)
        row = RequestRow(
            kind.value, account, "", units, units, expires, RefundStatus.ARRIVED.value,
            reason, purse.now, number,
        )  # fmt: skip
        cursor.execute(self._sql.add_request, (self.name, key, *row))
        return purse.lot(number)

    def freeze(self, account: str) -> None:
        """Charge an account no more until `unfreeze`; what is held stays held, and money still comes in.

        Raises `NotFound` for an account that was not opened.
        """
        self._write(self._freeze, (account, 1))

    def unfreeze(self, account: str) -> None:
        """Charge a frozen account again; raises `NotFound` for one that was not opened."""
        self._write(self._freeze, (account, 0))

    def _freeze(self, cursor: Cursor, what: tuple[str, int]) -> None:
        account, frozen = what
        cursor.execute(self._sql.freeze, (frozen, self.name, account))
        if not cursor.rowcount:
            raise NotFound("no such account was opened", path="account")

    def expire(self, now: datetime, limit: int = 1_000) -> int:
        """Book what lots have left that ended by ``now`` as lapsed, the longest past first; how many lots.

        A lot that has ended pays for nothing, booked or not. Each account is a transaction of its own, so
        a sweep that breaks off has done what it did. Asked until it answers 0 it has booked all.
        """
        _limited(limit)
        due: dict[str, list[int]] = {}
        until = micros(utc(now, "now"))
        for account, lot in self._read(self._sql.due, (self.name, until, limit)):
            due.setdefault(account, []).append(lot)
        return sum(
            [self._write(self._expire, (account, lots, until)) for account, lots in due.items()]
        )

    def _expire(self, cursor: Cursor, what: tuple[str, list[int], int]) -> int:
        account, numbers, until = what
        purse = self._purse(cursor, account)
        assert purse is not None, "a lot has an account"
        lots = [lot for lot in map(purse.lot, numbers) if lot.remaining and lot.expires <= until]
        for lot in lots:
            purse.lapse(lot)
        return len(lots)

    def statement(self, account: str, *, after: int = 0, limit: int = 1_000) -> Statement:
        """An account as it stands, and its movements from the one behind number ``after`` on.

        Raises `NotFound` for an account that was not opened.
        """
        _limited(limit)
        return self._write(self._statement, (account, after, limit))

    def _statement(self, cursor: Cursor, what: tuple[str, int, int]) -> Statement:
        account, after, limit = what
        purse = self._purse(cursor, account)
        if purse is None:
            raise NotFound("no such account was opened", path="account")

        def side(which: Side, upto: int) -> int:
            found: int = self._rows(cursor, self._sql.side, account, which.value, upto)[0][0]
            return found

        balance = side(Side.ACCOUNT, after)
        movements = []
        for number, name, key, order_id, reason, at, units in self._rows(
            cursor, self._sql.moves, account, after, limit
        ):
            kind = MovementKind(name)
            source, target = SIDES[kind]
            change = units * ((target is Side.ACCOUNT) - (source is Side.ACCOUNT))
            balance += change
            movements.append(
                Movement(
                    number, kind, units, source, target, change, balance, key, order_id, reason,
                    moment(at),
                )
            )  # fmt: skip
        row = purse.row
        return Statement(
            account, row.currency, row.owner, bool(row.frozen), moment(row.opened),
            purse.balance, side(Side.HELD, NEVER), tuple([lot_of(lot) for lot in purse.filled()]),
            tuple(movements),
        )  # fmt: skip

    def trial_balance(self, account: str | None = None) -> tuple[SideTotal, ...]:
        """What stands on each side of the ledger, of one account or of all; each currency sums to zero."""
        if account is None:
            rows = self._read(self._sql.trial, (self.name,))
        else:
            rows = self._read(self._sql.trial_of, (self.name, account))
        return tuple([SideTotal(Side(side), currency, units) for side, currency, units in rows])


def _named(text: str, path: str) -> None:
    if not isinstance(text, str) or not text:
        raise InvalidInput("a name is a text that is not empty", path=path)


def _limited(limit: int) -> None:
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"from 1 to {LIMIT_MAX}, not {limit}", path="limit")
