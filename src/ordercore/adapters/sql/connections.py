"""Where the store's cursors come from: connections of its own, or the host's.

Own connections to SQLite follow one recipe: transactions begin with ``BEGIN IMMEDIATE``, so that two
writers queue and never meet half way; the journal is a write-ahead log, so that
readers do not wait; a commit reaches the disk before it returns (``synchronous`` full).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from ordercore.errors import InvalidInput, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Engine

__all__ = ["Cursor", "Joined", "Link", "Own", "Synchronous"]

Synchronous = Literal["FULL", "NORMAL"]
BUSY_MS = 5_000
"""How long a writer waits for another process's transaction."""


class Cursor(Protocol):
    """What the store uses of a driver's cursor."""

    @property
    def rowcount(self) -> int:
        """Rows that the last statement changed, over all rows of an ``executemany``."""
        ...

    @property
    def connection(self) -> Any:
        """The driver's connection."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        """Run one statement."""
        ...

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> Any:
        """Run one statement for each row."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows of the answer."""
        ...


class Link(Protocol):
    """Lends cursors, and knows how a change begins and ends on them."""

    joined: bool
    begin: str
    end: str
    undo: tuple[str, ...]

    def take(self, *, writing: bool) -> Cursor:
        """A cursor for this thread alone, until it is given back."""
        ...

    def give(self, cursor: Cursor, *, writing: bool) -> None:
        """Give a cursor back."""
        ...

    def close(self) -> None:
        """Close what is ours."""
        ...


class Own:
    """The store's own connections to a file, as many as threads use it at once; or one in memory.

    Make the store after a fork: SQLite's connections must not be carried into a child.
    """

    joined = False
    begin = "BEGIN IMMEDIATE"
    end = "COMMIT"
    undo: tuple[str, ...] = ("ROLLBACK",)

    def __init__(self, url: str, synchronous: Synchronous) -> None:
        if synchronous not in {"FULL", "NORMAL"}:
            raise InvalidInput(f"{synchronous!r} is not FULL or NORMAL", path="synchronous")
        self.engine = _engine(url, synchronous)
        database = self.engine.url.database
        self._alone = not database or ":memory:" in database or "mode=memory" in str(url)
        self._free: deque[Cursor] = deque()
        self._writing = threading.Lock()
        self._closed = False
        if self._alone:
            self._free.append(self._open())

    def _open(self) -> Cursor:
        """A new connection's cursor; the driver's errors are the caller's to name."""
        if self._closed:
            raise StoreError("the store is closed")
        borrowed = self.engine.raw_connection()
        connection = borrowed.driver_connection
        borrowed.detach()
        cursor: Cursor = connection.cursor()  # type: ignore[union-attr]
        return cursor

    def take(self, *, writing: bool) -> Cursor:
        """A free cursor, or a new one. Writers of one process wait here and not in the file."""
        locked = writing or self._alone
        if locked:
            self._writing.acquire()
        try:
            return self._lend()
        except BaseException:
            if locked:
                self._writing.release()
            raise

    def _lend(self) -> Cursor:
        try:
            return self._free.pop()
        except IndexError:
            return self._open()

    def give(self, cursor: Cursor, *, writing: bool) -> None:
        """Keep a cursor for the next one, unless a transaction hangs on it."""
        broken = cursor.connection.in_transaction and not self._alone
        if self._closed or broken:
            cursor.connection.close()
        else:
            self._free.append(cursor)
        if writing or self._alone:
            self._writing.release()

    def close(self) -> None:
        """Close every connection; those in use, when they are given back."""
        self._closed = True
        while self._free:
            self._free.pop().connection.close()
        self.engine.dispose()


class Joined:
    """The host's own connection, in the transaction that the host has open."""

    joined = True
    begin = "SAVEPOINT ordercore"
    end = "RELEASE SAVEPOINT ordercore"
    undo: tuple[str, ...] = ("ROLLBACK TO SAVEPOINT ordercore", "RELEASE SAVEPOINT ordercore")

    def __init__(self, connection: Connection) -> None:
        _check_dialect(connection.dialect.name, "connection")
        self._connection = connection
        self._check()
        self._cursor: Cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]

    def _check(self) -> None:
        if self._connection.closed or not self._connection.in_transaction():
            raise InvalidInput("the connection has no open transaction", path="connection")

    def take(self, *, writing: bool) -> Cursor:
        """The host's connection; the first change begins the transaction that the driver put off."""
        self._check()
        driver = self._cursor.connection
        if writing and not driver.in_transaction:
            # A savepoint outside of a transaction would commit when it is released.
            self._cursor.execute("BEGIN IMMEDIATE")
        return self._cursor

    def give(self, cursor: Cursor, *, writing: bool) -> None:
        """Nothing to do: the host ends its transaction."""

    def close(self) -> None:
        """Nothing is ours."""


def _check_dialect(name: str, path: str) -> None:
    if name != "sqlite":
        raise InvalidInput(f"the store runs on SQLite, not on {name}", path=path, got=name)


def _engine(url: str, synchronous: Synchronous) -> Engine:
    try:
        parsed = make_url(url)
        _check_dialect(parsed.get_backend_name(), "url")
        engine = create_engine(
            parsed,
            poolclass=NullPool,
            connect_args={"isolation_level": None, "check_same_thread": False},
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidInput(f"the URL cannot be read: {error}", path="url") from None

    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.close()

    event.listen(engine, "connect", prepare)
    return engine
