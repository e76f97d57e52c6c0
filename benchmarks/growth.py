"""How costs grow: linear in lines, flat in quantities and in orders that are already stored."""

from __future__ import annotations

import gc
from statistics import median
from time import process_time
from typing import TYPE_CHECKING

from benchmarks import floor, shop
from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import take_turns

if TYPE_CHECKING:
    from benchmarks.rounds import Case
    from ordercore import Cart, OrderEngine, OrderStore

LINES = (1, 5, 50, 200, 1_000)
_SMALL, _LARGE = (5, 50), (200, 1_000)
LINEAR = 1.3
"""Most that a line may cost in a large cart, as a multiple of one in a small cart.

A whole way has a share that no line adds to, so there the lines between two sizes are compared.
"""
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
        start = process_time()
        for key in names:
            shop.way(engine, bought, key)
        return (process_time() - start) / orders

    return run


def _quote_case(bought: Cart, times: int) -> Case:
    engine = shop.build()

    def run(_round: int) -> float:
        start = process_time()
        for _ in range(times):
            engine.quote(bought)
        return (process_time() - start) / times

    return run


def _price_case(count: int, times: int) -> Case:
    some = [floor.CART[i % len(floor.CART)] for i in range(count)]

    def run(_round: int) -> float:
        start = process_time()
        for _ in range(times):
            floor.price(some, floor.DISCOUNT, floor.SHIPPING)
        return (process_time() - start) / times

    return run


def lines(*, quick: bool) -> Report:
    """Microseconds a line, of a quote and of the whole way, by the number of lines."""
    cases: dict[str, Case] = {}
    for count in LINES:
        bought = shop.lines_cart(count)
        cases[f"quote {count}"] = _quote_case(bought, max(4, 2_000 // count))
        cases[f"way {count}"] = way_case(bought, max(2, 200 // count))
        cases[f"price {count}"] = _price_case(count, max(5, 5_000 // count))
    found = take_turns(cases, 3 if quick else 11)
    rows = [
        (count, *[found.us(f"{what} {count}") / count for what in ("quote", "way", "price")])
        for count in LINES
    ]
    first, second = LINES[-1], _SMALL[1]
    per_line = found.ratio(f"quote {first}", f"quote {second}") * second / first
    ours, base = (f"{found.us(f'quote {n}') / n:.2f} us" for n in (first, second))
    name = f"quote: a line of {first:,} / a line of {second}"
    bars = [Bar(name, Side.AT_MOST, LINEAR, per_line, " x", ours, base)]
    late, early = (
        [(more - less) / (b - a) * 1e6 for less, more in zip(*pair, strict=True)]
        for a, b in (_LARGE, _SMALL)
        for pair in [(found.seconds[f"way {a}"], found.seconds[f"way {b}"])]
    )
    ratio = median([x / y for x, y in zip(late, early, strict=True)])
    ours, base = f"{median(late):.2f} us", f"{median(early):.2f} us"
    name = (
        f"whole way: each line from {_LARGE[0]} to {_LARGE[1]:,} / from {_SMALL[0]} to {_SMALL[1]}"
    )
    bars.append(Bar(name, Side.AT_MOST, LINEAR, ratio, " x", ours, base))
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
    bar = Bar(
        f"whole way: {UNITS[-1]:,} x the units / 1 x", Side.AT_MOST, FLAT, ratio, " x", ours, base
    )
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
    bar = Bar(name, Side.AT_MOST, FLAT, found.ratio(f"{most}", "0"), " x", ours, base)
    return Report([bar], [Table("Flat in orders stored, memory", ("stored", "us"), rows)])
