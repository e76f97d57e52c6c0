"""What happens after pricing: tenders, goods on their way, orders with their whole history."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from hypothesis import reject
from hypothesis import strategies as st

from ordercore.errors import InvalidTenders, OrdercoreError
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.lifecycle import TimerAction
from ordercore.money import CASH_STEPS, from_minor
from ordercore.order import (
    Accept,
    AddLine,
    AddNote,
    Adopted,
    Advance,
    AnswerAttempts,
    AnswerRefund,
    Assign,
    Cancel,
    ChangeCodes,
    ChangeQuantity,
    ChangeShipping,
    Close,
    CommandKind,
    Complete,
    Deliver,
    Escalate,
    ExtendClock,
    Forfeit,
    HandlingPolicy,
    MarkItem,
    Move,
    NoteOverrun,
    NoteRefundDelay,
    PauseClocks,
    Pay,
    RefundOrder,
    Remind,
    RemoveLine,
    ResumeClocks,
    ReviewOrder,
    Rule,
    Seal,
    Ship,
    Tag,
    UndoPayment,
    allowed,
    allowed_events,
    decide,
)
from ordercore.order.rules.aftercare import matrix_holds
from ordercore.order.rules.instalment import rows_asked
from ordercore.party import ActorKind
from ordercore.pricing import SHIPPING, CartLine, QuoteLine, ShippingCharge
from ordercore.tender import (
    AttemptState,
    Outcome,
    OutcomeStatus,
    PointsRate,
    RefundOutcome,
    RefundStatus,
    TenderEffect,
    TenderPolicy,
    TenderRule,
    plan,
    preview,
)
from ordercore.tender.plan import CapBase
from ordercore.tender.tenders import Balance, Cash, Channel, Points, StoredValue
from ordercore.testing.story import Story, lifecycles, order_content, presale_lifecycle, with_fields
from ordercore.testing.strategies.full import full_carts, quotes
from ordercore.testing.strategies.plain import carts, percents
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

    from ordercore.lifecycle import Lifecycle
    from ordercore.order import CartChange, Command, Order
    from ordercore.pricing import Quote, QuoteCharge
    from ordercore.tender import Attempt, PaymentPreview, PlannedTender, Tender, TenderPlan

__all__ = [
    "Offered",
    "cart_changes",
    "manifests_of",
    "offers",
    "orders",
    "stories",
    "tender_plans",
    "tender_policies",
]


class Payable(Protocol):
    """What has rows that tenders pay: a quote, or the content of an order."""

    @property
    def currency(self) -> str:
        """The currency of its figures."""
        ...

    def rows(self) -> tuple[QuoteLine | QuoteCharge, ...]:
        """Lines, then charges."""
        ...


# --- Tenders ---------------------------------------------------------------------------------


@value
class Offered:
    """Tenders that can pay something, the shop's policy, and what accounts hold (by place in ``tenders``).

    ``coupons``: the price counts on coupon codes."""

    tenders: tuple[Tender, ...]
    policy: TenderPolicy
    available: Mapping[int, int]
    carried: tuple[PlannedTender, ...] = ()
    coupons: bool = False

    def plan(self, due: Payable) -> TenderPlan:
        """What these tenders make of ``due``, after what was carried from former payments."""
        return plan(
            due.rows(), self.tenders, self.policy, due.currency, self.available,
            carried=self.carried, coupons=self.coupons,
        )  # fmt: skip

    def preview(self, due: Payable) -> PaymentPreview:
        """The same, with the reasons."""
        return preview(
            due.rows(), self.tenders, self.policy, due.currency, self.available, self.available,
            carried=self.carried, coupons=self.coupons,
        )  # fmt: skip

    def eligible(self, due: Payable, planned: TenderPlan) -> list[list[bool]]:
        """Which rows each planned tender may pay, read off the policy (for `laws.matrix_exact`)."""
        masks = [[True] * len(due.rows())] * len(self.carried)
        for tender in planned.tenders[len(self.carried) :]:
            _, rule = self.policy.rule(tender.gateway, due.currency)
            masks.append([_may_pay(rule, row) for row in due.rows()])
        return masks


def _may_pay(rule: TenderRule, row: QuoteLine | QuoteCharge) -> bool:
    if row.id == SHIPPING:
        return rule.pays_shipping
    return not isinstance(row, QuoteLine) or (
        row.category not in rule.excluded_categories and row.sku not in rule.excluded_skus
    )


@st.composite
def tender_policies(
    draw: DrawFn, *, rates: bool = True, exclusions: bool = True, effects: bool = True
) -> TenderPolicy:
    """Rules for points, balance and stored value, in any declared order.

    Steps, share and amount caps, minimums, what is left for channels, what goes together; with ``effects``
    also tenders that count as price reductions, with ``exclusions`` also categories, articles and shipping that a
    tender may not pay, with ``rates`` also points worth more or less than one minor unit.
    """
    gateways = ["points", "balance", "stored_value"]
    rules = []
    for gateway in draw(st.permutations(gateways)):
        others = [other for other in gateways if other != gateway]
        usual = [PointsRate(), PointsRate(1, 1)]
        worth = (
            [*usual, PointsRate(1, 10), PointsRate(100, 1), PointsRate(3, 7)] if rates else usual
        )
        rules.append(
            TenderRule(
                gateway,
                draw(st.sampled_from(worth)) if gateway == "points" else None,
                step=draw(st.sampled_from([1, 1, 100])),
                cap_share=draw(st.none() | percents()),
                cap_of=draw(st.sampled_from(CapBase)),
                cap_minor=draw(st.none() | st.integers(0, 50_000)),
                minimum_minor=draw(st.sampled_from([0, 0, 500])),
                excluded_categories=draw(st.sampled_from([(), ("wine",)])) if exclusions else (),
                pays_shipping=draw(st.booleans()) if exclusions else True,
                excluded_skus=draw(st.sampled_from([(), ("SKU-1",)])) if exclusions else (),
                leaves_minor=draw(st.sampled_from([0, 0, 1, 700])),
                not_with=draw(st.sampled_from([(), (), (others[0],), tuple(others)])),
                with_coupons=draw(st.booleans()),
                effect=draw(st.sampled_from(TenderEffect if effects else [TenderEffect.PAYMENT])),
                invoiceable=draw(st.booleans()),
            )
        )
    return TenderPolicy(tuple(rules))


@st.composite
def offers(
    draw: DrawFn,
    due: Payable,
    policy: SearchStrategy[TenderPolicy] | None = None,
    carried: tuple[PlannedTender, ...] = (),
    *,
    cash: bool = False,
) -> Offered:
    """Tenders that together pay ``due`` to the last minor unit, in any order of naming.

    Points, balance and stored value as far as they go, then up to two channels with
    an amount, and a last one for the rest. What is ``carried`` from former payments comes first.
    With ``cash``, one of the channels may be notes and coins, as far as there are coins for it.
    """
    shop = draw(policy if policy is not None else tender_policies())
    total = sum(row.total for row in due.rows()) - sum(held.amount for held in carried)
    named: list[tuple[Tender, int | None]] = []
    if draw(st.booleans()):
        named.append((Points(draw(st.integers(1, 2 * total + 1)), "p-1"), None))
    if draw(st.booleans()):
        named.append((Balance(account="b-1"), draw(st.integers(0, total + 1))))
    if draw(st.booleans()):
        named.append((StoredValue("GC-9"), draw(st.integers(0, total + 1))))
    named.append((Channel("card", account="visa"), None))
    named = draw(st.permutations(named))
    coupons = draw(st.booleans())
    first = _offered(named, shop, carried, coupons=coupons)
    fresh = _planned(first, due).tenders[len(carried) :]
    left = sum(t.amount for t in fresh if t.gateway == "card")
    fixed: list[tuple[Tender, int | None]] = []
    for gateway in ("wallet", "transfer"):
        if left > 1 and draw(st.booleans()):
            amount = draw(st.integers(1, left - 1))
            money = from_minor(amount, due.currency)
            coins = cash and _in_coins(amount, due.currency) and draw(st.booleans())
            fixed.append((Cash(money, gateway) if coins else Channel(gateway, money), None))
            left -= amount
    made = _offered([*fixed, *named], shop, carried, coupons=coupons)
    _planned(made, due)
    return made


def _planned(offered: Offered, due: Payable) -> TenderPlan:
    """The plan; offers that leave coarse points no room beside a tender with exclusions are not drawn."""
    try:
        return offered.plan(due)
    except InvalidTenders as error:
        if error.path.startswith("columns"):
            reject()
        raise


def _offered(
    named: list[tuple[Tender, int | None]],
    policy: TenderPolicy,
    carried: tuple[PlannedTender, ...],
    *,
    coupons: bool,
) -> Offered:
    held = {i: amount for i, (_, amount) in enumerate(named) if amount is not None}
    return Offered(tuple(tender for tender, _ in named), policy, held, carried, coupons)


def _in_coins(amount: int, currency: str) -> bool:
    """Whether there is any coin for it."""
    step = CASH_STEPS.get(currency)
    return step is None or step.apply(amount) > 0


@st.composite
def tender_plans(
    draw: DrawFn,
    due: Payable,
    policy: SearchStrategy[TenderPolicy] | None = None,
    carried: tuple[PlannedTender, ...] = (),
) -> TenderPlan:
    """Plans that pay ``due`` (a quote, or the content of an order) exactly."""
    return draw(offers(due, policy, carried)).plan(due)


# --- Goods -----------------------------------------------------------------------------------


@st.composite
def manifests_of(draw: DrawFn, order: Order, within: Manifest | None = None) -> Manifest:
    """At least one unit of what ``order`` bought, or of ``within`` (such as ``order.shippable()``)."""
    if within is None:
        within = Manifest(tuple((line.id, Quantity(line.quantity)) for line in order.lines))
    names = draw(st.lists(st.sampled_from([name for name, _ in within]), min_size=1, unique=True))
    return Manifest.of([(LineId(n), draw(st.integers(1, within.units(n)))) for n in names])


# --- Orders ----------------------------------------------------------------------------------

_S, _O = AttemptState, OutcomeStatus
_STAFF = ActorKind.STAFF
_ANSWERS: Mapping[AttemptState, tuple[OutcomeStatus, ...]] = {
    _S.OPEN: (_O.CAPTURED, _O.AUTHORIZED, _O.WAITING, _O.DECLINED, _O.UNKNOWN),
    _S.WAITING: (_O.CAPTURED, _O.AUTHORIZED, _O.DECLINED, _O.UNKNOWN),
    _S.AUTHORIZED: (_O.AUTHORIZED,),
    _S.CAPTURING: (_O.CAPTURED, _O.UNKNOWN, _O.DECLINED),
    _S.CAPTURED: (_O.CAPTURED, _O.DECLINED),
    _S.DECLINED: (_O.DECLINED, _O.CAPTURED),
    _S.CLOSING: (_O.VOIDED, _O.CAPTURED, _O.DECLINED, _O.TOO_EARLY),
    _S.RETURNING: (_O.VOIDED, _O.UNKNOWN, _O.CAPTURED),
    _S.RETURNED: (_O.VOIDED, _O.CAPTURED),
}
"""What gateways may say of an attempt, the best first, old and late news included."""


class _Chooser:
    """Draws commands that are legal now, with arguments that fit."""

    def __init__(self, draw: DrawFn, story: Story) -> None:
        self.draw, self.story = draw, story
        self.gives_up = draw(st.booleans())
        self.lucky = draw(st.booleans())
        self.changes = draw(st.booleans())
        self.plain = tender_policies(rates=False)

    def possible(self) -> list[Callable[[], Command]]:
        """Legal commands; those of the main line several times, so that orders get far."""
        order = self.story.order
        kinds = {p.command for p in allowed(order, self.story.situation()) if p.possible}
        kinds -= {CommandKind.PAY} if order.payments.in_flight else set()  # first given up
        main: list[Callable[[], Command]] = [
            make
            for kind, make in (
                (CommandKind.PAY, self.pay),
                (CommandKind.ACCEPT, Accept),
                (CommandKind.SHIP, self.ship),
                (CommandKind.DELIVER, self.deliver),
                (CommandKind.COMPLETE, Complete),
                (CommandKind.REVIEW, self.review),
                (CommandKind.RECOVER, self.recover),
            )
            if kind in kinds
        ]
        if not order.handling.sealed:
            main += [partial(Advance, event) for event in self._words()]
        aside: list[Callable[[], Command]] = []
        if any(attempt.live for attempt in order.payments.attempts):
            main.append(self.answer_live)
        elif order.payments.attempts:
            aside.append(self.answer_late)
        if any(not refund.arrived for refund in order.payments.refunds):
            main.append(self.answer_refund)
            aside.append(self.note_delay)
        if CommandKind.REFUND in kinds:
            aside.append(self.refund)
        if self.changes and CommandKind.AMEND in kinds:
            main.append(self.amend)
        if self.gives_up and CommandKind.CANCEL in kinds:
            aside.append(self.cancel)
        if self.gives_up and CommandKind.CLOSE in kinds:
            aside.append(self.seal)
        if order.handling.sealed:
            return [*main, *aside]
        aside += self._timed()
        return [*main, *main, *main, *main, *aside, self.handle]

    def _words(self) -> list[str]:
        """Events of the lifecycle that people send by name, possible now."""
        found = allowed_events(self.story.order, self.story.situation())
        return [permission.event for permission in found if permission.possible]

    def _timed(self) -> list[Callable[[], Command]]:
        """What timers send, and what ends or delays a payment."""
        order, lifecycle = self.story.order, self.story.lifecycle
        found: list[Callable[[], Command]] = []
        row = lifecycle.table[order.state]
        for rule in lifecycle.timers:
            if order.state not in rule.states:
                continue
            if self.gives_up and rule.does is TimerAction.CLOSE:
                found.append(partial(Close, "not paid in time", rule.event))
            if self.gives_up and rule.does is TimerAction.FORFEIT:
                found.append(partial(Forfeit, rule.event, "its time was up"))
            extended = {name for name, _ in order.handling.extended}
            if rule.extension is not None and rule.name not in extended:
                found.append(partial(ExtendClock, rule.name))
            if rule.does is TimerAction.ESCALATE:
                found.append(partial(Escalate, rule.name))
        if "pay" in row:
            current = order.payments.current()
            done = bool(current) and all(a.state is AttemptState.CAPTURED for a in current)
            if order.payments.in_flight and not done:
                found.append(self.undo)
            pay_by = order.content.pay_by
            if order.closing is None and (pay_by is None or self.story.at < pay_by):
                found.append(self.remind)
        return found

    def handle(self) -> Command:
        """Something that moves neither goods nor money; a move by hand among it, where the policy allows."""
        order, lifecycle = self.story.order, self.story.lifecycle
        handling = order.handling
        lasting = [p.name for p in handling.pauses if p.until is None]
        tag = self.draw(st.sampled_from(["vip", "late", "gift"]))
        makes: list[Command] = [
            AddNote("the customer called", self.draw(st.booleans())),
            Tag(remove=(tag,)) if tag in handling.tags else Tag((tag,)),
            Assign(self.draw(st.sampled_from(["", "north", "south"]))),
            ResumeClocks(lasting[0]) if lasting else PauseClocks("ticket"),
            NoteOverrun("pay", timedelta(minutes=10)),
        ]
        if lifecycle.items:
            line = self.draw(st.sampled_from(order.lines))
            makes.append(MarkItem(line.id, self.draw(st.sampled_from(lifecycle.items)).id))
        hand = self._by_hand()
        now = self.draw(st.booleans())
        if hand and now:
            return Move(self.draw(st.sampled_from(hand)), "the system was down")
        return self.draw(st.sampled_from(makes))

    def _by_hand(self) -> list[str]:
        """States that staff may put the order into: of the same standing, since it is the order that counts."""
        order, situation = self.story.order, self.story.situation()
        handling, payments = situation.handling, order.payments
        if Rule.STATE not in handling.overrules or not payments.keeps() or order.recognized:
            return []
        if payments.in_flight or order.handling.released or payments.refunds or order.due:
            return []
        by_hand = {"paid", "awaiting_shipment", "processing", "additional_order", "ready_to_ship"}
        states = {state.id for state in situation.lifecycle.states}
        return sorted((by_hand & states) - {order.state})

    def _sound(self, make: Callable[[], Command]) -> Command:
        """A command that may not fit the cart, or a remark instead."""
        try:
            command = make()
            decide(self.story.order, command, self.story.situation())
        except OrdercoreError:
            return AddNote("it cannot be changed in this way")
        return command

    def amend(self) -> Command:
        order = self.story.order
        if order.content.cart is None:
            return AddNote("nobody knows its cart")
        return self._sound(partial(self.story.amendment, *self.draw(cart_changes(order))))

    def recover(self) -> Command:
        worth = self.draw(st.sampled_from([None, 1, 5_000]))
        code, lines = self.story.order.currency, self.story.order.lines
        prices = {line.sku: from_minor(worth, code) for line in lines} if worth else None
        return self._sound(partial(self.story.recovery, prices))

    def review(self) -> Command:
        order, lifecycle = self.story.order, self.story.lifecycle
        valid = not self.gives_up or self.draw(st.booleans())
        if ("confirm" if valid else "reject") not in lifecycle.table[order.state]:
            return AddNote("looked at")
        name = f"r-{len(order.payments.refunds) + 1}"
        return ReviewOrder(valid, (("address", valid),), "telephone", "no such address", name)

    def seal(self) -> Command:
        return self._sound(partial(Seal, "settled", "a regular"))

    def pay(self) -> Command:
        order = self.story.order
        content = order.content
        if order.payable < order.total:  # a deposit, which is paid in money alone
            rows, _ = rows_asked(order, offered := (Channel("card"),))
            carried = self.story.carried()
            return Pay(plan(rows, offered, TenderPolicy(), content.currency, carried=carried))
        return Pay(self.draw(tender_plans(content, self.plain, self.story.carried())))

    def ship(self) -> Command:
        order = self.story.order
        goods = self.draw(st.none() | manifests_of(order, order.shippable()))
        return Ship(f"s-{len(order.delivery.shipments) + 1}", goods, "post", "RR1")

    def deliver(self) -> Command:
        return Deliver(by_timer=self.draw(st.booleans()))

    def _answer(self, attempts: list[Attempt]) -> Command:
        if self.lucky:
            good = [(a.id, Outcome(_ANSWERS[a.state][0], at=self.story.at)) for a in attempts]
            return AnswerAttempts(tuple(good))
        some = self.draw(st.lists(st.sampled_from(attempts), min_size=1, unique=True))
        answers = []
        for attempt in some:
            status = self.draw(st.sampled_from(_ANSWERS[attempt.state]))
            said = Outcome(status, f"ref-{attempt.id}", self.story.at, status.value)
            answers.append((attempt.id, said))
        return AnswerAttempts(tuple(answers))

    def answer_live(self) -> Command:
        return self._answer([a for a in self.story.order.payments.attempts if a.live])

    def answer_late(self) -> Command:
        return self._answer(list(self.story.order.payments.attempts))

    def refund(self) -> Command:
        order = self.story.order
        name = f"r-{len(order.payments.refunds) + 1}"
        if matrix_holds(order) and order.refundable() and self.draw(st.booleans()):
            return RefundOrder(name, self.draw(manifests_of(order, order.refundable())), "returned")
        return RefundOrder(name, None, "all of it")

    def answer_refund(self) -> Command:
        payments = self.story.order.payments
        refund = self.draw(st.sampled_from([r for r in payments.refunds if not r.arrived]))
        answers = []
        for leg in self.draw(st.sets(st.integers(0, len(refund.legs) - 1), min_size=1)):
            status = self.draw(st.sampled_from([RefundStatus.ARRIVED, *RefundStatus]))
            answers.append((leg, RefundOutcome(status, f"ref-{leg}", self.story.at)))
        return AnswerRefund(refund.id, tuple(answers))

    def note_delay(self) -> Command:
        late = [
            (refund.id, i)
            for refund in self.story.order.payments.refunds
            for i, leg in enumerate(refund.legs)
            if not leg.arrived
        ]
        return NoteRefundDelay(*self.draw(st.sampled_from(late)))

    def cancel(self) -> Command:
        return Cancel("changed my mind", f"r-{len(self.story.order.payments.refunds) + 1}")

    def undo(self) -> Command:
        return UndoPayment("gave up")

    def remind(self) -> Command:
        return Remind()


@st.composite
def cart_changes(draw: DrawFn, order: Order) -> tuple[CartChange, ...]:
    """Up to three changes of what an order bought: units, lines, shipping."""
    code = order.currency
    found: list[CartChange] = []
    for i in range(draw(st.integers(1, 3))):
        line = str(draw(st.sampled_from(order.lines)).id)
        price = from_minor(draw(st.integers(0, 9_999)), code)
        kinds: list[CartChange] = [
            ChangeQuantity(line, draw(st.integers(1, 4))),
            ChangeQuantity(line, draw(st.integers(1, 4))),
            RemoveLine(line),
            AddLine(CartLine(f"NEW-{i}", draw(st.integers(1, 3)), price)),
            ChangeShipping(draw(st.sampled_from([None, ShippingCharge(price)]))),
            ChangeCodes(()),
        ]
        found.append(draw(st.sampled_from(kinds)))
    return tuple(found)


@st.composite
def stories(
    draw: DrawFn,
    of: SearchStrategy[Quote] | None = None,
    *,
    max_steps: int = 30,
    by: Sequence[Lifecycle[Order]] | None = None,
) -> Story:
    """Orders with their whole history: random legal commands, and gateways that answer anything.

    Payments over several tenders, declines, late news, partial shipments and refunds, amendments, reviews,
    closing, canceling and recovering at any point; some are adopted in mid-life.
    ``of`` are the quotes to begin with, by default small ones; ``by`` are the lifecycles,
    by default `ordercore.testing.story.lifecycles`.
    """
    if of is None:
        small = carts(max_lines=3, max_units=6, max_price=20_000) | full_carts(
            max_lines=2, max_units=4, max_price=20_000
        )
        of = quotes(small) | quotes(small) | quotes(small, presales=True)
        if by is not None:
            of = quotes(small)
    priced = draw(of)
    lifecycle = draw(st.sampled_from(lifecycles() if by is None else tuple(by)))
    if priced.cart.presale is not None:
        lifecycle = presale_lifecycle()
    reservation = draw(st.sampled_from(["", "res-1"]))
    options: dict[str, Any] = {
        "lifecycle": lifecycle,
        "handling": HandlingPolicy(
            refund_canceled=draw(st.booleans()),
            overrules=draw(st.sampled_from([(), tuple(Rule)])),
        ),
        "pricing": priced.policy,
        "facts": priced.facts,
    }
    content = order_content(priced, reservation=reservation, lifecycle=lifecycle)
    story = Story(content, **options)
    steps = draw(st.integers(0, max_steps))
    middle = draw(st.none() | st.integers(0, max_steps))
    chooser = _Chooser(draw, story)
    for step in range(steps):
        if step == middle and not story.order.payments.in_flight:
            story = _adopted(story, options)
            chooser.story = story
        # an order that waits for its payment seldom waits beyond its time
        waits = story.order.state == lifecycle.initial
        story.at += timedelta(seconds=draw(st.sampled_from([0, 1, 90] if waits else _PAUSES)))
        possible = chooser.possible()
        if not possible:
            break
        story.send(draw(st.sampled_from(possible))())
    return story


_PAUSES = (0, 1, 90, 3_600)


def _adopted(story: Story, options: dict[str, Any]) -> Story:
    """The same order, taken over by another shop where it stands."""
    order = story.order
    content = with_fields(order.content, reservation="", added=())
    adopted = Adopted(
        content, order.state, story.at, order.payments, order.delivery, order.handling.released,
        order.recognized,
    )  # fmt: skip
    return Story(content, adopted=adopted, **options)


def orders(
    of: SearchStrategy[Quote] | None = None, *, max_steps: int = 30
) -> SearchStrategy[Order]:
    """Orders in any state that commands can bring them to (see `stories`)."""
    return stories(of, max_steps=max_steps).map(lambda story: story.order)
