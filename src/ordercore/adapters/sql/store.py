"""Orders in a SQL database.

Theory of operation. What was agreed is written once, as the order's first event; the order's own
row holds what moves. A change is one transaction: the order's row is inserted, or updated
where its version is still the one that was decided upon, and its events, timers, entries and receipt
are written beside it, each table in one go for all changes of a commit.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from ordercore.adapters.sql.connections import Joined, Link, Own
from ordercore.adapters.sql.rows import Batch
from ordercore.adapters.sql.schema import SCHEMA, FindShape, NumberMatch, Statements, Tables
from ordercore.change import Receipt, Recorded
from ordercore.codec import decode_event, decode_state, micros, moment
from ordercore.errors import (
    CorruptDocument,
    InvalidInput,
    KeyReused,
    NewerDocument,
    OrdercoreError,
    Stale,
    StoreError,
    UnreadableData,
)
from ordercore.ledger import AccountKind, Balance
from ordercore.order import Order, Placed
from ordercore.party import Actor, ActorKind
from ordercore.ports import Opened, OutboxItem
from ordercore.timeout import Timer, TimerKey, TimerKind

if TYPE_CHECKING:
    import enum
    from datetime import datetime, timedelta
    from types import TracebackType

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import Dialect

    from ordercore.adapters.sql.connections import Cursor, Synchronous
    from ordercore.change import Change
    from ordercore.ports import OrderQuery

__all__ = ["SqlStore"]

FIND_MAX = 500
"""Most orders of one answer."""
BLOCK = 50
"""Numbers taken from the table at once; what is left of them is skipped at a restart."""
_SEQUENCES_KEPT = 1_000
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,30}")
_CONFLICT = "the order was changed by somebody else"


@lru_cache(16)
def _prepared(prefix: str, dialect: type[Dialect]) -> tuple[Tables, Statements]:
    tables = Tables(prefix)
    return tables, Statements(tables, dialect())


class SqlStore:
    """The order store on SQLite. It may be used from several threads.

    ``SqlStore("sqlite:///orders.db")`` opens a file, ``sqlite://`` lives in memory; the tables are made
    if they are not there. ``synchronous="NORMAL"`` is faster, but a power cut may lose the last
    commits; money asks for ``FULL``, the default.
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
        self._own: Own | None = own
        try:
            if create:
                self.create()
            self._check_schema()
        except BaseException:
            self.close()
            raise

    @classmethod
    def on(cls, connection: Connection, *, prefix: str = "ordercore_") -> SqlStore:
        """A store inside the host's open transaction: it writes there and commits nothing.

        The tables must be there (`create` makes them, too). For one thread, until the transaction
        ends. Raises `InvalidInput` where no transaction is open.
        """
        self = cls.__new__(cls)
        self._bind(Joined(connection), prefix, connection.dialect)
        self._own = None
        self._host = connection
        return self

    def _bind(self, link: Link, prefix: str, dialect: Dialect) -> None:
        if not _PREFIX.fullmatch(prefix):
            reason = f"{prefix!r} is not a prefix: small letters, digits and _, at most 31"
            raise InvalidInput(reason, path="prefix")
        self._tables, self._sql = _prepared(prefix, type(dialect))
        self._errors: tuple[type[Exception], ...] = (dialect.loaded_dbapi.Error,)
        self._taken: tuple[type[Exception], ...] = (dialect.loaded_dbapi.IntegrityError,)
        self._link = link
        self._numbers: dict[str, tuple[int, int]] = {}
        self._numbering = threading.Lock()

    @property
    def joined(self) -> bool:
        """Whether it writes in the host's transaction."""
        return self._link.joined
