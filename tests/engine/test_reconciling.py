"""Statements of channels against the books, what a patch books, and a day's close."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from tests.engine.world import (
    CHANNEL,
    NOON,
    STAFF,
    STOCK,
    StubbornGateway,
    World,
    after,
    world_policies,
)

from ordercore import Manifest, Policies, tenders
from ordercore.adapters.memory import Captures, MemoryGateway
from ordercore.adapters.sql import SqlStore
from ordercore.engine.flow import run
from ordercore.engine.reconciling import patch
from ordercore.engine.shop import situation
from ordercore.errors import InvalidInput, NotFound
from ordercore.ledger import (
    Difference,
    MovementKind,
    ReconciliationClass,
    ReconciliationReport,
    StatementPeriod,
    StatementRow,
)
from ordercore.order import NoteChargeback, NoteFee, NoteRemittance, decide
from ordercore.party import SYSTEM
from ordercore.ports import LedgerQuery
from ordercore.tender import (
    AttemptState,
    Chargeback,
    LateMoney,
    Notification,
    PaymentPolicy,
    RefundStatus,
)
from ordercore.testing import laws

if TYPE_CHECKING:
    from collections.abc import Mapping

C = ReconciliationClass
K = MovementKind
DAY = StatementPeriod(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


def row(kind: MovementKind, reference: str, key: str, amount: int, fee: int = 0) -> StatementRow:
    """A row of the channel's statement, at noon."""
    return StatementRow(kind, reference, key, amount, "CNY", NOON, fee)


def refunded(world: World) -> str:
    """Order A, paid and completed, of which one line went back."""
    order = world.completed()
    return world.refund(order, order.lines[1].id).id


def statement(world: World, name: str) -> list[StatementRow]:
    """What the channel says of an order: the payment with its fee, and what went back."""
    order = world.engine.get(name)
    (paid,) = [a for a in order.payments.attempts if a.gateway == "wechat"]
    rows = [row(K.PAYMENT, paid.reference, paid.id, paid.captured, 125)]
    for refund in order.payments.refunds:
        for place, leg in enumerate(refund.legs):
            if leg.attempt == paid.id:
                rows.append(row(K.REFUND, leg.reference, leg.key(refund.id, place), leg.amount))
    return rows


def test_what_we_booked_and_what_the_channel_says_agree() -> None:
    """A paid and partly refunded order matches row by row; points and balance are not the channel's."""
    world = World()
    rows = statement(world, refunded(world))
    report = world.engine.reconcile("wechat", rows, DAY)
    assert report.agrees
    assert report.count(C.MATCHED) == len(rows) == 2
    assert [(ours.amount, fee) for ours, fee in report.charged] == [(20_763, 125)]


def test_a_store_in_sql_tells_the_same() -> None:
    """On SQLite the report and the day's close are those of the store in memory."""
    memory = World()
    with SqlStore("sqlite://") as store:
        sql = World(store=store)  # type: ignore[arg-type]  # any store
        for world in (memory, sql):
            rows = statement(world, refunded(world))
            assert world.engine.reconcile("wechat", rows, DAY).agrees
        closes = [w.engine.close_day(NOON.date(), zone="Asia/Shanghai") for w in (memory, sql)]
        assert closes[0] == closes[1]


def test_a_lost_payment_is_booked_by_the_statement() -> None:
    """The answer and all notifications were lost: the statement proves the payment, and the order is paid."""
    world = World(asks_payer=True)
    order = world.pay(world.placed(), (tenders.Channel("wechat"),)).order
    (attempt,) = order.payments.attempts
    rows = [row(K.PAYMENT, "4200-1", attempt.id, attempt.amount, 60)]
    report = world.engine.reconcile("wechat", rows, DAY)
    assert [d.kind for d in report.differences] == [C.MISSING_HERE]
    done = world.engine.patch("wechat", report, by=STAFF)
    assert (len(done.booked), done.left) == (1, ())
    assert world.get(order).state == "paid"
    assert world.books()["channel_fees:wechat"] == 60
    assert world.books()["clearing:wechat"] == 26_997 - 60
    laws.trial_balance_is_zero(world.engine.trial_balance())
    before = world.books()
    again = world.engine.patch("wechat", report, by=STAFF)
    assert again.booked == ()
    assert world.books() == before


def test_money_for_an_order_that_closed_is_found_and_returned() -> None:
    """A payment that only the statement tells of, for a closed order, is booked and sent back (law L21)."""
    world = World(channel=StubbornGateway, asks_payer=True)
    order = world.pay(world.placed(), (tenders.Channel("wechat"),)).order
    (attempt,) = order.payments.attempts
    world.at(31)
    assert world.get(order).state == "closed"
    world.channel.pay(attempt.id)
    rows = [row(K.PAYMENT, "4200-1", attempt.id, attempt.amount)]
    report = world.engine.reconcile("wechat", rows, DAY)
    world.engine.patch("wechat", report, by=STAFF)
    world.at(32)
    assert world.get(order).payments.received == 0
    assert world.channel.taken == 0


@pytest.mark.parametrize(
    ("kind", "account", "amount"),
    [
        (K.CHARGEBACK, "chargebacks:wechat", 5_000),
        (K.FEE, "channel_fees:wechat", 5_000),
        (K.PAYOUT, "bank:wechat", 5_000),
    ],
)
def test_what_the_channel_did_by_itself_is_booked_once(
    kind: MovementKind, account: str, amount: int
) -> None:
    """A chargeback, a fee and a payout of a charge of ours are booked, and a second patch books nothing."""
    world = World()
    order = world.completed()
    (attempt,) = [a for a in order.payments.attempts if a.gateway == "wechat"]
    rows = [*statement(world, order.id)[:1], row(kind, "x-1", attempt.id, amount)]
    report = world.engine.reconcile("wechat", rows, DAY)
    for _ in range(2):
        world.engine.patch("wechat", report, by=STAFF)
        assert world.books()[account] == amount + (125 if kind is K.FEE else 0)
        laws.trial_balance_is_zero(world.engine.trial_balance())


def test_a_chargeback_of_what_was_refunded_is_owed_by_the_customer() -> None:
    """After a full refund the chargeback is a claim on the customer, not a loss."""
    world = World()
    order = world.completed()
    order = world.refund(order)
    (attempt,) = [a for a in order.payments.attempts if a.gateway == "wechat"]
    report = world.engine.reconcile("wechat", [row(K.CHARGEBACK, "c", attempt.id, 20_763)], DAY)
    world.engine.patch("wechat", report, by=STAFF)
    assert world.books()["receivable"] == 20_763
    assert "chargebacks:wechat" not in world.books()


def test_what_is_not_proven_is_left_for_people() -> None:
    """Another amount, an unknown key, another currency, money that we have and the channel has not: all are
    left, each with a reason, and nothing is written."""
    world = World()
    order = world.paid()
    (attempt,) = [a for a in order.payments.attempts if a.gateway == "wechat"]
    rows = [
        row(K.PAYMENT, attempt.reference, attempt.id, 1),
        row(K.PAYMENT, "u-1", "no-such-order/1", 500),
        row(K.PAYMENT, "u-2", "", 500),
        StatementRow(K.PAYMENT, "u-3", f"{order.id}/1", 500, "EUR", NOON),
        row(K.REFUND, "u-4", f"{order.id}/r1#0", 500),
    ]
    report = world.engine.reconcile("wechat", rows, DAY)
    before = world.snapshot()
    done = world.engine.patch("wechat", report, by=STAFF)
    assert done.booked == ()
    assert len(done.left) == len(rows)
    assert all(reason for _, reason in done.left)
    assert world.snapshot() == before


@pytest.mark.parametrize("late", [LateMoney.RETURN, LateMoney.REVIVE])
@pytest.mark.parametrize("reference", ["", "the attempt's own"])
def test_money_that_went_back_is_not_booked_again(late: LateMoney, reference: str) -> None:
    """An undone payment that an old row still tells revives no order: the books and the channel stay at nothing."""
    policies = evolve(world_policies(), payments=PaymentPolicy(late=late))
    world = World(channel=StubbornGateway, policies=policies, asks_payer=True)
    order = world.pay(world.placed(), CHANNEL).order
    (attempt,) = order.payments.attempts
    for minutes in (40, 60):
        world.at(minutes)
    for _ in range(STOCK):  # its goods are gone, so what comes late goes back whatever the policy
        world.placed()
    world.engine.notify("wechat", {}, world.channel.pay(attempt.id))
    for minutes in (70, 100, 110):  # the others lapse, and the goods are free again
        world.at(minutes)
    (attempt,) = world.get(order).payments.attempts
    assert attempt.returned == 26_997
    assert attempt.state is AttemptState.RETURNED
    before = world.snapshot()
    name = reference and attempt.reference
    difference = Difference(
        C.MISSING_HERE, None, row(K.PAYMENT, name, attempt.id, 26_997), 26_997, "CNY"
    )
    done = world.engine.patch("wechat", ReconciliationReport((), (difference,)), by=STAFF)
    assert done.booked == ()
    assert world.snapshot() == before
    assert world.channel.taken == 0


def test_late_money_is_believed_when_the_channel_itself_says_so() -> None:
    """A row under a new transaction for a closed order, of which the channel knows nothing, books nothing."""
    world = World(channel=StubbornGateway, asks_payer=True)
    order = world.pay(world.placed(), CHANNEL).order
    (attempt,) = order.payments.attempts
    world.at(31)
    assert world.get(order).state == "closed"
    report = world.engine.reconcile("wechat", [row(K.PAYMENT, "x", attempt.id, 26_997)], DAY)
    before = world.snapshot()
    ((_, why),) = world.engine.patch("wechat", report, by=STAFF).left
    assert "asked itself" in why
    assert world.snapshot() == before


class SayingGateway(MemoryGateway):
    """A channel that tells what the test lets it tell."""

    told: Notification

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Say it."""
        del headers, body
        return self.told


def test_a_chargeback_told_twice_is_booked_once() -> None:
    """By a notification first, days later by a statement, under the channel's same name of it."""
    world = World(channel=SayingGateway)
    (attempt,) = world.paid(CHANNEL).payments.attempts
    world.channel.told = Notification("e1", attempt.id, Chargeback(5_000, 0, "D1", NOON))
    world.engine.notify("wechat", {}, b"")
    world.clock.set(NOON + timedelta(days=3))
    later = StatementPeriod(DAY.start + timedelta(days=3), DAY.end + timedelta(days=3))
    told = StatementRow(K.CHARGEBACK, "D1", attempt.id, 5_000, "CNY", NOON + timedelta(days=3))
    report = world.engine.reconcile("wechat", [told], later)
    ((_, why),) = world.engine.patch("wechat", report, by=STAFF).left
    assert "already" in why
    assert world.books()["chargebacks:wechat"] == 5_000


def test_a_chargeback_that_a_statement_told_first_is_booked_once() -> None:
    """Patched from a statement, and told by a notification afterwards, under the channel's same name of it."""
    world = World(channel=SayingGateway)
    (attempt,) = world.paid(CHANNEL).payments.attempts
    report = world.engine.reconcile("wechat", [row(K.CHARGEBACK, "D1", attempt.id, 5_000)], DAY)
    world.engine.patch("wechat", report, by=STAFF)
    world.channel.told = Notification("e1", attempt.id, Chargeback(5_000, 0, "D1", NOON))
    world.engine.notify("wechat", {}, b"")
    world.engine.notify("wechat", {}, b"")
    assert world.books()["chargebacks:wechat"] == 5_000
    world.channel.told = Notification("e2", attempt.id, Chargeback(5_000, 0, "D2", NOON))
    world.engine.notify("wechat", {}, b"")
    assert world.books()["chargebacks:wechat"] == 10_000


def test_what_is_paid_out_is_bounded_by_what_is_held() -> None:
    """Payouts under different names add up to the charge at most."""
    world = World()
    (attempt,) = world.paid(CHANNEL).payments.attempts
    rows = [row(K.PAYOUT, f"p{i}", attempt.id, 15_000) for i in (1, 2)]
    rows += [row(K.PAYOUT, "p3", attempt.id, 11_997), row(K.PAYOUT, "p4", attempt.id, -100)]
    report = world.engine.reconcile("wechat", rows, DAY)
    done = world.engine.patch("wechat", report, by=STAFF)
    assert [d.theirs.reference for d in done.booked if d.theirs] == ["p1", "p3"]
    assert [d.theirs.reference for d, _ in done.left if d.theirs] == ["p2", "p4"]
    assert world.books()["bank:wechat"] == 26_997
    assert "clearing:wechat" not in world.books()


def test_each_capture_of_one_transaction_has_its_fee() -> None:
    """Two parts, taken on two days under one transaction id, cost a fee each; no statement books one twice."""
    rules = '[[channels.rules]]\ngateway="wechat"\ncapture="on_shipment"\n'
    policies = evolve(world_policies(), channels=Policies.parse(rules).channels)
    world = World(policies=policies, authorizes_first=True, captures=Captures.SEVERAL)  # type: ignore[arg-type]
    order = world.paid(CHANNEL)
    world.engine.accept(order.id, key="a")
    rows = []
    for day in (0, 1):
        world.clock.set(NOON + timedelta(days=day))
        world.engine.ship(order.id, Manifest.of({f"{day + 1}": 1}), key=f"s{day}")
        (attempt,) = world.get(order).payments.attempts
        told = StatementRow(
            K.PAYMENT, attempt.reference, attempt.id, 8_999, "CNY", world.clock.now(), 45
        )
        rows.append(told)
        period = StatementPeriod(DAY.start + timedelta(day), DAY.end + timedelta(day))
        report = world.engine.reconcile("wechat", [told], period)
        assert report.agrees
        for _ in range(2):
            world.engine.patch("wechat", report, by=STAFF)
            assert world.books()["channel_fees:wechat"] == 45 * (day + 1)
    both = world.engine.reconcile("wechat", rows, StatementPeriod(DAY.start, period.end))
    assert both.agrees
    world.engine.patch("wechat", both, by=STAFF)
    assert world.books()["channel_fees:wechat"] == 90


@pytest.mark.parametrize(
    ("gateway", "key", "amount"),
    [("balance", "1", 100), ("wechat", "99", 100), ("nobody", "1", 100), ("wechat", "1", 10**15)],
)
def test_a_fee_is_checked_as_a_payment_is(gateway: str, key: str, amount: int) -> None:
    """One of another gateway, of no attempt, or above all that was taken is left for people."""
    world = World()
    order = world.paid(CHANNEL)
    found = row(K.FEE, "f1", f"{order.id}/{key}", amount)
    report = ReconciliationReport((), (Difference(C.FEE, None, found, -amount, "CNY"),))
    before = world.books()
    done = run(patch(world.engine.shop, gateway, report, STAFF), "patch")
    assert (len(done.booked), len(done.left)) == (0, 1)
    assert world.books() == before


def test_a_row_of_a_way_that_was_given_up_concerns_no_later_one() -> None:
    """The first try of a refund bounced and it goes again: a row of the first does not tell of the second."""
    world = World(refunds_arrive=False)
    order = world.paid(CHANNEL)
    (refund,) = world.refund(order, order.lines[0].id).payments.refunds
    first = refund.legs[0].key(refund.id, 0)
    world.engine.notify("wechat", {}, world.channel.bounce(first))
    world.engine.reroute_refund(order.id, refund.id, 0, to="", reason="again", key="z", by=STAFF)
    told = row(K.REFUND, "old", first, refund.legs[0].amount)
    report = world.engine.reconcile("wechat", [told], DAY)
    assert world.engine.patch("wechat", report, by=STAFF).booked == ()
    (leg,) = world.get(order).payments.refunds[0].legs
    assert leg.status is RefundStatus.ACCEPTED
    right = row(K.REFUND, "new", leg.key(refund.id, 0), leg.amount)
    report = world.engine.reconcile("wechat", [right], DAY)
    assert len(world.engine.patch("wechat", report, by=STAFF).booked) == 1


@pytest.mark.parametrize("tail", ["0x1", "0x", "0xx", "0x-1", "9", "", "0x99999999999999999999"])
def test_l24_a_key_of_no_leg_is_not_found(tail: str) -> None:
    """Neither a place nor a try that was never made is a leg."""
    world = World(refunds_arrive=False)
    order = world.paid(CHANNEL)
    order = world.refund(order, order.lines[0].id)
    (refund,) = order.payments.refunds
    assert order.payments.leg_of(f"{refund.id}#0") == (refund.id, 0)
    with pytest.raises(NotFound):
        order.payments.leg_of(f"{refund.id}#{tail}")


def test_l24_a_report_that_is_none_is_refused() -> None:
    """Neither nothing at all nor a list of rows can be booked, nor can half a cent."""
    world = World()
    (attempt,) = world.paid(CHANNEL).payments.attempts
    for wrong in (None, []):
        with pytest.raises(InvalidInput):
            world.engine.patch("wechat", wrong)  # type: ignore[arg-type]
    half = row(K.CHARGEBACK, "c", attempt.id, 1.5)  # type: ignore[arg-type]
    report = ReconciliationReport((), (Difference(C.CHARGEBACK, None, half, 1, "CNY"),))
    before = world.snapshot()
    assert len(world.engine.patch("wechat", report).left) == 1
    assert world.snapshot() == before


@pytest.mark.parametrize("amount", [5.5, True, "5", None])
@pytest.mark.parametrize("note", [NoteChargeback, NoteRemittance, NoteFee])
def test_l24_what_a_channel_did_is_in_whole_minor_units(note: Any, amount: Any) -> None:
    """A fact in half cents is refused before it is an event."""
    world = World()
    order = world.paid(CHANNEL)
    (attempt,) = order.payments.attempts
    about = situation(world.engine.shop, order, SYSTEM)
    command = note("wechat" if note is NoteFee else attempt.id, amount)
    with pytest.raises(InvalidInput) as caught:
        decide(order, command, about)
    assert caught.value.path == "amount"


def test_an_unknown_gateway_is_refused() -> None:
    """Its name is looked up before anything is read."""
    with pytest.raises(NotFound):
        World().engine.reconcile("none", [], DAY)


# Books ------------------------------------------------------------------------------------------


def test_l9_a_day_s_close_balances_and_runs_on() -> None:
    """Each column adds up to nothing, and a day opens with what the day before closed with."""
    world = World()
    refunded(world)
    world.clock.set(after(minutes=60 * 20))
    world.paid()
    first = world.engine.close_day(NOON.date())
    second = world.engine.close_day(NOON.date() + timedelta(days=1))
    assert first.balances
    assert second.balances
    closing = {(r.account, r.detail): r.closing for r in first.rows if r.closing}
    assert {(r.account, r.detail): r.opening for r in second.rows if r.opening} == closing
    total = {(b.account, b.detail): b.amount for b in world.engine.trial_balance() if b.amount}
    assert {(r.account, r.detail): r.closing for r in second.rows if r.closing} == total


def test_a_day_is_one_of_the_shop_s_zone() -> None:
    """In Beijing noon UTC is 20:00 of the same day; what is paid at 17:00 UTC is booked on the next."""
    world = World()
    world.clock.set(after(minutes=5 * 60))
    world.paid()
    assert world.engine.close_day(NOON.date(), zone="Asia/Shanghai").rows == ()
    assert world.engine.close_day(NOON.date() + timedelta(days=1), zone="Asia/Shanghai").rows


def test_an_account_is_told_entry_by_entry() -> None:
    """The clearing account of the channel has the payment, and then what went back."""
    world = World()
    name = refunded(world)
    found = world.engine.account(LedgerQuery(detail="wechat")).lines
    assert [line.order_id for line in found] == [name] * len(found)
    assert sum(line.entry.amount for line in found) == world.channel.taken


def test_a_day_that_is_no_date_is_refused() -> None:
    """A moment is not a day."""
    with pytest.raises(InvalidInput):
        World().engine.close_day(NOON)


def test_the_report_of_a_host_that_pays_late_is_complete() -> None:
    """What the channel took on the day and told three days later stands in the report of the day."""
    world = World(asks_payer=True)
    order = world.pay(world.placed(), (tenders.Channel("wechat"),)).order
    (attempt,) = order.payments.attempts
    told = world.channel.pay(attempt.id, at=NOON + timedelta(minutes=1))
    world.clock.set(after(minutes=20))
    world.engine.notify("wechat", {}, told)
    rows = [row(K.PAYMENT, "", attempt.id, attempt.amount)]
    assert world.engine.reconcile("wechat", rows, DAY).agrees
