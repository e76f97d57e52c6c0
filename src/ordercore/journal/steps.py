"""How far an order has come, in the six steps that a shopper knows.

The steps are a projection: each state of a lifecycle says which step is under way in it, or none.
So the same six are shown for any lifecycle, and nothing about them is stored.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ordercore.calendar import working_time
from ordercore.errors import CorruptDocument
from ordercore.lifecycle.visible import VisibleStep
from ordercore.order.events import Adopted, Moved, Overran, Placed, SplitOff
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ordercore.calendar import WorkingHours
    from ordercore.change import Recorded
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order

__all__ = ["Progress", "StepProgress", "StepStanding", "progress"]

_ZERO: Final = timedelta(0)
_REFUND: Final = "refund"


class StepStanding(enum.Enum):
    """How a visible step stands."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    DONE = "done"
    """The order went through it."""
    CURRENT = "current"
    """It is under way."""
    AHEAD = "ahead"
    """It is still to come, for the first time or again."""
    SKIPPED = "skipped"
    """The order did not go through it, or broke it off, and will not come to it."""


@value
class StepProgress:
    """One visible step of one order.

    ``started`` is when it was first under way, ``ended`` when it was last left; both are ``None`` where that is
    not known, as of what an adopted order went through elsewhere,
    or the part of an order before that was split. ``spent`` adds up over all visits.
    ``overran``: longer than the target, in working time where that is counted, or an alert said so.
    """

    step: VisibleStep
    standing: StepStanding
    started: datetime | None
    ended: datetime | None
    spent: timedelta
    target: timedelta | None = None
    overran: bool = False


@value
class Progress:
    """The six steps of one order, in their order.

    ``since`` is when it was placed, ``until`` when it left the last step for good, or now.
    The time between is what was spent in steps, and ``aside``: in states that belong to no step
    (canceled, and recovered later), or elsewhere, before the order was adopted or split off.
    ``current`` is ``None`` for an order that is over.
    """

    order_id: str
    steps: tuple[StepProgress, ...]
    current: VisibleStep | None
    since: datetime
    until: datetime
    aside: timedelta = _ZERO

    def of(self, step: VisibleStep) -> StepProgress:
        """One of the six."""
        return next(one for one in self.steps if one.step is step)


class _Walk:
    """An order's way through the steps. Clocks of several machines may differ: time never runs back here."""

    def __init__(self, hours: WorkingHours | None) -> None:
        self.hours = hours
        self.step: VisibleStep | None = None
        self.since: datetime | None = None
        self.at: datetime | None = None
        self.aside = _ZERO
        self.spent: dict[VisibleStep, timedelta] = {}
        self.counted: dict[VisibleStep, timedelta] = {}
        self.started: dict[VisibleStep, datetime] = {}
        self.ended: dict[VisibleStep, datetime] = {}
        self.left: set[VisibleStep] = set()
        self.alerted: set[str] = set()
        self.adopted = self.sealed = self.released = False

    def begin(self, placed: datetime, entered: datetime, step: VisibleStep | None) -> None:
        """The order is there; ``entered`` is later than ``placed`` where it was adopted in mid-life."""
        self.since, self.at = placed, max(placed, entered)
        self.aside = self.at - placed
        self.step = step
        if step is not None:
            self.started[step] = self.at

    def enter(self, step: VisibleStep | None, at: datetime, *, breaks_off: bool) -> None:
        """The order moves into a step, or out of all of them."""
        if step is None and self.step is None:
            return
        at = self.spend(at)
        if step is self.step:
            return
        if self.step is not None:
            self.ended[self.step] = at
            if breaks_off:
                self.left.add(self.step)
        if step is not None:
            self.started.setdefault(step, at)
            self.ended.pop(step, None)
            self.left.discard(step)
        self.step = step

    def spend(self, until: datetime) -> datetime:
        """Count the time up to ``until``; gives the moment reached."""
        if self.at is None:
            raise CorruptDocument("an order begins with order.placed", path="events")
        since, self.at = self.at, max(self.at, until)
        span, step = self.at - since, self.step
        if step is None:
            self.aside += span
        else:
            self.spent[step] = self.spent.get(step, _ZERO) + span
            if self.hours is not None:
                span = working_time(since, self.at, self.hours)
            self.counted[step] = self.counted.get(step, _ZERO) + span
        return self.at


def _walked(
    recorded: Iterable[Recorded],
    steps: Mapping[str, VisibleStep | None],
    hours: WorkingHours | None,
) -> _Walk:
    walk = _Walk(hours)
    for one in recorded:
        event = one.event
        if isinstance(event, Placed):
            walk.begin(one.at, one.at, steps.get(event.state))
        elif isinstance(event, Adopted):
            walk.adopted, walk.released = True, event.released
            step = None if event.released else steps.get(event.state)
            walk.begin(event.content.placed_at, event.entered_at, step)
        elif isinstance(event, SplitOff):
            # what came before stands in the journal of the whole
            walk.adopted = True
            walk.begin(event.content.placed_at, event.entered_at, steps.get(event.state))
        elif isinstance(event, Moved):
            walk.sealed = walk.sealed or event.seals
            walk.released = event.releases
            step = None if walk.released or walk.sealed else steps.get(event.to)
            # a step is gone through unless the order gave it up
            breaks_off = walk.released or event.via == _REFUND
            walk.enter(step, one.at, breaks_off=breaks_off)
        elif isinstance(event, Overran):
            walk.alerted.add(event.step)
    return walk


def _standing(
    step: VisibleStep, walk: _Walk, charted: frozenset[VisibleStep | None]
) -> StepStanding:
    current = walk.step
    if step is current:
        return StepStanding.CURRENT
    if step is VisibleStep.ORDER:
        return StepStanding.DONE  # it is there, so it was placed
    places = _PLACES
    if current is not None and places[step] > places[current]:
        return StepStanding.AHEAD if step in charted else StepStanding.SKIPPED
    if step in walk.started:
        return StepStanding.SKIPPED if step in walk.left else StepStanding.DONE
    # what came before an adoption is not known; a shop adopts orders that went its own way
    before = walk.adopted and step in charted and not walk.released
    return StepStanding.DONE if before else StepStanding.SKIPPED


_PLACES: Final = {step: place for place, step in enumerate(VisibleStep)}


def progress(
    order: Order,
    recorded: Iterable[Recorded],
    lifecycle: Lifecycle[Order],
    targets: Mapping[VisibleStep, timedelta],
    now: datetime,
    hours: WorkingHours | None = None,
) -> Progress:
    """The six steps of ``order`` at ``now``, from all its events and the lifecycle it is on.

    ``targets`` say how long a step should take; with ``hours`` they are working time. A step that no state
    of the lifecycle stands for is skipped. Raises `CorruptDocument` for events without a beginning.
    """
    walk = _walked(recorded, lifecycle.steps, hours)
    since = walk.since
    if since is None or walk.at is None:
        raise CorruptDocument("an order has at least one event", path="events")
    until = walk.at if walk.step is None else walk.spend(now)
    charted = frozenset(lifecycle.steps.values())
    found = []
    for step in VisibleStep:
        target = targets.get(step)
        over = target is not None and walk.counted.get(step, _ZERO) > target
        started, ended = walk.started.get(step), walk.ended.get(step)
        if step is VisibleStep.ORDER and started is None:
            started = ended = since
        found.append(
            StepProgress(
                step, _standing(step, walk, charted), started, ended, walk.spent.get(step, _ZERO),
                target, over or step.value in walk.alerted,
            )
        )  # fmt: skip
    return Progress(order.id, tuple(found), walk.step, since, until, walk.aside)
