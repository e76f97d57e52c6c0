"""What ``import ordercore`` costs, in fresh processes, less the start of the bare interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import ordercore
from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import take_turns

if TYPE_CHECKING:
    from benchmarks.rounds import Case

LIMIT_MS = 150.0
FIRST_USE = (
    "import ordercore; from ordercore.adapters.memory import MemoryStore; "
    "ordercore.OrderEngine(MemoryStore())"
)

__all__ = ["environment", "measure"]


def environment() -> dict[str, str]:
    """The environment of a child process that finds the same package and these benchmarks."""
    places = [Path(ordercore.__file__).parents[1], Path(__file__).parents[1]]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}


def _process(code: str) -> Case:
    command, env = [sys.executable, "-c", code], environment()

    def run(_round: int) -> float:
        start = perf_counter()
        subprocess.run(command, check=True, env=env)
        return perf_counter() - start

    return run


def measure(*, quick: bool) -> Report:
    """Medians of fresh processes, and which modules take the time."""
    cases = {
        "bare": _process("pass"),
        "import": _process("import ordercore"),
        "use": _process(FIRST_USE),
    }
    found = take_turns(cases, 9 if quick else 15)
    bare = found.seconds["bare"]
    less = {
        name: median([s - b for s, b in zip(found.seconds[name], bare, strict=True)]) * 1e3
        for name in ("import", "use")
    }
    start = f"{found.us('bare') / 1e3:.0f} ms bare start"
    ours = f"{found.us('import') / 1e3:.0f} ms in all"
    bar = Bar("import ordercore", Side.AT_MOST, LIMIT_MS, less["import"], " ms", ours, start)
    first = Table("First use", ("what", "ms"), [("import and build an OrderEngine", less["use"])])
    return Report([bar], [_heaviest("import ordercore"), first])


def _heaviest(code: str) -> Table:
    """Time of each top-level package in one run, with its own modules only."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    told = subprocess.run(command, check=True, env=environment(), capture_output=True, text=True)
    spent: dict[str, int] = {}
    count: dict[str, int] = {}
    for line in told.stderr.splitlines()[1:]:
        own, _, name = line.removeprefix("import time:").split("|")
        top = name.strip().partition(".")[0]
        spent[top] = spent.get(top, 0) + int(own)
        count[top] = count.get(top, 0) + 1
    heavy = sorted(spent, key=spent.__getitem__, reverse=True)[:10]
    rows = [(top, count[top], spent[top] / 1e3) for top in heavy]
    return Table("Heaviest imports, one run", ("package", "modules", "own ms"), rows)
