"""What may be changed of an order that was placed: a closed union of changes to its cart.

A change says what the order is to be, never by how much its price moves: the amended cart is priced
by the same ``quote`` as any other, and what is due or owed follows from the totals.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from ordercore.clock import utc
from ordercore.errors import InvalidCart, InvalidInput, InvalidManifest
from ordercore.goods import LineId
from ordercore.money import from_minor, to_minor
from ordercore.party import Address
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    DiscountLevel,
    PercentOff,
    Presale,
    ShippingCharge,
)
from ordercore.pricing.portion import line_portions, offs_by_line
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.money import Money
    from ordercore.pricing import AppliedDiscount, QuoteLine
    from ordercore.pricing.cart import Discount

__all__ = [
    "CHANGES_MAX",
    "AddLine",
    "CartChange",
    "ChangeAddress",
    "ChangeCodes",
    "ChangeQuantity",
    "ChangeShipping",
    "RemoveLine",
    "amended_cart",
]

CHANGES_MAX = 100
"""Most changes of one amendment."""


@value
class AddLine:
    """One more line, at the price that the host gives it."""

    line: CartLine


@value
class RemoveLine:
    """A line goes, with all its units."""

    line: str


@value
class ChangeQuantity:
    """A line is to have so many units, at least one."""

    line: str
    quantity: int


@value
class ChangeAddress:
    """The goods go elsewhere; tax, duty and promotions follow."""

    address: Address


@value
class ChangeCodes:
    """Other coupon codes than before: all that are to count."""

    codes: tuple[str, ...]


@value
class ChangeShipping:
    """Another shipping method at its price; ``None`` for none."""

    shipping: ShippingCharge | None


CartChange = AddLine | RemoveLine | ChangeQuantity | ChangeAddress | ChangeCodes | ChangeShipping
"""Everything that an amendment may change. A note is another command: it changes no price."""


def _place(lines: list[CartLine], name: str, path: str) -> int:
    for i, line in enumerate(lines):
        if line.id == name:
            return i
    known = tuple(line.id for line in lines)
    raise InvalidManifest(f"the order has no line {name!r}", path=f"{path}.line", known=known)


def lost_offs(
    lines: Sequence[QuoteLine], discounts: Sequence[AppliedDiscount], gone: Mapping[LineId, int]
) -> Mapping[int, int]:
    """What of each discount was for units that went back, in minor units, by its place in ``discounts``.

    ``gone`` are those units by line. What remains bears on the units that are left, as they were paid.
    """
    lost: dict[int, int] = {}
    for line, offs in zip(lines, offs_by_line(lines, discounts), strict=True):
        units = gone.get(line.id, 0)
        if not units or not offs:
            continue
        kept: dict[int, int] = {}
        (left,) = line_portions(line, [line.quantity - units], units, offs)
        if left is not None:
            kept = dict(left.offs)
            if sum(kept.values()) != left.line.discount + left.line.order_discount:
                continue  # it does not tell which of them took what off
        for place, amount, _, _ in offs:
            lost[place] = lost.get(place, 0) + amount - kept.get(place, 0)
    return lost


def _still_off(
    offs: tuple[Discount, ...],
    line: str,
    discounts: Sequence[AppliedDiscount],
    lost: Mapping[int, int],
    currency: str,
) -> tuple[Discount, ...]:
    """A cart's own discounts on a line, or on all of it: what was for units that went back is not given again."""
    applied = [
        (off, lost.get(place, 0))
        for place, off in enumerate(discounts)
        if off.line == line
        and off.level is (DiscountLevel.LINE if line else DiscountLevel.ORDER)
        and not (off.promotion or off.code or off.layer)
    ]
    if len(applied) != len(offs):  # it was taken over and does not tell which took what off
        return offs
    found: list[Discount] = []
    for off, (one, less) in zip(offs, applied, strict=True):
        most = off.amount if isinstance(off, AmountOff) else off.cap
        if not less or most is None:
            found.append(off)
            continue
        minor = to_minor(most, currency)
        if isinstance(off, PercentOff) and one.amount < minor:
            found.append(off)
            continue
        if minor > less:
            left = from_minor(minor - less, currency)
            found.append(
                AmountOff(left, off.label, off.funder)
                if isinstance(off, AmountOff)
                else PercentOff(off.percent, off.label, left, off.funder)
            )
    return tuple(found)


def cart_left(
    cart: Cart,
    lines: Sequence[QuoteLine],
    discounts: Sequence[AppliedDiscount],
    gone: Mapping[LineId, int],
) -> Cart:
    """The cart that an order was priced from, without units that went back; its lines have ids. ``lines`` and
    ``discounts`` are what came of it.

    Fixed discounts are what is left of them: of each, units have taken their share along.
    """
    lost = lost_offs(lines, discounts, gone) if gone else {}
    found = []
    for i, line in enumerate(cart.lines):
        name = line.id or str(i + 1)
        units = gone.get(LineId(name), 0)
        if line.quantity > units:
            offs = line.discounts
            if lost:
                offs = _still_off(offs, name, discounts, lost, cart.currency)
            found.append(line_as(line, name, line.quantity - units, discounts=offs))
    own = cart.discounts
    if lost:
        own = _still_off(own, "", discounts, lost, cart.currency)
    return cart_with(cart, tuple(found), discounts=own)


def line_as(
    line: CartLine,
    name: str,
    quantity: int,
    price: Money | None = None,
    discounts: tuple[Discount, ...] | None = None,
) -> CartLine:
    """A line under another id, with so many units, and at another unit price or with other discounts where they are
    given."""
    return CartLine(
        line.sku, quantity, line.unit_price if price is None else price, line.name, name,
        line.discounts if discounts is None else discounts, line.tax_category, line.tax_included, line.category, line.weight_grams,
        line.source_url, line.domestic_freight, line.attributes, line.extra, line.brand, line.kind,
        line.customs, line.components, line.floor_price, line.points, line.merchant,
    )  # fmt: skip


def cart_with(
    cart: Cart,
    lines: tuple[CartLine, ...],
    draft: _Draft | None = None,
    presale: Presale | None = None,
    discounts: tuple[Discount, ...] | None = None,
) -> Cart:
    """A cart with other lines, and what else a draft has changed; with ``presale``, under that one; with other
    discounts of its own where they are given."""
    changed = cart if draft is None else draft
    return Cart(
        cart.currency, lines, cart.discounts if discounts is None else discounts, changed.shipping, cart.kind, cart.shop,
        cart.customer, changed.address, cart.extra, changed.codes, cart.shopper, cart.fees,
        cart.attribution, presale or cart.presale,
    )  # fmt: skip


def in_utc(cart: Cart) -> Cart:
    """The cart as an order keeps it: the windows of its presale are moments, whatever clock showed them."""
    presale = cart.presale
    if presale is None:
        return cart
    again = Presale(
        presale.deposit, utc(presale.balance_from), utc(presale.balance_until), presale.kind,
        presale.counts,
    )  # fmt: skip
    return cart_with(cart, cart.lines, presale=again)


class _Draft:
    """A cart under change."""

    __slots__ = ("address", "codes", "lines", "numbers", "shipping")

    def __init__(self, cart: Cart) -> None:
        self.lines = [
            line if line.id else line_as(line, str(i + 1), line.quantity)
            for i, line in enumerate(cart.lines)
        ]
        ids = [line.id for line in self.lines]
        taken = [int(name) for name in ids if name.isascii() and name.isdigit() and len(name) < 10]
        self.numbers = count(max(taken, default=0) + 1)
        self.address, self.codes, self.shipping = cart.address, cart.codes, cart.shipping

    def add(self, change: AddLine, path: str) -> None:
        line = change.line
        if not isinstance(line, CartLine):
            reason = f"a {type(line).__name__} is no line"
            raise InvalidInput(reason, path=f"{path}.line")
        if not line.id:  # a name that no line of the order has, nor had until this change
            line = line_as(line, str(next(self.numbers)), line.quantity)
        if any(known.id == line.id for known in self.lines):
            reason = f"the order has a line {line.id!r} already"
            raise InvalidCart(reason, path=f"{path}.line.id")
        self.lines.append(line)

    def remove(self, change: RemoveLine, path: str) -> None:
        del self.lines[_place(self.lines, change.line, path)]

    def requantify(self, change: ChangeQuantity, path: str) -> None:
        at = _place(self.lines, change.line, path)
        line = self.lines[at]
        self.lines[at] = line_as(line, line.id, change.quantity)

    def readdress(self, change: ChangeAddress, _path: str) -> None:
        self.address = change.address

    def recode(self, change: ChangeCodes, path: str) -> None:
        if not isinstance(change.codes, list | tuple):
            raise InvalidInput('codes are a list: write ("SPRING",)', path=f"{path}.codes")
        self.codes = tuple(change.codes)

    def reship(self, change: ChangeShipping, _path: str) -> None:
        self.shipping = change.shipping


_CHANGES: Mapping[type[CartChange], Callable[[_Draft, Any, str], None]] = {
    AddLine: _Draft.add,
    RemoveLine: _Draft.remove,
    ChangeQuantity: _Draft.requantify,
    ChangeAddress: _Draft.readdress,
    ChangeCodes: _Draft.recode,
    ChangeShipping: _Draft.reship,
}


def amended_cart(cart: Cart, changes: tuple[CartChange, ...]) -> Cart:
    """The cart after all changes, in their order; its lines have ids.

    Raises `InvalidInput` with the path of the change, `InvalidManifest` for a line that is not there,
    `InvalidCart` where nothing is left: that is a cancellation.
    """
    if not 0 < len(changes) <= CHANGES_MAX:
        reason = f"1 to {CHANGES_MAX} changes, not {len(changes)}"
        raise InvalidInput(reason, path="changes")
    draft = _Draft(cart)
    for i, change in enumerate(changes):
        path = f"changes[{i}]"
        make = _CHANGES.get(type(change))
        if make is None:
            known = tuple(kind.__name__ for kind in _CHANGES)
            reason = f"a {type(change).__name__} is no change: {', '.join(known)}"
            raise InvalidInput(reason, path=path, allowed=known)
        make(draft, change, path)
    if not draft.lines:
        reason = "no line is left: cancel the order instead"
        raise InvalidCart(reason, path="changes")
    return cart_with(cart, tuple(draft.lines), draft)
