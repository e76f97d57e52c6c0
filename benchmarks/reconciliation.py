"""Reconciliation: a channel's statement of a million rows, from CSV text to the report, and a store's own orders.

The statement is made with differences of every class, one row in a hundred each, shuffled, in a process of its own
whose memory is read when it is done. Amounts repeat all the time, so that nothing can be found by amount.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import shop
from benchmarks.importing import environment
from benchmarks.report import Bar, Report, Side, Table
from ordercore import Order, tenders
from ordercore.adapters.sql import SqlStore
from ordercore.ledger import (
    Movement,
    MovementKind,
    ReconciliationClass,
    StatementPeriod,
    StatementRow,
    reconcile,
)
from ordercore.ledger.statement import StatementFormat, read_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.ledger import Difference, ReconciliationReport

__all__ = ["Planted", "measure", "movements", "planted", "statement", "stored"]

ROWS = 1_000_000
SECONDS = 60.0
MEGABYTES = 1_000.0
STORED = 20_000
START = datetime(2026, 5, 20, tzinfo=UTC)
DAY = StatementPeriod(START, START + timedelta(days=1))
SPAN = timedelta(hours=22)
"""What is near the end of a day and not told is in transit, not missing: nothing is planted there."""
STEP = 7_919
"""A prime, so that a walk in such steps meets each transaction once."""
FORMAT = StatementFormat(status="status", done=("SUCCESS",))
FAILED = "FAILED"
EACH = 100
"""One row of so many is of each class."""

_C = ReconciliationClass
_K = MovementKind
CLASSES = (
    _C.MISSING_HERE, _C.MISSING_THERE, _C.WRONG_AMOUNT, _C.WRONG_CURRENCY, _C.DUPLICATE,
    _C.IN_TRANSIT, _C.STATUS_DIFFERS, _C.FEE, _C.REFUND, _C.CHARGEBACK, _C.PAYOUT,
)  # fmt: skip
_UNKNOWN_HERE = {
    _C.MISSING_HERE: _K.PAYMENT, _C.FEE: _K.FEE, _C.REFUND: _K.REFUND,
    _C.CHARGEBACK: _K.CHARGEBACK, _C.PAYOUT: _K.PAYOUT,
}  # fmt: skip


class Planted(NamedTuple):
    """One transaction: what it is, and which class it is to be found in."""

    place: int
    kind: MovementKind
    found: ReconciliationClass

    @property
    def key(self) -> str:
        """What we call it."""
        name = f"ord_{self.place:032x}"
        if self.kind is _K.PAYMENT or self.found in _UNKNOWN_HERE:
            return f"{name}/1"
        return f"{name}/r1#0"

    @property
    def reference(self) -> str:
        """What the channel calls it."""
        return f"42000{self.place:015}"

    @property
    def amount(self) -> int:
        """In minor units: one of a few thousand sums."""
        return 999 + 100 * (self.place % 3_001)


def planted(count: int) -> Iterator[Planted]:
    """The transactions: 11 of 100 with a difference, one in ten of the others a refund of ours."""
    for place in range(count):
        part = place % EACH
        if part < len(CLASSES):
            found = CLASSES[part]
            yield Planted(place, _UNKNOWN_HERE.get(found, _K.PAYMENT), found)
        else:
            yield Planted(place, _K.REFUND if part % 10 == 0 else _K.PAYMENT, _C.MATCHED)


def movements(count: int) -> Iterator[Movement]:
    """What our books tell."""
    for one in planted(count):
        if one.found in _UNKNOWN_HERE:
            continue
        at = START + one.place * SPAN / count
        if one.found is _C.IN_TRANSIT:
            at = START - timedelta(minutes=1)
        yield Movement(
            one.kind, one.key, one.reference, one.amount, "CNY", at, one.key.partition("/")[0]
        )


def statement(count: int) -> Iterator[str]:
    """What the channel tells, as the lines of a CSV file, in an order of its own."""
    yield "reference,key,kind,amount,currency,at,fee,status\n"
    every = list(planted(count))
    for number in range(count):
        one = every[number * STEP % count]
        if one.found is _C.MISSING_THERE:
            continue
        amount = one.amount + (one.found is _C.WRONG_AMOUNT)
        fee = "" if one.kind is not _K.PAYMENT else "0.06"
        line = (
            f"{one.reference},{one.key},{one.kind.value},{amount // 100}.{amount % 100:02d},"
            f"{'USD' if one.found is _C.WRONG_CURRENCY else 'CNY'},"
            f"{(START + one.place * SPAN / count).isoformat()},{fee},"
            f"{FAILED if one.found is _C.STATUS_DIFFERS else 'SUCCESS'}\n"
        )
        yield line
        if one.found is _C.DUPLICATE:
            yield line


def _name(difference: Difference) -> tuple[str, str]:
    side = difference.theirs or difference.ours
    return difference.kind.value, side.key if side is not None else ""


def wrong(report: ReconciliationReport, count: int) -> int:
    """How many transactions are not found in the class in which they were planted, or found in one more."""
    meant = {(p.found.value, p.key) for p in planted(count) if p.found is not _C.MATCHED}
    told = [_name(difference) for difference in report.differences]
    others = len(told) - len(set(told))
    matched = sum(p.found is _C.MATCHED for p in planted(count))
    matched += count // EACH + (count % EACH > CLASSES.index(_C.DUPLICATE))  # told the first time
    return len(meant ^ set(told)) + others + abs(matched - report.count(_C.MATCHED))


def main(count: int, path: str) -> dict[str, float]:
    """Read and compare a statement that lies on a disk; seconds, and the most memory that was held."""
    ours = list(movements(count))
    began = process_time()
    with Path(path).open(encoding="utf-8", newline="") as text:
        report = reconcile(ours, read_csv(text, FORMAT), DAY)
    took = process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": took,
        "megabytes": peak / 1e6 if sys.platform == "darwin" else peak * 1_024 / 1e6,
        "differences": len(report.differences),
        "wrong": wrong(report, count),
    }


def stored(count: int) -> tuple[float, int]:
    """The same over a SQLite file with so many paid orders, by the engine: seconds, and rows that agree."""
    offers = (tenders.Channel("card"),)
    with tempfile.TemporaryDirectory(prefix="ordercore-bench-") as folder:
        store = SqlStore(f"sqlite:///{folder}/books.db", synchronous="NORMAL")
        engine = shop.build(store)
        rows: list[StatementRow] = []
        began = engine.shop.clock.now() - timedelta(hours=1)
        quote = engine.quote(shop.cart())
        for first in range(0, count, 500):
            names = range(first, min(first + 500, count))
            placed = engine.place_many([(quote, f"q{i}", shop.BY) for i in names])
            wanted = [order.id for order in placed if isinstance(order, Order)]
            paid = engine.pay_many([(name, offers, f"p{name}", shop.BY) for name in wanted])
            for result in paid:
                order = result.order  # type: ignore[union-attr]  # a refusal has none, and stops this
                (attempt,) = order.payments.attempts
                rows.append(
                    StatementRow(
                        _K.PAYMENT, attempt.reference, attempt.id, attempt.captured,
                        order.currency, attempt.at or began,
                    )
                )  # fmt: skip
        period = StatementPeriod(began, began + timedelta(days=1))
        start = perf_counter()
        report = engine.reconcile("card", rows, period)
        took = perf_counter() - start
        store.close()
    return took, report.count(_C.MATCHED)


def measure(*, quick: bool) -> Report:
    """Seconds and memory of a million rows; nothing that was planted is missed."""
    count, kept = (ROWS // 10, STORED // 10) if quick else (ROWS, STORED)
    with tempfile.TemporaryDirectory(prefix="ordercore-bench-") as folder:
        path = Path(folder) / "statement.csv"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(statement(count))
        size = path.stat().st_size / 1e6
        command = [sys.executable, "-m", "benchmarks.reconciliation", f"{count}", str(path)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    told: dict[str, float] = json.loads(ran.stdout)
    beside = f"{count:,} rows, {size:.0f} MB of CSV"
    took, agreed = stored(kept)
    bars = [
        Bar("reconciliation: from CSV text to the report", Side.AT_MOST, SECONDS,
            told["seconds"], " s", f"{told['seconds'] / count * 1e6:.1f} us a row", beside),
        Bar("reconciliation: the most memory of the process", Side.AT_MOST, MEGABYTES,
            told["megabytes"], " MB", f"{told['megabytes']:.0f} MB", beside),
        Bar("reconciliation: planted, and found otherwise or not", Side.AT_MOST, 0,
            told["wrong"], "", f"{told['differences']:,.0f} differences", beside),
    ]  # fmt: skip
    rows = [("engine.reconcile, SQLite file", kept, agreed, took, took / kept * 1e6)]
    heads = ("reconciliation", "orders stored", "rows that agree", "seconds", "us an order")
    return Report(bars, [Table("Reconciliation of a store", heads, rows)])


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), sys.argv[2])))
