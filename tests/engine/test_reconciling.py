"""Statements of channels against the books, what a patch books, and a day's close."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.engine.world import NOON, STAFF, StubbornGateway, World, after

from ordercore import tenders
from ordercore.adapters.sql import SqlStore
from ordercore.errors import InvalidInput, NotFound
from ordercore.ledger import (
    MovementKind,
    ReconciliationClass,
    StatementPeriod,
    StatementRow,
)
from ordercore.ports import LedgerQuery
from ordercore.testing import laws

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
