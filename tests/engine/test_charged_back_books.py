"""What the books say of an order whose money the payer's bank took back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from tests.engine.test_presale import Shop
from tests.engine.world import CHANNEL, PLAIN, SHOPPER, STAFF, World

from ordercore import Cart, CartLine, Money, Party, Percent
from ordercore.adapters.memory import MemoryGateway
from ordercore.ledger import CommissionRule, SettlementPolicy
from ordercore.tender import Chargeback, Notification

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ordercore import Order


class Bank(MemoryGateway):
    """A channel that tells of chargebacks, as ``key:amount:event``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gone: dict[str, int] = {}

    @property
    def taken(self) -> int:
        """What it holds of all payers."""
        return super().taken - sum(self.gone.values())

    def parse(self, headers: Mapping[str, str], body: bytes) -> Notification:
        """Read one."""
        del headers
        key, amount, name = body.decode().split(":")
        self.gone[name] = int(amount)
        return Notification(name, key, Chargeback(int(amount), 0, name, self._clock.now()))


def take_back(world: World, attempt: str, amount: int, name: str = "e1") -> None:
    """The payer's bank takes so much back."""
    world.engine.notify("wechat", {}, f"{attempt}:{amount}:{name}".encode())


def complete(world: World, order: Order) -> Order:
    """The order at its end."""
    for step in (world.engine.accept, world.engine.ship, world.engine.deliver):
        step(order.id, key=world.key())
    return world.engine.complete(order.id, key=world.key())


def test_refunded_means_nothing_earned_though_the_bank_took_a_part() -> None:
    """What the payer got back by the bank and by refund is the sale: no revenue, no tax, no loss stays."""
    world = World(channel=Bank)
    order = complete(world, world.paid(CHANNEL))
    take_back(world, f"{order.id}/1", 1_000)
    order = world.refund(order)
    assert (order.state, world.books()) == ("refunded", {})
    world.check()


def test_refunded_means_nothing_is_payable_to_a_merchant() -> None:
    """The merchant's part of a sale that came back is not owed."""
    funds = SettlementPolicy((CommissionRule(share=Percent.of("10")),))
    world = World(policies=attrs.evolve(PLAIN, funds=funds), channel=Bank)
    lines = (CartLine("SKU-1", 3, Money("100.00", "CNY"), merchant="M1"),)
    order = world.engine.place(
        world.engine.quote(Cart("CNY", lines, customer=Party("c1"))), key="p", by=SHOPPER
    )
    world.pay(order, CHANNEL)
    complete(world, order)
    world.refund(order, "1")
    take_back(world, f"{order.id}/1", 1_000)
    order = world.refund(order)
    assert (order.state, world.books()) == ("refunded", {})
    world.check()


def test_a_line_refunded_before_is_taken_back_once() -> None:
    """The rest of the sale is taken back with the last refund."""
    world = World(channel=Bank)
    order = world.completed()
    world.refund(order, "1")
    (attempt,) = [a.id for a in order.payments.attempts if a.gateway == "wechat"]
    take_back(world, attempt, 100)
    order = world.refund(order)
    assert (order.state, world.books()) == ("refunded", {})
    world.check()


@pytest.mark.parametrize("amount", [1_000, 26_997])
def test_an_order_that_ends_unearned_keeps_no_advance_against_a_chargeback(amount: int) -> None:
    """What the payer's bank took is given back by the time the order is canceled."""
    world = World(channel=Bank)
    order = world.paid(CHANNEL)
    take_back(world, f"{order.id}/1", amount)
    world.engine.cancel(order.id, reason="x", key="c", by=STAFF)
    assert world.books() == {}
    world.check()


def test_a_shipped_order_refunded_after_a_chargeback_leaves_nothing() -> None:
    """Goods that came back before the sale was earned: no advance and no chargeback stays."""
    world = World(channel=Bank)
    order = world.paid(CHANNEL)
    world.engine.accept(order.id, key="a")
    world.engine.ship(order.id, key="s")
    take_back(world, f"{order.id}/1", 1_000)
    world.refund(order)
    assert world.books() == {}
    world.check()


@pytest.mark.parametrize("amount", [2_000, 5_000])
def test_a_deposit_charged_back_is_not_held_after_the_end(amount: int) -> None:
    """The deposit of an order that staff ends stands nowhere."""
    shop = Shop(channel=Bank)
    shop.pay()
    take_back(shop.world, f"{shop.id}/1", amount)
    shop.engine.cancel(shop.id, reason="x", key="c", by=STAFF)
    books: dict[str, Any] = shop.world.books()
    assert "chargebacks:wechat" not in books
    assert "deposits_held" not in books
    shop.world.check()


def test_what_the_bank_takes_of_a_sale_that_stands_is_a_loss() -> None:
    """The customer keeps the goods: the sale stays earned."""
    world = World(channel=Bank)
    order = complete(world, world.paid(CHANNEL))
    take_back(world, f"{order.id}/1", 26_997)
    books = world.books()
    assert books["chargebacks:wechat"] == 26_997
    assert books["revenue"] < 0
    world.check()
