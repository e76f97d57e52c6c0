"""A second opinion on routes: the cost of an answer, and the least cost of all, worked out anew from the rate tables.

Nothing here uses the search, its bounds, or `freight`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from functools import cache

from ordercore.fulfillment.carriage import Rate, Service, SurchargePer
from ordercore.fulfillment.item import Item
from ordercore.fulfillment.routing import BorderCost, Route, RoutingProblem
from ordercore.fulfillment.source import Source, great_circle

Bundle = tuple[tuple[Item, int], ...]
NEVER = 10**15


def zone_rate(service: Service, source: Source, problem: RoutingProblem) -> Rate | None:
    """The first rate that holds."""
    to = problem.to
    for rate in service.rates:
        zone = rate.zone
        if zone.countries and to.country not in zone.countries:
            continue
        if zone.regions and to.region not in zone.regions:
            continue
        if zone.postcodes and not any(to.postcode.startswith(code) for code in zone.postcodes):
            continue
        if zone.origins and source.area not in zone.origins:
            continue
        return rate
    return None


def parcel_freight(
    service: Service, source: Source, bundle: Bundle, problem: RoutingProblem
) -> int:
    """What a parcel costs; `NEVER` where it cannot go."""
    rate = zone_rate(service, source, problem)
    if rate is None or (source.services and service.id not in source.services):
        return NEVER
    if source.countries and problem.to.country not in source.countries:
        return NEVER
    grams = sum(item.weight_grams * count for item, count in bundle)
    volume = sum(item.volume_cm3 * count for item, count in bundle)
    for item, _ in bundle:
        said = dict(item.attributes)
        for trait in (*service.refuses, *source.refuses):
            here = said.get(trait.name, "")
            if here and trait.equals in {"", here}:
                return NEVER
    if service.divisor_cm3:
        while grams * service.divisor_cm3 < volume * 1_000:
            short = volume * 1_000 - grams * service.divisor_cm3
            grams += max(1, short // service.divisor_cm3)
    if grams > service.max_grams or (service.max_cm3 and volume > service.max_cm3):
        return NEVER
    price = step_price(rate, grams)
    for extra in service.surcharges:
        with_it = [
            count for item, count in bundle if dict(item.attributes).get(extra.trait.name, "")
        ]
        if with_it:
            price += extra.amount * (sum(with_it) if extra.per is SurchargePer.UNIT else 1)
    return price


def step_price(rate: Rate, grams: int) -> int:
    """The price in the table, step by step."""
    for step in rate.steps:
        if grams <= step.upto_grams:
            return step.price
    if not rate.further_grams:
        return NEVER
    top, price = rate.steps[-1].upto_grams, rate.steps[-1].price
    while top < grams:
        top += rate.further_grams
        price += rate.further_price
    return price


def parcel_days(service: Service, source: Source, problem: RoutingProblem) -> int:
    """Days until it arrives."""
    rate = zone_rate(service, source, problem)
    assert rate is not None
    wait = 0 if problem.now is None else source.wait_days(problem.now, service)
    return rate.days_max + wait


def meters(source: Source, problem: RoutingProblem) -> int:
    """How far it is."""
    for name, far in problem.distances:
        if name == source.id:
            return far
    if source.place is None or problem.place is None:
        return 0
    return great_circle(source.place, problem.place)


def parcel_points(
    service: Service,
    source: Source,
    bundle: Bundle,
    problem: RoutingProblem,
    border: BorderCost | None,
) -> int:
    """What a parcel adds to the objective, its days apart."""
    price = parcel_freight(service, source, bundle, problem)
    if price >= NEVER:
        return NEVER
    weights = problem.weights
    found = price * weights.freight + weights.parcel
    found += weights.kilometer * meters(source, problem) // 1_000
    found += weights.unsigned * (1_000_000 - service.signed_ppm) // 10_000
    if border is not None:
        items = tuple(part(item, count) for item, count in bundle)
        found += weights.border * border.cost(source, items, price)
    return found


def part(item: Item, count: int) -> Item:
    """The first units of an item; the amounts here divide evenly."""
    share, rest = divmod(item.amount * count, item.quantity)
    assert rest == 0
    return Item(
        item.line, item.sku, count, item.weight_grams, item.volume_cm3, share, item.category,
        item.merchant, item.attributes, item.customs,
    )  # fmt: skip


def points_of(route: Route, problem: RoutingProblem, border: BorderCost | None = None) -> int:
    """The objective of a route from its parcels alone."""
    sources = {source.id: source for source in problem.sources}
    services = {service.id: service for service in problem.services}
    items: dict[str, Item] = {item.line: item for item in problem.items}
    total = days = 0
    for parcel in route.parcels:
        source, service = sources[parcel.source], services[parcel.service]
        bundle = tuple((items[line], count) for line, count in parcel.goods)
        total += parcel_points(service, source, bundle, problem, border)
        days = max(days, parcel_days(service, source, problem))
    return total + days * problem.weights.day


def check_goods(route: Route, problem: RoutingProblem) -> None:
    """The goods of the parcels add up to the order, within stock and capacity, none of them empty."""
    asked = Counter({item.line: item.quantity for item in problem.items})
    sent: Counter[str] = Counter()
    taken: Counter[tuple[str, str]] = Counter()
    loads: Counter[str] = Counter()
    sku_of: dict[str, str] = {item.line: item.sku for item in problem.items}
    for parcel in route.parcels:
        assert parcel.goods.total() > 0
        for line, count in parcel.goods:
            sent[line] += count
            taken[parcel.source, sku_of[line]] += count
            loads[parcel.source] += count
    assert sent == asked
    stock: Counter[tuple[str, str]] = Counter()
    for row in problem.stock:
        stock[row.source, row.sku] += row.units
    assert all(count <= stock[key] for key, count in taken.items())
    for source in problem.sources:
        assert source.capacity is None or loads[source.id] <= source.capacity


def brute_force(problem: RoutingProblem, border: BorderCost | None = None) -> int:
    """The fewest points of all routes, by trying every one; `NEVER` where there is none."""
    items, sources = problem.items, problem.sources
    stock: Counter[tuple[str, str]] = Counter()
    for row in problem.stock:
        stock[row.source, row.sku] += row.units
    spreads = [
        list(spread(item.quantity, [stock[source.id, item.sku] for source in sources]))
        for item in items
    ]
    days = {
        parcel_days(service, source, problem)
        for source in sources
        for service in problem.services
        if zone_rate(service, source, problem)
    }

    @cache
    def packed(place: int, counts: tuple[int, ...], upto: int) -> int:
        """The best parcels of one source that arrive within ``upto`` days."""
        if not any(counts):
            return 0
        first = next(at for at, count in enumerate(counts) if count)
        best = NEVER
        for chosen in itertools.product(*[range(count + 1) for count in counts]):
            if not chosen[first]:
                continue
            rest = tuple(a - b for a, b in zip(counts, chosen, strict=True))
            mine = one(place, chosen, upto)
            if mine < best:
                best = min(best, mine + packed(place, rest, upto))
        return best

    @cache
    def one(place: int, chosen: tuple[int, ...], upto: int) -> int:
        bundle = tuple((item, count) for item, count in zip(items, chosen, strict=True) if count)
        source = sources[place]
        found = [
            parcel_points(service, source, bundle, problem, border)
            for service in problem.services
            if zone_rate(service, source, problem) and parcel_days(service, source, problem) <= upto
        ]
        return min(found, default=NEVER)

    best = NEVER
    for upto in sorted(days) if problem.weights.day else sorted(days)[-1:]:
        for choice in itertools.product(*spreads):
            rows = list(zip(*choice, strict=True))
            if any(
                source.capacity is not None and sum(row) > source.capacity
                for source, row in zip(sources, rows, strict=True)
            ):
                continue
            total = upto * problem.weights.day
            for place, row in enumerate(rows):
                total += packed(place, row, upto)
            best = min(best, total)
    return best


def spread(count: int, held: list[int]) -> Iterator[tuple[int, ...]]:
    """Each way to take so many units from places that hold so many."""
    if not held:
        if not count:
            yield ()
        return
    for here in range(min(count, held[0]) + 1):
        for rest in spread(count - here, held[1:]):
            yield (here, *rest)
