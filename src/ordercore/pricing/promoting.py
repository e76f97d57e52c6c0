"""The engine of promotions: which apply to a basket, in which order, and why a code does nothing.

Layers apply in their order. Inside a layer the lowest priority comes first, then the place in the list.
Thresholds are measured when a promotion is reached, on what earlier ones left.
A promotion is tried without changing anything (`ordercore.pricing.offer`), so the best
of several is known before one of them is applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput, InvalidPolicy, OrdercoreError
from ordercore.money import MINOR_MAX, to_minor
from ordercore.pricing.cart import Funder
from ordercore.pricing.coupon import Coupon, CouponStatus, RefusalReason, RefusedCoupon
from ordercore.pricing.discount import AppliedDiscount
from ordercore.pricing.layering import check_layers
from ordercore.pricing.offer import Offer, Refusal, level_of, offered, priced_in, units_of
from ordercore.pricing.promotion import Choose, DiscountLevel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ordercore.pricing.basket import Basket, BasketLine
    from ordercore.pricing.cart import Shopper
    from ordercore.pricing.promotion import Conditions, Layer, Promotion, Scope

__all__ = ["check_layers", "promote"]

# Asked for on every promotion: a look-up through an Enum class costs several times a module's name.
_ALL, _BEST, _FIRST = Choose.ALL, Choose.BEST, Choose.FIRST
_LINE, _SHIPPING = DiscountLevel.LINE, DiscountLevel.SHIPPING
_MERCHANT = Funder.MERCHANT
_SEQUENCES = (tuple, list)
_NOT_HERE = Refusal(RefusalReason.NOT_FOR_THIS_CART)
_EXCLUDED = Refusal(RefusalReason.EXCLUDED)
_NOTHING_LEFT = Refusal(RefusalReason.NOTHING_LEFT)
_STATUS = {
    CouponStatus.VOID: RefusalReason.VOID,
    CouponStatus.USED: RefusalReason.USED,
    CouponStatus.HELD: RefusalReason.HELD,
}
# What a value of a wrong type makes of the arithmetic below.
_MISTYPED = (OrdercoreError, TypeError, AttributeError, ArithmeticError, LookupError, ValueError)


def promote(
    basket: Basket, layers: Sequence[Layer], coupons: Sequence[Coupon], codes: Sequence[str]
) -> tuple[list[AppliedDiscount], list[RefusedCoupon]]:
    """Apply ``layers`` to ``basket``, in place: what was applied, and which codes did nothing and why.

    ``coupons`` is what the books know of ``codes``. A code is compared as it is written;
    given twice it counts once. Of several usable codes for one promotion the first is used.
    A code is refused for the first reason that holds, in the order unknown, void, used, held, not yet,
    expired, not yours, limit; then by its promotion: not for this cart, below the threshold, excluded,
    nothing left.

    Each `AppliedDiscount` has a share for every line of the basket, in their order, which add up to its
    amount (law L1), and none for shipping. What gives nothing is not listed.

    Raises `InvalidPolicy` for a host's rule that fails or takes off what it may not, and for
    layers that `check_layers` would refuse and that cannot be worked out;
    `InvalidInput` for a coupon that is none.
    """
    work = _Pass(basket)
    try:
        known = {coupon.code: coupon for coupon in coupons} if codes else {}
        refusals = work.open(layers, known, codes) if codes else {}
        for layer in layers:
            work.layer(layer)
    except InvalidPolicy:
        raise
    except _MISTYPED:
        check_layers(layers, "layers")
        _check_coupons(coupons)
        if basket.at.tzinfo is None:
            raise InvalidInput("tell the time without a zone", path="at") from None
        raise
    refused = []
    for code, refusal in refusals.items():
        if refusal is None:
            promotion = known[code].promotion
            refusal = work.refusals.get(promotion)  # noqa: PLW2901
            if refusal is None:
                continue  # it was applied
        promotion = known[code].promotion if code in known else ""
        refused.append(RefusedCoupon(code, refusal.reason, promotion, refusal.short, refusal.units))
    return work.applied, refused


class _Pass:
    """One pass over a basket: what applied so far, which groups are taken, which lines a scope has."""

    __slots__ = ("applied", "basket", "codes", "reaches", "refusals", "taken")

    def __init__(self, basket: Basket) -> None:
        self.basket = basket
        self.applied: list[AppliedDiscount] = []
        self.codes: dict[str, str] = {}
        """The code that opens a promotion, by the promotion's id."""
        self.refusals: dict[str, Refusal] = {}
        """Why a promotion that a code opened gave nothing, by its id."""
        self.taken: set[str] = set()
        # By identity: hashing a scope costs as much as matching the lines of a small basket,
        # and all scopes outlive the pass.
        self.reaches: dict[int, list[BasketLine]] = {}

    # --- Codes ---------------------------------------------------------------------------------

    def open(
        self, layers: Sequence[Layer], known: dict[str, Coupon], codes: Sequence[str]
    ) -> dict[str, Refusal | None]:
        """Judge each code by itself, in order; those without a refusal open their promotions."""
        waiting = {
            promotion.id: promotion
            for layer in layers
            for promotion in layer.promotions
            if promotion.coupon is not None
        }
        judged: dict[str, Refusal | None] = {}
        for code in codes:
            if code in judged:
                continue
            coupon = known.get(code)
            if coupon is not None and not _sound(coupon):
                raise _mistyped("facts.coupons")
            promotion = None if coupon is None else waiting.get(coupon.promotion)
            if coupon is None or promotion is None:
                judged[code] = Refusal(RefusalReason.UNKNOWN)
                continue
            refusal = _unusable(coupon, promotion, self.basket)
            if refusal is None and promotion.id in self.codes:
                refusal = _EXCLUDED
            if refusal is None:
                self.codes[promotion.id] = code
            judged[code] = refusal
        return judged

    # --- Layers --------------------------------------------------------------------------------

    def layer(self, layer: Layer) -> None:
        """Apply one layer."""
        promotions: Sequence[Promotion] = layer.promotions
        if len(promotions) > 1:
            promotions = sorted(promotions, key=_priority)
        if layer.choose is _ALL:
            self._each(layer, promotions)
        elif layer.choose is _BEST:
            self._one(layer, promotions)
        elif layer.choose is _FIRST:
            self._first(layer, promotions)
        else:
            raise _mistyped("choose")

    def _each(self, layer: Layer, promotions: Sequence[Promotion]) -> None:
        """Each promotion in turn; of a group the best, where the first of the group stands."""
        rivals: dict[str, list[Promotion]] = {}
        if len(promotions) > 1:
            for promotion in promotions:
                if promotion.group:
                    rivals.setdefault(promotion.group, []).append(promotion)
        for promotion in promotions:
            group = promotion.group
            if not group:
                offer = self._offer(promotion)
                if offer is not None:
                    self._apply(layer, promotion, offer)
            elif group in rivals:
                self._one(layer, rivals.pop(group))
            elif len(promotions) == 1:
                self._one(layer, promotions)

    def _one(self, layer: Layer, promotions: Iterable[Promotion]) -> None:
        """The promotion that takes off most; of equals the first."""
        best: tuple[Promotion, Offer] | None = None
        losers = []
        for promotion in promotions:
            offer = self._offer(promotion)
            if offer is None:
                continue
            if best is None:
                best = promotion, offer
            elif offer.amount > best[1].amount:
                losers.append(best[0])
                best = promotion, offer
            else:
                losers.append(promotion)
        if best is not None:
            self._apply(layer, *best)
        for loser in losers:
            self.refusals[loser.id] = _EXCLUDED

    def _first(self, layer: Layer, promotions: Iterable[Promotion]) -> None:
        """The first promotion that takes off anything."""
        done = False
        for promotion in promotions:
            if done and promotion.id not in self.codes:
                continue
            offer = self._offer(promotion)
            if offer is None:
                continue
            if done:
                self.refusals[promotion.id] = _EXCLUDED
            else:
                self._apply(layer, promotion, offer)
                done = True

    # --- One promotion -------------------------------------------------------------------------

    def _offer(self, promotion: Promotion) -> Offer | None:
        """What a promotion would give now, ``None`` for nothing (then it is told why, for its code)."""
        if promotion.coupon is None:
            # Nobody asks why; so what is excluded need not be worked out.
            if promotion.group and promotion.group in self.taken:
                return None
            tried = self._tried(promotion)
            return tried if isinstance(tried, Offer) else None
        if promotion.id not in self.codes:
            return None
        tried = self._tried(promotion)
        if promotion.group in self.taken and (isinstance(tried, Offer) or tried is _NOTHING_LEFT):
            tried = _EXCLUDED
        if isinstance(tried, Offer):
            return tried
        self.refusals[promotion.id] = tried
        return None

    def _tried(self, promotion: Promotion) -> Offer | Refusal:
        """What a promotion would give now, or why it gives nothing, groups left aside."""
        basket, when = self.basket, promotion.when
        if not _holds(when, basket):
            return _NOT_HERE
        currency = priced_in(promotion.benefit)
        if currency and currency != basket.currency:
            return _NOT_HERE
        rows = self.reaches.get(id(promotion.scope))
        if rows is None:
            rows = self._reach(promotion.scope)
        if not rows:
            return _NOT_HERE
        least = when.at_least
        if least is not None:
            if least.currency.code != basket.currency:
                return _NOT_HERE
            short = to_minor(least, basket.currency, "when.at_least")
            for row in rows:
                short -= row.left - row.points_worth
            if short > 0:
                return Refusal(RefusalReason.BELOW_THRESHOLD, short)
        if when.at_least_units:
            units = when.at_least_units - units_of(rows, basket, promotion)
            if units > 0:
                return Refusal(RefusalReason.BELOW_THRESHOLD, 0, units)
        offer = offered(promotion, rows, basket)
        if isinstance(offer, Offer) and offer.amount <= 0:
            return _NOTHING_LEFT
        return offer

    def _reach(self, scope: Scope) -> list[BasketLine]:
        """The lines in scope, matched once for each scope."""
        rows = self.reaches[id(scope)] = self.basket.matching(scope)
        return rows

    def _apply(self, layer: Layer, promotion: Promotion, offer: Offer) -> None:
        """Lower the basket by an offer."""
        basket, level = self.basket, level_of(promotion.benefit)
        asked, amount, offs, ppm = offer
        if type(promotion.funder) is not Funder:
            raise _mistyped("funder")
        funded = promotion.funder is not _MERCHANT
        shares: tuple[int, ...] = ()
        if level is _SHIPPING:
            basket.shipping_off += amount
            if funded:
                basket.shipping_funded += amount
        else:
            rows = self.reaches[id(promotion.scope)]
            if level is _LINE:
                for row, part in zip(rows, offs, strict=True):
                    row.left -= part
                    row.off_line += part
            else:
                for row, part in zip(rows, offs, strict=True):
                    row.left -= part
                    row.off_order += part
            if funded:
                for row, part in zip(rows, offs, strict=True):
                    row.funded += part
            if len(rows) == len(basket.lines):
                shares = tuple(offs)
            else:
                parts = {id(row): part for row, part in zip(rows, offs, strict=True)}
                shares = tuple([parts.get(id(line), 0) for line in basket.lines])
        if promotion.group:
            self.taken.add(promotion.group)
        self.applied.append(
            AppliedDiscount(
                "", promotion.label, ppm, min(asked, MINOR_MAX), amount, shares, level, promotion.id,
                promotion.funder, self.codes.get(promotion.id, ""), layer.name,
            )
        )  # fmt: skip


def _mistyped(name: str) -> InvalidInput:
    """What `check_layers` tells the place of: of another type it would decide about money unseen."""
    return InvalidInput("it is not of its type", path=name)


def _priority(promotion: Promotion) -> int:
    return promotion.priority


def _holds(when: Conditions, basket: Basket) -> bool:
    """Whether every condition holds that does not depend on the lines."""
    if when.kinds and not _among(basket.kind, when.kinds):
        return False
    if when.shops and not _among(basket.shop, when.shops):
        return False
    if when.countries and not _among(basket.country, when.countries):
        return False
    if (when.first_order or when.groups or when.tiers) and not _welcome(when, basket.shopper):
        return False
    if when.starts is not None and basket.at < when.starts:
        return False
    return when.ends is None or basket.at < when.ends


def _welcome(when: Conditions, shopper: Shopper) -> bool:
    """Whether the shopper is one of those whom a promotion is for."""
    if when.first_order:
        if when.first_order is not True:
            raise _mistyped("when.first_order")
        if shopper.first_order is not True:
            return False
    if when.tiers and not _among(shopper.tier, when.tiers):
        return False
    return not when.groups or any([_among(group, when.groups) for group in shopper.groups])


def _among(found: object, names: Sequence[object]) -> bool:
    """Whether a list has ``found``; a text is no list, it would have the empty text and its letters."""
    if type(names) not in _SEQUENCES:
        raise _mistyped("when")
    return found in names


def _unusable(coupon: Coupon, promotion: Promotion, basket: Basket) -> Refusal | None:
    """Why a code may not be used by this customer at this moment, ``None`` if it may."""
    reason = _STATUS.get(coupon.status)
    if reason is not None:
        return Refusal(reason)
    at, when = basket.at, promotion.when
    if _before(at, coupon.valid_from) or _before(at, when.starts):
        return Refusal(RefusalReason.NOT_YET)
    if _since(at, coupon.valid_until) or _since(at, when.ends):
        return Refusal(RefusalReason.EXPIRED)
    if coupon.holder and coupon.holder != basket.customer:
        return Refusal(RefusalReason.NOT_YOURS)
    terms = promotion.coupon
    if terms is not None:
        total, each = terms.total_limit, terms.per_customer
        if total is not None and coupon.used_in_all >= total:
            return Refusal(RefusalReason.LIMIT)
        if each is not None and coupon.used_by_customer >= each:
            return Refusal(RefusalReason.LIMIT)
    return None


def _sound(coupon: Coupon) -> bool:
    """Whether what decides about a code is of its type: a status "used" would be no status at all."""
    return (
        type(coupon.status) is CouponStatus
        and type(coupon.single_use) is bool
        and type(coupon.code) is str
        and type(coupon.promotion) is str
        and type(coupon.holder) is str
        and type(coupon.used_in_all) is int
        and type(coupon.used_by_customer) is int
    )


def _before(at: datetime, first: datetime | None) -> bool:
    return first is not None and at < first


def _since(at: datetime, end: datetime | None) -> bool:
    return end is not None and at >= end


def _check_coupons(coupons: Sequence[Coupon]) -> None:
    """Raise `InvalidInput` for what a coupon book answered with, if it is no sound coupon."""
    for place, coupon in enumerate(coupons):
        path = f"facts.coupons[{place}]"
        if not isinstance(coupon, Coupon):
            raise InvalidInput(f"take a {type(coupon).__name__} for a Coupon", path=path)
        if type(coupon.status) is not CouponStatus:
            raise InvalidInput("it is not a CouponStatus", path=f"{path}.status")
        for name in ("code", "promotion", "holder"):
            if type(getattr(coupon, name)) is not str:
                raise InvalidInput("it is not a text", path=f"{path}.{name}")
        if type(coupon.single_use) is not bool:
            raise InvalidInput("it is not True or False", path=f"{path}.single_use")
        for name in ("valid_from", "valid_until"):
            moment = getattr(coupon, name)
            if moment is not None and getattr(moment, "tzinfo", None) is None:
                raise InvalidInput("tell the time without a zone", path=f"{path}.{name}")
        for name in ("used_in_all", "used_by_customer"):
            if type(getattr(coupon, name)) is not int:
                raise InvalidInput("count uses in what is no integer", path=f"{path}.{name}")
