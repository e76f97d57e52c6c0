"""What passes between the engine and a payment gateway.

A gateway answers with an `Outcome`; it raises `ordercore.errors.GatewayTimeout` when it got no answer,
which is the same as the outcome *unknown*. Amounts are minor units of ``currency``.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from ordercore.money import from_minor
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.money import Money

__all__ = [
    "ActionKind",
    "Capabilities",
    "ChannelReply",
    "ChargeRequest",
    "Chargeback",
    "CreditRequest",
    "Failure",
    "FundShare",
    "Notification",
    "Outcome",
    "OutcomeStatus",
    "PaymentAction",
    "RefundOutcome",
    "RefundRequest",
    "RefundStatus",
]


class OutcomeStatus(enum.Enum):
    """What a gateway says of a charge."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    AUTHORIZED = "authorized"
    """The money is held for us, not yet taken."""
    CAPTURED = "captured"
    """The money is ours."""
    WAITING = "waiting"
    """The payer must act (see `Outcome.action`), or the channel still works on it."""
    DECLINED = "declined"
    """No money was moved and none will be."""
    VOIDED = "voided"
    """What was held or taken has been given back, and the key is dead."""
    TOO_EARLY = "too_early"
    """The channel does not close this attempt yet; ask again later."""
    UNKNOWN = "unknown"
    """The gateway cannot tell; ask again under the same key."""


class Failure(enum.Enum):
    """Why a charge was declined, as far as it decides what is done next."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    DECLINED = "declined"
    """The payer's side says no (no funds, a lost card): only the customer can mend it."""
    SOFT = "soft"
    """This channel will not take it now, though another may; it has moved nothing and will move nothing."""
    NOT_SENT = "not_sent"
    """Nothing has reached the channel: it was not called, or it refused the call before it did anything."""


class ActionKind(enum.Enum):
    """What the payer must do."""

    QR_CODE = "qr_code"
    REDIRECT = "redirect"
    PARAMETERS = "parameters"
    """Parameters for the channel's own script or app (JSAPI, an SDK)."""
    INSTRUCTIONS = "instructions"
    """What to transfer, to which account, under which reference; somebody of the shop confirms it."""


@value
class PaymentAction:
    """What the shopper must do now: show this code, go there, hand these parameters to the app."""

    kind: ActionKind
    content: str = attrs.field(default="", repr=False)
    expires_at: datetime | None = None
    gateway: str = ""


@value
class Outcome:
    """A gateway's answer about one charge. ``at`` is the channel's own time of success.

    ``failure`` goes with *declined*; without one it is the customer's to mend. ``amount`` is what is held
    (*authorized*) or was taken in all under this key (*captured*), in minor units; ``None`` is what was asked.
    ``expires_at`` is until when an authorization holds.
    """

    status: OutcomeStatus
    reference: str = ""
    at: datetime | None = None
    reason: str = ""
    action: PaymentAction | None = None
    failure: Failure | None = None
    amount: int | None = None
    expires_at: datetime | None = None


@value
class FundShare:
    """Whose money a part of a charge will be, in minor units: for channels that split funds themselves."""

    merchant: str
    amount: int


@value
class ChargeRequest:
    """A charge as it is asked of a gateway. ``key`` is the idempotency key: the same key moves money once.

    ``customer`` is whom the order belongs to: an account of somebody else is not to be charged.
    For a capture ``amount`` is what to take now, ``captured`` what was taken before under this key: both
    together name one capture, so the same call again is the same capture. ``final``: no further capture
    will come, so the rest of what is held is let go; a last capture of 0 takes nothing more and does just that.
    ``shares`` are told at payment to a channel that splits funds.
    """

    key: str
    order_id: str
    amount: int
    currency: str
    account: str = attrs.field(default="", repr=False)
    points: int = 0
    expires_at: datetime | None = None
    reference: str = ""
    customer: str = ""
    captured: int = 0
    final: bool = True
    shares: tuple[FundShare, ...] = ()

    @property
    def money(self) -> Money:
        """The amount for adapters that speak `moneyed`."""
        return from_minor(self.amount, self.currency)


class RefundStatus(enum.Enum):
    """What a gateway says of a refund."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ACCEPTED = "accepted"
    """The channel will do it; the money is under way."""
    ARRIVED = "arrived"
    """The payer has it."""
    FAILED = "failed"
    """It will not arrive by this way; nothing was moved."""
    UNKNOWN = "unknown"


@value
class RefundRequest:
    """A refund as it is asked of a gateway; ``charge`` is the charge's key, ``reference`` the channel's name for it."""

    key: str
    charge: str
    reference: str
    amount: int
    currency: str
    points: int = 0
    reason: str = ""

    @property
    def money(self) -> Money:
        """The amount for adapters that speak `moneyed`."""
        return from_minor(self.amount, self.currency)


@value
class CreditRequest:
    """Money to be put on an account that is not the origin of any charge: a refund to balance, a compensation.

    ``key`` is the idempotency key: the same key credits once, and answers as the first time.
    """

    key: str
    order_id: str
    account: str = attrs.field(repr=False)
    amount: int
    currency: str
    points: int = 0
    customer: str = ""
    reason: str = ""

    @property
    def money(self) -> Money:
        """The amount for adapters that speak `moneyed`."""
        return from_minor(self.amount, self.currency)


@value
class RefundOutcome:
    """A gateway's answer about one refund or credit.

    *Failed* is for good: the payer has nothing of it, and will have nothing. It outweighs *arrived*, told before it
    or after it: then the money came back.
    """

    status: RefundStatus
    reference: str = ""
    at: datetime | None = None
    reason: str = ""


@value
class Chargeback:
    """A payer's bank has taken money back over a charge, in minor units; ``fee`` is what the channel asks for it.

    ``reference`` is the channel's name of the dispute, ``at`` its time.
    """

    amount: int
    fee: int = 0
    reference: str = ""
    at: datetime | None = None
    reason: str = ""


@value
class ChannelReply:
    """What a channel wants to hear back after a notification."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


@value
class Notification:
    """A verified notification: about the charge, or the refund, with this ``key``.

    ``event_id`` is the channel's own name of it; the engine takes one in once. ``sent_at`` is when the channel
    sent it, where it signs that: the engine refuses one that is older than its replay window.
    ``irrelevant``: it is genuine, but speaks of nothing that the engine keeps; it is answered and dropped.
    """

    event_id: str
    key: str
    outcome: Outcome | RefundOutcome | Chargeback
    reply: ChannelReply = ChannelReply()
    amount: int | None = None
    currency: str = ""
    sent_at: datetime | None = None
    irrelevant: bool = False


@value
class Capabilities:
    """What a gateway can do, as it declares it. The engine keeps to it before it calls.

    ``captures_at_once``: authorize answers *captured* and there is no capture. ``partial_capture``: less than
    what was authorized may be taken, once; ``multi_capture``: several times. ``refunds_max`` is per charge,
    ``refund_spacing`` between two refunds of one charge, ``refund_window`` from the charge's success.
    ``credits``: it puts money on accounts (`ordercore.ports.CreditGateway`). ``splits_funds``: it wants to be
    told at payment whose money it is. ``confirmed_by_staff``: nobody outside tells what became of a charge,
    somebody of the shop does. An empty tuple of currencies is any.
    """

    captures_at_once: bool = True
    closes: bool = True
    refunds_max: int = 50
    refund_spacing: timedelta = timedelta(0)
    refund_window: timedelta = timedelta(days=365)
    currencies: tuple[str, ...] = ()
    amount_min: int = 0
    amount_max: int | None = None
    partial_capture: bool = False
    multi_capture: bool = False
    credits: bool = False
    splits_funds: bool = False
    confirmed_by_staff: bool = False
