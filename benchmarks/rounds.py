"""Measuring in turns: every case runs once in each round, so that a busy neighbor hits all alike.

Absolute times on a shared machine are worth little; the ratio of two cases of the same round is worth more.
What only computes is measured in time of the processor, so that a moment in which the system ran somebody else
is nobody's; what waits for a disk or starts a process, by the clock on the wall.
"""

from __future__ import annotations

import gc
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # Runs a case in the round of that number; seconds for one operation.
    Case = Callable[[int], float]

__all__ = ["ROUNDS_MIN", "Timings", "repeated", "take_turns"]

ROUNDS_MIN = 5


class Timings:
    """Seconds for one operation, by case and round."""

    def __init__(self, seconds: Mapping[str, list[float]]) -> None:
        self.seconds = seconds

    def us(self, case: str) -> float:
        """The median time of one operation, in microseconds."""
        return median(self.seconds[case]) * 1e6

    def ratio(self, case: str, base: str) -> float:
        """How many times ``base`` the case takes: the median over the rounds of each round's own ratio."""
        pairs = zip(self.seconds[case], self.seconds[base], strict=True)
        return median([mine / other for mine, other in pairs])


def take_turns(cases: Mapping[str, Case], rounds: int, budget: float = 25.0) -> Timings:
    """Run each case once for warmth, then once a round; every second round runs backwards.

    After ``budget`` seconds no further round begins, but there are at least `ROUNDS_MIN`.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for run in cases.values():
        run(0)
    order = list(cases.items())
    end = perf_counter() + budget
    for number in range(1, rounds + 1):
        for name, run in order:
            gc.collect()  # the garbage of one case is not the next one's time
            seconds[name].append(run(number))
        order.reverse()
        if number >= ROUNDS_MIN and perf_counter() > end:
            break
    return Timings(seconds)


def repeated(operation: Callable[[], object], times: int) -> Case:
    """A case that does the same ``times`` times over."""

    def run(_round: int) -> float:
        again = range(times)
        start = process_time()
        for _ in again:
            operation()
        return (process_time() - start) / times

    return run
