"""What becomes of an order when a process dies, an answer is lost, or two workers meet.

A use case is a flow: it yields each call of a port and lets its runner make it. The simulation is such
a runner. It stops a flow before any of its calls, lets another run meanwhile, drops it as a crash does,
or makes a call and loses the answer. A host runs it over its own store and its own rules::

    simulation = Simulation(engine)
    for step in range(1, FAULT_STEPS_MAX):
        order = ...                                   # a fresh order in a fresh shop
        walk = simulation.pay(order.id, offers, key="p", by=shopper)
        if not walk.strike(step, Fault.CRASH_AFTER):
            break                                     # the flow has fewer steps: all were tried
        simulation.recover(clock)
        assert ...                                    # nothing is charged twice, nothing is stranded

Random walks find few faults of this kind. What finds them is systematic: each step of a flow,
each kind of fault, and at each step another flow in between.
"""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ordercore.engine.discharging import pull
from ordercore.engine.paying import cancel, notify, pay, refund
from ordercore.engine.placing import place_order
from ordercore.engine.sweeping import sweep
from ordercore.errors import GatewayTimeout
from ordercore.goods import Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ordercore.clock import SettableClock
    from ordercore.engine import (
        AsyncOrderEngine,
        Flow,
        OrderEngine,
        PaymentResult,
        RefundResult,
        Step,
        Sweep,
    )
    from ordercore.order import Order
    from ordercore.party import Actor
    from ordercore.pricing import Quote
    from ordercore.tender import ChannelReply
    from ordercore.tender.tenders import Tender

__all__ = ["FAULT_STEPS_MAX", "Fault", "Simulation", "Walk"]

T = TypeVar("T")

FAULT_STEPS_MAX = 1_000
"""Most steps of one walk; a flow with more does not end."""

_PAUSES = (timedelta(minutes=1),) * 40 + (timedelta(hours=1),) * 30
"""A payment window by the minute, then more than the longest pause between two tries."""
_SWEEPS_MAX = 20


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
        self._result: T | None = None
        self._error: Exception | None = None
        self._resume(None, None)

    def __repr__(self) -> str:
        return f"<{self.name} before step {self.made + 1}: {self.step!r}>"

    @property
    def ended(self) -> bool:
        """Whether there is no next call."""
        return self.step is None

    @property
    def error(self) -> Exception | None:
        """What ended the flow, if it failed."""
        return self._error

    @property
    def result(self) -> T:
        """What the flow gave; raises what it raised, `RuntimeError` when it has not ended so."""
        if self._error is not None:
            raise self._error
        if self._result is None:
            reason = f"{self!r} has no result"
            raise RuntimeError(reason)
        return self._result

    def go(self, steps: int = 1) -> Walk[T]:
        """Make the next calls, ``steps`` of them or as many as there are."""
        for _ in range(steps):
            if self.step is None:
                break
            self._resume(*self._call())
        return self

    def finish(self) -> T:
        """Make all calls that are left; returns the result, or raises."""
        self.go(FAULT_STEPS_MAX)
        return self.result

    def fail(self, error: Exception) -> Walk[T]:
        """Do not make the next call: let the flow hear ``error`` instead."""
        return self._resume(None, error)

    def lose(self, error: Exception) -> Walk[T]:
        """Make the next call, and let the flow hear ``error`` instead of the answer."""
        if self.step is not None:
            self._call()
            self._resume(None, error)
        return self

    def crash(self) -> None:
        """The process is gone: the flow makes no further call and runs no cleanup."""
        # a generator that is dropped is closed, and that would run its `finally`: so it is kept
        self._graveyard.append(self._flow)
        self.step = None

    def strike(self, at: int, fault: Fault) -> bool:
        """Let ``fault`` happen at step ``at``, from 1, and run on if the process lives.

        Whether the flow has so many steps; if not, it has ended as if nothing had happened.
        """
        self.go(at - 1 - self.made)
        if self.step is None:
            return False
        timeout = GatewayTimeout("no answer", path=self.step.name)
        if fault is Fault.CRASH_BEFORE:
            self.crash()
        elif fault is Fault.CRASH_AFTER:
            self._call()
            self.crash()
        elif fault is Fault.NO_ANSWER:
            self.fail(timeout).go(FAULT_STEPS_MAX)
        else:
            self.lose(timeout).go(FAULT_STEPS_MAX)
        return True

    def _call(self) -> tuple[Any, Exception | None]:
        step = self.step
        if step is None:
            return None, None
        self.made += 1
        try:
            return step.fn(*step.args, **(step.kw or {})), None
        except Exception as error:
            if not isinstance(error, (ValueError, TypeError, AttributeError, LookupError)):
                return None, error
            raise  # a mistake of the port or of the test, not a fault to be played

    def _resume(self, answer: Any, error: Exception | None) -> Walk[T]:
        try:
            self.step = self._flow.send(answer) if error is None else self._flow.throw(error)
        except StopIteration as end:
            self.step, self._result = None, end.value
        except Exception as failed:
            if not _told(failed):
                raise
            self.step, self._error = None, failed
        return self
