"""What a search means, the same for every store: its bounds, its numbers, the order of its answer, its cursors.

A store answers a search newest first: by the moment of placing, then by id, both falling. Where a number was
looked for, orders whose number is that very one, or ends in just these digits, come before longer numbers that
end in them. Items come in the order of their orders, and within one by line id, the shorter before the longer.
Nothing of this changes while an order lives, so a cursor, which names the last row of a page, stays good
whatever is placed, moved or amended meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import enum
import json
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ordercore.clock import utc
from ordercore.errors import InvalidInput, OrdercoreError
from ordercore.order import DeliveryStanding, PaymentStanding
from ordercore.party import Attribution
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.order import Order
    from ordercore.ports import OrderQuery

__all__ = [
    "FIND_MAX",
    "Place",
    "Target",
    "checked_search",
    "cursor_behind",
    "number_rank",
    "numeric_tail",
]

FIND_MAX: Final = 500
"""Most orders or items of one answer."""
STATES_MAX: Final = 100
"""Most states that one search names."""
TAGS_MAX: Final = 50
"""Most tags that one search names."""
TEXT_MAX: Final = 400
"""Longest text that is searched for, in characters."""
CURSOR_MAX: Final = 4_000
"""Longest cursor, in characters."""
_DIGITS: Final = "0123456789"


class Target(enum.Enum):
    """What is searched for."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ORDERS = "orders"
    ITEMS = "items"


@value
class Place:
    """A row of an answer, by what the answer is sorted by. ``rank`` is that of `number_rank`."""

    rank: int
    placed_at: datetime
    order: str
    line: str = ""


# Numbers --------------------------------------------------------------------------------------


def numeric_tail(number: str) -> str:
    """The digits that a number ends in, without leading zeros."""
    return number[len(number.rstrip(_DIGITS)) :].lstrip("0")


def is_tail(wanted: str) -> bool:
    """Whether a number is looked for by its last digits."""
    return wanted.isascii() and wanted.isdigit()


def number_rank(number: str, wanted: str) -> int | None:
    """0 where ``wanted`` is the number, or all digits that it ends in (leading zeros aside);
    1 where the number goes on before these digits; ``None`` where it is another number."""
    if not wanted or number == wanted:
        return 0
    if not is_tail(wanted):
        return None
    if number[-1:] in _DIGITS and number and numeric_tail(number) == wanted.lstrip("0"):
        return 0
    return 1 if number.endswith(wanted) else None


# Bounds ---------------------------------------------------------------------------------------


def checked_search(query: OrderQuery, target: Target) -> Place | None:
    """Check a search, and read the place behind which its answer begins; ``None`` for the first page.

    Raises `InvalidInput` with the field's name as path, also for a cursor that is broken or comes from
    another search.
    """
    limit = query.limit
    if type(limit) is not int or not 0 < limit <= FIND_MAX:
        raise InvalidInput(f"1 to {FIND_MAX} {target.value}, not {limit}", path="limit")
    for name in ("number", "customer", "shop", "sku", "item_status"):
        _check_text(getattr(query, name), name)
    for name, most in (("states", STATES_MAX), ("tags", TAGS_MAX)):
        _check_texts(getattr(query, name), most, name)
    if not isinstance(query.attribution, Attribution):
        raise InvalidInput("it is an Attribution", path="attribution")
    for name in ("site", "channel", "campaign"):
        _check_text(getattr(query.attribution, name), f"attribution.{name}")
    for name in ("placed_from", "placed_before"):
        moment = getattr(query, name)
        if moment is not None:
            utc(moment, name)
    for name, of in (("payment", PaymentStanding), ("delivery", DeliveryStanding)):
        if not isinstance(getattr(query, name), (of, type(None))):
            raise InvalidInput(f"it is a {of.__name__} or None", path=name)
    if type(query.after) is not str:
        raise InvalidInput("a cursor is text", path="after")
    return _read(query, target) if query.after else None


def _check_text(found: object, path: str) -> None:
    if not isinstance(found, str):
        raise InvalidInput(f"it is text, not a {type(found).__name__}", path=path)
    if len(found) > TEXT_MAX or "\0" in found or not _can_be_stored(found):
        reason = f"at most {TEXT_MAX} characters, each of which can be stored"
        raise InvalidInput(reason, path=path)


def _check_texts(found: object, most: int, path: str) -> None:
    if not isinstance(found, (tuple, list)):
        raise InvalidInput("it is a tuple of texts", path=path)
    if len(found) > most:
        raise InvalidInput(f"at most {most}, not {len(found)}", path=path)
    for i, text in enumerate(found):
        _check_text(text, f"{path}[{i}]")


def _can_be_stored(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# Cursors --------------------------------------------------------------------------------------


def cursor_behind(query: OrderQuery, order: Order, line: str | None = None) -> str:
    """The cursor of the page that begins behind ``order``, or behind one of its lines where items are found.

    It belongs to this search: only ``limit`` may be another one when it is used.
    """
    content = order.content
    rank = number_rank(content.number, query.number) or 0
    target = Target.ORDERS if line is None else Target.ITEMS
    place = Place(rank, content.placed_at.astimezone(UTC), content.id, line or "")
    return _written(place, _digest(query, target))


def _written(place: Place, digest: str) -> str:
    held = [digest, place.rank, place.placed_at.isoformat(), place.order, place.line]
    text = json.dumps(held, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(query: OrderQuery, target: Target) -> Place:
    text = query.after
    if len(text) > CURSOR_MAX:
        _broken()
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        digest, rank, at, order, line = json.loads(raw)
        placed_at = utc(datetime.fromisoformat(at), "after")
    except (binascii.Error, ValueError, TypeError, RecursionError, OrdercoreError):
        _broken()
    place = Place(rank, placed_at, order, line)
    types = (type(digest), type(rank), type(order), type(line))
    if types != (str, int, str, str) or rank not in {0, 1}:
        _broken()
    for name in (order, line):
        if "\0" in name or not _can_be_stored(name):
            _broken()
    if _written(place, digest) != text:
        _broken()
    if digest != _digest(query, target):
        reason = "the cursor comes from another search: keep all but the limit as it was"
        raise InvalidInput(reason, path="after")
    return place


def _broken() -> NoReturn:
    reason = "it is no cursor: take the `next` of the page before, as it is"
    raise InvalidInput(reason, path="after")


def _digest(query: OrderQuery, target: Target) -> str:
    """What the search asks for, in short."""
    came, moments = query.attribution, (query.placed_from, query.placed_before)
    held: list[Any] = [
        target.value,
        query.number, query.customer, query.shop, query.sku, query.item_status,
        sorted(set(query.states)), sorted(set(query.tags)),
        [came.site, came.channel, came.campaign],
        [query.payment and query.payment.value, query.delivery and query.delivery.value],
        [None if moment is None else utc(moment).isoformat() for moment in moments],
    ]  # fmt: skip
    return blake2b(json.dumps(held).encode(), digest_size=6).hexdigest()
