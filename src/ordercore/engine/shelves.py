"""Shelves: at which source the goods of an order stand, by the parcels that go with them.

A parcel that is picked, booked or gone takes its goods from its source, and one that is planned is going to. So what
an order gives back is what stands in no parcel, and what a plan takes from elsewhere moves there after the plan was
written: as a duty of that change, which whoever is late serves by the order as it is by then.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ordercore.engine.flow import call
from ordercore.engine.shop import load
from ordercore.errors import InvalidInput, OutOfStock
from ordercore.fulfillment.stock import SourceStock
from ordercore.ports import SourcedStock
from ordercore.timeout import TimerKey, TimerKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.goods import Manifest
    from ordercore.order import Order
    from ordercore.ports import StockKeeper

__all__ = ["PLACED", "freed", "held_rows", "pinned", "placed_by_plan", "unplaced", "units_by_sku"]

_LOG = logging.getLogger("ordercore.engine")
PLACED = TimerKey(TimerKind.RELEASE_STOCK, "placed")
"""The goods of an order are to stand at the sources of its parcels."""
TURNS_MAX = 8
"""How often one call looks again because somebody else moved goods, or planned anew, meanwhile."""

_Rows = dict[tuple[str, str], int]
"""Units by (source, sku)."""
_Held = dict[str, _Rows]
"""Where each reservation stands, by its name."""


def units_by_sku(order: Order, goods: Manifest) -> dict[str, int]:
    """Units of goods by article."""
    skus = {line.id: line.sku for line in order.lines}
    units: dict[str, int] = {}
    for line, count in goods:
        units[skus[line]] = units.get(skus[line], 0) + count
    return units


def pinned(order: Order) -> _Rows:
    """Units that stay where they are: of parcels that are picked, booked or gone."""
    return _of_parcels(order, fixed=True)


def _of_parcels(order: Order, *, fixed: bool) -> _Rows:
    found: _Rows = {}
    for parcel in order.delivery.parcels:
        stays = parcel.fixed or parcel.gone
        if parcel.source and (stays if fixed else parcel.in_work and not stays):
            for sku, units in units_by_sku(order, parcel.goods).items():
                key = (parcel.source, sku)
                found[key] = found.get(key, 0) + units
    return found


def held_rows(stock: SourcedStock, order: Order) -> Flow[_Held]:
    """Where the goods of an order stand, by reservation."""
    found: _Held = {}
    for name, _ in order.reservations():
        rows: _Rows = {}
        for source, sku, units in (yield from call(stock.placed, name)):
            rows[source, sku] = rows.get((source, sku), 0) + units
        found[name] = rows
    return found


def _sums(held: _Held) -> _Rows:
    sums: _Rows = {}
    for rows in held.values():
        for place, units in rows.items():
            sums[place] = sums.get(place, 0) + units
    return sums


# What is given back -------------------------------------------------------------------------------


def freed(stock: StockKeeper, order: Order) -> Flow[None]:
    """Give back what an order keeps no more: of an article that stands at several sources, what no parcel takes."""
    kept = order.reservations()
    if order.delivery.parcels and isinstance(stock, SourcedStock):
        for _ in range(TURNS_MAX):
            held = yield from held_rows(stock, order)
            try:
                for name, rows in _to_keep(order, held).items():
                    goods = tuple([(*place, units) for place, units in rows.items()])
                    yield from call(stock.keep_at, name, goods)
            except OutOfStock:
                continue  # it was moved meanwhile: look again
            break
    for name, keep in kept:
        yield from call(stock.release, name, keep)


def _to_keep(order: Order, held: _Held) -> _Held:
    """What to keep where, of reservations of which a part goes back that may be taken from several sources."""
    wishes = (pinned(order), _of_parcels(order, fixed=False))
    if not any(wishes):
        return {}
    kept = {name: dict(keep) for name, keep in order.reservations()}
    choices: list[tuple[str, str, int]] = []
    found: _Held = {}
    for name, rows in held.items():
        stays: _Rows = {}
        for sku in dict.fromkeys([sku for _, sku in rows]):
            here = {place: units for place, units in rows.items() if place[1] == sku}
            keep = min(kept[name].get(sku, 0), sum(here.values()))
            if keep == sum(here.values()) or len(here) == 1:
                for i, place in enumerate(here):
                    stays[place] = keep if len(here) == 1 else here[place]
                    _grant(wishes, place, stays[place], 0 if i >= 0 else 1)
            else:
                choices.append((name, sku, keep))
        found[name] = stays
    for name, sku, keep in choices:
        _choose(held, found, wishes, name, sku, keep)
    chosen = {name for name, _, _ in choices}
    return {
        name: {place: n for place, n in rows.items() if n}
        for name, rows in found.items()
        if name in chosen
    }
