"""The ports in memory: what they do beyond the contracts, and what tests and examples lean on."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from tests.engine.world import CHANNEL, NOON, SHOPPER, World, after

from ordercore import InvalidInput, OrderQuery, OutOfStock, SettableClock
from ordercore.adapters.memory import (
    AccountGateway,
    MemoryCouponBook,
    MemoryGateway,
    MemoryStock,
    numeric_tail,
)
from ordercore.errors import CouponUnavailable, NotificationRefused
from ordercore.ports import Answer, CouponBook
from ordercore.pricing import CouponStatus
from ordercore.tender import ChargeRequest, OutcomeStatus, RefundRequest, RefundStatus
from ordercore.testing import START
from ordercore.testing.contracts.coupons import CouponBookContract
from ordercore.timeout import TimerKind


def request(key: str = "o/1", amount: int = 1000, **fields: Any) -> ChargeRequest:
    """A charge of 10.00."""
    return ChargeRequest(key, "o", amount, "CNY", **fields)


def back(
    key: str = "o/r#0", charge: str = "o/1", amount: int = 400, points: int = 0
) -> RefundRequest:
    """A refund of 4.00."""
    return RefundRequest(key, charge, "", amount, "CNY", points)


def issued(book: MemoryCouponBook) -> MemoryCouponBook:
    """A book with the codes of the contract."""
    for code in ("ONCE-1", "ONCE-2"):
        book.issue(code, "once")
    book.issue("OPEN", "open", single_use=False)
    for code in ("TWICE-A", "TWICE-B"):
        book.issue(code, "twice", single_use=False, total_limit=2)
    book.issue("EACH", "each", single_use=False, per_customer=1)
    book.issue("ADA", "gift", holder="ada")
    return book


def gateway(**options: bool) -> MemoryGateway:
    """A channel at noon."""
    return MemoryGateway("wechat", World().clock, **options)


# --- The channel --------------------------------------------------------------------------------


def test_l7_one_key_moves_money_once() -> None:
    """Asked again, the channel answers as before; another key is another charge."""
    channel = gateway()
    first = channel.authorize(request())
    assert channel.authorize(request()) == first
    assert channel.taken == 1000
    channel.authorize(request("o/2"))
    assert channel.taken == 2000


def test_l7_one_key_moves_money_once_among_threads() -> None:
    """Many workers with one key at the same time take the money once."""
    world = World()
    account = AccountGateway("balance", world.clock, {"c1": 5000})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: account.authorize(request(account="c1")), range(32)))
    assert (account.taken, account.balance("c1")) == (1000, 4000)


@pytest.mark.parametrize("verb", ["void", "close"])
def test_a_key_that_was_ended_unseen_is_dead(verb: str) -> None:
    """Who comes later with that key takes no money."""
    channel = gateway()
    assert getattr(channel, verb)(request()).status is OutcomeStatus.VOIDED
    assert channel.authorize(request()).status is OutcomeStatus.VOIDED
    assert (channel.taken, channel.held) == (0, 0)


def test_what_is_authorized_is_held_and_then_captured_or_voided() -> None:
    """Held is not taken."""
    for verb, taken in (("capture", 1000), ("void", 0)):
        channel = gateway(authorizes_first=True)
        assert channel.authorize(request()).status is OutcomeStatus.AUTHORIZED
        assert (channel.held, channel.taken) == (1000, 0)
        getattr(channel, verb)(request())
        assert (channel.held, channel.taken) == (0, taken)


def test_capturing_a_key_that_was_never_seen_is_unknown() -> None:
    """So is looking it up."""
    channel = gateway(authorizes_first=True)
    assert channel.capture(request()).status is OutcomeStatus.UNKNOWN
    assert channel.lookup(request()).status is OutcomeStatus.UNKNOWN
    assert channel.lookup_refund(back()).status is RefundStatus.UNKNOWN


def test_a_code_is_paid_once_and_at_the_payers_time() -> None:
    """Scanning it twice pays once; a closed code is not payable."""
    channel = gateway(asks_payer=True)
    action = channel.authorize(request(expires_at=after(30))).action
    assert action is not None
    assert (action.expires_at, channel.taken) == (after(30), 0)
    channel.pay("o/1", after(2))
    channel.pay("o/1", after(3))
    assert channel.lookup(request()).at == after(2)
    assert channel.close(request()).status is OutcomeStatus.CAPTURED
    channel.authorize(request("o/2"))
    channel.close(request("o/2"))
    channel.pay("o/2")
    assert channel.taken == 1000


def test_a_declined_account_is_declined_by_its_issuer() -> None:
    """Other accounts are not; a decline survives a void."""
    channel = gateway()
    channel.decline("bad")
    declined = channel.authorize(request(account="bad"))
    assert (declined.status, declined.reason) == (OutcomeStatus.DECLINED, "declined by the issuer")
    assert channel.void(request()).status is OutcomeStatus.DECLINED
    assert channel.authorize(request("o/2", account="good")).status is OutcomeStatus.CAPTURED


def test_l8_refunds_are_bounded_by_what_was_captured() -> None:
    """Each key gives back once; what is too much fails, and stays failed."""
    channel = gateway()
    channel.authorize(request())
    for key in ("a", "a", "b"):
        assert channel.refund(back(key)).status is RefundStatus.ARRIVED
    assert channel.refund(back("c")).status is RefundStatus.FAILED
    assert channel.refund(back("d", charge="o/9")).status is RefundStatus.FAILED
    assert channel.taken == 200
    assert channel.lookup_refund(back("c")).status is RefundStatus.FAILED
    channel.arrive("c")
    assert (channel.taken, channel.lookup_refund(back("c")).status) == (200, RefundStatus.FAILED)


def test_l9_a_refund_under_way_is_still_held_and_bounds_the_next() -> None:
    """Accepted is not arrived: the channel holds the money until then, and promises it once."""
    channel = gateway(refunds_arrive=False)
    channel.authorize(request())
    assert channel.refund(back("a", amount=700)).status is RefundStatus.ACCEPTED
    assert channel.taken == 1000
    assert channel.refund(back("b", amount=400)).status is RefundStatus.FAILED
    for _ in range(2):
        channel.arrive("a")
    assert channel.taken == 300
    assert channel.refund(back("a", amount=700)).status is RefundStatus.ARRIVED


def test_a_void_after_a_refund_gives_back_the_rest() -> None:
    """Nothing goes back twice."""
    world = World()
    account = AccountGateway("balance", world.clock, {"c1": 1000})
    account.authorize(request(account="c1"))
    account.refund(back())
    assert account.balance("c1") == 400
    account.void(request(account="c1"))
    account.void(request(account="c1"))
    assert (account.balance("c1"), account.taken) == (1000, 0)


def test_a_notification_tells_what_stands_now() -> None:
    """It is of one channel and one key; of neither it is refused."""
    channel = gateway(asks_payer=True)
    channel.authorize(request())
    told = channel.parse({}, channel.notification("o/1"))
    assert (told.key, told.outcome.status, told.amount) == ("o/1", OutcomeStatus.WAITING, 1000)
    for body in (b"", b"wechat:", b"other:o/1", b"wechat:o/9", b"\xff\xfe"):
        with pytest.raises(NotificationRefused):
            channel.parse({}, body)
    channel.void(request("o/2"))
    assert channel.parse({}, b"wechat:o/2").amount is None


# --- Accounts -----------------------------------------------------------------------------------


def test_points_are_counted_in_points_and_taken_in_money() -> None:
    """A points gateway moves points; what it holds for the shop is their worth."""
    world = World()
    points = AccountGateway("points", world.clock, {"c1": 1500}, points=True)
    points.authorize(request(account="c1", points=1200))
    assert (points.balance("c1"), points.taken) == (300, 1000)
    points.refund(back(amount=400, points=480))
    assert (points.balance("c1"), points.taken) == (780, 600)
    short = points.authorize(request("o/2", account="c1", points=900))
    assert (short.status, short.reason) == (OutcomeStatus.DECLINED, "not enough on the account")


def test_an_account_tells_what_it_has_and_a_channel_does_not() -> None:
    """Unknown accounts hold nothing."""
    world = World()
    assert world.balance.available("c1", "CNY") == 10_000
    assert world.balance.available("nobody", "CNY") == 0
    assert world.channel.available("c1", "CNY") is None
    world.balance.deposit("nobody", 5)
    assert world.balance.balance("nobody") == 5


# --- Stock --------------------------------------------------------------------------------------


def test_l19_a_promise_is_all_or_nothing_and_once_for_its_name() -> None:
    """The same name is the same promise; what is short frees nothing else."""
    world = World()
    stock = MemoryStock(world.clock, {"a": 2, "b": 1})
    stock.reserve("r", [("a", 1), ("a", 1)], after(30))
    stock.reserve("r", [("a", 1), ("b", 1)], after(60))
    assert (stock.free("a"), stock.free("b"), stock.reserved("r")) == (0, 1, {"a": 2})
    with pytest.raises(OutOfStock) as caught:
        stock.reserve("s", [("b", 1), ("a", 1)], after(30))
    assert (caught.value.path, stock.free("b"), stock.reserved("s")) == ("a", 1, {})
    with pytest.raises(OutOfStock):
        stock.reserve("s", [("nothing", 1)], after(30))


def test_a_promise_lapses_at_its_time_unless_it_is_final() -> None:
    """What was deducted is kept beyond its time; what lapsed cannot be deducted."""
    world = World()
    stock = MemoryStock(world.clock, {"a": 2})
    stock.reserve("r", [("a", 1)], after(30))
    stock.reserve("s", [("a", 1)], after(30))
    stock.deduct("r")
    world.clock.set(after(29, 59))
    assert stock.free("a") == 0
    world.clock.set(after(30))
    assert stock.free("a") == 1
    with pytest.raises(OutOfStock):
        stock.deduct("s")
    stock.deduct("r")


def test_a_release_frees_all_but_what_is_kept_and_twice_is_once() -> None:
    """Also of what was deducted; of what is unknown, nothing."""
    world = World()
    stock = MemoryStock(world.clock, {"a": 3, "b": 1})
    stock.reserve("r", [("a", 3), ("b", 1)], after(30))
    stock.deduct("r")
    for _ in range(2):
        stock.release("r", [("a", 1)])
        assert (stock.free("a"), stock.free("b"), stock.reserved("r")) == (2, 1, {"a": 1})
    stock.release("r", [("a", 3)])
    assert stock.free("a") == 2
    for name in ("r", "r", "nobody"):
        stock.release(name)
        assert stock.free("a") == 3
    with pytest.raises(OutOfStock):
        stock.deduct("r")


def test_without_a_stock_every_article_is_endless() -> None:
    """Nothing lapses and nothing is short."""
    world = World()
    stock = MemoryStock(world.clock)
    stock.reserve("r", [("a", 10**9)], NOON)
    world.clock.advance(timedelta(days=9))
    stock.deduct("r")
    assert stock.free("a") is None


# --- The store ----------------------------------------------------------------------------------


def test_an_order_is_found_by_its_number_or_its_tail() -> None:
    """`3` finds ORD-0000000003 first, then the numbers that end in 3, the newest first."""
    world = World(stocked=False)
    quote = world.quote()
    for i in range(33):
        world.clock.advance(timedelta(seconds=1))
        world.engine.place(quote, key=f"k{i}", by=SHOPPER)

    def found(number: str) -> list[str]:
        return [order.number[-3:] for order in world.engine.find(OrderQuery(number=number))]

    assert found("3") == ["003", "033", "023", "013"]
    assert found("33") == ["033"]
    assert found("ORD-0000000007") == ["007"]
    assert found("0000000007") == ["007"]
    assert found("ORD-7") == found("99") == []


def test_orders_are_found_by_who_where_what_and_when() -> None:
    """Each field narrows the answer; the newest come first."""
    world = World()
    first = world.paid(CHANNEL)
    world.clock.set(after(5))
    second = world.placed()
    find = world.engine.find
    assert find() == (world.get(second), world.get(first))
    assert find(OrderQuery(states=("paid", "closed"))) == (world.get(first),)
    assert find(OrderQuery(placed_from=after(5))) == (world.get(second),)
    assert find(OrderQuery(placed_before=after(5))) == (world.get(first),)
    assert len(find(OrderQuery(customer="c1"))) == 2
    assert find(OrderQuery(customer="c2")) == find(OrderQuery(shop="north")) == ()
    assert find(OrderQuery(limit=1)) == (world.get(second),)
    with pytest.raises(InvalidInput):
        world.store.find(OrderQuery(limit=501))


@pytest.mark.parametrize(
    ("number", "tail"),
    [("ORD-0000000023", "23"), ("HB-007", "7"), ("7-A", ""), ("", ""), ("000", "")],
)
def test_the_tail_of_a_number_is_its_last_digits_without_zeros(number: str, tail: str) -> None:
    """What a customer reads out over the telephone."""
    assert numeric_tail(number) == tail


def test_numbers_are_given_once_among_threads() -> None:
    """Each sequence counts from 1, without a gap here and never twice."""
    world = World()
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: world.store.next_number("a"), range(200)))
    assert sorted(numbers) == list(range(1, 201))
    assert world.store.next_number("b") == 1


def test_a_claimed_timer_is_nobody_elses_until_its_lease_ends() -> None:
    """The oldest first; each claim counts a try."""
    world = World()
    world.placed()
    claim = world.store.claim_timers
    lease = timedelta(minutes=2)
    assert claim(after(24), 10, lease) == ()
    first = claim(after(30), 1, lease)
    assert [(t.key.kind, t.tries) for t in first] == [(TimerKind.REMIND_PAYMENT, 1)]
    assert [t.key.kind for t in claim(after(30), 10, lease)] == [TimerKind.CLOSE_UNPAID]
    assert claim(after(31, 59), 10, lease) == ()
    again = claim(after(32), 10, lease)
    assert [(t.key.kind, t.tries) for t in again] == [
        (TimerKind.REMIND_PAYMENT, 2), (TimerKind.CLOSE_UNPAID, 2),
    ]  # fmt: skip


def test_a_settled_timer_is_dropped_or_due_later_unless_it_was_set_anew() -> None:
    """What a change did since the claim is left as it is."""
    world = World()
    order = world.placed()
    remind, close = world.store.claim_timers(after(30), 2, timedelta(minutes=2))
    world.store.settle_timers([(remind, None), (close, after(40))])
    (left,) = world.store.timers()
    assert (left.key, left.due, left.tries) == (close.key, after(40), 1)
    assert world.store.claim_timers(after(40), 9, timedelta(minutes=2)) != ()
    world.engine.cancel(order.id, reason="no", key="c", by=SHOPPER)
    world.store.settle_timers([(left, after(50))])
    assert world.store.timers() == ()


def test_l14_the_outbox_forgets_what_was_acknowledged_in_any_order() -> None:
    """Positions are acknowledged one by one or many at once, late ones first."""
    world = World()
    order = world.paid(CHANNEL)
    every = world.store.outbox(100)
    assert [item.recorded for item in every] == list(world.engine.journal(order.id).recorded)
    positions = [item.position for item in every]
    world.store.acknowledge(positions[1::2])
    assert [item.position for item in world.store.outbox(100)] == positions[::2]
    assert len(world.store.outbox(1)) == 1
    world.store.acknowledge(positions[::2])
    assert world.store.outbox(100) == ()
    world.placed()
    (new,) = world.store.outbox(100)
    assert new.position not in positions


# --- Coupons ------------------------------------------------------------------------------------


class TestMemoryCouponBook(CouponBookContract):
    """The coupon book in memory."""

    def make_book(self) -> Answer[CouponBook]:
        """The codes of the contract."""
        self.clock = SettableClock(START)
        return issued(MemoryCouponBook(self.clock))

    def advance(self, by: timedelta) -> None:
        """Let the clock go on."""
        self.clock.advance(by)


class TestAwaitedCouponBook(TestMemoryCouponBook):
    """The same, asynchronous."""

    async def make_book(self) -> CouponBook:
        """Each answer comes a turn of the loop later."""
        self.clock = SettableClock(START)
        book: Any = issued(MemoryCouponBook(self.clock))

        class Later:
            joins = False

            async def find(self, *args: Any) -> Any:
                await asyncio.sleep(0)
                return book.find(*args)

            async def hold(self, *args: Any) -> None:
                await asyncio.sleep(0)
                book.hold(*args)

            async def use(self, *args: Any) -> None:
                book.use(*args)

            async def release(self, *args: Any) -> None:
                book.release(*args)

        return Later()


def test_a_withdrawn_code_is_void_but_stays_with_the_order_that_holds_it() -> None:
    """Withdrawing looks forward: a hold is made final, a new or a lapsed one is refused."""
    world = World()
    book = MemoryCouponBook(world.clock)
    for code in ("A", "B"):
        book.issue(code, "p")
        book.hold(f"h-{code}", (code,), "c1", after(30))
        book.void(code)
    assert [c.status for c in book.find(("A", "B"), "c1")] == [CouponStatus.VOID] * 2
    book.use("h-A")
    world.clock.set(after(30))
    with pytest.raises(CouponUnavailable):
        book.use("h-B")
    with pytest.raises(InvalidInput):
        book.void("C")


def test_a_code_is_issued_once_with_one_set_of_terms() -> None:
    """The same again is the same; other terms, an empty code and a limit of nothing are refused."""
    book = MemoryCouponBook(World().clock)
    until = after(60)
    for _ in range(2):
        book.issue("A", "p", valid_until=until, total_limit=3)
    (found,) = book.find(("A", "A"), "")
    assert (found.valid_from, found.valid_until, found.holder) == (None, until, "")
    with pytest.raises(InvalidInput):
        book.issue("A", "p")
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("", {}), ("B", {"total_limit": 0}), ("B", {"per_customer": -1}),
        ("B", {"valid_from": NOON.replace(tzinfo=None)}),
    ]  # fmt: skip
    for code, terms in wrong:
        with pytest.raises(InvalidInput):
            book.issue(code, "p", **terms)
    assert book.find(("B",), "") == ()
    with pytest.raises(InvalidInput):
        book.find([str(number) for number in range(101)], "")


def test_a_shown_price_is_kept_after_its_code_ran_out() -> None:
    """Whether a code is valid is asked when a cart is priced; a hold asks whether it is free."""
    world = World()
    book = MemoryCouponBook(world.clock)
    book.issue("A", "p", valid_until=after(10))
    world.clock.set(after(11))
    book.hold("h", ("A",), "c1", after(30))
    assert book.find(("A",), "c1")[0].status is CouponStatus.HELD
