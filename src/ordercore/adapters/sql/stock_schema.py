"""The tables of stock, and every statement over them.

An article at a source is one row, or several *buckets* where it is declared hot: writers that would queue
for one row then queue for several. A reservation is a row with its moment; its lines say which rows the units
came from. What one reservation handed to another is remembered, so that it is handed over once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from ordercore.adapters.sql.schema import Name, upsert

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.sql.base import Executable

__all__ = ["STOCK_SCHEMA", "StockStatements", "prepared"]

STOCK_SCHEMA = 1
"""The number of this set of tables, kept in the store's table ``meta``."""

_ZERO: ColumnElement[int] = literal_column("0")
_ONE: ColumnElement[int] = literal_column("1")
# Rows that are written all the time: room on the page for their next version, and early tidying.
_BUSY = {"fillfactor": 50, "autovacuum_vacuum_scale_factor": "0.02"}


class _Tables:
    """The tables of one prefix. Times are microseconds since 1970 in UTC."""

    def __init__(self, prefix: str) -> None:
        metadata = MetaData()
        self.stock = Table(
            f"{prefix}stock", metadata,
            Column("sku", Name, nullable=False),
            Column("source", Name, nullable=False),
            Column("bucket", SmallInteger, nullable=False),
            Column("free", BigInteger, CheckConstraint("free >= 0"), nullable=False),
            PrimaryKeyConstraint("sku", "source", "bucket"),
            sqlite_with_rowid=False,
            postgresql_with=_BUSY,
        )  # fmt: skip
        self.reservations = Table(
            f"{prefix}reservations", metadata,
            Column("name", Name, primary_key=True),
            Column("until", BigInteger, nullable=False),
            Column("final", SmallInteger, nullable=False),
            sqlite_with_rowid=False,
        )  # fmt: skip
        r = self.reservations.c
        Index(
            f"{prefix}reservations_to_lapse", r.until, r.name,
            sqlite_where=r.final == _ZERO, postgresql_where=r.final == _ZERO,
        )  # fmt: skip
        self.lines = Table(
            f"{prefix}reservation_lines", metadata,
            Column("reservation", Name, nullable=False),
            Column("sku", Name, nullable=False),
            Column("source", Name, nullable=False),
            Column("bucket", SmallInteger, nullable=False),
            Column("units", BigInteger, CheckConstraint("units > 0"), nullable=False),
            PrimaryKeyConstraint("reservation", "sku", "source", "bucket"),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.handed = Table(
            f"{prefix}reservations_handed", metadata,
            Column("origin", Name, nullable=False),
            Column("name", Name, nullable=False),
            Column("at", BigInteger, nullable=False),
            PrimaryKeyConstraint("origin", "name"),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.every = (self.stock, self.reservations, self.lines, self.handed)


class StockStatements:
    """The texts over the tables of one prefix; each one's parameters stand beside it."""

    def __init__(self, prefix: str, dialect: Dialect) -> None:
        self._dialect = dialect
        tables = _Tables(prefix)
        self.create = [self._ddl(CreateTable(t, if_not_exists=True)) for t in tables.every]
        self.create += [
            self._ddl(CreateIndex(index, if_not_exists=True))
            for index in tables.reservations.indexes
        ]
        self._shelves(tables.stock)
        self._reservations(tables.reservations)
        self._lines(tables.lines)
        self._handed(tables.handed)

    def _ddl(self, element: Any) -> str:
        return str(element.compile(dialect=self._dialect))

    def _text(self, statement: Executable, *names: str) -> str:
        compiled: Any = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        found = tuple(compiled.positiontup)
        assert found == names, f"{compiled.string} takes {found}, not {names}"
        text: str = compiled.string
        return text

    def _shelves(self, stock: Table) -> None:
        c = stock.c
        its = c.sku == bindparam("of")
        one = and_(its, c.source == bindparam("at"), c.bucket == bindparam("number"))
        # Never read first and written then: what is not there any more is not taken.
        self.take = self._text(
            update(stock)
            .where(one, c.free >= bindparam("least"))
            .values(free=c.free - bindparam("units", type_=BigInteger)),
            "units", "of", "at", "number", "least",
        )  # fmt: skip
        row = upsert(stock, self._dialect)
        names = ("sku", "source", "bucket", "free")
        self.give = self._text(
            row.values({name: bindparam(name) for name in names}).on_conflict_do_update(
                index_elements=list(names[:3]), set_={"free": c.free + row.excluded.free}
            ),
            *names,
        )
        look = select(c.source, c.bucket, c.free).where(its, c.free > _ZERO)
        look = look.order_by(c.source, c.bucket)
        self.look = self._text(look, "of")
        self.locked = self._text(look.with_for_update(), "of")  # where the dialect has it
        self.free = self._text(
            select(c.source, cast(func.sum(c.free), BigInteger))
            .where(its, c.free > _ZERO)
            .group_by(c.source)
            .order_by(c.source),
            "of",
        )

    def _reservations(self, reservations: Table) -> None:
        c = reservations.c
        mine = c.name == bindparam("key")
        stands = or_(c.final == _ONE, c.until > bindparam("now"))
        later = case((c.until < bindparam("ends"), bindparam("ends2")), else_=c.until)
        names = ("name", "until", "final")
        row = upsert(reservations, self._dialect)
        new = row.values({name: bindparam(name) for name in names})
        self.reserve = self._text(new.on_conflict_do_nothing(), *names)
        e = row.excluded
        self.join = self._text(
            new.on_conflict_do_update(
                index_elements=["name"],
                set_={
                    "until": case((c.until < e.until, e.until), else_=c.until),
                    "final": case((c.final < e.final, e.final), else_=c.final),
                },
            ),
            *names,
        )
        self.prolong = self._text(
            update(reservations).where(mine, stands).values(until=later),
            "ends", "ends2", "key", "now",
        )  # fmt: skip
        self.deduct = self._text(
            update(reservations).where(mine, stands).values(final=_ONE), "key", "now"
        )
        self.reservation = self._text(select(c.until, c.final).where(mine).with_for_update(), "key")
        self.stands = self._text(select(c.final).where(mine, stands), "key", "now")
        self.end = self._text(delete(reservations).where(mine), "key")
        over = and_(c.final == _ZERO, c.until <= bindparam("now"))
        self.over = self._text(
            select(c.name).where(over).order_by(c.until, c.name).limit(bindparam("limit"))
            .offset(_ZERO),
            "now", "limit",
        )  # fmt: skip
        self.lapse = self._text(delete(reservations).where(mine, over), "key", "now")

    def _lines(self, lines: Table) -> None:
        c = lines.c
        names = ("reservation", "sku", "source", "bucket", "units")
        row: dict[str, Any] = {name: bindparam(name) for name in names}
        self.add_line = self._text(insert(lines).inline().values(row), *names)
        more = upsert(lines, self._dialect)
        self.more_line = self._text(
            more.values(row).on_conflict_do_update(
                index_elements=list(names[:4]), set_={"units": c.units + more.excluded.units}
            ),
            *names,
        )
        mine = c.reservation == bindparam("key")
        self.lines = self._text(
            select(c.sku, c.source, c.bucket, c.units)
            .where(mine)
            .order_by(c.sku, c.source, c.bucket),
            "key",
        )
        held = cast(func.coalesce(func.sum(c.units), _ZERO), BigInteger)
        self.held = self._text(select(held).where(c.sku == bindparam("of")), "of")
        self.drop_lines = self._text(delete(lines).where(mine), "key")

    def _handed(self, handed: Table) -> None:
        c = handed.c
        names = ("origin", "name", "at")
        row = upsert(handed, self._dialect).values({name: bindparam(name) for name in names})
        self.hand = self._text(row.on_conflict_do_nothing(), *names)
        self.handed = self._text(
            select(c.at).where(c.origin == bindparam("of"), c.name == bindparam("key")), "of", "key"
        )
        self.forget = self._text(delete(handed).where(c.at < bindparam("before")), "before")


@lru_cache(16)
def prepared(prefix: str, dialect: Dialect) -> StockStatements:
    """The statements of a prefix, built once."""
    return StockStatements(prefix, dialect)
