"""Lines of a cart checked and priced by themselves: list amount, own discounts, floor.

Everything later in the pass works on these. A bundle becomes one line for each component, at list price,
with a discount down to its part of the bundle's price.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ordercore.allocation import allocate
from ordercore.errors import InvalidCart, InvalidPolicy, OrdercoreError
from ordercore.goods import QUANTITY_MAX, LineId, quantity
from ordercore.money import MINOR_MAX, checked_minor, divide, to_minor
from ordercore.party import Address, Party
from ordercore.pricing.cart import (
    Cart,
    CartLine,
    ChargeKind,
    Component,
    Customs,
    Fee,
    Funder,
    GoodsKind,
    OrderKind,
    ShippingCharge,
    Shopper,
)
from ordercore.pricing.discount import AppliedDiscount, checked, worked
from ordercore.pricing.exchange import RatePurpose, exchanged, rate_for
from ordercore.pricing.promotion import DiscountLevel
from ordercore.pricing.quote import SHIPPING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.money import Money, Rounding
    from ordercore.pricing.exchange import ExchangeRate
    from ordercore.pricing.quote import PricingPolicy

__all__ = ["EXTRA_BYTES_MAX", "Charge", "Priced", "Pricing", "check_cart", "extra_text"]

EXTRA_BYTES_MAX = 4_096
"""Largest JSON text of a host's ``extra`` on one line or order."""
FEES_MAX = 20
"""Most fees of one cart."""
COMPONENTS_MAX = 100
"""Most components of one bundle."""
POINTS_MAX = 10**9
"""Most points of one unit."""
_INCLUDED = frozenset({type(None), bool})
_MERCHANT = Funder.MERCHANT
_LINE = DiscountLevel.LINE
_SEQUENCES = (tuple, list)
_new = tuple.__new__


class Priced(NamedTuple):
    """A cart line half way: after its own discounts, before promotions. Minor units, for the whole line."""

    line: CartLine
    id: LineId
    unit: int
    listed: int
    discount: int
    freight: int
    included: bool
    floor: int
    funded: int
    bundle: str
    attributes: tuple[tuple[str, str], ...]
    extra: str
    points: int
    """What of the line is due in points."""
    rebased: bool
    """Whether its price stands as it is at the destination, and not as in the catalog."""
    sold_as: CartLine | None
    """The cart's line of the bundle."""


class Charge(NamedTuple):
    """Shipping or a fee half way: after its discount."""

    id: LineId
    name: str
    kind: ChargeKind
    amount: int
    discount: int
    funded: int
    category: str
    included: bool


class Pricing(NamedTuple):
    """What all lines of a cart are priced by. ``rebase`` turns an amount of a category that includes
    the home country's tax into the destination's, and says whether tax is still inside."""

    currency: str
    rounding: Rounding
    included: bool
    policy: PricingPolicy
    rates: tuple[ExchangeRate, ...]
    rebase: Callable[[int, str, GoodsKind], tuple[int, bool]] | None

    def minor(self, amount: Money, path: str) -> int:
        """Minor units of the cart's currency; an amount of the catalog's is exchanged if there is a rate."""
        if not self.rates:
            return to_minor(amount, self.currency, path)
        code = getattr(getattr(amount, "currency", None), "code", self.currency)
        rate = (
            rate_for(self.rates, code, self.currency, RatePurpose.DISPLAY)
            if code != self.currency
            else None
        )
        if rate is None:
            return to_minor(amount, self.currency, path)
        return exchanged(to_minor(amount, code, path), rate, self.policy.exchange.rounding)

    def positive(self, amount: Money, path: str, what: str) -> int:
        """The same, not below nothing."""
        found = self.minor(amount, path)
        if found < 0:
            raise InvalidCart(f"{what} is not negative", path=path, amount=found)
        return found

    def lines(self, found: tuple[CartLine, ...], applied: list[AppliedDiscount]) -> list[Priced]:
        """Check and price each line; errors name its place."""
        priced: list[Priced] = []
        at = 0
        try:
            for at, line in enumerate(found):
                if isinstance(line, CartLine) and line.components:
                    priced += self._bundle(line, at, applied)
                else:
                    priced.append(self.line(line, at, applied))
        except OrdercoreError as error:
            raise error.at(f"lines[{at}]") from None
        return priced

    def charges(
        self, cart: Cart, taken: set[LineId], rebase: Callable[[int, str], tuple[int, bool]]
    ) -> list[Charge]:
        """Shipping and fees as they are listed; ``taken`` are ids that a fee cannot have.

        ``rebase`` does for them what `rebase` does for lines, by the rates that charges are taxed by."""
        found: list[Charge] = []
        shipping = cart.shipping
        if shipping is not None:
            amount = self.positive(shipping.amount, "shipping.amount", "shipping")
            if (
                type(shipping.tax_included) not in _INCLUDED
                or type(shipping.tax_category) is not str
                or type(shipping.name) is not str
            ):
                reason = "tax_included is True, False or None, a category and a name are texts"
                raise InvalidCart(reason, path="shipping")
            included = self.included if shipping.tax_included is None else shipping.tax_included
            if self.rebase is not None and included:
                try:
                    amount, included = rebase(amount, shipping.tax_category)
                except OrdercoreError as error:
                    raise error.at("shipping") from None
            found.append(
                Charge(
                    SHIPPING, shipping.name, ChargeKind.SHIPPING, amount, 0, 0,
                    shipping.tax_category, included,
                )
            )  # fmt: skip
        for i, fee in enumerate(cart.fees):
            try:
                found.append(_fee(fee, self, taken, rebase))
            except OrdercoreError as error:
                raise error.at(f"fees[{i}]") from None
        return found

    def line(self, line: CartLine, index: int, applied: list[AppliedDiscount]) -> Priced:
        """One line, or one component of a bundle; errors name the path within it."""
        if (
            type(line) is not CartLine
            or type(line.name) is not str
            or type(line.sku) is not str
            or not line.sku
            or type(line.tax_included) not in _INCLUDED
            or type(line.weight_grams) is not int
            or line.weight_grams < 0
            or type(line.kind) is not GoodsKind
            or type(line.tax_category) is not str
            or line.customs is not None
        ):
            _check_line(line)
        number = line.quantity
        if type(number) is not int or not 0 < number <= QUANTITY_MAX:
            quantity(number, "quantity")
        currency = self.currency
        unit = (
            self.minor(line.unit_price, "unit_price")
            if self.rates
            else to_minor(line.unit_price, currency, "unit_price")
        )
        if unit < 0:
            reason = "a price is not negative: use a discount"
            raise InvalidCart(reason, path="unit_price", amount=unit)
        included = self.included if line.tax_included is None else line.tax_included
        rebased = self.rebase is not None and included
        if rebased and self.rebase is not None:
            unit, included = self.rebase(unit, line.tax_category, line.kind)
        floor = worth = 0
        if line.floor_price is not None or line.points:
            floor, worth = self._floor(line, unit, rebased=rebased)
            unit += worth
        listed = unit * number
        if listed > MINOR_MAX:
            checked_minor(listed)
        freight = 0
        if line.domestic_freight is not None:
            freight = self.shown(line, line.domestic_freight, "domestic_freight", rebased=rebased)
        name = LineId(line.id or str(index + 1))
        taken = funded = 0
        if line.discounts:
            taken, funded = self._own(line, name, listed, listed - floor * number, applied)
        # made as a bare tuple is: the class's own constructor costs three times as much
        return _new(
            Priced,
            (line, name, unit, listed, taken, freight, included, floor * number, funded, "",
             _attributes(line.attributes) if line.attributes else (),
             extra_text(line.extra, "extra") if line.extra else "",
             worth * number, rebased, None),
        )  # fmt: skip

    def shown(self, line: CartLine, amount: Money, path: str, *, rebased: bool) -> int:
        """An amount of the catalog that stands beside a line's price, as the price does."""
        found = self.positive(amount, path, "it")
        if rebased and self.rebase is not None:
            found, _ = self.rebase(found, line.tax_category, line.kind)
        return found

    def _own(
        self, line: CartLine, name: LineId, listed: int, room: int, applied: list[AppliedDiscount]
    ) -> tuple[int, int]:
        """What the line's own discounts take, and what of it third parties repay."""
        taken = funded = 0
        for i, off in enumerate(checked(line.discounts)):
            ppm, asked, given = worked(
                off, i, listed - taken, room - taken, self.currency, self.rounding
            )
            taken += given
            if off.funder is not _MERCHANT:
                funded += given
            applied.append(
                AppliedDiscount(name, off.label, ppm, asked, given, (), _LINE, "", off.funder)
            )
        return taken, funded

    def _floor(self, line: CartLine, unit: int, *, rebased: bool) -> tuple[int, int]:
        """The least that a unit may come to, and what of its price is due in points."""
        floor = 0
        if line.floor_price is not None:
            floor = min(unit, self.shown(line, line.floor_price, "floor_price", rebased=rebased))
        if not line.points:
            return floor, 0
        rate = self.policy.points_worth
        if rate is not None and (rate.points < 1 or rate.minor < 1):
            raise InvalidPolicy("points are worth something", path="pricing.points_worth")
        if type(line.points) is not int or not 0 < line.points <= POINTS_MAX:
            reason = f"points are a whole number from 0 to {POINTS_MAX}"
            raise InvalidCart(reason, path="points")
        if rate is None:
            raise InvalidCart("the policy does not say what points are worth", path="points")
        worth, rest = divmod(line.points * rate.minor, rate.points)
        if rest:
            reason = f"{line.points} points are no whole number of minor units"
            raise InvalidCart(reason, path="points", points=rate.points, minor=rate.minor)
        # Points are paid as points: no discount takes them off.
        return floor + worth, worth

    def _bundle(self, line: CartLine, index: int, applied: list[AppliedDiscount]) -> list[Priced]:
        """The components of a bundle as lines, the bundle's reduction shared by list price."""
        _check_line(line)
        quantity(line.quantity, "quantity")
        if line.discounts or line.points or line.floor_price is not None:
            reason = "a bundle's price is its reduction: discounts, points and floors go elsewhere"
            raise InvalidCart(reason, path="components")
        if type(line.components) is not tuple or len(line.components) > COMPONENTS_MAX:
            reason = f"components are a tuple of at most {COMPONENTS_MAX}"
            raise InvalidCart(reason, path="components")
        name = line.id or str(index + 1)
        home = self._replace(rebase=None)  # the reduction is worked out in the catalog's own prices
        at_home: list[Priced] = []
        parts: list[Priced] = []
        for i, component in enumerate(line.components):
            try:
                made = _component_line(line, component, f"{name}.{i + 1}")
                at_home.append(home.line(made, index, applied))
                parts.append(at_home[i] if self.rebase is None else self.line(made, index, applied))
            except OrdercoreError as error:
                error.path = error.path.replace("unit_price", "list_price")
                raise error.at(f"components[{i}]") from None
        weights = [part.listed for part in at_home]
        even = weights if any(weights) else [1] * len(weights)  # gifts: nothing to go by
        off = sum(weights) - self.positive(line.unit_price, "unit_price", "a price") * line.quantity
        if off < 0:
            reason = "a bundle costs at most what its components cost"
            raise InvalidCart(reason, path="unit_price", listed=sum(weights))
        shares = allocate(off, even)
        freight = 0
        if line.domestic_freight is not None:
            moved = bool(parts) and parts[0].rebased
            freight = self.shown(line, line.domestic_freight, "domestic_freight", rebased=moved)
        freights = allocate(freight, even) if freight else (0,) * len(parts)
        label = line.name or line.sku
        found = []
        for part, whole, raw, carried in zip(parts, weights, shares, freights, strict=True):
            share = raw if part.listed == whole else divide(raw * part.listed, whole)
            if share:
                applied.append(
                    AppliedDiscount(
                        part.id, label, 0, share, share, (), _LINE, "", _MERCHANT, "", "bundle"
                    )
                )
            found.append(part._replace(discount=share, freight=carried, bundle=name, sold_as=line))
        return found


def _check_line(line: CartLine) -> None:
    """Types of what is not money, told where they are."""
    if not isinstance(line, CartLine):
        raise InvalidCart(f"a {type(line).__name__} is no CartLine")
    if type(line.name) is not str or type(line.tax_included) not in _INCLUDED:
        where = "tax_included" if type(line.name) is str else "name"
        raise InvalidCart("a name is a text, and tax_included True, False or None", path=where)
    if not isinstance(line.sku, str) or not line.sku:
        raise InvalidCart("a line needs a sku", path="sku")
    if type(line.weight_grams) is not int or line.weight_grams < 0:
        reason = "a weight is a whole number of grams, not negative"
        raise InvalidCart(reason, path="weight_grams")
    if type(line.kind) is not GoodsKind:
        raise InvalidCart("it is not a GoodsKind", path="kind")
    if type(line.tax_category) is not str:
        raise InvalidCart("a tax category is a text", path="tax_category")
    if type(line.merchant) is not str:
        raise InvalidCart("a merchant is a text", path="merchant")
    if line.customs is not None:
        _check_customs(line.customs)


def _check_customs(customs: Customs) -> None:
    if type(customs) is not Customs:
        raise InvalidCart("it is not a Customs", path="customs")
    if type(customs.description) is not str or type(customs.excise) is not bool:
        where = "excise" if type(customs.description) is str else "description"
        raise InvalidCart(
            "a description is a text, and excise True or False", path=f"customs.{where}"
        )
    code = customs.hs_code
    if code and not (
        isinstance(code, str) and code.isascii() and code.isdigit() and 4 <= len(code) <= 12
    ):
        reason = "a code of the Harmonized System has 4 to 12 digits, without dots"
        raise InvalidCart(reason, path="customs.hs_code", hs_code=str(code)[:20])
    origin = customs.origin
    if origin and not (isinstance(origin, str) and len(origin) == 2 and origin.isupper()):
        reason = "a country is two capitals of ISO 3166-1: 'DE'"
        raise InvalidCart(reason, path="customs.origin", country=str(origin)[:20])


def _component_line(line: CartLine, component: Component, name: str) -> CartLine:
    if not isinstance(component, Component):
        raise InvalidCart(f"a {type(component).__name__} is no Component")
    quantity(component.quantity, "quantity")
    return CartLine(
        component.sku, component.quantity * line.quantity, component.list_price, component.name,
        name, (), component.tax_category, line.tax_included, component.category,
        component.weight_grams, line.source_url, None, line.attributes, line.extra,
        component.brand, line.kind, component.customs, merchant=line.merchant,
    )  # fmt: skip


def _attributes(attributes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    pairs = tuple(attributes.items())
    for name, text in pairs:
        if not isinstance(name, str) or not isinstance(text, str):
            raise InvalidCart("attributes are texts by name", path="attributes")
    return pairs


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


def _fee(
    fee: Fee, pricing: Pricing, taken: set[LineId], rebase: Callable[[int, str], tuple[int, bool]]
) -> Charge:
    if not isinstance(fee, Fee):
        raise InvalidCart(f"a {type(fee).__name__} is no Fee")
    if not isinstance(fee.id, str) or not fee.id or fee.id in taken:
        raise InvalidCart("a fee has an id of its own", path="id", id=str(fee.id)[:40])
    if fee.kind is not ChargeKind.FEE and fee.kind is not ChargeKind.INSURANCE:
        raise InvalidCart("a fee is of kind FEE or INSURANCE", path="kind")
    if (
        type(fee.tax_included) not in _INCLUDED
        or type(fee.tax_category) is not str
        or type(fee.name) is not str
    ):
        raise InvalidCart("tax_included is True, False or None, a category and a name are texts")
    name = LineId(fee.id)
    taken.add(name)
    included = pricing.included if fee.tax_included is None else fee.tax_included
    amount = pricing.positive(fee.amount, "amount", "a fee")
    if pricing.rebase is not None and included:
        amount, included = rebase(amount, fee.tax_category)
    return Charge(name, fee.name or fee.id, fee.kind, amount, 0, 0, fee.tax_category, included)


_SHAPES: Sequence[tuple[str, type]] = (
    ("kind", OrderKind),
    ("customer", Party),
    ("address", Address),
    ("shop", str),
    ("shopper", Shopper),
    ("codes", tuple),
)


def _complain(cart: Cart, shapes: Sequence[tuple[str, type]]) -> None:
    """Raise for the first field that is not of its type."""
    for name, kind in shapes:
        found = type(getattr(cart, name))
        if kind is tuple and found not in _SEQUENCES:
            reason = f"it is not a {found.__name__}: a tuple of one is written (line,)"
            raise InvalidCart(reason, path=name)
        if kind is not tuple and found is not kind:
            raise InvalidCart(f"it is not a {found.__name__}", path=name)


def check_cart(cart: Cart) -> None:
    """Types of what is not money: mistakes that an untyped host makes, told where they are."""
    if not (
        type(cart.lines) in _SEQUENCES
        and type(cart.discounts) in _SEQUENCES
        and type(cart.fees) in _SEQUENCES
    ):
        _complain(cart, [(name, tuple) for name in ("lines", "discounts", "fees")])
    if not (
        type(cart.kind) is OrderKind
        and type(cart.customer) is Party
        and type(cart.address) is Address
        and type(cart.shop) is str
        and type(cart.shopper) is Shopper
        and type(cart.codes) in _SEQUENCES
    ):
        _complain(cart, _SHAPES)
    shopper = cart.shopper
    if (
        type(shopper.groups) is not tuple
        or type(shopper.tier) is not str
        or type(shopper.exempt) is not str
        or type(shopper.first_order) is not bool
    ):
        reason = "groups are a tuple of texts, tier and exempt texts, first_order True or False"
        raise InvalidCart(reason, path="shopper")
    address = cart.address
    if type(address.lines) not in _SEQUENCES:
        raise InvalidCart("lines of an address are a tuple of texts", path="address.lines")
    country = address.country
    if country and not (isinstance(country, str) and len(country) == 2 and country.isupper()):
        reason = "a country is two capitals of ISO 3166-1: 'DE'"
        raise InvalidCart(reason, path="address.country", country=str(country)[:20])
    if cart.shipping is not None and not isinstance(cart.shipping, ShippingCharge):
        raise InvalidCart("it is not a ShippingCharge", path="shipping")
    if len(cart.fees) > FEES_MAX:
        raise InvalidCart(f"a cart has at most {FEES_MAX} fees", path="fees")
