"""Reading a channel's statement: rows of CSV or JSON, as a channel's own columns and words have them."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

import attrs

from ordercore.errors import InvalidDocument, InvalidInput, OrdercoreError
from ordercore.ledger.reconciliation import MovementKind, StatementRow
from ordercore.money import checked_minor, parse_minor
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["StatementFormat", "read_csv", "read_json"]

ROWS_MAX = 20_000_000
"""Most rows of one statement."""


def _kinds() -> Mapping[str, MovementKind]:
    return {kind.value: kind for kind in MovementKind}


@value
class StatementFormat:
    """How a channel writes its statements: the names of its columns, and its words.

    A name that is empty is not there: without ``kind`` every row is a payment, without ``currency`` all are of
    ``in_currency``. ``kinds`` are the channel's words for what moved, ``done`` those of its status that say it did
    (any, where there is none). Amounts are decimal texts, whole minor units with ``minor``; a refund may be
    written below zero. A time without an offset is of ``zone``.
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


class _Reader:
    """Makes rows of one format; raises `InvalidDocument` with the row and the column."""

    def __init__(self, format: StatementFormat, source: str) -> None:  # noqa: A002 - the field's word
        self.format = format
        self.source = source
        self.zone = UTC if format.zone == "UTC" else ZoneInfo(format.zone)

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
        return StatementRow(
            kind,
            self._text(place, found, form.reference),
            self._text(place, found, form.key).removeprefix(form.key_prefix),
            amount if kind is MovementKind.FEE else abs(amount),
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
        return "" if held is None else held.strip() if type(held) is str else str(held)

    def _amount(self, place: int, found: Mapping[str, Any], name: str, currency: str) -> int:
        text = self._text(place, found, name)
        try:
            if not self.format.minor:
                return parse_minor(text.removeprefix("+"), currency)
            return checked_minor(int(text))
        except OrdercoreError as error:
            self._wrong(place, name, error.reason)
        except ValueError:
            self._wrong(place, name, f"{text[:40]!r} is not a whole number")

    def _moment(self, place: int, found: Mapping[str, Any]) -> datetime:
        text = self._text(place, found, self.format.at)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self._wrong(place, self.format.at, f"{text[:40]!r} is no time: write it as ISO 8601")
        return at if at.tzinfo is not None else at.replace(tzinfo=self.zone)

    def _wrong(self, place: int, name: str, reason: str, **data: Any) -> NoReturn:
        raise InvalidDocument(reason, path=f"{self.source}[{place}].{name}", **data)


def _reader(format: StatementFormat | None, source: str) -> _Reader:  # noqa: A002 - the field's word
    try:
        return _Reader(format or StatementFormat(), source)
    except (KeyError, ValueError) as error:
        raise InvalidInput(f"no such zone: {error}", path="format.zone") from None


def read_csv(
    lines: Iterable[str],
    format: StatementFormat | None = None,
    source: str = "statement",  # noqa: A002
) -> Iterator[StatementRow]:
    """Rows of CSV text (RFC 4180) with a header, read one at a time; ``lines`` may be an open file.

    Raises `InvalidDocument` with the row and the column.
    """
    reader = _reader(format, source)
    table = csv.reader(lines, delimiter=reader.format.delimiter)
    header: list[str] | None = None
    try:
        for place, cells in enumerate(table):
            if header is None:
                header = [cell.strip().lstrip("\ufeff") for cell in cells]
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
    format: StatementFormat | None = None,
    source: str = "statement",  # noqa: A002
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
    if isinstance(text, str):
        found = _loaded(text, source)
        if not isinstance(found, list):
            raise InvalidDocument("a statement is an array of rows", path=source)
        yield from found
        return
    for place, line in enumerate(text, start=1):
        if line.strip():
            yield _loaded(line, f"{source}[{place}]")


def _loaded(text: str, path: str) -> Any:
    def inexact(number: str) -> NoReturn:
        raise InvalidDocument(f"{number} is not exact: write amounts as text", path=path)

    try:
        return json.loads(text, parse_float=inexact, parse_constant=inexact)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(f"it is not JSON: {error}", path=path) from None
