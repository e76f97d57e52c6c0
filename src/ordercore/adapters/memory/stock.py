"""Stock in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ordercore.errors import OutOfStock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ordercore.clock import Clock

__all__ = ["MemoryStock"]


class _Reservation:
    __slots__ = ("deducted", "goods", "until")

    def __init__(self, goods: dict[str, int], until: datetime) -> None:
        self.goods = goods
        self.until = until
        self.deducted = False


class MemoryStock:
    """Stock in memory. ``None`` as the stock makes every article endless."""

    joins = False

    def __init__(self, clock: Clock, stock: Mapping[str, int] | None = None) -> None:
        self._clock = clock
        self._stock = None if stock is None else dict(stock)
        self._reserved: dict[str, _Reservation] = {}
        self._lock = threading.RLock()

    def free(self, sku: str) -> int | None:
        """Units that may still be promised; ``None`` is endless."""
        with self._lock:
            self._lapse()
            return None if self._stock is None else self._stock.get(sku, 0)

    def reserved(self, reservation: str) -> dict[str, int]:
        """What a reservation holds."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            return {} if held is None else dict(held.goods)

    def _lapse(self) -> None:
        if self._stock is None:
            return
        now = self._clock.now()
        for name in [n for n, r in self._reserved.items() if not r.deducted and r.until <= now]:
            self._free(self._reserved.pop(name).goods)

    def _free(self, goods: Mapping[str, int]) -> None:
        if self._stock is not None:
            for sku, units in goods.items():
                self._stock[sku] = self._stock.get(sku, 0) + units

    def reserve(self, reservation: str, goods: Sequence[tuple[str, int]], until: datetime) -> None:
        """Promise all or nothing."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            if held is not None:
                held.until = max(held.until, until)
                return
            wanted: dict[str, int] = {}
            for sku, units in goods:
                wanted[sku] = wanted.get(sku, 0) + units
            if self._stock is not None:
                for sku, units in wanted.items():
                    free = self._stock.get(sku, 0)
                    if free < units:
                        reason = f"{sku} has {free} units free, not {units}"
                        raise OutOfStock(reason, path=sku, sku=sku, free=free, asked=units)
                for sku, units in wanted.items():
                    self._stock[sku] -= units
            self._reserved[reservation] = _Reservation(wanted, until)

    def deduct(self, reservation: str) -> None:
        """Make a promise final."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            if held is None:
                raise OutOfStock("the reservation has lapsed", path=reservation)
            held.deducted = True

    def release(self, reservation: str, keep: Sequence[tuple[str, int]] = ()) -> None:
        """Free all but what is kept."""
        with self._lock:
            self._lapse()
            held = self._reserved.get(reservation)
            if held is None:
                return
            left = dict(keep)
            freed = {s: n - left.get(s, 0) for s, n in held.goods.items() if n > left.get(s, 0)}
            self._free(freed)
            held.goods = {s: n - freed.get(s, 0) for s, n in held.goods.items()}
            held.goods = {s: n for s, n in held.goods.items() if n}
            if not held.goods and not keep:
                del self._reserved[reservation]
