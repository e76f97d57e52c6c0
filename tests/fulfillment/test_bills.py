"""Carrier bills against what carriage should have cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.errors import CurrencyMismatch, InvalidInput
from ordercore.fulfillment import Parcel, ParcelState, Waybill, WaybillState
from ordercore.fulfillment.bills import BillClass, CarrierBill, compare_bills
from ordercore.goods import Manifest

ONE = Manifest.of({"1": 1})


def sent(number: str, estimate: int, *, cost: int | None = None, master: str = "") -> Parcel:
    """A parcel that has left under a number."""
    waybill = Waybill(f"o/{number}/w1", "post", "", WaybillState.BOOKED, number, cost)
    return Parcel(
        f"o/p-{number}", ONE, ParcelState.IN_TRANSIT, number=number, estimate=estimate,
        waybill=waybill, master=master,
    )  # fmt: skip


def classes(bills: list[CarrierBill], parcels: list[Parcel]) -> dict[str, tuple[str, int]]:
    """Class and difference by number."""
    lines = compare_bills(bills, parcels).lines
    return {line.number: (line.kind.value, line.difference) for line in lines}


def test_each_class_is_told_apart() -> None:
    """As expected, more, less, of nobody's parcel, and no bill at all."""
    bills = [
        CarrierBill("A1", 1000),
        CarrierBill("A2", 1350),
        CarrierBill("A3", 900),
        CarrierBill("ZZ", 500),
    ]
    parcels = [sent(f"A{i}", 1000) for i in (1, 2, 3, 4)]
    assert classes(bills, parcels) == {
        "A1": ("matched", 0),
        "A2": ("over", 350),
        "A3": ("under", -100),
        "ZZ": ("unknown_waybill", 500),
        "A4": ("missing_bill", -1000),
    }


def test_the_same_item_twice_is_billed_twice_and_another_item_adds_up() -> None:
    """Freight and a surcharge are one bill of 1,200; freight again is 1,000 too much."""
    bills = [
        CarrierBill("A1", 1000, "freight"),
        CarrierBill("A1", 200, "fuel"),
        CarrierBill("A1", 1000, "freight"),
    ]
    report = compare_bills(bills, [sent("A1", 1200)])
    assert [(line.kind, line.billed) for line in report.lines] == [
        (BillClass.MATCHED, 1200),
        (BillClass.BILLED_TWICE, 1000),
    ]
    assert report.billed == 2200


def test_bills_are_matched_by_number_never_by_amount() -> None:
    """A bill of just the amount of another parcel is still nobody's."""
    report = compare_bills([CarrierBill("B1", 1000)], [sent("A1", 1000)])
    assert [line.kind for line in report.lines] == [
        BillClass.UNKNOWN_WAYBILL,
        BillClass.MISSING_BILL,
    ]


def test_what_the_carrier_said_when_it_was_booked_counts_before_the_estimate() -> None:
    """Booked for 1,150 and estimated at 1,000, a bill of 1,150 matches."""
    report = compare_bills([CarrierBill("a 1", 1150)], [sent("A1", 1000, cost=1150)])
    assert [line.kind for line in report.lines] == [BillClass.MATCHED]


def test_parcels_of_a_consolidation_are_billed_under_its_master() -> None:
    """Two parcels of 600 under one master are one bill of 1,200."""
    parcels = [sent("A1", 600, master="M1"), sent("A2", 600, master="M1")]
    (line,) = compare_bills([CarrierBill("M1", 1200)], parcels).lines
    assert (line.kind, line.parcels) == (BillClass.MATCHED, ("o/p-A1", "o/p-A2"))


def test_the_last_mile_of_a_consolidated_parcel_is_billed_by_its_own_carrier() -> None:
    """Booked for 5.00 at the post and estimated at 9.00 by sea: each carrier is held to its own part."""
    waybill = Waybill("o/p/w1", "post", "", WaybillState.BOOKED, "A1", 500)
    both = Parcel(
        "o/p", ONE, ParcelState.IN_TRANSIT, carrier="sea", number="A1", estimate=900,
        waybill=waybill, master="M1",
    )  # fmt: skip
    bills = [CarrierBill("A1", 500)]
    (own,) = compare_bills(bills, [both], carrier="post").lines
    assert (own.number, own.kind) == ("A1", BillClass.MATCHED)
    (sea,) = compare_bills([CarrierBill("M1", 900)], [both], carrier="sea").lines
    assert (sea.number, sea.kind) == ("M1", BillClass.MATCHED)


def test_a_parcel_that_never_left_is_not_expected_on_a_bill() -> None:
    """A canceled parcel with a number is no missing bill; a bill for it is nobody's."""
    canceled = Parcel("o/p-1", Manifest(), ParcelState.CANCELED, number="A1", estimate=1000)
    assert compare_bills([], [canceled]).lines == ()
    (line,) = compare_bills([CarrierBill("A1", 1000)], [canceled]).lines
    assert line.kind is BillClass.UNKNOWN_WAYBILL


@given(
    st.lists(st.tuples(st.sampled_from("ABCDE"), st.integers(-500, 5_000), st.sampled_from("xy"))),
    st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 5_000)),
)
def test_l1_the_lines_add_up_to_the_bills_and_to_what_was_expected(
    rows: list[tuple[str, int, str]], parcels: dict[str, int]
) -> None:
    """No cent of a bill and none of an estimate is lost or counted twice."""
    bills = [CarrierBill(number, amount, item) for number, amount, item in rows]
    report = compare_bills(bills, [sent(n, cost) for n, cost in parcels.items()])
    assert report.billed == sum(amount for _, amount, _ in rows)
    assert report.expected == sum(parcels.values())


@pytest.mark.parametrize(
    ("row", "path"),
    [
        (CarrierBill("", 1), "bills[0].number"),
        (CarrierBill("A1", 1.5), "bills[0].amount"),  # type: ignore[arg-type]
        (("A1", 1), "bills[0]"),
    ],
)
def test_l24_a_row_that_cannot_be_is_named(row: Any, path: str) -> None:
    """A bill without a number, with a float, or of another type says where it stands."""
    with pytest.raises(InvalidInput) as caught:
        compare_bills([row], [])
    assert caught.value.path == path


def test_l24_bills_are_rows() -> None:
    """What is no list of bills is named."""
    with pytest.raises(InvalidInput) as caught:
        compare_bills(None, [])  # type: ignore[arg-type]
    assert caught.value.path == "bills"


def test_another_currency_is_not_compared() -> None:
    """Bills in USD are not held against estimates in CNY."""
    with pytest.raises(CurrencyMismatch):
        compare_bills([], [], billed_in="USD", expected_in="CNY")
