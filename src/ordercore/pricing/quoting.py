"""From a cart to its quote: one pass, exact, reconciled.

The order of application is fixed: list amount, the line's own discounts, the layers of promotions,
the order's own discounts (shared over lines by what remains of each), domestic freight, shipping, tax.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ordercore.allocation import allocate
from ordercore.errors import InvalidCart, OrdercoreError
from ordercore.goods import QUANTITY_MAX, LineId, quantity
from ordercore.money import MINOR_MAX, Rounding, checked_minor, divide, exponent, to_minor
from ordercore.party import Address, Party
from ordercore.pricing.cart import Cart, CartLine, OrderKind, ShippingCharge
from ordercore.pricing.discount import AppliedDiscount, discounted
from ordercore.pricing.quote import (
    SHIPPING,
    PricingPolicy,
    Quote,
    QuoteCharge,
    QuoteLine,
    TaxTotal,
)
from ordercore.pricing.tax import RoundingScope, TaxPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["EXTRA_BYTES_MAX", "LINES_MAX", "extra_text", "quote"]

LINES_MAX = 10_000
"""Most lines of one cart."""
EXTRA_BYTES_MAX = 4_096
"""Largest JSON text of a host's ``extra`` on one line or order."""
_INCLUDED = (None, True, False)
_SEQUENCES = (tuple, list)
_new = tuple.__new__


class _Priced(NamedTuple):
    """A cart line half way: after its own discounts, before the order's."""

    line: CartLine
    id: LineId
    unit: int
    listed: int
    discount: int
    freight: int


def extra_text(extra: Mapping[str, Any], path: str) -> str:
    """Canonical JSON of a host's extra, ``""`` for none; raises `InvalidCart`."""
    if not extra:
        return ""
    try:
        text = json.dumps(dict(extra), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise InvalidCart("extra is nested too deep", path=path) from None
    except (TypeError, ValueError) as error:
        raise InvalidCart(f"extra is not plain JSON: {error}", path=path) from None
    if len(text) > EXTRA_BYTES_MAX:
        reason = f"extra takes {len(text)} bytes; the limit is {EXTRA_BYTES_MAX}"
        raise InvalidCart(reason, path=path, bytes=len(text))
    return text


def _attributes(attributes: Mapping[str, str], path: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(attributes.items())
    for name, text in pairs:
        if not isinstance(name, str) or not isinstance(text, str):
            raise InvalidCart("attributes are texts by name", path=path)
    return pairs


def _priced(
    line: CartLine, index: int, currency: str, rounding: Rounding, applied: list[AppliedDiscount]
) -> _Priced:
    """Check one line and apply its own discounts; errors name the path within the line."""
    if not isinstance(line, CartLine):
        raise InvalidCart(f"a {type(line).__name__} is no CartLine")
    if type(line.name) is not str or line.tax_included not in _INCLUDED:
        where = "tax_included" if type(line.name) is str else "name"
        raise InvalidCart("a name is a text, and tax_included True, False or None", path=where)
    number = line.quantity
    if type(number) is not int or not 0 < number <= QUANTITY_MAX:
        quantity(number, "quantity")
    if not isinstance(line.sku, str) or not line.sku:
        raise InvalidCart("a line needs a sku", path="sku")
    unit = to_minor(line.unit_price, currency, "unit_price")
    if unit < 0:
        reason = "a price is not negative: use a discount"
        raise InvalidCart(reason, path="unit_price", amount=unit)
    listed = unit * number
    if listed > MINOR_MAX:
        checked_minor(listed)
    if type(line.weight_grams) is not int or line.weight_grams < 0:
        reason = "a weight is a whole number of grams, not negative"
        raise InvalidCart(reason, path="weight_grams")
    freight = 0
    if line.domestic_freight is not None:
        freight = to_minor(line.domestic_freight, currency, "domestic_freight")
        if freight < 0:
            raise InvalidCart("freight is not negative", path="domestic_freight")
    name = LineId(line.id or str(index + 1))
    taken = 0
    if line.discounts:
        for off, ppm, asked, given in discounted(line.discounts, listed, currency, rounding):
            taken += given
            applied.append(AppliedDiscount(name, off.label, ppm, asked, given))
    # made as a bare tuple is: the class's own constructor costs three times as much
    return _new(_Priced, (line, name, unit, listed, taken, freight))


def _order_discounts(
    cart: Cart, priced: list[_Priced], rounding: Rounding, applied: list[AppliedDiscount]
) -> list[int]:
    """Each line's share of the order's discounts, shared by what remains of each line."""
    left = [half.listed - half.discount for half in priced]
    total = [0] * len(left)
    for off, ppm, asked, given in discounted(cart.discounts, sum(left), cart.currency, rounding):
        parts = allocate(given, left) if given else (0,) * len(left)
        for i, part in enumerate(parts):
            left[i] -= part
            total[i] += part
        applied.append(AppliedDiscount("", off.label, ppm, asked, given, parts))
    return total


def _tax(amount: int, ppm: int, rounding: Rounding, *, included: bool) -> int:
    if included:
        return divide(amount * ppm, 1_000_000 + ppm, rounding)
    return divide(amount * ppm, 1_000_000, rounding)


def _unit_taxes(amount: int, number: int, ppm: int, rounding: Rounding, *, included: bool) -> int:
    """Tax rounded for each unit: the first ``amount % number`` units cost one minor unit more."""
    each, more = divmod(amount, number)
    low = _tax(each, ppm, rounding, included=included)
    return low * (number - more) + (
        _tax(each + 1, ppm, rounding, included=included) * more if more else 0
    )


def _order_taxes(
    amounts: list[int], rates: list[int], included: list[bool], rounding: Rounding
) -> list[int]:
    """Tax rounded once per rate for the whole order, shared over its rows by their amounts."""
    groups: dict[tuple[int, bool], list[int]] = {}
    for i, key in enumerate(zip(rates, included, strict=True)):
        groups.setdefault(key, []).append(i)
    taxes = [0] * len(amounts)
    for (ppm, inside), rows in groups.items():
        weights = [amounts[i] for i in rows]
        whole = _tax(sum(weights), ppm, rounding, included=inside)
        for i, part in zip(
            rows, allocate(whole, weights) if whole else [0] * len(rows), strict=True
        ):
            taxes[i] = part
    return taxes


def _check_cart(cart: Cart) -> None:
    """Types of what is not money: mistakes that an untyped host makes, told where they are."""
    wrong: str = ""
    what: object = None
    if type(cart.lines) not in _SEQUENCES:
        wrong, what = "lines", cart.lines
    elif type(cart.discounts) not in _SEQUENCES:
        wrong, what = "discounts", cart.discounts
    elif type(cart.kind) is not OrderKind:
        wrong, what = "kind", cart.kind
    elif type(cart.customer) is not Party:
        wrong, what = "customer", cart.customer
    elif type(cart.address) is not Address:
        wrong, what = "address", cart.address
    elif type(cart.shop) is not str:
        wrong, what = "shop", cart.shop
    if wrong:
        hint = ": a tuple of one is written (line,)" if wrong in {"lines", "discounts"} else ""
        raise InvalidCart(f"it is not a {type(what).__name__}{hint}", path=wrong)
    address = cart.address
    if type(address.lines) not in _SEQUENCES:
        raise InvalidCart("lines of an address are a tuple of texts", path="address.lines")
    country = address.country
    if country and not (isinstance(country, str) and len(country) == 2 and country.isupper()):
        reason = "a country is two capitals of ISO 3166-1: 'DE'"
        raise InvalidCart(reason, path="address.country", country=str(country)[:20])
    if cart.shipping is not None and not isinstance(cart.shipping, ShippingCharge):
        raise InvalidCart("it is not a ShippingCharge", path="shipping")


def quote(cart: Cart, policy: PricingPolicy, at: datetime) -> Quote:
    """Price ``cart`` by ``policy`` at the moment ``at``; nothing is written anywhere.

    Raises `InvalidCart`, `InvalidMoney` or `InvalidQuantity` with the path of what is wrong.
    """
    if not isinstance(cart, Cart):
        raise InvalidCart(f"a {type(cart).__name__} is no cart", path="cart")
    currency = cart.currency
    try:
        exponent(currency)
        _check_cart(cart)
        count = len(cart.lines)
        if not 0 < count <= LINES_MAX:
            raise InvalidCart(f"a cart has 1 to {LINES_MAX} lines, not {count}", path="lines")
        applied: list[AppliedDiscount] = []
        rounding = policy.discount_rounding
        priced: list[_Priced] = []
        try:
            for line in cart.lines:
                priced.append(_priced(line, len(priced), currency, rounding, applied))
        except OrdercoreError as error:
            raise error.at(f"lines[{len(priced)}]") from None
        ids = {half.id for half in priced}
        if len(ids) != count or SHIPPING in ids:
            raise InvalidCart("each line has an id of its own, other than 'shipping'", path="lines")
        shares = _order_discounts(cart, priced, rounding, applied) if cart.discounts else None
        return _figures(cart, policy, at, priced, shares, tuple(applied))
    except OrdercoreError as error:
        raise error.at("cart") from None


def _figures(
    cart: Cart,
    policy: PricingPolicy,
    at: datetime,
    priced: list[_Priced],
    shares: list[int] | None,
    applied: tuple[AppliedDiscount, ...],
) -> Quote:
    """Tax everything and build the quote, each line once."""
    tax = policy.tax
    to, day = cart.address.destination(), at.date()
    rates: dict[str, int] = {}  # each rate is looked up once
    amounts: list[int] = []
    ppms: list[int] = []
    included: list[bool] = []
    default = tax.prices_include_tax
    for i, (line, _, _, listed, discount, freight) in enumerate(priced):
        amounts.append(listed - discount - (0 if shares is None else shares[i]) + freight)
        ppm = rates.get(line.tax_category)
        if ppm is None:
            found = tax.rate(line.tax_category, to, day, f"lines[{i}].tax_category")
            ppm = rates[line.tax_category] = found.percent.ppm
        ppms.append(ppm)
        included.append(default if line.tax_included is None else line.tax_included)
    shipping = cart.shipping
    if shipping is not None:
        amounts.append(_shipping_amount(shipping, cart.currency))
        found = tax.rate(shipping.tax_category, to, day, "shipping.tax_category")
        ppms.append(found.percent.ppm)
        included.append(default if shipping.tax_included is None else shipping.tax_included)
    taxes = _taxes(tax, priced, amounts, ppms, included)
    lines: list[QuoteLine] = []
    for i, (line, name, unit, listed, discount, freight) in enumerate(priced):
        amount, levy, inside = amounts[i], taxes[i], included[i]
        net = amount - levy if inside else amount
        lines.append(
            QuoteLine(
                name, line.sku, line.name, line.quantity, unit, listed, discount,
                0 if shares is None else shares[i], freight, amount, line.tax_category,
                ppms[i], inside, levy, net, net + levy, line.category, line.weight_grams,
                line.source_url,
                _attributes(line.attributes, f"lines[{i}].attributes") if line.attributes else (),
                extra_text(line.extra, f"lines[{i}].extra") if line.extra else "",
            )
        )  # fmt: skip
    charges: tuple[QuoteCharge, ...] = ()
    if shipping is not None:
        amount, levy, inside = amounts[-1], taxes[-1], included[-1]
        net = amount - levy if inside else amount
        charges = (
            QuoteCharge(
                SHIPPING, shipping.name, amount, shipping.tax_category, ppms[-1], inside, levy, net,
                net + levy,
            ),
        )  # fmt: skip
    if cart.extra:
        extra_text(cart.extra, "extra")
    return _summed(cart, policy, at, tuple(lines), charges, applied)


def _shipping_amount(shipping: ShippingCharge, currency: str) -> int:
    amount = to_minor(shipping.amount, currency, "shipping.amount")
    if amount < 0:
        raise InvalidCart("shipping is not negative", path="shipping.amount", amount=amount)
    return amount


def _taxes(
    tax: TaxPolicy, priced: list[_Priced], amounts: list[int], ppms: list[int], included: list[bool]
) -> list[int]:
    """Tax of each row, rounded at the level that the policy says."""
    rounding = tax.rounding
    if tax.scope is RoundingScope.RATE or tax.scope is RoundingScope.ORDER:
        return _order_taxes(amounts, ppms, included, rounding)
    taxes = []
    units = tax.scope is RoundingScope.UNIT
    for i, amount in enumerate(amounts):
        ppm = ppms[i]
        if ppm == 0:
            taxes.append(0)
        elif units and i < len(priced):
            number = priced[i].line.quantity
            taxes.append(_unit_taxes(amount, number, ppm, rounding, included=included[i]))
        elif included[i]:
            taxes.append(divide(amount * ppm, 1_000_000 + ppm, rounding))
        else:
            taxes.append(divide(amount * ppm, 1_000_000, rounding))
    return taxes


def _summed(
    cart: Cart,
    policy: PricingPolicy,
    at: datetime,
    lines: tuple[QuoteLine, ...],
    charges: tuple[QuoteCharge, ...],
    applied: tuple[AppliedDiscount, ...],
) -> Quote:
    by_rate: dict[int, list[int]] = {}
    subtotal = discount = tax = net = 0
    for line in lines:
        subtotal += line.list_amount
        discount += line.discount + line.order_discount
        tax += line.tax
        net += line.net
        sums = by_rate.get(line.tax_ppm)
        if sums is None:
            by_rate[line.tax_ppm] = [line.net, line.tax]
        else:
            sums[0] += line.net
            sums[1] += line.tax
    for charge in charges:
        tax += charge.tax
        net += charge.net
        sums = by_rate.setdefault(charge.tax_ppm, [0, 0])
        sums[0] += charge.net
        sums[1] += charge.tax
    total = net + tax
    if total > MINOR_MAX:
        checked_minor(total, "total")
    if subtotal > MINOR_MAX:
        checked_minor(subtotal, "subtotal")
    return Quote(
        cart.currency, lines, charges, applied,
        tuple([TaxTotal(ppm, sums[0], sums[1]) for ppm, sums in by_rate.items()]),
        subtotal, discount, tax, net, total, policy.tax.rounding, policy.tax.scope, at,
        at + policy.quote_valid, cart, policy,
    )  # fmt: skip
