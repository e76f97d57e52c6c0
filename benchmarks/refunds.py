"""A refund after ten earlier ones beside the first: of one unit, over four tenders."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

from benchmarks import shop
from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import take_turns
from ordercore import Manifest
from ordercore.adapters.memory import MemoryStore
from ordercore.adapters.sql import SqlStore
from ordercore.tender import RefundSplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rounds import Case
    from ordercore import OrderStore

__all__ = ["measure"]

EARLIER = 10
MOST = 2.0
"""Most that the refund after the earlier ones may cost, as a multiple of the first."""
UNITS = 12
"""Times the units of the usual cart: so many refunds of one unit each are there to be had."""


def _refund_case(
    store: Callable[[], OrderStore], earlier: int, orders: int, split: RefundSplit
) -> Case:
    """One more refund of each of some orders that had ``earlier`` ones."""
    one = Manifest.of({"1": 1})

    def run(number: int) -> float:
        engine = shop.build(store())
        quote = engine.quote(shop.cart(UNITS))
        names = []
        for key, *_ in shop.keys(orders, f"r{number}-"):
            order = engine.place(quote, key=key, by=shop.BY)
            engine.pay(order.id, shop.OFFERS, key=f"{key}-pay", by=shop.BY)
            for i in range(earlier):
                engine.refund(
                    order.id, one, reason="returned", split=split, key=f"{key}-{i}", by=shop.BY
                )
            names.append(order.id)
        start = process_time()
        for name in names:
            engine.refund(name, one, reason="returned", split=split, key=f"{name}-last", by=shop.BY)
        return (process_time() - start) / orders

    return run


def _sqlite() -> OrderStore:
    store = SqlStore("sqlite://")
    store.create()
    return store


def measure(*, quick: bool) -> Report:
    """One bar for each store, and a table by split."""
    orders = 6 if quick else 20
    cases: dict[str, Case] = {}
    stores: dict[str, Callable[[], OrderStore]] = {"memory": MemoryStore, "SQLite": _sqlite}
    for where, store in stores.items():
        for earlier in (0, EARLIER):
            case = _refund_case(store, earlier, orders, RefundSplit.BY_ROW)
            cases[f"{where} {earlier}"] = case
    for split in (RefundSplit.DECLARED, RefundSplit.PRO_RATA):
        for earlier in (0, EARLIER):
            cases[f"{split.value} {earlier}"] = _refund_case(MemoryStore, earlier, orders, split)
    found = take_turns(cases, 7 if quick else 21)
    bars = [
        Bar(
            f"refund after {EARLIER} earlier ones / the first, {where}", Side.AT_MOST, MOST,
            found.ratio(f"{where} {EARLIER}", f"{where} 0"), " x",
            f"{found.us(f'{where} {EARLIER}'):.0f} us", f"{found.us(f'{where} 0'):.0f} us",
        )
        for where in stores
    ]  # fmt: skip
    rows = [
        (name, found.us(f"{name} 0"), found.us(f"{name} {EARLIER}"))
        for name in dict.fromkeys(case.rsplit(" ", 1)[0] for case in cases)
    ]
    heads = ("store, or split in memory", "first us", f"after {EARLIER} us")
    return Report(bars, [Table("Refunds of one unit", heads, rows)])
