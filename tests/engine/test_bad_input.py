"""Bad input at the engine's door: an error of the tree with code, path and reason, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from tests.engine.world import CHANNEL, SHOPPER, STAFF, World

from ordercore import (
    Actor,
    Cart,
    CartLine,
    InvalidInput,
    KeyReused,
    Manifest,
    Money,
    NotFound,
    OrdercoreError,
    OrderQuery,
    Party,
    Quote,
    Stale,
    tenders,
)
from ordercore.change import Change, Receipt
from ordercore.errors import (
    AmountTooLarge,
    CurrencyMismatch,
    InvalidCart,
    InvalidManifest,
    InvalidMoney,
    InvalidQuantity,
    InvalidTenders,
    OrderNotFound,
    UnknownCurrency,
    UnknownLifecycle,
)
from ordercore.fulfillment import ParcelGroup
from ordercore.goods import LineId
from ordercore.ledger import AccountKind, Entry
from ordercore.order import ChangeQuantity
from ordercore.party import SYSTEM

ABOVE = (tenders.Balance(Money("270.00", "CNY"), "c1"), *CHANNEL)

VERBS: dict[str, Callable[[World, str, str], Any]] = {
    "pay": lambda w, o, k: w.engine.pay(o, CHANNEL, key=k, by=SHOPPER),
    "accept": lambda w, o, k: w.engine.accept(o, key=k),
    "ship": lambda w, o, k: w.engine.ship(o, key=k),
    "deliver": lambda w, o, k: w.engine.deliver(o, key=k),
    "complete": lambda w, o, k: w.engine.complete(o, key=k),
    "cancel": lambda w, o, k: w.engine.cancel(o, reason="no", key=k, by=SHOPPER),
    "refund": lambda w, o, k: w.engine.refund(o, reason="no", key=k, by=STAFF),
}


NOBODY: dict[str, Callable[[World, str], Any]] = {
    "place": lambda w, _: w.engine.place(w.quote(), key="k", by="kim"),  # type: ignore[arg-type]
    "pay": lambda w, o: w.engine.pay(o, CHANNEL, key="k", by="kim"),  # type: ignore[arg-type]
    "accept": lambda w, o: w.engine.accept(o, key="k", by="kim"),  # type: ignore[arg-type]
    "ship": lambda w, o: w.engine.ship(o, key="k", by="kim"),  # type: ignore[arg-type]
    "cancel": lambda w, o: w.engine.cancel(o, reason="no", key="k", by="kim"),  # type: ignore[arg-type]
    "refund": lambda w, o: w.engine.refund(o, reason="no", key="k", by="kim"),  # type: ignore[arg-type]
    "amend": lambda w, o: w.engine.amend(o, [ChangeQuantity("1", 2)], key="k", by="kim"),  # type: ignore[arg-type]
    "note": lambda w, o: w.engine.note(o, "text", key="k", by="kim"),  # type: ignore[arg-type]
    "split": lambda w, o: w.engine.split(o, [], key="k", by="kim"),  # type: ignore[arg-type]
    "preview_split": lambda w, o: w.engine.preview_split(o, [], by="kim"),  # type: ignore[arg-type]
    "propose_split": lambda w, o: w.engine.propose_split(o, by="kim"),  # type: ignore[arg-type]
    "rejoin": lambda w, o: w.engine.rejoin(o, key="k", by="kim"),  # type: ignore[arg-type]
    "combine": lambda w, o: w.engine.combine(o, o, key="k", by="kim"),  # type: ignore[arg-type]
    "preview_combine": lambda w, o: w.engine.preview_combine(o, o, by="kim"),  # type: ignore[arg-type]
    "merge_candidates": lambda w, _: w.engine.merge_candidates(by="kim"),  # type: ignore[arg-type]
    "plan_parcels": lambda w, o: w.engine.plan_parcels(
        o,
        [ParcelGroup(Manifest.of({"1": 1}))],
        key="k",
        by="kim",  # type: ignore[arg-type]
    ),
    "issue_pickup_code": lambda w, o: w.engine.issue_pickup_code(o, store="s", key="k", by="kim"),  # type: ignore[arg-type]
    "kind": lambda w, o: w.engine.accept(o, key="k", by=Actor("staff", "kim")),  # type: ignore[arg-type]
}
"""Calls by nobody: a name is no actor."""


@pytest.mark.parametrize("verb", list(NOBODY))
def test_l24_who_acts_is_an_actor(verb: str) -> None:
    """A name, or a kind in a text, is refused by its path, and nothing is written."""
    world = World()
    order = world.paid()
    before = world.snapshot()
    with pytest.raises(InvalidInput) as caught:
        NOBODY[verb](world, order.id)
    assert caught.value.path == "by"
    assert world.snapshot() == before


def test_l24_what_is_placed_is_a_quote_and_what_is_searched_for_a_query() -> None:
    """The caller is told, not the store blamed."""
    engine: Any = World().engine
    with pytest.raises(InvalidInput) as caught:
        engine.place("quote", key="k", by=SHOPPER)
    assert caught.value.path == "quote"
    with pytest.raises(InvalidInput) as caught:
        engine.merge_candidates("ada", by=STAFF)
    assert caught.value.path == "query"


@pytest.mark.parametrize("units", ["1", {1: 1}, 7, None, [("1",)], [1]])
def test_l24_goods_are_units_by_line(units: Any) -> None:
    """What is no such table is refused by the library's own error."""
    with pytest.raises(InvalidManifest):
        Manifest.of(units)


def told(error: OrdercoreError) -> None:
    """The error can be given to a client as it is."""
    plain = error.as_dict()
    assert plain["code"] == error.code
    assert plain["reason"]
    assert 400 <= error.http_status < 500


# --- Orders -------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("order_id", ["nobody", "", "ord_1/1", "ord_1 "])
def test_l24_an_unknown_order_is_not_found(verb: str, order_id: str) -> None:
    """Whatever is asked of an order that is not there."""
    world = World()
    world.placed()
    with world.refused(OrderNotFound) as caught:
        VERBS[verb](world, order_id, "x")
    assert (caught.value.path, caught.value.data["order"]) == ("order_id", order_id)
    told(caught.value)


@pytest.mark.parametrize("look", ["get", "pull"])
def test_l24_an_unknown_order_cannot_be_looked_at(look: str) -> None:
    """Neither read nor asked about at its channels."""
    world = World()
    with world.refused(OrderNotFound):
        getattr(world.engine, look)("nobody")
    with world.refused(OrderNotFound):
        world.engine.preview("nobody", CHANNEL)
    with world.refused(OrderNotFound):
        world.engine.journal("nobody")
    assert world.engine.trial_balance("nobody") == ()


# --- Keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("key", ["", "k" * 201, 7, None, b"k"], ids=repr)
def test_l24_a_key_is_text_of_1_to_200_characters(verb: str, key: Any) -> None:
    """Every command needs one, and says what is wrong with this one."""
    world = World()
    order = world.paid()
    with world.refused(InvalidInput) as caught:
        VERBS[verb](world, order.id, key)
    assert caught.value.path == "key"
    told(caught.value)


@pytest.mark.parametrize("verb", VERBS)
def test_l24_a_key_of_another_command_is_refused(verb: str) -> None:
    """The refusal names the key and the order that it stands for."""
    world = World()
    first = world.engine.place(world.quote(), key="used", by=SHOPPER)
    second = world.placed()
    with world.refused(KeyReused) as caught:
        VERBS[verb](world, second.id, "used")
    assert (caught.value.data["key"], caught.value.data["order"]) == ("used", first.id)
    told(caught.value)


# --- Versions and lifecycles --------------------------------------------------------------------


def a_change(world: World, **fields: Any) -> Change:
    """A change of a paid order that would be written as it is."""
    order = world.paid(CHANNEL)
    given = {
        "order": order, "events": (), "at": world.clock.now(), "by": SYSTEM, "command": "Test",
        **fields,
    }  # fmt: skip
    return Change(**given)


def test_l24_a_stale_version_is_refused() -> None:
    """A change that was decided from an older order names both versions."""
    world = World()
    old = world.placed()
    new = world.pay(old).order
    made = Change(old, (), world.clock.now(), SYSTEM, "Test")
    with world.refused(Stale) as caught:
        world.store.commit((made,))
    assert caught.value.data == {"expected": old.version, "found": new.version}
    assert caught.value.path == old.id
    told(caught.value)


def test_l24_entries_out_of_balance_are_refused() -> None:
    """The store takes no books that do not add up (L9)."""
    world = World()
    made = a_change(world, entries=(Entry(AccountKind.CLEARING, "wechat", 1),))
    with world.refused(InvalidInput) as caught:
        world.store.commit((made,))
    assert caught.value.path == "entries"


def test_l24_a_commit_of_several_is_all_or_nothing() -> None:
    """One stale change, one key in use, one key twice: none of the others is written."""
    world = World()
    good = a_change(world, receipt=Receipt("", "fresh", "Test", "d", "o"))
    old = world.placed()
    world.pay(old, CHANNEL)
    stale = a_change(world, order=old)
    used = a_change(world, receipt=Receipt("", "key-1", "Test", "d", "o"))
    again = a_change(world, receipt=Receipt("", "fresh", "Test", "d", "o"))
    for bad, error in ((stale, Stale), (used, KeyReused), (again, KeyReused)):
        with world.refused(error):
            world.store.commit((good, bad))
    world.store.commit((good,))


def test_l24_an_unknown_lifecycle_is_refused_with_the_known_ones() -> None:
    """Placing names the lifecycle; one that the engine was not given is refused."""
    world = World()
    with world.refused(UnknownLifecycle) as caught:
        world.engine.place(world.quote(), key="k", by=SHOPPER, lifecycle="express")
    assert caught.value.path == "lifecycle"
    assert caught.value.data["known"] == ("standard",)
    told(caught.value)


# --- Tenders ------------------------------------------------------------------------------------


def test_l24_tenders_above_what_is_due_are_refused() -> None:
    """The refusal says how much was asked and how much is due."""
    world = World()
    order = world.placed()
    for verb in (
        lambda: world.engine.pay(order.id, ABOVE, key="x", by=SHOPPER),
        lambda: world.engine.preview(order.id, ABOVE),
    ):
        with world.refused(InvalidTenders) as caught:
            verb()
        assert caught.value.path == "tenders[0].amount"
        assert (caught.value.data["asked"], caught.value.data["most"]) == (27000, 26997)
        told(caught.value)


@pytest.mark.parametrize("offers", [(tenders.Channel("paypal"),), (tenders.Balance(gateway="no"),)])
def test_l24_an_unknown_gateway_is_refused_with_the_known_ones(offers: Any) -> None:
    """In a payment as in a preview."""
    world = World()
    order = world.placed()
    for verb in (
        lambda: world.engine.pay(order.id, offers, key="x", by=SHOPPER),
        lambda: world.engine.preview(order.id, offers),
    ):
        with world.refused(NotFound) as caught:
            verb()
        assert caught.value.path == "gateway"
        assert caught.value.data["known"] == ("balance", "points", "stored_value", "wechat")
        told(caught.value)


@pytest.mark.parametrize("offer", ["card", None, 5, Money("5.00", "CNY")], ids=repr)
def test_l24_what_is_no_tender_is_refused_with_the_kinds_that_are(offer: Any) -> None:
    """A name or an amount in place of a tender is told from one."""
    world = World()
    order = world.placed()
    for verb in (
        lambda: world.engine.pay(order.id, (offer,), key="x", by=SHOPPER),
        lambda: world.engine.preview(order.id, (offer,)),
    ):
        with world.refused(InvalidTenders) as caught:
            verb()
        assert caught.value.path == "tenders[0]"
        assert "Channel" in caught.value.data["allowed"]


# --- Carts --------------------------------------------------------------------------------------


def cart(price: Any = None, quantity: Any = 1, currency: str = "CNY") -> Cart:
    """A cart of one line."""
    price = Money("9.99", "CNY") if price is None else price
    return Cart(currency, (CartLine("SKU-1", quantity, price),), customer=Party("c1"))


@pytest.mark.parametrize(
    ("bad", "error", "path"),
    [
        (cart(currency="CNX"), UnknownCurrency, "cart.currency"),
        (cart(Money("9.99", "EUR")), CurrencyMismatch, "cart.lines[0].unit_price"),
        (cart(Money("9.999", "CNY")), InvalidMoney, "cart.lines[0].unit_price"),
        (cart(Money("NaN", "CNY")), InvalidMoney, "cart.lines[0].unit_price"),
        (cart(9.99), InvalidMoney, "cart.lines[0].unit_price"),
        (cart(Money(10**30, "CNY")), AmountTooLarge, "cart.lines[0].unit_price"),
        (cart(quantity=0), InvalidQuantity, "cart.lines[0].quantity"),
        (cart(quantity=-1), InvalidQuantity, "cart.lines[0].quantity"),
        (cart(quantity=1.5), InvalidQuantity, "cart.lines[0].quantity"),
        (Cart("CNY", ()), InvalidCart, "cart.lines"),
    ],
)
def test_l24_a_cart_outside_the_rules_is_not_priced(bad: Cart, error: Any, path: str) -> None:
    """The error names the path of what is wrong; nothing is written."""
    world = World()
    with world.refused(error) as caught:
        world.engine.quote(bad)
    assert caught.value.path == path
    told(caught.value)


def test_l24_a_quote_that_was_changed_by_hand_is_refused() -> None:
    """Whoever lowers the total of a quote does not get it placed."""
    world = World()
    quote = world.quote()
    fields = {name: getattr(quote, name) for name in Quote.__slots__ if name != "__weakref__"}
    cheap = Quote(**{**fields, "total": 1})
    with world.refused(InvalidCart) as caught:
        world.engine.place(cheap, key="k", by=SHOPPER)
    assert caught.value.path == "quote.total"
    told(caught.value)


# --- Questions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, -1, 501, "5", None], ids=repr)
def test_l24_a_search_has_a_limit_within_bounds(limit: Any) -> None:
    """A negative limit is not *all*, and neither is none."""
    world = World()
    with world.refused(InvalidInput) as caught:
        world.engine.find(OrderQuery(limit=limit))
    assert caught.value.path.endswith("limit")
    told(caught.value)


@pytest.mark.parametrize("field", ["placed_from", "placed_before"])
def test_l24_a_search_by_a_time_without_a_zone_is_refused(field: str) -> None:
    """A naive datetime names no moment."""
    world = World()
    world.placed()
    with world.refused(InvalidInput) as caught:
        world.engine.find(OrderQuery(**{field: datetime(2026, 5, 20)}))  # noqa: DTZ001
    assert caught.value.path.endswith(field)
    told(caught.value)


@pytest.mark.parametrize("limit", [0, -1, "5", None], ids=repr)
def test_l24_a_sweep_has_a_limit_within_bounds(limit: Any) -> None:
    """The same for a sweep and for a relay."""
    world = World()
    for verb in (world.engine.sweep, lambda limit: world.engine.relay(None, limit)):
        with world.refused(InvalidInput) as caught:
            verb(limit=limit)
        assert caught.value.path == "limit"


@pytest.mark.parametrize("units", [0, -1, 1.0, True], ids=repr)
@pytest.mark.parametrize("verb", ["ship", "refund"])
def test_l24_a_manifest_made_by_hand_is_checked(verb: str, units: Any) -> None:
    """Whoever goes around `Manifest.of` ships and refunds no negative and no broken units."""
    world = World()
    order = world.paid()
    world.engine.accept(order.id, key="a")
    goods = Manifest(((LineId("1"), units),))
    fields = {"reason": "no", "by": STAFF} if verb == "refund" else {}
    with world.refused(InvalidQuantity) as caught:
        getattr(world.engine, verb)(order.id, goods, key="x", **fields)
    assert caught.value.path == "goods[1]"


@pytest.mark.parametrize("goods", [{"1": 1}, (("1", 1),)], ids=repr)
@pytest.mark.parametrize("verb", ["ship", "refund"])
def test_l24_goods_are_a_manifest(verb: str, goods: Any) -> None:
    """A dict or a tuple in its place is refused with the way to make one."""
    world = World()
    order = world.paid()
    world.engine.accept(order.id, key="a")
    fields = {"reason": "no", "by": STAFF} if verb == "refund" else {}
    with world.refused(InvalidManifest) as caught:
        getattr(world.engine, verb)(order.id, goods, key="x", **fields)
    assert "Manifest.of" in caught.value.reason
    assert caught.value.path == "goods"
