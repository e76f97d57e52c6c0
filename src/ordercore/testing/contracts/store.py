"""What an order store promises."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from ordercore.change import Change, Receipt
from ordercore.clock import SystemClock
from ordercore.errors import KeyReused, Stale
from ordercore.order import Accept, Cancel, Remind
from ordercore.party import SYSTEM, Actor, Party
from ordercore.ports import OrderQuery, ParkedTimer
from ordercore.pricing import Cart, PricingPolicy, quote
from ordercore.tender.tenders import Channel
from ordercore.testing import laws
from ordercore.testing.contracts.books import OrderBooksContract
from ordercore.testing.story import START, Story, order_a, order_content
from ordercore.testing.strategies import stories
from ordercore.timeout import Timer, TimerKey, TimerKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ordercore.ledger import Balance
    from ordercore.ports import Answer, OrderStore

__all__ = ["OrderStoreContract"]

_MINUTE = timedelta(minutes=1)
_LEASE = 5 * _MINUTE
_STAFF = Actor.staff("s-1")
_OUTBOX_MAX = 1_000


def _story(
    name: str = "o-1",
    number: str = "ORD-0000000001",
    *,
    shop: str = "",
    customer: str = "",
    after: timedelta = timedelta(0),
    receipt: Receipt | None = None,
) -> Story:
    """Order A under another name."""
    plain = order_a()
    cart = Cart("CNY", plain.lines, plain.discounts, shop=shop, customer=Party(customer))
    priced = quote(cart, PricingPolicy(), START)
    content = order_content(priced, id=name, number=number, at=START + after)
    return Story(content, receipt=receipt)


def _receipt(key: str, order: str, shop: str = "", digest: str = "d1") -> Receipt:
    return Receipt(shop, key, "place", digest, order)


def _aside(
    timer: Timer, error: str = "no answer", at: timedelta = timedelta(hours=1)
) -> ParkedTimer:
    """A claimed timer that is to be set aside."""
    key = timer.key
    return ParkedTimer(
        timer.order_id, key.kind.value, key.subject, timer.due, timer.visit, timer.tries, error,
        START + at,
    )  # fmt: skip


def _nonzero(found: Sequence[Balance]) -> dict[tuple[str, str, str], int]:
    return {(b.account.value, b.detail, b.currency): b.amount for b in found if b.amount}


class OrderStoreContract(OrderBooksContract):
    """What an `OrderStore` promises. Give `make_store`; where data outlives the object, also `reopen`."""

    def reopen(self, store: OrderStore) -> Answer[OrderStore]:
        """A second look at the same data, as another process has it; by default the same object."""
        return store

    def commit(self, *changes: Change) -> None:
        """Commit to the store under test."""
        self.ask(self.store.commit(changes))

    def commit_story(self, story: Story) -> Story:
        """Commit all changes of a story, one after the other."""
        for made in story.changes:
            self.commit(made)
        return story

    def outbox(self) -> list[tuple[str, int]]:
        """Order and sequence of each event that waits."""
        waiting = self.ask(self.store.outbox(_OUTBOX_MAX))
        return [(item.recorded.order_id, item.recorded.sequence) for item in waiting]

    def claim(self, after: timedelta, limit: int = 100) -> tuple[Timer, ...]:
        """Claim timers, so long after noon, for five minutes."""
        return self.ask(self.store.claim_timers(START + after, limit, _LEASE))

    def all_of(self, order_id: str) -> tuple[Any, ...]:
        """Everything that the store tells of an order, but for its timers."""
        return (
            self.ask(self.store.load(order_id)),
            self.ask(self.store.journal(order_id)),
            _nonzero(self.ask(self.store.trial_balance(order_id))),
            [item for item in self.outbox() if item[0] == order_id],
        )

    # --- orders ---

    def test_an_order_is_loaded_as_it_was_committed(self) -> None:
        """After each commit, load gives the very order of the change."""
        story = _story()
        story.pay(Channel("card"))
        story.complete()
        story.refund({"2": 1})
        for made in story.changes:
            self.commit(made)
            assert self.ask(self.store.load("o-1")) == made.order

    def test_an_unknown_order_is_none(self) -> None:
        """No order, no history, no balance: empty answers, no errors."""
        assert self.ask(self.store.load("o-9")) is None
        assert self.ask(self.store.journal("o-9")) == ()
        assert self.ask(self.store.trial_balance("o-9")) == ()
        opened = self.ask(self.store.open("o-9", "", "no key"))
        assert (opened.order, opened.receipt) == (None, None)

    def test_a_commit_is_durable_when_it_returns(self) -> None:
        """Another process sees the order, its history, its timers and its events."""
        story = self.commit_story(_story(receipt=_receipt("k-1", "o-1")))
        before = self.all_of("o-1")
        other = self.ask(self.reopen(self.store))
        assert self.ask(other.load("o-1")) == story.order
        opened = self.ask(other.open("o-1", "", "k-1"))
        assert (opened.order, opened.receipt) == (story.order, _receipt("k-1", "o-1"))
        self.store = other
        assert self.all_of("o-1") == before
        assert len(self.claim(_MINUTE * 60)) == len(story.changes[0].timers_set)

    def test_it_commits_on_its_own(self) -> None:
        """Outside of a transaction of the host, a store says that its commits are its own."""
        assert self.store.joined is False

    @given(stories())
    def test_any_order_survives_the_store(self, story: Story) -> None:
        """Orders in any state, their history and their books come back as they went in."""
        store = self.ask(self.make_store())
        try:
            for made in story.changes:
                self.ask(store.commit([made]))
            name = story.order.id
            assert self.ask(store.load(name)) == story.order
            journal = self.ask(store.journal(name))
            assert journal == tuple(r for made in story.changes for r in made.recorded())
            laws.replay_gives(story.order, [(told.event, told.at) for told in journal])
            found = self.ask(store.trial_balance(name))
            laws.trial_balance_is_zero(found)
            sums: dict[tuple[str, str, str], int] = {}
            for entry in story.entries:
                key = (entry.account.value, entry.detail, story.order.currency)
                sums[key] = sums.get(key, 0) + entry.amount
            assert _nonzero(found) == {key: amount for key, amount in sums.items() if amount}
        finally:
            self.ask(self.close_store(store))

    # --- versions, receipts, atomic writes ---

    def test_a_stale_change_is_refused(self) -> None:
        """A change that was decided on another version than the stored one writes nothing."""
        mine, theirs = _story(), _story()
        self.commit_story(mine)
        theirs.send(Remind())
        theirs.send(Remind())
        before = self.all_of("o-1")
        for late in (theirs.changes[0], theirs.changes[2]):  # again from 0, and one too far ahead
            with pytest.raises(Stale):
                self.commit(late)
            assert self.all_of("o-1") == before

    def test_of_two_decisions_on_one_version_one_wins(self) -> None:
        """The second of two commits on the same version is stale, whichever comes second."""
        mine, theirs = _story(), _story()
        self.commit(mine.changes[0])
        mine.send(Remind())
        theirs.send(Cancel("mine"))
        self.commit(mine.changes[1])
        with pytest.raises(Stale):
            self.commit(theirs.changes[1])
        assert self.ask(self.store.load("o-1")) == mine.order

    def test_several_changes_are_written_together(self) -> None:
        """Changes of several orders, and several of one order in turn, are one write."""
        first, second = _story("o-1"), _story("o-2")
        first.send(Remind())
        self.commit(*first.changes, *second.changes)
        assert self.ask(self.store.load("o-1")) == first.order
        assert self.ask(self.store.load("o-2")) == second.order

    def test_one_bad_change_of_several_writes_none(self) -> None:
        """All or nothing: where one change is stale or its key taken, the others are not written."""
        held = self.commit_story(_story("o-1", receipt=_receipt("k-1", "o-1")))
        held.send(Remind())
        stale = _story("o-1").changes[0]
        taken = _story("o-3", receipt=_receipt("k-1", "o-3")).changes[0]
        twice = _story("o-4", receipt=_receipt("k-2", "o-4")).changes[0]
        again = _story("o-5", receipt=_receipt("k-2", "o-5")).changes[0]
        fresh = _story("o-2", receipt=_receipt("k-9", "o-2")).changes[0]
        before = self.all_of("o-1")
        for batch, error in (
            ([fresh, stale], Stale),
            ([held.changes[1], fresh, taken], KeyReused),
            ([fresh, twice, again], KeyReused),
        ):
            with pytest.raises(error):
                self.commit(*batch)
            assert self.all_of("o-1") == before
            assert self.all_of("o-2") == (None, (), {}, [])
            assert self.ask(self.store.open("", "", "k-9")).receipt is None
        assert {timer.order_id for timer in self.claim(_MINUTE * 60)} == {"o-1"}

    def test_a_key_is_taken_once_a_shop(self) -> None:
        """The same key of the same shop is refused, in another shop it is another key."""
        self.commit_story(_story("o-1", receipt=_receipt("k", "o-1")))
        for digest in ("d1", "d2"):
            late = _story("o-2", receipt=_receipt("k", "o-2", digest=digest))
            with pytest.raises(KeyReused):
                self.commit(late.changes[0])
            assert self.ask(self.store.load("o-2")) is None
        other = _receipt("k", "o-3", shop="north")
        self.commit_story(_story("o-3", shop="north", receipt=other))
        assert self.ask(self.store.open("o-3", "north", "k")).receipt == other
        assert self.ask(self.store.open("o-3", "", "k")).receipt == _receipt("k", "o-1")

    def test_opening_gives_the_order_and_the_receipt(self) -> None:
        """One look gives both; without an order id the receipt alone, without a receipt the order."""
        story = self.commit_story(_story(receipt=_receipt("k", "o-1")))
        both = self.ask(self.store.open("o-1", "", "k"))
        assert (both.order, both.receipt) == (story.order, _receipt("k", "o-1"))
        alone = self.ask(self.store.open("", "", "k"))
        assert (alone.order, alone.receipt) == (None, _receipt("k", "o-1"))
        fresh = self.ask(self.store.open("o-1", "", "another key"))
        assert (fresh.order, fresh.receipt) == (story.order, None)

    # --- journal, books, outbox ---

    def test_the_journal_tells_all_in_order(self) -> None:
        """Every event with its number, time, actor and command, from the first to the last."""
        story = _story()
        story.pay(Channel("card"))
        story.send(Accept(), by=_STAFF, after=_MINUTE)
        self.commit_story(story)
        told = self.ask(self.store.journal("o-1"))
        assert [r.sequence for r in told] == list(range(1, story.order.version + 1))
        assert told == tuple(r for made in story.changes for r in made.recorded())
        assert (told[-1].by, told[-1].at, told[-1].command) == (_STAFF, START + _MINUTE, "Accept")
        laws.replay_gives(story.order, [(r.event, r.at) for r in told])

    def test_the_trial_balance_is_of_one_order_or_of_all(self) -> None:
        """Balances add up by account, detail and currency; the sum over all is zero."""
        first, second = _story("o-1"), _story("o-2")
        first.pay(Channel("card"))
        first.complete()
        second.pay(Channel("wechat"))
        self.commit_story(first)
        self.commit_story(second)
        one = self.ask(self.store.trial_balance("o-2"))
        assert _nonzero(one) == {
            ("clearing", "wechat", "CNY"): 26997,
            ("advances", "", "CNY"): -26997,
        }
        every = self.ask(self.store.trial_balance())
        laws.trial_balance_is_zero(every)
        assert _nonzero(every)["revenue", "", "CNY"] == -26997
        assert _nonzero(every)["advances", "", "CNY"] == -26997

    def test_the_outbox_gives_events_in_order_until_they_are_acknowledged(self) -> None:
        """In order for each order, the same again until acknowledged, and then no more."""
        first, second = _story("o-1"), _story("o-2")
        self.commit(first.changes[0])
        self.commit(second.changes[0])
        first.send(Remind())
        self.commit(first.changes[1])
        assert sorted(self.outbox()) == [("o-1", 1), ("o-1", 2), ("o-2", 1)]
        assert self.outbox() == self.outbox()
        assert [n for name, n in self.outbox() if name == "o-1"] == [1, 2]
        some = self.ask(self.store.outbox(2))
        assert len(some) == 2
        self.ask(self.store.acknowledge([item.position for item in some]))
        rest = self.outbox()
        assert len(rest) == 1
        assert {(i.recorded.order_id, i.recorded.sequence) for i in some}.isdisjoint(rest)
        last = self.ask(self.store.outbox(10))
        self.ask(self.store.acknowledge([item.position for item in last]))
        self.ask(self.store.acknowledge([item.position for item in last]))
        assert self.outbox() == []
        second.send(Remind())
        self.commit(second.changes[1])
        assert self.outbox() == [("o-2", 2)]

    def test_events_acknowledged_out_of_turn_do_not_come_again(self) -> None:
        """Acknowledging the middle leaves the first and the last, in order."""
        story = _story()
        story.send(Remind())
        story.send(Remind())
        self.commit_story(story)
        middle = self.ask(self.store.outbox(10))[1]
        self.ask(self.store.acknowledge([middle.position]))
        assert self.outbox() == [("o-1", 1), ("o-1", 3)]

    # --- timers ---

    def test_timers_come_due_oldest_first(self) -> None:
        """Nothing before its time; then by due date, as many as were asked for."""
        late = self.commit_story(_story("o-2", after=_MINUTE))
        soon = self.commit_story(_story("o-1"))
        assert self.claim(25 * _MINUTE - timedelta(microseconds=1)) == ()
        first = self.claim(_MINUTE * 60, limit=3)
        assert [(timer.order_id, timer.key.kind) for timer in first] == [
            ("o-1", TimerKind.REMIND_PAYMENT),
            ("o-2", TimerKind.REMIND_PAYMENT),
            ("o-1", TimerKind.CLOSE_UNPAID),
        ]
        placed = soon.changes[0].timers_set + late.changes[0].timers_set
        known = {(timer.order_id, timer.key): timer for timer in placed}
        for timer in first:
            set_by = known[timer.order_id, timer.key]
            assert (timer.due, timer.visit) == (set_by.due, set_by.visit)

    def test_a_timer_is_due_at_its_very_moment(self) -> None:
        """The reminder of 12:25:00 is claimed at 12:25:00."""
        self.commit_story(_story())
        assert [timer.due - START for timer in self.claim(25 * _MINUTE)] == [25 * _MINUTE]

    def test_a_claimed_timer_is_nobody_elses_until_the_lease_ends(self) -> None:
        """Within the lease it is not given again; after it, it is, and the tries count up."""
        self.commit_story(_story())
        first = self.claim(25 * _MINUTE)
        assert [timer.tries for timer in first] == [1]
        assert self.claim(25 * _MINUTE) == ()
        assert self.claim(25 * _MINUTE + _LEASE - timedelta(seconds=1)) == ()
        other = self.ask(self.reopen(self.store))
        again = self.ask(other.claim_timers(START + 25 * _MINUTE + _LEASE, 1, _LEASE))
        assert [(timer.key, timer.tries) for timer in again] == [(first[0].key, 2)]

    def test_a_settled_timer_is_gone_or_comes_later(self) -> None:
        """Settled with no time it is dropped; with a time it comes then, lease ended, tries kept."""
        self.commit_story(_story())
        remind, close = self.claim(30 * _MINUTE)
        later = START + 31 * _MINUTE
        self.ask(self.store.settle_timers([(remind, None), (close, later)]))
        assert self.claim(30 * _MINUTE) == ()
        again = self.claim(31 * _MINUTE)
        assert [(timer.key, timer.due, timer.tries) for timer in again] == [(close.key, later, 2)]
        self.ask(self.store.settle_timers([(again[0], None)]))
        assert self.claim(_MINUTE * 600) == ()

    def test_a_timer_set_anew_since_the_claim_stays(self) -> None:
        """A change that moves a claimed timer has the last word over settling it."""
        story = self.commit_story(_story())
        (remind,) = self.claim(25 * _MINUTE)
        moved = Timer("o-1", remind.key, START + 40 * _MINUTE, remind.visit)
        self.commit(Change(story.order, (), START, SYSTEM, "again", (moved,)))
        self.ask(self.store.settle_timers([(remind, None)]))
        found = [t for t in self.claim(_MINUTE * 60) if t.key == remind.key]
        assert [timer.due for timer in found] == [moved.due]

    def test_a_timer_cleared_since_the_claim_stays_cleared(self) -> None:
        """Putting off a timer that a change has cleared does not bring it back."""
        story = self.commit_story(_story())
        (remind,) = self.claim(25 * _MINUTE)
        story.pay(Channel("card"))
        for made in story.changes[1:]:
            self.commit(made)
        self.ask(self.store.settle_timers([(remind, START + 40 * _MINUTE)]))
        assert self.claim(_MINUTE * 600) == ()

    def test_a_timer_set_again_moves(self) -> None:
        """An order has one timer of a kind and subject; setting it again moves it, and frees its lease."""
        story = self.commit_story(_story())
        key = TimerKey(TimerKind.CLOSE_UNPAID)
        assert [t.due for t in self.claim(30 * _MINUTE) if t.key == key] == [START + 30 * _MINUTE]
        moved = Timer("o-1", key, START + 31 * _MINUTE, 0)
        subject = Timer("o-1", TimerKey(TimerKind.CLOSE_UNPAID, "other"), START + 32 * _MINUTE, 0)
        self.commit(Change(story.order, (), START, SYSTEM, "again", (moved, subject)))
        found = self.claim(33 * _MINUTE)
        assert [(timer.key, timer.due) for timer in found] == [
            (key, moved.due),
            (subject.key, subject.due),
        ]

    def test_a_change_without_events_is_refused_on_another_version(self) -> None:
        """Timers alone are under the order's version too."""
        story = self.commit_story(_story())
        story.send(Remind())
        cleared = (TimerKey(TimerKind.CLOSE_UNPAID),)
        with pytest.raises(Stale):
            self.commit(Change(story.order, (), START, SYSTEM, "ahead", (), cleared))
        assert len(self.claim(_MINUTE * 60)) == 2

    # --- timers set aside ---

    def claimed_at_half_past(self) -> tuple[Timer, Timer]:
        """The reminder and the deadline of one order, claimed at 12:30."""
        self.commit_story(_story())
        remind, close = self.claim(30 * _MINUTE)
        return remind, close

    def test_a_timer_set_aside_is_in_no_sweep(self) -> None:
        """It is never claimed again, and is listed with its error, for every process, until it is called back."""
        _, close = self.claimed_at_half_past()
        aside = _aside(close, "the gateway is gone: \u7d05\n")
        self.ask(self.store.park_timers([aside]))
        assert [timer.key.kind for timer in self.claim(_MINUTE * 600)] == [TimerKind.REMIND_PAYMENT]
        for store in (self.store, self.ask(self.reopen(self.store))):
            assert self.ask(store.parked(10)) == (aside,)

    def test_timers_set_aside_are_listed_oldest_first(self) -> None:
        """By the time at which they were set aside, as many as were asked for."""
        remind, close = self.claimed_at_half_past()
        late, soon = _aside(remind, at=2 * _MINUTE), _aside(close, at=_MINUTE)
        self.ask(self.store.park_timers([late, soon]))
        assert self.ask(self.store.parked(10)) == (soon, late)
        assert self.ask(self.store.parked(1)) == (soon,)

    def test_a_timer_called_back_runs_again(self) -> None:
        """It comes due at the moment given, with no tries counted, and is listed no more; calling again does nothing."""
        _, close = self.claimed_at_half_past()
        self.ask(self.store.park_timers([_aside(close)]))
        parked = self.ask(self.store.parked(10))
        due = START + 90 * _MINUTE
        for _ in range(2):
            self.ask(self.store.unpark(parked, due))
            assert self.ask(self.store.parked(10)) == ()
        assert close.key not in [timer.key for timer in self.claim(89 * _MINUTE)]
        again = [timer for timer in self.claim(90 * _MINUTE) if timer.key == close.key]
        assert [(timer.due, timer.visit, timer.tries) for timer in again] == [(due, close.visit, 1)]

    def test_a_change_has_the_last_word_over_setting_aside(self) -> None:
        """A timer that was set anew or cleared since the claim is not set aside."""
        story = self.commit_story(_story())
        remind, close = self.claim(30 * _MINUTE)
        moved = Timer("o-1", close.key, START + 40 * _MINUTE, close.visit)
        self.commit(Change(story.order, (), START, SYSTEM, "again", (moved,), (remind.key,)))
        self.ask(self.store.park_timers([_aside(remind), _aside(close)]))
        assert self.ask(self.store.parked(10)) == ()
        assert [(timer.key, timer.due) for timer in self.claim(_MINUTE * 60)] == [
            (close.key, moved.due)
        ]

    def test_a_change_calls_back_what_it_sets_anew(self) -> None:
        """A timer set aside that a change sets again runs at its new time; one that it clears is gone."""
        story = self.commit_story(_story())
        remind, close = self.claim(30 * _MINUTE)
        self.ask(self.store.park_timers([_aside(remind), _aside(close)]))
        moved = Timer("o-1", close.key, START + 40 * _MINUTE, close.visit)
        self.commit(Change(story.order, (), START, SYSTEM, "again", (moved,), (remind.key,)))
        assert self.ask(self.store.parked(10)) == ()
        self.ask(self.store.unpark([_aside(remind), _aside(close)], START))
        assert self.claim(39 * _MINUTE) == ()
        assert [(timer.key, timer.tries) for timer in self.claim(40 * _MINUTE)] == [(close.key, 1)]
        self.ask(self.store.park_timers([_aside(moved, "again")]))
        assert [aside.error for aside in self.ask(self.store.parked(10))] == ["again"]

    def test_the_backlog_counts_what_waits(self) -> None:
        """Timers that are due, leased or not, since when, and those set aside; what is not yet due does not count."""
        empty = self.ask(self.store.backlog(START))
        assert (empty.due, empty.oldest, empty.parked) == (0, None, 0)
        self.commit_story(_story())
        early = self.ask(self.store.backlog(START))
        assert (early.due, early.oldest, early.parked) == (0, None, 0)
        remind, close = self.claim(30 * _MINUTE)
        waiting = self.ask(self.store.backlog(START + 30 * _MINUTE))
        assert (waiting.due, waiting.oldest, waiting.parked) == (2, remind.due, 0)
        self.ask(self.store.park_timers([_aside(remind)]))
        left = self.ask(self.store.backlog(START + 30 * _MINUTE))
        assert (left.due, left.oldest, left.parked) == (1, close.due, 1)

    def test_the_store_has_a_clock(self) -> None:
        """It tells an aware time, runs forward, and is right within a day."""
        first = self.ask(self.store.now())
        second = self.ask(self.store.now())
        assert first.utcoffset() == timedelta(0)
        assert first <= second
        assert abs(second - SystemClock().now()) < timedelta(days=1)

    # --- finding, numbering ---

    def found(self, **query: Any) -> list[str]:
        """Ids of the orders found."""
        return [order.id for order in self.ask(self.store.find(OrderQuery(**query)))]

    def test_orders_are_found_by_number_and_by_numeric_tail(self) -> None:
        """`23` finds ORD-0000000023 first and then numbers that end in 23, not those with 23 elsewhere."""
        for name, number in (
            ("a", "ORD-0000000123"),
            ("b", "ORD-0000000023"),
            ("c", "ORD-0000000230"),
            ("d", "HB20260520-000023x"),
        ):
            self.commit_story(_story(name, number))
        assert self.found(number="23") == ["b", "a"]
        assert self.found(number="0000000023")[0] == "b"
        assert self.found(number="ORD-0000000230") == ["c"]
        assert self.found(number="HB20260520-000023x") == ["d"]
        assert self.found(number="99") == []

    def test_orders_are_found_by_what_they_are(self) -> None:
        """Customer, shop, state and time of placing narrow the answer, each alone and together."""
        self.commit_story(_story("a", shop="north", customer="c-1"))
        self.commit_story(_story("b", customer="c-1", after=_MINUTE))
        paid = _story("c", customer="c-2", after=2 * _MINUTE)
        paid.pay(Channel("card"))
        self.commit_story(paid)
        assert sorted(self.found()) == ["a", "b", "c"]
        assert sorted(self.found(customer="c-1")) == ["a", "b"]
        assert self.found(shop="north") == ["a"]
        assert self.found(states=("paid", "completed")) == ["c"]
        assert sorted(self.found(placed_from=START + _MINUTE)) == ["b", "c"]
        assert sorted(self.found(placed_before=START + _MINUTE)) == ["a"]
        assert self.found(customer="c-1", placed_from=START + _MINUTE) == ["b"]
        assert self.found(customer="c-1", states=("paid",)) == []
        assert len(self.found(limit=2)) == 2

    def test_an_order_is_found_as_it_now_is(self) -> None:
        """What is found is what load gives, in its present state."""
        story = _story()
        story.pay(Channel("card"))
        self.commit_story(story)
        assert self.ask(self.store.find(OrderQuery(states=("pending_payment",)))) == ()
        assert self.ask(self.store.find(OrderQuery(states=("paid",)))) == (story.order,)

    def test_numbers_grow_and_never_come_twice(self) -> None:
        """From 1, growing, each sequence for itself, and on from there for the next process."""
        first = [self.ask(self.store.next_number("A-")) for _ in range(20)]
        assert first[0] >= 1
        assert first == sorted(set(first))
        other = self.ask(self.reopen(self.store))
        assert self.ask(other.next_number("A-")) > first[-1]
        assert self.ask(other.next_number("B-")) < first[-1]
