"""What each event writes into the books.

Every event's entries add up to zero (law L9). Money that comes is an advance until the sale is
earned; a refund leaves the shop's books when it is asked, and the channel's when it arrives.

| event | debit | credit |
| --- | --- | --- |
| adopted | opening balance | advances, refunds in transit |
| money brought in, split off, rejoined, restored | clearing, cash, COD with couriers, or the liability | advances |
| money taken out | advances | the same |
| captured | clearing, cash, COD with couriers, or the liability that was redeemed | advances |
| captured after the sale was booked | the same | receivable |
| undone | advances | clearing, or the liability |
| revenue recognized | advances, receivable, funded discounts | revenue, shipping income, tax payable, duty collected |
| funds shared | revenue, tax payable | merchant payable |
| refund asked before that | advances | refunds in transit |
| refund asked after that | revenue, shipping income, tax payable, duty collected | refunds in transit, funded discounts |
| all that was left refunded | what of the sale no row names, advances | refunds in transit, chargebacks |
| ended before it was earned | advances | chargebacks |
| refund arrived | refunds in transit | clearing, or the liability; of another way, the liability there |
| refund bounced after it arrived | what was credited then | refunds in transit |
| balance of a presale paid | deposits held | advances |
| deposit forfeited | deposits held | forfeited deposits, tax payable |
| compensation granted, arrived | compensation; refunds in transit | refunds in transit; the liability |
| charged back | chargebacks, receivable (what had been refunded), channel fees | clearing |
| fee | channel fees | clearing |
| paid out by a channel or a courier | bank, channel fees | clearing, COD with couriers |

What cash rounding gave away or took stands on an account of its own. Money that was only held and is let go by a
refund was never in the books: it lowers what is receivable, or nothing.

What is paid of a presale is a deposit held, and no advance, until its balance is paid: what is captured, asked
back or kept before that stands there.

An order that is adopted was paid elsewhere: the opening balance, by gateway, is what the former books hold
against the customer's advance. Of a sale that is earned nothing is open but refunds on their way.

Tax payable stands by rate ("19"), and by component where a row bears several ("GST 5"). What third parties
repay of the shipping is shipping income, the rest of it is revenue.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ordercore.ledger import AccountKind, Entry
from ordercore.money import Percent
from ordercore.order.events import Adopted, Moved, Rejoined, Restored, RevenueRecognized, SplitOff
from ordercore.order.evolve import FOLDS
from ordercore.order.facts import paid_in_full
from ordercore.order.order import row_taxes
from ordercore.pricing import BORDER_CHARGES, ChargeKind, QuoteLine
from ordercore.tender import AttemptState, RefundStatus, TenderKind, reduction, refunded_units
from ordercore.tender.events import (
    AttemptAnswered,
    ChargedBack,
    CompensationAnswered,
    CompensationGranted,
    FeeCharged,
    Forfeited,
    FundsShared,
    MoneyBroughtIn,
    MoneyTakenOut,
    RefundAnswered,
    RefundRequested,
    Remitted,
)
from ordercore.tender.parting import held_again
from ordercore.tender.refund import rest_of_the_sale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ordercore.event import Event
    from ordercore.order.order import Order, OrderContent
    from ordercore.pricing import Funder
    from ordercore.tender import Attempt, Payments, Refund, RefundRow

__all__ = ["POSTINGS", "SIDES", "outside", "posting"]

_A = AccountKind
SIDES: Mapping[TenderKind, AccountKind] = {
    TenderKind.POINTS: _A.POINTS_LIABILITY,
    TenderKind.BALANCE: _A.STORED_VALUE_LIABILITY,
    TenderKind.STORED_VALUE: _A.STORED_VALUE_LIABILITY,
    TenderKind.CHANNEL: _A.CLEARING,
    TenderKind.CASH: _A.CASH,
    TenderKind.ON_DELIVERY: _A.COD_WITH_COURIERS,
}
"""The account that the money of a tender comes from, by gateway."""


_CAPTURED = AttemptState.CAPTURED  # a look-up through an Enum class costs more than the comparison
_ADVANCES = _A.ADVANCES
_PARTLY = frozenset({AttemptState.AUTHORIZED, AttemptState.CAPTURING})
"""Where an answer that leads to *authorized* tells of a part that was taken."""


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
    to_earn = min(held - payments.forfeited, _to_earn(event))  # what was kept is earned
    advances = 0 if event.recognized else to_earn
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
    for given in payments.compensations:
        if given.status not in _ENDED:
            found += [
                Entry(_A.OPENING, given.gateway, given.amount),
                Entry(_A.REFUNDS_IN_TRANSIT, _COMPENSATION, -given.amount),
            ]
    return tuple([entry for entry in found if entry.amount])


def _answered(before: Order, event: AttemptAnswered) -> tuple[Entry, ...]:
    attempt: Attempt = before.payments.attempt(event.attempt)
    state = event.state
    had = attempt.captured - attempt.returned
    if state is _CAPTURED:
        whole = attempt.amount + attempt.rounding - attempt.released
        amount = (whole if event.amount is None else event.amount) - had
    elif state is AttemptState.RETURNED:
        amount = -had
    elif attempt.state in _PARTLY and event.amount is not None:
        amount = event.amount - had  # a part was taken, and more is to come
    else:
        return ()
    if not amount:
        return ()
    rounding = attempt.rounding if amount > 0 else -attempt.rounding
    paid = amount - rounding
    owed = (
        0  # of an earned sale, what was to be collected was booked as owed; money above it was not
    )
    if before.recognized and attempt.deferred and attempt.firm and amount > 0:
        owed = min(paid, attempt.to_capture - rounding)
    taken = Entry(SIDES[attempt.kind], attempt.gateway, amount)
    if not owed and not rounding:
        return (taken, Entry(_ADVANCES, "", -paid))
    entries = (
        taken,
        Entry(_A.RECEIVABLE, "", -owed),
        Entry(_A.ADVANCES, "", owed - paid),
        Entry(_A.ROUNDING, "", -rounding),
    )
    return tuple([entry for entry in entries if entry.amount])


def _come(attempts: Iterable[Attempt]) -> tuple[Entry, ...]:
    """Money that was taken for another order stands for the customer of this one."""
    found = []
    for attempt in attempts:
        found += [
            Entry(SIDES[attempt.kind], attempt.gateway, attempt.captured),
            Entry(_A.ADVANCES, "", attempt.rounding - attempt.captured),
            Entry(_A.ROUNDING, "", -attempt.rounding),
        ]
    return tuple([entry for entry in found if entry.amount])


def _brought_in(_before: Order, event: MoneyBroughtIn) -> tuple[Entry, ...]:
    return _come(event.attempts)


def _split_off(_before: Order, event: SplitOff) -> tuple[Entry, ...]:
    return _come(event.payments.attempts)


def _own_again(before: Order, _event: Rejoined | Restored) -> tuple[Entry, ...]:
    """What its own attempts hold is the order's again."""
    return _come(held_again(before.payments))


def _taken_out(before: Order, event: MoneyTakenOut) -> tuple[Entry, ...]:
    found = []
    for gone in event.money:
        attempt = before.payments.attempt(gone.attempt)
        found += [
            Entry(SIDES[attempt.kind], attempt.gateway, -gone.amount - gone.rounding),
            Entry(_A.ADVANCES, "", gone.amount),
            Entry(_A.ROUNDING, "", gone.rounding),
        ]
    return tuple([entry for entry in found if entry.amount])


@lru_cache(maxsize=1024)
def _payable(ppm: int, name: str) -> str:
    """The account of a tax: its percent, after its name where a row bears several.

    A shop has few different rates, and writing one costs more than looking it up.
    """
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
        found = [
            Entry(_A.FUNDED_DISCOUNTS, who.value, -sign * amount)
            for who, amount in self.funded.items()
            if amount
        ]
        if self.revenue:
            found.append(Entry(_A.REVENUE, "", sign * self.revenue))
        if self.freight:
            found.append(Entry(_A.SHIPPING_INCOME, "", sign * self.freight))
        if self.duties:
            found.append(Entry(_A.DUTY_COLLECTED, "", sign * self.duties))
        for detail, tax in self.taxes.items():
            if tax:
                found.append(Entry(_A.TAX_PAYABLE, detail, sign * tax))
        return tuple(found)


def _to_collect(payments: Payments) -> int:
    """What is agreed to be taken later and was not let go, in minor units."""
    return sum([a.to_capture - a.rounding for a in payments.attempts if a.deferred and a.firm])


def _recognized(before: Order, event: RevenueRecognized) -> tuple[Entry, ...]:
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
    later = min(advances, _to_collect(before.payments))
    if later:
        earned = (Entry(_A.RECEIVABLE, "", later), *earned)
        advances -= later
    return (Entry(_A.ADVANCES, "", advances), *earned) if advances else earned


def _refund_requested(before: Order, event: RefundRequested) -> tuple[Entry, ...]:
    refund = event.refund
    if refund.whole:
        return _wholly_refunded(before, refund)
    released = refund.released
    back = refund.amount - released
    transit = Entry(_A.REFUNDS_IN_TRANSIT, "", -back)
    if not (refund.recognized and refund.rows):
        return (Entry(_A.ADVANCES, "", back), transit) if back else ()
    earned = _taken_from_sale(before.content, before.payments, refund.rows).entries(1)
    if released:
        earned = (*earned, Entry(_A.RECEIVABLE, "", -released))
    return (*earned, transit) if back else earned


def _taken_from_sale(
    content: OrderContent, payments: Payments, drawn_rows: tuple[RefundRow, ...]
) -> _Sale:
    """What these rows take back of an earned sale, after what refunds took of it before."""
    rows = {row.id: row for row in content.rows()}
    gone = refunded_units(payments)
    sale = _Sale()
    for drawn in drawn_rows:
        row = rows[drawn.row]
        kind = None if isinstance(row, QuoteLine) else row.kind
        if kind in BORDER_CHARGES:
            sale.duties += drawn.amount
            continue
        shipping = kind is ChargeKind.SHIPPING
        first = gone.get(drawn.row, 0)
        sale.earn(drawn.net, shipping=shipping)
        if row.parts:
            off = reduction(payments.plan, row)
            for part in row_taxes(row, first, drawn.units, off):
                sale.levy(part.ppm, part.name, part.tax)
        else:
            sale.levy(drawn.tax_ppm, "", drawn.tax)
        if row.funded:
            for who, amount in content.funded(drawn.row, first, drawn.units):
                sale.fund(who, amount, shipping=shipping)
    return sale


def _wholly_refunded(before: Order, refund: Refund) -> tuple[Entry, ...]:
    """All of the money goes back: nothing of the sale stays, and what payers' banks took is no loss.

    What was paid more or less than the sale stands as an advance, and is evened out.
    """
    content, payments = before.content, before.payments
    released = refund.released
    found = [Entry(_A.REFUNDS_IN_TRANSIT, "", released - refund.amount)]
    if refund.recognized:
        after = payments.having(refunds=(*payments.refunds, refund))
        rest = rest_of_the_sale(content.lines, content.charges, after)
        found += _taken_from_sale(content, payments, refund.rows).entries(1)
        found += _taken_from_sale(content, after, rest).entries(1)
        found.append(Entry(_A.RECEIVABLE, "", -released))
    for attempt in payments.attempts:
        if attempt.charged_back:
            found.append(Entry(_A.CHARGEBACKS, attempt.gateway, -_bank_took(payments, attempt)))
    found.append(Entry(_A.ADVANCES, "", -sum([entry.amount for entry in found])))
    return tuple([entry for entry in found if entry.amount])


def _bank_took(payments: Payments, attempt: Attempt) -> int:
    """What the payer's bank took back of an attempt that no refund had given back."""
    return min(attempt.charged_back, max(0, payments.left(attempt)))


def _moved(before: Order, event: Moved) -> tuple[Entry, ...]:
    """An order that ends before it is earned: what payers' banks took is no advance any more, nor a loss. Once it
    lives again it is both."""
    payments = before.payments
    if event.releases is before.handling.released or before.recognized:
        return ()
    if not payments.taken_back or _evened_out(payments):
        return ()
    room = max(0, _standing(payments))
    found: list[Entry] = []
    for attempt in payments.attempts:
        part = min(room, _bank_took(payments, attempt)) if attempt.charged_back else 0
        if part:
            room -= part
            part = part if event.releases else -part
            found += [
                Entry(_A.ADVANCES, "", part), Entry(_A.CHARGEBACKS, attempt.gateway, -part),
            ]  # fmt: skip
    return tuple(found)


def _evened_out(payments: Payments) -> bool:
    return any([refund.whole for refund in payments.refunds])


def _refund_answered(before: Order, event: RefundAnswered) -> tuple[Entry, ...]:
    leg = before.payments.refund(event.refund).legs[event.leg]
    bounced = leg.arrived and event.status is RefundStatus.FAILED
    if leg.released or not (bounced or event.status is RefundStatus.ARRIVED):
        return ()
    attempt = before.payments.attempt(leg.attempt)
    side, gateway = SIDES[attempt.kind], attempt.gateway
    if leg.gateway and leg.gateway != gateway:  # another account at its own gateway is as it was
        side, gateway = _A.STORED_VALUE_LIABILITY, leg.gateway
    sign = -1 if bounced else 1
    transit = Entry(_A.REFUNDS_IN_TRANSIT, "", sign * leg.amount)
    paid = Entry(side, gateway, -sign * leg.paid)
    if not leg.rounding:
        return transit, paid
    rounded = Entry(_A.ROUNDING, "", sign * leg.rounding)
    return (transit, paid, rounded) if leg.paid else (transit, rounded)


def _charged_back(before: Order, event: ChargedBack) -> tuple[Entry, ...]:
    payments = before.payments
    attempt = payments.attempt(event.attempt)
    # of an order whose money is with others only what it had refunded is charged back
    left = 0 if before.handling.gone else payments.left(attempt) - attempt.charged_back
    ours = min(event.amount, max(0, left))
    side, gateway = SIDES[attempt.kind], attempt.gateway
    kept = 0
    if not before.recognized and (before.handling.released or _evened_out(payments)):
        # the order has ended: what is still there for the customer is what the bank took
        kept = min(ours, max(0, _standing(payments) - payments.taken_back))
    found = (
        Entry(_A.ADVANCES, "", kept),
        Entry(_A.CHARGEBACKS, gateway, ours - kept),
        Entry(_A.RECEIVABLE, "", event.amount - ours),  # it had gone back to the payer already
        Entry(_A.CHANNEL_FEES, gateway, event.fee),
        Entry(side, gateway, -event.amount - event.fee),
    )
    return tuple([entry for entry in found if entry.amount])


def _fee_charged(_before: Order, event: FeeCharged) -> tuple[Entry, ...]:
    fee = event.amount
    return (
        Entry(_A.CHANNEL_FEES, event.gateway, fee),
        Entry(_A.CLEARING, event.gateway, -fee),
    )


def _remitted(before: Order, event: Remitted) -> tuple[Entry, ...]:
    attempt = before.payments.attempt(event.attempt)
    found = (
        Entry(_A.BANK, attempt.gateway, event.amount - event.fee),
        Entry(_A.CHANNEL_FEES, attempt.gateway, event.fee),
        Entry(SIDES[attempt.kind], attempt.gateway, -event.amount),
    )
    return tuple([entry for entry in found if entry.amount])


def _funds_shared(before: Order, event: FundsShared) -> tuple[Entry, ...]:
    """Of a merchant's sale only the commission is the shop's revenue; the rest is owed to the merchant."""
    found: dict[tuple[AccountKind, str], int] = {}

    def book(account: AccountKind, detail: str, amount: int) -> None:
        key = (account, detail)
        found[key] = found.get(key, 0) + amount

    for share in event.shares:
        book(_A.REVENUE, "", share.sales - share.commission)
        book(_A.MERCHANT_PAYABLE, share.merchant, -share.payable)
        line = before.content.line(share.line)
        if share.tax and line is not None:
            off = reduction(before.payments.plan, line)
            for part in row_taxes(line, share.first, share.units, off):
                book(_A.TAX_PAYABLE, _payable(part.ppm, part.name), part.tax)
    sign = -1 if event.refund else 1
    return tuple(
        [Entry(kind, detail, sign * amount) for (kind, detail), amount in found.items() if amount]
    )


def _forfeited(_before: Order, event: Forfeited) -> tuple[Entry, ...]:
    kept = (
        Entry(_A.ADVANCES, "", event.amount),
        Entry(_A.FORFEITED_DEPOSITS, "", event.tax - event.amount),
    )
    if not event.tax:
        return kept
    return (*kept, Entry(_A.TAX_PAYABLE, _payable(event.tax_ppm, ""), -event.tax))


_COMPENSATION = "compensation"
_ENDED = frozenset({RefundStatus.ARRIVED, RefundStatus.FAILED})


def _compensation_granted(_before: Order, event: CompensationGranted) -> tuple[Entry, ...]:
    amount = event.compensation.amount
    return (
        Entry(_A.COMPENSATION, "", amount),
        Entry(_A.REFUNDS_IN_TRANSIT, _COMPENSATION, -amount),
    )


def _compensation_answered(before: Order, event: CompensationAnswered) -> tuple[Entry, ...]:
    given = before.payments.compensation(event.compensation)
    transit = Entry(_A.REFUNDS_IN_TRANSIT, _COMPENSATION, given.amount)
    if event.status is RefundStatus.ARRIVED:
        side = _A.POINTS_LIABILITY if given.points else _A.STORED_VALUE_LIABILITY
        return (transit, Entry(side, given.gateway, -given.amount))
    if event.status is RefundStatus.FAILED:
        return (transit, Entry(_A.COMPENSATION, "", -given.amount))
    return ()


POSTINGS: Mapping[type[Event], Callable[[Order, Any], tuple[Entry, ...]]] = {
    Adopted: _adopted,
    SplitOff: _split_off,
    Rejoined: _own_again,
    Restored: _own_again,
    MoneyBroughtIn: _brought_in,
    MoneyTakenOut: _taken_out,
    AttemptAnswered: _answered,
    RevenueRecognized: _recognized,
    Moved: _moved,
    RefundRequested: _refund_requested,
    RefundAnswered: _refund_answered,
    ChargedBack: _charged_back,
    FeeCharged: _fee_charged,
    Remitted: _remitted,
    FundsShared: _funds_shared,
    Forfeited: _forfeited,
    CompensationGranted: _compensation_granted,
    CompensationAnswered: _compensation_answered,
}
"""The events that move money in the books; the others write nothing."""


def posting(before: Order, events: tuple[Event, ...]) -> tuple[Entry, ...]:
    """The entries of ``events``; ``before`` is the order in front of them.

    Events of one change speak of different attempts, legs and rows, so each is posted from the order
    before them all. What speaks of something that the same change did is posted from what that made of it: a
    second word on one attempt, an answer about a refund asked with it, a sale earned as its money is held.
    """
    entries: list[Entry] = []
    told: list[str] = []
    in_parts = _Held(before) if before.presale is not None else None
    for i, event in enumerate(events):
        kind = type(event)
        post = POSTINGS.get(kind)
        if post is None:
            if in_parts is not None:
                entries += in_parts.after(event, ())
            continue
        if kind is AttemptAnswered:
            again = event.attempt in told  # type: ignore[attr-defined]
            told.append(event.attempt)  # type: ignore[attr-defined]
        elif kind is RefundRequested:
            again = False
            told.append(event.refund.id)  # type: ignore[attr-defined]
        elif kind is RefundAnswered:
            leg = f"{event.refund}#{event.leg}"  # type: ignore[attr-defined]
            again = event.refund in told or leg in told  # type: ignore[attr-defined]
            told.append(leg)
        else:
            again = bool(told) and (
                kind is RevenueRecognized or (kind is Moved and bool(before.payments.taken_back))
            )
        now = before
        if again:
            for earlier in events[:i]:
                now = FOLDS[type(earlier)](now, earlier, now.entered_at)
        made = post(now, event)
        if in_parts is not None:
            made = in_parts.after(event, made)
        if made:
            entries += made
    return tuple(entries)


class _Held:
    """The books of an order in two parts: what its customer paid is a deposit until all of it is paid, and an
    advance from then on."""

    __slots__ = ("order", "paid")

    def __init__(self, before: Order) -> None:
        self.order = before
        self.paid = paid_in_full(before)

    def after(self, event: Event, made: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """The entries of the next event, on the account where the money then stands."""
        if not self.paid:
            made = tuple(
                [
                    Entry(_A.DEPOSITS_HELD, "", entry.amount)
                    if entry.account is _A.ADVANCES
                    else entry
                    for entry in made
                ]
            )
        folding = FOLDS.get(type(event))
        if folding is None:  # it begins the order
            return made
        self.order = folding(self.order, event, self.order.entered_at)
        paid = paid_in_full(self.order)
        if paid is self.paid:
            return made
        self.paid = paid
        amount = _standing(self.order.payments)
        moved = amount if paid else -amount
        if not moved:
            return made
        return (
            *made, Entry(_A.DEPOSITS_HELD, "", moved), Entry(_A.ADVANCES, "", -moved),
        )  # fmt: skip


def _standing(payments: Payments) -> int:
    """What stands for the customer in the books of an order that is not earned, in minor units."""
    found = -payments.forfeited
    for attempt in payments.attempts:
        got = attempt.captured - attempt.returned
        found += got - attempt.rounding if got else 0
    return found - sum([refund.amount - refund.released for refund in payments.refunds])
