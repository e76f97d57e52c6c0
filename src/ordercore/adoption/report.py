"""What came of taking orders over: counts, sums, and what is wrong by its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import OrdercoreError
from ordercore.ledger import AccountKind
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.ledger import Entry
    from ordercore.order import Order

__all__ = ["LISTED_MAX", "AdoptionReport", "Fault", "Remark", "Sums", "Tally"]

LISTED_MAX = 1_000
"""Most faults, and most remarks, that a report lists; it counts them all."""


@value
class Fault:
    """Why one order was not taken over. ``path`` begins with its place: ``orders[17].lines[2].quantity``."""

    path: str
    number: str
    code: str
    reason: str


@value
class Remark:
    """What somebody should know of an order that was taken over."""

    path: str
    number: str
    reason: str


@value
class Sums:
    """The money of the orders of one currency, in minor units.

    ``paid`` was taken, ``refunded`` asked back, of which ``in_transit`` has not arrived.
    ``advances`` is what the books now owe customers: paid, not refunded and not yet earned.
    """

    currency: str
    orders: int = 0
    total: int = 0
    paid: int = 0
    refunded: int = 0
    in_transit: int = 0
    advances: int = 0


@value
class AdoptionReport:
    """``told`` orders: ``adopted`` now, ``repeated`` (they were there already) or ``failed``.

    ``states`` counts adopted orders as (lifecycle, state, orders). In a dry run nothing was written, and
    ``adopted`` is what would be.
    """

    told: int
    adopted: int
    repeated: int
    failed: int
    states: tuple[tuple[str, str, int], ...]
    sums: tuple[Sums, ...]
    faults: tuple[Fault, ...]
    remarked: int
    remarks: tuple[Remark, ...]
    dry_run: bool


class Tally:
    """Adds a report up, order by order."""

    def __init__(self, *, dry_run: bool) -> None:
        self.told = self.adopted = self.repeated = self.failed = self.remarked = 0
        self._dry_run = dry_run
        self._states: dict[tuple[str, str], int] = {}
        self._sums: dict[str, list[int]] = {}
        self._faults: list[Fault] = []
        self._remarks: list[Remark] = []

    def add(
        self,
        place: int,
        order: Order,
        entries: tuple[Entry, ...],
        remarks: tuple[tuple[str, str], ...],
    ) -> None:
        """An order that was adopted, or would be."""
        self.adopted += 1
        content, payments = order.content, order.payments
        key = (content.lifecycle, order.state)
        self._states[key] = self._states.get(key, 0) + 1
        sums = self._sums.setdefault(content.currency, [0] * 6)
        found = (
            1, content.total, payments.captured, payments.refunded,
            -_on(entries, AccountKind.REFUNDS_IN_TRANSIT), -_on(entries, AccountKind.ADVANCES),
        )  # fmt: skip
        for i, amount in enumerate(found):
            sums[i] += amount
        for path, reason in remarks:
            self.remark(place, content.number, path, reason)

    def remark(self, place: int, number: str, path: str, reason: str) -> None:
        """What somebody should know of an order."""
        self.remarked += 1
        if len(self._remarks) < LISTED_MAX:
            self._remarks.append(Remark(_at(place, path), number, reason))

    def fault(self, place: int, number: str, error: OrdercoreError) -> None:
        """An order that cannot be adopted."""
        self.failed += 1
        if len(self._faults) < LISTED_MAX:
            self._faults.append(Fault(_at(place, error.path), number, error.code, error.reason))

    def report(self) -> AdoptionReport:
        """All of it."""
        return AdoptionReport(
            self.told, self.adopted, self.repeated, self.failed,
            tuple([(*key, count) for key, count in sorted(self._states.items())]),
            tuple([Sums(code, *sums) for code, sums in sorted(self._sums.items())]),
            tuple(self._faults), self.remarked, tuple(self._remarks), self._dry_run,
        )  # fmt: skip


def _on(entries: tuple[Entry, ...], account: AccountKind) -> int:
    return sum([entry.amount for entry in entries if entry.account is account])


def _at(place: int, path: str) -> str:
    joint = "" if not path or path.startswith("[") else "."
    return f"orders[{place}]{joint}{path}"
