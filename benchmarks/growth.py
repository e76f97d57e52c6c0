"""How costs grow: linear in lines, flat in quantities and in orders that are already stored."""

from __future__ import annotations

import gc
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import floor, shop
from benchmarks.report import Bar, Report, Table
from benchmarks.rounds import take_turns

if TYPE_CHECKING:
    from benchmarks.rounds import Case
    from ordercore import Cart, OrderEngine, OrderStore

LINES = (1, 5, 50, 200, 1_000)
LINEAR = 1.3
"""Most that a line may cost in a cart of 1,000, as a multiple of one in a cart of 50."""
UNITS = (1, 1_000, 1_000_000)
STORED = (0, 10_000, 50_000)
FLAT = 1.25

__all__ = ["fill", "lines", "quantities", "stored", "way_case"]


def way_case(bought: Cart, orders: int, store: OrderStore | None = None) -> Case:
    """The whole way of one cart: in a fresh engine each round, or in one over ``store``."""
    kept = None if store is None else shop.build(store)

    def run(number: int) -> float:
        engine = shop.build() if kept is None else kept
        names = shop.keys(orders, f"r{number}-")
        start = perf_counter()
        for key in names:
            shop.way(engine, bought, key)
        return (perf_counter() - start) / orders

    return run


def _quote_case(bought: Cart, times: int) -> Case:
    engine = shop.build()

    def run(_round: int) -> float:
        start = perf_counter()
        for _ in range(times):
            engine.quote(bought)
        return (perf_counter() - start) / times

    return run


def _price_case(count: int, times: int) -> Case:
    some = [floor.CART[i % len(floor.CART)] for i in range(count)]

    def run(_round: int) -> float:
        start = perf_counter()
        for _ in range(times):
            floor.price(some, floor.DISCOUNT, floor.SHIPPING)
        return (perf_counter() - start) / times

    return run


def lines(*, quick: bool) -> Report:
    """Microseconds a line, of a quote and of the whole way, by the number of lines."""
    cases: dict[str, Case] = {}
    for count in LINES:
        bought = shop.lines_cart(count)
        cases[f"quote {count}"] = _quote_case(bought, max(2, 1_000 // count))
        cases[f"way {count}"] = way_case(bought, max(2, 100 // count))
        cases[f"price {count}"] = _price_case(count, max(2, 2_000 // count))
    found = take_turns(cases, 5 if quick else 11)
    rows = [
        (count, *[found.us(f"{what} {count}") / count for what in ("quote", "way", "price")])
        for count in LINES
    ]
    bars = []
    for what, name in (("quote", "quote"), ("way", "whole way")):
        ratio = found.ratio(f"{what} 1000", f"{what} 50") * 50 / 1_000
        ours, base = (found.us(f"{what} {count}") / count for count in (1_000, 50))
        title = f"{name}: a line of 1,000 / a line of 50"
        bars.append(Bar(title, True, LINEAR, ratio, " x", f"{ours:.2f} us", f"{base:.2f} us"))
    heads = ("lines", "quote us/line", "whole way us/line", "floor's price us/line")
    return Report(bars, [Table("Linear in lines", heads, rows)])


def quantities(*, quick: bool) -> Report:
    """The whole way by the units of each line."""
    cases = {f"{units}": way_case(shop.cart(units), 30) for units in UNITS}
    found = take_turns(cases, 7 if quick else 21)
    rows = [(units, found.us(f"{units}")) for units in UNITS]
    low, high = f"{UNITS[0]}", f"{UNITS[-1]}"
    ours, base = f"{found.us(high):.0f} us", f"{found.us(low):.0f} us"
    ratio = found.ratio(high, low)
    bar = Bar(f"whole way: {UNITS[-1]:,} x the units / 1 x", True, FLAT, ratio, " x", ours, base)
    return Report([bar], [Table("Flat in quantities", ("times the units", "us"), rows)])


def fill(engine: OrderEngine, count: int) -> None:
    """Place ``count`` orders, in batches."""
    quote = engine.quote(shop.cart())
    for first in range(0, count, 1_000):
        last = min(first + 1_000, count)
        engine.place_many([(quote, f"old{i}", shop.BY) for i in range(first, last)])


def stored(*, quick: bool) -> Report:
    """The whole way by the orders that the memory store already holds.

    The orders are frozen out of the collector's sight: its cost is measured by *retained*.
    """
    counts = STORED[:2] if quick else STORED
    cases: dict[str, Case] = {}
    bought = shop.cart()
    gc.disable()
    for count in counts:
        engine = shop.build()
        fill(engine, count)
        cases[f"{count}"] = way_case(bought, 30, engine.shop.store)
    gc.freeze()
    gc.enable()
    try:
        found = take_turns(cases, 7 if quick else 21)
    finally:
        gc.unfreeze()
    rows = [(count, found.us(f"{count}")) for count in counts]
    most = counts[-1]
    ours, base = f"{found.us(f'{most}'):.0f} us", f"{found.us('0'):.0f} us"
    name = f"whole way: {most:,} orders stored in memory / none"
    bar = Bar(name, True, FLAT, found.ratio(f"{most}", "0"), " x", ours, base)
    return Report([bar], [Table("Flat in orders stored, memory", ("stored", "us"), rows)])
