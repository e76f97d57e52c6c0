"""What ``import ordercore`` costs, in fresh processes, less the start of the bare interpreter.

The figure is the child's processor time, user and system: on an idle machine it is what the wall clock says.
Bytecode is there, as an installation leaves it: it is kept in a folder of the run and written by the round for warmth.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
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


def _with_bytecode(folder: str) -> dict[str, str]:
    env = environment() | {"PYTHONPYCACHEPREFIX": folder}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


def _process(code: str, env: dict[str, str], walls: list[float]) -> Case:
    """Processor seconds of a fresh process; those on the wall clock go to ``walls``."""
    command = [sys.executable, "-c", code]

    def run(_round: int) -> float:
        start, before = perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, env=env)
        walls.append(perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    return run


def measure(*, quick: bool) -> Report:
    """Medians of fresh processes, and which modules take the time."""
    codes = {"bare": "pass", "import": "import ordercore", "use": FIRST_USE}
    walls: dict[str, list[float]] = {name: [] for name in codes}
    with tempfile.TemporaryDirectory(prefix="ordercore-bench-") as folder:
        env = _with_bytecode(folder)
        cases = {name: _process(code, env, walls[name]) for name, code in codes.items()}
        found = take_turns(cases, 9 if quick else 21)
        heaviest = _heaviest(codes["import"], env)
    rows = []
    for name, title in (("import", "import ordercore"), ("use", "import, build an OrderEngine")):
        less = _less(found.seconds[name], found.seconds["bare"])
        rows.append((title, less, _less(walls[name][1:], walls["bare"][1:])))
    start, ours = (f"{found.us(name) / 1e3:.0f} ms" for name in ("bare", "import"))
    bar = Bar(
        "import ordercore", Side.AT_MOST, LIMIT_MS, rows[0][1], " ms", f"{ours} in all",
        f"{start} bare start",
    )  # fmt: skip
    heads = ("fresh process, less the bare start", "processor ms", "wall ms")
    return Report([bar], [heaviest, Table("Imports", heads, rows)])


def _less(spent: list[float], bare: list[float]) -> float:
    """Milliseconds beyond the bare start: the median over the rounds."""
    return median([more - less for more, less in zip(spent, bare, strict=True)]) * 1e3


def _heaviest(code: str, env: dict[str, str]) -> Table:
    """Time of each top-level package in one run, with its own modules only."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    told = subprocess.run(command, check=True, env=env, capture_output=True, text=True)
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
