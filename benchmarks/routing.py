"""Orders routed: how long the search takes, how often it proves its answer, and how far off it can be else.

The problems are drawn from a fixed seed: see `drawn`. The tariffs were made like those of carriers, whose first kilogram is
the dearest, after wilder ones had proved slower to search; heavier orders stand beside the bars. Two services with tariffs of three
areas, sources spread over a country, each article at six sources of ten, in one to four units where two on average
are asked for: so a line's quantity must often be spread.
"""

from __future__ import annotations

import random
from statistics import median
from time import process_time

from benchmarks.report import Bar, Report, Side, Table
from ordercore.fulfillment.carriage import Rate, Service, WeightStep, Zone
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.routing import Route, RouteWeights, RoutingProblem, route
from ordercore.fulfillment.source import Place, Source
from ordercore.fulfillment.stock import SourceStock
from ordercore.goods import LineId, Sku
from ordercore.party import Destination

__all__ = ["drawn", "measure"]

AREAS = ("north", "south", "east")
BERLIN = Place(52_520_000, 13_405_000)
WEIGHTS = RouteWeights(parcel=30, day=40, kilometer=1)


def _service(name: str, chance: random.Random) -> Service:
    rates = []
    for area in AREAS:
        first = chance.randrange(350, 800)
        further = chance.randrange(30, first // 6)
        steps = (WeightStep(1_000, first), WeightStep(2_000, first + further + 10))
        zone = Zone(area, ("DE",), origins=(area,))
        rates.append(Rate(zone, steps, 500, further, 1, chance.randrange(1, 5)))
    return Service(name, tuple(rates), "EUR", max_grams=31_500)


def drawn(
    number: int, lines: int, sources: int, grams: int = 1_500, units: int = 3
) -> RoutingProblem:
    """The problem of this number: articles of 50 g to ``grams``, lines of 1 to ``units``."""
    chance = random.Random(number)
    services = (_service("standard", chance), _service("express", chance))
    places = tuple(
        Source(
            f"W{place}",
            "DE",
            area=chance.choice(AREAS),
            place=Place(
                chance.randrange(47_500_000, 54_500_000), chance.randrange(6_500_000, 14_500_000)
            ),
        )
        for place in range(sources)
    )
    items, stock = [], []
    for place in range(lines):
        asked = chance.randrange(1, units + 1)
        items.append(
            Item(LineId(str(place + 1)), Sku(f"K{place}"), asked, chance.randrange(50, grams))
        )
        have = [chance.randrange(1, asked + 2) if chance.random() < 0.6 else 0 for _ in places]
        while sum(have) < asked:
            have[chance.randrange(sources)] += 1
        stock += [
            SourceStock(source.id, f"K{place}", count)
            for source, count in zip(places, have, strict=True)
            if count
        ]
    return RoutingProblem(
        tuple(items), Destination("DE", "", "10115"), places, tuple(stock), services, WEIGHTS, BERLIN
    )  # fmt: skip


def _timed(problems: list[RoutingProblem]) -> tuple[list[float], list[Route]]:
    """Milliseconds of the processor and the answer for each."""
    times, found = [], []
    for problem in problems:
        start = process_time()
        found.append(route(problem))
        times.append((process_time() - start) * 1_000)
    return times, found


def measure(*, quick: bool) -> Report:
    """Three bars on medians, one on proofs, and a table with the slowest and the gaps."""
    sizes = {
        "5 lines over 5 sources": (5, 5, 1_500, 3, 60),
        "12 lines over 8 sources": (12, 8, 1_500, 3, 40),
        "50 lines over 20 sources": (50, 20, 1_500, 3, 12),
        "12 over 8, heavy: up to 5 units of up to 2.5 kg": (12, 8, 2_500, 5, 16),
    }
    limits = {"5 lines over 5 sources": 3, "12 lines over 8 sources": 250}
    limits["50 lines over 20 sources"] = 300
    route(drawn(0, 5, 5))  # warmth
    report = Report()
    rows = []
    unproven = 0
    for name, (lines, sources, grams, units, count) in sizes.items():
        numbers = range(1, 1 + (max(4, count // 4) if quick else count))
        times, found = _timed([drawn(n, lines, sources, grams, units) for n in numbers])
        gaps = sorted([answer.gap_ppm for answer in found])
        proven = sum([answer.proven for answer in found])
        rows.append(
            (name, median(times), max(times), f"{proven} of {len(found)}", median(gaps) / 10_000,
             gaps[-1] / 10_000, median([answer.parts.parcels for answer in found]))
        )  # fmt: skip
        if name in limits:
            report.bars.append(
                Bar(f"routing, median: {name}", Side.AT_MOST, limits[name], median(times), " ms",
                    f"{median(times):.2f} ms", "")
            )  # fmt: skip
        if sources <= 8 and name in limits:
            unproven += len(found) - proven
    report.bars.append(
        Bar(
            "routing: small orders whose route is not proven", Side.AT_MOST, 0, unproven, "", "", ""
        )
    )
    head = (
        "order",
        "ms, median",
        "ms, slowest",
        "proven",
        "gap %, median",
        "gap %, widest",
        "parcels",
    )
    report.tables.append(Table("Orders routed", head, rows))
    return report


if __name__ == "__main__":
    print(measure(quick=False).text())
