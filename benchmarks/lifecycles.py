"""Lifecycles: advancing by table beside the chart driven live, and a step decided and folded beside a small floor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks import shop
from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import repeated, take_turns
from ordercore.engine.shop import situation
from ordercore.lifecycle.charts.standard import StandardOrder, standard
from ordercore.order import Accept, AddNote, decide
from ordercore.party import Actor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["measure"]

WAY = ("pay", "accept", "ship", "receive", "complete")
FASTER = 100
"""At least how many times faster the table is than the chart."""
STEP = 12 / 5.4
"""Most that a step may cost, as a multiple of the small floor: 12 us where that takes 5.4."""

_FACTS = (
    "paid_in_full",
    "money_in_flight",
    "all_shipped",
    "everything_refunding",
    "everything_refunded",
)
_TRUE = dict.fromkeys(_FACTS, True)


class _Subject:
    """What a live chart asks about: every fact holds."""

    paid_in_full = all_shipped = everything_refunding = everything_refunded = True
    money_in_flight = False
    state = None


def _live() -> None:
    machine: Any = StandardOrder(_Subject())
    for event in WAY:
        machine.send(event)


_Line = tuple[str, int, int, int, int, str, bool]
_CART: list[_Line] = [
    ("SKU-1", 2, 1999, 0, 825, "A", False),
    ("SKU-2", 1, 4999, 500, 825, "B", False),
    ("SKU-3", 3, 333, 0, 2000, "A", True),
    ("SKU-4", 1, 12900, 1000, 2000, "C", True),
    ("SKU-5", 10, 99, 10, 0, "B", False),
]
_TENDERS: tuple[tuple[str, int | None], ...] = (
    ("coupon", 500), ("points", 300), ("balance", 1000), ("card", None),
)  # fmt: skip
_NEXT = {
    "pending": {"pay": "paid"}, "paid": {"accept": "awaiting"}, "awaiting": {"ship": "shipped"},
    "shipped": {"receive": "received"}, "received": {"complete": "completed"},
}  # fmt: skip


def _priced(cart: Sequence[_Line], off: int) -> list[tuple[int, int, int, int]]:
    base = [q * u - d for _, q, u, d, *_ in cart]
    twice = 2 * sum(base)
    upto = last = 0
    out = []
    for (_, _q, _u, d, rate, _w, inside), each in zip(cart, base, strict=True):
        upto += each
        now = (2 * off * upto + twice // 2) // twice
        amount = each - (now - last)
        if inside:
            tax = (2 * amount * rate + 10_000 + rate) // (2 * (10_000 + rate))
            net, total = amount - tax, amount
        else:
            tax = (amount * rate + 5_000) // 10_000
            net, total = amount, amount + tax
        out.append((net, d + now - last, tax, total))
        last = now
    return out


def small_floor() -> tuple[Any, ...]:
    """One order on bare integers: priced, split over four tenders, five steps, three parcels."""
    priced = _priced(_CART, 1500)
    total = sum([row[3] for row in priced]) + 799
    left, paid = total, []
    for kind, cap in _TENDERS:
        part = left if cap is None or cap > left else cap
        if part:
            paid.append((kind, part))
        left -= part
    state = "pending"
    for event in WAY:
        state = _NEXT[state][event]
    parcels: dict[str, list[Any]] = {}
    for line, row in zip(_CART, priced, strict=True):
        parcels.setdefault(line[5], []).append((line, row))
    sums = [sum([row[3] for _, row in group]) for group in parcels.values()]
    twice, upto, last, subs = 2 * sum(sums), 0, 0, []
    for place, amount in zip(parcels, sums, strict=True):
        upto += amount
        now = (2 * 799 * upto + twice // 2) // twice
        subs.append((place, amount + now - last))
        last = now
    return subs, paid, state


def measure(*, quick: bool) -> Report:
    """Two bars, and a table of steps."""
    table = standard({**dict.fromkeys(_FACTS, lambda _: True), "money_in_flight": lambda _: False})
    fire = table.fire
    subject = _Subject()

    def by_table() -> None:
        state = "pending_payment"
        for event in WAY:
            state = fire(state, event, subject)

    engine = shop.build()
    order = engine.place(engine.quote(shop.cart()), key="q", by=shop.BY)
    paid = engine.pay(order.id, shop.OFFERS, key="p", by=shop.BY).order
    where = situation(engine.shop, paid, Actor.staff("a"))
    cases = {
        "table": repeated(by_table, 2_000),
        "live": repeated(_live, 40),
        "step": repeated(lambda: decide(paid, Accept(), where), 1_000),
        "note": repeated(lambda: decide(paid, AddNote("hello"), where), 500),
        "floor": repeated(small_floor, 1_000),
    }
    found = take_turns(cases, 7 if quick else 21)
    faster, step = found.ratio("live", "table"), found.ratio("step", "floor")
    bars = [
        Bar(
            "five steps: live chart / table", Side.AT_LEAST, FASTER, faster, " x",
            f"{found.us('table'):.2f} us", f"{found.us('live'):.0f} us",
        ),
        Bar(
            "decide + evolve a step / small floor", Side.AT_MOST, STEP, step, " x",
            f"{found.us('step'):.2f} us", f"{found.us('floor'):.2f} us",
        ),
    ]  # fmt: skip
    rows = [(name, found.us(name)) for name in cases]
    return Report(bars, [Table("Lifecycles", ("case", "us"), list(rows))])
