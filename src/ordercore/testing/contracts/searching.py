"""What an order store promises of searches: the same answers as a plain look at every order, page by page."""

from __future__ import annotations

import itertools
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordercore.adapters.memory.searching import find_items, find_orders
from ordercore.change import Change
from ordercore.errors import InvalidInput
from ordercore.fulfillment import Received
from ordercore.order import (
    Accept,
    DeliveryStanding,
    ItemMarked,
    PaymentStanding,
    Reminded,
    Tagged,
    evolve,
)
from ordercore.party import SYSTEM, Attribution, Party
from ordercore.ports import OrderQuery
from ordercore.pricing import Cart, PricingPolicy, quote
from ordercore.searching import FIND_MAX, cursor_behind
from ordercore.tender.tenders import Channel
from ordercore.testing.contracts.asking import Contract
from ordercore.testing.story import START, Story, order_a, order_content

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ordercore.event import Event
    from ordercore.order import Order
    from ordercore.ports import Answer, FoundItem, OrderStore
    from ordercore.pricing import Quote

__all__ = ["OrderSearchContract"]

_SECOND = timedelta(seconds=1)
_NUMBERS = (
    "ORD-0000000023",
    "ORD-123",
    "ORD-923",
    "23",
    "0023",
    "N23",
    "ORD-X",
    "A-230",
    "A-0",
    "Ü23",
)
_WANTED = ("", "23", "023", "0023", "3", "0", "00", "ORD-X", "ORD-", "Ü23", "230", "%", "_")
_TAGS = ("fraud?", "vip", "vip2")
_STATUSES = ("packed", "ordered")
_SITES = (Attribution(), Attribution("eu", "web", "spring"), Attribution("eu", "app"))


@cache
def _priced(shop: str, customer: str, came: Attribution) -> Quote:
    plain = order_a()
    cart = Cart(
        "CNY", plain.lines, plain.discounts, shop=shop, customer=Party(customer), attribution=came
    )
    return quote(cart, PricingPolicy(), START)


class _Life:
    """One order as a search sees it: what it is now, and the changes that a store has to be given."""

    def __init__(
        self,
        name: str,
        number: str = "ORD-1",
        *,
        shop: str = "",
        customer: str = "",
        came: Attribution = _SITES[0],
        at: int = 0,
    ) -> None:
        priced = _priced(shop, customer, came)
        when = START + at * _SECOND
        story = Story(order_content(priced, id=name, number=number, at=when))
        self.story = story
        self.order: Order = story.order
        self.told = 0
        self.more: list[Change] = []

    def pay(self) -> _Life:
        """Pay it in full, once."""
        if self.story.order.state == "pending_payment" and not self.more:
            self.story.pay(Channel("card"))
            self.story.send(Accept())
            self.order = self.story.order
        return self

    def happens(self, event: Event) -> _Life:
        """Let something happen that no rule is asked about; what the rules say comes before."""
        order = evolve(self.order, event, self.story.at)
        self.order = order
        self.more.append(Change(order, (event,), self.story.at, SYSTEM, "mark"))
        return self

    def tag(self, *tags: str) -> _Life:
        """Put tags on it."""
        fresh = tuple(tag for tag in tags if tag not in self.order.handling.tags)
        return self.happens(Tagged(fresh, ())) if fresh else self

    def untag(self) -> _Life:
        """Take all tags off it."""
        return self.happens(Tagged((), self.order.handling.tags))

    def mark(self, line: str, status: str) -> _Life:
        """Give a line a status."""
        return self.happens(ItemMarked(line, status))

    def fresh(self) -> list[Change]:
        """The changes since it was asked last."""
        changes = [*self.story.changes, *self.more]
        found, self.told = changes[self.told :], len(changes)
        return found


@st.composite
def _lives(draw: st.DrawFn, shop: str, names: Iterator[int]) -> _Life:
    """An order of a shop, in some state and with some marks."""
    life = _Life(
        f"o-{next(names)}",
        draw(st.sampled_from(_NUMBERS)),
        shop=shop,
        customer=draw(st.sampled_from(["c-1", "c-2"])),
        came=draw(st.sampled_from(_SITES)),
        at=draw(st.integers(0, 2)),
    )
    if draw(st.booleans()):
        life.pay()
    if draw(st.booleans()):
        life.tag(*draw(st.lists(st.sampled_from(_TAGS), unique=True, min_size=1)))
    if draw(st.integers(0, 3)) == 0:
        life.untag()
    for line in ("1", "3"):
        if draw(st.booleans()):
            life.mark(line, draw(st.sampled_from(_STATUSES)))
    if draw(st.integers(0, 3)) == 0:
        life.happens(Received(life.story.at))
    return life


@st.composite
def _queries(draw: st.DrawFn, shop: str) -> OrderQuery:
    """Searches in a shop: each condition is there now and then."""
    moments = st.none() | st.integers(0, 3).map(lambda i: START + i * _SECOND)
    seldom = st.sampled_from([False, False, False, True])

    def some(of: st.SearchStrategy[Any], nothing: Any) -> Any:
        return draw(of) if draw(seldom) else nothing

    return OrderQuery(
        number=some(st.sampled_from(_WANTED), ""),
        customer=some(st.sampled_from(["c-1", "c-9"]), ""),
        shop=shop,
        states=some(st.sampled_from([("pending_payment",), ("awaiting_shipment", "closed")]), ()),
        placed_from=some(moments, None),
        placed_before=some(moments, None),
        limit=draw(st.integers(1, 30)),
        payment=some(st.sampled_from([PaymentStanding.PAID, PaymentStanding.UNPAID]), None),
        delivery=some(st.sampled_from(DeliveryStanding), None),
        tags=some(st.lists(st.sampled_from(_TAGS), max_size=2).map(tuple), ()),
        attribution=some(
            st.sampled_from([*_SITES, Attribution(channel="app"), Attribution(campaign="spring")]),
            _SITES[0],
        ),
        sku=some(st.sampled_from(["SKU-1", "SKU-3", "SKU-9"]), ""),
        item_status=some(st.sampled_from(_STATUSES), ""),
    )


def _with(query: OrderQuery, limit: int, after: str) -> OrderQuery:
    return OrderQuery(
        query.number, query.customer, query.shop, query.states, query.placed_from,
        query.placed_before, limit, query.payment, query.delivery, query.tags, query.attribution,
        query.sku, query.item_status, after,
    )  # fmt: skip


class OrderSearchContract(Contract):
    """What an `OrderStore` promises of ``find`` and ``find_items``. Give `make_store`."""

    def make_store(self) -> Answer[OrderStore]:
        """A new, empty store."""
        raise NotImplementedError

    def close_store(self, store: OrderStore) -> Answer[None]:
        """Let go of what the store holds open."""

    store: OrderStore

    @pytest.fixture(autouse=True)
    def _one_store_a_test(self, _one_loop_a_test: None) -> Iterator[None]:
        self.store = self.ask(self.make_store())
        yield
        self.ask(self.close_store(self.store))

    def keep(self, *lives: _Life) -> None:
        """Commit what is new of some orders, change by change."""
        for life in lives:
            for made in life.fresh():
                self.ask(self.store.commit([made]))

    def found_orders(self, **query: Any) -> list[str]:
        """Ids of the orders found."""
        return [order.id for order in self.ask(self.store.find(OrderQuery(**query)))]

    def found_items(self, **query: Any) -> list[tuple[str, str, str]]:
        """Order, line and status of the items found."""
        found = self.ask(self.store.find_items(OrderQuery(**query)))
        return [(item.order.id, item.line.id, item.status) for item in found]

    # --- what is found ---

    def test_the_newest_come_first(self) -> None:
        """Orders come by the moment of placing and then by id, both falling; an exact number before others."""
        self.keep(_Life("b", "23", at=1), _Life("a", "123", at=1), _Life("c", "ORD-0023", at=0))
        assert self.found_orders() == ["b", "a", "c"]
        assert self.found_orders(number="23") == ["b", "c", "a"]

    def test_orders_are_found_by_their_standing(self) -> None:
        """How far the money is and how far the goods are narrow the answer, as they now are."""
        paid, sent = _Life("a").pay(), _Life("b", at=1).pay()
        self.keep(paid, sent)
        sent.story.ship()
        sent.order = sent.story.order
        self.keep(sent)
        assert self.found_orders(payment=PaymentStanding.PAID) == ["b", "a"]
        assert self.found_orders(payment=PaymentStanding.UNPAID) == []
        assert self.found_orders(delivery=DeliveryStanding.SHIPPED) == ["b"]
        assert self.found_orders(delivery=DeliveryStanding.NOT_SHIPPED) == ["a"]

    def test_orders_are_found_by_all_of_some_tags(self) -> None:
        """Each tag that is asked for must be on the order, and still on it."""
        both, one = _Life("a").tag("vip", "fraud?"), _Life("b", at=1).tag("vip")
        self.keep(both, one)
        assert self.found_orders(tags=("vip",)) == ["b", "a"]
        assert self.found_orders(tags=("vip", "fraud?", "vip")) == ["a"]
        self.keep(one.untag())
        assert self.found_orders(tags=("vip",)) == ["a"]
        assert self.found_orders(tags=("vi",)) == []

    def test_orders_are_found_by_where_they_came_from(self) -> None:
        """Site, channel and campaign are compared where they are asked for."""
        self.keep(*[_Life(f"o-{i}", came=came, at=i) for i, came in enumerate(_SITES)])
        assert self.found_orders(attribution=Attribution("eu")) == ["o-2", "o-1"]
        assert self.found_orders(attribution=Attribution("eu", "app")) == ["o-2"]
        assert self.found_orders(attribution=Attribution(campaign="spring")) == ["o-1"]

    def test_an_item_is_found_by_what_it_is_and_where_it_stands(self) -> None:
        """Sku and status are those of one and the same line, for orders as for items."""
        first = _Life("a").mark("1", "packed").mark("3", "ordered")
        self.keep(first, _Life("b", at=1))
        assert self.found_orders(sku="SKU-1") == ["b", "a"]
        assert self.found_orders(item_status="packed") == ["a"]
        assert self.found_orders(sku="SKU-1", item_status="packed") == ["a"]
        assert self.found_orders(sku="SKU-1", item_status="ordered") == []
        assert self.found_items(item_status="ordered") == [("a", "3", "ordered")]
        assert self.found_items(sku="SKU-1") == [("b", "1", ""), ("a", "1", "packed")]
        self.keep(first.mark("1", "ordered"))
        assert self.found_items(item_status="packed") == []

    def test_items_come_with_their_orders(self) -> None:
        """Without sku and status every line of the orders is an item, by order and then by line id."""
        life = _Life("a").mark("2", "packed")
        self.keep(life, _Life("b", at=1))
        lines = [("a", "1", ""), ("a", "2", "packed"), ("a", "3", "")]
        assert self.found_items() == [("b", "1", ""), ("b", "2", ""), ("b", "3", ""), *lines]
        assert self.found_items(limit=4) == [*self.found_items()[:3], lines[0]]
        (item, *_) = self.ask(self.store.find_items(OrderQuery(item_status="packed")))
        assert (item.order, item.line) == (life.order, life.order.content.line("2"))

    @given(st.data())
    def test_a_search_finds_what_a_look_at_every_order_finds(self, data: st.DataObject) -> None:
        """Whatever the orders and the search, orders and items are those of the plainest way, in its order."""
        names = self._names()
        shop = f"shop-{next(names)}"
        crowd = data.draw(st.lists(_lives(shop, names), max_size=8), "orders")
        self.keep(*crowd)
        query = data.draw(_queries(shop), "query")
        orders = [life.order for life in crowd]
        assert self.ask(self.store.find(query)) == find_orders(orders, query)
        assert self.ask(self.store.find_items(query)) == find_items(orders, query)

    def _names(self) -> Iterator[int]:
        """Numbers that no example of this test has had: the store is the same for all of them."""
        held: Iterator[int] = self.__dict__.setdefault("_counted", itertools.count())
        return held

    # --- pages ---

    def _order_page(self, query: OrderQuery) -> tuple[list[str], str]:
        orders: Sequence[Order] = self.ask(self.store.find(query))
        following = cursor_behind(query, orders[-1]) if len(orders) == query.limit else ""
        return [order.id for order in orders], following

    def _item_page(self, query: OrderQuery) -> tuple[list[str], str]:
        items: Sequence[FoundItem] = self.ask(self.store.find_items(query))
        following = ""
        if len(items) == query.limit:
            following = cursor_behind(query, items[-1].order, items[-1].line.id)
        return [f"{item.order.id}/{item.line.id}" for item in items], following

    @pytest.mark.parametrize("items", [False, True], ids=["orders", "items"])
    @given(data=st.data())
    def test_a_walk_meets_each_once_whatever_happens_meanwhile(
        self, data: st.DataObject, *, items: bool
    ) -> None:
        """Orders placed, paid and tagged between two pages neither repeat nor hide one that was there throughout."""
        names = self._names()
        shop = f"shop-{next(names)}"
        crowd = data.draw(st.lists(_lives(shop, names), min_size=1, max_size=8), "orders")
        self.keep(*crowd)
        query = data.draw(_queries(shop), "query")
        page = self._item_page if items else self._order_page
        met, after = [], ""
        there = self._answer(crowd, query, items=items)
        throughout = set(there)
        for _ in range(100):
            found, after = page(_with(query, data.draw(st.integers(1, 4), "limit"), after))
            met += found
            if not after:
                break
            self._meanwhile(data, crowd, shop, names)
            throughout &= set(self._answer(crowd, query, items=items))
        assert after == ""
        assert len(met) == len(set(met))
        assert throughout <= set(met)
        rest = [name for name in met if name in throughout]
        assert rest == [name for name in there if name in throughout]

    def _answer(self, crowd: list[_Life], query: OrderQuery, *, items: bool) -> list[str]:
        """All that the search would find now."""
        orders, whole = [life.order for life in crowd], _with(query, FIND_MAX, "")
        if items:
            return [f"{found.order.id}/{found.line.id}" for found in find_items(orders, whole)]
        return [order.id for order in find_orders(orders, whole)]

    def _meanwhile(
        self, data: st.DataObject, crowd: list[_Life], shop: str, names: Iterator[int]
    ) -> None:
        """Somebody places an order, or does something to one."""
        if data.draw(st.booleans(), "one more"):
            crowd.append(data.draw(_lives(shop, names)))
            self.keep(crowd[-1])
        life = data.draw(st.sampled_from(crowd), "an order")
        event = data.draw(st.sampled_from(["pay", "tag", "mark", "remind"]))
        if event == "pay":
            life.pay()
        elif event == "tag":
            life.tag("vip")
        elif event == "mark":
            life.mark("1", "packed")
        else:
            life.happens(Reminded(None))
        self.keep(life)

    def test_a_walk_by_number_goes_from_the_exact_to_the_others(self) -> None:
        """Behind an old order with the very number come newer ones whose numbers end in it, page by page."""
        numbers = ["ORD-0023", "ORD-123", "ORD-923", "23", "ORD-1023"]
        self.keep(*[_Life(f"o-{i}", number, at=i) for i, number in enumerate(numbers)])
        for page, walk in (
            (self._order_page, ["o-3", "o-0", "o-4", "o-2", "o-1"]),
            (self._item_page, [f"o-{i}/{line}" for i in (3, 0, 4, 2, 1) for line in (1, 2, 3)]),
        ):
            met, after = [], ""
            for _ in walk:
                found, after = page(OrderQuery(number="23", limit=1, after=after))
                met += found
            assert met == walk

    def test_a_cursor_is_of_one_search(self) -> None:
        """A cursor that is broken, of another search or of items instead of orders is refused by its path."""
        life = _Life("a", "23")
        self.keep(life)
        query = OrderQuery(number="23")
        cursor = cursor_behind(query, life.order)
        assert self.found_orders(number="23", after=cursor, limit=7) == []
        others = [
            OrderQuery(number="24", after=cursor),
            OrderQuery(number="23", shop="x", after=cursor),
            *[
                OrderQuery(number="23", after=after)
                for after in ("x", cursor[:-1], cursor + "A", "%%", "é", cursor * 99, f"{cursor}=")
            ],
        ]
        for other in others:
            with pytest.raises(InvalidInput) as caught:
                self.ask(self.store.find(other))
            assert caught.value.path == "after"
        with pytest.raises(InvalidInput) as caught:
            self.ask(self.store.find_items(OrderQuery(number="23", after=cursor)))
        assert caught.value.path == "after"

    def test_a_search_is_bounded(self) -> None:
        """So many rows of an answer and no more, for orders as for items."""
        for limit in (0, -1, FIND_MAX + 1, True, None):
            for find in (self.store.find, self.store.find_items):
                with pytest.raises(InvalidInput) as caught:
                    self.ask(find(OrderQuery(limit=limit)))  # type: ignore[arg-type]
                assert caught.value.path == "limit"
        assert self.found_orders(limit=FIND_MAX) == []
