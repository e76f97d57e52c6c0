"""Orders in a SQL database.

Theory of operation. What was agreed is written once, as the order's first event; the order's own
row holds what moves, and the number of the event that holds what was agreed last. A change is one
transaction: the order's row is inserted, or updated where its version is still the one that was decided
upon, and its events, timers, entries and receipt are written beside it, each table in one go
for all changes of a commit. What is searched for (standings, lines, tags) has columns and tables of its own,
written where it changes.

Writers of one order wait for each other at its row, and the second finds another version. So the events of one
order get their positions in the order of its commits, and whoever sees one of them sees those before it,
although on PostgreSQL a commit with lower positions may become visible after one with higher ones.
The relay asks for what is not acknowledged, not for what comes after a position: nothing is passed over.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from ordercore.adapters.sql.books import Books
from ordercore.adapters.sql.connections import CONNECTIONS, joined_link, own_link
from ordercore.adapters.sql.recent import Recent
from ordercore.adapters.sql.rows import (
    Batch,
    balance_of,
    content_of,
    parked_of,
    parked_row,
    recorded_of,
    state_of,
    timer_of,
    unfit,
    unreadable_timer,
)
from ordercore.adapters.sql.schema import SCHEMA, Statements, Tables
from ordercore.adapters.sql.searching import asked, items_of
from ordercore.adapters.sql.upgrade import upgrade
from ordercore.change import Receipt
from ordercore.codec import micros, moment
from ordercore.errors import (
    InvalidInput,
    KeyReused,
    NewerDocument,
    OrdercoreError,
    Refused,
    Stale,
    StoreError,
    UnreadableData,
)
from ordercore.ports import Backlog, Opened, OutboxItem
from ordercore.searching import Target

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
    from ordercore.ledger import Balance, Turnover
    from ordercore.order import Order
    from ordercore.ports import (
        FoundItem,
        HistoryPage,
        HistoryQuery,
        LedgerPage,
        LedgerQuery,
        OrderQuery,
        ParkedTimer,
    )
    from ordercore.timeout import Timer

__all__ = ["SqlStore"]

LIMIT_MAX = 10_000
"""Most timers or events at once."""
BLOCK = 50
"""Numbers taken from the table at once; what is left of them is skipped at a restart."""
TRIES = 3
"""How often a transaction is tried that met another one in a deadlock, or whose connection was lost before its end."""
_SEQUENCES_KEPT = 1_000
_MOVING = 7
"""Width of a row of an update that keeps what was agreed."""
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,30}")

T = TypeVar("T")


class _Missed(Exception):
    """An order's row was not as the change expected it."""


@lru_cache(16)
def _prepared(prefix: str, dialect: Dialect) -> Statements:
    return Statements(Tables(prefix), dialect)


class SqlStore:
    """The order store on SQLite or PostgreSQL. It may be used from several threads.

    ``SqlStore("sqlite:///orders.db")`` opens a file, ``sqlite://`` lives in memory,
    ``postgresql://user@host/base`` is a database on a server (extra ``postgres``). The tables are
    made if they are not there, and those of an earlier version are brought up to this one; with
    ``create=False`` they must be there, and nothing of the database is changed by opening it.
    With ``synchronous="NORMAL"`` a commit does not wait for the disk and
    a power cut may lose the last ones; money asks for ``FULL``, the default.
    ``connections`` to a server are open at most; further threads wait for one.
    `StoreError` is raised for whatever the database refuses, `InvalidInput` for a text that it cannot keep
    (with a NUL or half of a pair of surrogates); then nothing was written. Only where a server is lost
    in the very moment of a commit nobody knows, and the error says so: ask again with the same key.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "ordercore_",
        synchronous: Synchronous = "FULL",
        create: bool = True,
        connections: int = CONNECTIONS,
    ) -> None:
        _check_prefix(prefix)
        self._bind(own_link(url, synchronous, connections), prefix)
        try:
            if create:
                self.create()
            else:
                self._check_schema()
        except BaseException:
            self._link.close()
            raise

    @classmethod
    def on(cls, connection: Connection, *, prefix: str = "ordercore_") -> SqlStore:
        """A store inside the host's open transaction: it writes there and commits nothing.

        For one thread, while the transaction is open; `create` makes the tables in it.
        Raises `InvalidInput` where no transaction is open.
        """
        _check_prefix(prefix)
        self = cls.__new__(cls)
        self._bind(joined_link(connection), prefix)
        self._check_schema()
        return self

    def _bind(self, link: Link, prefix: str) -> None:
        self._sql = _prepared(prefix, link.dialect)
        self._books = Books(self._sql.tables, link.dialect)
        self._errors = link.faults
        self._link = link
        self._recent = Recent()
        self._creates = False
        self._numbers: dict[str, tuple[int, int]] = {}
        self._numbering = threading.Lock()

    def __repr__(self) -> str:
        return f"<SqlStore {self._link!r}>"

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

    def _read(
        self, sql: str, parameters: Sequence[Any] = (), names: Sequence[str] = ()
    ) -> list[Row]:
        link = self._link
        for left in (1, 0):
            lost = False
            try:
                cursor = link.take(writing=False)
                try:
                    cursor.execute(sql, parameters)
                    return cursor.fetchall()
                finally:
                    lost = link.broken(cursor)
                    link.give(cursor, writing=False)
            except self._errors as error:
                if not (left and lost and not link.joined):
                    raise self._failed("read", error, parameters, names) from error
        raise AssertionError

    def _peek(self, look: Callable[[Cursor], T]) -> T | None:
        """A look at tables that may not be there: then ``None``."""
        link = self._link
        try:
            if (
                link.joined and link.crowded
            ):  # there a failed look would spoil the host's transaction
                return self._write(lambda cursor, _: look(cursor), None)
            cursor = link.take(writing=False)
            try:
                return look(cursor)
            finally:
                link.give(cursor, writing=False)
        except StoreError:
            return None
        except self._errors:
            return None

    def _write(self, work: Callable[[Cursor, Any], T], what: Any) -> T:
        """Run ``work`` in a transaction of its own, or in a savepoint of the host's.

        It is run again where the database gave way to another transaction, so it keeps nothing of a run.
        """
        link = self._link
        for left in range(TRIES - 1, -1, -1):
            lost = False
            try:
                cursor = link.take(writing=True)
                try:
                    cursor.execute(link.begin)
                    try:
                        done = work(cursor, what)
                    except BaseException:
                        self._undo(cursor)
                        raise
                    self._end(cursor)
                    return done
                finally:
                    lost = link.broken(cursor)
                    link.give(cursor, writing=True)
            except self._errors as error:
                again = link.again(error) or (lost and not link.joined)
                if not (left and again):
                    raise self._failed("written", error, what) from error
        raise AssertionError

    def _end(self, cursor: Cursor) -> None:
        link = self._link
        try:
            cursor.execute(link.end)
        except self._errors as error:
            if link.broken(cursor) and not link.joined:
                reason = "the connection was lost while committing: what became of it is not known"
                raise StoreError(reason) from error
            self._undo(cursor)
            raise

    def _undo(self, cursor: Cursor) -> None:
        try:
            for step in self._link.undo:
                cursor.execute(step)
        except self._errors:
            return  # the database has undone it all by itself

    def _failed(
        self, verb: str, error: Exception, what: object = None, names: Sequence[str] = ()
    ) -> OrdercoreError:
        """The error to raise; for a text that no database keeps, one that says so: it will never pass."""
        wrong = unfit(what, names)
        if wrong is not None:
            name, reason = wrong
            return InvalidInput(reason, path=name)
        return StoreError(f"the database cannot be {verb}: {self._link.told(error)}")

    # Tables.

    def create(self) -> None:
        """Make the tables that are not there, and bring those of an earlier version up to this one.

        All in one transaction; that of a large store takes its time and keeps everybody else out. Where the tables are
        those of this version it only looks. Raises `NewerDocument` for tables of a later version.
        """
        found = self._peek(self._schema)
        try:
            self._link.settle()
        except self._errors as error:
            raise self._failed("written", error) from error
        # even IF NOT EXISTS, an index is made under a lock that waits for all who write, and stops the next
        if found != SCHEMA:
            self._write(self._create, None)
        self._creates = True

    def exists(self) -> bool:
        """Whether its tables are there, of whatever version."""
        return bool(self._read(*self._link.listing(self._sql.tables.meta.name)))

    def _create(self, cursor: Cursor, _: None) -> None:
        sql = self._sql
        self._link.lock(cursor, ("ordercore",))  # of two that create, one waits
        cursor.execute(sql.create_meta)
        found = self._schema(cursor)
        if found == SCHEMA:
            return  # somebody else was first
        if found:
            upgrade(cursor, sql, found)
            cursor.execute(sql.update_meta, (SCHEMA, "schema"))
            return
        cursor.execute(sql.insert_meta, ("schema", SCHEMA))
        for statement in sql.create_rest:
            cursor.execute(statement)

    def _schema(self, cursor: Cursor) -> int:
        """The number of the tables that are there, 0 for none; raises `NewerDocument`."""
        cursor.execute(self._sql.meta, ("schema",))
        rows = cursor.fetchall()
        found: int = rows[0][0] if rows else 0
        if found > SCHEMA:
            reason = f"the tables have schema {found}; this version knows up to {SCHEMA}"
            raise NewerDocument(reason, path="meta.schema", found=found, known=SCHEMA)
        return found

    def _check_schema(self) -> None:
        """Look whether the tables are for us. Older ones may be brought up in the host's transaction."""
        found = self._peek(self._schema)
        if found and found < SCHEMA and not self._link.joined:
            reason = (
                f"the tables have schema {found} and wait to be brought to {SCHEMA}: call create()"
            )
            raise StoreError(reason, path="meta.schema", found=found, known=SCHEMA)

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
            if isinstance(error.__cause__, self._link.taken):
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
            for width, run in groupby(batch.updates, key=len):
                text = sql.update_order if width == _MOVING else sql.update_agreed
                rows = list(run)
                cursor.executemany(text, rows)
                if cursor.rowcount != len(rows):
                    raise _Missed
        if batch.events:
            cursor.executemany(sql.insert_event, batch.events)
        if batch.items or batch.tags:
            self._commit_searched(cursor, batch)
        if batch.cleared:
            cursor.executemany(sql.clear_timer, batch.cleared)
        if batch.timers:
            cursor.executemany(sql.set_timer, batch.timers)
        if batch.entries:
            cursor.executemany(sql.insert_entry, batch.entries)
        if batch.receipts:
            cursor.executemany(sql.insert_receipt, batch.receipts)

    def _commit_searched(self, cursor: Cursor, batch: Batch) -> None:
        """What is searched for beside an order is taken away and written anew."""
        sql = self._sql
        for clear, gone, write, rows in (
            (sql.clear_items, batch.marked, sql.insert_item, batch.items),
            (sql.clear_tags, batch.tagged, sql.insert_tag, batch.tags),
        ):
            if gone:
                cursor.executemany(clear, gone)
            fresh = [row for its in rows.values() for row in its]
            if fresh:
                cursor.executemany(write, fresh)

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
            rows = self._read(self._sql.receipt, (shop, key), ("shop", "key")) if key else []
            return Opened(None, Receipt(shop, key, *rows[0]) if rows else None)
        row = self._read(self._sql.open, (order_id, shop, key), ("order_id", "shop", "key"))[0]
        order = None if row[0] is None else self._recent.order(row[:6])
        receipt = None if not key or row[6] is None else Receipt(shop, key, *row[6:])
        return Opened(order, receipt)

    def find(self, query: OrderQuery) -> tuple[Order, ...]:
        """Newest first; an exact number or numeric tail before longer numbers that end in it."""
        rows = self._found(query, Target.ORDERS)
        return tuple([state_of(content_of(row), row) for row in rows])

    def find_items(self, query: OrderQuery) -> tuple[FoundItem, ...]:
        """Lines, in the order of their orders."""
        return items_of(self._found(query, Target.ITEMS))

    def _found(self, query: OrderQuery, target: Target) -> list[Row]:
        shape, values = asked(query, target)
        text, names = self._sql.find(shape)
        return self._read(text, [values[name] for name in names])

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

    def history(self, query: HistoryQuery) -> HistoryPage:
        """Events of all orders, in the order in which they were recorded."""
        return self._books.history(self._read, query)

    def entries(self, query: LedgerQuery) -> LedgerPage:
        """Entries of the books, oldest first."""
        return self._books.entries(self._read, query)

    def turnover(self, query: LedgerQuery) -> tuple[Turnover, ...]:
        """Debits and credits of each account in a span of time."""
        return self._books.turnover(self._read, query)

    # Timers, the outbox, numbers.

    def claim_timers(self, now: datetime, limit: int, lease: timedelta) -> tuple[Timer, ...]:
        """Due timers, oldest first, leased to the caller; one that cannot be read is set aside."""
        at = micros(now)
        found = self._write(self._claim, (micros(now + lease), at, at, _bounded(limit)))
        found.sort(key=_oldest)
        return tuple(found)

    def _claim(self, cursor: Cursor, what: Sequence[int]) -> list[Timer]:
        if self._link.plain_plan:
            cursor.execute(self._link.plain_plan)
        cursor.execute(self._sql.claim, what)
        found, aside = [], []
        for row in cursor.fetchall():
            try:
                found.append(timer_of(row))
            except UnreadableData as error:
                aside.append(unreadable_timer(row, error, what[1]))
        if aside:
            cursor.executemany(self._sql.hide_timer, [row[:3] for row in aside])
            cursor.executemany(self._sql.park, aside)
        return found

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

    def park_timers(self, parked: Sequence[ParkedTimer]) -> None:
        """Set claimed timers aside; one that was set anew or cleared stays as it is."""
        if parked:
            self._write(self._park, parked)

    def _park(self, cursor: Cursor, parked: Sequence[ParkedTimer]) -> None:
        sql = self._sql
        cursor.execute(sql.tidy_parked)
        for timer in parked:
            row = parked_row(timer)
            cursor.execute(sql.hide_same, row[:5])
            if cursor.rowcount:
                cursor.execute(sql.park, row)

    def parked(self, limit: int) -> tuple[ParkedTimer, ...]:
        """Timers that were set aside, oldest first."""
        return tuple([parked_of(row) for row in self._read(self._sql.parked, (_bounded(limit),))])

    def unpark(self, parked: Sequence[ParkedTimer], due: datetime) -> None:
        """Let parked timers come due at a moment, with no tries counted."""
        if parked:
            keys = [(timer.order_id, timer.kind, timer.subject) for timer in parked]
            self._write(self._unpark, (micros(due), keys))

    def _unpark(self, cursor: Cursor, what: tuple[int, list[Row]]) -> None:
        due, keys = what
        cursor.executemany(self._sql.show_timer, [(due, *key) for key in keys])
        cursor.executemany(self._sql.unpark, keys)

    def backlog(self, now: datetime) -> Backlog:
        """How many timers are due, leased ones included, and since when the oldest; how many are set aside."""
        due, oldest = self._read(self._sql.count_due, (micros(now),))[0]
        parked = self._read(self._sql.count_parked)[0][0]
        since = None if oldest is None else moment(max(oldest, 0))  # it may be unreadable
        return Backlog(due, since, parked)

    def now(self) -> datetime:
        """The clock of the database: that of the server, or of this machine for a file."""
        return moment(self._read(self._sql.now)[0][0])

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


def _oldest(timer: Timer) -> Row:
    """How claimed timers are sorted: by due time, then by key."""
    return (timer.due, timer.order_id, timer.key.kind.value, timer.key.subject)


def _check_prefix(prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        reason = f"{prefix!r} is not a prefix: small letters, digits and _, at most 31"
        raise InvalidInput(reason, path="prefix")
