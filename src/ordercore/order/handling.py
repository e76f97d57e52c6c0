"""How the shop deals with an order: marks, notes, checks, pauses, the status of single items.

Nothing here moves goods or money. The order holds one `Handling`; most orders never change it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs

from ordercore.errors import InvalidPolicy
from ordercore.goods import Manifest
from ordercore.party import Actor
from ordercore.pricing import OrderKind
from ordercore.value import value

__all__ = [
    "NOTES_MAX",
    "PAUSES_MAX",
    "TAGS_MAX",
    "ChildPart",
    "Handling",
    "HandlingPolicy",
    "Handover",
    "Lineage",
    "MergedIn",
    "Note",
    "Pause",
    "Review",
    "Rule",
]

NOTES_MAX = 200
"""Most notes of one order."""
TAGS_MAX = 50
"""Most tags of one order."""
PAUSES_MAX = 100
"""Most pauses of one order, ended ones included."""


@value
class Pause:
    """A reason for which clocks stood still: from when, until when; ``None`` while it lasts."""

    name: str
    since: datetime
    until: datetime | None = None


@value
class Review:
    """What came of looking an order over before it is taken up (confirmation by telephone, say).

    ``checklist`` tells each point and whether it was in order; ``contact`` records who was spoken to, when and how.
    """

    valid: bool
    at: datetime
    by: Actor
    checklist: tuple[tuple[str, bool], ...] = ()
    contact: str = attrs.field(default="", repr=False)
    reason: str = ""


@value
class Note:
    """A remark on an order; with ``shown`` the customer may read it."""

    at: datetime
    by: Actor
    text: str = attrs.field(repr=False)
    shown: bool = False


@value
class ChildPart:
    """A part of an order that was split: the order that it became, its units of each line, and what it costs."""

    order: str
    number: str
    name: str
    goods: Manifest
    total: int
    reasons: tuple[str, ...] = ()


@value
class Handover:
    """Goods (sku, units) that another order's reservation held, and the name under which they are held for this one.

    ``at`` is the warehouse where they should then stand, if that was said.
    """

    source: str
    target: str
    goods: tuple[tuple[str, int], ...]
    at: str = ""


@value
class MergedIn:
    """An order whose goods and money this one took over.

    ``state`` and ``basic_state`` are where both stood. ``attempts`` brought its money along, beside those that this
    order ``had``; ``refunds`` is how many refunds there then were. ``lines`` are the names of its lines: (there, here).
    ``items`` are the statuses of its lines, by their names here.
    """

    order: str
    number: str
    state: str
    basic_state: str
    attempts: tuple[str, ...] = ()
    had: tuple[str, ...] = ()
    refunds: int = 0
    lines: tuple[tuple[str, str], ...] = ()
    items: tuple[tuple[str, str], ...] = ()

    def counted(self, refunds: int) -> MergedIn:
        """The same, with how many refunds the order then had."""
        return MergedIn(
            self.order, self.number, self.state, self.basic_state, self.attempts, self.had,
            refunds, self.lines, self.items,
        )  # fmt: skip


@value
class Lineage:
    """Whence an order comes and where it went when orders were split and merged.

    ``parent`` is the order that it was split off, as the part ``part``, for ``reasons`` (law L18 explained).
    ``children`` are the orders that it was split into, ``into`` the one that took it over: in both cases its goods
    and its money are theirs. ``merged`` are orders that it took over. ``handovers`` are goods that came with it.
    ``parts`` is how many parts it was ever split into, so that no part has the number of one before.
    """

    parent: str = ""
    part: str = ""
    reasons: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    into: str = ""
    merged: tuple[MergedIn, ...] = ()
    handovers: tuple[Handover, ...] = ()
    parts: int = 0

    @property
    def counted(self) -> int:
        """How many parts it was ever split into, also where only the last ones are written down."""
        return max(self.parts, len(self.children))

    @property
    def gone(self) -> bool:
        """Whether goods and money of the order are with other orders."""
        return bool(self.children or self.into)

    @property
    def successors(self) -> tuple[str, ...]:
        """The orders that have its goods and its money; none while it has them itself."""
        return self.children or ((self.into,) if self.into else ())


@value
class Handling:
    """The marks of one order.

    ``released``: it will not be fulfilled, so nothing is held for it (law L22 release).
    ``sealed``: it is closed for good and takes no command any more.
    ``items`` are the statuses of single lines, by line id; ``extended`` by how much each timer was extended.
    """

    released: bool = False
    sealed: bool = False
    adopted: bool = False
    tags: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    assigned: str = ""
    items: tuple[tuple[str, str], ...] = ()
    pauses: tuple[Pause, ...] = ()
    extended: tuple[tuple[str, timedelta], ...] = ()
    review: Review | None = None
    lineage: Lineage | None = None

    @property
    def gone(self) -> bool:
        """Whether its goods and its money are with other orders: it was split, or merged into another."""
        return self.lineage is not None and self.lineage.gone

    def paused(self, names: tuple[str, ...]) -> bool:
        """Whether a pause of one of these names lasts; ``"*"`` is any."""
        return any(p.until is None and (p.name in names or "*" in names) for p in self.pauses)


class Rule(enum.Enum):
    """Rules that staff may set aside where the policy lists them; the reason goes to the journal."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    STATE = "state"
    """The lifecycle: an order is moved to any state by hand."""
    RECOVER_WINDOW = "recover_window"
    """A canceled order is recovered only within so many days."""
    AMEND_STATE = "amend_state"
    """An order is amended only in the states that its lifecycle lists."""
    CLOSE_OWING = "close_owing"
    """An order is not closed for good while money is owed either way."""


@value
class HandlingPolicy:
    """How orders are dealt with by hand.

    ``refund_canceled``: what was paid goes back when an order is canceled; otherwise staff refund it later.
    ``recover_within`` is how long a canceled order may be recovered. ``overrules`` lists the rules
    that staff may set aside with a reason. ``lifecycles`` names the lifecycle of orders of a kind,
    where the shop names none when it places one; a kind that is not there follows *standard*.
    """

    refund_canceled: bool = True
    recover_within: timedelta = timedelta(days=30)
    overrules: tuple[Rule, ...] = ()
    lifecycles: Mapping[OrderKind, str] = attrs.field(factory=dict, hash=False)

    def check(self, path: str = "handling") -> None:
        """Raise `InvalidPolicy` for a window that is not positive."""
        if self.recover_within <= timedelta(0):
            raise InvalidPolicy("it is positive", path=f"{path}.recover_within")
