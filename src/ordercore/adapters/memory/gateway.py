"""Payment gateways in memory: a channel, and accounts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ordercore.errors import NotificationRefused
from ordercore.tender import (
    ActionKind,
    Capabilities,
    Notification,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ordercore.clock import Clock
    from ordercore.tender import ChargeRequest, RefundRequest

__all__ = ["AccountGateway", "MemoryGateway"]


class _Charge:
    """What a memory gateway knows of one key."""

    __slots__ = ("amount", "arrived", "captured", "outcome", "points", "points_back", "refunded")

    def __init__(self, request: ChargeRequest | None, outcome: Outcome) -> None:
        self.amount = 0 if request is None else request.amount
        self.points = 0 if request is None else request.points
        self.outcome = outcome
        self.captured = 0
        self.refunded = 0
        self.points_back = 0
        self.arrived = 0


_DEAD = Outcome(OutcomeStatus.VOIDED)


class MemoryGateway:
    """A payment channel in memory.

    ``authorizes_first``: authorize holds and capture takes; otherwise authorize takes at once.
    ``asks_payer``: authorize answers *waiting* with a QR code, and `pay` plays the payer.
    ``refunds_arrive``: refunds arrive at once; otherwise they are accepted, and `arrive` lets them arrive.
    `decline` lets charges of an account fail.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        authorizes_first: bool = False,
        asks_payer: bool = False,
        refunds_arrive: bool = True,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(captures_at_once=not authorizes_first)
        self._clock = clock
        self._asks_payer = asks_payer
        self._refunds_arrive = refunds_arrive
        self._lock = threading.RLock()
        self._charges: dict[str, _Charge] = {}
        self._refunds: dict[str, RefundOutcome] = {}
        self._under_way: dict[str, tuple[_Charge, RefundRequest]] = {}
        self._declines: set[str] = set()
        self._count = 0

    def decline(self, account: str) -> None:
        """Decline all further charges of this account."""
        self._declines.add(account)

    @property
    def taken(self) -> int:
        """What the channel holds for the shop: captured less refunds that arrived, in minor units."""
        return sum(charge.captured - charge.arrived for charge in self._charges.values())

    @property
    def held(self) -> int:
        """What is authorized and not captured."""
        return sum(
            charge.amount
            for charge in self._charges.values()
            if charge.outcome.status is OutcomeStatus.AUTHORIZED
        )

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002
        """A channel does not tell."""
        return None

    def _accepts(self, request: ChargeRequest) -> str:
        """Why a charge is declined; empty for none."""
        return "declined by the issuer" if request.account in self._declines else ""

    def _take(self, request: ChargeRequest) -> None:
        """Hook: the money leaves the payer."""

    def _give(self, request: ChargeRequest | RefundRequest, amount: int, points: int) -> None:
        """Hook: the money comes back to the payer."""

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Hold or take, once for a key."""
        with self._lock:
            charge = self._charges.get(request.key)
            if charge is not None:
                return charge.outcome
            why = self._accepts(request)
            self._count += 1
            reference = f"{self.name}-{self._count}"
            if why:
                outcome = Outcome(OutcomeStatus.DECLINED, reference, reason=why)
            elif self._asks_payer:
                code = f"pay://{self.name}/{request.key}"
                action = PaymentAction(ActionKind.QR_CODE, code, request.expires_at, self.name)
                outcome = Outcome(OutcomeStatus.WAITING, reference, action=action)
            else:
                self._take(request)
                held = self.capabilities.captures_at_once
                status = OutcomeStatus.CAPTURED if held else OutcomeStatus.AUTHORIZED
                outcome = Outcome(status, reference, self._clock.now())
            charge = _Charge(request, outcome)
            if outcome.status is OutcomeStatus.CAPTURED:
                charge.captured = request.amount
            self._charges[request.key] = charge
            return outcome

    def pay(self, key: str, at: datetime | None = None) -> bytes:
        """Play the payer of a waiting charge; returns the notification that the channel would send."""
        with self._lock:
            charge = self._charges[key]
            if charge.outcome.status is OutcomeStatus.WAITING:
                moment = at or self._clock.now()
                charge.outcome = Outcome(OutcomeStatus.CAPTURED, charge.outcome.reference, moment)
                charge.captured = charge.amount
            return self.notification(key)

    def notification(self, key: str) -> bytes:
        """The notification about a key as it now stands."""
        return f"{self.name}:{key}".encode()

    def capture(self, request: ChargeRequest) -> Outcome:
        """Take what was authorized."""
        with self._lock:
            charge = self._charges.get(request.key)
            if charge is None:
                return Outcome(OutcomeStatus.UNKNOWN)
            if charge.outcome.status is OutcomeStatus.AUTHORIZED:
                charge.outcome = Outcome(
                    OutcomeStatus.CAPTURED, charge.outcome.reference, self._clock.now()
                )
                charge.captured = charge.amount
            return charge.outcome

    def close(self, request: ChargeRequest) -> Outcome:
        """End an unpaid charge; a paid one answers so."""
        with self._lock:
            charge = self._charges.get(request.key)
            if charge is None:
                charge = self._charges[request.key] = _Charge(None, _DEAD)
            elif charge.outcome.status is OutcomeStatus.WAITING:
                charge.outcome = Outcome(OutcomeStatus.VOIDED, charge.outcome.reference)
            return charge.outcome

    def void(self, request: ChargeRequest) -> Outcome:
        """Give back what the key holds, and kill it."""
        with self._lock:
            charge = self._charges.get(request.key)
            if charge is None:
                self._charges[request.key] = _Charge(None, _DEAD)
                return _DEAD
            status = charge.outcome.status
            if status in {OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED}:
                left = charge.amount - charge.refunded
                self._give(request, left, charge.points - charge.points_back)
                charge.captured = charge.refunded
            if status is not OutcomeStatus.DECLINED:
                charge.outcome = Outcome(OutcomeStatus.VOIDED, charge.outcome.reference)
            return charge.outcome

    def lookup(self, request: ChargeRequest) -> Outcome:
        """What became of the key."""
        charge = self._charges.get(request.key)
        return Outcome(OutcomeStatus.UNKNOWN) if charge is None else charge.outcome

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give back part of a captured charge, once for a key."""
        with self._lock:
            known = self._refunds.get(request.key)
            if known is not None:
                return known
            charge = self._charges.get(request.charge)
            if charge is None or charge.captured - charge.refunded < request.amount:
                outcome = RefundOutcome(RefundStatus.FAILED, reason="more than was captured")
                self._refunds[request.key] = outcome
                return outcome
            charge.refunded += request.amount
            charge.points_back += request.points
            self._count += 1
            reference = f"{self.name}-r{self._count}"
            if self._refunds_arrive:
                charge.arrived += request.amount
                self._give(request, request.amount, request.points)
                outcome = RefundOutcome(RefundStatus.ARRIVED, reference, self._clock.now())
            else:
                self._under_way[request.key] = (charge, request)
                outcome = RefundOutcome(RefundStatus.ACCEPTED, reference)
            self._refunds[request.key] = outcome
            return outcome

    def arrive(self, key: str) -> bytes:
        """Let an accepted refund arrive; returns the notification that the channel would send."""
        with self._lock:
            known = self._refunds[key]
            if known.status is RefundStatus.ACCEPTED:
                charge, request = self._under_way.pop(key)
                charge.arrived += request.amount
                self._give(request, request.amount, request.points)
                self._refunds[key] = RefundOutcome(
                    RefundStatus.ARRIVED, known.reference, self._clock.now()
                )
            return f"{self.name}:{key}".encode()

    def lookup_refund(self, request: RefundRequest) -> RefundOutcome:
        """What became of a refund."""
        return self._refunds.get(request.key, RefundOutcome(RefundStatus.UNKNOWN))

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:  # noqa: ARG002
        """Read a notification: the channel's name and the key, about whatever stands there now."""
        name, _, key = body.decode("utf-8", "replace").partition(":")
        if name != self.name or not key:
            raise NotificationRefused("the notification is not of this channel", path="body")
        refund = self._refunds.get(key)
        if refund is not None:
            return Notification(f"{key}@{refund.status.value}", key, refund)
        charge = self._charges.get(key)
        if charge is None:
            raise NotificationRefused("the notification names no charge", path="body")
        outcome = charge.outcome
        amount = charge.amount or None  # a key that died unseen has none
        return Notification(f"{key}@{outcome.status.value}", key, outcome, amount=amount)


class AccountGateway(MemoryGateway):
    """Accounts in memory: points, balances, gift cards. A charge above what is there is declined."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        accounts: Mapping[str, int] | None = None,
        *,
        points: bool = False,
    ) -> None:
        super().__init__(name, clock)
        self._points = points
        self._accounts: dict[str, int] = dict(accounts or {})
        self._owners: dict[str, str] = {}

    def credit(self, account: str, units: int) -> None:
        """Put points or minor units on an account."""
        with self._lock:
            self._accounts[account] = self._accounts.get(account, 0) + units

    def balance(self, account: str) -> int:
        """Points or minor units on an account."""
        return self._accounts.get(account, 0)

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002
        """Points or minor units on an account."""
        return self._accounts.get(account, 0)

    def _units(self, amount: int, points: int) -> int:
        return points if self._points else amount

    def _accepts(self, request: ChargeRequest) -> str:
        why = super()._accepts(request)
        asked = request.points if self._points else request.amount
        if not why and self._accounts.get(request.account, 0) < asked:
            why = "not enough on the account"
        return why

    def _take(self, request: ChargeRequest) -> None:
        self._owners[request.key] = request.account
        self._accounts[request.account] -= self._units(request.amount, request.points)

    def _give(self, request: ChargeRequest | RefundRequest, amount: int, points: int) -> None:
        owner = self._owners[getattr(request, "charge", request.key)]
        self.credit(owner, self._units(amount, points))
