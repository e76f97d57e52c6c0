"""Orders in a SQL database.

Theory of operation. What was agreed is written once, as the order's first event; the order's own
row holds what moves. A change is one transaction: the order's row is inserted, or updated
where its version is still the one that was decided upon, and its events, timers, entries and receipt
are written beside it, each table in one go for all changes of a commit.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from ordercore.adapters.sql.connections import Joined, Own
from ordercore.adapters.sql.recent import Recent
from ordercore.adapters.sql.rows import (
    Batch,
    balance_of,
    content_of,
    recorded_of,
    state_of,
    timer_of,
)
from ordercore.adapters.sql.schema import SCHEMA, FindShape, NumberMatch, Statements, Tables
from ordercore.change import Receipt
from ordercore.codec import micros
from ordercore.errors import InvalidInput, KeyReused, NewerDocument, Refused, Stale, StoreError
from ordercore.ports import Opened, OutboxItem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from types import TracebackType
    from typing import Self

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import Dialect

    from ordercore.adapters.sql.connections import Cursor, Link, Synchronous
    from ordercore.adapters.sql.rows import Row
    from ordercore.change import Change, Recorded
    from ordercore.ledger import Balance
    from ordercore.order import Order
    from ordercore.ports import OrderQuery
    from ordercore.timeout import Timer

__all__ = ["SqlStore"]

FIND_MAX = 500
"""Most orders of one answer."""
LIMIT_MAX = 10_000
"""Most timers or events at once."""
STATES_MAX = 100
"""Most states that one search names."""
BLOCK = 50
"""Numbers taken from the table at once; what is left of them is skipped at a restart."""
_SEQUENCES_KEPT = 1_000
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,30}")

T = TypeVar("T")


class _Missed(Exception):
    """An order's row was not as the change expected it."""


@lru_cache(16)
def _prepared(prefix: str) -> Statements:
    return Statements(Tables(prefix), sqlite.dialect())


class SqlStore:
    """The order store on SQLite. It may be used from several threads.

    ``SqlStore("sqlite:///orders.db")`` opens a file, ``sqlite://`` lives in memory; the tables are
    made if they are not there. With ``synchronous="NORMAL"`` a commit does not wait for the disk and
    a power cut may lose the last ones; money asks for ``FULL``, the default.
    `StoreError` is raised for whatever the database refuses; then nothing was written.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "ordercore_",
        synchronous: Synchronous = "FULL",
        create: bool = True,
    ) -> None:
        own = Own(url, synchronous)
        self._bind(own, prefix, own.engine.dialect)
        try:
            if create:
                self.create()
            else:
                self._check_schema()
        except BaseException:
            own.close()
            raise

    @classmethod
    def on(cls, connection: Connection, *, prefix: str = "ordercore_") -> SqlStore:
        """A store inside the host's open transaction: it writes there and commits nothing.

        For one thread, while the transaction is open; `create` makes the tables in it.
        Raises `InvalidInput` where no transaction is open.
        """
        self = cls.__new__(cls)
        self._bind(Joined(connection), prefix, connection.dialect)
        self._check_schema()
        return self

    def _bind(self, link: Link, prefix: str, dialect: Dialect) -> None:
        if not _PREFIX.fullmatch(prefix):
            reason = f"{prefix!r} is not a prefix: small letters, digits and _, at most 31"
            raise InvalidInput(reason, path="prefix")
        driver = dialect.loaded_dbapi
        self._sql = _prepared(prefix)
        self._errors = (driver.Error, SQLAlchemyError, UnicodeError)
        self._taken: type[Exception] = driver.IntegrityError
        self._link = link
        self._recent = Recent()
        self._numbers: dict[str, tuple[int, int]] = {}
        self._numbering = threading.Lock()

    @property
    def joined(self) -> bool:
        """Whether it writes in the host's transaction."""
        return self._link.joined

    def close(self) -> None:
        """Close the store's own connections; a host's connection stays open."""
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # The two ways in: a look, and a transaction.

    def _read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        link = self._link
        try:
            cursor = link.take(writing=False)
            try:
                cursor.execute(sql, parameters)
                return cursor.fetchall()
            finally:
                link.give(cursor, writing=False)
        except self._errors as error:
            raise StoreError(f"the database cannot be read: {error}") from error

    def _write(self, work: Callable[[Cursor, Any], T], what: Any) -> T:
        """Run ``work`` in a transaction of its own, or in a savepoint of the host's."""
        link = self._link
        try:
            cursor = link.take(writing=True)
            try:
                cursor.execute(link.begin)
                try:
                    done = work(cursor, what)
                    cursor.execute(link.end)
                except BaseException:
                    self._undo(cursor)
                    raise
            finally:
                link.give(cursor, writing=True)
        except self._errors as error:
            raise StoreError(f"the database cannot be written: {error}") from error
        return done

    def _undo(self, cursor: Cursor) -> None:
        try:
            for step in self._link.undo:
                cursor.execute(step)
        except self._errors:
            return  # the database has undone it all by itself

    # Tables.

    def create(self) -> None:
        """Make the tables that are not there; raises `NewerDocument` for those of a later version."""
        self._write(self._create, None)

    def _create(self, cursor: Cursor, _: None) -> None:
        sql = self._sql
        cursor.execute(sql.create_meta)
        cursor.execute(sql.meta, ("schema",))
        if not self._known_schema(cursor.fetchall()):
            cursor.execute(sql.insert_meta, ("schema", SCHEMA))
        for statement in sql.create_rest:
            cursor.execute(statement)

    def _check_schema(self) -> None:
        try:
            rows = self._read(self._sql.meta, ("schema",))
        except StoreError:
            return  # no tables yet: whoever uses them is told
        self._known_schema(rows)

    @staticmethod
    def _known_schema(rows: list[Row]) -> bool:
        if rows and rows[0][0] > SCHEMA:
            found = rows[0][0]
            reason = f"the tables have schema {found}; this version knows up to {SCHEMA}"
            raise NewerDocument(reason, path="meta.schema", found=found, known=SCHEMA)
        return bool(rows)

    # Changes.

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all changes or none, in one transaction.

        Raises `Stale` for an order that is not at the change's ``version_before``, `KeyReused` for
        a receipt whose key is taken.
        """
        if not changes:
            return
        batch = Batch(changes)
        try:
            self._write(self._commit, batch)
        except _Missed:
            raise self._conflict(changes) or Stale("the order was changed meanwhile") from None
        except StoreError as error:
            if isinstance(error.__cause__, self._taken):
                conflict = self._conflict(changes)
                if conflict is not None:
                    raise conflict from None
            raise
        self._recent.written(batch.written)

    def _commit(self, cursor: Cursor, batch: Batch) -> None:
        sql = self._sql
        if batch.inserts:
            cursor.executemany(sql.insert_order, batch.inserts)
        if batch.updates:
            cursor.executemany(sql.update_order, batch.updates)
            if cursor.rowcount != len(batch.updates):
                raise _Missed
        if batch.events:
            cursor.executemany(sql.insert_event, batch.events)
        if batch.cleared:
            cursor.executemany(sql.clear_timer, batch.cleared)
        if batch.timers:
            cursor.executemany(sql.set_timer, batch.timers)
        if batch.entries:
            cursor.executemany(sql.insert_entry, batch.entries)
        if batch.receipts:
            cursor.executemany(sql.insert_receipt, batch.receipts)

    def _conflict(self, changes: Sequence[Change]) -> Refused | None:
        """Which promise the changes broke, by a look at what is there."""
        versions: dict[str, int] = {}
        keys: set[tuple[str, str]] = set()
        for change in changes:
            name, expected = change.order.id, change.version_before
            if name not in versions:
                rows = self._read(self._sql.version, (name,))
                versions[name] = rows[0][0] if rows else 0
            found = versions[name]
            if found != expected:
                reason = "the order was changed by somebody else"
                return Stale(reason, path=name, order=name, expected=expected, found=found)
            versions[name] = change.order.version
            receipt = change.receipt
            if receipt is not None:
                key = (receipt.shop, receipt.key)
                if key in keys or self._read(self._sql.receipt, key):
                    return KeyReused("the key was used before", path="key", key=receipt.key)
                keys.add(key)
        return None

    # Looks.

    def load(self, order_id: str) -> Order | None:
        """The order, or ``None``; raises `CorruptDocument` for a document that cannot be read."""
        rows = self._read(self._sql.load, (order_id,))
        return self._recent.order(rows[0]) if rows else None

    def open(self, order_id: str, shop: str, key: str) -> Opened:
        """The order, and the receipt of the key, in one look."""
        if not order_id:
            rows = self._read(self._sql.receipt, (shop, key)) if key else []
            return Opened(None, Receipt(shop, key, *rows[0]) if rows else None)
        row = self._read(self._sql.open, (order_id, shop, key))[0]
        order = None if row[0] is None else self._recent.order(row[:5])
        receipt = None if not key or row[5] is None else Receipt(shop, key, *row[5:])
        return Opened(order, receipt)

    def find(self, query: OrderQuery) -> tuple[Order, ...]:
        """Newest first; an exact number or numeric tail before longer numbers that end in it."""
        if type(query.limit) is not int or not 0 < query.limit <= FIND_MAX:
            raise InvalidInput(f"1 to {FIND_MAX} orders, not {query.limit}", path="limit")
        if len(query.states) > STATES_MAX:
            raise InvalidInput(f"at most {STATES_MAX} states", path="states")
        number, values = _number(query.number)
        shape = FindShape(
            number, bool(query.customer), bool(query.shop), len(query.states),
            query.placed_from is not None, query.placed_before is not None,
        )  # fmt: skip
        values.update(customer=query.customer, shop=query.shop, most=query.limit)
        values.update({f"state_{i}": state for i, state in enumerate(query.states)})
        if query.placed_from is not None:
            values["from"] = micros(query.placed_from)
        if query.placed_before is not None:
            values["before"] = micros(query.placed_before)
        text, names = self._sql.find(shape)
        rows = self._read(text, [values[name] for name in names])
        return tuple([state_of(content_of(row), row) for row in rows])

    def journal(self, order_id: str) -> tuple[Recorded, ...]:
        """All events of one order, in order."""
        return tuple([recorded_of(row) for row in self._read(self._sql.journal, (order_id,))])

    def trial_balance(self, order_id: str | None = None) -> tuple[Balance, ...]:
        """Balances of all orders, or of one, by account, detail and currency."""
        sql = self._sql
        if order_id is None:
            rows = self._read(sql.balances)
        else:
            rows = self._read(sql.balances_of, (order_id,))
        return tuple([balance_of(row) for row in rows])

    # Timers, the outbox, numbers.

    def claim_timers(self, now: datetime, limit: int, lease: timedelta) -> tuple[Timer, ...]:
        """Due timers, oldest first, leased to the caller."""
        moment = micros(now)
        rows = self._write(self._claim, (micros(now + lease), moment, moment, _bounded(limit)))
        return tuple([timer_of(row) for row in sorted(rows, key=_oldest)])

    def _claim(self, cursor: Cursor, what: Sequence[int]) -> list[Row]:
        cursor.execute(self._sql.claim, what)
        return cursor.fetchall()

    def settle_timers(self, claimed: Sequence[tuple[Timer, datetime | None]]) -> None:
        """Drop claimed timers, or make them due later; one that was set anew stays as it is."""
        if claimed:
            self._write(self._settle, claimed)

    def _settle(self, cursor: Cursor, claimed: Sequence[tuple[Timer, datetime | None]]) -> None:
        dropped, moved = [], []
        for timer, later in claimed:
            key = timer.key
            row = (timer.order_id, key.kind.value, key.subject, micros(timer.due), timer.visit)
            if later is None:
                dropped.append(row)
            else:
                moved.append((micros(later), *row))
        if dropped:
            cursor.executemany(self._sql.drop_timer, dropped)
        if moved:
            cursor.executemany(self._sql.move_timer, moved)

    def outbox(self, limit: int) -> tuple[OutboxItem, ...]:
        """Events not acknowledged, in the order in which they were committed."""
        rows = self._read(self._sql.outbox, (_bounded(limit),))
        return tuple([OutboxItem(row[0], recorded_of(row[1:])) for row in rows])

    def acknowledge(self, positions: Sequence[int]) -> None:
        """Mark events as relayed; they stay in the journal."""
        if positions:
            self._write(self._acknowledge, positions)

    def _acknowledge(self, cursor: Cursor, positions: Sequence[int]) -> None:
        cursor.executemany(self._sql.acknowledge, [(position,) for position in positions])

    def next_number(self, sequence: str) -> int:
        """The next number; own connections take them from the table by the block."""
        if self.joined:
            return self._write(self._take_numbers, (sequence, 1))
        with self._numbering:
            number, end = self._numbers.get(sequence, (0, 0))
            if number == end:
                if len(self._numbers) >= _SEQUENCES_KEPT:
                    self._numbers.clear()
                number = self._write(self._take_numbers, (sequence, BLOCK))
                end = number + BLOCK
            self._numbers[sequence] = (number + 1, end)
            return number

    def _take_numbers(self, cursor: Cursor, what: tuple[str, int]) -> int:
        """The first of a block of numbers that nobody else gets."""
        sequence, block = what
        cursor.execute(self._sql.take_numbers, (sequence, 1 + block, block))
        after: int = cursor.fetchall()[0][0]
        return after - block


def _bounded(limit: int) -> int:
    if type(limit) is not int or not 0 < limit <= LIMIT_MAX:
        raise InvalidInput(f"1 to {LIMIT_MAX} at once, not {limit}", path="limit")
    return limit


def _oldest(row: Row) -> Row:
    """How claimed timers are sorted: by due time, then by key."""
    return (row[3], *row[:3])


def _number(number: str) -> tuple[NumberMatch, dict[str, Any]]:
    """How to look for a number, and with which parameters."""
    if not number:
        return NumberMatch.ANY, {}
    if not (number.isascii() and number.isdigit()):
        return NumberMatch.EXACT, {"reversed": number[::-1]}
    tail = number.lstrip("0")
    low = (tail or number)[::-1]
    return NumberMatch.TAIL, {
        "low": low,
        "high": low[:-1] + chr(ord(low[-1]) + 1),
        "after": len(tail) + 1,
        "length": len(number),
        "typed": number[::-1],
    }
