"""Results as tables: rich on a terminal, aligned text in a pipe, HTML in a report; and as JSON.

What is printed may come from customers, or from a file of somebody else's. Here it loses the characters
that steer a terminal, and `make_safe` lets streams take what their encoding does not have.
"""

from __future__ import annotations

import codecs
import json
import re
from html import escape
from typing import TYPE_CHECKING, Final, TextIO

from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Section",
    "html_table",
    "json_text",
    "make_safe",
    "one_line",
    "plain_text",
    "printable",
    "show",
]

_PAGE_HALF: Final = 66
"""Characters that fit into half the width of a report."""


# Control characters, marks that turn the direction of writing, ends of lines that are not \n, halves of characters.
_UNSEEN: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_ESCAPED: Final = "ordercore.escaped"


def printable(text: str) -> str:
    """Lines without characters that steer a terminal or change how the rest is read: each is a space."""
    return _UNSEEN.sub(" ", text)


def one_line(text: str) -> str:
    """The same on one line."""
    return printable(text).replace("\n", " ")


def json_text(plain: object) -> str:
    """Plain data as JSON to be printed; what steers a terminal is escaped, so it is still there."""
    text = json.dumps(plain, indent=2, ensure_ascii=False)
    return _UNSEEN.sub(lambda met: f"\\u{ord(met[0]):04x}", text) + "\n"


def make_safe(*streams: TextIO) -> None:
    """Let streams escape what their encoding does not have by its number: output never fails half way.

    The escapes are those of JSON, so JSON stays what it is in any encoding.
    """
    codecs.register_error(_ESCAPED, _escape)
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)  # a host's own stream may have none
        if reconfigure is not None:
            reconfigure(errors=_ESCAPED)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    found = [f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)]
    return "".join(found), error.end


@value
class Section:
    """A titled table. All columns but the first ``texts`` ones are figures, aligned to the right."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1
    note: str = ""

    @property
    def wide(self) -> bool:
        """Whether it needs the whole width of a page."""
        return sum(self.widths()) > _PAGE_HALF

    def widths(self) -> list[int]:
        """Characters of the longest cell of each column."""
        table = (self.head, *self.rows)
        return [max(len(row[i]) for row in table) for i in range(len(self.head))]


def _clean(section: Section) -> Section:
    return Section(
        one_line(section.title),
        tuple([one_line(name) for name in section.head]),
        tuple([tuple([one_line(cell) for cell in row]) for row in section.rows]),
        section.texts,
        one_line(section.note),
    )


def show(sections: Iterable[Section], out: TextIO) -> None:
    """Write tables to ``out`` as fits it."""
    if out.isatty():
        _show_rich(sections, out)
    else:
        out.write("\n\n".join(plain_text(section) for section in sections) + "\n")


def _show_rich(sections: Iterable[Section], out: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out)
    for section in map(_clean, sections):
        named = any(section.head)
        table = Table(
            box=box.SIMPLE_HEAD if named else box.SIMPLE,
            title=Text(section.title),
            title_justify="left",
            title_style="bold",
            padding=(0, 1),
            collapse_padding=True,
            show_header=named,
        )
        for i, name in enumerate(section.head):
            table.add_column(name, justify="left" if i < section.texts else "right", no_wrap=True)
        for row in section.rows:
            table.add_row(*[Text(cell) for cell in row])
        # A figure is never cut: the terminal itself wraps a table that is too wide for it.
        needed = sum(section.widths()) + 2 * len(section.head) + 4
        wide = console if needed <= console.width else Console(file=out, width=needed)
        wide.print(table)
        if section.note:
            console.print(Text(section.note, style="dim"))
        console.print()


def plain_text(section: Section) -> str:
    """A table as lines of text."""
    section = _clean(section)
    rows: list[Sequence[str]] = [section.head] if any(section.head) else []
    rows += section.rows
    widths = section.widths()
    lines = [section.title]
    for row in rows:
        cells = [
            cell.ljust(width) if i < section.texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    if section.note:
        lines.append("  " + section.note)
    return "\n".join(lines)


def html_table(section: Section) -> str:
    """A table as HTML, with its heading."""
    section = _clean(section)

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}>{escape(cell)}</{tag}>"
            if i < section.texts
            else f'<{tag} class="figure">{escape(cell)}</{tag}>'
            for i, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in section.rows)
    note = f'<p class="note">{escape(section.note)}</p>' if section.note else ""
    head = f"<thead><tr>{cells(section.head, 'th')}</tr></thead>" if any(section.head) else ""
    return (
        f'<section><h2>{escape(section.title)}</h2><div class="wide">'
        f"<table>{head}<tbody>{body}</tbody></table></div>{note}</section>"
    )
