"""Reading a channel's statement: rows of CSV or JSON, as a channel's own columns and words have them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable as _Iterable
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from ordercore.calendar import zone_of
from ordercore.errors import InvalidDocument, InvalidInput, OrdercoreError
from ordercore.ledger.reconciliation import MovementKind, StatementRow
from ordercore.money import EXPONENTS, checked_minor, exponent, parse_minor
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["StatementFormat", "read_csv", "read_json"]

ROWS_MAX = 20_000_000
"""Most rows of one statement."""
_YEAR_MAX = 9_999


def _kinds() -> Mapping[str, MovementKind]:
    return {kind.value: kind for kind in MovementKind}


@value
class StatementFormat:
    """How a channel writes its statements: the names of its columns, and its words.

    A name that is empty is not there: without ``kind`` every row is a payment, and a refund where its amount is
    below zero; without ``currency`` all are of ``in_currency``. ``kinds`` are the channel's words for what moved,
    ``done`` those of its status that say it did (any, where there is none). Amounts are decimal texts, whole minor
    units with ``minor``. A refund may be written below zero; a fee below zero is given back, a chargeback or
    payout below zero is taken back; a payment is never below zero. A time without an offset is of ``zone``.
    """

    reference: str = "reference"
    key: str = "key"
    kind: str = "kind"
    amount: str = "amount"
    currency: str = "currency"
    at: str = "at"
    fee: str = "fee"
    status: str = ""
    kinds: Mapping[str, MovementKind] = attrs.field(factory=_kinds, hash=False)
    done: tuple[str, ...] = ()
    in_currency: str = ""
    minor: bool = False
    zone: str = "UTC"
    delimiter: str = ","
    key_prefix: str = ""
    """What the channel puts before our keys."""

    def check(self) -> None:
        """Raise `InvalidInput` with the field that cannot be what it is."""
        for name in _TEXTS:
            if type(getattr(self, name)) is not str:
                raise InvalidInput("it is a text", path=f"format.{name}")
        for name in ("amount", "at"):
            if not getattr(self, name):
                raise InvalidInput("a statement has this column", path=f"format.{name}")
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n ':
            raise InvalidInput("it is one character, and no quote", path="format.delimiter")
        if not isinstance(self.kinds, Mapping) or not all(
            [type(word) is str and type(kind) is MovementKind for word, kind in self.kinds.items()]
        ):
            raise InvalidInput("words, each with a MovementKind", path="format.kinds")
        if type(self.done) is not tuple or not all([type(word) is str for word in self.done]):
            raise InvalidInput("a tuple of words", path="format.done")
        if type(self.minor) is not bool:
            raise InvalidInput("it is true or false", path="format.minor")
        if self.in_currency and self.in_currency not in EXPONENTS:
            raise InvalidInput("it is no currency of ISO 4217", path="format.in_currency")
        zone_of(self.zone, "format.zone")


_TEXTS = (
    "reference", "key", "kind", "amount", "currency", "at", "fee", "status", "in_currency", "zone",
    "delimiter", "key_prefix",
)  # fmt: skip
_WHOLE = re.compile(r"[+-]?[0-9]{1,16}")


class _Reader:
    """Makes rows of one format; raises `InvalidDocument` with the row and the column."""

    def __init__(self, format: StatementFormat, source: str) -> None:  # noqa: A002 - the field's word
        self.format = format
        self.source = source
        self.zone = zone_of(format.zone, "format.zone")

    def row(self, place: int, found: Mapping[str, Any]) -> StatementRow:
        """One row, ``place`` from 1."""
        form = self.format
        currency = self._text(place, found, form.currency) or form.in_currency
        status = self._text(place, found, form.status)
        kind = MovementKind.PAYMENT
        if form.kind:
            word = self._text(place, found, form.kind)
            if word not in form.kinds:
                known = tuple(form.kinds)
                self._wrong(place, form.kind, f"an unknown kind {word[:40]!r}", allowed=known)
            kind = form.kinds[word]
        amount = self._amount(place, found, form.amount, currency)
        if amount < 0 and not form.kind:
            kind = MovementKind.REFUND
        if amount < 0 and kind is MovementKind.PAYMENT:
            reason = "a payment is above zero: give what goes back a word of its own in `kinds`"
            self._wrong(place, form.amount, reason)
        return StatementRow(
            kind,
            self._text(place, found, form.reference),
            self._text(place, found, form.key).removeprefix(form.key_prefix),
            abs(amount) if kind is MovementKind.REFUND else amount,
            currency,
            self._moment(place, found),
            self._amount(place, found, form.fee, currency) if found.get(form.fee) else 0,
            not form.done or status in form.done,
            place,
        )

    def _text(self, place: int, found: Mapping[str, Any], name: str) -> str:
        if not name:
            return ""
        if name not in found:
            self._wrong(place, name, "the column is not there", columns=tuple(map(str, found)))
        held = found[name]
        if type(held) is str:
            return held.strip()
        if held is not None and type(held) is not int:
            self._wrong(place, name, f"a {type(held).__name__} is no cell: write it as text")
        return "" if held is None else str(held)

    def _amount(self, place: int, found: Mapping[str, Any], name: str, currency: str) -> int:
        text = self._text(place, found, name)
        try:
            if not self.format.minor:
                return parse_minor(text.removeprefix("+"), currency)
            exponent(currency)
            if not _WHOLE.fullmatch(text):
                self._wrong(place, name, f"{text[:40]!r} is not a whole number")
            return checked_minor(int(text))
        except InvalidDocument:
            raise
        except OrdercoreError as error:
            self._wrong(place, name, error.reason)

    def _moment(self, place: int, found: Mapping[str, Any]) -> datetime:
        text = self._text(place, found, self.format.at)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self._wrong(place, self.format.at, f"{text[:40]!r} is no time: write it as ISO 8601")
        if not 1 < at.year < _YEAR_MAX:
            self._wrong(place, self.format.at, f"{text[:40]!r} is beyond the calendar")
        return at if at.tzinfo is not None else at.replace(tzinfo=self.zone)

    def _wrong(self, place: int, name: str, reason: str, **data: Any) -> NoReturn:
        raise InvalidDocument(reason, path=f"{self.source}[{place}].{name}", **data)


def _reader(format: StatementFormat | None, source: str) -> _Reader:  # noqa: A002 - the field's word
    if format is None:
        format = StatementFormat()  # noqa: A001 - the field's word
    if type(format) is not StatementFormat:
        raise InvalidInput("it is a StatementFormat", path="format")
    format.check()
    return _Reader(format, source)


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Lines without the mark that some write at the start of a file: before a quote it would hide it."""
    if isinstance(lines, str) or not isinstance(lines, _Iterable):
        raise InvalidInput("lines of text, or an open file", path="lines")
    first = True
    for line in lines:
        if type(line) is not str:
            raise InvalidInput(f"lines of text, not {type(line).__name__}", path="lines")
        yield line.removeprefix("\ufeff") if first else line
        first = False


def read_csv(
    lines: Iterable[str],
    format: StatementFormat | None = None,  # noqa: A002 - the field's word
    source: str = "statement",
) -> Iterator[StatementRow]:
    """Rows of CSV text (RFC 4180) with a header, read one at a time; ``lines`` may be an open file.

    Raises `InvalidDocument` with the row and the column.
    """
    reader = _reader(format, source)
    table = csv.reader(_lines(lines), delimiter=reader.format.delimiter, strict=True)
    header: list[str] | None = None
    try:
        for place, cells in enumerate(table):
            if header is None:
                header = [cell.strip() for cell in cells]
                twice = [name for name in header if name and header.count(name) > 1]
                if twice:
                    reason = f"the column {twice[0][:40]!r} is there twice"
                    raise InvalidDocument(reason, path=f"{source}[0]")
                continue
            if not cells:
                continue
            if len(cells) != len(header):
                reason = f"{len(cells)} cells under {len(header)} columns"
                raise InvalidDocument(reason, path=f"{source}[{place}]")
            if place > ROWS_MAX:
                raise InvalidDocument(f"a statement has at most {ROWS_MAX} rows", path=source)
            yield reader.row(place, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise InvalidDocument(f"it is not CSV: {error}", path=source) from None
    if header is None:
        raise InvalidDocument("a statement has a header", path=source)


def read_json(
    text: str | Iterable[str],
    format: StatementFormat | None = None,  # noqa: A002 - the field's word
    source: str = "statement",
) -> Iterator[StatementRow]:
    """Rows of a JSON array, or of JSON Lines where ``text`` is an iterable of lines. Amounts are texts or whole
    numbers: a number with a point is refused, since it is not exact.

    Raises `InvalidDocument` with the row and the key.
    """
    reader = _reader(format, source)
    for place, found in enumerate(_objects(text, source), start=1):
        if not isinstance(found, dict):
            raise InvalidDocument("a row is an object", path=f"{source}[{place}]")
        yield reader.row(place, found)


def _objects(text: str | Iterable[str], source: str) -> Iterator[Any]:
    if not isinstance(text, str | _Iterable):
        raise InvalidInput("a text, or lines of text", path="text")
    if isinstance(text, str):
        found = _loaded(text, source)
        if not isinstance(found, list):
            raise InvalidDocument("a statement is an array of rows", path=source)
        yield from found
        return
    for place, line in enumerate(_lines(text), start=1):
        if line.strip():
            yield _loaded(line, f"{source}[{place}]")


def _loaded(text: str, path: str) -> Any:
    def inexact(number: str) -> NoReturn:
        raise InvalidDocument(f"{number} is not exact: write amounts as text", path=path)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise InvalidDocument("an object has each key once", path=path)
        return found

    try:
        return json.loads(
            text.removeprefix("\ufeff"), parse_float=inexact, parse_constant=inexact,
            object_pairs_hook=once,
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(f"it is not JSON: {error}", path=path) from None
