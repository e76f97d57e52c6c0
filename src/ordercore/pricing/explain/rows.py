"""Why a line and a charge come to what they do: price, discounts, freight, tax."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from ordercore.goods import LineId
from ordercore.pricing.cart import ChargeKind
from ordercore.pricing.explain.catalog import minor_text, shown
from ordercore.pricing.explain.discounts import share_node, whole_rounding
from ordercore.pricing.explain.taxes import AT_BORDER, percent_text, rates_inside, tax_of
from ordercore.pricing.explain.tree import Explanation
from ordercore.pricing.tax import TaxTreatment
from ordercore.pricing.taxing import Supply, bears_none, charge_rates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.party import Destination
    from ordercore.pricing.border import AssessedLine
    from ordercore.pricing.cart import CartLine
    from ordercore.pricing.explain.discounts import Bought, Share, Told
    from ordercore.pricing.explain.taxes import Rates
    from ordercore.pricing.quote import Quote, QuoteCharge, QuoteLine

__all__ = ["charge_node", "line_node"]

# --- Prices ------------------------------------------------------------------------------------


def _rebased(
    quote: Quote, name: str, amounts: tuple[int, int], rates: tuple[Fraction, Fraction], place: str
) -> Explanation:
    """A price or a charge that the cart has with tax inside, as it is at the destination.

    ``amounts`` and ``rates`` are before and after; ``place`` is whose tax was inside.
    """
    before, after = amounts
    inside, there = rates
    whose = "the destination" if quote.policy.tax.home is None else "the home country"
    inputs = [
        (f"with {whose}'s tax", minor_text(before, quote.currency)),
        ("home", "" if quote.policy.tax.home is None else place),
        ("tax inside", _rate(inside)),
        ("tax at the destination", _rate(there)),
    ]
    rule = (
        f"the price without tax stays the same: {_rate(inside)} of {place} out,"
        f" {_rate(there)} of the destination in"
    )
    exact = Fraction(before * (1 + there), 1 + inside)
    rounding, moved = "", Fraction(0)
    if abs(exact - after) < 1:
        rounding, moved = f"{quote.policy.tax.rounding.value}, once", exact - after
    named = tuple((key, text) for key, text in inputs if text)
    return Explanation(name, after, rule, (), (), named, rounding, moved)


def _whose(quote: Quote) -> Destination:
    """Whose tax is inside the cart's prices."""
    return quote.policy.tax.home or quote.cart.address.destination()


def _rebased_price(
    quote: Quote,
    name: str,
    line: QuoteLine,
    sold: CartLine,
    category: str,
    amounts: tuple[int, int],
) -> Explanation:
    """What the cart has for a line with tax inside, as it is at the destination."""
    tax, to, place = quote.policy.tax, quote.cart.address.destination(), _whose(quote)
    there = Fraction(0)
    exempt = bool(quote.cart.shopper.exempt)
    relieved = bears_none(sold.kind, tax, to, quote.facts.vat_id, exempt=exempt)
    if line.tax_included and not relieved:
        there = _inside(quote, category, to)
    return _rebased(quote, name, amounts, (_inside(quote, category, place), there), place.country)


def _inside(quote: Quote, category: str, to: Destination) -> Fraction:
    """The rate of all components together."""
    tax = quote.policy.tax
    return rates_inside(
        (rate.percent.ppm if rate.treatment is TaxTreatment.STANDARD else 0, rate.compound)
        for rate in tax.components_of(category, to, tax.day(quote.at))
    )


def _rebased_charge(
    quote: Quote, charge: QuoteCharge, before: int, goods: Mapping[str, Bought]
) -> Explanation | None:
    """The destination's amount of a charge with tax inside, by the lines as they were before promotions."""
    after = charge.amount + charge.discount
    if after == before:
        return None
    tax, to = quote.policy.tax, quote.cart.address.destination()
    own = dict.fromkeys([line.id for line in quote.lines], 0)
    for off in quote.discounts:
        if off.line in own and not off.promotion:
            own[LineId(off.line)] += off.amount
    supplies = []
    for line in quote.lines:
        sold = goods[line.id].line
        inside = tax.prices_include_tax if sold.tax_included is None else sold.tax_included
        amount = line.list_amount - own[line.id] + line.freight
        supplies.append(Supply(line.tax_category, amount, sold.kind, inside, line.tax_included))
    rates = charge_rates(
        charge.tax_category, supplies, tax, to, tax.day(quote.at), vat_id=quote.facts.vat_id,
        exempt=bool(quote.cart.shopper.exempt), export=not charge.tax_included,
    )  # fmt: skip
    if rates is None:
        return None
    name = "amount at the destination"
    return _rebased(quote, name, (before, after), rates, _whose(quote).country)


def _rate(rate: Fraction) -> str:
    """A rate for people; a stack of rates that compound may not end within four decimals."""
    ppm = rate * 1_000_000
    return percent_text(int(ppm)) if ppm.denominator == 1 else f"about {percent_text(round(ppm))}"


def _price(quote: Quote, line: QuoteLine, source: Bought) -> tuple[Explanation, ...]:
    """How the unit price came from the cart's, where the two differ."""
    cart_line, component = source.line, source.component
    asked = cart_line.unit_price if component is None else component.list_price
    unit, told = shown(quote, asked, "unit price")
    points = cart_line.points if component is None else 0
    worth = 0
    rate = quote.policy.points_worth
    if points and rate is not None:
        worth = points * rate.minor // rate.points
    money = line.unit_price - worth
    if money != unit:
        name = "unit price at the destination"
        amounts = (unit, money)
        told.append(_rebased_price(quote, name, line, cart_line, line.tax_category, amounts))
    if worth and rate is not None:
        text = minor_text(rate.minor, quote.currency)
        told.append(
            Explanation(
                "points of a unit",
                worth,
                f"{points} points, of which {rate.points} are worth {text}; no discount takes them off",
                (),
                (),
                (("points", str(points)), ("money of a unit", minor_text(money, quote.currency))),
            )
        )
    return tuple(told)


def _list_amount(quote: Quote, line: QuoteLine, source: Bought) -> Explanation:
    unit = minor_text(line.unit_price, quote.currency)
    inputs = [("quantity", str(line.quantity)), ("unit price", unit)]
    rule = f"{line.quantity} x {unit}"
    cart_line, component = source.line, source.component
    if component is not None:
        each = f"{component.quantity} in each of {cart_line.quantity} bundles"
        rule += f"; {each}, at its own list price"
        inputs += [("bundle", line.bundle), ("in each bundle", str(component.quantity))]
    floor = cart_line.floor_price if component is None else None
    if floor is not None:
        inputs.append(("floor price", f"{floor.amount} {floor.currency.code}"))
    told = _price(quote, line, source)
    return Explanation("list amount", line.list_amount, rule, (), told, tuple(inputs))


# --- Lines -------------------------------------------------------------------------------------


def _freight(quote: Quote, line: QuoteLine, source: Bought) -> Explanation:
    asked = source.line.domestic_freight
    told: list[Explanation] = []
    whole = line.freight
    if source.component is not None:
        whole = sum([row.freight for row in quote.lines if row.bundle == line.bundle])
    if asked is not None:
        before, told = shown(quote, asked, "domestic freight")
        if before != whole:
            name = "domestic freight at the destination"
            category, amounts = source.line.tax_category, (before, whole)
            told.append(_rebased_price(quote, name, line, source.line, category, amounts))
    rule = "for the whole line, not discounted"
    if source.component is None:
        return Explanation("domestic freight", line.freight, rule, (), tuple(told))
    rule = f"its part of {minor_text(whole, quote.currency)} for the bundle, by list price"
    if not source.of:
        rule = f"its part of {minor_text(whole, quote.currency)} for a bundle that costs nothing"
        return Explanation("domestic freight", line.freight, rule, (), tuple(told))
    exact = Fraction(whole * source.listed, source.of)
    return Explanation(
        "domestic freight", line.freight, rule, (), tuple(told), (),
        "odd units by largest remainder", exact - line.freight,
    )  # fmt: skip


def line_node(
    quote: Quote,
    line: QuoteLine,
    source: Bought,
    shares: Sequence[tuple[Told, Share]],
    by: Rates,
) -> Explanation:
    """A line: list amount, discounts in the order of application, freight, tax ``by`` its rates."""
    name = f"line {line.id} {line.sku}"
    parts = [_list_amount(quote, line, source)]
    parts += [share_node(quote, one, share) for one, share in shares]
    if line.freight:
        parts.append(_freight(quote, line, source))
    tax = tax_of(quote, line, by)
    inputs = tuple(
        (name, text) for name, text in (("name", line.name), ("bundle", line.bundle)) if text
    )
    if not line.tax_included:
        parts.append(tax)
        return Explanation(name, line.total, "sum of its parts", tuple(parts), (), inputs)
    inside = (tax, Explanation("net", line.net, "total less the tax inside it"))
    return Explanation(name, line.total, "sum of its parts", tuple(parts), inside, inputs)


# --- Charges -----------------------------------------------------------------------------------


def charge_node(
    quote: Quote,
    charge: QuoteCharge,
    shipping: Sequence[Told],
    goods: Mapping[str, Bought],
    by: Rates,
) -> Explanation:
    """A charge: shipping and its discounts, a fee, or what the seller pays at the border."""
    if charge.kind in AT_BORDER:
        return _border_charge(quote, charge)
    told: list[Explanation] = []
    cart = quote.cart
    asked = [fee.amount for fee in cart.fees if fee.id == charge.id]
    if charge.kind is ChargeKind.SHIPPING and cart.shipping is not None:
        asked = [cart.shipping.amount]
    listed = charge.amount + charge.discount
    for amount in asked:
        name = "shipping" if charge.kind is ChargeKind.SHIPPING else "fee"
        before, told = shown(quote, amount, name)
        moved = _rebased_charge(quote, charge, before, goods)
        if moved is not None:
            told.append(moved)
    parts = [Explanation("amount", listed, charge.name, (), tuple(told))]
    if charge.discount:
        parts += [
            Explanation(
                one.figure,
                -one.off.amount,
                one.rule,
                (),
                (),
                one.inputs,
                *whole_rounding(quote, one),
            )
            for one in shipping
        ]
    tax = tax_of(quote, charge, by)
    name = str(charge.id)
    if not charge.tax_included:
        return Explanation(name, charge.total, "sum of its parts", (*parts, tax))
    inside = (tax, Explanation("net", charge.net, "total less the tax inside it"))
    return Explanation(name, charge.total, "sum of its parts", tuple(parts), inside)


def _border_charge(quote: Quote, charge: QuoteCharge) -> Explanation:
    """A duty or an import tax: what each line bears."""
    parts: tuple[Explanation, ...] = ()
    if quote.border is not None and charge.shares:
        assessed = {one.line: one for one in quote.border.lines}
        parts = tuple(
            _border_share(quote, charge, assessed[line.id], share)
            for line, share in zip(quote.lines, charge.shares, strict=True)
            if share
        )
    tax = Explanation(
        "tax", charge.tax, "no supply of the seller: it stands for what the border takes"
    )
    rule = "paid at the border by the seller, and charged on"
    return Explanation(str(charge.id), charge.total, rule, parts, (tax,))


def _border_share(quote: Quote, charge: QuoteCharge, one: AssessedLine, share: int) -> Explanation:
    """What one line bears of a duty or a tax, in the words of the assessment where it has some."""
    value = minor_text(one.customs_value, quote.currency)
    inputs = [
        ("declared", minor_text(one.declared, quote.currency)),
        ("customs value", value),
        ("HS code", one.hs_code),
        ("origin", one.origin),
        ("regime", "" if one.regime is None else one.regime.value),
    ]
    rule = f"on a customs value of {value}"
    if charge.kind is ChargeKind.DUTY and one.duty_percent.ppm:
        inputs.append(("duty rate", f"{one.duty_percent} %"))
        rule = f"{one.duty_percent} % {rule}"
    if charge.kind is ChargeKind.IMPORT_TAX:
        for name, amount in (("duty", one.duty), ("consumption tax", one.consumption_tax)):
            if amount:
                inputs.append((name, minor_text(amount, quote.currency)))
                rule += f", with {name}"
    reasons = () if quote.border is None else quote.border.reasons
    about = f"line {one.line}: "
    taken = f"{charge.kind.value.replace('_', ' ')} "
    said = [why.removeprefix(about) for why in reasons if why.startswith(about) and taken in why]
    named = tuple((name, text) for name, text in inputs if text)
    return Explanation(
        f"{charge.id} on line {one.line}", share, "; ".join(said) or rule, (), (), named
    )
