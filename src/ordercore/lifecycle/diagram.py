"""Pictures of a lifecycle: Mermaid text, and an SVG that stands alone.

Both need the table alone, so `outline` of a chart is enough, and neither touches the outside.

How the SVG is laid out
-----------------------
A lifecycle has a main line and ways off it, so two columns show it better than a general graph.
The *main line* begins at the initial state: from each state it goes on to the next declared one that
it leads to, ways off (cancel, close, refund and the like) aside.
All other states stand in a second column, each at the height of what leads to it.
A move to the next state of a column is a straight arrow.
Every other move runs along a *rail*, a vertical line left of, between or right of the columns.
Moves that share target, event and guards share a rail, and their label is written once,
in a strip that nothing else enters. All measures are whole pixels.
Below an event's name stand its guards, then who may send it or when a timer does;
what a timer alone sends is dashed. Timers that only tell somebody stand in their state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from ordercore.lifecycle.edges import Edge, edges_of, notes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ordercore.lifecycle.table import Lifecycle, StateInfo

_MARGIN: Final = 20
_CORNER: Final = 9  # radius where a rail turns
_RAIL: Final = 16  # between two rails
_LINE: Final = 15  # between two lines of a label
_GAP: Final = 34  # between two states of a column, without labels
_PORT: Final = 20  # height that an arrow takes at the side of a state
_LABELED_PORT: Final = 26  # the same with a label above the line
_BELOW: Final = 14  # each line of text below the line: guards, senders
_NOTE: Final = 14  # each timer written into a state
_PLAIN: Final = "#eef1f5"
_INK: Final = "#2b3340"
_WIRE: Final = "#64748b"
_FAINT: Final = "#c3cad5"  # a move that nobody made
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"

# events that lead off the main line
_WAYS_OFF: Final = frozenset(
    {"cancel", "close", "refund", "refunded", "reject", "forfeit", "due", "recover", "revive"}
)

# what Mermaid reads as its own language, not as a state
_MERMAID_WORDS: Final = frozenset(
    {"as", "choice", "class", "classdef", "click", "default", "direction", "end", "fork"}
    | {"hide", "href", "join", "note", "scale", "state", "style"}
)


def mermaid(
    lifecycle: Lifecycle[Any],
    *,
    counts: Mapping[tuple[str, str, str], int] | None = None,
    plain: bool = False,
) -> str:
    """Draw as a Mermaid ``stateDiagram-v2``: guards in brackets, counts in parentheses.

    Behind them stands who sends the event, or when a timer does; ``plain`` leaves that out, and so do counts.
    ``counts`` maps (state, event, target) to how often the move was made;
    a key that is no move of the lifecycle raises `InvalidLifecycle`.
    """
    ids = _mermaid_ids([state.id for state in lifecycle.states])
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{_quoted(s.name)}" as {ids[s.id]}' for s in lifecycle.states]
    lines.append(f"    [*] --> {ids[lifecycle.initial]}")
    for edge in edges_of(lifecycle, counts, plain=plain):
        lines.append(f"    {ids[edge.source]} --> {ids[edge.target]}: {edge.label}")
    lines += [f"    {ids[state.id]} --> [*]" for state in lifecycle.states if state.final]
    if counts is None and not plain:
        lines += [
            f"    note right of {ids[state.id]} : {note}"
            for state in lifecycle.states
            for note in notes_of(lifecycle, state.id)
        ]
    for state in lifecycle.states:
        if state.color:
            lines.append(
                f"    classDef {state.id}_color fill:{state.color},stroke:{_WIRE},color:{_INK}"
            )
            lines.append(f"    class {ids[state.id]} {state.id}_color")
    return "\n".join(lines) + "\n"


def svg(
    lifecycle: Lifecycle[Any],
    *,
    counts: Mapping[tuple[str, str, str], int] | None = None,
    title: str | None = None,
    plain: bool = False,
) -> str:
    """Draw as one SVG element with no scripts, no links and no fonts of its own.

    ``counts`` and ``plain`` as in `mermaid`; a move that was made no time is drawn faintly.
    ``title`` stands above the picture.
    """
    plain = plain or counts is not None
    notes = {} if plain else {s.id: notes_of(lifecycle, s.id) for s in lifecycle.states}
    return _Drawing(
        lifecycle, edges_of(lifecycle, counts, plain=plain), notes, title or ""
    ).render()


def _quoted(name: str) -> str:
    """Write a name as Mermaid takes it inside quotes: ``#`` starts an entity there."""
    return " ".join(name.split()).replace("#", "#35;").replace('"', "#quot;")


def _mermaid_ids(states: list[str]) -> dict[str, str]:
    """Ids that Mermaid does not read as words of its own language."""
    ids = {}
    for state in states:
        plain = state
        while plain.lower() in _MERMAID_WORDS or (plain != state and plain in states):
            plain += "_"
        ids[state] = plain
    return ids


class _Lane(IntEnum):
    """Where rails run: outside the main column, between the two, outside the second."""

    LEFT = 0
    MIDDLE = 1
    RIGHT = 2


@dataclass(slots=True, eq=False)
class _Box:
    """A state in its column; ``ports`` count the arrows at its left and right side."""

    state: StateInfo
    column: int
    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0
    notes: list[str] = field(default_factory=list)
    below: list[Edge] = field(default_factory=list)
    ports: tuple[list[_End], list[_End]] = field(default_factory=lambda: ([], []))

    @property
    def middle(self) -> int:
        return self.y + self.height // 2

    @property
    def center(self) -> int:
        return self.x + self.width // 2

    @property
    def border(self) -> int:
        return 4 if self.state.final else 0

    def shift(self, down: int) -> None:
        self.y += down
        for end in (*self.ports[0], *self.ports[1]):
            end.y += down


@dataclass(slots=True, eq=False)
class _End:
    """Where a rail meets a state: on the state's left side (0) or right side (1)."""

    box: _Box
    side: int
    edge: Edge
    labeled: bool
    rail: _Rail
    y: int = 0

    @property
    def room(self) -> int:
        if not self.labeled:
            return _PORT
        return _LABELED_PORT + _BELOW * len(self.edge.below)

    @property
    def line(self) -> int:
        """How far below the top of its room the arrow lies."""
        return 19 if self.labeled else _PORT // 2

    @property
    def x(self) -> int:
        """Where the arrow meets the state: a final state has an outer border."""
        border = self.box.border if self.side else -self.box.border
        return self.box.x + self.side * self.box.width + border


@dataclass(slots=True, eq=False)
class _Rail:
    """Moves with one target, event and guards, drawn as one line with branches."""

    lane: _Lane
    sources: list[_End] = field(default_factory=list)
    target: _End = field(init=False)
    track: int = 0
    x: int = 0

    @property
    def ends(self) -> list[_End]:
        return [*self.sources, self.target]

    def span(self) -> tuple[int, int]:
        heights = [end.y for end in self.ends]
        return min(heights), max(heights)

    def crosses(self, right: _Rail) -> int:
        """How many lines cross when this rail runs to the left of ``right``."""
        low, high = right.span()
        other_low, other_high = self.span()
        # an end at a state's left side (0) is reached by going right from its rail
        return sum(low <= end.y <= high for end in self.ends if end.side == 0) + sum(
            other_low <= end.y <= other_high for end in right.ends if end.side == 1
        )


def _wide(text: str) -> int:
    """Width of a label, estimated for the widest of the usual fonts."""
    return len(text) * 7


def _label_width(edges: Iterable[Edge]) -> int:
    return max((_wide(max(e.headline, e.guards, e.who, key=len)) for e in edges), default=0)


def _lines_below(box: _Box) -> list[tuple[str, bool]]:
    """Text beside the arrow that leaves ``box`` downwards; True marks a guard."""
    lines = []
    for edge in box.below:
        lines.append((edge.headline, False))
        lines += edge.below
    return lines


class _Drawing:
    """Place the states, lay the rails, then write it all down."""

    def __init__(
        self,
        lifecycle: Lifecycle[Any],
        edges: tuple[Edge, ...],
        notes: Mapping[str, list[str]],
        title: str,
    ) -> None:
        self.title = title
        self.caption = title or f"lifecycle {lifecycle.name}"
        self.edges = edges
        self.initial = lifecycle.initial
        line = _main_line(lifecycle, edges)
        aside = _aside([s.id for s in lifecycle.states], line, edges)
        infos = {state.id: state for state in lifecycle.states}
        self.boxes = {
            state: _Box(infos[state], column, notes=notes.get(state, []))
            for column, states in enumerate((line, aside))
            for state in states
        }
        self.columns = ([self.boxes[s] for s in line], [self.boxes[s] for s in aside])
        self.lanes: tuple[list[_Rail], list[_Rail], list[_Rail]] = ([], [], [])
        self._connect()
        self._set_heights()
        self._set_widths()

    def _connect(self) -> None:
        following = {a.state.id: b.state.id for column in self.columns for a, b in pairwise(column)}
        rails: dict[tuple[_Lane, str, str, str, str], _Rail] = {}
        for edge in self.edges:
            source, target = self.boxes[edge.source], self.boxes[edge.target]
            if following.get(edge.source) == edge.target:
                source.below.append(edge)
                continue
            if source.column == target.column:
                lane = _Lane.LEFT if source.column == 0 else _Lane.RIGHT
            else:
                lane = _Lane.MIDDLE
            # between the columns the label stands at the second one, elsewhere at the target
            leaves_aside = lane is _Lane.MIDDLE and source.column == 1
            key = (lane, edge.target, edge.event, edge.guards, edge.who)
            if key not in rails:
                rails[key] = _Rail(lane)
                rails[key].target = _join(rails[key], target, edge, labeled=not leaves_aside)
            rails[key].sources.append(_join(rails[key], source, edge, labeled=leaves_aside))
        for rail in rails.values():
            self.lanes[rail.lane].append(rail)

    def _set_heights(self) -> None:
        top = _MARGIN + (30 if self.title else 0) + 34
        for column in self.columns:
            for box in column:
                rooms = [sum(end.room for end in side) for side in box.ports]
                box.height = max(40 + _NOTE * len(box.notes), *(room + 10 for room in rooms))
        _stack(self.columns[0], top)
        main = {id(box) for box in self.columns[0]}
        wanted = []
        for box in self.columns[1]:
            sources = [
                self.boxes[e.source].middle
                for e in self.edges
                if e.target == box.state.id and id(self.boxes[e.source]) in main
            ]
            wanted.append(sum(sources) // len(sources) - box.height // 2 if sources else 0)
        _stack(self.columns[1], top, wanted)
        self._set_ports()
        self._part_from_stubs()

    def _set_ports(self) -> None:
        """Arrows stand at a state's side in the order in which they come from above or below."""
        for box in self.boxes.values():
            for side in box.ports:
                side.sort(key=_far_height)
                y = box.middle - sum(end.room for end in side) // 2
                for end in side:
                    end.y = y + end.line
                    y += end.room

    def _part_from_stubs(self) -> None:
        """Move states of the second column a little, so that no two lines lie upon each other.

        Where a line would turn by a few pixels only, it is made straight.
        """
        stubs = [end for box in self.columns[0] for end in box.ports[1]]
        push = 0
        for box in self.columns[1]:
            box.shift(push)
            ends = box.ports[0]
            straight = [
                stub.y - end.y
                for end in ends
                for stub in stubs
                if stub.rail is end.rail and abs(stub.y - end.y) <= _CORNER * 2
            ]
            for down in (*straight, *range(0, 80, 2)):
                if not any(_upon(end, down, stub) for end in ends for stub in stubs):
                    box.shift(down)
                    push += max(down, 0)
                    break

    def _set_widths(self) -> None:
        for lane in self.lanes:
            _untangle(lane)
        left, middle, right = self.lanes
        # next to the column that a rail serves; what runs beside another stays outside of it
        lefts, middles, rights = _tracks(left[::-1]), _tracks(middle), _tracks(right)
        stub = 24 + max(
            (_wide(f"{e.count:,}") for e in self.edges if e.count is not None), default=0
        )
        x = _MARGIN + lefts * _RAIL
        for rail in left:
            rail.x = _MARGIN + (lefts - 1 - rail.track) * _RAIL
        if left:
            x += max(stub, _lane_label(left) + 26)
        x = self._set_column(0, x)
        x = max(x + (stub if middle else 0), self._overhang(0))
        for rail in middle:
            rail.x = x + rail.track * _RAIL
        if self.columns[1]:
            x += middles * _RAIL + _lane_label(middle) + 20
            x = self._set_column(1, x)
        if right:
            x = max(x + max(stub, _lane_label(right) + 26), self._overhang(1))
            for rail in right:
                rail.x = x + rail.track * _RAIL
            x += (rights - 1) * _RAIL
        self.width = max(x, self._overhang(0), self._overhang(1), len(self.title) * 10) + _MARGIN
        bottom = max(box.y + box.height for box in self.boxes.values())
        self.height = bottom + _MARGIN

    def _set_column(self, column: int, x: int) -> int:
        boxes = self.columns[column]
        width = max(
            max(len(box.state.name) * 8 + 34, *(len(note) * 6 + 20 for note in ("", *box.notes)))
            for box in boxes
        )
        for box in boxes:
            box.x, box.width = x, width
        return x + width

    def _overhang(self, column: int) -> int:
        """Right edge of the labels beside a column's own arrows."""
        return max(
            (
                box.center + 12 + _label_width(box.below) + 10
                for box in self.columns[column]
                if box.below
            ),
            default=0,
        )

    def render(self) -> str:
        size = f'width="{self.width}" height="{self.height}"'
        frame = f'viewBox="0 0 {self.width} {self.height}" {size}'
        spoken = f'role="img" aria-label="{escape(self.caption)}"'
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {frame} {spoken} font-family="{_FONT}">',
            f"<title>{escape(self.caption)}</title>",
            "<defs>",
            _marker("tip", _WIRE),
            _marker("faint-tip", _FAINT),
            "</defs>",
            f'<rect {size} rx="8" fill="#ffffff"/>',
        ]
        if self.title:
            out.append(
                f'<text x="{_MARGIN}" y="{_MARGIN + 14}" font-size="17" font-weight="600" '
                f'fill="{_INK}">{escape(self.title)}</text>'
            )
        wires = [wire for lane in self.lanes for rail in lane for wire in _wires(rail)]
        wires.sort(key=lambda wire: _FAINT not in wire)  # the faint ones lie below
        out += wires
        start = self.boxes[self.initial]
        out.append(
            f'<circle cx="{start.center}" cy="{start.y - start.border - 28}" r="6" fill="{_INK}"/>'
        )
        out.append(
            _arrow(
                f"M {start.center} {start.y - start.border - 22} V {start.y - start.border - 1}",
                _WIRE,
                "tip",
            )
        )
        for column in self.columns:
            for box, following in pairwise(column):
                if box.below:
                    out += _down(box, following)
        out += [text for lane in self.lanes for rail in lane for text in _rail_text(rail)]
        out += [part for box in self.boxes.values() for part in _state(box)]
        out.append("</svg>")
        return "\n".join(out) + "\n"


def _main_line(lifecycle: Lifecycle[Any], edges: tuple[Edge, ...]) -> list[str]:
    order = [state.id for state in lifecycle.states]
    moves = {(edge.source, edge.target) for edge in edges if edge.event not in _WAYS_OFF}
    line = [lifecycle.initial]
    for state in order[order.index(lifecycle.initial) + 1 :]:
        if (line[-1], state) in moves:
            line.append(state)
    return line


def _aside(order: list[str], line: list[str], edges: tuple[Edge, ...]) -> list[str]:
    """Order the second column from top to bottom: by the rows that lead there, chains kept together."""
    rows = {state: row for row, state in enumerate(line)}
    aside = [state for state in order if state not in rows]
    heights = {}
    for state in aside:
        sources = [rows[e.source] for e in edges if e.target == state and e.source in rows]
        if sources:
            heights[state] = sum(sources) * 100 // len(sources)
    placed = sorted(heights, key=lambda state: (heights[state], aside.index(state)))
    for _ in aside:
        for state in aside:
            above = [e.source for e in edges if e.target == state and e.source in placed]
            if state not in placed and above:
                placed.insert(placed.index(above[0]) + 1, state)
    return placed + [state for state in aside if state not in placed]


def _join(rail: _Rail, box: _Box, edge: Edge, *, labeled: bool) -> _End:
    if rail.lane is _Lane.MIDDLE:
        side = 1 if box.column == 0 else 0
    else:
        side = 0 if rail.lane is _Lane.LEFT else 1
    end = _End(box, side, edge, labeled, rail)
    box.ports[side].append(end)
    return end


def _far_height(end: _End) -> int:
    others = [other.box.middle for other in end.rail.ends if other is not end]
    return sum(others) // len(others)


def _upon(end: _End, down: int, stub: _End) -> bool:
    apart = abs(end.y + down - stub.y)
    return apart < 6 and not (apart == 0 and stub.rail is end.rail)


def _stack(column: list[_Box], top: int, wanted: list[int] | None = None) -> None:
    bottom = top
    for index, box in enumerate(column):
        box.y = max(bottom, wanted[index]) if wanted else bottom
        lines = len(_lines_below(box))
        bottom = box.y + box.height + _GAP + max(0, lines * _LINE - 8)


def _untangle(lane: list[_Rail]) -> None:
    """Order rails so that few lines cross: swap neighbors while it helps."""
    for _ in lane:
        for index in range(len(lane) - 1):
            left, right = lane[index], lane[index + 1]
            if right.crosses(left) < left.crosses(right):
                lane[index], lane[index + 1] = right, left


def _tracks(lane: list[_Rail]) -> int:
    """Give rails that do not run beside each other the same track; tells how many there are."""
    for index, rail in enumerate(lane):
        low, high = rail.span()
        beside = [
            other.track
            for other in lane[:index]
            if other.span()[0] <= high + _PORT and low <= other.span()[1] + _PORT
        ]
        rail.track = max(beside, default=-1) + 1
    return max([rail.track + 1 for rail in lane], default=0)


def _lane_label(lane: list[_Rail]) -> int:
    return _label_width(end.edge for rail in lane for end in rail.ends if end.labeled)


def _marker(name: str, color: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
        f'markerHeight="8" orient="auto-start-reverse" markerUnits="userSpaceOnUse">'
        f'<path d="M 0 1 L 9 5 L 0 9 z" fill="{color}"/></marker>'
    )


def _arrow(path: str, color: str, tip: str, *, dashed: bool = False) -> str:
    end = f' marker-end="url(#{tip})"' if tip else ""
    end += ' stroke-dasharray="6 4"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.4"{end}/>'


def _wires(rail: _Rail) -> list[str]:
    """One line for each move, along the rail; all end in the same arrow."""
    wires = []
    for end in rail.sources:
        color, tip = (_FAINT, "faint-tip") if end.edge.count == 0 else (_WIRE, "tip")
        path = _arrow(_along(end, rail.target, rail.x), color, tip, dashed=end.edge.dashed)
        wires.append(f"<g><title>{escape(end.edge.sentence)}</title>{path}</g>")
    return wires


def _along(start: _End, stop: _End, x: int) -> str:
    """Out of one state, along the rail at ``x``, into the other, with round corners."""
    out = 1 if x > start.x else -1
    back = 1 if stop.x > x else -1
    down = stop.y - start.y
    turn = min(_CORNER, abs(down) // 2)
    if turn == 0:
        return f"M {start.x} {start.y} H {stop.x - back}"
    step = turn if down > 0 else -turn
    return (
        f"M {start.x} {start.y} H {x - out * turn} Q {x} {start.y} {x} {start.y + step} "
        f"V {stop.y - step} Q {x} {stop.y} {x + back * turn} {stop.y} H {stop.x - back}"
    )


def _text(
    x: int, y: int, words: str, *, anchor: str = "start", guard: bool = False, small: bool = False
) -> str:
    slant = ' font-style="italic"' if guard else ""
    small = small or guard
    style = f'font-size="11"{slant} fill="{_WIRE}"' if small else f'font-size="12" fill="{_INK}"'
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {style}>{escape(words)}</text>'


def _rail_text(rail: _Rail) -> list[str]:
    """Write the label at its end of the rail, and the count of each branch beside its state."""
    out = []
    for end in rail.ends:
        x, anchor = (end.x - 12, "end") if end.side == 0 else (end.x + 12, "start")
        leaves = end is not rail.target
        if end.labeled:
            out.append(
                _text(x, end.y - 5, end.edge.headline if leaves else end.edge.event, anchor=anchor)
            )
            for place, (text, guard) in enumerate(end.edge.below):
                y = end.y + 13 + place * _BELOW
                out.append(_text(x, y, text, anchor=anchor, guard=guard, small=True))
        elif leaves and end.edge.count is not None:
            shift = 6 if end.side else -6
            out.append(_text(end.x + shift, end.y - 4, f"{end.edge.count:,}", anchor=anchor))
    return out


def _down(box: _Box, following: _Box) -> list[str]:
    """Draw the straight arrow to the next state of the column, its labels to the right."""
    made = any(edge.count != 0 for edge in box.below)
    color, tip = (_WIRE, "tip") if made else (_FAINT, "faint-tip")
    bottom = box.y + box.height
    words = "; ".join(edge.sentence for edge in box.below)
    path = _arrow(
        f"M {box.center} {bottom + box.border} V {following.y - following.border - 1}",
        color,
        tip,
        dashed=all(edge.dashed for edge in box.below),
    )
    out = [f"<g><title>{escape(words)}</title>{path}</g>"]
    lines = _lines_below(box)
    y = (bottom + following.y) // 2 - (len(lines) * _LINE) // 2 + 11
    heads = {edge.headline for edge in box.below}
    for index, (line, guard) in enumerate(lines):
        small = line not in heads
        out.append(_text(box.center + 12, y + index * _LINE, line, guard=guard, small=small))
    return out


def _state(box: _Box) -> list[str]:
    fill = box.state.color or _PLAIN
    out = [f"<g><title>{escape(box.state.description or box.state.name)}</title>"]
    if box.state.final:
        out.append(
            f'<rect x="{box.x - box.border}" y="{box.y - box.border}" '
            f'width="{box.width + 2 * box.border}" height="{box.height + 2 * box.border}" '
            f'rx="13" fill="#ffffff" stroke="{_WIRE}" stroke-width="1.2"/>'
        )
    out.append(
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="10" '
        f'fill="{fill}" stroke="{_WIRE}" stroke-width="1.2"/>'
    )
    y = box.middle + 5 - _NOTE * len(box.notes) // 2
    out.append(
        f'<text x="{box.center}" y="{y}" text-anchor="middle" font-size="14" '
        f'font-weight="500" fill="{_INK}">{escape(box.state.name)}</text>'
    )
    out += [
        _text(box.center, y + _NOTE * place + 2, note, anchor="middle", small=True)
        for place, note in enumerate(box.notes, start=1)
    ]
    out.append("</g>")
    return out
