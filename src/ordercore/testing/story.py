"""An order's life as a test tells it: commands in, changes kept, no store and no gateway.

A `Story` drives `ordercore.order.decide` and plays the gateways' part itself,
so that a test of a rule, a report or an adapter can begin with an order in any state::

    story = Story(order_content(quote(order_a(), PricingPolicy(), START)))
    story.pay(Points(1234), Channel("card"))
    story.amend(ChangeQuantity("1", 2))
    story.ship()
    story.order.state, story.entries, story.changes
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from ordercore.change import Change, Receipt, change
from ordercore.engine.amending import cart_of
from ordercore.engine.placing import content_again
from ordercore.goods import Manifest
from ordercore.ledger import PostingPolicy
from ordercore.lifecycle.charts import built_in
from ordercore.lifecycle.charts.standard import standard
from ordercore.money import money
from ordercore.order import (
    FACTS,
    Accept,
    AddedReservation,
    Amend,
    AnswerAttempts,
    AnswerRefund,
    Complete,
    Deliver,
    HandlingPolicy,
    Order,
    OrderContent,
    Pay,
    Recover,
    RefundOrder,
    Ship,
    Situation,
    amended_cart,
    decide,
    evolve,
    place,
)
from ordercore.order.decide import Decision
from ordercore.order.rules.instalment import rows_asked
from ordercore.party import SYSTEM, Party
from ordercore.pricing import NO_FACTS, AmountOff, Cart, CartLine, OrderKind, PricingPolicy
from ordercore.pricing import quote as price
from ordercore.pricing.priced import extra_text
from ordercore.tender import (
    AttemptState,
    Outcome,
    OutcomeStatus,
    RefundOutcome,
    RefundStatus,
    TenderPolicy,
    carried_tenders,
    plan,
)
from ordercore.timeout import TimeoutPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore.event import Event
    from ordercore.ledger import Entry
    from ordercore.lifecycle import Lifecycle
    from ordercore.money import Money
    from ordercore.order import Adopted, CartChange, Command
    from ordercore.party import Actor
    from ordercore.pricing import PricingFacts, Quote
    from ordercore.tender import PlannedTender, Tender

__all__ = [
    "START",
    "Story",
    "lifecycles",
    "order_a",
    "order_content",
    "presale_lifecycle",
    "standard_lifecycle",
]

V = TypeVar("V")

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
    lifecycle: Lifecycle[Order] | None = None,
) -> OrderContent:
    """What is agreed when ``quote`` is placed ``at`` this moment; the payment window is the policy's."""
    window = (timeouts or TimeoutPolicy()).of(quote.kind)
    lifecycle = lifecycle or standard_lifecycle()
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
        pay_by=at + window.pay_within if lifecycle.prepaid else None,
        reservation=reservation,
        extra=extra_text(quote.cart.extra, "extra"),
        coupons=tuple(dict.fromkeys([off.code for off in quote.discounts if off.code])),
        points=quote.points,
        border=quote.border,
        settlement=quote.settlement,
        ledger=quote.ledger,
        attribution=quote.cart.attribution,
        cart=quote.cart,
    )


def with_fields(made: V, **changed: Any) -> V:
    """A value with some of its fields changed, made anew."""
    cls: Any = type(made)
    fields = {field.name: getattr(made, field.name) for field in attrs.fields(cls)}
    again: V = cls(**{**fields, **changed})
    return again


@cache
def standard_lifecycle() -> Lifecycle[Order]:
    """The standard lifecycle over the facts of an order, compiled once."""
    return standard(FACTS)


@cache
def lifecycles() -> tuple[Lifecycle[Order], ...]:
    """Lifecycles that together have all that can happen: both versions of the standard one, one with recovery
    and items, one that begins with a review and is paid at any time after it."""
    latest = [built_in(name, FACTS) for name in ("standard", "purchasing_agent", "review_first")]
    return (standard_lifecycle(), *latest)


@cache
def presale_lifecycle() -> Lifecycle[Order]:
    """The lifecycle of orders that are paid in two parts."""
    return built_in("presale", FACTS)


class Story:
    """One order from its placing on.

    ``changes`` are what a store would have been given, ready to be committed one by one.
    The story's time stands still unless a command comes with ``after``.
    A refused command raises, and the story stays as it was (law L12).
    ``pricing`` and ``facts`` price what is amended or recovered. ``adopted`` begins in mid-life instead of placing.
    """

    def __init__(
        self,
        content: OrderContent,
        *,
        posting: PostingPolicy | None = None,
        timeouts: TimeoutPolicy | None = None,
        lifecycle: Lifecycle[Order] | None = None,
        handling: HandlingPolicy | None = None,
        pricing: PricingPolicy | None = None,
        facts: PricingFacts = NO_FACTS,
        receipt: Receipt | None = None,
        adopted: Adopted | None = None,
    ) -> None:
        self.at = content.placed_at if adopted is None else adopted.entered_at
        self.changes: list[Change] = []
        self._handling = handling or HandlingPolicy()
        self._pricing = pricing or PricingPolicy()
        self._facts = facts
        self._posting = posting or PostingPolicy()
        self._timeouts = timeouts or TimeoutPolicy()
        self.lifecycle = lifecycle or standard_lifecycle()
        if adopted is None:
            decision = place(content, self.situation())
        else:
            decision = Decision(evolve(None, adopted, self.at), (adopted,))
        self.order = decision.order
        self._keep(None, decision, SYSTEM, "place" if adopted is None else "adopt", receipt)

    def situation(self, by: Actor = SYSTEM) -> Situation:
        """What a decision depends on beside the order, at the story's time."""
        return Situation(self.at, by, self.lifecycle, self._posting, self._handling)

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
        made = change(
            before, decision, self.at, by, command, self._timeouts, self.lifecycle, receipt
        )
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
        """Plan the offers, write the attempts down, and let every gateway answer ``status``.

        Money of former payments counts: the offers pay what is due beside it. Of an order in two parts they pay
        the deposit, then the balance.
        """
        content = self.order.content
        rows, _ = rows_asked(self.order, offers)
        planned = plan(
            rows, offers, policy or TenderPolicy(), content.currency, carried=self.carried()
        )  # fmt: skip
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

    # --- Off the main line -------------------------------------------------------------------

    def carried(self) -> tuple[PlannedTender, ...]:
        """Money of former payments, which the next plan begins with."""
        if not self.order.due:
            return ()
        return tuple([tender for _, tender in carried_tenders(self.order.payments)])

    def _agreed(self, cart: Cart, *, anew: bool) -> OrderContent:
        """The order at another cart, priced as it was placed; ``anew`` with another deadline and promise."""
        old = self.order.content
        priced = price(cart, self._pricing, old.priced_at, self._facts)
        window = self._timeouts.of(old.kind).pay_within
        content = content_again(priced, old, self.at + window if anew else old.pay_by)
        if not old.reservation:
            return content
        name = f"res-{self.order.version}"
        if anew:
            return with_fields(content, reservation=name, added=())
        had = dict(self.order.stock_kept())
        wanted: dict[str, int] = {}
        for line in content.lines:
            wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
        more = tuple(
            [(sku, n - had.get(sku, 0)) for sku, n in wanted.items() if n > had.get(sku, 0)]
        )
        return (
            with_fields(content, added=(*content.added, AddedReservation(name, more)))
            if more
            else content
        )

    def amendment(self, *changes: CartChange, overrule: str = "") -> Amend:
        """The command that changes what was agreed, priced as it was placed."""
        content = self._agreed(amended_cart(cart_of(self.order), changes), anew=False)
        return Amend(content, ("lines",), f"{self.order.id}/a{self.order.version}", overrule)

    def amend(self, *changes: CartChange, by: Actor = SYSTEM, overrule: str = "") -> Order:
        """Change what was agreed; what is above the new price goes back, a difference is due."""
        self.send(self.amendment(*changes, overrule=overrule), by=by)
        return self.order

    def recovery(self, prices: Mapping[str, Money] | None = None, *, overrule: str = "") -> Recover:
        """The command that lets a canceled order live again, at ``prices`` by sku."""
        cart = self.order.content.cart
        if cart is None:
            reason = "the order does not know its cart"
            raise ValueError(reason)
        named = prices or {}
        lines = tuple(
            [
                with_fields(
                    line, id=line.id or str(i + 1), unit_price=named.get(line.sku, line.unit_price)
                )
                for i, line in enumerate(cart.lines)
            ]
        )
        return Recover(self._agreed(with_fields(cart, lines=lines), anew=True), overrule)

    def recover(self, prices: Mapping[str, Money] | None = None, *, overrule: str = "") -> Order:
        """Let a canceled order live again."""
        self.send(self.recovery(prices, overrule=overrule))
        return self.order
