"""Whether layers of promotions are sound: checked once, when a policy is read, not on every cart."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ordercore.errors import InvalidMoney, InvalidPolicy
from ordercore.money import Percent, to_minor
from ordercore.pricing.cart import Funder, OrderKind
from ordercore.pricing.coupon import CouponTerms
from ordercore.pricing.promotion import (
    BuyGet,
    Choose,
    Conditions,
    DiscountLevel,
    EveryOff,
    HostRule,
    Layer,
    LineAmount,
    LinePercent,
    OffBase,
    OrderAmount,
    OrderPercent,
    Per,
    PriceKind,
    Promotion,
    Scope,
    SetTotal,
    ShippingOff,
    ShippingTo,
    SkuPrice,
    SpecialPrice,
    Spread,
    Step,
    Steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ordercore.pricing.promotion import Benefit

__all__ = ["PROMOTIONS_MAX", "check_layers"]

PROMOTIONS_MAX = 1_000
"""Most promotions of one policy."""
_PRICES_MAX = 100_000
_STEPS_MAX = 100
_COUNT_MAX = 10**9
_SEQUENCES = (tuple, list)
_SCOPE_LISTS = (
    "skus", "categories", "brands", "except_skus", "except_categories", "except_brands",
)  # fmt: skip


def check_layers(layers: Sequence[Layer], path: str) -> None:
    """Raise `InvalidPolicy` with the path of the first thing in ``layers`` that is not sound.

    Refused are wrong types; names of layers or ids of promotions that are empty or come twice;
    more than `PROMOTIONS_MAX` promotions; negative amounts and percentages above 100; amounts in several
    currencies within one promotion; steps that are none or do not ascend, or that give not exactly
    one of an amount and a percentage; prices that come twice; counts below 1; an ``every`` that is
    not above zero; a window that ends before it starts or whose times have no zone;
    a host's rule that cannot be called.
    """
    _typed(layers, _SEQUENCES, path)
    names: set[str] = set()
    ids: set[str] = set()
    for i, layer in enumerate(layers):
        here = f"{path}[{i}]"
        _typed(layer, Layer, here)
        _own_name(layer.name, names, f"{here}.name")
        _typed(layer.choose, Choose, f"{here}.choose")
        _typed(layer.promotions, _SEQUENCES, f"{here}.promotions")
        if len(ids) + len(layer.promotions) > PROMOTIONS_MAX:
            reason = f"there are more than {PROMOTIONS_MAX} promotions"
            raise InvalidPolicy(reason, path=f"{here}.promotions", most=PROMOTIONS_MAX)
        for j, promotion in enumerate(layer.promotions):
            where = f"{here}.promotions[{j}]"
            _typed(promotion, Promotion, where)
            _own_name(promotion.id, ids, f"{where}.id")
            _Check(where).promotion(promotion)


def _typed(found: object, wanted: type | tuple[type, ...], path: str) -> None:
    if not isinstance(found, wanted) or (wanted is int and type(found) is not int):
        kinds = wanted if isinstance(wanted, tuple) else (wanted,)
        names = " or ".join(kind.__name__ for kind in kinds)
        raise InvalidPolicy(f"needs a {names}, not a {type(found).__name__}", path=path)


def _own_name(name: object, taken: set[str], path: str) -> None:
    if not isinstance(name, str) or not name:
        raise InvalidPolicy("needs a name, a text that is not empty", path=path)
    if name in taken:
        raise InvalidPolicy(f"the name {name[:40]!r} stands here twice", path=path)
    taken.add(name)


class _Check:
    """The check of one promotion, which remembers the currency of its amounts."""

    __slots__ = ("currency", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.currency = ""

    def wrong(self, reason: str, where: str) -> InvalidPolicy:
        """The error that something at ``where`` in the promotion is not sound."""
        return InvalidPolicy(reason, path=f"{self.path}.{where}")

    def typed(self, found: object, wanted: type | tuple[type, ...], where: str) -> None:
        """Refuse what has another type."""
        _typed(found, wanted, f"{self.path}.{where}")

    def texts(self, found: object, where: str) -> None:
        """Refuse all but a tuple of texts."""
        self.members(found, str, where)

    def members(self, found: object, wanted: type, where: str) -> None:
        """Refuse all but a tuple of ``wanted``."""
        self.typed(found, _SEQUENCES, where)
        if isinstance(found, (tuple, list)):
            for i, member in enumerate(found):
                self.typed(member, wanted, f"{where}[{i}]")

    def count(self, found: object, least: int, where: str) -> None:
        """Refuse all but a whole number from ``least`` on."""
        self.typed(found, int, where)
        if not (isinstance(found, int) and least <= found <= _COUNT_MAX):
            raise self.wrong(f"needs a whole number from {least} to {_COUNT_MAX}", where)

    def amount(self, found: Any, where: str, least: int = 0) -> int:
        """Minor units of an amount in the promotion's one currency, at least ``least``."""
        try:
            minor = to_minor(found, None, f"{self.path}.{where}")
        except InvalidMoney as error:
            raise InvalidPolicy(error.reason, path=error.path) from None
        code = found.currency.code
        if self.currency and code != self.currency:
            reason = f"an amount in {code} where others are in {self.currency}"
            raise self.wrong(reason, where)
        self.currency = code
        if minor < least:
            raise self.wrong("it is not above zero" if least else "it is negative", where)
        return minor

    def optional(self, found: Any, where: str) -> None:
        """An amount, or none."""
        if found is not None:
            self.amount(found, where)

    def percent(self, found: object, where: str) -> None:
        """Refuse all but 0 to 100 percent."""
        self.typed(found, Percent, where)
        if isinstance(found, Percent) and not (
            type(found.ppm) is int and 0 <= found.ppm <= 1_000_000
        ):
            raise self.wrong("needs 0 to 100 percent", where)

    # --- The parts of a promotion --------------------------------------------------------------

    def promotion(self, promotion: Promotion) -> None:
        """Check all of it but its id."""
        self.typed(promotion.label, str, "label")
        self.typed(promotion.group, str, "group")
        self.typed(promotion.priority, int, "priority")
        self.typed(promotion.funder, Funder, "funder")
        self.typed(promotion.spread, Spread, "spread")
        self.scope(promotion.scope)
        self.conditions(promotion.when)
        if promotion.coupon is not None:
            self.typed(promotion.coupon, CouponTerms, "coupon")
            for name in ("total_limit", "per_customer"):
                limit = getattr(promotion.coupon, name)
                if limit is not None:
                    self.count(limit, 1, f"coupon.{name}")
        check = _BENEFITS.get(type(promotion.benefit))
        if check is None:
            reason = f"a {type(promotion.benefit).__name__} is no benefit"
            allowed = tuple(kind.__name__ for kind in _BENEFITS)
            raise InvalidPolicy(reason, path=f"{self.path}.benefit", allowed=allowed)
        check(self, promotion.benefit)

    def scope(self, scope: Scope) -> None:
        """Lists of texts, and two switches."""
        self.typed(scope, Scope, "scope")
        for name in _SCOPE_LISTS:
            self.texts(getattr(scope, name), f"scope.{name}")
        self.typed(scope.bundles, bool, "scope.bundles")
        self.typed(scope.vouchers, bool, "scope.vouchers")

    def conditions(self, when: Conditions) -> None:
        """Lists, a window of moments in zones, and thresholds."""
        self.typed(when, Conditions, "when")
        self.members(when.kinds, OrderKind, "when.kinds")
        for name in ("groups", "tiers", "countries", "shops"):
            self.texts(getattr(when, name), f"when.{name}")
        self.typed(when.first_order, bool, "when.first_order")
        for name in ("starts", "ends"):
            moment = getattr(when, name)
            if moment is not None:
                self.typed(moment, datetime, f"when.{name}")
                if moment.tzinfo is None:
                    raise self.wrong("it is a time without a zone", f"when.{name}")
        if when.starts is not None and when.ends is not None and when.starts >= when.ends:
            raise self.wrong("it ends before it starts", "when.ends")
        self.optional(when.at_least, "when.at_least")
        self.count(when.at_least_units, 0, "when.at_least_units")

    # --- Benefits ------------------------------------------------------------------------------

    def special_price(self, benefit: SpecialPrice) -> None:
        """Prices, each article and number of units once."""
        self.typed(benefit.kind, PriceKind, "benefit.kind")
        self.members(benefit.prices, SkuPrice, "benefit.prices")
        if not 0 < len(benefit.prices) <= _PRICES_MAX:
            raise self.wrong(f"needs 1 to {_PRICES_MAX} prices", "benefit.prices")
        met: set[tuple[str, int]] = set()
        for i, price in enumerate(benefit.prices):
            where = f"benefit.prices[{i}]"
            self.typed(price.sku, str, f"{where}.sku")
            self.count(price.from_units, 1, f"{where}.from_units")
            self.amount(price.price, f"{where}.price")
            if (price.sku, price.from_units) in met:
                raise self.wrong("the article has this price already", where)
            met.add((price.sku, price.from_units))

    def line_percent(self, benefit: LinePercent) -> None:
        """A percentage with its base and its cap."""
        self.percent(benefit.percent, "benefit.percent")
        self.typed(benefit.of, OffBase, "benefit.of")
        self.optional(benefit.cap, "benefit.cap")

    def capped_percent(self, benefit: OrderPercent | ShippingOff) -> None:
        """A percentage with its cap."""
        self.percent(benefit.percent, "benefit.percent")
        self.optional(benefit.cap, "benefit.cap")

    def line_amount(self, benefit: LineAmount) -> None:
        """An amount, per line or unit."""
        self.amount(benefit.amount, "benefit.amount")
        self.typed(benefit.per, Per, "benefit.per")

    def buy_get(self, benefit: BuyGet) -> None:
        """Whole numbers of units, a percentage, a bound."""
        self.count(benefit.buy, 1, "benefit.buy")
        self.count(benefit.get, 1, "benefit.get")
        self.percent(benefit.percent, "benefit.percent")
        self.count(benefit.times, 0, "benefit.times")

    def every_off(self, benefit: EveryOff) -> None:
        """Two amounts, the first above zero, and a bound."""
        self.amount(benefit.every, "benefit.every", 1)
        self.amount(benefit.off, "benefit.off")
        self.count(benefit.times, 0, "benefit.times")

    def steps(self, benefit: Steps) -> None:
        """Thresholds that ascend, each with one of amount and percentage."""
        self.members(benefit.steps, Step, "benefit.steps")
        if not 0 < len(benefit.steps) <= _STEPS_MAX:
            raise self.wrong(f"needs 1 to {_STEPS_MAX} steps", "benefit.steps")
        last = -1
        for i, step in enumerate(benefit.steps):
            where = f"benefit.steps[{i}]"
            least = self.amount(step.at_least, f"{where}.at_least")
            if least <= last:
                raise self.wrong("steps do not ascend", f"{where}.at_least")
            last = least
            if (step.amount is None) == (step.percent is None):
                raise self.wrong("needs one of amount and percent", where)
            self.optional(step.amount, f"{where}.amount")
            if step.percent is not None:
                self.percent(step.percent, f"{where}.percent")

    def order_amount(self, benefit: OrderAmount) -> None:
        """An amount."""
        self.amount(benefit.amount, "benefit.amount")

    def set_total(self, benefit: SetTotal) -> None:
        """An amount, and how many units a set has."""
        self.amount(benefit.total, "benefit.total")
        self.count(benefit.units, 0, "benefit.units")

    def shipping_to(self, benefit: ShippingTo) -> None:
        """A price."""
        self.amount(benefit.price, "benefit.price")

    def host_rule(self, benefit: HostRule) -> None:
        """A name, and something to call."""
        self.typed(benefit.name, str, "benefit.name")
        self.typed(benefit.level, DiscountLevel, "benefit.level")
        if not benefit.name:
            raise self.wrong("needs a name, a text that is not empty", "benefit.name")
        if not callable(benefit.rule):
            raise self.wrong("it cannot be called", "benefit.rule")


_BENEFITS: Mapping[type[Benefit], Callable[[_Check, Any], None]] = {
    SpecialPrice: _Check.special_price,
    LinePercent: _Check.line_percent,
    LineAmount: _Check.line_amount,
    BuyGet: _Check.buy_get,
    EveryOff: _Check.every_off,
    Steps: _Check.steps,
    OrderPercent: _Check.capped_percent,
    OrderAmount: _Check.order_amount,
    SetTotal: _Check.set_total,
    ShippingOff: _Check.capped_percent,
    ShippingTo: _Check.shipping_to,
    HostRule: _Check.host_rule,
}
