"""An order of five lines split in three with its money, beside a small floor; and the way of an order that is split."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

from benchmarks import shop
from benchmarks.lifecycles import small_floor
from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import repeated, take_turns
from benchmarks.whole_way import floor_case
from ordercore import Manifest
from ordercore.order.split import SplitPart, child_content, divided

if TYPE_CHECKING:
    from benchmarks.rounds import Case
    from ordercore import Order
    from ordercore.order import OrderContent

__all__ = ["APART", "PARTS", "agreed", "measure", "paid"]

LIMIT = 100 / 5.4
"""Most that a split may cost, as a multiple of the small floor: 100 us where that takes 5.4."""
WAY = 18.0
"""Most that placing, paying and splitting may cost, as a multiple of the floor's whole way."""
ORDERS = 30

PARTS = (
    SplitPart("A", Manifest.of({"1": 2, "3": 3})),
    SplitPart("B", Manifest.of({"2": 1, "5": 10})),
    SplitPart("C", Manifest.of({"4": 1})),
)
"""The small floor's three parcels: whole lines."""
APART = (
    SplitPart("A", Manifest.of({"1": 1, "3": 2})),
    SplitPart("B", Manifest.of({"1": 1, "2": 1, "5": 4})),
    SplitPart("C", Manifest.of({"3": 1, "4": 1, "5": 6})),
)
"""Three of the five lines go apart."""


def paid() -> Order:
    """The usual cart, paid with four tenders."""
    engine = shop.build()
    order = engine.place(engine.quote(shop.cart()), key="q", by=shop.BY)
    return engine.pay(order.id, shop.OFFERS, key="p", by=shop.BY).order


def agreed(order: Order, parts: tuple[SplitPart, ...]) -> list[OrderContent]:
    """What each part is as an order of its own, with its money."""
    portions = divided(order, parts)
    return [
        child_content(order, portions, k, f"ord_{k}", f"{order.number}-{k}", f"res_{k}")
        for k in range(len(portions))
    ]


def _way_case(orders: int, *, split: bool) -> Case:
    """The whole way of an order, with a split after its payment; its parts go on as one, rejoined."""
    names, bought = shop.keys(orders), shop.cart()
    goods = [part.goods for part in PARTS]

    def run(_round: int) -> float:
        engine = shop.build()
        start = process_time()
        for key in names:
            order = engine.place(engine.quote(bought), key=key[0], by=shop.BY).id
            engine.pay(order, shop.OFFERS, key=key[1], by=shop.BY)
            if split:
                engine.split(order, goods, key=key[2], by=shop.BY)
        return (process_time() - start) / orders

    return run


def measure(*, quick: bool) -> Report:
    """One bar, and a table of what else a split takes."""
    order = paid()
    cases = {
        "whole": repeated(lambda: agreed(order, PARTS), 60),
        "apart": repeated(lambda: agreed(order, APART), 30),
        "divided": repeated(lambda: divided(order, PARTS), 60),
        "floor": repeated(small_floor, 600),
        "placed and paid": _way_case(ORDERS, split=False),
        "placed, paid and split": _way_case(ORDERS, split=True),
        "floor's way": floor_case(ORDERS, 4),
    }
    found = take_turns(cases, 9 if quick else 25, 12.0)
    bars = [
        Bar(
            "split of 5 lines in three, with its money", Side.AT_MOST, round(LIMIT, 2),
            found.ratio("whole", "floor"), " x", f"{found.us('whole'):.0f} us",
            f"{found.us('floor'):.1f} us",
        ),
    ]  # fmt: skip
    names = {
        "divided": "figures and money of three parts",
        "whole": "the same, as orders of their own",
        "apart": "the same, three of the lines apart",
    }
    rows = [(says, found.us(case), found.ratio(case, "floor")) for case, says in names.items()]
    ways = ["placed and paid", "placed, paid and split"]
    more = [(case, found.us(case), found.ratio(case, "floor's way")) for case in ways]
    return Report(
        bars,
        [
            Table("An order split in three", ("case", "us", "x small floor"), rows),
            Table("An order of the shop, in memory", ("case", "us", "x floor's whole way"), more),
        ],
    )
