"""The tables of the accounts, their rows, and every statement over them.

All names stand inside a *book*: the accounts of one gateway. Units are points, or minor units of the account's
currency; times are microseconds since 1970 in UTC. What a lot has left, what a charge has taken of it and how
the sides of the ledger stand say the same thing three times, so that each can be held against the others.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from ordercore.adapters.sql.schema import Name

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.sql.base import Executable

__all__ = [
    "ACCOUNT_SCHEMA",
    "SIDES",
    "AccountRow",
    "AccountStatements",
    "ChargeRow",
    "LotRow",
    "MovementKind",
    "RequestRow",
    "Side",
    "TakeRow",
    "prepared",
]

ACCOUNT_SCHEMA = 1
"""The number of this set of tables, kept in the store's table ``meta``."""
_ZERO: ColumnElement[int] = literal_column("0")


class Side(enum.Enum):
    """Where units can be. The sides of an account always sum to zero."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ACCOUNT = "account"
    """The holder's: what the lots have left."""
    HELD = "held"
    """Kept for charges that are authorized and not captured."""
    SPENT = "spent"
    """Taken by the shop."""
    ISSUED = "issued"
    """Where grants and credits come from: below zero by all that was ever put on accounts."""
    EXPIRED = "expired"
    """Lapsed with their lots."""


class MovementKind(enum.Enum):
    """What a movement is."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    GRANTED = "granted"
    CREDITED = "credited"
    HELD = "held"
    """Kept for a charge."""
    TAKEN = "taken"
    """Charged at once, without a hold before."""
    CAPTURED = "captured"
    """Taken of what was held."""
    FREED = "freed"
    """Let go of what was held."""
    RETURNED = "returned"
    """Back from the shop, by a refund or a void."""
    EXPIRED = "expired"


SIDES: dict[MovementKind, tuple[Side, Side]] = {
    MovementKind.GRANTED: (Side.ISSUED, Side.ACCOUNT),
    MovementKind.CREDITED: (Side.ISSUED, Side.ACCOUNT),
    MovementKind.HELD: (Side.ACCOUNT, Side.HELD),
    MovementKind.TAKEN: (Side.ACCOUNT, Side.SPENT),
    MovementKind.CAPTURED: (Side.HELD, Side.SPENT),
    MovementKind.FREED: (Side.HELD, Side.ACCOUNT),
    MovementKind.RETURNED: (Side.SPENT, Side.ACCOUNT),
    MovementKind.EXPIRED: (Side.ACCOUNT, Side.EXPIRED),
}
"""From where to where each kind of movement goes."""


class AccountRow(NamedTuple):
    """A row of the accounts, without its name."""

    currency: str
    owner: str
    frozen: int
    opened: int
    moves: int  # how many movements there were: the number of the last


class LotRow(NamedTuple):
    """A row of the lots, without its account. A lot has the number of the movement that made it."""

    lot: int
    key: str
    granted: int
    remaining: int
    term: int  # until when it was good at first
    expires: int  # until when it is: later than its term while a grace lasts


class ChargeRow(NamedTuple):
    """A row of the charges, without its key. ``amount``, ``captured`` and ``refunded`` are minor units."""

    order_id: str
    account: str
    currency: str
    amount: int
    units: int
    status: str
    captured: int
    refunded: int
    reason: str
    at: int | None


class TakeRow(NamedTuple):
    """What a charge took of one lot, by where it is now; ``place`` is the order of taking."""

    lot: int
    place: int
    held: int
    spent: int
    returned: int


class RequestRow(NamedTuple):
    """A row of what was asked under a key and is no charge: a grant, a credit, a refund."""

    kind: str
    account: str
    charge: str
    amount: int
    units: int
    expires: int
    status: str
    reason: str
    at: int
    lot: int


class _Tables:
    """The tables of one prefix."""

    def __init__(self, prefix: str) -> None:
        self.metadata = MetaData()
        self.accounts = self._table(
            f"{prefix}accounts", ("book", "account"),
            Column("currency", Name, nullable=False),
            Column("owner", Name, nullable=False),
            Column("frozen", SmallInteger, nullable=False),
            Column("opened", BigInteger, nullable=False),
            Column("moves", BigInteger, nullable=False),
        )  # fmt: skip
        self.lots = self._lots(prefix)
        self._charges(prefix)
        self.requests = self._table(
            f"{prefix}account_requests", ("book", "key"),
            Column("kind", Name, nullable=False),
            Column("account", Name, nullable=False),
            Column("charge", Name, nullable=False),
            Column("amount", BigInteger, nullable=False),
            Column("units", BigInteger, nullable=False),
            Column("expires", BigInteger, nullable=False),
            Column("status", Name, nullable=False),
            Column("reason", String, nullable=False),
            Column("at", BigInteger, nullable=False),
            Column("lot", BigInteger, nullable=False),
        )  # fmt: skip
        self.moves = self._table(
            f"{prefix}account_moves", ("book", "account", ("number", BigInteger)),
            Column("kind", Name, nullable=False),
            Column("key", Name, nullable=False),
            Column("order_id", Name, nullable=False),
            Column("reason", String, nullable=False),
            Column("at", BigInteger, nullable=False),
        )  # fmt: skip
        self.entries = self._table(
            f"{prefix}account_entries",
            ("book", "account", ("number", BigInteger), ("line", SmallInteger)),
            Column("side", Name, nullable=False),
            Column("units", BigInteger, nullable=False),
        )

    def _charges(self, prefix: str) -> None:
        """Charges, what they took of which lots, and their captures."""
        self.charges = self._table(
            f"{prefix}account_charges", ("book", "key"),
            Column("order_id", Name, nullable=False),
            Column("account", Name, nullable=False),
            Column("currency", Name, nullable=False),
            Column("amount", BigInteger, nullable=False),
            Column("units", BigInteger, nullable=False),
            Column("status", Name, nullable=False),
            Column("captured", BigInteger, nullable=False),
            Column("refunded", BigInteger, nullable=False),
            Column("reason", String, nullable=False),
            Column("at", BigInteger),
        )  # fmt: skip
        self.takes = self._table(
            f"{prefix}account_takes", ("book", "key", ("lot", BigInteger)),
            Column("place", Integer, nullable=False),
            Column("held", BigInteger, CheckConstraint("held >= 0"), nullable=False),
            Column("spent", BigInteger, CheckConstraint("spent >= 0"), nullable=False),
            Column("returned", BigInteger, CheckConstraint("returned >= 0"), nullable=False),
        )  # fmt: skip
        # A capture is named by what was captured before it.
        self.captures = self._table(
            f"{prefix}account_captures", ("book", "key", ("earlier", BigInteger)),
            Column("amount", BigInteger, nullable=False),
        )  # fmt: skip

    def _table(self, name: str, key: tuple[Any, ...], *columns: Column[Any]) -> Table:
        """A table kept in the order of its key; a part of the key without a type is a name."""
        parts = [(part, Name) if isinstance(part, str) else part for part in key]
        return Table(
            name, self.metadata,
            *[Column(part, kind, nullable=False, autoincrement=False) for part, kind in parts],
            *columns,
            PrimaryKeyConstraint(*[part for part, _ in parts]),
            sqlite_with_rowid=False,
        )  # fmt: skip

    def _lots(self, prefix: str) -> Table:
        lots = self._table(
            f"{prefix}account_lots", ("book", "account", ("lot", BigInteger)),
            Column("key", Name, nullable=False),
            Column("granted", BigInteger, nullable=False),
            Column("remaining", BigInteger, CheckConstraint("remaining >= 0"), nullable=False),
            Column("term", BigInteger, nullable=False),
            Column("expires", BigInteger, nullable=False),
        )  # fmt: skip
        # Only lots with something in them are ever looked for.
        filled: dict[str, Any] = {
            f"{name}_where": lots.c.remaining > _ZERO for name in ("sqlite", "postgresql")
        }
        Index(f"{prefix}account_lots_filled", lots.c.book, lots.c.account, lots.c.expires, **filled)
        Index(f"{prefix}account_lots_due", lots.c.book, lots.c.expires, **filled)
        return lots


class AccountStatements:
    """The texts over the tables of one prefix; each one's parameters stand beside it."""

    def __init__(self, prefix: str, dialect: Dialect) -> None:
        self._dialect = dialect
        tables = _Tables(prefix)
        every = tables.metadata.sorted_tables
        self.create = [self._ddl(CreateTable(table, if_not_exists=True)) for table in every]
        self.create += [
            self._ddl(CreateIndex(index, if_not_exists=True))
            for index in sorted(tables.lots.indexes, key=lambda index: str(index.name))
        ]
        self._accounts(tables.accounts)
        self._lots(tables.lots)
        self._charges(tables)
        self._ledger(tables)

    def _ddl(self, element: Any) -> str:
        return str(element.compile(dialect=self._dialect))

    def _text(self, statement: Executable, *names: str) -> str:
        compiled: Any = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        found = tuple(compiled.positiontup)
        assert found == names, f"{compiled.string} takes {found}, not {names}"
        text: str = compiled.string
        return text

    def _insert(self, table: Table) -> str:
        """A row, its values in the order of the columns."""
        names = tuple([column.name for column in table.columns])
        row = insert(table).inline().values({name: bindparam(name) for name in names})
        return self._text(row, *names)

    def _accounts(self, accounts: Table) -> None:
        c = accounts.c
        mine = (c.book == bindparam("in_book"), c.account == bindparam("of"))
        self.open = self._insert(accounts)
        self.account = self._text(
            select(*[c[name] for name in AccountRow._fields]).where(*mine), "in_book", "of"
        )
        self.freeze = self._text(
            update(accounts).where(*mine).values(frozen=bindparam("to")), "to", "in_book", "of"
        )
        self.count = self._text(
            update(accounts).where(*mine, c.moves == bindparam("was")).values(moves=bindparam("to")),
            "to", "in_book", "of", "was",
        )  # fmt: skip

    def _lots(self, lots: Table) -> None:
        c = lots.c
        mine = (c.book == bindparam("in_book"), c.account == bindparam("of"))
        one = (*mine, c.lot == bindparam("number"))
        filled = c.remaining > _ZERO
        row = select(*[c[name] for name in LotRow._fields])
        soonest_first = (c.expires, c.lot)
        self.add_lot = self._insert(lots)
        self.lot = self._text(row.where(*one), "in_book", "of", "number")
        self.filled = self._text(row.where(*mine, filled).order_by(*soonest_first), "in_book", "of")
        self.usable = self._text(
            row.where(*mine, filled, c.expires > bindparam("now")).order_by(*soonest_first),
            "in_book", "of", "now",
        )  # fmt: skip
        self.worth = self._text(
            select(_total(c.remaining)).where(*mine, filled, c.expires > bindparam("now")),
            "in_book", "of", "now",
        )  # fmt: skip
        self.balance = self._text(select(_total(c.remaining)).where(*mine, filled), "in_book", "of")
        # What is written over is named: who was not seen by a lock is met here.
        self.fill = self._text(
            update(lots)
            .where(*one, c.remaining == bindparam("was"))
            .values(remaining=bindparam("to"), expires=bindparam("until")),
            "to", "until", "in_book", "of", "number", "was",
        )  # fmt: skip
        self.due = self._text(
            select(c.account, c.lot)
            .where(c.book == bindparam("in_book"), filled, c.expires <= bindparam("now"))
            .order_by(c.expires, c.account, c.lot)
            .limit(bindparam("limit"))
            .offset(_ZERO),
            "in_book", "now", "limit",
        )  # fmt: skip

    def _charges(self, tables: _Tables) -> None:
        c = tables.charges.c
        mine = (c.book == bindparam("in_book"), c.key == bindparam("under"))
        self.add_charge = self._insert(tables.charges)
        self.charge = self._text(
            select(*[c[name] for name in ChargeRow._fields]).where(*mine), "in_book", "under"
        )
        names = ("status", "captured", "refunded", "at")
        self.settle = self._text(
            update(tables.charges).where(*mine).values({n: bindparam(f"to_{n}") for n in names}),
            *[f"to_{name}" for name in names], "in_book", "under",
        )  # fmt: skip
        t = tables.takes.c
        its = (t.book == bindparam("in_book"), t.key == bindparam("under"))
        self.add_take = self._insert(tables.takes)
        self.takes = self._text(
            select(*[t[name] for name in TakeRow._fields]).where(*its).order_by(t.place),
            "in_book", "under",
        )  # fmt: skip
        where = ("held", "spent", "returned")
        self.take = self._text(
            update(tables.takes)
            .where(*its, t.lot == bindparam("number"))
            .values({name: bindparam(f"to_{name}") for name in where}),
            *[f"to_{name}" for name in where], "in_book", "under", "number",
        )  # fmt: skip
        k = tables.captures.c
        self.add_capture = self._insert(tables.captures)
        self.capture = self._text(
            select(k.amount).where(
                k.book == bindparam("in_book"),
                k.key == bindparam("under"),
                k.earlier == bindparam("after"),
            ),
            "in_book", "under", "after",
        )  # fmt: skip
        r = tables.requests.c
        self.add_request = self._insert(tables.requests)
        self.request = self._text(
            select(*[r[name] for name in RequestRow._fields]).where(
                r.book == bindparam("in_book"), r.key == bindparam("under")
            ),
            "in_book", "under",
        )  # fmt: skip

    def _ledger(self, tables: _Tables) -> None:
        m, e, a = tables.moves.c, tables.entries.c, tables.accounts.c
        self.add_move = self._insert(tables.moves)
        self.add_entry = self._insert(tables.entries)
        mine = (e.book == bindparam("in_book"), e.account == bindparam("of"))
        self.moves = self._text(
            select(m.number, m.kind, m.key, m.order_id, m.reason, m.at, e.units)
            .join(
                tables.entries,
                (e.book == m.book) & (e.account == m.account) & (e.number == m.number),
            )
            .where(
                m.book == bindparam("in_book"),
                m.account == bindparam("of"),
                m.number > bindparam("after"),
                e.line == literal_column("1"),
            )
            .order_by(m.number)
            .limit(bindparam("limit"))
            .offset(_ZERO),
            "in_book", "of", "after", "limit",
        )  # fmt: skip
        self.side = self._text(
            select(_total(e.units)).where(
                *mine, e.side == bindparam("on"), e.number <= bindparam("upto")
            ),
            "in_book", "of", "on", "upto",
        )  # fmt: skip
        whose = (a.book == e.book) & (a.account == e.account)
        total = (
            select(e.side, a.currency, _total(e.units))
            .join(tables.accounts, whose)
            .where(e.book == bindparam("in_book"))
            .group_by(e.side, a.currency)
            .order_by(e.side, a.currency)
        )
        self.trial = self._text(total, "in_book")
        self.trial_of = self._text(total.where(e.account == bindparam("of")), "in_book", "of")


def _total(column: Column[Any]) -> ColumnElement[int]:
    """A sum as a whole number: a server adds up in decimals."""
    return cast(func.coalesce(func.sum(column), _ZERO), BigInteger)


@lru_cache(16)
def prepared(prefix: str, dialect: Dialect) -> AccountStatements:
    """The statements of a prefix, built once."""
    return AccountStatements(prefix, dialect)
