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
    from collections.abc import Callable, Iterable, Mapping

    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.fulfillment import Parcel
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
    return _of_parcels(order, lambda parcel: parcel.fixed or parcel.gone)


def _planned(order: Order) -> _Rows:
    """Units of parcels that may still be planned anew."""
    return _of_parcels(order, lambda parcel: parcel.in_work and not parcel.fixed)


def _of_parcels(order: Order, which: Callable[[Parcel], bool]) -> _Rows:
    found: _Rows = {}
    for parcel in order.delivery.parcels:
        if parcel.source and which(parcel):
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
    fixed, planned = pinned(order), _planned(order)
    if not fixed and not planned:
        return {}
    kept = {name: dict(keep) for name, keep in order.reservations()}
    choices: list[tuple[str, str]] = []
    found: _Held = {}
    for name, rows in held.items():
        stays = found[name] = {}
        for sku, units in _totals(rows).items():
            keep = min(kept[name].get(sku, 0), units)
            here = [place for place in rows if place[1] == sku]
            if keep < units and len(here) > 1:
                choices.append((name, sku))
                continue
            for place in here:
                part = min(keep, rows[place])
                stays[place] = part
                keep -= part
                _grant(fixed, planned, place, part)
    for turn, (name, sku) in enumerate(choices):
        others = _sums({one: held[one] for one, its in choices[turn + 1 :] if its == sku})
        left = min(kept[name].get(sku, 0), _totals(held[name])[sku])
        # first what no other reservation can give to a parcel, then what parcels take, then any
        scarce = {place: units - others.get(place, 0) for place, units in fixed.items()}
        for wish in (scarce, fixed, planned, held[name]):
            for place, units in held[name].items():
                has = found[name].get(place, 0)
                part = min(left, units - has, wish.get(place, 0)) if place[1] == sku else 0
                if part > 0:
                    found[name][place] = has + part
                    left -= part
                    _grant(fixed, planned, place, part)
    chosen = {name for name, _ in choices}
    return {name: rows for name, rows in found.items() if name in chosen}


def _totals(rows: Mapping[tuple[str, str], int]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for (_, sku), units in rows.items():
        totals[sku] = totals.get(sku, 0) + units
    return totals


def _grant(fixed: _Rows, planned: _Rows, place: tuple[str, str], units: int) -> None:
    """Take units that are kept off what parcels still wish for."""
    part = min(units, fixed.get(place, 0))
    if part:
        fixed[place] -= part
    rest = min(units - part, planned.get(place, 0))
    if rest:
        planned[place] -= rest


# What moves ---------------------------------------------------------------------------------------


def placed_by_plan(shop: Shop, order_id: str) -> Flow[None]:
    """Let the goods of an order stand where its parcels are sent from, as far as there are such units.

    What a source no longer has stays where it is: its parcel is to be routed again. Twice is once.
    """
    stock = shop.stock
    if not isinstance(stock, SourcedStock):
        return
    order = yield from load(shop, order_id)
    for _ in range(TURNS_MAX):
        done, seen = (yield from _moved(stock, order)), order.version
        # whoever planned anew meanwhile may have moved them before this flow did
        order = yield from load(shop, order_id)
        if done and order.version == seen:
            break
    missing = yield from unplaced(stock, order)
    if missing:
        _LOG.warning("order %s: not at their sources: %s", order_id, missing)


def unplaced(stock: SourcedStock, order: Order) -> Flow[tuple[SourceStock, ...]]:
    """Units of parcels in work that are promised to the order, but at another source."""
    stands = _sums((yield from held_rows(stock, order)))
    gone = _of_parcels(order, lambda parcel: parcel.gone)
    wanted = _of_parcels(order, lambda parcel: parcel.in_work)
    found = []
    for place, units in wanted.items():
        # what has left took its own units with it
        short = units - max(0, stands.get(place, 0) - gone.get(place, 0))
        if short > 0:
            found.append(SourceStock(*place, short))
    return tuple(found)


def _moved(stock: SourcedStock, order: Order) -> Flow[bool]:
    """Move what stands elsewhere; false where it was moved meanwhile, and is to be looked at again."""
    held = yield from held_rows(stock, order)
    wanted = pinned(order)
    for place, units in _planned(order).items():
        wanted[place] = wanted.get(place, 0) + units
    stands = _sums(held)
    short = {place: n - stands.get(place, 0) for place, n in wanted.items()}
    short = {place: units for place, units in short.items() if units > 0}
    if not short:
        return True
    free = yield from call(stock.available, tuple(dict.fromkeys([sku for _, sku in short])))
    room = {(row.source, row.sku): row.units for row in free}
    spare = {place: n - wanted.get(place, 0) for place, n in stands.items()}
    for place, units in short.items():
        short[place] = min(units, room.get(place, 0))
    for name, rows in held.items():
        after = _pulled(rows, short, spare)
        if after != rows:
            goods = tuple([(*place, units) for place, units in after.items() if units])
            try:
                yield from call(stock.place, name, goods)
            except (OutOfStock, InvalidInput):  # taken, or given back, a moment ago
                return False
    return True


def _pulled(rows: _Rows, short: _Rows, spare: _Rows) -> _Rows:
    """A reservation after units that no parcel takes where they stand went to where one does."""
    after = dict(rows)
    for to, wanted in short.items():
        for place in _elsewhere(rows, to):
            part = min(wanted, after[place], spare.get(place, 0))
            if part > 0:
                after[place] -= part
                after[to] = after.get(to, 0) + part
                spare[place] -= part
                wanted -= part  # noqa: PLW2901 - what is left of it
        short[to] = wanted
    return after


def _elsewhere(rows: Iterable[tuple[str, str]], to: tuple[str, str]) -> list[tuple[str, str]]:
    return [place for place in rows if place[1] == to[1] and place != to]
