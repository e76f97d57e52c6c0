"""What happens after pricing: tenders, goods on their way, orders with their whole history."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from hypothesis import reject
from hypothesis import strategies as st

from ordercore.errors import InvalidTenders
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.money import from_minor
from ordercore.order import (
    Accept,
    AnswerAttempts,
    AnswerRefund,
    Cancel,
    Close,
    CommandKind,
    Complete,
    Deliver,
    NoteRefundDelay,
    Pay,
    RefundOrder,
    Remind,
    Ship,
    UndoPayment,
    allowed,
)
from ordercore.pricing import SHIPPING, QuoteLine
from ordercore.tender import (
    AttemptState,
    Outcome,
    OutcomeStatus,
    PointsRate,
    RefundOutcome,
    RefundStatus,
    TenderPolicy,
    TenderRule,
    plan,
)
from ordercore.tender.plan import CapBase
from ordercore.tender.tenders import Balance, Channel, Points, StoredValue
from ordercore.testing.story import Story, order_content
from ordercore.testing.strategies.full import full_carts, quotes
from ordercore.testing.strategies.plain import carts, percents
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from ordercore.order import Command, Order
    from ordercore.pricing import Quote, QuoteCharge
    from ordercore.tender import Attempt, Tender, TenderPlan

__all__ = [
    "Offered",
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
    """Tenders that can pay something, the shop's policy, and what accounts hold (by place in ``tenders``)."""

    tenders: tuple[Tender, ...]
    policy: TenderPolicy
    available: Mapping[int, int]

    def plan(self, due: Payable) -> TenderPlan:
        """What these tenders make of ``due``."""
        return plan(due.rows(), self.tenders, self.policy, due.currency, self.available)

    def eligible(self, due: Payable, planned: TenderPlan) -> list[list[bool]]:
        """Which rows each planned tender may pay, read off the policy (for `laws.matrix_exact`)."""
        masks = []
        for tender in planned.tenders:
            _, rule = self.policy.rule(tender.gateway, due.currency)
            masks.append([_may_pay(rule, row) for row in due.rows()])
        return masks


def _may_pay(rule: TenderRule, row: QuoteLine | QuoteCharge) -> bool:
    if row.id == SHIPPING:
        return rule.pays_shipping
    return not (isinstance(row, QuoteLine) and row.category in rule.excluded_categories)


@st.composite
def tender_policies(draw: DrawFn, *, rates: bool = True, exclusions: bool = True) -> TenderPolicy:
    """Rules for points, balance and stored value, in any declared order.

    Steps, share and amount caps, minimums; with ``exclusions`` also categories and shipping that a
    tender may not pay, with ``rates`` also points worth more or less than one minor unit.
    """
    rules = []
    for gateway in draw(st.permutations(["points", "balance", "stored_value"])):
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
            )
        )
    return TenderPolicy(tuple(rules))


@st.composite
def offers(
    draw: DrawFn, due: Payable, policy: SearchStrategy[TenderPolicy] | None = None
) -> Offered:
    """Tenders that together pay ``due`` to the last minor unit, in any order of naming.

    Points, balance and stored value as far as they go, then up to two channels with
    an amount, and a last one for the rest.
    """
    shop = draw(policy if policy is not None else tender_policies())
    total = sum(row.total for row in due.rows())
    named: list[tuple[Tender, int | None]] = []
    if draw(st.booleans()):
        named.append((Points(draw(st.integers(1, 2 * total + 1)), "p-1"), None))
    if draw(st.booleans()):
        named.append((Balance(account="b-1"), draw(st.integers(0, total + 1))))
    if draw(st.booleans()):
        named.append((StoredValue("GC-9"), draw(st.integers(0, total + 1))))
    named.append((Channel("card", account="visa"), None))
    named = draw(st.permutations(named))
    first = _offered(named, shop)
    left = sum(t.amount for t in _planned(first, due).tenders if t.gateway == "card")
    fixed: list[tuple[Tender, int | None]] = []
    for gateway in ("wallet", "transfer"):
        if left > 1 and draw(st.booleans()):
            amount = draw(st.integers(1, left - 1))
            fixed.append((Channel(gateway, from_minor(amount, due.currency)), None))
            left -= amount
    made = _offered([*fixed, *named], shop)
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


def _offered(named: list[tuple[Tender, int | None]], policy: TenderPolicy) -> Offered:
    held = {i: amount for i, (_, amount) in enumerate(named) if amount is not None}
    return Offered(tuple(tender for tender, _ in named), policy, held)


@st.composite
def tender_plans(
    draw: DrawFn, due: Payable, policy: SearchStrategy[TenderPolicy] | None = None
) -> TenderPlan:
    """Plans that pay ``due`` (a quote, or the content of an order) exactly."""
    return draw(offers(due, policy)).plan(due)


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
        self.plain = tender_policies(rates=False)

    def possible(self) -> list[Callable[[], Command]]:
        """Legal commands; those of the main line several times, so that orders get far."""
        order = self.story.order
        kinds = {p.command for p in allowed(order, self.story.situation()) if p.possible}
        kinds -= {CommandKind.PAY} if order.payments.in_flight else set()  # first given up
        main: list[Callable[[], Command]] = []
        aside: list[Callable[[], Command]] = []
        for kind, make in (
            (CommandKind.PAY, self.pay),
            (CommandKind.ACCEPT, Accept),
            (CommandKind.SHIP, self.ship),
            (CommandKind.DELIVER, self.deliver),
            (CommandKind.COMPLETE, Complete),
        ):
            if kind in kinds:
                main.append(make)
        if any(attempt.live for attempt in order.payments.attempts):
            main.append(self.answer_live)
        elif order.payments.attempts:
            aside.append(self.answer_late)
        if any(not refund.arrived for refund in order.payments.refunds):
            main.append(self.answer_refund)
            aside.append(self.note_delay)
        if CommandKind.REFUND in kinds:
            aside.append(self.refund)
        if self.gives_up and CommandKind.CANCEL in kinds:
            aside.append(self.cancel)
        if order.state == self.story.situation().lifecycle.initial:
            if self.gives_up:
                aside.append(self.close)
            if order.payments.in_flight:
                aside.append(self.undo)
            pay_by = order.content.pay_by
            if order.closing is None and (pay_by is None or self.story.at < pay_by):
                aside.append(self.remind)
        return [*main, *main, *main, *main, *aside]

    def pay(self) -> Command:
        return Pay(self.draw(tender_plans(self.story.order.content, self.plain)))

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
        if order.refundable() and self.draw(st.booleans()):
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

    def close(self) -> Command:
        return Close("not paid in time")

    def undo(self) -> Command:
        return UndoPayment("gave up")

    def remind(self) -> Command:
        return Remind()


@st.composite
def stories(draw: DrawFn, of: SearchStrategy[Quote] | None = None, *, max_steps: int = 30) -> Story:
    """Orders with their whole history: random legal commands, and gateways that answer anything.

    Payments over several tenders, declines, late news, partial shipments and refunds, closing and
    canceling at any point. ``of`` are the quotes to begin with, by default small ones.
    """
    if of is None:
        of = quotes(
            carts(max_lines=3, max_units=6, max_price=20_000)
            | full_carts(max_lines=2, max_units=4, max_price=20_000)
        )
    priced = draw(of)
    reservation = draw(st.sampled_from(["", "res-1"]))
    story = Story(order_content(priced, reservation=reservation))
    chooser = _Chooser(draw, story)
    for _ in range(draw(st.integers(0, max_steps))):
        # an order that waits for its payment seldom waits beyond its time
        pauses = [0, 1, 90] if story.order.state == "pending_payment" else [0, 1, 90, 3_600]
        story.at += timedelta(seconds=draw(st.sampled_from(pauses)))
        possible = chooser.possible()
        if not possible:
            break
        story.send(draw(st.sampled_from(possible))())
    return story


def orders(
    of: SearchStrategy[Quote] | None = None, *, max_steps: int = 30
) -> SearchStrategy[Order]:
    """Orders in any state that commands can bring them to (see `stories`)."""
    return stories(of, max_steps=max_steps).map(lambda story: story.order)
