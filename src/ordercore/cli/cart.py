"""Read a cart document: JSON that says what is bought, and may say how it is priced.

``docs/reference/cart.schema.json`` is its JSON Schema; `KEYS` is the same list for this reader.
Amounts and percentages are texts, ``"19.99"``: a JSON number is a float to most programs,
and a float is not money. ``pricing`` has the keys of the ``[pricing]`` table of a policy document.
"""

from __future__ import annotations

import difflib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ordercore.clock import utc
from ordercore.errors import InvalidDocument, InvalidMoney, InvalidQuantity, OrdercoreError
from ordercore.money import Percent, exponent, from_minor, parse_minor
from ordercore.party import Address, Party
from ordercore.policy import Policies
from ordercore.pricing import AmountOff, Cart, CartLine, OrderKind, PercentOff, ShippingCharge
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ordercore.money import Money
    from ordercore.pricing import Discount

__all__ = ["BYTES_MAX", "KEYS", "CartDocument", "parse_cart", "read_cart"]

BYTES_MAX: Final = 4 * 2**20
"""Largest cart document."""

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "cart": (
        "$schema", "currency", "lines", "discounts", "shipping", "kind", "shop", "customer",
        "address", "extra", "at", "pricing",
    ),
    "line": (
        "sku", "quantity", "unit_price", "name", "id", "discounts", "tax_category",
        "tax_included", "category", "weight_grams", "source_url", "domestic_freight",
        "attributes", "extra",
    ),
    "discount": ("percent", "amount", "label", "cap"),
    "shipping": ("amount", "name", "tax_category", "tax_included"),
    "customer": ("id", "name", "email", "phone", "vat_id"),
    "address": ("name", "lines", "city", "region", "postcode", "country", "phone"),
}  # fmt: skip
"""The keys of each object of the document."""


@value
class CartDocument:
    """A cart, when it is priced (``None``: now), and its own ``pricing`` keys."""

    cart: Cart
    at: datetime | None
    pricing: Mapping[str, Any] | None

    def policies(self, given: Policies | None) -> Policies:
        """The policies to price by: a key of the document stands before the same key of a file."""
        if self.pricing is None:
            return given or Policies()
        plain = {} if given is None else given.to_plain()
        plain["pricing"] = {**plain.get("pricing", {}), **self.pricing}
        return Policies.from_plain(plain)


def read_cart(path: Path) -> CartDocument:
    """Read a file; raises `InvalidDocument`, `InvalidMoney` and kin with the path inside it."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise InvalidDocument(f"cannot open the file: {(error.strerror or '').lower()}") from None
    if len(content) > BYTES_MAX:
        raise InvalidDocument(f"a cart document has at most {BYTES_MAX} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"not text in UTF-8: byte {error.start}") from None
    return parse_cart(text)


def parse_cart(text: str) -> CartDocument:
    """Read JSON text; errors as in `read_cart`."""
    try:
        raw = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise InvalidDocument(f"not JSON: {error.msg.lower()}", path=where) from None
    except (RecursionError, ValueError):
        raise InvalidDocument("not JSON that can be read: too deep, or too long a number") from None
    return _cart(raw)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidDocument(f"key {twice[:60]!r} stands twice in one object", path=twice[:60])
    return found


def _no_constant(name: str) -> NoReturn:
    raise InvalidDocument(f"{name} is no JSON and no amount")


# Kinds of what a key holds --------------------------------------------------------------------

_NAMES: Final = {
    dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a whole number",
    float: "a float", type(None): "null",
}  # fmt: skip


def _wrong(wanted: str, raw: object, path: str) -> NoReturn:
    raise InvalidDocument(f"it is {wanted}, not {_NAMES[type(raw)]}", path=path)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _table(raw: object, kind: str, path: str, needs: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object with known keys only."""
    if not isinstance(raw, dict):
        _wrong("an object", raw, path)
    known = KEYS[kind]
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(key[:60], known, 1)
            guess = f"did you mean {near[0]!r}? " if near else ""
            reason = f"unknown key; {guess}known: {', '.join(known)}"
            raise InvalidDocument(reason, path=_below(path, key[:60]), allowed=known)
    for key in needs:
        if key not in raw:
            raise InvalidDocument("it is missing", path=_below(path, key))
    return raw


def _text(raw: object, path: str) -> str:
    if not isinstance(raw, str):
        _wrong("text", raw, path)
    return raw


def _flag(raw: object, path: str) -> bool | None:
    if raw is not None and not isinstance(raw, bool):
        _wrong("true or false", raw, path)
    return raw


def _items(raw: object, path: str) -> list[Any]:
    if not isinstance(raw, list):
        _wrong("a list", raw, path)
    return raw


def _whole(raw: object, path: str) -> int:
    if type(raw) is not int:
        raise InvalidQuantity(f"it is a whole number, not {_NAMES[type(raw)]}", path=path)
    return raw


def _plain(raw: object, path: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        _wrong("an object", raw, path)
    return raw


def _exact(raw: object, path: str) -> str:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        reason = f'{_NAMES[type(raw)]} is not exact money: write it as text, "{str(raw)[:40]}"'
        raise InvalidMoney(reason, path=path)
    return _text(raw, path)


def _money(raw: object, currency: str, path: str) -> Money:
    return from_minor(parse_minor(_exact(raw, path), currency, path), currency)


def _each(raw: object, path: str, read: Callable[[Any, str], Any]) -> tuple[Any, ...]:
    return tuple(read(item, f"{path}[{i}]") for i, item in enumerate(_items(raw, path)))


# The document ---------------------------------------------------------------------------------


def _cart(raw: object) -> CartDocument:
    table = _table(raw, "cart", "", ("currency", "lines"))
    currency = _text(table["currency"], "currency")
    exponent(currency)
    cart = Cart(
        currency,
        _each(table["lines"], "lines", lambda item, path: _line(item, currency, path)),
        _discounts(table, currency, ""),
        _shipping(table["shipping"], currency) if "shipping" in table else None,
        _kind(table.get("kind", "regular")),
        _text(table.get("shop", ""), "shop"),
        Party(**_texts(table.get("customer", {}), "customer")),
        _address(table.get("address", {})),
        _plain(table.get("extra", {}), "extra"),
    )
    at = _moment(table["at"]) if "at" in table else None
    pricing = _plain(table["pricing"], "pricing") if "pricing" in table else None
    return CartDocument(cart, at, pricing)


def _line(raw: object, currency: str, path: str) -> CartLine:
    table = _table(raw, "line", path, ("sku", "quantity", "unit_price"))

    def text(key: str, default: str = "") -> str:
        return _text(table.get(key, default), f"{path}.{key}")

    freight = table.get("domestic_freight")
    attributes = _plain(table.get("attributes", {}), f"{path}.attributes")
    return CartLine(
        text("sku"),
        _whole(table["quantity"], f"{path}.quantity"),
        _money(table["unit_price"], currency, f"{path}.unit_price"),
        text("name"),
        text("id"),
        _discounts(table, currency, path),
        text("tax_category", "standard"),
        _flag(table.get("tax_included"), f"{path}.tax_included"),
        text("category"),
        _whole(table.get("weight_grams", 0), f"{path}.weight_grams"),
        text("source_url"),
        None if freight is None else _money(freight, currency, f"{path}.domestic_freight"),
        {key: _text(of, f"{path}.attributes.{key}") for key, of in attributes.items()},
        _plain(table.get("extra", {}), f"{path}.extra"),
    )


def _discounts(table: dict[str, Any], currency: str, path: str) -> tuple[Discount, ...]:
    where = _below(path, "discounts")
    return _each(table.get("discounts", []), where, lambda raw, at: _discount(raw, currency, at))


def _discount(raw: object, currency: str, path: str) -> Discount:
    table = _table(raw, "discount", path)
    if ("percent" in table) == ("amount" in table):
        raise InvalidDocument("a discount has either a percent or an amount", path=path)
    label = _text(table.get("label", ""), f"{path}.label")
    if "amount" in table:
        if "cap" in table:
            raise InvalidDocument("only a percent has a cap", path=f"{path}.cap")
        return AmountOff(_money(table["amount"], currency, f"{path}.amount"), label)
    percent = Percent.of(_exact(table["percent"], f"{path}.percent"), f"{path}.percent")
    cap = _money(table["cap"], currency, f"{path}.cap") if "cap" in table else None
    return PercentOff(percent, label, cap)


def _shipping(raw: object, currency: str) -> ShippingCharge:
    table = _table(raw, "shipping", "shipping", ("amount",))
    return ShippingCharge(
        _money(table["amount"], currency, "shipping.amount"),
        _text(table.get("name", "Shipping"), "shipping.name"),
        _text(table.get("tax_category", "shipping"), "shipping.tax_category"),
        _flag(table.get("tax_included"), "shipping.tax_included"),
    )


def _kind(raw: object) -> OrderKind:
    text = _text(raw, "kind")
    try:
        return OrderKind(text)
    except ValueError:
        known = tuple(kind.value for kind in OrderKind)
        reason = f"unknown kind {text[:40]!r}; known: {', '.join(known)}"
        raise InvalidDocument(reason, path="kind", allowed=known) from None


def _texts(raw: object, kind: str) -> dict[str, str]:
    table = _table(raw, kind, kind)
    return {key: _text(of, f"{kind}.{key}") for key, of in table.items()}


def _address(raw: object) -> Address:
    table = dict(_table(raw, "address", "address"))
    lines = _each(table.pop("lines", []), "address.lines", _text)
    return Address(lines=lines, **_texts(table, "address"))


def _moment(raw: object) -> datetime:
    text = _text(raw, "at")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        reason = f"{text[:40]!r} is no moment like 2026-05-20T12:00:00Z"
        raise InvalidDocument(reason, path="at") from None
    try:
        return utc(moment, "at")
    except OrdercoreError as error:
        raise InvalidDocument(error.reason, path="at") from None
    except OverflowError:
        raise InvalidDocument("it is beyond the calendar", path="at") from None
