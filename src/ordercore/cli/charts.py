"""Bar charts as SVG text: no script, no link, whole coordinates."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bar", "columns", "rows"]

_INK: Final = "#2b3340"
_SOFT: Final = "#64748b"
_GRID: Final = "#e2e6ec"
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"

_WIDTH: Final = 560
_HEIGHT: Final = 250
_LEFT: Final = 52
_TOP: Final = 18
_FLOOR: Final = 212
_ROW: Final = 30


@value
class Bar:
    """One bar: ``amount`` is not negative; ``text`` is what stands beside it."""

    name: str
    amount: int
    text: str


def columns(title: str, bars: Sequence[Bar], color: str, unit: int, suffix: str) -> str:
    """Upright bars from left to right; the scale is labeled in whole ``unit``, with ``suffix``."""
    top = max([bar.amount for bar in bars], default=0)
    step = _step(max(top, unit), unit)
    ceiling = -(-max(top, 1) // step) * step
    height = _FLOOR - _TOP
    parts = []
    for mark in range(0, ceiling + 1, step):
        y = _FLOOR - height * mark // ceiling
        parts.append(f'<path d="M {_LEFT} {y} H {_WIDTH}" stroke="{_GRID}"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{mark // unit:,}{suffix}", "end", _SOFT))
    each = (_WIDTH - _LEFT) // max(len(bars), 1)
    wide = each * 7 // 10
    for i, bar in enumerate(bars):
        x = _LEFT + i * each + (each - wide) // 2
        tall = height * bar.amount // ceiling
        y = _FLOOR - tall
        parts.append(
            f'<rect x="{x}" y="{y}" width="{wide}" height="{tall}" rx="2" fill="{color}">'
            f"<title>{escape(bar.name)}: {escape(bar.text)}</title></rect>"
        )
        middle = x + wide // 2
        parts.append(_text(middle, y - 4, bar.text, "middle", _INK, 10))
        parts.append(_text(middle, _FLOOR + 16, bar.name, "middle", _SOFT, 10))
    parts.append(f'<path d="M {_LEFT} {_FLOOR} H {_WIDTH}" stroke="{_SOFT}"/>')
    return _svg(title, _HEIGHT, parts)


def rows(title: str, bars: Sequence[Bar], color: str) -> str:
    """Level bars from top to bottom, each with its name before it and its text behind it."""
    top = max([bar.amount for bar in bars], default=0) or 1
    start, room = 130, _WIDTH - 130 - 110
    parts = []
    for i, bar in enumerate(bars):
        y = 8 + i * _ROW
        long = max(room * bar.amount // top, 2)
        parts.append(_text(start - 8, y + 15, bar.name, "end", _INK))
        parts.append(
            f'<rect x="{start}" y="{y}" width="{long}" height="20" rx="2" fill="{color}"/>'
        )
        parts.append(_text(start + long + 8, y + 15, bar.text, "start", _INK))
    return _svg(title, 16 + _ROW * len(bars), parts)


def _step(top: int, unit: int) -> int:
    """A round distance between marks, so that there are at most six: 1, 2 or 5 times a power of ten."""
    step = unit
    while True:
        for factor in (1, 2, 5):
            if step * factor * 5 >= top:
                return step * factor
        step *= 10


def _text(x: int, y: int, words: str, anchor: str, color: str, size: int = 12) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{color}" font-size="{size}">'
        f"{escape(words)}</text>"
    )


def _svg(title: str, height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="{_FONT}">' + "".join(parts) + "</svg>"
    )
