"""Doubles that fail on purpose, wrapped around real adapters.

They add faults to whatever they wrap and change nothing else, so a flow under test meets the
host's own adapter with a bad day. Each works around plain and asynchronous adapters alike.
"""

from __future__ import annotations

import enum
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from ordercore.errors import GatewayTimeout, OtherSideFailed, OutOfStock
from ordercore.tender import Outcome, OutcomeStatus, RefundOutcome, RefundStatus
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from ordercore.change import Recorded
    from ordercore.ports import Answer, PaymentGateway, StockKeeper
    from ordercore.tender import Capabilities, ChargeRequest, Notification, RefundRequest

    T = TypeVar("T")

__all__ = ["Call", "CollectingPublisher", "PortFault", "FaultyGateway", "FaultyStock"]


class PortFault(enum.Enum):
    """What goes wrong with one call."""

    NOT_SENT = "not_sent"
    """It times out before the other side has heard of it."""
    LOST_ANSWER = "lost_answer"
    """The other side does it, and the answer is lost: it times out all the same."""
    UNKNOWN = "unknown"
    """The gateway answers that it cannot tell; it has done nothing."""
    DECLINED = "declined"
    """The gateway declines, and stays by it for that key. A stock keeper is out of stock."""
    TOO_EARLY = "too_early"
    """The channel does not close this attempt yet."""


@value
class Call:
    """One call as it was made: the function, and the key or reservation it was about."""

    function: str
    key: str


class _Faults:
    """Faults to come, in turn, by function; ``""`` is any function."""

    def __init__(self) -> None:
        self._coming: list[tuple[str, PortFault]] = []
        self.calls: list[Call] = []

    def plan(self, fault: PortFault, function: str, times: int) -> None:
        self._coming += [(function, fault)] * times

    def met(self, function: str, key: str) -> PortFault | None:
        """Note a call, and take the next fault that is meant for it."""
        self.calls.append(Call(function, key))
        for i, (wanted, fault) in enumerate(self._coming):
            if wanted in {"", function}:
                del self._coming[i]
                return fault
        return None


def _then(answer: Answer[T], act: Callable[[T], T]) -> Answer[T]:
    """Do something with an answer when it is there, now or once it is awaited."""
    if inspect.isawaitable(answer):
        return _later(answer, act)
    return act(answer)


async def _later(answer: Awaitable[T], act: Callable[[T], T]) -> T:
    return act(await answer)


class FaultyGateway:
    """A payment gateway with faults by switch.

    - `fail_next` plans faults for the next calls, of one function or of any.
    - ``declines``: every new charge is declined until it is set to ``False`` again.
    - ``closes_too_early``: every close answers *too early*.
    - ``refunds_wait``: refunds that would arrive are *accepted* instead, until `arrive`.

    ``calls`` lists what was called. A declined key stays declined, as a gateway's would:
    the wrapped one never hears of it, but for a void.
    """

    def __init__(self, gateway: PaymentGateway) -> None:
        self.gateway = gateway
        self.declines = False
        self.closes_too_early = False
        self.refunds_wait = False
        self._faults = _Faults()
        self._declined: dict[str, Outcome] = {}
        self._waiting: dict[str, RefundOutcome] = {}

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call so far, with the key that it was about."""
        return tuple(self._faults.calls)

    @property
    def capabilities(self) -> Capabilities:
        """Those of the wrapped gateway."""
        return self.gateway.capabilities

    def fail_next(self, fault: PortFault, function: str = "", times: int = 1) -> None:
        """Let the next ``times`` calls of ``function`` (any, if not given) meet ``fault``."""
        self._faults.plan(fault, function, times)

    def arrive(self, key: str | None = None) -> None:
        """Let the refunds that wait arrive, or the one under this key."""
        for waiting in [key] if key is not None else list(self._waiting):
            self._waiting.pop(waiting, None)

    def _charge(
        self, name: str, request: ChargeRequest, ask: Callable[[ChargeRequest], Answer[Outcome]]
    ) -> Answer[Outcome]:
        fault = self._faults.met(name, request.key)
        if fault is PortFault.NOT_SENT:
            raise GatewayTimeout(f"{name} was not sent", path=request.key)
        if fault is PortFault.UNKNOWN:
            return Outcome(OutcomeStatus.UNKNOWN)
        if fault is PortFault.TOO_EARLY or (name == "close" and self.closes_too_early):
            return Outcome(OutcomeStatus.TOO_EARLY)
        if name == "authorize" and (fault is PortFault.DECLINED or self.declines):
            said = Outcome(OutcomeStatus.DECLINED, reason="declined by a fault")
            self._declined.setdefault(request.key, said)
        declined = self._declined.get(request.key)
        if declined is not None and name != "void":
            return declined

        def answered(outcome: Outcome) -> Outcome:
            if fault is PortFault.LOST_ANSWER:
                raise GatewayTimeout(f"the answer to {name} was lost", path=request.key)
            return outcome

        return _then(ask(request), answered)

    def _refund(
        self,
        name: str,
        request: RefundRequest,
        ask: Callable[[RefundRequest], Answer[RefundOutcome]],
    ) -> Answer[RefundOutcome]:
        fault = self._faults.met(name, request.key)
        if fault is PortFault.NOT_SENT:
            raise GatewayTimeout(f"{name} was not sent", path=request.key)
        if fault is PortFault.UNKNOWN:
            return RefundOutcome(RefundStatus.UNKNOWN)
        if fault is PortFault.DECLINED:
            return RefundOutcome(RefundStatus.FAILED, reason="declined by a fault")

        def answered(outcome: RefundOutcome) -> RefundOutcome:
            arrived = outcome.status is RefundStatus.ARRIVED
            if arrived and name == "refund" and self.refunds_wait:
                accepted = RefundOutcome(RefundStatus.ACCEPTED, outcome.reference)
                self._waiting.setdefault(request.key, accepted)
            if fault is PortFault.LOST_ANSWER:
                raise GatewayTimeout(f"the answer to {name} was lost", path=request.key)
            return self._waiting.get(request.key, outcome) if arrived else outcome

        return _then(ask(request), answered)

    def available(self, account: str, currency: str) -> Answer[int | None]:
        """What the wrapped gateway says; no fault touches it."""
        return self.gateway.available(account, currency)

    def authorize(self, request: ChargeRequest) -> Answer[Outcome]:
        """Authorize, unless a fault is due."""
        return self._charge("authorize", request, self.gateway.authorize)

    def capture(self, request: ChargeRequest) -> Answer[Outcome]:
        """Capture, unless a fault is due."""
        return self._charge("capture", request, self.gateway.capture)

    def close(self, request: ChargeRequest) -> Answer[Outcome]:
        """Close, unless a fault is due."""
        return self._charge("close", request, self.gateway.close)

    def void(self, request: ChargeRequest) -> Answer[Outcome]:
        """Void, unless a fault is due."""
        return self._charge("void", request, self.gateway.void)

    def lookup(self, request: ChargeRequest) -> Answer[Outcome]:
        """Look a charge up, unless a fault is due."""
        return self._charge("lookup", request, self.gateway.lookup)

    def refund(self, request: RefundRequest) -> Answer[RefundOutcome]:
        """Refund, unless a fault is due."""
        return self._refund("refund", request, self.gateway.refund)

    def lookup_refund(self, request: RefundRequest) -> Answer[RefundOutcome]:
        """Look a refund up, unless a fault is due."""
        return self._refund("lookup_refund", request, self.gateway.lookup_refund)

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Read a notification as the wrapped gateway does."""
        return self.gateway.parse(headers, body)

    def __getattr__(self, name: str) -> Any:
        if name == "gateway":  # not there yet: a copy is being made
            raise AttributeError(name)
        return getattr(self.gateway, name)


class FaultyStock:
    """A stock keeper with faults by switch: `fail_next` with any `PortFault`; ``calls`` lists what was called.

    ``DECLINED`` and ``UNKNOWN`` answer as out of stock, the time-outs as `OtherSideFailed`.
    """

    def __init__(self, keeper: StockKeeper) -> None:
        self.keeper = keeper
        self._faults = _Faults()

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call so far, with the reservation that it was about."""
        return tuple(self._faults.calls)

    @property
    def joins(self) -> bool:
        """As the wrapped keeper."""
        return self.keeper.joins

    def fail_next(self, fault: PortFault, function: str = "", times: int = 1) -> None:
        """Let the next ``times`` calls of ``function`` (any, if not given) meet ``fault``."""
        self._faults.plan(fault, function, times)

    def _ask(self, name: str, reservation: str, ask: Callable[[], Answer[None]]) -> Answer[None]:
        fault = self._faults.met(name, reservation)
        if fault is PortFault.NOT_SENT:
            raise OtherSideFailed(f"{name} was not sent", path=reservation)
        if fault in {PortFault.DECLINED, PortFault.UNKNOWN}:
            raise OutOfStock("out of stock by a fault", path=reservation, sku="")

        def answered(nothing: None) -> None:
            if fault is PortFault.LOST_ANSWER:
                raise OtherSideFailed(f"the answer to {name} was lost", path=reservation)
            return nothing

        return _then(ask(), answered)

    def reserve(
        self, reservation: str, goods: Sequence[tuple[str, int]], until: datetime
    ) -> Answer[None]:
        """Reserve, unless a fault is due."""
        return self._ask(
            "reserve", reservation, lambda: self.keeper.reserve(reservation, goods, until)
        )

    def deduct(self, reservation: str) -> Answer[None]:
        """Deduct, unless a fault is due."""
        return self._ask("deduct", reservation, lambda: self.keeper.deduct(reservation))

    def release(self, reservation: str, keep: Sequence[tuple[str, int]] = ()) -> Answer[None]:
        """Release, unless a fault is due."""
        return self._ask("release", reservation, lambda: self.keeper.release(reservation, keep))

    def transfer(
        self, reservation: str, parts: Sequence[tuple[str, Sequence[tuple[str, int]]]]
    ) -> Answer[None]:
        """Transfer, unless a fault is due."""
        return self._ask("transfer", reservation, lambda: self.keeper.transfer(reservation, parts))

    def __getattr__(self, name: str) -> Any:
        if name == "keeper":  # not there yet: a copy is being made
            raise AttributeError(name)
        return getattr(self.keeper, name)


class CollectingPublisher:
    """Takes events and keeps them: ``events``, in the order in which they came, repeats included.

    `fail_next` lets publishing fail: ``NOT_SENT`` takes nothing; any other fault takes the events
    and fails all the same, so that they come again.
    """

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self._faults = _Faults()

    @property
    def calls(self) -> tuple[Call, ...]:
        """One call for each batch, with the id of its first order."""
        return tuple(self._faults.calls)

    def fail_next(self, fault: PortFault = PortFault.NOT_SENT, times: int = 1) -> None:
        """Let the next ``times`` batches fail."""
        self._faults.plan(fault, "publish", times)

    def publish(self, events: Sequence[Recorded]) -> None:
        """Keep the events, unless a fault is due; raises `OtherSideFailed`."""
        fault = self._faults.met("publish", events[0].order_id if events else "")
        if fault is not PortFault.NOT_SENT:
            self.events += events
        if fault is not None:
            raise OtherSideFailed("the publisher failed", path="publish")

    def of(self, order_id: str) -> tuple[Recorded, ...]:
        """The events of one order, each once, as a consumer keeps them: by sequence."""
        kept = {told.sequence: told for told in self.events if told.order_id == order_id}
        return tuple(kept[sequence] for sequence in sorted(kept))
