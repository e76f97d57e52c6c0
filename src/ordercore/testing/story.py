"""An order's life as a test tells it: commands in, changes kept, no store and no gateway.

A `Story` drives `ordercore.order.decide` and plays the gateways' part itself,
so that a test of a rule, a report or an adapter can begin with an order in any state::

    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    story.pay(Points(1234), Channel("card"))
    story.ship()
    story.order.state, story.entries, story.changes
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from ordercore.change import Change, Receipt, change
from ordercore.goods import Manifest
from ordercore.ledger import PostingPolicy
from ordercore.lifecycle.charts.standard import standard
from ordercore.money import money
from ordercore.order import (
    FACTS,
    Accept,
    AnswerAttempts,
    AnswerRefund,
    Complete,
    Deliver,
    Order,
    OrderContent,
    Pay,
    RefundOrder,
    Ship,
    Situation,
    decide,
    place,
)
from ordercore.party import SYSTEM, Party
from ordercore.pricing import AmountOff, Cart, CartLine, OrderKind
from ordercore.pricing.priced import extra_text
from ordercore.tender import (
    AttemptState,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
    TenderPolicy,
    plan,
)
from ordercore.timeout import TimeoutPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.event import Event
    from ordercore.ledger import Entry
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Command, Decision
    from ordercore.party import Actor
    from ordercore.pricing import Quote
    from ordercore.tender import Tender

__all__ = ["START", "Story", "order_a", "order_content", "standard_lifecycle"]

START = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
"""When stories begin unless they say otherwise: noon of a working day."""


def order_a(kind: OrderKind = OrderKind.REGULAR) -> Cart:
    """Three lines of 99.99 CNY with 30.00 off: 269.97 is due, 89.99 a line.

    A cart whose shares do not come out even, over lines as over tenders.
    """
    return Cart(
        "CNY",
        tuple(CartLine(f"SKU-{i}", 1, money("99.99", "CNY")) for i in (1, 2, 3)),
        (AmountOff(money("30.00", "CNY"), "coupon"),),
        kind=kind,
        customer=Party("c-1"),
    )


def order_content(
    quote: Quote,
    *,
    id: str = "o-1",  # noqa: A002 - the field's name
    number: str = "ORD-0000000001",
    at: datetime = START,
    reservation: str = "",
    timeouts: TimeoutPolicy | None = None,
) -> OrderContent:
    """What is agreed when ``quote`` is placed ``at`` this moment; the payment window is the policy's."""
    window = (timeouts or TimeoutPolicy()).of(quote.kind)
    lifecycle = standard_lifecycle()
    return OrderContent(
        id=id,
        number=number,
        shop=quote.shop,
        kind=quote.kind,
        lifecycle=lifecycle.name,
        lifecycle_version=lifecycle.version,
        currency=quote.currency,
        customer=quote.customer,
        address=quote.address,
        lines=quote.lines,
        charges=quote.charges,
        discounts=quote.discounts,
        taxes=quote.taxes,
        subtotal=quote.subtotal,
        discount=quote.discount,
        tax=quote.tax,
        net=quote.net,
        total=quote.total,
        rounding=quote.rounding,
        scope=quote.scope,
        priced_at=quote.at,
        placed_at=at,
        pay_by=at + window.pay_within,
        reservation=reservation,
        extra=extra_text(quote.cart.extra, "extra"),
        coupons=tuple(dict.fromkeys([off.code for off in quote.discounts if off.code])),
        points=quote.points,
        border=quote.border,
        settlement=quote.settlement,
        ledger=quote.ledger,
    )


@cache
def standard_lifecycle() -> Lifecycle[Order]:
    """The standard lifecycle over the facts of an order, compiled once."""
    return standard(FACTS)


class Story:
    """One order from its placing on.

    ``changes`` are what a store would have been given, ready to be committed one by one.
    The story's time stands still unless a command comes with ``after``.
    A refused command raises, and the story stays as it was (law L12).
    """

    def __init__(
        self,
        content: OrderContent,
        *,
        posting: PostingPolicy | None = None,
        timeouts: TimeoutPolicy | None = None,
        lifecycle: Lifecycle[Order] | None = None,
        receipt: Receipt | None = None,
    ) -> None:
        self.at = content.placed_at
        self.changes: list[Change] = []
        self._posting = posting or PostingPolicy()
        self._timeouts = timeouts or TimeoutPolicy()
        self._lifecycle = lifecycle or standard_lifecycle()
        decision = place(content, self.situation())
        self.order = decision.order
        self._keep(None, decision, SYSTEM, "place", receipt)

    def situation(self, by: Actor = SYSTEM) -> Situation:
        """What a decision depends on beside the order, at the story's time."""
        return Situation(self.at, by, self._lifecycle, self._posting)

    def send(
        self,
        command: Command,
        *,
        by: Actor = SYSTEM,
        after: timedelta = timedelta(0),
        receipt: Receipt | None = None,
    ) -> Change:
        """Let ``by`` send ``command``, ``after`` the last one; returns the change that it makes."""
        before, then = self.order, self.at
        self.at = then + after
        try:
            decision = decide(before, command, self.situation(by))
        except Exception:
            self.at = then
            raise
        return self._keep(before, decision, by, type(command).__name__, receipt)

    def _keep(
        self,
        before: Order | None,
        decision: Decision,
        by: Actor,
        command: str,
        receipt: Receipt | None,
    ) -> Change:
        made = change(before, decision, self.at, by, command, self._timeouts, receipt)
        self.order = decision.order
        self.changes.append(made)
        return made

    @property
    def events(self) -> tuple[Event, ...]:
        """All that happened, first to last."""
        return tuple(event for made in self.changes for event in made.events)

    @property
    def history(self) -> tuple[tuple[Event, datetime], ...]:
        """All that happened, with its time: what `ordercore.order.replay` takes."""
        return tuple((event, made.at) for made in self.changes for event in made.events)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that was written into the books."""
        return tuple(entry for made in self.changes for entry in made.entries)

    # --- The main line, in the words of a test -----------------------------------------------

    def pay(
        self,
        *offers: Tender,
        policy: TenderPolicy | None = None,
        status: OutcomeStatus = OutcomeStatus.CAPTURED,
    ) -> Order:
        """Plan the offers, write the attempts down, and let every gateway answer ``status``."""
        content = self.order.content
        planned = plan(content.rows(), offers, policy or TenderPolicy(), content.currency)
        self.send(Pay(planned))
        if status is not OutcomeStatus.UNKNOWN:
            self.answer(status)
        return self.order

    def answer(self, status: OutcomeStatus, *attempts: str, at: datetime | None = None) -> Order:
        """Let gateways answer about ``attempts``, by default about all that are live."""
        payments = self.order.payments
        names = attempts or tuple(a.id for a in payments.attempts if a.live)
        outcome = Outcome(status, at=at or self.at)
        self.send(AnswerAttempts(tuple((name, outcome) for name in names)))
        if status is OutcomeStatus.AUTHORIZED:
            asked = [a for a in self.order.payments.attempts if a.state is AttemptState.CAPTURING]
            if asked:
                return self.answer(OutcomeStatus.CAPTURED, *[a.id for a in asked])
        return self.order

    def ship(self, goods: Mapping[str, int] | None = None, **fields: str) -> Order:
        """Take the order up if need be, and let ``goods`` leave: by default all that is left."""
        if self.order.state == "paid":
            self.send(Accept())
        name = f"s-{len(self.order.delivery.shipments) + 1}"
        self.send(Ship(name, None if goods is None else Manifest.of(goods), **fields))
        return self.order

    def complete(self) -> Order:
        """Let the goods arrive and the customer keep them; what has not left leaves first."""
        if self.order.state in {"paid", "awaiting_shipment"}:
            self.ship()
        if self.order.state == "shipped":
            self.send(Deliver())
        self.send(Complete())
        return self.order

    def refund(
        self, goods: Mapping[str, int] | None = None, *, status: RefundStatus | None = None
    ) -> Order:
        """Ask ``goods`` back, by default all that is left; with ``status``, let every leg be answered so."""
        name = f"r-{len(self.order.payments.refunds) + 1}"
        self.send(RefundOrder(name, None if goods is None else Manifest.of(goods), "returned"))
        if status is not None:
            legs = range(len(self.order.payments.refund(name).legs))
            outcome = RefundOutcome(status, at=self.at)
            self.send(AnswerRefund(name, tuple((leg, outcome) for leg in legs)))
        return self.order
