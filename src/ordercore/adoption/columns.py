"""Files of orders read by a map of columns: CSV with a row for each line, or JSON with an order on each line.

The map says which column (in JSON: which key, ``customer.id`` for one inside another) holds what, or which
value stands for all orders. What is not mapped is not read. A row that cannot be read spoils its order alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import attrs

from ordercore.adoption.snapshot import (
    Snapshot,
    SnapshotCharge,
    SnapshotLine,
    SnapshotPayment,
    SnapshotRefund,
    SnapshotShipment,
    StatusMap,
)
from ordercore.errors import InvalidDocument, InvalidSnapshot, OrdercoreError
from ordercore.goods import Manifest
from ordercore.money import Percent, exponent, from_minor, parse_minor
from ordercore.order import Note
from ordercore.party import SYSTEM, Address, Attribution, Party
from ordercore.pricing import ChargeKind, OrderKind
from ordercore.tender import TenderKind
from ordercore.value import value

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterable, Iterator

    from ordercore.money import Money

__all__ = ["KEYS", "ColumnMap", "read_csv", "read_json_lines"]

ROWS_MAX = 10_000
"""Most rows of one order."""
LINE_MAX = 2**20
"""Longest line of a file, in characters."""
PARTS_MAX = 20
"""Most payments, refunds or charges that a map tells."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "order": (
        "number", "id", "currency", "placed_at", "state", "status", "lifecycle", "shop", "kind",
        "discount", "total", "received_at", "entered_at", "pay_by", "recognized", "valid",
        "assigned", "tags", "note", "customer_id", "customer_name", "customer_email",
        "customer_phone", "customer_vat_id", "name", "street", "city", "region", "postcode",
        "country", "phone", "site", "channel", "campaign",
        "kept",
    ),
    "line": (
        "sku", "quantity", "unit_price", "total", "tax_rate", "tax", "tax_included", "discount",
        "freight", "name", "id", "shipped", "refunded", "status", "tax_category", "category",
    ),
    "charge": ("total", "id", "name", "kind", "tax_rate", "tax", "tax_category"),
    "payment": (
        "gateway", "amount", "reference", "kind", "points", "account", "at", "settled",
    ),
    "refund": ("amount", "reference", "reason", "at", "arrived", "goods"),
    "shipment": ("id", "at", "carrier", "tracking", "goods"),
    "format": ("times", "zone", "decimal", "thousands", "true", "delimiter"),
    "json": ("lines", "charges", "payments", "refunds", "shipments"),
}  # fmt: skip
"""The keys of each table of a map."""
_LISTED = ("charge", "payment", "refund", "shipment")


@value
class Cell:
    """Where a value stands: in a column, or it is the same for all."""

    column: str = ""
    value: str = ""


@value
class Format:
    """How a file writes times, amounts and yes. Without ``times`` they are ISO 8601; ``zone`` is that of times without one."""

    times: tuple[str, ...] = ()
    zone: str = "UTC"
    decimal: str = "."
    thousands: str = ""
    true: tuple[str, ...] = ("true", "yes", "1")
    delimiter: str = ","


Cells = Mapping[str, Cell]


@value
class ColumnMap:
    """Which column holds what. ``nested`` names the keys of lists inside a JSON order."""

    order: Cells = attrs.field(factory=dict, hash=False)
    line: Cells = attrs.field(factory=dict, hash=False)
    parts: Mapping[str, tuple[Cells, ...]] = attrs.field(factory=dict, hash=False)
    statuses: StatusMap = StatusMap()
    format: Format = Format()
    nested: Mapping[str, str] = attrs.field(factory=dict, hash=False)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ColumnMap:
        """Read a parsed TOML document; raises `InvalidDocument` with the path of what is wrong."""
        known = ("lifecycle", "order", "line", *_LISTED, "status", "format", "json")
        for key in plain:
            if key not in known:
                reason = f"unknown key; known: {', '.join(known)}"
                raise InvalidDocument(reason, path=str(key)[:60], allowed=known)
        order, line = _cells(plain, "order"), _cells(plain, "line")
        for table, cells, needs in (
            ("order", order, ("number", "currency", "placed_at")),
            ("line", line, ("sku", "quantity")),
        ):
            for key in needs:
                if key not in cells:
                    raise InvalidDocument("no column is named for it", path=f"{table}.{key}")
        parts = {name: _listed(plain, name) for name in _LISTED}
        found = _table(plain.get("format", {}), "format")
        form = Format(**{key: _format(key, one) for key, one in found.items()})
        nested = {
            key: _text(one, f"json.{key}")
            for key, one in _table(plain.get("json", {}), "json").items()
        }
        return cls(order, line, parts, _statuses(plain), form, nested)

    def columns(self) -> tuple[str, ...]:
        """Every column that the map names, each once."""
        tables = [
            self.order,
            self.line,
            *[cells for listed in self.parts.values() for cells in listed],
        ]
        named = [cell.column for cells in tables for cell in cells.values() if cell.column]
        return tuple(dict.fromkeys(named))


# Reading the map ------------------------------------------------------------------------------


def _text(raw: object, path: str) -> str:
    if not isinstance(raw, str):
        raise InvalidDocument("it is a text", path=path)
    return raw


def _table(raw: object, kind: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise InvalidDocument("it is a table", path=kind)
    known = KEYS[kind.partition("[")[0]]
    for key in raw:
        if key not in known:
            reason = f"unknown key; known: {', '.join(known)}"
            raise InvalidDocument(reason, path=f"{kind}.{str(key)[:60]}", allowed=known)
    return raw


def _cells(plain: Mapping[str, Any], kind: str) -> dict[str, Cell]:
    table = _table(plain.get(kind, {}), kind)
    return {key: _cell(one, f"{kind}.{key}") for key, one in table.items()}


def _cell(raw: object, path: str) -> Cell:
    if isinstance(raw, str) and raw:
        return Cell(raw)
    if isinstance(raw, Mapping) and tuple(raw) == ("value",):
        fixed = raw["value"]
        if isinstance(fixed, bool):
            return Cell(value="true" if fixed else "false")
        if isinstance(fixed, str | int) and str(fixed):
            return Cell(value=str(fixed))
    raise InvalidDocument("it is the name of a column, or { value = ... }", path=path)


def _listed(plain: Mapping[str, Any], kind: str) -> tuple[Cells, ...]:
    raw = plain.get(kind, [])
    if not isinstance(raw, list) or len(raw) > PARTS_MAX:
        reason = f"it is a list of at most {PARTS_MAX} tables: [[{kind}]]"
        raise InvalidDocument(reason, path=kind)
    found = []
    for i, table in enumerate(raw):
        where = f"{kind}[{i}]"
        cells = {k: _cell(one, f"{where}.{k}") for k, one in _table(table, where).items()}
        found.append(cells)
    return tuple(found)


def _statuses(plain: Mapping[str, Any]) -> StatusMap:
    usual = _text(plain.get("lifecycle", "standard"), "lifecycle")
    raw = plain.get("status", {})
    if not isinstance(raw, Mapping):
        raise InvalidDocument("it is a table of states by status", path="status")
    found: dict[str, tuple[str, str]] = {}
    for word, state in raw.items():
        where = f"status.{word[:60]}"
        if isinstance(state, Mapping):
            if set(state) != {"lifecycle", "state"}:
                raise InvalidDocument("it has a lifecycle and a state", path=where)
            found[word] = (
                _text(state["lifecycle"], f"{where}.lifecycle"),
                _text(state["state"], f"{where}.state"),
            )
        else:
            found[word] = (usual, _text(state, where))
    return StatusMap(found)


def _format(key: str, raw: object) -> Any:
    where = f"format.{key}"
    if key in {"times", "true"}:
        if not isinstance(raw, list):
            raise InvalidDocument("it is a list of texts", path=where)
        return tuple([_text(one, f"{where}[{i}]") for i, one in enumerate(raw)])
    text = _text(raw, where)
    if key == "zone":
        try:
            ZoneInfo(text)
        except (OSError, ValueError, KeyError):
            raise InvalidDocument(f"there is no zone {text[:40]!r}", path=where) from None
    elif key != "thousands" and len(text) != 1:
        raise InvalidDocument("it is one sign", path=where)
    return text


# Reading the files ----------------------------------------------------------------------------

Told = Snapshot | OrdercoreError
"""An order as it was read, or why it could not be; then ``data["number"]`` names it."""


def apart(lines: Iterable[str], columns: ColumnMap) -> frozenset[str]:
    """Numbers whose rows do not stand together: of such an order a part alone would be read.

    One look through the file; `read_csv` refuses what it finds.
    """
    number = columns.order["number"].column
    seen: set[str] = set()
    found: set[str] = set()
    last = ""
    try:
        for row in csv.DictReader(_bounded(lines), delimiter=columns.format.delimiter, strict=True):
            name = row.get(number) or ""
            if name != last:
                if name in seen:
                    found.add(name)
                seen.add(name)
                last = name
    except csv.Error:
        pass  # told by whoever reads the orders
    return frozenset(found)


def read_csv(
    lines: Iterable[str], columns: ColumnMap, apart: frozenset[str] = frozenset()
) -> Iterator[Told]:
    """Orders from rows of lines; the rows of an order stand together. Those of ``apart`` do not,
    so none of them is read.

    Raises `InvalidDocument` for a file that is no CSV or lacks a column that the map names.
    """
    reader = csv.DictReader(_bounded(lines), delimiter=columns.format.delimiter, strict=True)
    number = columns.order["number"].column
    if not number:
        raise InvalidDocument("a number is a column of its own", path="order.number")
    rows: list[dict[str, Any]] = []
    try:
        head = tuple(reader.fieldnames or ())
        for column in columns.columns():
            if column not in head:
                reason = f"the file has no column {column!r}"
                raise InvalidDocument(reason, path=column, allowed=head)
        for row in reader:
            if rows and row[number] != rows[0][number]:
                yield _order(rows, columns, apart)
                rows = []
            rows.append(row)
            if len(rows) > ROWS_MAX:
                reason = f"an order has at most {ROWS_MAX} rows"
                raise InvalidDocument(reason, path=f"line {reader.reader.line_num}")
    except csv.Error as error:
        raise InvalidDocument(f"not CSV: {error}", path=f"line {reader.reader.line_num}") from None
    if rows:
        yield _order(rows, columns, apart)


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    for at, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            raise InvalidDocument(f"a line has at most {LINE_MAX} characters", path=f"line {at}")
        yield line


def read_json_lines(lines: Iterable[str], columns: ColumnMap) -> Iterator[Told]:
    """Orders from JSON objects, one a line. Numbers are read as they are written, digit by digit."""
    for at, line in enumerate(_bounded(lines), 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError) as error:
            yield InvalidSnapshot(f"not JSON: {error}", path=f"line {at}")
            continue
        if not isinstance(raw, dict):
            yield InvalidSnapshot("it is no object", path=f"line {at}")
            continue
        yield _order([raw], columns)


def _order(
    rows: list[dict[str, Any]], columns: ColumnMap, apart: frozenset[str] = frozenset()
) -> Told:
    read = _Row(rows[0], columns.order, columns.format)
    try:
        if rows[0].get(columns.order["number"].column) in apart:
            raise InvalidSnapshot("its rows do not stand together: sort the file by the number")
        return _Order(rows, columns, read).snapshot()
    except OrdercoreError as error:
        cell = columns.order["number"]
        error.data.setdefault("number", str(_found(rows[0], cell.column) or "")[:100])
        return error


def _found(row: Mapping[str, Any], column: str) -> Any:
    """What stands in a column; in JSON a dot leads into an object."""
    if column in row:
        return row[column]
    found: Any = row
    for part in column.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


class _Row:
    """The mapped values of one row or object; an empty one is not told."""

    __slots__ = ("cells", "form", "path", "row")

    def __init__(self, row: Mapping[str, Any], cells: Cells, form: Format, path: str = "") -> None:
        self.row = row
        self.cells = cells
        self.form = form
        self.path = path

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, key: str, reason: str) -> InvalidSnapshot:
        """What is wrong, with the path and the column."""
        column = self.cells[key].column
        where = f" (column {column!r})" if column else ""
        return InvalidSnapshot(f"{reason}{where}", path=self._at(key))

    def raw(self, key: str) -> Any:
        """What stands there, ``None`` for nothing."""
        cell = self.cells.get(key)
        if cell is None:
            return None
        return _found(self.row, cell.column) if cell.column else cell.value

    def text(self, key: str, default: str = "") -> str:
        """A text, without blanks around it."""
        found = self.raw(key)
        if found is None or found == "":
            return default
        if not isinstance(found, str):
            raise self.wrong(key, "it is a text")
        return found.strip() or default

    def flag(self, key: str) -> bool | None:
        """Yes or no, ``None`` where it is not told."""
        found = self.raw(key)
        if isinstance(found, bool):
            return found
        text = self.text(key).lower()
        return text in self.form.true if text else None

    def whole(self, key: str) -> int | None:
        """A whole number, ``None`` where it is not told."""
        text = self.text(key)
        if not text:
            return None
        head, _, rest = text.partition(".")
        if len(head) > 18 or not head.isascii() or not head.isdigit() or rest.strip("0"):
            raise self.wrong(key, f"{text[:40]!r} is no whole number")
        return int(head)

    def money(self, key: str, currency: str) -> Money | None:
        """An amount, ``None`` where it is not told."""
        text = self.text(key)
        if not text:
            return None
        if self.form.thousands:
            text = text.replace(self.form.thousands, "")
        if self.form.decimal != ".":
            text = text.replace(".", "?").replace(self.form.decimal, ".")
        try:
            return from_minor(parse_minor(text, currency), currency)
        except OrdercoreError as error:
            raise self.wrong(key, error.reason) from None

    def percent(self, key: str) -> Percent | None:
        """A rate, ``None`` where it is not told."""
        text = self.text(key)
        try:
            return Percent.of(text.replace(self.form.decimal, ".")) if text else None
        except OrdercoreError as error:
            raise self.wrong(key, error.reason) from None

    def moment(self, key: str) -> datetime | None:
        """A time, ``None`` where it is not told."""
        text = self.text(key)
        if not text:
            return None
        for form in self.form.times or ("",):
            try:
                found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007 - its zone comes next
            except ValueError:
                continue
            return (
                found
                if found.tzinfo is not None
                else found.replace(tzinfo=ZoneInfo(self.form.zone))
            )
        raise self.wrong(key, f"{text[:40]!r} is no time as the map writes it")

    def word(self, key: str, of: type[enum.Enum], default: Any) -> Any:
        """A member of an enumeration by its value."""
        text = self.text(key)
        if not text:
            return default
        for member in of:
            if member.value == text:
                return member
        known = ", ".join(str(member.value) for member in of)
        raise self.wrong(key, f"{text[:40]!r} is none of {known}")

    def goods(self, key: str) -> Manifest:
        """Units by line, from a JSON object."""
        found = self.raw(key)
        if found is None or found == "":
            return Manifest()
        if not isinstance(found, Mapping):
            raise self.wrong(key, "it is an object of units by line")
        units = {}
        for line, number in found.items():
            if not isinstance(number, str) or not number.isdigit() or len(number) > 18:
                raise self.wrong(key, f"units of line {line[:40]!r} are a whole number")
            units[line] = int(number)
        return Manifest.of(units, self._at(key))


class _Order:
    """One order read from its rows."""

    def __init__(self, rows: list[dict[str, Any]], columns: ColumnMap, read: _Row) -> None:
        self.rows = rows
        self.columns = columns
        self.read = read
        self.currency = read.text("currency")

    def snapshot(self) -> Snapshot:
        read = self.read
        exponent(self.currency)
        placed = read.moment("placed_at")
        if placed is None:
            raise read.wrong("placed_at", "it is not told")
        self._agree()
        lines = self._lines()
        note = read.text("note")
        return Snapshot(
            read.text("number"), self.currency, placed, lines, read.text("state"),
            read.text("status"), read.text("lifecycle", "standard"), None, read.text("id"),
            read.text("shop"), read.word("kind", OrderKind, OrderKind.REGULAR),
            Party(
                read.text("customer_id"), read.text("customer_name"), read.text("customer_email"),
                read.text("customer_phone"), read.text("customer_vat_id"),
            ),
            Address(
                read.text("name"), tuple(read.text("street").splitlines()), read.text("city"),
                read.text("region"), read.text("postcode"), read.text("country"),
                read.text("phone"),
            ),
            tuple(self._charges()), read.money("discount", self.currency),
            read.money("total", self.currency), tuple(self._payments()), tuple(self._refunds()),
            self._shipments(lines), read.moment("received_at"), read.moment("entered_at"),
            read.moment("pay_by"), read.flag("recognized"), read.flag("valid"),
            (Note(placed, SYSTEM, note),) if note else (), self._tags(), read.text("assigned"),
            Attribution(read.text("site"), read.text("channel"), read.text("campaign")),
            kept=read.money("kept", self.currency),
        )  # fmt: skip

    def _agree(self) -> None:
        """What is told of the whole order is the same on all of its rows, or told once."""
        for key, cell in self.columns.order.items():
            if not cell.column:
                continue
            first = self.rows[0].get(cell.column)
            for row in self.rows[1:]:
                other = row.get(cell.column)
                if other and other != first:
                    reason = f"its rows say {str(first)[:40]!r} and {str(other)[:40]!r}"
                    raise self.read.wrong(key, reason)

    def _tags(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys([t.strip() for t in self.read.text("tags").split(",") if t.strip()])
        )

    def _items(self, room: str) -> list[Mapping[str, Any]] | None:
        """The objects of a list inside a JSON order; ``None`` where the map names no such list."""
        key = self.columns.nested.get(room)
        if key is None:
            return None
        found = _found(self.rows[0], key)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            raise InvalidSnapshot(f"it is a list of objects (key {key!r})", path=room)
        return found

    def _lines(self) -> tuple[SnapshotLine, ...]:
        rows = self._items("lines")
        found = []
        for i, row in enumerate(self.rows if rows is None else rows):
            read = _Row(row, self.columns.line, self.columns.format, f"lines[{i}]")
            number = read.whole("quantity")
            if number is None:
                raise read.wrong("quantity", "it is not told")
            inside = read.flag("tax_included")
            found.append(
                SnapshotLine(
                    read.text("sku"), number, self._money(read, "unit_price"),
                    self._money(read, "total"), read.percent("tax_rate"), self._money(read, "tax"),
                    True if inside is None else inside, self._money(read, "discount"),
                    self._money(read, "freight"), read.text("name"), read.text("id"),
                    read.whole("shipped"), read.whole("refunded"), read.text("status"),
                    read.text("tax_category", "standard"), read.text("category"),
                )
            )  # fmt: skip
        return tuple(found)

    def _money(self, read: _Row, key: str) -> Money | None:
        return read.money(key, self.currency)

    def _parts(self, kind: str) -> Iterator[_Row]:
        """The tables of a kind, each with the row or the object that it reads."""
        room = f"{kind}s"
        tables = self.columns.parts.get(kind, ())
        nested = self._items(room)
        if nested is None:
            for i, cells in enumerate(tables):
                yield _Row(self.rows[0], cells, self.columns.format, f"{room}[{i}]")
        elif tables:
            for i, one in enumerate(nested):
                yield _Row(one, tables[0], self.columns.format, f"{room}[{i}]")

    def _charges(self) -> Iterator[SnapshotCharge]:
        for read in self._parts("charge"):
            total = self._money(read, "total")
            if total is None or not total.amount:
                continue
            kind = read.word("kind", ChargeKind, ChargeKind.SHIPPING)
            yield SnapshotCharge(
                total, read.text("id", "shipping"), kind, read.text("name", "Shipping"),
                read.percent("tax_rate"), self._money(read, "tax"),
                read.text("tax_category", "shipping"),
            )  # fmt: skip

    def _payments(self) -> Iterator[SnapshotPayment]:
        for read in self._parts("payment"):
            amount = self._money(read, "amount")
            if amount is None or not amount.amount:
                continue
            settled = read.flag("settled")
            yield SnapshotPayment(
                read.text("gateway"), amount, read.text("reference"),
                read.word("kind", TenderKind, TenderKind.CHANNEL), read.whole("points") or 0,
                read.text("account"), read.moment("at"), True if settled is None else settled,
            )  # fmt: skip

    def _refunds(self) -> Iterator[SnapshotRefund]:
        for read in self._parts("refund"):
            amount, goods = self._money(read, "amount"), read.goods("goods")
            if not goods and (amount is None or not amount.amount):
                continue
            arrived = read.flag("arrived")
            yield SnapshotRefund(
                amount, goods, (), True if arrived is None else arrived, read.text("reference"),
                read.text("reason"), read.moment("at"),
            )  # fmt: skip

    def _shipments(self, lines: tuple[SnapshotLine, ...]) -> tuple[SnapshotShipment, ...]:
        """Parcels with their goods; of a row, the one parcel of the units that the lines tell."""
        found = []
        for read in self._parts("shipment"):
            goods = read.goods("goods")
            if not goods:
                units = {line.id or str(i + 1): line.shipped for i, line in enumerate(lines)}
                goods = Manifest.of({name: n for name, n in units.items() if n})
            if goods:
                found.append(
                    SnapshotShipment(
                        goods, read.moment("at"), read.text("carrier"), read.text("tracking"),
                        read.text("id"),
                    )
                )  # fmt: skip
        return tuple(found)
