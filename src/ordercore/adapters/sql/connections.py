"""Where the store's cursors come from: connections of its own, or the host's; to SQLite or to PostgreSQL.

Own connections to SQLite follow one recipe: transactions begin with ``BEGIN IMMEDIATE``, so that two
writers queue and never meet half way; the journal is a write-ahead log, so that
readers do not wait; a commit reaches the disk before it returns (``synchronous`` full).

On PostgreSQL writers run side by side under READ COMMITTED. What must not happen twice is refused by an
order's version, by a key, or by a lock on the row; two that wait for each other are told so
and one begins again.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ordercore.errors import InvalidInput, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.engine.interfaces import Dialect

__all__ = ["CONNECTIONS", "Cursor", "Link", "Synchronous", "joined_link", "own_link"]

Synchronous = Literal["FULL", "NORMAL"]
BUSY_MS = 5_000
"""How long a writer waits for another process's transaction."""
CONNECTIONS = 10
"""Most connections to a server at once, unless the host says otherwise."""
WAIT_SECONDS = 30
"""How long a thread waits for one of them."""
_SQLITE: Dialect = sqlite.dialect()
_POSTGRESQL: Dialect = postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]
_DRIVER = "postgresql+psycopg"
_AGAIN = frozenset({"40001", "40P01"})
"""A serialization failure, a deadlock: nothing was written, and the same again may pass."""


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
    crowded: bool
    """Whether writers run side by side."""
    dialect: Dialect
    begin: str
    end: str
    undo: tuple[str, ...]
    plain_plan: str
    """What makes the planner walk an index in its order, for the rest of the transaction; empty for nothing."""
    faults: tuple[type[Exception], ...]
    """What the driver raises."""
    taken: type[Exception]
    """What it raises for a key that is there already."""

    def take(self, *, writing: bool) -> Cursor:
        """A cursor for this thread alone, until it is given back."""
        ...

    def give(self, cursor: Cursor, *, writing: bool) -> None:
        """Give a cursor back."""
        ...

    def again(self, error: Exception) -> bool:
        """Whether nothing was done, and the same may pass if it is tried again."""
        ...

    def broken(self, cursor: Cursor) -> bool:
        """Whether the connection is gone."""
        ...

    def told(self, error: Exception) -> str:
        """The error as text, without a password."""
        ...

    def lock(self, cursor: Cursor, names: Sequence[str]) -> None:
        """Let nobody else pass under these names until the transaction ends."""
        ...

    def settle(self) -> None:
        """Set what the database itself keeps for whoever opens it later; for a store that makes tables."""
        ...

    def listing(self, table: str) -> tuple[str, tuple[str, ...]]:
        """A look that finds a row where a table of this name is there, with its parameters."""
        ...

    def close(self) -> None:
        """Close what is ours."""
        ...


def own_link(url: str, synchronous: Synchronous, connections: int = CONNECTIONS) -> Link:
    """Connections of the store's own; raises `InvalidInput` for a URL of another database."""
    if synchronous not in {"FULL", "NORMAL"}:
        raise InvalidInput(f"{synchronous!r} is not FULL or NORMAL", path="synchronous")
    if type(connections) is not int or connections < 1:
        raise InvalidInput(f"at least one, not {connections!r}", path="connections")
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        # the text is not told: it may hold a password
        raise InvalidInput("the URL cannot be read", path="url") from None
    if name == "sqlite":
        return OwnFile(parsed, synchronous)
    if parsed.drivername in {"postgresql", _DRIVER}:
        return OwnServer(parsed.set(drivername=_DRIVER), synchronous, connections)
    raise _other_database(parsed.drivername, "url")


def joined_link(connection: Connection) -> Link:
    """The host's own connection; raises `InvalidInput` for one to another database."""
    dialect = connection.dialect
    if dialect.name == "sqlite":
        return JoinedFile(connection)
    if dialect.name == "postgresql" and dialect.driver == "psycopg":
        return JoinedServer(connection)
    raise _other_database(f"{dialect.name}+{dialect.driver}", "connection")


def _other_database(name: str, path: str) -> InvalidInput:
    reason = f"the store runs on SQLite, and on PostgreSQL by psycopg, not on {name}"
    return InvalidInput(reason, path=path, got=name)


# SQLite.


class _File:
    """What own and joined connections to SQLite share."""

    crowded = False
    dialect = _SQLITE
    plain_plan = ""

    def __init__(self) -> None:
        import sqlite3

        self.faults: tuple[type[Exception], ...] = (sqlite3.Error, SQLAlchemyError, UnicodeError)
        self.taken: type[Exception] = sqlite3.IntegrityError

    def again(self, error: Exception) -> bool:
        """Never: writers have waited for each other already."""
        del error
        return False

    def broken(self, cursor: Cursor) -> bool:
        """A file does not go away."""
        del cursor
        return False

    def told(self, error: Exception) -> str:
        """The error as it is: a file has no password."""
        return str(error)

    def lock(self, cursor: Cursor, names: Sequence[str]) -> None:
        """Nothing to do: a transaction that writes is alone."""

    def settle(self) -> None:
        """Nothing to do: the journal of a host's file is the host's."""

    def listing(self, table: str) -> tuple[str, tuple[str, ...]]:
        """By the file's own list."""
        return "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)


class OwnFile(_File):
    """The store's own connections to a file, as many as threads use it at once; or one in memory.

    Make the store after a fork: SQLite's connections must not be carried into a child.
    """

    joined = False
    begin = "BEGIN IMMEDIATE"
    end = "COMMIT"
    undo: tuple[str, ...] = ("ROLLBACK",)

    def __init__(self, url: URL, synchronous: Synchronous) -> None:
        super().__init__()
        self.engine = _engine(url, synchronous)
        database = url.database
        alone = not database or ":memory:" in database
        self._alone = alone or "mode=memory" in url.render_as_string()
        self._free: deque[Cursor] = deque()
        self._writing = threading.Lock()
        self._closed = False
        if self._alone:
            self._free.append(self._open())

    def __repr__(self) -> str:
        return self.engine.url.render_as_string()

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
        hangs = cursor.connection.in_transaction and not self._alone
        if self._closed or hangs:
            cursor.connection.close()
        else:
            self._free.append(cursor)
        if writing or self._alone:
            self._writing.release()

    def settle(self) -> None:
        """Keep the journal as a write-ahead log. The file remembers, so a store that only looks leaves it alone."""
        cursor = self.take(writing=True)
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.fetchall()
        finally:
            self.give(cursor, writing=True)

    def close(self) -> None:
        """Close every connection; those in use, when they are given back."""
        self._closed = True
        while self._free:
            self._free.pop().connection.close()
        self.engine.dispose()


class _Savepoint:
    """How a change begins and ends inside the host's transaction."""

    joined = True
    begin = "SAVEPOINT ordercore"
    end = "RELEASE SAVEPOINT ordercore"
    undo: tuple[str, ...] = ("ROLLBACK TO SAVEPOINT ordercore", "RELEASE SAVEPOINT ordercore")


class JoinedFile(_Savepoint, _File):
    """The host's own connection to SQLite, in the transaction that the host has open."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        _check_open(connection)
        self._cursor: Cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]

    def __repr__(self) -> str:
        return f"on {self._connection.engine.url.render_as_string()}"

    def take(self, *, writing: bool) -> Cursor:
        """The host's connection; the first change begins the transaction that the driver put off."""
        _check_open(self._connection)
        driver = self._cursor.connection
        if writing and not driver.in_transaction:
            # A savepoint outside of a transaction would commit when it is released.
            self._cursor.execute("BEGIN IMMEDIATE")
        return self._cursor

    def give(self, cursor: Cursor, *, writing: bool) -> None:
        """Nothing to do: the host ends its transaction."""

    def close(self) -> None:
        """Nothing is ours."""


def _check_open(connection: Connection) -> None:
    if connection.closed or not connection.in_transaction():
        raise InvalidInput("the connection has no open transaction", path="connection")


def _engine(url: URL, synchronous: Synchronous) -> Engine:
    try:
        engine = create_engine(
            url,
            poolclass=NullPool,
            connect_args={"isolation_level": None, "check_same_thread": False},
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidInput(f"the URL cannot be read: {error}", path="url") from None

    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.close()

    event.listen(engine, "connect", prepare)
    return engine


# PostgreSQL.


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError:  # also where the driver is there and libpq is not
        reason = "psycopg is missing: pip install 'ordercore-sdk[postgres]'"
        raise InvalidInput(reason, path="url") from None
    return psycopg


@cache
def _cursors() -> Any:
    """The class of cursors whose rows are tuples, and that need no pipeline for a single row."""
    psycopg = _psycopg()

    class Plain(psycopg.Cursor):  # type: ignore[misc,name-defined]
        def __init__(self, connection: Any) -> None:
            super().__init__(connection, row_factory=psycopg.rows.tuple_row)

        def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
            if len(rows) == 1:
                self.execute(sql, rows[0])
            else:
                super().executemany(sql, rows)

    return Plain


class _Server:
    """What own and joined connections to PostgreSQL share."""

    crowded = True
    dialect = _POSTGRESQL
    plain_plan = ""
    _secrets: tuple[str, ...] = ()

    def __init__(self) -> None:
        psycopg = _psycopg()
        self._driver = psycopg
        self.faults: tuple[type[Exception], ...] = (psycopg.Error, SQLAlchemyError, UnicodeError)
        self.taken: type[Exception] = psycopg.IntegrityError

    def broken(self, cursor: Cursor) -> bool:
        """Whether the server has gone, or closed the connection."""
        closed: bool = cursor.connection.closed
        return closed

    def told(self, error: Exception) -> str:
        """The error in one line, with what is secret in the URL taken out."""
        text = " ".join(str(error).split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def lock(self, cursor: Cursor, names: Sequence[str]) -> None:
        """Locks of the transaction, in one order for everybody, so that nobody waits in a circle."""
        for name in sorted(names):
            digest = blake2b(name.encode(), digest_size=8).digest()
            number = int.from_bytes(digest, "big", signed=True)
            cursor.execute("SELECT pg_advisory_xact_lock(%s::BIGINT)", (number,))

    def settle(self) -> None:
        """Nothing to do: a server keeps its own settings."""

    def listing(self, table: str) -> tuple[str, tuple[str, ...]]:
        """Along the search path, as the statements find it."""
        return "SELECT 1 WHERE to_regclass(quote_ident(%s)) IS NOT NULL", (table,)


class OwnServer(_Server):
    """The store's own connections to a server: as many as threads use it at once, up to a bound."""

    joined = False
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
    # Whatever it believes about the table: without this it may read all of it to find what is due.
    plain_plan = (
        "SELECT set_config('enable_seqscan', 'off', true),"
        " set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)"
    )
    end = "COMMIT"
    undo: tuple[str, ...] = ("ROLLBACK",)

    def __init__(self, url: URL, synchronous: Synchronous, connections: int) -> None:
        super().__init__()
        asked = [url.password, *[url.query.get(name) for name in ("password", "sslpassword")]]
        self._secrets = tuple([text for text in asked if isinstance(text, str) and text])
        self._url = url.set(query={}).render_as_string()
        self._options = {
            "application_name": "ordercore",
            **_POSTGRESQL.create_connect_args(url)[1],
            "client_encoding": "utf8",
            "autocommit": True,
        }
        self._synchronous = synchronous
        self._places = threading.BoundedSemaphore(connections)
        self._most = connections
        self._free: deque[Cursor] = deque()
        self._closed = False

    def __repr__(self) -> str:
        return self._url

    def _open(self) -> Cursor:
        if self._closed:
            raise StoreError("the store is closed")
        connection = self._driver.connect(**self._options)
        cursor: Cursor = _cursors()(connection)
        cursor.execute(f"SET lock_timeout = {BUSY_MS}")
        if self._synchronous == "NORMAL":
            cursor.execute("SET synchronous_commit = off")
        else:  # more than `on` may be the server's own choice
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
        return cursor

    def take(self, *, writing: bool) -> Cursor:
        """A free cursor, or a new one, or one that another thread gives back in time."""
        del writing
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise StoreError(f"all {self._most} connections are in use")
        try:
            while True:  # ends: each turn takes one away
                try:
                    cursor = self._free.pop()
                except IndexError:
                    return self._open()
                if not cursor.connection.closed:
                    return cursor
        except BaseException:
            self._places.release()
            raise

    def give(self, cursor: Cursor, *, writing: bool) -> None:
        """Keep a cursor for the next one, unless a transaction hangs on it.

        Where the server has closed one connection, none of the others is trusted.
        """
        del writing
        connection = cursor.connection
        idle = self._driver.pq.TransactionStatus.IDLE
        if connection.closed:
            self._forget()
        elif self._closed or connection.info.transaction_status != idle:
            connection.close()
        else:
            self._free.append(cursor)
        self._places.release()

    def again(self, error: Exception) -> bool:
        """After a deadlock or a serialization failure: all was undone."""
        return getattr(error, "sqlstate", None) in _AGAIN

    def _forget(self) -> None:
        while self._free:
            self._free.pop().connection.close()

    def close(self) -> None:
        """Close every connection; those in use, when they are given back."""
        self._closed = True
        self._forget()


class JoinedServer(_Savepoint, _Server):
    """The host's own connection to PostgreSQL, in the transaction that the host has open."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        _check_open(connection)
        driver: Any = connection.connection.driver_connection
        if driver.autocommit:
            raise InvalidInput("the connection commits each statement by itself", path="connection")
        self._cursor: Cursor = _cursors()(driver)

    def __repr__(self) -> str:
        return f"on {self._connection.engine.url.set(query={}).render_as_string()}"

    def take(self, *, writing: bool) -> Cursor:
        """The host's connection; its driver begins the transaction with the first statement."""
        del writing
        _check_open(self._connection)
        return self._cursor

    def give(self, cursor: Cursor, *, writing: bool) -> None:
        """Nothing to do: the host ends its transaction."""

    def again(self, error: Exception) -> bool:
        """Never: what the host did before would have to be done again too."""
        del error
        return False

    def close(self) -> None:
        """Nothing is ours."""
