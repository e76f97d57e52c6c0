"""``ordercore merge``: what two orders come to as one, what is saved, and what stands against it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from ordercore.cli.desk import CLERK, desk, standing
from ordercore.cli.given import document_text
from ordercore.cli.sections import Section, json_text, printable, show
from ordercore.clock import SystemClock
from ordercore.errors import InvalidDocument, NotAllowed, OrdercoreError
from ordercore.money import decimal_text
from ordercore.order.merge import MergeRefusal, merge_refusals
from ordercore.policy import Policies
from ordercore.pricing import explain
from ordercore.quotation import parse_cart
from ordercore.value import value

if TYPE_CHECKING:
    from pathlib import Path

    from ordercore.engine import OrderEngine
    from ordercore.engine.merging import Combination
    from ordercore.order import Order
    from ordercore.quotation import CartDocument

__all__ = ["merge_orders"]

_KEYS: Final = ("$schema", "lifecycle", "basic", "added", "overrule")
_SIDE: Final = ("cart", "paid", "state")


@value
class _Side:
    """One of the two orders, as the document tells of it."""

    cart: CartDocument
    paid: bool
    state: str


@value
class _Document:
    lifecycle: str
    basic: _Side
    added: _Side
    overrule: str


def _wrong(reason: str, path: str) -> InvalidDocument:
    return InvalidDocument(reason, path=path)


def _known(raw: Any, keys: tuple[str, ...], path: str) -> None:
    """Refuse what is no object, or has a key that nobody reads."""
    if not isinstance(raw, dict):
        raise _wrong(f"an object of the keys {', '.join(keys)}", path)
    for key in raw:
        if key not in keys:
            reason = f"unknown key {str(key)[:40]!r}; known: {', '.join(keys)}"
            raise _wrong(reason, f"{path}.{key}" if path else str(key))


def _side(raw: Any, path: str) -> _Side:
    _known(raw, _SIDE, path)
    if "cart" not in raw:
        raise _wrong("it has a cart", path)
    paid, state = raw.get("paid", False), raw.get("state", "")
    if type(paid) is not bool:
        raise _wrong("true or false", f"{path}.paid")
    if not isinstance(state, str):
        raise _wrong("a state of the lifecycle", f"{path}.state")
    try:
        return _Side(parse_cart(json.dumps(raw["cart"])), paid, state)
    except OrdercoreError as error:
        raise error.at(f"{path}.cart") from None


def _read(path: Path) -> _Document:
    """Read the document; raises `InvalidDocument` with the path of what is wrong."""
    text = document_text(path, "a document")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidDocument("not JSON that can be read") from None
    _known(raw, _KEYS, "")
    lifecycle, overrule = raw.get("lifecycle", "standard"), raw.get("overrule", "")
    for key, said in (("lifecycle", lifecycle), ("overrule", overrule)):
        if not isinstance(said, str):
            raise _wrong("a text", key)
    return _Document(
        lifecycle, _side(raw.get("basic"), "basic"), _side(raw.get("added"), "added"), overrule
    )


def _placed(engine: OrderEngine, told: _Document, key: str) -> Order:
    """The order as the document tells of it; what is wrong is told by its place there."""
    side = told.basic if key == "basic" else told.added
    try:
        quote = engine.quote(side.cart.cart)
    except OrdercoreError as error:
        raise error.at(key if error.path.startswith("cart") else f"{key}.cart") from None
    return standing(
        engine, quote, key, paid=side.paid, state=side.state, lifecycle=told.lifecycle
    )  # fmt: skip


def merge_orders(path: Path, policies: Path | None, *, as_json: bool, with_reasons: bool) -> int:
    """Place both as they stand, and print what they come to as one; the exit code is 1 where they stay two."""
    given = Policies() if policies is None else Policies.load(policies)
    try:
        told = _read(path)
        at = told.basic.cart.at or told.added.cart.at or SystemClock().now()
        engine = desk(told.basic.cart.policies(given), at, told.lifecycle)
        basic, added = _placed(engine, told, "basic"), _placed(engine, told, "added")
        against = merge_refusals(basic, added, engine.shop.policies.merging)
        try:
            found = engine.preview_combine(basic.id, added.id, by=CLERK, overrule=told.overrule)
        except NotAllowed:
            if not against:
                raise
            _refused(basic, added, against, as_json=as_json)
            return 1
    except OrdercoreError as error:
        error.data.setdefault("source", str(path))
        raise
    _show(basic, added, found, as_json=as_json, with_reasons=with_reasons)
    return 0


def _refused(
    basic: Order, added: Order, against: tuple[MergeRefusal, ...], *, as_json: bool
) -> None:
    """Every reason at once."""
    if as_json:
        reasons = [
            {"rule": one.rule.value, "reason": one.reason, "by_staff": one.by_staff}
            for one in against
        ]
        sys.stdout.write(json_text({"merged": False, "refusals": reasons}))
        return
    rows = [
        (one.rule.value, one.reason, "with a reason" if one.by_staff else "") for one in against
    ]
    note = f"an order in state {added.state!r} put to one in state {basic.state!r}"
    show(
        [Section("Refused", ("rule", "because", "staff may"), tuple(rows), texts=3, note=note)],
        sys.stdout,
    )


def _freight(order: Order) -> int:
    return sum([c.total for c in order.content.charges if c.kind.value == "shipping"])


def _show(
    basic: Order, added: Order, found: Combination, *, as_json: bool, with_reasons: bool
) -> None:
    currency = basic.currency

    def text(amount: int) -> str:
        return decimal_text(amount, currency)

    if as_json:
        plain: dict[str, Any] = {
            "merged": True, "currency": currency, "was": text(found.was), "total": text(found.total),
            "saved": text(found.saved), "freight_saved": text(found.freight_saved),
            "due": text(found.due), "owed": text(found.owed), "state": found.order.state,
        }  # fmt: skip
        if with_reasons:
            plain["reasons"] = _reasons(found)
        sys.stdout.write(json_text(plain))
        return
    rows = [
        (name, order.state, text(order.total - _freight(order)), text(_freight(order)), text(order.total), text(order.due))
        for name, order in (("basic", basic), ("added", added), ("together", found.order))
    ]  # fmt: skip
    head = ("order", "state", "goods and fees", "freight", "total", "due")
    totals = (
        ("apart", text(found.was)), ("together", text(found.total)), ("saved", text(found.saved)),
        ("of that freight", text(found.freight_saved)), ("to be paid", text(found.due)),
        ("goes back", text(found.owed)),
    )  # fmt: skip
    note = f"in {currency}"
    show(
        [
            Section("Orders", head, tuple(rows), texts=2, note=note),
            Section("Together", ("", currency), totals, texts=1),
        ],
        sys.stdout,
    )
    if with_reasons:
        for line in _reasons(found):
            sys.stdout.write(f"\n{printable(line)}\n")


def _reasons(found: Combination) -> list[str]:
    if found.quote is None:
        return ["priced again they would cost more: both prices stand as they were"]
    return [explain(found.quote).text(found.quote.currency)]
