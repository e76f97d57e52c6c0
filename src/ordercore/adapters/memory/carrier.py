"""A carrier in memory: waybills, the way of a parcel, notifications, and faults by script."""

from __future__ import annotations

import hmac
import json
import threading
from collections import deque
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from ordercore.errors import NotificationRefused, OtherSideFailed
from ordercore.fulfillment import (
    TRACKED,
    CarrierCapabilities,
    CarrierNotice,
    CarrierQuote,
    ParcelState,
    TrackPoint,
    WaybillOutcome,
    WaybillStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.fulfillment import WaybillRequest

__all__ = ["CarrierFault", "MemoryCarrier"]

_TRACKED = {state.value: state for state in TRACKED}
_S = WaybillStatus
SIGNATURE = "carrier-signature"
"""The header of a notification's signature."""


class CarrierFault:
    """What goes wrong at a call: before it did anything, or ``after``, so that only the answer is lost."""

    __slots__ = ("after", "call")

    def __init__(self, call: str, *, after: bool = False) -> None:
        self.call = call
        self.after = after


class MemoryCarrier:
    """A carrier in memory. A waybill costs ``base`` minor units and ``per_kg`` for each kilogram begun.

    ``recalls``: it cancels a waybill also when it has the parcel. ``faults`` come in their order: each call of the
    name of the first takes it. `refuse` makes it refuse an address's country; `happens` lets something happen to
    a parcel, and gives the notification that tells of it.
    """

    def __init__(
        self,
        name: str,
        *,
        base: int = 1_000,
        per_kg: int = 200,
        recalls: bool = False,
        collects: bool = True,
        services: tuple[str, ...] = (),
        secret: bytes = b"a carrier's secret",
    ) -> None:
        self.name = name
        self._base = base
        self._per_kg = per_kg
        self._secret = secret
        self.capabilities = CarrierCapabilities(
            recalls=recalls, collects=collects, services=services
        )
        self.faults: deque[CarrierFault] = deque()
        self.calls: list[tuple[str, str]] = []
        self._waybills: dict[str, WaybillOutcome] = {}
        self._keys: dict[str, str] = {}
        self._ways: dict[str, list[TrackPoint]] = {}
        self._refused: set[str] = set()
        self._lock = threading.RLock()

    # --- The port -----------------------------------------------------------------------------

    def quote(self, request: WaybillRequest) -> CarrierQuote:
        """What it would cost."""
        with self._lock:
            self._called("quote", request.key)
            return CarrierQuote(self._cost(request), 2)

    def book(self, request: WaybillRequest) -> WaybillOutcome:
        """Give a waybill, the same for the same key."""
        with self._lock:
            self._called("book", request.key)
            known = self._waybills.get(request.key)
            if known is None:
                known = self._waybills[request.key] = self._given(request)
            self._fails_after("book")
            return known

    def lookup(self, request: WaybillRequest) -> WaybillOutcome:
        """What became of the key."""
        with self._lock:
            self._called("lookup", request.key)
            return self._waybills.get(request.key, WaybillOutcome(_S.UNKNOWN))

    def cancel(self, request: WaybillRequest) -> WaybillOutcome:
        """End a waybill, unless the parcel is too far on its way."""
        with self._lock:
            self._called("cancel", request.key)
            known = self._waybills.get(request.key)
            said = WaybillOutcome(_S.CANCELED)
            if known is None:
                self._waybills[request.key] = said
            elif known.status is _S.BOOKED:
                states = {point.state for point in self._ways[known.number]}
                if ParcelState.DELIVERED in states or (states and not self.capabilities.recalls):
                    said = WaybillOutcome(
                        _S.REFUSED, known.number, reason="the parcel is on its way"
                    )
                else:
                    said = WaybillOutcome(_S.CANCELED, known.number)
                    self._waybills[request.key] = said
            self._fails_after("cancel")
            return said

    def track(self, number: str) -> tuple[TrackPoint, ...]:
        """The way of a number."""
        with self._lock:
            self._called("track", number)
            return tuple(self._ways.get(number, ()))

    def parse(self, headers: Mapping[str, str], body: bytes) -> CarrierNotice:
        """Check the signature, then read."""
        signed = {name.lower(): text for name, text in headers.items()}.get(SIGNATURE, "")
        if not hmac.compare_digest(signed.encode(errors="replace"), self._sign(body).encode()):
            raise NotificationRefused("the signature is wrong", path=SIGNATURE)
        said = json.loads(body)
        points = tuple(
            [
                TrackPoint(
                    datetime.fromisoformat(p["at"]), _TRACKED[p["state"]], p["place"], p["note"],
                    p["code"],
                )
                for p in said["points"]
            ]
        )  # fmt: skip
        return CarrierNotice(said["number"], points, said["key"], body=b"ok")

    # --- What a test lets happen --------------------------------------------------------------

    def refuse(self, country: str) -> None:
        """Take no parcels to this country."""
        self._refused.add(country)

    def happens(
        self, number: str, at: datetime, state: ParcelState, place: str = "", note: str = ""
    ) -> tuple[dict[str, str], bytes]:
        """Let something happen to a parcel; the headers and the body of the notification that tells of it."""
        with self._lock:
            way = self._ways.setdefault(number, [])
            point = TrackPoint(at, state, place, note, f"{self.name}-{len(way) + 1}")
            way.append(point)
            return self.tells(number, (point,))

    def tells(self, number: str, points: tuple[TrackPoint, ...]) -> tuple[dict[str, str], bytes]:
        """A notification of these points, signed."""
        plain = [
            {
                "at": p.at.isoformat(),
                "state": p.state.value,
                "place": p.place,
                "note": p.note,
                "code": p.code,
            }
            for p in points
        ]
        body = json.dumps({"number": number, "key": self._keys.get(number, ""), "points": plain})
        return {SIGNATURE: self._sign(body.encode())}, body.encode()

    def waybills(self) -> int:
        """How many waybills it has given out and not canceled."""
        return sum([w.status is _S.BOOKED for w in self._waybills.values()])

    # --- Inside -------------------------------------------------------------------------------

    def _sign(self, body: bytes) -> str:
        return hmac.new(self._secret, body, sha256).hexdigest()

    def _cost(self, request: WaybillRequest) -> int:
        return self._base + self._per_kg * (-(-request.grams // 1_000))

    def _given(self, request: WaybillRequest) -> WaybillOutcome:
        if request.address.country in self._refused:
            reason = f"no service to {request.address.country}"
            return WaybillOutcome(_S.REFUSED, reason=reason)
        if self.capabilities.services and request.service not in self.capabilities.services:
            return WaybillOutcome(_S.REFUSED, reason=f"no service {request.service!r}")
        number = f"{self.name.upper()}{len(self._waybills) + 1:010}"
        self._keys[number] = request.key
        self._ways[number] = []
        return WaybillOutcome(_S.BOOKED, number, self._cost(request), f"label/{number}")

    def _called(self, call: str, subject: str) -> None:
        """Remember a call; one that is to fail before it does anything fails here."""
        self.calls.append((call, subject))
        if self.faults and self.faults[0].call == call and not self.faults[0].after:
            self.faults.popleft()
            raise OtherSideFailed(f"{self.name} does not answer", path=call)

    def _fails_after(self, call: str) -> None:
        if self.faults and self.faults[0].call == call and self.faults[0].after:
            self.faults.popleft()
            raise OtherSideFailed(f"{self.name}: the answer was lost", path=call)
