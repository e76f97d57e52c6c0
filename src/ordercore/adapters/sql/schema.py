"""The tables, and every statement over them.

Statements are built with SQLAlchemy Core, once for a dialect and a prefix, and run as text on the
driver's own cursor. Their parameters go by position, in the order in which the store's rows
hold them; that order is checked when a statement is built.
"""

from __future__ import annotations

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

from ordercore.adapters.sql.searching import Searches, search_indexes

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.schema import ExecutableDDLElement
    from sqlalchemy.sql.base import Executable
    from sqlalchemy.sql.selectable import FromClause

__all__ = ["NEVER", "SCHEMA", "Name", "Statements", "Tables"]

SCHEMA = 2
"""The number of this set of tables, kept in the table ``meta``."""
NEVER = 2**63 - 1
"""When a timer is due that is set aside. It keeps its row, so a change that sets or clears it needs no other table."""

Big = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only in an INTEGER key
# Compared sign by sign everywhere: a server's own collation may know better what comes after what.
Name = String().with_variant(String(collation="C"), "postgresql")
# Room on each page for rows to be written anew, and early tidying: a queue is rewritten all the time.
_BUSY = {"fillfactor": 70, "autovacuum_vacuum_scale_factor": "0.02"}
# Microseconds since 1970, by the database's clock.
_NOW = {
    "sqlite": "SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000",
    "postgresql": "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT",
}
_ONE: ColumnElement[int] = literal_column("1")
_ZERO: ColumnElement[int] = literal_column("0")


class Tables:
    """The tables of one prefix. Times are microseconds since 1970 in UTC, amounts minor units."""

    def __init__(self, prefix: str) -> None:
        self.metadata = MetaData()
        self.meta = Table(
            f"{prefix}meta", self.metadata,
            Column("name", Name, primary_key=True),
            Column("value", BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.orders = self._orders(prefix)
        self.events = self._events(prefix)
        self.timers = self._timers(prefix)
        self.parked = self._parked(prefix)
        self.entries = Table(
            f"{prefix}entries", self.metadata,
            Column("order_id", Name, nullable=False),
            Column("sequence", Integer, nullable=False),
            Column("line", Integer, nullable=False),
            Column("account_kind", Name, nullable=False),
            Column("account_detail", Name, nullable=False),
            Column("currency", Name, nullable=False),
            Column("amount", BigInteger, nullable=False),
            Column("at", BigInteger, nullable=False),
            PrimaryKeyConstraint("order_id", "sequence", "line"),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.receipts = Table(
            f"{prefix}receipts", self.metadata,
            Column("shop", Name, nullable=False),
            Column("key", Name, nullable=False),
            Column("command", String, nullable=False),
            Column("digest", String, nullable=False),
            Column("order_id", Name, nullable=False),
            PrimaryKeyConstraint("shop", "key"),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.sequences = Table(
            f"{prefix}sequences", self.metadata,
            Column("name", Name, primary_key=True),
            Column("next", BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.tags, self.items = self._tags(prefix), self._items(prefix)
        search_indexes(prefix, self.orders, self.items)

    def _tags(self, prefix: str) -> Table:
        """Words that the shop puts on orders."""
        return Table(
            f"{prefix}tags", self.metadata,
            Column("order_id", Name, nullable=False),
            Column("tag", Name, nullable=False),
            PrimaryKeyConstraint("order_id", "tag"),
            Index(f"{prefix}tags_by_tag", "tag", "order_id"),
            sqlite_with_rowid=False,
        )  # fmt: skip

    def _items(self, prefix: str) -> Table:
        """Which order has which sku, and at what status of its own."""
        return Table(
            f"{prefix}items", self.metadata,
            Column("order_id", Name, nullable=False),
            Column("line", Name, nullable=False),
            Column("place", Integer, nullable=False),  # of the line in its order
            Column("sku", Name, nullable=False),
            Column("status", Name, nullable=False),
            PrimaryKeyConstraint("order_id", "line"),
            Index(f"{prefix}items_by_sku", "sku", "order_id"),
            sqlite_with_rowid=False,
        )  # fmt: skip

    def _orders(self, prefix: str) -> Table:
        """All of an order that moves; what was agreed stands in the event whose number is ``agreed``."""
        return Table(
            f"{prefix}orders", self.metadata,
            Column("id", Name, primary_key=True),
            Column("number", Name, nullable=False),
            Column("number_reversed", Name, nullable=False),
            Column("shop", Name, nullable=False),
            Column("customer", Name, nullable=False),
            Column("state", Name, nullable=False),
            Column("version", Integer, nullable=False),
            Column("placed_at", BigInteger, nullable=False),
            Column("doc", Text, nullable=False),
            Column("agreed", Integer, nullable=False, server_default="1"),
            # what is searched for; all of it stands in the documents too
            Column("payment", Name, nullable=False, server_default=""),
            Column("delivery", Name, nullable=False, server_default=""),
            Column("site", Name, nullable=False, server_default=""),
            Column("channel", Name, nullable=False, server_default=""),
            Column("campaign", Name, nullable=False, server_default=""),
            # A number is looked up by its tail, so reversed it is found by its beginning.
            Index(f"{prefix}orders_by_number", "number_reversed"),
            Index(f"{prefix}orders_by_time", "placed_at", "id"),
        )  # fmt: skip

    def _events(self, prefix: str) -> Table:
        """The journal of all orders, and the outbox: what is not relayed yet."""
        events = Table(
            f"{prefix}events", self.metadata,
            Column("position", Big, primary_key=True, autoincrement=True),
            Column("order_id", Name, nullable=False),
            Column("sequence", Integer, nullable=False),
            Column("name", Name, nullable=False),
            Column("schema", SmallInteger, nullable=False),
            Column("at", BigInteger, nullable=False),
            Column("by_kind", Name, nullable=False),
            Column("by_id", Name, nullable=False),
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
        """What is due when. Claiming walks the index in its own order and changes no indexed column."""
        return Table(
            f"{prefix}timers", self.metadata,
            Column("order_id", Name, nullable=False),
            Column("kind", Name, nullable=False),
            Column("subject", Name, nullable=False),
            Column("due", BigInteger, nullable=False),
            Column("visit", Integer, nullable=False),
            Column("tries", Integer, nullable=False),
            Column("leased_until", BigInteger),
            PrimaryKeyConstraint("order_id", "kind", "subject"),
            Index(f"{prefix}timers_by_due", "due", "order_id", "kind", "subject"),
            sqlite_with_rowid=False,
            postgresql_with=_BUSY,
        )  # fmt: skip

    def _parked(self, prefix: str) -> Table:
        """Why timers were set aside. A row says so only while its timer is due never."""
        return Table(
            f"{prefix}parked", self.metadata,
            Column("order_id", Name, nullable=False),
            Column("kind", Name, nullable=False),
            Column("subject", Name, nullable=False),
            Column("due", BigInteger, nullable=False),
            Column("visit", Integer, nullable=False),
            Column("tries", Integer, nullable=False),
            Column("error", Text, nullable=False),
            Column("at", BigInteger, nullable=False),
            PrimaryKeyConstraint("order_id", "kind", "subject"),
            sqlite_with_rowid=False,
        )  # fmt: skip


def upsert(table: Table, dialect: Dialect) -> Any:
    """An INSERT that knows ON CONFLICT, of the dialect's own kind."""
    return (postgresql if dialect.name == "postgresql" else sqlite).insert(table)


class Statements:
    """The texts. Each attribute's parameters stand beside it."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self.tables = tables
        self.dialect = dialect
        self._create()
        self._write_orders()
        self._write_beside()
        self._read_orders()
        self._timers()
        self._setting_aside()
        self._relay()
        self._count()
        searches = Searches(tables, dialect, self.content_columns(), self.agreed())
        self.find = searches.statement

    def _text(self, statement: Executable, *names: str) -> str:
        """The statement as text, after a look at the order of its parameters."""
        compiled: Any = statement.compile(dialect=self.dialect)  # type: ignore[attr-defined]
        found = tuple(compiled.positiontup)
        assert found == names, f"{compiled.string} takes {found}, not {names}"
        text: str = compiled.string
        return text

    def _insert(self, table: Table, *names: str) -> str:
        row: dict[str, Any] = {name: bindparam(name) for name in names}
        return self._text(insert(table).inline().values(row), *names)  # nothing is handed back

    def _create(self) -> None:
        """The table ``meta`` first: it says whether the others are for us."""
        t = self.tables
        self.create_meta = self._ddl(CreateTable(t.meta, if_not_exists=True))
        self.create_rest: list[str] = []
        for table in t.metadata.sorted_tables:
            self.create_rest.append(self._ddl(CreateTable(table, if_not_exists=True)))
            indexes = sorted(table.indexes, key=lambda index: str(index.name))
            self.create_rest += [self._ddl(CreateIndex(i, if_not_exists=True)) for i in indexes]
        self.insert_meta = self._insert(t.meta, "name", "value")
        self.update_meta = self._text(
            update(t.meta).where(t.meta.c.name == bindparam("key")).values(value=bindparam("to")),
            "to", "key",
        )  # fmt: skip
        self.meta = self._text(
            select(t.meta.c.value).where(t.meta.c.name == bindparam("name")), "name"
        )

    def _ddl(self, element: ExecutableDDLElement) -> str:
        return str(element.compile(dialect=self.dialect))

    def _write_orders(self) -> None:
        t = self.tables
        self.insert_order = self._insert(
            t.orders, "id", "number", "number_reversed", "shop", "customer", "state", "version",
            "placed_at", "doc", "agreed", "payment", "delivery", "site", "channel", "campaign",
        )  # fmt: skip
        moving, stands = ("state", "version", "doc"), ("payment", "delivery")
        whence = ("site", "channel", "campaign")
        self.update_order = self._update_order(*moving, *stands)
        self.update_agreed = self._update_order(*moving, "agreed", *stands, *whence)
        self.fill_order = self._update_order(*stands, *whence)
        self.insert_tag = self._insert(t.tags, "order_id", "tag")
        self.clear_tags = self._text(
            delete(t.tags).where(*self._is(t.tags, "order_id")), "order_id"
        )
        self.insert_item = self._insert(t.items, "order_id", "line", "place", "sku", "status")
        self.clear_items = self._text(
            delete(t.items).where(*self._is(t.items, "order_id")), "order_id"
        )
        self.version = self._text(
            select(t.orders.c.version).where(t.orders.c.id == bindparam("key")), "key"
        )
        self.insert_event = self._insert(
            t.events, "order_id", "sequence", "name", "schema", "at", "by_kind", "by_id",
            "command", "doc",
        )  # fmt: skip

    def _update_order(self, *names: str) -> str:
        """Sets these columns of an order that is still at the version ``before``."""
        orders = self.tables.orders
        its = (orders.c.id == bindparam("key"), orders.c.version == bindparam("before"))
        columns = [column.name for column in orders.columns if column.name in names]
        values: dict[str, Any] = {name: bindparam(f"to_{name}") for name in names}
        assert columns == list(names), f"{names} do not stand in the order of the columns"
        to = [f"to_{name}" for name in names]
        return self._text(update(orders).where(*its).values(values), *to, "key", "before")

    def _write_beside(self) -> None:
        """What a change brings with it: timers, entries, a receipt."""
        t = self.tables
        key = ("order_id", "kind", "subject")
        timer = upsert(t.timers, self.dialect).values(
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

    def agreed(self) -> ColumnElement[bool]:
        """The event of the order that holds its content."""
        t = self.tables
        return and_(t.events.c.order_id == t.orders.c.id, t.events.c.sequence == t.orders.c.agreed)

    def content_columns(self) -> tuple[Any, ...]:
        """What `ordercore.adapters.sql.rows.content_of` and `state_of` read."""
        t = self.tables
        return (
            t.orders.c.id, t.events.c.name, t.events.c.schema, t.events.c.doc, t.orders.c.doc,
            t.orders.c.agreed,
        )  # fmt: skip

    def _read_orders(self) -> None:
        t = self.tables
        self.load = self._text(
            select(*self.content_columns())
            .select_from(t.orders.join(t.events, self.agreed()))
            .where(t.orders.c.id == bindparam("key")),
            "key",
        )
        receipt = and_(t.receipts.c.shop == bindparam("shop"), t.receipts.c.key == bindparam("key"))
        nothing: FromClause = select(_ONE.label("one")).subquery("look")
        self.open = self._text(
            select(
                *self.content_columns(),
                t.receipts.c.command, t.receipts.c.digest, t.receipts.c.order_id,
            ).select_from(
                nothing.outerjoin(t.orders, t.orders.c.id == bindparam("order"))
                .outerjoin(t.events, self.agreed())
                .outerjoin(t.receipts, receipt)
            ),
            "order", "shop", "key",
        )  # fmt: skip
        self.orders_after = self._text(
            select(*self.content_columns(), t.orders.c.version)
            .select_from(t.orders.join(t.events, self.agreed()))
            .where(t.orders.c.id > bindparam("key"))
            .order_by(t.orders.c.id)
            .limit(bindparam("most"))
            .offset(_ZERO),
            "key", "most",
        )  # fmt: skip
        self.journal = self._text(
            select(*self._recorded_columns())
            .where(t.events.c.order_id == bindparam("key"))
            .order_by(t.events.c.sequence),
            "key",
        )

    def _recorded_columns(self) -> tuple[Any, ...]:
        c = self.tables.events.c
        return (
            c.order_id, c.sequence, c.at, c.by_kind, c.by_id, c.command, c.name, c.schema, c.doc
        )  # fmt: skip

    def _timers(self) -> None:
        timers = self.tables.timers
        c = timers.c
        key = (c.order_id, c.kind, c.subject)
        free = or_(c.leased_until.is_(None), c.leased_until <= bindparam("now"))

        def due(*columns: ColumnElement[Any]) -> Any:
            return (
                select(*columns)
                .select_from(timers)
                .where(c.due <= bindparam("now"), free)
                .order_by(c.due, *key)
                .limit(bindparam("most"))
                .offset(_ZERO)
                .with_for_update(skip_locked=True)  # not written where the dialect has none
            )

        if self.dialect.name == "postgresql":
            # By their place on the disk: locked rows do not move, and the plan is the same at any size.
            place: ColumnElement[Any] = literal_column("ctid")
            chosen = place == func.any(func.array(due(place).scalar_subquery()))
        else:
            chosen = tuple_(*key).in_(due(*key))
        self.claim = self._text(
            update(timers)
            .where(chosen)
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

    def _setting_aside(self) -> None:
        t = self.tables
        c, p = t.timers.c, t.parked.c
        key = ("order_id", "kind", "subject")
        never: ColumnElement[int] = literal_column(str(NEVER))
        unleased: ColumnElement[int] = literal_column("NULL")
        same = and_(*[c[name] == p[name] for name in key], c.due == never)
        its = self._is(t.timers, *key)
        self.hide_timer = self._text(
            update(t.timers).where(*its).values(due=never, leased_until=unleased), *key
        )
        its_due = [c[name] == bindparam(f"its_{name}") for name in ("due", "visit")]
        self.hide_same = self._text(
            update(t.timers).where(*its, *its_due).values(due=never, leased_until=unleased),
            *key, "its_due", "its_visit",
        )  # fmt: skip
        rest = ("due", "visit", "tries", "error", "at")
        row = upsert(t.parked, self.dialect).values({n: bindparam(n) for n in (*key, *rest)})
        self.park = self._text(
            row.on_conflict_do_update(
                index_elements=list(key), set_={name: row.excluded[name] for name in rest}
            ),
            *key, *rest,
        )  # fmt: skip
        self.tidy_parked = self._text(
            delete(t.parked).where(~select(_ONE).select_from(t.timers).where(same).exists())
        )
        self.parked = self._text(
            select(*[p[name] for name in (*key, *rest)])
            .select_from(t.parked.join(t.timers, same))
            .order_by(p.at, *[p[name] for name in key])
            .limit(bindparam("most"))
            .offset(_ZERO),
            "most",
        )
        self.show_timer = self._text(
            update(t.timers)
            .where(*its, c.due == never)
            .values(due=bindparam("later"), tries=_ZERO, leased_until=unleased),
            "later", *key,
        )  # fmt: skip
        self.unpark = self._text(delete(t.parked).where(*self._is(t.parked, *key)), *key)
        self.count_parked = self._text(
            select(func.count()).select_from(t.parked.join(t.timers, same))
        )
        self.count_due = self._text(
            select(func.count(), func.min(c.due)).where(c.due <= bindparam("now")), "now"
        )

        self.now = _NOW[self.dialect.name]

    def _relay(self) -> None:
        events = self.tables.events
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
        t = self.tables
        block = upsert(t.sequences, self.dialect).values(
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
