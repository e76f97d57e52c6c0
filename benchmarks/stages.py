"""Where the time goes: the stages of one order's way, beside the floor's, and the small parts."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import floor, shop
from benchmarks.report import Report, Table
from benchmarks.rounds import repeated, take_turns
from ordercore import Actor
from ordercore.allocation import Column, allocate, matrix
from ordercore.change import change
from ordercore.engine.shop import situation
from ordercore.order import Accept, decide, evolve
from ordercore.pricing import quote as price
from ordercore.tender import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rounds import Case

VERBS = ("accept", "ship", "deliver", "complete")
ORDERS = 40

__all__ = ["measure"]


def _engine_stages(spent: dict[str, float]) -> None:
    """One round of the engine, stage by stage, seconds an order into ``spent``."""
    engine, names = shop.build(), shop.keys(ORDERS)

    def stage(name: str, work: Callable[[], list[object]]) -> list[object]:
        start = perf_counter()
        found = work()
        spent[name] = (perf_counter() - start) / ORDERS
        return found

    carts = [shop.cart() for _ in names]
    stage("cart", lambda: [shop.cart() for _ in names])
    quotes = [engine.quote(bought) for bought in carts]
    stage("quote", lambda: [engine.quote(bought) for bought in carts])
    each = list(zip(quotes, names, strict=True))
    placed: list[str] = []
    stage(
        "place", lambda: [placed.append(engine.place(q, key=k[0], by=shop.BY).id) for q, k in each]
    )
    orders = list(zip(placed, names, strict=True))
    stage("pay", lambda: [engine.pay(o, shop.OFFERS, key=k[1], by=shop.BY) for o, k in orders])
    for place, verb in enumerate(VERBS, 2):
        act = getattr(engine, verb)
        stage(verb, lambda act=act, at=place: [act(o, key=k[at], by=shop.BY) for o, k in orders])  # type: ignore[misc]


def _floor_stages(spent: dict[str, float]) -> None:
    """The same of the floor."""
    verbs, names = floor.build(), shop.keys(ORDERS * 10)
    count = len(names)

    def stage(name: str, work: Callable[[], object]) -> None:
        start = perf_counter()
        work()
        spent[name] = (perf_counter() - start) / count

    priced = floor.price(floor.CART, floor.DISCOUNT, floor.SHIPPING)
    stage(
        "quote",
        lambda: [floor.price(floor.CART, floor.DISCOUNT, floor.SHIPPING) for _ in names],
    )
    placed: list[int] = []
    stage("place", lambda: [placed.append(verbs.place(floor.CART, priced, k[0])) for k in names])
    orders = list(zip(placed, names, strict=True))
    for place, verb in enumerate(("pay", *VERBS), 1):
        act = getattr(verbs, verb)
        stage(verb, lambda act=act, at=place: [act(o, k[at]) for o, k in orders])  # type: ignore[misc]


def _staged(prefix: str, run_all: Callable[[dict[str, float]], None], names: tuple[str, ...]) -> dict[str, Case]:
    """Cases that share one run: the first of them makes it, the others read their part."""
    seen: dict[int, dict[str, float]] = {}

    def read(name: str) -> Case:
        def run(number: int) -> float:
            if number not in seen:
                seen[number] = {}
                run_all(seen[number])
            return seen[number][name]

        return run

    return {f"{prefix} {name}": read(name) for name in names}


def _parts() -> dict[str, Case]:
    """The small parts, alone and pure."""
    engine = shop.build()
    policies = engine.shop.policies
    bought, now = shop.cart(), engine.shop.clock.now()
    priced = price(bought, policies.pricing, now)
    rows = priced.rows()
    planned = plan(rows, shop.OFFERS, policies.tenders, "USD")
    owed = [row.total for row in rows]
    columns = [Column(tender.amount) for tender in planned.tenders]
    amounts = [tender.amount for tender in planned.tenders]
    weights = [line.list_amount - line.discount for line in priced.lines]
    order = engine.place(priced, key="q", by=shop.BY)
    paid = engine.pay(order.id, shop.OFFERS, key="p", by=shop.BY).order
    where = situation(engine.shop, paid, Actor.staff("a"))
    accepted = decide(paid, Accept(), where)
    moved = accepted.events[0]
    timeouts = policies.timeouts
    return {
        "plan + matrix": repeated(lambda: plan(rows, shop.OFFERS, policies.tenders, "USD"), 300),
        "matrix of 6 x 4": repeated(lambda: matrix(owed, columns), 500),
        "floor's matrix": repeated(lambda: floor.matrix(owed, amounts, floor.TOTAL), 500),
        "allocate over 5": repeated(lambda: allocate(floor.DISCOUNT, weights), 1_000),
        "decide + evolve a step": repeated(lambda: decide(paid, Accept(), where), 500),
        "evolve alone": repeated(lambda: evolve(paid, moved, now), 2_000),
        "change of a step (timers, entries)": repeated(
            lambda: change(paid, accepted, now, shop.BY, "Accept", timeouts), 500
        ),
        "load an order from memory": repeated(lambda: engine.get(order.id), 1_000),
    }


def measure(*, quick: bool) -> Report:
    """Two tables: stages, parts."""
    ours = ("cart", "quote", "place", "pay", *VERBS)
    cases = {
        **_staged("ours", _engine_stages, ours),
        **_staged("floor", _floor_stages, ours[1:]),
        **_parts(),
    }
    found = take_turns(cases, 5 if quick else 15)
    whole = sum(found.us(f"ours {name}") for name in ours[1:])
    bottom = sum(found.us(f"floor {name}") for name in ours[1:])
    rows: list[tuple[str, float, str, float | str, float | str]] = []
    for name in ours:
        us = found.us(f"ours {name}")
        if name == "cart":
            rows.append((name, us, "before", "", ""))
            continue
        low, ratio = found.us(f"floor {name}"), found.ratio(f"ours {name}", f"floor {name}")
        rows.append((name, us, f"{us / whole:.0%}", low, ratio))
    rows.append(("whole way", whole, "100%", bottom, whole / bottom))
    heads = ("stage", "us", "share", "floor us", "x floor")
    stages = Table("Stages of the whole way in memory", heads, rows)
    parts = [(name, found.us(name)) for name in _parts_of(cases)]
    return Report([], [stages, Table("Parts, alone", ("part", "us"), parts)])


def _parts_of(cases: dict[str, Case]) -> list[str]:
    return [name for name in cases if not name.startswith(("ours ", "floor "))]
