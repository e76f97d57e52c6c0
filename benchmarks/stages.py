"""Where the time goes: the stages of one order's way, beside the floor's, and the small parts."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING, TypeVar

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
    from collections.abc import Callable, Sequence

    from benchmarks.rounds import Case

T = TypeVar("T")

VERBS = ("accept", "ship", "deliver", "complete")
ORDERS = 60
FLOORS = 10

__all__ = ["measure"]


class _Clocked:
    """Runs a stage for every order and notes the seconds an order."""

    def __init__(self, spent: dict[str, float]) -> None:
        self._spent = spent

    def __call__(self, name: str, act: Callable[..., T], *columns: Sequence[object]) -> list[T]:
        start = process_time()
        found = list(map(act, *columns))
        each = (process_time() - start) / len(found)
        self._spent[name] = self._spent.get(name, 0.0) + each
        return found


def _engine_stages(spent: dict[str, float]) -> None:
    """One round of the engine, stage by stage."""
    engine, stage, by = shop.build(), _Clocked(spent), shop.BY
    names = list(zip(*shop.keys(ORDERS), strict=True))
    carts = stage("cart", lambda _: shop.cart(), names[0])
    quotes = stage("quote", engine.quote, carts)
    placed = stage(
        "place", lambda quote, key: engine.place(quote, key=key, by=by), quotes, names[0]
    )
    ids = [order.id for order in placed]
    stage("pay", lambda order, key: engine.pay(order, shop.OFFERS, key=key, by=by), ids, names[1])
    for verb, keys in zip(VERBS, names[2:], strict=True):
        act = getattr(engine, verb)
        stage(verb, lambda order, key, act=act: act(order, key=key, by=by), ids, keys)


def _floor_stages(spent: dict[str, float]) -> None:
    """One round of the floor: several floors in a row, or its few microseconds would all be cold."""
    for _ in range(FLOORS):
        _one_floor(spent)
    for name in spent:
        spent[name] /= FLOORS


def _one_floor(spent: dict[str, float]) -> None:
    verbs, stage, bought = floor.build(), _Clocked(spent), floor.CART
    names = list(zip(*shop.keys(ORDERS), strict=True))
    priced = stage("quote", lambda _: floor.price(bought, floor.DISCOUNT, floor.SHIPPING), names[0])
    ids = stage("place", lambda each, key: verbs.place(bought, each, key), priced, names[0])
    for verb, keys in zip(("pay", *VERBS), names[1:], strict=True):
        stage(verb, getattr(verbs, verb), ids, keys)


def _staged(
    prefix: str, run_all: Callable[[dict[str, float]], None], names: tuple[str, ...]
) -> dict[str, Case]:
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
            lambda: change(paid, accepted, now, shop.BY, "Accept", timeouts, where.lifecycle), 500
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
    found = take_turns(cases, 7 if quick else 15)
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
