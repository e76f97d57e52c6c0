"""Carts as documents: JSON that says what is bought, and all that its price was made from.

``docs/reference/cart.schema.json`` is the JSON Schema; `KEYS` is the same list for this reader.
Amounts and percentages are texts, ``"19.99"``: a JSON number is a float to most programs,
and a float is not money. An amount in another currency than the cart's names it: ``"19.99 USD"``.
``pricing`` has the keys of the ``[pricing]`` table of a policy document, ``facts`` what the outside
answered (`PricingFacts`). A document that `write_cart` made of a quote gives the same quote again (law L18).
"""

from __future__ import annotations

import difflib
import json
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import attrs

from ordercore.clock import utc
from ordercore.codec import from_plain, to_plain
from ordercore.errors import (
    CorruptDocument,
    InvalidDocument,
    InvalidMoney,
    InvalidQuantity,
    OrdercoreError,
    UnknownCurrency,
)
from ordercore.money import (
    EXPONENTS,
    Percent,
    decimal_text,
    exponent,
    from_minor,
    parse_minor,
    to_minor,
)
from ordercore.party import Address, Attribution, Party
from ordercore.policy import Policies
from ordercore.pricing import (
    NO_FACTS,
    AmountOff,
    Cart,
    CartLine,
    ChargeKind,
    Component,
    Customs,
    DepositKind,
    Fee,
    Funder,
    GoodsKind,
    OrderKind,
    PercentOff,
    Presale,
    PricingFacts,
    PricingPolicy,
    ShippingCharge,
    Shopper,
)
from ordercore.value import value

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Mapping

    from ordercore.money import Money
    from ordercore.pricing import Discount, PromotionRule, Quote

__all__ = ["KEYS", "CartDocument", "parse_cart", "write_cart"]

E = TypeVar("E", bound="enum.Enum")

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "cart": (
        "$schema", "currency", "lines", "discounts", "shipping", "fees", "codes", "kind", "shop",
        "customer", "shopper", "address", "attribution", "presale", "extra", "at", "pricing",
        "facts",
    ),
    "line": (
        "sku", "quantity", "unit_price", "name", "id", "discounts", "tax_category",
        "tax_included", "category", "brand", "kind", "customs", "components", "floor_price",
        "points", "merchant", "weight_grams", "source_url", "domestic_freight", "attributes",
        "extra",
    ),
    "component": (
        "sku", "quantity", "list_price", "name", "tax_category", "category", "brand",
        "weight_grams", "customs",
    ),
    "customs": ("hs_code", "origin", "description", "excise"),
    "discount": ("percent", "amount", "label", "cap", "funder"),
    "shipping": ("amount", "name", "tax_category", "tax_included"),
    "fee": ("id", "amount", "name", "kind", "tax_category", "tax_included"),
    "customer": ("id", "name", "email", "phone", "vat_id"),
    "shopper": ("groups", "tier", "first_order", "exempt"),
    "address": ("name", "lines", "city", "region", "postcode", "country", "phone"),
    "attribution": ("site", "channel", "campaign"),
    "presale": ("deposit", "balance_from", "balance_until", "kind", "counts"),
}  # fmt: skip
"""The keys of each object of the document."""

_NO_RULES: Mapping[str, PromotionRule] = MappingProxyType({})


@value
class CartDocument:
    """A cart, when it is priced (``None``: now), its own ``pricing`` keys, and what the outside answered."""

    cart: Cart
    at: datetime | None
    pricing: Mapping[str, Any] | None
    facts: PricingFacts = NO_FACTS

    def policies(
        self,
        given: Policies | None = None,
        *,
        rules: Mapping[str, PromotionRule] = _NO_RULES,
    ) -> Policies:
        """The policies to price by: a key of the document stands before the same key of ``given``.

        ``rules`` as in `Policies.parse`. Raises `InvalidPolicy` for what stands in the document.
        """
        if self.pricing is None:
            return given or Policies()
        own = Policies.from_plain({"pricing": self.pricing}, rules=rules)
        if given is None:
            return own
        fields: type[Any] = PricingPolicy
        merged = {
            field.name: getattr((own if field.name in self.pricing else given).pricing, field.name)
            for field in attrs.fields(fields)
        }
        rooms: type[Any] = Policies
        rest = {field.name: getattr(given, field.name) for field in attrs.fields(rooms)}
        found = Policies(**{**rest, "pricing": PricingPolicy(**merged)})
        found.check()
        return found


def parse_cart(text: str) -> CartDocument:
    """Read JSON text; raises `InvalidDocument`, `InvalidMoney` and kin with the path inside it."""
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
    return None if raw is None else _truth(raw, path)


def _truth(raw: object, path: str) -> bool:
    if not isinstance(raw, bool):
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
    number, _, other = _exact(raw, path).partition(" ")
    if other and other not in EXPONENTS:
        raise UnknownCurrency(f"currency {other[:12]!r} is not on the list of money", path=path)
    return from_minor(parse_minor(number, other or currency, path), other or currency)


def _each(raw: object, path: str, read: Callable[[Any, str], Any]) -> tuple[Any, ...]:
    return tuple(read(item, f"{path}[{i}]") for i, item in enumerate(_items(raw, path)))


def _word(raw: object, of: type[E], what: str, path: str) -> E:
    text = _text(raw, path)
    for member in of:
        if member.value == text:
            return member
    known = tuple(str(member.value) for member in of)
    reason = f"unknown {what} {text[:40]!r}; known: {', '.join(known)}"
    raise InvalidDocument(reason, path=path, allowed=known)


# Reading --------------------------------------------------------------------------------------


def _cart(raw: object) -> CartDocument:
    table = _table(raw, "cart", "", ("currency", "lines"))
    currency = _text(table["currency"], "currency")
    exponent(currency)
    cart = Cart(
        currency,
        _each(table["lines"], "lines", lambda item, path: _line(item, currency, path)),
        _discounts(table, currency, ""),
        _shipping(table["shipping"], currency) if "shipping" in table else None,
        _word(table.get("kind", "regular"), OrderKind, "kind", "kind"),
        _text(table.get("shop", ""), "shop"),
        Party(**_texts(table.get("customer", {}), "customer", "customer")),
        _address(table.get("address", {})),
        _plain(table.get("extra", {}), "extra"),
        _each(table.get("codes", []), "codes", _text),
        _shopper(table.get("shopper", {})),
        _each(table.get("fees", []), "fees", lambda item, path: _fee(item, currency, path)),
        Attribution(**_texts(table.get("attribution", {}), "attribution", "attribution")),
        _presale(table["presale"], currency) if "presale" in table else None,
    )
    at = _moment(table["at"], "at") if "at" in table else None
    pricing = _plain(table["pricing"], "pricing") if "pricing" in table else None
    return CartDocument(cart, at, pricing, _facts(table.get("facts", {})))


def _line(raw: object, currency: str, path: str) -> CartLine:
    table = _table(raw, "line", path, ("sku", "quantity", "unit_price"))

    def text(key: str, default: str = "") -> str:
        return _text(table.get(key, default), f"{path}.{key}")

    def amount(key: str) -> Money | None:
        return _money(table[key], currency, f"{path}.{key}") if key in table else None

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
        amount("domestic_freight"),
        {key: _text(of, f"{path}.attributes.{key}") for key, of in attributes.items()},
        _plain(table.get("extra", {}), f"{path}.extra"),
        text("brand"),
        _word(table.get("kind", "goods"), GoodsKind, "kind", f"{path}.kind"),
        _customs(table, path),
        _each(
            table.get("components", []),
            f"{path}.components",
            lambda item, where: _component(item, currency, where),
        ),
        amount("floor_price"),
        _whole(table.get("points", 0), f"{path}.points"),
        text("merchant"),
    )


def _component(raw: object, currency: str, path: str) -> Component:
    table = _table(raw, "component", path, ("sku", "quantity", "list_price"))
    texts = {"sku": "", "name": "", "tax_category": "standard", "category": "", "brand": ""}
    given = {key: _text(table.get(key, or_), f"{path}.{key}") for key, or_ in texts.items()}
    return Component(
        quantity=_whole(table["quantity"], f"{path}.quantity"),
        list_price=_money(table["list_price"], currency, f"{path}.list_price"),
        weight_grams=_whole(table.get("weight_grams", 0), f"{path}.weight_grams"),
        customs=_customs(table, path),
        **given,
    )


def _customs(table: dict[str, Any], path: str) -> Customs | None:
    if "customs" not in table:
        return None
    where = f"{path}.customs"
    known = dict(_table(table["customs"], "customs", where))
    excise = _truth(known.pop("excise", False), f"{where}.excise")
    return Customs(excise=excise, **_texts(known, "customs", where))


def _discounts(table: dict[str, Any], currency: str, path: str) -> tuple[Discount, ...]:
    where = _below(path, "discounts")
    return _each(table.get("discounts", []), where, lambda raw, at: _discount(raw, currency, at))


def _discount(raw: object, currency: str, path: str) -> Discount:
    table = _table(raw, "discount", path)
    if ("percent" in table) == ("amount" in table):
        raise InvalidDocument("a discount has either a percent or an amount", path=path)
    label = _text(table.get("label", ""), f"{path}.label")
    funder = _word(table.get("funder", "merchant"), Funder, "funder", f"{path}.funder")
    if "amount" in table:
        if "cap" in table:
            raise InvalidDocument("only a percent has a cap", path=f"{path}.cap")
        return AmountOff(_money(table["amount"], currency, f"{path}.amount"), label, funder)
    percent = Percent.of(_exact(table["percent"], f"{path}.percent"), f"{path}.percent")
    cap = _money(table["cap"], currency, f"{path}.cap") if "cap" in table else None
    return PercentOff(percent, label, cap, funder)


def _shipping(raw: object, currency: str) -> ShippingCharge:
    table = _table(raw, "shipping", "shipping", ("amount",))
    return ShippingCharge(
        _money(table["amount"], currency, "shipping.amount"),
        _text(table.get("name", "Shipping"), "shipping.name"),
        _text(table.get("tax_category", "shipping"), "shipping.tax_category"),
        _flag(table.get("tax_included"), "shipping.tax_included"),
    )


def _fee(raw: object, currency: str, path: str) -> Fee:
    table = _table(raw, "fee", path, ("id", "amount"))
    return Fee(
        _text(table["id"], f"{path}.id"),
        _money(table["amount"], currency, f"{path}.amount"),
        _text(table.get("name", ""), f"{path}.name"),
        _word(table.get("kind", "fee"), ChargeKind, "kind", f"{path}.kind"),
        _text(table.get("tax_category", "standard"), f"{path}.tax_category"),
        _flag(table.get("tax_included"), f"{path}.tax_included"),
    )


def _texts(raw: object, kind: str, path: str) -> dict[str, str]:
    table = _table(raw, kind, path)
    return {key: _text(of, f"{path}.{key}") for key, of in table.items()}


def _shopper(raw: object) -> Shopper:
    table = _table(raw, "shopper", "shopper")
    return Shopper(
        _each(table.get("groups", []), "shopper.groups", _text),
        _text(table.get("tier", ""), "shopper.tier"),
        _truth(table.get("first_order", False), "shopper.first_order"),
        _text(table.get("exempt", ""), "shopper.exempt"),
    )


def _address(raw: object) -> Address:
    table = dict(_table(raw, "address", "address"))
    lines = _each(table.pop("lines", []), "address.lines", _text)
    return Address(lines=lines, **_texts(table, "address", "address"))


def _facts(raw: object) -> PricingFacts:
    table = _plain(raw, "facts")
    try:
        return from_plain(PricingFacts, table, "facts") if table else NO_FACTS
    except CorruptDocument as error:
        raise InvalidDocument(error.reason, path=error.path) from None


def _presale(raw: object, currency: str) -> Presale:
    table = _table(raw, "presale", "presale", ("deposit", "balance_from", "balance_until"))
    return Presale(
        _money(table["deposit"], currency, "presale.deposit"),
        _moment(table["balance_from"], "presale.balance_from"),
        _moment(table["balance_until"], "presale.balance_until"),
        _word(table.get("kind", "earnest"), DepositKind, "kind", "presale.kind"),
        _money(table["counts"], currency, "presale.counts") if "counts" in table else None,
    )


def _moment(raw: object, path: str) -> datetime:
    text = _text(raw, path)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        reason = f"{text[:40]!r} is no moment like 2026-05-20T12:00:00Z"
        raise InvalidDocument(reason, path=path) from None
    try:
        utc(moment, path)
    except OrdercoreError as error:
        raise InvalidDocument(error.reason, path=path) from None
    except OverflowError:
        raise InvalidDocument("it is beyond the calendar", path=path) from None
    return moment  # whose day it is, the zone of the policy says


# Writing --------------------------------------------------------------------------------------


def write_cart(quote: Quote) -> str:
    """The document of a quote: its cart, policy, moment and facts. What is as by default is left out.

    Raises `InvalidPolicy` for a policy with a `HostRule`, which is code and stands in no document.
    """
    cart = quote.cart
    currency, shopper = cart.currency, cart.shopper
    document = {
        "currency": currency,
        "lines": [_line_plain(line, currency) for line in cart.lines],
        "discounts": [_discount_plain(off, currency) for off in cart.discounts],
        "shipping": cart.shipping and _shipping_plain(cart.shipping, currency),
        "fees": [_fee_plain(fee, currency) for fee in cart.fees],
        "codes": list(cart.codes),
        "kind": cart.kind.value,
        "shop": cart.shop,
        "customer": _told({key: getattr(cart.customer, key) for key in KEYS["customer"]}),
        "shopper": _told(
            {
                "groups": list(shopper.groups),
                "tier": shopper.tier,
                "first_order": shopper.first_order,
                "exempt": shopper.exempt,
            }
        ),
        "address": _told(
            {
                **{key: getattr(cart.address, key) for key in KEYS["address"]},
                "lines": list(cart.address.lines),
            }
        ),
        "attribution": _told({key: getattr(cart.attribution, key) for key in KEYS["attribution"]}),
        "presale": cart.presale and _presale_plain(cart.presale, currency),
        "extra": dict(cart.extra),
        "at": quote.at.isoformat(),
        "pricing": Policies(pricing=quote.policy).to_plain()["pricing"],
        "facts": to_plain(quote.facts),
    }
    plain = _told(document, lines=None, kind=OrderKind.REGULAR.value)
    return json.dumps(plain, ensure_ascii=False, indent=2) + "\n"


def _told(plain: dict[str, Any], **usual: Any) -> dict[str, Any]:
    """What has to be said: what is not as ``usual``, and not empty where nothing is usual.

    A required key is never ``None``, so that as its usual value tells it always.
    """
    return {
        key: held
        for key, held in plain.items()
        if (held != usual[key] if key in usual else bool(held))
    }


def _amount(amount: Money, currency: str) -> str:
    code = amount.currency.code
    number = decimal_text(to_minor(amount), code)
    return number if code == currency else f"{number} {code}"


def _some(amount: Money | None, currency: str) -> str | None:
    return None if amount is None else _amount(amount, currency)


def _line_plain(line: CartLine, currency: str) -> dict[str, Any]:
    plain = {
        "sku": line.sku,
        "quantity": line.quantity,
        "unit_price": _amount(line.unit_price, currency),
        "name": line.name,
        "id": line.id,
        "discounts": [_discount_plain(off, currency) for off in line.discounts],
        "tax_category": line.tax_category,
        "tax_included": line.tax_included,
        "category": line.category,
        "brand": line.brand,
        "kind": line.kind.value,
        "customs": line.customs and _customs_plain(line.customs),
        "components": [_component_plain(part, currency) for part in line.components],
        "floor_price": _some(line.floor_price, currency),
        "points": line.points,
        "merchant": line.merchant,
        "weight_grams": line.weight_grams,
        "source_url": line.source_url,
        "domestic_freight": _some(line.domestic_freight, currency),
        "attributes": dict(line.attributes),
        "extra": dict(line.extra),
    }
    return _told(
        plain,
        sku=None,
        tax_category="standard",
        tax_included=None,
        kind=GoodsKind.GOODS.value,
        customs=None,
    )


def _component_plain(part: Component, currency: str) -> dict[str, Any]:
    plain = {
        "sku": part.sku,
        "quantity": part.quantity,
        "list_price": _amount(part.list_price, currency),
        "name": part.name,
        "tax_category": part.tax_category,
        "category": part.category,
        "brand": part.brand,
        "weight_grams": part.weight_grams,
        "customs": part.customs and _customs_plain(part.customs),
    }
    return _told(plain, sku=None, tax_category="standard", customs=None)


def _customs_plain(customs: Customs) -> dict[str, Any]:
    return _told({key: getattr(customs, key) for key in KEYS["customs"]})


def _discount_plain(off: Discount, currency: str) -> dict[str, Any]:
    plain: dict[str, Any] = {"label": off.label, "funder": off.funder.value}
    if isinstance(off, AmountOff):
        plain["amount"] = _amount(off.amount, currency)
    else:
        plain |= {"percent": str(off.percent), "cap": _some(off.cap, currency)}
    return _told(plain, funder=Funder.MERCHANT.value)


def _shipping_plain(charge: ShippingCharge, currency: str) -> dict[str, Any]:
    plain = {key: getattr(charge, key) for key in KEYS["shipping"]}
    plain["amount"] = _amount(charge.amount, currency)
    return _told(plain, name="Shipping", tax_category="shipping", tax_included=None)


def _presale_plain(presale: Presale, currency: str) -> dict[str, Any]:
    plain = {
        "deposit": _amount(presale.deposit, currency),
        "balance_from": presale.balance_from.isoformat(),
        "balance_until": presale.balance_until.isoformat(),
        "kind": presale.kind.value,
        "counts": _some(presale.counts, currency),
    }
    return _told(plain, kind=DepositKind.EARNEST.value)


def _fee_plain(fee: Fee, currency: str) -> dict[str, Any]:
    plain = {key: getattr(fee, key) for key in KEYS["fee"]}
    plain |= {"amount": _amount(fee.amount, currency), "kind": fee.kind.value}
    return _told(
        plain, id=None, kind=ChargeKind.FEE.value, tax_category="standard", tax_included=None
    )
