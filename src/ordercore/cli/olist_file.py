"""Reading the Olist data: orders, items and payments of a Brazilian marketplace, 2016 to 2018, as CSV files.

The files are those of https://www.kaggle.com/datasets/olistbr/brazilian-ecommerce (CC BY-NC-SA 4.0): they are
read from a folder of the user's and do not come with the library. Times are of Sao Paulo, amounts of BRL.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from ordercore.errors import InvalidDocument, OrdercoreError
from ordercore.money import parse_minor
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CURRENCY", "OlistItem", "OlistOrder", "OlistPayment", "read_olist"]

CURRENCY: Final = "BRL"
_ZONE: Final = "America/Sao_Paulo"
_NAMES: Final = ("dataset", "sample")
ROWS_MAX: Final = 5_000_000


@value
class OlistItem:
    """One unit of an order, with its part of the freight."""

    place: int
    product: str
    seller: str
    category: str
    price: int
    freight: int


@value
class OlistPayment:
    """One payment of an order. ``means`` are the data's words: credit_card, boleto, voucher, debit_card."""

    sequence: int
    means: str
    amount: int


@value
class OlistOrder:
    """An order with its items and payments, in minor units of BRL; times that are not told are ``None``."""

    id: str
    customer: str
    status: str
    bought_at: datetime
    sent_at: datetime | None
    arrived_at: datetime | None
    items: tuple[OlistItem, ...]
    payments: tuple[OlistPayment, ...]

    @property
    def price(self) -> int:
        """Items and freight."""
        return sum([item.price + item.freight for item in self.items])

    @property
    def paid(self) -> int:
        """All payments."""
        return sum([payment.amount for payment in self.payments])


def _table(folder: Path, name: str, *columns: str) -> Iterator[tuple[str, list[str]]]:
    """Rows of one file, each with its place; raises `InvalidDocument` where it or a column is not there."""
    files = [
        folder / f"olist_{name}_{kind}.csv{packed}" for kind in _NAMES for packed in ("", ".gz")
    ]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise InvalidDocument(f"there is no {files[0].name} (or .gz)", path=str(folder))
    opener: Any = gzip.open if file.suffix == ".gz" else open
    try:
        with opener(file, "rt", encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text)
            header = next(rows, [])
            missing = [column for column in columns if column not in header]
            if missing:
                reason = f"the columns {', '.join(missing)} are not there"
                raise InvalidDocument(reason, path=file.name)
            places = [header.index(column) for column in columns]
            for number, row in enumerate(rows, start=1):
                where = f"{file.name}[{number}]"
                if number > ROWS_MAX:
                    raise InvalidDocument(f"a file has at most {ROWS_MAX} rows", path=where)
                if not row:
                    continue
                if len(row) != len(header):
                    reason = f"{len(row)} cells under {len(header)} columns"
                    raise InvalidDocument(reason, path=where)
                yield where, [row[place] for place in places]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise InvalidDocument(f"it cannot be read: {error}", path=file.name) from None


def _amount(text: str, path: str) -> int:
    try:
        amount = parse_minor(text, CURRENCY)
    except OrdercoreError as error:
        raise InvalidDocument(error.reason, path=path) from None
    if amount < 0:
        raise InvalidDocument("an amount is not negative", path=path)
    return amount


def _number(text: str, path: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise InvalidDocument(f"{text[:20]!r} is no number", path=path)
    return int(text)


def _moment(text: str, path: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidDocument(f"{text[:40]!r} is no time", path=path) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def _told(text: str, path: str) -> str:
    if not text:
        raise InvalidDocument("it is empty", path=path)
    return text


def _once(seen: set[tuple[str, int]], order: str, number: int, path: str) -> None:
    """Refuse a row without a name, and one that names what another row named before."""
    if (_told(order, f"{path}.order_id"), number) in seen:
        raise InvalidDocument(f"{order[:40]!r} stands there twice", path=f"{path}.order_id")
    seen.add((order, number))


def read_olist(folder: Path) -> tuple[OlistOrder, ...]:
    """All orders of a folder, by the time of buying; of a folder with samples only, those.

    Raises `InvalidDocument` with the file, the row and the column of what cannot be read.
    """
    if not folder.is_dir():
        raise InvalidDocument("there is no such folder", path=str(folder))
    zone = ZoneInfo(_ZONE)
    items = _items(folder)
    payments = _payments(folder)
    seen: set[tuple[str, int]] = set()
    found = []
    columns = (
        "order_id", "customer_id", "order_status", "order_purchase_timestamp",
        "order_delivered_carrier_date", "order_delivered_customer_date",
    )  # fmt: skip
    for place, (name, customer, status, bought, sent, arrived) in _table(
        folder, "orders", *columns
    ):
        _once(seen, name, 0, place)
        bought_at = _moment(bought, f"{place}.order_purchase_timestamp", zone)
        if bought_at is None:
            raise InvalidDocument("it is empty", path=f"{place}.order_purchase_timestamp")
        found.append(
            OlistOrder(
                name, _told(customer, f"{place}.customer_id"), status, bought_at,
                _moment(sent, f"{place}.order_delivered_carrier_date", zone),
                _moment(arrived, f"{place}.order_delivered_customer_date", zone),
                tuple(sorted(items.get(name, ()), key=lambda item: item.place)),
                tuple(sorted(payments.get(name, ()), key=lambda paid: paid.sequence)),
            )
        )  # fmt: skip
    found.sort(key=lambda order: (order.bought_at, order.id))
    return tuple(found)


def _items(folder: Path) -> dict[str, list[OlistItem]]:
    categories = {
        product: category
        for _, (product, category) in _table(
            folder, "products", "product_id", "product_category_name"
        )
    }
    items: dict[str, list[OlistItem]] = {}
    seen: set[tuple[str, int]] = set()
    columns = ("order_id", "order_item_id", "product_id", "seller_id", "price", "freight_value")
    for place, (order, text, product, seller, price, freight) in _table(
        folder, "order_items", *columns
    ):
        number = _number(text, f"{place}.order_item_id")
        _once(seen, order, number, place)
        items.setdefault(order, []).append(
            OlistItem(
                number, product, seller,
                categories.get(product, ""), _amount(price, f"{place}.price"),
                _amount(freight, f"{place}.freight_value"),
            )
        )  # fmt: skip
    return items


def _payments(folder: Path) -> dict[str, list[OlistPayment]]:
    payments: dict[str, list[OlistPayment]] = {}
    seen: set[tuple[str, int]] = set()
    columns = ("order_id", "payment_sequential", "payment_type", "payment_value")
    for place, (order, text, means, amount) in _table(folder, "order_payments", *columns):
        number = _number(text, f"{place}.payment_sequential")
        _once(seen, order, number, place)
        payments.setdefault(order, []).append(
            OlistPayment(
                number, _told(means, f"{place}.payment_type"),
                _amount(amount, f"{place}.payment_value"),
            )
        )  # fmt: skip
    return payments
