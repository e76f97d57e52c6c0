"""Handling: events that people send by name, the review, closing for good, moves by hand, marks and pauses.

Most of these call nobody, so they may join the host's transaction. Those that may end an order give its
money back, so they need a store that commits for itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ordercore.change import Receipt
from ordercore.engine.discharging import discharge
from ordercore.engine.fulfilling import advance
from ordercore.engine.placing import checked_key
from ordercore.engine.shop import digest, load, once
from ordercore.errors import InvalidInput
from ordercore.order import Advance, Move, ReviewOrder, Seal, Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.order import Command, Order
    from ordercore.party import Actor

__all__ = ["close_order", "override", "review", "send", "tag"]


def _ending(
    shop: Shop, order: Order, name: str, content: str, key: str, by: Actor,
    make: Callable[[Order], Command],
) -> Flow[Order]:  # fmt: skip
    """Decide and commit a command that may end the order, then give back what it must."""
    receipt = Receipt(order.shop, checked_key(key), name, digest(order.id, content), order.id)
    order, made = yield from once(shop, order, receipt, by, make)
    if made is not None:
        order = yield from discharge(shop, order, by, made=made)
    return order


def _text(*parts: object) -> str:
    """What a key stands for: no two contents have the same text."""
    return json.dumps(parts, default=repr)


def _refund_id(order: Order) -> str:
    return f"{order.id}/r{len(order.payments.refunds) + 1}"


def send(shop: Shop, order_id: str, event: str, reason: str, key: str, by: Actor) -> Flow[Order]:
    """Fire an event of the lifecycle by its name."""
    if not isinstance(event, str) or not event:
        raise InvalidInput("an event is named by a text", path="event")
    order = yield from load(shop, order_id)
    chart = shop.lifecycles.get(order.content.lifecycle, order.content.lifecycle_version)
    ends = any(
        move.target in chart.releases for move in chart.table.get(order.state, {}).get(event, ())
    )
    if ends:
        shop.outside()
    return (
        yield from _ending(
            shop, order, "Advance", _text(event, reason), key, by,
            lambda now: Advance(event, reason, _refund_id(now)),
        )
    )  # fmt: skip


def review(
    shop: Shop,
    order_id: str,
    valid: bool,  # noqa: FBT001 - the verdict itself
    checklist: Mapping[str, bool] | None,
    contact: str,
    reason: str,
    key: str,
    by: Actor,
) -> Flow[Order]:
    """Say whether an order is valid; one that is not ends, and what was paid goes back."""
    shop.outside()
    if type(valid) is not bool:
        raise InvalidInput("an order is valid or not: True or False", path="valid")
    if checklist is not None and not isinstance(checklist, Mapping):
        reason_ = 'a checklist is a mapping: write {"address": True}'
        raise InvalidInput(reason_, path="checklist")
    points = tuple((checklist or {}).items())
    for i, (point, fine) in enumerate(points):
        if not isinstance(point, str) or type(fine) is not bool:
            raise InvalidInput("a point is a text with True or False", path=f"checklist[{i}]")
    order = yield from load(shop, order_id)
    content = _text(valid, points, contact, reason)
    return (
        yield from _ending(
            shop, order, "ReviewOrder", content, key, by,
            lambda now: ReviewOrder(valid, points, contact, reason, _refund_id(now)),
        )
    )  # fmt: skip


def close_order(
    shop: Shop, order_id: str, reason: str, key: str, by: Actor, overrule: str
) -> Flow[Order]:
    """Close an order for good."""
    return advance(shop, order_id, Seal(reason, overrule), _text(reason, overrule), key, by)


def override(shop: Shop, order_id: str, to: str, reason: str, key: str, by: Actor) -> Flow[Order]:
    """Move an order by hand; a state that releases it frees what is held."""
    order = yield from load(shop, order_id)
    return (
        yield from _ending(
            shop, order, "Move", _text(to, reason), key, by, lambda _now: Move(to, reason)
        )
    )


def tag(
    shop: Shop, order_id: str, add: Sequence[str], remove: Sequence[str], key: str, by: Actor
) -> Flow[Order]:
    """Put tags on an order, take tags off it."""
    for name, tags in (("add", add), ("remove", remove)):
        if not isinstance(tags, list | tuple):
            raise InvalidInput('tags are a list: write ["vip"]', path=name)
    command = Tag(tuple(add), tuple(remove))
    return advance(shop, order_id, command, _text(add, remove), key, by)
