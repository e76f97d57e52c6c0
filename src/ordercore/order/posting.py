"""What each event writes into the books.

Every event's entries add up to zero (law L9). Money that comes is an advance until the sale is
earned; a refund leaves the shop's books when it is asked, and the channel's when it arrives.

| event | debit | credit |
| --- | --- | --- |
| adopted | opening balance | advances, refunds in transit |
| captured | clearing, or the liability that was redeemed | advances |
| undone | advances | clearing, or the liability |
| revenue recognized | advances, funded discounts | revenue, shipping income, tax payable, duty collected |
| refund asked before that | advances | refunds in transit |
| refund asked after that | revenue, shipping income, tax payable, duty collected | refunds in transit, funded discounts |
| refund arrived | refunds in transit | clearing, or the liability |

An order that is adopted was paid elsewhere: the opening balance, by gateway, is what the former books hold
against the customer's advance. Of a sale that is earned nothing is open but refunds on their way.

Tax payable stands by rate ("19"), and by component where a row bears several ("GST 5"). What third parties
repay of the shipping is shipping income, the rest of it is revenue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.ledger import AccountKind, Entry
from ordercore.money import Percent
from ordercore.order.events import Adopted, RevenueRecognized
from ordercore.order.evolve import FOLDS
from ordercore.order.order import row_taxes
from ordercore.pricing import BORDER_CHARGES, ChargeKind, QuoteLine
from ordercore.tender import AttemptState, RefundStatus, TenderKind, refunded_units
from ordercore.tender.events import AttemptAnswered, RefundAnswered, RefundRequested

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.event import Event
    from ordercore.order.order import Order
    from ordercore.pricing import Funder
    from ordercore.tender import Attempt, Payments

__all__ = ["POSTINGS", "SIDES", "outside", "posting"]

_A = AccountKind
SIDES: Mapping[TenderKind, AccountKind] = {
    TenderKind.POINTS: _A.POINTS_LIABILITY,
    TenderKind.BALANCE: _A.STORED_VALUE_LIABILITY,
    TenderKind.STORED_VALUE: _A.STORED_VALUE_LIABILITY,
    TenderKind.CHANNEL: _A.CLEARING,
}
"""The account that the money of a tender comes from, by gateway."""


def outside(payments: Payments, attempt: Attempt) -> int:
    """What of an attempt's money was taken and has not arrived back, in minor units."""
    arrived = [
        leg.amount
        for refund in payments.refunds
        for leg in refund.legs
        if leg.attempt == attempt.id and leg.arrived
    ]
    return attempt.captured - attempt.returned - sum(arrived)


def _to_earn(event: Adopted) -> int:
    """What the customer pays for all that was not refunded."""
    content = event.content
    gone = refunded_units(event.payments)
    sums = sum([charge.total for charge in content.charges if not gone.get(charge.id)])
    for line in content.lines:
        first = gone.get(line.id, 0)
        sums += line.units(first, line.quantity - first).total if first else line.total
    return sums


def _adopted(_before: Order, event: Adopted) -> tuple[Entry, ...]:
    payments = event.payments
    held = payments.captured - payments.refunded
    advances = 0 if event.recognized else min(held, _to_earn(event))
    stays = held - advances  # earned in the former books: the sale, or what was kept of a refund
    opening: dict[tuple[AccountKind, str], int] = {}
    transit = 0
    for attempt in payments.attempts:
        here = outside(payments, attempt)
        left = payments.left(attempt)
        transit += here - left
        part = min(stays, left)
        stays -= part
        # a part that was earned in the former books opens nothing; of money that the channel still holds
        # it stands against what was paid out before
        side = (_A.OPENING, attempt.gateway)
        opening[side] = opening.get(side, 0) - part
        if attempt.id in event.unsettled:
            side = (SIDES[attempt.kind], attempt.gateway)
        opening[side] = opening.get(side, 0) + here
    found = [Entry(kind, gateway, amount) for (kind, gateway), amount in opening.items()]
    found += [Entry(_A.ADVANCES, "", -advances), Entry(_A.REFUNDS_IN_TRANSIT, "", -transit)]
    return tuple([entry for entry in found if entry.amount])


def _answered(before: Order, event: AttemptAnswered) -> tuple[Entry, ...]:
    attempt: Attempt = before.payments.attempt(event.attempt)
    if event.state is AttemptState.CAPTURED:
        amount = attempt.amount - (attempt.captured - attempt.returned)
    elif event.state is AttemptState.RETURNED:
        amount = -(attempt.captured - attempt.returned)
    else:
        return ()
    if not amount:
        return ()
    return (
        Entry(SIDES[attempt.kind], attempt.gateway, amount),
        Entry(_A.ADVANCES, "", -amount),
    )


def _payable(ppm: int, name: str) -> str:
    """The account of a tax: its percent, after its name where a row bears several."""
    return f"{name} {Percent(ppm)}" if name else str(Percent(ppm))


class _Sale:
    """What is earned, or taken back: the sums of each account, credit above zero."""

    __slots__ = ("duties", "freight", "funded", "revenue", "taxes")

    def __init__(self) -> None:
        self.revenue = self.freight = self.duties = 0
        self.taxes: dict[str, int] = {}
        self.funded: dict[Funder, int] = {}

    def earn(self, net: int, *, shipping: bool) -> None:
        if shipping:
            self.freight += net
        else:
            self.revenue += net

    def levy(self, ppm: int, name: str, tax: int) -> None:
        if tax:
            detail = _payable(ppm, name)
            self.taxes[detail] = self.taxes.get(detail, 0) + tax

    def fund(self, who: Funder, amount: int, *, shipping: bool) -> None:
        """What a third party pays is earned as what the customer pays is."""
        self.funded[who] = self.funded.get(who, 0) + amount
        self.earn(amount, shipping=shipping)

    def entries(self, sign: int) -> tuple[Entry, ...]:
        """Credited (-1) when the sale is booked, debited (1) by a refund."""
        found = [(_A.FUNDED_DISCOUNTS, who.value, -amount) for who, amount in self.funded.items()]
        found += [
            (_A.REVENUE, "", self.revenue),
            (_A.SHIPPING_INCOME, "", self.freight),
            (_A.DUTY_COLLECTED, "", self.duties),
        ]
        found += [(_A.TAX_PAYABLE, detail, tax) for detail, tax in self.taxes.items()]
        return tuple(
            [Entry(account, detail, sign * amount) for account, detail, amount in found if amount]
        )


def _recognized(_before: Order, event: RevenueRecognized) -> tuple[Entry, ...]:
    sale = _Sale()
    sale.duties = event.duties
    advances = event.duties
    for parts, funded, shipping in (
        (event.goods, event.funded, False),
        (event.charges, event.charges_funded, True),
    ):
        for part in parts:
            sale.earn(part.net, shipping=shipping)
            sale.levy(part.ppm, part.name, part.tax)
            advances += part.net + part.tax
        for share in funded:
            sale.fund(share.funder, share.amount, shipping=shipping)
    earned = sale.entries(-1)
    return (Entry(_A.ADVANCES, "", advances), *earned) if advances else earned


def _refund_requested(before: Order, event: RefundRequested) -> tuple[Entry, ...]:
    refund = event.refund
    transit = Entry(_A.REFUNDS_IN_TRANSIT, "", -refund.amount)
    if not (refund.recognized and refund.rows):
        return (Entry(_A.ADVANCES, "", refund.amount), transit) if refund.amount else ()
    content = before.content
    rows = {row.id: row for row in content.rows()}
    gone = refunded_units(before.payments)
    sale = _Sale()
    for back in refund.rows:
        row = rows[back.row]
        kind = None if isinstance(row, QuoteLine) else row.kind
        if kind in BORDER_CHARGES:
            sale.duties += back.amount
            continue
        shipping = kind is ChargeKind.SHIPPING
        first = gone.get(back.row, 0)
        sale.earn(back.net, shipping=shipping)
        if row.parts:
            for part in row_taxes(row, first, back.units):
                sale.levy(part.ppm, part.name, part.tax)
        else:
            sale.levy(back.tax_ppm, "", back.tax)
        if row.funded:
            for who, amount in content.funded(back.row, first, back.units):
                sale.fund(who, amount, shipping=shipping)
    earned = sale.entries(1)
    return (*earned, transit) if refund.amount else earned


def _refund_answered(before: Order, event: RefundAnswered) -> tuple[Entry, ...]:
    if event.status is not RefundStatus.ARRIVED:
        return ()
    leg = before.payments.refund(event.refund).legs[event.leg]
    attempt = before.payments.attempt(leg.attempt)
    return (
        Entry(_A.REFUNDS_IN_TRANSIT, "", leg.amount),
        Entry(SIDES[attempt.kind], attempt.gateway, -leg.amount),
    )


POSTINGS: Mapping[type[Event], Callable[[Order, Any], tuple[Entry, ...]]] = {
    Adopted: _adopted,
    AttemptAnswered: _answered,
    RevenueRecognized: _recognized,
    RefundRequested: _refund_requested,
    RefundAnswered: _refund_answered,
}
"""The events that move money in the books; the others write nothing."""


def posting(before: Order, events: tuple[Event, ...]) -> tuple[Entry, ...]:
    """The entries of ``events``; ``before`` is the order in front of them.

    Events of one change speak of different attempts, legs and rows, so each is posted from the order
    before them all; only a second word on one attempt is posted from what the first made of it.
    """
    entries: list[Entry] = []
    told: list[str] = []
    for i, event in enumerate(events):
        post = POSTINGS.get(type(event))
        if post is None:
            continue
        now = before
        if type(event) is AttemptAnswered:
            if event.attempt in told:
                for earlier in events[:i]:
                    now = FOLDS[type(earlier)](now, earlier, now.entered_at)
            told.append(event.attempt)
        entries += post(now, event)
    return tuple(entries)
