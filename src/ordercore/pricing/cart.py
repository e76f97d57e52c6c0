"""What a shopper wants to buy, before it has a price.

A cart is what a host builds from its own catalog.
Nothing is checked here: `ordercore.pricing.quote` checks everything in one pass
and names the path of what is wrong.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from math import gcd
from typing import TYPE_CHECKING, Any

import attrs

from ordercore.party import Address, Attribution, Party
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ordercore.money import Money, Percent

__all__ = [
    "AmountOff",
    "BORDER_CHARGES",
    "Cart",
    "CartLine",
    "ChargeKind",
    "Component",
    "Customs",
    "DepositKind",
    "Discount",
    "Fee",
    "Funder",
    "GoodsKind",
    "OrderKind",
    "PercentOff",
    "PointsRate",
    "Presale",
    "ShippingCharge",
    "Shopper",
]


class _Nothing(Mapping[str, Any]):
    """No entries, for good; unlike a mapping proxy it can be pickled and copied."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"

    def __reduce__(self) -> str:
        return "_NONE"


_NONE: Mapping[str, Any] = _Nothing()


class OrderKind(enum.Enum):
    """How the order came about. Policies key on it: payment windows, reminders."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    REGULAR = "regular"
    """From a cart."""
    BUY_NOW = "buy_now"
    """One article, past the cart."""
    GROUP_BUY = "group_buy"
    FLASH_SALE = "flash_sale"
    POINTS_REDEMPTION = "points_redemption"
    """Goods priced in points, or in points and cash."""
    COUPON = "coupon"
    """From a coupon's own page: the checkout begins with a code."""


class Funder(enum.Enum):
    """Who bears a discount.

    A discount that a third party repays to the seller does not lower what is taxed: that party's money is
    part of the consideration (Council Directive 2006/112/EC, Art. 73); the seller's own does (Art. 79).
    """

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    MERCHANT = "merchant"
    PLATFORM = "platform"
    BRAND = "brand"


class GoodsKind(enum.Enum):
    """What an article is, as far as tax and promotions care."""

    __hash__ = object.__hash__

    GOODS = "goods"
    SERVICE = "service"
    SINGLE_PURPOSE_VOUCHER = "single_purpose_voucher"
    """Place and rate are known when it is sold, so it is taxed then (Directive 2006/112/EC, Art. 30b(1))."""
    MULTI_PURPOSE_VOUCHER = "multi_purpose_voucher"
    """Taxed when it is used, so its sale is outside the scope (Art. 30b(2)). Gift cards."""


class ChargeKind(enum.Enum):
    """What a charge beside the goods is for."""

    __hash__ = object.__hash__

    SHIPPING = "shipping"
    INSURANCE = "insurance"
    FEE = "fee"
    DUTY = "duty"
    IMPORT_TAX = "import_tax"
    CONSUMPTION_TAX = "consumption_tax"


BORDER_CHARGES = frozenset({ChargeKind.DUTY, ChargeKind.IMPORT_TAX, ChargeKind.CONSUMPTION_TAX})
"""Charges that are collected for the state of the destination: no income of the shop."""


@value
class PointsRate:
    """What points are worth: ``points`` points are ``minor`` minor units of the order's currency."""

    points: int = 100
    minor: int = 100

    def quantum(self) -> tuple[int, int]:
        """The smallest whole trade: (points, minor units)."""
        shared = gcd(self.points, self.minor)
        return self.points // shared, self.minor // shared


@value
class PercentOff:
    """A percentage off what remains to be paid, at most ``cap``."""

    percent: Percent
    label: str = ""
    cap: Money | None = None
    funder: Funder = Funder.MERCHANT


@value
class AmountOff:
    """A fixed amount off, at most what remains to be paid. On a line: off the line, not off each unit."""

    amount: Money
    label: str = ""
    funder: Funder = Funder.MERCHANT


Discount = PercentOff | AmountOff
"""What lowers a price. Discounts apply in the order in which they are listed, each on what remains."""


@value
class Customs:
    """What customs ask of an article: its code in the Harmonized System (4 to 12 digits),
    the country it was made in (ISO 3166-1 alpha-2), and plain words for what it is."""

    hs_code: str = ""
    origin: str = ""
    description: str = ""
    excise: bool = False
    """Alcohol, tobacco, perfume and the like, which no relief for small consignments takes in."""


@value
class Component:
    """An article inside a bundle: ``quantity`` of it in each bundle, at ``list_price`` if sold alone."""

    sku: str
    quantity: int
    list_price: Money
    name: str = ""
    tax_category: str = "standard"
    category: str = ""
    brand: str = ""
    weight_grams: int = 0
    customs: Customs | None = None


@value
class CartLine:
    """Some units of one article at one price.

    ``unit_price`` and ``domestic_freight`` are in the cart's currency;
    ``domestic_freight`` is for the whole line (what the shop pays to get the goods to its warehouse)
    and is charged beside the goods: discounts do not touch it.
    ``tax_included`` overrides the policy for this line. ``extra`` is the host's own JSON, kept as it is.

    A bundle has ``components``: it is sold at ``unit_price``, and becomes one line for each component,
    which bears its part of the bundle's price by list price and is taxed by its own category.
    ``floor_price`` is the least that one unit may come to after all discounts.
    ``points`` are due for each unit beside ``unit_price`` (see `PricingPolicy.points_worth`).
    ``merchant`` is whose goods they are where a shop sells for others; empty for the shop's own.
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
    brand: str = ""
    kind: GoodsKind = GoodsKind.GOODS
    customs: Customs | None = None
    components: tuple[Component, ...] = ()
    floor_price: Money | None = None
    points: int = 0
    merchant: str = ""


@value
class ShippingCharge:
    """What the customer pays for delivery."""

    amount: Money
    name: str = "Shipping"
    tax_category: str = "shipping"
    tax_included: bool | None = None


@value
class Fee:
    """A charge beside goods and shipping, under an ``id`` of its own: gift wrap, handling, insurance.

    ``kind`` is `ChargeKind.FEE` or `ChargeKind.INSURANCE` (which counts into a CIF value).
    """

    id: str
    amount: Money
    name: str = ""
    kind: ChargeKind = ChargeKind.FEE
    tax_category: str = "standard"
    tax_included: bool | None = None


@value
class Shopper:
    """What the host knows of the buyer that prices depend on.

    ``groups`` and ``tier`` are the host's own words (``"staff"``, ``"gold"``).
    ``exempt`` names the certificate under which the buyer pays no tax, empty for none.
    """

    groups: tuple[str, ...] = ()
    tier: str = ""
    first_order: bool = False
    exempt: str = ""


class DepositKind(enum.Enum):
    """What a deposit binds to."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    EARNEST = "earnest"
    """Earnest money: lost if the buyer lets the balance pass, doubled back if the seller does not deliver
    (Civil Code of China, Art. 586 and 587)."""
    ADVANCE = "advance"
    """A part paid ahead: it goes back if nothing comes of the order."""
    EXPANDING = "expanding"
    """Earnest money that counts for more than was paid: 50.00 paid, 100.00 off."""


@value
class Presale:
    """A deposit first, the balance within a window of its own.

    ``deposit`` is what is paid first, ``counts`` what it is worth (*expanding*; its own amount by default), both
    in the cart's currency. The balance may be paid from ``balance_from`` until ``balance_until``, which are
    aware moments: `ordercore.calendar.local_moment` makes them of a wall clock in the shop's zone.
    """

    deposit: Money
    balance_from: datetime
    balance_until: datetime
    kind: DepositKind = DepositKind.EARNEST
    counts: Money | None = None


@value
class Cart:
    """Lines, discounts on the whole order, shipping, and who buys where to.

    ``codes`` are the coupon codes that the shopper gave. ``presale`` lets it be paid in two parts.
    """

    currency: str
    lines: tuple[CartLine, ...]
    discounts: tuple[Discount, ...] = ()
    shipping: ShippingCharge | None = None
    kind: OrderKind = OrderKind.REGULAR
    shop: str = ""
    customer: Party = attrs.field(factory=Party)
    address: Address = attrs.field(factory=Address)
    extra: Mapping[str, Any] = attrs.field(default=_NONE, hash=False)
    codes: tuple[str, ...] = ()
    shopper: Shopper = Shopper()
    fees: tuple[Fee, ...] = ()
    attribution: Attribution = Attribution()
    presale: Presale | None = None
