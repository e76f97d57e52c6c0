"""The whole way of an order in memory, against the floor, without and with many orders retained."""

from __future__ import annotations

import json
import subprocess
import sys
from time import process_time
from typing import TYPE_CHECKING

from benchmarks import floor, shop
from benchmarks.importing import environment
from benchmarks.report import Bar, Report, Side, Table
from benchmarks.rounds import take_turns

if TYPE_CHECKING:
    from benchmarks.rounds import Case

LIMIT = 16.0
ORDERS = 60
MODES = ("default", "freeze", "threshold")

__all__ = ["LIMIT", "MODES", "measure", "retained"]


def _engine_case(orders: int, *, ready: bool) -> Case:
    names, bought = shop.keys(orders), shop.cart()

    def run(_round: int) -> float:
        engine, way, cart = shop.build(), shop.way, shop.cart
        start = process_time()
        if ready:
            for key in names:
                way(engine, bought, key)
        else:
            for key in names:
                way(engine, cart(), key)
        return (process_time() - start) / orders

    return run


def floor_case(orders: int, blocks: int) -> Case:
    """The floor's whole way: as many orders on one floor as on one engine, over several floors."""
    names = shop.keys(orders)

    def run(_round: int) -> float:
        spent = 0.0
        for _ in range(blocks):
            built = floor.build()
            way = built.way
            start = process_time()
            for key in names:
                way(key)
            spent += process_time() - start
        return spent / (orders * blocks)

    return run


def measure(*, quick: bool) -> Report:
    """The headline: one order's whole way as a multiple of the floor."""
    cases = {
        "way": _engine_case(ORDERS, ready=True),
        "way with cart": _engine_case(ORDERS, ready=False),
        "floor": floor_case(ORDERS, 10),
    }
    found = take_turns(cases, 15 if quick else 61)
    bars = []
    for case, name in (
        ("way", "whole way in memory / floor"),
        ("way with cart", "the same, cart built from texts too / floor"),
    ):
        us = found.us(case)
        ours = f"{us:.0f} us, {1e6 / us:,.0f} orders/s"
        base = f"{found.us('floor'):.1f} us"
        bars.append(Bar(name, Side.AT_MOST, LIMIT, found.ratio(case, "floor"), " x", ours, base))
    return Report(bars)


def _process(model: str, mode: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.retaining", model, mode, str(count)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    told: dict[str, float] = json.loads(ran.stdout)
    return told


def retained(*, quick: bool) -> Report:
    """The same while every order stays in memory, by setting of the garbage collector.

    Ours and the floor each keep their orders in a fresh process of the same setting.
    """
    count = 4_000 if quick else 30_000
    bars, rows = [], []
    for mode in MODES:
        ours, base = _process("engine", mode, count), _process("floor", mode, count)
        ratio = (ours["us"] / ours["gauge_us"]) / (base["us"] / base["gauge_us"])
        name = f"the same, {count:,} orders retained, collector: {mode}"
        text = f"{ours['us']:.0f} us, {1e6 / ours['us']:,.0f} orders/s"
        bars.append(Bar(name, Side.AT_MOST, LIMIT, ratio, " x", text, f"{base['us']:.1f} us"))
        rows += [
            (mode, model, told["us"], told["us"] / told["gauge_us"], told["pause_ms"],
             told["tracked"], told["kilobytes"])
            for model, told in (("engine", ours), ("floor", base))
        ]  # fmt: skip
    heads = (
        "collector", "model", "us an order", "x floor that keeps nothing", "longest collection ms",
        "tracked objects an order", "KB an order",
    )  # fmt: skip
    note = "freeze: gc.freeze() every 500 orders; threshold: gc.set_threshold(50_000, 20, 50)"
    return Report(bars, [Table(f"{count:,} orders retained", heads, rows, note)])
