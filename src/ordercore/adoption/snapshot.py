"""What a host tells of an order that it already has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from ordercore.errors import InvalidSnapshot
from ordercore.goods import Manifest
from ordercore.money import Percent
from ordercore.order import Note
from ordercore.party import Address, Attribution, Party
from ordercore.pricing import SHIPPING, Cart, ChargeKind, OrderKind
from ordercore.tender import TenderKind
from ordercore.value import value

if TYPE_CHECKING:
    from ordercore.money import Money

__all__ = [
    "Snapshot",
    "SnapshotCharge",
    "SnapshotLine",
    "SnapshotPayment",
    "SnapshotRefund",
    "SnapshotShipment",
    "StatusMap",
]


@value
class SnapshotLine:
    """A line with the figures that the host has; those that it leaves out follow from the others.

    ``total`` is what the customer pays for the whole line, tax and discounts included.
    ``unit_price``, ``discount`` and ``freight`` are with tax or without it as ``tax_included`` says.
    ``tax`` is the tax of the whole line; without it, it is worked out at ``tax_rate``.
    At least one of ``unit_price`` and ``total`` is told.

    ``shipped`` and ``refunded`` are units, for a host that does not tell single shipments and refunds.
    ``status`` is a status of single items that the lifecycle lists.
    """

    sku: str
    quantity: int
    unit_price: Money | None = None
    total: Money | None = None
    tax_rate: Percent | None = None
    tax: Money | None = None
    tax_included: bool = True
    discount: Money | None = None
    freight: Money | None = None
    name: str = ""
    id: str = ""
    shipped: int | None = None
    refunded: int | None = None
    status: str = ""
    tax_category: str = "standard"
    category: str = ""
    attributes: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@value
class SnapshotCharge:
    """Shipping or a fee; ``total`` is what the customer pays for it, tax included."""

    total: Money
    id: str = SHIPPING
    kind: ChargeKind = ChargeKind.SHIPPING
    name: str = "Shipping"
    tax_rate: Percent | None = None
    tax: Money | None = None
    tax_category: str = "shipping"


@value
class SnapshotPayment:
    """Money that was taken. ``reference`` is the channel's name for the charge: refunds are asked under it.

    ``points`` are what a payment in points took, ``account`` the account or card that it came from. What counted as
    a price reduction, so that no tax stood on it, is told as a discount and not as a payment.
    ``settled``: the money was paid out to the shop; otherwise the channel still holds it.
    """

    gateway: str
    amount: Money
    reference: str = ""
    kind: TenderKind = TenderKind.CHANNEL
    points: int = 0
    account: str = attrs.field(default="", repr=False)
    at: datetime | None = None
    settled: bool = True


@value
class SnapshotRefund:
    """Money that went back, or is on its way.

    ``goods`` and ``charges`` are what it was for. A refund that names neither is of everything, if it is
    all that was left; otherwise it took something off the price.
    Without ``amount`` it is what those units cost. ``over`` tells how much went over which payment,
    by its place from 0; without it, all payments share in proportion to what they hold.
    ``arrived``: the payer has it; otherwise the gateway is asked about it, never for it again.
    """

    amount: Money | None = None
    goods: Manifest = Manifest()
    charges: tuple[str, ...] = ()
    arrived: bool = True
    reference: str = ""
    reason: str = ""
    at: datetime | None = None
    over: tuple[tuple[int, Money], ...] = ()


@value
class SnapshotShipment:
    """Goods that left together."""

    goods: Manifest
    at: datetime | None = None
    carrier: str = ""
    tracking: str = ""
    id: str = ""


@value
class Snapshot:
    """One order as the host has it, at the moment when it is taken over.

    ``number`` is what people call it and makes it the same order when it comes again; ``id`` is made
    where the host gives none. Either ``state`` is a state of ``lifecycle``, or ``status`` is the host's own
    word, which a `StatusMap` reads.

    ``discount`` is taken off all lines together, beside their own; ``total``, where it is told, must be what
    lines and charges come to. With ``cart`` the order is priced anew and its figures compared; it can then
    also be amended. ``lines`` may then be left out.

    ``entered_at`` is when it came into its state: by default the last moment that it tells of.
    ``recognized`` says whether the sale is booked as revenue already: by default, whether an order
    in that state is. ``valid`` is what came of its review: by default, what its state says of that.

    An order that waits for the balance of its presale tells its ``cart`` with the terms. ``kept`` is what the shop
    keeps for good of an order that will not be fulfilled: a deposit that was forfeited.
    Money that is only held is not told, for no channel can be asked to take it under another key: take it or let
    it go first. What was given beyond what was paid is not told either.
    """

    number: str
    currency: str
    placed_at: datetime
    lines: tuple[SnapshotLine, ...] = ()
    state: str = ""
    status: str = ""
    lifecycle: str = "standard"
    lifecycle_version: int | None = None
    id: str = ""
    shop: str = ""
    kind: OrderKind = OrderKind.REGULAR
    customer: Party = Party()
    address: Address = Address()
    charges: tuple[SnapshotCharge, ...] = ()
    discount: Money | None = None
    total: Money | None = None
    payments: tuple[SnapshotPayment, ...] = ()
    refunds: tuple[SnapshotRefund, ...] = ()
    shipments: tuple[SnapshotShipment, ...] = ()
    received_at: datetime | None = None
    entered_at: datetime | None = None
    pay_by: datetime | None = None
    recognized: bool | None = None
    valid: bool | None = None
    notes: tuple[Note, ...] = ()
    tags: tuple[str, ...] = ()
    assigned: str = ""
    attribution: Attribution = Attribution()
    extra: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    cart: Cart | None = attrs.field(default=None, repr=False)
    kept: Money | None = None


@value
class StatusMap:
    """What the host's words for a status mean: (lifecycle, state) by word."""

    states: Mapping[str, tuple[str, str]] = attrs.field(factory=dict, hash=False)

    def read(self, snapshot: Snapshot) -> tuple[str, str]:
        """The lifecycle and the state of an order; of one that tells its state, what it tells.

        Raises `InvalidSnapshot` for a word that the map does not have, and for an order without either.
        """
        if snapshot.state:
            return snapshot.lifecycle, snapshot.state
        if not snapshot.status:
            raise InvalidSnapshot("it tells neither a state nor a status", path="state")
        found = self.states.get(snapshot.status)
        if found is None:
            reason = f"the status {snapshot.status[:60]!r} is not mapped to a state"
            raise InvalidSnapshot(reason, path="status", allowed=tuple(self.states))
        return found
