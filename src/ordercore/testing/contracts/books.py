"""What an order store promises of its books: events by time, entries, turnovers of accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ordercore.errors import InvalidInput
from ordercore.ledger import AccountKind, turnover
from ordercore.ports import HistoryQuery, LedgerQuery
from ordercore.pricing import Cart, PricingPolicy, quote
from ordercore.tender.tenders import Channel
from ordercore.testing.contracts.searching import OrderSearchContract
from ordercore.testing.story import START, Story, order_a, order_content

if TYPE_CHECKING:
    from ordercore.ports import LedgerLine

__all__ = ["OrderBooksContract"]

_HOUR = timedelta(hours=1)
_MONEY = ("payment.answered", "refund.answered")


def _paid(name: str, shop: str, hours: int, gateway: str, *, complete: bool) -> Story:
    """Order A of one shop, placed, paid and perhaps completed so many hours after noon."""
    plain = order_a()
    cart = Cart("CNY", plain.lines, plain.discounts, shop=shop)
    content = order_content(
        quote(cart, PricingPolicy(), START), id=name, number=name, at=START + hours * _HOUR
    )
    story = Story(content)
    story.pay(Channel(gateway))
    if complete:
        story.complete()
    return story


class OrderBooksContract(OrderSearchContract):
    """What an `OrderStore` promises of ``history``, ``entries`` and ``turnover``. Give `make_store`."""

    def keep_stories(self, *stories: Story) -> tuple[Story, ...]:
        """Commit all changes of some stories, in the order of their times."""
        made = sorted((c for s in stories for c in s.changes), key=lambda change: change.at)
        for change in made:
            self.ask(self.store.commit([change]))
        return stories

    def three_orders(self) -> tuple[Story, ...]:
        """Three orders of two shops, an hour apart."""
        return self.keep_stories(
            _paid("o-1", "north", 0, "card", complete=True),
            _paid("o-2", "south", 1, "wechat", complete=False),
            _paid("o-3", "north", 2, "card", complete=False),
        )

    def told(self, size: int = 100, **query: Any) -> list[tuple[str, int]]:
        """Order and sequence of all events that a query finds, page by page."""
        asked = {"names": _MONEY, "since": START, "before": START + 24 * _HOUR, **query}
        found: list[tuple[str, int]] = []
        after = ""
        for _ in range(100):
            page = self.ask(self.store.history(HistoryQuery(**asked, after=after, limit=size)))
            assert len(page.events) <= size
            found += [(recorded.order_id, recorded.sequence) for recorded in page.events]
            after = page.next
            if not after:
                return found
        raise AssertionError("the pages do not end")

    def booked(self, size: int = 1_000, **query: Any) -> list[LedgerLine]:
        """All entries that a query finds, page by page."""
        found: list[LedgerLine] = []
        after = ""
        for _ in range(1_000):
            page = self.ask(self.store.entries(LedgerQuery(**query, after=after, limit=size)))
            assert len(page.lines) <= size
            found += page.lines
            after = page.next
            if not after:
                return found
        raise AssertionError("the pages do not end")

    def test_events_are_read_by_name_and_time(self) -> None:
        """The span begins with its first moment and ends before its last; other names are left out."""
        stories = self.three_orders()
        want = [
            (r.order_id, r.sequence)
            for story in stories
            for change in story.changes
            for r in change.recorded()
            if r.event.name in _MONEY
        ]
        assert self.told() == want
        assert self.told(names=("payment.answered",), since=START + 2 * _HOUR) == [
            name for name in want if name[0] == "o-3"
        ]
        assert self.told(before=START) == []
        assert self.told(shop="south") == [name for name in want if name[0] == "o-2"]

    def test_pages_of_events_give_each_once(self) -> None:
        """Pages of any size come to the same events in the same order."""
        self.three_orders()
        names = ("order.placed", "order.moved", *_MONEY)
        every = self.told(1_000, names=names)
        assert len(every) > 7
        for size in range(1, 8):
            assert self.told(size, names=names) == every

    def test_pages_of_entries_give_each_once(self) -> None:
        """Pages of any size come to the same entries, oldest first."""
        self.three_orders()
        every = self.booked()
        assert [line.at for line in every] == sorted(line.at for line in every)
        for size in range(1, 8):
            assert self.booked(size) == every

    def test_l9_entries_add_up_to_nothing_and_turnovers_to_them(self) -> None:
        """What is read as entries is what the turnover sums, whole or in part; and it balances."""
        self.three_orders()
        spans: list[dict[str, Any]] = [
            {},
            {"since": START + _HOUR},
            {"before": START + _HOUR},
            {"shop": "north", "currency": "CNY"},
            {"account": AccountKind.CLEARING, "detail": "wechat"},
            {"account": AccountKind.REVENUE},
            {"currency": "EUR"},
        ]
        for span in spans:
            lines = self.booked(**span)
            summed = self.ask(self.store.turnover(LedgerQuery(**span)))
            assert summed == turnover((line.currency, line.entry) for line in lines)
            if "account" not in span:
                assert sum(line.entry.amount for line in lines) == 0
        assert self.booked(account=AccountKind.CLEARING, detail="wechat")[0].entry.amount == 26_997

    def test_a_bad_cursor_or_limit_is_refused(self) -> None:
        """A cursor that no page gave, and a limit out of bounds, are errors of the library's own."""
        with pytest.raises(InvalidInput):
            self.ask(self.store.entries(LedgerQuery(after="nonsense")))
        with pytest.raises(InvalidInput):
            self.ask(self.store.history(HistoryQuery(_MONEY, START, START, after="x")))
        with pytest.raises(InvalidInput):
            self.ask(self.store.entries(LedgerQuery(limit=0)))
