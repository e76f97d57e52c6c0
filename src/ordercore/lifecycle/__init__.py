"""How an order moves: charts and documents read into tables, and pictures of them.

The built-in charts stand in `ordercore.lifecycle.charts`;
they load python-statemachine, this door does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ordercore.lifecycle.chart import compile_chart, outline
from ordercore.lifecycle.guards import BoundGuard
from ordercore.lifecycle.table import EventInfo, ItemStatus, Lifecycle, Lifecycles, Move, StateInfo
from ordercore.lifecycle.timer import Since, TimerAction, TimerRule
from ordercore.lifecycle.visible import VisibleStep

if TYPE_CHECKING:
    from ordercore.lifecycle.checking import Fault, FaultKind, check
    from ordercore.lifecycle.diagram import mermaid, svg
    from ordercore.lifecycle.differences import Difference, How, Part, diff, left_behind
    from ordercore.lifecycle.document import (
        DocumentFormat,
        load_lifecycle,
        read_document,
        write_document,
    )
    from ordercore.lifecycle.labels import label
    from ordercore.lifecycle.twin import LiveTwin, live_twin

__all__ = [
    # the table
    "BoundGuard",
    "EventInfo",
    "ItemStatus",
    "Lifecycle",
    "Lifecycles",
    "Move",
    "StateInfo",
    "VisibleStep",
    # time
    "Since",
    "TimerAction",
    "TimerRule",
    # from a chart
    "compile_chart",
    "outline",
    # from a document
    "DocumentFormat",
    "Fault",
    "FaultKind",
    "check",
    "load_lifecycle",
    "read_document",
    "write_document",
    # the same as a live machine
    "LiveTwin",
    "live_twin",
    # for people
    "Difference",
    "How",
    "Part",
    "diff",
    "label",
    "left_behind",
    "mermaid",
    "svg",
]

# loaded when somebody reads, compares or draws: advancing orders needs the table alone
_LATER = {
    "LiveTwin": "twin",
    "live_twin": "twin",
    "DocumentFormat": "document",
    "Fault": "checking",
    "FaultKind": "checking",
    "check": "checking",
    "Difference": "differences",
    "How": "differences",
    "Part": "differences",
    "diff": "differences",
    "label": "labels",
    "left_behind": "differences",
    "load_lifecycle": "document",
    "mermaid": "diagram",
    "read_document": "document",
    "svg": "diagram",
    "write_document": "document",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"ordercore.lifecycle.{_LATER[name]}"), name)
    reason = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(reason)
