"""Stories of orders, from the cart to the last refund: every event there is, is in one of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from ordercore.change import Change, Receipt, change
from ordercore.goods import Manifest
from ordercore.ledger import PostingPolicy
from ordercore.lifecycle import Lifecycles
from ordercore.lifecycle.charts import built_in
from ordercore.lifecycle.charts.standard import standard
from ordercore.money import Percent, money
from ordercore.order import (
    FACTS,
    Accept,
    AddedHolding,
    AddedReservation,
    AddNote,
    Adopted,
    Advance,
    Amend,
    AnswerAttempts,
    AnswerRefund,
    Assign,
    Cancel,
    Close,
    Complete,
    Deliver,
    Escalate,
    ExtendClock,
    HandlingPolicy,
    MarkItem,
    Move,
    NoteOverrun,
    NoteRefundDelay,
    Order,
    OrderContent,
    PauseClocks,
    Pay,
    Recover,
    RefundOrder,
    Remind,
    ResumeClocks,
    ReviewOrder,
    Rule,
    Ship,
    Situation,
    Tag,
    UndoPayment,
    decide,
    evolve,
    place,
)
from ordercore.order.decide import Decision
from ordercore.party import SYSTEM, Actor, Address, Attribution, Party
from ordercore.pricing import (
    AmountOff,
    Cart,
    CartLine,
    OrderKind,
    PercentOff,
    PricingPolicy,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
    quote,
)
from ordercore.tender import (
    ActionKind,
    Outcome,
    OutcomeStatus,
    PaymentAction,
    RefundOutcome,
    RefundStatus,
    TenderPolicy,
    carried_tenders,
    plan,
    tenders,
)
from ordercore.timeout import TimeoutPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Command
    from ordercore.tender import Tender

START = datetime(2026, 5, 20, 9, 30, 0, 123456, tzinfo=UTC)
LIFECYCLE = standard(FACTS)
AGENT = built_in("purchasing_agent", FACTS)
REVIEW_FIRST = built_in("review_first", FACTS)
LIFECYCLES = Lifecycles((LIFECYCLE, AGENT, REVIEW_FIRST))
CLERK = Actor.staff("clerk-7")
SHOPPER = Actor.customer("cus_42")
TIMEOUTS = TimeoutPolicy()
_POSTING = PostingPolicy()
_HANDLING = HandlingPolicy(refund_canceled=False, overrules=tuple(Rule))
_PRICING = PricingPolicy(
    TaxPolicy(
        (TaxRate(Percent.of("13"), source="law"), TaxRate(Percent.of("6"), "shipping")),
    )
)


def situation(
    at: datetime = START, by: Actor = SYSTEM, lifecycle: Lifecycle[Order] = LIFECYCLE
) -> Situation:
    """A situation under a lifecycle, by default the standard one."""
    handling = HandlingPolicy() if lifecycle is LIFECYCLE else _HANDLING
    return Situation(at, by, lifecycle, _POSTING, handling)


def cart(lines: int = 5) -> Cart:
    """A cart with discounts, attributes, freight, an extra and letters of several scripts."""
    first = CartLine(
        "sku-0", 3, money("89.99", "CNY"), '紅茶 "Spécial" \\ 250 g', category="tea",
        discounts=(PercentOff(Percent.of("10"), "tea week", money("20.00", "CNY")),),
        weight_grams=750, source_url="https://example.org/tea?id=1&x=\u2028",
        attributes={"color": "red", "size": "L"}, domestic_freight=money("1.50", "CNY"),
        extra={"note": "gift", "deep": [1, {"a": None}]},
    )  # fmt: skip
    rest = tuple(
        CartLine(f"sku-{i}", i + 1, money(f"{10 + i}.90", "CNY"), f"Article {i}")
        for i in range(1, lines)
    )
    return Cart(
        "CNY", (first, *rest), (AmountOff(money("5.00", "CNY"), "welcome"),),
        ShippingCharge(money("12.00", "CNY")), OrderKind.REGULAR, "main",
        Party("cus_42", "Zoë", "zoe@example.org", "+86 1", ""),
        Address("Zoë", ("1 Long Road", "Flat 2"), "Shanghai", "", "200000", "CN", "+86 1"),
        extra={"campaign": "may"},
    )  # fmt: skip


def content(
    name: str = "ord_1", number: str = "ORD-0000000001", lines: int = 5, at: datetime = START,
    **changed: Any,
) -> OrderContent:  # fmt: skip
    """What was agreed, from the priced cart; ``changed`` replaces fields."""
    priced = quote(cart(lines), _PRICING, at)
    fields: dict[str, Any] = {
        "id": name, "number": number, "shop": priced.shop, "kind": priced.kind,
        "lifecycle": LIFECYCLE.name, "lifecycle_version": LIFECYCLE.version,
        "currency": priced.currency, "customer": priced.customer, "address": priced.address,
        "lines": priced.lines, "charges": priced.charges, "discounts": priced.discounts,
        "taxes": priced.taxes, "subtotal": priced.subtotal, "discount": priced.discount,
        "tax": priced.tax, "net": priced.net, "total": priced.total,
        "rounding": priced.rounding, "scope": priced.scope, "priced_at": priced.at,
        "placed_at": at, "pay_by": at + timedelta(minutes=30), "reservation": f"res-{name}",
        "extra": '{"campaign":"may"}',
    }  # fmt: skip
    return OrderContent(**{**fields, **changed})


def placed(
    name: str = "ord_1", number: str = "ORD-0000000001", lines: int = 5, at: datetime = START,
    key: str = "", **changed: Any,
) -> Change:  # fmt: skip
    """An order that begins."""
    agreed = content(name, number, lines, at, **changed)
    lifecycle = LIFECYCLES.get(agreed.lifecycle, agreed.lifecycle_version)
    decision = place(agreed, situation(at, SHOPPER, lifecycle))
    receipt = Receipt(agreed.shop, key, "Place", "d1", name) if key else None
    return change(None, decision, at, SHOPPER, "Place", TIMEOUTS, lifecycle, receipt)


def changed(
    order: Order, command: Command, at: datetime | None = None, by: Actor = SYSTEM, key: str = ""
) -> Change:
    """What a command makes of an order."""
    moment = at if at is not None else order.entered_at + timedelta(seconds=1)
    lifecycle = LIFECYCLES.get(order.content.lifecycle, order.content.lifecycle_version)
    decision = decide(order, command, situation(moment, by, lifecycle))
    name = type(command).__name__
    receipt = Receipt(order.shop, key, name, "d2", order.id) if key else None
    return change(order, decision, moment, by, name, TIMEOUTS, lifecycle, receipt)


OFFERS: tuple[Tender, ...] = (
    tenders.Points(1200, "cus_42"),
    tenders.Balance(money("20.00", "CNY"), "cus_42"),
    tenders.StoredValue("GC-9", money("30.00", "CNY")),
    tenders.Channel("wechat", account="openid-1"),
)


def paying(order: Order, offers: Sequence[Tender] = OFFERS, key: str = "") -> Change:
    """A payment begins: by default over four tenders."""
    carried = [tender for _, tender in carried_tenders(order.payments)] if order.due else []
    planned = plan(order.content.rows(), offers, TenderPolicy(), order.currency, carried=carried)
    return changed(order, Pay(planned), by=SHOPPER, key=key)


def answered(order: Order, status: OutcomeStatus = OutcomeStatus.CAPTURED) -> Change:
    """Every attempt of the payment gets the same answer."""
    at = order.entered_at + timedelta(seconds=3)
    answers = tuple(
        (a.id, Outcome(status, f"ref-{a.tender}", at)) for a in order.payments.current()
    )
    return changed(order, AnswerAttempts(answers), at)


def _refunded(order: Order, name: str, *, late: bool) -> list[Change]:
    asked = changed(order, RefundOrder(name, Manifest.of({"1": 1}), "broken"), by=CLERK)
    story, order = [asked], asked.order
    if late:
        story.append(changed(order, NoteRefundDelay(name, 0)))
        order = story[-1].order
    legs = order.payments.refund(name).legs
    arrived = RefundOutcome(RefundStatus.ARRIVED, "rf-1", START + timedelta(days=3))
    failed = RefundOutcome(RefundStatus.FAILED, reason="account closed")
    answers = tuple((i, arrived if i else failed) for i in range(len(legs)))
    return [*story, changed(order, AnswerRefund(name, answers))]


def _attempted(order: Order) -> list[Change]:
    """A payment that waits, is given up and comes to nothing."""
    story = [paying(order, (tenders.Channel("wechat"),))]
    order = story[-1].order
    code = PaymentAction(ActionKind.QR_CODE, "pay://1", START + timedelta(minutes=5), "wechat")
    name = order.payments.current()[0].id
    waits = Outcome(OutcomeStatus.WAITING, "w-1", None, "", code)
    story.append(changed(order, AnswerAttempts(((name, waits),))))
    story.append(changed(story[-1].order, Remind()))
    story.append(changed(story[-1].order, UndoPayment("another way"), by=SHOPPER))
    void = Outcome(OutcomeStatus.VOIDED, "w-1")
    story.append(changed(story[-1].order, AnswerAttempts(((name, void),))))
    return story


def story() -> list[Change]:
    """Placed, paid at the second try, refunded in part, shipped, received, completed, refunded late."""
    told = [placed(key="place-1")]
    told += _attempted(told[-1].order)
    told.append(paying(told[-1].order, key="pay-1"))
    told.append(answered(told[-1].order, OutcomeStatus.AUTHORIZED))
    told.append(answered(told[-1].order))
    told += _refunded(told[-1].order, "rfd_1", late=True)
    told.append(changed(told[-1].order, Accept(), by=CLERK))
    told.append(changed(told[-1].order, Ship("shp_1", None, "SF", "SF-1"), by=CLERK))
    told.append(changed(told[-1].order, Deliver(by_timer=True)))
    told.append(changed(told[-1].order, Complete(), by=CLERK))
    told += _refunded(told[-1].order, "rfd_2", late=False)
    return told


def closing_story() -> list[Change]:
    """An order whose time is up while a payment waits: it closes after the channel's last word."""
    told = [placed("ord_2", "ORD-0000000002", 2)]
    told.append(paying(told[-1].order, (tenders.Channel("wechat"),)))
    told.append(changed(told[-1].order, Close("time is up")))
    return told


def canceled_story() -> list[Change]:
    """A paid order that is canceled before it ships."""
    told = [placed("ord_3", "ORD-0000000003", 1)]
    told.append(paying(told[-1].order, (tenders.Channel("wechat"),)))
    told.append(answered(told[-1].order))
    told.append(changed(told[-1].order, Cancel("changed my mind", "rfd_3"), by=SHOPPER))
    return told


def _agreed(order: Order, lines: int) -> OrderContent:
    """The same order with so many lines, what came to it held beside the rest."""
    priced = quote(cart(lines), _PRICING, START)
    return attrs.evolve(
        order.content, lines=priced.lines, charges=priced.charges, discounts=priced.discounts,
        taxes=priced.taxes, subtotal=priced.subtotal, discount=priced.discount, tax=priced.tax,
        net=priced.net, total=priced.total, cart=cart(lines),
        added=(AddedReservation("res-added", (("sku-1", 2),)),),
        added_codes=(AddedHolding("cpn-added", ("WELCOME",)),),
    )  # fmt: skip


def agent_story() -> list[Change]:
    """An order of a purchasing agent: changed after payment and changed back, marked, canceled, recovered."""
    told = [
        placed(
            "ord_4", "ORD-0000000004", 1, lifecycle=AGENT.name, lifecycle_version=AGENT.version,
            cart=cart(1), attribution=Attribution("example.org", "app", "may"),
            coupons=("WELCOME",), coupon_holding="cpn-1",
        )
    ]  # fmt: skip

    def then(command: Command, by: Actor = CLERK) -> Order:
        told.append(changed(told[-1].order, command, by=by))
        return told[-1].order

    told.append(paying(told[-1].order, (tenders.Channel("wechat"),)))
    told.append(answered(told[-1].order))
    order = then(Amend(_agreed(told[-1].order, 2), ("lines", "total"), "rfd_a1"))
    told.append(paying(order, (tenders.StoredValue("GC-9"),)))
    told.append(answered(told[-1].order))
    order = then(Amend(_agreed(told[-1].order, 1), ("lines", "total"), "rfd_a2"))
    then(AddNote("called about the color", shown=True), SHOPPER)
    then(Tag(("vip", "gift")))
    then(Tag(remove=("gift",)))
    then(Assign("north"))
    then(MarkItem("1", "purchased"))
    then(PauseClocks("ticket-1"))
    then(ResumeClocks("ticket-1"))
    then(PauseClocks("ticket-2"))
    then(NoteOverrun("pick", timedelta(days=2)), SYSTEM)
    then(Escalate("difference_unpaid"), SYSTEM)
    then(Advance("receive_at_warehouse"))
    then(Move("processing", "booked by mistake"))
    then(Cancel("sold out", "rfd_4"))
    then(Recover(_agreed(told[-1].order, 2)))
    return told


def reviewed_story() -> list[Change]:
    """An order that staff looked over before it was taken up."""
    told = [
        placed(
            "ord_5", "ORD-0000000005", 1, lifecycle=REVIEW_FIRST.name,
            lifecycle_version=REVIEW_FIRST.version, pay_by=None,
        )
    ]  # fmt: skip
    points = (("address", True), ("delivery", True))
    review = ReviewOrder(True, points, "telephone, 9:31", "a regular")
    return [*told, changed(told[-1].order, review, by=CLERK)]


def adopted_story() -> list[Change]:
    """An order taken over when it was on its way, and given more time."""
    order = next(made.order for made in story() if made.order.state == "shipped")
    adopted = Adopted(
        attrs.evolve(order.content, id="ord_6", number="OLD-6", reservation=""), "shipped",
        order.entered_at, order.payments, order.delivery,
    )  # fmt: skip
    begun = Decision(evolve(None, adopted, START), (adopted,))
    told = [change(None, begun, START, SYSTEM, "Adopt", TIMEOUTS, LIFECYCLE)]
    return [*told, changed(told[-1].order, ExtendClock("confirm"), by=SHOPPER)]


def everything() -> list[Change]:
    """The stories that the first schema could tell."""
    return [*story(), *closing_story(), *canceled_story()]


def all_stories() -> list[Change]:
    """Those, and what came later: changes of what was agreed, marks, reviews, clocks."""
    return [*everything(), *agent_story(), *reviewed_story(), *adopted_story()]
