"""How an order moves: charts read into tables, and pictures of them.

The built-in charts stand in `ordercore.lifecycle.charts`;
they load python-statemachine, this door does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.lifecycle.chart import (
    BoundGuard,
    Lifecycle,
    Lifecycles,
    Move,
    StateInfo,
    compile_chart,
    outline,
)

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    if name in {"mermaid", "svg"}:
        from ordercore.lifecycle import diagram  # pictures are loaded when somebody draws

        return getattr(diagram, name)
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
