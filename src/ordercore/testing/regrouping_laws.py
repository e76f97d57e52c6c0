"""The laws of orders that are split and rejoined, as functions to call on your own.

They are part of `ordercore.testing.laws`. Parts are what `ordercore.order.split.divided` gives, or the orders
that a split made. What was refunded before a split stays with the order that was split:
what the parts must come to is what was left of it.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Any, cast

import attrs

from ordercore.allocation import share_of_units
from ordercore.order import Order, OrderContent
from ordercore.pricing import Funder
from ordercore.tender.parting import rounding_left
from ordercore.testing.figures import figures_add_up, holds, same

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

    from ordercore.goods import LineId
    from ordercore.order.split import Portion
    from ordercore.pricing import Conversion, QuoteCharge, QuoteLine
    from ordercore.tender import Attempt, Payments

__all__ = [
    "cut_rows_are_next_to_their_share",
    "handed_over",
    "part_reconciles",
    "rejoin_inverts",
    "split_conserves",
]

_L16, _L17 = "L16 split conserves", "L17 rejoin inverts split"


def _content(part: Portion | Order) -> Portion | OrderContent:
    return part.content if isinstance(part, Order) else part


def _gone(order: Order) -> dict[LineId, tuple[int, int]]:
    """Units and money of what is agreed today that refunds took back, by row."""
    found: dict[LineId, tuple[int, int]] = {}
    for refund in order.payments.refunds[order.payments.settled :]:
        for row in refund.rows:
            units, amount = found.get(row.row, (0, 0))
            found[row.row] = units + row.units, amount + row.amount
    return found


# Goods and prices --------------------------------------------------------------------------------


def _figures(row: QuoteLine | QuoteCharge) -> tuple[int, ...]:
    return row.amount, row.tax, row.net, row.total, row.funded


def _of_line(line: QuoteLine) -> tuple[int, ...]:
    off = line.discount + line.order_discount
    return line.quantity, line.list_amount, off, line.freight, *_figures(line)


def _left_of(line: QuoteLine, gone: int) -> tuple[int, ...]:
    """The figures of a line's units after the first ``gone``."""
    if not gone:
        return _of_line(line)
    whole, left = line.quantity, line.quantity - gone
    found = line.units(gone, left)
    amount = found.list_amount - found.discount + found.freight
    funded = share_of_units(line.funded, whole, gone, left)
    return (
        left, found.list_amount, found.discount, found.freight, amount, found.tax, found.net,
        found.total, funded,
    )  # fmt: skip


def _sum(found: Iterable[Sequence[int]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*found, strict=True)))


def _components(rows: Iterable[QuoteLine | QuoteCharge]) -> dict[tuple[str, int], tuple[int, int]]:
    sums: dict[tuple[str, int], tuple[int, int]] = {}
    for row in rows:
        for part in row.parts:
            net, tax = sums.get((part.name, part.ppm), (0, 0))
            sums[part.name, part.ppm] = net + part.net, tax + part.tax
    return sums


def _lines(order: Order, parts: Sequence[Portion | OrderContent]) -> None:
    gone = _gone(order)
    names = {line.id for line in order.content.lines}
    for part in parts:
        holds(
            _L16, "a part has goods that were not bought", true={x.id for x in part.lines} <= names
        )
        same(_L16, "the lines of a part", len({line.id for line in part.lines}), len(part.lines))
    for line in order.content.lines:
        mine = [own for part in parts for own in part.lines if own.id == line.id]
        units, money = gone.get(line.id, (0, 0))
        due = _left_of(line, units)
        got = _sum(map(_of_line, mine)) if mine else (0,) * len(due)
        what = "units, list amount, discount, freight, amount, tax, net, total, funded"
        same(_L16, f"line {line.id} ({what})", got, due)
        if units:
            same(_L16, f"line {line.id} with what was refunded", got[7] + money, line.total)
            continue
        offs = _sum([(own.discount, own.order_discount) for own in mine])
        what = f"the own discount of line {line.id} and its share in others"
        same(_L16, what, offs, (line.discount, line.order_discount))
        same(_L16, f"the taxes of line {line.id}", _components(mine), _components((line,)))


def _charges(order: Order, parts: Sequence[Portion | OrderContent]) -> None:
    gone = _gone(order)
    known = {charge.id: charge for charge in order.content.charges}
    for part in parts:
        strange = {charge.id for charge in part.charges} - set(known)
        same(_L16, "charges of a part that the order did not have", strange, set())
    for name, charge in known.items():
        mine = [own for part in parts for own in part.charges if own.id == name]
        if name in gone:
            same(_L16, f"shares of {name}, which was refunded", mine, [])
            continue
        got = _sum([(*_figures(own), own.discount) for own in mine])
        what = "amount, tax, net, total, funded, discount"
        same(_L16, f"charge {name} ({what})", got, (*_figures(charge), charge.discount))
        same(_L16, f"the taxes of charge {name}", _components(mine), _components((charge,)))


def _rules(
    parts: Iterable[Portion | OrderContent],
) -> tuple[dict[tuple[object, ...], int], dict[Funder, int]]:
    """What each rule took off, and what each funder bears."""
    rules: dict[tuple[object, ...], int] = {}
    funders: dict[Funder, int] = {}
    for part in parts:
        for off in part.discounts:
            key = (
                off.line,
                off.label,
                off.ppm,
                off.level,
                off.promotion,
                off.funder,
                off.code,
                off.layer,
            )
            rules[key] = rules.get(key, 0) + off.amount
            funders[off.funder] = funders.get(off.funder, 0) + off.amount
    taken = {key: amount for key, amount in rules.items() if amount}
    return taken, {who: amount for who, amount in funders.items() if amount}


def _taxes(parts: Iterable[Portion | OrderContent]) -> dict[tuple[object, ...], tuple[int, int]]:
    found: dict[tuple[object, ...], tuple[int, int]] = {}
    for part in parts:
        for tax in part.taxes:
            key = (tax.ppm, tax.name, tax.treatment)
            net, levy = found.get(key, (0, 0))
            found[key] = net + tax.net, levy + tax.tax
    return found


def _sums(part: Portion | OrderContent) -> tuple[int, ...]:
    return part.subtotal, part.discount, part.tax, part.net, part.total


def _converted(
    what: str, whole: Conversion | None, mine: Sequence[Conversion | None], *, all_: bool
) -> None:
    if whole is None:
        same(_L16, f"the {what} of parts of an order without one", set(mine), {None})
        return
    known = [one for one in mine if one is not None]
    same(_L16, f"parts without the {what}", len(known), len(mine))
    for one in known:
        same(_L16, f"the rate of the {what}", one.rate, whole.rate)
        same(_L16, f"the rows of the {what}", sum(one.rows), one.total)
        same(_L16, f"net and tax of the {what}", one.net + one.tax, one.total)
    got = _sum([(one.total, one.net, one.tax) for one in known])
    if all_:
        same(_L16, f"the {what}", got, (whole.total, whole.net, whole.tax))
    else:
        holds(
            _L16, f"the {what} of the parts is above that of the whole", true=got[0] <= whole.total
        )


def _assessed(order: Order, parts: Sequence[Portion | OrderContent], *, all_: bool) -> None:
    whole = order.content.border
    found = [part.border for part in parts if part.border is not None]
    if whole is None:
        same(_L16, "what the border makes of parts of an order that crosses none", found, [])
        return
    for line in whole.lines:
        mine = [own for border in found for own in border.lines if own.line == line.line]
        due = line.declared, line.customs_value, line.duty, line.consumption_tax, line.import_tax
        got = _sum(
            [(o.declared, o.customs_value, o.duty, o.consumption_tax, o.import_tax) for o in mine]
        )
        if all_:
            same(_L16, f"line {line.line} at the border", got, due)
        else:
            few = all(a <= b for a, b in zip(got, due, strict=False))
            holds(_L16, f"line {line.line} is worth more at the border than it was", true=few)
    for border in found:
        sums = _sum([(o.duty, o.consumption_tax, o.import_tax) for o in border.lines])
        same(
            _L16,
            "the sums of the border",
            (border.duty, border.consumption_tax, border.import_tax),
            sums,
        )


# Money -------------------------------------------------------------------------------------------


def _money(payments: Payments) -> dict[str, tuple[int, int, int]]:
    """What each attempt holds that was not asked back: of the price, in points, and cash rounding."""
    found = {}
    for attempt in payments.attempts:
        legs = [leg for done in payments.refunds for leg in done.legs if leg.attempt == attempt.id]
        back = sum(leg.amount for leg in legs)
        if attempt.firm and attempt.counted != back:
            points = attempt.points - sum(leg.points for leg in legs)
            rounding = attempt.rounding - sum(leg.paid - leg.amount for leg in legs)
            found[attempt.id] = attempt.counted - back, points, rounding
    return found


def _funds(payments: Payments) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for attempt in payments.attempts:
        for share in attempt.shares:
            key = (attempt.id, share.merchant)
            sums[key] = sums.get(key, 0) + share.amount
    return sums


def _paid(order: Order, parts: Sequence[Payments]) -> None:
    sums: dict[str, tuple[int, ...]] = {}
    for payments in parts:
        for name, money in _money(payments).items():
            sums[name] = _sum((sums.get(name, (0, 0, 0)), money))
    same(_L16, "tenders (amount, points, cash rounding)", sums, _money(order.payments))
    if not order.payments.refunds:
        shares: dict[tuple[str, str], int] = {}
        for payments in parts:
            for key, amount in _funds(payments).items():
                shares[key] = shares.get(key, 0) + amount
        same(_L16, "what of the money is of merchants", shares, _funds(order.payments))


def _reserved(orders: Iterable[Order]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for order in orders:
        for _, goods in order.reservations():
            for sku, units in goods:
                sums[sku] = sums.get(sku, 0) + units
    return {sku: units for sku, units in sums.items() if units}


def handed_over(order: Order, attempt: Attempt) -> tuple[int, int]:
    """What of an attempt's money went on when its order was split or merged: of the price, and of cash rounding."""
    if not order.handling.gone or not attempt.firm:
        return 0, 0
    return order.payments.left(attempt), rounding_left(order.payments, attempt)


def split_conserves(order: Order, parts: Sequence[Portion] | Sequence[Order]) -> None:
    """L16: what the parts of ``order`` take along adds up to what was left of it, figure by figure.

    Goods, list amounts, discounts by rule and funder, taxes by rate and component, charges, conversions, what
    the border makes of it, points of the price, and what each tender holds, in money, points and cash rounding.
    ``order`` is the order before it was split. Of orders also what is reserved.
    """
    contents = [_content(part) for part in parts]
    left = not _gone(order)
    _lines(order, contents)
    _charges(order, contents)
    _assessed(order, contents, all_=left)
    old = order.content
    _converted("settlement", old.settlement, [part.settlement for part in contents], all_=left)
    _converted("conversion for the books", old.ledger, [p.ledger for p in contents], all_=left)
    rules, funders = _rules(contents)
    known, bearing = _rules((old,))
    sums = _sum(map(_sums, contents))
    if left:
        if known:
            same(_L16, "what each rule takes off", rules, known)
            same(_L16, "what each funder bears", funders, bearing)
        same(_L16, "taxes by rate", _taxes(contents), _taxes((old,)))
        same(_L16, "subtotal, discount, tax, net and total", sums, _sums(old))
    else:
        more = {key: amount for key, amount in rules.items() if amount > known.get(key, 0)}
        same(_L16, "rules that take more off than they did", more, {})
        same(
            _L16,
            "the total, with what was refunded",
            sums[4] + order.payments.refunded_now,
            old.total,
        )
    _paid(order, [part.payments for part in parts])
    orders = [part for part in parts if isinstance(part, Order)]
    if orders:
        same(_L16, "points of the price", sum(o.content.points for o in orders), old.points)
        same(_L16, "what is reserved", _reserved(orders), _reserved((order,)))


def part_reconciles(part: Portion | Order) -> None:
    """L3, L6, L25: a part adds up by itself: its prices, what its tenders hold, and its matrix."""
    content = _content(part)
    figures_add_up(content)
    payments = part.payments
    plan = payments.plan
    if plan is None:
        same(_L16, "attempts of a part that was not paid", payments.attempts, ())
        return
    law = "L25 matrix"
    rows = {row.id: row.total for row in content.rows()}
    same(law, "the names of the rows", [name for name, _ in plan.rows], list(rows))
    same(law, "the attempts that the tenders stand for", len(payments.attempts), len(plan.tenders))
    for (name, owed), cells in zip(plan.rows, plan.matrix, strict=True):
        same(law, f"the sum of row {name}", sum(cells), owed)
        holds(law, f"row {name} has a negative cell", true=min(cells, default=0) >= 0)
        holds(law, f"more is paid for row {name} than it costs", true=owed <= rows[name])
    for j, (tender, attempt) in enumerate(zip(plan.tenders, payments.attempts, strict=True)):
        same(law, f"the sum of tender {j}", sum(cells[j] for cells in plan.matrix), tender.amount)
        same("L6 tender conservation", f"what {attempt.id} holds", attempt.covers, tender.amount)
        same("L6 tender conservation", f"the points of {attempt.id}", attempt.points, tender.points)
        holds("L6 tender conservation", f"{attempt.id} holds nothing", true=tender.amount > 0)


def cut_rows_are_next_to_their_share(
    order: Order, parts: Sequence[Portion] | Sequence[Order]
) -> None:
    """L25: where rows keep their cells, a row that several parts share is cut by one controlled rounding: each
    cell is the floor or the ceiling of its exact share. Of an order whose matrix in force is for the rows of today.
    """
    from fractions import Fraction

    plan = order.payments.plan
    if plan is None:
        return
    names = _held(order.payments)
    taken: dict[str, list[tuple[int, Mapping[str, int]]]] = {}
    for part in parts:
        mine = part.payments
        if mine.plan is None:
            continue
        held = [attempt.id for attempt in mine.attempts]
        for (name, owed), cells in zip(mine.plan.rows, mine.plan.matrix, strict=True):
            taken.setdefault(name, []).append((owed, dict(zip(held, cells, strict=True))))
    for (name, _), cells, drawn in zip(plan.rows, plan.matrix, order.payments.drawn, strict=True):
        left = {n: cell - gone for n, cell, gone in zip(names, cells, drawn, strict=True)}
        whole = sum(left.values())
        for owed, mine_cells in taken.get(name, ()):
            for attempt, cell in left.items():
                share = Fraction(cell * owed, whole) if whole else Fraction(0)
                got = mine_cells.get(attempt, 0)
                _near(name, got, share)


def _near(name: str, got: int, share: Fraction) -> None:
    near = floor(share) <= got <= ceil(share)
    holds("L25 matrix", f"a part pays {got} of row {name}, exactly {share}", true=near)


def _held(payments: Payments) -> list[str]:
    """The attempt that each tender of the plan in force stands for."""
    taken = {attempt.tender: attempt.id for attempt in payments.current()}
    taken.update(enumerate(payments.carried))
    plan = payments.plan
    return [] if plan is None else [taken[j] for j in range(len(plan.tenders))]


# Rejoin ------------------------------------------------------------------------------------------


def rejoin_inverts(before: Order, after: Order) -> None:
    """L17: what was split and rejoined is what it was: the same goods, prices and money, nothing priced again.

    ``before`` is the order as it was split, ``after`` what its parts became, where nothing was paid meanwhile.
    Goods are held under the names of the parts; they add up to what was held.
    """
    names = {"reservation", "added"}
    fields = [field.name for field in attrs.fields(cast("Any", OrderContent))]
    for name in fields:
        if name not in names:
            got, due = getattr(after.content, name), getattr(before.content, name)
            same(_L17, f"what was agreed ({name})", got, due)
    same(_L17, "the money", after.payments, before.payments)
    same(_L17, "what is reserved", _reserved((after,)), _reserved((before,)))
    same(_L17, "what is due and owed", (after.due, after.owed), (before.due, before.owed))
    same(_L17, "what may be refunded", after.refundable(), before.refundable())
    same(_L17, "what is to be sent", after.shippable(), before.shippable())
