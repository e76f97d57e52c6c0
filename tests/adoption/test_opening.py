"""What a host tells of an order, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from ordercore import tenders
from ordercore.adoption import (
    GRACE,
    Opening,
    Snapshot,
    SnapshotCharge,
    SnapshotLine,
    SnapshotPayment,
    SnapshotRefund,
    SnapshotShipment,
    StatusMap,
    opening,
)
from ordercore.errors import (
    InvalidInput,
    InvalidMoney,
    InvalidSnapshot,
    NotAllowed,
    UnknownCurrency,
)
from ordercore.goods import Manifest
from ordercore.ledger import PostingPolicy
from ordercore.lifecycle.charts import built_in
from ordercore.money import Percent, money
from ordercore.order import (
    FACTS,
    AnswerAttempts,
    Cancel,
    Forfeit,
    Pay,
    RefundOrder,
    Situation,
    decide,
)
from ordercore.order.posting import posting
from ordercore.party import SYSTEM, Attribution, Party
from ordercore.pricing import (
    Cart,
    CartLine,
    ChargeKind,
    Presale,
    PricingPolicy,
    ShippingCharge,
    TaxPolicy,
    TaxRate,
    quote,
)
from ordercore.tender import Outcome, OutcomeStatus, TenderKind, TenderPolicy, carried_tenders, plan
from ordercore.testing import laws

if TYPE_CHECKING:
    from ordercore.money import Money
    from ordercore.order import Order
    from ordercore.pricing import Quote

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
ORDERED = NOW - timedelta(days=10)
NINETEEN = Percent.of("19")


def eur(text: str) -> Money:
    """An amount in EUR."""
    return money(text, "EUR")


TEA = SnapshotLine("TEA", 3, eur("10.01"), tax_rate=NINETEEN, name="Tea")
CUP = SnapshotLine("CUP", 1, total=eur("5.00"), tax_rate=Percent.of("7"))
SHIPPING = SnapshotCharge(eur("4.90"), tax_rate=NINETEEN)
CARD = SnapshotPayment("card", eur("39.93"), "ch_1", at=ORDERED)
PAID = Snapshot(
    "A-17", "EUR", ORDERED, (TEA, CUP), "paid", customer=Party("ada"), charges=(SHIPPING,),
    total=eur("39.93"), payments=(CARD,),
)  # fmt: skip
UNPAID = attrs.evolve(PAID, state="pending_payment", payments=())


def at(
    name: str = "standard", *, at: datetime = NOW, posting: PostingPolicy | None = None
) -> Situation:
    """When and by which lifecycle an order is taken over."""
    return Situation(at, SYSTEM, built_in(name, FACTS), posting or PostingPolicy())


def adopted(snapshot: Snapshot, situation: Situation | None = None, **options: Any) -> Opening:
    """The snapshot taken over, its amounts in agreement."""
    opened = opening(
        snapshot, snapshot.state, situation or at(snapshot.lifecycle), order_id="o-1", **options
    )
    laws.amounts_agree(opened.order)
    return opened


def books(opened: Opening) -> dict[str, int]:
    """The opening entries by account and detail, debit above zero."""
    entries = posting(opened.order, opened.decision.events)
    assert sum(entry.amount for entry in entries) == 0
    return {f"{e.account.value}:{e.detail}".rstrip(":"): e.amount for e in entries}


# --- Figures ---------------------------------------------------------------------------------


def test_what_is_left_out_follows_from_the_rest() -> None:
    """Tax follows from the rate inside the price, totals from the units, and a unit price from the total."""
    content = adopted(PAID).order.content
    tea, cup = content.lines
    assert (tea.total, tea.tax, tea.net) == (3003, 479, 2524)
    assert (cup.unit_price, cup.total, cup.tax) == (500, 500, 33)
    assert (content.total, content.tax) == (3993, 479 + 33 + 78)
    assert [(t.ppm, t.net + t.tax) for t in content.taxes] == [(190_000, 3493), (70_000, 500)]


def test_a_total_that_units_cannot_share_has_the_rest_as_discount() -> None:
    """Three for 10.00 stand at 3.34 with two cents off, so that the line still costs 10.00."""
    line = SnapshotLine("TEA", 3, total=eur("10.00"))
    order = adopted(attrs.evolve(UNPAID, lines=(line,), charges=(), total=eur("10.00"))).order
    (found,) = order.lines
    assert (found.unit_price, found.discount, found.total) == (334, 2, 1000)
    assert [off.amount for off in order.content.discounts] == [2]


def test_prices_without_tax_have_it_on_top() -> None:
    """A line that is told without tax costs its net and the tax."""
    line = SnapshotLine("TEA", 3, eur("10.01"), tax_rate=NINETEEN, tax_included=False)
    content = adopted(attrs.evolve(UNPAID, lines=(line,), charges=(), total=None)).order.content
    assert (content.net, content.tax, content.total) == (3003, 571, 3574)


def test_the_discount_on_all_lines_is_shared() -> None:
    """What is off the order is off each line in proportion, and the taxes follow."""
    told = attrs.evolve(UNPAID, discount=eur("5.00"), total=eur("34.93"))
    content = adopted(told).order.content
    assert [line.order_discount for line in content.lines] == [429, 71]
    assert content.discount == 500
    assert content.total == 3493


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"lines": ()}, "lines", "1 to 10000 lines"),
        ({"lines": (TEA, attrs.evolve(TEA, id="1"))}, "lines[1].id", "two lines are called '1'"),
        ({"lines": (attrs.evolve(TEA, quantity=0),)}, "lines[0].quantity", "is not from 1"),
        ({"lines": (attrs.evolve(TEA, sku=""),)}, "lines[0].sku", "needs a sku"),
        ({"lines": (SnapshotLine("X", 1),)}, "lines[0].unit_price", "neither a unit price nor a total"),
        ({"lines": (attrs.evolve(TEA, unit_price=eur("-1.00")),)}, "lines[0].unit_price", "negative"),
        ({"lines": (attrs.evolve(TEA, unit_price=money("1.00", "USD")),)}, "lines[0].unit_price", "in USD"),
        ({"lines": (attrs.evolve(TEA, total=eur("31.00")),)}, "lines[0].total", "come to 30.03 EUR, the line to 31.00"),
        ({"lines": (attrs.evolve(TEA, discount=eur("1.00"), total=eur("29.00")),)}, "lines[0].total", "come to 29.03"),
        ({"lines": (attrs.evolve(TEA, discount=eur("31.00")),)}, "lines[0].discount", "come to"),
        ({"lines": (SnapshotLine("X", 1, eur("1"), tax=eur("0.19")),)}, "lines[0].tax_rate", "without its rate"),
        ({"lines": (SnapshotLine("X", 1, eur("1"), tax_rate=NINETEEN, tax=eur("2")),)}, "lines[0].tax", "more than"),
        ({"discount": eur("36.00")}, "discount", "is off goods of 35.03"),
        ({"total": eur("39.92")}, "total", "come to 39.93 EUR, not 39.92 EUR"),
        ({"charges": (SHIPPING, SHIPPING)}, "charges[1].id", "id of its own"),
        ({"charges": (attrs.evolve(SHIPPING, kind=ChargeKind.DUTY),)}, "charges[0].kind", "with a cart"),
        ({"charges": (attrs.evolve(SHIPPING, tax_rate=None, tax=eur("1")),)}, "charges[0].tax_rate", "without its rate"),
        ({"extra": {"x": {1}}}, "extra", "not plain JSON"),
        ({"number": ""}, "number", "1 to 100"),
        ({"state": "payed"}, "state", "no state 'payed'"),
        ({"placed_at": NOW + timedelta(days=2)}, "placed_at", "in the future"),
        ({"placed_at": datetime(2026, 5, 1)}, "placed_at", "needs a zone"),  # noqa: DTZ001
        ({"tags": ("",)}, "tags", "a text of"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_named_by_its_path(
    change: dict[str, Any], path: str, reason: str
) -> None:
    """The fault says where it is, and what is wrong there."""
    with pytest.raises(InvalidInput) as caught:
        adopted(attrs.evolve(UNPAID, **change))
    assert caught.value.path == path
    assert reason in caught.value.reason


def test_an_unknown_currency_is_refused() -> None:
    """A code that is no money is named as such."""
    with pytest.raises(UnknownCurrency):
        adopted(attrs.evolve(UNPAID, currency="EUX"))


# --- Money -----------------------------------------------------------------------------------


def test_a_paid_order_owes_its_advance() -> None:
    """What was paid before stands as advance against the opening balance of its gateway."""
    opened = adopted(PAID)
    assert books(opened) == {"opening:card": 3993, "advances": -3993}
    assert opened.order.due == 0
    (attempt,) = opened.order.payments.attempts
    assert (attempt.reference, attempt.gateway, attempt.id) == ("ch_1", "card", "o-1/1")


def test_money_that_the_channel_still_holds_stands_with_the_channel() -> None:
    """Not yet paid out, it is in clearing; points not yet settled lower the points that customers hold."""
    two = (
        SnapshotPayment("card", eur("30.00"), settled=False),
        SnapshotPayment("points", eur("9.93"), kind=TenderKind.POINTS, points=993, settled=False),
    )
    opened = adopted(attrs.evolve(PAID, payments=two))
    assert books(opened) == {
        "clearing:card": 3000, "points_liability:points": 993, "advances": -3993,
    }  # fmt: skip


def test_a_sale_that_is_earned_leaves_nothing_open() -> None:
    """Of a completed order the books hold nothing, but refunds that are on their way."""
    done = attrs.evolve(
        PAID, state="completed", received_at=NOW - timedelta(days=2),
        lines=(attrs.evolve(TEA, shipped=3), attrs.evolve(CUP, shipped=1)),
    )  # fmt: skip
    opened = adopted(done)
    assert books(opened) == {}
    assert opened.order.recognized
    back = SnapshotRefund(goods=Manifest.of({"1": 1}), arrived=False)
    assert books(adopted(attrs.evolve(done, refunds=(back,)))) == {
        "opening:card": 1001, "refunds_in_transit": -1001,
    }  # fmt: skip


def test_a_sale_booked_on_shipping_is_earned_from_there_on() -> None:
    """Whoever books when goods leave has earned a received order too."""
    policy = PostingPolicy(("shipped",))
    sent = attrs.evolve(
        PAID, state="received", lines=(attrs.evolve(TEA, shipped=3), attrs.evolve(CUP, shipped=1))
    )
    assert adopted(sent, at(posting=policy)).order.recognized
    assert not adopted(sent).order.recognized
    assert not adopted(PAID, at(posting=policy)).order.recognized


def test_units_that_went_back_are_refunded() -> None:
    """One unit of tea refunded leaves two to refund, and the advance is what is left."""
    opened = adopted(attrs.evolve(PAID, lines=(attrs.evolve(TEA, refunded=1), CUP)))
    order = opened.order
    assert order.refundable().as_dict() == {"1": 2, "2": 1}
    assert order.shippable().as_dict() == {"1": 2, "2": 1}
    assert order.payments.refunded == 1001
    assert books(opened) == {"opening:card": 2992, "advances": -2992}
    assert order.due == order.owed == 0


def test_refunds_go_back_over_the_payments_that_gave_them() -> None:
    """Whichever payment the host refunded over, what is left of each is what can still go back."""
    two = (SnapshotPayment("card", eur("30.00")), SnapshotPayment("wallet", eur("9.93")))
    back = SnapshotRefund(
        eur("10.01"), Manifest.of({"1": 1}), over=((0, eur("1.01")), (1, eur("9.00")))
    )
    order = adopted(attrs.evolve(PAID, payments=two, refunds=(back,))).order
    assert [order.payments.left(a) for a in order.payments.attempts] == [2899, 93]
    done = decide(order, RefundOrder("r", None, "all"), at()).order
    assert [done.payments.left(a) for a in done.payments.attempts] == [0, 0]
    assert done.state == "refunding"


def test_all_that_was_left_needs_no_goods_to_be_named() -> None:
    """A refund of all the money is of all the goods, shipping included."""
    told = attrs.evolve(PAID, state="refunded", refunds=(SnapshotRefund(eur("39.93")),))
    order = adopted(told).order
    assert not order.refundable()
    assert {row.row for row in order.payments.refunds[0].rows} == {"1", "2", "shipping"}


def test_money_back_for_no_goods_is_off_the_price() -> None:
    """After 5.00 of goodwill the order costs so much less, nothing is due, and all of the rest can go back."""
    opened = adopted(attrs.evolve(PAID, refunds=(SnapshotRefund(eur("5.00"), reason="late"),)))
    order = opened.order
    assert (order.total, order.due, order.owed) == (3493, 0, 0)
    assert order.payments.refunded == 500
    assert books(opened) == {"opening:card": 3493, "advances": -3493}
    assert opened.remarks[0][0] == "refunds[0]"
    done = decide(order, RefundOrder("r", None, "all"), at()).order
    assert done.payments.refunded == 3993


def test_what_was_kept_of_a_refund_stays_in_the_former_books() -> None:
    """A refund of less than its goods cost leaves a fee that is no advance, and the rest refunds exactly."""
    back = SnapshotRefund(eur("8.00"), Manifest.of({"1": 1}))
    opened = adopted(attrs.evolve(PAID, refunds=(back,)))
    assert books(opened) == {"opening:card": 2992, "advances": -2992}
    assert "2.01 EUR of what these goods cost was kept back" in opened.remarks[0][1]
    done = decide(opened.order, RefundOrder("r", None, "all"), at()).order
    assert done.payments.refunded == 800 + 2992


def test_an_order_paid_in_part_owes_the_rest() -> None:
    """A deposit counts: the next payment pays what is missing, and the order is paid."""
    part = attrs.evolve(UNPAID, payments=(SnapshotPayment("card", eur("10.00"), "ch_1"),))
    order = adopted(part).order
    assert order.due == 2993
    planned = plan(
        order.content.rows(), (tenders.Channel("card"),), TenderPolicy(), "EUR",
        carried=tuple(tender for _, tender in carried_tenders(order.payments)),
    )  # fmt: skip
    order = decide(order, Pay(planned), at()).order
    name = order.payments.attempts[-1].id
    captured = AnswerAttempts(((name, Outcome(OutcomeStatus.CAPTURED)),))
    order = decide(order, captured, at()).order
    assert (order.state, order.due, order.payments.captured) == ("paid", 0, 3993)


def test_an_order_paid_in_part_gives_its_deposit_back_as_a_refund() -> None:
    """Canceled, it refunds under the host's reference; nothing is voided that we never charged."""
    part = attrs.evolve(UNPAID, payments=(SnapshotPayment("card", eur("10.00"), "ch_1"),))
    order = decide(adopted(part).order, Cancel("no more", "r-1"), at()).order
    (attempt,) = order.payments.attempts
    assert order.state == "closed"
    assert (attempt.state.value, order.payments.left(attempt)) == ("captured", 0)


def test_a_deposit_that_went_back_is_owed_again() -> None:
    """An order whose deposit was returned and that lives on owes its whole price."""
    part = attrs.evolve(
        UNPAID,
        payments=(SnapshotPayment("card", eur("10.00")),),
        refunds=(SnapshotRefund(eur("10.00")),),
    )
    assert adopted(part).order.due == 3993
    assert adopted(attrs.evolve(part, state="closed")).order.due == 0


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"payments": (attrs.evolve(CARD, amount=eur("40.00")),)}, "payments", "40.00 EUR was paid"),
        ({"payments": (attrs.evolve(CARD, amount=eur("0.00")),)}, "payments[0].amount", "more than nothing"),
        ({"payments": (attrs.evolve(CARD, gateway=""),)}, "payments[0].gateway", "names its gateway"),
        ({"payments": (attrs.evolve(CARD, points=5),)}, "payments[0].points", "in points"),
        ({"refunds": (SnapshotRefund(eur("40.00")),)}, "refunds", "of 39.93 EUR paid"),
        ({"refunds": (SnapshotRefund(goods=Manifest.of({"1": 4})),)}, "refunds[0].goods[1]", "4 of 3 units"),
        ({"refunds": (SnapshotRefund(goods=Manifest.of({"9": 1})),)}, "refunds[0].goods[9]", "no line '9'"),
        ({"refunds": (SnapshotRefund(eur("11.00"), Manifest.of({"1": 1})),)}, "refunds[0].amount", "for what costs 10.01"),
        ({"refunds": (SnapshotRefund(eur("1.00"), over=((1, eur("1.00")),)),)}, "refunds[0].over[0]", "no payment 1"),
        ({"refunds": (SnapshotRefund(eur("1.00"), over=((0, eur("0.50")),)),)}, "refunds[0].over", "gave 0.50"),
        ({"refunds": (SnapshotRefund(charges=("gift",)),)}, "refunds[0].charges", "no charge 'gift'"),
        ({"lines": (attrs.evolve(TEA, refunded=4), CUP)}, "lines[0].refunded", "4 of 3"),
        (
            {"lines": (attrs.evolve(TEA, refunded=2), CUP), "refunds": (SnapshotRefund(goods=Manifest.of({"1": 1})),)},
            "refunds", "other units",
        ),
        (
            {"payments": (attrs.evolve(CARD, amount=eur("20.00")),), "state": "pending_payment",
             "refunds": (SnapshotRefund(eur("1.00")),)},
            "refunds", "paid in part",
        ),
    ],
)  # fmt: skip
def test_money_that_cannot_be_is_named_by_its_path(
    change: dict[str, Any], path: str, reason: str
) -> None:
    """More refunded than paid, more paid than due, units that were not bought: each is told."""
    with pytest.raises(InvalidSnapshot) as caught:
        adopted(attrs.evolve(PAID, **change))
    assert caught.value.path == path
    assert reason in caught.value.reason


# --- Goods and states ------------------------------------------------------------------------


def test_goods_that_have_left_are_sent() -> None:
    """Units on the lines are one shipment; what is left is still to leave."""
    told = attrs.evolve(PAID, state="awaiting_shipment", lines=(attrs.evolve(TEA, shipped=2), CUP))
    order = adopted(told).order
    assert order.shippable().as_dict() == {"1": 1, "2": 1}
    parcel = SnapshotShipment(Manifest.of({"1": 2}), NOW - timedelta(days=3), "post", "RR1")
    again = adopted(attrs.evolve(told, shipments=(parcel,))).order
    (shipment,) = again.delivery.shipments
    assert (shipment.carrier, shipment.tracking) == ("post", "RR1")
    assert again.entered_at == NOW - timedelta(days=3)


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"state": "pending_payment"}, "state", "it is paid in full: it would have moved"),
        ({"state": "paid", "payments": ()}, "state", "it is not paid in full"),
        ({"state": "shipped"}, "state", "not all of its goods have left"),
        (
            {"state": "awaiting_shipment", "lines": (attrs.evolve(TEA, shipped=3), attrs.evolve(CUP, shipped=1))},
            "state", "all of its goods have left",
        ),
        ({"state": "refunding"}, "state", "not all that was paid was asked back"),
        ({"refunds": (SnapshotRefund(),)}, "state", "all that was paid was asked back"),
        ({"state": "refunded", "refunds": (SnapshotRefund(arrived=False),)}, "state", "has arrived back"),
        ({"state": "refunding", "refunds": (SnapshotRefund(),)}, "state", "has arrived back"),
        ({"lines": (attrs.evolve(TEA, shipped=4), CUP)}, "lines[0].shipped", "4 units have left, of 3"),
        ({"shipments": (SnapshotShipment(Manifest.of({"1": 4})),)}, "shipments[0].goods[1]", "of 3 bought"),
        (
            {"lines": (attrs.evolve(TEA, shipped=1), CUP), "shipments": (SnapshotShipment(Manifest.of({"1": 2})),)},
            "shipments", "other units",
        ),
        ({"lifecycle": "review_first", "state": "confirmed", "valid": False}, "state", "it was not found valid"),
        ({"lines": (attrs.evolve(TEA, status="odd"), CUP)}, "lines[0].status", "no status of an item"),
    ],
)  # fmt: skip
def test_a_state_at_odds_with_the_facts_is_refused(
    change: dict[str, Any], path: str, reason: str
) -> None:
    """An order that could not be in its state, or would not have stayed there, is not taken over."""
    with pytest.raises(InvalidSnapshot) as caught:
        adopted(attrs.evolve(PAID, **change))
    assert caught.value.path == path
    assert reason in caught.value.reason


def test_a_reviewed_order_may_be_unpaid() -> None:
    """Where goods leave before they are paid, a confirmed order is taken over with all of it due."""
    told = attrs.evolve(UNPAID, lifecycle="review_first", state="confirmed")
    order = adopted(told).order
    assert order.due == 3993
    assert order.content.pay_by is None
    assert order.handling.review is not None
    assert order.handling.review.valid


def test_a_canceled_order_with_money_is_still_owed() -> None:
    """Its money has not gone back: that is told, and stays an advance."""
    opened = adopted(attrs.evolve(PAID, state="closed"))
    assert opened.order.owed == 3993
    assert opened.order.handling.released
    assert ("payments", "39.93 EUR is still owed to the customer") in opened.remarks
    assert books(opened)["advances"] == -3993


def test_when_goods_arrived_may_be_unknown() -> None:
    """An order that is past its arrival takes its last known moment for it, and says so."""
    sent = attrs.evolve(
        PAID, state="received", lines=(attrs.evolve(TEA, shipped=3), attrs.evolve(CUP, shipped=1))
    )
    opened = adopted(sent)
    assert opened.order.delivery.received_at == ORDERED
    assert opened.remarks[0][0] == "received_at"


def test_an_order_whose_time_to_pay_is_over_has_a_grace() -> None:
    """It may still be paid for the grace; without one its deadline stays in the past."""
    assert adopted(UNPAID).order.content.pay_by == NOW + GRACE
    late = adopted(UNPAID, grace=timedelta(0)).order.content.pay_by
    assert late == ORDERED + timedelta(minutes=30)
    ahead = attrs.evolve(UNPAID, pay_by=NOW + timedelta(hours=1))
    assert adopted(ahead).order.content.pay_by == NOW + timedelta(hours=1)


def test_marks_come_along() -> None:
    """Tags, attribution, the assignee, item statuses and the host's own JSON are kept."""
    told = attrs.evolve(
        PAID, lifecycle="purchasing_agent", state="processing", tags=("vip",), assigned="desk 2",
        attribution=Attribution(channel="app"), extra={"legacy": 7},
        lines=(attrs.evolve(TEA, status="awaiting_purchase"), CUP),
    )  # fmt: skip
    order = adopted(told).order
    handling = order.handling
    assert handling.adopted
    assert (handling.tags, handling.assigned) == (("vip",), "desk 2")
    assert handling.items == (("1", "awaiting_purchase"),)
    assert order.content.extra == '{"legacy":7}'
    assert order.content.attribution.channel == "app"


def test_a_status_is_read_by_the_map() -> None:
    """The host's word stands for a lifecycle and a state; an unknown word is refused with the known ones."""
    statuses = StatusMap({"Processing": ("standard", "paid")})
    told = attrs.evolve(PAID, state="", status="Processing")
    assert statuses.read(told) == ("standard", "paid")
    assert statuses.read(PAID) == ("standard", "paid")
    with pytest.raises(InvalidSnapshot) as caught:
        statuses.read(attrs.evolve(told, status="Odd"))
    assert (caught.value.path, caught.value.data["allowed"]) == ("status", ("Processing",))
    with pytest.raises(InvalidSnapshot, match="neither a state nor a status"):
        statuses.read(attrs.evolve(told, status=""))


# --- A cart ----------------------------------------------------------------------------------

CART = Cart(
    "EUR",
    (CartLine("TEA", 3, eur("10.01")), CartLine("CUP", 1, eur("5.00"))),
    shipping=ShippingCharge(eur("4.90")),
)
POLICY = PricingPolicy(TaxPolicy((TaxRate(NINETEEN), TaxRate(NINETEEN, "shipping"))))


def priced() -> Quote:
    """The cart, priced now."""
    return quote(CART, POLICY, NOW)


def test_a_cart_is_priced_anew_and_compared() -> None:
    """With a cart the figures are the quote's, and the order can be amended."""
    told = attrs.evolve(PAID, lines=(), charges=(), cart=CART)
    order: Order = adopted(told, quote=priced()).order
    assert order.content.cart == CART
    assert order.total == 3993
    assert order.due == 0


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"total": eur("39.92")}, "total"),
        ({"lines": (TEA,)}, "lines"),
        ({"lines": (TEA, attrs.evolve(CUP, quantity=2))}, "lines[1]"),
        ({"lines": (TEA, attrs.evolve(CUP, total=eur("4.00")))}, "lines[1].total"),
    ],
)
def test_a_price_that_differs_is_told(change: dict[str, Any], path: str) -> None:
    """A host that has another total than the price of today is told where."""
    told = attrs.evolve(PAID, cart=CART, charges=(), **change)
    with pytest.raises(InvalidSnapshot) as caught:
        adopted(told, quote=priced())
    assert caught.value.path == path


def test_a_lowered_price_has_no_cart() -> None:
    """Amending would take the goodwill back, so the cart is not kept."""
    told = attrs.evolve(
        PAID, lines=(), charges=(), cart=CART, refunds=(SnapshotRefund(eur("5.00")),)
    )
    assert adopted(told, quote=priced()).order.content.cart is None


# --- Orders in two parts ---------------------------------------------------------------------

WINDOW = Presale(eur("10.00"), NOW - timedelta(days=1), NOW + timedelta(days=1))
PRESALE = Cart("EUR", CART.lines, shipping=CART.shipping, customer=Party("ada"), presale=WINDOW)
DEPOSIT = SnapshotPayment("card", eur("10.00"), "ch_1", at=ORDERED)
IN_PARTS = attrs.evolve(
    PAID, lines=(), charges=(), cart=PRESALE, lifecycle="presale", state="awaiting_balance",
    payments=(DEPOSIT,),
)  # fmt: skip


def in_parts(**changed: Any) -> Opening:
    """A presale taken over, priced now."""
    told = attrs.evolve(IN_PARTS, **changed)
    return adopted(told, quote=quote(told.cart or PRESALE, POLICY, NOW))


def test_a_deposit_paid_elsewhere_is_carried_into_the_payment_of_the_balance() -> None:
    """It is a deposit held in the books, an advance once the balance is paid, and the order is paid then."""
    opened = in_parts()
    order = opened.order
    assert books(opened) == {"opening:card": 1000, "deposits_held": -1000}
    assert (order.deposit, order.due, order.asked) == (1000, 2993, 2993)
    carried = tuple(tender for _, tender in carried_tenders(order.payments))
    planned = plan(
        order.content.rows(), (tenders.Channel("card"),), TenderPolicy(), "EUR", carried=carried
    )
    order = decide(order, Pay(planned), at("presale")).order
    captured = AnswerAttempts(((order.payments.attempts[-1].id, Outcome(OutcomeStatus.CAPTURED)),))
    paid = decide(order, captured, at("presale"))
    assert (paid.order.state, paid.order.due) == ("paid", 0)
    moved = {entry.account.value: entry.amount for entry in posting(order, paid.events)[-2:]}
    assert moved == {"deposits_held": 1000 + 2993, "advances": -1000 - 2993}


def test_a_balance_that_does_not_come_forfeits_a_deposit_paid_elsewhere() -> None:
    """Its time up, of 10.00 the shop keeps 20 % of the goods' 35.03 and gives the rest back."""
    over = attrs.evolve(WINDOW, balance_until=NOW - timedelta(hours=1))
    order = in_parts(cart=attrs.evolve(PRESALE, presale=over)).order
    order = decide(order, Forfeit(), at("presale")).order
    assert order.state == "forfeited"
    assert (order.payments.forfeited, order.payments.refunded, order.owed) == (700, 300, 0)


def test_a_deposit_that_was_kept_is_not_owed() -> None:
    """What the shop keeps for good of an order that will not be fulfilled opens nothing and is owed to nobody."""
    ended = {"state": "forfeited", "kept": eur("7.00"), "refunds": (SnapshotRefund(eur("3.00")),)}
    opened = in_parts(**ended)
    order = opened.order
    assert (order.owed, order.due, order.payments.forfeited) == (0, 0, 700)
    assert (books(opened), opened.remarks) == ({}, ())
    with pytest.raises(NotAllowed):
        decide(order, RefundOrder("r-9", None, "all"), at("presale"))


def test_a_presale_keeps_its_windows_as_moments() -> None:
    """A window told in another zone is the same moment in UTC."""
    china = timezone(timedelta(hours=8))
    there = attrs.evolve(
        WINDOW,
        balance_from=WINDOW.balance_from.astimezone(china),
        balance_until=WINDOW.balance_until.astimezone(china),
    )
    presale = in_parts(cart=attrs.evolve(PRESALE, presale=there)).order.presale
    assert presale is not None
    assert (presale.balance_from.tzinfo, presale.balance_until) == (UTC, WINDOW.balance_until)


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"payments": ()}, "state", "its deposit is not paid"),
        ({"payments": (attrs.evolve(DEPOSIT, amount=eur("9.99")),)}, "state", "its deposit is not paid"),
        ({"state": "awaiting_deposit"}, "state", "its deposit is paid: it would have moved"),
        ({"state": "deposit_paid", "cart": None, "lines": (TEA, CUP), "charges": (SHIPPING,)}, "state",
         "no cart with the terms of its presale"),
        ({"lifecycle": "standard", "state": "pending_payment"}, "lifecycle", "takes no deposit"),
        ({"kept": eur("1.00")}, "kept", "of an order that will not be fulfilled"),
        ({"state": "forfeited", "kept": eur("10.01")}, "kept", "10.00 EUR was left"),
        ({"state": "forfeited", "kept": eur("-1.00")}, "kept", "not less than nothing"),
        ({"state": "forfeited", "kept": money("1.00", "USD")}, "kept", "USD"),
    ],
)  # fmt: skip
def test_a_presale_at_odds_with_what_was_paid_is_refused(
    change: dict[str, Any], path: str, reason: str
) -> None:
    """A balance without a deposit, a deposit without terms, terms without a lifecycle for them: each is told."""
    told = attrs.evolve(IN_PARTS, **change)
    with pytest.raises((InvalidSnapshot, InvalidMoney)) as caught:
        adopted(told, quote=None if told.cart is None else quote(told.cart, POLICY, NOW))
    assert caught.value.path == path
    assert reason in caught.value.reason
