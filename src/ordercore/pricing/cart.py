"""What a shopper wants to buy, before it has a price.

A cart is what a host builds from its own catalog.
Nothing is checked here: `ordercore.pricing.quote` checks everything in one pass
and names the path of what is wrong.
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from ordercore.party import Address, Party
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.money import Money, Percent

__all__ = ["AmountOff", "Cart", "CartLine", "Discount", "OrderKind", "PercentOff", "ShippingCharge"]

_NONE: Mapping[str, Any] = MappingProxyType({})


class OrderKind(enum.Enum):
    """How the order came about. Policies key on it: payment windows, reminders."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    REGULAR = "regular"
    BUY_NOW = "buy_now"
    GROUP_BUY = "group_buy"
    FLASH_SALE = "flash_sale"


@value
class PercentOff:
    """A percentage off what remains to be paid, at most ``cap``."""

    percent: Percent
    label: str = ""
    cap: Money | None = None


@value
class AmountOff:
    """A fixed amount off, at most what remains to be paid. On a line: off the line, not off each unit."""

    amount: Money
    label: str = ""


Discount = PercentOff | AmountOff
"""What lowers a price. Discounts apply in the order in which they are listed, each on what remains."""


@value
class CartLine:
    """Some units of one article at one price.

    ``unit_price`` and ``domestic_freight`` are in the cart's currency;
    ``domestic_freight`` is for the whole line (what the shop pays to get the goods to its warehouse)
    and is charged beside the goods: discounts do not touch it.
    ``tax_included`` overrides the policy for this line. ``extra`` is the host's own JSON, kept as it is.
    """

    sku: str
    quantity: int
    unit_price: Money
    name: str = ""
    id: str = ""
    discounts: tuple[Discount, ...] = ()
    tax_category: str = "standard"
    tax_included: bool | None = None
    category: str = ""
    weight_grams: int = 0
    source_url: str = ""
    domestic_freight: Money | None = None
    attributes: Mapping[str, str] = attrs.field(default=_NONE, hash=False)
    extra: Mapping[str, Any] = attrs.field(default=_NONE, hash=False)


@value
class ShippingCharge:
    """What the customer pays for delivery."""

    amount: Money
    name: str = "Shipping"
    tax_category: str = "shipping"
    tax_included: bool | None = None


@value
class Cart:
    """Lines, discounts on the whole order, shipping, and who buys where to."""

    currency: str
    lines: tuple[CartLine, ...]
    discounts: tuple[Discount, ...] = ()
    shipping: ShippingCharge | None = None
    kind: OrderKind = OrderKind.REGULAR
    shop: str = ""
    customer: Party = attrs.field(factory=Party)
    address: Address = attrs.field(factory=Address)
    extra: Mapping[str, Any] = attrs.field(default=_NONE, hash=False)
