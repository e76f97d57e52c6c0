"""A shop with one order in it whose content changes: what tests of amending and recovering share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.engine.world import (
    CHANNEL,
    SHOPPER,
    STAFF,
    STOCK,
    World,
    after,
    world_policies,
)

from ordercore import (
    Actor,
    Cart,
    CartLine,
    Money,
    Party,
    Policies,
    tenders,
)
from ordercore.adapters.memory import MemoryCouponBook, MemoryStock
from ordercore.order import (
    HandlingPolicy,
)
from ordercore.testing import laws

if TYPE_CHECKING:
    from ordercore import Lifecycle, Order
    from ordercore.engine import Amendment

CENT = Money("100.00", "CNY")
UNREFUNDED = Policies(
    pricing=world_policies().pricing, handling=HandlingPolicy(refund_canceled=False)
)
ALL = (
    tenders.Points(1234, "c1"),
    tenders.Balance(Money("50.00", "CNY"), "c1"),
    tenders.Channel("wechat"),
)


TWO = Cart("CNY", (CartLine("SKU-1", 2, CENT),), customer=Party("c1"))
"""Two units of SKU-1."""


def two_lines(**fields: Any) -> Cart:
    """A unit of SKU-1 and two of SKU-2, 100.00 each."""
    lines = (CartLine("SKU-1", 1, CENT), CartLine("SKU-2", 2, CENT))
    return Cart("CNY", lines, customer=Party("c1"), **fields)


class Shop:
    """A world with one order in it, and the verbs of this file."""

    def __init__(
        self,
        *,
        lifecycle: str | Lifecycle[Order] = "standard",
        cart: Cart | None = None,
        policies: Policies | None = None,
        stock: dict[str, int] | None = None,
        **ports: Any,
    ) -> None:
        options = {name: ports.pop(name) for name in ("asks_payer", "channel") if name in ports}
        self.world = World(policies=policies or world_policies(), **options)
        goods = {f"SKU-{i}": STOCK for i in (1, 2, 3)}
        self.stock = self.world.stock = MemoryStock(self.world.clock, {**goods, **(stock or {})})
        self.engine = self.world.engine = self.world.another(lifecycles=[lifecycle], **ports)
        quote = self.engine.quote(cart or two_lines())
        name = lifecycle if isinstance(lifecycle, str) else lifecycle.name
        self.order = self.engine.place(quote, key="place", by=SHOPPER, lifecycle=name)
        self.id = self.order.id

    def now(self) -> Order:
        """The order as it stands."""
        return self.engine.get(self.id)

    def pay(self, *offers: Any) -> Order:
        """The shopper pays; by default over the channel."""
        return self.engine.pay(self.id, offers or CHANNEL, key=self.world.key(), by=SHOPPER).order

    def amend(self, *changes: Any, by: Actor = SHOPPER, **options: Any) -> Amendment:
        """What was agreed changes."""
        key = options.pop("key", None) or self.world.key()
        return self.engine.amend(self.id, changes, key=key, by=by, **options)

    def cancel(self) -> Order:
        """Staff cancel it."""
        return self.engine.cancel(self.id, reason="not wanted", key=self.world.key(), by=STAFF)

    def recover(self, price: str = "", **options: Any) -> Order:
        """Staff let it live again, at ``price`` a piece."""
        money = Money(price, "CNY") if price else None
        skus = [line.sku for line in self.now().lines]
        prices = None if money is None else dict.fromkeys(skus, money)
        options = {"key": self.world.key(), "by": STAFF, **options}
        return self.engine.recover(self.id, prices=prices, **options)

    def sweep(self, minutes: float | None = None) -> Order:
        """Time passes, and a sweeper serves what is due."""
        if minutes is not None:
            self.world.clock.set(after(minutes))
        for _ in range(4):
            self.engine.sweep()
        return self.now()

    def calls(self) -> dict[str, int]:
        """How many charges and refunds each gateway has seen."""
        return {
            name: len(gateway._charges) + len(gateway._refunds)
            for name, gateway in self.world.gateways.items()
        }

    def held(self) -> dict[str, int]:
        """Goods held for the order, under whatever names."""
        found: dict[str, int] = {}
        for reservation in self.stock._reserved.values():
            for sku, units in reservation.goods.items():
                found[sku] = found.get(sku, 0) + units
        return found

    def lasting(self) -> dict[str, int]:
        """Those of them that stay when their time is over."""
        found: dict[str, int] = {}
        for reservation in self.stock._reserved.values():
            for sku, units in reservation.goods.items() if reservation.deducted else ():
                found[sku] = found.get(sku, 0) + units
        return found

    def taken(self) -> dict[str, int]:
        """What each gateway holds of the shopper's money, in minor units; those that hold none are left out."""
        return {n: g.taken for n, g in self.world.gateways.items() if g.taken}

    def check(self) -> None:
        """The laws of the order and its books; the goods it needs are held, and no others."""
        order = self.now()
        told = self.engine.journal(self.id)
        laws.replay_gives(order, [(t.event, t.at) for t in told])
        laws.amounts_agree(order)
        laws.refunds_bounded(order.payments)
        laws.trial_balance_is_zero(self.engine.trial_balance())
        entries = [entry for _, _, made, *_ in self.world.store._entries for entry in made]
        laws.books_tell_the_money(order, entries)
        assert not order.payments.in_flight
        needs = dict(order.stock_kept())
        assert self.held() == needs, f"L22: {self.held()} is held, {needs} is needed"
        net = sum(self.taken().values())
        assert net == order.payments.captured - order.payments.refunded
        assert sum(g.held for g in self.world.gateways.values()) == 0


def paid(*offers: Any, **options: Any) -> Shop:
    """The order, paid."""
    shop = Shop(**options)
    assert shop.pay(*offers).state in {"paid", "processing"}
    return shop


def status(book: MemoryCouponBook, code: str) -> str:
    """What became of a code."""
    return book.find([code], "c1")[0].status.value
