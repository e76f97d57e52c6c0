"""Instalments: a deposit first, the balance in a window of its own, and what is kept where it does not come.

Theory of operation. The first payment pays the deposit alone: its plan is over a part of the price. When that is
taken the order moves by ``pay_deposit``; the next payment carries it and pays the whole price. Both windows are
absolute moments, so a payment is refused by the clock and not by whether a sweep came by: one that finds the
window open while the order still waits for it opens it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ordercore.errors import InvalidTenders
from ordercore.lifecycle.timer import TimerAction
from ordercore.order.facts import deposit_taken
from ordercore.order.rules.deciding import Refusal
from ordercore.pricing.presale import EXPANSION
from ordercore.tender import AttemptState, ChannelPick, Compensation
from ordercore.tender.events import CompensationGranted, Forfeited
from ordercore.tender.instalment import (
    NOT_FOR_DEPOSITS,
    check_offers,
    doubled,
    forfeitable,
    part_rows,
    tax_inside,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.order.order import Order
    from ordercore.order.rules.deciding import Deciding, Situation
    from ordercore.pricing import QuoteCharge, QuoteLine
    from ordercore.tender import PlannedTender, Tender

__all__ = [
    "DOUBLED",
    "OPEN",
    "PAY_DEPOSIT",
    "check_tenders",
    "covered",
    "double",
    "forfeits",
    "go_on",
    "goods_price",
    "keep",
    "open_window",
    "opens",
    "picks_now",
    "rows_asked",
    "too_early",
]

PAY_DEPOSIT = "pay_deposit"
"""The event of a deposit that is taken; a lifecycle for presales lists it where an order begins."""
OPEN = "open_balance"
"""The event of the window for the balance."""
DOUBLED = "deposit"
"""Ends the id of the compensation that doubles a deposit, so that there is one."""


def too_early(order: Order, situation: Situation) -> Refusal | None:
    """The balance is not taken before its window opens."""
    presale = order.presale
    if presale is None or situation.at >= presale.balance_from or not deposit_taken(order):
        return None
    if not order.due:
        return None
    return Refusal(f"the balance can be paid from {presale.balance_from.isoformat()}")


def opens(order: Order, situation: Situation) -> bool:
    """Whether the window of the balance is open by the clock, though the order still waits for it."""
    return (
        order.presale is not None
        and OPEN in situation.lifecycle.table[order.state]
        and order.closing is None
        and deposit_taken(order)
        and situation.at >= order.presale.balance_from
    )


def open_window(deciding: Deciding) -> None:
    """Let the balance be paid from now on, if its window is open and nobody came to say so."""
    if opens(deciding.order, deciding.situation):
        deciding.move(OPEN)


def rows_asked(
    order: Order, offers: Sequence[Tender]
) -> tuple[tuple[QuoteLine | QuoteCharge, ...], int]:
    """What the next payment is planned over, and what of it is due in points: the rows of the order, or their
    shares of its deposit. Raises `InvalidTenders` for an offer that cannot pay that."""
    content, payable = order.content, order.payable
    if payable >= content.total:
        return content.rows(), content.points
    check_offers(offers)
    return part_rows(content.rows(), payable), 0


def check_tenders(order: Order, fresh: Sequence[PlannedTender]) -> None:
    """Raise `InvalidTenders` for a tender that cannot pay what is asked now."""
    if order.payable >= order.total:
        return
    for i, tender in enumerate(fresh):
        reason = NOT_FOR_DEPOSITS.get(tender.kind)
        if reason is not None:
            raise InvalidTenders(reason, path=f"tenders[{i}]", gateway=tender.gateway)


def picks_now(order: Order, picks: Sequence[ChannelPick]) -> tuple[ChannelPick, ...]:
    """The channels; those of a deposit take it at once, since what is only held can lapse before it is lost."""
    if order.payable >= order.total:
        return tuple(picks)
    return tuple(
        [
            ChannelPick(pick.gateway, pick.backups, method=pick.method, shares=pick.shares)
            for pick in picks
        ]
    )


def covered(deciding: Deciding) -> bool:
    """Whether the payment in force holds all that it was to pay: the price, or the deposit of an order that waits for it."""
    order = deciding.order
    if not order.due:
        return True
    return (
        order.presale is not None
        and deciding.lists(PAY_DEPOSIT)
        and order.total - order.due >= order.deposit
    )


def go_on(deciding: Deciding) -> None:
    """The deposit is taken: the order waits for its balance, which may be paid at once where its window is open."""
    if deciding.lists(PAY_DEPOSIT) and deposit_taken(deciding.order):
        deciding.move(PAY_DEPOSIT)
        open_window(deciding)


# The end -------------------------------------------------------------------------------------


def goods_price(order: Order) -> int:
    """What the goods cost, with tax, before an expanding deposit lowered it: minor units."""
    content = order.content
    more = [off.amount for off in content.discounts if off.layer == EXPANSION]
    return sum([line.total for line in content.lines]) + sum(more)


def forfeits(order: Order, situation: Situation, via: str) -> bool:
    """Whether this event ends an order in parts because the time for its balance is up."""
    return order.presale is not None and any(
        [
            rule.does is TimerAction.FORFEIT and rule.event == via
            for rule in situation.lifecycle.timers
        ]
    )


def _deposit_paid(order: Order) -> int:
    """What of the deposit was really paid, and not asked back or kept before."""
    payments = order.payments
    had = sum(
        [
            payments.left(attempt) - attempt.charged_back
            for attempt in payments.attempts
            if attempt.state is AttemptState.CAPTURED
        ]
    )
    return max(0, min(order.deposit, had - payments.forfeited))


def keep(deciding: Deciding, reason: str) -> None:
    """Keep of the deposit what the law lets the seller keep; the rest is still to be given back."""
    order, policy = deciding.order, deciding.situation.payments
    presale = order.presale
    if presale is None:
        return
    amount = forfeitable(_deposit_paid(order), goods_price(order), presale.kind, policy)
    if amount:
        ppm = 0 if policy.forfeited_tax is None else policy.forfeited_tax.ppm
        tax = tax_inside(amount, ppm, order.content.rounding)
        deciding.apply(Forfeited(amount, tax, ppm if tax else 0, reason))


def double(deciding: Deciding, reason: str) -> None:
    """The seller does not deliver: as much again as the earnest money, beside its refund, once."""
    order, policy = deciding.order, deciding.situation.payments
    presale, name = order.presale, f"{order.id}/{DOUBLED}"
    if deciding.lists(PAY_DEPOSIT):
        return  # earnest money binds once it is paid
    if presale is None or any([given.id == name for given in order.payments.compensations]):
        return
    amount = doubled(_deposit_paid(order), goods_price(order), presale.kind, policy)
    if amount and deposit_taken(order):
        by = deciding.situation.by
        given = Compensation(
            name, amount, policy.balance, order.content.customer.id, reason, str(by)
        )
        deciding.apply(CompensationGranted(given))
