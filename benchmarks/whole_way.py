"""The whole way of an order in memory, against the floor, without and with many orders retained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from benchmarks import floor, shop
from benchmarks.report import Bar, Report, Table
from benchmarks.rounds import take_turns

LIMIT = 16.0
MODES = ("default", "freeze", "threshold")

__all__ = ["LIMIT", "MODES", "measure", "retained"]


def _engine_case(orders: int, *, ready: bool) -> shop.Case:
    names, bought = shop.keys(orders), shop.cart()

    def run(_round: int) -> float:
        engine, way, cart = shop.build(), shop.way, shop.cart
        start = perf_counter()
        if ready:
            for key in names:
                way(engine, bought, key)
        else:
            for key in names:
                way(engine, cart(), key)
        return (perf_counter() - start) / orders

    return run


def floor_case(orders: int) -> shop.Case:
    """The floor's whole way."""
    names = shop.keys(orders)

    def run(_round: int) -> float:
        way = floor.build().way
        start = perf_counter()
        for key in names:
            way(key)
        return (perf_counter() - start) / orders

    return run


def measure(*, quick: bool) -> Report:
    """The headline: one order's whole way as a multiple of the floor."""
    cases = {
        "way": _engine_case(60, ready=True),
        "way with cart": _engine_case(60, ready=False),
        "floor": floor_case(600),
    }
    found = take_turns(cases, 11 if quick else 41)
    bars = []
    for case, name in (
        ("way", "whole way in memory / floor"),
        ("way with cart", "the same, cart built from texts too / floor"),
    ):
        us = found.us(case)
        ours = f"{us:.0f} us, {1e6 / us:,.0f} orders/s"
        base = f"{found.us('floor'):.1f} us"
        bars.append(Bar(name, True, LIMIT, found.ratio(case, "floor"), " x", ours, base))
    return Report(bars)


def retained(*, quick: bool) -> Report:
    """The same while every order stays in memory, by setting of the garbage collector."""
    count = 4_000 if quick else 30_000
    bars, rows = [], []
    root = Path(__file__).parents[1]
    paths = os.pathsep.join([str(root), *[path for path in sys.path if path]])
    for mode in MODES:
        command = [sys.executable, "-m", "benchmarks.retaining", mode, str(count)]
        ran = subprocess.run(  # noqa: S603 - our own module
            command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
        )
        told = json.loads(ran.stdout)
        name = f"whole way, {count:,} orders retained, collector: {mode} / floor"
        ours = f"{told['ours_us']:.0f} us, {1e6 / told['ours_us']:,.0f} orders/s"
        ratio = told["ours_us"] / told["floor_us"]
        bars.append(Bar(name, True, LIMIT, ratio, " x", ours, f"{told['floor_us']:.1f} us"))
        rows.append(
            (mode, told["ours_us"], told["worst_ms"], told["tracked"], told["kilobytes"])
        )  # fmt: skip
    heads = ("collector", "us an order", "worst pause ms", "tracked objects an order", "KB an order")
    note = "default: as Python starts; freeze: gc.freeze() every 2,000 orders; threshold: gc.set_threshold(50_000, 20, 50)"
    return Report(bars, [Table(f"{count:,} orders retained", heads, rows, note)])
