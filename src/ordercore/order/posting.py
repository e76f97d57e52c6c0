"""What each event writes into the books.

Every event's entries add up to zero (law L9). Money that comes is an advance until the sale is
earned; a refund leaves the shop's books when it is asked, and the channel's when it arrives.

| event | debit | credit |
| --- | --- | --- |
| captured | clearing, or the liability that was redeemed | advances |
| undone | advances | clearing, or the liability |
| revenue recognized | advances, funded discounts | revenue, shipping income, tax payable, duty collected |
| refund asked before that | advances | refunds in transit |
| refund asked after that | revenue, shipping income, tax payable, duty collected | refunds in transit, funded discounts |
| refund arrived | refunds in transit | clearing, or the liability |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ordercore.ledger import AccountKind, Entry
from ordercore.money import Percent
from ordercore.order.events import RevenueRecognized
from ordercore.order.evolve import FOLDS
from ordercore.order.order import charge_taxes
from ordercore.pricing import BORDER_CHARGES, ChargeKind
from ordercore.tender import AttemptState, RefundStatus, TenderKind, refunded_units
from ordercore.tender.events import AttemptAnswered, RefundAnswered, RefundRequested

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ordercore.event import Event
    from ordercore.order.order import Order
    from ordercore.pricing import Funder
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
    net = sum([part.net for part in event.goods])
    freight = sum([part.net for part in event.charges])
    taxes: dict[int, int] = {}
    for part in (*event.goods, *event.charges):
        if part.tax:
            taxes[part.ppm] = taxes.get(part.ppm, 0) + part.tax
    funded = {share.funder: share.amount for share in event.funded}
    advances = net + freight + sum(taxes.values()) + event.duties
    earned = _earned(net + sum(funded.values()), freight, taxes, event.duties, funded, -1)
    return (Entry(_A.ADVANCES, "", advances), *earned) if advances else earned


def _earned(
    revenue: int,
    freight: int,
    taxes: Mapping[int, int],
    duties: int,
    funded: Mapping[Funder, int],
    sign: int,
) -> tuple[Entry, ...]:
    """The accounts of an earned sale: credited (-1) when it is booked, debited (1) by a refund."""
    entries = [(_A.FUNDED_DISCOUNTS, who.value, -amount) for who, amount in funded.items()] + [
        (_A.REVENUE, "", revenue),
        (_A.SHIPPING_INCOME, "", freight),
        (_A.DUTY_COLLECTED, "", duties),
    ]
    entries += [(_A.TAX_PAYABLE, str(Percent(ppm)), tax) for ppm, tax in taxes.items()]
    return tuple(
        [Entry(account, detail, sign * amount) for account, detail, amount in entries if amount]
    )


def _refund_requested(before: Order, event: RefundRequested) -> tuple[Entry, ...]:
    refund = event.refund
    transit = Entry(_A.REFUNDS_IN_TRANSIT, "", -refund.amount)
    if not refund.recognized:
        return (Entry(_A.ADVANCES, "", refund.amount), transit) if refund.amount else ()
    content = before.content
    charges = {charge.id: charge for charge in content.charges}
    gone = refunded_units(before.payments)
    revenue = freight = duties = 0
    taxes: dict[int, int] = {}
    funded: dict[Funder, int] = {}
    for row in refund.rows:
        charge = charges.get(row.row)
        if charge is not None and charge.kind in BORDER_CHARGES:
            duties += row.amount
            continue
        if charge is None:
            revenue += row.net
        elif charge.kind is ChargeKind.SHIPPING:
            freight += row.net
        else:
            revenue += row.net
        levied = [(row.tax_ppm, row.tax)]
        if charge is not None:
            levied = [(part.ppm, part.tax) for part in charge_taxes(charge)]
        for ppm, tax in levied:
            taxes[ppm] = taxes.get(ppm, 0) + tax
        first = gone.get(row.row, 0)
        for who, amount in content.funded(row.row, first, row.units):
            funded[who] = funded.get(who, 0) + amount
            revenue += amount
    earned = _earned(revenue, freight, taxes, duties, funded, 1)
    return (*earned, transit) if refund.amount else earned


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
