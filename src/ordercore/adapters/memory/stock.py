"""Stock in memory, at one place or at several sources."""

from __future__ import annotations

import heapq
import threading
from datetime import datetime
from typing import TYPE_CHECKING

from ordercore.errors import InvalidInput, OutOfStock
from ordercore.fulfillment import SourceStock
from ordercore.fulfillment.stock import (
    by_name,
    by_place,
    by_sku,
    check_all,
    check_held,
    check_names,
    out_of,
    parted,
    picked,
    summed,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.clock import Clock

__all__ = ["MemoryStock"]

_Places = dict[tuple[str, str], int]
"""Units by (source, sku)."""


class _Reservation:
    __slots__ = ("deducted", "places", "until")

    def __init__(self, places: _Places, until: datetime) -> None:
        self.places = places
        self.until = until
        self.deducted = False

    @property
    def goods(self) -> dict[str, int]:
        """Units by sku."""
        return summed(self.places)


class MemoryStock:
    """Stock in memory. ``None`` as the stock makes every article endless.

    ``sources`` gives units by source and article in place of ``stock``, which is one source without a name.
    Goods are taken from the first source that has all units of an article, else from each in turn.
    """

    joins = False

    def __init__(
        self,
        clock: Clock,
        stock: Mapping[str, int] | None = None,
        *,
        sources: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        self._clock = clock
        self._stock = None if stock is None else dict(stock)
        self._sources: dict[str, dict[str, int]] = {}
        if sources is not None:
            if stock is not None:
                raise InvalidInput("units stand in the stock or in its sources", path="sources")
            self._sources = {name: dict(units) for name, units in sources.items()}
            self._stock = self._sources.setdefault("", {})
        self._reserved: dict[str, _Reservation] = {}
        self._handed: set[tuple[str, str]] = set()
        self._ends: list[tuple[datetime, str]] = []
        self._lock = threading.RLock()

    # What there is.

    def free(self, sku: str) -> int | None:
        """Units that may still be promised, at all sources; ``None`` is endless."""
        with self._lock:
            self._lapse()
            if self._stock is None:
                return None
            return sum([units for _, units in self._at(sku)])

    def reservations(self) -> tuple[str, ...]:
        """The names under which goods are promised."""
        with self._lock:
            self._lapse()
            return tuple(self._reserved)

    def reserved(self, reservation: str) -> dict[str, int]:
        """What a reservation holds."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            return {} if held is None else held.goods

    def receive(self, sku: str, units: int, source: str = "") -> None:
        """Units come in at a source, which is new perhaps."""
        with self._lock:
            self._free(by_place([(source, sku, units)]))

    def available(self, skus: Sequence[str]) -> tuple[SourceStock, ...]:
        """Units that may still be promised, by article and source; an endless stock names none."""
        with self._lock:
            self._lapse()
            return tuple(
                [
                    SourceStock(source, sku, units)
                    for sku in dict.fromkeys(skus)
                    for source, units in self._at(sku)
                    if units
                ]
            )

    def _shelf(self, source: str) -> dict[str, int]:
        """What stands at a source."""
        if source or self._stock is None:
            return self._sources.get(source, {})
        return self._stock

    def _at(self, sku: str) -> list[tuple[str, int]]:
        """Each source with its free units of an article, in the order of the sources."""
        if self._stock is None:
            return []
        if not self._sources:
            return [("", self._stock.get(sku, 0))]
        return [(name, self._shelf(name).get(sku, 0)) for name in self._sources]

    def _free(self, places: _Places) -> None:
        if self._stock is None:
            return
        for (source, sku), units in places.items():
            if source and not self._sources:
                self._sources[""] = self._stock
            shelf = self._sources.setdefault(source, {}) if source else self._stock
            shelf[sku] = shelf.get(sku, 0) + units

    def _take(self, places: _Places) -> None:
        stock = self._stock
        if stock is not None:
            for (source, sku), units in places.items():
                (self._shelf(source) if source else stock)[sku] -= units

    # Time.

    def _lapse(self) -> None:
        if self._stock is None or not self._ends:
            return
        now = self._clock.now()
        ends = self._ends
        while ends and ends[0][0] <= now:  # ends: each turn takes one away
            _, name = heapq.heappop(ends)
            held = self._reserved.get(name)
            if held is not None and not held.deducted and held.until <= now:
                del self._reserved[name]
                self._free(held.places)

    def _keep(self, name: str, held: _Reservation) -> None:
        """Write a reservation down, and when it lapses."""
        self._reserved[name] = held
        if not held.deducted and self._stock is not None:
            heapq.heappush(self._ends, (held.until, name))

    # The port.

    def reserve(self, reservation: str, goods: Sequence[tuple[str, int]], until: datetime) -> None:
        """Promise all or nothing."""
        if not isinstance(until, datetime) or until.tzinfo is None:
            raise InvalidInput("a time needs a zone: datetime(..., tzinfo=UTC)", path="until")
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            if held is not None:
                if until > held.until:
                    held.until = until
                    self._keep(reservation, held)
                return
            places = self._picked(by_sku(goods))
            self._take(places)
            self._keep(reservation, _Reservation(places, until))

    def _picked(self, wanted: Mapping[str, int]) -> _Places:
        """Where the units are; raises `OutOfStock`."""
        if self._stock is None:
            return {("", sku): units for sku, units in wanted.items()}
        places: _Places = {}
        stock, alone = self._stock, not self._sources
        for sku, units in wanted.items():
            if alone and stock.get(sku, 0) >= units:
                places["", sku] = units
                continue
            at = self._at(sku)
            part = picked(at, units)
            if sum(part.values()) < units:
                raise out_of(sku, sum([free for _, free in at]), units)
            for source, taken in part.items():
                places[source, sku] = taken
        return places

    def deduct(self, reservation: str) -> None:
        """Make a promise final."""
        with self._lock:
            self._lapse()
            self._held(reservation).deducted = True

    def _held(self, reservation: str) -> _Reservation:
        """A reservation that has not lapsed; raises `OutOfStock`."""
        held = self._reserved.get(reservation)
        if held is None:
            raise OutOfStock("the reservation has lapsed", path=reservation)
        return held

    def release(self, reservation: str, keep: Sequence[tuple[str, int]] = ()) -> None:
        """Free all but what is kept, from the last source first."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            if held is None:
                return
            kept = by_sku(keep)
            left = {sku: min(units, kept.get(sku, 0)) for sku, units in held.goods.items()}
            stays = parted(held.places, left, reservation)
            self._free(without(held.places, stays))
            held.places = stays
            if not stays and not kept:
                del self._reserved[reservation]

    def transfer(
        self, reservation: str, parts: Sequence[tuple[str, Sequence[tuple[str, int]]]]
    ) -> None:
        """Hand parts of a reservation over to other names, all or none."""
        asked = by_name(parts)
        check_names(reservation, [name for name, _ in asked])
        with self._lock:
            self._lapse()
            new = [
                (name, goods) for name, goods in asked if (reservation, name) not in self._handed
            ]
            if not new:
                return
            held = self._held(reservation)
            left, shares = held.places, []
            for name, goods in new:
                share = parted(left, goods, reservation)
                left = without(left, share)
                shares.append((name, share))
            held.places = left
            for name, share in shares:
                self._hand(name, share, held)
                self._handed.add((reservation, name))
            if not left:
                del self._reserved[reservation]

    def _hand(self, name: str, share: _Places, origin: _Reservation) -> None:
        has = self._reserved.get(name)
        if has is None:
            has = _Reservation(share, origin.until)
        else:
            has.places = by_place(
                [(*place, n) for one in (has.places, share) for place, n in one.items()]
            )
            has.until = max(has.until, origin.until)
        has.deducted = has.deducted or origin.deducted
        self._keep(name, has)

    def place(self, reservation: str, goods: Sequence[tuple[str, str, int]]) -> None:
        """Let a reservation stand at exactly these sources."""
        wanted = by_place(goods)
        with self._lock:
            self._lapse()
            held = self._held(reservation)
            check_all(reservation, held.goods, summed(wanted))
            if self._stock is not None:
                for (source, sku), units in wanted.items():
                    has = self._shelf(source).get(sku, 0) + held.places.get((source, sku), 0)
                    if has < units:
                        raise out_of(sku, has, units)
                self._free(held.places)
                self._take(wanted)
            held.places = wanted

    def keep_at(self, reservation: str, goods: Sequence[tuple[str, str, int]]) -> None:
        """Free all but these units at these sources."""
        wanted = by_place(goods)
        with self._lock:
            self._lapse()
            held = self._held(reservation)
            for (source, sku), units in wanted.items():
                check_held(reservation, held.places.get((source, sku), 0), source, sku, units)
            self._free(without(held.places, wanted))
            held.places = wanted
            if not wanted:
                del self._reserved[reservation]

    def placed(self, reservation: str) -> tuple[tuple[str, str, int], ...]:
        """Where the units of a reservation stand."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            return () if held is None else tuple([(*p, n) for p, n in sorted(held.places.items())])
