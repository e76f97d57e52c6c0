"""A process that keeps every order it has placed; the collector is set as its first argument says.

The floor runs in between, in blocks of its own with the collector off and nothing kept: it tells how fast the
machine was at that moment. Means, not medians, since the collector's pauses are what is looked for.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from time import perf_counter

from benchmarks import floor, shop

BLOCK = 250
FLOOR_BLOCK = 1_000
FREEZE_EVERY = 2_000


def main(mode: str, count: int) -> dict[str, float]:
    """Place ``count`` orders and keep them; means in microseconds, the worst order in milliseconds."""
    names, bought, engine = shop.keys(count), shop.cart(), shop.build()
    beside = shop.keys(FLOOR_BLOCK)
    warm = shop.build()
    for key in names[:200]:
        shop.way(warm, bought, key)
    del warm
    gc.collect()
    before = len(gc.get_objects()) if mode == "default" else 0
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if mode == "threshold":
        gc.set_threshold(50_000, 20, 50)
    ours = base = worst = 0.0
    blocks = 0
    for first in range(0, count, BLOCK):
        last = perf_counter()
        began = last
        for key in names[first : first + BLOCK]:
            shop.way(engine, bought, key)
            now = perf_counter()
            worst = max(worst, now - last)
            last = now
        if mode == "freeze" and (first + BLOCK) % FREEZE_EVERY == 0:
            gc.freeze()
        ours += perf_counter() - began
        base += _floor(beside)
        blocks += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    kept = (len(gc.get_objects()) - before) / count if mode == "default" else 0.0
    return {
        "ours_us": ours / count * 1e6,
        "floor_us": base / (blocks * FLOOR_BLOCK) * 1e6,
        "worst_ms": worst * 1e3,
        "tracked": kept,
        "kilobytes": grown / count,
    }


def _floor(names: list[floor.Keys]) -> float:
    gc.disable()
    way = floor.build().way
    start = perf_counter()
    for key in names:
        way(key)
    spent = perf_counter() - start
    gc.enable()
    return spent


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
