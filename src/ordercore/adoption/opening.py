"""Taking an order over: from what the host tells of it to an order in the middle of its life.

Theory of operation. One event, `Adopted`, holds what was agreed, paid and sent elsewhere, and where the order
stands. From there on it is an order like any other: what is due, what may be refunded or shipped follows from it.
Its opening entries stand in `ordercore.order.posting`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ordercore.adoption.figures import figures, json_text, quoted
from ordercore.adoption.paid import Paid, paid
from ordercore.adoption.stages import check_stage, passed_event, passed_state, presumes
from ordercore.clock import utc
from ordercore.errors import InvalidLifecycle, InvalidSnapshot, OrdercoreError
from ordercore.fulfillment import Delivery, Shipment
from ordercore.fulfillment.delivery import SHIPMENTS_MAX
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.money import Rounding, decimal_text
from ordercore.order import (
    Adopted,
    Assign,
    Command,
    Decision,
    MarkItem,
    Noted,
    OrderContent,
    Review,
    Reviewed,
    Tag,
    decide,
    fold,
)
from ordercore.order.amendment import in_utc
from ordercore.order.handling import NOTES_MAX
from ordercore.order.rules.instalment import PAY_DEPOSIT
from ordercore.pricing import RoundingScope
from ordercore.value import value

if TYPE_CHECKING:
    from datetime import datetime

    from ordercore.adoption.figures import Figures
    from ordercore.adoption.snapshot import Snapshot
    from ordercore.event import Event
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order, Situation
    from ordercore.pricing import Quote

__all__ = ["GRACE", "NUMBER_MAX", "Opening", "opening"]

GRACE = timedelta(days=3)
"""How long a clock that has run out already waits before it acts on an order that was taken over."""
NUMBER_MAX = 100
"""Longest number and id of an order."""
_SKEW = timedelta(days=1)
_PAY_WITHIN = timedelta(minutes=30)


@value
class Opening:
    """The order as it begins, with the events that make it.

    ``remarks`` are (path, what somebody should know).
    """

    decision: Decision
    remarks: tuple[tuple[str, str], ...] = ()

    @property
    def order(self) -> Order:
        """The order."""
        return self.decision.order


def opening(
    snapshot: Snapshot,
    state: str,
    situation: Situation,
    *,
    order_id: str,
    quote: Quote | None = None,
    pay_within: timedelta = _PAY_WITHIN,
    grace: timedelta = GRACE,
    reservation: str = "",
) -> Opening:
    """Begin an order in ``state`` of the situation's lifecycle; pure.

    ``quote`` is that of the snapshot's cart. An order that waits for its payment and whose time is over
    may still be paid for ``grace``. Raises `InvalidSnapshot`, or `InvalidMoney` and kin, with the path
    of what is wrong (``lines[2].quantity``): the first fault alone.
    """
    return _Opener(snapshot, state, situation, order_id, quote).opening(
        pay_within, grace, reservation
    )


class _Opener:
    """One order in the making."""

    def __init__(
        self, snapshot: Snapshot, state: str, situation: Situation, order_id: str,
        quote: Quote | None,
    ) -> None:  # fmt: skip
        self.snapshot = snapshot
        self.state = state
        self.situation = situation
        self.lifecycle: Lifecycle[Order] = situation.lifecycle
        self.order_id = order_id
        self.quote = quote
        self.remarks: list[tuple[str, str]] = []

    def opening(self, pay_within: timedelta, grace: timedelta, reservation: str) -> Opening:
        snapshot, situation = self.snapshot, self.situation
        self._check()
        self._check_presale()
        quote = self.quote
        worth = figures(snapshot) if quote is None else quoted(snapshot, quote)
        released = self.state in self.lifecycle.releases
        recognized = snapshot.recognized
        if recognized is None:
            states = situation.posting.recognize_in
            recognized = passed_state(self.lifecycle, self.state, states)
        money = paid(snapshot, worth, self.order_id, recognized=recognized, released=released)
        self.remarks += money.remarks
        shipments = self._shipments(money.figures)
        entered = self._entered(shipments, money)
        delivery = self._delivery(shipments, money, entered, released=released)
        pay_by = self._pay_by(money, pay_within, grace, released=released)
        content = self._content(money, pay_by, reservation)
        adopted = Adopted(
            content,
            self.state,
            entered,
            money.payments,
            delivery,
            released,
            recognized,
            money.unsettled,
        )
        events, order = self._marked(adopted)
        check_stage(order, self.lifecycle)
        if order.owed:
            text = f"{decimal_text(order.owed, order.currency)} {order.currency}"
            self.remarks.append(("payments", f"{text} is still owed to the customer"))
        return Opening(Decision(order, events), tuple(self.remarks))

    # --- What is told ------------------------------------------------------------------------

    def _check(self) -> None:
        snapshot = self.snapshot
        for name, text in (("number", snapshot.number), ("id", self.order_id)):
            if not isinstance(text, str) or not 0 < len(text) <= NUMBER_MAX:
                raise InvalidSnapshot(f"it has 1 to {NUMBER_MAX} characters", path=name)
        if "/" in self.order_id or "#" in self.order_id:
            raise InvalidSnapshot("an id has neither '/' nor '#'", path="id")
        try:
            self.lifecycle.state(self.state)
        except InvalidLifecycle as error:
            known = tuple(self.lifecycle.table)
            raise InvalidSnapshot(error.reason, path="state", allowed=known) from None
        latest = self.situation.at + _SKEW
        for name in ("placed_at", "received_at", "entered_at", "pay_by"):
            moment = getattr(snapshot, name)
            if moment is not None and utc(moment, name) > latest and name != "pay_by":
                raise InvalidSnapshot("it is in the future", path=name)
        for room in ("payments", "refunds", "shipments"):
            for i, told in enumerate(getattr(snapshot, room)):
                if told.at is not None and utc(told.at, f"{room}[{i}].at") > latest:
                    raise InvalidSnapshot("it is in the future", path=f"{room}[{i}].at")

    def _check_presale(self) -> None:
        """Refuse the terms of a presale under a lifecycle without parts."""
        cart, chart = self.snapshot.cart, self.lifecycle
        if cart is None or cart.presale is None:
            return
        if PAY_DEPOSIT not in chart.table[chart.initial]:
            reason = f"the lifecycle {chart.name!r} takes no deposit: it lists no {PAY_DEPOSIT!r}"
            raise InvalidSnapshot(reason, path="lifecycle")

    def _pay_by(
        self, money: Paid, pay_within: timedelta, grace: timedelta, *, released: bool
    ) -> datetime | None:
        """Until when it is to be paid; one that still waits for it has ``grace`` once its time is over."""
        told, payments, now = self.snapshot.pay_by, money.payments, self.situation.at
        if told is None and not self.lifecycle.prepaid:
            return None
        until = utc(self.snapshot.placed_at) + pay_within if told is None else utc(told)
        due = money.figures.total - payments.refunded_now - payments.secured
        waits = "pay" in self.lifecycle.table[self.state] and due > 0 and not released
        if not waits or until > now or grace <= timedelta(0):
            return until
        later = now + grace
        text = f"its time is over: it may be paid until {later:%Y-%m-%d %H:%M} UTC"
        self.remarks.append(("pay_by", text))
        return later

    def _entered(self, shipments: tuple[Shipment, ...], money: Paid) -> datetime:
        """When it came into its state: as told, or the last moment that is known."""
        snapshot = self.snapshot
        if snapshot.entered_at is not None:
            return utc(snapshot.entered_at)
        known = [snapshot.placed_at, snapshot.received_at]
        known += [shipment.at for shipment in shipments]
        known += [attempt.at for attempt in money.payments.attempts]
        known += [refund.at for refund in snapshot.refunds]
        return max([utc(moment) for moment in known if moment is not None])

    # --- Goods -------------------------------------------------------------------------------

    def _shipments(self, worth: Figures) -> tuple[Shipment, ...]:
        """What has left: the shipments, or the units that the lines tell."""
        snapshot = self.snapshot
        if len(snapshot.shipments) > SHIPMENTS_MAX:
            reason = f"an order has at most {SHIPMENTS_MAX} shipments"
            raise InvalidSnapshot(reason, path="shipments")
        quantities = {line.id: line.quantity for line in worth.lines}
        sums: dict[LineId, int] = {}
        found = []
        for i, told in enumerate(snapshot.shipments):
            goods = Manifest.of(told.goods.items, f"shipments[{i}].goods")
            for name, units in goods:
                sums[name] = sums.get(name, 0) + units
                if sums[name] > quantities.get(name, 0):
                    reason = f"{sums[name]} units have left, of {quantities.get(name, 0)} bought"
                    raise InvalidSnapshot(reason, path=f"shipments[{i}].goods[{name}]")
            name_ = told.id or f"{self.order_id}/a-{i + 1}"
            at = None if told.at is None else utc(told.at)
            found.append(Shipment(name_, goods, told.carrier, told.tracking, at))
        on_lines = self._on_lines(worth)
        if on_lines is None:
            return tuple(found)
        if found:
            if on_lines != sums:
                raise InvalidSnapshot("they name other units than the lines do", path="shipments")
            return tuple(found)
        if not on_lines:
            return ()
        goods = Manifest(tuple((line, Quantity(units)) for line, units in on_lines.items()))
        return (Shipment(f"{self.order_id}/a-1", goods),)

    def _on_lines(self, worth: Figures) -> dict[LineId, int] | None:
        """Units that have left as the lines tell them; ``None`` where no line does."""
        told = self.snapshot.lines
        if all([line.shipped is None for line in told]):
            return None
        found: dict[LineId, int] = {}
        for i, (one, line) in enumerate(zip(told, worth.lines, strict=True)):
            units = one.shipped or 0
            if type(units) is not int or not 0 <= units <= line.quantity:
                reason = f"{units} units have left, of {line.quantity} bought"
                raise InvalidSnapshot(reason, path=f"lines[{i}].shipped")
            if units:
                found[line.id] = units
        return found

    def _delivery(
        self, shipments: tuple[Shipment, ...], money: Paid, entered: datetime, *, released: bool
    ) -> Delivery:
        """The goods. Of what was refunded, units at hand stay; only what has left must come back."""
        sent = Delivery(shipments).shipped()
        payments = money.payments
        over = payments.captured > 0 and (released or payments.refunded >= payments.captured)
        stays = []
        for line in money.figures.lines:
            at_hand = line.quantity - sent.units(line.id)
            units = at_hand if over else min(money.refunded.get(line.id, 0), at_hand)
            if units:
                stays.append((line.id, Quantity(units)))
        received = self.snapshot.received_at
        if received is not None:
            received = utc(received)
        elif passed_event(self.lifecycle, self.state, "receive"):
            received = entered
            self.remarks.append(
                ("received_at", f"it is not told: taken as {entered:%Y-%m-%d %H:%M} UTC")
            )
        return Delivery(shipments, Manifest(tuple(stays)), received)

    # --- The order ---------------------------------------------------------------------------

    def _content(self, money: Paid, pay_by: datetime | None, reservation: str) -> OrderContent:
        snapshot, quote, worth = self.snapshot, self.quote, money.figures
        lines, rows = worth.lines, worth.rows()
        agreed = money.payments.settled == 0  # a price that was lowered since is not the cart's
        charged = sum([charge.discount for charge in worth.charges])
        off = sum([line.discount + line.order_discount for line in lines])
        placed = utc(snapshot.placed_at)
        return OrderContent(
            self.order_id, snapshot.number, snapshot.shop, snapshot.kind, self.lifecycle.name,
            self.lifecycle.version, snapshot.currency, snapshot.customer, snapshot.address, lines,
            worth.charges, worth.discounts,
            worth.taxes() if quote is None or not agreed else quote.taxes,
            sum([line.list_amount for line in lines]), off + charged,
            sum([row.tax for row in rows]), sum([row.net for row in rows]), worth.total,
            Rounding.HALF_UP if quote is None else quote.rounding,
            RoundingScope.LINE if quote is None else quote.scope,
            placed if quote is None else quote.at, placed, pay_by, reservation,
            json_text(snapshot.extra, "extra"), (), "", 0 if quote is None else quote.points,
            None if quote is None else quote.border, None if quote is None else quote.settlement,
            None if quote is None else quote.ledger, snapshot.attribution,
            in_utc(snapshot.cart) if agreed and snapshot.cart is not None else None,
        )  # fmt: skip

    def _marked(self, adopted: Adopted) -> tuple[tuple[Event, ...], Order]:
        """The order with its notes, tags and marks, and all of its events."""
        snapshot, situation = self.snapshot, self.situation
        if len(snapshot.notes) > NOTES_MAX:
            raise InvalidSnapshot(f"an order has at most {NOTES_MAX} notes", path="notes")
        events: list[Event] = [adopted]
        valid = snapshot.valid
        if valid is None and presumes(self.lifecycle, self.state, "valid"):
            valid = True  # it would not be where it is otherwise
        if valid is not None:
            review = Review(valid, adopted.entered_at, situation.by)
            events.append(Reviewed(review))
        events += [Noted(note) for note in snapshot.notes]
        order = fold(None, events, situation.at)
        assert order is not None
        commands: list[tuple[str, Command]] = []
        if snapshot.tags:
            commands.append(("tags", Tag(snapshot.tags)))
        if snapshot.assigned:
            commands.append(("assigned", Assign(snapshot.assigned)))
        for i, (told, line) in enumerate(zip(snapshot.lines, adopted.content.lines, strict=False)):
            if told.status:
                commands.append((f"lines[{i}].status", MarkItem(line.id, told.status)))
        for path, command in commands:
            try:
                made = decide(order, command, situation)
            except OrdercoreError as error:
                raise InvalidSnapshot(error.reason, path=path, **error.data) from None
            order = made.order
            events += made.events
        return tuple(events), order
