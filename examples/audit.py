"""Check a replay against the file itself and against the books. Exits 1 where they differ.

    python examples/audit.py FILE.csv.gz REPORT.json [STORE.db]

Reads the CSV with its own rules and imports nothing of the library. Amounts are whole
ten-thousandths of a pound. Per class: sold + refunded + refused + unmatched = the file's sum.
In the books: all entries add up to 0, and what the sales accounts hold is sold + refunded,
less the orders that were closed unpaid.
"""

import csv
import gzip
import json
import sqlite3
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

CLASSES = {**dict.fromkeys(["POST", "DOT", "C2"], "freight"), "D": "discounts"}
CLASSES |= dict.fromkeys(["M", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK"], "fees")
NAMES = ["goods", "freight", "fees", "vouchers", "discounts"]
LEDGER = "SELECT account_kind, SUM(amount) FROM ordercore_entries GROUP BY account_kind"  # pence
SALES = {"revenue", "shipping_income", "tax_payable", "advances"}  # a debit is positive


def main(source: str, report: str, store: str | None = None) -> int:
    """Print one line a check; return 1 when one fails."""
    audit = json.loads(Path(report).read_text(encoding="utf-8"))["audit"]
    closed, unpaid, own = set(audit["closed_orders"]), 0, {name: Counter() for name in NAMES}
    with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            code, quantity = row["StockCode"].upper(), int(row["Quantity"])
            price = int(Decimal(row["UnitPrice"]) * 10_000)
            name = "vouchers" if code.startswith("GIFT_0001_") else CLASSES.get(code, "goods")
            own[name].update({"rows": 1, "quantity": quantity, "amount": quantity * price})
            if row["InvoiceNo"] in closed and quantity > 0 and price > 0 and price % 100 == 0:
                unpaid += quantity * price
    checks, taken = [], 0
    for name in NAMES:
        found = audit["classes"][name]
        parts = [*found["taken"].values(), *found["refused"].values(), *found["unmatched"].values()]
        for unit in ("rows", "quantity", "amount"):
            there = sum(part[unit] for part in parts)
            checks += [(f"{name}, {unit}", there, own[name][unit])]
        taken += sum(part["amount"] for part in found["taken"].values())
    if store:
        books = dict(sqlite3.connect(f"file:{store}?mode=ro", uri=True).execute(LEDGER))
        held = -sum(amount for kind, amount in books.items() if kind in SALES)
        checks += [("books, trial balance (pence)", sum(books.values()), 0)]
        checks += [("books, sales accounts", held * 100, taken - unpaid)]
    for what, there, here in checks:
        verdict = "ok" if there == here else f"DIFFERS by {there - here}"
        print(f"{what:30} {there:>15} {here:>15}  {verdict}")
    return int(any(there != here for _, there, here in checks))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
