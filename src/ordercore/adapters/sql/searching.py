"""Finding orders and items: a search as a statement.

Searches of the same shape are one statement, built once. It finds the keys first, in the order of the answer,
and only for those that fit on the page reads what was agreed. A page begins behind a key, not after a count,
so the tenth page costs what the first does.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Index, and_, bindparam, case, func, literal_column, or_, select, tuple_

from ordercore.adapters.sql.rows import content_of, state_of
from ordercore.codec import micros
from ordercore.errors import CorruptDocument
from ordercore.ports import FoundItem
from ordercore.searching import Target, checked_search, is_tail
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Select, Table
    from sqlalchemy.engine.interfaces import Dialect

    from ordercore.adapters.sql.rows import Row
    from ordercore.adapters.sql.schema import Tables
    from ordercore.order import Order
    from ordercore.ports import OrderQuery
    from ordercore.searching import Place

__all__ = ["FindShape", "NumberMatch", "Searches", "asked", "items_of", "search_indexes"]

_ONE: ColumnElement[int] = literal_column("1")
_ZERO: ColumnElement[int] = literal_column("0")
_NOTHING: ColumnElement[str] = literal_column("''")
_EQUAL = ("customer", "shop", "payment", "delivery", "site", "channel", "campaign")
"""Columns of orders that a search compares with one word."""
_LINE = ("sku", "status")
"""Columns of items, likewise."""


class NumberMatch(enum.Enum):
    """How a number is looked for."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ANY = "any"
    EXACT = "exact"
    TAIL = "tail"
    """By the digits it ends in."""


@value
class FindShape:
    """Which conditions a search has; the same shape is the same statement.

    ``equal`` and ``line`` are names of columns of orders and of items, ``states`` and ``tags`` tell how many.
    """

    target: Target = Target.ORDERS
    number: NumberMatch = NumberMatch.ANY
    equal: tuple[str, ...] = ()
    line: tuple[str, ...] = ()
    states: int = 0
    tags: int = 0
    placed_from: bool = False
    placed_before: bool = False
    after: bool = False


def search_indexes(prefix: str, orders: Table, items: Table) -> None:
    """Add the indexes that searches walk: each ends in the order of the answer."""
    c = orders.c
    for name, column in (("customer", c.customer), ("state", c.state)):
        Index(f"{prefix}orders_by_{name}", column, c.placed_at, c.id)
    # Most lines have no status, and those need no place in it.
    marked = items.c.status != _NOTHING
    Index(
        f"{prefix}items_by_status", items.c.status, items.c.order_id,
        sqlite_where=marked, postgresql_where=marked,
    )  # fmt: skip


def asked(query: OrderQuery, target: Target) -> tuple[FindShape, dict[str, Any]]:
    """What a search looks like, and its parameters by name; raises `InvalidInput`."""
    after = checked_search(query, target)
    number, values = _number(query.number)
    came = query.attribution
    words = {
        "customer": query.customer,
        "shop": query.shop,
        "payment": query.payment and query.payment.value,
        "delivery": query.delivery and query.delivery.value,
        "site": came.site,
        "channel": came.channel,
        "campaign": came.campaign,
    }
    lines = {"sku": query.sku, "status": query.item_status}
    shape = FindShape(
        target,
        number,
        tuple([name for name in _EQUAL if words[name]]),
        tuple([name for name in _LINE if lines[name]]),
        len(query.states),
        len(query.tags),
        query.placed_from is not None,
        query.placed_before is not None,
        after is not None,
    )
    values.update(words, **lines, most=query.limit)
    values.update({f"state_{i}": state for i, state in enumerate(query.states)})
    values.update({f"tag_{i}": tag for i, tag in enumerate(query.tags)})
    if query.placed_from is not None:
        values["from"] = micros(query.placed_from)
    if query.placed_before is not None:
        values["before"] = micros(query.placed_before)
    if after is not None:
        values.update(_behind(after))
    return shape, values


def _number(number: str) -> tuple[NumberMatch, dict[str, Any]]:
    """How to look for a number, and with which parameters."""
    if not number:
        return NumberMatch.ANY, {}
    if not is_tail(number):
        return NumberMatch.EXACT, {"reversed": number[::-1]}
    tail = number.lstrip("0")
    low = (tail or "0")[::-1]
    return NumberMatch.TAIL, {
        "low": low,
        "high": low[:-1] + chr(ord(low[-1]) + 1),
        "zeros": len(tail) + 1,
        "length": len(number),
        "typed": number[::-1],
    }


def _behind(place: Place) -> dict[str, Any]:
    return {
        "its_rank": place.rank,
        "its_time": micros(place.placed_at),
        "its_order": place.order,
        "its_line": place.line,
        "its_length": len(place.line),
    }


def items_of(rows: Iterable[Row]) -> tuple[FoundItem, ...]:
    """The items that a search found, from its rows."""
    orders: dict[str, Order] = {}
    found = []
    for *row, line, status in rows:
        name = row[0]
        order = orders.get(name)
        if order is None:
            held = tuple(row)
            order = orders[name] = state_of(content_of(held), held)
        agreed = order.content.line(line)
        if agreed is None:
            reason = f"the order has no line {line!r}"
            raise CorruptDocument(reason, path=f"items[{name}].line")
        found.append(FoundItem(order, agreed, status))
    return tuple(found)


class Searches:
    """The statements of searches, built as they are asked for.

    ``columns`` are those of an order's content, which stands in the event that ``agreed`` says.
    """

    def __init__(
        self,
        tables: Tables,
        dialect: Dialect,
        columns: tuple[Any, ...],
        agreed: ColumnElement[bool],
    ) -> None:
        self._tables = tables
        self._dialect = dialect
        self._columns = columns
        self._agreed = agreed
        self.statement = lru_cache(128)(self._statement)

    def _statement(self, shape: FindShape) -> tuple[str, tuple[str, ...]]:
        """A search, and the names of its parameters in order."""
        compiled: Any = self._whole(shape).compile(dialect=self._dialect)
        return compiled.string, tuple(compiled.positiontup)

    def _whole(self, shape: FindShape) -> Select[Any]:
        t = self._tables
        found = self._keys(shape).subquery("found")
        k, items = found.c, shape.target is Target.ITEMS
        statement = select(*self._columns, *([k.line, k.status] if items else ())).select_from(
            found.join(t.orders, t.orders.c.id == k.id).join(t.events, self._agreed)
        )
        if shape.number is NumberMatch.TAIL:
            statement = statement.order_by(k.rank)
        statement = statement.order_by(k.placed_at.desc(), k.id.desc())
        return statement.order_by(func.length(k.line), k.line) if items else statement

    def _keys(self, shape: FindShape) -> Select[Any]:
        """What the answer is sorted by, for the rows of one page."""
        t = self._tables
        c, items = t.orders.c, shape.target is Target.ITEMS
        rank: Any = None
        columns: list[Any] = [c.id, c.placed_at]
        conditions = self._conditions(shape)
        if shape.number is NumberMatch.TAIL:
            matches, rank = self._tail()
            conditions += matches
            columns.append(rank.label("rank"))
        if shape.after:
            conditions.append(self._after(rank, items=items))
        tables = t.orders
        if items:
            i = t.items.c
            columns += [i.line, i.status]
            joined = t.orders.join(t.items, i.order_id == c.id)
            keys = select(*columns).select_from(joined).where(*self._lines(shape))
        else:
            keys = select(*columns).select_from(tables)
            if shape.line:
                lines = select(t.items.c.order_id).where(*self._lines(shape))
                conditions.append(c.id.in_(lines))
        keys = keys.where(*conditions)
        if rank is not None:
            keys = keys.order_by(rank)
        keys = keys.order_by(c.placed_at.desc(), c.id.desc())
        if items:
            keys = keys.order_by(func.length(t.items.c.line), t.items.c.line)
        return keys.limit(bindparam("most")).offset(_ZERO)

    def _conditions(self, shape: FindShape) -> list[ColumnElement[bool]]:
        t = self._tables
        c = t.orders.c
        found: list[ColumnElement[bool]] = [c[name] == bindparam(name) for name in shape.equal]
        if shape.number is NumberMatch.EXACT:
            found.append(c.number_reversed == bindparam("reversed"))
        if shape.states == 1:
            found.append(c.state == bindparam("state_0"))
        elif shape.states:
            states: list[Any] = [bindparam(f"state_{i}") for i in range(shape.states)]
            found.append(c.state.in_(states))
        for i in range(shape.tags):
            tagged = select(t.tags.c.order_id).where(t.tags.c.tag == bindparam(f"tag_{i}"))
            found.append(c.id.in_(tagged))
        if shape.placed_from:
            found.append(c.placed_at >= bindparam("from"))
        if shape.placed_before:
            found.append(c.placed_at < bindparam("before"))
        return found

    def _lines(self, shape: FindShape) -> list[ColumnElement[bool]]:
        i = self._tables.items.c
        found: list[ColumnElement[bool]] = [i[name] == bindparam(name) for name in shape.line]
        if "status" in shape.line:
            found.append(i.status != _NOTHING)  # says that its index will do
        return found

    def _tail(self) -> tuple[list[ColumnElement[bool]], ColumnElement[int]]:
        """Which numbers end in some digits, and whether these are all the digits they end in.

        Turned around, the tail is a beginning, and the zeros before it come after it.
        """
        turned = self._tables.orders.c.number_reversed
        rest = func.ltrim(func.substr(turned, bindparam("zeros")), literal_column("'0'"))
        begins = func.substr(rest, _ONE, _ONE)
        whole = or_(begins < literal_column("'0'"), begins > literal_column("'9'"))
        ends = func.substr(turned, _ONE, bindparam("length")) == bindparam("typed")
        between = (turned >= bindparam("low"), turned < bindparam("high"))
        return [*between, or_(whole, ends)], case((whole, _ZERO), else_=_ONE)

    def _after(self, rank: ColumnElement[int] | None, *, items: bool) -> ColumnElement[bool]:
        """Behind the last row of the page before."""
        c, i = self._tables.orders.c, self._tables.items.c
        key, its = tuple_(c.placed_at, c.id), tuple_(bindparam("its_time"), bindparam("its_order"))
        behind: ColumnElement[bool] = key < its
        if items:
            short = tuple_(func.length(i.line), i.line)
            longer = short > tuple_(bindparam("its_length"), bindparam("its_line"))
            behind = and_(key <= its, or_(c.id != bindparam("its_order"), longer))
        if rank is None:
            return behind
        its_rank: ColumnElement[int] = bindparam("its_rank")
        return or_(rank > its_rank, and_(rank == its_rank, behind))
