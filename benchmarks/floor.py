"""The floor: the same order on bare integers, written by hand for speed.

No values, no checks of input, no ports, no reasons in errors: lists, tuples, dicts and functions.
It does the same stages as the engine on the same cart, and it ends with the same figures,
the same matrix, the same events by name and the same ledger entries, which a test holds.
So the ratio to it tells what all the rest of the library costs.
"""

from __future__ import annotations

from itertools import count
from time import time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# sku, units, unit price, discount, rate in basis points, tax included
Line = tuple[str, int, int, int, int, bool]
Keys = tuple[str, str, str, str, str, str]

CART: list[Line] = [
    ("SKU-1", 2, 1999, 0, 825, False),
    ("SKU-2", 1, 4999, 500, 825, False),
    ("SKU-3", 3, 333, 0, 2000, True),
    ("SKU-4", 1, 12900, 1000, 2000, True),
    ("SKU-5", 10, 99, 10, 0, False),
]
SHIPPING, DISCOUNT = 799, 1500
TENDERS: list[tuple[str, int | None]] = [
    ("coupon", 500),
    ("points", 300),
    ("balance", 1000),
    ("card", None),
]
TOTAL = 22329
"""What the cart comes to, in minor units."""

SIDES = {
    "coupon": "stored_value_liability",
    "points": "points_liability",
    "balance": "stored_value_liability",
    "card": "clearing",
}
RATES = {825: "8.25", 2000: "20"}
CHART = {
    "pending_payment": {"pay": "paid"},
    "paid": {"accept": "awaiting_shipment"},
    "awaiting_shipment": {"ship": "shipped"},
    "shipped": {"receive": "received"},
    "received": {"complete": "completed"},
}
SECOND = 1_000_000_000
CLOSE, REMIND, RESOLVE, CONFIRM = 1800 * SECOND, 1500 * SECOND, 60 * SECOND, 604_800 * SECOND

Priced = tuple[list[tuple[int, int, int, int]], dict[int, int], int, int]

PPM = {825: 82_500, 2000: 200_000, 500: 50_000, 0: 0}
"""Rates in parts per million, by the name that a line has for them."""
VALID = 900 * SECOND
# amount, rate in basis points, tax included
Carried = tuple[int, int, bool]


class Full(NamedTuple):
    """Every figure that a quote tells of a cart with discounts and tax.

    ``rows``: (units, price, listed, off the line, off the order, amount, ppm, inside, tax, net, total) by line.
    ``discounts``: (place of its line or -1, asked, given, shares). ``carried``: (amount, ppm, inside, tax, net, total).
    ``taxes``: [net, tax] by rate.
    """

    rows: list[tuple[int, ...]]
    discounts: list[tuple[int, int, int, list[int]]]
    carried: tuple[int, ...]
    taxes: dict[int, list[int]]
    subtotal: int
    discount: int
    tax: int
    net: int
    total: int
    until: int


def price(cart: Sequence[Line], off: int, shipping: int) -> Priced:
    """[(net, discount, tax, total)] by line, tax by rate, the goods' net, the order's total."""
    base = [q * u - d for _, q, u, d, _, _ in cart]
    whole = sum(base)
    shares = [off * b // whole for b in base]
    odd = off - sum(shares)
    if odd:  # the largest fractions first, ties by place
        rests = [off * b % whole for b in base]
        for i in sorted(range(len(rests)), key=rests.__getitem__, reverse=True)[:odd]:
            shares[i] += 1
    rows = []
    taxes: dict[int, int] = {}
    goods = total = 0
    for (_, _, _, d, bp, inside), b, share in zip(cart, base, shares):  # noqa: B905
        a = b - share
        if inside:
            tax = (2 * a * bp + 10000 + bp) // (2 * (10000 + bp))
            net = a - tax
        else:
            tax = (a * bp + 5000) // 10000
            net = a
            a += tax
        rows.append((net, d + share, tax, a))
        if tax:
            taxes[bp] = taxes.get(bp, 0) + tax
        goods += net
        total += a
    return rows, taxes, goods, total + shipping


def price_in_full(cart: Sequence[Line], off: int, shipping: Carried, at: int) -> tuple[Any, ...]:
    """The price stage with all that a quote tells: who asked what off, and on which net each tax stands.

    `price` gives what an order needs later on; this gives what a page shows and an invoice declares,
    as the fields of `Full`.
    """
    listed = [q * u for _, q, u, _, _, _ in cart]
    discounts: list[tuple[int, int, int, list[int]]] = []
    base = listed.copy()
    for i, (_, _, _, d, _, _) in enumerate(cart):
        if d:
            whole = base[i]
            given = d if d < whole else whole  # noqa: FURB136 - a call costs more
            discounts.append((i, d, given, []))
            base[i] = whole - given
    whole = sum(base)
    given = off if off < whole else whole  # noqa: FURB136
    if given:
        shares = [given * b // whole for b in base]
        odd = given - sum(shares)
        if odd:  # the largest fractions first, ties by place
            rests = [given * b % whole for b in base]
            for i in sorted(range(len(rests)), key=rests.__getitem__, reverse=True)[:odd]:
                shares[i] += 1
    else:
        shares = [0] * len(base)
    if off:
        discounts.append((-1, off, given, shares))
    rows: list[tuple[int, ...]] = []
    taxes: dict[int, list[int]] = {}
    taxed = goods = 0
    for (_, q, u, _, bp, inside), x, b, share in zip(cart, listed, base, shares):  # noqa: B905
        ppm = PPM[bp]
        a = b - share
        if inside:
            tax = (2 * a * ppm + 1_000_000 + ppm) // (2 * (1_000_000 + ppm))
            net = a - tax
        else:
            tax = (a * ppm + 500_000) // 1_000_000
            net = a
        rows.append((q, u, x, x - b, share, a, ppm, inside, tax, net, net + tax))
        known = taxes.get(ppm)
        if known is None:
            taxes[ppm] = [net, tax]
        else:
            known[0] += net
            known[1] += tax
        taxed += tax
        goods += net
    carried = _carried(shipping, taxes)
    taxed += carried[3]
    goods += carried[4]
    first = sum(listed)
    return (
        rows, discounts, carried, taxes, first, first - whole + given, taxed, goods,
        goods + taxed, at + VALID,
    )  # fmt: skip


def _carried(shipping: Carried, taxes: dict[int, list[int]]) -> tuple[int, ...]:
    """The row of shipping, added to the tax by rate."""
    a, bp, inside = shipping
    ppm = PPM[bp]
    if inside:
        tax = (2 * a * ppm + 1_000_000 + ppm) // (2 * (1_000_000 + ppm))
        net = a - tax
    else:
        tax = (a * ppm + 500_000) // 1_000_000
        net = a
    known = taxes.setdefault(ppm, [0, 0])
    known[0] += net
    known[1] += tax
    return a, ppm, inside, tax, net, net + tax


def plan(total: int) -> list[tuple[str, int]]:
    """What each tender pays, in the declared order."""
    left = total
    planned = []
    for gateway, cap in TENDERS:
        x = left if cap is None or cap > left else cap
        if x:
            planned.append((gateway, x))
        left -= x
    if left:
        raise ValueError
    return planned


def matrix(  # noqa: C901 - flat, for speed
    rows: Sequence[int], amounts: Sequence[int], total: int
) -> list[tuple[int, ...]]:
    """Lines by tenders, both margins exact: floors, then odd units greedily to the first rows.

    The engine finds its way where greed gets stuck; this raises.
    """
    columns = []
    uneven = []
    for amount in amounts:
        column, odds, need = [], [], amount
        for row in rows:
            x = row * amount
            part = x // total
            column.append(part)
            odds.append(x - part * total)
            need -= part
        columns.append(column)
        if need:
            uneven.append((column, odds, need))
    if uneven:
        lack = [row - sum(cells) for row, cells in zip(rows, zip(*columns))]  # noqa: B905
        spare = [len(uneven) - n for n in lack]
        for _, odds, _ in uneven:
            if 0 in odds:
                spare = [n - (not odd) for n, odd in zip(spare, odds)]  # noqa: B905
        last = uneven.pop()[0]
        for column, odds, free in uneven:
            if 0 in odds:
                free -= sum([not n for n, odd in zip(spare, odds) if odd])  # noqa: B905, PLW2901
            else:
                free -= spare.count(0)  # noqa: PLW2901
            for i, odd in enumerate(odds):
                if odd:
                    if not spare[i]:
                        column[i] += 1
                        lack[i] -= 1
                    elif free and lack[i]:
                        column[i] += 1
                        lack[i] -= 1
                        free -= 1  # noqa: PLW2901
                    else:
                        spare[i] -= 1
            if free:
                raise ValueError
        for i, n in enumerate(lack):
            last[i] += n
    return list(zip(*columns))  # noqa: B905


class Floor(NamedTuple):
    """The verbs, and what they keep."""

    place: Callable[[Sequence[Line], Priced, str], int]
    pay: Callable[[int, str], None]
    accept: Callable[[int, str], None]
    ship: Callable[[int, str], None]
    deliver: Callable[[int, str], None]
    complete: Callable[[int, str], None]
    way: Callable[[Keys], int]
    orders: dict[int, list[Any]]
    events: list[tuple[Any, ...]]
    entries: list[tuple[str, str, int]]
    timers: dict[tuple[Any, ...], int]


def build() -> Floor:
    """A floor with nothing in it."""
    orders: dict[int, list[Any]] = {}
    events: list[tuple[Any, ...]] = []
    entries: list[tuple[str, str, int]] = []
    timers: dict[tuple[Any, ...], int] = {}
    receipts: dict[str, tuple[str, int]] = {}
    ids = count(1)
    place = _placing(orders, events, timers, receipts, ids)
    pay = _paying(orders, events, entries, timers, receipts)
    accept, ship, deliver, complete = _stepping(orders, events, entries, timers, receipts)

    def way(keys: Keys) -> int:
        k0, k1, k2, k3, k4, k5 = keys
        order = place(CART, price(CART, DISCOUNT, SHIPPING), k0)
        pay(order, k1)
        accept(order, k2)
        ship(order, k3)
        deliver(order, k4)
        complete(order, k5)
        return order

    return Floor(
        place, pay, accept, ship, deliver, complete, way, orders, events, entries, timers
    )  # fmt: skip


def _placing(
    orders: dict[int, list[Any]],
    events: list[tuple[Any, ...]],
    timers: dict[tuple[Any, ...], int],
    receipts: dict[str, tuple[str, int]],
    ids: count[int],
) -> Callable[[Sequence[Line], Priced, str], int]:
    reserved: dict[str, dict[str, int]] = {}
    note = events.append

    def place(cart: Sequence[Line], priced: Priced, key: str) -> int:
        if key in receipts:
            raise ValueError
        now = time_ns()
        order = next(ids)
        reserved[key] = {line[0]: line[1] for line in cart}
        # state, version, lines, prices, plan, matrix, attempts, moment of its state
        orders[order] = ["pending_payment", 1, cart, priced, None, None, None, now]
        note((order, 1, now, "order.placed", cart, priced))
        timers[order, "close"] = now + CLOSE
        timers[order, "remind"] = now + REMIND
        receipts[key] = ("place", order)
        return order

    return place


def _paying(
    orders: dict[int, list[Any]],
    events: list[tuple[Any, ...]],
    entries: list[tuple[str, str, int]],
    timers: dict[tuple[Any, ...], int],
    receipts: dict[str, tuple[str, int]],
) -> Callable[[int, str], None]:
    accounts = {"coupon": 10**12, "points": 10**12, "balance": 10**12, "card": 10**12}
    charges: dict[tuple[int, int], int] = {}
    deducted: set[int] = set()
    note, post = events.append, entries.append

    def pay(number: int, key: str) -> None:
        if key in receipts:
            raise ValueError
        now = time_ns()
        order = orders[number]
        rows, _, _, total = order[3]
        planned = plan(total)
        owed = [row[3] for row in rows]
        owed.append(SHIPPING)
        cells = matrix(owed, [amount for _, amount in planned], total)
        version = order[1] + 1
        order[4], order[5] = planned, cells
        attempts = order[6] = ["open"] * len(planned)
        note((number, version, now, "payment.started", planned, cells))
        timers[number, "resolve"] = now + RESOLVE
        receipts[key] = ("pay", number)
        taken = 0
        for j, (gateway, amount) in enumerate(planned):
            accounts[gateway] -= amount
            charges[number, j] = amount
            attempts[j] = "captured"
            version += 1
            note((number, version, now, "payment.answered", j, "captured"))
            post((SIDES[gateway], gateway, amount))
            post(("advances", "", -amount))
            taken += amount
        if taken != total:
            raise ValueError
        deducted.add(number)
        order[0] = to = CHART[order[0]]["pay"]
        order[1] = version + 1
        order[7] = now
        note((number, version + 1, now, "order.moved", "pay", to))
        del timers[number, "close"], timers[number, "remind"], timers[number, "resolve"]

    return pay


def _stepping(
    orders: dict[int, list[Any]],
    events: list[tuple[Any, ...]],
    entries: list[tuple[str, str, int]],
    timers: dict[tuple[Any, ...], int],
    receipts: dict[str, tuple[str, int]],
) -> tuple[Callable[[int, str], None], ...]:
    shipments: dict[int, dict[str, int]] = {}
    note, post = events.append, entries.append

    def move(via: str, number: int, key: str, first: str = "") -> tuple[list[Any], int]:
        if key in receipts:
            raise ValueError
        now = time_ns()
        order = orders[number]
        version = order[1] + 1
        if first:
            note((number, version, now, first))
            version += 1
        order[0] = to = CHART[order[0]][via]
        order[1] = version
        order[7] = now
        note((number, version, now, "order.moved", via, to))
        receipts[key] = (via, number)
        return order, now

    def accept(number: int, key: str) -> None:
        move("accept", number, key)

    def ship(number: int, key: str) -> None:
        order, now = move("ship", number, key, "delivery.shipped")
        shipments[number] = {line[0]: line[1] for line in order[2]}
        timers[number, "confirm"] = now + CONFIRM

    def deliver(number: int, key: str) -> None:
        move("receive", number, key, "delivery.received")
        del timers[number, "confirm"]

    def complete(number: int, key: str) -> None:
        order, now = move("complete", number, key)
        _, taxes, goods, total = order[3]
        order[1] += 1
        note((number, order[1], now, "order.revenue_recognized", goods, SHIPPING, taxes))
        post(("advances", "", total))
        post(("revenue", "", -goods))
        post(("shipping_income", "", -SHIPPING))
        for bp, tax in taxes.items():
            post(("tax_payable", RATES[bp], -tax))

    return accept, ship, deliver, complete
