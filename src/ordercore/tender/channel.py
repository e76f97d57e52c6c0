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


class ActionKind(enum.Enum):
    """What the payer must do."""

    QR_CODE = "qr_code"
    REDIRECT = "redirect"
    PARAMETERS = "parameters"
    """Parameters for the channel's own script or app (JSAPI, an SDK)."""


@value
class PaymentAction:
    """What the shopper must do now: show this code, go there, hand these parameters to the app."""

    kind: ActionKind
    content: str = attrs.field(default="", repr=False)
    expires_at: datetime | None = None
    gateway: str = ""


@value
class Outcome:
    """A gateway's answer about one charge. ``at`` is the channel's own time of success."""

    status: OutcomeStatus
    reference: str = ""
    at: datetime | None = None
    reason: str = ""
    action: PaymentAction | None = None


@value
class ChargeRequest:
    """A charge as it is asked of a gateway. ``key`` is the idempotency key: the same key moves money once.

    ``customer`` is whom the order belongs to: an account of somebody else is not to be charged.
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
class RefundOutcome:
    """A gateway's answer about one refund."""

    status: RefundStatus
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
    """A verified notification: about the charge, or the refund, with this ``key``."""

    event_id: str
    key: str
    outcome: Outcome | RefundOutcome
    reply: ChannelReply = ChannelReply()
    amount: int | None = None
    currency: str = ""


@value
class Capabilities:
    """What a gateway can do, as it declares it.

    ``captures_at_once``: authorize answers *captured* and there is no capture.
    """

    captures_at_once: bool = True
    closes: bool = True
    refunds_max: int = 50
    refund_spacing: timedelta = timedelta(0)
    refund_window: timedelta = timedelta(days=365)
    currencies: tuple[str, ...] = ()
    amount_min: int = 0
    amount_max: int | None = None
