"""Money that people hand over: bank transfers, cash at a till, cash on delivery.

No machine on the other side tells what became of it; somebody of the shop does (`OrderEngine.confirm_payment`,
`OrderEngine.confirm_refund`). So these gateways keep nothing: the engine's own record is the truth, and what they
cannot know they answer with *unknown*. Who asks twice is answered twice the same.

What is not known to have gone back is never said to be back: an undo of money that came waits until somebody says
that it was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import NotificationRefused
from ordercore.ledger import AccountKind
from ordercore.tender import (
    ActionKind,
    Capabilities,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import NoReturn

    from ordercore.clock import Clock
    from ordercore.ledger import Balance
    from ordercore.tender import ChargeRequest, RefundRequest

__all__ = ["CourierGateway", "ManualGateway", "TillGateway"]

_UNKNOWN = Outcome(OutcomeStatus.UNKNOWN)
_REFUND_UNKNOWN = RefundOutcome(RefundStatus.UNKNOWN)


def _transfer(request: ChargeRequest) -> str:
    """What to transfer, and under which reference."""
    return f"{request.money.amount} {request.currency}, reference {request.key}"


class _ByHand:
    """What all of them share: they keep nothing, and have nothing to look up or to hear."""

    def __init__(self, name: str, capabilities: Capabilities) -> None:
        self.name = name
        self.capabilities = capabilities

    def available(self, account: str, currency: str) -> int | None:  # noqa: ARG002
        """Nobody knows what the payer has."""
        return None

    def close(self, request: ChargeRequest) -> Outcome:
        """End an attempt for which nothing has come."""
        return self.void(request)

    def void(self, request: ChargeRequest) -> Outcome:
        """Nothing came, so nothing has to go back; of what came, somebody must say that it was sent back."""
        if request.captured:
            return _UNKNOWN
        return Outcome(OutcomeStatus.VOIDED, request.reference)

    def lookup(self, request: ChargeRequest) -> Outcome:  # noqa: ARG002
        """Nothing is kept here."""
        return _UNKNOWN

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """Somebody is to send the money; it has arrived when they say so."""
        return RefundOutcome(RefundStatus.ACCEPTED, request.key)

    def lookup_refund(self, request: RefundRequest) -> RefundOutcome:  # noqa: ARG002
        """Nothing is kept here."""
        return _REFUND_UNKNOWN

    def parse(self, headers: Mapping[str, str], body: bytes) -> NoReturn:  # noqa: ARG002
        """Nobody notifies."""
        raise NotificationRefused(f"nobody notifies of {self.name!r}", path="body")


class ManualGateway(_ByHand):
    """A bank transfer or remittance: the payer is told what to transfer, finance staff confirm what came.

    ``instructions`` makes the text that the payer is shown (account, amount, reference to quote); by default the
    amount and the attempt's key as the reference. ``currencies`` and the limits are as in `Capabilities`.
    """

    def __init__(
        self,
        name: str = "transfer",
        *,
        instructions: Callable[[ChargeRequest], str] = _transfer,
        currencies: tuple[str, ...] = (),
        amount_min: int = 0,
        amount_max: int | None = None,
    ) -> None:
        capabilities = Capabilities(
            currencies=currencies, amount_min=amount_min, amount_max=amount_max,
            confirmed_by_staff=True,
        )  # fmt: skip
        super().__init__(name, capabilities)
        self._instructions = instructions

    def authorize(self, request: ChargeRequest) -> Outcome:
        """Tell the payer what to do; the money comes when it comes."""
        text = self._instructions(request)
        action = PaymentAction(ActionKind.INSTRUCTIONS, text, request.expires_at, self.name)
        return Outcome(OutcomeStatus.WAITING, request.key, action=action)

    def capture(self, request: ChargeRequest) -> Outcome:  # noqa: ARG002
        """There is nothing to take: the payer sends it."""
        return _UNKNOWN


class CourierGateway(_ByHand):
    """Cash on delivery: promised at once, collected by the courier, and confirmed by staff with what was collected.

    Until the courier remits it, it stands on the account *COD with couriers*. A refused parcel is refunded like any
    other order: what was never collected is let go, what was prepaid goes back.
    """

    def __init__(
        self,
        name: str = "cod",
        *,
        currencies: tuple[str, ...] = (),
        amount_min: int = 0,
        amount_max: int | None = None,
    ) -> None:
        capabilities = Capabilities(
            captures_at_once=False, currencies=currencies, amount_min=amount_min,
            amount_max=amount_max, partial_capture=True, confirmed_by_staff=True,
        )  # fmt: skip
        super().__init__(name, capabilities)

    def authorize(self, request: ChargeRequest) -> Outcome:
        """The courier will collect it."""
        return Outcome(OutcomeStatus.AUTHORIZED, request.key)

    def capture(self, request: ChargeRequest) -> Outcome:
        """Whether it was collected is for the courier to say, unless nothing is left to be collected."""
        if not request.amount:
            return Outcome(OutcomeStatus.CAPTURED, request.reference)
        return _UNKNOWN


class TillGateway(_ByHand):
    """Cash at a till: in hand when it is paid, and handed back when it is refunded.

    ``float_minor`` is what lies in the till at the start of the day, in minor units by currency; what should lie
    there now follows from it and the books.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        float_minor: Mapping[str, int] | None = None,
        currencies: tuple[str, ...] = (),
    ) -> None:
        super().__init__(name, Capabilities(currencies=currencies))
        self._clock = clock
        self._float = dict(float_minor or {})

    def authorize(self, request: ChargeRequest) -> Outcome:
        """The cashier has it."""
        return Outcome(OutcomeStatus.CAPTURED, request.key, self._clock.now())

    def capture(self, request: ChargeRequest) -> Outcome:
        """It was taken at once."""
        return self.authorize(request)

    def void(self, request: ChargeRequest) -> Outcome:
        """The cashier hands it back."""
        return Outcome(OutcomeStatus.VOIDED, request.key)

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """The cashier hands it out."""
        return RefundOutcome(RefundStatus.ARRIVED, request.key, self._clock.now())

    def expected(self, books: Iterable[Balance]) -> dict[str, int]:
        """What should lie in the till by these balances, in minor units by currency."""
        found = dict(self._float)
        for balance in books:
            if balance.account is AccountKind.CASH and balance.detail == self.name:
                found[balance.currency] = found.get(balance.currency, 0) + balance.amount
        return found

    def difference(self, counted: Mapping[str, int], books: Iterable[Balance]) -> dict[str, int]:
        """What was counted above (or below) what should be there, by currency; only what differs."""
        should = self.expected(books)
        gaps = {
            currency: counted.get(currency, 0) - should.get(currency, 0)
            for currency in sorted({*should, *counted})
        }
        return {currency: gap for currency, gap in gaps.items() if gap}
