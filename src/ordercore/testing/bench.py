"""What a payment machine runs over: a shop, and the world outside of it that pays, tells and goes wrong.

`PaymentBench` is what `ordercore.testing.PaymentMachine` asks for. A host writes one over its own store and
gateways (a sandbox, a fake server) and gives it to the machine; `ordercore.testing.MemoryBench` ships.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.adapters.memory import Captures
from ordercore.tender import CaptureMoment, LateMoney, Overpaid, StrandedRefund
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from ordercore.clock import SettableClock
    from ordercore.engine import OrderEngine
    from ordercore.ledger import StatementRow
    from ordercore.order import Order
    from ordercore.ports import OrderStore
    from ordercore.pricing import Cart
    from ordercore.tender import Failure
    from ordercore.tender.tenders import Tender
    from ordercore.testing.doubles import FaultyGateway

__all__ = ["ChargeSeen", "Letter", "PaymentBench", "PaymentSetting", "RefundSeen"]


@value
class PaymentSetting:
    """What shops settle differently: a bench is opened with one."""

    capture: CaptureMoment = CaptureMoment.AT_ONCE
    captures: Captures = Captures.SEVERAL
    late: LateMoney = LateMoney.RETURN
    overpaid: Overpaid = Overpaid.RETURN
    stranded: StrandedRefund = StrandedRefund.ALERT
    currency: str = "CNY"
    payable_for_ever: bool = False
    """Whether a code that was closed or declined can be paid all the same."""
    spaced: bool = False
    """Whether the wallet's refunds come a minute apart, and arrive later."""
    points_in_steps: int = 1


@value
class Letter:
    """A notification as it lies in the post: of which gateway, and what it says."""

    gateway: str
    headers: Mapping[str, str]
    body: bytes


@value
class ChargeSeen:
    """What the other side knows of one charge, in minor units.

    ``taken`` is what it took and did not give back by an undo, ``held`` what it may still take, ``charged_back``
    what the payer's bank took back (with what the channel asks for that).
    """

    gateway: str
    taken: int
    held: int = 0
    charged_back: int = 0


@value
class RefundSeen:
    """What the other side knows of one refund or credit, in minor units; ``arrived``: it is not only under way."""

    gateway: str
    amount: int
    arrived: bool


class PaymentBench:
    """A shop and its outside. Overwrite all of it but what says so.

    ``clock`` is the true time; ``gateways`` are those of the shop, each wrapped so that it can fail; ``offers``
    are the tenders that `offer` makes, ``open_offers`` those among them that may pay whatever is left.
    """

    clock: SettableClock
    store: OrderStore
    gateways: Mapping[str, FaultyGateway]
    offers: tuple[str, ...]
    open_offers: tuple[str, ...]

    # --- The shop ------------------------------------------------------------------------------

    def worker(self, ahead: timedelta) -> OrderEngine:
        """A process of its own over the same ports, whose machine's clock is so far ahead of the true time."""
        raise NotImplementedError

    def cart(self, number: int) -> Cart:
        """One of a few carts of one customer."""
        raise NotImplementedError

    def offer(self, name: str, amount: int | None) -> Tender:
        """One of ``offers``: so many minor units, or without an amount whatever is left."""
        raise NotImplementedError

    # --- What the outside does -----------------------------------------------------------------

    def payers(self) -> tuple[str, ...]:
        """Keys of charges whose payer may still act, in whatever way the channel lets them."""
        raise NotImplementedError

    def pay(self, key: str, amount: int | None = None) -> None:
        """The payer of a charge pays what was asked, or another amount; the channel writes a letter."""
        raise NotImplementedError

    def turn_down(self, key: str) -> None:
        """The payer of a charge has no funds; the channel writes a letter."""
        raise NotImplementedError

    def under_way(self) -> tuple[str, ...]:
        """Keys of refunds that channels have accepted and that have not arrived."""
        raise NotImplementedError

    def landed(self) -> tuple[str, ...]:
        """Keys of refunds that have arrived and may still bounce off the payer's bank."""
        return ()

    def land(self, key: str, *, arrives: bool) -> None:
        """A refund under way arrives, or fails for good; the channel writes a letter."""
        raise NotImplementedError

    def charge_back(self, key: str, amount: int, fee: int) -> None:
        """The payer's bank takes money of a charge back; the channel writes a letter."""
        raise NotImplementedError

    def letters(self) -> Sequence[Letter]:
        """Every letter that channels have written so far, oldest first."""
        raise NotImplementedError

    def sign_anew(self, letter: Letter) -> Letter:
        """The letter as its channel sends it again now."""
        raise NotImplementedError

    def spoil(self, letter: Letter, how: str) -> Letter | None:
        """The letter with a wrong ``signature``, ``amount`` or ``currency``; ``None`` where it tells no such thing."""
        raise NotImplementedError

    def decline(self, gateway: str, failure: Failure | None) -> None:
        """Let a gateway decline all that is new, in this way."""
        raise NotImplementedError

    def stick(self, gateway: str) -> None:
        """Let all further refunds of a gateway fail for good."""
        raise NotImplementedError

    def mend(self) -> None:
        """End all troubles: gateways answer and take money as they should."""
        raise NotImplementedError

    # --- What there is to see ------------------------------------------------------------------

    def charges(self) -> Mapping[str, ChargeSeen]:
        """Every charge by its key, of gateways that keep a record of their own."""
        raise NotImplementedError

    def refunds(self) -> Mapping[str, RefundSeen]:
        """Every refund and credit that was not refused, by its key, of gateways that keep a record of their own."""
        raise NotImplementedError

    def bounced(self) -> frozenset[str]:
        """Keys of refunds that had arrived and came back: an order may not have heard of it yet."""
        return frozenset()

    def paid_late(self) -> frozenset[str]:
        """Keys of charges that a payer may have paid after the channel had said that nothing was taken."""
        return frozenset()

    def contradictions(self) -> Sequence[str]:
        """Calls under a key that had stood for something else, in words; none where nobody can tell."""
        return ()

    def statement(self, gateway: str) -> Sequence[StatementRow]:
        """What the gateway's statement says of all time."""
        raise NotImplementedError

    def goods_held(self, order: Order) -> dict[str, int] | None:
        """Units by sku that are promised to an order; ``None`` where nobody can tell."""
        raise NotImplementedError

    def goods_promised(self) -> dict[str, int] | None:
        """Units by sku that are promised to whomever; ``None`` where nobody can tell."""
        return None

    def check(self) -> None:
        """Further laws of this outside, once all is quiet."""
