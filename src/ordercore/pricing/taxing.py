"""Tax of the rows of a quote: each line and charge with its rate, its treatment and its exact tax.

Tax stands on what the customer pays and on what third parties repay (Council Directive 2006/112/EC,
Art. 73). Fractions are exact until the policy's one rounding, and what was rounded together is shared by
largest remainder (laws L1 shares sum and L2 quota). The usual cart (one rate a category, rounded by line)
takes one plain loop; everything else takes the general way below it, and both give the same figures.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, NamedTuple

from ordercore.allocation import allocate
from ordercore.errors import InvalidCart
from ordercore.money import divide
from ordercore.pricing.cart import GoodsKind
from ordercore.pricing.tax import (
    ComponentRounding,
    ExternalRow,
    ExternalTax,
    PriceBasis,
    RoundedFigure,
    RoundingScope,
    ShippingTax,
    TaxPart,
    TaxPolicy,
    TaxRate,
    TaxTreatment,
    VatIdCheck,
)
from ordercore.pricing.taxrule import PlainRates, TaxRule, businesses, exact_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
    from datetime import date

    from ordercore.party import Destination

__all__ = [
    "Levy",
    "PlainRates",
    "Supply",
    "TaxableRow",
    "bears_none",
    "charge_rates",
    "included_ppm",
    "levies",
    "rebased",
    "rebased_charge",
    "taxed_by",
]

_STANDARD = TaxTreatment.STANDARD
_VOUCHER = GoodsKind.MULTI_PURPOSE_VOUCHER
_new = (
    tuple.__new__
)  # made as a bare tuple is: the class's own constructor costs three times as much


class TaxableRow(NamedTuple):
    """A line or a charge before tax, in minor units.

    ``amount`` is what the customer pays as it is shown, after discounts, with tax inside where ``included``
    says so; ``funded`` is what third parties repay. ``quantity`` is 0 and ``kind`` ``None`` for a charge.
    ``forced`` is a treatment that was decided elsewhere (`TaxTreatment.EXPORT` by the border);
    ``STANDARD`` there means: by its rate, whoever buys.
    """

    id: str
    category: str
    amount: int
    funded: int
    quantity: int
    included: bool
    kind: GoodsKind | None
    forced: TaxTreatment | None


class Levy(NamedTuple):
    """The tax of one row, in minor units.

    ``ppm`` is the rate of all components together, to the nearest part per million where one compounds on
    another, and 0 where the parts stand on different nets. ``parts`` is empty for one component.
    """

    tax: int
    ppm: int
    treatment: TaxTreatment
    parts: tuple[TaxPart, ...]


class _Base(NamedTuple):
    """An amount that one rule taxes: a row, or the part of a charge that goes with some lines."""

    row: int
    rule: TaxRule
    taxable: int
    included: bool
    quantity: int


class _Cell(NamedTuple):
    """An exact tax, ``over / under``, that is rounded together with others; ``part`` is its component."""

    base: int
    part: int
    over: int
    under: int


def levies(
    rows: Sequence[TaxableRow],
    tax: TaxPolicy,
    to: Destination,
    day: date,
    *,
    vat_id: VatIdCheck | None = None,
    exempt: bool = False,
    external: ExternalTax | None = None,
) -> list[Levy]:
    """The tax of each of ``rows``, which go to ``to`` on ``day``, in their order.

    What decides, first come first: an ``external`` calculation; a forced treatment; a multi-purpose voucher
    (no supply yet); an ``exempt`` buyer; a valid ``vat_id`` of another member of the union; the rate.
    Raises `InvalidCart` for a category without a rate and for an external calculation that does not fit.
    """
    if external is not None:
        return _external(rows, external)
    return _general(rows, tax, to, day, vat_id, exempt=exempt)


def taxed_by(
    rows: Sequence[TaxableRow],
    tax: TaxPolicy,
    to: Destination,
    day: date,
    *,
    vat_id: VatIdCheck | None = None,
    exempt: bool = False,
) -> list[tuple[tuple[TaxRate, ...], ...]]:
    """By which rates `levies` taxes each of ``rows``: the components, once for each part of a charge that
    is taxed in the proportion of the lines, in the order of its `TaxPart`s. Empty for a row without tax."""
    _, bases = _bases(rows, tax, to, day, vat_id, exempt=exempt)
    found: list[list[tuple[TaxRate, ...]]] = [[] for _ in rows]
    for base in bases:
        found[base.row].append(base.rule.components)
    return [tuple(stack) for stack in found]


def included_ppm(category: str, tax: TaxPolicy, to: Destination, day: date, path: str = "") -> int:
    """The rate inside a shown price of ``category``, of all components together, in parts per million.

    For weights of a spread by net amounts, which need no more than that: an amount without tax is to
    ``amount * 1_000_000 / (1_000_000 + ppm)``.
    """
    return exact_rule(tax.components_of(category, to, day, path)).ppm


# --- a price at another destination ------------------------------------------------------------


def bears_none(
    kind: GoodsKind, tax: TaxPolicy, to: Destination, vat_id: VatIdCheck | None, *, exempt: bool
) -> bool:
    """Whether the buyer bears no tax on goods of ``kind``: by a certificate, or because a business
    accounts for it itself. Of a multi-purpose voucher there is none to bear."""
    if kind is _VOUCHER:
        return False
    return exempt or (kind is GoodsKind.GOODS) in businesses(tax, to, vat_id)


def rebased(
    unit: int,
    category: str,
    kind: GoodsKind,
    tax: TaxPolicy,
    to: Destination,
    day: date,
    *,
    vat_id: VatIdCheck | None = None,
    exempt: bool = False,
    export: bool = False,
) -> int:
    """What ``unit``, a price with the home country's tax inside, is at the destination.

    A buyer who bears no tax pays it without the tax inside (without a home: the destination's).
    For others it changes only by `PriceBasis.NET_FIXED` and away from home: the exact price without tax
    stays, with the destination's inside, none for an ``export``. It is rounded once, by the policy's rounding.
    A destination that is not known yet is home; a multi-purpose voucher bears no tax, so its price stays.
    Raises `InvalidCart` where a rate is missing.
    """
    none = bears_none(kind, tax, to, vat_id, exempt=exempt)
    if kind is _VOUCHER or (_stays(tax, to) and not none):
        return unit
    over, under = _step(category, tax, to, day, untaxed=none or export)
    return divide(unit * over, under, tax.rounding)


class Supply(NamedTuple):
    """A line that a charge may be taxed as: ``amount`` is what it comes to at the destination, in minor
    units. ``listed_with_tax`` says whether tax is inside the cart's price, ``included`` whether it still is."""

    category: str
    amount: int
    kind: GoodsKind
    listed_with_tax: bool
    included: bool


def rebased_charge(
    amount: int,
    category: str,
    lines: Sequence[Supply],
    tax: TaxPolicy,
    to: Destination,
    day: date,
    *,
    vat_id: VatIdCheck | None = None,
    exempt: bool = False,
    export: bool = False,
) -> int:
    """What a charge with the home country's tax inside is at the destination, as `rebased` has it of a price.

    The tax that goes out and comes in is that by which charges are taxed (`ShippingTax`): by its own
    ``category``, or by the rates of the ``lines``.
    """
    rates = charge_rates(category, lines, tax, to, day, vat_id=vat_id, exempt=exempt, export=export)
    if rates is None:
        return amount
    inside, there = rates
    exact = Fraction(amount * (1 + there), 1 + inside)
    return divide(exact.numerator, exact.denominator, tax.rounding)


def charge_rates(
    category: str,
    lines: Sequence[Supply],
    tax: TaxPolicy,
    to: Destination,
    day: date,
    *,
    vat_id: VatIdCheck | None = None,
    exempt: bool = False,
    export: bool = False,
) -> tuple[Fraction, Fraction] | None:
    """The rate inside a charge as the cart has it, and at the destination; ``None`` where it stays."""
    lines = [line for line in lines if line.kind is not _VOUCHER]
    goods = _most((line.kind is GoodsKind.GOODS, line.amount) for line in lines) is True
    stays = _stays(tax, to)
    reliefs = [bears_none(line.kind, tax, to, vat_id, exempt=exempt) for line in lines]
    relieved = exempt or goods in businesses(tax, to, vat_id)
    if stays and not relieved:
        return None
    before: list[tuple[str, Fraction]] = []
    for line, none in zip(lines, reliefs, strict=True):
        weight = Fraction(line.amount)
        moved = line.listed_with_tax and (none or not stays)
        if moved and tax.charges is not ShippingTax.OWN:
            # what the line came to before it was re-based itself
            untaxed = none or not line.included
            over, under = _step(line.category, tax, to, day, untaxed=untaxed)
            weight *= Fraction(under, over)
        before.append((line.category, weight))
    inside = _charged_at(category, before, tax, to if tax.home is None else tax.home, day)
    if relieved or export:
        return inside, Fraction(0)
    after = [
        (line.category, Fraction(line.amount))
        for line, none in zip(lines, reliefs, strict=True)
        if not none
    ]
    return inside, _charged_at(category, after or before, tax, to, day)


def _charged_at(
    category: str, lines: Sequence[tuple[str, Fraction]], tax: TaxPolicy, to: Destination, day: date
) -> Fraction:
    """The rate inside a charge at ``to`` beside lines of these categories and amounts."""
    if lines and tax.charges is ShippingTax.WEIGHTED and any(amount for _, amount in lines):
        gross = net = Fraction(0)
        for name, amount in lines:
            gross += amount
            net += Fraction(amount, 1 + _rate(name, tax, to, day))
        return Fraction(gross, net) - 1
    if lines and tax.charges is not ShippingTax.OWN:
        category = str(_most(lines))
    return _rate(category, tax, to, day)


def _rate(category: str, tax: TaxPolicy, to: Destination, day: date) -> Fraction:
    rule = exact_rule(tax.components_of(category, to, day, "tax_category"))
    return Fraction(rule.whole, rule.scale)


def _stays(tax: TaxPolicy, to: Destination) -> bool:
    """Whether a price is at ``to`` what it is at home."""
    if tax.abroad is PriceBasis.GROSS_FIXED or tax.home is None or not to.country:
        return True
    return tax.is_home(to)


def _step(
    category: str, tax: TaxPolicy, to: Destination, day: date, *, untaxed: bool
) -> tuple[int, int]:
    """What a price is multiplied with and divided by: the tax inside out, the destination's in."""
    inside = exact_rule(
        tax.components_of(category, to if tax.home is None else tax.home, day, "tax_category")
    )
    over, under = inside.scale, inside.scale + inside.whole
    if untaxed:
        return over, under
    there = exact_rule(tax.components_of(category, to, day, "tax_category"))
    return over * (there.scale + there.whole), under * there.scale


# --- which rate, and whether any ---------------------------------------------------------------


def _path(rows: Sequence[TaxableRow], at: int) -> str:
    """Where the cart names the category of a row: rows are its lines, its shipping, its fees."""
    row = rows[at]
    if row.kind is not None:
        return f"lines[{at}].tax_category"
    if row.id == "shipping":
        return "shipping.tax_category"
    fees = sum([one.kind is None and one.id != "shipping" for one in rows[:at]])
    return f"fees[{fees}].tax_category"


def _most(weights: Iterable[tuple[Hashable, int | Fraction]]) -> Hashable:
    """The key whose amounts add up to most, the first of several; ``None`` without any."""
    sums: dict[Hashable, int | Fraction] = {}
    for key, amount in weights:
        sums[key] = sums.get(key, 0) + amount
    return max(sums, key=sums.__getitem__) if sums else None


def _relief(
    row: TaxableRow,
    business: Mapping[bool, TaxTreatment],
    *,
    exempt: bool,
    main: bool,
) -> TaxTreatment | None:
    """Why a row bears no tax whatever its rate; ``None`` to go by the rate. A charge follows the main
    supply, which is of goods where ``main`` says so."""
    if row.forced is not None:
        return None if row.forced is _STANDARD else row.forced
    if row.kind is _VOUCHER:
        return TaxTreatment.OUT_OF_SCOPE
    if exempt:
        return TaxTreatment.EXEMPT
    return business.get(main if row.kind is None else row.kind is GoodsKind.GOODS)


# --- the general way ---------------------------------------------------------------------------


def _general(
    rows: Sequence[TaxableRow],
    tax: TaxPolicy,
    to: Destination,
    day: date,
    vat_id: VatIdCheck | None,
    *,
    exempt: bool,
) -> list[Levy]:
    reliefs, bases = _bases(rows, tax, to, day, vat_id, exempt=exempt)
    if tax.scope is RoundingScope.LINE or tax.scope is RoundingScope.UNIT:
        taxes = [_alone(base, tax) for base in bases]
    else:
        taxes = _together(bases, tax, sum([row.amount for row in rows]))
    return _assembled(reliefs, bases, taxes)


def _bases(
    rows: Sequence[TaxableRow],
    tax: TaxPolicy,
    to: Destination,
    day: date,
    vat_id: VatIdCheck | None,
    *,
    exempt: bool,
) -> tuple[list[TaxTreatment | None], list[_Base]]:
    """Why each row bears no tax, ``None`` where it does, and the bases of those that do, row by row."""
    business = businesses(tax, to, vat_id)
    lines = [row for row in rows if row.kind is not None and row.kind is not _VOUCHER]
    goods: Hashable = None
    if business:
        goods = _most((row.kind is GoodsKind.GOODS, row.amount + row.funded) for row in lines)
    rules: dict[str, TaxRule] = {}

    def rule_of(category: str, at: int) -> TaxRule:
        rule = rules.get(category)
        if rule is None:
            rule = rules[category] = exact_rule(
                tax.components_of(category, to, day, _path(rows, at))
            )
        return rule

    relieved = exempt or business
    reliefs = [
        _relief(row, business, exempt=exempt, main=goods is True)
        if relieved or row.forced is not None or row.kind is _VOUCHER
        else None
        for row in rows
    ]
    bases: list[_Base] = []
    for at, row in enumerate(rows):
        if reliefs[at] is not None:
            continue
        taxable = row.amount + row.funded
        if row.kind is None and lines and tax.charges is not ShippingTax.OWN:
            for rule, share in _as_lines(rows, reliefs, taxable, tax, rule_of):
                bases.append(_Base(at, rule, share, row.included, 0))
        else:
            rule = rule_of(row.category, at)
            bases.append(_new(_Base, (at, rule, taxable, row.included, row.quantity)))
    return reliefs, bases


def _as_lines(
    rows: Sequence[TaxableRow],
    reliefs: Sequence[TaxTreatment | None],
    taxable: int,
    tax: TaxPolicy,
    rule_of: Callable[[str, int], TaxRule],
) -> list[tuple[TaxRule, int]]:
    """The rules of a charge that is taxed as the lines are, each with its part of the charge.

    Vouchers are no supply and have no say. Lines that bear no tax for another reason have one
    where all do, by their category.
    """
    lines = [
        (at, row)
        for at, row in enumerate(rows)
        if row.kind is not None and row.kind is not _VOUCHER
    ]
    lines = [(at, row) for at, row in lines if reliefs[at] is None] or lines
    if tax.charges is ShippingTax.WEIGHTED:
        sets: dict[Hashable, list[int]] = {}
        found: list[TaxRule] = []
        for at, row in lines:
            rule = rule_of(row.category, at)
            names = tuple([_name(rate) for rate in rule.components])
            key = (names, rule.weights, rule.scale, rule.treatment)
            if key not in sets:
                sets[key] = [0]
                found.append(rule)
            sets[key][0] += row.amount + row.funded
        weights = [total[0] for total in sets.values()]
        if any(weights):
            shares = zip(found, weights, allocate(taxable, weights), strict=True)
            return [(rule, share) for rule, weight, share in shares if weight]
    main = _most((row.category, row.amount + row.funded) for _, row in lines)
    at = next(at for at, row in lines if row.category == main)
    return [(rule_of(rows[at].category, at), taxable)]


def _assembled(
    reliefs: Sequence[TaxTreatment | None],
    bases: Sequence[_Base],
    taxes: Sequence[tuple[int, ...]],
) -> list[Levy]:
    """Put the taxes of all bases together, row by row."""
    found: list[list[tuple[_Base, tuple[int, ...]]]] = [[] for _ in reliefs]
    for base, parts in zip(bases, taxes, strict=True):
        found[base.row].append((base, parts))
    out: list[Levy] = []
    for relief, stack in zip(reliefs, found, strict=True):
        if relief is not None:
            out.append(_new(Levy, (0, 0, relief, ())))
            continue
        (_, rule, _, _, _), amounts = stack[0]
        if len(stack) == 1 and len(amounts) == 1:
            out.append(_new(Levy, (amounts[0], rule.ppm, rule.treatment, ())))
            continue
        shown = tuple([part for base, amounts in stack for part in _parts(base, amounts)])
        ppm, treatment = rule.ppm, rule.treatment
        if len(stack) > 1:
            ppm = 0
            if any(base.rule.whole for base, _ in stack):
                treatment = _STANDARD
        out.append(Levy(sum([part.tax for part in shown]), ppm, treatment, shown))
    return out


def _name(rate: TaxRate) -> str:
    return rate.name or rate.component


def _parts(base: _Base, amounts: tuple[int, ...]) -> list[TaxPart]:
    net = base.taxable - sum(amounts) if base.included else base.taxable
    alone = len(amounts) == 1  # then it needs no name, as the lines that bear it have none
    return [
        TaxPart(
            "" if alone else _name(rate), rate.percent.ppm if rate.treatment is _STANDARD else 0, net, amount,
            rate.compound,
        )
        for rate, amount in zip(base.rule.components, amounts, strict=True)
    ]  # fmt: skip


# --- rounding ----------------------------------------------------------------------------------


def _each(base: _Base, tax: TaxPolicy) -> bool:
    """Whether components are rounded one by one. Not where one other figure is rounded: the net inside
    a price, or what is to be paid."""
    return (
        len(base.rule.weights) > 1
        and tax.components is ComponentRounding.EACH
        and tax.scope is not RoundingScope.NONE
        and not (base.included and tax.rounded is RoundedFigure.NET)
    )


def _alone(base: _Base, tax: TaxPolicy) -> tuple[int, ...]:
    """The tax of each component of one base, rounded for itself or for each of its units."""
    rule = base.rule
    if _each(base, tax):
        amounts = [_figure(base, weight, tax) for weight in rule.weights]
        return _bounded(base, amounts)
    whole = _figure(base, rule.whole, tax)
    if len(rule.weights) == 1:
        return (whole,)
    return allocate(whole, rule.weights) if whole else (0,) * len(rule.weights)


def _figure(base: _Base, weight: int, tax: TaxPolicy) -> int:
    """Tax of ``weight / scale`` on a base, by the policy's scope, mode and figure.

    For units: the first ``taxable % quantity`` of them cost one minor unit more than the others,
    so two figures are enough for any quantity.
    """
    taxable, number = base.taxable, base.quantity
    if number < 2 or tax.scope is not RoundingScope.UNIT:
        return _one(taxable, weight, base, tax)
    low, more = divmod(taxable, number)
    figure = _one(low, weight, base, tax) * (number - more)
    return figure + _one(low + 1, weight, base, tax) * more if more else figure


def _one(taxable: int, weight: int, base: _Base, tax: TaxPolicy) -> int:
    rule = base.rule
    if not base.included:
        return divide(taxable * weight, rule.scale, tax.rounding)
    if tax.rounded is RoundedFigure.NET:
        return taxable - divide(taxable * rule.scale, rule.scale + rule.whole, tax.rounding)
    return divide(taxable * weight, rule.scale + rule.whole, tax.rounding)


def _bounded(base: _Base, amounts: list[int]) -> tuple[int, ...]:
    """Tax inside a price is never more than the price: rounding up several parts of a cent could be."""
    if base.included and sum(amounts) > base.taxable:
        return allocate(base.taxable, base.rule.weights)
    return tuple(amounts)


def _together(bases: Sequence[_Base], tax: TaxPolicy, payable: int) -> list[tuple[int, ...]]:
    """The tax of each component of each base, rounded for the whole order and shared by exact taxes.

    ``payable`` is the sum of all amounts as shown, which the scope ``NONE`` rounds with the tax on top.
    """
    groups: dict[Hashable, list[_Cell]] = {}
    amounts: list[list[int]] = []
    for at, base in enumerate(bases):
        rule, included = base.rule, base.included
        amounts.append([0] * len(rule.weights))
        if rule.whole == 0:
            continue
        under = rule.scale + rule.whole if included else rule.scale
        each = _each(base, tax)
        for part, weight in enumerate(rule.weights if each else (rule.whole,)):
            key = _group(base, part if each else None, weight, tax)
            cells = groups.get(key)
            if cells is None:
                cells = groups[key] = []
            cells.append(_new(_Cell, (at, part, base.taxable * weight, under)))
    for cells in groups.values():
        scale = lcm(*{cell.under for cell in cells})
        weights = [cell.over * (scale // cell.under) for cell in cells]
        exact, rounding = sum(weights), tax.rounding
        inside = bases[cells[0].base].included
        if inside and tax.rounded is RoundedFigure.NET:
            gross = sum([bases[cell.base].taxable for cell in cells])
            whole = gross - divide(gross * scale - exact, scale, rounding)
        elif tax.scope is RoundingScope.NONE and not inside:
            whole = divide(payable * scale + exact, scale, rounding) - payable
        else:
            whole = divide(exact, scale, rounding)
        if whole:
            for cell, share in zip(cells, allocate(whole, weights), strict=True):
                amounts[cell.base][cell.part] = share
    out: list[tuple[int, ...]] = []
    for base, found in zip(bases, amounts, strict=True):
        shares = found
        if len(found) > 1 and not _each(base, tax):
            # the sum of the components stands in the place of the first
            shares = list(allocate(found[0], base.rule.weights)) if found[0] else found
        out.append(_bounded(base, shares))
    return out


def _group(base: _Base, part: int | None, weight: int, tax: TaxPolicy) -> Hashable:
    """What is rounded together: cells of the same key."""
    if tax.scope is RoundingScope.NONE:
        return (base.included,)
    # Rounding the net sets rows with tax inside apart; rounding the tax takes all as one.
    apart = base.included and tax.rounded is RoundedFigure.NET
    if tax.scope is RoundingScope.ORDER:
        return (None if part is None else base.rule.components[part].component, apart)
    if part is None:
        return (weight, base.rule.scale, apart)
    rate = base.rule.components[part]
    return (rate.component, rate.compound, rate.percent.ppm, apart)


# --- an external calculation -------------------------------------------------------------------


def _external(rows: Sequence[TaxableRow], external: ExternalTax) -> list[Levy]:
    """Take each row's tax from an external engine, as it is, checked against the row."""
    given: dict[str, int] = {}
    for at, row in enumerate(external.rows):
        if row.id in given:
            raise InvalidCart(f"the tax of {row.id!r} was given twice", path=_row(at), row=row.id)
        given[row.id] = at
    out: list[Levy] = []
    for line in rows:
        place = given.pop(line.id, None)
        if place is None:
            reason = f"{external.source} gave no tax for {line.id!r}"
            raise InvalidCart(reason, path="facts.tax.rows", row=line.id)
        out.append(_taken(line, external.rows[place], place))
    for name, at in given.items():
        reason = f"a tax was given for {name!r}, which is no row of this cart"
        raise InvalidCart(reason, path=_row(at), row=name)
    return out


def _row(at: int) -> str:
    return f"facts.tax.rows[{at}]"


def _taken(line: TaxableRow, given: ExternalRow, at: int) -> Levy:
    taxable = line.amount + line.funded
    if type(given.treatment) is not TaxTreatment:
        raise InvalidCart("it is not a TaxTreatment", path=f"{_row(at)}.treatment", row=line.id)
    for number, part in enumerate(given.parts):
        where = f"{_row(at)}.parts[{number}]"
        for figure in (part.ppm, part.net, part.tax):
            if type(figure) is not int or figure < 0:
                reason = "a part's rate, net and tax are whole numbers, not negative"
                raise InvalidCart(reason, path=where, row=line.id)
        if part.net > taxable:
            reason = f"a part stands on {part.net}, more than the row's {taxable}"
            raise InvalidCart(reason, path=where, row=line.id)
    tax = sum([part.tax for part in given.parts])
    if line.included and tax > taxable:
        reason = f"the tax of {tax} is more than the {taxable} that it is inside of"
        raise InvalidCart(reason, path=_row(at), row=line.id)
    if len({part.net for part in given.parts}) == 1:
        ppm = sum([part.ppm for part in given.parts])
    else:
        ppm = 0
    return Levy(tax, ppm, given.treatment, given.parts)
