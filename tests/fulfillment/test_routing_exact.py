"""The search beside others: brute force, OR-Tools, and a judge that reckons each answer anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from tests.fulfillment.route_cases import problem, small
from tests.fulfillment.route_judging import (
    NEVER,
    brute_force,
    check_goods,
    parcel_days,
    points_of,
    zone_rate,
)

from ordercore.errors import NotAllowed
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.routing import BorderCost, RouteWeights, RoutingProblem, route, sharing
from ordercore.fulfillment.source import Source

DEEP = settings.default is not None and settings.default.max_examples >= 2_000
LARGER = 200 if DEEP else 6
"""Cases held against OR-Tools: each takes it up to a second."""
NUMBERS = st.integers(0, 2**32)


class PerKind:
    """Three units of duty for each different kind of goods in a parcel."""

    def cost(self, source: Source, items: tuple[Item, ...], freight: int) -> int:
        """What a parcel owes."""
        return 300 * len({item.category for item in items})

    def at_least(self, items: tuple[Item, ...]) -> int:
        """Each kind is in one parcel at least."""
        return 300 * len({item.category for item in items})


class AboveLimit:
    """A tax of a fifth on goods and freight of a parcel above a limit: parcels below it pay nothing."""

    def cost(self, source: Source, items: tuple[Item, ...], freight: int) -> int:
        """What a parcel owes."""
        worth = sum(item.amount for item in items)
        return (worth + freight) // 5 if worth > 3_000 else 0

    def at_least(self, items: tuple[Item, ...]) -> int:
        """Nothing, if they are parted small enough."""
        return 0


def agrees(asked: RoutingProblem, border: BorderCost | None) -> None:
    """The route costs what brute force finds to be the least, and what it says of itself is true."""
    least = brute_force(asked, border)
    if least >= NEVER:
        with pytest.raises(NotAllowed):
            route(asked, border)
        return
    found = route(asked, border)
    check_goods(found, asked)
    assert points_of(found, asked, border) == found.parts.points == least
    assert found.proven
    assert found.gap_ppm == 0


@given(NUMBERS)
def test_the_best_route_is_what_brute_force_finds(number: int) -> None:
    """Over services, parcels, volume, surcharges, refusals, capacities, days and distances none is better."""
    agrees(small(number), None)


@given(NUMBERS, st.sampled_from([PerKind(), AboveLimit()]))
def test_the_best_route_with_a_border_is_what_brute_force_finds(
    number: int, border: BorderCost
) -> None:
    """A border cost that no sum over lines can tell is weighed exactly, with a lower bound or without one."""
    agrees(small(number), border)


@given(NUMBERS)
def test_choosing_steps_first_finds_the_same(number: int) -> None:
    """The way of larger orders, steps first and units then, is as exact on small ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "_WAYS_FEW", 0)
        agrees(small(number), None)


def solved_by_others(asked: RoutingProblem) -> int:
    """The fewest points by CP-SAT: a step is chosen for each service of each source, 0 or 1 parcels.

    One parcel is enough: the first kilogram of these tariffs costs more than what any kilogram adds further up.
    """
    model: Any = cp_model.CpModel()
    stock = {(row.source, row.sku): row.units for row in asked.stock}
    total = sum(item.weight_grams * item.quantity for item in asked.items)
    days: Any = model.new_int_var(0, 1_000, "days")
    sent: dict[tuple[str, str], list[Any]] = {}
    points: list[Any] = []
    for source in asked.sources:
        for service in asked.services:
            rate = zone_rate(service, source, asked)
            if rate is None or (source.services and service.id not in source.services):
                continue
            steps = rate.stairs(min(total, service.max_grams))
            chosen = [model.new_bool_var("") for _ in steps]
            used = sum(chosen)
            model.add(used <= 1)
            load = []
            for item in asked.items:
                most = min(stock.get((source.id, item.sku), 0), item.quantity)
                units = model.new_int_var(0, most, "")
                sent.setdefault((source.id, item.sku), []).append(units)
                model.add(units <= most * used)
                load.append(units * item.weight_grams)
            model.add(
                sum(load) <= sum(pick * top for pick, (top, _) in zip(chosen, steps, strict=True))
            )
            fixed = asked.weights.parcel
            points += [
                pick * (price * asked.weights.freight + fixed)
                for pick, (_, price) in zip(chosen, steps, strict=True)
            ]
            model.add(days >= parcel_days(service, source, asked) * used)
    for item in asked.items:
        every = [sent[source.id, item.sku] for source in asked.sources]
        model.add(sum(units for some in every for units in some) == item.quantity)
        for source in asked.sources:
            model.add(sum(sent[source.id, item.sku]) <= stock.get((source.id, item.sku), 0))
    model.minimize(sum(points) + days * asked.weights.day)
    solver: Any = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    return round(solver.objective_value)


@pytest.mark.parametrize("number", range(LARGER))
def test_the_best_route_is_what_or_tools_finds(number: int) -> None:
    """On larger orders the search and a solver of another kind come to the same points."""
    weights = RouteWeights(parcel=7, day=(0, 60)[number % 2])
    asked = problem(number, 5 + number % 6, 3 + number % 5, grams=(50, 1_000), weights=weights)
    found = route(asked)
    check_goods(found, asked)
    assert found.proven
    assert points_of(found, asked) == found.parts.points == solved_by_others(asked)
