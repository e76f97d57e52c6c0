"""The tables, and every statement over them.

Statements are built with SQLAlchemy Core, once for a dialect and a prefix, and run as text on the
driver's own cursor. Their parameters go by position, in the order in which the store's rows
hold them; that order is checked when a statement is built.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from ordercore.value import value

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.schema import ExecutableDDLElement
    from sqlalchemy.sql.base import Executable
    from sqlalchemy.sql.selectable import FromClause

__all__ = ["SCHEMA", "FindShape", "NumberMatch", "Statements", "Tables"]

SCHEMA = 1
"""The number of this set of tables, kept in the table ``meta``."""

Big = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only in an INTEGER key
_ONE: ColumnElement[int] = literal_column("1")
_ZERO: ColumnElement[int] = literal_column("0")


class Tables:
    """The tables of one prefix. Times are microseconds since 1970 in UTC, amounts minor units."""

    def __init__(self, prefix: str) -> None:
        self.metadata = MetaData()
        self.meta = Table(
            f"{prefix}meta", self.metadata,
            Column("name", String, primary_key=True),
            Column("value", BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.orders = self._orders(prefix)
        self.events = self._events(prefix)
        self.timers = self._timers(prefix)
        self.entries = Table(
            f"{prefix}entries", self.metadata,
            Column("order_id", String, nullable=False),
            Column("sequence", Integer, nullable=False),
            Column("line", Integer, nullable=False),
            Column("account_kind", String, nullable=False),
            Column("account_detail", String, nullable=False),
            Column("currency", String, nullable=False),
            Column("amount", BigInteger, nullable=False),
            Column("at", BigInteger, nullable=False),
            PrimaryKeyConstraint("order_id", "sequence", "line"),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.receipts = Table(
            f"{prefix}receipts", self.metadata,
            Column("shop", String, nullable=False),
            Column("key", String, nullable=False),
            Column("command", String, nullable=False),
            Column("digest", String, nullable=False),
            Column("order_id", String, nullable=False),
            PrimaryKeyConstraint("shop", "key"),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.sequences = Table(
            f"{prefix}sequences", self.metadata,
            Column("name", String, primary_key=True),
            Column("next", BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )  # fmt: skip

    def _orders(self, prefix: str) -> Table:
        """All of an order that moves; what was agreed stands in its first event."""
        return Table(
            f"{prefix}orders", self.metadata,
            Column("id", String, primary_key=True),
            Column("number", String, nullable=False),
            Column("number_reversed", String, nullable=False),
            Column("shop", String, nullable=False),
            Column("customer", String, nullable=False),
            Column("state", String, nullable=False),
            Column("version", Integer, nullable=False),
            Column("placed_at", BigInteger, nullable=False),
            Column("doc", Text, nullable=False),
            # A number is looked up by its tail, so reversed it is found by its beginning.
            Index(f"{prefix}orders_by_number", "number_reversed"),
            Index(f"{prefix}orders_by_customer", "customer", "placed_at"),
            Index(f"{prefix}orders_by_time", "placed_at"),
        )  # fmt: skip

    def _events(self, prefix: str) -> Table:
        """The journal of all orders, and the outbox: what is not relayed yet."""
        events = Table(
            f"{prefix}events", self.metadata,
            Column("position", Big, primary_key=True, autoincrement=True),
            Column("order_id", String, nullable=False),
            Column("sequence", Integer, nullable=False),
            Column("name", String, nullable=False),
            Column("schema", SmallInteger, nullable=False),
            Column("at", BigInteger, nullable=False),
            Column("by_kind", String, nullable=False),
            Column("by_id", String, nullable=False),
            Column("command", String, nullable=False),
            Column("doc", Text, nullable=False),
            Column("relayed", SmallInteger, nullable=False, server_default="0"),
            UniqueConstraint("order_id", "sequence", name=f"{prefix}events_of_order"),
            sqlite_autoincrement=True,  # a position is never given twice
        )  # fmt: skip
        waiting = events.c.relayed == _ZERO
        Index(
            f"{prefix}events_to_relay", events.c.position,
            sqlite_where=waiting, postgresql_where=waiting,
        )  # fmt: skip
        return events

    def _timers(self, prefix: str) -> Table:
        return Table(
            f"{prefix}timers", self.metadata,
            Column("order_id", String, nullable=False),
            Column("kind", String, nullable=False),
            Column("subject", String, nullable=False),
            Column("due", BigInteger, nullable=False),
            Column("visit", Integer, nullable=False),
            Column("tries", Integer, nullable=False),
            Column("leased_until", BigInteger),
            PrimaryKeyConstraint("order_id", "kind", "subject"),
            Index(f"{prefix}timers_by_due", "due"),
            sqlite_with_rowid=False,
        )  # fmt: skip


class NumberMatch(enum.Enum):
    """How a number is looked for."""

    ANY = "any"
    EXACT = "exact"
    TAIL = "tail"
    """By the digits it ends in."""


@value
class FindShape:
    """Which conditions a search has; the same shape is the same statement."""

    number: NumberMatch
    customer: bool
    shop: bool
    states: int
    placed_from: bool
    placed_before: bool


def _text(constant: str) -> ColumnElement[str]:
    return literal_column(f"'{constant}'")


def upsert(table: Table, dialect: Dialect) -> Any:
    """An INSERT that knows ON CONFLICT, of the dialect's own kind."""
    return (postgresql if dialect.name == "postgresql" else sqlite).insert(table)


class Statements:
    """The texts. Each attribute's parameters stand beside it."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._tables = tables
        self._dialect = dialect
        self._create()
        self._write_orders()
        self._write_beside()
        self._read_orders()
        self._timers()
        self._relay()
        self._count()
        self.find = lru_cache(128)(self._find)

    def _text(self, statement: Executable, *names: str) -> str:
        """The statement as text, after a look at the order of its parameters."""
        compiled: Any = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        found = tuple(compiled.positiontup)
        assert found == names, f"{compiled.string} takes {found}, not {names}"
        text: str = compiled.string
        return text

    def _insert(self, table: Table, *names: str) -> str:
        return self._text(insert(table).values({name: bindparam(name) for name in names}), *names)

    def _create(self) -> None:
        """The table ``meta`` first: it says whether the others are for us."""
        t = self._tables
        self.create_meta = self._ddl(CreateTable(t.meta, if_not_exists=True))
        self.create_rest: list[str] = []
        for table in t.metadata.sorted_tables:
            self.create_rest.append(self._ddl(CreateTable(table, if_not_exists=True)))
            indexes = sorted(table.indexes, key=lambda index: str(index.name))
            self.create_rest += [self._ddl(CreateIndex(i, if_not_exists=True)) for i in indexes]
        self.insert_meta = self._insert(t.meta, "name", "value")
        self.meta = self._text(
            select(t.meta.c.value).where(t.meta.c.name == bindparam("name")), "name"
        )

    def _ddl(self, element: ExecutableDDLElement) -> str:
        return str(element.compile(dialect=self._dialect))

    def _write_orders(self) -> None:
        t = self._tables
        self.insert_order = self._insert(
            t.orders, "id", "number", "number_reversed", "shop", "customer", "state", "version",
            "placed_at", "doc",
        )  # fmt: skip
        self.update_order = self._text(
            update(t.orders)
            .where(t.orders.c.id == bindparam("key"), t.orders.c.version == bindparam("before"))
            .values(state=bindparam("to"), version=bindparam("after"), doc=bindparam("text")),
            "to", "after", "text", "key", "before",
        )  # fmt: skip
        self.version = self._text(
            select(t.orders.c.version).where(t.orders.c.id == bindparam("key")), "key"
        )
        self.insert_event = self._insert(
            t.events, "order_id", "sequence", "name", "schema", "at", "by_kind", "by_id",
            "command", "doc",
        )  # fmt: skip

    def _write_beside(self) -> None:
        """What a change brings with it: timers, entries, a receipt."""
        t = self._tables
        key = ("order_id", "kind", "subject")
        timer = upsert(t.timers, self._dialect).values(
            {name: bindparam(name) for name in (*key, "due", "visit", "tries")}
        )
        self.set_timer = self._text(
            timer.on_conflict_do_update(
                index_elements=list(key),
                set_={
                    "due": timer.excluded.due,
                    "visit": timer.excluded.visit,
                    "tries": timer.excluded.tries,
                    "leased_until": literal_column("NULL"),
                },
            ),
            *key, "due", "visit", "tries",
        )  # fmt: skip
        self.clear_timer = self._text(delete(t.timers).where(*self._is(t.timers, *key)), *key)
        self.insert_entry = self._insert(
            t.entries, "order_id", "sequence", "line", "account_kind", "account_detail",
            "currency", "amount", "at",
        )  # fmt: skip
        self.insert_receipt = self._insert(
            t.receipts, "shop", "key", "command", "digest", "order_id"
        )
        self.receipt = self._text(
            select(t.receipts.c.command, t.receipts.c.digest, t.receipts.c.order_id).where(
                *self._is(t.receipts, "shop", "key")
            ),
            "shop", "key",
        )  # fmt: skip

    @staticmethod
    def _is(table: Table, *names: str) -> list[ColumnElement[bool]]:
        return [table.c[name] == bindparam(name) for name in names]

    def _placed(self) -> ColumnElement[bool]:
        """The first event of the order: it holds the content."""
        t = self._tables
        return and_(t.events.c.order_id == t.orders.c.id, t.events.c.sequence == _ONE)

    def _content_columns(self) -> tuple[Any, ...]:
        t = self._tables
        return (t.orders.c.id, t.events.c.name, t.events.c.schema, t.events.c.doc, t.orders.c.doc)

    def _read_orders(self) -> None:
        t = self._tables
        self.load = self._text(
            select(*self._content_columns())
            .select_from(t.orders.join(t.events, self._placed()))
            .where(t.orders.c.id == bindparam("key")),
            "key",
        )
        receipt = and_(t.receipts.c.shop == bindparam("shop"), t.receipts.c.key == bindparam("key"))
        nothing: FromClause = select(_ONE.label("one")).subquery("look")
        self.open = self._text(
            select(
                *self._content_columns(),
                t.receipts.c.command, t.receipts.c.digest, t.receipts.c.order_id,
            ).select_from(
                nothing.outerjoin(t.orders, t.orders.c.id == bindparam("order"))
                .outerjoin(t.events, self._placed())
                .outerjoin(t.receipts, receipt)
            ),
            "order", "shop", "key",
        )  # fmt: skip
        self.journal = self._text(
            select(*self._recorded_columns())
            .where(t.events.c.order_id == bindparam("key"))
            .order_by(t.events.c.sequence),
            "key",
        )

    def _recorded_columns(self) -> tuple[Any, ...]:
        c = self._tables.events.c
        return (
            c.order_id, c.sequence, c.at, c.by_kind, c.by_id, c.command, c.name, c.schema, c.doc
        )  # fmt: skip

    def _timers(self) -> None:
        c = self._tables.timers.c
        key = (c.order_id, c.kind, c.subject)
        free = or_(c.leased_until.is_(None), c.leased_until <= bindparam("now"))
        due = (
            select(*key)
            .where(c.due <= bindparam("now"), free)
            .order_by(c.due, *key)
            .limit(bindparam("most"))
            .offset(_ZERO)
            .with_for_update(skip_locked=True)  # not written where the dialect has none
        )
        timers = self._tables.timers
        self.claim = self._text(
            update(timers)
            .where(tuple_(*key).in_(due))
            .values(tries=c.tries + _ONE, leased_until=bindparam("until"))
            .returning(*key, c.due, c.visit, c.tries),
            "until", "now", "now", "most",
        )  # fmt: skip
        names = ("order_id", "kind", "subject", "due", "visit")
        same = [c[name] == bindparam(f"its_{name}") for name in names]
        its = [f"its_{name}" for name in names]
        self.drop_timer = self._text(delete(timers).where(*same), *its)
        self.move_timer = self._text(
            update(timers)
            .where(*same)
            .values(due=bindparam("later"), leased_until=literal_column("NULL")),
            "later", *its,
        )  # fmt: skip

    def _relay(self) -> None:
        events = self._tables.events
        self.outbox = self._text(
            select(events.c.position, *self._recorded_columns())
            .where(events.c.relayed == _ZERO)
            .order_by(events.c.position)
            .limit(bindparam("most"))
            .offset(_ZERO),
            "most",
        )
        self.acknowledge = self._text(
            update(events)
            .where(events.c.position == bindparam("at"))
            .values(relayed=literal_column("1")),
            "at",
        )

    def _count(self) -> None:
        t = self._tables
        block = upsert(t.sequences, self._dialect).values(
            name=bindparam("name"), next=bindparam("next")
        )
        self.take_numbers = self._text(
            block.on_conflict_do_update(
                index_elements=["name"],
                set_={"next": t.sequences.c.next + bindparam("block")},
            ).returning(t.sequences.c.next),
            "name", "next", "block",
        )  # fmt: skip
        c = t.entries.c
        account = (c.account_kind, c.account_detail, c.currency)
        balance = select(*account, func.sum(c.amount)).group_by(*account).order_by(*account)
        self.balances = self._text(balance)
        self.balances_of = self._text(balance.where(c.order_id == bindparam("key")), "key")

    def _find(self, shape: FindShape) -> tuple[str, tuple[str, ...]]:
        """A search, and the names of its parameters in order; newest orders first."""
        t = self._tables
        c = t.orders.c
        statement = select(*self._content_columns()).select_from(
            t.orders.join(t.events, self._placed())
        )
        if shape.number is NumberMatch.EXACT:
            statement = statement.where(c.number_reversed == bindparam("reversed"))
        elif shape.number is NumberMatch.TAIL:
            # Turned around, the tail is a beginning, and the zeros before it come after it.
            rest = func.ltrim(func.substr(c.number_reversed, bindparam("after")), _text("0"))
            begins = func.substr(rest, _ONE, _ONE)
            whole = or_(begins < _text("0"), begins > _text("9"))
            ends = func.substr(c.number_reversed, _ONE, bindparam("length")) == bindparam("typed")
            statement = statement.where(
                c.number_reversed >= bindparam("low"),
                c.number_reversed < bindparam("high"),
                or_(whole, ends),
            ).order_by(case((whole, _ZERO), else_=_ONE))
        if shape.customer:
            statement = statement.where(c.customer == bindparam("customer"))
        if shape.shop:
            statement = statement.where(c.shop == bindparam("shop"))
        if shape.states:
            states: list[Any] = [bindparam(f"state_{i}") for i in range(shape.states)]
            statement = statement.where(c.state.in_(states))
        if shape.placed_from:
            statement = statement.where(c.placed_at >= bindparam("from"))
        if shape.placed_before:
            statement = statement.where(c.placed_at < bindparam("before"))
        statement = statement.order_by(c.placed_at.desc(), c.id)
        compiled: Any = (
            statement.limit(bindparam("most")).offset(_ZERO).compile(dialect=self._dialect)
        )
        return compiled.string, tuple(compiled.positiontup)
