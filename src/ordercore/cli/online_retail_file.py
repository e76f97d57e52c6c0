"""Read the UCI "Online Retail" file: a stream of whole invoices, in bounded memory.

The file is CSV with a header, one row per invoice line, in order of time, packed or plain.
The rows of an invoice stand together but for one that another interrupts, and 43 invoices
carry two time stamps, a minute apart: an invoice waits ``HOLD`` for more rows.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, Final, Self, TextIO

from ordercore.cli.online_retail import RetailInvoice, RetailRow, kind_of, region
from ordercore.errors import InvalidDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

COLUMNS: Final = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)

MAX_LINE: Final = 65_536
"""Characters in one line of the file: more is no row of it, and would be read into memory whole."""

MAX_HELD_ROWS: Final = 100_000
"""Rows of invoices not yet complete: bounds the memory of a file that is all one minute."""

HOLD: Final = timedelta(minutes=5)
"""How long an invoice waits for more rows, counted from its last one."""

_NUMBER: Final = re.compile(r"[AC]?[0-9]{1,12}")
_QUANTITY: Final = re.compile(r"-?[0-9]{1,9}")
_PRICE: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,4})?")
_CUSTOMER: Final = re.compile(r"([0-9]{1,12})(\.0)?")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_GZIP: Final = b"\x1f\x8b"


class RetailFile:
    """The file as a stream of invoices, in order of their first row; gzip or plain CSV.

    Use it in a ``with`` and iterate once. Memory is bounded by a few minutes of invoices.
    Whatever is wrong with the file is ``InvalidDocument`` with a path like ``line 17.Quantity``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw: BinaryIO | None = None
        self._text: TextIO | None = None
        self._size = 0

    def __enter__(self) -> Self:
        try:
            self._raw = self._path.open("rb")
            self._size = self._path.stat().st_size
            self._text = _text(self._raw)
        except OSError as error:
            raise InvalidDocument(f"cannot open the file: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._text is not None:
            self._text.close()
        if self._raw is not None:
            self._raw.close()

    def __iter__(self) -> Iterator[RetailInvoice]:
        if self._text is None:
            raise RuntimeError("use the file in a with statement")
        return read_invoices(_lines(self._text))

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes read so far, and bytes of the file as it lies on disk."""
        if self._raw is None or self._raw.closed:
            return self._size, self._size
        return self._raw.tell(), self._size


def _lines(stream: TextIO) -> Iterator[str]:
    number = 0
    try:
        while line := stream.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                reason = f"a line of more than {MAX_LINE} characters"
                raise InvalidDocument(reason, path=f"line {number}")
            yield line
    except EOFError as error:
        reason = "the compressed file ends too early"
        raise InvalidDocument(reason, path=f"line {number + 1}") from error
    except UnicodeDecodeError as error:
        raise InvalidDocument("not text in UTF-8", path=f"line {number + 1}") from error
    except (OSError, zlib.error) as error:
        reason = f"cannot read the file: {error}"
        raise InvalidDocument(reason, path=f"line {number + 1}") from error


def _text(raw: BinaryIO) -> TextIO:
    packed = raw.read(len(_GZIP)) == _GZIP
    raw.seek(0)
    plain: BinaryIO = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
    return io.TextIOWrapper(plain, encoding="utf-8-sig", newline="")


class _Open:
    """An invoice that may still get rows."""

    __slots__ = ("country", "customer", "last_at", "number", "placed_at", "rows")

    def __init__(self, number: str, at: datetime, customer: str | None, country: str) -> None:
        self.number = number
        self.placed_at = at
        self.last_at = at
        self.customer = customer
        self.country = country
        self.rows: list[RetailRow] = []

    def complete(self) -> RetailInvoice:
        return RetailInvoice(
            number=self.number,
            placed_at=self.placed_at,
            customer=self.customer,
            country=self.country,
            rows=tuple(self.rows),
        )


def read_invoices(lines: Iterable[str]) -> Iterator[RetailInvoice]:
    """Read the lines of the CSV, header first, into invoices in order of their first row.

    Rows must be in order of time, as the file's are: an invoice is complete when no row of it
    has come for ``HOLD``. Raises ``InvalidDocument`` at the first row that is malformed.
    """
    records = _records(lines)
    _check_header(next(records, (1, [])))
    held: OrderedDict[str, _Open] = OrderedDict()
    seen: set[str] = set()
    held_rows = 0
    latest = datetime.min.replace(tzinfo=UTC)
    for line_no, record in records:
        try:
            at = _hold(line_no, record, latest, held, seen)
        except InvalidDocument as error:
            error.at(f"line {line_no}")
            raise
        held_rows += 1
        if held_rows > MAX_HELD_ROWS:
            reason = f"more than {MAX_HELD_ROWS} rows within {HOLD.seconds // 60} minutes"
            raise InvalidDocument(reason, path=f"line {line_no}")
        if at > latest:
            latest = at
            # Only from the head, so that invoices come in the order of their first rows.
            while (first := next(iter(held.values()))).last_at + HOLD < at:
                held.popitem(last=False)
                held_rows -= len(first.rows)
                yield first.complete()
    for invoice in held.values():
        yield invoice.complete()


def _records(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, strict=True)
    try:
        for record in reader:
            yield reader.line_num, record
    except csv.Error as error:
        raise InvalidDocument(f"not CSV: {error}", path=f"line {reader.line_num}") from error


def _check_header(first: tuple[int, list[str]]) -> None:
    line_no, header = first
    if tuple(header) != COLUMNS:
        reason = f"the first line must name the columns {', '.join(COLUMNS)}"
        raise InvalidDocument(reason, path=f"line {line_no}")


def _hold(
    line_no: int,
    record: list[str],
    latest: datetime,
    held: OrderedDict[str, _Open],
    seen: set[str],
) -> datetime:
    """Add one row to its invoice, which is opened when it is the first; give its time."""
    if len(record) != len(COLUMNS):
        raise InvalidDocument(f"{len(COLUMNS)} fields are needed, there are {len(record)}")
    number, stock_code, description, quantity, moment, price, customer_id, country = record
    at = _moment(moment)
    if at < latest:
        raise InvalidDocument("rows must be in order of time", path="InvoiceDate")
    customer = _customer(customer_id)
    invoice = held.get(number)
    if invoice is None:
        _check_new(number, country, seen)
        invoice = held[number] = _Open(number, at, customer, country)
        seen.add(number)
    if invoice.customer != customer:
        raise InvalidDocument("an invoice has one customer", path="CustomerID")
    if invoice.country != country:
        raise InvalidDocument("an invoice has one country", path="Country")
    invoice.last_at = at
    row = RetailRow(
        line_no=line_no,
        stock_code=_stock_code(stock_code),
        description=description,
        quantity=_quantity(quantity),
        unit_price=_price(price),
        kind=_kind(stock_code),
    )
    invoice.rows.append(row)
    return at


def _check_new(number: str, country: str, seen: set[str]) -> None:
    if not _NUMBER.fullmatch(number):
        reason = "an invoice number is digits, with C or A before them at most"
        raise InvalidDocument(reason, path="InvoiceNo")
    if number in seen:
        reason = f"invoice {number} was complete: no row of it for {HOLD.seconds // 60} minutes"
        raise InvalidDocument(reason, path="InvoiceNo")
    region(country)


def _stock_code(text: str) -> str:
    if not text.strip():
        raise InvalidDocument("a stock code is needed", path="StockCode")
    return text


def _quantity(text: str) -> int:
    if not _QUANTITY.fullmatch(text):
        raise InvalidDocument("a whole number of at most 9 digits is needed", path="Quantity")
    return int(text)


# The same few thousand prices, codes, customers and times come again and again.
_kind = lru_cache(maxsize=8192)(kind_of)


@lru_cache(maxsize=4096)
def _price(text: str) -> Decimal:
    if not _PRICE.fullmatch(text):
        reason = "a price in pounds with at most 4 decimals is needed"
        raise InvalidDocument(reason, path="UnitPrice")
    return Decimal(text)


@lru_cache(maxsize=8192)
def _customer(text: str) -> str | None:
    if not text:
        return None
    found = _CUSTOMER.fullmatch(text)
    if found is None:
        raise InvalidDocument("a customer number or nothing is needed", path="CustomerID")
    return found[1]


@lru_cache(maxsize=64)
def _moment(text: str) -> datetime:
    if _MOMENT.fullmatch(text):
        try:
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        except ValueError:
            pass  # a day or an hour that does not exist: said below
    reason = "a date and time like 2010-12-01 08:26:00 is needed"
    raise InvalidDocument(reason, path="InvoiceDate")
