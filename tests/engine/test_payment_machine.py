"""The payment machine over gateways in memory, and what it has found, each as a small example."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from ordercore import Actor, Manifest, Money, NotAllowed, standing
from ordercore.adapters.memory import Captures
from ordercore.errors import GatewayTimeout
from ordercore.order.standing import PaymentStanding
from ordercore.tender import (
    AttemptState,
    CaptureMoment,
    LateMoney,
    Overpaid,
    RefundStatus,
    StrandedRefund,
)
from ordercore.testing import MemoryBench, PaymentMachine, PaymentSetting, Simulation, Walk, laws

if TYPE_CHECKING:
    from ordercore import Order, OrderEngine

SHOPPER, STAFF = Actor.customer("c1"), Actor.staff("s1")
HOUR = timedelta(hours=1)
DEEP = settings().max_examples >= 1_000

TestPayments = PaymentMachine.TestCase
TestPayments.settings = settings(
    max_examples=500 if DEEP else 120, stateful_step_count=50 if DEEP else 30
)


class Bench(MemoryBench):
    """A shop in memory, with verbs for an example."""

    def __init__(self, **options: Any) -> None:
        super().__init__(PaymentSetting(**options))
        self.engine: OrderEngine = self.worker(timedelta(0))

    def placed(self, cart: int = 0) -> Order:
        """An order."""
        quote = self.engine.quote(self.cart(cart))
        return self.engine.place(quote, key=f"place {len(self.charges())}", by=SHOPPER)

    def paid_by(self, order: Order, *names: tuple[str, int | None] | str) -> Order:
        """The order, paid with these."""
        named = [(name, None) if isinstance(name, str) else name for name in names]
        offers = [self.offer(*one) for one in named]
        key = f"pay {len(order.payments.attempts)}"
        return self.engine.pay(order.id, offers, key=key, by=SHOPPER).order

    def now(self, order: Order) -> Order:
        """The order as it stands."""
        return self.engine.get(order.id)

    def post(self, *, first: int = 0) -> None:
        """All letters from one on arrive, as they are sent again now."""
        for letter in tuple(self.letters())[first:]:
            anew = self.sign_anew(letter)
            self.engine.notify(anew.gateway, anew.headers, anew.body)

    def at(self, minutes: float) -> None:
        """Time passes, and sweeps serve what is due."""
        self.clock.advance(timedelta(minutes=minutes))
        for _ in range(4):
            assert self.engine.sweep().failed == ()

    def holds(self, order: Order) -> None:
        """The laws that hold of an order at any time."""
        order = self.now(order)
        journal = self.engine.journal(order.id)
        laws.replay_gives(order, [(told.event, told.at) for told in journal])
        laws.trial_balance_is_zero(self.engine.trial_balance())
        laws.books_tell_the_money(order, self.engine.trial_balance(order.id))  # type: ignore[arg-type]
        laws.refunds_bounded(order.payments)
        laws.amounts_agree(order)

    def agrees(self, order: Order) -> None:
        """What an order says of each charge is what the other side has."""
        charges = self.charges()
        for attempt in self.now(order).payments.attempts:
            if attempt.id in charges:
                assert charges[attempt.id].taken == attempt.captured - attempt.returned


# What the machine has found ---------------------------------------------------------------------


def test_l6_what_was_refunded_is_not_paid_again() -> None:
    """A line was refunded, then less was taken than was held: the difference is not asked with the line in it."""
    bench = Bench(capture=CaptureMoment.BY_HAND, captures=Captures.ONCE)
    order = bench.paid_by(bench.placed(), "card")
    bench.engine.refund(order.id, Manifest.of({"1": 1}), reason="x", key="r", by=STAFF)
    bench.engine.capture(order.id, Money("44.99", "CNY"), key="c", by=STAFF)
    assert bench.now(order).due == 17_998 - 4_499
    with pytest.raises(NotAllowed, match="refunded since"):
        bench.paid_by(bench.now(order), "card")
    bench.holds(order)


@pytest.mark.parametrize("late", LateMoney)
def test_l7_an_old_letter_of_money_that_went_back_is_not_believed(late: LateMoney) -> None:
    """The payer paid, the order was canceled and the channel gave the money back: then its first letter comes."""
    bench = Bench(late=late)
    order = bench.paid_by(bench.placed(), "wallet")
    bench.pay(order.payments.attempts[0].id)
    written = len(bench.letters())
    bench.engine.cancel(order.id, reason="no need", key="c", by=SHOPPER)
    assert bench.charges()[order.payments.attempts[0].id].taken == 0
    for letter in tuple(bench.letters())[:written]:
        bench.engine.notify(letter.gateway, letter.headers, letter.body)
    bench.at(60)
    assert bench.now(order).state == "closed"
    bench.agrees(order)
    bench.holds(order)


def test_l25_money_held_for_an_order_that_was_refunded_leaves_its_matrix() -> None:
    """A paid order was canceled and all of it went back; a former code is paid, and its money held."""
    bench = Bench(late=LateMoney.HOLD, payable_for_ever=True)
    order = bench.paid_by(bench.placed(), "wallet")
    order = bench.paid_by(order, "cash")
    assert order.state == "paid"
    bench.engine.cancel(order.id, reason="no need", key="c", by=SHOPPER)
    bench.pay(order.payments.attempts[0].id)
    bench.post()
    assert bench.now(order).payments.received == 2 * order.total
    bench.holds(order)
    bench.engine.refund(order.id, reason="nobody wants it", key="r", by=STAFF)
    assert bench.now(order).owed == 0
    bench.holds(order)


@pytest.mark.parametrize("way", ["gives up", "cancels", "time is up"])
def test_l9_what_was_paid_too_much_and_went_back_is_not_undone_with_the_rest(way: str) -> None:
    """The transfer was 5.00 too high, which went back; then the payment fails, and only the rest goes back."""
    bench = Bench()
    order = bench.paid_by(bench.placed(), ("wallet", 100), "transfer")
    name = next(a.id for a in order.payments.attempts if a.gateway == "transfer")
    bench.engine.confirm_payment(order.id, name, Money("273.97", "CNY"), key="c", by=STAFF)
    if way == "gives up":
        bench.paid_by(bench.now(order), "card")
        assert bench.now(order).state == "paid"
    elif way == "cancels":
        bench.engine.cancel(order.id, reason="no need", key="x", by=SHOPPER)
    bench.at(45)
    now = bench.now(order)
    back = [leg for refund in now.payments.refunds for leg in refund.legs if leg.attempt == name]
    assert sum(leg.amount for leg in back) == 27_397
    assert now.payments.attempt(name).returned == 0
    for refund in now.payments.refunds:
        for place, leg in enumerate(refund.legs):
            if leg.status is RefundStatus.ACCEPTED:
                key = f"{refund.id} {place}"
                bench.engine.confirm_refund(order.id, refund.id, place, key=key, by=STAFF)
    kept = {b.detail: b.amount for b in bench.engine.trial_balance() if b.amount and b.detail}
    assert kept == ({"acquirer": 26_997} if way == "gives up" else {})
    bench.holds(order)


def test_l22_an_underpaid_order_that_holds_money_closes_when_its_time_is_up() -> None:
    """A transfer came short, the card's money is held until shipment: at the deadline both go back."""
    bench = Bench(capture=CaptureMoment.ON_SHIPMENT)
    order = bench.paid_by(bench.placed(2), ("transfer", 1_234), "card")
    name = next(a.id for a in order.payments.attempts if a.gateway == "transfer")
    bench.engine.confirm_payment(order.id, name, Money("11.00", "CNY"), key="c", by=STAFF)
    assert bench.now(order).due == 134
    bench.at(31)
    now = bench.now(order)
    assert (now.state, now.owed, now.closing) == ("closed", 0, None)
    assert sum(charge.held for charge in bench.charges().values()) == 0
    assert bench.goods_held(now) == {}
    bench.holds(order)


def test_l22_a_second_payment_that_nobody_makes_does_not_keep_the_order_open() -> None:
    """A transfer came short, a courier is to collect the rest of it, a code for the difference is not paid."""
    bench = Bench()
    order = bench.paid_by(bench.placed(), ("cod", 100), "transfer")
    name = next(a.id for a in order.payments.attempts if a.gateway == "transfer")
    bench.engine.confirm_payment(order.id, name, Money("267.97", "CNY"), key="c", by=STAFF)
    bench.paid_by(bench.now(order), "wallet")
    bench.at(31)
    bench.at(2)
    now = bench.now(order)
    assert (now.state, now.owed, now.closing) == ("closed", 0, None)
    assert not now.payments.in_flight
    assert bench.goods_held(now) == {}
    bench.holds(order)


def test_l9_a_chargeback_after_its_money_went_another_way_is_owed() -> None:
    """The channel could not refund, so the balance did; then the payer's bank takes it back all the same."""
    bench = Bench(stranded=StrandedRefund.TO_BALANCE)
    order = bench.paid_by(bench.placed(2), "wallet")
    name = order.payments.attempts[0].id
    bench.pay(name)
    bench.post()
    bench.stick("wallet")
    bench.engine.refund(order.id, reason="x", consent="by phone", key="r", by=STAFF)
    assert bench.now(order).state == "refunded"
    first = len(bench.letters())
    bench.charge_back(name, 8_402, 0)
    bench.post(first=first)
    books = {b.account.value: b.amount for b in bench.engine.trial_balance() if b.amount}
    assert books == {"receivable": 8_402, "stored_value_liability": -8_402}
    bench.holds(order)


# Lost answers -----------------------------------------------------------------------------------

LOST = 10_000 if DEEP else 300
SLICES = 10
"""Lost answers, in so many tests."""


class Luck(Random):
    """A seed, and how many answers it has lost."""

    lost = 0

    def run(self, bench: Bench, walk: Walk[Any]) -> None:
        """Run a flow whose gateways' answers get lost now and then."""
        ports = tuple(bench.gateways.values())
        while walk.step is not None:
            port = getattr(walk.step.fn, "__self__", None)
            if any(port is gateway for gateway in ports) and self.random() < 0.4:
                self.lost += 1
                walk.lose(GatewayTimeout("the answer was lost"))
            else:
                walk.go()


def losing(seed: int) -> int:
    """One order is paid, and perhaps refunded or canceled, while answers get lost; how many were."""
    luck = Luck(seed)
    bench = Bench(
        capture=luck.choice(list(CaptureMoment)),
        captures=luck.choice(list(Captures)),
        overpaid=luck.choice(list(Overpaid)),
        spaced=luck.random() < 0.5,
    )
    simulation = Simulation(bench.engine)
    order = bench.placed(luck.randrange(3))
    parts = luck.sample(["points", "balance", "stored_value"], luck.randrange(3))
    named = [(name, luck.choice([100, 1_200])) for name in parts]
    last = luck.choice(["card", "card", "wallet", "cash"])
    offers = [bench.offer(*one) for one in named] + [bench.offer(last, None)]
    luck.run(bench, simulation.pay(order.id, offers, key="p", by=SHOPPER))
    bench.clock.advance(timedelta(minutes=2))
    luck.run(bench, simulation.sweep())
    for key in bench.payers():
        bench.pay(key)
    bench.post()
    then = luck.choice(["", "refund", "part", "cancel"])
    if then == "cancel":
        walk: Any = simulation.cancel(order.id, reason="no", key="c", by=STAFF)
        luck.run(bench, walk)
    elif then:
        goods = Manifest.of({"1": 1}) if then == "part" else None
        walk = simulation.refund(order.id, goods, reason="no", key="r", by=STAFF)
        luck.run(bench, walk)
    simulation.recover(bench.clock)
    for key in bench.under_way():
        bench.land(key, arrives=True)
    bench.post()
    simulation.recover(bench.clock, [HOUR] * 3)
    ended(bench, bench.now(order), seed)
    return luck.lost


def ended(bench: Bench, order: Order, seed: int) -> None:
    """Each tender was taken once at most, and what went back went back once."""
    payments = order.payments
    charges = bench.charges()
    for attempt in payments.attempts:
        assert not attempt.live, seed
        seen = charges[attempt.id]
        assert seen.taken == attempt.captured - attempt.returned, (seed, attempt, seen)
        assert not seen.held or attempt.state is AttemptState.AUTHORIZED, (seed, attempt, seen)
    taken = sum(charge.taken for charge in charges.values())
    rounding = sum(a.rounding for a in payments.attempts if a.captured > a.returned)
    held = sum(a.to_capture for a in payments.attempts)
    released = sum(refund.released for refund in payments.refunds)
    price = taken - rounding + held + released
    assert price in {0, order.total}, (seed, price, order.total)
    back = sum(refund.amount for refund in bench.refunds().values())
    asked = sum(leg.paid for r in payments.refunds for leg in r.legs if not leg.released)
    assert back == asked, (seed, back, asked)
    bench.holds(order)
    bench.check()


@pytest.mark.parametrize("part", range(SLICES))
def test_l7_no_lost_answer_takes_money_twice_or_loses_it(part: int) -> None:
    """By seed: whatever answers get lost, each tender is taken once or not at all, and refunded once."""
    lost = seed = 0
    while lost < LOST // SLICES:
        lost += losing(seed * SLICES + part)
        seed += 1
    assert seed > 1


def test_an_order_of_the_bench_is_paid() -> None:
    """Without faults, mixed tenders pay an order at once: the examples above start from there."""
    bench = Bench()
    order = bench.paid_by(bench.placed(), ("points", 1_234), ("balance", 5_000), "card")
    assert (order.state, standing(order).payment) == ("paid", PaymentStanding.PAID)
    bench.agrees(order)
    bench.holds(order)
