"""A process that keeps every order it has placed; the collector is set as its second argument says.

In between runs a *gauge*: the floor in blocks of its own, with the collector off and nothing kept.
It tells how fast the machine was at that moment, so that two such processes can be compared.
Means, not medians, since the collector's pauses are what is looked for.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from time import process_time
from typing import TYPE_CHECKING

from benchmarks import floor, shop

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 250
GAUGE = 1_000
FREEZE_EVERY = 500


def _ways(model: str) -> Callable[[floor.Keys], object]:
    if model == "floor":
        return floor.build().way
    engine, bought, way = shop.build(), shop.cart(), shop.way
    return lambda key: way(engine, bought, key)


def main(model: str, mode: str, count: int) -> dict[str, float]:
    """Place ``count`` orders and keep them; times in microseconds an order."""
    names, beside = shop.keys(count), shop.keys(GAUGE)
    warm = _ways(model)
    for key in names[:200]:
        warm(key)
    del warm
    way = _ways(model)
    gc.collect()
    before = len(gc.get_objects())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if mode == "threshold":
        gc.set_threshold(50_000, 20, 50)
    longest = _watch()
    spent = gauge = 0.0
    for first in range(0, count, BLOCK):
        began = process_time()
        for key in names[first : first + BLOCK]:
            way(key)
        if mode == "freeze" and (first + BLOCK) % FREEZE_EVERY == 0:
            gc.freeze()
        spent += process_time() - began
        gauge += _gauge(beside)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    gc.unfreeze()
    return {
        "us": spent / count * 1e6,
        "gauge_us": gauge / (-(-count // BLOCK) * GAUGE) * 1e6,
        "pause_ms": longest[0] * 1e3,
        "tracked": (len(gc.get_objects()) - before) / count,
        "kilobytes": grown / count,
    }


def _watch() -> list[float]:
    """The seconds of the longest collection from now on, in a list of one."""
    longest, began = [0.0], [0.0]

    def note(phase: str, _about: dict[str, int]) -> None:
        if phase == "start":
            began[0] = process_time()
        else:
            longest[0] = max(longest[0], process_time() - began[0])

    gc.callbacks.append(note)
    return longest


def _gauge(names: list[floor.Keys]) -> float:
    gc.disable()
    way = floor.build().way
    start = process_time()
    for key in names:
        way(key)
    spent = process_time() - start
    gc.enable()
    return spent


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
