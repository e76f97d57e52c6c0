"""Payment gateways in memory: a channel, and accounts."""

from __future__ import annotations

import enum
import threading
from typing import TYPE_CHECKING

from ordercore.errors import GatewayError, InvalidInput, NotificationRefused
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
    from datetime import datetime, timedelta

    from ordercore.clock import Clock
    from ordercore.tender import ChargeRequest, CreditRequest, Failure, RefundRequest

__all__ = ["AccountGateway", "Captures", "MemoryGateway"]

# a look-up through an Enum class costs more than the comparison
_AUTHORIZED, _CAPTURED = OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED


class Captures(enum.Enum):
    """How a channel that authorizes first takes what it holds."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    WHOLE = "whole"
    """All of it."""
    ONCE = "once"
    """All or a part, once: the rest is let go."""
    SEVERAL = "several"
    """In several parts, until one is final."""


class _Charge:
    """What a memory gateway knows of one key, in minor units: held >= captured >= refunded (law L8).

    ``open`` says whether what is held and was not taken may still be taken.
    """

    __slots__ = (
        "account", "amount", "arrived", "at", "captured", "expires_at", "held", "open", "outcome",
        "paid", "points", "points_back", "refunded", "refunds", "spaced",
    )  # fmt: skip

    def __init__(self, request: ChargeRequest | None, outcome: Outcome, held: int = 0) -> None:
        if request is None:
            self.account, self.amount, self.points = "", 0, 0
        else:
            self.account, self.amount = request.account, request.amount
            self.points = request.points
        self.outcome = outcome
        self.held = held
        self.open = outcome.status is _AUTHORIZED
        self.captured = 0
        self.refunded = 0
        self.points_back = 0
        self.arrived = 0
        self.refunds = 0
        self.paid = 0
        self.at: datetime | None = None
        self.spaced: datetime | None = None
        self.expires_at = outcome.expires_at

    @property
    def rest(self) -> int:
        """What is held and may still be taken."""
        return self.held - self.captured if self.open else 0

    def take(self, amount: int, now: datetime, *, final: bool) -> None:
        """Take a part of what is held."""
        self.captured += amount
        self.at = self.at or now
        self.open = not final
        said = self.captured if self.captured != self.amount else None
        reference = self.outcome.reference
        self.outcome = Outcome(OutcomeStatus.CAPTURED, reference, now, amount=said)


_DEAD = Outcome(OutcomeStatus.VOIDED)


class MemoryGateway:
    """A payment channel in memory.

    ``authorizes_first``: authorize holds and capture takes, as ``captures`` says; otherwise authorize takes at once.
    ``holds_for`` is how long it holds: then what was not taken is let go.
    ``asks_payer``: authorize answers *waiting* with a QR code, and `pay` plays the payer.
    ``refunds_arrive``: refunds arrive at once; otherwise they are accepted, and `arrive` lets them arrive.
    ``capabilities`` takes the place of those that follow from all this; its refund limits are kept.
    `decline`, `authorize_less` and `fail_refunds` let charges and refunds of an account go wrong.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        authorizes_first: bool = False,
        asks_payer: bool = False,
        refunds_arrive: bool = True,
        captures: Captures = Captures.WHOLE,
        holds_for: timedelta | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.name = name
        several = captures is Captures.SEVERAL
        self.capabilities = capabilities or Capabilities(
            captures_at_once=not authorizes_first,
            partial_capture=several or captures is Captures.ONCE,
            multi_capture=several,
        )
        self._clock = clock
        self._asks_payer = asks_payer
        self._refunds_arrive = refunds_arrive
        self._holds_for = holds_for
        self._lock = threading.RLock()
        self._charges: dict[str, _Charge] = {}
        self._refunds: dict[str, RefundOutcome] = {}
        self._under_way: dict[str, tuple[_Charge, RefundRequest]] = {}
        self._declines: dict[str, Failure | None] = {}
        self._less: dict[str, int] = {}
        self._stuck: dict[str, str] = {}
        self._count = 0

    # --- What goes wrong -----------------------------------------------------------------------

    def decline(self, account: str, failure: Failure | None = None) -> None:
        """Decline all further charges of this account."""
        self._declines[account] = failure

    def authorize_less(self, account: str, most: int) -> None:
        """Hold or take at most so many minor units of each further charge of this account."""
        self._less[account] = most

    def fail_refunds(self, account: str, reason: str = "the card has expired") -> None:
        """Let all further refunds and credits to this account fail for good."""
        self._stuck[account] = reason

    def mend(self, account: str) -> None:
        """Let all be well again with this account."""
        for wrong in (self._declines, self._less, self._stuck):
            wrong.pop(account, None)

    # --- What there is to see ------------------------------------------------------------------

    @property
    def taken(self) -> int:
        """What the channel holds for the shop: captured less refunds that arrived, in minor units."""
        return sum(charge.captured - charge.arrived for charge in self._charges.values())

    @property
    def held(self) -> int:
        """What is authorized and not captured."""
        with self._lock:
            for charge in self._charges.values():
                self._lapse(charge)
            return sum(charge.rest for charge in self._charges.values())

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002
        """A channel does not tell."""
        return None

    # --- Hooks ---------------------------------------------------------------------------------

    def _accepts(self, request: ChargeRequest) -> str:
        """Why a charge is declined; empty for none."""
        return "declined by the issuer" if request.account in self._declines else ""

    def _take(self, request: ChargeRequest) -> None:
        """Hook: the money leaves the payer."""

    def _give(self, request: ChargeRequest | RefundRequest, amount: int, points: int) -> None:
        """Hook: the money comes back to the payer."""

    # --- Charges -------------------------------------------------------------------------------

    def _lapse(self, charge: _Charge) -> None:
        """Let go of what was held too long."""
        ends = charge.expires_at
        if charge.open and ends is not None and self._clock.now() >= ends:
            charge.open = False
            if not charge.captured:
                charge.outcome = Outcome(
                    OutcomeStatus.VOIDED, charge.outcome.reference, reason="it was held too long"
                )

    def _known(self, key: str) -> _Charge | None:
        charge = self._charges.get(key)
        if charge is not None and charge.open:
            self._lapse(charge)
        return charge

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Hold or take, once for a key."""
        with self._lock:
            charge = self._known(request.key)
            if charge is not None:
                return charge.outcome
            why = self._accepts(request)
            self._count += 1
            charge = self._charges[request.key] = self._begun(request, why)
            return charge.outcome

    def _begun(self, request: ChargeRequest, why: str) -> _Charge:
        reference = f"{self.name}-{self._count}"
        if why:
            failure = self._declines.get(request.account)
            said = Outcome(OutcomeStatus.DECLINED, reference, reason=why, failure=failure)
            return _Charge(request, said)
        if self._asks_payer:
            code = f"pay://{self.name}/{request.key}"
            action = PaymentAction(ActionKind.QR_CODE, code, request.expires_at, self.name)
            return _Charge(request, Outcome(OutcomeStatus.WAITING, reference, action=action))
        self._take(request)
        now = self._clock.now()
        held, told = request.amount, None
        if self._less and request.account in self._less:
            held = min(held, self._less[request.account])
            told = held if held != request.amount else None
        if self.capabilities.captures_at_once:
            said = Outcome(_CAPTURED, reference, now, amount=told)
            charge = _Charge(request, said, held)
            charge.captured, charge.at = held, now
            return charge
        ends = None if self._holds_for is None else now + self._holds_for
        return _Charge(
            request,
            Outcome(OutcomeStatus.AUTHORIZED, reference, now, amount=told, expires_at=ends),
            held,
        )

    def pay(self, key: str, at: datetime | None = None, amount: int | None = None) -> bytes:
        """Play the payer of a waiting charge, who may pay another amount than was asked.

        Returns the notification that the channel would send.
        """
        with self._lock:
            charge = self._charges[key]
            if charge.outcome.status is OutcomeStatus.WAITING:
                charge.held = charge.amount if amount is None else amount
                charge.captured = 0
                charge.paid += 1
                charge.take(charge.held, at or self._clock.now(), final=True)
            return self.notification(key)

    def notification(self, key: str) -> bytes:
        """The notification about a key as it now stands."""
        return f"{self.name}:{key}".encode()

    def capture(self, request: ChargeRequest) -> Outcome:
        """Take what was authorized, or a part of it; a final part of nothing lets the rest go.

        Raises `GatewayError` for a part that the channel cannot take, or more than it holds.
        """
        with self._lock:
            charge = self._known(request.key)
            if charge is None:
                return Outcome(OutcomeStatus.UNKNOWN)
            if not charge.open or charge.captured > request.captured:
                return charge.outcome  # it was done before
            if charge.captured < request.captured or not 0 <= request.amount <= charge.rest:
                raise GatewayError("more than is held", path=request.key, held=charge.rest)
            can = self.capabilities
            partly = request.amount < charge.rest
            if partly and not (can.multi_capture or (can.partial_capture and request.final)):
                raise GatewayError("it is taken as a whole", path=request.key, held=charge.rest)
            final = request.final or not partly
            charge.take(request.amount, self._clock.now(), final=final)
            if final and charge.held > charge.captured:
                self._give(request, charge.held - charge.captured, 0)
            return charge.outcome

    def close(self, request: ChargeRequest) -> Outcome:
        """End an unpaid charge; a paid one answers so."""
        with self._lock:
            charge = self._known(request.key)
            if charge is None:
                charge = self._charges[request.key] = _Charge(None, _DEAD)
            elif charge.outcome.status is OutcomeStatus.WAITING:
                charge.outcome = Outcome(OutcomeStatus.VOIDED, charge.outcome.reference)
            return charge.outcome

    def void(self, request: ChargeRequest) -> Outcome:
        """Give back what the key holds, and kill it."""
        with self._lock:
            charge = self._known(request.key)
            if charge is None:
                self._charges[request.key] = _Charge(None, _DEAD)
                return _DEAD
            status = charge.outcome.status
            if status in {OutcomeStatus.AUTHORIZED, OutcomeStatus.CAPTURED}:
                left = charge.captured + charge.rest - charge.refunded
                self._give(request, left, charge.points - charge.points_back)
                charge.captured = charge.refunded
                charge.open = False
            if status is not OutcomeStatus.DECLINED:
                charge.outcome = Outcome(OutcomeStatus.VOIDED, charge.outcome.reference)
            return charge.outcome

    def lookup(self, request: ChargeRequest) -> Outcome:
        """What became of the key."""
        with self._lock:
            charge = self._known(request.key)
            return Outcome(OutcomeStatus.UNKNOWN) if charge is None else charge.outcome

    # --- Refunds -------------------------------------------------------------------------------

    def _hindered(self, charge: _Charge | None, request: RefundRequest) -> str:
        """Why a refund fails for good; empty for none. Raises `GatewayError` for one that comes too soon."""
        if charge is None or charge.captured - charge.refunded < request.amount:
            return "more than was captured"
        if charge.account in self._stuck:
            return self._stuck[charge.account]
        can, now = self.capabilities, self._clock.now()
        if charge.refunds >= can.refunds_max:
            return f"a charge has at most {can.refunds_max} refunds"
        if charge.at is not None and now - charge.at > can.refund_window:
            return "the time for refunds is over"
        if charge.spaced is not None and now - charge.spaced < can.refund_spacing:
            raise GatewayError("refunds of one charge come too fast", path=request.key)
        return ""

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Give back part of a captured charge, once for a key."""
        with self._lock:
            known = self._refunds.get(request.key)
            if known is not None:
                return known
            charge = self._charges.get(request.charge)
            why = self._hindered(charge, request)
            if charge is None or why:
                outcome = RefundOutcome(RefundStatus.FAILED, reason=why)
                self._refunds[request.key] = outcome
                return outcome
            charge.refunded += request.amount
            charge.points_back += request.points
            charge.refunds += 1
            charge.spaced = self._clock.now()
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

    def bounce(self, key: str, reason: str = "the account is closed") -> bytes:
        """Let an accepted refund fail; returns the notification that the channel would send."""
        with self._lock:
            known = self._refunds[key]
            if known.status is RefundStatus.ACCEPTED:
                charge, request = self._under_way.pop(key)
                charge.refunded -= request.amount
                charge.points_back -= request.points
                self._refunds[key] = RefundOutcome(
                    RefundStatus.FAILED, known.reference, reason=reason
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
        charge = self._known(key)
        if charge is None:
            raise NotificationRefused("the notification names no charge", path="body")
        outcome = charge.outcome
        said = outcome.status.value
        if charge.open and charge.captured:
            said = f"{said}-{charge.captured}"
        if charge.paid > 1:  # a payer who pays once more is another event
            said = f"{said}-{charge.paid}"
        amount = outcome.amount or charge.amount or None  # a key that died unseen has none
        return Notification(f"{key}@{said}", key, outcome, amount=amount)


class AccountGateway(MemoryGateway):
    """Accounts in memory: points, balances, gift cards. A charge above what is there is declined.

    It also puts money on accounts (`ordercore.ports.CreditGateway`).
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        accounts: Mapping[str, int] | None = None,
        *,
        points: bool = False,
    ) -> None:
        super().__init__(name, clock, capabilities=Capabilities(credits=True))
        self._points = points
        self._accounts: dict[str, int] = dict(accounts or {})
        self._owners: dict[str, str] = {}
        self._credits: dict[str, tuple[CreditRequest, RefundOutcome]] = {}

    def deposit(self, account: str, units: int) -> None:
        """Put points or minor units on an account, beside any order."""
        with self._lock:
            self._accounts[account] = self._accounts.get(account, 0) + units

    def credit(self, request: CreditRequest) -> RefundOutcome:
        """Put money on an account for an order, once for a key; raises `GatewayError` for another one under it."""
        with self._lock:
            known = self._credits.get(request.key)
            if known is not None:
                if (known[0].account, known[0].amount) != (request.account, request.amount):
                    raise GatewayError("the key stands for another credit", path=request.key)
                return known[1]
            units = self._units(request.amount, request.points)
            if units <= 0:
                raise GatewayError("there is nothing to credit", path="amount")
            stuck = self._stuck.get(request.account) if request.account else "no such account"
            if stuck is not None:
                outcome = RefundOutcome(RefundStatus.FAILED, reason=stuck)
            else:
                self._count += 1
                self.deposit(request.account, units)
                outcome = RefundOutcome(
                    RefundStatus.ARRIVED, f"{self.name}-c{self._count}", self._clock.now()
                )
            self._credits[request.key] = (request, outcome)
            return outcome

    def lookup_refund(self, request: RefundRequest) -> RefundOutcome:
        """What became of a refund, or of a credit, under a key."""
        known = self._credits.get(request.key)
        return super().lookup_refund(request) if known is None else known[1]

    @property
    def credited(self) -> int:
        """What was put on accounts for orders, in minor units."""
        return sum(
            request.amount
            for request, outcome in self._credits.values()
            if outcome.status is RefundStatus.ARRIVED
        )

    @property
    def taken(self) -> int:
        """What was redeemed of the accounts and not given back, less what was credited, in minor units."""
        return super().taken - self.credited

    def balance(self, account: str) -> int:
        """Points or minor units on an account."""
        return self._accounts.get(account, 0)

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002
        """Points or minor units on an account."""
        return self._accounts.get(account, 0)

    def authorize_less(self, account: str, most: int) -> None:
        """Accounts take what was asked or nothing: raises `InvalidInput`."""
        reason = f"an account takes all or nothing: {account!r} does not take {most}"
        raise InvalidInput(reason, path="most")

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
        self.deposit(owner, self._units(amount, points))
