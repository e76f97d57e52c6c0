"""The shop of the "Online Retail" file, lived through again by the engine.

The invoices are those of `ordercore.cli.online_retail`. Each invoice becomes an
order, placed at its time by its customer; shoppers pay as `ordercore.cli.shopper` makes them;
the shop takes the order up, ships the next day, and completes it. Time is simulated,
so reminders, time-outs and confirmations come from the engine's own timers (see `ordercore.cli.agenda`).
A C invoice gives back what it cancels:

- an order that is not paid yet: a shopper who means to pay does so first, and gets it back;
  one who never pays cancels the order, which is closed, and there is nothing to give back;
- an order that has not left, wanted back as a whole: it is canceled, which gives everything back;
- goods that are all wanted back before they leave, but not the freight: the parcel leaves first,
  since the freight of an order that never left is not earned;
- anything else: a refund of those units.

Freight goes back as a whole or not at all, because it is one charge of the order; a part is refused.
So is a cancellation of a sale that a discount has lowered: the file names list prices.

Memory: the orders live in the store; here stay an id for each invoice, and what the matcher keeps.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from ordercore.cli.agenda import Agenda, WatchedStore
from ordercore.cli.figures import Figures
from ordercore.cli.online_retail import (
    CancellationMatcher,
    RefusalReason,
    RetailSum,
    RetailTally,
    RowKind,
    parts_of,
)
from ordercore.cli.shopper import GUEST, Intent, Pays, Purses, arrival, intent, toss
from ordercore.cli.vat import COUNTRY_CODES, STANDARD, VOUCHER
from ordercore.clock import SettableClock
from ordercore.engine import OrderEngine
from ordercore.errors import OrdercoreError
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.identity import CountedIds
from ordercore.money import from_minor
from ordercore.order import Moved
from ordercore.party import SYSTEM, Actor, Address, Party
from ordercore.policy import Policies
from ordercore.pricing import AmountOff, Cart, CartLine, ShippingCharge
from ordercore.tender import AttemptState, RefundStatus
from ordercore.tender.events import RefundAnswered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ordercore.change import Change
    from ordercore.cli.online_retail import Cancellation, InvoiceParts, RetailInvoice, RetailRow
    from ordercore.cli.stores import Store
    from ordercore.order import Order

__all__ = ["RetailShop"]

CURRENCY: Final = "GBP"
CLERK: Final = Actor.staff("clerk")

ACCEPTED_AFTER: Final = timedelta(minutes=30)
SHIPPED_AFTER: Final = timedelta(hours=23)
KEPT_FOR: Final = timedelta(days=2)
"""How long after it arrived an order is completed."""
TOLD_LATE: Final = timedelta(seconds=5)
DRAIN: Final = timedelta(days=60)
"""How long the clock runs on after the last invoice: every order has ended by then."""
RELAY_EVERY: Final = 100
RELAY_LIMIT: Final = 5_000


@attrs.define(slots=True)
class _Unpaid:
    """An order that waits for its payment. ``wants`` names its goods by code and price."""

    number: str
    customer: str
    means: Intent
    wants: frozenset[tuple[str, int]]


@attrs.define(slots=True)
class _Return:
    """What one C invoice takes back from one order; ``failed`` when it could not."""

    units: dict[int, int] = attrs.Factory(dict)
    freight: int = 0
    goods_failed: bool = False
    freight_failed: bool = False


class RetailShop:
    """The shop. Feed it invoices in order of time, then `finish`."""

    def __init__(self, store: Store, policies: Policies) -> None:
        self.clock = SettableClock(datetime(2010, 1, 1, tzinfo=UTC))
        self.agenda = Agenda(self.clock)
        self.purses = Purses(self.clock)
        watched = WatchedStore(store, self.agenda, self._told)
        self.engine = OrderEngine(
            watched, self.purses.gateways, None, policies, clock=self.clock, ids=CountedIds()
        )
        self.figures = Figures()
        self.tally = RetailTally()
        self.file = {kind: RetailSum() for kind in RowKind}
        self.invoices = 0
        self.refusals: Counter[str] = Counter()
        self._matcher = CancellationMatcher()
        self._orders: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._unpaid: dict[str, _Unpaid] = {}
        self._freight: dict[str, int] = {}
        self._discounted: set[str] = set()

    # Time --------------------------------------------------------------------------------------

    def take(self, invoice: RetailInvoice) -> None:
        """Live up to the invoice's time, then through the invoice."""
        self.agenda.run(invoice.placed_at, self._sweep)
        self.clock.set(invoice.placed_at)
        self.invoices += 1
        parts = parts_of(invoice)
        for row in invoice.rows:
            self.file[row.kind].add(row, row.quantity)
        for row, reason in parts.refused:
            self.tally.refuse(row, reason)
        if parts.lines or parts.freight:
            self._sell(invoice, parts)
        if parts.cancellations:
            self._take_back(invoice, parts.cancellations)
        if self.invoices % RELAY_EVERY == 0:
            self._relay()

    def finish(self) -> None:
        """Live on until nothing is left to do."""
        self.agenda.run(self.clock.now() + DRAIN, self._sweep)
        self._relay()

    def _sweep(self) -> None:
        swept = self.engine.sweep()
        for _, code in swept.failed:
            self.refusals[f"timer: {code}"] += 1

    def _relay(self) -> None:
        while self.engine.relay(self.figures, RELAY_LIMIT) == RELAY_LIMIT:
            pass

    def _after(self, pause: timedelta, act: Callable[[], object]) -> None:
        self.agenda.at(self.clock.now() + pause, act)

    def _told(self, change: Change) -> None:
        """What the shop and its channels do about what just happened: always later, never now."""
        order = change.order
        self._states[order.id] = order.state
        for event in change.events:
            if type(event) is Moved:
                self._moved(order, event.via)
            elif type(event) is RefundAnswered and event.status is RefundStatus.ACCEPTED:
                leg = order.payments.refund(event.refund).legs[event.leg]
                gateway = order.payments.attempt(leg.attempt).gateway
                self._under_way(gateway, f"{event.refund}#{event.leg}")

    def _moved(self, order: Order, via: str) -> None:
        name = order.id
        if via == "pay":
            self._unpaid.pop(name, None)
            self._after(ACCEPTED_AFTER, lambda: self._accept(name))
        elif via == "accept":
            self._after(SHIPPED_AFTER, lambda: self._ship(name))
        elif via == "ship" and toss(10, "carrier", name) < 7:
            pause = timedelta(hours=30 + toss(60, "way", name))
            self._after(pause, lambda: self._deliver(name))
        elif via == "receive":
            self._after(KEPT_FOR, lambda: self._complete(name))
        elif order.state == "closed" and name in self._unpaid:
            number = self._unpaid.pop(name).number
            self.tally.close(number)
            self._matcher.forget(number)

    def _under_way(self, gateway: str, leg: str) -> None:
        channel = self.purses.gateways[gateway]
        pause, tells = arrival(leg)

        def arrive() -> None:
            told = channel.arrive(leg)
            if tells:
                self.engine.notify(gateway, {}, told)

        self._after(pause, arrive)

    # Fulfilling --------------------------------------------------------------------------------

    def _accept(self, name: str) -> None:
        if self._states[name] == "paid":
            self.engine.accept(name, key=f"accept {name}", by=CLERK)

    def _ship(self, name: str) -> None:
        if self._states[name] == "awaiting_shipment":
            self.engine.ship(name, carrier="post", key=f"ship {name}", by=CLERK)

    def _deliver(self, name: str) -> None:
        if self._states[name] == "shipped":
            self.engine.deliver(name, key=f"deliver {name}", by=SYSTEM)

    def _complete(self, name: str) -> None:
        if self._states[name] == "received":
            order = self.engine.complete(name, key=f"complete {name}", by=SYSTEM)
            self.purses.earn(order.content.customer.id, order.total)

    # Selling -----------------------------------------------------------------------------------

    def _sell(self, invoice: RetailInvoice, parts: InvoiceParts) -> None:
        number, customer = invoice.number, _customer(invoice)
        rows = (*parts.lines, *parts.freight, *parts.discounts)
        try:
            quote = self.engine.quote(_cart(invoice, parts, customer))
            order = self.engine.place(quote, key=f"place {number}", by=Actor.customer(customer))
        except OrdercoreError as error:
            self.refusals[f"place: {error.code}"] += 1
            for row in rows:
                self.tally.refuse(row, RefusalReason.ENGINE_REFUSED)
            return
        for row in rows:
            self.tally.take(row)
        self._matcher.remember(invoice, (*parts.lines, *parts.freight))
        self._orders[number] = order.id
        if parts.freight:
            self._freight[number] = sum(row.quantity for row in parts.freight)
        if parts.discounts:
            self._discounted.add(number)
        if order.state == "pending_payment":
            self._expect_payment(order, number, customer, parts)

    def _expect_payment(
        self, order: Order, number: str, customer: str, parts: InvoiceParts
    ) -> None:
        name, pay_by = order.id, order.content.pay_by
        means = intent(customer, number, order.total)
        wants = frozenset((row.stock_code, row.price_e4) for row in parts.lines + parts.freight)
        self._unpaid[name] = _Unpaid(number, customer, means, wants)
        self.purses.open(customer)
        if means.pays is Pays.NEVER and means.channel != "wallet":
            return
        if means.pays is Pays.LATE and pay_by is not None:
            lead = timedelta(seconds=30 + toss(210, "late", number))
            self.agenda.at(pay_by - lead, lambda: self._pay(name))
        else:
            self._pay(name)

    def _pay(self, name: str, *, now: bool = False) -> None:
        """Pay; after a decline, pay over another channel. ``now`` scans a wallet's code at once."""
        waits = self._unpaid.get(name)
        if waits is None or self._states[name] != "pending_payment":
            return
        means, by = waits.means, Actor.customer(waits.customer)
        try:
            offers = self.purses.offers(means, waits.customer)
            result = self.engine.pay(name, offers, key=f"pay {name}", by=by)
            if result.declined and means.again:
                offers = self.purses.offers(means, waits.customer, again=True)
                result = self.engine.pay(name, offers, key=f"pay {name} again", by=by)
        except OrdercoreError as error:
            self.refusals[f"pay: {error.code}"] += 1
            return
        if result.action is not None:
            self._show_code(result.order, means, now=now)

    def _show_code(self, order: Order, means: Intent, *, now: bool) -> None:
        attempt = next(a.id for a in order.payments.attempts if a.state is AttemptState.WAITING)
        pay_by = order.content.pay_by
        if now:
            self._scan(attempt)
        elif means.pays is Pays.LAST_MOMENT and pay_by is not None:
            # The channel has the money in time; its notification comes after the deadline.
            self.agenda.at(
                pay_by - timedelta(seconds=2), lambda: self.purses.scan(attempt, self.clock.now())
            )
            self.agenda.at(pay_by + TOLD_LATE, lambda: self._scan(attempt))
        elif means.pays is not Pays.NEVER:
            self._after(means.scans_after, lambda: self._scan(attempt))

    def _scan(self, attempt: str) -> None:
        self.engine.notify("wallet", {}, self.purses.scan(attempt))

    # Taking back -------------------------------------------------------------------------------

    def _take_back(self, invoice: RetailInvoice, rows: tuple[RetailRow, ...]) -> None:
        self._settle_unpaid(invoice, rows)
        found: list[tuple[RetailRow, Cancellation]] = []
        returns: dict[str, _Return] = {}
        for row in rows:
            cancellation = self._matcher.match(invoice, row)
            found.append((row, cancellation))
            for part in cancellation.refunds:
                back = returns.setdefault(part.number, _Return())
                if row.kind is RowKind.FREIGHT and part.number in self._freight:
                    back.freight += part.quantity
                else:
                    back.units[part.line_no] = back.units.get(part.line_no, 0) + part.quantity
        for number, back in returns.items():
            self._give_back(invoice.number, number, back)
        for row, cancellation in found:
            refused = 0
            for part in cancellation.refunds:
                back = returns[part.number]
                charge = row.kind is RowKind.FREIGHT and part.number in self._freight
                if back.freight_failed if charge else back.goods_failed:
                    refused += part.quantity
            self.tally.cancel(row, cancellation, refused)

    def _settle_unpaid(self, invoice: RetailInvoice, rows: Iterable[RetailRow]) -> None:
        """Orders that wait for payment and are wanted back: paid first, or canceled."""
        customer = _customer(invoice)
        wanted = {(row.stock_code, row.price_e4) for row in rows}
        for name, waits in list(self._unpaid.items()):
            if waits.customer != customer or waits.wants.isdisjoint(wanted):
                continue
            if waits.means.pays is not Pays.NEVER:
                self._settle(name)
            if self._states[name] == "pending_payment":
                self.engine.cancel(
                    name,
                    reason=f"the customer wants it no more ({invoice.number})",
                    key=f"cancel {name}",
                    by=Actor.customer(waits.customer),
                )

    def _settle(self, name: str) -> None:
        """Pay now what would be paid soon."""
        order = self.engine.get(name)
        waiting = [a.id for a in order.payments.attempts if a.state is AttemptState.WAITING]
        if waiting:
            self._scan(waiting[0])
        else:
            self._pay(name, now=True)

    def _give_back(self, cancellation: str, number: str, back: _Return) -> None:
        """Refund, or cancel the whole order; what cannot be done is marked as failed."""
        freight = back.freight == self._freight.get(number, 0) > 0
        back.freight_failed = not freight
        if number in self._discounted:
            back.goods_failed = back.freight_failed = True
            self.refusals["refund: the sale was discounted"] += 1
            return
        if back.freight and not freight:
            self.refusals["refund: part of the freight"] += 1
        goods = Manifest(
            tuple((LineId(str(line)), Quantity(units)) for line, units in back.units.items())
        )
        charges = ("shipping",) if freight else ()
        if not goods and not charges:
            return
        try:
            self._refund(self._orders[number], cancellation, goods, charges)
        except OrdercoreError as error:
            back.goods_failed = back.freight_failed = True
            self.refusals[f"refund: {error.code}"] += 1

    def _refund(
        self, name: str, cancellation: str, goods: Manifest, charges: tuple[str, ...]
    ) -> None:
        reason, key = f"canceled by {cancellation}", f"{cancellation} of {name}"
        if self._states[name] in {"paid", "awaiting_shipment"}:
            order = self.engine.get(name)
            all_goods = order.refundable().as_dict() == goods.as_dict()
            open_charges = _charges_left(order)
            if all_goods and set(open_charges) == set(charges):
                by = Actor.customer(order.content.customer.id)
                self.engine.cancel(name, reason=reason, key=key, by=by)
                return
            if all_goods and open_charges:
                self._accept(name)
                self._ship(name)
        self.engine.refund(name, goods, reason=reason, charges=charges, key=key, by=CLERK)


def _charges_left(order: Order) -> list[str]:
    done = {row.row for refund in order.payments.refunds for row in refund.rows}
    return [charge.id for charge in order.content.charges if charge.id not in done]


def _customer(invoice: RetailInvoice) -> str:
    return invoice.customer or f"{GUEST}{invoice.country}"


def _cart(invoice: RetailInvoice, parts: InvoiceParts, customer: str) -> Cart:
    """The order of an invoice: lines are named by their place in the file."""
    lines = tuple(
        CartLine(
            row.stock_code,
            row.quantity,
            from_minor(row.unit_pence, CURRENCY),
            row.name,
            str(row.line_no),
            tax_category=VOUCHER if row.kind is RowKind.VOUCHER else STANDARD,
            category=row.kind.value,
        )
        for row in parts.lines
    )
    discounts: tuple[AmountOff, ...] = ()
    if parts.discounts:
        discounts = (AmountOff(from_minor(parts.discount_pence, CURRENCY), "discount"),)
    shipping = None
    if parts.freight:
        amount = from_minor(parts.freight_pence, CURRENCY)
        shipping = ShippingCharge(amount, "Carriage", STANDARD)
    return Cart(
        CURRENCY,
        lines,
        discounts,
        shipping,
        customer=Party(customer),
        address=Address(country=COUNTRY_CODES[invoice.country]),
        extra={"invoice": invoice.number},
    )
