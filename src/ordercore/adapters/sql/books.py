"""Reading the books: events of all orders by name and time, entries, and turnovers of accounts.

Events have no index by time, for each would cost every write: their positions grow as time does, so the first
and the last that can be meant are found by halving. Workers whose clocks differ, or a commit that came late,
may put an event out of its time by no more than `SLACK`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import BigInteger, and_, bindparam, case, cast, func, literal_column, or_, select

from ordercore.adapters.sql.rows import account_of, recorded_of
from ordercore.codec import micros, moment
from ordercore.errors import InvalidInput
from ordercore.ledger import Entry, Turnover
from ordercore.ports import HistoryPage, LedgerLine, LedgerPage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine.interfaces import Dialect

    from ordercore.adapters.sql.rows import Row
    from ordercore.adapters.sql.schema import Tables
    from ordercore.ports import HistoryQuery, LedgerQuery

    Read = Callable[[str, Sequence[Any]], list[Row]]

__all__ = ["Books"]

SLACK = 2 * 3_600_000_000
"""How far an event may stand before one that was recorded earlier, in microseconds."""
LIMIT_MAX = 10_000
NAMES_MAX = 50
_HALVINGS = 64
_ZERO: ColumnElement[int] = literal_column("0")
_SEPARATOR = "|"


class Books:
    """The statements of one set of tables; the same shape of question is the same statement."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._tables = tables
        self._dialect = dialect
        self._shaped = lru_cache(64)(self._compiled)

    def history(self, read: Read, query: HistoryQuery) -> HistoryPage:
        """A page of events."""
        names = tuple(dict.fromkeys(query.names))
        if not 0 < len(names) <= NAMES_MAX:
            raise InvalidInput(f"1 to {NAMES_MAX} names of events", path="names")
        limit = _bounded(query.limit)
        since, before = micros(query.since), micros(query.before)
        after = self._after(read, query.after, since)
        text, order = self._shaped("history", len(names), bool(query.shop))
        values: dict[str, Any] = {
            "since": since, "before": before, "after": after, "shop": query.shop,
            "until": self._behind(read, before + SLACK), "most": limit + 1,
        }  # fmt: skip
        values.update({f"name{i}": name for i, name in enumerate(names)})
        rows = read(text, [values[name] for name in order])
        found = rows[:limit]
        following = str(found[-1][0]) if len(rows) > limit else ""
        return HistoryPage(tuple([recorded_of(row[1:]) for row in found]), following)

    def _after(self, read: Read, cursor: str, since: int) -> int:
        if not cursor:
            return self._behind(read, since - SLACK) - 1
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20):
            _broken()
        return int(cursor)

    def _behind(self, read: Read, at: int) -> int:
        """The first position whose event was recorded at a moment or later, by halving."""
        text, order = self._shaped("last")
        last = read(text, [])[0][0]
        low, high = 1, (0 if last is None else int(last)) + 1
        text, order = self._shaped("position")
        for _ in range(_HALVINGS):
            if low >= high:
                break
            middle = (low + high) // 2
            values = {"place": middle, "most": 1}
            rows = read(text, [values[name] for name in order])
            if rows and int(rows[0][1]) < at:
                low = int(rows[0][0]) + 1
            else:
                high = middle
        return low

    def entries(self, read: Read, query: LedgerQuery) -> LedgerPage:
        """A page of entries."""
        limit = _bounded(query.limit)
        text, order = self._shaped("entries", *_shape(query))
        values = _asked(query)
        values["most"] = limit + 1
        rows = read(text, [values[name] for name in order])
        found = rows[:limit]
        following = ""
        if len(rows) > limit:
            name, sequence, line, at = found[-1][:4]
            following = _SEPARATOR.join((str(at), str(sequence), str(line), name))
        lines = [
            LedgerLine(
                name, sequence, moment(at), currency, Entry(account_of(kind), detail, int(amount))
            )
            for name, sequence, _, at, kind, detail, currency, amount in found
        ]
        return LedgerPage(tuple(lines), following)

    def turnover(self, read: Read, query: LedgerQuery) -> tuple[Turnover, ...]:
        """Debits and credits by account."""
        text, order = self._shaped("turnover", *_shape(query, paged=False))
        values = _asked(query)
        rows = read(text, [values[name] for name in order])
        return tuple(
            Turnover(account_of(kind), detail, currency, int(debit), int(credit))
            for kind, detail, currency, debit, credit in rows
        )

    # --- Statements --------------------------------------------------------------------------

    def _compiled(self, kind: str, *shape: Any) -> tuple[str, tuple[str, ...]]:
        made: dict[str, Callable[..., Select[Any]]] = {
            "history": self._history, "last": self._last, "position": self._position,
            "entries": self._entries, "turnover": self._turnover,
        }  # fmt: skip
        compiled: Any = made[kind](*shape).compile(dialect=self._dialect)
        return compiled.string, tuple(compiled.positiontup or ())

    def _history(self, names: int, shop: bool) -> Select[Any]:  # noqa: FBT001 - part of a shape
        events, orders = self._tables.events, self._tables.orders
        c = events.c
        found = select(
            c.position, c.order_id, c.sequence, c.at, c.by_kind, c.by_id, c.command, c.name,
            c.schema, c.doc,
        ).where(
            c.position > bindparam("after"),
            c.position < bindparam("until"),
            or_(*[c.name == bindparam(f"name{i}") for i in range(names)]),
            c.at >= bindparam("since"),
            c.at < bindparam("before"),
        )  # fmt: skip
        if shop:
            found = found.join(orders, orders.c.id == c.order_id).where(
                orders.c.shop == bindparam("shop")
            )
        return found.order_by(c.position).limit(bindparam("most")).offset(_ZERO)

    def _last(self) -> Select[Any]:
        return select(func.max(self._tables.events.c.position))

    def _position(self) -> Select[Any]:
        c = self._tables.events.c
        found = select(c.position, c.at).where(c.position >= bindparam("place"))
        return found.order_by(c.position).limit(bindparam("most")).offset(_ZERO)

    def _asked_for(self, found: Select[Any], shape: Sequence[bool]) -> Select[Any]:
        c, orders = self._tables.entries.c, self._tables.orders
        since, before, account, detail, currency, shop, after = shape
        if since:
            found = found.where(c.at >= bindparam("since"))
        if before:
            found = found.where(c.at < bindparam("before"))
        for wanted, name in ((account, "account_kind"), (detail, "account_detail")):
            if wanted:
                found = found.where(c[name] == bindparam(name))
        if currency:
            found = found.where(c.currency == bindparam("currency"))
        if shop:
            found = found.join(orders, orders.c.id == c.order_id).where(
                orders.c.shop == bindparam("shop")
            )
        if after:
            keys = ((c.at, "at"), (c.order_id, "name"), (c.sequence, "number"), (c.line, "line"))
            behind: Any = None
            for column, name in reversed(keys):
                further = column > bindparam(f"after_{name}")
                same = column == bindparam(f"same_{name}")
                behind = further if behind is None else or_(further, and_(same, behind))
            found = found.where(behind)
        return found

    def _entries(self, *shape: bool) -> Select[Any]:
        c = self._tables.entries.c
        found: Select[Any] = select(
            c.order_id, c.sequence, c.line, c.at, c.account_kind, c.account_detail, c.currency,
            c.amount,
        )  # fmt: skip
        found = self._asked_for(found, shape)
        place = (c.at, c.order_id, c.sequence, c.line)
        return found.order_by(*place).limit(bindparam("most")).offset(_ZERO)

    def _turnover(self, *shape: bool) -> Select[Any]:
        c = self._tables.entries.c
        account = (c.account_kind, c.account_detail, c.currency)
        debit = func.sum(case((c.amount > _ZERO, c.amount), else_=_ZERO))
        credit = func.sum(case((c.amount < _ZERO, -c.amount), else_=_ZERO))
        found: Select[Any] = select(*account, cast(debit, BigInteger), cast(credit, BigInteger))
        asked: Any = self._asked_for(found.select_from(self._tables.entries), shape)
        sums: Select[Any] = asked.group_by(*account).order_by(*account)
        return sums


def _shape(query: LedgerQuery, *, paged: bool = True) -> tuple[bool, ...]:
    return (
        query.since is not None, query.before is not None, query.account is not None,
        query.detail is not None, bool(query.currency), bool(query.shop), paged and bool(query.after),
    )  # fmt: skip


def _asked(query: LedgerQuery) -> dict[str, Any]:
    values: dict[str, Any] = {
        "since": None if query.since is None else micros(query.since),
        "before": None if query.before is None else micros(query.before),
        "account_kind": None if query.account is None else query.account.value,
        "account_detail": query.detail,
        "currency": query.currency,
        "shop": query.shop,
    }
    if query.after:
        parts = query.after.split(_SEPARATOR, 3)
        if len(parts) != 4 or not all([part.isascii() and part.isdigit() for part in parts[:3]]):
            _broken()
        at, sequence, line = [int(part) for part in parts[:3]]
        for name, found in (("at", at), ("name", parts[3]), ("number", sequence), ("line", line)):
            values[f"after_{name}"] = values[f"same_{name}"] = found
    return values


def _bounded(limit: int) -> int:
    if type(limit) is not int or not 0 < limit <= LIMIT_MAX:
        raise InvalidInput(f"1 to {LIMIT_MAX} at once, not {limit}", path="limit")
    return limit


def _broken() -> NoReturn:
    reason = "it is no cursor: take the `next` of the page before, as it is"
    raise InvalidInput(reason, path="after")
