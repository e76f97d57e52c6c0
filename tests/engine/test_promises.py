"""Promises that an order holds, and what a refusal leaves of them: goods, codes, a payment that waits."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.changing import CENT, UNREFUNDED, Shop, paid, status, two_lines
from tests.engine.world import SHOPPER, STAFF, World

from ordercore import (
    CartLine,
    KeyReused,
    Manifest,
    Money,
    NotAllowed,
    OutOfStock,
    Policies,
    PriceChanged,
    PricingPolicy,
)
from ordercore.adapters.memory import MemoryCouponBook
from ordercore.engine import amending
from ordercore.errors import CouponUnavailable, InvalidInput, InvalidQuantity, Vetoed
from ordercore.order import AddLine, ChangeCodes, ChangeQuantity, HandlingPolicy, RemoveLine, Rule
from ordercore.pricing import CouponTerms, Layer, OrderAmount, Promotion

if TYPE_CHECKING:
    from collections.abc import Callable

    from ordercore import Actor, Order
    from ordercore.change import Change
    from ordercore.order import Command

AGENT = "purchasing_agent"


class Gate:
    """A hook that vetoes the commands that it is told to."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def before(self, _order: Order, command: Command, _by: Actor) -> str:
        """Pass, or a reason."""
        return "held for a check" if type(command).__name__ in self.names else ""

    def after(self, change: Change) -> None:
        """Nothing."""


def refund(shop: Shop, goods: dict[str, int] | None = None) -> None:
    """Staff refund units, or all."""
    wanted = None if goods is None else Manifest.of(goods)
    shop.engine.refund(shop.id, wanted, reason="x", key=shop.world.key(), by=STAFF)


# --- Goods ---------------------------------------------------------------------------------------


def test_l22_units_refunded_and_ordered_again_are_held() -> None:
    """Two units added, paid and refunded, then added again: all that the order needs is held for good."""
    shop = paid()
    shop.amend(ChangeQuantity("1", 3))
    shop.pay()
    refund(shop, {"1": 2})
    shop.amend(ChangeQuantity("1", 3))
    shop.pay()
    assert (shop.now().lines[0].quantity, shop.now().due) == (3, 0)
    assert shop.lasting() == {"SKU-1": 3, "SKU-2": 2}
    shop.check()


def test_names_that_hold_nothing_are_forgotten() -> None:
    """Back and forth many times, an order knows but the last names, and holds what it needs."""
    shop = paid()
    for _ in range(12):
        shop.amend(ChangeQuantity("1", 2))
        shop.amend(ChangeQuantity("1", 1))
    assert len(shop.now().content.added) <= 2
    assert shop.lasting() == {"SKU-1": 1, "SKU-2": 2}
    shop.check()


def test_l22_a_name_that_a_crash_left_held_is_freed_before_it_is_forgotten() -> None:
    """The release after the write never came, and the next amendment drops the name: its goods are free."""
    shop = paid()
    shop.amend(ChangeQuantity("1", 3))
    release, shop.stock.release = shop.stock.release, lambda *_: None  # type: ignore[method-assign]
    shop.amend(ChangeQuantity("1", 1))
    shop.stock.release = release  # type: ignore[method-assign]
    assert shop.held() == {"SKU-1": 3, "SKU-2": 2}
    shop.amend(ChangeQuantity("2", 1))
    assert shop.now().content.added == ()
    assert shop.held() == {"SKU-1": 1, "SKU-2": 1}
    shop.check()


def test_an_order_is_amended_so_many_times_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one passes, the next is refused, and nothing changes."""
    monkeypatch.setattr(amending, "AMENDMENTS_MAX", 4)
    shop = paid()
    for units in (2, 1, 2, 1):
        shop.amend(ChangeQuantity("1", units))
    with shop.world.refused(NotAllowed) as caught:
        shop.amend(ChangeQuantity("1", 2))
    assert "4 times" in caught.value.reason
    with shop.world.refused(NotAllowed):
        shop.engine.preview_amendment(shop.id, [ChangeQuantity("1", 2)], by=SHOPPER)


# --- Codes ---------------------------------------------------------------------------------------


def coded(*codes: str, lifecycle: str = "standard") -> tuple[Shop, MemoryCouponBook]:
    """An order under some codes, each 10.00 off."""
    offs = tuple(
        Promotion(name, OrderAmount(Money("10.00", "CNY")), coupon=CouponTerms())
        for name in ("one", "two")
    )
    layers = tuple(Layer(off.id, (off,)) for off in offs)
    book = MemoryCouponBook(World().clock)
    for off in offs:
        book.issue(off.id.upper(), off.id)
    policies = Policies(pricing=PricingPolicy(layers=layers))
    cart = two_lines(codes=codes)
    return Shop(lifecycle=lifecycle, cart=cart, policies=policies, coupons=book), book


@pytest.mark.parametrize("pays", [False, True], ids=["unpaid", "paid"])
@pytest.mark.parametrize("dropped", ["ONE", "TWO"])
@pytest.mark.parametrize("begun", [("ONE", "TWO"), ()], ids=["placed with them", "amended to them"])
def test_l22_one_code_of_two_that_is_dropped_is_free_and_may_come_back(
    begun: tuple[str, ...], dropped: str, pays: bool
) -> None:
    """The other one stays, whichever it is, and however both came to the order."""
    shop, book = coded(*begun)
    if not begun:
        shop.amend(ChangeCodes(("ONE", "TWO")))
    if pays:
        shop.pay()
    (kept,) = {"ONE", "TWO"} - {dropped}
    stays = "used" if pays else "held"
    shop.amend(ChangeCodes((kept,)))
    assert (status(book, dropped), status(book, kept)) == ("free", stays)
    shop.amend(ChangeCodes(("ONE", "TWO")))
    assert set(shop.now().content.coupons) == {"ONE", "TWO"}
    assert (status(book, dropped), status(book, kept)) == (stays, stays)
    shop.cancel()
    assert (status(book, "ONE"), status(book, "TWO")) == ("free", "free")
    shop.check()


def test_l22_a_second_code_that_is_gone_frees_the_first() -> None:
    """Placed under two codes of which the later is taken meanwhile, an order holds neither, and no goods."""
    shop, book = coded()
    quote = shop.engine.quote(two_lines(codes=("ONE", "TWO")))
    book.hold("another order", ["TWO"], "c2", shop.world.clock.now() + timedelta(days=1))
    before = shop.held()
    with pytest.raises(CouponUnavailable):
        shop.engine.place(quote, key="second", by=SHOPPER)
    assert (status(book, "ONE"), status(book, "TWO")) == ("free", "held")
    assert shop.held() == before


def test_names_of_codes_that_are_dropped_are_forgotten() -> None:
    """Back and forth many times, an order knows but the last names."""
    shop, book = coded("ONE")
    for _ in range(6):
        shop.amend(ChangeCodes(("ONE", "TWO")))
        shop.amend(ChangeCodes(("ONE",)))
    assert len(shop.now().content.added_codes) <= 2
    assert (status(book, "ONE"), status(book, "TWO")) == ("held", "free")


def test_l22_a_refund_of_all_frees_the_code_of_an_order_that_does_not_move() -> None:
    """Nothing had left, and all money goes back: the state is as it was, and the code is free."""
    shop, book = coded("ONE", lifecycle=AGENT)
    shop.pay()
    shop.engine.advance(shop.id, "receive_at_warehouse", key="w", by=STAFF)
    state = shop.now().state
    refund(shop, {"1": 1})
    assert status(book, "ONE") == "used"
    refund(shop)
    assert (shop.now().state, shop.taken()) == (state, {})
    assert status(book, "ONE") == "free"


# --- A refusal ends nothing ----------------------------------------------------------------------


def _shown(shop: Shop) -> Any:
    return shop.engine.preview_amendment(shop.id, [ChangeQuantity("1", 4)], by=SHOPPER)


REFUSED: dict[str, tuple[type[Any], Callable[[Shop], Any]]] = {
    "no stock": (OutOfStock, lambda shop: shop.amend(ChangeQuantity("1", 99))),
    "no quantity": (InvalidQuantity, lambda shop: shop.amend(ChangeQuantity("1", -1))),
    "another price": (
        PriceChanged, lambda shop: shop.amend(ChangeQuantity("1", 2), shown=_shown(shop)),
    ),
    "too many": (InvalidInput, lambda shop: shop.amend(*[ChangeQuantity("1", 2)] * 101)),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_l12_a_refused_amendment_ends_no_payment_that_waits(case: str) -> None:
    """Price, stock and what was shown have their say before the payer's code dies."""
    error, act = REFUSED[case]
    shop = Shop(asks_payer=True)
    shop.pay()
    with shop.world.refused(error):
        act(shop)
    shop.engine.notify("wechat", {}, shop.world.channel.pay(f"{shop.id}/1"))
    assert shop.now().state == "paid"
    shop.check()


def test_l12_a_vetoed_amendment_ends_no_payment_that_waits() -> None:
    """The hook has its say before the payer's code dies, and nothing is promised."""
    shop = Shop(asks_payer=True, hooks=[Gate("Amend")])
    shop.pay()
    with shop.world.refused(Vetoed):
        shop.amend(ChangeQuantity("1", 2))


def test_a_preview_of_an_order_whose_payment_waits_is_what_the_amendment_does() -> None:
    """It shows the price as if that payment was given up, and gives up nothing."""
    shop = Shop(asks_payer=True)
    shop.pay()
    seen = shop.engine.preview_amendment(shop.id, [ChangeQuantity("1", 2)], by=SHOPPER)
    assert [a.state.value for a in shop.now().payments.attempts] == ["waiting"]
    done = shop.amend(ChangeQuantity("1", 2), shown=seen)
    assert (
        (seen.total, seen.due, seen.owed) == (done.total, done.due, done.owed) == (40000, 40000, 0)
    )
    assert shop.held() == {"SKU-1": 2, "SKU-2": 2}


# --- Hooks and timers ----------------------------------------------------------------------------


def test_a_timer_that_a_hook_vetoes_comes_due_again() -> None:
    """Vetoed, an unpaid order stays open; once the hook lets it pass, it closes."""
    gate = Gate("Close")
    shop = Shop(hooks=[gate])
    assert shop.sweep(31).state == "pending_payment"
    gate.names = ()
    assert shop.sweep(60 * 24 * 70).state == "closed"
    assert shop.held() == {}


@pytest.mark.parametrize("fact", ["AnswerAttempts", "AnswerRefund"])
def test_no_hook_stops_a_fact(fact: str) -> None:
    """A hook that would veto what a channel says, or what is owed, is not asked: the money is told."""
    shop = paid(hooks=[Gate(fact)])
    assert shop.taken() == {"wechat": 30000}
    shop.amend(RemoveLine("1"))
    assert shop.taken() == {"wechat": 20000}
    shop.cancel()
    assert shop.taken() == {}
    shop.check()


def test_no_hook_stops_what_an_amendment_that_passed_must_do() -> None:
    """The payment that waited is given up for it, though a hook would veto that by itself."""
    shop = Shop(asks_payer=True, hooks=[Gate("UndoPayment")])
    shop.pay()
    assert shop.amend(ChangeQuantity("1", 2)).due == 40000
    shop.check()


# --- Recovered -----------------------------------------------------------------------------------


@pytest.mark.parametrize("gives", [True, False], ids=["given back", "kept"])
def test_units_refunded_before_an_order_was_canceled_stay_refunded(gives: bool) -> None:
    """Recovered, it has the units that it had when it was canceled, at their price."""
    policies = None if gives else UNREFUNDED
    shop = paid(lifecycle=AGENT, policies=policies)
    refund(shop, {"2": 1})
    shop.cancel()
    assert shop.taken() == ({} if gives else {"wechat": 20000})
    order = shop.recover()
    assert [(line.id, line.quantity) for line in order.lines] == [("1", 1), ("2", 1)]
    assert (order.total, order.due) == (20000, 20000 if gives else 0)
    if order.due:
        shop.pay()
    assert shop.lasting() == {"SKU-1": 1, "SKU-2": 1}
    shop.check()


def test_units_refunded_stay_refunded_through_two_recoveries() -> None:
    """Each end gives back what was left, and each recovery brings just that."""
    shop = paid(lifecycle=AGENT)
    for left in ([("1", 1), ("2", 1)], [("1", 1)]):
        refund(shop, {"2": 1})
        shop.cancel()
        order = shop.recover()
        assert [(line.id, line.quantity) for line in order.lines] == left
        shop.pay()
        shop.check()


# --- Odd arguments -------------------------------------------------------------------------------

LONG = "x" * 4_001
ODD: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "pause": ("name", lambda e, i: e.pause(i, 5, key="k", by=STAFF)),
    "resume": ("name", lambda e, i: e.resume(i, None, key="k", by=STAFF)),
    "extend": ("timer", lambda e, i: e.extend(i, 5, key="k", by=STAFF)),
    "assign": ("to", lambda e, i: e.assign(i, 5, key="k", by=STAFF)),
    "override": ("to", lambda e, i: e.override(i, [], reason="r", key="k", by=STAFF)),
    "checklist": ("checklist", lambda e, i: e.review(i, valid=True, checklist=["a"], key="k", by=STAFF)),
    "contact": ("contact", lambda e, i: e.review(i, valid=True, contact=5, key="k", by=STAFF)),
    "shown": ("shown", lambda e, i: e.amend(i, [RemoveLine("1")], shown=5, key="k", by=STAFF)),
    "overrule": ("overrule", lambda e, i: e.amend(i, [RemoveLine("1")], overrule=5, key="k", by=STAFF)),
    "prices": ("prices", lambda e, i: e.recover(i, prices=[1], key="k", by=STAFF)),
    "a price": ("prices['A']", lambda e, i: e.recover(i, prices={"A": 1}, key="k", by=STAFF)),
    "cancel": ("reason", lambda e, i: e.cancel(i, reason=None, key="k", by=STAFF)),
    "refund": ("reason", lambda e, i: e.refund(i, reason=5, key="k", by=STAFF)),
    "advance": ("reason", lambda e, i: e.advance(i, "ship", reason=5, key="k", by=STAFF)),
    "close": ("reason", lambda e, i: e.close(i, reason=None, key="k", by=STAFF)),
    "item": ("line", lambda e, i: e.mark_item(i, 5, "x", key="k", by=STAFF)),
    "note": ("shown", lambda e, i: e.note(i, "text", shown="yes", key="k", by=STAFF)),
    "long cancel": ("reason", lambda e, i: e.cancel(i, reason=LONG, key="k", by=STAFF)),
    "long refund": ("reason", lambda e, i: e.refund(i, reason=LONG, key="k", by=STAFF)),
    "long close": ("reason", lambda e, i: e.close(i, reason=LONG, key="k", by=STAFF)),
    "long advance": ("reason", lambda e, i: e.advance(i, "ship", reason=LONG, key="k", by=STAFF)),
    "long override": ("reason", lambda e, i: e.override(i, "x", reason=LONG, key="k", by=STAFF)),
    "long review": ("reason", lambda e, i: e.review(i, valid=True, reason=LONG, key="k", by=STAFF)),
    "long overrule": (
        "overrule", lambda e, i: e.amend(i, [RemoveLine("1")], overrule=LONG, key="k", by=STAFF),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_l12_an_argument_of_another_type_is_refused_by_its_name(case: str) -> None:
    """No bare traceback, and nothing changes."""
    path, act = ODD[case]
    policies = Policies(handling=HandlingPolicy(overrules=tuple(Rule)))
    shop = paid(lifecycle=AGENT, policies=policies)
    with shop.world.refused(InvalidInput) as caught:
        act(shop.engine, shop.id)
    assert caught.value.path == path


# --- Keys ----------------------------------------------------------------------------------------


def test_l13_a_key_stands_for_the_very_parts_of_a_command() -> None:
    """Two contents that read the same when strung together are two; so are two reasons to overrule."""
    shop = paid(lifecycle=AGENT)
    shop.engine.close(shop.id, reason="a|b", key="c", by=STAFF)
    with pytest.raises(KeyReused):
        shop.engine.close(shop.id, reason="a", overrule="b|", key="c", by=STAFF)
    shop = paid()
    change = AddLine(CartLine("SKU-3", 1, CENT))
    shop.amend(change, key="k", by=STAFF)
    assert shop.amend(change, key="k", by=STAFF).quote is None
    with pytest.raises(KeyReused):
        shop.amend(change, key="k", by=STAFF, overrule="the customer called")


# --- Those that need a word in another file ------------------------------------------------------


def test_l12_a_vetoed_payment_ends_no_payment_that_waits() -> None:
    """The hook has its say before the payer's code dies."""
    gate = Gate()
    shop = Shop(asks_payer=True, hooks=[gate])
    shop.pay()
    gate.names = ("Pay",)
    with shop.world.refused(Vetoed):
        shop.pay()


def test_l12_a_price_of_what_the_order_does_not_have_is_refused() -> None:
    """An article written wrong does not let the order live again at the old price."""
    shop = paid(lifecycle=AGENT)
    shop.cancel()
    with shop.world.refused(InvalidInput) as caught:
        shop.engine.recover(shop.id, prices={"SKU_1": CENT}, key="v", by=STAFF)
    assert caught.value.path == "prices['SKU_1']"
