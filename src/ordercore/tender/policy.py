"""How a shop handles money that comes late, goes back, or is kept."""

from __future__ import annotations

import enum
from datetime import timedelta

from ordercore.errors import InvalidPolicy
from ordercore.money import Percent
from ordercore.tender.attempt import RefundSplit
from ordercore.value import value

__all__ = ["LateMoney", "Overpaid", "PaymentPolicy", "StrandedRefund"]


class LateMoney(enum.Enum):
    """What becomes of money that arrives for a closed order (law L21)."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    RETURN = "return"
    """It goes back."""
    REVIVE = "revive"
    """The order lives again if its goods and codes can be had again; else the money goes back."""
    HOLD = "hold"
    """It is kept until somebody decides: recover the order, or refund it."""


class Overpaid(enum.Enum):
    """What becomes of money above what was asked: a transfer of 60.00 for 50.00."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    RETURN = "return"
    """The difference goes back at once."""
    KEEP = "keep"
    """It is kept, and owed (`Order.owed`), until staff gives it back."""


class StrandedRefund(enum.Enum):
    """What becomes of a part of a refund that its channel cannot pay: an expired card, a window that has passed."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    ALERT = "alert"
    """Somebody must look, and choose another way."""
    TO_BALANCE = "to_balance"
    """It goes to the customer's balance, where the customer has agreed to that; else somebody must look."""


@value
class PaymentPolicy:
    """``late``, ``overpaid``, ``refund_split`` and ``stranded`` say what becomes of money.

    ``balance`` is the gateway to which money goes that cannot go back by its way; it must put money on accounts.
    ``replay_window`` is how old a signed notification may be (Stripe's own kit: 300 seconds).
    ``double_earnest``: a seller who calls a presale off gives as much again as the earnest money that was paid
    (Civil Code of China, Art. 587), as a compensation. ``forfeit_cap`` is what of the price a deposit may be kept at most: 20 % by Art. 586 of the Civil Code of
    China. ``forfeited_tax`` is the tax that stands on what is kept, included in it: none by default (EU: outside
    the scope of VAT, case C-277/05; in the UK it is taxable since 2019-03-01, HMRC Brief 13/2018).
    """

    late: LateMoney = LateMoney.RETURN
    overpaid: Overpaid = Overpaid.RETURN
    refund_split: RefundSplit = RefundSplit.BY_ROW
    stranded: StrandedRefund = StrandedRefund.ALERT
    balance: str = "balance"
    replay_window: timedelta = timedelta(seconds=300)
    forfeit_cap: Percent = Percent.of("20")
    forfeited_tax: Percent | None = None
    double_earnest: bool = True

    def check(self, path: str = "payments") -> None:
        """Raise `InvalidPolicy` for a cap above everything and for spans that are not positive."""
        if self.forfeit_cap.ppm > 1_000_000:
            raise InvalidPolicy("a cap is at most 100 %", path=f"{path}.forfeit_cap")
        if self.replay_window <= timedelta(0):
            raise InvalidPolicy("it is positive", path=f"{path}.replay_window")
