"""The basket: what promotions read and lower, between a cart and its quote.

A basket is made for one pass of pricing and thrown away. All figures are minor units of its currency.
A host's own promotion (`ordercore.pricing.promotion.PromotionRule`) gets a copy of it,
so lowering lines of its copy changes no price. The cart's own lines are not copied: they are values,
which nobody may change.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from ordercore.allocation import RemainderRule
from ordercore.errors import InvalidInput
from ordercore.money import Rounding
from ordercore.pricing.cart import GoodsKind, OrderKind, Shopper

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from ordercore.pricing.cart import CartLine
    from ordercore.pricing.promotion import Scope

__all__ = ["Basket", "BasketLine"]

# Read on every line: a look-up through an Enum class costs several times a name of the module.
_GOODS = GoodsKind.GOODS
_VOUCHERS = (GoodsKind.SINGLE_PURPOSE_VOUCHER, GoodsKind.MULTI_PURPOSE_VOUCHER)
_WANTED: Sequence[tuple[str, Callable[[object], str]]] = (
    ("skus", attrgetter("sku")),
    ("categories", attrgetter("category")),
    ("brands", attrgetter("brand")),
)
_BARRED = tuple([(f"except_{listed}", of) for listed, of in _WANTED])


class BasketLine:
    """One line on its way to its price.

    ``list_amount`` = ``quantity`` x ``unit_price``. ``left`` is what remains to be paid for the line,
    ``floor`` the least that may remain. ``points_worth`` is the part of both (and of ``list_amount``)
    that is due in points, for the whole line: percentages, thresholds and weights leave it out.
    ``off_line``, ``off_order`` and ``funded`` are running sums:
    what line and order discounts took, and what of both a third party repays.
    ``bundle`` is the id of the cart line that this is a component of, empty for none;
    ``bundle_line`` is that line.
    ``net_ppm`` is the rate of the tax that is inside the price, 0 where there is none inside.
    ``line`` is the cart's own line, with the host's ``attributes`` and ``extra``; it is to be read only.
    ``shown`` makes of a unit price of the catalog, in minor units, the one at the destination;
    ``None`` where that is the same.
    """

    __slots__ = (
        "brand", "bundle", "bundle_line", "category", "floor", "funded", "id", "kind", "left", "line",
        "list_amount", "name", "net_ppm", "off_line", "off_order", "points_worth", "quantity", "shown",
        "sku", "unit_price",
    )  # fmt: skip

    def __init__(
        self,
        id: str,  # noqa: A002
        sku: str,
        name: str,
        category: str,
        brand: str,
        kind: GoodsKind,
        bundle: str,
        quantity: int,
        unit_price: int,
        list_amount: int,
        left: int,
        floor: int,
        line: CartLine,
        net_ppm: int = 0,
        off_line: int = 0,
        off_order: int = 0,
        funded: int = 0,
        points_worth: int = 0,
        shown: Callable[[int], int] | None = None,
        bundle_line: CartLine | None = None,
    ) -> None:
        self.id = id
        self.sku = sku
        self.name = name
        self.category = category
        self.brand = brand
        self.kind = kind
        self.bundle = bundle
        self.quantity = quantity
        self.unit_price = unit_price
        self.list_amount = list_amount
        self.left = left
        self.floor = floor
        self.line = line
        self.net_ppm = net_ppm
        self.off_line = off_line
        self.off_order = off_order
        self.funded = funded
        self.points_worth = points_worth
        self.shown = shown
        self.bundle_line = bundle_line

    def __repr__(self) -> str:
        return (
            f"BasketLine({self.id!r}, {self.sku!r}, {self.quantity} x {self.unit_price},"
            f" left={self.left}, floor={self.floor})"
        )

    @property
    def room(self) -> int:
        """What may still be taken off: what is left above the floor, 0 or more."""
        room = self.left - self.floor
        return max(0, room)

    def copy(self) -> BasketLine:
        """The same figures in a line of its own."""
        return BasketLine(
            self.id, self.sku, self.name, self.category, self.brand, self.kind, self.bundle,
            self.quantity, self.unit_price, self.list_amount, self.left, self.floor, self.line,
            self.net_ppm, self.off_line, self.off_order, self.funded, self.points_worth, self.shown,
            self.bundle_line,
        )  # fmt: skip


class Basket:
    """All lines of an order on their way to their prices, and who buys them where and when.

    ``customer`` is the customer's id, empty for a guest. ``shipping`` is the price of delivery,
    ``None`` where nothing is delivered; it stays as it is, and ``shipping_off`` says what
    promotions took off it (``shipping_funded`` of that is repaid by a third party).
    ``rounding`` rounds percentages, ``remainder`` says who gets the odd cents of a shared discount.
    """

    __slots__ = (
        "at", "country", "currency", "customer", "kind", "lines", "remainder", "rounding", "shipping",
        "shipping_funded", "shipping_off", "shop", "shopper",
    )  # fmt: skip

    def __init__(
        self,
        currency: str,
        lines: list[BasketLine],
        at: datetime,
        *,
        kind: OrderKind = OrderKind.REGULAR,
        shop: str = "",
        country: str = "",
        customer: str = "",
        shopper: Shopper | None = None,
        shipping: int | None = None,
        shipping_off: int = 0,
        shipping_funded: int = 0,
        rounding: Rounding = Rounding.HALF_UP,
        remainder: RemainderRule = RemainderRule.LARGEST_FRACTION,
    ) -> None:
        self.currency = currency
        self.lines = lines
        self.at = at
        self.kind = kind
        self.shop = shop
        self.country = country
        self.customer = customer
        self.shopper = Shopper() if shopper is None else shopper
        self.shipping = shipping
        self.shipping_off = shipping_off
        self.shipping_funded = shipping_funded
        self.rounding = rounding
        self.remainder = remainder

    @property
    def shipping_left(self) -> int:
        """What remains to be paid for delivery; 0 where nothing is delivered."""
        return 0 if self.shipping is None else self.shipping - self.shipping_off

    def total(self) -> int:
        """What remains of all lines, points among it, without shipping."""
        return sum([line.left for line in self.lines])

    def units(self) -> int:
        """How many units all lines have."""
        return sum([line.quantity for line in self.lines])

    def matching(self, scope: Scope) -> list[BasketLine]:
        """The lines that ``scope`` takes in, in the order of the basket.

        Raises `InvalidInput` for a scope with a list or a switch of another type.
        """
        if type(scope.vouchers) is not bool or type(scope.bundles) is not bool:
            raise InvalidInput("vouchers and bundles are True or False", path="scope")
        lines = self.lines
        if not scope.vouchers:
            lines = [line for line in lines if line.kind is _GOODS or line.kind not in _VOUCHERS]
        if not scope.bundles:
            lines = [line for line in lines if not line.bundle]
        for listed, of in _WANTED:
            if getattr(scope, listed):
                names = scope.among(listed)
                lines = [line for line in lines if _is_among(line, of, names)]
        for listed, of in _BARRED:
            if getattr(scope, listed):
                names = scope.among(listed)
                lines = [line for line in lines if not _is_among(line, of, names)]
        return list(lines) if lines is self.lines else lines

    def copy(self) -> Basket:
        """The same figures in a basket of its own; the cart's lines themselves are not copied."""
        return Basket(
            self.currency,
            [line.copy() for line in self.lines],
            self.at,
            kind=self.kind,
            shop=self.shop,
            country=self.country,
            customer=self.customer,
            shopper=self.shopper,
            shipping=self.shipping,
            shipping_off=self.shipping_off,
            shipping_funded=self.shipping_funded,
            rounding=self.rounding,
            remainder=self.remainder,
        )


def _is_among(line: BasketLine, of: Callable[[object], str], names: Collection[str]) -> bool:
    """Whether a line is named by its own name or by that of its bundle."""
    return of(line) in names or (line.bundle_line is not None and of(line.bundle_line) in names)
