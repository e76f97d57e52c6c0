"""An order paid in two parts: what the deposit pays, what of it may be kept, what the seller owes on default.

Sources: the Civil Code of the People's Republic of China, Art. 586 (earnest money is agreed in writing, at most
20 % of the price, and what is above that is no earnest money), Art. 587 (a payer in default loses it, a receiver
in default gives back twice as much) and Art. 588 (whoever claims it cannot claim an agreed penalty too).
The *price* is what the goods cost before an expanding deposit lowers it: 500.00, not 450.00, in
"pay 50.00, which count 100.00".
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from ordercore.allocation import allocate
from ordercore.errors import InvalidTenders
from ordercore.goods import LineId
from ordercore.money import Rounding, divide, to_minor
from ordercore.pricing import DepositKind, QuoteCharge, QuoteLine
from ordercore.tender.tenders import KINDS, TenderKind, checked_tender
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ordercore.pricing import Presale
    from ordercore.tender.policy import PaymentPolicy
    from ordercore.tender.tenders import Tender

__all__ = [
    "NOT_FOR_DEPOSITS",
    "Part",
    "PartKind",
    "check_offers",
    "doubled",
    "forfeitable",
    "part_rows",
    "parts",
    "tax_inside",
]

NOT_FOR_DEPOSITS: Mapping[TenderKind, str] = {
    TenderKind.POINTS: "points pay the balance, not the deposit",
    TenderKind.BALANCE: "a customer's balance pays the rest of the price, not the deposit",
    TenderKind.ON_DELIVERY: "a deposit is paid ahead, not on delivery",
}
"""Tenders that cannot pay a deposit, and why: it is lost in money, so it is paid in money."""


class PartKind(enum.Enum):
    """The parts of an order that is paid in two."""

    # a member is a singleton, so its identity may be its hash: at the speed of C
    __hash__ = object.__hash__

    DEPOSIT = "deposit"
    BALANCE = "balance"


@value
class Part:
    """One part of a price, in minor units, and when it may be paid: from ``opens`` (at once where there is none)
    until ``until``."""

    kind: PartKind
    amount: int
    opens: datetime | None
    until: datetime | None


def parts(
    presale: Presale, total: int, currency: str, pay_by: datetime | None = None
) -> tuple[Part, Part]:
    """The deposit, to be paid by ``pay_by``, and the balance in its window; they add up to ``total``."""
    deposit = to_minor(presale.deposit, currency)
    return (
        Part(PartKind.DEPOSIT, deposit, None, pay_by),
        Part(PartKind.BALANCE, total - deposit, presale.balance_from, presale.balance_until),
    )


def forfeitable(deposit: int, price: int, kind: DepositKind, policy: PaymentPolicy) -> int:
    """What of a deposit the seller may keep when the buyer lets the balance pass, in minor units.

    ``deposit`` is what was really paid. Earnest money is kept up to the cap of the policy, by default 20 % of
    ``price`` (Civil Code of China, Art. 586); a part paid ahead goes back whole.
    """
    if kind is DepositKind.ADVANCE:
        return 0
    return min(deposit, policy.forfeit_cap.times(price, Rounding.DOWN))


def doubled(deposit: int, price: int, kind: DepositKind, policy: PaymentPolicy) -> int:
    """What a seller in default gives beside the deposit itself, in minor units (Civil Code of China, Art. 587).

    As much again, of what counts as earnest money; nothing where the policy does not double it.
    """
    if kind is not DepositKind.EARNEST or not policy.double_earnest:
        return 0
    return forfeitable(deposit, price, kind, policy)


def tax_inside(amount: int, ppm: int, rounding: Rounding) -> int:
    """The tax that is included in ``amount`` at this rate, in minor units."""
    return divide(amount * ppm, 1_000_000 + ppm, rounding)


def part_rows(
    rows: Sequence[QuoteLine | QuoteCharge], amount: int
) -> tuple[QuoteLine | QuoteCharge, ...]:
    """The rows of an order, each owing its share of a part of the price, by what it owes in all.

    They stand for money alone: no tax, no units. A payment of a part is planned over them.
    """
    shares = allocate(amount, [row.total for row in rows])
    found: list[QuoteLine | QuoteCharge] = []
    for row, share in zip(rows, shares, strict=True):
        name = LineId(row.id)
        if isinstance(row, QuoteLine):
            found.append(
                QuoteLine(
                    name, row.sku, row.name, 1, share, share, 0, 0, 0, share, row.tax_category, 0,
                    False, 0, share, share, row.category, merchant=row.merchant,  # noqa: FBT003
                )
            )  # fmt: skip
        else:
            found.append(
                QuoteCharge(
                    name, row.name, share, row.tax_category, 0, False, 0, share, share, row.kind,  # noqa: FBT003
                )
            )  # fmt: skip
    return tuple(found)


def check_offers(offers: Sequence[Tender]) -> None:
    """Raise `InvalidTenders` for an offer that cannot pay a deposit."""
    for i, offer in enumerate(offers):
        checked_tender(offer, f"tenders[{i}]")
        reason = NOT_FOR_DEPOSITS.get(KINDS[type(offer)])
        if reason is not None:
            raise InvalidTenders(reason, path=f"tenders[{i}]", gateway=offer.gateway)
