"""Attempts to move money, refunds, and the sub-state of an order that holds them.

An attempt is written down before a gateway is called, with the key under which it is called,
and its outcome afterwards. So a crash leaves an *open* attempt, never a forgotten charge.

Theory of operation, per attempt::

    open -> waiting | authorized | captured | declined        answers
    authorized -> capturing -> captured                       capture asked, answered
    open, waiting -> closing -> captured | returned           close asked at the deadline, answered
    open, waiting, authorized, capturing, captured
         -> returning -> returned                             undo asked (an intent too), answered
    declined, returned -> returning                           late news that money is held after all

News never moves an attempt backwards: *declined* after *captured* changes nothing (law L10).
"""

from __future__ import annotations

import enum
from datetime import datetime

import attrs

from ordercore.errors import NotFound
from ordercore.goods import LineId
from ordercore.tender.channel import OutcomeStatus, PaymentAction, RefundStatus
from ordercore.tender.plan import TenderPlan
from ordercore.tender.tenders import TenderKind
from ordercore.value import value

__all__ = ["Attempt", "AttemptState", "Payments", "Refund", "RefundLeg", "RefundRow", "settled"]

ATTEMPTS_MAX = 200
"""Most attempts of one order."""
REFUNDS_MAX = 500
"""Most refunds of one order."""


class AttemptState(enum.Enum):
    """Where an attempt stands."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    OPEN = "open"
    WAITING = "waiting"
    AUTHORIZED = "authorized"
    CAPTURING = "capturing"
    CAPTURED = "captured"
    DECLINED = "declined"
    CLOSING = "closing"
    RETURNING = "returning"
    RETURNED = "returned"


HELD = frozenset({AttemptState.AUTHORIZED, AttemptState.CAPTURING, AttemptState.CAPTURED})
"""States in which an attempt's money is in our hands or promised to us."""
_LIVE = frozenset(
    {
        AttemptState.OPEN,
        AttemptState.WAITING,
        AttemptState.AUTHORIZED,
        AttemptState.CAPTURING,
        AttemptState.CLOSING,
        AttemptState.RETURNING,
    }
)


@value
class Attempt:
    """One try to take one tender's amount. ``id`` is also the idempotency key at the gateway.

    ``round`` is the payment it belongs to (each payment has a plan of its own), ``tender`` its place there.
    ``captured`` and ``returned`` are minor units as far as they are known.
    """

    id: str
    round: int
    tender: int
    kind: TenderKind
    gateway: str
    account: str = attrs.field(repr=False)
    amount: int
    points: int
    state: AttemptState
    captured: int = 0
    returned: int = 0
    reference: str = ""
    at: datetime | None = None
    reason: str = ""
    action: PaymentAction | None = None

    def moved(
        self,
        state: AttemptState,
        reference: str = "",
        at: datetime | None = None,
        reason: str | None = None,
        action: PaymentAction | None = None,
    ) -> Attempt:
        """This attempt in another state, with what was learned."""
        captured, returned = self.captured, self.returned
        if state is AttemptState.CAPTURED:
            captured, returned = self.amount, 0
        elif state is AttemptState.RETURNED:
            returned = captured
        return Attempt(
            self.id, self.round, self.tender, self.kind, self.gateway, self.account, self.amount,
            self.points, state, captured, returned, reference or self.reference, at or self.at,
            self.reason if reason is None else reason, action,
        )  # fmt: skip

    @property
    def held(self) -> bool:
        """Whether its money is in our hands or promised to us."""
        return self.state in HELD

    @property
    def live(self) -> bool:
        """Whether its last word is still to be spoken by the gateway."""
        return self.state in _LIVE


@value
class RefundLeg:
    """The part of a refund that goes back over one attempt."""

    attempt: str
    amount: int
    points: int
    status: RefundStatus | None = None
    reference: str = ""
    at: datetime | None = None
    reason: str = ""

    @property
    def arrived(self) -> bool:
        """Whether the payer has it."""
        return self.status is RefundStatus.ARRIVED


@value
class RefundRow:
    """What a refund takes from one line or charge: units, their figures, and the cells drawn per tender."""

    row: LineId
    units: int
    amount: int
    net: int
    tax: int
    tax_ppm: int
    cells: tuple[int, ...]


@value
class Refund:
    """Money on its way back: accepted is not arrived."""

    id: str
    rows: tuple[RefundRow, ...]
    legs: tuple[RefundLeg, ...]
    amount: int
    reason: str
    recognized: bool = False
    """Whether the sale was already booked as revenue when the refund was asked."""

    def leg(self, place: int) -> RefundLeg:
        """The leg at this place, from 0; raises `NotFound`."""
        if not 0 <= place < len(self.legs):
            reason = f"refund {self.id!r} has no leg {place}"
            raise NotFound(reason, path="refund", refund=self.id, leg=place)
        return self.legs[place]

    @property
    def arrived(self) -> bool:
        """Whether every leg has arrived."""
        return all(leg.status is RefundStatus.ARRIVED for leg in self.legs)


@value
class Payments:
    """The payments of one order: the plan in force, all attempts, all refunds.

    ``drawn`` mirrors the plan's matrix: what refunds have drawn of each cell.
    ``carried`` are attempts of earlier payments whose money counts: the plan's first tenders.
    The first ``settled`` refunds belong to what was agreed before an amendment: they say nothing
    about the goods of today.
    """

    round: int = 0
    plan: TenderPlan | None = None
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[Refund, ...] = ()
    drawn: tuple[tuple[int, ...], ...] = ()
    carried: tuple[str, ...] = ()
    settled: int = 0

    def attempt(self, id: str) -> Attempt:  # noqa: A002 - the field's name
        """The attempt with this id; raises `NotFound`."""
        for attempt in self.attempts:
            if attempt.id == id:
                return attempt
        raise NotFound(f"no attempt {id!r}", path="attempt", attempt=id)

    def refund(self, id: str) -> Refund:  # noqa: A002 - the field's name
        """The refund with this id; raises `NotFound`."""
        for refund in self.refunds:
            if refund.id == id:
                return refund
        raise NotFound(f"no refund {id!r}", path="refund", refund=id)

    def current(self) -> tuple[Attempt, ...]:
        """The attempts of the plan in force."""
        return tuple([a for a in self.attempts if a.round == self.round])

    @property
    def secured(self) -> int:
        """Money in our hands or promised to us, less what was asked back, in minor units."""
        held = sum([a.amount for a in self.attempts if a.state in HELD])
        return held - self.refunded if self.refunds else held

    def keeps(self) -> bool:
        """Whether a payment has come to its end and its money counts."""
        return bool(self.carried) or self.taken()

    def taken(self) -> bool:
        """Whether all of the payment in force was taken."""
        current = self.current()
        return bool(current) and all([a.state is AttemptState.CAPTURED for a in current])

    @property
    def captured(self) -> int:
        """Money taken and not undone, in minor units; refunds are not subtracted."""
        return sum([a.amount for a in self.attempts if a.state is AttemptState.CAPTURED])

    @property
    def refunded(self) -> int:
        """Money asked back by refunds, arrived or not, in minor units."""
        return sum([refund.amount for refund in self.refunds])

    @property
    def refunded_now(self) -> int:
        """The same, of what is agreed today: without refunds from before an amendment."""
        return sum([refund.amount for refund in self.refunds[self.settled :]])

    def left(self, attempt: Attempt) -> int:
        """What of a captured attempt was not asked back, in minor units."""
        gone = [
            leg.amount
            for refund in self.refunds
            for leg in refund.legs
            if leg.attempt == attempt.id
        ]
        return attempt.captured - attempt.returned - sum(gone)

    @property
    def in_flight(self) -> bool:
        """Whether any attempt is live: nothing may be closed over it."""
        return any([a.state in _LIVE for a in self.attempts])

    def action(self) -> PaymentAction | None:
        """What the payer must still do, for the first attempt that waits."""
        for attempt in self.attempts:
            if attempt.state is AttemptState.WAITING and attempt.round == self.round:
                return attempt.action
        return None


_NEWS: dict[OutcomeStatus, AttemptState] = {
    OutcomeStatus.AUTHORIZED: AttemptState.AUTHORIZED,
    OutcomeStatus.CAPTURED: AttemptState.CAPTURED,
    OutcomeStatus.WAITING: AttemptState.WAITING,
    OutcomeStatus.DECLINED: AttemptState.DECLINED,
    OutcomeStatus.VOIDED: AttemptState.RETURNED,
}
_S = AttemptState
_FORWARD: dict[AttemptState, frozenset[AttemptState]] = {
    _S.OPEN: frozenset({_S.WAITING, _S.AUTHORIZED, _S.CAPTURED, _S.DECLINED, _S.RETURNED}),
    _S.WAITING: frozenset({_S.AUTHORIZED, _S.CAPTURED, _S.DECLINED, _S.RETURNED}),
    _S.AUTHORIZED: frozenset({_S.CAPTURED, _S.RETURNED}),
    _S.CAPTURING: frozenset({_S.CAPTURED, _S.DECLINED, _S.RETURNED}),
    _S.CLOSING: frozenset({_S.AUTHORIZED, _S.CAPTURED, _S.DECLINED, _S.RETURNED}),
    _S.CAPTURED: frozenset(),
    _S.RETURNING: frozenset({_S.DECLINED, _S.RETURNED}),
    _S.DECLINED: frozenset({_S.AUTHORIZED, _S.CAPTURED}),
    _S.RETURNED: frozenset({_S.AUTHORIZED, _S.CAPTURED}),
}
"""Which news moves an attempt, by where it stands. News that money is held after all counts,
for a *declined* attempt (the payer tried again in the wallet) as for a *returned* one
(the gateway did not kill the key); whether it is kept or sent back is the order's decision."""


_ASKED = frozenset({_S.CAPTURING, _S.CLOSING, _S.RETURNING})


def settled(
    state: AttemptState, status: OutcomeStatus, *, told: bool = False, taken: bool = False
) -> AttemptState | None:
    """Where the news ``status`` moves an attempt in ``state``; ``None`` when it changes nothing.

    ``told``: a notification said so. It may speak of an earlier try, so *declined* is believed of an
    attempt that we asked to capture, close or undo only as the answer to that very question.
    ``taken``: its money was captured; then an undo ends with *voided* alone.
    """
    new = _NEWS.get(status)
    if new is None or new not in _FORWARD[state]:
        return None
    if new is _S.DECLINED and state in _ASKED and (told or (taken and state is _S.RETURNING)):
        return None
    return _S.RETURNED if state is _S.RETURNING else new
