"""Make the orders of a shop that has not heard of ordercore yet: 1,000 of them, in the middle of their lives.

    python examples/adopt/make_orders.py former-shop.csv

They are the first invoices of the Online Retail slice, whole ones without odd rows, as a shop might export
them: a row for each line. What became of each follows from its place alone, so the file is always the same:
of ten orders four have left in half, two are paid, two have left, one is new and unpaid, one was canceled and
its money given back; every third that is paid has had some units refunded. Standard library only.
"""

from __future__ import annotations

import csv
import gzip
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SLICE = Path(__file__).parents[1] / "data" / "online_retail.csv.gz"
COUNT = 1_000
STATUSES = (
    "Packing", "Paid", "Packing", "Sent", "Packing", "Paid", "Packing", "Sent", "Canceled", "New",
)  # fmt: skip
COLUMNS = (
    "order_no", "ordered_at", "status", "customer", "country", "order_total", "paid", "paid_at",
    "charge_id", "refunded", "refund_id", "refund_done", "sku", "description", "qty", "price",
    "sent", "returned",
)  # fmt: skip


def invoices() -> Iterator[list[dict[str, str]]]:
    """The first whole invoices: goods at prices in whole pence, nothing negative."""
    found: dict[str, list[dict[str, str]]] = {}
    with gzip.open(SLICE, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["InvoiceNo"], []).append(row)
    whole = [rows for number, rows in found.items() if number.isdigit() and all(map(_plain, rows))]
    yield from whole[:COUNT]


def _plain(row: dict[str, str]) -> bool:
    price = Decimal(row["UnitPrice"])
    return int(row["Quantity"]) > 0 and price > 0 and price == price.quantize(Decimal("0.01"))


def exported(place: int, rows: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """One order as the shop exports it."""
    status = STATUSES[place % len(STATUSES)]
    number = rows[0]["InvoiceNo"]
    ordered = rows[0]["InvoiceDate"]
    worth = [int(row["Quantity"]) * Decimal(row["UnitPrice"]) for row in rows]
    total = sum(worth)
    returned = [0] * len(rows)
    refunded = Decimal(0)
    if status == "Canceled":
        returned = [int(row["Quantity"]) for row in rows]
        refunded = Decimal(total)
    elif status != "New" and place % 3 == 0:
        returned[0] = (int(rows[0]["Quantity"]) + 1) // 2
        refunded = returned[0] * Decimal(rows[0]["UnitPrice"])
    if refunded == total and status != "Canceled":  # a single unit: then nothing would be left
        returned, refunded = [0] * len(rows), Decimal(0)
    for i, row in enumerate(rows):
        sent = 0
        if status == "Sent" or (status == "Packing" and i % 2 == 0 and len(rows) > 1):
            sent = int(row["Quantity"])
        yield {
            "order_no": f"FS-{number}",
            "ordered_at": ordered,
            "status": status,
            "customer": row["CustomerID"].removesuffix(".0"),
            "country": row["Country"],
            "order_total": f"{total:.2f}",
            "paid": "" if status == "New" else f"{total:.2f}",
            "paid_at": "" if status == "New" else ordered,
            "charge_id": "" if status == "New" else f"ch_{number}",
            "refunded": f"{refunded:.2f}" if refunded else "",
            "refund_id": f"re_{number}" if refunded else "",
            "refund_done": "no" if refunded and place % 4 == 0 else "yes",
            "sku": row["StockCode"],
            "description": row["Description"].strip(),
            "qty": row["Quantity"],
            "price": f"{Decimal(row['UnitPrice']):.2f}",
            "sent": str(sent),
            "returned": str(returned[i]),
        }


def write(path: Path) -> int:
    """Write the file; how many orders."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, COLUMNS)
        out.writeheader()
        for count, rows in enumerate(invoices(), 1):
            out.writerows(exported(count - 1, rows))
    return count


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1]))} orders")
