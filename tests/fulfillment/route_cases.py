"""Routing problems by number: the same number is the same problem."""

from __future__ import annotations

import random

from ordercore.fulfillment.carriage import (
    Rate,
    Service,
    Surcharge,
    SurchargePer,
    Trait,
    WeightStep,
    Zone,
)
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.routing import RouteWeights, RoutingProblem
from ordercore.fulfillment.source import Place, Source
from ordercore.fulfillment.stock import SourceStock
from ordercore.goods import LineId, Sku
from ordercore.party import Destination

AREAS = ("north", "south", "east")
BATTERY = Trait("battery")


def tariff(chance: random.Random, *, wild: bool) -> tuple[Rate, ...]:
    """A rate for each area; a wild one may make many small parcels cheaper than a large one."""
    rates = []
    for area in AREAS:
        first = chance.randrange(350, 800)
        further = chance.randrange(40, 160) if wild else chance.randrange(30, first // 6)
        steps = (
            WeightStep(1_000, first),
            WeightStep(2_000, first + chance.randrange(further, 2 * further)),
        )
        zone = Zone(area, ("DE",), origins=(area,))
        rates.append(Rate(zone, steps, 500, further, 1, chance.randrange(1, 5)))
    return tuple(rates)


def service(name: str, chance: random.Random, *, wild: bool, odd: bool) -> Service:
    """A service; an odd one counts volume, refuses batteries or takes more for them."""
    extras = []
    if odd and chance.random() < 0.5:
        per = chance.choice(list(SurchargePer))
        extras.append(Surcharge(BATTERY, chance.randrange(300), per))
    return Service(
        name,
        tariff(chance, wild=wild),
        "EUR",
        max_grams=chance.choice([5_000, 20_000, 31_500]) if wild else 31_500,
        max_cm3=chance.choice([0, 0, 20_000]) if odd else 0,
        divisor_cm3=chance.choice([0, 4_000, 5_000]) if odd else 0,
        surcharges=tuple(extras),
        signed_ppm=chance.randrange(800_000, 1_000_001) if odd else 1_000_000,
        refuses=(BATTERY,) if odd and name != "S0" and chance.random() < 0.4 else (),
    )


def problem(
    number: int,
    lines: int,
    sources: int,
    *,
    services: int = 2,
    units: int = 3,
    grams: tuple[int, int] = (50, 1_500),
    held: float = 0.6,
    wild: bool = False,
    odd: bool = False,
    weights: RouteWeights | None = None,
) -> RoutingProblem:
    """A problem that can be met, but for capacities."""
    chance = random.Random(number)
    offered = tuple(service(f"S{place}", chance, wild=wild, odd=odd) for place in range(services))
    places = tuple(
        Source(
            f"W{place}",
            "DE",
            area=chance.choice(AREAS),
            place=Place(
                chance.randrange(47_000_000, 55_000_000), chance.randrange(6_000_000, 15_000_000)
            ),
            services=tuple(one.id for one in offered if one.id == "S0" or chance.random() < 0.7),
            capacity=chance.randrange(1, 6) if odd and chance.random() < 0.3 else None,
        )
        for place in range(sources)
    )
    items, stock = [], []
    for place in range(lines):
        asked = chance.randrange(1, units + 1)
        battery = odd and chance.random() < 0.4
        items.append(
            Item(
                LineId(str(place + 1)),
                Sku(f"K{place}"),
                asked,
                chance.randrange(*grams),
                chance.randrange(12_000) if odd else 0,
                asked * chance.randrange(500, 5_000),
                category=chance.choice(["shirt", "shoe"]),
                attributes=(("battery", "yes"),) if battery else (),
            )
        )
        have = [chance.randrange(asked + 2) if chance.random() < held else 0 for _ in places]
        while sum(have) < asked:
            have[chance.randrange(sources)] += 1
        stock += [
            SourceStock(source.id, f"K{place}", count)
            for source, count in zip(places, have, strict=True)
            if count
        ]
    return RoutingProblem(
        tuple(items), Destination("DE", "", "10115"), places, tuple(stock), offered,
        weights or RouteWeights(), Place(52_520_000, 13_405_000),
    )  # fmt: skip


def small(number: int) -> RoutingProblem:
    """A problem that brute force can solve, of any kind."""
    chance = random.Random(f"small {number}")
    return problem(
        number,
        chance.randrange(1, 4),
        chance.randrange(1, 4),
        services=chance.randrange(1, 4),
        units=2,
        grams=chance.choice([(50, 600), (100, 2_500), (1_000, 4_900)]),
        held=0.7,
        wild=chance.random() < 0.5,
        odd=chance.random() < 0.5,
        weights=RouteWeights(
            parcel=chance.choice([0, 30]),
            day=chance.choice([0, 0, 50, 200]),
            kilometer=chance.choice([0, 1]),
            unsigned=chance.choice([0, 10]),
        ),
    )
