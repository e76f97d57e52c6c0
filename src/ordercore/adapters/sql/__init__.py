"""Orders in a SQL database: SQLite out of the box (extra ``sql``), PostgreSQL with psycopg (extra ``postgres``).

`SqlStore` keeps orders, events, timers, ledger entries and receipts in tables of its own,
in a file or on a server of its own or on the host's connection. `SqlCouponBook` keeps coupon codes beside them, `SqlStock` the stock,
`SqlAccounts` points, balances and stored-value cards, as payment gateways.
"""

from ordercore.adapters.sql.accounts import (
    Lot,
    Movement,
    MovementKind,
    Side,
    SideTotal,
    SqlAccounts,
    Statement,
)
from ordercore.adapters.sql.coupons import SqlCouponBook
from ordercore.adapters.sql.stock import SqlStock
from ordercore.adapters.sql.store import SqlStore

__all__ = [
    "SqlAccounts",
    "SqlCouponBook",
    "SqlStock",
    "SqlStore",
    # what accounts tell
    "Lot",
    "Movement",
    "MovementKind",
    "Side",
    "SideTotal",
    "Statement",
]
