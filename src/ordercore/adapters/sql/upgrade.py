"""Tables of an earlier version, brought up to this one.

It happens in place and in the transaction of whoever asked for the tables: a store that fails
half way is as it was. New columns are filled from the orders themselves, a bounded batch at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.schema import CreateColumn

from ordercore.adapters.sql.rows import content_of, item_rows, state_of
from ordercore.errors import UnreadableData
from ordercore.order import standing

if TYPE_CHECKING:
    from ordercore.adapters.sql.connections import Cursor
    from ordercore.adapters.sql.rows import Row
    from ordercore.adapters.sql.schema import Statements

__all__ = ["upgrade"]

BATCH = 500
"""Orders that are read and filled in at once."""


def upgrade(cursor: Cursor, sql: Statements, found: int) -> None:
    """Bring the tables from schema ``found`` to the present one."""
    if found < 2:
        _to_2(cursor, sql)


def _to_2(cursor: Cursor, sql: Statements) -> None:
    """What was agreed may change; orders are found by standing, line, tag and source; timers are set aside."""
    tables = sql.tables
    orders = tables.orders
    for name in ("agreed", "payment", "delivery", "site", "channel", "campaign"):
        column: Any = CreateColumn(orders.c[name])
        text = column.compile(dialect=sql.dialect)
        cursor.execute(f"ALTER TABLE {orders.name} ADD COLUMN {text}")
    for table in (orders, tables.timers):  # their indexes have more columns now
        for index in table.indexes:
            cursor.execute(f"DROP INDEX IF EXISTS {index.name}")
    for statement in sql.create_rest:
        cursor.execute(statement)
    after = ""
    while rows := _after(cursor, sql, after):  # ends: each turn begins behind the last id
        filled, items = [], []
        for row in rows:
            try:
                order = state_of(content_of(row[:6]), row[:6])
            except UnreadableData:
                continue  # whoever loads it is told; it must not keep the others from their work
            stands, came = standing(order), order.content.attribution
            filled.append((
                stands.payment.value, stands.delivery.value, came.site, came.channel, came.campaign,
                row[0], row[6],
            ))  # fmt: skip
            items += item_rows(order)
        if filled:
            cursor.executemany(sql.fill_order, filled)
        if items:
            cursor.executemany(sql.insert_item, items)
        after = rows[-1][0]


def _after(cursor: Cursor, sql: Statements, name: str) -> list[Row]:
    cursor.execute(sql.orders_after, (name, BATCH))
    return cursor.fetchall()
