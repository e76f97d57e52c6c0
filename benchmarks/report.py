"""What a run says: bars with their figures, tables beside them, the machine; as text and as JSON."""

from __future__ import annotations

import enum
import json
import os
import platform
import sqlite3
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["Bar", "Report", "Side", "Table", "machine"]


class Side(enum.StrEnum):
    """On which side of its limit a figure is good."""

    AT_MOST = "<="
    AT_LEAST = ">="


@dataclass
class Bar:
    """A figure with its limit; ``ours`` and ``base`` are the two absolute times behind a ratio.

    Without a figure ``base`` says why there is none.
    """

    name: str
    side: Side
    limit: float
    figure: float | None
    unit: str
    ours: str
    base: str

    @property
    def passed(self) -> bool | None:
        """Whether the figure keeps to its limit; nobody knows without a figure."""
        if self.figure is None:
            return None
        if self.side is Side.AT_MOST:
            return self.figure <= self.limit
        return self.figure >= self.limit

    def cells(self) -> list[str]:
        """One row of the table of bars."""
        bound = f"{self.side.value} {self.limit:g}{self.unit}"
        found = "" if self.figure is None else f"{self.figure:.3g}{self.unit}"
        verdict = {True: "pass", False: "FAIL", None: "none"}[self.passed]
        return [self.name, bound, found, verdict, self.ours, self.base]


@dataclass
class Table:
    """Figures without a limit."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    note: str = ""


@dataclass
class Report:
    """All that one case found."""

    bars: list[Bar] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Take another report in."""
        self.bars += other.bars
        self.tables += other.tables

    def text(self) -> str:
        """The tables, and the bars last, since they are what one looks for."""
        parts = [_grid(t.title, t.columns, t.rows, t.note) for t in self.tables]
        heads = ("bar", "limit", "figure", "", "ours", "beside")
        if self.bars:
            parts.append(_grid("Bars", heads, [tuple(bar.cells()) for bar in self.bars], ""))
        return "\n".join(parts)

    def write(self, path: Path, about: dict[str, str]) -> None:
        """Write everything as JSON."""
        bars = [asdict(bar) | {"passed": bar.passed} for bar in self.bars]
        content = {"machine": about, "bars": bars, "tables": [asdict(t) for t in self.tables]}
        path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _grid(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]], note: str) -> str:
    table = [list(columns), *[[_cell(cell) for cell in row] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    left = [isinstance(rows[0][i], str) for i in range(len(columns))] if rows else []
    lines = [f"\n== {title}"]
    for row in table:
        cells = [
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(row, widths, left, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    if note:
        lines.append(note)
    return "\n".join(lines)


def _cell(found: object) -> str:
    if isinstance(found, float):
        return f"{found:,.0f}" if found >= 1000 else f"{found:.3g}"
    return f"{found:,}" if isinstance(found, int) else str(found)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def machine() -> dict[str, str]:
    """Where and with what the figures were made."""
    packages = ("attrs", "py-moneyed", "python-statemachine", "babel", "cattrs", "sqlalchemy")
    checked = os.environ.get("ORDERCORE_CHECKED") == "1"
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_processor()}, {os.cpu_count()} cores, load {load}",
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {sys.version.split()[0]}",
        "sqlite": sqlite3.sqlite_version,
        **{name: _version(name) for name in packages},
        "values": "frozen (ORDERCORE_CHECKED=1: slower)" if checked else "plain",
    }
