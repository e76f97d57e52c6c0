"""``ordercore journal``: who did what to an order, when and why, event by event."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ordercore.cli.sections import Section, show
from ordercore.cli.stores import existing
from ordercore.codec import encode_event
from ordercore.errors import InvalidInput, OrderNotFound
from ordercore.fulfillment import Received, Shipped, Withdrawn
from ordercore.money import decimal_text
from ordercore.order.events import (
    ClosingAsked,
    Moved,
    Placed,
    RefundDelayed,
    Reminded,
    RevenueRecognized,
)
from ordercore.ports import OrderQuery
from ordercore.tender.events import (
    AttemptAnswered,
    CaptureAsked,
    PaymentStarted,
    RefundAnswered,
    RefundRequested,
    UndoAsked,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.change import Recorded
    from ordercore.cli.stores import Store
    from ordercore.order import Order

__all__ = ["print_journal"]


def print_journal(wanted: str, url: str, *, as_json: bool) -> None:
    """Print the events of one order, named by its id, its number or the number's numeric tail."""
    with existing(url) as store:
        order = _found(store, wanted)
        events = store.journal(order.id)
    if as_json:
        plain = {
            "order": order.id,
            "number": order.number,
            "state": order.state,
            "currency": order.currency,
            "total": decimal_text(order.total, order.currency),
            "events": [_plain(recorded) for recorded in events],
        }
        json.dump(plain, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    total = decimal_text(order.total, order.currency)
    title = f"Order {order.number} ({order.id}): {order.state}, {total} {order.currency}"
    rows = tuple(_row(recorded, order.currency) for recorded in events)
    head = ("", "at", "by", "command", "event", "what")
    show([Section(title, head, rows, texts=len(head))], sys.stdout)


def _found(store: Store, wanted: str) -> Order:
    order = store.load(wanted)
    if order is not None:
        return order
    found = store.find(OrderQuery(number=wanted, limit=20))
    if not found:
        raise OrderNotFound(f"no order has the id or number {wanted[:80]!r}", path="ORDER")
    tail = wanted.lstrip("0")
    exact = [order for order in found if order.number == wanted]
    exact = exact or [order for order in found if _tail(order.number) == tail] or list(found)
    if len(exact) > 1:
        numbers = ", ".join(order.number for order in exact[:5])
        more = ", ..." if len(exact) > 5 else ""
        reason = f"{wanted!r} may be any of {numbers}{more}: name one in full"
        raise InvalidInput(reason, path="ORDER")
    return exact[0]


def _tail(number: str) -> str:
    return number[len(number.rstrip("0123456789")) :].lstrip("0")


def _plain(recorded: Recorded) -> dict[str, Any]:
    return {
        "sequence": recorded.sequence,
        "at": recorded.at.isoformat(),
        "by": str(recorded.by),
        "command": recorded.command,
        "event": recorded.event.name,
        "schema": recorded.event.schema,
        "content": json.loads(encode_event(recorded.event)),
    }


def _row(recorded: Recorded, currency: str) -> tuple[str, ...]:
    event = recorded.event
    tell = _TOLD.get(type(event))
    what = "" if tell is None else tell(event, currency)
    return (
        str(recorded.sequence), f"{recorded.at:%Y-%m-%d %H:%M:%S}", str(recorded.by),
        recorded.command, event.name, what,
    )  # fmt: skip


# What each event says, in one line ------------------------------------------------------------


def _placed(event: Placed, currency: str) -> str:
    content = event.content
    units = sum(line.quantity for line in content.lines)
    total = decimal_text(content.total, currency)
    return f"{len(content.lines)} lines, {units} units, {total} {currency}"


def _moved(event: Moved, _: str) -> str:
    why = f": {event.reason}" if event.reason else ""
    return f"{event.source} -> {event.to} ({event.via}){why}"


def _started(event: PaymentStarted, currency: str) -> str:
    return " + ".join(
        f"{attempt.gateway} {decimal_text(attempt.amount, currency)}" for attempt in event.attempts
    )


def _answered(event: AttemptAnswered, _: str) -> str:
    why = f": {event.reason}" if event.reason else ""
    return f"{event.attempt} {event.state.value}{why}"


def _asked(event: CaptureAsked | UndoAsked, _: str) -> str:
    return ", ".join(event.attempts)


def _earned(event: RevenueRecognized, currency: str) -> str:
    parts = (*event.goods, *event.charges)
    net, tax = sum(part.net for part in parts), sum(part.tax for part in parts)
    return f"net {decimal_text(net, currency)}, tax {decimal_text(tax, currency)}"


def _refund(event: RefundRequested, currency: str) -> str:
    refund = event.refund
    units = ", ".join(f"{row.units} of {row.row}" for row in refund.rows[:5])
    more = f" and {len(refund.rows) - 5} more rows" if len(refund.rows) > 5 else ""
    return f"{decimal_text(refund.amount, currency)} for {units}{more}: {refund.reason}"


def _refund_answered(event: RefundAnswered, _: str) -> str:
    return f"{event.refund}#{event.leg} {event.status.value}"


def _shipped(event: Shipped, _: str) -> str:
    shipment = event.shipment
    return f"{shipment.goods.total()} units {shipment.carrier} {shipment.tracking}".rstrip()


_TOLD: Mapping[type[Any], Callable[[Any, str], str]] = {
    Placed: _placed,
    Moved: _moved,
    PaymentStarted: _started,
    AttemptAnswered: _answered,
    CaptureAsked: _asked,
    UndoAsked: _asked,
    RevenueRecognized: _earned,
    RefundRequested: _refund,
    RefundAnswered: _refund_answered,
    RefundDelayed: lambda event, _: f"{event.refund}#{event.leg} has not arrived",
    ClosingAsked: lambda event, _: event.reason,
    Reminded: lambda event, _: "" if event.pay_by is None else f"pay by {event.pay_by:%H:%M:%S}",
    Shipped: _shipped,
    Withdrawn: lambda event, _: f"{event.goods.total()} units will not ship",
    Received: lambda event, _: "by time" if event.confirmed_by_timer else "told",
}
