"""Stories of money: held and taken in parts, by another channel, back by another way, late, in two parts, kept."""

from __future__ import annotations

from datetime import timedelta

import attrs
from tests.stored.story import (
    AGENT,
    CLERK,
    LIFECYCLE,
    SHOPPER,
    START,
    TIMEOUTS,
    cart,
    content,
    situation,
)

from ordercore.change import Change, change
from ordercore.goods import Manifest
from ordercore.ledger import CommissionRule, SettlementPolicy
from ordercore.lifecycle.charts import built_in
from ordercore.money import Percent, money
from ordercore.order import (
    FACTS,
    Accept,
    Advance,
    AnswerAttempts,
    AnswerCompensation,
    AnswerRefund,
    Cancel,
    Command,
    Compensate,
    Complete,
    Deliver,
    Forfeit,
    NoteAuthorizationEnding,
    NoteChargeback,
    NoteFee,
    NoteRemittance,
    Order,
    OrderContent,
    Pay,
    RefundOrder,
    RerouteRefund,
    SendRefunds,
    Ship,
    decide,
    place,
)
from ordercore.order.rules.instalment import rows_asked
from ordercore.party import SYSTEM, Actor
from ordercore.pricing import Presale
from ordercore.tender import (
    CaptureMoment,
    ChannelPick,
    Compensation,
    Failure,
    FundShare,
    LateMoney,
    Outcome,
    OutcomeStatus,
    PaymentPolicy,
    PointsRate,
    RefundOutcome,
    RefundSplit,
    RefundStatus,
    Tender,
    TenderEffect,
    TenderPolicy,
    TenderRule,
    carried_tenders,
    plan,
    tenders,
)

_S = OutcomeStatus
_R = RefundStatus
PRESALE = built_in("presale", FACTS)
FUNDS = SettlementPolicy((CommissionRule("farm", "", Percent.of("8")),), merchants_pay_tax=True)
TILL = TenderPolicy(
    (
        TenderRule("points", PointsRate(), effect=TenderEffect.DISCOUNT),
        TenderRule("balance"),
        TenderRule("stored_value", invoiceable=False),
        TenderRule("cash", cash_step=10),
    )
)
TAXED = PaymentPolicy(late=LateMoney.HOLD, forfeited_tax=Percent.of("13"))


class Told:
    """One order, command by command; ``changes`` are what a store is given."""

    def __init__(self, agreed: OrderContent, policy: PaymentPolicy = TAXED) -> None:
        self.lifecycle = next(
            chart for chart in (LIFECYCLE, AGENT, PRESALE) if chart.name == agreed.lifecycle
        )
        self.policy = policy
        self.at = agreed.placed_at
        decision = place(agreed, situation(self.at, SHOPPER, self.lifecycle))
        begun = change(None, decision, self.at, SHOPPER, "Place", TIMEOUTS, self.lifecycle)
        self.changes: list[Change] = [begun]

    @property
    def order(self) -> Order:
        """As it stands."""
        return self.changes[-1].order

    def then(
        self, command: Command, by: Actor = SYSTEM, after: timedelta = timedelta(minutes=1)
    ) -> Order:
        """A command, ``after`` the last one."""
        self.at += after
        found = attrs.evolve(
            situation(self.at, by, self.lifecycle), payments=self.policy, funds=FUNDS
        )
        decision = decide(self.order, command, found)
        name = type(command).__name__
        self.changes.append(
            change(self.order, decision, self.at, by, name, TIMEOUTS, self.lifecycle)
        )
        return self.order

    def pay(self, *offers: Tender, picks: tuple[ChannelPick, ...] = ()) -> Order:
        """Plan what is asked next, and write it down."""
        rows, points = rows_asked(self.order, offers)
        carried = [tender for _, tender in carried_tenders(self.order.payments)]
        planned = plan(rows, offers, TILL, self.order.currency, points=points, carried=carried)
        return self.then(Pay(planned, picks), SHOPPER)

    def answer(self, status: OutcomeStatus, place_: int = -1, **fields: object) -> Order:
        """A gateway's word about an attempt, by default the last one."""
        name = self.order.payments.attempts[place_].id
        told: Outcome = attrs.evolve(
            Outcome(status, f"ref-{name}", self.at + timedelta(seconds=3)), **fields
        )
        return self.then(AnswerAttempts(((name, told),)))

    def returned(self, refund: str, leg: int, status: RefundStatus, reason: str = "") -> Order:
        """A gateway's word about a leg of a refund."""
        told = RefundOutcome(status, f"rf-{leg}", self.at, reason)
        return self.then(AnswerRefund(refund, ((leg, told),)))


def _sold(name: str, number: str) -> OrderContent:
    """Three lines, two of them a merchant's."""
    agreed = content(name, number, 3)
    lines = [attrs.evolve(line, merchant="farm") for line in agreed.lines[:2]]
    return attrs.evolve(agreed, lines=(*lines, agreed.lines[2]))


def held_story() -> list[Change]:
    """Held by a second channel, let go in part, taken in parts; sold for a merchant; money that moved afterwards."""
    told = Told(_sold("ord_7", "ORD-0000000007"))
    later = ChannelPick(
        "card", ("other",), CaptureMoment.ON_SHIPMENT, several=True, method="card",
        shares=(FundShare("farm", 100),),
    )  # fmt: skip
    offers = (tenders.Balance(money("20.00", "CNY"), "cus_42"), tenders.Channel("card"))
    told.pay(*offers, picks=(ChannelPick("balance"), later))
    told.answer(_S.CAPTURED, 0)
    told.answer(_S.DECLINED, failure=Failure.SOFT, reason="try again later")
    until = START + timedelta(days=7)
    told.answer(_S.AUTHORIZED, expires_at=until)
    told.then(RefundOrder("rfd_h1", Manifest.of({"3": 1}), "broken"), CLERK)
    told.then(Accept(), CLERK)
    told.then(NoteAuthorizationEnding(told.order.payments.attempts[-1].id))
    told.then(Ship("shp_h1", Manifest.of({"1": 1}), "SF", "SF-7"), CLERK)
    part = told.order.payments.attempts[-1].asked
    told.answer(_S.CAPTURED, amount=part)
    told.then(Ship("shp_h2", None, "SF", "SF-8"), CLERK)
    told.answer(_S.CAPTURED)
    told.then(Deliver())
    told.then(Complete(), CLERK)
    return [*told.changes, *_afterwards(told)]


def _afterwards(told: Told) -> list[Change]:
    """Refunds by another split, sent as one and by another way; a chargeback, a fee, a payout, a grant."""
    before = len(told.changes)
    for name, split in (("rfd_h2", RefundSplit.DECLARED), ("rfd_h3", RefundSplit.REVERSE)):
        command = RefundOrder(name, Manifest.of({"1": 1}), "returned", None, split, "by letter")
        told.then(command, CLERK)
    told.then(SendRefunds((("rfd_h2", 1), ("rfd_h3", 0))))
    told.returned("rfd_h2", 1, _R.FAILED, "card expired")
    told.then(RerouteRefund("rfd_h2", 1, "balance", "cus_42", "by letter", "card expired"), CLERK)
    told.returned("rfd_h2", 1, _R.ARRIVED)
    told.then(RerouteRefund("rfd_h3", 0, reason="the bank knows it again"), CLERK)
    name = told.order.payments.attempts[-1].id
    told.then(NoteFee("other", 120, name, "fee-1"))
    told.then(NoteRemittance(name, 5_000, 30, "po-1", START + timedelta(days=2)))
    told.then(NoteChargeback(name, 1_000, 150, "cb-1", START + timedelta(days=9)))
    grant = Compensation("ord_7/c1", 500, "balance", "cus_42", "it came late", str(CLERK))
    told.then(Compensate(grant), CLERK)
    arrived = RefundOutcome(_R.ARRIVED, "cr-1", START + timedelta(days=10))
    told.then(AnswerCompensation("ord_7/c1", arrived))
    return told.changes[before:]


def presale_story() -> list[Change]:
    """More than the deposit is paid, the balance does not come: a part of the deposit is kept, the rest goes back."""
    opens = START + timedelta(days=3)
    agreed = content("ord_8", "ORD-0000000008", 2)
    bought = attrs.evolve(
        cart(2), presale=Presale(money("99.00", "CNY"), opens, opens + timedelta(days=2))
    )
    told = Told(
        attrs.evolve(agreed, lifecycle=PRESALE.name, lifecycle_version=PRESALE.version, cart=bought)
    )
    told.pay(tenders.Channel("wechat"))
    told.answer(_S.CAPTURED, amount=10_000)
    told.then(Advance("open_balance", by_timer=True), after=timedelta(days=3))
    told.then(Forfeit(reason="the balance did not come"), after=timedelta(days=3))
    return told.changes


def late_story() -> list[Change]:
    """Money comes for an order that was canceled, and is kept until somebody decides."""
    agreed = content("ord_9", "ORD-0000000009", 1)
    told = Told(attrs.evolve(agreed, lifecycle=AGENT.name, lifecycle_version=AGENT.version))
    told.pay(tenders.Channel("wechat"))
    told.answer(_S.DECLINED, reason="no funds", failure=Failure.DECLINED)
    told.then(Cancel("changed my mind", "rfd_9"), SHOPPER)
    told.answer(_S.CAPTURED)
    return told.changes


def till_story() -> list[Change]:
    """Points that lower the price, a card that was invoiced before, and cash: in coins, and back in coins."""
    told = Told(content("ord_10", "ORD-0000000010", 2))
    points, card = (
        tenders.Points(1200, "cus_42"),
        tenders.StoredValue("GC-9", money("30.00", "CNY")),
    )
    told.pay(points, card, tenders.Cash())
    for place_ in range(3):
        told.answer(_S.CAPTURED, place_)
    told.then(RefundOrder("rfd_t1", Manifest.of({"2": 1}), "broken"), CLERK)
    return told.changes


def money_stories() -> list[Change]:
    """All of them."""
    return [*held_story(), *presale_story(), *late_story(), *till_story()]
