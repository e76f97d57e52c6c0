"""What each event writes into the books.

Every event's entries add up to zero (law L9). Money that comes is an advance until the sale is
earned; a refund leaves the shop's books when it is asked, and the channel's when it arrives.

| event | debit | credit |
| --- | --- | --- |
| captured | clearing, or the liability that was redeemed | advances |
| undone | advances | clearing, or the liability |
| revenue recognized | advances | revenue, shipping income, tax payable |
| refund asked before that | advances | refunds in transit |
| refund asked after that | revenue, shipping income, tax payable | refunds in transit |
| refund arrived | refunds in transit | clearing, or the liability |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.ledger import AccountKind, Entry
from ordercore.money import Percent
from ordercore.order.events import RevenueRecognized
from ordercore.order.evolve import FOLDS
from ordercore.pricing import SHIPPING
from ordercore.tender import AttemptState, RefundStatus, TenderKind
from ordercore.tender.events import AttemptAnswered, RefundAnswered, RefundRequested

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.event import Event
    from ordercore.order.order import Order
    from ordercore.tender import Attempt

__all__ = ["POSTINGS", "posting"]

_A = AccountKind
_SIDE: Mapping[TenderKind, AccountKind] = {
    TenderKind.POINTS: _A.POINTS_LIABILITY,
    TenderKind.BALANCE: _A.STORED_VALUE_LIABILITY,
    TenderKind.STORED_VALUE: _A.STORED_VALUE_LIABILITY,
    TenderKind.CHANNEL: _A.CLEARING,
}


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
        Entry(_SIDE[attempt.kind], attempt.gateway, amount),
        Entry(_A.ADVANCES, "", -amount),
    )


def _recognized(_before: Order, event: RevenueRecognized) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    net = sum([part.net for part in event.goods])
    freight = sum([part.net for part in event.charges])
    taxes: dict[int, int] = {}
    for part in (*event.goods, *event.charges):
        if part.tax:
            taxes[part.ppm] = taxes.get(part.ppm, 0) + part.tax
    advances = net + freight + sum(taxes.values())
    if advances:
        entries.append(Entry(_A.ADVANCES, "", advances))
    if net:
        entries.append(Entry(_A.REVENUE, "", -net))
    if freight:
        entries.append(Entry(_A.SHIPPING_INCOME, "", -freight))
    entries += [Entry(_A.TAX_PAYABLE, str(Percent(ppm)), -tax) for ppm, tax in taxes.items()]
    return tuple(entries)


def _refund_requested(_before: Order, event: RefundRequested) -> tuple[Entry, ...]:
    refund = event.refund
    if not refund.amount:
        return ()
    transit = Entry(_A.REFUNDS_IN_TRANSIT, "", -refund.amount)
    if not refund.recognized:
        return (Entry(_A.ADVANCES, "", refund.amount), transit)
    entries: list[Entry] = []
    net = sum([row.net for row in refund.rows if row.row != SHIPPING])
    freight = sum([row.net for row in refund.rows if row.row == SHIPPING])
    taxes: dict[int, int] = {}
    for row in refund.rows:
        if row.tax:
            taxes[row.tax_ppm] = taxes.get(row.tax_ppm, 0) + row.tax
    if net:
        entries.append(Entry(_A.REVENUE, "", net))
    if freight:
        entries.append(Entry(_A.SHIPPING_INCOME, "", freight))
    entries += [Entry(_A.TAX_PAYABLE, str(Percent(ppm)), tax) for ppm, tax in taxes.items()]
    return (*entries, transit)


def _refund_answered(before: Order, event: RefundAnswered) -> tuple[Entry, ...]:
    if event.status is not RefundStatus.ARRIVED:
        return ()
    leg = before.payments.refund(event.refund).legs[event.leg]
    attempt = before.payments.attempt(leg.attempt)
    return (
        Entry(_A.REFUNDS_IN_TRANSIT, "", leg.amount),
        Entry(_SIDE[attempt.kind], attempt.gateway, -leg.amount),
    )


POSTINGS: Mapping[type[Event], Callable[[Order, Any], tuple[Entry, ...]]] = {
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
