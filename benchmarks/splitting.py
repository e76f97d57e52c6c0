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
    from collections.abc import Callable

    from benchmarks.rounds import Case
    from ordercore import Order, OrderEngine
    from ordercore.order import OrderContent

__all__ = ["APART", "PARTS", "agreed", "measure", "paid"]

LIMIT = 100 / 5.4
"""Most that a split may cost, as a multiple of the small floor: 100 us where that takes 5.4."""
WAY = 18.0
"""Most that an order's whole way may cost with that split worked out, as a multiple of the floor's."""
ORDERS = 60

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
GOODS = [part.goods for part in PARTS]


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


def _way_case(
    orders: int, step: Callable[[OrderEngine, Order, str], object], *, ends: bool
) -> Case:
    """The way of an order with a step after its payment; with ``ends`` to its end, else until that step."""
    names, bought = shop.keys(orders), shop.cart()

    def run(_round: int) -> float:
        engine = shop.build()
        start = process_time()
        for k0, k1, k2, k3, k4, k5 in names:
            order = engine.place(engine.quote(bought), key=k0, by=shop.BY).id
            step(engine, engine.pay(order, shop.OFFERS, key=k1, by=shop.BY).order, k2)
            if ends:
                engine.accept(order, key=k2, by=shop.BY)
                engine.ship(order, key=k3, by=shop.BY)
                engine.deliver(order, key=k4, by=shop.BY)
                engine.complete(order, key=k5, by=shop.BY)
        return (process_time() - start) / orders

    return run


def _split(engine: OrderEngine, order: Order, key: str) -> object:
    return engine.split(order.id, GOODS, key=key, by=shop.BY)


def measure(*, quick: bool) -> Report:
    """Two bars, and a table of what else a split takes."""
    order = paid()
    cases = {
        "whole": repeated(lambda: agreed(order, PARTS), 60),
        "apart": repeated(lambda: agreed(order, APART), 30),
        "divided": repeated(lambda: divided(order, PARTS), 60),
        "small floor": repeated(small_floor, 600),
        "way": _way_case(ORDERS, lambda _engine, _order, _key: None, ends=True),
        "way with it": _way_case(ORDERS, lambda _engine, one, _key: agreed(one, PARTS), ends=True),
        "paid": _way_case(ORDERS, lambda _engine, _order, _key: None, ends=False),
        "paid and split": _way_case(ORDERS, _split, ends=False),
        "floor": floor_case(ORDERS, 6),
    }
    found = take_turns(cases, 9 if quick else 25, 20.0)
    bars = [
        Bar(
            "split of 5 lines in three, with its money / small floor", Side.AT_MOST,
            round(LIMIT, 1), found.ratio("whole", "small floor"), " x",
            f"{found.us('whole'):.0f} us", f"{found.us('small floor'):.1f} us",
        ),
        Bar(
            "whole way in memory with that split worked out / floor", Side.AT_MOST, WAY,
            found.ratio("way with it", "floor"), " x", f"{found.us('way with it'):.0f} us",
            f"{found.us('floor'):.1f} us",
        ),
    ]  # fmt: skip
    names = {
        "divided": ("figures and money of three parts", "small floor"),
        "whole": ("the same, as orders of their own", "small floor"),
        "apart": ("the same, three of the lines apart", "small floor"),
        "way": ("whole way of one order, in memory", "floor"),
        "way with it": ("the same, with three parts worked out", "floor"),
        "paid": ("one order placed and paid", "floor"),
        "paid and split": ("the same, and split: four orders written, goods handed over", "floor"),
    }
    rows = [
        (says, found.us(case), base, found.ratio(case, base))
        for case, (says, base) in names.items()
    ]
    return Report(bars, [Table("An order split in three", ("case", "us", "beside", "x"), rows)])
