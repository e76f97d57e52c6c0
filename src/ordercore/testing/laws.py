"""The laws that every figure keeps, as functions to call on your own.

Each takes what a host's rule has made (a quote by its own tax policy, a plan, entries) and raises
`AssertionError`, which begins with the law's name, where the law does not hold.
A promotion of your own is held to them in ten lines::

    from hypothesis import given
    from ordercore.pricing import quote
    from ordercore.testing import START, carts, laws, pricing_policies


    @given(carts(), pricing_policies())
    def test_our_promotion_keeps_the_laws(cart, policy):
        priced = quote(our_promotion(cart), policy, START)
        laws.quote_reconciles(priced)
        laws.units_rebuild_lines(priced)

They work from the figures alone and call nothing of what they judge.
Amounts are minor units.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import TYPE_CHECKING

from ordercore.ledger import AccountKind
from ordercore.order import Moved, evolve
from ordercore.tender import TenderKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ordercore.event import Event
    from ordercore.ledger import Balance, Entry
    from ordercore.order import Order
    from ordercore.pricing import Quote, QuoteCharge, QuoteLine
    from ordercore.tender import Payments, TenderPlan

__all__ = [
    "books_balance",
    "books_tell_the_money",
    "matrix_exact",
    "quote_reconciles",
    "quota",
    "refunds_bounded",
    "replay_gives",
    "shares_sum",
    "tenders_conserved",
    "trial_balance_is_zero",
    "units_rebuild_lines",
]

_UNITS_MAX = 12
"""A line of more units is taken apart in a few runs instead of one by one."""


def _same(law: str, what: str, got: object, due: object) -> None:
    if got != due:
        raise AssertionError(f"{law}: {what} is {got!r}, not {due!r}")


def _holds(law: str, what: str, *, true: bool) -> None:
    if not true:
        raise AssertionError(f"{law}: {what}")


# --- Shares ----------------------------------------------------------------------------------


def shares_sum(amount: int, parts: Sequence[int], remainder: int = 0) -> None:
    """L1: the parts, with the remainder where a rule keeps it apart, add up to the whole."""
    _same("L1 shares sum", "the sum of the parts", sum(parts) + remainder, amount)


def quota(amount: int, weights: Sequence[int], parts: Sequence[int]) -> None:
    """L2: each part is less than one minor unit from its exact share; a zero weight gets zero."""
    law = "L2 quota"
    _same(law, "the number of parts", len(parts), len(weights))
    total = sum(weights)
    for i, (weight, part) in enumerate(zip(weights, parts, strict=True)):
        share = Fraction(amount * weight, total) if total else Fraction(0)
        near = abs(part - share) < 1 and (weight != 0 or part == 0)
        _holds(law, f"part {i} is {part}, its exact share is {share}", true=near)


# --- Prices ----------------------------------------------------------------------------------


def _row(law: str, name: str, row: QuoteLine | QuoteCharge) -> None:
    net = row.amount - row.tax if row.tax_included else row.amount
    _same(law, f"the net of {name}", row.net, net)
    _same(law, f"the total of {name}", row.total, row.net + row.tax)
    sound = row.amount >= 0 and row.tax >= 0 and row.net >= 0
    _holds(law, f"{name} has a figure below nothing", true=sound)


def quote_reconciles(quote: Quote) -> None:
    """L3: every sum of a quote is the sum of what it is made of, at line and order level.

    Total = lines + charges; a line = list amount - discounts + freight, with its tax inside or on
    top; the discounts as applied add up to the discount, each order discount to its shares;
    the tax summary by rate adds up to the tax and the net, rate by rate.
    """
    law = "L3 quote reconciles"
    lines, rows = quote.lines, quote.rows()
    sums: dict[str, int] = dict.fromkeys([line.id for line in lines], 0)
    shared = [0] * len(lines)
    for i, off in enumerate(quote.discounts):
        _holds(law, f"discount {i} gives more than it asks", true=0 <= off.amount <= off.asked)
        if off.line:
            _holds(law, f"discount {i} is off a line that is not there", true=off.line in sums)
            sums[off.line] += off.amount
        else:
            shares_sum(off.amount, off.shares)
            shared = [a + b for a, b in zip(shared, off.shares, strict=True)]
    for line, share in zip(lines, shared, strict=True):
        name = f"line {line.id}"
        _same(law, f"the list amount of {name}", line.list_amount, line.unit_price * line.quantity)
        _same(law, f"the discount of {name}", line.discount, sums[line.id])
        _same(law, f"the share of {name} in order discounts", line.order_discount, share)
        off_it = line.discount + line.order_discount
        _holds(law, f"{name} is discounted below nothing", true=off_it <= line.list_amount)
        _same(law, f"the amount of {name}", line.amount, line.list_amount - off_it + line.freight)
    for row in rows:
        _row(law, f"row {row.id}", row)
    _same(law, "the subtotal", quote.subtotal, sum(line.list_amount for line in lines))
    _same(law, "the discount", quote.discount, sum(off.amount for off in quote.discounts))
    _same(law, "the net", quote.net, sum(row.net for row in rows))
    _same(law, "the tax", quote.tax, sum(row.tax for row in rows))
    _same(law, "the total", quote.total, sum(row.total for row in rows))
    _same(law, "net and tax together", quote.net + quote.tax, quote.total)
    by_rate: dict[int, tuple[int, int]] = {}
    for row in rows:
        net, tax = by_rate.get(row.tax_ppm, (0, 0))
        by_rate[row.tax_ppm] = (net + row.net, tax + row.tax)
    summary = [(tax.ppm, (tax.net, tax.tax)) for tax in quote.taxes]
    _same(law, "the tax summary by rate", sorted(summary), sorted(by_rate.items()))


def units_rebuild_lines(quote: Quote) -> None:
    """L4: the shares of single units add up to their line, and k single units to a run of k.

    So k partial refunds of one unit each give what one refund of k units gives.
    """
    law = "L4 units rebuild lines"
    for line in quote.lines:
        whole = (
            line.list_amount, line.discount + line.order_discount, line.freight, line.tax,
            line.net, line.total,
        )  # fmt: skip
        count = line.quantity
        if count <= _UNITS_MAX:
            cuts = list(range(count + 1))
        else:
            cuts = sorted({0, 1, 2, 3, count // 3, count // 2, count - 2, count - 1, count})
        sums = [0] * len(whole)
        for first, after in pairwise(cuts):
            share = _figures(line, first, after - first)
            sums = [a + b for a, b in zip(sums, share, strict=True)]
            upto = _figures(line, 0, after)
            _same(law, f"the first {after} units of line {line.id}", upto, tuple(sums))
        _same(law, f"the sum of the units of line {line.id}", tuple(sums), whole)


def _figures(line: QuoteLine, first: int, count: int) -> tuple[int, ...]:
    share = line.units(first, count)
    return share.list_amount, share.discount, share.freight, share.tax, share.net, share.total


# --- Tenders ---------------------------------------------------------------------------------


def tenders_conserved(plan: TenderPlan) -> None:
    """L6: the planned tenders add up to what is due; points are worth what they pay."""
    law = "L6 tender conservation"
    _same(law, "the sum of the tenders", sum(t.amount for t in plan.tenders), plan.total)
    _same(law, "the sum of the rows", sum(owed for _, owed in plan.rows), plan.total)
    for i, tender in enumerate(plan.tenders):
        _holds(law, f"tender {i} pays nothing or less", true=tender.amount > 0)
        if tender.kind is TenderKind.POINTS:
            worth = tender.points * tender.quantum_minor
            due = tender.amount * tender.quantum_points
            _same(law, f"the worth of the points of tender {i}", worth, due)
            _holds(law, f"tender {i} keeps points it does not have", true=tender.kept >= 0)


def matrix_exact(plan: TenderPlan, eligible: Sequence[Sequence[bool] | None] | None = None) -> None:
    """L25: lines by tenders, both margins exact, no negative cell, each cell next to its exact share.

    ``eligible`` says for each tender which rows it may pay (`None`: all); left out, all may pay all.
    Tenders in steps (points worth more than one minor unit) are whole steps in each cell, and the
    others are measured against what those leave.
    """
    law = "L25 matrix"
    owed = [Fraction(row) for _, row in plan.rows]
    masks = list(eligible) if eligible is not None else [None] * len(plan.tenders)
    _same(law, "the number of rows", len(plan.matrix), len(plan.rows))
    for (name, row), cells in zip(plan.rows, plan.matrix, strict=True):
        _same(law, f"the number of cells of row {name}", len(cells), len(plan.tenders))
        _same(law, f"the sum of row {name}", sum(cells), row)
        _holds(law, f"row {name} has a negative cell", true=min(cells, default=0) >= 0)
    columns = list(zip(*plan.matrix, strict=True)) if plan.tenders else []
    for j, (tender, column) in enumerate(zip(plan.tenders, columns, strict=True)):
        _same(law, f"the sum of tender {j}", sum(column), tender.amount)
        mask = masks[j]
        barred = mask is not None and any(c and not m for c, m in zip(column, mask, strict=True))
        _holds(law, f"tender {j} pays a row that it may not", true=not barred)
        step = tender.quantum_minor
        if step > 1:
            broken = any(cell % step for cell in column)
            _holds(law, f"tender {j} pays with a part of a step", true=not broken)
            owed = [row - cell for row, cell in zip(owed, column, strict=True)]
    for j, (tender, column) in enumerate(zip(plan.tenders, columns, strict=True)):
        if tender.quantum_minor > 1:
            continue
        mask = masks[j] or [True] * len(owed)
        claims = [row if may else Fraction(0) for row, may in zip(owed, mask, strict=True)]
        level = Fraction(tender.amount) / (sum(claims, Fraction(0)) or 1)
        exact = [claim * level for claim in claims]
        for (name, _), cell, share in zip(plan.rows, column, exact, strict=True):
            near = floor(share) <= cell <= ceil(share)
            _holds(law, f"tender {j} pays {cell} of row {name}, exactly {share}", true=near)
        owed = [row - share for row, share in zip(owed, exact, strict=True)]


def refunds_bounded(payments: Payments) -> None:
    """L8: refunds never exceed what was captured, per tender and in total, and draw down the matrix.

    Legs and rows of each refund add up to it; cells drawn never exceed the cells of the plan.
    """
    law = "L8 refund bound"
    back: dict[str, int] = {}
    for refund in payments.refunds:
        _same(law, f"the legs of {refund.id}", sum(x.amount for x in refund.legs), refund.amount)
        _same(law, f"the rows of {refund.id}", sum(x.amount for x in refund.rows), refund.amount)
        for leg in refund.legs:
            back[leg.attempt] = back.get(leg.attempt, 0) + leg.amount
    for name, amount in back.items():
        captured = payments.attempt(name).captured
        _holds(law, f"{amount} goes back to {name}, which took {captured}", true=amount <= captured)
    if payments.plan is None:
        return
    places = [name for name, _ in payments.plan.rows]
    drawn = [[0] * len(payments.plan.tenders) for _ in places]
    for refund in payments.refunds:
        for row in refund.rows:
            _same(law, f"the cells of row {row.row}", sum(row.cells), row.amount)
            at = places.index(row.row)
            drawn[at] = [a + b for a, b in zip(drawn[at], row.cells, strict=True)]
    _same(law, "what is drawn of the matrix", [list(row) for row in payments.drawn], drawn)
    for name, cells, gone in zip(places, payments.plan.matrix, drawn, strict=True):
        within = all(0 <= taken <= cell for taken, cell in zip(gone, cells, strict=True))
        _holds(law, f"row {name} is drawn beyond its cells", true=within)


# --- Books -----------------------------------------------------------------------------------


def books_balance(entries: Iterable[Entry]) -> None:
    """L9: the entries (of one currency) add up to zero, and none is of nothing."""
    law = "L9 books balance"
    kept = tuple(entries)
    _same(law, "the sum of the entries", sum(entry.amount for entry in kept), 0)
    _holds(law, "an entry is of nothing", true=all(entry.amount for entry in kept))


def trial_balance_is_zero(balances: Iterable[Balance]) -> None:
    """L9: the balances add up to zero in each currency."""
    sums: dict[str, int] = {}
    for balance in balances:
        sums[balance.currency] = sums.get(balance.currency, 0) + balance.amount
    for currency, rest in sums.items():
        _same("L9 books balance", f"the trial balance in {currency}", rest, 0)


def books_tell_the_money(order: Order, entries: Iterable[Entry]) -> None:
    """L9: the balances of one order are what its attempts and refunds say.

    ``entries`` are all entries of the order. Clearing and liabilities, by gateway: captured, less
    given back, less refunds that arrived. Refunds in transit: asked, less arrived. The rest (advances
    or, once earned, revenue, income and tax): captured, less given back, less refunds asked.
    """
    law = "L9 books balance"
    sums: dict[AccountKind, int] = {}
    outside: dict[str, int] = {}
    money = (
        AccountKind.CLEARING, AccountKind.POINTS_LIABILITY, AccountKind.STORED_VALUE_LIABILITY,
    )  # fmt: skip
    for entry in entries:
        sums[entry.account] = sums.get(entry.account, 0) + entry.amount
        if entry.account in money:
            outside[entry.detail] = outside.get(entry.detail, 0) + entry.amount
    payments = order.payments
    held: dict[str, int] = {}
    for attempt in payments.attempts:
        kept = attempt.captured - attempt.returned
        held[attempt.gateway] = held.get(attempt.gateway, 0) + kept
    asked = transit = 0
    for refund in payments.refunds:
        asked += refund.amount
        for leg in refund.legs:
            if leg.arrived:
                held[payments.attempt(leg.attempt).gateway] -= leg.amount
            else:
                transit += leg.amount
    for gateway in sorted({*held, *outside}):
        got, due = outside.get(gateway, 0), held.get(gateway, 0)
        _same(law, f"the balance with {gateway}", got, due)
    in_transit = sums.get(AccountKind.REFUNDS_IN_TRANSIT, 0)
    _same(law, "refunds in transit", in_transit, -transit)
    kept = sum(attempt.captured - attempt.returned for attempt in payments.attempts)
    rest = sum(sums.values()) - sum(outside.values()) - in_transit
    _same(law, "advances, revenue and tax together", rest, asked - kept)
    if order.recognized:
        _same(law, "advances of an earned sale", sums.get(AccountKind.ADVANCES, 0), _late(payments))


def _late(payments: Payments) -> int:
    """Advances that money outside of the plan in force leaves until it is undone."""
    now = payments.round
    return -sum(a.captured - a.returned for a in payments.attempts if a.round != now)


# --- Journal ---------------------------------------------------------------------------------


def replay_gives(order: Order, history: Iterable[tuple[Event, datetime]]) -> None:
    """L15: replaying an order's events gives the order, and every state it was in can be read there."""
    law = "L15 journal"
    told: Order | None = None
    count = 0
    for event, at in history:
        if told is not None and isinstance(event, Moved):
            _same(law, f"the source of move {event.via!r}", event.source, told.state)
        told = evolve(told, event, at)
        count += 1
        if isinstance(event, Moved):
            _same(law, f"the state after move {event.via!r}", told.state, event.to)
    _same(law, "the number of events", count, order.version)
    _same(law, "the order as replayed", told, order)
