"""How an order moves: charts read into tables, and pictures of them.

The built-in charts stand in `ordercore.lifecycle.charts`;
they load python-statemachine, this door does not.
"""

from __future__ import annotations

from ordercore.lifecycle.chart import (
    BoundGuard,
    Lifecycle,
    Lifecycles,
    Move,
    StateInfo,
    compile_chart,
    outline,
)
from ordercore.lifecycle.diagram import mermaid, svg

__all__ = [
    # the table
    "BoundGuard",
    "Lifecycle",
    "Lifecycles",
    "Move",
    "StateInfo",
    # from a chart
    "compile_chart",
    "outline",
    # pictures
    "mermaid",
    "svg",
]
