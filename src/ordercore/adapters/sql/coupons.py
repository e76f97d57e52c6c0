"""Coupon codes in a SQL database, beside the orders.

Theory of operation. A code is a row; that an order holds or has used it is another. Whoever holds
codes looks and writes in one transaction. SQLite lets one writer in at a time; on PostgreSQL the
transaction first locks the names of the holding, the codes and their promotions. So two orders
never take the last use together. A released holding keeps its rows: it can be held again by name,
but no late payment can use it any more.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from ordercore.adapters.sql.schema import Name
from ordercore.clock import utc
from ordercore.codec import micros, moment
from ordercore.errors import CouponUnavailable, InvalidInput, NewerDocument
from ordercore.pricing import Coupon, CouponStatus, IssuedCoupon

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.engine.interfaces import Dialect
    from sqlalchemy.sql.base import Executable

    from ordercore.adapters.sql.connections import Cursor
    from ordercore.adapters.sql.store import SqlStore
    from ordercore.clock import Clock

__all__ = ["COUPON_SCHEMA", "SqlCouponBook"]

COUPON_SCHEMA = 1
"""The number of this set of tables, kept in the store's table ``meta``."""
CODES_MAX = 100
"""Most codes of one call."""

_META = "coupons_schema"


class _State(enum.IntEnum):
    """What a holding is to a code."""

    RELEASED = 0
    HELD = 1
    USED = 2


class _Code(NamedTuple):
    """A row of the codes, without its code."""

    promotion: str
    single_use: int
    holder: str
    valid_from: int | None
    valid_until: int | None
    total_limit: int | None
    per_customer: int | None
    void: int


class _Take(NamedTuple):
    """A row of what is held, without its holding."""

    code: str
    promotion: str
    customer: str
    until: int
    place: int  # in the order asked, which a lapsed hold is tried in again
    state: int


def _number(number: int) -> ColumnElement[int]:
    return literal_column(str(int(number)))


class _Statements:
    """The tables of one prefix, and the texts over them; each one's parameters stand beside it."""

    def __init__(self, prefix: str, dialect: Dialect) -> None:
        metadata = MetaData()
        self._dialect = dialect
        codes = Table(
            f"{prefix}coupons", metadata,
            Column("code", Name, primary_key=True),
            Column("promotion", Name, nullable=False),
            Column("single_use", SmallInteger, nullable=False),
            Column("holder", Name, nullable=False),
            Column("valid_from", BigInteger),
            Column("valid_until", BigInteger),
            Column("total_limit", Integer),
            Column("per_customer", Integer),
            Column("void", SmallInteger, nullable=False),
            sqlite_with_rowid=False,
        )  # fmt: skip
        takes = Table(
            f"{prefix}coupon_takes", metadata,
            Column("holding", Name, nullable=False),
            Column("code", Name, nullable=False),
            Column("promotion", Name, nullable=False),
            Column("customer", Name, nullable=False),
            Column("until", BigInteger, nullable=False),
            Column("place", SmallInteger, nullable=False),
            Column("state", SmallInteger, nullable=False),
            PrimaryKeyConstraint("holding", "code"),
            Index(f"{prefix}coupon_takes_by_code", "code", "state", "until"),
            Index(f"{prefix}coupon_takes_of", "promotion", "customer", "state", "until"),
            sqlite_with_rowid=False,
        )  # fmt: skip
        self.create = [
            self._ddl(CreateTable(table, if_not_exists=True)) for table in (codes, takes)
        ]
        self.create += [
            self._ddl(CreateIndex(index, if_not_exists=True))
            for index in sorted(takes.indexes, key=lambda index: str(index.name))
        ]
        self._codes(codes)
        self._takes(takes)

    def _ddl(self, element: Any) -> str:
        return str(element.compile(dialect=self._dialect))

    def _text(self, statement: Executable, *names: str) -> str:
        compiled: Any = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        found = tuple(compiled.positiontup)
        assert found == names, f"{compiled.string} takes {found}, not {names}"
        text: str = compiled.string
        return text

    def _codes(self, codes: Table) -> None:
        names = ("code", *_Code._fields)
        self.issue = self._text(
            insert(codes).inline().values({name: bindparam(name) for name in names}), *names
        )
        self.code = self._text(
            select(*[codes.c[name] for name in _Code._fields]).where(
                codes.c.code == bindparam("key")
            ),
            "key",
        )
        self.void = self._text(
            update(codes).where(codes.c.code == bindparam("key")).values(void=_number(1)), "key"
        )

    def _takes(self, takes: Table) -> None:
        c = takes.c
        names = ("holding", *_Take._fields)
        counts = or_(
            c.state == _number(_State.USED),
            and_(c.state == _number(_State.HELD), c.until > bindparam("now")),
        )
        self.take = self._text(
            insert(takes).inline().values({name: bindparam(name) for name in names}), *names
        )
        self.holding = self._text(
            select(*[c[name] for name in _Take._fields])
            .where(c.holding == bindparam("key"))
            .order_by(c.place),
            "key",
        )
        self.forget = self._text(delete(takes).where(c.holding == bindparam("key")), "key")
        self.settle = self._text(
            update(takes).where(c.holding == bindparam("key")).values(state=bindparam("to")),
            "to", "key",
        )  # fmt: skip
        self.status = self._text(
            select(func.max(c.state)).where(c.code == bindparam("key"), counts), "key", "now"
        )
        in_all = select(func.count()).select_from(takes)
        in_all = in_all.where(c.promotion == bindparam("key"), counts)
        self.in_all = self._text(in_all, "key", "now")
        self.by_customer = self._text(
            in_all.where(c.customer == bindparam("customer")), "key", "now", "customer"
        )


@lru_cache(16)
def _prepared(prefix: str, dialect: Dialect) -> _Statements:
    return _Statements(prefix, dialect)


class SqlCouponBook:
    """Coupon codes in the database of a `SqlStore`, on its connections: `issue` gives them out,
    `void` withdraws them.

    On a store inside the host's transaction it writes there too. It makes its tables where they are
    missing, if its store may (``create``) and is not in the host's transaction: there, call `create`.
    ``prefix`` is the store's.
    Codes are compared as they are written. A hold looks at uses and limits and not at the validity of a
    code: a price that was shown while it was valid is kept. Raises `StoreError` as the store does.
    """

    def __init__(self, store: SqlStore, clock: Clock, *, prefix: str = "ordercore_") -> None:
        self._store = store
        self._clock = clock
        self._link = store._link  # noqa: SLF001 - one package, one connection
        self._prefix = prefix
        self._sql = _prepared(prefix, self._link.dialect)
        # the store's two ways in are the book's too
        self._read, self._write = store._read, store._write  # noqa: SLF001
        self._tables = store._sql  # noqa: SLF001
        if store._creates and not store.joined:  # noqa: SLF001
            self.create()
        else:
            self._check_schema()

    @property
    def joins(self) -> bool:
        """Whether it writes in the host's transaction, as its store does."""
        return self._store.joined

    # Tables.

    def create(self) -> None:
        """Make the tables that are not there; raises `NewerDocument` for those of a later version."""
        if not self._store._peek(self._look):  # noqa: SLF001 - no lock where there is nothing to make
            self._write(self._create, None)

    def _create(self, cursor: Cursor, _: None) -> None:
        self._link.lock(cursor, ("ordercore",))
        cursor.execute(self._tables.create_meta)
        cursor.execute(self._tables.meta, (_META,))
        if _known_schema(cursor.fetchall()):
            return  # somebody else was first
        cursor.execute(self._tables.insert_meta, (_META, COUPON_SCHEMA))
        for statement in self._sql.create:
            cursor.execute(statement)

    def _check_schema(self) -> None:
        self._store._peek(self._look)  # noqa: SLF001 - no tables yet: whoever uses them is told

    def _look(self, cursor: Cursor) -> bool:
        cursor.execute(self._tables.meta, (_META,))
        return _known_schema(cursor.fetchall())

    def _lock(self, cursor: Cursor, names: Iterable[str]) -> None:
        """Let nobody else look at these names until the transaction ends."""
        self._link.lock(cursor, [f"{self._prefix}{name}" for name in names])

    # Codes.

    def issue(
        self,
        code: str,
        promotion: str,
        *,
        single_use: bool = True,
        holder: str = "",
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
        total_limit: int | None = None,
        per_customer: int | None = None,
    ) -> None:
        """Give out a code for the promotion with this id; the same again is the same.

        The limits count uses of the *promotion* under any code; give those of its `CouponTerms`, so that no
        two orders slip past them together. Raises `InvalidInput` for a code that stands for something else.
        """
        issued = IssuedCoupon(
            code, promotion, single_use, holder, valid_from, valid_until, total_limit, per_customer
        ).checked()
        row = _Code(
            promotion, int(issued.single_use), holder,
            None if issued.valid_from is None else micros(issued.valid_from),
            None if issued.valid_until is None else micros(issued.valid_until),
            total_limit, per_customer, 0,
        )  # fmt: skip
        self._write(self._issue, (code, row))

    def _issue(self, cursor: Cursor, what: tuple[str, _Code]) -> None:
        code, row = what
        self._lock(cursor, [f"code:{code}"])
        known = self._code(cursor, code)
        if known is None:
            cursor.execute(self._sql.issue, (code, *row))
        elif known[:-1] != row[:-1]:
            raise InvalidInput("the code was issued with other terms", path="code", code=code)

    def _code(self, cursor: Cursor, code: str) -> _Code | None:
        cursor.execute(self._sql.code, (code,))
        rows = cursor.fetchall()
        return _Code(*rows[0]) if rows else None

    def void(self, code: str) -> None:
        """Withdraw a code; an order that holds it keeps it. Raises `InvalidInput` for an unknown one."""
        if not self._write(self._void, code):
            raise InvalidInput("no such code was issued", path="code", code=code)

    def _void(self, cursor: Cursor, code: str) -> int:
        cursor.execute(self._sql.void, (code,))
        return cursor.rowcount

    # The port.

    def find(self, codes: Sequence[str], customer: str) -> tuple[Coupon, ...]:
        """What is known of each code, once and in the order asked."""
        now = micros(self._clock.now())
        found: list[Coupon] = []
        for code in _bounded(codes):
            rows = self._read(self._sql.code, (code,))
            if rows:
                found.append(self._coupon(code, _Code(*rows[0]), customer, now))
        return tuple(found)

    def _coupon(self, code: str, known: _Code, customer: str, now: int) -> Coupon:
        status = CouponStatus.FREE
        if known.void:
            status = CouponStatus.VOID
        elif known.single_use:
            taken = self._read(self._sql.status, (code, now))[0][0]
            if taken is not None:
                status = CouponStatus.USED if taken == _State.USED else CouponStatus.HELD
        in_all = self._read(self._sql.in_all, (known.promotion, now))[0][0]
        own = 0
        if customer:
            own = self._read(self._sql.by_customer, (known.promotion, now, customer))[0][0]
        return Coupon(
            code, known.promotion, status, bool(known.single_use), known.holder,
            None if known.valid_from is None else moment(known.valid_from),
            None if known.valid_until is None else moment(known.valid_until),
            in_all, own,
        )  # fmt: skip

    def hold(self, holding: str, codes: Sequence[str], customer: str, until: datetime) -> None:
        """Hold all or none; `InvalidInput` for a hold that is over before it begins."""
        ends = utc(until, "until")
        asked = [
            _Take(code, "", customer, micros(ends), place, _State.HELD)
            for place, code in enumerate(_bounded(codes))
        ]
        self._write(self._hold, (holding, asked, ends))

    def _hold(self, cursor: Cursor, what: tuple[str, list[_Take], datetime]) -> None:
        holding, asked, ends = what
        self._lock_all(cursor, holding, [take.code for take in asked])
        now = micros(self._clock.now())
        held = self._held(cursor, holding)
        if held and all([_counts(take, now) for take in held]):
            return
        if micros(ends) <= now:
            reason = f"a hold until {ends.isoformat()} is over already"
            raise InvalidInput(reason, path="until")
        self._take(cursor, holding, asked, now)

    def _lock_all(self, cursor: Cursor, holding: str, codes: Sequence[str]) -> None:
        """Lock the holding, then what it is about to count: in that order for everybody."""
        if not self._link.crowded:
            return
        self._lock(cursor, [f"holding:{holding}"])
        known = [self._code(cursor, code) for code in codes]
        self._lock(cursor, {f"promotion:{code.promotion}" for code in known if code is not None})

    def _held(self, cursor: Cursor, holding: str) -> list[_Take]:
        cursor.execute(self._sql.holding, (holding,))
        return [_Take(*row) for row in cursor.fetchall()]

    def _take(self, cursor: Cursor, holding: str, asked: list[_Take], now: int) -> None:
        """Let an order take the codes; raises `CouponUnavailable` for the first that is not free."""
        cursor.execute(self._sql.forget, (holding,))
        for take in asked:
            code, customer = take.code, take.customer
            known = self._code(cursor, code)
            if known is None:
                raise _unavailable(code, "is not known")
            if known.void:
                raise _unavailable(code, "was withdrawn")
            if known.holder and known.holder != customer:
                raise _unavailable(code, "is another customer's")
            if known.single_use and self._count(cursor, self._sql.status, code, now):
                raise _unavailable(code, "is taken by another order")
            most, promotion = known.total_limit, known.promotion
            if most is not None and self._count(cursor, self._sql.in_all, promotion, now) >= most:
                raise _unavailable(code, "was used as often as it may be")
            most = known.per_customer
            if most is not None and customer:
                own = self._count(cursor, self._sql.by_customer, promotion, now, customer)
                if own >= most:
                    raise _unavailable(code, "was used by this customer as often as it may be")
            row = (holding, code, promotion, customer, take.until, take.place, take.state)
            cursor.execute(self._sql.take, row)

    @staticmethod
    def _count(cursor: Cursor, sql: str, *parameters: str | int) -> int:
        cursor.execute(sql, parameters)
        count: int | None = cursor.fetchall()[0][0]
        return count or 0

    def use(self, holding: str) -> None:
        """Make a hold final, also a lapsed one whose codes are still free; a released one is no more."""
        self._write(self._use, holding)

    def _use(self, cursor: Cursor, holding: str) -> None:
        self._lock(cursor, [f"holding:{holding}"])
        held = self._held(cursor, holding)
        self._lock(cursor, {f"promotion:{take.promotion}" for take in held})
        if not held or any([take.state == _State.RELEASED for take in held]):
            raise CouponUnavailable("nothing is held", path=holding, coupon="")
        now = micros(self._clock.now())
        if all([_counts(take, now) for take in held]):
            cursor.execute(self._sql.settle, (_State.USED, holding))
            return
        used = [take._replace(state=_State.USED) for take in held]
        self._take(cursor, holding, used, now)

    def release(self, holding: str) -> None:
        """Free a hold, or give back a use."""
        self._write(self._release, holding)

    def _release(self, cursor: Cursor, holding: str) -> None:
        self._lock(cursor, [f"holding:{holding}"])
        cursor.execute(self._sql.settle, (_State.RELEASED, holding))


def _counts(take: _Take, now: int) -> bool:
    """Whether it stands in anybody's way."""
    return take.state == _State.USED or (take.state == _State.HELD and take.until > now)


def _known_schema(rows: list[Any]) -> bool:
    if rows and rows[0][0] > COUPON_SCHEMA:
        found = rows[0][0]
        reason = f"the coupons have schema {found}; this version knows up to {COUPON_SCHEMA}"
        raise NewerDocument(reason, path="meta.coupons_schema", found=found, known=COUPON_SCHEMA)
    return bool(rows)


def _bounded(codes: Sequence[str]) -> list[str]:
    """Each code once."""
    if len(codes) > CODES_MAX:
        raise InvalidInput(f"at most {CODES_MAX} codes, not {len(codes)}", path="codes")
    return list(dict.fromkeys(codes))


def _unavailable(code: str, why: str) -> CouponUnavailable:
    return CouponUnavailable(f"the coupon {code!r} {why}", path="codes", coupon=code)
