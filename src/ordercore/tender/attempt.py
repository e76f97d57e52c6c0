"""Attempts to move money, refunds, and the sub-state of an order that holds them.

An attempt is written down before a gateway is called, with the key under which it is called,
and its outcome afterwards. So a crash leaves an *open* attempt, never a forgotten charge.

Theory of operation, per attempt::

    open -> waiting | authorized | captured | declined        answers
    authorized -> capturing -> captured                       capture asked, answered
    capturing -> authorized                                   part of it taken, more to come
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
from ordercore.tender.channel import (
    Failure,
    FundShare,
    OutcomeStatus,
    PaymentAction,
    RefundStatus,
)
from ordercore.tender.plan import TenderPlan
from ordercore.tender.tenders import TenderKind
from ordercore.value import value

__all__ = [
    "Attempt",
    "AttemptState",
    "CaptureMoment",
    "Compensation",
    "MerchantShare",
    "Payments",
    "Refund",
    "RefundLeg",
    "RefundRow",
    "RefundSplit",
    "settled",
]

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


class CaptureMoment(enum.Enum):
    """When authorized money is taken."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    AT_ONCE = "at_once"
    """As soon as every tender of the payment is held."""
    ON_SHIPMENT = "on_shipment"
    """When goods leave: card schemes ask for it where goods ship later."""
    ON_DELIVERY = "on_delivery"
    """When the goods arrive: whoever hands them over collects (cash on delivery)."""
    BY_HAND = "by_hand"
    """When staff says so, in one part or in several."""


# a look-up through an Enum class costs more than the comparison
_WAITING = AttemptState.WAITING
_AUTHORIZED, _CAPTURED = AttemptState.AUTHORIZED, AttemptState.CAPTURED
_AT_ONCE = CaptureMoment.AT_ONCE
_PROMISED = frozenset({AttemptState.AUTHORIZED, AttemptState.CAPTURING})


class RefundSplit(enum.Enum):
    """Over which tenders a refund goes back."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    BY_ROW = "by_row"
    """Over those that paid for the very goods, by the frozen matrix. The default."""
    DECLARED = "declared"
    """First the first tender of the plan until it is empty: points, balance, then the channel."""
    REVERSE = "reverse"
    """First the last tender of the plan: the channel, then balance, then points."""
    PRO_RATA = "pro_rata"
    """Over all tenders by what each still holds."""
    STORED_VALUE_FIRST = "stored_value_first"
    """First stored value, balance and points; channels last."""
    TO_BALANCE = "to_balance"
    """All to the customer's balance with the shop; needs the customer's recorded consent."""


@value
class Attempt:
    """One try to take one tender's amount. ``id`` is also the idempotency key at the gateway.

    ``round`` is the payment it belongs to (each payment has a plan of its own), ``tender`` its place there.
    ``amount`` is what it pays of the order; what is asked of the payer is that and ``rounding`` (of cash).
    ``captured`` and ``returned`` are minor units as far as they are known; ``authorized`` what is held where
    that is not ``amount``. ``released`` was given up by refunds before it was taken.
    ``asked`` is the part that is being captured, 0 for all of it. ``capture`` says when authorized money is
    taken, ``several`` whether in more than one part; ``expires_at`` until when the authorization holds.
    ``backups`` are gateways to go on with where this one cannot take it, ``method`` what the payer chose.
    ``charged_back`` was taken back through the payer's bank.
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
    capture: CaptureMoment = CaptureMoment.AT_ONCE
    several: bool = False
    asked: int = 0
    authorized: int = 0
    released: int = 0
    rounding: int = 0
    expires_at: datetime | None = None
    backups: tuple[str, ...] = ()
    method: str = ""
    failure: Failure | None = None
    charged_back: int = 0
    shares: tuple[FundShare, ...] = ()

    def moved(
        self,
        state: AttemptState,
        reference: str = "",
        at: datetime | None = None,
        reason: str | None = None,
        action: PaymentAction | None = None,
        amount: int | None = None,
        expires_at: datetime | None = None,
        failure: Failure | None = None,
        asked: int = 0,
    ) -> Attempt:
        """This attempt in another state, with what was learned.

        ``amount`` is what was taken in all (*captured*, or *authorized* after a part was taken), or what is held.
        """
        captured, returned, authorized = self.captured, self.returned, self.authorized
        if state is _CAPTURED:
            captured = self.amount + self.rounding - self.released if amount is None else amount
            returned = 0
        elif state is AttemptState.RETURNED:
            returned = captured
        elif state is AttemptState.AUTHORIZED and amount is not None:
            if self.state is AttemptState.CAPTURING or self.state is AttemptState.AUTHORIZED:
                captured = amount
            else:
                authorized = amount
        return Attempt(
            self.id, self.round, self.tender, self.kind, self.gateway, self.account, self.amount,
            self.points, state, captured, returned, reference or self.reference, at or self.at,
            self.reason if reason is None else reason, action, self.capture, self.several, asked,
            authorized, self.released, self.rounding, expires_at or self.expires_at, self.backups,
            self.method, failure, self.charged_back, self.shares,
        )  # fmt: skip

    def letting_go(self, released: int, charged_back: int = 0) -> Attempt:
        """The same, with more of it given up before it was taken, or taken back by the payer's bank."""
        return Attempt(
            self.id, self.round, self.tender, self.kind, self.gateway, self.account, self.amount,
            self.points, self.state, self.captured, self.returned, self.reference, self.at,
            self.reason, self.action, self.capture, self.several, self.asked, self.authorized,
            self.released + released, self.rounding, self.expires_at, self.backups, self.method,
            self.failure, self.charged_back + charged_back, self.shares,
        )  # fmt: skip

    @property
    def held(self) -> bool:
        """Whether its money is in our hands or promised to us."""
        return self.state in HELD

    @property
    def deferred(self) -> bool:
        """Whether its money is held on purpose until later: an authorization that stands for money."""
        return self.capture is not _AT_ONCE

    @property
    def firm(self) -> bool:
        """Whether it counts as paid: it was taken, or is to be taken later as agreed."""
        state = self.state
        return state is _CAPTURED or (state in _PROMISED and self.capture is not _AT_ONCE)

    @property
    def given_up(self) -> bool:
        """Whether refunds let go of all that it held before any of it was taken: nothing of it is missing."""
        return self.released > 0 and self.released >= (self.authorized or self.amount)

    @property
    def live(self) -> bool:
        """Whether its last word is still to be spoken by the gateway. An authorization that is held on purpose
        has spoken."""
        state = self.state
        return state in _LIVE and not (state is _AUTHORIZED and self.capture is not _AT_ONCE)

    @property
    def covers(self) -> int:
        """What it stands for of the order's price, taken or held, in minor units."""
        state = self.state
        if state is _CAPTURED:
            return self.captured - self.rounding + self.released
        if state in HELD:
            return self.authorized or self.amount
        return self.released

    @property
    def counted(self) -> int:
        """What of it counts as paid, in minor units: what it covers where it is firm, else what it gave up."""
        state = self.state
        if state is _CAPTURED:
            return self.captured - self.rounding + self.released
        if state in _PROMISED and self.capture is not _AT_ONCE:
            return self.authorized or self.amount
        return self.released

    @property
    def to_capture(self) -> int:
        """What may still be taken of what is held, in minor units."""
        if self.state is not AttemptState.AUTHORIZED and self.state is not AttemptState.CAPTURING:
            return 0
        held = (self.authorized or self.amount) + self.rounding
        return max(0, held - self.captured - self.released)


@value
class RefundLeg:
    """The part of a refund that goes back over one attempt.

    ``released``: its money was held and not yet taken, so it is let go and no channel is called.
    ``gateway`` and ``account`` name another way than the attempt's own: a credit. An account without a gateway
    is where the customer agreed that it goes should the attempt's own way fail.
    ``rounding`` is what cash pays more (or less) than ``amount``. ``sent_as`` names the leg under whose key
    several legs went out as one refund, empty for its own (a later try names itself); ``sent_at`` is when it
    was last asked of its own channel, where that is written down.
    ``tries`` counts the ways on which it failed: each has a key of its own.
    """

    attempt: str
    amount: int
    points: int
    status: RefundStatus | None = None
    reference: str = ""
    at: datetime | None = None
    reason: str = ""
    released: bool = False
    gateway: str = ""
    account: str = attrs.field(default="", repr=False)
    rounding: int = 0
    sent_as: str = ""
    sent_at: datetime | None = None
    tries: int = 0

    def key(self, refund: str, place: int) -> str:
        """Under which key this leg, the refund's at ``place``, is asked of a gateway: each way has its own."""
        if self.sent_as:
            return self.sent_as
        return f"{refund}#{place}x{self.tries}" if self.tries else f"{refund}#{place}"

    @property
    def sent(self) -> bool:
        """Whether it is written down that it was asked by the way it now goes."""
        return bool(self.sent_as) if self.tries else self.sent_at is not None

    @property
    def paid(self) -> int:
        """What really goes back, in minor units: of cash, what there are coins for."""
        return self.amount + self.rounding

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
    """Money on its way back: accepted is not arrived.

    ``consent`` is the customer's recorded word for another way than the original one.
    ``surplus``: what was paid above the price goes back; it concerns no goods. ``at`` is when it was asked,
    ``None`` of one from before that was kept: its legs may have been sent.
    ``whole``: with it all goes back that was left, so of the sale nothing stays, also not what no row names.
    """

    id: str
    rows: tuple[RefundRow, ...]
    legs: tuple[RefundLeg, ...]
    amount: int
    reason: str
    recognized: bool = False
    """Whether the sale was already booked as revenue when the refund was asked."""
    split: RefundSplit = RefundSplit.BY_ROW
    consent: str = ""
    surplus: bool = False
    at: datetime | None = None
    whole: bool = False

    @property
    def released(self) -> int:
        """What of it was only held, so that nothing has to be paid back, in minor units."""
        return sum([leg.amount for leg in self.legs if leg.released])

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
class MerchantShare:
    """What units of a line are for the merchant whose goods they are, in minor units.

    ``sales`` is what they cost without tax, with what third parties repay; ``tax`` what of the tax is the
    merchant's to pay; ``commission`` what the shop keeps of both, ``whole_commission`` of the whole line.
    """

    line: LineId
    merchant: str
    first: int
    units: int
    sales: int
    tax: int
    commission: int
    whole_commission: int

    @property
    def payable(self) -> int:
        """What the merchant gets."""
        return self.sales + self.tax - self.commission


@value
class Compensation:
    """Money from the shop to the customer that is no refund: a doubled deposit, goodwill, return postage.

    It is no part of what was paid, so it is not bounded by it, and has an account and an approval of its own.
    """

    id: str
    amount: int
    gateway: str
    account: str = attrs.field(repr=False)
    reason: str
    approved_by: str
    points: int = 0
    status: RefundStatus | None = None
    reference: str = ""
    at: datetime | None = None


def _number(text: str) -> int:
    """A number in a key; -1 for what is none."""
    return int(text) if len(text) < 10 and text.isascii() and text.isdigit() else -1


@value
class Payments:
    """The payments of one order: the plan in force, all attempts, all refunds.

    ``drawn`` mirrors the plan's matrix: what refunds have drawn of each cell.
    ``carried`` are attempts of earlier payments whose money counts: the plan's first tenders.
    The first ``settled`` refunds belong to what was agreed before an amendment: they say nothing
    about the goods of today. ``forfeited`` is what the shop keeps of an order that will not be fulfilled,
    ``compensations`` what it gave beyond what was paid; in minor units. ``shares`` say whose money the sale is,
    as it was settled when it was earned.
    """

    round: int = 0
    plan: TenderPlan | None = None
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[Refund, ...] = ()
    drawn: tuple[tuple[int, ...], ...] = ()
    carried: tuple[str, ...] = ()
    settled: int = 0
    compensations: tuple[Compensation, ...] = ()
    forfeited: int = 0
    shares: tuple[MerchantShare, ...] = ()

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

    def leg_of(self, key: str) -> tuple[str, int]:
        """The refund and the place of the leg that is, or was, asked of a gateway under ``key``.

        A leg has a key for each way that it was tried: whether ``key`` is that of the last one, `RefundLeg.key`
        tells. Raises `NotFound`, also for a try that was never made.
        """
        name, _, rest = key.rpartition("#")
        digits, x, tries = rest.partition("x")
        leg = self.refund(name).leg(_number(digits))
        if x and not 0 < _number(tries) <= leg.tries:
            raise NotFound(f"no refund was asked as {key[:80]!r}", path="refund", refund=name)
        return name, _number(digits)

    def compensation(self, id: str) -> Compensation:  # noqa: A002 - the field's name
        """The compensation with this id; raises `NotFound`."""
        for found in self.compensations:
            if found.id == id:
                return found
        raise NotFound(f"no compensation {id!r}", path="compensation", compensation=id)

    def current(self) -> tuple[Attempt, ...]:
        """The attempts of the plan in force, one for each tender: the last where a backup took over."""
        now, attempts = self.round, self.attempts
        if attempts:
            first, end = attempts[0], attempts[-1]
            # the first payment, and no backup took over: one attempt for each tender, in their order
            if first.round == end.round == now and end.tender - first.tender + 1 == len(attempts):
                return attempts
        found = [a for a in attempts if a.round == now]
        last = {a.tender: a for a in found}
        return tuple(found) if len(last) == len(found) else tuple(last.values())

    def having(
        self,
        attempts: tuple[Attempt, ...] | None = None,
        refunds: tuple[Refund, ...] | None = None,
        drawn: tuple[tuple[int, ...], ...] | None = None,
        plan: TenderPlan | None = None,
    ) -> Payments:
        """The same payments with other attempts, refunds, draws or plan."""
        return Payments(
            self.round,
            self.plan if plan is None else plan,
            self.attempts if attempts is None else attempts,
            self.refunds if refunds is None else refunds,
            self.drawn if drawn is None else drawn,
            self.carried, self.settled, self.compensations, self.forfeited, self.shares,
        )  # fmt: skip

    @property
    def secured(self) -> int:
        """Money in our hands or promised to us, less what was asked back, in minor units."""
        held = sum([a.covers for a in self.attempts])
        return held - self.refunded if self.refunds else held

    def keeps(self) -> bool:
        """Whether a payment has come to its end and its money counts."""
        return bool(self.carried) or self.taken()

    def taken(self) -> bool:
        """Whether all of the payment in force was taken, or is held to be taken later as agreed."""
        current = self.current()
        for attempt in current:
            if not (attempt.firm or attempt.given_up):
                return False
        return bool(current)

    @property
    def captured(self) -> int:
        """Money that counts as paid, in minor units: taken and not undone, or held to be taken later as agreed.
        Refunds are not subtracted."""
        return sum([a.counted for a in self.attempts])

    @property
    def received(self) -> int:
        """Money really taken and not undone, in minor units, cash as it was handed over."""
        return sum([a.captured - a.returned for a in self.attempts])

    @property
    def refunded(self) -> int:
        """Money asked back by refunds, arrived or not, in minor units."""
        return sum([refund.amount for refund in self.refunds])

    @property
    def refunded_now(self) -> int:
        """The same, of what is agreed today: without refunds from before an amendment, nor of what was paid
        above the price."""
        return sum([refund.amount for refund in self.refunds[self.settled :] if not refund.surplus])

    @property
    def given_up(self) -> bool:
        """Whether a refund of what is agreed today took all back, the unpaid and unearned rest of the sale too."""
        return any([refund.whole for refund in self.refunds[self.settled :]])

    def left(self, attempt: Attempt) -> int:
        """What of an attempt that counts as paid was not asked back, in minor units of the order's price."""
        gone = [
            leg.amount
            for refund in self.refunds
            for leg in refund.legs
            if leg.attempt == attempt.id
        ]
        return attempt.counted - sum(gone)

    @property
    def taken_back(self) -> int:
        """What payers' banks took back of what was not asked back by refunds, in minor units."""
        charged = [a for a in self.attempts if a.charged_back]
        return sum([min(a.charged_back, max(0, self.left(a))) for a in charged])

    @property
    def in_flight(self) -> bool:
        """Whether any attempt is live: nothing may be closed over it."""
        return any([a.live for a in self.attempts])

    def action(self) -> PaymentAction | None:
        """What the payer must still do, for the first attempt that waits."""
        for attempt in self.attempts:
            if attempt.state is _WAITING and attempt.round == self.round:
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
    if state not in _ASKED:
        return new
    if new is _S.DECLINED and (told or (taken and state is _S.RETURNING)):
        return None
    return _S.RETURNED if state is _S.RETURNING else new
