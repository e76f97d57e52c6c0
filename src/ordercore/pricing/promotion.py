"""Promotions: who gets what off which goods, when, at whose cost.

A promotion is a benefit with a scope and conditions. Promotions stand in layers (`Layer`), which apply
in the order in which the policy lists them; inside a layer the lowest ``priority`` comes first, then the
order of the list. Each works on what the earlier ones left, unless it says otherwise.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import attrs

from ordercore.errors import InvalidInput
from ordercore.money import Percent
from ordercore.pricing.cart import Funder, OrderKind
from ordercore.pricing.coupon import CouponTerms
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ordercore.money import Money
    from ordercore.pricing.basket import Basket

__all__ = [
    "Benefit",
    "BuyGet",
    "Choose",
    "Conditions",
    "DiscountLevel",
    "EveryOff",
    "HostRule",
    "Layer",
    "LineAmount",
    "LinePercent",
    "OffBase",
    "OrderAmount",
    "OrderPercent",
    "Per",
    "PriceKind",
    "Promotion",
    "PromotionRule",
    "Scope",
    "SetTotal",
    "ShippingOff",
    "ShippingTo",
    "SkuPrice",
    "SpecialPrice",
    "Spread",
    "Step",
    "Steps",
]


_SEQUENCES = (tuple, list)
# Up to this many members a tuple is searched faster than a set of it is looked up.
_FEW = 4


class DiscountLevel(enum.Enum):
    """What a discount is off."""

    __hash__ = object.__hash__

    LINE = "line"
    ORDER = "order"
    SHIPPING = "shipping"


class Spread(enum.Enum):
    """By what a discount on several lines is shared over them. No line is lowered below its floor:
    where one would be, the others bear the more."""

    __hash__ = object.__hash__

    REMAINING = "remaining"
    """By what remains of each, as shown (with tax where the price has it)."""
    NET = "net"
    """By what remains of each without tax."""
    LIST = "list"
    """By list amount."""


class OffBase(enum.Enum):
    """What a percentage is of."""

    __hash__ = object.__hash__

    REMAINING = "remaining"
    LIST = "list"


class Per(enum.Enum):
    """What a fixed amount is off: each unit, or the line."""

    __hash__ = object.__hash__

    UNIT = "unit"
    LINE = "line"


class PriceKind(enum.Enum):
    """Why an article has a special price."""

    __hash__ = object.__hash__

    FLASH = "flash"
    GROUP = "group"
    MEMBER = "member"
    TIER = "tier"
    """By number of units."""


class Choose(enum.Enum):
    """Which promotions of a layer apply."""

    __hash__ = object.__hash__

    ALL = "all"
    """Each, one after the other."""
    BEST = "best"
    """The one that takes off most."""
    FIRST = "first"
    """The first that takes off anything."""


# --- Which goods, and when ---------------------------------------------------------------------


@value
class Scope:
    """Which lines take part: those that match every list that is not empty, and no exception.

    A component of a bundle matches a list, or is an exception, by its own sku, category or brand
    or by the bundle's. ``vouchers`` takes in voucher products, which are left out otherwise;
    ``bundles`` the components of bundles, whose price is lowered already.
    """

    skus: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    except_skus: tuple[str, ...] = ()
    except_categories: tuple[str, ...] = ()
    except_brands: tuple[str, ...] = ()
    bundles: bool = True
    vouchers: bool = False
    # Sets of the long lists, made when they are first asked for: a list may name 100,000 articles.
    _index: dict[str, frozenset[str]] = attrs.field(init=False, eq=False, repr=False, factory=dict)

    def among(self, name: str) -> Collection[str]:
        """The members of the list ``name`` ("skus"), quick to search.

        Raises `InvalidInput` where it is no list: a text would match by its letters.
        """
        found = self._index.get(name)
        if found is not None:
            return found
        names: tuple[str, ...] = getattr(self, name)
        if type(names) not in _SEQUENCES:
            raise InvalidInput(f"needs a tuple, not a {type(names).__name__}", path=f"scope.{name}")
        if len(names) <= _FEW:
            return names
        found = self._index[name] = frozenset(names)
        return found


@value
class Conditions:
    """When a promotion applies: every condition that is set must hold.

    ``at_least`` is measured on what remains to be paid in money for the lines in scope, as shown;
    points that are part of a price do not count. ``at_least_units`` counts units as `BuyGet` does.
    ``starts`` is the first moment, ``ends`` the first moment after.
    """

    kinds: tuple[OrderKind, ...] = ()
    groups: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    shops: tuple[str, ...] = ()
    first_order: bool = False
    starts: datetime | None = None
    ends: datetime | None = None
    at_least: Money | None = None
    at_least_units: int = 0


# --- What is given -----------------------------------------------------------------------------


@value
class SkuPrice:
    """A unit price of one article, from ``from_units`` units of it on the lines in scope together.

    Points that are part of the article's price are due beside it."""

    sku: str
    price: Money
    from_units: int = 1


@value
class SpecialPrice:
    """Other unit prices: of a flash sale, of a group, of members, by number of units.

    Of several prices for an article the one with the most ``from_units`` that is reached holds.
    A price above the list price changes nothing, and a line that earlier promotions
    brought below it is not lowered again. Where the list prices of another destination are worked out
    from the catalog's, so are these.
    """

    prices: tuple[SkuPrice, ...]
    kind: PriceKind = PriceKind.FLASH
    # By article, made when it is first asked for: a catalog may have 100,000 prices.
    _index: dict[str, list[SkuPrice]] = attrs.field(init=False, eq=False, repr=False, factory=dict)

    def prices_of(self, sku: str) -> Sequence[SkuPrice]:
        """The prices of an article, those of few units first."""
        if not self._index:
            made: dict[str, list[SkuPrice]] = {}
            for price in sorted(self.prices, key=_from_units):
                made.setdefault(price.sku, []).append(price)
            self._index.update(made)
        return self._index.get(sku, ())


def _from_units(price: SkuPrice) -> int:
    return price.from_units


@value
class LinePercent:
    """A percentage off each line in scope, each rounded by itself; ``cap`` bounds them together."""

    percent: Percent
    of: OffBase = OffBase.REMAINING
    cap: Money | None = None


@value
class LineAmount:
    """A fixed amount off each line in scope, or off each of its units."""

    amount: Money
    per: Per = Per.LINE


@value
class BuyGet:
    """For each ``buy`` units in scope, ``get`` more of them at ``percent`` off.

    The units of all lines in scope stand in one row, the dearest first. Each full group of
    ``buy + get`` units from the front has its own ``get`` cheapest reduced (30, 20, 20, 10, 10, 5 with
    buy 2 get 1: the third and the last, 20 and 5). So a unit more never makes the reduction smaller,
    whatever it costs; only a floor may, or odd cents that are kept apart. ``times`` bounds the number of groups, which are then the
    dearest; 0 is no bound.

    What a unit costs is what earlier promotions left of its line to be paid in money, shared over the
    line's units. A percentage is rounded once, for all units together, and shared by what they cost.

    A bundle is one unit, at what all its components cost together, if all of them are in scope; of
    another bundle no component is a unit. A component that the scope lists by its own sku is a unit
    by itself, unless the bundle's sku is listed too.
    """

    buy: int
    get: int
    percent: Percent = Percent(1_000_000)
    times: int = 0


@value
class EveryOff:
    """For each full ``every`` of the lines in scope, ``off``: every 200 less 20. ``times`` 0 is no bound."""

    every: Money
    off: Money
    times: int = 0


@value
class Step:
    """From ``at_least`` on: an ``amount`` or a ``percent`` off, one of the two."""

    at_least: Money
    amount: Money | None = None
    percent: Percent | None = None


@value
class Steps:
    """Tiers of reduction: the highest step that is reached holds (100 less 10, 300 less 50)."""

    steps: tuple[Step, ...]


@value
class OrderPercent:
    """A percentage off what remains of all lines in scope together, at most ``cap``."""

    percent: Percent
    cap: Money | None = None


@value
class OrderAmount:
    """A fixed amount off all lines in scope together, at most what remains of them."""

    amount: Money


@value
class SetTotal:
    """The lines in scope cost ``total`` together.

    With ``units``, each full set of that many units (counted as in `BuyGet`) costs ``total``
    ("any 3 for 20.00"): the dearest units fill the sets, the others keep their price. A set of units
    that cost no more than ``total`` is not made, so buying more never takes a reduction away.
    Points that are part of a price are due beside ``total``.
    """

    total: Money
    units: int = 0


@value
class ShippingOff:
    """A percentage off shipping, at most ``cap``; 100 % is free shipping."""

    percent: Percent = Percent(1_000_000)
    cap: Money | None = None


@value
class ShippingTo:
    """Shipping costs at most ``price``."""

    price: Money


class PromotionRule(Protocol):
    """A promotion of the host's own: a pure function of the basket."""

    def __call__(self, basket: Basket) -> Mapping[str, int]:
        """What to take off, in minor units by line id; lines left out give nothing."""
        ...


@value
class HostRule:
    """A benefit that the host computes. ``name`` stands for ``rule`` in documents and explanations.

    What it takes off is held to the same bounds as any other: whole minor units,
    lines in scope, no line below its floor; anything else raises `InvalidPolicy`, as does a rule that fails.
    At `DiscountLevel.SHIPPING` it answers with ``{"shipping": ...}``.
    The rule gets a copy of the basket and of its lines, so changing their figures changes nothing.
    What is not copied are the values that they refer to, such as the cart's own line (`BasketLine.line`)
    with the host's ``attributes`` and ``extra``: as any value of the library, these are to be read only.
    """

    name: str
    rule: PromotionRule = attrs.field(eq=False, repr=False)
    level: DiscountLevel = DiscountLevel.ORDER


Benefit = (
    SpecialPrice
    | LinePercent
    | LineAmount
    | BuyGet
    | EveryOff
    | Steps
    | OrderPercent
    | OrderAmount
    | SetTotal
    | ShippingOff
    | ShippingTo
    | HostRule
)
"""What a promotion gives. The first four and their like are off lines, `EveryOff` to `SetTotal` off
the order, the shipping ones off shipping."""


@value
class Promotion:
    """A benefit, for whom, when, on which goods, and who pays for it.

    ``id`` is unique in the policy. ``group`` names an exclusivity group: of all promotions in one group
    at most one applies to an order, of the first layer that has one to apply. If that layer has several
    of the group, it is the one that takes off most, measured and applied where the first of them
    stands; in a layer that chooses the first, the first. ``coupon`` makes it wait for a code
    (see `Coupon`).
    Amounts are in one currency; for a cart in another the promotion does not apply.
    """

    id: str
    benefit: Benefit
    label: str = ""
    scope: Scope = Scope()
    when: Conditions = Conditions()
    priority: int = 0
    group: str = ""
    funder: Funder = Funder.MERCHANT
    spread: Spread = Spread.REMAINING
    coupon: CouponTerms | None = None


@value
class Layer:
    """Promotions that stand at one place in the order of application."""

    name: str
    promotions: tuple[Promotion, ...]
    choose: Choose = Choose.ALL
