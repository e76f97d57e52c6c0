"""What becomes of an order when a process dies, an answer is lost, or two workers meet.

A use case is a flow: it yields each call of a port and lets its runner make it. The simulation is such
a runner. It stops a flow before any of its calls, lets another run meanwhile, drops it as a crash does,
or makes a call and loses the answer. A host runs it over its own store and its own rules::

    for step in range(1, STEPS_MAX):
        ...  # a fresh engine, a fresh order
        simulation = Simulation(engine)
        walk = simulation.pay(order.id, offers, key="p", by=shopper)
        if not walk.strike(step, Fault.CRASH_AFTER):
            break  # the flow has fewer steps: all were tried
        simulation.recover(clock)
        ...  # nothing charged twice, nothing stranded

Random walks find few faults of this kind. What finds them is system: each step of a flow,
each kind of fault, and at each step another flow in between.
"""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ordercore.engine.notifying import notify
from ordercore.engine.paying import cancel, pay, refund
from ordercore.engine.placing import place_order
from ordercore.engine.rerouting import reroute_refund
from ordercore.engine.sweeping import sweep
from ordercore.errors import GatewayTimeout, OrdercoreError
from ordercore.goods import Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.clock import SettableClock
    from ordercore.engine import Flow, OrderEngine, PaymentResult, RefundResult, Step, Sweep
    from ordercore.order import Order
    from ordercore.party import Actor
    from ordercore.pricing import Quote
    from ordercore.tender import ChannelReply, RefundSplit
    from ordercore.tender.tenders import Tender

__all__ = ["STEPS_MAX", "Fault", "Simulation", "Walk"]

T = TypeVar("T")

STEPS_MAX = 10_000
"""Most steps of one walk; a flow with more does not end."""

_PAUSES = (timedelta(minutes=1),) * 45 + (timedelta(hours=1),) * 30
"""A payment window by the minute, then more than the longest pause between two tries."""
_SWEEPS_MAX = 20
_LIMIT = 1_000


class Fault(enum.Enum):
    """What goes wrong at a step."""

    CRASH_BEFORE = "crash_before"
    """The process dies before the call."""
    CRASH_AFTER = "crash_after"
    """The process dies after the call, before the answer is used."""
    NO_ANSWER = "no_answer"
    """The call is not made, and the flow hears of a time-out."""
    LOST_ANSWER = "lost_answer"
    """The call is made, and the flow hears of a time-out."""


class Walk(Generic[T]):
    """A flow under way, stopped before its next call.

    ``step`` is that call, ``None`` once the flow has ended or crashed; ``made`` counts the calls made.
    """

    def __init__(self, flow: Flow[T], graveyard: list[Flow[Any]], name: str = "flow") -> None:
        self.name = name
        self.step: Step | None = None
        self.made = 0
        self._flow = flow
        self._graveyard = graveyard
        self._results: list[T] = []
        self._error: OrdercoreError | None = None
        self._resume(None, None)

    def __repr__(self) -> str:
        where = "ended" if self.step is None else f"before {self.step!r}"
        return f"<{self.name} {where}, {self.made} calls made>"

    @property
    def ended(self) -> bool:
        """Whether there is no next call."""
        return self.step is None

    @property
    def error(self) -> OrdercoreError | None:
        """The error of the library's tree that ended the flow."""
        return self._error

    @property
    def result(self) -> T:
        """What the flow gave; raises what it raised, and `RuntimeError` where it gave nothing."""
        if self._error is not None:
            raise self._error
        if not self._results:
            reason = f"{self!r} has no result"
            raise RuntimeError(reason)
        return self._results[0]

    def go(self, steps: int = 1) -> Walk[T]:
        """Make the next calls, ``steps`` of them or as many as there are."""
        for _ in range(steps):
            if self.step is None:
                break
            answer, error = self._call(self.step)
            self._resume(answer, error)
        return self

    def finish(self) -> T:
        """Make all calls that are left; returns the result, or raises what the flow raised."""
        return self.go(STEPS_MAX).result

    def fail(self, error: Exception) -> Walk[T]:
        """Do not make the next call: let the flow hear ``error`` instead."""
        if self.step is not None:
            self.made += 1
            self._resume(None, error)
        return self

    def lose(self, error: Exception) -> Walk[T]:
        """Make the next call, and let the flow hear ``error`` instead of the answer."""
        if self.step is not None:
            self._call(self.step)
            self._resume(None, error)
        return self

    def crash(self) -> None:
        """The process is gone: the flow makes no further call and runs no cleanup."""
        # a generator that is dropped is closed, and that would run its `finally`: so it is kept
        self._graveyard.append(self._flow)
        self.step = None

    def strike(self, at: int, fault: Fault) -> bool:
        """Let ``fault`` happen at step ``at``, from 1, and run on if the process lives.

        Whether the flow has so many steps; if not, it has run to its end and nothing happened.
        """
        self.go(at - 1 - self.made)
        if self.step is None:
            return False
        timeout = GatewayTimeout("no answer", path=self.step.name)
        if fault is Fault.CRASH_BEFORE:
            self.crash()
        elif fault is Fault.CRASH_AFTER:
            self._call(self.step)
            self.crash()
        elif fault is Fault.NO_ANSWER:
            self.fail(timeout).go(STEPS_MAX)
        else:
            self.lose(timeout).go(STEPS_MAX)
        return True

    def _call(self, step: Step) -> tuple[Any, OrdercoreError | None]:
        self.made += 1
        try:
            return step.fn(*step.args, **(step.kw or {})), None
        except OrdercoreError as error:  # any other is a mistake of the port, not its word
            return None, error

    def _resume(self, answer: Any, error: Exception | None) -> None:
        try:
            self.step = self._flow.send(answer) if error is None else self._flow.throw(error)
        except StopIteration as end:
            self.step = None
            self._results.append(end.value)
        except OrdercoreError as failed:
            self.step, self._error = None, failed


class Simulation:
    """The verbs of an engine as walks over its ports, and a graveyard for those that crash."""

    def __init__(self, engine: OrderEngine) -> None:
        self.shop = engine.shop
        self.graveyard: list[Flow[Any]] = []

    def walk(self, flow: Flow[T], name: str = "flow") -> Walk[T]:
        """Any flow, stopped before its first call."""
        return Walk(flow, self.graveyard, name)

    def place(
        self, quote: Quote, *, key: str, by: Actor, lifecycle: str = "standard"
    ) -> Walk[Order]:
        """`OrderEngine.place`, stopped before its first call."""
        return self.walk(place_order(self.shop, quote, key, by, lifecycle), "place")

    def pay(
        self, order_id: str, tenders: Sequence[Tender], *, key: str, by: Actor
    ) -> Walk[PaymentResult]:
        """`OrderEngine.pay`, stopped before its first call."""
        return self.walk(pay(self.shop, order_id, tenders, key, by), "pay")

    def notify(self, gateway: str, headers: Mapping[str, str], body: bytes) -> Walk[ChannelReply]:
        """`OrderEngine.notify`, stopped before its first call."""
        return self.walk(notify(self.shop, gateway, headers, body), "notify")

    def cancel(self, order_id: str, *, reason: str, key: str, by: Actor) -> Walk[Order]:
        """`OrderEngine.cancel`, stopped before its first call."""
        return self.walk(cancel(self.shop, order_id, reason, key, by), "cancel")

    def refund(
        self,
        order_id: str,
        goods: Manifest | None = None,
        *,
        reason: str,
        charges: Sequence[str] | None = None,
        split: RefundSplit | None = None,
        consent: str = "",
        to: str = "",
        key: str,
        by: Actor,
    ) -> Walk[RefundResult]:
        """`OrderEngine.refund`, stopped before its first call."""
        flow = refund(
            self.shop, order_id, goods, reason, charges, key, by, split, consent, to
        )  # fmt: skip
        return self.walk(flow, "refund")

    def reroute_refund(
        self,
        order_id: str,
        refund: str,
        leg: int,
        *,
        to: str = "balance",
        account: str = "",
        consent: str = "",
        reason: str,
        key: str,
        by: Actor,
    ) -> Walk[RefundResult]:
        """`OrderEngine.reroute_refund`, stopped before its first call."""
        flow = reroute_refund(
            self.shop, order_id, refund, leg, to, account, consent, reason, key, by
        )  # fmt: skip
        return self.walk(flow, "reroute_refund")

    def sweep(self, limit: int = _LIMIT) -> Walk[Sweep]:
        """`OrderEngine.sweep`, stopped before its first call."""
        return self.walk(sweep(self.shop, limit), "sweep")

    def recover(
        self, clock: SettableClock, pauses: Sequence[timedelta] = _PAUSES
    ) -> tuple[tuple[str, str], ...]:
        """Sweep now and after each pause, until every sweep finds nothing more to do at its moment.

        By default for more than a payment window and the longest pause between two tries.
        Returns the (order, code) pairs of timers that failed.
        """
        failed: list[tuple[str, str]] = []
        for pause in (timedelta(0), *pauses):
            clock.advance(pause)
            for _ in range(_SWEEPS_MAX):
                done = self.sweep().finish()
                failed += done.failed
                if not done.served and not done.moved:
                    break
        return tuple(failed)
