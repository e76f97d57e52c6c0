"""Why each discount is what it is: what it asked, what it gave, who bears it, who got the odd cent.

The discounts are worked through again in the order of application. What is found so is held against
the quote: a remainder is told only where the same shares come out.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, NamedTuple

from ordercore.allocation import RemainderRule, allocate_apart
from ordercore.money import divide
from ordercore.pricing.basket import Basket, BasketLine
from ordercore.pricing.cart import ChargeKind, Funder
from ordercore.pricing.explain.benefits import benefit_text, price_text
from ordercore.pricing.explain.catalog import minor_text, shown
from ordercore.pricing.explain.taxes import percent_text
from ordercore.pricing.explain.tree import Explanation
from ordercore.pricing.presale import EXPANSION
from ordercore.pricing.promotion import (
    DiscountLevel,
    HostRule,
    LinePercent,
    OffBase,
    SpecialPrice,
    Spread,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.pricing.cart import CartLine, Component
    from ordercore.pricing.discount import AppliedDiscount
    from ordercore.pricing.promotion import Benefit, Promotion
    from ordercore.pricing.quote import Quote

__all__ = [
    "Bought",
    "Share",
    "Told",
    "bought",
    "discounts_told",
    "share_node",
    "told",
    "whole_rounding",
]

_MILLION = 1_000_000
_BUNDLE = "bundle"
"""The layer under which a bundle's own reduction stands."""

_SPREADS = {
    Spread.REMAINING: "by what remained of each line",
    Spread.NET: "by what remained of each line without tax",
    Spread.LIST: "by list amount",
}

_REMAINDERS = {
    RemainderRule.LARGEST_FRACTION: "odd units by largest remainder",
    RemainderRule.FIRST: "odd units to the first lines",
    RemainderRule.FIRST_NONZERO: "odd units to the first lines with a weight",
    RemainderRule.LAST: "odd units to the last line",
    RemainderRule.LARGEST_WEIGHT: "odd units to the largest line",
    RemainderRule.KEPT_APART: "odd units kept apart",
}

_FIGURES = {
    DiscountLevel.LINE: "discount",
    DiscountLevel.ORDER: "order discount",
    DiscountLevel.SHIPPING: "shipping discount",
}


class Bought(NamedTuple):
    """What a line of the quote was in the cart.

    Of a bundle's component: what it and all components are ``listed`` at, before a price of another
    destination is made of it, and what the bundle takes off them together.
    """

    line: CartLine
    component: Component | None
    listed: int = 0
    of: int = 0
    taken: int = 0


class Share(NamedTuple):
    """A row's part of a discount; ``exact`` is ``None`` where it does not follow from a weight."""

    row: int
    amount: int
    exact: Fraction | None


class Told(NamedTuple):
    """A discount worked through again. ``exact`` is what it asked before rounding, ``None`` where
    nothing was rounded; ``sharing`` says how it was shared, empty for a discount on one row."""

    off: AppliedDiscount
    benefit: Benefit | None
    rule: str
    inputs: tuple[tuple[str, str], ...]
    exact: Fraction | None
    shares: tuple[Share, ...]
    sharing: str

    @property
    def figure(self) -> str:
        """The name of its node."""
        return "discount" if self.off.line else _FIGURES[self.off.level]


def bought(quote: Quote) -> dict[str, Bought]:
    """What each line of the quote was in the cart, by its id."""
    found: dict[str, Bought] = {}
    for i, sold in enumerate(quote.cart.lines):
        name = sold.id or str(i + 1)
        found[name] = Bought(sold, None)
        listed = [
            shown(quote, one.list_price, "")[0] * one.quantity * sold.quantity
            for one in sold.components
        ]
        if not listed:
            continue
        whole = sum(listed)
        taken = whole - shown(quote, sold.unit_price, "")[0] * sold.quantity
        for j, component in enumerate(sold.components):
            found[f"{name}.{j + 1}"] = Bought(sold, component, listed[j], whole, taken)
    return found


def _basket(quote: Quote, goods: Mapping[str, Bought]) -> Basket:
    """The basket as it was before the first discount."""
    rows = []
    for line in quote.lines:
        cart_line, component = goods[line.id].line, goods[line.id].component
        inside = line.tax_ppm if line.tax_included else 0
        rows.append(
            BasketLine(
                line.id, line.sku, line.name, line.category, (component or cart_line).brand,
                cart_line.kind, line.bundle, line.quantity, line.unit_price, line.list_amount,
                line.list_amount, 0, cart_line, inside,
            )
        )  # fmt: skip
    return Basket(quote.currency, rows, quote.at)


def _weights(rows: Sequence[BasketLine], spread: Spread) -> list[int]:
    """By what a discount on the order is shared over the lines in its scope."""
    if spread is Spread.LIST:
        return [row.list_amount for row in rows]
    if spread is Spread.REMAINING:
        return [row.left for row in rows]
    whole = lcm(*[_MILLION + row.net_ppm for row in rows])
    return [row.left * (whole // (_MILLION + row.net_ppm)) for row in rows]


def _shared(
    quote: Quote, off: AppliedDiscount, basket: Basket, promotion: Promotion | None
) -> tuple[Share, ...]:
    """Parts of an order discount, with their exact values where its weights give the same parts again.

    They do not where a floor bound, or where only some units of a line took part.
    """
    rows = basket.lines if promotion is None else basket.matching(promotion.scope)
    weights = _weights(rows, Spread.REMAINING if promotion is None else promotion.spread)
    total = sum(weights)
    exact: dict[str, Fraction] = {}
    if total:
        places = {line.id: i for i, line in enumerate(basket.lines)}
        given = tuple(off.shares[places[row.id]] for row in rows)
        rule = quote.policy.discount_remainder
        if allocate_apart(off.amount, weights, rule=rule).parts == given:
            exact = {
                row.id: Fraction(off.amount * weight, total)
                for row, weight in zip(rows, weights, strict=True)
            }
    return tuple(
        Share(i, part, exact.get(line.id))
        for i, (line, part) in enumerate(zip(basket.lines, off.shares, strict=True))
    )


def _with_odd_units(
    quote: Quote, off: AppliedDiscount, basket: Basket, promotion: Promotion | None, room: int
) -> int:
    """What an order discount came to before its odd units were kept apart; what it gave where none were."""
    if quote.policy.discount_remainder is not RemainderRule.KEPT_APART:
        return off.amount
    rows = basket.lines if promotion is None else basket.matching(promotion.scope)
    weights = _weights(rows, Spread.REMAINING if promotion is None else promotion.spread)
    places = {line.id: i for i, line in enumerate(basket.lines)}
    given = tuple(off.shares[places[row.id]] for row in rows)
    for whole in (off.asked, min(off.asked, room)):
        if any(weights) and allocate_apart(whole, weights).parts == given:
            return whole
    return off.amount


def _each_line(
    quote: Quote, off: AppliedDiscount, basket: Basket, promotion: Promotion | None
) -> tuple[Share, ...]:
    """Parts of a discount on lines, each worked out on its own line."""
    benefit = None if promotion is None else promotion.benefit
    shares = []
    for i, (row, part) in enumerate(zip(basket.lines, off.shares, strict=True)):
        exact = None
        if part and isinstance(benefit, LinePercent):
            of = row.list_amount if benefit.of is OffBase.LIST else row.left
            if divide(of * off.ppm, _MILLION, quote.policy.discount_rounding) == part:
                exact = Fraction(of * off.ppm, _MILLION)
        shares.append(Share(i, part, exact))
    return tuple(shares)


def _on_one_line(quote: Quote, off: AppliedDiscount, at: int, left: int, source: Bought) -> Share:
    """A discount on one line, or a component's part of what its bundle takes off."""
    exact = None
    if off.layer == _BUNDLE and source.of:
        exact = Fraction(source.taken * quote.lines[at].list_amount, source.of)
    elif off.ppm and divide(left * off.ppm, _MILLION, quote.policy.discount_rounding) == off.amount:
        exact = Fraction(left * off.ppm, _MILLION)
    return Share(at, off.amount, exact)


def _limits(quote: Quote, off: AppliedDiscount, room: int, whole: int) -> str:
    """Why a discount gave less than it asked; ``whole`` is what it gave with odd units that were kept apart."""
    if off.amount >= off.asked:
        return ""
    asked = f"asked {minor_text(off.asked, quote.currency)}, "
    if whole > off.amount:
        kept = f"{minor_text(whole - off.amount, quote.currency)} kept apart"
        return f"{asked}{kept}" if whole == off.asked else f"{asked}capped by what remained, {kept}"
    if off.amount == room:
        return f"{asked}capped by what remained"
    if any(line.floor_price is not None or line.points for line in quote.cart.lines):
        return f"{asked}capped by its cap or a floor price"
    return f"{asked}capped"


def _rule(
    quote: Quote, off: AppliedDiscount, promotion: Promotion | None, room: int, whole: int
) -> str:
    """What the discount is, without its sharing."""
    label = off.label or off.promotion
    if promotion is not None:
        what = benefit_text(promotion.benefit)
    elif off.layer == _BUNDLE:
        what = "part of what the bundle takes off, by list price"
    elif off.layer == EXPANSION:
        what = "what the deposit counts beyond itself"
    elif off.ppm:
        what = f"{percent_text(off.ppm)} of what remained"
    else:
        what = "fixed amount"
    told = f"{label!r}: {what}" if label else what
    limits = _limits(quote, off, room, whole)
    if limits:
        told += f", {limits}"
    if off.code:
        told += f"; code {off.code!r}"
    if off.funder is not Funder.MERCHANT:
        told += f"; the {off.funder.value} pays for it, so tax stands on it"
    return told


def _inputs(quote: Quote, off: AppliedDiscount, place: int) -> tuple[tuple[str, str], ...]:
    named = (
        ("place in the order of application", str(place)),
        ("layer", off.layer),
        ("promotion", off.promotion),
        ("code", off.code),
        ("funder", off.funder.value),
        ("rate", percent_text(off.ppm) if off.ppm else ""),
        ("asked", minor_text(off.asked, quote.currency)),
        ("given", minor_text(off.amount, quote.currency)),
    )
    return tuple((name, text) for name, text in named if text)


def told(quote: Quote, goods: Mapping[str, Bought]) -> tuple[Told, ...]:
    """Every discount of the quote in the order of application, worked through again."""
    basket = _basket(quote, goods)
    places = {line.id: i for i, line in enumerate(basket.lines)}
    promotions = {
        promotion.id: promotion for layer in quote.policy.layers for promotion in layer.promotions
    }
    delivery = sum(
        charge.amount + charge.discount
        for charge in quote.charges
        if charge.kind is ChargeKind.SHIPPING
    )
    found = []
    for place, off in enumerate(quote.discounts, 1):
        promotion = promotions.get(off.promotion)
        exact, sharing, room = None, "", -1
        whole = off.amount
        shares: tuple[Share, ...] = ()
        if off.line:
            at = places[off.line]
            room = basket.lines[at].left
            shares = (_on_one_line(quote, off, at, room, goods[off.line]),)
        elif off.level is DiscountLevel.LINE:
            shares = _each_line(quote, off, basket, promotion)
        elif off.shares:
            shares = _shared(quote, off, basket, promotion)
            rows = basket.lines if promotion is None else basket.matching(promotion.scope)
            room = sum([row.left for row in rows])
            whole = _with_odd_units(quote, off, basket, promotion, room)
            sharing = _SPREADS[Spread.REMAINING if promotion is None else promotion.spread]
            if promotion is not None and isinstance(promotion.benefit, HostRule):
                sharing = "as the rule gives it"
            asked = divide(room * off.ppm, _MILLION, quote.policy.discount_rounding)
            if off.ppm and asked == off.asked:
                exact = Fraction(room * off.ppm, _MILLION)
        else:
            room = delivery
            delivery -= off.amount
            exact = Fraction(room * off.ppm, _MILLION) if off.ppm else None
        rule = _rule(quote, off, promotion, room, whole)
        benefit = None if promotion is None else promotion.benefit
        inputs = _inputs(quote, off, place)
        found.append(Told(off, benefit, rule, inputs, exact, shares, sharing))
        for share in shares:
            basket.lines[share.row].left -= share.amount
    return tuple(found)


def share_node(quote: Quote, one: Told, share: Share) -> Explanation:
    """A line's part of a discount; an amount below nothing."""
    rule, inputs = one.rule, one.inputs
    rounding = ""
    if one.sharing:
        whole = minor_text(one.off.amount, quote.currency)
        rule += f"; this line's share of {whole}, {one.sharing}"
        inputs = (*inputs, ("share of", whole))
    elif isinstance(one.benefit, SpecialPrice):
        price = price_text(one.benefit, quote.lines[share.row])
        rule += f"; {price} instead"
        inputs = (*inputs, ("special price", price))
    if share.exact is None:
        return Explanation(one.figure, -share.amount, rule, (), (), inputs)
    if one.sharing:
        rounding = _REMAINDERS[quote.policy.discount_remainder]
    elif one.off.line and one.off.layer == _BUNDLE:
        rounding = _REMAINDERS[RemainderRule.LARGEST_FRACTION]
    else:
        rounding = f"{quote.policy.discount_rounding.value} for the line"
    moved = share.amount - share.exact
    return Explanation(one.figure, -share.amount, rule, (), (), inputs, rounding, moved)


def whole_rounding(quote: Quote, one: Told) -> tuple[str, Fraction]:
    """How a whole discount was rounded, and what that moved of its (negative) amount."""
    off = one.off
    exact = one.shares[0].exact if off.line else one.exact
    if exact is None or off.amount != off.asked:
        return "", Fraction(0)
    if off.line and off.layer == _BUNDLE:
        return _REMAINDERS[RemainderRule.LARGEST_FRACTION], off.amount - exact
    return f"{quote.policy.discount_rounding.value} for the discount", off.amount - exact


def discounts_told(quote: Quote, tellings: Sequence[Told]) -> Explanation:
    """All discounts in the order of application, each with its lines' parts."""
    nodes = []
    for place, one in enumerate(tellings, 1):
        off = one.off
        rounding, moved = whole_rounding(quote, one)
        parts = tuple(
            Explanation(f"line {quote.lines[share.row].id}", -share.amount, "its part")
            for share in one.shares
            if share.amount and not off.line
        )
        rule = f"{one.rule}; shared {one.sharing}" if one.sharing else one.rule
        name = f"{place}. {one.figure}" + (f" on line {off.line}" if off.line else "")
        nodes.append(Explanation(name, -off.amount, rule, parts, (), one.inputs, rounding, moved))
    return Explanation("discounts", -quote.discount, "in the order of application", tuple(nodes))
