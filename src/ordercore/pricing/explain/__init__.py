"""Why each figure of a quote is what it is: a tree of figures, made on demand.

Nothing of this is computed while pricing. Every node is read off the quote, its cart, its policy and its
facts, and worked out again; an explanation that does not add up cannot be made.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from ordercore.money import Percent
from ordercore.pricing.border import Terms
from ordercore.pricing.cart import ChargeKind
from ordercore.pricing.coupon import RefusalReason
from ordercore.pricing.exchange import rate_text
from ordercore.pricing.explain.catalog import exchanged_exactly, minor_text, rate_inputs
from ordercore.pricing.explain.discounts import bought, discounts_told, told
from ordercore.pricing.explain.rows import charge_node, line_node
from ordercore.pricing.explain.taxes import rates_by_row, tax_by_rate
from ordercore.pricing.explain.tree import Explanation
from ordercore.pricing.promotion import DiscountLevel

if TYPE_CHECKING:
    from ordercore.pricing.border import AssessedLine, Assessment
    from ordercore.pricing.coupon import RefusedCoupon
    from ordercore.pricing.exchange import Conversion
    from ordercore.pricing.explain.discounts import Share, Told
    from ordercore.pricing.quote import Quote

__all__ = ["Explanation", "explain"]

_REFUSALS = {
    RefusalReason.UNKNOWN: "no promotion goes by this code",
    RefusalReason.USED: "the code was used before",
    RefusalReason.HELD: "another order holds the code",
    RefusalReason.VOID: "the shop has withdrawn the code",
    RefusalReason.NOT_YET: "the code is not valid yet",
    RefusalReason.EXPIRED: "the code is no longer valid",
    RefusalReason.NOT_YOURS: "the code was given to another customer",
    RefusalReason.LIMIT: "the promotion was used as often as it may be",
    RefusalReason.BELOW_THRESHOLD: "the threshold is not reached",
    RefusalReason.NOT_FOR_THIS_CART: "the promotion is not for this cart",
    RefusalReason.EXCLUDED: "another promotion that excludes it applied",
    RefusalReason.NOTHING_LEFT: "nothing remained that may be lowered",
}


def explain(quote: Quote) -> Explanation:
    """The whole quote as a tree; the amounts of a node's parts add up to the node (law L3).

    Below the total stand the lines and charges that make it, and as figures inside it: all discounts in the
    order of application, all tax by rate, refused codes, points, the border, other currencies.
    Amounts are minor units of the quote's currency, but for prices of a catalog and for settlement and ledger.
    Raises `InvalidInput` for a quote whose figures do not add up.
    """
    goods = bought(quote)
    tellings = told(quote, goods)
    shares: list[list[tuple[Told, Share]]] = [[] for _ in quote.lines]
    shipping: list[Told] = []
    for one in tellings:
        if not one.off.line and one.off.level is DiscountLevel.SHIPPING:
            shipping.append(one)
        for share in one.shares:
            if share.amount or share.exact or one.off.line:
                shares[share.row].append((one, share))
    rates = rates_by_row(quote)
    rows = [
        line_node(quote, line, goods[line.id], shares[i], rates.get(line.id, ()))
        for i, line in enumerate(quote.lines)
    ]
    rows += [
        charge_node(quote, charge, shipping, goods, rates.get(charge.id, ()))
        for charge in quote.charges
    ]
    inputs = (
        ("priced at", quote.at.isoformat()),
        ("valid until", quote.valid_until.isoformat()),
    )
    inside = _inside(quote, tellings)
    return Explanation(
        "total", quote.total, "sum of lines and charges", tuple(rows), inside, inputs,
        currency=quote.currency,
    )  # fmt: skip


def _inside(quote: Quote, tellings: tuple[Told, ...]) -> tuple[Explanation, ...]:
    """What cuts across the rows."""
    found = []
    if tellings:
        found.append(discounts_told(quote, tellings))
    if quote.refused:
        refused = tuple(_refused(quote, one) for one in quote.refused)
        found.append(Explanation("refused codes", 0, "codes that did nothing", refused))
    found.append(tax_by_rate(quote))
    if quote.points:
        found.append(_points(quote))
    if quote.border is not None:
        found.append(_border(quote, quote.border))
    for name, conversion in (("settlement", quote.settlement), ("ledger", quote.ledger)):
        if conversion is not None:
            found.append(_converted(quote, name, conversion))
    return tuple(found)


def _refused(quote: Quote, refused: RefusedCoupon) -> Explanation:
    inputs = [("code", refused.code), ("reason", refused.reason.value)]
    if refused.promotion:
        inputs.append(("promotion", refused.promotion))
    rule = _REFUSALS[refused.reason]
    if refused.short:
        short = minor_text(refused.short, quote.currency)
        inputs.append(("short", short))
        rule += f", {short} short"
    if refused.short_units:
        inputs.append(("units short", str(refused.short_units)))
        rule += f", {refused.short_units} units short"
    return Explanation(f"code {refused.code!r}", 0, rule, (), (), tuple(inputs))


def _points(quote: Quote) -> Explanation:
    """What of the total is paid in points; their number is an input, the amount their money."""
    rate = quote.policy.points_worth
    worth = 0 if rate is None else quote.points * rate.minor // rate.points
    rule = f"{quote.points} points are to be paid"
    if rate is not None:
        rule += f", {rate.points} for {minor_text(rate.minor, quote.currency)}"
    return Explanation("points", worth, rule, (), (), (("points", str(quote.points)),))


# --- The border --------------------------------------------------------------------------------


def _border(quote: Quote, border: Assessment) -> Explanation:
    """What the border takes, charged or not, and every step that led there."""
    buyer = border.terms is Terms.DAP
    names = {
        ChargeKind.DUTY: border.duty,
        ChargeKind.CONSUMPTION_TAX: border.consumption_tax,
        ChargeKind.IMPORT_TAX: border.import_tax,
    }
    who = "the buyer pays on arrival: an estimate" if buyer else "the seller pays and charges it on"
    parts = tuple(
        Explanation(kind.value.replace("_", " "), amount, who)
        for kind, amount in names.items()
        if amount
    )
    inputs = [
        ("from", border.origin),
        ("to", border.destination),
        ("terms", border.terms.value),
        ("registration", border.registration),
        ("requires", ", ".join(one.value for one in border.requires)),
        *[(f"step {place}", reason) for place, reason in enumerate(border.reasons, 1)],
    ]
    lines = tuple(_assessed(quote, one) for one in border.lines)
    rule = "; ".join(border.reasons) or "nothing is owed"
    return Explanation(
        "border",
        sum(names.values()),
        f"{border.terms.name}, {who}: {rule}",
        parts,
        lines,
        tuple((name, text) for name, text in inputs if text),
    )


def _assessed(quote: Quote, one: AssessedLine) -> Explanation:
    """One line at the border, by its customs value."""
    rate = str(Percent(one.duty_percent.ppm))
    inputs = [
        ("HS code", one.hs_code),
        ("origin", one.origin),
        ("declared", minor_text(one.declared, quote.currency)),
        ("tax by regime", "" if one.regime is None else one.regime.value),
        ("duty by regime", "" if one.duty_regime is None else one.duty_regime.value),
        ("duty rate", f"{rate} %" if one.duty_percent.ppm else ""),
        ("duty", minor_text(one.duty, quote.currency)),
        ("consumption tax", minor_text(one.consumption_tax, quote.currency)),
        ("import tax", minor_text(one.import_tax, quote.currency)),
    ]
    rule = "the destination's tax is charged at the sale" if one.collected else "tax at the border"
    named = tuple((name, text) for name, text in inputs if text)
    return Explanation(f"customs value of line {one.line}", one.customs_value, rule, (), (), named)


# --- Other currencies --------------------------------------------------------------------------


def _converted(quote: Quote, name: str, found: Conversion) -> Explanation:
    """The total in another currency: rounded once, its rows shared so that they add up (law L5)."""
    code = found.rate.quote
    rows = []
    for row, amount in zip(quote.rows(), found.rows, strict=True):
        shown = minor_text(row.total, quote.currency)
        moved = (found.total * row.total - amount * quote.total, quote.total)
        rows.append(
            Explanation(
                f"{name}: {row.id}",
                amount,
                f"its part of the whole, for {shown} {quote.currency}",
                rounding="odd units by largest remainder",
                remainder=Fraction(*moved) if quote.total else Fraction(0),
                currency=code,
            )
        )
    inside = (
        Explanation(f"{name}: net", found.net, "its part of the whole", currency=code),
        Explanation(f"{name}: tax", found.tax, "the whole less the net", currency=code),
    )
    return Explanation(
        name,
        found.total,
        f"the total once, at {rate_text(found.rate)}",
        tuple(rows),
        inside,
        rate_inputs(found.rate),
        f"{found.rounding.value} for the total",
        exchanged_exactly(quote.total, found.rate) - found.total,
        code,
    )
