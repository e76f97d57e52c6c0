"""The journal as a picture: time runs down, and each lane tells one side of the order.

Layout
------
A row is what one command did at one moment; at its left stand the time and who acted. Three lanes:
the states as blocks in the lifecycle's colors, with whatever concerns the order as a whole; payments and refunds;
goods. Texts are wrapped to their lane, and a row is as high as its longest lane, so no text
can lie upon another however many events there are. Between two rows the gap grows with the order of magnitude
of the time between them, and a long pause is written there.
All measures are whole pixels, and widths of texts are estimated for the widest of the usual fonts.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntEnum
from html import escape
from typing import TYPE_CHECKING, Final
from unicodedata import east_asian_width

from ordercore.fulfillment import (
    ParcelState,
    ParcelTracked,
    Received,
    Shipped,
    WaybillAnswered,
    WaybillState,
)
from ordercore.fulfillment.delivery import FOLDS as GOODS_EVENTS
from ordercore.fulfillment.parcel import TROUBLED
from ordercore.fulfillment.pickup import CodeRefused, Collected
from ordercore.journal.speech import Speech
from ordercore.lifecycle.table import MERGED, SPLIT
from ordercore.order.events import (
    Adopted,
    Escalated,
    Moved,
    Overran,
    Placed,
    RefundDelayed,
    Reminded,
    RevenueRecognized,
    SplitOff,
)
from ordercore.order.rules.advancing import OVERRIDE
from ordercore.tender import AttemptState, RefundStatus
from ordercore.tender.events import FOLDS as PAYMENT_EVENTS
from ordercore.tender.events import (
    AttemptAnswered,
    AuthorizationEnding,
    ChargedBack,
    CompensationAnswered,
    CompensationGranted,
    FeeCharged,
    MoneyBroughtIn,
    MoneyHeld,
    MoneyTakenOut,
    RefundAnswered,
    RefundRequested,
    RefundRerouted,
    RefundSent,
    Remitted,
    UndoAsked,
)
from ordercore.wording import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ordercore.event import Event
    from ordercore.journal.record import Journal, JournalEntry
    from ordercore.wording import Wording

__all__ = ["svg"]

_MARGIN: Final = 20
_LINE: Final = 16
_TOP: Final = 92  # title, figures and the heads of the lanes
_PAD: Final = 10  # above and below the texts of a row
_LINES_MAX: Final = 4  # of one event; the rest is in the row's tooltip
_PAUSE: Final = timedelta(hours=1)  # a longer one is written between the rows
_INK: Final = "#2b3340"
_WIRE: Final = "#64748b"
_FAINT: Final = "#d5dae2"
_PLAIN: Final = "#eef1f5"
_GOOD: Final = "#2f855a"
_BACK: Final = "#c05621"
_BAD: Final = "#c53030"
_GOODS: Final = "#2b6cb0"
# a word with what follows it; a character of a script without spaces
_PIECES: Final = re.compile(
    r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]\s*|[^\s\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]+\s*|\s+"
)
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_INDENT: Final = 18  # of a text behind its mark
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")


class _Lane(IntEnum):
    """The lanes, from left to right."""

    STATE = 0
    MONEY = 1
    GOODS = 2


_AXIS: Final = (_MARGIN, 150)
_AT: Final[Mapping[_Lane, tuple[int, int]]] = {
    _Lane.STATE: (180, 290),
    _Lane.MONEY: (490, 310),
    _Lane.GOODS: (820, 270),
}
"""Where each lane begins, and how wide it is."""
_WIDTH: Final = 820 + 270 + _MARGIN

_RULES: Final = ((_MARGIN, 170), (480, _WIDTH - _MARGIN))
"""Where the line above a row runs: beside the block of the state."""

_LANES: Mapping[type[Event], _Lane] = {
    **dict.fromkeys(PAYMENT_EVENTS, _Lane.MONEY),
    RefundDelayed: _Lane.MONEY,
    RevenueRecognized: _Lane.MONEY,
    Reminded: _Lane.MONEY,
    **dict.fromkeys(GOODS_EVENTS, _Lane.GOODS),
}
"""The lane of each event; what is not here concerns the order as a whole."""


def svg(
    journal: Journal,
    locale: str = ENGLISH,
    *,
    zone: tzinfo = UTC,
    wording: Wording | None = None,
) -> str:
    """The journal as one SVG element with no scripts, no links and no fonts of its own.

    The same journal gives the same picture, byte for byte. Each row's tooltip has its sentences in full.
    """
    order = journal.order
    speech = Speech(journal.lifecycle, order.currency, locale, zone, wording)
    rows = [_Row(speech, entries) for entries in _grouped(journal)]
    bottom = _place(rows, speech)
    named = {"number": order.number, "state": order.state}
    title = escape(speech.fill("Order {number}: {state:state}", named))
    size = f'width="{_WIDTH}" height="{bottom}"'
    out = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom}" {size} '
            f'role="img" aria-label="{title}" font-family="{_FONT}">'
        ),
        f"<title>{title}</title>",
        f'<rect {size} rx="8" fill="#ffffff"/>',
        *_heads(speech, journal, bottom),
        *_blocks(speech, journal, rows, bottom),
    ]
    for row in rows:
        out += row.drawn()
    out.append("</svg>")
    return "\n".join(out) + "\n"


# Rows ------------------------------------------------------------------------------------------


def _grouped(journal: Journal) -> list[list[JournalEntry]]:
    """Entries of one row: one command at one moment, with one move at most."""
    rows: list[list[JournalEntry]] = []
    for entry in journal:
        last = rows[-1] if rows else None
        if (
            last is None
            or (last[0].at, last[0].by, last[0].command) != (entry.at, entry.by, entry.command)
            or (_enters(entry) and any(map(_enters, last)))
        ):
            rows.append([entry])
        else:
            last.append(entry)
    return rows


def _enters(entry: JournalEntry) -> bool:
    return isinstance(entry.event, Moved | Placed | Adopted | SplitOff)


class _Told:
    """One event in a lane: its lines, the color of its mark, and whether that is filled."""

    __slots__ = ("color", "filled", "lines")

    def __init__(self, text: str, lane: _Lane, event: Event) -> None:
        self.lines = _wrapped(text, _AT[lane][1] - _INDENT - 8)
        self.color, self.filled = _mark(event)


class _Row:
    """What one command did, wrapped to the lanes."""

    def __init__(self, speech: Speech, entries: list[JournalEntry]) -> None:
        self.at = entries[0].at
        self.time = speech.time(self.at)
        self.who = _cut(speech.actor(entries[0].by), _AXIS[1])
        self.entered = ""
        self.lanes: dict[_Lane, list[_Told]] = {lane: [] for lane in _Lane}
        self.pause = ""
        self.y = 0
        tip = [f"{self.time} {speech.actor(entries[0].by)}"]
        for entry in entries:
            sentences = [speech.say(sentence) for sentence in entry.told]
            why = [speech.fill("Why: {why}", {"why": entry.why})] if entry.why else []
            tip += [*sentences, *why]
            lane = _LANES.get(type(entry.event), _Lane.STATE)
            if _enters(entry):
                self.entered = entry.after.state
                if isinstance(entry.event, Moved) and entry.event.via != OVERRIDE:
                    # the head of the block names the state, so the event's name is enough
                    sentences[0] = f"“{speech.event(entry.event.via)}”"
            if lane is _Lane.STATE:
                sentences += why
            self.lanes[lane].append(_Told(speech.joined(sentences), lane, entry.event))
        self.tip = "\n".join(tip)

    @property
    def height(self) -> int:
        """Room for the texts of the longest lane; the axis has two lines."""
        lines = [sum([len(told.lines) for told in lane]) for lane in self.lanes.values()]
        lines[_Lane.STATE] += bool(self.entered)
        return max(2, *lines) * _LINE + 2 * _PAD

    def drawn(self) -> list[str]:
        """Time and actor, and the lanes that stand on no block."""
        x, y = _AXIS[0], self.y + _PAD + 12
        out = [f"<g><title>{escape(self.tip)}</title>"]
        for start, end in _RULES:
            out.append(
                f'<line x1="{start}" y1="{self.y}" x2="{end}" y2="{self.y}" stroke="{_FAINT}"/>'
            )
        if self.pause:
            out.append(_text(x, self.y - 7, self.pause, small=True))
        out.append(_text(x, y, self.time))
        out.append(_text(x, y + _LINE, self.who, small=True))
        for lane in (_Lane.MONEY, _Lane.GOODS):
            out += _listed(self.lanes[lane], _AT[lane][0], y)
        out.append("</g>")
        return out


_MARKS: Final[Mapping[AttemptState | RefundStatus, tuple[str, bool]]] = {
    AttemptState.CAPTURED: (_GOOD, True),
    AttemptState.AUTHORIZED: (_GOOD, False),
    AttemptState.DECLINED: (_BAD, False),
    AttemptState.RETURNED: (_BACK, True),
    RefundStatus.ARRIVED: (_BACK, True),
    RefundStatus.ACCEPTED: (_BACK, False),
    RefundStatus.FAILED: (_BAD, False),
}


_OF_KIND: Final[Mapping[type[Event], tuple[str, bool]]] = {
    Shipped: (_GOODS, True),
    Received: (_GOODS, True),
    Collected: (_GOODS, True),
    CodeRefused: (_BAD, False),
    MoneyBroughtIn: (_GOOD, True),
    MoneyTakenOut: (_BACK, True),
    Remitted: (_GOOD, True),
    **dict.fromkeys(
        (RefundRequested, RefundSent, RefundRerouted, UndoAsked, CompensationGranted),
        (_BACK, False),
    ),
    FeeCharged: (_BACK, True),
    # money was lost, or somebody must look
    **dict.fromkeys(
        (ChargedBack, RefundDelayed, AuthorizationEnding, MoneyHeld, Overran, Escalated),
        (_BAD, True),
    ),
}


def _mark(event: Event) -> tuple[str, bool]:
    """The color of an event's mark, and whether it is filled: something moved."""
    if isinstance(event, AttemptAnswered):
        if event.moved > 0:
            return _GOOD, True  # also a part, of which more is to come
        return _MARKS.get(event.state, (_WIRE, False))
    if isinstance(event, RefundAnswered | CompensationAnswered):
        return _MARKS.get(event.status, (_WIRE, False))
    if isinstance(event, ParcelTracked):
        return _sight(event)
    if isinstance(event, WaybillAnswered) and event.waybill.state is WaybillState.REFUSED:
        return _BAD, False
    return _OF_KIND.get(type(event), (_WIRE, False))


def _sight(event: ParcelTracked) -> tuple[str, bool]:
    """The same for what carriers told of a parcel: it arrived, is in trouble, or is on its way."""
    states = {point.state for point in event.points}
    if states & TROUBLED:
        return _BAD, True
    return _GOODS, ParcelState.DELIVERED in states


def _place(rows: list[_Row], speech: Speech) -> int:
    """Put the rows below each other; gives the height of the picture."""
    y = _TOP
    before: datetime | None = None
    for row in rows:
        if before is not None:
            between = max(row.at - before, timedelta(0))
            y += 2 * (between // timedelta(seconds=1)).bit_length()
            row.pause = f"+ {speech.span(between)}" if between >= _PAUSE else ""
        row.y = y
        y += row.height
        before = row.at
    return y + _MARGIN


# Drawing ---------------------------------------------------------------------------------------


def _heads(speech: Speech, journal: Journal, bottom: int) -> list[str]:
    """The title, the figures, the names of the lanes and a line down each lane of marks."""
    order = journal.order
    named = {"number": order.number, "state": order.state}
    last = journal.entries[-1].after
    figures = [
        speech.fill("Total: {total:money}", {"total": last.total}),
        speech.fill("Paid: {paid:money}", {"paid": last.paid}),
        speech.fill("Refunded: {refunded:money}", {"refunded": last.refunded}),
        speech.fill("Due: {due:money}", {"due": last.due}),
    ]
    wide = _WIDTH - 2 * _MARGIN
    title = _cut(speech.fill("Order {number}: {state:state}", named), wide * 12 // 17)
    told = _cut(speech.word(", ").join(figures), wide)
    zone = _cut(speech.fill("Times: {zone}", {"zone": str(speech.zone)}), _AXIS[1])
    out = [
        (
            f'<text x="{_MARGIN}" y="34" font-size="17" font-weight="600" fill="{_INK}">'
            f"{escape(title)}</text>"
        ),
        _text(_MARGIN, 54, told),
        _text(_AXIS[0], _TOP - 10, zone, small=True),
    ]
    for lane, name in zip(_Lane, ("State", "Payments and refunds", "Goods"), strict=True):
        x = _AT[lane][0]
        out.append(_text(x, _TOP - 10, speech.word(name), bold=True))
        if lane is not _Lane.STATE:
            out.append(
                f'<line x1="{x + 5}" y1="{_TOP}" x2="{x + 5}" y2="{bottom - _MARGIN}" '
                f'stroke="{_FAINT}" stroke-width="2"/>'
            )
    return out


def _blocks(speech: Speech, journal: Journal, rows: list[_Row], bottom: int) -> list[str]:
    """The states, each from the row that entered it to the row that left it."""
    x, width = _AT[_Lane.STATE]
    starts = [place for place, row in enumerate(rows) if row.entered]
    out = []
    for start, after in zip(starts, [*starts[1:], len(rows)], strict=True):
        first, last = rows[start], after == len(rows)
        end = bottom - _MARGIN if last else rows[after].y
        color = _color(journal, first.entered)
        ink = _ink(color)
        out.append(
            f'<rect x="{x}" y="{first.y + 3}" width="{width}" height="{end - first.y - 6}" rx="8" '
            f'fill="{color}" stroke="{_WIRE}"/>'
        )
        y = first.y + _PAD + 12
        spent = "" if last else speech.span(rows[after].at - first.at)
        name = _cut(speech.state(first.entered), width - 2 * _INDENT - _width(spent))
        out.append(_text(x + 12, y, name, bold=True, ink=ink))
        if spent:
            out.append(_text(x + width - 12, y, spent, small=True, ink=ink, anchor="end"))
        for row in rows[start:after]:
            head = _LINE if row.entered else 0
            out += _listed(row.lanes[_Lane.STATE], x + 8, row.y + _PAD + 12 + head, ink=ink)
    return out


def _color(journal: Journal, state: str) -> str:
    chart = journal.lifecycle
    known = chart is not None and (state in chart.steps or state in {SPLIT, MERGED})
    color = chart.state(state).color if chart is not None and known else ""
    return color if _COLOR.fullmatch(color) else _PLAIN


def _ink(color: str) -> str:
    """Dark or white, whichever is read on ``color`` (weights of ITU-R BT.601)."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return _INK if red * 299 + green * 587 + blue * 114 > 128_000 else "#ffffff"


def _listed(lane: Iterable[_Told], x: int, y: int, *, ink: str = "") -> list[str]:
    """The events of a lane below each other, each with its mark."""
    out = []
    for told in lane:
        color = ink or told.color
        fill = color if told.filled else "#ffffff" if not ink else "none"
        out.append(
            f'<circle cx="{x + 5}" cy="{y - 4}" r="4" fill="{fill}" stroke="{color}" '
            'stroke-width="1.6"/>'
        )
        for line in told.lines:
            out.append(_text(x + _INDENT, y, line, ink=ink))
            y += _LINE
    return out


def _text(
    x: int,
    y: int,
    words: str,
    *,
    small: bool = False,
    bold: bool = False,
    ink: str = "",
    anchor: str = "",
) -> str:
    size = 11 if small else 12
    color = ink or (_WIRE if small else _INK)
    weight = ' font-weight="600"' if bold else ""
    side = f' text-anchor="{anchor}"' if anchor else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}"{weight}{side} fill="{color}">'
        f"{escape(words)}</text>"
    )


# Widths of texts -------------------------------------------------------------------------------


def _char(char: str) -> int:
    """The width of a character at 12 px, in the widest of the usual fonts."""
    if east_asian_width(char) in "WF":
        return 13
    if char in "mwMW@%—":
        return 12
    if char.isupper() or char.isdigit():
        return 9 if char.isupper() else 8
    return 4 if char in "iljtf.,:;'|()[] !" else 7


def _width(text: str) -> int:
    return sum(map(_char, text))


def _cut(text: str, width: int) -> str:
    """As much of ``text`` as fits."""
    if _width(text) <= width:
        return text
    left = width - _char("…") - 8
    for place, char in enumerate(text):
        left -= _char(char)
        if left < 0:
            return f"{text[:place].rstrip()}…"
    return text


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of ``text`` that fit, a few at most; scripts without spaces break anywhere."""
    lines, line, used = [], "", 0
    for piece in _PIECES.findall(text):
        wide = _width(piece)
        if used and used + _width(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line, used = "", 0
        while wide > width and _width(piece.rstrip()) > width:  # a word longer than a line
            part = _cut(piece, width)[:-1] or piece[:1]
            lines.append(part)
            piece = piece[len(part) :]  # noqa: PLW2901 - the rest of it
            wide = _width(piece)
        line += piece
        used += wide
    if line.strip():
        lines.append(line.rstrip())
    if len(lines) > _LINES_MAX:
        last = _cut(lines[_LINES_MAX - 1], width - _char("…") - 8)
        lines = [*lines[: _LINES_MAX - 1], f"{last.rstrip('…')}…"]
    return lines or [""]
