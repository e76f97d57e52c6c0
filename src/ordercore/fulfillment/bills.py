"""Carrier bills against what carriage should have cost.

Bills are matched by the number of the waybill, never by amount: two parcels may well cost the same. Figures are exact,
in minor units of one currency.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ordercore.errors import CurrencyMismatch, InvalidInput
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.fulfillment.parcel import Parcel

__all__ = ["BILLS_MAX", "BillClass", "BillLine", "BillReport", "CarrierBill", "compare_bills"]

BILLS_MAX = 1_000_000
"""Most rows of one comparison."""


class BillClass(enum.Enum):
    """What the comparison says of a waybill."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    MATCHED = "matched"
    OVER = "over"
    """The carrier bills more than was expected."""
    UNDER = "under"
    UNKNOWN_WAYBILL = "unknown_waybill"
    """Nobody here sent a parcel under this number."""
    BILLED_TWICE = "billed_twice"
    """The same item of the same waybill once more: nothing of it was expected."""
    MISSING_BILL = "missing_bill"
    """A parcel left, and the carrier has not billed it."""


@value
class CarrierBill:
    """One row of a carrier's bill. ``item`` is what it is for: rows of different items of one waybill add up."""

    number: str
    amount: int
    item: str = ""
    reference: str = ""


@value
class BillLine:
    """What was billed and expected under one number, in minor units; ``parcels`` went under it."""

    number: str
    kind: BillClass
    billed: int
    expected: int
    parcels: tuple[str, ...] = ()

    @property
    def difference(self) -> int:
        """What is billed above what was expected; negative for less."""
        return self.billed - self.expected


@value
class BillReport:
    """All lines, in the order of the bills, then what is missing. The sums of the lines are the sums of what came in."""

    lines: tuple[BillLine, ...]

    @property
    def billed(self) -> int:
        """All that the carrier bills."""
        return sum([line.billed for line in self.lines])

    @property
    def expected(self) -> int:
        """All that carriage should have cost."""
        return sum([line.expected for line in self.lines])

    def of(self, kind: BillClass) -> tuple[BillLine, ...]:
        """The lines of one class."""
        return tuple([line for line in self.lines if line.kind is kind])


def _plain(number: str) -> str:
    """A number as it is compared: people and printers put spaces in."""
    return "".join(number.split()).upper()


def _checked(bills: Iterable[CarrierBill]) -> list[CarrierBill]:
    found: list[CarrierBill] = []
    if not isinstance(bills, Iterable):
        raise InvalidInput(f"bills are a list, not a {type(bills).__name__}", path="bills")
    for place, bill in enumerate(bills):
        where = f"bills[{place}]"
        if len(found) >= BILLS_MAX:
            raise InvalidInput(f"at most {BILLS_MAX} rows of bills are compared", path="bills")
        if not isinstance(bill, CarrierBill):
            raise InvalidInput(f"a row is a CarrierBill, not a {type(bill).__name__}", path=where)
        if not isinstance(bill.number, str) or not _plain(bill.number):
            raise InvalidInput("a row names its waybill", path=f"{where}.number")
        if type(bill.amount) is not int:
            reason = f"an amount is whole minor units, not a {type(bill.amount).__name__}"
            raise InvalidInput(reason, path=f"{where}.amount")
        found.append(bill)
    return found


def _owed(parcel: Parcel) -> tuple[tuple[str, str, int], ...]:
    """What carriers will bill for a parcel that has left: (carrier, number, minor units). One that went on under a
    number of its own is billed for that as it was booked, and as it was estimated for the way that it went with
    others."""
    waybill = parcel.waybill
    own = parcel.carrier if waybill is None else waybill.carrier
    if not parcel.master:
        return ((own, parcel.number, parcel.expected),)
    if waybill is None or waybill.cost is None or not parcel.number:
        return ((parcel.carrier, parcel.master, parcel.expected),)
    there = (parcel.carrier, parcel.master, parcel.estimate)
    return ((own, parcel.number, waybill.cost), there)


def _billable(parcel: Parcel) -> tuple[tuple[str, str, int], ...]:
    """What carriers may bill beside that: waybills that were canceled, for nothing, and those that stand though the
    parcel did not leave with them, as they were booked."""
    found = []
    for waybill in parcel.asked:
        stands = waybill.live
        cost = parcel.estimate if waybill.cost is None else waybill.cost
        found.append((waybill.carrier, waybill.number, cost if stands else 0))
    return tuple(found)


def compare_bills(
    bills: Iterable[CarrierBill],
    parcels: Iterable[Parcel],
    *,
    carrier: str = "",
    billed_in: str = "",
    expected_in: str = "",
) -> BillReport:
    """Hold a carrier's bills against the parcels that it carried.

    A parcel counts once it has left, under the master's number where it went with a consolidation; with ``carrier``
    only what went with that one. A waybill that no parcel left with is known too, though no bill of it is missing:
    nothing is expected of one that was canceled, and of one that stands what its carrier said. What its carriage should cost is what the carrier said when the waybill was booked,
    else the estimate (`Parcel.expected`).
    Bills add up by waybill and item; the same item twice is told apart as *billed twice*.
    Raises `CurrencyMismatch` where the two currencies are named and differ: convert the bills first.
    """
    if billed_in != expected_in:
        reason = f"bills in {billed_in!r} are not compared with parcels in {expected_in!r}"
        raise CurrencyMismatch(reason, path="billed_in")
    expected: dict[str, int] = {}
    names: dict[str, list[str]] = {}
    sent = list(parcels)
    for parcel in sent:
        for who, called, amount in _owed(parcel) if parcel.gone else ():
            number = _plain(called)
            if number and carrier in {"", who}:
                expected[number] = expected.get(number, 0) + amount
                names.setdefault(number, []).append(parcel.id)
    missing = dict(expected)
    for parcel in sent:
        for who, called, amount in _billable(parcel):
            number = _plain(called)
            if number and number not in expected and carrier in {"", who}:
                expected[number] = amount
                names[number] = [parcel.id]
    billed: dict[str, int] = {}
    shown: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    again: dict[str, int] = {}
    for bill in _checked(bills):
        number = _plain(bill.number)
        shown.setdefault(number, bill.number)
        item = (number, bill.item)
        sums = again if item in seen else billed
        sums[number] = sums.get(number, 0) + bill.amount
        seen.add(item)
    lines: list[BillLine] = []
    for number, amount in billed.items():
        due, known = expected.get(number, 0), tuple(names.get(number, ()))
        kind = BillClass.UNKNOWN_WAYBILL if not known else _kind(amount, due)
        lines.append(BillLine(shown[number], kind, amount, due, known))
        if number in again:
            twice = BillClass.BILLED_TWICE
            lines.append(BillLine(shown[number], twice, again[number], 0, known))
    lines += [
        BillLine(number, BillClass.MISSING_BILL, 0, due, tuple(names[number]))
        for number, due in missing.items()
        if number not in billed
    ]
    return BillReport(tuple(lines))


def _kind(billed: int, expected: int) -> BillClass:
    if billed == expected:
        return BillClass.MATCHED
    return BillClass.OVER if billed > expected else BillClass.UNDER
