"""Routes: from which source, in which parcels, with which services all goods go, and why.

`route` weighs freight, duty and tax, parcels, time and distance by whole numbers and looks for the fewest points.
Small orders, of up to 12 lines over 8 sources, are as a rule searched in full and the answer is proven to be the
best; where the steps run out first, the answer says how far from the best it can be at most. The same problem
always has the same answer.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput, NotAllowed, OutOfStock
from ordercore.fulfillment.carriage import FreightEstimate, freight
from ordercore.fulfillment.routing.board import FAR, Board, Deck, Lane
from ordercore.fulfillment.routing.choosing import Choosing, Found
from ordercore.fulfillment.routing.packing import Packer, part_of
from ordercore.fulfillment.routing.problem import RoutingProblem
from ordercore.fulfillment.routing.reaching import reach
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.fulfillment.item import Item
    from ordercore.fulfillment.routing.packing import Units
    from ordercore.fulfillment.routing.problem import BorderCost
    from ordercore.fulfillment.routing.sharing import Share

__all__ = [
    "Refusal",
    "Route",
    "RouteParcel",
    "RouteParts",
    "RouteReason",
    "RouteRule",
    "RunnerUp",
    "reroute",
    "route",
]

MILLION = 1_000_000


class RouteRule(enum.Enum):
    """By which rule something was chosen."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ONLY_SOURCE = "only_source"
    """Some of the units are nowhere else."""
    FEWEST_POINTS = "fewest_points"
    """No other set of sources costs fewer points; where the route is not proven, none that was looked at."""
    ONLY_SERVICE = "only_service"
    """No other service takes this parcel."""
    CHEAPEST_SERVICE = "cheapest_service"
    """The other services cost at least as many points."""
    IN_TIME = "in_time"
    """A cheaper service would arrive later, and time counts."""
    PARTED = "parted"
    """The source sends several parcels: one would be too heavy, refused, or dearer."""
    NO_WEIGHT = "no_weight"
    """Some of the goods have no weight that is known: the freight is that of the others."""
    FREIGHT = "freight"
    """The step of the rate table that made the price."""


@value
class RouteReason:
    """Why, in words, and the rule behind it."""

    rule: RouteRule
    text: str


@value
class RouteParcel:
    """What goes together: from a source with a service.

    ``border`` are duty and tax, minor units like the freight. ``days`` are until it arrives at the latest,
    ``points`` what it adds to the objective, its days apart.
    """

    source: str
    service: str
    goods: Manifest
    freight: FreightEstimate
    border: int
    days: int
    meters: int
    points: int
    reasons: tuple[RouteReason, ...]


@value
class RouteParts:
    """What the objective is made of: amounts in minor units, parcels, days until the last one, meters in total."""

    freight: int
    border: int
    parcels: int
    days: int
    meters: int
    points: int


@value
class RunnerUp:
    """The best other set of sources that was looked at, what it would have come to, and why it lost."""

    sources: tuple[str, ...]
    parts: RouteParts
    why: str


@value
class Refusal:
    """A source that cannot serve the order, and why."""

    source: str
    why: str


@value
class Route:
    """How all goods go.

    ``proven``: no route has fewer points. Else ``gap_ppm`` is by how much of its own points this one can lie above
    the best at most, in parts per million; ``at_least`` are points that no route goes below. ``steps`` are those
    of the search. ``runner_up`` is for comparison: it need not be the second best of all.
    """

    parcels: tuple[RouteParcel, ...]
    parts: RouteParts
    currency: str
    proven: bool
    gap_ppm: int
    at_least: int
    runner_up: RunnerUp | None
    refusals: tuple[Refusal, ...]
    steps: int


def route(problem: RoutingProblem, border: BorderCost | None = None) -> Route:
    """The route with the fewest points, or a good one with its gap where ``steps_max`` do not suffice.

    Raises `OutOfStock` where the sources that may serve do not have the goods (``data``: sku, asked, available by
    source), `NotAllowed` where no service takes some of them, and what `RoutingProblem.check` does.
    """
    problem.check()
    board = Board(problem, border)
    _check_reach(board)
    choosing = Choosing(board, border)
    found = choosing.run()
    return _told(board, choosing.packer, found)


def reroute(
    problem: RoutingProblem,
    rejected: frozenset[str],
    dispatched: tuple[RouteParcel, ...] = (),
    border: BorderCost | None = None,
) -> Route:
    """The same problem without the sources that rejected it; parcels that have left stay as they are.

    The answer holds the parcels for what has not left. Units of dispatched parcels are taken off ``problem.stock``,
    which is that of the first routing. Raises as `route` does, `InvalidInput` for a source that the problem does
    not have, `OutOfStock` where no source is left.
    """
    known = {source.id for source in problem.sources}
    for name in sorted(rejected | {parcel.source for parcel in dispatched}):
        if name not in known:
            raise InvalidInput(f"there is no source {name!r}", path="rejected", source=name)
    gone, taken = _left_already(problem, dispatched)
    items = []
    for item in problem.items:
        first = gone.get(item.line, 0)
        if first > item.quantity:
            reason = f"more units of line {item.line!r} have left than it has"
            raise InvalidInput(reason, path="dispatched", line=item.line)
        if first < item.quantity:
            items.append(part_of(item, first, item.quantity - first))
    stock = []
    for row in problem.stock:
        key = (row.source, row.sku)
        used = min(taken.get(key, 0), row.units)
        if used:
            taken[key] -= used
        stock.append(type(row)(row.source, row.sku, row.units - used))
    sources = tuple([source for source in problem.sources if source.id not in rejected])
    if not items:
        raise NotAllowed("everything has left already", path="dispatched")
    if not sources:
        raise OutOfStock(
            "every source has rejected the goods", path="rejected", sku=items[0].sku,
            asked=items[0].quantity, available=(),
        )  # fmt: skip
    distances = tuple([pair for pair in problem.distances if pair[0] not in rejected])
    again = RoutingProblem(
        tuple(items), problem.to, sources, tuple(stock), problem.services, problem.weights,
        problem.place, distances, problem.now, problem.steps_max,
    )  # fmt: skip
    return route(again, border)


def _left_already(
    problem: RoutingProblem, dispatched: tuple[RouteParcel, ...]
) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Units that have left: by line, and by source and SKU."""
    gone: dict[str, int] = {}
    taken: dict[tuple[str, str], int] = {}
    sku_of: dict[str, str] = {item.line: item.sku for item in problem.items}
    for parcel in dispatched:
        for line, count in parcel.goods:
            if line not in sku_of:
                raise InvalidInput(f"there is no line {line!r}", path="dispatched", line=line)
            gone[line] = gone.get(line, 0) + count
            key = (parcel.source, sku_of[line])
            taken[key] = taken.get(key, 0) + count
    return gone, taken


def _check_reach(board: Board) -> None:
    """Refuse an order that cannot be met, naming the first goods that are short."""
    deck = Deck(board, board.days[-1]) if board.days else None
    names = [source.id for source in board.problem.sources]
    for place, goods in enumerate(board.goods):
        held = [row[place] for row in board.held]
        can = [row[place] for row in deck.units] if deck else [0] * len(names)
        available = tuple(
            [f"{name}: {units}" for name, units in zip(names, held, strict=True) if units]
        )
        sent = sum(can)
        if sent >= goods.quantity:
            continue
        if sum(held) < goods.quantity:
            reason = f"{goods.quantity} units of {goods.sku!r} are asked for, {sum(held)} are there"
            raise OutOfStock(
                reason, path="items", sku=goods.sku, asked=goods.quantity, available=available
            )
        reason = f"only {sent} of {goods.quantity} units of {goods.sku!r} can be sent there"
        raise NotAllowed(
            reason, path="items", sku=goods.sku, asked=goods.quantity, available=available,
            refusals=tuple([f"{names[at]}: {why}" for at, why in board.refusals.items()]),
        )  # fmt: skip
    if reach(deck.units if deck else [], board.quantities, board.capacities) is None:
        reason = "the sources that have the goods cannot send so many units on the day"
        raise NotAllowed(reason, path="sources")


# The answer -----------------------------------------------------------------------------------


def _told(board: Board, packer: Packer, found: Found) -> Route:
    best = found.best
    assert best is not None  # `_check_reach` has seen that there is a way
    parcels = _parcels(board, packer, best, proven=found.floor >= best.points)
    parts = _parts_of(board, parcels)
    floor = min(found.floor, parts.points)
    gap = -(-(parts.points - floor) * MILLION // parts.points) if parts.points else 0
    return Route(
        parcels, parts, board.problem.services[0].currency, floor == parts.points, gap, floor,
        _runner_up(board, packer, found, parts), _refusals(board, best), found.steps,
    )  # fmt: skip


def _parts_of(board: Board, parcels: tuple[RouteParcel, ...]) -> RouteParts:
    days = max([parcel.days for parcel in parcels])
    return RouteParts(
        sum([parcel.freight.amount for parcel in parcels]),
        sum([parcel.border for parcel in parcels]),
        len(parcels),
        days,
        sum([parcel.meters for parcel in parcels]),
        sum([parcel.points for parcel in parcels]) + days * board.problem.weights.day,
    )


def _parcels(
    board: Board, packer: Packer, share: Share, *, proven: bool
) -> tuple[RouteParcel, ...]:
    """The parcels in the order of the sources, units dealt to the lines in their order."""
    dealt = [0] * len(board.goods)
    found = []
    for source in sorted(share.packed):
        _, packed = share.packed[source]
        for lane, units in packed.parcels:
            items = _deal(board, units, dealt)
            found.append(
                _parcel(board, packer, lane, units, items, len(packed.parcels), proven=proven)
            )
    return tuple(found)


def _deal(board: Board, units: Units, dealt: list[int]) -> tuple[Item, ...]:
    found = []
    for place, count in enumerate(units):
        skipped, left = dealt[place], count
        for item in board.goods[place].items:
            here = min(item.quantity - skipped, left)
            if here > 0:
                found.append(part_of(item, skipped, here))
                left -= here
            skipped = max(0, skipped - item.quantity)
        dealt[place] += count
    return tuple(found)


def _parcel(
    board: Board,
    packer: Packer,
    lane: Lane,
    units: Units,
    items: tuple[Item, ...],
    of: int,
    *,
    proven: bool,
) -> RouteParcel:
    problem = board.problem
    source = problem.sources[lane.source]
    estimate = freight(lane.service, items, problem.to, source.area)
    border = 0
    if packer.border is not None:
        # asked as the search asked: with the same units of the same lines
        border = packer.border.cost(source, packer.items(units), estimate.amount)
    weights = problem.weights
    points = estimate.amount * weights.freight + border * weights.border + lane.fixed
    goods = Manifest(tuple([(LineId(item.line), Quantity(item.quantity)) for item in items]))
    reasons = [
        _why_source(board, lane, units, proven=proven),
        *_why_lane(board, packer, lane, units),
    ]
    unknown = [item.line for item in items if not item.weight_grams]
    if unknown:
        text = f"no weight is known of line {', '.join(unknown)}: it is reckoned as nothing"
        reasons.append(RouteReason(RouteRule.NO_WEIGHT, text))
    if of > 1:
        text = f"{source.id} sends {of} parcels: one would be refused, too heavy or dearer"
        reasons.append(RouteReason(RouteRule.PARTED, text))
    reasons += [RouteReason(RouteRule.FREIGHT, text) for text in estimate.reasons()]
    return RouteParcel(
        source.id, lane.service.id, goods, estimate, border, lane.days, lane.meters, points,
        tuple(reasons),
    )  # fmt: skip


def _why_source(board: Board, lane: Lane, units: Units, *, proven: bool) -> RouteReason:
    source = board.problem.sources[lane.source].id
    for place, count in enumerate(units):
        goods = board.goods[place]
        elsewhere = sum([row[place] for at, row in enumerate(board.stock) if at != lane.source])
        if count and elsewhere < goods.quantity:
            text = f"{source}: of {goods.sku}, {goods.quantity - elsewhere} units are only here"
            return RouteReason(RouteRule.ONLY_SOURCE, text)
    seen = "" if proven else " that was looked at"
    text = f"{source}: no other set of sources{seen} costs fewer points"
    return RouteReason(RouteRule.FEWEST_POINTS, text)


def _why_lane(board: Board, packer: Packer, lane: Lane, units: Units) -> list[RouteReason]:
    mine = packer.parcel(lane, units)
    others = [
        (packer.parcel(other, units), other)
        for other in board.lanes[lane.source]
        if other is not lane
    ]
    fit = [(points, other) for points, other in others if points < FAR]
    name = lane.service.id
    if not fit:
        return [RouteReason(RouteRule.ONLY_SERVICE, f"{name}: no other service takes this parcel")]
    points, other = min(fit, key=lambda pair: (pair[0], pair[1].number))
    if points < mine and other.days > lane.days:
        text = f"{name}: {other.service.id} has {mine - points} points less"
        text += f" and takes {other.days} days, not {lane.days}"
        return [RouteReason(RouteRule.IN_TIME, text)]
    text = f"{name}: {mine} points, the next is {other.service.id} with {points}"
    return [RouteReason(RouteRule.CHEAPEST_SERVICE, text)]


def _runner_up(board: Board, packer: Packer, found: Found, parts: RouteParts) -> RunnerUp | None:
    if found.other is None:
        return None
    parcels = _parcels(board, packer, found.other, proven=False)
    other = _parts_of(board, parcels)
    if other.points < parts.points:  # its days count less than the search took them for
        return None
    names = tuple([board.problem.sources[source].id for source in sorted(found.other.packed)])
    weights = board.problem.weights
    dearer = [
        f"{name} {mine} against {best}"
        for name, weight, mine, best in (
            ("freight", weights.freight, other.freight, parts.freight),
            ("duty and tax", weights.border, other.border, parts.border),
            ("parcels", weights.parcel, other.parcels, parts.parcels),
            ("days", weights.day, other.days, parts.days),
            ("meters", weights.kilometer, other.meters, parts.meters),
        )
        if weight and mine > best
    ]
    why = f"{other.points - parts.points} points more"
    if other.points == parts.points:
        why = "as many points; found later"
    return RunnerUp(names, other, ": ".join([why, ", ".join(dearer)]) if dearer else why)


def _refusals(board: Board, best: Share) -> tuple[Refusal, ...]:
    """Sources that cannot send any of the goods."""
    found = []
    for place, source in enumerate(board.problem.sources):
        if place in best.packed:
            continue
        why = board.refusals.get(place, "")
        if not why and not any(board.stock[place]):
            why = "can send no more today" if any(board.held[place]) else "has none of the goods"
        if not why and not any(
            [
                units and board.fits(lane, goods)
                for lane in board.lanes[place]
                for units, goods in zip(board.stock[place], board.goods, strict=True)
            ]
        ):
            why = source.why_not(board.problem.to, board.problem.items)
            why = why or "no service takes what it has"
        if why:
            found.append(Refusal(source.id, why))
    return tuple(found)
