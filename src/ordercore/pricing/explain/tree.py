"""The tree of reasons: a node for each figure, told as text, plain data or HTML."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput
from ordercore.money import decimal_text
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Explanation", "remainder_text"]

_EXACT = Fraction(0)
_DENOMINATOR_MAX = 9_999
"""A fraction with a larger denominator is told in decimals: nobody reads it."""
_DECIMALS = 4

_STYLE = (
    ".ordercore-explanation{font:inherit;line-height:1.5}"
    ".ordercore-explanation ul{list-style:none;margin:0;padding-left:1.25em}"
    ".ordercore-explanation summary{cursor:pointer}"
    ".ordercore-explanation data{font-variant-numeric:tabular-nums;font-weight:600}"
    ".ordercore-explanation p,.ordercore-explanation dl{margin:0 0 0 1.25em}"
    ".ordercore-explanation dt,.ordercore-explanation dd{display:inline;margin:0}"
    '.ordercore-explanation dt::after{content:": "}'
)


@value
class Explanation:
    """A figure: its name, its amount, and the rule that made it.

    ``amount`` is in minor units of ``currency``, empty for that of the figure above. ``rule`` says in words how
    the figure came about, ``inputs`` (name, value) what went into it, each name once.
    ``rounding`` says how and at which level it was rounded, empty where nothing was; ``remainder`` is what
    rounding and sharing moved: the exact value less the amount, in minor units.

    ``parts`` add up to the amount; ``of_which`` are figures inside it that add nothing.
    A node whose parts do not add up to it raises `InvalidInput`, so it cannot be made.
    """

    figure: str
    amount: int
    rule: str
    parts: tuple[Explanation, ...] = ()
    of_which: tuple[Explanation, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    rounding: str = ""
    remainder: Fraction = _EXACT
    currency: str = ""

    def __attrs_post_init__(self) -> None:
        """Refuse a figure that its parts do not make."""
        if not self.parts:
            return
        found = sum([part.amount for part in self.parts])
        if found != self.amount:
            raise InvalidInput(
                "explain a figure by parts that do not add up to it",
                path=self.figure,
                amount=self.amount,
                parts=found,
            )
        if any(part.currency not in ("", self.currency) for part in self.parts):
            raise InvalidInput("explain a figure by parts in another currency", path=self.figure)

    @property
    def exact(self) -> Fraction:
        """The figure before it was rounded, in minor units."""
        return self.amount + self.remainder

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Explanation]]:
        """This figure and all below it, with their depth."""
        yield depth, self
        for part in (*self.parts, *self.of_which):
            yield from part.walk(depth + 1)

    def text(self, currency: str = "") -> str:
        """The tree as indented lines, one for each figure.

        ``currency`` is that of the top; it may be left out where the top names its own, as a total does.
        """
        code = self.currency or currency
        lines: list[str] = []
        _indented(self, 0, code, code, lines)
        return "\n".join(lines)

    def as_dict(self, currency: str = "") -> dict[str, object]:
        """The tree as plain data, ready for `json.dumps`: amounts are whole numbers of minor units,
        the remainder is an exact fraction as text (``"-29/119"``, ``"0"`` for none)."""
        code = self.currency or currency
        return {
            "figure": self.figure,
            "amount": self.amount,
            "currency": code,
            "rule": self.rule,
            "inputs": dict(self.inputs),
            "rounding": self.rounding,
            "remainder": str(self.remainder),
            "parts": [part.as_dict(code) for part in self.parts],
            "of_which": [part.as_dict(code) for part in self.of_which],
        }

    def html(self, currency: str = "") -> str:
        """The tree as a fragment of HTML: nested ``<details>``, no script, every text escaped.

        It carries a small ``<style>`` that touches nothing outside of it. ``currency`` as for `text`.
        """
        out = [f'<div class="ordercore-explanation" lang="en"><style>{_STYLE}</style>']
        _element(self, self.currency or currency, out, opened=True)
        out.append("</div>")
        return "".join(out)


def remainder_text(remainder: Fraction) -> str:
    """What rounding moved, for people: ``-29/119``, ``about +0.2437``, ``0``."""
    if not remainder:
        return "0"
    if remainder.denominator <= _DENOMINATOR_MAX:
        return f"{'+' if remainder > 0 else ''}{remainder}"
    scaled = round(abs(remainder) * 10**_DECIMALS)
    whole, rest = divmod(scaled, 10**_DECIMALS)
    return f"about {'-' if remainder < 0 else '+'}{whole}.{rest:0{_DECIMALS}d}"


def _rounded(node: Explanation) -> str:
    """How the figure was rounded and what that moved; empty for a figure that was not."""
    if not node.rounding:
        return ""
    return f"{node.rounding}, remainder {remainder_text(node.remainder)}"


def _printable(text: str) -> str:
    """``text`` on one line: a host's words cannot break the lines, or move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _indented(node: Explanation, depth: int, currency: str, top: str, lines: list[str]) -> None:
    code = node.currency or currency
    shown = decimal_text(node.amount, code) + (f" {code}" if code != top else "")
    why = "; ".join(filter(None, (node.rule, _rounded(node))))
    lines.append(f"{'  ' * depth}{_printable(node.figure)}: {shown}  ({_printable(why)})")
    for part in (*node.parts, *node.of_which):
        _indented(part, depth + 1, code, top, lines)


def _element(node: Explanation, currency: str, out: list[str], *, opened: bool = False) -> None:
    from html import escape  # its table of names is large, and only a page needs it

    code = node.currency or currency
    out.append(
        f"<details{' open' if opened else ''}><summary>{escape(node.figure)}: "
        f'<data value="{node.amount}">{decimal_text(node.amount, code)} {escape(code)}</data>'
        f"</summary><p>{escape(node.rule)}</p>"
    )
    if node.inputs:
        pairs = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
            for name, text in node.inputs
        )
        out.append(f"<dl>{pairs}</dl>")
    if node.rounding:
        out.append(f"<p>Rounding: {escape(_rounded(node))} minor units</p>")
    for title, nodes in (("Parts", node.parts), ("Of which", node.of_which)):
        if nodes:
            out.append(f'<p>{title}</p><ul aria-label="{title.lower()}">')
            for part in nodes:
                out.append("<li>")
                _element(part, code, out)
                out.append("</li>")
            out.append("</ul>")
    out.append("</details>")
