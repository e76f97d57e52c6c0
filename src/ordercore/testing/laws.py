"""The laws that every figure keeps, as functions to call on your own.

Each takes what a host's rule has made (a quote by its own tax policy, a plan, entries) and raises
`AssertionError`, which begins with the law's name, where the law does not hold.
A promotion or a tax rule of your own is held to all laws of a quote in ten lines:

>>> from hypothesis import given, strategies as st
>>> from ordercore.pricing import HostRule, Layer, PricingPolicy, Promotion, Scope
>>> from ordercore.testing import laws, quotes
>>> def to_the_whole(basket):
...     return {line.id: line.room % 100 for line in basket.matching(Scope())}
>>> ours = Promotion("whole", HostRule("to the whole", to_the_whole))
>>> @given(quotes(by=st.just(PricingPolicy(layers=(Layer("ours", (ours,)),)))))
... def test_our_promotion_keeps_the_laws(priced):
...     laws.pricing_holds(priced)
>>> test_our_promotion_keeps_the_laws()

But for `priced_again` and `replay_gives` they work from the figures alone and call nothing of what they judge.
Amounts are minor units.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import TYPE_CHECKING

from ordercore.allocation import RemainderRule
from ordercore.goods import LineId
from ordercore.ledger import AccountKind
from ordercore.money import exponent
from ordercore.order import Moved, evolve
from ordercore.pricing import (
    EveryOff,
    GoodsKind,
    OrderAmount,
    OrderPercent,
    Scope,
    SetTotal,
    Spread,
    Steps,
)
from ordercore.pricing import quote as price
from ordercore.tender import AttemptState, RefundStatus, TenderKind
from ordercore.testing.figures import border_is_charged, figures_add_up, shares_sum
from ordercore.testing.figures import holds as _holds
from ordercore.testing.figures import same as _same
from ordercore.testing.regrouping_laws import (
    cut_rows_are_next_to_their_share,
    handed_over,
    part_reconciles,
    rejoin_inverts,
    split_conserves,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ordercore.event import Event
    from ordercore.ledger import Balance, Entry
    from ordercore.order import Order
    from ordercore.pricing import (
        AppliedDiscount,
        CartLine,
        Component,
        Conversion,
        Quote,
        QuoteLine,
    )
    from ordercore.tender import Attempt, Payments, TenderPlan

__all__ = [
    "amounts_agree",
    "books_balance",
    "books_tell_the_money",
    "conversion_adds_up",
    "cut_rows_are_next_to_their_share",
    "discounts_are_spread",
    "figures_add_up",
    "matrix_exact",
    "part_reconciles",
    "priced_again",
    "pricing_holds",
    "quote_reconciles",
    "quota",
    "refunds_bounded",
    "rejoin_inverts",
    "replay_gives",
    "shares_sum",
    "split_conserves",
    "tenders_conserved",
    "trial_balance_is_zero",
    "units_rebuild_lines",
]

_UNITS_MAX = 12
"""A line of more units is taken apart in a few runs instead of one by one."""


# --- Shares ----------------------------------------------------------------------------------


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


def quote_reconciles(quote: Quote) -> None:
    """L3: every sum of a quote is the sum of what it is made of, at line and order level.

    Total = lines + charges; a line = list amount - discounts + freight, with its tax inside or on
    top; the discounts as applied add up to the discount, each one on several lines to its shares;
    the components of a row's tax add up to it, and the tax summary to the tax, rate by rate.
    """
    figures_add_up(quote)
    border_is_charged(quote)
    worth = quote.policy.points_worth
    if worth is not None:
        due = Fraction(quote.points * worth.minor, worth.points)
        law = "L3 quote reconciles"
        _holds(law, f"points worth {due} are due in {quote.total}", true=due <= quote.total)


_SPREAD = (OrderPercent, OrderAmount, EveryOff, Steps)


def discounts_are_spread(quote: Quote) -> None:
    """L2: a discount on several lines takes of each its share of what they come to, less than one minor unit off.

    Held where shares are by the default remainder rule, by what remains or by list amount, and no floor binds.
    """
    if quote.policy.discount_remainder is not RemainderRule.LARGEST_FRACTION:
        return
    if any(line.floor_price is not None or line.points for line in quote.cart.lines):
        return
    promotions = {p.id: p for layer in quote.policy.layers for p in layer.promotions}
    bought = _bought(quote)
    names = [line.id for line in quote.lines]
    left = [line.list_amount for line in quote.lines]
    for off in quote.discounts:
        if off.line:
            left[names.index(LineId(off.line))] -= off.amount
            continue
        if not off.shares:
            continue
        # The cart's own discounts leave gift cards alone: money sold at a discount is no discount.
        weights: list[int] | None = [
            0 if line.kind is GoodsKind.MULTI_PURPOSE_VOUCHER else here
            for here, (_, line) in zip(left, bought, strict=True)
        ]
        if off.promotion:
            promotion = promotions[off.promotion]
            benefit = promotion.benefit
            plain = isinstance(benefit, _SPREAD) or (
                isinstance(benefit, SetTotal) and not benefit.units
            )
            weights = None
            if plain and promotion.spread is not Spread.NET:
                by_list = promotion.spread is Spread.LIST
                weights = [
                    (line.list_amount if by_list else here)
                    if _takes_part(promotion.scope, *one)
                    else 0
                    for line, here, one in zip(quote.lines, left, bought, strict=True)
                ]
        if weights is not None and _fits(off, weights, left):
            quota(off.amount, weights, off.shares)
        left = [here - share for here, share in zip(left, off.shares, strict=True)]


def _fits(off: AppliedDiscount, weights: Sequence[int], left: Sequence[int]) -> bool:
    """Whether each line has room for its exact share."""
    total = sum(weights) or 1
    return all(
        off.amount * weight <= room * total for weight, room in zip(weights, left, strict=True)
    )


def _bought(quote: Quote) -> list[tuple[CartLine | Component, CartLine]]:
    """What each line of the quote was in the cart, with the cart line that it came on."""
    return [(one, line) for line in quote.cart.lines for one in line.components or (line,)]


def _takes_part(scope: Scope, one: CartLine | Component, line: CartLine) -> bool:
    """Whether a line is in the scope of a promotion: by its own names, or by those of its bundle."""
    voucher = line.kind in {GoodsKind.SINGLE_PURPOSE_VOUCHER, GoodsKind.MULTI_PURPOSE_VOUCHER}
    if (voucher and not scope.vouchers) or (line.components and not scope.bundles):
        return False
    return all(
        (not wanted or not names.isdisjoint(wanted)) and names.isdisjoint(barred)
        for names, wanted, barred in (
            ({one.sku, line.sku}, scope.skus, scope.except_skus),
            ({one.category, line.category}, scope.categories, scope.except_categories),
            ({one.brand, line.brand}, scope.brands, scope.except_brands),
        )
    )


def conversion_adds_up(conversion: Conversion, total: int) -> None:
    """L5: the converted rows add up to the converted whole, which is the exact one rounded once.

    ``total`` is the whole before, in minor units of the rate's base.
    """
    law = "L5 conversion"
    rate = conversion.rate
    _same(law, "the sum of the rows", sum(conversion.rows), conversion.total)
    _same(law, "net and tax together", conversion.net + conversion.tax, conversion.total)
    scale = Fraction(10 ** exponent(rate.quote), 10 ** exponent(rate.base))
    exact = total * Fraction(rate.numerator, rate.denominator) * scale
    _holds(
        law, f"{conversion.total} is not {exact} rounded", true=abs(conversion.total - exact) < 1
    )
    _holds(law, "the rate does not say where it comes from", true=bool(rate.source))


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


def priced_again(quote: Quote) -> None:
    """L18: what a quote was made from gives the same quote again, in every figure."""
    again = price(quote.cart, quote.policy, quote.at, quote.facts)
    for name in (
        "currency", "lines", "charges", "discounts", "taxes", "total", "refused", "border",
        "settlement", "ledger",
    ):  # fmt: skip
        _same("L18 explained", f"{name}, priced again,", getattr(again, name), getattr(quote, name))
    _holds("L18 explained", "priced again, it is another quote", true=again == quote)


def pricing_holds(quote: Quote) -> None:
    """All laws of a quote: L1 to L5 and L18."""
    quote_reconciles(quote)
    discounts_are_spread(quote)
    units_rebuild_lines(quote)
    for conversion in (quote.settlement, quote.ledger):
        if conversion is not None:
            _same("L5 conversion", "the number of rows", len(conversion.rows), len(quote.rows()))
            conversion_adds_up(conversion, quote.total)
    priced_again(quote)


def _figures(line: QuoteLine, first: int, count: int) -> tuple[int, ...]:
    share = line.units(first, count)
    return share.list_amount, share.discount, share.freight, share.tax, share.net, share.total


# --- Tenders ---------------------------------------------------------------------------------


def tenders_conserved(plan: TenderPlan) -> None:
    """L6: the planned tenders add up to what is due; points are worth what they pay; what cash rounding adds or
    takes stands beside them, and something is asked of each payer. Of price reductions each row has its part."""
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
        rounded = tender.rounding and tender.kind is not TenderKind.CASH
        _holds(law, f"tender {i} is rounded and is no cash", true=not rounded)
        _holds(law, f"tender {i} asks for nothing", true=tender.amount + tender.rounding > 0)
    off = sum(t.amount for t in plan.tenders if t.discount)
    _same(law, "the price reductions of the rows", sum(plan.discounted), off)


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
    A refund from before an amendment draws no longer, and one without rows takes whatever was left.
    """
    law = "L8 refund bound"
    back: dict[str, int] = {}
    for refund in payments.refunds:
        _same(law, f"the legs of {refund.id}", sum(x.amount for x in refund.legs), refund.amount)
        if refund.rows:
            rows = sum(x.amount for x in refund.rows)
            _same(law, f"the rows of {refund.id}", rows, refund.amount)
        for leg in refund.legs:
            _holds(law, f"a leg of {refund.id} is below nothing", true=leg.amount > 0)
            back[leg.attempt] = back.get(leg.attempt, 0) + leg.amount
    for name, amount in back.items():
        attempt = payments.attempt(name)
        captured = attempt.captured - attempt.rounding + attempt.released
        _holds(law, f"{amount} goes back to {name}, which took {captured}", true=amount <= captured)
    if payments.plan is None:
        return
    places = [name for name, _ in payments.plan.rows]
    drawn = [[0] * len(payments.plan.tenders) for _ in places]
    for refund in payments.refunds[payments.settled :]:
        for row in refund.rows:
            _same(law, f"the cells of row {row.row}", sum(row.cells), row.amount)
            at = places.index(row.row)
            drawn[at] = [a + b for a, b in zip(drawn[at], row.cells, strict=True)]
    _same(law, "what is drawn of the matrix", [list(row) for row in payments.drawn], drawn)
    for name, cells, gone in zip(places, payments.plan.matrix, drawn, strict=True):
        within = all(0 <= taken <= cell for taken, cell in zip(gone, cells, strict=True))
        _holds(law, f"row {name} is drawn beyond its cells", true=within)


def amounts_agree(order: Order) -> None:
    """L3, L6, L25: the total is that of the rows; what is held, due and owed adds up to it.

    What is due is the total, less what was refunded of it and less the money in hand or promised;
    what is owed is the money in hand above it, but for what is kept for good and what payers' banks took back:
    computed from totals, whatever led there.
    When what was paid just covers the rows of today, the matrix in force is over these very rows,
    both margins exact, and its columns are what the tenders hold or drew since.
    """
    content, payments = order.content, order.payments
    _same("L3 quote reconciles", "the total", content.total, sum(r.total for r in content.rows()))
    law = "L6 tender conservation"
    if order.handling.gone:  # whoever has its money now owes what is owed
        _same(law, "what is due and owed of an order that is gone", (order.due, order.owed), (0, 0))
        return
    price = max(0, content.total - payments.refunded_now)
    if order.handling.released or any(r.whole for r in payments.refunds[payments.settled :]):
        price = 0
    _same(law, "what is due", order.due, max(0, price - payments.secured))
    net = payments.captured - payments.refunded
    gone = sum(max(0, min(a.charged_back, payments.left(a))) for a in payments.attempts)
    over = net - price - payments.forfeited - gone
    _same(law, "what is owed", order.owed, max(0, over))
    _holds(law, "something is due and owed", true=not (order.due and order.owed))
    held = sum(_counts(a) for a in payments.attempts) - payments.refunded
    _same(law, "what the tenders hold together", held, net)
    plan = payments.plan
    covered = net and net + payments.refunded_now == content.total and not payments.in_flight
    if plan is None or not covered or order.handling.released:
        return
    if any(not r.rows and not r.surplus for r in payments.refunds[payments.settled :]):
        return  # whatever was left went back, whichever goods it had paid for
    tenders_conserved(plan)
    law = "L25 matrix"
    _same(law, "the rows", plan.rows, tuple((row.id, row.total) for row in content.rows()))
    for (name, owes), cells in zip(plan.rows, plan.matrix, strict=True):
        _same(law, f"the sum of row {name}", sum(cells), owes)
    current = {a.tender: a for a in payments.current() if _counts(a)}
    taken = {**current, **{j: payments.attempt(n) for j, n in enumerate(payments.carried)}}
    for j, tender in enumerate(plan.tenders):
        _same(law, f"the sum of tender {j}", sum(c[j] for c in plan.matrix), tender.amount)
        drawn = sum(row[j] for row in payments.drawn)
        _same(law, f"what tender {j} holds", payments.left(taken[j]), tender.amount - drawn)


def _counts(attempt: Attempt) -> int:
    """What of an attempt's money counts as paid: taken, held on purpose to be taken later, or let go by refunds."""
    state = attempt.state
    if state is AttemptState.CAPTURED:
        return attempt.captured - attempt.rounding + attempt.released
    if attempt.deferred and state in {AttemptState.AUTHORIZED, AttemptState.CAPTURING}:
        return attempt.authorized or attempt.amount
    return attempt.released


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


_OUTSIDE = frozenset(
    {
        AccountKind.CLEARING,
        AccountKind.POINTS_LIABILITY,
        AccountKind.STORED_VALUE_LIABILITY,
        AccountKind.CASH,
        AccountKind.COD_WITH_COURIERS,
    }
)
"""Accounts by gateway: what lies with somebody else, or in the till."""
_KEPT = frozenset({AccountKind.BANK, AccountKind.CHANNEL_FEES, AccountKind.EXCHANGE_DIFFERENCE})
"""Accounts by gateway: where what a gateway held for us went."""
_EARNED = frozenset(
    {
        AccountKind.REVENUE,
        AccountKind.SHIPPING_INCOME,
        AccountKind.TAX_PAYABLE,
        AccountKind.DUTY_COLLECTED,
        AccountKind.FUNDED_DISCOUNTS,
        AccountKind.MERCHANT_PAYABLE,
    }
)
"""Accounts of the sale."""


def books_tell_the_money(order: Order, entries: Iterable[Entry | Balance]) -> None:
    """L9: the balances of one order are what its attempts, refunds and compensations say.

    ``entries`` are all entries of the order, or their balances. Clearing, till, couriers and liabilities, by gateway: captured, less
    given back, less refunds that arrived over it, less what it charged back; with what it kept or paid out
    since. Refunds in transit: asked and not only let go, less arrived. What is left (advances and deposits, or, once earned,
    revenue, income and tax, with what is still to be collected, and what was kept): captured, less given
    back, less refunds asked. Until the sale is earned, all of it are advances or deposits. Of an order
    that was adopted only what is in transit is held to this: its books begin in another shop.
    What an order handed over, when it was split or merged, is in the books of those that have it now.
    """
    law = "L9 books balance"
    sums: dict[AccountKind, int] = {}
    outside: dict[str, int] = {}
    for entry in entries:
        sums[entry.account] = sums.get(entry.account, 0) + entry.amount
        if entry.account in _OUTSIDE or entry.account in _KEPT:
            outside[entry.detail] = outside.get(entry.detail, 0) + entry.amount
    payments = order.payments
    in_transit = sums.get(AccountKind.REFUNDS_IN_TRANSIT, 0)
    _same(law, "refunds in transit", in_transit, -_transit(payments))
    _same(law, "the sum of the entries", sum(sums.values()), 0)
    if order.handling.adopted:
        return
    held = _held_outside(order)
    for gateway in sorted({*held, *outside}):
        _same(law, f"the balance with {gateway}", outside.get(gateway, 0), held.get(gateway, 0))
    asked = sum(refund.amount - refund.released for refund in payments.refunds)
    kept = sum(_price_of(a) - handed_over(order, a)[0] for a in payments.attempts)
    agreed = sum(
        sums.get(kind, 0)
        for kind in (
            AccountKind.ADVANCES, AccountKind.DEPOSITS_HELD, AccountKind.FORFEITED_DEPOSITS,
            AccountKind.RECEIVABLE, *_EARNED,
        )
    )  # fmt: skip
    charged_back = sum(attempt.charged_back for attempt in payments.attempts)
    over = charged_back - sums.get(AccountKind.CHARGEBACKS, 0)  # what customers owe for it
    _same(law, "advances, revenue and tax together", agreed - over, asked - kept)
    advances = sums.get(AccountKind.ADVANCES, 0) + sums.get(AccountKind.DEPOSITS_HELD, 0)
    ended = any(refund.whole for refund in payments.refunds)
    if order.recognized:
        receivable = sums.get(AccountKind.RECEIVABLE, 0) - over
        due = asked - kept if ended else _open(order)
        _same(law, "what an earned sale leaves open", advances + receivable, due)
        back = payments.refunded_now > 0 and payments.refunded >= payments.captured
        if ended or (back and not order.due):
            for account in _EARNED:
                _same(law, f"{account.value} of a refunded sale", sums.get(account, 0), 0)
    else:
        evened = over - sums.get(AccountKind.RECEIVABLE, 0)  # advances against chargebacks
        _same(
            law, "advances of a sale that is not earned", advances - evened,
            asked - kept + payments.forfeited,
        )  # fmt: skip
        if (ended or order.handling.released) and not payments.forfeited:
            lost = sums.get(AccountKind.CHARGEBACKS, 0)
            _holds(law, "an advance stands against a chargeback", true=not (advances < 0 < lost))


def _price_of(attempt: Attempt) -> int:
    """What an attempt really took, as it counts for the price: cash without its rounding."""
    taken = attempt.captured - attempt.returned
    return taken - attempt.rounding if taken else 0


def _transit(payments: Payments) -> int:
    """Refunds and compensations that were asked and have not arrived."""
    legs = sum(
        leg.amount
        for refund in payments.refunds
        for leg in refund.legs
        if not leg.arrived and not leg.released
    )
    open_ = (None, RefundStatus.UNKNOWN, RefundStatus.ACCEPTED)
    return legs + sum(c.amount for c in payments.compensations if c.status in open_)


def _held_outside(order: Order) -> dict[str, int]:
    """What came over each gateway by attempts and refunds; below nothing what it holds for the customer."""
    held: dict[str, int] = {}
    payments = order.payments
    for attempt in payments.attempts:
        kept = attempt.captured - attempt.returned - sum(handed_over(order, attempt))
        held[attempt.gateway] = held.get(attempt.gateway, 0) + kept - attempt.charged_back
    for refund in payments.refunds:
        for leg in refund.legs:
            if leg.arrived and not leg.released:
                way = leg.gateway or payments.attempt(leg.attempt).gateway
                held[way] = held.get(way, 0) - leg.amount - leg.rounding
    for given in payments.compensations:
        if given.status is RefundStatus.ARRIVED:
            held[given.gateway] = held.get(given.gateway, 0) - given.amount
    return held


def _open(order: Order) -> int:
    """Advances that an earned sale leaves: its price, less the money for it; below nothing for money
    that is to go back."""
    payments = order.payments
    kept = sum(_price_of(a) for a in payments.attempts)
    before = sum(
        refund.amount
        for i, refund in enumerate(payments.refunds)
        if not refund.rows or (i < payments.settled and not refund.recognized)
    )
    return order.content.total - kept + before - sum(r.released for r in payments.refunds)


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
