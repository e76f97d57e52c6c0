"""``python -m benchmarks [--json FILE] [--only NAME] [--quick]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from benchmarks import (
    failover,
    growth,
    importing,
    lifecycles,
    pricing,
    reconciliation,
    refunds,
    routing,
    splitting,
    sqlite_file,
    stages,
    tenders,
    timers,
    whole_way,
)
from benchmarks.report import Report, machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    class Case(Protocol):
        """One part of a run."""

        def __call__(self, *, quick: bool) -> Report: ...


CASES: Mapping[str, Case] = {
    "memory": whole_way.measure,
    "retained": whole_way.retained,
    "sqlite": sqlite_file.measure,
    "lines": growth.lines,
    "quantities": growth.quantities,
    "stored": growth.stored,
    "sqlite-stored": sqlite_file.stored,
    "import": importing.measure,
    "pricing": pricing.measure,
    "peers": pricing.beside_peers,
    "lifecycles": lifecycles.measure,
    "timers": timers.measure,
    "tenders": tenders.measure,
    "refunds": refunds.measure,
    "splitting": splitting.measure,
    "reconciliation": reconciliation.measure,
    "failover": failover.measure,
    "routing": routing.measure,
    "stages": stages.measure,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the cases and print them; figures are no tests, so the exit code is 0 whatever they say."""
    parser = argparse.ArgumentParser("python -m benchmarks", description="Figures, as ratios.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--only", action="append", choices=CASES, help="this case; may repeat")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: half a minute")
    asked = parser.parse_args(arguments)
    about = machine()
    print("\n".join(f"{name:20s}{text}" for name, text in about.items()))
    report = Report()
    began = perf_counter()
    for name in asked.only or CASES:
        start = perf_counter()
        report.add(CASES[name](quick=asked.quick))
        if sys.stderr.isatty():
            print(f"{name}: {perf_counter() - start:.1f} s", file=sys.stderr)
    print(report.text())
    print(
        f"\n{perf_counter() - began:.0f} s; ratios are medians over rounds in which each case ran once"
    )
    if asked.json:
        report.write(asked.json, about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
