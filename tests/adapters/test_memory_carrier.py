"""The carrier in memory keeps the contract, and goes wrong where it is told to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ordercore.adapters.memory import CarrierFault, MemoryCarrier
from ordercore.errors import NotificationRefused, OtherSideFailed
from ordercore.fulfillment import ParcelState, WaybillRequest, WaybillStatus
from ordercore.party import Address
from ordercore.testing import START
from ordercore.testing.contracts import CarrierContract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.ports import Answer, Carrier

FRANCE = Address(country="FR")


class TestMemoryCarrier(CarrierContract):
    """The plain one."""

    recalls = False

    def make_carrier(self) -> MemoryCarrier:
        """A carrier that takes nothing to France."""
        carrier = MemoryCarrier("post", recalls=self.recalls)
        carrier.refuse("FR")
        return carrier

    def refused(self, carrier: Carrier) -> WaybillRequest:
        """A parcel to France."""
        return WaybillRequest("o-1/p.9/w1", "o-1", "o-1/p.9", "", "", FRANCE, "GBP")

    def notification(
        self,
        carrier: Carrier,
        request: WaybillRequest,
        number: str,
    ) -> Answer[tuple[Mapping[str, str], bytes] | None]:
        """It was scanned on its way."""
        assert isinstance(carrier, MemoryCarrier)
        return carrier.happens(number, START, ParcelState.IN_TRANSIT, "London", "sorted")


class TestRecallingCarrier(TestMemoryCarrier):
    """The one that calls parcels back."""

    recalls = True


def request() -> WaybillRequest:
    """A parcel of 1,500 g."""
    return WaybillRequest(
        "o/p.1/w1", "o", "o/p.1", "", "", Address(country="GB"), "GBP", grams=1_500
    )


def test_a_carrier_charges_by_the_kilogram_begun() -> None:
    """1,500 g are two kilograms: 10.00 and twice 2.00."""
    assert MemoryCarrier("post").book(request()).cost == 1_400


def test_a_call_fails_before_or_after_it_did_its_work() -> None:
    """Before, there is no waybill; after, there is one, and only the answer is lost."""
    for after, status in ((False, WaybillStatus.UNKNOWN), (True, WaybillStatus.BOOKED)):
        carrier = MemoryCarrier("post")
        carrier.faults.append(CarrierFault("book", after=after))
        with pytest.raises(OtherSideFailed):
            carrier.book(request())
        assert carrier.lookup(request()).status is status


def test_a_parcel_on_its_way_is_called_back_only_by_a_carrier_that_does_so() -> None:
    """Once it was scanned, one carrier refuses to cancel and the other cancels; a delivered one nobody cancels."""
    for recalls, status in ((False, WaybillStatus.REFUSED), (True, WaybillStatus.CANCELED)):
        carrier = MemoryCarrier("post", recalls=recalls)
        number = carrier.book(request()).number
        carrier.happens(number, START, ParcelState.IN_TRANSIT)
        assert carrier.cancel(request()).status is status
    carrier = MemoryCarrier("post", recalls=True)
    number = carrier.book(request()).number
    carrier.happens(number, START + timedelta(hours=1), ParcelState.DELIVERED)
    assert carrier.cancel(request()).status is WaybillStatus.REFUSED


def test_a_notification_of_another_carrier_is_refused() -> None:
    """Each signs with a secret of its own."""
    carrier, other = MemoryCarrier("post"), MemoryCarrier("dhl", secret=b"another")
    number = carrier.book(request()).number
    headers, body = carrier.happens(number, START, ParcelState.LOST)
    with pytest.raises(NotificationRefused):
        other.parse(headers, body)
