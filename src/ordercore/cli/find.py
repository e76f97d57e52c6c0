"""``ordercore find``: orders or single lines of them, page by page, or what they add up to."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ordercore.cli.sections import Section, json_text, show
from ordercore.cli.stores import existing
from ordercore.engine import OrderEngine
from ordercore.engine.flow import run
from ordercore.engine.searching import search, search_items
from ordercore.errors import InvalidInput
from ordercore.figures import SalesBy, sales_by
from ordercore.money import decimal_text
from ordercore.order import DeliveryStanding, PaymentStanding, standing
from ordercore.party import Attribution
from ordercore.ports import OrderQuery
from ordercore.searching import FIND_MAX
from ordercore.value import value

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterator

    from ordercore.engine.shop import Shop
    from ordercore.figures import Sales
    from ordercore.order import Order
    from ordercore.ports import FoundItem, ItemPage, OrderPage

    E = TypeVar("E", bound=enum.Enum)

__all__ = ["Wanted", "find"]

_PAGES_MAX: Final = 10_000
"""Most pages that figures are added up over: five million orders."""


@value
class Wanted:
    """A search as a command line tells it: all text."""

    number: str = ""
    customer: str = ""
    shop: str = ""
    states: tuple[str, ...] = ()
    payment: str = ""
    delivery: str = ""
    tags: tuple[str, ...] = ()
    site: str = ""
    channel: str = ""
    campaign: str = ""
    placed_from: str = ""
    placed_before: str = ""
    sku: str = ""
    item_status: str = ""
    after: str = ""
    limit: int = 50

    def query(self, limit: int, after: str) -> OrderQuery:
        """The search; raises `InvalidInput` for a word or a time that cannot be read."""
        return OrderQuery(
            self.number,
            self.customer,
            self.shop,
            self.states,
            _moment(self.placed_from, "--from"),
            _moment(self.placed_before, "--before"),
            limit,
            _word(self.payment, PaymentStanding, "--payment"),
            _word(self.delivery, DeliveryStanding, "--delivery"),
            self.tags,
            Attribution(self.site, self.channel, self.campaign),
            self.sku,
            self.item_status,
            after,
        )


def find(wanted: Wanted, url: str, *, items: bool, by: str, as_json: bool) -> None:
    """Print a page of orders or of items, or the figures of all that the search finds."""
    grouping = _word(by, SalesBy, "--by")
    if grouping is not None and items:
        raise InvalidInput("figures are of orders: leave --items out", path="--by")
    if grouping is not None and wanted.after:
        raise InvalidInput("figures are of all that is found: leave it out", path="--after")
    query = wanted.query(wanted.limit, wanted.after)
    with existing(url) as store:
        shop = OrderEngine(store).shop
        if grouping is not None:
            sales = sales_by(_all(shop, wanted), grouping)
            _write(_sales(sales, grouping), [_sales_plain(row) for row in sales], as_json=as_json)
        elif items:
            lines = run(search_items(shop, query), "find")
            _write(_items(lines), _items_plain(lines), as_json=as_json)
        else:
            page = run(search(shop, query), "find")
            _write(_orders(page), _orders_plain(page), as_json=as_json)


def _all(shop: Shop, wanted: Wanted) -> Iterator[Order]:
    """Every order that the search finds, page by page."""
    after = ""
    for _ in range(_PAGES_MAX):
        page = run(search(shop, wanted.query(FIND_MAX, after)), "find")
        yield from page.orders
        after = page.next
        if not after:
            return
    raise InvalidInput(f"more than {_PAGES_MAX * FIND_MAX} orders: narrow the search", path="--by")


def _word(text: str, of: type[E], path: str) -> E | None:
    if not text:
        return None
    for member in of:
        if member.value == text:
            return member
    known = tuple(str(member.value) for member in of)
    raise InvalidInput(f"it is one of {', '.join(known)}, not {text[:40]!r}", path=path)


def _moment(text: str, path: str) -> datetime | None:
    """A time with its zone, or the beginning of a day in UTC."""
    if not text:
        return None
    try:
        if len(text) <= len("2026-05-20"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        reason = f"{text[:40]!r} is no day like 2026-05-20 and no time like 2026-05-20T12:00Z"
        raise InvalidInput(reason, path=path) from None
    if moment.tzinfo is None:
        raise InvalidInput(f"{text[:40]!r} needs a zone: 2026-05-20T12:00+08:00", path=path)
    return moment


# Saying it ------------------------------------------------------------------------------------


def _write(section: Section, plain: object, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json_text(plain))
    else:
        show([section], sys.stdout)


def _more(following: str) -> str:
    return f"more: --after {following}" if following else ""


def _orders(page: OrderPage) -> Section:
    head = ("number", "placed", "state", "payment", "delivery", "customer", "tags", "total", "")
    rows = []
    for order in page.orders:
        content, stands = order.content, standing(order)
        rows.append((
            content.number, f"{content.placed_at:%Y-%m-%d %H:%M}", order.state,
            stands.payment.value, stands.delivery.value, content.customer.id,
            ", ".join(order.handling.tags), decimal_text(content.total, content.currency),
            content.currency,
        ))  # fmt: skip
    return Section("Orders", head, tuple(rows), texts=7, note=_more(page.next))


def _items(page: ItemPage) -> Section:
    head = ("number", "placed", "state", "line", "sku", "name", "status", "units")
    rows = []
    for item in page.items:
        content, line = item.order.content, item.line
        rows.append((
            content.number, f"{content.placed_at:%Y-%m-%d %H:%M}", item.order.state, line.id,
            line.sku, line.name, item.status, str(line.quantity),
        ))  # fmt: skip
    return Section("Items", head, tuple(rows), texts=7, note=_more(page.next))


def _sales(sales: tuple[Sales, ...], by: SalesBy) -> Section:
    head = (by.value, "currency", "orders", "released", "units", "total", "paid", "refunded")
    rows = tuple([
        (
            row.group or "-", row.currency, str(row.orders), str(row.released), str(row.units),
            *[decimal_text(n, row.currency) for n in (row.total, row.paid, row.refunded)],
        )
        for row in sales
    ])  # fmt: skip
    return Section("Sales", head, rows, texts=2)


def _orders_plain(page: OrderPage) -> dict[str, Any]:
    return {"orders": [_order_plain(order) for order in page.orders], "next": page.next}


def _order_plain(order: Order) -> dict[str, Any]:
    content, stands = order.content, standing(order)
    came = content.attribution
    return {
        "id": content.id,
        "number": content.number,
        "shop": content.shop,
        "customer": content.customer.id,
        "placed_at": content.placed_at.isoformat(),
        "state": order.state,
        "payment": stands.payment.value,
        "delivery": stands.delivery.value,
        "tags": list(order.handling.tags),
        "attribution": {"site": came.site, "channel": came.channel, "campaign": came.campaign},
        "currency": content.currency,
        "total": decimal_text(content.total, content.currency),
    }


def _items_plain(page: ItemPage) -> dict[str, Any]:
    return {"items": [_item_plain(item) for item in page.items], "next": page.next}


def _item_plain(item: FoundItem) -> dict[str, Any]:
    content, line = item.order.content, item.line
    return {
        "order": content.id,
        "number": content.number,
        "state": item.order.state,
        "line": line.id,
        "sku": line.sku,
        "name": line.name,
        "quantity": line.quantity,
        "status": item.status,
    }


def _sales_plain(row: Sales) -> dict[str, Any]:
    return {
        "group": row.group,
        "currency": row.currency,
        "orders": row.orders,
        "released": row.released,
        "units": row.units,
        "total": decimal_text(row.total, row.currency),
        "paid": decimal_text(row.paid, row.currency),
        "refunded": decimal_text(row.refunded, row.currency),
    }
