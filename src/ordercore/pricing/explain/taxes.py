"""Why the tax of a row, and of the whole order, is what it is."""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from ordercore.money import Percent, decimal_text
from ordercore.pricing.cart import ChargeKind
from ordercore.pricing.explain.tree import Explanation
from ordercore.pricing.quote import QuoteLine
from ordercore.pricing.tax import RoundedFigure, RoundingScope, ShippingTax, TaxTreatment
from ordercore.pricing.taxing import TaxableRow, taxed_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ordercore.pricing.quote import Quote, QuoteCharge
    from ordercore.pricing.tax import TaxPart, TaxRate

    Rates = tuple[tuple[TaxRate, ...], ...]
    """The components of a row's tax, once for each part of it that is taxed by other rates."""

__all__ = ["AT_BORDER", "percent_text", "rates_by_row", "rates_inside", "tax_by_rate", "tax_of"]

AT_BORDER = (ChargeKind.DUTY, ChargeKind.CONSUMPTION_TAX, ChargeKind.IMPORT_TAX)
"""Charges that stand for what the border takes."""

_MILLION = 1_000_000

_LEVELS = {
    RoundingScope.UNIT: "for each unit",
    RoundingScope.LINE: "for the row",
    RoundingScope.RATE: "once per rate for the order, shared by largest remainder",
    RoundingScope.ORDER: "once for the order, shared by largest remainder",
    RoundingScope.NONE: "the order's total once, the tax shared by largest remainder",
}

_TREATMENTS = {
    TaxTreatment.STANDARD: "0 %",
    TaxTreatment.ZERO: "zero-rated",
    TaxTreatment.EXEMPT: "exempt",
    TaxTreatment.REVERSE_CHARGE: "reverse charge, the buyer accounts for it",
    TaxTreatment.INTRA_COMMUNITY: "goods to a business of another member state, which accounts for it",
    TaxTreatment.EXPORT: "export, the goods leave the tax territory",
    TaxTreatment.OUT_OF_SCOPE: "out of scope, no supply yet: a multi-purpose voucher",
}


class _Component(NamedTuple):
    """One rate on one row: its tax as it stands on the quote, and before rounding."""

    name: str
    ppm: int
    net: int
    tax: int
    compound: bool
    exact: Fraction


def percent_text(ppm: int) -> str:
    """A rate for people: ``17.5 %``."""
    return f"{Percent(ppm)} %"


def rates_inside(components: Iterable[tuple[int, bool]]) -> Fraction:
    """The sum of rates as (ppm, compound); one that compounds stands on those before it too."""
    whole = Fraction(0)
    for ppm, compound in components:
        rate = Fraction(ppm, _MILLION)
        whole += rate * (1 + whole) if compound else rate
    return whole


def _stack(parts: Sequence[TaxPart], taxable: int, *, included: bool) -> list[_Component]:
    """Rates that stand on one net: what each takes of ``taxable``, which holds them all or none."""
    rates: list[Fraction] = []
    for part in parts:
        rate = Fraction(part.ppm, _MILLION)
        rates.append(rate * (1 + sum(rates)) if part.compound else rate)
    held = 1 + sum(rates) if included else Fraction(1)
    return [
        _Component(
            part.name, part.ppm, part.net, part.tax, part.compound, Fraction(taxable * rate, held)
        )
        for part, rate in zip(parts, rates, strict=True)
    ]


def _components(quote: Quote, row: QuoteLine | QuoteCharge) -> list[_Component]:
    """The rates on a row; each group of parts on one net of their own took its part of a charge."""
    taxable, included = row.amount + row.funded, row.tax_included
    if not row.parts:
        top = taxable * row.tax_ppm
        exact = Fraction(top, _MILLION + row.tax_ppm if included else _MILLION)
        net = taxable - row.tax if included else taxable
        return [_Component("", row.tax_ppm, net, row.tax, compound=False, exact=exact)]
    if quote.facts.tax is not None:
        return [
            _Component(part.name, part.ppm, part.net, part.tax, part.compound, Fraction(part.tax))
            for part in row.parts
        ]
    net = taxable - row.tax if included else taxable
    if all(part.net == net for part in row.parts):
        return _stack(row.parts, taxable, included=included)
    found: list[_Component] = []
    for own, group in groupby(row.parts, key=lambda part: part.net):
        parts = tuple(group)
        held = sum([part.tax for part in parts]) if included else 0
        found += _stack(parts, own + held, included=included)
    return found


def rates_by_row(quote: Quote) -> Mapping[str, Rates]:
    """By which rates each row is taxed, by its id; nothing where an external engine says so."""
    if quote.facts.tax is not None:
        return {}
    kinds = {line.id or str(i): line.kind for i, line in enumerate(quote.cart.lines, 1)}
    rows = [
        TaxableRow(
            line.id, line.tax_category, line.amount, line.funded, line.quantity, line.tax_included,
            kinds[line.bundle or line.id], _decided(line),
        )
        for line in quote.lines
    ]  # fmt: skip
    rows += [
        TaxableRow(
            charge.id, charge.tax_category, charge.amount, charge.funded, 0, charge.tax_included,
            None, _decided(charge),
        )
        for charge in quote.charges
        if charge.kind not in AT_BORDER
    ]  # fmt: skip
    tax = quote.policy.tax
    found = taxed_by(
        rows, tax, quote.cart.address.destination(), tax.day(quote.at),
        vat_id=quote.facts.vat_id, exempt=bool(quote.cart.shopper.exempt),
    )  # fmt: skip
    return {row.id: stack for row, stack in zip(rows, found, strict=True)}


def _decided(row: QuoteLine | QuoteCharge) -> TaxTreatment | None:
    """What decided the treatment of a row, where neither the buyer nor what it is did: the border, or its rate."""
    if row.treatment is TaxTreatment.EXPORT:
        return TaxTreatment.EXPORT
    by_rate = row.treatment in (TaxTreatment.STANDARD, TaxTreatment.ZERO)
    return TaxTreatment.STANDARD if by_rate else None


def _rate_inputs(row: QuoteLine | QuoteCharge, rate: TaxRate) -> list[tuple[str, str]]:
    """Where the rate stands: the policy's entry that taxed the row."""
    place = "-".join(filter(None, (rate.country, rate.region, rate.postcode)))
    days = f"{rate.first_day or ''} to {rate.last_day or ''}"
    named = (
        ("taxed as", rate.category if rate.category != row.tax_category else ""),
        ("rate's name", rate.name),
        ("rate's source", rate.source),
        ("rate's place", place),
        ("rate's days", days if rate.first_day or rate.last_day else ""),
    )
    return [(name, text) for name, text in named if text]


def _why_none(quote: Quote, row: QuoteLine | QuoteCharge) -> tuple[str, list[tuple[str, str]]]:
    """Why a row bears no tax, and the evidence."""
    rule = f"{_TREATMENTS[row.treatment]}, for category {row.tax_category!r}"
    if row.treatment is TaxTreatment.STANDARD:
        return f"rate 0 % for category {row.tax_category!r}", []
    if row.treatment is TaxTreatment.EXEMPT and quote.cart.shopper.exempt:
        return rule, [("certificate", quote.cart.shopper.exempt)]
    check = quote.facts.vat_id
    accounted = (TaxTreatment.REVERSE_CHARGE, TaxTreatment.INTRA_COMMUNITY)
    if row.treatment in accounted and check is not None:
        return rule, [
            ("VAT id", check.vat_id),
            ("checked by", check.source),
            ("checked at", check.at.isoformat()),
        ]
    return rule, []


def _level(quote: Quote) -> str:
    level = f"{quote.rounding.value} {_LEVELS[quote.scope]}"
    if quote.policy.tax.rounded is RoundedFigure.NET:
        level += "; the net is rounded, the tax is the difference"
    return level


def _category(quote: Quote, row: QuoteLine | QuoteCharge, rates: Sequence[TaxRate]) -> str:
    """By which category a row is taxed: its own, or for a charge that of the lines."""
    charges = quote.policy.tax.charges
    if charges is ShippingTax.OWN or isinstance(row, QuoteLine):
        own = f"for category {row.tax_category!r}"
        other = next((rate.category for rate in rates if rate.category != row.tax_category), "")
        return f"{own}, taxed as {other!r}" if other else own
    return "as the main supply" if charges is ShippingTax.MAIN else "as the lines"


def _formula(row: QuoteLine | QuoteCharge) -> str:
    base = "(amount + funded)" if row.funded else "amount"
    if row.tax_included:
        return f"inside the price: {base} x r / (1 + r)"
    return f"on top: {base} x r"


def _stands_on(quote: Quote, row: QuoteLine | QuoteCharge) -> list[tuple[str, str]]:
    currency = quote.currency
    inputs = [("amount", decimal_text(row.amount, currency))]
    if row.funded:
        # a third party's money is part of what the seller receives for the supply
        inputs.append(("funded by third parties", decimal_text(row.funded, currency)))
        inputs.append(("taxable", decimal_text(row.amount + row.funded, currency)))
    inputs.append(("category", row.tax_category))
    inputs.append(("treatment", row.treatment.value))
    return inputs


def tax_of(quote: Quote, row: QuoteLine | QuoteCharge, by: Rates) -> Explanation:
    """The tax of a row ``by`` its rates: their base, what rounding moved, or why there is none."""
    rates = [rate for stack in by for rate in stack]
    inputs = _stands_on(quote, row)
    external = quote.facts.tax
    if external is not None:
        inputs += [("source", external.source), ("asked at", external.at.isoformat())]
        if external.reference:
            inputs.append(("reference", external.reference))
        rule = f"as {external.source} has it"
        parts = _component_nodes(quote, row, _components(quote, row), rates) if row.parts else ()
        return Explanation("tax", row.tax, rule, parts, (), tuple(inputs))
    components = _components(quote, row)
    if not row.tax and not any(one.ppm for one in components):
        rule, evidence = _why_none(quote, row)
        if len(rates) == 1:
            evidence += _rate_inputs(row, rates[0])
        return Explanation("tax", 0, rule, (), (), (*inputs, *evidence))
    exact = sum([one.exact for one in components], Fraction(0))
    level = _level(quote)
    if len(components) == 1 and not row.parts:
        inputs.append(("rate", percent_text(row.tax_ppm)))
        if len(rates) == 1:
            inputs += _rate_inputs(row, rates[0])
        rule = f"{percent_text(row.tax_ppm)} {_category(quote, row, rates)}, {_formula(row)}"
        return Explanation("tax", row.tax, rule, (), (), tuple(inputs), level, exact - row.tax)
    each = "each component rounded by itself"
    together = "the sum of the rates rounded, shared over the components"
    how = each if quote.policy.tax.components.value == "each" else together
    several = "one after the other" if any(one.compound for one in components) else "together"
    if len({one.net for one in components}) > 1:
        several = "in the proportion of the lines"
    stack = ", ".join(f"{one.name} {percent_text(one.ppm)}".strip() for one in components)
    rule = f"{stack} {several} {_category(quote, row, rates)}, {_formula(row)}"
    return Explanation(
        "tax",
        row.tax,
        rule,
        _component_nodes(quote, row, components, rates),
        (),
        tuple(inputs),
        f"{level}; {how}",
        exact - row.tax,
    )


def _component_nodes(
    quote: Quote,
    row: QuoteLine | QuoteCharge,
    components: list[_Component],
    rates: Sequence[TaxRate],
) -> tuple[Explanation, ...]:
    """Each component of a row's tax, on its net."""
    nodes = []
    known: Sequence[TaxRate | None] = rates if len(rates) == len(components) else ()
    for one, entry in zip_longest(components, known):
        net = decimal_text(one.net, quote.currency)
        inputs = [("net", net), ("rate", percent_text(one.ppm))]
        rule = f"{percent_text(one.ppm)} on {net}"
        if one.compound:
            rule += " and the components before it"
        if entry is not None:
            inputs += _rate_inputs(row, entry)
        name = f"tax: {one.name or percent_text(one.ppm)}"
        moved = one.exact - one.tax
        rounding = _level(quote) if quote.facts.tax is None else ""
        nodes.append(Explanation(name, one.tax, rule, (), (), tuple(inputs), rounding, moved))
    return tuple(nodes)


def tax_by_rate(quote: Quote) -> Explanation:
    """All tax of the order by rate: the exact tax of the rows together, and what rounding moved of it."""
    exact: dict[tuple[int, str, TaxTreatment], Fraction] = {}
    for row in quote.rows():
        for one in _components(quote, row):
            key = (one.ppm, one.name, row.treatment)
            exact[key] = exact.get(key, Fraction(0)) + one.exact
    rounding = _level(quote) if quote.facts.tax is None else ""
    nodes = []
    for total in quote.taxes:
        net = decimal_text(total.net, quote.currency)
        rate = percent_text(total.ppm)
        inputs = (("net", net), ("rate", rate), ("treatment", total.treatment.value))
        why = "" if total.treatment is TaxTreatment.STANDARD else total.treatment.value
        name = " ".join(filter(None, ("tax by rate:", total.name, rate, why)))
        known = exact.get((total.ppm, total.name, total.treatment))
        moved = known - total.tax if known is not None and total.ppm else Fraction(0)
        how = rounding if known is not None and total.ppm else ""
        nodes.append(
            Explanation(name, total.tax, f"all rows at {rate}", (), (), inputs, how, moved)
        )
    whole = sum(exact.values(), Fraction(0)) - quote.tax
    if not any(exact.values()):
        rounding = ""
    return Explanation(
        "tax by rate",
        quote.tax,
        "tax of all lines and charges",
        tuple(nodes),
        (),
        (),
        rounding,
        whole,
    )
