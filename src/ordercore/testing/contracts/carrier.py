"""What a carrier promises."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from ordercore.errors import NotificationRefused, OrdercoreError
from ordercore.fulfillment import (
    TRACKED,
    CarrierCapabilities,
    CarrierNotice,
    CarrierQuote,
    TrackPoint,
    WaybillOutcome,
    WaybillRequest,
    WaybillStatus,
)
from ordercore.party import Address
from ordercore.testing.contracts.asking import Contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ordercore.ports import Answer, Carrier

__all__ = ["CarrierContract"]

_S = WaybillStatus
_FORGED_MAX = 500
"""Most altered bytes of one notification that are tried."""
_ODD = (b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000)
"""Bodies that trip a reader which looks before it verifies."""


class CarrierContract(Contract):
    """What a `Carrier` promises. Each hook is given by the host, or says `None`: what is not given fails.

    - `make_carrier`. It takes parcels to ``address`` by ``service``.
    - `refused`: a parcel that it does not take; `None` where it takes any.
    - `notification`: the genuine notification of something that happened under a booked number; `None` where it
      tells nothing by itself.
    """

    address = Address("A. Customer", ("1 High Street",), "London", "", "N1 9GU", "GB")
    service = ""

    def make_carrier(self) -> Answer[Carrier]:
        """A new carrier; nothing was booked yet."""
        raise NotImplementedError

    def close_carrier(self, carrier: Carrier) -> Answer[None]:
        """Let go of what the carrier holds open."""

    def refused(self, carrier: Carrier) -> Answer[WaybillRequest | None]:
        """A `request` that the carrier refuses; `None` where it refuses none."""
        raise NotImplementedError("give `refused`: a request, or None")

    def notification(
        self, carrier: Carrier, request: WaybillRequest, number: str
    ) -> Answer[tuple[Mapping[str, str], bytes] | None]:
        """Headers and body by which the carrier tells that a booked parcel is on its way; `None` if it tells nothing."""
        raise NotImplementedError("give `notification`: headers and body, or None")

    carrier: Carrier
    _count: int

    @pytest.fixture(autouse=True)
    def _one_carrier_a_test(self, _one_loop_a_test: None) -> Iterator[None]:
        self.carrier = self.ask(self.make_carrier())
        self._count = 0
        yield
        self.ask(self.close_carrier(self.carrier))

    def request(self, key: str = "", number: str = "") -> WaybillRequest:
        """A parcel of 1,500 g; without a key, under one never used."""
        self._count += 1
        key = key or f"o-1/p-{self._count}.1/w1"
        return WaybillRequest(
            key, "o-1", f"o-1/p-{self._count}.1", self.service, "w-1", self.address, "GBP",
            (("SKU-1", 2),), 1_500, 0, number,
        )  # fmt: skip

    def told_well(self, outcome: WaybillOutcome) -> WaybillOutcome:
        """The outcome, if the engine could keep it."""
        assert isinstance(outcome, WaybillOutcome)
        assert isinstance(outcome.status, WaybillStatus)
        assert outcome.cost is None or (type(outcome.cost) is int and outcome.cost >= 0)
        if outcome.status is _S.BOOKED:
            assert outcome.number
        return outcome

    def book(self, request: WaybillRequest) -> WaybillOutcome:
        """Book, and look at the answer."""
        return self.told_well(self.ask(self.carrier.book(request)))

    def test_it_says_what_it_can(self) -> None:
        """A carrier declares its capabilities."""
        assert isinstance(self.carrier.capabilities, CarrierCapabilities)

    def test_a_quote_books_nothing(self) -> None:
        """A quote is whole minor units or nothing, and the key stays unknown."""
        request = self.request()
        if self.carrier.capabilities.quotes:
            quote = self.ask(self.carrier.quote(request))
            assert isinstance(quote, CarrierQuote)
            assert quote.amount is None or (type(quote.amount) is int and quote.amount >= 0)
            assert quote.days is None or type(quote.days) is int
        assert self.ask(self.carrier.lookup(request)).status is _S.UNKNOWN

    def test_the_same_key_is_the_same_waybill(self) -> None:
        """Booked twice under one key there is one waybill, and both answers name it."""
        request = self.request()
        first, again = self.book(request), self.book(request)
        assert first.status is _S.BOOKED
        assert (again.status, again.number) == (first.status, first.number)

    def test_another_key_is_another_waybill(self) -> None:
        """Two parcels never share a number."""
        numbers = {self.book(self.request()).number for _ in range(3)}
        assert len(numbers) == 3

    def test_a_key_can_be_looked_up(self) -> None:
        """What became of a key is known afterwards; one never seen is unknown."""
        request = self.request()
        booked = self.book(request)
        found = self.told_well(self.ask(self.carrier.lookup(request)))
        assert (found.status, found.number) == (_S.BOOKED, booked.number)
        assert self.ask(self.carrier.lookup(self.request())).status is _S.UNKNOWN

    def test_a_refusal_stays_a_refusal(self) -> None:
        """A parcel that it does not take is refused under its key for good, and has no number."""
        request = self.ask(self.refused(self.carrier))
        if request is None:
            return
        said = [self.book(request), self.book(request)]
        said.append(self.told_well(self.ask(self.carrier.lookup(request))))
        assert {s.status for s in said} == {_S.REFUSED}

    def test_a_waybill_is_canceled_once(self) -> None:
        """Canceled before the parcel is handed over it is gone, twice is once, and booking does not bring it back."""
        if not self.carrier.capabilities.cancels:
            return
        request = self.request()
        number = self.book(request).number
        asked = self.request(request.key, number)
        for _ in range(2):
            assert self.ask(self.carrier.cancel(asked)).status is _S.CANCELED
        assert self.ask(self.carrier.lookup(asked)).status is _S.CANCELED
        assert self.book(request).status is not _S.BOOKED

    def test_a_cancellation_of_an_unseen_key_kills_it(self) -> None:
        """Canceled before it is booked, it is unknown or dead; when dead, it is never booked."""
        if not self.carrier.capabilities.cancels:
            return
        request = self.request()
        said = self.ask(self.carrier.cancel(request)).status
        assert said in {_S.CANCELED, _S.UNKNOWN}
        if said is _S.CANCELED:
            assert self.book(request).status is not _S.BOOKED

    def assert_points(self, points: Sequence[TrackPoint]) -> None:
        """The engine could keep them."""
        for point in points:
            assert isinstance(point, TrackPoint)
            assert point.state in TRACKED
            assert point.at.utcoffset() is not None

    def test_it_tracks_its_own_numbers(self) -> None:
        """The way of a booked number can be asked for; one never seen has none."""
        if not self.carrier.capabilities.tracks:
            return
        self.assert_points(self.ask(self.carrier.track(self.book(self.request()).number)))
        assert not self.ask(self.carrier.track("no such number"))

    def test_a_notification_is_read(self) -> None:
        """A genuine notification names the number, or the key, and what happened; read twice it says the same."""
        told = self._told()
        if told is None:
            return
        request, number, headers, body = told
        notice = self.carrier.parse(headers, body)
        assert isinstance(notice, CarrierNotice)
        assert number == notice.number or request.key == notice.key
        assert notice.points
        self.assert_points(notice.points)
        assert self.carrier.parse(headers, body) == notice

    def test_a_forged_notification_is_refused(self) -> None:
        """A body that was altered, another one, or no signature is refused, whatever it looks like."""
        told = self._told()
        if told is None:
            for body in _ODD:
                with suppress(NotificationRefused):
                    assert self.carrier.parse({}, body).irrelevant
            return
        _, _, headers, body = told
        for other in _ODD:
            with pytest.raises(NotificationRefused):
                self.carrier.parse(headers, other)
        with pytest.raises(NotificationRefused):
            self.carrier.parse({}, body)
        step = max(1, len(body) // _FORGED_MAX)
        for place in range(0, len(body), step):
            altered = bytes([*body[:place], body[place] ^ 1, *body[place + 1 :]])
            with pytest.raises(OrdercoreError):
                self.carrier.parse(headers, altered)

    def _told(self) -> tuple[WaybillRequest, str, Mapping[str, str], bytes] | None:
        request = self.request()
        number = self.book(request).number
        told = self.ask(self.notification(self.carrier, request, number))
        return None if told is None else (request, number, *told)
